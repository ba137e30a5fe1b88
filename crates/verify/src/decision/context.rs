//! What every check looks at: one policy, what the evidence is worth to it, and the manifest that is being tried.

use super::{PolicySet, Request, base_models::Bases, pin::Pin};
use crate::{
    facts::{AttestationFact, By, FactData, ManifestFact, PolicyFacts, Refused, SignatureFact},
    policy::{
        document::{Requirements, Rule},
        load::Policy,
        words::Mode,
    },
};
use jiff::Timestamp;
use modelseal_core::{
    artifact::ArtifactId,
    attestation::Subject,
    cover::{Cover, Target},
    manifest::{Comparison, Manifest, Serialization},
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// One policy over one set of facts.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) set: &'a PolicySet,
    pub(super) policy: &'a Policy,
    pub(super) facts: &'a PolicyFacts,
    pub(super) data: &'a FactData,
    pub(super) request: &'a Request,
    pub(super) now: Timestamp,
    /// Where facts about base models come from; `None` where they are judged one by one.
    pub(super) bases: Option<&'a Bases<'a>>,
    /// What stands for measurements: the digests by which the model is known to those who made another one from it, or to
    /// whoever asks about a hop.
    pub(super) pin: Option<Pin<'a>>,
    /// The rule that speaks of the model, once it is selected.
    pub(super) rule: Option<&'a Rule>,
    /// The rule's mode at this time.
    pub(super) mode: Mode,
    /// The models whose verification led here, outermost first.
    pub(super) stack: &'a [Vec<ArtifactId>],
}

/// Requirements of the rule or of the baseline.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) prefix: &'static str,
    pub(super) requirements: Requirements<'a>,
}

/// A manifest that may be the model's: the one that all requirements of a policy are about.
#[derive(Debug, Clone)]
pub(super) enum Candidate {
    /// What trusted signatures say: indexes of manifests that list the same files and bytes, and differ at most in what
    /// they leave out.
    Signed { digest: String, manifests: Vec<usize> },
    /// What was measured, with no signature over a list of files: index of the measurement.
    Measured { digest: String, measured: usize },
    /// What is pinned, with no signature over a list of files.
    Pinned { digest: Option<String> },
    /// Nothing at all.
    Nothing,
}

impl Block<'_> {
    pub(super) fn id(&self, id: &str) -> String {
        format!("{}{id}", self.prefix)
    }
}

