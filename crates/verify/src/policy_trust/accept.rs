//! Whether a policy is one that this machine obeys.

use super::{PolicySigner, PolicyTrust};
use crate::{decision::persons, facts::SignerIdentity};
use jiff::Timestamp;
use modelseal_core::{
    bundle::Bundle,
    digest::Digest,
    limits::{MAX_POLICY_BUNDLES, MAX_STATE_BYTES},
    payload,
    rollback::{self, Accepted, Rollback, RollbackState},
    text::Printable,
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What people sign for a host that is to obey it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// A trust policy.
    Policy,
    /// A rule set of inspections.
    Rules,
}

/// A policy, or a rule set, that enough of the right people signed, and that is no older than the last one. Whether it has
/// expired, and what it says, is not decided here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct AcceptedPolicy {
    document: Document,
    id: String,
    accepted: Accepted,
    principals: BTreeSet<String>,
    rejected: Vec<String>,
}

/// Why a policy is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyTrustError {
    /// It is larger than any policy, in bytes.
    TooLarge(usize),
    /// There are more bundles than are looked at.
    TooManyBundles(usize),
    /// Too few of those who may sign policies have signed this one.
    Threshold {
        /// How many are needed.
        needed: usize,
        /// Who has signed.
        principals: BTreeSet<String>,
        /// What was wrong with the other bundles.
        rejected: Vec<String>,
    },
    /// Its `id` and `version` cannot be read.
    Header(String),
    /// The host's configuration demands a newer one.
    BelowMinimum {
        /// The policy's id.
        id: String,
        /// Its version.
        found: u64,
        /// The oldest version that is accepted.
        minimum: u64,
    },
    /// A newer one, or another of the same version, was accepted before.
    Rollback(Rollback),
}

impl PolicyTrust {
    /// Decides whether `policy`, these exact bytes, is to be obeyed on the word of `bundles`. `state` is what was accepted
    /// before; store [`AcceptedPolicy::record`] afterwards. `now` is when certificates must be valid.
    ///
    /// # Errors
    /// [`PolicyTrustError`]. Bundles of anything else never help and never hurt.
    pub fn accept(
        &self,
        policy: &[u8],
        bundles: &[Bundle],
        state: &RollbackState,
        now: Timestamp,
    ) -> Result<AcceptedPolicy, PolicyTrustError> {
        self.accept_document(Document::Policy, policy, bundles, state, now)
    }

    /// The same for any document: a signature of one kind never passes for one of another.
    ///
    /// # Errors
    /// As [`PolicyTrust::accept`].
    pub fn accept_document(
        &self,
        document: Document,
        policy: &[u8],
        bundles: &[Bundle],
        state: &RollbackState,
        now: Timestamp,
    ) -> Result<AcceptedPolicy, PolicyTrustError> {
        if policy.len() as u64 > MAX_STATE_BYTES {
            return Err(PolicyTrustError::TooLarge(policy.len()));
        }
        if bundles.len() > MAX_POLICY_BUNDLES {
            return Err(PolicyTrustError::TooManyBundles(bundles.len()));
        }
        let (mut signed, mut rejected) = (Vec::new(), Vec::new());
        for (index, bundle) in bundles.iter().enumerate() {
            match self.signers_of(document, bundle, policy, now) {
                Ok(signers) => signed.extend(signers),
                Err(why) => rejected.push(format!("bundle {}: {why}", index + 1)),
            }
        }
        let needed = self.threshold.max(1);
        let makers = signed.iter().map(|(signer, identity)| (signer.principal.as_str(), identity));
        let principals: BTreeSet<String> = persons::distinct(makers).into_iter().map(str::to_owned).collect();
        if principals.len() < needed {
            return Err(PolicyTrustError::Threshold { needed, principals, rejected });
        }
        let Header { id, version } = read_header(policy)?;
        if let Some(minimum) = self.min_versions.get(&id).copied().filter(|minimum| version < *minimum) {
            return Err(PolicyTrustError::BelowMinimum { id, found: version, minimum });
        }
        let accepted = Accepted { version, sha256: Digest::sha256(Sha256::digest(policy).into()) };
        rollback::check(document.remembered(state), &id, &accepted).map_err(PolicyTrustError::Rollback)?;
        Ok(AcceptedPolicy { document, id, accepted, principals, rejected })
    }

