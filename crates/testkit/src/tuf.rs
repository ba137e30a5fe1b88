//! A TUF repository with the trusted root and the signing config: consistent snapshots, no delegations.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::fault::Fault;
use crate::http::Response;
use crate::json::{canonical_tuf, hex, pem};
use crate::keys::{EcKey, EdKey, sha256};
use crate::time::{DAY, rfc3339};

/// Days until each role expires.
const ROOT_DAYS: i64 = 365;
const TARGETS_DAYS: i64 = 90;
const TIMESTAMP_DAYS: i64 = 7;

/// The repository.
pub(crate) struct Repository {
    /// Signs root metadata; ECDSA, so that a PEM key is in the canonical form.
    root_key: EcKey,
    /// Signs everything else.
    online_key: EdKey,
    foreign_key: EdKey,
    /// Version of the root metadata.
    root_version: u64,
    /// Version of targets, snapshot and timestamp.
    version: u64,
    targets: BTreeMap<String, Vec<u8>>,
    /// Files by path.
    files: BTreeMap<String, Vec<u8>>,
}

impl Repository {
    pub(crate) fn new(targets: BTreeMap<String, Vec<u8>>, now: i64) -> Self {
        let mut repository = Self {
            root_key: EcKey::generate(),
            online_key: EdKey::generate(),
            foreign_key: EdKey::generate(),
            root_version: 1,
            version: 0,
            targets,
            files: BTreeMap::new(),
        };
        let root = repository.root(now);
        let signature = repository.root_key.sign(canonical_tuf(&root).as_bytes());
        let signatures = [(root_key_id(&repository.root_key), signature)];
        repository.files.insert("1.root.json".to_owned(), envelope(&root, &signatures));
        repository.publish(now);
        repository
    }

    /// The root a client is given out of band: the first one.
    pub(crate) fn first_root(&self) -> Vec<u8> {
        self.files["1.root.json"].clone()
    }

    /// Replaces a target and publishes.
    pub(crate) fn set_target(&mut self, name: &str, bytes: Vec<u8>, now: i64) {
        self.targets.insert(name.to_owned(), bytes);
        self.publish(now);
    }

    /// The next root metadata, with new keys, signed by the old root key and the new one; and all else anew.
    pub(crate) fn rotate(&mut self, now: i64) {
        let old = std::mem::replace(&mut self.root_key, EcKey::generate());
        self.online_key = EdKey::generate();
        self.root_version += 1;
        let root = self.root(now);
        let text = canonical_tuf(&root);
        let signatures = [&old, &self.root_key].map(|key| (root_key_id(key), key.sign(text.as_bytes())));
        self.files.insert(format!("{}.root.json", self.root_version), envelope(&root, &signatures));
        self.publish(now);
    }

    /// New targets, snapshot and timestamp.
    pub(crate) fn publish(&mut self, now: i64) {
        self.version += 1;
        let version = self.version;
        let mut described = serde_json::Map::new();
        for (name, bytes) in &self.targets {
            let hash = hex(&sha256(bytes));
            described.insert(name.clone(), json!({"length": bytes.len(), "hashes": {"sha256": hash}}));
            self.files.insert(format!("targets/{hash}.{name}"), bytes.clone());
        }
        let mut targets = role("targets", version, now + TARGETS_DAYS * DAY);
        targets["targets"] = Value::Object(described);
        let targets = self.sign(&targets);
        let mut snapshot = role("snapshot", version, now + TARGETS_DAYS * DAY);
        snapshot["meta"] = json!({"targets.json": pin(version, &targets)});
        let snapshot = self.sign(&snapshot);
        let timestamp = self.sign(&self.timestamp(&snapshot, now + TIMESTAMP_DAYS * DAY));
        self.files.insert(format!("{version}.targets.json"), targets);
        self.files.insert(format!("{version}.snapshot.json"), snapshot);
        self.files.insert("timestamp.json".to_owned(), timestamp);
    }

    /// `GET` of a path below the repository.
    pub(crate) fn get(&self, path: &str, now: i64, fault: Option<&Fault>) -> Result<Response, Response> {
        let mut bytes = self.files.get(path).ok_or_else(|| Response::error(404, "no such file"))?.clone();
        if path == "timestamp.json" {
            let snapshot = &self.files[&format!("{}.snapshot.json", self.version)];
            if fault == Some(&Fault::MetadataExpired) {
                bytes = self.sign(&self.timestamp(snapshot, now - DAY));
            } else if fault == Some(&Fault::MetadataForged) {
                let timestamp = self.timestamp(snapshot, now + TIMESTAMP_DAYS * DAY);
                let signature = self.foreign_key.sign(canonical_tuf(&timestamp).as_bytes());
                bytes = envelope(&timestamp, &[(online_key_id(&self.online_key), signature)]);
            }
        }
        if path.starts_with("targets/") && fault == Some(&Fault::TargetTampered) {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        Ok(Response::new(200, "application/json", bytes))
    }

    fn timestamp(&self, snapshot: &[u8], expires: i64) -> Value {
        let mut timestamp = role("timestamp", self.version, expires);
        timestamp["meta"] = json!({"snapshot.json": pin(self.version, snapshot)});
        timestamp
    }

    fn root(&self, now: i64) -> Value {
        let online = json!({"keyids": [online_key_id(&self.online_key)], "threshold": 1});
        let mut root = role("root", self.root_version, now + ROOT_DAYS * DAY);
        root["consistent_snapshot"] = json!(true);
        root["keys"] = json!({
            root_key_id(&self.root_key): root_key(&self.root_key),
            online_key_id(&self.online_key): online_key(&self.online_key),
        });
        root["roles"] = json!({
            "root": {"keyids": [root_key_id(&self.root_key)], "threshold": 1},
            "timestamp": online, "snapshot": online, "targets": online,
        });
        root
    }

    fn sign(&self, signed: &Value) -> Vec<u8> {
        let signature = self.online_key.sign(canonical_tuf(signed).as_bytes());
        envelope(signed, &[(online_key_id(&self.online_key), signature)])
    }
}

fn role(kind: &str, version: u64, expires: i64) -> Value {
    json!({"_type": kind, "spec_version": "1.0.31", "version": version, "expires": rfc3339(expires)})
}

/// What a role says about the file of another.
fn pin(version: u64, bytes: &[u8]) -> Value {
    json!({"version": version, "length": bytes.len(), "hashes": {"sha256": hex(&sha256(bytes))}})
}

fn envelope(signed: &Value, signatures: &[(String, Vec<u8>)]) -> Vec<u8> {
    let signatures: Vec<_> =
        signatures.iter().map(|(id, signature)| json!({"keyid": id, "sig": hex(signature)})).collect();
    json!({"signed": signed, "signatures": signatures}).to_string().into_bytes()
}

fn root_key(key: &EcKey) -> Value {
    json!({"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem("PUBLIC KEY", key.spki())}})
}

fn online_key(key: &EdKey) -> Value {
    json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": hex(key.raw())}})
}

fn root_key_id(key: &EcKey) -> String {
    hex(&sha256(canonical_tuf(&root_key(key)).as_bytes()))
}

fn online_key_id(key: &EdKey) -> String {
    hex(&sha256(canonical_tuf(&online_key(key)).as_bytes()))
}
