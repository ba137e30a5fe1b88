//! Rekor v1 (sigstore/rekor `openapi.yaml`, `pkg/types/dsse/v0.0.1`).

use super::{MAX_ANSWER_BYTES, Material, REKOR, Subject, TIMEOUT, Verifier, base64, improper, must_be};
use crate::{
    http::{Answer, Client, Request, Retry, ServiceUrl},
    sigstore::{SigningError, json_answer},
};
use aws_lc_rs::digest::{self, SHA256};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelseal_core::{
    json::{self, AtMost, Object},
    log_entry::{InclusionProof, LogEntry},
};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Of both kinds of entries.
const VERSION: &str = "0.0.1";

/// Hashes in one proof: a tree of 2^64 leaves has 64 levels.
const MAX_HASHES: usize = 64;

pub(super) fn upload(
    url: &ServiceUrl,
    subject: Subject<'_>,
    verifier: Verifier<'_>,
    client: &Client,
) -> Result<LogEntry, SigningError> {
    let (label, der) = match verifier.material {
        Material::PublicKey(der) => ("PUBLIC KEY", der),
        Material::Certificate(der) => ("CERTIFICATE", der),
    };
    let signature = base64(subject.signature());
    let verifier = base64(pem(label, der).as_bytes());
    let (kind, body) = match subject {
        Subject::Envelope(envelope) => {
            let envelope = json!({
                "payload": base64(envelope.payload_unverified()),
                "payloadType": envelope.payload_type(),
                "signatures": [{ "sig": signature }],
            });
            let content = json!({ "envelope": envelope.to_string(), "verifiers": [verifier] });
            let spec = json!({ "proposedContent": content });
            ("dsse", json!({ "apiVersion": VERSION, "kind": "dsse", "spec": spec }))
        }
        Subject::File { bytes, .. } => {
            let spec = json!({
                "data": { "hash": { "algorithm": "sha256", "value": sha256(bytes) } },
                "signature": { "content": signature, "publicKey": { "content": verifier } },
            });
            ("hashedrekord", json!({ "apiVersion": VERSION, "kind": "hashedrekord", "spec": spec }))
        }
    };
    let entries = url.join("/api/v1/log/entries");
    let request = Request::post(REKOR, entries, "application/json", body.to_string().into_bytes())
        .attempt_timeout(TIMEOUT)
        .max_answer_bytes(MAX_ANSWER_BYTES)
        .accept_status(409)
        // What is there already is named by the second answer.
        .retry(Retry::Idempotent);
    let mut answer = client.send(&request)?;
    if answer.status == 409 {
        answer = existing(url, &answer, client)?;
    }
    let mut entries: BTreeMap<String, Object<WireEntry>> = json_answer::read(REKOR, url, &answer)?;
    let Some((_, entry)) = entries.pop_first().filter(|_| entries.is_empty()) else {
        return Err(improper(url, "not exactly one log entry"));
    };
    let entry = entry.0.read(kind, url)?;
    check_body(url, &entry.canonicalized_body, subject, &signature, der)?;
    Ok(entry)
}

/// Fetches the entry that is there already. Only its name is taken from the answer: the log is the one that was asked.
fn existing(url: &ServiceUrl, answer: &Answer, client: &Client) -> Result<Answer, SigningError> {
    let name = answer.location.as_deref().and_then(|location| location.rsplit('/').next());
    let name = name
        .filter(|name| matches!(name.len(), 64 | 80) && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let Some(name) = name else {
        return Err(improper(url, "the entry is in the log already, and its name is not told"));
    };
    let entry = url.join(&format!("/api/v1/log/entries/{name}"));
    let request = Request::get(REKOR, entry)
        .attempt_timeout(TIMEOUT)
        .max_answer_bytes(MAX_ANSWER_BYTES)
        .retry(Retry::Idempotent);
    Ok(client.send(&request)?)
}

fn check_body(
    url: &ServiceUrl,
    body: &[u8],
    subject: Subject<'_>,
    signature: &str,
    der: &[u8],
) -> Result<(), SigningError> {
    let unreadable =
        |e: json::JsonError| improper(url, format!("a log entry whose body cannot be read: {e}"));
    let read = |kind: &'static str, found: &str, version: &str| {
        must_be(url, "kind", &format!("{kind} {VERSION}"), &format!("{found} {version}"))
    };
    let (hash, sent_digest, what, found_signature, found_verifier) = match subject {
        Subject::Envelope(envelope) => {
            let body: WireBody<WireDsse> = json::read(body, MAX_ANSWER_BYTES as u64).map_err(unreadable)?;
            read("dsse", &body.kind, &body.version)?;
            let WireDsse { payload_hash, signatures } = body.spec.0;
            let [found] = <[_; 1]>::try_from(signatures.0)
                .map_err(|_| improper(url, "a log entry with not exactly one signature"))?;
            let digest = sha256(envelope.payload_unverified());
            (payload_hash.0, digest, "digest of the payload", found.0.signature, found.0.verifier)
        }
        Subject::File { bytes, .. } => {
            let body: WireBody<WireHashed> = json::read(body, MAX_ANSWER_BYTES as u64).map_err(unreadable)?;
            read("hashedrekord", &body.kind, &body.version)?;
            let WireHashed { data, signature } = body.spec.0;
            let WireHashedSignature { content, public_key } = signature.0;
            (data.0.hash.0, sha256(bytes), "digest", content, public_key.0.content)
        }
    };
    must_be(url, "hash", "sha256", &hash.algorithm)?;
    must_be(url, what, &sent_digest, &hash.value)?;
    must_be(url, "signature", signature, &found_signature)?;
    // The log writes PEM in its own way: the DER inside is compared.
    let pem = STANDARD.decode(&found_verifier).unwrap_or_default();
    let found = der::pem::decode_vec(pem.trim_ascii()).map(|(_, der)| der).unwrap_or_default();
    must_be(url, "verifier", &base64(der), &base64(&found))
}

