//! `modelseal verify --policy`.

use crate::{
    args::{EffortArgs, PolicyArgs, ResultArgs, TrustArgs, VerifyPolicyArgs},
    commands::{
        policy::signing_key,
        sign::files_text,
        verify::{frozen_note, print_kernel},
    },
    exit::{Exit, Failure},
    files,
    output::{
        Output,
        findings::{Finding, Findings, Outcome},
    },
    places,
    progress::Bar,
};
use modelseal::{
    DecideRequest, Decided, Policies, Printable, Signer, SummaryForm, VerdictCache,
    policy::{Code, Reference},
    report::{BaseModelReport, Check, Status, Verdict, VerifyReport},
};
use serde_json::Value;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

/// `freeze` asks to freeze the model before it is measured.
pub fn run(args: &VerifyPolicyArgs, freeze: bool, output: &Output) -> Result<Exit, Failure> {
    let model = &args.model.path;
    let signer = prepare(&args.results, model)?;
    let policies = load(&args.policies)?;
    let mut request =
        modelseal::decide(model).under(&policies).freezing(freeze).complete(args.results.vsa_on_deny);
    if let Some(reference) = &args.reference {
        request = request.named(reference)?;
    }
    let evidence = Evidence {
        bundle: &args.bundle,
        bundle_dir: &args.bundle_dir,
        base: &args.base,
        store: args.store.as_deref(),
        remember_version: args.remember_version,
    };
    let request = evidence.with(request, &args.effort)?;
    let decided = request.run(&Bar::start())?;
    let mut notes = write_results(&args.results, model, &policies, &decided, signer.as_deref())?;
    let warned = decided.report().with(Status::Warn).count();
    let (exit, report) = match decided.into_allowed(args.accept_unverified) {
        Ok(allowed) => (Exit::Done, allowed.report().clone()),
        Err(denial) => {
            let interrupted = denial.report().code.as_deref() == Some("error.cancelled");
            (if interrupted { Exit::Interrupted } else { denial.kind().into() }, denial.report().clone())
        }
    };
    let mut report = report;
    if report.verdict == Verdict::AllowUnverified && exit != Exit::Done {
        notes.push("nothing about this model was verified; --accept-unverified lets it through".into());
    }
    let exit = if exit == Exit::Done && warned > 0 && args.warnings_as_errors {
        notes.push(format!("denied because of {warned} warnings and --warnings-as-errors"));
        Exit::Denied
    } else {
        exit
    };
    report.notes.extend(notes);
    if freeze {
        report.notes.extend(frozen_note(&report, exit == Exit::Done));
    }
    if output.wants_findings() {
        output.findings(&findings(&report))?;
        return Ok(exit);
    }
    if !output.is_json() {
        let mut text = Vec::new();
        if print_checks(&mut text, &report, exit).is_ok() && !text.is_empty() {
            output.diagnostic(String::from_utf8_lossy(&text).trim_end());
        }
        output.warnings(&report.notes);
    }
    if exit == Exit::Done || output.is_json() {
        output.result(&report, |out| print_success(out, &report))?;
    }
    Ok(exit)
}

/// What the flags of `verify --policy` and of `exec` say alike.
pub struct Evidence<'a> {
    pub bundle: &'a [PathBuf],
    pub bundle_dir: &'a [PathBuf],
    pub base: &'a [String],
    pub store: Option<&'a Path>,
    pub remember_version: bool,
}

impl Evidence<'_> {
    /// Adds it to a request, and how much that may take.
    pub fn with<P>(
        self,
        request: DecideRequest<P>,
        effort: &EffortArgs,
    ) -> Result<DecideRequest<P>, Failure> {
        let mut request = request.memory(effort.memory).high_water(self.remember_version);
        if let Some(threads) = effort.threads {
            request = request.threads(threads);
        }
        for bundle in self.bundle {
            request = request.bundle(bundle);
        }
        for directory in self.bundle_dir {
            request = request.bundle_dir(directory);
        }
        for base in self.base {
            let (reference, path) = named_path("--base", base)?;
            request = request.base_model(reference, path)?;
        }
        if let Some(store) = self.store {
            request = request.store(store);
        }
        Ok(request)
    }
}

/// `REFERENCE=PATH`. Either part may have more of the character: the first that ends a reference counts.
pub fn named_path<'a>(flag: &str, given: &'a str) -> Result<(&'a str, &'a str), Failure> {
    let mut splits = given.match_indices('=').filter_map(|(at, _)| {
        let (name, path) = (given.get(..at)?, given.get(at + 1..)?);
        (!path.is_empty()).then_some((name, path))
    });
    splits.find(|(name, _)| Reference::parse(name).is_ok()).ok_or_else(|| {
        let example = "hf://huggingface.co/acme/base=./base";
        let message = format!("{flag} '{}' is no REFERENCE=PATH, such as {example}", Printable(given));
        Failure::usage("usage.flags", message)
    })
}

/// A request for policies that knows where this user's trust material is.
pub fn policies() -> modelseal::PoliciesRequest {
    match files::cache() {
        Ok(cache) => modelseal::policies().trust_cache(cache),
        // Without a home, what is embedded does.
        Err(_) => modelseal::policies(),
    }
}

