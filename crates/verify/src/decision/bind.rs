//! `bind`: what proves that these bytes are the model of that name.

use super::{
    check::Found,
    code::Code,
    context::{Candidate, Context},
    persons, signature,
    statement::{self, NoneFound, Said},
};
use crate::policy::{
    document::{Rule, Vsa as WantedVsa},
    words::Binding,
};
use modelseal_core::{
    attestation::Attestation,
    predicate::{
        Predicate,
        release::{self, Release},
        slsa_provenance::Provenance,
        vsa_v1::Vsa,
    },
    text::Printable,
};
use serde_json::json;
use std::collections::BTreeSet;

/// What the other blocks accepted, which the name may be bound by.
pub(super) struct Accepted<'a> {
    pub(super) provenance: Option<(Said<'a>, &'a Provenance)>,
    pub(super) vsa: Option<(Said<'a>, &'a Vsa)>,
}

/// The binding, and the version that it gives.
struct Bound {
    found: Found,
    versions: Vec<String>,
}

/// Checks the rule's binding over one candidate, and the version that it gives.
pub(super) fn check(
    context: &Context<'_>,
    rule: &Rule,
    candidate: &Candidate,
    accepted: &Accepted<'_>,
) -> Vec<Found> {
    let bound = match rule.bind {
        Some(Binding::Digest) => digest(rule, candidate),
        Some(Binding::Release) => released(context, rule, candidate),
        Some(Binding::Provenance) => provenance(context, candidate, accepted),
        Some(Binding::Vsa) => vsa(context, rule, accepted),
        Some(Binding::Signer) => unbound("the signer is believed for any model (bind = \"signer\")"),
        None => unbound("the rule names one model, and its signer is believed for it"),
    };
    let is_bound = bound.found.passed();
    let mut found = vec![bound.found];
    if let Some(minimum) = &rule.min_version {
        found.push(version(
            "bind.min-version",
            Code::BindVersionBelowMinimum,
            "the minimum is",
            &minimum.0,
            &bound.versions,
            is_bound,
        ));
    }
    if let Some(seen) = context.request.high_water() {
        let stated = is_bound && !bound.versions.is_empty();
        if stated || rule.min_version.is_some() {
            found.push(version(
                "bind.high-water",
                Code::BindVersionBelowHighWater,
                "this host has accepted",
                seen,
                &bound.versions,
                is_bound,
            ));
        }
    }
    found
}

fn unbound(message: &str) -> Bound {
    Bound { found: Found::pass("bind", message), versions: Vec::new() }
}

fn digest(rule: &Rule, candidate: &Candidate) -> Bound {
    let Some(digest) = candidate.digest() else {
        return Bound {
            found: Found::skip("bind", "signature.threshold", Code::BindDigestNotListed),
            versions: Vec::new(),
        };
    };
    let listed: Vec<&str> = rule.digests.iter().map(|listed| listed.as_str()).collect();
    let found = if listed.contains(&digest) {
        Found::pass("bind", "the rule lists this manifest digest")
    } else {
        let message = format!("{digest} is none of the {} digests that the rule lists", listed.len());
        Found::fail("bind", Code::BindDigestNotListed, message)
            .fix("get the listed model, or have the digest added to the policy")
    };
    Bound { found: found.expected(json!(listed)).actual(digest), versions: Vec::new() }
}

/// The same people must say the name as must sign: as many of them, and none that is denied.
fn released(context: &Context<'_>, rule: &Rule, candidate: &Candidate) -> Bound {
    let none = |found| Bound { found, versions: Vec::new() };
    let Some(wanted) = &rule.signature else {
        let message = "a release statement counts by those who must sign, and the rule asks for no signature";
        return none(Found::fail("bind", Code::BindNameNotAttested, message));
    };
    let reference = context.request.reference().as_str();
    let by = |by: &crate::facts::By| signature::people_who_count(context, wanted, by);
    let said = match statement::find(context, candidate, by, is_release) {
        Ok(said) => said,
        Err(NoneFound::Unmeasured) => return none(Found::unmeasured("bind")),
        Err(NoneFound::Denied(code, message)) => return none(Found::fail("bind", code, message)),
        Err(missing) => {
            let why = match missing {
                NoneFound::OtherSubject(lacks, _) => format!("; there is one about other files: {lacks}"),
                _ => String::new(),
            };
            let people = context.principals(&wanted.signers).join(" or ");
            let message = format!("no release statement by {people} names these files {reference}{why}");
            let fix = "have the publisher issue a release statement, and give it with --bundle";
            return none(
                Found::fail("bind", Code::BindNameNotAttested, message).expected(reference).fix(fix),
            );
        }
    };
    let releases = said.iter().filter_map(|said| match &said.attestation.predicate {
        Predicate::Release(release) => Some((said.by, &**release)),
        _ => None,
    });
    let (right, wrong): (Vec<_>, Vec<_>) =
        releases.partition(|(_, release)| named(release).as_deref() == Some(reference));
    let needed = wanted.threshold.map_or(1, |t| t.get() as usize);
    // The highest version first: holding a statement back never makes the version that enough people state a higher one.
    let mut stated: Vec<_> = right.iter().map(|(by, release)| (by, release.purl.release_version())).collect();
    stated.sort_by_key(|(by, text)| std::cmp::Reverse((read_version(text), *text, &by.document)));
    let makers: Vec<_> = stated.iter().map(|(by, _)| (by.principal.as_str(), &by.identity)).collect();
    let enough = persons::first_enough(&makers, needed);
    let people = persons::distinct(makers);
    let evidence: Vec<String> = right.iter().chain(&wrong).map(|(by, _)| by.document.clone()).collect();
    let names: BTreeSet<String> = wrong.iter().map(|(_, release)| release.purl.text.clone()).collect();
    let Some(enough) = enough else {
        let found = if people.is_empty() {
            let shown =
                names.iter().map(|name| format!("'{}'", Printable(name))).collect::<Vec<_>>().join(", ");
            let message = format!("these files were released as {shown}, not as {reference}");
            Found::fail("bind", Code::BindNameMismatch, message)
        } else {
            let message =
                format!("{} of {needed} required people released this as {reference}", people.len());
            Found::fail("bind", Code::BindNameNotAttested, message)
        };
        return none(found.expected(reference).actual(json!(names)).evidence(evidence));
    };
    let until = right.iter().filter_map(|(by, _)| by.valid_until).min();
    let names = people.into_iter().collect::<Vec<_>>().join(", ");
    let found = Found::pass("bind", format!("released as {reference} by {names}"));
    let versions = enough.into_iter().filter_map(|at| Some((*stated.get(at)?.1).to_owned())).collect();
    Bound { found: found.evidence(evidence).until(until), versions }
}

