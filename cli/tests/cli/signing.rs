//! Where signatures go, and what is left alone.

use crate::common::{SIGN, VERIFY, World, with};
use serde_json::Value;
use std::{fs, process::Stdio};

#[test]
fn the_default_output_is_model_sig_in_the_working_directory() {
    let world = World::with_keys();
    world.run(&SIGN).exits(0).prints("signature: model.sig\n");
    assert!(world.join("model.sig").is_file());
    world.run(&VERIFY).exits(0);
}

#[test]
fn a_single_file_is_a_model_by_its_own_name() {
    let world = World::with_keys();
    world.run(&["sign", "key", "model/a.bin", "--private-key", "k.key"]).exits(0).prints("a.bin, 1 file");
    world.run(&["verify", "key", "model/a.bin", "--public-key", "k.pub"]).exits(0);
    fs::rename(world.join("model/a.bin"), world.join("model/c.bin")).unwrap();
    let args = ["verify", "key", "model/c.bin", "--public-key", "k.pub"];
    world.refused(&args, 1, "integrity.file-missing", "'a.bin' is missing; 'c.bin' is not signed");
}

#[test]
fn a_signature_inside_the_model_is_no_part_of_it() {
    let world = World::with_keys();
    world.run(&with(&SIGN, &["--signature", "model/my.sig"])).exits(0);
    let args = with(&VERIFY, &["--signature", "model/my.sig"]);
    let document = world.run(&with(&args, &["--format", "json"])).exits(0).json();
    let ignored = document["signed"]["serialization"]["ignore-paths"].as_array().unwrap();
    assert!(ignored.contains(&Value::from("my.sig")), "{ignored:?}");
    // Again, over itself: it is still not a part of what is signed.
    world.run(&with(&SIGN, &["--signature", "model/my.sig"])).exits(0);
    world.run(&args).exits(0);
    // A copy elsewhere is recorded as ignored at its old place.
    fs::copy(world.join("model/my.sig"), world.join("moved.sig")).unwrap();
    world.run(&with(&VERIFY, &["--signature", "moved.sig"])).exits(0);
}

#[test]
fn what_is_no_signature_is_never_overwritten() {
    let world = World::with_keys();
    let kept: [&[u8]; 5] = [b"", b"weights", b"{}", b"[1]", b"{\"mediaType\":\"text/plain\"}"];
    for bytes in kept {
        world.file("model.sig", bytes);
        for more in [&[][..], &["--force"]] {
            let message = "'model.sig' exists and is not a Sigstore bundle, so it is not overwritten";
            world.refused(&with(&SIGN, more), 2, "usage.output", message);
            assert_eq!(fs::read(world.join("model.sig")).unwrap(), bytes);
        }
    }
    for target in ["k.key", "model/a.bin"] {
        let before = world.read(target);
        world.refused(
            &with(&SIGN, &["--force", "--signature", target]),
            2,
            "usage.output",
            "not overwritten",
        );
        assert_eq!(world.read(target), before);
    }
}

#[test]
fn another_signature_is_overwritten_only_by_force() {
    let world = World::signed();
    let first = world.read("model.sig");
    world.run(&SIGN).exits(0);
    world.file("model/a.bin", "other");
    let message =
        "'model.sig' already holds a different signature; choose another path, or replace it with --force";
    world.refused(&SIGN, 2, "usage.output", message);
    assert_eq!(world.read("model.sig"), first);
    world.run(&with(&SIGN, &["--force"])).exits(0);
    assert_ne!(world.read("model.sig"), first);
    world.run(&VERIFY).exits(0);
    // Another key makes another signature.
    world.run(&["key", "generate", "--no-password", "--output", "l"]).exits(0);
    world.refused(
        &["sign", "key", "model", "--private-key", "l.key"],
        2,
        "usage.output",
        "different signature",
    );
    world.run(&VERIFY).exits(0);
}

#[test]
fn a_dry_run_shows_the_statement_and_needs_neither_key_nor_file() {
    let world = World::new();
    let args = ["sign", "key", "model", "--private-key", "nowhere.key", "--dry-run"];
    let statement: Value = serde_json::from_str(&world.run(&args).exits(0).says_nothing().stdout).unwrap();
    assert_eq!(statement["predicateType"], "https://model_signing/signature/v1.0");
    assert_eq!(statement["predicate"]["resources"][0]["name"], "a.bin");
    assert_eq!(statement["subject"][0]["name"], "model");
    world.no_signature();
    // What would stop the signature is said now, and not after the key was used.
    world.file("model.sig", "text");
    world.refused(&args, 2, "usage.output", "not a Sigstore bundle");
}

#[test]
fn two_signers_at_once_leave_one_whole_signature() {
    let world = World::with_keys();
    world.run(&["key", "generate", "--no-password", "--output", "l"]).exits(0);
    world.sparse("model/large", 64 << 20);
    for _ in 0..4 {
        let _ = fs::remove_file(world.join("model.sig"));
        let children: Vec<_> = ["k.key", "l.key", "k.key", "l.key"]
            .iter()
            .map(|key| {
                let args = ["sign", "key", "model", "--hash", "blake3", "--private-key", key];
                world.command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let mut succeeded = 0;
        for child in children {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => succeeded += 1,
                Some(2) => {
                    assert!(said.contains("'model.sig' already holds a different signature"), "{said}")
                }
                other => panic!("{other:?}: {said}"),
            }
        }
        assert!(succeeded >= 1);
        let by =
            ["k.pub", "l.pub"].map(|key| world.run(&["verify", "key", "model", "--public-key", key]).code);
        assert!(by == [Some(0), Some(1)] || by == [Some(1), Some(0)], "{by:?}");
        let names = world.list(".");
        assert!(names.iter().all(|name| !name.ends_with(".tmp")), "{names:?}");
    }
}

#[test]
fn a_digest_says_when_it_counts_the_signature_as_a_file() {
    let world = World::signed();
    world.run(&["digest", "model"]).exits(0).says_nothing();
    let manifest = |ran: &crate::common::Ran| ran.json()["digests"]["manifest"].clone();
    let without = manifest(&world.run(&["digest", "model", "--format", "json"]));
    fs::rename(world.join("model.sig"), world.join("model/model.sig")).unwrap();
    world.run(&["digest", "model"]).exits(0).says("--ignore-paths model/model.sig");
    let counted = world.run(&["digest", "model", "--format", "json"]);
    assert_ne!(manifest(&counted), without);
    let left_out = ["digest", "model", "--ignore-paths", "model/model.sig", "--format", "json"];
    let ran = world.run(&left_out).exits(0).says_nothing();
    assert_eq!(manifest(&ran), without);
    world.file("model/model.sig", "not a signature");
    world.run(&["digest", "model"]).exits(0).says_nothing();
}
