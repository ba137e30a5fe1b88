//! `store` and `lineage --affected-by`, end to end.

use crate::common::World;
use modelseal::{KeySigner, PasswordError, PrivateKey, Signer as _};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;

fn digest(name: &str) -> String {
    Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn directory(name: &str) -> String {
    let dir = digest(name);
    format!(
        r#""digest":{{"sha256":"{}","manifest-sha256":"{dir}","dirHash":"{dir}"}},"annotations":{{"digestMethod":"oms/v1.0;files;sha256"}}"#,
        digest(&format!("root of {name}"))
    )
}

/// A bundle, signed by `k.key`, that says that a model was made from another.
fn step(world: &World, name: &str, from: &str) -> Vec<u8> {
    let statement = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"{name}",{}}}],"predicateType":"https://slsa.dev/provenance/v1",
        "predicate":{{"buildDefinition":{{"buildType":"https://example.com/tune/v1","externalParameters":{{}},
        "resolvedDependencies":[{{"name":"baseModel","uri":"pkg:huggingface/acme/base@1",{}}}]}},
        "runDetails":{{"builder":{{"id":"https://builder.example.com"}}}}}}}}"#,
        directory(name),
        directory(from)
    );
    let key = PrivateKey::from_pem(&fs::read(world.join("k.key")).unwrap(), || Err(PasswordError::NotGiven));
    let signer = KeySigner::new(key.unwrap());
    world.sign_payload(&signer, &statement)
}

impl World {
    fn sign_payload(&self, signer: &KeySigner, statement: &str) -> Vec<u8> {
        let kind = "application/vnd.in-toto+json";
        let mut pae = format!("DSSEv1 {} {kind} {} ", kind.len(), statement.len()).into_bytes();
        pae.extend_from_slice(statement.as_bytes());
        let base64 = |bytes: &[u8]| {
            let path = self.join("to-encode");
            fs::write(&path, bytes).unwrap();
            let text = self.tool("base64", &["-w0", "to-encode"]);
            fs::remove_file(path).unwrap();
            text
        };
        let (payload, signature) = (base64(statement.as_bytes()), base64(&signer.sign(&pae).unwrap()));
        // The hint that a signature of this key's carries.
        let model: Value = serde_json::from_str(&self.read("model.sig")).unwrap();
        let mut bundle = model.clone();
        bundle["dsseEnvelope"]["payload"] = payload.into();
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = signature.into();
        let mut bytes = serde_json::to_vec(&bundle).unwrap();
        bytes.push(b'\n');
        bytes
    }

    /// A store with the chain base -> a -> b, and the signature of `model`.
    fn with_store() -> Self {
        let world = Self::signed();
        world.file("a.sigstore.json", step(&world, "a", "base"));
        world.file("b.intoto.jsonl", [b"{\"v\": 2}\n".to_vec(), step(&world, "b", "a")].concat());
        world
            .run(&["store", "add", "a.sigstore.json", "b.intoto.jsonl", "model.sig", "--store", "store"])
            .exits(0)
            .prints("3 added, 0 there already")
            .says("b.intoto.jsonl: 1 lines are no bundles; line 1:");
        world
    }
}

