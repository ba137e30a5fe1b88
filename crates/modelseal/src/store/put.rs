//! Adding a bundle: whole or not at all, under the name of its content, whoever else does the same at the same time.

use super::layout::{bundle_name, folder_name};
use crate::disk;
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// A temporary file of this age belongs to a writer that is gone: writing takes seconds.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Puts `bytes` under the name of `sha256`, their digest. Gives the path, and whether the bundle is new.
pub(super) fn put(store: &Path, sha256: &[u8; 32], bytes: &[u8]) -> io::Result<(PathBuf, bool)> {
    let folder = store.join(folder_name(sha256));
    let made = make_folder(&folder)?;
    let path = folder.join(bundle_name(sha256));
    let mut new = false;
    if !has(&path, bytes)? {
        remove_abandoned(&folder);
        let mut file = disk::temporary_file(&folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        new = match file.persist_noclobber(&path) {
            Ok(_) => true,
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => {
                // Somebody else was faster, or the file that is there is not what its name says.
                if has(&path, bytes)? {
                    false
                } else {
                    e.file.persist(&path).map_err(|e| e.error)?;
                    true
                }
            }
            Err(e) => return Err(e.error),
        };
    }
    // Also for a bundle of somebody else, whose writer may not have come this far.
    disk::sync(&folder);
    if made {
        disk::sync(store);
    }
    Ok((path, new))
}

/// Makes the folder where there is none. Gives whether it did.
fn make_folder(folder: &Path) -> io::Result<bool> {
    match fs::create_dir(folder) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(folder)?.is_dir() {
                Ok(false)
            } else {
                Err(io::Error::new(
                    io::ErrorKind::NotADirectory,
                    format!("'{}' is no folder", folder.display()),
                ))
            }
        }
        Err(e) => Err(e),
    }
}

/// Whether exactly these bytes are at `path`.
fn has(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() && found.len() == bytes.len() as u64 => {
            Ok(disk::read_past(path, found.len())? == bytes)
        }
        Ok(_) => Ok(false),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Removes what writers left behind that did not come to their end. That it cannot be removed is no matter.
fn remove_abandoned(folder: &Path) {
    let (prefix, suffix) = disk::TEMPORARY;
    let names = disk::names(folder, |name| name.starts_with(prefix) && name.ends_with(suffix));
    for name in names.unwrap_or_default() {
        let path = folder.join(name);
        let age = fs::symlink_metadata(&path)
            .and_then(|found| found.modified())
            .ok()
            .and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if age.is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(path);
        }
    }
}
