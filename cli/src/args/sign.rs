//! The flags of `sign`.

use super::{EffortArgs, InstanceArgs, MeasureArgs, ModelArgs, NetworkArgs, PasswordArgs, ScopeArgs};
use clap::{Args, Subcommand};
use modelseal::Required;
use std::path::PathBuf;

/// A document of digests says how they were computed.
const NOT_WITH_DIGESTS: [&str; 9] = [
    "ignore_paths",
    "ignore_git_paths",
    "no_ignore_git_paths",
    "allow_symlinks",
    "hash",
    "method",
    "shard_size",
    "threads",
    "memory",
];
const IDENTITY: &str = "Who signs";
const EVIDENCE: &str = "Evidence of when";

/// Who signs, for every command that signs.
#[derive(Debug)]
pub enum Who {
    /// An identity.
    Identity(SignIdentityArgs),
    /// A private key, with its certificates or without.
    Key { key: KeyArgs, chain: Option<ChainArgs>, evidence: EvidenceArgs },
    /// A private key on a token, with its certificates or without.
    Token { token: Pkcs11Args, chain: Option<ChainArgs>, evidence: EvidenceArgs },
}

impl SignMethod {
    /// What belongs to every method.
    pub fn common(&self) -> &SignArgs {
        match self {
            Self::Sigstore(args) => &args.common,
            Self::Key(args) => &args.common,
            Self::Certificate(args) => &args.common,
            Self::Pkcs11Key(args) => &args.common,
            Self::Pkcs11Certificate(args) => &args.common,
        }
    }

    /// Who signs.
    pub fn who(&self) -> Who {
        match self {
            Self::Sigstore(args) => Who::Identity(args.keyless.clone()),
            Self::Key(args) => {
                Who::Key { key: args.key.clone(), chain: None, evidence: args.evidence.clone() }
            }
            Self::Certificate(args) => {
                let chain = Some(args.chain.clone());
                Who::Key { key: args.key.clone(), chain, evidence: args.evidence.clone() }
            }
            Self::Pkcs11Key(args) => {
                Who::Token { token: args.token.clone(), chain: None, evidence: args.evidence.clone() }
            }
            Self::Pkcs11Certificate(args) => {
                let chain = Some(args.chain.clone());
                Who::Token { token: args.token.clone(), chain, evidence: args.evidence.clone() }
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum SignMethod {
    /// With an identity (the default): a short-lived certificate from Fulcio, a transparency log entry, a timestamp
    Sigstore(SignSigstoreArgs),
    /// With a private key, in a file or in a key management service; verifiers have the public key
    Key(SignKeyArgs),
    /// With a private key and its X.509 certificate; verifiers have the root
    Certificate(SignCertificateArgs),
    /// With a private key on a PKCS #11 token; verifiers have the public key
    Pkcs11Key(SignPkcs11KeyArgs),
    /// With a private key on a PKCS #11 token and its X.509 certificate; verifiers have the root
    Pkcs11Certificate(SignPkcs11CertificateArgs),
}

#[derive(Debug, Args)]
pub struct SignSigstoreArgs {
    #[command(flatten)]
    pub common: SignArgs,
    #[command(flatten)]
    pub keyless: SignIdentityArgs,
}

/// An identity that signs, and the services that it signs with.
#[derive(Debug, Clone, Args)]
pub struct SignIdentityArgs {
    #[command(flatten)]
    pub identity: IdentityArgs,
    #[command(flatten)]
    pub instance: InstanceArgs,

    /// Use these services instead of the instance's own (SigningConfig v0.2)
    #[arg(long, alias = "signing_config", value_name = "FILE", conflicts_with = "trust_config")]
    pub signing_config: Option<PathBuf>,

    /// Do not ask before the identity becomes public
    #[arg(long, short = 'y', help_heading = IDENTITY)]
    pub yes: bool,

    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Where the identity token comes from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = IDENTITY)]
pub struct IdentityArgs {
    /// Use this OpenID Connect identity token. Other users of the machine can see it while the command runs; prefer
    /// --identity-token-file, or the environment variable MODELSEAL_IDENTITY_TOKEN
    #[arg(long, alias = "identity_token", value_name = "TOKEN", conflicts_with_all = ["identity_token_file", "use_ambient_credentials"])]
    pub identity_token: Option<String>,

    /// Read the identity token from a file, `-` for standard input
    #[arg(
        long,
        alias = "identity_token_file",
        value_name = "FILE",
        conflicts_with = "use_ambient_credentials"
    )]
    pub identity_token_file: Option<PathBuf>,

    /// Use the token that the CI system or the cloud gives (GitHub Actions, GitLab, Google Cloud, Buildkite, CircleCI);
    /// never open a browser
    #[arg(long, alias = "use_ambient_credentials")]
    pub use_ambient_credentials: bool,

    /// Open no browser: print an address, and read the code that it shows
    #[arg(long, alias = "oauth_force_oob")]
    pub oauth_force_oob: bool,

    /// The OpenID Connect client id
    #[arg(long, alias = "client_id", value_name = "ID", default_value = "sigstore")]
    pub client_id: String,

    /// The OpenID Connect client secret; better in the environment variable MODELSEAL_CLIENT_SECRET
    #[arg(long, alias = "client_secret", value_name = "SECRET")]
    pub client_secret: Option<String>,
}

#[derive(Debug, Args)]
pub struct SignKeyArgs {
    #[command(flatten)]
    pub common: SignArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub evidence: EvidenceArgs,
}

#[derive(Debug, Args)]
pub struct SignCertificateArgs {
    #[command(flatten)]
    pub chain: ChainArgs,
    #[command(flatten)]
    pub common: SignArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub evidence: EvidenceArgs,
}

#[derive(Debug, Args)]
pub struct SignPkcs11KeyArgs {
    #[command(flatten)]
    pub common: SignArgs,
    #[command(flatten)]
    pub token: Pkcs11Args,
    #[command(flatten)]
    pub evidence: EvidenceArgs,
}

#[derive(Debug, Args)]
pub struct SignPkcs11CertificateArgs {
    #[command(flatten)]
    pub chain: ChainArgs,
    #[command(flatten)]
    pub common: SignArgs,
    #[command(flatten)]
    pub token: Pkcs11Args,
    #[command(flatten)]
    pub evidence: EvidenceArgs,
}

/// A private key that this program may use.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// The private key (PEM): PKCS#8, plain or encrypted, or SEC1; Ed25519, P-256, P-384 or P-521
    #[arg(long, alias = "private_key", value_name = "PEM", required_unless_present = "kms")]
    pub private_key: Option<PathBuf>,

