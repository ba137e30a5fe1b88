"""``open_model``: a verified model, and the bytes that were verified."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from . import _native
from ._arguments import (
    Document,
    Progress,
    StrPath,
    Trusting,
    path as _path,
)
from ._errors import told_about as _told_about
from ._files import BUFFER_BYTES, VerifiedFile
from ._results import Verified, verified_of

if TYPE_CHECKING:
    from ._safetensors import SafeTensors


def open_model(
    path: StrPath,
    *,
    signature: StrPath | None = None,
    public_key: Document | None = None,
    certificates: Document | Iterable[Document] = (),
    certificate_identity: str | None = None,
    identity: str | None = None,
    identity_pattern: str | None = None,
    identity_provider: str | None = None,
    staging: bool = False,
    trusted_root: Document | None = None,
    require_log: bool = False,
    require_timestamp: bool = False,
    ignore: StrPath | Iterable[StrPath] = (),
    ignore_git_paths: bool = True,
    ignore_unsigned_files: bool = False,
    policy: StrPath | Iterable[StrPath] = (),
    policy_unsigned: bool = False,
    policy_bundle: StrPath | Iterable[StrPath] = (),
    policy_trust: StrPath | None = None,
    state: StrPath | None = None,
    as_: str | None = None,
    bundle: StrPath | Iterable[StrPath] = (),
    bundle_dir: StrPath | Iterable[StrPath] = (),
    base: Mapping[str, StrPath] | None = None,
    store: StrPath | None = None,
    remember_version: bool = False,
    accept_unverified: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Model:
    """Verifies a model to be loaded; the arguments are those of ``verify``.

    The signature, the policies and the list of files are judged now. Bytes are compared with what was signed when they are
    read, and never given out before; so nothing is read that is not used, and whoever writes to the model afterwards changes
    nothing of what is loaded.
    """
    trusting = Trusting.of(
        _path(path),
        signature=signature,
        public_key=public_key,
        certificates=certificates,
        certificate_identity=certificate_identity,
        identity=identity,
        identity_pattern=identity_pattern,
        identity_provider=identity_provider,
        staging=staging,
        trusted_root=trusted_root,
        require_log=require_log,
        require_timestamp=require_timestamp,
        ignore=ignore,
        ignore_git_paths=ignore_git_paths,
        ignore_unsigned_files=ignore_unsigned_files,
        policy=policy,
        policy_unsigned=policy_unsigned,
        policy_bundle=policy_bundle,
        policy_trust=policy_trust,
        state=state,
        as_=as_,
        bundle=bundle,
        bundle_dir=bundle_dir,
        base=base,
        store=store,
        remember_version=remember_version,
        accept_unverified=accept_unverified,
        threads=threads,
    )
    with _told_about(_path(path)):
        contents, report = _native.open_model(_path(path), trusting, progress)
    return Model(_path(path), contents, json.loads(report))


class Model:
    """A verified model. ``open_model`` makes it; threads may share it. Files are named as in the signature."""

    def __init__(self, path: str, contents: _native.Contents, report: dict[str, Any]) -> None:
        self._contents: _native.Contents | None = contents
        self._path = path
        self._verified = verified_of(report)
        self._files = dict(contents.files())

    @property
    def path(self) -> str:
        """Where it lies. To open a file by its path instead of its name would undo the verification."""
        return self._path

    @property
    def verified(self) -> Verified:
        """On whose word, as a typed result."""
        return self._verified

    @property
    def report(self) -> dict[str, Any]:
        """Every check, as ``modelseal verify --format json`` prints them."""
        return self._verified.report

    @property
    def files(self) -> dict[str, int]:
        """The size of every signed file in bytes, by its name."""
        return dict(self._files)

    def open(self, name: str) -> io.BufferedReader:
        """Opens a file for reading, as ``open(path, "rb")`` does."""
        file = VerifiedFile(self._native().open(_name(name)), _name(name))
        return io.BufferedReader(file, BUFFER_BYTES)

    def read(self, name: str, *, progress: Progress | None = None) -> bytes:
        """Reads a whole file; it is hashed while it is copied."""
        return self._native().read(_name(name), progress)

    def descriptor(self, name: str, *, progress: Progress | None = None) -> int:
        """Gives a new file descriptor of memory with a file's bytes that nobody can change any more, this process included.

        The caller closes it. ``/proc/self/fd/N`` is its path, for loaders that want one. Linux only.
        """
        return self._native().sealed(_name(name), progress)

    def safetensors(
        self, name: str, framework: Literal["numpy", "torch"] = "numpy", *, progress: Progress | None = None
    ) -> SafeTensors:
        """Gives the tensors of a file by their names, as numpy arrays or torch tensors.

        Under ``shards`` a tensor is verified by reading the shards that it lies in, when it is asked for; under ``files`` the
        whole file is read now.
        """
        from ._safetensors import SafeTensors

        return SafeTensors(self._native(), _name(name), framework, progress)

    def load_safetensors(
        self,
        names: Iterable[str] | None = None,
        framework: Literal["numpy", "torch"] = "numpy",
        *,
        progress: Progress | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Loads every tensor of these files, or of every ``.safetensors`` file, in one pass over all of them: faster than one
        after the other. Gives the tensors of each file by their names.
        """
        from ._safetensors import load_files

        if names is None:
            names = [name for name in self._files if name.endswith(".safetensors")]
        elif isinstance(names, str):
            names = [names]
        return load_files(self._native(), [_name(name) for name in names], framework, progress)

    def copy_to(self, directory: StrPath, *, progress: Progress | None = None) -> None:
        """Writes every file to an empty directory, for programs that take nothing else.

        The copy is as safe as that directory: nobody else may be able to write to it.
        """
        self._native().copy_to(_path(directory), progress)

    def close(self) -> None:
        """Lets go of the model. Files that were opened stay open."""
        self._contents = None

    def __enter__(self) -> Model:
        self._native()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<modelseal.Model {self._path!r}, {len(self._files)} files>"

    def _native(self) -> _native.Contents:
        contents = self._contents
        if contents is None:
            raise ValueError("the model is closed")
        return contents


def _name(name: str) -> str:
    """A name in the model, which has `/` between its parts whatever the system has."""
    if not isinstance(name, str):
        raise TypeError(f"a file of a model is named by a str, not {type(name).__name__}")
    return name


Model.__module__ = "modelseal"
