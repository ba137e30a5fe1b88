//! Judges SLSA provenance of one model against what a user expects, in the order of SLSA's "Verifying artifacts": who
//! signed (settled by [`Verified`]), whether the subject is the model and all of it, the predicate type, the level that this
//! verifier grants the pair of signer and builder, then build type, source and every external parameter, and last the inputs
//! that the parameters name. Everything that can be checked is, and each mismatch says what was expected, what was found and
//! what to do.
//!
//! Policies say the same in their `slsa` block; both compare with the functions of `compare`.

pub(crate) mod claims;
pub(crate) mod compare;
mod judge;
pub mod producer;

pub use judge::judge;
pub use producer::Producer;

use crate::{
    decision::{Code, check::Fault},
    policy::{matching::Match, values::Level},
};
use modelseal_core::{
    cover::Cover,
    json::value::Value as Json,
    predicate::{build_type::Unresolved, slsa_provenance::Source},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub use crate::policy::{
    matching::Match as Expected,
    pattern::{Pattern, PatternError},
    testing::{PointerKey, Test},
    values::Level as BuildLevel,
};

#[cfg(doc)]
use crate::verified::Verified;

/// What the provenance of a model is expected to say. What is not expected is not compared, and said to be so.
#[derive(Debug, Clone)]
pub struct Expectations {
    /// The builder, and what its provenance is worth here.
    pub builder: Option<ExpectedBuilder>,
    /// The least level; above 1, everything in the provenance has to be compared with something.
    pub min_level: Level,
    /// The build types, one of which it must be; none for any.
    pub build_types: Vec<String>,
    /// The repository of the source.
    pub source: Option<Match>,
    /// The branch, tag or revision of the source.
    pub source_ref: Option<Match>,
    /// The commit of the source, in hexadecimal.
    pub source_digest: Option<String>,
    /// A test for each external parameter, by JSON pointer.
    pub parameters: compare::Tests,
    /// Values of workflow inputs, by their names: where a build type records them is known here.
    pub inputs: BTreeMap<String, Test>,
    /// Accepts parameters that neither a test nor the build type knows.
    pub allow_unknown_parameters: bool,
    /// Accepts inputs that no digest pins.
    pub allow_unresolved: bool,
}

/// A builder, and what the verifier grants it together with the signer that is trusted.
#[derive(Debug, Clone)]
pub struct ExpectedBuilder {
    /// Its `builder.id`.
    pub id: Match,
    /// The level.
    pub level: Level,
}

impl ExpectedBuilder {
    /// Whether the id is somebody's: one name, or a pattern of which every match begins with the same host. Whoever signs writes
    /// `builder.id`, so that a pattern for any host names nobody, and is worth no more than level 1.
    #[must_use]
    pub fn is_named(&self) -> bool {
        match &self.id {
            Match::Literal(id) => !id.is_empty(),
            Match::AnyOf(ids) => !ids.is_empty(),
            Match::Regex(pattern) => {
                pattern.beginnings().is_some_and(|all| all.iter().all(|one| has_host(one)))
            }
            Match::Glob(glob) => has_host(glob.as_str().split(['*', '?', '[']).next().unwrap_or_default()),
        }
    }
}

/// Whether a URI that begins so can only be of one host, or of one name where there is no host.
fn has_host(beginning: &str) -> bool {
    match beginning.split_once("://") {
        Some((_, rest)) => rest.split_once('/').is_some_and(|(host, _)| !host.is_empty()),
        None => beginning.split_once(':').is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with('/')),
    }
}

/// What became of one verified provenance.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// Who writes provenance of this build type.
    pub producer: Producer,
    /// `buildType`.
    pub build_type: String,
    /// `builder.id`.
    pub builder_id: String,
    /// The repository and ref that it was built from, where the build type says so.
    pub source: Option<Source>,
    /// The commits of that source which are stated: one, unless the provenance contradicts itself.
    pub commits: BTreeSet<String>,
    /// What is granted.
    pub level: Granted,
    /// How much of the model it is about; `None` when the model was not measured.
    pub cover: Option<Cover>,
    /// The external parameters, value by value.
    pub parameters: Vec<Parameter>,
    /// The inputs that no dependency pins; known for modelseal's own build types only.
    pub unresolved: Vec<Unresolved>,
    /// Every check, in order.
    pub checks: Vec<Check>,
}

