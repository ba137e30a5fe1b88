//! The `signature` block: enough different people signed the same manifest, each in a way that counts.

use super::{
    check::{Fault, Found, earliest},
    code::Code,
    context::{Block, Candidate, Context},
    denied, excuse, persons,
};
use crate::{
    facts::{By, NearMiss, SignerIdentity},
    policy::{
        document::Signature,
        words::{HashAlgorithm, Requirement},
    },
    sigstore::evidence::CLOCK_TOLERANCE,
};
use jiff::Timestamp;
use modelseal_core::text::Printable;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One signature of the block's signers, with all that keeps it from counting.
struct Counted<'a> {
    by: &'a By,
    /// Each with the id of its check.
    faults: Vec<(&'static str, Fault)>,
    /// How many of the faults neither a waiver nor the rule's mode excuses.
    unexcused: usize,
    until: Option<Timestamp>,
}

/// Checks the block over one candidate.
pub(super) fn check(
    context: &Context<'_>,
    block: &Block<'_>,
    wanted: &Signature,
    candidate: &Candidate,
    unsigned_allowed: bool,
) -> Vec<Found> {
    let needed = wanted.threshold.map_or(1, |t| t.get() as usize);
    let people = context.principals(&wanted.signers);
    // Where the model is what some of the signatures say, the others are about something else.
    let intact = context.signatures(candidate).any(|s| context.is_intact(s.manifest, unsigned_allowed));
    let relevant = context.signatures(candidate).filter(|signature| {
        wanted.signers.contains(&signature.by.signer)
            && (!intact || context.is_intact(signature.manifest, unsigned_allowed))
    });
    let mut all: Vec<Counted<'_>> = relevant.map(|s| weigh(context, wanted, candidate, &s.by)).collect();
    all.sort_by(|a, b| rank(a).cmp(&rank(b)));
    // Of each person the signature that lacks least.
    let mut best: BTreeMap<&str, &Counted<'_>> = BTreeMap::new();
    let mut ignored = Vec::new();
    for counted in &all {
        let known = *best.entry(&counted.by.principal).or_insert(counted);
        if !std::ptr::eq(known, counted) {
            ignored.push(note(counted.by, "same principal"));
        }
    }
    let mut order: Vec<&Counted<'_>> = best.into_values().collect();
    order.sort_by_key(|counted| rank(counted));
    let signed = persons::distinct(all.iter().map(made)).len();
    let same_maker = order.len() > signed;

    let id = block.id("signature.threshold");
    let expected = json!({ "threshold": needed, "principals": people });
    let mut names: Vec<&str> = order.iter().map(|counted| counted.by.principal.as_str()).collect();
    names.sort_unstable();
    let evidence = order.iter().map(|counted| counted.by.document.clone());
    let mut found = Vec::new();
    if let Some(chosen) = first_enough(all.iter(), needed) {
        let faultless = all.iter().filter(|counted| counted.faults.is_empty());
        // It holds as long as the last of those who are needed counts.
        let mut lasting: Vec<&Counted<'_>> = faultless.clone().collect();
        lasting.sort_by_key(|counted| std::cmp::Reverse(counted.until.unwrap_or(Timestamp::MAX)));
        let lasting = first_enough(lasting.into_iter(), needed);
        let counting = lasting.as_ref().unwrap_or(&chosen);
        let until = counting.iter().fold(None, |until, counted| earliest(until, counted.until));
        let message = format!("{signed} of {needed} required people signed: {}", names.join(", "));
        let pass = Found::pass(id, message).expected(expected).evidence(evidence).until(until);
        found.push(pass.actual(json!({ "principals": names, "ignored": sorted(ignored) })));
        if lasting.is_some() {
            found.push(
                Found::pass(block.id("signature.time"), "times and logs are as required")
                    .evidence(faultless.map(|counted| counted.by.document.clone())),
            );
        } else {
            // What keeps those from counting who come nearest: where all of it is excused, they count.
            found.extend(chosen.iter().flat_map(|counted| faults(block, counted)));
        }
    } else {
        let near = near_misses(context, wanted);
        let nothing = context.data.bundles.is_empty();
        let code = match (signed, nothing) {
            (0, true) => Code::SignatureMissing,
            (0, false) => Code::SignatureNoTrustedSigner,
            _ => Code::SignatureThresholdNotMet,
        };
        let message = match code {
            Code::SignatureMissing => "there is no signature".to_owned(),
            Code::SignatureNoTrustedSigner => format!("nobody of {} signed this model", people.join(", ")),
            _ if same_maker => format!(
                "{signed} of {needed} required people signed: {} are one signer under several names",
                names.join(", ")
            ),
            _ => format!("{signed} of {needed} required people signed: {}", names.join(", ")),
        };
        ignored.extend(near.iter().map(|miss| {
            json!({ "signer": miss.signer, "evidence": miss.document, "code": miss.code, "why": miss.message })
        }));
        let missing: Vec<&str> =
            people.iter().map(String::as_str).filter(|person| !names.contains(person)).collect();
        let mut fix = format!("ask {} to sign this model: modelseal sign", missing.join(" or "));
        let elsewhere: BTreeSet<&str> = context
            .facts
            .signatures
            .iter()
            .filter(|s| wanted.signers.contains(&s.by.signer) && missing.contains(&s.by.principal.as_str()))
            .map(|s| s.by.principal.as_str())
            .collect();
        if !elsewhere.is_empty() {
            let who = elsewhere.into_iter().collect::<Vec<_>>().join(" and ");
            fix.push_str(&format!(
                "; {who} signed other files than these: was a signature of somebody else in the model then?"
            ));
        }
        found.push(
            Found::fail(id, code, message)
                .expected(expected)
                .actual(json!({ "principals": names, "ignored": sorted(ignored) }))
                .evidence(evidence)
                .fix(fix),
        );
        found.extend(order.iter().flat_map(|counted| faults(block, counted)));
        found.extend(near.iter().filter(|miss| is_worth_a_check(miss.code)).map(|miss| {
            let id = block.id(&format!("identity/{}", miss.signer));
            Found::fail(id, miss.code, miss.message.clone()).evidence([miss.document.clone()])
        }));
    }
    found.push(hash(context, block, wanted, candidate, unsigned_allowed));
    found
}

