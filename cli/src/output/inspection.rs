//! An inspection for people: the verdict first, then the files that matter with what to do about them, then the rest in sum.

use modelseal::{
    Printable,
    inspection::RuleSet,
    report::{
        FileInspectionReport, FindingReport, FindingSeverity, InspectionReport, InspectionVerdict, RuleReport,
    },
};
use std::{
    collections::BTreeMap,
    io::{self, Write},
};

/// Files that are printed; JSON has more.
const FILES: usize = 50;
/// Findings of one file.
const FINDINGS: usize = 12;
/// Notes on clean files.
const NOTES: usize = 12;

pub fn print(out: &mut dyn Write, report: &InspectionReport) -> io::Result<()> {
    let rules = &report.rules;
    let mut by = format!("rules {} {}", Printable(&rules.id), Printable(&rules.version));
    let base = RuleSet::built_in();
    if (rules.id.as_str(), rules.version.as_str()) != (base.id(), base.version()) {
        by.push_str(&format!(" over {} {}", base.id(), base.version()));
    }
    let said = match (report.denied, report.verdict) {
        (true, verdict) => format!("{}: denied by the {by}", verdict.name()),
        (false, InspectionVerdict::Clean) => format!("clean: nothing found under the {by}"),
        (false, verdict) => format!("{}: not everything was understood, under the {by}", verdict.name()),
    };
    match softened(report) {
        0 => writeln!(out, "{said}")?,
        count => {
            writeln!(out, "{said}; {count} findings of rules that say 'malicious' are called milder by it")?
        }
    }
    if let Some(comparison) = &report.comparison {
        let how = if comparison.same { "what is found now" } else { "not what is found now" };
        writeln!(out, "the report '{}' is {how}", Printable(&comparison.report))?;
        for difference in &comparison.differences {
            writeln!(out, "  {}", Printable(difference))?;
        }
    }
    for changed in &rules.changed {
        let reason = changed.reason.as_ref().map(|why| format!(": {}", Printable(why))).unwrap_or_default();
        writeln!(
            out,
            "  {} is {} instead of {}{reason}",
            changed.rule,
            changed.to.name(),
            changed.from.name()
        )?;
    }
    let mut bad: Vec<&FileInspectionReport> =
        report.files.iter().filter(|file| file.verdict != InspectionVerdict::Clean).collect();
    // The worst first.
    bad.sort_by_key(|file| std::cmp::Reverse(file.verdict));
    for file in bad.iter().take(FILES) {
        print_file(out, file)?;
    }
    if bad.len() > FILES {
        writeln!(out, "\n{} more files are not clean; --format json has all", bad.len() - FILES)?;
    }
    print_notes(out, report)?;
    writeln!(out)?;
    print_sum(out, report)
}

/// Findings of rules that say "malicious", and that the rule set calls milder.
fn softened(report: &InspectionReport) -> usize {
    let milder = |finding: &&FindingReport| {
        report.rules.changed.iter().any(|changed| {
            changed.rule == finding.rule
                && changed.from == FindingSeverity::Malicious
                && changed.to < changed.from
        })
    };
    report.files.iter().flat_map(|file| &file.findings).filter(milder).count()
}

/// The rules that were asked for: in full, or each in a line.
pub fn print_rules(out: &mut dyn Write, report: &RuleReport, in_full: bool) -> io::Result<()> {
    for rule in &report.rules {
        let severity = rule.severity.name();
        if in_full {
            writeln!(out, "{} {}: {severity}\n", rule.id, rule.name)?;
            writeln!(out, "{}\n", rule.summary)?;
            writeln!(out, "what to do: {}", rule.remedy)?;
            writeln!(out, "page:       {}", rule.page)?;
        } else {
            writeln!(out, "{}  {severity:<10}  {}", rule.id, rule.name)?;
        }
    }
    Ok(())
}

