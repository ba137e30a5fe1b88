"""``digest``, ``sign``, ``verify``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Literal

from . import _native
from ._arguments import Measure, Progress, StrPath, path as _path, paths as _paths
from ._results import Digest, digest_of


def digest(
    path: StrPath,
    *,
    method: Literal["files", "shards"] = "files",
    shard_size: int | None = None,
    hash: Literal["sha256", "blake2b", "blake3"] = "sha256",
    ignore: StrPath | Iterable[StrPath] = (),
    ignore_git_paths: bool = True,
    allow_symlinks: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Digest:
    """Measures a model, a directory or a single file, and signs nothing.

    ``method="shards"`` hashes ranges of ``shard_size`` bytes (one gigabyte unless given). ``ignore`` leaves paths out; they
    are taken from the working directory. ``progress(done, total)`` is told of bytes, first before any is read; what it
    raises, and Ctrl-C, cancels the work.
    """
    measure = Measure(
        method, shard_size, hash, _paths(ignore), ignore_git_paths, allow_symlinks, threads
    )
    return digest_of(json.loads(_native.digest(_path(path), measure, progress)))
