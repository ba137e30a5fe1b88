//! The decision: may this model be loaded? A pure function of policies, reference, facts and time.
//!
//! The order, for each policy: is it in force ([`policy`](self)); deny lists; the one rule that is most specific; signatures,
//! identities, times, logs, thresholds; what binds the name; the bytes; what the files are; attestations, provenance,
//! summaries, bills of materials, datasets; waivers; mode. Every check that can be made is made, and the worst verdict of all
//! policies holds. Taking evidence away never turns a denial into an allow under a rule that enforces, but for attestations
//! with `select = "all"` or `"latest"`, where a negative one may be held back: negatives belong on a deny list.
//!
//! ```
//! # use modelseal_verify::{decision::{self, PolicySet, Request}, facts::{self, Evidence, NoKeyless}};
//! # fn f(set: &PolicySet, request: &Request, bundle: &[u8], now: jiff::Timestamp) -> decision::Decision {
//! let mut evidence = Evidence::new();
//! evidence.add("model.sig", None, bundle);
//! let facts = facts::collect(set, &evidence, &NoKeyless, now);
//! // .. measure the model as facts.to_measure() says, facts.measured(..) ..
//! let decision = decision::decide(set, request, &facts, now);
//! assert!(decision.allowed(false).is_none(), "nobody has measured the model yet");
//! # decision }
//! ```

mod attestation;
mod base_models;
mod bind;
pub mod cache;
pub mod check;
pub mod code;
mod code_table;
mod content;
mod context;
mod dataset;
mod denied;
mod excuse;
mod formats;
pub mod hop;
mod integrity;
mod nonempty;
pub(crate) mod persons;
mod pin;
mod policy;
mod refusal;
pub mod report;
mod request;
mod signature;
mod slsa;
mod statement;
mod vsa;

pub use base_models::is_model;
pub use check::{Check, Status, WaiverNote};
pub use code::{Code, CodeEntry, CodeKind, UnknownCode};
pub use report::{
    Allowed, AllowedAsRead, BaseModelVerdict, Decision, DecisionReport, PolicyVerdict, RejectedEvidence,
    Replayed, Verdict,
};
pub use request::{BaseModel, BaseModels, EmptySet, NoBaseModels, PolicySet, Request};

use crate::{
    facts::{FactData, Facts},
    policy::words::Mode,
};
use base_models::Bases;
use context::Context;
use jiff::{SignedDuration, Timestamp};
use modelseal_core::artifact::ArtifactId;
use pin::Pin;
use report::{RESULT_SCHEMA, SignedList};

/// How many generations of base models are verified at most.
pub const MAX_BASE_MODEL_DEPTH: usize = 8;

/// How many different base models are verified at most for one decision.
pub const MAX_BASE_MODELS: usize = 64;

/// How long a verdict holds at most.
const LONGEST_VALIDITY: SignedDuration = SignedDuration::from_hours(24);

/// How long a denial holds at most: what was missing may arrive.
const DENIAL_VALIDITY: SignedDuration = SignedDuration::from_secs(60);

/// Decides. The same arguments always give the same decision.
pub fn decide(set: &PolicySet, request: &Request, facts: &Facts, now: Timestamp) -> Decision {
    decide_with(set, request, facts, now, &NoBaseModels)
}

/// Decides, looking up the facts about base models where a rule wants them verified too.
pub fn decide_with(
    set: &PolicySet,
    request: &Request,
    facts: &Facts,
    now: Timestamp,
    bases: &dyn BaseModels,
) -> Decision {
    let decided = decide_at(set, request, &facts.data, None, now, &Bases::of(bases), &[]);
    Decision { report: decided.report, lists: decided.lists, promise: facts.data.promise().cloned() }
}

/// Decides over facts that were read from a file: to no avail at any door.
pub(crate) fn replay(
    set: &PolicySet,
    request: &Request,
    facts: &Facts,
    now: Timestamp,
    bases: &dyn BaseModels,
) -> Replayed<Decision> {
    Replayed(decide_with(set, request, facts, now, bases))
}

#[derive(Clone)]
struct Decided {
    report: DecisionReport,
    lists: Vec<Option<SignedList>>,
    valid_until: Option<Timestamp>,
}

