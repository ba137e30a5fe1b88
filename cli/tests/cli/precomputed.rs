//! `sign --digests`: signing what somebody else measured.

use crate::common::{SIGN, VERIFY, World, with};
use serde_json::Value;
use std::fs;

const PRECOMPUTED: [&str; 7] = ["sign", "key", "model", "--private-key", "k.key", "--digests", "d.json"];

#[test]
fn digests_of_the_whole_or_of_merged_parts_sign_like_the_model() {
    let world = World::with_keys();
    for flags in [&[][..], &["--method", "shards", "--shard-size", "4", "--hash", "blake2b"]] {
        let statement = world.run(&with(&with(&SIGN, &["--dry-run"]), flags)).exits(0).stdout;
        for parts in [false, true] {
            if parts {
                for (part, out) in [("1/2", "1.json"), ("2/2", "2.json")] {
                    let args = ["digest", "model", "--part", part, "--out", out];
                    world.run(&with(&args, flags)).exits(0);
                }
                world.run(&["digest", "--merge", "1.json", "2.json", "--out", "d.json"]).exits(0);
            } else {
                let printed = world.run(&with(&["digest", "model", "--format", "json"], flags)).exits(0);
                world.file("d.json", printed.stdout);
            }
            // The signature's own name is recorded as ignored only where it lies inside; here it does not.
            let said = world.run(&with(&PRECOMPUTED, &["--dry-run"])).exits(0).stdout;
            assert_eq!(said, statement);
            let args = with(&PRECOMPUTED, &["--force", "--format", "json"]);
            let signed = world.run(&args).exits(0).json();
            assert!(signed["notes"][0].as_str().unwrap().contains("the model was not read"), "{signed:#}");
            world.run(&VERIFY).exits(0);
        }
    }
    world.run(&with(&PRECOMPUTED, &["--force"])).exits(0).says("warning: the model was not read");
}

#[test]
fn the_model_is_not_read_and_verification_still_is() {
    let world = World::with_keys();
    world.run(&["digest", "model", "--out", "d.json"]).exits(0);
    world.file("model/a.bin", "other\n");
    world.run(&PRECOMPUTED).exits(0);
    world.refused(&VERIFY, 1, "integrity.digest-mismatch", "'a.bin' is changed");
    fs::rename(world.join("model"), world.join("other")).unwrap();
    world.refused(&PRECOMPUTED, 3, "error.io", "model");
    let other = ["sign", "key", "other", "--private-key", "k.key", "--digests", "d.json", "--force"];
    world
        .run(&other)
        .exits(0)
        .says("'d.json' was made from a model named 'model', and is signed for 'other'");
}

#[test]
fn documents_that_are_wrong_or_contradict_themselves_are_refused() {
    let world = World::with_keys();
    world.run(&["digest", "model", "--out", "d.json"]).exits(0);
    let good = world.read("d.json");
    let refused = |message: &str| {
        world.refused(&PRECOMPUTED, 2, "usage.digests", message);
        world.no_signature();
        world.file("d.json", &good);
    };
    let edit = |change: &dyn Fn(&mut Value)| {
        let mut document = serde_json::from_str(&good).unwrap();
        change(&mut document);
        world.file("d.json", document.to_string());
    };
    edit(&|d| d["resources"][0]["digest"] = d["resources"][1]["digest"].clone());
    refused("it says that the root digest is sha256:");
    edit(&|d| d["resources"][0]["name"] = "aa.bin".into());
    refused("it says that the manifest digest is sha256:");
    edit(&|d| d["model"]["files"] = 3.into());
    refused("it says that the number of files is 3, but its list gives 2");
    edit(&|d| d["resources"] = Value::Array(vec![]));
    refused("cannot sign the digests in 'd.json': no files");
    edit(&|d| d["resources"][1] = d["resources"][0].clone());
    refused("listed twice");
    edit(&|d| d["resources"][0]["name"] = "/etc/passwd".into());
    refused("absolute");
    edit(&|d| d["serialization"]["shard-size"] = 4.into());
    refused("'files' with this shard size is no serialization method");
    edit(&|d| d["serialization"]["ignore-paths"] = vec!["sub"].into());
    refused("covers it");
    edit(&|d| d["serialization"] = Value::Array(vec![]));
    refused("expected a JSON object");
    edit(&|d| d["schema"] = "modelseal.part/v1".into());
    refused("its schema is 'modelseal.part/v1', expected 'modelseal.digest/v1'");
    world.file("d.json", good.replacen("\"model\"", "\"notes\": [], \"model\"", 1));
    refused("duplicate member 'notes'");
    world.file("d.json", "sha256:00");
    refused("expected");
    fs::remove_file(world.join("d.json")).unwrap();
    refused("cannot be read");
    // A signature that would replace what it speaks of.
    world.file("model/m.sig", "x");
    fs::remove_file(world.join("d.json")).unwrap();
    world.run(&["digest", "model", "--out", "d.json"]).exits(0);
    fs::remove_file(world.join("model/m.sig")).unwrap();
    let inside = with(&PRECOMPUTED, &["--signature", "model/m.sig"]);
    world.refused(&inside, 2, "usage.digests", "it lists 'm.sig', where the signature goes");
}

#[test]
fn flags_about_measuring_do_not_go_with_digests() {
    let world = World::with_keys();
    world.run(&["digest", "model", "--out", "d.json"]).exits(0);
    for flags in
        [&["--hash", "sha256"][..], &["--ignore-paths", "x"], &["--threads", "1"], &["--allow-symlinks"]]
    {
        world.refused(&with(&PRECOMPUTED, flags), 2, "usage.flags", "cannot be used with");
    }
    world.no_signature();
}
