//! Provenance as each producer writes it.

use super::{COMMIT, Site, V0_2, WORKFLOW, failed, github, statement};
use crate::common::with;
use serde_json::{Value, json};

const P: [&str; 2] = ["--bundle", "p.json"];

/// As slsa-github-generator writes it.
fn generator(inputs: Value) -> Value {
    let source = "git+https://github.com/acme/bert@refs/heads/main";
    json!({
        "builder": {"id": "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml@refs/tags/v2.1.0"},
        "buildType": "https://github.com/slsa-framework/slsa-github-generator/generic@v1",
        "invocation": {
            "configSource": {"uri": source, "digest": {"sha1": COMMIT}, "entryPoint": ".github/workflows/train.yml"},
            "parameters": inputs,
            "environment": {"github_event_name": "workflow_dispatch"},
        },
        "metadata": {"buildInvocationID": "8000000001-1", "reproducible": false},
        "materials": [{"uri": source, "digest": {"sha1": COMMIT}}],
    })
}

fn tekton() -> Value {
    json!({
        "buildDefinition": {
            "buildType": "https://tekton.dev/chains/v2/slsa",
            "externalParameters": {
                "runSpec": {"params": [{"name": "learning-rate", "value": "1e-5"}], "timeout": "24h0m0s"},
                "buildConfigSource": {"path": "tasks/train.yaml", "ref": format!("sha1:{COMMIT}"),
                                      "repository": "git+https://github.com/acme/pipelines.git"},
            },
            "resolvedDependencies": [{"name": "task", "uri": "git+https://github.com/acme/pipelines.git",
                                      "digest": {"sha1": COMMIT}}],
        },
        "runDetails": {"builder": {"id": "https://tekton.dev/chains/v2"},
                       "metadata": {"invocationId": "0f0b1a52-1111-4222-8333-944455566677"}},
    })
}

fn gitlab() -> Value {
    json!({
        "buildDefinition": {
            "buildType": "https://docs.gitlab.com/ci/pipeline_security/slsa/provenance_v1",
            "externalParameters": {"source": "https://gitlab.com/acme/vit", "entryPoint": "build-job",
                                   "variables": {"EPOCHS": "3", "HF_TOKEN": "[MASKED]"}},
            "internalParameters": {"architecture": "amd64", "job": 412},
            "resolvedDependencies": [{"uri": "https://gitlab.com/acme/vit", "digest": {"gitCommit": COMMIT}}],
        },
        "runDetails": {"builder": {"id": "https://gitlab.com/groups/acme/-/runners/33"},
                       "metadata": {"invocationId": 412}},
    })
}

fn runner() -> Value {
    json!({
        "buildType": "https://gitlab.com/gitlab-org/gitlab-runner/-/blob/v15.8.0/PROVENANCE.md",
        "builder": {"id": "https://gitlab.com/acme/vit/-/runners/14811533"},
        "invocation": {
            "configSource": {"uri": "https://gitlab.com/acme/vit", "digest": {"sha256": COMMIT}, "entryPoint": "train"},
            "environment": {"executor": "shell"},
            "parameters": {"CI": "", "EPOCHS": ""},
        },
    })
}

/// In the statement version that these producers write.
fn v0_1(site: &Site, predicate: Value) -> Value {
    let mut old = statement(json!([site.subject()]), V0_2, predicate);
    old["_type"] = json!("https://in-toto.io/Statement/v0.1");
    old
}

#[test]
fn slsa_github_generator_in_version_0_2() {
    let site = Site::new();
    site.bundle("p.json", &v0_1(&site, generator(json!({"event_inputs": {"epochs": "3"}}))));
    let flags =
        ["--source-uri", "github.com/acme/bert", "--source-branch", "main", "--source-digest", COMMIT];
    let base = with(&P, &flags);
    let report = site.refused(&base, "slsa.parameter-unknown", "/parameters/event_inputs/epochs is \"3\"");
    assert_eq!(failed(&report).len(), 1);
    let input = with(&base, &["--build-workflow-input", "epochs=3"]);
    site.run(&input).exits(0).prints("producer:  slsa-github-generator").prints("commit 94efdd");
    site.refused(&with(&base, &["--build-workflow-input", "epochs=4"]), "slsa.parameter-mismatch", "epochs");
    let builder = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml@refs/tags/v2.1.0";
    let level = ["--builder-id", builder, "--builder-level", "3", "--min-level", "3"];
    site.refused(&with(&input, &level), "slsa.not-compared", "/configSource/entryPoint");
    let entry = ["--parameter", "/configSource/entryPoint=.github/workflows/train.yml"];
    site.run(&with(&with(&input, &level), &entry)).exits(0).prints("SLSA Build L3");
    site.refused(
        &with(&P, &["--source-branch", "dev", "--allow-unknown-parameters"]),
        "slsa.ref-mismatch",
        "refs/heads/main",
    );
    // Inputs that were not there are no parameters; a statement of the new version is read, too.
    let mut new = v0_1(&site, generator(json!({"event_inputs": {}})));
    new["_type"] = json!("https://in-toto.io/Statement/v1");
    site.bundle("p.json", &new);
    site.run(&with(&P, &["--source-uri", "github.com/acme/bert", "--source-branch", "main"])).exits(0);
}

