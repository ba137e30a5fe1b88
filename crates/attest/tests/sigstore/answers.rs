//! Services whose answers are well-formed and wrong, written by hand.

use crate::{
    http::client,
    instance::{now, statement, token},
    server::{Server, respond},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelseal_attest::{
    private_key::{KeyAlgorithm, PrivateKey},
    signer::KeySigner,
    sigstore::{Prepared, RekorVersion, Services, SigningError, evidence},
};
use modelseal_testkit::{Double, TokenSpec};
use serde_json::{Value, json};

fn from_fulcio(answer: Value) -> SigningError {
    let double = Double::start();
    let fulcio = Server::saying(201, "application/json", answer.to_string());
    let services = Services::none()
        .with_fulcio(&fulcio.url)
        .and_then(|services| services.with_rekor(double.url(), RekorVersion::V2))
        .and_then(|services| services.with_timestamp_authority(&double.tsa_url()))
        .unwrap();
    let prepared = Prepared::new(statement(), services, client()).unwrap();
    let identified = prepared.identify(token(&double, &TokenSpec::default()), "sigstore", now()).unwrap();
    let failed = identified.sign().unwrap_err();
    assert_eq!(double.total_requests(), 0, "nothing is logged after {failed}");
    assert_eq!(fulcio.seen()[0].line, "POST /api/v2/signingCert HTTP/1.1");
    failed
}

#[test]
fn certificates_in_other_forms_are_refused() {
    let chain = |certificates: Value| json!({ "chain": { "certificates": certificates } });
    let detached = from_fulcio(json!({ "signedCertificateDetachedSct": chain(json!(["x"])) }));
    assert!(matches!(detached, SigningError::DetachedSct), "{detached}");
    for answer in [
        json!({}),
        json!([]),
        json!("certificate"),
        json!({ "signedCertificateEmbeddedSct": chain(json!([])) }),
        json!({ "signedCertificateEmbeddedSct": chain(json!(["not PEM"])) }),
        json!({ "signedCertificateEmbeddedSct": chain(json!(["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])) }),
        json!({ "signedCertificateEmbeddedSct": chain(json!(["a".repeat(70_000)])) }),
        json!({ "signedCertificateEmbeddedSct": chain(json!(vec!["x"; 11])) }),
        json!({ "signedCertificateEmbeddedSct": chain(json!(["x"])), "signedCertificateDetachedSct": chain(json!(["x"])) }),
    ] {
        let failed = from_fulcio(answer.clone());
        assert!(matches!(failed, SigningError::Answer { service: "Fulcio", .. }), "{answer}: {failed}");
    }
}

/// A log of version 1 that answers with what `change` makes of the right answer's parts: body and entry.
fn from_log(change: impl Fn(&mut Value, &mut Value) + Send + Sync + 'static) -> Result<(), SigningError> {
    let server = Server::new(move |_, seen, stream| {
        let request: Value = serde_json::from_slice(&seen.body).unwrap();
        let content = &request["spec"]["proposedContent"];
        let envelope: Value = serde_json::from_str(content["envelope"].as_str().unwrap()).unwrap();
        let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &payload);
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut body = json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": {
            "payloadHash": { "algorithm": "sha256", "value": digest },
            "envelopeHash": { "algorithm": "sha256", "value": digest },
            "signatures": [{ "signature": envelope["signatures"][0]["sig"], "verifier": content["verifiers"][0] }],
        }});
        let mut entry = json!({ "integratedTime": 1_800_000_000, "logID": "ab".repeat(32), "logIndex": 7, "verification": {
            "signedEntryTimestamp": "AAAA",
            "inclusionProof": { "checkpoint": "log\n1\nAAAA\n\n- log AAAA\n", "hashes": [], "logIndex": 0, "rootHash": "cd".repeat(32), "treeSize": 1 },
        }});
        change(&mut body, &mut entry);
        if !body.is_null() {
            entry["body"] = json!(STANDARD.encode(body.to_string()));
        }
        let answer = json!({ "uuid": entry }).to_string();
        respond(stream, 201, &[("Content-Type", "application/json")], answer.as_bytes());
    });
    let services = Services::none().with_rekor(&server.url, RekorVersion::V1).unwrap();
    let key = PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    let public = key.public_key_spki_der();
    let bundle = statement().sign(&KeySigner::new(key)).unwrap();
    evidence::log_and_timestamp(bundle, &public, &services, &client()).map(|_| ())
}

#[test]
fn log_entries_about_something_else_are_refused() {
    from_log(|_, _| {}).expect("the right answer passes");
    type Change = fn(&mut Value, &mut Value);
    let different: [Change; 6] = [
        |body, _| body["kind"] = json!("hashedrekord"),
        |body, _| body["apiVersion"] = json!("0.0.2"),
        |body, _| body["spec"]["payloadHash"]["value"] = json!("00".repeat(32)),
        |body, _| body["spec"]["payloadHash"]["algorithm"] = json!("sha512"),
        |body, _| body["spec"]["signatures"][0]["signature"] = json!("AAAA"),
        |body, _| body["spec"]["signatures"][0]["verifier"] = json!("AAAA"),
    ];
    for (number, change) in different.into_iter().enumerate() {
        let failed = from_log(change).unwrap_err();
        assert!(matches!(failed, SigningError::EntryMismatch { .. }), "{number}: {failed}");
    }
    let malformed: [Change; 11] = [
        |body, _| body["spec"]["signatures"] = json!([]),
        |body, _| {
            let signature = body["spec"]["signatures"][0].clone();
            body["spec"]["signatures"] = json!([signature.clone(), signature]);
        },
        |body, _| *body = json!([1]),
        |body, entry| (*body, entry["body"]) = (Value::Null, json!("!")),
        |_, entry| entry["logIndex"] = json!(-1),
        |_, entry| entry["logID"] = json!("zz"),
        |_, entry| entry["logID"] = json!("é"),
        |_, entry| entry["verification"]["inclusionProof"]["rootHash"] = json!("abc"),
        |_, entry| entry["verification"]["inclusionProof"]["hashes"] = json!(vec!["00".repeat(32); 65]),
        |_, entry| entry["verification"]["inclusionProof"]["checkpoint"] = json!(""),
        |_, entry| entry["verification"]["inclusionProof"] = json!(null),
    ];
    for (number, change) in malformed.into_iter().enumerate() {
        let failed = from_log(change).unwrap_err();
        assert!(matches!(failed, SigningError::Answer { service: "Rekor", .. }), "{number}: {failed}");
    }
}

#[test]
fn an_entry_that_is_there_already_is_looked_for_in_the_same_log() {
    let elsewhere = Server::saying(200, "application/json", "{}");
    let asked = |location: Option<String>| {
        let server = Server::new(move |_, seen, stream| {
            let headers = location.as_ref().map(|location| ("Location", location.as_str()));
            let status = if seen.line.starts_with("POST") { 409 } else { 404 };
            respond(stream, status, headers.as_slice(), b"{}");
        });
        let services = Services::none().with_rekor(&server.url, RekorVersion::V1).unwrap();
        let key = PrivateKey::generate(KeyAlgorithm::P256).unwrap();
        let public = key.public_key_spki_der();
        let bundle = statement().sign(&KeySigner::new(key)).unwrap();
        let failed = evidence::log_and_timestamp(bundle, &public, &services, &client()).unwrap_err();
        (failed, server.seen().into_iter().map(|seen| seen.line).collect::<Vec<_>>())
    };
    let name = "ab".repeat(40);
    let (failed, lines) = asked(Some(format!("{}/api/v1/log/entries/{name}", elsewhere.url)));
    assert!(matches!(&failed, SigningError::Http(e) if e.status() == Some(404)), "{failed}");
    assert_eq!(lines[1], format!("GET /api/v1/log/entries/{name} HTTP/1.1"));
    assert!(elsewhere.seen().is_empty());
    for location in [None, Some("/api/v1/log/entries/../../x".to_owned()), Some("x".repeat(80))] {
        let (failed, lines) = asked(location);
        assert!(matches!(failed, SigningError::Answer { .. }), "{failed}");
        assert_eq!(lines.len(), 1);
    }
}

#[test]
fn bytes_that_are_no_timestamp_are_refused() {
    let key = PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    let public = key.public_key_spki_der();
    let bundle = statement().sign(&KeySigner::new(key)).unwrap();
    for answer in [
        &b""[..],
        b"<html>",
        b"\x30\x00",
        b"\x30\x80\x00\x00",
        b"\x30\x05\x30\x03\x02\x01\x00",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x06\x30\x03\x02\x01\x00\x30",
        b"\x02\x01\x00",
    ] {
        let server = Server::saying(200, "application/timestamp-reply", answer);
        let services = Services::none().with_timestamp_authority(&server.url).unwrap();
        let failed = evidence::log_and_timestamp(bundle.clone(), &public, &services, &client()).unwrap_err();
        assert!(
            matches!(failed, SigningError::Answer { service: "timestamp authority", .. }),
            "{answer:?}: {failed}"
        );
    }
    // The request is one that others read too: version, imprint, nonce, certificates wanted.
    let server = Server::saying(500, "text/plain", "");
    let services = Services::none().with_timestamp_authority(&server.url).unwrap();
    evidence::log_and_timestamp(bundle, &public, &services, &client()).unwrap_err();
    let sent = &server.seen()[0].body;
    assert_eq!(&sent[2..5], b"\x02\x01\x01");
    assert_eq!(&sent[sent.len() - 3..], b"\x01\x01\xff");
}

/// A log of version 2 that answers with what `change` makes of the right answer's parts: body and entry.
fn from_new_log(change: impl Fn(&mut Value, &mut Value) + Send + Sync + 'static) -> Result<(), SigningError> {
    let server = Server::new(move |_, seen, stream| {
        let request: Value = serde_json::from_slice(&seen.body).unwrap();
        let request = &request["hashedRekordRequestV002"];
        let mut body = json!({ "apiVersion": "0.0.2", "kind": "hashedrekord", "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": request["digest"] }, "signature": request["signature"],
        }}});
        let hash = STANDARD.encode([7; 32]);
        let mut entry = json!({
            "logIndex": "0", "logId": { "keyId": hash }, "kindVersion": { "kind": "hashedrekord", "version": "0.0.2" },
            "inclusionProof": { "logIndex": "0", "rootHash": hash, "treeSize": "1", "hashes": [],
                                "checkpoint": { "envelope": "log\n1\nAAAA\n\n- log AAAA\n" } },
        });
        change(&mut body, &mut entry);
        entry["canonicalizedBody"] = json!(STANDARD.encode(body.to_string()));
        respond(stream, 201, &[("Content-Type", "application/json")], entry.to_string().as_bytes());
    });
    let double = Double::start();
    let services = Services::none()
        .with_rekor(&server.url, RekorVersion::V2)
        .and_then(|services| services.with_timestamp_authority(&double.tsa_url()))
        .unwrap();
    let key = PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    let public = key.public_key_spki_der();
    let bundle = statement().sign(&KeySigner::new(key)).unwrap();
    evidence::log_and_timestamp(bundle, &public, &services, &client()).map(|_| ())
}

