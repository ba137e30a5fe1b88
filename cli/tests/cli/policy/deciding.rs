//! Thresholds, rules, modes and exit statuses.

use super::{NAME, Site};
use crate::common::{Ran, with};
use serde_json::Value;
use std::fs;

const TWO: &str = "signature = { signers = [\"alice\", \"aliceyubikey\", \"bob\"], threshold = 2 }";
const ONE: &str = "signature = { signers = [\"alice\"] }";

#[test]
fn two_keys_of_one_person_are_one_person() {
    let site = Site::new(&["alice", "alice:yubikey", "bob"]);
    site.policy(TWO).sign("alice").sign("aliceyubikey").sign("bob");
    let args = site.verify(&["--bundle", "alice.sig", "--bundle", "aliceyubikey.sig"]);
    let document =
        site.world.refused(&args, 1, "signature.threshold-not-met", "1 of 2 required people signed: alice");
    let check = failed(&document);
    assert_eq!(check["id"], "signature.threshold");
    assert_eq!(check["actual"]["ignored"][0]["why"], "same principal, alice");
    assert_eq!(check["doc"], "docs/codes/signature.threshold-not-met.md");
    site.world
        .run(&args)
        .exits(1)
        .says("expected:   principals alice, bob; threshold 2")
        .says("evidence:   sha256:")
        .says("what to do: ask bob to sign this model")
        .says("would pass if:\n  - signature.threshold: principals alice, bob; threshold 2");
    let ran = site.world.run(&site.verify(&["--bundle", "alice.sig", "--bundle", "bob.sig"])).exits(0);
    ran.says_nothing().prints("Verification succeeded").prints("2 of 2 required people signed: alice, bob");
}

fn failed(document: &Value) -> &Value {
    let checks = document["checks"].as_array().unwrap();
    checks.iter().find(|check| check["status"] == "fail").unwrap()
}

#[test]
fn what_is_denied_and_why() {
    let site = Site::new(&["alice", "bob"]);
    site.policy(ONE);
    site.world.refused(&site.verify(&[]), 1, "signature.missing", "there is no signature");
    site.sign("bob");
    let by_bob = site.verify(&["--bundle", "bob.sig"]);
    site.world.refused(&by_bob, 1, "signature.no-trusted-signer", "nobody of alice signed this model");
    site.sign("alice");
    let by_alice = site.verify(&["--bundle", "alice.sig"]);
    site.world.run(&by_alice).exits(0);
    for (reference, code, message) in [
        ("hf://huggingface.co/acme/other", "policy.no-matching-rule", "no rule"),
        ("HF:acme", "reference.malformed", "'HF:acme' does not name a model"),
        ("hf://huggingface.co/acme/*", "reference.malformed", "does not name a model"),
    ] {
        let args = ["verify", "model", "--policy", "policy.toml", "--policy-unsigned", "--as", reference];
        let exit = if code.starts_with("reference") { 2 } else { 1 };
        site.world.refused(&args, exit, code, message);
    }
    for (change, code) in
        [("model/a.bin", "integrity.digest-mismatch"), ("model/more.bin", "integrity.file-unsigned")]
    {
        let before = fs::read(site.world.join(change)).ok();
        site.world.file(change, "other");
        site.world.refused(&by_alice, 1, code, change.trim_start_matches("model/"));
        match before {
            Some(bytes) => site.world.file(change, bytes),
            None => fs::remove_file(site.world.join(change)).unwrap(),
        }
    }
    fs::remove_file(site.world.join("model/a.bin")).unwrap();
    site.world.refused(&by_alice, 1, "integrity.file-missing", "'a.bin' is missing");
    fs::remove_dir_all(site.world.join("model")).unwrap();
    site.world.refused(&by_alice, 3, "error.io", "model");
}

#[test]
fn audit_never_relaxes_a_tampered_byte() {
    let site = Site::new(&["alice", "bob"]);
    site.policy(&format!("mode = \"audit\"\n{}", ONE.replace(" }", ", threshold = 1 }")));
    site.sign("bob");
    let args = site.verify(&["--bundle", "bob.sig"]);
    let ran = site.world.run(&args).exits(0).prints("(audit)");
    let ran = ran.says("warning: signature.threshold: nobody of alice signed this model");
    assert!(!ran.stderr.contains("Verification failed"), "{}", ran.stderr);
    let document = site.world.run(&with(&args, &["--format", "json"])).exits(0).json();
    assert_eq!((&document["verdict"], &document["mode"]), (&"allow".into(), &"audit".into()));
    let strict = with(&args, &["--warnings-as-errors"]);
    site.world.run(&strict).exits(1).says("denied because of 1 warnings and --warnings-as-errors");
    site.sign("alice");
    site.world.file("model/a.bin", "tampered");
    let args = site.verify(&["--bundle", "alice.sig"]);
    site.world.refused(&args, 1, "integrity.digest-mismatch", "'a.bin' is changed");
}

