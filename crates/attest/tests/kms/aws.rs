//! AWS KMS. The double computes Signature Version 4 from the request that arrives, as the service does.

use crate::server::{ECDSA, Key, Reply, Request, SECRET, Server, assert_signs, open};
use aws_lc_rs::{digest, hmac};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelseal_attest::{
    kms::KmsError,
    private_key::KeyAlgorithm,
    remote::RemoteError,
    signer::{SignError, SigningKey},
};
use serde_json::{Value, json};

pub(crate) const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// What the service recomputes: the headers that the request names, in its order.
fn is_signed(request: &Request) -> bool {
    let Some(authorization) = request.headers.get("authorization") else { return false };
    let part = |name: &str| {
        let rest = authorization.split_once(name).unwrap().1;
        rest.split([',', ' ']).next().unwrap().to_owned()
    };
    let (scope, names, signature) = (part("Credential="), part("SignedHeaders="), part("Signature="));
    let scope = scope.strip_prefix("AKIDEXAMPLE/").unwrap();
    let mut canonical = format!("{}\n{}\n\n", request.method, request.target);
    for name in names.split(';') {
        canonical += &format!("{name}:{}\n", request.headers[name]);
    }
    for required in ["host", "x-amz-date", "x-amz-target"] {
        assert!(names.split(';').any(|name| name == required), "{required} is signed");
    }
    assert_eq!(request.headers.contains_key("x-amz-security-token"), names.contains("x-amz-security-token"));
    canonical += &format!("\n{names}\n{}", hex(digest::digest(&digest::SHA256, &request.body).as_ref()));
    let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", request.headers["x-amz-date"]);
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part);
    }
    hex(&mac(&key, &text)) == signature
}

/// How the double differs from the service.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Ignores `MessageType`, as moto does.
    HashesAgain,
    OtherKeySigns,
}

pub(crate) fn server(key: Key, fault: Fault) -> Server {
    let other = Key::new(key.algorithm, true);
    Server::start(move |request| {
        if !is_signed(request) {
            return Reply::Json(400, r#"{"__type":"InvalidSignatureException"}"#.to_owned());
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let (spec, name) = match key.algorithm {
            KeyAlgorithm::P256 => ("ECC_NIST_P256", "ECDSA_SHA_256"),
            KeyAlgorithm::P384 => ("ECC_NIST_P384", "ECDSA_SHA_384"),
            _ => ("ECC_NIST_P521", "ECDSA_SHA_512"),
        };
        let answer = match request.headers["x-amz-target"].as_str() {
            "TrentService.GetPublicKey" => {
                assert_eq!(body, json!({ "KeyId": "alias/models" }));
                json!({ "KeyId": ARN, "PublicKey": STANDARD.encode(key.spki_der()), "KeySpec": spec,
                        "CustomerMasterKeySpec": spec, "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": [name] })
            }
            "TrentService.Sign" => {
                assert_eq!((&body["KeyId"], &body["MessageType"]), (&json!(ARN), &json!("DIGEST")));
                assert_eq!(body["SigningAlgorithm"], name);
                let digest = STANDARD.decode(body["Message"].as_str().unwrap()).unwrap();
                let signature = match fault {
                    Fault::None => key.sign_digest(&digest),
                    Fault::HashesAgain => key.sign_hashed_again(&digest),
                    Fault::OtherKeySigns => other.sign_digest(&digest),
                };
                json!({ "KeyId": ARN, "Signature": STANDARD.encode(signature), "SigningAlgorithm": name })
            }
            other => panic!("{other}"),
        };
        Reply::Json(200, answer.to_string())
    })
}

fn environment(server: &Server) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL_KMS", format!("http://{}", server.address)),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
    ]
}

fn with(server: &Server, more: &[(&str, &str)]) -> Result<modelseal_attest::kms::KmsKey, KmsError> {
    let environment = environment(server);
    let environment: Vec<(&str, &str)> = environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
    open("awskms:///alias/models?region=eu-west-1", &[&environment, more].concat())
}

#[test]
fn digests_of_long_statements_are_signed_in_one_call_each() {
    for algorithm in ECDSA {
        let key = Key::new(algorithm, true);
        let spki = key.spki_der();
        let server = server(key, Fault::None);
        let key = with(&server, &[]).unwrap();
        assert_eq!(server.requests(), ["POST /"]);
        for size in [0, 4097, 1 << 20] {
            assert_signs(&key, &spki, &vec![b's'; size]);
        }
        assert_eq!(server.requests().len(), 4);
    }
}

