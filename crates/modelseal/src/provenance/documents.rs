//! Signed documents as they lie on disk, one in a file or one a line. Whatever cannot be read is reported and never helps.

use crate::{
    disk,
    evidence_files::{has_lines, is_evidence, is_plain_file, may_be_evidence},
    report::RejectedDocument,
    scope,
};
use modelseal_core::{
    bundle::{SignedDocument, SignedDocumentError},
    limits::{MAX_ATTESTATION_BYTES, MAX_ATTESTATION_LINES},
    path::ModelPath,
};
use modelseal_verify::decision::Code;
use std::path::Path;

/// Files that are looked at: more than anybody gives by hand, and a bound on the work that a directory can cause.
const MAX_FILES: usize = 1024;

/// Bytes that are read at most: bounds the memory that hostile evidence can take.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Documents whose signatures are checked at most, over all files.
const MAX_DOCUMENTS: usize = 1024;

/// Signed documents, and what of the given was none.
#[derive(Default)]
pub(super) struct Documents {
    /// Each with its name for people.
    pub(super) read: Vec<(String, SignedDocument)>,
    pub(super) rejected: Vec<RejectedDocument>,
    /// Documents that lie in the model, which nothing can be about.
    pub(super) inside: Vec<ModelPath>,
    /// The bound that was reached.
    pub(super) over: Option<String>,
    files: usize,
    bytes: u64,
}

impl Documents {
    /// Reads a file that was named.
    pub(super) fn file(&mut self, model: &Path, path: &Path) -> Result<(), String> {
        if !self.has_room_for_file() {
            return Ok(());
        }
        let bytes = disk::read(path, MAX_ATTESTATION_BYTES.min(MAX_BYTES - self.bytes))?;
        self.bytes += bytes.len() as u64;
        let whole = self.add(&path.display().to_string(), &bytes, has_lines(path));
        // A link, or a file that also holds something else, is a part of the model like any other.
        if whole
            && is_plain_file(path)
            && let scope::Place::Inside(path) = scope::place(model, path)
        {
            self.inside.push(path);
        }
        Ok(())
    }

    /// Reads the documents in a directory.
    pub(super) fn folder(&mut self, model: &Path, folder: &Path) -> Result<(), String> {
        for name in disk::names(folder, may_be_evidence).map_err(|e| e.to_string())? {
            let path = folder.join(name);
            if let Err(why) = self.file(model, &path) {
                self.reject(
                    path.display().to_string(),
                    Code::ErrorIo,
                    format!("it cannot be read: {why}"),
                    None,
                );
            }
        }
        Ok(())
    }

    /// Leaves out of the model what `sign` and `attest` put into it, where it is nothing but signed documents.
    pub(super) fn beside(&mut self, model: &Path) {
        for name in disk::names(model, is_evidence).unwrap_or_default() {
            let path = model.join(&name);
            let Ok(bytes) = disk::read(&path, MAX_ATTESTATION_BYTES) else { continue };
            let mut aside = Self::default();
            if is_plain_file(&path)
                && aside.add(&name, &bytes, has_lines(&path))
                && let Ok(path) = ModelPath::parse(&name)
            {
                self.inside.push(path);
            }
        }
        self.inside.sort_unstable();
        self.inside.dedup();
    }

    /// Adds a document that was read elsewhere, or the lines of one. Whether it held signed documents and nothing else.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8], by_lines: bool) -> bool {
        if !by_lines {
            return self.document(name.to_owned(), bytes);
        }
        let (mut whole, mut lines) = (true, 0);
        for (at, line) in bytes.split(|b| *b == b'\n').enumerate().filter(|(_, l)| !l.trim_ascii().is_empty())
        {
            lines += 1;
            if lines > MAX_ATTESTATION_LINES {
                let limit = format!("'{name}' has more than {MAX_ATTESTATION_LINES} lines; split the file");
                self.over.get_or_insert(limit);
                return false;
            }
            whole &= self.document(format!("{name} line {}", at + 1), line);
        }
        whole && lines > 0
    }

    fn document(&mut self, name: String, bytes: &[u8]) -> bool {
        if self.read.len() + self.rejected.len() >= MAX_DOCUMENTS {
            self.over.get_or_insert(format!("there are more than {MAX_DOCUMENTS} signed documents"));
            return false;
        }
        match SignedDocument::parse(bytes) {
            Ok(document) => {
                self.read.push((name, document));
                true
            }
            Err(error) => {
                let (code, fix) = match &error {
                    SignedDocumentError::Unsigned { .. } => {
                        (Code::SignatureMissing, "give the signed form of it: a bundle, or a DSSE envelope")
                    }
                    SignedDocumentError::Certificate => (
                        Code::LogMissing,
                        "get the attestation as a Sigstore bundle, which brings its log entry along",
                    ),
                    _ => (
                        Code::SignatureMalformed,
                        "give a Sigstore bundle of version 0.3, or a DSSE envelope",
                    ),
                };
                self.reject(name, code, error.to_string(), Some(fix));
                false
            }
        }
    }

    pub(super) fn reject(&mut self, document: String, code: Code, message: String, fix: Option<&str>) {
        let fix = fix.map(str::to_owned).filter(|fix| !fix.is_empty());
        self.rejected.push(RejectedDocument { document, code: code.to_string(), message, fix });
    }

    fn has_room_for_file(&mut self) -> bool {
        if self.files >= MAX_FILES || self.bytes >= MAX_BYTES {
            let limit = format!("more than {MAX_FILES} files or {MAX_BYTES} bytes of documents");
            self.over.get_or_insert(limit);
            return false;
        }
        self.files += 1;
        true
    }
}