fn print_file(out: &mut dyn Write, file: &FileInspectionReport) -> io::Result<()> {
    let tier = match file.contents.pickle_tier.as_str() {
        "P0" => String::new(),
        tier => format!(", pickle tier {tier}"),
    };
    let (path, bytes) = (Printable(&file.path), file.bytes);
    writeln!(out, "\n{:<10}  {path} ({}{tier}, {bytes} bytes)", file.verdict.name(), file.format)?;
    let mut findings: Vec<&FindingReport> = file.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in findings.iter().take(FINDINGS) {
        print_finding(out, finding)?;
    }
    if findings.len() > FINDINGS {
        writeln!(out, "  {} more findings; --format json has all", findings.len() - FINDINGS)?;
    }
    Ok(())
}

fn print_finding(out: &mut dyn Write, finding: &FindingReport) -> io::Result<()> {
    let times = if finding.count > 1 { format!(" ({} times)", finding.count) } else { String::new() };
    let (rule, severity) = (&finding.rule, finding.severity.name());
    let (name, message) = (&finding.name, Printable(&finding.message));
    writeln!(out, "  {rule} {severity}{} {name}: {message}{times}", place(finding))?;
    if finding.severity != FindingSeverity::Note {
        writeln!(out, "    {}", finding.remedy)?;
    }
    Ok(())
}

/// Where in its file: members of archives, and the first byte.
fn place(finding: &FindingReport) -> String {
    let members: Vec<String> =
        finding.place.members.iter().map(|member| Printable(member).to_string()).collect();
    let mut place = members.join("!/");
    if let Some(offset) = finding.place.offset {
        place.push_str(&format!("@{offset}"));
    }
    if place.is_empty() { place } else { format!(" {place}") }
}

/// Notes on files that are clean.
fn print_notes(out: &mut dyn Write, report: &InspectionReport) -> io::Result<()> {
    let clean = report.files.iter().filter(|file| file.verdict == InspectionVerdict::Clean);
    let notes: Vec<(&FileInspectionReport, &FindingReport)> =
        clean.flat_map(|file| file.findings.iter().map(move |finding| (file, finding))).collect();
    if notes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nnotes")?;
    for (file, finding) in notes.iter().take(NOTES) {
        let (path, message) = (Printable(&file.path), Printable(&finding.message));
        writeln!(out, "  {} {path}{} {}: {message}", finding.rule, place(finding), finding.name)?;
    }
    if notes.len() > NOTES {
        writeln!(out, "  {} more; --format json has all", notes.len() - NOTES)?;
    }
    Ok(())
}

fn print_sum(out: &mut dyn Write, report: &InspectionReport) -> io::Result<()> {
    let summary = &report.summary;
    let (mut clean, mut dtypes): (BTreeMap<&str, u64>, BTreeMap<&str, u64>) = Default::default();
    for file in &report.files {
        if file.verdict == InspectionVerdict::Clean {
            *clean.entry(&file.format).or_default() += 1;
        }
        for (dtype, count) in &file.contents.dtypes {
            let sum = dtypes.entry(dtype).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
    let files: u64 = clean.values().sum();
    writeln!(out, "clean files: {files} of {}{}", summary.files, listed(&clean))?;
    if summary.tensors > 0 {
        let (tensors, parameters) = (summary.tensors, summary.parameters);
        writeln!(out, "tensors: {tensors}{}\nparameters: {parameters}", listed(&dtypes))?;
    }
    if summary.pickle_tier != "P0" {
        writeln!(out, "pickles: up to tier {}", summary.pickle_tier)?;
    }
    if !summary.capabilities.is_empty() {
        let names: Vec<&str> = summary.capabilities.iter().map(String::as_str).collect();
        writeln!(out, "brings along: {}", names.join(", "))?;
    }
    Ok(())
}

/// ` (2 json, 3 safetensors)`, the names as a terminal bears them.
fn listed(counts: &BTreeMap<&str, u64>) -> String {
    const SHOWN: usize = 16;
    let mut parts: Vec<String> =
        counts.iter().take(SHOWN).map(|(name, count)| format!("{count} {}", Printable(name))).collect();
    if counts.len() > SHOWN {
        parts.push(format!("{} more kinds", counts.len() - SHOWN));
    }
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}