fn is_release(about: &Attestation) -> bool {
    [release::PREDICATE_TYPE_V0_1, release::PREDICATE_TYPE_V0_2].contains(&&*about.predicate_type)
}

/// The reference that a release gives the files. Kinds of package that no reference is known for name theirs in
/// `download_url`.
fn named(release: &Release) -> Option<String> {
    let purl = &release.purl;
    purl.reference()
        .or_else(|| (purl.kind == "generic").then(|| purl.qualifiers.get("download_url").cloned()).flatten())
}

/// The subject that covers the model must itself have the name.
fn provenance(context: &Context<'_>, candidate: &Candidate, accepted: &Accepted<'_>) -> Bound {
    let Some((said, _)) = accepted.provenance else {
        return Bound { found: Found::skip("bind", "slsa", Code::BindNameNotAttested), versions: Vec::new() };
    };
    let reference = context.request.reference().as_str();
    let subjects = &said.attestation.subjects;
    let named: Vec<_> = subjects
        .iter()
        .filter(|s| s.name.as_deref() == Some(reference) || s.uri.as_deref() == Some(reference))
        .cloned()
        .collect();
    let found = if !named.is_empty() && context.is_all_of(candidate, &named) {
        Found::pass("bind", format!("the provenance names these files {reference}"))
    } else {
        let names: Vec<&str> =
            subjects.iter().filter_map(|s| s.uri.as_deref().or(s.name.as_deref())).take(20).collect();
        let message = format!("the provenance does not name these files {reference}");
        let code = if names.is_empty() { Code::BindNameNotAttested } else { Code::BindNameMismatch };
        Found::fail("bind", code, message).expected(reference).actual(json!(names))
    };
    Bound { found: found.evidence([said.by.document.clone()]), versions: Vec::new() }
}

fn vsa(context: &Context<'_>, rule: &Rule, accepted: &Accepted<'_>) -> Bound {
    let wanted: Option<&WantedVsa> = rule.vsa.as_ref();
    let Some((said, vsa)) = accepted.vsa else {
        let found = if wanted.is_some() {
            Found::skip("bind", "vsa", Code::BindNameNotAttested)
        } else {
            Found::fail("bind", Code::BindNameNotAttested, "bind = \"vsa\" needs a vsa block in the rule")
        };
        return Bound { found, versions: Vec::new() };
    };
    let reference = context.request.reference().as_str();
    let found = if vsa.resource_uri == reference {
        Found::pass("bind", format!("the VSA is about {reference}"))
    } else {
        let message = format!("the VSA is about '{}', not about {reference}", Printable(&vsa.resource_uri));
        Found::fail("bind", Code::BindNameMismatch, message)
            .expected(reference)
            .actual(vsa.resource_uri.as_str())
    };
    Bound { found: found.evidence([said.by.document.clone()]), versions: Vec::new() }
}

/// Semantic Versioning, with or without a leading `v`.
fn read_version(text: &str) -> Option<semver::Version> {
    semver::Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()
}

/// Compares the lowest of the versions that the binding gives.
fn version(
    id: &str,
    code: Code,
    what: &str,
    least: &semver::Version,
    stated: &[String],
    is_bound: bool,
) -> Found {
    if !is_bound {
        return Found::skip(id, "bind", code);
    }
    let versions: Option<Vec<semver::Version>> = stated.iter().map(|text| read_version(text)).collect();
    let found = match versions.as_deref().and_then(|v| v.iter().min()) {
        None => {
            let shown = stated.iter().map(|v| format!("'{}'", Printable(v))).collect::<Vec<_>>().join(", ");
            let shown = if shown.is_empty() { "no version".to_owned() } else { shown };
            Found::fail(id, code, format!("the model states {shown}, and {what} {least}"))
        }
        // Build metadata says nothing about which is newer.
        Some(version) if version.cmp_precedence(least).is_ge() => {
            Found::pass(id, format!("version {version}, {what} {least}"))
        }
        Some(version) => Found::fail(id, code, format!("version {version}, {what} {least}")),
    };
    found.expected(least.to_string()).actual(json!(stated))
}
