//! The flags of `exec`.

use super::{EffortArgs, OUTPUT, PolicyArgs};
use clap::Args;
use std::{ffi::OsString, path::PathBuf};

const MODELS: &str = "The models and the command";
const EVIDENCE: &str = "Evidence";
const REACH: &str = "What the command can reach";

#[derive(Debug, Args)]
pub struct ExecArgs {
    /// A model under the name by which policies know it, such as hf://huggingface.co/acme/ranker=./ranker; repeatable. All of
    /// them have to be allowed
    #[arg(long = "model", value_name = "REF=PATH", required = true, help_heading = MODELS)]
    pub models: Vec<OsString>,

    #[command(flatten)]
    pub policies: PolicyArgs,

    /// Refuse to start unless what was verified cannot change any more (fs-verity, a read-only file system, or a sealed copy
    /// in memory, which is made where the others are not), and the command is held to it by the kernel
    #[arg(long, help_heading = REACH)]
    pub strict: bool,

    /// Give the command a sealed copy of each model in memory, hashed while it is copied
    #[arg(long, help_heading = REACH)]
    pub copy: bool,

    /// Who the command runs as when root runs this: NAME or UID, perhaps with :GROUP. Without it, root becomes nobody; to stay
    /// root, without any capability, give root
    #[arg(long, value_name = "USER", help_heading = REACH)]
    pub user: Option<String>,

    /// A file or directory that the command may read and run, besides the system's, its own installation and the models;
    /// repeatable
    #[arg(long, value_name = "PATH", help_heading = REACH)]
    pub allow_read: Vec<PathBuf>,

    /// A file or directory that the command may read, run and write; repeatable
    #[arg(long, value_name = "PATH", help_heading = REACH)]
    pub allow_write: Vec<PathBuf>,

    /// A bundle, or a file of bundles (.jsonl), besides what lies in the models' folders; repeatable
    #[arg(long, value_name = "FILE", help_heading = EVIDENCE)]
    pub bundle: Vec<PathBuf>,

    /// A directory whose .sig, .json and .jsonl files are looked at, too; repeatable
    #[arg(long, value_name = "DIR", help_heading = EVIDENCE)]
    pub bundle_dir: Vec<PathBuf>,

    /// A copy of a model that one was made from, under the name that its provenance has for it; repeatable
    #[arg(long, value_name = "REFERENCE=PATH", help_heading = EVIDENCE)]
    pub base: Vec<String>,

    /// A store, a folder of bundles: what it has about the models is looked at
    #[arg(long, value_name = "DIR", help_heading = EVIDENCE)]
    pub store: Option<PathBuf>,

    /// Let a model through that a rule with insecure-allow-unverified is for
    #[arg(long, help_heading = EVIDENCE)]
    pub accept_unverified: bool,

    /// Deny a model whose checks gave warnings: failures that an audit rule does not mind yet
    #[arg(long, help_heading = EVIDENCE)]
    pub warnings_as_errors: bool,

    /// Refuse a lower version than the highest that was allowed here under the same name, and remember this one
    #[arg(long, help_heading = EVIDENCE)]
    pub remember_version: bool,

    /// Write to this open file descriptor, as one line of JSON, whether the command was started, with which models and under
    /// which protections, or why not; it is closed then
    #[arg(long, value_name = "N", help_heading = OUTPUT)]
    pub status_fd: Option<u32>,

    #[command(flatten)]
    pub effort: EffortArgs,

    /// The command and its arguments, after --. {model} in them becomes the place of the only model, {REF} that of the model
    /// of this reference
    #[arg(value_name = "COMMAND", last = true, required = true, help_heading = MODELS)]
    pub command: Vec<OsString>,
}
