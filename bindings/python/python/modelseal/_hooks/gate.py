"""The question that every hook asks: may this be loaded, and which bytes are it?

With several policies at work all of them have to allow, and to mean the same bytes.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

from .judge import Judge, Settings
from .locate import Place, is_beside

#: Is told the code that a model was refused with, and fetches what that says is missing: whether there is more now.
Complete = Optional[Callable[[str], bool]]

_CHUNK = 1 << 20
#: Where a process finds its own descriptors by path.
_DESCRIPTORS = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"

_lock = threading.Lock()
_users: dict[str, int] = {}
#: Those that decide now. Replaced whole, so that hooks read it without a lock.
_judges: dict[str, Judge] = {}
#: Descriptors that loaders were given by path, with what they were when they were given.
_given: dict[int, tuple[int, int]] = {}
#: File objects that read verified bytes.
_own: weakref.WeakSet[Any] = weakref.WeakSet()


def begin(settings: Settings) -> None:
    """Starts to enforce."""
    global _judges
    with _lock:
        key = settings.key()
        if key not in _users:
            _judges = {**_judges, key: Judge(settings)}
        _users[key] = _users.get(key, 0) + 1


def end(settings: Settings) -> bool:
    """Ends what `begin` started; whether nothing is enforced any more."""
    global _judges
    with _lock:
        key = settings.key()
        _users[key] -= 1
        if not _users[key]:
            del _users[key]
            _judges = {other: judge for other, judge in _judges.items() if other != key}
        return not _judges


def active() -> bool:
    """Whether anything is enforced."""
    return bool(_judges)


def descriptor(path: Any, by: str, *, outside_is_refused: bool) -> int | None:
    """A descriptor of the file's verified bytes, which the caller closes.

    None where the path may be used as it is: what it leads to was verified already, or it belongs to no model and the
    caller lets that pass. Raises `ModelDenied` otherwise, and what else keeps a decision from being made.
    """
    if was_given(path):
        return None
    return _verified(path, by, discover=True, outside_is_refused=outside_is_refused)


def known(path: Any, by: str) -> int | None:
    """As `descriptor`, for files of models that are known already, and only those."""
    return _verified(path, by, discover=False, outside_is_refused=False)


def places(path: Any, *, discover: bool) -> list[tuple[Judge, Place]]:
    """Which model the path belongs to, in the eyes of each judge that knows one."""
    found = ((judge, judge.place(path, discover)) for judge in _judges.values())
    return [(judge, place) for judge, place in found if place is not None]


def admit(path: Any, by: str, complete: Complete = None) -> None:
    """Decides about the model that a file or a directory belongs to, and whether the file is one of the model's."""
    for judge in _judges.values():
        with _told(path, by):
            place = judge.place(path, True)
            if place is None:
                raise _outside()
            files = _admit(judge, place, complete)
            is_a_file = place.name and place.name not in files and not os.path.isdir(path)
            if is_a_file and os.path.isdir(place.root) and not is_beside(place.name):
                raise _unsigned(place.name)


def name(root: Any, reference: str) -> None:
    """Says under which reference the model in a directory was asked for."""
    for judge in _judges.values():
        judge.name(os.fsdecode(root), reference)


@contextmanager
def given(number: int) -> Iterator[str]:
    """A path by which a loader opens the descriptor, until the block ends."""
    stat = os.fstat(number)
    _given[number] = (stat.st_dev, stat.st_ino)
    try:
        yield f"{_DESCRIPTORS}/{number}"
    finally:
        # Its number may be another file's as soon as it is closed.
        del _given[number]
        os.close(number)


def was_given(path: Any) -> bool:
    """Whether a path is one that `given` gave."""
    if not isinstance(path, str) or not path.startswith(_DESCRIPTORS + "/"):
        return False
    number = path[len(_DESCRIPTORS) + 1 :]
    if not number.isdecimal() or int(number) not in _given:
        return False
    stat = os.fstat(int(number))
    return _given.get(int(number)) == (stat.st_dev, stat.st_ino)


def mark(opened: Any) -> Any:
    """Remembers a file object as one that reads verified bytes."""
    _own.add(opened)
    return opened


