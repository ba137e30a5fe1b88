//! Rekor: a signed envelope in, an entry of the transparency log out, checked to be about that envelope.
//!
//! - v2 takes `hashedrekord 0.0.2` over the digest of the pre-authentication encoding, with the hash of the key's kind.
//! - v1 takes `dsse 0.0.1` with the whole envelope, of which it keeps digests; of plain files `hashedrekord 0.0.1`.

mod v1;
mod v2;

use super::{Log, RekorVersion, SigningError};
use crate::{
    http::{Client, ServiceUrl},
    private_key::KeyAlgorithm,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelseal_core::{dsse::Envelope, log_entry::LogEntry};
use std::{borrow::Cow, time::Duration};

const REKOR: &str = "Rekor";

/// A log answers when the entry is in, which may take it 20 s.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Largest answer, in bytes: a proof has some tens of hashes.
const MAX_ANSWER_BYTES: usize = 512 * 1024;

/// What an envelope was signed with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verifier<'a> {
    pub(super) algorithm: KeyAlgorithm,
    pub(super) material: Material<'a>,
}

/// DER, with or without a certificate around the key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Material<'a> {
    PublicKey(&'a [u8]),
    Certificate(&'a [u8]),
}

/// What was signed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    Envelope(&'a Envelope),
    File { bytes: &'a [u8], signature: &'a [u8] },
}

impl Subject<'_> {
    pub(super) fn signature(&self) -> &[u8] {
        match self {
            Self::Envelope(envelope) => envelope.signature(),
            Self::File { signature, .. } => signature,
        }
    }

    /// The bytes that the signature is made over.
    fn message(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Envelope(envelope) => Cow::Owned(envelope.pae()),
            Self::File { bytes, .. } => Cow::Borrowed(bytes),
        }
    }
}

/// That such a log takes signatures of such a key.
///
/// Rekor v1 hashes with SHA-256 whatever the curve, so that ours over P-384 and P-521 do not verify there. Rekor v2 sees the digest
/// only, which Ed25519 does not sign.
pub(super) fn check_key(log: &Log, algorithm: KeyAlgorithm) -> Result<(), SigningError> {
    let taken = match (log.version, algorithm) {
        (_, KeyAlgorithm::P256)
        | (RekorVersion::V1, KeyAlgorithm::Ed25519)
        | (RekorVersion::V2, KeyAlgorithm::P384 | KeyAlgorithm::P521) => true,
        (RekorVersion::V1, KeyAlgorithm::P384 | KeyAlgorithm::P521)
        | (RekorVersion::V2, KeyAlgorithm::Ed25519) => false,
    };
    if taken { Ok(()) } else { Err(SigningError::KeyNotLoggable { algorithm, version: log.version }) }
}

/// Has a signature logged.
pub(super) fn upload(
    log: &Log,
    subject: Subject<'_>,
    verifier: Verifier<'_>,
    client: &Client,
) -> Result<LogEntry, SigningError> {
    check_key(log, verifier.algorithm)?;
    let entry = match log.version {
        RekorVersion::V1 => v1::upload(&log.url, subject, verifier, client),
        RekorVersion::V2 => v2::upload(&log.url, subject, verifier, client),
    }?;
    let proof = entry.inclusion_proof.as_ref();
    if proof.is_none_or(|proof| proof.checkpoint.is_empty()) {
        return Err(improper(&log.url, "a log entry without a proof of inclusion and a checkpoint"));
    }
    Ok(entry)
}

fn improper(url: &ServiceUrl, what: impl Into<String>) -> SigningError {
    SigningError::Answer { service: REKOR, url: url.clone(), what: what.into() }
}

fn must_be(url: &ServiceUrl, what: &'static str, sent: &str, found: &str) -> Result<(), SigningError> {
    if sent == found {
        return Ok(());
    }
    let short = |text: &str| text.chars().take(100).collect();
    Err(SigningError::EntryMismatch { url: url.clone(), what, sent: short(sent), found: short(found) })
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
