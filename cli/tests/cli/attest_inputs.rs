//! `attest`: inputs as they lie on a disk, runs between `begin` and `finish`, and what surrounds a run.

use crate::{
    attest::{BASE, COMMIT, FINE_TUNE, dry, statement, world},
    common::{World, with},
};
use serde_json::{Value, json};

const TRAINING: [&str; 7] =
    ["attest", "provenance", "model", "--build-type", "training", "--private-key", "k.key"];

fn dependencies(said: &Value, name: &str) -> Vec<Value> {
    let all = said["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
    all.iter().filter(|dependency| dependency["name"] == name).cloned().collect()
}

#[test]
fn a_base_model_is_known_by_its_signature_too() {
    let world = world();
    world.run(&["key", "generate", "--no-password", "--output", "other"]).exits(0);
    let sign = ["sign", "key", "base", "--private-key", "k.key", "--signature"];
    world.run(&with(&sign, &["base/model.sig"])).exits(0);
    world.run(&FINE_TUNE).exits(0).says("model.sig' was not verified here");
    let from_files = statement(&world, "model.provenance.sigstore.json");
    let signature = dependencies(&from_files, "baseModelSignature").remove(0);
    assert_eq!(signature["annotations"]["baseModel"], BASE);
    // The bundle alone names the same model.
    let base = format!("{BASE}=base/model.sig");
    let by_bundle = [
        "attest",
        "provenance",
        "model",
        "--build-type",
        "fine-tune",
        "--base",
        &base,
        "--private-key",
        "k.key",
    ];
    let said = dry(&world.run(&with(&by_bundle, &["--dry-run"])).exits(0).says("was not verified here"));
    assert_eq!(dependencies(&said, "baseModel"), dependencies(&from_files, "baseModel"));
    assert_eq!(dependencies(&said, "baseModelSignature"), [signature]);
    world.run(&with(&by_bundle, &["--base-key", "k.pub", "--dry-run"])).exits(0).says("was verified here");
    world.refused(
        &with(&by_bundle, &["--base-key", "other.pub"]),
        1,
        "signature.no-trusted-signer",
        "does not hold",
    );
    world.file("base/config.json", "{\"changed\": true}\n");
    world.refused(&FINE_TUNE, 1, "integrity.input-mismatch", "'config.json' is changed");
    world.file("base/model.sig", "not a bundle");
    world.refused(&by_bundle, 2, "usage.input", "no signature bundle");
}

#[test]
fn a_file_is_named_by_its_digest_and_never_as_a_directory() {
    let world = world();
    world.file("one.gguf", "weights");
    let said = dry(&world
        .run(&[
            "attest",
            "provenance",
            "one.gguf",
            "--build-type",
            "convert",
            "--base",
            "a:b=base",
            "--target-format",
            "gguf",
            "--dry-run",
        ])
        .exits(0));
    assert_eq!(said["subject"].as_array().unwrap().len(), 1);
    assert_eq!(said["subject"][0]["digest"].as_object().unwrap().len(), 1);
    assert_eq!(said["predicate"]["buildDefinition"]["externalParameters"]["format"], "gguf");
    let said = dry(&world.run(&with(&TRAINING, &["--base", "a:b=one.gguf", "--dry-run"])).exits(0));
    let base = dependencies(&said, "baseModel").remove(0);
    assert_eq!(base["digest"].as_object().unwrap().keys().collect::<Vec<_>>(), ["sha256"]);
    assert!(base.get("annotations").is_none());
}

fn croissant(sha256: &str, url: &str) -> String {
    json!({
        "@context": {}, "@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.1",
        "distribution": [{"@type": "cr:FileObject", "@id": "a.csv", "contentUrl": url, "sha256": sha256}],
    })
    .to_string()
}

#[test]
fn a_description_of_a_dataset_is_checked_against_its_files() {
    let world = world();
    let row = "3e2a2b3ba9ee12ce2e9aebd1e8c2d8e6b4dc1ffd1e0a7ba6c7bd5b5a1b5b5d55";
    world.file("data/part/a.csv", "row\n");
    let sha256 = world.tool("sha256sum", &["data/part/a.csv"])[..64].to_owned();
    let args = with(&TRAINING, &["--dataset", "hf://datasets/acme/chat=data/croissant.json"]);
    world.file("data/croissant.json", croissant(&sha256, "part/a.csv"));
    let ran = world.run(&with(&args, &["--dry-run"])).exits(0).says("1 of 1 files are pinned, 1 compared");
    let dataset = dependencies(&dry(&ran), "dataset").remove(0);
    assert_eq!(dataset["mediaType"], "application/ld+json");
    assert_eq!(dataset["annotations"]["croissantPinned"], "1");
    assert_eq!(dataset["digest"]["sha256"], world.tool("sha256sum", &["data/croissant.json"])[..64]);
    world.file("data/croissant.json", croissant(row, "part/a.csv"));
    world.refused(&args, 1, "integrity.input-mismatch", "described is 3e2a");
    world.file("data/croissant.json", croissant(&sha256, "../run.toml"));
    world.refused(&args, 1, "integrity.input-mismatch", "leads out of the dataset: '../run.toml'");
    world.file("data/croissant.json", croissant("https://github.com/x/issues/80", "https://h/a.csv"));
    world
        .run(&with(&args, &["--dry-run"]))
        .exits(0)
        .says("0 of 1 files are pinned")
        .says("'a.csv' has 'https://");
    world.file("data/croissant.json", "{\"a\": 1, \"a\": 2}");
    world.refused(&args, 2, "usage.input", "duplicate member");
    world.file("data/croissant.json", "{\"name\": \"x\"}");
    world.refused(&args, 2, "usage.input", "no Croissant description");
    // Any other JSON is data.
    world.file("data/rows.json", "{\"rows\": []}");
    world.run(&with(&TRAINING, &["--dataset", "x:y=data/rows.json"])).exits(0);
}

#[test]
fn a_run_between_begin_and_finish_is_measured_twice() {
    let world = world();
    world.file("data/a.csv", "row\n");
    let begin = [
        "attest",
        "begin",
        "--record",
        "run.json",
        "--base",
        &format!("{BASE}=base"),
        "--dataset",
        "x:y=data",
    ];
    let record = world.run(&with(&begin, &["--format", "json"])).exits(0).json();
    assert_eq!(record["schema"], "modelseal.run-record/v1");
    assert_eq!(record["inputs"].as_array().unwrap().len(), 2);
    world.run(&begin).exits(0).prints("input:     baseModel");
    // The model is made in between.
    world.file("model/trained.bin", "weights\n");
    let finish = [
        "attest",
        "finish",
        "model",
        "--record",
        "run.json",
        "--build-type",
        "fine-tune",
        "--private-key",
        "k.key",
    ];
    world.run(&finish).exits(0);
    let said = statement(&world, "model.provenance.sigstore.json");
    let metadata = &said["predicate"]["runDetails"]["metadata"];
    assert!(metadata["startedOn"].as_str().unwrap() <= metadata["finishedOn"].as_str().unwrap());
    assert_eq!(dependencies(&said, "baseModel").len() + dependencies(&said, "dataset").len(), 2);
    let names: Vec<&str> =
        said["subject"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"trained.bin"), "{names:?}");

    // One run file for both: what it names was measured before, and the rest of it counts afterwards.
    world.file(
        "run.toml",
        "build-type = \"fine-tune\"\n[hyperparameters]\nepochs = 3\n[lockfile]\npath = \"uv.lock\"\n\
         [[base]]\nuri = \"a:b\"\npath = \"base\"\n[source]\nuri = \"git+https://h/a\"\n",
    );
    world.file("uv.lock", "lock\n");
    let source = format!("git+https://h/a={COMMIT}");
    world.run(&["attest", "begin", "--record", "both.json", "--run", "run.toml"]).exits(0);
    let both =
        ["attest", "finish", "model", "--record", "both.json", "--run", "run.toml", "--private-key", "k.key"];
    world.refused(&both, 2, "usage.unresolved", "UNRESOLVED 'git+https://h/a'");
    world
        .run(&["attest", "begin", "--record", "both.json", "--run", "run.toml", "--source", &source])
        .exits(0);
    dry(&world.run(&with(&both, &["--dry-run"])).exits(0));
    let text =
        world.read("run.toml").replace("[source]\n", &format!("[source]\ndigest = \"gitCommit:{COMMIT}\"\n"));
    world.file("run.toml", text);
    world.run(&["attest", "begin", "--record", "both.json", "--run", "run.toml"]).exits(0);
    let both = dry(&world.run(&with(&both, &["--dry-run"])).exits(0));
    for name in ["baseModel", "source", "lockfile"] {
        assert_eq!(dependencies(&both, name).len(), 1, "{name}");
    }
    assert_eq!(
        both["predicate"]["buildDefinition"]["externalParameters"]["hyperparameters"],
        json!({"epochs": "3"})
    );

    // What is named again at the end has to be what was measured at the beginning.
    world.run(&["attest", "begin", "--record", "both.json", "--run", "run.toml"]).exits(0);
    let finish_both = [
        "attest",
        "finish",
        "model",
        "--record",
        "both.json",
        "--run",
        "run.toml",
        "--private-key",
        "k.key",
        "--dry-run",
    ];
    let zeros = format!("a:b=sha256:{}", "0".repeat(64));
    let other_commit = format!("git+https://h/a={}", "1".repeat(40));
    let other_source = format!("git+https://h/other={COMMIT}");
    for (flag, other, part) in [
        ("--base", &*zeros, "is not what was said: another pin"),
        ("--base", "a:b=data", "is not what was said: another pin"),
        ("--source", &other_commit, "another pin"),
        ("--source", &other_source, "'git+https://h/other' is given at its end"),
    ] {
        world.refused(&with(&finish_both, &[flag, other]), 1, "integrity.input-mismatch", part);
    }
    for (flag, same) in [("--base", "a:b=./base"), ("--base", "a:b"), ("--source", &*source)] {
        world.run(&with(&finish_both, &[flag, same])).exits(0);
    }

    let before = dependencies(&said, "dataset");
    world.file("data/a.csv", "other\n");
    world.file("data/b.csv", "new\n");
    let document = world.refused(&finish, 1, "integrity.input-mismatch", "'a.csv' was sha256:");
    assert!(document["message"].as_str().unwrap().contains("'b.csv' is new"), "{document:#}");
    let more = ["--inputs-may-change", "--dry-run"];
    let said = dry(&world.run(&with(&finish, &more)).exits(0).says("changed while the run lasted"));
    assert_eq!(dependencies(&said, "dataset"), before);
    std::fs::remove_dir_all(world.join("data")).unwrap();
    world.refused(&finish, 3, "error.io", "data");
    world.run(&with(&finish, &more)).exits(0).says("changed while the run lasted");

    for (text, message) in [
        ("{}", "missing field"),
        ("[]", "expected a JSON object"),
        (
            r#"{"schema": "modelseal.digest/v1", "started-on": "", "inputs": [], "notes": []}"#,
            "its schema is",
        ),
        (
            r#"{"schema": "modelseal.run-record/v1", "started-on": "today", "inputs": [], "notes": []}"#,
            "no time",
        ),
        (
            r#"{"schema": "modelseal.run-record/v1", "started-on": "", "inputs": [], "notes": [], "x": 1}"#,
            "unknown field",
        ),
    ] {
        world.file("run.json", text);
        world.refused(&finish, 2, "usage.file", message);
    }
    world.file("notes.txt", "mine");
    let over = ["attest", "begin", "--record", "notes.txt", "--base", "a:b=base"];
    world.refused(&over, 2, "usage.output", "not overwritten");
}

