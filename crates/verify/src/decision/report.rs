//! [`Decision`] and the document that says it. A decision that came from recorded facts is a [`Replayed`] one, which can be
//! read and compared but never opens a door.

use super::{
    check::{Check, Status},
    code::Code,
};
use crate::facts::Promise;
use modelseal_core::predicate::SignedModel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The schema id of [`DecisionReport`].
pub const RESULT_SCHEMA: &str = "modelseal.result/v1";

/// A verdict. The order is from good to bad: of several policies the worst holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every requirement is met.
    Allow,
    /// The rule asks for no evidence (`insecure-allow-unverified`); baseline and deny lists found nothing.
    AllowUnverified,
    /// A requirement is not met.
    Deny,
    /// It could not be decided, which is never an allow.
    Error,
}

/// What was decided, why, and until when it holds. Only [`decide`](super::decide) makes one.
///
/// ```compile_fail
/// use modelseal_verify::decision::{Decision, DecisionReport};
/// fn forge(report: DecisionReport) -> Decision {
///     Decision { report } // private field
/// }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a decision that nobody looks at lets everything pass"]
pub struct Decision {
    pub(super) report: DecisionReport,
    /// What each policy's word is about.
    pub(super) lists: Vec<Option<SignedList>>,
    /// What it rests on in the place of a measurement.
    pub(super) promise: Option<Promise>,
}

/// The list of files that a policy's word is about, as signed.
#[derive(Debug, Clone)]
pub(super) struct SignedList {
    /// `manifest-sha256:<hex>`.
    pub(super) digest: String,
    pub(super) model: Arc<SignedModel>,
}

/// Proof that a [`Decision`] was an allow: what a door asks for. Not to be had from a report, nor from a replay.
///
/// ```compile_fail
/// use modelseal_verify::decision::{Decision, Replayed, Allowed};
/// fn cheat(replayed: &Replayed<Decision>) -> Option<Allowed<'_>> {
///     replayed.allowed() // no such method
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Allowed<'a> {
    decision: &'a Decision,
}

/// Proof that a [`Decision`] was an allow of what a signed list names, whose bytes nobody has read: whoever gives bytes out owes
/// that each is compared with [that list](Self::promise) first. No door that asks for an [`Allowed`] opens to it:
///
/// ```compile_fail
/// use modelseal_verify::decision::{Allowed, AllowedAsRead};
/// fn cheat(promised: AllowedAsRead<'_>) -> Allowed<'_> {
///     promised.into() // no way there
/// }
/// ```
///
/// Not to be had from a report, nor from a replay, nor by hand:
///
/// ```compile_fail
/// use modelseal_verify::decision::{AllowedAsRead, Decision, Replayed};
/// fn cheat(replayed: &Replayed<Decision>) -> Option<AllowedAsRead<'_>> {
///     replayed.allowed_as_read() // no such method
/// }
/// ```
///
/// ```compile_fail
/// use modelseal_verify::{decision::{AllowedAsRead, Decision}, facts::Promise};
/// fn forge<'a>(decision: &'a Decision, promise: &'a Promise) -> AllowedAsRead<'a> {
///     AllowedAsRead { decision, promise } // private fields
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AllowedAsRead<'a> {
    decision: &'a Decision,
    promise: &'a Promise,
}

/// A `T` that was decided over facts read back from a file: for comparing policies, never for letting a model load.
///
/// ```compile_fail
/// use modelseal_verify::decision::{Decision, Replayed};
/// fn cheat(replayed: Replayed<Decision>) -> Decision {
///     replayed.into() // no way back
/// }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Replayed<T>(pub(super) T);

/// A decision as a document, `modelseal.result/v1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DecisionReport {
    /// Always `modelseal.result/v1`.
    pub schema: String,
    /// The worst verdict of all policies.
    pub verdict: Verdict,
    /// The code of the first check that decided; absent when none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What happened, in one sentence.
    pub message: String,
    /// The caller's name for the model.
    pub reference: String,
    /// The tag or revision that the caller asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_version: Option<String>,
    /// `manifest-sha256:<hex>` of the model as measured; absent before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Every policy and what it says.
    pub policies: Vec<PolicyVerdict>,
    /// The rule that decided: of the first policy with the worst verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// `enforce` or `audit`, of that rule at `now`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The time of the decision (RFC 3339, UTC).
    pub now: String,
    /// Until when the same inputs give the same verdict (RFC 3339, UTC); absent for an error, which is not to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// Every check, in the order of evaluation.
    pub checks: Vec<Check>,
    /// Evidence that helps nobody, each with the reason.
    pub rejected: Vec<RejectedEvidence>,
    /// What the user should know besides.
    pub notes: Vec<String>,
    /// The models that it was made from, as far as a policy wants them verified: each before those that it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub base_models: Vec<BaseModelVerdict>,
}