    /// A key in a key management service: awskms://, gcpkms://, azurekms:// or hashivault://
    #[arg(long, value_name = "URI", conflicts_with = "private_key")]
    pub kms: Option<String>,

    #[command(flatten)]
    pub password: PasswordArgs,
}

/// A signing certificate and those that lead from it to a root.
#[derive(Debug, Clone, Args)]
pub struct ChainArgs {
    /// The signing certificate (PEM), that of the private key
    #[arg(long, alias = "signing_certificate", value_name = "PEM")]
    pub signing_certificate: PathBuf,

    /// Certificates that lead from the signing certificate towards the root (PEM), in order; repeatable
    #[arg(long, alias = "certificate_chain", value_name = "PEM")]
    pub certificate_chain: Vec<PathBuf>,
}

/// A private key on a token.
#[derive(Debug, Clone, Args)]
pub struct Pkcs11Args {
    /// The private key (RFC 7512 URI), such as 'pkcs11:token=release;object=signing?module-name=softhsm2'
    #[arg(long, alias = "pkcs11_uri", value_name = "URI")]
    pub pkcs11_uri: String,

    /// A file that holds the PIN; its line end does not count. Else pin-value or pin-source of the URI, else the
    /// environment variable MODELSEAL_PIN is used, else the PIN is asked for
    #[arg(long, value_name = "PATH")]
    pub pin_file: Option<PathBuf>,

    /// The PKCS #11 module (a shared library), when the URI names none
    #[arg(long, value_name = "PATH")]
    pub module: Option<PathBuf>,
}

