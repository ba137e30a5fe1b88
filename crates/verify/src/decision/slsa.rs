//! The `slsa` block: provenance by a listed builder, with closed external parameters, and the models that it was made from.

use super::{
    BaseModel, Decided, MAX_BASE_MODEL_DEPTH,
    check::Found,
    code::Code,
    context::{Block, Candidate, Context},
    nonempty::NonEmpty,
    statement::{self, NoneFound, Said},
};
use crate::{
    facts::By,
    policy::{
        document::{Builder, Slsa},
        reference::Reference,
        testing::{PointerKey, Test},
        words::Permission,
    },
};
use modelseal_core::{
    attestation::Attestation,
    json::value::Value as Json,
    predicate::{
        Predicate,
        descriptor::Descriptor,
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
        Some((*said, &**provenance, judge(wanted, &builders, said.by, provenance)))
    });
    let Some(all) = NonEmpty::collect(all) else {
        return Judged {
            found: vec![Found::fail(id, Code::SlsaMissing, "no provenance to judge")],
            passed: None,
        };
    };
    let count = all.len();
    let key = |(said, _, faults): &(Said<'_>, &Provenance, Faults)| (faults.len(), said.by.document.clone());
    let (said, provenance, faults) = all.into_least(key);
    if faults.is_empty() {
        let message = format!("built by {}, one of {count} provenances", Printable(&provenance.builder_id));
        let evidence = [said.by.document.clone()];
        let mut found = vec![Found::pass(id, message).evidence(evidence).until(said.by.valid_until)];
        found.extend(base_models(context, block, wanted, provenance));
        return Judged { found, passed: Some((said, provenance)) };
    }
    let found = faults.into_iter().map(|(code, message, expected, actual)| {
        let fail = Found::fail(id.clone(), code, message).expected(expected).actual(actual);
        fail.evidence([said.by.document.clone()])
    });
    Judged { found: found.collect(), passed: None }
}

fn is_provenance(about: &Attestation) -> bool {
    [slsa_provenance::PREDICATE_TYPE_V1, slsa_provenance::PREDICATE_TYPE_V0_2]
        .contains(&&*about.predicate_type)
}

/// What one provenance lacks; empty when it passes. For provenance by one of the block's builders.
pub(super) fn faults_of(
    context: &Context<'_>,
    wanted: &Slsa,
    by: &By,
    provenance: &Provenance,
) -> Vec<(Code, String)> {
    let known = &context.policy.document().builders;
    let builders: Vec<(&String, &Builder)> =
        wanted.builders.iter().filter_map(|name| known.get(name).map(|builder| (name, builder))).collect();
    let faults = judge(wanted, &builders, by, provenance);
    faults.into_iter().map(|(code, message, ..)| (code, message)).collect()
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

/// Judges every model that this one was made from by the same policies.
fn base_models(
    context: &Context<'_>,
    block: &Block<'_>,
    wanted: &Slsa,
    provenance: &Provenance,
) -> Vec<Found> {
    let Some(bases) = wanted.base_models.as_ref().filter(|bases| bases.verify && context.distant.is_none())
    else {
        return Vec::new();
    };
    let depth =
        bases.max_depth.map_or(MAX_BASE_MODEL_DEPTH, |d| (d.get() as usize).min(MAX_BASE_MODEL_DEPTH));
    let models = provenance.resolved_dependencies.iter().filter(|dependency| is_model(dependency));
    models.map(|dependency| base_model(context, block, dependency, depth)).collect()
}

/// Whether a dependency is a model: its name says so, or its URI is a model's reference.
#[must_use]
pub fn is_model(dependency: &Descriptor) -> bool {
    let named = |name: &str| {
        let name = name.to_ascii_lowercase().replace(['-', '_'], "");
        name.starts_with("basemodel") || name == "model"
    };
    let is_dataset = dependency.name.as_deref().is_some_and(super::dataset::is_dataset_name);
    let model_reference = dependency.uri.as_deref().is_some_and(|uri| {
        Reference::parse(uri).is_ok_and(|r| {
            let text = r.reference.as_str();
            (text.starts_with("hf://") && !text.contains("/datasets/"))
                || ["ngc://", "mlflow://"].iter().any(|scheme| text.starts_with(scheme))
        })
    });
    dependency.name.as_deref().is_some_and(named) || (model_reference && !is_dataset)
}

fn base_model(context: &Context<'_>, block: &Block<'_>, dependency: &Descriptor, depth: usize) -> Found {
    let uri = dependency.uri.as_deref().unwrap_or("");
    let id = block.id(&format!("slsa.base-model/{uri}"));
    let unverified = |why: String| {
        let message = format!("the base model '{}' {why}", Printable(uri));
        Found::fail(id.clone(), Code::SlsaBaseModelUnverified, message)
            .expected(json!(dependency.digest.iter().collect::<BTreeMap<_, _>>()))
            .fix("verify the base model under the same policy, and give its evidence")
    };
    let Ok(requested) = Reference::parse(uri) else {
        return unverified("has no reference that policies know".into());
    };
    if !dependency.digest.has_accepted() {
        return unverified("is not pinned by a digest".into());
    }
    let here = context.request.reference().to_string();
    let reference = requested.reference.to_string();
    if reference == here || context.stack.contains(&reference) {
        let message = format!("'{}' is made from itself, by way of other models", Printable(&reference));
        return Found::fail(id, Code::ErrorLimitExceeded, message);
    }
    if context.stack.len() >= depth {
        let message = format!("more than {depth} generations of base models");
        return Found::fail(id, Code::ErrorLimitExceeded, message);
    }
    let Some(BaseModel { request, facts }) = context.bases.find(&requested.reference, &dependency.digest)
    else {
        return unverified("was not verified: there is no evidence of it".into());
    };
    if request.reference() != &requested.reference {
        return unverified("was looked up under another name".into());
    }
    let mut stack = context.stack.to_vec();
    stack.push(here);
    let Decided { report, valid_until } =
        super::decide_at(context.set, request, &facts.data, context.now, context.bases, &stack);
    let is_the_one = report.manifest.as_deref().and_then(|m| m.split_once(':')).is_some_and(|(name, hex)| {
        [name, "dirHash"].iter().any(|name| dependency.digest.get(name) == Some(hex))
    });
    match report.verdict {
        super::Verdict::Allow if is_the_one => {
            Found::pass(id, format!("the base model '{}' is allowed", Printable(uri))).until(valid_until)
        }
        super::Verdict::Allow => unverified("is allowed with other bytes than those it was made from".into()),
        super::Verdict::Error => {
            let code = report.code.unwrap_or(Code::ErrorInternal);
            Found::fail(id, code, format!("the base model '{}': {}", Printable(uri), report.message))
        }
        _ => unverified(format!("is not allowed: {}", report.message)),
    }
}
