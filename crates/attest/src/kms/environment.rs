//! [`Environment`]: where settings and credentials come from.

use super::error::KmsError;
use crate::http::Secret;
use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The variables that settings and credentials are read from. `Debug` shows names only.
#[derive(Clone)]
pub struct Environment(Variables);

#[derive(Clone)]
enum Variables {
    Process,
    These(BTreeMap<String, Secret>),
}

/// Longest file of credentials or certificates that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn process() -> Self {
        Self(Variables::Process)
    }

    /// These variables and no others.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), Secret::new(value.into())));
        Self(Variables::These(pairs.collect()))
    }

    /// A variable that is set, is not empty and is text.
    pub(super) fn get(&self, name: &str) -> Option<Secret> {
        match &self.0 {
            Variables::Process => std::env::var(name).ok().map(Secret::new),
            Variables::These(pairs) => pairs.get(name).cloned(),
        }
        .filter(|value| !value.reveal().is_empty())
    }

    /// A variable that is no secret.
    pub(super) fn setting(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.reveal().to_owned())
    }

    /// The first of these that is set.
    pub(super) fn first(&self, names: &[&str]) -> Option<Secret> {
        names.iter().find_map(|name| self.get(name))
    }

    /// A file in the home directory.
    pub(super) fn home(&self, file: &str) -> Option<PathBuf> {
        self.setting("HOME").map(|home| Path::new(&home).join(file))
    }
}

/// A small text file; none when there is none of that name.
pub(super) fn read_file(path: &Path) -> Result<Option<Zeroizing<String>>, KmsError> {
    let unreadable = |reason: String| KmsError::File { path: path.to_owned(), reason };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e.to_string())),
    };
    let mut text = Zeroizing::new(String::new());
    match file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text) {
        Ok(length) if length as u64 <= MAX_FILE_BYTES => Ok(Some(text)),
        Ok(_) => Err(unreadable(format!("it has more than {MAX_FILE_BYTES} bytes"))),
        Err(e) => Err(unreadable(e.to_string())),
    }
}

/// A file that holds a token, without the white space around it.
pub(super) fn read_token(path: &Path) -> Result<Option<Secret>, KmsError> {
    let text = read_file(path)?;
    let text = text.as_ref().map(|text| text.trim()).filter(|text| !text.is_empty());
    Ok(text.map(|text| Secret::new(text.to_owned())))
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Variables::Process => f.write_str("Environment(process)"),
            Variables::These(pairs) => f.debug_tuple("Environment").field(&pairs.keys()).finish(),
        }
    }
}
