//! [`Check`]: one question that was asked of the facts, and how it ended.

use super::{code::Code, report::BaseModelVerdict};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It passed.
    Pass,
    /// It failed, and a rule in `audit` does not mind: it will fail when the rule enforces.
    Warn,
    /// It failed, and a waiver excuses it.
    Waived,
    /// Another check had to pass first.
    Skip,
    /// It failed: the model is denied.
    Fail,
    /// It could not be made: nothing is decided.
    Error,
}

/// One check of one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Check {
    /// Its name, `domain.what`, after a `baseline/` when it is one of the baseline's.
    pub id: String,
    /// The id of the policy that asks. Empty when none does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub policy: String,
    /// How it ended.
    pub status: Status,
    /// The stable code, unless it passed or was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What was found, in a sentence.
    pub message: String,
    /// What the policy wants.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub expected: Value,
    /// What there is.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub actual: Value,
    /// The digests of the bundles it rests on, `sha256:<hex>`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// Where the code is explained, relative to the documentation's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// The check that would have had to pass first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,
    /// The waiver that excuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<WaiverNote>,
}

/// A waiver as it is reported with what it excuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WaiverNote {
    /// Its id.
    pub id: String,
    /// Who approved it.
    pub approved_by: Vec<String>,
    /// When it ends (RFC 3339).
    pub expires: String,
    /// How many whole days are left.
    pub days_left: i64,
}

/// What an evaluation of one block finds, before waivers and modes: it is turned into [`Check`]s at the end.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) outcome: Outcome,
    pub(super) expected: Value,
    pub(super) actual: Value,
    pub(super) evidence: Vec<String>,
    pub(super) fix: Option<String>,
    /// Whether a rule in `audit` may turn the failure into a warning, besides what the code says.
    pub(super) relaxable: bool,
    /// From when on the outcome may be another one.
    pub(super) valid_until: Option<Timestamp>,
    /// The base models that it is about.
    pub(super) hops: Vec<BaseModelVerdict>,
}

#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Pass(String),
    Fail(Code, String),
    Error(Code, String),
    /// Not asked, because `blocked_by` did not pass. Should that be excused by a waiver, what was not asked has failed.
    Skip {
        blocked_by: String,
        otherwise: (Code, String),
    },
}

/// What is wrong with one piece of evidence.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) expected: Value,
    pub(crate) actual: Value,
}

/// The blocker of what cannot be asked before the model is measured.
pub(super) const MEASUREMENT: &str = "measurement";

impl Found {
    fn new(id: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            id: id.into(),
            outcome,
            expected: Value::Null,
            actual: Value::Null,
            evidence: Vec::new(),
            fix: None,
            relaxable: true,
            valid_until: None,
            hops: Vec::new(),
        }
    }

    pub(super) fn pass(id: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(id, Outcome::Pass(message.into()))
    }

    /// A failure; an error when the code is one that decides nothing.
    pub(super) fn fail(id: impl Into<String>, code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        let outcome = match code.kind() {
            super::code::CodeKind::Undecided => Outcome::Error(code, message),
            _ => Outcome::Fail(code, message),
        };
        Self::new(id, outcome)
    }

    /// What is wrong with `document`.
    pub(super) fn fault(id: impl Into<String>, fault: Fault, document: &str) -> Self {
        let found = Self::fail(id, fault.code, fault.message).evidence([document]);
        found.expected(fault.expected).actual(fault.actual)
    }

    pub(super) fn skip(id: impl Into<String>, blocked_by: impl Into<String>, otherwise: Code) -> Self {
        let blocked_by = blocked_by.into();
        let message = format!("could not be checked without {blocked_by}");
        Self::new(id, Outcome::Skip { blocked_by, otherwise: (otherwise, message) })
    }

    /// Before the model is measured.
    pub(super) fn unmeasured(id: impl Into<String>) -> Self {
        Self::skip(id, MEASUREMENT, Code::ErrorInternal)
    }

    /// What the policy asks for and this version cannot check.
    pub(super) fn unsupported(id: impl Into<String>, what: &str) -> Self {
        Self::fail(id, Code::ErrorUnsupported, format!("{what} cannot be checked by this version"))
    }

    pub(super) fn expected(self, expected: impl Into<Value>) -> Self {
        Self { expected: expected.into(), ..self }
    }

    pub(super) fn actual(self, actual: impl Into<Value>) -> Self {
        Self { actual: actual.into(), ..self }
    }

    pub(super) fn evidence<I: IntoIterator<Item = S>, S: Into<String>>(self, evidence: I) -> Self {
        let mut evidence: Vec<String> = evidence.into_iter().map(Into::into).collect();
        evidence.sort_unstable();
        evidence.dedup();
        Self { evidence, ..self }
    }

    pub(super) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    pub(super) fn never_relaxed(self) -> Self {
        Self { relaxable: false, ..self }
    }

    pub(super) fn hops(self, hops: impl IntoIterator<Item = BaseModelVerdict>) -> Self {
        Self { hops: hops.into_iter().collect(), ..self }
    }

    pub(super) fn until(self, at: Option<Timestamp>) -> Self {
        Self { valid_until: earliest(self.valid_until, at), ..self }
    }

    pub(super) fn passed(&self) -> bool {
        matches!(self.outcome, Outcome::Pass(_))
    }

    pub(super) fn code(&self) -> Option<Code> {
        match self.outcome {
            Outcome::Fail(code, _) | Outcome::Error(code, _) => Some(code),
            _ => None,
        }
    }
}

/// The earlier of two times, where no time is never.
pub(super) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
