//! Signing methods: what makes the signature, and what tells the verifier how to check it.

use crate::{private_key::PrivateKey, remote::RemoteError};
use der::{Decode, Encode};
use modelseal_core::{
    bundle::{PublicKeyIdentifier, VerificationMaterial},
    key::{self, KeyAlgorithm},
    limits::MAX_CERTIFICATES,
};
use std::fmt;
use x509_cert::Certificate;

/// Something that signs statements.
pub trait Signer {
    /// What goes into the bundle for the verifier.
    fn material(&self) -> VerificationMaterial;

    /// The public half of the key that signs, as DER SubjectPublicKeyInfo.
    fn public_key_spki_der(&self) -> Vec<u8>;

    /// Signs the pre-authentication encoding of an envelope.
    ///
    /// # Errors
    /// [`SignError`] when no signature could be made.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// A private key that can be used, wherever it is: in memory, on a token, at a key management service.
pub trait SigningKey {
    /// The public half, as DER SubjectPublicKeyInfo.
    fn public_key_spki_der(&self) -> Vec<u8>;

    /// Signs `message`, whole and not hashed before; see [`KeyAlgorithm`] for which hash goes with which key. An ECDSA
    /// signature is DER (RFC 3279 §2.2.3), an Ed25519 one 64 bytes (RFC 8032 §5.1.6).
    ///
    /// # Errors
    /// [`SignError`] when no signature could be made.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Methods `key` and `pkcs11-key`: a private key whose public half verifiers have.
#[derive(Debug)]
pub struct KeySigner<K = PrivateKey>(K);

/// Methods `certificate` and `pkcs11-certificate`: a private key with the X.509 chain that vouches for it.
#[derive(Debug)]
pub struct CertificateSigner<K = PrivateKey> {
    key: K,
    chain: Vec<Vec<u8>>,
}

/// Why a signature could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum SignError {
    /// The cryptographic library refused: no randomness, or no memory.
    Crypto {
        /// The key's algorithm.
        algorithm: KeyAlgorithm,
    },
    /// A key elsewhere failed, or answered with something that is not a signature by it.
    Remote(RemoteError),
    /// A PKCS#11 token failed.
    #[cfg(feature = "pkcs11")]
    Pkcs11(crate::pkcs11::Pkcs11Error),
    /// A key management service failed.
    #[cfg(feature = "kms")]
    Kms(crate::kms::KmsError),
}

/// Why a key and certificates make no [`CertificateSigner`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateSignerError {
    /// The signing certificate cannot be read.
    BadLeaf(String),
    /// The signing certificate is for another key.
    KeyMismatch {
        /// Fingerprint of the certificate's key.
        certificate: String,
        /// Fingerprint of the private key's public half.
        key: String,
    },
    /// More certificates than a verifier reads.
    TooMany(usize),
}

impl SigningKey for PrivateKey {
    fn public_key_spki_der(&self) -> Vec<u8> {
        Self::public_key_spki_der(self)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Self::sign(self, message)
    }
}

impl<K: SigningKey> KeySigner<K> {
    /// Signs with `key`.
    #[must_use]
    pub fn new(key: K) -> Self {
        Self(key)
    }
}

impl<K: SigningKey> Signer for KeySigner<K> {
    fn material(&self) -> VerificationMaterial {
        let hint = key::hint(&self.0.public_key_spki_der());
        VerificationMaterial::PublicKey(PublicKeyIdentifier::Hint(hint))
    }

    fn public_key_spki_der(&self) -> Vec<u8> {
        self.0.public_key_spki_der()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.0.sign(message)
    }
}

impl<K: SigningKey> CertificateSigner<K> {
    /// Signs with `key`, whose certificate is `leaf`; `issuers` follow it in the bundle, each signed by the next. All
    /// are DER.
    ///
    /// # Errors
    /// [`CertificateSignerError`] when the certificate is not that of the key.
    pub fn new(key: K, leaf: Vec<u8>, issuers: Vec<Vec<u8>>) -> Result<Self, CertificateSignerError> {
        let certificate =
            Certificate::from_der(&leaf).map_err(|e| CertificateSignerError::BadLeaf(e.to_string()))?;
        let certified = certificate
            .tbs_certificate
            .subject_public_key_info
            .to_der()
            .map_err(|e| CertificateSignerError::BadLeaf(e.to_string()))?;
        let own = key.public_key_spki_der();
        if certified != own {
            let (certificate, key) = (key::fingerprint(&certified), key::fingerprint(&own));
            return Err(CertificateSignerError::KeyMismatch { certificate, key });
        }
        let mut chain = vec![leaf];
        chain.extend(issuers);
        if chain.len() > MAX_CERTIFICATES {
            return Err(CertificateSignerError::TooMany(chain.len()));
        }
        Ok(Self { key, chain })
    }
}

impl<K: SigningKey> Signer for CertificateSigner<K> {
    fn material(&self) -> VerificationMaterial {
        VerificationMaterial::CertificateChain(self.chain.clone())
    }

    fn public_key_spki_der(&self) -> Vec<u8> {
        self.key.public_key_spki_der()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.key.sign(message)
    }
}

impl fmt::Display for CertificateSignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadLeaf(e) => write!(f, "the signing certificate cannot be read: {e}"),
            Self::KeyMismatch { certificate, key } => write!(
                f,
                "the private key is not that of the signing certificate: the certificate is for the key {certificate}, \
                 the private key is that of {key} (SHA-256 fingerprints)"
            ),
            Self::TooMany(count) => {
                write!(f, "{count} certificates exceed the limit of {MAX_CERTIFICATES} in a bundle")
            }
        }
    }
}

impl std::error::Error for CertificateSignerError {}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crypto { algorithm } => {
                write!(f, "the cryptographic library could not sign with {algorithm}")
            }
            Self::Remote(e) => e.fmt(f),
            #[cfg(feature = "pkcs11")]
            Self::Pkcs11(e) => e.fmt(f),
            #[cfg(feature = "kms")]
            Self::Kms(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for SignError {}