#[test]
fn bundles_go_in_and_come_out() {
    let world = World::with_store();
    let again =
        world.run(&["store", "add", "model.sig", "--store", "store", "--format", "json"]).exits(0).json();
    assert_eq!((&again["added"], &again["count"]), (&0.into(), &1.into()));
    let place = again["bundles"][0]["place"].as_str().unwrap();
    assert_eq!(fs::read(world.join(place)).unwrap(), fs::read(world.join("model.sig")).unwrap());
    world
        .run(&["store", "list", "--store", "store"])
        .exits(0)
        .says_nothing()
        .prints("claims    https://slsa.dev/provenance/v1")
        .prints("claims    https://model_signing/signature/v1.0")
        .prints("about     model");
    let lines = world.run(&["store", "export", "--store", "store"]).exits(0).says_nothing().stdout;
    assert_eq!(lines.lines().count(), 3);
    world
        .run(&["store", "export", "--store", "store", "--out", "all.intoto.jsonl"])
        .exits(0)
        .prints("3 bundles");
    assert_eq!(world.read("all.intoto.jsonl"), lines);
    world.refused(
        &["store", "export", "--store", "store", "--out", "all.intoto.jsonl"],
        2,
        "usage.output",
        "cannot write to 'all.intoto.jsonl'",
    );
    world.run(&["store", "add", "all.intoto.jsonl", "--store", "copy"]).exits(0).prints("3 added");
    assert_eq!(world.run(&["store", "export", "--store", "copy"]).exits(0).stdout, lines);
    world.run(&["store", "check", "--store", "copy"]).exits(0).prints("3 bundles, 0 problems");
    world
        .run(&["store", "index", "--store", "copy"])
        .exits(0)
        .prints("3 bundles, 3 files read")
        .prints("2  https://slsa.dev/provenance/v1");
    let index = world.run(&["store", "index", "--store", "copy", "--format", "json"]).exits(0).json();
    assert_eq!((&index["count"], &index["read"]), (&3.into(), &0.into()));
}

#[test]
fn what_is_wrong_with_a_store_is_said() {
    let world = World::with_store();
    world.refused(&["store", "add", "missing", "--store", "s"], 2, "usage.file", "cannot read 'missing'");
    world.refused(
        &["store", "add", "model/a.bin", "--store", "s"],
        2,
        "usage.file",
        "model/a.bin: not a Sigstore bundle",
    );
    world.refused(
        &["store", "list", "--store", "missing"],
        2,
        "usage.file",
        "cannot open the store 'missing'",
    );
    world.refused(&["store", "list", "--store", "k.pub"], 2, "usage.file", "cannot open the store 'k.pub'");
    let listed = world.run(&["store", "list", "--store", "store", "--format", "json"]).exits(0).json();
    let place = listed["bundles"][0]["place"].as_str().unwrap();
    fs::write(world.join(place), b"{}").unwrap();
    world.file("store/\u{1b}[31mred.json", b"{}");
    let checked = world
        .run(&["store", "check", "--store", "store"])
        .exits(1)
        .prints("not-read")
        .prints("\\u{1b}[31mred");
    assert!(checked.stdout.contains("no-bundle") && checked.stdout.contains("2 bundles, 2 problems"));
    let report = world.run(&["store", "check", "--store", "store", "--format", "json"]).exits(1).json();
    assert_eq!(report["problems"].as_array().unwrap().len(), 2);
}

#[test]
fn a_bundle_that_two_readers_could_read_differently_is_wrong() {
    let world = World::with_store();
    let listed = world.run(&["store", "list", "--store", "store", "--format", "json"]).exits(0).json();
    let bundle = world.read(listed["bundles"][0]["place"].as_str().unwrap());
    let check = ["store", "check", "--store", "odd"];
    let twice = bundle.replacen('{', "{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\",", 1);
    let escaped = bundle.replacen("\"payload\"", "\"payload\":\"e30=\",\"p\\u0061yload\"", 1);
    for (name, text, kind, exit) in [
        ("twice.json", twice.clone(), "malformed  odd/odd.json: not a Sigstore bundle: duplicate member", 1),
        ("escaped.json", escaped, "duplicate member 'payload'", 1),
        ("lines.jsonl", format!("{bundle}{twice}"), "line 2: not a Sigstore bundle: duplicate member", 1),
        ("half.json", bundle[..bundle.len() / 2].to_owned(), "malformed", 1),
        ("other.json", "{\"a\": 1, \"a\": 2}".to_owned(), "no-bundle", 0),
    ] {
        let _ = fs::remove_dir_all(world.join("odd"));
        let name = if name.ends_with('l') { "odd/odd.jsonl" } else { "odd/odd.json" };
        world.file(name, text);
        world.run(&check).exits(exit).prints(kind);
    }
}

