//! The model's bytes against the manifest that was signed.

use super::{
    check::Found,
    code::Code,
    context::{Candidate, Context, is_match, measuring_failed},
};
use crate::facts::fitting;
use modelseal_core::{path::ModelPath, text::Printable};
use serde_json::{Value, json};

/// Paths that are written into a report; the counts are always whole.
const SHOWN: usize = 20;

/// What the integrity check came to.
pub(super) struct Integrity {
    pub(super) found: Vec<Found>,
    /// Whether it is known what the model is, so that an allow may follow: it was measured, or is pinned.
    pub(super) measured: bool,
}

/// Compares the candidate with what was measured.
pub(super) fn check(context: &Context<'_>, candidate: &Candidate, unsigned_allowed: bool) -> Integrity {
    let id = "integrity";
    match candidate {
        Candidate::Nothing => match measuring_failed(context.data, None) {
            Some(refused) => Integrity {
                found: vec![Found::fail(id, refused.code, refused.message.clone())],
                measured: false,
            },
            None => Integrity { found: vec![Found::unmeasured(id)], measured: false },
        },
        Candidate::Measured { measured, .. } => {
            let left_out = context.data.measured[*measured].outcome.as_ref().map_or(&[][..], |m| &m.left_out);
            let mut found = unlooked(left_out, unsigned_allowed);
            if found.is_empty() {
                found.push(Found::pass(id, "every file was measured; no signature lists files"));
            }
            Integrity { found, measured: true }
        }
        Candidate::Pinned { .. } => {
            let found = vec![Found::pass(id, "it is what the provenance pins; no signature lists files")];
            Integrity { found, measured: true }
        }
        Candidate::Signed { .. } if context.pin.is_some() => pinned(context, candidate),
        Candidate::Signed { .. } => signed(context, candidate, unsigned_allowed),
    }
}

/// An artifact that is known by its digests: what was signed has to be what they pin.
fn pinned(context: &Context<'_>, candidate: &Candidate) -> Integrity {
    let id = "integrity";
    let fact = context.best_manifest(candidate, false);
    let Some(fact) =
        fact.filter(|fact| context.pin.is_some_and(|pin| pin.is_signed_as(&fact.model.manifest)))
    else {
        let message = "what was signed is not what the provenance pins";
        let fail = Found::fail(id, Code::IntegrityDigestMismatch, message).actual(json!(candidate.digest()));
        return Integrity { found: vec![fail], measured: true };
    };
    let count = fact.model.manifest.file_count();
    let message = format!("{count} files are signed, and are what the provenance pins; they are not here");
    Integrity { found: vec![Found::pass(id, message).actual(fact.digest.as_str())], measured: true }
}

fn signed(context: &Context<'_>, candidate: &Candidate, unsigned_allowed: bool) -> Integrity {
    let id = "integrity";
    let Some(fact) = context.best_manifest(candidate, unsigned_allowed) else {
        return Integrity {
            found: vec![Found::skip(id, "signature.threshold", Code::ErrorInternal)],
            measured: false,
        };
    };
    let comparison = match &fact.compared {
        None => match measuring_failed(context.data, Some(fact.model.manifest.serialization())) {
            Some(refused) => {
                let found = vec![Found::fail(id, refused.code, refused.message.clone())];
                return Integrity { found, measured: false };
            }
            None => return Integrity { found: vec![Found::unmeasured(id)], measured: false },
        },
        Some(Err(refused)) => {
            let found = vec![Found::fail(id, refused.code, refused.message.clone())];
            return Integrity { found, measured: false };
        }
        Some(Ok(comparison)) => comparison,
    };
    let parameters = fact.model.manifest.serialization();
    let left_out = context.data.measured.iter().filter_map(|m| m.outcome.as_ref().ok());
    let left_out: Vec<ModelPath> = left_out
        .filter(|m| m.manifest.serialization().algorithm == parameters.algorithm)
        .flat_map(|m| m.left_out.iter().cloned())
        .filter(|path| !parameters.ignore_paths.iter().any(|ignored| path.is_within(ignored)))
        .collect();
    let mut found = unlooked(&left_out, unsigned_allowed);
    if is_match(comparison, unsigned_allowed) {
        let count = fact.model.manifest.file_count();
        let message = match context.data.promise() {
            None => format!("{count} files are what was signed"),
            Some(_) => format!("{count} files have the signed names; each is compared as it is read"),
        };
        found.insert(0, Found::pass(id, message).actual(fact.digest.as_str()));
        return Integrity { found, measured: true };
    }
    let mut changed: Vec<&ModelPath> = comparison.changed.iter().map(|change| &change.path).collect();
    changed.dedup();
    let missing: Vec<&ModelPath> = comparison.missing.iter().collect();
    let unsigned: Vec<&ModelPath> = comparison.unsigned.iter().filter(|_| !unsigned_allowed).collect();
    let again = "get the model again from its publisher";
    for (paths, code, what, fix) in [
        (changed, Code::IntegrityDigestMismatch, "changed", again),
        (missing, Code::IntegrityFileMissing, "missing", again),
        (unsigned, Code::IntegrityFileUnsigned, "not signed", "remove it, or have the publisher sign it"),
    ] {
        let Some(first) = paths.first() else { continue };
        let message = match paths.len() {
            1 => format!("'{}' is {what}", Printable(first.as_str())),
            n => format!("{n} files are {what}, the first is '{}'", Printable(first.as_str())),
        };
        let fail = Found::fail(id, code, message).expected(fact.digest.as_str()).actual(shown(&paths));
        found.push(fail.fix(fix));
    }
    // Names and sizes can be wrong without a measurement, and then nothing else is known of the bytes.
    let measured = fitting(&context.data.measured, &fact.model.manifest).is_some();
    Integrity { found, measured }
}

/// What is there and was not looked at counts as unsigned.
fn unlooked(left_out: &[ModelPath], unsigned_allowed: bool) -> Vec<Found> {
    let Some(first) = left_out.first().filter(|_| !unsigned_allowed) else { return Vec::new() };
    let message = format!("'{}' is there, and was left out of the measurement", Printable(first.as_str()));
    let paths: Vec<&ModelPath> = left_out.iter().collect();
    vec![Found::fail("integrity", Code::IntegrityFileUnsigned, message).actual(shown(&paths))]
}

pub(super) fn shown(paths: &[&ModelPath]) -> Value {
    let first: Vec<&str> = paths.iter().take(SHOWN).map(|path| path.as_str()).collect();
    json!({ "count": paths.len(), "paths": first })
}
