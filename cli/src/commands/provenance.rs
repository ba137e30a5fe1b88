//! `modelseal verify provenance`.

use crate::{
    args::{BuilderArgs, ExpectedArgs, ProvenanceSignerArgs, VerifyProvenanceArgs},
    commands::{
        sign::{files_text, print_evidence, print_signer},
        verify::identity,
    },
    exit::{Exit, Failure},
    files,
    output::Output,
    progress::Bar,
    services,
};
use modelseal::{
    CertificateIdentity, Error, Keyless, Printable, ProvenanceRequest, Requirement, Store, Trust, Verifier,
    expect::{BuildLevel, Expectations, Expected, ExpectedBuilder, Pattern, Source, Test},
    report::{
        CheckStatus, DependencyReport, ProvenanceCheck, ProvenanceFacts, ProvenanceReport, RejectedDocument,
        SignerReport,
    },
};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

/// How many lines a list takes before it is cut; JSON has all.
const MAX_LINES: usize = 20;

pub fn run(args: &VerifyProvenanceArgs, output: &Output) -> Result<Exit, Failure> {
    let expected = expectations(&args.builder, &args.expected)?;
    let (verifier, trust) = verifier(args)?;
    let mut request = modelseal::verify_provenance(&args.model.path, verifier)
        .expecting(expected)
        .no_disagreement(args.documents.no_disagreement)
        .ignore_git_paths(!args.scope.no_ignore_git_paths)
        .allow_symlinks(args.scope.allow_symlinks)
        .memory(args.effort.memory);
    if let Some(trust) = &trust {
        request = request.noting(trust);
    }
    if let Some(threads) = args.effort.threads {
        request = request.threads(threads);
    }
    for path in &args.scope.ignore_paths {
        request = request.ignore(path);
    }
    request = with_documents(request, args)?;
    match request.run(&Bar::start()) {
        Ok(verified) => {
            let report = verified.report();
            output.warnings(&report.notes);
            output.result(report, |out| print_success(out, report))?;
            Ok(Exit::Done)
        }
        Err(refusal) => {
            let report = refusal.report();
            output.refusal(report, &report.notes, |out| print_refusal(out, report))?;
            let interrupted = report.code.as_deref() == Some("error.cancelled");
            Ok(if interrupted { Exit::Interrupted } else { refusal.kind().into() })
        }
    }
}

fn with_documents(
    mut request: ProvenanceRequest,
    args: &VerifyProvenanceArgs,
) -> Result<ProvenanceRequest, Failure> {
    for bundle in &args.documents.bundle {
        request = request.bundle(bundle);
    }
    for directory in &args.documents.bundle_dir {
        request = request.bundle_dir(directory);
    }
    for store in &args.documents.store {
        request = request.store(Store::open(store).map_err(Error::from)?);
    }
    Ok(request)
}

/// Whose signatures count, and the trust material that they are judged against.
fn verifier(args: &VerifyProvenanceArgs) -> Result<(Verifier, Option<Trust>), Failure> {
    let (signer, instance) = (&args.signer, &args.instance);
    let named = instance.use_staging || instance.trust_config.is_some() || instance.trusted_root.is_some();
    let trust =
        if signer.identity_provider.is_some() || named { Some(services::trust(instance)?) } else { None };
    let root = trust.as_ref().map(|trust| trust.root.clone());
    let requirement = Requirement { log_entry: signer.require_log, trusted_time: signer.require_timestamp };
    let verifier = match (root, signer.identity_provider.is_some()) {
        (Some(root), true) => Verifier::with_sigstore(root, keyless(signer)?),
        (Some(root), false) => by_key_or_certificate(signer)?.with_trusted_root(root),
        (None, _) if signer.require_log || signer.require_timestamp => {
            let message = "--require-log and --require-timestamp need --trusted-root to judge by";
            return Err(Failure::usage("usage.flags", message));
        }
        (None, _) => by_key_or_certificate(signer)?,
    };
    Ok((verifier.requiring(requirement), trust))
}

fn by_key_or_certificate(signer: &ProvenanceSignerArgs) -> Result<Verifier, Failure> {
    if let Some(path) = &signer.public_key {
        return Ok(Verifier::with_key(files::public_key(path)?));
    }
    if signer.certificate_identity.as_deref() == Some("") {
        return Err(Failure::usage(
            "usage.identity",
            "--certificate-identity is empty; leave it out to accept any",
        ));
    }
    let roots = files::roots(signer.certificate_chain.iter().map(Path::new))?;
    let identity = signer.certificate_identity.clone().map(CertificateIdentity::exactly);
    Ok(Verifier::with_certificates(roots, identity))
}

