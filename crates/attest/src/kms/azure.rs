//! Azure Key Vault and Managed HSM: `get key` and `sign` of the keys API.

use super::{
    environment::{Environment, read_token},
    error::KmsError,
    service::{self, MAX_ANSWER_BYTES, TokenAnswer, bearer, metadata_client},
};
use crate::{
    http::{Answer, Client, Request, Retry, Secret, ServiceUrl},
    remote::{Input, PublicKey, RemoteSignature},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use modelseal_core::key::KeyAlgorithm;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;

pub(super) const SERVICE: &str = "Azure Key Vault";

const LOGIN: &str = "Microsoft Entra ID";
/// RFC 7523 §2.2, encoded for a form.
const ASSERTION: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
const METADATA: &str = "Azure managed identity";

/// A token for a vault is worth all its keys: it is sent to Microsoft's hosts and to this machine only.
const HOSTS: [&str; 6] = [
    ".vault.azure.net",
    ".managedhsm.azure.net",
    ".vault.azure.cn",
    ".managedhsm.azure.cn",
    ".vault.usgovcloudapi.net",
    ".managedhsm.usgovcloudapi.net",
];

const ADVICE: &str = "set AZURE_ACCESS_TOKEN, as in `export AZURE_ACCESS_TOKEN=$(az account get-access-token --resource \
                      https://vault.azure.net --query accessToken --output tsv)`, or AZURE_TENANT_ID, AZURE_CLIENT_ID \
                      and AZURE_CLIENT_SECRET; on Azure the machine's managed identity is used";

#[derive(Debug)]
pub(super) struct Azure {
    url: ServiceUrl,
    /// What a token is asked for.
    resource: String,
    /// `/keys/NAME/VERSION`.
    path: String,
    environment: Environment,
    client: Client,
}

#[derive(Deserialize)]
struct KeyAnswer {
    key: JsonWebKey,
    attributes: Option<Attributes>,
}

#[derive(Deserialize)]
struct JsonWebKey {
    kid: String,
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    key_ops: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Attributes {
    enabled: Option<bool>,
}

#[derive(Deserialize)]
struct SignAnswer {
    value: String,
}

impl Azure {
    pub(super) fn open(
        vault: &str,
        key: &str,
        version: Option<&str>,
        environment: Environment,
        client: Client,
    ) -> Result<(Self, PublicKey), KmsError> {
        let url = service::base_url(vault)?;
        let host = url.host().to_owned();
        let cloud = HOSTS.iter().find(|suffix| host.ends_with(*suffix));
        let resource = match cloud {
            Some(suffix) => format!("https://{}", suffix.trim_start_matches('.')),
            None if url.is_loopback() => "https://vault.azure.net".to_owned(),
            None => {
                return Err(KmsError::Setting {
                    service: SERVICE,
                    name: "the vault in the URI",
                    expected: "the name of a vault, or a host of Azure such as NAME.vault.azure.net",
                });
            }
        };
        let mut path = format!("/keys/{key}");
        if let Some(version) = version {
            path = format!("{path}/{version}");
        }
        let mut azure = Self { url, resource, path, environment, client };
        let answer = azure.send(|url| Request::get(SERVICE, url), "")?;
        let answer: KeyAnswer = service::read(SERVICE, &answer)?;
        let public_key = read_key(&answer)?;
        if version.is_none() {
            // A key that gets a new version in between must not sign with it.
            let found = answer.key.kid.rsplit('/').next().unwrap_or_default();
            if found.is_empty() || found.len() > 64 || !found.bytes().all(|b| b.is_ascii_alphanumeric()) {
                let reason = "it does not name the version of the key".to_owned();
                return Err(KmsError::Answer { service: SERVICE, reason });
            }
            azure.path = format!("{}/{found}", azure.path);
        }
        Ok((azure, public_key))
    }

    pub(super) fn sign(
        &self,
        algorithm: KeyAlgorithm,
        input: &Input<'_>,
    ) -> Result<RemoteSignature, KmsError> {
        let (name, Input::Digest(digest)) = (jose_name(algorithm), input) else {
            return Err(KmsError::UnsupportedKey { service: SERVICE, found: algorithm.to_string() });
        };
        let body = json!({ "alg": name, "value": URL_SAFE_NO_PAD.encode(digest) }).to_string();
        let post = |url| Request::post(SERVICE, url, "application/json", body.clone().into_bytes());
        let answer = self.send(post, "/sign")?;
        let answer: SignAnswer = service::read(SERVICE, &answer)?;
        base64url("the signature", &answer.value).map(RemoteSignature::TwoNumbers)
    }

    fn send(&self, request: impl FnOnce(ServiceUrl) -> Request, action: &str) -> Result<Answer, KmsError> {
        let token = self.token()?;
        let url = self.url.join(&format!("{}{action}", self.path)).with_query(&[("api-version", "7.4")]);
        let request = request(url)
            .redact(&token)
            .secret_header("authorization", &bearer(&token))
            .retry(Retry::Idempotent)
            .max_answer_bytes(MAX_ANSWER_BYTES);
        Ok(self.client.send(&request)?)
    }

    fn token(&self) -> Result<Secret, KmsError> {
        if let Some(token) = self.environment.get("AZURE_ACCESS_TOKEN") {
            return Ok(token);
        }
        let answer = match self.login()? {
            Some(answer) => answer,
            None => self.managed_identity().map_err(|e| KmsError::NoCredentials {
                service: SERVICE,
                advice: ADVICE,
                last: Some(e.to_string()),
            })?,
        };
        Ok(service::read::<TokenAnswer>(LOGIN, &answer)?.access_token.into_secret())
    }

    /// OAuth 2.0 client credentials (RFC 6749 §4.4), with a secret or with a token of another issuer (RFC 7523).
    fn login(&self) -> Result<Option<Answer>, KmsError> {
        let setting = |name| self.environment.setting(name);
        let (Some(tenant), Some(id)) = (setting("AZURE_TENANT_ID"), setting("AZURE_CLIENT_ID")) else {
            return Ok(None);
        };
        if !tenant.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
            let (name, expected) = ("AZURE_TENANT_ID", "an id or a domain");
            return Err(KmsError::Setting { service: SERVICE, name, expected });
        }
        let (secret, mut form) = if let Some(secret) = self.environment.get("AZURE_CLIENT_SECRET") {
            let form = Secret::new(format!("client_secret={}", form_encoded(secret.reveal()).as_str()));
            (secret, form)
        } else if let Some(file) = setting("AZURE_FEDERATED_TOKEN_FILE") {
            let reason = || "there is no token in it".to_owned();
            let path = Path::new(&file);
            let token = read_token(path)?
                .ok_or_else(|| KmsError::File { path: path.to_owned(), reason: reason() })?;
            let assertion = form_encoded(token.reveal());
            let form = format!("client_assertion_type={ASSERTION}&client_assertion={}", assertion.as_str());
            let form = Secret::new(form);
            (token, form)
        } else {
            return Ok(None);
        };
        let scope = form_encoded(&format!("{}/.default", self.resource));
        let id = form_encoded(&id);
        form = Secret::new(format!(
            "grant_type=client_credentials&client_id={}&scope={}&{}",
            id.as_str(),
            scope.as_str(),
            form.reveal()
        ));
        let authority = setting("AZURE_AUTHORITY_HOST");
        let url = ServiceUrl::parse(authority.as_deref().unwrap_or("https://login.microsoftonline.com"))?
            .join(&format!("/{tenant}/oauth2/v2.0/token"));
        let body = zeroize::Zeroizing::new(form.reveal().as_bytes().to_vec());
        let request = Request::post(LOGIN, url, "application/x-www-form-urlencoded", body)
            .redact(&secret)
            .retry(Retry::Idempotent);
        Ok(Some(self.client.send(&request)?))
    }

    /// The identity of App Service and Functions, or of a virtual machine.
    fn managed_identity(&self) -> Result<Answer, KmsError> {
        let setting = |name| self.environment.setting(name);
        let client_id = setting("AZURE_CLIENT_ID");
        let mut query = vec![("resource", self.resource.as_str())];
        query.extend(client_id.as_deref().map(|id| ("client_id", id)));
        let request = match (setting("IDENTITY_ENDPOINT"), self.environment.get("IDENTITY_HEADER")) {
            (Some(endpoint), Some(header)) => {
                query.push(("api-version", "2019-08-01"));
                let url = ServiceUrl::parse(&endpoint)?.with_query(&query);
                // It is on the machine itself, or `https`.
                let request = Request::get(METADATA, url).secret_header("x-identity-header", &header);
                return Ok(self.client.send(&request.retry(Retry::Idempotent))?);
            }
            _ => {
                query.push(("api-version", "2018-02-01"));
                let url = ServiceUrl::parse("http://169.254.169.254/metadata/identity/oauth2/token")?;
                Request::get(METADATA, url.with_query(&query)).header("metadata", "true")
            }
        };
        Ok(metadata_client(&self.client)?.send(&request.retry(Retry::Idempotent))?)
    }
}

/// RFC 7518 §3.1.
fn jose_name(algorithm: KeyAlgorithm) -> &'static str {
    match algorithm {
        KeyAlgorithm::P256 => "ES256",
        KeyAlgorithm::P384 => "ES384",
        KeyAlgorithm::P521 => "ES512",
        KeyAlgorithm::Ed25519 => "EdDSA",
    }
}

