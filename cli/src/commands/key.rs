//! `modelseal key generate`.

use crate::{
    args::{GenerateArgs, KeyCommand},
    exit::{Exit, Failure},
    output::Output,
    password,
};
use modelseal::{PasswordError, Printable, PrivateKey, PublicKey};
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A new key pair, as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct KeyReport {
    /// Always `modelseal.key/v1`.
    schema: String,
    /// `Ed25519`, `ECDSA P-256`, `ECDSA P-384` or `ECDSA P-521`.
    algorithm: String,
    /// Hex SHA-256 of the public key's DER SubjectPublicKeyInfo.
    key_fingerprint: String,
    /// Where the private key is.
    private_key: String,
    /// Where the public key is.
    public_key: String,
    /// Whether the private key is encrypted.
    encrypted: bool,
}

pub fn run(command: &KeyCommand, output: &Output) -> Result<Exit, Failure> {
    let KeyCommand::Generate(args) = command;
    password::check(&args.password)?;
    if args.output.as_os_str().as_encoded_bytes().ends_with(b"/") || args.output.file_name().is_none() {
        let message = format!(
            "'{}' is a directory; name the key pair in it, as in '{}'",
            args.output.display(),
            args.output.join("modelseal").display()
        );
        return Err(Failure::usage("usage.output", message));
    }
    let (private, public) = (with_suffix(&args.output, ".key"), with_suffix(&args.output, ".pub"));
    for path in [&private, &public] {
        if path.symlink_metadata().is_ok() {
            let message = format!("'{}' exists already and keys are never overwritten", path.display());
            return Err(Failure::usage("usage.output", message));
        }
    }
    let report = generate(args, &private, &public)?;
    output.result(&report, |out| {
        writeln!(
            out,
            "private key: {} ({})",
            Printable(&report.private_key),
            if report.encrypted { "encrypted" } else { "NOT encrypted" }
        )?;
        writeln!(out, "public key:  {}", Printable(&report.public_key))?;
        writeln!(out, "algorithm:   {}", report.algorithm)?;
        writeln!(out, "fingerprint: {}", report.key_fingerprint)
    })?;
    Ok(Exit::Done)
}

fn generate(args: &GenerateArgs, private: &Path, public: &Path) -> Result<KeyReport, Failure> {
    let password = if args.no_password {
        None
    } else {
        let password = password::new(&args.password).map_err(|e| {
            let advice = if matches!(e, PasswordError::NotGiven) { password::ADVICE } else { "" };
            Failure::usage(
                "usage.password",
                format_args!("{e}{advice}; or write the key unencrypted with --no-password"),
            )
        })?;
        Some(password)
    };
    let internal = |e: &dyn std::fmt::Display| Failure { code: "error.internal", ..Failure::io(e) };
    let key = PrivateKey::generate(args.algorithm.0).map_err(|e| internal(&e))?;
    let pem = key.to_pkcs8_pem(password.as_ref()).map_err(|e| internal(&e))?;
    let public_key = PublicKey::from_spki_der(&key.public_key_spki_der()).map_err(|e| internal(&e))?;
    write_new(private, pem.as_bytes(), 0o600)?;
    write_new(public, key.public_key_pem().as_bytes(), 0o666).inspect_err(|_| {
        // Half a pair would stand in the way of the next attempt.
        let _ = std::fs::remove_file(private);
    })?;
    Ok(KeyReport {
        schema: "modelseal.key/v1".into(),
        algorithm: args.algorithm.0.to_string(),
        key_fingerprint: public_key.fingerprint(),
        private_key: private.display().to_string(),
        public_key: public.display().to_string(),
        encrypted: password.is_some(),
    })
}

/// Writes a file that must not exist, whole or not at all.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let mut file = new_file(directory, mode)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(|e| Failure::io(format_args!("cannot write '{}': {}", path.display(), reason(&e))))
}

/// A file that has this mode from the beginning, less the process's mask.
#[cfg(unix)]
fn new_file(directory: &Path, mode: u32) -> io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(mode)).tempfile_in(directory)
}

#[cfg(not(unix))]
fn new_file(directory: &Path, _mode: u32) -> io::Result<tempfile::NamedTempFile> {
    tempfile::NamedTempFile::new_in(directory)
}

/// The system's reason, without the name of a temporary file, which tells nobody anything.
fn reason(e: &io::Error) -> String {
    let text = e.to_string();
    text.split_once(" at path ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}

fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(prefix);
    name.push(suffix);
    PathBuf::from(name)
}
