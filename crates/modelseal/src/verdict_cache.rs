//! [`VerdictCache`]: verdicts kept in a directory, by what they depend on. Off unless a caller makes one.
//!
//! A kept verdict says what the policies think of a manifest, and for how long. It does not say that a model's bytes are
//! those of the manifest: whoever wants to save the reading needs a file system that guards the bytes (fs-verity, dm-verity,
//! a layer digest). `modelseal verify` therefore reads every byte all the same, decides anew, and only adds to the cache.

use crate::{
    decide::Decided,
    disk,
    error::Error,
    policies::{Policies, PolicyError, trust_roots_digest},
};
use jiff::Timestamp;
use modelseal_verify::decision::cache::{CacheEntry, CacheKey};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Largest entry, in bytes. A verdict over many files lists only some.
const MAX_ENTRY_BYTES: u64 = 16 * 1024 * 1024;

/// A directory with verdicts, writable by its owner only.
#[derive(Debug, Clone)]
pub struct VerdictCache {
    directory: PathBuf,
}

impl VerdictCache {
    /// Opens a cache; makes the directory, private, when it is not there.
    ///
    /// # Errors
    /// [`PolicyError::State`] when others can write to it: what they put there would be believed.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let made = disk::make_private(directory).and_then(|()| disk::check_private(directory));
        made.map_err(|e| refuse(directory, &e))?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// The verdict that is kept for `key` and still holds at `now`. What cannot be read is as good as nothing.
    #[must_use]
    pub fn find(&self, key: &CacheKey, now: Timestamp) -> Option<CacheEntry> {
        disk::check_private(&self.directory).ok()?;
        let bytes = disk::read(&self.path(key), MAX_ENTRY_BYTES).ok()?;
        let entry: CacheEntry = serde_json::from_slice(&bytes).ok()?;
        entry.holds(key, now).then_some(entry)
    }

    /// Keeps a verdict. Errors, and denials for longer than a minute, are never kept. Gives whether it was.
    ///
    /// # Errors
    /// [`PolicyError::State`] when it cannot be written.
    pub fn keep(&self, policies: &Policies, decided: &Decided) -> Result<bool, Error> {
        let Some(manifest) = &decided.decision().report().manifest else { return Ok(false) };
        let roots = trust_roots_digest(policies);
        let key = CacheKey::new(policies.set(), decided.request(), manifest, decided.evidence(), &roots);
        let Some(entry) = CacheEntry::of(key, decided.decision(), decided.facts()) else { return Ok(false) };
        let json = serde_json::to_vec(&entry).map_err(|e| refuse(&self.directory, &e.into()))?;
        disk::replace(&self.path(&entry.key), &json).map_err(|e| refuse(&self.directory, &e))?;
        Ok(true)
    }

    fn path(&self, key: &CacheKey) -> PathBuf {
        let hex = key.as_str().rsplit(':').next().unwrap_or_default();
        self.directory.join(format!("{hex}.json"))
    }
}

fn refuse(directory: &Path, error: &io::Error) -> Error {
    PolicyError::State { path: directory.to_owned(), reason: error.to_string() }.into()
}
