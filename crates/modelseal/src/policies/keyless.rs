//! Sigstore under policies: which trusted root a policy's trust root is on this machine.

use super::Policies;
use crate::trust::{Instance, Trust};
use jiff::Timestamp;
use modelseal_core::text::Printable;
use modelseal_verify::{
    decision::Code,
    facts::{KeylessVerifier, Refused, SigstoreVerifier},
    policy::values::Period,
    sigstore::TrustedRoot,
};
use std::path::Path;

/// What verifies keyless signatures, logs and timestamps under these policies.
/// Nothing is fetched: a TUF repository counts with what `trust update` left in the cache, or with what is embedded.
pub(crate) fn keyless_verifier(policies: &Policies, now: Timestamp) -> Box<dyn KeylessVerifier> {
    let cache = policies.trust_cache.as_deref();
    Box::new(SigstoreVerifier::new(&policies.set, &|url, max| repository(url, max, cache, now)))
}

/// What this machine has of the TUF repository at `url`.
fn repository(
    url: &str,
    max_staleness: Option<Period>,
    cache: Option<&Path>,
    now: Timestamp,
) -> Result<TrustedRoot, Refused> {
    let unavailable = |message: String| Refused { code: Code::ErrorTrustRootUnavailable, message };
    let known = [Instance::PublicGood, Instance::Staging].into_iter().find(|i| i.repository().is_at(url));
    let Some(instance) = known else {
        return Err(unavailable(format!(
            "the TUF repository '{}' is not known; fetch it with `modelseal trust update --tuf-url .. --out FILE` and name \
             that file in the policy",
            Printable(url)
        )));
    };
    let trust = Trust::of(instance, cache, now).map_err(|e| unavailable(e.to_string()))?;
    let as_of = trust.as_of().ok_or_else(|| unavailable("the trust material has no date".into()))?;
    let age = now.duration_since(as_of);
    match max_staleness {
        Some(max) if age > max.duration() => Err(Refused {
            code: Code::ErrorTrustRootStale,
            message: format!(
                "the trust material of '{}' is from {as_of}, {} days old; the policy allows {}",
                Printable(url),
                age.as_hours() / 24,
                max.duration().as_hours() / 24
            ),
        }),
        _ => Ok(trust.root),
    }
}
