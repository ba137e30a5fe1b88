//! What policies ask of the insides of files, end to end: real files, one read, the reason as a user sees it.

use super::{NAME, Site};
use crate::common::with;
use serde_json::{Value, json};

const SIGNED: &str = "signature = { signers = [\"pub\"] }";
const STRICT: &str = "content = { deny-formats = [\"pickle\", \"executable\"], remote-code = \"deny\" }";

/// A dictionary with a list of floats.
pub(crate) const PICKLE: &[u8] = b"\x80\x04}\x94\x8c\x01w\x94]\x94G?\xf0\x00\x00\x00\x00\x00\x00as.";

/// A file with one tensor.
pub(crate) fn safetensors() -> Vec<u8> {
    let mut header = br#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#.to_vec();
    header.resize(header.len().next_multiple_of(8), b' ');
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], &header, &[0; 8]].concat()
}

/// A model of one file of tensors, signed by its publisher, under a policy with this `content`.
fn site(content: &str, more: &[(&str, &[u8])]) -> Site {
    let site = Site::new(&["pub"]);
    std::fs::remove_dir_all(site.world.join("model")).unwrap();
    site.world.file("model/model.safetensors", safetensors());
    site.world.file("model/config.json", "{\"model_type\": \"toy\"}\n");
    for (name, bytes) in more {
        site.world.file(&format!("model/{name}"), bytes);
    }
    site.policy(&format!("{SIGNED}\n{content}")).sign("pub");
    site
}

fn codes(document: &Value) -> Vec<&str> {
    let checks = document["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["status"] == "fail").map(|check| check["code"].as_str().unwrap()).collect()
}

const GIVEN: [&str; 2] = ["--bundle", "pub.sig"];

#[test]
fn a_pickle_twin_is_denied_by_name_and_the_user_is_told_what_to_do() {
    let site = site(STRICT, &[("pytorch_model.bin", PICKLE)]);
    let ran = site.world.run(&site.verify(&GIVEN)).exits(1);
    for said in [
        "'pytorch_model.bin' is pickle, which the policy denies [content.format-denied]",
        "what to do: have the publisher leave 'pytorch_model.bin' out and keep the weights in safetensors",
        "see:        docs/codes/content.format-denied.md",
    ] {
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("'model.safetensors'"), "{}", ran.stderr);
    // Without its twin the model is what the policy wants.
    let site = super::content::site(STRICT, &[]);
    site.world.run(&site.verify(&GIVEN)).exits(0);
}

#[test]
fn formats_remote_code_tiers_and_verdicts_are_read_from_the_files() {
    let auto_map = br#"{"auto_map": {"AutoModel": "modeling_x.X"}}"#;
    let os_system = b"cos\nsystem\n(S\"id\"\ntR.";
    for (content, name, bytes, code) in [
        ("allow-formats = [\"safetensors\", \"json\"]", "x.pkl", PICKLE, "content.format-not-allowed"),
        ("allow-formats = [\"safetensors\", \"json\"]", "x.dat", b"\0\x01\x02\xff", "content.format-unknown"),
        ("deny-formats = [\"pickle\"]", "x.dat", b"\0\x01\x02\xff", "content.format-unknown"),
        ("deny-formats = [\"pickle\"]", "x.npy", PICKLE, "content.format-mismatch"),
        ("deny-formats = [\"executable\"]", "run.sh", b"#!/bin/sh\nid\n", "content.format-denied"),
        ("remote-code = \"deny\"", "config.json", auto_map, "content.remote-code"),
        ("remote-code = \"deny\"", "modeling_x.py", b"import os\n", "content.remote-code"),
        ("max-pickle-tier = \"P2\"", "x.pkl", os_system, "content.pickle-tier"),
        ("max-pickle-tier = \"P0\"", "x.pkl", PICKLE, "content.pickle-tier"),
        ("max-verdict = \"clean\"", "x.pkl", os_system, "content.verdict"),
    ] {
        let rule = format!("content = {{ {content} }}");
        let bad = site(&rule, &[(name, bytes)]);
        let json = with(&bad.verify(&GIVEN), &["--format", "json"]);
        let document = bad.world.run(&json).exits(1).json();
        assert!(codes(&document).contains(&code), "{content} {name}: {document}");
        let good = site(&rule, &[]);
        good.world.run(&good.verify(&GIVEN)).exits(0);
    }
}

#[test]
fn what_a_decision_found_in_files_is_recorded_and_judged_again() {
    let site = site("", &[("x.pkl", PICKLE)]);
    let facts = |name: &'static str| with(&site.verify(&GIVEN), &["--facts-out", name]);
    // Nobody asked, so nobody looked.
    std::fs::create_dir(site.world.join("results")).unwrap();
    site.world.run(&facts("results/without.json")).exits(0);
    assert!(!site.world.read("results/without.json").contains("\"inspection\""));
    site.policy(&format!("{SIGNED}\n{STRICT}"));
    site.world.run(&facts("results/with.json")).exits(1);
    let recorded: Value = serde_json::from_str(&site.world.read("results/with.json")).unwrap();
    let files = recorded["measured"][0]["files"]["inspection"].as_array().unwrap().clone();
    let of = |name: &str| files.iter().find(|file| file["path"] == name).unwrap();
    assert_eq!(of("x.pkl")["contents"]["pickle"], json!("P1"));
    assert_eq!(of("model.safetensors")["format"], json!("safetensors"));
    // Under a policy that allows it, the record says the same as the model would.
    site.policy_with(
        "other.toml",
        6,
        "",
        &format!(
            "models = [\"{NAME}\"]\nbind = \"signer\"\n{SIGNED}\ncontent = {{ max-pickle-tier = \"P1\" }}"
        ),
    );
    let diff = ["policy", "diff", "policy.toml", "other.toml", "--results", "results"];
    let ran = site.world.run(&diff);
    assert!(ran.stdout.contains("deny [content.format-denied] -> allow"), "{} {}", ran.stdout, ran.stderr);
}

#[test]
fn a_claim_of_the_signer_is_what_another_policy_can_ask_for() {
    let site = site("", &[]);
    let attest = ["attest", "inspection", "model", "--private-key", "pub.key", "--report", "scan.sarif"];
    let ran = site.world.run(&attest).exits(0);
    assert!(ran.stdout.contains("model.pickle:none"), "{}", ran.stdout);
    let asks = |claim: &str| {
        format!(
            "{SIGNED}\nattestation = [{{ name = \"inspection\", predicate-type = \"https://in-toto.io/attestation/scai/v0.3\", \
             signers = [\"pub\"], where = {{ \"/attributes/*/attribute\" = {{ some = \"{claim}\" }}, \
             \"/attributes/*/conditions/coverage\" = {{ every = \"complete\" }} }} }}]"
        )
    };
    let given = with(&site.verify(&GIVEN), &["--bundle", "model.inspection.sigstore.json"]);
    site.policy(&asks("model.pickle:none"));
    site.world.run(&given).exits(0);
    site.policy(&asks("model.pickle:data-only"));
    let ran = site.world.run(&given).exits(1);
    assert!(ran.stderr.contains("attestation.field-mismatch"), "{}", ran.stderr);
}
