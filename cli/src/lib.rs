//! The modelseal command line: a door. It reads flags and prints results; the work is done in the crate `modelseal`. A library,
//! because the Python package has the same command line; its interface is [`main_with`], and [`places`].

#![allow(unreachable_pub, reason = "nothing else is reachable")]
#![allow(rustdoc::bare_urls, reason = "comments on flags are what --help prints")]

mod args;
mod commands;
mod exit;
mod files;
mod interrupt;
mod output;
mod password;
mod pin;
pub mod places;
mod progress;
mod services;
mod usage;

pub use exit::Exit;

use args::Command;
use std::ffi::OsString;

/// Runs the program with these words, the first of which is its name. For once in a process, and as all that it does:
/// it listens for signals, prints, and may end the process or become another.
pub fn main_with(words: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match usage::parse(words) {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    let output = output::Output::new(cli.format, cli.log_level);
    // Waiting for signals takes a thread, and changes what a command would inherit.
    if !matches!(cli.command, Command::Exec(_)) {
        interrupt::listen(output);
    }
    let exit = output.check(&cli.command).and_then(|()| run(&cli.command, &output));
    exit.unwrap_or_else(|failure| output.failure(&failure))
}

fn run(command: &Command, output: &output::Output) -> Result<Exit, exit::Failure> {
    match command {
        Command::Digest(args) => commands::digest::run(args, output),
        Command::Sign { method } => commands::sign::run(method, output),
        Command::Verify { method } => commands::verify::run(method, output),
        Command::Exec(args) => commands::exec::run(args, output),
        Command::Freeze { method } => commands::verify::freeze(method, output),
        Command::Attest { command } => commands::attest::run(command, output),
        Command::Inspect(args) => commands::inspect::run(args, output),
        Command::Show(args) => commands::show::run(args, output),
        Command::Trust { command } => commands::trust::run(command, output),
        Command::Statement { command } => commands::statement::run(command, output),
        Command::Lineage(args) => commands::lineage::run(args, output),
        Command::Store { command } => commands::store::run(command, output),
        Command::Policy { command } => commands::policy::run(command, output),
        Command::Key { command } => commands::key::run(command, output),
        Command::Completions { shell } => commands::generated::completions(*shell, output),
        Command::Man { directory } => commands::generated::man(directory, output),
        Command::Schema { document } => commands::generated::schema(*document, output),
    }
}
