//! [`SigstoreVerifier`]: keyless signatures, log entries and timestamps, under the trust roots of policies.

use super::signed::{Corroboration, KeylessEvidence, KeylessIdentity, KeylessVerifier, Refused, TrustedTime};
use crate::{
    decision::{Code, PolicySet},
    policy::{
        load::{Policy, TrustRootSource},
        values::Period,
    },
    public_key::PublicKey,
    signer::Signer,
    sigstore::{Evidence, TimeSource, TrustedRoot},
    verifier::Verifier,
};
use jiff::Timestamp;
use modelseal_core::{bundle::Bundle, text::Printable};
use std::collections::BTreeMap;

/// What a caller has of the TUF repository at an address, no older than a policy allows.
pub type Repositories<'a> = dyn Fn(&str, Option<Period>) -> Result<TrustedRoot, Refused> + 'a;

/// Verifies under the trust roots of a set of policies.
#[derive(Debug, Clone, Default)]
pub struct SigstoreVerifier {
    /// By the policy's digest and the name that it gives the root.
    roots: BTreeMap<(String, String), Result<TrustedRoot, Refused>>,
}

impl SigstoreVerifier {
    /// Reads the trust roots of `set`. `repository` must not fetch anything.
    #[must_use]
    pub fn new(set: &PolicySet, repository: &Repositories<'_>) -> Self {
        let mut roots = BTreeMap::new();
        for policy in set.policies() {
            for name in policy.document().trust_roots.keys() {
                let root = match policy.trust_root(name) {
                    Some(TrustRootSource::File(document)) => TrustedRoot::from_json(document).map_err(|e| {
                        Refused { code: Code::ErrorTrustRootUnavailable, message: format!("trust root: {e}") }
                    }),
                    Some(TrustRootSource::Tuf { url, max_staleness }) => repository(url, *max_staleness),
                    _ => continue,
                };
                roots.insert((policy.digest().to_owned(), name.clone()), root);
            }
        }
        Self { roots }
    }

    fn root(&self, policy: &Policy, name: &str) -> Result<&TrustedRoot, Refused> {
        match self.roots.get(&(policy.digest().to_owned(), name.to_owned())) {
            Some(root) => root.as_ref().map_err(Clone::clone),
            None => Err(Refused {
                code: Code::ErrorTrustRootUnavailable,
                message: format!("the trust root '{}' was not loaded", Printable(name)),
            }),
        }
    }
}

impl KeylessVerifier for SigstoreVerifier {
    fn verify(
        &self,
        document: &[u8],
        policy: &Policy,
        trust_root: &str,
        now: Timestamp,
    ) -> Result<KeylessEvidence, Refused> {
        let root = self.root(policy, trust_root)?;
        let bundle = parse(document)?;
        let verified = Verifier::with_any_identity(root.clone())
            .verify(&bundle, now)
            .map_err(|e| Refused { code: Code::from(&e), message: e.to_string() })?;
        let Signer::Sigstore(signer) = verified.signer() else {
            return Err(Refused {
                code: Code::ErrorInternal,
                message: "a keyless verifier found another signer".to_owned(),
            });
        };
        Ok(KeylessEvidence {
            identity: KeylessIdentity::of(signer),
            corroboration: corroboration(verified.evidence()),
        })
    }

    fn corroborate(
        &self,
        document: &[u8],
        key: &PublicKey,
        policy: &Policy,
        now: Timestamp,
    ) -> Corroboration {
        let Ok(bundle) = parse(document) else { return Corroboration::default() };
        let mut all = Corroboration::default();
        for name in policy.document().trust_roots.keys() {
            let Ok(root) = self.root(policy, name) else { continue };
            let Ok(evidence) = Verifier::evidence_of(&bundle, key, root, now) else { continue };
            let found = corroboration(&evidence);
            all.times.extend(found.times);
            all.logs.extend(found.logs);
        }
        all
    }
}

fn parse(document: &[u8]) -> Result<Bundle, Refused> {
    Bundle::parse(document).map_err(|e| Refused { code: Code::SignatureMalformed, message: e.to_string() })
}

fn corroboration(evidence: &Evidence) -> Corroboration {
    let time = |time: &crate::sigstore::TrustedTime| {
        let (is_timestamp, operator) = match &time.source {
            TimeSource::TimestampAuthority(name) => (true, name.clone()),
            TimeSource::TransparencyLog(url) => (false, url.clone()),
        };
        TrustedTime { at: time.at, is_timestamp, operator }
    };
    Corroboration {
        times: evidence.times().iter().map(time).collect(),
        logs: evidence.log_entries().iter().map(|entry| entry.log_url.clone()).collect(),
    }
}
