//! Stable codes: `domain.what`, append-only. Every denial and every error has exactly one; `docs/codes.md` lists them.

use crate::error::Kind;
use modelseal_core::{
    bundle::BundleError,
    manifest::{Comparison, ManifestError},
    predicate::StatementError,
};
use modelseal_model::{ErrorKind, MeasureError};
use modelseal_verify::{
    sigstore::{EvidenceError, KeylessError},
    verifier::VerifyError,
    x509::PathError,
};

pub(crate) fn bundle(_: &BundleError) -> &'static str {
    "signature.malformed"
}

pub(crate) fn signature(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::PayloadType(_) => "signature.payload-type",
        VerifyError::Method { .. } => "signature.method-mismatch",
        VerifyError::OtherKey { .. } => "signature.no-trusted-signer",
        VerifyError::Signature => "signature.crypto-invalid",
        VerifyError::Identity { .. } => "identity.subject-mismatch",
        VerifyError::Path(error) => path(error),
        VerifyError::Evidence(error) => evidence(error),
        VerifyError::Keyless(error) => keyless(error),
        _ => "signature.malformed",
    }
}

fn path(error: &PathError) -> &'static str {
    match error {
        PathError::Expired { .. } | PathError::NotYetValid { .. } => "identity.certificate-expired",
        PathError::LeafExtendedUsage { .. }
        | PathError::LeafKeyUsage { .. }
        | PathError::LeafIsAuthority { .. }
        | PathError::LeafWithoutUsage { .. } => "identity.eku",
        _ => "identity.chain-untrusted",
    }
}

fn evidence(error: &EvidenceError) -> &'static str {
    use EvidenceError as E;
    match error {
        E::UnsupportedEntry { .. } => "log.unsupported-entry",
        E::UnknownLog { .. } | E::CheckpointForeign { .. } | E::LogKeyOutsideWindow { .. } => {
            "log.unknown-log"
        }
        E::NoInclusionProof { .. } | E::LogEntryRequired => "log.missing",
        E::OtherEnvelope { .. } => "log.entry-mismatch",
        E::InclusionProof { .. }
        | E::CheckpointMalformed { .. }
        | E::CheckpointForged { .. }
        | E::CheckpointOtherTree { .. }
        | E::InclusionPromise { .. }
        | E::Body { .. } => "log.proof-invalid",
        E::TimestampMalformed { .. }
        | E::TimestampOtherBytes { .. }
        | E::TimestampUntrusted { .. }
        | E::TimestampAuthorityExpired { .. }
        | E::TimestampOutsideWindow { .. } => "time.timestamp-invalid",
        E::TimeInFuture { .. } => "time.clock-implausible",
        E::TrustedTimeRequired | E::RootRequired => "time.no-trusted-time",
        _ => "signature.malformed",
    }
}

fn keyless(error: &KeylessError) -> &'static str {
    use KeylessError as E;
    match error {
        E::NoTrustedTime => "time.no-trusted-time",
        E::NoLogEntry => "log.missing",
        E::Chain(_) | E::NoAuthority { .. } => "identity.chain-untrusted",
        E::NotValidAt { .. } => "identity.certificate-expired",
        E::NoSct | E::Sct(_) => "identity.sct-invalid",
        E::Identities(_) | E::Identity { .. } => "identity.subject-mismatch",
        E::NoIssuer | E::Issuer { .. } => "identity.issuer-mismatch",
        E::Signature => "signature.crypto-invalid",
        E::Log(_) => "log.proof-invalid",
        E::Timestamp(_) => "time.timestamp-invalid",
        E::Clock(_) => "time.clock-implausible",
        E::TrustedRoot(_) => "identity.chain-untrusted",
        _ => "signature.malformed",
    }
}

pub(crate) fn statement(error: &StatementError) -> &'static str {
    match error {
        StatementError::PayloadType(_) => "signature.payload-type",
        StatementError::Type(_) => "signature.statement-type",
        StatementError::PredicateType(_) => "signature.predicate-type",
        StatementError::Path(_) => "integrity.path-escape",
        StatementError::Manifest(ManifestError::Empty) => "integrity.empty-model",
        _ => "signature.malformed",
    }
}

pub(crate) fn comparison(differences: &Comparison) -> &'static str {
    if !differences.changed.is_empty() {
        "integrity.digest-mismatch"
    } else if !differences.missing.is_empty() {
        "integrity.file-missing"
    } else {
        "integrity.file-unsigned"
    }
}

pub(crate) fn measure(error: &MeasureError) -> &'static str {
    match error {
        MeasureError::Symlink { .. }
        | MeasureError::ModelIsSymlink { .. }
        | MeasureError::DanglingSymlink { .. }
        | MeasureError::SymlinkLoop { .. } => "integrity.symlink",
        MeasureError::SpecialFile { .. } => "integrity.not-regular-file",
        MeasureError::NotUtf8 { .. } | MeasureError::Name { .. } => "integrity.name-not-allowed",
        MeasureError::Empty { .. } | MeasureError::Manifest(ManifestError::Empty) => "integrity.empty-model",
        MeasureError::Changed { .. } => "integrity.changed-during-verify",
        MeasureError::TooManyEntries(_) | MeasureError::TooManyResources { .. } => "error.limit-exceeded",
        MeasureError::AlsoNeedsWholeFiles => "usage.flags",
        MeasureError::Cancelled => "error.cancelled",
        MeasureError::Missing(_) | MeasureError::Io { .. } => "error.io",
        _ => "error.internal",
    }
}

/// A limit that is reached, or a system that does not answer, decides nothing.
pub(crate) fn measure_kind(error: &MeasureError) -> Kind {
    match (error, error.kind()) {
        (MeasureError::TooManyEntries(_) | MeasureError::TooManyResources { .. }, _) => Kind::Undecided,
        (MeasureError::AlsoNeedsWholeFiles, _) => Kind::Usage,
        (_, ErrorKind::Rejected) => Kind::Denied,
        _ => Kind::Undecided,
    }
}

#[cfg(test)]
mod tests {
    /// Codes are for ever, so each must be documented, and nothing else.
    #[test]
    fn the_documentation_lists_every_code() {
        let sources = [
            include_str!("codes.rs"),
            include_str!("error.rs"),
            include_str!("verify.rs"),
            include_str!("../../../cli/src/exit.rs"),
            include_str!("../../../cli/src/files.rs"),
            include_str!("../../../cli/src/password.rs"),
            include_str!("../../../cli/src/usage.rs"),
            include_str!("../../../cli/src/pin.rs"),
            include_str!("../../../cli/src/services.rs"),
            include_str!("../../../cli/src/commands/sign/keyless.rs"),
            include_str!("../../../cli/src/commands/sign/signers.rs"),
            include_str!("../../../cli/src/commands/verify.rs"),
            include_str!("../../../cli/src/commands/key.rs"),
        ];
        let domains = ["signature.", "identity.", "log.", "time.", "integrity.", "usage.", "error."];
        let is_code = |text: &&str| {
            *text != "error.rs"
                && domains.iter().any(|d| {
                    text.strip_prefix(d).is_some_and(|rest| {
                        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
                    })
                })
        };
        let used: std::collections::BTreeSet<&str> =
            sources.iter().flat_map(|source| source.split('"')).filter(is_code).collect();
        let documented: std::collections::BTreeSet<&str> =
            include_str!("../../../docs/codes.md").split('`').filter(is_code).collect();
        assert!(used.len() > 25, "{used:?}");
        assert_eq!(used, documented);
    }
}
