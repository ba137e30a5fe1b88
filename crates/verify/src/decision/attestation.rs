//! The `attestation` blocks: a predicate of an exact type, by enough different people, with fields as tested.

use super::{
    check::{Fault, Found, earliest},
    code::Code,
    context::{Block, Candidate, Context},
    excuse,
    nonempty::NonEmpty,
    persons,
    statement::{self, NoneFound, Said},
};
use crate::{
    facts::SignerIdentity,
    policy::{document::Attestation as Wanted, testing::TestFailure, words::Select},
};
use jiff::Timestamp;
use modelseal_core::text::Printable;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Checks one block over one candidate.
pub(super) fn check(
    context: &Context<'_>,
    block: &Block<'_>,
    wanted: &Wanted,
    candidate: &Candidate,
) -> Vec<Found> {
    let id = block.id(&format!("attestation/{}", wanted.name));
    let people = context.principals(&wanted.signers);
    let expected = json!({ "predicate-type": wanted.predicate_type, "principals": people });
    let by = |by: &crate::facts::By| wanted.signers.contains(&by.signer);
    let found =
        statement::find(context, candidate, by, |about| about.predicate_type == wanted.predicate_type);
    let said = match found {
        Ok(said) => said,
        Err(none) => return vec![absent(id, wanted, &people, none).expected(expected)],
    };
    let judged: Vec<Judged<'_>> = said.iter().map(|said| judge(context, wanted, *said)).collect();
    let Some(judged) = NonEmpty::collect(judged) else {
        return vec![Found::fail(id, Code::AttestationMissing, "nothing was judged")];
    };
    if wanted.select == Some(Select::Any) {
        return any(context, candidate, wanted, &id, expected, &judged);
    }
    select(wanted, &id, expected, &judged)
}

struct Judged<'a> {
    said: Said<'a>,
    faults: Vec<Fault>,
    until: Option<Timestamp>,
}

fn absent(id: String, wanted: &Wanted, people: &[String], none: NoneFound) -> Found {
    let name = Printable(&wanted.name);
    match none {
        NoneFound::Missing => {
            let message = format!("no '{name}' attestation by {}", people.join(" or "));
            Found::fail(id, Code::AttestationMissing, message)
                .fix("have the attestation made and give it with --bundle")
        }
        NoneFound::OtherSubject(lacks, evidence) => {
            let message = format!("the '{name}' attestation is about other files: {lacks}");
            Found::fail(id, Code::AttestationSubjectMismatch, message).evidence(evidence)
        }
        NoneFound::Denied(code, message) => Found::fail(id, code, message),
        NoneFound::Unmeasured => Found::unmeasured(id),
    }
}

fn judge<'a>(context: &Context<'_>, wanted: &Wanted, said: Said<'a>) -> Judged<'a> {
    let mut faults = Vec::new();
    let mut fault = |code, message, expected, actual| {
        faults.push(Fault { code, message, expected, actual });
    };
    let mut until = said.by.valid_until;
    if let Some(age) = wanted.max_age {
        let expected = json!({ "max-age": age.to_string() });
        match said.by.earliest().map(|at| (at, at.checked_add(age.duration()))) {
            None => {
                let message = "nobody vouches for when the attestation was made".to_owned();
                fault(Code::AttestationStale, message, expected, Value::Null);
            }
            Some((at, Ok(end))) if context.now > end => {
                let message = format!("the attestation was made at {at}; max-age is {age}");
                fault(Code::AttestationStale, message, expected, json!(at.to_string()));
            }
            Some((_, end)) => until = earliest(until, end.ok()),
        }
    }
    for (pointer, test) in &wanted.where_ {
        let Err(failure) = test.check(pointer, &said.attestation.raw) else { continue };
        let code = match failure {
            TestFailure::Missing => Code::AttestationFieldMissing,
            TestFailure::Type { .. } => Code::AttestationFieldType,
            _ => Code::AttestationFieldMismatch,
        };
        let message = format!("{}: {failure}, expected {test}", Printable(pointer.as_str()));
        let expected = json!({ "field": pointer.as_str(), "test": test.to_string() });
        fault(code, message, expected, json!(failure.to_string()));
    }
    Judged { said, faults, until }
}

