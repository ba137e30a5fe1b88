//! The outside vectors in the directory that `MODELSEAL_VECTORS` names, run whole: those of the Sigstore conformance suite,
//! and the OMS cases of method sigstore. Skipped, and said so, without the variable.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests; the environment says where the vectors are"
)]

use jiff::Timestamp;
use modelseal_core::{bundle::Bundle, predicate::Reading};
use modelseal_verify::{
    sigstore::{
        Keyless, TrustedRoot,
        artifact::{self, Artifact, SignedBy},
    },
    verifier::Verifier,
};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

fn vectors() -> Option<PathBuf> {
    let directory = std::env::var_os("MODELSEAL_VECTORS").map(PathBuf::from);
    if directory.is_none() {
        eprintln!("skipped: MODELSEAL_VECTORS is not set");
    }
    directory
}

fn now() -> Timestamp {
    Timestamp::now()
}

fn text_or(path: &Path, default: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| default.to_owned(), |text| text.trim().to_owned())
}

fn run(folder: &Path, by_digest: bool) -> Result<(), String> {
    let read = |name: &str| fs::read(folder.join(name)).ok();
    let bundle = read("bundle.sigstore.json").ok_or("no bundle")?;
    let bytes = read("artifact").unwrap_or_else(|| fs::read(folder.parent().unwrap().join("a.txt")).unwrap());
    let artifact =
        if by_digest { Artifact::Sha256(Sha256::digest(&bytes).into()) } else { Artifact::Bytes(&bytes) };
    let root = match read("trusted_root.json") {
        Some(json) => TrustedRoot::from_json(&json).map_err(|e| e.to_string())?,
        None => TrustedRoot::public_good().map_err(|e| e.to_string())?,
    };
    let keyless = Keyless::exactly(
        &text_or(&folder.join("identity"), IDENTITY),
        text_or(&folder.join("issuer"), ISSUER),
    );
    let key = read("key.pub").map(|pem| String::from_utf8(pem).unwrap());
    let by = key.as_deref().map_or(SignedBy::Keyless(&keyless), SignedBy::Key);
    artifact::verify(&bundle, &artifact, &by, &root, now()).map(|_| ()).map_err(|e| format!("{e} [{e:?}]"))
}

#[test]
fn every_conformance_folder_is_decided_rightly() {
    let Some(vectors) = vectors() else { return };
    let mut folders: Vec<PathBuf> = fs::read_dir(vectors.join("sigstore/bundle-verify"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let mut wrong = Vec::new();
    for folder in &folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        for by_digest in [false, true] {
            let result = run(folder, by_digest);
            eprintln!("{name}{}: {result:?}", if by_digest { " (digest)" } else { "" });
            if result.is_ok() == name.ends_with("_fail") {
                wrong.push(format!("{name}: {result:?}"));
            }
        }
    }
    assert!(folders.len() >= 63, "only {} folders", folders.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Everything up to the statement; comparing the model with it is another room's work. A case that is refused for its
/// model only is therefore accepted here, and named.
#[test]
fn every_oms_case_of_method_sigstore_is_decided_rightly() {
    let Some(vectors) = vectors() else { return };
    let oms = vectors.join("oms");
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(oms.join("index.json")).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in index["cases"].as_array().unwrap().iter().filter(|case| case["method"] == "sigstore") {
        count += 1;
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let trust = &case["trust"];
        let given = fs::read(oms.join(text(&trust["trusted_root"]))).unwrap();
        let config = fs::read(oms.join(text(&trust["client_trust_config"]))).unwrap();
        for root in [TrustedRoot::from_json(&given), TrustedRoot::from_client_trust_config(&config)] {
            let expected = Keyless::exactly(&text(&trust["identity"]), text(&trust["issuer"]));
            let verifier = Verifier::with_sigstore(root.unwrap(), expected);
            let document = fs::read(oms.join(text(&case["bundle"]))).unwrap();
            let result = Bundle::parse(&document).map_err(|e| e.to_string()).and_then(|bundle| {
                let verified = verifier.verify(&bundle, now()).map_err(|e| format!("{e} [{e:?}]"))?;
                assert!(
                    !verified.evidence().log_entries().is_empty() && !verified.evidence().times().is_empty()
                );
                verified.into_model(Reading::Field).map(|_| ()).map_err(|e| e.to_string())
            });
            eprintln!("{}: {result:?}", case["id"]);
            let model_differs = !case["setup"].as_array().unwrap().is_empty();
            if result.is_ok() != (case["expected"] == "accept" || model_differs) {
                wrong.push(format!("{}: {result:?}", case["id"]));
            }
        }
    }
    assert!(count >= 16, "only {count} cases");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
