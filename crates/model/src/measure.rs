//! [`measure`]: a model's manifest, measured by this process; [`survey`]: its files, without reading them.

use crate::{
    engine::Engine,
    error::MeasureError,
    kernel::{Blake2bKernel, Blake3Kernel, Sha256Kernel},
    note::Note,
    plan::Plan,
    progress::Progress,
    read::{Placing, ReadAt},
    source::Source,
    walk::{FoundFile, Rules, Walked, walk},
};
use modelseal_core::{
    digest::{Algorithm, Digest},
    manifest::{Manifest, Resource, Serialization},
    observed::Observed,
    path::ModelPath,
};
use std::{fs::File, num::NonZeroUsize};

/// The default of [`Options::memory`]: 256 MB.
pub const DEFAULT_MEMORY: u64 = 256_000_000;

/// How to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// Method, hash, link rule and ignore paths; recorded in the manifest.
    pub serialization: Serialization,
    /// Files that are left out without being recorded as ignored: the signature, when it lies in the model.
    pub exclude: Vec<ModelPath>,
    /// When set, only these files are looked at; whatever else lies in the model is neither opened nor judged.
    pub only: Option<Vec<ModelPath>>,
    /// Threads at most; `None` for one on each core. The result does not depend on it.
    pub threads: Option<NonZeroUsize>,
    /// Read buffers at most, in bytes. One thread with 64 KiB buffers there is always.
    pub memory: u64,
}

/// A measured model.
#[derive(Debug, Clone)]
pub struct Measured {
    /// What it consists of.
    pub manifest: Observed<Manifest>,
    /// Bytes read.
    pub bytes: u64,
    /// Files read.
    pub files: usize,
    /// Things to say about it.
    pub notes: Vec<Note>,
}

/// The files of a model, unread.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Each file with its size in bytes, sorted by name.
    pub files: Vec<(ModelPath, u64)>,
    /// Their sizes together.
    pub bytes: u64,
    /// Things to say about the model.
    pub notes: Vec<Note>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            serialization: Serialization::default(),
            exclude: Vec::new(),
            only: None,
            threads: None,
            memory: DEFAULT_MEMORY,
        }
    }
}

/// Reads every byte of a model once and gives its manifest, the same for any number of threads.
///
/// ```
/// use modelseal_model::{Options, Source, measure};
/// # let folder = tempfile::tempdir().unwrap();
/// # std::fs::write(folder.path().join("weights.bin"), "abc").unwrap();
/// # let path = folder.path();
/// let source = Source::open(path)?;
/// let measured = measure(&source, &Options::default(), &())?;
/// let weights = &measured.manifest.get().resources()[0];
/// assert_eq!(weights.path.as_str(), "weights.bin");
/// assert!(weights.digest.to_string().starts_with("sha256:ba7816bf8f01cfea"));
/// # Ok::<(), modelseal_model::MeasureError>(())
/// ```
///
/// # Errors
/// [`MeasureError`] names the file; of several that fail at once, the first by name of those that were seen.
pub fn measure(
    source: &Source,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Measured, MeasureError> {
    measure_through(source, options, progress, |_, file| file)
}

/// Lists what [`measure`] would read, by the same rules.
///
/// # Errors
/// As [`measure`], but for those of reading.
pub fn survey(source: &Source, options: &Options) -> Result<Survey, MeasureError> {
    let walked = walk(source, options.rules(), &())?;
    let bytes = walked.bytes();
    let mut files: Vec<_> = walked.files.into_iter().map(|file| (file.path, file.size)).collect();
    files.sort_unstable();
    Ok(Survey { files, bytes, notes: walked.notes })
}

impl Options {
    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules {
            ignore_paths: &self.serialization.ignore_paths,
            exclude: &self.exclude,
            only: self.only.as_deref(),
            allow_symlinks: self.serialization.allow_symlinks,
            list_symlinks: false,
        }
    }
}

