//! What a bundle says.

use super::{CertificateReport, EvidenceReport, SignedReport, SignerReport, TrustedRootReport};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything a bundle says, and what of it could be verified. Only what stands under `verification` was verified, and
/// only when its outcome is `verified`: that the signer it names made this signature over this statement. Everything else
/// is what the bundle claims.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BundleReport {
    /// Always `modelseal.bundle/v1`.
    pub schema: String,
    /// The bundle's file.
    pub bundle: String,
    /// `key`, `certificate` or `sigstore`.
    pub method: String,
    /// What could be verified.
    pub verification: VerificationReport,
    /// What the bundle offers to verify it with.
    pub material: MaterialReport,
    /// The signed envelope.
    pub envelope: EnvelopeReport,
    /// The statement in it; absent when there is none that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementReport>,
    /// The transparency log entries.
    pub log_entries: Vec<ClaimedLogEntry>,
    /// The RFC 3161 timestamps.
    pub timestamps: Vec<ClaimedTimestamp>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// The outcome of verifying a bundle.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct VerificationReport {
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not verify, or was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The stable code of that reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Who signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<SignerReport>,
    /// The log entries and times that were verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
    /// Against which trust material.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_root: Option<TrustedRootReport>,
}

/// Whether a bundle was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The signer named made this signature over this statement.
    Verified,
    /// It does not verify.
    Failed,
    /// Nothing was given to verify it with.
    NotTried,
}

/// What a bundle offers to verify it with. Claimed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MaterialReport {
    /// How the bundle names its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_hint: Option<String>,
    /// Its certificates, leaf first.
    pub certificates: Vec<CertificateReport>,
}

/// An envelope. Claimed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EnvelopeReport {
    /// What the payload is.
    pub payload_type: String,
    /// Its size.
    pub payload_bytes: usize,
    /// Hex SHA-256 of the payload.
    pub payload_sha256: String,
}

/// A statement. Claimed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StatementReport {
    /// `_type`.
    pub statement_type: String,
    /// What kind of thing is said.
    pub predicate_type: String,
    /// What it is about; at most a hundred.
    pub subjects: Vec<SubjectReport>,
    /// How many subjects there are in all.
    pub subject_count: usize,
    /// The model, when it is a model's signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<SignedReport>,
    /// Why it is no model's signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A subject. Claimed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SubjectReport {
    /// Its name.
    pub name: String,
    /// Its digests by algorithm.
    pub digests: BTreeMap<String, String>,
}

/// A log entry. Claimed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ClaimedLogEntry {
    /// Its place in the log.
    pub index: u64,
    /// The log's id in hex.
    pub log_id: String,
    /// Kind and version.
    pub kind: String,
    /// When the log took it (RFC 3339), where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrated: Option<String>,
    /// Whether it carries the log's promise (signed entry timestamp).
    pub promise: bool,
    /// The tree that it is proved to be in: the checkpoint's origin and size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
}

/// A timestamp. Claimed; its time is believed only when verified.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ClaimedTimestamp {
    /// Its size.
    pub bytes: usize,
    /// Hex SHA-256 of it.
    pub sha256: String,
}

impl BundleReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.bundle/v1";
}
