//! `modelseal attest`.

use crate::{
    args::{
        AttestArgs, AttestCommand, BeginArgs, Ci, FinishArgs, InputArgs, InspectionArgs, MethodName,
        ProvenanceArgs, RecordedBuilderArgs, RunArgs, StatementArgs, Who,
    },
    commands::inspect::rule_set,
    commands::sign::{
        evidence, files_text, open, print_evidence, print_signer, published_key, sign_as_somebody,
    },
    exit::{Exit, Failure},
    files,
    output::Output,
    progress::Bar,
};
use modelseal::{
    AttestRequest, Attested, Error, EvidenceServices, PreparedAttestation, Printable, PublicKey, Signer,
    attest::{CiEnvironment, Input, InputKind, InspectionOf, PredicateOf, ProvenanceOf, Run, Surroundings},
    report::{AttestReport, RunRecord},
};
use std::{
    env,
    io::{self, Write},
    path::Path,
};

const DOING: &str = "Attesting";

pub fn run(command: &AttestCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        AttestCommand::Provenance(args) => provenance(args, output),
        AttestCommand::Inspection(args) => inspection(args, output),
        AttestCommand::Statement(args) => statement(args, output),
        AttestCommand::Begin(args) => begin(args, output),
        AttestCommand::Finish(args) => finish(args, output),
    }
}

fn provenance(args: &ProvenanceArgs, output: &Output) -> Result<Exit, Failure> {
    let mut run = described(&args.run)?;
    run.started_on = args.started_on.or(run.started_on);
    run.finished_on = args.finished_on.or(run.finished_on);
    let request = about(&args.model.path, &args.statement).provenance(run);
    make(with_run(request, &args.run)?, &args.model.path, &args.statement, output)
}

fn finish(args: &FinishArgs, output: &Output) -> Result<Exit, Failure> {
    let run = described(&args.run)?;
    let request = about(&args.model.path, &args.statement).provenance(run);
    let request = with_run(request, &args.run)?.finishing(&args.record, args.inputs_may_change);
    make(request, &args.model.path, &args.statement, output)
}

fn inspection(args: &InspectionArgs, output: &Output) -> Result<Exit, Failure> {
    let rules = rule_set(args.rules.as_deref(), &args.trust)?.into_owned();
    let mut request = about(&args.model.path, &args.statement).inspection().rules(rules);
    if let Some(report) = &args.report {
        request = request.report(report);
    }
    make(request, &args.model.path, &args.statement, output)
}

fn statement(args: &StatementArgs, output: &Output) -> Result<Exit, Failure> {
    let predicate = files::read_attestation(&args.predicate, "predicate")?;
    let request = about(&args.model.path, &args.statement)
        .predicate(&args.predicate_type, predicate.to_vec())
        .allow_unresolved(args.allow_unresolved);
    make(request, &args.model.path, &args.statement, output)
}

fn begin(args: &BeginArgs, output: &Output) -> Result<Exit, Failure> {
    let inputs = match &args.run {
        Some(path) => Run::read(path)?.inputs,
        None => Vec::new(),
    };
    let inputs = otherwise(inputs, given(&args.inputs)?);
    let keys = base_keys(&args.inputs)?;
    let record = modelseal::attest::begin(inputs, &args.record, &keys, &Bar::start())
        .map_err(|e| Failure::from(e).doing("Beginning"))?;
    output.warnings(&record.notes);
    output.result(&record, |out| print_record(out, &args.record, &record))?;
    Ok(Exit::Done)
}

/// The kinds of statement, as far as this door tells them apart.
trait Request: Sized {
    fn with_evidence(self, evidence: EvidenceServices) -> Self;
    fn in_public(self) -> Self;
    fn prepared(self) -> Result<PreparedAttestation, Error>;
    fn signed(self, signer: &dyn Signer) -> Result<Attested, Error>;
}

