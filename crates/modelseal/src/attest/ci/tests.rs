use super::*;
use std::fs;

const COMMIT: &str = "7b964cd933b2cc9106deabd4641111826cfbc094";

fn facts(variables: &[(&str, &str)]) -> CiFacts {
    let environment = environment(variables);
    environment.facts(environment.system().unwrap())
}

fn environment(variables: &[(&str, &str)]) -> CiEnvironment {
    CiEnvironment::of(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

fn text(facts: &CiFacts, name: &str) -> String {
    facts.internal.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn github_is_read_as_its_own_provenance_says_it() {
    let facts = facts(&[
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "acme/train"),
        ("GITHUB_REPOSITORY_ID", "1"),
        ("GITHUB_REF", "refs/heads/main"),
        ("GITHUB_SHA", COMMIT),
        ("GITHUB_WORKFLOW_REF", "acme/train/.github/workflows/train.yml@refs/heads/main"),
        ("GITHUB_RUN_ID", "9"),
        ("GITHUB_RUN_ATTEMPT", "2"),
        ("GITHUB_EVENT_NAME", "push"),
        ("GITHUB_EVENT_PATH", "/event.json"),
        ("RUNNER_ENVIRONMENT", "self-hosted"),
    ]);
    assert_eq!(
        facts.builder_id.as_deref(),
        Some("https://github.com/acme/train/.github/workflows/train.yml@refs/heads/main")
    );
    assert_eq!(
        facts.invocation_id.as_deref(),
        Some("https://github.com/acme/train/actions/runs/9/attempts/2")
    );
    assert_eq!(facts.source.as_deref(), Some("git+https://github.com/acme/train@refs/heads/main"));
    assert_eq!(facts.commit.as_deref(), Some(COMMIT));
    assert_eq!(text(&facts, "github_runner_environment"), "self-hosted");
    // Only what was started by hand has inputs.
    assert_eq!(facts.event, None);
}

#[test]
fn gitlab_buildkite_and_jenkins_name_their_builder_run_and_source() {
    for (variables, builder, run, source, internal) in [
        (
            &[
                ("GITLAB_CI", "true"),
                ("CI_PROJECT_URL", "https://gitlab.com/acme/train"),
                ("CI_RUNNER_ID", "12"),
                ("CI_JOB_URL", "https://gitlab.com/acme/train/-/jobs/3"),
                ("CI_COMMIT_SHA", COMMIT),
                ("CI_COMMIT_TAG", "v1"),
                ("CI_JOB_STARTED_AT", "2026-03-01T12:00:00Z"),
                ("CI_PIPELINE_SOURCE", "web"),
            ][..],
            "https://gitlab.com/acme/train/-/runners/12",
            "https://gitlab.com/acme/train/-/jobs/3",
            "git+https://gitlab.com/acme/train@refs/tags/v1",
            ("gitlab_pipeline_source", "web"),
        ),
        (
            &[
                ("BUILDKITE", "true"),
                ("BUILDKITE_ORGANIZATION_SLUG", "acme"),
                ("BUILDKITE_PIPELINE_SLUG", "train"),
                ("BUILDKITE_BUILD_URL", "https://buildkite.com/acme/train/builds/7"),
                ("BUILDKITE_JOB_ID", "0190"),
                ("BUILDKITE_REPO", "git@github.com:acme/train.git"),
                ("BUILDKITE_BRANCH", "main"),
                ("BUILDKITE_COMMIT", COMMIT),
                ("BUILDKITE_BUILD_NUMBER", "7"),
            ],
            "https://buildkite.com/acme/train",
            "https://buildkite.com/acme/train/builds/7#0190",
            "git+ssh://github.com/acme/train.git@refs/heads/main",
            ("buildkite_build_number", "7"),
        ),
        (
            &[
                ("JENKINS_URL", "https://ci.example.com/"),
                ("BUILD_URL", "https://ci.example.com/job/train/5/"),
                ("GIT_URL", "https://bot:s3cr3t@git.example.com/train.git?token=abc"),
                ("GIT_BRANCH", "origin/main"),
                ("GIT_COMMIT", COMMIT),
                ("JOB_NAME", "train"),
            ],
            "https://ci.example.com/",
            "https://ci.example.com/job/train/5/",
            "git+https://git.example.com/train.git@refs/heads/main",
            ("jenkins_job_name", "train"),
        ),
    ] {
        let facts = facts(variables);
        assert_eq!(facts.builder_id.as_deref(), Some(builder));
        assert_eq!(facts.invocation_id.as_deref(), Some(run));
        assert_eq!(facts.source.as_deref(), Some(source));
        assert_eq!(facts.commit.as_deref(), Some(COMMIT));
        assert_eq!(text(&facts, internal.0), internal.1);
        assert!(!format!("{facts:?}").contains("s3cr3t"), "{facts:?}");
    }
}

#[test]
fn tekton_says_what_its_task_hands_on_and_no_builder_unless_told() {
    let variables = [
        ("TEKTON_TASK_RUN_UID", "0f1e"),
        ("TEKTON_TASK_RUN_NAME", "train-x1"),
        ("TEKTON_GIT_URL", "https://git.example.com/train"),
        ("TEKTON_GIT_REVISION", "refs/heads/main"),
        ("TEKTON_GIT_COMMIT", COMMIT),
    ];
    let found = facts(&variables);
    assert_eq!(found.builder_id, None);
    assert_eq!(found.invocation_id.as_deref(), Some("0f1e"));
    assert_eq!(found.source.as_deref(), Some("git+https://git.example.com/train@refs/heads/main"));
    assert_eq!(text(&found, "tekton_task_run"), "train-x1");
    let told = facts(&[&variables[..], &[("TEKTON_BUILDER_ID", "https://k8s.example.com/tekton")]].concat());
    assert_eq!(told.builder_id.as_deref(), Some("https://k8s.example.com/tekton"));
}

#[test]
fn only_listed_variables_are_looked_at_and_none_is_called_like_a_secret() {
    let asked = std::cell::RefCell::new(Vec::new());
    let everything = CiEnvironment::of(|name| {
        asked.borrow_mut().push(name.to_owned());
        Some("true".to_owned())
    });
    assert_eq!(asked.into_inner(), CI_VARIABLES);
    for name in CI_VARIABLES {
        assert!(!secret::is_named_so(name), "{name}");
    }
    // Of several systems the first counts, and nonsense is none.
    assert_eq!(everything.system(), Some(CiSystem::GitHub));
    assert_eq!(everything.facts(CiSystem::GitHub).builder_id.as_deref(), None);
    assert_eq!(environment(&[("CI", "true"), ("GITHUB_ACTIONS", "false")]).system(), None);
}

#[test]
fn values_that_look_like_secrets_are_left_out_with_a_note() {
    let facts = facts(&[
        ("JENKINS_URL", "https://bot:pw@ci.example.com/"),
        ("BUILD_URL", "https://bot:pw@ci.example.com/job/1/"),
        ("JOB_NAME", "ghp_0123456789abcdefghij"),
        ("GIT_COMMIT", "HEAD"),
    ]);
    assert_eq!(facts.builder_id.as_deref(), Some("https://ci.example.com/"));
    assert_eq!(facts.commit, None);
    assert_eq!(facts.notes, ["'jenkins_job_name' looks like a secret and was left out"]);
    let said = format!("{facts:?}");
    assert!(!said.contains("pw@") && !said.contains("ghp_"), "{said}");
}

fn inputs(event: &str) -> Result<(Members, Vec<String>), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("event.json");
    fs::write(&path, event).unwrap();
    let path = path.display().to_string();
    let mut facts = facts(&[
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_EVENT_NAME", "workflow_dispatch"),
        ("GITHUB_EVENT_PATH", &path),
    ]);
    facts.inputs().map(|inputs| (inputs, facts.notes))
}

#[test]
fn inputs_of_a_run_by_hand_are_read_less_the_secrets() {
    let (found, notes) = inputs(
        r#"{"inputs": {"epochs": "3", "seed": 9007199254740993, "debug": true, "note": null, "hf_token": "abc",
            "max_tokens": "512", "endpoint": "https://u:p@host", "masked": "***"}, "ref": "refs/heads/main"}"#,
    )
    .unwrap();
    let found: Vec<String> =
        found.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
    assert_eq!(found, ["debug=true", "epochs=3", "max_tokens=512", "seed=9007199254740993"]);
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(inputs("{}").unwrap().0.is_empty());
    assert!(inputs(r#"{"inputs": null}"#).unwrap().0.is_empty());
}

#[test]
fn hostile_events_are_refused() {
    let deep = format!(r#"{{"inputs": {}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let large = format!(r#"{{"inputs": {{"a": "{}"}}}}"#, "x".repeat(5 << 20));
    let long = format!(r#"{{"inputs": {{"a": "{}"}}}}"#, "x".repeat(70_000));
    for (event, part) in [
        ("", "empty"),
        ("[]", "/inputs is no object"),
        (r#"{"inputs": 7}"#, "/inputs is no object"),
        (r#"{"inputs": {"a": [1]}}"#, "/inputs/a is an array"),
        (r#"{"inputs": {"a": "1", "a": "2"}}"#, "duplicate member 'a'"),
        (&deep, "nested deeper"),
        (&large, "larger than"),
        (&long, "/inputs/a is too long"),
    ] {
        let error = inputs(event).unwrap_err();
        assert!(error.contains(part), "{event:.40}: {error}");
    }
}

#[test]
fn passwords_in_addresses_of_any_form_stay_out() {
    let source = |repository: &str| {
        let found =
            facts(&[("BUILDKITE", "true"), ("BUILDKITE_REPO", repository), ("BUILDKITE_BRANCH", "main")]);
        assert!(!format!("{found:?}").contains("s3cr3t"), "{repository}: {found:?}");
        found.source
    };
    let host = Some("git+ssh://git.example.com/a/b.git@refs/heads/main".to_owned());
    assert_eq!(source("git.example.com:a/b.git"), host);
    assert_eq!(source("git@git.example.com:a/b.git"), host);
    assert_eq!(source("u:s3cr3t@git.example.com:a/b.git"), host);
    assert_eq!(source("u:s3cr3t@x@git.example.com:a/b.git"), host);
    for none in
        ["u:s3cr3t@git.example.com/a", "u:s3cr3t@", "u:s3cr3t@/a:b", "https:/u:s3cr3t@h/a", "u@s3cr3t:x@h"]
    {
        assert_eq!(source(none), None, "{none}");
    }
}
