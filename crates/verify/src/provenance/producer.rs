//! [`Producer`]: who writes provenance of a build type, and what is known of its parameters.

use modelseal_core::predicate::{build_type::BuildType, slsa_provenance::Provenance};
use std::{collections::BTreeSet, fmt};

/// Who writes provenance of a build type. The name is not proof of anything: the signer and `builder.id` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Producer {
    /// modelseal, run inside a job.
    Modelseal(BuildType),
    /// GitHub's `actions/attest`, and `actions/attest-build-provenance` around it.
    GitHubAttest,
    /// Other writers of the community's build type for GitHub Actions, which also records inputs and variables.
    GitHubCommunity,
    /// slsa-github-generator, in SLSA v0.2.
    SlsaGitHubGenerator,
    /// Tekton Chains, formats `slsa/v2alpha3` and `slsa/v2alpha4`.
    TektonChains,
    /// GitLab's control plane.
    GitLab,
    /// GitLab's runner, in SLSA v0.2 and later v1: a file that nobody signed, until somebody does.
    GitLabRunner,
    /// Somebody whose build type is not known here.
    Other,
}

const GITHUB_ATTEST: &str = "https://actions.github.io/buildtypes/workflow/v1";
const GITHUB_COMMUNITY: &str = "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1";
const SLSA_GITHUB_GENERATOR: [&str; 4] = [
    "https://github.com/slsa-framework/slsa-github-generator/generic@v1",
    "https://github.com/slsa-framework/slsa-github-generator/go@v1",
    "https://github.com/slsa-framework/slsa-github-generator/container@v1",
    "https://github.com/slsa-framework/slsa-github-generator/delegator-generic@v0",
];
const TEKTON: [&str; 2] = ["https://tekton.dev/chains/v2/slsa", "https://tekton.dev/chains/v2/slsa-tekton"];
const GITLAB: &str = "https://docs.gitlab.com/ci/pipeline_security/slsa/provenance_v1";
const GITLAB_RUNNER: (&str, &str) = ("https://gitlab.com/gitlab-org/gitlab-runner/-/blob/", "/PROVENANCE.md");

impl Producer {
    /// Who writes this build type, letter for letter.
    #[must_use]
    pub fn of(build_type: &str) -> Self {
        let runner = |text: &str| text.strip_prefix(GITLAB_RUNNER.0)?.strip_suffix(GITLAB_RUNNER.1).map(drop);
        match build_type {
            GITHUB_ATTEST => Self::GitHubAttest,
            GITHUB_COMMUNITY => Self::GitHubCommunity,
            GITLAB => Self::GitLab,
            other if SLSA_GITHUB_GENERATOR.contains(&other) => Self::SlsaGitHubGenerator,
            other if TEKTON.contains(&other) => Self::TektonChains,
            other if runner(other).is_some() => Self::GitLabRunner,
            other => BuildType::of_uri(other).map_or(Self::Other, Self::Modelseal),
        }
    }

