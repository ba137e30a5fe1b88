//! Where the PIN of a PKCS #11 token comes from: the URI, a file, the environment, or the terminal.

use crate::{args::Pkcs11Args, exit::Failure, files, password};
use modelseal::{Pin, PinError, PinPrompt, Pkcs11Error, Pkcs11Key, Pkcs11Uri, Printable};
use std::env;
use zeroize::Zeroizing;

const VARIABLE: &str = "MODELSEAL_PIN";

/// Opens the key on the token.
pub fn open(uri: &Pkcs11Uri, args: &Pkcs11Args) -> Result<Pkcs11Key, Failure> {
    let search = modelseal::ModuleSearch { module: args.module.clone(), ..Default::default() };
    Pkcs11Key::open(uri, &search, |prompt| ask(args, prompt)).map_err(|e| {
        let advice = match &e {
            Pkcs11Error::Pin { reason: PinError::NotGiven, .. } => {
                "; give it with --pin-file, in the environment variable MODELSEAL_PIN, or on a terminal"
            }
            _ => "",
        };
        Failure::usage("usage.pkcs11", format_args!("cannot use the key on the token: {e}{advice}"))
    })
}

fn ask(args: &Pkcs11Args, prompt: &PinPrompt) -> Result<Pin, PinError> {
    if let Some(path) = &args.pin_file {
        let bytes = files::read_small(path, "PIN file")
            .map_err(|failure| PinError::Unreadable { reason: failure.message })?;
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        return Pin::new(Zeroizing::new(line.to_vec()));
    }
    match env::var(VARIABLE) {
        Ok(pin) => return Pin::new(Zeroizing::new(pin.into_bytes())),
        Err(env::VarError::NotPresent) => {}
        Err(env::VarError::NotUnicode(_)) => {
            return Err(PinError::Unreadable {
                reason: format!("the environment variable {VARIABLE} is not UTF-8"),
            });
        }
    }
    let warning = match (prompt.last_try, prompt.few_tries_left) {
        (true, _) => " (this is the last try before the token locks)",
        (_, true) => " (few tries are left before the token locks)",
        _ => "",
    };
    let question = format!("PIN of the token '{}'{warning}: ", Printable(&prompt.token));
    let answer = password::prompt(&question).map_err(|_| PinError::NotGiven)?;
    Pin::new(Zeroizing::new(answer.as_bytes().to_vec()))
}