/// What proves when a signature was made, for methods that need no Sigstore.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = EVIDENCE)]
pub struct EvidenceArgs {
    /// Add a timestamp of this time-stamping authority (RFC 3161); repeatable
    #[arg(long, alias = "tsa_url", value_name = "URL")]
    pub tsa_url: Vec<String>,

    /// Enter the signature into this transparency log (Rekor): it becomes public
    #[arg(long, alias = "rekor_url", value_name = "URL")]
    pub rekor_url: Option<String>,

    /// The version of that log's interface
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=2), requires = "rekor_url")]
    pub rekor_version: u32,

    /// Use the log and the authority of a signing config (SigningConfig v0.2)
    #[arg(long, alias = "signing_config", value_name = "FILE", conflicts_with_all = ["tsa_url", "rekor_url"])]
    pub signing_config: Option<PathBuf>,

    /// The trusted root against which the evidence is verified before anything is written
    #[arg(long, alias = "trusted_root", value_name = "FILE")]
    pub trusted_root: Option<PathBuf>,

    #[command(flatten)]
    pub network: NetworkArgs,
}

#[derive(Debug, Args)]
pub struct SignArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    /// Where the signature is written
    #[arg(long, value_name = "PATH", default_value = "model.sig")]
    pub signature: PathBuf,

    /// Do not read the model, but sign the digests in this document (modelseal.digest/v1, as `digest --out` writes it).
    /// Whoever can write that file decides what is signed: only for digests from a source that you trust as yourself.
    /// MODEL must exist and gives its name
    #[arg(long, value_name = "FILE", conflicts_with_all = NOT_WITH_DIGESTS)]
    pub digests: Option<PathBuf>,

    /// Remember in the user's cache what the signed files can be known by, for --reuse
    #[arg(long, conflicts_with_all = ["digests", "dry_run"])]
    pub remember: bool,

    /// Sign again after an edit: take the digests of this earlier signature for files that are unchanged since it was
    /// made with --remember, and read the others. It must have been made with the same key. Remembers again
    #[arg(long, value_name = "OLD", requires = "trust_unchanged", conflicts_with_all = ["digests", "dry_run"])]
    pub reuse: Option<PathBuf>,

    /// With --reuse: a file of the same device, inode, size, mtime and ctime is trusted to be unchanged. A disk that
    /// loses bits, a program that writes through a memory map, and whoever can set the clock can prove that wrong; a
    /// signer may take that risk, who will hear of it from verifiers. A verifier may not: `verify` reads every byte, but
    /// of files that the kernel enforces, and has no such flag
    #[arg(long, alias = "trust_unchanged", requires = "reuse")]
    pub trust_unchanged: bool,

    /// Sign the fs-verity digest of each file, too: where Linux enforces the files (`modelseal freeze`), verifying them takes no
    /// read. Computed in the same read; with --method shards the model is read twice
    #[arg(long, alias = "fs_verity", conflicts_with_all = ["digests", "remember", "reuse"])]
    pub fs_verity: bool,

    /// Inspect the files in the same read, and sign only if nothing is found (`clean`), or if no pickle can do more than a
    /// tier allows (`tier=P0` to `tier=P4`); repeatable
    #[arg(long, value_name = "WHAT", value_parser = requirement, conflicts_with_all = ["digests", "remember", "reuse"])]
    pub require: Vec<Required>,

    /// Judge by this rule set (TOML) instead of the one that is shipped; one that is signed is verified as policies are
    #[arg(long, value_name = "FILE", requires = "require")]
    pub rules: Option<PathBuf>,

    /// Replace a different signature (never a file that is not a signature)
    #[arg(long)]
    pub force: bool,

    /// Print the statement that would be signed, use no key, write nothing
    #[arg(long, alias = "dry_run")]
    pub dry_run: bool,

    #[command(flatten)]
    pub scope: ScopeArgs,
    #[command(flatten)]
    pub measure: MeasureArgs,
    #[command(flatten)]
    pub effort: EffortArgs,
}

fn requirement(text: &str) -> Result<Required, modelseal::UnknownRequirement> {
    text.parse()
}
