//! HashiCorp Vault's transit engine.

use crate::server::{ECDSA, Key, Reply, SECRET, Server, assert_signs, ed25519, open};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelseal_attest::{
    kms::{KmsError, KmsKey},
    private_key::{KeyAlgorithm, PrivateKey},
};
use serde_json::{Value, json};

enum Held {
    /// Versions 1, 2, ..
    Ecdsa(Vec<Key>),
    Ed25519(Box<PrivateKey>),
}

fn server(mount: &'static str, held: Held, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        if request.headers.get("x-vault-token").map(String::as_str) != Some(SECRET) {
            return Reply::Json(403, r#"{"errors":["permission denied"]}"#.to_owned());
        }
        assert_eq!(request.headers["x-vault-request"], "true");
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let data = if request.target == format!("/v1/{mount}/keys/models") {
            let (kind, keys): (_, Vec<String>) = match &held {
                Held::Ecdsa(keys) => {
                    let kind = match keys[0].algorithm {
                        KeyAlgorithm::P256 => "ecdsa-p256",
                        KeyAlgorithm::P384 => "ecdsa-p384",
                        _ => "ecdsa-p521",
                    };
                    (kind, keys.iter().map(Key::pem).collect())
                }
                Held::Ed25519(key) => {
                    let spki = key.public_key_spki_der();
                    ("ed25519", vec![STANDARD.encode(&spki[spki.len() - 32..])])
                }
            };
            let versions: serde_json::Map<String, Value> = keys
                .iter()
                .enumerate()
                .map(|(i, key)| ((i + 1).to_string(), json!({ "public_key": key, "name": "P-256" })))
                .collect();
            json!({ "type": kind, "latest_version": keys.len(), "supports_signing": true, "keys": versions })
        } else if request.target == format!("/v1/{mount}/sign/models") {
            let version = usize::try_from(body["key_version"].as_u64().unwrap()).unwrap();
            let input = STANDARD.decode(body["input"].as_str().unwrap()).unwrap();
            let signature = match &held {
                Held::Ecdsa(keys) => {
                    let hash = match keys[0].algorithm {
                        KeyAlgorithm::P256 => "sha2-256",
                        KeyAlgorithm::P384 => "sha2-384",
                        _ => "sha2-512",
                    };
                    assert_eq!((&body["prehashed"], &body["hash_algorithm"]), (&json!(true), &json!(hash)));
                    assert_eq!(body["marshaling_algorithm"], "asn1");
                    keys[version - 1].sign_digest(&input)
                }
                Held::Ed25519(key) => key.sign(&input).unwrap(),
            };
            json!({ "signature": format!("vault:v{version}:{}", STANDARD.encode(signature)), "key_version": version })
        } else {
            return Reply::Json(404, r#"{"errors":[]}"#.to_owned());
        };
        let mut answer = json!({ "request_id": "x", "lease_duration": 0, "data": data, "warnings": null });
        change(&mut answer["data"]);
        Reply::Json(200, answer.to_string())
    })
}

fn with(server: &Server, uri: &str, more: &[(&str, &str)]) -> Result<KmsKey, KmsError> {
    let address = format!("http://{}", server.address);
    let own = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", SECRET)];
    open(uri, &[&own, more].concat())
}

#[test]
fn digests_are_signed_by_the_version_that_was_read() {
    for algorithm in ECDSA {
        let keys = vec![Key::new(algorithm, true), Key::new(algorithm, true)];
        let spki: Vec<_> = keys.iter().map(Key::spki_der).collect();
        let server = server("transit", Held::Ecdsa(keys), |_| ());
        assert_signs(&with(&server, "hashivault://models", &[]).unwrap(), &spki[1], &[b's'; 10_000]);
        assert_signs(&with(&server, "hashivault://models?version=1", &[]).unwrap(), &spki[0], b"message");
        assert_eq!(server.requests()[..2], ["GET /v1/transit/keys/models", "POST /v1/transit/sign/models"]);
        let error = with(&server, "hashivault://models?version=3", &[]).unwrap_err();
        assert!(error.to_string().contains("no public key of version 3"), "{error}");
    }
}

#[test]
fn ed25519_signs_messages_of_any_length() {
    let key = ed25519();
    let spki = key.public_key_spki_der();
    let server = server("transit", Held::Ed25519(Box::new(key)), |_| ());
    assert_signs(&with(&server, "hashivault://models", &[]).unwrap(), &spki, &[b's'; 200_000]);
}

#[test]
fn mount_and_token_may_come_from_elsewhere() {
    let key = Key::new(KeyAlgorithm::P256, true);
    let spki = key.spki_der();
    let server = server("team/keys", Held::Ecdsa(vec![key]), |_| ());
    assert_signs(&with(&server, "hashivault://team/keys/models", &[]).unwrap(), &spki, b"message");
    let mount = [("TRANSIT_SECRET_ENGINE_PATH", "team/keys/"), ("VAULT_NAMESPACE", "ns1")];
    assert_signs(&with(&server, "hashivault://models", &mount).unwrap(), &spki, b"message");
    let error =
        with(&server, "hashivault://models", &[("TRANSIT_SECRET_ENGINE_PATH", "../sys")]).unwrap_err();
    assert!(matches!(error, KmsError::Setting { .. }), "{error}");

    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".vault-token"), format!("{SECRET}\n")).unwrap();
    let address = format!("http://{}", server.address);
    let environment = [("VAULT_ADDR", address.as_str()), ("HOME", home.path().to_str().unwrap())];
    assert_signs(&open("hashivault://team/keys/models", &environment).unwrap(), &spki, b"message");
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let error = open("hashivault://models", &[("VAULT_TOKEN", SECRET)]).unwrap_err().to_string();
    assert!(error.starts_with("HashiCorp Vault: VAULT_ADDR must be"), "{error}");
    let error = open("hashivault://models", &[("VAULT_ADDR", "http://127.0.0.1:1")]).unwrap_err();
    assert!(error.to_string().contains("set VAULT_TOKEN, or run `vault login`"), "{error}");
    let pairs = [("VAULT_ADDR", "http://vault.example.com:8200"), ("VAULT_TOKEN", SECRET)];
    let error = open("hashivault://models", &pairs).unwrap_err();
    assert!(error.to_string().contains("not encrypted"), "{error}");

    type Change = fn(&mut Value);
    let changes: [(Change, &str); 4] = [
        (|data| data["type"] = json!("rsa-4096"), "of the kind rsa-4096"),
        (|data| data["supports_signing"] = json!(false), "does not sign"),
        (|data| data["keys"] = json!({ "1": 1_700_000_000 }), "no public key of version 1"),
        (|data| data["type"] = json!("ecdsa-p384"), "its public key ECDSA P-256"),
    ];
    for (change, expected) in changes {
        let server = server("transit", Held::Ecdsa(vec![Key::new(KeyAlgorithm::P256, true)]), change);
        let error = with(&server, "hashivault://models", &[]).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
