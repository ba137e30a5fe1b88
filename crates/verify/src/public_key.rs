//! Public keys that OMS signatures are checked with, and the check itself.
//!
//! A [`PublicKey`] is a key that was understood and is safe to verify with: one of four algorithms, its point on its
//! curve, not of small order. Everything else is refused when it is read, by name, and never later.

use std::fmt;

use aws_lc_rs::signature::{self as aws, ParsedPublicKey, UnparsedPublicKey};
use der::oid::ObjectIdentifier;
use der::{Decode, Encode, Tag, Tagged};
use ed25519_dalek::VerifyingKey;
use modelseal_core::key;
pub use modelseal_core::key::KeyAlgorithm;
use spki::SubjectPublicKeyInfoRef;

pub(crate) mod pem_blocks;

use pem_blocks::pem_blocks;

/// A public key of one of the algorithms that OMS signatures use.
///
/// Two keys are equal when their SubjectPublicKeyInfo is; since only one encoding of a key is accepted, that is when
/// they are the same key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    key: Key,
    spki: Vec<u8>,
}

/// The signature is not one by this key over these bytes. Says no more, on purpose: a verifier has no use for why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSignature;

/// Why bytes or text are not a [`PublicKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// There is no PEM block.
    NotPem,
    /// DER where PEM is expected.
    DerInsteadOfPem,
    /// An OpenSSH public key line.
    OpenSsh,
    /// The text is longer than any public key.
    TooLarge {
        /// Length of the text in bytes.
        found: usize,
        /// Greatest length accepted.
        limit: usize,
    },
    /// A PEM block has a beginning and no end.
    TruncatedPem {
        /// The block's label.
        label: String,
    },
    /// What the PEM block holds is not Base64.
    Base64,
    /// A private key where the public one belongs.
    PrivateKey {
        /// The block's label, which tells the form of the key.
        label: String,
    },
    /// A certificate where a public key belongs.
    Certificate,
    /// A PEM block of another kind, such as `RSA PUBLIC KEY`.
    OtherPem {
        /// The block's label.
        label: String,
    },
    /// More than one PEM block.
    SeveralBlocks {
        /// How many.
        found: usize,
    },
    /// Text after the key.
    TrailingText,
    /// The bytes are not one DER SubjectPublicKeyInfo.
    Malformed {
        /// What the DER reader met.
        detail: String,
    },
    /// Bytes follow the SubjectPublicKeyInfo.
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// An algorithm that OMS does not use, such as RSA.
    UnsupportedAlgorithm {
        /// Its name, where one is known, and its object identifier.
        algorithm: String,
    },
    /// An elliptic curve that OMS does not use, such as secp256k1.
    UnsupportedCurve {
        /// Its name, where one is known, and its object identifier.
        curve: String,
    },
    /// The curve is spelled out (or left out) instead of named, which RFC 5480 forbids.
    UnnamedCurve,
    /// The algorithm has parameters where it takes none (Ed25519, RFC 8410).
    UnexpectedParameters,
    /// An elliptic curve point in compressed form.
    CompressedPoint {
        /// The key's algorithm.
        algorithm: KeyAlgorithm,
    },
    /// The key has the wrong length for its algorithm.
    Length {
        /// The key's algorithm.
        algorithm: KeyAlgorithm,
        /// Length found, in bytes.
        found: usize,
        /// Length of every such key, in bytes.
        expected: usize,
    },
    /// The bytes do not name a point of the curve.
    NotOnCurve {
        /// The key's algorithm.
        algorithm: KeyAlgorithm,
    },
    /// An Ed25519 key of small order: anybody can make signatures that it verifies.
    SmallOrder,
}

impl PublicKey {
    /// Reads a PEM file with one `PUBLIC KEY` block (SubjectPublicKeyInfo, RFC 7468 section 13).
    ///
    /// Text before the block is skipped, as RFC 7468 says; text after it is refused.
    ///
    /// # Errors
    /// Anything else is a [`PublicKeyError`] that names what was found. A private key is refused without being decoded.
    pub fn from_pem(text: &[u8]) -> Result<Self, PublicKeyError> {
        if text.len() > MAX_PEM_BYTES {
            return Err(PublicKeyError::TooLarge { found: text.len(), limit: MAX_PEM_BYTES });
        }
        let (blocks, after) =
            pem_blocks(text).map_err(|label| PublicKeyError::TruncatedPem { label: label.to_owned() })?;
        if let Some(private) = blocks.iter().find(|block| block.is_private_key()) {
            return Err(PublicKeyError::PrivateKey { label: private.label.to_owned() });
        }
        let block = match blocks.as_slice() {
            [] if text.first() == Some(&0x30) => return Err(PublicKeyError::DerInsteadOfPem),
            [] if text.starts_with(b"ssh-") || text.starts_with(b"ecdsa-sha2-") => {
                return Err(PublicKeyError::OpenSsh);
            }
            [] => return Err(PublicKeyError::NotPem),
            [block] => block,
            several => return Err(PublicKeyError::SeveralBlocks { found: several.len() }),
        };
        match block.label {
            "PUBLIC KEY" => {}
            "CERTIFICATE" => return Err(PublicKeyError::Certificate),
            label => return Err(PublicKeyError::OtherPem { label: label.to_owned() }),
        }
        if !after.iter().all(u8::is_ascii_whitespace) {
            return Err(PublicKeyError::TrailingText);
        }
        Self::from_spki_der(&block.decode().ok_or(PublicKeyError::Base64)?)
    }

