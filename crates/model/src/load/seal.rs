//! [`seal`]: a file in memory that nobody can write to any more.

use crate::{
    engine::opener::Opener,
    error::MeasureError,
    files::Files,
    load::{LoadError, Wanted, mismatch},
    measure::{Options, digests},
    plan::Plan,
    progress::Progress,
    source::{Root, Source},
    walk::{FoundDirectory, FoundFile, Via, Walked},
};
use modelseal_core::digest::Digest;
use rustix::fs::{MemfdFlags, SealFlags};
use std::{ffi::OsString, fs::File, io, os::unix::fs::FileExt};

/// Bytes of the buffer between the file and the memory: it stays in the cache.
const BUFFER: usize = 256 * 1024;

/// Everything that can be sealed.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// Copies a file into memory (a memfd) that is sealed against writing, shrinking, growing and any change of the seals, then
/// hashes what is there and compares it: `expected` are the digests of its shards in order, or the only one under `files`.
/// The offset of what comes back is 0, and it is closed on `exec`.
///
/// It is hashed after it was sealed and not before: until then every process of the same user can open it by
/// `/proc/PID/fd`.
///
/// # Errors
/// [`LoadError`] names the file. [`LoadError::Destination`] where the system has no such memory, or none left.
pub fn seal(
    files: &Files,
    options: &Options,
    file: usize,
    expected: &[Digest],
    progress: &dyn Progress,
) -> Result<File, LoadError> {
    let found = files.found(file);
    let memory = rustix::fs::memfd_create("modelseal", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
        .map_err(|error| LoadError::Destination(error.into()))?;
    let memory = File::from(memory);
    progress.plan(1, found.size);
    copy(files, file, &memory, progress)?;
    // Fails when somebody maps it for writing.
    rustix::fs::fcntl_add_seals(&memory, SEALS).map_err(|error| LoadError::Destination(error.into()))?;

    // Nobody but the kernel gives these bytes from here on.
    let source = Source::of_file(files.source().path(), memory.try_clone().map_err(LoadError::Destination)?)?;
    let Root::File { status, .. } = &source.root else {
        return Err(LoadError::Destination(io::ErrorKind::InvalidData.into()));
    };
    let sealed = FoundFile {
        path: found.path.clone(),
        directory: 0,
        size: status.size,
        stamp: status.stamp,
        identity: None,
        via: Via::Model,
    };
    let root = FoundDirectory { parent: 0, name: OsString::new(), link: false };
    let walked = Walked { files: vec![sealed], directories: vec![root], ..Walked::default() };
    let plan = Plan::new(&walked.files, options.serialization.method)?;
    let got = digests(&source, &walked, &plan, options, (progress, None), |_, file| file)?;
    let mut of_shard = vec![None; got.len()];
    for (job, digest) in got {
        let (_, shard) = plan.jobs[job].key();
        if let Some(place) = usize::try_from(shard).ok().and_then(|shard| of_shard.get_mut(shard)) {
            *place = Some(digest);
        }
    }
    for (shard, digest) in (0..=u32::MAX).zip(expected) {
        let found = of_shard.get(shard as usize).copied().flatten();
        if found != Some(*digest) {
            return Err(mismatch(files, &Wanted { file, shard, digest: *digest }, found));
        }
    }
    if of_shard.len() == expected.len() {
        return Ok(memory);
    }
    let (Some(shard), Some(Some(beyond))) =
        (u32::try_from(expected.len()).ok(), of_shard.get(expected.len()))
    else {
        return Err(LoadError::Destination(io::ErrorKind::InvalidData.into()));
    };
    // Nobody expected this one.
    Err(mismatch(files, &Wanted { file, shard, digest: *beyond }, None))
}

/// Copies a file that holds still.
fn copy(files: &Files, file: usize, memory: &File, progress: &dyn Progress) -> Result<(), LoadError> {
    let (at, found) = (files.at(file), files.found(file));
    let mut opener = Opener::new(files.source(), files.walked());
    let open = opener.open(found).map_err(|error| opener.failed("open", at, error))?;
    opener.examine(at, &open).map_err(|(_, error)| error)?;
    memory.set_len(found.size).map_err(LoadError::Destination)?;
    crate::read::ReadAt::will_read(&open);
    let mut buffer = vec![0; BUFFER + 1];
    let mut next = 0;
    while next < found.size {
        if progress.cancelled() {
            return Err(MeasureError::Cancelled.into());
        }
        let read = opener.read((at, &open), &mut buffer, (next, found.size)).map_err(|(_, error)| error)?;
        memory.write_all_at(&buffer[..read], next).map_err(LoadError::Destination)?;
        next += read as u64;
    }
    opener.examine(at, &open).map_err(|(_, error)| error)?;
    Ok(())
}
