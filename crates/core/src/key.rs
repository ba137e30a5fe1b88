//! Names of public keys. The keys themselves live in the rooms that use them.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// A signature algorithm that modelseal signs and verifies with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8032), pure.
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
    /// ECDSA on P-521 with SHA-512.
    P521,
}

impl KeyAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::Ed25519, Self::P256, Self::P384, Self::P521];

    /// The name on the command line: `ed25519`, `p256`, `p384`, `p521`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::P521 => "p521",
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ed25519 => "Ed25519",
            Self::P256 => "ECDSA P-256",
            Self::P384 => "ECDSA P-384",
            Self::P521 => "ECDSA P-521",
        })
    }
}

impl FromStr for KeyAlgorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.to_ascii_lowercase().as_str() {
            "ed25519" => Ok(Self::Ed25519),
            "p256" | "p-256" | "prime256v1" | "secp256r1" => Ok(Self::P256),
            "p384" | "p-384" | "secp384r1" => Ok(Self::P384),
            "p521" | "p-521" | "secp521r1" => Ok(Self::P521),
            _ => Err("unknown key algorithm; known are ed25519, p256, p384 and p521".into()),
        }
    }
}

/// The `PUBLIC KEY` PEM text of a DER SubjectPublicKeyInfo: 64-character lines, newline at the end.
#[must_use]
pub fn spki_pem(spki_der: &[u8]) -> String {
    let body = STANDARD.encode(spki_der);
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    for line in body.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|&b| char::from(b)));
        pem.push('\n');
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    pem
}

/// The key hint of OMS bundles: hex SHA-256 over the key's [PEM text](spki_pem), as the reference implementation
/// computes it (OMS v1.0 §4.1 leaves the fingerprint undefined).
#[must_use]
pub fn hint(spki_der: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(spki_pem(spki_der)))
}

/// The fingerprint shown to people: hex SHA-256 over the DER SubjectPublicKeyInfo, as `openssl pkey -pubin
/// -outform DER | sha256sum` prints it.
#[must_use]
pub fn fingerprint(spki_der: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(spki_der))
}
