//! Keys that are somewhere else: on a token, at a service. They get a digest and give back a signature; everything
//! around that is here, once, so that nothing they answer goes unchecked: hashing (a statement about a large model is
//! longer than what services accept), the DER form, and the verification with the public key that they state.

use crate::signer::{SignError, SigningKey};
use aws_lc_rs::{
    digest,
    signature::{self as aws, UnparsedPublicKey},
};
use der::{Decode, Encode, asn1::UintRef};
use modelseal_core::{
    key::{self, KeyAlgorithm},
    text::Printable,
};
use spki::SubjectPublicKeyInfoRef;
use std::fmt;

/// A private key that is used from a distance. Whoever implements this gets [`SigningKey`].
pub trait RemoteKey {
    /// The public half, as the token or service states it.
    fn public_key(&self) -> &PublicKey;

    /// Where the key is, for messages: `the token 'release'`, `AWS KMS`.
    fn place(&self) -> String;

    /// Signs.
    ///
    /// # Errors
    /// [`SignError`] when there is no signature.
    fn sign_input(&self, input: &Input<'_>) -> Result<RemoteSignature, SignError>;
}

/// What is given to a remote key to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// For ECDSA: the SHA-256 (P-256), SHA-384 (P-384) or SHA-512 (P-521) of the message. It must not be hashed again.
    Digest(&'a [u8]),
    /// For Ed25519, which hashes twice by itself: the message.
    Message(&'a [u8]),
}

/// A signature as a remote key gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteSignature {
    /// As it goes into a bundle: `Ecdsa-Sig-Value` in DER, or the 64 bytes of Ed25519.
    Final(Vec<u8>),
    /// ECDSA as two numbers of the curve's length, one after the other (PKCS#11, RFC 7518 §3.4).
    TwoNumbers(Vec<u8>),
}

/// The public half of a remote key: a point on a curve that we support.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    point: Vec<u8>,
    spki_der: Vec<u8>,
}

/// Why bytes are no public key that we support.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// Not a DER SubjectPublicKeyInfo.
    NotSpki,
    /// A key of another algorithm.
    Unsupported {
        /// The algorithm's name or object identifier.
        found: String,
    },
    /// The bytes are not a point on the curve.
    NotOnCurve(KeyAlgorithm),
}

/// What a remote key did wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteError {
    /// No signature. For remote keys that are not of this crate.
    Failed {
        /// Where the key is.
        place: String,
        /// What happened.
        reason: String,
    },
    /// The signature has another length than the key's algorithm has.
    SignatureLength {
        /// Where the key is.
        place: String,
        /// The key's algorithm.
        algorithm: KeyAlgorithm,
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// The signature does not verify with the public key that the place states.
    DoesNotVerify {
        /// Where the key is.
        place: String,
        /// The public key's fingerprint.
        fingerprint: String,
    },
}

