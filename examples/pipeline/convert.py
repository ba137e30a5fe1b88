"""Writes a model as GGUF version 3, the same weights in another file format: convert.py MODEL OUT"""

import pathlib
import struct
import sys

import numpy as np
import tiny_model

model, out = sys.argv[1:]
weights = tiny_model.load(model)
ALIGNMENT = 32


def text(value):
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def padding(length):
    return b"\0" * (-length % ALIGNMENT)


STRING, FLOAT32 = 8, 0
values = {"general.architecture": "tiny-characters", "general.name": "tiny-support"}
head = b"GGUF" + struct.pack("<IQQ", 3, len(weights), len(values))
for key, value in values.items():
    head += text(key) + struct.pack("<I", STRING) + text(value)
body = b""
for name, array in sorted(weights.items()):
    # GGUF counts dimensions from the innermost.
    shape = array.shape[::-1]
    head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, FLOAT32, len(body))
    data = array.astype("<f4").tobytes()
    body += data + padding(len(data))
head += padding(len(head))

directory = pathlib.Path(out)
directory.mkdir(parents=True)
(directory / "tiny-support.gguf").write_bytes(head + body)
(directory / "README.md").write_text("---\nbase_model: example/tiny-support\n---\n# tiny-support, as GGUF\n")

# The same weights: every tensor is found again, byte for byte.
written = (directory / "tiny-support.gguf").read_bytes()
at = len(head)
for name, array in sorted(weights.items()):
    assert np.array_equal(np.frombuffer(written[at : at + array.nbytes], "<f4").reshape(array.shape), array), name
    at += array.nbytes + len(padding(array.nbytes))
print(f"convert: {len(weights)} tensors, {len(written)} bytes, equal to the source's")
