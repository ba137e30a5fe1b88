//! Where a new attestation goes: a file of its own, a line of a file of several, a store.

use super::error::AttestError;
use crate::{
    disk,
    error::{Error, OutputError},
    evidence_files::is_evidence,
    output::{self, Output},
    scope,
    store::Store,
};
use modelseal_core::{
    bundle::Bundle,
    limits::{MAX_ATTESTATION_BYTES, MAX_ATTESTATION_LINES},
};
use std::{
    fs::{self, File, OpenOptions},
    io::Read,
    path::{Path, PathBuf},
};

/// How often a file that others write to is looked at again.
const TRIES: usize = 100;

/// Where a new attestation goes; at least one of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Destinations {
    pub(super) output: Option<Output>,
    pub(super) append: Option<PathBuf>,
    pub(super) store: Option<PathBuf>,
}

impl Destinations {
    /// Finds what is certain to stop the attestation from being written, before anything is measured. What lies in the
    /// model must be known as evidence by its name, or it would change the model.
    pub(super) fn check(&self, model: &Path) -> Result<(), Error> {
        if let Some(output) = &self.output {
            output.check(model)?;
            outside_or_evidence(model, &output.path)?;
        }
        if let Some(path) = &self.append {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if !name.ends_with(".intoto.jsonl") {
                return Err(refused(path, "a file of several attestations ends in .intoto.jsonl"));
            }
            outside_or_evidence(model, path)?;
            lines(path, 0).map_err(|reason| failed(path, reason))?;
        }
        if let Some(store) = &self.store {
            if let scope::Place::Inside(_) | scope::Place::Model = scope::place(model, store) {
                return Err(failed(store, OutputError::InTheModel));
            }
            if store.exists() && !store.is_dir() {
                return Err(refused(store, "it is not a directory"));
            }
        }
        Ok(())
    }

    /// The same for an attestation that becomes public before it is written.
    pub(super) fn check_before_publishing(&self) -> Result<(), Error> {
        self.output.as_ref().map_or(Ok(()), Output::check_before_publishing)?;
        let directories = self.append.iter().map(|path| disk::parent(path)).chain(self.store.clone());
        for directory in directories.filter(|directory| directory.exists()) {
            tempfile::Builder::new()
                .prefix(".modelseal-")
                .tempfile_in(&directory)
                .map_err(|e| failed(&directory, OutputError::Io(e)))?;
        }
        Ok(())
    }

    /// Writes the bundle everywhere. The file of its own comes first: it is what can be refused.
    pub(super) fn write(&self, bundle: &Bundle) -> Result<Vec<PathBuf>, Error> {
        let mut written = Vec::new();
        let json = bundle.to_json().map_err(|e| Error::SelfCheck(e.to_string()))?;
        if let Some(output) = &self.output {
            output.write(bundle)?;
            written.push(output.path.clone());
        }
        if let Some(path) = &self.append {
            append(path, &json).map_err(|reason| failed(path, reason))?;
            written.push(path.clone());
        }
        if let Some(store) = &self.store {
            written.push(Store::create(store)?.put(&json)?.path);
        }
        Ok(written)
    }
}

/// Adds a line: the old file or the new one, never half of a line, whoever else adds one meanwhile.
fn append(path: &Path, json: &[u8]) -> Result<(), OutputError> {
    for _ in 0..TRIES {
        let lock =
            OpenOptions::new().read(true).append(true).create(true).open(path).map_err(OutputError::Io)?;
        lock.lock().map_err(OutputError::Io)?;
        // Whoever held the lock before has put another file in its place.
        if !is_still_there(&lock, path) {
            continue;
        }
        let mut content = lines(path, json.len())?;
        if !content.is_empty() && !content.ends_with(b"\n") {
            content.push(b'\n');
        }
        content.extend_from_slice(json.trim_ascii_end());
        content.push(b'\n');
        return output::replace(path, &content);
    }
    Err(OutputError::Io(std::io::Error::other("others write to it without end")))
}

/// What is in a file of several attestations, with room for one more.
fn lines(path: &Path, more: usize) -> Result<Vec<u8>, OutputError> {
    let file = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(OutputError::Io(e)),
        Ok(found) if found.is_dir() => return Err(OutputError::IsDirectory),
        Ok(found) if !found.is_file() => return Err(OutputError::NotRegularFile),
        Ok(_) => File::open(path).map_err(OutputError::Io)?,
    };
    let mut content = Vec::new();
    file.take(MAX_ATTESTATION_BYTES + 1).read_to_end(&mut content).map_err(OutputError::Io)?;
    let filled = || content.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    if !filled().all(|line| line.starts_with(b"{") && line.ends_with(b"}")) {
        return Err(OutputError::NotABundle);
    }
    let full = (content.len() + more + 2) as u64 > MAX_ATTESTATION_BYTES
        || filled().count() >= MAX_ATTESTATION_LINES;
    if full {
        let why = format!(
            "it is full: readers take {MAX_ATTESTATION_LINES} lines and {MAX_ATTESTATION_BYTES} bytes"
        );
        return Err(OutputError::Io(std::io::Error::other(why)));
    }
    Ok(content)
}

#[cfg(unix)]
fn is_still_there(open: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    matches!((open.metadata(), fs::metadata(path)), (Ok(open), Ok(there)) if same(&open, &there))
}

#[cfg(not(unix))]
fn is_still_there(_: &File, path: &Path) -> bool {
    path.exists()
}

fn outside_or_evidence(model: &Path, path: &Path) -> Result<(), Error> {
    match scope::place(model, path) {
        scope::Place::Outside => Ok(()),
        scope::Place::Inside(inside) if !inside.as_str().contains('/') && is_evidence(inside.as_str()) => {
            Ok(())
        }
        _ => Err(failed(path, OutputError::InTheModel)),
    }
}

fn failed(path: &Path, reason: OutputError) -> Error {
    match reason {
        OutputError::Io(e) => Error::Attest(AttestError::Write { path: path.to_owned(), why: e.to_string() }),
        reason => Error::Document { path: path.to_owned(), reason },
    }
}

fn refused(path: &Path, why: &str) -> Error {
    Error::Attest(AttestError::Destination { path: path.to_owned(), why: why.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_by_many_at_once_and_none_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.intoto.jsonl");
        fs::write(&path, "{\"unknown\":1}").unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for n in 0..10 {
                        append(path, format!("{{\"w\":{writer},\"n\":{n}}}\n").as_bytes()).unwrap();
                    }
                });
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 41);
        assert!(text.starts_with("{\"unknown\":1}\n") && text.ends_with("}\n"), "{text}");
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn what_is_no_file_of_attestations_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.intoto.jsonl");
        fs::write(&path, "not json\n").unwrap();
        assert!(matches!(append(&path, b"{}"), Err(OutputError::NotABundle)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "not json\n");
        fs::write(&path, "{}\n".repeat(MAX_ATTESTATION_LINES)).unwrap();
        assert!(append(&path, b"{}").unwrap_err().to_string().contains("full"));
        assert!(matches!(append(folder.path(), b"{}"), Err(OutputError::Io(_))));
    }
}
