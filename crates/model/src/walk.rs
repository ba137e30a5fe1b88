//! The regular files of a model (OMS v1.0 §6.1 and §6.2), sorted within each directory, so that the same model always
//! gives the same list and the same first error.

use crate::{
    error::{Change, MeasureError},
    fs::{Dir, Entry, FileId, Kind, Stamp, Status},
    note::Note,
    progress::Progress,
    reuse::Identity,
    source::{Root, Source},
};
use modelseal_core::{
    limits::{MAX_PATH_DEPTH, MAX_RESOURCES},
    path::{ModelPath, PathError},
};
use std::{
    collections::{HashMap, HashSet},
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
};

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) files: Vec<FoundFile>,
    /// The directories that hold them; the first is the root.
    pub(crate) directories: Vec<FoundDirectory>,
    pub(crate) notes: Vec<Note>,
    /// Links that were listed instead of refused, with their text.
    pub(crate) links: Vec<(ModelPath, PathBuf)>,
}

/// A regular file and how to open it again.
#[derive(Debug)]
pub(crate) struct FoundFile {
    pub(crate) path: ModelPath,
    /// Index of its directory; the root's for a single-file model.
    pub(crate) directory: u32,
    pub(crate) size: u64,
    pub(crate) stamp: Stamp,
    /// What a cache may know it by; `None` where the system has no such thing.
    pub(crate) identity: Option<Identity>,
    pub(crate) via: Via,
}

/// By what a file is opened.
#[derive(Debug)]
pub(crate) enum Via {
    /// By its name in its directory.
    Name,
    /// By its name, which is a link.
    Link,
    /// By this name among the blobs of a Hugging Face cache.
    Blob(Box<str>),
    /// It is the model, and open.
    Model,
}

/// A directory and how to open it again: no descriptor is held after the walk.
#[derive(Debug)]
pub(crate) struct FoundDirectory {
    /// Index of the directory that holds it; the root is its own parent.
    pub(crate) parent: u32,
    pub(crate) name: OsString,
    /// Whether the name is a link.
    pub(crate) link: bool,
}

/// What a walk leaves out and whether it follows links.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) ignore_paths: &'a [ModelPath],
    pub(crate) exclude: &'a [ModelPath],
    /// The only files that count, when set.
    pub(crate) only: Option<&'a [ModelPath]>,
    pub(crate) allow_symlinks: bool,
    /// Whether links that are not followed are listed instead of refused.
    pub(crate) list_symlinks: bool,
}

impl Walked {
    /// The sizes of all files together.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).fold(0, u64::saturating_add)
    }
}

/// Lists the files of `source`. Nothing that is ignored is opened, entered or looked at.
pub(crate) fn walk(
    source: &Source,
    rules: Rules<'_>,
    progress: &dyn Progress,
) -> Result<Walked, MeasureError> {
    walk_at_most(source, rules, progress, MAX_RESOURCES)
}

/// [`walk`] through at most `limit` entries.
fn walk_at_most(
    source: &Source,
    rules: Rules<'_>,
    progress: &dyn Progress,
    limit: usize,
) -> Result<Walked, MeasureError> {
    let mut walk = Walk::new(source, rules, progress, limit);
    match &source.root {
        Root::File { status, .. } => walk.single_file(status)?,
        Root::Directory { dir, canonical } => walk.tree(dir, canonical)?,
    }
    walk.finish()
}

struct Walk<'a> {
    source: &'a Source,
    rules: Rules<'a>,
    progress: &'a dyn Progress,
    /// Every path that is left out; with the index of the ignore path to mark as matched.
    left_out: HashMap<&'a str, Option<usize>>,
    matched: Vec<bool>,
    /// The only files that count and the directories on the way to them.
    wanted: Option<HashSet<&'a str>>,
    excluded: bool,
    /// Entries that may still be seen: it bounds the work that links can multiply.
    left: usize,
    snapshot_used: bool,
    found: Walked,
}

/// A directory that is being walked.
struct Frame<'a> {
    dir: Handle<'a>,
    index: u32,
    /// Length of its path in the path buffer.
    path_len: usize,
    entries: std::vec::IntoIter<Entry>,
    /// Known when links are followed, to notice circles.
    id: Option<FileId>,
    /// Where it is when links are resolved; for judging links, not for opening anything.
    canonical: PathBuf,
}

