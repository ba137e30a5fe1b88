//! [`ModelPath`]: the only way a file name enters. A path is not a string: the rules are in its constructor.

use crate::{limits, text::Printable};
use std::fmt;

/// A file's name inside a model: relative, `/`-separated, UTF-8, canonical (OMS v1.0 §6.1.2), compared byte for byte.
///
/// ```
/// # use modelseal_core::path::ModelPath;
/// assert_eq!(ModelPath::parse("weights/part-0.bin").unwrap().as_str(), "weights/part-0.bin");
/// for bad in ["", "/etc/passwd", "../x", "a/../b", "./a", "a/./b", "a//b", "a/", "a\\b", "a\0b"] {
///     assert!(ModelPath::parse(bad).is_err(), "{bad:?}");
/// }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelPath(Box<str>);

/// Why a name is no [`ModelPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// The name is empty.
    Empty,
    /// The name starts with `/`.
    Absolute(String),
    /// A component is `.` or `..`.
    DotComponent(String),
    /// Two separators follow each other, or the name ends with one.
    EmptyComponent(String),
    /// The name holds a backslash, which is a separator on some systems and a letter on others.
    Backslash(String),
    /// The name holds a NUL character.
    Nul(String),
    /// The name is longer, in bytes, than [`limits::MAX_PATH_BYTES`].
    TooLong(usize),
    /// The name has more components than [`limits::MAX_PATH_DEPTH`].
    TooDeep(usize),
}

impl ModelPath {
    /// Takes a name that must already be canonical: nothing is folded or normalised.
    ///
    /// # Errors
    /// [`PathError`] says which rule of OMS v1.0 §6.1.2 the name breaks.
    pub fn parse(name: &str) -> Result<Self, PathError> {
        let owned = || name.to_owned();
        match name {
            "" => return Err(PathError::Empty),
            _ if name.len() > limits::MAX_PATH_BYTES => return Err(PathError::TooLong(name.len())),
            _ if name.starts_with('/') => return Err(PathError::Absolute(owned())),
            _ if name.contains('\0') => return Err(PathError::Nul(owned())),
            _ if name.contains('\\') => return Err(PathError::Backslash(owned())),
            _ => {}
        }
        let mut depth = 0;
        for component in name.split('/') {
            match component {
                "" => return Err(PathError::EmptyComponent(owned())),
                "." | ".." => return Err(PathError::DotComponent(owned())),
                _ => depth += 1,
            }
        }
        if depth > limits::MAX_PATH_DEPTH { Err(PathError::TooDeep(depth)) } else { Ok(Self(name.into())) }
    }

    /// The name `.` that the reference implementation gives the only file of a single-file model (OMS §11 reads it as
    /// that file's base name). [`ModelPath::parse`] never yields it, and nothing is ever opened by it.
    #[must_use]
    pub fn reference_single_file() -> Self {
        Self(".".into())
    }

    /// The name as it is signed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The directories that contain this, outermost first, and this itself: `a/b/c` gives `a`, `a/b`, `a/b/c`.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at]).chain(std::iter::once(&*self.0))
    }

    /// Whether this is `directory` itself or lies inside it, by whole components.
    #[must_use]
    pub fn is_within(&self, directory: &Self) -> bool {
        self.0.strip_prefix(&*directory.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for ModelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.0).fmt(f)
    }
}

impl fmt::Debug for ModelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty"),
            Self::Absolute(name) => {
                write!(f, "'{}' is absolute; names are relative to the model", Printable(name))
            }
            Self::DotComponent(name) => write!(f, "'{}' contains a '.' or '..' component", Printable(name)),
            Self::EmptyComponent(name) => {
                write!(f, "'{}' has an empty component ('//' or a trailing '/')", Printable(name))
            }
            Self::Backslash(name) => {
                write!(f, "'{}' contains a backslash; '/' is the only separator", Printable(name))
            }
            Self::Nul(name) => write!(f, "'{}' contains a NUL character", Printable(name)),
            Self::TooLong(len) => {
                write!(f, "a name of {len} bytes is longer than the limit of {}", limits::MAX_PATH_BYTES)
            }
            Self::TooDeep(depth) => {
                write!(
                    f,
                    "a name of {depth} components is deeper than the limit of {}",
                    limits::MAX_PATH_DEPTH
                )
            }
        }
    }
}

impl std::error::Error for PathError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_within_matches_whole_components() {
        let path = |s| ModelPath::parse(s).unwrap();
        assert!(path("a/b").is_within(&path("a")));
        assert!(path("a").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
        assert!(!path("b/a").is_within(&path("a")));
    }

    #[test]
    fn prefixes_lead_from_the_outermost_directory_to_the_path() {
        let path = ModelPath::parse("a/b/c").unwrap();
        assert_eq!(path.prefixes().collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
    }

    #[test]
    fn depth_and_length_are_bounded() {
        assert!(matches!(
            ModelPath::parse("a/".repeat(200).trim_end_matches('/')),
            Err(PathError::TooDeep(200))
        ));
        assert!(matches!(ModelPath::parse(&"a".repeat(40_000)), Err(PathError::TooLong(40_000))));
    }

    #[test]
    fn names_are_never_normalised() {
        let nfc = ModelPath::parse("caf\u{e9}").unwrap();
        let nfd = ModelPath::parse("cafe\u{301}").unwrap();
        assert_ne!(nfc, nfd);
    }

    proptest::proptest! {
        #[test]
        fn what_parses_is_relative_and_stays_inside(name in "[a./\\\\\0]{0,12}") {
            if let Ok(path) = ModelPath::parse(&name) {
                assert!(path.components().all(|c| !c.is_empty() && c != "." && c != ".."));
                assert!(!path.as_str().starts_with('/') && !path.as_str().contains(['\\', '\0']));
            }
        }
    }
}
