//! `statement check`: judges in-toto statements that nobody has signed yet.

use crate::{disk, report::CheckedStatement};
use modelseal_core::{json::value::Value, limits::MAX_ATTESTATION_BYTES};
use modelseal_verify::{
    decision::Code,
    statement_check::{Problem, check},
};
use std::{io, path::Path};

/// Judges the statement in a file.
#[must_use]
pub fn check_statement_file(path: impl AsRef<Path>) -> CheckedStatement {
    let path = path.as_ref();
    check_statement(&path.display().to_string(), disk::read_past(path, MAX_ATTESTATION_BYTES))
}

/// Judges the statement in `document`, which is called `name`, or says why there is none.
#[must_use]
pub fn check_statement(name: &str, document: io::Result<Vec<u8>>) -> CheckedStatement {
    let document = match document {
        Ok(document) => document,
        Err(e) => return CheckedStatement::of(name, None, vec![unread(name, &e)]),
    };
    let checked = check(&document);
    if checked.attestation.is_none()
        && let Some(signed) = signed(&document)
    {
        return CheckedStatement::of(name, None, vec![signed.problem(name)]);
    }
    CheckedStatement::of(name, checked.attestation.as_ref(), checked.problems)
}

fn unread(name: &str, error: &io::Error) -> Problem {
    use io::ErrorKind as K;
    let code = match error.kind() {
        // The path is wrong, rather than the system.
        K::NotFound | K::IsADirectory | K::NotADirectory | K::InvalidFilename | K::Other => Code::UsageFile,
        _ => Code::ErrorIo,
    };
    Problem { code, at: String::new(), message: format!("cannot read '{name}': {error}") }
}

/// What holds a statement and is none.
#[derive(Clone, Copy)]
enum Signed {
    Bundle,
    Envelope,
}

/// Whether this is a bundle or an envelope, or a file of them, one on each line.
fn signed(document: &[u8]) -> Option<Signed> {
    let first = document.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty())?;
    let value = [document, first].iter().find_map(|text| Value::parse(text, MAX_ATTESTATION_BYTES).ok())?;
    let has = |name: &str| value.get(name).is_some();
    if has("dsseEnvelope") || has("verificationMaterial") || has("messageSignature") {
        Some(Signed::Bundle)
    } else if has("payload") && (has("signatures") || has("payloadType")) {
        Some(Signed::Envelope)
    } else {
        None
    }
}

impl Signed {
    fn problem(self, name: &str) -> Problem {
        let message = match self {
            Self::Bundle => format!(
                "'{name}' is a Sigstore bundle, which holds a signed statement; `modelseal show` says what is in it, \
                 and `modelseal verify` judges it"
            ),
            Self::Envelope => format!(
                "'{name}' is a DSSE envelope, which holds a signed statement; to judge the statement alone: jq -r \
                 .payload FILE | base64 -d | modelseal statement check -"
            ),
        };
        Problem { code: Code::UsageStatement, at: String::new(), message }
    }
}