enum Handle<'a> {
    Root(&'a Dir),
    Open(Dir),
}

impl Handle<'_> {
    fn get(&self) -> &Dir {
        match self {
            Self::Root(dir) => dir,
            Self::Open(dir) => dir,
        }
    }
}

impl<'a> Walk<'a> {
    fn new(source: &'a Source, rules: Rules<'a>, progress: &'a dyn Progress, limit: usize) -> Self {
        let ignored = rules.ignore_paths.iter().enumerate().map(|(at, path)| (path.as_str(), Some(at)));
        let excluded = rules.exclude.iter().map(|path| (path.as_str(), None));
        Self {
            source,
            rules,
            progress,
            left_out: excluded.chain(ignored).collect(),
            matched: vec![false; rules.ignore_paths.len()],
            wanted: rules.only.map(|only| only.iter().flat_map(ModelPath::prefixes).collect()),
            excluded: false,
            left: limit,
            snapshot_used: false,
            found: Walked::default(),
        }
    }

    fn single_file(&mut self, status: &Status) -> Result<(), MeasureError> {
        let path = self.source.file_name()?;
        if !self.leaves_out(path.as_str()) {
            self.snapshot_used = self.source.snapshot.is_some();
            self.push(path, 0, status, Via::Model);
        }
        Ok(())
    }

    fn tree(&mut self, root: &'a Dir, canonical: &Path) -> Result<(), MeasureError> {
        let mut path = String::new();
        let here = FoundDirectory { parent: 0, name: OsString::new(), link: false };
        let id = self.id(root, "")?;
        let mut stack = vec![self.list(Handle::Root(root), here, "", id, canonical.to_owned())?];
        while let Some(frame) = stack.last_mut() {
            path.truncate(frame.path_len);
            match frame.entries.next() {
                Some(entry) => {
                    let deeper = self.entry(&stack, &mut path, &entry)?;
                    stack.extend(deeper);
                }
                None => _ = stack.pop(),
            }
        }
        Ok(())
    }

    /// Takes one entry of the innermost directory of `stack`, whose path is in `path`. Gives the directory to go on
    /// with when that is what it is.
    fn entry(
        &mut self,
        stack: &[Frame<'a>],
        path: &mut String,
        entry: &Entry,
    ) -> Result<Option<Frame<'a>>, MeasureError> {
        let Some(frame) = stack.last() else { return Ok(None) };
        let Some(name) = entry.name.to_str() else {
            if self.wanted.is_some() {
                return Ok(None);
            }
            let name = entry.name.to_string_lossy().into_owned();
            return Err(MeasureError::NotUtf8 { directory: self.source.join(path), name });
        };
        if name.contains('\\') && self.wanted.is_none() {
            return Err(self.source.bad_name(path, PathError::Backslash(name.to_owned())));
        }
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(name);
        if self.leaves_out(path) {
            return Ok(None);
        }
        if self.wanted.as_ref().is_some_and(|wanted| !wanted.contains(path.as_str())) {
            self.excluded = true;
            return Ok(None);
        }
        let kind = match entry.kind {
            Some(kind @ (Kind::Directory | Kind::Link | Kind::Special(_))) => kind,
            Some(Kind::File) | None => {
                let status = frame.dir.get().status(&entry.name, false);
                let status = status.map_err(|e| self.failed("inspect", path, e))?;
                if status.kind == Kind::File {
                    self.push(self.model_path(path)?, frame.index, &status, Via::Name);
                }
                status.kind
            }
        };
        match kind {
            Kind::File => Ok(None),
            Kind::Directory => self.directory(stack, path, name, None),
            Kind::Link => self.link(stack, path, name),
            Kind::Special(what) => Err(MeasureError::SpecialFile { path: self.source.join(path), what }),
        }
    }

