//! Whose policies are obeyed.

use super::{NAME, Site};
use crate::common::with;

const RULE: &str = "signature = { signers = [\"alice\"] }";

/// A site whose policies `boss` and `deputy` sign, with `trust.toml` for `threshold` of them.
fn site(threshold: u32) -> Site {
    let site = Site::new(&["alice"]);
    site.policy(RULE).sign("alice");
    let (boss, deputy) = (site.key("boss"), site.key("deputy"));
    let trust = format!(
        "schema = \"modelseal.trust/v1\"\nthreshold = {threshold}\n\
         [signers.boss]\nkind = \"key\"\nfile = \"boss.pub\"\nspki-sha256 = \"{boss}\"\n\
         [signers.deputy]\nkind = \"key\"\nfile = \"deputy.pub\"\nspki-sha256 = \"{deputy}\"\n"
    );
    site.world.file("trust.toml", trust);
    site
}

const VERIFY: [&str; 12] = [
    "verify",
    "model",
    "--policy",
    "policy.toml",
    "--policy-trust",
    "trust.toml",
    "--state-dir",
    "state",
    "--as",
    NAME,
    "--bundle",
    "alice.sig",
];

fn sign(site: &Site, who: &str) {
    let (key, to) = (format!("{who}.key"), format!("policy.toml.{who}.sig"));
    let args = ["policy", "sign", "policy.toml", "--private-key", &key, "--signature", &to, "--force"];
    site.world.run(&args).exits(0).prints("sha256:");
}

#[test]
fn an_unsigned_policy_is_not_obeyed_where_others_can_write() {
    let site = site(1);
    let args = ["verify", "model", "--policy", "policy.toml", "--as", NAME, "--bundle", "alice.sig"];
    let message = "move it to where only root can write, or accept it as it is with --policy-unsigned";
    site.world.refused(&args, 1, "policy.signature-missing", message);
    site.world.refused(&VERIFY, 1, "policy.signature-missing", "is not signed");
    site.world.run(&with(&args, &["--policy-unsigned"])).exits(0);
    sign(&site, "boss");
    if !std::path::Path::new("/etc/modelseal/trust.toml").exists() {
        site.world.refused(&args, 1, "policy.signature-missing", "does not say who may sign policies");
    }
}

#[test]
fn an_unsigned_policy_is_obeyed_where_only_root_can_write() {
    use std::os::unix::fs::PermissionsExt;
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can make such a place");
        return;
    }
    let site = site(1);
    let place = tempfile::tempdir_in("/var/lib").unwrap();
    for name in ["policy.toml", "alice.pub"] {
        std::fs::copy(site.world.join(name), place.path().join(name)).unwrap();
    }
    let policy = place.path().join("policy.toml");
    let policy = policy.to_str().unwrap();
    let args = [
        "verify",
        "model",
        "--policy",
        policy,
        "--as",
        NAME,
        "--bundle",
        "alice.sig",
        "--state-dir",
        "state",
    ];
    site.world.run(&args).exits(0);
    for (path, mode) in [(policy, 0o664), (place.path().to_str().unwrap(), 0o777)] {
        let before = std::fs::metadata(path).unwrap().permissions();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        site.world.refused(&args, 1, "policy.signature-missing", "somebody else than root can write to it");
        std::fs::set_permissions(path, before).unwrap();
    }
}

#[test]
fn a_signed_policy_is_obeyed_when_enough_people_signed_it() {
    let site = site(2);
    sign(&site, "boss");
    site.world.refused(&VERIFY, 1, "policy.signature-invalid", "signed by 1 of the 2 people");
    sign(&site, "deputy");
    site.world.run(&VERIFY).exits(0);
    let verify = ["policy", "verify", "policy.toml", "--policy-trust", "trust.toml"];
    site.world.run(&verify).exits(0).prints("acme.example/platform version 5, signed by boss, deputy");
    let document = site.world.run(&with(&verify, &["--format", "json"])).exits(0).json();
    assert_eq!(document["policies"][0]["principals"][1], "deputy");
    // One byte is another policy.
    let text = site.world.read("policy.toml");
    site.world.file("policy.toml", format!("{text}\n"));
    site.world.refused(&VERIFY, 1, "policy.signature-invalid", "it signs other bytes than this policy");
    site.world.refused(&verify, 1, "policy.signature-invalid", "other bytes");
}

#[test]
fn an_older_policy_is_not_obeyed_after_a_newer_one() {
    let site = site(1);
    let rule = format!("models = [\"{NAME}\"]\n{RULE}");
    let offer = |version: u64, top: &str| {
        site.policy_with("policy.toml", version, top, &rule);
        sign(&site, "boss");
    };
    offer(5, "");
    site.world.run(&VERIFY).exits(0);
    site.world.run(&VERIFY).exits(0);
    offer(5, "# other bytes");
    site.world.refused(&VERIFY, 1, "policy.version-rollback", "version 5");
    offer(6, "");
    site.world.run(&VERIFY).exits(0);
    offer(5, "");
    site.world.refused(&VERIFY, 1, "policy.version-rollback", "version 5");
    let verify = ["policy", "verify", "policy.toml", "--policy-trust", "trust.toml", "--state-dir", "state"];
    site.world.refused(&verify, 1, "policy.version-rollback", "version 5");
    // What cannot be read is not taken for nothing.
    site.world.file("state/rollback.json", "{}");
    site.world.refused(&VERIFY, 3, "error.io", "rollback.json");
}

#[test]
fn a_memory_that_others_can_write_to_is_not_believed() {
    use std::os::unix::fs::PermissionsExt;
    let site = site(1);
    sign(&site, "boss");
    site.world.run(&VERIFY).exits(0);
    let mode = |mode| {
        std::fs::set_permissions(site.world.join("state"), std::fs::Permissions::from_mode(mode)).unwrap()
    };
    mode(0o777);
    site.world.refused(
        &VERIFY,
        3,
        "error.io",
        "others can write to it; name another directory with --state-dir",
    );
    mode(0o700);
    site.world.run(&VERIFY).exits(0);
}

#[test]
fn a_policy_that_is_wrong_is_not_signed() {
    let site = site(1);
    site.world.file("policy.toml", "schema = \"modelseal.policy/v1\"\n");
    let args = ["policy", "sign", "policy.toml", "--private-key", "boss.key"];
    site.world.refused(&args, 2, "policy.invalid", "policy.toml:");
    assert!(!site.world.join("policy.toml.sig").exists());
    site.policy(RULE);
    site.world.run(&args).exits(0);
    assert!(site.world.join("policy.toml.sig").exists());
    let document = site.world.run(&with(&args, &["--format", "json"])).exits(0).json();
    assert_eq!(document["signature"], "policy.toml.sig");
}