impl Context<'_> {
    /// Every manifest that may be the model's, in an order that depends on contents only. Where some of `signers` must have
    /// signed, what they signed is what the model has to be, and a bare measurement is no way around it.
    pub(super) fn candidates(&self, signers: &BTreeSet<&str>) -> Vec<Candidate> {
        let mut signed: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let relevant = |signer: &str| signers.is_empty() || signers.contains(signer);
        for signature in self.facts.signatures.iter().filter(|s| relevant(&s.by.signer)) {
            let manifests = signed.entry(&self.data.manifests[signature.manifest].digest).or_default();
            if !manifests.contains(&signature.manifest) {
                manifests.push(signature.manifest);
            }
        }
        let signed_only = !signers.is_empty() && !signed.is_empty();
        let signed = signed.into_iter().map(|(digest, mut manifests)| {
            manifests.sort_unstable();
            Candidate::Signed { digest: digest.to_owned(), manifests }
        });
        let measured = self.data.measured.iter().enumerate().filter_map(|(at, fact)| {
            let measured = fact.outcome.as_ref().ok()?;
            (!signed_only && measured.promise.is_none() && crate::facts::is_plain(&fact.serialization))
                .then(|| Candidate::Measured { digest: measured.digest.clone(), measured: at })
        });
        let mut all: Vec<Candidate> = signed.chain(measured).collect();
        let unmeasured = self.data.measured.is_empty() || self.data.promise().is_some();
        if unmeasured && !signed_only && self.pin.is_none() {
            // A measurement may be what the rule wants, where what was signed is not.
            all.push(Candidate::Nothing);
        }
        if let Some(pin) = self.pin.filter(|_| !signed_only) {
            let digest = self.pinned_manifest().map(|fact| fact.digest.clone());
            all.push(Candidate::Pinned {
                digest: digest.or_else(|| pin.manifest_names().into_iter().next()),
            });
        }
        if all.is_empty() {
            all.push(Candidate::Nothing);
        }
        all
    }

    /// The signatures over `candidate`, by contents' order.
    pub(super) fn signatures<'c>(
        &'c self,
        candidate: &'c Candidate,
    ) -> impl Iterator<Item = &'c SignatureFact> {
        let manifests = match candidate {
            Candidate::Signed { manifests, .. } => &manifests[..],
            _ => &[],
        };
        self.facts.signatures.iter().filter(|signature| manifests.contains(&signature.manifest))
    }

    /// How the model differs from one signed manifest, as far as files that may be unsigned do not matter.
    pub(super) fn is_intact(&self, manifest: usize, unsigned_allowed: bool) -> bool {
        let fact = &self.data.manifests[manifest];
        match (&fact.compared, self.pin) {
            (_, Some(pin)) => pin.is_signed_as(&fact.model.manifest),
            (Some(Ok(comparison)), None) => is_match(comparison, unsigned_allowed),
            _ => false,
        }
    }

    /// A list of the files of the artifact that the model is pinned as. Whose it is does not matter: no other list has the
    /// pinned digest.
    fn pinned_manifest(&self) -> Option<&ManifestFact> {
        let pin = self.pin?;
        self.data.manifests.iter().find(|fact| pin.is_signed_as(&fact.model.manifest))
    }

    /// The signed manifest that the model is, or the first of the candidate's when it is none of them.
    pub(super) fn best_manifest(
        &self,
        candidate: &Candidate,
        unsigned_allowed: bool,
    ) -> Option<&ManifestFact> {
        let Candidate::Signed { manifests, .. } = candidate else { return None };
        self.best_of(manifests, unsigned_allowed).map(|at| &self.data.manifests[at])
    }

    fn best_of(&self, manifests: &[usize], unsigned_allowed: bool) -> Option<usize> {
        // All list the same files; the one that leaves out least says most about what else there may be. Before the model is
        // measured any may be the one.
        let rank = |at: &usize| {
            let fact = &self.data.manifests[*at];
            let other = !self.is_intact(*at, unsigned_allowed);
            let differs = other && (fact.compared.is_some() || self.pin.is_some());
            (other, differs, fact.model.manifest.serialization().ignore_paths.len())
        };
        manifests.iter().copied().min_by_key(rank)
    }

    /// The candidate's list of files.
    pub(super) fn manifest(&self, candidate: &Candidate) -> Option<&Manifest> {
        match candidate {
            Candidate::Signed { .. } => self.best_manifest(candidate, true).map(|fact| &fact.model.manifest),
            Candidate::Measured { measured, .. } => {
                self.data.measured[*measured].outcome.as_ref().ok().map(|m| &*m.manifest)
            }
            Candidate::Pinned { .. } => self.pinned_manifest().map(|fact| &fact.model.manifest),
            Candidate::Nothing => None,
        }
    }

    /// What an attestation covers of the candidate.
    pub(super) fn cover<'c>(
        &self,
        candidate: &Candidate,
        fact: &'c AttestationFact,
    ) -> Option<Cow<'c, Cover>> {
        match candidate {
            Candidate::Signed { manifests, .. } => {
                fact.of_signed.get(self.best_of(manifests, true)?).map(Cow::Borrowed)
            }
            Candidate::Measured { measured, .. } => fact.of_measured.get(*measured).map(Cow::Borrowed),
            Candidate::Pinned { .. } => Some(Cow::Owned(self.pin?.cover(&fact.attestation.subjects))),
            Candidate::Nothing => None,
        }
    }

    /// Whether these subjects are all of the candidate.
    pub(super) fn is_all_of(&self, candidate: &Candidate, subjects: &[Subject]) -> bool {
        let cover = match (candidate, self.pin) {
            (Candidate::Pinned { .. }, Some(pin)) => Some(pin.cover(subjects)),
            _ => self.manifest(candidate).map(|manifest| Target::of(manifest).cover(subjects)),
        };
        cover.is_some_and(|cover| cover.is_full())
    }

    /// The ids of the candidate as an artifact.
    pub(super) fn ids(&self, candidate: &Candidate) -> Vec<ArtifactId> {
        let mut ids = self.pin.map(Pin::ids).unwrap_or_default();
        ids.extend(self.manifest(candidate).into_iter().flat_map(ArtifactId::of_manifest));
        ids
    }

    /// The principals of the signers called `names`.
    pub(super) fn principals(&self, names: &[String]) -> Vec<String> {
        let document = self.policy.document();
        let mut principals: Vec<String> =
            names.iter().map(|name| document.principal_of(name).to_owned()).collect();
        principals.sort_unstable();
        principals.dedup();
        principals
    }
}

impl Candidate {
    /// `manifest-sha256:<hex>`.
    pub(super) fn digest(&self) -> Option<&str> {
        match self {
            Self::Signed { digest, .. } | Self::Measured { digest, .. } => Some(digest),
            Self::Pinned { digest } => digest.as_deref(),
            Self::Nothing => None,
        }
    }
}

pub(super) fn is_match(comparison: &Comparison, unsigned_allowed: bool) -> bool {
    comparison.changed.is_empty()
        && comparison.missing.is_empty()
        && (unsigned_allowed || comparison.unsigned.is_empty())
}

impl By {
    /// The earliest time that somebody other than the signer vouches for.
    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.corroboration.times.iter().map(|time| time.at).min()
    }

    /// The latest such time: what must lie before a compromise, so that one backdated authority among two proves nothing.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        self.corroboration.times.iter().map(|time| time.at).max()
    }
}

/// Why the model could not be measured under any of these parameters.
pub(super) fn measuring_failed<'a>(data: &'a FactData, of: Option<&Serialization>) -> Option<&'a Refused> {
    let fits = |s: &Serialization| {
        of.is_none_or(|o| {
            (o.method, o.algorithm, o.allow_symlinks) == (s.method, s.algorithm, s.allow_symlinks)
        })
    };
    data.measured.iter().filter(|fact| fits(&fact.serialization)).find_map(|fact| fact.outcome.as_ref().err())
}