#[test]
fn a_file_of_many_bad_lines_is_told_in_a_hundred() {
    let world = World::with_store();
    world.file("odd/many.jsonl", "{}\n".repeat(150_000));
    let start = std::time::Instant::now();
    let report = world.run(&["store", "check", "--store", "odd", "--format", "json"]).exits(0).json();
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 101);
    assert!(problems[100]["message"].as_str().unwrap().starts_with("149900 more lines"), "{}", problems[100]);
    world
        .run(&["store", "index", "--store", "odd", "--format", "json"])
        .exits(0)
        .prints("150000 lines are no bundles");
    // Each took some ten microseconds when every line was read as a bundle and its problem kept.
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn descendants_are_listed_with_who_says_so() {
    let world = World::with_store();
    let by = format!("dirHash:{}", digest("base"));
    let ask = ["lineage", "--affected-by", &by, "--store", "store"];
    let text = world
        .run(&ask)
        .exits(0)
        .prints("2 artifacts descend from it")
        .prints("step 2: made from baseModel pkg:huggingface/acme/base@1")
        .prints("sigstore.json, NOT VERIFIED")
        .says("no signature was verified");
    assert!(
        text.stdout.contains("\n  a  dir:oms") && text.stdout.contains("\n    b  dir:oms"),
        "{}",
        text.stdout
    );
    let verified = [&ask[..], &["--public-key", "k.pub"]].concat();
    world.run(&verified).exits(0).says_nothing().prints("sigstore.json, signed by Ed25519 key");
    let report = world.run(&[&verified[..], &["--format", "json"]].concat()).exits(0).json();
    assert_eq!(report["complete"], true);
    assert_eq!(report["affected"].as_array().unwrap().len(), 2);
    let found_by = usize::try_from(report["affected"][1]["found-by"].as_u64().unwrap()).unwrap();
    let last = &report["edges"][found_by];
    assert_eq!((&last["from"], &last["to"]), (&1.into(), &2.into()));
    world.run(&[&ask[..], &["--format", "dot"]].concat()).exits(0).prints("digraph").prints("style=dashed");
    world
        .run(&[&verified[..], &["--format", "mermaid"]].concat())
        .exits(0)
        .prints("flowchart LR")
        .prints("n1 -->|\"baseModel\"| n2");

    world.run(&["key", "generate", "--no-password", "--output", "other"]).exits(0);
    world
        .run(&[&ask[..], &["--public-key", "other.pub"]].concat())
        .exits(0)
        .prints("nothing descends from it")
        .says("1 statements are by nobody who was named");
    world
        .run(&[&ask[..], &["--max-depth", "1"]].concat())
        .exits(3)
        .prints("NOT COMPLETE")
        .says("raise --max-depth");
}

#[test]
fn a_model_is_asked_about_by_measuring_it() {
    let world = World::with_store();
    let digests = world.run(&["digest", "model", "--format", "json"]).exits(0).json();
    let manifest =
        digests["digests"]["manifest"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let bundle = step_from_digest(&world, "c", &manifest);
    world.file("c.sigstore.json", bundle);
    world.run(&["store", "add", "c.sigstore.json", "--store", "store"]).exits(0);
    world
        .run(&["lineage", "--affected-by-model", "model", "--store", "store"])
        .exits(0)
        .prints("1 artifact descends from it")
        .prints("  c  dir:oms");
}

fn step_from_digest(world: &World, name: &str, manifest: &str) -> Vec<u8> {
    let statement = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"{name}",{}}}],"predicateType":"https://slsa.dev/provenance/v1",
        "predicate":{{"buildDefinition":{{"buildType":"https://example.com/tune/v1","externalParameters":{{}},
        "resolvedDependencies":[{{"name":"baseModel","uri":"a:b","digest":{{"dirHash":"{manifest}"}}}}]}},
        "runDetails":{{"builder":{{"id":"https://builder.example.com"}}}}}}}}"#,
        directory(name)
    );
    let key = PrivateKey::from_pem(&fs::read(world.join("k.key")).unwrap(), || Err(PasswordError::NotGiven));
    world.sign_payload(&KeySigner::new(key.unwrap()), &statement)
}

