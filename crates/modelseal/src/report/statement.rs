//! What is known of statements that nobody has signed yet.

use crate::error::Kind;
use modelseal_core::{
    attestation::{Attestation, Subject},
    predicate::{
        build_type::BuildType,
        descriptor::{Descriptor, DigestSet},
        slsa_provenance::Provenance,
    },
};
use modelseal_verify::{
    decision::{Code, CodeKind},
    statement_check::Problem,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Unsigned statements that were judged.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StatementCheckReport {
    /// Always `modelseal.statement/v1`.
    pub schema: String,
    /// `accepted` when every statement is.
    pub verdict: StatementVerdict,
    /// The code of the first problem of the worst kind; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The whole in a sentence.
    pub message: String,
    /// Every statement, in the order in which they were given.
    pub statements: Vec<CheckedStatement>,
}

/// A statement that was judged. What it says is only claimed: it is not signed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CheckedStatement {
    /// Its file; `-` for standard input.
    pub file: String,
    /// How it was judged.
    pub verdict: StatementVerdict,
    /// The code of the first problem; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// JSON pointer of the first problem, from the top of the statement; empty for all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The first problem in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Every problem that was found. What cannot be read has one.
    pub problems: Vec<StatementProblem>,
    /// The type of its predicate. Absent when the statement cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
    /// What it is about; empty when it cannot be read.
    pub subjects: Vec<CheckedSubject>,
    /// How the subjects were built, if that is what it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<StatedProvenance>,
}

/// How a statement was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatementVerdict {
    /// It is what the specifications ask for.
    Accepted,
    /// It is not.
    Refused,
    /// There was no unsigned statement to judge.
    Error,
}

/// Something that is wrong with a statement.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StatementProblem {
    /// The stable code.
    pub code: String,
    /// JSON pointer from the top of the statement; empty for all of it.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// An artifact that a statement is about.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CheckedSubject {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests by algorithm.
    pub digests: BTreeMap<String, String>,
    /// Over what they were computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_method: Option<String>,
}

/// What provenance says. Under SLSA v0.2, as version 1 would say it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StatedProvenance {
    /// The type of the build (a URI).
    pub build_type: String,
    /// The short name of a build type of modelseal's own, whose promises were checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_as: Option<String>,
    /// The builder (a URI).
    pub builder: String,
    /// The repository that was built from. Absent where the build type does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The branch, tag or revision that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<String>,
    /// The builder's name for the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When the run started (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_on: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<String>,
    /// What went in.
    pub dependencies: Vec<DependencyFacts>,
    /// How many of them a strong digest, or their content, pins.
    pub resolved: usize,
    /// How many are not pinned.
    pub unresolved: usize,
}

/// Something that went into a build.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DependencyFacts {
    /// Its name, such as `baseModel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests by algorithm.
    pub digests: BTreeMap<String, String>,
    /// Whether a strong digest, or its content, pins it.
    pub resolved: bool,
}

impl StatementCheckReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.statement/v1";

    /// Puts statements together.
    #[must_use]
    pub fn of(statements: Vec<CheckedStatement>) -> Self {
        let count = |verdict| statements.iter().filter(|s| s.verdict == verdict).count();
        let (refused, errors) = (count(StatementVerdict::Refused), count(StatementVerdict::Error));
        let verdict = match (refused, errors) {
            (0, 0) => StatementVerdict::Accepted,
            (_, 0) => StatementVerdict::Refused,
            _ => StatementVerdict::Error,
        };
        // Of equals the first.
        let mut worst: Option<&CheckedStatement> = None;
        for statement in &statements {
            if worst.is_none_or(|worst| rank(statement.kind()) > rank(worst.kind())) {
                worst = Some(statement);
            }
        }
        let worst = worst.filter(|statement| statement.code.is_some());
        let message = match (worst, &statements[..]) {
            (Some(CheckedStatement { message: Some(message), pointer, .. }), [_]) => {
                let at = pointer.as_deref().unwrap_or_default();
                if at.is_empty() { message.clone() } else { format!("{at}: {message}") }
            }
            _ => format!(
                "{}: {} accepted, {refused} refused, {errors} not judged",
                if statements.len() == 1 {
                    "1 statement".into()
                } else {
                    format!("{} statements", statements.len())
                },
                statements.len() - refused - errors
            ),
        };
        Self {
            schema: Self::SCHEMA.into(),
            verdict,
            code: worst.and_then(|worst| worst.code.clone()),
            message,
            statements,
        }
    }

    /// What the worst of them means for whoever asked; `None` when all were accepted.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.statements.iter().map(CheckedStatement::kind).max_by_key(|kind| rank(*kind)).flatten()
    }
}

