//! Fulcio, API v2: a token and proof of a key in, a certificate out (sigstore/fulcio `fulcio.proto`, `signingCert`).

use super::{IdentityKind, IdentityToken, SigningError, json_answer};
use crate::{
    http::{Client, Request, Retry, Secret, ServiceUrl},
    private_key::PrivateKey,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use der::{Decode, DecodePem, Encode, asn1::ObjectIdentifier};
use jiff::Timestamp;
use modelseal_core::{
    json::{AtMost, Object},
    key,
};
use serde::Deserialize;
use x509_cert::{
    Certificate,
    ext::pkix::{SubjectAltName, name::GeneralName},
};
use zeroize::Zeroizing;

const FULCIO: &str = "Fulcio";

/// Certificates in one answer: a leaf, and what issued it.
const MAX_CHAIN: usize = 10;

/// Largest certificate, in bytes of PEM.
const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;

/// The list of embedded signed certificate timestamps (RFC 6962 §3.3).
const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

/// `subjectAltName` (RFC 5280 §4.2.1.6).
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// A user name of Fulcio (`OtherName` in the subject alternative name).
const USER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");

/// Gets the certificate of `key` for `token`, as DER, checked to be what was asked for.
pub(super) fn certify(
    url: &ServiceUrl,
    token: &IdentityToken,
    key: &PrivateKey,
    client: &Client,
    now: Timestamp,
) -> Result<Vec<u8>, SigningError> {
    let proof = key.sign(token.challenge().as_bytes()).map_err(SigningError::Sign)?;
    // Put together by hand, so that the token is in no buffer that is not wiped: a token has only letters, digits, `-`, `_` and dots, and no other part has what JSON escapes.
    let mut body = Zeroizing::new(String::with_capacity(token.text().reveal().len() + 1024));
    body.push_str("{\"credentials\":{\"oidcIdentityToken\":\"");
    body.push_str(token.text().reveal());
    body.push_str("\"},\"publicKeyRequest\":{\"publicKey\":{\"algorithm\":\"ECDSA\",\"content\":\"");
    body.push_str(&key.public_key_pem().replace('\n', "\\n"));
    body.push_str("\"},\"proofOfPossession\":\"");
    body.push_str(&STANDARD.encode(proof));
    body.push_str("\"}}");
    let request =
        Request::post(FULCIO, url.join("/api/v2/signingCert"), "application/json", body.as_bytes().to_vec())
            .redact(&Secret::new(token.text().reveal().to_owned()))
            // A second certificate would make the identity public twice.
            .retry(Retry::Unprocessed);
    let answer = client.send(&request)?;
    let wire: WireAnswer = json_answer::read(FULCIO, url, &answer)?;
    let certificates = match (wire.embedded, wire.detached) {
        (Some(embedded), None) => embedded.0.chain.0.certificates.0,
        (None, Some(_)) => return Err(SigningError::DetachedSct),
        (Some(_), Some(_)) => return Err(improper(url, "two certificates, with and without an SCT")),
        (None, None) => return Err(improper(url, "no certificate")),
    };
    let leaf = certificates.first().ok_or_else(|| improper(url, "an empty certificate chain"))?;
    check(url, leaf, token, key, now)
}

#[derive(Deserialize)]
struct WireAnswer {
    #[serde(rename = "signedCertificateEmbeddedSct")]
    embedded: Option<Object<WireSigned>>,
    #[serde(rename = "signedCertificateDetachedSct")]
    detached: Option<Object<WireSigned>>,
}

#[derive(Deserialize)]
struct WireSigned {
    chain: Object<WireChain>,
}

#[derive(Deserialize)]
struct WireChain {
    certificates: AtMost<String, MAX_CHAIN>,
}

fn improper(url: &ServiceUrl, what: &str) -> SigningError {
    SigningError::Answer { service: FULCIO, url: url.clone(), what: what.to_owned() }
}

fn check(
    url: &ServiceUrl,
    pem: &str,
    token: &IdentityToken,
    key: &PrivateKey,
    now: Timestamp,
) -> Result<Vec<u8>, SigningError> {
    if pem.len() > MAX_CERTIFICATE_BYTES {
        return Err(improper(url, "a certificate of more than 64 KiB"));
    }
    let unreadable = |e: der::Error| improper(url, &format!("a certificate that cannot be read: {e}"));
    let certificate = Certificate::from_pem(pem.trim()).map_err(unreadable)?;
    let der = certificate.to_der().map_err(unreadable)?;
    let body = &certificate.tbs_certificate;

    let certified = body.subject_public_key_info.to_der().map_err(unreadable)?;
    let ours = key.public_key_spki_der();
    if certified != ours {
        let (certificate, ours) = (key::fingerprint(&certified), key::fingerprint(&ours));
        return Err(SigningError::CertificateForAnotherKey { certificate, ours });
    }
    if !body.extensions.iter().flatten().any(|extension| extension.extn_id == SCT_LIST) {
        return Err(SigningError::NoSct);
    }
    let end = i64::try_from(body.validity.not_after.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    if let Ok(expired) = Timestamp::from_second(end)
        && expired <= now
    {
        return Err(SigningError::CertificateExpired { expired, now });
    }
    let found = names(&certificate).map_err(unreadable)?;
    let expected = token.identity();
    // An address proved the key, so it is what the certificate must say, whoever issued the token.
    let sure = expected.exact || expected.kind == IdentityKind::Email;
    if sure && found != [expected.value.as_str()] {
        let expected = expected.value.clone();
        return Err(SigningError::CertificateForAnotherIdentity { expected, found });
    }
    Ok(der)
}

/// The names in the subject alternative name.
fn names(certificate: &Certificate) -> Result<Vec<String>, der::Error> {
    let mut names = Vec::new();
    for extension in certificate.tbs_certificate.extensions.iter().flatten() {
        if extension.extn_id != SUBJECT_ALT_NAME {
            continue;
        }
        for name in SubjectAltName::from_der(extension.extn_value.as_bytes())?.0 {
            names.push(match name {
                GeneralName::Rfc822Name(address) => address.to_string(),
                GeneralName::UniformResourceIdentifier(uri) => uri.to_string(),
                GeneralName::OtherName(other) if other.type_id == USER_NAME => {
                    String::from_utf8_lossy(other.value.value()).into_owned()
                }
                _ => "a name of an unknown kind".to_owned(),
            });
        }
    }
    Ok(names)
}
