//! The `slsa` block: provenance by a listed builder, with closed external parameters, and the models that it was made from.

use super::{
    base_models,
    check::Found,
    code::{Code, CodeKind},
    context::{Block, Candidate, Context},
    excuse,
    nonempty::NonEmpty,
    statement::{self, NoneFound, Said},
};
use crate::{
    facts::By,
    policy::{
        document::{Builder, Slsa},
        testing::{PointerKey, Test},
        words::Permission,
    },
};
use modelseal_core::{
    attestation::Attestation,
    json::value::Value as Json,
    predicate::{
        Predicate,
        slsa_provenance::{self, Provenance},
    },
    text::Printable,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the block came to: the checks, and the provenance that they rest on.
pub(super) struct Judged<'a> {
    pub(super) found: Vec<Found>,
    pub(super) passed: Option<(Said<'a>, &'a Provenance)>,
}

/// Checks the block over one candidate. One provenance that passes everything is enough.
pub(super) fn check<'a>(
    context: &Context<'a>,
    block: &Block<'_>,
    wanted: &Slsa,
    candidate: &Candidate,
) -> Judged<'a> {
    let id = block.id("slsa");
    let builders: Vec<(&String, &Builder)> = wanted
        .builders
        .iter()
        .filter_map(|name| context.policy.document().builders.get(name).map(|builder| (name, builder)))
        .collect();
    let by = |by: &By| builders.iter().any(|(_, builder)| builder.signers.contains(&by.signer));
    let said = match statement::find(context, candidate, by, is_provenance) {
        Ok(said) => said,
        Err(none) => {
            let fail = match none {
                NoneFound::Missing => {
                    let message = format!("no SLSA provenance by {}", wanted.builders.join(" or "));
                    Found::fail(id, Code::SlsaMissing, message).fix("give the provenance with --bundle")
                }
                NoneFound::OtherSubject(lacks, evidence) => {
                    let message = format!("the SLSA provenance is about other files: {lacks}");
                    Found::fail(id, Code::SlsaMissing, message).evidence(evidence)
                }
                NoneFound::Denied(code, message) => Found::fail(id, code, message),
                NoneFound::Unmeasured => Found::unmeasured(id),
            };
            return Judged { found: vec![fail], passed: None };
        }
    };
    let all = said.iter().filter_map(|said| {
        let Predicate::Provenance(provenance) = &said.attestation.predicate else { return None };
        let faults = judge(wanted, &builders, said.by, provenance);
        let denying = excuse::unexcused(context, candidate, faults.iter().map(|(code, ..)| *code));
        // What provenance says of base models is looked at only where it would be accepted for the rest.
        let bases = match &wanted.base_models {
            Some(wanted) if wanted.verify && denying == 0 => {
                base_models::check(context, block, wanted, candidate, *said, provenance)
            }
            _ => Vec::new(),
        };
        let codes: Vec<Code> = bases.iter().filter_map(Found::code).collect();
        let undecided = codes.iter().any(|code| code.kind() == CodeKind::Undecided);
        let least = (
            undecided,
            denying + excuse::unexcused(context, candidate, codes.iter().copied()),
            faults.len() + codes.len(),
        );
        Some((least, *said, &**provenance, faults, bases))
    });
    let Some(all) = NonEmpty::collect(all) else {
        return Judged {
            found: vec![Found::fail(id, Code::SlsaMissing, "no provenance to judge")],
            passed: None,
        };
    };
    let count = all.len();
    let (_, said, provenance, faults, bases) =
        all.into_least(|(least, said, ..)| (*least, said.by.document.clone()));
    if faults.is_empty() {
        let message = format!("built by {}, one of {count} provenances", Printable(&provenance.builder_id));
        let evidence = [said.by.document.clone()];
        let mut found = vec![Found::pass(id, message).evidence(evidence).until(said.by.valid_until)];
        found.extend(bases);
        return Judged { found, passed: Some((said, provenance)) };
    }
    let found = faults.into_iter().map(|(code, message, expected, actual)| {
        let fail = Found::fail(id.clone(), code, message).expected(expected).actual(actual);
        fail.evidence([said.by.document.clone()])
    });
    Judged { found: found.chain(bases).collect(), passed: None }
}

fn is_provenance(about: &Attestation) -> bool {
    [slsa_provenance::PREDICATE_TYPE_V1, slsa_provenance::PREDICATE_TYPE_V0_2]
        .contains(&&*about.predicate_type)
}

type Faults = Vec<(Code, String, Value, Value)>;

/// Of the builders that this signer may speak for, the one that is lacking least.
fn judge(wanted: &Slsa, builders: &[(&String, &Builder)], by: &By, provenance: &Provenance) -> Faults {
    let own = builders.iter().filter(|(_, builder)| builder.signers.contains(&by.signer));
    let least = own.map(|(_, builder)| of_builder(wanted, builder, provenance)).min_by_key(Vec::len);
    let mut faults = least.unwrap_or_else(|| {
        vec![(
            Code::SlsaBuilderUntrusted,
            "no builder of the rule has this signer".into(),
            Value::Null,
            Value::Null,
        )]
    });
    faults.extend(source(wanted, provenance));
    faults.extend(parameters(wanted, provenance));
    faults
}

