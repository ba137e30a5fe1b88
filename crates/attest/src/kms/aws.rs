//! AWS KMS: `GetPublicKey` and `Sign` of its JSON 1.1 protocol.

mod credentials;
mod sigv4;

use super::{
    environment::Environment,
    error::KmsError,
    service::{self, MAX_ANSWER_BYTES, base64_of},
    uri::is_region,
};
use crate::{
    http::{Client, HttpError, Retry, ServiceUrl},
    remote::{Input, PublicKey, RemoteSignature},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use modelseal_core::key::KeyAlgorithm;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const SERVICE: &str = "AWS KMS";

#[derive(Debug)]
pub(super) struct Aws {
    url: ServiceUrl,
    region: String,
    /// What `Sign` is asked to sign with: the ARN that the public key came with, so that an alias that is moved in
    /// between changes nothing.
    key: String,
    environment: Environment,
    client: Client,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublicKeyAnswer {
    key_id: String,
    public_key: String,
    key_spec: Option<String>,
    /// The older name of the same.
    customer_master_key_spec: Option<String>,
    key_usage: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignAnswer {
    signature: String,
}

impl Aws {
    pub(super) fn open(
        endpoint: Option<&str>,
        key: &str,
        region: Option<&str>,
        environment: Environment,
        client: Client,
    ) -> Result<(Self, PublicKey), KmsError> {
        let region = match region {
            Some(region) => region.to_owned(),
            None => configured_region(&environment)?,
        };
        let url = match endpoint.map(str::to_owned).or_else(|| {
            environment
                .first(&["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"])
                .map(|url| url.reveal().to_owned())
        }) {
            Some(endpoint) => service::base_url(&endpoint)?,
            None => {
                let china = if region.starts_with("cn-") { ".cn" } else { "" };
                ServiceUrl::parse(&format!("https://kms.{region}.amazonaws.com{china}"))?
            }
        };
        let aws = Self { url: url.join("/"), region, key: key.to_owned(), environment, client };
        let answer = aws.call("TrentService.GetPublicKey", &json!({ "KeyId": key }))?;
        let answer: PublicKeyAnswer = service::read(SERVICE, &answer)?;
        let spec = answer.key_spec.or(answer.customer_master_key_spec).unwrap_or_default();
        let expected = match spec.as_str() {
            "ECC_NIST_P256" => KeyAlgorithm::P256,
            "ECC_NIST_P384" => KeyAlgorithm::P384,
            "ECC_NIST_P521" => KeyAlgorithm::P521,
            // Ed25519 included: AWS takes 4096 bytes for it, and a digest only in a variant that is not Ed25519.
            other => return Err(KmsError::UnsupportedKey { service: SERVICE, found: service::name(other) }),
        };
        if answer.key_usage != "SIGN_VERIFY" {
            let reason = format!("its KeyUsage is {}", service::name(&answer.key_usage));
            return Err(KmsError::NotForSigning { service: SERVICE, reason });
        }
        let der = base64_of(SERVICE, "the public key", &answer.public_key)?;
        let public_key = service::public_key_of_der(SERVICE, &der)?;
        if public_key.algorithm() != expected {
            let reason = format!("the key is {} and its public key {}", expected, public_key.algorithm());
            return Err(KmsError::Answer { service: SERVICE, reason });
        }
        let key = answer.key_id;
        Ok((Self { key, ..aws }, public_key))
    }

    pub(super) fn sign(
        &self,
        algorithm: KeyAlgorithm,
        input: &Input<'_>,
    ) -> Result<RemoteSignature, KmsError> {
        let name = match algorithm {
            KeyAlgorithm::P256 => "ECDSA_SHA_256",
            KeyAlgorithm::P384 => "ECDSA_SHA_384",
            KeyAlgorithm::P521 => "ECDSA_SHA_512",
            KeyAlgorithm::Ed25519 => "ED25519_SHA_512",
        };
        let Input::Digest(digest) = input else {
            return Err(KmsError::UnsupportedKey { service: SERVICE, found: name.to_owned() });
        };
        let body = json!({
            "KeyId": self.key,
            "Message": STANDARD.encode(digest),
            "MessageType": "DIGEST",
            "SigningAlgorithm": name,
        });
        let answer = self.call("TrentService.Sign", &body)?;
        let answer: SignAnswer = service::read(SERVICE, &answer)?;
        base64_of(SERVICE, "the signature", &answer.signature).map(RemoteSignature::Final)
    }

    /// Calls again a few times when the service says that it is called too often, which it does with status 400.
    fn call(&self, target: &'static str, body: &Value) -> Result<crate::http::Answer, KmsError> {
        let mut attempt = 0;
        loop {
            let credentials = credentials::find(&self.environment, &self.client)?;
            let request = sigv4::signed(
                &self.url,
                &self.region,
                target,
                body.to_string().into_bytes(),
                &credentials,
                Timestamp::now(),
            );
            match self.client.send(&request.retry(Retry::Idempotent).max_answer_bytes(MAX_ANSWER_BYTES)) {
                Err(HttpError::Status { status: 400, text, .. })
                    if text.contains("ThrottlingException") && attempt < 3 =>
                {
                    attempt += 1;
                    std::thread::sleep(Duration::from_millis(250 << attempt));
                }
                result => return Ok(result?),
            }
        }
    }
}

fn configured_region(environment: &Environment) -> Result<String, KmsError> {
    let region = match environment.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]) {
        Some(region) => Some(region.reveal().to_owned()),
        None => credentials::region_of_profile(environment)?,
    };
    region.filter(|region| is_region(region)).ok_or(KmsError::Setting {
        service: SERVICE,
        name: "AWS_REGION",
        expected: "the name of a region; or give the region in the URI (?region=eu-central-1)",
    })
}
