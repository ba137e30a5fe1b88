"""Loaders that take a file: safetensors, torch, numpy, joblib, tokenizers, sentencepiece."""

from __future__ import annotations

import os
from typing import Any

from . import gate
from .files import reopened
from .patching import Call, Point

_SAFETENSORS = ("torch", "numpy", "flax", "tensorflow", "paddle", "mlx")


def points() -> list[Point]:
    """The hooks of this module."""
    by_path = [
        *((module, "safe_open", "filename") for module in ("safetensors._safetensors_rust", "safetensors")),
        *((f"safetensors.{framework}", "safe_open", "filename") for framework in _SAFETENSORS),
        *((f"safetensors.{framework}", "load_file", "filename") for framework in _SAFETENSORS),
        ("tokenizers", "Tokenizer.from_file", "path"),
    ]
    by_object = [
        ("safetensors._safetensors_rust", "_safe_open_handle", "f"),
        ("safetensors", "_safe_open_handle", "f"),
        ("torch.serialization", "load", "f"),
        ("torch", "load", "f"),
        ("torch.jit._serialization", "load", "f"),
        ("torch.jit", "load", "f"),
        ("torch.export", "load", "f"),
    ]
    return [
        *(Point(module, name, _Loader(f"{module}.{name}", argument)) for module, name, argument in by_path),
        *(Point(module, name, _Loader(f"{module}.{name}", argument)) for module, name, argument in by_object),
        # joblib reads its own caches and what it shares between workers by the same function.
        Point("joblib", "load", _Loader("joblib.load", "filename"), keep=("joblib.",)),
        Point("numpy", "load", _numpy_load),
        *(
            Point(f"numpy.lib.{module}", "NpzFile.__init__", _numpy_archive)
            for module in ("_npyio_impl", "npyio")  # since numpy 2, and before
        ),
        *(Point(f"numpy.lib.{module}", "read_array", _numpy_array) for module in ("_format_impl", "format")),
        Point("torch.package.package_importer", "PackageImporter.__init__", _torch_package),
        *(
            Point("tokenizers.models", name, _Loader(name, *arguments, at=at))
            for model, arguments in [("BPE", ("vocab", "merges")), ("WordPiece", ("vocab",)), ("WordLevel", ("vocab",))]
            # The class itself comes last: what stands for it asks it for the rest.
            for name, at in [(f"{model}.from_file", 1), (f"{model}.read_file", 0), (model, 0)]
        ),
        Point("tokenizers", "Tokenizer.from_pretrained", _tokenizer_from_hub),
        *(
            Point("sentencepiece", f"SentencePieceProcessor.{method}", _Loader("sentencepiece", argument, at=1))
            for method, argument in [("LoadFromFile", "arg"), ("Load", "model_file"), ("load", "model_file")]
        ),
    ]


class _Loader:
    """A loader whose first arguments are files: paths, or objects to read from."""

    def __init__(self, by: str, *arguments: str, at: int = 0) -> None:
        self._by = by.replace("._safetensors_rust", "").replace(".serialization", "").replace("._serialization", "")
        self._arguments = arguments
        self._at = at

    def __call__(self, original: Call, *args: Any, **kwargs: Any) -> Any:
        return self._with(original, 0, args, kwargs)

    def _with(self, original: Call, index: int, args: Any, kwargs: Any) -> Any:
        if index == len(self._arguments):
            return original(*args, **kwargs)
        at, name = self._at + index, self._arguments[index]
        file = args[at] if len(args) > at else kwargs.get(name)

        def again(instead: Any) -> Any:
            if len(args) > at:
                return self._with(original, index + 1, (*args[:at], instead, *args[at + 1 :]), kwargs)
            return self._with(original, index + 1, args, {**kwargs, name: instead})

        if file is None:
            return self._with(original, index + 1, args, kwargs)
        return verified(again, file, self._by, outside_is_refused=True)


