//! Bringing an index up to date: which folders and files changed since it was made, and what is in them now.
//!
//! A folder whose times are the same has the same names in it. As git does for its index, times that are so young that the
//! folder could change again without them telling are not remembered. A file under the name of its content cannot change
//! and stay what it is, so it is read once; every other file is known by its size, its times and its inode.

use super::{
    clock::Clock,
    files::{Folder, Kind, Stamp, is_plain},
    index::{DocumentRow, FolderRow, Index, IndexError, Key, StatementRow, Writer},
    layout::{self, MAX_DOCUMENT_BYTES, Unusable},
    problem::{self, ProblemKind},
};
use modelseal_core::limits::{MAX_STORE_DEPTH, MAX_STORE_DOCUMENTS, MAX_STORE_FOLDERS};
use std::{
    collections::HashMap,
    io,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

/// Files that are read between two changes of the index.
const BATCH: usize = 1 << 14;

/// Fewer files than this are read by one thread.
const WORTH_THREADS: usize = 256;

/// Files that a thread takes at a time.
const SHARE: usize = 32;

/// What bringing an index up to date changed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changes {
    pub(super) added: u64,
    pub(super) removed: u64,
    /// Folders that were listed.
    pub(super) listed: usize,
}

/// Why an index could not be brought up to date.
#[derive(Debug)]
pub(super) enum ScanError {
    /// The index is of no use any more.
    Index(IndexError),
    /// The store's own folder cannot be read.
    Store(io::Error),
    /// The store holds more than is looked at.
    TooMany { what: &'static str, limit: usize },
}

impl From<IndexError> for ScanError {
    fn from(e: IndexError) -> Self {
        Self::Index(e)
    }
}

/// Brings `index` up to date with `store`.
pub(super) fn update(
    index: &mut Index,
    store: &Folder,
    threads: NonZeroUsize,
    clock: &Clock<'_>,
) -> Result<Changes, ScanError> {
    let known = Known::read(index)?;
    // Looked up before anything is written: the writer has the database.
    let plan = Plan::make(index, store, known, clock)?;
    index.change(|writer| plan.carry_out(writer, store, threads, clock))
}

/// What the index knows.
struct Known {
    folders: HashMap<String, FolderRow>,
    children: HashMap<String, Vec<String>>,
    /// Documents with names of their own, by folder.
    named: HashMap<i64, Vec<DocumentRow>>,
}

impl Known {
    fn read(index: &Index) -> Result<Self, ScanError> {
        let (mut folders, mut children) = (HashMap::new(), HashMap::<String, Vec<String>>::new());
        for row in index.folders(MAX_STORE_FOLDERS + 1)? {
            // A path that leads out of the store is nobody's but an attacker's.
            if !row.path.is_empty() && !row.path.split('/').all(is_plain) {
                return Err(IndexError::Damaged("a folder's path is none").into());
            }
            if let Some((parent, _)) = row.path.rsplit_once('/') {
                children.entry(parent.to_owned()).or_default().push(row.path.clone());
            } else if !row.path.is_empty() {
                children.entry(String::new()).or_default().push(row.path.clone());
            }
            folders.insert(row.path.clone(), row);
        }
        let mut named = HashMap::<i64, Vec<DocumentRow>>::new();
        for row in index.named_documents(MAX_STORE_DOCUMENTS + 1)? {
            if !row.name.as_deref().is_some_and(is_plain) {
                return Err(IndexError::Damaged("a file's name is none").into());
            }
            named.entry(row.folder).or_default().push(row);
        }
        Ok(Self { folders, children, named })
    }
}

/// What has to be done.
#[derive(Default)]
struct Plan {
    folders: Vec<FolderChange>,
    /// Folders that are gone.
    removed_folders: Vec<i64>,
    removed_documents: Vec<i64>,
    files: Vec<File>,
    listed: usize,
    documents: usize,
}

struct FolderChange {
    path: Arc<str>,
    /// `None`: it is new.
    id: Option<i64>,
    stamp: Option<Stamp>,
    problem: Option<String>,
}

/// A file to read, or a name that is no file.
struct File {
    /// The place of its folder in [`Plan::folders`], or the folder's row.
    folder: Result<usize, i64>,
    path: Arc<str>,
    name: String,
    found: Found,
}

#[derive(Clone, Copy)]
enum Found {
    File,
    /// A link or a special file.
    Other,
    TooDeep,
}

impl Plan {
    fn make(index: &Index, store: &Folder, mut known: Known, clock: &Clock<'_>) -> Result<Self, ScanError> {
        let mut plan = Self::default();
        let mut queue = vec![(String::new(), 0)];
        let mut visited = 0;
        while let Some((path, depth)) = queue.pop() {
            visited += 1;
            if visited > MAX_STORE_FOLDERS {
                return Err(ScanError::TooMany { what: "folders", limit: MAX_STORE_FOLDERS });
            }
            let row = known.folders.remove(&path);
            let opened = if path.is_empty() { Ok(None) } else { store.enter(&path).map(Some) };
            let listed = match &opened {
                Ok(folder) => plan.look_at(
                    index,
                    &mut known,
                    folder.as_ref().unwrap_or(store),
                    &path,
                    row.as_ref(),
                    clock,
                ),
                Err(e) => Err(LookError::Io(io::Error::new(e.kind(), e.to_string()))),
            };
            match listed {
                Ok(inside) if depth < MAX_STORE_DEPTH => {
                    queue.extend(inside.into_iter().map(|path| (path, depth + 1)));
                }
                Ok(inside) => plan.too_deep(row.as_ref(), &path, &inside),
                Err(LookError::Scan(e)) => return Err(e),
                Err(LookError::Io(e)) if path.is_empty() => return Err(ScanError::Store(e)),
                Err(LookError::Io(e)) => plan.unreadable(index, row, &path, &e)?,
            }
            if plan.documents > MAX_STORE_DOCUMENTS {
                return Err(ScanError::TooMany { what: "documents", limit: MAX_STORE_DOCUMENTS });
            }
        }
        // What was not reached any more is gone.
        for row in known.folders.into_values() {
            plan.removed_documents.extend(index.documents_of(row.id)?.iter().map(|document| document.id));
            plan.removed_folders.push(row.id);
        }
        Ok(plan)
    }

