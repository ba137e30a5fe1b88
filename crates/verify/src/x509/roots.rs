//! The certificates that the user trusts.

use std::fmt;

use super::certificate::Certificate;
use super::error::PathError;
use super::signature;

/// The most certificates that a user's list may hold: several times a whole operating system's roots.
pub const MAX_TRUSTED_CERTIFICATES: usize = 1024;

/// The certificates that the user gave, sorted into trust anchors and intermediates.
///
/// A list may mix both, as the reference tool's `--certificate_chain` does. Only self-signed certificates (subject and
/// issuer are one name, and the certificate's own key made its signature) are anchors. The others help to build a
/// path and give no trust: a lone intermediate is no anchor, here as in the reference implementation.
#[derive(Clone, Debug)]
pub struct Roots {
    pub(super) anchors: Vec<Certificate>,
    pub(super) intermediates: Vec<Certificate>,
}

/// Why a list of certificates cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RootsError {
    /// The list is empty.
    Empty,
    /// More than [`MAX_TRUSTED_CERTIFICATES`].
    TooMany {
        /// How many.
        found: usize,
        /// Greatest number accepted.
        limit: usize,
    },
    /// No certificate of the list is self-signed.
    NoRoot {
        /// The subjects of the certificates, as RFC 4514 text.
        subjects: Vec<String>,
    },
    /// No certificate of the list is self-signed, though one would be if its own signature could be checked.
    UnusableRoot {
        /// What is wrong with that signature.
        error: PathError,
    },
}

impl Roots {
    /// Sorts the user's certificates.
    ///
    /// # Errors
    /// [`RootsError`] when no certificate is self-signed, or there are too many.
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, RootsError> {
        if certificates.is_empty() {
            return Err(RootsError::Empty);
        }
        if certificates.len() > MAX_TRUSTED_CERTIFICATES {
            return Err(RootsError::TooMany { found: certificates.len(), limit: MAX_TRUSTED_CERTIFICATES });
        }
        let mut roots = Self { anchors: Vec::new(), intermediates: Vec::new() };
        let mut unusable = None;
        for certificate in certificates {
            if !certificate.is_self_issued() {
                roots.intermediates.push(certificate);
                continue;
            }
            match signature::check(&certificate, &certificate) {
                Ok(()) => roots.anchors.push(certificate),
                Err(error) => {
                    // Another key of the same name signed it: a key rollover. Anything else is worth telling.
                    if !matches!(error, PathError::BadSignature { .. }) {
                        unusable.get_or_insert(error);
                    }
                    roots.intermediates.push(certificate);
                }
            }
        }
        if roots.anchors.is_empty() {
            return Err(match unusable {
                Some(error) => RootsError::UnusableRoot { error },
                None => RootsError::NoRoot {
                    subjects: roots.intermediates.iter().map(Certificate::subject).collect(),
                },
            });
        }
        Ok(roots)
    }
}

impl fmt::Display for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(
                f,
                "no root certificate was given; there are no default roots, so name the one to trust"
            ),
            Self::TooMany { found, limit } => {
                write!(f, "{found} trusted certificates were given, where {limit} is the limit")
            }
            Self::NoRoot { subjects } => {
                let shown = subjects.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("; ");
                let more = if subjects.len() > 3 { "; ..." } else { "" };
                write!(
                    f,
                    "none of the {} certificates given is a root (self-signed): {shown}{more}; \
                     an intermediate alone gives no trust, so add the root that issued it",
                    subjects.len()
                )
            }
            Self::UnusableRoot { error } => write!(f, "no certificate given can serve as a root: {error}"),
        }
    }
}

impl std::error::Error for RootsError {}
