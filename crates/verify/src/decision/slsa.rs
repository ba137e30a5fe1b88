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
        words::Permission,
    },
    provenance::compare::{self, Fault},
};
use modelseal_core::{
    attestation::Attestation,
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
    let key =
        |(said, _, faults): &(Said<'_>, &Provenance, Vec<Fault>)| (faults.len(), said.by.document.clone());
    let (said, provenance, faults) = all.into_least(key);
    if faults.is_empty() {
        let message = format!("built by {}, one of {count} provenances", Printable(&provenance.builder_id));
        let evidence = [said.by.document.clone()];
        let mut found = vec![Found::pass(id, message).evidence(evidence).until(said.by.valid_until)];
        found.extend(base_models(context, block, wanted, provenance));
        return Judged { found, passed: Some((said, provenance)) };
    }
    let found = faults.into_iter().map(|Fault { code, message, expected, actual }| {
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
    faults.into_iter().map(|fault| (fault.code, fault.message)).collect()
}

/// Of the builders that this signer may speak for, the one that is lacking least.
fn judge(wanted: &Slsa, builders: &[(&String, &Builder)], by: &By, provenance: &Provenance) -> Vec<Fault> {
    let own = builders.iter().filter(|(_, builder)| builder.signers.contains(&by.signer));
    let least = own.map(|(_, builder)| of_builder(wanted, builder, provenance)).min_by_key(Vec::len);
    let mut faults = least.unwrap_or_else(|| {
        vec![Fault {
            code: Code::SlsaBuilderUntrusted,
            message: "no builder of the rule has this signer".into(),
            expected: Value::Null,
            actual: Value::Null,
        }]
    });
    let found = provenance.source();
    let repository = found.as_ref().map(|source| source.repository.as_str());
    let reference = found.as_ref().and_then(|source| source.reference.as_deref());
    faults.extend(wanted.source.as_ref().and_then(|wanted| compare::source(wanted, repository)));
    faults.extend(wanted.source_ref.as_ref().and_then(|wanted| compare::source_ref(wanted, reference)));
    faults.extend(compare::parameters(&wanted.external_parameters, provenance));
    if wanted.unknown_parameters != Some(Permission::Allow) {
        let unknown = compare::untested_parameters(&wanted.external_parameters, provenance);
        faults.extend(unknown.into_iter().map(|path| Fault {
            code: Code::SlsaParameterUnknown,
            message: format!("externalParameters has {}, which the policy does not test", Printable(&path)),
            expected: Value::Null,
            actual: json!(path),
        }));
    }
    faults
}

fn of_builder(wanted: &Slsa, builder: &Builder, provenance: &Provenance) -> Vec<Fault> {
    [
        compare::builder_id(&builder.builder_id, provenance),
        compare::build_type(&builder.build_types, provenance),
        compare::level(builder.max_level, wanted.min_level),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Judges every model that this one was made from by the same policies.
fn base_models(
    context: &Context<'_>,
    block: &Block<'_>,
    wanted: &Slsa,
    provenance: &Provenance,
) -> Vec<Found> {
    let Some(bases) = wanted.base_models.as_ref().filter(|bases| bases.verify && context.pinned.is_none())
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
