//! The flags of `attest`.

use super::{
    ChainArgs, EffortArgs, EvidenceArgs, IdentityArgs, InstanceArgs, KeyArgs, MeasureArgs, ModelArgs,
    NetworkArgs, PasswordArgs, Pkcs11Args, ScopeArgs, SignIdentityArgs, TrustArgs, Who,
};
use clap::{Args, Subcommand, builder::PossibleValuesParser, builder::TypedValueParser};
use modelseal::{
    Timestamp,
    attest::{BuildType, CiSystem},
};
use std::path::PathBuf;

const RUN: &str = "How it was made";
const INPUTS: &str = "What went in";
const BUILDER: &str = "Who ran it";
const WHERE: &str = "Where it goes";
const KEYS: &str = "A key signs instead of an identity";

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, read once")]
pub enum AttestCommand {
    /// Attest how a model was made: SLSA provenance v1 of a training, fine-tuning, quantising, merging or converting run
    #[command(arg_required_else_help = true)]
    Provenance(ProvenanceArgs),
    /// Attest what is in the files: what inspection can claim of them, with its report as evidence
    #[command(arg_required_else_help = true)]
    Inspection(InspectionArgs),
    /// Attest anything else about a model: a predicate of any type
    #[command(arg_required_else_help = true)]
    Statement(StatementArgs),
    /// Before a run: measure what goes in and note when it starts, for `attest finish`
    #[command(arg_required_else_help = true)]
    Begin(BeginArgs),
    /// After a run: measure its inputs again, then attest how the model was made
    #[command(arg_required_else_help = true)]
    Finish(FinishArgs),
}

#[derive(Debug, Args)]
pub struct ProvenanceArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub run: RunArgs,

    /// When the run started (RFC 3339, UTC), if you know
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = RUN)]
    pub started_on: Option<Timestamp>,

    /// When the run ended (RFC 3339, UTC), if you know
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = RUN)]
    pub finished_on: Option<Timestamp>,

    #[command(flatten)]
    pub statement: AttestArgs,
}

#[derive(Debug, Args)]
pub struct FinishArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    /// What `attest begin` wrote
    #[arg(long, value_name = "FILE", required = true)]
    pub record: PathBuf,

    /// Attest although inputs changed while the run lasted; what they were before it is what is recorded
    #[arg(long)]
    pub inputs_may_change: bool,

    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub statement: AttestArgs,
}

#[derive(Debug, Args)]
pub struct BeginArgs {
    /// Where to note what goes in; replaces an older record
    #[arg(long, value_name = "FILE", required = true)]
    pub record: PathBuf,

    /// Take the inputs of this run file, too
    #[arg(long, value_name = "RUN.TOML")]
    pub run: Option<PathBuf>,

    #[command(flatten)]
    pub inputs: InputArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Only what was wholly understood is claimed, and nothing of a model that breaks its formats or is malicious: \
                  then nothing is signed (exit status 1)."
)]
pub struct InspectionArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    /// Judge by this rule set (TOML) instead of the one that is shipped; one that is signed is verified as policies are
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,

    #[command(flatten)]
    pub trust: TrustArgs,

    /// Write the report (SARIF 2.1.0) to this file; NAME.inspection.sarif in the working directory when nothing is said. The
    /// statement names it by its digest. Replaces an older report, and no other file
    #[arg(long, value_name = "FILE", help_heading = WHERE)]
    pub report: Option<PathBuf>,

    #[command(flatten)]
    pub statement: AttestArgs,
}

#[derive(Debug, Args)]
pub struct StatementArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    /// What kind of statement it is (a URI)
    #[arg(long, value_name = "URI", required = true)]
    pub predicate_type: String,

    /// The predicate: a file of JSON
    #[arg(long, value_name = "FILE", required = true)]
    pub predicate: PathBuf,

    /// Sign provenance of a known build type although inputs are unresolved or a parameter is wrong
    #[arg(long)]
    pub allow_unresolved: bool,

    #[command(flatten)]
    pub statement: AttestArgs,
}

/// How a run went.
#[derive(Debug, Args)]
#[command(next_help_heading = RUN)]
pub struct RunArgs {
    /// What kind of step it was: training, fine-tune, quantize, merge or convert. Each has a page in docs/buildtypes
    #[arg(long, value_name = "TYPE", value_parser = build_type_parser())]
    pub build_type: Option<BuildType>,

    /// Take parameters and inputs from this file (modelseal.run/v1, see docs/provenance.md). Flags say more, or otherwise
    #[arg(long, value_name = "RUN.TOML")]
    pub run: Option<PathBuf>,

    /// A hyperparameter or option, recorded as the text that you write; repeatable
    #[arg(long = "parameter", value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,

    /// What ran, inside the source
    #[arg(long, value_name = "PATH")]
    pub entry_point: Option<String>,

    /// The configuration file it ran with, inside the source
    #[arg(long, value_name = "PATH")]
    pub config: Option<String>,

