//! [`DenyFeed`]: what must not be used any more, as a security team publishes it. A JSON document that travels in signed
//! envelopes of the type [`PAYLOAD_TYPE`]; who must have signed it and how old it may be, a trust policy says.
//!
//! Order and repetition mean nothing. An entry's lists are alternatives: whatever is one of them is denied.

use crate::{
    digest::{Algorithm, Digest},
    json::{self, AtMost, JsonError, Object},
    limits::{MAX_DENY_ENTRIES, MAX_DENY_FEED_BYTES, MAX_DENY_NAMES},
    predicate::field::parse_time,
    text::Printable,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeSet, fmt};

/// The value of `schema`.
pub const SCHEMA: &str = "modelseal.deny-feed/v1";

/// The payload type of the envelope that a signed feed travels in.
pub const PAYLOAD_TYPE: &str = "application/vnd.modelseal.deny-feed.v1+json";

/// A feed. Nobody has verified who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyFeed {
    /// The feed's stable name.
    pub id: String,
    /// Rises with every change; an older one is never taken after a newer one.
    pub version: u64,
    /// When it was issued; its age is counted from here.
    pub issued: Timestamp,
    /// What is denied.
    pub entries: Vec<DenyEntry>,
}

/// One reason to deny, and what it is about: at least one thing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DenyEntry {
    /// A name for messages, unique in the feed.
    pub id: String,
    /// Why, for people.
    pub reason: String,
    /// Models, by manifest digest.
    pub digests: BTreeSet<Digest>,
    /// Files, by content.
    pub file_digests: BTreeSet<Digest>,
    /// Signing keys, by the SHA-256 of their DER SubjectPublicKeyInfo.
    pub keys: BTreeSet<Digest>,
    /// Names of signers, compared letter for letter with the names that a certificate has.
    pub identities: BTreeSet<String>,
    /// Signatures with a trusted time before this one stay good. For keys and identities alone: bytes are bad whenever
    /// they were signed.
    pub compromised_at: Option<Timestamp>,
}

/// Why bytes are no deny feed.
#[derive(Debug)]
#[non_exhaustive]
pub enum DenyFeedError {
    /// Not the JSON of a feed.
    Json(JsonError),
    /// `schema` is another one.
    Schema(String),
    /// A field that must say something is empty.
    EmptyField {
        /// The field, such as `entries[3].reason`.
        at: String,
    },
    /// A time is not RFC 3339 in UTC.
    Time {
        /// The field.
        at: String,
        /// What is there.
        found: String,
    },
    /// A digest is not one of those that belong there.
    Digest {
        /// The field.
        at: String,
        /// What is there.
        found: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// An entry denies nothing.
    EmptyEntry {
        /// The entry.
        at: String,
    },
    /// Two entries have one id.
    DuplicateId {
        /// The second of them.
        at: String,
        /// The id.
        id: String,
    },
    /// `compromised-at` in an entry that has neither keys nor identities.
    CompromisedAt {
        /// The entry.
        at: String,
    },
}

impl DenyFeed {
    /// Reads a feed.
    ///
    /// # Errors
    /// [`DenyFeedError`] says what is wrong and where.
    pub fn parse(document: &[u8]) -> Result<Self, DenyFeedError> {
        let wire: WireFeed<'_> = json::read(document, MAX_DENY_FEED_BYTES).map_err(DenyFeedError::Json)?;
        if wire.schema != SCHEMA {
            return Err(DenyFeedError::Schema(wire.schema.into_owned()));
        }
        let id = not_empty("id", &wire.id)?;
        let issued = time("issued", &wire.issued)?;
        let entries = wire.entries.iter().enumerate();
        let entries = entries.map(|(index, entry)| entry.read(index)).collect::<Result<Vec<_>, _>>()?;
        let mut ids = BTreeSet::new();
        if let Some(index) = entries.iter().position(|entry| !ids.insert(&entry.id)) {
            let id = entries[index].id.clone();
            return Err(DenyFeedError::DuplicateId { at: format!("entries[{index}].id"), id });
        }
        Ok(Self { id, version: wire.version, issued, entries })
    }

    /// The feed as JSON: the same bytes for the same meaning, up to the order of entries.
    ///
    /// # Errors
    /// Only what `serde_json` cannot write, which these types cannot hold.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&WireFeed {
            schema: SCHEMA.into(),
            id: self.id.as_str().into(),
            version: self.version,
            issued: self.issued.to_string().into(),
            entries: self.entries.iter().map(|entry| Object(WireEntry::of(entry))).collect(),
        })
    }
}

