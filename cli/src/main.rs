//! The program `modelseal`.

use std::process::ExitCode;

fn main() -> ExitCode {
    modelseal_cli::main_with(std::env::args_os()).into()
}