    /// Reads a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7; RFC 5480 for ECDSA, RFC 8410 for Ed25519).
    ///
    /// Elliptic curve points must be uncompressed: one key then has one encoding, hence one fingerprint and one hint.
    ///
    /// # Errors
    /// [`PublicKeyError`] naming the algorithm or the curve found, or what is wrong with the key.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        refuse_trailing_bytes(der)?;
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(malformed)?;
        let bytes = info.subject_public_key.as_bytes().ok_or_else(|| PublicKeyError::Malformed {
            detail: "the key's bit string is not whole bytes".to_owned(),
        })?;
        let (algorithm, key) = match info.algorithm.oid {
            EC => {
                let curve = info.algorithm.parameters.filter(|any| any.tag() == Tag::ObjectIdentifier);
                let curve = curve.ok_or(PublicKeyError::UnnamedCurve)?;
                let curve = curve.decode_as::<ObjectIdentifier>().map_err(malformed)?;
                let algorithm = match curve {
                    P256 => KeyAlgorithm::P256,
                    P384 => KeyAlgorithm::P384,
                    P521 => KeyAlgorithm::P521,
                    other => return Err(PublicKeyError::UnsupportedCurve { curve: oid_text(&other) }),
                };
                (algorithm, ecdsa_key(algorithm, bytes)?)
            }
            ED25519 if info.algorithm.parameters.is_some() => {
                return Err(PublicKeyError::UnexpectedParameters);
            }
            ED25519 => (KeyAlgorithm::Ed25519, ed25519_key(bytes)?),
            other => return Err(PublicKeyError::UnsupportedAlgorithm { algorithm: oid_text(&other) }),
        };
        Ok(Self { algorithm, key, spki: der.to_vec() })
    }

    /// The key as DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// What the key verifies.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Hex SHA-256 of the DER SubjectPublicKeyInfo, the value that
    /// `openssl pkey -pubin -outform DER | openssl dgst -sha256` prints.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        key::fingerprint(&self.spki)
    }

    /// The `hint` of a key bundle: hex SHA-256 of the key's PEM **text**, 64 characters a line, with the final newline.
    ///
    /// OMS v1.0 does not define the hint; this is the value that the reference implementation writes and compares.
    #[must_use]
    pub fn hint(&self) -> String {
        key::hint(&self.spki)
    }

    /// Checks `signature` over `message`.
    ///
    /// ECDSA signatures are strict DER (`SEQUENCE { r, s }`, not the fixed-width IEEE P1363 form) over the hash that
    /// [`KeyAlgorithm`] names; either of the two values of `s` is accepted, as every OMS implementation does. Ed25519
    /// is the strict variant: no small-order or non-canonical points.
    ///
    /// # Errors
    /// [`BadSignature`] when the signature is anything else.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let verified = match (&self.key, self.algorithm) {
            (Key::Ed25519(key), _) => match ed25519_dalek::Signature::from_slice(signature) {
                Ok(signature) => key.verify_strict(message, &signature).is_ok(),
                Err(_) => false,
            },
            (Key::Ecdsa(point), algorithm) => match ecdsa_algorithm(algorithm) {
                Some(ecdsa) => UnparsedPublicKey::new(ecdsa, point).verify(message, signature).is_ok(),
                None => false,
            },
        };
        if verified { Ok(()) } else { Err(BadSignature) }
    }

    /// Checks `signature` as [`verify`](Self::verify), but with SHA-256 whatever the curve.
    ///
    /// **Only for the historical OMS v0.2.0 form** (OMS v1.0 section 11), whose signer hashed with SHA-256 under
    /// P-384 and P-521 too. Nothing else may be verified this way.
    ///
    /// # Errors
    /// [`BadSignature`] when the signature is anything else, and always for Ed25519, which v0.2.0 did not have.
    pub fn verify_historical_v0_2_ecdsa_sha256(
        &self,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        let Key::Ecdsa(point) = &self.key else { return Err(BadSignature) };
        let ecdsa = match self.algorithm {
            KeyAlgorithm::P256 => &aws::ECDSA_P256_SHA256_ASN1,
            KeyAlgorithm::P384 => &aws::ECDSA_P384_SHA256_ASN1,
            KeyAlgorithm::P521 => &aws::ECDSA_P521_SHA256_ASN1,
            KeyAlgorithm::Ed25519 => return Err(BadSignature),
        };
        UnparsedPublicKey::new(ecdsa, point).verify(message, signature).map_err(|_| BadSignature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, sha256:{})", self.algorithm, self.fingerprint())
    }
}