#[test]
fn entries_of_a_new_log_about_something_else_are_refused() {
    from_new_log(|_, _| {}).expect("the right answer passes");
    type Change = fn(&mut Value, &mut Value);
    let different: [Change; 9] = [
        |body, _| body["kind"] = json!("dsse"),
        |body, _| body["apiVersion"] = json!("0.0.1"),
        |_, entry| entry["kindVersion"]["version"] = json!("0.0.1"),
        |_, entry| entry["kindVersion"]["kind"] = json!("dsse"),
        |body, _| body["spec"]["hashedRekordV002"]["data"]["algorithm"] = json!("SHA2_512"),
        |body, _| body["spec"]["hashedRekordV002"]["data"]["digest"] = json!(STANDARD.encode([0; 32])),
        |body, _| body["spec"]["hashedRekordV002"]["signature"]["content"] = json!("AAAA"),
        |body, _| {
            let verifier = &mut body["spec"]["hashedRekordV002"]["signature"]["verifier"];
            verifier["publicKey"]["rawBytes"] = json!("AAAA");
        },
        |body, _| {
            let verifier = &mut body["spec"]["hashedRekordV002"]["signature"]["verifier"];
            verifier["keyDetails"] = json!("PKIX_ECDSA_P384_SHA_384");
        },
    ];
    for (number, change) in different.into_iter().enumerate() {
        let failed = from_new_log(change).unwrap_err();
        assert!(matches!(failed, SigningError::EntryMismatch { .. }), "{number}: {failed}");
    }
    let malformed: [Change; 5] = [
        |body, _| *body = json!([]),
        |body, _| body["spec"] = json!({ "dsseV002": {} }),
        |body, _| {
            let verifier = &mut body["spec"]["hashedRekordV002"]["signature"]["verifier"];
            verifier["x509Certificate"] = json!({ "rawBytes": "AAAA" });
        },
        |_, entry| entry["inclusionProof"]["checkpoint"] = json!({ "envelope": "" }),
        |_, entry| drop(entry.as_object_mut().unwrap().remove("inclusionProof")),
    ];
    for (number, change) in malformed.into_iter().enumerate() {
        let failed = from_new_log(change).unwrap_err();
        assert!(matches!(failed, SigningError::Answer { service: "Rekor", .. }), "{number}: {failed}");
    }
}