fn decide_at(
    set: &PolicySet,
    request: &Request,
    data: &FactData,
    pin: Option<Pin<'_>>,
    now: Timestamp,
    bases: &Bases<'_>,
    stack: &[Vec<ArtifactId>],
) -> Decided {
    let said: Vec<policy::Said> = set
        .policies()
        .map(|policy| {
            let Some(facts) = data.policies.iter().find(|facts| facts.sha256 == policy.digest()) else {
                return foreign(policy);
            };
            let (bases, rule, mode) = (Some(bases), None, Mode::Enforce);
            let context = Context { set, policy, facts, data, request, now, bases, pin, rule, mode, stack };
            policy::evaluate(&context)
        })
        .collect();
    // A set is never empty, and an empty one would not be an allow.
    let worst = said
        .iter()
        .max_by(|a, b| a.verdict.verdict.cmp(&b.verdict.verdict).then(std::cmp::Ordering::Greater));
    let verdict = worst.map_or(Verdict::Error, |worst| worst.verdict.verdict);
    let decisive = match verdict {
        Verdict::Error => Some(Status::Error),
        Verdict::Deny => Some(Status::Fail),
        _ => None,
    };
    let checks: Vec<Check> = said.iter().flat_map(|said| said.checks.iter().cloned()).collect();
    let first = decisive.and_then(|status| checks.iter().find(|check| check.status == status));
    let relaxed = checks.iter().filter(|check| matches!(check.status, Status::Warn | Status::Waived)).count();
    let message = match (verdict, first) {
        (_, Some(check)) => check.message.clone(),
        (Verdict::AllowUnverified, _) => "the rule lets this model load unverified".to_owned(),
        (Verdict::Allow, _) if relaxed == 1 => "allowed, with a failure that does not deny".to_owned(),
        (Verdict::Allow, _) if relaxed > 0 => format!("allowed, with {relaxed} failures that do not deny"),
        (Verdict::Allow, _) if data.promise().is_some() => {
            "the model has the files that the policy wants; their bytes are compared as they are read"
                .to_owned()
        }
        (Verdict::Allow, _) => "the model is what the policy wants".to_owned(),
        _ => "nothing could be decided".to_owned(),
    };
    let longest = match verdict {
        Verdict::Error => None,
        Verdict::Deny => now.checked_add(DENIAL_VALIDITY).ok(),
        _ => now.checked_add(LONGEST_VALIDITY).ok(),
    };
    let ends = said.iter().filter_map(|said| said.valid_until);
    let valid_until = longest.map(|longest| ends.fold(longest, Timestamp::min));
    let manifest = worst.and_then(|worst| worst.manifest.clone());
    let lists = said.iter().map(|said| said.list.clone()).collect();
    let report = DecisionReport {
        schema: RESULT_SCHEMA.to_owned(),
        verdict,
        code: first.and_then(|check| check.code),
        message,
        reference: request.reference().to_string(),
        requested_version: request.version().map(str::to_owned),
        manifest,
        rule: worst.and_then(|worst| worst.verdict.rule.clone()),
        mode: worst.and_then(|worst| worst.verdict.mode.clone()),
        now: now.to_string(),
        valid_until: valid_until.map(|at| at.to_string()),
        rejected: data.rejected.clone(),
        notes: said.iter().flat_map(|said| said.notes.iter().cloned()).collect(),
        base_models: different(said.iter().flat_map(|said| said.base_models.iter().cloned())),
        policies: said.into_iter().map(|said| said.verdict).collect(),
        checks,
    };
    Decided { report, lists, valid_until }
}

/// Several policies ask about the same models.
fn different(all: impl Iterator<Item = BaseModelVerdict>) -> Vec<BaseModelVerdict> {
    let mut kept: Vec<BaseModelVerdict> = Vec::new();
    for verdict in all {
        if !kept.contains(&verdict) {
            kept.push(verdict);
        }
    }
    kept
}

/// Facts say nothing about a policy that they were not collected for.
fn foreign(policy: &crate::policy::load::Policy) -> policy::Said {
    let document = policy.document();
    policy::Said {
        verdict: PolicyVerdict {
            id: document.id.clone(),
            version: document.version,
            sha256: policy.digest().to_owned(),
            rule: None,
            mode: None,
            verdict: Verdict::Error,
        },
        checks: vec![Check {
            id: "policy.facts".to_owned(),
            policy: document.id.clone(),
            status: Status::Error,
            code: Some(Code::ErrorInternal),
            message: "the evidence was not collected for this policy".to_owned(),
            expected: serde_json::Value::Null,
            actual: serde_json::Value::Null,
            evidence: Vec::new(),
            fix: None,
            doc: Some(Code::ErrorInternal.doc_path()),
            blocked_by: None,
            waiver: None,
        }],
        valid_until: None,
        notes: Vec::new(),
        base_models: Vec::new(),
        manifest: None,
        list: None,
    }
}
