//! Keyless provenance of CI systems: what the statement says of builder and source must be what the signing certificate
//! says. The statement was written in the job, the certificate by whoever vouches for the job.

use super::{
    Check,
    producer::{Producer, commits},
};
use crate::{decision::Code, signer::Signer};
use modelseal_core::{
    json::value::Value,
    predicate::{build_type::LOCAL_BUILDER, slsa_provenance::Provenance},
    text::Printable,
};
use serde_json::json;
use std::collections::BTreeMap;

const BUILDER: &str = "build-signer-uri";
const REPOSITORY: &str = "source-repository-uri";
const COMMIT: &str = "source-repository-digest";
const REF: &str = "source-repository-ref";
const RUNNER: &str = "runner-environment";

/// What GitHub and GitLab call a machine that the user brought.
const SELF_HOSTED: &str = "self-hosted";
const HOSTED: &str = "github-hosted";

/// The claims of the signing certificate; `None` for signers without any.
pub(super) fn of(signer: &Signer) -> Option<&BTreeMap<String, String>> {
    match signer {
        Signer::Sigstore(signer) => Some(signer.claims()),
        _ => None,
    }
}

/// Compares what the certificate claims with what the provenance says.
pub(super) fn check(
    producer: Producer,
    claims: &BTreeMap<String, String>,
    provenance: &Provenance,
) -> Vec<Check> {
    let mut checks = Vec::new();
    if speaks_of_workflow(producer, provenance) {
        checks.push(required(claims, BUILDER, "builder.id", Some(&provenance.builder_id)));
    }
    if producer.builds_its_repository() {
        let source = provenance.source();
        let repository = source.as_ref().map(|source| source.repository.as_str());
        checks.push(required(claims, REPOSITORY, "the source", repository));
        let reference = source.as_ref().and_then(|source| source.reference.as_deref());
        // GitLab states no ref; what the certificate says of it is then all there is.
        if reference.is_some() || producer.is_github() {
            checks.push(required(claims, REF, "the ref", reference));
        }
        let commits: Vec<String> = commits(provenance).into_iter().collect();
        let commit = match &commits[..] {
            [] => None,
            [only] => Some(only.clone()),
            several => Some(several.join(" and ")),
        };
        checks.push(required(claims, COMMIT, "the commit", commit.as_deref()));
    } else if let (Some(source), Some(claimed)) = (provenance.source(), claims.get(REPOSITORY))
        && source.repository != *claimed
    {
        // Training code may well live in another repository than the pipeline that runs it.
        let (claimed, stated) = (Printable(claimed), Printable(&source.repository));
        let message = format!(
            "the signing certificate is of a pipeline in '{claimed}'; the source '{stated}' is that pipeline's word"
        );
        checks.push(Check::new("certificate").not_compared(message).actual(json!(source.repository)));
    }
    checks
}

/// Whether the builder is a workflow of GitHub Actions, by the build type or by its name. Whoever signs could choose another
/// build type to speak for somebody else's workflow.
fn speaks_of_workflow(producer: Producer, provenance: &Provenance) -> bool {
    producer.is_github() || provenance.builder_id.contains("/.github/workflows/")
}

/// The ref that the certificate states for the pipeline's own repository.
pub(super) fn reference(producer: Producer, claims: &BTreeMap<String, String>) -> Option<&str> {
    claims.get(REF).filter(|_| producer.builds_its_repository()).map(String::as_str)
}

/// Why no more than level 1 can be granted: SLSA's levels 2 and 3 ask for a hosted build platform, and on a machine that the
/// user brought, the user has a hand in the build.
pub(super) fn cap(
    producer: Producer,
    claims: Option<&BTreeMap<String, String>>,
    provenance: &Provenance,
) -> Option<&'static str> {
    if let Some(why) = cap_of_builder(&provenance.builder_id) {
        return Some(why);
    }
    let internal = &provenance.internal_parameters;
    let stated = [
        internal.get("github").and_then(|github| github.get("runner_environment")),
        internal.get("github_runner_environment"),
    ];
    let claimed = claims.and_then(|claims| claims.get(RUNNER)).map(String::as_str);
    // Whatever does not say in so many words that the machine was the platform's may have been the user's.
    let own = |stated: &Value| !stated.is_null() && stated.as_str() != Some(HOSTED);
    if claimed == Some(SELF_HOSTED) || stated.into_iter().flatten().any(own) {
        return Some("the build ran on a self-hosted runner");
    }
    let unknown = speaks_of_workflow(producer, provenance) && claims.is_some() && claimed.is_none();
    unknown.then_some("the certificate does not say what kind of runner the build ran on")
}

