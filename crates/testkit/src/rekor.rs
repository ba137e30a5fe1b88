//! Rekor v1 and v2: checks what is submitted, canonicalizes it, and proves that it is in a real Merkle tree.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::double::Options;
use crate::fault::Fault;
use crate::http::Response;
use crate::json::{b64, canonical, hex, unb64, unhex, unpem};
use crate::keys::{self, EcKey, EdKey, Signed, sha256};
use crate::merkle::{Tree, leaf};

/// Name of both logs: clients derive that of v2 from the host of its URL.
pub(crate) const ORIGIN: &str = "127.0.0.1";
/// Tree of v1; its global indices continue those of earlier trees.
const TREE: &str = "4242424242424242";
/// Entries of the earlier trees.
const EARLIER: usize = 1_000;

/// A log: its tree and what was added to it.
struct Log {
    tree: Tree,
    /// Answers by leaf hash, to recognize what was added before.
    added: HashMap<[u8; 32], Value>,
}

impl Log {
    /// Entries of others come first, so that every proof has something to prove.
    fn new() -> Self {
        let mut tree = Tree::default();
        for number in 0..5_u8 {
            tree.add(&[b"an entry of someone else's: "[..].to_vec(), vec![number]].concat());
        }
        Self { tree, added: HashMap::new() }
    }
}

/// Both logs.
pub(crate) struct Rekor {
    pub(crate) v1: EcKey,
    pub(crate) v2: EdKey,
    foreign_v1: EcKey,
    foreign_v2: EdKey,
    witness: EdKey,
    log_v1: Mutex<Log>,
    log_v2: Mutex<Log>,
}

impl Rekor {
    pub(crate) fn new() -> Self {
        Self {
            v1: EcKey::generate(),
            v2: EdKey::generate(),
            foreign_v1: EcKey::generate(),
            foreign_v2: EdKey::generate(),
            witness: EdKey::generate(),
            log_v1: Mutex::new(Log::new()),
            log_v2: Mutex::new(Log::new()),
        }
    }

    /// Id of the v2 log: the key id of its checkpoints, in full.
    pub(crate) fn v2_id(&self) -> [u8; 32] {
        note_key_id(ORIGIN, 1, self.v2.raw())
    }

    /// `POST /api/v1/log/entries`.
    pub(crate) fn add_v1(&self, body: &[u8], now: i64, fault: Option<&Fault>) -> Result<Response, Response> {
        let request: Value =
            serde_json::from_slice(body).map_err(|e| refuse(&format!("the body is no JSON: {e}")))?;
        let kind = (
            request["kind"].as_str().unwrap_or_default(),
            request["apiVersion"].as_str().unwrap_or_default(),
        );
        let mut spec = match kind {
            ("dsse", "0.0.1") => dsse_v1(&request["spec"]),
            ("hashedrekord", "0.0.1") => hashedrekord_v1(&request["spec"]),
            (kind, version) => Err(format!("entries of kind {kind} {version} are not taken")),
        }
        .map_err(|why| refuse(&why))?;
        if fault == Some(&Fault::EntryForAnotherEnvelope) {
            let (digest, signature) = something_else();
            if kind.0 == "dsse" {
                spec["payloadHash"]["value"] = json!(hex(&digest));
                spec["envelopeHash"]["value"] = json!(hex(&sha256(&digest)));
                spec["signatures"][0]["signature"] = json!(b64(signature));
            } else {
                spec["data"]["hash"]["value"] = json!(hex(&digest));
                spec["signature"]["content"] = json!(b64(signature));
            }
        }
        let entry = canonical(&json!({"apiVersion": kind.1, "kind": kind.0, "spec": spec}));
        let mut log = self.log_v1.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = leaf(entry.as_bytes());
        let uuid = format!("{:0>16}{}", hex(&TREE.as_bytes()[..8]), hex(&hash));
        if log.added.contains_key(&hash) {
            let message =
                format!("an equivalent entry already exists in the transparency log with UUID {uuid}");
            return Err(
                Response::error(409, &message).with("Location", format!("/api/v1/log/entries/{uuid}"))
            );
        }
        let index = log.tree.add(entry.as_bytes());
        let id = match fault {
            Some(Fault::LogForeign) => self.foreign_v1.id(),
            _ => self.v1.id(),
        };
        let mut answer = json!({
            "body": b64(&entry), "integratedTime": now, "logID": hex(&id), "logIndex": EARLIER + index,
        });
        let set = match fault {
            Some(Fault::SetWrong) => {
                let mut other = answer.clone();
                other["integratedTime"] = json!(now - 1);
                self.v1.sign(canonical(&other).as_bytes())
            }
            Some(Fault::LogForeign) => self.foreign_v1.sign(canonical(&answer).as_bytes()),
            _ => self.v1.sign(canonical(&answer).as_bytes()),
        };
        let proven = if fault == Some(&Fault::ProofOfAnotherEntry) { 0 } else { index };
        answer["verification"] = json!({"signedEntryTimestamp": b64(set)});
        if fault != Some(&Fault::ProofMissing) {
            let mut proof = json!({
                "logIndex": proven, "rootHash": hex(&log.tree.root()), "treeSize": log.tree.size(),
                "hashes": log.tree.proof(proven).iter().map(|hash| hex(hash)).collect::<Vec<_>>(),
            });
            if fault != Some(&Fault::CheckpointMissing) {
                proof["checkpoint"] = json!(self.checkpoint_v1(&log.tree, fault));
            }
            answer["verification"]["inclusionProof"] = proof;
        }
        if fault.is_none() {
            log.added.insert(hash, json!({&uuid: answer}));
        }
        Ok(Response::json(201, &json!({&uuid: answer}))
            .with("Location", format!("/api/v1/log/entries/{uuid}")))
    }

