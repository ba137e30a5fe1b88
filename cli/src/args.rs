//! The flags. Those of the reference tool `model_signing` keep their names, with hyphens or underscores.

mod attest;
mod exec;
mod inspect;
mod lineage;
mod policy;
mod provenance;
mod sign;
mod sigstore;
mod statement;
mod store;
mod verify;

pub use attest::*;
pub use exec::*;
pub use inspect::*;
pub use lineage::*;
pub use policy::*;
pub use provenance::*;
pub use sign::*;
pub use sigstore::*;
pub use statement::*;
pub use store::*;
pub use verify::*;

use clap::{Args, Parser, Subcommand, ValueEnum, builder::TypedValueParser};
use modelseal::{Algorithm, DEFAULT_SHARD_SIZE, FileHash, KeyAlgorithm, Part};
use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

const OUTPUT: &str = "Output";
const SCOPE: &str = "What belongs to the model";
const MEASURE: &str = "How the model is hashed";
const SHARES: &str = "Several machines";
/// A merge reads documents, which say themselves what they are about.
const NOT_WITH_MERGE: [&str; 12] = [
    "model",
    "part",
    "ignore_paths",
    "ignore_git_paths",
    "no_ignore_git_paths",
    "allow_symlinks",
    "hash",
    "method",
    "shard_size",
    "also",
    "threads",
    "memory",
];
const EFFORT: &str = "What hashing may take";

/// Sign and verify machine-learning models (OpenSSF Model Signing).
///
/// A publisher signs a model of any size; a consumer refuses to use anything else than what was signed.
#[derive(Debug, Parser)]
#[command(
    name = "modelseal",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Exit status: 0 done or verified, 1 denied, 2 wrong usage or input document, 3 could not decide."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// Output for people, or one JSON document on standard output; of `verify --policy` and `policy lint` also SARIF,
    /// JUnit's XML, or annotations for GitHub's workflows; of `inspect` also SARIF; of `lineage` also a graph for Graphviz or Mermaid
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, help_heading = OUTPUT)]
    pub format: Format,

    /// How much to say besides the result: error and critical leave warnings out
    #[arg(long, alias = "log_level", global = true, value_enum, ignore_case = true, default_value_t = LogLevel::Info, value_name = "LEVEL", help_heading = OUTPUT)]
    pub log_level: LogLevel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Sarif,
    Junit,
    Github,
    Dot,
    Mermaid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, read once")]
