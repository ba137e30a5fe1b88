//! `modelseal lineage MODEL`: what a model was made from.

use crate::{
    args::LineageArgs,
    commands::{decide, lineage},
    exit::{Exit, Failure},
    output::{Output, tree},
    progress::Bar,
};
use modelseal::{ArtifactId, LineageRequest, LineageTrust, NoStatements, Policies, Statements};

pub fn run(args: &LineageArgs, output: &Output) -> Result<Exit, Failure> {
    let request = request(args)?;
    let policies = policies(args)?;
    let trust = match &policies {
        Some(policies) => LineageTrust::Policies(policies),
        None => LineageTrust::Signers(lineage::verifiers(&args.signer)?),
    };
    if matches!(&trust, LineageTrust::Signers(signers) if signers.is_empty()) {
        let message = "say who is trusted: --policy, --public-key, --certificate-chain, or --identity with --identity-provider";
        return Err(Failure::usage("usage.flags", message));
    }
    let store = lineage::store(&args.store)?;
    let statements: &dyn Statements = match &store {
        Some(store) => store,
        None => &NoStatements,
    };
    let report = request.run(statements, &trust, &Bar::start())?;
    output.warnings(&report.notes);
    match output.graph() {
        Some(language) => output.raw(tree::graph(&report).to_text(language).as_bytes())?,
        None => output.result(&report, |out| {
            tree::print(out, &report)?;
            writeln!(out, "{}", report.message)
        })?,
    }
    Ok(if report.complete { Exit::Done } else { Exit::Denied })
}

fn request(args: &LineageArgs) -> Result<LineageRequest, Failure> {
    let ancestry = &args.ancestry;
    let mut request = match (&args.model, &ancestry.digest) {
        (Some(model), _) => modelseal::lineage(model),
        (None, Some(digest)) => {
            let ids = ArtifactId::parse(digest)
                .map_err(|e| Failure::usage("usage.flags", format_args!("--digest: {e}")))?;
            modelseal::lineage_of(ids)
        }
        (None, None) => {
            return Err(Failure::usage("usage.flags", "give a MODEL, its --digest, or --affected-by"));
        }
    };
    request = request
        .max_depth(args.max_depth.get())
        .allow_unresolved(ancestry.allow_unresolved)
        .memory(args.effort.memory);
    if let Some(threads) = args.effort.threads {
        request = request.threads(threads);
    }
    if let Some(reference) = &ancestry.reference {
        request = request.named(reference);
    }
    for (uri, path) in &ancestry.at {
        request = request.at(uri, path);
    }
    Ok(request)
}

fn policies(args: &LineageArgs) -> Result<Option<Policies>, Failure> {
    if args.policies.policy.is_empty() {
        return Ok(None);
    }
    let mut request = decide::trusting(&args.policies.trust);
    for policy in &args.policies.policy {
        request = request.file(policy);
    }
    Ok(Some(request.load()?))
}
