//! `sign --fs-verity` and `freeze`, as far as they go without a kernel that has fs-verity; tests/verity_vm.sh runs one.

use crate::common::{SIGN, VERIFY, World, with};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::process::Command;

fn annotations(statement: &Value) -> Vec<(String, String)> {
    let resources = statement["predicate"]["resources"].as_array().unwrap();
    let annotated = resources.iter().filter_map(|resource| {
        let digest = resource["annotations"]["fsverity-sha256"].as_str()?;
        Some((resource["name"].as_str().unwrap().to_owned(), digest.to_owned()))
    });
    annotated.collect()
}

fn world() -> World {
    let world = World::with_keys();
    world.file("model/empty", "");
    world.file("model/sub/large.bin", vec![5; 5 << 20]);
    world.file("model/sub/blocks.bin", vec![6; 3 * 4096]);
    world
}

/// By the tool of the kernel's own people (Debian package `fsverity`).
#[cfg(target_os = "linux")]
#[test]
fn what_is_signed_is_what_the_fsverity_tool_says() {
    if Command::new("fsverity").arg("--version").output().is_err() {
        println!("skipped: there is no fsverity (Debian package fsverity)");
        return;
    }
    let world = world();
    // What an inspection finds nothing in.
    world.file("clean/config.json", "{\"layers\": 2}\n");
    world.file("clean/README.md", "# A model\n");
    let shards = ["--method", "shards", "--shard-size", "1000000"];
    let clean = ["--require", "clean"];
    for (model, files, flags) in [
        ("model", 5, vec![]),
        ("model", 5, vec!["--hash", "blake3"]),
        ("model", 5, shards.to_vec()),
        ("clean", 2, clean.to_vec()),
        ("clean", 2, with(&shards, &clean)),
    ] {
        let sign = ["sign", "key", model, "--private-key", "k.key", "--fs-verity", "--dry-run"];
        let printed = world.run(&with(&sign, &flags)).exits(0);
        let statement: Value = serde_json::from_str(&printed.stdout).unwrap();
        let annotated = annotations(&statement);
        assert_eq!(annotated.len(), files, "{flags:?}");
        for (name, digest) in annotated {
            // A shard's name ends in where it begins and ends; only those that begin their file are annotated.
            let path = if statement.to_string().contains("\"shards\"") {
                let (rest, _) = name.rsplit_once(':').unwrap();
                rest.strip_suffix(":0").unwrap().to_owned()
            } else {
                name
            };
            let said = world.tool("fsverity", &["digest", "--compact", &format!("{model}/{path}")]);
            assert_eq!(said.trim(), digest, "{path} {flags:?}");
        }
    }
}

#[test]
fn a_signature_with_annotations_is_verified_like_one_without() {
    let world = world();
    world
        .run(&with(&SIGN, &["--fs-verity"]))
        .exits(0)
        .prints("fs-verity: the kernel's digests of 5 files are signed, too");
    world.run(&VERIFY).exits(0);
    let report = world.run(&with(&SIGN, &["--fs-verity", "--format", "json"])).exits(0).json();
    assert_eq!(report["fs-verity"], json!(5));
    world.file("model/sub/large.bin", vec![5; (5 << 20) - 1]);
    world.refused(&VERIFY, 1, "integrity.digest-mismatch", "'sub/large.bin' is changed");
}

#[test]
fn it_goes_with_nothing_that_does_not_read_the_model() {
    let world = world();
    world.run(&["digest", "model", "--out", "d.json"]).exits(0);
    for flags in
        [&["--digests", "d.json"][..], &["--remember"], &["--reuse", "model.sig", "--trust-unchanged"]]
    {
        world.refused(&with(&with(&SIGN, &["--fs-verity"]), flags), 2, "usage.flags", "--fs-verity");
    }
    world.no_signature();
}

/// A statement that was signed with what `change` makes of its annotations.
fn resigned(world: &World, change: &dyn Fn(&mut Value)) {
    let printed = world.run(&with(&SIGN, &["--fs-verity", "--dry-run"])).exits(0).stdout;
    let mut statement: Value = serde_json::from_str(&printed).unwrap();
    change(&mut statement["predicate"]["resources"][0]["annotations"]);
    let payload = statement.to_string();
    let text = "application/vnd.in-toto+json";
    world.file("pae", format!("DSSEv1 {} {text} {} {payload}", text.len(), payload.len()));
    world
        .tool("openssl", &["pkeyutl", "-sign", "-rawin", "-inkey", "k.key", "-in", "pae", "-out", "raw.sig"]);
    let signature = std::fs::read(world.join("raw.sig")).unwrap();
    let mut bundle: Value = serde_json::from_str(&world.read("model.sig")).unwrap();
    bundle["dsseEnvelope"]["payload"] = STANDARD.encode(payload).into();
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = STANDARD.encode(signature).into();
    world.file("model.sig", bundle.to_string());
}

#[cfg(target_os = "linux")]
#[test]
fn malformed_annotations_are_refused_and_others_are_no_matter() {
    let world = World::signed();
    for bad in ["".to_owned(), "ab".repeat(31), "AB".repeat(32), format!("sha256:{}", "ab".repeat(32))] {
        resigned(&world, &|annotations| *annotations = json!({ "fsverity-sha256": bad }));
        world.refused(&VERIFY, 1, "signature.malformed", "bad annotation fsverity-sha256 of");
    }
    for bad in [json!([]), json!({ "fsverity-sha256": 7 }), json!({ "fsverity-sha256": null })] {
        resigned(&world, &|annotations| *annotations = bad.clone());
        world.refused(&VERIFY, 1, "signature.malformed", "");
    }
    for fine in [json!({}), json!(null), json!({ "fsverity-sha512": 7, "note": ["x"] })] {
        resigned(&world, &|annotations| *annotations = fine.clone());
        world.run(&VERIFY).exits(0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn where_there_is_no_fs_verity_freezing_says_what_to_do_and_changes_nothing() {
    let memory = std::path::Path::new("/dev/shm");
    if !memory.is_dir() {
        println!("skipped: there is no /dev/shm");
        return;
    }
    let world = World::signed();
    let memory = tempfile::tempdir_in(memory).unwrap();
    world.tool("cp", &["-r", "model", memory.path().to_str().unwrap()]);
    let model = memory.path().join("model");
    let model = model.to_str().unwrap();
    let freeze = ["freeze", "key", model, "--public-key", "k.pub", "--signature", "model.sig"];
    let ran = world.run(&freeze).exits(3);
    let ran =
        ran.says("cannot be frozen: there is no fs-verity on this file system (tmpfs); no file was changed");
    ran.says("what to do: use ext4 with `-O verity`").says("modelseal exec --strict");
    let report = world.run(&with(&freeze, &["--format", "json"])).exits(3).json();
    assert_eq!((&report["verdict"], &report["code"]), (&json!("error"), &json!("error.not-frozen")));
    assert_eq!(report.get("kernel"), None);
    // It is verified all the same.
    world.run(&with(&["verify"], &freeze[1..])).exits(0);
    std::fs::write(format!("{model}/a.bin"), "still writable").unwrap();
    // Who signed is asked first.
    world.run(&["key", "generate", "--no-password", "--output", "other"]).exits(0);
    let by_other = ["freeze", "key", model, "--public-key", "other.pub", "--signature", "model.sig"];
    world.run(&by_other).exits(1).says("nothing was frozen");
}
