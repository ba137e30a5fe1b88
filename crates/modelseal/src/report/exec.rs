//! The document that `exec` writes down `--status-fd`.

use schemars::JsonSchema;
use serde::Serialize;

/// Whether a command was started with models that were verified, or why not.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExecReport {
    /// Always `modelseal.exec/v1`.
    pub schema: String,
    /// Whether the command was started. From then on, the exit status is the command's own.
    pub started: bool,
    /// The exit status of modelseal, which is what the command's would be taken for. Absent when the command was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The stable code of why it was not started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why it was not started, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The models that were verified; none when it was not started.
    pub models: Vec<ExecModel>,
    /// What the command is held to. Absent when it was not started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protections: Option<Protections>,
    /// What else should be known.
    pub notes: Vec<String>,
}

/// A model as a command sees it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExecModel {
    /// The name by which policies know it.
    pub reference: String,
    /// Where the command sees it.
    pub path: String,
    /// Where it was given.
    pub original: String,
    /// The digest of its manifest. Absent when it was allowed unverified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Why its bytes stay what was verified: `fs-verity`, `read-only filesystem`, `sealed copy`; or `bind mount (advisory)`,
    /// `directory mount (advisory)` (names can change, too, and unsigned files are there) and `path (advisory)`, where somebody
    /// else may still be able to write them.
    pub bytes: String,
}

/// What a command is held to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Protections {
    /// `mount`, or `user and mount` where a user made it without root. Absent where the system permitted none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The version of Landlock's interface that holds the command to what it may open. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landlock: Option<u32>,
    /// `UID:GID` that the command runs as. Absent when it is who ran modelseal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether `--strict` was given, so that nothing of this is advisory.
    pub strict: bool,
}

impl ExecReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.exec/v1";

    /// A command that starts now.
    pub(crate) fn started(models: Vec<ExecModel>, protections: Protections, notes: Vec<String>) -> Self {
        let (schema, protections) = (Self::SCHEMA.into(), Some(protections));
        Self { schema, started: true, exit: None, code: None, message: None, models, protections, notes }
    }

    /// A command that was not started.
    #[must_use]
    pub fn refused(exit: i32, code: &str, message: impl Into<String>) -> Self {
        Self {
            schema: Self::SCHEMA.into(),
            started: false,
            exit: Some(exit),
            code: Some(code.into()),
            message: Some(message.into()),
            models: Vec::new(),
            protections: None,
            notes: Vec::new(),
        }
    }
}