impl<K: RemoteKey> SigningKey for K {
    fn public_key_spki_der(&self) -> Vec<u8> {
        self.public_key().spki_der.clone()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let key = self.public_key();
        let signature = match key.digest(message) {
            Some(digest) => self.sign_input(&Input::Digest(digest.as_ref()))?,
            None => self.sign_input(&Input::Message(message))?,
        };
        key.accept(signature, message, || self.place()).map_err(SignError::Remote)
    }
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`PublicKeyError`] when it is none, or of a key that we do not support.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| PublicKeyError::NotSpki)?;
        let algorithm = crate::private_key::algorithm_of(&spki.algorithm)
            .map_err(|found| PublicKeyError::Unsupported { found })?;
        let point = spki.subject_public_key.as_bytes().ok_or(PublicKeyError::NotSpki)?;
        Self::from_point(algorithm, point)
    }

    /// Takes the point itself: uncompressed (SEC 1 §2.3.3), or the 32 bytes of Ed25519.
    ///
    /// # Errors
    /// [`PublicKeyError::NotOnCurve`] when it is no point of that curve.
    pub fn from_point(algorithm: KeyAlgorithm, point: &[u8]) -> Result<Self, PublicKeyError> {
        let not_on_curve = PublicKeyError::NotOnCurve(algorithm);
        let length = match number_length(algorithm) {
            Some(number) => 1 + 2 * number,
            None => 32,
        };
        if point.len() != length || (algorithm != KeyAlgorithm::Ed25519 && point.first() != Some(&4)) {
            return Err(not_on_curve);
        }
        match algorithm {
            KeyAlgorithm::Ed25519 => {
                let bytes = <&[u8; 32]>::try_from(point).map_err(|_| not_on_curve.clone())?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| not_on_curve.clone())?;
                if key.is_weak() {
                    return Err(not_on_curve);
                }
            }
            _ => {
                let curve = verification(algorithm).ok_or_else(|| not_on_curve.clone())?;
                aws::ParsedPublicKey::new(curve, point).map_err(|_| not_on_curve.clone())?;
            }
        }
        let spki_der = crate::private_key::spki_der(algorithm, point).ok_or(not_on_curve)?;
        Ok(Self { algorithm, point: point.to_vec(), spki_der })
    }

    /// Which kind of key this is.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The key as DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// The key as PEM: see [`key::spki_pem`].
    #[must_use]
    pub fn pem(&self) -> String {
        key::spki_pem(&self.spki_der)
    }

    /// The digest that ECDSA signs; none for Ed25519.
    fn digest(&self, message: &[u8]) -> Option<digest::Digest> {
        let hash = match self.algorithm {
            KeyAlgorithm::Ed25519 => return None,
            KeyAlgorithm::P256 => &digest::SHA256,
            KeyAlgorithm::P384 => &digest::SHA384,
            KeyAlgorithm::P521 => &digest::SHA512,
        };
        Some(digest::digest(hash, message))
    }

    /// The signature in the form of a bundle, if it is this key's over `message`.
    fn accept(
        &self,
        signature: RemoteSignature,
        message: &[u8],
        place: impl Fn() -> String,
    ) -> Result<Vec<u8>, RemoteError> {
        let does_not_verify =
            || RemoteError::DoesNotVerify { place: place(), fingerprint: key::fingerprint(&self.spki_der) };
        let signature = match signature {
            RemoteSignature::Final(signature) => signature,
            RemoteSignature::TwoNumbers(signature) => {
                let (algorithm, found) = (self.algorithm, signature.len());
                let number = number_length(algorithm).ok_or_else(does_not_verify)?;
                let Some((r, s)) = signature.split_at_checked(number).filter(|(_, s)| s.len() == number)
                else {
                    let expected = 2 * number;
                    return Err(RemoteError::SignatureLength { place: place(), algorithm, expected, found });
                };
                two_numbers_der(r, s).ok_or_else(does_not_verify)?
            }
        };
        let verifies = match verification(self.algorithm) {
            Some(curve) => UnparsedPublicKey::new(curve, &self.point).verify(message, &signature).is_ok(),
            None => self.verifies_ed25519(message, &signature),
        };
        if verifies { Ok(signature) } else { Err(does_not_verify()) }
    }

    fn verifies_ed25519(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(point) = <&[u8; 32]>::try_from(self.point.as_slice()) else { return false };
        let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(point) else { return false };
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
    }
}

/// Shows the algorithm and the fingerprint.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm, key::fingerprint(&self.spki_der))
    }
}

impl fmt::Display for PublicKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSpki => f.write_str("the public key is not a SubjectPublicKeyInfo structure"),
            Self::Unsupported { found } => write!(
                f,
                "the key is of an unsupported algorithm, {}; supported are ECDSA P-256, P-384 and P-521, and Ed25519",
                Printable(found)
            ),
            Self::NotOnCurve(algorithm) => write!(f, "the public key is not a valid {algorithm} point"),
        }
    }
}

impl std::error::Error for PublicKeyError {}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { place, reason } => {
                write!(f, "{} could not sign: {}", Printable(place), Printable(reason))
            }
            Self::SignatureLength { place, algorithm, expected, found } => write!(
                f,
                "{} returned a signature of {found} bytes, where {algorithm} has {expected}; it is not used",
                Printable(place)
            ),
            Self::DoesNotVerify { place, fingerprint } => write!(
                f,
                "{} returned a signature that its own public key (SHA-256 {fingerprint}) does not verify; it is not \
                 used. Either another key signed, or the digest was hashed a second time",
                Printable(place)
            ),
        }
    }
}

impl std::error::Error for RemoteError {}

/// Bytes of a number modulo the order of an ECDSA curve; none for Ed25519.
fn number_length(algorithm: KeyAlgorithm) -> Option<usize> {
    match algorithm {
        KeyAlgorithm::Ed25519 => None,
        KeyAlgorithm::P256 => Some(32),
        KeyAlgorithm::P384 => Some(48),
        KeyAlgorithm::P521 => Some(66),
    }
}

fn verification(algorithm: KeyAlgorithm) -> Option<&'static aws::EcdsaVerificationAlgorithm> {
    match algorithm {
        KeyAlgorithm::Ed25519 => None,
        KeyAlgorithm::P256 => Some(&aws::ECDSA_P256_SHA256_ASN1),
        KeyAlgorithm::P384 => Some(&aws::ECDSA_P384_SHA384_ASN1),
        KeyAlgorithm::P521 => Some(&aws::ECDSA_P521_SHA512_ASN1),
    }
}

