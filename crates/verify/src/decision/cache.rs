//! Keeping verdicts: what a kept verdict depends on, and for how long it holds. Where entries are kept is the caller's
//! business; nothing is kept unless the caller does it.

use super::{DecisionReport, PolicySet, Request, Verdict};
use crate::facts::{Evidence, Facts};
use jiff::Timestamp;
use modelseal_core::digest::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The schema id of [`CacheEntry`].
pub const CACHE_SCHEMA: &str = "modelseal.verdict/v1";

/// What a verdict depends on, all by content: reference, manifest, bundles, policies, trust roots, deny feeds and the
/// version of the verifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CacheKey(String);

/// A kept verdict. That the bytes are those of the manifest is not kept with it: only a file system that guards them
/// (fs-verity, dm-verity, a layer digest) can say so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CacheEntry {
    /// Always `modelseal.verdict/v1`.
    pub schema: String,
    /// What it depends on.
    pub key: CacheKey,
    /// From when on it must be used no more (RFC 3339, UTC).
    pub valid_until: String,
    /// The verdict with its reasons.
    pub report: DecisionReport,
}

impl CacheKey {
    /// The key of a verdict on the model with that manifest digest (`manifest-sha256:<hex>`, of the bytes that are there).
    /// `trust_roots` is the digest of every trust root that was used.
    #[must_use]
    pub fn new(
        set: &PolicySet,
        request: &Request,
        manifest: &str,
        evidence: &Evidence,
        trust_roots: &str,
    ) -> Self {
        let mut hash = Sha256::new();
        // Each part with its length, so that no two lists of parts run together to the same text.
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        part(CACHE_SCHEMA);
        part(env!("CARGO_PKG_VERSION"));
        part(request.reference().as_str());
        part(request.version().unwrap_or(""));
        part(&request.high_water().map(ToString::to_string).unwrap_or_default());
        part(manifest);
        part(&evidence.digests().count().to_string());
        evidence.digests().for_each(&mut part);
        part(&set.policies().count().to_string());
        set.policies().for_each(|policy| {
            part(policy.digest());
            part(&policy.revocation_digest());
        });
        part(trust_roots);
        part(&evidence.feeds_digest());
        Self(Digest::sha256(hash.finalize().into()).to_string())
    }

    /// `sha256:<hex>`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CacheEntry {
    /// What to keep of a decision; `None` for an error, which is never kept, for facts without a measurement, for a promise, which is none, and for a verdict
    /// that rests on those about base models, whose evidence the key does not cover.
    #[must_use]
    pub fn of(key: CacheKey, decision: &super::Decision, facts: &Facts) -> Option<Self> {
        let report = decision.report();
        let measured =
            facts.data.promise().is_none() && facts.data.measured.iter().any(|fact| fact.outcome.is_ok());
        if report.verdict == Verdict::Error || !measured || !report.base_models.is_empty() {
            return None;
        }
        Some(Self {
            schema: CACHE_SCHEMA.to_owned(),
            key,
            valid_until: report.valid_until.clone()?,
            report: report.clone(),
        })
    }

    /// Whether it may still be used at `now` for what `key` stands for. A time that cannot be read, and a verdict from after
    /// `now`, may not.
    #[must_use]
    pub fn holds(&self, key: &CacheKey, now: Timestamp) -> bool {
        let time = |text: &str| text.parse::<Timestamp>().ok();
        self.schema == CACHE_SCHEMA
            && self.key == *key
            && self.report.verdict != Verdict::Error
            && time(&self.valid_until).is_some_and(|until| now < until)
            && time(&self.report.now).is_some_and(|made| made <= now)
    }
}
