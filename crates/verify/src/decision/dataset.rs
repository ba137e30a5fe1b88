//! The `datasets` block: training data that accepted provenance declares.

use super::{check::Found, code::Code, context::Block};
use crate::policy::{
    document::Datasets,
    words::{DatasetEvidence, Requirement},
};
use modelseal_core::{
    predicate::{descriptor::Descriptor, slsa_provenance::Provenance},
    text::Printable,
};
use serde_json::json;

/// Checks the block against the provenance that the `slsa` block accepted, if it did.
pub(super) fn check(block: &Block<'_>, wanted: &Datasets, accepted: Option<&Provenance>) -> Vec<Found> {
    let id = |what: &str| block.id(&format!("datasets.{what}"));
    let mut found = Vec::new();
    if wanted.evidence.contains(&DatasetEvidence::Aibom) {
        found.push(Found::unsupported(id("aibom"), "datasets.evidence = \"aibom\""));
    }
    if wanted.licenses.is_some() {
        found.push(Found::unsupported(id("licenses"), "datasets.licenses"));
    }
    if !wanted.evidence.contains(&DatasetEvidence::Provenance) {
        return found;
    }
    let Some(provenance) = accepted else {
        let blocked = if block.requirements.slsa.is_some() {
            Found::skip(id("declared"), block.id("slsa"), Code::DatasetNoneDeclared)
        } else {
            let message = "datasets are declared in provenance, and the rule accepts no builder's";
            Found::fail(id("declared"), Code::DatasetNoneDeclared, message)
                .fix("add an slsa block to the rule")
        };
        found.push(blocked);
        return found;
    };
    let datasets: Vec<&Descriptor> =
        provenance.resolved_dependencies.iter().filter(|d| is_dataset(d)).collect();
    let (count, least) = (datasets.len() as u64, wanted.min_count.unwrap_or(0));
    found.push(if count >= least {
        Found::pass(id("declared"), format!("{count} datasets are declared"))
    } else {
        let message = format!("{count} datasets are declared, at least {least} are required");
        Found::fail(id("declared"), Code::DatasetNoneDeclared, message).expected(least).actual(count)
    });
    let before = found.len();
    for dataset in datasets {
        let name = dataset.uri.as_deref().or(dataset.name.as_deref()).unwrap_or("");
        let shown = Printable(name);
        let mut fail = |code, message: String| {
            found.push(Found::fail(id("each"), code, message).actual(json!(name)));
        };
        if wanted.digest == Some(Requirement::Required) && !dataset.digest.has_accepted() {
            fail(Code::DatasetDigestMissing, format!("'{shown}' has no digest"));
        }
        if wanted.deny.iter().any(|denied| denied.matches(name)) {
            fail(Code::DatasetDenied, format!("'{shown}' is denied"));
        }
        if !wanted.allow.is_empty() && !wanted.allow.iter().any(|allowed| allowed.matches(name)) {
            fail(Code::DatasetNotAllowed, format!("'{shown}' is not allowed"));
        }
    }
    if found.len() == before {
        found.push(Found::pass(id("each"), "every declared dataset is allowed"));
    }
    found
}

fn is_dataset(dependency: &Descriptor) -> bool {
    let by_uri =
        dependency.uri.as_deref().is_some_and(|uri| uri.starts_with("hf://") && uri.contains("/datasets/"));
    by_uri || dependency.name.as_deref().is_some_and(is_dataset_name)
}

/// The names that provenance gives to training data.
pub(super) fn is_dataset_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['-', '_'], "");
    ["dataset", "trainingdata", "trainingset"].iter().any(|known| name.starts_with(known))
}
