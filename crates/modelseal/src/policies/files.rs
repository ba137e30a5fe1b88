//! [`FolderFiles`]: the files that a policy names, taken from where the policy lies.

use crate::disk;
use modelseal_verify::policy::load::Files;
use std::path::{Path, PathBuf};

/// Most files of a folder that a policy names.
const MAX_FOLDER_FILES: usize = 256;

/// Reads what a policy names: relative names are taken from the policy's directory, not from the working directory.
#[derive(Debug, Clone)]
pub(crate) struct FolderFiles {
    directory: PathBuf,
}

impl FolderFiles {
    /// For the policy at `path`.
    pub(crate) fn beside(path: &Path) -> Self {
        Self { directory: disk::parent(path) }
    }

    /// Where a name leads.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Files for FolderFiles {
    fn file(&self, name: &str, limit: u64) -> Result<Vec<u8>, String> {
        disk::read_past(&self.path(name), limit).map_err(|e| e.to_string())
    }

    fn folder(&self, name: &str, limit: u64) -> Result<Vec<(String, Vec<u8>)>, String> {
        let folder = self.path(name);
        let names = disk::names(&folder, |name| !name.starts_with('.')).map_err(|e| e.to_string())?;
        if names.len() > MAX_FOLDER_FILES {
            return Err(format!("it has {} files, where {MAX_FOLDER_FILES} is the limit", names.len()));
        }
        let mut files = Vec::new();
        for name in names {
            let path = folder.join(&name);
            if path.is_file() {
                let bytes = disk::read(&path, limit).map_err(|why| format!("'{name}': {why}"))?;
                files.push((name, bytes));
            }
        }
        Ok(files)
    }
}
