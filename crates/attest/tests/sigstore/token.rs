//! Identity tokens: what is refused before any request, and which identity becomes public.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use modelseal_attest::{
    http::Secret,
    sigstore::{IdentityKind, IdentityToken, TokenError},
};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn jwt(claims: &str) -> Secret {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    Secret::new(format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(claims), part("signature")))
}

/// Good claims, changed by `change`: null takes a claim away.
pub(crate) fn claims(change: Value) -> Value {
    let mut claims = json!({ "iss": "https://issuer", "sub": "subject", "aud": "sigstore", "email": "dev@example.com",
                             "email_verified": true, "exp": NOW + 600, "iat": NOW, "nbf": NOW });
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn token(change: Value) -> Result<IdentityToken, TokenError> {
    IdentityToken::parse(&jwt(&claims(change).to_string()))
}

fn check(change: Value) -> Result<(), TokenError> {
    token(change).expect("a token").check("sigstore", now())
}

#[test]
fn a_good_token_passes_in_all_its_spellings() {
    check(json!({})).unwrap();
    check(json!({ "aud": ["other", "sigstore"] })).unwrap();
    check(json!({ "email_verified": "true" })).unwrap();
    check(json!({ "email_verified": null, "nbf": null, "iat": null })).unwrap();
    check(json!({ "exp": NOW as f64 + 0.5 + 1.0 })).unwrap();
    check(json!({ "exp": NOW + 1, "nbf": NOW + 60, "iat": NOW + 60 })).unwrap();
    check(json!({ "groups": ["a"], "x": { "y": null }, "n": 1 })).unwrap();
    let spaced = Secret::new(format!(" {}\n", jwt(&claims(json!({})).to_string()).reveal()));
    assert!(IdentityToken::parse(&spaced).is_ok());
}

#[test]
fn tokens_that_would_be_refused_are_refused_here() {
    for expired in [NOW, NOW - 1, NOW - 3600, 0] {
        let refused = check(json!({ "exp": expired })).unwrap_err();
        assert!(matches!(refused, TokenError::Expired { .. }), "{expired}");
        assert!(refused.to_string().contains("2027-01-15T08:00:00Z now"), "{refused}");
    }
    for claim in ["nbf", "iat"] {
        let refused = check(json!({ claim: NOW + 61 })).unwrap_err();
        assert!(matches!(refused, TokenError::Future { claim: c, .. } if c == claim), "{refused}");
    }
    for audience in [json!("other"), json!([]), json!(["a", "sigstore2"]), json!("Sigstore"), json!("")] {
        let refused = check(json!({ "aud": audience })).unwrap_err();
        assert!(matches!(refused, TokenError::Audience { .. }), "{refused}");
    }
    for unverified in [json!(false), json!("false"), json!("yes"), json!("")] {
        let refused = check(json!({ "email_verified": unverified })).unwrap_err();
        assert!(
            matches!(&refused, TokenError::UnverifiedEmail { email } if email == "dev@example.com"),
            "{refused}"
        );
    }
}

#[test]
fn what_is_no_token_is_refused_without_being_shown() {
    let malformed = |text: &str| {
        let refused = IdentityToken::parse(&Secret::new(text.to_owned())).unwrap_err();
        let shown = format!("{refused} {refused:?}");
        assert!(text.len() < 8 || !shown.contains(&text[..8]), "{shown}");
        refused
    };
    assert_eq!(malformed(" \n"), TokenError::Empty);
    assert!(matches!(malformed(&"a".repeat(65537)), TokenError::TooLarge { .. }));
    let good = jwt(&claims(json!({})).to_string());
    for bad in [
        "abcdefgh".to_owned(),
        "abcdefgh.abcdefgh".to_owned(),
        "abcdefgh.abcdefgh.".to_owned(),
        "abcdefgh.!bcdefgh.abcdefgh".to_owned(),
        "abcdefgh.abcdefgh.abcdefgh".to_owned(),
        format!("{}.more", good.reveal()),
        good.reveal().replacen('.', "\".", 1),
        good.reveal().replacen('.', " .", 1),
    ] {
        assert!(matches!(malformed(&bad), TokenError::Malformed { .. }), "{bad}");
    }
    for claims in [
        "[]".to_owned(),
        "{}".to_owned(),
        claims(json!({ "iss": null })).to_string(),
        claims(json!({ "iss": "" })).to_string(),
        claims(json!({ "sub": "" })).to_string(),
        claims(json!({ "sub": 7 })).to_string(),
        claims(json!({ "exp": null })).to_string(),
        claims(json!({ "exp": "soon" })).to_string(),
        claims(json!({ "exp": 1e300 })).to_string(),
        claims(json!({ "aud": 7 })).to_string(),
        claims(json!({ "aud": (0..33).map(|i| i.to_string()).collect::<Vec<_>>() })).to_string(),
        claims(json!({})).to_string().replacen('{', r#"{"sub":"root","#, 1),
    ] {
        let refused = IdentityToken::parse(&jwt(&claims)).unwrap_err();
        assert!(matches!(refused, TokenError::Malformed { .. }), "{claims}: {refused}");
    }
}

#[test]
fn the_identity_is_that_of_the_certificate() {
    let github = json!({ "iss": "https://token.actions.githubusercontent.com", "sub": "repo:o/r:ref:refs/heads/main",
        "email": null, "email_verified": null, "job_workflow_ref": "o/r/.github/workflows/x.yml@refs/heads/main" });
    let dex = |issuer: &str| json!({ "iss": issuer, "federated_claims": { "connector_id": "https://github.com/login/oauth" } });
    for (change, value, kind, issuer, exact) in [
        (json!({}), "dev@example.com", IdentityKind::Email, "https://issuer", false),
        (json!({ "email": null }), "subject", IdentityKind::Other, "https://issuer", false),
        (
            json!({ "email": null, "sub": "spiffe://td/x" }),
            "spiffe://td/x",
            IdentityKind::Uri,
            "https://issuer",
            false,
        ),
        (
            json!({ "iss": "https://accounts.google.com" }),
            "dev@example.com",
            IdentityKind::Email,
            "https://accounts.google.com",
            true,
        ),
        (
            dex("https://oauth2.sigstore.dev/auth"),
            "dev@example.com",
            IdentityKind::Email,
            "https://github.com/login/oauth",
            true,
        ),
        (
            dex("https://dex.example.com"),
            "dev@example.com",
            IdentityKind::Email,
            "https://dex.example.com",
            false,
        ),
        (
            github.clone(),
            "https://github.com/o/r/.github/workflows/x.yml@refs/heads/main",
            IdentityKind::Uri,
            "https://token.actions.githubusercontent.com",
            true,
        ),
        (
            json!({ "iss": "https://gitlab.com", "ci_config_ref_uri": "gitlab.com/g/p//.gitlab-ci.yml@refs/heads/main" }),
            "https://gitlab.com/g/p//.gitlab-ci.yml@refs/heads/main",
            IdentityKind::Uri,
            "https://gitlab.com",
            true,
        ),
        (json!({ "iss": "https://gitlab.com" }), "subject", IdentityKind::Other, "https://gitlab.com", false),
        (
            json!({ "iss": "https://agent.buildkite.com", "organization_slug": "o", "pipeline_slug": "p" }),
            "https://buildkite.com/o/p",
            IdentityKind::Uri,
            "https://agent.buildkite.com",
            true,
        ),
        (
            json!({ "iss": "https://k", "email": null, "kubernetes.io": { "namespace": "ns", "serviceaccount": { "name": "sa", "uid": "1" } } }),
            "https://kubernetes.io/namespaces/ns/serviceaccounts/sa",
            IdentityKind::Uri,
            "https://k",
            true,
        ),
    ] {
        let token = token(change).unwrap();
        let identity = token.identity();
        assert_eq!((identity.value.as_str(), identity.kind), (value, kind));
        assert_eq!((identity.issuer.as_str(), identity.exact), (issuer, exact), "{value}");
        token.check("sigstore", now()).unwrap();
    }
    // An issuer whose name only begins like a known one is another.
    let mut imitation = github;
    imitation["iss"] = json!("https://token.actions.githubusercontent.com.evil.example");
    assert!(!token(imitation).unwrap().identity().exact);
}

#[test]
fn nothing_shows_a_token() {
    let token = token(json!({})).unwrap();
    let shown = format!("{token:?}");
    assert!(shown.contains("https://issuer") && !shown.contains("eyJ"), "{shown}");
}
