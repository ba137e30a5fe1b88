//! `verify`: against a key, certificates, an identity, or policies.

use crate::{
    document::Document,
    errors::{Raised, json},
    options::threads,
    work,
};
use modelseal::{
    CertificateIdentity, Contents, DecideRequest, IdentityMatch, Instance, Keyless, Policies, Progress,
    Requirement, Trust, Verifier, VerifyRequest, report::VerifyReport,
};
use pyo3::prelude::*;
use std::path::PathBuf;

/// Whom to believe, and how to look; an object of Python with these attributes.
#[derive(FromPyObject)]
pub(crate) struct Trusting {
    signature: PathBuf,
    public_key: Option<Document>,
    certificates: Vec<Document>,
    certificate_identity: Option<String>,
    identity: Option<String>,
    identity_pattern: Option<String>,
    identity_provider: Option<String>,
    staging: bool,
    trusted_root: Option<Document>,
    require_log: bool,
    require_timestamp: bool,
    ignore: Vec<PathBuf>,
    ignore_git_paths: bool,
    ignore_unsigned_files: bool,
    policy: Vec<PathBuf>,
    policy_unsigned: bool,
    policy_bundle: Vec<PathBuf>,
    policy_trust: Option<PathBuf>,
    state: Option<PathBuf>,
    reference: Option<String>,
    bundle: Vec<PathBuf>,
    bundle_dir: Vec<PathBuf>,
    base: Vec<(String, PathBuf)>,
    store: Option<PathBuf>,
    remember_version: bool,
    accept_unverified: bool,
    threads: Option<usize>,
}

/// Verifies a model; gives `modelseal.result/v1` as JSON.
#[pyfunction]
pub(crate) fn verify(
    py: Python<'_>,
    path: PathBuf,
    trusting: Trusting,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let report = work::run(py, progress, |watch| trusting.verify(path, watch))??;
    json(&report)
}

impl Trusting {
    fn verify(&self, path: PathBuf, progress: &dyn Progress) -> Result<VerifyReport, Raised> {
        if self.policy.is_empty() {
            let verified = self.verifying(path)?.run(progress);
            let verified = verified.map_err(|refusal| Raised::refused(refusal.kind(), refusal.report()))?;
            return Ok(verified.report().clone());
        }
        let policies = self.policies()?;
        let decided = self.deciding(path, &policies)?.run(progress)?;
        let allowed = decided.into_allowed(self.accept_unverified);
        let allowed = allowed.map_err(|denial| Raised::refused(denial.kind(), denial.report()))?;
        Ok(allowed.report().clone())
    }

    /// Verifies everything but the bytes, which are compared as they are read.
    pub(crate) fn open(
        &self,
        path: PathBuf,
        progress: &dyn Progress,
    ) -> Result<(Contents, VerifyReport), Raised> {
        if self.policy.is_empty() {
            let opened = self.verifying(path)?.open(progress);
            let opened = opened.map_err(|refusal| Raised::refused(refusal.kind(), refusal.report()))?;
            return Ok((opened.contents().clone(), opened.report().clone()));
        }
        let policies = self.policies()?;
        let decided = self.deciding(path, &policies)?.open(progress)?;
        let allowed = decided.into_allowed(self.accept_unverified);
        let allowed = allowed.map_err(|denial| Raised::refused(denial.kind(), denial.report()))?;
        Ok((allowed.contents()?.clone(), allowed.report().clone()))
    }

    /// The request that asks whether a signer that was named signed it.
    fn verifying(&self, path: PathBuf) -> Result<VerifyRequest<Verifier>, Raised> {
        let mut request = modelseal::verify(path)
            .signature(&self.signature)
            .ignore_git_paths(self.ignore_git_paths)
            .ignore_unsigned_files(self.ignore_unsigned_files);
        if let Some(threads) = threads(self.threads)? {
            request = request.threads(threads);
        }
        let request = self.ignore.iter().fold(request, VerifyRequest::ignore);
        if let Some(key) = &self.public_key {
            return self.with_evidence(request.with_key(key.public_key()?));
        }
        if !self.certificates.is_empty() {
            let identity = match self.certificate_identity.as_deref() {
                Some("") => return Err(Raised::usage("usage.identity", "certificate_identity is empty")),
                identity => identity.map(CertificateIdentity::exactly),
            };
            let roots = Document::roots(&self.certificates)?;
            return self.with_evidence(request.with_certificates(roots, identity));
        }
        Ok(request.with_sigstore(self.instance()?, self.keyless()?))
    }

    fn with_evidence(&self, request: VerifyRequest<Verifier>) -> Result<VerifyRequest<Verifier>, Raised> {
        let Some(root) = &self.trusted_root else { return Ok(request) };
        let requirement = Requirement { log_entry: self.require_log, trusted_time: self.require_timestamp };
        Ok(request.with_evidence(root.trusted_root()?, requirement))
    }

    fn keyless(&self) -> Result<Keyless, Raised> {
        let empty = |what| Raised::usage("usage.identity", format_args!("{what} is empty"));
        let issuer = self.identity_provider.clone().filter(|issuer| !issuer.is_empty());
        let identity = match (self.identity.as_deref(), self.identity_pattern.as_deref()) {
            (Some(""), _) => return Err(empty("identity")),
            (Some(identity), _) => IdentityMatch::exactly(identity),
            (None, pattern) => IdentityMatch::pattern(pattern.unwrap_or_default())
                .map_err(|e| Raised::usage("usage.identity", format_args!("identity_pattern: {e}")))?,
        };
        Ok(Keyless { identity, issuer: issuer.ok_or_else(|| empty("identity_provider"))? })
    }

    fn instance(&self) -> Result<Trust, Raised> {
        if let Some(root) = &self.trusted_root {
            return root.trusted_root();
        }
        let instance = if self.staging { Instance::Staging } else { Instance::PublicGood };
        // Without a home there is no cache, and what is embedded does.
        let cache = modelseal_cli::places::cache();
        Ok(Trust::of(instance, cache.as_deref(), modelseal::now())?)
    }

    /// The policies to obey.
    fn policies(&self) -> Result<Policies, Raised> {
        let mut request = modelseal::policies().unsigned(self.policy_unsigned);
        if let Some(cache) = modelseal_cli::places::cache() {
            request = request.trust_cache(cache);
        }
        for bundle in &self.policy_bundle {
            request = request.bundle(bundle);
        }
        if let Some(trust) = &self.policy_trust {
            request = request.trust(trust);
        }
        if let Some(state) = self.state.clone().or_else(modelseal_cli::places::state) {
            request = request.state(state);
        }
        for policy in &self.policy {
            request = request.file(policy);
        }
        Ok(request.load()?)
    }

    /// The request that asks what policies say of it.
    fn deciding<'a>(
        &self,
        path: PathBuf,
        policies: &'a Policies,
    ) -> Result<DecideRequest<&'a Policies>, Raised> {
        let mut request = modelseal::decide(path).under(policies).high_water(self.remember_version);
        if let Some(threads) = threads(self.threads)? {
            request = request.threads(threads);
        }
        if let Some(reference) = &self.reference {
            request = request.named(reference)?;
        }
        for bundle in &self.bundle {
            request = request.bundle(bundle);
        }
        for directory in &self.bundle_dir {
            request = request.bundle_dir(directory);
        }
        for (reference, path) in &self.base {
            request = request.base_model(reference, path)?;
        }
        if let Some(store) = &self.store {
            request = request.store(store);
        }
        Ok(request)
    }
}
