//! Reading keys and certificates that the user names.

use crate::{exit::Failure, places};
use modelseal::{
    Certificate, PublicKey, Roots,
    limits::{MAX_ATTESTATION_BYTES, MAX_PEM_BYTES},
};
use std::{
    io::Read,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Trusted roots and signing configs of real instances have some ten kilobytes.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// Reads a small file: a key, a certificate, a secret.
pub fn read_small(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read(path, what, MAX_PEM_BYTES)
}

/// Reads a document of trust or services.
pub fn read_document(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read(path, what, MAX_DOCUMENT_BYTES)
}

/// Reads what becomes part of an attestation.
pub fn read_attestation(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read(path, what, MAX_ATTESTATION_BYTES)
}

fn read(path: &Path, what: &str, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let refuse = |e: std::io::Error| {
        Failure::usage("usage.file", format_args!("cannot read the {what} '{}': {e}", path.display()))
    };
    let file = modelseal::open_named(path).map_err(refuse)?;
    // One allocation of the final size leaves no copies of a key behind.
    let capacity = file.metadata().map(|m| m.len()).unwrap_or(0).clamp(4096, limit + 1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(capacity).unwrap_or(4096)));
    file.take(limit + 1).read_to_end(&mut bytes).map_err(refuse)?;
    if bytes.len() as u64 > limit {
        let message = format!("the {what} '{}' is larger than {limit} bytes", path.display());
        return Err(Failure::usage("usage.file", message));
    }
    Ok(bytes)
}

/// Reads a public key.
pub fn public_key(path: &Path) -> Result<PublicKey, Failure> {
    let pem = read_small(path, "public key")?;
    PublicKey::from_pem(&pem)
        .map_err(|e| Failure::usage("usage.public-key", format_args!("cannot use '{}': {e}", path.display())))
}

/// Reads certificates from PEM files, in order.
pub fn certificates<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<Vec<Certificate>, Failure> {
    let mut certificates = Vec::new();
    for path in paths {
        let pem = read_small(path, "certificate")?;
        let found = Certificate::from_pem_many(&pem).map_err(|e| {
            Failure::usage("usage.certificate", format_args!("cannot use '{}': {e}", path.display()))
        })?;
        certificates.extend(found);
    }
    Ok(certificates)
}

/// Reads the roots to trust.
pub fn roots<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<Roots, Failure> {
    Roots::new(certificates(paths)?).map_err(|e| Failure::usage("usage.certificate", e))
}

/// Where this user's caches are.
pub fn cache() -> Result<PathBuf, Failure> {
    places::cache().ok_or_else(|| {
        Failure::usage("usage.file", "there is no cache directory: neither XDG_CACHE_HOME nor HOME is set")
    })
}