/// The people whose signature over the candidate counts fully: those who may bind its name.
pub(super) fn people_who_count(context: &Context<'_>, wanted: &Signature, by: &By) -> bool {
    wanted.signers.contains(&by.signer) && denied::signer(context, by).is_none()
}

fn weigh<'a>(context: &Context<'_>, wanted: &Signature, candidate: &Candidate, by: &'a By) -> Counted<'a> {
    let mut faults = Vec::new();
    let mut until = by.valid_until;
    let mut fault = |id, code, message: String, expected, actual| {
        faults.push((id, Fault { code, message, expected, actual }));
    };
    let who = Printable(&by.signer);
    if let Some(denied) = denied::signer(context, by) {
        fault("deny.signer", denied.code, denied.message, Value::Null, json!(by.identity));
    }
    let keyless = matches!(by.identity, SignerIdentity::Keyless(_));
    let usual = if keyless { Requirement::Required } else { Requirement::Off };
    if wanted.transparency.unwrap_or(usual) == Requirement::Required && by.corroboration.logs.is_empty() {
        let message = format!("no transparency log vouches for the signature by '{who}'");
        fault("signature.transparency", Code::LogMissing, message, json!("required"), Value::Null);
    }
    let stamped = by.corroboration.times.iter().any(|time| time.is_timestamp);
    if wanted.timestamp == Some(Requirement::Required) && !stamped {
        let message = format!("no timestamp authority vouches for the signature by '{who}'");
        fault("signature.time", Code::TimeNoTrustedTime, message, json!("timestamp"), Value::Null);
    }
    if let Some(latest) = by.latest()
        && latest.duration_since(context.now) > CLOCK_TOLERANCE
    {
        let message = format!("'{who}' signed at {latest}, but it is {} here", context.now);
        fault("signature.time", Code::TimeClockImplausible, message, Value::Null, json!(latest.to_string()));
    }
    if wanted.max_age.is_some() || wanted.signed_after.is_some() {
        match by.earliest() {
            None => {
                let message = format!("the rule asks when '{who}' signed, and nobody vouches for a time");
                fault("signature.time", Code::TimeNoTrustedTime, message, json!("trusted time"), Value::Null);
            }
            Some(at) => {
                if let Some(age) = wanted.max_age
                    && let Ok(end) = at.checked_add(age.duration())
                {
                    if context.now > end {
                        let message = format!("'{who}' signed at {at}; max-age is {age}");
                        let expected = json!({ "max-age": age.to_string() });
                        let actual = json!(at.to_string());
                        fault("signature.time", Code::TimeSignatureTooOld, message, expected, actual);
                    } else {
                        until = earliest(until, Some(end));
                    }
                }
                if let Some(after) = wanted.signed_after.map(|t| t.0)
                    && at <= after
                {
                    let message = format!("'{who}' signed at {at}, which must be after {after}");
                    let (expected, actual) =
                        (json!({ "signed-after": after.to_string() }), json!(at.to_string()));
                    fault("signature.time", Code::TimeSignedBeforeMinimum, message, expected, actual);
                }
            }
        }
    }
    let unexcused = excuse::unexcused(context, candidate, faults.iter().map(|(_, fault)| fault.code));
    Counted { by, faults, unexcused, until }
}

