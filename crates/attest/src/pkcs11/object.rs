//! Finding the private key on a token, and its public half.

use super::{
    error::{KeySummary, Pkcs11Error},
    token::OpenToken,
    uri::Uri,
};
use crate::{
    private_key,
    remote::{PublicKey, PublicKeyError},
};
use cryptoki::{
    object::{Attribute, AttributeType, CertificateType, KeyType, ObjectClass, ObjectHandle},
    session::Session,
};
use der::{
    Decode, Encode,
    asn1::{ObjectIdentifier, OctetStringRef, PrintableStringRef},
};
use modelseal_core::key::KeyAlgorithm;
use spki::{AlgorithmIdentifierRef, der::asn1::AnyRef};
use x509_cert::Certificate;

/// Objects of one kind that are looked at: tokens hold dozens, network HSMs perhaps thousands.
const MAX_OBJECTS: usize = 10_000;

/// Private keys that are listed when none or several match: each costs a question to the token.
const MAX_LISTED: usize = 64;

/// A private key on a token.
pub(super) struct KeyObject {
    pub(super) handle: ObjectHandle,
    pub(super) summary: KeySummary,
    pub(super) algorithm: KeyAlgorithm,
    /// The PIN must be given again for every signature.
    pub(super) always_authenticate: bool,
}

/// The one private key that `uri` names.
pub(super) fn find_key(token: &OpenToken, uri: &Uri) -> Result<KeyObject, Pkcs11Error> {
    let session = &token.session;
    let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
    template.extend(uri.object.clone().map(Attribute::Label));
    template.extend(uri.id.clone().map(Attribute::Id));
    let found = handles(session, &template)?;
    let summaries = |handles: &[ObjectHandle]| -> Result<Vec<KeySummary>, Pkcs11Error> {
        handles.iter().take(MAX_LISTED).map(|handle| summary(session, *handle)).collect()
    };
    let wanted = uri.key_text();
    match found.as_slice() {
        [] => {
            let all = handles(session, &[Attribute::Class(ObjectClass::PRIVATE_KEY)])?;
            Err(Pkcs11Error::NoKey { token: token.summary.clone(), wanted, present: summaries(&all)? })
        }
        [handle] => read_key(session, *handle),
        several => {
            let matching = summaries(several)?;
            Err(Pkcs11Error::SeveralKeys { token: token.summary.clone(), wanted, matching })
        }
    }
}

/// The public half of `key`: from the public key beside it, from what the private key says about itself, or from a
/// certificate.
pub(super) fn public_key(session: &Session, key: &KeyObject) -> Result<PublicKey, Pkcs11Error> {
    let wrong = |reason| Pkcs11Error::PublicKey { key: key.summary.clone(), reason };
    for handle in companions(session, key, ObjectClass::PUBLIC_KEY)?.into_iter().chain([key.handle]) {
        let point =
            attributes(session, handle, &[AttributeType::EcPoint])?.into_iter().find_map(|a| match a {
                Attribute::EcPoint(point) if !point.is_empty() => Some(point),
                _ => None,
            });
        if let Some(point) = point {
            return read_point(key.algorithm, &point).map_err(wrong);
        }
        let info =
            attributes(session, handle, &[AttributeType::PublicKeyInfo])?.into_iter().find_map(|a| match a {
                Attribute::PublicKeyInfo(spki) if !spki.is_empty() => Some(spki),
                _ => None,
            });
        if let Some(spki) = info {
            let public_key = PublicKey::from_spki_der(&spki).map_err(wrong)?;
            if public_key.algorithm() != key.algorithm {
                return Err(wrong(PublicKeyError::NotOnCurve(key.algorithm)));
            }
            return Ok(public_key);
        }
    }
    for der in certificates(session, key)? {
        if let Some(public_key) = certified(&der).filter(|found| found.algorithm() == key.algorithm) {
            return Ok(public_key);
        }
    }
    Err(Pkcs11Error::NoPublicKey(key.summary.clone()))
}

/// The X.509 certificate of `public_key` that belongs to `key`, in DER.
pub(super) fn certificate(
    session: &Session,
    key: &KeyObject,
    public_key: &PublicKey,
) -> Result<Option<Vec<u8>>, Pkcs11Error> {
    let found = certificates(session, key)?;
    Ok(found.into_iter().find(|der| certified(der).is_some_and(|found| found == *public_key)))
}

