//! What tests of several formats share.

use crate::{Globals, inspect};
use modelseal_core::{
    inspection::{FileInspection, Verdict},
    path::ModelPath,
};

/// Inspects a file of this name.
pub(crate) fn look(name: &str, bytes: &[u8]) -> FileInspection {
    let path = ModelPath::parse(name).unwrap();
    inspect(&path, &bytes.to_vec(), Globals::shipped()).unwrap().into_inner()
}

/// The rules that found something, in order.
pub(crate) fn rules_in(found: &FileInspection) -> Vec<&str> {
    found.findings.iter().map(|finding| finding.rule.as_str()).collect()
}

/// Says that this rule, and no worse one, found something.
pub(crate) fn finds(name: &str, bytes: &[u8], rule: &str) {
    let found = look(name, bytes);
    let of_rule = found.findings.iter().find(|finding| finding.rule.as_str() == rule);
    let of_rule = of_rule.unwrap_or_else(|| panic!("{rule} is not among {:?}", found.findings));
    assert_eq!(of_rule.severity.verdict(), found.verdict(), "{:?}", found.findings);
}

/// Says that nothing was found, not even a note, and gives what was seen.
pub(crate) fn clean(name: &str, bytes: &[u8]) -> FileInspection {
    let found = look(name, bytes);
    assert_eq!(found.verdict(), Verdict::Clean, "{:?}", found.findings);
    found
}

/// Cuts the file at every byte, and changes every byte: nothing panics. Says at which cuts the rest was clean.
pub(crate) fn mangle(name: &str, bytes: &[u8]) -> Vec<usize> {
    let mut clean = Vec::new();
    for cut in 0..bytes.len() {
        if look(name, &bytes[..cut]).verdict() == Verdict::Clean {
            clean.push(cut);
        }
        let mut changed = bytes.to_vec();
        for mask in [0x01, 0x80, 0xff] {
            changed[cut] = bytes[cut] ^ mask;
            look(name, &changed);
        }
    }
    clean
}