/// Enough people must have attested it, each with one statement that passes, or whose failures are excused; the others do not
/// matter.
fn any(
    context: &Context<'_>,
    candidate: &Candidate,
    wanted: &Wanted,
    id: &str,
    expected: Value,
    judged: &NonEmpty<Judged<'_>>,
) -> Vec<Found> {
    let needed = wanted.threshold.map_or(1, |t| t.get() as usize);
    let mut passing: Vec<&Judged<'_>> = judged.iter().filter(|judged| judged.faults.is_empty()).collect();
    passing.sort_by_key(|judged| std::cmp::Reverse(judged.until.unwrap_or(Timestamp::MAX)));
    let people = distinct(&passing);
    if let Some(lasting) = first_enough(&passing, needed) {
        let until = lasting.iter().fold(None, |until, judged| earliest(until, judged.until));
        let message = format!("attested by {}", people.into_iter().collect::<Vec<_>>().join(", "));
        let evidence = passing.iter().map(|judged| judged.said.by.document.clone());
        return vec![Found::pass(id, message).expected(expected).evidence(evidence).until(until)];
    }
    let mut all: Vec<&Judged<'_>> = judged.iter().collect();
    all.sort_by_cached_key(|judged| {
        let codes = judged.faults.iter().map(|fault| fault.code);
        let document = judged.said.by.document.clone();
        (excuse::unexcused(context, candidate, codes), judged.faults.len(), document)
    });
    if let Some(nearest) = first_enough(&all, needed) {
        return nearest.into_iter().flat_map(|judged| faults(id, judged)).collect();
    }
    let message =
        format!("{} of {needed} required people attested '{}'", people.len(), Printable(&wanted.name));
    let evidence = all.iter().map(|judged| judged.said.by.document.clone());
    let fail = Found::fail(id, Code::AttestationThresholdNotMet, message).expected(expected);
    let fail = fail.actual(json!(people)).evidence(evidence);
    all.into_iter().flat_map(|judged| faults(id, judged)).chain([fail]).collect()
}

fn distinct<'a>(judged: &[&Judged<'a>]) -> BTreeSet<&'a str> {
    persons::distinct(judged.iter().map(|judged| maker(judged)))
}

fn first_enough<'c, 'a>(judged: &[&'c Judged<'a>], needed: usize) -> Option<Vec<&'c Judged<'a>>> {
    let makers: Vec<_> = judged.iter().map(|judged| maker(judged)).collect();
    let chosen = persons::first_enough(&makers, needed)?;
    Some(chosen.into_iter().filter_map(|at| judged.get(at).copied()).collect())
}

fn maker<'a>(judged: &Judged<'a>) -> (&'a str, &'a SignerIdentity) {
    (&judged.said.by.principal, &judged.said.by.identity)
}

fn faults<'c>(id: &'c str, judged: &'c Judged<'_>) -> impl Iterator<Item = Found> + 'c {
    judged.faults.iter().map(move |fault| Found::fault(id, fault.clone(), &judged.said.by.document))
}

fn select(wanted: &Wanted, id: &str, expected: Value, judged: &NonEmpty<Judged<'_>>) -> Vec<Found> {
    let needed = wanted.threshold.map_or(1, |t| t.get() as usize);
    let mut chosen: Vec<&Judged<'_>> = judged.iter().collect();
    if wanted.select == Some(Select::Latest) {
        if let Some(untimed) = judged.iter().find(|judged| judged.said.by.latest().is_none()) {
            let message = "select is latest, and nobody vouches for when the attestation was made";
            return vec![
                Found::fail(id, Code::TimeNoTrustedTime, message).evidence([untimed
                    .said
                    .by
                    .document
                    .clone()]),
            ];
        }
        chosen = latest(judged, needed);
    }
    let passing: Vec<&Judged<'_>> = chosen.iter().copied().filter(|j| j.faults.is_empty()).collect();
    let passing = distinct(&passing);
    let evidence = chosen.iter().map(|j| j.said.by.document.clone());
    let mut found: Vec<Found> = chosen.iter().flat_map(|judged| faults(id, judged)).collect();
    if passing.len() >= needed && found.is_empty() {
        let until = chosen.iter().fold(None, |until, judged| earliest(until, judged.until));
        let message = format!("attested by {}", passing.iter().copied().collect::<Vec<_>>().join(", "));
        return vec![Found::pass(id, message).expected(expected).evidence(evidence).until(until)];
    }
    if passing.len() < needed && (needed > 1 || found.is_empty()) {
        let message =
            format!("{} of {needed} required people attested '{}'", passing.len(), Printable(&wanted.name));
        let fail = Found::fail(id, Code::AttestationThresholdNotMet, message).expected(expected);
        found.push(fail.actual(json!(passing)).evidence(evidence));
    }
    found
}

/// Of each person the newest; when one person is enough, the newest of all. Of several with one time all count.
fn latest<'a, 'b>(judged: &'b NonEmpty<Judged<'a>>, needed: usize) -> Vec<&'b Judged<'a>> {
    let mut newest: BTreeMap<&str, Vec<&'b Judged<'a>>> = BTreeMap::new();
    for judged in judged.iter() {
        let person = if needed == 1 { "" } else { judged.said.by.principal.as_str() };
        let known = newest.entry(person).or_default();
        let at = judged.said.by.latest();
        match known.first().map(|known| known.said.by.latest()) {
            Some(other) if other > at => {}
            Some(other) if other == at => known.push(judged),
            _ => *known = vec![judged],
        }
    }
    newest.into_values().flatten().collect()
}
