#!/usr/bin/env python3
"""Runs the OMS vectors of another directory through the conformance adapter.

usage: outside_vectors.py DIRECTORY ADAPTER       DIRECTORY holds `oms/` (with index.json) and `run_oms_vectors.py`

Cases of methods that modelseal has no support for yet are left out, and counted."""

import collections
import json
import pathlib
import subprocess
import sys
import tempfile

SUPPORTED = ("key", "certificate")


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    directory, adapter = (pathlib.Path(arg).resolve() for arg in sys.argv[1:])
    vectors = directory / "oms"
    index = json.loads((vectors / "index.json").read_text(encoding="utf-8"))
    cases = [case for case in index["cases"] if case["kind"] == "verify"]
    kept = [case for case in cases if case["method"] in SUPPORTED]
    left_out = collections.Counter(case["method"] for case in cases if case["method"] not in SUPPORTED)
    if not kept:
        raise SystemExit(f"outside_vectors.py: {vectors} has no case of method {' or '.join(SUPPORTED)}")
    with tempfile.TemporaryDirectory() as scratch:
        # The same directory with a shorter index.
        for entry in vectors.iterdir():
            if entry.name != "index.json":
                (pathlib.Path(scratch) / entry.name).symlink_to(entry)
        (pathlib.Path(scratch) / "index.json").write_text(json.dumps({**index, "cases": kept}), encoding="utf-8")
        command = [sys.executable, "-B", str(directory / "run_oms_vectors.py"), scratch, "--", str(adapter)]
        code = subprocess.run(command, check=False).returncode
    print(f"{len(kept)} cases run")
    for method, count in sorted(left_out.items()):
        print(f"{count} cases left out: method {method} is not supported yet")
    sys.exit(code != 0)


if __name__ == "__main__":
    main()
