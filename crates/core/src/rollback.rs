//! [`RollbackState`]: the newest version of each policy and deny feed that a machine has accepted, so that an older one
//! that was validly signed in its day is not taken again.

use crate::{
    digest::{Algorithm, Digest},
    json::{self, JsonError, Object},
    limits::MAX_STATE_BYTES,
    text::Printable,
};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// The value of `schema`.
pub const SCHEMA: &str = "modelseal.rollback/v1";

/// What was accepted last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RollbackState {
    /// By policy id.
    pub policies: BTreeMap<String, Accepted>,
    /// By feed id.
    pub feeds: BTreeMap<String, Accepted>,
    /// By the id of a rule set.
    pub rules: BTreeMap<String, Accepted>,
}

/// A version, and the SHA-256 of the document's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The version.
    pub version: u64,
    /// The digest of the exact bytes.
    pub sha256: Digest,
}

/// Why a document is not accepted after another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rollback {
    /// It is older than the one accepted before.
    Older {
        /// The document's id.
        id: String,
        /// Its version.
        found: u64,
        /// The version accepted before.
        accepted: u64,
    },
    /// It has the version of the one accepted before and other bytes: a version names one document.
    OtherBytes {
        /// The document's id.
        id: String,
        /// The version of both.
        version: u64,
        /// The digest of its bytes.
        found: String,
        /// The digest accepted before.
        accepted: String,
    },
}

/// Why bytes are no rollback state.
#[derive(Debug)]
#[non_exhaustive]
pub enum RollbackStateError {
    /// Not the JSON of a state.
    Json(JsonError),
    /// `schema` is another one.
    Schema(String),
    /// A digest is not lowercase hexadecimal of 64 characters.
    Digest {
        /// The document's id.
        id: String,
    },
}

impl Accepted {
    /// Whether `next`, the document of the same `id`, may follow: a higher version, or the same one with the same bytes.
    ///
    /// # Errors
    /// [`Rollback`] with both versions.
    pub fn check_next(&self, id: &str, next: &Self) -> Result<(), Rollback> {
        let id = || id.to_owned();
        if next.version < self.version {
            return Err(Rollback::Older { id: id(), found: next.version, accepted: self.version });
        }
        if next.version == self.version && next.sha256 != self.sha256 {
            let (found, accepted) = (next.sha256.to_string(), self.sha256.to_string());
            return Err(Rollback::OtherBytes { id: id(), version: self.version, found, accepted });
        }
        Ok(())
    }
}

/// Whether `next` may follow what `accepted` remembers of `id`; anything may follow nothing.
///
/// # Errors
/// [`Rollback`] with both versions.
pub fn check(accepted: &BTreeMap<String, Accepted>, id: &str, next: &Accepted) -> Result<(), Rollback> {
    accepted.get(id).map_or(Ok(()), |accepted| accepted.check_next(id, next))
}

impl RollbackState {
    /// Reads a state.
    ///
    /// # Errors
    /// [`RollbackStateError`]. A state that cannot be read must not be taken for an empty one.
    pub fn parse(document: &[u8]) -> Result<Self, RollbackStateError> {
        let wire: WireState<'_> = json::read(document, MAX_STATE_BYTES).map_err(RollbackStateError::Json)?;
        if wire.schema != SCHEMA {
            return Err(RollbackStateError::Schema(wire.schema.into_owned()));
        }
        let read = |map: BTreeMap<Cow<'_, str>, Object<WireAccepted<'_>>>| {
            let each = map.into_iter().map(|(id, wire)| {
                let sha256 = Digest::from_hex(Algorithm::Sha256, &wire.sha256)
                    .map_err(|_| RollbackStateError::Digest { id: id.to_string() })?;
                Ok((id.into_owned(), Accepted { version: wire.version, sha256 }))
            });
            each.collect::<Result<_, _>>()
        };
        Ok(Self { policies: read(wire.policies)?, feeds: read(wire.feeds)?, rules: read(wire.rules)? })
    }

