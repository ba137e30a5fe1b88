//! Measurements: under which parameters the model has to be measured, and what came of it.

use super::{FactData, Facts, FileList, Promise, Refused, manifest_name};
use crate::decision::Code;
use modelseal_core::{
    artifact::ArtifactId,
    cover::{Cover, Target},
    digest::{Algorithm, Digest},
    inspection::Inspection,
    manifest::{Comparison, Manifest, Method, Serialization},
    observed::Observed,
    path::ModelPath,
};
use std::sync::Arc;

/// The top-level paths that OMS v1.0 §6.2 leaves out unless told otherwise.
pub(crate) const GIT_PATHS: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// A measurement of the model, with what the caller left out of it.
#[derive(Debug, Clone)]
pub struct Measurement {
    pub(super) manifest: Arc<Manifest>,
    pub(super) bytes: u64,
    pub(super) left_out: Vec<ModelPath>,
    pub(super) also: Vec<(ModelPath, Digest)>,
    pub(super) links: Option<Vec<ModelPath>>,
    pub(super) inspection: Option<Arc<Inspection>>,
}

#[derive(Debug, Clone)]
pub(crate) struct MeasuredFact {
    pub(crate) serialization: Serialization,
    pub(crate) outcome: Result<Measured, Refused>,
}

#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// `manifest-sha256:<hex>`.
    pub(crate) digest: String,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) bytes: u64,
    /// What is there and was not looked at, besides what the signed parameters say and evidence.
    pub(crate) left_out: Vec<ModelPath>,
    /// Further digests of whole files.
    pub(crate) also: Vec<(ModelPath, Digest)>,
    /// Symbolic links that were followed, when that is known.
    pub(crate) links: Option<Vec<ModelPath>>,
    /// What is in the files, each of them, if they were inspected.
    pub(crate) inspection: Option<Arc<Inspection>>,
    /// What it rests on, when nothing was measured.
    pub(crate) promise: Option<Promise>,
}

impl Measurement {
    /// Takes what this process measured: the manifest, and how many bytes the files have together.
    #[must_use]
    pub fn new(manifest: Observed<Manifest>, bytes: u64) -> Self {
        Self {
            manifest: Arc::new(manifest.into_inner()),
            bytes,
            left_out: Vec::new(),
            also: Vec::new(),
            links: None,
            inspection: None,
        }
    }

    /// Says what is in the files, from the same read. An inspection of other files than those that were measured counts as
    /// none.
    #[must_use]
    pub fn inspected(mut self, inspection: Observed<Inspection>) -> Self {
        let inspection = inspection.into_inner();
        self.inspection = is_of(&inspection, &self.manifest).then(|| Arc::new(inspection));
        self
    }

    /// Adds further digests of whole files, from the same read: deny lists name files by SHA-256, whatever hash the model was
    /// signed under.
    #[must_use]
    pub fn also(mut self, digests: Observed<Vec<(ModelPath, Digest)>>) -> Self {
        self.also = digests.into_inner();
        self.also.sort_unstable();
        self
    }

    /// Says which symbolic links were followed. When nobody says, a measurement that may follow links counts as one that did.
    #[must_use]
    pub fn following(mut self, links: impl IntoIterator<Item = ModelPath>) -> Self {
        self.links.get_or_insert_default().extend(links);
        self
    }

    /// Says what is there and was not measured, besides the ignore paths of the parameters. What is left out and not said
    /// here is a wrong pass.
    #[must_use]
    pub fn leaving_out(mut self, paths: impl IntoIterator<Item = ModelPath>) -> Self {
        self.left_out.extend(paths);
        self.left_out.sort_unstable();
        self.left_out.dedup();
        self
    }
}

/// The parameters under which a model is measured that nobody has signed: whole files with SHA-256, without git's own files
/// at the top.
#[must_use]
pub fn default_parameters() -> Serialization {
    let git = GIT_PATHS.iter().filter_map(|path| ModelPath::parse(path).ok());
    Serialization { ignore_paths: git.collect(), ..Serialization::default() }
}

