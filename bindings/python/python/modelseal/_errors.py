"""What can go wrong: one class for each meaning, one stable code for each reason."""

from __future__ import annotations

import json
from typing import Any


class ModelsealError(Exception):
    """Something was not done.

    ``code`` is stable and says why, ``checks`` has every check that was made where a model was judged, each as in the
    command line's JSON, and ``fix`` says what to do where that is known. ``report`` is that JSON as a whole.
    """

    code: str
    checks: list[dict[str, Any]]
    fix: str | None
    report: dict[str, Any] | None

    def __init__(
        self,
        message: str,
        *,
        code: str,
        checks: list[dict[str, Any]] | None = None,
        fix: str | None = None,
        report: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.checks = [] if checks is None else checks
        self.fix = fix
        self.report = report

    @property
    def message(self) -> str:
        """What happened, in one sentence."""
        return str(self.args[0])

    def __str__(self) -> str:
        fix = f"; {self.fix}" if self.fix else ""
        return f"{self.message}{fix} [{self.code}]"

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes hand exceptions over pickled, and `code` is no positional argument.
        state = {"code": self.code, "checks": self.checks, "fix": self.fix, "report": self.report}
        return (_again, (type(self), self.args[0], state))


class ModelDenied(ModelsealError):
    """The model must not be used: it is not what a trusted signer signed, or a policy denies it."""


class UsageError(ModelsealError, ValueError):
    """What was given is wrong: a key, a certificate, a path, a value."""


class UndecidedError(ModelsealError):
    """Nothing could be decided or done: a file cannot be read, a service does not answer."""


# Known by the names that are for use.
for _class in (ModelsealError, ModelDenied, UsageError, UndecidedError):
    _class.__module__ = "modelseal"

_KINDS = {"denied": ModelDenied, "usage": UsageError, "undecided": UndecidedError}


def _again(kind: type[ModelsealError], message: str, state: dict[str, Any]) -> ModelsealError:
    return kind(message, **state)


def _from_native(
    kind: str, code: str, message: str, *, fix: str | None = None, report: str | None = None
) -> ModelsealError:
    document = None if report is None else json.loads(report)
    checks = [] if document is None else document["checks"]
    if fix is None:
        fix = next((check["fix"] for check in checks if check.get("fix")), None)
    return _KINDS[kind](message, code=code, checks=checks, fix=fix, report=document)
