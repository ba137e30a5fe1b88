//! Deciding before the bytes are read, and giving out what was decided about: [`DecideRequest::open`], and the [`Contents`]
//! of an [`AllowedModel`].
//!
//! ```text
//! names and sizes of the files -> a signed list that they agree with, as a promise -> decision -> Contents of that list
//!                                 several that differ, or a policy that needs the bytes -> measured, decision -> Contents
//!                                                                                      of what was measured and is signed
//! ```

use super::{AllowedModel, DecideRequest, Decided, How, Settings};
use crate::{
    base_models::Bases,
    contents::{Contents, LoadError, VerifiedBytes, VerifiedFile},
    digest::Effort,
    error::Error,
    policies::Policies,
};
use jiff::Timestamp;
use modelseal_core::{
    manifest::{Manifest, Serialization},
    observed::Observed,
    path::ModelPath,
};
use modelseal_model::{Files, Options, Progress, Source};
use modelseal_verify::{
    decision::{AllowedAsRead, Decision, Request, Verdict},
    facts::{Evidence, Facts, FileList, Promise},
};
use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// A decision that needed no byte of the model.
pub(super) struct Early {
    pub(super) facts: Facts,
    pub(super) decision: Decision,
    /// The files that it is about, when it is an allow.
    pub(super) contents: Option<Contents>,
}

/// The files of the model as they were found, and under which parameters.
pub(super) struct Lists {
    found: Vec<(Serialization, Files)>,
    /// Evidence in the model, which was left out.
    inside: Vec<ModelPath>,
}

/// From what the contents of an allowed model are made, when somebody asks for them.
#[derive(Debug)]
pub(super) struct Readable {
    made: OnceLock<Contents>,
    source: Mutex<Option<Source>>,
    path: PathBuf,
    /// Evidence in the model, which nobody signed.
    inside: Vec<ModelPath>,
    effort: Effort,
}

impl DecideRequest<&Policies> {
    /// Decides before a byte of the model is read, where that can be: about a signed list of files that agrees with the names
    /// and sizes here. The [contents](AllowedModel::contents) of a model that is allowed are compared with that list as they
    /// are read. Where the policies need the bytes (what is in files, deny lists of files that the signatures do not tell, a
    /// model that may load unverified), or where several signed lists may be the model's, everything is measured, as
    /// [`run`](Self::run) does, and the contents are compared with what was measured. So is a version that is higher than any
    /// that was accepted before, when [`high_water`](Self::high_water) is to remember it.
    ///
    /// A decision holds for its time. [`Contents`] do not expire: a server that runs for long decides again, at
    /// [`AllowedModel::valid_until`] at the latest, and lets go of what is allowed no more.
    ///
    /// ```no_run
    /// let policies = modelseal::policies().file("policy.toml").load()?;
    /// let request = modelseal::decide("my-model").under(&policies).named("hf://huggingface.co/acme/ranker")?;
    /// let model = request.open(&())?.into_allowed(false)?;
    /// let weights = model.contents()?.read("model.safetensors", &())?;
    /// println!("{} bytes, allowed until {:?}", weights.len(), model.valid_until());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn open(&self, progress: &dyn Progress) -> Result<Decided, Error> {
        self.decide(How::AsRead, progress)
    }

    /// The decision that needs no byte of the model: an allow upon the only list that may be the model's, or a denial.
    pub(super) fn before_reading(
        &self,
        facts: &Facts,
        lists: &Lists,
        bases: &mut Bases<'_>,
        request: &Request,
        evidence: &Evidence,
    ) -> Result<Option<Early>, Error> {
        let facts = lists.noted(facts);
        let decision = bases.decide(request, evidence, &facts)?;
        if decision.verdict() == Verdict::Deny {
            return Ok(Some(Early { facts, decision, contents: None }));
        }
        let promises = facts.promises();
        let Some((promise, others)) = promises.split_first() else { return Ok(None) };
        if others.iter().any(|other| !other.is_same(promise)) {
            return Ok(None);
        }
        self.upon(promise, &facts, lists, bases, request, evidence)
    }

    fn upon(
        &self,
        promise: &Promise,
        facts: &Facts,
        lists: &Lists,
        bases: &mut Bases<'_>,
        request: &Request,
        evidence: &Evidence,
    ) -> Result<Option<Early>, Error> {
        let facts = facts.clone().promised(promise);
        let decision = bases.decide(request, evidence, &facts)?;
        let contents = match decision.allowed_as_read() {
            // What is remembered has to be so: not before the bytes were seen.
            Some(allowed) if !raises(request, &decision) => lists.contents(allowed, self.settings.effort),
            Some(_) => None,
            None if decision.verdict() == Verdict::Deny => None,
            None => return Ok(None),
        };
        let settled = contents.is_some() || decision.verdict() == Verdict::Deny;
        Ok(settled.then_some(Early { facts, decision, contents }))
    }
}

