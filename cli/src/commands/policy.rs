//! `modelseal policy`.

use crate::{
    args::{
        DiffArgs, ExplainArgs, FmtArgs, ImportArgs, ImportKind, LintArgs, PasswordArgs, PolicyCommand,
        PolicySignArgs, PolicyVerifyArgs,
    },
    exit::{Exit, Failure},
    files,
    output::{
        Output,
        findings::{Finding, Findings, Outcome},
    },
    password,
};
use modelseal::{
    KeySigner, PasswordError, Printable, PrivateKey, PrivateKeyError, Signer,
    import::{ImportError, ImportOptions, cluster_image_policy, containers, notation},
    policy::{LINTS, Reference, draft_4, schema},
    report::{
        CasesReport, ComplaintReport, DiffReport, ExplainReport, ImportReport, LintReport, LostReport,
        PolicyVerificationReport, Verdict,
    },
};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

pub fn run(command: &PolicyCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::Lint(args) => lint(args, output),
        PolicyCommand::Fmt(args) => fmt(args, output),
        PolicyCommand::Schema { draft4 } => {
            let schema = if *draft4 { draft_4() } else { schema() };
            let mut text = serde_json::to_vec_pretty(&schema).map_err(Failure::io)?;
            text.push(b'\n');
            output.raw(&text)?;
            Ok(Exit::Done)
        }
        PolicyCommand::Explain(args) => explain(args, output),
        PolicyCommand::Test { cases } => test(cases, output),
        PolicyCommand::Diff(args) => diff(args, output),
        PolicyCommand::Sign(args) => sign(args, output),
        PolicyCommand::Verify(args) => verify(args, output),
        PolicyCommand::Import(args) => import(args, output),
    }
}

/// Reads a private key, asking for its password.
pub fn signing_key(path: &Path, given: &PasswordArgs) -> Result<Box<dyn Signer>, Failure> {
    password::check(given)?;
    let pem = files::read_small(path, "private key")?;
    let key = PrivateKey::from_pem(&pem, || password::existing(given)).map_err(|e| {
        let (code, advice) = match &e {
            PrivateKeyError::Password(PasswordError::NotGiven) => ("usage.password", password::ADVICE),
            PrivateKeyError::Password(_) | PrivateKeyError::WrongPassword => ("usage.password", ""),
            _ => ("usage.private-key", ""),
        };
        Failure::usage(code, format_args!("cannot use '{}': {e}{advice}", path.display()))
    })?;
    Ok(Box::new(KeySigner::new(key)))
}

fn lint(args: &LintArgs, output: &Output) -> Result<Exit, Failure> {
    let report = modelseal::lint_policies(&args.files, !args.no_files, modelseal::now())?;
    let bad = report.errors > 0 || (args.deny_warnings && report.warnings > 0);
    if output.wants_findings() {
        output.findings(&lint_findings(&report))?;
    } else {
        output.result(&report, |out| print_lint(out, &report))?;
    }
    Ok(if bad { Exit::Usage } else { Exit::Done })
}

fn print_lint(out: &mut dyn Write, report: &LintReport) -> io::Result<()> {
    for complaint in &report.complaints {
        let ComplaintReport { file, line, column, severity, id, message, .. } = complaint;
        writeln!(out, "{}:{line}:{column}: {severity}[{id}]: {}", Printable(file), Printable(message))?;
        if let Some(source) = source_line(file, *line) {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            let (before, at) = shown(&source, *column);
            let under = complaint.text.chars().count().clamp(1, 60);
            writeln!(out, "{number} | {}", Printable(&at))?;
            writeln!(out, "{margin} | {}{}", " ".repeat(before), "^".repeat(under))?;
        }
        if let Some(suggestion) = &complaint.suggestion {
            writeln!(out, "  help: {}", Printable(suggestion))?;
        }
    }
    let files = super::sign::files_text(report.files.len());
    writeln!(out, "{files}: {} errors, {} warnings", report.errors, report.warnings)
}

/// A line of a file, for showing; the file may have changed, or be gone.
fn source_line(file: &str, line: usize) -> Option<String> {
    let bytes = files::read_small(Path::new(file), "policy").ok()?;
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    text.lines().nth(line.checked_sub(1)?).map(|line| line.replace('\t', " "))
}

/// What of a long line is shown, and how many characters stand before the column there.
fn shown(line: &str, column: usize) -> (usize, String) {
    const WIDTH: usize = 100;
    let before = column.saturating_sub(1);
    let skip = before.saturating_sub(WIDTH / 2);
    let skip = if line.chars().count() <= WIDTH { 0 } else { skip };
    (before - skip, line.chars().skip(skip).take(WIDTH).collect())
}

