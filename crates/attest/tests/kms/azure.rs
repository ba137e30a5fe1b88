//! Azure Key Vault.

use crate::server::{ECDSA, Key, Reply, SECRET, Server, assert_signs, open};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use modelseal_attest::{
    kms::{KmsError, KmsKey},
    private_key::KeyAlgorithm,
    remote::RemoteError,
    signer::{SignError, SigningKey},
};
use serde_json::{Value, json};

const VERSION: &str = "78deebed173b48e48f55abf87ed4cf71";

fn server(key: Key, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        if request.headers.get("authorization") != Some(&format!("Bearer {SECRET}")) {
            return Reply::Json(401, r#"{"error":{"code":"Unauthorized"}}"#.to_owned());
        }
        let (path, query) = request.target.split_once('?').unwrap();
        assert_eq!(query, "api-version=7.4");
        let (curve, name) = match key.algorithm {
            KeyAlgorithm::P256 => ("P-256", "ES256"),
            KeyAlgorithm::P384 => ("P-384", "ES384"),
            _ => ("P-521", "ES512"),
        };
        let kid = format!("https://mine.vault.azure.net/keys/models/{VERSION}");
        let mut answer = match path {
            _ if path == "/keys/models" || path == format!("/keys/models/{VERSION}") => {
                let (x, y) = key.coordinates();
                json!({ "key": { "kid": kid, "kty": "EC-HSM", "crv": curve, "key_ops": ["sign", "verify"],
                                 "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) },
                        "attributes": { "enabled": true, "created": 1 } })
            }
            _ if path == format!("/keys/models/{VERSION}/sign") => {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                assert_eq!(body["alg"], name);
                let digest = URL_SAFE_NO_PAD.decode(body["value"].as_str().unwrap()).unwrap();
                json!({ "kid": kid, "value": URL_SAFE_NO_PAD.encode(key.sign_digest(&digest)) })
            }
            _ => return Reply::Json(404, r#"{"error":{"code":"KeyNotFound"}}"#.to_owned()),
        };
        change(&mut answer);
        Reply::Json(200, answer.to_string())
    })
}

fn with(server: &Server, environment: &[(&str, &str)]) -> Result<KmsKey, KmsError> {
    open(&format!("azurekms://{}/models", server.address), environment)
}

const TOKEN: [(&str, &str); 1] = [("AZURE_ACCESS_TOKEN", SECRET)];

#[test]
fn digests_are_signed_by_the_version_that_was_read() {
    for algorithm in ECDSA {
        let key = Key::new(algorithm, false);
        let spki = key.spki_der();
        let server = server(key, |_| ());
        let key = with(&server, &TOKEN).unwrap();
        for _ in 0..20 {
            assert_signs(&key, &spki, &[b's'; 10_000]);
        }
        let requests = server.requests();
        assert_eq!(requests[0], "GET /keys/models?api-version=7.4");
        assert_eq!(requests[1], format!("POST /keys/models/{VERSION}/sign?api-version=7.4"));
        let uri = format!("azurekms://{}/models/{VERSION}", server.address);
        assert_signs(&open(&uri, &TOKEN).unwrap(), &spki, b"message");
    }
}

#[test]
fn a_token_is_had_with_a_secret_a_federated_token_or_a_managed_identity() {
    let key = Key::new(KeyAlgorithm::P256, false);
    let spki = key.spki_der();
    let server = server(key, |_| ());
    let token = json!({ "access_token": SECRET, "expires_in": "3599", "token_type": "Bearer" }).to_string();
    let login = Server::start(move |request| {
        let body = String::from_utf8(request.body.clone()).unwrap();
        let scope = "scope=https%3A%2F%2Fvault.azure.net%2F.default";
        let good = match request.target.as_str() {
            "/tenant-1/oauth2/v2.0/token" => {
                body.contains("grant_type=client_credentials&client_id=app%201")
                    && body.contains(scope)
                    && (body.ends_with("&client_secret=s%2Bhunter2")
                        || body.ends_with("jwt-bearer&client_assertion=a.hunter2"))
            }
            "/msi?resource=https%3A%2F%2Fvault.azure.net&api-version=2019-08-01" => {
                request.headers["x-identity-header"] == "header-hunter2"
            }
            _ => false,
        };
        if good { Reply::Json(200, token.clone()) } else { Reply::Json(400, body) }
    });
    let host = format!("http://{}", login.address);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a.hunter2\n").unwrap();
    let file = file.path().to_str().unwrap();
    let app = [
        ("AZURE_AUTHORITY_HOST", host.as_str()),
        ("AZURE_TENANT_ID", "tenant-1"),
        ("AZURE_CLIENT_ID", "app 1"),
    ];
    let endpoint = format!("{host}/msi");
    for environment in [
        [&app[..], &[("AZURE_CLIENT_SECRET", "s+hunter2")]].concat(),
        [&app[..], &[("AZURE_FEDERATED_TOKEN_FILE", file)]].concat(),
        vec![("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", "header-hunter2")],
    ] {
        assert_signs(&with(&server, &environment).unwrap(), &spki, b"message");
    }
    let error = with(&server, &[&app[..], &[("AZURE_CLIENT_SECRET", "wrong-hunter2")]].concat()).unwrap_err();
    assert!(
        error.to_string().contains("Microsoft Entra ID") && error.to_string().contains("HTTP 400"),
        "{error}"
    );
}

#[test]
fn a_token_is_sent_to_no_host_outside_of_azure() {
    for host in ["example.com", "vault.azure.net.example.com", "evilvault.azure.net"] {
        let error = open(&format!("azurekms://{host}/models"), &TOKEN).unwrap_err();
        assert!(matches!(error, KmsError::Setting { name: "the vault in the URI", .. }), "{error}");
    }
}

#[test]
fn keys_of_other_kinds_and_wrong_answers_are_refused() {
    type Change = fn(&mut Value);
    let changes: [(Change, &str); 9] = [
        (|answer| answer["key"]["crv"] = json!("P-256K"), "of the kind EC-HSM P-256K"),
        (
            |answer| answer["key"] = json!({ "kid": "k", "kty": "RSA", "n": "AQ", "e": "AQAB" }),
            "of the kind RSA,",
        ),
        (|answer| answer["key"]["key_ops"] = json!(["verify"]), "'sign' is none of its key_ops"),
        (|answer| answer["attributes"]["enabled"] = json!(false), "it is disabled"),
        (|answer| answer["key"]["x"] = json!("AQ"), "not a valid ECDSA P-256 point"),
        (|answer| answer["key"]["x"] = json!("A".repeat(44)), "longer than its curve"),
        (|answer| answer["key"]["y"] = json!("!"), "not base64url"),
        (|answer| answer["key"]["kid"] = json!("https://x/keys/models/../../secrets"), ""),
        (|answer| answer["key"]["kid"] = json!("https://x/keys/models/a%2fb"), "does not name the version"),
    ];
    for (change, expected) in changes {
        let server = server(Key::new(KeyAlgorithm::P256, false), change);
        match with(&server, &TOKEN) {
            Ok(_) => assert_eq!(expected, ""),
            Err(e) => assert!(e.to_string().contains(expected), "{e}"),
        }
    }
}

#[test]
fn a_signature_of_another_length_is_refused_with_both() {
    let change = |answer: &mut Value| {
        if let Some(value) = answer.get_mut("value") {
            *value = json!(URL_SAFE_NO_PAD.encode([1; 70]));
        }
    };
    let server = server(Key::new(KeyAlgorithm::P256, false), change);
    let error = with(&server, &TOKEN).unwrap().sign(b"message").unwrap_err();
    let length = RemoteError::SignatureLength {
        place: format!("Azure Key Vault (azurekms://{}/models)", server.address),
        algorithm: KeyAlgorithm::P256,
        expected: 64,
        found: 70,
    };
    assert!(matches!(&error, SignError::Remote(found) if *found == length), "{error}");
}
