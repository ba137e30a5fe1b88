//! The document that `verify provenance` prints.

use super::{Digests, EvidenceReport, ModelReport, SignerReport, TrustedRootReport, Verdict};
use modelseal_core::{
    attestation::Attestation, cover::Cover, json::value::Value as Json, predicate::descriptor::Descriptor,
};
use modelseal_verify::{
    provenance::{self, Compared, Judgement, Outcome},
    verified::Verified,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Whether a model was made as expected, by whom, from what.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ProvenanceReport {
    /// Always `modelseal.provenance/v1`.
    pub schema: String,
    /// `allow` when one provenance passes every check.
    pub verdict: Verdict,
    /// The stable code of the first check that did not pass, of the provenance that is lacking least; absent when one
    /// passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What happened, in one sentence.
    pub message: String,
    /// The time of the verification (RFC 3339, UTC).
    pub now: String,
    /// The path of the model, as given.
    pub model: String,
    /// What was measured. Absent unless the model was measured, which takes provenance by a trusted signer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<ModelReport>,
    /// What names the model. Absent unless the model was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digests: Option<Digests>,
    /// Against which trust material. Absent when none was needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_root: Option<TrustedRootReport>,
    /// The least SLSA Build level that was asked for.
    pub min_level: u32,
    /// The document that the verdict rests on: the one that passes, or the one that is lacking least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decisive: Option<String>,
    /// Every provenance by a trusted signer, the decisive one first.
    pub provenances: Vec<ProvenanceFacts>,
    /// Statements by a trusted signer that are no provenance.
    pub other_statements: Vec<OtherStatement>,
    /// Documents that were not believed.
    pub rejected: Vec<RejectedDocument>,
    /// Provenances of this model by a trusted signer that contradict the decisive one.
    pub disagreements: Vec<Disagreement>,
    /// What lies in the model and was not measured.
    pub overlooked: Vec<String>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// One provenance by a trusted signer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ProvenanceFacts {
    /// The file, and the line when it holds several.
    pub document: String,
    /// Whether it passes every check.
    pub passed: bool,
    /// Who signed it.
    pub signer: SignerReport,
    /// The log entries and times that were verified. Absent when none were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
    /// The predicate type.
    pub predicate_type: String,
    /// Who writes provenance of this build type: `modelseal`, `github-attest`, `github-community`, `slsa-github-generator`,
    /// `tekton-chains`, `gitlab`, `gitlab-runner` or `other`.
    pub producer: String,
    /// The same for people.
    pub producer_name: String,
    /// `buildType`.
    pub build_type: String,
    /// `builder.id`.
    pub builder_id: String,
    /// The SLSA Build level that this verifier grants. What provenance says of its own level counts for nothing.
    pub level: LevelReport,
    /// How much of the model it is about. Absent unless the model was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover: Option<CoverReport>,
    /// What it was built from. Absent where the build type does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceReport>,
    /// The external parameters, value by value.
    pub parameters: Vec<ParameterReport>,
    /// What went into the build, as far as it is stated.
    pub dependencies: Vec<DependencyReport>,
    /// The builder's name for the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When the run started, in the builder's words (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_on: Option<String>,
    /// When the run ended, in the builder's words (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<String>,
    /// Every check, in order.
    pub checks: Vec<ProvenanceCheck>,
}

/// A level, and why it is not another.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LevelReport {
    /// The level, 1 to 3.
    pub granted: u32,
    /// Why.
    pub because: String,
}

/// How much of a model a statement is about.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CoverReport {
    /// How much.
    pub extent: Extent,
    /// By what, or what is lacking.
    pub message: String,
    /// The first of the files that are not covered.
    pub uncovered: Vec<String>,
}

/// How much of a model is covered. Only `full` passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// Every name and every byte.
    Full,
    /// Some of its files.
    Partial,
    /// Nothing.
    None,
}

/// The top-level source of a build.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SourceReport {
    /// The repository.
    pub repository: String,
    /// The branch, tag or revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The commits that are stated: one, unless the provenance contradicts itself.
    pub commits: Vec<String>,
}

/// An external parameter.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ParameterReport {
    /// Its JSON pointer inside `externalParameters`.
    pub pointer: String,
    /// Its value.
    #[schemars(with = "Value")]
    pub value: Json,
    /// Whether it was compared with anything: `yes`; `accepted` when any value was said to do; `no-known` when the build type says what it means; `no-unknown`.
    pub compared: String,
}

/// A resolved dependency.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DependencyReport {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests, by algorithm.
    pub digests: BTreeMap<String, String>,
    /// Whether a strong digest, or the content itself, says which bytes are meant.
    pub pinned: bool,
}

/// One check of a provenance.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ProvenanceCheck {
    /// What was checked: `signature`, `subject`, `certificate`, `builder`, `level`, `build-type`, `source`, `source-ref`,
    /// `source-digest`, `parameters` or `inputs`.
    pub id: String,
    /// How it ended; `not-compared` when nobody said what is expected.
    pub status: CheckStatus,
    /// A stable code, when it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was found.
    pub message: String,
    /// What was expected, where that is a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// What there is instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<Value>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How a check of a provenance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStatus {
    /// As expected.
    Pass,
    /// Otherwise.
    Fail,
    /// There was nothing to compare with.
    NotCompared,
    /// It could not be made.
    Skip,
}