    /// `GET /api/v1/log/entries/{uuid}`.
    pub(crate) fn get_v1(&self, uuid: &str) -> Result<Response, Response> {
        let log = self.log_v1.lock().unwrap_or_else(PoisonError::into_inner);
        let hash: Option<[u8; 32]> = uuid.get(16..).and_then(unhex).and_then(|bytes| bytes.try_into().ok());
        let found = hash
            .and_then(|hash| log.added.get(&hash))
            .ok_or_else(|| Response::error(404, "no such entry"))?;
        Ok(Response::json(200, found))
    }

    /// `POST /api/v2/log/entries`.
    pub(crate) fn add_v2(
        &self,
        body: &[u8],
        now: i64,
        options: &Options,
        fault: Option<&Fault>,
    ) -> Result<Response, Response> {
        let request: Value =
            serde_json::from_slice(body).map_err(|e| refuse(&format!("the body is no JSON: {e}")))?;
        let mut data = hashedrekord_v2(&request).map_err(|why| refuse(&why))?;
        if fault == Some(&Fault::EntryForAnotherEnvelope) {
            let (digest, signature) = something_else();
            data["data"]["digest"] = json!(b64(digest));
            data["signature"]["content"] = json!(b64(signature));
        }
        let entry = canonical(
            &json!({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": data}}),
        );
        let mut log = self.log_v2.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = leaf(entry.as_bytes());
        if log.added.contains_key(&hash) {
            return Err(Response::error(409, "an equivalent entry already exists"));
        }
        let index = log.tree.add(entry.as_bytes());
        let proven = if fault == Some(&Fault::ProofOfAnotherEntry) { 0 } else { index };
        let id = match fault {
            Some(Fault::LogForeign) => note_key_id(ORIGIN, 1, self.foreign_v2.raw()),
            _ => self.v2_id(),
        };
        let mut answer = json!({
            "logIndex": index.to_string(), "logId": {"keyId": b64(id)},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "integratedTime": "0", "inclusionPromise": null, "canonicalizedBody": b64(&entry),
        });
        if fault != Some(&Fault::ProofMissing) {
            let mut proof = json!({
                "logIndex": proven.to_string(), "rootHash": b64(log.tree.root()), "treeSize": log.tree.size().to_string(),
                "hashes": log.tree.proof(proven).iter().map(b64).collect::<Vec<_>>(),
            });
            if fault != Some(&Fault::CheckpointMissing) {
                proof["checkpoint"] = json!({"envelope": self.checkpoint_v2(&log.tree, now, options, fault)});
            }
            answer["inclusionProof"] = proof;
        }
        if fault.is_none() {
            log.added.insert(hash, Value::Null);
        }
        Ok(Response::json(201, &answer))
    }

    fn checkpoint_v1(&self, tree: &Tree, fault: Option<&Fault>) -> String {
        let note = note(&format!("{ORIGIN} - {TREE}"), tree, fault);
        let hint = |key: &EcKey| key.id()[..4].to_vec();
        let lines = match fault {
            Some(Fault::CheckpointUnsigned) => Vec::new(),
            Some(Fault::CheckpointForeign) => {
                vec![line(
                    "other.example.net",
                    &hint(&self.foreign_v1),
                    &self.foreign_v1.sign(note.as_bytes()),
                )]
            }
            Some(Fault::CheckpointForged) => {
                vec![line(ORIGIN, &hint(&self.v1), &self.foreign_v1.sign(note.as_bytes()))]
            }
            Some(Fault::LogForeign) => {
                vec![line(ORIGIN, &hint(&self.foreign_v1), &self.foreign_v1.sign(note.as_bytes()))]
            }
            _ => vec![line(ORIGIN, &hint(&self.v1), &self.v1.sign(note.as_bytes()))],
        };
        format!("{note}\n{}", lines.concat())
    }

    fn checkpoint_v2(&self, tree: &Tree, now: i64, options: &Options, fault: Option<&Fault>) -> String {
        let note = note(ORIGIN, tree, fault);
        let signed = |name: &str, named: &EdKey, signer: &EdKey| {
            line(name, &note_key_id(name, 1, named.raw())[..4], &signer.sign(note.as_bytes()))
        };
        let mut lines = match fault {
            Some(Fault::CheckpointUnsigned) => Vec::new(),
            Some(Fault::CheckpointForeign) => {
                vec![signed("other.example.net", &self.foreign_v2, &self.foreign_v2)]
            }
            Some(Fault::CheckpointForged) => vec![signed(ORIGIN, &self.v2, &self.foreign_v2)],
            Some(Fault::LogForeign) => vec![signed(ORIGIN, &self.foreign_v2, &self.foreign_v2)],
            _ => vec![signed(ORIGIN, &self.v2, &self.v2)],
        };
        if options.witnesses {
            // C2SP tlog-cosignature: over the time and the note.
            let name = "witness.example.net";
            let signature = self.witness.sign(format!("cosignature/v1\ntime {now}\n{note}").as_bytes());
            let signature = [&now.to_be_bytes()[..], &signature].concat();
            lines.push(line(name, &note_key_id(name, 4, self.witness.raw())[..4], &signature));
        }
        format!("{note}\n{}", lines.concat())
    }
}

fn refuse(message: &str) -> Response {
    Response::error(400, message)
}

/// Digest and signature of something that was never sent.
fn something_else() -> ([u8; 32], Vec<u8>) {
    (sha256(b"another envelope"), EcKey::generate().sign(b"another envelope"))
}

/// The signed part of a checkpoint.
fn note(origin: &str, tree: &Tree, fault: Option<&Fault>) -> String {
    let size = if fault == Some(&Fault::CheckpointOfAnotherSize) { tree.size() - 1 } else { tree.size() };
    format!("{origin}\n{size}\n{}\n", b64(tree.root_at(size)))
}

/// A signature line of a note.
fn line(name: &str, hint: &[u8], signature: &[u8]) -> String {
    format!("\u{2014} {name} {}\n", b64([hint, signature].concat()))
}

/// C2SP signed-note: SHA-256 over name, line feed, algorithm, key.
fn note_key_id(name: &str, algorithm: u8, key: &[u8]) -> [u8; 32] {
    sha256(&[name.as_bytes(), &[b'\n', algorithm], key].concat())
}

/// The public key of a PEM certificate or public key.
fn pem_key(text: &[u8]) -> Option<Vec<u8>> {
    let (label, der) = unpem(std::str::from_utf8(text).ok()?)?;
    if label == "CERTIFICATE" { keys::certificate_key(&der).map(<[u8]>::to_vec) } else { Some(der) }
}

/// The spec of a `dsse` 0.0.1 entry.
fn dsse_v1(spec: &Value) -> Result<Value, String> {
    let proposed = &spec["proposedContent"];
    let text = proposed["envelope"].as_str().ok_or("proposedContent.envelope is missing")?;
    let envelope: Value = serde_json::from_str(text).map_err(|e| format!("the envelope is no JSON: {e}"))?;
    let payload = envelope["payload"].as_str().and_then(unb64).ok_or("the envelope has no payload")?;
    let kind = envelope["payloadType"].as_str().ok_or("the envelope has no payload type")?;
    let pae = [format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).as_bytes(), &payload].concat();
    let verifiers: Vec<_> =
        proposed["verifiers"].as_array().into_iter().flatten().filter_map(|v| unb64(v.as_str()?)).collect();
    let mut signatures = Vec::new();
    for signature in envelope["signatures"].as_array().into_iter().flatten() {
        let bytes = signature["sig"].as_str().and_then(unb64).ok_or("a signature is no base64")?;
        let verifier = verifiers
            .iter()
            .find(|text| {
                pem_key(text).is_some_and(|key| keys::verify(&key, Signed::Message(&pae), &bytes).is_ok())
            })
            .ok_or("a signature of the envelope verifies under none of the verifiers")?;
        signatures.push((b64(bytes), b64(verifier)));
    }
    if signatures.is_empty() {
        return Err("the envelope has no signatures".to_owned());
    }
    signatures.sort();
    let signatures: Vec<_> = signatures
        .into_iter()
        .map(|(signature, verifier)| json!({"signature": signature, "verifier": verifier}))
        .collect();
    Ok(json!({
        "envelopeHash": {"algorithm": "sha256", "value": hex(&sha256(text.as_bytes()))},
        "payloadHash": {"algorithm": "sha256", "value": hex(&sha256(&payload))},
        "signatures": signatures,
    }))
}

/// The spec of a `hashedrekord` 0.0.1 entry.
fn hashedrekord_v1(spec: &Value) -> Result<Value, String> {
    let hash = &spec["data"]["hash"];
    let value = hash["value"].as_str().ok_or("data.hash.value is missing")?;
    let digest = unhex(value).ok_or("data.hash.value is no hex")?;
    let name = hash_name(&digest).ok_or("data.hash.value has a length of no hash")?;
    let algorithm = hash["algorithm"].as_str().unwrap_or_default();
    if algorithm != name.to_ascii_lowercase().replace("sha2_", "sha") {
        return Err(format!("data.hash.algorithm {algorithm:?} does not fit its value"));
    }
    let signature =
        spec["signature"]["content"].as_str().and_then(unb64).ok_or("signature.content is missing")?;
    let verifier =
        spec["signature"]["publicKey"]["content"].as_str().and_then(unb64).ok_or("publicKey is missing")?;
    let key = pem_key(&verifier).ok_or("publicKey.content is neither a certificate nor a key in PEM")?;
    keys::verify(&key, Signed::Digest(&digest), &signature)?;
    Ok(json!({
        "data": {"hash": {"algorithm": algorithm, "value": value}},
        "signature": {"content": b64(signature), "publicKey": {"content": b64(verifier)}},
    }))
}

/// The spec of a `hashedrekord` 0.0.2 entry.
fn hashedrekord_v2(request: &Value) -> Result<Value, String> {
    let request = request.get("hashedRekordRequestV002").ok_or("only hashedRekordRequestV002 is taken")?;
    let digest = request["digest"].as_str().and_then(unb64).ok_or("digest is missing")?;
    let algorithm = hash_name(&digest).ok_or("digest has a length of no hash")?;
    let signature =
        request["signature"]["content"].as_str().and_then(unb64).ok_or("signature.content is missing")?;
    let verifier = &request["signature"]["verifier"];
    let bytes = |name: &str| verifier[name]["rawBytes"].as_str().and_then(unb64);
    let (member, raw, key) = match (bytes("x509Certificate"), bytes("publicKey")) {
        (Some(raw), None) => {
            let key = keys::certificate_key(&raw).ok_or("x509Certificate is malformed")?.to_vec();
            ("x509Certificate", raw, key)
        }
        (None, Some(raw)) => ("publicKey", raw.clone(), raw),
        _ => return Err("the verifier is not one of x509Certificate and publicKey".to_owned()),
    };
    let details = verifier["keyDetails"].as_str().unwrap_or_default();
    let fits = match details {
        "PKIX_ECDSA_P256_SHA_256" | "PKIX_RSA_PKCS1V15_2048_SHA256" => "SHA2_256",
        "PKIX_RSA_PKCS1V15_3072_SHA256" | "PKIX_RSA_PKCS1V15_4096_SHA256" => "SHA2_256",
        "PKIX_ECDSA_P384_SHA_384" => "SHA2_384",
        "PKIX_ECDSA_P521_SHA_512" => "SHA2_512",
        _ => return Err(format!("keyDetails {details:?} is not taken")),
    };
    if fits != algorithm {
        return Err(format!("a digest of {} bytes does not fit {details}", digest.len()));
    }
    keys::verify(&key, Signed::Digest(&digest), &signature)?;
    Ok(json!({
        "data": {"algorithm": algorithm, "digest": b64(digest)},
        "signature": {"content": b64(signature), "verifier": {member: {"rawBytes": b64(raw)}, "keyDetails": details}},
    }))
}

/// The hash whose digests are so long.
fn hash_name(digest: &[u8]) -> Option<&'static str> {
    match digest.len() {
        32 => Some("SHA2_256"),
        48 => Some("SHA2_384"),
        64 => Some("SHA2_512"),
        _ => None,
    }
}
