//! `modelseal statement`.

use crate::{
    args::{StatementCheckArgs, StatementCommand},
    exit::{Exit, Failure},
    output::Output,
};
use modelseal::{
    Printable, check_statement, check_statement_file,
    limits::MAX_ATTESTATION_BYTES,
    report::{CheckedStatement, StatedProvenance, StatementCheckReport, StatementVerdict},
};
use std::{
    io::{self, Read, Write},
    path::Path,
};

/// How many subjects or dependencies are printed; JSON has all.
const MAX_LINES: usize = 10;

pub fn run(command: &StatementCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        StatementCommand::Check(args) => check(args, output),
    }
}

fn check(args: &StatementCheckArgs, output: &Output) -> Result<Exit, Failure> {
    let mut read_stdin = false;
    let mut statements = Vec::new();
    for file in &args.files {
        if file != Path::new("-") {
            statements.push(check_statement_file(file));
            continue;
        }
        if std::mem::replace(&mut read_stdin, true) {
            return Err(Failure::usage("usage.flags", "standard input can be read only once: give - once"));
        }
        let mut document = Vec::new();
        let read = io::stdin().lock().take(MAX_ATTESTATION_BYTES + 1).read_to_end(&mut document);
        statements.push(check_statement("-", read.map(|_| document)));
    }
    let report = StatementCheckReport::of(statements);
    for statement in report.statements.iter().filter(|s| s.verdict == StatementVerdict::Error) {
        let message = statement.message.as_deref().unwrap_or_default();
        output.diagnostic(format_args!("error: {}", Printable(message)));
    }
    output.result(&report, |out| report.statements.iter().try_for_each(|statement| print(out, statement)))?;
    Ok(report.kind().map_or(Exit::Done, Exit::from))
}

fn print(out: &mut dyn Write, statement: &CheckedStatement) -> io::Result<()> {
    let file = Printable(&statement.file);
    match (statement.verdict, statement.problems.len()) {
        (StatementVerdict::Error, _) => return Ok(()),
        (StatementVerdict::Accepted, _) => {
            writeln!(out, "{file}: well formed; not signed, so everything below is only claimed")?;
        }
        (StatementVerdict::Refused, 1) => writeln!(out, "{file}: REFUSED")?,
        (StatementVerdict::Refused, n) => writeln!(out, "{file}: REFUSED, {n} problems")?,
    }
    for problem in &statement.problems {
        let at = if problem.pointer.is_empty() { "/" } else { &problem.pointer };
        writeln!(out, "failed: {}: {} [{}]", Printable(at), Printable(&problem.message), problem.code)?;
    }
    if statement.verdict != StatementVerdict::Accepted {
        return Ok(());
    }
    let mut line = |what: &str, value: &str| writeln!(out, "  {what:<12} {}", Printable(value));
    if let Some(predicate_type) = &statement.predicate_type {
        line("predicate", predicate_type)?;
    }
    for subject in statement.subjects.iter().take(MAX_LINES) {
        let name = subject.name.as_deref().or(subject.uri.as_deref()).unwrap_or("_");
        let digests: Vec<String> = subject.digests.iter().map(|(a, hex)| format!("{a}:{hex}")).collect();
        line("subject", &format!("{name} {}", digests.join(" ")))?;
    }
    if statement.subjects.len() > MAX_LINES {
        line("subjects", &format!("{} in all", statement.subjects.len()))?;
    }
    statement.provenance.as_ref().map_or(Ok(()), |facts| print_provenance(&mut line, facts))
}

fn print_provenance(
    line: &mut dyn FnMut(&str, &str) -> io::Result<()>,
    facts: &StatedProvenance,
) -> io::Result<()> {
    let known = facts.known_as.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    line("build type", &format!("{}{known}", facts.build_type))?;
    line("builder", &facts.builder)?;
    if let Some(source) = &facts.source {
        let at = facts.source_ref.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        line("source", &format!("{source}{at}"))?;
    }
    if let Some(id) = &facts.invocation_id {
        line("run", id)?;
    }
    if let Some(start) = &facts.started_on {
        line("started", start)?;
    }
    if let Some(end) = &facts.finished_on {
        line("finished", end)?;
    }
    for found in facts.dependencies.iter().take(MAX_LINES) {
        let mark = if found.resolved { "resolved" } else { "UNRESOLVED" };
        let name = found.name.as_deref().map(|name| format!("{name} ")).unwrap_or_default();
        line("from", &format!("{mark} {name}{}", found.uri.as_deref().unwrap_or_default()))?;
    }
    line("inputs", &format!("{} resolved, {} unresolved", facts.resolved, facts.unresolved))
}
