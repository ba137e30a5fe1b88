//! [`Error`]: why an operation could not be done. A model that is refused is not an error but a
//! [`Refusal`](crate::Refusal).

use crate::codes;
use modelseal_attest::private_key::SignError;
use modelseal_model::MeasureError;
use std::{fmt, path::PathBuf};

/// Why an operation was not carried out.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The model could not be measured, or breaks a rule.
    Measure(MeasureError),
    /// An ignore path cannot be recorded in a signature.
    IgnorePath {
        /// As it was given.
        given: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The signature cannot go where it should.
    Output {
        /// Where it should go.
        path: PathBuf,
        /// What stands in the way.
        reason: OutputError,
    },
    /// The signer failed.
    Sign(SignError),
    /// The signature that was just made does not verify; it was not written.
    SelfCheck(String),
    /// The signing certificate would make a signature that no verifier accepts.
    Certificate(String),
}

/// What stands between a new signature and its file.
#[derive(Debug)]
#[non_exhaustive]
pub enum OutputError {
    /// There is a directory of that name.
    IsDirectory,
    /// There is something that is not a regular file.
    NotRegularFile,
    /// The directory it should go into does not exist.
    NoDirectory(PathBuf),
    /// There is a file that is not a Sigstore bundle: never overwritten.
    NotABundle,
    /// There is a bundle that says something else: overwritten only when forced.
    OtherBundle,
    /// Reading or writing failed.
    Io(std::io::Error),
}

/// What an error means for whoever asked: the four exit codes of the command line, less the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The model breaks a rule (exit 1).
    Denied,
    /// What was given is wrong: flags, keys, certificates, an output path (exit 2).
    Usage,
    /// The operation could not be finished: I/O, interrupted, internal (exit 3).
    Undecided,
}

impl Error {
    /// Who is at fault.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Measure(e) => codes::measure_kind(e),
            Self::Output { reason: OutputError::Io(_), .. } | Self::Sign(_) | Self::SelfCheck(_) => {
                Kind::Undecided
            }
            Self::IgnorePath { .. } | Self::Output { .. } | Self::Certificate(_) => Kind::Usage,
        }
    }

    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Measure(e) => codes::measure(e),
            Self::Output { reason: OutputError::Io(_), .. } => "error.io",
            Self::Output { .. } => "usage.output",
            Self::IgnorePath { .. } => "usage.ignore-path",
            Self::Certificate(_) => "usage.certificate",
            Self::Sign(_) | Self::SelfCheck(_) => "error.internal",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measure(e) => e.fmt(f),
            Self::IgnorePath { given, reason } => write!(f, "cannot ignore '{}': {reason}", given.display()),
            Self::Output { path, reason } => {
                let path = path.display();
                match reason {
                    OutputError::IsDirectory => {
                        write!(
                            f,
                            "cannot write the signature to '{path}': it is a directory; name a file in it"
                        )
                    }
                    OutputError::NotRegularFile => {
                        write!(f, "cannot write the signature to '{path}': it is not a regular file")
                    }
                    OutputError::NoDirectory(parent) => write!(
                        f,
                        "cannot write the signature to '{path}': the directory '{}' does not exist",
                        parent.display()
                    ),
                    OutputError::NotABundle => write!(
                        f,
                        "'{path}' exists and is not a Sigstore bundle, so it is not overwritten; choose another \
                         path for the signature"
                    ),
                    OutputError::OtherBundle => write!(
                        f,
                        "'{path}' already holds a different signature; choose another path, or replace it with \
                         --force"
                    ),
                    OutputError::Io(e) => write!(f, "cannot write the signature to '{path}': {e}"),
                }
            }
            Self::Sign(e) => e.fmt(f),
            Self::SelfCheck(e) => write!(f, "the new signature does not verify and was not written: {e}"),
            Self::Certificate(e) => write!(f, "the signing certificate cannot be used: {e}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<MeasureError> for Error {
    fn from(e: MeasureError) -> Self {
        Self::Measure(e)
    }
}
