//! [`measure_also`]: a model's manifest, and further digests of its files from the same read.

use crate::{
    engine::Engine,
    error::MeasureError,
    measure::{Measured, Options, measure_walked},
    multi::MultiKernel,
    plan::Plan,
    progress::Progress,
    read::ReadAt,
    source::Source,
    walk::{FoundFile, Walked, walk},
};
use modelseal_core::{
    digest::{Algorithm, Digest},
    manifest::{Manifest, Method, Resource},
    observed::Observed,
    text::Printable,
};
use std::{collections::BTreeSet, fmt, fs::File, str::FromStr};

/// A digest of a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileHash {
    /// A hash of the OMS algorithm registry.
    Oms(Algorithm),
    /// The fs-verity digest of Linux: a Merkle tree of SHA-256 over blocks of 4096 bytes, without salt. The kernel
    /// gives it for a file in constant time, and enforces it at every read.
    FsVerity,
}

/// There is no [`FileHash`] of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFileHash(String);

/// One further digest of every file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Also {
    /// Which.
    pub hash: FileHash,
    /// Of each file, in the order of the manifest's resources. That of fs-verity is a SHA-256 digest, as the `fsverity`
    /// tool writes it; it is not the SHA-256 of the file.
    pub digests: Vec<Digest>,
}

/// Measures as [`measure`](crate::measure()), under [`Method::Files`], and gives further digests of the same bytes, each
/// once and in the order of [`FileHash`]. Every byte is read once. Without further digests this is
/// [`measure`](crate::measure()).
///
/// # Errors
/// As [`measure`](crate::measure()); [`MeasureError::AlsoNeedsWholeFiles`] under [`Method::Shards`].
pub fn measure_also(
    source: &Source,
    options: &Options,
    also: &[FileHash],
    progress: &dyn Progress,
) -> Result<(Measured, Vec<Also>), MeasureError> {
    check_also(options, also)?;
    let walked = walk(source, options.rules(), progress)?;
    also_of(source, walked, options, also, progress, |_, file| file)
}

/// Further digests are of whole files.
pub(crate) fn check_also(options: &Options, also: &[FileHash]) -> Result<(), MeasureError> {
    let whole = also.is_empty() || options.serialization.method == Method::Files;
    if whole { Ok(()) } else { Err(MeasureError::AlsoNeedsWholeFiles) }
}

/// [`measure_also`] of what was walked, with files read as `wrap` gives them.
pub(crate) fn also_of<R: ReadAt>(
    source: &Source,
    walked: Walked,
    options: &Options,
    also: &[FileHash],
    progress: &dyn Progress,
    wrap: impl Fn(&FoundFile, File) -> R + Sync,
) -> Result<(Measured, Vec<Also>), MeasureError> {
    if also.is_empty() {
        return Ok((measure_walked(source, walked, options, progress, wrap)?, Vec::new()));
    }
    let Options { serialization, threads, memory, .. } = options;
    let main = FileHash::Oms(serialization.algorithm);
    let hashes: BTreeSet<FileHash> = also.iter().copied().chain([main]).collect();
    let plan = Plan::new(&walked.files, serialization.method)?;
    let (files, bytes) = (walked.files.len(), plan.bytes);
    progress.plan(files, bytes);
    let engine = Engine {
        source,
        walked: &walked,
        plan: &plan,
        threads: *threads,
        memory: *memory,
        progress,
        into: None,
    };
    let mut found = engine.run(&MultiKernel { hashes: hashes.clone() }, wrap)?;
    let path = |job: usize| &walked.files[plan.jobs[job].file as usize].path;
    found.sort_unstable_by(|(a, _), (b, _)| path(*a).cmp(path(*b)));
    let column = |at: usize| found.iter().filter_map(move |(job, digests)| Some((*job, *digests.get(at)?)));
    let mut resources = Vec::new();
    let mut further = Vec::new();
    for (at, hash) in hashes.into_iter().enumerate() {
        if hash == main {
            let resource = |(job, digest)| Resource { path: path(job).clone(), range: None, digest };
            resources = column(at).map(resource).collect();
        }
        if also.contains(&hash) {
            further.push(Also { hash, digests: column(at).map(|(_, digest)| digest).collect() });
        }
    }
    let mut manifest = Manifest::sorted(serialization.clone(), resources).map_err(MeasureError::Manifest)?;
    if source.is_file() {
        manifest = manifest.of_single_file();
    }
    let manifest = Observed::measured_by_this_process(manifest);
    Ok((Measured { manifest, bytes, files, notes: walked.notes }, further))
}

impl FileHash {
    /// All there are.
    pub const ALL: [Self; 4] = [
        Self::Oms(Algorithm::Sha256),
        Self::Oms(Algorithm::Blake2b),
        Self::Oms(Algorithm::Blake3),
        Self::FsVerity,
    ];

    /// Its name: that of the OMS registry, or `fs-verity`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oms(algorithm) => algorithm.name(),
            Self::FsVerity => "fs-verity",
        }
    }
}

impl Also {
    /// SHA-256 over the concatenated digests (OMS v1.0 §6.5.1), for a hash of the OMS registry: the root digest of the
    /// model measured under that hash.
    #[must_use]
    pub fn root_digest(&self) -> Option<Digest> {
        let FileHash::Oms(_) = self.hash else { return None };
        let mut root = modelseal_sha256::Sha256::new();
        for digest in &self.digests {
            root.update(digest.as_bytes());
        }
        Some(Digest::sha256(root.finalize()))
    }
}

impl FromStr for FileHash {
    type Err = UnknownFileHash;

    fn from_str(name: &str) -> Result<Self, UnknownFileHash> {
        let known = Self::ALL.into_iter().find(|hash| hash.name() == name);
        known.ok_or_else(|| UnknownFileHash(name.chars().take(64).collect()))
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for UnknownFileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Printable(&self.0);
        write!(f, "there is no digest '{name}'; known are sha256, blake2b, blake3 and fs-verity")
    }
}

impl std::error::Error for UnknownFileHash {}
