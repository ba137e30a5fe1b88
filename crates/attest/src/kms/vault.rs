//! HashiCorp Vault and OpenBao: the transit secrets engine.

use super::{
    environment::{Environment, read_file, read_token},
    error::KmsError,
    service::{self, MAX_ANSWER_BYTES, base64_of},
};
use crate::{
    http::{Answer, Client, Options, Request, Retry, Secret, ServiceUrl},
    remote::{Input, PublicKey, RemoteSignature},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelseal_core::key::KeyAlgorithm;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};

pub(super) const SERVICE: &str = "HashiCorp Vault";

const ADVICE: &str = "set VAULT_TOKEN, or run `vault login`";

#[derive(Debug)]
pub(super) struct Vault {
    url: ServiceUrl,
    mount: String,
    key: String,
    /// The version whose public key was read, so that a key that is rotated in between does not sign with a new one.
    version: u32,
    environment: Environment,
    client: Client,
}

#[derive(Deserialize)]
struct Outer<T> {
    data: T,
}

#[derive(Deserialize)]
struct KeyData {
    #[serde(rename = "type")]
    kind: String,
    latest_version: u32,
    supports_signing: Option<bool>,
    /// A number for keys that have no public half.
    keys: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct SignData {
    signature: String,
}

impl Vault {
    pub(super) fn open(
        mount: Option<&str>,
        key: &str,
        version: Option<u32>,
        environment: Environment,
        client: Client,
    ) -> Result<(Self, PublicKey), KmsError> {
        let url = environment.setting("VAULT_ADDR").ok_or(KmsError::Setting {
            service: SERVICE,
            name: "VAULT_ADDR",
            expected: "the address of the server, as https://vault.example.com:8200",
        })?;
        let url = ServiceUrl::parse(&url)?;
        let client = with_authority(&environment, client)?;
        let configured = environment.setting("TRANSIT_SECRET_ENGINE_PATH");
        let mount = mount.or(configured.as_deref()).unwrap_or("transit").trim_matches('/').to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if !mount.chars().all(plain) || mount.split('/').any(|part| matches!(part, "" | "." | "..")) {
            let (name, expected) = ("TRANSIT_SECRET_ENGINE_PATH", "the path of a transit engine");
            return Err(KmsError::Setting { service: SERVICE, name, expected });
        }
        let mut vault = Self { url, mount, key: key.to_owned(), version: 0, environment, client };
        let answer = vault.send(|url| Request::get(SERVICE, url), "keys")?;
        let data = service::read::<Outer<KeyData>>(SERVICE, &answer)?.data;
        let expected = match data.kind.as_str() {
            "ecdsa-p256" => KeyAlgorithm::P256,
            "ecdsa-p384" => KeyAlgorithm::P384,
            "ecdsa-p521" => KeyAlgorithm::P521,
            "ed25519" => KeyAlgorithm::Ed25519,
            other => return Err(KmsError::UnsupportedKey { service: SERVICE, found: service::name(other) }),
        };
        if data.supports_signing == Some(false) {
            let reason = "supports_signing is false".to_owned();
            return Err(KmsError::NotForSigning { service: SERVICE, reason });
        }
        vault.version = version.unwrap_or(data.latest_version);
        let text = data.keys.get(&vault.version.to_string()).and_then(|key| key.get("public_key"));
        let Some(text) = text.and_then(Value::as_str) else {
            let reason = format!("there is no public key of version {}", vault.version);
            return Err(KmsError::Answer { service: SERVICE, reason });
        };
        let public_key = if expected == KeyAlgorithm::Ed25519 {
            let point = base64_of(SERVICE, "the public key", text)?;
            PublicKey::from_point(expected, &point)
                .map_err(|reason| KmsError::PublicKey { service: SERVICE, reason })?
        } else {
            service::public_key_of_pem(SERVICE, text)?
        };
        if public_key.algorithm() != expected {
            let reason = format!("the key is {} and its public key {}", expected, public_key.algorithm());
            return Err(KmsError::Answer { service: SERVICE, reason });
        }
        Ok((vault, public_key))
    }

    pub(super) fn sign(
        &self,
        algorithm: KeyAlgorithm,
        input: &Input<'_>,
    ) -> Result<RemoteSignature, KmsError> {
        let body = match input {
            Input::Digest(digest) => json!({
                "input": STANDARD.encode(digest),
                "prehashed": true,
                "hash_algorithm": match algorithm {
                    KeyAlgorithm::P384 => "sha2-384",
                    KeyAlgorithm::P521 => "sha2-512",
                    KeyAlgorithm::P256 | KeyAlgorithm::Ed25519 => "sha2-256",
                },
                "marshaling_algorithm": "asn1",
                "key_version": self.version,
            }),
            Input::Message(message) => {
                json!({ "input": STANDARD.encode(message), "key_version": self.version })
            }
        };
        let body = body.to_string();
        let post = |url| Request::post(SERVICE, url, "application/json", body.clone().into_bytes());
        let answer = self.send(post, "sign")?;
        let signature = service::read::<Outer<SignData>>(SERVICE, &answer)?.data.signature;
        let signature = signature.strip_prefix(&format!("vault:v{}:", self.version)).ok_or_else(|| {
            let reason = format!("the signature does not begin with vault:v{}:", self.version);
            KmsError::Answer { service: SERVICE, reason }
        })?;
        base64_of(SERVICE, "the signature", signature).map(RemoteSignature::Final)
    }

    fn send(&self, request: impl FnOnce(ServiceUrl) -> Request, action: &str) -> Result<Answer, KmsError> {
        let token = match (self.environment.get("VAULT_TOKEN"), self.environment.home(".vault-token")) {
            (Some(token), _) => Some(token),
            (None, Some(file)) => read_token(&file)?,
            (None, None) => None,
        };
        let missing = || KmsError::NoCredentials { service: SERVICE, advice: ADVICE, last: None };
        let token: Secret = token.ok_or_else(missing)?;
        let url = self.url.join(&format!("/v1/{}/{action}/{}", self.mount, self.key));
        let mut request = request(url)
            .secret_header("x-vault-token", &token)
            // Against servers behind proxies that forward what a browser can be made to send.
            .header("x-vault-request", "true")
            .retry(Retry::Idempotent)
            .max_answer_bytes(MAX_ANSWER_BYTES);
        if let Some(namespace) = self.environment.setting("VAULT_NAMESPACE") {
            request = request.header("x-vault-namespace", &namespace);
        }
        Ok(self.client.send(&request)?)
    }
}

/// The client, which also trusts the authority that `VAULT_CACERT` names.
fn with_authority(environment: &Environment, client: Client) -> Result<Client, KmsError> {
    let Some(path) = environment.setting("VAULT_CACERT") else { return Ok(client) };
    let path = Path::new(&path);
    let missing = || KmsError::File { path: path.to_owned(), reason: "there is no such file".to_owned() };
    let mut roots = read_file(path)?.ok_or_else(missing)?.as_bytes().to_vec();
    if let Some(more) = &client.options().extra_roots_pem {
        roots.push(b'\n');
        roots.extend(more);
    }
    Ok(Client::new(Options { extra_roots_pem: Some(roots), ..client.options().clone() })?)
}
