//! [`Note`]: things worth saying about a model that are not errors.

use modelseal_core::{path::ModelPath, text::Printable};
use std::{fmt, path::PathBuf};

/// Something the user should hear about, although the measurement is good.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Note {
    /// The model is a snapshot in a Hugging Face cache; links into the repository's own `blobs/` were read through.
    HuggingFaceSnapshot {
        /// The repository, `organisation/name`.
        repository: String,
        /// The commit the snapshot is of.
        revision: String,
    },
    /// A link leads out of the model; what it leads to was measured (OMS v1.0 §6.1.1).
    SymlinkOutside {
        /// The link.
        path: ModelPath,
        /// Where it leads.
        target: PathBuf,
    },
    /// A directory reached through links is one of those that contain it, so it was not entered again
    /// (OMS v1.0 §6.1.1).
    SymlinkCycle {
        /// The link, or the directory beyond a link, that leads back.
        path: ModelPath,
    },
    /// An ignore path is the name of nothing in this model.
    UnmatchedIgnorePath(ModelPath),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HuggingFaceSnapshot { repository, revision } => write!(
                f,
                "this is a Hugging Face cache snapshot ({} at {}): links into its own blobs were read as files",
                Printable(repository),
                Printable(revision)
            ),
            Self::SymlinkOutside { path, target } => write!(
                f,
                "the link '{path}' leads out of the model, to '{}'",
                Printable(&target.to_string_lossy())
            ),
            Self::SymlinkCycle { path } => {
                write!(f, "'{path}' leads back to a directory that contains it and was not entered again")
            }
            Self::UnmatchedIgnorePath(path) => {
                write!(f, "the ignore path '{path}' matches nothing in the model")
            }
        }
    }
}
