//! `modelseal sign`.

mod keyless;
mod signers;

pub use keyless::sign as sign_as_somebody;
pub use signers::{evidence, open, published_key};

use crate::{
    args::{MethodName, SignArgs, SignMethod, TrustArgs, Who},
    commands::inspect::rule_set,
    exit::{Exit, Failure},
    files,
    output::Output,
    progress::Bar,
};
use modelseal::{
    Printable, SignRequest, SignedFile,
    report::{EvidenceReport, SignReport, SignerReport},
};
use std::io;

const DOING: &str = "Signing";

pub fn run(method: &SignMethod, output: &Output) -> Result<Exit, Failure> {
    let common = method.common();
    let mut request = request(common)?;
    if common.dry_run {
        let prepared = request.prepare(&Bar::start()).map_err(|e| Failure::from(e).doing(DOING))?;
        output.warnings(prepared.model().notes());
        output.raw_json(prepared.statement())?;
        output.raw(b"\n")?;
        return Ok(Exit::Done);
    }
    let who = method.who();
    if let Some(evidence) = evidence(&who)? {
        request = request.evidence(evidence);
    }
    let signed: Result<SignedFile, Failure> = match &who {
        Who::Identity(args) => {
            keyless::sign(args, output, || Ok(request.publishing().prepare(&Bar::start())?))
        }
        _ => {
            let signer = open(&who)?;
            request.run(&*signer, &Bar::start()).map_err(Failure::from)
        }
    };
    let mut report = signed.map_err(|e| e.doing(DOING))?.report;
    report.notes.extend(published_key(&who, &common.model.path, &report.serialization));
    output.warnings(&report.notes);
    output.result(&report, |out| print(out, &report))?;
    Ok(Exit::Done)
}

fn request(args: &SignArgs) -> Result<SignRequest, Failure> {
    let mut request = modelseal::sign(&args.model.path)
        .output(&args.signature)
        .force(args.force)
        .hash(args.measure.hash)
        .ignore_git_paths(!args.scope.no_ignore_git_paths)
        .allow_symlinks(args.scope.allow_symlinks)
        .fs_verity(args.fs_verity)
        .memory(args.effort.memory);
    if let Some(digests) = &args.digests {
        request = request.digests(digests);
    }
    if let Some(threads) = args.effort.threads {
        request = request.threads(threads);
    }
    if args.measure.method == MethodName::Shards {
        request = request.shards(args.measure.shard_size);
    }
    for path in &args.scope.ignore_paths {
        request = request.ignore(path);
    }
    for required in &args.require {
        request = request.require(*required);
    }
    if let Some(rules) = &args.rules {
        request = request.rules(rule_set(Some(rules), &TrustArgs::default())?.into_owned());
    }
    if let Some(old) = &args.reuse {
        request = request.reuse(old, files::cache()?);
    } else if args.remember {
        request = request.remember(files::cache()?);
    }
    Ok(request)
}

fn print(out: &mut dyn io::Write, report: &SignReport) -> io::Result<()> {
    writeln!(out, "Signing succeeded")?;
    writeln!(out, "signature: {}", Printable(&report.signature))?;
    writeln!(
        out,
        "model:     {}, {}, {} bytes",
        Printable(&report.model.name),
        files_text(report.model.files),
        report.model.bytes
    )?;
    if let Some(count) = report.fs_verity {
        writeln!(out, "fs-verity: the kernel's digests of {} are signed, too", files_text(count))?;
    }
    print_signer(out, &report.signer)?;
    if let Some(evidence) = &report.evidence {
        print_evidence(out, evidence)?;
    }
    writeln!(out, "root:      {}", report.digests.root)?;
    writeln!(out, "manifest:  {}", report.digests.manifest)
}

/// A number of files.
pub fn files_text(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// Who signed, the same for `sign` and `verify`.
pub fn print_signer(out: &mut dyn io::Write, signer: &SignerReport) -> io::Result<()> {
    match (&signer.certificate, &signer.identity) {
        (None, Some(identity)) => {
            writeln!(out, "signer:    {}", Printable(&identity.value))?;
            writeln!(out, "issuer:    {}", Printable(&identity.issuer))
        }
        (None, None) => writeln!(out, "signer:    {} key {}", signer.algorithm, signer.key_fingerprint),
        (Some(certificate), _) => {
            writeln!(out, "signer:    {}", Printable(&certificate.subject))?;
            for name in &certificate.alternative_names {
                writeln!(out, "           {}", Printable(name))?;
            }
            writeln!(out, "issuer:    {}", Printable(&certificate.issuer))?;
            writeln!(out, "key:       {} {}", signer.algorithm, signer.key_fingerprint)
        }
    }?;
    writeln!(out, "method:    {}", signer.method)
}

/// When it was signed and where that is public, the same for `sign` and `verify`.
pub fn print_evidence(out: &mut dyn io::Write, evidence: &EvidenceReport) -> io::Result<()> {
    for time in &evidence.times {
        writeln!(out, "time:      {} by {}", time.at, Printable(&time.authority))?;
    }
    for entry in &evidence.log_entries {
        writeln!(out, "log:       entry {} of {}", entry.index, Printable(&entry.log))?;
    }
    Ok(())
}