#[test]
fn a_model_is_let_through_unverified_only_when_both_sides_say_so() {
    let site = Site::new(&["alice"]);
    let rule = format!("models = [\"{NAME}\"]\naction = \"insecure-allow-unverified\"");
    site.policy_with("policy.toml", 5, "", &rule);
    let args = site.verify(&[]);
    site.world.run(&args).exits(1).says("--accept-unverified lets it through");
    let document = site.world.run(&with(&args, &["--format", "json"])).exits(1).json();
    assert_eq!(document["verdict"], "allow-unverified");
    let accepted = with(&args, &["--accept-unverified"]);
    site.world.run(&accepted).exits(0).prints("verdict:   allow-unverified");
    site.policy_with("policy.toml", 5, "", &format!("models = [\"{NAME}\"]\naction = \"reject\""));
    site.world.refused(&accepted, 1, "policy.rejected", "rejects");
}

#[test]
fn several_policies_all_have_to_allow() {
    let site = Site::new(&["alice", "bob"]);
    site.policy(ONE).sign("alice").sign("bob");
    let rule = format!("models = [\"{NAME}\"]\nsignature = {{ signers = [\"bob\"] }}");
    site.policy_with("other.toml", 1, "", &rule);
    let both = |bundles: &[&'static str]| with(&site.verify(&["--policy", "other.toml"]), bundles);
    site.world.run(&both(&["--bundle", "alice.sig", "--bundle", "bob.sig"])).exits(0);
    let one = both(&["--bundle", "alice.sig"]);
    let document = site.world.refused(&one, 1, "signature.no-trusted-signer", "nobody of bob");
    assert_eq!(document["policies"].as_array().unwrap().len(), 2);
}

#[test]
fn without_a_name_the_path_is_the_name() {
    let site = Site::new(&["alice"]);
    let real = site.world.join("model").canonicalize().unwrap();
    let name = format!("file://{}", real.display());
    site.policy_with("policy.toml", 1, "", &format!("models = [\"{name}\"]\n{ONE}")).sign("alice");
    let args = ["verify", "--policy=policy.toml", "model", "--policy-unsigned", "--bundle", "alice.sig"];
    let document = site.world.run(&with(&args, &["--format", "json"])).exits(0).json();
    assert_eq!(document["reference"], name.as_str());
    site.world.run(&with(&args, &["--as", NAME])).exits(1).says("policy.no-matching-rule");
}

#[test]
fn threads_and_order_change_nothing() {
    let site = Site::new(&["alice", "bob"]);
    site.policy("signature = { signers = [\"alice\", \"bob\"], threshold = 2 }").sign("alice").sign("bob");
    for n in 0..50 {
        site.world.file(&format!("model/more/{n}.bin"), n.to_string().repeat(1000));
    }
    site.world
        .run(&["sign", "key", "model", "--private-key", "alice.key", "--signature", "alice.sig", "--force"])
        .exits(0);
    site.world.file("garbage.sig", "no bundle");
    let mut seen = std::collections::BTreeSet::new();
    let orders = [["alice.sig", "bob.sig", "garbage.sig"], ["garbage.sig", "bob.sig", "alice.sig"]];
    for (threads, order) in ["1", "8", "64"].iter().flat_map(|threads| orders.map(|order| (threads, order))) {
        let bundles = order.iter().flat_map(|bundle| ["--bundle", bundle]).collect::<Vec<_>>();
        let args = with(&site.verify(&["--threads", threads, "--format", "json"]), &bundles);
        let document = site.world.run(&args).exits(1).stdout;
        // The time of the decision is an input, and the only one that differs between these runs.
        let timeless =
            document.lines().filter(|line| !line.contains("\"now\"") && !line.contains("\"valid-until\""));
        seen.insert(timeless.collect::<Vec<_>>().join("\n"));
    }
    assert_eq!(seen.len(), 1);
}

/// Signs with alice's key that the model is `version` of [`NAME`]; into `release.sig`.
fn release(site: &Site, version: &str) {
    // The subjects are those that a summary of the model has.
    let vsa = [
        "--bundle",
        "alice.sig",
        "--vsa",
        "v.json",
        "--verifier-id",
        "https://gate.example",
        "--vsa-on-deny",
    ];
    site.world.run(&site.verify(&vsa));
    let mut statement: Value = serde_json::from_str(&site.world.read("v.json")).unwrap();
    statement["predicateType"] = "https://in-toto.io/attestation/release/v0.1".into();
    statement["predicate"] = serde_json::json!({ "purl": format!("pkg:huggingface/acme/ranker@{version}") });
    site.attest("alice", &statement, "release.sig");
}

#[test]
fn versions_do_not_go_back() {
    let site = Site::new(&["alice"]);
    site.policy(ONE).sign("alice");
    let args = site.verify(&["--bundle", "alice.sig", "--remember-version"]);
    site.world.run(&args).exits(0).says("nothing binds a version to this model, so none was remembered");
    assert!(!site.world.join("state/versions.json").exists());
    let rule = |more: &str| format!("models = [\"{NAME}\"]\nbind = \"release\"\n{more}\n{ONE}");
    site.policy_with("policy.toml", 6, "", &rule(""));
    site.world.refused(&args, 1, "bind.name-not-attested", "");
    let args = with(&args, &["--bundle", "release.sig"]);
    release(&site, "2.4.0");
    site.world.run(&args).exits(0);
    assert!(site.world.read("state/versions.json").contains("\"2.4.0\""));
    release(&site, "2.3.9");
    site.world.refused(&args, 1, "bind.version-below-high-water", "version 2.3.9");
    site.world.run(&site.verify(&["--bundle", "alice.sig", "--bundle", "release.sig"])).exits(0);
    site.policy_with("policy.toml", 7, "", &rule("min-version = \"2.4.0\""));
    let args = site.verify(&["--bundle", "alice.sig", "--bundle", "release.sig"]);
    site.world.refused(&args, 1, "bind.version-below-minimum", "version 2.3.9");
    release(&site, "2.10.0");
    site.world.run(&args).exits(0);
    assert!(site.world.read("state/versions.json").contains("\"2.4.0\""), "not asked to remember");
}

#[test]
fn wrong_policies_are_usage_errors() {
    let site = Site::new(&["alice"]);
    site.policy(ONE).sign("alice");
    let args = site.verify(&["--bundle", "alice.sig"]);
    let good = site.world.read("policy.toml");
    for (from, to, code, message) in [
        ("policy/v1", "policy/v2", "policy.schema-unknown", "modelseal.policy/v2"),
        ("signature =", "signatre =", "policy.invalid", "signatre"),
        ("alice.pub", "nowhere.pub", "policy.invalid", "nowhere.pub"),
        ("version = 5", "version = 5\nversion = 6", "policy.invalid", "duplicate key"),
        ("2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "policy.expired", "expired"),
    ] {
        site.world.file("policy.toml", good.replace(from, to));
        let exit = if code == "policy.expired" { 1 } else { 2 };
        site.world.refused(&args, exit, code, message);
    }
    site.world.refused(
        &["verify", "model", "--policy", "nowhere", "--policy-unsigned"],
        2,
        "usage.file",
        "nowhere",
    );
}

#[test]
fn what_cannot_be_read_is_no_denial_and_no_allow() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new(&["alice"]);
    site.policy(ONE).sign("alice");
    let mode = |path: &str, mode| {
        fs::set_permissions(site.world.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("model/a.bin", 0o000);
    let args = site.verify(&["--bundle", "alice.sig"]);
    let ran = Ran::of(&mut site.world.command_as_nobody(&args)).exits(3).says("Permission denied");
    assert!(!ran.stderr.contains("would pass if"), "{}", ran.stderr);
    mode("model/a.bin", 0o644);
    Ran::of(&mut site.world.command_as_nobody(&args)).exits(0);
    std::os::unix::fs::symlink("model", site.world.join("link")).unwrap();
    let mut by_link = args.clone();
    by_link[1] = "link";
    site.world.refused(&by_link, 1, "integrity.symlink", "is a symbolic link to 'model'");
}
