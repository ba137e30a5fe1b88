//! The operating system, relative to descriptors: a name that is looked up twice can be two things.

use crate::{error::SpecialFile, reuse::Identity};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use std::{
    ffi::{CStr, OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
};

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir(OwnedFd);

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Link,
    Special(SpecialFile),
}

/// What the system says about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    pub(crate) stamp: Stamp,
    pub(crate) id: FileId,
}

/// When a file's bytes (`mtime`) and its inode (`ctime`) last changed: seconds and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    modified: (u64, u32),
    changed: (u64, u32),
}

/// Which file it is: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

/// A name in a directory, with its kind where the listing tells it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: OsString,
    pub(crate) kind: Option<Kind>,
}

impl Dir {
    /// Opens the directory at `path`, which must not be a link.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// Opens the directory `name` in this one; a link only when it is to be followed.
    pub(crate) fn enter(&self, name: &OsStr, follow: bool) -> io::Result<Self> {
        let flags = if follow { DIRECTORY } else { DIRECTORY | OFlags::NOFOLLOW };
        Ok(Self(rustix::fs::openat(&self.0, name, flags, Mode::empty())?))
    }

    /// Opens the file `name`. Never waits, whatever has taken the name's place meanwhile.
    pub(crate) fn open_file(&self, name: &OsStr, follow: bool) -> io::Result<File> {
        let flags = if follow { FILE } else { FILE | OFlags::NOFOLLOW };
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, Mode::empty())?))
    }

    /// The names in it, at most `limit` and one, in no order.
    pub(crate) fn list(&self, limit: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name: &CStr = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if entries.len() > limit {
                break;
            }
            let name = OsString::from_vec(name.to_bytes().to_vec());
            entries.push(Entry { name, kind: Kind::listed(entry.file_type()) });
        }
        Ok(entries)
    }

    /// What `name` is, or what it leads to.
    pub(crate) fn status(&self, name: &OsStr, follow: bool) -> io::Result<Status> {
        let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        Ok(Status::new(&rustix::fs::statat(&self.0, name, flags)?))
    }

    /// The text of the link `name`.
    pub(crate) fn read_link(&self, name: &OsStr) -> io::Result<PathBuf> {
        let target = rustix::fs::readlinkat(&self.0, name, Vec::new())?;
        Ok(PathBuf::from(OsStr::from_bytes(target.to_bytes())))
    }

    /// Which directory it is.
    pub(crate) fn id(&self) -> io::Result<FileId> {
        Ok(status_of(&self.0)?.id)
    }
}

/// Opens the file at `path`, which must not be a link. Never waits.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    Ok(File::from(rustix::fs::open(path, FILE | OFlags::NOFOLLOW, Mode::empty())?))
}

/// What an open file is.
pub(crate) fn status_of(file: impl AsFd) -> io::Result<Status> {
    Ok(Status::new(&rustix::fs::fstat(file)?))
}

/// What is at `path`, or what it leads to.
pub(crate) fn status_at(path: &Path, follow: bool) -> io::Result<Status> {
    Ok(Status::new(&if follow { rustix::fs::stat(path)? } else { rustix::fs::lstat(path)? }))
}

/// Reads at an offset, without moving any.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// How many descriptors this process may have open.
pub(crate) fn descriptor_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Whether the error says that a link or a file is where something else was listed.
pub(crate) fn is_replaced(error: &io::Error) -> bool {
    // FreeBSD says EMLINK where the others say ELOOP.
    matches!(rustix::io::Errno::from_io_error(error), Some(LOOP | NOTDIR | MLINK))
}

/// Whether the error says that links lead in a circle.
pub(crate) fn is_loop(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(LOOP)
}

const LOOP: rustix::io::Errno = rustix::io::Errno::LOOP;
const NOTDIR: rustix::io::Errno = rustix::io::Errno::NOTDIR;
const MLINK: rustix::io::Errno = rustix::io::Errno::MLINK;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl Kind {
    fn new(file_type: FileType) -> Self {
        match file_type {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            FileType::Fifo => Self::Special(SpecialFile::Fifo),
            FileType::Socket => Self::Special(SpecialFile::Socket),
            FileType::CharacterDevice => Self::Special(SpecialFile::CharacterDevice),
            FileType::BlockDevice => Self::Special(SpecialFile::BlockDevice),
            _ => Self::Special(SpecialFile::Unknown),
        }
    }

    /// Some file systems list names without their types.
    fn listed(file_type: FileType) -> Option<Self> {
        if file_type == FileType::Unknown { None } else { Some(Self::new(file_type)) }
    }
}

impl Status {
    /// What a cache may know a file by.
    pub(crate) fn identity(&self) -> Option<Identity> {
        let Stamp { modified, changed } = self.stamp;
        Some(Identity { device: self.id.0, inode: self.id.1, size: self.size, modified, changed })
    }

    fn new(stat: &Stat) -> Self {
        let nanoseconds = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            kind: Kind::new(FileType::from_raw_mode(stat.st_mode)),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            stamp: Stamp {
                modified: (bits(stat.st_mtime), nanoseconds(bits(stat.st_mtime_nsec))),
                changed: (bits(stat.st_ctime), nanoseconds(bits(stat.st_ctime_nsec))),
            },
            id: FileId(bits(stat.st_dev), bits(stat.st_ino)),
        }
    }
}

/// The fields of `stat` have other widths and signs on every system; only their equality matters here.
fn bits(value: impl Into<i128>) -> u64 {
    u64::try_from(value.into().rem_euclid(1 << 64)).unwrap_or(0)
}
