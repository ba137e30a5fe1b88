//! Table tests of policies. The only place where a decision can be asked for at another time than now; it opens no door.

use super::{Policies, PolicyError, keyless_verifier, policies, tools::read_facts};
use crate::{
    decide::decide,
    disk,
    error::Error,
    report::{CaseReport, CasesReport},
};
use jiff::Timestamp;
use modelseal_verify::decision::{DecisionReport, Status, Verdict};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

const MAX_CASES_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Table {
    /// Policies of every case that names none.
    #[serde(default)]
    policy: Vec<PathBuf>,
    case: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    policy: Vec<PathBuf>,
    /// The time of the decision; when left out, that of the record, or now.
    at: Option<toml::value::Datetime>,
    /// The name under which the model is asked for.
    #[serde(rename = "as")]
    reference: Option<String>,
    /// A model, or a record of facts.
    model: Option<PathBuf>,
    facts: Option<PathBuf>,
    #[serde(default)]
    bundles: Vec<PathBuf>,
    bundle_dir: Option<PathBuf>,
    /// A store with evidence about the model and those that it was made from.
    store: Option<PathBuf>,
    /// Copies of models that it was made from, by reference.
    #[serde(default)]
    bases: BTreeMap<String, PathBuf>,
    verdict: Verdict,
    /// Codes that must be among those of checks that did not pass.
    #[serde(default)]
    codes: Vec<String>,
}

/// Runs the table of cases at `path`. Relative names in it are taken from its directory. Policies are read whoever wrote
/// them, signed or not.
///
/// # Errors
/// [`Error::Policy`] when the table, a policy or a record of facts cannot be used, [`Error::Measure`] when there is no such
/// model.
pub fn test_policies(path: &Path) -> Result<CasesReport, Error> {
    let refuse = |reason: String| PolicyError::Read { path: path.to_owned(), reason };
    let bytes = disk::read(path, MAX_CASES_BYTES).map_err(refuse)?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".into()))?;
    let table: Table = toml::from_str(&text).map_err(|e| refuse(describe(&text, &e)))?;
    if table.case.is_empty() {
        return Err(refuse("it has no case".into()).into());
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = table.case.iter().find(|case| !names.insert(&case.name)) {
        return Err(refuse(format!("two cases have the name '{}'", twice.name)).into());
    }
    let directory = disk::parent(path);
    let mut cases = Vec::new();
    for case in &table.case {
        let files = if case.policy.is_empty() { &table.policy } else { &case.policy };
        let report =
            judge(case, files, &directory).map_err(|why| refuse(format!("case '{}': {why}", case.name)))?;
        cases.push(compare(case, &report));
    }
    let passed = cases.iter().filter(|case| case.passed).count();
    let failed = cases.len() - passed;
    Ok(CasesReport { schema: CasesReport::SCHEMA.into(), passed, failed, cases })
}

fn judge(case: &Case, files: &[PathBuf], directory: &Path) -> Result<DecisionReport, String> {
    let at = case.at.as_ref().map(time).transpose()?;
    let request = policies().unsigned(true);
    let request = files.iter().fold(request, |request, file| request.file(directory.join(file)));
    let request = match at {
        Some(at) => request.at(at),
        None => request,
    };
    let policies: Policies = request.load().map_err(|e| e.to_string())?;
    match (&case.facts, &case.model) {
        (Some(facts), None) => {
            let more = !case.bundles.is_empty() || !case.bases.is_empty() || case.store.is_some();
            if case.reference.is_some() || more || case.bundle_dir.is_some() {
                return Err("'facts' has its own reference and bundles".to_owned());
            }
            let recorded = read_facts(&directory.join(facts)).map_err(|e| e.to_string())?;
            let replayed = recorded.replay(
                policies.set(),
                &*keyless_verifier(&policies, at.unwrap_or_else(crate::clock::now)),
                at,
            );
            Ok(replayed.report().clone())
        }
        (None, Some(model)) => {
            let mut request = decide(directory.join(model)).under(&policies).only_named();
            if let Some(reference) = &case.reference {
                request = request.named(reference).map_err(|e| e.to_string())?;
            }
            if let Some(at) = at {
                request = request.at(at);
            }
            for bundle in &case.bundles {
                request = request.bundle(directory.join(bundle));
            }
            if let Some(folder) = &case.bundle_dir {
                request = request.bundle_dir(directory.join(folder));
            }
            if let Some(store) = &case.store {
                request = request.store(directory.join(store));
            }
            for (reference, path) in &case.bases {
                request = request.base_model(reference, directory.join(path)).map_err(|e| e.to_string())?;
            }
            let decided = request.run(&()).map_err(|e| e.to_string())?;
            Ok(decided.decision().report().clone())
        }
        _ => Err("needs either 'model' or 'facts'".to_owned()),
    }
}

fn compare(case: &Case, report: &DecisionReport) -> CaseReport {
    let bad = |status: Status| !matches!(status, Status::Pass | Status::Skip);
    let codes = report.checks.iter().filter(|check| bad(check.status)).filter_map(|check| check.code);
    let codes: BTreeSet<String> = codes.map(|code| code.to_string()).collect();
    let missing_codes: Vec<String> =
        case.codes.iter().filter(|code| !codes.contains(*code)).cloned().collect();
    CaseReport {
        name: case.name.clone(),
        passed: report.verdict == case.verdict && missing_codes.is_empty(),
        expected: case.verdict.into(),
        verdict: report.verdict.into(),
        codes: codes.into_iter().collect(),
        missing_codes,
        message: report.message.clone(),
    }
}

/// A time with its offset: one without would be another time on another machine.
fn time(at: &toml::value::Datetime) -> Result<Timestamp, String> {
    at.to_string().parse().map_err(|_| format!("'at' is '{at}', which needs date, time and offset"))
}

fn describe(text: &str, error: &toml::de::Error) -> String {
    let offset = error.span().map_or(0, |span| span.start);
    let line = text.get(..offset).map_or(0, |before| before.matches('\n').count()) + 1;
    format!("line {line}: {}", error.message())
}
