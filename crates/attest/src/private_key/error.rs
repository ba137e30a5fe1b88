//! What can go wrong with a private key file, its password, or a signature.

use std::fmt;

use super::KeyAlgorithm;

/// Why a private key could not be read, made or written. No variant carries bytes of a key or a password.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// The file holds nothing, or only white space.
    Empty,
    /// The file is longer than [`MAX_PRIVATE_KEY_FILE_BYTES`](super::MAX_PRIVATE_KEY_FILE_BYTES).
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The file is binary DER.
    Der,
    /// The file holds no PEM block at all.
    NotPem,
    /// A PEM block whose BEGIN or END line is missing, cut, or does not match its partner.
    BrokenPem {
        /// Label of the block, `PRIVATE KEY` for example.
        label: String,
    },
    /// The base64 text of a PEM block does not decode.
    DamagedBase64 {
        /// Label of the block.
        label: String,
    },
    /// More than one private key in the file; which one to sign with is not ours to guess.
    SeveralPrivateKeys {
        /// How many were found.
        count: usize,
    },
    /// PEM, but with no private key in it: a public key or certificate, most often.
    NotAPrivateKey {
        /// Label of the first block found.
        label: String,
    },
    /// The format of `ssh-keygen`.
    OpenSshFormat,
    /// OpenSSL's old encryption of the PEM text (`Proc-Type: 4,ENCRYPTED`), which derives the key with one MD5.
    LegacyEncryption,
    /// A private key under a PEM label that is not supported.
    UnsupportedForm {
        /// Label of the block.
        label: String,
    },
    /// A key of an algorithm that this toolkit does not sign with.
    UnsupportedAlgorithm {
        /// Name and object identifier.
        found: String,
    },
    /// An elliptic curve that this toolkit does not sign with.
    UnsupportedCurve {
        /// Name and object identifier.
        found: String,
    },
    /// The curve is written out as numbers instead of named, which lets a file invent its own curve.
    ExplicitCurve,
    /// Nothing in the file says which curve the key is on.
    MissingCurve,
    /// The file names two different curves.
    CurveMismatch {
        /// The curve that the wrapping or the `EC PARAMETERS` block names.
        outer: String,
        /// The curve that the key itself names.
        inner: String,
    },
    /// The encryption of the key uses a part that is not supported.
    UnsupportedEncryption {
        /// Which part: `scheme`, `key derivation`, `key derivation hash` or `cipher`.
        part: &'static str,
        /// Name and object identifier.
        found: String,
    },
    /// Opening the key would cost more than allowed; nothing was derived.
    KdfTooExpensive {
        /// What costs: `PBKDF2 iterations`, `scrypt memory in bytes` or `scrypt work in bytes`.
        parameter: &'static str,
        /// What the file asks for (`u64::MAX` stands for that or more).
        value: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The key is encrypted and there is no password to open it with.
    Password(PasswordError),
    /// The password does not open the key. A damaged file looks the same.
    WrongPassword,
    /// The bytes in the block are not the structure that its label promises.
    Malformed {
        /// Label of the block.
        label: &'static str,
        /// Which part does not hold.
        what: &'static str,
    },
    /// The file states a public key that does not belong to its private key.
    PublicKeyMismatch {
        /// The key's algorithm.
        algorithm: KeyAlgorithm,
    },
    /// The cryptographic library failed: no randomness, or no memory.
    Crypto {
        /// What was being done.
        doing: &'static str,
    },
}

const SUPPORTED: &str = "supported are Ed25519 and ECDSA on P-256, P-384 or P-521";
const CONVERT_ENCRYPTED: &str = "openssl pkcs8 -topk8 -in OLD.pem -out NEW.pem";