    /// How it was quantised or merged: `gptq`, `slerp`
    #[arg(long, value_name = "TEXT")]
    pub build_method: Option<String>,

    /// The file format that it was converted to: `gguf`
    #[arg(long, value_name = "TEXT")]
    pub target_format: Option<String>,

    #[command(flatten)]
    pub inputs: InputArgs,

    /// Attest although inputs are named that nothing pins
    #[arg(long, help_heading = INPUTS)]
    pub allow_unresolved: bool,

    #[command(flatten)]
    pub builder: RecordedBuilderArgs,
}

/// What went into a run.
#[derive(Debug, Args)]
#[command(next_help_heading = INPUTS)]
pub struct InputArgs {
    /// A model that it was made from: its URI, and its directory, its file, its signature bundle or its digest; repeatable
    #[arg(long, value_name = "URI=PATH|BUNDLE|DIGEST")]
    pub base: Vec<String>,

    /// Verify the signatures of base models with this public key (PEM); repeatable. Without one, they are recorded and not
    /// verified
    #[arg(long, value_name = "PEM")]
    pub base_key: Vec<PathBuf>,

    /// Data: its URI, and its directory, its file, its Croissant description or its digest; repeatable
    #[arg(long, value_name = "URI=PATH|CROISSANT|DIGEST")]
    pub dataset: Vec<String>,

    /// The source that ran, such as git+https://example.com/a/b@refs/heads/main, and its commit or a checkout of it
    #[arg(long, value_name = "URI[=COMMIT|PATH]")]
    pub source: Option<String>,

    /// The container image that it ran in, by digest
    #[arg(long, value_name = "REF@DIGEST")]
    pub container: Vec<String>,

    /// The file that pins the software that ran; repeatable
    #[arg(long, value_name = "[URI=]PATH")]
    pub lockfile: Vec<String>,
}

/// Who ran it.
#[derive(Debug, Args)]
#[command(next_help_heading = BUILDER)]
pub struct RecordedBuilderArgs {
    /// The builder (a URI). Else the run file's, else what the CI system says, else a URI that says that nothing is known
    #[arg(long, value_name = "URI")]
    pub builder_id: Option<String>,

    /// The builder's name for the run. Else what the CI system says
    #[arg(long, value_name = "TEXT")]
    pub invocation_id: Option<String>,

    /// Whose environment variables to read: those of the CI system that they tell, of one by name, or none
    #[arg(long, value_name = "SYSTEM", default_value = "auto", value_parser = ci_parser())]
    pub ci: Ci,

    /// Take the inputs with which somebody started a GitHub workflow by hand for hyperparameters or options. Else they are
    /// recorded as internal parameters
    #[arg(long)]
    pub inputs_as_parameters: bool,
}

/// Whose environment variables are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ci {
    Auto,
    None,
    System(CiSystem),
}

/// What every attestation takes.
#[derive(Debug, Args)]
pub struct AttestArgs {
    #[command(flatten)]
    pub destination: DestinationArgs,

    /// Print the statement that would be signed, use no key, write nothing
    #[arg(long, alias = "dry_run")]
    pub dry_run: bool,

    #[command(flatten)]
    pub signer: SignerArgs,
    #[command(flatten)]
    pub scope: ScopeArgs,
    #[command(flatten)]
    pub measure: MeasureArgs,
    #[command(flatten)]
    pub effort: EffortArgs,
}

/// Where an attestation goes.
#[derive(Debug, Args)]
#[command(next_help_heading = WHERE)]
pub struct DestinationArgs {
    /// Write the bundle to this file; NAME.provenance.sigstore.json, NAME.inspection.sigstore.json or
    /// NAME.attestation.sigstore.json in the working directory when nothing else is said
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Add the bundle as a line to this file
    #[arg(long, value_name = "FILE.intoto.jsonl")]
    pub append: Option<PathBuf>,

    /// Add the bundle to this store of attestations
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,

    /// Replace a different bundle in --output (never a file that is not a bundle)
    #[arg(long, requires = "output")]
    pub force: bool,
}

/// Who signs: an identity, unless a key is named.
#[derive(Debug, Args)]
pub struct SignerArgs {
    /// Sign with this private key (PEM) instead of an identity
    #[arg(long, alias = "private_key", value_name = "PEM", conflicts_with_all = ["kms", "pkcs11_uri"], help_heading = KEYS)]
    pub private_key: Option<PathBuf>,

    /// Sign with a key in a key management service: awskms://, gcpkms://, azurekms:// or hashivault://
    #[arg(long, value_name = "URI", conflicts_with = "pkcs11_uri", help_heading = KEYS)]
    pub kms: Option<String>,

    /// Sign with a private key on a PKCS #11 token (RFC 7512 URI)
    #[arg(long, alias = "pkcs11_uri", value_name = "URI", help_heading = KEYS)]
    pub pkcs11_uri: Option<String>,

