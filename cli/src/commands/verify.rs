//! `modelseal verify`.

use crate::{
    args::{
        FreezeMethod, KeylessArgs, VerifyArgs, VerifyCertificateArgs, VerifyEvidenceArgs, VerifyKeyArgs,
        VerifyMethod, VerifySigstoreArgs,
    },
    commands::sign::{files_text, print_evidence, print_signer},
    exit::{Exit, Failure},
    files,
    output::Output,
    progress::Bar,
    services,
};
use modelseal::{
    CertificateIdentity, IdentityMatch, Keyless, Printable, Requirement, ShellQuoted, VerifiedModel,
    VerifiedSigner, Verifier, VerifyRequest,
    report::{Differences, VerifyReport},
};
use std::{
    io::{self, Write},
    path::Path,
};

/// How many lines a list of differences takes before it is cut; JSON has all.
const MAX_LINES: usize = 20;

pub fn run(method: &VerifyMethod, output: &Output) -> Result<Exit, Failure> {
    let by = match method {
        VerifyMethod::Sigstore(args) => By::Identity(args),
        VerifyMethod::Key(args) => By::Key(args),
        VerifyMethod::Certificate(args) => By::Certificate(args),
        VerifyMethod::Policy(args) => return super::decide::run(args, false, output),
        VerifyMethod::Provenance(args) => return super::provenance::run(args, output),
    };
    verify(by, false, output)
}

/// `modelseal freeze`: the same, and nobody can write to the files any more.
pub fn freeze(method: &FreezeMethod, output: &Output) -> Result<Exit, Failure> {
    let by = match method {
        FreezeMethod::Sigstore(args) => By::Identity(args),
        FreezeMethod::Key(args) => By::Key(args),
        FreezeMethod::Certificate(args) => By::Certificate(args),
        FreezeMethod::Policy(args) => return super::decide::run(args, true, output),
    };
    verify(by, true, output)
}