/// The statement of a run in an environment of these variables.
fn surrounded(world: &World, variables: &[(&str, &str)], more: &[&str]) -> Value {
    let mut command = world.command(&with(&with(&TRAINING, &["--dry-run"]), more));
    command.envs(variables.iter().copied());
    let ran = crate::common::Ran::of(&mut command).exits(0);
    assert!(!ran.stdout.contains("s3cr3t") && !ran.stderr.contains("s3cr3t"), "{}{}", ran.stdout, ran.stderr);
    dry(&ran)
}

#[test]
fn github_s_environment_is_recorded_and_its_secrets_are_not() {
    let world = world();
    world.file(
        "event.json",
        r#"{"inputs": {"epochs": "3", "hf_token": "s3cr3t", "registry": "https://u:s3cr3t@host"}}"#,
    );
    let event = world.join("event.json").display().to_string();
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "acme/train"),
        ("GITHUB_REF", "refs/heads/main"),
        ("GITHUB_SHA", COMMIT),
        ("GITHUB_WORKFLOW_REF", "acme/train/.github/workflows/t.yml@refs/heads/main"),
        ("GITHUB_RUN_ID", "9"),
        ("GITHUB_EVENT_NAME", "workflow_dispatch"),
        ("GITHUB_EVENT_PATH", &event),
        ("RUNNER_ENVIRONMENT", "github-hosted"),
        ("GITHUB_TOKEN", "ghs_s3cr3t"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "s3cr3t"),
        ("HF_TOKEN", "s3cr3t"),
    ];
    let said = surrounded(&world, &variables, &[]);
    let (definition, run) = (&said["predicate"]["buildDefinition"], &said["predicate"]["runDetails"]);
    assert_eq!(run["builder"]["id"], "https://github.com/acme/train/.github/workflows/t.yml@refs/heads/main");
    assert_eq!(run["metadata"]["invocationId"], "https://github.com/acme/train/actions/runs/9/attempts/1");
    assert_eq!(
        definition["externalParameters"],
        json!({"source": "git+https://github.com/acme/train@refs/heads/main"})
    );
    assert_eq!(dependencies(&said, "source")[0]["digest"]["gitCommit"], COMMIT);
    assert_eq!(definition["internalParameters"]["github_inputs"], json!({"epochs": "3"}));
    assert_eq!(definition["internalParameters"]["github_runner_environment"], "github-hosted");

    let said = surrounded(&world, &variables, &["--inputs-as-parameters", "--parameter", "lr=1e-4"]);
    let definition = &said["predicate"]["buildDefinition"];
    assert_eq!(definition["externalParameters"]["hyperparameters"], json!({"epochs": "3", "lr": "1e-4"}));
    assert!(definition["internalParameters"].get("github_inputs").is_none());

    // Flags say otherwise.
    let flags = [
        "--builder-id",
        "https://b.example/1",
        "--invocation-id",
        "x",
        "--source",
        "git+https://h/a@v1=0000000000000000000000000000000000000000",
    ];
    let said = surrounded(&world, &variables, &flags);
    assert_eq!(said["predicate"]["runDetails"]["builder"]["id"], "https://b.example/1");
    assert_eq!(dependencies(&said, "source")[0]["uri"], "git+https://h/a@v1");
    let said = surrounded(&world, &variables, &["--ci", "none"]);
    assert!(said["predicate"]["runDetails"]["builder"]["id"].as_str().unwrap().ends_with("local-builder.md"));

    // An event that cannot be read is said, and stops what rests on it.
    world.file("event.json", "[]");
    let mut command = world.command(&with(&TRAINING, &["--inputs-as-parameters"]));
    command.envs(variables);
    crate::common::Ran::of(&mut command).exits(2).says("/inputs is no object");
    surrounded(&world, &variables, &[]);
}

