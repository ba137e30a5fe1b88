//! [`Contents`]: the files of a verified model, given out after they were compared with what was signed.
//!
//! ```text
//! verdict -> Contents -> open, read, read_into, open_all_fused   memory of this process
//!                     -> sealed                                 memory that the kernel lets nobody write to (Linux)
//!                     -> copy_to                                files of a private copy
//! ```
//!
//! | module | part |
//! |---|---|
//! | `file` | [`VerifiedFile`]: read here and there; by shards each is verified when it is first touched |
//! | `kept` | the shards that a file keeps |
//! | `bytes` | [`VerifiedBytes`]: a whole file in memory |
//! | `memory` | how much memory there is |
//! | `parts` | several parts of one file, or several files, at once |
//! | `copy` | a private copy |
//! | `error` | [`LoadError`] |
//!
//! No path is opened again to be read without being hashed: what is given out is what was hashed, and the digest is that of
//! the signed manifest.

mod bytes;
mod copy;
mod error;
mod file;
mod kept;
mod memory;
mod parts;
#[cfg(test)]
mod tests;

pub use self::{bytes::VerifiedBytes, error::LoadError, file::VerifiedFile};

use crate::digest::Effort;
use modelseal_core::{
    digest::Digest,
    manifest::{ByteRange, Manifest, Method},
    path::ModelPath,
};
use modelseal_model::{Files, Memory, Options, Progress, Wanted, load};
use std::{collections::HashMap, num::NonZeroU64, path::Path, sync::Arc};

/// The files of a model that was verified: each is compared with the signed manifest as it is read, and nothing is given out
/// before. Cheap to clone.
///
/// Only a verdict makes one: [`VerifiedModel::contents`](crate::VerifiedModel::contents).
///
/// ```no_run
/// # let key = modelseal::PublicKey::from_pem(&std::fs::read("public.pem")?)?;
/// let model = modelseal::verify("my-model").signature("model.sig").with_key(key).open(&())?;
/// let weights = model.contents().read("model.safetensors", &())?;
/// println!("{} verified bytes", weights.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Contents(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Files,
    manifest: Arc<Manifest>,
    options: Options,
    /// Sorted by name.
    entries: Vec<Entry>,
    /// Positions in the manifest: those of one entry together and in the order of its shards.
    resources: Vec<u32>,
}

/// A signed file that is there.
#[derive(Debug)]
struct Entry {
    /// Its place in `files`.
    file: usize,
    /// Where its resources begin, and how many they are.
    first: usize,
    shards: usize,
}

/// Whole shards and what lies between them.
struct Span {
    shard: u32,
    range: ByteRange,
}

impl Contents {
    /// The files of `manifest`, which somebody signed, among `files`. What is not signed is not in it.
    pub(crate) fn new(files: Files, manifest: Arc<Manifest>, effort: Effort) -> Self {
        let alone = files.source().is_file() && manifest.is_reference_single_file();
        let signed = manifest.resources();
        let start = |at: &u32| signed[*at as usize].range.map_or(0, |range| range.start);
        let mut of_path: HashMap<&ModelPath, Vec<u32>> = HashMap::new();
        for (at, resource) in (0..).zip(signed) {
            of_path.entry(&resource.path).or_default().push(at);
        }
        let dot = ModelPath::reference_single_file();
        let (mut entries, mut resources) = (Vec::new(), Vec::with_capacity(signed.len()));
        for (file, (path, _)) in files.files().enumerate() {
            let Some(mut of_it) = of_path.remove(if alone { &dot } else { path }) else { continue };
            of_it.sort_unstable_by_key(start);
            entries.push(Entry { file, first: resources.len(), shards: of_it.len() });
            resources.append(&mut of_it);
        }
        drop(of_path);
        let options = Options { serialization: manifest.serialization().clone(), ..effort.options() };
        Self(Arc::new(Inner { files, manifest, options, entries, resources }))
    }

