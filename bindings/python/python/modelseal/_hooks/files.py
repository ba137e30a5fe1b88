"""`open`: files of known models are read from verified memory, whoever reads them.

An audit hook stands behind it. What Python opens in a known model by any other way is refused.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import sys
import tarfile
import tempfile
import threading
import zipfile
from typing import Any

from . import gate, locate
from .patching import Call, Point

try:
    import bz2
    import lzma
except ImportError:  # an interpreter that was built without them has no such files
    _PACKED: tuple[tuple[Any, str], ...] = ()
else:
    _PACKED = ((bz2.BZ2File, "_fp"), (lzma.LZMAFile, "_fp"))

#: File objects of the standard library that read from another one, and where they keep it.
_BELOW: tuple[tuple[Any, str], ...] = (
    (getattr(tempfile, "_TemporaryFileWrapper"), "file"),
    (gzip.GzipFile, "fileobj"),
    *_PACKED,
    (getattr(tarfile, "_FileInFile"), "fileobj"),
    (zipfile.ZipExtFile, "_fileobj"),
    (getattr(zipfile, "_SharedFile"), "_file"),
)
#: Those that can be made anew over verified bytes.
_UNPACKING: tuple[tuple[type, Call], ...] = (
    (gzip.GzipFile, lambda below: gzip.GzipFile(fileobj=below, mode="rb")),
    *((kind, kind) for kind, _ in _PACKED),
)
_MAX_WRAPPERS = 8

_within = threading.local()
_audited = False


def points() -> list[Point]:
    """The hooks of this module."""
    return [
        Point("builtins", "open", _open),
        Point("pickle", "load", _pickle_load),
    ]


def audit() -> None:
    """Puts the audit hook in, once: nothing can take it out again."""
    global _audited
    if not _audited:
        _audited = True
        sys.addaudithook(_audit)


def _open(original: Call, *args: Any, **kwargs: Any) -> Any:
    file, mode = _argument(args, kwargs, 0, "file", None), _argument(args, kwargs, 1, "mode", "r")
    if gate.was_given(file):
        # What a loader keeps of it is verified still when its path is another file's.
        return gate.mark(_plainly(original, args, kwargs))
    if isinstance(file, int) or not isinstance(mode, str) or _only_writes(mode) or not _is_content(file):
        return _plainly(original, args, kwargs)
    if os.path.isdir(file):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), file)
    if "+" in mode:
        raise gate.refuse(
            "open",
            file,
            "it is a file of a model, opened to be read and changed in place",
            "error.unsupported",
            "copy the model and change the copy",
        )
    # `opener` keeps the name that was asked for, and gives the file object a descriptor that it closes.
    kwargs = {**kwargs, "opener": lambda *_: _opened(file), "closefd": True}
    return gate.mark(_plainly(original, args[:6], kwargs))


def _opened(file: Any) -> int:
    number = gate.known(file, "open")
    if number is None:
        # A moment ago it was of a model.
        raise gate.refuse(
            "open",
            file,
            "a link on the way to it was changed while it was opened",
            "integrity.changed-during-verify",
            "find out who writes to the model while it loads",
        )
    return number


def _pickle_load(original: Call, file: Any, **kwargs: Any) -> Any:
    """A pickle of a model, when its file has a path. Other pickles are no business of ours: much is kept in them."""
    verified = reopened(file, "pickle.load", outside_is_refused=False)
    if verified is None:
        return original(file, **kwargs)
    with verified:
        return original(verified, **kwargs)


def reopened(file: Any, by: str, *, outside_is_refused: bool) -> Any:
    """The verified bytes behind a file object, at its place in them; None where it may be read as it is.

    An object that knows no path is refused, unless that was allowed, where what is outside of models is.
    """
    source, unpacked = _source(file)
    if gate.is_own(source):
        return None
    path = getattr(source, "name", None)
    if isinstance(path, int) or not isinstance(path, (str, bytes, os.PathLike)) or not os.path.lexists(path):
        if outside_is_refused and not gate.objects_allowed():
            raise gate.refuse_object(by)
        return None
    number = gate.descriptor(path, by, outside_is_refused=outside_is_refused)
    if number is None:
        return None
    verified: Any = os.fdopen(number, "rb")
    if unpacked:
        open_again = next((again for kind, again in _UNPACKING if type(file) is kind), None)
        if open_again is None:
            verified.close()
            raise gate.refuse_object(by)
        verified = open_again(verified)
    try:
        verified.seek(file.tell())
    except (AttributeError, OSError):
        verified.close()
        raise gate.refuse_object(by) from None
    return gate.mark(verified)


def _source(file: Any) -> tuple[Any, bool]:
    """The file object that reads from the system, below those that unpack; whether there are such."""
    unpacked = False
    for _ in range(_MAX_WRAPPERS):
        if gate.is_own(file) or isinstance(file, io.FileIO):
            return file, unpacked
        if isinstance(file, (io.BufferedReader, io.BufferedRandom)):
            file = file.raw
            continue
        below = next((name for kind, name in _BELOW if isinstance(file, kind)), None)
        if below is None:
            break
        unpacked = unpacked or below != "file"
        file = getattr(file, below, None)
    return None, unpacked


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event not in ("open", "import", "ctypes.dlopen") or not gate.active():
        return
    if getattr(_within, "ours", False) or sys.is_finalizing():
        return
    if event == "open":
        path, mode, flags = args
        if isinstance(mode, str) and _only_writes(mode) or _opens_for_writing(flags):
            return
    else:
        path = args[1] if event == "import" else args[0]
    if not isinstance(path, (str, bytes)) or not path or not _is_content(path) or os.path.isdir(path):
        return
    raise gate.refuse(
        event,
        path,
        "it is a file of a model, and this way of opening it cannot be given verified bytes",
        "error.unsupported",
        "read it with open(), or with open_model(..).open(..)",
    )


def _is_content(path: Any) -> bool:
    """Whether a path is of a file of a known model: not of evidence or git's files, which are no part of one."""
    if not isinstance(path, (str, bytes, os.PathLike)) or gate.was_given(path):
        return False
    _within.ours, before = True, getattr(_within, "ours", False)
    try:
        found = gate.places(path, discover=False)
        return any(not locate.is_beside(place.name) for _, place in found)
    finally:
        _within.ours = before


def _plainly(original: Call, args: Any, kwargs: Any) -> Any:
    """Opens, and the audit hook knows that this was looked at."""
    before = getattr(_within, "ours", False)
    _within.ours = True
    try:
        return original(*args, **kwargs)
    finally:
        _within.ours = before


def _only_writes(mode: str) -> bool:
    return ("w" in mode or "x" in mode or "a" in mode) and not ("a" in mode and "+" in mode)


def _opens_for_writing(flags: Any) -> bool:
    return isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR) == os.O_WRONLY


def _argument(args: Any, kwargs: Any, at: int, name: str, default: Any) -> Any:
    return args[at] if len(args) > at else kwargs.get(name, default)
