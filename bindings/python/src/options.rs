//! How a model is measured, as Python says it.

use crate::errors::Raised;
use modelseal::Algorithm;
use pyo3::prelude::*;
use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

/// The arguments that `digest` and `sign` share; an object of Python with these attributes.
#[derive(FromPyObject)]
pub(crate) struct Measure {
    pub(crate) method: String,
    pub(crate) shard_size: Option<u64>,
    pub(crate) hash: String,
    pub(crate) ignore: Vec<PathBuf>,
    pub(crate) ignore_git_paths: bool,
    pub(crate) allow_symlinks: bool,
    pub(crate) threads: Option<usize>,
}

impl Measure {
    pub(crate) fn algorithm(&self) -> Result<Algorithm, Raised> {
        self.hash.parse().map_err(|e| Raised::usage("usage.flags", e))
    }

    /// The size of shards, when files are hashed in shards.
    pub(crate) fn shards(&self) -> Result<Option<NonZeroU64>, Raised> {
        let size = self.shard_size.map(|size| {
            NonZeroU64::new(size).ok_or_else(|| Raised::usage("usage.flags", "shard_size must be at least 1"))
        });
        match (&*self.method, size.transpose()?) {
            ("files", None) => Ok(None),
            ("files", Some(_)) => {
                Err(Raised::usage("usage.flags", "shard_size goes with method='shards' only"))
            }
            ("shards", size) => Ok(Some(size.unwrap_or(modelseal::DEFAULT_SHARD_SIZE))),
            (other, _) => Err(Raised::usage(
                "usage.flags",
                format_args!("method is 'files' or 'shards', not '{other}'"),
            )),
        }
    }
}

/// A number of threads; one for each core where none is given.
pub(crate) fn threads(count: Option<usize>) -> Result<Option<NonZeroUsize>, Raised> {
    let not_none =
        |n| NonZeroUsize::new(n).ok_or_else(|| Raised::usage("usage.flags", "threads must be at least 1"));
    count.map(not_none).transpose()
}
