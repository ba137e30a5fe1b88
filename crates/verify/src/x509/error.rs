//! Why no path leads from a leaf to a root.

use std::fmt;

use jiff::Timestamp;

use crate::public_key::PublicKeyError;

/// Why [`verify_path`](super::verify_path) refused. Certificates are named by their subject, as escaped RFC 4514 text.
///
/// When several paths were tried, this is the error of the one that came furthest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// There is no certificate.
    EmptyChain,
    /// More certificates than any chain needs.
    TooManyCertificates {
        /// How many.
        found: usize,
        /// Greatest number accepted.
        limit: usize,
    },
    /// No root within reach.
    PathTooLong {
        /// Greatest number of certificates in a path, leaf and root included.
        limit: usize,
    },
    /// The certificates name each other so often that the search was given up.
    SearchTooLarge {
        /// Greatest number of signatures checked.
        limit: usize,
    },
    /// Nobody is at hand who could have issued a certificate.
    NoIssuer {
        /// The certificate.
        subject: String,
        /// Whose certificate is missing.
        issuer: String,
    },
    /// A certificate's issuers stand below it already: the chain goes in a circle and reaches no root.
    Circle {
        /// The certificate.
        subject: String,
        /// The name of its issuer.
        issuer: String,
    },
    /// The chain ends at a self-signed certificate that the user did not give as a root.
    UntrustedRoot {
        /// That certificate.
        subject: String,
        /// Hex SHA-256 of its DER.
        fingerprint: String,
    },
    /// The issuer, by name, did not sign the certificate.
    BadSignature {
        /// The certificate.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// A certificate is signed with an algorithm that is unknown or no longer safe (SHA-1, MD5).
    SignatureAlgorithm {
        /// The certificate.
        subject: String,
        /// The algorithm's name and object identifier.
        algorithm: String,
    },
    /// An issuer's key is of an algorithm that is not supported.
    IssuerKey {
        /// The issuer.
        issuer: String,
        /// Name and object identifier of its algorithm, or what is wrong with it.
        algorithm: String,
    },
    /// An issuer's RSA key is too short to be safe or longer than supported.
    RsaKeySize {
        /// The issuer.
        issuer: String,
        /// Length of its modulus in bits.
        bits: usize,
    },
    /// A certificate is not valid yet.
    NotYetValid {
        /// The certificate.
        subject: String,
        /// First second of its validity.
        not_before: Timestamp,
        /// The time asked about.
        at: Timestamp,
    },
    /// A certificate is no longer valid.
    Expired {
        /// The certificate.
        subject: String,
        /// Last second of its validity.
        not_after: Timestamp,
        /// The time asked about.
        at: Timestamp,
    },
    /// An issuer is not a certificate authority (`basicConstraints` without `CA:TRUE`).
    NotACa {
        /// The issuer.
        subject: String,
    },
    /// An authority's `keyUsage` does not let it sign certificates.
    CaMayNotSignCertificates {
        /// The authority.
        subject: String,
    },
    /// An authority's `extendedKeyUsage` does not include code signing.
    CaUsage {
        /// The authority.
        subject: String,
        /// The usages it has.
        found: Vec<String>,
    },
    /// More authorities stand below one than its `pathLenConstraint` lets.
    PathLength {
        /// The authority with the constraint.
        subject: String,
        /// How many may stand between it and the leaf.
        limit: u8,
        /// How many do.
        found: usize,
    },
    /// A certificate demands something that nothing here enforces.
    CriticalExtension {
        /// The certificate.
        subject: String,
        /// Names and object identifiers of the extensions.
        extensions: Vec<String>,
    },
    /// A certificate limits the names below it, which is not enforced here and hence not accepted.
    NameConstraints {
        /// The certificate.
        subject: String,
    },
    /// The leaf's `extendedKeyUsage` does not include code signing.
    LeafExtendedUsage {
        /// The leaf.
        subject: String,
        /// The usages it has.
        found: Vec<String>,
    },
    /// The leaf's `keyUsage` does not include `digitalSignature`.
    LeafKeyUsage {
        /// The leaf.
        subject: String,
    },
    /// The leaf is made to sign certificates, and nothing says that it may sign code as well.
    LeafIsAuthority {
        /// The leaf.
        subject: String,
    },
    /// The leaf has neither `keyUsage` nor `extendedKeyUsage`: nobody said that it may sign.
    LeafWithoutUsage {
        /// The leaf.
        subject: String,
    },
    /// The leaf's key is not one that signs models.
    LeafKey {
        /// The leaf.
        subject: String,
        /// What is wrong with its key.
        error: PublicKeyError,
    },
}