fn load(args: &PolicyArgs) -> Result<Policies, Failure> {
    let mut request = trusting(&args.trust);
    for policy in &args.policy {
        request = request.file(policy);
    }
    Ok(request.load()?)
}

pub fn trusting(args: &TrustArgs) -> modelseal::PoliciesRequest {
    let mut request = policies().unsigned(args.policy_unsigned);
    for bundle in &args.policy_bundle {
        request = request.bundle(bundle);
    }
    if let Some(trust) = &args.policy_trust {
        request = request.trust(trust);
    }
    match args.state_dir.clone().or_else(places::state) {
        Some(state) => request.state(state),
        None => request,
    }
}

/// Finds what is certain to fail before the model is measured, and asks for the password then.
fn prepare(args: &ResultArgs, model: &Path) -> Result<Option<Box<dyn Signer>>, Failure> {
    for (path, form) in summaries(args) {
        modelseal::check_summary_output(form, model, path)?;
    }
    if let Some(path) = &args.facts_out {
        modelseal::check_facts_output(model, path)?;
    }
    let Some(key) = &args.vsa_key else { return Ok(None) };
    if args.vsa.is_none() && args.svr.is_none() {
        return Err(Failure::usage(
            "usage.flags",
            "--vsa-key signs what --vsa or --svr writes; give one of them",
        ));
    }
    signing_key(key, &args.password).map(Some)
}

fn summaries(args: &ResultArgs) -> impl Iterator<Item = (&PathBuf, SummaryForm)> {
    let vsa = args.vsa.iter().map(|path| (path, SummaryForm::Vsa));
    vsa.chain(args.svr.iter().map(|path| (path, SummaryForm::Svr)))
}

/// Writes what was asked for besides; gives what has to be said about it.
fn write_results(
    args: &ResultArgs,
    model: &Path,
    policies: &Policies,
    decided: &Decided,
    signer: Option<&dyn Signer>,
) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    let verifier = args.verifier_id.as_deref().unwrap_or_default();
    for (path, form) in summaries(args) {
        match decided.summary(form, verifier, args.vsa_on_deny) {
            Ok(statement) => modelseal::write_summary(form, statement, signer, model, path)?,
            Err(why) => notes.push(format!("'{}' was not written: {why}", path.display())),
        }
    }
    if let Some(path) = &args.facts_out {
        decided.write_facts(model, path)?;
    }
    if let Some(directory) = &args.verdict_cache {
        VerdictCache::open(directory)?.keep(policies, decided)?;
    }
    Ok(notes)
}

fn print_success(out: &mut dyn Write, report: &VerifyReport) -> io::Result<()> {
    writeln!(out, "Verification succeeded")?;
    let verdict = if report.verdict == Verdict::Allow { "allow" } else { "allow-unverified" };
    writeln!(out, "verdict:   {verdict}: {}", Printable(&report.message))?;
    if let Some(measured) = &report.measured {
        let (name, files, bytes) = (Printable(&measured.name), measured.files, measured.bytes);
        writeln!(out, "model:     {name}, {}, {bytes} bytes", files_text(files))?;
    }
    print_kernel(out, report)?;
    let Some(decided) = &report.decided else { return Ok(()) };
    writeln!(out, "reference: {}", Printable(&decided.reference))?;
    if let Some(manifest) = &decided.manifest {
        writeln!(out, "manifest:  {manifest}")?;
    }
    for policy in &decided.policies {
        write!(out, "policy:    {} version {}", Printable(&policy.id), policy.version)?;
        if let Some(rule) = &policy.rule {
            write!(out, ", rule '{}'", Printable(rule))?;
        }
        if let Some(mode) = policy.mode.as_deref().filter(|mode| *mode != "enforce") {
            write!(out, " ({mode})")?;
        }
        writeln!(out)?;
    }
    for check in report.with(Status::Pass).filter(|check| check.id.ends_with("signature.threshold")) {
        writeln!(out, "signed:    {}", Printable(check.message.as_deref().unwrap_or_default()))?;
    }
    print_bases(out, "made from:", &decided.base_models)?;
    match &decided.valid_until {
        Some(until) => writeln!(out, "until:     {until}"),
        None => Ok(()),
    }
}