/// The same decision about what one measurement found, where the model was measured in several ways: bytes that lay here for
/// one of them only must not be given out on the word of another. Of which it is, and what it rests on.
pub(super) fn about_one_measurement(
    decision: &Decision,
    facts: &Facts,
    bases: &mut Bases<'_>,
    request: &Request,
    evidence: &Evidence,
) -> Result<Option<(Serialization, Facts, Decision)>, Error> {
    if decision.allowed(true).is_none() {
        return Ok(None);
    }
    for (serialization, facts) in facts.apart() {
        let alone = bases.decide(request, evidence, &facts)?;
        if alone.verdict() == decision.verdict() {
            return Ok(Some((serialization.clone(), facts, alone)));
        }
    }
    Ok(None)
}

/// Whether the decision states a version that is higher than what was accepted before.
fn raises(request: &Request, decision: &Decision) -> bool {
    let stated = super::stated_version(decision.report());
    match (request.high_water(), stated) {
        (Some(seen), Some(stated)) => stated.cmp_precedence(seen).is_gt(),
        _ => false,
    }
}

impl Lists {
    /// Looks for the files that measuring would read. What cannot be looked for is left to measuring, which says why.
    pub(super) fn of(
        settings: &Settings,
        facts: &Facts,
        inside: &[ModelPath],
        progress: &dyn Progress,
    ) -> Self {
        let list = |serialization: Serialization| {
            let source = Source::open(&settings.model).ok()?;
            let files =
                Files::of(source, &options(settings.effort, &serialization, inside), progress).ok()?;
            Some((serialization, files))
        };
        Self { found: facts.to_measure().into_iter().filter_map(list).collect(), inside: inside.to_vec() }
    }

    /// Adds them to facts, which then hold no promise yet.
    fn noted(&self, facts: &Facts) -> Facts {
        self.found.iter().fold(facts.clone(), |facts, (serialization, files)| {
            let found = files.files().map(|(path, size)| (path.clone(), size)).collect();
            // These names and sizes are those of the walk, by this process.
            let found = Observed::<Vec<(ModelPath, u64)>>::measured_by_this_process(found);
            let list = FileList::new(serialization.clone(), found).leaving_out(self.inside.iter().cloned());
            facts.listed(if files.source().is_file() { list.of_single_file() } else { list })
        })
    }

    fn contents(&self, allowed: AllowedAsRead<'_>, effort: Effort) -> Option<Contents> {
        let promise = allowed.promise();
        let (_, files) = self.found.iter().find(|(listed, _)| listed == promise.listed_under())?;
        Some(Contents::new(files.clone(), Arc::new(promise.manifest().clone()), effort))
    }
}

impl Readable {
    pub(super) fn new(source: Option<Source>, settings: &Settings, inside: Vec<ModelPath>) -> Self {
        Self {
            made: OnceLock::new(),
            source: Mutex::new(source),
            path: settings.model.clone(),
            inside,
            effort: settings.effort,
        }
    }

    /// Whether the contents are there, without looking at the model.
    pub(super) fn is_made(&self) -> bool {
        self.made.get().is_some()
    }

    pub(super) fn with(self, contents: Option<Contents>) -> Self {
        match contents {
            Some(contents) => Self { made: contents.into(), ..self },
            None => self,
        }
    }

    /// The files of what was measured.
    fn of_measured(&self, manifest: Manifest) -> Result<Contents, LoadError> {
        let opened = self.source.lock().unwrap_or_else(PoisonError::into_inner).take();
        let source = opened.map_or_else(|| Source::open(&self.path), Ok);
        let options = options(self.effort, manifest.serialization(), &self.inside);
        let files = source.and_then(|source| Files::of(source, &options, &()));
        let files = files.map_err(|error| LoadError::of_listing(&error))?;
        Ok(Contents::new(files, Arc::new(manifest), self.effort))
    }
}

