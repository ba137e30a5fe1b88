//! Linting, formatting, signing and comparing policies. Nothing here opens a door.

use super::{FolderFiles, MAX_POLICY_BYTES, Policies, PolicyError, keyless_verifier, kind, read, read_rules};
use crate::{
    disk,
    error::Error,
    output::Output,
    report::{ChangedVerdict, ComplaintReport, DiffReport, LintReport, PolicySignatureReport},
};
use jiff::Timestamp;
use modelseal_attest::signer::Signer;
use modelseal_core::{deny_feed::DenyFeed, digest::Digest, limits::MAX_DENY_FEED_BYTES, payload};
use modelseal_verify::{
    facts::RecordedFacts,
    policy::{
        complaint::{Complaint, Severity},
        format,
        load::has_errors,
    },
    policy_trust::Document,
};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// Largest record of facts, in bytes.
const MAX_FACTS_BYTES: u64 = 1024 * 1024 * 1024;

/// Finds what is wrong with policies; with `files`, also with what they name.
///
/// # Errors
/// [`PolicyError::Read`] when a file cannot be read.
pub fn lint_policies(paths: &[PathBuf], files: bool, now: Timestamp) -> Result<LintReport, Error> {
    let mut complaints = Vec::new();
    for path in paths {
        let policy = read(path, &load(path)?)?;
        let mut found = policy.lint(Some(now));
        if files && !has_errors(&found) {
            found = match policy.validate(&FolderFiles::beside(path), Some(now)) {
                Ok(policy) => policy.warnings().to_vec(),
                Err(complaints) => complaints,
            };
        }
        complaints.extend(found);
    }
    let errors = complaints.iter().filter(|c| c.severity == Severity::Error).count();
    Ok(LintReport {
        schema: LintReport::SCHEMA.into(),
        files: paths.iter().map(|path| path.display().to_string()).collect(),
        errors,
        warnings: complaints.len() - errors,
        complaints: complaints.iter().map(ComplaintReport::from).collect(),
    })
}

/// The layout of a policy as [`lint_policies`] would have it. With `write`, the file is replaced unless it has that layout
/// already. Gives whether it had.
///
/// # Errors
/// [`PolicyError::Read`], [`PolicyError::Invalid`] when it is not TOML, [`PolicyError::Output`].
pub fn format_policy(path: &Path, write: bool) -> Result<bool, Error> {
    let bytes = load(path)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| PolicyError::Read { path: path.to_owned(), reason: "it is not UTF-8".into() })?;
    let formatted = format::format(&path.display().to_string(), &text).map_err(PolicyError::Invalid)?;
    if formatted == text {
        return Ok(true);
    }
    if write {
        let refuse = |e: std::io::Error| PolicyError::Output { path: path.to_owned(), reason: e.to_string() };
        disk::replace_as_it_was(path, formatted.as_bytes()).map_err(refuse)?;
    }
    Ok(false)
}

/// Signs the exact bytes of a policy or of a rule set (TOML), or of a deny feed (`.json`), and writes the bundle to `output`. What is not fit
/// for use is not signed.
///
/// # Errors
/// [`Error::Policy`], [`Error::Output`] when another bundle is there and `force` is not set, [`Error::Sign`].
pub fn sign_policy(
    path: &Path,
    output: &Path,
    force: bool,
    signer: &dyn Signer,
    now: Timestamp,
) -> Result<PolicySignatureReport, Error> {
    let output = Output { path: output.to_owned(), force };
    output.check(path)?;
    let refuse = |reason: String| PolicyError::Read { path: path.to_owned(), reason };
    let json = path.extension().is_some_and(|extension| extension == "json");
    let bytes =
        disk::read(path, if json { MAX_DENY_FEED_BYTES } else { MAX_POLICY_BYTES }).map_err(refuse)?;
    let payload_type = if json {
        DenyFeed::parse(&bytes).map_err(|e| refuse(format!("JSON is signed when it is a deny feed: {e}")))?;
        payload::DENY_FEED
    } else if kind(&bytes) == Document::Rules {
        read_rules(path, &bytes)?;
        payload::RULES
    } else {
        let complaints = read(path, &bytes)?.lint(Some(now));
        if has_errors(&complaints) {
            return Err(PolicyError::Invalid(complaints).into());
        }
        payload::POLICY
    };
    let sha256 = sha256(&bytes).to_hex();
    let bundle = modelseal_attest::document::sign(payload_type, bytes, signer).map_err(Error::Sign)?;
    output.write(&bundle)?;
    Ok(PolicySignatureReport {
        schema: PolicySignatureReport::SCHEMA.into(),
        policy: path.display().to_string(),
        signature: output.path.display().to_string(),
        sha256,
        key_fingerprint: sha256_of_key(signer),
    })
}

/// Judges every record of facts in `results` again, under both policies, and says which verdicts change.
///
/// # Errors
/// [`PolicyError::Read`] when the directory cannot be read.
pub fn diff_policies(old: &Policies, new: &Policies, results: &Path) -> Result<DiffReport, Error> {
    let names = disk::names(results, |name| name.ends_with(".json"))
        .map_err(|e| PolicyError::Read { path: results.to_owned(), reason: e.to_string() })?;
    let mut report = DiffReport {
        schema: DiffReport::SCHEMA.into(),
        results: 0,
        changed: Vec::new(),
        unreadable: Vec::new(),
    };
    for name in names {
        let path = results.join(&name);
        let recorded = match read_facts(&path) {
            Ok(recorded) => recorded,
            Err(error) => {
                report.unreadable.push(error.to_string());
                continue;
            }
        };
        report.results += 1;
        let replay = |policies: &Policies| {
            recorded.replay(policies.set(), &*keyless_verifier(policies, crate::clock::now()), None)
        };
        let (old, new) = (replay(old), replay(new));
        let (old, new) = (old.report(), new.report());
        if (old.verdict, old.code) == (new.verdict, new.code) {
            continue;
        }
        report.changed.push(ChangedVerdict {
            file: path.display().to_string(),
            reference: recorded.reference().to_string(),
            old: old.verdict.into(),
            new: new.verdict.into(),
            old_code: old.code.map(|code| code.to_string()),
            new_code: new.code.map(|code| code.to_string()),
            message: new.message.clone(),
        });
    }
    Ok(report)
}

/// Reads what `--facts-out` wrote.
pub(crate) fn read_facts(path: &Path) -> Result<RecordedFacts, PolicyError> {
    let refuse = |reason| PolicyError::Read { path: path.to_owned(), reason };
    let bytes = disk::read(path, MAX_FACTS_BYTES).map_err(refuse)?;
    RecordedFacts::parse(&bytes).map_err(|e| refuse(e.to_string()))
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}

fn sha256_of_key(signer: &dyn Signer) -> String {
    sha256(&signer.public_key_spki_der()).to_hex()
}

fn load(path: &Path) -> Result<Vec<u8>, PolicyError> {
    disk::read(path, MAX_POLICY_BYTES).map_err(|reason| PolicyError::Read { path: path.to_owned(), reason })
}

impl From<&Complaint> for ComplaintReport {
    fn from(complaint: &Complaint) -> Self {
        Self {
            id: complaint.id.into(),
            severity: if complaint.severity == Severity::Error { "error" } else { "warning" }.into(),
            file: complaint.file.clone(),
            line: complaint.line,
            column: complaint.column,
            path: complaint.path.clone(),
            text: complaint.text.clone(),
            message: complaint.message.clone(),
            suggestion: complaint.suggestion.clone(),
        }
    }
}
