//! Rekor v2 (sigstore/rekor-tiles `rekor/v2/*.proto`).

use super::{MAX_ANSWER_BYTES, Material, REKOR, Subject, TIMEOUT, Verifier, base64, improper, must_be};
use crate::{
    http::{Client, Request, Retry, ServiceUrl},
    private_key::KeyAlgorithm,
    sigstore::SigningError,
};
use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use modelseal_core::{
    json::{self, Object},
    log_entry::LogEntry,
};
use serde::Deserialize;
use serde_json::json;

pub(super) fn upload(
    url: &ServiceUrl,
    subject: Subject<'_>,
    verifier: Verifier<'_>,
    client: &Client,
) -> Result<LogEntry, SigningError> {
    let (hash, hash_name, key_details) = match verifier.algorithm {
        KeyAlgorithm::P256 => (&SHA256, "SHA2_256", "PKIX_ECDSA_P256_SHA_256"),
        KeyAlgorithm::P384 => (&SHA384, "SHA2_384", "PKIX_ECDSA_P384_SHA_384"),
        KeyAlgorithm::P521 => (&SHA512, "SHA2_512", "PKIX_ECDSA_P521_SHA_512"),
        algorithm @ KeyAlgorithm::Ed25519 => {
            let version = crate::sigstore::RekorVersion::V2;
            return Err(SigningError::KeyNotLoggable { algorithm, version });
        }
    };
    let digest = base64(digest::digest(hash, &subject.message()).as_ref());
    let signature = base64(subject.signature());
    let (member, der) = match verifier.material {
        Material::PublicKey(der) => ("publicKey", der),
        Material::Certificate(der) => ("x509Certificate", der),
    };
    let body = json!({ "hashedRekordRequestV002": {
        "digest": digest,
        "signature": {
            "content": signature,
            "verifier": { member: { "rawBytes": base64(der) }, "keyDetails": key_details },
        },
    }});
    let request = Request::post(
        REKOR,
        url.join("/api/v2/log/entries"),
        "application/json",
        body.to_string().into_bytes(),
    )
    .attempt_timeout(TIMEOUT)
    .max_answer_bytes(MAX_ANSWER_BYTES)
    // The same entry twice is one entry, or two that say the same.
    .retry(Retry::Idempotent);
    let answer = client.send(&request)?;
    let entry = LogEntry::from_json(&answer.body).map_err(|e| improper(url, e.to_string()))?;

    must_be(url, "kind", "hashedrekord 0.0.2", &format!("{} {}", entry.kind, entry.version))?;
    let body: WireBody = json::read(&entry.canonicalized_body, MAX_ANSWER_BYTES as u64)
        .map_err(|e| improper(url, format!("a log entry whose body cannot be read: {e}")))?;
    must_be(url, "kind", "hashedrekord 0.0.2", &format!("{} {}", body.kind, body.version))?;
    let found = &body.spec.0.record.0;
    must_be(url, "hash", hash_name, &found.data.0.algorithm)?;
    must_be(url, "digest", &digest, &found.data.0.digest)?;
    must_be(url, "signature", &signature, &found.signature.0.content)?;
    let key = &found.signature.0.verifier.0;
    let raw = |der: &Option<Object<WireRaw>>| der.as_ref().map(|der| der.raw_bytes.clone());
    let (here, other) = match verifier.material {
        Material::PublicKey(_) => (raw(&key.public_key), raw(&key.certificate)),
        Material::Certificate(_) => (raw(&key.certificate), raw(&key.public_key)),
    };
    if other.is_some() {
        return Err(improper(url, "a log entry with a key and a certificate mixed up"));
    }
    must_be(url, "verifier", &base64(der), &here.unwrap_or_default())?;
    must_be(url, "kind of key", key_details, &key.details)?;
    Ok(entry)
}

#[derive(Deserialize)]
struct WireBody {
    #[serde(rename = "apiVersion")]
    version: String,
    kind: String,
    spec: Object<WireSpec>,
}

#[derive(Deserialize)]
struct WireSpec {
    #[serde(rename = "hashedRekordV002")]
    record: Object<WireRecord>,
}

#[derive(Deserialize)]
struct WireRecord {
    data: Object<WireData>,
    signature: Object<WireSignature>,
}

#[derive(Deserialize)]
struct WireData {
    algorithm: String,
    digest: String,
}

#[derive(Deserialize)]
struct WireSignature {
    content: String,
    verifier: Object<WireVerifier>,
}

#[derive(Deserialize)]
struct WireVerifier {
    #[serde(rename = "publicKey")]
    public_key: Option<Object<WireRaw>>,
    #[serde(rename = "x509Certificate")]
    certificate: Option<Object<WireRaw>>,
    #[serde(rename = "keyDetails")]
    details: String,
}

#[derive(Deserialize)]
struct WireRaw {
    #[serde(rename = "rawBytes")]
    raw_bytes: String,
}