    /// Finds what changed in one folder. Gives the paths of the folders in it.
    fn look_at(
        &mut self,
        index: &Index,
        known: &mut Known,
        folder: &Folder,
        path: &str,
        row: Option<&FolderRow>,
        clock: &Clock<'_>,
    ) -> Result<Vec<String>, LookError> {
        // Before the listing: what comes later changes it.
        let stamp = folder.stamp()?;
        let named = row.and_then(|row| known.named.remove(&row.id)).unwrap_or_default();
        if let Some(row) = row.filter(|row| row.stamp == Some(stamp)) {
            let path: Arc<str> = path.into();
            for document in named {
                let name = document.name.unwrap_or_default();
                if folder.stamp_at(&name).is_ok_and(|now| now == document.stamp) {
                    continue;
                }
                self.removed_documents.push(document.id);
                self.files.push(File { folder: Err(row.id), path: path.clone(), name, found: Found::File });
            }
            return Ok(known.children.remove(&*path).unwrap_or_default());
        }
        // The index itself lies there.
        let settled = if path.is_empty() { None } else { clock.settled(stamp) };
        self.list(index, folder, path, row, named, settled)
    }

    fn list(
        &mut self,
        index: &Index,
        folder: &Folder,
        path: &str,
        row: Option<&FolderRow>,
        named: Vec<DocumentRow>,
        stamp: Option<Stamp>,
    ) -> Result<Vec<String>, LookError> {
        let mut there: HashMap<String, (i64, Option<Stamp>)> = HashMap::new();
        if let Some(row) = row {
            let own = index.documents_of(row.id).map_err(|e| LookError::Scan(e.into()))?;
            for document in own.iter().filter(|document| document.name.is_none()) {
                if let Some(sha256) = document.sha256 {
                    there.insert(layout::bundle_name(&sha256), (document.id, None));
                } else {
                    self.removed_documents.push(document.id);
                }
            }
        }
        for document in named {
            if let Some((double, _)) =
                there.insert(document.name.unwrap_or_default(), (document.id, Some(document.stamp)))
            {
                self.removed_documents.push(double);
            }
        }
        let shared: Arc<str> = path.into();
        let place = self.folders.len();
        self.folders.push(FolderChange {
            path: shared.clone(),
            id: row.map(|row| row.id),
            stamp,
            problem: None,
        });
        self.listed += 1;
        let mut inside = Vec::new();
        let entries = folder.list(MAX_STORE_DOCUMENTS)?;
        self.documents += entries.len();
        let mut not_utf8 = 0_usize;
        for entry in entries {
            let Some(name) = entry.name else {
                not_utf8 += 1;
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            if entry.kind == Kind::Folder {
                inside.push(layout::inside(path, &name));
                continue;
            }
            // A link to a folder could be one to bundles.
            if entry.kind == Kind::File && !layout::may_hold_bundles(&name) {
                continue;
            }
            let same = match there.remove(&name) {
                Some((id, stamp)) => {
                    let same = match stamp {
                        None => entry.kind == Kind::File,
                        Some(stamp) => folder.stamp_at(&name).is_ok_and(|now| now == stamp),
                    };
                    if !same {
                        self.removed_documents.push(id);
                    }
                    same
                }
                None => false,
            };
            if !same {
                let found = if entry.kind == Kind::File { Found::File } else { Found::Other };
                self.files.push(File { folder: Ok(place), path: shared.clone(), name, found });
            }
        }
        if not_utf8 > 0 {
            self.folders[place].problem = Some(format!("{not_utf8} names in it are not UTF-8"));
        }
        self.removed_documents.extend(there.into_values().map(|(id, _)| id));
        Ok(inside)
    }

    /// Notes the folders that are not looked at because they lie too deep.
    fn too_deep(&mut self, row: Option<&FolderRow>, path: &str, inside: &[String]) {
        let place = self.folders.iter().rposition(|change| &*change.path == path);
        let folder = match (place, row) {
            (Some(place), _) => Ok(place),
            (None, Some(row)) => Err(row.id),
            // Neither listed nor known: nothing is inside.
            (None, None) => return,
        };
        // Known already, when the folder did not change.
        let Ok(place) = folder else { return };
        for inside in inside {
            let name = inside.rsplit('/').next().unwrap_or_default().to_owned();
            self.files.push(File { folder: Ok(place), path: path.into(), name, found: Found::TooDeep });
        }
    }

    /// Forgets what was in a folder that cannot be read, and keeps trying.
    fn unreadable(
        &mut self,
        index: &Index,
        row: Option<FolderRow>,
        path: &str,
        error: &io::Error,
    ) -> Result<(), ScanError> {
        if let Some(row) = &row {
            self.removed_documents.extend(index.documents_of(row.id)?.iter().map(|document| document.id));
        }
        if error.kind() == io::ErrorKind::NotFound {
            self.removed_folders.extend(row.map(|row| row.id));
            return Ok(());
        }
        let problem = Some(format!("it cannot be read: {error}"));
        self.folders.push(FolderChange {
            path: path.into(),
            id: row.map(|row| row.id),
            stamp: None,
            problem,
        });
        Ok(())
    }

    fn carry_out(
        self,
        writer: &mut Writer<'_>,
        store: &Folder,
        threads: NonZeroUsize,
        clock: &Clock<'_>,
    ) -> Result<Changes, ScanError> {
        let mut changes = Changes { listed: self.listed, ..Changes::default() };
        for id in &self.removed_documents {
            writer.remove_document(*id)?;
        }
        for id in &self.removed_folders {
            writer.remove_folder(*id)?;
        }
        changes.removed = self.removed_documents.len() as u64;
        let mut ids = Vec::with_capacity(self.folders.len());
        for folder in &self.folders {
            let id = match folder.id {
                Some(id) => id,
                None => writer.add_folder(&folder.path)?,
            };
            writer.set_folder(id, folder.stamp, folder.problem.as_deref())?;
            ids.push(id);
        }
        for batch in self.files.chunks(BATCH) {
            read_all(batch, store, threads, clock, |file, outcome| {
                let Some(mut outcome) = outcome else { return Ok(()) };
                outcome.row.folder = match file.folder {
                    Ok(place) => ids.get(place).copied().unwrap_or_default(),
                    Err(id) => id,
                };
                changes.added += 1;
                writer.add_document(&outcome.row, &outcome.statements)
            })?;
        }
        Ok(changes)
    }
}

/// Why a folder could not be looked at.
enum LookError {
    Io(io::Error),
    Scan(ScanError),
}

impl From<io::Error> for LookError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

/// What a file holds.
struct Outcome {
    row: DocumentRow,
    statements: Vec<StatementRow>,
}

/// Reads files, in several threads when there are many, and hands every outcome to `take`.
fn read_all(
    files: &[File],
    store: &Folder,
    threads: NonZeroUsize,
    clock: &Clock<'_>,
    mut take: impl FnMut(&File, Option<Outcome>) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    let threads = threads.get().min(files.len() / WORTH_THREADS + 1);
    if threads == 1 {
        let mut reader = Reader { store, folder: None, clock };
        return files.iter().try_for_each(|file| take(file, reader.read(file)));
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (sender, outcomes) = mpsc::sync_channel(4 * threads);
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                let mut reader = Reader { store, folder: None, clock };
                loop {
                    let start = next.fetch_add(SHARE, Ordering::Relaxed);
                    let Some(share) = files.get(start..files.len().min(start + SHARE)) else { return };
                    let read: Vec<_> = share.iter().map(|file| (file, reader.read(file))).collect();
                    // Nobody takes them any more when the index has failed.
                    if share.is_empty() || sender.send(read).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        outcomes.into_iter().flatten().try_for_each(|(file, outcome)| take(file, outcome))
    })
}

/// Reads files, mostly of one folder after another.
struct Reader<'a> {
    store: &'a Folder,
    folder: Option<(Arc<str>, Folder)>,
    clock: &'a Clock<'a>,
}

impl Reader<'_> {
    /// What the file holds; `None` when it is gone.
    fn read(&mut self, file: &File) -> Option<Outcome> {
        if let Found::Other | Found::TooDeep = file.found {
            let why = match file.found {
                Found::TooDeep => problem::too_deep(),
                _ => problem::NOT_FOLLOWED.to_owned(),
            };
            let stamp = self.folder(file).and_then(|folder| folder.stamp_at(&file.name)).ok()?;
            return Some(unusable(file, stamp, None, ProblemKind::NotRead, why));
        }
        let read = self.folder(file).and_then(|folder| folder.read(&file.name, MAX_DOCUMENT_BYTES));
        match read {
            Ok((bytes, stamp)) => Some(outcome(file, &bytes, self.clock.settled(stamp).unwrap_or_default())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => {
                let stamp = self.folder(file).and_then(|folder| folder.stamp_at(&file.name));
                Some(unusable(file, stamp.unwrap_or_default(), None, ProblemKind::NotRead, e.to_string()))
            }
        }
    }

    fn folder(&mut self, file: &File) -> io::Result<&Folder> {
        if file.path.is_empty() {
            return Ok(self.store);
        }
        let same = self.folder.as_ref().is_some_and(|(path, _)| *path == file.path);
        let opened = match self.folder.take().filter(|_| same) {
            Some(opened) => opened,
            None => (file.path.clone(), self.store.enter(&file.path)?),
        };
        Ok(&self.folder.insert(opened).1)
    }
}

fn unusable(file: &File, stamp: Stamp, sha256: Option<[u8; 32]>, kind: ProblemKind, why: String) -> Outcome {
    let row = DocumentRow {
        id: 0,
        folder: 0,
        sha256,
        name: Some(file.name.clone()),
        stamp,
        problem: Some((kind as i64, why)),
    };
    Outcome { row, statements: Vec::new() }
}

/// The rows for a file that was read.
fn outcome(file: &File, bytes: &[u8], stamp: Stamp) -> Outcome {
    let sha256 = layout::sha256(bytes);
    let promised = layout::promised(&file.path, &file.name);
    if promised.is_some_and(|promised| promised != sha256) {
        let why = problem::OTHER_CONTENT.to_owned();
        return unusable(file, stamp, None, ProblemKind::NotRead, why);
    }
    let (mut statements, mut complaints) = (Vec::new(), Complaints::default());
    for (line, part) in layout::parts(&file.name, bytes) {
        if complaints.unknown > 0 && layout::is_too_short(part) {
            complaints.unknown += 1;
            continue;
        }
        match layout::glance_at_part(part) {
            Ok(mut seen) => {
                if promised.is_none() {
                    let content = if line == 0 { sha256 } else { layout::sha256(part) };
                    seen.links.push(Key::content(&content));
                }
                statements.push(StatementRow { line, seen });
            }
            Err(unusable) => complaints.add(line, unusable),
        }
    }
    let problem = complaints.summary();
    // Only what its name binds to its bytes can never change.
    let name = promised.is_none().then(|| file.name.clone());
    let row = DocumentRow { id: 0, folder: 0, sha256: Some(sha256), name, stamp, problem };
    Outcome { row, statements }
}

/// The parts of a file that are not used, of which there can be millions.
#[derive(Default)]
struct Complaints {
    malformed: Option<(u32, String)>,
    /// The first of those that are no bundles.
    first: Option<(u32, String)>,
    unknown: usize,
}

impl Complaints {
    fn add(&mut self, line: u32, unusable: Unusable) {
        match unusable {
            Unusable::Malformed(why) => {
                self.malformed.get_or_insert((line, why));
            }
            Unusable::NoBundle(why) => {
                self.unknown += 1;
                self.first.get_or_insert((line, why));
            }
        }
    }

    /// What to say about them.
    fn summary(self) -> Option<(i64, String)> {
        match (self.malformed, self.first) {
            (Some((0, why)), _) => Some((ProblemKind::Malformed as i64, why)),
            (Some((line, why)), _) => Some((ProblemKind::Malformed as i64, format!("line {line}: {why}"))),
            (None, Some((0, why))) => Some((ProblemKind::NoBundle as i64, why)),
            (None, Some(_)) => {
                Some((ProblemKind::NoBundle as i64, format!("{} lines are no bundles", self.unknown)))
            }
            (None, None) => None,
        }
    }
}
