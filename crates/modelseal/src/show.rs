//! `show`: everything a bundle says, and what of it verifies. Judges no model and no identity.

use crate::{
    clock, codes,
    report::{
        BundleReport, CertificateReport, ClaimedLogEntry, ClaimedTimestamp, EnvelopeReport, EvidenceReport,
        MaterialReport, Outcome, StatementReport, SubjectReport, TrustedRootReport, VerificationReport,
    },
    verify::{read_bundle, signed_report},
};
use jiff::Timestamp;
use modelseal_core::{
    bundle::{Bundle, PublicKeyIdentifier, VerificationMaterial},
    json,
    limits::MAX_BUNDLE_BYTES,
    log_entry::LogEntry,
    predicate::{Reading, read_signed_model},
    statement,
    text::hex,
};
use modelseal_verify::{verifier::Verifier, x509::Certificate};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

/// What to verify a bundle with, before it is shown.
#[derive(Debug, Clone)]
pub struct ShowTrust {
    /// Judges the signature.
    pub verifier: Verifier,
    /// Against which trust material, where there is any.
    pub trusted_root: Option<TrustedRootReport>,
}

/// The signing method that a bundle was made with, to know what to verify it with: `key`, `certificate` or `sigstore`.
///
/// # Errors
/// A [`Refusal`](crate::Refusal)'s words, when the file is no bundle.
pub fn bundle_method(path: impl Into<PathBuf>) -> Result<&'static str, ShowError> {
    read_bundle(&path.into()).map(|bundle| bundle.material().method()).map_err(ShowError::from)
}

/// Shows the bundle at `path`, verified with `trust` where there is any.
///
/// # Errors
/// [`ShowError`] when the file is no bundle.
pub fn show(path: impl Into<PathBuf>, trust: Option<&ShowTrust>) -> Result<BundleReport, ShowError> {
    let path = path.into();
    let bundle = read_bundle(&path)?;
    let envelope = bundle.envelope();
    let payload = envelope.payload_unverified();
    Ok(BundleReport {
        schema: BundleReport::SCHEMA.into(),
        bundle: path.display().to_string(),
        method: bundle.material().method().into(),
        verification: verify(&bundle, trust),
        material: material(bundle.material()),
        envelope: EnvelopeReport {
            payload_type: envelope.payload_type().to_owned(),
            payload_bytes: payload.len(),
            payload_sha256: hex(&Sha256::digest(payload)),
        },
        statement: read_statement(envelope.payload_type(), payload),
        log_entries: bundle.log_entries().iter().map(log_entry).collect(),
        timestamps: bundle
            .timestamps()
            .iter()
            .map(|der| ClaimedTimestamp { bytes: der.len(), sha256: hex(&Sha256::digest(der)) })
            .collect(),
        notes: Vec::new(),
    })
}

/// Why a bundle cannot be shown.
#[derive(Debug)]
pub struct ShowError {
    /// Whether the file is no bundle, or could not be read.
    pub kind: crate::Kind,
    /// The stable code.
    pub code: &'static str,
    message: String,
}

impl std::fmt::Display for ShowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ShowError {}

impl From<crate::verify::Failure> for ShowError {
    fn from(failure: crate::verify::Failure) -> Self {
        Self { kind: failure.kind, code: failure.code, message: failure.message }
    }
}

fn verify(bundle: &Bundle, trust: Option<&ShowTrust>) -> VerificationReport {
    let mut report = VerificationReport {
        outcome: Outcome::NotTried,
        message: None,
        code: None,
        signer: None,
        evidence: None,
        trusted_root: None,
    };
    let Some(trust) = trust else {
        report.message = Some("nothing was given to verify it with".into());
        return report;
    };
    report.trusted_root = trust.trusted_root.clone();
    match trust.verifier.verify(bundle, clock::now()) {
        Ok(verified) => {
            report.outcome = Outcome::Verified;
            report.signer = Some(verified.signer().into());
            report.evidence = EvidenceReport::of(verified.evidence());
        }
        Err(e) => {
            report.outcome = Outcome::Failed;
            report.code = Some(codes::signature(&e).into());
            report.message = Some(e.to_string());
        }
    }
    report
}

fn material(material: &VerificationMaterial) -> MaterialReport {
    let (mut key_hint, mut ders) = (None, Vec::new());
    match material {
        VerificationMaterial::PublicKey(PublicKeyIdentifier::Hint(hint)) => key_hint = Some(hint.clone()),
        VerificationMaterial::CertificateChain(chain) => ders.extend(chain),
        VerificationMaterial::Certificate(leaf) => ders.push(leaf),
        _ => {}
    }
    let certificates = ders.iter().filter_map(|der| Certificate::from_der(der).ok());
    MaterialReport { key_hint, certificates: certificates.map(|c| CertificateReport::of(&c)).collect() }
}

fn read_statement(payload_type: &str, payload: &[u8]) -> Option<StatementReport> {
    const MAX_SHOWN: usize = 100;
    let read: json::Object<statement::Statement<'_>> = json::read(payload, MAX_BUNDLE_BYTES).ok()?;
    let said = read.0;
    let (model, problem) = match read_signed_model(payload_type, payload, Reading::Field) {
        Ok(model) => (Some(signed_report(&model)), None),
        Err(e) => (None, Some(e.to_string())),
    };
    let subject = |subject: &json::Object<statement::Subject<'_>>| SubjectReport {
        name: subject.0.name.to_string(),
        digests: subject.0.digest.iter().map(|(a, d)| (a.to_string(), d.to_string())).collect(),
    };
    Some(StatementReport {
        statement_type: said.statement_type.into_owned(),
        predicate_type: said.predicate_type.into_owned(),
        subjects: said.subject.iter().take(MAX_SHOWN).map(subject).collect(),
        subject_count: said.subject.len(),
        model,
        problem,
    })
}

fn log_entry(entry: &LogEntry) -> ClaimedLogEntry {
    let tree = entry.inclusion_proof.as_ref().map(|proof| {
        let origin = proof.checkpoint.lines().next().unwrap_or_default();
        format!("{origin}, {} entries", proof.tree_size)
    });
    let integrated = entry.integrated_time.and_then(|s| Timestamp::from_second(s).ok());
    ClaimedLogEntry {
        index: entry.log_index,
        log_id: hex(&entry.log_id),
        kind: format!("{} {}", entry.kind, entry.version),
        integrated: integrated.map(|t| t.to_string()),
        promise: entry.inclusion_promise.is_some(),
        tree,
    }
}
