//! What the four services have in common.

use super::error::KmsError;
use crate::{
    http::{Answer, Client, Options, Secret, ServiceUrl},
    remote::PublicKey,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelseal_core::json;
use serde::Deserialize;
use std::time::Duration;

/// Longest answer, in bytes: keys and signatures have a few hundred, a Vault key of a thousand versions 300 KiB.
pub(super) const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The URL of a host that a user or the environment names. Without a scheme it is `https`, but for this machine.
pub(super) fn base_url(host: &str) -> Result<ServiceUrl, KmsError> {
    if host.contains("://") {
        return Ok(ServiceUrl::parse(host)?);
    }
    let plain = ServiceUrl::parse(&format!("http://{host}"))?;
    if plain.is_loopback() { Ok(plain) } else { Ok(ServiceUrl::parse(&format!("https://{host}"))?) }
}

/// A client for the metadata services of clouds, which speak plain HTTP on addresses of the machine's own network,
/// answer at once, and are not there at all on other machines.
pub(super) fn metadata_client(client: &Client) -> Result<Client, KmsError> {
    Ok(Client::new(Options {
        connect_timeout: Duration::from_secs(2),
        attempt_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(5),
        max_attempts: 2,
        use_proxies: false,
        allow_plain_http: true,
        ..client.options().clone()
    })?)
}

/// The members of a JSON answer. An error says nothing of what is in it: a service may repeat what it was sent.
pub(super) fn read<'a, T: Deserialize<'a>>(service: &'static str, answer: &'a Answer) -> Result<T, KmsError> {
    json::read(&answer.body, MAX_ANSWER_BYTES as u64).map_err(|_| KmsError::Answer {
        service,
        reason: "it is not the JSON document that the service's reference describes".to_owned(),
    })
}

/// What OAuth token endpoints and metadata services answer.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) access_token: SecretText,
}

/// Text of an answer that is wiped.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct SecretText(Secret);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl SecretText {
    pub(super) fn into_secret(self) -> Secret {
        self.0
    }
}

/// `Bearer` and a token, as a header's value.
pub(super) fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.reveal()))
}

pub(super) fn base64_of(service: &'static str, what: &str, text: &str) -> Result<Vec<u8>, KmsError> {
    STANDARD.decode(text).map_err(|_| KmsError::Answer { service, reason: format!("{what} is not base64") })
}

/// The public key in a PEM block.
pub(super) fn public_key_of_pem(service: &'static str, pem: &str) -> Result<PublicKey, KmsError> {
    match der::pem::decode_vec(pem.trim().as_bytes()) {
        Ok(("PUBLIC KEY", der)) => public_key_of_der(service, &der),
        _ => Err(KmsError::Answer { service, reason: "the public key is not PEM".to_owned() }),
    }
}

pub(super) fn public_key_of_der(service: &'static str, der: &[u8]) -> Result<PublicKey, KmsError> {
    PublicKey::from_spki_der(der).map_err(|reason| KmsError::PublicKey { service, reason })
}

/// `name` for a message, where it looks like a name: a service may repeat what it was sent.
pub(super) fn name(name: &str) -> String {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_- ".contains(&b));
    if plain && name.len() <= 40 { name.to_owned() } else { "with a name that is none".to_owned() }
}
