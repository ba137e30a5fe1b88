//! The `slsa` block: provenance by a listed builder, with closed external parameters, and the models that it was made from.

use super::{
    base_models,
    check::{Fault, Found},
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
        values::Level,
        words::Permission,
    },
    provenance::{claims, compare},
};
use modelseal_core::{
    attestation::Attestation,
    predicate::{
        Predicate,
        slsa_provenance::{self, Provenance},
    },
    text::Printable,
};
use serde_json::{Value, json};

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
    let by = |by: &By| builders_of(context, wanted, by).next().is_some();
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
        let faults = faults(context, wanted, said.by, provenance);
        let denying = excuse::unexcused(context, candidate, faults.iter().map(|fault| fault.code));
        // What provenance says of base models is looked at only where it would be accepted for the rest.
        let bases = match (&wanted.base_models, context.bases) {
            (Some(wanted), Some(bases)) if wanted.verify && denying == 0 => {
                base_models::check(context, bases, block, wanted, candidate, *said, provenance)
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
    let found = faults.into_iter().map(|fault| Found::fault(id.clone(), fault, &said.by.document));
    Judged { found: found.chain(bases).collect(), passed: None }
}

fn is_provenance(about: &Attestation) -> bool {
    [slsa_provenance::PREDICATE_TYPE_V1, slsa_provenance::PREDICATE_TYPE_V0_2]
        .contains(&&*about.predicate_type)
}

/// The builders of the block that this signer may speak for.
pub(super) fn builders_of<'a>(
    context: &Context<'a>,
    wanted: &'a Slsa,
    by: &'a By,
) -> impl Iterator<Item = &'a Builder> + use<'a> {
    let known = &context.policy.document().builders;
    let listed = wanted.builders.iter().filter_map(|name| known.get(name));
    listed.filter(|builder| builder.signers.contains(&by.signer))
}

/// What one provenance lacks, by the builder that is lacking least; empty when it passes.
pub(super) fn faults(context: &Context<'_>, wanted: &Slsa, by: &By, provenance: &Provenance) -> Vec<Fault> {
    let own = builders_of(context, wanted, by);
    let least = own.map(|builder| of_builder(wanted, builder, provenance)).min_by_key(Vec::len);
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
    let granted = match claims::cap_of_builder(&provenance.builder_id) {
        Some(_) => builder.max_level.min(Level::ONE),
        None => builder.max_level,
    };
    [
        compare::builder_id(&builder.builder_id, provenance),
        compare::build_type(&builder.build_types, provenance),
        compare::level(granted, wanted.min_level),
    ]
    .into_iter()
    .flatten()
    .collect()
}
