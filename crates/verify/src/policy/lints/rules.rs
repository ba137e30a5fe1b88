//! Rules and the baseline.

use super::Linter;
use crate::policy::{
    decode::{At, closest},
    document::{Attestation, Content, Datasets, Requirements, Rule, Signature, Signer, Slsa, Vsa},
    lint_table as lint, reference,
    testing::{PointerKey, Test},
    words::{Action, Binding, Mode, Requirement},
};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

pub(super) fn check(linter: &mut Linter<'_>) {
    let document = linter.document;
    let baseline = document.baseline.as_ref().map(|baseline| baseline.requirements());
    if let Some(baseline) = &baseline {
        requirements(linter, baseline, None, &At::ROOT.key("baseline"));
    }
    let table = At::ROOT.key("rule");
    for (i, one) in document.rule.iter().enumerate() {
        rule(linter, one, baseline.as_ref(), &table.index(i));
    }
    linter.distinct("rule", "name", document.rule.iter().map(|rule| rule.name.as_str()), &At::ROOT);
    ambiguity(linter);
}

fn rule(linter: &mut Linter<'_>, rule: &Rule, baseline: Option<&Requirements<'_>>, at: &At<'_>) {
    let models_at = at.key("models");
    for (i, glob) in rule.models.iter().enumerate() {
        let here = models_at.index(i);
        if let Some((why, in_host)) = reference::glob_fault(glob.as_str()) {
            let lint = if in_host { &lint::WILDCARD_IN_AUTHORITY } else { &lint::REFERENCE_NOT_CANONICAL };
            linter.complain(
                lint,
                &here,
                format!("{:?} matches no canonical reference: {why}", glob.as_str()),
                None,
            );
        }
    }
    let action = rule.action.unwrap_or(Action::Verify);
    if action == Action::InsecureAllowUnverified
        && let Some(i) = rule.models.iter().position(|glob| glob.as_str() == "**")
    {
        let message = "the rule lets every model be loaded unverified";
        let help = "list the models that it is for".to_owned();
        linter.complain(&lint::INSECURE_GLOBAL, &models_at.index(i), message, Some(help));
    }
    let mine = rule.requirements();
    requirements(linter, &mine, baseline, at);
    if action == Action::Verify {
        evidence(linter, rule, baseline, at);
        binding(linter, rule, baseline, at);
    } else {
        let fields = [
            "bind",
            "digests",
            "min-version",
            "signature",
            "content",
            "slsa",
            "vsa",
            "attestation",
            "aibom",
            "datasets",
        ];
        for field in fields {
            if linter.is_written(&at.key(field)) {
                let message = format!("`{field}` is not looked at in a rule with action = \"{action}\"");
                let help =
                    "leave it out, or write requirements on unverified models under [baseline]".to_owned();
                linter.complain(&lint::IGNORED_REQUIREMENT, &at.key(field), message, Some(help));
            }
        }
    }
    if rule.enforce_after.is_some() && rule.mode != Some(Mode::Audit) {
        let message = "the rule enforces already, so `enforce-after` has no effect";
        let help = "add mode = \"audit\", or leave enforce-after out".to_owned();
        linter.complain(&lint::ENFORCE_AFTER_NEEDS_AUDIT, &at.key("enforce-after"), message, Some(help));
    }
}

/// Somebody must have said something about the model.
fn evidence(linter: &mut Linter<'_>, rule: &Rule, baseline: Option<&Requirements<'_>>, at: &At<'_>) {
    let asks = |r: &Requirements<'_>| {
        r.signature.is_some()
            || r.slsa.is_some()
            || r.vsa.is_some()
            || !r.attestation.is_empty()
            || r.aibom.is_some()
    };
    let pinned = rule.bind == Some(Binding::Digest);
    if !asks(&rule.requirements()) && !baseline.is_some_and(asks) && !pinned {
        let message = format!("the rule {:?} asks for no evidence, so every model meets it", rule.name);
        let help = "add signature, slsa, vsa, attestation or aibom".to_owned();
        linter.complain(&lint::VACUOUS_RULE, &at.key("name"), message, Some(help));
    }
}

