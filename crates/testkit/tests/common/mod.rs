//! A client of the double, written by hand: HTTP over a socket, and bundles put together from the answers.
#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use modelseal_testkit::{Double, RekorVersion};
use serde_json::{Value, json};

/// What a bundle is about.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The bytes the subject's digest is of.
pub(crate) const ARTIFACT: &[u8] = b"model";

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The DER of the first PEM block.
pub(crate) fn unpem(pem: &str) -> Vec<u8> {
    let inner: String = pem.lines().skip(1).take_while(|line| !line.starts_with('-')).collect();
    STANDARD.decode(inner).unwrap()
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = b64(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// One request; an error if no whole answer comes within the time.
pub(crate) fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    patience: Duration,
) -> Result<Reply, String> {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).map_err(|e| e.to_string())?;
    stream.write_all(body).map_err(|e| e.to_string())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(|e| e.to_string())?;
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or("no answer")?;
    let head = String::from_utf8_lossy(&answer[..at]).into_owned();
    let body = answer[at + 4..].to_vec();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    if length.is_some_and(|length| length.parse() != Ok(body.len())) {
        return Err(format!("the answer ends after {} bytes", body.len()));
    }
    let status = head[9..12].parse().unwrap();
    Ok(Reply { status, head, body })
}

pub(crate) fn post(url: &str, media_type: &str, body: &[u8]) -> Result<Reply, String> {
    request("POST", url, &[("Content-Type", media_type)], body, Duration::from_secs(20))
}

pub(crate) fn get(url: &str) -> Result<Reply, String> {
    request("GET", url, &[], &[], Duration::from_secs(20))
}

/// A P-256 key of the client's.
pub(crate) struct Key(EcdsaKeyPair);

impl Key {
    pub(crate) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        self.0.public_key().as_der().unwrap().as_ref().to_vec()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

/// Leaf first; the error is what Fulcio says.
pub(crate) fn certificate(
    double: &Double,
    key: &Key,
    token: &str,
    proof: &str,
) -> Result<Vec<Vec<u8>>, String> {
    let body = json!({
        "credentials": {"oidcIdentityToken": token},
        "publicKeyRequest": {
            "publicKey": {"algorithm": "ECDSA", "content": pem("PUBLIC KEY", &key.spki())},
            "proofOfPossession": b64(key.sign(proof.as_bytes())),
        },
    });
    let url = format!("{}/api/v2/signingCert", double.url());
    let reply = post(&url, "application/json", body.to_string().as_bytes())?;
    if reply.status != 200 {
        return Err(format!("fulcio {}: {}", reply.status, reply.json()["message"]));
    }
    let chain = reply.json()["signedCertificateEmbeddedSct"]["chain"]["certificates"].clone();
    Ok(chain.as_array().unwrap().iter().map(|c| unpem(c.as_str().unwrap())).collect())
}

/// A TimeStampReq for SHA-256 of the bytes.
pub(crate) fn query(bytes: &[u8], nonce: [u8; 8], certificates: bool) -> Vec<u8> {
    let mut out = vec![0x30, 0, 2, 1, 1, 0x30, 0x31, 0x30, 0x0d, 6, 9];
    out.extend([0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20]);
    out.extend(sha256(bytes));
    out.extend([2, 8]);
    out.extend(nonce);
    if certificates {
        out.extend([1, 1, 0xff]);
    }
    out[1] = u8::try_from(out.len() - 2).unwrap();
    out
}

pub(crate) fn timestamp(url: &str, signature: &[u8]) -> Result<Vec<u8>, String> {
    let reply = post(url, "application/timestamp-query", &query(signature, *b"\x10nonces!", true))?;
    if reply.status >= 300 { Err(format!("tsa {}", reply.status)) } else { Ok(reply.body) }
}

/// The statement that is signed.
pub(crate) fn statement() -> Vec<u8> {
    let subject = json!({"name": "model", "digest": {"sha256": hex(&sha256(ARTIFACT))}});
    json!({"_type": "https://in-toto.io/Statement/v1", "subject": [subject], "predicateType": "https://example.com/p", "predicate": {}})
        .to_string()
        .into_bytes()
}

/// Who signs: by certificate, or by a key the verifier has.
pub(crate) enum Verifier<'a> {
    Certificate(&'a [u8]),
    Key(&'a [u8]),
}

/// Logs a DSSE envelope. The log entry as bundles carry it.
pub(crate) fn log_envelope(
    double: &Double,
    rekor: RekorVersion,
    envelope: &Value,
    pae: &[u8],
    signature: &[u8],
    by: &Verifier<'_>,
) -> Result<Value, String> {
    if rekor == RekorVersion::V2 {
        return log_digest_v2(double, &sha256(pae), signature, by);
    }
    let verifier = match by {
        Verifier::Certificate(der) => pem("CERTIFICATE", der),
        Verifier::Key(der) => pem("PUBLIC KEY", der),
    };
    let proposed = json!({"envelope": envelope.to_string(), "verifiers": [b64(verifier)]});
    let body = json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {"proposedContent": proposed}});
    log_v1(double, &body)
}

