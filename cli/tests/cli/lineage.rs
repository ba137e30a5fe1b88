//! `modelseal lineage`, end to end: a base model, a model that was tuned from it, and one that was converted from that.

use crate::common::{World, with};
use serde_json::{Value, json};

const BASE: &str = "pkg:huggingface/acme/base@1";
const TUNED: &str = "pkg:huggingface/acme/tuned@1";
const TYPES: &str = "https://github.com/modelseal/modelseal/blob/main/docs/buildtypes";

/// Models, a store, and the keys `k` and `other`.
fn site() -> World {
    let world = World::with_keys();
    world.run(&["key", "generate", "--no-password", "--output", "other"]).exits(0);
    for (model, weights) in [("base", "1"), ("tuned", "2"), ("gguf", "3")] {
        world.file(&format!("{model}/weights.bin"), weights);
        world.file(&format!("{model}/config.json"), "{}");
    }
    world.file("store/README", "no bundle");
    world
}

/// Signs the model with `key` into the store.
fn sign(world: &World, model: &str, key: &str) {
    let (key, signature) = (format!("{key}.key"), format!("store/{model}.sig"));
    world.run(&["sign", "key", model, "--private-key", &key, "--signature", &signature]).exits(0);
}

/// How provenance pins a model.
fn digests(world: &World, model: &str) -> Value {
    let document = world.run(&["digest", model, "--format", "json"]).exits(0).json();
    let hex = |name: &str| document["digests"][name].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();
    json!({ "sha256": hex("root"), "dirHash": hex("manifest") })
}

/// Provenance of `model` by `key`, with one base model, in the store.
fn provenance(world: &World, model: &str, key: &str, how: &str, base: (&str, &Value)) {
    let format = if how == "convert" { json!({ "format": "gguf" }) } else { json!({}) };
    let mut parameters = json!({ "baseModel": base.0 });
    parameters.as_object_mut().unwrap().extend(format.as_object().unwrap().clone());
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": model, "digest": digests(world, model) }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": format!("{TYPES}/{how}/v1.md"),
                "externalParameters": parameters,
                "resolvedDependencies": [
                    { "name": "baseModel", "uri": base.0, "digest": base.1 },
                    { "name": "dataset", "uri": "https://data.example/d", "digest": { "sha256": "ab".repeat(32) } },
                    { "name": "source", "uri": "git+https://git.example/train@refs/tags/v1" },
                ],
            },
            "runDetails": {
                "builder": { "id": "https://trainer.example/l2" },
                "metadata": { "finishedOn": "2026-03-01T06:30:00Z" },
            },
        },
    });
    bundle(world, &statement.to_string(), key, &format!("store/{model}.provenance.json"));
}

/// Signs a statement: the envelope of a model's signature, with another payload.
fn bundle(world: &World, statement: &str, key: &str, path: &str) {
    let kind = "application/vnd.in-toto+json";
    let args =
        ["sign", "key", "model", "--private-key", &format!("{key}.key"), "--signature", "t.sig", "--force"];
    world.run(&args).exits(0);
    world.file("pae", format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len()));
    world.file("payload", statement);
    let key = format!("{key}.key");
    world.tool("openssl", &["pkeyutl", "-sign", "-inkey", &key, "-rawin", "-in", "pae", "-out", "sig"]);
    let base64 = |file| Value::from(world.tool("openssl", &["base64", "-A", "-in", file]));
    let mut bundle: Value = serde_json::from_str(&world.read("t.sig")).unwrap();
    bundle["dsseEnvelope"]["payload"] = base64("payload");
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64("sig");
    world.file(path, bundle.to_string());
}

/// All in order.
fn made() -> World {
    let world = site();
    sign(&world, "base", "k");
    provenance(&world, "tuned", "k", "fine-tune", (BASE, &digests(&world, "base")));
    provenance(&world, "gguf", "k", "convert", (TUNED, &digests(&world, "tuned")));
    world
}

const WALK: [&str; 6] = ["lineage", "gguf", "--store", "store", "--public-key", "k.pub"];

