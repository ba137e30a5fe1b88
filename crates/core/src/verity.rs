//! [`FsVerityDigest`]: the digest by which Linux knows a file whose bytes it enforces.

use std::fmt;

/// The name of the annotation that a model signature carries it in, on a file's resource.
pub const FSVERITY_ANNOTATION: &str = "fsverity-sha256";

/// The fs-verity digest of a file (Linux, `Documentation/filesystems/fsverity.rst`): SHA-256 of a descriptor that holds the
/// file's length and the root of a Merkle tree over blocks of 4096 bytes, without salt. It is not the SHA-256 of the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FsVerityDigest([u8; 32]);

/// A text that is no fs-verity digest: 64 lowercase hexadecimal digits are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnFsVerityDigest;

impl FsVerityDigest {
    /// Takes the bytes that the kernel gave, or that were computed as the kernel does.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 lowercase hexadecimal digits.
    ///
    /// # Errors
    /// [`NotAnFsVerityDigest`] for anything else.
    pub fn from_hex(hex: &str) -> Result<Self, NotAnFsVerityDigest> {
        let mut bytes = [0; 32];
        if hex.len() != 64 {
            return Err(NotAnFsVerityDigest);
        }
        base16ct::lower::decode(hex, &mut bytes).map_err(|_| NotAnFsVerityDigest)?;
        Ok(Self(bytes))
    }

    /// Lowercase hexadecimal.
    #[must_use]
    pub fn to_hex(&self) -> String {
        base16ct::lower::encode_string(&self.0)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for FsVerityDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for FsVerityDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FsVerityDigest({self})")
    }
}

impl fmt::Display for NotAnFsVerityDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an fs-verity digest is 64 lowercase hexadecimal digits")
    }
}

impl std::error::Error for NotAnFsVerityDigest {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_lowercase_digits_are_one() {
        let hex = "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95";
        assert_eq!(FsVerityDigest::from_hex(hex).unwrap().to_string(), hex);
        let upper = hex.to_uppercase();
        for bad in ["", "3d", &hex[1..], &upper, &format!("{hex}0"), &format!("{}g", &hex[1..])] {
            assert_eq!(FsVerityDigest::from_hex(bad), Err(NotAnFsVerityDigest), "{bad}");
        }
        assert_eq!(FsVerityDigest::from_hex(&"é".repeat(32)), Err(NotAnFsVerityDigest));
    }
}
