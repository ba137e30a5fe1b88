#!/usr/bin/env python3
"""Runs real Python with numpy and safetensors under `modelseal exec`: the virtual environment works, the tensors are those that
were signed, and nothing else of the working directory can be read. usage: tests/exec_safetensors.py MODELSEAL, with the Python
of .venv. Exit status 77 where this system has no Landlock."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
from safetensors.numpy import save_file

REFERENCE = "hf://huggingface.co/acme/ranker"
LOAD = """
import json, sys, safetensors.numpy
tensors = safetensors.numpy.load_file(sys.argv[1] + "/model.safetensors")
try:
    open(sys.argv[2]).read()
    other = "read"
except PermissionError:
    other = "refused"
print(json.dumps({"sums": {name: float(t.sum()) for name, t in sorted(tensors.items())}, "other": other}))
"""


def main():
    modelseal = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        model = pathlib.Path("model")
        model.mkdir()
        save_file({"w": numpy.arange(6, dtype=numpy.float32), "b": numpy.ones((2, 2))}, model / "model.safetensors")
        save_file({"evil": numpy.zeros(1)}, "other.safetensors")
        made = run(modelseal, "key", "generate", "--no-password", "--output", "k", "--format", "json")
        run(modelseal, "sign", "key", "model", "--private-key", "k.key", "--signature", "model/model.sig")
        fingerprint = json.loads(made.stdout)["key-fingerprint"]
        pathlib.Path("policy.toml").write_text(
            'schema = "modelseal.policy/v1"\nid = "acme.example/serving"\nversion = 1\nexpires = 2099-01-01T00:00:00Z\n'
            f'signers.alice = {{ kind = "key", principal = "alice", file = "k.pub", spki-sha256 = "{fingerprint}" }}\n'
            f'[[rule]]\nname = "ranker"\nmodels = ["{REFERENCE}"]\nbind = "signer"\nsignature = {{ signers = ["alice"] }}\n'
        )
        # Root's virtual environments may lie where nobody else can go.
        user = ["--user", "root"] if os.geteuid() == 0 else []
        for flags in ([], ["--copy"], ["--strict"]):
            ran = subprocess.run(
                [modelseal, "exec", "--policy", "policy.toml", "--policy-unsigned", "--state-dir", "state"]
                + ["--model", f"{REFERENCE}=model", "--status-fd", "2", *flags, *user]
                + ["--", sys.executable, "-c", LOAD, "{model}", "other.safetensors"],
                capture_output=True,
                text=True,
            )
            if "error.unprotected" in ran.stderr or '"landlock"' not in ran.stderr:
                print(f"exec: not tested here: {ran.stderr}")
                sys.exit(77)
            assert ran.returncode == 0, (ran.returncode, ran.stderr)
            assert json.loads(ran.stdout) == {"sums": {"b": 4.0, "w": 15.0}, "other": "refused"}, ran.stdout
        file = bytearray((model / "model.safetensors").read_bytes())
        file[-1] ^= 1
        (model / "model.safetensors").write_bytes(file)
        ran = subprocess.run(
            [modelseal, "exec", "--policy", "policy.toml", "--policy-unsigned", "--state-dir", "state"]
            + ["--model", f"{REFERENCE}=model", *user, "--", sys.executable, "-c", LOAD, "{model}", "x"],
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 1 and ran.stdout == "", (ran.returncode, ran.stdout)
        assert "modelseal: exec: denied: integrity.digest-mismatch: " in ran.stderr, ran.stderr
    print("safetensors loads the tensors that were signed, in three ways; one flipped bit, and Python does not start")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True)


main()
