//! [`Signer`]: who made a signature, as far as the verifier could establish it.

use crate::{public_key::PublicKey, x509::VerifiedPath};
use modelseal_core::text::Printable;
use std::fmt;

/// The maker of a verified signature.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Signer {
    /// The holder of the private half of a key that the user gave.
    Key(PublicKey),
    /// The subject of a certificate under a root that the user gave.
    Certificate(Box<VerifiedPath>),
}

impl Signer {
    /// The signing method of OMS v1.0 §4.1.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Certificate(_) => "certificate",
        }
    }

    /// The key that made the signature.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        match self {
            Self::Key(key) => key,
            Self::Certificate(path) => path.public_key(),
        }
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{} key, SHA-256 fingerprint {}", key.algorithm(), key.fingerprint()),
            Self::Certificate(path) => {
                write!(f, "{}, issued by {}", Printable(&path.subject()), Printable(&path.issuer()))
            }
        }
    }
}

/// Which certificate subject may sign: the exact text of the subject's distinguished name (RFC 4514), or of one of its
/// alternative names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateIdentity(String);

impl CertificateIdentity {
    /// Pins `identity`; nothing is a pattern.
    #[must_use]
    pub fn exactly(identity: impl Into<String>) -> Self {
        Self(identity.into())
    }

    /// The pinned text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the leaf of `path` has this identity.
    #[must_use]
    pub fn matches(&self, path: &VerifiedPath) -> bool {
        !self.0.is_empty()
            && (path.subject() == self.0
                || path.subject_alt_names().iter().any(|name| name.value() == self.0))
    }
}
