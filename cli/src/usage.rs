//! Reading the command line: help and version, and usage errors, which are a JSON document too when that was asked for.

use crate::{
    args::{Cli, Format, LogLevel},
    exit::{Exit, Failure},
    output::Output,
};
use clap::{
    Command, CommandFactory, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};
use std::{env, ffi::OsString};

/// Reads the command line. An error has been reported already, or was a wish for help that has been fulfilled.
pub fn parse() -> Result<Cli, Exit> {
    let given: Vec<OsString> = env::args_os().collect();
    Cli::try_parse_from(&given).map_err(|error| report(&error, &given))
}

fn report(error: &clap::Error, given: &[OsString]) -> Exit {
    if !error.use_stderr() {
        // A reader that has seen enough of the help is no failure.
        let _ = error.print();
        return Exit::Done;
    }
    let json = wants_json(given);
    let output = Output::new(if json { Format::Json } else { Format::Text }, LogLevel::Info);
    let no_command = matches!(
        error.kind(),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand
    );
    if let Some((message, usages)) = missing_method(error, given) {
        let exit = output.failure(&Failure::usage(CODE, message));
        usages.iter().for_each(|usage| output.diagnostic(format_args!("  {usage}")));
        exit
    } else if !json {
        let _ = error.print();
        Exit::Usage
    } else if no_command {
        output.failure(&Failure::usage(CODE, "a command is missing; `modelseal --help` lists them"))
    } else {
        // The first paragraph; the rest is for people.
        let text = error.render().to_string();
        let said = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        let lines: Vec<&str> = said.lines().map(str::trim).collect();
        output.failure(&Failure::usage(CODE, lines.join(" ")))
    }
}

const CODE: &str = "usage.flags";

/// `modelseal sign MODEL`: the reference tool has a default method; here it is always named, because whom to trust is
/// not for a default to say. What to say, and how to call each method: taken from the definitions.
fn missing_method(error: &clap::Error, given: &[OsString]) -> Option<(String, Vec<String>)> {
    if !matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument) {
        return None;
    }
    let mut root = Cli::command();
    root.build();
    let command = given.iter().skip(1).find_map(|word| root.find_subcommand(word))?;
    let methods: Vec<&Command> = command.get_subcommands().filter(|c| c.get_name() != "help").collect();
    let named = |word: &OsString| methods.iter().any(|m| word == m.get_name());
    if methods.len() < 2 || given.iter().any(named) {
        return None;
    }
    let names: Vec<&str> = methods.iter().map(|m| m.get_name()).collect();
    let (command, names) = (command.get_name(), names.join(" or "));
    let mut message = format!("`modelseal {command}` needs a method first: {names}");
    if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) {
        message += &format!("; '{word}' is not one");
    }
    let usage = |m: &&Command| m.to_owned().clone().render_usage().to_string().replacen("Usage: ", "", 1);
    Some((message, methods.iter().map(usage).collect()))
}

/// Whether `--format json` stands anywhere on a command line that could not be read.
fn wants_json(given: &[OsString]) -> bool {
    given.iter().any(|word| word == "--format=json")
        || given.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}
