#!/usr/bin/env python3
"""Runs the vectors of another directory through the conformance adapters.

usage: outside_vectors.py DIRECTORY ADAPTER SIGSTORE_ADAPTER

DIRECTORY holds `oms/` (with index.json) and `run_oms_vectors.py` for the first adapter, and `sigstore/bundle-verify/` for the
second. Nothing is left out."""

import pathlib
import subprocess
import sys

SIGSTORE = pathlib.Path(__file__).resolve().parent.parent / "tests/sigstore/vectors.py"


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    directory, adapter, sigstore_adapter = (str(pathlib.Path(arg).resolve()) for arg in sys.argv[1:])
    failed = 0
    for command in (
        [f"{directory}/run_oms_vectors.py", f"{directory}/oms", "--", adapter],
        [str(SIGSTORE), f"{directory}/sigstore/bundle-verify", "--", sigstore_adapter],
    ):
        print(f"--- {command[1]}", flush=True)
        failed += subprocess.run([sys.executable, "-B", *command], check=False).returncode != 0
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
