//! Folders and files of a store as they are on disk. Nothing in a store is reached through a link, and nothing is waited for.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// A folder that is open.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    #[cfg(unix)]
    descriptor: std::os::fd::OwnedFd,
}

/// A name in a folder.
#[derive(Debug)]
pub(super) struct Entry {
    /// `None` when it is not UTF-8.
    pub(super) name: Option<String>,
    pub(super) kind: Kind,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// A link or a special file.
    Other,
}

/// By what a file or folder is known to be unchanged. Every number is the system's, bit for bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    pub(super) size: i64,
    /// Nanoseconds since 1970.
    pub(super) modified: i64,
    /// Nanoseconds since 1970: unlike `modified`, nobody can set it.
    pub(super) changed: i64,
    pub(super) inode: i64,
}

/// Whether `name` is one name, so that it cannot lead out of its folder.
pub(super) fn is_plain(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!(components.next(), Some(std::path::Component::Normal(_)))
        && components.next().is_none()
        && !name.contains(['/', '\\', '\0'])
}

impl Folder {
    /// Opens the store itself, which may be reached through a link: its user named it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        system::open(path)
    }

    /// Opens a folder below this one, by its path relative to it.
    pub(super) fn enter(&self, path: &str) -> io::Result<Self> {
        let mut names = path.split('/').filter(|name| !name.is_empty());
        let Some(first) = names.next() else { return self.step(".") };
        names.try_fold(self.checked_step(first)?, |folder, name| folder.checked_step(name))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a regular file of at most `limit` bytes.
    pub(super) fn read(&self, name: &str, limit: u64) -> io::Result<(Vec<u8>, Stamp)> {
        if !is_plain(name) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain name"));
        }
        let file = self.open_file(name)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let (size, too_large) =
            (metadata.len(), || io::Error::other(format!("it is larger than {limit} bytes")));
        if size > limit {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
        (&file).take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(too_large());
        }
        Ok((bytes, system::stamp_of(&metadata)))
    }

    fn checked_step(&self, name: &str) -> io::Result<Self> {
        if is_plain(name) {
            self.step(name)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain name"))
        }
    }
}

#[cfg(unix)]
mod system {
    use super::{Entry, File, Folder, Kind, Path, Stamp, io};
    use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

    const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    const FILE: OFlags = OFlags::RDONLY
        .union(OFlags::NONBLOCK)
        .union(OFlags::NOCTTY)
        .union(OFlags::NOFOLLOW)
        .union(OFlags::CLOEXEC);

    pub(super) fn open(path: &Path) -> io::Result<Folder> {
        let descriptor = rustix::fs::open(path, FOLDER, Mode::empty())?;
        Ok(Folder { path: path.to_owned(), descriptor })
    }

    pub(super) fn stamp_of(metadata: &std::fs::Metadata) -> Stamp {
        use std::os::unix::fs::MetadataExt;
        Stamp {
            size: metadata.size().cast_signed(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino().cast_signed(),
        }
    }

    impl Folder {
        pub(super) fn step(&self, name: &str) -> io::Result<Self> {
            let flags = FOLDER.union(OFlags::NOFOLLOW);
            let descriptor = rustix::fs::openat(&self.descriptor, name, flags, Mode::empty())?;
            Ok(Self { path: self.path.join(name), descriptor })
        }

        pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
            Ok(File::from(rustix::fs::openat(&self.descriptor, name, FILE, Mode::empty())?))
        }

        /// When it last changed.
        pub(in super::super) fn stamp(&self) -> io::Result<Stamp> {
            Ok(stamp(&rustix::fs::fstat(&self.descriptor)?))
        }

        /// What the name stands for now.
        pub(in super::super) fn stamp_at(&self, name: &str) -> io::Result<Stamp> {
            Ok(stamp(&rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW)?))
        }

        /// The names in it, at most `limit` and one, in no order.
        pub(in super::super) fn list(&self, limit: usize) -> io::Result<Vec<Entry>> {
            let mut entries = Vec::new();
            for entry in Dir::read_from(&self.descriptor)? {
                let entry = entry?;
                let name = entry.file_name();
                if name == c"." || name == c".." {
                    continue;
                }
                if entries.len() > limit {
                    break;
                }
                let kind = match entry.file_type() {
                    // Some file systems list names without their types.
                    FileType::Unknown => {
                        let stat = rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW);
                        stat.map_or(Kind::Other, |stat| kind(FileType::from_raw_mode(stat.st_mode)))
                    }
                    file_type => kind(file_type),
                };
                entries.push(Entry { name: name.to_str().ok().map(str::to_owned), kind });
            }
            Ok(entries)
        }
    }

    fn kind(file_type: FileType) -> Kind {
        match file_type {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            _ => Kind::Other,
        }
    }

    fn stamp(stat: &Stat) -> Stamp {
        Stamp {
            size: bits(stat.st_size),
            modified: nanoseconds(bits(stat.st_mtime), bits(stat.st_mtime_nsec)),
            changed: nanoseconds(bits(stat.st_ctime), bits(stat.st_ctime_nsec)),
            inode: bits(stat.st_ino),
        }
    }

    fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
        seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
    }

    /// The fields of `stat` have other widths and signs on every system; only their equality matters here.
    fn bits(value: impl Into<i128>) -> i64 {
        let bits = u64::try_from(value.into().rem_euclid(1 << 64)).unwrap_or(0);
        bits.cast_signed()
    }
}

