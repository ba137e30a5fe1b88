//! One function for each system: its variables, in the words of SLSA.

use super::{CiEnvironment, CiFacts, CiSystem};
use crate::attest::git::is_commit;
use modelseal_core::{
    json::value::Value,
    predicate::field::{Members, is_uri},
};

pub(super) fn read(environment: &CiEnvironment, system: CiSystem) -> CiFacts {
    let facts = match system {
        CiSystem::GitHub => github(environment),
        CiSystem::GitLab => gitlab(environment),
        CiSystem::Buildkite => buildkite(environment),
        CiSystem::Tekton => tekton(environment),
        CiSystem::Jenkins => jenkins(environment),
    };
    let uri = |text: Option<String>| text.filter(|text| is_uri(text));
    CiFacts {
        builder_id: uri(facts.builder_id),
        source: uri(facts.source),
        commit: facts.commit.filter(|commit| is_commit(commit)),
        ..facts
    }
}

/// As `actions/attest` does it: the workflow is the builder, and the reference is part of its name.
fn github(e: &CiEnvironment) -> CiFacts {
    let server = e.get("GITHUB_SERVER_URL").unwrap_or("https://github.com");
    let repository = e.get("GITHUB_REPOSITORY").map(|repository| format!("{server}/{repository}"));
    let run = || {
        let (id, attempt) = (e.get("GITHUB_RUN_ID")?, e.get("GITHUB_RUN_ATTEMPT").unwrap_or("1"));
        Some(format!("{}/actions/runs/{id}/attempts/{attempt}", repository.as_ref()?))
    };
    let by_hand = e.get("GITHUB_EVENT_NAME") == Some("workflow_dispatch");
    CiFacts {
        builder_id: e.get("GITHUB_WORKFLOW_REF").map(|workflow| format!("{server}/{workflow}")),
        invocation_id: run(),
        source: source(repository.as_deref(), e.get("GITHUB_REF").map(str::to_owned)),
        commit: e.get("GITHUB_SHA").map(str::to_owned),
        internal: internal(
            e,
            "github",
            &[
                ("event_name", "GITHUB_EVENT_NAME"),
                ("repository_id", "GITHUB_REPOSITORY_ID"),
                ("repository_owner_id", "GITHUB_REPOSITORY_OWNER_ID"),
                ("runner_environment", "RUNNER_ENVIRONMENT"),
                ("workflow_sha", "GITHUB_WORKFLOW_SHA"),
            ],
        ),
        event: by_hand.then(|| e.get("GITHUB_EVENT_PATH").map(Into::into)).flatten(),
        ..CiFacts::default()
    }
}

/// As GitLab's own provenance does it: the runner of the project is the builder.
fn gitlab(e: &CiEnvironment) -> CiFacts {
    let project = e.get("CI_PROJECT_URL");
    let runner = || Some(format!("{}/-/runners/{}", project?, e.get("CI_RUNNER_ID")?));
    CiFacts {
        builder_id: runner(),
        invocation_id: e.get("CI_JOB_URL").or_else(|| e.get("CI_JOB_ID")).map(str::to_owned),
        started_on: e.get("CI_JOB_STARTED_AT").map(str::to_owned),
        source: source(project, reference(e.get("CI_COMMIT_BRANCH"), e.get("CI_COMMIT_TAG"))),
        commit: e.get("CI_COMMIT_SHA").map(str::to_owned),
        internal: internal(
            e,
            "gitlab",
            &[
                ("config_path", "CI_CONFIG_PATH"),
                ("job_name", "CI_JOB_NAME"),
                ("pipeline_id", "CI_PIPELINE_ID"),
                ("pipeline_source", "CI_PIPELINE_SOURCE"),
                ("project_id", "CI_PROJECT_ID"),
                ("runner_version", "CI_RUNNER_VERSION"),
            ],
        ),
        ..CiFacts::default()
    }
}

fn buildkite(e: &CiEnvironment) -> CiFacts {
    let pipeline = || {
        let (organization, pipeline) =
            (e.get("BUILDKITE_ORGANIZATION_SLUG")?, e.get("BUILDKITE_PIPELINE_SLUG")?);
        Some(format!("https://buildkite.com/{organization}/{pipeline}"))
    };
    let job = || Some(format!("{}#{}", e.get("BUILDKITE_BUILD_URL")?, e.get("BUILDKITE_JOB_ID")?));
    CiFacts {
        builder_id: pipeline(),
        invocation_id: job().or_else(|| e.get("BUILDKITE_BUILD_URL").map(str::to_owned)),
        source: source(e.get("BUILDKITE_REPO"), reference(e.get("BUILDKITE_BRANCH"), e.get("BUILDKITE_TAG"))),
        commit: e.get("BUILDKITE_COMMIT").map(str::to_owned),
        internal: internal(
            e,
            "buildkite",
            &[("build_number", "BUILDKITE_BUILD_NUMBER"), ("source", "BUILDKITE_SOURCE")],
        ),
        ..CiFacts::default()
    }
}