pub(crate) fn log_v1(double: &Double, body: &Value) -> Result<Value, String> {
    let url = format!("{}/api/v1/log/entries", double.url());
    let reply = post(&url, "application/json", body.to_string().as_bytes())?;
    if reply.status != 201 {
        return Err(format!("rekor {}: {}", reply.status, reply.json()["message"]));
    }
    let entries = reply.json();
    let entry = entries.as_object().unwrap().values().next().unwrap();
    let proof = &entry["verification"]["inclusionProof"];
    let b64_of_hex = |value: &Value| json!(b64(unhex(value.as_str().unwrap())));
    let mut out = json!({
        "logIndex": entry["logIndex"].to_string(), "logId": {"keyId": b64_of_hex(&entry["logID"])},
        "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
        "integratedTime": entry["integratedTime"].to_string(),
        "inclusionPromise": {"signedEntryTimestamp": entry["verification"]["signedEntryTimestamp"]},
        "canonicalizedBody": entry["body"],
    });
    if proof.is_object() {
        let hashes: Vec<_> = proof["hashes"].as_array().unwrap().iter().map(b64_of_hex).collect();
        out["inclusionProof"] = json!({
            "logIndex": proof["logIndex"].to_string(), "treeSize": proof["treeSize"].to_string(),
            "rootHash": b64_of_hex(&proof["rootHash"]), "hashes": hashes,
        });
        if proof["checkpoint"].is_string() {
            out["inclusionProof"]["checkpoint"] = json!({"envelope": proof["checkpoint"]});
        }
    }
    Ok(out)
}

pub(crate) fn log_digest_v2(
    double: &Double,
    digest: &[u8],
    signature: &[u8],
    by: &Verifier<'_>,
) -> Result<Value, String> {
    let mut verifier = match by {
        Verifier::Certificate(der) => json!({"x509Certificate": {"rawBytes": b64(der)}}),
        Verifier::Key(der) => json!({"publicKey": {"rawBytes": b64(der)}}),
    };
    verifier["keyDetails"] = json!("PKIX_ECDSA_P256_SHA_256");
    let body = json!({"hashedRekordRequestV002": {
        "digest": b64(digest), "signature": {"content": b64(signature), "verifier": verifier},
    }});
    let url = format!("{}/api/v2/log/entries", double.url());
    let reply = post(&url, "application/json", body.to_string().as_bytes())?;
    if reply.status == 201 {
        Ok(reply.json())
    } else {
        Err(format!("rekor {}: {}", reply.status, reply.json()["message"]))
    }
}

/// A keyless DSSE bundle for `dev@example.com`, timestamped by these authorities.
pub(crate) fn keyless(double: &Double, rekor: RekorVersion, tsas: &[String]) -> Result<Value, String> {
    let key = Key::new();
    let chain = certificate(double, &key, &double.token("dev@example.com"), "dev@example.com")?;
    bundle(double, rekor, tsas, &key, Some(&chain[0]))
}

/// A DSSE bundle signed by the key; without a certificate it names the key by a hint.
pub(crate) fn bundle(
    double: &Double,
    rekor: RekorVersion,
    tsas: &[String],
    key: &Key,
    certificate: Option<&[u8]>,
) -> Result<Value, String> {
    let payload = statement();
    let pae = [format!("DSSEv1 28 {PAYLOAD_TYPE} {} ", payload.len()).as_bytes(), &payload].concat();
    let signature = key.sign(&pae);
    let envelope = json!({
        "payload": b64(&payload), "payloadType": PAYLOAD_TYPE, "signatures": [{"sig": b64(&signature)}],
    });
    let spki = key.spki();
    let by = certificate.map_or(Verifier::Key(&spki), Verifier::Certificate);
    let entry = log_envelope(double, rekor, &envelope, &pae, &signature, &by)?;
    let mut tokens = Vec::new();
    for url in tsas {
        tokens.push(json!({"signedTimestamp": b64(timestamp(url, &signature)?)}));
    }
    let mut material = json!({
        "tlogEntries": [entry], "timestampVerificationData": {"rfc3161Timestamps": tokens},
    });
    match certificate {
        Some(der) => material["certificate"] = json!({"rawBytes": b64(der)}),
        None => material["publicKey"] = json!({"hint": hex(&sha256(&spki))}),
    }
    Ok(json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": material, "dsseEnvelope": envelope,
    }))
}
