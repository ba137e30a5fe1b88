"""What can go wrong: one class for each meaning, one stable code for each reason."""

from __future__ import annotations

import json
from typing import Any


class ModelsealError(Exception):
    """Something was not done.

    ``code`` is stable and says why. ``checks`` has every check that was made where a model was judged, each as in the
    command line's JSON. ``fix`` says what to do, where that is known; ``file`` names the file of the model that it is about,
    where it is about one; ``report`` is the JSON of the verdict as a whole, where there is one.
    """

    code: str
    checks: list[dict[str, Any]]
    fix: str | None
    file: str | None
    report: dict[str, Any] | None

    def __init__(
        self,
        message: str,
        *,
        code: str,
        checks: list[dict[str, Any]] | None = None,
        fix: str | None = None,
        file: str | None = None,
        report: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.checks = [] if checks is None else checks
        self.fix = fix
        self.file = file
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
        names = ("code", "checks", "fix", "file", "report")
        return (_again, (type(self), self.args[0], {name: getattr(self, name) for name in names}))


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
    kind: str,
    code: str,
    message: str,
    *,
    fix: str | None = None,
    file: str | None = None,
    report: str | None = None,
) -> ModelsealError:
    document = None if report is None else json.loads(report)
    if document is not None:
        checks = document["checks"]
    else:
        status = "fail" if kind == "denied" else "error"
        check = {"id": "integrity", "status": status, "code": code, "message": message, "fix": fix}
        checks = [] if file is None else [check]
    if fix is None:
        fix = next((check["fix"] for check in checks if check.get("fix")), None)
    return _KINDS[kind](message, code=code, checks=checks, fix=fix, file=file, report=document)


def denied_bytes(message: str, *, code: str, file: str, fix: str) -> ModelDenied:
    """The refusal of bytes that were signed and cannot be loaded."""
    check = {"id": "content", "status": "fail", "code": code, "message": message, "fix": fix}
    return ModelDenied(message, code=code, checks=[check], fix=fix, file=file)
