"""What can go wrong: one class for each meaning, one stable code for each reason."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
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
        # Some messages say themselves what to do.
        fix = f"; {self.fix}" if self.fix and self.fix not in self.message else ""
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
    fix = None if fix is None else _in_python(fix)
    return _KINDS[kind](_in_python(message), code=code, checks=checks, fix=fix, file=file, report=document)


#: Flags of the command line, and the arguments that they are here.
_ARGUMENTS = {
    "--allow-symlinks": "allow_symlinks=True",
    "--as": "as_=",
    "--base": "base=",
    "--base REFERENCE=PATH": "base={REFERENCE: PATH}",
    "--bundle": "bundle=",
    "--certificate-chain ROOT": "certificates=ROOT",
    "--certificate-identity": "certificate_identity=",
    "--force": "force=True",
    "--identity IDENTITY --identity-provider ISSUER": "identity=IDENTITY, identity_provider=ISSUER",
    "--identity-token-file": "identity_token=",
    "--ignore-paths": "ignore=",
    "--ignore-unsigned-files": "ignore_unsigned_files=True",
    "--no-ignore-git-paths": "ignore_git_paths=False",
    "--policy-unsigned": "policy_unsigned=True",
    "--public-key KEY": "public_key=KEY",
    "--public-key": "public_key=",
    "--signature": "signature=",
    "--state-dir": "state=",
    "--store": "store=",
    "--trusted-root": "trusted_root=",
}
_FLAG = re.compile(
    # What stands in quotes is a name, or a command to run in a shell.
    r"'[^']*'|`[^`]*`|(?:\bmodelseal verify (?:key|certificate|sigstore) )?("
    + "|".join(re.escape(flag) for flag in sorted(_ARGUMENTS, key=len, reverse=True))
    + r")(?![\w-])"
)


def _in_python(text: str) -> str:
    """What the toolkit says, with arguments instead of the flags of its command line."""
    return _FLAG.sub(lambda found: _ARGUMENTS[found[1]] if found[1] else found[0], text)


@contextmanager
def told_about(path: str) -> Iterator[None]:
    """Says of a refusal what the path that was given has to do with it."""
    try:
        yield
    except ModelDenied as error:
        if error.code != "integrity.file-missing" or not os.path.isfile(path):
            raise
        error.args = (f"{error.message}; '{path}' is a single file, and a file of a model is not the model",)
        error.fix = "give the directory of the model"
        raise


def denied_bytes(message: str, *, code: str, file: str, fix: str) -> ModelDenied:
    """The refusal of bytes that were signed and cannot be loaded."""
    check = {"id": "content", "status": "fail", "code": code, "message": message, "fix": fix}
    return ModelDenied(message, code=code, checks=[check], fix=fix, file=file)
