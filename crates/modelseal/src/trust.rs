//! Trust material of Sigstore instances: embedded, fetched with TUF into a cache, or from a file.
//!
//! What is in the cache is verified again from the embedded root metadata each time it is used, at the time at which it
//! was fetched: whoever can write to the cache can bring back older material that the instance once published, and
//! nothing else.

use crate::{
    clock, disk,
    error::{Error, OutputError},
    output,
    report::TrustedRootReport,
};
use jiff::{SignedDuration, Timestamp};
use modelseal_attest::{
    http::{Client, HttpError, Request, Retry, ServiceUrl},
    sigstore::SigningConfig,
};
use modelseal_core::json;
use modelseal_verify::sigstore::TrustedRoot;
use serde::{Deserialize, Serialize};
use sigstore_trust_root::SigstoreInstance;
use sigstore_tuf::{
    FileStore, MemoryStore, MetadataStore, Repository, StoreRepository, Updater, UpdaterConfig,
    transport::FetchFuture,
};
use std::{
    fmt,
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    task::{Context, Poll, Waker},
};

/// After how long an update should be repeated: Sigstore's instances sign their metadata anew every few days, and a key
/// that was revoked is trusted until then.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A Sigstore instance that this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Instance {
    /// sigstore.dev, for everybody.
    PublicGood,
    /// Its staging instance, for tests.
    Staging,
}

/// A TUF repository with trust material.
#[derive(Debug, Clone)]
pub struct TrustRepository {
    name: String,
    url: String,
    root: Vec<u8>,
}

/// What a TUF repository says, verified.
#[derive(Debug, Clone)]
pub struct UpdatedTrust {
    /// The trusted root.
    pub trusted_root: TrustedRoot,
    /// Its document, exactly.
    pub document: Vec<u8>,
    /// The services to sign with, where the repository has them.
    pub signing_config: Option<SigningConfig>,
    /// When it was fetched.
    pub at: Timestamp,
    /// Until when the repository vouches for it.
    pub expires: Timestamp,
    name: String,
}

/// The trust material to judge with, and where it comes from.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The trusted root.
    pub root: TrustedRoot,
    /// Where it comes from.
    pub report: TrustedRootReport,
    /// What the user should know of its age.
    pub notes: Vec<String>,
}

/// Why trust material could not be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrustError {
    /// The repository did not answer.
    Service(HttpError),
    /// The repository's metadata or the cache does not verify, or is too old.
    Tuf {
        /// The repository.
        repository: String,
        /// What is wrong.
        reason: String,
    },
    /// The trusted root that was fetched, or given, cannot be used.
    Document {
        /// Where it comes from.
        from: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The cache cannot be read or written, or others may write to it.
    Cache {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Instance {
    /// Its name, as documents say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PublicGood => "public-good",
            Self::Staging => "staging",
        }
    }

    /// The trusted root of this release.
    ///
    /// # Errors
    /// [`TrustError::Document`], which a release that passed its tests does not give.
    pub fn embedded(self) -> Result<TrustedRoot, TrustError> {
        let root = match self {
            Self::PublicGood => TrustedRoot::public_good(),
            Self::Staging => TrustedRoot::staging(),
        };
        root.map_err(|e| TrustError::Document { from: self.name().into(), reason: e.to_string() })
    }

    /// Where its current trust material is.
    #[must_use]
    pub fn repository(self) -> TrustRepository {
        let instance = match self {
            Self::PublicGood => SigstoreInstance::PublicGood,
            Self::Staging => SigstoreInstance::Staging,
        };
        TrustRepository {
            name: self.name().into(),
            url: instance.tuf_url().into(),
            root: instance.tuf_root().to_vec(),
        }
    }
}

impl TrustRepository {
    /// The repository at `url`, trusted for its first `root` metadata (root.json).
    #[must_use]
    pub fn at(url: impl Into<String>, root: impl Into<Vec<u8>>) -> Self {
        let url = url.into();
        Self { name: url.clone(), url, root: root.into() }
    }

    /// Fetches the current trust material and keeps it under `cache`, where one is given.
    ///
    /// # Errors
    /// [`TrustError`]; the cache is then as it was, or holds metadata that verifies.
    pub fn update(&self, cache: Option<&Path>, client: &Client) -> Result<UpdatedTrust, TrustError> {
        let url = ServiceUrl::parse(&self.url).map_err(TrustError::Service)?;
        let now = clock::now();
        let failure = std::sync::Arc::new(std::sync::Mutex::new(None));
        let remote = Remote { url, client: client.clone(), failure: std::sync::Arc::clone(&failure) };
        let updated = match cache.map(|cache| self.directory(cache)) {
            Some(directory) => {
                disk::make_private(&directory)
                    .map_err(|e| TrustError::Cache { path: directory.clone(), reason: e.to_string() })?;
                let updated = self.read(remote, FileStore::new(directory.clone()), now);
                if let Ok(updated) = &updated {
                    self.remember(&directory, updated)?;
                }
                updated
            }
            None => self.read(remote, MemoryStore::new(), now),
        };
        // What the server did says more than what could not be made of it.
        let failed = failure.lock().ok().and_then(|mut failed| failed.take());
        match (updated, failed) {
            (Ok(updated), _) => Ok(updated),
            (Err(_), Some(failed)) => Err(TrustError::Service(failed)),
            (Err(e), None) => Err(e),
        }
    }