fn certificates(session: &Session, key: &KeyObject) -> Result<Vec<Vec<u8>>, Pkcs11Error> {
    let mut found = Vec::new();
    for handle in companions(session, key, ObjectClass::CERTIFICATE)? {
        let wanted = [AttributeType::CertificateType, AttributeType::Value];
        let read = attributes(session, handle, &wanted)?;
        if read
            .iter()
            .any(|a| matches!(a, Attribute::CertificateType(kind) if *kind != CertificateType::X_509))
        {
            continue;
        }
        found.extend(read.into_iter().find_map(|a| match a {
            Attribute::Value(der) => Some(der),
            _ => None,
        }));
    }
    Ok(found)
}

/// The public key in a certificate.
fn certified(der: &[u8]) -> Option<PublicKey> {
    let certificate = Certificate::from_der(der).ok()?;
    let spki = certificate.tbs_certificate.subject_public_key_info.to_der().ok()?;
    PublicKey::from_spki_der(&spki).ok()
}

fn read_key(session: &Session, handle: ObjectHandle) -> Result<KeyObject, Pkcs11Error> {
    let summary = summary(session, handle)?;
    let mut kind = None;
    let mut parameters = Vec::new();
    let (mut sign, mut always_authenticate) = (true, false);
    for types in [
        [AttributeType::KeyType, AttributeType::EcParams],
        [AttributeType::Sign, AttributeType::AlwaysAuthenticate],
    ] {
        for attribute in attributes(session, handle, &types)? {
            match attribute {
                Attribute::KeyType(found) => kind = Some(found),
                Attribute::EcParams(found) => parameters = found,
                Attribute::Sign(found) => sign = found,
                Attribute::AlwaysAuthenticate(found) => always_authenticate = found,
                _ => {}
            }
        }
    }
    let algorithm = match kind {
        Some(KeyType::EC | KeyType::EC_EDWARDS) => curve(&parameters),
        _ => Err(summary.kind.clone()),
    };
    match algorithm {
        Err(found) => Err(Pkcs11Error::UnsupportedKey { key: summary, found }),
        Ok(_) if !sign => Err(Pkcs11Error::NotForSigning(summary)),
        Ok(algorithm) => Ok(KeyObject { handle, summary, algorithm, always_authenticate }),
    }
}

fn summary(session: &Session, handle: ObjectHandle) -> Result<KeySummary, Pkcs11Error> {
    let mut summary = KeySummary { label: Vec::new(), id: Vec::new(), kind: "of unknown kind".to_owned() };
    let wanted = [AttributeType::Label, AttributeType::Id, AttributeType::KeyType];
    for attribute in attributes(session, handle, &wanted)? {
        match attribute {
            Attribute::Label(label) => summary.label = label,
            Attribute::Id(id) => summary.id = id,
            Attribute::KeyType(kind) => summary.kind = kind_name(kind),
            _ => {}
        }
    }
    Ok(summary)
}

fn kind_name(kind: KeyType) -> String {
    match kind {
        KeyType::EC => "EC",
        KeyType::EC_EDWARDS => "Edwards curve",
        KeyType::EC_MONTGOMERY => "Montgomery curve",
        KeyType::RSA => "RSA",
        KeyType::DSA => "DSA",
        KeyType::DH => "Diffie-Hellman",
        other => return other.to_string(),
    }
    .to_owned()
}

/// `CKA_EC_PARAMS`: the object identifier of a curve, or for Edwards curves its name.
fn curve(parameters: &[u8]) -> Result<KeyAlgorithm, String> {
    if let Ok(name) = PrintableStringRef::from_der(parameters) {
        return match name.as_str() {
            "edwards25519" => Ok(KeyAlgorithm::Ed25519),
            other => Err(format!("on the curve {other}")),
        };
    }
    let oid = ObjectIdentifier::from_der(parameters)
        .map_err(|_| "on an elliptic curve that it does not name".to_owned())?;
    let plain = AlgorithmIdentifierRef { oid, parameters: None };
    let any = AnyRef::from(&oid);
    let on_curve = AlgorithmIdentifierRef { oid: private_key::EC_PUBLIC_KEY, parameters: Some(any) };
    private_key::algorithm_of(&plain)
        .or_else(|_| private_key::algorithm_of(&on_curve))
        .map_err(|name| format!("on the curve {name}"))
}

