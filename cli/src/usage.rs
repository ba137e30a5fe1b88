//! Reading the command line: help and version, and usage errors, which are a JSON document too when that was asked for.

use crate::{
    args::{Cli, Format, LogLevel},
    exit::{Exit, Failure},
    output::Output,
};
use clap::{Command, CommandFactory, Parser, error::ErrorKind};
use std::ffi::OsString;

/// Reads the command line. An error has been reported already, or was a wish for help that has been fulfilled.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Exit> {
    let given: Vec<OsString> = words.into_iter().collect();
    Cli::try_parse_from(with_default_method(&given)).map_err(|error| report(&error, &given))
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
    // What a command that is run may exit with, too, is told apart by a line of its own.
    let runs = given.iter().skip(1).find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    let runs = runs.is_some_and(|word| word == "exec");
    if !json {
        let _ = error.print();
    }
    if runs {
        crate::commands::exec::refuse(
            status_fd(given),
            Failure::usage(CODE, first_paragraph(error)),
            &output,
        );
    }
    if !json {
        Exit::Usage
    } else if no_command {
        output.failure(&Failure::usage(CODE, "a command is missing; `modelseal --help` lists them"))
    } else {
        output.failure(&Failure::usage(CODE, first_paragraph(error)))
    }
}

/// The descriptor that somebody waits at, on a command line that is wrong otherwise.
fn status_fd(given: &[OsString]) -> Option<u32> {
    let mut words =
        given.iter().take_while(|word| *word != "--").map(|word| word.to_str().unwrap_or_default());
    while let Some(word) = words.next() {
        let number = match word.strip_prefix("--status-fd") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        if number.is_some() {
            return number.and_then(|number| number.parse().ok());
        }
    }
    None
}

/// What is wrong, in one line; the rest is for people.
fn first_paragraph(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let said = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    lines.join(" ")
}

const CODE: &str = "usage.flags";

/// `modelseal sign MODEL` is `modelseal sign sigstore MODEL`, as in the reference tool: what follows `sign`, `verify` or `freeze`
/// and is neither a method nor a wish for help belongs to the default method.
fn with_default_method(given: &[OsString]) -> Vec<OsString> {
    let mut words = given.to_vec();
    let mut root = Cli::command();
    root.build();
    let Some(at) =
        next_word(&root, given, 1).filter(|at| ["sign", "verify", "freeze"].iter().any(|c| given[*at] == *c))
    else {
        return words;
    };
    let Some(command) = root.find_subcommand(&given[at]) else { return words };
    let is_method = |word: &OsString| command.get_subcommands().any(|c| word == c.get_name());
    let asks_for_help = |word: &OsString| word == "--help" || word == "-h";
    // Flags that every command has may stand before the method.
    let method = next_word(&root, given, at + 1);
    let named = method.is_some_and(|at| is_method(&given[at]));
    let first = given.get(at + 1);
    if first.is_none() || first.is_some_and(asks_for_help) || named {
        return words;
    }
    let of_policy = |word: &OsString| {
        word == "--policy" || word.to_str().is_some_and(|word| word.starts_with("--policy="))
    };
    let by_policy = given[at] != *"sign" && given[at + 1..].iter().any(of_policy);
    words.insert(at + 1, if by_policy { POLICY_METHOD } else { DEFAULT_METHOD }.into());
    words
}

const DEFAULT_METHOD: &str = "sigstore";

/// What `verify` and `freeze` mean where a policy is named.
const POLICY_METHOD: &str = "policy";

/// Where the first word is from `start` on that is no global flag and not the value of one.
fn next_word(root: &Command, given: &[OsString], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(word) = given.get(at) {
        let flag = word.to_str().and_then(|w| w.strip_prefix("--"));
        let global = |name: &str| {
            root.get_arguments().find(|a| {
                a.is_global_set() && a.get_long_and_visible_aliases().is_some_and(|l| l.contains(&name))
            })
        };
        match flag {
            None => return Some(at),
            Some(flag)
                if flag.contains('=') && global(flag.split('=').next().unwrap_or_default()).is_some() =>
            {
                at += 1
            }
            Some(flag) if global(flag).is_some_and(|a| a.get_action().takes_values()) => at += 2,
            Some(flag) if global(flag).is_some() => at += 1,
            Some(_) => return Some(at),
        }
    }
    None
}

/// Whether `--format json` stands anywhere on a command line that could not be read.
fn wants_json(given: &[OsString]) -> bool {
    given.iter().any(|word| word == "--format=json")
        || given.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaulted(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let words = with_default_method(&words);
        words.iter().map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn sign_and_verify_have_a_default_method() {
        for (given, meant) in [
            ("m sign model", "m sign sigstore model"),
            ("m verify model --identity a", "m verify sigstore model --identity a"),
            ("m verify --identity a model", "m verify sigstore --identity a model"),
            ("m --format json verify model", "m --format json verify sigstore model"),
            (
                "m --format=json verify --log_level info model",
                "m --format=json verify sigstore --log_level info model",
            ),
            ("m verify model --policy p", "m verify policy model --policy p"),
            ("m verify --policy=p --format json model", "m verify policy --policy=p --format json model"),
            ("m freeze model --policy p", "m freeze policy model --policy p"),
            ("m freeze model --identity a", "m freeze sigstore model --identity a"),
            ("m sign model --policy p", "m sign sigstore model --policy p"),
        ] {
            assert_eq!(defaulted(given), meant);
        }
        for whole in [
            "m",
            "m sign",
            "m sign --help",
            "m verify -h",
            "m sign key model",
            "m verify --format json key model",
            "m digest model",
            "m key generate",
            "m sign help",
            "m --format json",
        ] {
            assert_eq!(defaulted(whole), whole);
        }
    }
}
