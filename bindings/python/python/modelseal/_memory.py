"""Memory that the native part fills by its address, because the stable ABI of Python 3.9 has no buffers."""

from __future__ import annotations

import ctypes
from typing import Any

from . import _native
from ._arguments import Progress


def read_into(file: _native.File, offset: int, buffer: Any) -> int:
    """Fills a writable buffer from ``offset`` on; says how many bytes that were, perhaps fewer than there are."""
    view = memoryview(buffer).cast("B")
    if len(view) == 0:
        return 0
    # Holds the buffer, which stays where it is for so long.
    held = (ctypes.c_char * len(view)).from_buffer(view)
    return file.read_into(offset, ctypes.addressof(held), len(view))


def fill_arrays(
    contents: _native.Contents, name: str, parts: list[tuple[int, Any]], progress: Progress | None
) -> None:
    """Fills numpy arrays or torch tensors, each contiguous and new, from their offsets in the file on."""
    contents.read_parts(name, [(offset, *_place(array)) for offset, array in parts], progress)


def fill_files(contents: _native.Contents, files: dict[str, Any], progress: Progress | None) -> None:
    """Fills such arrays, each as long as the file of its name, with whole files in one pass over all of them."""
    contents.read_files([(name, *_place(array)) for name, array in files.items()], progress)


def _place(array: Any) -> tuple[int, int]:
    """Address and bytes."""
    if hasattr(array, "data_ptr"):
        return array.data_ptr(), array.numel() * array.element_size()
    return array.ctypes.data, array.nbytes