fn binding(linter: &mut Linter<'_>, rule: &Rule, baseline: Option<&Requirements<'_>>, at: &At<'_>) {
    let several = rule.models.len() > 1 || rule.models.iter().any(|glob| !glob.is_literal());
    let enforces = rule.mode != Some(Mode::Audit) || rule.enforce_after.is_some();
    let bind_at = at.key("bind");
    let asked = |of: &dyn Fn(&Requirements<'_>) -> bool| of(&rule.requirements()) || baseline.is_some_and(of);
    let missing = match rule.bind {
        None if several && enforces && !linter.is_written(&bind_at) => {
            let message = format!(
                "the rule {:?} covers several names and does not say how a name is proven",
                rule.name
            );
            let help = "write bind = \"digest\", \"release\", \"provenance\" or \"vsa\"; bind = \"signer\" proves nothing \
                        about the name, and must be written too";
            linter.complain(&lint::BIND_REQUIRED, &at.key("models"), message, Some(help.to_owned()));
            None
        }
        Some(Binding::Digest) if rule.digests.is_empty() => {
            let message = "the rule is bound by digest and lists none";
            let help = "write digests = [\"manifest-sha256:..\"]".to_owned();
            linter.complain(&lint::BIND_DIGEST_WITHOUT_DIGESTS, &bind_at, message, Some(help));
            None
        }
        Some(Binding::Signer) if several => {
            let message =
                "anything that these signers ever signed satisfies the rule under each of its names";
            let help = "let them sign release statements and write bind = \"release\"".to_owned();
            linter.complain(&lint::SUBSTITUTION, &bind_at, message, Some(help));
            None
        }
        Some(Binding::Release) if !asked(&|r| r.signature.is_some()) => {
            Some("a `signature` block: the release statement is by the same principals")
        }
        Some(Binding::Signer) if !asked(&|r| r.signature.is_some()) => Some("a `signature` block"),
        Some(Binding::Provenance) if !asked(&|r| r.slsa.is_some()) => Some("an `slsa` block"),
        Some(Binding::Vsa) if !asked(&|r| r.vsa.is_some()) => Some("a `vsa` block"),
        _ => None,
    };
    if let (Some(missing), Some(bind)) = (missing, rule.bind) {
        let message = format!("bind = \"{bind}\" needs {missing}");
        linter.complain(&lint::BIND_WITHOUT_EVIDENCE, &bind_at, message, None);
    }
    if !rule.digests.is_empty() && rule.bind != Some(Binding::Digest) {
        let message = "`digests` are only looked at with bind = \"digest\"";
        linter.complain(
            &lint::DIGESTS_WITHOUT_BIND,
            &at.key("digests"),
            message,
            Some("write bind = \"digest\"".to_owned()),
        );
    }
    if rule.min_version.is_some() && rule.bind != Some(Binding::Release) {
        let message = "only a release statement has a version to compare `min-version` with";
        let help = "write bind = \"release\"".to_owned();
        linter.complain(&lint::MIN_VERSION_NEEDS_VERSION, &at.key("min-version"), message, Some(help));
    }
}

fn requirements(
    linter: &mut Linter<'_>,
    block: &Requirements<'_>,
    baseline: Option<&Requirements<'_>>,
    at: &At<'_>,
) {
    if let Some(one) = block.signature {
        signature(linter, one, &at.key("signature"));
    }
    if let Some(one) = block.content {
        let above = baseline.and_then(|baseline| baseline.content);
        content(linter, one, above, &at.key("content"));
    }
    if let Some(one) = block.slsa {
        slsa(linter, one, &at.key("slsa"));
    }
    if let Some(one) = block.vsa {
        vsa(linter, one, &at.key("vsa"));
    }
    let table = at.key("attestation");
    for (i, one) in block.attestation.iter().enumerate() {
        attestation(linter, one, &table.index(i));
    }
    linter.distinct("attestation", "name", block.attestation.iter().map(|a| a.name.as_str()), at);
    if let Some(aibom) = block.aibom {
        linter.signers(&aibom.signers, aibom.threshold.map(NonZeroU32::get), true, &at.key("aibom"));
    }
    if let Some(one) = block.datasets {
        datasets(linter, one, &at.key("datasets"));
    }
}

fn signature(linter: &mut Linter<'_>, signature: &Signature, at: &At<'_>) {
    linter.signers(&signature.signers, signature.threshold.map(NonZeroU32::get), true, at);
    let logged = match signature.transparency {
        Some(requirement) => requirement == Requirement::Required,
        None => signature
            .signers
            .iter()
            .all(|name| matches!(linter.document.signers.get(name), Some(Signer::Keyless(_)))),
    };
    let timed = logged || signature.timestamp == Some(Requirement::Required);
    for (field, given) in
        [("max-age", signature.max_age.is_some()), ("signed-after", signature.signed_after.is_some())]
    {
        if given && !timed {
            let message =
                format!("`{field}` needs a time that the signer did not choose, and none is required");
            let help = "add timestamp = \"required\" or transparency = \"required\"".to_owned();
            linter.complain(&lint::MAX_AGE_NEEDS_TRUSTED_TIME, &at.key(field), message, Some(help));
        }
    }
}

fn content(linter: &mut Linter<'_>, content: &Content, baseline: Option<&Content>, at: &At<'_>) {
    let denied_above = baseline.map(|content| content.deny_formats.as_slice()).unwrap_or_default();
    let list = at.key("allow-formats");
    for (i, format) in content.allow_formats.iter().enumerate() {
        let by = if content.deny_formats.contains(format) {
            "denied too"
        } else if denied_above.contains(format) {
            "denied by the baseline, which a rule cannot relax"
        } else {
            continue;
        };
        linter.complain(&lint::FORMAT_CONFLICT, &list.index(i), format!("\"{format}\" is {by}"), None);
    }
}

fn slsa(linter: &mut Linter<'_>, slsa: &Slsa, at: &At<'_>) {
    let list = at.key("builders");
    for (i, name) in slsa.builders.iter().enumerate() {
        let here = list.index(i);
        linter.refers("builders", name, &here);
        if let Some(builder) = linter.document.builders.get(name)
            && builder.max_level < slsa.min_level
        {
            let (most, least) = (builder.max_level.number(), slsa.min_level.number());
            let message =
                format!("the builder {name:?} is granted level {most}, and level {least} is needed");
            linter.complain(&lint::BUILDER_BELOW_MIN_LEVEL, &here, message, None);
        }
    }
    linter.patterns([("source", slsa.source.as_ref()), ("source-ref", slsa.source_ref.as_ref())], at);
    tests(linter, &slsa.external_parameters, &at.key("external-parameters"));
    if let Some(depth) = slsa.base_models.as_ref().and_then(|base| base.max_depth)
        && depth.get() > MAX_BASE_MODEL_DEPTH
    {
        let message =
            format!("{depth} generations of base models, where {MAX_BASE_MODEL_DEPTH} is the limit");
        linter.complain(&lint::LIMIT, &at.key("base-models").key("max-depth"), message, None);
    }
}

/// Most generations of base models that are verified.
const MAX_BASE_MODEL_DEPTH: u32 = 8;

fn vsa(linter: &mut Linter<'_>, vsa: &Vsa, at: &At<'_>) {
    let list = at.key("verifiers");
    for (i, verifier) in vsa.verifiers.iter().enumerate() {
        linter.refers("signers", &verifier.signer, &list.index(i).key("signer"));
    }
    linter
        .patterns([("resource-uri", vsa.resource_uri.as_ref()), ("policy-uri", vsa.policy_uri.as_ref())], at);
}

fn attestation(linter: &mut Linter<'_>, attestation: &Attestation, at: &At<'_>) {
    linter.signers(&attestation.signers, attestation.threshold.map(NonZeroU32::get), true, at);
    if !is_uri(&attestation.predicate_type) && linter.is_written(&at.key("predicate-type")) {
        let message = format!("{:?} is no URI", attestation.predicate_type);
        let near = closest(&attestation.predicate_type, SHORT_NAMES.iter().map(|(short, _)| *short));
        let uri = near.and_then(|near| SHORT_NAMES.iter().find(|(short, _)| *short == near));
        let help = match uri {
            Some((_, uri)) => format!("did you mean {uri:?}?"),
            None => "write the type's whole URI, as it stands in the statement".to_owned(),
        };
        linter.complain(&lint::PREDICATE_TYPE_NOT_URI, &at.key("predicate-type"), message, Some(help));
    }
    if attestation.where_.is_empty() && !linter.is_written(&at.key("where")) {
        let message = format!("`{at}` is content with any statement of its type, whatever it says");
        let help = "test what it says under `where`".to_owned();
        linter.complain(&lint::UNTESTED_PREDICATE, &at.key("predicate-type"), message, Some(help));
    }
    tests(linter, &attestation.where_, &at.key("where"));
}

/// What other tools call some predicate types.
const SHORT_NAMES: [(&str, &str); 6] = [
    ("slsaprovenance", "https://slsa.dev/provenance/v1"),
    ("vsa", "https://slsa.dev/verification_summary/v1"),
    ("test-result", "https://in-toto.io/attestation/test-result/v0.1"),
    ("release", "https://in-toto.io/attestation/release/v0.2"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("spdx", "https://spdx.dev/Document"),
];

/// A scheme and something after it, without spaces.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !rest.is_empty()
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn tests(linter: &mut Linter<'_>, tests: &BTreeMap<PointerKey, Test>, at: &At<'_>) {
    for (pointer, test) in tests {
        let here = at.key(pointer.as_str());
        if pointer.is_many() && !matches!(test, Test::Every(_) | Test::Some(_)) {
            let message = format!(
                "{:?} names many elements, and it is not said how many of them must pass",
                pointer.as_str()
            );
            let help = "write { every = .. } or { some = .. }".to_owned();
            linter.complain(&lint::WILDCARD_NEEDS_QUANTIFIER, &here, message, Some(help));
        }
        let mut inner = test;
        while let Test::Every(next) | Test::Some(next) = inner {
            inner = next;
        }
        let everything = match inner {
            Test::Glob(glob) => glob.as_str() == "**",
            Test::Regex(pattern) => pattern.matches_everything(),
            _ => false,
        };
        if everything {
            let message = format!("the pattern for {:?} matches everything", pointer.as_str());
            let help = "write { any = true } to say that any value will do".to_owned();
            linter.complain(&lint::MATCH_EVERYTHING, &here, message, Some(help));
        }
    }
}

fn datasets(linter: &mut Linter<'_>, datasets: &Datasets, at: &At<'_>) {
    let list = at.key("allow");
    for (i, value) in datasets.allow.iter().enumerate() {
        linter.pattern(value, &list.index(i));
    }
}

/// Two rules that are equally specific for one name.
fn ambiguity(linter: &mut Linter<'_>) {
    let document = linter.document;
    // Only globs with the same text before the first wildcard and as many characters can tie.
    let mut groups: BTreeMap<(&str, usize), Vec<(usize, usize)>> = BTreeMap::new();
    for (i, rule) in document.rule.iter().enumerate() {
        for (j, glob) in rule.models.iter().enumerate() {
            groups.entry((glob.literal_prefix(), glob.specificity().literals)).or_default().push((i, j));
        }
    }
    let glob_of = |(i, j): (usize, usize)| document.rule.get(i).and_then(|rule| rule.models.get(j));
    let mut budget = COMPARISONS;
    let table = At::ROOT.key("rule");
    for places in groups.values() {
        for (n, later) in places.iter().enumerate() {
            for earlier in places.iter().take(n).filter(|earlier| earlier.0 != later.0) {
                let (Some(a), Some(b)) = (glob_of(*earlier), glob_of(*later)) else { continue };
                let work = a.as_str().len() * b.as_str().len();
                let same = a == b;
                if !same && budget < work {
                    // A tie that is not found here is an error once a name meets it.
                    continue;
                }
                budget = budget.saturating_sub(if same { 1 } else { work });
                if same || a.overlaps(b) {
                    let name = document.rule.get(earlier.0).map_or("", |rule| rule.name.as_str());
                    let message = format!(
                        "{:?} is as specific as {:?} of rule {name:?}, and some name matches both",
                        b.as_str(),
                        a.as_str(),
                    );
                    let help = "make one of them longer before its first wildcard".to_owned();
                    let rule_at = table.index(later.0);
                    let models_at = rule_at.key("models");
                    linter.complain(&lint::AMBIGUOUS_RULE, &models_at.index(later.1), message, Some(help));
                    break;
                }
            }
        }
    }
}

/// Work that looking for ambiguous rules may cost: pairs of places in two globs.
const COMPARISONS: usize = 5_000_000;
