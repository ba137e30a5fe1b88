//! `modelseal inspect`.

use crate::{
    args::{InspectArgs, TrustArgs},
    commands::decide::trusting,
    exit::{Exit, Failure},
    output::{Output, inspection},
    progress::Bar,
};
use modelseal::{
    InspectedModel, Printable,
    inspection::{RuleSet, Verdict},
    report::RuleReport,
};
use std::{borrow::Cow, path::Path};

pub fn run(args: &InspectArgs, output: &Output) -> Result<Exit, Failure> {
    if let Some(rule) = &args.explain {
        return explain(rule.as_deref(), output);
    }
    let rules = rule_set(args.rules.as_deref(), &args.trust)?;
    if let Some(file) = &args.trace {
        return trace(file, &rules, args.trace_lines, output);
    }
    let Some(model) = &args.model else {
        return Err(Failure::usage("usage.flags", "name a model, or a rule with --explain"));
    };
    let mut request = modelseal::inspect(model)
        .rules(rules.into_owned())
        .allow_symlinks(args.scope.allow_symlinks)
        .ignore_git_paths(!args.scope.no_ignore_git_paths);
    for path in &args.scope.ignore_paths {
        request = request.ignore(path);
    }
    if let Some(threads) = args.threads {
        request = request.threads(threads);
    }
    let inspected = match &args.compare {
        Some(report) => request.compare(report, &Bar::start()),
        None => request.run(&Bar::start()),
    };
    let inspected = inspected.map_err(|error| match error.code() {
        // There is no verdict on nothing.
        "integrity.empty-model" => Failure::usage("integrity.empty-model", error),
        _ => error.into(),
    })?;
    output.warnings(inspected.notes());
    if output.is_sarif() {
        output.raw_json(&inspected.sarif())?;
    } else {
        let report = inspected.report();
        output.result(&report, |out| inspection::print(out, &report))?;
    }
    Ok(exit(&inspected))
}

/// What is not denied and yet not clean was not understood.
fn exit(inspected: &InspectedModel) -> Exit {
    if inspected.comparison().is_some_and(|comparison| !comparison.same) {
        return Exit::Denied;
    }
    match inspected.verdict() {
        _ if inspected.is_denied() => Exit::Denied,
        Verdict::Clean => Exit::Done,
        _ => Exit::Undecided,
    }
}

/// The rules that are named, or those that are shipped.
pub fn rule_set(file: Option<&Path>, trust: &TrustArgs) -> Result<Cow<'static, RuleSet>, Failure> {
    let Some(file) = file else { return Ok(Cow::Borrowed(RuleSet::built_in())) };
    Ok(Cow::Owned(trusting(trust).rule_set(file)?))
}

fn explain(rule: Option<&str>, output: &Output) -> Result<Exit, Failure> {
    let unknown = || {
        let message = format!(
            "there is no rule '{}'; `modelseal inspect --explain` lists all",
            Printable(rule.unwrap_or_default())
        );
        Failure::usage("usage.flags", message)
    };
    if output.is_sarif() {
        return Err(Failure::usage("usage.flags", "a rule is explained in text or json"));
    }
    let id = rule.map(|rule| rule.to_ascii_uppercase().parse()).transpose().map_err(|_| unknown())?;
    let report = RuleReport::of(id);
    if report.rules.is_empty() {
        return Err(unknown());
    }
    output.result(&report, |out| inspection::print_rules(out, &report, rule.is_some()))?;
    Ok(Exit::Done)
}

fn trace(file: &Path, rules: &RuleSet, lines: u64, output: &Output) -> Result<Exit, Failure> {
    if output.is_json() || output.is_sarif() {
        return Err(Failure::usage("usage.flags", "a trace has no JSON form; leave --format out"));
    }
    if file.is_dir() {
        let message = format!(
            "'{}' is a directory; name the file in it to trace",
            Printable(&file.display().to_string())
        );
        return Err(Failure::usage("usage.file", message));
    }
    let text = modelseal::trace(file, rules, lines)?;
    if text.is_empty() {
        let message = format!("there is no pickle in '{}'", file.display());
        return Err(Failure::usage("usage.file", message));
    }
    output.raw(text.as_bytes())?;
    Ok(Exit::Done)
}
