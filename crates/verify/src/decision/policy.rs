//! One policy's word on one set of facts: select the rule, try every manifest that may be the model's, take the best.

use super::{
    attestation, bind,
    check::{Check, Found, MEASUREMENT, Outcome, Status, WaiverNote, earliest},
    code::Code,
    content,
    context::{Block, Candidate, Context},
    dataset, denied,
    excuse::{self, Excuse},
    integrity,
    report::{BaseModelVerdict, PolicyVerdict, SignedList, Verdict},
    signature, slsa, vsa,
};
use crate::policy::{
    document::{Rule, Waiver},
    load::SelectError,
    words::{Action, Mode, Permission},
};
use jiff::{SignedDuration, Timestamp};
use modelseal_core::text::Printable;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What one policy says.
pub(super) struct Said {
    pub(super) verdict: PolicyVerdict,
    pub(super) checks: Vec<Check>,
    pub(super) valid_until: Option<Timestamp>,
    pub(super) notes: Vec<String>,
    /// Base models that were judged.
    pub(super) base_models: Vec<BaseModelVerdict>,
    /// `manifest-sha256:<hex>` of the manifest that was judged.
    pub(super) manifest: Option<String>,
    /// The signed list of files that its word is about; `None` when it is about all that was measured.
    pub(super) list: Option<SignedList>,
}

/// How long before a policy's end it is said.
const EXPIRY_NOTICE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Evaluates one policy.
pub(super) fn evaluate(context: &Context<'_>) -> Said {
    let document = context.policy.document();
    let mut notes = Vec::new();
    let mut general = vec![expiry(context, &mut notes)];
    general.extend(context.data.over_limits.iter().map(|message| {
        Found::fail("error.limits", Code::ErrorLimitExceeded, message.clone()).fix("give less evidence")
    }));
    general.extend(denied::feeds(context));
    let selected = select(context);
    let rule = selected.as_ref().ok().copied();
    let mode = rule.map_or(Mode::Enforce, |rule| effective_mode(rule, context.now));
    let context = &Context { rule, mode, ..*context };
    if let Some(rule) = rule {
        general.push(Found::pass(
            "policy.rule",
            format!("rule '{}' speaks of this model", Printable(&rule.name)),
        ));
        if rule.action == Some(Action::Reject) {
            let message = format!("rule '{}' rejects every model", Printable(&rule.name));
            general.push(Found::fail("policy.action", Code::PolicyRejected, message));
        }
    }
    if let Err(found) = selected {
        general.push(*found);
    }
    let settle = Settle { context };
    let blocks = rule.and_then(judged_block).into_iter().chain(baseline_block(context));
    let signers: BTreeSet<&str> = blocks
        .filter_map(|block| block.requirements.signature)
        .flat_map(|signature| signature.signers.iter().map(String::as_str))
        .collect();
    let tried = context.candidates(&signers).into_iter().map(|candidate| {
        let (found, measured) = of_candidate(context, &candidate);
        let settled = settle.settle(general.iter().cloned().chain(found), &candidate, measured);
        (candidate, settled)
    });
    let best = tried.min_by_key(|(candidate, settled)| {
        let nothing = matches!(candidate, Candidate::Nothing);
        let measured = matches!(candidate, Candidate::Measured { .. } | Candidate::Pinned { .. });
        (
            // What waits for its bytes may yet be allowed.
            settled.verdict >= Verdict::Deny && !settled.waits,
            settled.verdict >= Verdict::Deny && settled.waits,
            settled.verdict,
            settled.bad,
            settled.relaxed,
            nothing,
            measured,
            candidate.digest().map(str::to_owned),
        )
    });
    let (candidate, mut settled) = match best {
        Some(best) => best,
        None => {
            let settled = settle.settle(general.into_iter(), &Candidate::Nothing, false);
            (Candidate::Nothing, settled)
        }
    };
    notes.append(&mut settled.notes);
    let enforce_after = rule.and_then(|r| r.enforce_after).map(|t| t.0).filter(|t| *t > context.now);
    Said {
        verdict: PolicyVerdict {
            id: document.id.clone(),
            version: document.version,
            sha256: context.policy.digest().to_owned(),
            rule: rule.map(|rule| rule.name.clone()),
            mode: rule.map(|_| mode.name().to_owned()),
            verdict: settled.verdict,
        },
        checks: settled.checks,
        base_models: settled.base_models,
        valid_until: [Some(document.expires.0), enforce_after].into_iter().fold(settled.until, earliest),
        notes,
        manifest: candidate.digest().map(str::to_owned),
        list: listed(context, &candidate).filter(|_| settled.verdict != Verdict::AllowUnverified),
    }
}

fn listed(context: &Context<'_>, candidate: &Candidate) -> Option<SignedList> {
    let fact = context.best_manifest(candidate, true)?;
    Some(SignedList { digest: fact.digest.clone(), model: Arc::clone(&fact.model) })
}

