//! [`LoadError`]: why bytes were not given out.

use crate::{codes, error::Kind};
use modelseal_core::{path::ModelPath, text::Printable};
use modelseal_model::{Files, LoadError as Loading, MeasureError, Mismatch};
use std::{fmt, io, path::Path};

/// Why bytes of a verified model were not given out. It says which file, and what to do.
#[derive(Debug, Clone)]
pub struct LoadError {
    kind: Kind,
    code: &'static str,
    file: Option<String>,
    message: String,
    fix: String,
}

impl LoadError {
    /// Whether the file is not what was signed, something was asked for that there is not, or nothing could be decided.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A stable code, such as `integrity.digest-mismatch`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The file it is about, by its name in the model.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// What happened, without what to do about it.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it; may be empty.
    #[must_use]
    pub fn fix(&self) -> &str {
        &self.fix
    }

    /// The one that is the cause of an error of [`VerifiedFile`](crate::VerifiedFile)'s `Read`.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|cause| cause.downcast_ref())
    }

    pub(super) fn not_signed(name: &str) -> Self {
        Self {
            kind: Kind::Denied,
            code: "integrity.not-signed",
            file: Some(name.to_owned()),
            message: format!("there is no signed file '{}' in the model", Printable(name)),
            fix: "ask for a file that was signed, by its name in the model".into(),
        }
    }

    pub(super) fn longer(path: &ModelPath) -> Self {
        Self {
            kind: Kind::Denied,
            code: "integrity.digest-mismatch",
            file: Some(path.as_str().to_owned()),
            message: format!("'{path}' is longer than what was signed"),
            fix: GET_AGAIN.into(),
        }
    }

    pub(super) fn beyond(path: &ModelPath, offset: u64, count: usize, size: u64) -> Self {
        Self {
            kind: Kind::Usage,
            code: "usage.range",
            file: Some(path.as_str().to_owned()),
            message: format!(
                "'{path}' has {size} bytes, so there are no {count} bytes to read from byte {offset} on"
            ),
            fix: "ask for bytes that the file has".into(),
        }
    }

    /// A whole file is read once, into memory of its size.
    pub(super) fn not_once(path: &ModelPath, count: usize, size: u64) -> Self {
        Self {
            kind: Kind::Usage,
            code: "usage.range",
            file: Some(path.as_str().to_owned()),
            message: format!(
                "'{path}' has {size} bytes, which go once and whole into {count} bytes of memory"
            ),
            fix: "name each file once, with memory of its size".into(),
        }
    }

    pub(super) fn memory(what: &str, bytes: u64, available: Option<u64>) -> Self {
        let available = available.map_or(String::new(), |bytes| format!(", and {bytes} are available"));
        Self {
            kind: Kind::Undecided,
            code: "error.memory",
            file: None,
            message: format!("{what} needs {bytes} bytes of memory to be loaded at once{available}"),
            fix: "load it where there is more memory, or have it signed by shards, of which each is loaded when it is \
                  needed"
                .into(),
        }
    }

    /// No one measurement speaks of all that was judged.
    pub(crate) fn several_ways() -> Self {
        Self {
            kind: Kind::Undecided,
            code: "error.unsupported",
            file: None,
            message: "the policies allow the model as it was measured in several ways, and no one list says which bytes \
                      that are"
                .into(),
            fix: "decide with open() instead of run(), or keep one signature of the model beside it".into(),
        }
    }

    pub(super) fn output(path: &Path, what: &str) -> Self {
        Self {
            kind: Kind::Usage,
            code: "usage.output",
            file: None,
            message: format!("'{}' {what}", shown(path)),
            fix: "give a directory that is empty, or one that does not exist yet".into(),
        }
    }

    pub(super) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self {
            kind: Kind::Undecided,
            code: "error.io",
            file: None,
            message: format!("cannot {doing} '{}': {error}", shown(path)),
            fix: String::new(),
        }
    }

    pub(super) fn of_load(error: &Loading, files: &Files) -> Self {
        match error {
            Loading::Read(error) => Self::of_measure(error, files),
            Loading::Mismatch(mismatch) => Self::of_mismatch(mismatch, files),
            Loading::Destination(error) => {
                match error.get_ref().and_then(|cause| cause.downcast_ref::<Self>()) {
                    Some(own) => own.clone(),
                    None => Self {
                        kind: Kind::Undecided,
                        code: "error.io",
                        file: None,
                        message: format!("what was read could not be kept: {error}"),
                        fix: String::new(),
                    },
                }
            }
            _ => Self {
                kind: Kind::Undecided,
                code: "error.internal",
                file: None,
                message: error.to_string(),
                fix: String::new(),
            },
        }
    }

    /// Why the files could not be listed.
    pub(crate) fn of_listing(error: &MeasureError) -> Self {
        Self {
            kind: codes::measure_kind(error),
            code: codes::measure(error),
            file: None,
            message: error.to_string(),
            fix: String::new(),
        }
    }

    fn of_mismatch(mismatch: &Mismatch, files: &Files) -> Self {
        let Mismatch { file, shard, expected, found, .. } = mismatch;
        let (path, _) = files.get(*file);
        let part = if *shard == 0 { String::new() } else { format!(" in its shard {shard}") };
        let message = match found {
            Some(found) => {
                format!("'{path}' is not what was signed{part}: {expected} was signed, {found} is there")
            }
            None => format!("'{path}' is not what was signed: it has another size"),
        };
        Self {
            kind: Kind::Denied,
            code: "integrity.digest-mismatch",
            file: Some(path.as_str().to_owned()),
            message,
            fix: GET_AGAIN.into(),
        }
    }

    fn of_measure(error: &MeasureError, files: &Files) -> Self {
        let (message, fix) = match error {
            MeasureError::Changed { path, change } => (
                format!("'{}' {change} after it was verified, or while it was loaded", shown(path)),
                "verify the model again, and load it when nothing writes to it".to_owned(),
            ),
            other => (other.to_string(), String::new()),
        };
        let file = match error {
            MeasureError::Changed { path, .. } | MeasureError::Io { path, .. } => name_of(path, files),
            _ => None,
        };
        Self { kind: codes::measure_kind(error), code: codes::measure(error), file, message, fix }
    }

    /// The same, about this file.
    pub(super) fn about(mut self, path: &ModelPath) -> Self {
        self.file.get_or_insert_with(|| path.as_str().to_owned());
        self
    }
}

const GET_AGAIN: &str = "get the model again from its publisher; do not load it";

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.fix.is_empty() { Ok(()) } else { write!(f, "; {}", self.fix) }
    }
}

impl std::error::Error for LoadError {}

impl From<LoadError> for io::Error {
    fn from(error: LoadError) -> Self {
        let kind = match error.kind {
            Kind::Denied => io::ErrorKind::InvalidData,
            Kind::Usage => io::ErrorKind::InvalidInput,
            Kind::Undecided => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// What the file at `path` is called in the model.
fn name_of(path: &Path, files: &Files) -> Option<String> {
    let source = files.source();
    if source.is_file() {
        return files.files().next().map(|(path, _)| path.as_str().to_owned());
    }
    let relative = path.strip_prefix(source.path()).ok()?.to_str()?;
    files.find(relative).map(|_| relative.to_owned())
}

fn shown(path: &Path) -> String {
    Printable(&path.to_string_lossy()).to_string()
}
