//! `modelseal store`.

use crate::{
    args::{StoreAddArgs, StoreArgs, StoreCommand, StoreExportArgs, StoreIndexArgs},
    exit::{Exit, Failure},
    output::Output,
};
use modelseal::{
    Error, Printable, Problem, ProblemKind, Store, StoredBundle,
    report::{StoreBundle, StoreReport},
};
use std::{
    io::{self, Write},
    path::Path,
};

/// Names of subjects that are listed of one bundle.
const MAX_SUBJECTS: usize = 10;

pub fn run(command: &StoreCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        StoreCommand::Add(args) => add(args, output),
        StoreCommand::List(args) => list(args, output),
        StoreCommand::Export(args) => export(args, output),
        StoreCommand::Check(args) => check(args, output),
        StoreCommand::Index(args) => index(args, output),
    }
}

fn add(args: &StoreAddArgs, output: &Output) -> Result<Exit, Failure> {
    let store = Store::create(&args.store).map_err(Error::from)?;
    let mut report = report(&store);
    let (mut added, mut skipped) = (0, 0);
    for file in &args.files {
        let imported = store.add_file(file).map_err(|e| failure(file, e))?;
        skipped += imported.skipped;
        if let Some((line, why)) = &imported.first_skipped {
            let (file, left_out) = (file.display(), imported.skipped);
            report.notes.push(format!("{file}: {left_out} lines are no bundles; line {line}: {why}"));
        }
        let stored = imported.stored;
        added += stored.iter().filter(|stored| stored.new).count();
        report.bundles.extend(stored.into_iter().map(|stored| StoreBundle {
            place: stored.path.display().to_string(),
            sha256: stored.sha256.to_hex(),
            predicate_type: None,
            build_type: None,
            subjects: Vec::new(),
        }));
    }
    report.count = report.bundles.len() as u64;
    (report.added, report.skipped) = (Some(added), Some(skipped));
    output.warnings(&report.notes);
    output.result(&report, |out| {
        for bundle in &report.bundles {
            writeln!(out, "{}", Printable(&bundle.place))?;
        }
        writeln!(out, "{added} added, {} there already", report.bundles.len() - added)
    })?;
    Ok(Exit::Done)
}

fn list(args: &StoreArgs, output: &Output) -> Result<Exit, Failure> {
    let store = Store::open(&args.store).map_err(Error::from)?;
    let (report, _) = read_all(&store)?;
    output.result(&report, |out| report.bundles.iter().try_for_each(|bundle| print_bundle(out, bundle)))?;
    Ok(Exit::Done)
}

fn print_bundle(out: &mut dyn Write, bundle: &StoreBundle) -> io::Result<()> {
    writeln!(out, "{}", Printable(&bundle.place))?;
    writeln!(out, "  claims    {}", Printable(bundle.predicate_type.as_deref().unwrap_or("no statement")))?;
    if let Some(build_type) = &bundle.build_type {
        writeln!(out, "  build     {}", Printable(build_type))?;
    }
    for subject in &bundle.subjects {
        writeln!(out, "  about     {}", Printable(subject))?;
    }
    Ok(())
}

fn export(args: &StoreExportArgs, output: &Output) -> Result<Exit, Failure> {
    let store = Store::open(&args.store.store).map_err(Error::from)?;
    let mut report = report(&store);
    let Some(path) = &args.out else {
        if output.is_json() {
            return Err(Failure::usage(
                "usage.flags",
                "with --format json, the lines need a file: --out PATH",
            ));
        }
        let stdout = io::stdout();
        return match store.export(&mut stdout.lock()) {
            Ok(_) => Ok(Exit::Done),
            Err(e) if is_closed_pipe(&e) => Ok(Exit::Done),
            Err(e) => Err(Error::from(e).into()),
        };
    };
    report.count = store.export_to(path).map_err(Error::from)? as u64;
    output.result(&report, |out| {
        writeln!(out, "{} bundles in {}", report.count, Printable(&path.display().to_string()))
    })?;
    Ok(Exit::Done)
}

fn check(args: &StoreArgs, output: &Output) -> Result<Exit, Failure> {
    let store = Store::open(&args.store).map_err(Error::from)?;
    let (mut report, bad) = read_all(&store)?;
    report.bundles.clear();
    output.result(&report, |out| {
        for problem in &report.problems {
            let (path, message) = (Printable(&problem.path), Printable(&problem.message));
            writeln!(out, "{:<9}  {path}: {message}", problem.kind)?;
        }
        writeln!(out, "{} bundles, {} problems", report.count, report.problems.len())
    })?;
    Ok(if bad { Exit::Denied } else { Exit::Done })
}

fn index(args: &StoreIndexArgs, output: &Output) -> Result<Exit, Failure> {
    let mut store = Store::open(&args.store.store).map_err(Error::from)?;
    if let Some(index) = &args.index {
        store = store.with_index(index);
    }
    let summary = store.refresh().map_err(Error::from)?;
    let mut report = report(&store);
    report.count = summary.bundles;
    report.read = Some(summary.read);
    report.predicate_types = Some(summary.predicate_types.into_iter().collect());
    report.problems = store.problems().map_err(Error::from)?.iter().map(Problem::to_report).collect();
    report.notes = store.notes();
    output.warnings(&report.notes);
    output.result(&report, |out| {
        writeln!(out, "{} bundles, {} files read", summary.bundles, summary.read)?;
        for (predicate_type, count) in report.predicate_types.iter().flatten() {
            writeln!(out, "  {count:>8}  {}", Printable(predicate_type))?;
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

/// Reads every file. Gives also whether a problem is more than a file that holds something else.
fn read_all(store: &Store) -> Result<(StoreReport, bool), Failure> {
    let (mut report, mut bad) = (report(store), false);
    for bundle in store.bundles().map_err(Error::from)? {
        match bundle {
            Ok(bundle) => report.bundles.push(listed(&bundle)),
            Err(problem) => {
                bad |= problem.kind != ProblemKind::NoBundle;
                report.problems.push(problem.to_report());
            }
        }
    }
    report.count = report.bundles.len() as u64;
    Ok((report, bad))
}

fn listed(bundle: &StoredBundle) -> StoreBundle {
    let claims = bundle.claims.as_ref();
    let subjects = claims.into_iter().flat_map(|claims| &claims.subjects);
    StoreBundle {
        place: bundle.place(),
        sha256: bundle.sha256.to_hex(),
        predicate_type: claims.map(|claims| claims.predicate_type.clone()),
        build_type: claims.and_then(|claims| claims.build_type.clone()),
        subjects: subjects
            .filter_map(|subject| subject.name.clone().or_else(|| subject.uri.clone()))
            .take(MAX_SUBJECTS)
            .collect(),
    }
}

fn report(store: &Store) -> StoreReport {
    StoreReport {
        schema: StoreReport::SCHEMA.into(),
        store: store.path().display().to_string(),
        bundles: Vec::new(),
        count: 0,
        added: None,
        skipped: None,
        read: None,
        predicate_types: None,
        problems: Vec::new(),
        notes: Vec::new(),
    }
}

fn failure(file: &Path, e: modelseal::StoreError) -> Failure {
    let failure = Failure::from(Error::from(e));
    Failure { message: format!("{}: {}", file.display(), failure.message), ..failure }
}

fn is_closed_pipe(e: &modelseal::StoreError) -> bool {
    matches!(e, modelseal::StoreError::Io { error, .. } if error.kind() == io::ErrorKind::BrokenPipe)
}
