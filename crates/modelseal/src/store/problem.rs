//! What is wrong with a store, and with files in it.

use super::{index::IndexError, scan::ScanError};
use crate::{error::Kind, report::StoreProblem};
use modelseal_core::{bundle::BundleError, limits::MAX_STORE_DEPTH, text::Printable};
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// What is tried when a store is opened.
pub(super) const OPEN: &str = "open the store";

/// What is tried with a file that is to be added.
pub(super) const READ: &str = "read";

/// What is tried when bundles are exported.
pub(super) const WRITE: &str = "write to";

/// What is wrong with a file under the name of other content.
pub(super) const OTHER_CONTENT: &str = "its bytes are not those that its name promises";

/// What is wrong with whatever is neither file nor folder.
pub(super) const NOT_FOLLOWED: &str = "it is a link or a special file, which are not followed";

/// What is wrong with a folder that is not looked into.
pub(super) fn too_deep() -> String {
    format!("it lies more than {MAX_STORE_DEPTH} folders deep")
}

/// Something in a store that answers do not rest on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file or folder.
    pub path: PathBuf,
    /// How much it matters.
    pub kind: ProblemKind,
    /// What is wrong with it.
    pub message: String,
}

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// It was not read, or is not what its name says: statements may be missing from every answer.
    NotRead = 0,
    /// It holds a bundle that is malformed, or one of a statement that is, which nobody believes.
    Malformed = 1,
    /// It, or a line of it, is something else than a bundle.
    NoBundle = 2,
}

/// Why a store cannot be used, or a bundle not be added.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// Something could not be done with the store or a file in it.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        error: io::Error,
    },
    /// What is to be added is no bundle.
    NotABundle(BundleError),
    /// Lines that are to be added are more than that many bytes.
    TooLarge {
        /// The bound in bytes.
        limit: u64,
    },
    /// There is more than one question is answered with.
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// The file that the index is to be kept in holds something else.
    NotAnIndex(PathBuf),
    /// The database failed, though it was built anew.
    Index(String),
}

impl Problem {
    /// The problem as documents have it.
    #[must_use]
    pub fn to_report(&self) -> StoreProblem {
        let kind = match self.kind {
            ProblemKind::NotRead => "not-read",
            ProblemKind::Malformed => "malformed",
            ProblemKind::NoBundle => "no-bundle",
        };
        StoreProblem {
            path: self.path.display().to_string(),
            kind: kind.to_owned(),
            message: self.message.clone(),
        }
    }
}

impl ProblemKind {
    pub(super) fn of(number: i64) -> Self {
        match number {
            1 => Self::Malformed,
            2 => Self::NoBundle,
            _ => Self::NotRead,
        }
    }
}

impl StoreError {
    /// Who is at fault.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotABundle(_) | Self::TooLarge { .. } | Self::NotAnIndex(_) => Kind::Usage,
            // What is not there was misnamed.
            Self::Io { doing: OPEN | READ, error, .. }
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                Kind::Usage
            }
            Self::Io { doing: WRITE, error, .. } if error.kind() == io::ErrorKind::AlreadyExists => {
                Kind::Usage
            }
            Self::Io { .. } | Self::TooMany { .. } | Self::Index(_) => Kind::Undecided,
        }
    }

    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match (self, self.kind()) {
            (Self::NotAnIndex(_), _) | (Self::Io { doing: WRITE, .. }, Kind::Usage) => "usage.output",
            (_, Kind::Usage) => "usage.file",
            (Self::TooMany { .. }, _) => "error.limit-exceeded",
            (Self::Index(_), _) => "error.internal",
            _ => "error.io",
        }
    }

    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, doing, error }
    }

    pub(super) fn of_scan(e: ScanError, store: &Path) -> Self {
        match e {
            ScanError::Index(e) => e.into(),
            ScanError::Store(error) => Self::Io { path: store.to_owned(), doing: "read", error },
            ScanError::TooMany { what, limit } => Self::TooMany { what, limit: limit as u64 },
        }
    }
}

impl From<IndexError> for StoreError {
    fn from(e: IndexError) -> Self {
        Self::Index(e.to_string())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, doing, error } => write!(
                f,
                "cannot {doing} '{}': {}",
                Printable(&path.display().to_string()),
                Printable(&error.to_string())
            ),
            Self::NotABundle(e) => write!(f, "{e}"),
            Self::TooLarge { limit } => {
                write!(f, "it is larger than {limit} bytes; divide it by lines into several files")
            }
            Self::TooMany { what, limit } => write!(
                f,
                "the store holds more than {limit} {what} that would have to be looked at; divide it into several stores"
            ),
            Self::NotAnIndex(path) => write!(
                f,
                "'{}' is no index of a store, and is not overwritten; name a file that is not there yet",
                Printable(&path.display().to_string())
            ),
            Self::Index(why) => {
                write!(f, "the index of the store failed, though it was built anew: {}", Printable(why))
            }
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            Self::NotABundle(e) => Some(e),
            _ => None,
        }
    }
}
