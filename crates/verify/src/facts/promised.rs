//! [`Promise`]: a signed list of files that stands for the model before a byte of it was read. Whoever decides upon it owes
//! that every byte is compared with that very list before anybody gets it.
//!
//! It is no measurement, and nothing turns it into one: a decision that rests on it has no
//! [`Allowed`](crate::decision::Allowed), only an [`AllowedAsRead`](crate::decision::AllowedAsRead), which carries the list.
//! What cannot be known without the bytes (what is in the files, digests that the list does not have) stays undecided.

use super::{
    Facts, ManifestFact, manifest_name,
    measured::{Measured, MeasuredFact, compare, fits, is_ignored, same_parameters, sort_key},
};
use modelseal_core::{
    manifest::{Change, Comparison, Manifest, Resource, Serialization},
    observed::Observed,
    path::ModelPath,
    predicate::SignedModel,
};
use std::{collections::BTreeMap, sync::Arc};

/// The files of a model as this process found them, with their sizes in bytes. Nothing of them was read.
#[derive(Debug, Clone)]
pub struct FileList {
    serialization: Serialization,
    files: Vec<(ModelPath, u64)>,
    single_file: bool,
    left_out: Vec<ModelPath>,
}

/// A signed list of files that agrees with what lies here as far as names and sizes tell, taken as a promise that every byte
/// will be compared with it. Only [`Facts::promises`] makes one, out of what a policy's signer signed.
///
/// ```compile_fail
/// use modelseal_verify::facts::Promise;
/// fn forge(promise: Promise, digest: String) -> Promise {
///     Promise { digest, ..promise } // private fields
/// }
/// ```
///
/// It is no measurement:
///
/// ```compile_fail
/// use modelseal_verify::facts::{Facts, Measurement, Promise};
/// fn cheat(facts: Facts, promise: &Promise) -> Facts {
///     facts.measured(Measurement::new(promise.manifest().clone(), 0)) // not Observed
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Promise {
    list: Arc<FileList>,
    model: Arc<SignedModel>,
    /// `manifest-sha256:<hex>` of the signed list.
    digest: String,
    /// What a measurement gives when the promise is kept, as far as the signed files go.
    kept: Arc<Manifest>,
    /// Whether files lie here that it says nothing about.
    more_is_there: bool,
}

impl FileList {
    /// Takes what this process found when it looked for the files that a measurement under `serialization` reads: their
    /// names and sizes.
    #[must_use]
    pub fn new(serialization: Serialization, files: Observed<Vec<(ModelPath, u64)>>) -> Self {
        let mut files = files.into_inner();
        files.sort_unstable();
        Self { serialization, files, single_file: false, left_out: Vec::new() }
    }

    /// Says that the model is one file rather than a directory.
    #[must_use]
    pub fn of_single_file(self) -> Self {
        Self { single_file: self.files.len() == 1, ..self }
    }

    /// Says what is there and was not looked at, as
    /// [`Measurement::leaving_out`](super::Measurement::leaving_out) does.
    #[must_use]
    pub fn leaving_out(mut self, paths: impl IntoIterator<Item = ModelPath>) -> Self {
        self.left_out.extend(paths);
        self.left_out.sort_unstable();
        self.left_out.dedup();
        self
    }

    fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, size)| *size).fold(0, u64::saturating_add)
    }

    /// How the files differ from those of a signed manifest, as far as names and sizes tell.
    fn compare(&self, signed: &Manifest) -> Comparison {
        let mut sizes: BTreeMap<&ModelPath, Option<u64>> = BTreeMap::new();
        for resource in signed.resources() {
            let known = sizes.entry(&resource.path).or_default();
            *known = (*known).max(resource.range.map(|range| range.end));
        }
        let alone = self.single_file && signed.is_reference_single_file();
        let mut comparison = Comparison::default();
        for (path, size) in &self.files {
            let named = if alone { signed.resources().first().map_or(path, |only| &only.path) } else { path };
            match sizes.remove(named) {
                Some(Some(wanted)) if wanted != *size => {
                    let path = named.clone();
                    comparison.changed.push(Change { path, range: None, signed: None, found: None });
                }
                Some(_) => {}
                None if is_ignored(path, signed.serialization()) => {}
                None => comparison.unsigned.push(path.clone()),
            }
        }
        comparison.missing = sizes.into_keys().cloned().collect();
        comparison
    }

    /// How the model differs from a signed manifest whatever its bytes are: `None` when the bytes have to tell.
    pub(super) fn contradicts(&self, signed: &Manifest) -> Option<Comparison> {
        let comparison = self.compare(signed);
        let certain = !comparison.missing.is_empty() || !comparison.changed.is_empty();
        certain.then_some(comparison)
    }

    /// The list that says most about a signed manifest; any other that fits gives the same.
    pub(super) fn fitting<'a>(lists: &'a [Arc<Self>], signed: &Manifest) -> Option<&'a Arc<Self>> {
        let fitting = lists.iter().filter(|list| fits(&list.serialization, signed));
        fitting.min_by_key(|list| list.serialization.ignore_paths.len())
    }
}

impl Promise {
    /// What every byte has to be compared with before it is given out.
    #[must_use]
    pub fn model(&self) -> &SignedModel {
        &self.model
    }

