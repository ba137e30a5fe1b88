//! [`load()`]: resources of a manifest, given to a destination on their way into the hash, and compared.
//!
//! ```text
//! file -> the destination's memory, or the engine's buffer and from there the destination
//!         \-> hash -> compared with the digest that was expected
//! ```
//!
//! So every byte is read once, and the bytes that were hashed are the bytes that arrived, whatever is written to the file
//! meanwhile. A destination must hold what it got back until [`load()`] has returned without an error.

mod error;
mod memory;
#[cfg(target_os = "linux")]
mod seal;
#[cfg(test)]
mod tests;

#[cfg(target_os = "linux")]
pub use self::seal::seal;
pub use self::{
    error::{LoadError, Mismatch},
    memory::Memory,
};

use crate::{
    error::MeasureError,
    files::Files,
    fs::Status,
    measure::{Options, digests},
    plan::Plan,
    progress::Progress,
    read::{Placing, ReadAt},
    walk::FoundFile,
};
use modelseal_core::{digest::Digest, manifest::Method, path::ModelPath};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    fs::File,
    io,
    sync::{Mutex, PoisonError},
};

/// A resource, and what it must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The file, by its place in [`Files::files`].
    pub file: usize,
    /// The number of its shard, under `shards`; 0 under `files`.
    pub shard: u32,
    /// The digest to compare with, of the algorithm that the options name.
    pub digest: Digest,
}

/// Where the bytes of resources go.
pub trait Destination: Sync {
    /// Takes the bytes of a file, by its place in [`Files::files`], from `offset` on. Every byte of what is loaded is given
    /// once, those of one resource in order; several threads call this at once.
    ///
    /// # Errors
    /// Whatever stops the load: [`LoadError::Destination`].
    fn take(&self, file: usize, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Memory for exactly so many bytes of a file from `offset` on, which are read into it and hashed there instead of being
    /// [taken](Self::take). `None` when there is none, or when some of it was given away before.
    fn place(&self, file: usize, offset: u64, len: usize) -> Option<&mut [u8]> {
        let _ = (file, offset, len);
        None
    }
}

/// Loads resources: gives their bytes to `into` while they are hashed, and compares every digest. Of `options` the method,
/// the hash, the threads and the memory count. A file must be what was listed, before and after it is read.
///
/// # Errors
/// [`LoadError`] names the file. Then nothing of what `into` took may be used.
pub fn load(
    files: &Files,
    options: &Options,
    wanted: &[Wanted],
    into: &dyn Destination,
    progress: &dyn Progress,
) -> Result<(), LoadError> {
    load_through(files, options, wanted, into, progress, |_, file| file)
}

/// [`load()`] with files read as `wrap` gives them.
pub(crate) fn load_through<R: ReadAt>(
    files: &Files,
    options: &Options,
    wanted: &[Wanted],
    into: &dyn Destination,
    progress: &dyn Progress,
    wrap: impl Fn(&FoundFile, File) -> R + Sync,
) -> Result<(), LoadError> {
    let walked = files.walked();
    let method = options.serialization.method;
    if let Some(beyond) = wanted.iter().find(|wanted| !exists(files, method, wanted)) {
        return Err(mismatch(files, beyond, None));
    }
    let place = |file: usize| u32::try_from(files.at(file)).unwrap_or(u32::MAX);
    // Each once, however often it is asked for: what arrived must not be judged by another read.
    let jobs: BTreeSet<(u32, u32)> = wanted.iter().map(|wanted| (place(wanted.file), wanted.shard)).collect();
    let plan = Plan::only(jobs.into_iter(), &walked.files, method);
    // By name, since that is what the engine tells when it opens a file.
    let places: HashMap<&ModelPath, usize> =
        wanted.iter().map(|wanted| (&files.found(wanted.file).path, wanted.file)).collect();
    progress.plan(places.len(), plan.bytes);
    let refused = Mutex::new(None);
    let wrap = |found: &FoundFile, file: File| Delivered {
        file: wrap(found, file),
        into: places.get(&found.path).map(|place| (into, *place)),
        size: found.size,
        refused: &refused,
    };
    let placed = Placed { into, places: wanted.iter().map(|w| (files.at(w.file), w.file)).collect() };
    let found = digests(files.source(), walked, &plan, options, (progress, Some(&placed)), wrap);
    if let Some(error) = refused.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(LoadError::Destination(error));
    }
    let mut digests: HashMap<(u32, u32), Digest> = HashMap::with_capacity(wanted.len());
    digests.extend(found?.into_iter().map(|(job, digest)| (plan.jobs[job].key(), digest)));
    // Of several the first as they were asked for.
    for wanted in wanted {
        let found = digests.get(&(place(wanted.file), wanted.shard));
        if found != Some(&wanted.digest) {
            return Err(mismatch(files, wanted, found.copied()));
        }
    }
    Ok(())
}

/// Whether the file reaches so far.
fn exists(files: &Files, method: Method, wanted: &Wanted) -> bool {
    match method {
        Method::Files => wanted.shard == 0,
        Method::Shards(size) => {
            let (_, len) = files.get(wanted.file);
            u64::from(wanted.shard) < len.div_ceil(size.get()).max(1)
        }
    }
}

fn mismatch(files: &Files, wanted: &Wanted, found: Option<Digest>) -> LoadError {
    let Wanted { file, shard, digest: expected } = *wanted;
    LoadError::Mismatch(Box::new(Mismatch { file, shard, path: files.shown(file), expected, found }))
}

/// The destination's own memory, for files by their places in the walk.
struct Placed<'a> {
    into: &'a dyn Destination,
    places: HashMap<usize, usize>,
}

impl Placing for Placed<'_> {
    fn place(&self, file: usize, offset: u64, len: usize) -> Option<&mut [u8]> {
        self.into.place(*self.places.get(&file)?, offset, len)
    }
}

/// A file whose bytes go to the destination as they are read.
struct Delivered<'a, R> {
    file: R,
    into: Option<(&'a dyn Destination, usize)>,
    size: u64,
    refused: &'a Mutex<Option<io::Error>>,
}

/// The destination refused. The cause of an [`io::Error`].
#[derive(Debug)]
struct Refused;

impl<R: ReadAt> ReadAt for Delivered<'_, R> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(buffer, offset)?;
        // The engine asks for a byte beyond the end, which is an error of its own should there be one.
        let inside = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let bytes = buffer.get(..read.min(inside)).unwrap_or_default();
        if let (Some((into, file)), false) = (self.into, bytes.is_empty())
            && let Err(error) = into.take(file, offset, bytes)
        {
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            return Err(io::Error::other(Refused));
        }
        Ok(read)
    }

    fn read_placed_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn status(&self) -> io::Result<Status> {
        self.file.status()
    }

    fn will_read(&self) {
        self.file.will_read();
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was read could not be kept")
    }
}

impl std::error::Error for Refused {}

impl From<MeasureError> for LoadError {
    fn from(error: MeasureError) -> Self {
        Self::Read(error)
    }
}