macro_rules! request {
    ($what:ty) => {
        impl Request for AttestRequest<$what> {
            fn with_evidence(self, evidence: EvidenceServices) -> Self {
                self.evidence(evidence)
            }

            fn in_public(self) -> Self {
                self.publishing()
            }

            fn prepared(self) -> Result<PreparedAttestation, Error> {
                self.prepare(&Bar::start())
            }

            fn signed(self, signer: &dyn Signer) -> Result<Attested, Error> {
                self.run(signer, &Bar::start())
            }
        }
    };
}

request!(ProvenanceOf);
request!(PredicateOf);
request!(InspectionOf);

fn make(
    mut request: impl Request,
    model: &Path,
    args: &AttestArgs,
    output: &Output,
) -> Result<Exit, Failure> {
    if args.dry_run {
        let prepared = request.prepared().map_err(|e| Failure::from(e).doing(DOING))?;
        output.warnings(prepared.notes());
        output.raw_json(prepared.statement())?;
        output.raw(b"\n")?;
        return Ok(Exit::Done);
    }
    let who = args.signer.who().map_err(|why| Failure::usage("usage.flags", why))?;
    if let Some(evidence) = evidence(&who)? {
        request = request.with_evidence(evidence);
    }
    let made: Result<Attested, Failure> = match &who {
        Who::Identity(args) => sign_as_somebody(args, output, || Ok(request.in_public().prepared()?)),
        _ => request.signed(&*open(&who)?).map_err(Failure::from),
    };
    let mut report = made.map_err(|e| e.doing(DOING))?.report;
    report.notes.extend(published_key(&who, model, &report.serialization));
    output.warnings(&report.notes);
    output.result(&report, |out| print(out, &report))?;
    Ok(Exit::Done)
}

fn about(model: &Path, args: &AttestArgs) -> AttestRequest<()> {
    let mut request = modelseal::attest(model)
        .force(args.destination.force)
        .hash(args.measure.hash)
        .ignore_git_paths(!args.scope.no_ignore_git_paths)
        .allow_symlinks(args.scope.allow_symlinks)
        .memory(args.effort.memory);
    if let Some(threads) = args.effort.threads {
        request = request.threads(threads);
    }
    if args.measure.method == MethodName::Shards {
        request = request.shards(args.measure.shard_size);
    }
    for path in &args.scope.ignore_paths {
        request = request.ignore(path);
    }
    if let Some(path) = &args.destination.output {
        request = request.output(path);
    }
    if let Some(path) = &args.destination.append {
        request = request.append(path);
    }
    if let Some(directory) = &args.destination.store {
        request = request.store(directory);
    }
    request
}

/// The run file, and what flags say besides or instead.
fn described(args: &RunArgs) -> Result<Run, Failure> {
    let mut run = match &args.run {
        Some(path) => Run::read(path)?,
        None => Run::default(),
    };
    if let (Some(flag), Some(file)) = (args.build_type, run.build_type)
        && flag != file
    {
        let message = format!("--build-type is '{}', and the run file says '{}'", flag.name(), file.name());
        return Err(Failure::usage("usage.run", message));
    }
    run.build_type = args.build_type.or(run.build_type);
    run.entry_point = args.entry_point.clone().or(run.entry_point);
    run.config = args.config.clone().or(run.config);
    run.method = args.build_method.clone().or(run.method);
    run.format = args.target_format.clone().or(run.format);
    run.builder_id = args.builder.builder_id.clone().or(run.builder_id);
    run.invocation_id = args.builder.invocation_id.clone().or(run.invocation_id);
    for parameter in &args.parameters {
        run.parameter(parameter)?;
    }
    run.inputs = otherwise(run.inputs, given(&args.inputs)?);
    Ok(run)
}

/// What a flag names again, it says otherwise.
fn otherwise(mut inputs: Vec<Input>, given: Vec<Input>) -> Vec<Input> {
    inputs.retain(|input| {
        !given
            .iter()
            .any(|flag| flag.kind == input.kind && (flag.uri == input.uri || flag.kind == InputKind::Source))
    });
    inputs.extend(given);
    inputs
}

fn with_run(
    request: AttestRequest<ProvenanceOf>,
    args: &RunArgs,
) -> Result<AttestRequest<ProvenanceOf>, Failure> {
    Ok(request
        .surroundings(surroundings(&args.builder))
        .allow_unresolved(args.allow_unresolved)
        .base_keys(base_keys(&args.inputs)?))
}