fn expiry(context: &Context<'_>, notes: &mut Vec<String>) -> Found {
    let document = context.policy.document();
    let expires = document.expires.0;
    if context.now >= expires {
        return Found::fail(
            "policy.expires",
            Code::PolicyExpired,
            format!("the policy expired at {expires}"),
        )
        .expected(expires.to_string())
        .actual(context.now.to_string())
        .fix("get the current policy from its owner");
    }
    if expires.duration_since(context.now) < EXPIRY_NOTICE {
        notes.push(format!("the policy '{}' expires at {expires}", Printable(&document.id)));
    }
    Found::pass("policy.expires", format!("the policy is in force until {expires}"))
}

pub(super) fn select<'a>(context: &Context<'a>) -> Result<&'a Rule, Box<Found>> {
    let reference = context.request.reference();
    context.policy.select(reference).map(|selected| selected.rule).map_err(|error| {
        Box::new(match error {
            SelectError::Ambiguous(rules) => {
                let names: Vec<String> = rules.iter().map(|(_, name)| name.clone()).collect();
                let message = format!("the rules {} match {reference} equally well", names.join(" and "));
                Found::fail("policy.rule", Code::PolicyAmbiguousRule, message)
                    .actual(json!(names))
                    .fix("make one rule's glob longer, or merge the rules")
            }
            _ => {
                let id = Printable(&context.policy.document().id);
                Found::fail(
                    "policy.rule",
                    Code::PolicyNoMatchingRule,
                    format!("no rule of '{id}' matches {reference}"),
                )
                .fix("add a rule for the model, or name it with --as as the policy does")
            }
        })
    })
}

fn effective_mode(rule: &Rule, now: Timestamp) -> Mode {
    let audit = rule.mode == Some(Mode::Audit) && rule.enforce_after.is_none_or(|after| now < after.0);
    if audit { Mode::Audit } else { Mode::Enforce }
}

/// Everything that is asked of one candidate, in the order of evaluation; and whether the model was measured.
fn of_candidate(context: &Context<'_>, candidate: &Candidate) -> (Vec<Found>, bool) {
    let mut found = denied::model(context, candidate);
    let own = context.rule.and_then(judged_block);
    let rule = context.rule.filter(|_| own.is_some());
    let blocks: Vec<Block<'_>> = own.into_iter().chain(baseline_block(context)).collect();
    let unsigned_allowed = own.is_some_and(|block| {
        block.requirements.content.is_some_and(|content| content.unsigned_files == Some(Permission::Allow))
    });
    for block in &blocks {
        if let Some(wanted) = block.requirements.signature {
            found.extend(signature::check(context, block, wanted, candidate, unsigned_allowed));
        }
    }
    let binding = found.len();
    let integrity = integrity::check(context, candidate, unsigned_allowed);
    found.extend(integrity.found);
    for block in &blocks {
        if let Some(wanted) = block.requirements.content {
            found.extend(content::check(context, block, wanted, candidate));
        }
    }
    let mut accepted = bind::Accepted { provenance: None, vsa: None };
    for block in &blocks {
        let requirements = &block.requirements;
        for wanted in requirements.attestation {
            found.extend(attestation::check(context, block, wanted, candidate));
        }
        let provenance = requirements.slsa.and_then(|wanted| {
            let judged = slsa::check(context, block, wanted, candidate);
            found.extend(judged.found);
            judged.passed
        });
        let summary = requirements.vsa.and_then(|wanted| {
            let judged = vsa::check(context, block, wanted, candidate);
            found.extend(judged.found);
            judged.passed
        });
        if requirements.aibom.is_some() {
            found.push(Found::unsupported(block.id("aibom"), "aibom"));
        }
        if let Some(wanted) = requirements.datasets {
            found.extend(dataset::check(block, wanted, provenance.map(|(_, provenance)| provenance)));
        }
        if block.prefix.is_empty() {
            accepted = bind::Accepted { provenance, vsa: summary };
        }
    }
    if let Some(rule) = rule {
        let bound = bind::check(context, rule, candidate, &accepted);
        found.splice(binding..binding, bound);
    }
    (found, integrity.measured)
}

/// The rule's own requirements. A rule that lets unverified models load, or rejects all, asks for nothing itself.
pub(super) fn judged_block(rule: &Rule) -> Option<Block<'_>> {
    let verifies = rule.action.is_none_or(|action| action == Action::Verify);
    verifies.then(|| Block { prefix: "", requirements: rule.requirements() })
}

pub(super) fn baseline_block<'a>(context: &Context<'a>) -> Option<Block<'a>> {
    let baseline = context.policy.document().baseline.as_ref()?;
    Some(Block { prefix: "baseline/", requirements: baseline.requirements() })
}

/// What waivers and the rule's mode make of what was found.
struct Settle<'a> {
    context: &'a Context<'a>,
}

