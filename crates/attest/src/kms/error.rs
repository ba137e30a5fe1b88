//! Every way in which a key at a service cannot be used.

use crate::{http::HttpError, remote::PublicKeyError};
use modelseal_core::text::Printable;
use std::{fmt, path::PathBuf};

/// Why a key management service gave no signature. Holds no credential.
#[derive(Debug)]
#[non_exhaustive]
pub enum KmsError {
    /// A variable that must be set is not, or holds what it cannot hold.
    Setting {
        /// The service.
        service: &'static str,
        /// The variable.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// There are no credentials.
    NoCredentials {
        /// The service.
        service: &'static str,
        /// How to give some.
        advice: &'static str,
        /// Why the place that was asked last gave none.
        last: Option<String>,
    },
    /// A file of credentials or certificates cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The call failed.
    Http(Box<HttpError>),
    /// The answer is not what the service's documentation says.
    Answer {
        /// The service.
        service: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is of a kind that makes no signatures that we support.
    UnsupportedKey {
        /// The service.
        service: &'static str,
        /// Its kind, as the service calls it.
        found: String,
    },
    /// The key does not sign, or not now.
    NotForSigning {
        /// The service.
        service: &'static str,
        /// Why not, in the service's terms.
        reason: String,
    },
    /// The public key is not one.
    PublicKey {
        /// The service.
        service: &'static str,
        /// What is wrong.
        reason: PublicKeyError,
    },
    /// A checksum shows that the request or the answer was damaged on its way.
    Damaged {
        /// The service.
        service: &'static str,
        /// What was damaged.
        what: &'static str,
    },
    /// The statement is too long for keys of this kind, which sign no digest.
    TooLong {
        /// The service.
        service: &'static str,
        /// The statement's size in bytes.
        size: usize,
        /// The most that the service takes.
        limit: usize,
    },
}

impl From<HttpError> for KmsError {
    fn from(error: HttpError) -> Self {
        Self::Http(Box::new(error))
    }
}

impl fmt::Display for KmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { service, name, expected } => write!(f, "{service}: {name} must be {expected}"),
            Self::NoCredentials { service, advice, last } => {
                write!(f, "{service}: there are no credentials; {advice}")?;
                match last {
                    Some(last) => write!(f, " ({})", Printable(last)),
                    None => Ok(()),
                }
            }
            Self::File { path, reason } => {
                let path = path.to_string_lossy();
                write!(f, "cannot read '{}': {}", Printable(&path), Printable(reason))
            }
            Self::Http(e) => {
                e.fmt(f)?;
                match e.status() {
                    Some(401 | 403) => {
                        f.write_str("; check the credentials, and what they are allowed to do")
                    }
                    Some(404) => f.write_str("; check the name of the key"),
                    Some(429) => f.write_str("; the service limits how often it is called: try again later"),
                    _ => Ok(()),
                }
            }
            Self::Answer { service, reason } => {
                write!(f, "{service}: the answer is not understood: {}", Printable(reason))
            }
            Self::UnsupportedKey { service, found } => write!(
                f,
                "{service}: the key is of the kind {}, which is not supported; make one on P-256, P-384 or P-521 for \
                 signing",
                Printable(found)
            ),
            Self::NotForSigning { service, reason } => {
                write!(f, "{service}: the key does not sign: {}", Printable(reason))
            }
            Self::PublicKey { service, reason } => write!(f, "{service}: {reason}"),
            Self::Damaged { service, what } => {
                write!(f, "{service}: {what} was damaged on the way (CRC-32C); try again")
            }
            Self::TooLong { service, size, limit } => write!(
                f,
                "{service}: the statement has {size} bytes, and an Ed25519 key of this service signs at most {limit}; \
                 use an elliptic curve key (P-256, P-384)"
            ),
        }
    }
}

impl std::error::Error for KmsError {}
