//! The flags of `policy`, and of `verify --policy`.

use super::{EffortArgs, ModelArgs, PasswordArgs};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

const POLICIES: &str = "Which policies, and on whose word";
const EVIDENCE: &str = "Evidence";
const RESULTS: &str = "What to write besides";

#[derive(Debug, Args)]
pub struct VerifyPolicyArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub policies: PolicyArgs,

    /// The name under which the model is asked for, such as hf://huggingface.co/acme/ranker or
    /// oci://ghcr.io/acme/models/ranker. It comes from you, never from the model; file:// and its path unless given
    #[arg(long = "as", value_name = "REFERENCE")]
    pub reference: Option<String>,

    /// A bundle, or a file of bundles (.jsonl); repeatable. Besides, model.sig, *.sigstore.json and *.intoto.jsonl in the
    /// model's folder are looked at, and model.sig in the working directory. What cannot be used is reported and never
    /// helps
    #[arg(long, value_name = "FILE", help_heading = EVIDENCE)]
    pub bundle: Vec<PathBuf>,

    /// A directory whose .sig, .json and .jsonl files are looked at, too; repeatable
    #[arg(long, value_name = "DIR", help_heading = EVIDENCE)]
    pub bundle_dir: Vec<PathBuf>,

    /// A copy of a model that this one was made from, under the name that its provenance has for it; it is measured, and the
    /// evidence beside it looked at. Repeatable. A base model without a copy is what the provenance pins by digest
    #[arg(long, value_name = "REFERENCE=PATH", help_heading = EVIDENCE)]
    pub base: Vec<String>,

    /// A store, a folder of bundles: what it has about the model and about those that it was made from is looked at
    #[arg(long, value_name = "DIR", help_heading = EVIDENCE)]
    pub store: Option<PathBuf>,

    /// Let a model through that a rule with insecure-allow-unverified is for
    #[arg(long)]
    pub accept_unverified: bool,

    /// Deny a model whose checks gave warnings: failures that an audit rule does not mind yet
    #[arg(long)]
    pub warnings_as_errors: bool,

    /// Refuse a lower version than the highest that was allowed here under the same name, and remember this one. Needs a
    /// rule that binds a version
    #[arg(long)]
    pub remember_version: bool,

    #[command(flatten)]
    pub results: ResultArgs,
    #[command(flatten)]
    pub effort: EffortArgs,
}

/// Which policies, and on whose word.
#[derive(Debug, Args)]
#[command(next_help_heading = POLICIES)]
pub struct PolicyArgs {
    /// A trust policy (TOML, or JSON); repeatable. All of them have to allow the model
    #[arg(long, value_name = "FILE", required = true)]
    pub policy: Vec<PathBuf>,

    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Whose policies are obeyed.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = POLICIES)]
pub struct TrustArgs {
    /// A bundle that signs a policy, besides those that lie beside it (POLICY.sig, POLICY.sigstore.json, POLICY.*.sig);
    /// repeatable
    #[arg(long, value_name = "FILE")]
    pub policy_bundle: Vec<PathBuf>,

    /// Obey policies that nobody signed, wherever they lie. Otherwise an unsigned one is obeyed only where nobody but root
    /// can write
    #[arg(long, conflicts_with_all = ["policy_bundle", "policy_trust"])]
    pub policy_unsigned: bool,

    /// Who may sign policies (trust.toml), instead of /etc/modelseal/trust.toml
    #[arg(long, value_name = "FILE")]
    pub policy_trust: Option<PathBuf>,

    /// Where is remembered which versions were accepted, so that older ones are refused: /var/lib/modelseal for root, else
    /// your own state directory, unless given
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// What to write besides.
#[derive(Debug, Args)]
#[command(next_help_heading = RESULTS)]
pub struct ResultArgs {
    /// Write a SLSA verification summary attestation
    #[arg(long, value_name = "FILE", requires = "verifier_id")]
    pub vsa: Option<PathBuf>,

    /// Write an in-toto simple verification result
    #[arg(long, value_name = "FILE", requires = "verifier_id")]
    pub svr: Option<PathBuf>,

    /// Who verifies: the URI that readers of the summary know
    #[arg(long, value_name = "URI")]
    pub verifier_id: Option<String>,