type Names<'a> = AtMost<Cow<'a, str>, MAX_DENY_NAMES>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFeed<'a> {
    #[serde(borrow)]
    schema: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    version: u64,
    #[serde(borrow)]
    issued: Cow<'a, str>,
    #[serde(borrow)]
    entries: AtMost<Object<WireEntry<'a>>, MAX_DENY_ENTRIES>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireEntry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(default, borrow, skip_serializing_if = "is_empty")]
    digests: Names<'a>,
    #[serde(default, borrow, skip_serializing_if = "is_empty")]
    file_digests: Names<'a>,
    #[serde(default, borrow, skip_serializing_if = "is_empty")]
    keys: Names<'a>,
    #[serde(default, borrow, skip_serializing_if = "is_empty")]
    identities: Names<'a>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    compromised_at: Option<Cow<'a, str>>,
}

fn is_empty(names: &Names<'_>) -> bool {
    names.is_empty()
}

impl<'a> WireEntry<'a> {
    fn of(entry: &'a DenyEntry) -> Self {
        let hex = |prefix: &str, digests: &BTreeSet<Digest>| {
            digests.iter().map(|digest| format!("{prefix}:{}", digest.to_hex()).into()).collect()
        };
        Self {
            id: entry.id.as_str().into(),
            reason: entry.reason.as_str().into(),
            digests: hex("manifest-sha256", &entry.digests),
            file_digests: entry.file_digests.iter().map(|digest| digest.to_string().into()).collect(),
            keys: hex("spki-sha256", &entry.keys),
            identities: entry.identities.iter().map(|name| name.as_str().into()).collect(),
            compromised_at: entry.compromised_at.map(|time| time.to_string().into()),
        }
    }

    fn read(&self, index: usize) -> Result<DenyEntry, DenyFeedError> {
        let at = |field: &str| format!("entries[{index}].{field}");
        let digests = |field: &str, names: &Names<'_>, expected: &'static str| {
            let read = |(n, text): (usize, &Cow<'_, str>)| {
                let wrong = || {
                    let (at, found) = (format!("{}[{n}]", at(field)), text.to_string());
                    DenyFeedError::Digest { at, found, expected }
                };
                let (prefix, hex) = text.split_once(':').ok_or_else(wrong)?;
                let algorithm = match (prefix, expected) {
                    ("manifest-sha256", MANIFEST) | ("spki-sha256", SPKI) => Algorithm::Sha256,
                    (name, FILE) => name.parse().map_err(|_| wrong())?,
                    _ => return Err(wrong()),
                };
                Digest::from_hex(algorithm, hex).map_err(|_| wrong())
            };
            names.iter().enumerate().map(read).collect::<Result<BTreeSet<_>, _>>()
        };
        let names = self.identities.iter().enumerate();
        let identities = names.map(|(n, name)| not_empty(&format!("{}[{n}]", at("identities")), name));
        let compromised_at = self.compromised_at.as_ref().map(|text| time(&at("compromised-at"), text));
        let entry = DenyEntry {
            id: not_empty(&at("id"), &self.id)?,
            reason: not_empty(&at("reason"), &self.reason)?,
            digests: digests("digests", &self.digests, MANIFEST)?,
            file_digests: digests("file-digests", &self.file_digests, FILE)?,
            keys: digests("keys", &self.keys, SPKI)?,
            identities: identities.collect::<Result<_, _>>()?,
            compromised_at: compromised_at.transpose()?,
        };
        let bytes = !entry.digests.is_empty() || !entry.file_digests.is_empty();
        let signers = !entry.keys.is_empty() || !entry.identities.is_empty();
        let at = format!("entries[{index}]");
        match (bytes, signers, entry.compromised_at) {
            (false, false, _) => Err(DenyFeedError::EmptyEntry { at }),
            (_, false, Some(_)) => Err(DenyFeedError::CompromisedAt { at }),
            _ => Ok(entry),
        }
    }
}

const MANIFEST: &str = "manifest-sha256:<64 hex digits>";
const FILE: &str = "sha256:, blake2b: or blake3: and lowercase hex";
const SPKI: &str = "spki-sha256:<64 hex digits>";

fn not_empty(at: &str, text: &str) -> Result<String, DenyFeedError> {
    if text.trim().is_empty() {
        Err(DenyFeedError::EmptyField { at: at.to_owned() })
    } else {
        Ok(text.to_owned())
    }
}

fn time(at: &str, text: &str) -> Result<Timestamp, DenyFeedError> {
    parse_time(text).ok_or_else(|| DenyFeedError::Time { at: at.to_owned(), found: text.to_owned() })
}

impl fmt::Display for DenyFeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Printable as P;
        f.write_str("not a deny feed: ")?;
        match self {
            Self::Json(e) => e.fmt(f),
            Self::Schema(found) => write!(f, "schema is '{}', expected '{SCHEMA}'", P(found)),
            Self::EmptyField { at } => write!(f, "{at} is empty"),
            Self::Time { at, found } => {
                write!(f, "{at}: '{}' is no RFC 3339 time in UTC, like 2026-03-01T12:00:00Z", P(found))
            }
            Self::Digest { at, found, expected } => write!(f, "{at}: '{}', expected {expected}", P(found)),
            Self::EmptyEntry { at } => {
                write!(f, "{at} denies nothing: give digests, file-digests, keys or identities")
            }
            Self::DuplicateId { at, id } => write!(f, "{at}: '{}' stands twice", P(id)),
            Self::CompromisedAt { at } => {
                write!(f, "{at}: compromised-at is about keys and identities, and this entry has none")
            }
        }
    }
}

