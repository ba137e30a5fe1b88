//! Several parts of a file, or several files, at once: each straight into memory of its own.

use super::{Contents, LoadError, memory};
use modelseal_core::manifest::ByteRange;
use modelseal_model::{Memory, Progress};
use std::collections::HashSet;

impl Contents {
    /// Fills each of `parts`, which has the offset at which it begins, in one pass over what they touch of the file. They are
    /// in the order of the file and do not overlap.
    ///
    /// # Errors
    /// As [`read_into`](Self::read_into), and `usage.range` when they overlap. Then all of them are full of zeros.
    pub fn read_parts(
        &self,
        name: &str,
        parts: &mut [(u64, &mut [u8])],
        progress: &dyn Progress,
    ) -> Result<(), LoadError> {
        let place = self.find(name)?;
        let outcome = self.fill_parts(place, parts, progress);
        if outcome.is_err() {
            // What did arrive was not compared.
            parts.iter_mut().for_each(|(_, part)| part.fill(0));
        }
        outcome
    }

    /// Reads whole files, each into memory of its size, in one pass over all of them: several files are hashed at once even
    /// by one thread, which is faster than one after the other.
    ///
    /// # Errors
    /// As [`read`](Self::read), and `usage.range` when the memory has another size than the file or a file is named twice.
    /// Then all of it is full of zeros.
    pub fn read_files(
        &self,
        files: &mut [(&str, &mut [u8])],
        progress: &dyn Progress,
    ) -> Result<(), LoadError> {
        let outcome = self.fill_files(files, progress);
        if outcome.is_err() {
            // What did arrive was not compared.
            files.iter_mut().for_each(|(_, bytes)| bytes.fill(0));
        }
        outcome
    }

    /// Finds what is certain not to fit into memory, before it is taken.
    ///
    /// # Errors
    /// [`LoadError`] `error.memory`.
    pub fn check_memory(&self, name: &str, bytes: u64) -> Result<(), LoadError> {
        let (path, _) = self.get(self.find(name)?);
        memory::check(bytes, &format!("'{path}'")).map_err(|error| error.about(path))
    }

    fn fill_files(&self, files: &mut [(&str, &mut [u8])], progress: &dyn Progress) -> Result<(), LoadError> {
        let (mut into, mut wanted, mut seen) = (Memory::new(), Vec::new(), HashSet::new());
        for (name, bytes) in files {
            let place = self.find(name)?;
            let (path, size) = self.get(place);
            if bytes.len() as u64 != size || !seen.insert(place) {
                return Err(LoadError::not_once(path, bytes.len(), size));
            }
            into = into.with(self.0.entries[place].file, 0, bytes);
            wanted.extend(self.wanted(place));
        }
        if wanted.is_empty() { Ok(()) } else { self.load(&wanted, &into, progress) }
    }

    fn fill_parts(
        &self,
        place: usize,
        parts: &mut [(u64, &mut [u8])],
        progress: &dyn Progress,
    ) -> Result<(), LoadError> {
        let (path, size) = self.get(place);
        let file = self.0.entries[place].file;
        let (mut into, mut wanted) = (Memory::new(), Vec::new());
        let (mut last, mut next_shard) = (0, 0);
        for (offset, part) in parts {
            let count = part.len();
            let end = offset.checked_add(count as u64).filter(|end| *offset >= last && *end <= size);
            let Some(end) = end else { return Err(LoadError::beyond(path, *offset, count, size)) };
            last = end;
            if count == 0 {
                continue;
            }
            for span in self.spans(place, ByteRange { start: *offset, end }) {
                if span.shard >= next_shard {
                    wanted.push(self.wanted_shard(place, span.shard)?);
                    next_shard = span.shard.saturating_add(1);
                }
            }
            into = into.with(file, *offset, part);
        }
        if wanted.is_empty() { Ok(()) } else { self.load(&wanted, &into, progress) }
    }
}