struct Settled {
    checks: Vec<Check>,
    verdict: Verdict,
    bad: usize,
    relaxed: usize,
    until: Option<Timestamp>,
    notes: Vec<String>,
    base_models: Vec<BaseModelVerdict>,
    /// Whether nothing but the missing measurement keeps it from an allow.
    waits: bool,
}

impl Settle<'_> {
    fn settle(&self, found: impl Iterator<Item = Found>, candidate: &Candidate, measured: bool) -> Settled {
        let mut settled = Settled {
            checks: Vec::new(),
            verdict: match self.context.rule.and_then(|rule| rule.action) {
                Some(Action::InsecureAllowUnverified) => Verdict::AllowUnverified,
                _ => Verdict::Allow,
            },
            bad: 0,
            relaxed: 0,
            until: None,
            notes: Vec::new(),
            base_models: Vec::new(),
            waits: false,
        };
        let found: Vec<Found> = found.collect();
        let mut worst: BTreeMap<String, Status> = BTreeMap::new();
        for found in &found {
            let status = self.status(found, candidate, &mut settled.notes).0;
            let known = worst.entry(found.id.clone()).or_insert(status);
            *known = (*known).max(status);
        }
        for mut found in found {
            if let Outcome::Skip { blocked_by, otherwise: (code, message) } = &found.outcome {
                let blocked = match worst.get(blocked_by) {
                    Some(Status::Pass | Status::Waived) => false,
                    Some(_) => true,
                    None => blocked_by == MEASUREMENT && !measured,
                };
                if !blocked {
                    found.outcome = Found::fail("", *code, message.clone()).outcome;
                }
                let status = self.status(&found, candidate, &mut settled.notes).0;
                worst.insert(found.id.clone(), status);
            }
            self.one(found, candidate, &mut settled);
        }
        // Nothing else may lead to an allow of bytes that nobody looked at.
        if !measured && settled.verdict < Verdict::Deny {
            settled.waits = true;
            let message = "the model was not measured, so that nothing can be decided";
            self.one(
                Found::fail("integrity.measured", Code::ErrorInternal, message),
                candidate,
                &mut settled,
            );
        }
        settled
    }

    fn status(
        &self,
        found: &Found,
        candidate: &Candidate,
        notes: &mut Vec<String>,
    ) -> (Status, Option<&Waiver>) {
        match &found.outcome {
            Outcome::Pass(_) => (Status::Pass, None),
            Outcome::Skip { .. } => (Status::Skip, None),
            Outcome::Error(..) => (Status::Error, None),
            Outcome::Fail(code, _) => match excuse::of(self.context, candidate, *code, notes) {
                Some(Excuse::Waiver(waiver)) => (Status::Waived, Some(waiver)),
                Some(Excuse::Audit) if found.relaxable => (Status::Warn, None),
                _ => (Status::Fail, None),
            },
        }
    }

    fn one(&self, found: Found, candidate: &Candidate, settled: &mut Settled) {
        let (code, failed) = (found.code(), matches!(found.outcome, Outcome::Fail(..)));
        let (status, waiver) = self.status(&found, candidate, &mut settled.notes);
        settled.until = earliest(settled.until, waiver.map(|waiver| waiver.expires.0));
        let waiver = waiver.map(|waiver| self.note(waiver));
        let verdict = match status {
            Status::Fail => Verdict::Deny,
            Status::Error => Verdict::Error,
            _ => settled.verdict,
        };
        settled.verdict = settled.verdict.max(verdict);
        settled.bad += usize::from(matches!(status, Status::Fail | Status::Error));
        settled.relaxed += usize::from(failed && matches!(status, Status::Warn | Status::Waived));
        settled.until = earliest(settled.until, found.valid_until);
        settled.base_models.extend(found.hops);
        let (message, blocked_by) = match found.outcome {
            Outcome::Pass(message) | Outcome::Fail(_, message) | Outcome::Error(_, message) => {
                (message, None)
            }
            Outcome::Skip { blocked_by, .. } => {
                (format!("not checked, because of {blocked_by}"), Some(blocked_by))
            }
        };
        settled.checks.push(Check {
            id: found.id,
            policy: self.context.policy.document().id.clone(),
            status,
            code,
            message,
            expected: found.expected,
            actual: found.actual,
            evidence: found.evidence,
            fix: found.fix.or_else(|| code.map(|code| code.entry().remedy.to_owned())),
            doc: code.map(Code::doc_path),
            blocked_by,
            waiver,
        });
    }

    fn note(&self, waiver: &Waiver) -> WaiverNote {
        WaiverNote {
            id: waiver.id.clone(),
            approved_by: waiver.approved_by.iter().cloned().collect(),
            expires: waiver.expires.0.to_string(),
            days_left: waiver.expires.0.duration_since(self.context.now).as_hours() / 24,
        }
    }
}
