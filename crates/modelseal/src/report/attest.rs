//! The documents of `attest`.

use super::{
    Digests, EvidenceReport, InspectionVerdict, ModelReport, SerializationReport, SignerReport,
    TrustedRootReport,
};
use modelseal_core::predicate::descriptor::Descriptor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An attestation that was made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AttestReport {
    /// Always `modelseal.attestation/v1`.
    pub schema: String,
    /// Where it was written.
    pub written: Vec<String>,
    /// What kind of statement it is.
    pub predicate_type: String,
    /// Who signed.
    pub signer: SignerReport,
    /// The log entries and times that were added and verified. Absent when there are none, or none were verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
    /// Against which trust material. Absent when none was needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_root: Option<TrustedRootReport>,
    /// The model that it is about.
    pub model: ModelReport,
    /// What names the model.
    pub digests: Digests,
    /// How the model was measured.
    pub serialization: SerializationReport,
    /// What the provenance says. Absent for other statements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<RecordedProvenance>,
    /// What is claimed of the files. Absent for other statements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inspection: Option<AttestedInspection>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// What is claimed of the files of a model.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AttestedInspection {
    /// The verdict on the model.
    pub verdict: InspectionVerdict,
    /// The claims, as the statement has them.
    pub attributes: Vec<String>,
    /// What is not claimed, each with the reason.
    pub withheld: Vec<String>,
    /// Whose rules it was judged by: `modelseal` for those that are shipped.
    pub rules: String,
    /// `sha256:<hex>` over all that decides what is found.
    pub rules_digest: String,
    /// Where the report was written.
    pub report: String,
    /// `sha256:<hex>` of the report, by which the statement names it.
    pub report_digest: String,
}

/// What provenance says.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RecordedProvenance {
    /// The rules of its parameters (a URI).
    pub build_type: String,
    /// Who ran the build, in the words of whoever signs (a URI).
    pub builder_id: String,
    /// The SLSA Build level that provenance of this origin has by itself: always 1.
    pub level: u32,
    /// Why it is not higher.
    pub level_reason: String,
    /// What went in, each with the digest that pins it.
    pub dependencies: Vec<RecordedDependency>,
    /// Inputs that nothing pins, each with the reason.
    pub unresolved: Vec<String>,
}

/// A resolved dependency.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RecordedDependency {
    /// As what it went in.
    pub name: String,
    /// What identifies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests, each `<algorithm>:<hex>`.
    pub digests: Vec<String>,
}

/// What a run was started with: written by `attest begin`, read by `attest finish`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunRecord {
    /// Always `modelseal.run-record/v1`.
    pub schema: String,
    /// When the run started (RFC 3339, UTC).
    pub started_on: String,
    /// What went in.
    pub inputs: Vec<RecordedInput>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// An input as it was before a run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RecordedInput {
    /// `source`, `baseModel`, `dataset`, `container` or `lockfile`.
    pub kind: String,
    /// What identifies it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Where it was measured; absent when it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The digest that was given for it; absent when none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The resource descriptors that will be recorded, each as JSON.
    pub dependencies: Vec<String>,
    /// Its files.
    pub files: Vec<RecordedFile>,
}

/// A file of an input.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RecordedFile {
    /// Its name in the input.
    pub name: String,
    /// `<algorithm>:<hex>`.
    pub digest: String,
}

impl AttestReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.attestation/v1";
}

impl RecordedDependency {
    pub(crate) fn of(descriptor: &Descriptor) -> Self {
        Self {
            name: descriptor.name.clone().unwrap_or_default(),
            uri: descriptor.uri.clone(),
            digests: descriptor.digest.iter().map(|(algorithm, hex)| format!("{algorithm}:{hex}")).collect(),
        }
    }
}

impl RunRecord {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.run-record/v1";
}
