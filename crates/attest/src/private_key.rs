//! Private keys: reading them from PEM, making them, signing with them, writing them.
//!
//! ```
//! use modelseal_attest::private_key::{KeyAlgorithm, Password, PasswordError, PrivateKey};
//!
//! let key = PrivateKey::generate(KeyAlgorithm::Ed25519)?;
//! let password = Password::new(b"correct horse".to_vec())?;
//! let pem = key.to_pkcs8_pem(Some(&password))?;
//!
//! let again = PrivateKey::from_pem(pem.as_bytes(), || Ok(password))?;
//! assert_eq!(again.public_key_pem(), key.public_key_pem());
//! assert_eq!(again.sign(b"statement")?.len(), 64);
//!
//! let refused = PrivateKey::from_pem(pem.as_bytes(), || Err(PasswordError::NotGiven));
//! assert!(refused.is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What comes in: a file's bytes and a way to ask for a password. `pem_file` finds the block, `pbes2` opens an encrypted
//! one, `der_form` reads the structure, and this module makes the key after checking that any public key stated in the
//! file is the private key's own. `limits` holds every bound, `oid` every name, `error` every refusal.
//! Nothing here reads files, prompts, or prints.

mod der_form;
mod error;
mod limits;
mod oid;
mod pbes2;
mod pem_file;

use std::fmt;

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
};
use der::asn1::ObjectIdentifier;
use ed25519_dalek::{Signer, SigningKey};
use modelseal_core::key;
use zeroize::{ZeroizeOnDrop, Zeroizing};

pub use crate::signer::SignError;
pub use error::{PasswordError, PrivateKeyError};
pub use limits::MAX_PRIVATE_KEY_FILE_BYTES;
pub use modelseal_core::key::KeyAlgorithm;

/// A private key to sign with. Wiped from memory when dropped; cannot be copied; `Debug` shows the algorithm only.
pub struct PrivateKey {
    secret: Secret,
    public_key_spki_der: Vec<u8>,
}

impl PrivateKey {
    /// Reads the one private key in the bytes of a PEM file.
    ///
    /// Understood are `PRIVATE KEY` (PKCS#8 versions 1 and 2), `ENCRYPTED PRIVATE KEY` (PBES2 with PBKDF2 or scrypt, and
    /// AES-CBC) and `EC PRIVATE KEY` (RFC 5915), with other text, certificates and public keys around it.
    /// `password` is called at most once, only when the key is encrypted, and only after the encryption was found to be
    /// one that we support at a cost that we accept.
    ///
    /// # Errors
    /// Every way in which the file is not exactly one supported private key: see [`PrivateKeyError`].
    pub fn from_pem(
        pem: &[u8],
        password: impl FnOnce() -> Result<Password, PasswordError>,
    ) -> Result<Self, PrivateKeyError> {
        if pem.len() > MAX_PRIVATE_KEY_FILE_BYTES {
            return Err(PrivateKeyError::TooLarge { size: pem.len(), limit: MAX_PRIVATE_KEY_FILE_BYTES });
        }
        if pem.iter().all(u8::is_ascii_whitespace) {
            return Err(PrivateKeyError::Empty);
        }
        if is_der(pem) {
            return Err(PrivateKeyError::Der);
        }
        let blocks = pem_file::blocks(pem)?;
        let is_private = |label: &str| label.ends_with("PRIVATE KEY");
        let count = blocks.iter().filter(|block| is_private(block.label)).count();
        if count > 1 {
            return Err(PrivateKeyError::SeveralPrivateKeys { count });
        }
        let Some(block) = blocks.iter().find(|block| is_private(block.label)) else {
            return Err(match blocks.first() {
                Some(block) => PrivateKeyError::NotAPrivateKey { label: block.label.to_owned() },
                None => PrivateKeyError::NotPem,
            });
        };
        match block.label {
            "OPENSSH PRIVATE KEY" => Err(PrivateKeyError::OpenSshFormat),
            "RSA PRIVATE KEY" => Err(PrivateKeyError::UnsupportedAlgorithm { found: "RSA".to_owned() }),
            "DSA PRIVATE KEY" => Err(PrivateKeyError::UnsupportedAlgorithm { found: "DSA".to_owned() }),
            _ if block.is_legacy_encrypted() => Err(PrivateKeyError::LegacyEncryption),
            "PRIVATE KEY" => der_form::read_pkcs8(&block.decode()?),
            "EC PRIVATE KEY" => {
                let parameters = blocks.iter().find(|block| block.label == "EC PARAMETERS");
                let parameters = parameters.map(pem_file::Block::decode).transpose()?;
                der_form::read_sec1(&block.decode()?, parameters.as_ref().map(|der| der.as_slice()))
            }
            "ENCRYPTED PRIVATE KEY" => {
                let opened = pbes2::decrypt(&block.decode()?, password)?;
                // One wrong password in 256 leaves padding that looks right, around noise.
                if !der_form::is_pkcs8(&opened) {
                    return Err(PrivateKeyError::WrongPassword);
                }
                der_form::read_pkcs8(&opened)
            }
            other => Err(PrivateKeyError::UnsupportedForm { label: other.to_owned() }),
        }
    }

