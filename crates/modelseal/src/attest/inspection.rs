//! What was found in a model's files, as a statement: in-toto's SCAI, with an attribute for each claim that holds and the report
//! in SARIF as evidence, named by its digest. The model is measured and inspected in one read.

use super::{AttestError, AttestRequest, PreparedAttestation};
use crate::{
    digest::MeasuredModel,
    error::{Error, OutputError},
    inspect::{Claims, claims},
    output,
    report::{AttestedInspection, sarif},
    scope,
};
use modelseal_core::{
    digest::{Algorithm, Digest},
    inspection::Inspection,
    json::value::Value,
    limits::MAX_ATTESTATION_BYTES,
    manifest::Method,
};
use modelseal_inspect::{RuleSet, limits_digest};
use modelseal_model::{FileHash, Progress};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

/// The predicate type.
const SCAI: &str = "https://in-toto.io/attestation/scai/v0.3";

/// The media type of the report.
const SARIF: &str = "application/sarif+json";

/// A file up to this size is looked at to see whether it is an older report.
const MAX_REPORT: u64 = 256 * 1024 * 1024;

/// What was found in the files.
#[derive(Debug, Clone)]
pub struct InspectionOf {
    pub(super) rules: RuleSet,
    pub(super) report: Option<PathBuf>,
}

/// The report beside a statement, until both are written.
#[derive(Debug)]
pub(super) struct Evidence {
    path: PathBuf,
    bytes: Vec<u8>,
    pub(super) said: AttestedInspection,
}

impl AttestRequest<InspectionOf> {
    /// Judges by these rules; by those that are shipped unless set.
    pub fn rules(mut self, rules: RuleSet) -> Self {
        self.what.rules = rules;
        self
    }

    /// Where the report goes, which the statement names by its digest; `NAME.inspection.sarif` in the working directory unless
    /// set, where NAME is the model's. An older report is replaced, and no other file.
    pub fn report(mut self, path: impl Into<PathBuf>) -> Self {
        self.what.report = Some(path.into());
        self
    }

    /// Measures and inspects the model, and writes the statement, without using a key.
    ///
    /// # Errors
    /// [`Error`] when the model cannot be measured, or nothing can be claimed of it.
    pub fn prepare(self, progress: &dyn Progress) -> Result<PreparedAttestation, Error> {
        let Self { what: InspectionOf { rules, report }, settings } = self;
        let mut settings = settings.checked("inspection")?;
        let path = match report {
            Some(path) => path,
            None => {
                let name = modelseal_model::Source::open(&settings.measure.model)?.model_name()?;
                PathBuf::from(format!("{name}.inspection.sarif"))
            }
        };
        check_report(&settings.measure.model, &path)?;
        settings.measure = inspecting(settings.measure, &rules);
        let model = settings.measure.run(progress)?;
        let (predicate, evidence) = say(&model, &rules, path)?;
        let value = Value::parse(predicate.to_string().as_bytes(), MAX_ATTESTATION_BYTES)
            .map_err(|e| Error::SelfCheck(e.to_string()))?;
        let notes = evidence.said.withheld.iter().map(|why| format!("not claimed: {why}")).collect();
        let mut prepared = settings.say_of(model, SCAI, &value, None, notes)?;
        prepared.inspection = Some(evidence);
        Ok(prepared)
    }

    /// Measures, inspects, signs and writes.
    ///
    /// # Errors
    /// [`Error`]; nothing was written then.
    pub fn run(
        self,
        signer: &dyn modelseal_attest::signer::Signer,
        progress: &dyn Progress,
    ) -> Result<super::Attested, Error> {
        self.settings.check_signer(signer)?;
        self.prepare(progress)?.sign(signer)
    }
}

impl Evidence {
    /// Writes the report.
    pub(super) fn write(&self) -> Result<(), Error> {
        output::replace(&self.path, &self.bytes).map_err(|reason| failed(&self.path, reason))
    }
}

/// Measures such that the report can name each file by its SHA-256, and inspects in the same read.
pub(crate) fn inspecting(
    measure: crate::digest::DigestRequest,
    rules: &RuleSet,
) -> crate::digest::DigestRequest {
    let sha256 = FileHash::Oms(Algorithm::Sha256);
    let further = measure.algorithm() != Algorithm::Sha256 && measure.method() == Method::Files;
    let measure = if further { measure.also([sha256]) } else { measure };
    measure.inspect(rules.clone())
}

/// The predicate, and the report that supports it.
fn say(
    model: &MeasuredModel,
    rules: &RuleSet,
    path: PathBuf,
) -> Result<(serde_json::Value, Evidence), Error> {
    let inspection: &Inspection =
        model.inspection().ok_or_else(|| Error::SelfCheck("the model was not inspected".to_owned()))?;
    let Claims { attributes, withheld } = claims(inspection, rules);
    if attributes.is_empty() {
        let verdict = inspection.verdict();
        return Err(Error::Attest(AttestError::NothingToClaim { verdict, why: withheld.join("; ") }));
    }
    let bytes = sarif(inspection, rules, &model.sha256());
    let digest = Digest::sha256(Sha256::digest(&bytes).into());
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let covered = inspection.files.iter().map(|file| file.size).fold(0, u64::saturating_add);
    let conditions = json!({
        "scanner": "modelseal",
        "scannerVersion": env!("CARGO_PKG_VERSION"),
        "rulesDigest": { "sha256": rules.digest().to_hex() },
        "limitsDigest": { "sha256": limits_digest().to_hex() },
        // Nothing is claimed otherwise.
        "coverage": "complete",
        "filesScanned": inspection.files.len(),
        "bytesCovered": covered,
    });
    let evidence = json!({ "name": name, "mediaType": SARIF, "digest": { "sha256": digest.to_hex() } });
    let attribute = |attribute: &String| json!({ "attribute": attribute, "conditions": conditions, "evidence": evidence });
    let predicate = json!({ "attributes": attributes.iter().map(attribute).collect::<Vec<_>>() });
    let said = AttestedInspection {
        verdict: inspection.verdict().into(),
        attributes,
        withheld,
        rules: rules.id().to_owned(),
        rules_digest: rules.digest().to_string(),
        report: path.display().to_string(),
        report_digest: digest.to_string(),
    };
    Ok((predicate, Evidence { path, bytes, said }))
}

/// A report must not change the model that it is about, and replaces none but a report.
fn check_report(model: &Path, path: &Path) -> Result<(), Error> {
    match scope::place(model, path) {
        scope::Place::Outside => {}
        _ => return Err(failed(path, OutputError::InTheModel)),
    }
    let metadata = match fs::metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound && !path.is_symlink() => return Ok(()),
        Err(e) => return Err(failed(path, OutputError::Io(e))),
        Ok(metadata) => metadata,
    };
    if metadata.is_dir() {
        return Err(failed(path, OutputError::IsDirectory));
    }
    if !metadata.is_file() {
        return Err(failed(path, OutputError::NotRegularFile));
    }
    let mut old = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_REPORT).read_to_end(&mut old));
    read.map_err(|e| failed(path, OutputError::Io(e)))?;
    let is_report = serde_json::from_slice::<serde_json::Value>(&old).is_ok_and(|old| {
        old["version"] == "2.1.0" && old["runs"][0]["tool"]["driver"]["name"] == "modelseal"
    });
    if is_report { Ok(()) } else { Err(failed(path, OutputError::OtherFile)) }
}

fn failed(path: &Path, reason: OutputError) -> Error {
    Error::Document { path: path.to_owned(), reason }
}
