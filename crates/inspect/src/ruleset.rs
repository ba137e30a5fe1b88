//! [`RuleSet`]: by which rules files are judged. The one that is shipped, and what users lay over it: TOML, with a version,
//! and every unknown word refused.
//!
//! ```toml
//! schema = "modelseal.rules/v1"
//! id = "acme.example/inspection"
//! version = 3
//! deny-from = "unknown"            # "suspicious" unless given: what is denied, with everything that is worse
//!
//! [rules.PKL013]
//! severity = "malicious"           # raised: anybody may
//! [rules."ONX*"]
//! severity = "suspicious"          # at least that for every rule of a subject
//! [rules.FMT002]
//! severity = "note"                # lowered: by its exact name only, and with a reason
//! reason = "our converter names its files so"
//!
//! [[allow]]
//! module = "acme.nets"
//! role = "class"
//! names = ["Ranker", "Head"]
//! source = "acme-nets 2.1, acme/nets.py: classes without __reduce__ or __setstate__"
//! [[deny]]
//! module = "acme.tools"
//! names = ["*"]
//! source = "reaches the job scheduler"
//! ```

mod parse;

use crate::{
    limits,
    pickle::{Globals, Role},
    rule::{self, Rule},
};
use modelseal_core::{
    digest::Digest,
    inspection::{FileInspection, Finding, Inspection, RuleId, Severity, Verdict},
    text::Printable,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fmt, sync::OnceLock};

/// The value of `schema`.
pub const RULES_SCHEMA: &str = "modelseal.rules/v1";

/// Largest rule set that is read, in bytes.
pub const MAX_RULES_BYTES: usize = 1024 * 1024;

/// The rules by which files are judged.
#[derive(Debug, Clone)]
pub struct RuleSet {
    id: String,
    version: String,
    globals: Globals,
    deny_from: Verdict,
    /// Rules whose severity is not that of the table.
    changed: BTreeMap<RuleId, Changed>,
    allowed: Vec<Entry>,
    denied: Vec<Entry>,
}

/// A rule whose severity a rule set changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    #[serde(serialize_with = "as_name")]
    from: Severity,
    #[serde(serialize_with = "as_name")]
    to: Severity,
    reason: Option<String>,
}

/// Why a text is no rule set, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSetError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Globals that a user allows or denies.
#[derive(Debug, Clone, Serialize)]
struct Entry {
    module: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    names: Vec<String>,
    source: String,
}

impl RuleSet {
    /// The rules that are shipped with this version.
    #[must_use]
    pub fn built_in() -> &'static Self {
        static BUILT_IN: OnceLock<RuleSet> = OnceLock::new();
        BUILT_IN.get_or_init(|| {
            let globals = Globals::shipped().clone();
            Self {
                id: "modelseal".to_owned(),
                version: globals.version().to_owned(),
                globals,
                deny_from: Verdict::Suspicious,
                changed: BTreeMap::new(),
                allowed: Vec::new(),
                denied: Vec::new(),
            }
        })
    }

    /// Reads a user's rules and lays them over those that are shipped.
    ///
    /// # Errors
    /// [`RuleSetError`] for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, RuleSetError> {
        parse::parse(text)
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its version: a number, or that of the globals for the one that is shipped.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The judgement on Python globals.
    #[must_use]
    pub fn globals(&self) -> &Globals {
        &self.globals
    }

    /// The mildest verdict that is denied.
    #[must_use]
    pub fn denies_from(&self) -> Verdict {
        self.deny_from
    }

    /// Whether what has this verdict is denied.
    #[must_use]
    pub fn denies(&self, verdict: Verdict) -> bool {
        verdict >= self.deny_from
    }

    /// The rules whose severity is another one than that of the table.
    pub fn changed(&self) -> impl Iterator<Item = (RuleId, &Changed)> {
        self.changed.iter().map(|(id, changed)| (*id, changed))
    }

    /// How bad it is what `rule` finds.
    #[must_use]
    pub fn severity(&self, rule: &Rule) -> Severity {
        self.changed.get(&rule.id).map_or(rule.severity, |changed| changed.to)
    }

    /// What was found by rules that are at least this bad, and that this rule set calls milder.
    pub fn softened<'a>(
        &'a self,
        inspection: &'a Inspection,
        at_least: Severity,
    ) -> impl Iterator<Item = &'a Finding> {
        let is_softened = move |finding: &&Finding| {
            let changed = self.changed.get(&finding.rule);
            changed.is_some_and(|changed| changed.to < changed.from && changed.from >= at_least)
        };
        inspection.files.iter().flat_map(|file| &file.findings).filter(is_softened)
    }

    /// Gives findings the severities of this rule set.
    pub(crate) fn apply(&self, file: &mut FileInspection) {
        if self.changed.is_empty() {
            return;
        }
        for finding in &mut file.findings {
            if let Some(Changed { from, to, .. }) = self.changed.get(&finding.rule) {
                // A finding may be milder than its rule.
                let found = finding.severity;
                finding.severity = if to < from { found.min(*to) } else { found.max(*to) };
            }
        }
    }

    /// `rulesDigest`: SHA-256 over everything that decides what is found under these rules and how it is told, but for the
    /// program itself.
    #[must_use]
    pub fn digest(&self) -> Digest {
        #[derive(Serialize)]
        struct Canonical<'a> {
            schema: &'a str,
            id: &'a str,
            version: &'a str,
            globals: String,
            rules: Vec<[&'a str; 5]>,
            deny_from: &'a str,
            changed: Vec<(&'a str, &'a Changed)>,
            allow: &'a [Entry],
            deny: &'a [Entry],
        }
        let rules = rule::all();
        let told = |rule: &&'static Rule| {
            [rule.id.as_str(), rule.name, rule.severity.name(), rule.summary, rule.remedy]
        };
        let canonical = Canonical {
            schema: RULES_SCHEMA,
            id: &self.id,
            version: &self.version,
            globals: sha256(Globals::shipped_text().replace("\r\n", "\n").as_bytes()).to_hex(),
            rules: rules.iter().map(told).collect(),
            deny_from: self.deny_from.name(),
            changed: self.changed.iter().map(|(id, changed)| (id.as_str(), changed)).collect(),
            allow: &self.allowed,
            deny: &self.denied,
        };
        // Names and text only: there is nothing in it that JSON cannot hold.
        sha256(&serde_json::to_vec(&canonical).unwrap_or_default())
    }
}

/// `limitsDigest`: SHA-256 over the names and values of all bounds on what is inspected.
#[must_use]
pub fn limits_digest() -> Digest {
    sha256(limits::canonical().as_bytes())
}

impl Changed {
    /// The severity of the table.
    #[must_use]
    pub fn from(&self) -> Severity {
        self.from
    }

    /// The severity under the rule set.
    #[must_use]
    pub fn to(&self) -> Severity {
        self.to
    }

    /// Why; there always is a reason when it is lowered.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

impl fmt::Display for RuleSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, Printable(&self.message))
    }
}

impl std::error::Error for RuleSetError {}

fn sha256(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}

fn as_name<S: serde::Serializer>(severity: &Severity, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(severity.name())
}

#[cfg(test)]
mod tests;
