//! [`Facts`]: all that a decision may rest on. What a signer of the policy signed, what this process measured, and plain
//! inputs of the evaluation; nothing else gets in.
//!
//! 1. [`Evidence`]: documents beside the model, believed by nobody;
//! 2. [`collect`]: each is verified with each policy signer's own trust, before a byte of the model is read;
//! 3. [`Facts::to_measure`] says under which parameters the model has to be measured, [`Facts::measured`] takes the
//!    measurement;
//! 4. [`decide`](crate::decision::decide) judges.
//!
//! Whoever compares every byte before giving it out may decide before reading: [`Facts::listed`] takes the names and sizes of
//! the files, and a [`Promise`] stands in the measurement's place.
//!
//! [`RecordedFacts`] are the inputs of a decision in a file. They can be judged again, for comparing policies, but only to a
//! [`Replayed`](crate::decision::Replayed) decision.

mod collect;
mod evidence;
mod judge;
mod measured;
mod promised;
mod recorded;
mod recorded_inspection;
mod signed;
mod sigstore;

pub use collect::collect;
pub use evidence::{
    Evidence, MAX_ATTESTATIONS, MAX_BUNDLE_BYTES, MAX_DOCUMENTS, MAX_LINES, MAX_LOG_ENTRIES, MAX_SIGNATURES,
    sha256_name,
};
pub use measured::{Measurement, default_parameters};
pub use promised::{FileList, Promise};
pub use recorded::{FACTS_SCHEMA, RecordedBaseModel, RecordedError, RecordedFacts};
pub use signed::{
    Corroboration, KeylessEvidence, KeylessIdentity, KeylessVerifier, NoKeyless, Refused, SignerIdentity,
    TrustedTime,
};
pub use sigstore::{Repositories, SigstoreVerifier};

use crate::decision::{Code, RejectedEvidence};
use measured::MeasuredFact;
pub(crate) use measured::{GIT_PATHS, fitting, is_ignored, is_plain};
use modelseal_core::{
    attestation::Attestation, cover::Cover, deny_feed::DenyFeed, manifest::Comparison, path::ModelPath,
    predicate::SignedModel,
};
use std::{collections::BTreeMap, sync::Arc};

/// What a decision may rest on. Only [`collect`] makes one.
///
/// ```compile_fail
/// use modelseal_verify::facts::Facts;
/// let forged = Facts { data: Default::default() }; // private field
/// ```
///
/// A statement whose signature nobody checked does not get in:
///
/// ```compile_fail
/// use modelseal_core::bundle::Bundle;
/// use modelseal_verify::facts::Facts;
/// fn cheat(facts: Facts, bundle: &Bundle) -> Facts {
///     facts.signed(bundle.payload_unverified()) // no such method
/// }
/// ```
///
/// Nor does a manifest that somebody wrote down instead of measuring:
///
/// ```compile_fail
/// use modelseal_core::manifest::Manifest;
/// use modelseal_verify::facts::{Facts, Measurement};
/// fn cheat(facts: Facts, written_by_somebody: Manifest) -> Facts {
///     facts.measured(Measurement::new(written_by_somebody, 0)) // not Observed
/// }
/// ```
///
/// And recorded facts are none:
///
/// ```compile_fail
/// use modelseal_verify::{decision::{PolicySet, Request, decide}, facts::RecordedFacts};
/// fn cheat(set: &PolicySet, request: &Request, recorded: &RecordedFacts, now: jiff::Timestamp) {
///     let _ = decide(set, request, recorded, now); // not Facts
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Facts {
    pub(crate) data: FactData,
}

/// The facts themselves. Everything in it is sorted, so that the order of evidence cannot matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct FactData {
    /// One for each policy that evidence was collected for.
    pub(crate) policies: Vec<PolicyFacts>,
    /// Different signed manifests.
    pub(crate) manifests: Vec<ManifestFact>,
    /// Different verified attestations.
    pub(crate) attestations: Vec<AttestationFact>,
    /// Measurements, made or failed; or a promise in their place.
    pub(crate) measured: Vec<MeasuredFact>,
    /// The files that are here, unread.
    pub(crate) listed: Vec<Arc<FileList>>,
    /// Evidence that helps nobody.
    pub(crate) rejected: Vec<RejectedEvidence>,
    /// Digests of all bundles.
    pub(crate) bundles: Vec<String>,
    /// Where evidence lies inside the model.
    pub(crate) evidence_paths: Vec<ModelPath>,
    /// Bounds that evidence went over: each is an error.
    pub(crate) over_limits: Vec<String>,
}

/// What the evidence is worth to one policy.
#[derive(Debug, Clone)]
pub(crate) struct PolicyFacts {
    /// The policy's SHA-256.
    pub(crate) sha256: String,
    /// Signatures of models.
    pub(crate) signatures: Vec<SignatureFact>,
    /// Signatures of other statements.
    pub(crate) attested: Vec<AttestedFact>,
    /// Bundles that were meant for a signer and did not convince.
    pub(crate) near_misses: Vec<NearMiss>,
    /// Deny feeds by their file.
    pub(crate) feeds: BTreeMap<String, Result<FeedFact, Refused>>,
}

/// Whose verified signature it is.
#[derive(Debug, Clone)]
pub(crate) struct By {
    pub(crate) document: String,
    pub(crate) signer: String,
    pub(crate) principal: String,
    pub(crate) identity: SignerIdentity,
    pub(crate) corroboration: Corroboration,
    /// From when on the trust in the signer may end.
    pub(crate) valid_until: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone)]
pub(crate) struct SignatureFact {
    pub(crate) by: By,
    /// Index into [`FactData::manifests`].
    pub(crate) manifest: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct AttestedFact {
    pub(crate) by: By,
    /// Index into [`FactData::attestations`].
    pub(crate) attestation: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct NearMiss {
    pub(crate) document: String,
    pub(crate) signer: String,
    pub(crate) code: Code,
    pub(crate) message: String,
}

#[derive(Debug, Clone)]
pub(crate) struct FeedFact {
    pub(crate) feed: Arc<DenyFeed>,
    pub(crate) evidence: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct ManifestFact {
    /// `manifest-sha256:<hex>`.
    pub(crate) digest: String,
    pub(crate) model: Arc<SignedModel>,
    /// How the model differs from it; `None` until it was measured, unless names or sizes tell before, or a promise does.
    pub(crate) compared: Option<Result<Comparison, Refused>>,
}

#[derive(Debug, Clone)]
pub(crate) struct AttestationFact {
    pub(crate) attestation: Arc<Attestation>,
    /// What it covers of each signed manifest.
    pub(crate) of_signed: Vec<Cover>,
    /// What it covers of each measurement.
    pub(crate) of_measured: Vec<Cover>,
}

impl Facts {
    /// The digests of the bundles they were collected from, `sha256:<hex>`, sorted.
    #[must_use]
    pub fn bundles(&self) -> &[String] {
        &self.data.bundles
    }

    /// Evidence that helps nobody, each with the reason.
    #[must_use]
    pub fn rejected(&self) -> &[RejectedEvidence] {
        &self.data.rejected
    }
}

impl FactData {
    /// The promise that stands in the place of measurements.
    pub(crate) fn promise(&self) -> Option<&Promise> {
        self.measured.iter().find_map(|fact| fact.outcome.as_ref().ok()?.promise.as_ref())
    }
}

/// The written form of a manifest digest.
pub(crate) fn manifest_name(digest: &modelseal_core::digest::Digest) -> String {
    format!("manifest-sha256:{}", digest.to_hex())
}
