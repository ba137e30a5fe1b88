"""What a program that checks its types may write; read by mypy in strict mode, never run."""

from __future__ import annotations

import io
from pathlib import Path

import modelseal


def measured(path: Path) -> str:
    digest: modelseal.Digest = modelseal.digest(path, method="shards", shard_size=1 << 20)
    names: list[str] = [resource.name for resource in digest.resources]
    return digest.root + names[0]


def signed(path: str) -> modelseal.Signer:
    result = modelseal.sign(path, private_key="my.key", password=lambda: "secret", progress=shown)
    return result.signer


def shown(done: int, total: int) -> None:
    print(done, total)


def loaded(path: bytes) -> tuple[bytes, dict[str, str], modelseal.TensorInfo, int]:
    with modelseal.open_model(path, policy=["policy.toml"], as_="hf://huggingface.co/a/b") as model:
        file: io.BufferedReader = model.open("config.json")
        tensors: modelseal.SafeTensors = model.safetensors("model.safetensors", "torch")
        size: int = model.files["config.json"]
        return file.read(), tensors.metadata, tensors.info("a"), size


def judged(path: Path) -> str | None:
    try:
        verified = modelseal.verify(path, public_key=b"...")
    except modelseal.ModelDenied as denied:
        code: str = denied.code
        return code + str([check["id"] for check in denied.checks]) if denied.fix is None else denied.fix
    except (modelseal.UsageError, modelseal.UndecidedError) as error:
        return error.message
    return verified.manifest


def wrong(path: Path) -> None:
    modelseal.digest(path, method="bytes")  # type: ignore[arg-type]
    modelseal.digest(path, "files")  # type: ignore[misc]
    modelseal.verify(path, public_key=5)  # type: ignore[arg-type]
    modelseal.digest(path).root = "sha256:"  # type: ignore[misc]
    modelseal.sign(path, private_key="k", progress=lambda done: None)  # type: ignore[arg-type,misc]
