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
    Mismatch {
        /// The file, by its place in [`Files::files`](crate::Files::files).
        file: usize,
        /// The number of the shard, under `shards`; 0 under `files`.
        shard: u32,
        /// Where the file is.
        path: PathBuf,
        /// What its digest should be.
        expected: Digest,
        /// What it is; `None` when it was not computed.
        found: Option<Digest>,
    },
    /// The destination did not take the bytes.
    Destination(io::Error),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Mismatch { path, expected, found: Some(found), .. } => {
                write!(f, "'{}' is not what was expected: {expected} expected, {found} found", shown(path))
            }
            Self::Mismatch { path, .. } => write!(f, "'{}' was not compared", shown(path)),
            Self::Destination(error) => write!(f, "what was read could not be kept: {error}"),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Destination(error) => Some(error),
            Self::Mismatch { .. } => None,
        }
    }
}

fn shown(path: &std::path::Path) -> String {
    modelseal_core::text::Printable(&path.to_string_lossy()).to_string()
}
