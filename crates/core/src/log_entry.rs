//! [`LogEntry`]: a transparency log's record of one signature, as Sigstore bundles and Rekor v2 answers carry it
//! (sigstore/protobuf-specs `TransparencyLogEntry`). Nothing in it has been verified.

use crate::{
    json::{self, AtMost, JsonError, Object},
    limits::{
        MAX_CHECKPOINT_BYTES, MAX_LOG_BODY_BYTES, MAX_LOG_ENTRY_BYTES, MAX_LOG_SIGNATURE_BYTES,
        MAX_PROOF_HASHES,
    },
    text::Printable,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde::{Deserialize, Serialize, de::Error as _};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// One entry of a transparency log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The entry's number in the log; for a log of several shards, over all of them.
    pub log_index: u64,
    /// Which log: SHA-256 of its DER public key (Rekor v1), or the key identifier of its checkpoints (Rekor v2).
    pub log_id: Vec<u8>,
    /// What the body is, such as `hashedrekord` or `dsse`.
    pub kind: String,
    /// The version of `kind`.
    pub version: String,
    /// When the log says that it took the entry, in seconds since 1970. Rekor v2 says nothing.
    pub integrated_time: Option<i64>,
    /// Signed entry timestamp: the log's signature over body, time, index and log (Rekor v1).
    pub inclusion_promise: Option<Vec<u8>>,
    /// Proof that the log holds the entry.
    pub inclusion_proof: Option<InclusionProof>,
    /// The body, as the log hashed it.
    pub canonicalized_body: Vec<u8>,
}

/// A path of hashes from an entry to a tree head (RFC 6962 section 2.1.1), and the signed tree head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The entry's number in the tree.
    pub log_index: u64,
    /// Hash of the whole tree.
    pub root_hash: Vec<u8>,
    /// Number of entries in the tree.
    pub tree_size: u64,
    /// Hashes of the siblings on the way up, 32 bytes each.
    pub hashes: Vec<Vec<u8>>,
    /// The signed tree head: a signed note (C2SP `tlog-checkpoint`). Empty in some bundles of version 0.1.
    pub checkpoint: String,
}

/// Why bytes are no log entry.
#[derive(Debug)]
#[non_exhaustive]
pub enum LogEntryError {
    /// Not the JSON of a log entry.
    Json(JsonError),
    /// A field is not base64.
    Base64(&'static str),
    /// A field that must say something is missing or empty.
    Missing(&'static str),
    /// A field has the wrong length in bytes.
    Length {
        /// The field.
        field: &'static str,
        /// Its length.
        found: usize,
        /// The length that it must have.
        expected: usize,
    },
    /// A field is longer than any real one.
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length.
        found: usize,
        /// The bound.
        limit: usize,
    },
}

impl LogEntry {
    /// Reads the JSON form, which is also what a Rekor v2 log answers.
    ///
    /// # Errors
    /// [`LogEntryError`] says which field is wrong.
    pub fn from_json(document: &[u8]) -> Result<Self, LogEntryError> {
        json::read::<WireEntry<'_>>(document, MAX_LOG_ENTRY_BYTES).map_err(LogEntryError::Json)?.read()
    }

    /// Reads a member of a document that [`json::read`] has checked.
    pub(crate) fn from_part(part: &RawValue) -> Result<Self, LogEntryError> {
        let (size, limit) = (part.get().len() as u64, MAX_LOG_ENTRY_BYTES);
        if size > limit {
            return Err(LogEntryError::Json(JsonError::TooLarge { size, limit }));
        }
        json::read_part::<WireEntry<'_>>(part).map_err(LogEntryError::Json)?.read()
    }

    /// The JSON form.
    ///
    /// # Errors
    /// Only what `serde_json` cannot write, which this type cannot hold.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&WireEntry::from(self))
    }

