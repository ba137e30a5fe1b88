//! What a result says when it was decided under policies. `modelseal.result/v1` is one document, whoever asks.

use super::{Check, Status, Verdict, VerifyReport};
use modelseal_verify::decision::{self, DecisionReport};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What was decided under policies.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DecidedReport {
    /// The name under which the model was asked for, in canonical form.
    pub reference: String,
    /// The tag or revision that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_version: Option<String>,
    /// `manifest-sha256:<hex>` of the model. Absent when none is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Every policy and what it says.
    pub policies: Vec<PolicyReport>,
    /// The rule that decided: of the first policy with the worst verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// `enforce` or `audit`, of that rule at `now`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Until when the same inputs give the same verdict (RFC 3339, UTC). Absent for an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// Evidence that helped nobody, each with the reason.
    pub rejected: Vec<RejectedReport>,
    /// The models that it was made from, as far as a policy wants them verified: each before those that it was made from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub base_models: Vec<BaseModelReport>,
}

/// What the same policies say of a model that another one was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BaseModelReport {
    /// 1 for a model that the decision's model was made from, 2 for one that such a model was made from, and so on.
    pub generation: usize,
    /// Its URI in the provenance.
    pub uri: String,
    /// Its reference in canonical form. Absent when the URI is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The reference of the model that was made from it.
    pub made_into: String,
    /// The digests by which the provenance pins it.
    pub digest: BTreeMap<String, String>,
    /// Whether a copy was given and measured. If not, what was signed was compared with the pinned digest.
    pub measured: bool,
    /// The rule that decided about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// The code of what decided. Absent when it is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was found, in a sentence.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What one policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyReport {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// Hex SHA-256 of its bytes.
    pub sha256: String,
    /// The rule that was selected. Absent when none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// `enforce` or `audit`, at `now`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// What it says.
    pub verdict: Verdict,
}

/// A document beside the model that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RejectedReport {
    /// `sha256:<hex>` of the document; empty when it could not be read.
    pub evidence: String,
    /// Its names.
    pub names: Vec<String>,
    /// A stable code.
    pub code: String,
    /// Why, in a sentence.
    pub message: String,
}

/// What a policy has to say about a check.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyCheck {
    /// The id of the policy that asks.
    pub policy: String,
    /// What it wants.
    #[serde(skip_serializing_if = "Value::is_null")]
    #[schemars(default)]
    pub expected: Value,
    /// What there is.
    #[serde(skip_serializing_if = "Value::is_null")]
    #[schemars(default)]
    pub actual: Value,
    /// The digests of the bundles it rests on, `sha256:<hex>`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub evidence: Vec<String>,
    /// The page about the code, relative to the documentation's root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// The waiver that excuses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiver: Option<WaiverReport>,
}

/// A waiver that excuses a failed check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct WaiverReport {
    /// Its id.
    pub id: String,
    /// Who approved it.
    pub approved_by: Vec<String>,
    /// When it ends (RFC 3339).
    pub expires: String,
    /// How many whole days are left.
    pub days_left: i64,
}

impl VerifyReport {
    /// Puts a decision about the model at `model` into the form that every door prints.
    #[must_use]
    pub fn of_decision(model: &str, report: &DecisionReport) -> Self {
        let mut notes = report.notes.clone();
        notes.dedup();
        Self {
            schema: Self::SCHEMA.into(),
            verdict: report.verdict.into(),
            code: report.code.map(|code| code.to_string()),
            message: report.message.clone(),
            now: report.now.clone(),
            signature: String::new(),
            model: model.into(),
            signer: None,
            evidence: None,
            trusted_root: None,
            signed: None,
            measured: None,
            kernel: None,
            differences: None,
            overlooked: Vec::new(),
            checks: report.checks.iter().map(Check::from).collect(),
            decided: Some(Box::new(DecidedReport::from(report))),
            notes,
        }
    }

    /// The checks of one status.
    pub fn with(&self, status: Status) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |check| check.status == status)
    }
}

impl From<&DecisionReport> for DecidedReport {
    fn from(report: &DecisionReport) -> Self {
        let policy = |policy: &decision::PolicyVerdict| PolicyReport {
            id: policy.id.clone(),
            version: policy.version,
            sha256: policy.sha256.clone(),
            rule: policy.rule.clone(),
            mode: policy.mode.clone(),
            verdict: policy.verdict.into(),
        };
        let rejected = |rejected: &decision::RejectedEvidence| RejectedReport {
            evidence: rejected.evidence.clone(),
            names: rejected.names.clone(),
            code: rejected.code.to_string(),
            message: rejected.message.clone(),
        };
        Self {
            reference: report.reference.clone(),
            requested_version: report.requested_version.clone(),
            manifest: report.manifest.clone(),
            policies: report.policies.iter().map(policy).collect(),
            rule: report.rule.clone(),
            mode: report.mode.clone(),
            valid_until: report.valid_until.clone(),
            rejected: report.rejected.iter().map(rejected).collect(),
            base_models: report.base_models.iter().map(BaseModelReport::from).collect(),
        }
    }
}

impl From<&decision::BaseModelVerdict> for BaseModelReport {
    fn from(base: &decision::BaseModelVerdict) -> Self {
        Self {
            generation: base.generation,
            uri: base.uri.clone(),
            reference: base.reference.clone(),
            made_into: base.made_into.clone(),
            digest: base.digest.clone(),
            measured: base.measured,
            rule: base.rule.clone(),
            verdict: base.verdict.into(),
            code: base.code.map(|code| code.to_string()),
            message: base.message.clone(),
            fix: base.fix.clone(),
        }
    }
}

impl From<&decision::Check> for Check {
    fn from(check: &decision::Check) -> Self {
        let waiver = check.waiver.as_ref().map(|waiver| WaiverReport {
            id: waiver.id.clone(),
            approved_by: waiver.approved_by.clone(),
            expires: waiver.expires.clone(),
            days_left: waiver.days_left,
        });
        Self {
            id: check.id.clone(),
            status: check.status.into(),
            code: check.code.map(|code| code.to_string()),
            message: Some(check.message.clone()),
            fix: check.fix.clone(),
            blocked_by: check.blocked_by.clone(),
            under_policy: Some(Box::new(PolicyCheck {
                policy: check.policy.clone(),
                expected: check.expected.clone(),
                actual: check.actual.clone(),
                evidence: check.evidence.clone(),
                doc: check.doc.clone(),
                waiver,
            })),
        }
    }
}

impl From<decision::Verdict> for Verdict {
    fn from(verdict: decision::Verdict) -> Self {
        match verdict {
            decision::Verdict::Allow => Self::Allow,
            decision::Verdict::AllowUnverified => Self::AllowUnverified,
            decision::Verdict::Deny => Self::Deny,
            decision::Verdict::Error => Self::Error,
        }
    }
}

impl From<decision::Status> for Status {
    fn from(status: decision::Status) -> Self {
        match status {
            decision::Status::Pass => Self::Pass,
            decision::Status::Warn => Self::Warn,
            decision::Status::Waived => Self::Waived,
            decision::Status::Skip => Self::Skip,
            decision::Status::Fail => Self::Fail,
            decision::Status::Error => Self::Error,
        }
    }
}
