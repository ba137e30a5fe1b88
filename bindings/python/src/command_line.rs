//! The command line, in this process.

use modelseal_cli::main_with;
use pyo3::prelude::*;
use std::{
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What the program ends with where it has an error of its own: never 1, which says that a model is denied.
const PANICKED: u8 = 101;

/// Runs the program with these words, the first of which is its name; gives the exit status. May end the process.
#[pyfunction]
pub(crate) fn main(py: Python<'_>, words: Vec<OsString>) -> u8 {
    py.detach(|| catch_unwind(AssertUnwindSafe(|| main_with(words).into())).unwrap_or(PANICKED))
}
