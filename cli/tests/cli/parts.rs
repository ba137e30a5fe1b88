//! `digest --part` and `digest --merge`: the parts give the whole, and nothing else does.

use crate::common::{World, with};
use serde_json::{Value, json};
use std::fs;

/// `model` with files of many sizes.
fn world() -> World {
    let world = World::new();
    for n in 0..23_u32 {
        world.file(
            &format!("model/dir-{}/{n}:x\n.bin", n % 3),
            vec![u8::try_from(n).unwrap(); 37 * n as usize],
        );
    }
    world
}

fn part(world: &World, part: &str, out: &str, flags: &[&str]) -> Value {
    let args = ["digest", "model", "--part", part, "--out", out, "--format", "json"];
    let printed = world.run(&with(&args, flags)).exits(0).json();
    assert_eq!(serde_json::from_str::<Value>(&world.read(out)).unwrap(), printed);
    printed
}

fn parts(world: &World, of: usize, flags: &[&str]) -> Vec<String> {
    let name = |n: usize| format!("p{n}.json");
    let all = (1..=of).map(|n| part(world, &format!("{n}/{of}"), &name(n), flags)).collect::<Vec<_>>();
    assert!(all.iter().all(|part| part["plan"] == all[0]["plan"]));
    (1..=of).map(name).collect()
}

fn merge(parts: &[String]) -> Vec<&str> {
    ["digest", "--merge"].into_iter().chain(parts.iter().map(String::as_str)).collect()
}

fn edit(world: &World, name: &str, change: impl FnOnce(&mut Value)) {
    let mut document = serde_json::from_str(&world.read(name)).unwrap();
    change(&mut document);
    world.file(name, document.to_string());
}

#[test]
fn merged_parts_are_byte_for_byte_the_whole() {
    let world = world();
    let forms: [&[&str]; 4] = [
        &[],
        &["--hash", "blake2b", "--ignore-paths", "model/dir-1"],
        &["--method", "shards", "--shard-size", "100"],
        &["--method", "shards", "--shard-size", "64", "--hash", "blake3", "--allow-symlinks"],
    ];
    for flags in forms {
        for of in [1, 3, 40] {
            let mut names = parts(&world, of, flags);
            // Their order does not matter.
            names.reverse();
            for format in ["text", "json"] {
                let whole = with(&with(&["digest", "model"], flags), &["--format", format]);
                let whole = world.run(&whole).exits(0).stdout;
                let merged = with(&merge(&names), &["--out", "merged.json", "--format", format]);
                let merged = world.run(&merged).exits(0).says_nothing().stdout;
                assert!(merged == whole, "{flags:?} {of} {format}\n{merged}\n{whole}");
            }
            world.run(&with(&with(&["digest", "model", "--out", "whole.json"], flags), &[])).exits(0);
            assert_eq!(world.read("merged.json"), world.read("whole.json"));
        }
    }
}

#[test]
fn parts_are_balanced_and_each_resource_is_in_one() {
    let world = World::new();
    for n in 0..12 {
        world.sparse(&format!("model/{n}"), (n + 1) << 20);
    }
    let whole = world.run(&["digest", "model", "--format", "json"]).exits(0).json();
    let all: Vec<Value> = (1..=4).map(|n| part(&world, &format!("{n}/4"), "p.json", &[])).collect();
    let bytes: Vec<u64> = all.iter().map(|part| part["bytes"].as_u64().unwrap()).collect();
    assert_eq!(bytes.iter().sum::<u64>(), whole["model"]["bytes"]);
    assert!(bytes.iter().max().unwrap() - bytes.iter().min().unwrap() <= 4 << 20, "{bytes:?}");
    let count: usize = all.iter().map(|part| part["resources"].as_array().unwrap().len()).sum();
    assert_eq!(count, 14);
}

#[test]
fn notes_are_those_of_the_whole() {
    let world = world();
    let flags = ["--ignore-paths", "elsewhere"];
    let names = parts(&world, 2, &flags);
    let merged = world.run(&with(&merge(&names), &["--format", "json"])).exits(0);
    let whole = world.run(&with(&["digest", "model", "--format", "json"], &flags)).exits(0);
    assert_eq!(merged.stdout, whole.stdout);
    assert!(merged.stdout.contains("lies outside the model"));
}

