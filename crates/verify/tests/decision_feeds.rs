//! Deny feeds: fresh, by enough people, and what they name is denied.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod decision_support;

use decision_support::*;
use modelseal_core::dsse::IN_TOTO_PAYLOAD_TYPE;
use modelseal_verify::decision::Code;
use serde_json::{Value, json};

const SIGNED: &str = "signature = { signers = [\"acme\"] }";

fn signed() -> Vec<u8> {
    Key::new(1).sign_model(&model())
}

fn feed(issued: &str, entries: Value) -> Vec<u8> {
    let feed = json!({ "schema": "modelseal.deny-feed/v1", "id": "acme.example/deny", "version": 3, "issued": issued, "entries": entries });
    feed.to_string().into_bytes()
}

const FEED_TYPE: &str = "application/vnd.modelseal.deny-feed.v1+json";

fn fed(feed: &[u8], signers: &[u8]) -> Case {
    let list = "denylist = [{ file = \"deny.json\", signers = [\"p1\", \"p2\"], threshold = 2, max-age = \"14d\" }]\n";
    let text = head("p")
        + list
        + &Key::new(1).signer("acme", "")
        + &Key::new(5).signer("p1", "")
        + &Key::new(6).signer("p2", "")
        + &rule(SIGNED);
    let mut case = Case::new(&text).bundle(signed());
    let bundles = signers.iter().map(|n| Key::new(*n).sign(FEED_TYPE, feed)).collect();
    case.feeds.push(("deny.json".to_owned(), feed.to_vec(), bundles));
    case
}

#[test]
fn deny_feed_one_second_stale_denies() {
    let fresh = feed("2026-11-08T12:00:00Z", json!([]));
    let report = fed(&fresh, &[5, 6]).allowed();
    assert_eq!(report.valid_until.as_deref(), Some("2026-11-22T12:00:00Z"));
    fed(&fresh, &[5, 6]).at("2026-11-22T12:00:01Z").denied(Code::DenyFeedStale);
    fed(&feed("2026-11-22T12:00:01Z", json!([])), &[5, 6]).denied(Code::DenyFeedInvalid);
}

#[test]
fn deny_feed_needs_its_signers_and_its_very_bytes() {
    let good = feed("2026-11-20T00:00:00Z", json!([]));
    fed(&good, &[5]).denied(Code::DenyFeedInvalid);
    fed(&good, &[5, 5]).denied(Code::DenyFeedInvalid);
    fed(&good, &[5, 1]).denied(Code::DenyFeedInvalid);
    let mut case = fed(&good, &[5, 6]);
    case.feeds[0].1 = feed("2026-11-21T00:00:00Z", json!([]));
    case.denied(Code::DenyFeedInvalid);
    // Signed as something else.
    let mut case = fed(&good, &[5]);
    case.feeds[0].2.push(Key::new(6).sign(IN_TOTO_PAYLOAD_TYPE, &good));
    case.denied(Code::DenyFeedInvalid);
}

#[test]
fn deny_feed_entries_deny() {
    let entry = |more: Value| {
        let mut entry = json!({ "id": "D-1", "reason": "bad" });
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fed(&feed("2026-11-20T00:00:00Z", json!([entry])), &[5, 6])
    };
    entry(json!({ "digests": [manifest_name(&model())] })).denied(Code::DenyDigest);
    entry(json!({ "file-digests": [format!("sha256:{}", digest_of(b"aaaa").to_hex())] }))
        .denied(Code::DenyFileDigest);
    entry(json!({ "keys": [format!("spki-sha256:{}", Key::new(1).fingerprint())] })).denied(Code::DenyKey);
    entry(json!({ "keys": [format!("spki-sha256:{}", Key::new(2).fingerprint())] })).allowed();
}
