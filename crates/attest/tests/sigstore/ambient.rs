//! Tokens of the surroundings.

use crate::{
    http::client,
    instance::now,
    server::{Server, respond},
};
use modelseal_attest::sigstore::{
    ambient::{Environment, Provider, detect},
    oauth::TokenSourceError,
};
use modelseal_testkit::{Double, TokenSpec};

#[test]
fn the_provider_is_told_by_its_own_variable() {
    for (pairs, provider) in [
        (&[("GITHUB_ACTIONS", "true"), ("GITLAB_CI", "true")][..], Some(Provider::GitHubActions)),
        (&[("GITLAB_CI", "true")], Some(Provider::GitLab)),
        (&[("BUILDKITE", "true"), ("GCE_METADATA_HOST", "x")], Some(Provider::Buildkite)),
        (&[("CIRCLECI", "true")], Some(Provider::CircleCi)),
        (&[("K_SERVICE", "run")], Some(Provider::GoogleCloud)),
        (&[("GITHUB_ACTIONS", "false"), ("CI", "true")], None),
        (&[], None),
    ] {
        let environment = Environment::from_pairs(pairs.iter().copied());
        assert_eq!(environment.provider(), provider, "{pairs:?}");
    }
    let nothing = Environment::from_pairs([]);
    assert!(detect("sigstore", &nothing, &client()).unwrap().is_none());
}

#[test]
fn github_gives_a_token_for_the_audience() {
    let double = Double::start();
    double.set_browser_token(TokenSpec::github("o/r"));
    let (url, request_token) = double.actions_environment();
    let environment = Environment::from_pairs([
        ("GITHUB_ACTIONS", "true"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", &url),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &request_token),
    ]);
    let (provider, token) = detect("sigstore", &environment, &client()).unwrap().expect("a token");
    assert_eq!(provider, Provider::GitHubActions);
    assert_eq!(token.subject(), "repo:o/r:ref:refs/heads/main");
    token.check("sigstore", now()).unwrap();
    assert!(!format!("{environment:?}").contains("request"), "{environment:?}");
}

#[test]
fn github_without_the_permission_or_with_a_bad_answer_fails() {
    let bare = Environment::from_pairs([("GITHUB_ACTIONS", "true")]);
    let failed = detect("sigstore", &bare, &client()).unwrap_err();
    assert!(failed.to_string().contains("id-token: write"), "{failed}");

    let asked = |url: &str| {
        let environment = Environment::from_pairs([
            ("GITHUB_ACTIONS", "true"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", url),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-token-1234567890"),
        ]);
        detect("sigstore", &environment, &client()).unwrap_err()
    };
    // The answer is a token in the wrong place, or repeats ours: neither is shown.
    for body in [
        r#""eyJhbGciOiJSUzI1NiJ9.e30.c2ln""#,
        r#"{"value":["eyJhbGciOiJSUzI1NiJ9"]}"#,
        r#"{"value":"eyJhbGciOiJSUzI1NiJ9"}"#,
    ] {
        let server = Server::saying(200, "application/json", body);
        let failed = asked(&server.url);
        assert!(!format!("{failed} {failed:?}").contains("eyJ"), "{failed} {failed:?}");
    }
    let echo = Server::new(|_, seen, stream| respond(stream, 403, &[], seen.headers.join("\n").as_bytes()));
    let failed = asked(&format!("{}/?api-version=2", echo.url));
    assert!(!format!("{failed} {failed:?}").contains("request-token"), "{failed:?}");
    assert_eq!(echo.seen()[0].line, "GET /?api-version=2&audience=sigstore HTTP/1.1");
    let failed = asked("http://actions.example.com/token");
    assert!(failed.to_string().contains("is not encrypted"), "{failed}");
}

#[test]
fn gitlab_gives_the_variable_of_the_audience() {
    let double = Double::start();
    let text = double.token("dev@example.com");
    let environment = Environment::from_pairs([("GITLAB_CI", "true"), ("SIGSTORE_ID_TOKEN", &text)]);
    let (provider, token) = detect("sigstore", &environment, &client()).unwrap().expect("a token");
    assert_eq!((provider, token.email()), (Provider::GitLab, Some("dev@example.com")));
    let failed = detect("own-audience", &environment, &client()).unwrap_err();
    assert!(failed.to_string().contains("OWN_AUDIENCE_ID_TOKEN is not set"), "{failed}");
}

#[test]
fn google_cloud_gives_a_token_by_its_metadata_server() {
    let double = Double::start();
    let text = double.token("builder@project.iam.gserviceaccount.com");
    let server = Server::saying(200, "text/html", text);
    let host = server.url.trim_start_matches("http://");
    let environment = Environment::from_pairs([("GCE_METADATA_HOST", host)]);
    let (provider, token) = detect("sigstore", &environment, &client()).unwrap().expect("a token");
    assert_eq!(provider, Provider::GoogleCloud);
    assert_eq!(token.email(), Some("builder@project.iam.gserviceaccount.com"));
    let seen = server.seen();
    assert_eq!(
        seen[0].line,
        "GET /computeMetadata/v1/instance/service-accounts/default/identity?audience=sigstore&format=full HTTP/1.1"
    );
    assert!(seen[0].headers.iter().any(|line| line.eq_ignore_ascii_case("metadata-flavor: Google")));
    let elsewhere = Environment::from_pairs([("GCE_METADATA_HOST", "user:pass@x/")]);
    assert!(matches!(detect("sigstore", &elsewhere, &client()), Err(TokenSourceError::Http(_))));
}

#[test]
fn programs_that_are_not_there_are_named() {
    for (variable, program) in [("BUILDKITE", "buildkite-agent"), ("CIRCLECI", "circleci")] {
        let environment = Environment::from_pairs([(variable, "true")]);
        let failed = detect("sigstore", &environment, &client()).unwrap_err();
        assert!(failed.to_string().contains(program), "{failed}");
    }
}
