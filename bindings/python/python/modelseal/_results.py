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
