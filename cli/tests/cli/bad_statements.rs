//! Statements that a hostile signer would sign: the signature is right, what it says is not.

use crate::common::{VERIFY, World};
use serde_json::{Value, json};

/// Makes `model.sig` anew over an edited statement, with the real key.
fn resigned(world: &World, edit: impl FnOnce(&mut Value)) {
    let statement =
        world.run(&["sign", "key", "model", "--private-key", "k.key", "--dry-run", "--signature", "x.sig"]);
    let mut statement: Value = serde_json::from_str(&statement.exits(0).stdout).unwrap();
    edit(&mut statement);
    resigned_text(world, &statement.to_string());
}

fn resigned_text(world: &World, statement: &str) {
    let kind = "application/vnd.in-toto+json";
    let pae = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
    world.file("pae", pae);
    world.file("payload", statement);
    world.tool("openssl", &["pkeyutl", "-sign", "-inkey", "k.key", "-rawin", "-in", "pae", "-out", "sig"]);
    let mut bundle: Value = serde_json::from_str(&world.read("model.sig")).unwrap();
    bundle["dsseEnvelope"]["payload"] = world.tool("openssl", &["base64", "-A", "-in", "payload"]).into();
    bundle["dsseEnvelope"]["signatures"][0]["sig"] =
        world.tool("openssl", &["base64", "-A", "-in", "sig"]).into();
    world.file("model.sig", bundle.to_string());
}

/// An edit of the statement.
type Edit = fn(&mut Value);

fn refuse_all(cases: &[(&str, &str, Edit)]) {
    let world = World::signed();
    resigned(&world, |_| {});
    world.run(&VERIFY).exits(0);
    for (what, code, edit) in cases {
        resigned(&world, edit);
        println!("{what}:");
        let document = world.refused(&VERIFY, 1, code, "Verification failed with error: ");
        assert_eq!(document["checks"][1]["status"], "pass", "{what}: the signature itself is good");
    }
}

#[test]
fn statements_about_something_else() {
    refuse_all(&[
        ("wrong _type", "signature.statement-type", |s| {
            s["_type"] = json!("https://in-toto.io/Statement/v0.1")
        }),
        ("wrong predicateType", "signature.predicate-type", |s| {
            s["predicateType"] = json!("https://slsa.dev/provenance/v1");
        }),
        ("no subject", "signature.malformed", |s| s["subject"] = json!([])),
        ("two subjects", "signature.malformed", |s| {
            let one = s["subject"][0].clone();
            s["subject"].as_array_mut().unwrap().push(one);
        }),
        ("subject is another digest", "signature.malformed", |s| {
            s["subject"][0]["digest"]["sha256"] = json!("0".repeat(64));
        }),
        ("no resources", "integrity.empty-model", |s| s["predicate"]["resources"] = json!([])),
    ]);
}

#[test]
fn digests_that_are_none() {
    refuse_all(&[
        ("uppercase hex", "signature.malformed", |s| {
            let digest = &mut s["predicate"]["resources"][0]["digest"];
            *digest = digest.as_str().unwrap().to_uppercase().into();
        }),
        ("odd length", "signature.malformed", |s| {
            let digest = &mut s["predicate"]["resources"][0]["digest"];
            *digest = digest.as_str().unwrap()[1..].into();
        }),
        ("wrong length", "signature.malformed", |s| {
            s["predicate"]["resources"][0]["digest"] = json!("00".repeat(20));
        }),
        ("unknown algorithm", "signature.malformed", |s| {
            s["predicate"]["serialization"]["hash_type"] = json!("md5");
            s["predicate"]["resources"][0]["algorithm"] = json!("md5");
        }),
        ("another algorithm than declared", "signature.malformed", |s| {
            s["predicate"]["resources"][0]["algorithm"] = json!("blake3");
        }),
    ]);
}