    /// Its list of files.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.model.manifest
    }

    /// `manifest-sha256:<hex>` of that list.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Under which parameters the [files](FileList) were looked for that it is about.
    #[must_use]
    pub fn listed_under(&self) -> &Serialization {
        &self.list.serialization
    }

    /// Whether both ask for the same bytes under the same names, read in the same way.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_about(&other.digest, other.manifest())
    }

    /// Whether it is about the same files and bytes as the manifest with that digest.
    pub(crate) fn is_about(&self, digest: &str, manifest: &Manifest) -> bool {
        // The digest does not cover what the digests in it are of.
        self.digest == digest && same_parameters(self.manifest().serialization(), manifest.serialization())
    }

    /// Whether files lie here that it says nothing about.
    pub(crate) fn more_is_there(&self) -> bool {
        self.more_is_there
    }

    /// How the model differs from a signed manifest when the promise is kept: `None` when that manifest lists files that are
    /// here and not in the promise.
    pub(super) fn says_of(&self, signed: &Manifest) -> Option<Comparison> {
        let names = self.list.compare(signed);
        let Comparison { mut changed, missing, .. } = signed.compare(&self.kept);
        if missing.iter().any(|path| !names.missing.contains(path)) {
            return None;
        }
        let also = names.changed.into_iter().filter(|other| changed.iter().all(|c| c.path != other.path));
        let also: Vec<Change> = also.collect();
        changed.extend(also);
        Some(Comparison { changed, missing: names.missing, unsigned: names.unsigned })
    }

    fn of(fact: &ManifestFact, list: &Arc<FileList>) -> Self {
        let signed = &fact.model.manifest;
        let listed: BTreeMap<&ModelPath, ()> = signed.resources().iter().map(|r| (&r.path, ())).collect();
        let alone = list.single_file && signed.is_reference_single_file();
        let more_is_there = !alone && list.files.iter().any(|(path, _)| !listed.contains_key(path));
        Self {
            list: Arc::clone(list),
            model: Arc::clone(&fact.model),
            digest: fact.digest.clone(),
            kept: Arc::new(kept(list, signed)),
            more_is_there,
        }
    }
}

impl Facts {
    /// Takes the files that a measurement under the same parameters would read. A signed manifest that they contradict is
    /// then known not to be the model's.
    #[must_use]
    pub fn listed(mut self, list: FileList) -> Self {
        let listed = &mut self.data.listed;
        listed.retain(|other| sort_key(&other.serialization) != sort_key(&list.serialization));
        listed.push(Arc::new(list));
        listed.sort_by_key(|list| sort_key(&list.serialization));
        compare(&mut self.data);
        self
    }

    /// The signed lists of files that may be the model's, as far as [names and sizes](Self::listed) tell, and measurements
    /// where there are any. Where they are not [all the same](Promise::is_same), only the bytes tell which one it is, and the
    /// model is to be measured.
    #[must_use]
    pub fn promises(&self) -> Vec<Promise> {
        let possible = self.data.manifests.iter().filter_map(|fact| {
            let list = FileList::fitting(&self.data.listed, &fact.model.manifest)?;
            let may_be = match &fact.compared {
                None => true,
                Some(Ok(comparison)) => comparison.changed.is_empty() && comparison.missing.is_empty(),
                Some(Err(_)) => false,
            };
            let may_be = may_be && list.contradicts(&fact.model.manifest).is_none();
            may_be.then(|| Promise::of(fact, list))
        });
        possible.collect()
    }

    /// The same facts with this list taken for what the model is. It replaces every measurement, and a measurement replaces
    /// it: a decision rests on one or the other. A promise about files that these facts know nothing of counts for nothing.
    #[must_use]
    pub fn promised(mut self, promise: &Promise) -> Self {
        if !self.data.listed.iter().any(|list| Arc::ptr_eq(list, &promise.list)) {
            return self;
        }
        let mut left_out = promise.list.left_out.clone();
        left_out.retain(|path| !self.data.evidence_paths.contains(path));
        let measured = Measured {
            digest: manifest_name(&promise.kept.manifest_digest()),
            manifest: Arc::clone(&promise.kept),
            bytes: promise.list.bytes(),
            left_out,
            also: Vec::new(),
            links: None,
            inspection: None,
            promise: Some(promise.clone()),
        };
        let serialization = promise.list.serialization.clone();
        self.data.measured.retain(|fact| {
            fact.outcome.is_err() && sort_key(&fact.serialization) != sort_key(&serialization)
        });
        self.data.measured.push(MeasuredFact { serialization, outcome: Ok(measured) });
        self.data.measured.sort_by_key(|fact| sort_key(&fact.serialization));
        compare(&mut self.data);
        self
    }
}

/// A measurement names a model that is one file by its name.
fn kept(list: &FileList, signed: &Manifest) -> Manifest {
    let (true, [(name, _)]) = (list.single_file, &list.files[..]) else { return signed.clone() };
    let resources = signed.resources().iter();
    let named = |resource: &Resource| match signed.is_reference_single_file() {
        true => Resource { path: name.clone(), ..resource.clone() },
        false => resource.clone(),
    };
    let named = Manifest::new(signed.serialization().clone(), resources.map(named).collect());
    named.unwrap_or_else(|_| signed.clone()).of_single_file()
}
