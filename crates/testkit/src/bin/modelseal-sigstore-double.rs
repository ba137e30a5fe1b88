//! `modelseal-sigstore-double DIR`: a Sigstore instance for shell tests and demonstrations.
//!
//! Writes the trusted root, signing configs and trust configs into DIR, prints the base URL and serves until its input
//! ends. `GET /token?email=` gives identity tokens.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use modelseal_testkit::Double;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        return fail("usage: modelseal-sigstore-double DIR");
    };
    let double = Double::start();
    if let Err(error) = double.write_to(&directory) {
        return fail(&format!("{}: {error}", directory.display()));
    }
    let mut out = std::io::stdout();
    if writeln!(out, "{}", double.url()).and_then(|()| out.flush()).is_err() {
        return ExitCode::FAILURE;
    }
    // Whoever started this closes its input to stop it.
    let mut block = [0; 1024];
    let mut input = std::io::stdin();
    while matches!(input.read(&mut block), Ok(count) if count > 0) {}
    ExitCode::SUCCESS
}

fn fail(message: &str) -> ExitCode {
    // The message is all there is to do; nothing helps if it cannot be written.
    drop(writeln!(std::io::stderr(), "{message}"));
    ExitCode::from(2)
}