#[test]
fn names_that_lead_out_of_the_model() {
    refuse_all(&[
        ("..", "integrity.path-escape", |s| s["predicate"]["resources"][0]["name"] = json!("../a.bin")),
        ("inner ..", "integrity.path-escape", |s| {
            s["predicate"]["resources"][0]["name"] = json!("sub/../a.bin")
        }),
        ("absolute", "integrity.path-escape", |s| {
            s["predicate"]["resources"][0]["name"] = json!("/etc/passwd")
        }),
        ("empty", "integrity.path-escape", |s| s["predicate"]["resources"][0]["name"] = json!("")),
        ("backslash", "integrity.path-escape", |s| s["predicate"]["resources"][0]["name"] = json!("a\\b")),
        ("NUL", "integrity.path-escape", |s| s["predicate"]["resources"][0]["name"] = json!("a\0b")),
        ("a/./b", "integrity.path-escape", |s| s["predicate"]["resources"][0]["name"] = json!("a/./b")),
        ("a//b", "integrity.path-escape", |s| s["predicate"]["resources"][0]["name"] = json!("a//b")),
        ("duplicate", "signature.malformed", |s| {
            let one = s["predicate"]["resources"][0].clone();
            s["predicate"]["resources"].as_array_mut().unwrap().push(one);
        }),
    ]);
}

#[test]
fn shard_ranges_that_do_not_add_up() {
    let world = World::with_keys();
    let sign = ["sign", "key", "model", "--private-key", "k.key", "--method", "shards", "--shard-size", "4"];
    world.run(&sign).exits(0);
    let statement = world.run(&[&sign[..], &["--dry-run", "--signature", "x.sig"]].concat()).exits(0).stdout;
    resigned_text(&world, &statement);
    world.run(&VERIFY).exits(0);
    for (what, from, to) in [
        ("overlap", "a.bin:4:6", "a.bin:3:6"),
        ("gap", "a.bin:4:6", "a.bin:5:6"),
        ("beyond the file", "a.bin:4:6", "a.bin:4:8"),
        ("backwards", "a.bin:4:6", "a.bin:6:4"),
        ("empty", "a.bin:4:6", "a.bin:4:4"),
        ("u64 overflow", "a.bin:4:6", "a.bin:4:18446744073709551616"),
        ("u64 end", "a.bin:4:6", "a.bin:4:18446744073709551615"),
        ("negative", "a.bin:4:6", "a.bin:-4:6"),
        ("no range", "a.bin:4:6", "a.bin"),
        ("leading zero", "a.bin:4:6", "a.bin:04:6"),
    ] {
        assert!(statement.contains(from));
        resigned_text(&world, &statement.replace(from, to));
        println!("shard {what}:");
        let ran = world.run(&VERIFY).exits(1).says("Verification failed with error: ");
        println!("| 1 | {} |", ran.stderr.lines().next().unwrap());
        let code = world.run(&[&VERIFY[..], &["--format", "json"]].concat()).json()["code"].clone();
        let refused = ["signature.malformed", "integrity.digest-mismatch", "integrity.path-escape"];
        assert!(refused.iter().any(|c| code == *c), "{what}: {code}");
    }
}

#[test]
fn duplicate_keys_inside_a_signed_statement() {
    let world = World::signed();
    let statement =
        world.run(&["sign", "key", "model", "--private-key", "k.key", "--dry-run", "--signature", "x.sig"]);
    let statement = statement.exits(0).stdout;
    for key in
        ["_type", "subject", "predicateType", "predicate", "serialization", "resources", "name", "digest"]
    {
        let name = format!("\"{key}\":");
        assert!(statement.contains(&name), "{key}: {statement}");
        resigned_text(&world, &statement.replacen(&name, &format!("{name}null,{name}"), 1));
        world.refused(&VERIFY, 1, "signature.malformed", "duplicate member");
    }
    resigned_text(&world, &format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)));
    world.refused(&VERIFY, 1, "signature.malformed", "deep");
}