fn lint_findings(report: &LintReport) -> Findings {
    let about = |id: &str| LINTS.iter().find(|lint| lint.id == id).map_or("", |lint| lint.explanation);
    let finding = |complaint: &ComplaintReport| Finding {
        rule: complaint.id.clone(),
        about: about(&complaint.id).to_owned(),
        name: format!("{}:{}:{} {}", complaint.file, complaint.line, complaint.column, complaint.id),
        outcome: if complaint.severity == "error" { Outcome::Failure } else { Outcome::Warning },
        message: complaint.message.clone(),
        details: complaint.suggestion.iter().map(|help| format!("help: {help}")).collect(),
        file: complaint.file.clone(),
        place: Some((complaint.line, complaint.column)),
    };
    let mut list: Vec<Finding> = report.complaints.iter().map(finding).collect();
    for file in report.files.iter().filter(|file| !report.complaints.iter().any(|c| c.file == **file)) {
        list.push(Finding {
            rule: "lint".into(),
            about: String::new(),
            name: file.clone(),
            outcome: Outcome::Pass,
            message: String::new(),
            details: Vec::new(),
            file: file.clone(),
            place: None,
        });
    }
    Findings { suite: "modelseal policy lint".into(), list }
}

fn fmt(args: &FmtArgs, output: &Output) -> Result<Exit, Failure> {
    refuse_json(output)?;
    let mut untidy = Vec::new();
    for file in &args.files {
        if !modelseal::format_policy(file, !args.check)? {
            untidy.push(file.display().to_string());
        }
    }
    let word = if args.check { "would change" } else { "changed" };
    for file in &untidy {
        output.raw(format!("{word}: {}\n", Printable(file)).as_bytes())?;
    }
    Ok(if args.check && !untidy.is_empty() { Exit::Denied } else { Exit::Done })
}

fn explain(args: &ExplainArgs, output: &Output) -> Result<Exit, Failure> {
    let requested = Reference::parse(&args.reference).map_err(|error| {
        Failure::from(modelseal::Error::from(modelseal::PolicyError::Reference {
            given: args.reference.clone(),
            error,
        }))
    })?;
    let request = args.policy.iter().fold(super::decide::policies().unsigned(true), |r, file| r.file(file));
    let report = request.load()?.explain(&requested);
    output.result(&report, |out| print_explained(out, &report))?;
    Ok(Exit::Done)
}

fn print_explained(out: &mut dyn Write, report: &ExplainReport) -> io::Result<()> {
    writeln!(out, "{}", Printable(&report.reference))?;
    for policy in &report.policies {
        writeln!(
            out,
            "policy {} version {}, until {}",
            Printable(&policy.id),
            policy.version,
            policy.expires
        )?;
        match &policy.rule {
            Some(rule) => writeln!(out, "  rule '{}': {}", Printable(rule), Printable(&policy.why))?,
            None => writeln!(out, "  no rule: {}", Printable(&policy.why))?,
        }
        for glob in &policy.matching {
            let (prefix, literals) = (glob.literal_prefix, glob.literals);
            let (rule, glob) = (Printable(&glob.rule), Printable(&glob.glob));
            writeln!(
                out,
                "  matches: {glob} of '{rule}' ({prefix} before the first wildcard, {literals} in all)"
            )?;
        }
        for need in &policy.needs {
            writeln!(out, "  needs: {}", Printable(need))?;
        }
    }
    Ok(())
}

fn test(cases: &Path, output: &Output) -> Result<Exit, Failure> {
    let report = modelseal::test_policies(cases)?;
    output.result(&report, |out| print_cases(out, &report))?;
    Ok(if report.failed > 0 { Exit::Denied } else { Exit::Done })
}

fn print_cases(out: &mut dyn Write, report: &CasesReport) -> io::Result<()> {
    for case in &report.cases {
        let word = if case.passed { "ok    " } else { "FAILED" };
        let (verdict, codes) = (verdict(case.verdict), case.codes.join(" "));
        writeln!(out, "{word}  {verdict:<16}  {}  {codes}", Printable(&case.name))?;
        if !case.passed {
            writeln!(out, "        expected {}: {}", self::verdict(case.expected), Printable(&case.message))?;
            if !case.missing_codes.is_empty() {
                writeln!(out, "        without: {}", case.missing_codes.join(" "))?;
            }
        }
    }
    writeln!(out, "{} passed, {} failed", report.passed, report.failed)
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::AllowUnverified => "allow-unverified",
        Verdict::Deny => "deny",
        Verdict::Error => "error",
    }
}

