//! Writing a signature: never half of one, never over something that is not a signature, never over another signature
//! unless told to. Likewise documents of digests.

use crate::{
    digests::MAX_DOCUMENT_BYTES,
    disk,
    error::{Error, OutputError},
    scope,
};
use modelseal_core::{
    bundle::{Bundle, looks_like_bundle},
    json,
    limits::MAX_BUNDLE_BYTES,
};
use serde::Serialize;
use std::{
    fs,
    io::{BufWriter, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

/// A place where a signature may go, checked before any work is done and again when it is written.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) path: PathBuf,
    pub(crate) force: bool,
}

/// A place where a document of digests may go. What is there may be an older document of the same kind, so that work
/// that was interrupted can be started again.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    path: PathBuf,
    schema: &'static str,
}

/// Replaces a file by a temporary one beside it, with the permissions of any new file.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let directory = directory(path)?;
    let mut file = disk::temporary_file(&directory).map_err(reason)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(reason)?;
    file.persist(path).map_err(|e| reason(e.error))?;
    disk::sync(&directory);
    Ok(())
}

/// What is at the target path now.
enum Present {
    Nothing,
    Bundle(Vec<u8>),
}

impl Output {
    /// Finds what is certain to stop the signature from being written, before the model is hashed.
    pub(crate) fn check(&self, model: &Path) -> Result<(), Error> {
        self.present().and_then(|_| self.directory()).map_err(|reason| self.error(reason))?;
        match scope::place(model, &self.path) {
            scope::Place::Model => Err(self.error(OutputError::IsTheModel)),
            _ => Ok(()),
        }
    }

    /// The same for a signature that becomes public before it is written: whatever would stop it is found out now. Such a
    /// signature is never one that is there already.
    pub(crate) fn check_before_publishing(&self) -> Result<(), Error> {
        let may_be_written = || {
            if matches!(self.present()?, Present::Bundle(_)) && !self.force {
                return Err(OutputError::OtherBundle);
            }
            disk::temporary_file(&self.directory()?).map(drop).map_err(reason)
        };
        may_be_written().map_err(|reason| self.error(reason))
    }

    /// Writes `bundle` to a temporary file beside the target and renames it.
    pub(crate) fn write(&self, bundle: &Bundle) -> Result<(), Error> {
        let written = match self.try_write(bundle) {
            // Somebody else's signature appeared while this one was made: it counts as one that was there.
            Err(OutputError::Io(e)) if e.kind() == ErrorKind::AlreadyExists => self.try_write(bundle),
            other => other,
        };
        written.map_err(|reason| self.error(reason))
    }

    fn try_write(&self, bundle: &Bundle) -> Result<(), OutputError> {
        let json = bundle.to_json().map_err(|e| OutputError::Io(e.into()))?;
        let present = self.present()?;
        if let Present::Bundle(old) = &present
            && !self.force
            && !says_the_same(old, bundle)
        {
            return Err(OutputError::OtherBundle);
        }
        let directory = self.directory()?;
        let mut file = disk::temporary_file(&directory).map_err(reason)?;
        file.write_all(&json).and_then(|()| file.as_file().sync_all()).map_err(reason)?;
        match present {
            // What appeared meanwhile was checked by nobody.
            Present::Nothing => file.persist_noclobber(&self.path).map_err(|e| OutputError::Io(e.error))?,
            Present::Bundle(_) => file.persist(&self.path).map_err(|e| OutputError::Io(e.error))?,
        };
        disk::sync(&directory);
        Ok(())
    }

    fn present(&self) -> Result<Present, OutputError> {
        match existing(&self.path, MAX_BUNDLE_BYTES)? {
            Existing::Nothing => Ok(Present::Nothing),
            Existing::File(old) if looks_like_bundle(&old) => Ok(Present::Bundle(old)),
            Existing::File(_) | Existing::TooLarge => Err(OutputError::NotABundle),
        }
    }

    fn directory(&self) -> Result<PathBuf, OutputError> {
        directory(&self.path)
    }

    fn error(&self, reason: OutputError) -> Error {
        Error::Output { path: self.path.clone(), reason }
    }
}

