//! Evidence about the models that a model was made from. Which those are is what the decision asks for: dependencies that
//! accepted provenance pins. Each is looked up by its digests in the store, and measured where there is a copy.

use crate::{
    digest::Effort,
    error::Error,
    evidence_files::{self, Places},
    measuring::Work,
    policies::Policies,
    store::Store,
};
use jiff::Timestamp;
use modelseal_core::{artifact::ArtifactId, predicate::descriptor::Descriptor, text::Printable};
use modelseal_model::{Progress, Source};
use modelseal_verify::{
    decision::{self, BaseModel, BaseModels, Decision, MAX_BASE_MODELS, Request},
    facts::{self, Evidence, Facts, KeylessVerifier, RecordedBaseModel, default_parameters},
    policy::reference::{Reference, Requested},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Where evidence about base models is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BaseModelPlaces<'a> {
    /// Copies, under the name and perhaps the version that provenance gives them.
    pub(crate) copies: &'a [(Requested, PathBuf)],
    pub(crate) store: Option<&'a Store>,
}

/// A base model that a decision asked for.
#[derive(Debug)]
pub(crate) struct KnownBaseModel {
    request: Request,
    dependency: Descriptor,
    evidence: Evidence,
    facts: Facts,
}

/// What is known of base models, and what else was asked for.
pub(crate) struct Bases<'a> {
    pub(crate) places: BaseModelPlaces<'a>,
    pub(crate) policies: &'a Policies,
    pub(crate) keyless: &'a dyn KeylessVerifier,
    pub(crate) effort: &'a Effort,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) now: Timestamp,
    known: BTreeMap<Named, KnownBaseModel>,
    asked: Mutex<BTreeMap<Named, (Reference, Descriptor)>>,
    notes: Vec<String>,
}

/// A reference, the digests of a dependency and how they were computed.
type Named = (String, Vec<(String, String)>, String);

impl BaseModels for Bases<'_> {
    fn find(&self, reference: &Reference, dependency: &Descriptor) -> Option<BaseModel<'_>> {
        let named = named(reference, dependency);
        if let Some(known) = self.known.get(&named) {
            return Some(BaseModel { request: &known.request, facts: &known.facts });
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(named, (reference.clone(), dependency.clone()));
        None
    }
}

impl<'a> Bases<'a> {
    pub(crate) fn new(
        places: BaseModelPlaces<'a>,
        policies: &'a Policies,
        keyless: &'a dyn KeylessVerifier,
        effort: &'a Effort,
        progress: &'a dyn Progress,
        now: Timestamp,
    ) -> Self {
        let (known, asked, notes) = (BTreeMap::new(), Mutex::default(), Vec::new());
        Self { places, policies, keyless, effort, progress, now, known, asked, notes }
    }

    /// Decides, and collects evidence about the base models that the decision asks for, generation by generation, until it
    /// asks for no other. `evidence` is the model's own, whose deny feeds hold for base models, too.
    ///
    /// # Errors
    /// [`Error::Policy`] when the store cannot be read.
    pub(crate) fn decide(
        &mut self,
        request: &Request,
        evidence: &Evidence,
        facts: &Facts,
    ) -> Result<Decision, Error> {
        let _searching = self.places.store.map(Store::search);
        loop {
            let decision = decision::decide_with(self.policies.set(), request, facts, self.now, &*self);
            let asked = std::mem::take(self.asked.get_mut().unwrap_or_else(PoisonError::into_inner));
            // A decision gives up on more than so many by itself.
            if asked.is_empty() || self.known.len() >= 2 * MAX_BASE_MODELS {
                return Ok(decision);
            }
            for (named, (reference, dependency)) in asked {
                let known = self.collect(reference, dependency, &evidence.feeds_only())?;
                self.known.insert(named, known);
            }
        }
    }