    /// Makes a new key from the operating system's randomness.
    ///
    /// # Errors
    /// [`PrivateKeyError::Crypto`] when there is no randomness or no memory.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, PrivateKeyError> {
        let failed = PrivateKeyError::Crypto { doing: "generating a key" };
        let Some((ecdsa, _)) = ecdsa(algorithm) else {
            let mut seed = Zeroizing::new([0; 32]);
            rand::fill(seed.as_mut_slice()).map_err(|_| failed)?;
            return Self::from_ed25519_seed(&seed, None);
        };
        let pair = EcdsaKeyPair::generate(ecdsa).map_err(|_| failed)?;
        Self::new(Secret::Ecdsa { algorithm, pair })
    }

    /// Which kind of key this is.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.secret.algorithm()
    }

    /// The public key as `SubjectPublicKeyInfo` DER: named curve, uncompressed point (RFC 5480 §2), or RFC 8410 §4.
    #[must_use]
    pub fn public_key_spki_der(&self) -> Vec<u8> {
        self.public_key_spki_der.clone()
    }

    /// The public key as PEM: see [`key::spki_pem`].
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        key::spki_pem(&self.public_key_spki_der)
    }

    /// Signs `message`, whole and not hashed before: see [`KeyAlgorithm`] for which hash goes with which key.
    ///
    /// An ECDSA signature is DER (`Ecdsa-Sig-Value`, RFC 3279 §2.2.3), an Ed25519 one 64 bytes (RFC 8032 §5.1.6).
    ///
    /// # Errors
    /// [`SignError::Crypto`] when there is no randomness or no memory.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = SignError::Crypto { algorithm: self.algorithm() };
        match &self.secret {
            Secret::Ecdsa { pair, .. } => match pair.sign(&SystemRandom::new(), message) {
                Ok(signature) => Ok(signature.as_ref().to_vec()),
                Err(_) => Err(failed),
            },
            Secret::Ed25519(key) => match key.try_sign(message) {
                Ok(signature) => Ok(signature.to_bytes().to_vec()),
                Err(_) => Err(failed),
            },
        }
    }

    /// The private key as PKCS#8 PEM: `PRIVATE KEY`, or with a password `ENCRYPTED PRIVATE KEY`
    /// (PBKDF2-HMAC-SHA-256 with 600,000 iterations, AES-256-CBC).
    ///
    /// # Errors
    /// [`PrivateKeyError::Crypto`] when there is no randomness or no memory.
    pub fn to_pkcs8_pem(&self, password: Option<&Password>) -> Result<Zeroizing<String>, PrivateKeyError> {
        let plain =
            self.secret.to_pkcs8().ok_or(PrivateKeyError::Crypto { doing: "encoding the private key" })?;
        Ok(match password {
            None => pem_file::encode("PRIVATE KEY", &plain),
            Some(password) => pem_file::encode("ENCRYPTED PRIVATE KEY", &pbes2::encrypt(&plain, password)?),
        })
    }

    /// The key of an Ed25519 seed, if it matches every public key that the file states.
    fn from_ed25519_seed(seed: &[u8; 32], stated: Option<&[u8]>) -> Result<Self, PrivateKeyError> {
        let key = Box::new(SigningKey::from_bytes(seed));
        if stated.is_some_and(|stated| stated != key.verifying_key().as_bytes()) {
            return Err(PrivateKeyError::PublicKeyMismatch { algorithm: KeyAlgorithm::Ed25519 });
        }
        Self::new(Secret::Ed25519(key))
    }

    /// The key of a scalar on a named curve, if it matches every public key that the file states.
    fn from_ec_scalar<'a>(
        algorithm: KeyAlgorithm,
        curve: ObjectIdentifier,
        scalar: &[u8],
        stated: impl Iterator<Item = &'a [u8]>,
        label: &'static str,
    ) -> Result<Self, PrivateKeyError> {
        let malformed = |what| PrivateKeyError::Malformed { label, what };
        let Some((ecdsa, length)) = ecdsa(algorithm) else {
            return Err(malformed("the algorithm has no elliptic curve"));
        };
        // RFC 5915 fixes the length; some writers drop leading zero bytes.
        let mut padded = Zeroizing::new(vec![0; length]);
        let start = length.checked_sub(scalar.len()).filter(|start| *start < length);
        let Some(end) = start.and_then(|start| padded.get_mut(start..)) else {
            return Err(malformed("the private key has not the length of its curve"));
        };
        end.copy_from_slice(scalar);

        let pair = der_form::write_sec1(curve, &padded)
            .and_then(|der| EcdsaKeyPair::from_private_key_der(ecdsa, &der).ok())
            .ok_or_else(|| malformed("the private key is zero or not below the order of its curve"))?;
        for public_key in stated {
            EcdsaKeyPair::from_private_key_and_public_key(ecdsa, &padded, public_key)
                .map_err(|_| PrivateKeyError::PublicKeyMismatch { algorithm })?;
        }
        Self::new(Secret::Ecdsa { algorithm, pair })
    }

    fn new(secret: Secret) -> Result<Self, PrivateKeyError> {
        let public_key_spki_der = match &secret {
            Secret::Ecdsa { algorithm, pair } => der_form::write_spki(*algorithm, pair.public_key().as_ref()),
            Secret::Ed25519(key) => {
                der_form::write_spki(KeyAlgorithm::Ed25519, key.verifying_key().as_bytes())
            }
        }
        .ok_or(PrivateKeyError::Crypto { doing: "encoding the public key" })?;
        Ok(Self { secret, public_key_spki_der })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, ..)", self.algorithm())
    }
}