    /// Checks the bounds that reading checks, for an entry that was put together from something else.
    ///
    /// # Errors
    /// [`LogEntryError`] says which field is wrong.
    pub fn check(&self) -> Result<(), LogEntryError> {
        if self.kind.is_empty() || self.version.is_empty() {
            return Err(LogEntryError::Missing("kindVersion"));
        }
        if self.canonicalized_body.is_empty() {
            return Err(LogEntryError::Missing("canonicalizedBody"));
        }
        exactly("logId.keyId", &self.log_id, 32)?;
        at_most("canonicalizedBody", self.canonicalized_body.len(), MAX_LOG_BODY_BYTES)?;
        if let Some(promise) = &self.inclusion_promise {
            at_most("inclusionPromise.signedEntryTimestamp", promise.len(), MAX_LOG_SIGNATURE_BYTES)?;
        }
        if let Some(proof) = &self.inclusion_proof {
            exactly("inclusionProof.rootHash", &proof.root_hash, 32)?;
            at_most("inclusionProof.hashes", proof.hashes.len(), MAX_PROOF_HASHES)?;
            at_most("inclusionProof.checkpoint", proof.checkpoint.len(), MAX_CHECKPOINT_BYTES)?;
            for hash in &proof.hashes {
                exactly("inclusionProof.hashes", hash, 32)?;
            }
        }
        Ok(())
    }
}

impl Serialize for LogEntry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WireEntry::from(self).serialize(serializer)
    }
}

fn exactly(field: &'static str, bytes: &[u8], expected: usize) -> Result<(), LogEntryError> {
    if bytes.len() == expected {
        return Ok(());
    }
    Err(LogEntryError::Length { field, found: bytes.len(), expected })
}

fn at_most(field: &'static str, found: usize, limit: usize) -> Result<(), LogEntryError> {
    if found <= limit { Ok(()) } else { Err(LogEntryError::TooLong { field, found, limit }) }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireEntry<'a> {
    #[serde(default)]
    log_index: Int<u64>,
    #[serde(borrow)]
    log_id: Object<WireLogId<'a>>,
    #[serde(borrow)]
    kind_version: Object<WireKind<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    integrated_time: Option<Int<i64>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    inclusion_promise: Option<Object<WirePromise<'a>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    inclusion_proof: Option<Object<WireProof<'a>>>,
    #[serde(borrow)]
    canonicalized_body: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireLogId<'a> {
    #[serde(borrow)]
    key_id: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKind<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WirePromise<'a> {
    #[serde(borrow)]
    signed_entry_timestamp: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireProof<'a> {
    #[serde(default)]
    log_index: Int<u64>,
    #[serde(borrow)]
    root_hash: Cow<'a, str>,
    tree_size: Int<u64>,
    /// Absent or null in a tree of one entry.
    #[serde(borrow, default)]
    hashes: Option<AtMost<Cow<'a, str>, MAX_PROOF_HASHES>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    checkpoint: Option<Object<WireCheckpoint<'a>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCheckpoint<'a> {
    #[serde(borrow)]
    envelope: Cow<'a, str>,
}

/// A 64-bit number: protobuf writes a string, and reads a number too.
#[derive(Clone, Copy, Default)]
struct Int<T>(T);

impl<T: fmt::Display> Serialize for Int<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: std::str::FromStr> Deserialize<'de> for Int<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let digits = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
        let plain = digits.strip_prefix('-').unwrap_or(digits);
        let canonical = plain == "0" || (!plain.starts_with('0') && !plain.is_empty());
        if !canonical || !plain.bytes().all(|b| b.is_ascii_digit()) {
            return Err(D::Error::custom("not a whole number"));
        }
        digits.parse().map(Self).map_err(|_| D::Error::custom("a number that is out of range"))
    }
}