    /// What is known of them.
    pub(crate) fn into_known(self) -> (Vec<KnownBaseModel>, Vec<String>) {
        (self.known.into_values().collect(), self.notes)
    }

    fn collect(
        &mut self,
        reference: Reference,
        dependency: Descriptor,
        feeds: &Evidence,
    ) -> Result<KnownBaseModel, Error> {
        let version = dependency.uri.as_deref().and_then(|uri| Reference::parse(uri).ok()?.version);
        let ids = ArtifactId::of_descriptor(&dependency);
        let mut evidence = feeds.clone();
        if let Some(store) = self.places.store {
            add_stored(store, &mut evidence, &ids)?;
        }
        let of_version = |asked: &Requested| asked.version.is_none() || asked.version == version;
        let copies = self.places.copies.iter();
        let copies: Vec<&Path> = copies
            .filter(|(asked, _)| asked.reference == reference && of_version(asked))
            .map(|(_, path)| path.as_path())
            .collect();
        let mut facts = None;
        for copy in copies {
            let (found, measured, is_the_one) = self.measure(copy, evidence.clone(), &ids)?;
            // The copy that is the pinned model; when none is, the decision says so of the first.
            if is_the_one || facts.is_none() {
                facts = Some((found, measured));
            }
            if is_the_one {
                break;
            }
        }
        let (evidence, facts) = facts.unwrap_or_else(|| {
            let facts = facts::collect(self.policies.set(), &evidence, self.keyless, self.now);
            (evidence, facts)
        });
        let request = Request::new(reference);
        let request = match version {
            Some(version) => request.with_version(version),
            None => request,
        };
        Ok(KnownBaseModel { request, dependency, evidence, facts })
    }

    /// Measures a copy as its signers did, and in the way by which it is pinned.
    fn measure(
        &mut self,
        copy: &Path,
        mut evidence: Evidence,
        ids: &[ArtifactId],
    ) -> Result<(Evidence, Facts, bool), Error> {
        let places = Places { not_here: true, ..Places::default() };
        let beside = evidence_files::collect(copy, &places, self.policies)?;
        evidence.extend(&beside.evidence);
        let mut facts = facts::collect(self.policies.set(), &evidence, self.keyless, self.now);
        let source = Source::open(copy);
        let mut work = Work::new(self.effort, &beside.inside, self.policies);
        for serialization in facts.to_measure() {
            facts = work.measure(facts, &source, serialization, self.progress);
        }
        let is_pinned = |work: &Work<'_>| {
            let measured = work.measured.iter().flat_map(|measured| ArtifactId::of_manifest(measured.get()));
            measured.into_iter().any(|id| ids.contains(&id))
        };
        if !is_pinned(&work) && !work.measured.is_empty() {
            // It may be pinned by another hash than it was signed under.
            facts = work.measure(facts, &source, default_parameters(), self.progress);
        }
        let is_the_one = is_pinned(&work);
        let of = |note: &String| format!("base model '{}': {note}", Printable(&copy.display().to_string()));
        self.notes.extend(work.notes.iter().map(of));
        Ok((evidence, facts, is_the_one))
    }
}

impl KnownBaseModel {
    pub(crate) fn recorded(&self) -> RecordedBaseModel<'_> {
        let Self { request, dependency, evidence, facts } = self;
        RecordedBaseModel { request, dependency, evidence, facts }
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// Adds what a store has about these artifacts.
pub(crate) fn add_stored(store: &Store, evidence: &mut Evidence, ids: &[ArtifactId]) -> Result<(), Error> {
    for found in store.about(ids)? {
        evidence.add(&found.place(), None, &found.bytes);
    }
    Ok(())
}

fn named(reference: &Reference, dependency: &Descriptor) -> Named {
    let digests = dependency.digest.iter().map(|(name, hex)| (name.to_owned(), hex.to_owned())).collect();
    (reference.to_string(), digests, dependency.digest_method().unwrap_or_default().to_owned())
}