/// Why a builder of this name is worth no more than level 1, whoever grants what.
pub(crate) fn cap_of_builder(id: &str) -> Option<&'static str> {
    (id == LOCAL_BUILDER).then_some("the local builder is any machine at all, and nobody in particular")
}

fn required(
    claims: &BTreeMap<String, String>,
    claim: &'static str,
    what: &str,
    stated: Option<&str>,
) -> Check {
    let check = Check::new("certificate");
    let Some(claimed) = claims.get(claim) else {
        let message =
            format!("the signing certificate does not state {claim}, which this build type's signer has");
        return check
            .fail(Code::IdentityClaimMissing, message)
            .expected(json!(stated))
            .fix("trust the identity of the workflow that built the model, not that of a person");
    };
    if stated == Some(claimed) {
        return check.pass(format!("{what} is {claim} of the signing certificate"));
    }
    let shown = stated.map_or_else(|| "not stated".to_owned(), |stated| format!("'{}'", Printable(stated)));
    let message =
        format!("{what} is {shown}, and {claim} of the signing certificate '{}'", Printable(claimed));
    check
        .fail(Code::SlsaSignerMismatch, message)
        .expected(json!(claimed))
        .actual(json!(stated))
        .fix("do not use this provenance: whoever signed it was not that build")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::Outcome;
    use modelseal_core::json::value::Value;

    const GITHUB: &str = "https://actions.github.io/buildtypes/workflow/v1";
    const GITLAB: &str = "https://docs.gitlab.com/ci/pipeline_security/slsa/provenance_v1";
    const BUILDER_ID: &str = "https://github.com/acme/train/.github/workflows/train.yml@refs/tags/v1";

    fn provenance(text: &str) -> Provenance {
        Provenance::read_v1(&Value::parse(text.as_bytes(), 1 << 20).unwrap()).unwrap()
    }

    fn github(runner: &str) -> Provenance {
        provenance(&format!(
            r#"{{"buildDefinition": {{"buildType": "{GITHUB}", "externalParameters": {{"workflow":
                {{"ref": "refs/tags/v1", "repository": "https://github.com/acme/train", "path": "x"}}}},
                "internalParameters": {{"github": {{"runner_environment": "{runner}"}}}},
                "resolvedDependencies": [{{"uri": "git+https://github.com/acme/train@refs/tags/v1",
                "digest": {{"gitCommit": "{}"}}}}]}}, "runDetails": {{"builder": {{"id": "{BUILDER_ID}"}}}}}}"#,
            "a".repeat(40)
        ))
    }

    fn claims(changes: &[(&str, Option<&str>)]) -> BTreeMap<String, String> {
        let commit = "a".repeat(40);
        let mut claims: BTreeMap<String, String> = [
            (BUILDER, BUILDER_ID),
            (REPOSITORY, "https://github.com/acme/train"),
            (REF, "refs/tags/v1"),
            (COMMIT, commit.as_str()),
            (RUNNER, "github-hosted"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for (name, value) in changes {
            match value {
                Some(value) => drop(claims.insert((*name).to_owned(), (*value).to_owned())),
                None => drop(claims.remove(*name)),
            }
        }
        claims
    }

    fn codes(checks: &[Check]) -> Vec<Code> {
        checks.iter().filter(|check| check.outcome == Outcome::Fail).filter_map(|check| check.code).collect()
    }

    #[test]
    fn a_runner_that_is_not_said_to_be_hosted_caps_the_level_whoever_says_so() {
        let ours = |runner: &str| {
            provenance(&format!(
                r#"{{"buildDefinition": {{"buildType": "x:y", "externalParameters": {{}},
                    "internalParameters": {{"github_runner_environment": {runner}}}}},
                    "runDetails": {{"builder": {{"id": "{BUILDER_ID}"}}}}}}"#
            ))
        };
        let capped = |provenance: &Provenance| cap(Producer::Other, None, provenance).is_some();
        assert!(!capped(&ours("\"github-hosted\"")) && !capped(&ours("null")));
        for own in ["\"self-hosted\"", "\"Self-Hosted\"", "\"\"", "[\"github-hosted\"]", "1"] {
            assert!(capped(&ours(own)), "{own}");
        }
        assert!(!capped(&github("github-hosted")));
        assert!(capped(&github("self-hosted ")));
    }

    #[test]
    fn each_claim_that_differs_is_named() {
        let good = github("github-hosted");
        let found = check(Producer::GitHubAttest, &claims(&[]), &good);
        assert_eq!((found.len(), codes(&found)), (4, vec![]));
        for name in [BUILDER, REPOSITORY, REF, COMMIT] {
            let other =
                check(Producer::GitHubAttest, &claims(&[(name, Some("https://evil.example"))]), &good);
            assert_eq!(codes(&other), [Code::SlsaSignerMismatch], "{name}");
            assert!(other.iter().any(|check| check.message.contains(name)), "{name}");
            let missing = check(Producer::GitHubAttest, &claims(&[(name, None)]), &good);
            assert_eq!(codes(&missing), [Code::IdentityClaimMissing], "{name}");
        }
        // A person who signs what a workflow would have said.
        assert_eq!(codes(&check(Producer::GitHubAttest, &BTreeMap::new(), &good)).len(), 4);
        // Another build type is no way to speak for a workflow.
        for producer in [Producer::Other, Producer::TektonChains, Producer::GitLab] {
            let other = check(producer, &claims(&[(BUILDER, Some("https://evil.example"))]), &good);
            assert_eq!(codes(&other), [Code::SlsaSignerMismatch], "{producer}");
        }
        // Training code of another repository than the pipeline's is said, and no failure.
        let elsewhere = claims(&[(REPOSITORY, Some("https://github.com/acme/pipelines"))]);
        let other = check(Producer::Other, &elsewhere, &good);
        assert_eq!((other.len(), codes(&other)), (2, vec![]));
        assert!(other[1].outcome == Outcome::NotCompared && other[1].message.contains("acme/pipelines"));
        assert_eq!(check(Producer::Other, &claims(&[]), &good).len(), 1);
    }

    #[test]
    fn gitlab_states_no_ref_and_another_builder() {
        let text = format!(
            r#"{{"buildDefinition": {{"buildType": "{GITLAB}", "externalParameters":
                {{"source": "https://gitlab.com/acme/vit", "entryPoint": "build"}},
                "resolvedDependencies": [{{"uri": "https://gitlab.com/acme/vit", "digest": {{"gitCommit": "{}"}}}}]}},
                "runDetails": {{"builder": {{"id": "https://gitlab.com/groups/acme/-/runners/33"}}}}}}"#,
            "a".repeat(40)
        );
        let good = provenance(&text);
        let own = claims(&[(REPOSITORY, Some("https://gitlab.com/acme/vit"))]);
        assert_eq!(codes(&check(Producer::GitLab, &own, &good)), []);
        assert_eq!(reference(Producer::GitLab, &own), Some("refs/tags/v1"));
        assert_eq!(reference(Producer::Other, &own), None);
        assert_eq!(codes(&check(Producer::GitLab, &claims(&[]), &good)), [Code::SlsaSignerMismatch]);
    }

    #[test]
    fn a_runner_that_the_user_brought_caps_the_level() {
        let cap = |producer, claims: Option<&BTreeMap<String, String>>, runner| {
            cap(producer, claims, &github(runner)).is_some()
        };
        let hosted = claims(&[]);
        assert!(!cap(Producer::GitHubAttest, Some(&hosted), "github-hosted"));
        assert!(cap(Producer::GitHubAttest, Some(&hosted), SELF_HOSTED));
        assert!(cap(Producer::GitHubAttest, None, SELF_HOSTED));
        assert!(!cap(Producer::GitHubAttest, None, "github-hosted"));
        let own = claims(&[(RUNNER, Some(SELF_HOSTED))]);
        for producer in [Producer::GitHubAttest, Producer::GitLab, Producer::Other] {
            assert!(cap(producer, Some(&own), "github-hosted"));
        }
        let silent = claims(&[(RUNNER, None)]);
        assert!(cap(Producer::GitHubAttest, Some(&silent), "github-hosted"));
        assert!(cap(Producer::Other, Some(&silent), "github-hosted"), "it names a workflow as its builder");
    }
}