/// The models that this one was made from, each generation indented under what was made from it.
fn print_bases(out: &mut dyn Write, label: &str, bases: &[BaseModelReport]) -> io::Result<()> {
    for base in bases {
        let indent = "  ".repeat(base.generation.saturating_sub(1));
        let word = match base.verdict {
            Verdict::Allow => "allowed",
            Verdict::Error => "not decided",
            _ => "denied",
        };
        let seen = if base.measured { "measured" } else { "not here, pinned by digest" };
        write!(out, "{label} {indent}{}: {word}, {seen}", Printable(&base.uri))?;
        if let Some(rule) = &base.rule {
            write!(out, ", rule '{}'", Printable(rule))?;
        }
        match &base.code {
            Some(code) => writeln!(out, " [{code}]")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

/// Says which checks did not pass, what there was instead, and what would have to be true.
pub fn print_checks(out: &mut dyn Write, report: &VerifyReport, exit: Exit) -> io::Result<()> {
    if exit != Exit::Done {
        writeln!(out, "Verification failed with error: {}", Printable(&report.message))?;
    }
    let bad: Vec<&Check> =
        report.checks.iter().filter(|c| matches!(c.status, Status::Fail | Status::Error)).collect();
    for check in &bad {
        let word = if check.status == Status::Fail { "failed" } else { "error" };
        print_check(out, word, check)?;
    }
    for check in report.with(Status::Warn) {
        print_check(out, "warning", check)?;
    }
    for check in report.with(Status::Waived) {
        print_check(out, "waived", check)?;
    }
    if let Some(decided) = report.decided.as_ref().filter(|_| exit != Exit::Done) {
        print_bases(out, "  made from:", &decided.base_models)?;
    }
    for rejected in report.decided.iter().flat_map(|decided| &decided.rejected) {
        let names: Vec<String> = rejected.names.iter().map(|name| Printable(name).to_string()).collect();
        writeln!(
            out,
            "  not used: {}: {} [{}]",
            names.join(", "),
            Printable(&rejected.message),
            rejected.code
        )?;
    }
    let skipped = report.with(Status::Skip).filter(|_| !bad.is_empty());
    // What could not be asked says nothing about the model.
    let failed = bad.iter().filter(|check| check.status == Status::Fail);
    let conditions: Vec<String> = failed.map(|check| condition(check)).collect();
    let unasked: Vec<String> = skipped
        .map(|check| {
            let blocker = check.blocked_by.as_deref().unwrap_or("another check");
            format!("{} passes, which could not be checked because of {blocker}", check.id)
        })
        .collect();
    if !conditions.is_empty() {
        writeln!(out, "would pass if:")?;
        for line in conditions.iter().chain(&unasked) {
            writeln!(out, "  - {}", Printable(line))?;
        }
    }
    Ok(())
}

fn print_check(out: &mut dyn Write, word: &str, check: &Check) -> io::Result<()> {
    let message = check.message.as_deref().unwrap_or_default();
    let code = check.code.as_deref().unwrap_or_default();
    writeln!(out, "  {word}: {}: {} [{code}]", Printable(&check.id), Printable(message))?;
    for line in details(check) {
        writeln!(out, "    {}", Printable(&line))?;
    }
    Ok(())
}

/// Expected, actual, evidence and what to do, a line each.
fn details(check: &Check) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(asked) = &check.under_policy {
        for (what, value) in [("expected", &asked.expected), ("actual", &asked.actual)] {
            if !value.is_null() {
                lines.push(format!("{:<11} {}", format!("{what}:"), in_words(value)));
            }
        }
        if !asked.evidence.is_empty() {
            lines.push(format!("evidence:   {}", asked.evidence.join(", ")));
        }
        if let Some(waiver) = &asked.waiver {
            lines.push(format!(
                "waiver:     {}, approved by {}, {} days left",
                waiver.id,
                waiver.approved_by.join(", "),
                waiver.days_left
            ));
        }
    }
    if let Some(fix) = &check.fix {
        lines.push(format!("what to do: {fix}"));
    }
    if let Some(doc) = check.under_policy.as_ref().and_then(|asked| asked.doc.as_ref()) {
        lines.push(format!("see:        {doc}"));
    }
    lines
}

/// What would have to be true for a check to pass.
fn condition(check: &Check) -> String {
    let expected = check.under_policy.as_ref().map(|asked| &asked.expected).filter(|value| !value.is_null());
    match (expected, &check.fix) {
        (Some(expected), _) => format!("{}: {}", check.id, in_words(expected)),
        (None, Some(fix)) => format!("{}: {fix}", check.id),
        (None, None) => format!("{}: {}", check.id, check.message.as_deref().unwrap_or_default()),
    }
}

/// JSON without its punctuation.
fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(in_words).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let words = members.iter().filter(|(_, value)| !is_empty(value));
            words.map(|(name, value)| format!("{name} {}", in_words(value))).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

fn findings(report: &VerifyReport) -> Findings {
    let finding = |check: &Check| {
        let outcome = match check.status {
            Status::Pass => Outcome::Pass,
            Status::Skip => Outcome::Skip,
            Status::Warn | Status::Waived => Outcome::Warning,
            Status::Fail => Outcome::Failure,
            Status::Error => Outcome::Error,
        };
        let rule = check.code.clone().unwrap_or_else(|| check.id.clone());
        let about = rule.parse::<Code>().map(|code| code.entry().meaning.to_owned()).unwrap_or_default();
        let policy = check.under_policy.as_ref().map(|asked| asked.policy.as_str()).unwrap_or_default();
        Finding {
            rule,
            about,
            name: format!("{policy} {}", check.id).trim().to_owned(),
            outcome,
            message: check.message.clone().unwrap_or_default(),
            details: details(check),
            file: report.model.clone(),
            place: None,
        }
    };
    let suite =
        report.decided.as_ref().map_or_else(|| report.model.clone(), |decided| decided.reference.clone());
    Findings { suite, list: report.checks.iter().map(finding).collect() }
}
