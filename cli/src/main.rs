//! The modelseal command line: a door. It reads flags and prints results; the work is done in the crate `modelseal`.

#![allow(unreachable_pub, reason = "nothing is reachable in a program")]
#![allow(rustdoc::bare_urls, reason = "comments on flags are what --help prints")]

mod args;
mod commands;
mod exit;
mod files;
mod interrupt;
mod output;
mod password;
mod pin;
mod progress;
mod services;
mod usage;

use args::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match usage::parse() {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    let output = output::Output::new(cli.format, cli.log_level);
    // Waiting for signals takes a thread, and changes what a command would inherit.
    if !matches!(cli.command, Command::Exec(_)) {
        interrupt::listen(output);
    }
    let exit = output.check(&cli.command).and_then(|()| run(&cli.command, &output));
    exit.unwrap_or_else(|failure| output.failure(&failure)).into()
}

fn run(command: &Command, output: &output::Output) -> Result<exit::Exit, exit::Failure> {
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
