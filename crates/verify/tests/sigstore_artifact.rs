//! Signatures of single files: what outside vectors do not hold.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod sigstore_support;

use modelseal_testkit::Double;
use modelseal_verify::sigstore::{
    Keyless, TrustedRoot,
    artifact::{self, Artifact, ArtifactError, MAX_ARTIFACT_BUNDLE_BYTES, SignedBy},
};
use serde_json::{Value, json};
use sigstore_support::*;

fn verify(double: &Double, document: &str, root: &TrustedRoot) -> Result<(), ArtifactError> {
    let keyless = Keyless::exactly(WHO, double.url());
    let artifact = Artifact::Bytes(client::ARTIFACT);
    artifact::verify(document.as_bytes(), &artifact, &SignedBy::Keyless(&keyless), root, now()).map(
        |verified| {
            assert_eq!(verified.signer().map(|signer| signer.identity()), Some(WHO));
        },
    )
}

fn refusal(double: &Double, document: &str) -> String {
    format!("{:?}", verify(double, document, &root(double)).unwrap_err())
}

/// A message signature over the artifact.
fn message(double: &Double) -> Value {
    let key = client::Key::new();
    let chain = client::certificate(double, &key, &double.token(WHO), WHO).unwrap();
    let signature = key.sign(client::ARTIFACT);
    let digest = client::sha256(client::ARTIFACT);
    let entry = client::log_digest_v2(double, &digest, &signature, &client::Verifier::Certificate(&chain[0]))
        .unwrap();
    let stamp = client::b64(client::timestamp(&double.tsa_url(), &signature).unwrap());
    json!({
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {
            "certificate": {"rawBytes": client::b64(&chain[0])}, "tlogEntries": [entry],
            "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": stamp}]},
        },
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": client::b64(&digest)},
            "signature": client::b64(&signature),
        },
    })
}

#[test]
fn files_and_attestations_are_verified() {
    let double = Double::start();
    for bundle in [v1(&double), v2(&double), message(&double)] {
        verify(&double, &bundle.to_string(), &root(&double)).unwrap();
        let keyless = Keyless::exactly(WHO, double.url());
        let (document, by) = (bundle.to_string(), SignedBy::Keyless(&keyless));
        let other = Artifact::Bytes(b"another");
        let error = artifact::verify(document.as_bytes(), &other, &by, &root(&double), now()).unwrap_err();
        assert!(matches!(error, ArtifactError::Signature(_) | ArtifactError::Evidence(_)), "{error:?}");
        let digest = Artifact::Sha256(client::sha256(client::ARTIFACT).try_into().unwrap());
        assert!(artifact::verify(document.as_bytes(), &digest, &by, &root(&double), now()).is_ok());
        let key = client::pem("PUBLIC KEY", &client::Key::new().spki());
        let by = SignedBy::Key(&key);
        assert!(artifact::verify(document.as_bytes(), &digest, &by, &root(&double), now()).is_err());
    }
}

#[test]
fn bundles_with_two_readings_are_refused() {
    let double = Double::start();
    let (dsse, message) = (v2(&double), message(&double));
    let mut both = dsse.clone();
    both["messageSignature"] = message["messageSignature"].clone();
    assert!(refusal(&double, &both.to_string()).contains("not both"));
    let mut neither = dsse.clone();
    neither.as_object_mut().unwrap().remove("dsseEnvelope");
    assert!(refusal(&double, &neither.to_string()).contains("not both"));
    let mut keys = message.clone();
    keys["verificationMaterial"]["publicKey"] = json!({"hint": "x"});
    assert!(refusal(&double, &keys.to_string()).contains("one of publicKey"));
    let mut unknown = message.clone();
    unknown["verificationMaterial"]["extra"] = json!(1);
    assert!(refusal(&double, &unknown.to_string()).contains("unknown field"));
    let text = message.to_string();
    let twice = text.replacen(r#"{"mediaType""#, r#"{"messageSignature":{},"mediaType""#, 1);
    assert!(text != twice && refusal(&double, &twice).contains("duplicate member"));
}

#[test]
fn the_work_is_bounded() {
    let double = Double::start();
    let mut many = message(&double);
    let entry = entries(&mut many)[0].clone();
    *entries(&mut many) = vec![entry; 33];
    assert!(refusal(&double, &many.to_string()).contains("more than 32 items"));
    let mut many = message(&double);
    let stamp = timestamps(&mut many)[0].clone();
    *timestamps(&mut many) = vec![stamp; 33];
    assert!(refusal(&double, &many.to_string()).contains("more than 32 items"));
    let long = " ".repeat(usize::try_from(MAX_ARTIFACT_BUNDLE_BYTES).unwrap());
    assert!(refusal(&double, &(long + &message(&double).to_string())).contains("TooLarge"));
}

#[test]
fn each_entry_needs_a_proof_and_a_log_key_of_its_time() {
    let double = Double::start();
    let mut bundle = v1(&double);
    let mut unproven = entries(&mut bundle)[0].clone();
    unproven.as_object_mut().unwrap().remove("inclusionProof");
    entries(&mut bundle).push(unproven);
    assert!(refusal(&double, &bundle.to_string()).contains("NoInclusionProof { index: 1"));
    let mut value = double.trusted_root();
    for log in value["tlogs"].as_array_mut().unwrap() {
        log["publicKey"]["validFor"] = json!({"start": "2020-01-01T00:00:00Z", "end": later(-1).to_string()});
    }
    let error = verify(&double, &message(&double).to_string(), &root_of(&value)).unwrap_err();
    assert!(format!("{error:?}").contains("LogKeyOutsideWindow"), "{error:?}");
}