fn keyless(signer: &ProvenanceSignerArgs) -> Result<Keyless, Failure> {
    identity(
        signer.identity.as_deref(),
        signer.identity_pattern.as_deref(),
        signer.identity_provider.as_deref().unwrap_or_default(),
    )
}

fn expectations(builder: &BuilderArgs, made: &ExpectedArgs) -> Result<Expectations, Failure> {
    let wrong = |message: String| Failure::usage("usage.flags", message);
    let level = |number: u8| BuildLevel::new(number).unwrap_or(BuildLevel::ONE);
    let (args_level, args_least) = (builder.builder_level, builder.min_level);
    let id = match (&builder.builder_id, &builder.builder_id_pattern) {
        (Some(id), _) => Some(Expected::Literal(id.clone())),
        (None, Some(pattern)) => {
            let pattern = Pattern::new(pattern).map_err(|e| wrong(format!("--builder-id-pattern: {e}")))?;
            Some(Expected::Regex(pattern))
        }
        (None, None) if builder.builder_level > 1 => {
            let message = "--builder-level says what a builder is worth: name it with --builder-id";
            return Err(wrong(message.to_owned()));
        }
        (None, None) => None,
    };
    let builder = id.map(|id| ExpectedBuilder { id, level: level(args_level) });
    check_strictness(builder.as_ref(), level(args_least), made)?;
    let source_ref = match (&made.source_ref, &made.source_branch, &made.source_tag) {
        (Some(reference), ..) => Some(reference.clone()),
        (None, Some(branch), _) => Some(format!("refs/heads/{branch}")),
        (None, None, Some(tag)) => Some(format!("refs/tags/{tag}")),
        (None, None, None) => None,
    };
    let mut parameters = BTreeMap::new();
    let any = made.any_parameter.iter().map(|pointer| (pointer.clone(), Test::Any));
    for (pointer, test) in made.parameter.iter().cloned().chain(any) {
        let name = pointer.as_str().to_owned();
        if parameters.insert(pointer, test).is_some() {
            return Err(wrong(format!("the parameter {name} is given twice")));
        }
    }
    let mut inputs = BTreeMap::new();
    for (name, test) in &made.build_workflow_input {
        if inputs.insert(name.clone(), test.clone()).is_some() {
            return Err(wrong(format!("the input {name} is given twice")));
        }
    }
    Ok(Expectations {
        builder,
        min_level: level(args_least),
        build_types: made.build_type.clone(),
        source: made.source_uri.as_deref().map(repository).transpose()?.map(Expected::Literal),
        source_ref: source_ref.map(Expected::Literal),
        source_digest: made.source_digest.as_deref().map(commit).transpose()?,
        parameters,
        inputs,
        allow_unknown_parameters: made.allow_unknown_parameters,
        allow_unresolved: made.allow_unresolved,
    })
}

/// Refuses what would make a level above 1 out of nothing.
fn check_strictness(
    builder: Option<&ExpectedBuilder>,
    least: BuildLevel,
    made: &ExpectedArgs,
) -> Result<(), Failure> {
    let wrong = |message: &str| Err(Failure::usage("usage.flags", message));
    if least > BuildLevel::ONE && made.allow_unknown_parameters {
        return wrong(
            "--min-level above 1 needs every external parameter compared, or accepted by name with --any-parameter: \
             --allow-unknown-parameters, which accepts whatever there is, does not go with it",
        );
    }
    let Some(builder) = builder.filter(|builder| builder.level > BuildLevel::ONE) else { return Ok(()) };
    if matches!(&builder.id, Expected::Literal(id) if id == modelseal::attest::LOCAL_BUILDER) {
        return wrong(
            "the local builder is any machine at all, and is granted no --builder-level above 1; have whoever builds say which \
             builder it is, and name that one",
        );
    }
    if !builder.is_named() {
        return wrong(
            "--builder-level above 1 needs a builder that is named: a --builder-id-pattern has to begin with a scheme and a host, \
             with dots escaped, such as 'https://github\\.com/acme/train/.*'",
        );
    }
    Ok(())
}

