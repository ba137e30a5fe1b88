//! Writing a signature: never half of one, never over something that is not a signature, never over another signature
//! unless told to.

use crate::error::{Error, OutputError};
use modelseal_core::{
    bundle::{Bundle, looks_like_bundle},
    limits::MAX_BUNDLE_BYTES,
};
use std::{
    fs,
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

/// A place where a signature may go, checked before any work is done and again when it is written.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) path: PathBuf,
    pub(crate) force: bool,
}

/// What is at the target path now.
enum Present {
    Nothing,
    Bundle(Vec<u8>),
}

impl Output {
    /// Finds what is certain to stop the signature from being written, before the model is hashed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.present().and_then(|_| self.directory().map(|_| ())).map_err(|reason| self.error(reason))
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
        let mut file = temporary_file(&directory).map_err(reason)?;
        file.write_all(&json).and_then(|()| file.as_file().sync_all()).map_err(reason)?;
        match present {
            // What appeared meanwhile was checked by nobody.
            Present::Nothing => file.persist_noclobber(&self.path).map_err(|e| OutputError::Io(e.error))?,
            Present::Bundle(_) => file.persist(&self.path).map_err(|e| OutputError::Io(e.error))?,
        };
        sync_directory(&directory);
        Ok(())
    }

    fn present(&self) -> Result<Present, OutputError> {
        let metadata = match fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == ErrorKind::NotFound && self.path.is_symlink() => {
                return Err(OutputError::NotRegularFile);
            }
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Present::Nothing),
            Err(e) => return Err(OutputError::Io(e)),
        };
        if metadata.is_dir() {
            return Err(OutputError::IsDirectory);
        }
        if !metadata.is_file() {
            return Err(OutputError::NotRegularFile);
        }
        if metadata.len() > MAX_BUNDLE_BYTES {
            return Err(OutputError::NotABundle);
        }
        let mut old = Vec::new();
        let file = fs::File::open(&self.path).map_err(OutputError::Io)?;
        file.take(MAX_BUNDLE_BYTES).read_to_end(&mut old).map_err(OutputError::Io)?;
        if looks_like_bundle(&old) { Ok(Present::Bundle(old)) } else { Err(OutputError::NotABundle) }
    }

    fn directory(&self) -> Result<PathBuf, OutputError> {
        let parent = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if self.path.file_name().is_none() {
            return Err(OutputError::IsDirectory);
        }
        if parent.is_dir() {
            Ok(parent.to_path_buf())
        } else {
            Err(OutputError::NoDirectory(parent.to_path_buf()))
        }
    }

    fn error(&self, reason: OutputError) -> Error {
        Error::Output { path: self.path.clone(), reason }
    }
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

fn temporary_file(directory: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".modelseal-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Signatures are public; the umask has the last word.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory)
}

/// Makes the rename survive a crash. Not every system lets a directory be synchronised.
fn sync_directory(directory: &Path) {
    if let Ok(directory) = fs::File::open(directory) {
        let _ = directory.sync_all();
    }
}