impl WireEntry<'_> {
    fn read(self) -> Result<LogEntry, LogEntryError> {
        let inclusion_proof = self.inclusion_proof.map(|proof| proof.0.read()).transpose()?;
        let promise = self
            .inclusion_promise
            .map(|promise| decode("inclusionPromise.signedEntryTimestamp", &promise.signed_entry_timestamp));
        let entry = LogEntry {
            log_index: self.log_index.0,
            log_id: decode("logId.keyId", &self.log_id.key_id)?,
            kind: self.kind_version.kind.clone().into_owned(),
            version: self.kind_version.0.version.into_owned(),
            integrated_time: self.integrated_time.map(|time| time.0).filter(|&time| time != 0),
            inclusion_promise: promise.transpose()?,
            inclusion_proof,
            canonicalized_body: decode("canonicalizedBody", &self.canonicalized_body)?,
        };
        entry.check()?;
        Ok(entry)
    }
}

impl WireProof<'_> {
    fn read(self) -> Result<InclusionProof, LogEntryError> {
        let hashes = self.hashes.unwrap_or_default();
        Ok(InclusionProof {
            log_index: self.log_index.0,
            root_hash: decode("inclusionProof.rootHash", &self.root_hash)?,
            tree_size: self.tree_size.0,
            hashes: hashes.iter().map(|h| decode("inclusionProof.hashes", h)).collect::<Result<_, _>>()?,
            checkpoint: self.checkpoint.map(|c| c.0.envelope.into_owned()).unwrap_or_default(),
        })
    }
}

impl<'a> From<&'a LogEntry> for WireEntry<'a> {
    fn from(entry: &'a LogEntry) -> Self {
        let proof = |proof: &'a InclusionProof| WireProof {
            log_index: Int(proof.log_index),
            root_hash: STANDARD.encode(&proof.root_hash).into(),
            tree_size: Int(proof.tree_size),
            hashes: Some(proof.hashes.iter().map(|hash| STANDARD.encode(hash).into()).collect()),
            checkpoint: Some(Object(WireCheckpoint { envelope: proof.checkpoint.as_str().into() })),
        };
        let promise =
            |set: &Vec<u8>| Object(WirePromise { signed_entry_timestamp: STANDARD.encode(set).into() });
        Self {
            log_index: Int(entry.log_index),
            log_id: Object(WireLogId { key_id: STANDARD.encode(&entry.log_id).into() }),
            kind_version: Object(WireKind {
                kind: entry.kind.as_str().into(),
                version: entry.version.as_str().into(),
            }),
            integrated_time: entry.integrated_time.map(Int),
            inclusion_promise: entry.inclusion_promise.as_ref().map(promise),
            inclusion_proof: entry.inclusion_proof.as_ref().map(proof).map(Object),
            canonicalized_body: STANDARD.encode(&entry.canonicalized_body).into(),
        }
    }
}

/// Standard or URL-safe base64, padded, of at least one byte.
fn decode(field: &'static str, text: &str) -> Result<Vec<u8>, LogEntryError> {
    if text.is_empty() {
        return Err(LogEntryError::Missing(field));
    }
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(text).map_err(|_| LogEntryError::Base64(field))
}

impl fmt::Display for LogEntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(e) => write!(f, "{}", Printable(&e.to_string())),
            Self::Base64(field) => write!(f, "{field} is not base64"),
            Self::Missing(field) => write!(f, "{field} is missing or empty"),
            Self::Length { field, found, expected } => {
                write!(f, "{field} has {found} bytes, expected {expected}")
            }
            Self::TooLong { field, found, limit } => {
                write!(f, "{field} has a length of {found}, the limit is {limit}")
            }
        }
    }
}