impl fmt::Display for BadSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the signature does not match: it was made by another key, over other bytes, or was changed",
        )
    }
}

impl std::error::Error for BadSignature {}

impl fmt::Display for PublicKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPem => {
                write!(f, "this is not a PEM public key: there is no \"-----BEGIN PUBLIC KEY-----\" in it")
            }
            Self::DerInsteadOfPem => write!(
                f,
                "this looks like DER, and PEM is expected; convert it with \
                 `openssl pkey -pubin -inform DER -in FILE -out FILE.pem`"
            ),
            Self::OpenSsh => write!(
                f,
                "this is an OpenSSH public key, and PEM is expected; convert it with `ssh-keygen -e -m PKCS8 -f FILE`"
            ),
            Self::TooLarge { found, limit } => {
                write!(f, "this is too long for a public key: {found} bytes, where {limit} is the limit")
            }
            Self::TruncatedPem { label } => write!(
                f,
                "the PEM block \"{label}\" has no matching \"-----END {label}-----\": the file is cut off or damaged"
            ),
            Self::Base64 => {
                write!(f, "the PEM block \"PUBLIC KEY\" does not hold valid Base64: the file is damaged")
            }
            Self::PrivateKey { label } => write!(
                f,
                "this is a private key (\"{label}\"), and a public key is expected; write the public one with \
                 `openssl pkey -in FILE -pubout` and keep the private one where only its owner can read it"
            ),
            Self::Certificate => write!(
                f,
                "this is a certificate, and a public key is expected; use the certificate method, or write the \
                 certificate's key with `openssl x509 -in FILE -noout -pubkey`"
            ),
            Self::OtherPem { label } if label == "RSA PUBLIC KEY" => write!(
                f,
                "this is an RSA public key (\"{label}\"), which model signatures do not use; {SUPPORTED}"
            ),
            Self::OtherPem { label } => {
                write!(f, "this is PEM of another kind (\"{label}\"), and \"PUBLIC KEY\" is expected")
            }
            Self::SeveralBlocks { found } => {
                write!(
                    f,
                    "there are {found} PEM blocks, and one public key is expected; keep only the one to trust"
                )
            }
            Self::TrailingText => {
                write!(f, "there is text after the public key; remove what follows its last line")
            }
            Self::Malformed { detail } => write!(f, "this is not a DER SubjectPublicKeyInfo: {detail}"),
            Self::TrailingBytes { count } => {
                write!(f, "{count} bytes follow the public key inside its encoding")
            }
            Self::UnsupportedAlgorithm { algorithm } => {
                write!(
                    f,
                    "this key is of algorithm {algorithm}, which model signatures do not use; {SUPPORTED}"
                )
            }
            Self::UnsupportedCurve { curve } => {
                write!(
                    f,
                    "this key is on elliptic curve {curve}, which model signatures do not use; {SUPPORTED}"
                )
            }
            Self::UnnamedCurve => write!(
                f,
                "this key spells out its elliptic curve or leaves it out, where RFC 5480 wants its name; convert it \
                 with `openssl ec -pubin -param_enc named_curve -in FILE -out FILE.pem`"
            ),
            Self::UnexpectedParameters => {
                write!(f, "this Ed25519 key has algorithm parameters, which RFC 8410 does not allow")
            }
            Self::CompressedPoint { algorithm } => write!(
                f,
                "this {algorithm} key is in compressed form; convert it with \
                 `openssl ec -pubin -conv_form uncompressed -in FILE -out FILE.pem`"
            ),
            Self::Length { algorithm, found, expected } => {
                write!(f, "this {algorithm} key has {found} bytes, where such keys have {expected}")
            }
            Self::NotOnCurve { algorithm } => {
                write!(f, "this is not a valid {algorithm} key: its bytes name no point of the curve")
            }
            Self::SmallOrder => write!(
                f,
                "this Ed25519 key has small order: anybody can make signatures for it, so it proves nothing"
            ),
        }
    }
}

