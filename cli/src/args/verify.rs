//! The flags of `verify`.

use super::{EffortArgs, InstanceArgs, ModelArgs, ScopeArgs, VerifyPolicyArgs, VerifyProvenanceArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

const SIGNER: &str = "Who must have signed";
const EVIDENCE: &str = "Evidence of when";

#[derive(Debug, Subcommand)]
pub enum VerifyMethod {
    /// Against an identity (the default): who signed, and that a transparency log has seen it. Needs no network
    Sigstore(VerifySigstoreArgs),
    /// Against a public key
    Key(VerifyKeyArgs),
    /// Against a certificate under a root that you trust
    Certificate(VerifyCertificateArgs),
    /// Under trust policies, which say whose signatures and what else it takes: the same as `verify --policy ..`
    Policy(Box<VerifyPolicyArgs>),
    /// How it was made, against what you expect: SLSA provenance by GitHub, GitLab, Tekton Chains or modelseal
    Provenance(Box<VerifyProvenanceArgs>),
}

/// The same trust as for [`VerifyMethod`].
#[derive(Debug, Subcommand)]
pub enum FreezeMethod {
    /// Signed by an identity (the default)
    Sigstore(VerifySigstoreArgs),
    /// Signed by a public key
    Key(VerifyKeyArgs),
    /// Signed by a certificate under a root that you trust
    Certificate(VerifyCertificateArgs),
    /// Allowed by trust policies: the same as `freeze --policy ..`
    Policy(Box<VerifyPolicyArgs>),
}

#[derive(Debug, Args)]
pub struct VerifySigstoreArgs {
    #[command(flatten)]
    pub signer: KeylessArgs,
    #[command(flatten)]
    pub instance: InstanceArgs,
    #[command(flatten)]
    pub common: VerifyArgs,
}

/// The identity that the certificate must be for.
#[derive(Debug, Args)]
#[command(next_help_heading = SIGNER)]
pub struct KeylessArgs {
    /// The signer's identity, compared exactly: an e-mail address, or the URI of a workflow or workload
    #[arg(long, value_name = "IDENTITY", required_unless_present = "identity_pattern")]
    pub identity: Option<String>,

    /// A regular expression that the whole identity must match
    #[arg(long, value_name = "REGEX", conflicts_with = "identity")]
    pub identity_pattern: Option<String>,

    /// The OpenID Connect issuer that vouched for the identity, compared exactly
    #[arg(long, alias = "identity_provider", value_name = "URL")]
    pub identity_provider: String,
}

#[derive(Debug, Args)]
pub struct VerifyKeyArgs {
    /// The public key (PEM)
    #[arg(long, alias = "public_key", value_name = "PEM")]
    pub public_key: PathBuf,

    #[command(flatten)]
    pub evidence: VerifyEvidenceArgs,
    #[command(flatten)]
    pub common: VerifyArgs,
}

#[derive(Debug, Args)]
pub struct VerifyCertificateArgs {
    /// Root certificates that you trust, and intermediates if the bundle lacks them (PEM); repeatable. There are no
    /// default roots
    #[arg(long, alias = "certificate_chain", value_name = "PEM", required = true)]
    pub certificate_chain: Vec<PathBuf>,

    /// Accept only this signer: the certificate's whole subject, or an alternative name (user@host, URI or host name; or
    /// email:.., URI:.., DNS:.. as they are shown)
    #[arg(long, alias = "certificate_identity", value_name = "NAME")]
    pub certificate_identity: Option<String>,

    /// Print the SHA-256 fingerprint of every certificate of the chain to standard error
    #[arg(long, alias = "log_fingerprints")]
    pub log_fingerprints: bool,

    #[command(flatten)]
    pub evidence: VerifyEvidenceArgs,
    #[command(flatten)]
    pub common: VerifyArgs,
}

/// Log entries and timestamps of signatures that do without Sigstore's certificates.
#[derive(Debug, Args)]
#[command(next_help_heading = EVIDENCE)]
pub struct VerifyEvidenceArgs {
    /// Verify the signature's log entries and timestamps against this trusted root; a certificate must then have been
    /// valid when the timestamp was made. Without it they are not looked at, and certificates must be valid now
    #[arg(long, alias = "trusted_root", value_name = "FILE")]
    pub trusted_root: Option<PathBuf>,

    /// Refuse a signature without a trusted timestamp
    #[arg(long, requires = "trusted_root")]
    pub require_timestamp: bool,

    /// Refuse a signature that no trusted transparency log has seen
    #[arg(long, requires = "trusted_root")]
    pub require_log: bool,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    /// The signature
    #[arg(long, value_name = "PATH", default_value = "model.sig")]
    pub signature: PathBuf,

    /// Look at signed files only; do not mind what else lies in the model
    #[arg(long, alias = "ignore_unsigned_files", overrides_with = "no_ignore_unsigned_files")]
    pub ignore_unsigned_files: bool,

    #[arg(long, alias = "no-ignore_unsigned_files", hide = true, overrides_with = "ignore_unsigned_files")]
    pub no_ignore_unsigned_files: bool,

    #[command(flatten)]
    pub scope: ScopeArgs,
    #[command(flatten)]
    pub effort: EffortArgs,
}
