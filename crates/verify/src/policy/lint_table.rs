//! Every kind of complaint about a policy: its stable name, its severity and why it exists. Append-only.

use super::complaint::{Lint, Severity};

macro_rules! lints {
    ($($name:ident $id:literal $severity:ident $explanation:literal)+) => {
        $(pub(super) const $name: Lint =
            Lint { id: $id, severity: Severity::$severity, explanation: $explanation };)+

        /// Every kind of complaint there is, for documentation.
        pub const LINTS: &[Lint] = &[$($name,)+];
    };
}

lints! {
    SYNTAX "parse.syntax" Error
        "The text is not TOML or not JSON, or says one thing twice: two readers could understand it differently."
    LIMIT "parse.limit" Error
        "The policy is larger or more deeply nested than any policy needs to be."
    SCHEMA "parse.schema" Error
        "The policy is written in a language that this version does not know; its meaning is not guessed at."
    UNKNOWN_FIELD "parse.unknown-field" Error
        "A field that nobody knows is a requirement that nobody checks."
    MISSING_FIELD "parse.missing-field" Error
        "A field that must be written is not there."
    TYPE "parse.type" Error
        "A value is of another type than its field; nothing is converted."
    VALUE "parse.value" Error
        "A value is of the right type and cannot be understood."
    FILE_UNREADABLE "file.unreadable" Error
        "A file that the policy names cannot be read."
    FILE_INVALID "file.invalid" Error
        "A file that the policy names is not what it should be."
    FILE_DIGEST "file.digest-mismatch" Error
        "A file that the policy names is another one than when the policy was written."
    MATCH_EVERYTHING "lint.match-everything" Error
        "A pattern that matches whatever it is given asks for nothing."
    GLOB_LEADING_WILDCARD "lint.glob-leading-wildcard" Error
        "A pattern that begins with a wildcard is met by names that somebody else chooses, such as evil.example/x@acme.example."
    WILDCARD_IN_AUTHORITY "lint.wildcard-in-authority" Error
        "A host with a wildcard is whatever host somebody registers."
    REFERENCE_NOT_CANONICAL "lint.reference-not-canonical" Error
        "Rules are chosen by canonical references; a glob in another form never matches."
    CERTIFICATE_WITHOUT_IDENTITY "lint.certificate-without-identity" Error
        "A certificate authority vouches for many; without a name, every one of them may sign."
    KEYLESS_WITHOUT_IDENTITY "lint.keyless-without-identity" Error
        "An issuer vouches for all of its users; without an identity or a repository, every one of them may sign."
    MUTABLE_IDENTITY "lint.mutable-identity" Warning
        "A repository's or an owner's name can be given up and be taken by somebody else; their numbers cannot."
    DUPLICATE_KEY "lint.duplicate-key" Error
        "One key under two names would count twice towards a threshold."
    KEY_SOURCE "lint.key-source" Error
        "A key comes from a file or is written into the policy, not both and not neither."
    ROOT_SOURCE "lint.trust-root-source" Error
        "A trust root comes from a TUF repository, or from a file with its SHA-256."
    VALIDITY_EMPTY "lint.validity-empty" Error
        "A key that ends before it begins is never valid."
    REVOCATION_INCOMPLETE "lint.revocation-incomplete" Error
        "Revocation that is required needs a place to find lists and a bound on their age."
    THRESHOLD_REQUIRED "lint.threshold-required" Error
        "With several signers, 'any one of them' and 'all of them' are both natural readings, so the number must be written."
    THRESHOLD_UNREACHABLE "lint.threshold-unreachable" Error
        "More people are required than there are; two credentials of one principal count once."
    EMPTY_SIGNERS "lint.empty-signers" Error
        "With no signers there is nobody to believe."
    EMPTY_LIST "lint.empty-list" Error
        "An empty list is satisfied by anything or by nothing, depending on who reads it; leave the field out instead."
    DUPLICATE_NAME "lint.duplicate-name" Error
        "Two things of one name cannot be told apart in results, waivers and messages."
    UNKNOWN_SIGNER "lint.unknown-signer" Error
        "A signer is named that the policy does not have."
    UNKNOWN_BUILDER "lint.unknown-builder" Error
        "A builder is named that the policy does not have."
    UNKNOWN_RULE "lint.unknown-rule" Error
        "A rule is named that the policy does not have."
    UNKNOWN_TRUST_ROOT "lint.unknown-trust-root" Error
        "A trust root is named that the policy does not have."
    UNUSED "lint.unused" Warning
        "Something is defined and used nowhere; often a name is misspelt."
    BUILDER_BELOW_MIN_LEVEL "lint.builder-below-min-level" Error
        "The builder is granted less than the rule asks for, so its provenance never suffices."
    BUILD_TYPE_REQUIRED "lint.build-type-required" Error
        "What a builder's provenance means depends on its build type, so the accepted ones must be listed."
    MAX_AGE_NEEDS_TRUSTED_TIME "lint.max-age-needs-trusted-time" Error
        "An age is measured from a time that the signer could not choose: a timestamp or a log entry must be required."
    VACUOUS_RULE "lint.vacuous-rule" Error
        "A rule that asks for no evidence is met by every model; say so, with action = \"insecure-allow-unverified\"."
    IGNORED_REQUIREMENT "lint.ignored-requirement" Error
        "A rule that does not verify has requirements that nobody would check."
    INSECURE_GLOBAL "lint.insecure-global" Error
        "Loading unverified models must be limited to names; the rule covers all of them."
    BIND_REQUIRED "lint.bind-required" Error
        "A rule for several names must say how a name is proven to belong to the bytes."
    BIND_WITHOUT_EVIDENCE "lint.bind-without-evidence" Error
        "The binding is proven by evidence that the rule does not ask for."
    BIND_DIGEST_WITHOUT_DIGESTS "lint.bind-digest-without-digests" Error
        "Bound by digest, and there is none to be bound to."
    DIGESTS_WITHOUT_BIND "lint.digests-without-bind" Error
        "Digests are listed and not looked at, because the rule is not bound by digest."
    MIN_VERSION_NEEDS_VERSION "lint.min-version-needs-version" Error
        "A least version can only be compared with the version in a release statement."
    ENFORCE_AFTER_NEEDS_AUDIT "lint.enforce-after-needs-audit" Error
        "Only a rule in audit mode can begin to enforce."
    EMPTY_DENY "lint.empty-deny" Error
        "A deny entry that names nothing denies nothing."
    COMPROMISED_AT_NEEDS_SIGNER "lint.compromised-at-needs-signer" Error
        "A time of compromise is about keys and identities; digests are denied whatever their age."
    DENYLIST_NEEDS_MAX_AGE "lint.denylist-needs-max-age" Error
        "A feed that may be of any age can be held back by whoever delivers it."
    WAIVER_NEEDS_DIGEST "lint.waiver-needs-digest" Error
        "A waiver is for models that somebody looked at, by digest."
    WAIVER_APPROVER "lint.waiver-approver" Error
        "A waiver has somebody who answers for it."
    NOT_WAIVABLE "lint.not-waivable" Error
        "Failures of integrity, signatures, deny lists, paths, the policy itself and errors are never waived."
    UNKNOWN_CODE "lint.unknown-code" Error
        "There is no such reason code, so nothing would be waived."
    WAIVER_TOO_LONG "lint.waiver-too-long" Error
        "The waiver runs longer than max-waiver allows."
    WAIVER_EXPIRED "lint.waiver-expired" Warning
        "The waiver has ended and has no effect."
    PREDICATE_TYPE_NOT_URI "lint.predicate-type-not-uri" Error
        "Predicate types are compared as whole URIs; there are no short names for them."
    WILDCARD_NEEDS_QUANTIFIER "lint.wildcard-needs-quantifier" Error
        "A pointer to many elements needs to say whether every one or some one of them must pass."
    UNTESTED_PREDICATE "lint.untested-predicate" Warning
        "Any statement of this type will do, whatever it says."
    FORMAT_CONFLICT "lint.format-conflict" Error
        "A format is both allowed and denied."
    SUBSTITUTION "warn.substitution" Warning
        "The signer is all that is checked: anything it ever signed can stand in for each of these names."
    AMBIGUOUS_RULE "policy.ambiguous-rule" Error
        "Two rules are equally specific for one name, so neither can be preferred."
    EXPIRES_SOON "lint.expires-soon" Warning
        "The policy ends within 14 days; from then on every verdict is a denial."
    EXPIRED "lint.expired" Warning
        "The policy has ended; every verdict is a denial."
}
