//! Verdicts that are handed on, recorded and kept.

use super::{NAME, Site};
use crate::common::with;
use serde_json::Value;

const RULE: &str = "signature = { signers = [\"alice\"] }";

fn site() -> Site {
    let site = Site::new(&["alice", "gate"]);
    site.policy(RULE).sign("alice");
    site
}

fn statement(site: &Site, file: &str) -> Value {
    serde_json::from_str(&site.world.read(file)).unwrap()
}

#[test]
fn a_pass_is_stated_and_another_policy_can_rest_on_it() {
    let site = site();
    let args = site.verify(&["--bundle", "alice.sig", "--vsa", "v.sig", "--vsa-key", "gate.key"]);
    site.world.refused(&args, 2, "usage.flags", "--verifier-id");
    let args = with(&args, &["--verifier-id", "https://gate.example/v1"]);
    site.world.run(&args).exits(0);
    site.world.run(&args).exits(0);
    // The gate's word is all that the next site asks for.
    let rule = format!(
        "models = [\"{NAME}\"]\nbind = \"vsa\"\nvsa = {{ verifiers = [{{ signer = \"gate\", id = \"https://gate.example/v1\" }}], \
         levels = [\"MODELSEAL_ACME_EXAMPLE_PLATFORM_V5\"] }}"
    );
    site.policy_with("policy.toml", 6, "", &rule);
    site.world.run(&site.verify(&["--bundle", "v.sig"])).exits(0);
    let other = rule.replace("gate.example/v1", "gate.example/v2");
    site.policy_with("policy.toml", 7, "", &other);
    site.world.refused(&site.verify(&["--bundle", "v.sig"]), 1, "vsa.verifier-untrusted", "gate.example/v1");
    site.policy_with("policy.toml", 8, "", &rule);
    site.world.file("model/a.bin", "other");
    site.world.run(&site.verify(&["--bundle", "v.sig"])).exits(1);
}

#[test]
fn passed_is_never_said_of_what_did_not_pass() {
    let site = site();
    let more = [
        "--bundle",
        "alice.sig",
        "--vsa",
        "v.json",
        "--svr",
        "s.json",
        "--verifier-id",
        "https://gate.example",
    ];
    let args = site.verify(&more);
    site.world.run(&args).exits(0);
    let vsa = statement(&site, "v.json");
    assert_eq!(vsa["predicateType"], "https://slsa.dev/verification_summary/v1");
    assert_eq!(vsa["predicate"]["verificationResult"], "PASSED");
    assert_eq!(vsa["predicate"]["resourceUri"], NAME);
    assert_eq!(statement(&site, "s.json")["predicateType"], "https://in-toto.io/attestation/svr/v0.2");
    site.world.run(&["statement", "check", "v.json", "s.json"]).exits(0);
    for file in ["v.json", "s.json"] {
        std::fs::remove_file(site.world.join(file)).unwrap();
    }
    // Denied: nothing, unless asked for, and then FAILED.
    site.world.file("model/a.bin", "other");
    site.world.run(&args).exits(1).says("'v.json' was not written: the model is denied");
    assert!(!site.world.join("v.json").exists());
    site.world.run(&with(&args, &["--vsa-on-deny"])).exits(1);
    assert_eq!(statement(&site, "v.json")["predicate"]["verificationResult"], "FAILED");
    assert_eq!(statement(&site, "s.json")["predicate"]["properties"], Value::Array(Vec::new()));
    site.world.run(&["statement", "check", "v.json", "s.json"]).exits(0);
    // Excused by audit: said.
    site.world.file("model/a.bin", "first\n");
    site.policy(&format!("mode = \"audit\"\n{}", RULE.replace("alice", "gate")));
    site.world.run(&args).exits(0);
    let levels = statement(&site, "v.json")["predicate"]["verifiedLevels"].clone();
    assert!(levels.as_array().unwrap().contains(&"WAIVED".into()), "{levels}");
    // Let through unverified: nothing.
    std::fs::remove_file(site.world.join("v.json")).unwrap();
    let rule = format!("models = [\"{NAME}\"]\naction = \"insecure-allow-unverified\"");
    site.policy_with("policy.toml", 9, "", &rule);
    site.world.run(&with(&args, &["--accept-unverified"])).exits(0).says("without having been verified");
    assert!(!site.world.join("v.json").exists());
}

#[test]
fn nothing_else_is_overwritten() {
    let site = site();
    let id = ["--verifier-id", "https://gate.example"];
    for (flag, path) in
        [("--vsa", "alice.sig"), ("--vsa", "model/v.json"), ("--vsa", "policy.toml"), ("--svr", "model")]
    {
        let args = with(&site.verify(&["--bundle", "alice.sig", flag, path]), &id);
        site.world.refused(&args, 2, "usage.output", "cannot write");
    }
    site.world.refused(&site.verify(&["--facts-out", "alice.sig"]), 2, "usage.output", "alice.sig");
    site.world.refused(
        &site.verify(&["--facts-out", "model/f.json"]),
        2,
        "usage.output",
        "lies in the model",
    );
}

#[test]
fn facts_are_replayed_under_another_policy() {
    let site = site();
    std::fs::create_dir(site.world.join("facts")).unwrap();
    let args = site.verify(&["--bundle", "alice.sig", "--facts-out", "facts/a.json"]);
    site.world.run(&args).exits(0);
    site.world.run(&args).exits(0);
    let rule = |who: &str| format!("models = [\"{NAME}\"]\nsignature = {{ signers = [\"{who}\"] }}");
    site.policy_with("new.toml", 6, "", &rule("gate"));
    site.policy_with("same.toml", 6, "", &rule("alice"));
    let diff = |new| ["policy", "diff", "policy.toml", new, "--results", "facts"];
    site.world.run(&diff("same.toml")).exits(0).prints("0 of 1 verdicts change");
    let ran = site.world.run(&diff("new.toml")).exits(1).prints("1 of 1 verdicts change");
    ran.prints(&format!("{NAME}: allow -> deny [signature.no-trusted-signer]"));
    let document = site.world.run(&with(&diff("new.toml"), &["--format", "json"])).exits(1).json();
    assert_eq!(document["changed"][0]["new-code"], "signature.no-trusted-signer");
    site.world.file("facts/b.json", "{}");
    site.world.run(&diff("same.toml")).exits(3).says("b.json");
}

#[test]
fn verdicts_are_kept_where_nobody_else_can_write() {
    let site = site();
    let args = site.verify(&["--bundle", "alice.sig", "--verdict-cache", "kept"]);
    site.world.run(&args).exits(0);
    let names = site.world.list("kept");
    assert_eq!(names.len(), 1);
    let entry = statement(&site, &format!("kept/{}", names[0]));
    assert_eq!(entry["report"]["verdict"], "allow");
    site.world.run(&args).exits(0);
    assert_eq!(site.world.list("kept"), names);
    // Other bytes are judged anew, whatever is kept.
    site.world.file("model/a.bin", "other");
    site.world.refused(&args, 1, "integrity.digest-mismatch", "'a.bin' is changed");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(site.world.join("kept"), std::fs::Permissions::from_mode(0o777)).unwrap();
        site.world.refused(&args, 3, "error.io", "others can write to it");
    }
}
