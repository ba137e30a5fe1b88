//! Loading trust policies: who vouches for the file, whether an older one is being passed off, and whether it is fit for
//! use. What comes out are policies that this machine obeys.

mod cases;
mod error;
mod explain;
mod files;
mod keyless;
mod signed;
pub(crate) mod state;
mod tools;

pub use cases::test_policies;
pub use error::PolicyError;
pub(crate) use files::FolderFiles;
pub(crate) use keyless::keyless_verifier;
pub(crate) use signed::bundles_beside;
pub(crate) use tools::sha256;
pub use tools::{diff_policies, format_policy, lint_policies, sign_policy};

use crate::{
    clock, disk,
    error::Error,
    report::{PolicyVerificationReport, VerifiedPolicyReport},
};
use jiff::Timestamp;
use modelseal_core::limits::MAX_STATE_BYTES;
use modelseal_inspect::{MAX_RULES_BYTES, RuleSet};
use modelseal_verify::{
    decision::PolicySet,
    policy::{
        complaint::Complaint,
        load::{Policy, TrustRootSource, UnvalidatedPolicy},
    },
    policy_trust::Document,
};
use serde::Deserialize;
use signed::Trust;
use state::State;
use std::path::{Path, PathBuf};

/// Where a host says who may sign the policies that it obeys.
pub const TRUST_FILE: &str = "/etc/modelseal/trust.toml";

/// Largest policy file, in bytes.
pub(crate) const MAX_POLICY_BYTES: u64 = MAX_STATE_BYTES;

/// Loads policies, all of which have to allow a model.
///
/// ```no_run
/// let policies = modelseal::policies().file("/etc/modelseal/policy.toml").load()?;
/// let model = modelseal::decide("my-model").under(&policies).run(&())?.into_allowed(false)?;
/// println!("{}", model.report().message);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn policies() -> PoliciesRequest {
    PoliciesRequest { trust: PathBuf::from(TRUST_FILE), ..PoliciesRequest::default() }
}

/// Which policies to load, and on whose word.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct PoliciesRequest {
    files: Vec<PathBuf>,
    bundles: Vec<PathBuf>,
    unsigned: bool,
    trust: PathBuf,
    trust_given: bool,
    state: Option<PathBuf>,
    trust_cache: Option<PathBuf>,
    now: Option<Timestamp>,
}

/// Policies that this machine obeys. There is at least one.
#[derive(Debug, Clone)]
pub struct Policies {
    set: PolicySet,
    sources: Vec<Source>,
    pub(crate) state: Option<State>,
    pub(crate) trust_cache: Option<PathBuf>,
    notes: Vec<String>,
}

/// Where a policy lies.
#[derive(Debug, Clone)]
struct Source {
    digest: String,
    files: FolderFiles,
}

impl PoliciesRequest {
    /// Adds a policy file: TOML, or the same as JSON when its name ends in `.json`.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(path.into());
        self
    }

    /// Adds a bundle that signs a policy, besides those that lie beside it: `<policy>.sig`, `<policy>.sigstore.json`, and
    /// `<policy>.<anything>.sig` or `.sigstore.json` where several people sign.
    pub fn bundle(mut self, path: impl Into<PathBuf>) -> Self {
        self.bundles.push(path.into());
        self
    }

    /// Obeys policies that nobody signed, wherever they lie. Unless set, an unsigned policy is obeyed only where nobody but
    /// root can write.
    pub fn unsigned(mut self, unsigned: bool) -> Self {
        self.unsigned = unsigned;
        self
    }

    /// Takes the accepted signers of policies from this file instead of [`TRUST_FILE`].
    pub fn trust(mut self, path: impl Into<PathBuf>) -> Self {
        (self.trust, self.trust_given) = (path.into(), true);
        self
    }

    /// Remembers in this directory which versions of signed policies and deny feeds were accepted, and refuses older ones.
    /// Nothing is remembered unless set.
    pub fn state(mut self, directory: impl Into<PathBuf>) -> Self {
        self.state = Some(directory.into());
        self
    }

    /// Where `trust update` keeps the trust material of Sigstore instances, for trust roots of kind `tuf`; what is embedded
    /// unless set.
    pub fn trust_cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.trust_cache = Some(directory.into());
        self
    }

    /// The time at which signatures of policies must be valid; now unless set.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Verifies the signatures of the policies and nothing else: what they say, and what they name, is not looked at.
    ///
    /// # Errors
    /// [`Error::Policy`] for the first policy that is not accepted.
    pub fn verify_signatures(&self) -> Result<PolicyVerificationReport, Error> {
        let now = self.now.unwrap_or_else(clock::now);
        let state = self.state.as_deref().map(State::open).transpose()?;
        let mut trust = Trust::new(self, state)?.signed_only();
        let mut policies = Vec::new();
        for path in &self.files {
            let bytes = disk::read(path, MAX_POLICY_BYTES)
                .map_err(|reason| PolicyError::Read { path: path.clone(), reason })?;
            trust.accept(kind(&bytes), path, &bytes, now)?;
            policies.extend(trust.latest().map(|accepted| VerifiedPolicyReport {
                file: path.display().to_string(),
                id: accepted.id().to_owned(),
                version: accepted.accepted().version,
                sha256: accepted.accepted().sha256.to_hex(),
                principals: accepted.principals().iter().cloned().collect(),
                rejected: accepted.rejected().to_vec(),
            }));
        }
        Ok(PolicyVerificationReport { schema: PolicyVerificationReport::SCHEMA.into(), policies })
    }

    /// Loads a rule set of inspections on the same word as policies. Where nothing says who may sign, one that is not signed
    /// counts, too.
    ///
    /// # Errors
    /// [`Error::Policy`].
    pub fn rule_set(&self, path: &Path) -> Result<RuleSet, Error> {
        let now = self.now.unwrap_or_else(clock::now);
        let state = self.state.as_deref().map(State::open).transpose()?;
        let mut trust = Trust::new(self, state)?;
        let refuse = |reason| PolicyError::Read { path: path.to_owned(), reason };
        let bytes = disk::read(path, MAX_RULES_BYTES as u64).map_err(refuse)?;
        trust.accept(Document::Rules, path, &bytes, now)?;
        let rules = read_rules(path, &bytes)?;
        trust.remember()?;
        Ok(rules)
    }

    /// Loads them.
    ///
    /// # Errors
    /// [`Error::Policy`].
    pub fn load(&self) -> Result<Policies, Error> {
        let now = self.now.unwrap_or_else(clock::now);
        let state = self.state.as_deref().map(State::open).transpose()?;
        let mut trust = Trust::new(self, state)?;
        let (mut policies, mut sources, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for path in &self.files {
            let bytes = disk::read(path, MAX_POLICY_BYTES)
                .map_err(|reason| PolicyError::Read { path: path.clone(), reason })?;
            notes.extend(trust.accept(Document::Policy, path, &bytes, now)?);
            let files = FolderFiles::beside(path);
            let policy = read(path, &bytes)?.validate(&files, Some(now)).map_err(PolicyError::Invalid)?;
            notes.extend(policy.warnings().iter().map(said));
            sources.push(Source { digest: policy.digest().to_owned(), files });
            policies.push(policy);
        }
        let set = PolicySet::new(policies).map_err(|_| PolicyError::None)?;
        let state = trust.remember()?;
        Ok(Policies { set, sources, state, trust_cache: self.trust_cache.clone(), notes })
    }
}

