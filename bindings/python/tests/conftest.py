"""Keys, models and signatures for the tests."""

from __future__ import annotations

import faulthandler
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import modelseal

#: Larger than anybody can hash while a test lasts, and takes no room: work on it ends only when it is cancelled.
ENDLESS = 4 << 40


# A shell in the background has what it starts ignore Ctrl-C, and so do the programs that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_test_hangs():
    faulthandler.dump_traceback_later(120, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def run(*words: object, **options: object) -> subprocess.CompletedProcess:
    """The command line of the package, in a process of its own."""
    command = [sys.executable, "-m", "modelseal", *map(os.fspath, words)]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """A folder with `own` and `other` key pairs, and `locked`, whose password is `open sesame`."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("own", "other"):
        made = run("key", "generate", "--no-password", "--output", folder / name, "--format", "json")
        (folder / f"{name}.json").write_text(made.stdout)
    (folder / "password").write_text("open sesame\n")
    made = run("key", "generate", "--password-file", folder / "password", "--output", folder / "locked")
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model in the working directory, a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").write_text('{"layers": 2}')
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 1000)
    (folder / "sub" / "empty").write_bytes(b"")
    return folder


@pytest.fixture(params=["files", "shards"])
def opened(request, model, keys):
    """The model, signed and opened, each way to hash it."""
    return sign_and_open(model, keys, **ways(request.param))


@pytest.fixture
def endless(tmp_path):
    """A model that takes for ever."""
    folder = tmp_path / "endless"
    folder.mkdir()
    with open(folder / "weights.bin", "wb") as file:
        try:
            file.truncate(ENDLESS)
        except OSError:
            pytest.skip("this file system has no files of this size")
    return folder


POLICY = """
schema = "modelseal.policy/v1"
id = "example.com/tests"
version = 1
expires = EXPIRES
[signers.own]
kind = "key"
file = "own.pub"
spki-sha256 = "FINGERPRINT"
[[rule]]
name = "ours"
models = ["hf://huggingface.co/example/*"]
bind = "signer"
signature = { signers = ["own"] }
[[rule]]
name = "toys"
models = ["hf://huggingface.co/toys/*"]
action = "insecure-allow-unverified"
"""


@pytest.fixture
def policy(tmp_path, keys):
    """A policy that wants what is of `example` signed by `own`, and nothing of what is of `toys`."""
    (tmp_path / "own.pub").write_bytes((keys / "own.pub").read_bytes())
    fingerprint = json.loads((keys / "own.json").read_text())["key-fingerprint"]
    later = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + 30 * 86400))
    path = tmp_path / "policy.toml"
    path.write_text(POLICY.replace("FINGERPRINT", fingerprint).replace("EXPIRES", later))
    return path


def ways(method: str) -> dict:
    return {"method": "shards", "shard_size": 1000} if method == "shards" else {}


def sign_and_open(model: pathlib.Path, keys: pathlib.Path, **options: object) -> modelseal.Model:
    signature = model.parent / (model.name + ".sig")
    modelseal.sign(model, signature=signature, private_key=keys / "own.key", force=True, **options)
    return open_again(model, keys)


#: That bytes are others than were signed is seen by their digest; that somebody wrote to the file, by its times.
CHANGED = {"integrity.digest-mismatch", "integrity.changed-during-verify"}


def raw_file(model: modelseal.Model, name: str) -> modelseal.VerifiedFile:
    """A file without the buffer before it."""
    return model.open(name).detach()


def sign_flip_and_open(model: pathlib.Path, keys: pathlib.Path, name: str, at: int, **options: object) -> modelseal.Model:
    """The model, with a bit in this file flipped between signing and opening."""
    sign_and_open(model, keys, **options)
    flip_a_bit(model / name, at)
    return open_again(model, keys)


def open_again(model: pathlib.Path, keys: pathlib.Path) -> modelseal.Model:
    signature = model.parent / (model.name + ".sig")
    return modelseal.open_model(model, signature=signature, public_key=keys / "own.pub")


def overwrite(path: pathlib.Path, offset: int, data: bytes) -> None:
    """Writes in place, and leaves no trace in the times."""
    before = path.stat()
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def flip_a_bit(path: pathlib.Path, offset: int) -> None:
    with open(path, "rb") as file:
        file.seek(offset)
        (byte,) = file.read(1)
    overwrite(path, offset, bytes([byte ^ 1]))
