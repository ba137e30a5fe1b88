//! The operating system by paths, where there are no descriptors to look names up in: between listing and opening,
//! somebody who may write to the model can swap things. What was opened is checked again when it has been read.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, FileType, Metadata},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::error::SpecialFile;

/// A directory.
#[derive(Debug)]
pub(crate) struct Dir(PathBuf);

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Link,
    Special(SpecialFile),
}

/// What the system says about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    pub(crate) stamp: Stamp,
}

/// When a file was last written and when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    created: Option<SystemTime>,
}

/// Which directory it is: its canonical path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileId(PathBuf);

/// A name in a directory, with its kind where the listing tells it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: OsString,
    pub(crate) kind: Option<Kind>,
}

impl Dir {
    /// Takes the directory at `path`, which must not be a link.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        expect(Kind::Directory, &status_at(path, false)?)?;
        Ok(Self(path.to_owned()))
    }

    /// Takes the directory `name` in this one; a link only when it is to be followed.
    pub(crate) fn enter(&self, name: &OsStr, follow: bool) -> io::Result<Self> {
        expect(Kind::Directory, &self.status(name, follow)?)?;
        Ok(Self(self.0.join(name)))
    }

    /// Opens the file `name`.
    pub(crate) fn open_file(&self, name: &OsStr, follow: bool) -> io::Result<File> {
        expect(Kind::File, &self.status(name, follow)?)?;
        File::open(self.0.join(name))
    }

    /// The names in it, at most `limit` and one, in no order.
    pub(crate) fn list(&self, limit: usize) -> io::Result<Vec<Entry>> {
        let entries = std::fs::read_dir(&self.0)?.take(limit.saturating_add(1));
        entries
            .map(|entry| {
                let entry = entry?;
                Ok(Entry { name: entry.file_name(), kind: Some(Kind::new(entry.file_type()?)) })
            })
            .collect()
    }

    /// What `name` is, or what it leads to.
    pub(crate) fn status(&self, name: &OsStr, follow: bool) -> io::Result<Status> {
        status_at(&self.0.join(name), follow)
    }

    /// The text of the link `name`.
    pub(crate) fn read_link(&self, name: &OsStr) -> io::Result<PathBuf> {
        std::fs::read_link(self.0.join(name))
    }

    /// Which directory it is.
    pub(crate) fn id(&self) -> io::Result<FileId> {
        Ok(FileId(std::fs::canonicalize(&self.0)?))
    }
}

/// Opens the file at `path`, which must not be a link.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    expect(Kind::File, &status_at(path, false)?)?;
    File::open(path)
}

/// What an open file is.
pub(crate) fn status_of(file: &File) -> io::Result<Status> {
    Ok(Status::new(&file.metadata()?))
}

/// What is at `path`, or what it leads to.
pub(crate) fn status_at(path: &Path, follow: bool) -> io::Result<Status> {
    Ok(Status::new(&if follow { std::fs::metadata(path)? } else { std::fs::symlink_metadata(path)? }))
}

/// Reads at an offset.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// How many descriptors this process may have open.
pub(crate) fn descriptor_limit() -> Option<u64> {
    None
}

/// Whether the error says that a link or a file is where something else was listed.
pub(crate) fn is_replaced(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Replaced>())
}

/// Whether the error says that links lead in a circle.
pub(crate) fn is_loop(_error: &io::Error) -> bool {
    false
}

/// Something else is where a file or directory was listed.
#[derive(Debug)]
struct Replaced;

impl std::fmt::Display for Replaced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("something else has taken its place")
    }
}

impl std::error::Error for Replaced {}

fn expect(kind: Kind, status: &Status) -> io::Result<()> {
    if status.kind == kind { Ok(()) } else { Err(io::Error::other(Replaced)) }
}

impl Kind {
    fn new(file_type: FileType) -> Self {
        match file_type {
            t if t.is_symlink() => Self::Link,
            t if t.is_dir() => Self::Directory,
            t if t.is_file() => Self::File,
            _ => Self::Special(SpecialFile::Unknown),
        }
    }
}

impl Status {
    /// There is no number here by which a file could be known again.
    pub(crate) fn identity(&self) -> Option<crate::reuse::Identity> {
        None
    }

    fn new(metadata: &Metadata) -> Self {
        let stamp = Stamp { modified: metadata.modified().ok(), created: metadata.created().ok() };
        Self { kind: Kind::new(metadata.file_type()), size: metadata.len(), stamp }
    }
}