pub enum Command {
    /// Measure a model: print its root digest and its manifest digest
    Digest(DigestArgs),
    /// Sign a model; with Sigstore unless another method is named
    #[command(arg_required_else_help = true)]
    Sign {
        #[command(subcommand)]
        method: SignMethod,
    },
    /// Verify a model against its signature; with Sigstore unless another method is named
    #[command(arg_required_else_help = true)]
    Verify {
        #[command(subcommand)]
        method: VerifyMethod,
    },
    /// Run a command that can read only models that policies allow, exactly as they were verified
    #[command(arg_required_else_help = true)]
    Exec(Box<ExecArgs>),
    /// Freeze a model and verify it: Linux lets nobody change the files from then on (fs-verity), for ever, and verifying them
    /// again takes no read where `sign --fs-verity` has signed them. With Sigstore unless another method is named
    #[command(arg_required_else_help = true)]
    Freeze {
        #[command(subcommand)]
        method: FreezeMethod,
    },
    /// Attest how a model was made, or anything else about it, in a signed statement
    #[command(arg_required_else_help = true)]
    Attest {
        #[command(subcommand)]
        command: AttestCommand,
    },
    /// Say what is in a model's files, and whether loading them can run code
    #[command(arg_required_else_help = true)]
    Inspect(Box<InspectArgs>),
    /// Print what a bundle says, and what of it could be verified
    Show(ShowArgs),
    /// The trust material of a Sigstore instance
    #[command(arg_required_else_help = true)]
    Trust {
        #[command(subcommand)]
        command: TrustCommand,
    },
    /// Check statements before they are signed
    #[command(arg_required_else_help = true)]
    Statement {
        #[command(subcommand)]
        command: StatementCommand,
    },
    /// What a model descends from, or what descends from it, by the statements in an attestation store
    #[command(arg_required_else_help = true)]
    Lineage(Box<LineageArgs>),
    /// Keep attestations in a folder, by content
    #[command(arg_required_else_help = true)]
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Write, check and sign trust policies
    #[command(arg_required_else_help = true)]
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Make keys
    #[command(arg_required_else_help = true)]
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// The directory; it is made when it is missing
        directory: PathBuf,
    },
    /// Print the JSON Schema of a document that `--format json` prints
    Schema {
        /// The document
        document: SchemaName,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SchemaName {
    /// modelseal.result/v1, printed by `verify`
    Result,
    /// modelseal.signature/v1, printed by `sign`
    Signature,
    /// modelseal.attestation/v1, printed by `attest`
    Attestation,
    /// modelseal.run-record/v1, printed by `attest begin`
    RunRecord,
    /// modelseal.digest/v1, printed by `digest`
    Digest,
    /// modelseal.part/v1, printed by `digest --part`
    Part,
    /// modelseal.key/v1, printed by `key generate`
    Key,
    /// modelseal.bundle/v1, printed by `show`
    Bundle,
    /// modelseal.trust/v1, printed by `trust`
    Trust,
    /// modelseal.error/v1, printed when a command could not be carried out
    Error,
    /// modelseal.statement/v1, printed by `statement check`
    Statement,
    /// modelseal.lint/v1, printed by `policy lint`
    Lint,
    /// modelseal.explain/v1, printed by `policy explain`
    Explain,
    /// modelseal.policy-test/v1, printed by `policy test`
    PolicyTest,
    /// modelseal.policy-diff/v1, printed by `policy diff`
    PolicyDiff,
    /// modelseal.policy-signature/v1, printed by `policy sign`
    PolicySignature,
    /// modelseal.policy-verification/v1, printed by `policy verify`
    PolicyVerification,
    /// modelseal.import/v1, printed by `policy import`
    Import,
    /// modelseal.lineage/v1, printed by `lineage`
    Lineage,
    /// modelseal.affected/v1, printed by `lineage --affected-by`
    Affected,
    /// modelseal.store/v1, printed by `store`
    Store,
    /// modelseal.provenance/v1, printed by `verify provenance`
    Provenance,
    /// modelseal.inspection/v1, printed by `inspect`
    Inspection,
    /// modelseal.exec/v1, written down `exec --status-fd`
    Exec,
    /// modelseal.rule/v1, printed by `inspect --explain`
    Rule,
}

#[derive(Debug, Args)]
pub struct DigestArgs {
    /// The model: a directory or a single file
    #[arg(value_name = "MODEL", required_unless_present = "merge")]
    pub model: Option<PathBuf>,

    #[command(flatten)]
    pub shares: ShareArgs,
    #[command(flatten)]
    pub scope: ScopeArgs,
    #[command(flatten)]
    pub measure: MeasureArgs,

    /// Give further digests of each whole file from the same read, and the root digest of each hash; repeatable, or
    /// separated by commas. Not with --method shards or --part
    #[arg(long, value_name = "HASH", value_delimiter = ',', value_parser = file_hash_parser(), conflicts_with = "part", help_heading = MEASURE)]
    pub also: Vec<FileHash>,

    #[command(flatten)]
    pub effort: EffortArgs,
}

/// One measurement by several machines, and its document.
#[derive(Debug, Args)]
#[command(next_help_heading = SHARES)]
pub struct ShareArgs {
    /// Hash only part I of N, counted from 1, and write it to --out. Every part sees the same model, is given the same
    /// flags, and can be made again at any time. A merge notices files that are added, missing or of another size, but
    /// not a model of the same names and sizes: do not write to the model meanwhile
    #[arg(long, value_name = "I/N", requires = "out")]
    pub part: Option<Part>,

    /// Merge the parts of one measurement, all of them: the result is that of the whole. Reads no model
    #[arg(long, value_name = "PART", num_args = 1.., conflicts_with_all = NOT_WITH_MERGE)]
    pub merge: Vec<PathBuf>,

    /// Write the document (JSON) to a file outside the model; replaces a document of the same kind
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ModelArgs {
    /// The model: a directory or a single file
    #[arg(value_name = "MODEL")]
    pub path: PathBuf,
}

/// What belongs to the model.
#[derive(Debug, Args)]
#[command(next_help_heading = SCOPE)]
pub struct ScopeArgs {
    /// Leave a file, or a directory with all in it, out; taken from the working directory; repeatable
    #[arg(long, alias = "ignore_paths", value_name = "PATH")]
    pub ignore_paths: Vec<PathBuf>,

    /// Leave .git, .gitattributes, .github and .gitignore at the top out (the default)
    #[arg(long, alias = "ignore_git_paths", overrides_with = "no_ignore_git_paths")]
    pub ignore_git_paths: bool,

    /// Do not leave git's paths out
    #[arg(long, alias = "no-ignore_git_paths", overrides_with = "ignore_git_paths")]
    pub no_ignore_git_paths: bool,

    /// Read through symbolic links. When verifying, what the signer recorded counts, not this flag
    #[arg(long, alias = "allow_symlinks")]
    pub allow_symlinks: bool,
}

/// How the model is hashed.
#[derive(Debug, Args)]
#[command(next_help_heading = MEASURE)]
pub struct MeasureArgs {
    /// The hash of each file or shard
    #[arg(long, value_name = "HASH", default_value = "sha256", value_parser = algorithm_parser())]
    pub hash: Algorithm,

    /// Hash whole files, or shards of --shard-size bytes
    #[arg(long, value_enum, default_value_t = MethodName::Files)]
    pub method: MethodName,

    /// Bytes in a shard, with --method shards; K, M, G and KiB, MiB, GiB are understood
    #[arg(long, alias = "shard_size", value_name = "BYTES", requires = "method", default_value_t = DEFAULT_SHARD_SIZE, value_parser = parse_size)]
    pub shard_size: NonZeroU64,
}

/// What hashing may take.
#[derive(Debug, Args)]
#[command(next_help_heading = EFFORT)]
pub struct EffortArgs {
    /// Threads at most; one for each core unless given. The result does not depend on it
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,

    /// Memory for read buffers at most; K, M, G and KiB, MiB, GiB are understood. One thread with 64 KiB buffers there
    /// is always
    #[arg(long, value_name = "SIZE", default_value = "256MB", value_parser = parse_size)]
    pub memory: NonZeroU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodName {
    /// One digest for each file
    Files,
    /// One digest for each range of --shard-size bytes
    Shards,
}

#[derive(Debug, Clone, Args)]
pub struct PasswordArgs {
    /// A file that holds the private key's password; its line end does not count. Else the environment variable
    /// MODELSEAL_PASSWORD is used, else the password is asked for
    #[arg(long, alias = "password_file", value_name = "PATH")]
    pub password_file: Option<PathBuf>,

    /// Refused: other users can see it
    #[arg(long, hide = true, value_name = "PASSWORD")]
    pub password: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key pair: a private key to sign with, a public key for verifiers
    Generate(GenerateArgs),
}

#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// The kind of key: ed25519, p256, p384 or p521. The reference tool cannot read ed25519
    #[arg(long, default_value_t = KeyName(KeyAlgorithm::Ed25519), value_name = "ALGORITHM")]
    pub algorithm: KeyName,

    /// The private key goes to PREFIX.key, the public key to PREFIX.pub
    #[arg(long, default_value = "modelseal", value_name = "PREFIX")]
    pub output: PathBuf,

    /// Write the private key unencrypted
    #[arg(long, alias = "no_password", conflicts_with = "password_file")]
    pub no_password: bool,

    #[command(flatten)]
    pub password: PasswordArgs,
}

/// A key algorithm by its short name.
#[derive(Debug, Clone, Copy)]
pub struct KeyName(pub KeyAlgorithm);

impl std::str::FromStr for KeyName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        name.parse().map(Self).map_err(|e: modelseal::UnknownKeyAlgorithm| e.to_string())
    }
}

