//! `attest`: what is signed, by whom, where it goes, and what is refused.

use crate::common::{Ran, World, with};
use modelseal_testkit::Double;
use serde_json::{Value, json};

pub(crate) const COMMIT: &str = "7b964cd933b2cc9106deabd4641111826cfbc094";
pub(crate) const BASE: &str = "pkg:huggingface/acme/base@276e7028";

/// Attests that `model` was fine-tuned from `base`, with the private key of [`world`].
pub(crate) const FINE_TUNE: [&str; 9] = [
    "attest",
    "provenance",
    "model",
    "--build-type",
    "fine-tune",
    "--base",
    "pkg:huggingface/acme/base@276e7028=base",
    "--private-key",
    "k.key",
];

/// Keys, a model and a base model.
pub(crate) fn world() -> World {
    let world = World::with_keys();
    world.file("base/model.safetensors", "weights\n");
    world.file("base/config.json", "{}\n");
    world
}

/// The statement in a bundle.
pub(crate) fn statement(world: &World, bundle: &str) -> Value {
    let bundle: Value = serde_json::from_str(&world.read(bundle)).unwrap();
    payload(&bundle)
}

fn payload(bundle: &Value) -> Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// The statement that would be signed.
pub(crate) fn dry(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}\n{}\n{}", ran.stdout, ran.stderr))
}