    /// A short name that stays the same, for documents.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Modelseal(_) => "modelseal",
            Self::GitHubAttest => "github-attest",
            Self::GitHubCommunity => "github-community",
            Self::SlsaGitHubGenerator => "slsa-github-generator",
            Self::TektonChains => "tekton-chains",
            Self::GitLab => "gitlab",
            Self::GitLabRunner => "gitlab-runner",
            Self::Other => "other",
        }
    }

    /// Whether the builder is a workflow that the signing certificate names, too: `builder.id` is Fulcio's Build Signer URI.
    pub(super) fn is_github(self) -> bool {
        matches!(self, Self::GitHubAttest | Self::GitHubCommunity | Self::SlsaGitHubGenerator)
    }

    /// Whether the source is the repository of the pipeline itself, which the signing certificate names, too.
    pub(super) fn builds_its_repository(self) -> bool {
        self.is_github() || matches!(self, Self::GitLab | Self::GitLabRunner)
    }

    /// Whether the build type says what the parameter at this pointer means. Those that it leaves to the user, such as
    /// inputs and variables, are not among them.
    pub(super) fn defines(self, pointer: &str) -> bool {
        let within = |names: &[&str]| {
            names.iter().any(|name| {
                pointer.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        match self {
            Self::Modelseal(build_type) => {
                let name = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
                build_type.parameters().iter().any(|known| known.name == name)
            }
            Self::GitHubAttest | Self::GitHubCommunity => {
                ["/workflow/ref", "/workflow/repository", "/workflow/path"].contains(&pointer)
            }
            Self::SlsaGitHubGenerator | Self::GitLabRunner => {
                within(&["/configSource/uri", "/configSource/entryPoint", "/configSource/digest"])
            }
            Self::TektonChains => {
                ["/buildConfigSource/ref", "/buildConfigSource/repository", "/buildConfigSource/path"]
                    .contains(&pointer)
            }
            Self::GitLab => ["/source", "/entryPoint"].contains(&pointer),
            Self::Other => false,
        }
    }

    /// Where a workflow's input of that name is recorded, where such are.
    pub(super) fn input_pointer(self, name: &str) -> Option<String> {
        let parent = match self {
            Self::GitHubCommunity => "/inputs/",
            Self::SlsaGitHubGenerator => "/parameters/event_inputs/",
            Self::GitLab => "/variables/",
            _ => return None,
        };
        Some(format!("{parent}{}", super::compare::escaped(name)))
    }

    /// Where the parameters are that name the source's repository, and its ref.
    pub(super) fn source_pointers(self) -> (&'static str, &'static str) {
        match self {
            Self::GitHubAttest | Self::GitHubCommunity => ("/workflow/repository", "/workflow/ref"),
            Self::TektonChains => ("/buildConfigSource/repository", "/buildConfigSource/ref"),
            Self::SlsaGitHubGenerator | Self::GitLabRunner => ("/configSource/uri", "/configSource/uri"),
            Self::Modelseal(_) | Self::GitLab | Self::Other => ("/source", "/source"),
        }
    }
}

/// The commits of the top-level source that the provenance states: one, unless it contradicts itself.
#[must_use]
pub fn commits(provenance: &Provenance) -> BTreeSet<String> {
    let Some(source) = provenance.source() else { return BTreeSet::new() };
    let of_source = provenance.resolved_dependencies.iter().filter(|dependency| {
        let Some(uri) = dependency.uri.as_deref() else { return false };
        let found = modelseal_core::predicate::slsa_provenance::Source::split(uri);
        let same_ref = found.reference.is_none() || found.reference == source.reference;
        found.repository == source.repository && same_ref
    });
    let digests = of_source.filter_map(|d| d.digest.get("gitCommit").or_else(|| d.digest.get("sha1")));
    let config = provenance.external_parameters.get("configSource").and_then(|c| c.get("digest"));
    let stated = config.into_iter().filter_map(|digest| {
        let text = |name| digest.get(name).and_then(|hex| hex.as_str());
        // GitLab's runner writes git's SHA-1 under this name.
        text("gitCommit").or_else(|| text("sha1")).or_else(|| text("sha256").filter(|hex| hex.len() == 40))
    });
    digests.chain(stated).map(str::to_owned).collect()
}

impl fmt::Display for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Modelseal(build_type) => return write!(f, "modelseal, {}", build_type.name()),
            Self::GitHubAttest => "GitHub Actions (actions/attest)",
            Self::GitHubCommunity => "GitHub Actions (community build type)",
            Self::SlsaGitHubGenerator => "slsa-github-generator",
            Self::TektonChains => "Tekton Chains",
            Self::GitLab => "GitLab",
            Self::GitLabRunner => "GitLab's runner",
            Self::Other => "a build type that is not known here",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelseal_core::json::value::Value;

    #[test]
    fn build_types_are_compared_letter_for_letter() {
        for (build_type, id) in [
            (GITHUB_ATTEST, "github-attest"),
            (GITHUB_COMMUNITY, "github-community"),
            (SLSA_GITHUB_GENERATOR[0], "slsa-github-generator"),
            (TEKTON[0], "tekton-chains"),
            (TEKTON[1], "tekton-chains"),
            (GITLAB, "gitlab"),
            ("https://gitlab.com/gitlab-org/gitlab-runner/-/blob/v15.8.0/PROVENANCE.md", "gitlab-runner"),
            (&BuildType::Merge.uri(), "modelseal"),
            ("https://actions.github.io/buildtypes/workflow/v2", "other"),
            ("https://evil.example/https://actions.github.io/buildtypes/workflow/v1", "other"),
            ("https://tekton.dev/chains/v2/slsa/", "other"),
        ] {
            assert_eq!(Producer::of(build_type).id(), id, "{build_type}");
        }
    }

    #[test]
    fn what_users_choose_freely_is_defined_by_no_build_type() {
        let github = Producer::GitHubCommunity;
        assert!(github.defines("/workflow/ref") && !github.defines("/inputs/epochs"));
        assert!(!github.defines("/workflow") && !github.defines("/workflow/ref/x"));
        let tekton = Producer::TektonChains;
        assert!(tekton.defines("/buildConfigSource/path") && !tekton.defines("/runSpec/timeout"));
        let generator = Producer::SlsaGitHubGenerator;
        assert!(generator.defines("/configSource/digest/sha1") && !generator.defines("/configSource/uri2"));
        assert!(!generator.defines("/parameters/event_inputs/epochs"));
        let ours = Producer::Modelseal(BuildType::Training);
        assert!(ours.defines("/hyperparameters/seed") && !ours.defines("/postprocess"));
        assert!(!Producer::GitLab.defines("/variables/EPOCHS") && !Producer::Other.defines("/source"));
    }

    #[test]
    fn commits_are_those_of_the_source_alone() {
        let of = |build: &str| {
            let text = format!(
                r#"{{"buildDefinition": {{"buildType": "{GITLAB}", {build}}}, "runDetails": {{"builder": {{"id": "a:b"}}}}}}"#
            );
            let value = Value::parse(text.as_bytes(), 1 << 20).unwrap();
            commits(&Provenance::read_v1(&value).unwrap()).into_iter().collect::<Vec<_>>()
        };
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let source = r#""externalParameters": {"source": "https://git.example/x"}"#;
        let dependency =
            |uri: &str, hex: &str| format!(r#"{{"uri": "{uri}", "digest": {{"gitCommit": "{hex}"}}}}"#);
        let with =
            |list: &[String]| of(&format!(r#"{source}, "resolvedDependencies": [{}]"#, list.join(",")));
        let own = dependency("git+https://git.example/x", &a);
        let other = dependency("https://git.example/other", &b);
        assert_eq!(with(&[own.clone(), other]), std::slice::from_ref(&a));
        assert_eq!(with(&[own, dependency("https://git.example/x", &b)]), [a, b.clone()]);
        assert_eq!(with(&[dependency("https://git.example/x@refs/heads/other", &b)]), [""; 0]);
        assert_eq!(with(&[]), [""; 0]);
    }
}
