//! `digest --also`: further digests from the same read.

use crate::common::{World, with};
use serde_json::{Value, json};

/// What `fsverity digest` prints for a file that holds `one\n`.
const ONE: &str = "sha256:c92f252a1c26623f0cf6cf54995c0bca58e57ed387d70767581660e7ab7da7d8";

fn world() -> World {
    let world = World::new();
    world.file("m/b", "two\n");
    world.file("m/sub/a", "one\n");
    world
}

#[test]
fn further_digests_are_those_of_measurements_of_their_own() {
    let world = world();
    let also = ["digest", "m", "--also", "fs-verity,blake3", "--also", "sha256", "--format", "json"];
    let mut report = world.run(&also).exits(0).says_nothing().json();
    let further = report["also"].take();
    let names: Vec<&Value> = further.as_array().unwrap().iter().map(|also| &also["algorithm"]).collect();
    assert_eq!(names, ["sha256", "blake3", "fs-verity"]);
    for (at, algorithm) in [(0, "sha256"), (1, "blake3")] {
        let alone = world.run(&["digest", "m", "--hash", algorithm, "--format", "json"]).exits(0).json();
        assert_eq!(further[at]["root"], alone["digests"]["root"]);
        assert_eq!(further[at]["files"], alone["resources"]);
    }
    assert_eq!(further[2]["files"][1], json!({ "name": "sub/a", "digest": ONE }));
    assert_eq!(further[2].get("root"), None);
    // All else is as without.
    let mut plain = world.run(&["digest", "m", "--format", "json"]).exits(0).json();
    assert_eq!(plain.get("also"), None);
    plain["also"] = Value::Null;
    assert_eq!(report, plain);
}

#[test]
fn the_text_has_a_line_for_each() {
    let world = world();
    let plain = world.run(&["digest", "m"]).exits(0).stdout;
    let root = world.run(&["digest", "m", "--hash", "blake3"]).exits(0).stdout;
    let root = root.lines().next().unwrap();
    let printed = world.run(&["digest", "m", "--also", "blake3,fs-verity"]).exits(0).stdout;
    assert_eq!(printed, format!("{plain}also blake3 root {root}\nalso fs-verity of 2 files\n"));
}

#[test]
fn where_it_cannot_be_it_is_refused() {
    let world = world();
    let also = ["digest", "m", "--also", "fs-verity"];
    let shards = with(&also, &["--method", "shards", "--out", "x.json"]);
    world.refused(&shards, 2, "usage.flags", "further digests are of whole files");
    world.refused(&with(&also, &["--part", "1/2", "--out", "x.json"]), 2, "usage.flags", "--part");
    world.refused(&["digest", "--merge", "x.json", "--also", "sha256"], 2, "usage.flags", "--also");
    world.refused(&["digest", "m", "--also", "md5"], 2, "usage.flags", "fs-verity");
    assert!(!world.join("x.json").exists());
}

#[test]
fn a_document_with_them_is_signed_like_one_without() {
    let world = World::with_keys();
    let sign = ["sign", "key", "model", "--private-key", "k.key", "--digests", "d.json", "--dry-run"];
    world.run(&["digest", "model", "--out", "d.json"]).exits(0);
    let plain = world.run(&sign).exits(0).stdout;
    world.run(&["digest", "model", "--also", "blake2b,fs-verity", "--out", "d.json"]).exits(0);
    let document = world.read("d.json");
    assert!(document.contains("\"fs-verity\""), "{document}");
    assert_eq!(world.run(&sign).exits(0).stdout, plain);
    world.file("d.json", document.replace("\"algorithm\":", "\"Algorithm\":"));
    world.refused(&sign, 2, "usage.digests", "d.json");
}
