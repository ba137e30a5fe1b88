//! What all services have to survive: each fault, at each service, in both calls.

use crate::server::{Key, Reply, SECRET, Server, open};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelseal_attest::{
    kms::{KmsError, KmsKey},
    private_key::KeyAlgorithm,
    signer::{SignError, SigningKey},
};
use serde_json::json;
use std::time::{Duration, Instant};

const GOOGLE: &str = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1";

/// A double that gives a right public key when `good_key`, and `reply` to everything else.
fn opened(service: &str, good_key: bool, reply: Reply) -> Result<KmsKey, KmsError> {
    let key = Key::new(KeyAlgorithm::P256, true);
    let (x, y) = key.coordinates();
    let url = |number| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(number);
    let pem = key.pem();
    let answer = match service {
        "aws" => {
            json!({ "KeyId": "arn", "PublicKey": STANDARD.encode(key.spki_der()), "KeySpec": "ECC_NIST_P256",
                         "KeyUsage": "SIGN_VERIFY" })
        }
        "google" => json!({ "pem": pem, "algorithm": "EC_SIGN_P256_SHA256", "name": GOOGLE,
                            "pemCrc32c": crc_of(&pem) }),
        "azure" => {
            json!({ "key": { "kid": "https://v/keys/models/1", "kty": "EC", "crv": "P-256", "x": url(x),
                                    "y": url(y) } })
        }
        _ => {
            json!({ "data": { "type": "ecdsa-p256", "latest_version": 1, "keys": { "1": { "public_key": pem } } } })
        }
    };
    let answer = answer.to_string();
    let server = Server::start(move |request| {
        let asks_key = request.method == "GET"
            || request.headers.get("x-amz-target").is_some_and(|target| target.ends_with("GetPublicKey"));
        if asks_key && good_key { Reply::Json(200, answer.clone()) } else { reply.clone() }
    });
    let base = format!("http://{}", server.address);
    match service {
        "aws" => open(
            "awskms:///alias/models?region=eu-west-1",
            &[("AWS_ENDPOINT_URL", &base), ("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", SECRET)],
        ),
        "google" => open(
            &format!("gcpkms://{GOOGLE}"),
            &[("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", &base), ("GOOGLE_OAUTH_ACCESS_TOKEN", SECRET)],
        ),
        "azure" => open(&format!("azurekms://{}/models", server.address), &[("AZURE_ACCESS_TOKEN", SECRET)]),
        _ => open("hashivault://models", &[("VAULT_ADDR", &base), ("VAULT_TOKEN", SECRET)]),
    }
}

fn crc_of(text: &str) -> String {
    let crc = text.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 },
        )
    });
    (!crc).to_string()
}

#[test]
fn every_fault_of_every_service_ends_in_an_error_in_time_without_the_secret() {
    let redirect = "HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:9/steal\r\ncontent-length: 0\r\n\r\n";
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"Signature\"";
    let faults = [
        ("hang", Reply::Hang, "no answer"),
        ("endless", Reply::Endless, "exceeds the limit"),
        ("forbidden, repeating", Reply::Json(403, format!(r#"{{"errors":["bad token {SECRET}"]}}"#)), "HTTP 403"),
        ("throttled", Reply::Json(429, "{}".to_owned()), "HTTP 429"),
        ("broken", Reply::Json(500, "{}".to_owned()), "HTTP 500"),
        ("redirect", Reply::Raw(redirect.into()), "redirects are not followed"),
        ("cut", Reply::Raw(short.into()), "broke off"),
        ("no HTTP", Reply::Raw(b"\x16\x03\x01 hello\r\n\r\n".to_vec()), ""),
        ("nothing", Reply::Raw(Vec::new()), ""),
        ("HTML", Reply::Json(200, "<html>sign in</html>".to_owned()), "not understood"),
        ("empty", Reply::Json(200, String::new()), "not understood"),
        ("array", Reply::Json(200, "[]".to_owned()), "not understood"),
        ("repeating", Reply::Json(200, format!(r#"{{"data":"{SECRET}","key":"{SECRET}"}}"#)), "not understood"),
        ("deep", Reply::Json(200, "[".repeat(100_000)), "not understood"),
        (
            "no base64",
            Reply::Json(
                200,
                json!({ "Signature": "!", "signature": "!", "signatureCrc32c": "0", "verifiedDigestCrc32c": true,
                        "name": GOOGLE, "value": "!", "data": { "signature": "vault:v1:!" } })
                .to_string(),
            ),
            "base64",
        ),
    ];
    std::thread::scope(|scope| {
        for service in ["aws", "google", "azure", "vault"] {
            for (fault, reply, expected) in &faults {
                scope.spawn(move || {
                    let start = Instant::now();
                    if *fault != "no base64" {
                        let error = opened(service, false, reply.clone()).unwrap_err().to_string();
                        assert!(error.contains(expected), "{service}, {fault}: {error}");
                    }
                    let key =
                        opened(service, true, reply.clone()).unwrap_or_else(|e| panic!("{service}: {e}"));
                    let error = key.sign(b"message").unwrap_err();
                    assert!(matches!(error, SignError::Kms(_)), "{service}, {fault}: {error}");
                    let said = format!("{error} {error:?}");
                    assert!(said.contains(expected), "{service}, {fault}: {said}");
                    assert!(!said.contains("hunter2"), "{service}, {fault}: {said}");
                    assert!(start.elapsed() < Duration::from_secs(20), "{service}, {fault}");
                });
            }
        }
    });
}