/// `CKA_EC_POINT`: an OCTET STRING with the point (PKCS#11 2.40 and 3.0, EC), or as many modules have it the point
/// alone; Edwards points have been wrapped both ways too. The length tells which.
fn read_point(algorithm: KeyAlgorithm, value: &[u8]) -> Result<PublicKey, PublicKeyError> {
    PublicKey::from_point(algorithm, value).or_else(|error| {
        let inner = OctetStringRef::from_der(value).map_err(|_| error)?;
        PublicKey::from_point(algorithm, inner.as_bytes())
    })
}

/// The objects of a class with the id of `key`, or, where it has none, with its label.
fn companions(
    session: &Session,
    key: &KeyObject,
    class: ObjectClass,
) -> Result<Vec<ObjectHandle>, Pkcs11Error> {
    let same = match (key.summary.id.as_slice(), key.summary.label.as_slice()) {
        ([], []) => return Ok(Vec::new()),
        ([], label) => Attribute::Label(label.to_vec()),
        (id, _) => Attribute::Id(id.to_vec()),
    };
    handles(session, &[Attribute::Class(class), same])
}

fn handles(session: &Session, template: &[Attribute]) -> Result<Vec<ObjectHandle>, Pkcs11Error> {
    let found: Result<Vec<_>, _> = session.iter_objects(template)?.take(MAX_OBJECTS).collect();
    Ok(found?)
}

/// The attributes that the object has; what it has not or does not show is left out.
fn attributes(
    session: &Session,
    handle: ObjectHandle,
    wanted: &[AttributeType],
) -> Result<Vec<Attribute>, Pkcs11Error> {
    Ok(session.get_attributes(handle, wanted)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private_key::PrivateKey;

    const P256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

    #[test]
    fn curves_are_read_by_number_and_by_name() {
        assert_eq!(curve(&P256), Ok(KeyAlgorithm::P256));
        assert_eq!(curve(&[6, 5, 0x2b, 0x81, 4, 0, 0x22]), Ok(KeyAlgorithm::P384));
        assert_eq!(curve(&[6, 5, 0x2b, 0x81, 4, 0, 0x23]), Ok(KeyAlgorithm::P521));
        assert_eq!(curve(&[6, 3, 0x2b, 0x65, 0x70]), Ok(KeyAlgorithm::Ed25519));
        assert_eq!(curve(b"\x13\x0cedwards25519"), Ok(KeyAlgorithm::Ed25519));
        assert_eq!(curve(b"\x13\x0aedwards448"), Err("on the curve edwards448".to_owned()));
        let k1 = curve(&[6, 5, 0x2b, 0x81, 4, 0, 0x0a]);
        assert_eq!(k1, Err("on the curve secp256k1 (1.3.132.0.10)".to_owned()));
        for nothing in [&[][..], &[0x30, 0], &P256[..9], &[6, 0]] {
            assert!(curve(nothing).is_err(), "{nothing:?}");
        }
    }

    #[test]
    fn points_are_read_wrapped_and_bare() {
        for algorithm in KeyAlgorithm::ALL {
            let spki = PrivateKey::generate(algorithm).unwrap().public_key_spki_der();
            let length = match algorithm {
                KeyAlgorithm::Ed25519 => 32,
                KeyAlgorithm::P256 => 65,
                KeyAlgorithm::P384 => 97,
                KeyAlgorithm::P521 => 133,
            };
            let point = &spki[spki.len() - length..];
            let wrapped = OctetStringRef::new(point).unwrap().to_der().unwrap();
            for form in [point, &wrapped] {
                assert_eq!(read_point(algorithm, form).unwrap().spki_der(), spki, "{algorithm}");
            }
            for wrong in [&[][..], &point[1..], &wrapped[..wrapped.len() - 1], &wrapped[1..]] {
                assert!(read_point(algorithm, wrong).is_err(), "{algorithm}");
            }
        }
    }
}
