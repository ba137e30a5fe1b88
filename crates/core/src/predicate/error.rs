//! [`PredicateError`]: why a predicate is not what its type says.

use crate::text::Printable;
use std::fmt;

/// Why a predicate is not what its type says. `at` is the JSON pointer of the field inside the predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PredicateError {
    /// A required field is unset, `null` or empty.
    Missing {
        /// The field.
        at: String,
    },
    /// A field is of another JSON kind.
    Kind {
        /// The field.
        at: String,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A field is no URI.
    Uri {
        /// The field.
        at: String,
        /// What is there.
        found: String,
    },
    /// A field is no package URL of a release.
    Purl {
        /// The field.
        at: String,
        /// What is there.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A field is no time in UTC.
    Time {
        /// The field.
        at: String,
        /// What is there.
        found: String,
    },
    /// The end lies before the start.
    EndBeforeStart {
        /// The field of the end.
        at: String,
    },
    /// A field is none of the values that its type knows.
    NotOneOf {
        /// The field.
        at: String,
        /// What is there.
        found: String,
        /// What could be.
        known: Vec<&'static str>,
    },
    /// A field is no base64.
    Base64 {
        /// The field.
        at: String,
    },
    /// A digest is not lowercase hexadecimal of the length that its algorithm gives.
    Digest {
        /// The digest.
        at: String,
        /// What is there.
        found: String,
        /// The lengths in characters that the algorithm has.
        lengths: &'static [usize],
    },
    /// A resource descriptor has neither `uri`, `digest` nor `content`.
    Descriptor {
        /// The descriptor.
        at: String,
    },
    /// An external parameter that the build type does not define.
    UnknownParameter {
        /// The parameter.
        at: String,
        /// Those that it defines.
        known: Vec<&'static str>,
    },
    /// A field says something that contradicts another, or that its type forbids.
    Contradiction {
        /// The field.
        at: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl PredicateError {
    /// The JSON pointer of the field inside the predicate.
    #[must_use]
    pub fn at(&self) -> &str {
        match self {
            Self::Missing { at }
            | Self::Kind { at, .. }
            | Self::Uri { at, .. }
            | Self::Purl { at, .. }
            | Self::Time { at, .. }
            | Self::EndBeforeStart { at }
            | Self::NotOneOf { at, .. }
            | Self::Base64 { at }
            | Self::Digest { at, .. }
            | Self::Descriptor { at }
            | Self::UnknownParameter { at, .. }
            | Self::Contradiction { at, .. } => at,
        }
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn what(&self) -> String {
        What(self).to_string()
    }
}

impl fmt::Display for PredicateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.at().is_empty() { "/" } else { self.at() };
        write!(f, "{}: {}", Short(at), What(self))
    }
}

/// What is wrong, without the place.
struct What<'a>(&'a PredicateError);

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use PredicateError as E;
        match self.0 {
            E::Missing { .. } => f.write_str("required, but unset or empty"),
            E::Kind { expected, found, .. } => write!(f, "expected {expected}, found {found}"),
            E::Uri { found, .. } => write!(f, "'{}' is no URI", Short(found)),
            E::Purl { found, why, .. } => {
                write!(f, "'{}' is no package URL of a release: {why}", Short(found))
            }
            E::Time { found, .. } => {
                write!(f, "'{}' is no RFC 3339 time in UTC, like 2026-03-01T12:00:00Z", Short(found))
            }
            E::EndBeforeStart { .. } => f.write_str("it ended before it started"),
            E::NotOneOf { found, known, .. } => {
                write!(f, "'{}' is none of {}", Short(found), known.join(", "))
            }
            E::Digest { found, lengths: [length], .. } => {
                write!(f, "'{}' is not lowercase hexadecimal of {length} characters", Short(found))
            }
            E::Digest { found, .. } => write!(
                f,
                "'{}' is not lowercase hexadecimal of a length that the algorithm has",
                Short(found)
            ),
            E::Base64 { .. } => f.write_str("not base64"),
            E::Descriptor { .. } => f.write_str("a resource needs a uri, a digest or content"),
            E::UnknownParameter { known, .. } => {
                write!(f, "the build type defines no such parameter; it defines {}", known.join(", "))
            }
            E::Contradiction { why, .. } => f.write_str(why),
        }
    }
}

impl std::error::Error for PredicateError {}

/// The first of a long text, made safe to print.
struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(120) {
            Some((end, _)) => write!(f, "{}…", Printable(&self.0[..end])),
            None => Printable(self.0).fmt(f),
        }
    }
}
