//! From the text of a policy to a [`Policy`] that can judge.

use super::{
    complaint::{Complaint, Complaints, Lint, Severity},
    decode::{At, Decoder, FromNode},
    document::{CertificateSigner, Document, KeySigner, Rule, Signer, TrustRoot},
    glob::{Glob, Specificity},
    lint_table as lint,
    lints::{self, DEFAULT_MAX_WAIVER},
    reference::Reference,
    tree::{self, Kind, Node},
    values::Period,
};
use crate::{
    public_key::PublicKey,
    x509::{Certificate, MAX_CRL_BYTES, RevocationLists, Roots},
};
use jiff::Timestamp;
use modelseal_core::text::hex;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt};

/// A policy that was read and not yet judged fit for use. It keeps what is wrong with it.
#[derive(Debug, Clone)]
pub struct UnvalidatedPolicy {
    name: String,
    digest: String,
    complaints: Complaints,
    tree: Option<Node>,
    document: Option<Document>,
}

/// Gives the content of files that a policy names, as the policy names them. The caller decides what a relative name
/// is relative to, and reads at most `limit` bytes of each.
pub trait Files {
    /// A file's content.
    ///
    /// # Errors
    /// Why it cannot be read, for people.
    fn file(&self, name: &str, limit: u64) -> Result<Vec<u8>, String>;

    /// The files of a folder, by name.
    ///
    /// # Errors
    /// Why they cannot be read, for people.
    fn folder(&self, name: &str, limit: u64) -> Result<Vec<(String, Vec<u8>)>, String>;
}

/// [`Files`] for policies that name none.
#[derive(Debug, Clone, Copy)]
pub struct NoFiles;

/// A policy that is fit for use: everything in it was understood, and what it names was loaded. It never changes.
#[derive(Debug, Clone)]
pub struct Policy {
    name: String,
    digest: String,
    document: Document,
    signers: BTreeMap<String, SignerTrust>,
    trust_roots: BTreeMap<String, TrustRootSource>,
    warnings: Vec<Complaint>,
}

/// What a signer's signatures are checked with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SignerTrust {
    /// The signer's key, which has the digest that the policy gives.
    Key(PublicKey),
    /// The signer's roots, each of which the policy lists, and the revocation lists that were found.
    Certificate {
        /// Roots with the intermediates beside them.
        roots: Roots,
        /// The revocation lists that were found. Whose they are is seen when a path is there.
        crls: RevocationLists,
    },
    /// The name of the trust root.
    Keyless {
        /// A name that [`Policy::trust_root`] knows.
        trust_root: String,
    },
}

/// Where a Sigstore trust root comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustRootSource {
    /// A TUF repository.
    Tuf {
        /// Its address.
        url: String,
        /// How old the cached timestamp may be.
        max_staleness: Option<Period>,
    },
    /// The bytes of a `trusted_root.json` with the digest that the policy gives.
    File(Vec<u8>),
}

/// The rule that applies to a reference.
#[derive(Debug, Clone, Copy)]
pub struct Selected<'a> {
    /// The rule's place in the document.
    pub index: usize,
    /// The rule.
    pub rule: &'a Rule,
    /// Its glob that matched most specifically.
    pub glob: &'a Glob,
}

/// Why no rule applies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectError {
    /// No rule's globs match (reason code `policy.no-matching-rule`).
    NoMatch,
    /// Several rules match equally well (reason code `policy.ambiguous-rule`): their places and names.
    Ambiguous(Vec<(usize, String)>),
}

impl UnvalidatedPolicy {
    /// Reads TOML. `name` is what complaints call the policy: its file's path.
    #[must_use]
    pub fn from_toml(name: &str, text: &str) -> Self {
        Self::read(name, text, tree::from_toml)
    }

    /// Reads the same language as JSON.
    #[must_use]
    pub fn from_json(name: &str, text: &str) -> Self {
        Self::read(name, text, tree::from_json)
    }

    fn read(name: &str, text: &str, parse: fn(&mut Complaints) -> Option<Node>) -> Self {
        let mut complaints = Complaints::new(name, text);
        let tree = parse(&mut complaints);
        let mut decoder = Decoder { complaints, tagged: None };
        let document = tree.as_ref().and_then(|tree| Document::from_node(tree, &At::ROOT, &mut decoder));
        let digest = hex(&Sha256::digest(text.as_bytes()));
        Self { name: name.to_owned(), digest, complaints: decoder.complaints, tree, document }
    }

