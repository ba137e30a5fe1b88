//! OpenSSL, where it is installed, accepts the certificates and the timestamps.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod common;

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Key, certificate, pem, timestamp};
use modelseal_testkit::{Double, Fault, Service};
use serde_json::Value;

/// Whether OpenSSL succeeds, and what it says; nothing if it is not installed.
fn openssl(directory: &Path, arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("openssl").current_dir(directory).args(arguments).output();
    let Ok(output) = output else {
        println!("skipped: openssl is not installed");
        return None;
    };
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// The certificates of the n-th authority of a kind, as PEM.
fn chain(root: &Value, kind: &str, index: usize) -> Vec<String> {
    let certificates = root[kind][index]["certChain"]["certificates"].as_array().unwrap();
    let der = |entry: &Value| STANDARD.decode(entry["rawBytes"].as_str().unwrap()).unwrap();
    certificates.iter().map(|entry| pem("CERTIFICATE", &der(entry))).collect()
}

#[test]
fn timestamps_verify() {
    let (double, directory) = (Double::start(), tempfile::tempdir().unwrap());
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("data"), b"signature").unwrap();
    for (index, url, service) in [(0, double.tsa_url(), Service::Tsa), (1, double.tsa2_url(), Service::Tsa2)]
    {
        let authorities = chain(&double.trusted_root(), "timestampAuthorities", index);
        std::fs::write(at("root.pem"), authorities.last().unwrap()).unwrap();
        // The intermediate is in the reply.
        let verify = || {
            let arguments = ["ts", "-verify", "-data", "data", "-in", "reply", "-CAfile", "root.pem"];
            std::fs::write(at("reply"), timestamp(&url, b"signature").unwrap()).unwrap();
            openssl(directory.path(), &arguments)
        };
        let Some((verified, text)) = verify() else { return };
        assert!(verified, "{text}");
        for fault in
            [Fault::TokenOverOtherBytes, Fault::TokenFromAnotherAuthority, Fault::TokenSignatureWrong]
        {
            double.fault(service, fault.clone());
            assert!(!verify().unwrap().0, "{fault:?}");
            double.clear_faults();
        }
        double.fault(service, Fault::TokenRejected);
        let (verified, text) = verify().unwrap();
        assert!(!verified && text.contains("rejection, status text: not today"), "{text}");
        double.clear_faults();
    }
}

#[test]
fn certificates_verify_strictly() {
    let (double, directory) = (Double::start(), tempfile::tempdir().unwrap());
    let at = |name: &str| directory.path().join(name);
    let [intermediate, root] = chain(&double.trusted_root(), "certificateAuthorities", 0).try_into().unwrap();
    std::fs::write(at("root.pem"), root).unwrap();
    std::fs::write(at("intermediate.pem"), intermediate).unwrap();
    let verify = || {
        let token = double.token("dev@example.com");
        let leaf = certificate(&double, &Key::new(), &token, "dev@example.com").unwrap().remove(0);
        std::fs::write(at("leaf.pem"), pem("CERTIFICATE", &leaf)).unwrap();
        let files = ["-CAfile", "root.pem", "-untrusted", "intermediate.pem", "leaf.pem"];
        let arguments = ["verify", "-x509_strict", "-purpose", "any"];
        openssl(directory.path(), &[&arguments[..], &files].concat())
    };
    let Some((verified, text)) = verify() else { return };
    assert!(verified, "{text}");
    let (_, text) = openssl(directory.path(), &["x509", "-in", "leaf.pem", "-noout", "-text"]).unwrap();
    for part in ["CT Precertificate SCTs", "email:dev@example.com", "Code Signing", "Digital Signature"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for fault in [Fault::CertificateFromAnotherCa, Fault::CertificateExpired] {
        double.fault(Service::Fulcio, fault.clone());
        assert!(!verify().unwrap().0, "{fault:?}");
    }
}
