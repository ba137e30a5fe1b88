//! Names in a store, and what a file there holds.

use super::{
    claims::{Claims, NoClaims},
    glance::Seen,
    problem::{Problem, ProblemKind},
};
use modelseal_core::{
    bundle::{Bundle, BundleError, MEDIA_TYPE},
    digest::Digest,
    json::JsonError,
    limits::MAX_BUNDLE_BYTES,
};
use sha2::{Digest as _, Sha256};
use std::{borrow::Cow, path::Path};

/// The file in a store that holds its index.
pub(super) const INDEX: &str = ".index.sqlite";

const BUNDLE_SUFFIX: &str = ".sigstore.json";
const LINES_SUFFIX: &str = ".jsonl";

/// Largest file of a store that is read, in bytes. A larger one can hold no bundle, and lines can go into several files.
pub(super) const MAX_DOCUMENT_BYTES: u64 = MAX_BUNDLE_BYTES;

/// The folder of a bundle: the first two digits.
pub(super) fn folder_name(sha256: &[u8; 32]) -> String {
    format!("{:02x}", sha256[0])
}

/// The name of a bundle: the digest of its bytes.
pub(super) fn bundle_name(sha256: &[u8; 32]) -> String {
    format!("{}{BUNDLE_SUFFIX}", Digest::sha256(*sha256).to_hex())
}

/// The digest that a name promises, for a file in the folder of it.
pub(super) fn promised(folder: &str, name: &str) -> Option<[u8; 32]> {
    let hex = name.strip_suffix(BUNDLE_SUFFIX)?;
    if hex.len() != 64 || hex.get(..2)? != folder {
        return None;
    }
    let mut sha256 = [0; 32];
    base16ct::lower::decode(hex, &mut sha256).ok()?;
    Some(sha256)
}

/// Whether a file of that name may hold bundles. What starts with a dot is never looked at.
pub(super) fn may_hold_bundles(name: &str) -> bool {
    !name.starts_with('.') && [".json", ".sig", LINES_SUFFIX].iter().any(|suffix| name.ends_with(suffix))
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Whether each line of a file of that name is a document.
pub(super) fn has_lines(name: &str) -> bool {
    name.ends_with(LINES_SUFFIX)
}

/// The parts of a file that may each be a bundle, with the number of the line; 0 where the file is one document.
pub(super) fn parts<'a>(name: &str, bytes: &'a [u8]) -> Box<dyn Iterator<Item = (u32, &'a [u8])> + 'a> {
    if !has_lines(name) {
        return Box::new(std::iter::once((0, bytes)));
    }
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..);
    Box::new(lines.filter(|(line, _)| !line.trim_ascii().is_empty()).map(|(line, number)| (number, line)))
}

/// Whether no bundle is that short: its media type, and the names of what every bundle has, are longer.
pub(super) fn is_too_short(part: &[u8]) -> bool {
    part.trim_ascii().len() < MEDIA_TYPE.len() + "mediaTypeverificationMaterialdsseEnvelope".len()
}

/// Why a part of a file that should be a bundle is none: it is something else, or a bundle with a member twice, which two readers
/// could read differently, or one that ends too early.
fn no_bundle(part: &[u8], error: &BundleError) -> Unusable {
    let is_meant = || {
        let text = String::from_utf8_lossy(part);
        text.contains("\"dsseEnvelope\"") || text.contains("application/vnd.dev.sigstore.bundle")
    };
    let is_broken = match error {
        BundleError::Json(JsonError::Malformed(e)) => e.is_syntax() || e.is_eof(),
        _ => false,
    };
    let is_twice = matches!(error, BundleError::Json(e) if e.is_duplicate());
    match error {
        _ if (is_broken || is_twice) && is_meant() => Unusable::Malformed(error.to_string()),
        _ => Unusable::NoBundle(error.to_string()),
    }
}

/// A bundle in a store, and what it claims. `None` as claims: its payload is no statement, but something else that is signed.
pub(super) fn read_part(part: &[u8]) -> Result<(Bundle, Option<Claims>), Unusable> {
    let bundle = Bundle::parse(part).map_err(|e| no_bundle(part, &e))?;
    match Claims::of(&bundle) {
        Ok(claims) => Ok((bundle, Some(claims))),
        Err(NoClaims::OtherPayload) => Ok((bundle, None)),
        Err(NoClaims::Malformed(why)) => Err(Unusable::Malformed(why)),
    }
}