/// A repository as provenance states it, without `git+` before it.
fn repository(text: &str) -> Result<String, Failure> {
    let Source { repository, reference } = Source::split(text);
    if reference.is_some() {
        let message = format!("--source-uri '{text}' has a ref behind '@': give it with --source-ref");
        return Err(Failure::usage("usage.flags", message));
    }
    Ok(if repository.contains("://") { repository } else { format!("https://{repository}") })
}

fn commit(text: &str) -> Result<String, Failure> {
    let hex = text.strip_prefix("gitCommit:").or_else(|| text.strip_prefix("sha1:")).unwrap_or(text);
    let is_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex && [40, 64].contains(&hex.len()) {
        return Ok(hex.to_owned());
    }
    let message = format!("--source-digest '{text}' is no commit: 40 or 64 lowercase hexadecimal characters");
    Err(Failure::usage("usage.flags", message))
}

fn print_success(out: &mut dyn Write, report: &ProvenanceReport) -> io::Result<()> {
    writeln!(out, "Verification succeeded")?;
    writeln!(out, "verdict:   {}", Printable(&report.message))?;
    if let Some(measured) = &report.measured {
        let (name, files, bytes) = (Printable(&measured.name), measured.files, measured.bytes);
        writeln!(out, "model:     {name}, {}, {bytes} bytes", files_text(files))?;
    }
    if let Some(digests) = &report.digests {
        writeln!(out, "manifest:  {}", digests.manifest)?;
    }
    if let Some(facts) = report.decisive() {
        print_facts(out, facts)?;
        writeln!(out, "checks:")?;
        for check in &facts.checks {
            print_check(out, check)?;
        }
    }
    print_rest(out, report)
}

/// Who made the model, from what, and with which parameters, in the words of its provenance.
fn print_facts(out: &mut dyn Write, facts: &ProvenanceFacts) -> io::Result<()> {
    writeln!(out, "document:  {}", Printable(&facts.document))?;
    print_signer(out, &facts.signer)?;
    if let Some(evidence) = &facts.evidence {
        print_evidence(out, evidence)?;
    }
    writeln!(out, "producer:  {}", Printable(&facts.producer_name))?;
    writeln!(out, "builder:   {}", Printable(&facts.builder_id))?;
    writeln!(out, "level:     SLSA Build L{}: {}", facts.level.granted, Printable(&facts.level.because))?;
    writeln!(out, "type:      {}", Printable(&facts.build_type))?;
    if let Some(source) = &facts.source {
        write!(out, "source:    {}", Printable(&source.repository))?;
        if let Some(reference) = &source.reference {
            write!(out, " at {}", Printable(reference))?;
        }
        let commits = source.commits.join(" and ");
        writeln!(out, "{}{}", if commits.is_empty() { "" } else { ", commit " }, Printable(&commits))?;
    }
    let times = [("started", &facts.started_on), ("finished", &facts.finished_on)];
    let times = times.into_iter().filter_map(|(what, time)| Some(format!("{what} {}", time.as_ref()?)));
    let run: Vec<String> = facts.invocation_id.iter().cloned().chain(times).collect();
    if !run.is_empty() {
        writeln!(out, "run:       {}", Printable(&run.join(", ")))?;
    }
    print_list(out, "parameters:", &facts.parameters, |parameter| {
        let note = match parameter.compared.as_str() {
            "yes" => "",
            "accepted" => "  (any value accepted)",
            "no-known" => "  (not compared)",
            _ => "  (not compared, and not known to the build type)",
        };
        format!("{} = {}{note}", parameter.pointer, parameter.value)
    })?;
    print_list(out, "made from:", &facts.dependencies, dependency)
}

fn dependency(dependency: &DependencyReport) -> String {
    let digest = dependency.digests.get_key_value("dirHash").or_else(|| dependency.digests.first_key_value());
    let digest = match digest {
        Some((algorithm, hex)) if dependency.pinned => format!("{algorithm}:{hex}"),
        Some((algorithm, hex)) => format!("{algorithm}:{hex} (pins nothing: no strong digest)"),
        None => "(no digest)".to_owned(),
    };
    let words = [dependency.name.as_deref(), dependency.uri.as_deref(), Some(&digest)];
    words.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

fn print_list<T>(
    out: &mut dyn Write,
    what: &str,
    items: &[T],
    text: impl Fn(&T) -> String,
) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "{what}")?;
    for item in items.iter().take(MAX_LINES) {
        writeln!(out, "  {}", Printable(&text(item)))?;
    }
    match items.len().checked_sub(MAX_LINES) {
        Some(more @ 1..) => writeln!(out, "  {more} more (--format json lists them)"),
        _ => Ok(()),
    }
}

