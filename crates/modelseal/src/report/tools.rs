//! What the policy tools say.

use super::Verdict;
use schemars::JsonSchema;
use serde::Serialize;

/// What is wrong with policies.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LintReport {
    /// Always `modelseal.lint/v1`.
    pub schema: String,
    /// The files that were looked at.
    pub files: Vec<String>,
    /// How many complaints are errors.
    pub errors: usize,
    /// How many are warnings.
    pub warnings: usize,
    /// Every complaint, by file and in the order of the text.
    pub complaints: Vec<ComplaintReport>,
}

/// One thing that is wrong with a policy.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ComplaintReport {
    /// The stable name of its kind, such as `lint.empty-signers`.
    pub id: String,
    /// `error` or `warning`.
    pub severity: String,
    /// The policy's file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The place in the document, such as `rule[0].signature.threshold`.
    pub path: String,
    /// The text that is complained about, shortened.
    pub text: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead. Absent where there is nothing to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// Which rule is for a name, and what it needs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExplainReport {
    /// Always `modelseal.explain/v1`.
    pub schema: String,
    /// The name in canonical form.
    pub reference: String,
    /// The tag or revision. Absent when none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_version: Option<String>,
    /// What each policy makes of it; all of them have to allow.
    pub policies: Vec<ExplainedPolicy>,
}

/// What one policy makes of a name.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExplainedPolicy {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// When it expires (RFC 3339).
    pub expires: String,
    /// The rule for this name. Absent when there is none, or several are equally specific.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why this rule, or why none.
    pub why: String,
    /// The reason code of the denial when there is no rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Every glob that matches the name, the most specific first.
    pub matching: Vec<MatchingGlob>,
    /// What the rule and the baseline need, in words.
    pub needs: Vec<String>,
}

/// A glob that matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MatchingGlob {
    /// Its rule.
    pub rule: String,
    /// The glob.
    pub glob: String,
    /// Characters before its first wildcard.
    pub literal_prefix: usize,
    /// Characters that are no wildcard.
    pub literals: usize,
}

/// How a table of cases went.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CasesReport {
    /// Always `modelseal.policy-test/v1`.
    pub schema: String,
    /// How many cases went as expected.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// Every case, in the order of the table.
    pub cases: Vec<CaseReport>,
}

/// How one case went.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// Whether it went as expected.
    pub passed: bool,
    /// The verdict that was expected.
    pub expected: Verdict,
    /// The verdict that was found.
    pub verdict: Verdict,
    /// The codes of all checks that failed, were excused, or could not be made.
    pub codes: Vec<String>,
    /// Expected codes that are not among them.
    pub missing_codes: Vec<String>,
    /// The verdict in a sentence.
    pub message: String,
}

/// Which verdicts another policy would change.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DiffReport {
    /// Always `modelseal.policy-diff/v1`.
    pub schema: String,
    /// How many recorded decisions were judged again.
    pub results: usize,
    /// Those whose verdict changes.
    pub changed: Vec<ChangedVerdict>,
    /// Files that could not be judged again, each with the reason.
    pub unreadable: Vec<String>,
}

/// A verdict that changes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ChangedVerdict {
    /// The record.
    pub file: String,
    /// The model's name.
    pub reference: String,
    /// The verdict under the old policy.
    pub old: Verdict,
    /// The verdict under the new one.
    pub new: Verdict,
    /// The code under the old policy. Absent for an allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_code: Option<String>,
    /// The code under the new one. Absent for an allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_code: Option<String>,
    /// What the new one says.
    pub message: String,
}

/// A policy that was signed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PolicySignatureReport {
    /// Always `modelseal.policy-signature/v1`.
    pub schema: String,
    /// The policy's file.
    pub policy: String,
    /// Where the bundle is.
    pub signature: String,
    /// Hex SHA-256 of the policy's bytes.
    pub sha256: String,
    /// Hex SHA-256 of the public key's DER SubjectPublicKeyInfo.
    pub key_fingerprint: String,
}

/// Policies whose signatures this host accepts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyVerificationReport {
    /// Always `modelseal.policy-verification/v1`.
    pub schema: String,
    /// Every policy.
    pub policies: Vec<VerifiedPolicyReport>,
}

/// A policy whose signatures this host accepts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct VerifiedPolicyReport {
    /// Its file.
    pub file: String,
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// Hex SHA-256 of its bytes.
    pub sha256: String,
    /// The people who signed it.
    pub principals: Vec<String>,
    /// What was wrong with bundles that did not count.
    pub rejected: Vec<String>,
}

/// A draft of a policy, made from another tool's.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ImportReport {
    /// Always `modelseal.import/v1`.
    pub schema: String,
    /// The foreign policy.
    pub file: String,
    /// The draft, as TOML.
    pub policy: String,
    /// What it does not say, though the foreign one did.
    pub lost: Vec<LostReport>,
}

/// Something that could not be expressed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LostReport {
    /// The place in the foreign policy.
    pub at: String,
    /// What is lost, and what the draft does instead.
    pub what: String,
}

macro_rules! schemas {
    ($($report:ident $id:literal)+) => {
        $(impl $report {
            /// The schema id.
            pub const SCHEMA: &str = $id;
        })+
    };
}

schemas! {
    LintReport "modelseal.lint/v1"
    ExplainReport "modelseal.explain/v1"
    CasesReport "modelseal.policy-test/v1"
    DiffReport "modelseal.policy-diff/v1"
    PolicySignatureReport "modelseal.policy-signature/v1"
    PolicyVerificationReport "modelseal.policy-verification/v1"
    ImportReport "modelseal.import/v1"
}