/// What the same policies say of a model that another one was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BaseModelVerdict {
    /// 1 for a model that the decision's model was made from, 2 for one that such a model was made from, and so on.
    pub generation: usize,
    /// Its URI in the provenance.
    pub uri: String,
    /// Its reference in canonical form; absent when the URI is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The reference of the model that was made from it.
    pub made_into: String,
    /// The digests by which the provenance pins it.
    pub digest: std::collections::BTreeMap<String, String>,
    /// Whether a copy was given and measured. If not, what was signed was compared with the pinned digest.
    pub measured: bool,
    /// The rule that decided about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// The code of what decided; absent when it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What was found, in a sentence.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What one policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyVerdict {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// Hex SHA-256 of its bytes.
    pub sha256: String,
    /// The rule that was selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// `enforce` or `audit`, at the time of the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// What it says.
    pub verdict: Verdict,
}

/// A bundle, or a part of what it says, that was set aside. It never helps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RejectedEvidence {
    /// `sha256:<hex>` of the document.
    pub evidence: String,
    /// The caller's names for it.
    pub names: Vec<String>,
    /// Why.
    pub code: Code,
    /// Why, in a sentence.
    pub message: String,
}

impl Decision {
    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.report.verdict
    }

    /// The proof that the model may be used, when it may: what was measured. `allow-unverified` is none unless the caller says
    /// in so many words that it accepts one.
    #[must_use]
    pub fn allowed(&self, accept_unverified: bool) -> Option<Allowed<'_>> {
        if self.promise.is_some() {
            return None;
        }
        match self.report.verdict {
            Verdict::Allow => Some(Allowed { decision: self }),
            Verdict::AllowUnverified if accept_unverified => Some(Allowed { decision: self }),
            _ => None,
        }
    }

    /// The proof that what a [`Promise`] names may be given out, each byte after it was compared with it. `None` unless every
    /// policy allows, and its word is about that very list; `allow-unverified` is no such word.
    #[must_use]
    pub fn allowed_as_read(&self) -> Option<AllowedAsRead<'_>> {
        let promise = self.promise.as_ref()?;
        let is_promised = |list: &Option<SignedList>| {
            list.as_ref().is_some_and(|list| promise.is_about(&list.digest, &list.model.manifest))
        };
        let all = self.report.verdict == Verdict::Allow
            && !self.lists.is_empty()
            && self.lists.iter().all(is_promised);
        all.then_some(AllowedAsRead { decision: self, promise })
    }

    /// The decision as a document.
    #[must_use]
    pub fn report(&self) -> &DecisionReport {
        &self.report
    }

    /// Every check, in the order of evaluation.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.report.checks
    }
}

impl<'a> Allowed<'a> {
    /// The decision it proves.
    pub fn decision(self) -> &'a Decision {
        self.decision
    }

    /// What the policies' words are about: the signed list of each policy whose word is about one. A file that one of them does
    /// not list, nobody of that policy signed: it was let be there, and is not to be given out.
    pub fn lists(self) -> impl Iterator<Item = &'a SignedModel> {
        self.decision.lists.iter().flatten().map(|list| &*list.model)
    }
}

impl<'a> AllowedAsRead<'a> {
    /// The decision it proves.
    pub fn decision(self) -> &'a Decision {
        self.decision
    }

    /// What every byte has to be compared with.
    #[must_use]
    pub fn promise(self) -> &'a Promise {
        self.promise
    }
}

impl Replayed<Decision> {
    /// The decision as a document.
    #[must_use]
    pub fn report(&self) -> &DecisionReport {
        &self.0.report
    }
}

impl DecisionReport {
    /// The checks of one status.
    pub fn with(&self, status: Status) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |check| check.status == status)
    }

    /// Whether a check was waived: then nothing may say PASSED without saying that too.
    #[must_use]
    pub fn is_waived(&self) -> bool {
        self.with(Status::Waived).next().is_some()
    }

    /// The exit status of the command line: 0 allowed, 1 denied, 2 a wrong input document, 3 undecided.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        use super::code::CodeKind;
        match (self.verdict, self.code.map(Code::kind)) {
            (Verdict::Allow | Verdict::AllowUnverified, _) => 0,
            (Verdict::Deny, Some(CodeKind::Usage)) => 2,
            (Verdict::Deny, _) => 1,
            (Verdict::Error, _) => 3,
        }
    }
}