    /// Goes on with the directory `name`; `reached` is where it is when it is a link.
    fn directory(
        &mut self,
        stack: &[Frame<'a>],
        path: &str,
        name: &str,
        reached: Option<PathBuf>,
    ) -> Result<Option<Frame<'a>>, MeasureError> {
        let Some(frame) = stack.last() else { return Ok(None) };
        if stack.len() >= MAX_PATH_DEPTH {
            return Err(self.source.bad_name(path, PathError::TooDeep(stack.len() + 1)));
        }
        let link = reached.is_some();
        let dir = frame.dir.get().enter(OsStr::new(name), link);
        let dir = dir.map_err(|e| self.failed("open the directory", path, e))?;
        let id = self.id(&dir, path)?;
        if id.is_some() && stack.iter().any(|frame| frame.id == id) {
            let path = self.model_path(path)?;
            self.found.notes.push(Note::SymlinkCycle { path });
            return Ok(None);
        }
        let found = FoundDirectory { parent: frame.index, name: name.into(), link };
        let canonical = reached.unwrap_or_else(|| frame.canonical.join(name));
        self.list(Handle::Open(dir), found, path, id, canonical).map(Some)
    }

    fn link(
        &mut self,
        stack: &[Frame<'a>],
        path: &str,
        name: &str,
    ) -> Result<Option<Frame<'a>>, MeasureError> {
        let (Some(root), Some(frame)) = (stack.first(), stack.last()) else { return Ok(None) };
        let dir = frame.dir.get();
        let target = dir.read_link(OsStr::new(name)).map_err(|e| self.failed("read the link", path, e))?;
        if self.blob(frame, path, &target)? {
            return Ok(None);
        }
        let link = || (self.source.join(path), target.clone());
        if self.rules.list_symlinks && !self.rules.allow_symlinks {
            self.found.links.push((self.model_path(path)?, target));
            return Ok(None);
        }
        if !self.rules.allow_symlinks {
            let (path, target) = link();
            return Err(MeasureError::Symlink { path, target });
        }
        let status = dir.status(OsStr::new(name), true).map_err(|error| {
            let (path, target) = link();
            match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    MeasureError::DanglingSymlink { path, target }
                }
                _ if crate::fs::is_loop(&error) => MeasureError::SymlinkLoop { path, target },
                _ => MeasureError::Io { doing: "follow the link", path, error },
            }
        })?;
        // A path that is too long for the system to resolve counts as outside.
        let reached = std::fs::canonicalize(frame.canonical.join(name)).unwrap_or_else(|_| target.clone());
        if !reached.starts_with(&root.canonical) {
            self.found.notes.push(Note::SymlinkOutside { path: self.model_path(path)?, target });
        }
        match status.kind {
            Kind::File => {
                self.push(self.model_path(path)?, frame.index, &status, Via::Link);
                Ok(None)
            }
            Kind::Directory => self.directory(stack, path, name, Some(reached)),
            Kind::Special(what) => Err(MeasureError::SpecialFile { path: self.source.join(path), what }),
            Kind::Link => {
                Err(MeasureError::Changed { path: self.source.join(path), change: Change::Replaced })
            }
        }
    }

    /// Takes a link into the blobs of the Hugging Face cache that the model lies in; says whether it is one.
    fn blob(&mut self, frame: &Frame<'a>, path: &str, target: &Path) -> Result<bool, MeasureError> {
        let Some(snapshot) = &self.source.snapshot else { return Ok(false) };
        let Some(blob) = snapshot.blob(&frame.canonical, target) else { return Ok(false) };
        match snapshot.blobs.status(OsStr::new(&blob), false) {
            Ok(status) if status.kind == Kind::File => {
                self.snapshot_used = true;
                self.push(self.model_path(path)?, frame.index, &status, Via::Blob(blob.into()));
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(MeasureError::DanglingSymlink { path: self.source.join(path), target: target.to_owned() })
            }
            Err(e) => Err(self.failed("inspect the blob of", path, e)),
        }
    }

    /// Lists a directory that has just been entered.
    fn list(
        &mut self,
        dir: Handle<'a>,
        found: FoundDirectory,
        path: &str,
        id: Option<FileId>,
        canonical: PathBuf,
    ) -> Result<Frame<'a>, MeasureError> {
        if self.progress.cancelled() {
            return Err(MeasureError::Cancelled);
        }
        let mut entries = dir.get().list(self.left).map_err(|e| self.failed("list", path, e))?;
        let Some(left) = self.left.checked_sub(entries.len()) else {
            return Err(MeasureError::TooManyEntries(self.source.path().to_owned()));
        };
        self.left = left;
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        // At most as many as entries, so the index fits.
        let index = u32::try_from(self.found.directories.len()).unwrap_or(u32::MAX);
        self.found.directories.push(found);
        Ok(Frame { dir, index, path_len: path.len(), entries: entries.into_iter(), id, canonical })
    }

    /// Which directory it is; `None` where no link is followed, so that no circle can be.
    fn id(&self, dir: &Dir, path: &str) -> Result<Option<FileId>, MeasureError> {
        if !self.rules.allow_symlinks {
            return Ok(None);
        }
        dir.id().map(Some).map_err(|e| self.failed("inspect", path, e))
    }

    fn leaves_out(&mut self, path: &str) -> bool {
        match self.left_out.get(path) {
            None => return false,
            Some(None) => {}
            Some(Some(at)) => self.matched[*at] = true,
        }
        self.excluded = true;
        true
    }

    fn model_path(&self, path: &str) -> Result<ModelPath, MeasureError> {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        ModelPath::parse(path).map_err(|error| self.source.bad_name(directory, error))
    }

    fn push(&mut self, path: ModelPath, directory: u32, status: &Status, via: Via) {
        let (size, stamp) = (status.size, status.stamp);
        let identity = status.identity();
        self.found.files.push(FoundFile { path, directory, size, stamp, identity, via });
    }

    fn failed(&self, doing: &'static str, path: &str, error: io::Error) -> MeasureError {
        MeasureError::from_io(doing, self.source.join(path), error)
    }

    fn finish(mut self) -> Result<Walked, MeasureError> {
        if self.found.files.is_empty() && self.found.links.is_empty() {
            let (path, excluded) = (self.source.path().to_owned(), self.excluded);
            return Err(MeasureError::Empty { path, excluded });
        }
        let ignored = |path: &str| self.left_out.get(path).copied().flatten();
        let unmatched = self.rules.ignore_paths.iter().enumerate().filter(|(at, path)| {
            let covered = path
                .as_str()
                .match_indices('/')
                .any(|(end, _)| ignored(&path.as_str()[..end]).is_some_and(|at| self.matched[at]));
            // Listed twice, a path has the index of its last place.
            !covered && !self.matched[*at] && ignored(path.as_str()) == Some(*at)
        });
        let unmatched: Vec<Note> =
            unmatched.map(|(_, path)| Note::UnmatchedIgnorePath(path.clone())).collect();
        self.found.notes.extend(unmatched);
        if let (true, Some(snapshot)) = (self.snapshot_used, &self.source.snapshot) {
            let (repository, revision) = (snapshot.repository.clone(), snapshot.revision.clone());
            self.found.notes.insert(0, Note::HuggingFaceSnapshot { repository, revision });
        }
        Ok(self.found)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Thirty levels of two links each would be a thousand million directories.
    #[test]
    fn links_that_multiply_end_at_the_limit() {
        let model = tempfile::tempdir().unwrap();
        for level in 0..30 {
            std::fs::create_dir(model.path().join(level.to_string())).unwrap();
            for side in ["l", "r"] {
                let link = model.path().join(format!("{level}/{side}"));
                std::os::unix::fs::symlink(format!("../{}", level + 1), link).unwrap();
            }
        }
        std::fs::create_dir(model.path().join("30")).unwrap();
        std::fs::write(model.path().join("30/f"), "x").unwrap();
        let source = Source::open(model.path()).unwrap();
        let rules =
            Rules { ignore_paths: &[], exclude: &[], only: None, allow_symlinks: true, list_symlinks: false };
        let error = walk_at_most(&source, rules, &(), 20_000).unwrap_err();
        assert!(matches!(error, MeasureError::TooManyEntries(_)), "{error}");
        assert!(error.to_string().contains(&MAX_RESOURCES.to_string()));
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        let model = tempfile::tempdir().unwrap();
        std::fs::create_dir(model.path().join("d")).unwrap();
        for name in ["d/a", "d/b", "c"] {
            std::fs::write(model.path().join(name), "").unwrap();
        }
        let source = Source::open(model.path()).unwrap();
        let rules = Rules {
            ignore_paths: &[],
            exclude: &[],
            only: None,
            allow_symlinks: false,
            list_symlinks: false,
        };
        assert_eq!(walk_at_most(&source, rules, &(), 4).unwrap().files.len(), 3);
        assert!(matches!(walk_at_most(&source, rules, &(), 3), Err(MeasureError::TooManyEntries(_))));
    }
}