impl PathError {
    /// How far the path came that ended here: an error on a link that is otherwise good says more than one on a
    /// certificate that merely has the right name.
    pub(super) fn specificity(&self) -> u8 {
        match self {
            Self::NoIssuer { .. } | Self::Circle { .. } => 0,
            Self::BadSignature { .. } => 1,
            Self::UntrustedRoot { .. } => 2,
            Self::SignatureAlgorithm { .. } | Self::IssuerKey { .. } | Self::RsaKeySize { .. } => 3,
            _ => 4,
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyChain => write!(f, "there is no certificate"),
            Self::TooManyCertificates { found, limit } => {
                write!(f, "the chain has {found} certificates, where {limit} is the limit")
            }
            Self::PathTooLong { limit } => write!(f, "no root is reached within {limit} certificates"),
            Self::SearchTooLarge { limit } => {
                write!(f, "no root was found after {limit} signature checks, which is the limit")
            }
            Self::NoIssuer { subject, issuer } => write!(
                f,
                "the certificate \"{subject}\" was issued by \"{issuer}\", which is neither among the trusted \
                 certificates nor in the chain; add its root, or the missing intermediate"
            ),
            Self::Circle { subject, issuer } => write!(
                f,
                "the chain goes in a circle at \"{subject}\", issued by \"{issuer}\", and reaches no trusted root"
            ),
            Self::UntrustedRoot { subject, fingerprint } => write!(
                f,
                "the chain ends at \"{subject}\" (sha256:{fingerprint}), which is not among the trusted roots; \
                 a root that comes with a signature proves nothing"
            ),
            Self::BadSignature { subject, issuer } => {
                write!(f, "the certificate \"{subject}\" was not signed by the key of \"{issuer}\"")
            }
            Self::SignatureAlgorithm { subject, algorithm } => write!(
                f,
                "the certificate \"{subject}\" is signed with {algorithm}, which is not supported or no longer safe"
            ),
            Self::IssuerKey { issuer, algorithm } => {
                write!(f, "the key of \"{issuer}\" cannot be used to check certificates: {algorithm}")
            }
            Self::RsaKeySize { issuer, bits } => {
                write!(f, "the RSA key of \"{issuer}\" has {bits} bits, where 2048 to 8192 are accepted")
            }
            Self::NotYetValid { subject, not_before, at } => {
                write!(
                    f,
                    "the certificate \"{subject}\" is not valid before {not_before}, and the time is {at}"
                )
            }
            Self::Expired { subject, not_after, at } => {
                write!(f, "the certificate \"{subject}\" expired after {not_after}, and the time is {at}")
            }
            Self::NotACa { subject } => {
                write!(
                    f,
                    "\"{subject}\" issued a certificate, but is no certificate authority (CA:TRUE is missing)"
                )
            }
            Self::CaMayNotSignCertificates { subject } => {
                write!(f, "\"{subject}\" issued a certificate, but its key usage has no keyCertSign")
            }
            Self::CaUsage { subject, found } => write!(
                f,
                "the authority \"{subject}\" is not for code signing: its extended key usage is {}",
                list(found)
            ),
            Self::PathLength { subject, limit, found } => write!(
                f,
                "\"{subject}\" allows {limit} authorities between itself and the leaf, and there are {found}"
            ),
            Self::CriticalExtension { subject, extensions } => write!(
                f,
                "the certificate \"{subject}\" has critical extensions that are not supported: {}",
                list(extensions)
            ),
            Self::NameConstraints { subject } => {
                write!(f, "the certificate \"{subject}\" has name constraints, which are not supported")
            }
            Self::LeafExtendedUsage { subject, found } => write!(
                f,
                "the certificate \"{subject}\" is not for code signing: its extended key usage is {}",
                list(found)
            ),
            Self::LeafKeyUsage { subject } => write!(
                f,
                "the certificate \"{subject}\" is not for signing: its key usage has no digitalSignature; {LEAF_FIRST}"
            ),
            Self::LeafIsAuthority { subject } => write!(
                f,
                "the certificate \"{subject}\" is that of an authority: it is made to sign certificates, and no extended \
                 key usage codeSigning says that it may sign models; {LEAF_FIRST}"
            ),
            Self::LeafWithoutUsage { subject } => write!(
                f,
                "the certificate \"{subject}\" does not say that it is for signing: it needs key usage digitalSignature \
                 or extended key usage codeSigning; {LEAF_FIRST}"
            ),
            Self::LeafKey { subject, error } => {
                write!(f, "the certificate \"{subject}\" cannot sign models: {error}")
            }
        }
    }
}

impl std::error::Error for PathError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::LeafKey { error, .. } => Some(error),
            _ => None,
        }
    }
}

const LEAF_FIRST: &str =
    "if it is not the signer's: the signer's own certificate must come first in the chain";

fn list(items: &[String]) -> String {
    if items.is_empty() { "empty".to_owned() } else { items.join(", ") }
}