impl fmt::Display for PrivateKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the private key file is empty"),
            Self::TooLarge { size, limit } => {
                write!(f, "the private key file is too long: {size} bytes, at most {limit} are read")
            }
            Self::Der => f.write_str(
                "the private key is binary DER, PEM is expected; convert it with \
                 `openssl pkey -inform DER -in KEY.der -out KEY.pem`",
            ),
            Self::NotPem => f.write_str("no private key found: the file holds no PEM block (-----BEGIN ...-----)"),
            Self::BrokenPem { label } => write!(
                f,
                "the PEM block {label:?} is incomplete: its BEGIN or END line is missing, cut, or does not match; \
                 each must stand alone on its line"
            ),
            Self::DamagedBase64 { label } => write!(f, "the base64 text of the PEM block {label:?} is damaged"),
            Self::SeveralPrivateKeys { count } => {
                write!(f, "the file holds {count} private keys; give a file with the one to sign with")
            }
            Self::NotAPrivateKey { label } => {
                write!(f, "a private key is expected and the file holds {label:?}; give the file with the private key")
            }
            Self::OpenSshFormat => f.write_str(
                "the private key is in OpenSSH format, which is not supported; convert a copy with \
                 `ssh-keygen -p -m PKCS8 -f COPY`, or make a new signing key",
            ),
            Self::LegacyEncryption => write!(
                f,
                "the private key is encrypted in OpenSSL's old format (Proc-Type: 4,ENCRYPTED), which is not \
                 supported; convert it with `{CONVERT_ENCRYPTED}`"
            ),
            Self::UnsupportedForm { label } => write!(
                f,
                "a private key in the form {label:?} is not supported; \
                 supported are PRIVATE KEY, ENCRYPTED PRIVATE KEY and EC PRIVATE KEY"
            ),
            Self::UnsupportedAlgorithm { found } => {
                write!(f, "the private key is for {found}, which is not supported; {SUPPORTED}")
            }
            Self::UnsupportedCurve { found } => {
                write!(f, "the private key is on the curve {found}, which is not supported; {SUPPORTED}")
            }
            Self::ExplicitCurve => f.write_str(
                "the private key spells out its curve instead of naming it; if it is a supported curve, convert with \
                 `openssl ec -param_enc named_curve -in OLD.pem -out NEW.pem`",
            ),
            Self::MissingCurve => f.write_str("the private key does not say which elliptic curve it is on"),
            Self::CurveMismatch { outer, inner } => {
                write!(f, "the file names two curves for one private key: {outer} outside and {inner} inside")
            }
            Self::UnsupportedEncryption { part, found } => write!(
                f,
                "the private key is encrypted with an unsupported {part}: {found}; convert it with \
                 `{CONVERT_ENCRYPTED}`"
            ),
            Self::KdfTooExpensive { parameter, value, limit } => {
                write!(f, "opening the private key would cost too much: {parameter} is {value}, at most {limit}")
            }
            Self::Password(error) => write!(f, "the private key is encrypted, and {error}"),
            Self::WrongPassword => f.write_str("the password does not open the private key, or the file is damaged"),
            Self::Malformed { label, what } => write!(f, "the PEM block {label:?} is malformed: {what}"),
            Self::PublicKeyMismatch { algorithm } => {
                write!(f, "the public key stated in the {algorithm} private key file does not belong to the private key")
            }
            Self::Crypto { doing } => write!(f, "the cryptographic library failed while {doing}"),
        }
    }
}

impl std::error::Error for PrivateKeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Password(error) => Some(error),
            _ => None,
        }
    }
}

/// Why there is no password for an encrypted private key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordError {
    /// Nothing gives a password.
    NotGiven,
    /// The password has no bytes: an unset variable or an empty file, most often.
    Empty,
    /// A password was to be read and could not be.
    Unreadable {
        /// Where from and why, in words that fit after "the password could not be read: ".
        reason: String,
    },
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGiven => f.write_str("no password was given"),
            Self::Empty => f.write_str("the password given is empty"),
            Self::Unreadable { reason } => write!(f, "the password could not be read: {reason}"),
        }
    }
}

impl std::error::Error for PasswordError {}