impl Facts {
    /// The ids by which statements know the model: as trusted signers signed it, and as it was measured.
    #[must_use]
    pub fn artifacts(&self) -> Vec<ArtifactId> {
        let signed = self.data.manifests.iter().map(|fact| &*fact.model).map(|model| &model.manifest);
        let measured = self.data.measured.iter().filter_map(|fact| fact.outcome.as_ref().ok());
        let mut ids: Vec<ArtifactId> =
            signed.chain(measured.map(|m| &*m.manifest)).flat_map(ArtifactId::of_manifest).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Under which parameters the model has to be measured: one for each method, hash and treatment of links that a trusted
    /// signature uses, leaving out only what all of them leave out; the default parameters when there is none.
    #[must_use]
    pub fn to_measure(&self) -> Vec<Serialization> {
        let mut wanted: Vec<Serialization> = Vec::new();
        for fact in &self.data.manifests {
            let signed = fact.model.manifest.serialization();
            match wanted.iter_mut().find(|s| same_parameters(s, signed)) {
                None => wanted.push(signed.clone()),
                Some(common) => common.ignore_paths.retain(|path| is_ignored(path, signed)),
            }
        }
        if wanted.is_empty() {
            wanted.push(default_parameters());
        }
        for serialization in &mut wanted {
            serialization.ignore_paths.sort_unstable();
            serialization.ignore_paths.dedup();
        }
        wanted.sort_by_key(sort_key);
        wanted
    }

    /// Takes a measurement and compares it with every signed manifest of its parameters.
    #[must_use]
    pub fn measured(self, measurement: Measurement) -> Self {
        let serialization = measurement.manifest.serialization().clone();
        let mut left_out = measurement.left_out;
        left_out.retain(|path| !self.data.evidence_paths.contains(path));
        let measured = Measured {
            digest: manifest_name(&measurement.manifest.manifest_digest()),
            manifest: measurement.manifest,
            bytes: measurement.bytes,
            left_out,
            also: measurement.also,
            links: measurement.links,
            inspection: measurement.inspection,
            promise: None,
        };
        self.with(MeasuredFact { serialization, outcome: Ok(measured) })
    }

    /// Notes that the model could not be measured under `serialization`, and why.
    #[must_use]
    pub fn not_measured(self, serialization: Serialization, code: Code, message: impl Into<String>) -> Self {
        let outcome = Err(Refused { code, message: message.into() });
        self.with(MeasuredFact { serialization, outcome })
    }

    /// The same facts with one measurement each, for whoever wants to know what can be said about bytes of one moment: a model
    /// may be written to between one measurement and the next.
    pub fn apart(&self) -> impl Iterator<Item = (&Serialization, Self)> {
        let measured = self.data.measured.iter().filter(|fact| fact.outcome.is_ok());
        measured.map(|fact| {
            let mut facts = self.clone();
            facts.data.measured.retain(|other| other.outcome.is_err());
            (&fact.serialization, facts.with(fact.clone()))
        })
    }

    fn with(mut self, fact: MeasuredFact) -> Self {
        let measured = &mut self.data.measured;
        let is_promise = |other: &MeasuredFact| other.outcome.as_ref().is_ok_and(|m| m.promise.is_some());
        measured.retain(|other| {
            sort_key(&other.serialization) != sort_key(&fact.serialization) && !is_promise(other)
        });
        measured.push(fact);
        measured.sort_by_key(|fact| sort_key(&fact.serialization));
        compare(&mut self.data);
        self
    }
}

/// Whether an inspection speaks of each file of a manifest, and of no other.
pub(super) fn is_of(inspection: &Inspection, manifest: &Manifest) -> bool {
    let mut listed: Vec<&ModelPath> = manifest.resources().iter().map(|resource| &resource.path).collect();
    listed.sort_unstable();
    listed.dedup();
    inspection.files.iter().map(|file| &file.path).eq(listed)
}

/// The measurement that a signed manifest can be compared with: of those that fit, the one that left out least. Any other
/// gives the same.
pub(crate) fn fitting<'a>(measured: &'a [MeasuredFact], signed: &Manifest) -> Option<&'a MeasuredFact> {
    let fitting = measured.iter().filter(|m| fits(&m.serialization, signed));
    fitting.min_by_key(|m| m.serialization.ignore_paths.len())
}

/// Whether what is found under these parameters can be compared with a signed manifest.
pub(super) fn fits(found: &Serialization, signed: &Manifest) -> bool {
    same_parameters(found, signed.serialization())
        && found.ignore_paths.iter().all(|path| is_ignored(path, signed.serialization()))
}

/// Fills in what follows from signed manifests, attestations and measurements together.
pub(super) fn compare(data: &mut FactData) {
    for fact in &mut data.manifests {
        let signed = &fact.model.manifest;
        fact.compared = match fitting(&data.measured, signed).map(|fact| &fact.outcome) {
            None => FileList::fitting(&data.listed, signed).and_then(|list| list.contradicts(signed)).map(Ok),
            Some(Err(refused)) => Some(Err(refused.clone())),
            Some(Ok(Measured { promise: Some(promise), .. })) => promise.says_of(signed).map(Ok),
            Some(Ok(measured)) => {
                let mut comparison: Comparison = signed.compare(&measured.manifest);
                comparison.unsigned.retain(|path| !is_ignored(path, signed.serialization()));
                Some(Ok(comparison))
            }
        };
    }
    if data.attestations.is_empty() {
        return;
    }
    let signed: Vec<Target<'_>> =
        data.manifests.iter().map(|fact| Target::of(&fact.model.manifest)).collect();
    let measured: Vec<Option<Target<'_>>> = data
        .measured
        .iter()
        .map(|fact| fact.outcome.as_ref().ok().map(|measured| Target::of(&measured.manifest)))
        .collect();
    for fact in &mut data.attestations {
        let subjects = &fact.attestation.subjects;
        fact.of_signed = signed.iter().map(|target| target.cover(subjects)).collect();
        let none = || Cover::None(Vec::new());
        fact.of_measured =
            measured.iter().map(|target| target.as_ref().map_or_else(none, |t| t.cover(subjects))).collect();
    }
}

/// Whether a measurement leaves out nothing but what everybody leaves out: then it may stand for the model where no
/// signature says what the model consists of.
pub(crate) fn is_plain(serialization: &Serialization) -> bool {
    !serialization.allow_symlinks
        && serialization.ignore_paths.iter().all(|path| GIT_PATHS.contains(&path.as_str()))
}

pub(super) fn same_parameters(a: &Serialization, b: &Serialization) -> bool {
    (a.method, a.algorithm, a.allow_symlinks) == (b.method, b.algorithm, b.allow_symlinks)
}

pub(crate) fn is_ignored(path: &ModelPath, by: &Serialization) -> bool {
    by.ignore_paths.iter().any(|ignored| path.is_within(ignored))
}

pub(super) fn sort_key(s: &Serialization) -> (u64, Algorithm, bool, Vec<ModelPath>) {
    let shard = match s.method {
        Method::Files => 0,
        Method::Shards(size) => size.get(),
    };
    (shard, s.algorithm, s.allow_symlinks, s.ignore_paths.clone())
}
