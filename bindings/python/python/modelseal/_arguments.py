"""Arguments as the native part takes them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable, Union

#: A path as `open` takes it, names that are not UTF-8 included.
StrPath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

#: Told of the bytes that are done and of those to do. What it raises cancels the work.
Progress = Callable[[int, int], object]


def path(given: StrPath) -> str:
    """One path."""
    return os.fsdecode(given)


def paths(given: StrPath | Iterable[StrPath]) -> list[str]:
    """Paths; one alone is a list of one, and never its characters."""
    if isinstance(given, (str, bytes, os.PathLike)):
        return [path(given)]
    return [path(one) for one in given]


@dataclass(frozen=True)
class Measure:
    """How a model is measured."""

    method: str
    shard_size: int | None
    hash: str
    ignore: list[str]
    ignore_git_paths: bool
    allow_symlinks: bool
    threads: int | None
