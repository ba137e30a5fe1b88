//! Other tools' policies, as far as ours can say the same: bytes in, TOML out, with a list of what could not be said.
//!
//! What cannot be said is never left open: a scope whose requirement is lost is rejected by a rule of its own, so that no
//! wider rule takes its place. The result is a draft for people to finish: it may need digests of keys and roots that the
//! foreign file does not hold, and then [`modelseal_verify::policy`] complains about them.

pub mod cluster_image_policy;
pub mod containers;
mod draft;
pub mod notation;
mod scope;

use jiff::Timestamp;
use modelseal_core::{
    json::{JsonError, value::Value},
    text::Printable,
};
use std::fmt;

/// Largest foreign policy that is read, in bytes; theirs and ours have a few kilobytes.
pub const MAX_FOREIGN_BYTES: u64 = 1024 * 1024;

/// What a foreign policy does not say about itself and ours must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// The new policy's `id`.
    pub id: String,
    /// The new policy's `expires`.
    pub expires: Timestamp,
}

/// A draft of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The policy as TOML.
    pub toml: String,
    /// What it does not say, though the foreign one did.
    pub lost: Vec<Lost>,
}

/// Something that could not be expressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The place in the foreign document.
    pub at: String,
    /// What is lost, and what the draft does instead.
    pub what: String,
}

/// Why a foreign policy is not imported at all.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportError {
    /// Not the JSON of such a policy.
    Json(JsonError),
    /// Not YAML, or YAML beyond what is read.
    Yaml(String),
    /// The document is of another kind or version.
    Kind {
        /// What it says it is.
        found: String,
        /// What is read.
        expected: &'static str,
    },
    /// A field is missing or of another kind.
    Field {
        /// The field.
        at: String,
        /// What belongs there.
        expected: &'static str,
    },
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Printable(&self.at), Printable(&self.what))
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(e) => e.fmt(f),
            Self::Yaml(e) => write!(f, "not readable as YAML: {}", Printable(e)),
            Self::Kind { found, expected } => write!(f, "'{}' found, expected {expected}", Printable(found)),
            Self::Field { at, expected } => write!(f, "{}: expected {expected}", Printable(at)),
        }
    }
}

impl std::error::Error for ImportError {}

/// A place in a foreign document.
#[derive(Clone)]
struct Place<'a> {
    value: Option<&'a Value>,
    at: String,
}

impl<'a> Place<'a> {
    fn root(value: &'a Value) -> Self {
        Self { value: Some(value), at: String::new() }
    }

    fn get(&self, name: &str) -> Self {
        let at = if self.at.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at) };
        Self { value: self.value.and_then(|value| value.get(name)).filter(|value| !value.is_null()), at }
    }

    fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    fn text(&self) -> Result<Option<&'a str>, ImportError> {
        match self.value {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or_else(|| self.expected("a string")),
        }
    }

    fn required_text(&self) -> Result<&'a str, ImportError> {
        self.text()?.filter(|text| !text.is_empty()).ok_or_else(|| self.expected("a string"))
    }

    fn list(&self) -> Result<Vec<Self>, ImportError> {
        let Some(value) = self.value else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(|| self.expected("a list"))?;
        let item = |(index, item)| Self { value: Some(item), at: format!("{}[{index}]", self.at) };
        Ok(items.iter().enumerate().map(item).collect())
    }

    fn members(&self) -> Result<Vec<(&'a str, Self)>, ImportError> {
        let Some(value) = self.value else { return Ok(Vec::new()) };
        let members = value.as_object().ok_or_else(|| self.expected("an object"))?;
        let mut found = Vec::with_capacity(members.len());
        for (name, value) in members {
            found.push((&**name, Self { value: Some(value), at: format!("{}.{name}", self.at) }));
        }
        Ok(found)
    }

    /// Members that this reader knows nothing of.
    fn unknown(&self, known: &[&str]) -> Result<Vec<Lost>, ImportError> {
        let members = self.members()?.into_iter().filter(|(name, _)| !known.contains(name));
        Ok(members.map(|(_, place)| place.lost("not known here, and left out")).collect())
    }

    fn lost(&self, what: impl Into<String>) -> Lost {
        Lost { at: self.at.clone(), what: what.into() }
    }

    fn expected(&self, expected: &'static str) -> ImportError {
        ImportError::Field { at: self.at.clone(), expected }
    }
}
