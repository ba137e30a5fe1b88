"""Tensors: the same as safetensors' own reader gives, from files that are as they should be; nothing from others."""

import json
import random
import struct
import threading

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from conftest import CHANGED, flip_a_bit, sign_and_open, sign_flip_and_open

import modelseal

FILE = "model.safetensors"
#: In one piece, in shards smaller and larger than a tensor, in one shard.
WAYS = {
    "files": {},
    "shards-of-64": {"method": "shards", "shard_size": 64},
    "shards-of-3000": {"method": "shards", "shard_size": 3000},
    "shards-of-a-gigabyte": {"method": "shards"},
}


def some_tensors():
    rng = np.random.default_rng(8)
    kinds = "float64 float32 float16 int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool complex64".split()
    tensors = {kind: (rng.standard_normal((7, 11)) * 50).astype(kind) for kind in kinds}
    tensors["scalar"] = np.array(2.5)
    tensors["nothing"] = np.zeros((3, 0, 2), np.int16)
    tensors["large"] = rng.standard_normal((40, 101)).astype(np.float32)
    return tensors


@pytest.fixture
def file(model):
    safetensors.numpy.save_file(some_tensors(), model / FILE, metadata={"format": "pt", "by": "tests"})
    return model / FILE


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("way", WAYS)
def test_numpy(model, file, keys, way):
    expected = safetensors.numpy.load_file(file)
    tensors = sign_and_open(model, keys, **WAYS[way]).safetensors(FILE)
    assert set(tensors) == set(expected) and len(tensors) == len(expected)
    assert tensors.metadata == {"format": "pt", "by": "tests"}
    assert "large" in tensors and "other" not in tensors and 5 not in tensors
    with pytest.raises(KeyError):
        tensors["other"]
    for name in tensors:
        assert_same(tensors[name], expected[name])
        assert tensors[name].flags.writeable and tensors[name].flags.aligned
    for _ in range(2):
        told = []
        everything = tensors.load_all(progress=lambda *both: told.append(both))
        assert list(everything) == list(tensors)
        for name, array in everything.items():
            assert_same(array, expected[name])
            # What the caller does with it is nobody else's matter.
            array[...] = 0
        for name in tensors:
            assert_same(tensors[name], expected[name])
    assert told[-1][0] == told[-1][1] > 0
    info = tensors.info("large")
    assert (info.dtype, info.shape, info.size) == ("F32", (40, 101), 40 * 101 * 4)


@pytest.mark.parametrize("way", WAYS)
def test_types_that_numpy_does_not_have(model, keys, way, monkeypatch):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    expected = {
        "bf16": np.arange(9).astype(ml_dtypes.bfloat16),
        "f8a": np.arange(9).astype(ml_dtypes.float8_e4m3fn),
        "f8b": np.arange(9).astype(ml_dtypes.float8_e5m2),
    }
    types = {"bf16": "BF16", "f8a": "F8_E4M3", "f8b": "F8_E5M2"}
    said, data = {}, b""
    for name, array in expected.items():
        said[name] = tensor(len(data), len(data) + array.nbytes, types[name], [9])
        data += array.tobytes()
    (model / FILE).write_bytes(of(said, data))
    tensors = sign_and_open(model, keys, **WAYS[way]).safetensors(FILE)
    for name, array in expected.items():
        assert_same(tensors[name], array)
        assert_same(tensors.load_all()[name], array)
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    with pytest.raises(modelseal.UndecidedError) as error:
        tensors["bf16"]
    assert error.value.code == "error.unsupported" and "ml_dtypes" in error.value.fix


@pytest.mark.parametrize("way", WAYS)
def test_torch(model, file, keys, way):
    torch = pytest.importorskip("torch")
    import safetensors.torch

    expected = safetensors.torch.load_file(file)
    tensors = sign_and_open(model, keys, **WAYS[way]).safetensors(FILE, framework="torch")
    for found in ({name: tensors[name] for name in tensors}, tensors.load_all(), tensors.load_all()):
        assert found.keys() == expected.keys()
        for name, tensor in found.items():
            assert tensor.dtype == expected[name].dtype and tensor.shape == expected[name].shape
            assert torch.equal(tensor, expected[name])


