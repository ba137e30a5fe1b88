//! [`MeasureError`]: why a model could not be measured.

use crate::prints::Differs;
use modelseal_core::{limits, manifest::ManifestError, path::PathError, text::Printable};
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Why a model could not be measured. Paths start with the path that the model was opened by.
#[derive(Debug)]
#[non_exhaustive]
pub enum MeasureError {
    /// There is nothing at the model's path.
    Missing(PathBuf),
    /// The model's path is a symbolic link.
    ModelIsSymlink {
        /// The link.
        path: PathBuf,
        /// Its text.
        target: PathBuf,
    },
    /// The model's path has no last component that could name the model.
    NoName(PathBuf),
    /// A FIFO, socket or device, where only files and directories belong. It was not opened.
    SpecialFile {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        what: SpecialFile,
    },
    /// A symbolic link, while links are not allowed.
    Symlink {
        /// The link.
        path: PathBuf,
        /// Its text.
        target: PathBuf,
    },
    /// A symbolic link to nothing.
    DanglingSymlink {
        /// The link.
        path: PathBuf,
        /// Its text.
        target: PathBuf,
    },
    /// A symbolic link that leads to itself through other links or none.
    SymlinkLoop {
        /// The link.
        path: PathBuf,
        /// Its text.
        target: PathBuf,
    },
    /// A name that is not UTF-8, so that it cannot be signed (OMS v1.0 §6.1.2).
    NotUtf8 {
        /// The directory that holds it.
        directory: PathBuf,
        /// The name with replacement characters for what is not UTF-8.
        name: String,
    },
    /// A name that breaks another rule of OMS v1.0 §6.1.2.
    Name {
        /// The directory that holds it.
        directory: PathBuf,
        /// The rule.
        error: PathError,
    },
    /// No regular file is left after exclusions: an empty model cannot be signed (OMS v1.0 §6.1).
    Empty {
        /// The model.
        path: PathBuf,
        /// Whether something was left out: by ignore paths, as the signature, or as not asked for.
        excluded: bool,
    },
    /// More directory entries than [`limits::MAX_RESOURCES`] before the end of the model was in sight.
    TooManyEntries(PathBuf),
    /// More files or shards than [`limits::MAX_RESOURCES`].
    TooManyResources {
        /// How many there would be.
        count: u64,
        /// The shard size in bytes, under `shards`.
        shard_size: Option<u64>,
    },
    /// A file did not hold still while it was measured.
    Changed {
        /// The file.
        path: PathBuf,
        /// What happened to it.
        change: Change,
    },
    /// The operating system refused.
    Io {
        /// What was being done: "open", "read", "list" and so on.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Its reason.
        error: io::Error,
    },
    /// Further digests were asked for of a measurement by shards, or of a part of one: they are of whole files.
    AlsoNeedsWholeFiles,
    /// [`Progress::cancelled`](crate::Progress::cancelled) said so.
    Cancelled,
    /// What was measured cannot be a manifest.
    Manifest(ManifestError),
}

/// What kind of trouble a [`MeasureError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such model.
    Missing,
    /// The system could not give an answer; another attempt may.
    Io,
    /// The model breaks a rule as it is now.
    Rejected,
    /// Somebody asked to stop.
    Cancelled,
}

/// A file that is neither a regular file, nor a directory, nor a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpecialFile {
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// Something else.
    Unknown,
}

/// What happened to a file between the walk and the end of its hashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// It is longer than it was.
    Grew {
        /// Its first size in bytes.
        from: u64,
    },
    /// It is shorter than it was.
    Shrank {
        /// Its first size in bytes.
        from: u64,
    },
    /// It was written to, or its owner, mode, links or name changed (`mtime` or `ctime` moved).
    Modified,
    /// Something of another type is in its place.
    Replaced,
    /// It is gone.
    Vanished,
}

