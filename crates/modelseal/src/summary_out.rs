//! Verdicts to hand on: SLSA verification summaries (VSA) and simple verification results (SVR), signed or not.

use crate::{clock, decide::Decided, disk, error::Error, policies::PolicyError, scope};
use modelseal_attest::{
    signer::Signer,
    statement::Statement,
    summary::{InputUsed, Outcome, PolicyUsed, Summary},
};
use modelseal_core::{
    bundle::Bundle,
    digest::{Algorithm, Digest},
    json,
    predicate::{svr_v0_2, vsa_v1},
};
use modelseal_verify::decision::{Status, Verdict};
use std::{fmt, path::Path};

/// Largest file that an older summary is looked for in, in bytes.
const MAX_SUMMARY_BYTES: u64 = 64 * 1024 * 1024;

/// The form in which a verdict is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SummaryForm {
    /// A SLSA verification summary attestation.
    Vsa,
    /// An in-toto simple verification result.
    Svr,
}

/// Why there is nothing to hand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSummary {
    /// The model is denied, and nobody asked for a summary of that.
    Denied,
    /// Nothing was decided.
    Undecided,
    /// The model is allowed without having been verified.
    Unverified,
    /// The model was not measured, so that it cannot be named.
    NotMeasured,
}

impl Decided {
    /// The verdict as a statement. A check that a waiver excused, or that an audit rule does not mind, is said: as the level
    /// `WAIVED`. A denial is stated only when `on_deny` says so.
    ///
    /// # Errors
    /// [`NoSummary`].
    pub fn summary(
        &self,
        form: SummaryForm,
        verifier_id: &str,
        on_deny: bool,
    ) -> Result<Statement, NoSummary> {
        let report = self.decision().report();
        let excused = report.checks.iter().any(|c| matches!(c.status, Status::Waived | Status::Warn));
        let outcome = match report.verdict {
            Verdict::Allow if report.with(Status::Error).next().is_some() => {
                return Err(NoSummary::Undecided);
            }
            Verdict::Allow if excused => Outcome::PassedWithWaivers,
            Verdict::Allow => Outcome::Passed,
            Verdict::AllowUnverified => return Err(NoSummary::Unverified),
            Verdict::Deny if on_deny => Outcome::Failed,
            Verdict::Deny => return Err(NoSummary::Denied),
            Verdict::Error => return Err(NoSummary::Undecided),
        };
        let manifest = match outcome {
            // What is allowed must be what was measured; what is denied may be anything.
            Outcome::Failed => self.manifest().or(self.any_manifest()),
            _ => self.manifest(),
        };
        let manifest = manifest.ok_or(NoSummary::NotMeasured)?;
        let sha256 = |hex: &str| Digest::from_hex(Algorithm::Sha256, hex).ok();
        let summary = Summary {
            verifier_id: verifier_id.to_owned(),
            verifier_version: env!("CARGO_PKG_VERSION").to_owned(),
            time: clock::whole_seconds(self.now()),
            reference: report.reference.clone(),
            policies: report
                .policies
                .iter()
                .filter_map(|policy| {
                    Some(PolicyUsed {
                        id: policy.id.clone(),
                        version: policy.version,
                        sha256: sha256(&policy.sha256)?,
                    })
                })
                .collect(),
            inputs: self
                .bundles()
                .into_iter()
                .filter(|name| !report.rejected.iter().any(|rejected| rejected.evidence == *name))
                .filter_map(|name| {
                    Some(InputUsed { name: String::new(), sha256: sha256(name.strip_prefix("sha256:")?)? })
                })
                .collect(),
            outcome,
            slsa_build_level: None,
        };
        let statement = match form {
            SummaryForm::Vsa => summary.vsa(manifest, self.name()),
            SummaryForm::Svr => summary.svr(manifest, self.name()),
        };
        statement.map_err(|_| NoSummary::Undecided)
    }
}

/// Writes a statement to `path`, signed into a bundle when there is a signer. It replaces an older summary of the same form
/// and nothing else, and stays out of the model.
///
/// # Errors
/// [`PolicyError::Output`], [`Error::Sign`].
pub fn write_summary(
    form: SummaryForm,
    statement: Statement,
    signer: Option<&dyn Signer>,
    model: &Path,
    path: &Path,
) -> Result<(), Error> {
    check_summary_output(form, model, path)?;
    let refuse = |reason: String| PolicyError::Output { path: path.to_owned(), reason };
    let mut bytes = match signer {
        Some(signer) => {
            statement.sign(signer).map_err(Error::Sign)?.to_json().map_err(|e| refuse(e.to_string()))?
        }
        None => statement.as_bytes().to_vec(),
    };
    if bytes.last() != Some(&b'\n') {
        bytes.push(b'\n');
    }
    Ok(disk::publish(path, &bytes).map_err(|e| refuse(e.to_string()))?)
}

/// Finds what is certain to stop a summary from being written, before the model is measured.
///
/// # Errors
/// [`PolicyError::Output`].
pub fn check_summary_output(form: SummaryForm, model: &Path, path: &Path) -> Result<(), Error> {
    let refuse = |reason: &str| {
        Err(Error::from(PolicyError::Output { path: path.to_owned(), reason: reason.to_owned() }))
    };
    check_outside(model, path)?;
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(()) };
    if !metadata.is_file() {
        return refuse("it is not a regular file");
    }
    let wanted = match form {
        SummaryForm::Vsa => vsa_v1::PREDICATE_TYPE,
        SummaryForm::Svr => svr_v0_2::PREDICATE_TYPE,
    };
    let old = disk::read(path, MAX_SUMMARY_BYTES).unwrap_or_default();
    let statement = Bundle::parse(&old).map(|bundle| bundle.payload_unverified().to_vec()).unwrap_or(old);
    if predicate_type(&statement).as_deref() == Some(wanted) {
        return Ok(());
    }
    refuse("it exists and is no summary of this form, so it is not overwritten")
}

/// Refuses a file in the model, which it would change.
pub(crate) fn check_outside(model: &Path, path: &Path) -> Result<(), PolicyError> {
    let refuse = |reason: &str| Err(PolicyError::Output { path: path.to_owned(), reason: reason.to_owned() });
    match scope::place(model, path) {
        scope::Place::Outside => {}
        _ => return refuse("it lies in the model, which it would change; choose a path outside"),
    }
    let directory = disk::parent(path);
    if !directory.is_dir() {
        return refuse(&format!("the directory '{}' does not exist", directory.display()));
    }
    Ok(())
}

fn predicate_type(statement: &[u8]) -> Option<String> {
    let value = json::value::Value::parse(statement, MAX_SUMMARY_BYTES).ok()?;
    value.get("predicateType")?.as_str().map(str::to_owned)
}

impl fmt::Display for NoSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => "the model is denied; --vsa-on-deny states that, too",
            Self::Undecided => "nothing was decided",
            Self::Unverified => "the model was let through without having been verified",
            Self::NotMeasured => "the model was not measured",
        })
    }
}

impl std::error::Error for NoSummary {}
