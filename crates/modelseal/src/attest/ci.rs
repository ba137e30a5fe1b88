//! What a CI system's environment says about a run. Only the variables in [`CI_VARIABLES`] are ever looked at, none of which
//! holds a secret, and whoever calls hands them over: nothing here reads the process's environment.
//!
//! All of it is what the job believes about itself. A job can set these variables.

mod dispatch;
mod systems;

use super::secret;
use modelseal_core::{json::value::Value, predicate::field::Members};
use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

/// Every variable that is looked at.
pub const CI_VARIABLES: [&str; 60] = [
    "GITHUB_ACTIONS",
    "GITHUB_EVENT_NAME",
    "GITHUB_EVENT_PATH",
    "GITHUB_REF",
    "GITHUB_REPOSITORY",
    "GITHUB_REPOSITORY_ID",
    "GITHUB_REPOSITORY_OWNER_ID",
    "GITHUB_RUN_ATTEMPT",
    "GITHUB_RUN_ID",
    "GITHUB_SERVER_URL",
    "GITHUB_SHA",
    "GITHUB_WORKFLOW_REF",
    "GITHUB_WORKFLOW_SHA",
    "RUNNER_ENVIRONMENT",
    "GITLAB_CI",
    "CI_COMMIT_BRANCH",
    "CI_COMMIT_SHA",
    "CI_COMMIT_TAG",
    "CI_CONFIG_PATH",
    "CI_JOB_ID",
    "CI_JOB_NAME",
    "CI_JOB_STARTED_AT",
    "CI_JOB_URL",
    "CI_PIPELINE_ID",
    "CI_PIPELINE_SOURCE",
    "CI_PROJECT_ID",
    "CI_PROJECT_URL",
    "CI_RUNNER_ID",
    "CI_RUNNER_VERSION",
    "BUILDKITE",
    "BUILDKITE_BRANCH",
    "BUILDKITE_BUILD_NUMBER",
    "BUILDKITE_BUILD_URL",
    "BUILDKITE_COMMIT",
    "BUILDKITE_JOB_ID",
    "BUILDKITE_ORGANIZATION_SLUG",
    "BUILDKITE_PIPELINE_SLUG",
    "BUILDKITE_REPO",
    "BUILDKITE_SOURCE",
    "BUILDKITE_TAG",
    "TEKTON_BUILDER_ID",
    "TEKTON_GIT_COMMIT",
    "TEKTON_GIT_REVISION",
    "TEKTON_GIT_URL",
    "TEKTON_NAMESPACE",
    "TEKTON_PIPELINE_NAME",
    "TEKTON_PIPELINE_RUN_NAME",
    "TEKTON_PIPELINE_RUN_UID",
    "TEKTON_TASK_NAME",
    "TEKTON_TASK_RUN_NAME",
    "TEKTON_TASK_RUN_UID",
    "JENKINS_URL",
    "BUILD_NUMBER",
    "BUILD_TAG",
    "BUILD_URL",
    "GIT_BRANCH",
    "GIT_COMMIT",
    "GIT_URL",
    "JOB_NAME",
    "NODE_NAME",
];

/// The variables of a CI system, as somebody hands them over.
#[derive(Debug, Clone, Default)]
pub struct CiEnvironment(BTreeMap<&'static str, String>);

/// A CI system whose environment is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiSystem {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI.
    GitLab,
    /// Buildkite.
    Buildkite,
    /// Tekton Pipelines, with the variables that its task hands on.
    Tekton,
    /// Jenkins.
    Jenkins,
}

/// What an environment says about a run. Whatever it does not say is left open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CiFacts {
    pub(super) builder_id: Option<String>,
    pub(super) invocation_id: Option<String>,
    pub(super) started_on: Option<String>,
    /// `git+https://host/repository@refs/..`.
    pub(super) source: Option<String>,
    /// The commit of the source.
    pub(super) commit: Option<String>,
    /// Members of `internalParameters`, with the system's prefix.
    pub(super) internal: Members,
    /// The file that describes the event, when it may hold inputs that somebody chose.
    pub(super) event: Option<PathBuf>,
    /// What was left out, and why.
    pub(super) notes: Vec<String>,
}

