//! Inspecting again, and comparing with what somebody reported: the same bytes, rules and bounds give the same report.

use super::{InspectRequest, InspectedModel};
use crate::{
    attest::inspecting,
    error::Error,
    report::{self, ComparisonReport},
};
use modelseal_core::text::Printable;
use modelseal_model::Progress;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::Path,
};

/// The largest report that is read, in bytes.
const MAX_REPORT: u64 = 256 * 1024 * 1024;

/// Differences that are told.
const TOLD: usize = 20;

impl InspectRequest {
    /// Inspects as whoever made the report did, and compares with it: with one of `attest inspection`, measures in the same
    /// read, and what lies in the model as evidence about it is none of its files, as there; with one of `inspect`, it is.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`Error::Report`] when the file is no report.
    pub fn compare(&self, report: &Path, progress: &dyn Progress) -> Result<InspectedModel, Error> {
        let refuse = |why: String| Error::Report { path: report.to_owned(), why };
        let mut said = Vec::new();
        let read = File::open(report).and_then(|file| file.take(MAX_REPORT + 1).read_to_end(&mut said));
        read.map_err(|e| refuse(e.to_string()))?;
        if said.len() as u64 > MAX_REPORT {
            return Err(refuse(format!("it is larger than {MAX_REPORT} bytes")));
        }
        let old: Value = serde_json::from_slice(&said).map_err(|e| refuse(e.to_string()))?;
        if old["runs"][0]["tool"]["driver"]["name"] != "modelseal" {
            return Err(refuse("it is no report of modelseal in SARIF".to_owned()));
        }
        // A report of `attest` names files by their digests, and has no evidence about the model among them; one of `inspect`
        // has all files and no digests.
        let (inspection, notes, digests) = if has_digests(&old) {
            let measure = inspecting(self.scope.clone().leaving_evidence_out(), &self.rules);
            let model = measure.run(progress)?;
            let (digests, notes) = (model.sha256(), model.notes.clone());
            let inspection =
                model.inspection.ok_or_else(|| Error::SelfCheck("the model was not inspected".to_owned()))?;
            (inspection, notes, digests)
        } else {
            let model = self.run(progress)?;
            (model.inspection, model.notes, BTreeMap::new())
        };
        let new = report::sarif(inspection.get(), &self.rules, &digests);
        let same = new == said;
        let differences = match serde_json::from_slice::<Value>(&new) {
            Ok(new) if !same => differences(&old["runs"][0], &new["runs"][0]),
            _ => Vec::new(),
        };
        let comparison = ComparisonReport { report: report.display().to_string(), same, differences };
        Ok(InspectedModel { inspection, rules: self.rules.clone(), notes, comparison: Some(comparison) })
    }
}

fn has_digests(run: &Value) -> bool {
    run["runs"][0]["artifacts"].as_array().is_some_and(|all| all.iter().any(|one| one["hashes"].is_object()))
}

/// What differs between two runs, in words.
fn differences(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let text = |value: &Value| match value {
        Value::String(text) => Printable(text).to_string(),
        other => Printable(&other.to_string()).to_string(),
    };
    for (what, at) in [
        ("the version of modelseal", "/tool/driver/semanticVersion"),
        ("the rules", "/properties/rules/rulesDigest"),
        ("the bounds", "/properties/rules/limitsDigest"),
        ("the verdict", "/properties/verdict"),
    ] {
        let of = |run: &Value| run.pointer(at).cloned().unwrap_or_default();
        if of(old) != of(new) {
            found.push(format!("{what}: {} was reported, {} is found", text(&of(old)), text(&of(new))));
        }
    }
    let (was, is) = (files(old), files(new));
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    for name in names {
        let shown = Printable(name);
        match (was.get(name), is.get(name)) {
            (Some(_), None) => found.push(format!("'{shown}' was reported and is not there")),
            (None, Some(_)) => found.push(format!("'{shown}' is there and was not reported")),
            (Some(was), Some(is)) if was != is => {
                found.push(format!("'{shown}' has other bytes, or another verdict"))
            }
            _ => {}
        }
    }
    let (was, is) = (results(old), results(new));
    found.extend(was.difference(&is).map(|one| format!("reported and not found: {}", Printable(one))));
    found.extend(is.difference(&was).map(|one| format!("found and not reported: {}", Printable(one))));
    if found.is_empty() {
        found.push("the reports have other bytes".to_owned());
    }
    let count = found.len();
    found.truncate(TOLD);
    if count > TOLD {
        found.push(format!("and {} more", count - TOLD));
    }
    found
}

fn files(run: &Value) -> BTreeMap<String, &Value> {
    let all = run["artifacts"].as_array().into_iter().flatten();
    all.filter_map(|one| Some((one["location"]["uri"].as_str()?.to_owned(), one))).collect()
}

fn results(run: &Value) -> BTreeSet<String> {
    let told = |one: &Value| {
        let part = |at: &str| one.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = part("/locations/0/physicalLocation/artifactLocation/uri");
        format!("{} {place}: {}", part("/ruleId"), part("/message/text"))
    };
    run["results"].as_array().into_iter().flatten().map(told).collect()
}