/// [`measure`] with files read as `wrap` gives them.
pub(crate) fn measure_through<R: ReadAt>(
    source: &Source,
    options: &Options,
    progress: &dyn Progress,
    wrap: impl Fn(&FoundFile, File) -> R + Sync,
) -> Result<Measured, MeasureError> {
    measure_walked(source, walk(source, options.rules(), progress)?, options, progress, wrap)
}

/// The same of what was walked.
pub(crate) fn measure_walked<R: ReadAt>(
    source: &Source,
    walked: Walked,
    options: &Options,
    progress: &dyn Progress,
    wrap: impl Fn(&FoundFile, File) -> R + Sync,
) -> Result<Measured, MeasureError> {
    let resources = resources(source, &walked, options, progress, wrap)?;
    let (files, bytes) = (walked.files.len(), walked.bytes());
    let notes = walked.notes;
    drop(walked.files);
    manifest(source, options, resources).map(|manifest| Measured { manifest, bytes, files, notes })
}

/// The same of what is walked and will be read again.
pub(crate) fn measure_listed(
    source: &Source,
    walked: &Walked,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Measured, MeasureError> {
    let resources = resources(source, walked, options, progress, |_, file| file)?;
    let (files, bytes) = (walked.files.len(), walked.bytes());
    let notes = walked.notes.clone();
    manifest(source, options, resources).map(|manifest| Measured { manifest, bytes, files, notes })
}

/// Every resource of what was walked, in no order.
fn resources<R: ReadAt>(
    source: &Source,
    walked: &Walked,
    options: &Options,
    progress: &dyn Progress,
    wrap: impl Fn(&FoundFile, File) -> R + Sync,
) -> Result<Vec<Resource>, MeasureError> {
    let plan = Plan::new(&walked.files, options.serialization.method)?;
    progress.plan(walked.files.len(), plan.bytes);
    hash(source, walked, &plan, options, progress, wrap)
}

fn manifest(
    source: &Source,
    options: &Options,
    resources: Vec<Resource>,
) -> Result<Observed<Manifest>, MeasureError> {
    let mut manifest =
        Manifest::sorted(options.serialization.clone(), resources).map_err(MeasureError::Manifest)?;
    if source.is_file() {
        manifest = manifest.of_single_file();
    }
    Ok(Observed::measured_by_this_process(manifest))
}

/// Hashes what is planned. The resources are in no order.
pub(crate) fn hash<R: ReadAt>(
    source: &Source,
    walked: &Walked,
    plan: &Plan,
    options: &Options,
    progress: &dyn Progress,
    wrap: impl Fn(&FoundFile, File) -> R + Sync,
) -> Result<Vec<Resource>, MeasureError> {
    let digests = digests(source, walked, plan, options, (progress, None), wrap)?;
    let resource = |(job, digest): (usize, _)| {
        let job = plan.jobs[job];
        let file = &walked.files[job.file as usize];
        Resource { path: file.path.clone(), range: plan.named_range(job, file), digest }
    };
    Ok(digests.into_iter().map(resource).collect())
}

/// The digest of each job of the plan, by its index, in no order. Bytes stay where they are placed, if they are.
pub(crate) fn digests<R: ReadAt>(
    source: &Source,
    walked: &Walked,
    plan: &Plan,
    options: &Options,
    (progress, into): (&dyn Progress, Option<&dyn Placing>),
    wrap: impl Fn(&FoundFile, File) -> R + Sync,
) -> Result<Vec<(usize, Digest)>, MeasureError> {
    let Options { threads, memory, .. } = *options;
    let engine = Engine { source, walked, plan, threads, memory, progress, into };
    match options.serialization.algorithm {
        Algorithm::Sha256 => engine.run(&Sha256Kernel, wrap),
        Algorithm::Blake2b => engine.run(&Blake2bKernel, wrap),
        Algorithm::Blake3 => engine.run(&Blake3Kernel, wrap),
    }
}
