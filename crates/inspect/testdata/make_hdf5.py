#!/usr/bin/env python3
"""Writes the HDF5 files of the tests into hdf5/, with h5py: once with structures of the old kind, once with those of the new."""

import pathlib

import h5py
import numpy as np

HERE = pathlib.Path(__file__).parent / "hdf5"

CONFIG = (
    '{"class_name": "Sequential", "config": {"name": "m", "layers": ['
    '{"class_name": "Dense", "config": {"units": 3, "activation": "relu"}}]}}'
)


def model(file):
    weights = file.create_group("model_weights/dense")
    weights.create_dataset("kernel:0", data=np.arange(12, dtype="f4").reshape(3, 4))
    weights.create_dataset("bias:0", data=np.zeros(4, "f8"), compression="gzip", shuffle=True, fletcher32=True)
    file["again"] = h5py.SoftLink("/model_weights")
    file.attrs["keras_version"] = "2.12.0"
    file.attrs["model_config"] = CONFIG
    weights.attrs["weight_names"] = np.array([b"kernel:0", b"bias:0"])


def new(name, **options):
    return h5py.File(HERE / name, "w", **options)


def main():
    HERE.mkdir(exist_ok=True)
    for name, options in [("old.h5", {}), ("new.h5", {"libver": "latest"}), ("block.h5", {"userblock_size": 512})]:
        with new(name, **options) as file:
            model(file)
    with new("many.h5", libver="latest") as file:
        for number in range(40):
            file.create_group(f"group {number} with a name that takes some place")
        for number in range(20):
            file.attrs[f"attribute {number}"] = "text " * number
        file.attrs["model_config"] = CONFIG.replace("Dense", "Lambda")
    with new("types.h5") as file:
        file["compound"] = np.zeros(2, dtype=[("a", "i4"), ("b", "f8")])
        file["complex"] = np.zeros(2, "c16")
        file["opaque"] = np.zeros(2, "V7")
        file.create_dataset("sequence", (2,), dtype=h5py.vlen_dtype("i4"))
        file.create_dataset("text", data=["a", "bb"], dtype=h5py.string_dtype())
        file["named"] = np.dtype("f8")
        file.create_dataset("of named", (2,), dtype=file["named"])
        file.create_dataset("nothing", data=h5py.Empty("f4"))
        file["bool"] = np.array([True])
    with new("external.h5") as file:
        file.create_dataset("a", shape=(4,), dtype="f4", external=[("/etc/passwd", 0, 16)])
    with new("external_beside.h5", libver="latest") as file:
        file.create_dataset("a", shape=(4,), dtype="f4", external=[("a.bin", 0, 16)])
    with new("link.h5") as file:
        file["a"] = h5py.ExternalLink("../other.h5", "/x")
    with new("link_beside.h5") as file:
        file["a"] = h5py.ExternalLink("other.h5", "/x")
    with new("virtual.h5", libver="latest") as file:
        layout = h5py.VirtualLayout(shape=(2, 10), dtype="i4")
        for number in range(2):
            layout[number] = h5py.VirtualSource(f"/data/{number}.h5", "data", shape=(10,))
        file.create_virtual_dataset("a", layout)
    with new("filter.h5") as file:
        file.create_dataset("a", data=np.zeros(10), compression="lzf", chunks=(10,))
    with new("expands.h5") as file:
        file.create_dataset("a", shape=(1 << 40,), dtype="f4", chunks=(1024,))
    with new("objects.h5") as file:
        file.create_dataset("a", (2,), dtype=h5py.vlen_dtype("u1")).attrs["PSEUDOATOM"] = np.bytes_("object")
        file.attrs["pickled"] = np.bytes_(b"cos\nsystem\n(S'true'\ntR.")


if __name__ == "__main__":
    main()
