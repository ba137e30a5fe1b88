//! [`AttestError`]: why a run or a statement cannot be attested.

use crate::error::Kind;
use modelseal_core::{
    inspection::Verdict,
    predicate::{build_type::Unresolved, error::PredicateError},
    text::Printable,
};
use std::{fmt, path::PathBuf};

/// Why a run or a statement cannot be attested.
#[derive(Debug)]
#[non_exhaustive]
pub enum AttestError {
    /// The file that describes a run cannot be read or understood.
    RunFile {
        /// The file.
        path: PathBuf,
        /// Its line, from 1; none when there is no place.
        line: Option<usize>,
        /// What is wrong.
        why: String,
    },
    /// A parameter of the run is wrong, or its build type has none of that name.
    Parameter(String),
    /// An input cannot be recorded.
    Input {
        /// The input.
        input: String,
        /// What is wrong.
        why: String,
    },
    /// An input is not what its description, or an earlier measurement, says.
    InputDiffers {
        /// The input.
        input: String,
        /// What differs.
        differences: Vec<String>,
    },
    /// The signature of a base model is not by the key that was given, or not of these files.
    BaseSignature {
        /// The base model.
        input: String,
        /// The stable code.
        code: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Inputs that nothing pins.
    Unresolved(Vec<Unresolved>),
    /// The predicate is not what its type says.
    Predicate {
        /// Its type.
        predicate_type: String,
        /// What is wrong.
        error: PredicateError,
    },
    /// The predicate cannot be read, or must not be signed by this command.
    PredicateFile(String),
    /// Nothing can be claimed of the model's files.
    NothingToClaim {
        /// The verdict on the model.
        verdict: Verdict,
        /// Why.
        why: String,
    },
    /// The record of a run cannot be read or understood.
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The event that started a run cannot be read.
    Event(String),
    /// An attestation cannot go there.
    Destination {
        /// Where it should go.
        path: PathBuf,
        /// What is wrong with that.
        why: String,
    },
    /// A file cannot be written.
    Write {
        /// The file.
        path: PathBuf,
        /// What stands in the way.
        why: String,
    },
}

impl AttestError {
    /// Who is at fault.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::InputDiffers { .. } | Self::BaseSignature { .. } | Self::NothingToClaim { .. } => {
                Kind::Denied
            }
            Self::Write { .. } => Kind::Undecided,
            _ => Kind::Usage,
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::RunFile { .. } | Self::Parameter(_) => "usage.run",
            Self::Input { .. } => "usage.input",
            Self::InputDiffers { .. } => "integrity.input-mismatch",
            Self::BaseSignature { code, .. } => code,
            Self::Unresolved(_) => "usage.unresolved",
            Self::NothingToClaim { verdict, .. } if *verdict >= Verdict::Suspicious => "content.verdict",
            Self::NothingToClaim { .. } => "content.format-unknown",
            Self::Predicate { .. } | Self::PredicateFile(_) => "usage.predicate",
            Self::Record { .. } | Self::Event(_) => "usage.file",
            Self::Destination { .. } => "usage.output",
            Self::Write { .. } => "error.io",
        }
    }
}

impl fmt::Display for AttestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunFile { path, line: Some(line), why } => {
                write!(f, "'{}', line {line}: {why}", path.display())
            }
            Self::RunFile { path, line: None, why } => write!(f, "'{}': {why}", path.display()),
            Self::Parameter(why) | Self::PredicateFile(why) | Self::Event(why) => f.write_str(why),
            Self::Input { input, why } => {
                write!(f, "the input '{}' cannot be recorded: {why}", Printable(input))
            }
            Self::InputDiffers { input, differences } => {
                write!(f, "the input '{}' is not what was said: {}", Printable(input), differences.join("; "))
            }
            Self::BaseSignature { input, why, .. } => {
                write!(f, "the signature of the base model '{}' does not hold: {why}", Printable(input))
            }
            Self::Unresolved(inputs) => {
                f.write_str("inputs are named that nothing pins: ")?;
                for (index, input) in inputs.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { "; " }, UnresolvedLine(input))?;
                }
                f.write_str("; give each as URI=PATH or URI=DIGEST, or record them as they are with --allow-unresolved")
            }
            Self::Predicate { predicate_type, error } => {
                write!(f, "the predicate is no '{}': {error}", Printable(predicate_type))
            }
            Self::NothingToClaim { why, .. } => write!(
                f,
                "nothing can be claimed of this model: {}; see what modelseal inspect says of it",
                Printable(why)
            ),
            Self::Record { path, why } => write!(f, "cannot use the record '{}': {why}", path.display()),
            Self::Destination { path, why } | Self::Write { path, why } => {
                write!(f, "cannot write '{}': {why}", path.display())
            }
        }
    }
}

impl std::error::Error for AttestError {}

/// An unresolved input in one line.
struct UnresolvedLine<'a>(&'a Unresolved);

impl fmt::Display for UnresolvedLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unresolved { at, uri, why } = self.0;
        write!(f, "UNRESOLVED '{}' ({at}): {why}", Printable(uri))
    }
}

/// What is said of each unresolved input.
pub(super) fn unresolved_lines(inputs: &[Unresolved]) -> Vec<String> {
    inputs.iter().map(|input| UnresolvedLine(input).to_string()).collect()
}
