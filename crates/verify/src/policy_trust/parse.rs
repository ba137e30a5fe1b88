//! Reading `trust.toml`.

use super::{PolicySigner, PolicyTrust, SCHEMA};
use crate::{
    policy::complaint::{Complaint, Severity},
    public_key::PublicKey,
    signer::CertificateIdentity,
    verifier::Verifier,
    x509::{Certificate, Roots},
};
use modelseal_core::limits::MAX_STATE_BYTES;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

type Read<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Wire {
    schema: Spanned<String>,
    threshold: Option<Spanned<u64>>,
    signers: Spanned<BTreeMap<String, Spanned<WireSigner>>>,
    #[serde(default)]
    min_versions: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireSigner {
    kind: Spanned<String>,
    principal: Option<Spanned<String>>,
    file: Option<Spanned<String>>,
    pem: Option<Spanned<String>>,
    spki_sha256: Option<Spanned<String>>,
    roots: Option<Spanned<String>>,
    identity: Option<Spanned<String>>,
}

/// Where complaints are collected.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
    complaints: Vec<Complaint>,
}

pub(super) fn parse(file: &str, text: &str, read: Read<'_>) -> Result<PolicyTrust, Vec<Complaint>> {
    let mut source = Source { file, text, complaints: Vec::new() };
    if text.len() as u64 > MAX_STATE_BYTES {
        source.complain("trust.too-large", 0, format!("{} bytes exceed {MAX_STATE_BYTES}", text.len()));
        return Err(source.complaints);
    }
    let wire: Wire = match toml::from_str(text) {
        Ok(wire) => wire,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            source.complain("trust.malformed", at, error.message().to_owned());
            return Err(source.complaints);
        }
    };
    if wire.schema.get_ref() != SCHEMA {
        let message = format!("schema is '{}', expected '{SCHEMA}'", wire.schema.get_ref());
        source.complain("trust.schema-unknown", wire.schema.span().start, message);
    }
    let (mut signers, mut keys) = (Vec::new(), BTreeSet::new());
    for (name, signer) in wire.signers.get_ref() {
        let at = signer.span().start;
        if let Some((signer, key)) = read_signer(&mut source, name, signer.get_ref(), at, read) {
            if key.is_some_and(|key| !keys.insert(key)) {
                let message = format!("signers.{name} has the key of another signer: one key is one person");
                source.complain("trust.duplicate-key", at, message);
            }
            signers.push(signer);
        }
    }
    let threshold = check_threshold(&mut source, &wire, &signers);
    if source.complaints.is_empty() {
        return Ok(PolicyTrust { signers, threshold, min_versions: wire.min_versions });
    }
    source.complaints.sort_by_key(|complaint| (complaint.line, complaint.column));
    Err(source.complaints)
}

fn check_threshold(source: &mut Source<'_>, wire: &Wire, signers: &[PolicySigner]) -> usize {
    let count = wire.signers.get_ref().len();
    if count == 0 {
        let message = "no signers: no policy could ever be accepted".to_owned();
        source.complain("trust.empty-signers", wire.signers.span().start, message);
    }
    let Some(threshold) = &wire.threshold else {
        if count > 1 {
            let message = "threshold is required when there are several signers".to_owned();
            source.complain("trust.threshold-required", wire.signers.span().start, message);
        }
        return 1;
    };
    let people: BTreeSet<&str> = signers.iter().map(|signer| signer.principal.as_str()).collect();
    let value = usize::try_from(*threshold.get_ref()).unwrap_or(usize::MAX);
    // Signers that could not be read have their complaint already.
    let reachable = value <= people.len() || signers.len() < count;
    if value == 0 || !reachable {
        let message = format!("a threshold of {value}, where the signers are {} people", people.len());
        source.complain("trust.threshold-unreachable", threshold.span().start, message);
    }
    value
}

