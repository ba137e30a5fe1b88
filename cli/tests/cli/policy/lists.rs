//! Deny lists, in the policy and in feeds.

use super::{NAME, Site};

#[test]
fn a_denied_key_and_a_denied_model() {
    let site = Site::new(&["alice"]);
    site.policy("signature = { signers = [\"alice\"] }").sign("alice");
    let args = site.verify(&["--bundle", "alice.sig"]);
    let document = site.world.run(&[&args[..], &["--format", "json"]].concat()).exits(0).json();
    let manifest = document["manifest"].as_str().unwrap().to_owned();
    let rule = format!("models = [\"{NAME}\"]\nsignature = {{ signers = [\"alice\"] }}");
    let deny = |what: &str| format!("deny = [{{ id = \"D-1\", reason = \"incident 7\", {what} }}]");
    site.policy_with("policy.toml", 6, &deny(&format!("digests = [\"{manifest}\"]")), &rule);
    site.world.refused(&args, 1, "deny.digest", "D-1: incident 7");
    let document = site.world.run(&["digest", "model", "--format", "json"]).json();
    let file = document["resources"][0]["digest"].as_str().unwrap().to_owned();
    site.policy_with("policy.toml", 6, &deny(&format!("file-digests = [\"{file}\"]")), &rule);
    site.world.refused(&args, 1, "deny.file-digest", "D-1");
    // Whatever hash, and whatever cut, the model was signed under.
    for how in [&["--hash", "blake3"][..], &["--hash", "blake3", "--method", "shards", "--shard-size", "4"]] {
        let sign =
            ["sign", "key", "model", "--private-key", "alice.key", "--signature", "alice.sig", "--force"];
        site.world.run(&[&sign[..], how].concat()).exits(0);
        site.world.refused(&args, 1, "deny.file-digest", "D-1");
    }
    let key = site.world.run(&[
        "sign",
        "key",
        "model",
        "--private-key",
        "alice.key",
        "--signature",
        "alice.sig",
        "--force",
        "--format",
        "json",
    ]);
    let key = key.json()["signer"]["key-fingerprint"].as_str().unwrap().to_owned();
    site.policy_with("policy.toml", 6, &deny(&format!("keys = [\"spki-sha256:{key}\"]")), &rule);
    site.world.refused(&args, 1, "deny.key", "D-1");
}

#[test]
fn a_feed_that_is_missing_or_unsigned_denies() {
    let site = Site::new(&["alice", "psirt"]);
    let rule = format!("models = [\"{NAME}\"]\nsignature = {{ signers = [\"alice\"] }}");
    let top = "denylist = [{ file = \"deny.json\", signers = [\"psirt\"], max-age = \"14d\", on-stale = \"deny\" }]";
    site.policy_with("policy.toml", 5, top, &rule).sign("alice");
    let args = site.verify(&["--bundle", "alice.sig"]);
    site.world.refused(&args, 1, "deny.feed-invalid", "deny.json");
    site.world.file("deny.json", "{}");
    site.world.refused(&args, 1, "deny.feed-invalid", "deny.json");
}

/// A site that believes the feed `deny.json` when two of its three people signed it.
fn with_feed() -> Site {
    let site = Site::new(&["alice", "ada", "ben"]);
    let rule = format!("models = [\"{NAME}\"]\nsignature = {{ signers = [\"alice\"] }}");
    let top = "denylist = [{ file = \"deny.json\", signers = [\"ada\", \"ben\"], threshold = 2, max-age = \"14d\", on-stale = \"deny\" }]";
    site.policy_with("policy.toml", 5, top, &rule).sign("alice");
    site
}

/// Publishes a feed, signed by `who`.
fn publish(site: &Site, version: u64, days_old: u32, entries: &str, who: &[&str]) {
    let issued = site.world.tool("date", &["-u", "-d", &format!("-{days_old} days"), "+%Y-%m-%dT%H:%M:%SZ"]);
    let feed = format!(
        "{{\"schema\":\"modelseal.deny-feed/v1\",\"id\":\"psirt\",\"version\":{version},\"issued\":\"{}\",\"entries\":[{entries}]}}",
        issued.trim()
    );
    site.world.file("deny.json", feed);
    for name in ["ada", "ben"] {
        let (to, key) = (format!("deny.json.{name}.sig"), format!("{name}.key"));
        let _ = std::fs::remove_file(site.world.join(&to));
        if who.contains(&name) {
            let args = ["policy", "sign", "deny.json", "--private-key", &key, "--signature", &to];
            site.world.run(&args).exits(0);
        }
    }
}

#[test]
fn a_feed_counts_when_enough_people_signed_it_and_it_is_fresh() {
    let site = with_feed();
    let args = site.verify(&["--bundle", "alice.sig"]);
    publish(&site, 7, 1, "", &["ada"]);
    site.world.refused(&args, 1, "deny.feed-invalid", "1 of 2");
    publish(&site, 7, 1, "", &["ada", "ben"]);
    site.world.run(&args).exits(0);
    publish(&site, 8, 15, "", &["ada", "ben"]);
    site.world.refused(&args, 1, "deny.feed-stale", "max-age is 14d");
    let spki = site.world.run(&[&args[..], &["--format", "json"]].concat()).json()["manifest"].clone();
    publish(&site, 9, 1, "", &["ada", "ben"]);
    let manifest =
        site.world.run(&[&args[..], &["--format", "json"]].concat()).exits(0).json()["manifest"].clone();
    assert!(spki.is_null() || spki == manifest);
    let entry = format!("{{\"id\":\"D-9\",\"reason\":\"backdoor\",\"digests\":[{manifest}]}}");
    publish(&site, 10, 1, &entry, &["ada", "ben"]);
    site.world.refused(&args, 1, "deny.digest", "D-9: backdoor");
}

#[test]
fn an_older_feed_is_not_taken_after_a_newer_one() {
    let site = with_feed();
    let args = site.verify(&["--bundle", "alice.sig"]);
    publish(&site, 9, 1, "", &["ada", "ben"]);
    site.world.run(&args).exits(0);
    publish(&site, 8, 1, "", &["ada", "ben"]);
    site.world.refused(&args, 1, "deny.feed-rollback", "fetch the current one");
    // A newer one that too few people signed is not remembered.
    publish(&site, 99, 1, "", &["ada"]);
    site.world.refused(&args, 1, "deny.feed-invalid", "1 of 2");
    publish(&site, 10, 1, "", &["ada", "ben"]);
    site.world.run(&args).exits(0);
}

#[test]
fn what_is_no_feed_is_not_signed() {
    let site = with_feed();
    site.world.file("deny.json", "{}");
    let args = ["policy", "sign", "deny.json", "--private-key", "ada.key"];
    site.world.refused(&args, 2, "usage.file", "JSON is signed when it is a deny feed");
}
