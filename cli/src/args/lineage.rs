//! The flags of `lineage`.

use super::{EffortArgs, InstanceArgs, TrustArgs};
use clap::Args;
use std::{num::NonZeroUsize, path::PathBuf};

const ANCESTORS: &str = "What a model was made from";
const POLICIES: &str = "Policies instead of signers";
const DESCENDANTS: &str = "What descends from an artifact";
const SIGNER: &str = "Whose statements count";

#[derive(Debug, Args)]
pub struct LineageArgs {
    /// The model: a directory or a single file. Its ancestors are walked, and each is verified. What lies beside it counts as
    /// if it were in the store
    #[arg(value_name = "MODEL", conflicts_with_all = ["digest", "affected_by", "affected_by_model"])]
    pub model: Option<PathBuf>,

    /// List what descends from the artifact with this digest, instead of a model's ancestors: sha256:.. of a file,
    /// dirHash:.. or manifest-sha256:.. of a directory (`modelseal digest` prints it as manifest), gitCommit:.. of a source
    #[arg(long, value_name = "DIGEST", conflicts_with = "affected_by_model", help_heading = DESCENDANTS)]
    pub affected_by: Option<String>,

    /// The same for the model at this path, which is measured
    #[arg(long, value_name = "MODEL", help_heading = DESCENDANTS)]
    pub affected_by_model: Option<PathBuf>,

    #[command(flatten)]
    pub store: LineageStoreArgs,

    /// Steps from one artifact to another at most
    #[arg(long, value_name = "N", default_value = "64")]
    pub max_depth: NonZeroUsize,

    #[command(flatten)]
    pub ancestry: AncestryArgs,
    #[command(flatten)]
    pub signer: LineageSignerArgs,
    #[command(flatten)]
    pub policies: LineagePolicyArgs,
    #[command(flatten)]
    pub effort: EffortArgs,
}

/// Where statements are looked for.
#[derive(Debug, Args)]
pub struct LineageStoreArgs {
    /// The attestation store: a folder of bundles
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,

    /// Keep the store's index in this file; in the store unless given
    #[arg(long, value_name = "FILE", requires = "store")]
    pub index: Option<PathBuf>,
}

/// Signers. With any of them, only statements that one of them signed count.
#[derive(Debug, Args)]
#[command(next_help_heading = SIGNER)]
pub struct LineageSignerArgs {
    /// A public key (PEM); repeatable
    #[arg(long, alias = "public_key", value_name = "PEM")]
    pub public_key: Vec<PathBuf>,

    /// Root certificates, and intermediates if bundles lack them (PEM); repeatable
    #[arg(long, alias = "certificate_chain", value_name = "PEM")]
    pub certificate_chain: Vec<PathBuf>,

    /// Under these roots only this signer
    #[arg(long, alias = "certificate_identity", value_name = "NAME", requires = "certificate_chain")]
    pub certificate_identity: Option<String>,

    /// A Sigstore identity, compared exactly
    #[arg(long, value_name = "IDENTITY", requires = "identity_provider")]
    pub identity: Option<String>,

    /// A regular expression that a whole Sigstore identity must match
    #[arg(long, value_name = "REGEX", conflicts_with = "identity", requires = "identity_provider")]
    pub identity_pattern: Option<String>,

    /// The OpenID Connect issuer that vouched for the identity, compared exactly
    #[arg(long, alias = "identity_provider", value_name = "URL")]
    pub identity_provider: Option<String>,

    #[command(flatten)]
    pub instance: InstanceArgs,
}

/// The walk to a model's ancestors.
#[derive(Debug, Args)]
#[command(next_help_heading = ANCESTORS)]
pub struct AncestryArgs {
    /// Begin with a model that is not here: dirHash:.. or manifest-sha256:.. of a directory, sha256:.. of a file
    #[arg(long, value_name = "DIGEST", conflicts_with_all = ["affected_by", "affected_by_model"])]
    pub digest: Option<String>,

    /// The name of the model, by which policies choose their rule; file:// and its path unless given. Ancestors are named by
    /// the provenance of what was made from them
    #[arg(long = "as", value_name = "REFERENCE", conflicts_with_all = ["affected_by", "affected_by_model"])]
    pub reference: Option<String>,

    /// A copy of an ancestor, measured and compared with what others were made from; PATH begins behind the last '='.
    /// Repeatable
    #[arg(long, value_name = "URI=PATH", value_parser = parse_at, conflicts_with_all = ["affected_by", "affected_by_model"])]
    pub at: Vec<(String, PathBuf)>,

    /// Let an ancestor of which nothing is known count as a root of history. One that somebody trusted has signed always does
    #[arg(long, conflicts_with_all = ["affected_by", "affected_by_model"])]
    pub allow_unresolved: bool,
}

/// Policies that judge every ancestor.
#[derive(Debug, Args)]
#[command(next_help_heading = POLICIES)]
pub struct LineagePolicyArgs {
    /// A trust policy (TOML, or JSON), of which the rule for each model's name counts; repeatable
    #[arg(long, value_name = "FILE", conflicts_with_all = ["public_key", "certificate_chain", "identity_provider", "affected_by", "affected_by_model"])]
    pub policy: Vec<PathBuf>,

    #[command(flatten)]
    pub trust: TrustArgs,
}

/// `URI=PATH`; URIs may hold a `=`.
fn parse_at(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((uri, path)) if !uri.is_empty() && !path.is_empty() => Ok((uri.to_owned(), path.into())),
        _ => Err("write it as URI=PATH".to_owned()),
    }
}
