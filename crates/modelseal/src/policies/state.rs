//! [`State`]: what this machine has accepted before, in a directory of its own.

use super::PolicyError;
use crate::disk;
use modelseal_core::{limits::MAX_STATE_BYTES, rollback::RollbackState};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

const ROLLBACK: &str = "rollback.json";
const VERSIONS: &str = "versions.json";
const VERSIONS_SCHEMA: &str = "modelseal.versions/v1";

/// The newest policies and deny feeds that were accepted, and the highest version of each model.
#[derive(Debug, Clone)]
pub(crate) struct State {
    directory: PathBuf,
    rollback: RollbackState,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Versions {
    schema: String,
    /// By canonical reference.
    versions: BTreeMap<String, semver::Version>,
}

impl State {
    /// Opens the state in `directory`; where there is none, nothing was accepted before. What others can write to, or what
    /// cannot be read, is not taken for an empty one.
    pub(crate) fn open(directory: &Path) -> Result<Self, PolicyError> {
        match disk::check_private(directory) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(refuse(directory, &e.to_string())),
        }
        let rollback = read_rollback(directory)?;
        Ok(Self { directory: directory.to_owned(), rollback })
    }

    pub(crate) fn rollback(&self) -> &RollbackState {
        &self.rollback
    }

    /// Changes what is remembered, starting from what is on disk now: another process may have been there.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut RollbackState)) -> Result<(), PolicyError> {
        let before = read_rollback(&self.directory)?;
        let mut after = before.clone();
        change(&mut after);
        // Never back to an older one, whoever came first.
        let pairs = [
            (&before.policies, &mut after.policies),
            (&before.feeds, &mut after.feeds),
            (&before.rules, &mut after.rules),
        ];
        for (kept, now) in pairs {
            for (id, accepted) in kept {
                let next = now.entry(id.clone()).or_insert(*accepted);
                if next.version < accepted.version {
                    *next = *accepted;
                }
            }
        }
        if after != before {
            let json = after.to_json().map_err(|e| refuse(&self.directory, &e.to_string()))?;
            self.write(ROLLBACK, &json)?;
        }
        self.rollback = after;
        Ok(())
    }

    /// The highest version of a model that was accepted.
    pub(crate) fn version(&self, reference: &str) -> Result<Option<semver::Version>, PolicyError> {
        Ok(self.versions()?.versions.remove(reference))
    }

    /// Remembers a version of a model, unless a higher one is known.
    pub(crate) fn remember_version(
        &self,
        reference: &str,
        version: semver::Version,
    ) -> Result<(), PolicyError> {
        let mut versions = self.versions()?;
        let known = versions.versions.get(reference);
        if known.is_some_and(|known| known.cmp_precedence(&version).is_ge()) {
            return Ok(());
        }
        versions.versions.insert(reference.to_owned(), version);
        let json =
            serde_json::to_vec_pretty(&versions).map_err(|e| refuse(&self.directory, &e.to_string()))?;
        self.write(VERSIONS, &json)
    }

    fn versions(&self) -> Result<Versions, PolicyError> {
        let path = self.directory.join(VERSIONS);
        let Some(bytes) = read(&path)? else {
            return Ok(Versions { schema: VERSIONS_SCHEMA.into(), versions: BTreeMap::new() });
        };
        let versions: Versions = serde_json::from_slice(&bytes).map_err(|e| refuse(&path, &e.to_string()))?;
        if versions.schema != VERSIONS_SCHEMA {
            return Err(refuse(&path, "it is of another schema"));
        }
        Ok(versions)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), PolicyError> {
        let write = || {
            disk::make_private(&self.directory)?;
            disk::check_private(&self.directory)?;
            disk::replace(&self.directory.join(name), bytes)
        };
        write().map_err(|e| refuse(&self.directory, &e.to_string()))
    }
}

fn read_rollback(directory: &Path) -> Result<RollbackState, PolicyError> {
    let path = directory.join(ROLLBACK);
    let Some(bytes) = read(&path)? else { return Ok(RollbackState::default()) };
    RollbackState::parse(&bytes).map_err(|e| refuse(&path, &e.to_string()))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, PolicyError> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(refuse(path, &e.to_string())),
        Ok(_) => disk::read(path, MAX_STATE_BYTES).map(Some).map_err(|why| refuse(path, &why)),
    }
}

fn refuse(path: &Path, reason: &str) -> PolicyError {
    PolicyError::State { path: path.to_owned(), reason: reason.to_owned() }
}
