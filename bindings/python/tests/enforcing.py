"""What the tests of `enforce` share: keys, policies, models and damage."""

from __future__ import annotations

import builtins
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import modelseal
import pytest
from modelseal._hooks import gate

needs_posix = pytest.mark.skipif(os.name != "posix", reason="enforce needs Linux or macOS")

EVERYTHING = ("hf://huggingface.co/*/*", "file:///**")


class Publisher:
    """Somebody with a key, and policies by which that key counts."""

    def __init__(self, directory: Path, name: str = "release") -> None:
        directory.mkdir(exist_ok=True)
        self._directory, self._name = directory, name
        arguments = ["key", "generate", "--output", directory / name, "--no-password", "--format", "json"]
        command = [sys.executable, "-m", "modelseal", *map(str, arguments)]
        made = subprocess.run(command, check=True, capture_output=True, text=True)
        self._fingerprint = json.loads(made.stdout)["key-fingerprint"]

    def sign(self, model: Path, **options: Any) -> Path:
        signature = model / "model.sig" if model.is_dir() else Path(f"{model}.sigstore.json")
        modelseal.sign(
            model, private_key=self._directory / f"{self._name}.key", signature=signature, force=True, **options
        )
        return model

    def policy(
        self, name: str = "policy", *, models: tuple[str, ...] = EVERYTHING, until: datetime | None = None
    ) -> Path:
        """A policy file under which this publisher's signature is enough."""
        until = until or datetime.now(timezone.utc) + timedelta(days=1)
        path = self._directory / f"{name}.toml"
        path.write_text(
            f"""
schema = "modelseal.policy/v1"
id = "example.com/{name}"
version = 1
expires = {until:%Y-%m-%dT%H:%M:%SZ}

[signers.release]
kind = "key"
file = "{self._name}.pub"
spki-sha256 = "{self._fingerprint}"

[[rule]]
name = "ours"
models = {json.dumps(models)}
bind = "signer"
signature = {{ signers = ["release"] }}
"""
        )
        return path


def enforce(policy: Any, **options: Any) -> modelseal.enforce:
    return modelseal.enforce(policy, policy_unsigned=True, **options)


def write_model(directory: Path, values: int = 10) -> Path:
    """A model of a few files that the loaders under test can load."""
    import numpy
    from safetensors.numpy import save_file

    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text('{"model_type": "toy"}')
    (directory / "sub").mkdir(exist_ok=True)
    (directory / "sub" / "vocab.txt").write_text("a\nb\n")
    save_file({"w": numpy.arange(float(values))}, directory / "model.safetensors")
    numpy.save(directory / "plain.npy", numpy.arange(3))
    numpy.save(directory / "objects.npy", numpy.array([{"a": 1}], dtype=object), allow_pickle=True)
    return directory


@contextmanager
def flipped(path: Path) -> Iterator[None]:
    """One bit of a file is another one, written in place."""
    flip(path)
    try:
        yield
    finally:
        flip(path)


def flip(path: Path) -> None:
    # By another process, as it would be done: nothing of it passes the hooks of this one.
    code = (
        "import os, sys; n = os.open(sys.argv[1], os.O_RDWR); at = os.fstat(n).st_size // 2;"
        "os.pwrite(n, bytes([os.pread(n, 1, at)[0] ^ 1]), at)"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MODELSEAL_")}
    subprocess.run([sys.executable, "-S", "-c", code, str(path)], check=True, env=clean)


@contextmanager
def refused(code: str) -> Iterator[None]:
    """Fails unless the block raises `ModelDenied` with this code, which names a file and says what to do."""
    try:
        yield
    except modelseal.ModelDenied as error:
        assert error.code == code, str(error)
        assert error.fix, str(error)
        assert "was refused" in error.message, str(error)
        return
    raise AssertionError(f"not refused; {code} was expected")


@pytest.fixture(scope="session")
def publisher(tmp_path_factory):
    return Publisher(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def policy(publisher):
    return publisher.policy()


@pytest.fixture
def model(tmp_path, publisher):
    return publisher.sign(write_model(tmp_path / "model"))


@pytest.fixture(autouse=True)
def nothing_stays():
    """Each test leaves the process as it was."""
    yield
    assert not gate.active(), "a test left something enforced"
    assert builtins.open is io.open and type(builtins.open).__name__ == "builtin_function_or_method"