impl CiEnvironment {
    /// Takes the variables of [`CI_VARIABLES`] that are set, and no other, from `variable`.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &'static str| Some((name, variable(name).filter(|value| !value.is_empty())?));
        Self(CI_VARIABLES.into_iter().filter_map(set).collect())
    }

    /// The system that this is the environment of: the first that says so, from GitHub to Jenkins.
    #[must_use]
    pub fn system(&self) -> Option<CiSystem> {
        CiSystem::ALL.into_iter().find(|system| match system {
            CiSystem::GitHub => self.get("GITHUB_ACTIONS") == Some("true"),
            CiSystem::GitLab => self.get("GITLAB_CI") == Some("true"),
            CiSystem::Buildkite => self.get("BUILDKITE") == Some("true"),
            CiSystem::Tekton => {
                self.get("TEKTON_TASK_RUN_UID").or_else(|| self.get("TEKTON_PIPELINE_RUN_UID")).is_some()
            }
            CiSystem::Jenkins => self.get("JENKINS_URL").is_some() && self.get("BUILD_URL").is_some(),
        })
    }

    /// What the environment of `system` says.
    pub(super) fn facts(&self, system: CiSystem) -> CiFacts {
        let mut facts = systems::read(self, system);
        facts.strip();
        facts
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl CiSystem {
    /// Every system.
    pub const ALL: [Self; 5] = [Self::GitHub, Self::GitLab, Self::Buildkite, Self::Tekton, Self::Jenkins];

    /// Its short name, as on the command line and before the names of its internal parameters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Buildkite => "buildkite",
            Self::Tekton => "tekton",
            Self::Jenkins => "jenkins",
        }
    }
}

impl FromStr for CiSystem {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|system| system.name() == name);
        found.ok_or_else(|| format!("no such CI system; known are {known}"))
    }
}

impl fmt::Display for CiSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl CiFacts {
    /// The inputs that somebody chose when the run was started by hand, less those that look like secrets.
    ///
    /// # Errors
    /// Why the event cannot be read, for people.
    pub(super) fn inputs(&mut self) -> Result<Members, String> {
        let Some(path) = &self.event else { return Ok(Members::new()) };
        let (inputs, notes) = dispatch::inputs(path)?;
        self.notes.extend(notes);
        Ok(inputs)
    }

    /// A last look: nothing with the form of a credential leaves here, whatever variable it was in.
    fn strip(&mut self) {
        for (what, text) in [
            ("the builder's id", &mut self.builder_id),
            ("the run's id", &mut self.invocation_id),
            ("the source", &mut self.source),
        ] {
            if let Some(found) = text {
                *found = secret::without_user_info(found);
                if what != "the source" {
                    *found = without_query(found);
                }
                if secret::looks_so(found) {
                    *text = None;
                    self.notes.push(format!("{what} holds what looks like a secret and was left out"));
                }
            }
        }
        let bad = |value: &Value| value.as_str().is_some_and(secret::looks_so);
        let (kept, dropped): (Members, Members) =
            std::mem::take(&mut self.internal).into_iter().partition(|(_, value)| !bad(value));
        self.internal = kept;
        let note = |name: Box<str>| format!("'{name}' looks like a secret and was left out");
        self.notes.extend(dropped.into_keys().map(note));
    }
}

/// An address without its query, and without a fragment that has values in it.
fn without_query(text: &str) -> String {
    let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
    let path = before.split_once('?').map_or(before, |(path, _)| path);
    if fragment.is_empty() || fragment.contains('=') { path.to_owned() } else { format!("{path}#{fragment}") }
}

#[cfg(test)]
mod tests;