#[test]
fn a_fine_tuning_is_attested_with_what_went_in() {
    let world = world();
    world.file("src/.git/HEAD", format!("{COMMIT}\n"));
    world.file("data/a.csv", "row\n");
    world.file("uv.lock", "lock\n");
    world.file(
        "run.toml",
        "build-type = \"fine-tune\"\nentry-point = \"train.py\"\n\
         [hyperparameters]\nseed = 9007199254740993\nlearning-rate = 2e-4\nepochs = 1\n\
         [builder]\nid = \"https://trainer.example.com/v1\"\n\
         [[byproduct]]\nname = \"log\"\npath = \"train.log\"\n",
    );
    world.file("train.log", "done\n");
    let image = format!("ghcr.io/acme/trainer:v1@sha256:{}", "ab".repeat(32));
    let more = [
        "--run",
        "run.toml",
        "--parameter",
        "epochs=3",
        "--dataset",
        "hf://datasets/acme/chat=data",
        "--source",
        "git+https://git.example.com/a/b@refs/heads/main=src",
        "--container",
        &image,
        "--lockfile",
        "uv.lock",
        "--started-on",
        "2026-03-01T12:00:00Z",
        "--finished-on",
        "2026-03-01T13:00:00Z",
    ];
    world
        .run(&with(&FINE_TUNE, &more))
        .exits(0)
        .prints("written:   model.provenance.sigstore.json")
        .prints(
            "level:     SLSA Build L1: this is what the job says about itself, whatever it is signed with",
        )
        .says("whether files were changed since is not known");
    let said = statement(&world, "model.provenance.sigstore.json");
    assert_eq!(said["predicateType"], "https://slsa.dev/provenance/v1");
    let definition = &said["predicate"]["buildDefinition"];
    let expected = json!({
        "baseModel": BASE,
        "datasets": ["hf://datasets/acme/chat"],
        "entryPoint": "train.py",
        "hyperparameters": { "epochs": "3", "learning-rate": "2e-4", "seed": "9007199254740993" },
        "source": "git+https://git.example.com/a/b@refs/heads/main",
    });
    assert_eq!(definition["externalParameters"], expected);
    let dependencies = definition["resolvedDependencies"].as_array().unwrap();
    let mut names: Vec<&str> = dependencies.iter().map(|d| d["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["baseModel", "container", "dataset", "lockfile", "source"]);
    let of = |name: &str| dependencies.iter().find(|d| d["name"] == name).unwrap();
    // The base model is named as its own statements name it.
    world.run(&["digest", "base"]).exits(0).prints(of("baseModel")["digest"]["dirHash"].as_str().unwrap());
    assert_eq!(of("baseModel")["annotations"]["digestMethod"], "oms/v1.0;files;sha256");
    assert_eq!(of("source")["digest"], json!({ "gitCommit": COMMIT }));
    assert_eq!(of("container")["uri"], "oci://ghcr.io/acme/trainer:v1");
    let run = &said["predicate"]["runDetails"];
    assert_eq!(run["builder"]["id"], "https://trainer.example.com/v1");
    assert_eq!(
        run["metadata"],
        json!({ "startedOn": "2026-03-01T12:00:00Z", "finishedOn": "2026-03-01T13:00:00Z" })
    );
    assert_eq!(run["byproducts"][0]["name"], "log");
    world
        .run(&["show", "model.provenance.sigstore.json", "--public-key", "k.pub"])
        .exits(0)
        .prints("verified  predicate    https://slsa.dev/provenance/v1");
}

#[test]
fn the_report_obeys_its_schema_and_every_destination_gets_the_same() {
    let world = world();
    let more = [
        "--output",
        "o.sigstore.json",
        "--append",
        "all.intoto.jsonl",
        "--store",
        "store",
        "--format",
        "json",
    ];
    let report = world.run(&with(&FINE_TUNE, &more)).exits(0).json();
    assert_eq!(report["schema"], "modelseal.attestation/v1");
    assert_eq!(report["provenance"]["level"], 1);
    let written: Vec<&str> =
        report["written"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    assert_eq!(written.len(), 3);
    let own = world.read("o.sigstore.json");
    assert_eq!(world.read("all.intoto.jsonl"), own.trim_end().to_owned() + "\n");
    assert_eq!(world.read(written[2]), own);
    // A second line, and the same bundle in the store once.
    world.run(&with(&FINE_TUNE, &more[2..6])).exits(0);
    assert_eq!(world.read("all.intoto.jsonl").lines().count(), 2);
    assert_eq!(world.list("store").len(), 1);
    assert_eq!(world.list("store/".to_owned().as_str()).len(), 1);
}

#[test]
fn a_bundle_beside_is_kept_and_evidence_in_the_model_is_none_of_its_files() {
    let world = world();
    world.run(&FINE_TUNE).exits(0);
    let other = with(&FINE_TUNE, &["--parameter", "epochs=3"]);
    world.refused(&other, 2, "usage.output", "already holds a different signature");
    world.run(&with(&other, &["--output", "model.provenance.sigstore.json", "--force"])).exits(0);
    world.file("notes.txt", "mine");
    let over = with(&FINE_TUNE, &["--output", "notes.txt"]);
    world.refused(&over, 2, "usage.output", "not a Sigstore bundle");
    let inside = with(&FINE_TUNE, &["--output", "model/sub/p.sigstore.json"]);
    world.refused(&inside, 2, "usage.output", "lies in the model");
    let inside = with(&FINE_TUNE, &["--output", "model/p.json"]);
    world.refused(&inside, 2, "usage.output", "lies in the model");
    let before = dry(&world.run(&with(&FINE_TUNE, &["--dry-run"])).exits(0));
    world.run(&with(&FINE_TUNE, &["--output", "model/p.sigstore.json"])).exits(0);
    world.run(&["sign", "key", "model", "--private-key", "k.key", "--signature", "model/model.sig"]).exits(0);
    let after = dry(&world.run(&with(&FINE_TUNE, &["--dry-run"])).exits(0));
    assert_eq!(before["subject"], after["subject"]);
    // A file of that name that is no bundle is one of the model's.
    world.file("model/x.sigstore.json", "{}");
    let more = dry(&world.run(&with(&FINE_TUNE, &["--dry-run"])).exits(0));
    assert_ne!(before["subject"], more["subject"]);
    let odd = with(&FINE_TUNE, &["--append", "all.jsonl"]);
    world.refused(&odd, 2, "usage.output", "ends in .intoto.jsonl");
    world.file("x.intoto.jsonl", "text\n");
    let odd = with(&FINE_TUNE, &["--append", "x.intoto.jsonl"]);
    world.refused(&odd, 2, "usage.output", "not a Sigstore bundle");
    let odd = with(&FINE_TUNE, &["--store", "model"]);
    world.refused(&odd, 2, "usage.output", "lies in the model");
}

#[test]
fn runs_that_break_their_build_type_are_refused() {
    let world = world();
    let attest =
        |more: &[&'static str]| with(&["attest", "provenance", "model", "--private-key", "k.key"], more);
    for (more, message) in [
        (&[][..], "the build type is not given"),
        (&["--build-type", "fine-tune"], "/externalParameters/baseModel: required"),
        (&["--build-type", "quantize", "--base", "a:b=base"], "/externalParameters/method: required"),
        (
            &["--build-type", "merge", "--base", "a:b=base", "--build-method", "slerp"],
            "at least two base models",
        ),
        (
            &["--build-type", "convert", "--base", "a:b=base", "--dataset", "c:d=base"],
            "'convert' has no datasets",
        ),
        (&["--build-type", "training", "--build-method", "x"], "'training' has no method; it has source"),
        (&["--build-type", "training", "--parameter", "epochs"], "write it as NAME=VALUE"),
        (&["--build-type", "training", "--parameter", "x=ghp_0123456789abcdefghij"], "looks like a secret"),
        (&["--build-type", "training", "--builder-id", "me"], "no URI"),
        (
            &[
                "--build-type",
                "training",
                "--started-on",
                "2026-03-02T00:00:00Z",
                "--finished-on",
                "2026-03-01T00:00:00Z",
            ],
            "before it started",
        ),
    ] {
        world.refused(&attest(more), 2, "usage.run", message);
    }
    let base = ["--build-type", "fine-tune", "--base", "a:b=base", "--base", "c:d=base"];
    world.refused(&attest(&base), 2, "usage.run", "has one base model, and 2 are given");
    for (more, message) in [
        (&["--build-type", "fine-tune", "--base", "base"][..], "no URI"),
        (&["--build-type", "fine-tune", "--base", "a:b=base", "--base", "a:b=model"], "given twice"),
        (&["--build-type", "training", "--container", "ghcr.io/a/b:v1"], "a tag can be moved"),
        (&["--build-type", "training", "--source", "git+https://h/a=base"], "no git checkout"),
    ] {
        world.refused(&attest(more), 2, "usage.input", message);
    }
    let gone = ["--build-type", "fine-tune", "--base", "a:b=gone"];
    world.refused(&attest(&gone), 3, "error.io", "gone");
    world.file("run.toml", "[hyperparameters]\nlr = 1\n\n[hyperparameter]\n");
    let unknown = ["--build-type", "training", "--run", "run.toml"];
    world.refused(&attest(&unknown), 2, "usage.run", "'run.toml', line 4: unknown key 'hyperparameter'");
    world.file("run.toml", "build-type = \"merge\"\n");
    world.refused(&attest(&unknown), 2, "usage.run", "--build-type is 'training'");
    world.file("run.toml", "[options]\nbits = 4\n");
    world.refused(&attest(&unknown), 2, "usage.run", "'training' has no options");
    world.no_signature();
}

#[test]
fn inputs_that_nothing_pins_are_unresolved() {
    let world = world();
    let args = with(&FINE_TUNE, &["--dataset", "hf://datasets/acme/chat"]);
    let document = world.refused(&args, 2, "usage.unresolved", "UNRESOLVED 'hf://datasets/acme/chat'");
    assert!(document["message"].as_str().unwrap().contains("/externalParameters/datasets/0"));
    let allowed = world.run(&with(&args, &["--allow-unresolved", "--format", "json"])).exits(0).json();
    assert_eq!(allowed["provenance"]["unresolved"].as_array().unwrap().len(), 1);
    world
        .run(&with(&args, &["--allow-unresolved"]))
        .exits(0)
        .says("warning: UNRESOLVED 'hf://datasets/acme/chat'");
}

#[test]
fn any_other_statement_is_read_strictly_where_its_type_is_known() {
    let world = world();
    let attest = |predicate_type: &'static str| {
        with(
            &["attest", "statement", "model", "--predicate", "p.json", "--private-key", "k.key"],
            &["--predicate-type", predicate_type],
        )
    };
    world.file("p.json", r#"{"seed": 9007199254740993, "nested": {"a": [1.50, null]}}"#);
    world
        .run(&attest("https://example.com/eval/v1"))
        .exits(0)
        .prints("written:   model.attestation.sigstore.json")
        .prints("predicate: https://example.com/eval/v1");
    let text = world.run(&with(&attest("https://example.com/eval/v1"), &["--dry-run"])).exits(0).stdout;
    assert!(text.contains(r#""predicate":{"nested":{"a":[1.50,null]},"seed":9007199254740993}"#), "{text}");
    world.refused(
        &attest("https://model_signing/signature/v1.0"),
        2,
        "usage.predicate",
        "`modelseal sign` makes it",
    );
    world.refused(&attest("eval"), 2, "usage.predicate", "no URI");
    let svr = attest("https://in-toto.io/attestation/test-result/v0.1");
    world.refused(&svr, 2, "usage.predicate", "/result: required");
    for (text, message) in [
        ("{\"a\":1,\"a\":2}", "duplicate member 'a'"),
        ("[]", "expected an object"),
        ("", "cannot be read"),
        ("{", "cannot be read"),
    ] {
        world.file("p.json", text);
        world.refused(&attest("https://example.com/eval/v1"), 2, "usage.predicate", message);
    }
    let provenance = |parameters: &str| {
        format!(
            r#"{{"buildDefinition": {{"buildType":
                "https://github.com/modelseal/modelseal/blob/main/docs/buildtypes/fine-tune/v1.md",
                "externalParameters": {parameters}}}, "runDetails": {{"builder": {{"id": "x:y"}}}}}}"#
        )
    };
    let slsa = attest("https://slsa.dev/provenance/v1");
    world.file("p.json", provenance(r#"{"baseModel": "a:b", "debug": true}"#));
    world.refused(
        &slsa,
        2,
        "usage.predicate",
        "/externalParameters/debug: the build type defines no such parameter",
    );
    world.file("p.json", provenance(r#"{"baseModel": "a:b"}"#));
    world.refused(&slsa, 2, "usage.unresolved", "UNRESOLVED 'a:b'");
    let allowed = with(&slsa, &["--allow-unresolved", "--output", "q.sigstore.json"]);
    world.run(&allowed).exits(0).says("UNRESOLVED 'a:b'");
    world.no_signature();
}

#[test]
fn an_identity_attests_unless_a_key_is_named() {
    let world = world();
    let double = Double::start();
    double.write_to(world.path()).unwrap();
    world.file("token", double.token("alice@example.com"));
    let keyless = [
        "attest",
        "provenance",
        "model",
        "--build-type",
        "training",
        "--trust-config",
        "trust_config.json",
        "--identity-token-file",
        "token",
        "--yes",
    ];
    world
        .run(&keyless)
        .exits(0)
        .prints("signer:    alice@example.com")
        .prints("log: ")
        .prints("level:     SLSA Build L1")
        .says("will say publicly, and for ever");
    world
        .run(&["show", "model.provenance.sigstore.json", "--trusted-root", "trusted_root.json"])
        .exits(0)
        .prints("verified  predicate    https://slsa.dev/provenance/v1");
    // What would stop it from being written is known before anything becomes public.
    let again = with(&keyless, &["--parameter", "a=b"]);
    world.refused(&again, 2, "usage.output", "already holds a different signature");
    let logged =
        ["attest", "provenance", "model", "--build-type", "training", "--tsa-url", "http://localhost:1"];
    world.refused(&logged, 2, "usage.flags", "go with a key");
    let uncertain =
        ["attest", "provenance", "model", "--build-type", "training", "--signing-certificate", "c.pem"];
    world.refused(&uncertain, 2, "usage.flags", "signs nothing without its key");
}

#[test]
fn shards_and_other_hashes_name_the_model_as_its_signature_does() {
    let world = world();
    let more = ["--method", "shards", "--shard-size", "4", "--hash", "blake3", "--dry-run"];
    let said = dry(&world.run(&with(&FINE_TUNE, &more)).exits(0));
    assert_eq!(said["subject"][0]["annotations"]["digestMethod"], "oms/v1.0;shards;4;blake3");
    assert_eq!(said["subject"].as_array().unwrap().len(), 1);
    // Inputs are always named by what every verifier can compare.
    let base = &said["predicate"]["buildDefinition"]["resolvedDependencies"][0];
    assert_eq!(base["annotations"]["digestMethod"], "oms/v1.0;files;sha256");
}