#[derive(Deserialize)]
struct WireEntry {
    body: String,
    #[serde(rename = "integratedTime")]
    integrated_time: i64,
    #[serde(rename = "logID")]
    log_id: String,
    #[serde(rename = "logIndex")]
    log_index: u64,
    verification: Object<WireVerification>,
}

#[derive(Deserialize)]
struct WireVerification {
    #[serde(rename = "inclusionProof")]
    proof: Object<WireProof>,
    #[serde(rename = "signedEntryTimestamp")]
    promise: String,
}

#[derive(Deserialize)]
struct WireProof {
    checkpoint: String,
    hashes: AtMost<String, MAX_HASHES>,
    #[serde(rename = "logIndex")]
    log_index: u64,
    #[serde(rename = "rootHash")]
    root_hash: String,
    #[serde(rename = "treeSize")]
    tree_size: u64,
}

impl WireEntry {
    fn read(self, kind: &str, url: &ServiceUrl) -> Result<LogEntry, SigningError> {
        let wrong = |what: &str| improper(url, format!("a log entry whose {what} cannot be read"));
        let decode = |text: &str, what| STANDARD.decode(text).map_err(|_| wrong(what));
        let unhex = |text: &str, what| unhex(text).ok_or_else(|| wrong(what));
        let verification = self.verification.0;
        let proof = verification.proof.0;
        let hashes = proof.hashes.0.iter().map(|hash| unhex(hash, "proof"));
        let entry = LogEntry {
            log_index: self.log_index,
            log_id: unhex(&self.log_id, "log")?,
            kind: kind.to_owned(),
            version: VERSION.to_owned(),
            integrated_time: Some(self.integrated_time),
            inclusion_promise: Some(decode(&verification.promise, "signed time")?),
            inclusion_proof: Some(InclusionProof {
                log_index: proof.log_index,
                root_hash: unhex(&proof.root_hash, "root hash")?,
                tree_size: proof.tree_size,
                hashes: hashes.collect::<Result<_, _>>()?,
                checkpoint: proof.checkpoint,
            }),
            canonicalized_body: decode(&self.body, "body")?,
        };
        entry.check().map_err(|e| improper(url, e.to_string()))?;
        Ok(entry)
    }
}

#[derive(Deserialize)]
struct WireBody<T> {
    #[serde(rename = "apiVersion")]
    version: String,
    kind: String,
    spec: Object<T>,
}

#[derive(Deserialize)]
struct WireDsse {
    #[serde(rename = "payloadHash")]
    payload_hash: Object<WireHash>,
    signatures: AtMost<Object<WireSignature>, 4>,
}

#[derive(Deserialize)]
struct WireHashed {
    data: Object<WireData>,
    signature: Object<WireHashedSignature>,
}

#[derive(Deserialize)]
struct WireData {
    hash: Object<WireHash>,
}

#[derive(Deserialize)]
struct WireHashedSignature {
    content: String,
    #[serde(rename = "publicKey")]
    public_key: Object<WireKey>,
}

#[derive(Deserialize)]
struct WireKey {
    content: String,
}

#[derive(Deserialize)]
struct WireHash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
struct WireSignature {
    signature: String,
    verifier: String,
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    let encoded = base64(der);
    for line in encoded.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

fn sha256(bytes: &[u8]) -> String {
    modelseal_core::text::hex(digest::digest(&SHA256, bytes).as_ref())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) || text.len() > 1024 {
        return None;
    }
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect()
}
