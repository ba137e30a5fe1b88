//! What is asked: [`Request`], by which policies: [`PolicySet`], and where facts about base models come from: [`BaseModels`].

use crate::{
    facts::Facts,
    policy::{load::Policy, reference::Reference},
};
use modelseal_core::predicate::descriptor::Descriptor;
use std::fmt;

/// Which model is asked for. The name comes from the caller, never from the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    reference: Reference,
    version: Option<String>,
    high_water: Option<semver::Version>,
}

/// Policies that all have to allow. There is at least one.
#[derive(Debug, Clone)]
pub struct PolicySet {
    policies: Vec<Policy>,
}

/// A set without a policy, which would allow everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmptySet;

/// Facts about a model that another one was made from.
#[derive(Debug, Clone, Copy)]
pub struct BaseModel<'a> {
    /// Its name.
    pub request: &'a Request,
    /// What is known of it, collected for the same policies.
    pub facts: &'a Facts,
}

/// Where facts about base models come from.
pub trait BaseModels: Sync {
    /// The facts about the model of that name which a resolved dependency of accepted provenance pins by its digests. Whether
    /// they are about that artifact is checked. Facts without a measurement are about a model that is not here: then what
    /// was signed has to have the pinned digest.
    fn find(&self, reference: &Reference, dependency: &Descriptor) -> Option<BaseModel<'_>>;
}

/// Knows no base model: where a rule wants them verified, that denies.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBaseModels;

impl BaseModels for NoBaseModels {
    fn find(&self, _: &Reference, _: &Descriptor) -> Option<BaseModel<'_>> {
        None
    }
}

impl Request {
    /// Asks for the model of that name.
    #[must_use]
    pub fn new(reference: Reference) -> Self {
        Self { reference, version: None, high_water: None }
    }

    /// Says which tag or revision was asked for; for the report.
    #[must_use]
    pub fn with_version(self, version: impl Into<String>) -> Self {
        Self { version: Some(version.into()), ..self }
    }

    /// Refuses versions lower than one that this host has accepted for the name before.
    #[must_use]
    pub fn not_below(self, high_water: semver::Version) -> Self {
        Self { high_water: Some(high_water), ..self }
    }

    /// The model's name.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The tag or revision that was asked for.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The version below which a model is not accepted, as [`not_below`](Self::not_below) set it.
    #[must_use]
    pub fn high_water(&self) -> Option<&semver::Version> {
        self.high_water.as_ref()
    }
}

impl PolicySet {
    /// Takes policies; one given twice counts once.
    ///
    /// # Errors
    /// [`EmptySet`].
    pub fn new(policies: impl IntoIterator<Item = Policy>) -> Result<Self, EmptySet> {
        let mut policies: Vec<Policy> = policies.into_iter().collect();
        policies.sort_by(|a, b| (&a.document().id, a.digest()).cmp(&(&b.document().id, b.digest())));
        policies.dedup_by(|a, b| a.digest() == b.digest());
        if policies.is_empty() { Err(EmptySet) } else { Ok(Self { policies }) }
    }

    /// The policies, by id.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.iter()
    }
}

impl fmt::Display for EmptySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no policy was given; at least one has to allow a model")
    }
}

impl std::error::Error for EmptySet {}
