"""``digest``, ``sign``, ``verify``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Literal

from . import _native
from ._arguments import (
    Document,
    Measure,
    Password,
    Progress,
    SigningOptions,
    StrPath,
    Trusting,
    documents as _documents,
    path as _path,
    paths as _paths,
)
from ._errors import told_about as _told_about
from ._results import Digest, Signed, Verified, digest_of, signed_of, verified_of


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
    measure = Measure(method, shard_size, hash, _paths(ignore), ignore_git_paths, allow_symlinks, threads)
    return digest_of(json.loads(_native.digest(_path(path), measure, progress)))


def sign(
    path: StrPath,
    *,
    signature: StrPath = "model.sig",
    private_key: Document | None = None,
    password: Password | None = None,
    signing_certificate: Document | None = None,
    certificate_chain: Document | Iterable[Document] = (),
    identity_token: str | None = None,
    ambient: bool = False,
    staging: bool = False,
    trust_config: Document | None = None,
    force: bool = False,
    method: Literal["files", "shards"] = "files",
    shard_size: int | None = None,
    hash: Literal["sha256", "blake2b", "blake3"] = "sha256",
    ignore: StrPath | Iterable[StrPath] = (),
    ignore_git_paths: bool = True,
    allow_symlinks: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Signed:
    """Signs a model and writes the signature.

    With ``private_key`` (the path of a PEM file, or its bytes), and ``signing_certificate`` where it has one. ``password``
    is a ``str``, ``bytes``, or a function that is called when the key turns out to be encrypted. Or with an identity:
    ``identity_token``, or ``ambient=True`` for the one that this environment has, as in GitHub Actions; the identity
    becomes public then, for ever. ``trust_config`` names another Sigstore instance than the public one.

    A signature that is there and says something else is replaced with ``force=True`` only.
    """
    measure = Measure(method, shard_size, hash, _paths(ignore), ignore_git_paths, allow_symlinks, threads)
    by = SigningOptions(
        private_key=private_key,
        password=password,
        signing_certificate=signing_certificate,
        certificate_chain=_documents(certificate_chain),
        identity_token=identity_token,
        ambient=ambient,
        staging=staging,
        trust_config=trust_config,
    )
    report = _native.sign(_path(path), _path(signature), force, measure, by, progress)
    return signed_of(json.loads(report))


def verify(
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
) -> Verified:
    """Verifies a model: every byte of it, now. Raises ``ModelDenied`` when it must not be used.

    Say whom to believe, in one way: ``public_key``; ``certificates``, the roots to trust, with ``certificate_identity``;
    ``identity`` (or ``identity_pattern``) and ``identity_provider``; or ``policy``, one file or several, with the name
    ``as_`` under which the model is asked for. Unless ``signature`` is given, it is `model.sig` in the working directory or,
    where there is none, in the model's.

    A model that is loaded afterwards by its path may have been changed by then: ``open_model`` gives the bytes that were
    verified.
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
        return verified_of(json.loads(_native.verify(_path(path), trusting, progress)))