fn surroundings(args: &RecordedBuilderArgs) -> Surroundings {
    let (environment, system) = match args.ci {
        Ci::None => (CiEnvironment::default(), None),
        Ci::Auto => (CiEnvironment::of(|name| env::var(name).ok()), None),
        Ci::System(system) => (CiEnvironment::of(|name| env::var(name).ok()), Some(system)),
    };
    Surroundings { environment, system, inputs_as_parameters: args.inputs_as_parameters }
}

fn given(args: &InputArgs) -> Result<Vec<Input>, Failure> {
    let each = args.source.iter().map(|text| (InputKind::Source, "--source", text));
    let each = each.chain(args.base.iter().map(|text| (InputKind::Base, "--base", text)));
    let each = each.chain(args.dataset.iter().map(|text| (InputKind::Dataset, "--dataset", text)));
    let each = each.chain(args.container.iter().map(|text| (InputKind::Container, "--container", text)));
    let each = each.chain(args.lockfile.iter().map(|text| (InputKind::Lockfile, "--lockfile", text)));
    each.map(|(kind, flag, text)| {
        Input::parse(kind, text).map_err(|e| Failure::usage("usage.input", format_args!("{flag}: {e}")))
    })
    .collect()
}

fn base_keys(args: &InputArgs) -> Result<Vec<PublicKey>, Failure> {
    args.base_key.iter().map(|path| files::public_key(path)).collect()
}

fn print(out: &mut dyn Write, report: &AttestReport) -> io::Result<()> {
    writeln!(out, "Attesting succeeded")?;
    for (index, path) in report.written.iter().enumerate() {
        writeln!(out, "{} {}", if index == 0 { "written:  " } else { "          " }, Printable(path))?;
    }
    writeln!(
        out,
        "model:     {}, {}, {} bytes",
        Printable(&report.model.name),
        files_text(report.model.files),
        report.model.bytes
    )?;
    writeln!(out, "predicate: {}", Printable(&report.predicate_type))?;
    if let Some(provenance) = &report.provenance {
        writeln!(out, "build:     {}", Printable(&provenance.build_type))?;
        writeln!(out, "builder:   {}", Printable(&provenance.builder_id))?;
        for dependency in &provenance.dependencies {
            let uri = dependency.uri.as_deref().unwrap_or("");
            let digest = dependency.digests.first().map_or("", String::as_str);
            let space = if uri.is_empty() { "" } else { " " };
            writeln!(
                out,
                "from:      {} {}{space}{}",
                Printable(&dependency.name),
                Printable(uri),
                Printable(digest)
            )?;
        }
        writeln!(out, "level:     SLSA Build L{}: {}", provenance.level, provenance.level_reason)?;
    }
    if let Some(inspection) = &report.inspection {
        writeln!(out, "verdict:   {}", inspection.verdict.name())?;
        for (index, attribute) in inspection.attributes.iter().enumerate() {
            writeln!(
                out,
                "{} {}",
                if index == 0 { "claims:   " } else { "          " },
                Printable(attribute)
            )?;
        }
        writeln!(out, "report:    {}, {}", Printable(&inspection.report), inspection.report_digest)?;
    }
    print_signer(out, &report.signer)?;
    if let Some(evidence) = &report.evidence {
        print_evidence(out, evidence)?;
    }
    writeln!(out, "root:      {}", report.digests.root)?;
    writeln!(out, "manifest:  {}", report.digests.manifest)
}

fn print_record(out: &mut dyn Write, path: &Path, record: &RunRecord) -> io::Result<()> {
    writeln!(out, "Beginning succeeded")?;
    writeln!(out, "record:    {}", Printable(&path.display().to_string()))?;
    writeln!(out, "started:   {}", record.started_on)?;
    for input in &record.inputs {
        let label = input.uri.as_deref().or(input.path.as_deref()).unwrap_or_default();
        writeln!(out, "input:     {} {}, {}", input.kind, Printable(label), files_text(input.files.len()))?;
    }
    Ok(())
}