#[test]
fn a_lineage_that_is_in_order_is_a_tree_and_exit_0() {
    let world = made();
    let ran = world.run(&WALK).exits(0).says_nothing();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        lines[0].starts_with("gguf  manifest-sha256:") && lines[0].ends_with("…  VERIFIED"),
        "{}",
        ran.stdout
    );
    for part in [
        "├─ convert of: pkg:huggingface/acme/tuned@1  manifest-sha256:",
        "│  ├─ fine-tune of: pkg:huggingface/acme/base@1  manifest-sha256:",
        "│  ├─ dataset: https://data.example/d  sha256:abababababab…  pinned",
        "└─ source: git+https://git.example/train@refs/tags/v1  NOT PINNED: it has no digest",
        "│ built by https://trainer.example/l2 as ",
        "SIGNED",
    ] {
        assert!(ran.stdout.contains(part), "{part}\n{}", ran.stdout);
    }
    assert_eq!(lines.last(), Some(&"all of 3 models are vouched for by somebody trusted"));
    assert!(!ran.stdout.contains('\u{1b}'));
    let document = world.run(&with(&WALK, &["--format", "json"])).exits(0).json();
    assert_eq!((&document["schema"], &document["complete"]), (&"modelseal.lineage/v1".into(), &true.into()));
    let statuses: Vec<&Value> =
        document["nodes"].as_array().unwrap().iter().map(|node| &node["status"]).collect();
    assert_eq!(statuses, ["verified", "verified", "signed"]);
    // Of a model that is not here.
    let digest = format!("dirHash:{}", digests(&world, "gguf")["dirHash"].as_str().unwrap());
    world.run(&["lineage", "--digest", &digest, "--store", "store", "--public-key", "k.pub"]).exits(0);
}

#[test]
fn a_swapped_base_is_refused_at_exactly_its_hop() {
    let world = made();
    let at = format!("{BASE}=base");
    let args = with(&WALK, &["--at", &at]);
    world.run(&args).exits(0).prints("measured at base");
    let was = digests(&world, "base")["dirHash"].as_str().unwrap().to_owned();
    world.file("base/weights.bin", "swapped");
    let is = digests(&world, "base")["dirHash"].as_str().unwrap().to_owned();
    let ran = world.run(&args).exits(1);
    let ran = ran.prints("MISMATCH").prints("of 3 models: 1 mismatch");
    let said =
        format!("others were made from manifest-sha256:{was}, the files at 'base' are manifest-sha256:{is}");
    let ran = ran.prints(&said);
    assert_eq!(ran.stdout.matches("VERIFIED").count(), 2, "{}", ran.stdout);
}

#[test]
fn who_is_not_trusted_and_what_is_not_there_deny() {
    let world = made();
    let other = ["lineage", "gguf", "--store", "store", "--public-key", "other.pub"];
    world.run(&other).exits(1).prints("UNKNOWN-SIGNER").prints("it names the key with hint");
    provenance(&world, "tuned", "other", "fine-tune", (BASE, &digests(&world, "base")));
    world.run(&WALK).exits(1).prints("of 2 models: 1 unknown-signer");
    world.run(&with(&WALK, &["--public-key", "other.pub"])).exits(0);
    std::fs::remove_file(world.join("store/tuned.provenance.json")).unwrap();
    world.run(&WALK).exits(1).prints("UNRESOLVED").prints("there is no statement about it");
    world.run(&with(&WALK, &["--allow-unresolved"])).exits(0);
    std::fs::remove_file(world.join("store/gguf.provenance.json")).unwrap();
    world.run(&with(&WALK, &["--allow-unresolved"])).exits(1);
}

#[test]
fn a_policy_is_the_same_for_every_hop() {
    let world = made();
    let spki = |name: &str| {
        let shown = world.run(&["show", "store/base.sig", "--public-key", name, "--format", "json"]).json();
        shown["verification"]["signer"]["key-fingerprint"].as_str().unwrap().to_owned()
    };
    let policy = |more: &str| {
        let text = format!(
            "schema = \"modelseal.policy/v1\"\nid = \"p\"\nversion = 1\nexpires = 2099-01-01T00:00:00Z\n\
             signers.k = {{ kind = \"key\", principal = \"k\", file = \"k.pub\", spki-sha256 = \"{0}\" }}\n{more}\n\
             [builders.trainer]\nsigners = [\"k\"]\nbuilder-id = \"https://trainer.example/l2\"\nmax-level = 1\n\
             build-types = [\"{TYPES}/fine-tune/v1.md\", \"{TYPES}/convert/v1.md\"]\n\
             [[rule]]\nname = \"base\"\nmodels = [\"hf://huggingface.co/acme/base\"]\nsignature = {{ signers = [\"k\"] }}\n\
             [[rule]]\nname = \"tuned\"\nmodels = [\"hf://huggingface.co/acme/tuned\"]\n{1}\n\
             [[rule]]\nname = \"gguf\"\nmodels = [\"hf://huggingface.co/acme/gguf\"]\n{1}\n",
            spki("k.pub"),
            "slsa = { builders = [\"trainer\"], min-level = 1, unknown-parameters = \"allow\" }",
        );
        world.file("policy.toml", text);
    };
    policy("");
    let args = ["lineage", "gguf", "--store", "store", "--policy", "policy.toml", "--policy-unsigned"];
    let args = with(&args, &["--state-dir", "state", "--as", "hf://huggingface.co/acme/gguf"]);
    world.run(&args).exits(0).prints("VERIFIED").prints("SIGNED");
    let base = digests(&world, "base")["dirHash"].as_str().unwrap().to_owned();
    policy(&format!("[[deny]]\nid = \"d1\"\nreason = \"poisoned\"\ndigests = [\"manifest-sha256:{base}\"]"));
    world.run(&args).exits(1).prints("REVOKED").prints("denied by d1: poisoned [deny.digest]");
    let document = world.run(&with(&args, &["--format", "json"])).exits(1).json();
    assert_eq!(document["nodes"][2]["code"], "deny.digest");
}

