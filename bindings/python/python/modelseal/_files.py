"""Files of a verified model."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from . import _memory

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from . import _native

#: What a buffered file asks for at once.
BUFFER_BYTES = 128 * 1024


class VerifiedFile(io.RawIOBase):
    """A file of a verified model: bytes come from memory, after they were compared with what was signed.

    Under ``shards`` each shard is compared when it is first touched, under ``files`` the whole file then. After bytes were
    found that nobody signed, every read raises ``ModelDenied``.
    """

    def __init__(self, file: _native.File, name: str) -> None:
        super().__init__()
        self._file = file
        self._size = len(file)
        self._position = 0
        #: Its name in the model.
        self.name = name
        self.mode = "rb"

    def readable(self) -> bool:
        self._check_open()
        return True

    def seekable(self) -> bool:
        self._check_open()
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._check_open()
        count = _memory.read_into(self._file, self._position, buffer)
        self._position += count
        return count

    def read(self, size: int = -1) -> bytes:
        self._check_open()
        left = max(self._size - self._position, 0)
        # An empty file is compared, too.
        data = self._file.read_at(self._position, left if size is None or size < 0 else min(size, left))
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        return self.read(-1)

    def write(self, buffer: ReadableBuffer) -> int:
        raise io.UnsupportedOperation("not writable")

    def tell(self) -> int:
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._check_open()
        if whence == os.SEEK_SET:
            if offset < 0:
                raise ValueError(f"negative seek position {offset}")
            position = offset
        elif whence == os.SEEK_CUR:
            position = max(self._position + offset, 0)
        elif whence == os.SEEK_END:
            position = max(self._size + offset, 0)
        else:
            raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
        self._position = position
        return position

    def __repr__(self) -> str:
        return f"<modelseal.VerifiedFile name={self.name!r}>"

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")


VerifiedFile.__module__ = "modelseal"