#[cfg(not(unix))]
mod system {
    use super::{Entry, File, Folder, Kind, Path, Stamp, io};
    use std::{fs, time::SystemTime};

    pub(super) fn open(path: &Path) -> io::Result<Folder> {
        fs::read_dir(path)?;
        Ok(Folder { path: path.to_owned() })
    }

    pub(super) fn stamp_of(metadata: &fs::Metadata) -> Stamp {
        let since = |time: io::Result<SystemTime>| {
            let elapsed = time.ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            elapsed.and_then(|elapsed| i64::try_from(elapsed.as_nanos()).ok()).unwrap_or(0)
        };
        Stamp {
            size: metadata.len().cast_signed(),
            modified: since(metadata.modified()),
            changed: since(metadata.created()),
            inode: 0,
        }
    }

    impl Folder {
        pub(super) fn step(&self, name: &str) -> io::Result<Self> {
            let path = self.path.join(name);
            if !fs::symlink_metadata(&path)?.is_dir() {
                return Err(io::Error::other("it is not a folder"));
            }
            Ok(Self { path })
        }

        pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
            let path = self.path.join(name);
            if !fs::symlink_metadata(&path)?.is_file() {
                return Err(io::Error::other("it is not a regular file"));
            }
            File::open(path)
        }

        /// When it last changed.
        pub(in super::super) fn stamp(&self) -> io::Result<Stamp> {
            Ok(stamp_of(&fs::metadata(&self.path)?))
        }

        /// What the name stands for now.
        pub(in super::super) fn stamp_at(&self, name: &str) -> io::Result<Stamp> {
            Ok(stamp_of(&fs::symlink_metadata(self.path.join(name))?))
        }

        /// The names in it, at most `limit` and one, in no order.
        pub(in super::super) fn list(&self, limit: usize) -> io::Result<Vec<Entry>> {
            let mut entries = Vec::new();
            for entry in fs::read_dir(&self.path)?.take(limit.saturating_add(1)) {
                let entry = entry?;
                let file_type = entry.file_type()?;
                let kind = match (file_type.is_file(), file_type.is_dir()) {
                    (true, _) => Kind::File,
                    (_, true) => Kind::Folder,
                    _ => Kind::Other,
                };
                entries.push(Entry { name: entry.file_name().into_string().ok(), kind });
            }
            Ok(entries)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("store/a/b")).unwrap();
        std::fs::write(directory.path().join("secret"), "x").unwrap();
        std::fs::write(directory.path().join("store/a/b/c"), "y").unwrap();
        let store = Folder::open(&directory.path().join("store")).unwrap();
        assert_eq!(store.enter("a/b").unwrap().read("c", 9).unwrap().0, b"y");
        assert_eq!(store.enter("").unwrap().enter("a").unwrap().list(9).unwrap().len(), 1);
        for path in ["..", "a/../..", "/", "a/./b", "."] {
            let entered = store.enter(path);
            assert!(entered.is_err() || path == "/", "{path}");
        }
        for name in ["../secret", "..", ".", "", "a/b", "/etc/passwd", "a\0b", "a\\b"] {
            assert!(store.read(name, 9).is_err(), "{name:?}");
        }
        assert!(store.enter("a/b").unwrap().read("c", 0).unwrap_err().to_string().contains("larger"));
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_are_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::write(path.join("secret"), "x").unwrap();
        std::fs::create_dir(path.join("store")).unwrap();
        std::os::unix::fs::symlink("../secret", path.join("store/link")).unwrap();
        std::os::unix::fs::symlink("..", path.join("store/up")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path.join("store/pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        let store = Folder::open(&path.join("store")).unwrap();
        assert!(store.read("link", 9).is_err() && store.enter("up").is_err());
        assert!(store.read("pipe", 9).unwrap_err().to_string().contains("regular"));
        assert!(store.list(9).unwrap().iter().all(|entry| entry.kind == Kind::Other));
        // The store itself may be a link.
        std::os::unix::fs::symlink("store", path.join("shortcut")).unwrap();
        assert_eq!(Folder::open(&path.join("shortcut")).unwrap().list(9).unwrap().len(), 3);
    }
}
