//! Attestations as they lie beside a model: Sigstore bundles, one a line, in a file that ends in `.intoto.jsonl`
//! (in-toto/attestation `spec/v1/bundle.md`). Each line is believed, or not, by itself; their order says nothing.

use modelseal_core::{
    bundle::{Bundle, BundleError},
    limits::{MAX_ATTESTATION_BYTES, MAX_ATTESTATION_LINES},
};
use std::fmt;

/// The bundles of one file, and the lines that hold none.
#[derive(Debug, Default)]
pub struct JsonLines {
    /// The bundles, each with the number of its line from 1. Nothing in them has been verified.
    pub bundles: Vec<(usize, Bundle)>,
    /// The lines that no bundle could be read from: reported, and never of any help.
    pub skipped: Vec<(usize, BundleError)>,
}

/// Why a file of bundles is not read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonLinesError {
    /// It is larger than what is read.
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The bound in bytes.
        limit: u64,
    },
    /// It has more lines than what is read.
    TooManyLines {
        /// The bound.
        limit: usize,
    },
}

/// Reads a file of bundles, one a line. Lines of white space are passed over; lines that hold no bundle are listed.
///
/// # Errors
/// [`JsonLinesError`] when the file breaks a bound.
pub fn read_json_lines(document: &[u8]) -> Result<JsonLines, JsonLinesError> {
    let size = document.len() as u64;
    if size > MAX_ATTESTATION_BYTES {
        return Err(JsonLinesError::TooLarge { size, limit: MAX_ATTESTATION_BYTES });
    }
    let lines = document.split(|byte| *byte == b'\n').enumerate();
    let mut read = JsonLines::default();
    for (index, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        if read.bundles.len() + read.skipped.len() == MAX_ATTESTATION_LINES {
            return Err(JsonLinesError::TooManyLines { limit: MAX_ATTESTATION_LINES });
        }
        match Bundle::parse(line) {
            Ok(bundle) => read.bundles.push((index + 1, bundle)),
            Err(error) => read.skipped.push((index + 1, error)),
        }
    }
    Ok(read)
}

impl fmt::Display for JsonLinesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, limit } => {
                write!(f, "{size} bytes of attestations exceed the limit of {limit}; split the file")
            }
            Self::TooManyLines { limit } => {
                write!(f, "more attestations than the limit of {limit} in one file; split the file")
            }
        }
    }
}

impl std::error::Error for JsonLinesError {}