    /// What the last [`update`](Self::update) left under `cache`, verified again without a network; nothing when there
    /// was none.
    ///
    /// # Errors
    /// [`TrustError`] when there is something that does not verify.
    pub fn cached(&self, cache: &Path) -> Result<Option<UpdatedTrust>, TrustError> {
        let directory = self.directory(cache);
        let broken = |reason: String| TrustError::Cache { path: directory.clone(), reason };
        let file = directory.join(UPDATED);
        let document =
            match disk::check_private_file(&file).and_then(|()| disk::read_past(&file, MAX_UPDATED_BYTES)) {
                Ok(document) => document,
                // Also a home that this process may not look into: there is then no cache of its own.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound || e.raw_os_error() == Some(EACCES) => {
                    return Ok(None);
                }
                Err(e) => return Err(broken(e.to_string())),
            };
        let updated: json::Object<Updated> =
            json::read(&document, MAX_UPDATED_BYTES).map_err(|e| broken(e.to_string()))?;
        let at: Timestamp = updated.0.at.parse().map_err(|_| broken(format!("'{UPDATED}' has no date")))?;
        let repository = StoreRepository::new(FileStore::new(&directory));
        self.read(repository, MemoryStore::new(), at).map(Some).map_err(|e| broken(e.to_string()))
    }

    /// Whether it is the one at `url`.
    #[must_use]
    pub fn is_at(&self, url: &str) -> bool {
        self.url.trim_end_matches('/') == url.trim_end_matches('/')
    }

    fn directory(&self, cache: &Path) -> PathBuf {
        let name: String =
            self.name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        cache.join("tuf").join(name)
    }

    fn read(
        &self,
        repository: impl Repository + 'static,
        store: impl MetadataStore + 'static,
        at: Timestamp,
    ) -> Result<UpdatedTrust, TrustError> {
        let tuf =
            |e: &dyn fmt::Display| TrustError::Tuf { repository: self.url.clone(), reason: e.to_string() };
        let mut config = UpdaterConfig::default();
        config.target_max_length = MAX_TARGET_BYTES;
        let mut updater =
            Updater::new(repository, &self.root).map_err(|e| tuf(&e))?.with_config(config).with_store(store);
        let work = async {
            updater.refresh(at).await.map_err(|e| tuf(&Chain(&e)))?;
            let root = updater.get_target("trusted_root.json", at).await.map_err(|e| tuf(&Chain(&e)))?;
            let config = match updater.get_target_info("signing_config.v0.2.json", at).await {
                Ok(Some(_)) => Some(
                    updater.get_target("signing_config.v0.2.json", at).await.map_err(|e| tuf(&Chain(&e)))?,
                ),
                _ => None,
            };
            Ok((root, config))
        };
        let (document, config) = run_ready(work)?;
        let bad = |reason: String| TrustError::Document { from: self.url.clone(), reason };
        let trusted_root = TrustedRoot::from_json(&document).map_err(|e| bad(e.to_string()))?;
        let signing_config =
            config.map(|c| SigningConfig::from_json(&c)).transpose().map_err(|e| bad(e.to_string()))?;
        let expires = updater.trusted().timestamp().map_or(at, |t| t.expires);
        Ok(UpdatedTrust { trusted_root, document, signing_config, at, expires, name: self.name.clone() })
    }

    fn remember(&self, directory: &Path, updated: &UpdatedTrust) -> Result<(), TrustError> {
        let document = Updated { at: updated.at.to_string() };
        let path = directory.join(UPDATED);
        serde_json::to_vec(&document)
            .map_err(std::io::Error::from)
            .and_then(|bytes| disk::replace(&path, &bytes))
            .map_err(|e| TrustError::Cache { path, reason: e.to_string() })
    }
}