impl CheckedStatement {
    pub(crate) fn of(file: &str, attestation: Option<&Attestation>, problems: Vec<Problem>) -> Self {
        let problems: Vec<StatementProblem> = problems.into_iter().map(StatementProblem::from).collect();
        let provenance = attestation.and_then(|attestation| attestation.predicate.provenance());
        let mut checked = Self {
            file: file.to_owned(),
            verdict: StatementVerdict::Accepted,
            code: problems.first().map(|first| first.code.clone()),
            pointer: problems.first().map(|first| first.pointer.clone()),
            message: problems.first().map(|first| first.message.clone()),
            problems,
            predicate_type: attestation.map(|attestation| attestation.predicate_type.clone()),
            subjects: attestation
                .iter()
                .flat_map(|attestation| &attestation.subjects)
                .map(CheckedSubject::of)
                .collect(),
            provenance: provenance.map(StatedProvenance::of),
        };
        checked.verdict = match checked.kind() {
            None => StatementVerdict::Accepted,
            Some(Kind::Denied) => StatementVerdict::Refused,
            Some(_) => StatementVerdict::Error,
        };
        checked
    }

    /// What its first problem means for whoever asked; `None` when it was accepted.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Some(match self.code.as_ref()?.parse::<Code>().map(Code::kind) {
            Ok(CodeKind::Denied) => Kind::Denied,
            Ok(CodeKind::Usage) => Kind::Usage,
            _ => Kind::Undecided,
        })
    }
}

fn rank(kind: Option<Kind>) -> u8 {
    match kind {
        None => 0,
        Some(Kind::Denied) => 1,
        Some(Kind::Usage) => 2,
        Some(Kind::Undecided) => 3,
    }
}

impl From<Problem> for StatementProblem {
    fn from(problem: Problem) -> Self {
        Self { code: problem.code.as_str().into(), pointer: problem.at, message: problem.message }
    }
}

impl CheckedSubject {
    fn of(subject: &Subject) -> Self {
        Self {
            name: subject.name.clone(),
            uri: subject.uri.clone(),
            digests: digests(&subject.digest),
            digest_method: subject.digest_method.clone(),
        }
    }
}

impl StatedProvenance {
    fn of(provenance: &Provenance) -> Self {
        let source = provenance.source();
        let resolved = provenance.resolved_dependencies.iter().filter(|found| found.is_pinned()).count();
        Self {
            build_type: provenance.build_type.clone(),
            known_as: BuildType::of_uri(&provenance.build_type).map(|ours| ours.name().into()),
            builder: provenance.builder_id.clone(),
            source: source.as_ref().map(|source| source.repository.clone()),
            source_ref: source.and_then(|source| source.reference),
            invocation_id: provenance.invocation_id.clone(),
            started_on: provenance.started_on.map(|time| time.to_string()),
            finished_on: provenance.finished_on.map(|time| time.to_string()),
            dependencies: provenance.resolved_dependencies.iter().map(DependencyFacts::of).collect(),
            resolved,
            unresolved: provenance.resolved_dependencies.len() - resolved,
        }
    }
}

impl DependencyFacts {
    fn of(found: &Descriptor) -> Self {
        Self {
            name: found.name.clone(),
            uri: found.uri.clone(),
            digests: digests(&found.digest),
            resolved: found.is_pinned(),
        }
    }
}

fn digests(set: &DigestSet) -> BTreeMap<String, String> {
    set.iter().map(|(algorithm, hex)| (algorithm.to_owned(), hex.to_owned())).collect()
}