#[test]
fn graphs_are_for_this_command_alone_and_hold_hostile_names() {
    let world = made();
    let name = "x:\"]; evil<b>\u{202e}\n";
    provenance(&world, "gguf", "k", "convert", (TUNED, &digests(&world, "tuned")));
    let dot = world.run(&with(&WALK, &["--format", "dot"])).exits(0).stdout;
    assert!(
        dot.starts_with("digraph lineage {\n") && dot.contains("n0 -> n1 [label=\"convert of\"];"),
        "{dot}"
    );
    assert!(dot.contains("\\nsigned\"];"), "{dot}");
    let mermaid = world.run(&with(&WALK, &["--format", "mermaid"])).exits(0).stdout;
    assert!(
        mermaid.starts_with("flowchart LR\n") && mermaid.contains("n0 -->|\"convert of\"| n1"),
        "{mermaid}"
    );
    world.file("odd/weights.bin", "4");
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "odd", "digest": digests(&world, "odd") }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://example.com/other",
                "externalParameters": {},
                "resolvedDependencies": [{ "name": "baseModel", "uri": name, "digest": digests(&world, "base") }],
            },
            "runDetails": { "builder": { "id": "x:y" } },
        },
    });
    bundle(&world, &statement.to_string(), "k", "store/odd.json");
    let odd = ["lineage", "odd", "--store", "store", "--public-key", "k.pub"];
    let text = world.run(&odd).exits(0).stdout;
    assert!(text.contains("x:\"]; evil<b>\\u{202e}\\u{a}"), "{text}");
    let dot = world.run(&with(&odd, &["--format", "dot"])).exits(0).stdout;
    assert!(dot.contains("x:\\\"]; evil<b>{U+202E}{U+000A}"), "{dot}");
    let mermaid = world.run(&with(&odd, &["--format", "mermaid"])).exits(0).stdout;
    assert!(!mermaid.contains("evil<") && mermaid.contains("evil#60;b#62;"), "{mermaid}");
    for format in ["dot", "mermaid"] {
        world
            .run(&["digest", "model", "--format", format])
            .exits(2)
            .says("only `lineage` prints dot and mermaid");
    }
    world.run(&with(&WALK, &["--format", "sarif"])).exits(2).says("use text or json");
}

#[test]
fn what_is_given_wrong_is_a_usage_error() {
    let world = made();
    for (args, says) in [
        (&["lineage", "gguf", "--store", "store"][..], "say who is trusted"),
        (&["lineage", "--store", "store", "--public-key", "k.pub"], "give a MODEL"),
        (&["lineage", "gguf", "--public-key", "k.pub", "--at", "x"], "write it as URI=PATH"),
        (&["lineage", "--digest", "sha256:AB", "--public-key", "k.pub"], "hexadecimal"),
        (
            &["lineage", "--digest", "md5:00000000000000000000000000000000", "--public-key", "k.pub"],
            "identify nothing",
        ),
        (&["lineage", "gguf", "--public-key", "k.pub", "--policy", "p"], "cannot be used with"),
        (&["lineage", "gguf", "--identity", "a@b"], "--identity-provider"),
    ] {
        world.run(args).exits(2).says(says);
    }
    world
        .run(&["lineage", "gguf", "--store", "nowhere", "--public-key", "k.pub"])
        .exits(2)
        .says("cannot open the store");
    world.run(&["lineage", "nowhere", "--public-key", "k.pub"]).exits(3);
}