/// A statement that is no provenance.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OtherStatement {
    /// The file, and the line when it holds several.
    pub document: String,
    /// What it is instead.
    pub predicate_type: String,
}

/// A document that was not believed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RejectedDocument {
    /// The file, and the line when it holds several.
    pub document: String,
    /// A stable code.
    pub code: String,
    /// Why.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Two provenances of one model that contradict each other.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Disagreement {
    /// The one that contradicts the decisive one.
    pub document: String,
    /// In what: `builder`, `build type`, `source`, `commit`, `parameters`.
    pub about: Vec<String>,
}

impl ProvenanceReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.provenance/v1";

    /// The provenance that the verdict rests on.
    #[must_use]
    pub fn decisive(&self) -> Option<&ProvenanceFacts> {
        self.provenances.first()
    }
}

impl ProvenanceFacts {
    /// What was found of a signed provenance.
    pub(crate) fn of(document: &str, signed: &Verified<Attestation>, judged: &Judgement) -> Self {
        let attestation = signed.get();
        let provenance = attestation.predicate.provenance();
        let signer = signed.signer();
        let mut checks = vec![ProvenanceCheck {
            id: "signature".into(),
            status: CheckStatus::Pass,
            code: None,
            message: format!("signed by {signer}"),
            expected: None,
            actual: None,
            fix: None,
        }];
        checks.extend(judged.checks.iter().map(ProvenanceCheck::from));
        Self {
            document: document.to_owned(),
            passed: judged.passed(),
            signer: signer.into(),
            evidence: EvidenceReport::of(signed.evidence()),
            predicate_type: attestation.predicate_type.clone(),
            producer: judged.producer.id().into(),
            producer_name: judged.producer.to_string(),
            build_type: judged.build_type.clone(),
            builder_id: judged.builder_id.clone(),
            level: LevelReport {
                granted: judged.level.level.number().into(),
                because: judged.level.because.clone(),
            },
            cover: judged.cover.as_ref().map(Into::into),
            source: source(judged),
            parameters: parameters(judged),
            dependencies: provenance
                .map(|p| p.resolved_dependencies.iter().map(Into::into).collect())
                .unwrap_or_default(),
            invocation_id: provenance.and_then(|p| p.invocation_id.clone()),
            started_on: provenance.and_then(|p| p.started_on).map(|time| time.to_string()),
            finished_on: provenance.and_then(|p| p.finished_on).map(|time| time.to_string()),
            checks,
        }
    }
}

impl From<&Cover> for CoverReport {
    fn from(cover: &Cover) -> Self {
        let (extent, uncovered) = match cover {
            Cover::Full(_) => (Extent::Full, Vec::new()),
            Cover::Partial { uncovered, .. } => (Extent::Partial, uncovered.clone()),
            Cover::None(_) => (Extent::None, Vec::new()),
        };
        Self { extent, message: cover.to_string(), uncovered }
    }
}

impl From<&provenance::Check> for ProvenanceCheck {
    fn from(check: &provenance::Check) -> Self {
        Self {
            id: check.id.into(),
            status: match check.outcome {
                Outcome::Pass => CheckStatus::Pass,
                Outcome::Fail => CheckStatus::Fail,
                Outcome::NotCompared => CheckStatus::NotCompared,
                Outcome::Skipped => CheckStatus::Skip,
            },
            code: check.code.map(|code| code.to_string()),
            message: check.message.clone(),
            expected: given(&check.expected),
            actual: given(&check.actual),
            fix: check.fix.clone(),
        }
    }
}

impl From<&Descriptor> for DependencyReport {
    fn from(descriptor: &Descriptor) -> Self {
        let digests = descriptor.digest.iter().map(|(name, hex)| (name.to_owned(), hex.to_owned()));
        Self {
            name: descriptor.name.clone(),
            uri: descriptor.uri.clone(),
            digests: digests.collect(),
            pinned: descriptor.is_pinned(),
        }
    }
}

fn given(value: &Value) -> Option<Value> {
    Some(value.clone()).filter(|value| !value.is_null())
}

/// The parameters of a judged provenance.
fn parameters(judged: &Judgement) -> Vec<ParameterReport> {
    let report = |parameter: &provenance::Parameter| ParameterReport {
        pointer: parameter.pointer.clone(),
        value: parameter.value.clone(),
        compared: match parameter.compared {
            Compared::Yes => "yes",
            Compared::Accepted => "accepted",
            Compared::Defined => "no-known",
            Compared::Unknown => "no-unknown",
        }
        .into(),
    };
    judged.parameters.iter().map(report).collect()
}

/// The source of a judged provenance.
fn source(judged: &Judgement) -> Option<SourceReport> {
    judged.source.as_ref().map(|source| SourceReport {
        repository: source.repository.clone(),
        reference: source.reference.clone(),
        commits: judged.commits.iter().cloned().collect(),
    })
}