def is_own(opened: Any) -> bool:
    """Whether a file object reads verified bytes."""
    from modelseal._files import VerifiedFile

    try:
        return opened in _own or isinstance(getattr(opened, "raw", opened), VerifiedFile)
    except TypeError:
        return False


def objects_allowed() -> bool:
    """Whether loaders may take file objects of which nobody knows where they come from."""
    return all(judge.settings.allow_objects for judge in _judges.values())


def refuse_object(by: str) -> Exception:
    """What to raise for such an object."""
    from modelseal import ModelDenied

    return ModelDenied(
        f"{by}: this file object was refused: it has no path, so nobody can say which model it belongs to",
        code="signature.missing",
        fix="give the path, or a file object of open_model(..).open(..); or enforce(.., allow_objects=True)",
    )


def refuse(by: str, path: Any, why: str, code: str, fix: str) -> Exception:
    """What to raise for something that no signature could make right."""
    from modelseal import ModelDenied

    return ModelDenied(f"{by}: {_shown(path)} was refused: {why}", code=code, fix=fix)


def after_fork() -> None:
    """A child starts with locks that nobody holds."""
    global _lock
    _lock = threading.Lock()
    for judge in _judges.values():
        judge.after_fork()


def _verified(path: Any, by: str, *, discover: bool, outside_is_refused: bool) -> int | None:
    if discover and not os.path.lexists(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    first: int | None = None
    try:
        for judge in _judges.values():
            with _told(path, by):
                place = judge.place(path, discover)
                if place is None:
                    if outside_is_refused:
                        raise _outside()
                    continue
                if not os.path.lexists(path):
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
                number = judge.descriptor(place)
                if first is None:
                    first = number
                    continue
                try:
                    _compare(first, number)
                finally:
                    os.close(number)
    except BaseException:
        if first is not None:
            os.close(first)
        raise
    return first


def _admit(judge: Judge, place: Place, complete: Complete) -> Any:
    from modelseal import ModelDenied

    asked: set[str] = set()
    while True:
        try:
            return judge.admit(place)
        except ModelDenied as error:
            if complete is None or error.code in asked or not complete(error.code):
                raise
            asked.add(error.code)


@contextmanager
def _told(path: Any, by: str) -> Iterator[None]:
    """Adds to what is raised which file was refused to whom."""
    from modelseal import ModelsealError

    try:
        yield
    except ModelsealError as error:
        message = f"{by}: {_shown(path)} was refused: {_in_enforce(error.message)}"
        fix = _in_enforce(error.fix) if error.fix else "`modelseal verify` with the same policy shows every check"
        told = type(error)(message, code=error.code, checks=error.checks, fix=fix, report=error.report)
    else:
        return
    # Out here it does not keep the first one alive, and the files of the model that are open in its frames.
    raise told from None


def _in_enforce(text: str) -> str:
    """Remedies that are arguments of `open_model`, as `enforce` has them."""
    text = text.replace("name it with as_= as the policy does", "name it as the policy does: models={REFERENCE: PATH}")
    return text.replace("policy_unsigned=True", "policy_unsigned=True (MODELSEAL_POLICY_UNSIGNED=1)")


def _outside() -> Exception:
    from modelseal import ModelDenied

    return ModelDenied(
        "there is no signature: it belongs to no model that is known, and no bundle lies beside or above it",
        code="signature.missing",
        fix="sign the model with `modelseal sign`, or name it: enforce(.., models={REFERENCE: PATH})",
    )


def _unsigned(name: str) -> Exception:
    from modelseal import ModelDenied

    return ModelDenied(
        f"'{name}' is not signed", code="integrity.file-unsigned", fix="remove it, or sign the model with it"
    )


def _compare(one: int, other: int) -> None:
    """Two policies mean the same file only when they mean the same bytes."""
    offset = 0
    while True:
        left, right = os.pread(one, _CHUNK, offset), os.pread(other, _CHUNK, offset)
        if left != right:
            from modelseal import ModelDenied

            raise ModelDenied(
                "two policies were shown different bytes",
                code="integrity.changed-during-verify",
                fix="find out who writes to the model while it loads",
            )
        if not left:
            return
        offset += len(left)


def _shown(path: Any) -> str:
    return repr(os.fsdecode(path))