#[test]
fn github_with_the_community_build_type() {
    let site = Site::new();
    let mut predicate = github();
    let definition = &mut predicate["buildDefinition"];
    definition["buildType"] = json!("https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1");
    definition["externalParameters"]["inputs"] = json!({"epochs": 3, "debug": "true"});
    site.bundle("p.json", &site.statement(predicate));
    site.refused(&P, "slsa.parameter-unknown", "/inputs/debug");
    let inputs = ["--build-workflow-input", "epochs=3", "--build-workflow-input", "debug=true"];
    site.run(&with(&P, &inputs)).exits(0).prints("community build type");
    site.run(&with(&P, &["--any-parameter", "/inputs"])).exits(0);
    // The one build type never passes for the other.
    let other =
        ["--build-type", "https://actions.github.io/buildtypes/workflow/v1", "--any-parameter", "/inputs"];
    site.refused(&with(&P, &other), "slsa.build-type", "which is not listed");
    // actions/attest records no inputs, so that nothing can be said of one.
    site.bundle("p.json", &site.statement(github()));
    site.refused(&with(&P, &inputs), "slsa.parameter-mismatch", "is not recorded by this build type");
    site.run(&with(&P, &["--builder-id", WORKFLOW])).exits(0);
}

#[test]
fn tekton_chains_in_an_envelope_by_itself() {
    let site = Site::new();
    site.envelope("p.json", &site.statement(tekton()));
    let source = ["--source-uri", "https://github.com/acme/pipelines.git", "--source-digest", COMMIT];
    let base = with(&P, &source);
    let report = site.refused(&base, "slsa.parameter-unknown", "/runSpec/params");
    assert_eq!(failed(&report).len(), 2);
    site.run(&with(&base, &["--any-parameter", "/runSpec"])).exits(0).prints("Tekton Chains");
    let exact = [
        "--parameter",
        "/runSpec/params=[{\"name\":\"learning-rate\",\"value\":\"1e-5\"}]",
        "--parameter",
        "/runSpec/timeout=24h0m0s",
    ];
    site.run(&with(&base, &exact)).exits(0);
    let wrong = ["--any-parameter", "/runSpec", "--source-uri", "https://github.com/acme/pipelines"];
    site.refused(&with(&P, &wrong), "slsa.source-mismatch", "pipelines.git");
}

#[test]
fn gitlab_of_both_kinds() {
    let site = Site::new();
    site.bundle("p.json", &site.statement(gitlab()));
    let base = with(&P, &["--source-uri", "https://gitlab.com/acme/vit", "--source-digest", COMMIT]);
    site.refused(&base, "slsa.parameter-unknown", "/variables/EPOCHS");
    let variables = ["--build-workflow-input", "EPOCHS=3", "--any-parameter", "/variables/HF_TOKEN"];
    let report = site.json(&with(&base, &variables));
    let facts = &report["provenances"][0];
    assert_eq!((&facts["producer"], &facts["invocation-id"]), (&json!("gitlab"), &json!("412")));
    // Neither says which branch it was, and so no branch can be expected.
    site.refused(
        &with(&with(&base, &variables), &["--source-branch", "main"]),
        "slsa.ref-mismatch",
        "the ref is ''",
    );
    site.bundle("p.json", &v0_1(&site, runner()));
    // The runner writes names without values: nobody can tell what they were.
    let report = site.refused(&base, "slsa.parameter-unknown", "/parameters/CI");
    assert_eq!(failed(&report).len(), 2);
    let report = site.json(&with(&base, &["--any-parameter", "/parameters"]));
    assert_eq!(report["provenances"][0]["producer"], "gitlab-runner");
}

/// The statements that others have collected, made to speak of this model.
#[test]
fn collected_samples_are_judged() {
    let Ok(samples) = std::env::var("MODELSEAL_SAMPLES") else {
        return println!("MODELSEAL_SAMPLES is not set: nothing was tried");
    };
    let site = Site::new();
    let folder = std::path::Path::new(&samples).join("models-and-metadata/provenance");
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    for (name, producer) in [
        ("github-attest.json", "github-attest"),
        ("github-slsa-generator-v0.2.json", "slsa-github-generator"),
        ("gitlab-docs-integer-id.json", "gitlab"),
        ("gitlab-rails-v1.json", "gitlab"),
        ("gitlab-runner-v0.2.json", "gitlab-runner"),
        ("tekton-chains-v2alpha4.json", "tekton-chains"),
        ("training-llama.json", "modelseal"),
        ("training-lora.json", "modelseal"),
    ] {
        let text = read(&folder.join(name));
        site.bundle_text("p.json", &text);
        site.refused(&P, "attestation.subject-mismatch", "nothing of the model");
        let mut own: Value = serde_json::from_str(&text).unwrap();
        own["subject"] = json!([site.subject()]);
        site.bundle("p.json", &own);
        let report = site.json(&with(&P, &["--allow-unknown-parameters"]));
        assert_eq!(report["provenances"][0]["producer"], producer, "{name}");
        assert_eq!(report["provenances"][0]["source"]["commits"].as_array().unwrap().len(), 1, "{name}");
    }
    for entry in std::fs::read_dir(folder.join("bad")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = read(&path);
        site.bundle_text("p.json", &text);
        site.run(&P).exits(1);
        // What is wrong with it is not only whom it speaks of.
        if !name.contains("subject") && !name.contains("duplicate") {
            let mut own: Value = serde_json::from_str(&text).unwrap();
            own["subject"] = json!([site.subject()]);
            site.bundle("p.json", &own);
            let uppercase = name == "uppercase-digest.json";
            let ran = site.run(&P);
            println!("{name}: {}", ran.stderr.lines().next().unwrap_or_default());
            assert!(uppercase || ran.code == Some(1), "{name}");
        }
    }
}