/// `Ecdsa-Sig-Value` (RFC 3279 §2.2.3).
fn two_numbers_der(r: &[u8], s: &[u8]) -> Option<Vec<u8>> {
    let numbers = vec![UintRef::new(r).ok()?, UintRef::new(s).ok()?];
    numbers.to_der().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private_key::PrivateKey;

    /// A remote key that signs well or, by its fault, badly.
    struct Double {
        key: PrivateKey,
        public_key: PublicKey,
        fault: Option<fn(Vec<u8>) -> Vec<u8>>,
        double_hash: bool,
    }

    impl RemoteKey for Double {
        fn public_key(&self) -> &PublicKey {
            &self.public_key
        }

        fn place(&self) -> String {
            "the double".to_owned()
        }

        fn sign_input(&self, input: &Input<'_>) -> Result<RemoteSignature, SignError> {
            let signature = match input {
                // What a service does that takes the digest for a message.
                Input::Digest(digest) if self.double_hash => self.key.sign(digest)?,
                Input::Digest(_) => self.key.sign(b"message")?,
                Input::Message(message) => self.key.sign(message)?,
            };
            Ok(RemoteSignature::Final(match self.fault {
                Some(fault) => fault(signature),
                None => signature,
            }))
        }
    }

    fn double(algorithm: KeyAlgorithm) -> Double {
        let key = PrivateKey::generate(algorithm).unwrap();
        let public_key = PublicKey::from_spki_der(&key.public_key_spki_der()).unwrap();
        Double { key, public_key, fault: None, double_hash: false }
    }

    #[test]
    fn a_right_signature_is_handed_on_for_every_algorithm() {
        for algorithm in KeyAlgorithm::ALL {
            let double = double(algorithm);
            assert_eq!(double.public_key.algorithm(), algorithm);
            assert_eq!(double.public_key.spki_der(), double.key.public_key_spki_der());
            assert!(SigningKey::sign(&double, b"message").is_ok(), "{algorithm}");
        }
    }

    #[test]
    fn a_signature_by_another_key_over_something_else_or_damaged_is_refused() {
        for algorithm in KeyAlgorithm::ALL {
            let mut changed = double(algorithm);
            changed.fault = Some(|mut signature| {
                *signature.last_mut().unwrap() ^= 1;
                signature
            });
            let mut other = double(algorithm);
            other.key = PrivateKey::generate(algorithm).unwrap();
            let mut nothing = double(algorithm);
            nothing.fault = Some(|_| Vec::new());
            for wrong in [changed, other, nothing] {
                let error = SigningKey::sign(&wrong, b"message").unwrap_err();
                assert!(matches!(error, SignError::Remote(RemoteError::DoesNotVerify { .. })), "{error:?}");
            }
        }
    }

    #[test]
    fn a_digest_that_was_hashed_again_is_noticed() {
        for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::P521] {
            let wrong = Double { double_hash: true, ..double(algorithm) };
            let error = SigningKey::sign(&wrong, b"message").unwrap_err();
            assert!(error.to_string().contains("hashed a second time"), "{error}");
        }
    }

    #[test]
    fn two_numbers_become_minimal_der() {
        let mut r = vec![0; 32];
        r[31] = 0x80;
        let s = [vec![0, 1], vec![7; 30]].concat();
        let der = two_numbers_der(&r, &s).unwrap();
        assert_eq!(der[..6], [0x30, 37, 2, 2, 0, 0x80]);
        assert_eq!(der[6..9], [2, 31, 1]);
    }

    #[test]
    fn two_numbers_of_another_length_are_refused_with_both_lengths() {
        for (algorithm, expected) in
            [(KeyAlgorithm::P256, 64), (KeyAlgorithm::P384, 96), (KeyAlgorithm::P521, 132)]
        {
            let key = double(algorithm).public_key;
            for found in [0, 1, expected - 1, expected + 1, 2 * expected] {
                let signature = RemoteSignature::TwoNumbers(vec![1; found]);
                let error = key.accept(signature, b"m", || "x".to_owned()).unwrap_err();
                let place = "x".to_owned();
                assert_eq!(error, RemoteError::SignatureLength { place, algorithm, expected, found });
            }
            let zero = RemoteSignature::TwoNumbers(vec![0; expected]);
            let error = key.accept(zero, b"m", || "x".to_owned()).unwrap_err();
            assert!(matches!(error, RemoteError::DoesNotVerify { .. }));
        }
    }

    #[test]
    fn points_off_the_curve_compressed_or_weak_are_no_public_keys() {
        for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::P521] {
            let good = double(algorithm).public_key.point;
            let mut off = good.clone();
            *off.last_mut().unwrap() ^= 1;
            let compressed = [&[2], &good[1..=(good.len() - 1) / 2]].concat();
            let hybrid = [&[6], &good[1..]].concat();
            for bad in [off, compressed, hybrid, good[1..].to_vec(), vec![0]] {
                assert_eq!(
                    PublicKey::from_point(algorithm, &bad),
                    Err(PublicKeyError::NotOnCurve(algorithm))
                );
            }
        }
        // The point of order one.
        let mut weak = [0; 32];
        weak[0] = 1;
        assert!(PublicKey::from_point(KeyAlgorithm::Ed25519, &weak).is_err());
    }
}
