//! Which rule is for a name, why this one, and what it needs, in words.

use super::Policies;
use crate::report::{ExplainReport, ExplainedPolicy, MatchingGlob};
use modelseal_verify::policy::{
    document::{Requirements, Rule, Signature},
    load::{Policy, SelectError},
    reference::Requested,
    words::{Action, Binding, Mode, Permission, Requirement},
};

impl Policies {
    /// Says which rule is for a name and what it needs.
    #[must_use]
    pub fn explain(&self, requested: &Requested) -> ExplainReport {
        ExplainReport {
            schema: ExplainReport::SCHEMA.into(),
            reference: requested.reference.to_string(),
            requested_version: requested.version.clone(),
            policies: self.set.policies().map(|policy| explain(policy, requested)).collect(),
        }
    }
}

fn explain(policy: &Policy, requested: &Requested) -> ExplainedPolicy {
    let document = policy.document();
    let matching = matching(policy, requested);
    let mut needs: Vec<String> = Vec::new();
    let (rule, why, code) = match policy.select(&requested.reference) {
        Ok(selected) => {
            needs.extend(of_rule(selected.rule));
            let others: Vec<&str> = matching
                .iter()
                .filter(|other| other.rule != selected.rule.name)
                .map(|other| other.rule.as_str())
                .collect();
            let score = selected.glob.specificity();
            let glob = selected.glob.as_str();
            let why = if others.is_empty() {
                format!("its glob '{glob}' is the only one that matches")
            } else {
                format!(
                    "its glob '{glob}' is the most specific: {} characters before the first wildcard, {} that are no \
                     wildcard; it wins over {}",
                    score.prefix,
                    score.literals,
                    others.join(", ")
                )
            };
            (Some(selected.rule.name.clone()), why, None)
        }
        Err(SelectError::NoMatch) => (
            None,
            "no rule's globs match this name, which denies".to_owned(),
            Some("policy.no-matching-rule"),
        ),
        Err(error @ SelectError::Ambiguous(_)) => {
            (None, format!("{error}, which denies"), Some("policy.ambiguous-rule"))
        }
        Err(error) => (None, error.to_string(), Some("error.internal")),
    };
    if let Some(baseline) = &document.baseline {
        needs
            .extend(of(policy, &baseline.requirements()).into_iter().map(|need| format!("baseline: {need}")));
    }
    if let Ok(selected) = policy.select(&requested.reference) {
        needs.extend(of(policy, &selected.rule.requirements()));
    }
    let lists = document.denylist.len() + document.deny.len();
    if lists > 0 {
        needs.push(format!("nothing of it is on the deny lists ({} of them, which beat waivers)", lists));
    }
    for waiver in document.waiver.iter().filter(|waiver| Some(&waiver.rule) == rule.as_ref()) {
        needs.push(format!(
            "waiver '{}' excuses {} for {} models until {}",
            waiver.id,
            waiver.codes.join(", "),
            waiver.digests.len(),
            waiver.expires
        ));
    }
    ExplainedPolicy {
        id: document.id.clone(),
        version: document.version,
        expires: document.expires.to_string(),
        rule,
        why,
        code: code.map(str::to_owned),
        matching,
        needs,
    }
}

/// Every glob that matches, the most specific first.
fn matching(policy: &Policy, requested: &Requested) -> Vec<MatchingGlob> {
    let name = requested.reference.as_str();
    let globs =
        policy.document().rule.iter().flat_map(|rule| rule.models.iter().map(move |glob| (rule, glob)));
    let mut matching: Vec<MatchingGlob> = globs
        .filter(|(_, glob)| glob.matches(name))
        .map(|(rule, glob)| {
            let score = glob.specificity();
            MatchingGlob {
                rule: rule.name.clone(),
                glob: glob.as_str().to_owned(),
                literal_prefix: score.prefix,
                literals: score.literals,
            }
        })
        .collect();
    matching.sort_by_key(|glob| std::cmp::Reverse((glob.literal_prefix, glob.literals)));
    matching
}

fn of_rule(rule: &Rule) -> Vec<String> {
    let mut needs = Vec::new();
    match rule.action {
        Some(Action::Reject) => needs.push("nothing helps: the rule rejects every model".to_owned()),
        Some(Action::InsecureAllowUnverified) => {
            needs.push(
                "no evidence: the rule lets models load unverified, and only the baseline is checked".into(),
            );
        }
        _ => {}
    }
    match (rule.mode, &rule.enforce_after) {
        (Some(Mode::Audit), Some(after)) => {
            needs.push(format!("audit: what fails and may be relaxed is a warning until {after}"));
        }
        (Some(Mode::Audit), None) => {
            needs.push("audit: what fails and may be relaxed is a warning".to_owned())
        }
        _ => {}
    }
    let bind = match rule.bind {
        Some(Binding::Digest) => Some(format!(
            "the model's manifest digest is one of: {}",
            rule.digests.iter().map(|digest| digest.as_str()).collect::<Vec<_>>().join(", ")
        )),
        Some(Binding::Release) => Some("a signed release statement gives these bytes this name".to_owned()),
        Some(Binding::Provenance) => Some("the SLSA provenance gives these bytes this name".to_owned()),
        Some(Binding::Vsa) => Some("the verification summary gives these bytes this name".to_owned()),
        Some(Binding::Signer) => {
            Some("nothing binds the name: any model by these signers is accepted for it".to_owned())
        }
        Some(other) => Some(format!("the name is bound by: {other}")),
        None => None,
    };
    needs.extend(bind);
    if let Some(version) = &rule.min_version {
        needs.push(format!("the version in the binding statement is at least {version}"));
    }
    needs
}