/// Tekton sets no variables: the task hands them on (`docs/provenance.md`). The builder's id is that of the cluster, which
/// nobody in a step knows unless told; Chains' own id is for what Chains signs.
fn tekton(e: &CiEnvironment) -> CiFacts {
    let run = e.get("TEKTON_PIPELINE_RUN_UID").or_else(|| e.get("TEKTON_TASK_RUN_UID"));
    CiFacts {
        builder_id: e.get("TEKTON_BUILDER_ID").map(str::to_owned),
        invocation_id: run.map(str::to_owned),
        source: source(e.get("TEKTON_GIT_URL"), e.get("TEKTON_GIT_REVISION").map(str::to_owned)),
        commit: e.get("TEKTON_GIT_COMMIT").map(str::to_owned),
        internal: internal(
            e,
            "tekton",
            &[
                ("namespace", "TEKTON_NAMESPACE"),
                ("pipeline", "TEKTON_PIPELINE_NAME"),
                ("pipeline_run", "TEKTON_PIPELINE_RUN_NAME"),
                ("task", "TEKTON_TASK_NAME"),
                ("task_run", "TEKTON_TASK_RUN_NAME"),
                ("task_run_uid", "TEKTON_TASK_RUN_UID"),
            ],
        ),
        ..CiFacts::default()
    }
}

fn jenkins(e: &CiEnvironment) -> CiFacts {
    // The git plugin names a branch by its remote.
    let branch = e.get("GIT_BRANCH").map(|branch| branch.strip_prefix("origin/").unwrap_or(branch));
    CiFacts {
        builder_id: e.get("JENKINS_URL").map(str::to_owned),
        invocation_id: e.get("BUILD_URL").map(str::to_owned),
        source: source(e.get("GIT_URL"), reference(branch, None)),
        commit: e.get("GIT_COMMIT").map(str::to_owned),
        internal: internal(
            e,
            "jenkins",
            &[
                ("build_number", "BUILD_NUMBER"),
                ("build_tag", "BUILD_TAG"),
                ("job_name", "JOB_NAME"),
                ("node_name", "NODE_NAME"),
            ],
        ),
        ..CiFacts::default()
    }
}

fn internal(e: &CiEnvironment, system: &str, named: &[(&str, &str)]) -> Members {
    let member = |(name, variable): &(&str, &str)| {
        Some((format!("{system}_{name}").into(), Value::from(e.get(variable)?)))
    };
    named.iter().filter_map(member).collect()
}

/// `git+https://host/repository@refs/..`. What git calls `git@host:path` is an address, too. Queries and fragments are no
/// part of a repository's name, and may hold credentials.
fn source(repository: Option<&str>, reference: Option<String>) -> Option<String> {
    let repository = repository?;
    let repository = repository.split(['?', '#']).next().unwrap_or(repository);
    let url = match repository.split_once("://") {
        Some(_) => repository.to_owned(),
        None => {
            let (host, path) = without_password(repository)?.split_once(':')?;
            format!("ssh://{host}/{}", path.trim_start_matches('/'))
        }
    };
    let reference = reference.filter(|reference| !reference.is_empty());
    let reference = reference.map(|reference| format!("@{reference}")).unwrap_or_default();
    Some(format!("git+{}{reference}", super::secret::without_user_info(&url)))
}

/// `user@host:path` or `host:path` without the user, who may be `user:password`: whatever stands before the last `@` that a host
/// follows. What has a password in any other place is no address that git knows.
fn without_password(repository: &str) -> Option<&str> {
    let authority = repository.find('/').unwrap_or(repository.len());
    let after = match repository[..authority].rfind('@') {
        Some(at) => &repository[at + 1..],
        None => repository,
    };
    let (host, path) = after.split_once(':')?;
    let is_host = !host.is_empty() && !host.contains('/');
    let has_password = path.split_once('@').is_some_and(|(before, _)| before.contains(':'));
    (is_host && !has_password).then_some(after)
}

fn reference(branch: Option<&str>, tag: Option<&str>) -> Option<String> {
    let tag = tag.map(|tag| format!("refs/tags/{tag}"));
    let full = |branch: &str| match branch.starts_with("refs/") {
        true => branch.to_owned(),
        false => format!("refs/heads/{branch}"),
    };
    tag.or_else(|| branch.map(full))
}
