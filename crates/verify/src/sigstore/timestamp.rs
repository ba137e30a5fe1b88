//! RFC 3161 timestamps against the authorities of a trusted root.

use super::{
    error::EvidenceError,
    evidence::{TimeSource, TrustedTime},
    trusted_root::TrustedRoot,
};
use modelseal_core::limits::MAX_TIMESTAMP_BYTES;
use sigstore_verify::{
    tsa::{Error as TsaError, verify_timestamp_for_authority},
    types::{SignatureBytes, TimestampToken},
};

/// Verifies one timestamp over `signature`. The authority that made it must itself have been trusted, and its
/// certificates valid, at the time it says: one authority's window never lends itself to another.
pub(super) fn verify(
    index: usize,
    der: &[u8],
    signature: &[u8],
    root: &TrustedRoot,
) -> Result<TrustedTime, EvidenceError> {
    if der.len() > MAX_TIMESTAMP_BYTES {
        let detail = format!("it is longer than {MAX_TIMESTAMP_BYTES} bytes");
        return Err(EvidenceError::TimestampMalformed { index, detail });
    }
    let token = TimestampToken::new(der.to_vec());
    let signature = SignatureBytes::from_bytes(signature);
    let authorities = root.timestamp_authorities();
    let mut nearest = EvidenceError::TimestampUntrusted {
        index,
        authorities: authorities.len(),
        detail: "there is none".to_owned(),
    };
    for authority in authorities {
        let error = match verify_timestamp_for_authority(&token, &signature, &authority.certificates) {
            Ok(at) => {
                return Ok(TrustedTime {
                    at,
                    source: TimeSource::TimestampAuthority(authority.name.clone()),
                });
            }
            Err(error) => error,
        };
        let detail = error.to_string();
        let found = match error {
            TsaError::TimestampOutsideValidity { time } => {
                EvidenceError::TimestampOutsideWindow { index, at: time }
            }
            TsaError::CertificateValidationError(_) | TsaError::InvalidEKU => {
                EvidenceError::TimestampAuthorityExpired { index, detail }
            }
            TsaError::HashMismatch { .. } => EvidenceError::TimestampOtherBytes { index },
            TsaError::SignatureVerificationError(_) | TsaError::Verification(_) => {
                EvidenceError::TimestampUntrusted { index, authorities: authorities.len(), detail }
            }
            _ => EvidenceError::TimestampMalformed { index, detail },
        };
        if rank(&found) >= rank(&nearest) {
            nearest = found;
        }
    }
    Err(nearest)
}

/// How near the failure is to success: the authority that failed last in the order of checks is the one to tell about.
fn rank(error: &EvidenceError) -> u8 {
    match error {
        EvidenceError::TimestampOutsideWindow { .. } => 4,
        EvidenceError::TimestampAuthorityExpired { .. } => 3,
        EvidenceError::TimestampMalformed { .. } => 2,
        EvidenceError::TimestampOtherBytes { .. } => 1,
        _ => 0,
    }
}
