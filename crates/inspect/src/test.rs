//! What the tests of many formats need.

use crate::{Globals, inspect};
use modelseal_core::{inspection::FileInspection, path::ModelPath};

/// What is found in a file of this name.
pub(crate) fn look(name: &str, data: &[u8]) -> FileInspection {
    let path = ModelPath::parse(name).expect("a name");
    inspect(&path, &data.to_vec(), Globals::shipped()).expect("bytes in memory can be read").into_inner()
}

/// The names of the rules that found something, in order.
pub(crate) fn rules_in(found: &FileInspection) -> Vec<&str> {
    found.findings.iter().map(|finding| finding.rule.as_str()).collect()
}