    fn signers_of(
        &self,
        document: Document,
        bundle: &Bundle,
        policy: &[u8],
        now: Timestamp,
    ) -> Result<Vec<(&PolicySigner, SignerIdentity)>, String> {
        let (mut signers, mut why) = (Vec::new(), Vec::new());
        for signer in &self.signers {
            match signer.verifier.verify_payload(bundle, document.payload_type(), now) {
                Ok(verified) if verified.get().bytes() == policy => {
                    signers.push((signer, SignerIdentity::of(verified.signer())));
                }
                Ok(_) => return Err(format!("it signs other bytes than this {document}")),
                Err(error) => why.push(format!("not by {}: {error}", Printable(&signer.name))),
            }
        }
        if signers.is_empty() { Err(why.join("; ")) } else { Ok(signers) }
    }
}

impl Document {
    /// What its signature says that it is.
    #[must_use]
    pub const fn payload_type(self) -> &'static str {
        match self {
            Self::Policy => payload::POLICY,
            Self::Rules => payload::RULES,
        }
    }

    fn remembered(self, state: &RollbackState) -> &BTreeMap<String, Accepted> {
        match self {
            Self::Policy => &state.policies,
            Self::Rules => &state.rules,
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "policy",
            Self::Rules => "rule set",
        })
    }
}

impl AcceptedPolicy {
    /// The policy's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its version and the digest of its bytes.
    #[must_use]
    pub fn accepted(&self) -> &Accepted {
        &self.accepted
    }

    /// Who signed it: at least as many as the threshold.
    #[must_use]
    pub fn principals(&self) -> &BTreeSet<String> {
        &self.principals
    }

    /// What was wrong with the bundles that did not count.
    #[must_use]
    pub fn rejected(&self) -> &[String] {
        &self.rejected
    }

    /// Remembers the policy, so that an older one is not accepted after it.
    pub fn record(&self, state: &mut RollbackState) {
        let remembered = match self.document {
            Document::Policy => &mut state.policies,
            Document::Rules => &mut state.rules,
        };
        remembered.insert(self.id.clone(), self.accepted);
    }
}

/// What of a policy is needed here; everything else in it is somebody else's to judge.
#[derive(Deserialize)]
struct Header {
    id: String,
    version: u64,
}

fn read_header(policy: &[u8]) -> Result<Header, PolicyTrustError> {
    let text = std::str::from_utf8(policy).map_err(|_| PolicyTrustError::Header("it is not UTF-8".into()))?;
    toml::from_str(text)
        .map_err(|error: toml::de::Error| PolicyTrustError::Header(error.message().to_owned()))
}

impl fmt::Display for PolicyTrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(size) => {
                write!(f, "a policy of {size} bytes exceeds the limit of {MAX_STATE_BYTES}")
            }
            Self::TooManyBundles(count) => {
                write!(f, "{count} bundles for one policy exceed the limit of {MAX_POLICY_BUNDLES}")
            }
            Self::Threshold { needed, principals, rejected } => {
                write!(f, "signed by {} of the {needed} people who must have signed it", principals.len())?;
                for (index, principal) in principals.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { ": " } else { ", " }, Printable(principal))?;
                }
                rejected.iter().try_for_each(|why| write!(f, "; {}", Printable(why)))
            }
            Self::Header(why) => write!(f, "its id and version cannot be read: {}", Printable(why)),
            Self::BelowMinimum { id, found, minimum } => write!(
                f,
                "'{}' has version {found}, and the host's configuration demands at least {minimum}",
                Printable(id)
            ),
            Self::Rollback(rollback) => rollback.fmt(f),
        }
    }
}

impl std::error::Error for PolicyTrustError {}
