//! Key pairs of the services, and the check of signatures that clients send.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, VerificationAlgorithm};

use crate::der::{self, Reader};

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().expect("32 bytes")
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    rand::fill(&mut out).expect("the system gives random bytes");
    out
}

/// An ECDSA P-256 key pair.
pub(crate) struct EcKey {
    pair: EcdsaKeyPair,
    spki: Vec<u8>,
}

impl EcKey {
    pub(crate) fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&sig::ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let algorithm = der::sequence(&[&der::oid("1.2.840.10045.2.1"), &der::oid("1.2.840.10045.3.1.7")]);
        let spki = der::sequence(&[&algorithm, &der::bits(pair.public_key().as_ref())]);
        Self { pair, spki }
    }

    /// SubjectPublicKeyInfo.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The uncompressed point: 04, x, y.
    pub(crate) fn point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// SHA-256 of the SubjectPublicKeyInfo: the id of a log.
    pub(crate) fn id(&self) -> [u8; 32] {
        sha256(&self.spki)
    }

    /// A DER signature over SHA-256 of the message.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    }

    /// The signature as r and s, 32 bytes each (JSON web tokens, RFC 7518 3.4).
    pub(crate) fn sign_fixed(&self, message: &[u8]) -> Vec<u8> {
        let encoded = self.sign(message);
        let mut numbers = Reader(Reader(&encoded).next().expect("a sequence").content);
        let mut out = Vec::new();
        for _ in 0..2 {
            let number = numbers.next().expect("a number").content;
            let number = number.strip_prefix(&[0]).unwrap_or(number);
            out.extend(std::iter::repeat_n(0, 32 - number.len()));
            out.extend_from_slice(number);
        }
        out
    }

    /// Whether r and s are this key's signature over the message.
    pub(crate) fn verifies_fixed(&self, message: &[u8], signature: &[u8]) -> bool {
        sig::UnparsedPublicKey::new(&sig::ECDSA_P256_SHA256_FIXED, self.point())
            .verify(message, signature)
            .is_ok()
    }
}

/// An Ed25519 key pair.
pub(crate) struct EdKey(Ed25519KeyPair);

impl EdKey {
    pub(crate) fn generate() -> Self {
        Self(Ed25519KeyPair::generate().expect("a key"))
    }

    /// The 32 bytes of the public key.
    pub(crate) fn raw(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// SubjectPublicKeyInfo (RFC 8410).
    pub(crate) fn spki(&self) -> Vec<u8> {
        der::sequence(&[&der::sequence(&[&der::oid("1.3.101.112")]), &der::bits(self.raw())])
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

/// What a signature is said to be over.
#[derive(Clone, Copy)]
pub(crate) enum Signed<'a> {
    /// The message itself.
    Message(&'a [u8]),
    /// Its digest: SHA-256, SHA-384 or SHA-512, told by the length.
    Digest(&'a [u8]),
}

/// Checks a client's signature under any key the services take: ECDSA P-256, P-384, P-521, RSA PKCS#1, Ed25519.
pub(crate) fn verify(spki: &[u8], signed: Signed<'_>, signature: &[u8]) -> Result<(), String> {
    let algorithms = algorithms(spki).ok_or("unsupported public key")?;
    for (algorithm, hash) in algorithms {
        let key = sig::UnparsedPublicKey::new(algorithm, spki);
        let verified = match (signed, hash) {
            (Signed::Message(message), _) => key.verify(message, signature).is_ok(),
            (Signed::Digest(value), Some(hash)) => Digest::import_less_safe(value, hash)
                .is_ok_and(|digest| key.verify_digest(&digest, signature).is_ok()),
            (Signed::Digest(_), None) => false,
        };
        if verified {
            return Ok(());
        }
    }
    Err("the signature does not verify".to_owned())
}

/// The SubjectPublicKeyInfo of a certificate.
pub(crate) fn certificate_key(certificate: &[u8]) -> Option<&[u8]> {
    let mut outer = Reader(Reader(certificate).expect(der::SEQUENCE)?.content);
    let mut tbs = Reader(outer.expect(der::SEQUENCE)?.content);
    if tbs.peek()? == 0xa0 {
        tbs.next()?;
    }
    for _ in 0..5 {
        tbs.next()?; // serial number, algorithm, issuer, validity, subject
    }
    Some(tbs.expect(der::SEQUENCE)?.whole)
}

type Candidate = (&'static dyn VerificationAlgorithm, Option<&'static digest::Algorithm>);

/// The algorithms a key can have signed with.
fn algorithms(spki: &[u8]) -> Option<Vec<Candidate>> {
    let mut key = Reader(Reader(spki).expect(der::SEQUENCE)?.content);
    let mut algorithm = Reader(key.expect(der::SEQUENCE)?.content);
    let name = algorithm.expect(der::OBJECT_IDENTIFIER)?.whole;
    let parameter = algorithm.next().map(|value| value.whole.to_vec()).unwrap_or_default();
    let (s256, s384, s512) = (Some(&digest::SHA256), Some(&digest::SHA384), Some(&digest::SHA512));
    if name == der::oid("1.3.101.112") {
        return Some(vec![(&sig::ED25519, None)]);
    }
    if name == der::oid("1.2.840.113549.1.1.1") {
        return Some(vec![
            (&sig::RSA_PKCS1_2048_8192_SHA256, s256),
            (&sig::RSA_PKCS1_2048_8192_SHA384, s384),
            (&sig::RSA_PKCS1_2048_8192_SHA512, s512),
        ]);
    }
    if name != der::oid("1.2.840.10045.2.1") {
        return None;
    }
    if parameter == der::oid("1.2.840.10045.3.1.7") {
        Some(vec![(&sig::ECDSA_P256_SHA256_ASN1, s256)])
    } else if parameter == der::oid("1.3.132.0.34") {
        Some(vec![(&sig::ECDSA_P384_SHA384_ASN1, s384), (&sig::ECDSA_P384_SHA256_ASN1, s256)])
    } else if parameter == der::oid("1.3.132.0.35") {
        Some(vec![(&sig::ECDSA_P521_SHA512_ASN1, s512), (&sig::ECDSA_P521_SHA256_ASN1, s256)])
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_verify_under_their_key_only() {
        let (key, other) = (EcKey::generate(), EcKey::generate());
        let signature = key.sign(b"message");
        assert_eq!(verify(key.spki(), Signed::Message(b"message"), &signature), Ok(()));
        assert_eq!(verify(key.spki(), Signed::Digest(&sha256(b"message")), &signature), Ok(()));
        assert!(verify(key.spki(), Signed::Digest(&sha256(b"massage")), &signature).is_err());
        assert!(verify(other.spki(), Signed::Message(b"message"), &signature).is_err());
        for _ in 0..20 {
            assert!(key.verifies_fixed(b"message", &key.sign_fixed(b"message")));
        }
        let key = EdKey::generate();
        assert_eq!(verify(&key.spki(), Signed::Message(b"message"), &key.sign(b"message")), Ok(()));
    }
}