/// The level that is granted, and why it is not another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The level.
    pub level: Level,
    /// Why.
    pub because: String,
}

/// An external parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its JSON pointer inside `externalParameters`.
    pub pointer: String,
    /// Its value.
    pub value: Json,
    /// Whether it was compared with anything.
    pub compared: Compared,
}

/// Whether an external parameter was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// With what is expected; the checks say how that ended.
    Yes,
    /// With nothing, because any value is accepted.
    Accepted,
    /// With nothing; the build type says what it means.
    Defined,
    /// With nothing, and nothing says what it means.
    Unknown,
}

/// One check.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What was checked: `subject`, `certificate`, `builder`, `level`, `build-type`, `source`, `source-ref`, `source-digest`,
    /// `parameters` or `inputs`.
    pub id: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, when it failed.
    pub code: Option<Code>,
    /// What was found.
    pub message: String,
    /// What was expected, where that is a value.
    pub expected: Value,
    /// What there is instead.
    pub actual: Value,
    /// What to do.
    pub fix: Option<String>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Pass,
    /// Otherwise: the provenance does not count.
    Fail,
    /// There was nothing to compare with.
    NotCompared,
    /// Another check stood before it.
    Skipped,
}

/// The test of a value that a command line writes as text: that text, or the number, truth value, list or object that it
/// spells in JSON.
#[must_use]
pub fn equals_text(text: &str) -> Test {
    let mut values = vec![Json::from(text)];
    values.extend(
        Json::parse(text.as_bytes(), MAX_VALUE_BYTES).ok().filter(|v| v.as_str().is_none() && !v.is_null()),
    );
    Test::In(values)
}

/// Bytes of a value on a command line that are read as JSON.
const MAX_VALUE_BYTES: u64 = 1 << 20;

impl Default for Expectations {
    /// Nothing but that provenance exists: level 1.
    fn default() -> Self {
        Self {
            builder: None,
            min_level: Level::ONE,
            build_types: Vec::new(),
            source: None,
            source_ref: None,
            source_digest: None,
            parameters: compare::Tests::new(),
            inputs: BTreeMap::new(),
            allow_unknown_parameters: false,
            allow_unresolved: false,
        }
    }
}

impl Judgement {
    /// Whether nothing failed, and the subject was compared with a measured model.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures() == 0 && self.cover.as_ref().is_some_and(Cover::is_full)
    }

    /// How many checks failed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.checks.iter().filter(|check| check.outcome == Outcome::Fail).count()
    }

    /// In what two provenances of one model contradict each other: who built it, from what, how, with which parameters.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> Vec<&'static str> {
        let values = |judged: &Self| -> Vec<(String, Json)> {
            judged.parameters.iter().map(|p| (p.pointer.clone(), p.value.clone())).collect()
        };
        [
            ("builder", self.builder_id != other.builder_id),
            ("build type", self.build_type != other.build_type),
            ("source", self.source != other.source),
            (
                "commit",
                !self.commits.is_empty() && !other.commits.is_empty() && self.commits != other.commits,
            ),
            ("parameters", values(self) != values(other)),
        ]
        .into_iter()
        .filter_map(|(what, differs)| differs.then_some(what))
        .collect()
    }
}

impl Check {
    fn new(id: &'static str) -> Self {
        Self {
            id,
            outcome: Outcome::Pass,
            code: None,
            message: String::new(),
            expected: Value::Null,
            actual: Value::Null,
            fix: None,
        }
    }

    fn pass(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    fn fail(self, code: Code, message: impl Into<String>) -> Self {
        Self { outcome: Outcome::Fail, code: Some(code), message: message.into(), ..self }
    }

    fn not_compared(self, message: impl Into<String>) -> Self {
        Self { outcome: Outcome::NotCompared, message: message.into(), ..self }
    }

    fn expected(self, expected: Value) -> Self {
        Self { expected, ..self }
    }

    fn actual(self, actual: Value) -> Self {
        Self { actual, ..self }
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// The check that a comparison makes.
    fn of(id: &'static str, fault: Option<Fault>, passed: impl FnOnce() -> String) -> Self {
        match fault {
            None => Self::new(id).pass(passed()),
            Some(Fault { code, message, expected, actual }) => {
                Self::new(id).fail(code, message).expected(expected).actual(actual)
            }
        }
    }
}