def test_frameworks(model, file, keys, monkeypatch):
    opened = sign_and_open(model, keys)
    with pytest.raises(modelseal.UsageError):
        opened.safetensors(FILE, framework="jax")
    for framework in ("numpy", "torch"):
        with monkeypatch.context() as without:
            without.setitem(__import__("sys").modules, framework, None)
            with pytest.raises(modelseal.UndecidedError) as error:
                opened.safetensors(FILE, framework=framework)
            assert error.value.code == "error.unsupported" and framework in error.value.fix


@pytest.mark.parametrize("way", WAYS)
def test_a_flipped_bit_gives_no_tensor(model, file, keys, way):
    size = file.stat().st_size
    for at in (0, 9, size // 2, size - 1):
        opened = sign_flip_and_open(model, keys, FILE, at, **WAYS[way])
        with pytest.raises(modelseal.ModelDenied) as denied:
            opened.safetensors(FILE).load_all()
        assert denied.value.code == "integrity.digest-mismatch" and denied.value.file == FILE
        flip_a_bit(file, at)


@pytest.mark.parametrize("way", ["shards-of-64", "shards-of-3000"])
def test_a_change_after_the_header_was_read(model, file, keys, way):
    tensors = sign_and_open(model, keys, **WAYS[way]).safetensors(FILE)
    assert tensors["scalar"] == 2.5
    flip_a_bit(file, file.stat().st_size - 1)
    with pytest.raises(modelseal.ModelDenied) as denied:
        tensors.load_all()
    assert denied.value.code in CHANGED and denied.value.file == FILE
    # Nothing more, not even when the file is good again.
    flip_a_bit(file, file.stat().st_size - 1)
    for read in (tensors.load_all, lambda: tensors["scalar"]):
        with pytest.raises(modelseal.ModelDenied):
            read()


@pytest.mark.parametrize("way", ["files", "shards-of-a-gigabyte"])
def test_a_change_after_the_file_was_read(model, file, keys, way):
    tensors = sign_and_open(model, keys, **WAYS[way]).safetensors(FILE)
    expected = some_tensors()
    file.write_bytes(b"!" * file.stat().st_size)
    assert_same(tensors["large"], expected["large"])
    assert_same(tensors.load_all()["large"], expected["large"])
    # That memory was given away.
    with pytest.raises(modelseal.ModelDenied):
        tensors["large"]


def test_by_shards_only_what_is_used_is_read(model, file, keys):
    large = sign_and_open(model, keys, **WAYS["shards-of-64"]).safetensors(FILE).info("large")
    middle = large.offset + large.size // 2
    tensors = sign_flip_and_open(model, keys, FILE, middle, **WAYS["shards-of-64"]).safetensors(FILE)
    assert_same(tensors["int64"], some_tensors()["int64"])
    with pytest.raises(modelseal.ModelDenied):
        tensors["large"]
    with pytest.raises(modelseal.ModelDenied):
        tensors["int64"]


@pytest.mark.parametrize("way", WAYS)
def test_threads_share_tensors(model, file, keys, way):
    expected = safetensors.numpy.load_file(file)
    tensors = sign_and_open(model, keys, **WAYS[way]).safetensors(FILE)
    wrong = []

    def work(seed):
        names = list(tensors)
        random.Random(seed).shuffle(names)
        everything = tensors.load_all() if seed % 2 else tensors
        wrong.extend(n for n in names if everything[n].tobytes() != expected[n].tobytes())

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def of(header, data=b"", length=None):
    """A file with this header."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def tensor(begin, end, dtype="U8", shape=None):
    return {"dtype": dtype, "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


HOSTILE = {
    "empty": b"",
    "seven bytes": b"\x01" * 7,
    "no header": of(b""),
    "a header that is longer than the file": of({}, length=3),
    "a header that is as long as can be said": of({}, length=2**64 - 1),
    "a header of a gigabyte": of({}, length=2**30),
    "an array": of([]),
    "a space before": of(b' {"a": 1}'),
    "not UTF-8": of(b'{"\xff": 1}'),
    "cut off": of(b'{"a": {"dtype"'),
    "deep": of(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "a number as long as a book": of(b'{"a":{"dtype":"U8","shape":[' + b"9" * 200_000 + b'],"data_offsets":[0,1]}}', b"x"),
    "more behind the header": of(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}{}', b"x"),
    "one name twice": of(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}', b"x"),
    "one member twice": of(b'{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', b"x"),
    "outside the file": of({"a": tensor(0, 5)}, b"1234"),
    "far outside the file": of({"a": tensor(0, 2**63)}, b"1234"),
    "beginning behind the file": of({"a": tensor(9, 9), "b": tensor(0, 4)}, b"1234"),
    "backwards": of({"a": {"dtype": "U8", "shape": [0], "data_offsets": [4, 0]}}, b"1234"),
    "negative": of({"a": {"dtype": "U8", "shape": [4], "data_offsets": [-4, 0]}}, b"1234"),
    "a negative size": of({"a": tensor(0, 4, shape=[-4])}, b"1234"),
    "two negative sizes": of({"a": tensor(0, 4, shape=[-2, -2])}, b"1234"),
    "overlapping": of({"a": tensor(0, 3), "b": tensor(2, 4)}, b"1234"),
    "the same twice": of({"a": tensor(0, 4), "b": tensor(0, 4)}, b"1234"),
    "overlapping, and a hole for it": of({"a": tensor(0, 2), "b": tensor(0, 2)}, b"1234"),
    "a hole": of({"a": tensor(0, 1), "b": tensor(2, 4)}, b"1234"),
    "a hole before": of({"a": tensor(1, 4)}, b"1234"),
    "bytes behind": of({"a": tensor(0, 3)}, b"1234"),
    "bytes and no tensor": of({}, b"1234"),
    "a shape that is too small": of({"a": tensor(0, 4, shape=[3])}, b"1234"),
    "a shape that is too large": of({"a": tensor(0, 4, shape=[2, 3])}, b"1234"),
    "a shape that is right modulo 2^64": of({"a": tensor(0, 4, shape=[2**62 + 1, 4])}, b"1234"),
    "a type that is too large": of({"a": tensor(0, 4, "F32", [4])}, b"1234"),
    "half a byte": of({"a": tensor(0, 4, "F4", [7])}, b"1234"),
    "no type of ours": of({"a": tensor(0, 4, "F33", [1])}, b"1234"),
    "a type that is no text": of({"a": tensor(0, 4, 5)}, b"1234"),
    "a type that is a list": of({"a": tensor(0, 4, [5])}, b"1234"),
    "a shape that is a number": of({"a": tensor(0, 4, shape=4)}, b"1234"),
    "a size that is a boolean": of({"a": tensor(0, 1, shape=[True])}, b"1"),
    "a size that is a fraction": of({"a": tensor(0, 4, shape=[4.0])}, b"1234"),
    "a size that is no number": of(b'{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}}', b"x"),
    "more dimensions than there are": of({"a": tensor(0, 4, shape=[1] * 70 + [4])}, b"1234"),
    "three offsets": of({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4, 4]}}, b"1234"),
    "a member too few": of({"a": {"dtype": "U8", "shape": [4]}}, b"1234"),
    "a member too many": of({"a": {**tensor(0, 4), "more": 1}}, b"1234"),
    "no object": of({"a": 5}, b"1234"),
    "metadata that are a list": of({"__metadata__": [], "a": tensor(0, 4)}, b"1234"),
    "metadata that are numbers": of({"__metadata__": {"a": 1}, "a": tensor(0, 4)}, b"1234"),
}


@pytest.mark.parametrize("way", WAYS)
def test_hostile_headers(model, keys, way):
    # All of them well signed: signers make mistakes, too.
    for number, data in enumerate(HOSTILE.values()):
        (model / f"{number}.safetensors").write_bytes(data)
    opened = sign_and_open(model, keys, **WAYS[way])
    for number, what in enumerate(HOSTILE):
        with pytest.raises(modelseal.ModelDenied) as denied:
            opened.safetensors(f"{number}.safetensors")
            pytest.fail(what)
        assert denied.value.code == "content.format-mismatch", what
        assert denied.value.file == f"{number}.safetensors"
        assert len(str(denied.value)) < 1000


def test_random_headers_are_read_as_the_format_s_own_reader_does(file):
    from modelseal._safetensors import parse_header

    data = file.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header, body = data[8 : 8 + length], data[8 + length :]
    rng = random.Random(8)
    accepted = 0
    for _ in range(3000):
        changed = bytearray(header)
        for _ in range(rng.randrange(1, 3)):
            changed[rng.randrange(len(changed))] = rng.choice(b'0123456789"[]{},:-. abFUI\\\x00\xff')
        try:
            tensors, _ = parse_header(bytes(changed), len(body), 8 + length, "file")
        except modelseal.ModelDenied:
            continue
        accepted += 1
        theirs = dict(safetensors.deserialize(data[:8] + bytes(changed) + body))
        assert theirs.keys() == tensors.keys()
        for name, info in tensors.items():
            assert theirs[name]["dtype"] == info.dtype and tuple(theirs[name]["shape"]) == info.shape
            assert bytes(theirs[name]["data"]) == data[info.offset : info.offset + info.size]
    assert accepted > 100


def test_a_file_without_tensors(model, keys):
    (model / FILE).write_bytes(of({"__metadata__": {"a": "b"}}))
    tensors = sign_and_open(model, keys).safetensors(FILE)
    assert (dict(tensors), tensors.load_all(), tensors.metadata) == ({}, {}, {"a": "b"})


def test_a_header_that_is_not_aligned(model, keys):
    header = json.dumps({"a": tensor(0, 8, "F64", [1])}).encode()
    header += b" " * (3 - len(header) % 8 % 8)
    (model / FILE).write_bytes(of(header, struct.pack("<d", 0.5)))
    for way in WAYS.values():
        tensors = sign_and_open(model, keys, **way).safetensors(FILE)
        for array in (tensors["a"], tensors.load_all()["a"]):
            assert array.tolist() == [0.5] and array.flags.aligned


@pytest.mark.parametrize("shape", [[1 << 62, 0], [0, 1 << 40, 1 << 40]])
def test_a_tensor_without_elements_that_is_too_large_for_arrays_is_refused(model, keys, shape):
    header = json.dumps({"w": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}).encode()
    (model / FILE).write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(modelseal.ModelDenied) as found:
        sign_and_open(model, keys).safetensors(FILE)
    assert found.value.code == "content.format-mismatch" and found.value.file == FILE


@pytest.mark.parametrize("way", WAYS)
def test_several_files_in_one_pass(model, file, keys, way):
    safetensors.numpy.save_file({"other": np.arange(3000)}, model / "b.safetensors")
    seen = []
    with sign_and_open(model, keys, **WAYS[way]) as opened:
        found = opened.load_safetensors(progress=lambda done, total: seen.append((done, total)))
        assert list(found) == ["b.safetensors", FILE]
        assert seen[-1] == (opened.files[FILE] + opened.files["b.safetensors"],) * 2
        expected = {name: safetensors.numpy.load_file(model / name) for name in found}
        for name, tensors in found.items():
            assert set(tensors) == set(expected[name])
            for tensor in tensors:
                assert_same(tensors[tensor], expected[name][tensor])
                assert tensors[tensor].flags.writeable and tensors[tensor].flags.aligned
        assert list(opened.load_safetensors(FILE)) == [FILE]
        assert opened.load_safetensors([]) == {}
        with pytest.raises(modelseal.ModelDenied) as denied:
            opened.load_safetensors([FILE, "none.safetensors"])
        assert denied.value.code == "integrity.not-signed"
        with pytest.raises(modelseal.UsageError):
            opened.load_safetensors(framework="jax")


@pytest.mark.parametrize("way", WAYS)
def test_several_files_one_of_them_changed(model, file, keys, way):
    safetensors.numpy.save_file({"other": np.arange(3000)}, model / "b.safetensors")
    opened = sign_flip_and_open(model, keys, "b.safetensors", 9000, **WAYS[way])
    with pytest.raises(modelseal.ModelDenied, match=r"b\.safetensors") as denied:
        opened.load_safetensors()
    assert denied.value.code in CHANGED
    assert set(opened.load_safetensors([FILE])[FILE]) == set(some_tensors())


def test_several_files_in_torch(model, file, keys):
    torch = pytest.importorskip("torch")
    found = sign_and_open(model, keys).load_safetensors(framework="torch")[FILE]
    assert torch.equal(found["large"], torch.from_numpy(some_tensors()["large"]))