    /// Sign the summary with this private key (PEM); without one, the bare statement is written
    #[arg(long, value_name = "PEM")]
    pub vsa_key: Option<PathBuf>,

    #[command(flatten)]
    pub password: PasswordArgs,

    /// Write the summary for a denied model, too: it says FAILED
    #[arg(long)]
    pub vsa_on_deny: bool,

    /// Write what the decision rests on, for `policy diff` and `policy test`
    #[arg(long, value_name = "FILE")]
    pub facts_out: Option<PathBuf>,

    /// Keep the verdict in this directory, for doors that know by other means which bytes they have. This command reads
    /// every byte and decides anew each time
    #[arg(long, value_name = "DIR")]
    pub verdict_cache: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Find what is wrong with policies
    Lint(LintArgs),
    /// Lay policies out uniformly; comments stay
    Fmt(FmtArgs),
    /// Print the JSON Schema of policies, for editors
    Schema {
        /// In the dialect of draft 4, for editors of TOML
        #[arg(long)]
        draft4: bool,
    },
    /// Say which rule is for a model, why, and what it needs
    Explain(ExplainArgs),
    /// Run a table of cases
    Test {
        /// The table (TOML), cases with name, policy, at, as, model or facts, bundles, bundle-dir, verdict and codes
        cases: PathBuf,
    },
    /// Say which recorded verdicts another policy would change
    Diff(DiffArgs),
    /// Sign the exact bytes of a policy, or of a deny feed
    Sign(PolicySignArgs),
    /// Verify the signatures of policies as this host would
    Verify(PolicyVerifyArgs),
    /// Make a draft of a policy from another tool's
    Import(ImportArgs),
}

#[derive(Debug, Args)]
pub struct LintArgs {
    /// The policies
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Do not look at the keys and roots that the policies name
    #[arg(long)]
    pub no_files: bool,

    /// Warnings count as errors
    #[arg(long)]
    pub deny_warnings: bool,
}

#[derive(Debug, Args)]
pub struct FmtArgs {
    /// The policies
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Change nothing; say which files would change, and exit with 1 if any would
    #[arg(long)]
    pub check: bool,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The model's name
    #[arg(value_name = "REFERENCE")]
    pub reference: String,

    /// A trust policy; repeatable
    #[arg(long, value_name = "FILE", required = true)]
    pub policy: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The policy as it is
    pub old: PathBuf,

    /// The policy as it shall be
    pub new: PathBuf,

    /// A directory with what `verify --policy .. --facts-out` wrote
    #[arg(long, value_name = "DIR")]
    pub results: PathBuf,
}

#[derive(Debug, Args)]
pub struct PolicySignArgs {
    /// The policy (TOML), or the deny feed (.json)
    pub policy: PathBuf,

    /// The private key (PEM)
    #[arg(long, alias = "private_key", value_name = "PEM")]
    pub private_key: PathBuf,

    #[command(flatten)]
    pub password: PasswordArgs,

    /// Where the bundle is written; POLICY.sig unless given. Several people write POLICY.NAME.sig
    #[arg(long, value_name = "PATH")]
    pub signature: Option<PathBuf>,

    /// Replace a different signature (never a file that is not a signature)
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct PolicyVerifyArgs {
    /// The policies
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// A bundle that signs a policy, besides those that lie beside it; repeatable
    #[arg(long, value_name = "FILE")]
    pub policy_bundle: Vec<PathBuf>,

    /// Who may sign policies (trust.toml), instead of /etc/modelseal/trust.toml
    #[arg(long, value_name = "FILE")]
    pub policy_trust: Option<PathBuf>,

    /// Also refuse versions older than those that were accepted before, as this directory remembers them; it is not
    /// changed
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Whose policy it is
    pub kind: ImportKind,

    /// The policy
    pub file: PathBuf,

    /// The id of the new policy, such as example.com/platform
    #[arg(long)]
    pub id: String,

    /// When the new policy expires (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub expires: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportKind {
    /// ClusterImagePolicy of the Sigstore policy controller (YAML)
    ClusterImagePolicy,
    /// trustpolicy.json of Notation
    Notation,
    /// policy.json of containers/image (Podman, CRI-O)
    Containers,
}