#[test]
fn other_systems_are_known_by_their_variables() {
    let world = world();
    for (variables, builder, source) in [
        (
            &[
                ("GITLAB_CI", "true"),
                ("CI_PROJECT_URL", "https://gitlab.com/acme/train"),
                ("CI_RUNNER_ID", "12"),
                ("CI_COMMIT_SHA", COMMIT),
                ("CI_COMMIT_BRANCH", "main"),
                ("CI_JOB_TOKEN", "s3cr3t"),
                ("CI_REPOSITORY_URL", "https://gitlab-ci-token:s3cr3t@gitlab.com/acme/train.git"),
            ][..],
            "https://gitlab.com/acme/train/-/runners/12",
            "git+https://gitlab.com/acme/train@refs/heads/main",
        ),
        (
            &[
                ("BUILDKITE", "true"),
                ("BUILDKITE_ORGANIZATION_SLUG", "acme"),
                ("BUILDKITE_PIPELINE_SLUG", "train"),
                ("BUILDKITE_REPO", "https://bot:s3cr3t@git.example.com/train"),
                ("BUILDKITE_BRANCH", "main"),
                ("BUILDKITE_COMMIT", COMMIT),
                ("BUILDKITE_AGENT_ACCESS_TOKEN", "s3cr3t"),
            ],
            "https://buildkite.com/acme/train",
            "git+https://git.example.com/train@refs/heads/main",
        ),
        (
            &[
                ("TEKTON_TASK_RUN_UID", "0f1e"),
                ("TEKTON_BUILDER_ID", "https://k8s.example.com/tekton"),
                ("TEKTON_GIT_URL", "https://git.example.com/train"),
                ("TEKTON_GIT_REVISION", "main"),
                ("TEKTON_GIT_COMMIT", COMMIT),
            ],
            "https://k8s.example.com/tekton",
            "git+https://git.example.com/train@main",
        ),
        (
            &[
                ("JENKINS_URL", "https://ci.example.com/"),
                ("BUILD_URL", "https://ci.example.com/job/train/5/"),
                ("GIT_URL", "https://bot:s3cr3t@git.example.com/train.git"),
                ("GIT_BRANCH", "origin/main"),
                ("GIT_COMMIT", COMMIT),
            ],
            "https://ci.example.com/",
            "git+https://git.example.com/train.git@refs/heads/main",
        ),
    ] {
        let said = surrounded(&world, variables, &[]);
        assert_eq!(said["predicate"]["runDetails"]["builder"]["id"], builder);
        assert_eq!(said["predicate"]["buildDefinition"]["externalParameters"]["source"], source);
        assert_eq!(dependencies(&said, "source")[0]["digest"]["gitCommit"], COMMIT);
    }
}

