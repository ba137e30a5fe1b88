//! One artifact of a model's ancestry under policies: it is known by its digests, and its bytes need not be here.
//!
//! It is judged as [`decide`](super::decide) judges a base model that is not here, by the same code with the same pin: the rule
//! for its name, deny lists, signatures, what binds the name, attestations, provenance and summaries. What the rule says of files'
//! contents is answered where a list of its files with the pinned digest does, and denies otherwise. Its own base models are
//! further hops, so that `slsa.base-models` is not asked. The caller says which artifact is meant, and the report opens no door.

use super::{
    Code, PolicySet, Request,
    check::{Check, Status},
    context::Context,
    denied,
    pin::{Pin, list_of_files, lists_in_statements},
    policy,
    report::Verdict,
    slsa,
};
use crate::{
    facts::{By, FactData, Facts, ManifestFact},
    policy::{
        document::{Requirements, Slsa},
        words::Mode,
    },
};
use jiff::Timestamp;
use modelseal_core::{
    artifact::ArtifactId,
    attestation::Attestation,
    cover::{Cover, FullBy, Target},
    predicate::{Predicate, descriptor::Descriptor},
    text::Printable,
};
use std::collections::BTreeMap;

/// The artifact that is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Artifact<'a> {
    /// How it is known: what a verified statement about its descendant pins, the digests of a measurement, or what a user asks
    /// about.
    pub pinned: &'a Descriptor,
    /// It, where it was measured, in every way that it was: then a statement may also name its files one by one, and its files
    /// are known.
    pub measured: &'a [Target<'a>],
}

/// What policies say of an artifact.
#[derive(Debug, Clone)]
pub struct Hop {
    /// The worst of all policies.
    pub verdict: Verdict,
    /// The code of the first check that decided, unless it is allowed.
    pub code: Option<Code>,
    /// What was decided, in a sentence.
    pub message: String,
    /// Every check of every policy.
    pub checks: Vec<Check>,
    /// Every bundle about the artifact that a policy's signer signed, by `sha256:<hex>`.
    pub statements: BTreeMap<String, Standing>,
    /// Why the other bundles were not believed.
    pub rejected: BTreeMap<String, String>,
}

/// What a bundle by a signer of the policies is worth for this artifact. Of several policies the worst holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// Every policy accepts it; by whom it is.
    Trusted(String),
    /// Its signer has no say about this artifact, or it is not what a policy wants of provenance.
    Refused {
        /// Why.
        code: Code,
        /// Why, in a sentence.
        message: String,
    },
    /// Its signer is on a deny list.
    Denied {
        /// Why.
        code: Code,
        /// Why, in a sentence.
        message: String,
    },
}

/// Judges one artifact. `facts` were collected from the bundles about it; those about something else count for nothing.
#[must_use]
pub fn judge(
    set: &PolicySet,
    request: &Request,
    artifact: Artifact<'_>,
    facts: Facts,
    now: Timestamp,
) -> Hop {
    let mut data = facts.data;
    keep_what_is_about(&artifact, &mut data);
    let pin = Pin::of(artifact.pinned);
    let mut hop = Hop {
        verdict: Verdict::Allow,
        code: None,
        message: "it is what the policy wants".to_owned(),
        checks: Vec::new(),
        statements: BTreeMap::new(),
        rejected: rejected(&data),
    };
    let mut statements = BTreeMap::new();
    for policy in set.policies() {
        let Some(facts) = data.policies.iter().find(|facts| facts.sha256 == policy.digest()) else {
            hop.decided(
                Verdict::Error,
                Some(Code::ErrorInternal),
                "evidence was collected for another policy",
            );
            continue;
        };
        let context = Context {
            set,
            policy,
            facts,
            data: &data,
            request,
            now,
            bases: None,
            pin: Some(pin),
            rule: None,
            mode: Mode::Enforce,
            stack: &[],
        };
        let said = policy::evaluate(&context);
        let wanted = match said.verdict.verdict {
            Verdict::Error => Status::Error,
            _ => Status::Fail,
        };
        // What is on a deny list is denied for that, whatever else is wrong.
        let on_list = |check: &&Check| check.status == wanted && check.code.is_some_and(is_revocation);
        let decisive = said.checks.iter().find(on_list);
        let decisive = decisive.or_else(|| said.checks.iter().find(|check| check.status == wanted));
        match decisive {
            Some(check) => hop.decided(said.verdict.verdict, check.code, &check.message),
            None if said.verdict.verdict == Verdict::AllowUnverified => {
                hop.decided(Verdict::AllowUnverified, None, "the rule lets it load unverified");
            }
            None => hop.decided(said.verdict.verdict, None, "it is not allowed"),
        }
        hop.checks.extend(said.checks);
        standings(&context, &mut statements);
    }
    let policies = set.policies().count();
    hop.statements = statements
        .into_iter()
        .map(|(document, (count, standing))| match standing {
            Standing::Trusted(_) if count < policies => {
                let message = "its signer is unknown to one of the policies".to_owned();
                (document, Standing::Refused { code: Code::SignatureNoTrustedSigner, message })
            }
            standing => (document, standing),
        })
        .collect();
    hop
}

/// Whether a code says that something was withdrawn, rather than that it never was good.
#[must_use]
pub fn is_revocation(code: Code) -> bool {
    code == Code::TimeSignedAfterCompromise
        || code == Code::RevocationRevoked
        || (code.domain() == "deny" && !matches!(code, Code::DenyFeedInvalid | Code::DenyFeedStale))
}

