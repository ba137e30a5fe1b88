//! [`Store`]: a folder of bundles, each under the name of its content, that several processes may add to at once, with an
//! index from artifacts to the statements about them.
//!
//! ```text
//! DIR/3f/3f9a..e1.sigstore.json    a bundle; the name is the SHA-256 of its bytes
//! DIR/team/nightly.intoto.jsonl    what others put there: .json, .jsonl and .sig files, a few folders deep
//! DIR/.index.sqlite                the index: a cache that can be removed at any time
//! ```
//!
//! A store believes nothing. What it gives back is well formed, has the digest that it was found by, and claims what was asked
//! for; whether somebody who may say so has signed it is for the caller to verify. Whoever can write to a store can
//! withhold bundles, by removing them or by an index that leaves them out, and cannot make one say something else.

mod ask;
mod cache;
mod claims;
mod clock;
mod files;
mod glance;
mod index;
mod layout;
mod problem;
mod put;
mod scan;
#[cfg(test)]
mod tests;
mod whole;

pub use claims::{Claims, Resource};
pub use problem::{Problem, ProblemKind, StoreError};

use cache::Cache;
use clock::Clock;
use files::Folder;
use index::{Index, IndexError};
use layout::MAX_DOCUMENT_BYTES;
use modelseal_core::{bundle::Bundle, digest::Digest, limits::MAX_STORE_DOCUMENTS};
use std::{
    collections::{BTreeSet, HashMap},
    io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Threads that read files, unless said otherwise: more do not help, because one puts together what they read.
const MAX_THREADS: usize = 8;

/// Folders that may be listed again each time before it is worth remembering that they have settled.
const FEW_FOLDERS: usize = 16;

/// A folder of bundles.
#[derive(Debug)]
pub struct Store {
    folder: Folder,
    index_path: PathBuf,
    /// The index is to be kept in a file that the user named.
    index_named: bool,
    threads: NonZeroUsize,
    /// How far the clock is ahead; nothing but in tests, which cannot wait until times have settled.
    ahead: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    index: Option<Index>,
    fresh: bool,
    /// What happened to the index.
    notes: Vec<String>,
    /// What was found to be wrong while bundles were read.
    problems: BTreeSet<Problem>,
    cache: Cache,
}

/// A bundle in a store. Nobody has verified it.
#[derive(Debug, Clone)]
pub struct StoredBundle {
    /// The file it is in.
    pub path: PathBuf,
    /// Its line, from 1, in a file of several.
    pub line: Option<u32>,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its bytes, as they are in the store.
    pub bytes: Vec<u8>,
    /// The bundle.
    pub bundle: Bundle,
    /// What its statement claims. `None` when something else than a statement is signed.
    pub claims: Option<Claims>,
}

/// A bundle that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its file.
    pub path: PathBuf,
    /// SHA-256 of its bytes, which is its name.
    pub sha256: Digest,
    /// Whether it was not there before.
    pub new: bool,
}

/// What became of several lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The bundles.
    pub stored: Vec<Stored>,
    /// Lines that are no bundles, which nothing was made of.
    pub skipped: usize,
    /// The first of them: its number, and what is wrong with it.
    pub first_skipped: Option<(u32, String)>,
}

/// How much an index holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSummary {
    /// Files with bundles, or with problems.
    pub documents: u64,
    /// Bundles in them.
    pub bundles: u64,
    /// How many statements there are of each predicate type.
    pub predicate_types: Vec<(String, u64)>,
    /// Files that were read for this.
    pub read: u64,
    /// Folders that were listed for this.
    pub listed: usize,
}