impl Document {
    pub(crate) fn new(path: PathBuf, schema: &'static str) -> Self {
        Self { path, schema }
    }

    /// Finds what is certain to stop the document from being written, before the model is hashed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.may_be_written().and_then(|()| directory(&self.path).map(|_| ())).map_err(|e| self.error(e))
    }

    /// Writes a temporary file beside the target and renames it.
    pub(crate) fn write(&self, document: &impl Serialize) -> Result<(), Error> {
        self.try_write(document).map_err(|e| self.error(e))
    }

    pub(crate) fn in_the_model(&self) -> Error {
        self.error(OutputError::InTheModel)
    }

    fn try_write(&self, document: &impl Serialize) -> Result<(), OutputError> {
        self.may_be_written()?;
        let directory = directory(&self.path)?;
        let mut file = disk::temporary_file(&directory).map_err(reason)?;
        let mut buffered = BufWriter::new(&mut file);
        serde_json::to_writer_pretty(&mut buffered, document).map_err(|e| reason(e.into()))?;
        buffered.write_all(b"\n").and_then(|()| buffered.flush()).map_err(reason)?;
        drop(buffered);
        file.as_file().sync_all().map_err(reason)?;
        file.persist(&self.path).map_err(|e| reason(e.error))?;
        disk::sync(&directory);
        Ok(())
    }

    fn may_be_written(&self) -> Result<(), OutputError> {
        match existing(&self.path, MAX_DOCUMENT_BYTES)? {
            Existing::Nothing => Ok(()),
            Existing::File(old) if self.is_of_this_kind(&old) => Ok(()),
            Existing::File(_) | Existing::TooLarge => Err(OutputError::OtherFile),
        }
    }

    fn is_of_this_kind(&self, old: &[u8]) -> bool {
        #[derive(serde::Deserialize)]
        struct Kind<'a> {
            #[serde(borrow)]
            schema: std::borrow::Cow<'a, str>,
        }
        json::read::<Kind<'_>>(old, MAX_DOCUMENT_BYTES).is_ok_and(|kind| kind.schema == self.schema)
    }

    fn error(&self, reason: OutputError) -> Error {
        Error::Document { path: self.path.clone(), reason }
    }
}

/// A regular file that is there, or nothing.
enum Existing {
    Nothing,
    File(Vec<u8>),
    TooLarge,
}

fn existing(path: &Path, limit: u64) -> Result<Existing, OutputError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == ErrorKind::NotFound && path.is_symlink() => {
            return Err(OutputError::NotRegularFile);
        }
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Existing::Nothing),
        Err(e) => return Err(OutputError::Io(e)),
    };
    if metadata.is_dir() {
        return Err(OutputError::IsDirectory);
    }
    if !metadata.is_file() {
        return Err(OutputError::NotRegularFile);
    }
    if metadata.len() > limit {
        return Ok(Existing::TooLarge);
    }
    let mut old = Vec::new();
    let file = disk::open_regular(path).map_err(OutputError::Io)?;
    file.take(limit).read_to_end(&mut old).map_err(OutputError::Io)?;
    Ok(Existing::File(old))
}

/// The directory that a file of this path goes into.
fn directory(path: &Path) -> Result<PathBuf, OutputError> {
    if path.file_name().is_none() {
        return Err(OutputError::IsDirectory);
    }
    let parent = disk::parent(path);
    if parent.is_dir() { Ok(parent) } else { Err(OutputError::NoDirectory(parent)) }
}

/// Whether the old bundle is the same statement by the same signer: a signature made twice is no loss.
fn says_the_same(old: &[u8], new: &Bundle) -> bool {
    Bundle::parse(old).is_ok_and(|old| {
        old.material() == new.material() && old.payload_unverified() == new.payload_unverified()
    })
}

/// The system's reason, without the name of a temporary file, which tells nobody anything.
fn reason(e: std::io::Error) -> OutputError {
    let text = e.to_string();
    OutputError::Io(match text.split_once(" at path ") {
        Some((reason, _)) => std::io::Error::new(e.kind(), reason),
        None => e,
    })
}
