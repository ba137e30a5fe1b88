//! A private copy of a verified model.

use super::{Contents, LoadError};
use modelseal_model::{Destination, Progress, Wanted};
use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// See [`Contents::copy_to`].
pub(super) fn copy(contents: &Contents, directory: &Path, progress: &dyn Progress) -> Result<(), LoadError> {
    let made = prepare(directory)?;
    let outcome = into(contents, directory, progress);
    if outcome.is_err() && made {
        // Only when it is empty.
        let _ = fs::remove_dir(directory);
    }
    outcome
}

/// Makes the directory, or sees that it is empty. Says whether it was made.
fn prepare(directory: &Path) -> Result<bool, LoadError> {
    match private(directory) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(LoadError::io("make the directory", directory, &error)),
    }
    let mut entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(LoadError::output(directory, "is not a directory"));
        }
        Err(error) => return Err(LoadError::io("list", directory, &error)),
    };
    match entries.next() {
        None => Ok(false),
        Some(_) => Err(LoadError::output(directory, "is not empty")),
    }
}

#[cfg(unix)]
fn private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(directory)
}

#[cfg(not(unix))]
fn private(directory: &Path) -> io::Result<()> {
    fs::create_dir(directory)
}

fn into(contents: &Contents, directory: &Path, progress: &dyn Progress) -> Result<(), LoadError> {
    // In the directory itself, which may be a file system of its own.
    let stage = tempfile::Builder::new().prefix(".modelseal-").tempdir_in(directory);
    let stage = stage.map_err(|error| LoadError::io("write to", directory, &error))?;
    let mut copies = Copies { files: HashMap::new() };
    let mut wanted: Vec<Wanted> = Vec::new();
    for (place, (path, size)) in contents.files().enumerate() {
        let path = stage.path().join(path.as_str());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)
                .map_err(|error| LoadError::io("make the directory", parent, &error))?;
        }
        if size == 0 {
            create(&path).map_err(|error| LoadError::io("write", &path, &error))?;
        }
        let target = Target { path, left: AtomicU64::new(size), open: Mutex::new(None) };
        copies.files.insert(contents.0.entries[place].file, target);
        wanted.extend(contents.wanted(place));
    }
    contents.load(&wanted, &copies, progress)?;
    drop(copies);
    publish(stage.path(), directory)
}

/// Gives everything its final name.
fn publish(stage: &Path, directory: &Path) -> Result<(), LoadError> {
    let entries = fs::read_dir(stage).map_err(|error| LoadError::io("list", stage, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| LoadError::io("list", stage, &error))?;
        let named = directory.join(entry.file_name());
        if named.symlink_metadata().is_ok() {
            return Err(LoadError::output(&named, "was put there meanwhile"));
        }
        fs::rename(entry.path(), &named).map_err(|error| LoadError::io("write", &named, &error))?;
    }
    Ok(())
}

/// The files of a copy, each open from its first byte to its last.
struct Copies {
    files: HashMap<usize, Target>,
}

struct Target {
    path: PathBuf,
    left: AtomicU64,
    open: Mutex<Option<Arc<File>>>,
}

impl Destination for Copies {
    fn take(&self, file: usize, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(target) = self.files.get(&file) else { return Ok(()) };
        target.write(offset, bytes).map_err(|error| LoadError::io("write", &target.path, &error).into())
    }
}

impl Target {
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_all_at(&*self.file()?, bytes, offset)?;
        let count = bytes.len() as u64;
        if self.left.fetch_sub(count, Ordering::AcqRel) == count {
            *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(())
    }

    fn file(&self) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match &*open {
            Some(file) => Ok(file.clone()),
            None => Ok(open.insert(Arc::new(create(&self.path)?)).clone()),
        }
    }
}

/// A new file that only its owner reads, and nobody writes who did not make it.
fn create(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o400);
    options.open(path)
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(count..).unwrap_or_default();
        offset = offset.saturating_add(count as u64);
    }
    Ok(())
}