fn diff(args: &DiffArgs, output: &Output) -> Result<Exit, Failure> {
    let load = |file: &PathBuf| super::decide::policies().unsigned(true).file(file).load();
    let report = modelseal::diff_policies(&load(&args.old)?, &load(&args.new)?, &args.results)?;
    output.warnings(&report.unreadable);
    output.result(&report, |out| print_diff(out, &report))?;
    let same = report.changed.is_empty();
    Ok(match (same, report.unreadable.is_empty()) {
        (_, false) => Exit::Undecided,
        (true, true) => Exit::Done,
        (false, true) => Exit::Denied,
    })
}

fn print_diff(out: &mut dyn Write, report: &DiffReport) -> io::Result<()> {
    for changed in &report.changed {
        let code = |code: &Option<String>| code.as_ref().map(|code| format!(" [{code}]")).unwrap_or_default();
        writeln!(
            out,
            "{}: {}{} -> {}{}: {}",
            Printable(&changed.reference),
            verdict(changed.old),
            code(&changed.old_code),
            verdict(changed.new),
            code(&changed.new_code),
            Printable(&changed.message)
        )?;
    }
    writeln!(out, "{} of {} verdicts change", report.changed.len(), report.results)
}

fn sign(args: &PolicySignArgs, output: &Output) -> Result<Exit, Failure> {
    let signer = signing_key(&args.private_key, &args.password)?;
    let signature = args.signature.clone().unwrap_or_else(|| {
        let mut name = args.policy.clone().into_os_string();
        name.push(".sig");
        PathBuf::from(name)
    });
    let report = modelseal::sign_policy(&args.policy, &signature, args.force, &*signer, modelseal::now())?;
    output.result(&report, |out| {
        writeln!(out, "policy:    {}", Printable(&report.policy))?;
        writeln!(out, "signature: {}", Printable(&report.signature))?;
        writeln!(out, "sha256:    {}", report.sha256)?;
        writeln!(out, "key:       {}", report.key_fingerprint)
    })?;
    Ok(Exit::Done)
}

fn verify(args: &PolicyVerifyArgs, output: &Output) -> Result<Exit, Failure> {
    let mut request = super::decide::policies();
    for file in &args.files {
        request = request.file(file);
    }
    for bundle in &args.policy_bundle {
        request = request.bundle(bundle);
    }
    if let Some(trust) = &args.policy_trust {
        request = request.trust(trust);
    }
    if let Some(state) = &args.state_dir {
        request = request.state(state);
    }
    let report = request.verify_signatures()?;
    output.result(&report, |out| print_verified(out, &report))?;
    Ok(Exit::Done)
}

fn print_verified(out: &mut dyn Write, report: &PolicyVerificationReport) -> io::Result<()> {
    for policy in &report.policies {
        let (file, id) = (Printable(&policy.file), Printable(&policy.id));
        let people: Vec<String> = policy.principals.iter().map(|p| Printable(p).to_string()).collect();
        writeln!(out, "{file}: {id} version {}, signed by {}", policy.version, people.join(", "))?;
        for rejected in &policy.rejected {
            writeln!(out, "  not counted: {}", Printable(rejected))?;
        }
    }
    Ok(())
}

fn import(args: &ImportArgs, output: &Output) -> Result<Exit, Failure> {
    let expires = args.expires.parse().map_err(|e| {
        Failure::usage("usage.flags", format_args!("--expires is no time such as 2027-06-30T00:00:00Z: {e}"))
    })?;
    let options = ImportOptions { id: args.id.clone(), expires };
    let bytes = files::read_small(&args.file, "policy")?;
    let imported = match args.kind {
        ImportKind::ClusterImagePolicy => cluster_image_policy::import(&bytes, &options),
        ImportKind::Notation => notation::import(&bytes, &options),
        ImportKind::Containers => containers::import(&bytes, &options),
    };
    let imported = imported.map_err(|e: ImportError| {
        Failure::usage("usage.file", format_args!("cannot import '{}': {e}", args.file.display()))
    })?;
    let lost: Vec<LostReport> = imported
        .lost
        .iter()
        .map(|lost| LostReport { at: lost.at.clone(), what: lost.what.clone() })
        .collect();
    let said: Vec<String> = imported.lost.iter().map(|lost| format!("not expressed: {lost}")).collect();
    output.warnings(&said);
    let report = ImportReport {
        schema: ImportReport::SCHEMA.into(),
        file: args.file.display().to_string(),
        policy: imported.toml,
        lost,
    };
    output.result(&report, |out| out.write_all(report.policy.as_bytes()))?;
    Ok(Exit::Done)
}

fn refuse_json(output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        return Err(Failure::usage("usage.flags", "this command has no JSON form; leave --format out"));
    }
    Ok(())
}
