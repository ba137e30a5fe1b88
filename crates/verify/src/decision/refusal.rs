//! The reason code of a bundle that is not believed.

use super::Code;
use crate::{
    sigstore::{EvidenceError, KeylessError},
    verifier::VerifyError,
    x509::PathError,
};

impl From<&VerifyError> for Code {
    fn from(error: &VerifyError) -> Self {
        match error {
            VerifyError::PayloadType(_) | VerifyError::OtherPayloadType { .. } => Self::SignaturePayloadType,
            VerifyError::Method { .. } | VerifyError::BareEnvelope { .. } => Self::SignatureMethodMismatch,
            VerifyError::OtherKey { .. } => Self::SignatureNoTrustedSigner,
            VerifyError::Signature => Self::SignatureCryptoInvalid,
            VerifyError::Identity { .. } => Self::IdentitySubjectMismatch,
            VerifyError::Path(error) => error.into(),
            VerifyError::Evidence(error) => error.into(),
            VerifyError::Keyless(error) => error.into(),
            _ => Self::SignatureMalformed,
        }
    }
}

impl From<&PathError> for Code {
    fn from(error: &PathError) -> Self {
        match error {
            PathError::Expired { .. } | PathError::NotYetValid { .. } => Self::IdentityCertificateExpired,
            PathError::LeafExtendedUsage { .. }
            | PathError::LeafKeyUsage { .. }
            | PathError::LeafIsAuthority { .. }
            | PathError::LeafWithoutUsage { .. } => Self::IdentityEku,
            _ => Self::IdentityChainUntrusted,
        }
    }
}

impl From<&EvidenceError> for Code {
    fn from(error: &EvidenceError) -> Self {
        use EvidenceError as E;
        match error {
            E::UnsupportedEntry { .. } => Self::LogUnsupportedEntry,
            E::UnknownLog { .. } | E::CheckpointForeign { .. } | E::LogKeyOutsideWindow { .. } => {
                Self::LogUnknownLog
            }
            E::NoInclusionProof { .. } | E::LogEntryRequired => Self::LogMissing,
            E::OtherEnvelope { .. } => Self::LogEntryMismatch,
            E::InclusionProof { .. }
            | E::CheckpointMalformed { .. }
            | E::CheckpointForged { .. }
            | E::CheckpointOtherTree { .. }
            | E::InclusionPromise { .. }
            | E::Body { .. } => Self::LogProofInvalid,
            E::TimestampMalformed { .. }
            | E::TimestampOtherBytes { .. }
            | E::TimestampUntrusted { .. }
            | E::TimestampAuthorityExpired { .. }
            | E::TimestampOutsideWindow { .. } => Self::TimeTimestampInvalid,
            E::TimeInFuture { .. } => Self::TimeClockImplausible,
            E::TrustedTimeRequired | E::RootRequired => Self::TimeNoTrustedTime,
            _ => Self::SignatureMalformed,
        }
    }
}

impl From<&KeylessError> for Code {
    fn from(error: &KeylessError) -> Self {
        use KeylessError as E;
        match error {
            E::NoTrustedTime => Self::TimeNoTrustedTime,
            E::NoLogEntry => Self::LogMissing,
            E::Chain(_) | E::NoAuthority { .. } | E::TrustedRoot(_) => Self::IdentityChainUntrusted,
            E::NotValidAt { .. } => Self::IdentityCertificateExpired,
            E::NoSct | E::Sct(_) => Self::IdentitySctInvalid,
            E::Identities(_) | E::Identity { .. } => Self::IdentitySubjectMismatch,
            E::NoIssuer | E::Issuer { .. } => Self::IdentityIssuerMismatch,
            E::Signature => Self::SignatureCryptoInvalid,
            E::Log(_) => Self::LogProofInvalid,
            E::Timestamp(_) => Self::TimeTimestampInvalid,
            E::Clock(_) => Self::TimeClockImplausible,
            _ => Self::SignatureMalformed,
        }
    }
}
