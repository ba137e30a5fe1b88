//! Inspecting while signing: what is refused, what is claimed, and that the report is of the bytes that were signed.

use crate::{
    attest::statement,
    common::{SIGN, World, with},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const ATTEST: [&str; 5] = ["attest", "inspection", "model", "--private-key", "k.key"];
const PICKLE: &[u8] = b"\x80\x04}\x94.";
const SYSTEM: &[u8] = b"cos\nsystem\n(S\"id\"\ntR.";

/// Keys, and a model of a pickle and a text.
fn world() -> World {
    let world = World::with_keys();
    std::fs::remove_dir_all(world.join("model")).unwrap();
    world.file("model/data.pkl", PICKLE);
    world.file("model/README.md", "# A model\n");
    world
}

#[test]
fn sign_refuses_what_is_not_clean_with_the_findings_and_writes_nothing() {
    let world = world();
    world.file("model/evil.pkl", SYSTEM);
    let ran = world.run(&with(&SIGN, &["--require", "clean"])).exits(1);
    for said in ["was not signed", "PKL001 malicious 'evil.pkl@0': os.system", "modelseal inspect"] {
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    world.no_signature();
    let document = world.run(&with(&SIGN, &["--require", "tier=P2", "--format", "json"])).exits(1).json();
    assert_eq!(document["code"], "content.pickle-tier");
    world.no_signature();
    // Whoever does not ask is not asked.
    world.run(&SIGN).exits(0);
}

#[test]
fn sign_signs_what_is_as_required() {
    for required in ["clean", "tier=P1", "tier=P4"] {
        let world = world();
        world.run(&with(&SIGN, &["--require", required])).exits(0);
        world.run(&crate::common::VERIFY).exits(0);
        // The same signature as without looking.
        let required = statement(&world, "model.sig");
        world.run(&with(&SIGN, &["--force"])).exits(0);
        assert_eq!(statement(&world, "model.sig"), required);
    }
    let world = world();
    let ran = world.run(&with(&SIGN, &["--require", "tier=P0"])).exits(1);
    assert!(ran.stderr.contains("'data.pkl' holds a pickle of tier P1"), "{}", ran.stderr);
    // Of what is not understood nobody knows what tier it has.
    world.file("model/blob.dat", [0, 1, 2, 255]);
    world.run(&with(&SIGN, &["--require", "tier=P4"])).exits(1);
    world.run(&with(&SIGN, &["--require", "clean"])).exits(1);
    world.no_signature();
}

#[test]
fn requirements_go_with_reading_everything_only() {
    let world = world();
    world.run(&with(&SIGN, &["--require", "clear"])).exits(2);
    world.run(&with(&SIGN, &["--require", "tier=P5"])).exits(2);
    world.run(&with(&SIGN, &["--require", "clean", "--remember"])).exits(2);
    world.run(&with(&SIGN, &["--require", "clean", "--digests", "d.json"])).exits(2);
    world.run(&with(&SIGN, &["--rules", "rules.toml"])).exits(2);
}

#[test]
fn an_inspection_is_attested_with_its_report_as_evidence() {
    let world = world();
    let document = world.run(&with(&ATTEST, &["--format", "json"])).exits(0).json();
    let said = statement(&world, "model.inspection.sigstore.json");
    assert_eq!(said["predicateType"], "https://in-toto.io/attestation/scai/v0.3");
    let attributes = said["predicate"]["attributes"].as_array().unwrap();
    let names: Vec<&str> = attributes.iter().map(|a| a["attribute"].as_str().unwrap()).collect();
    assert!(
        names.contains(&"model.pickle:data-only") && names.contains(&"model.structure:valid"),
        "{names:?}"
    );
    assert_eq!(document["inspection"]["attributes"], json!(names));
    let report = std::fs::read(world.join("model.inspection.sarif")).unwrap();
    let digest: String = Sha256::digest(&report).iter().map(|byte| format!("{byte:02x}")).collect();
    for attribute in attributes {
        assert_eq!(
            attribute["evidence"],
            json!({ "name": "model.inspection.sarif", "mediaType": "application/sarif+json", "digest": { "sha256": digest } })
        );
        let conditions = &attribute["conditions"];
        assert_eq!((&conditions["coverage"], &conditions["filesScanned"]), (&json!("complete"), &json!(2)));
        assert_eq!(conditions["bytesCovered"], json!(15));
    }
    // The report names each file by the digest of the bytes that were looked at.
    let report: Value = serde_json::from_slice(&report).unwrap();
    let artifacts = report["runs"][0]["artifacts"].as_array().unwrap();
    let digests: Vec<&str> = artifacts.iter().map(|a| a["hashes"]["sha-256"].as_str().unwrap()).collect();
    let of =
        |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(digests, [of(b"# A model\n"), of(PICKLE)]);
    // Again, with another hash of the model and other threads: the same report.
    let blake =
        ["--hash", "blake3", "--threads", "1", "--report", "again.sarif", "--output", "again.sigstore.json"];
    world.run(&with(&ATTEST, &blake)).exits(0);
    assert_eq!(world.read("again.sarif"), world.read("model.inspection.sarif"));
}

#[test]
fn nothing_is_claimed_of_what_was_not_understood_or_is_bad() {
    for (name, bytes, code) in [
        ("blob.dat", &[0, 1, 2, 255][..], "content.format-unknown"),
        ("evil.pkl", SYSTEM, "content.verdict"),
        ("cut.pkl", b"\x80\x04]\x94(K", "content.verdict"),
    ] {
        let world = world();
        world.file(&format!("model/{name}"), bytes);
        let document = world.run(&with(&ATTEST, &["--format", "json"])).exits(1).json();
        assert_eq!(document["code"], code, "{document}");
        assert!(document["message"].as_str().unwrap().contains(name), "{document}");
        let names = world.list(".");
        assert!(!names.iter().any(|name| name.starts_with("model.inspection")), "{names:?}");
    }
}

#[test]
fn a_report_replaces_a_report_and_nothing_else() {
    let world = world();
    world.run(&ATTEST).exits(0);
    world.run(&with(&ATTEST, &["--output", "b.sigstore.json"])).exits(0);
    world.file("notes.txt", "mine");
    let elsewhere = ["--output", "c.sigstore.json", "--report"];
    let ran = world.run(&with(&with(&ATTEST, &elsewhere), &["notes.txt"])).exits(2);
    assert!(ran.stderr.contains("not overwritten"), "{}", ran.stderr);
    assert_eq!(world.read("notes.txt"), "mine");
    world.run(&with(&with(&ATTEST, &elsewhere), &["model/scan.sarif"])).exits(2);
    assert!(!world.join("c.sigstore.json").exists());
    // A statement is only printed: no report is written for it.
    let dry = world.run(&with(&ATTEST, &["--dry-run", "--report", "dry.sarif"])).exits(0);
    assert!(dry.stdout.contains("model.pickle:data-only") && !world.join("dry.sarif").exists());
}

#[test]
fn whoever_inspects_again_finds_what_was_reported_or_what_differs() {
    let world = world();
    world.run(&ATTEST).exits(0);
    let compare = ["inspect", "model", "--compare", "model.inspection.sarif"];
    let ran = world.run(&compare).exits(0);
    assert!(
        ran.stdout.contains("the report 'model.inspection.sarif' is what is found now"),
        "{}",
        ran.stdout
    );
    // One without digests, as inspect itself writes it.
    let plain = world.run(&["inspect", "model", "--format", "sarif"]).exits(0);
    world.file("plain.sarif", &plain.stdout);
    world.run(&["inspect", "model", "--compare", "plain.sarif"]).exits(0);
    // The same verdict, other bytes.
    world.file("model/README.md", "# Another\n");
    let document = world.run(&with(&compare, &["--format", "json"])).exits(1).json();
    assert_eq!(document["verdict"], "clean");
    assert_eq!(document["comparison"]["same"], json!(false));
    assert_eq!(
        document["comparison"]["differences"],
        json!(["'README.md' has other bytes, or another verdict"])
    );
    world.file("model/evil.pkl", SYSTEM);
    let ran = world.run(&compare).exits(1);
    for said in ["'evil.pkl' is there and was not reported", "found and not reported: PKL001 evil.pkl"] {
        assert!(ran.stdout.contains(said), "{}", ran.stdout);
    }
    world.file("other.json", "{}");
    world.run(&["inspect", "model", "--compare", "other.json"]).exits(2);
}

#[test]
fn a_report_of_inspect_is_the_same_beside_a_signature() {
    let world = world();
    world.run(&with(&SIGN, &["--force"])).exits(0);
    world.file("model/x.sigstore.json", world.read("model.sig"));
    world.file("model/model.sig", world.read("model.sig"));
    let plain = world.run(&["inspect", "model", "--format", "sarif"]);
    world.file("plain.sarif", &plain.stdout);
    let ran = world.run(&["inspect", "model", "--compare", "plain.sarif"]);
    assert!(ran.stdout.contains("the report 'plain.sarif' is what is found now"), "{}", ran.stdout);
    // Something else in a signature's place is told.
    world.file("model/model.sig", SYSTEM);
    let ran = world.run(&["inspect", "model", "--compare", "plain.sarif"]).exits(1);
    assert!(ran.stdout.contains("PKL001 model.sig"), "{}", ran.stdout);
}

#[test]
fn what_rules_call_milder_is_said_first_and_is_never_clean_enough() {
    let world = world();
    world.file("model/evil.pkl", SYSTEM);
    let lowered = "schema = \"modelseal.rules/v1\"\nid = \"acme/rules\"\nversion = 3\n\
        [rules.PKL001]\nseverity = \"note\"\nreason = \"x\"\n[rules.PKL002]\nseverity = \"note\"\nreason = \"x\"\n";
    world.file("rules.toml", lowered);
    let rules = ["--rules", "rules.toml"];
    let ran = world.run(&with(&["inspect", "model"], &rules)).exits(0);
    let first = ran.stdout.lines().next().unwrap();
    assert!(first.contains("'malicious'") && first.contains("acme/rules 3 over modelseal 20"), "{first}");
    let ran = world.run(&with(&with(&SIGN, &["--require", "clean"]), &rules)).exits(1);
    assert!(ran.stderr.contains("PKL001 'evil.pkl@"), "{}", ran.stderr);
    let ran = world.run(&with(&ATTEST, &rules)).exits(1);
    assert!(ran.stderr.contains("PKL001, which the rules call note"), "{}", ran.stderr);
}

#[test]
fn nothing_is_claimed_of_what_cannot_be_shown_harmless() {
    for (name, text) in [
        ("Dockerfile", "FROM scratch\nRUN make\n"),
        ("MLmodel", "flavors:\n  python_function:\n    loader_module: evil\n"),
        ("requirements.txt", "x @ http://acme.example/x\n"),
    ] {
        let world = world();
        world.file(&format!("model/{name}"), text);
        let document = world.run(&with(&ATTEST, &["--format", "json"])).exits(1).json();
        assert!(document["message"].as_str().unwrap().contains(name), "{document}");
    }
}