#[test]
fn what_are_not_all_parts_of_one_plan_is_refused() {
    let world = world();
    let names = parts(&world, 3, &[]);
    let refused = |names: &[&str], message: &str| {
        let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
        world.refused(&merge(&names), 2, "usage.part", message);
    };
    refused(&["p1.json", "p3.json"], "1 of 3 parts are missing: 2");
    refused(&["p1.json", "p2.json", "p2.json", "p3.json"], "'p2.json' and 'p2.json' are both part 2/3");
    refused(&["p1.json", "p2.json", "nowhere.json"], "'nowhere.json' is no part of a measurement: cannot be");
    refused(&["p1.json", "model"], "'model' is no part of a measurement: cannot be read");
    part(&world, "2/4", "of-four.json", &[]);
    refused(&["p1.json", "of-four.json", "p3.json"], "of the former, its number of parts is 4, not 3");
    part(&world, "2/3", "shards.json", &["--method", "shards", "--shard-size", "9"]);
    refused(&["p1.json", "shards.json", "p3.json"], "of the former, its plan is sha256:");
    // The same model in another state, and another model.
    world.file("model/a.bin", "longer than before");
    part(&world, "2/3", "later.json", &[]);
    refused(
        &["p1.json", "later.json", "p3.json"],
        "'later.json' and 'p1.json' are not parts of one measurement",
    );
    fs::rename(world.join("model"), world.join("other")).unwrap();
    world.run(&["digest", "other", "--part", "2/3", "--out", "other.json"]).exits(0);
    refused(&["p1.json", "other.json", "p3.json"], "its model is 'other', not 'model'");
    world.run(&merge(&names)).exits(0);
}

#[test]
fn an_edited_part_is_refused() {
    let world = world();
    let names = parts(&world, 3, &[]);
    let plan: Value = serde_json::from_str::<Value>(&world.read("p1.json")).unwrap()["plan"].clone();
    let good = world.read("p2.json");
    let refused = |message: &str| {
        world.refused(&merge(&names), 2, "usage.part", message);
        world.file("p2.json", &good);
    };
    // A part of another plan that claims to be one of this.
    world.file("model/more.bin", "x");
    part(&world, "2/3", "p2.json", &[]);
    fs::remove_file(world.join("model/more.bin")).unwrap();
    edit(&world, "p2.json", |part| part["plan"] = plan);
    world.refused(&merge(&names), 2, "usage.part", "p2.json'");
    world.file("p2.json", &good);

    edit(&world, "p2.json", |part| drop(part["resources"].as_array_mut().unwrap().pop()));
    refused("'p2.json': it says that it has ");
    edit(&world, "p2.json", |part| {
        let gone = part["resources"].as_array_mut().unwrap().pop().unwrap();
        part["bytes"] = (part["bytes"].as_u64().unwrap() - gone["bytes"].as_u64().unwrap()).into();
    });
    refused("'p1.json', 'p2.json', 'p3.json': together they are not the plan that they name");
    edit(&world, "p2.json", |part| {
        let list = part["resources"].as_array_mut().unwrap();
        list.push(json!({ "name": "added", "bytes": 0, "digest": list[0]["digest"] }));
    });
    refused("together they are not the plan");
    edit(&world, "p2.json", |part| {
        let list = part["resources"].as_array_mut().unwrap();
        list.push(json!({ "name": list[0]["name"], "bytes": 0, "digest": list[0]["digest"] }));
    });
    refused("is listed in 'p2.json' and in 'p2.json'");
    edit(&world, "p2.json", |part| part["part"] = 1.into());
    refused("'p1.json' and 'p2.json' are both part 1/3");
    edit(&world, "p2.json", |part| part["part"] = 4.into());
    refused("'p2.json': of 3 parts there is no part 4");
    edit(&world, "p2.json", |part| part["of"] = 4_000_000_000_u32.into());
    refused("'p2.json': there can be 1 to 65536 parts");
    edit(&world, "p2.json", |part| part["serialization"]["hash"] = "blake3".into());
    refused("'p2.json'");
    edit(&world, "p2.json", |part| part["serialization"]["allow-symlinks"] = true.into());
    refused("'p2.json': it names the same plan as the others but other serialization parameters");
    edit(&world, "p2.json", |part| part["schema"] = "modelseal.digest/v1".into());
    refused("'p2.json' is no part of a measurement: its schema is 'modelseal.digest/v1'");
    edit(&world, "p2.json", |part| part["resources"][0]["name"] = "../escape".into());
    refused("'p2.json' is no part of a measurement: '../escape'");
    edit(&world, "p2.json", |part| part["resources"][0]["digest"] = "sha256:00".into());
    refused("'p2.json' is no part of a measurement: the digest of '");
    edit(&world, "p2.json", |part| part["plan"] = "sha256:zz".into());
    refused("'p2.json': its plan is no sha256 digest");
    edit(&world, "p2.json", |part| part["more"] = 1.into());
    refused("unknown field `more`");
    world.file("p2.json", good.replacen("\"part\": 2", "\"part\": 2, \"part\": 2", 1));
    refused("duplicate member 'part'");
    world.file("p2.json", &good[..good.len() / 2]);
    refused("'p2.json' is no part of a measurement: EOF");
    world.file("p2.json", "");
    refused("'p2.json' is no part of a measurement: empty");
    world.run(&merge(&names)).exits(0);
}