impl Policies {
    /// The policies.
    #[must_use]
    pub fn set(&self) -> &PolicySet {
        &self.set
    }

    /// What the user should know about them.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Every policy with the files it names.
    pub(crate) fn with_files(&self) -> impl Iterator<Item = (&Policy, &FolderFiles)> {
        let of = |policy: &Policy| self.sources.iter().find(|source| source.digest == policy.digest());
        self.set.policies().filter_map(move |policy| Some((policy, &of(policy)?.files)))
    }
}

/// One digest over every trust root that [`keyless_verifier`] may use.
pub(crate) fn trust_roots_digest(policies: &Policies) -> String {
    let mut text = String::new();
    for policy in policies.set.policies() {
        for name in policy.document().trust_roots.keys() {
            let source = match policy.trust_root(name) {
                Some(TrustRootSource::File(bytes)) => sha256(bytes).to_string(),
                Some(TrustRootSource::Tuf { url, .. }) => format!("{url:?}"),
                _ => String::new(),
            };
            text.push_str(&format!("{} {name:?} {source}\n", policy.digest()));
        }
    }
    sha256(text.as_bytes()).to_string()
}

/// Reads a policy without looking at what it names.
pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<UnvalidatedPolicy, PolicyError> {
    let name = path.display().to_string();
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(PolicyError::Read { path: path.to_owned(), reason: "it is not UTF-8".into() });
    };
    Ok(if path.extension().is_some_and(|extension| extension == "json") {
        UnvalidatedPolicy::from_json(&name, text)
    } else {
        UnvalidatedPolicy::from_toml(&name, text)
    })
}

/// Reads a rule set.
pub(crate) fn read_rules(path: &Path, bytes: &[u8]) -> Result<RuleSet, PolicyError> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(PolicyError::Read { path: path.to_owned(), reason: "it is not UTF-8".into() });
    };
    RuleSet::parse(text).map_err(|error| PolicyError::Rules { path: path.to_owned(), error })
}

/// Whether a document is a policy or a rule set, by what it says itself.
pub(crate) fn kind(bytes: &[u8]) -> Document {
    #[derive(Deserialize)]
    struct Header {
        schema: String,
    }
    let header = std::str::from_utf8(bytes).ok().and_then(|text| toml::from_str::<Header>(text).ok());
    match header {
        Some(Header { schema }) if schema.starts_with(RULES_FAMILY) => Document::Rules,
        _ => Document::Policy,
    }
}

/// How the schema of a rule set begins, whatever its version.
const RULES_FAMILY: &str = "modelseal.rules/";

/// A complaint in one line.
pub(crate) fn said(complaint: &Complaint) -> String {
    let Complaint { file, line, column, id, message, .. } = complaint;
    format!("{file}:{line}:{column}: {message} [{id}]")
}
