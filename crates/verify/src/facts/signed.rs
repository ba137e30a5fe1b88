//! What is known of a verified signature: who made it, when, and which logs saw it. Plain data, taken from the certificate,
//! the key and verified material only, never from what the signer wrote into the payload.

use crate::{
    decision::Code, policy::load::Policy, public_key::PublicKey, signer::Signer, sigstore::KeylessSigner,
    x509::VerifiedPath,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Who made a signature, as far as cryptography shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum SignerIdentity {
    /// The holder of a private key.
    #[serde(rename_all = "kebab-case")]
    Key {
        /// Hex SHA-256 of the DER SubjectPublicKeyInfo.
        spki_sha256: String,
        /// The key's algorithm.
        algorithm: String,
    },
    /// The subject of a certificate under a root of the policy.
    #[serde(rename_all = "kebab-case")]
    Certificate {
        /// Hex SHA-256 of the DER SubjectPublicKeyInfo.
        spki_sha256: String,
        /// Distinguished name (RFC 4514).
        subject: String,
        /// Distinguished name of the issuer.
        issuer: String,
        /// Alternative names, each as `kind:value`.
        names: Vec<String>,
        /// Hex SHA-256 of each DER certificate, leaf first.
        chain: Vec<String>,
        /// End of the leaf's validity (RFC 3339).
        not_after: String,
    },
    /// The owner of an OpenID Connect identity.
    Keyless(KeylessIdentity),
}

/// What a Fulcio certificate says about its holder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct KeylessIdentity {
    /// The one subject alternative name.
    pub identity: String,
    /// `email` or `URI`.
    pub identity_kind: String,
    /// The OpenID Connect issuer.
    pub issuer: String,
    /// Further claims by their policy name, such as `source-repository-uri`.
    pub claims: BTreeMap<String, String>,
    /// Hex SHA-256 of the DER SubjectPublicKeyInfo of the one-time key.
    pub spki_sha256: String,
}

/// A time that somebody other than the signer vouches for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrustedTime {
    /// The time.
    pub at: Timestamp,
    /// Whether it is of a timestamp authority (RFC 3161) rather than of a log.
    pub is_timestamp: bool,
    /// Whose key vouches for it: one operator counts once.
    pub operator: String,
}

/// What verified material says besides who signed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Corroboration {
    /// Authenticated times.
    pub times: Vec<TrustedTime>,
    /// Operators of the logs whose entry for this very signature was verified.
    pub logs: BTreeSet<String>,
}

/// A verified keyless bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeylessEvidence {
    /// Who signed.
    pub identity: KeylessIdentity,
    /// Times and logs.
    pub corroboration: Corroboration,
}

/// Why a keyless bundle, or the times in a bundle, are not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub code: Code,
    /// The reason in a sentence.
    pub message: String,
}

/// Verifies what needs Sigstore: Fulcio certificates, transparency logs, RFC 3161 timestamps. Pure like everything here: it
/// must answer the same for the same arguments, and it is trusted as the rest of the verifier is.
pub trait KeylessVerifier: Sync {
    /// Verifies the keyless bundle `document` under the trust root that `policy` calls `trust_root`
    /// ([`Policy::trust_root`]): chain, SCT, signature over the envelope, log entries, times.
    ///
    /// # Errors
    /// [`Refused`].
    fn verify(
        &self,
        document: &[u8],
        policy: &Policy,
        trust_root: &str,
        now: Timestamp,
    ) -> Result<KeylessEvidence, Refused>;

    /// The authenticated times and log entries of a bundle that `key`, bare or with a long-lived certificate, signed, under
    /// any trust root of `policy`. Material that does not verify is left out.
    fn corroborate(&self, document: &[u8], key: &PublicKey, policy: &Policy, now: Timestamp)
    -> Corroboration;
}

/// Believes no keyless bundle and no time: the answer is that they are not supported, which denies.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKeyless;

impl KeylessVerifier for NoKeyless {
    fn verify(&self, _: &[u8], _: &Policy, _: &str, _: Timestamp) -> Result<KeylessEvidence, Refused> {
        let message = "keyless signatures cannot be checked by this version".to_owned();
        Err(Refused { code: Code::ErrorUnsupported, message })
    }

    fn corroborate(&self, _: &[u8], _: &PublicKey, _: &Policy, _: Timestamp) -> Corroboration {
        Corroboration::default()
    }
}

impl SignerIdentity {
    /// Hex SHA-256 of the signing key's DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_sha256(&self) -> &str {
        match self {
            Self::Key { spki_sha256, .. } | Self::Certificate { spki_sha256, .. } => spki_sha256,
            Self::Keyless(identity) => &identity.spki_sha256,
        }
    }

    /// The names that a deny list may name: alternative names and the keyless identity, not a subject that anybody can
    /// have.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (names, identity) = match self {
            Self::Key { .. } => (&[][..], None),
            Self::Certificate { names, .. } => (&names[..], None),
            Self::Keyless(identity) => (&[][..], Some(identity.identity.as_str())),
        };
        names
            .iter()
            .map(|name| name.split_once(':').map_or(name.as_str(), |(_, value)| value))
            .chain(identity)
    }

    pub(crate) fn of(signer: &Signer) -> Self {
        match signer {
            Signer::Key(key) => {
                Self::Key { spki_sha256: key.fingerprint(), algorithm: key.algorithm().to_string() }
            }
            Signer::Certificate(path) => Self::of_path(path),
            Signer::Sigstore(keyless) => Self::Keyless(KeylessIdentity::of(keyless)),
        }
    }

    pub(crate) fn of_path(path: &VerifiedPath) -> Self {
        Self::Certificate {
            spki_sha256: path.public_key().fingerprint(),
            subject: path.subject(),
            issuer: path.issuer(),
            names: path.subject_alt_names().iter().map(|n| format!("{}:{}", n.kind(), n.value())).collect(),
            chain: path.certificates().map(crate::x509::Certificate::fingerprint).collect(),
            not_after: path.not_after().to_string(),
        }
    }
}

impl KeylessIdentity {
    pub(super) fn of(signer: &KeylessSigner) -> Self {
        Self {
            identity: signer.identity().to_owned(),
            identity_kind: signer.identity_kind().to_string(),
            issuer: signer.issuer().to_owned(),
            claims: signer.claims().clone(),
            spki_sha256: signer.public_key().fingerprint(),
        }
    }
}

impl std::fmt::Display for SignerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use modelseal_core::text::Printable as P;
        match self {
            Self::Key { spki_sha256, .. } => write!(f, "key {spki_sha256}"),
            Self::Certificate { subject, .. } => write!(f, "{}", P(subject)),
            Self::Keyless(k) => write!(f, "{} ({})", P(&k.identity), P(&k.issuer)),
        }
    }
}
