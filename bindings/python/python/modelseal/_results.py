"""What the functions give: plain values, each with the whole document that the command line prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Resource:
    """One file of a model, or one shard of a file, which is named ``path:start:end``."""

    name: str
    #: ``<algorithm>:<hex>``.
    digest: str


@dataclass(frozen=True)
class Digest:
    """What a model is."""

    #: The base name of its path.
    name: str
    files: int
    bytes: int
    #: The root digest of OpenSSF Model Signing, which does not cover names.
    root: str
    #: Covers names and contents: two models that have it in common are the same.
    manifest: str
    #: ``files`` or ``shards``.
    method: str
    hash: str
    shard_size: int | None
    resources: tuple[Resource, ...] = field(repr=False)
    #: What one should know besides.
    notes: tuple[str, ...]
    #: The document that ``modelseal digest --format json`` prints.
    report: dict[str, Any] = field(repr=False, compare=False)


def digest_of(report: dict[str, Any]) -> Digest:
    """The result that a ``modelseal.digest/v1`` document says."""
    return Digest(
        name=report["model"]["name"],
        files=report["model"]["files"],
        bytes=report["model"]["bytes"],
        root=report["digests"]["root"],
        manifest=report["digests"]["manifest"],
        method=report["serialization"]["method"],
        hash=report["serialization"]["hash"],
        shard_size=report["serialization"].get("shard-size"),
        resources=tuple(Resource(r["name"], r["digest"]) for r in report["resources"]),
        notes=tuple(report["notes"]),
        report=report,
    )


@dataclass(frozen=True)
class Signer:
    """Who signed."""

    #: ``key``, ``certificate`` or ``sigstore``.
    method: str
    algorithm: str
    #: Hex SHA-256 of the public key's SubjectPublicKeyInfo.
    key_fingerprint: str
    #: Who it is: an identity, or the subject of a certificate. A key has none.
    identity: str | None
    #: Who vouches for that.
    issuer: str | None

    def __str__(self) -> str:
        if self.identity is not None:
            return f"{self.identity} ({self.issuer})"
        return f"{self.algorithm} key {self.key_fingerprint}"


@dataclass(frozen=True)
class Signed:
    """A signature that was written."""

    #: Where it is.
    signature: str
    signer: Signer
    name: str
    files: int
    bytes: int
    #: The root digest of OpenSSF Model Signing, which does not cover names.
    root: str
    #: Covers names and contents.
    manifest: str
    #: What one should know besides.
    notes: tuple[str, ...]
    #: The document that ``modelseal sign --format json`` prints.
    report: dict[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Verified:
    """A model that may be used, as it was when it was measured. To load it, take ``open_model`` instead."""

    #: ``allow``; or ``allow-unverified``, where that was accepted.
    verdict: str
    #: In one sentence.
    message: str
    #: Who signed. None under a policy, whose ``report`` names the evidence of every check.
    signer: Signer | None
    files: int | None
    bytes: int | None
    #: ``sha256:<hex>``, covers names and contents.
    manifest: str | None
    #: What one should know besides.
    notes: tuple[str, ...]
    #: The document that ``modelseal verify --format json`` prints.
    report: dict[str, Any] = field(repr=False, compare=False)


def signer_of(report: dict[str, Any]) -> Signer:
    """The signer that a document names."""
    named = report.get("identity") or {}
    certificate = report.get("certificate") or {}
    return Signer(
        method=report["method"],
        algorithm=report["algorithm"],
        key_fingerprint=report["key-fingerprint"],
        identity=named.get("value", certificate.get("subject")),
        issuer=named.get("issuer", certificate.get("issuer")),
    )


def signed_of(report: dict[str, Any]) -> Signed:
    """The result that a ``modelseal.signature/v1`` document says."""
    return Signed(
        signature=report["signature"],
        signer=signer_of(report["signer"]),
        name=report["model"]["name"],
        files=report["model"]["files"],
        bytes=report["model"]["bytes"],
        root=report["digests"]["root"],
        manifest=report["digests"]["manifest"],
        notes=tuple(report["notes"]),
        report=report,
    )


def verified_of(report: dict[str, Any]) -> Verified:
    """The result that a ``modelseal.result/v1`` document says."""
    measured = report.get("measured") or {}
    if "signed" in report:
        manifest = report["signed"]["digests"]["manifest"]
    else:
        manifest = (report.get("manifest") or "").replace("manifest-", "", 1) or None
    return Verified(
        verdict=report["verdict"],
        message=report["message"],
        signer=signer_of(report["signer"]) if "signer" in report else None,
        files=measured.get("files"),
        bytes=measured.get("bytes"),
        manifest=manifest,
        notes=tuple(report["notes"]),
        report=report,
    )


# Known by the names that are for use.
for _class in (Resource, Digest, Signer, Signed, Verified):
    _class.__module__ = "modelseal"
