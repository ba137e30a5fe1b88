//! `modelseal.lineage/v1`: where a model comes from, as a flat graph of artifacts, whatever its depth.

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A model's ancestry, and how far it is proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LineageReport {
    /// Always `modelseal.lineage/v1`.
    pub schema: String,
    /// Whether every model of the ancestry is vouched for by somebody trusted.
    pub complete: bool,
    /// What was found, in one sentence.
    pub message: String,
    /// The time of the verification (RFC 3339, UTC).
    pub now: String,
    /// The path of the model, or the digest that was asked for.
    pub model: String,
    /// Whether models of which nothing is known count as roots of history.
    pub allow_unresolved: bool,
    /// The models. The first one was asked for; a model comes after one that was made from it.
    pub nodes: Vec<LineageNode>,
    /// What was made from what.
    pub edges: Vec<LineageEdge>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// A model of the ancestry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LineageNode {
    /// Its name in this document.
    pub id: String,
    /// What is known of it.
    pub status: LineageStatus,
    /// The stable code of a policy's reason against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was found, in a sentence.
    pub message: String,
    /// The URI by which what was made from it names it, or the name that the user gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// How it is known: `dir:METHOD:HEX` for a directory, `blob:ALGORITHM:HEX` for anything else.
    pub artifact_ids: Vec<String>,
    /// The digests that pin it, by algorithm.
    pub digests: BTreeMap<String, String>,
    /// How many generations back, at least.
    pub depth: usize,
    /// A copy on this machine that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What is said of it.
    pub statements: Vec<LineageStatement>,
    /// What it declares about its own origin, where a copy is here. Nobody proves that.
    pub declares: Vec<LineageDeclaration>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// What is known of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LineageStatus {
    /// Provenance by somebody trusted says how it was made; what it was made from is walked further.
    Verified,
    /// Somebody trusted signed it, and nobody trusted says how it was made: history ends here.
    Signed,
    /// There are statements about it, none by anybody trusted.
    UnknownSigner,
    /// There is no statement about it, or nothing pins which bytes are meant.
    Unresolved,
    /// It, a file of it, or whoever vouches for it is on a deny list.
    Revoked,
    /// A policy denies it for another reason, or its provenance breaks the rules of its build type.
    Denied,
    /// The copy on this machine is not what others were made from.
    Mismatch,
    /// It is further back than the walk was to go.
    TooDeep,
    /// There is more about it than is looked at.
    Limit,
}

/// A bundle about a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LineageStatement {
    /// `sha256:<hex>` of the bundle.
    pub evidence: String,
    /// Where it lies.
    pub place: String,
    /// What kind of statement it is; empty where nobody trusted signed it and it was too large to read for that.
    pub predicate_type: String,
    /// What it is worth. What an untrusted one says is not shown.
    pub standing: LineageStanding,
    /// By whom it is, or why it is not believed.
    pub message: String,
    /// What built the model, of trusted provenance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<LineageBuild>,
}

/// What a statement is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LineageStanding {
    /// It is by somebody trusted.
    Trusted,
    /// Nobody trusted signed it.
    Unknown,
    /// Its signer has no say about this model, or it is not what a policy or its build type wants.
    Refused,
    /// Its signer is on a deny list.
    Revoked,
}

/// A build as trusted provenance has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LineageBuild {
    /// The build type (a URI).
    pub build_type: String,
    /// Its short name, where it is one of ours: `training`, `fine-tune`, `quantize`, `merge` or `convert`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// The builder (a URI).
    pub builder: String,
    /// When it ended (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<String>,
    /// What went into it, models too.
    pub inputs: Vec<LineageInput>,
}

/// An input of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LineageInput {
    /// What it is.
    pub kind: LineageInputKind,
    /// Its URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests by algorithm.
    pub digests: BTreeMap<String, String>,
    /// Whether a strong digest pins it.
    pub pinned: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LineageInputKind {
    /// A model.
    BaseModel,
    /// Data.
    Dataset,
    /// The source that ran.
    Source,
    /// The image it ran in.
    Container,
    /// The file that pins the software.
    Lockfile,
    /// A bundle that vouches for a base model.
    BaseModelSignature,
    /// Anything else.
    Other,
}

/// What a model declares about its own origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LineageDeclaration {
    /// The name.
    pub name: String,
    /// Whether it names a model or data.
    pub kind: LineageInputKind,
    /// How the model was made from it, as far as that is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// The file and the place in it.
    pub place: String,
    /// Whether a library left it behind and nobody declared it.
    pub inferred: bool,
    /// Whether trusted provenance names the same model. Absent for data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven: Option<bool>,
}

/// A model was made from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LineageEdge {
    /// The model.
    pub from: String,
    /// What it was made from.
    pub to: String,
    /// How: `fine-tune`, `quantize`, .. of the build type, or as it was declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// Whether trusted provenance proves it. Otherwise the model only declares it.
    pub proven: bool,
    /// The statements that prove it, `sha256:<hex>`; or the places that declare it.
    pub evidence: Vec<String>,
    /// Whether it leads back to a model that was made from this one, which cannot be.
    pub cycle: bool,
}

impl LineageReport {
    /// The schema id.
    pub const SCHEMA: &'static str = "modelseal.lineage/v1";
}

impl LineageStatus {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Signed => "signed",
            Self::UnknownSigner => "unknown-signer",
            Self::Unresolved => "unresolved",
            Self::Revoked => "revoked",
            Self::Denied => "denied",
            Self::Mismatch => "mismatch",
            Self::TooDeep => "too-deep",
            Self::Limit => "limit",
        }
    }

    /// Whether somebody trusted vouches for the model.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Verified | Self::Signed)
    }
}

impl LineageInputKind {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BaseModel => "base-model",
            Self::Dataset => "dataset",
            Self::Source => "source",
            Self::Container => "container",
            Self::Lockfile => "lockfile",
            Self::BaseModelSignature => "base-model-signature",
            Self::Other => "other",
        }
    }
}
