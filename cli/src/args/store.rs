//! The flags of `store`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Add bundles; the lines of .jsonl files are added one by one, and those that are no bundles are left out
    Add(StoreAddArgs),
    /// List the bundles, with what each claims
    List(StoreArgs),
    /// Write every bundle as a line (.intoto.jsonl)
    Export(StoreExportArgs),
    /// Read every file, compare it with its name, and say what is wrong
    Check(StoreArgs),
    /// Bring the index up to date
    Index(StoreIndexArgs),
}

#[derive(Debug, Args)]
pub struct StoreArgs {
    /// The store
    #[arg(long, value_name = "DIR")]
    pub store: PathBuf,
}

#[derive(Debug, Args)]
pub struct StoreAddArgs {
    /// Bundles (.sigstore.json, .sig), or lines of bundles (.jsonl)
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// The store; it is made where there is none
    #[arg(long, value_name = "DIR")]
    pub store: PathBuf,
}

#[derive(Debug, Args)]
pub struct StoreExportArgs {
    #[command(flatten)]
    pub store: StoreArgs,

    /// Write the lines to this file, which must not be there yet; to standard output unless given
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct StoreIndexArgs {
    #[command(flatten)]
    pub store: StoreArgs,

    /// Keep the index in this file; in the store unless given
    #[arg(long, value_name = "FILE")]
    pub index: Option<PathBuf>,
}
