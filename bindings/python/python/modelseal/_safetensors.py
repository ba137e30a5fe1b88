"""Tensors of a verified model, straight from bytes that were compared with what was signed.

The header is read strictly: a file in which two readers could see two things is refused. The format:
https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from . import _memory, _native
from ._arguments import Progress
from ._errors import ModelDenied, UndecidedError, UsageError, denied_bytes

#: Of the format's own reader.
MAX_HEADER_BYTES = 100_000_000
#: More than any array library has.
MAX_DIMENSIONS = 64
#: Digits of 2^64.
_MAX_DIGITS = 20

#: Bits of an element; the numpy type, of `ml_dtypes` where it begins with a `+`; the torch type.
_DTYPES: dict[str, tuple[int, str | None, str | None]] = {
    "BOOL": (8, "?", "bool"),
    "U8": (8, "u1", "uint8"),
    "I8": (8, "i1", "int8"),
    "F8_E5M2": (8, "+float8_e5m2", "float8_e5m2"),
    "F8_E4M3": (8, "+float8_e4m3fn", "float8_e4m3fn"),
    "F8_E8M0": (8, "+float8_e8m0fnu", "float8_e8m0fnu"),
    "F8_E4M3FNUZ": (8, "+float8_e4m3fnuz", "float8_e4m3fnuz"),
    "F8_E5M2FNUZ": (8, "+float8_e5m2fnuz", "float8_e5m2fnuz"),
    "I16": (16, "<i2", "int16"),
    "U16": (16, "<u2", "uint16"),
    "F16": (16, "<f2", "float16"),
    "BF16": (16, "+bfloat16", "bfloat16"),
    "I32": (32, "<i4", "int32"),
    "U32": (32, "<u4", "uint32"),
    "F32": (32, "<f4", "float32"),
    "C64": (64, "<c8", "complex64"),
    "F64": (64, "<f8", "float64"),
    "I64": (64, "<i8", "int64"),
    "U64": (64, "<u8", "uint64"),
    # Several elements in a byte: two in torch's type, and in no array of numpy.
    "F4": (4, None, "float4_e2m1fn_x2"),
    "F6_E2M3": (6, None, None),
    "F6_E3M2": (6, None, None),
}


@dataclass(frozen=True)
class TensorInfo:
    """What the header says of a tensor."""

    #: As in the file, for example ``BF16``.
    dtype: str
    shape: tuple[int, ...]
    #: Bytes.
    size: int
    #: Where it begins in the file.
    offset: int


class SafeTensors(Mapping[str, Any]):
    """The tensors of one file. Each access gives an array of its own; threads may share the mapping."""

    def __init__(
        self,
        contents: _native.Contents,
        name: str,
        framework: str,
        progress: Progress | None,
        *,
        whole: Any = None,
    ) -> None:
        self._contents = contents
        self._name = name
        self._arrays = _arrays(framework)
        self._lock = threading.Lock()
        self._denied: ModelDenied | None = None
        self._file = contents.open(name)
        self._size = len(self._file)
        self._shard_size = contents.shard_size()
        #: Whether it cannot be verified in parts, or was not.
        self._is_one_piece = whole is not None or self._shard_size is None or self._size <= self._shard_size
        #: The whole verified file, as an array of bytes, if it is one piece.
        self._whole = whole
        if self._is_one_piece and whole is None:
            self._read_whole(progress)
        start = self._some_bytes(0, min(8, self._size))
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(MAX_HEADER_BYTES, self._size - 8):
            _refuse(name, "its header is longer than the file, or than any may be")
        header = self._some_bytes(8, length)
        self._tensors, self._metadata = parse_header(header, self._size - 8 - length, 8 + length, name)

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says about itself besides."""
        return dict(self._metadata)

    def info(self, name: str) -> TensorInfo:
        """What the header says of a tensor; reads nothing."""
        return self._tensors[name]

    def __getitem__(self, name: str) -> Any:
        info = self._tensors[name]
        with self._lock, self._Poison(self):
            form = self._arrays.form(info, name)
            if self._is_one_piece:
                if self._whole is None:
                    self._read_whole(None)
                array = self._arrays.copy(self._whole, info.offset, info.size)
            else:
                array = self._tensor_bytes(info)
            return self._arrays.shaped(array, form)

    def load_all(self, *, progress: Progress | None = None) -> dict[str, Any]:
        """Loads every tensor in one pass over the file."""
        with self._lock, self._Poison(self):
            forms = {name: self._arrays.form(info, name) for name, info in self._tensors.items()}
            if self._is_one_piece:
                if self._whole is None:
                    self._read_whole(progress)
                elif progress is not None:
                    progress(self._size, self._size)
                # They become parts of the memory that the file was read into, which is given away with them.
                whole, self._whole = self._whole, None
                parts = {n: self._arrays.part(whole, i.offset, i.size) for n, i in self._tensors.items()}
            else:
                self._contents.check_memory(self._name, sum(i.size for i in self._tensors.values()))
                parts = {n: self._arrays.empty(i.size) for n, i in self._tensors.items()}
                in_order = sorted(self._tensors, key=lambda n: self._tensors[n].offset)
                places = [(self._tensors[n].offset, parts[n]) for n in in_order]
                _memory.fill_arrays(self._contents, self._name, places, progress)
            return {name: self._arrays.shaped(part, forms[name]) for name, part in parts.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __repr__(self) -> str:
        return f"<modelseal.SafeTensors {self._name!r}, {len(self._tensors)} tensors>"

    def _read_whole(self, progress: Progress | None) -> None:
        self._contents.check_memory(self._name, self._size)
        whole = self._arrays.empty(self._size)
        _memory.fill_arrays(self._contents, self._name, [(0, whole)], progress)
        self._whole = whole

    def _some_bytes(self, offset: int, size: int) -> bytes:
        if self._whole is not None:
            return self._arrays.to_bytes(self._whole, offset, size)
        return self._file.read_at(offset, size)

    def _tensor_bytes(self, info: TensorInfo) -> Any:
        """Whole shards go straight into the array; of those that it shares with others a copy is kept for the others."""
        array = self._arrays.empty(info.size)
        shard = self._shard_size or 1
        end = info.offset + info.size
        # The last shard of the file is whole where the file ends.
        last = end if end == self._size else end // shard * shard
        first = min(-(-info.offset // shard) * shard, end)
        if first < last:
            middle = self._arrays.part(array, first - info.offset, last - first)
            _memory.fill_arrays(self._contents, self._name, [(first, middle)], None)
        else:
            first = last = end
        for start, stop in ((info.offset, first), (last, end)):
            if start < stop:
                piece = self._file.read_at(start, stop - start)
                self._arrays.put(array, start - info.offset, piece)
        return array

    class _Poison:
        """After bytes were found that nobody signed, nothing more is given out."""

        def __init__(self, tensors: SafeTensors) -> None:
            self._tensors = tensors

        def __enter__(self) -> None:
            if self._tensors._denied is not None:
                raise self._tensors._denied

        def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
            if isinstance(error, ModelDenied):
                self._tensors._denied = error
                self._tensors._whole = None


def load_files(
    contents: _native.Contents, names: list[str], framework: str, progress: Progress | None
) -> dict[str, dict[str, Any]]:
    """Every tensor of several files, by file, read in one pass over all of them."""
    arrays, sizes = _arrays(framework), dict(contents.files())
    for name in names:
        contents.open(name)  # or says that nobody signed it
    wanted = {name: sizes[name] for name in names}
    if wanted:
        contents.check_memory(max(wanted, key=lambda name: wanted[name]), sum(wanted.values()))
    wholes = {name: arrays.empty(size) for name, size in wanted.items()}
    _memory.fill_files(contents, wholes, progress)
    return {name: SafeTensors(contents, name, framework, None, whole=wholes.pop(name)).load_all() for name in wanted}


def parse_header(
    header: bytes, data_size: int, data_start: int, file: str
) -> tuple[dict[str, TensorInfo], dict[str, str]]:
    """The tensors and the metadata that a header says, when it says nothing wrong about so many bytes of data."""
    if not header.startswith(b"{"):
        _refuse(file, "its header is no JSON object")
    try:
        said = json.loads(
            header.decode("utf-8"),
            object_pairs_hook=_once,
            parse_int=_int,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except (ValueError, RecursionError) as error:
        _refuse(file, f"its header is no JSON that can be read: {error}"[:300])
    metadata = said.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        _refuse(file, "its metadata is no object of texts")
    tensors: dict[str, TensorInfo] = {}
    for name, entry in said.items():
        tensors[name] = _entry(name, entry, data_size, data_start, file)
    # Together they are the data: nothing lies between them, before or behind, and nothing belongs to two.
    end = data_start
    for name in sorted(tensors, key=lambda name: (tensors[name].offset, tensors[name].size)):
        if tensors[name].offset != end:
            what = "overlaps the one before" if tensors[name].offset < end else "does not follow the one before"
            _refuse(file, f"its tensor {_shown(name)} {what}")
        end += tensors[name].size
    if end != data_start + data_size:
        _refuse(file, "there are bytes behind its last tensor")
    return tensors, metadata


def _entry(name: str, entry: Any, data_size: int, data_start: int, file: str) -> TensorInfo:
    def wrong(why: str) -> NoReturn:
        _refuse(file, f"its tensor {_shown(name)} {why}")

    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        wrong("is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        wrong(f"has a dtype that is none: {_shown(dtype)}")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS or not all(_is_size(n) for n in shape):
        wrong("has a shape that is none")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_size(n) for n in offsets):
        wrong("has data_offsets that are none")
    begin, end = offsets
    if not begin <= end <= data_size:
        wrong("lies outside the file")
    bits = _DTYPES[dtype][0]
    extent = bits
    for size in shape:
        bits *= size
        extent *= max(size, 1)
    if extent >= 8 << 63:  # without elements though it may be: no array library has it
        wrong("has a shape that is too large")
    if bits != 8 * (end - begin):
        wrong(f"has {end - begin} bytes, which its dtype and shape do not fill")
    return TensorInfo(dtype, tuple(shape), end - begin, data_start + begin)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) != len(pairs):
        raise ValueError("a name stands there twice")
    return said


def _int(digits: str) -> int:
    # Reading a number takes time that grows with the square of its digits.
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number is too large")
    return int(digits)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is no size")


def _is_size(number: Any) -> bool:
    return type(number) is int and 0 <= number < 1 << 63


def _shown(said: Any) -> str:
    text = repr(said)
    return text if len(text) <= 100 else text[:97] + "..."


def _refuse(file: str, why: str) -> NoReturn:
    raise denied_bytes(
        f"'{file}' was verified and is no safetensors file that can be loaded: {why}",
        code="content.format-mismatch",
        file=file,
        fix="ask the publisher for a file that its own format allows",
    )


def _unsupported(message: str, fix: str) -> UndecidedError:
    return UndecidedError(message, code="error.unsupported", fix=fix)


def _arrays(framework: str) -> _Numpy | _Torch:
    if framework not in ("numpy", "torch"):
        raise UsageError(f"framework is 'numpy' or 'torch', not {framework!r}", code="usage.flags")
    return _Numpy() if framework == "numpy" else _Torch()


class _Numpy:
    """Arrays of numpy. Bytes are arrays of `uint8` until they are given their type and shape."""

    def __init__(self) -> None:
        try:
            import numpy
        except ImportError as error:
            raise _unsupported("numpy is not installed", "install numpy, or take framework='torch'") from error
        self._numpy = numpy

    def form(self, info: TensorInfo, name: str) -> tuple[Any, tuple[int, ...]]:
        said = _DTYPES[info.dtype][1]
        if said is None:
            raise _unsupported(
                f"tensor {_shown(name)} is {info.dtype}, several elements in a byte, which numpy has no type for",
                "take framework='torch', or read the bytes with `read`",
            )
        if not said.startswith("+"):
            return self._numpy.dtype(said), info.shape
        try:
            import ml_dtypes
        except ImportError as error:
            raise _unsupported(
                f"tensor {_shown(name)} is {info.dtype}, which numpy has no type for",
                "install ml_dtypes, or take framework='torch'",
            ) from error
        found = getattr(ml_dtypes, said[1:], None)
        if found is None:
            raise _unsupported(f"this ml_dtypes has no {said[1:]}", "install a newer ml_dtypes")
        return self._numpy.dtype(found), info.shape

    def empty(self, size: int) -> Any:
        return self._numpy.empty(size, dtype=self._numpy.uint8)

    def part(self, whole: Any, offset: int, size: int) -> Any:
        return whole[offset : offset + size]

    def copy(self, whole: Any, offset: int, size: int) -> Any:
        return whole[offset : offset + size].copy()

    def put(self, whole: Any, offset: int, data: bytes) -> None:
        whole[offset : offset + len(data)] = self._numpy.frombuffer(data, dtype=self._numpy.uint8)

    def to_bytes(self, whole: Any, offset: int, size: int) -> bytes:
        data: bytes = whole[offset : offset + size].tobytes()
        return data

    def shaped(self, array: Any, form: tuple[Any, tuple[int, ...]]) -> Any:
        dtype, shape = form
        if array.ctypes.data % dtype.alignment:
            array = array.copy()
        return array.view(dtype).reshape(shape)


class _Torch:
    """Tensors of torch, in the memory of the processor."""

    def __init__(self) -> None:
        try:
            import torch
        except ImportError as error:
            raise _unsupported("torch is not installed", "install torch, or take framework='numpy'") from error
        if sys.byteorder != "little":
            raise _unsupported("torch has no little-endian types on this machine", "take framework='numpy'")
        self._torch = torch

    def form(self, info: TensorInfo, name: str) -> tuple[Any, tuple[int, ...]]:
        said = _DTYPES[info.dtype][2]
        dtype = getattr(self._torch, said, None) if said is not None else None
        if dtype is None:
            raise _unsupported(
                f"tensor {_shown(name)} is {info.dtype}, which this torch has no type for",
                "install a newer torch, or read the bytes with `read`",
            )
        shape = info.shape
        if info.dtype == "F4":
            if not shape or shape[-1] % 2:
                raise _unsupported(f"tensor {_shown(name)} has half a byte in a row", "read the bytes with `read`")
            shape = (*shape[:-1], shape[-1] // 2)
        return dtype, shape

    def empty(self, size: int) -> Any:
        return self._torch.empty(size, dtype=self._torch.uint8, device="cpu")

    def part(self, whole: Any, offset: int, size: int) -> Any:
        return whole[offset : offset + size]

    def copy(self, whole: Any, offset: int, size: int) -> Any:
        return whole[offset : offset + size].clone()

    def put(self, whole: Any, offset: int, data: bytes) -> None:
        if data:
            piece = self._torch.frombuffer(bytearray(data), dtype=self._torch.uint8)
            whole[offset : offset + len(data)] = piece

    def to_bytes(self, whole: Any, offset: int, size: int) -> bytes:
        import ctypes

        return ctypes.string_at(whole.data_ptr() + offset, size)

    def shaped(self, array: Any, form: tuple[Any, tuple[int, ...]]) -> Any:
        dtype, shape = form
        if array.storage_offset() % dtype.itemsize:
            array = array.clone()
        return array.view(dtype).reshape(shape)


for _class in (SafeTensors, TensorInfo):
    _class.__module__ = "modelseal"
