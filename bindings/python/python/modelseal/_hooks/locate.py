"""Which model a path belongs to, and under which name in it.

Paths are walked as the kernel walks them, link by link, until they enter a model. From there on nothing is followed:
what a name inside a model stands for is for the verified reading to say, which refuses links that lead out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Optional

#: As many as Linux follows.
_MAX_LINKS = 40
#: Entries of one directory that are looked at for evidence; a directory with more is no model that somebody signed.
_MAX_ENTRIES = 10_000

_SNAPSHOT = re.compile(r"/models--([^/]+)/snapshots/[^/]+\Z")
_BLOB = re.compile(r"(.*/models--[^/]+)/blobs/[^/]+\Z")
#: Files that lie in a model's directory and are no part of what is loaded: evidence, git's files, the hub's notes.
_BESIDE = re.compile(
    r"(?:model\.sig|[^/]+\.sigstore\.json|[^/]+\.intoto\.jsonl|\.gitattributes|\.gitignore|\.git/.*|\.cache/huggingface/.*)\Z"
)


class Place(NamedTuple):
    """A file in a model, or the model itself when `name` is empty."""

    root: str
    name: str
    reference: Optional[str]


class Walked(NamedTuple):
    """Where a path leads: into a model, or to a real path outside of every known one."""

    place: Optional[Place]
    real: str


#: Directories that are known to be models, by real path, each with the reference that it is judged under.
Known = Mapping[str, Optional[str]]


def walk(path: str | bytes | os.PathLike[str] | os.PathLike[bytes], known: Known, discovering: bool = False) -> Walked:
    """Follows a path into a known model or a snapshot of a Hugging Face cache.

    With `discovering`, a directory in which evidence lies is not left by a link either: another model's file, signed
    though it is, is not this model's.
    """
    text = os.fsdecode(path)
    if not os.path.isabs(text):
        text = os.path.join(_working_directory(), text)
    pending = text.split("/")[::-1]
    real, root, rest, links = "/", None, [], 0
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        if root is not None:
            if part != "..":
                rest.append(part)
                deeper = "/".join([root, *rest])
                if deeper in known:
                    root, rest = deeper, []
            elif rest:
                rest.pop()
            else:
                real, root = os.path.dirname(root), None
            continue
        if part == "..":
            real = os.path.dirname(real)
            continue
        step = os.path.join(real, part)
        if step in known or (real.endswith("/snapshots") and _SNAPSHOT.search(step)):
            root = step
            continue
        try:
            target = os.readlink(step)
        except OSError:
            real = step
            continue
        links += 1
        if links > _MAX_LINKS:
            break
        left = _left_by(real, step) if discovering else None
        if left is not None:
            rest = [*os.path.relpath(step, left).split("/"), *pending[::-1]]
            name = os.path.normpath("/".join(rest))
            return Walked(Place(left, name, _reference(left, known)), os.path.join(left, name))
        if target.startswith("/"):
            real = "/"
        pending.extend(target.split("/")[::-1])
    if root is not None:
        return Walked(Place(root, "/".join(rest), _reference(root, known)), "/".join([root, *rest]))
    return Walked(_behind_blob(real, known), real)


def discover(real: str, known: Known) -> Place | None:
    """The nearest directory at or above a real path in which evidence lies, which makes it a model."""
    above = real if os.path.isdir(real) else os.path.dirname(real)
    while True:
        if _has_evidence(above):
            name = "" if real == above else os.path.relpath(real, above)
            return Place(above, name, _reference(above, known))
        parent = os.path.dirname(above)
        if parent == above:
            return None
        above = parent


def _left_by(directory: str, link: str) -> str | None:
    """The model, known by the evidence in it, that a link in a directory leads out of."""
    place = discover(directory, {})
    if place is None:
        return None
    target = os.path.realpath(link)
    return None if target == place.root or target.startswith(place.root.rstrip("/") + "/") else place.root


def is_beside(name: str) -> bool:
    """Whether a name in a model's directory is of a file that is no part of the model."""
    return _BESIDE.match(name) is not None


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"  # it was removed, and nothing is found in it


def _reference(root: str, known: Known) -> str | None:
    given = known.get(root)
    snapshot = _SNAPSHOT.search(root)
    if given is not None or snapshot is None:
        return given
    return "hf://huggingface.co/" + "/".join(snapshot.group(1).split("--"))


def _behind_blob(real: str, known: Known) -> Place | None:
    """The file of a snapshot that a blob of a Hugging Face cache is the content of."""
    blob = _BLOB.match(real)
    if blob is None:
        return None
    snapshots = os.path.join(blob.group(1), "snapshots")
    for root in sorted(_entries(snapshots)):
        for directory, _, names in os.walk(root):
            for name in names:
                path = os.path.join(directory, name)
                if os.path.realpath(path) == real:
                    return Place(root, os.path.relpath(path, root), _reference(root, known))
    return None


def _entries(directory: str) -> Iterator[str]:
    try:
        yield from (os.path.join(directory, name) for name in os.listdir(directory))
    except OSError:
        return


def _has_evidence(directory: str) -> bool:
    if os.path.lexists(os.path.join(directory, "model.sig")):
        return True
    try:
        with os.scandir(directory) as entries:
            names = (entry.name for entry, _ in zip(entries, range(_MAX_ENTRIES)))
            return any(name.endswith((".sigstore.json", ".intoto.jsonl")) for name in names)
    except OSError:
        return False
