//! The flags of `inspect`.

use super::{ScopeArgs, TrustArgs};
use clap::Args;
use std::{num::NonZeroUsize, path::PathBuf};

const RULES: &str = "By which rules";
const EXPLAIN: &str = "For people who must judge";
const EFFORT: &str = "What inspecting may take";

#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 clean, 1 denied by the rules, 2 wrong usage or rule set, 3 could not decide: something was \
                  not understood, or could not be read."
)]
pub struct InspectArgs {
    /// The model: a directory or a single file. Nothing of it is executed, imported or changed
    #[arg(value_name = "MODEL", required_unless_present_any = ["explain", "trace"])]
    pub model: Option<PathBuf>,

    /// A rule set (TOML), laid over the one that is shipped: it may raise any rule, lower those that it names with a reason,
    /// and add Python globals. One that is signed is verified as policies are; where nobody says who may sign, one that is
    /// not signed counts, too
    #[arg(long, value_name = "FILE", help_heading = RULES)]
    pub rules: Option<PathBuf>,

    #[command(flatten)]
    pub trust: TrustArgs,

    /// Say what a rule finds and what to do about it; without RULE, list all
    #[arg(long, value_name = "RULE", num_args = 0..=1, conflicts_with_all = ["model", "trace", "rules"], help_heading = EXPLAIN)]
    pub explain: Option<Option<String>>,

    /// Print the annotated disassembly of the pickles in a file, and in the archives that it holds; nothing of it is
    /// executed
    #[arg(long, value_name = "FILE", conflicts_with = "model", help_heading = EXPLAIN)]
    pub trace: Option<PathBuf>,

    /// Lines of the disassembly at most
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "trace", conflicts_with = "model", help_heading = EXPLAIN)]
    pub trace_lines: u64,

    /// Compare with a report that `attest inspection` or --format sarif wrote: the same bytes, rules and bounds give the same
    /// report, to the last byte. Reads every file whole, to name it by its digest. Exit status 1 when it differs
    #[arg(long, value_name = "SARIF", conflicts_with_all = ["explain", "trace"])]
    pub compare: Option<PathBuf>,

    #[command(flatten)]
    pub scope: ScopeArgs,

    /// Threads at most; one for each core unless given. The result does not depend on it
    #[arg(long, value_name = "N", help_heading = EFFORT)]
    pub threads: Option<NonZeroUsize>,
}
