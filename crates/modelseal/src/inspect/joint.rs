//! Measuring a model and inspecting its files in one read: what was judged is what was hashed.

use super::files::{Gate, SHARE};
use modelseal_core::{
    digest::Digest,
    inspection::{FileInspection, Inspection},
    observed::Observed,
    path::ModelPath,
};
use modelseal_inspect::{Bytes, RuleSet, inspect, join};
use modelseal_model::{
    Also, FileHash, FileView, Looked, MeasureError, Measured, Options, Progress, Source, measure_looking,
};
use sha2::{Digest as _, Sha256};
use std::{io, num::NonZeroUsize, thread};

/// A model that was measured and inspected. The inspection speaks of the files of the manifest, each once, and of the bytes
/// that their digests are of.
pub(crate) struct Inspected {
    pub(crate) measured: Measured,
    pub(crate) also: Vec<Also>,
    pub(crate) inspection: Observed<Inspection>,
}

/// Measures a model and inspects its files, by these rules.
pub(crate) fn measure_inspecting(
    source: &Source,
    options: &Options,
    also: &[FileHash],
    rules: &RuleSet,
    progress: &dyn Progress,
) -> Result<Inspected, MeasureError> {
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = options.threads.map_or_else(cores, NonZeroUsize::get);
    let memory = Gate::new(SHARE.saturating_mul(threads as u64));
    let look = |path: &ModelPath, view: &FileView<'_>| {
        let _memory = memory.enter_for(view.len());
        inspect(path, &View(view), rules.globals())
    };
    let Looked { measured, also, looks } = measure_looking(source, options, also, look, progress)?;
    let files: Vec<Observed<FileInspection>> = looks.into_iter().map(|(_, file)| file).collect();
    // Links are refused, or followed and measured as the files that they lead to.
    let inspection = join(files, Vec::new(), !source.is_file(), rules);
    Ok(Inspected { measured, also, inspection })
}

/// A model that was measured by shards, with the SHA-256 of its whole files: of the very bytes that the shards' digests are of.
pub(crate) struct Whole {
    pub(crate) measured: Measured,
    pub(crate) sha256: Vec<(ModelPath, Digest)>,
    pub(crate) inspection: Option<Observed<Inspection>>,
}

/// Measures a model and hashes its whole files besides; inspects them by these rules, if there are any.
pub(crate) fn measure_whole(
    source: &Source,
    options: &Options,
    rules: Option<&RuleSet>,
    progress: &dyn Progress,
) -> Result<Whole, MeasureError> {
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = options.threads.map_or_else(cores, NonZeroUsize::get);
    let memory = Gate::new(SHARE.saturating_mul(threads as u64));
    let look = |path: &ModelPath, view: &FileView<'_>| {
        let digest = hash(view)?;
        let Some(rules) = rules else { return Ok((digest, None)) };
        let _memory = memory.enter_for(view.len());
        Ok((digest, Some(inspect(path, &View(view), rules.globals())?)))
    };
    let Looked { measured, looks, .. } = measure_looking(source, options, &[], look, progress)?;
    let (mut sha256, mut files) = (Vec::with_capacity(looks.len()), Vec::new());
    for (path, (digest, file)) in looks {
        sha256.push((path, digest));
        files.extend(file);
    }
    let inspection = rules.map(|rules| join(files, Vec::new(), !source.is_file(), rules));
    Ok(Whole { measured, sha256, inspection })
}

fn hash(view: &FileView<'_>) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    while at < view.len() {
        let count = view.read_at(at, &mut buffer)?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        hash.update(read);
        at += count as u64;
    }
    Ok(Digest::sha256(hash.finalize().into()))
}

struct View<'v>(&'v FileView<'v>);

impl Bytes for View<'_> {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
}