/// Fewer faults that deny, fewer faults, a longer time, then an order that depends on contents only.
fn rank<'a>(counted: &Counted<'a>) -> (usize, usize, std::cmp::Reverse<Timestamp>, &'a str, &'a str) {
    let until = std::cmp::Reverse(counted.until.unwrap_or(Timestamp::MAX));
    (counted.unexcused, counted.faults.len(), until, &counted.by.document, &counted.by.signer)
}

fn made<'a>(counted: &Counted<'a>) -> (&'a str, &'a SignerIdentity) {
    (&counted.by.principal, &counted.by.identity)
}

/// `needed` signatures of different people, out of the shortest beginning of `all` that has so many.
fn first_enough<'c, 'a: 'c>(
    all: impl Iterator<Item = &'c Counted<'a>>,
    needed: usize,
) -> Option<Vec<&'c Counted<'a>>> {
    let all: Vec<&Counted<'_>> = all.collect();
    let makers: Vec<(&str, &SignerIdentity)> = all.iter().map(|counted| made(counted)).collect();
    let chosen = persons::first_enough(&makers, needed)?;
    Some(chosen.into_iter().filter_map(|at| all.get(at).copied()).collect())
}

fn faults<'a>(block: &'a Block<'_>, counted: &'a Counted<'_>) -> impl Iterator<Item = Found> + 'a {
    let found = |(id, fault): &(&str, Fault)| Found::fault(block.id(id), fault.clone(), &counted.by.document);
    counted.faults.iter().map(found)
}

/// Bundles that did not convince, of this block's signers.
fn near_misses<'a>(context: &Context<'a>, wanted: &Signature) -> Vec<&'a NearMiss> {
    let all = context.facts.near_misses.iter();
    let near = |miss: &&NearMiss| {
        let other = [Code::SignatureNoTrustedSigner, Code::SignatureMethodMismatch];
        wanted.signers.contains(&miss.signer) && !other.contains(&miss.code)
    };
    all.filter(near).collect()
}

/// Reasons that a reader wants as a line of their own. They stand beside the failed threshold, never instead of it: no
/// waiver of theirs can make up for a missing signature.
fn is_worth_a_check(code: Code) -> bool {
    matches!(code.domain(), "identity" | "revocation" | "log" | "time" | "error")
}

fn hash(
    context: &Context<'_>,
    block: &Block<'_>,
    wanted: &Signature,
    candidate: &Candidate,
    unsigned_allowed: bool,
) -> Found {
    let id = block.id("integrity.hash-algorithm");
    let Some(fact) = context.best_manifest(candidate, unsigned_allowed) else {
        return Found::skip(id, block.id("signature.threshold"), Code::IntegrityAlgorithmNotAllowed);
    };
    let algorithm = fact.model.manifest.serialization().algorithm;
    let allowed = &wanted.hash_algorithms;
    let is_allowed = |a: &HashAlgorithm| a.name() == algorithm.name();
    if allowed.is_empty() || allowed.iter().any(is_allowed) {
        return Found::pass(id, format!("hashed with {algorithm}"));
    }
    let names: Vec<&str> = allowed.iter().map(|a| a.name()).collect();
    let message = format!("the model was signed under {algorithm}, allowed are {}", names.join(", "));
    Found::fail(id, Code::IntegrityAlgorithmNotAllowed, message)
        .expected(json!(names))
        .actual(algorithm.name())
}

fn note(by: &By, why: &str) -> Value {
    json!({ "signer": by.signer, "evidence": by.document, "why": format!("{why}, {}", by.principal) })
}

fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by_key(ToString::to_string);
    values.dedup();
    values
}
