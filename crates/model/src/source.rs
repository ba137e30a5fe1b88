//! [`Source`]: a model that is open.

use crate::{
    error::MeasureError,
    fs::{self, Dir, Kind, Status},
    snapshot::Snapshot,
};
use modelseal_core::path::{ModelPath, PathError};
use std::{
    ffi::OsStr,
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// A model that is open: a directory, or a single file. What is read later is looked up from the descriptors it
/// holds, so the path may be given to something else meanwhile and nothing of that is measured.
#[derive(Debug)]
pub struct Source {
    /// As the user named it, for messages.
    path: PathBuf,
    pub(crate) root: Root,
    /// The Hugging Face cache it lies in.
    pub(crate) snapshot: Option<Snapshot>,
}

/// What is open.
#[derive(Debug)]
pub(crate) enum Root {
    /// A directory, and its canonical path, which is for saying where links lead and not for opening anything.
    Directory { dir: Dir, canonical: PathBuf },
    /// A file, as it was when it was opened.
    File { file: File, status: Status },
}

impl Source {
    /// Opens the model at `path`, which must itself be no symbolic link; a link from a Hugging Face cache snapshot to
    /// the repository's own blob is a file.
    ///
    /// # Errors
    /// [`MeasureError::Missing`], [`MeasureError::ModelIsSymlink`], [`MeasureError::SpecialFile`] (which is not
    /// opened), [`MeasureError::Io`].
    pub fn open(path: &Path) -> Result<Self, MeasureError> {
        // `link/` and `link/.` would be looked up as what the link leads to.
        let named = path.components().as_path();
        let status = status_at(path, named, false)?;
        if status.kind != Kind::Link {
            return Self::open_status(path, named, &status);
        }
        let failed = |error| MeasureError::from_io("read the link", path, error);
        let target = std::fs::read_link(named).map_err(failed)?;
        let parent = match named.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let canonical = std::fs::canonicalize(parent).map_err(failed)?;
        let snapshot = Snapshot::around(&canonical).map_err(failed)?;
        let Some((snapshot, blob)) = snapshot.and_then(|s| s.blob(&canonical, &target).map(|blob| (s, blob)))
        else {
            return Err(MeasureError::ModelIsSymlink { path: path.to_owned(), target });
        };
        let status = snapshot.blobs.status(OsStr::new(&blob), false);
        match status.map(|s| s.kind) {
            Ok(Kind::File) => {}
            Ok(_) => return Err(MeasureError::ModelIsSymlink { path: path.to_owned(), target }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(MeasureError::DanglingSymlink { path: path.to_owned(), target });
            }
            Err(e) => return Err(failed(e)),
        }
        let file = snapshot.blobs.open_file(OsStr::new(&blob), false).map_err(failed)?;
        Ok(Self { path: path.to_owned(), root: Root::of_file(path, file)?, snapshot: Some(snapshot) })
    }

    /// The same, but a path that is a symbolic link stands for what it leads to.
    ///
    /// # Errors
    /// As [`Source::open`], but for [`MeasureError::ModelIsSymlink`].
    pub fn open_following(path: &Path) -> Result<Self, MeasureError> {
        let target = match std::fs::canonicalize(path) {
            Ok(target) => target,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(MeasureError::Missing(path.to_owned()));
            }
            Err(error) => return Err(MeasureError::Io { doing: "open", path: path.to_owned(), error }),
        };
        let status = status_at(path, &target, false)?;
        Self::open_status(path, &target, &status)
    }

    /// A file that is open already, with what to call it in messages.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_file(path: &Path, file: File) -> Result<Self, MeasureError> {
        Ok(Self { path: path.to_owned(), root: Root::of_file(path, file)?, snapshot: None })
    }

    /// Whether the model is a single file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self.root, Root::File { .. })
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name to sign it by: the last component of its path made absolute (OMS v1.0 §6.5).
    ///
    /// # Errors
    /// [`MeasureError::NoName`] for the root of the file system, [`MeasureError::NotUtf8`].
    pub fn model_name(&self) -> Result<String, MeasureError> {
        let failed = |error| MeasureError::Io { doing: "resolve", path: self.path.clone(), error };
        let mut absolute = std::path::absolute(&self.path).map_err(failed)?;
        if absolute.file_name().is_none() {
            absolute = std::fs::canonicalize(&absolute).map_err(failed)?;
        }
        let name = absolute.file_name().ok_or_else(|| MeasureError::NoName(self.path.clone()))?;
        match name.to_str() {
            Some(name) => Ok(name.to_owned()),
            None => Err(MeasureError::NotUtf8 {
                directory: absolute.parent().unwrap_or(&absolute).to_owned(),
                name: name.to_string_lossy().into_owned(),
            }),
        }
    }

    /// The name of a single-file model's only file.
    pub(crate) fn file_name(&self) -> Result<ModelPath, MeasureError> {
        let name = self.model_name()?;
        ModelPath::parse(&name).map_err(|error| self.bad_name("", error))
    }

    /// The path of something in it, for messages.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        if name.is_empty() || self.is_file() { self.path.clone() } else { self.path.join(name) }
    }

    pub(crate) fn bad_name(&self, directory: &str, error: PathError) -> MeasureError {
        MeasureError::Name { directory: self.join(directory), error }
    }

    fn open_status(path: &Path, named: &Path, status: &Status) -> Result<Self, MeasureError> {
        let failed = |error| MeasureError::from_io("open", path, error);
        match status.kind {
            Kind::Directory => {
                let dir = Dir::open(named).map_err(failed)?;
                let canonical = std::fs::canonicalize(named).map_err(failed)?;
                let snapshot = Snapshot::around(&canonical).map_err(failed)?;
                Ok(Self { path: path.to_owned(), root: Root::Directory { dir, canonical }, snapshot })
            }
            Kind::File => {
                let root = Root::of_file(path, fs::open_file(named).map_err(failed)?)?;
                Ok(Self { path: path.to_owned(), root, snapshot: None })
            }
            Kind::Special(what) => Err(MeasureError::SpecialFile { path: path.to_owned(), what }),
            Kind::Link => {
                Err(MeasureError::Changed { path: path.to_owned(), change: crate::Change::Replaced })
            }
        }
    }
}

impl Root {
    /// Takes a file that has just been opened; it may have been swapped for something else since it was looked at.
    fn of_file(path: &Path, file: File) -> Result<Self, MeasureError> {
        let status = fs::status_of(&file).map_err(|error| MeasureError::from_io("inspect", path, error))?;
        match status.kind {
            Kind::Special(what) => Err(MeasureError::SpecialFile { path: path.to_owned(), what }),
            _ => Ok(Self::File { file, status }),
        }
    }
}

fn status_at(path: &Path, named: &Path, follow: bool) -> Result<Status, MeasureError> {
    fs::status_at(named, follow).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => MeasureError::Missing(path.to_owned()),
        _ => MeasureError::Io { doing: "open", path: path.to_owned(), error },
    })
}
