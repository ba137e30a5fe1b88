//! Stable codes: `domain.what`, append-only. Every denial and every error has exactly one; `docs/codes.md` lists them.

use crate::error::Kind;
use modelseal_core::{
    bundle::BundleError,
    manifest::{Comparison, ManifestError},
    predicate::StatementError,
};
use modelseal_model::{ErrorKind, MeasureError};
use modelseal_verify::{decision::Code, verifier::VerifyError};

pub(crate) fn bundle(_: &BundleError) -> &'static str {
    "signature.malformed"
}

pub(crate) fn signature(error: &VerifyError) -> &'static str {
    Code::from(error).as_str()
}

pub(crate) fn statement(error: &StatementError) -> &'static str {
    match error {
        StatementError::PayloadType(_) => "signature.payload-type",
        StatementError::Type(_) => "signature.statement-type",
        StatementError::PredicateType(_) => "signature.predicate-type",
        StatementError::Path(_) => "integrity.path-escape",
        StatementError::Manifest(ManifestError::Empty) => "integrity.empty-model",
        _ => "signature.malformed",
    }
}

pub(crate) fn comparison(differences: &Comparison) -> &'static str {
    if !differences.changed.is_empty() {
        "integrity.digest-mismatch"
    } else if !differences.missing.is_empty() {
        "integrity.file-missing"
    } else {
        "integrity.file-unsigned"
    }
}

pub(crate) fn measure(error: &MeasureError) -> &'static str {
    match error {
        MeasureError::Symlink { .. }
        | MeasureError::ModelIsSymlink { .. }
        | MeasureError::DanglingSymlink { .. }
        | MeasureError::SymlinkLoop { .. } => "integrity.symlink",
        MeasureError::SpecialFile { .. } => "integrity.not-regular-file",
        MeasureError::NotUtf8 { .. } | MeasureError::Name { .. } => "integrity.name-not-allowed",
        MeasureError::Empty { .. } | MeasureError::Manifest(ManifestError::Empty) => "integrity.empty-model",
        MeasureError::Changed { .. } => "integrity.changed-during-verify",
        MeasureError::TooManyEntries(_) | MeasureError::TooManyResources { .. } => "error.limit-exceeded",
        MeasureError::AlsoNeedsWholeFiles => "usage.flags",
        MeasureError::Cancelled => "error.cancelled",
        MeasureError::Missing(_) | MeasureError::Io { .. } => "error.io",
        _ => "error.internal",
    }
}

/// A limit that is reached, or a system that does not answer, decides nothing.
pub(crate) fn measure_kind(error: &MeasureError) -> Kind {
    match (error, error.kind()) {
        (MeasureError::TooManyEntries(_) | MeasureError::TooManyResources { .. }, _) => Kind::Undecided,
        (MeasureError::AlsoNeedsWholeFiles, _) => Kind::Usage,
        (_, ErrorKind::Rejected) => Kind::Denied,
        _ => Kind::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use modelseal_verify::decision::Code;
    use std::{collections::BTreeSet, fs, path::Path};

    /// Names of checks, which look like codes.
    const CHECKS: &[&str] = &["bind.high-water", "signature.threshold"];

    /// Codes are for ever, so each that this crate or the command line can say is one of the table, which the
    /// documentation is made from.
    #[test]
    fn the_documentation_lists_every_code() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut said = BTreeSet::new();
        for sources in ["src", "../../cli/src"] {
            collect(&here.join(sources), &mut said);
        }
        assert!(said.len() > 25, "{said:?}");
        let unknown: Vec<&String> = said.iter().filter(|code| code.parse::<Code>().is_err()).collect();
        assert_eq!(unknown, Vec::<&String>::new(), "not in the table of codes");
    }

    /// Every string of the sources that looks like a code.
    fn collect(directory: &Path, codes: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, codes);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                codes.extend(text.split('"').filter(|text| looks_like_a_code(text)).map(str::to_owned));
            }
        }
    }

    fn looks_like_a_code(text: &str) -> bool {
        let names_a_file = [".rs", ".toml", ".json", ".sig"].iter().any(|end| text.ends_with(end));
        let known = |domain: &str| Code::all().iter().any(|entry| entry.code.domain() == domain);
        let shape = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !names_a_file
            && !CHECKS.contains(&text)
            && text
                .split_once('.')
                .is_some_and(|(domain, code)| known(domain) && !code.is_empty() && code.bytes().all(shape))
    }
}
