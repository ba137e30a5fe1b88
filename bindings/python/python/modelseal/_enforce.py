"""`enforce`: models load under a policy only, in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal

from ._arguments import StrPath, Trusting, path as _path, paths as _paths
from ._errors import UndecidedError, UsageError
from ._hooks import files, gate, hub, libraries
from ._hooks.judge import Settings
from ._hooks.patching import Patches

_patches = Patches([*files.points(), *libraries.points(), *hub.points()])
#: Held while hooks come and go, so that none goes that another thread has just asked for.
_switching = threading.RLock()


class enforce:
    """Lets only those models load that the policies allow, and from the bytes that were verified.

    >>> with modelseal.enforce("policy.toml"):                                  # doctest: +SKIP
    ...     model = transformers.AutoModel.from_pretrained("minilm")

    As a context manager, or with ``install()`` and ``remove()``; for the whole process either way, all its threads and
    what it forks. Several at once all have to allow.

    ``models`` names models that are asked for under other references than where they lie: ``{reference: path}``.
    ``check="read"`` compares each file when it is read; unless that is given, all files of a model are compared when
    the first is asked for. ``allow_objects`` lets loaders take file objects that have no path. All further arguments are
    those of `open_model`, such as ``public_key`` instead of a policy, ``policy_trust`` and ``policy_unsigned``.

    What is refused raises `ModelDenied`. See docs/enforce.md for what is hooked, and what cannot be.
    """

    def __init__(
        self,
        policy: StrPath | Iterable[StrPath] = (),
        *,
        models: Mapping[str, StrPath] | None = None,
        check: Literal["all", "read"] = "all",
        allow_objects: bool = False,
        **options: Any,
    ) -> None:
        try:
            given = _paths(policy)
        except TypeError:
            raise UsageError(f"a policy is the path of a file, not {policy!r}", code="usage.flags") from None
        if not all(given):
            raise UsageError("the path of a policy is empty", code="usage.flags")
        policies = tuple(os.path.abspath(each) for each in given)
        if not policies and not options:
            raise UsageError("enforce needs a policy, or whose signature to accept", code="usage.flags")
        if check not in ("all", "read"):
            raise UsageError(f"check is 'all' or 'read', not {check!r}", code="usage.flags")
        _check_options(policies, options)
        named = sorted((os.path.realpath(_path(where)), reference) for reference, where in (models or {}).items())
        self._settings = Settings(policies, tuple(named), check == "all", allow_objects, tuple(sorted(options.items())))
        self._installed = 0

    def install(self) -> enforce:
        """Enforces from now on, until `remove`; as often as it is called."""
        if os.name != "posix":
            raise UndecidedError(
                "enforce needs Linux or macOS: verified bytes are handed to loaders as files that exist in memory only",
                code="error.unsupported",
                fix="load with open_model(..)",
            )
        with _switching:
            gate.begin(self._settings)
            files.audit()
            _patches.install()
            self._installed += 1
        return self

    def remove(self) -> None:
        """Takes one `install` back."""
        with _switching:
            if not self._installed:
                raise UsageError("this enforce is not installed", code="usage.flags")
            self._installed -= 1
            if gate.end(self._settings):
                _patches.remove()
                hub.restore()

    def __enter__(self) -> enforce:
        return self.install()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def name_model(path: StrPath, reference: str) -> None:
    """Says under which reference the model in a directory was asked for, to every `enforce` that is at work and was not told
    before. For code that fetches models itself, as the hooks of `huggingface_hub` say it of what they fetch.
    """
    gate.name(_path(path), reference)


def _check_options(policies: tuple[str, ...], options: dict[str, Any]) -> None:
    """Refuses now what no model could be opened with."""
    from ._model import open_model

    known = dict(open_model.__kwdefaults__ or {})
    del known["policy"], known["progress"]
    if "as_" in options:
        raise UsageError("enforce takes no as_: name models with models={REFERENCE: PATH}", code="usage.flags")
    for name in options:
        if name != "progress" and name not in known:
            raise UsageError(f"enforce has no argument {name!r}", code="usage.flags")
    given = {name: value for name, value in options.items() if name != "progress"}
    try:
        Trusting.of("", policy=policies, **{**known, **given})
    except TypeError as error:
        raise UsageError(f"an argument of enforce is of the wrong type: {error}", code="usage.flags") from None


def from_environment(environment: Mapping[str, str]) -> enforce:
    """What the variables say: MODELSEAL_POLICY, and those that go with it.

    It is not looked at here whether the policies can be read: every load will ask, and fail where they cannot.
    """
    models = {}
    for entry in filter(None, (part.strip() for part in environment.get("MODELSEAL_MODELS", "").split(";"))):
        reference, separator, path = entry.partition("=")
        if not separator:
            raise UsageError(f"MODELSEAL_MODELS: {entry!r} is not REFERENCE=PATH", code="usage.flags")
        models[reference] = path
    options: dict[str, Any] = {}
    if environment.get("MODELSEAL_POLICY_TRUST"):
        options["policy_trust"] = os.path.abspath(environment["MODELSEAL_POLICY_TRUST"])
    if environment.get("MODELSEAL_POLICY_UNSIGNED") == "1":
        options["policy_unsigned"] = True
    policy = environment["MODELSEAL_POLICY"]
    policies = policy.split(os.pathsep)
    made = enforce([each or os.devnull for each in policies], models=models, **options)
    if not all(policies):
        unusable = "MODELSEAL_POLICY is empty, or one of the paths in it is"
        made._settings = replace(made._settings, unusable=unusable)
    return made


def _after_fork() -> None:
    global _switching
    _switching = threading.RLock()
    gate.after_fork()
    _patches.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