/// Both kinds of secret wipe themselves: `SigningKey` by its own `Drop`, an ECDSA scalar by aws-lc when it frees it.
impl ZeroizeOnDrop for PrivateKey {}

/// The password of an encrypted private key: at least one byte, wiped from memory when dropped, not shown by `Debug`.
#[derive(ZeroizeOnDrop)]
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes the bytes exactly as given: whoever reads them from a file or terminal cuts the line end off first.
    ///
    /// # Errors
    /// [`PasswordError::Empty`] when there are none.
    pub fn new(bytes: Vec<u8>) -> Result<Self, PasswordError> {
        if bytes.is_empty() { Err(PasswordError::Empty) } else { Ok(Self(Zeroizing::new(bytes))) }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

enum Secret {
    Ecdsa { algorithm: KeyAlgorithm, pair: EcdsaKeyPair },
    Ed25519(Box<SigningKey>),
}

impl Secret {
    fn algorithm(&self) -> KeyAlgorithm {
        match self {
            Self::Ecdsa { algorithm, .. } => *algorithm,
            Self::Ed25519(_) => KeyAlgorithm::Ed25519,
        }
    }

    fn to_pkcs8(&self) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Ecdsa { algorithm, pair } => {
                let scalar = pair.private_key().as_be_bytes().ok()?;
                der_form::write_ec(
                    der_form::curve_oid(*algorithm)?,
                    scalar.as_ref(),
                    pair.public_key().as_ref(),
                )
            }
            Self::Ed25519(key) => der_form::write_ed25519(key.as_bytes()),
        }
    }
}

/// The algorithm that an `AlgorithmIdentifier` names, or what to call it when it is none of ours.
pub(crate) fn algorithm_of(identifier: &spki::AlgorithmIdentifierRef<'_>) -> Result<KeyAlgorithm, String> {
    der_form::algorithm_of(identifier)
}

#[cfg(feature = "pkcs11")]
pub(crate) use oid::EC_PUBLIC_KEY;

/// A public key as `SubjectPublicKeyInfo` DER.
pub(crate) fn spki_der(algorithm: KeyAlgorithm, public_key: &[u8]) -> Option<Vec<u8>> {
    der_form::write_spki(algorithm, public_key)
}

/// The signature algorithm of an ECDSA key and the bytes of its scalars; none for Ed25519.
fn ecdsa(algorithm: KeyAlgorithm) -> Option<(&'static EcdsaSigningAlgorithm, usize)> {
    match algorithm {
        KeyAlgorithm::Ed25519 => None,
        KeyAlgorithm::P256 => Some((&ECDSA_P256_SHA256_ASN1_SIGNING, 32)),
        KeyAlgorithm::P384 => Some((&ECDSA_P384_SHA384_ASN1_SIGNING, 48)),
        KeyAlgorithm::P521 => Some((&ECDSA_P521_SHA512_ASN1_SIGNING, 66)),
    }
}

/// Whether `file` is a DER SEQUENCE: with a long length, whose first byte is no ASCII, or a short one that fits the file.
fn is_der(file: &[u8]) -> bool {
    matches!(file, [0x30, length, rest @ ..] if *length >= 0x80 || usize::from(*length) == rest.len())
}