#[test]
fn shards_of_an_edited_part_must_cover_their_file() {
    let world = World::new();
    let names = parts(&world, 2, &["--method", "shards", "--shard-size", "4"]);
    edit(&world, "p1.json", |part| part["resources"][0]["bytes"] = 9.into());
    world.refused(&merge(&names), 2, "usage.part", "cannot have 9 bytes");
}

#[test]
fn a_part_can_be_made_again_and_replaces_no_other_file() {
    let world = world();
    let first = part(&world, "1/2", "p.json", &[]);
    assert_eq!(part(&world, "1/2", "p.json", &[]), first);
    // What a killed process left of its temporary file does not matter.
    world.file(".modelseal-killed.tmp", "half");
    part(&world, "2/2", "p.json", &["--hash", "blake3"]);
    world.file("notes.txt", "mine");
    let to = |out: &'static str| ["digest", "model", "--part", "1/2", "--out", out];
    world.refused(&to("notes.txt"), 2, "usage.output", "it exists and is not a document of this kind");
    assert_eq!(world.read("notes.txt"), "mine");
    world.refused(&["digest", "model", "--out", "p.json"], 2, "usage.output", "not a document of this kind");
    world.refused(&to("model"), 2, "usage.output", "it is a directory");
    world.refused(&to("nowhere/p.json"), 2, "usage.output", "the directory 'nowhere' does not exist");
    world.refused(&to("model/p.json"), 2, "usage.output", "it lies in the model, which it would change");
    assert!(world.list("model").iter().all(|name| name != "p.json"));
    assert_eq!(world.list(".").iter().filter(|name| name.ends_with(".tmp")).count(), 1);
}

#[test]
fn flags_that_do_not_go_together_are_wrong_usage() {
    let world = world();
    let names = parts(&world, 1, &[]);
    for flags in [
        &["model", "--merge", "p1.json"][..],
        &["--merge", "p1.json", "--hash", "sha256"],
        &["--merge", "p1.json", "--part", "1/2", "--out", "x.json"],
        &["--merge", "p1.json", "--threads", "1"],
        &["--merge", "p1.json", "--ignore-paths", "x"],
        &["--merge"],
        &["model", "--part", "1/2"],
        &["model", "--part", "0/2", "--out", "x.json"],
        &["model", "--part", "3/2", "--out", "x.json"],
        &["model", "--part", "1", "--out", "x.json"],
        &[],
    ] {
        world.refused(&with(&["digest"], flags), 2, "usage.flags", "error: ");
    }
    world.run(&merge(&names)).exits(0);
    assert!(!world.join("x.json").exists());
}
