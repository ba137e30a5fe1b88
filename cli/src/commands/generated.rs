//! `modelseal completions`, `man` and `schema`: documents made from the definitions in this program.

use crate::{
    args::{Cli, SchemaName},
    commands::key::KeyReport,
    exit::{Exit, Failure},
    output::Output,
};
use clap::CommandFactory;
use modelseal::report::{
    AffectedReport, AttestReport, BundleReport, CasesReport, DiffReport, DigestReport, ErrorReport,
    ExecReport, ExplainReport, ImportReport, InspectionReport, LineageReport, LintReport, PartReport,
    PolicySignatureReport, PolicyVerificationReport, ProvenanceReport, RuleReport, RunRecord, SignReport,
    StatementCheckReport, StoreReport, TrustReport, VerifyReport,
};
use schemars::schema_for;
use std::path::Path;

pub fn completions(shell: clap_complete::Shell, output: &Output) -> Result<Exit, Failure> {
    refuse_json(output)?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "modelseal", &mut script);
    output.raw(&script)?;
    Ok(Exit::Done)
}

pub fn man(directory: &Path, output: &Output) -> Result<Exit, Failure> {
    refuse_json(output)?;
    std::fs::create_dir_all(directory)
        .map_err(|e| Failure::io(format_args!("cannot make the directory '{}': {e}", directory.display())))?;
    clap_mangen::generate_to(Cli::command(), directory).map_err(|e| {
        Failure::io(format_args!("cannot write manual pages to '{}': {e}", directory.display()))
    })?;
    Ok(Exit::Done)
}

pub fn schema(document: SchemaName, output: &Output) -> Result<Exit, Failure> {
    let schema = match document {
        SchemaName::Result => schema_for!(VerifyReport),
        SchemaName::Signature => schema_for!(SignReport),
        SchemaName::Attestation => schema_for!(AttestReport),
        SchemaName::RunRecord => schema_for!(RunRecord),
        SchemaName::Digest => schema_for!(DigestReport),
        SchemaName::Part => schema_for!(PartReport),
        SchemaName::Key => schema_for!(KeyReport),
        SchemaName::Bundle => schema_for!(BundleReport),
        SchemaName::Trust => schema_for!(TrustReport),
        SchemaName::Error => schema_for!(ErrorReport),
        SchemaName::Statement => schema_for!(StatementCheckReport),
        SchemaName::Lint => schema_for!(LintReport),
        SchemaName::Explain => schema_for!(ExplainReport),
        SchemaName::PolicyTest => schema_for!(CasesReport),
        SchemaName::PolicyDiff => schema_for!(DiffReport),
        SchemaName::PolicySignature => schema_for!(PolicySignatureReport),
        SchemaName::PolicyVerification => schema_for!(PolicyVerificationReport),
        SchemaName::Import => schema_for!(ImportReport),
        SchemaName::Lineage => schema_for!(LineageReport),
        SchemaName::Affected => schema_for!(AffectedReport),
        SchemaName::Store => schema_for!(StoreReport),
        SchemaName::Provenance => schema_for!(ProvenanceReport),
        SchemaName::Inspection => schema_for!(InspectionReport),
        SchemaName::Exec => schema_for!(ExecReport),
        SchemaName::Rule => schema_for!(RuleReport),
    };
    let mut text = serde_json::to_vec_pretty(&schema).map_err(Failure::io)?;
    text.push(b'\n');
    output.raw(&text)?;
    Ok(Exit::Done)
}

/// What is no JSON is not printed where JSON was asked for.
fn refuse_json(output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        return Err(Failure::usage("usage.flags", "this command has no JSON form; leave --format out"));
    }
    Ok(())
}
