//! [`Evidence`]: the documents that somebody put beside a model, deduplicated by content. Nobody believes them yet, and the
//! order in which they came never matters.

use crate::decision::{Code, RejectedEvidence};
use modelseal_core::path::ModelPath;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The largest bundle that is judged under a policy, in bytes.
pub const MAX_BUNDLE_BYTES: usize = 64 * 1024 * 1024;

/// Verified signatures of one model: more are an error. Teams have a handful of signers.
pub const MAX_SIGNATURES: usize = 32;

/// Verified attestations of one model: more are an error.
pub const MAX_ATTESTATIONS: usize = 256;

/// Transparency log entries of one bundle; a bundle with more is set aside.
pub const MAX_LOG_ENTRIES: usize = 16;

/// Different documents that are looked at, believed or not: bounds the work that hostile evidence can make.
pub const MAX_DOCUMENTS: usize = 1024;

/// Documents that may be evidence: bundles, and deny feeds with the bundles that sign them.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    pub(crate) documents: BTreeMap<String, Document>,
    pub(crate) feeds: BTreeMap<String, FeedDocument>,
    pub(crate) unreadable: BTreeSet<RejectedEvidence>,
    pub(crate) documents_left_out: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) names: BTreeSet<String>,
    pub(crate) inside: BTreeSet<ModelPath>,
}

#[derive(Debug, Clone)]
pub(crate) struct FeedDocument {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) bundles: BTreeMap<String, Arc<[u8]>>,
}

/// How many names of one document are kept.
const MAX_NAMES: usize = 16;

/// How many lines of one file are read, empty ones too.
pub const MAX_LINES: usize = 4 * MAX_DOCUMENTS;

impl Evidence {
    /// No evidence.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a bundle. `name` is for messages; `inside` is where it lies when it lies inside the model, where nobody can have
    /// signed it.
    pub fn add(&mut self, name: &str, inside: Option<ModelPath>, bytes: &[u8]) {
        let digest = sha256_name(bytes);
        if !self.documents.contains_key(&digest) && self.documents.len() == MAX_DOCUMENTS {
            self.documents_left_out = true;
            return;
        }
        let document = self.documents.entry(digest).or_insert_with(|| Document {
            bytes: bytes.into(),
            names: BTreeSet::new(),
            inside: BTreeSet::new(),
        });
        // Names are for messages, and copies are nothing new.
        if document.names.len() < MAX_NAMES {
            document.names.insert(name.to_owned());
        }
        document.inside.extend(inside);
    }

    /// Adds a file with one bundle on each line (`*.intoto.jsonl`).
    pub fn add_lines(&mut self, name: &str, inside: Option<&ModelPath>, bytes: &[u8]) {
        for (at, line) in bytes.split(|&b| b == b'\n').enumerate() {
            if at >= MAX_LINES {
                self.documents_left_out = true;
                return;
            }
            if !line.trim_ascii().is_empty() {
                self.add(&format!("{name}:{}", at + 1), inside.cloned(), line);
            }
        }
    }

    /// Notes that something that may be evidence could not be read: it is reported and never helps.
    pub fn unreadable(&mut self, name: &str, message: impl Into<String>) {
        self.unreadable.insert(RejectedEvidence {
            evidence: String::new(),
            names: vec![name.to_owned()],
            code: Code::ErrorIo,
            message: message.into(),
        });
    }

    /// Adds a deny feed: `file` as the policy writes it, its bytes, and the bundles that sign it.
    pub fn feed<'a>(&mut self, file: &str, bytes: &[u8], bundles: impl IntoIterator<Item = &'a [u8]>) {
        let bundles = bundles.into_iter().map(|bytes| (sha256_name(bytes), bytes.into())).collect();
        self.feeds.insert(file.to_owned(), FeedDocument { bytes: bytes.into(), bundles });
    }

    /// Adds the bundles of other evidence, and what of it could not be read. Its deny feeds are left out.
    pub fn extend(&mut self, other: &Self) {
        for document in other.documents.values() {
            for name in &document.names {
                self.add(name, None, &document.bytes);
            }
            for inside in &document.inside {
                let name = document.names.first().map_or("", String::as_str);
                self.add(name, Some(inside.clone()), &document.bytes);
            }
        }
        self.unreadable.extend(other.unreadable.iter().cloned());
        self.documents_left_out |= other.documents_left_out;
    }

    /// The same deny feeds, and nothing about any model.
    #[must_use]
    pub fn feeds_only(&self) -> Self {
        Self { feeds: self.feeds.clone(), ..Self::default() }
    }

    /// The digests of the bundles, `sha256:<hex>`, sorted.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        self.documents.keys().map(String::as_str)
    }

    /// One digest over all deny feeds and what signs them, for the key of a cache.
    #[must_use]
    pub fn feeds_digest(&self) -> String {
        let mut hash = Sha256::new();
        for (file, feed) in &self.feeds {
            let mut part = |bytes: &[u8]| {
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            };
            part(file.as_bytes());
            part(sha256_name(&feed.bytes).as_bytes());
            part(&(feed.bundles.len() as u64).to_be_bytes());
            feed.bundles.keys().for_each(|digest| part(digest.as_bytes()));
        }
        format!("sha256:{}", modelseal_core::digest::Digest::sha256(hash.finalize().into()).to_hex())
    }
}

/// `sha256:<hex>` of some bytes.
#[must_use]
pub fn sha256_name(bytes: &[u8]) -> String {
    modelseal_core::digest::Digest::sha256(Sha256::digest(bytes).into()).to_string()
}