fn options(effort: Effort, serialization: &Serialization, inside: &[ModelPath]) -> Options {
    Options { serialization: serialization.clone(), exclude: inside.to_vec(), ..effort.options() }
}

impl Decided {
    /// The list that the bytes of an allowed model are compared with: what was measured, as far as every policy's word goes.
    fn readable(&self) -> Result<Manifest, LoadError> {
        let [measured] = &self.measured[..] else { return Err(LoadError::several_ways()) };
        let lists = self.lists().ok_or_else(LoadError::several_ways)?;
        let manifest = measured.get();
        let listed = manifest.resources().iter().filter(|resource| is_listed(&lists, &resource.path));
        let resources: Vec<_> = listed.cloned().collect();
        Manifest::new(manifest.serialization().clone(), resources).map_err(|_| LoadError::several_ways())
    }

    /// The names that each list has which every policy's word goes for; of a list of one file, which may have any name, none.
    /// Whoever is not allowed has no such list.
    fn lists(&self) -> Option<Vec<Option<HashSet<ModelPath>>>> {
        self.decision.allowed(true).map(|allowed| {
            let names = |list: &'_ Manifest| -> Option<HashSet<ModelPath>> {
                // Of a model that is one file it is that file, whatever it is called.
                let names = list.resources().iter().map(|resource| resource.path.clone());
                (!list.is_reference_single_file()).then(|| names.collect())
            };
            let lists = allowed.lists().map(|list| names(&list.manifest));
            lists.collect::<Vec<_>>()
        })
    }
}

fn is_listed(lists: &[Option<HashSet<ModelPath>>], path: &ModelPath) -> bool {
    lists.iter().all(|names| names.as_ref().is_none_or(|names| names.contains(path)))
}

impl AllowedModel {
    /// Its files. Each is compared, as it is read, with the signed list that was decided about, or with what was measured when
    /// the decision was made; a file that is there and that the policies only let be there is none of them. Opening files by
    /// their paths instead would undo the decision: they may have been written to since.
    ///
    /// They do not expire: when [`valid_until`](Self::valid_until) has come, decide again.
    ///
    /// # Errors
    /// [`LoadError`] when the files are not there any more; `error.unsupported` after [`run`](DecideRequest::run), where the
    /// model had to be measured in several ways, such that bytes of different moments may have been judged.
    pub fn contents(&self) -> Result<&Contents, LoadError> {
        let readable = &self.decided.readable;
        if let Some(contents) = readable.made.get() {
            return Ok(contents);
        }
        let contents = readable.of_measured(self.decided.readable()?)?;
        Ok(readable.made.get_or_init(|| contents))
    }

    /// The names of the files that were measured and decided about, without looking at the model again.
    #[cfg(target_os = "linux")]
    pub(crate) fn decided_names(&self) -> std::collections::BTreeSet<ModelPath> {
        let Some(lists) = self.decided.lists() else { return std::collections::BTreeSet::new() };
        let mut ways = self.decided.measured.iter().map(|measured| {
            let names = measured.get().resources().iter().map(|resource| &resource.path);
            names.filter(|path| is_listed(&lists, path)).cloned().collect::<std::collections::BTreeSet<_>>()
        });
        let first = ways.next().unwrap_or_default();
        ways.fold(first, |names, more| names.intersection(&more).cloned().collect())
    }

    /// [`Contents::open`].
    ///
    /// # Errors
    /// As [`contents`](Self::contents) and [`Contents::open`].
    pub fn open(&self, name: &str) -> Result<VerifiedFile, LoadError> {
        self.contents()?.open(name)
    }

    /// [`Contents::open_all_fused`].
    ///
    /// # Errors
    /// As [`contents`](Self::contents) and [`Contents::open_all_fused`].
    pub fn open_all_fused(
        &self,
        progress: &dyn Progress,
    ) -> Result<Vec<(ModelPath, VerifiedBytes)>, LoadError> {
        self.contents()?.open_all_fused(progress)
    }

    /// The proof for whoever asks for one about bytes that are compared as they are read.
    #[must_use]
    pub fn allowed_as_read(&self) -> Option<AllowedAsRead<'_>> {
        self.decided.decision.allowed_as_read()
    }

    /// Until when the same inputs give the same verdict: then decide again. A policy or a signature may end then, or a deny list
    /// be out of date.
    #[must_use]
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.decided.decision.report().valid_until.as_ref().and_then(|until| until.parse().ok())
    }
}
