//! Where the password of a private key comes from: a file, the environment, or the terminal.

use crate::{args::PasswordArgs, exit::Failure, files, interrupt};
use modelseal::{Password, PasswordError};
use std::{
    env,
    io::{self, IsTerminal},
    thread,
    time::Duration,
};
use zeroize::Zeroizing;

const VARIABLE: &str = "MODELSEAL_PASSWORD";

/// What to do where nobody can be asked.
pub const ADVICE: &str =
    "; give it with --password-file, in the environment variable MODELSEAL_PASSWORD, or on a terminal";

/// Refuses `--password`, which every user of the machine could read from the process list.
pub fn check(args: &PasswordArgs) -> Result<(), Failure> {
    let message = format!(
        "a password on the command line can be seen by other users; use --password-file, the environment variable \
         {VARIABLE}, or be asked"
    );
    if args.password.is_some() { Err(Failure::usage("usage.password", message)) } else { Ok(()) }
}

/// Gets the password of an existing key.
pub fn existing(args: &PasswordArgs) -> Result<Password, PasswordError> {
    match given(args)? {
        Some(password) => Ok(password),
        None => ask("Password of the private key: "),
    }
}

/// Gets the password for a new key; one that is typed is typed twice.
pub fn new(args: &PasswordArgs) -> Result<Password, PasswordError> {
    if let Some(password) = given(args)? {
        return Ok(password);
    }
    let first = prompt("Password for the new private key: ")?;
    let second = prompt("The same again: ")?;
    if *first != *second {
        return Err(PasswordError::Unreadable { reason: "the two passwords differ".into() });
    }
    Password::new(first.as_bytes().to_vec())
}

fn given(args: &PasswordArgs) -> Result<Option<Password>, PasswordError> {
    if let Some(path) = &args.password_file {
        let bytes = files::read_small(path, "password file")
            .map_err(|failure| PasswordError::Unreadable { reason: failure.message })?;
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        return Password::new(line.to_vec()).map(Some);
    }
    match env::var(VARIABLE) {
        Ok(password) => Password::new(password.into_bytes()).map(Some),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(PasswordError::Unreadable {
            reason: format!("the environment variable {VARIABLE} is not UTF-8"),
        }),
    }
}

fn ask(question: &str) -> Result<Password, PasswordError> {
    Password::new(prompt(question)?.as_bytes().to_vec())
}

/// Asks for a secret on the terminal.
pub fn prompt(question: &str) -> Result<Zeroizing<String>, PasswordError> {
    if !io::stdin().is_terminal() && !io::stderr().is_terminal() {
        return Err(PasswordError::NotGiven);
    }
    let asked = interrupt::Question::start();
    let answer = rpassword::prompt_password(question).map(Zeroizing::new);
    if answer.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::Interrupted) {
        // Ctrl-C, which was passed on as a signal: the program is about to end.
        thread::sleep(Duration::from_secs(10));
    }
    drop(asked);
    answer.map_err(|_| PasswordError::NotGiven)
}