impl Store {
    /// Opens a store that is there.
    ///
    /// # Errors
    /// [`StoreError::Io`] when there is no such folder.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        let folder = Folder::open(&path).map_err(StoreError::io(&path, problem::OPEN))?;
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            folder,
            index_path: path.join(layout::INDEX),
            index_named: false,
            threads: threads.min(NonZeroUsize::new(MAX_THREADS).unwrap_or(NonZeroUsize::MIN)),
            ahead: Duration::ZERO,
            state: Mutex::default(),
        })
    }

    /// Opens a store, and makes its folder where there is none.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be made.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        std::fs::create_dir_all(&path).map_err(StoreError::io(&path, "make the store"))?;
        Self::open(path)
    }

    /// Keeps the index in this file, for stores that cannot be written to.
    #[must_use]
    pub fn with_index(mut self, path: impl Into<PathBuf>) -> Self {
        self.index_path = path.into();
        self.index_named = true;
        self
    }

    /// Reads files in that many threads at most. No answer depends on it.
    #[must_use]
    pub fn with_threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// The store's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Adds a bundle: when this returns, it survives a crash. The same bundle twice is one file.
    ///
    /// # Errors
    /// [`StoreError`] when it is no bundle, or cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Stored, StoreError> {
        Bundle::parse(bytes).map_err(StoreError::NotABundle)?;
        let sha256 = layout::sha256(bytes);
        let (path, new) = put::put(self.path(), &sha256, bytes)
            .map_err(StoreError::io(self.path(), "add a bundle to the store"))?;
        self.state().fresh = false;
        Ok(Stored { path, sha256: Digest::sha256(sha256), new })
    }

    /// Adds the bundles among some lines (`.intoto.jsonl`), each on its own. Lines that are none are counted and left out,
    /// as in-toto's rules for such files say; the order does not matter.
    ///
    /// # Errors
    /// [`StoreError`] when a bundle cannot be written.
    pub fn import_json_lines(&self, bytes: &[u8]) -> Result<Imported, StoreError> {
        if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(StoreError::TooLarge { limit: MAX_DOCUMENT_BYTES });
        }
        let mut imported = Imported::default();
        for (number, line) in layout::parts(".jsonl", bytes) {
            // As a bundle is written: then the same bundle has the same name, whichever way it came.
            let mut document = line.trim_ascii().to_vec();
            document.push(b'\n');
            match self.put(&document) {
                Ok(stored) => imported.stored.push(stored),
                Err(StoreError::NotABundle(e)) => {
                    imported.skipped += 1;
                    imported.first_skipped.get_or_insert_with(|| (number, e.to_string()));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(imported)
    }

    /// Adds what is in a file: a bundle, or in a `.jsonl` file the bundles among its lines.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read or is no bundle, or a bundle cannot be written.
    pub fn add_file(&self, path: &Path) -> Result<Imported, StoreError> {
        let bytes =
            crate::disk::read_past(path, MAX_DOCUMENT_BYTES).map_err(StoreError::io(path, problem::READ))?;
        if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(StoreError::TooLarge { limit: MAX_DOCUMENT_BYTES });
        }
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            return self.import_json_lines(&bytes);
        }
        Ok(Imported { stored: vec![self.put(&bytes)?], ..Imported::default() })
    }

    /// Brings the index up to date. Questions do so once for each `Store`, and again after something was added through it;
    /// a process that keeps one open calls this to see what others added.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn refresh(&self) -> Result<StoreSummary, StoreError> {
        let mut state = self.state();
        state.fresh = false;
        state.problems.clear();
        let changes = self.bring_up_to_date(&mut state)?;
        let index = state.index.as_ref().ok_or_else(|| StoreError::Index("there is none".into()))?;
        let (documents, bundles) = index.counts()?;
        let predicate_types = index.by_predicate_type()?;
        let (read, listed) = (changes.added, changes.listed);
        Ok(StoreSummary { documents, bundles, predicate_types, read, listed })
    }

    /// What is wrong with the store, as far as questions met it, in order of path.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn problems(&self) -> Result<Vec<Problem>, StoreError> {
        let mut state = self.state();
        self.bring_up_to_date(&mut state)?;
        let mut problems = state.problems.clone();
        if let Some(index) = &state.index {
            let folders = index.folders(usize::MAX)?;
            let paths: HashMap<i64, &str> =
                folders.iter().map(|folder| (folder.id, folder.path.as_str())).collect();
            for row in index.problems(MAX_STORE_DOCUMENTS)? {
                let (kind, message) = row.problem.unwrap_or_default();
                let name = match (row.name, row.sha256) {
                    (Some(name), _) => name,
                    (None, Some(sha256)) => layout::bundle_name(&sha256),
                    (None, None) => String::new(),
                };
                let folder = paths.get(&row.folder).copied().unwrap_or_default();
                let path = layout::path_of(self.path(), folder, &name);
                problems.insert(Problem { path, kind: ProblemKind::of(kind), message });
            }
            for folder in &folders {
                if let Some(message) = folder.problem.clone() {
                    let path = self.path().join(&folder.path);
                    problems.insert(Problem { path, kind: ProblemKind::NotRead, message });
                }
            }
        }
        Ok(problems.into_iter().collect())
    }

    /// What happened to the index, for people: why it was built anew, or could not be kept.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.state().notes.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bring_up_to_date(&self, state: &mut State) -> Result<scan::Changes, StoreError> {
        if state.fresh && state.index.is_some() {
            return Ok(scan::Changes::default());
        }
        state.cache.clear();
        let mut anew = false;
        let mut index = match state.index.take() {
            Some(index) => index,
            None => match Index::load(&self.index_path) {
                Ok(index) => index,
                Err(IndexError::Io(e)) if e.kind() == io::ErrorKind::NotFound => Index::empty()?,
                Err(e) => {
                    self.may_replace_index()?;
                    state.note_anew(&e);
                    anew = true;
                    Index::empty()?
                }
            },
        };
        let clock = Clock::new(self.path(), self.ahead);
        let update = |index: &mut Index| scan::update(index, &self.folder, self.threads, &clock);
        let changes = match update(&mut index) {
            Ok(changes) => changes,
            Err(scan::ScanError::Index(e)) => {
                // Its checksum is right and what it says is wrong: somebody made it so.
                state.note_anew(&e);
                anew = true;
                index = Index::empty()?;
                update(&mut index).map_err(|e| StoreError::of_scan(e, self.path()))?
            }
            Err(e) => return Err(StoreError::of_scan(e, self.path())),
        };
        let changed = changes.added + changes.removed > 0;
        if (anew || changed || changes.listed > FEW_FOLDERS)
            && let Err(e) = index.save(&self.index_path)
        {
            state.notes.push(format!(
                "the index of the store cannot be kept in '{}', and is made again each time: {e}",
                self.index_path.display()
            ));
        }
        state.index = Some(index);
        state.fresh = true;
        Ok(changes)
    }

    /// A file that the user named is replaced only when it was an index.
    fn may_replace_index(&self) -> Result<(), StoreError> {
        if !self.index_named || index::looks_like_index(&self.index_path) {
            return Ok(());
        }
        Err(StoreError::NotAnIndex(self.index_path.clone()))
    }
}

impl State {
    fn note_anew(&mut self, why: &IndexError) {
        self.notes.push(format!("the index of the store is built anew: {why}"));
    }
}

impl StoredBundle {
    /// Where it is, for people: the file, and the line in a file of several.
    #[must_use]
    pub fn place(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.path.display()),
            None => self.path.display().to_string(),
        }
    }
}

fn stored(path: PathBuf, line: u32, part: &[u8]) -> Result<StoredBundle, layout::Unusable> {
    let (bundle, claims) = layout::read_part(part)?;
    Ok(StoredBundle {
        path,
        line: (line > 0).then_some(line),
        sha256: Digest::sha256(layout::sha256(part)),
        bytes: part.to_vec(),
        bundle,
        claims,
    })
}
