//! [`Summary`]: a verdict on a model, to be signed and handed on: as SLSA's Verification Summary Attestation, or as in-toto's
//! Simple Verification Result.

use crate::statement::Statement;
use jiff::Timestamp;
use modelseal_core::{
    digest::Digest,
    json::value::Value,
    manifest::Manifest,
    observed::Observed,
    predicate::{
        descriptor::{Descriptor, DigestSet},
        svr_v0_2::{self, Svr},
        vsa_v1::{self, VerificationResult, Vsa, WAIVED},
    },
};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The version of SLSA whose rules the levels follow.
const SLSA_VERSION: &str = "1.2";

/// What was decided about a model, by whom, when, and on what grounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Who decided: a URI that whoever reads this knows together with the signing key.
    pub verifier_id: String,
    /// The version of modelseal.
    pub verifier_version: String,
    /// When.
    pub time: Timestamp,
    /// The canonical reference under which the model was asked for.
    pub reference: String,
    /// The policies that were applied.
    pub policies: Vec<PolicyUsed>,
    /// Every attestation that was used.
    pub inputs: Vec<InputUsed>,
    /// The verdict.
    pub outcome: Outcome,
    /// The SLSA build level that was verified, 1 to 3; `None` when no policy asked for one.
    pub slsa_build_level: Option<u8>,
}

/// A verdict, as far as it can be handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every check passed.
    Passed,
    /// Every check passed but those that a waiver excused. It is said in so many words: as the level or property
    /// [`WAIVED`].
    PassedWithWaivers,
    /// A check failed, or could not be carried out.
    Failed,
}

/// A policy that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyUsed {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// The digest of its exact bytes.
    pub sha256: Digest,
}

/// An attestation that was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputUsed {
    /// Its file's name or URI.
    pub name: String,
    /// The digest of its exact bytes.
    pub sha256: Digest,
}

impl PolicyUsed {
    /// The level that says a model meets this version of the policy: `MODELSEAL_<ID>_V<version>`, letters uppercase and
    /// anything but letters and digits as `_`.
    #[must_use]
    pub fn level(&self) -> String {
        let id =
            self.id.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
        format!("MODELSEAL_{}_V{}", id.collect::<String>(), self.version)
    }

    fn descriptor(&self) -> Descriptor {
        Descriptor {
            uri: Some(self.id.clone()),
            digest: DigestSet::of([("sha256", self.sha256.to_hex())]),
            annotations: [("version".into(), self.version.into())].into(),
            ..Default::default()
        }
    }
}

impl Summary {
    /// The verification summary of the model that `manifest` describes. `name` is the base name of the model's path.
    ///
    /// # Errors
    /// Only what `serde_json` cannot write, which these types cannot hold.
    pub fn vsa(&self, manifest: &Observed<Manifest>, name: &str) -> Result<Statement, serde_json::Error> {
        Statement::about_model(manifest, name, vsa_v1::PREDICATE_TYPE, &self.to_vsa().to_value())
    }

    /// The simple verification result of the model that `manifest` describes. `name` is the base name of the model's path.
    ///
    /// # Errors
    /// Only what `serde_json` cannot write, which these types cannot hold.
    pub fn svr(&self, manifest: &Observed<Manifest>, name: &str) -> Result<Statement, serde_json::Error> {
        Statement::about_model(manifest, name, svr_v0_2::PREDICATE_TYPE, &self.to_svr().to_value())
    }

    /// The predicate of [`Summary::vsa`].
    #[must_use]
    pub fn to_vsa(&self) -> Vsa {
        let failed = self.outcome == Outcome::Failed;
        Vsa {
            verifier_id: self.verifier_id.clone(),
            verifier_version: BTreeMap::from([("modelseal".to_owned(), self.verifier_version.clone())]),
            time_verified: Some(self.time),
            resource_uri: self.reference.clone(),
            policy: self.policy(),
            input_attestations: self.inputs(),
            result: if failed { VerificationResult::Failed } else { VerificationResult::Passed },
            verified_levels: if failed { vec!["FAILED".to_owned()] } else { self.levels() },
            // Nothing is claimed about dependencies.
            dependency_levels: None,
            slsa_version: Some(SLSA_VERSION.to_owned()),
        }
    }

    /// The predicate of [`Summary::svr`]. It has no verdict: a model that failed has no properties.
    #[must_use]
    pub fn to_svr(&self) -> Svr {
        Svr {
            verifier_id: self.verifier_id.clone(),
            policies: self.policies.iter().map(PolicyUsed::descriptor).collect(),
            time_created: self.time,
            properties: if self.outcome == Outcome::Failed { Vec::new() } else { self.levels() },
        }
    }

    fn levels(&self) -> Vec<String> {
        let slsa = match self.slsa_build_level {
            Some(level) => format!("SLSA_BUILD_LEVEL_{level}"),
            None => "SLSA_BUILD_LEVEL_UNEVALUATED".to_owned(),
        };
        let waived = (self.outcome == Outcome::PassedWithWaivers).then(|| WAIVED.to_owned());
        std::iter::once(slsa).chain(self.policies.iter().map(PolicyUsed::level)).chain(waived).collect()
    }

    /// The predicate has room for one policy. Several are named by the digest of their list, which the annotations spell out.
    fn policy(&self) -> Descriptor {
        if let [only] = &self.policies[..] {
            return only.descriptor();
        }
        let mut lines: Vec<String> =
            self.policies.iter().map(|p| format!("{}  {}\n", p.sha256.to_hex(), p.id)).collect();
        lines.sort_unstable();
        let sha256 = Digest::sha256(Sha256::digest(lines.concat()).into());
        let each: Value = self.policies.iter().map(|policy| policy.descriptor().to_value()).collect();
        Descriptor {
            uri: Some(format!("urn:modelseal:policies:{}", sha256.to_hex())),
            annotations: [("policies".into(), each)].into(),
            ..Default::default()
        }
    }

    fn inputs(&self) -> Vec<Descriptor> {
        let each = self.inputs.iter().map(|input| Descriptor {
            uri: Some(input.name.clone()).filter(|name| !name.is_empty()),
            digest: DigestSet::of([("sha256", input.sha256.to_hex())]),
            ..Default::default()
        });
        each.collect()
    }
}
