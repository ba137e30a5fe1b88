//! What the questions of one search have read. The same few bundles often lead to many artifacts, and the same long file to
//! many bundles: without this, every step from one artifact to another would read and parse them again.
//!
//! Everything here is known by the SHA-256 of the file that it is from, so that it is what the index speaks of. It is kept
//! while a search lasts and no longer: the next one notices what was changed meanwhile.

use super::{Store, StoredBundle, index::Place, layout};
use std::{collections::HashMap, path::PathBuf, sync::Arc};

/// Memory that is taken for bundles at most, in bytes, by [`cost`].
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// Lines between two that are found at once.
const STRIDE: usize = 64;

/// Bundles and a file that were read.
#[derive(Debug, Default)]
pub(super) struct Cache {
    bundles: HashMap<Place, Known>,
    bytes: usize,
    file: Option<LastFile>,
    /// How many searches there are at the moment; nothing is kept when there is none.
    searches: usize,
}

/// A bundle, and what tells it from others: the digest of what stands between white space.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) bundle: Arc<StoredBundle>,
    pub(super) content: [u8; 32],
}

/// A search that lasts until this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Search<'a>(&'a Store);

/// The file that was read last, of which another line may be wanted next.
#[derive(Debug)]
pub(super) struct LastFile {
    path: PathBuf,
    sha256: [u8; 32],
    bytes: Vec<u8>,
    by_lines: bool,
    /// Where the first line begins, and each after as many as [`STRIDE`].
    starts: Vec<usize>,
}

impl Store {
    /// Keeps what questions read, within bounds, so that a search of many reads it once.
    pub(crate) fn search(&self) -> Search<'_> {
        self.begin_search();
        Search(self)
    }

    pub(crate) fn begin_search(&self) {
        self.state().cache.searches += 1;
    }

    pub(crate) fn end_search(&self) {
        let cache = &mut self.state().cache;
        match cache.searches {
            0 | 1 => *cache = Cache::default(),
            more => cache.searches = more - 1,
        }
    }
}

impl Drop for Search<'_> {
    fn drop(&mut self) {
        self.0.end_search();
    }
}

impl Cache {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self { searches: self.searches, ..Self::default() };
    }

    pub(super) fn take_file(&mut self) -> Option<LastFile> {
        self.file.take()
    }

    pub(super) fn keep_file(&mut self, file: Option<LastFile>) {
        self.file = file.filter(|_| self.searches > 0);
    }

    pub(super) fn get(&self, place: &Place) -> Option<Known> {
        self.bundles.get(place).cloned()
    }

    /// Keeps a bundle where there is room. Those that are there stay: in a dense graph each is wanted again and again.
    pub(super) fn keep(&mut self, place: &Place, known: &Known) {
        let cost = cost(&known.bundle);
        if self.searches > 0 && self.bytes + cost <= MAX_BYTES {
            self.bundles.insert(place.clone(), known.clone());
            self.bytes += cost;
        }
    }
}

impl Known {
    pub(super) fn new(bundle: StoredBundle) -> Self {
        let content = layout::sha256(bundle.bytes.trim_ascii());
        Self { bundle: Arc::new(bundle), content }
    }
}

/// About what a bundle takes: its bytes, its payload, and what its statement claims, in pieces.
fn cost(bundle: &StoredBundle) -> usize {
    1024 + bundle.bytes.len().saturating_mul(4)
}

impl LastFile {
    pub(super) fn new(path: PathBuf, sha256: [u8; 32], bytes: Vec<u8>) -> Self {
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(ends).step_by(STRIDE).collect();
        let by_lines = path.file_name().and_then(|name| name.to_str()).is_some_and(layout::has_lines);
        Self { path, sha256, bytes, by_lines, starts }
    }

    pub(super) fn is(&self, path: &PathBuf, sha256: &[u8; 32]) -> bool {
        self.path == *path && self.sha256 == *sha256
    }

    /// The line with this number, from 1, of a file of several; else the whole file, which is 0.
    pub(super) fn part(&self, line: u32) -> Option<&[u8]> {
        let Some(before) = usize::try_from(line).ok()?.checked_sub(1).filter(|_| self.by_lines) else {
            return Some(&*self.bytes).filter(|_| line == 0 && !self.by_lines);
        };
        let start = *self.starts.get(before / STRIDE)?;
        self.bytes.get(start..)?.split(|byte| *byte == b'\n').nth(before % STRIDE)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "these are tests")]

    use super::*;
    use crate::store::layout;

    #[test]
    fn a_line_is_found_by_its_number() {
        for text in ["", "\n", "a", "a\n", "a\n\nb", "\n\n"] {
            for times in [1, 63, 64, 65, 200] {
                let bytes = text.repeat(times).into_bytes();
                let file = LastFile::new("x.json".into(), [0; 32], bytes.clone());
                assert_eq!((file.part(0), file.part(1)), (Some(&*bytes), None));
                let file = LastFile::new("x.jsonl".into(), [0; 32], bytes.clone());
                assert_eq!(file.part(0), None);
                for (line, part) in layout::parts("x.jsonl", &bytes) {
                    assert_eq!(file.part(line), Some(part), "{text:?} {times} {line}");
                }
                let lines = u32::try_from(bytes.split(|byte| *byte == b'\n').count()).unwrap();
                assert_eq!(file.part(lines + 1), None);
            }
        }
    }
}
