//! Rule sets: what they change, and on whose word.

use super::{BLOB, EVIL, FOREIGN, HARMLESS, INSPECT, json, world};
use crate::common::{World, with};

const HEAD: &str = "schema = \"modelseal.rules/v1\"\nid = \"acme.example/rules\"\nversion = 3\n";
const RULES: [&str; 4] = ["inspect", "model", "--rules", "rules.toml"];
const TRUSTED: [&str; 8] =
    ["inspect", "model", "--rules", "rules.toml", "--policy-trust", "trust.toml", "--state-dir", "state"];

fn with_rules(files: &[(&str, &[u8])], rules: &str) -> World {
    let world = world(files);
    world.file("rules.toml", format!("{HEAD}{rules}"));
    world
}

/// Nobody says on this machine who may sign: there rules count without a signature.
fn is_free() -> bool {
    let is_free = !std::path::Path::new("/etc/modelseal/trust.toml").exists();
    if !is_free {
        println!("this machine says who may sign rule sets: not tested");
    }
    is_free
}

#[test]
fn severities_are_raised_and_lowered() {
    if !is_free() {
        return;
    }
    let world = with_rules(&[("blob.xyz", BLOB)], "deny-from = \"unknown\"\n");
    world.run(&INSPECT).exits(3);
    world.run(&RULES).exits(1).prints("unknown: denied by the rules acme.example/rules 3");
    let world = with_rules(&[("blob.xyz", BLOB)], "[rules.FMT001]\nseverity = \"malicious\"\n");
    world.run(&RULES).exits(1).prints("malicious: denied").prints("FMT001 is malicious instead of unknown\n");

    let lowered = "[rules.PKL010]\nseverity = \"note\"\nreason = \"we know acme\"\n";
    let world = with_rules(&[("a.pkl", FOREIGN)], lowered);
    world.run(&INSPECT).exits(1).prints("PKL010");
    let ran = world.run(&RULES).exits(0).prints("clean: nothing found");
    assert!(ran.stdout.contains("PKL010 is note instead of suspicious: we know acme"), "{}", ran.stdout);
    let document = json(&world, &RULES, 0);
    assert_eq!(document["rules"]["changed"][0]["rule"], "PKL010");
    assert_eq!(document["rules"]["changed"][0]["reason"], "we know acme");
    assert_eq!(document["files"][0]["findings"][0]["severity"], "note");
    assert_eq!(document["files"][0]["contents"]["pickle-tier"], "P4", "a fact is no opinion");
    let plain = json(&world, &INSPECT, 1);
    assert_ne!(plain["rules"]["digest"], document["rules"]["digest"]);
    assert_eq!(plain["rules"]["limits-digest"], document["rules"]["limits-digest"]);
    let sarif = world.run(&with(&RULES, &["--format", "sarif"])).exits(0).stdout;
    assert!(sarif.contains("we know acme"), "{sarif}");
}

#[test]
fn globals_are_allowed_and_denied() {
    if !is_free() {
        return;
    }
    let allow = "[[allow]]\nmodule = \"acme\"\nrole = \"class\"\nnames = [\"Net\"]\nsource = \"read it\"\n";
    let world = with_rules(&[("a.pkl", FOREIGN)], allow);
    world.run(&RULES).exits(0).prints("pickles: up to tier P3");
    let deny = "[[deny]]\nmodule = \"acme\"\nnames = [\"*\"]\nsource = \"no\"\n";
    let world = with_rules(&[("a.pkl", FOREIGN)], deny);
    world.run(&RULES).exits(1).prints("malicious: denied").prints("PKL001");
}

#[test]
fn a_wrong_rule_set_is_wrong_usage() {
    if !is_free() {
        return;
    }
    let world = with_rules(&[("a.pkl", EVIL)], "[rules.PKL001]\nseverity = \"note\"\n");
    let message = "rules.toml:5:12: PKL001 is lowered from malicious to note without a reason";
    world.refused(&RULES, 2, "usage.rules", message);
    world.file("rules.toml", format!("{HEAD}colour = \"blue\"\n"));
    world.refused(&RULES, 2, "usage.rules", "rules.toml:4:1: unknown field `colour`");
    world.file("rules.toml", [HEAD.as_bytes(), b"# \xff"].concat());
    world.refused(&RULES, 2, "usage.file", "it is not UTF-8");
    world.refused(&["inspect", "model", "--rules", "none.toml"], 2, "usage.file", "none.toml");
}

/// A world whose rule sets `boss` signs.
fn signed() -> World {
    let world = with_rules(&[("a.pkl", HARMLESS)], "");
    for key in ["boss", "other"] {
        world.run(&["key", "generate", "--no-password", "--output", key]).exits(0);
    }
    let trust = "schema = \"modelseal.trust/v1\"\n[signers.boss]\nkind = \"key\"\nfile = \"boss.pub\"\n";
    world.file("trust.toml", trust);
    world
}

fn sign(world: &World, key: &str) {
    let key = format!("{key}.key");
    world.run(&["policy", "sign", "rules.toml", "--private-key", &key, "--force"]).exits(0).prints("sha256:");
}

#[test]
fn signed_rules_are_verified_as_policies_are() {
    let world = signed();
    world.refused(&TRUSTED, 1, "policy.signature-missing", "the rule set 'rules.toml' is not signed");
    sign(&world, "other");
    world.refused(&TRUSTED, 1, "policy.signature-invalid", "the rule set 'rules.toml' is not accepted");
    sign(&world, "boss");
    world.run(&TRUSTED).exits(0).prints("under the rules acme.example/rules 3");
    let verify = ["policy", "verify", "rules.toml", "--policy-trust", "trust.toml"];
    world.run(&verify).exits(0).prints("rules.toml: acme.example/rules version 3, signed by boss");
    // One byte more is another rule set.
    world.file("rules.toml", format!("{HEAD}\n"));
    world.refused(&TRUSTED, 1, "policy.signature-invalid", "it signs other bytes than this rule set");
    world.run(&with(&RULES, &["--policy-unsigned"])).exits(0);
    if is_free() {
        // What is signed counts only when somebody can judge the signature.
        world.refused(&RULES, 1, "policy.signature-missing", "does not say who may sign");
    }
}

#[test]
fn older_rules_are_refused() {
    let world = signed();
    let version = |version: u32| {
        world.file("rules.toml", HEAD.replace("version = 3", &format!("version = {version}")));
        sign(&world, "boss");
    };
    version(3);
    world.run(&TRUSTED).exits(0);
    version(2);
    world.refused(&TRUSTED, 1, "policy.version-rollback", "version 3 was accepted here before");
    version(4);
    world.run(&TRUSTED).exits(0);
}

#[test]
fn a_signature_of_one_kind_is_none_of_another() {
    let world = signed();
    // The same bytes, signed as something else.
    world.file("policy.json", "{}");
    world.run(&["policy", "sign", "policy.json", "--private-key", "boss.key"]).exits(2);
    world.file("rules.toml", format!("{HEAD}colour = 1\n"));
    let args = ["policy", "sign", "rules.toml", "--private-key", "boss.key"];
    world.refused(&args, 2, "usage.rules", "unknown field `colour`");
    world.file("rules.toml", HEAD);
    sign(&world, "boss");
    let verify = ["verify", "model", "--policy", "rules.toml", "--policy-trust", "trust.toml"];
    world.run(&verify).exits(1).says("policy");
}
