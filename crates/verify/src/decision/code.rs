//! [`Code`]: the closed list of stable reason codes, `domain.code`. Each has a meaning, a remedy and an example; the pages of
//! `docs/` and `--explain` are written from here. The list only grows, and a code never changes its meaning.

pub use super::code_table::Code;
use super::code_table::TABLE;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{borrow::Cow, fmt, str::FromStr};

/// What a code says about the outcome, which settles the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeKind {
    /// The model is denied (exit 1).
    Denied,
    /// An input of the user is wrong: flags, keys, policy (exit 2).
    Usage,
    /// Nothing could be decided (exit 3), which is never an allow.
    Undecided,
}

/// One row of the table: everything that a page about a code needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeEntry {
    /// The code.
    pub code: Code,
    /// `domain.code`.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// A message as it is printed.
    pub example: &'static str,
}

impl Code {
    /// Every code with its texts, in the order of the table.
    #[must_use]
    pub fn all() -> &'static [CodeEntry] {
        TABLE
    }

    /// Its row.
    #[must_use]
    pub fn entry(self) -> &'static CodeEntry {
        // The macro writes variants and rows from one list, in one order.
        &TABLE[self as usize]
    }

    /// `domain.code`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// The part before the dot.
    #[must_use]
    pub fn domain(self) -> &'static str {
        self.as_str().split_once('.').map_or("", |(domain, _)| domain)
    }

    /// What it says about the outcome.
    #[must_use]
    pub fn kind(self) -> CodeKind {
        match (self, self.domain()) {
            (Self::PolicyInvalid | Self::PolicySchemaUnknown, _) | (_, "usage" | "reference") => {
                CodeKind::Usage
            }
            // What is not supported yet was asked for and not shown: that denies.
            (Self::ErrorUnsupported, _) => CodeKind::Denied,
            (_, "error") => CodeKind::Undecided,
            _ => CodeKind::Denied,
        }
    }

    /// Whether a waiver may name it. Never what would make the waiver worth more than the evidence itself.
    #[must_use]
    pub fn is_waivable(self) -> bool {
        // A deny list beats waivers, whatever the domain of its code.
        self != Self::TimeSignedAfterCompromise
            && !matches!(
                self.domain(),
                "integrity"
                    | "deny"
                    | "signature"
                    | "policy"
                    | "path"
                    | "reference"
                    | "statement"
                    | "usage"
                    | "error"
            )
    }

    /// Whether a rule in `audit` turns it into a warning.
    #[must_use]
    pub fn is_relaxed_by_audit(self) -> bool {
        self != Self::TimeSignedAfterCompromise
            && !matches!(
                self.domain(),
                "policy" | "reference" | "integrity" | "deny" | "statement" | "usage" | "error"
            )
    }

    /// Where its page is, relative to the documentation's root.
    #[must_use]
    pub fn doc_path(self) -> String {
        format!("docs/codes/{self}.md")
    }
}

/// A text that is none of the codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCode(pub String);

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no reason code", modelseal_core::text::Printable(&self.0))
    }
}

impl std::error::Error for UnknownCode {}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(name: &str) -> Result<Self, UnknownCode> {
        let found = TABLE.iter().find(|entry| entry.name == name);
        found.map(|entry| entry.code).ok_or_else(|| UnknownCode(name.chars().take(80).collect()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<&str> = TABLE.iter().map(|entry| entry.name).collect();
        schemars::json_schema!({ "type": "string", "description": "A stable reason code.", "enum": names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_and_has_texts_of_its_own() {
        let mut names = std::collections::BTreeSet::new();
        for (at, entry) in Code::all().iter().enumerate() {
            assert_eq!(entry.code as usize, at);
            assert_eq!(entry.name.parse(), Ok(entry.code));
            assert!(names.insert(entry.name), "{} twice", entry.name);
            for text in [entry.meaning, entry.remedy, entry.example] {
                assert!(text.len() > 8 && !text.ends_with('.'), "{}: {text}", entry.name);
            }
            let shape = |part: &str| {
                !part.is_empty()
                    && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            };
            let (domain, code) = entry.name.split_once('.').unwrap();
            assert!(shape(domain) && shape(code), "{}", entry.name);
        }
        assert!("signature.nope".parse::<Code>().is_err());
    }

    #[test]
    fn what_evidence_rests_on_is_never_waived_and_what_protects_is_never_relaxed() {
        for entry in Code::all() {
            let hard = ["policy", "integrity", "deny", "error"].contains(&entry.code.domain());
            if hard {
                assert!(!entry.code.is_waivable() && !entry.code.is_relaxed_by_audit(), "{}", entry.name);
            }
        }
        assert!(Code::TimeSignatureTooOld.is_waivable() && !Code::SignatureThresholdNotMet.is_waivable());
        assert!(Code::SignatureThresholdNotMet.is_relaxed_by_audit());
        assert_eq!(Code::ErrorUnsupported.kind(), CodeKind::Denied);
        assert_eq!(Code::ErrorIo.kind(), CodeKind::Undecided);
    }
}
