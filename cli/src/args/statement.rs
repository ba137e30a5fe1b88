//! The flags of `statement`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum StatementCommand {
    /// Judge unsigned statements by the rules of in-toto, of their predicate type, and of modelseal's own build types
    Check(StatementCheckArgs),
}

#[derive(Debug, Args)]
pub struct StatementCheckArgs {
    /// An in-toto statement (JSON), not signed; - for standard input; several are all judged
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}
