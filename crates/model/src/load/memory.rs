//! [`Memory`]: slices that the bytes of files go to.

use crate::load::Destination;
use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Slices that take the bytes of ranges of files. What lies in none of them is hashed and let go.
///
/// Every byte of them is given away once: to the thread that reads the file there. So no two ever see the same memory.
#[derive(Debug, Default)]
pub struct Memory<'m> {
    files: BTreeMap<usize, Mutex<Free<'m>>>,
}

#[derive(Debug, Default)]
struct Free<'m> {
    /// All slices of one file: where they begin and end.
    all: BTreeMap<u64, u64>,
    /// What of them nobody has been given yet, by the offset at which it begins.
    parts: BTreeMap<u64, &'m mut [u8]>,
}

impl<'m> Memory<'m> {
    /// No slices.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes of a file, by its place in [`Files::files`](crate::Files::files), from `offset` on. Slices of one
    /// file must not overlap in the file: else the load fails.
    #[must_use]
    pub fn with(mut self, file: usize, offset: u64, slice: &'m mut [u8]) -> Self {
        let free = self.files.entry(file).or_default().get_mut().unwrap_or_else(PoisonError::into_inner);
        free.all.insert(offset, offset.saturating_add(slice.len() as u64));
        free.keep(offset, slice);
        self
    }

    fn free(&self, file: usize) -> Option<MutexGuard<'_, Free<'m>>> {
        Some(self.files.get(&file)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Destination for Memory<'_> {
    fn take(&self, file: usize, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(mut free) = self.free(file) else { return Ok(()) };
        let end = offset.saturating_add(bytes.len() as u64);
        let mut missing = free.covered(offset, end);
        let mut at = offset;
        while let Some((start, part)) = free.next(at, end) {
            let from = usize::try_from(start - offset).unwrap_or(usize::MAX);
            let bytes = bytes.get(from..).and_then(|bytes| bytes.get(..part.len()));
            part.copy_from_slice(bytes.ok_or(io::ErrorKind::InvalidInput)?);
            at = start + part.len() as u64;
            missing -= part.len() as u64;
        }
        // What was given before must not be judged by what was read now.
        if missing == 0 { Ok(()) } else { Err(io::Error::other("bytes of a file arrived twice")) }
    }

    fn place(&self, file: usize, offset: u64, len: usize) -> Option<&mut [u8]> {
        self.free(file)?.exactly(offset, len)
    }
}

impl<'m> Free<'m> {
    /// Gives away this range, if it is all there.
    fn exactly(&mut self, offset: u64, len: usize) -> Option<&'m mut [u8]> {
        let (start, slice) = self.parts.range(..=offset).next_back()?;
        let start = *start;
        let before = usize::try_from(offset - start).ok()?;
        if len == 0 || slice.len() < before.checked_add(len)? {
            return None;
        }
        let slice = self.parts.remove(&start)?;
        let (head, rest) = slice.split_at_mut(before);
        let (given, tail) = rest.split_at_mut(len);
        self.keep(start, head);
        self.keep(offset + len as u64, tail);
        Some(given)
    }

    /// Gives away the first part of this range that is there.
    fn next(&mut self, offset: u64, end: u64) -> Option<(u64, &'m mut [u8])> {
        let reaches = |(start, slice): (&u64, &&'m mut [u8])| (*start, start + slice.len() as u64);
        let before = self.parts.range(..=offset).next_back().map(reaches).filter(|(_, to)| *to > offset);
        let after = || self.parts.range(offset..).next().map(reaches);
        let (start, to) = before.or_else(after).filter(|(start, _)| *start < end)?;
        let from = start.max(offset);
        let count = usize::try_from(to.min(end).checked_sub(from)?).ok()?;
        self.exactly(from, count).map(|part| (from, part))
    }

    /// How many bytes of this range lie in slices.
    fn covered(&self, offset: u64, end: u64) -> u64 {
        let within = |(start, to): (&u64, &u64)| to.min(&end).saturating_sub(*start.max(&offset));
        let overlapping = self.all.range(..end).rev().take_while(|(_, to)| **to > offset);
        overlapping.map(within).sum()
    }

    fn keep(&mut self, offset: u64, slice: &'m mut [u8]) {
        if !slice.is_empty() {
            self.parts.insert(offset, slice);
        }
    }
}
