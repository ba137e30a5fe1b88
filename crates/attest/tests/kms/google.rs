//! Google Cloud KMS.

use crate::server::{Key, Reply, SECRET, Server, assert_signs, ed25519, open};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelseal_attest::{
    kms::{KmsError, KmsKey},
    private_key::{KeyAlgorithm, PrivateKey},
    signer::{SignError, SigningKey},
};
use serde_json::{Value, json};

const NAME: &str = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k/cryptoKeyVersions/7";

/// CRC-32C with a table, unlike ours.
fn crc32c(bytes: &[u8]) -> String {
    let table: Vec<u32> = (0..256_u32)
        .map(|n| (0..8).fold(n, |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 }))
        .collect();
    let crc =
        bytes.iter().fold(u32::MAX, |crc, byte| table[(crc & 0xff) as usize ^ usize::from(*byte)] ^ crc >> 8);
    (!crc).to_string()
}

enum Held {
    Ecdsa(Key),
    Ed25519(Box<PrivateKey>),
}

/// `change` may falsify an answer.
fn server(held: Held, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        if request.headers.get("authorization") != Some(&format!("Bearer {SECRET}")) {
            return Reply::Json(401, r#"{"error":{"status":"UNAUTHENTICATED"}}"#.to_owned());
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let mut answer = if request.target == format!("/v1/{NAME}/publicKey") {
            let (pem, algorithm) = match &held {
                Held::Ecdsa(key) if key.algorithm == KeyAlgorithm::P256 => (key.pem(), "EC_SIGN_P256_SHA256"),
                Held::Ecdsa(key) => (key.pem(), "EC_SIGN_P384_SHA384"),
                Held::Ed25519(key) => (key.public_key_pem(), "EC_SIGN_ED25519"),
            };
            json!({ "pemCrc32c": crc32c(pem.as_bytes()), "pem": pem, "algorithm": algorithm, "name": NAME,
                    "protectionLevel": "HSM" })
        } else if request.target == format!("/v1/{NAME}:asymmetricSign") && request.method == "POST" {
            let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
            let (signature, verified) = match &held {
                Held::Ecdsa(key) => {
                    let hash = if key.algorithm == KeyAlgorithm::P256 { "sha256" } else { "sha384" };
                    assert_eq!(body["digest"].as_object().unwrap().len(), 1);
                    let digest = bytes(&body["digest"][hash]);
                    assert_eq!(body["digestCrc32c"], crc32c(&digest));
                    (key.sign_digest(&digest), "verifiedDigestCrc32c")
                }
                Held::Ed25519(key) => {
                    let data = bytes(&body["data"]);
                    assert_eq!(body["dataCrc32c"], crc32c(&data));
                    (key.sign(&data).unwrap(), "verifiedDataCrc32c")
                }
            };
            json!({ "signature": STANDARD.encode(&signature), "signatureCrc32c": crc32c(&signature), verified: true,
                    "name": NAME, "protectionLevel": "HSM" })
        } else {
            return Reply::Json(404, r#"{"error":{"status":"NOT_FOUND"}}"#.to_owned());
        };
        change(&mut answer);
        Reply::Json(200, answer.to_string())
    })
}

fn with(server: &Server, more: &[(&str, &str)]) -> Result<KmsKey, KmsError> {
    let url = format!("http://{}/", server.address);
    let own = [("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", url.as_str())];
    open(&format!("gcpkms://{NAME}"), &[&own, more].concat())
}

const TOKEN: [(&str, &str); 1] = [("GOOGLE_OAUTH_ACCESS_TOKEN", SECRET)];

#[test]
fn digests_are_signed_with_checksums_both_ways() {
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384] {
        let key = Key::new(algorithm, true);
        let spki = key.spki_der();
        let server = server(Held::Ecdsa(key), |_| ());
        let key = with(&server, &TOKEN).unwrap();
        assert_signs(&key, &spki, &[b's'; 100_000]);
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn ed25519_signs_what_fits_and_says_what_does_not() {
    let key = ed25519();
    let spki = key.public_key_spki_der();
    let server = server(Held::Ed25519(Box::new(key)), |_| ());
    let key = with(&server, &TOKEN).unwrap();
    assert_signs(&key, &spki, &[b's'; 65536]);
    let error = key.sign(&[b's'; 65537]).unwrap_err();
    assert!(matches!(error, SignError::Kms(KmsError::TooLong { size: 65537, .. })), "{error}");
}

#[test]
fn the_metadata_server_gives_a_token_and_has_to_be_near() {
    let key = Key::new(KeyAlgorithm::P256, true);
    let spki = key.spki_der();
    let server = server(Held::Ecdsa(key), |_| ());
    let metadata = Server::start(|request| {
        assert_eq!(request.headers["metadata-flavor"], "Google");
        let answer = json!({ "access_token": SECRET, "expires_in": 3599, "token_type": "Bearer" });
        Reply::Json(200, answer.to_string())
    });
    let host = metadata.address.to_string();
    assert_signs(&with(&server, &[("GCE_METADATA_HOST", &host)]).unwrap(), &spki, b"message");
    assert_eq!(metadata.requests()[0], "GET /computeMetadata/v1/instance/service-accounts/default/token");
    let error = with(&server, &[("GCE_METADATA_HOST", "metadata.example.com")]).unwrap_err().to_string();
    assert!(error.contains("gcloud auth print-access-token") && error.contains("not encrypted"), "{error}");
}

#[test]
fn damage_on_the_way_and_answers_about_another_key_are_noticed() {
    type Change = fn(&mut Value);
    let changes: [(Change, &str); 7] = [
        (|answer| answer["pemCrc32c"] = json!("1"), "the public key was damaged"),
        (|answer| answer["name"] = json!("projects/other"), "it is about another key"),
        (|answer| answer["algorithm"] = json!("RSA_SIGN_PSS_3072_SHA256"), "RSA_SIGN_PSS_3072_SHA256"),
        (|answer| answer["algorithm"] = json!("EC_SIGN_SECP256K1_SHA256"), "EC_SIGN_SECP256K1_SHA256"),
        (|answer| answer["algorithm"] = json!("EC_SIGN_P384_SHA384"), "its public key ECDSA P-256"),
        (|answer| answer["verifiedDigestCrc32c"] = json!(false), "the request was damaged"),
        (|answer| answer["signatureCrc32c"] = json!("1"), "the signature was damaged"),
    ];
    for (change, expected) in changes {
        let server = server(Held::Ecdsa(Key::new(KeyAlgorithm::P256, true)), change);
        let error = match with(&server, &TOKEN) {
            Ok(key) => key.sign(b"message").unwrap_err().to_string(),
            Err(e) => e.to_string(),
        };
        assert!(error.contains(expected), "{error}");
    }
}
