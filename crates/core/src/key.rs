//! Names of public keys. The keys themselves live in the rooms that use them.

use crate::text::Printable;
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// A kind of signing key, which also settles the signature algorithm (one each, OMS v1.0 §4.2; Ed25519 is an
/// addition of modelseal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8032): 64-byte signatures over the message itself.
    Ed25519,
    /// ECDSA on NIST P-256 with SHA-256.
    P256,
    /// ECDSA on NIST P-384 with SHA-384.
    P384,
    /// ECDSA on NIST P-521 with SHA-512.
    P521,
}

impl KeyAlgorithm {
    /// Every supported algorithm, the default for new keys first.
    pub const ALL: [Self; 4] = [Self::Ed25519, Self::P256, Self::P384, Self::P521];

    /// The short name: `ed25519`, `p256`, `p384`, `p521`.
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

/// The name for people: `Ed25519`, `ECDSA P-256`, `ECDSA P-384`, `ECDSA P-521`.
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

/// Reads a name as people and OpenSSL write it, in any case: `ed25519`, `p256`, `P-256`, `prime256v1`, `secp256r1`,
/// `ECDSA P-256`, and the like for the other curves.
impl FromStr for KeyAlgorithm {
    type Err = UnknownKeyAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let lower = name.to_ascii_lowercase();
        match lower.strip_prefix("ecdsa ").unwrap_or(&lower) {
            "ed25519" => Ok(Self::Ed25519),
            "p256" | "p-256" | "prime256v1" | "secp256r1" => Ok(Self::P256),
            "p384" | "p-384" | "secp384r1" => Ok(Self::P384),
            "p521" | "p-521" | "secp521r1" => Ok(Self::P521),
            _ => Err(UnknownKeyAlgorithm { found: name.to_owned() }),
        }
    }
}

/// A key algorithm name that is none of [`KeyAlgorithm::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKeyAlgorithm {
    /// The name as it was given.
    pub found: String,
}

impl fmt::Display for UnknownKeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown key algorithm '{}'; supported are ed25519, p256, p384 and p521",
            Printable(&self.found)
        )
    }
}

impl std::error::Error for UnknownKeyAlgorithm {}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_displayed_name_reads_back_as_its_algorithm() {
        for algorithm in KeyAlgorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
    }

    #[test]
    fn the_names_of_openssl_and_of_people_are_read() {
        for (name, algorithm) in [
            ("ed25519", KeyAlgorithm::Ed25519),
            ("p256", KeyAlgorithm::P256),
            ("P-256", KeyAlgorithm::P256),
            ("prime256v1", KeyAlgorithm::P256),
            ("secp384r1", KeyAlgorithm::P384),
            ("P-521", KeyAlgorithm::P521),
        ] {
            assert_eq!(name.parse(), Ok(algorithm), "{name}");
        }
    }

    #[test]
    fn other_names_are_refused_with_the_name() {
        for name in ["", "rsa", "p255", "secp256k1", "ed25519 ", "ecdsa"] {
            let error = name.parse::<KeyAlgorithm>().expect_err(name);
            assert_eq!(error.found, name);
        }
    }
}
