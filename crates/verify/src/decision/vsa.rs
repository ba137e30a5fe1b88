//! The `vsa` block: a verification summary, judged in the seven steps of SLSA v1.2.

use super::{
    check::{Fault, Found, earliest},
    code::Code,
    context::{Block, Candidate, Context},
    excuse,
    statement::{self, NoneFound, Said},
};
use crate::{facts::By, policy::document};
use jiff::Timestamp;
use modelseal_core::{
    attestation::Attestation,
    predicate::{
        Predicate,
        vsa_v1::{self, VerificationResult, Vsa},
    },
    text::Printable,
};
use serde_json::{Value, json};

/// What the block came to: the checks, and the summary that they rest on.
pub(super) struct Judged<'a> {
    pub(super) found: Vec<Found>,
    pub(super) passed: Option<(Said<'a>, &'a Vsa)>,
}

/// Checks the block over one candidate. One summary that passes every step is enough.
pub(super) fn check<'a>(
    context: &Context<'a>,
    block: &Block<'_>,
    wanted: &document::Vsa,
    candidate: &Candidate,
) -> Judged<'a> {
    let id = block.id("vsa");
    let by = |by: &By| wanted.verifiers.iter().any(|pair| pair.signer == by.signer);
    let said = match statement::find(context, candidate, by, is_vsa) {
        Ok(said) => said,
        Err(none) => {
            let signers: Vec<&str> = wanted.verifiers.iter().map(|pair| pair.signer.as_str()).collect();
            let fail = match none {
                NoneFound::Missing => {
                    Found::fail(id, Code::VsaMissing, format!("no VSA by {}", signers.join(" or ")))
                        .fix("have the verifier issue one, and give it with --bundle")
                }
                NoneFound::OtherSubject(lacks, evidence) => {
                    Found::fail(id, Code::VsaMissing, format!("the VSA is about other files: {lacks}"))
                        .evidence(evidence)
                }
                NoneFound::Denied(code, message) => Found::fail(id, code, message),
                NoneFound::Unmeasured => Found::unmeasured(id),
            };
            return Judged { found: vec![fail], passed: None };
        }
    };
    let reference = context.request.reference().as_str();
    let judged: Vec<_> = said.iter().map(|said| judge(context, wanted, *said, reference)).collect();
    let Some((said, vsa, faults, until)) = judged.into_iter().min_by_key(|(said, _, faults, until)| {
        let denying = excuse::unexcused(context, candidate, faults.iter().map(|fault| fault.code));
        let until = std::cmp::Reverse(until.unwrap_or(Timestamp::MAX));
        (denying, faults.len(), until, &said.by.document)
    }) else {
        return Judged { found: vec![Found::fail(id, Code::VsaMissing, "nothing was judged")], passed: None };
    };
    if let (Some(vsa), true) = (vsa, faults.is_empty()) {
        let waived = if vsa.is_waived() { ", which says that something was waived" } else { "" };
        let message = format!("{} says PASSED{waived}", Printable(&vsa.verifier_id));
        let pass = Found::pass(id, message).evidence([said.by.document.clone()]).until(until);
        return Judged { found: vec![pass], passed: Some((said, vsa)) };
    }
    let found = faults.into_iter().map(|fault| Found::fault(id.clone(), fault, &said.by.document));
    Judged { found: found.collect(), passed: None }
}

pub(super) fn is_vsa(about: &Attestation) -> bool {
    about.predicate_type == vsa_v1::PREDICATE_TYPE
}

/// The steps after signature, subject and type, which [`statement::find`] has settled.
pub(super) fn judge<'a>(
    context: &Context<'_>,
    wanted: &document::Vsa,
    said: Said<'a>,
    reference: &str,
) -> (Said<'a>, Option<&'a Vsa>, Vec<Fault>, Option<Timestamp>) {
    let mut faults = Vec::new();
    let mut fault = |code, message: String, expected: Value, actual: Value| {
        faults.push(Fault { code, message, expected, actual });
    };
    let mut until = said.by.valid_until;
    let Predicate::Vsa(vsa) = &said.attestation.predicate else {
        fault(Code::VsaMissing, "the statement is no VSA".into(), Value::Null, Value::Null);
        return (said, None, faults, until);
    };
    let pairs = wanted.verifiers.iter().filter(|pair| pair.signer == said.by.signer);
    let ids: Vec<&str> = pairs.map(|pair| pair.id.as_str()).collect();
    if !ids.contains(&vsa.verifier_id.as_str()) {
        let message = format!(
            "verifier.id is '{}', which '{}' may not use",
            Printable(&vsa.verifier_id),
            said.by.signer
        );
        fault(Code::VsaVerifierUntrusted, message, json!(ids), json!(vsa.verifier_id));
    }
    let uri = &vsa.resource_uri;
    let right_uri = match &wanted.resource_uri {
        Some(wanted) => wanted.matches(uri),
        None => uri == reference,
    };
    if !right_uri {
        let expected = wanted.resource_uri.as_ref().map_or(reference.to_owned(), ToString::to_string);
        let message = format!("resourceUri is '{}', expected {expected}", Printable(uri));
        fault(Code::VsaResourceUriMismatch, message, json!(expected), json!(uri));
    }
    if vsa.result != VerificationResult::Passed {
        let message = "verificationResult is not PASSED".to_owned();
        fault(Code::VsaNotPassed, message, json!("PASSED"), json!("FAILED"));
    }
    for level in wanted.levels.iter().filter(|level| !vsa.has_level(level)) {
        let message = format!("{} is not among the verified levels", Printable(level));
        fault(Code::VsaLevelMissing, message, json!(level), json!(vsa.verified_levels));
    }
    if let Some(wanted) = &wanted.policy_uri {
        let found = vsa.policy.uri.as_deref();
        if !found.is_some_and(|found| wanted.matches(found)) {
            let message = format!("policy.uri is '{}', expected {wanted}", Printable(found.unwrap_or("")));
            fault(Code::VsaPolicyMismatch, message, json!(wanted.to_string()), json!(found));
        }
    }
    let made = said.by.earliest().or(vsa.time_verified);
    if let Some(at) = made
        && at > context.now
    {
        let message = format!("the VSA was made at {at}, but it is {} here", context.now);
        fault(Code::TimeClockImplausible, message, Value::Null, json!(at.to_string()));
    }
    if let Some(age) = wanted.max_age {
        match made.map(|at| (at, at.checked_add(age.duration()))) {
            None => {
                let message = "the VSA says nothing of when it was made".to_owned();
                fault(Code::VsaStale, message, json!(age.to_string()), Value::Null);
            }
            Some((at, Ok(end))) if context.now > end => {
                let message = format!("the VSA was made at {at}; max-age is {age}");
                fault(Code::VsaStale, message, json!(age.to_string()), json!(at.to_string()));
            }
            Some((_, end)) => until = earliest(until, end.ok()),
        }
    }
    (said, Some(&**vsa), faults, until)
}
