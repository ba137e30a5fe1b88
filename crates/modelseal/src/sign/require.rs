//! What inspection must say of a model before it is signed.

use modelseal_core::inspection::{FileInspection, Inspection, PickleTier, Severity, Verdict};
use modelseal_inspect::RuleSet;
use std::{fmt, str::FromStr};

/// Findings that a refusal tells of; the rest are counted.
const TOLD: usize = 8;

/// What inspection must say of a model before it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Required {
    /// Nothing but notes: all of it was understood, and nothing found.
    Clean,
    /// No pickle of it can do more than this when it is loaded.
    Tier(PickleTier),
}

/// There is no [`Required`] of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownRequirement;

/// A model that was inspected and is not what was required. It was not signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    requirement: Required,
    verdict: Verdict,
    /// The findings, worst first, as they are printed.
    findings: Vec<String>,
    /// How many there are.
    count: usize,
}

impl Required {
    /// Whether a model is what is required.
    pub(super) fn check(self, inspection: &Inspection, rules: &RuleSet) -> Result<(), Unmet> {
        // What is denied cannot be allowed: a rule set that calls it milder makes nothing clean.
        let malicious: Vec<String> = rules
            .softened(inspection, Severity::Malicious)
            .map(|found| {
                format!(
                    "{} '{}': {}, which the rules call {}",
                    found.rule, found.place, found.message, found.severity
                )
            })
            .collect();
        if !malicious.is_empty() {
            let count = malicious.len();
            let findings = malicious.into_iter().take(TOLD).collect();
            return Err(Unmet { requirement: self, verdict: Verdict::Malicious, findings, count });
        }
        let bad = |file: &&FileInspection| match self {
            Self::Clean => file.verdict() > Verdict::Clean,
            // Of what is not understood nobody knows what it can do.
            Self::Tier(most) => file.contents.pickle_tier() > most || file.verdict() == Verdict::Unknown,
        };
        let files: Vec<&FileInspection> = inspection.files.iter().filter(bad).collect();
        if files.is_empty() {
            return Ok(());
        }
        let mut findings: Vec<_> = files.iter().flat_map(|file| &file.findings).collect();
        findings.retain(|finding| finding.severity.verdict() > Verdict::Clean);
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let tiers = files.iter().filter(|_| findings.is_empty());
        let tiers = tiers
            .map(|file| format!("'{}' holds a pickle of tier {}", file.path, file.contents.pickle_tier()));
        let told = findings.iter().map(|finding| {
            format!("{} {} '{}': {}", finding.rule, finding.severity, finding.place, finding.message)
        });
        let count = findings.len().max(files.len());
        Err(Unmet {
            requirement: self,
            verdict: inspection.verdict(),
            findings: told.chain(tiers).take(TOLD).collect(),
            count,
        })
    }
}

impl Unmet {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.requirement {
            Required::Clean => "content.verdict",
            Required::Tier(_) => "content.pickle-tier",
        }
    }

    /// The verdict on the model.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }
}

impl FromStr for Required {
    type Err = UnknownRequirement;

    fn from_str(text: &str) -> Result<Self, UnknownRequirement> {
        let tier = |name: &str| PickleTier::ALL.into_iter().find(|tier| tier.name() == name);
        match text.strip_prefix("tier=") {
            Some(name) => tier(name)
                .filter(|tier| *tier < PickleTier::Dangerous)
                .map(Self::Tier)
                .ok_or(UnknownRequirement),
            None if text == "clean" => Ok(Self::Clean),
            None => Err(UnknownRequirement),
        }
    }
}

impl fmt::Display for Required {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("clean"),
            Self::Tier(tier) => write!(f, "tier={tier}"),
        }
    }
}

impl fmt::Display for UnknownRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what can be required is clean, and tier=P0 to tier=P4")
    }
}

impl std::error::Error for UnknownRequirement {}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verdict, requirement, .. } = self;
        write!(f, "the model is {verdict}, and was not signed, since '{requirement}' is required")?;
        for (at, finding) in self.findings.iter().enumerate() {
            write!(f, "{} {finding}", if at == 0 { ":" } else { ";" })?;
        }
        if self.count > self.findings.len() {
            write!(f, "; and {} more", self.count - self.findings.len())?;
        }
        f.write_str("; see what modelseal inspect says of it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_have_names() {
        for name in ["clean", "tier=P0", "tier=P2", "tier=P4"] {
            assert_eq!(name.parse::<Required>().unwrap().to_string(), name);
        }
        for bad in ["", "Clean", "tier=", "tier=P5", "tier=P6", "P2", "tier"] {
            assert!(bad.parse::<Required>().is_err(), "{bad}");
        }
    }
}
