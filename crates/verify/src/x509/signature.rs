//! The signature of a certificate or a revocation list checked with an issuer's key, through the algorithms of `rustls-webpki`.

use der::asn1::UintRef;
use der::oid::ObjectIdentifier;
use der::{Decode, Encode, Reader};

use super::certificate::Certificate;
use super::error::PathError;
use crate::public_key::oid_text;

/// Why a signature is not one of an issuer's key.
pub(super) enum Fault {
    /// The algorithm of the signature is not one that is accepted.
    Algorithm,
    /// The issuer's key is not one that is accepted: its algorithm, or why it cannot be read.
    Key(String),
    /// An RSA key of so many bits.
    RsaKeySize(usize),
    /// The key did not make this signature.
    Wrong,
}

/// Whether `issuer`'s key made the signature of `certificate`.
pub(super) fn check(certificate: &Certificate, issuer: &Certificate) -> Result<(), PathError> {
    let Certificate { signature_algorithm, tbs, signature, .. } = certificate;
    check_signed(signature_algorithm, tbs, signature, issuer).map_err(|fault| match fault {
        Fault::Algorithm => PathError::SignatureAlgorithm {
            subject: certificate.subject(),
            algorithm: oid_text(&signature_algorithm.oid),
        },
        Fault::Key(algorithm) => PathError::IssuerKey { issuer: issuer.subject(), algorithm },
        Fault::RsaKeySize(bits) => PathError::RsaKeySize { issuer: issuer.subject(), bits },
        Fault::Wrong => PathError::BadSignature { subject: certificate.subject(), issuer: issuer.subject() },
    })
}

/// Whether `issuer`'s key signed `message`.
///
/// RSA PKCS#1 v1.5 and PSS with SHA-256, SHA-384, SHA-512 and 2048 to 8192 bits; ECDSA on P-256, P-384, P-521 with the
/// same hashes; Ed25519; ML-DSA. SHA-1 and MD5 are not among them.
pub(super) fn check_signed(
    algorithm: &spki::AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &[u8],
    issuer: &Certificate,
) -> Result<(), Fault> {
    let unreadable = |error: der::Error| Fault::Key(error.to_string());
    let signature_id = identifier(algorithm).map_err(unreadable)?;
    let key_id = identifier(&issuer.spki.algorithm).map_err(unreadable)?;

    let mut algorithms = webpki::ALL_VERIFICATION_ALGS.iter();
    if !algorithms.clone().any(|known| known.signature_alg_id().as_ref() == signature_id) {
        return Err(Fault::Algorithm);
    }
    if !algorithms.clone().any(|known| known.public_key_alg_id().as_ref() == key_id) {
        return Err(Fault::Key(key_algorithm_text(issuer)));
    }
    let key = issuer.spki.subject_public_key.as_bytes().unwrap_or_default();
    if issuer.spki.algorithm.oid == RSA {
        let bits = rsa_bits(key).map_err(unreadable)?;
        if !(2048..=8192).contains(&bits) {
            return Err(Fault::RsaKeySize(bits));
        }
    }
    let fitting = algorithms.find(|known| {
        known.signature_alg_id().as_ref() == signature_id && known.public_key_alg_id().as_ref() == key_id
    });
    let verified = fitting.is_some_and(|known| known.verify_signature(key, message, signature).is_ok());
    if verified { Ok(()) } else { Err(Fault::Wrong) }
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The content of an AlgorithmIdentifier, without its header: what webpki compares.
fn identifier(algorithm: &spki::AlgorithmIdentifierOwned) -> der::Result<Vec<u8>> {
    Ok(der::AnyRef::from_der(&algorithm.to_der()?)?.value().to_vec())
}

/// The algorithm of a key, with its curve where it has one.
fn key_algorithm_text(certificate: &Certificate) -> String {
    let algorithm = &certificate.spki.algorithm;
    let curve = algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    match curve {
        Some(curve) => format!("{}, {}", oid_text(&algorithm.oid), oid_text(&curve)),
        None => oid_text(&algorithm.oid),
    }
}

/// Length of the modulus of an RSAPublicKey (RFC 8017 appendix A.1.1) in bits.
fn rsa_bits(key: &[u8]) -> der::Result<usize> {
    let mut reader = der::SliceReader::new(key)?;
    let modulus = reader.sequence(|fields| {
        let modulus = fields.decode::<UintRef<'_>>()?;
        fields.decode::<UintRef<'_>>()?; // the public exponent
        Ok(modulus)
    })?;
    let bytes = modulus.as_bytes();
    let unused = bytes.first().map_or(0, |first| first.leading_zeros());
    Ok((bytes.len() * 8).saturating_sub(usize::try_from(unused).unwrap_or(0)))
}