#[test]
fn temporary_credentials_and_the_endpoint_of_the_uri_are_used() {
    let key = Key::new(KeyAlgorithm::P256, true);
    let spki = key.spki_der();
    let server = server(key, Fault::None);
    let key = with(&server, &[("AWS_SESSION_TOKEN", "session/hunter2==")]).unwrap();
    assert_signs(&key, &spki, b"message");
    let uri = format!("awskms://{}/alias/models", server.address);
    let environment = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    assert_signs(&open(&uri, &environment).unwrap(), &spki, b"message");
}

#[test]
fn credentials_of_a_containers_agent_are_used() {
    let key = Key::new(KeyAlgorithm::P256, true);
    let spki = key.spki_der();
    let server = server(key, Fault::None);
    let agent = Server::start(|request| {
        if request.headers.get("authorization").map(String::as_str) != Some("agent-hunter2") {
            return Reply::Json(401, "{}".to_owned());
        }
        let answer = json!({ "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": SECRET, "Token": "t-hunter2",
                             "Expiration": "2026-01-02T03:04:05Z" });
        Reply::Json(200, answer.to_string())
    });
    let url = format!("http://{}/creds", agent.address);
    let endpoint = format!("http://{}", server.address);
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "agent-hunter2"),
    ];
    let key = open("awskms:///alias/models?region=eu-west-1", &environment).unwrap();
    assert_signs(&key, &spki, b"message");
    assert_eq!(agent.requests(), ["GET /creds", "GET /creds"]);
}

#[test]
fn a_wrong_secret_is_refused_by_the_service_and_said() {
    let server = server(Key::new(KeyAlgorithm::P256, true), Fault::None);
    let error = with(&server, &[("AWS_SECRET_ACCESS_KEY", "hunter2-another")]).unwrap_err();
    assert!(
        error.to_string().contains("HTTP 400") && error.to_string().contains("InvalidSignature"),
        "{error}"
    );
}

#[test]
fn a_service_that_hashes_again_or_signs_with_another_key_is_caught() {
    for algorithm in ECDSA {
        for fault in [Fault::HashesAgain, Fault::OtherKeySigns] {
            let server = server(Key::new(algorithm, true), fault);
            let error = with(&server, &[]).unwrap().sign(b"message").unwrap_err();
            assert!(matches!(error, SignError::Remote(RemoteError::DoesNotVerify { .. })), "{error}");
            assert!(error.to_string().starts_with("AWS KMS (awskms:///alias/models"), "{error}");
        }
    }
}

#[test]
fn kinds_of_keys_are_named_when_they_are_not_supported() {
    let p256 = STANDARD.encode(Key::new(KeyAlgorithm::P256, true).spki_der());
    for (spec, usage, expected) in [
        ("RSA_3072", "SIGN_VERIFY", "of the kind RSA_3072, which is not supported"),
        ("ECC_SECG_P256K1", "SIGN_VERIFY", "ECC_SECG_P256K1"),
        ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY", "ECC_NIST_EDWARDS25519"),
        ("ML_DSA_65", "SIGN_VERIFY", "ML_DSA_65"),
        ("ECC_NIST_P256", "KEY_AGREEMENT", "the key does not sign: its KeyUsage is KEY_AGREEMENT"),
        ("ECC_NIST_P384", "SIGN_VERIFY", "the key is ECDSA P-384 and its public key ECDSA P-256"),
    ] {
        let answer =
            json!({ "KeyId": ARN, "PublicKey": p256, "KeySpec": spec, "KeyUsage": usage }).to_string();
        let server = Server::start(move |_| Reply::Json(200, answer.clone()));
        let error = with(&server, &[]).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let no_region = open("awskms:///alias/x", &[]).unwrap_err().to_string();
    assert!(no_region.starts_with("AWS KMS: AWS_REGION must be the name of a region"), "{no_region}");
    let no_credentials = open("awskms:///alias/x?region=eu-west-1", &[]).unwrap_err();
    assert!(matches!(no_credentials, KmsError::NoCredentials { .. }), "{no_credentials}");
    // A region of the environment becomes part of a host's name.
    let wrong = open("awskms:///alias/x", &[("AWS_REGION", "x.evil.example/")]).unwrap_err();
    assert!(matches!(wrong, KmsError::Setting { .. }), "{wrong}");
}

#[test]
fn throttling_is_waited_out() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let key = Key::new(KeyAlgorithm::P256, true);
    let answer =
        json!({ "KeyId": ARN, "PublicKey": STANDARD.encode(key.spki_der()), "KeySpec": "ECC_NIST_P256",
                         "KeyUsage": "SIGN_VERIFY" })
        .to_string();
    let server = Server::start(move |_| match calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 | 1 => Reply::Json(400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#.to_owned()),
        _ => Reply::Json(200, answer.clone()),
    });
    assert!(with(&server, &[]).is_ok());
    assert_eq!(server.requests().len(), 3);
}