    /// Every file with its size in bytes, sorted by name.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&ModelPath, u64)> {
        self.0.entries.iter().map(|entry| self.0.files.get(entry.file))
    }

    /// What was signed, which everything is compared with.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// Opens a file, to be read here and there. Nothing is read before somebody asks for bytes.
    ///
    /// # Errors
    /// [`LoadError`] `integrity.not-signed`, when nobody signed a file of this name.
    pub fn open(&self, name: &str) -> Result<VerifiedFile, LoadError> {
        Ok(VerifiedFile::new(self.clone(), self.find(name)?))
    }

    /// Reads a whole file into memory; it is hashed while it is copied, in one pass.
    ///
    /// # Errors
    /// [`LoadError`]: the file is not what was signed, not signed, cannot be read, or memory is short.
    pub fn read(&self, name: &str, progress: &dyn Progress) -> Result<VerifiedBytes, LoadError> {
        self.read_at_place(self.find(name)?, progress)
    }

    /// Reads every file into memory, hashed while it is copied, by as many threads as there may be.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn open_all_fused(
        &self,
        progress: &dyn Progress,
    ) -> Result<Vec<(ModelPath, VerifiedBytes)>, LoadError> {
        let total = self.files().map(|(_, size)| size).fold(0, u64::saturating_add);
        memory::check(total, "the model")?;
        let mut loaded = Vec::with_capacity(self.0.entries.len());
        for (path, size) in self.files() {
            loaded.push((path.clone(), VerifiedBytes::unverified(size, path)?));
        }
        let mut into = Memory::new();
        let mut wanted = Vec::with_capacity(self.0.resources.len());
        for (place, (entry, (_, bytes))) in self.0.entries.iter().zip(&mut loaded).enumerate() {
            into = into.with(entry.file, 0, bytes.as_mut());
            wanted.extend(self.wanted(place));
        }
        self.load(&wanted, &into, progress)?;
        drop(into);
        Ok(loaded)
    }

    /// Fills `into` with the bytes of a file from `offset` on. Under `shards` those that lie whole in the range go straight
    /// there, and only those that the range touches are read. Under `files` the whole file is read and hashed.
    ///
    /// # Errors
    /// As [`read`](Self::read), and `usage.flags` for a range that goes beyond the file. Then `into` is full of zeros.
    pub fn read_into(
        &self,
        name: &str,
        offset: u64,
        into: &mut [u8],
        progress: &dyn Progress,
    ) -> Result<(), LoadError> {
        let place = self.find(name)?;
        let outcome = self.fill(place, offset, into, progress);
        if outcome.is_err() {
            // What did arrive was not compared.
            into.fill(0);
        }
        outcome
    }

    /// A file in memory with the bytes of a file: nobody can write to it any more, not even this process (a memfd with all
    /// seals). Its offset is 0; it is closed on `exec` unless told otherwise. `/proc/self/fd/N` is a path to it.
    ///
    /// # Errors
    /// As [`read`](Self::read); `error.unsupported` where the system has no such memory.
    #[cfg(target_os = "linux")]
    pub fn sealed(&self, name: &str, progress: &dyn Progress) -> Result<std::fs::File, LoadError> {
        let place = self.find(name)?;
        let (path, size) = self.get(place);
        memory::check(size, &format!("'{path}'")).map_err(|error| error.about(path))?;
        let digests: Vec<Digest> = self.digests(place).collect();
        modelseal_model::seal(&self.0.files, &self.0.options, self.0.entries[place].file, &digests, progress)
            .map_err(|error| LoadError::of_load(&error, &self.0.files))
    }

    /// Copies every file into `directory`, which is made when it is not there and must be empty: each is hashed while it is
    /// copied, and none has its final name before all were compared. Files can be read by their owner alone. The copy is not
    /// flushed to the disk: it is there to be used now.
    ///
    /// # Errors
    /// As [`read`](Self::read); `usage.output` when there is something in the directory, `error.io` when it cannot be written
    /// to. Then nothing is left there.
    pub fn copy_to(&self, directory: &Path, progress: &dyn Progress) -> Result<(), LoadError> {
        copy::copy(self, directory, progress)
    }

    fn find(&self, name: &str) -> Result<usize, LoadError> {
        let entries = &self.0.entries;
        entries
            .binary_search_by(|entry| self.0.files.get(entry.file).0.as_str().cmp(name))
            .map_err(|_| LoadError::not_signed(name))
    }

    fn get(&self, place: usize) -> (&ModelPath, u64) {
        self.0.files.get(self.0.entries[place].file)
    }

    /// The signed digests of a file, in the order of its shards.
    fn digests(&self, place: usize) -> impl Iterator<Item = Digest> {
        let Inner { entries, resources, manifest, .. } = &*self.0;
        let Entry { first, shards, .. } = entries[place];
        resources[first..first + shards].iter().map(|at| manifest.resources()[*at as usize].digest)
    }

    /// All resources of a file.
    fn wanted(&self, place: usize) -> impl Iterator<Item = Wanted> {
        let file = self.0.entries[place].file;
        self.digests(place).zip(0..).map(move |(digest, shard)| Wanted { file, shard, digest })
    }

    fn shard_size(&self) -> Option<NonZeroU64> {
        match self.0.options.serialization.method {
            Method::Files => None,
            Method::Shards(size) => Some(size),
        }
    }

    /// The shards of a file that hold a byte of this range. Under `files` there is one, the file.
    fn spans(&self, place: usize, range: ByteRange) -> impl Iterator<Item = Span> {
        let (_, len) = self.get(place);
        let size = self.shard_size().map_or(u64::MAX, NonZeroU64::get);
        let first = range.start / size;
        let end = range.end.min(len);
        let count = if range.start < end { (end - 1) / size - first + 1 } else { 0 };
        (first..first + count).filter_map(move |shard| {
            let start = shard * size;
            let range = ByteRange { start, end: start.saturating_add(size).min(len) };
            Some(Span { shard: u32::try_from(shard).ok()?, range })
        })
    }

    fn wanted_shard(&self, place: usize, shard: u32) -> Result<Wanted, LoadError> {
        let Inner { entries, resources, manifest, .. } = &*self.0;
        let Entry { file, first, shards } = entries[place];
        let at = usize::try_from(shard).ok().filter(|shard| *shard < shards);
        let at = at.ok_or_else(|| LoadError::longer(self.get(place).0))?;
        let digest = manifest.resources()[resources[first + at] as usize].digest;
        Ok(Wanted { file, shard, digest })
    }

    fn load(
        &self,
        wanted: &[Wanted],
        into: &dyn modelseal_model::Destination,
        progress: &dyn Progress,
    ) -> Result<(), LoadError> {
        let Inner { files, options, .. } = &*self.0;
        load(files, options, wanted, into, progress).map_err(|error| LoadError::of_load(&error, files))
    }

    /// A shard, or the file under `files`, in memory of its own.
    fn read_span(
        &self,
        place: usize,
        span: &Span,
        progress: &dyn Progress,
    ) -> Result<VerifiedBytes, LoadError> {
        let (path, _) = self.get(place);
        let wanted = self.wanted_shard(place, span.shard)?;
        let mut bytes = VerifiedBytes::unverified(span.range.end - span.range.start, path)?;
        let into = Memory::new().with(wanted.file, span.range.start, bytes.as_mut());
        self.load(&[wanted], &into, progress)?;
        drop(into);
        Ok(bytes)
    }

    fn read_at_place(&self, place: usize, progress: &dyn Progress) -> Result<VerifiedBytes, LoadError> {
        let (path, size) = self.get(place);
        let mut bytes = VerifiedBytes::unverified(size, path)?;
        let wanted: Vec<Wanted> = self.wanted(place).collect();
        let into = Memory::new().with(self.0.entries[place].file, 0, bytes.as_mut());
        self.load(&wanted, &into, progress)?;
        drop(into);
        Ok(bytes)
    }

    /// Fills `into`, which holds what was not compared when this fails.
    fn fill(
        &self,
        place: usize,
        offset: u64,
        into: &mut [u8],
        progress: &dyn Progress,
    ) -> Result<(), LoadError> {
        let (path, size) = self.get(place);
        let end = offset.checked_add(into.len() as u64).filter(|end| *end <= size);
        let Some(end) = end else { return Err(LoadError::beyond(path, offset, into.len(), size)) };
        if into.is_empty() {
            return Ok(());
        }
        let file = self.0.entries[place].file;
        let mut wanted = Vec::new();
        for span in self.spans(place, ByteRange { start: offset, end }) {
            wanted.push(self.wanted_shard(place, span.shard)?);
        }
        // What of a shard lies outside the slice is hashed and let go.
        self.load(&wanted, &Memory::new().with(file, offset, into), progress)
    }
}
