//! What an attestation store holds, and what descends from what.

use schemars::JsonSchema;
use serde::Serialize;

/// What descends from an artifact.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AffectedReport {
    /// Always `modelseal.affected/v1`.
    pub schema: String,
    /// The store whose statements were followed.
    pub store: String,
    /// Ids of the artifact that was asked about, which has the number 0: `dir:METHOD:HEX` or `blob:ALGORITHM:HEX`.
    pub by: Vec<String>,
    /// Whether everything was looked at. When not, more may be affected.
    pub complete: bool,
    /// What descends from it, by number of steps.
    pub affected: Vec<AffectedArtifact>,
    /// Which was made from which, and who says so.
    pub edges: Vec<AffectedEdge>,
    /// The statements that count.
    pub statements: Vec<AffectedStatement>,
    /// Statements that would have added to the answer, and are by nobody who was named; the first thousand.
    pub not_counted: Vec<NotCounted>,
    /// What is wrong with the store; the first thousand.
    pub problems: Vec<StoreProblem>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// An artifact that descends from another.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AffectedArtifact {
    /// Its number, from 1.
    pub number: usize,
    /// Its name in the statement that it was found by; may be empty.
    pub name: String,
    /// Its URI there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// By what it is known.
    pub ids: Vec<String>,
    /// How many steps of making lie between it and the artifact that was asked about.
    pub steps: usize,
    /// The place in `edges` of the last of these steps, which has the one before in `from`.
    pub found_by: usize,
}

/// That an artifact was made from another.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AffectedEdge {
    /// Number of the artifact that went in.
    pub from: usize,
    /// Number of the artifact that came out.
    pub to: usize,
    /// Place in `statements` of who says so.
    pub statement: usize,
    /// The name of the resolved dependency, such as `baseModel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependency: Option<String>,
    /// Its URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

/// A statement of provenance.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AffectedStatement {
    /// Its file, and its line in a file of several.
    pub place: String,
    /// SHA-256 of its bundle.
    pub sha256: String,
    /// The predicate type.
    pub predicate_type: String,
    /// The build type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_type: Option<String>,
    /// Whether its signature was verified.
    pub verified: bool,
    /// Who signed it. Absent unless it was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// A statement that does not count.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NotCounted {
    /// Its file, and its line in a file of several.
    pub place: String,
    /// Why not.
    pub why: String,
}

/// What was done with a store, or is in it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StoreReport {
    /// Always `modelseal.store/v1`.
    pub schema: String,
    /// The store's folder.
    pub store: String,
    /// Bundles that were added, listed or exported, depending on the command.
    pub bundles: Vec<StoreBundle>,
    /// How many bundles: all that there are, or all that the command was about.
    pub count: u64,
    /// How many of them are new to the store. Absent but for `store add`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<usize>,
    /// Lines that are no bundles. Absent but for `store add`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<usize>,
    /// Files that were read to bring the index up to date. Absent but for `store index`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<u64>,
    /// How many statements there are of each predicate type. Absent but for `store index`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate_types: Option<std::collections::BTreeMap<String, u64>>,
    /// What is wrong with files in the store.
    pub problems: Vec<StoreProblem>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// A bundle in a store. Nothing of it was verified.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StoreBundle {
    /// Its file, and its line in a file of several.
    pub place: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// The predicate type that it claims. Absent when it is no statement, or was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
    /// The build type that it claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_type: Option<String>,
    /// The names of its subjects; the first ten.
    pub subjects: Vec<String>,
}

/// Something in a store that answers do not rest on.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StoreProblem {
    /// The file or folder.
    pub path: String,
    /// `not-read`, `malformed` or `no-bundle`.
    pub kind: String,
    /// What is wrong with it.
    pub message: String,
}

impl AffectedReport {
    /// The schema id of this document.
    pub const SCHEMA: &str = "modelseal.affected/v1";
}

impl StoreReport {
    /// The schema id of this document.
    pub const SCHEMA: &str = "modelseal.store/v1";
}