#[test]
fn questions_that_have_no_answer_are_refused() {
    let world = World::with_store();
    let digest = digest("base");
    for (by, message) in [
        ("abc", "is no digest"),
        ("md5:d41d8cd98f00b204e9800998ecf8427e", "digests of 'md5' identify nothing"),
        ("sha256:abc", "is not the algorithm's number"),
    ] {
        world.refused(&["lineage", "--affected-by", by, "--store", "store"], 2, "usage.flags", message);
    }
    let by = format!("sha256:{digest}");
    world.refused(&["lineage", "--affected-by", &by], 2, "usage.flags", "needs a --store");
    world.refused(&["digest", "model", "--format", "dot"], 2, "usage.flags", "only `lineage` prints dot");
    let ask = ["lineage", "--affected-by", &by, "--store", "store"];
    world.refused(&[&ask[..], &["--format", "sarif"]].concat(), 2, "usage.flags", "print sarif");
    world.file("thesis.db", b"x");
    world.refused(
        &[&ask[..], &["--index", "thesis.db"]].concat(),
        2,
        "usage.output",
        "is no index of a store",
    );
    assert_eq!(world.read("thesis.db"), "x");
}

#[test]
fn processes_that_write_at_once_lose_nothing() {
    let world = World::signed();
    for n in 0..24 {
        world.file(&format!("b{n}.sigstore.json"), step(&world, &format!("m{n}"), "base"));
    }
    let children: Vec<_> = (0..6)
        .map(|process| {
            // Every bundle is added by two processes.
            let files = (0..24).filter(|n| n % 6 == process || (n + 1) % 6 == process);
            let files: Vec<String> = files.map(|n| format!("b{n}.sigstore.json")).collect();
            let mut args = vec!["store", "add", "--store", "store"];
            args.extend(files.iter().map(String::as_str));
            world.command(&args).stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    // And others build the index meanwhile.
    for _ in 0..3 {
        let ran = world.run(&["store", "index", "--store", "store"]);
        assert!(matches!(ran.code, Some(0 | 2)), "{ran:?}");
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    world.run(&["store", "check", "--store", "store"]).exits(0).prints("24 bundles, 0 problems");
    let by = format!("dirHash:{}", digest("base"));
    world.run(&["lineage", "--affected-by", &by, "--store", "store"]).exits(0).prints("24 artifacts descend");
}

#[cfg(target_os = "linux")]
#[test]
fn a_store_that_cannot_be_written_to_is_asked_all_the_same() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with_store();
    fs::remove_file(world.join("store/.index.sqlite")).ok();
    fs::set_permissions(world.join("store"), fs::Permissions::from_mode(0o555)).unwrap();
    let by = format!("dirHash:{}", digest("base"));
    let ask = ["lineage", "--affected-by", &by, "--store", "store"];
    let mut command = world.command_as_nobody(&ask);
    crate::common::Ran::of(&mut command)
        .exits(0)
        .prints("2 artifacts descend from it")
        .says("cannot be kept in 'store/.index.sqlite'");
    fs::create_dir(world.join("cache")).unwrap();
    fs::set_permissions(world.join("cache"), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = world.command_as_nobody(&[&ask[..], &["--index", "cache/i.sqlite"]].concat());
    let ran = crate::common::Ran::of(&mut command).exits(0).prints("2 artifacts");
    assert!(!ran.stderr.contains("cannot be kept") && world.join("cache/i.sqlite").exists());
    fs::set_permissions(world.join("store"), fs::Permissions::from_mode(0o755)).unwrap();
}