fn of(policy: &Policy, wanted: &Requirements<'_>) -> Vec<String> {
    let mut needs = Vec::new();
    if let Some(signature) = wanted.signature {
        needs.extend(signed(policy, signature));
    }
    if let Some(content) = wanted.content {
        let list = |names: Vec<String>| names.join(", ");
        let names = |formats: &[modelseal_verify::policy::words::FileFormat]| {
            list(formats.iter().map(ToString::to_string).collect())
        };
        if !content.allow_formats.is_empty() {
            needs.push(format!("every file is one of: {}", names(&content.allow_formats)));
        }
        if !content.deny_formats.is_empty() {
            needs.push(format!("no file is one of: {}", names(&content.deny_formats)));
        }
        for (permission, what) in [
            (content.remote_code, "code that a loader would run"),
            (content.unsigned_files, "files that nobody signed"),
            (content.symlinks, "symbolic links"),
        ] {
            match permission {
                Some(Permission::Deny) => needs.push(format!("there are no {what}")),
                Some(Permission::Allow) => needs.push(format!("there may be {what}")),
                _ => {}
            }
        }
        needs.extend(content.max_pickle_tier.map(|most| format!("no pickle is of a tier above {most}")));
        needs.extend(
            content.max_verdict.map(|worst| format!("inspection says nothing worse than {worst} of a file")),
        );
        if let Some(paths) = &content.ignore_paths {
            needs.push(format!("the signer left out nothing but: {}", list(paths.clone())));
        }
        needs.extend(content.max_files.map(|most| format!("it has at most {most} files")));
        needs.extend(content.max_bytes.map(|most| format!("it has at most {most} bytes")));
    }
    if let Some(slsa) = wanted.slsa {
        needs.push(format!(
            "SLSA provenance of level {} or more by {}",
            slsa.min_level.number(),
            slsa.builders.join(" or ")
        ));
        needs.extend(slsa.source.as_ref().map(|source| format!("built from {source}")));
        needs.extend(slsa.source_ref.as_ref().map(|source| format!("built from the ref {source}")));
        let tests = slsa.external_parameters.iter();
        needs.extend(tests.map(|(pointer, test)| format!("build parameter {} is {test}", **pointer)));
    }
    if let Some(vsa) = wanted.vsa {
        let verifiers: Vec<&str> = vsa.verifiers.iter().map(|verifier| verifier.id.as_str()).collect();
        needs.push(format!(
            "a verification summary by {} that says PASSED with {}",
            verifiers.join(" or "),
            vsa.levels.join(", ")
        ));
    }
    for attestation in wanted.attestation {
        needs.push(format!(
            "attestation '{}' ({}) signed by {}",
            attestation.name,
            attestation.predicate_type,
            people(policy, &attestation.signers, attestation.threshold.map_or(1, std::num::NonZeroU32::get))
        ));
        let tests = attestation.where_.iter();
        needs.extend(tests.map(|(pointer, test)| format!("  its {} is {test}", **pointer)));
    }
    if let Some(bom) = wanted.aibom {
        let formats: Vec<String> = bom.formats.iter().map(ToString::to_string).collect();
        needs.push(format!("a signed bill of materials: {}", formats.join(" or ")));
    }
    if wanted.datasets.is_some() {
        needs.push("its datasets are declared, and allowed".to_owned());
    }
    needs
}

fn signed(policy: &Policy, signature: &Signature) -> Vec<String> {
    let least = signature.threshold.map_or(1, std::num::NonZeroU32::get);
    let mut needs = vec![format!("the model is signed by {}", people(policy, &signature.signers, least))];
    if signature.transparency == Some(Requirement::Required) {
        needs.push("the signature is in a transparency log".to_owned());
    }
    if signature.timestamp == Some(Requirement::Required) {
        needs.push("the signature has a signed timestamp".to_owned());
    }
    needs.extend(signature.max_age.map(|age| format!("the signature is at most {age} old")));
    needs.extend(signature.signed_after.map(|after| format!("the signature is from after {after}")));
    if !signature.hash_algorithms.is_empty() {
        let names: Vec<String> = signature.hash_algorithms.iter().map(ToString::to_string).collect();
        needs.push(format!("the files are hashed with {}", names.join(" or ")));
    }
    needs
}

/// `2 of alice, bob, carol`, by person and not by credential.
fn people(policy: &Policy, signers: &[String], least: u32) -> String {
    let mut people: Vec<&str> = signers.iter().map(|name| policy.document().principal_of(name)).collect();
    people.sort_unstable();
    people.dedup();
    match (least, &people[..]) {
        (1, [one]) => (*one).to_owned(),
        _ => format!("{least} of {}", people.join(", ")),
    }
}
