//! The flags about Sigstore instances: which one, `trust`, `show`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

const INSTANCE: &str = "Which Sigstore";
const NETWORK: &str = "Network";

/// The Sigstore instance; the public-good one unless said otherwise.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = INSTANCE)]
pub struct InstanceArgs {
    /// Use Sigstore's staging instance, which is for tests
    #[arg(long, alias = "use_staging", conflicts_with_all = ["trust_config", "trusted_root"])]
    pub use_staging: bool,

    /// Use the instance that this client trust configuration describes (ClientTrustConfig v0.1)
    #[arg(long, alias = "trust_config", value_name = "FILE", conflicts_with = "trusted_root")]
    pub trust_config: Option<PathBuf>,

    /// Trust the authorities and logs in this file (trusted_root.json)
    #[arg(long, alias = "trusted_root", value_name = "FILE")]
    pub trusted_root: Option<PathBuf>,
}

/// How services are reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = NETWORK)]
pub struct NetworkArgs {
    /// Seconds that each service may take, tries that fail included
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,

    /// Also trust these certificate authorities for connections to services (PEM)
    #[arg(long, value_name = "PEM")]
    pub ca_certificates: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Print the trust material that `verify sigstore` would use: authorities, logs, their keys and dates
    Show(TrustShowArgs),
    /// Fetch the instance's current trust material (TUF) and keep it in the user's cache
    Update(TrustUpdateArgs),
}

#[derive(Debug, Args)]
pub struct TrustShowArgs {
    #[command(flatten)]
    pub instance: InstanceArgs,
}

#[derive(Debug, Args)]
pub struct TrustUpdateArgs {
    /// Of Sigstore's staging instance
    #[arg(long, alias = "use_staging", conflicts_with = "tuf_url")]
    pub use_staging: bool,

    /// Of the instance whose TUF repository is at this address
    #[arg(long, value_name = "URL", requires = "tuf_root", requires = "out")]
    pub tuf_url: Option<String>,

    /// The root metadata with which that repository is trusted the first time (root.json)
    #[arg(long, value_name = "FILE", requires = "tuf_url")]
    pub tuf_root: Option<PathBuf>,

    /// Also write the trusted root to this file, for --trusted-root
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub network: NetworkArgs,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The bundle: a model's signature or an attestation
    #[arg(value_name = "BUNDLE")]
    pub bundle: PathBuf,

    /// Verify it with this public key (PEM)
    #[arg(long, alias = "public_key", value_name = "PEM", conflicts_with = "certificate_chain")]
    pub public_key: Option<PathBuf>,

    /// Verify it under these roots (PEM); repeatable
    #[arg(long, alias = "certificate_chain", value_name = "PEM")]
    pub certificate_chain: Vec<PathBuf>,

    #[command(flatten)]
    pub instance: InstanceArgs,
}
