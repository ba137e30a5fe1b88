//! [`Memory`]: slices that the bytes of files go to.

use crate::load::Destination;
use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, PoisonError},
};

/// Bytes of a chunk, each behind a lock of its own. Not more than the least piece in which one message is hashed by several
/// workers, so that these seldom meet at one.
const CHUNK: usize = 1024 * 1024;

/// Slices that take the bytes of ranges of files. What lies in none of them is hashed and let go.
#[derive(Debug, Default)]
pub struct Memory<'m> {
    /// For each file its slices, by the offset at which they begin.
    files: BTreeMap<usize, BTreeMap<u64, Slice<'m>>>,
}

#[derive(Debug)]
struct Slice<'m> {
    len: u64,
    chunks: Vec<Mutex<&'m mut [u8]>>,
}

impl<'m> Memory<'m> {
    /// No slices.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes of a file, by its place in [`Files::files`](crate::Files::files), from `offset` on. Slices of one
    /// file must not overlap: bytes go to one of them.
    #[must_use]
    pub fn with(mut self, file: usize, offset: u64, slice: &'m mut [u8]) -> Self {
        let len = slice.len() as u64;
        let chunks = slice.chunks_mut(CHUNK).map(Mutex::new).collect();
        self.files.entry(file).or_default().insert(offset, Slice { len, chunks });
        self
    }
}

impl Destination for Memory<'_> {
    fn take(&self, file: usize, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(slices) = self.files.get(&file) else { return Ok(()) };
        let end = offset.saturating_add(bytes.len() as u64);
        // The last slice that begins before the bytes end, and those before it as long as they reach into them.
        for (start, slice) in slices.range(..end).rev() {
            let from = offset.max(*start);
            let to = end.min(start.saturating_add(slice.len));
            if from >= to {
                break;
            }
            let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
            let part = bytes.get(at(from - offset)..at(to - offset)).unwrap_or_default();
            slice.put(at(from - start), part);
        }
        Ok(())
    }
}

impl Slice<'_> {
    fn put(&self, mut at: usize, mut bytes: &[u8]) {
        while let (false, Some(chunk)) = (bytes.is_empty(), self.chunks.get(at / CHUNK)) {
            let mut chunk = chunk.lock().unwrap_or_else(PoisonError::into_inner);
            let within = at % CHUNK;
            let count = bytes.len().min(chunk.len().saturating_sub(within));
            if count == 0 {
                break;
            }
            let (now, later) = bytes.split_at(count);
            chunk[within..within + count].copy_from_slice(now);
            bytes = later;
            at += count;
        }
    }
}
