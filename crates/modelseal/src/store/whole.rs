//! A store without its index: every file, in order.

use super::{
    Problem, ProblemKind, Store, StoreError, StoredBundle,
    files::Kind,
    layout::{self, MAX_DOCUMENT_BYTES},
    problem, stored,
};
use modelseal_core::limits::{MAX_STORE_DEPTH, MAX_STORE_DOCUMENTS};
use std::{
    collections::HashSet,
    io::{self, Write},
    path::Path,
};

/// Problems of one file that are told one by one; the others are counted. A file of many lines can have millions.
const MAX_PROBLEMS_OF_FILE: usize = 100;

/// Folder and name of a file, inside the store.
type FileName = (String, String);

impl Store {
    /// Every bundle, read from its file without the index, and what is wrong with files that hold none or cannot be read.
    ///
    /// # Errors
    /// [`StoreError`] when a folder cannot be listed.
    pub fn bundles(&self) -> Result<impl Iterator<Item = Result<StoredBundle, Problem>>, StoreError> {
        let (files, problems) = self.list()?;
        let read = files.into_iter().flat_map(|(folder, name)| self.read_file(&folder, &name));
        Ok(problems.into_iter().map(Err).chain(read))
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
        let mut file = crate::disk::temporary_file(&crate::disk::parent(path)).map_err(failed)?;
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
            return vec![Err(problem(ProblemKind::NotRead, problem::OTHER_CONTENT.to_owned()))];
        }
        let (mut read, mut kept, mut more, mut worst) = (Vec::new(), 0, 0_usize, ProblemKind::NoBundle);
        for (line, part) in layout::parts(name, &bytes) {
            if kept == MAX_PROBLEMS_OF_FILE && layout::is_too_short(part) {
                more += 1;
                continue;
            }
            match stored(path.clone(), line, part) {
                Ok(bundle) => read.push(Ok(bundle)),
                Err(unusable) if kept < MAX_PROBLEMS_OF_FILE => {
                    kept += 1;
                    read.push(Err(unusable.into_problem(path.clone(), line)));
                }
                Err(unusable) => {
                    more += 1;
                    worst = worst.min(unusable.kind());
                }
            }
        }
        if more > 0 {
            read.push(Err(problem(worst, format!("{more} more lines of it have problems"))));
        }
        read
    }

    /// Folders and names of every file that may hold bundles, in order, and what cannot be looked at.
    fn list(&self) -> Result<(Vec<FileName>, Vec<Problem>), StoreError> {
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
                        problems.push(problem(&name, problem::too_deep()));
                    }
                    Kind::Folder => {
                        queue.push((layout::inside(&path, &name), depth + 1));
                    }
                    Kind::File if layout::may_hold_bundles(&name) => files.push((path.clone(), name)),
                    Kind::File => {}
                    Kind::Other => {
                        problems.push(problem(&name, problem::NOT_FOLLOWED.to_owned()));
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
