//! Bundles by a real Sigstore instance in this process, good and wrong.
#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "../../../testkit/tests/common/mod.rs"]
#[allow(clippy::disallowed_types, reason = "tests talk to the instance over a socket")]
pub(crate) mod client;

use jiff::{SignedDuration, Timestamp};
use modelseal_core::bundle::Bundle;
use modelseal_testkit::{Double, RekorVersion};
use modelseal_verify::{
    sigstore::{Evidence, Keyless, TrustedRoot},
    verified::{Payload, Verified},
    verifier::{Verifier, VerifyError},
};
use serde_json::{Value, json};

pub(crate) const WHO: &str = "dev@example.com";
pub(crate) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

#[allow(clippy::disallowed_methods, reason = "the instance runs on this machine's clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

pub(crate) fn later(hours: i64) -> Timestamp {
    now() + SignedDuration::from_hours(hours)
}

pub(crate) fn root(double: &Double) -> TrustedRoot {
    root_of(&double.trusted_root())
}

pub(crate) fn root_of(value: &Value) -> TrustedRoot {
    TrustedRoot::from_json(value.to_string().as_bytes()).unwrap()
}

pub(crate) fn parse(bundle: &Value) -> Bundle {
    Bundle::parse(bundle.to_string().as_bytes()).unwrap()
}

pub(crate) fn keyless(double: &Double) -> Verifier {
    Verifier::with_sigstore(root(double), Keyless::exactly(WHO, double.url()))
}

/// A bundle of Rekor v2 and one timestamp authority.
pub(crate) fn v2(double: &Double) -> Value {
    client::keyless(double, RekorVersion::V2, &[double.tsa_url()]).unwrap()
}

/// A bundle of Rekor v1, without timestamp.
pub(crate) fn v1(double: &Double) -> Value {
    client::keyless(double, RekorVersion::V1, &[]).unwrap()
}

pub(crate) fn check(verifier: &Verifier, bundle: &Value) -> Result<Verified<Payload>, VerifyError> {
    verifier.verify(&parse(bundle), now())
}

/// What the error of this bundle is, as text to match with.
pub(crate) fn refusal(verifier: &Verifier, bundle: &Value) -> String {
    match check(verifier, bundle) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            format!("{error:?}")
        }
    }
}

pub(crate) fn evidence(verifier: &Verifier, bundle: &Value) -> Evidence {
    check(verifier, bundle).unwrap().evidence().clone()
}

pub(crate) fn entries(bundle: &mut Value) -> &mut Vec<Value> {
    bundle["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap()
}

pub(crate) fn timestamps(bundle: &mut Value) -> &mut Vec<Value> {
    bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"].as_array_mut().unwrap()
}

/// A bundle of any statement, material, log and authorities.
pub(crate) fn signed(
    double: &Double,
    payload: &[u8],
    sign: &dyn Fn(&[u8]) -> Vec<u8>,
    by: &client::Verifier<'_>,
    material: Value,
    rekor: Option<RekorVersion>,
    authorities: &[String],
) -> Value {
    let pae = [format!("DSSEv1 28 {} {} ", client::PAYLOAD_TYPE, payload.len()).as_bytes(), payload].concat();
    let signature = sign(&pae);
    let envelope = json!({
        "payload": client::b64(payload), "payloadType": client::PAYLOAD_TYPE,
        "signatures": [{"sig": client::b64(&signature)}],
    });
    let entries: Vec<Value> = rekor
        .into_iter()
        .map(|rekor| client::log_envelope(double, rekor, &envelope, &pae, &signature, by).unwrap())
        .collect();
    let tokens: Vec<Value> = authorities
        .iter()
        .map(|url| json!({"signedTimestamp": client::b64(client::timestamp(url, &signature).unwrap())}))
        .collect();
    let mut all = json!({"tlogEntries": entries, "timestampVerificationData": {"rfc3161Timestamps": tokens}});
    for (name, value) in material.as_object().unwrap() {
        all[name] = value.clone();
    }
    json!({"mediaType": MEDIA_TYPE, "verificationMaterial": all, "dsseEnvelope": envelope})
}

/// A keyless bundle of any statement.
pub(crate) fn keyless_over(double: &Double, payload: &str) -> Value {
    let key = client::Key::new();
    let chain = client::certificate(double, &key, &double.token(WHO), WHO).unwrap();
    let material = json!({"certificate": {"rawBytes": client::b64(&chain[0])}});
    let by = client::Verifier::Certificate(&chain[0]);
    let tsas = [double.tsa_url()];
    signed(double, payload.as_bytes(), &|m| key.sign(m), &by, material, Some(RekorVersion::V2), &tsas)
}