impl std::fmt::Display for KeyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

fn algorithm_parser() -> impl TypedValueParser<Value = Algorithm> {
    clap::builder::PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::name))
        .try_map(|name| name.parse::<Algorithm>())
}

fn file_hash_parser() -> impl TypedValueParser<Value = FileHash> {
    clap::builder::PossibleValuesParser::new(FileHash::ALL.map(FileHash::name))
        .try_map(|name| name.parse::<FileHash>())
}

/// `1000`, `64MiB`, `1G`.
fn parse_size(text: &str) -> Result<NonZeroU64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "B" => 1,
        "K" | "k" | "kB" => 1000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        unit => return Err(format!("unknown unit '{unit}'; use K, M, G, KiB, MiB or GiB")),
    };
    let number: u64 = digits.parse().map_err(|_| "not a number of bytes".to_owned())?;
    let bytes = number.checked_mul(factor).ok_or("too large")?;
    NonZeroU64::new(bytes).ok_or_else(|| "must be positive".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_are_read_with_units() {
        assert_eq!(parse_size("64MiB").unwrap().get(), 64 << 20);
        assert_eq!(parse_size("1G").unwrap().get(), 1_000_000_000);
        assert_eq!(parse_size("256MB").unwrap().get(), modelseal::DEFAULT_MEMORY);
        for bad in ["", "0", "1X", "M", "-1", "18446744073709551616", "18446744073709551615K"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
