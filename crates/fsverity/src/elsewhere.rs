//! Systems without fs-verity: nothing is ever enforced.

use crate::{Digest32, Enabled, Error, Reason};
use std::fs::File;

/// Refuses.
///
/// # Errors
/// Always [`Reason::Unsupported`].
pub fn enable(_: &File) -> Result<Enabled, Error> {
    Err(unsupported())
}

/// Refuses.
///
/// # Errors
/// Always [`Reason::Unsupported`].
pub fn measure(_: &File) -> Result<Option<Digest32>, Error> {
    Err(unsupported())
}

/// Unknown here.
#[must_use]
pub fn filesystem(_: &File) -> String {
    format!("of {}", std::env::consts::OS)
}

fn unsupported() -> Error {
    let filesystem = format!("of {}", std::env::consts::OS);
    Error { reason: Reason::Unsupported, filesystem, source: None }
}
