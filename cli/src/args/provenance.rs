//! The flags of `verify provenance`.

use super::{EffortArgs, InstanceArgs, ModelArgs, ScopeArgs};
use clap::{ArgGroup, Args};
use modelseal::expect::{Pointer, PointerKey, Test, equals_text};
use std::path::PathBuf;

const DOCUMENTS: &str = "Provenance";
const SIGNER: &str = "Who must have signed it";
const BUILDER: &str = "Who must have built the model";
const MADE: &str = "How it must have been made";
const NOT_KEYLESS: [&str; 2] = ["public_key", "certificate_chain"];

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("documents").args(["bundle", "bundle_dir", "store"]).required(true).multiple(true)),
    group(ArgGroup::new("trusted").args(["public_key", "certificate_chain", "identity", "identity_pattern"]).required(true))
)]
pub struct VerifyProvenanceArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub documents: DocumentArgs,
    #[command(flatten)]
    pub signer: ProvenanceSignerArgs,
    #[command(flatten)]
    pub instance: InstanceArgs,
    #[command(flatten)]
    pub builder: BuilderArgs,
    #[command(flatten)]
    pub expected: ExpectedArgs,
    #[command(flatten)]
    pub scope: ScopeArgs,
    #[command(flatten)]
    pub effort: EffortArgs,
}

/// Where provenance is.
#[derive(Debug, Args)]
#[command(next_help_heading = DOCUMENTS)]
pub struct DocumentArgs {
    /// A Sigstore bundle, a DSSE envelope as Tekton Chains writes it, or a file of them, one a line (.jsonl); repeatable. One
    /// good provenance is enough
    #[arg(long, value_name = "FILE")]
    pub bundle: Vec<PathBuf>,

    /// A directory whose .sig, .json and .jsonl files are looked at; repeatable
    #[arg(long, value_name = "DIR")]
    pub bundle_dir: Vec<PathBuf>,

    /// An attestation store, in which what is about the model is found by its digest; repeatable
    #[arg(long, value_name = "DIR")]
    pub store: Vec<PathBuf>,

    /// Refuse a model of which trusted provenances contradict each other, though one is as expected
    #[arg(long)]
    pub no_disagreement: bool,
}

/// Whose signature counts: a key, certificates, or an identity.
#[derive(Debug, Args)]
#[command(next_help_heading = SIGNER)]
pub struct ProvenanceSignerArgs {
    /// The builder's public key (PEM)
    #[arg(long, alias = "public_key", value_name = "PEM")]
    pub public_key: Option<PathBuf>,

    /// Root certificates that you trust, and intermediates if the bundle lacks them (PEM); repeatable
    #[arg(long, alias = "certificate_chain", value_name = "PEM")]
    pub certificate_chain: Vec<PathBuf>,

    /// Accept only this certificate subject or alternative name
    #[arg(long, alias = "certificate_identity", value_name = "NAME", requires = "certificate_chain")]
    pub certificate_identity: Option<String>,

    /// The identity of a keyless signer, compared exactly: for GitHub Actions the URI of the workflow that signs
    #[arg(long, value_name = "IDENTITY", requires = "identity_provider")]
    pub identity: Option<String>,

    /// A regular expression that the whole identity must match
    #[arg(long, value_name = "REGEX", requires = "identity_provider")]
    pub identity_pattern: Option<String>,

    /// The OpenID Connect issuer that vouched for the identity: https://token.actions.githubusercontent.com for GitHub
    /// Actions
    #[arg(long, alias = "identity_provider", value_name = "URL", conflicts_with_all = NOT_KEYLESS)]
    pub identity_provider: Option<String>,

    /// Refuse a signature without a trusted timestamp
    #[arg(long)]
    pub require_timestamp: bool,

    /// Refuse a signature that no trusted transparency log has seen
    #[arg(long)]
    pub require_log: bool,
}

/// The builder, and what it is worth.
#[derive(Debug, Args)]
#[command(next_help_heading = BUILDER)]
pub struct BuilderArgs {
    /// The builder.id, compared exactly. Without it the level is 1, whoever signed
    #[arg(long, value_name = "URI")]
    pub builder_id: Option<String>,

    /// A regular expression that the whole builder.id must match
    #[arg(long, value_name = "REGEX", conflicts_with = "builder_id")]
    pub builder_id_pattern: Option<String>,

    /// The SLSA Build level that you grant this builder together with this signer. What provenance says of its own level
    /// counts for nothing, and builds on self-hosted runners stay at level 1
    #[arg(long, value_name = "LEVEL", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    pub builder_level: u8,

    /// The least SLSA Build level. Above 1, everything that the provenance states has to be compared
    #[arg(long, value_name = "LEVEL", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    pub min_level: u8,
}

/// What the provenance must say.
#[derive(Debug, Args)]
#[command(next_help_heading = MADE)]
pub struct ExpectedArgs {
    /// The buildType, compared exactly; repeatable for any of several
    #[arg(long, value_name = "URI")]
    pub build_type: Vec<String>,

    /// The source repository: https://github.com/acme/train, or github.com/acme/train
    #[arg(long, value_name = "URI")]
    pub source_uri: Option<String>,

    /// The source's ref, compared exactly: refs/tags/v1.2.0
    #[arg(long, value_name = "REF")]
    pub source_ref: Option<String>,

    /// The same as --source-ref refs/heads/BRANCH
    #[arg(long, value_name = "BRANCH", conflicts_with_all = ["source_ref", "source_tag"])]
    pub source_branch: Option<String>,

    /// The same as --source-ref refs/tags/TAG
    #[arg(long, value_name = "TAG", conflicts_with = "source_ref")]
    pub source_tag: Option<String>,

    /// The source's commit, in hexadecimal
    #[arg(long, value_name = "COMMIT")]
    pub source_digest: Option<String>,

    /// An external parameter by its JSON pointer, and its value: /hyperparameters/seed=42; repeatable
    #[arg(long, value_name = "POINTER=VALUE", value_parser = parameter)]
    pub parameter: Vec<(PointerKey, Test)>,

    /// An external parameter that may have any value, and everything below it; repeatable
    #[arg(long, value_name = "POINTER", value_parser = pointer)]
    pub any_parameter: Vec<PointerKey>,

    /// A workflow input or CI variable and its value, wherever the build type records such; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = input)]
    pub build_workflow_input: Vec<(String, Test)>,

    /// Accept external parameters that nothing was compared with; not above --min-level 1
    #[arg(long)]
    pub allow_unknown_parameters: bool,

    /// Accept inputs that no digest pins
    #[arg(long)]
    pub allow_unresolved: bool,
}

fn parameter(text: &str) -> Result<(PointerKey, Test), String> {
    let (at, value) = text.split_once('=').ok_or("write POINTER=VALUE, as in /hyperparameters/seed=42")?;
    Ok((pointer(at)?, equals_text(value)))
}

fn pointer(text: &str) -> Result<PointerKey, String> {
    match Pointer::parse(text).map_err(|e| e.to_string())? {
        many if many.is_many() => Err("'*' is for policies; name one parameter".to_owned()),
        whole if whole.as_str().is_empty() => {
            Err("name one parameter, as in /hyperparameters/seed".to_owned())
        }
        one => Ok(PointerKey(one)),
    }
}

fn input(text: &str) -> Result<(String, Test), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, as in epochs=3")?;
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    Ok((name.to_owned(), equals_text(value)))
}