impl MeasureError {
    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing(_) => ErrorKind::Missing,
            Self::Io { .. } => ErrorKind::Io,
            Self::Cancelled => ErrorKind::Cancelled,
            _ => ErrorKind::Rejected,
        }
    }

    /// An error of the operating system, or what it means for a name that was there a moment ago.
    pub(crate) fn from_io(doing: &'static str, path: impl Into<PathBuf>, error: io::Error) -> Self {
        let path = path.into();
        if error.kind() == io::ErrorKind::NotFound {
            return Self::Changed { path, change: Change::Vanished };
        }
        // What `O_NOFOLLOW` and `O_DIRECTORY` say when a link or a file took the place of what was listed.
        if crate::fs::is_replaced(&error) {
            return Self::Changed { path, change: Change::Replaced };
        }
        if Differs::is_cause_of(&error) {
            return Self::Changed { path, change: Change::Modified };
        }
        Self::Io { doing, path, error }
    }
}

impl fmt::Display for MeasureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "there is no model at '{}'", shown(path)),
            Self::ModelIsSymlink { path, target } => write!(
                f,
                "the model path '{}' is a symbolic link to '{}'; name the target itself",
                shown(path),
                shown(target)
            ),
            Self::NoName(path) => write!(f, "'{}' has no name of its own to sign a model by", shown(path)),
            Self::SpecialFile { path, what } => write!(
                f,
                "'{}' is {what}; a model consists of regular files: remove it, or ignore it with --ignore-paths",
                shown(path)
            ),
            Self::Symlink { path, target } => write!(
                f,
                "'{}' is a symbolic link to '{}'; replace it by its target, ignore it with --ignore-paths, or allow \
                 links with --allow-symlinks",
                shown(path),
                shown(target)
            ),
            Self::DanglingSymlink { path, target } => {
                write!(f, "'{}' is a symbolic link to '{}', which does not exist", shown(path), shown(target))
            }
            Self::SymlinkLoop { path, target } => {
                write!(
                    f,
                    "'{}' is a symbolic link to '{}', which leads back to it",
                    shown(path),
                    shown(target)
                )
            }
            Self::NotUtf8 { directory, name } => write!(
                f,
                "a name in '{}' is not UTF-8 and cannot be signed: '{}'; rename it",
                shown(directory),
                Printable(name)
            ),
            Self::Name { directory, error } => {
                write!(f, "a name in '{}' cannot be signed: {error}", shown(directory))
            }
            Self::Empty { path, excluded } => {
                write!(f, "'{}' holds no files", shown(path))?;
                f.write_str(if *excluded { " besides those that are left out" } else { "" })?;
                f.write_str("; an empty model can be neither signed nor verified")
            }
            Self::TooManyEntries(path) => {
                write!(f, "'{}' has more than {} directory entries", shown(path), limits::MAX_RESOURCES)
            }
            Self::TooManyResources { count, shard_size: None } => {
                write!(f, "{count} files are more than the limit of {}", limits::MAX_RESOURCES)
            }
            Self::TooManyResources { count, shard_size: Some(size) } => write!(
                f,
                "shards of {size} bytes would be {count}, more than the limit of {}; choose a larger shard size",
                limits::MAX_RESOURCES
            ),
            Self::Changed { path, change } => {
                write!(
                    f,
                    "'{}' {change} while the model was measured; measure it when nothing writes to it",
                    shown(path)
                )
            }
            Self::Io { doing, path, error } => write!(f, "cannot {doing} '{}': {error}", shown(path)),
            Self::AlsoNeedsWholeFiles => f.write_str(
                "further digests are of whole files, so they go neither with shards nor with a part of the model; \
                 leave --also out, or measure by files and at once",
            ),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Manifest(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for SpecialFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fifo => "a named pipe (FIFO)",
            Self::Socket => "a socket",
            Self::CharacterDevice => "a character device",
            Self::BlockDevice => "a block device",
            Self::Unknown => "neither a file nor a directory",
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grew { from } => write!(f, "grew beyond its {from} bytes"),
            Self::Shrank { from } => write!(f, "shrank below its {from} bytes"),
            Self::Modified => f.write_str("was modified"),
            Self::Replaced => f.write_str("was replaced by something else"),
            Self::Vanished => f.write_str("vanished"),
        }
    }
}

impl std::error::Error for MeasureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            Self::Name { error, .. } => Some(error),
            Self::Manifest(error) => Some(error),
            _ => None,
        }
    }
}

/// A path, safe to print.
fn shown(path: &Path) -> String {
    Printable(&path.to_string_lossy()).to_string()
}