fn read_signer(
    source: &mut Source<'_>,
    name: &str,
    wire: &WireSigner,
    at: usize,
    read: Read<'_>,
) -> Option<(PolicySigner, Option<String>)> {
    let before = source.complaints.len();
    let allowed: &[&str] = match wire.kind.get_ref().as_str() {
        "key" => &["file", "pem", "spki-sha256"],
        "certificate" => &["roots", "identity"],
        other => {
            let message =
                format!("signers.{name}: kind '{other}' cannot sign policies; known are key and certificate");
            source.complain("trust.unknown-kind", wire.kind.span().start, message);
            return None;
        }
    };
    let given = [
        ("file", &wire.file),
        ("pem", &wire.pem),
        ("spki-sha256", &wire.spki_sha256),
        ("roots", &wire.roots),
        ("identity", &wire.identity),
    ];
    for (field, value) in given {
        if let Some(value) = value.as_ref().filter(|_| !allowed.contains(&field)) {
            let message =
                format!("signers.{name}: {field} does not belong to kind '{}'", wire.kind.get_ref());
            source.complain("trust.field", value.span().start, message);
        }
    }
    let principal = wire.principal.as_ref().map_or(name, |principal| principal.get_ref());
    if principal.trim().is_empty() {
        source.complain("trust.field", at, format!("signers.{name}: principal is empty"));
    }
    let (verifier, key) = if allowed[0] == "file" {
        let key = read_key(source, name, wire, at, read)?;
        (Verifier::with_key(key.clone()), Some(key.fingerprint()))
    } else {
        (read_certificate(source, name, wire, at, read)?, None)
    };
    let signer = PolicySigner { name: name.to_owned(), principal: principal.to_owned(), verifier };
    (source.complaints.len() == before).then_some((signer, key))
}

fn read_key(
    source: &mut Source<'_>,
    name: &str,
    wire: &WireSigner,
    at: usize,
    read: Read<'_>,
) -> Option<PublicKey> {
    let (pem, at) = match (&wire.file, &wire.pem) {
        (Some(file), None) => (source.file(name, file, read)?, file.span().start),
        (None, Some(pem)) => (pem.get_ref().clone().into_bytes(), pem.span().start),
        _ => {
            source.complain("trust.field", at, format!("signers.{name}: give exactly one of file and pem"));
            return None;
        }
    };
    let key = match PublicKey::from_pem(&pem) {
        Ok(key) => key,
        Err(error) => {
            source.complain("trust.key", at, format!("signers.{name}: {error}"));
            return None;
        }
    };
    if let Some(expected) =
        wire.spki_sha256.as_ref().filter(|expected| *expected.get_ref() != key.fingerprint())
    {
        let message = format!("signers.{name}: the key's spki-sha256 is {}, not this one", key.fingerprint());
        source.complain("trust.key-mismatch", expected.span().start, message);
        return None;
    }
    Some(key)
}

fn read_certificate(
    source: &mut Source<'_>,
    name: &str,
    wire: &WireSigner,
    at: usize,
    read: Read<'_>,
) -> Option<Verifier> {
    let identity = wire.identity.as_ref().filter(|identity| !identity.get_ref().trim().is_empty());
    let (Some(roots), Some(identity)) = (&wire.roots, identity) else {
        let message = format!(
            "signers.{name}: roots and identity are both required: without an identity, every certificate under the \
             roots could sign policies"
        );
        source.complain("trust.certificate-without-identity", at, message);
        return None;
    };
    let pem = source.file(name, roots, read)?;
    let read = Certificate::from_pem_many(&pem).map_err(|error| error.to_string());
    match read.and_then(|certificates| Roots::new(certificates).map_err(|error| error.to_string())) {
        Ok(trusted) => {
            let identity = CertificateIdentity::exactly(identity.get_ref().clone());
            Some(Verifier::with_certificates(trusted, Some(identity)))
        }
        Err(error) => {
            source.complain("trust.roots", roots.span().start, format!("signers.{name}: {error}"));
            None
        }
    }
}

impl Source<'_> {
    fn file(&mut self, name: &str, file: &Spanned<String>, read: Read<'_>) -> Option<Vec<u8>> {
        match read(file.get_ref()) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let message = format!("signers.{name}: '{}' cannot be read: {error}", file.get_ref());
                self.complain("trust.file", file.span().start, message);
                None
            }
        }
    }

    fn complain(&mut self, id: &'static str, at: usize, message: String) {
        let before = self.text.get(..at).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        self.complaints.push(Complaint {
            id,
            severity: Severity::Error,
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or_default().chars().count() + 1,
            path: String::new(),
            text: line.chars().take(120).collect(),
            message,
            suggestion: None,
        });
    }
}