fn read_key(answer: &KeyAnswer) -> Result<PublicKey, KmsError> {
    let key = &answer.key;
    let (algorithm, length) = match (key.kty.as_str(), key.crv.as_deref()) {
        ("EC" | "EC-HSM", Some("P-256")) => (KeyAlgorithm::P256, 32),
        ("EC" | "EC-HSM", Some("P-384")) => (KeyAlgorithm::P384, 48),
        ("EC" | "EC-HSM", Some("P-521")) => (KeyAlgorithm::P521, 66),
        (kind, curve) => {
            let found = service::name(format!("{kind} {}", curve.unwrap_or_default()).trim_end());
            return Err(KmsError::UnsupportedKey { service: SERVICE, found });
        }
    };
    let not_for_signing =
        |reason: &str| KmsError::NotForSigning { service: SERVICE, reason: reason.to_owned() };
    if key.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|name| name == "sign")) {
        return Err(not_for_signing("'sign' is none of its key_ops"));
    }
    if answer.attributes.as_ref().is_some_and(|attributes| attributes.enabled == Some(false)) {
        return Err(not_for_signing("it is disabled"));
    }
    let mut point = vec![4];
    for number in [&key.x, &key.y] {
        let number = base64url("the public key", number.as_deref().unwrap_or_default())?;
        let missing = length_difference(length, number.len())?;
        point.resize(point.len() + missing, 0);
        point.extend(number);
    }
    PublicKey::from_point(algorithm, &point)
        .map_err(|reason| KmsError::PublicKey { service: SERVICE, reason })
}

fn length_difference(length: usize, found: usize) -> Result<usize, KmsError> {
    length.checked_sub(found).ok_or_else(|| KmsError::Answer {
        service: SERVICE,
        reason: "the public key is longer than its curve".to_owned(),
    })
}

fn base64url(what: &str, text: &str) -> Result<Vec<u8>, KmsError> {
    let decoded = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
    decoded.map_err(|_| KmsError::Answer { service: SERVICE, reason: format!("{what} is not base64url") })
}

/// `application/x-www-form-urlencoded`.
fn form_encoded(text: &str) -> zeroize::Zeroizing<String> {
    let mut encoded = zeroize::Zeroizing::new(String::with_capacity(3 * text.len()));
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
    encoded
}
