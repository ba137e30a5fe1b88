//! `modelseal digest`.

use crate::{
    args::{DigestArgs, MethodName, ScopeArgs},
    exit::{Exit, Failure},
    output::Output,
    progress::Bar,
};
use modelseal::{DigestRequest, report::DigestReport};

pub fn run(args: &DigestArgs, output: &Output) -> Result<Exit, Failure> {
    let request = scoped(modelseal::digest(&args.model.path), &args.scope).hash(args.measure.hash);
    let request = match args.measure.method {
        MethodName::Files => request,
        MethodName::Shards => request.shards(args.measure.shard_size),
    };
    let measured = request.run(&Bar::start()).map_err(|e| Failure::from(e).doing("Computing digest"))?;
    output.warnings(measured.notes());
    let manifest = measured.manifest();
    if output.is_json() {
        output.result(&DigestReport::of(&measured), |_| Ok(()))?;
    } else {
        output.result(&(), |out| {
            writeln!(out, "{}", manifest.root_digest())?;
            writeln!(out, "manifest-{}", manifest.manifest_digest())
        })?;
    }
    Ok(Exit::Done)
}

fn scoped(mut request: DigestRequest, scope: &ScopeArgs) -> DigestRequest {
    for path in &scope.ignore_paths {
        request = request.ignore(path);
    }
    request.ignore_git_paths(!scope.no_ignore_git_paths).allow_symlinks(scope.allow_symlinks)
}
