//! The flags of `lineage`.

use super::{EffortArgs, InstanceArgs};
use clap::Args;
use std::{num::NonZeroUsize, path::PathBuf};

const DESCENDANTS: &str = "What descends from an artifact";
const SIGNER: &str = "Whose statements count";

#[derive(Debug, Args)]
pub struct LineageArgs {
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
    pub signer: LineageSignerArgs,
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
