//! `modelseal sign`.

use crate::{
    args::{MethodName, SignArgs, SignMethod},
    exit::{Exit, Failure},
    files,
    output::Output,
    password,
    progress::Bar,
};
use modelseal::{
    CertificateSigner, KeySigner, PasswordError, Printable, PrivateKey, PrivateKeyError, SignRequest, Signer,
    report::{SignReport, SignerReport},
};
use std::{io, path::Path};

const DOING: &str = "Signing";

pub fn run(method: &SignMethod, output: &Output) -> Result<Exit, Failure> {
    let common = match method {
        SignMethod::Key(args) => &args.common,
        SignMethod::Certificate(args) => &args.common,
    };
    let request = request(common)?;
    if common.dry_run {
        let prepared = request.prepare(&Bar::start()).map_err(|e| Failure::from(e).doing(DOING))?;
        output.warnings(prepared.model().notes());
        output.raw_json(prepared.statement())?;
        output.raw(b"\n")?;
        return Ok(Exit::Done);
    }
    let signer = signer(method, common)?;
    let signed = request.run(&*signer, &Bar::start()).map_err(|e| Failure::from(e).doing(DOING))?;
    let mut report = signed.report;
    report.notes.extend(published_key(common, &report));
    output.warnings(&report.notes);
    output.result(&report, |out| print(out, &report))?;
    Ok(Exit::Done)
}

/// A private key that lies in the model goes wherever the model goes.
fn published_key(args: &SignArgs, report: &SignReport) -> Option<String> {
    let (model, key) = (args.model.path.canonicalize().ok()?, args.private_key.canonicalize().ok()?);
    let inside = key.strip_prefix(model).ok()?;
    if report.serialization.ignore_paths.iter().any(|ignored| inside.starts_with(ignored)) {
        return None;
    }
    Some(format!(
        "the private key '{}' lies in the model and was signed as a part of it: whoever gets the model gets the \
         key; move it out and sign again",
        args.private_key.display()
    ))
}

fn request(args: &SignArgs) -> Result<SignRequest, Failure> {
    let mut request = modelseal::sign(&args.model.path)
        .output(&args.signature)
        .force(args.force)
        .hash(args.measure.hash)
        .ignore_git_paths(!args.scope.no_ignore_git_paths)
        .allow_symlinks(args.scope.allow_symlinks)
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
    if let Some(old) = &args.reuse {
        request = request.reuse(old, files::cache()?);
    } else if args.remember {
        request = request.remember(files::cache()?);
    }
    Ok(request)
}

/// The key is read, and its password asked for, before the model is hashed.
fn signer(method: &SignMethod, common: &SignArgs) -> Result<Box<dyn Signer>, Failure> {
    password::check(&common.password)?;
    let path = &common.private_key;
    let pem = files::read_small(path, "private key")?;
    let key = PrivateKey::from_pem(&pem, || password::existing(&common.password)).map_err(|e| {
        let (code, advice) = match &e {
            PrivateKeyError::Password(PasswordError::NotGiven) => ("usage.password", password::ADVICE),
            PrivateKeyError::Password(_) | PrivateKeyError::WrongPassword => ("usage.password", ""),
            _ => ("usage.private-key", ""),
        };
        Failure::usage(code, format_args!("cannot use '{}': {e}{advice}", path.display()))
    })?;
    let SignMethod::Certificate(args) = method else { return Ok(Box::new(KeySigner::new(key))) };
    let mut own = files::certificates([&*args.signing_certificate])?.into_iter();
    let (Some(leaf), rest) = (own.next(), own) else {
        return Err(Failure::usage("usage.certificate", "the signing certificate file holds no certificate"));
    };
    let issuers = files::certificates(args.certificate_chain.iter().map(Path::new))?;
    // A chain file that starts with the signing certificate itself is common.
    let issuers = rest.chain(issuers).filter(|c| c.der() != leaf.der()).map(|c| c.der().to_vec());
    let signer = CertificateSigner::new(key, leaf.der().to_vec(), issuers.collect());
    signer.map(|s| Box::new(s) as Box<dyn Signer>).map_err(|e| Failure::usage("usage.certificate", e))
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
    print_signer(out, &report.signer)?;
    writeln!(out, "root:      {}", report.digests.root)?;
    writeln!(out, "manifest:  {}", report.digests.manifest)
}

/// A number of files.
pub fn files_text(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// Who signed, the same for `sign` and `verify`.
pub fn print_signer(out: &mut dyn io::Write, signer: &SignerReport) -> io::Result<()> {
    match &signer.certificate {
        None => writeln!(out, "signer:    {} key {}", signer.algorithm, signer.key_fingerprint),
        Some(certificate) => {
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
