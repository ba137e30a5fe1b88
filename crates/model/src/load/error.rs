//! [`LoadError`]: why resources were not loaded.

use crate::error::MeasureError;
use modelseal_core::digest::Digest;
use std::{fmt, io, path::PathBuf};

/// Why resources were not loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// A file could not be read, or did not hold still.
    Read(MeasureError),
    /// A resource has other bytes than it should.
    Mismatch(Box<Mismatch>),
    /// The destination did not take the bytes.
    Destination(io::Error),
}

/// A resource that has other bytes than it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The file, by its place in [`Files::files`](crate::Files::files).
    pub file: usize,
    /// The number of the shard, under `shards`; 0 under `files`.
    pub shard: u32,
    /// Where the file is.
    pub path: PathBuf,
    /// What its digest should be.
    pub expected: Digest,
    /// What it is; `None` when there is no such shard, or nobody expected it.
    pub found: Option<Digest>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Destination(error) => write!(f, "what was read could not be kept: {error}"),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, expected, .. } = self;
        match self.found {
            Some(found) => {
                write!(f, "'{}' is not what was expected: {expected} expected, {found} found", shown(path))
            }
            None => write!(f, "'{}' has another number of shards than expected", shown(path)),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Destination(error) => Some(error),
            Self::Mismatch(_) => None,
        }
    }
}

fn shown(path: &std::path::Path) -> String {
    modelseal_core::text::Printable(&path.to_string_lossy()).to_string()
}
