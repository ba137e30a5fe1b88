//! Hash algorithms and digests, in the spelling of the OMS algorithm registry.

use std::{fmt, str::FromStr};

/// A file hash of the OMS algorithm registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4), 32 bytes; required by the specification and the default.
    #[default]
    Sha256,
    /// BLAKE2b (RFC 7693), 64 bytes, unkeyed.
    Blake2b,
    /// BLAKE3, 32 bytes.
    Blake3,
}

/// A digest of known algorithm and right length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: [u8; 64],
}

/// Why a text or byte string is no digest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestError {
    /// The registry has no such algorithm.
    UnknownAlgorithm(String),
    /// The digest has another length, in bytes, than its algorithm gives.
    WrongLength {
        /// The algorithm it was said to be of.
        algorithm: Algorithm,
        /// The bytes (for text: half the characters, rounded down) that were found.
        found: usize,
    },
    /// The text is not lowercase hexadecimal.
    NotLowercaseHex,
}

impl Algorithm {
    /// Every algorithm of the registry.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Blake2b, Self::Blake3];

    /// The registry's identifier.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Blake2b => "blake2b",
            Self::Blake3 => "blake3",
        }
    }

    /// Length of its digests in bytes.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Blake2b => 64,
        }
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(name: &str) -> Result<Self, DigestError> {
        Self::ALL
            .into_iter()
            .find(|a| a.name() == name)
            .ok_or_else(|| DigestError::UnknownAlgorithm(name.chars().take(64).collect()))
    }
}

impl Digest {
    /// Wraps raw digest bytes.
    ///
    /// # Errors
    /// [`DigestError::WrongLength`].
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, DigestError> {
        if bytes.len() != algorithm.digest_len() {
            return Err(DigestError::WrongLength { algorithm, found: bytes.len() });
        }
        let mut padded = [0; 64];
        padded[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { algorithm, bytes: padded })
    }

    /// A SHA-256 digest, whose length needs no check.
    #[must_use]
    pub fn sha256(bytes: [u8; 32]) -> Self {
        let mut padded = [0; 64];
        padded[..32].copy_from_slice(&bytes);
        Self { algorithm: Algorithm::Sha256, bytes: padded }
    }

    /// Reads lowercase hexadecimal.
    ///
    /// # Errors
    /// [`DigestError`] when the text is not lowercase hex or has the wrong length.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Result<Self, DigestError> {
        if hex.len() != 2 * algorithm.digest_len() {
            return Err(DigestError::WrongLength { algorithm, found: hex.len() / 2 });
        }
        let mut bytes = [0; 64];
        base16ct::lower::decode(hex, &mut bytes).map_err(|_| DigestError::NotLowercaseHex)?;
        Ok(Self { algorithm, bytes })
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.digest_len()]
    }

    /// Lowercase hexadecimal, without the algorithm.
    #[must_use]
    pub fn to_hex(&self) -> String {
        base16ct::lower::encode_string(self.as_bytes())
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAlgorithm(name) => write!(
                f,
                "unknown hash algorithm '{}'; known are sha256, blake2b and blake3",
                crate::text::Printable(name)
            ),
            Self::WrongLength { algorithm, found } => {
                write!(f, "a {algorithm} digest has {} bytes, found {found}", algorithm.digest_len())
            }
            Self::NotLowercaseHex => f.write_str("a digest is written in lowercase hexadecimal"),
        }
    }
}

impl std::error::Error for DigestError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_strict() {
        let ok = "ab".repeat(32);
        assert_eq!(Digest::from_hex(Algorithm::Sha256, &ok).unwrap().to_hex(), ok);
        assert_eq!(
            Digest::from_hex(Algorithm::Sha256, &ok.to_uppercase()),
            Err(DigestError::NotLowercaseHex)
        );
        assert!(matches!(
            Digest::from_hex(Algorithm::Sha256, &ok[1..]),
            Err(DigestError::WrongLength { .. })
        ));
        assert!(matches!(
            Digest::from_hex(Algorithm::Blake2b, &ok),
            Err(DigestError::WrongLength { found: 32, .. })
        ));
        assert!(matches!("SHA256".parse::<Algorithm>(), Err(DigestError::UnknownAlgorithm(_))));
        assert!(Digest::from_hex(Algorithm::Sha256, &"é".repeat(32)).is_err());
    }
}