impl std::error::Error for LogEntryError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> String {
        let hash = STANDARD.encode([7; 32]);
        format!(
            r#"{{"logIndex":"3","logId":{{"keyId":"{hash}"}},"kindVersion":{{"kind":"dsse","version":"0.0.1"}},
            "integratedTime":"1759851228","inclusionPromise":{{"signedEntryTimestamp":"AAAA"}},
            "inclusionProof":{{"logIndex":"1","rootHash":"{hash}","treeSize":"2","hashes":["{hash}"],
            "checkpoint":{{"envelope":"log\n2\nx\n"}}}},"canonicalizedBody":"e30="}}"#
        )
    }

    fn with(from: &str, to: &str) -> Result<LogEntry, LogEntryError> {
        let text = document();
        assert!(text.contains(from), "{from}");
        LogEntry::from_json(text.replacen(from, to, 1).as_bytes())
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let entry = LogEntry::from_json(document().as_bytes()).unwrap();
        assert_eq!(LogEntry::from_json(&entry.to_json().unwrap()).unwrap(), entry);
        assert_eq!((entry.log_index, entry.integrated_time), (3, Some(1_759_851_228)));
        assert_eq!(entry.inclusion_proof.as_ref().unwrap().checkpoint, "log\n2\nx\n");
    }

    /// Protobuf leaves out zeros and empty lists; some readers insist on them.
    #[test]
    fn the_first_entry_of_a_log_is_read_without_its_zeros_and_written_with_them() {
        let hash = STANDARD.encode([7; 32]);
        let text = document()
            .replace(r#""logIndex":"3","#, "")
            .replace(r#""logIndex":"1","#, "")
            .replace(&format!(r#""hashes":["{hash}"],"#), "");
        let entry = LogEntry::from_json(text.as_bytes()).unwrap();
        let proof = entry.inclusion_proof.as_ref().unwrap();
        assert_eq!((entry.log_index, proof.log_index, proof.hashes.len()), (0, 0, 0));
        let written = String::from_utf8(entry.to_json().unwrap()).unwrap();
        assert_eq!(written.matches(r#""logIndex":"0""#).count(), 2, "{written}");
        assert!(written.contains(r#""hashes":[]"#), "{written}");
    }

    #[test]
    fn numbers_are_whole_and_in_range() {
        assert!(with(r#""logIndex":"3""#, r#""logIndex":3"#).is_ok());
        assert_eq!(with(r#""1759851228""#, r#""0""#).unwrap().integrated_time, None);
        for bad in
            ["\"-1\"", "-1", "\"\"", "\"03\"", "\"+3\"", "3.0", "\"18446744073709551616\"", "null", "[3]"]
        {
            assert!(with(r#""3""#, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn malformed_entries_are_refused() {
        let hash = STANDARD.encode([7; 32]);
        assert!(matches!(with(&hash, "AAAA"), Err(LogEntryError::Length { field: "logId.keyId", .. })));
        assert!(matches!(with("e30=", ""), Err(LogEntryError::Missing("canonicalizedBody"))));
        assert!(matches!(with("e30=", "e3"), Err(LogEntryError::Base64("canonicalizedBody"))));
        assert!(matches!(with(r#""logId""#, r#""log_id""#), Err(LogEntryError::Json(_))));
        assert!(matches!(with(r#""logIndex":"3""#, r#""logIndex":"3","x":1"#), Err(LogEntryError::Json(_))));
        assert!(matches!(
            with(r#""logIndex":"3""#, r#""logIndex":"3","logIndex":"3""#),
            Err(LogEntryError::Json(_))
        ));
        let many = vec![format!("\"{hash}\""); MAX_PROOF_HASHES + 1].join(",");
        assert!(matches!(with(&format!("[\"{hash}\"]"), &format!("[{many}]")), Err(LogEntryError::Json(_))));
        let long = "x".repeat(MAX_CHECKPOINT_BYTES + 1);
        assert!(matches!(with(r"log\n2\nx\n", &long), Err(LogEntryError::TooLong { .. })));
        let body = STANDARD.encode(vec![b' '; MAX_LOG_BODY_BYTES + 1]);
        assert!(matches!(with("e30=", &body), Err(LogEntryError::TooLong { .. })));
    }
}
