#!/usr/bin/env python3
"""Writes the test keys, the small models and the OMS cases, the same bytes on every run.

usage: testdata/generate.py [DIRECTORY]      default: the directory of this file
Run it with the Python that tests/setup.sh makes; testdata/check.sh compares a fresh run with what is committed."""

import json
import pathlib
import shutil
import sys

sys.dont_write_bytecode = True
from gen import cases_bundle, cases_certificate, cases_model, cases_shards, cases_statement, keys, oms, reference


def main(target):
    for name in ("keys", "models", "oms"):
        shutil.rmtree(target / name, ignore_errors=True)
    suite = oms.Suite()
    for part in (cases_bundle, cases_statement, cases_shards, cases_model, cases_certificate):
        part.add(suite)
    unknown = set(reference.DIFFERS) - set(suite.cases)
    if unknown:
        raise SystemExit(f"gen/reference.py names cases that do not exist: {sorted(unknown)}")
    for name, data in keys.files().items():
        put(target / "keys" / name, data)
    for name, data in suite.pki.files().items():
        put(target / "keys/pki" / name, data)
    for name, files in oms.MODELS.items():
        for path, data in files.items() if isinstance(files, dict) else [("", files)]:
            put(target / "models" / name / path, data)
    for case in suite.cases.values():
        folder = target / "oms" / case.folder()
        put(folder / "README", (case.why + "\n").encode())
        put(
            folder / "case.json",
            (json.dumps(case.document(reference.DIFFERS.get(case.name)), indent=1, ensure_ascii=False) + "\n").encode(),
        )
        put(folder / "bundle.sig", case.bundle)
    print(f"{len(suite.cases)} cases, {sum(c.ok for c in suite.cases.values())} of them good")


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here)