/// Writes the document of a trusted root to a file, for others to be given.
///
/// # Errors
/// [`Error::Document`] when the path holds something else than a trusted root, or cannot be written.
pub fn write_trusted_root(path: &Path, updated: &UpdatedTrust) -> Result<(), Error> {
    let refuse = |reason| Error::Document { path: path.to_owned(), reason };
    match disk::read_past(path, MAX_TARGET_BYTES) {
        Ok(old) if TrustedRoot::from_json(&old).is_ok() => {}
        Ok(_) => return Err(refuse(OutputError::OtherFile)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(refuse(OutputError::Io(e))),
    }
    output::replace(path, &updated.document).map_err(refuse)
}

impl UpdatedTrust {
    /// Where it comes from.
    #[must_use]
    pub fn report(&self) -> TrustedRootReport {
        TrustedRootReport {
            origin: "updated".into(),
            name: self.name.clone(),
            as_of: Some(self.at.to_string()),
            sha256: self.trusted_root.sha256().to_owned(),
        }
    }
}

impl Trust {
    /// The trust material of a known instance: of the last update, where `cache` has one, else that of this release.
    /// Needs no network.
    ///
    /// # Errors
    /// [`Error::Trust`] when the cache does not verify: a broken cache is not silently passed over.
    pub fn of(instance: Instance, cache: Option<&Path>, now: Timestamp) -> Result<Self, Error> {
        let cached = cache.map(|cache| instance.repository().cached(cache)).transpose()?.flatten();
        let Some(updated) = cached else {
            let root = instance.embedded()?;
            let report = TrustedRootReport::new(&root, instance.name());
            let notes =
                report.as_of.as_deref().and_then(|as_of| embedded_age(as_of, now)).into_iter().collect();
            return Ok(Self { root, report, notes });
        };
        let mut notes = Vec::new();
        if now.duration_since(updated.at) > STALE_AFTER {
            notes.push(format!(
                "the trust material is from {}; fetch the current one with `modelseal trust update`",
                updated.at
            ));
        }
        Ok(Self { report: updated.report(), root: updated.trusted_root, notes })
    }

    /// The date that it is known to be from, where there is one.
    #[must_use]
    pub fn as_of(&self) -> Option<Timestamp> {
        let text = self.report.as_of.as_deref()?;
        text.parse().or_else(|_| format!("{text}T00:00:00Z").parse()).ok()
    }

    /// The trusted root in a document that the user gave; `name` says where it is from.
    #[must_use]
    pub fn given(root: TrustedRoot, name: &str) -> Self {
        Self { report: TrustedRootReport::new(&root, name), root, notes: Vec::new() }
    }
}

fn embedded_age(as_of: &str, now: Timestamp) -> Option<String> {
    let from: Timestamp = format!("{as_of}T00:00:00Z").parse().ok()?;
    (now.duration_since(from) > EMBEDDED_STALE_AFTER).then(|| {
        format!(
            "the trust material of this release is from {as_of}; fetch the current one with `modelseal trust update`"
        )
    })
}

/// Keys of the public-good instance live for years; half a year without a look is long enough to say so.
const EMBEDDED_STALE_AFTER: SignedDuration = SignedDuration::from_hours(180 * 24);
const EACCES: i32 = 13;
const UPDATED: &str = "updated.json";
const MAX_UPDATED_BYTES: u64 = 4096;
const MAX_TARGET_BYTES: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Updated {
    at: String,
}

/// A repository behind our own bounded client, which waits instead of yielding.
struct Remote {
    url: ServiceUrl,
    client: Client,
    failure: std::sync::Arc<std::sync::Mutex<Option<HttpError>>>,
}

impl Remote {
    fn get(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, sigstore_tuf::Error> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        // 403 is what object stores answer for what they do not have.
        let request = Request::get("TUF repository", self.url.join(path))
            .retry(Retry::Idempotent)
            .max_answer_bytes(limit)
            .accept_status(403)
            .accept_status(404);
        match self.client.send(&request) {
            Ok(answer) if answer.status == 403 || answer.status == 404 => Ok(None),
            Ok(answer) => Ok(Some(answer.body.to_vec())),
            Err(e) => {
                let said = sigstore_tuf::Error::transport(e.to_string());
                if let Ok(mut failure) = self.failure.lock() {
                    *failure = Some(e);
                }
                Err(said)
            }
        }
    }
}

impl Repository for Remote {
    fn fetch_metadata<'a>(&'a self, name: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(async move { self.get(name, max_length) })
    }

    fn fetch_target<'a>(&'a self, path: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(async move { self.get(&format!("targets/{path}"), max_length) })
    }
}

/// Runs a future whose parts are all ready at once, so that no executor is needed.
fn run_ready<T>(work: impl Future<Output = Result<T, TrustError>>) -> Result<T, TrustError> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => {
            Err(TrustError::Tuf { repository: String::new(), reason: "the client waits for nothing".into() })
        }
    }
}

/// An error with its causes.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(e) => e.fmt(f),
            Self::Tuf { repository, reason } => {
                write!(f, "the trust material of '{repository}' does not verify: {reason}")
            }
            Self::Document { from, reason } => {
                write!(f, "the trusted root of '{from}' cannot be used: {reason}")
            }
            Self::Cache { path, reason } => write!(
                f,
                "the trust material kept in '{}' cannot be used: {reason}; remove that directory, and fetch it again \
                 with `modelseal trust update`",
                path.display()
            ),
        }
    }
}

impl std::error::Error for TrustError {}
