//! The native part of the Python package `modelseal`: a door. It turns Python's arguments into requests of the front room and
//! the answers into Python values; what users see of it is in `python/modelseal`.
//!
//! Work runs in a thread of its own without Python's lock, while the thread that asked looks for Ctrl-C and reports progress
//! (`work`). No thread outlives a call, so that a process may fork between two.

mod command_line;
mod contents;
mod document;
mod errors;
mod lent;
mod measure;
mod options;
mod sign;
mod trust;
mod work;

use pyo3::prelude::*;

/// What `modelseal` is made of. Private: its functions change without notice.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::{
        command_line::main,
        contents::{PyContents, PyFile, open_model},
        measure::digest,
        sign::sign,
        trust::verify,
    };

    /// The version of the package.
    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "its name in Python")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