/// One check: how it ended, what was found, and what to do.
fn print_check(out: &mut dyn Write, check: &ProvenanceCheck) -> io::Result<()> {
    let word = match check.status {
        CheckStatus::Pass => "pass:",
        CheckStatus::Fail => "failed:",
        CheckStatus::NotCompared => "not compared:",
        CheckStatus::Skip => "not checked:",
    };
    write!(out, "  {word:<13} {}: {}", check.id, Printable(&check.message))?;
    match &check.code {
        Some(code) => writeln!(out, " [{code}]")?,
        None => writeln!(out)?,
    }
    if let Some(fix) = &check.fix {
        let label = if check.status == CheckStatus::Fail { "what to do: " } else { "" };
        writeln!(out, "                {label}{}", Printable(fix))?;
    }
    Ok(())
}

fn print_refusal(out: &mut dyn Write, report: &ProvenanceReport) -> io::Result<()> {
    writeln!(out, "Verification failed with error: {}", Printable(&report.message))?;
    if let Some(facts) = report.decisive() {
        writeln!(out, "  in {}, signed by {}", Printable(&facts.document), signer(&facts.signer))?;
        let bad = |check: &&ProvenanceCheck| check.status == CheckStatus::Fail;
        for check in facts.checks.iter().filter(bad).take(MAX_LINES) {
            print_failed(out, check)?;
        }
        if let Some(more @ 1..) = facts.checks.iter().filter(bad).count().checked_sub(MAX_LINES) {
            writeln!(out, "  failed: {more} more checks (--format json lists them)")?;
        }
    }
    print_rest(out, report)
}

fn print_failed(out: &mut dyn Write, check: &ProvenanceCheck) -> io::Result<()> {
    let code = check.code.as_deref().unwrap_or_default();
    writeln!(out, "  failed: {}: {} [{code}]", check.id, Printable(&check.message))?;
    for (what, value) in [("expected:", &check.expected), ("found:", &check.actual)] {
        if let Some(value) = value {
            writeln!(out, "    {what:<11} {}", Printable(&in_words(value)))?;
        }
    }
    if let Some(fix) = &check.fix {
        writeln!(out, "    what to do: {}", Printable(fix))?;
    }
    writeln!(out, "    see:        docs/codes/{code}.md")
}

/// JSON without the quotation marks of texts.
fn in_words(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => items.iter().map(in_words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn signer(signer: &SignerReport) -> String {
    let text = match (&signer.certificate, &signer.identity) {
        (Some(certificate), _) => certificate.subject.clone(),
        (None, Some(identity)) => format!("{} ({})", identity.value, identity.issuer),
        (None, None) => format!("{} key {}", signer.algorithm, signer.key_fingerprint),
    };
    Printable(&text).to_string()
}

/// What else was there and did not help.
fn print_rest(out: &mut dyn Write, report: &ProvenanceReport) -> io::Result<()> {
    for facts in report.provenances.iter().skip(1).take(MAX_LINES) {
        let bad = facts.checks.iter().find(|check| check.status == CheckStatus::Fail);
        let became = match bad {
            Some(check) => {
                format!("{} [{}]", Printable(&check.message), check.code.as_deref().unwrap_or_default())
            }
            None => "as expected, too".to_owned(),
        };
        writeln!(out, "  also there: {}: {became}", Printable(&facts.document))?;
    }
    for other in report.other_statements.iter().take(MAX_LINES) {
        let (document, kind) = (Printable(&other.document), Printable(&other.predicate_type));
        writeln!(out, "  no provenance: {document}: {kind}")?;
    }
    for RejectedDocument { document, code, message, fix } in report.rejected.iter().take(MAX_LINES) {
        writeln!(out, "  not used: {}: {} [{code}]", Printable(document), Printable(message))?;
        if let Some(fix) = fix {
            writeln!(out, "    what to do: {}", Printable(fix))?;
        }
    }
    for overlooked in report.overlooked.iter().take(MAX_LINES) {
        writeln!(out, "  not part of the model: {}", Printable(overlooked))?;
    }
    Ok(())
}