    /// What the policy says, as far as it could be read. A value that was complained about is replaced by another one:
    /// for showing, never for judging.
    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        self.document.as_ref()
    }

    /// Everything that is wrong with the policy and can be seen without the files that it names, in the order of the
    /// text. With `now`, also what is wrong at that time.
    #[must_use]
    pub fn lint(&self, now: Option<Timestamp>) -> Vec<Complaint> {
        let mut complaints = self.complaints.clone();
        self.run_lints(&mut complaints, now);
        complaints.sorted()
    }

    fn run_lints(&self, complaints: &mut Complaints, now: Option<Timestamp>) {
        if let (Some(document), Some(tree)) = (&self.document, &self.tree) {
            lints::run(document, tree, complaints, now);
        }
    }

    /// The policy as JSON, every value as it was written. `None` when the text is not even TOML or JSON.
    #[must_use]
    pub fn to_json(&self) -> Option<String> {
        self.tree.as_ref().map(|tree| {
            let mut text = String::new();
            write_json(tree, &mut text);
            text
        })
    }

    /// Loads what the policy names, through `files`, and makes it fit for use.
    ///
    /// # Errors
    /// Every [`Complaint`], warnings among them, when at least one is an error.
    pub fn validate(mut self, files: &dyn Files, now: Option<Timestamp>) -> Result<Policy, Vec<Complaint>> {
        let mut complaints = self.complaints.clone();
        self.run_lints(&mut complaints, now);
        let (Some(document), Some(tree), false) = (self.document.take(), &self.tree, complaints.has_errors())
        else {
            return Err(complaints.sorted());
        };
        let mut loader = Loader { files, tree, complaints: &mut complaints };
        let mut signers = BTreeMap::new();
        let table = At::ROOT.key("signers");
        for (name, signer) in &document.signers {
            let trust = loader.signer(signer, &table.key(name));
            signers.extend(trust.map(|trust| (name.clone(), trust)));
        }
        let mut trust_roots = BTreeMap::new();
        let table = At::ROOT.key("trust-roots");
        for (name, root) in &document.trust_roots {
            let source = loader.trust_root(root, &table.key(name));
            trust_roots.extend(source.map(|source| (name.clone(), source)));
        }
        if complaints.has_errors() {
            return Err(complaints.sorted());
        }
        let warnings = complaints.sorted();
        Ok(Policy { name: self.name, digest: self.digest, document, signers, trust_roots, warnings })
    }
}

impl Policy {
    /// What the policy says.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What the caller called the policy.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the policy's bytes, 64 hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Complaints that did not keep the policy from being used.
    #[must_use]
    pub fn warnings(&self) -> &[Complaint] {
        &self.warnings
    }

    /// What the signatures of the signer called `name` are checked with.
    #[must_use]
    pub fn signer(&self, name: &str) -> Option<&SignerTrust> {
        self.signers.get(name)
    }

    /// A digest over the revocation lists of all signers, for the key of a cache: they change while the policy stays.
    #[must_use]
    pub fn revocation_digest(&self) -> String {
        let mut hash = Sha256::new();
        for (name, trust) in &self.signers {
            if let SignerTrust::Certificate { crls, .. } = trust {
                hash.update(Sha256::digest(name));
                hash.update(Sha256::digest(crls.digest()));
            }
        }
        hex(&hash.finalize())
    }

    /// The trust root called `name`.
    #[must_use]
    pub fn trust_root(&self, name: &str) -> Option<&TrustRootSource> {
        self.trust_roots.get(name)
    }

    /// The longest time that a waiver may still have to run.
    #[must_use]
    pub fn max_waiver(&self) -> Period {
        self.document.max_waiver.unwrap_or(DEFAULT_MAX_WAIVER)
    }

