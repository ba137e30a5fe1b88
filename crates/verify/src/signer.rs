//! [`Signer`]: who made a signature, as far as the verifier could establish it.

use crate::{
    public_key::PublicKey,
    sigstore::KeylessSigner,
    x509::{SubjectAltName, VerifiedPath},
};
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
    /// The holder of an identity that an issuer attested, by a certificate under a trusted root.
    Sigstore(Box<KeylessSigner>),
}

impl Signer {
    /// The signing method of OMS v1.0 §4.1.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Certificate(_) => "certificate",
            Self::Sigstore(_) => "sigstore",
        }
    }

    /// The key that made the signature.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        match self {
            Self::Key(key) => key,
            Self::Certificate(path) => path.public_key(),
            Self::Sigstore(signer) => signer.public_key(),
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
            Self::Sigstore(signer) => {
                write!(f, "{}, attested by {}", Printable(signer.identity()), Printable(signer.issuer()))
            }
        }
    }
}

/// Which certificate subject may sign. Nothing is a pattern, and a name of one kind never passes for one of another:
///
/// | written | compared with |
/// |---|---|
/// | `email:a@b`, `URI:..`, `DNS:..` and the other kinds as they are shown | alternative names of that kind |
/// | `subject:..` | the subject's whole distinguished name (RFC 4514) |
/// | with `://` | URI names |
/// | with `=` | the subject's whole distinguished name |
/// | with `@` | e-mail names |
/// | anything else | DNS names |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateIdentity(String);

impl CertificateIdentity {
    /// Pins `identity`.
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
        !self.0.is_empty() && self.is_one_of(&path.subject(), path.subject_alt_names())
    }

    fn is_one_of(&self, subject: &str, names: &[SubjectAltName]) -> bool {
        let has = |kind: &str, value: &str| names.iter().any(|n| n.kind() == kind && n.value() == value);
        let typed = self.0.split_once(':').filter(|(kind, _)| KINDS.contains(kind));
        match typed {
            Some(("subject", value)) => subject == value,
            Some((kind, value)) => has(kind, value),
            None if self.0.contains("://") => has("URI", &self.0),
            None if self.0.contains('=') => subject == self.0,
            None if self.0.contains('@') => has("email", &self.0),
            None => has("DNS", &self.0),
        }
    }
}

/// The kinds of name that can be written before a colon.
const KINDS: [&str; 7] = ["subject", "email", "URI", "DNS", "IP", "dirName", "other"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_one_kind_never_passes_for_another() {
        use SubjectAltName as N;
        let subject = "CN=Release,O=Example";
        let names = [
            N::Email("dev@example.com".into()),
            N::Uri("https://example.com/ci?a=b".into()),
            N::Dns("build.example.com".into()),
        ];
        for good in [
            subject,
            "subject:CN=Release,O=Example",
            "dev@example.com",
            "email:dev@example.com",
            "https://example.com/ci?a=b",
            "URI:https://example.com/ci?a=b",
            "build.example.com",
            "DNS:build.example.com",
        ] {
            assert!(CertificateIdentity::exactly(good).is_one_of(subject, &names), "{good}");
        }
        for bad in
            ["CN=Release", "cn=release,o=example", "dev@example.co", "URI:dev@example.com", "", "example.com"]
        {
            assert!(!CertificateIdentity::exactly(bad).is_one_of(subject, &names), "{bad}");
        }
        for (pinned, other) in [
            (subject, N::Uri(subject.into())),
            (subject, N::Directory(subject.into())),
            ("dev@example.com", N::Dns("dev@example.com".into())),
            ("https://example.com", N::Email("https://example.com".into())),
            ("email:dev@example.com", N::Uri("email:dev@example.com".into())),
        ] {
            assert!(!CertificateIdentity::exactly(pinned).is_one_of("CN=Mallory", &[other]), "{pinned}");
        }
    }
}