impl std::error::Error for DenyFeedError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> String {
        format!(
            r#"{{"schema":"modelseal.deny-feed/v1","id":"psirt.example/models","version":18446744073709551615,
            "issued":"2026-11-01T00:00:00Z","entries":[
            {{"id":"D-1","reason":"backdoored","digests":["manifest-sha256:{0}","manifest-sha256:{0}"],
              "file-digests":["sha256:{0}","blake3:{0}","blake2b:{0}{0}"]}},
            {{"id":"D-2","reason":"key leaked","keys":["spki-sha256:{0}"],"identities":["mallory@example.com"],
              "compromised-at":"2026-10-02T09:00:00Z"}}]}}"#,
            "ab".repeat(32)
        )
    }

    #[test]
    fn a_feed_is_read_and_written() {
        let feed = DenyFeed::parse(good().as_bytes()).unwrap();
        assert_eq!((feed.version, feed.entries.len()), (u64::MAX, 2));
        assert_eq!((feed.entries[0].digests.len(), feed.entries[0].file_digests.len()), (1, 3));
        assert!(feed.entries[1].compromised_at.is_some());
        assert_eq!(DenyFeed::parse(&feed.to_json().unwrap()).unwrap(), feed);
        let empty = DenyFeed { entries: vec![], ..feed };
        assert_eq!(DenyFeed::parse(&empty.to_json().unwrap()).unwrap(), empty);
    }

    #[test]
    fn malformed_ones_are_refused() {
        for (from, to, complaint) in [
            ("deny-feed/v1", "deny-feed/v2", "schema is"),
            ("psirt.example/models", " ", "id is empty"),
            ("18446744073709551615", "18446744073709551616", "invalid type"),
            ("18446744073709551615", "-1", "invalid value"),
            ("18446744073709551615", "1.0", "invalid type"),
            ("2026-11-01T00:00:00Z", "2026-11-01", "issued: '2026-11-01'"),
            ("2026-10-02T09:00:00Z", "2026-10-02T09:00:00+01:00", "entries[1].compromised-at"),
            ("\"backdoored\"", "\"\"", "entries[0].reason is empty"),
            ("\"D-2\"", "\"D-1\"", "entries[1].id: 'D-1' stands twice"),
            ("\"reason\":\"key leaked\"", "\"resaon\":\"key leaked\"", "unknown field `resaon`"),
            ("\"version\"", "\"version\":1,\"version\"", "duplicate member 'version'"),
            ("manifest-sha256:ab", "sha256:ab", "entries[0].digests[0]"),
            ("manifest-sha256:ab", "manifest-sha256:AB", "entries[0].digests[0]"),
            ("blake3:ab", "md5:ab", "entries[0].file-digests[1]"),
            ("spki-sha256:", "sha256:", "entries[1].keys[0]"),
            ("spki-sha256:", "", "entries[1].keys[0]"),
            ("mallory@example.com", "", "entries[1].identities[0] is empty"),
            (
                "\"backdoored\"",
                "\"b\",\"compromised-at\":\"2026-10-02T09:00:00Z\"",
                "entries[0]: compromised-at is about",
            ),
            ("\"compromised-at\":\"2026-10-02T09:00:00Z\"", "\"compromised-at\":7", "invalid type"),
            ("\"entries\":[", "\"entries\":[[],", "expected a JSON object"),
        ] {
            assert!(good().contains(from), "{from}");
            let text = good().replace(from, to);
            let error = DenyFeed::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(complaint), "{to}: {error}");
        }
        let nothing =
            br#"{"schema":"modelseal.deny-feed/v1","id":"x","version":1,"issued":"2026-11-01T00:00:00Z",
            "entries":[{"id":"D-1","reason":"r","keys":[]}]}"#;
        assert!(matches!(DenyFeed::parse(nothing), Err(DenyFeedError::EmptyEntry { .. })));
    }

    #[test]
    fn lists_are_bounded() {
        let names = format!("[{}\"x\"]", "\"x\",".repeat(MAX_DENY_NAMES));
        let text = format!(
            r#"{{"schema":"{SCHEMA}","id":"x","version":1,"issued":"2026-11-01T00:00:00Z","entries":[{{"id":"D","reason":"r","identities":{names}}}]}}"#
        );
        assert!(DenyFeed::parse(text.as_bytes()).unwrap_err().to_string().contains("more than 10000 items"));
    }
}
