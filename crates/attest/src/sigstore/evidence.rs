//! Evidence about a signature: timestamps and log entries, for signatures of keys and certificates as for keyless ones.

use super::{
    Services, SigningError,
    rekor::{self, Material, Subject, Verifier},
    timestamp,
};
use crate::{http::Client, private_key::KeyAlgorithm};
use der::{Decode, Encode, asn1::ObjectIdentifier};
use modelseal_core::{
    bundle::{Bundle, VerificationMaterial},
    log_entry::LogEntry,
};
use x509_cert::{Certificate, spki::SubjectPublicKeyInfoOwned};

/// Log entries, and timestamps as DER.
pub(super) type Evidence = (Vec<LogEntry>, Vec<Vec<u8>>);

/// That these services can add evidence to signatures of such a key, without any request. To be asked before a key is used.
///
/// # Errors
/// [`SigningError::KeyNotLoggable`] for kinds of keys that a log does not take.
pub fn check(services: &Services, algorithm: KeyAlgorithm) -> Result<(), SigningError> {
    services.logs().iter().try_for_each(|log| rekor::check_key(log, algorithm))
}

/// Adds a timestamp of each authority and an entry of each log to a signed bundle, replacing what evidence it has. Without services
/// the bundle stays as it is.
///
/// `public_key_spki_der` is the public half of the key that signed. A log without a timestamp is taken here: a key does not expire.
///
/// # Errors
/// [`SigningError`], when any of the services fails, or answers about something else.
pub fn log_and_timestamp(
    bundle: Bundle,
    public_key_spki_der: &[u8],
    services: &Services,
    client: &Client,
) -> Result<Bundle, SigningError> {
    let algorithm = algorithm_of(public_key_spki_der)?;
    check(services, algorithm)?;
    if services.logs().is_empty() && services.timestamp_authorities().is_empty() {
        return Ok(bundle);
    }
    let material = match bundle.material() {
        VerificationMaterial::PublicKey(_) => Material::PublicKey(public_key_spki_der),
        VerificationMaterial::CertificateChain(chain) => {
            let leaf = chain.first().ok_or(SigningError::Material { found: "an empty certificate chain" })?;
            Material::Certificate(of_key(leaf, public_key_spki_der)?)
        }
        VerificationMaterial::Certificate(leaf) => Material::Certificate(of_key(leaf, public_key_spki_der)?),
        _ => return Err(SigningError::Material { found: "unknown verification material" }),
    };
    let (entries, timestamps) =
        collect(Subject::Envelope(bundle.envelope()), Verifier { algorithm, material }, services, client)?;
    Ok(bundle.with_evidence(entries, timestamps))
}

/// Timestamps first: when an authority fails, nothing has become public yet.
pub(super) fn collect(
    subject: Subject<'_>,
    verifier: Verifier<'_>,
    services: &Services,
    client: &Client,
) -> Result<Evidence, SigningError> {
    let authorities = services.timestamp_authorities().iter();
    let timestamps = authorities.map(|url| timestamp::timestamp(url, subject.signature(), client));
    let timestamps = timestamps.collect::<Result<Vec<_>, _>>()?;
    let entries = services.logs().iter().map(|log| rekor::upload(log, subject, verifier, client));
    Ok((entries.collect::<Result<Vec<_>, _>>()?, timestamps))
}

/// `leaf`, if it is for the key.
fn of_key<'a>(leaf: &'a [u8], public_key: &[u8]) -> Result<&'a [u8], SigningError> {
    let unreadable = |e: der::Error| SigningError::PublicKey { reason: e.to_string() };
    let certificate = Certificate::from_der(leaf).map_err(unreadable)?;
    let certified = certificate.tbs_certificate.subject_public_key_info.to_der().map_err(unreadable)?;
    if certified == public_key {
        return Ok(leaf);
    }
    Err(SigningError::PublicKey { reason: "the signing certificate is for another key".to_owned() })
}

fn algorithm_of(public_key: &[u8]) -> Result<KeyAlgorithm, SigningError> {
    const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
    const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    const CURVES: [(ObjectIdentifier, KeyAlgorithm); 3] = [
        (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), KeyAlgorithm::P256),
        (ObjectIdentifier::new_unwrap("1.3.132.0.34"), KeyAlgorithm::P384),
        (ObjectIdentifier::new_unwrap("1.3.132.0.35"), KeyAlgorithm::P521),
    ];
    let unreadable = |reason: String| SigningError::PublicKey { reason };
    let key = SubjectPublicKeyInfoOwned::from_der(public_key).map_err(|e| unreadable(e.to_string()))?;
    let unsupported = || unreadable(format!("keys of kind {} are not supported", key.algorithm.oid));
    match key.algorithm.oid {
        ED25519 => Ok(KeyAlgorithm::Ed25519),
        EC => {
            let curve = key.algorithm.parameters.as_ref().and_then(|any| any.decode_as().ok());
            let known = CURVES.into_iter().find(|(oid, _)| Some(*oid) == curve);
            known.map(|(_, algorithm)| algorithm).ok_or_else(unsupported)
        }
        _ => Err(unsupported()),
    }
}
