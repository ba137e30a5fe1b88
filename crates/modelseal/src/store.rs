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

pub use claims::{Claims, Resource};
pub use problem::{Problem, ProblemKind, StoreError};

use clock::Clock;
use files::{Folder, Kind};
use index::{Index, IndexError, Key, Place};
use layout::MAX_DOCUMENT_BYTES;
use modelseal_core::{
    artifact::ArtifactId,
    bundle::Bundle,
    digest::{Algorithm, Digest},
    limits::{MAX_STORE_ANSWER_BYTES, MAX_STORE_DEPTH, MAX_STORE_DOCUMENTS},
};
use std::{
    collections::{BTreeSet, HashSet},
    io::{self, Write},
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

    /// Writes every bundle as a line to a new file: all of them, or no file.
    ///
    /// # Errors
    /// [`StoreError`] when there is a file of that name, or it cannot be written.
    pub fn export_to(&self, path: &Path) -> Result<usize, StoreError> {
        let failed = |error| StoreError::Io { path: path.to_owned(), doing: problem::WRITE, error };
        if path.symlink_metadata().is_ok() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let mut file = put::temporary_file(&crate::disk::parent(path)).map_err(failed)?;
        let mut buffered = io::BufWriter::new(&mut file);
        let lines = self.export(&mut buffered)?;
        buffered.flush().map_err(failed)?;
        drop(buffered);
        file.as_file().sync_all().map_err(failed)?;
        file.persist_noclobber(path).map_err(|e| failed(e.error))?;
        Ok(lines)
    }

    /// Writes every bundle as a line (`.intoto.jsonl`), each once. Gives how many there are.
    ///
    /// # Errors
    /// [`StoreError`] when a folder cannot be read, or the lines cannot be written.
    pub fn export(&self, out: &mut dyn Write) -> Result<usize, StoreError> {
        let (mut seen, mut lines) = (HashSet::new(), 0);
        for bundle in self.bundles()? {
            let Ok(bundle) = bundle else { continue };
            let line = layout::one_line(&bundle.bytes);
            if seen.insert(layout::sha256(&line)) {
                let written = out.write_all(&line).and_then(|()| out.write_all(b"\n"));
                written.map_err(StoreError::io(self.path(), "export bundles of"))?;
                lines += 1;
            }
        }
        Ok(lines)
    }

    /// The bundle with this SHA-256, under its own name or in a file of another.
    ///
    /// # Errors
    /// [`StoreError`] when the store or the index cannot be read.
    pub fn get(&self, sha256: &Digest) -> Result<Option<StoredBundle>, StoreError> {
        let Ok(wanted) = <[u8; 32]>::try_from(sha256.as_bytes()) else { return Ok(None) };
        if sha256.algorithm() != Algorithm::Sha256 {
            return Ok(None);
        }
        let own = Place { folder: layout::folder_name(&wanted), name: None, sha256: wanted, line: 0 };
        if self
            .folder
            .enter(&own.folder)
            .and_then(|folder| folder.stamp_at(&layout::bundle_name(&wanted)))
            .is_ok()
            && let Some(found) = self.read(&own, &mut None)
        {
            return Ok(Some(found));
        }
        let places = self.find(Key::content(&wanted))?;
        let mut file = None;
        Ok(places
            .iter()
            .filter_map(|place| self.read(place, &mut file))
            .find(|found| found.sha256 == *sha256))
    }

    /// The bundles whose statements have a subject with one of these ids. Nobody has verified them.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or there are more than fit into memory.
    pub fn about(&self, ids: &[ArtifactId]) -> Result<Vec<StoredBundle>, StoreError> {
        self.collect(|take| self.each_about(ids, take))
    }

    /// The bundles whose provenance depends on the artifact with this id. Nobody has verified them.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or there are more than fit into memory.
    pub fn used_by(&self, id: &ArtifactId) -> Result<Vec<StoredBundle>, StoreError> {
        self.collect(|take| self.each_used_by(std::slice::from_ref(id), take))
    }

    /// The bundles whose statements name this URI as that of a subject or of a dependency. Nobody has verified them.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or there are more than fit into memory.
    pub fn naming(&self, uri: &str) -> Result<Vec<StoredBundle>, StoreError> {
        let names = |resource: &Resource| resource.uri.as_deref() == Some(uri);
        self.collect(|take| {
            self.each(&[Key::uri(uri)], take, |claims| {
                claims.subjects.iter().chain(&claims.dependencies).any(names)
            })
        })
    }

    /// Gives the bundles of [`about`](Self::about) one after the other, each once, until `take` returns false.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn each_about(
        &self,
        ids: &[ArtifactId],
        take: &mut dyn FnMut(StoredBundle) -> bool,
    ) -> Result<(), StoreError> {
        let keys: Vec<_> = ids.iter().map(Key::subject).collect();
        self.each(&keys, take, |claims| claims.subjects.iter().any(|subject| subject.is_any_of(ids)))
    }

    /// Gives the bundles of [`used_by`](Self::used_by), for any of several ids, one after the other, each once, until `take`
    /// returns false.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn each_used_by(
        &self,
        ids: &[ArtifactId],
        take: &mut dyn FnMut(StoredBundle) -> bool,
    ) -> Result<(), StoreError> {
        let keys: Vec<_> = ids.iter().map(Key::dependency).collect();
        self.each(&keys, take, |claims| {
            claims.dependencies.iter().any(|dependency| dependency.is_any_of(ids))
        })
    }

    /// Every bundle, read from its file without the index, and what is wrong with files that hold none or cannot be read.
    ///
    /// # Errors
    /// [`StoreError`] when a folder cannot be listed.
    pub fn bundles(&self) -> Result<impl Iterator<Item = Result<StoredBundle, Problem>>, StoreError> {
        let (files, problems) = self.list()?;
        let read = files.into_iter().flat_map(|(folder, name)| self.read_file(&folder, &name));
        Ok(problems.into_iter().map(Err).chain(read))
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
            let path =
                |id: i64| folders.iter().find(|folder| folder.id == id).map_or("", |folder| &folder.path);
            for row in index.problems(MAX_STORE_DOCUMENTS)? {
                let (kind, message) = row.problem.unwrap_or_default();
                let name = match (row.name, row.sha256) {
                    (Some(name), _) => name,
                    (None, Some(sha256)) => layout::bundle_name(&sha256),
                    (None, None) => String::new(),
                };
                let path = layout::path_of(self.path(), path(row.folder), &name);
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
        let mut anew = false;
        let mut index = match state.index.take() {
            Some(index) => index,
            None => match Index::load(&self.index_path) {
                Ok(index) => index,
                Err(IndexError::Io(e)) if e.kind() == io::ErrorKind::NotFound => Index::empty()?,
                Err(e) => {
                    self.may_replace_index()?;
                    state.notes.push(format!("the index of the store is built anew: {e}"));
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
                state.notes.push(format!("the index of the store is built anew: {e}"));
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

    fn find(&self, key: Key) -> Result<Vec<Place>, StoreError> {
        let mut state = self.state();
        self.bring_up_to_date(&mut state)?;
        let find = |state: &State| {
            let index = state.index.as_ref().ok_or(IndexError::Damaged("there is none"))?;
            index.find(key, MAX_STORE_DOCUMENTS + 1)
        };
        let places = match find(&state) {
            Ok(places) => places,
            Err(e) => {
                state.notes.push(format!("the index of the store is built anew: {e}"));
                state.index = Some(Index::empty()?);
                state.fresh = false;
                self.bring_up_to_date(&mut state)?;
                find(&state)?
            }
        };
        if places.len() > MAX_STORE_DOCUMENTS {
            return Err(StoreError::TooMany { what: "bundles", limit: MAX_STORE_DOCUMENTS as u64 });
        }
        Ok(places)
    }

    fn each(
        &self,
        keys: &[Key],
        take: &mut dyn FnMut(StoredBundle) -> bool,
        wanted: impl Fn(&Claims) -> bool,
    ) -> Result<(), StoreError> {
        let mut places = Vec::new();
        for key in keys {
            places.append(&mut self.find(*key)?);
        }
        places.sort_unstable();
        places.dedup();
        let (mut seen, mut file) = (HashSet::new(), None);
        for place in &places {
            let Some(found) = self.read(place, &mut file) else { continue };
            // The index is believed in nothing.
            let claims_it = found.claims.as_ref().is_some_and(&wanted);
            if claims_it && seen.insert(layout::sha256(found.bytes.trim_ascii())) && !take(found) {
                break;
            }
        }
        Ok(())
    }

    fn collect(
        &self,
        ask: impl FnOnce(&mut dyn FnMut(StoredBundle) -> bool) -> Result<(), StoreError>,
    ) -> Result<Vec<StoredBundle>, StoreError> {
        let (mut bundles, mut bytes) = (Vec::<StoredBundle>::new(), 0);
        ask(&mut |bundle| {
            bytes += bundle.bytes.len() as u64;
            bundles.push(bundle);
            bytes <= MAX_STORE_ANSWER_BYTES
        })?;
        if bytes > MAX_STORE_ANSWER_BYTES {
            return Err(StoreError::TooMany { what: "bytes of bundles", limit: MAX_STORE_ANSWER_BYTES });
        }
        // An order that depends on nothing but the bundles.
        bundles.sort_unstable_by(|one, other| one.sha256.cmp(&other.sha256));
        Ok(bundles)
    }

    /// Reads the bundle at a place again. What is not what the index says is reported and not used. `file` keeps the last
    /// file, of which another line may be wanted next.
    fn read(&self, place: &Place, file: &mut Option<(PathBuf, Vec<u8>)>) -> Option<StoredBundle> {
        let own = layout::bundle_name(&place.sha256);
        let name = place.name.as_deref().unwrap_or(&own);
        let path = layout::path_of(self.path(), &place.folder, name);
        if file.as_ref().is_none_or(|(known, _)| *known != path) {
            let read = self.folder.enter(&place.folder).and_then(|f| f.read(name, MAX_DOCUMENT_BYTES));
            let why = match read {
                Ok((bytes, _)) if layout::sha256(&bytes) == place.sha256 => {
                    *file = Some((path.clone(), bytes));
                    None
                }
                Ok(_) if place.name.is_none() => {
                    Some("its bytes are not those that its name promises".to_owned())
                }
                Ok(_) => Some("it was changed while it was looked at".to_owned()),
                Err(e) => Some(e.to_string()),
            };
            if let Some(message) = why {
                *file = None;
                self.state().problems.insert(Problem { path, kind: ProblemKind::NotRead, message });
                return None;
            }
        }
        let bytes = file.as_ref().map(|(_, bytes)| bytes.as_slice())?;
        let (line, part) = layout::parts(name, bytes).find(|(line, _)| *line == place.line)?;
        match stored(path.clone(), line, part) {
            Ok(stored) => Some(stored),
            // The index had only glanced at it.
            Err(unusable) => {
                self.state().problems.insert(unusable.into_problem(path, line));
                None
            }
        }
    }

    /// Every bundle of one file.
    fn read_file(&self, folder: &str, name: &str) -> Vec<Result<StoredBundle, Problem>> {
        let path = layout::path_of(self.path(), folder, name);
        let problem = |kind, message| Problem { path: path.clone(), kind, message };
        let read = self.folder.enter(folder).and_then(|folder| folder.read(name, MAX_DOCUMENT_BYTES));
        let bytes = match read {
            Ok((bytes, _)) => bytes,
            Err(e) => return vec![Err(problem(ProblemKind::NotRead, e.to_string()))],
        };
        if layout::promised(folder, name).is_some_and(|promised| promised != layout::sha256(&bytes)) {
            let why = "its bytes are not those that its name promises".to_owned();
            return vec![Err(problem(ProblemKind::NotRead, why))];
        }
        layout::parts(name, &bytes)
            .map(|(line, part)| {
                stored(path.clone(), line, part).map_err(|unusable| unusable.into_problem(path.clone(), line))
            })
            .collect()
    }

    /// Folders and names of every file that may hold bundles, in order, and what cannot be looked at.
    fn list(&self) -> Result<(Vec<(String, String)>, Vec<Problem>), StoreError> {
        let (mut files, mut problems) = (Vec::new(), Vec::new());
        let mut queue = vec![(String::new(), 0)];
        while let Some((path, depth)) = queue.pop() {
            let problem = |name: &str, message: String| Problem {
                path: layout::path_of(self.path(), &path, name),
                kind: ProblemKind::NotRead,
                message,
            };
            let listed = self.folder.enter(&path).and_then(|folder| folder.list(MAX_STORE_DOCUMENTS));
            let entries = match listed {
                Ok(entries) => entries,
                Err(e) if path.is_empty() => return Err(StoreError::io(self.path(), "read")(e)),
                Err(e) => {
                    problems.push(problem("", e.to_string()));
                    continue;
                }
            };
            for entry in entries {
                let Some(name) = entry.name else {
                    problems.push(problem("", "a name in it is not UTF-8".into()));
                    continue;
                };
                match entry.kind {
                    _ if name.starts_with('.') => {}
                    Kind::Folder if depth == MAX_STORE_DEPTH => {
                        problems.push(problem(
                            &name,
                            format!("it lies more than {MAX_STORE_DEPTH} folders deep"),
                        ));
                    }
                    Kind::Folder => {
                        queue
                            .push((if path.is_empty() { name } else { format!("{path}/{name}") }, depth + 1));
                    }
                    Kind::File if layout::may_hold_bundles(&name) => files.push((path.clone(), name)),
                    Kind::File => {}
                    Kind::Other => {
                        problems.push(problem(
                            &name,
                            "it is a link or a special file, which are not followed".into(),
                        ));
                    }
                }
            }
            if files.len() > MAX_STORE_DOCUMENTS {
                return Err(StoreError::TooMany { what: "documents", limit: MAX_STORE_DOCUMENTS as u64 });
            }
        }
        files.sort_unstable();
        Ok((files, problems))
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