impl Hop {
    fn decided(&mut self, verdict: Verdict, code: Option<Code>, message: &str) {
        if verdict > self.verdict {
            (self.verdict, self.code, self.message) = (verdict, code, message.to_owned());
        }
    }
}

impl Standing {
    fn rank(&self) -> u8 {
        match self {
            Self::Trusted(_) => 0,
            Self::Refused { .. } => 1,
            Self::Denied { .. } => 2,
        }
    }
}

fn keep_what_is_about(artifact: &Artifact<'_>, data: &mut FactData) {
    let known = Pin::of(artifact.pinned).ids();
    let shares = |ids: Vec<ArtifactId>| ids.iter().any(|id| known.contains(id));
    let is_about = |about: &Attestation| {
        shares(ArtifactId::of_subjects(&about.subjects))
            || artifact.measured.iter().any(|target| target.cover(&about.subjects).is_full())
    };
    let manifests: Vec<bool> =
        data.manifests.iter().map(|fact| shares(ArtifactId::of_manifest(&fact.model.manifest))).collect();
    let attestations: Vec<bool> = data.attestations.iter().map(|fact| is_about(&fact.attestation)).collect();
    for facts in &mut data.policies {
        facts.signatures.retain(|fact| manifests[fact.manifest]);
        facts.attested.retain(|fact| attestations[fact.attestation]);
    }
    let measured = artifact.measured.iter().map(|target| list_of_files(target.manifest().clone()));
    let lists: Vec<ManifestFact> = measured.chain(lists_in_statements(data)).collect();
    data.manifests.extend(lists);
    // The pin stands for measurements, and what is left is about all of the artifact, whoever's list of its files is looked at.
    data.measured.clear();
    data.listed.clear();
    for fact in &mut data.attestations {
        fact.of_signed = vec![Cover::Full(FullBy::ManifestDigest); data.manifests.len()];
        fact.of_measured.clear();
    }
}

fn rejected(data: &FactData) -> BTreeMap<String, String> {
    let near = data.policies.iter().flat_map(|facts| &facts.near_misses);
    // Of several reasons one that is about more than the kind of signature says most.
    let mut rejected: BTreeMap<String, String> = BTreeMap::new();
    for miss in near {
        let known = rejected.entry(miss.document.clone()).or_insert_with(|| miss.message.clone());
        if !matches!(miss.code, Code::SignatureMethodMismatch | Code::SignatureNoTrustedSigner) {
            known.clone_from(&miss.message);
        }
    }
    for evidence in &data.rejected {
        rejected.insert(evidence.evidence.clone(), evidence.message.clone());
    }
    rejected
}

/// What every bundle by a signer of this policy is worth under it.
fn standings(context: &Context<'_>, statements: &mut BTreeMap<String, (usize, Standing)>) {
    let rule = policy::select(context).ok();
    let own = rule.and_then(policy::judged_block);
    let blocks: Vec<Requirements<'_>> =
        own.into_iter().chain(policy::baseline_block(context)).map(|block| block.requirements).collect();
    let signed = context.facts.signatures.iter().map(|fact| (&fact.by, None));
    let attested = context
        .facts
        .attested
        .iter()
        .map(|fact| (&fact.by, Some(&*context.data.attestations[fact.attestation].attestation)));
    let mut here: BTreeMap<&str, Standing> = BTreeMap::new();
    for (by, about) in signed.chain(attested) {
        let found = standing(context, &blocks, by, about);
        // Where one bundle counts for two signers, the better one holds.
        match here.get(&*by.document) {
            Some(known) if known.rank() <= found.rank() => {}
            _ => {
                here.insert(&by.document, found);
            }
        }
    }
    for (document, found) in here {
        let (count, worst) = statements.entry(document.to_owned()).or_insert_with(|| (0, found.clone()));
        *count += 1;
        if found.rank() > worst.rank() {
            *worst = found;
        }
    }
}

fn standing(
    context: &Context<'_>,
    blocks: &[Requirements<'_>],
    by: &By,
    about: Option<&Attestation>,
) -> Standing {
    if let Some(denied) = denied::signer(context, by) {
        return Standing::Denied { code: denied.code, message: denied.message };
    }
    let signs = |requirements: &Requirements<'_>| {
        requirements.signature.is_some_and(|signature| signature.signers.contains(&by.signer))
    };
    let builds = |wanted: &Slsa| slsa::builders_of(context, wanted, by).next().is_some();
    let slsa: Vec<&Slsa> = blocks.iter().filter_map(|block| block.slsa).collect();
    let provenance = about.and_then(|about| match &about.predicate {
        Predicate::Provenance(provenance) => Some(provenance),
        _ => None,
    });
    let listed = match provenance {
        Some(_) if !slsa.is_empty() => slsa.iter().all(|wanted| builds(wanted)),
        _ => blocks.iter().any(signs) || slsa.iter().any(|wanted| builds(wanted)),
    };
    if !listed {
        let message = format!(
            "it is signed by '{}' ({}), who has no say about '{}' under the policy",
            Printable(&by.signer),
            by.identity,
            context.request.reference()
        );
        return Standing::Refused { code: Code::SignatureNoTrustedSigner, message };
    }
    if let Some(provenance) = provenance {
        let mut faults = slsa.iter().flat_map(|wanted| slsa::faults(context, wanted, by, provenance));
        if let Some(fault) = faults.next() {
            return Standing::Refused { code: fault.code, message: fault.message };
        }
    }
    Standing::Trusted(format!("{} ({})", by.signer, by.identity))
}