    /// The one rule for `reference`: the most specific that matches.
    ///
    /// # Errors
    /// [`SelectError`] when none matches, or several equally well.
    pub fn select(&self, reference: &Reference) -> Result<Selected<'_>, SelectError> {
        let mut best: Vec<Selected<'_>> = Vec::new();
        let mut score = Specificity { prefix: 0, literals: 0 };
        for (index, rule) in self.document.rule.iter().enumerate() {
            for glob in &rule.models {
                let this = glob.specificity();
                if (!best.is_empty() && this < score) || !glob.matches(reference.as_str()) {
                    continue;
                }
                if best.is_empty() || this > score {
                    best.clear();
                    score = this;
                }
                if best.last().is_none_or(|other| other.index != index) {
                    best.push(Selected { index, rule, glob });
                }
            }
        }
        match best.as_slice() {
            [] => Err(SelectError::NoMatch),
            [one] => Ok(*one),
            several => {
                Err(SelectError::Ambiguous(several.iter().map(|s| (s.index, s.rule.name.clone())).collect()))
            }
        }
    }
}

/// Largest trusted root file, in bytes. The public one has under 20 kB.
const MAX_TRUSTED_ROOT_BYTES: u64 = 4 * 1024 * 1024;

/// Largest file with keys or certificates, in bytes.
const MAX_PEM_BYTES: u64 = modelseal_core::limits::MAX_PEM_BYTES;

struct Loader<'a> {
    files: &'a dyn Files,
    tree: &'a Node,
    complaints: &'a mut Complaints,
}

impl Loader<'_> {
    fn complain<T>(
        &mut self,
        lint: &'static Lint,
        at: &At<'_>,
        message: String,
        help: Option<String>,
    ) -> Option<T> {
        self.complaints.add(lint, at.locate(self.tree), at.to_string(), message, help);
        None
    }

    fn file(&mut self, name: &str, limit: u64, at: &At<'_>) -> Option<Vec<u8>> {
        match self.files.file(name, limit) {
            Ok(bytes) if bytes.len() as u64 > limit => {
                let message = format!("{name:?} has {} bytes, where {limit} is the limit", bytes.len());
                self.complain(&lint::FILE_INVALID, at, message, None)
            }
            Ok(bytes) => Some(bytes),
            Err(why) => {
                self.complain(&lint::FILE_UNREADABLE, at, format!("{name:?} cannot be read: {why}"), None)
            }
        }
    }

    fn signer(&mut self, signer: &Signer, at: &At<'_>) -> Option<SignerTrust> {
        match signer {
            Signer::Key(signer) => self.key(signer, at).map(SignerTrust::Key),
            Signer::Certificate(signer) => self.certificate(signer, at),
            Signer::Keyless(signer) => Some(SignerTrust::Keyless { trust_root: signer.trust_root.clone() }),
        }
    }

    fn key(&mut self, signer: &KeySigner, at: &At<'_>) -> Option<PublicKey> {
        let (pem, at_source) = match (&signer.file, &signer.pem) {
            (Some(name), _) => (self.file(name, MAX_PEM_BYTES, &at.key("file"))?, at.key("file")),
            (None, Some(pem)) => (pem.clone().into_bytes(), at.key("pem")),
            (None, None) => return None,
        };
        let key = match PublicKey::from_pem(&pem) {
            Ok(key) => key,
            Err(error) => {
                return self.complain(
                    &lint::FILE_INVALID,
                    &at_source,
                    format!("no public key: {error}"),
                    None,
                );
            }
        };
        if key.fingerprint() == signer.spki_sha256.hex() {
            return Some(key);
        }
        let message = format!("this is another key: its spki-sha256 is {}", key.fingerprint());
        let help =
            "find out who changed the file; change the policy only if the new key is the signer's".to_owned();
        self.complain(&lint::FILE_DIGEST, &at.key("spki-sha256"), message, Some(help))
    }

    fn certificate(&mut self, signer: &CertificateSigner, at: &At<'_>) -> Option<SignerTrust> {
        let roots_at = at.key("roots");
        let pem = self.file(&signer.roots, MAX_PEM_BYTES, &roots_at)?;
        let certificates = match Certificate::from_pem_many(&pem) {
            Ok(certificates) => certificates,
            Err(error) => return self.complain(&lint::FILE_INVALID, &roots_at, error.to_string(), None),
        };
        let listed = |certificate: &Certificate| {
            signer.root_sha256.iter().any(|digest| digest.hex() == certificate.fingerprint())
        };
        let pins = at.key("root-sha256");
        for (i, digest) in signer.root_sha256.iter().enumerate() {
            if !certificates.iter().any(|certificate| certificate.fingerprint() == digest.hex()) {
                let message = format!("{:?} has no certificate with this SHA-256", signer.roots);
                let help = "find out who changed the file; change the policy only if you trust the new root"
                    .to_owned();
                return self.complain(&lint::FILE_DIGEST, &pins.index(i), message, Some(help));
            }
        }
        // A root that is not listed gives no trust; an intermediate never does.
        let is_root = |certificate: &Certificate| certificate.subject() == certificate.issuer();
        let used = certificates.into_iter().filter(|c| listed(c) || !is_root(c)).collect();
        let roots = match Roots::new(used) {
            Ok(roots) => roots,
            Err(error) => return self.complain(&lint::FILE_INVALID, &roots_at, error.to_string(), None),
        };
        let mut crls = RevocationLists::default();
        if let Some(folder) = signer.revocation.as_ref().and_then(|revocation| revocation.crl_dir.as_ref()) {
            match self.files.folder(folder, MAX_CRL_BYTES as u64) {
                Ok(files) => crls = RevocationLists::read(files),
                Err(why) => {
                    let at = at.key("revocation");
                    let message = format!("{folder:?} cannot be read: {why}");
                    return self.complain(&lint::FILE_UNREADABLE, &at.key("crl-dir"), message, None);
                }
            }
        }
        Some(SignerTrust::Certificate { roots, crls })
    }

    fn trust_root(&mut self, root: &TrustRoot, at: &At<'_>) -> Option<TrustRootSource> {
        if let Some(url) = &root.tuf {
            return Some(TrustRootSource::Tuf { url: url.clone(), max_staleness: root.max_staleness });
        }
        let (Some(name), Some(sha256)) = (&root.file, &root.sha256) else { return None };
        let bytes = self.file(name, MAX_TRUSTED_ROOT_BYTES, &at.key("file"))?;
        let found = hex(&Sha256::digest(&bytes));
        if found == sha256.hex() {
            return Some(TrustRootSource::File(bytes));
        }
        let message = format!("{name:?} is another file: its SHA-256 is {found}");
        let help = "find out who changed it; change the policy only if you trust the new one".to_owned();
        self.complain(&lint::FILE_DIGEST, &at.key("sha256"), message, Some(help))
    }
}