impl std::error::Error for PublicKeyError {}

/// `secp256k1 (1.3.132.0.10)`, or the bare number where no name is known.
pub(crate) fn oid_text(oid: &ObjectIdentifier) -> String {
    let number = oid.to_string();
    let missing_there = || MORE_NAMES.iter().find(|(known, _)| *known == number).map(|&(_, name)| name);
    match der::oid::db::DB.by_oid(oid).or_else(missing_there) {
        Some(name) => format!("{name} ({number})"),
        None => number,
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Key {
    /// The uncompressed point, known to be on the curve.
    Ecdsa(Vec<u8>),
    /// Boxed: a decompressed key is much larger than the other.
    Ed25519(Box<VerifyingKey>),
}

const SUPPORTED: &str = "use ECDSA P-256, P-384 or P-521, or Ed25519";

/// The longest text looked at. A P-521 key has 268 bytes of PEM; the rest is room for explanatory text before it.
const MAX_PEM_BYTES: usize = 64 * 1024;

/// Algorithms that people do hand us and that the library's table of names does not have.
const MORE_NAMES: &[(&str, &str)] = &[
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
    ("1.2.156.10197.1.301", "SM2"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
];

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

fn ecdsa_algorithm(algorithm: KeyAlgorithm) -> Option<&'static aws::EcdsaVerificationAlgorithm> {
    match algorithm {
        KeyAlgorithm::P256 => Some(&aws::ECDSA_P256_SHA256_ASN1),
        KeyAlgorithm::P384 => Some(&aws::ECDSA_P384_SHA384_ASN1),
        KeyAlgorithm::P521 => Some(&aws::ECDSA_P521_SHA512_ASN1),
        KeyAlgorithm::Ed25519 => None,
    }
}

fn ecdsa_key(algorithm: KeyAlgorithm, point: &[u8]) -> Result<Key, PublicKeyError> {
    let expected = match algorithm {
        KeyAlgorithm::P256 => 1 + 2 * 32,
        KeyAlgorithm::P384 => 1 + 2 * 48,
        KeyAlgorithm::P521 => 1 + 2 * 66,
        KeyAlgorithm::Ed25519 => 32,
    };
    match point.first() {
        Some(2 | 3) => return Err(PublicKeyError::CompressedPoint { algorithm }),
        Some(4) if point.len() == expected => {}
        Some(4) => return Err(PublicKeyError::Length { algorithm, found: point.len(), expected }),
        _ => return Err(PublicKeyError::NotOnCurve { algorithm }), // the point at infinity, and hybrid forms
    }
    let ecdsa = ecdsa_algorithm(algorithm).ok_or(PublicKeyError::NotOnCurve { algorithm })?;
    ParsedPublicKey::new(ecdsa, point).map_err(|_| PublicKeyError::NotOnCurve { algorithm })?;
    Ok(Key::Ecdsa(point.to_vec()))
}

fn ed25519_key(bytes: &[u8]) -> Result<Key, PublicKeyError> {
    let algorithm = KeyAlgorithm::Ed25519;
    let bytes: &[u8; 32] = bytes.try_into().map_err(|_| PublicKeyError::Length {
        algorithm,
        found: bytes.len(),
        expected: 32,
    })?;
    // RFC 8032 section 5.1.3: y must be below p = 2^255 - 19. The library reduces it instead.
    let not_reduced = bytes[0] >= 0xed && bytes[1..31].iter().all(|&b| b == 0xff) && bytes[31] & 0x7f == 0x7f;
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| PublicKeyError::NotOnCurve { algorithm })?;
    if key.is_weak() {
        return Err(PublicKeyError::SmallOrder);
    }
    if not_reduced {
        return Err(PublicKeyError::NotOnCurve { algorithm });
    }
    Ok(Key::Ed25519(Box::new(key)))
}

fn refuse_trailing_bytes(der: &[u8]) -> Result<(), PublicKeyError> {
    let header =
        der::SliceReader::new(der).and_then(|reader| der::Reader::peek_header(&reader)).map_err(malformed)?;
    let length = header.encoded_len().and_then(|length| length + header.length).map_err(malformed)?;
    match usize::try_from(length).map(|length| der.len().saturating_sub(length)) {
        Ok(0) | Err(_) => Ok(()),
        Ok(count) => Err(PublicKeyError::TrailingBytes { count }),
    }
}

fn malformed(error: der::Error) -> PublicKeyError {
    PublicKeyError::Malformed { detail: error.to_string() }
}

#[cfg(test)]
mod tests;
