//! `modelseal show`.

use crate::{
    args::ShowArgs,
    exit::{Exit, Failure},
    files,
    output::Output,
    services,
};
use modelseal::{
    Printable, ShowError, ShowTrust, Verifier,
    report::{BundleReport, Outcome, StatementReport},
};
use std::{
    io::{self, Write},
    path::Path,
};

/// How many subjects are printed; JSON has more.
const MAX_LINES: usize = 10;

pub fn run(args: &ShowArgs, output: &Output) -> Result<Exit, Failure> {
    let method = modelseal::bundle_method(&args.bundle).map_err(failure)?;
    let trust = trust(method, args)?;
    let mut report = modelseal::show(&args.bundle, trust.as_ref()).map_err(failure)?;
    if method == "sigstore" && report.verification.outcome == Outcome::Verified {
        report
            .notes
            .push("whether this identity may sign is for you to say: see `modelseal verify sigstore`".into());
    }
    output.warnings(&report.notes);
    output.result(&report, |out| print(out, &report))?;
    Ok(if report.verification.outcome == Outcome::Failed { Exit::Denied } else { Exit::Done })
}

fn failure(e: ShowError) -> Failure {
    Failure { exit: e.kind.into(), code: e.code, message: e.to_string(), doing: None }
}

/// What a bundle of this method is verified with; nothing, where that takes something that was not given.
fn trust(method: &str, args: &ShowArgs) -> Result<Option<ShowTrust>, Failure> {
    let given = args.instance.trusted_root.is_some()
        || args.instance.trust_config.is_some()
        || args.instance.use_staging;
    let plain = match method {
        "sigstore" => {
            let trust = services::trust(&args.instance)?;
            let verifier = Verifier::with_any_identity(trust.root);
            return Ok(Some(ShowTrust { verifier, trusted_root: Some(trust.report) }));
        }
        "key" => args.public_key.as_deref().map(files::public_key).transpose()?.map(Verifier::with_key),
        _ if args.certificate_chain.is_empty() => None,
        _ => {
            let roots = files::roots(args.certificate_chain.iter().map(Path::new))?;
            Some(Verifier::with_certificates(roots, None))
        }
    };
    let Some(verifier) = plain else { return Ok(None) };
    if !given {
        return Ok(Some(ShowTrust { verifier, trusted_root: None }));
    }
    let trust = services::trust(&args.instance)?;
    Ok(Some(ShowTrust { verifier: verifier.with_trusted_root(trust.root), trusted_root: Some(trust.report) }))
}

/// Every line says whether it was verified or is only claimed.
struct Lines<'a> {
    out: &'a mut dyn Write,
    verified: bool,
}

impl Lines<'_> {
    fn line(&mut self, verified: bool, what: &str, value: &str) -> io::Result<()> {
        let mark = if verified && self.verified { "verified" } else { "claimed " };
        writeln!(self.out, "{mark}  {what:<12} {}", Printable(value))
    }
}

fn print(out: &mut dyn Write, report: &BundleReport) -> io::Result<()> {
    let verification = &report.verification;
    let said = match verification.outcome {
        Outcome::Verified => "verified: this signer signed this statement",
        Outcome::Failed => "DOES NOT VERIFY: everything below is only claimed",
        Outcome::NotTried => "not verified: everything below is only claimed",
    };
    writeln!(out, "{}: {said}", Printable(&report.bundle))?;
    if let Some(message) = &verification.message {
        writeln!(out, "  {}", Printable(message))?;
    }
    let mut lines = Lines { out, verified: verification.outcome == Outcome::Verified };
    lines.line(true, "method", &report.method)?;
    if let Some(signer) = &verification.signer {
        lines.line(true, "key", &format!("{} {}", signer.algorithm, signer.key_fingerprint))?;
        if let Some(identity) = &signer.identity {
            lines.line(true, "identity", &format!("{} ({})", identity.value, identity.kind))?;
            lines.line(true, "issuer", &identity.issuer)?;
            for (name, value) in &identity.claims {
                lines.line(true, "claim", &format!("{name} = {value}"))?;
            }
        }
    }
    if let Some(hint) = &report.material.key_hint {
        lines.line(false, "key hint", hint)?;
    }
    for (place, certificate) in report.material.certificates.iter().enumerate() {
        let names = certificate.alternative_names.join(", ");
        let subject = if certificate.subject.is_empty() { &names } else { &certificate.subject };
        let what = if place == 0 { "certificate" } else { "issued by" };
        lines.line(true, what, &format!("{subject}, issued by {}", certificate.issuer))?;
        lines.line(true, "  valid", &format!("{} to {}", certificate.not_before, certificate.not_after))?;
    }
    if let Some(evidence) = &verification.evidence {
        for time in &evidence.times {
            lines.line(true, "time", &format!("{} by {}", time.at, time.authority))?;
        }
        for entry in &evidence.log_entries {
            lines.line(true, "log entry", &format!("{} of {}, {}", entry.index, entry.log, entry.kind))?;
        }
    } else {
        for entry in &report.log_entries {
            let at = entry.integrated.as_ref().map(|t| format!(", {t}")).unwrap_or_default();
            let tree = entry.tree.as_deref().unwrap_or("no proof");
            lines.line(false, "log entry", &format!("{} ({}), {tree}{at}", entry.index, entry.kind))?;
        }
        if !report.timestamps.is_empty() {
            lines.line(false, "timestamps", &report.timestamps.len().to_string())?;
        }
    }
    let envelope = &report.envelope;
    lines.line(true, "payload", &format!("{}, {} bytes", envelope.payload_type, envelope.payload_bytes))?;
    match &report.statement {
        Some(statement) => print_statement(&mut lines, statement),
        None => lines.line(true, "statement", "none that can be read"),
    }
}

fn print_statement(lines: &mut Lines<'_>, statement: &StatementReport) -> io::Result<()> {
    lines.line(true, "predicate", &statement.predicate_type)?;
    if let Some(model) = &statement.model {
        lines.line(
            true,
            "model",
            &format!("{}, {} files, {} resources", model.name, model.files, model.resources),
        )?;
        lines.line(true, "root", &model.digests.root)?;
        lines.line(true, "manifest", &model.digests.manifest)?;
        let how = &model.serialization;
        lines.line(true, "measured by", &format!("{}, {}", how.method, how.hash))?;
        for path in how.ignore_paths.iter().take(MAX_LINES) {
            lines.line(true, "not signed", path)?;
        }
        return Ok(());
    }
    for subject in statement.subjects.iter().take(MAX_LINES) {
        let digests: Vec<String> = subject.digests.iter().map(|(a, d)| format!("{a}:{d}")).collect();
        lines.line(true, "subject", &format!("{} {}", subject.name, digests.join(" ")))?;
    }
    if statement.subject_count > MAX_LINES {
        lines.line(true, "subjects", &format!("{} in all", statement.subject_count))?;
    }
    if let Some(problem) = &statement.problem {
        lines.line(false, "no model", problem)?;
    }
    Ok(())
}