impl Files for NoFiles {
    fn file(&self, _: &str, _: u64) -> Result<Vec<u8>, String> {
        Err("files are not read here".to_owned())
    }

    fn folder(&self, _: &str, _: u64) -> Result<Vec<(String, Vec<u8>)>, String> {
        Err("folders are not read here".to_owned())
    }
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMatch => f.write_str("no rule is for this reference"),
            Self::Ambiguous(rules) => {
                let names: Vec<String> = rules.iter().map(|(_, name)| format!("{name:?}")).collect();
                write!(f, "the rules {} are equally specific for this reference", names.join(" and "))
            }
        }
    }
}

impl std::error::Error for SelectError {}

/// Whether a list of complaints keeps a policy from being used.
#[must_use]
pub fn has_errors(complaints: &[Complaint]) -> bool {
    complaints.iter().any(|complaint| complaint.severity == Severity::Error)
}

fn write_json(node: &Node, text: &mut String) {
    let quoted = |plain: &str| serde_json::Value::from(plain).to_string();
    match &node.kind {
        Kind::Null => text.push_str("null"),
        Kind::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Kind::Number(number) => text.push_str(&json_number(number)),
        Kind::String(plain) | Kind::Time(plain) => text.push_str(&quoted(plain)),
        Kind::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                text.push_str(if i == 0 { "" } else { "," });
                write_json(item, text);
            }
            text.push(']');
        }
        Kind::Table(entries) => {
            text.push('{');
            for (i, entry) in entries.iter().enumerate() {
                text.push_str(if i == 0 { "" } else { "," });
                text.push_str(&quoted(&entry.key));
                text.push(':');
                write_json(&entry.value, text);
            }
            text.push('}');
        }
    }
}

/// A number as it is; what JSON cannot write (`inf`, `nan`) as text, which no field accepts.
fn json_number(number: &str) -> String {
    match modelseal_core::json::value::Number::parse(number) {
        Some(number) => number.as_str().to_owned(),
        None => format!("\"{number}\""),
    }
}
