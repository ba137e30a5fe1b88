#!/usr/bin/env python3
"""Runs the example of each page in docs/buildtypes and compares the statement with the one that the page shows.

usage: buildtype_pages.py MODELSEAL [--write]

The inputs that the examples name are made here, the same bytes each time, so that every digest is as on the page.
`--write` puts what was printed into the pages."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

PAGES = pathlib.Path(__file__).resolve().parent.parent / "docs" / "buildtypes"
INPUTS = {
    "base/config.json": '{"hidden_size": 4}\n',
    "base/model.safetensors": "base weights\n",
    "other/config.json": '{"hidden_size": 4}\n',
    "other/model.safetensors": "other weights\n",
    "model/config.json": '{"hidden_size": 4}\n',
    "model/model.safetensors": "weights\n",
    "model.gguf": "GGUF\n",
    "data/croissant.json": json.dumps(
        {
            "@context": {},
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.1",
            "name": "chat",
            "distribution": [
                {
                    "@type": "cr:FileObject",
                    "@id": "train.csv",
                    "contentUrl": "part/train.csv",
                    "sha256": "d4e7b52d2b5bc2bb3acc3d1eb7d4d5e7ddcbd7c3d6ae34e9b33a7fa1ed23d4a2",
                }
            ],
        }
    ),
    "calibration/texts.jsonl": '{"text": "hello"}\n',
    "src/.git/HEAD": "ref: refs/heads/main\n",
    "src/.git/refs/heads/main": "7b964cd933b2cc9106deabd4641111826cfbc094\n",
    "src/uv.lock": "version = 1\n",
}
EXAMPLE = re.compile(r"```sh\n(?P<command>.*?)```\n\n```json\n(?P<said>.*?)```", re.S)


def said(modelseal: str, command: str, folder: str) -> str:
    words = shlex.split(command.replace("\\\n", " "))
    assert words[0] == "modelseal", command
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [modelseal, *words[1:], "--dry-run"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{command}\nexits {done.returncode}: {done.stderr}")
    return json.dumps(json.loads(done.stdout), indent=2) + "\n"


def main() -> None:
    modelseal, write = os.path.abspath(sys.argv[1]), "--write" in sys.argv[2:]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, text in INPUTS.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for page in sorted(PAGES.glob("*/v1.md")):
            text = page.read_text(encoding="utf-8")
            example = EXAMPLE.search(text)
            if example is None:
                sys.exit(f"{page} has no example")
            now = said(modelseal, example["command"], folder)
            if write:
                page.write_text(text[: example.start("said")] + now + text[example.end("said") :], encoding="utf-8")
            elif now != example["said"]:
                wrong += 1
                print(f"{page}: the example prints something else; run with --write and look at the difference")
            else:
                print(f"{page.parent.name}: as the page says")
    sys.exit(min(wrong, 1))


if __name__ == "__main__":
    main()
