//! [`PreparedAttestation`]: a statement on its way to a signature, and what becomes of it.

use super::{destination::Destinations, inspection::Evidence};
use crate::{
    digest::MeasuredModel,
    error::Error,
    report::{AttestReport, Digests, ModelReport, RecordedProvenance},
    signing::{Made, Sayable, Unsigned, sign_with},
};
use modelseal_attest::signer::Signer;
use modelseal_core::{
    attestation::{Attestation, read_attestation},
    bundle::Bundle,
    cover::{Cover, Target},
};
use std::path::PathBuf;

/// A statement about a measured model, before any key is used.
#[derive(Debug)]
#[must_use]
pub struct PreparedAttestation {
    pub(super) model: MeasuredModel,
    pub(super) unsigned: Unsigned,
    pub(super) predicate_type: String,
    pub(super) provenance: Option<RecordedProvenance>,
    pub(super) inspection: Option<Evidence>,
    pub(super) notes: Vec<String>,
    pub(super) destinations: Destinations,
}

/// An attestation that was written.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attested {
    /// Where it is.
    pub written: Vec<PathBuf>,
    /// What was attested and by whom.
    pub report: AttestReport,
}

impl PreparedAttestation {
    /// The exact bytes that would be signed.
    #[must_use]
    pub fn statement(&self) -> &[u8] {
        self.unsigned.statement.as_bytes()
    }

    /// What the user should know.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Signs, checks the attestation as a verifier would, and writes it.
    ///
    /// # Errors
    /// [`Error`]. Of several destinations, what comes before the one that cannot be written stays: first the file of its own,
    /// then the file of several, then the store.
    pub fn sign(self, signer: &dyn Signer) -> Result<Attested, Error> {
        sign_with(self, signer)
    }
}

impl Sayable for PreparedAttestation {
    type Written = Attested;

    fn unsigned(&self) -> &Unsigned {
        &self.unsigned
    }

    fn check_before_publishing(&self) -> Result<(), Error> {
        self.destinations.check_before_publishing()
    }

    /// A reader finds this predicate, about all of this model.
    fn check_said(&self, payload_type: &str, payload: &[u8]) -> Result<(), String> {
        let Attestation { predicate_type, subjects, .. } =
            read_attestation(payload_type, payload).map_err(|e| e.to_string())?;
        let cover = Target::of(self.model.manifest()).cover(&subjects);
        if !matches!(cover, Cover::Full(_)) {
            return Err(format!("it is about {cover}"));
        }
        let same = predicate_type == self.predicate_type && payload == self.statement();
        if same { Ok(()) } else { Err("it says something else".into()) }
    }

    fn write(self, bundle: &Bundle, made: Made) -> Result<Attested, Error> {
        // The statement names the report, so the report is there first.
        if let Some(evidence) = &self.inspection {
            evidence.write()?;
        }
        let written = self.destinations.write(bundle)?;
        let manifest = self.model.manifest();
        let mut notes = self.notes;
        notes.extend(made.notes);
        let report = AttestReport {
            schema: AttestReport::SCHEMA.into(),
            written: written.iter().map(|path| path.display().to_string()).collect(),
            predicate_type: self.predicate_type,
            signer: made.signer,
            evidence: made.evidence,
            trusted_root: made.trusted_root,
            model: ModelReport::new(self.model.name(), manifest, self.model.bytes()),
            digests: Digests::of(manifest),
            serialization: manifest.serialization().into(),
            provenance: self.provenance,
            inspection: self.inspection.map(|evidence| evidence.said),
            notes,
        };
        Ok(Attested { written, report })
    }
}
