"""Decides about models under one policy, and gives out their verified bytes."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import locate
from .locate import Place

#: Whether there is memory that nobody can write to any more; elsewhere a file without a name stands for it.
_HAS_SEALS: bool = sys.platform == "linux"


@dataclass(frozen=True)
class Settings:
    """What `enforce` was told. Equal settings share decisions."""

    policies: tuple[str, ...]
    #: Real path and reference of each model that was named.
    models: tuple[tuple[str, str], ...]
    #: Compare every file when a model is first touched, or each when it is read.
    whole: bool
    allow_objects: bool
    #: Further arguments of `open_model`, sorted.
    options: tuple[tuple[str, Any], ...]
    #: Why there is no policy to ask, so that nothing loads.
    unusable: str | None = None

    def key(self) -> str:
        """Equal for equal settings; options need not be hashable."""
        return repr(self)


@dataclass
class _Entry:
    """A decision, and what it rests on."""

    lock: Any = field(default_factory=threading.Lock)
    model: Any = None
    #: When it has to be decided again, in seconds of the system's clock.
    until: float = 0.0
    stamp: object = None
    #: What the system said of the model's files and directories when it was decided.
    seen: object = None


class Judge:
    """The models of this process under one policy. Safe to use from several threads, and in a forked child."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._known: dict[str, str | None] = dict(settings.models)
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        """A child starts with nothing decided: another thread of its parent may have held a lock."""
        self._lock, self._entries = threading.Lock(), {}

    def name(self, root: str, reference: str) -> None:
        """Says under which reference the model at `root` was asked for, unless it was told before."""
        self._known.setdefault(os.path.realpath(root), reference)

    def place(self, path: Any, discover: bool) -> Place | None:
        """Where `path` leads. With `discover`, signatures above it make a directory a model."""
        place, real = locate.walk(path, self._known, discover)
        if place is None and discover:
            place = locate.discover(real, self._known)
        if place is not None:
            # From now on it is one, whatever comes of the signature and for whatever reads there.
            self._known.setdefault(place.root, place.reference)
        return place

    def admit(self, place: Place) -> Mapping[str, int]:
        """Decides about the model, unless that was done and all its files are there still; its files and their sizes.

        What a library does not find it does without, and asks nobody: so this looks before, and is cheap.
        """
        model, fresh = self._opened(place)
        if not fresh:
            seen = _seen(model)
            with self._lock:
                entry = self._entries.get(place.root)
            if seen is None or entry is None or entry.model is not model or entry.seen != seen:
                self._forget(place.root)
                model, _ = self._opened(place)
        files: Mapping[str, int] = model.files
        return files

    def descriptor(self, place: Place) -> int:
        """A new descriptor of memory that holds the file's verified bytes and that nobody can write to."""
        model, fresh = self._opened(place)
        try:
            return _descriptor(model, _name(place, model))
        except _denied():
            if fresh:
                raise
        # Perhaps the model was replaced by another good one since it was opened.
        self._forget(place.root)
        model, _ = self._opened(place)
        return _descriptor(model, _name(place, model))

    def _opened(self, place: Place) -> tuple[Any, bool]:
        with self._lock:
            entry = self._entries.setdefault(place.root, _Entry())
        with entry.lock:
            stamp = self._stamp(place.root)
            if entry.model is not None and entry.stamp == stamp and _now() < entry.until:
                return entry.model, False
            entry.model = None
            entry.model = self._decide(place)
            entry.seen = _seen(entry.model)
            entry.until, entry.stamp = _until(entry.model.report), stamp
            return entry.model, True

    def _forget(self, root: str) -> None:
        with self._lock:
            self._entries.pop(root, None)

    def _decide(self, place: Place) -> Any:
        try:
            return self._open(place.root, place.reference)
        except _denied():
            alone = os.path.join(place.root, place.name)
            if not place.name or "/" in place.name or place.reference is not None:
                raise
            # It may be a single file that is a model of its own, among others in one directory.
            try:
                return self._open(alone, None)
            except Exception:
                pass
            raise

    def _open(self, path: str, reference: str | None) -> Any:
        import modelseal

        if self.settings.unusable is not None:
            raise modelseal.UsageError(
                self.settings.unusable, code="usage.flags", fix="name a policy file in it, or unset it"
            )
        options = dict(self.settings.options)
        if self.settings.policies:
            options["policy"] = list(self.settings.policies)
            options["as_"] = reference
        elif "signature" not in options and os.path.isfile(os.path.join(path, "model.sig")):
            options["signature"] = os.path.join(path, "model.sig")
        if self.settings.whole:
            modelseal.verify(path, **options)
        return modelseal.open_model(path, **options)

    def _stamp(self, root: str) -> object:
        """Changes when another directory or another policy stands where one was."""
        return [_identity(root, False), *(_identity(policy, True) for policy in self.settings.policies)]


def _seen(model: Any) -> object:
    """What the system says of a model's files and their directories; None when they are not those that were decided."""
    if not os.path.isdir(model.path):
        return _identity(model.path, True)
    seen: dict[str, object] = {}
    for name, size in model.files.items():
        path = os.path.join(model.path, name)
        try:
            if os.stat(path).st_size != size:
                return None
        except OSError:
            return None
        seen[path] = _identity(path, True)
        above = os.path.dirname(path)
        if above not in seen:
            seen[above] = _identity(above, True)
    return seen


def _descriptor(model: Any, name: str) -> int:
    if _HAS_SEALS:
        descriptor: int = model.descriptor(name)
        return descriptor
    with tempfile.TemporaryFile() as copy:
        copy.write(model.read(name))
        copy.flush()
        copy.seek(0)
        return os.dup(copy.fileno())


def _name(place: Place, model: Any) -> str:
    """The file's name in the model. A model that is a single file has one, whatever stands around it."""
    if os.path.isdir(model.path):
        return place.name
    (name,) = model.files
    return str(name) if place.name in ("", name) else place.name


def _until(report: Mapping[str, Any]) -> float:
    text = report.get("valid-until")
    return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp() if text else float("inf")


def _identity(path: str, content: bool) -> object:
    try:
        stat = os.stat(path)
    except OSError as error:
        return error.errno
    return (stat.st_dev, stat.st_ino, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) if content else None)


def _denied() -> type[Exception]:
    from modelseal import ModelDenied

    return ModelDenied


def _now() -> float:
    return time.time()