    /// The certificate of that key (PEM): verifiers have the root then, and not the key
    #[arg(long, alias = "signing_certificate", value_name = "PEM", help_heading = KEYS)]
    pub signing_certificate: Option<PathBuf>,

    /// Certificates that lead from the signing certificate towards the root (PEM), in order; repeatable
    #[arg(long, alias = "certificate_chain", value_name = "PEM", requires = "signing_certificate", help_heading = KEYS)]
    pub certificate_chain: Vec<PathBuf>,

    #[command(flatten, next_help_heading = KEYS)]
    pub password: PasswordArgs,

    /// A file that holds the token's PIN; its line end does not count
    #[arg(long, value_name = "PATH", requires = "pkcs11_uri", help_heading = KEYS)]
    pub pin_file: Option<PathBuf>,

    /// The PKCS #11 module (a shared library), when the URI names none
    #[arg(long, value_name = "PATH", requires = "pkcs11_uri", help_heading = KEYS)]
    pub module: Option<PathBuf>,

    /// Add a timestamp of this time-stamping authority (RFC 3161) to the signature of a key; repeatable
    #[arg(long, alias = "tsa_url", value_name = "URL", help_heading = KEYS)]
    pub tsa_url: Vec<String>,

    /// Enter the signature of a key into this transparency log (Rekor): it becomes public
    #[arg(long, alias = "rekor_url", value_name = "URL", help_heading = KEYS)]
    pub rekor_url: Option<String>,

    /// The version of that log's interface
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=2), requires = "rekor_url", help_heading = KEYS)]
    pub rekor_version: u32,

    #[command(flatten)]
    pub identity: IdentityArgs,
    #[command(flatten)]
    pub instance: InstanceArgs,

    /// Use these services instead of the instance's own (SigningConfig v0.2)
    #[arg(long, alias = "signing_config", value_name = "FILE", conflicts_with_all = ["trust_config", "tsa_url", "rekor_url"], help_heading = "Which Sigstore")]
    pub signing_config: Option<PathBuf>,

    /// Do not ask before the identity becomes public
    #[arg(long, short = 'y', help_heading = "Who signs")]
    pub yes: bool,

    #[command(flatten)]
    pub network: NetworkArgs,
}

impl SignerArgs {
    /// Who signs.
    ///
    /// # Errors
    /// What is wrong: a certificate, a timestamp or a log entry without a key that they could belong to.
    pub fn who(&self) -> Result<Who, &'static str> {
        let chain = self.signing_certificate.clone().map(|signing_certificate| ChainArgs {
            signing_certificate,
            certificate_chain: self.certificate_chain.clone(),
        });
        let evidence = EvidenceArgs {
            tsa_url: self.tsa_url.clone(),
            rekor_url: self.rekor_url.clone(),
            rekor_version: self.rekor_version,
            signing_config: self.signing_config.clone(),
            trusted_root: self.instance.trusted_root.clone(),
            network: self.network.clone(),
        };
        if let Some(pkcs11_uri) = self.pkcs11_uri.clone() {
            let token =
                Pkcs11Args { pkcs11_uri, pin_file: self.pin_file.clone(), module: self.module.clone() };
            return Ok(Who::Token { token, chain, evidence });
        }
        if self.private_key.is_some() || self.kms.is_some() {
            let key = KeyArgs {
                private_key: self.private_key.clone(),
                kms: self.kms.clone(),
                password: self.password.clone(),
            };
            return Ok(Who::Key { key, chain, evidence });
        }
        if chain.is_some() {
            return Err(
                "a certificate signs nothing without its key; give --private-key, --kms or --pkcs11-uri",
            );
        }
        if !self.tsa_url.is_empty() || self.rekor_url.is_some() {
            return Err(
                "an identity signs with the services of its instance; --tsa-url and --rekor-url go with a key",
            );
        }
        Ok(Who::Identity(SignIdentityArgs {
            identity: self.identity.clone(),
            instance: self.instance.clone(),
            signing_config: self.signing_config.clone(),
            yes: self.yes,
            network: self.network.clone(),
        }))
    }
}

fn build_type_parser() -> impl TypedValueParser<Value = BuildType> {
    PossibleValuesParser::new(BuildType::ALL.map(BuildType::name)).try_map(|name| {
        BuildType::ALL.into_iter().find(|known| known.name() == name).ok_or("no such build type")
    })
}

fn ci_parser() -> impl TypedValueParser<Value = Ci> {
    let names = ["auto", "none"].into_iter().chain(CiSystem::ALL.map(CiSystem::name));
    PossibleValuesParser::new(names).try_map(|name| match &*name {
        "auto" => Ok(Ci::Auto),
        "none" => Ok(Ci::None),
        name => name.parse().map(Ci::System),
    })
}

fn parse_time(text: &str) -> Result<Timestamp, &'static str> {
    modelseal::attest::parse_time(text).ok_or("no RFC 3339 time in UTC, like 2026-03-01T12:00:00Z")
}