/// What a bundle in a store is found by, without judging all of it.
pub(super) fn glance_at_part(part: &[u8]) -> Result<Seen, Unusable> {
    let bundle = Bundle::parse(part).map_err(|e| no_bundle(part, &e))?;
    if let Some(seen) = Seen::at_a_glance(&bundle) {
        return Ok(seen);
    }
    match Claims::of(&bundle) {
        Ok(claims) => Ok(Seen::in_claims(&claims)),
        Err(NoClaims::OtherPayload) => Ok(Seen::default()),
        Err(NoClaims::Malformed(why)) => Err(Unusable::Malformed(why)),
    }
}

/// Why a part of a file is not used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It is no bundle.
    NoBundle(String),
    /// It is a bundle that is malformed, or one of a statement that is.
    Malformed(String),
}

impl Unusable {
    pub(super) fn kind(&self) -> ProblemKind {
        match self {
            Self::NoBundle(_) => ProblemKind::NoBundle,
            Self::Malformed(_) => ProblemKind::Malformed,
        }
    }

    /// What to report. Line 0 is the whole file.
    pub(super) fn into_problem(self, path: std::path::PathBuf, line: u32) -> Problem {
        let (kind, why) = match self {
            Self::NoBundle(why) => (ProblemKind::NoBundle, why),
            Self::Malformed(why) => (ProblemKind::Malformed, why),
        };
        let message = if line == 0 { why } else { format!("line {line}: {why}") };
        Problem { path, kind, message }
    }
}

/// The bundle as one line: what a pretty-printer put between the tokens is left out. It is JSON already.
pub(super) fn one_line(bundle: &[u8]) -> Cow<'_, [u8]> {
    let bundle = bundle.trim_ascii();
    if !bundle.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Cow::Borrowed(bundle);
    }
    let (mut line, mut in_string, mut escaped) = (Vec::with_capacity(bundle.len()), false, false);
    for byte in bundle {
        if in_string || !byte.is_ascii_whitespace() {
            line.push(*byte);
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
    }
    Cow::Owned(line)
}

/// The path inside the store of a folder in a folder.
pub(super) fn inside(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A path for people, from a folder's path inside the store.
pub(super) fn path_of(store: &Path, folder: &str, name: &str) -> std::path::PathBuf {
    if folder.is_empty() { store.join(name) } else { store.join(folder).join(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_promises_its_content_in_the_right_folder_only() {
        let digest = sha256(b"x");
        let (folder, name) = (folder_name(&digest), bundle_name(&digest));
        assert_eq!(promised(&folder, &name), Some(digest));
        for (folder, name) in [
            ("00", name.clone()),
            ("", name.clone()),
            (&*folder, name.to_uppercase()),
            (&*folder, name.replace(".sigstore", "")),
            (&*folder, format!("0{name}")),
        ] {
            assert_eq!(promised(folder, &name), None, "{folder}/{name}");
        }
    }

    #[test]
    fn only_some_names_are_looked_at() {
        for name in ["a.json", "a.sigstore.json", "a.intoto.jsonl", "model.sig", "é.sig"] {
            assert!(may_hold_bundles(name), "{name}");
        }
        for name in [".a.json", ".index.sqlite", "a", "README.md", "a.JSON", ".modelseal-x.tmp", "a.tmp"] {
            assert!(!may_hold_bundles(name), "{name}");
        }
    }

    #[test]
    fn lines_are_counted_from_one_and_empty_ones_are_none() {
        let numbers = |name, bytes| parts(name, bytes).map(|(n, _)| n).collect::<Vec<_>>();
        assert_eq!(numbers("a.jsonl", b"{}\n\n \r\n{}" as &[u8]), [1, 4]);
        assert_eq!(numbers("a.json", b"{}\n{}"), [0]);
        assert_eq!(numbers("a.jsonl", b""), [] as [u32; 0]);
    }

    #[test]
    fn a_bundle_of_many_lines_is_one_line_with_the_same_values() {
        let pretty = b"{\n  \"a b\" : \"x \\\" \\\\\",\r\n\t\"c\": [1, 2]\n}\n";
        assert_eq!(&*one_line(pretty), br#"{"a b":"x \" \\","c":[1,2]}"#);
        assert_eq!(&*one_line(b" {\"a\": 1}\n"), br#"{"a": 1}"#);
    }
}
