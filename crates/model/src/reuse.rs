//! Measuring only what is not known already, for whoever chooses to trust that unchanged files are unchanged.

use crate::{
    error::MeasureError,
    measure::{Options, hash},
    note::Note,
    plan::Plan,
    progress::Progress,
    source::Source,
    walk::{FoundFile, Walked, walk},
};
use modelseal_core::{
    digest::Digest,
    manifest::{ByteRange, Manifest, Resource},
    path::ModelPath,
};
use std::collections::HashMap;

/// What changes when a file is written to or replaced, short of somebody who sets the clock, writes below the file system,
/// or maps the file into memory and writes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// When its bytes last changed: seconds and nanoseconds.
    pub modified: (u64, u32),
    /// When its inode last changed: seconds and nanoseconds.
    pub changed: (u64, u32),
}

/// The digests of one file, by the range each is of; `None` for the whole file.
pub type KnownDigests = HashMap<Option<ByteRange>, Digest>;

/// A model of which only some files were read.
#[derive(Debug, Clone)]
pub struct Partly {
    /// What it consists of: measured, and known. Nobody measured all of it, so it proves nothing by itself.
    pub manifest: Manifest,
    /// Bytes of all files.
    pub bytes: u64,
    /// Files that were not read.
    pub known: usize,
    /// The files and what to know them by, where the system has such a thing. Those that were read had this identity
    /// before and after.
    pub identities: Vec<(ModelPath, Identity)>,
    /// Things to say about the model.
    pub notes: Vec<Note>,
}

/// Measures as [`measure`](crate::measure()), but for the files that `known` has all digests of: by path and identity, a
/// digest for each resource, by its range.
///
/// # Errors
/// As [`measure`](crate::measure()).
pub fn measure_except(
    source: &Source,
    options: &Options,
    known: &dyn Fn(&ModelPath, Identity) -> KnownDigests,
    progress: &dyn Progress,
) -> Result<Partly, MeasureError> {
    let walked = walk(source, options.rules(), progress)?;
    let of_file = |file: &FoundFile| file.identity.map(|id| known(&file.path, id)).unwrap_or_default();
    let digests: Vec<_> = walked.files.iter().map(of_file).collect();
    let Known { manifest, bytes, known } = measure_but(source, &walked, options, &digests, progress)?;
    let identity = |file: FoundFile| file.identity.map(|identity| (file.path, identity));
    let identities = walked.files.into_iter().filter_map(identity).collect();
    Ok(Partly { manifest, bytes, known, identities, notes: walked.notes })
}

/// A manifest of digests that were computed, and of others.
pub(crate) struct Known {
    pub(crate) manifest: Manifest,
    /// Bytes of all files.
    pub(crate) bytes: u64,
    /// Files that were not read.
    pub(crate) known: usize,
}

/// Reads the files of a walk that `digests`, in its order, has not all of.
pub(crate) fn measure_but(
    source: &Source,
    walked: &Walked,
    options: &Options,
    digests: &[KnownDigests],
    progress: &dyn Progress,
) -> Result<Known, MeasureError> {
    let mut plan = Plan::new(&walked.files, options.serialization.method)?;
    let bytes = plan.bytes;
    // A file is known whole or not at all.
    let mut is_known: Vec<bool> = digests.iter().map(|digests| !digests.is_empty()).collect();
    for job in &plan.jobs {
        let at = job.file as usize;
        is_known[at] &= digests[at].contains_key(&plan.named_range(*job, &walked.files[at]));
    }
    let mut resources = Vec::new();
    for job in &plan.jobs {
        let at = job.file as usize;
        let range = plan.named_range(*job, &walked.files[at]);
        if let (true, Some(digest)) = (is_known[at], digests[at].get(&range)) {
            resources.push(Resource { path: walked.files[at].path.clone(), range, digest: *digest });
        }
    }
    let kept: Vec<bool> = plan.jobs.iter().map(|job| !is_known[job.file as usize]).collect();
    plan.keep(&kept, &walked.files);
    let known = is_known.iter().filter(|known| **known).count();
    progress.plan(walked.files.len() - known, plan.bytes);
    resources.extend(hash(source, walked, &plan, options, progress, |_: &FoundFile, file| file)?);
    let mut manifest =
        Manifest::sorted(options.serialization.clone(), resources).map_err(MeasureError::Manifest)?;
    if source.is_file() {
        manifest = manifest.of_single_file();
    }
    Ok(Known { manifest, bytes, known })
}
