//! [`SigningError`]: why there is no bundle, log entry or timestamp.

use super::{ConfigError, RekorVersion, TokenError};
use crate::{
    http::{HttpError, ServiceUrl},
    private_key::{KeyAlgorithm, PrivateKeyError, SignError},
};
use jiff::Timestamp;
use modelseal_core::text::Printable;
use std::fmt;

/// Why signing with Sigstore, or adding evidence to a signature, failed. Nothing is left behind, but a certificate or a log entry
/// that was made before the failure stays public.
#[derive(Debug)]
#[non_exhaustive]
pub enum SigningError {
    /// The services cannot make a bundle that others could verify.
    Services(ConfigError),
    /// The token will not do.
    Token(TokenError),
    /// A service could not be reached, or refused.
    Http(HttpError),
    /// A service answered something else than its protocol says.
    Answer {
        /// The service.
        service: &'static str,
        /// Its URL.
        url: ServiceUrl,
        /// What is wrong with the answer.
        what: String,
    },
    /// No key could be made.
    Key(PrivateKeyError),
    /// No signature could be made.
    Sign(SignError),
    /// The certificate is for a key that is not ours.
    CertificateForAnotherKey {
        /// Fingerprint of the certificate's key.
        certificate: String,
        /// Fingerprint of our key.
        ours: String,
    },
    /// The certificate names somebody else than the token.
    CertificateForAnotherIdentity {
        /// Who the token says.
        expected: String,
        /// Who the certificate says.
        found: Vec<String>,
    },
    /// The certificate has ended before it could be used.
    CertificateExpired {
        /// When it ended.
        expired: Timestamp,
        /// Our time.
        now: Timestamp,
    },
    /// The certificate carries no proof that it is logged (SCT), so nobody would accept it.
    NoSct,
    /// The proof that the certificate is logged came beside it, and a bundle has no place for that.
    DetachedSct,
    /// The log entry is not about what was sent.
    EntryMismatch {
        /// The log.
        url: ServiceUrl,
        /// What differs.
        what: &'static str,
        /// What was sent.
        sent: String,
        /// What the entry says.
        found: String,
    },
    /// The timestamp authority refused.
    TimestampRefused {
        /// The authority.
        url: ServiceUrl,
        /// Its status (RFC 3161 §2.4.2).
        status: u32,
        /// What it said.
        text: String,
    },
    /// The timestamp is not about what was sent.
    TimestampMismatch {
        /// The authority.
        url: ServiceUrl,
        /// What differs: the imprint or the nonce.
        what: &'static str,
        /// What was sent, in hex.
        sent: String,
        /// What came back, in hex.
        found: String,
    },
    /// The log takes no signatures of such a key.
    KeyNotLoggable {
        /// The kind of key.
        algorithm: KeyAlgorithm,
        /// The log's version.
        version: RekorVersion,
    },
    /// The public key beside the bundle cannot be read, or is of an unsupported kind.
    PublicKey {
        /// What is wrong.
        reason: String,
    },
    /// The bundle cannot be written.
    Unwritable {
        /// Why.
        reason: String,
    },
    /// The bundle has no verification material that a log could check a signature with.
    Material {
        /// What there is instead.
        found: &'static str,
    },
}

impl fmt::Display for SigningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Services(e) => write!(f, "{e}"),
            Self::Token(e) => write!(f, "{e}"),
            Self::Http(e) => write!(f, "{e}"),
            Self::Answer { service, url, what } => {
                write!(f, "{service}: {url} gave no proper answer: {}", Printable(what))
            }
            Self::Key(e) => write!(f, "{e}"),
            Self::Sign(e) => write!(f, "{e}"),
            Self::CertificateForAnotherKey { certificate, ours } => write!(
                f,
                "Fulcio gave a certificate for another key: it is for {certificate}, ours is {ours} (SHA-256 fingerprints)"
            ),
            Self::CertificateForAnotherIdentity { expected, found } => {
                let found = found.iter().map(|name| format!("'{}'", Printable(name))).collect::<Vec<_>>();
                write!(
                    f,
                    "Fulcio gave a certificate for another identity: for {}, where the token says '{}'",
                    if found.is_empty() { "nobody".to_owned() } else { found.join(", ") },
                    Printable(expected)
                )
            }
            Self::CertificateExpired { expired, now } => write!(
                f,
                "Fulcio gave a certificate that ended at {expired}, and it is {now} now: check this machine's clock"
            ),
            Self::NoSct => f.write_str(
                "Fulcio gave a certificate that carries no proof of being logged (SCT); nobody would accept it",
            ),
            Self::DetachedSct => f.write_str(
                "Fulcio gave the proof that the certificate is logged (SCT) beside the certificate; a bundle has no place \
                 for that: the instance must embed it",
            ),
            Self::EntryMismatch { url, what, sent, found } => write!(
                f,
                "Rekor: the log entry of {url} is not the one that was sent: its {what} is '{}', not '{}'",
                Printable(found),
                Printable(sent)
            ),
            Self::TimestampRefused { url, status, text } => {
                write!(f, "timestamp authority: {url} refused with status {status}")?;
                if !text.is_empty() {
                    write!(f, ": {}", Printable(text))?;
                }
                Ok(())
            }
            Self::TimestampMismatch { url, what, sent, found } => write!(
                f,
                "timestamp authority: the timestamp of {url} is not the one that was asked for: its {what} is \
                 '{found}', not '{sent}'"
            ),
            Self::KeyNotLoggable { algorithm, version } => write!(
                f,
                "Rekor {version} takes no envelopes signed with {algorithm}: it takes those of {}; use such a key, or ask for a \
                 timestamp only",
                match version {
                    RekorVersion::V1 => "ECDSA P-256 and Ed25519",
                    RekorVersion::V2 => "ECDSA P-256, P-384 and P-521",
                }
            ),
            Self::PublicKey { reason } => write!(f, "the public key cannot be read: {}", Printable(reason)),
            Self::Unwritable { reason } => write!(f, "the bundle cannot be written: {}", Printable(reason)),
            Self::Material { found } => write!(f, "a bundle with {found} cannot be logged"),
        }
    }
}

impl std::error::Error for SigningError {}

impl From<HttpError> for SigningError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<TokenError> for SigningError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<ConfigError> for SigningError {
    fn from(error: ConfigError) -> Self {
        Self::Services(error)
    }
}
