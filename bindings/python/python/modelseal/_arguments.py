"""Arguments as the native part takes them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Callable, Union

from ._errors import UsageError

#: A path as `open` takes it, names that are not UTF-8 included.
StrPath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

#: A small document, as a key or a certificate: the path of a file, or as bytes what would be in it.
Document = Union[str, "os.PathLike[str]", bytes]

#: Told of the bytes that are done and of those to do. What it raises cancels the work.
Progress = Callable[[int, int], object]

#: A password, or a function that is only called when there is something to decrypt.
Password = Union[str, bytes, Callable[[], Union[str, bytes]]]


def path(given: StrPath) -> str:
    """One path."""
    return os.fsdecode(given)


def optional_path(given: StrPath | None) -> str | None:
    """One path, or none."""
    return None if given is None else path(given)


def paths(given: StrPath | Iterable[StrPath]) -> list[str]:
    """Paths; one alone is a list of one, and never its characters."""
    if isinstance(given, (str, bytes, os.PathLike)):
        return [path(given)]
    return [path(one) for one in given]


def documents(given: Document | Iterable[Document]) -> list[Document]:
    """Documents; one alone is a list of one."""
    if isinstance(given, (str, bytes, os.PathLike)):
        return [given]
    return list(given)


@dataclass(frozen=True)
class Measure:
    """How a model is measured."""

    method: str
    shard_size: int | None
    hash: str
    ignore: list[str]
    ignore_git_paths: bool
    allow_symlinks: bool
    threads: int | None


@dataclass(frozen=True)
class SigningOptions:
    """Who signs."""

    private_key: Document | None
    password: Password | None
    signing_certificate: Document | None
    certificate_chain: list[Document]
    identity_token: str | None
    ambient: bool
    staging: bool
    trust_config: Document | None

    def __post_init__(self) -> None:
        by_identity = self.identity_token is not None or self.ambient
        if (self.private_key is not None) + by_identity != 1:
            raise _usage(
                "who signs? give one of private_key, identity_token, or ambient=True for the identity that this "
                "environment has"
            )
        if self.identity_token is not None and self.ambient:
            raise _usage("give identity_token or ambient=True, not both")
        if self.certificate_chain and self.signing_certificate is None:
            raise _usage("certificate_chain goes with signing_certificate")
        if by_identity and (self.password is not None or self.signing_certificate is not None):
            raise _usage("password and signing_certificate go with private_key")
        if not by_identity and (self.staging or self.trust_config is not None):
            raise _usage("staging and trust_config go with identity_token or ambient=True")
        if self.staging and self.trust_config is not None:
            raise _usage("give staging=True or trust_config, not both")


@dataclass(frozen=True)
class Trusting:
    """Whom to believe, and how to look."""

    signature: str
    public_key: Document | None
    certificates: list[Document]
    certificate_identity: str | None
    identity: str | None
    identity_pattern: str | None
    identity_provider: str | None
    staging: bool
    trusted_root: Document | None
    require_log: bool
    require_timestamp: bool
    ignore: list[str]
    ignore_git_paths: bool
    ignore_unsigned_files: bool
    policy: list[str]
    policy_unsigned: bool
    policy_bundle: list[str]
    policy_trust: str | None
    state: str | None
    reference: str | None
    bundle: list[str]
    bundle_dir: list[str]
    base: list[tuple[str, str]]
    store: str | None
    remember_version: bool
    accept_unverified: bool
    threads: int | None

    @classmethod
    def of(
        cls,
        model: str,
        *,
        signature: StrPath | None,
        public_key: Document | None,
        certificates: Document | Iterable[Document],
        certificate_identity: str | None,
        identity: str | None,
        identity_pattern: str | None,
        identity_provider: str | None,
        staging: bool,
        trusted_root: Document | None,
        require_log: bool,
        require_timestamp: bool,
        ignore: StrPath | Iterable[StrPath],
        ignore_git_paths: bool,
        ignore_unsigned_files: bool,
        policy: StrPath | Iterable[StrPath],
        policy_unsigned: bool,
        policy_bundle: StrPath | Iterable[StrPath],
        policy_trust: StrPath | None,
        state: StrPath | None,
        as_: str | None,
        bundle: StrPath | Iterable[StrPath],
        bundle_dir: StrPath | Iterable[StrPath],
        base: Mapping[str, StrPath] | None,
        store: StrPath | None,
        remember_version: bool,
        accept_unverified: bool,
        threads: int | None,
    ) -> Trusting:
        """What the arguments of ``verify`` and ``open_model`` say; refuses those that would count for nothing."""
        trusting = cls(
            signature=_signature_of(model) if signature is None else path(signature),
            public_key=public_key,
            certificates=documents(certificates),
            certificate_identity=certificate_identity,
            identity=identity,
            identity_pattern=identity_pattern,
            identity_provider=identity_provider,
            staging=staging,
            trusted_root=trusted_root,
            require_log=require_log,
            require_timestamp=require_timestamp,
            ignore=paths(ignore),
            ignore_git_paths=ignore_git_paths,
            ignore_unsigned_files=ignore_unsigned_files,
            policy=paths(policy),
            policy_unsigned=policy_unsigned,
            policy_bundle=paths(policy_bundle),
            policy_trust=optional_path(policy_trust),
            state=optional_path(state),
            reference=as_,
            bundle=paths(bundle),
            bundle_dir=paths(bundle_dir),
            base=[(name, path(where)) for name, where in (base or {}).items()],
            store=optional_path(store),
            remember_version=remember_version,
            accept_unverified=accept_unverified,
            threads=threads,
        )
        trusting._check(signature is not None)
        return trusting

    def _check(self, signature: bool) -> None:
        by_identity = self.identity is not None or self.identity_pattern is not None
        ways = {
            "public_key": self.public_key is not None,
            "certificates": bool(self.certificates),
            "identity": by_identity,
            "policy": bool(self.policy),
        }
        chosen = [name for name, given in ways.items() if given]
        if len(chosen) != 1:
            found = " and ".join(chosen) or "nothing"
            raise _usage(
                "whom to believe? give one of public_key, certificates, identity (with identity_provider) or policy; "
                f"given: {found}"
            )
        way = chosen[0]
        if self.identity is not None and self.identity_pattern is not None:
            raise _usage("give identity or identity_pattern, not both")
        if by_identity and self.identity_provider is None:
            raise _usage("identity needs identity_provider, who vouches for it")
        evidence = self.require_log or self.require_timestamp
        if evidence and self.trusted_root is None:
            raise _usage("require_log and require_timestamp need trusted_root")
        only = {
            "certificates": {"certificate_identity": self.certificate_identity is not None},
            "identity": {"identity_provider": self.identity_provider is not None, "staging": self.staging},
            "policy": {
                "policy_unsigned": self.policy_unsigned,
                "policy_bundle": bool(self.policy_bundle),
                "policy_trust": self.policy_trust is not None,
                "state": self.state is not None,
                "as_": self.reference is not None,
                "bundle": bool(self.bundle),
                "bundle_dir": bool(self.bundle_dir),
                "base": bool(self.base),
                "store": self.store is not None,
                "remember_version": self.remember_version,
                "accept_unverified": self.accept_unverified,
            },
        }
        for owner, given in only.items():
            stray = [name for name, is_given in given.items() if is_given and owner != way]
            if stray:
                raise _usage(f"{' and '.join(stray)} count for nothing without {owner}")
        if way == "policy":
            for name, given_too in {
                "signature": signature,
                "trusted_root": self.trusted_root is not None,
                "ignore": bool(self.ignore),
                "ignore_unsigned_files": self.ignore_unsigned_files,
                "ignore_git_paths": not self.ignore_git_paths,
            }.items():
                if given_too:
                    raise _usage(f"{name} counts for nothing with policy, which says itself what is wanted")
        if way == "identity" and evidence:
            raise _usage("require_log and require_timestamp are for keys and certificates; identities always have both")
        if self.staging and self.trusted_root is not None:
            raise _usage("give staging=True or trusted_root, not both")


def _signature_of(model: str) -> str:
    """Where the signature is looked for when nobody says it: here, as the command line does, or else in the model."""
    inside = os.path.join(model, "model.sig")
    return inside if not os.path.lexists("model.sig") and os.path.lexists(inside) else "model.sig"


def _usage(message: str) -> UsageError:
    return UsageError(message, code="usage.flags")