    /// The state as JSON.
    ///
    /// # Errors
    /// Only what `serde_json` cannot write, which these types cannot hold.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let write = |map: &BTreeMap<String, Accepted>| {
            let each = map.iter().map(|(id, accepted)| {
                let sha256 = accepted.sha256.to_hex().into();
                (Cow::Owned(id.clone()), Object(WireAccepted { version: accepted.version, sha256 }))
            });
            each.collect()
        };
        let wire = WireState {
            schema: SCHEMA.into(),
            policies: write(&self.policies),
            feeds: write(&self.feeds),
            rules: write(&self.rules),
        };
        let mut json = serde_json::to_vec_pretty(&wire)?;
        json.push(b'\n');
        Ok(json)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireState<'a> {
    #[serde(borrow)]
    schema: Cow<'a, str>,
    #[serde(borrow, default)]
    policies: BTreeMap<Cow<'a, str>, Object<WireAccepted<'a>>>,
    #[serde(borrow, default)]
    feeds: BTreeMap<Cow<'a, str>, Object<WireAccepted<'a>>>,
    // Left out where there are none, so that versions which know none can read the rest.
    #[serde(borrow, default, skip_serializing_if = "BTreeMap::is_empty")]
    rules: BTreeMap<Cow<'a, str>, Object<WireAccepted<'a>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAccepted<'a> {
    version: u64,
    #[serde(borrow)]
    sha256: Cow<'a, str>,
}

impl fmt::Display for Rollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Older { id, found, accepted } => write!(
                f,
                "'{}' has version {found}, but version {accepted} was accepted here before",
                Printable(id)
            ),
            Self::OtherBytes { id, version, found, accepted } => write!(
                f,
                "'{}' has version {version}, as the one accepted here before, but other bytes ({found}, accepted was \
                 {accepted}); a changed document needs a higher version",
                Printable(id)
            ),
        }
    }
}

impl std::error::Error for Rollback {}

impl fmt::Display for RollbackStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a rollback state: ")?;
        match self {
            Self::Json(e) => e.fmt(f),
            Self::Schema(found) => write!(f, "schema is '{}', expected '{SCHEMA}'", Printable(found)),
            Self::Digest { id } => {
                write!(f, "the sha256 of '{}' is not 64 lowercase hex digits", Printable(id))
            }
        }
    }
}

impl std::error::Error for RollbackStateError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(version: u64, byte: u8) -> Accepted {
        Accepted { version, sha256: Digest::sha256([byte; 32]) }
    }

    #[test]
    fn versions_rise_and_name_one_document() {
        let state = BTreeMap::from([("p".to_owned(), accepted(5, 1))]);
        for (next, fine) in
            [(accepted(6, 2), true), (accepted(5, 1), true), (accepted(5, 2), false), (accepted(4, 1), false)]
        {
            assert_eq!(check(&state, "p", &next).is_ok(), fine, "{next:?}");
            assert!(check(&state, "q", &next).is_ok());
        }
        let error = check(&state, "p", &accepted(4, 1)).unwrap_err().to_string();
        assert_eq!(error, "'p' has version 4, but version 5 was accepted here before");
    }

    #[test]
    fn a_state_is_read_and_written() {
        let state = RollbackState {
            policies: BTreeMap::from([("p".to_owned(), accepted(u64::MAX, 1))]),
            feeds: BTreeMap::from([("f".to_owned(), accepted(0, 2))]),
            rules: BTreeMap::from([("p".to_owned(), accepted(3, 3))]),
        };
        assert_eq!(RollbackState::parse(&state.to_json().unwrap()).unwrap(), state);
        let without = RollbackState { rules: BTreeMap::new(), ..state };
        assert!(!String::from_utf8(without.to_json().unwrap()).unwrap().contains("rules"));
        for bad in [
            "",
            "{}",
            r#"{"schema":"modelseal.rollback/v2"}"#,
            r#"{"schema":"modelseal.rollback/v1","policies":{"p":{"version":1}}}"#,
            r#"{"schema":"modelseal.rollback/v1","policies":{"p":{"version":1,"sha256":"AB"}}}"#,
            r#"{"schema":"modelseal.rollback/v1","polices":{}}"#,
            r#"{"schema":"modelseal.rollback/v1","feeds":{"p":{"version":1,"sha256":""},"p":{}}}"#,
        ] {
            assert!(RollbackState::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
