//! Google Cloud KMS: `publicKey` and `asymmetricSign` of its REST API, with its checksums in both directions.

use super::{
    environment::Environment,
    error::KmsError,
    service::{self, MAX_ANSWER_BYTES, TokenAnswer, base64_of, bearer, metadata_client},
};
use crate::{
    http::{Answer, Client, Request, Retry, Secret, ServiceUrl},
    remote::{Input, PublicKey, RemoteSignature},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelseal_core::key::KeyAlgorithm;
use serde::Deserialize;
use serde_json::json;

pub(super) const SERVICE: &str = "Google Cloud KMS";

/// What `asymmetricSign` takes where it takes no digest.
const MAX_DATA_BYTES: usize = 64 * 1024;

const METADATA: &str = "Google Cloud metadata server";

const ADVICE: &str = "set GOOGLE_OAUTH_ACCESS_TOKEN, as in `export GOOGLE_OAUTH_ACCESS_TOKEN=$(gcloud auth \
                      print-access-token)`; on Google Cloud the machine's service account is used";

#[derive(Debug)]
pub(super) struct Google {
    url: ServiceUrl,
    name: String,
    environment: Environment,
    client: Client,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicKeyAnswer {
    pem: String,
    algorithm: String,
    pem_crc32c: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignAnswer {
    signature: String,
    signature_crc32c: String,
    #[serde(default)]
    verified_digest_crc32c: bool,
    #[serde(default)]
    verified_data_crc32c: bool,
    name: String,
}

impl Google {
    pub(super) fn open(
        name: &str,
        environment: Environment,
        client: Client,
    ) -> Result<(Self, PublicKey), KmsError> {
        let base = environment.setting("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS");
        let base = base.as_deref().unwrap_or("https://cloudkms.googleapis.com");
        let url = ServiceUrl::parse(base)?.join(&format!("/v1/{name}"));
        let google = Self { url, name: name.to_owned(), environment, client };
        let url = google.url.join("publicKey");
        let answer = google.send(Request::get(SERVICE, url))?;
        let answer: PublicKeyAnswer = service::read(SERVICE, &answer)?;
        google.same_name(&answer.name)?;
        if answer.pem_crc32c != crc32c(answer.pem.as_bytes()).to_string() {
            return Err(KmsError::Damaged { service: SERVICE, what: "the public key" });
        }
        let expected = match answer.algorithm.as_str() {
            "EC_SIGN_P256_SHA256" => KeyAlgorithm::P256,
            "EC_SIGN_P384_SHA384" => KeyAlgorithm::P384,
            "EC_SIGN_ED25519" => KeyAlgorithm::Ed25519,
            other => return Err(KmsError::UnsupportedKey { service: SERVICE, found: service::name(other) }),
        };
        let public_key = service::public_key_of_pem(SERVICE, &answer.pem)?;
        if public_key.algorithm() != expected {
            let reason = format!("the key is {} and its public key {}", expected, public_key.algorithm());
            return Err(KmsError::Answer { service: SERVICE, reason });
        }
        Ok((google, public_key))
    }

    pub(super) fn sign(
        &self,
        algorithm: KeyAlgorithm,
        input: &Input<'_>,
    ) -> Result<RemoteSignature, KmsError> {
        let body = match input {
            Input::Digest(digest) => {
                let hash = match algorithm {
                    KeyAlgorithm::P384 => "sha384",
                    KeyAlgorithm::P521 => "sha512",
                    KeyAlgorithm::P256 | KeyAlgorithm::Ed25519 => "sha256",
                };
                json!({
                    "digest": { hash: STANDARD.encode(digest) },
                    "digestCrc32c": crc32c(digest).to_string(),
                })
            }
            Input::Message(message) if message.len() > MAX_DATA_BYTES => {
                let (size, limit) = (message.len(), MAX_DATA_BYTES);
                return Err(KmsError::TooLong { service: SERVICE, size, limit });
            }
            Input::Message(message) => {
                json!({ "data": STANDARD.encode(message), "dataCrc32c": crc32c(message).to_string() })
            }
        };
        let url = ServiceUrl::parse(&format!("{}:asymmetricSign", self.url.as_str()))?;
        let request = Request::post(SERVICE, url, "application/json", body.to_string().into_bytes());
        let answer = self.send(request)?;
        let answer: SignAnswer = service::read(SERVICE, &answer)?;
        self.same_name(&answer.name)?;
        let arrived = match input {
            Input::Digest(_) => answer.verified_digest_crc32c,
            Input::Message(_) => answer.verified_data_crc32c,
        };
        if !arrived {
            return Err(KmsError::Damaged { service: SERVICE, what: "the request" });
        }
        let signature = base64_of(SERVICE, "the signature", &answer.signature)?;
        if answer.signature_crc32c != crc32c(&signature).to_string() {
            return Err(KmsError::Damaged { service: SERVICE, what: "the signature" });
        }
        Ok(RemoteSignature::Final(signature))
    }

    fn send(&self, request: Request) -> Result<Answer, KmsError> {
        let token = self.token()?;
        let request = request
            .redact(&token)
            .secret_header("authorization", &bearer(&token))
            .retry(Retry::Idempotent)
            .max_answer_bytes(MAX_ANSWER_BYTES);
        Ok(self.client.send(&request)?)
    }

    fn same_name(&self, found: &str) -> Result<(), KmsError> {
        if found == self.name {
            return Ok(());
        }
        let reason = "it is about another key".to_owned();
        Err(KmsError::Answer { service: SERVICE, reason })
    }

    fn token(&self) -> Result<Secret, KmsError> {
        let given = self.environment.first(&["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"]);
        if let Some(token) = given {
            return Ok(token);
        }
        let host = self.environment.setting("GCE_METADATA_HOST");
        let host = host.as_deref().unwrap_or("metadata.google.internal");
        let url = ServiceUrl::parse(&format!("http://{host}"))?;
        // Plain HTTP is taken from the address that Google gives to each machine, and from nowhere else.
        let known = ["metadata.google.internal", "169.254.169.254"].contains(&url.host());
        let client = if known { metadata_client(&self.client)? } else { self.client.clone() };
        let url = url.join("/computeMetadata/v1/instance/service-accounts/default/token");
        let request =
            Request::get(METADATA, url).header("metadata-flavor", "Google").retry(Retry::Idempotent);
        let answer = client.send(&request).map_err(|e| KmsError::NoCredentials {
            service: SERVICE,
            advice: ADVICE,
            last: Some(e.to_string()),
        })?;
        Ok(service::read::<TokenAnswer>(METADATA, &answer)?.access_token.into_secret())
    }
}

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4).
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0x82f6_3b78 & 0_u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720 appendix B.4, and the usual check value.
    #[test]
    fn known_checksums_come_out() {
        assert_eq!(crc32c(b""), 0);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }
}
