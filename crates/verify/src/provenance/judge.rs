//! [`judge`]: every check of one provenance.

use super::{
    Check, Compared, Expectations, Granted, Judgement, Outcome, Parameter, claims,
    compare::{self, escaped},
    producer::{Producer, commits},
};
use crate::{
    decision::Code,
    policy::{
        testing::{PointerKey, Test},
        values::Level,
    },
    signer::Signer,
    verified::Verified,
};
use modelseal_core::{
    attestation::{Attestation, Subject},
    cover::{Cover, NearMiss, Target},
    json::{pointer::Pointer, value::Value as Json},
    predicate::{
        Predicate,
        build_type::Unresolved,
        error::PredicateError,
        slsa_provenance::{Provenance, Source},
    },
    text::{Printable, ShellQuoted},
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Judges a verified attestation; `None` when it is no provenance. `targets` are the model as it was measured, once for each
/// way of measuring; none when it was not.
#[must_use]
pub fn judge(
    attested: &Verified<Attestation>,
    targets: &[Target<'_>],
    expected: &Expectations,
) -> Option<Judgement> {
    let attestation = attested.get();
    let Predicate::Provenance(provenance) = &attestation.predicate else { return None };
    let case = Case::new(provenance, attested.signer(), expected);
    let cover = cover(targets, &attestation.subjects);
    let level = case.level();
    let (parameters, unresolved) = (case.parameters(), case.unresolved());
    let mut checks = vec![subject(cover.as_ref())];
    checks.extend(
        case.claims.map(|claims| claims::check(case.producer, claims, provenance)).unwrap_or_default(),
    );
    checks.push(case.builder());
    checks.push(case.granted(&level));
    checks.push(case.build_type());
    checks.extend(case.source_checks());
    checks.extend(case.parameter_checks(&parameters));
    checks.extend(case.inputs(&unresolved));
    Some(Judgement {
        producer: case.producer,
        build_type: provenance.build_type.clone(),
        builder_id: provenance.builder_id.clone(),
        source: case.source,
        commits: case.commits,
        level,
        cover,
        parameters,
        unresolved,
        checks,
    })
}

/// The most that any measurement shows to be covered.
fn cover(targets: &[Target<'_>], subjects: &[Subject]) -> Option<Cover> {
    let rank = |cover: &Cover| match cover {
        Cover::Full(_) => 0,
        Cover::Partial { .. } => 1,
        Cover::None(near) if !near.is_empty() => 2,
        Cover::None(_) => 3,
    };
    targets.iter().map(|target| target.cover(subjects)).min_by_key(rank)
}

fn subject(cover: Option<&Cover>) -> Check {
    let check = Check::new("subject");
    let Some(cover) = cover else {
        return Check { outcome: Outcome::Skipped, ..check.pass("the model was not measured") };
    };
    let failed = || check.clone().fail(Code::AttestationSubjectMismatch, format!("the subject is {cover}"));
    let whole =
        "have the provenance made about the whole model: with its dirHash, or with every file as a subject";
    match cover {
        Cover::Full(by) => check.clone().pass(format!("the subject is {by}")),
        Cover::Partial { .. } => failed().fix(whole),
        Cover::None(near) if near.iter().any(|miss| matches!(miss, NearMiss::RootDigestOnly { .. })) => {
            failed().fix(whole)
        }
        Cover::None(_) => {
            failed().fix("give the provenance of this model, or the model that the provenance is about")
        }
    }
}

/// One provenance, with what is derived from it.
struct Case<'a> {
    provenance: &'a Provenance,
    expected: &'a Expectations,
    claims: Option<&'a BTreeMap<String, String>>,
    producer: Producer,
    source: Option<Source>,
    commits: BTreeSet<String>,
    /// Those of parameters, and of the inputs that this build type records.
    tests: compare::Tests,
}

impl<'a> Case<'a> {
    fn new(provenance: &'a Provenance, signer: &'a Signer, expected: &'a Expectations) -> Self {
        let (producer, claims) = (Producer::of(&provenance.build_type), claims::of(signer));
        let mut source = provenance.source();
        if let (Some(source), Some(claims)) = (&mut source, claims)
            && source.reference.is_none()
        {
            source.reference = claims::reference(producer, claims).map(str::to_owned);
        }
        let inputs = expected.inputs.iter().filter_map(|(name, test)| {
            let pointer = Pointer::parse(&producer.input_pointer(name)?).ok()?;
            Some((PointerKey(pointer), test.clone()))
        });
        let mut tests: compare::Tests = inputs.collect();
        tests.extend(expected.parameters.clone());
        Self { provenance, expected, claims, producer, source, commits: commits(provenance), tests }
    }

    /// Whether so much is asked for that nothing may go uncompared.
    fn strict(&self) -> bool {
        self.expected.min_level > Level::ONE
    }

    fn level(&self) -> Granted {
        let found = Printable(&self.provenance.builder_id);
        let Some(builder) = &self.expected.builder else {
            let because = "provenance exists; no builder was named that could be worth more".to_owned();
            return Granted { level: Level::ONE, because };
        };
        if builder.level > Level::ONE && !builder.is_named() {
            let because =
                "the pattern for the builder's id would match anybody's, and names nobody".to_owned();
            return Granted { level: Level::ONE, because };
        }
        if !builder.id.matches(&self.provenance.builder_id) {
            return Granted {
                level: Level::ONE,
                because: "the builder is another than the one named".to_owned(),
            };
        }
        match claims::cap(self.producer, self.claims, self.provenance) {
            Some(why) if builder.level > Level::ONE => {
                Granted { level: Level::ONE, because: format!("{why}, whatever '{found}' is granted") }
            }
            _ => Granted {
                level: builder.level,
                because: format!("this verifier grants it to '{found}' together with this signer"),
            },
        }
    }

    fn builder(&self) -> Check {
        let found = &self.provenance.builder_id;
        match &self.expected.builder {
            None => Check::new("builder")
                .not_compared(format!("builder.id is '{}', which nobody named", Printable(found)))
                .actual(json!(found))
                .fix(format!("to accept this builder only, add --builder-id {}", ShellQuoted(found))),
            Some(wanted) => with_fix(
                Check::of("builder", compare::builder_id(&wanted.id, self.provenance), || {
                    format!("builder.id is '{}'", Printable(found))
                }),
                "use the model that the named builder built, or find out who this builder is before naming it",
            ),
        }
    }

    fn granted(&self, granted: &Granted) -> Check {
        let number = granted.level.number();
        let fix = if self.expected.builder.is_none() {
            format!(
                "name the builder and say what it is worth to you: --builder-id {} --builder-level {}",
                ShellQuoted(&self.provenance.builder_id),
                self.expected.min_level.number()
            )
        } else {
            format!("{}; grant more with --builder-level only to a builder that deserves it", granted.because)
        };
        let fault = compare::level(granted.level, self.expected.min_level);
        let passed = || format!("SLSA Build L{number}: {}", granted.because);
        with_fix(Check::of("level", fault, passed), &fix)
    }

    fn build_type(&self) -> Check {
        let found = &self.provenance.build_type;
        let shown = || format!("buildType is '{}'", Printable(found));
        if self.expected.build_types.is_empty() {
            return Check::new("build-type")
                .not_compared(format!("{}, {}", shown(), self.producer))
                .actual(json!(found))
                .fix(format!("to accept this build type only, add --build-type {}", ShellQuoted(found)));
        }
        let fault = compare::build_type(&self.expected.build_types, self.provenance);
        with_fix(Check::of("build-type", fault, shown), "use the model that was made in the expected way")
    }

    fn source_checks(&self) -> Vec<Check> {
        let repository = self.source.as_ref().map(|source| source.repository.as_str());
        let reference = self.source.as_ref().and_then(|source| source.reference.as_deref());
        let of = |id, flag: &str, found: Option<&str>| {
            let Some(found) = found else {
                return Check::new(id).not_compared("the provenance states none");
            };
            let check = Check::new(id).not_compared(format!("'{}'", Printable(found))).actual(json!(found));
            check.fix(format!("to accept this one only, add {flag} {}", ShellQuoted(found)))
        };
        let source = match &self.expected.source {
            Some(wanted) => with_fix(
                Check::of("source", compare::source(wanted, repository), || {
                    format!("built from '{}'", Printable(repository.unwrap_or_default()))
                }),
                "use the model that was built from the expected source",
            ),
            // Of parameters that hold it, the check of parameters says the same.
            None => of("source", "--source-uri", repository),
        };
        let source_ref = match &self.expected.source_ref {
            Some(wanted) => with_fix(
                Check::of("source-ref", compare::source_ref(wanted, reference), || {
                    format!("at '{}'", Printable(reference.unwrap_or_default()))
                }),
                "use the model that was built from the expected branch or tag",
            ),
            None => of("source-ref", "--source-ref", reference),
        };
        let commit = self.commits.iter().next().map(String::as_str);
        let source_digest = match &self.expected.source_digest {
            Some(wanted) => self.commit(wanted),
            None => of("source-digest", "--source-digest", commit),
        };
        vec![source, source_ref, source_digest]
    }

    fn commit(&self, wanted: &str) -> Check {
        let found: Vec<&str> = self.commits.iter().map(String::as_str).collect();
        let check = Check::new("source-digest");
        if found == [wanted] {
            return check.pass(format!("at commit {wanted}"));
        }
        let shown = if found.is_empty() { "not stated".to_owned() } else { found.join(" and ") };
        check
            .fail(
                Code::SlsaSourceDigestMismatch,
                format!("the commit is {}, expected {}", Printable(&shown), Printable(wanted)),
            )
            .expected(json!(wanted))
            .actual(json!(found))
            .fix("use the model that was built from the expected commit")
    }

    /// Every value of the external parameters, with whether it is compared with anything.
    fn parameters(&self) -> Vec<Parameter> {
        let untested = compare::untested_parameters(&self.tests, self.provenance);
        let untested: BTreeSet<&str> = untested.iter().map(String::as_str).collect();
        // The value itself is untested, or something that it is a part of.
        let is_untested = |pointer: &str| {
            let ancestors = pointer.match_indices('/').map(|(at, _)| &pointer[..at]);
            ancestors.chain([pointer]).any(|path| untested.contains(path))
        };
        let mut leaves = Vec::new();
        for (name, value) in &self.provenance.external_parameters {
            collect(&format!("/{}", escaped(name)), value, &mut leaves);
        }
        leaves
            .into_iter()
            .map(|(pointer, value)| {
                let compared = if self.is_compared_elsewhere(&pointer, value) {
                    Compared::Yes
                } else if !is_untested(&pointer) {
                    if self.is_any(&pointer) { Compared::Accepted } else { Compared::Yes }
                } else if self.producer.defines(&pointer) {
                    Compared::Defined
                } else {
                    Compared::Unknown
                };
                Parameter { pointer, value: value.clone(), compared }
            })
            .collect()
    }

    /// Whether all tests that look at this parameter let any value pass.
    fn is_any(&self, pointer: &str) -> bool {
        let above = |test: &str| {
            pointer.strip_prefix(test).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let below = format!("{pointer}/");
        let mut tests =
            self.tests.iter().filter(|(at, _)| above(at.as_str()) || at.as_str().starts_with(&below));
        tests.all(|(_, test)| matches!(test, Test::Any | Test::Exists(_)))
    }

    /// Whether the checks of source and builder look at this parameter.
    fn is_compared_elsewhere(&self, pointer: &str, value: &Json) -> bool {
        let expected = self.expected;
        let (repository, reference) = self.producer.source_pointers();
        let has_source = self.source.is_some();
        let by_source = has_source && pointer == repository && expected.source.is_some();
        if pointer == repository && repository == reference {
            // One text holds both.
            let has_ref = value.as_str().is_some_and(|text| Source::split(text).reference.is_some());
            return by_source && (!has_ref || expected.source_ref.is_some());
        }
        by_source
            || (has_source && pointer == reference && expected.source_ref.is_some())
            || (pointer.starts_with("/configSource/digest/") && expected.source_digest.is_some())
            || (pointer == "/workflow/path" && self.is_path_of_builder(value))
    }

    /// Whether the builder that was named is the workflow at this path, at the ref that it was built from.
    fn is_path_of_builder(&self, value: &Json) -> bool {
        let (Some(path), Some(source)) = (value.as_str(), &self.source) else { return false };
        let reference = source.reference.as_deref().unwrap_or_default();
        self.expected.builder.is_some()
            && self.producer.is_github()
            && self.provenance.builder_id == format!("{}/{path}@{reference}", source.repository)
    }

    fn parameter_checks(&self, parameters: &[Parameter]) -> Vec<Check> {
        let mut checks = Vec::new();
        for fault in compare::parameters(&self.tests, self.provenance) {
            let check = Check::of("parameters", Some(fault), String::new);
            checks.push(check.fix("use the model that was built with the expected parameters"));
        }
        if let Some(name) =
            self.expected.inputs.keys().find(|name| self.producer.input_pointer(name).is_none())
        {
            let message = format!("the input '{}' is not recorded by this build type", Printable(name));
            checks.push(
                Check::new("parameters")
                    .fail(Code::SlsaParameterMismatch, message)
                    .fix("build with a producer that records inputs, or leave the flag out"),
            );
        }
        let count = |wanted| parameters.iter().filter(|p| p.compared == wanted).count();
        let code = |parameter: &Parameter| match parameter.compared {
            Compared::Unknown => Some(Code::SlsaParameterUnknown),
            Compared::Defined if self.strict() => Some(Code::SlsaNotCompared),
            _ => None,
        };
        // Above level 1 whatever is accepted unseen has to be accepted by name.
        let lenient = self.expected.allow_unknown_parameters && !self.strict();
        let open = parameters.iter().filter(|_| !lenient);
        let open: Vec<(&Parameter, Code)> = open.filter_map(|p| Some((p, code(p)?))).collect();
        for (Parameter { pointer, value, .. }, code) in open.iter().take(MAX_PARAMETERS) {
            let shown = shortened(value);
            let message =
                format!("{} is {}, which nothing was compared with", Printable(pointer), Printable(&shown));
            checks.push(
                Check::new("parameters")
                    .fail(*code, message)
                    .actual(json!({ "parameter": pointer, "value": value }))
                    .fix(self.advice(pointer, value)),
            );
        }
        if let Some((_, code)) = open.get(MAX_PARAMETERS) {
            let more = open.len().saturating_sub(MAX_PARAMETERS);
            let message = format!("{more} more parameters that nothing was compared with");
            checks.push(Check::new("parameters").fail(*code, message));
        }
        if checks.is_empty() {
            let (yes, defined) = (count(Compared::Yes), count(Compared::Defined));
            let unseen = count(Compared::Accepted) + count(Compared::Unknown);
            let message = format!(
                "{yes} of {} compared; {defined} not compared and known to the build type; {unseen} not compared and \
                 accepted unseen",
                parameters.len()
            );
            let all = defined + unseen == 0;
            let check = Check::new("parameters");
            checks.push(if all { check.pass(message) } else { check.not_compared(message) });
        }
        checks
    }

    /// The flag that compares this parameter.
    fn advice(&self, pointer: &str, value: &Json) -> String {
        let (repository, reference) = self.producer.source_pointers();
        let source = self.source.as_ref();
        let is_source = source.is_some() && (pointer == repository || pointer == reference);
        if let Some(source) = source.filter(|_| is_source) {
            let mut flags = Vec::new();
            if pointer == repository && self.expected.source.is_none() {
                flags.push(format!("--source-uri {}", ShellQuoted(&source.repository)));
            }
            if let Some(found) = source.reference.as_deref().filter(|_| pointer == reference)
                && self.expected.source_ref.is_none()
            {
                flags.push(format!("--source-ref {}", ShellQuoted(found)));
            }
            return format!("if it is right, say so with {}", flags.join(" "));
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let pair = format!("{pointer}={text}");
        let pair = ShellQuoted(&pair);
        if self.strict() {
            let any = ShellQuoted(pointer);
            return format!(
                "if it is right, say so with --parameter {pair}; or accept any value with --any-parameter {any}"
            );
        }
        format!(
            "if it is right, say so with --parameter {pair}; or accept what is not known with --allow-unknown-parameters"
        )
    }

    fn unresolved(&self) -> Vec<Unresolved> {
        match self.producer {
            Producer::Modelseal(build_type) => build_type.unresolved(self.provenance),
            _ => Vec::new(),
        }
    }

    /// What modelseal's own build types say besides: parameters of the right kind, and every input pinned.
    fn inputs(&self, unresolved: &[Unresolved]) -> Vec<Check> {
        let Producer::Modelseal(build_type) = self.producer else { return Vec::new() };
        let mut checks = Vec::new();
        match build_type.check(self.provenance) {
            // Said above, with what can be done about it.
            Ok(()) | Err(PredicateError::UnknownParameter { .. }) => {}
            Err(error) => checks.push(
                Check::new("inputs")
                    .fail(Code::SlsaParameterMismatch, error.to_string())
                    .fix("have the provenance made again, as the page of the build type says"),
            ),
        }
        let accepted = self.expected.allow_unresolved;
        for Unresolved { at, uri, why } in unresolved {
            let message = format!("UNRESOLVED {}: '{}': {why}", Printable(at), Printable(uri));
            let check = Check::new("inputs").actual(json!({ "at": at, "uri": uri }));
            checks.push(if accepted {
                check.not_compared(message)
            } else {
                check.fail(Code::SlsaInputUnresolved, message).fix(
                    "have the provenance made again with the input's digest, or accept it with --allow-unresolved",
                )
            });
        }
        if checks.is_empty() {
            checks.push(Check::new("inputs").pass("every input is pinned by a digest"));
        }
        checks
    }
}

fn with_fix(check: Check, fix: &str) -> Check {
    if check.outcome == Outcome::Fail { check.fix(fix) } else { check }
}

/// The values inside objects; a list is one value. What is not there is none.
fn collect<'v>(pointer: &str, value: &'v Json, leaves: &mut Vec<(String, &'v Json)>) {
    match value {
        Json::Null => {}
        Json::Array(items) if items.is_empty() => {}
        Json::Object(members) => {
            for (name, value) in members {
                collect(&format!("{pointer}/{}", escaped(name)), value, leaves);
            }
        }
        _ => leaves.push((pointer.to_owned(), value)),
    }
}

/// Parameters that have a check of their own because nothing was compared with them.
const MAX_PARAMETERS: usize = 100;

/// Characters of a value in a message.
const SHOWN: usize = 120;

fn shortened(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{} ..", &text[..at]),
        None => text,
    }
}