fn of_builder(wanted: &Slsa, builder: &Builder, provenance: &Provenance) -> Faults {
    let mut faults = Vec::new();
    if !builder.builder_id.matches(&provenance.builder_id) {
        let message =
            format!("builder.id is '{}', expected {}", Printable(&provenance.builder_id), builder.builder_id);
        let expected = json!(builder.builder_id.to_string());
        faults.push((Code::SlsaBuilderUntrusted, message, expected, json!(provenance.builder_id)));
    }
    if !builder.build_types.contains(&provenance.build_type) {
        let message = format!("buildType is '{}', which is not listed", Printable(&provenance.build_type));
        let listed: Vec<&str> = builder.build_types.iter().map(String::as_str).collect();
        faults.push((Code::SlsaBuildType, message, json!(listed), json!(provenance.build_type)));
    }
    let (granted, least) = (builder.max_level.number(), wanted.min_level.number());
    if granted < least {
        let message = format!("the builder is granted level {granted}, required is {least}");
        faults.push((Code::SlsaLevelTooLow, message, json!(least), json!(granted)));
    }
    faults
}

fn source(wanted: &Slsa, provenance: &Provenance) -> Faults {
    let mut faults = Vec::new();
    let found = provenance.source();
    if let Some(wanted) = &wanted.source {
        let repository = found.as_ref().map(|source| source.repository.as_str());
        // Policies write a repository with or without the scheme that provenance puts before it.
        let matches = |r: &str| wanted.matches(r) || wanted.matches(&format!("git+{r}"));
        if !repository.is_some_and(matches) {
            let message =
                format!("the source is '{}', expected {wanted}", Printable(repository.unwrap_or("")));
            faults.push((Code::SlsaSourceMismatch, message, json!(wanted.to_string()), json!(repository)));
        }
    }
    if let Some(wanted) = &wanted.source_ref {
        let reference = found.as_ref().and_then(|source| source.reference.as_deref());
        if !reference.is_some_and(|r| wanted.matches(r)) {
            let message = format!("the ref is '{}', expected {wanted}", Printable(reference.unwrap_or("")));
            faults.push((Code::SlsaRefMismatch, message, json!(wanted.to_string()), json!(reference)));
        }
    }
    faults
}

fn parameters(wanted: &Slsa, provenance: &Provenance) -> Faults {
    let mut faults = Vec::new();
    let document = Json::Object(provenance.external_parameters.clone());
    for (pointer, test) in &wanted.external_parameters {
        if let Err(failure) = test.check(pointer, &document) {
            let message = format!("{}: {failure}, expected {test}", Printable(pointer.as_str()));
            let expected = json!({ "parameter": pointer.as_str(), "test": test.to_string() });
            faults.push((Code::SlsaParameterMismatch, message, expected, json!(failure.to_string())));
        }
    }
    if wanted.unknown_parameters != Some(Permission::Allow) {
        let mut unknown = Vec::new();
        untested("", &document, &wanted.external_parameters, &mut unknown);
        for path in unknown {
            let message =
                format!("externalParameters has {}, which the policy does not test", Printable(&path));
            faults.push((Code::SlsaParameterUnknown, message, Value::Null, json!(path)));
        }
    }
    faults
}

/// Every value that no test looks at. A test of a value looks at all of it; a test of a part of an object leaves the
/// other parts untested.
fn untested(path: &str, value: &Json, tests: &BTreeMap<PointerKey, Test>, unknown: &mut Vec<String>) {
    let below = format!("{path}/");
    let looked_at = tests.keys().any(|test| test.as_str() == path);
    let looked_into = tests.keys().any(|test| test.as_str().starts_with(&below));
    match value {
        Json::Object(members) if path.is_empty() || (looked_into && !looked_at) => {
            for (name, value) in members {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                untested(&format!("{below}{escaped}"), value, tests, unknown);
            }
        }
        // A test on elements (`/list/*`) is about all of the list only when it is a list of plain values.
        Json::Array(items) if !looked_at && tests.keys().any(|test| test.as_str() == format!("{below}*")) => {
            let nested = |item: &Json| matches!(item, Json::Object(_) | Json::Array(_));
            let whole = tests.iter().any(|(at, test)| at.as_str() == format!("{below}*") && is_every(test));
            if !whole || items.iter().any(nested) {
                unknown.push(path.to_owned());
            }
        }
        _ if looked_at => {}
        _ => unknown.push(path.to_owned()),
    }
}

fn is_every(test: &Test) -> bool {
    matches!(test, Test::Every(_))
}