def verified(load: Call, file: Any, by: str, *, outside_is_refused: bool) -> Any:
    """Calls a loader with the verified bytes of what it was to load."""
    if isinstance(file, (str, bytes, os.PathLike)):
        number = gate.descriptor(file, by, outside_is_refused=outside_is_refused)
        if number is None:
            return load(file)
        with gate.given(number) as path:
            return load(path)
    if not hasattr(file, "read"):
        return load(file)
    instead = reopened(file, by, outside_is_refused=outside_is_refused)
    if instead is None:
        return load(file)
    with instead:
        result = load(instead)
        if not instead.closed and hasattr(file, "seek"):
            file.seek(instead.tell())
        return result


def _numpy_load(original: Call, *args: Any, **kwargs: Any) -> Any:
    """Arrays outside of every model are data and load as ever; pickles have to be of a model, for they run."""
    file = args[0] if args else kwargs.get("file")
    pickles = args[2] if len(args) > 2 else kwargs.get("allow_pickle", False)

    def again(instead: Any) -> Any:
        if args:
            return original(instead, *args[1:], **kwargs)
        return original(**{**kwargs, "file": instead})

    if isinstance(file, (str, bytes, os.PathLike)):
        return verified(again, file, "numpy.load", outside_is_refused=bool(pickles))
    # What it returns may read from the object later (an archive of arrays), so a verified one is not closed here.
    instead = reopened(file, "numpy.load", outside_is_refused=bool(pickles)) if hasattr(file, "read") else None
    return again(file if instead is None else instead)


def _numpy_archive(original: Call, archive: Any, fid: Any, own_fid: Any = False, *args: Any, **kwargs: Any) -> Any:
    """What `numpy.load` makes of an archive, made without it."""
    pickles = bool(args[0] if args else kwargs.get("allow_pickle", False))

    def again(instead: Any) -> Any:
        return original(archive, instead, own_fid, *args, **kwargs)

    if isinstance(fid, (str, bytes, os.PathLike)):
        return verified(again, fid, "numpy.NpzFile", outside_is_refused=pickles)
    instead = reopened(fid, "numpy.NpzFile", outside_is_refused=pickles) if hasattr(fid, "read") else None
    return again(fid if instead is None else instead)


def _numpy_array(original: Call, fp: Any, *args: Any, **kwargs: Any) -> Any:
    """Pickles in arrays, when they are read without `numpy.load`."""
    if not (args[0] if args else kwargs.get("allow_pickle", False)):
        return original(fp, *args, **kwargs)
    by = "numpy.lib.format.read_array"
    return verified(lambda instead: original(instead, *args, **kwargs), fp, by, outside_is_refused=True)


def _torch_package(original: Call, importer: Any, file_or_buffer: Any, *args: Any, **kwargs: Any) -> Any:
    """A package is code that runs, and is read for as long as its importer lives."""
    by = "torch.package.PackageImporter"
    if isinstance(file_or_buffer, (str, os.PathLike)):
        if os.path.isdir(file_or_buffer):
            raise gate.refuse(
                by,
                file_or_buffer,
                "a package that is a directory cannot be given verified bytes",
                "error.unsupported",
                "keep the package as one file, as PackageExporter writes it",
            )
        return verified(
            lambda instead: original(importer, instead, *args, **kwargs), file_or_buffer, by, outside_is_refused=True
        )
    instead = reopened(file_or_buffer, by, outside_is_refused=True)
    return original(importer, file_or_buffer if instead is None else instead, *args, **kwargs)


def _tokenizer_from_hub(original: Call, identifier: str, revision: str = "main", token: Any = None) -> Any:
    """The original downloads and reads by itself, out of our sight."""
    import huggingface_hub
    import tokenizers

    path = huggingface_hub.hf_hub_download(identifier, "tokenizer.json", revision=revision, token=token)
    return tokenizers.Tokenizer.from_file(path)
