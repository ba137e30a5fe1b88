//! `modelseal lineage`.

use crate::{
    args::{LineageArgs, LineageSignerArgs, LineageStoreArgs},
    commands::ancestry,
    exit::{Exit, Failure},
    files,
    output::Output,
    progress::Bar,
    services,
};
use modelseal::{
    ArtifactId, CertificateIdentity, Error, IdentityMatch, Keyless, Printable, Store, Verifier, affected,
    report::{AffectedArtifact, AffectedEdge, AffectedReport},
};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

/// Steps after which a tree is not indented further; JSON has the numbers.
const MAX_INDENT: usize = 40;

pub fn run(args: &LineageArgs, output: &Output) -> Result<Exit, Failure> {
    if args.affected_by.is_none() && args.affected_by_model.is_none() {
        return ancestry::run(args, output);
    }
    let ids = match (&args.affected_by, &args.affected_by_model) {
        (Some(digest), _) => ArtifactId::parse(digest)
            .map_err(|e| Failure::usage("usage.flags", format_args!("--affected-by: {e}")))?,
        (None, Some(model)) => measured(model, args, output)?,
        (None, None) => {
            return Err(Failure::usage("usage.flags", "give a model, --affected-by or --affected-by-model"));
        }
    };
    let Some(store) = store(&args.store)? else {
        return Err(Failure::usage("usage.flags", "--affected-by needs a --store to look in"));
    };
    let mut request = affected(&store, &ids).max_depth(args.max_depth);
    for verifier in verifiers(&args.signer)? {
        request = request.signed_by(verifier);
    }
    let report = request.run().map_err(Error::from)?;
    output.warnings(&report.notes);
    if let Some(language) = output.graph() {
        output.raw(report.graph().to_text(language).as_bytes())?;
    } else {
        output.result(&report, |out| print(out, &report))?;
    }
    // What was not looked at may be affected, too.
    Ok(if report.complete { Exit::Done } else { Exit::Undecided })
}

/// The store that is named.
pub fn store(args: &LineageStoreArgs) -> Result<Option<Store>, Failure> {
    let Some(path) = &args.store else { return Ok(None) };
    let store = Store::open(path).map_err(Error::from)?;
    Ok(Some(match &args.index {
        Some(index) => store.with_index(index),
        None => store,
    }))
}

/// The ids of the model at this path.
fn measured(model: &Path, args: &LineageArgs, output: &Output) -> Result<Vec<ArtifactId>, Failure> {
    let mut request = modelseal::digest(model).memory(args.effort.memory);
    if let Some(threads) = args.effort.threads {
        request = request.threads(threads);
    }
    let measured = request.run(&Bar::start())?;
    output.warnings(measured.notes());
    Ok(ArtifactId::of_manifest(measured.manifest()))
}

/// Whoever's statements count.
pub fn verifiers(args: &LineageSignerArgs) -> Result<Vec<Verifier>, Failure> {
    let given = args.instance.trusted_root.is_some()
        || args.instance.trust_config.is_some()
        || args.instance.use_staging;
    let trust =
        if given || args.identity_provider.is_some() { Some(services::trust(&args.instance)?) } else { None };
    let mut verifiers = Vec::new();
    for key in &args.public_key {
        verifiers.push(Verifier::with_key(files::public_key(key)?));
    }
    if !args.certificate_chain.is_empty() {
        let roots = files::roots(args.certificate_chain.iter().map(Path::new))?;
        let identity = args.certificate_identity.clone().map(CertificateIdentity::exactly);
        verifiers.push(Verifier::with_certificates(roots, identity));
    }
    if given && let Some(trust) = &trust {
        verifiers =
            verifiers.into_iter().map(|verifier| verifier.with_trusted_root(trust.root.clone())).collect();
    }
    if let (Some(issuer), Some(trust)) = (&args.identity_provider, trust) {
        let identity = match (&args.identity, &args.identity_pattern) {
            (Some(identity), _) if !identity.is_empty() => IdentityMatch::exactly(identity),
            (None, Some(pattern)) => IdentityMatch::pattern(pattern)
                .map_err(|e| Failure::usage("usage.identity", format_args!("--identity-pattern: {e}")))?,
            _ => {
                let message = "--identity-provider needs an --identity or an --identity-pattern";
                return Err(Failure::usage("usage.identity", message));
            }
        };
        verifiers.push(Verifier::with_sigstore(trust.root, Keyless { identity, issuer: issuer.clone() }));
    }
    if given && verifiers.is_empty() {
        return Err(Failure::usage("usage.flags", "trust in an instance says nothing without an --identity"));
    }
    Ok(verifiers)
}

fn print(out: &mut dyn Write, report: &AffectedReport) -> io::Result<()> {
    let by = report.by.first().map_or("", String::as_str);
    let count = match report.affected.len() {
        0 => "nothing descends from it".to_owned(),
        1 => "1 artifact descends from it".to_owned(),
        n => format!("{n} artifacts descend from it"),
    };
    writeln!(out, "{}: {count}", Printable(by))?;
    // Each under the artifact by which it was found; without recursion, because chains may be long.
    let mut children: BTreeMap<usize, Vec<(&AffectedArtifact, &AffectedEdge)>> = BTreeMap::new();
    for artifact in &report.affected {
        if let Some(edge) = report.edges.get(artifact.found_by) {
            children.entry(edge.from).or_default().push((artifact, edge));
        }
    }
    let mut stack: Vec<_> = children.remove(&0).into_iter().flatten().rev().collect();
    while let Some((artifact, edge)) = stack.pop() {
        print_artifact(out, report, artifact, edge)?;
        stack.extend(children.remove(&artifact.number).into_iter().flatten().rev());
    }
    if !report.complete {
        writeln!(out, "NOT COMPLETE: there may be more")?;
    }
    Ok(())
}

fn print_artifact(
    out: &mut dyn Write,
    report: &AffectedReport,
    artifact: &AffectedArtifact,
    edge: &AffectedEdge,
) -> io::Result<()> {
    let indent = "  ".repeat(artifact.steps.min(MAX_INDENT));
    let uri = artifact.uri.as_deref().unwrap_or("(no name)");
    let name = if artifact.name.is_empty() { uri } else { &artifact.name };
    writeln!(
        out,
        "{indent}{}  {}",
        Printable(name),
        Printable(artifact.ids.first().map_or("", String::as_str))
    )?;
    let Some(statement) = report.statements.get(edge.statement) else { return Ok(()) };
    let used = edge.dependency.as_deref().unwrap_or("a dependency");
    let uri = edge.uri.as_deref().unwrap_or("(no URI)");
    let (step, place) = (artifact.steps, Printable(&statement.place));
    writeln!(out, "{indent}  step {step}: made from {} {}", Printable(used), Printable(uri))?;
    match &statement.signer {
        Some(signer) => writeln!(out, "{indent}  said in {place}, signed by {}", Printable(signer)),
        None => writeln!(out, "{indent}  said in {place}, NOT VERIFIED"),
    }
}
