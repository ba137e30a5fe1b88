//! `modelseal digest`: a whole model, a part of one, or parts merged.

use crate::{
    args::{DigestArgs, MethodName},
    exit::{Exit, Failure},
    output::Output,
    progress::Bar,
};
use modelseal::{DigestRequest, report::DigestReport};
use std::path::Path;

const DOING: &str = "Computing digest";

pub fn run(args: &DigestArgs, output: &Output) -> Result<Exit, Failure> {
    let failed = |e: modelseal::Error| Failure::from(e).doing(DOING);
    let Some(model) = &args.model else {
        let mut request = modelseal::merge(&args.shares.merge);
        if let Some(out) = &args.shares.out {
            request = request.output(out);
        }
        return print(&request.run().map_err(|e| Failure::from(e).doing("Merging"))?, output);
    };
    let request = request(model, args);
    let Some(part) = args.shares.part else {
        let measured = request.run(&Bar::start()).map_err(failed)?;
        return print(&DigestReport::of(&measured), output);
    };
    let report = request.part(part).run(&Bar::start()).map_err(failed)?;
    output.warnings(&report.notes);
    output.result(&report, |out| {
        writeln!(out, "part {part}: {} files or shards, {} bytes", report.resources.len(), report.bytes)?;
        writeln!(out, "plan {}", report.plan)
    })?;
    Ok(Exit::Done)
}

fn print(report: &DigestReport, output: &Output) -> Result<Exit, Failure> {
    output.warnings(&report.notes);
    output.result(report, |out| {
        writeln!(out, "{}", report.digests.root)?;
        writeln!(out, "manifest-{}", report.digests.manifest)?;
        for also in report.also.iter().flatten() {
            match &also.root {
                Some(root) => writeln!(out, "also {} root {root}", also.algorithm)?,
                None => writeln!(out, "also {} of {} files", also.algorithm, also.files.len())?,
            }
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn request(model: &Path, args: &DigestArgs) -> DigestRequest {
    let mut request = modelseal::digest(model)
        .hash(args.measure.hash)
        .ignore_git_paths(!args.scope.no_ignore_git_paths)
        .allow_symlinks(args.scope.allow_symlinks)
        .also(args.also.iter().copied())
        .memory(args.effort.memory);
    if args.measure.method == MethodName::Shards {
        request = request.shards(args.measure.shard_size);
    }
    if let Some(threads) = args.effort.threads {
        request = request.threads(threads);
    }
    if let Some(out) = &args.shares.out {
        request = request.output(out);
    }
    args.scope.ignore_paths.iter().fold(request, DigestRequest::ignore)
}