/// Who must have signed.
#[derive(Clone, Copy)]
enum By<'a> {
    Identity(&'a VerifySigstoreArgs),
    Key(&'a VerifyKeyArgs),
    Certificate(&'a VerifyCertificateArgs),
}

fn verify(by: By<'_>, freeze: bool, output: &Output) -> Result<Exit, Failure> {
    let request = match by {
        By::Identity(args) => {
            request(&args.common).with_sigstore(services::trust(&args.instance)?, keyless(&args.signer)?)
        }
        By::Key(args) => {
            let request = request(&args.common).with_key(files::public_key(&args.public_key)?);
            with_evidence(request, &args.evidence)?
        }
        By::Certificate(args) => with_evidence(with_certificates(args)?, &args.evidence)?,
    };
    match request.freezing(freeze).run(&Bar::start()) {
        Ok(model) => {
            let mut report = model.report().clone();
            if let By::Certificate(args) = by {
                report.notes.extend(unpinned(args, &report));
                if args.log_fingerprints {
                    print_fingerprints(&model, output);
                }
            }
            output.warnings(&report.notes);
            output.result(&report, |out| print_success(out, &report))?;
            Ok(Exit::Done)
        }
        Err(refusal) => {
            let mut report = refusal.report().clone();
            if freeze {
                report.notes.extend(frozen_note(&report, false));
            }
            let report = &report;
            output.refusal(report, &report.notes, |out| print_refusal(out, report))?;
            let interrupted = report.code.as_deref() == Some("error.cancelled");
            Ok(if interrupted { Exit::Interrupted } else { refusal.kind().into() })
        }
    }
}

fn request(args: &VerifyArgs) -> VerifyRequest<()> {
    let mut request = modelseal::verify(&args.model.path)
        .signature(&args.signature)
        .ignore_git_paths(!args.scope.no_ignore_git_paths)
        .ignore_unsigned_files(args.ignore_unsigned_files)
        .memory(args.effort.memory);
    if let Some(threads) = args.effort.threads {
        request = request.threads(threads);
    }
    for path in &args.scope.ignore_paths {
        request = request.ignore(path);
    }
    request
}

fn with_certificates(args: &VerifyCertificateArgs) -> Result<VerifyRequest<Verifier>, Failure> {
    if args.certificate_identity.as_deref() == Some("") {
        return Err(Failure::usage(
            "usage.identity",
            "--certificate-identity is empty; leave it out to accept any",
        ));
    }
    let roots = files::roots(args.certificate_chain.iter().map(Path::new))?;
    let identity = args.certificate_identity.clone().map(CertificateIdentity::exactly);
    Ok(request(&args.common).with_certificates(roots, identity))
}

fn keyless(args: &KeylessArgs) -> Result<Keyless, Failure> {
    identity(args.identity.as_deref(), args.identity_pattern.as_deref(), &args.identity_provider)
}

/// Whose keyless signature is expected.
pub fn identity(exact: Option<&str>, pattern: Option<&str>, provider: &str) -> Result<Keyless, Failure> {
    let empty = |what: &str| Failure::usage("usage.identity", format_args!("{what} is empty"));
    if provider.is_empty() {
        return Err(empty("--identity-provider"));
    }
    let identity = match (exact, pattern) {
        (Some(""), _) => return Err(empty("--identity")),
        (Some(identity), _) => IdentityMatch::exactly(identity),
        (None, pattern) => IdentityMatch::pattern(pattern.unwrap_or_default())
            .map_err(|e| Failure::usage("usage.identity", format_args!("--identity-pattern: {e}")))?,
    };
    Ok(Keyless { identity, issuer: provider.to_owned() })
}

fn with_evidence(
    request: VerifyRequest<Verifier>,
    args: &VerifyEvidenceArgs,
) -> Result<VerifyRequest<Verifier>, Failure> {
    let Some(path) = &args.trusted_root else { return Ok(request) };
    let requirement = Requirement { log_entry: args.require_log, trusted_time: args.require_timestamp };
    Ok(request.with_evidence(services::trusted_root(path)?, requirement))
}

fn print_fingerprints(model: &VerifiedModel, output: &Output) {
    let VerifiedSigner::Certificate(path) = model.signer() else { return };
    for certificate in path.certificates() {
        let subject = certificate.subject();
        output.diagnostic(format_args!("{}  {}", certificate.fingerprint(), Printable(&subject)));
    }
}

/// What to say when anybody under the roots was accepted.
fn unpinned(args: &VerifyCertificateArgs, report: &VerifyReport) -> Option<String> {
    let certificate = report.signer.as_ref()?.certificate.as_ref()?;
    args.certificate_identity.is_none().then(|| {
        // A certificate without a subject is known by its first alternative name.
        let name = match &*certificate.subject {
            "" => certificate.alternative_names.first().map_or("", String::as_str),
            subject => subject,
        };
        format!(
            "any signer under these roots is accepted; to accept this one only, add --certificate-identity {}",
            ShellQuoted(name)
        )
    })
}

fn print_success(out: &mut dyn Write, report: &VerifyReport) -> io::Result<()> {
    writeln!(out, "Verification succeeded")?;
    writeln!(out, "signature: {}", Printable(&report.signature))?;
    if let Some(measured) = &report.measured {
        let (name, files, bytes) = (Printable(&measured.name), measured.files, measured.bytes);
        writeln!(out, "model:     {name}, {}, {bytes} bytes", files_text(files))?;
    }
    print_kernel(out, report)?;
    if let Some(signer) = &report.signer {
        print_signer(out, signer)?;
    }
    if let Some(evidence) = &report.evidence {
        print_evidence(out, evidence)?;
    }
    if let Some(signed) = &report.signed {
        writeln!(out, "root:      {}", signed.digests.root)?;
        writeln!(out, "manifest:  {}", signed.digests.manifest)?;
        let ignored: Vec<String> =
            signed.serialization.ignore_paths.iter().map(|p| Printable(p).to_string()).collect();
        if !ignored.is_empty() {
            let (shown, more) = ignored.split_at(ignored.len().min(MAX_LINES));
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            writeln!(out, "not signed, by the signer's choice: {}{more}", shown.join(", "))?;
        }
        if signed.serialization.allow_symlinks {
            writeln!(out, "symbolic links are read through, by the signer's choice")?;
        }
    }
    for overlooked in report.overlooked.iter().take(MAX_LINES) {
        writeln!(out, "not looked at: {}", Printable(overlooked))?;
    }
    print_more(out, "not looked at", report.overlooked.len())?;
    Ok(())
}

/// What the kernel did, the same for every method.
pub fn print_kernel(out: &mut dyn Write, report: &VerifyReport) -> io::Result<()> {
    let Some(kernel) = &report.kernel else { return Ok(()) };
    if let Some(now) = kernel.frozen {
        writeln!(out, "frozen:    {}, {now} of them now", files_text(kernel.enforced))?;
    }
    if kernel.verified > 0 {
        writeln!(out, "kernel:    verified by the kernel: {} of {} files", kernel.verified, kernel.files)?;
    }
    Ok(())
}

/// What is true of the files of a model that was to be frozen and is not allowed, whatever else is wrong with it.
pub fn frozen_note(report: &VerifyReport, allowed: bool) -> Option<String> {
    match &report.kernel {
        _ if allowed => None,
        Some(kernel) if kernel.frozen.is_some() => Some(format!(
            "{} are frozen and stay so; only copies of them can be written to",
            files_text(kernel.enforced)
        )),
        // Where freezing itself failed, its message says how far it came.
        _ if report.code.as_deref().is_some_and(|code| code.starts_with("error.")) => None,
        _ => Some("nothing was frozen".to_owned()),
    }
}

fn print_refusal(out: &mut dyn Write, report: &VerifyReport) -> io::Result<()> {
    writeln!(out, "Verification failed with error: {}", Printable(&report.message))?;
    if let Some(differences) = &report.differences {
        print_differences(out, differences)?;
    }
    for check in &report.checks {
        if let (Some(code), Some(_)) = (&check.code, &check.message) {
            writeln!(out, "  code: {code}")?;
        }
        if let Some(fix) = &check.fix {
            writeln!(out, "  what to do: {}", Printable(fix))?;
        }
    }
    if let Some(signer) = &report.signer {
        match (&signer.certificate, &signer.identity) {
            (Some(certificate), _) => writeln!(out, "  signed by: {}", Printable(&certificate.subject))?,
            (None, Some(identity)) => writeln!(
                out,
                "  signed by: {} ({})",
                Printable(&identity.value),
                Printable(&identity.issuer)
            )?,
            (None, None) => {
                writeln!(out, "  signed by: {} key {}", signer.algorithm, signer.key_fingerprint)?
            }
        }
    }
    Ok(())
}

fn print_differences(out: &mut dyn Write, differences: &Differences) -> io::Result<()> {
    for change in differences.changed.iter().take(MAX_LINES) {
        let range = change.range.as_ref().map(|r| format!(", bytes {r}")).unwrap_or_default();
        writeln!(out, "  changed:    {}{range}", Printable(&change.path))?;
        writeln!(
            out,
            "    signed:   {}",
            change.signed.as_deref().unwrap_or("nothing: the file was shorter")
        )?;
        writeln!(out, "    found:    {}", change.found.as_deref().unwrap_or("nothing: the file is shorter"))?;
    }
    print_more(out, "changed", differences.changed.len())?;
    for (what, paths) in [("missing", &differences.missing), ("not signed", &differences.unsigned)] {
        for path in paths.iter().take(MAX_LINES) {
            writeln!(out, "  {:<11} {}", format!("{what}:"), Printable(path))?;
        }
        print_more(out, what, paths.len())?;
    }
    for explained in &differences.explained {
        writeln!(out, "  note:       {}", Printable(&explained.message))?;
    }
    Ok(())
}

fn print_more(out: &mut dyn Write, what: &str, count: usize) -> io::Result<()> {
    match count.checked_sub(MAX_LINES) {
        Some(more @ 1..) => writeln!(out, "  {what}: {more} more, {count} in all (--format json lists them)"),
        _ => Ok(()),
    }
}