#[test]
fn credentials_in_addresses_do_not_get_into_a_statement() {
    let world = world();
    let source = format!("git+https://bot:s3cr3t@git.example.com/a@refs/heads/main={COMMIT}");
    let said = surrounded(&world, &[], &["--source", &source]);
    assert_eq!(
        said["predicate"]["buildDefinition"]["externalParameters"]["source"],
        "git+https://git.example.com/a@refs/heads/main"
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_is_no_predicate_and_is_not_waited_for() {
    let world = world();
    world.tool("mkfifo", &["pipe"]);
    let args = [
        "attest",
        "statement",
        "model",
        "--predicate-type",
        "x:y",
        "--predicate",
        "pipe",
        "--private-key",
        "k.key",
    ];
    world.refused(&args, 2, "usage.file", "it is not a regular file");
    let args = [
        "attest",
        "statement",
        "model",
        "--predicate-type",
        "x:y",
        "--predicate",
        "p",
        "--private-key",
        "pipe",
    ];
    world.file("p", "{}");
    world.refused(&args, 2, "usage.file", "it is not a regular file");
    world.refused(
        &["verify", "key", "model", "--public-key", "pipe"],
        2,
        "usage.file",
        "it is not a regular file",
    );
    // What the shell has opened is read, so that a key need not lie on a disk.
    let script = "cat k.pub | \"$0\" verify key model --public-key /dev/stdin --signature none.sig";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_modelseal")]).current_dir(world.path());
    assert!(!String::from_utf8_lossy(&shell.output().unwrap().stderr).contains("k.pub"));
}

#[test]
fn a_password_stays_out_of_a_base_models_name() {
    let world = world();
    let digest = "0".repeat(64);
    for base in ["u:s3cr3t@h/a", "u:s3cr3t@h:a", "//u:s3cr3t@h/a"] {
        let base = format!("{base}=sha256:{digest}");
        let args =
            ["attest", "provenance", "model", "--build-type", "fine-tune", "--base", &base, "--dry-run"];
        let ran = world.run(&args).exits(2).says("'https://h");
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("s3cr3t"));
    }
}
