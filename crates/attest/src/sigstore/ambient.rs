//! Tokens that the surroundings hand out: build systems and Google Cloud.
//!
//! | provider | told by | token from |
//! |---|---|---|
//! | GitHub Actions | `GITHUB_ACTIONS=true` | `ACTIONS_ID_TOKEN_REQUEST_URL` with `ACTIONS_ID_TOKEN_REQUEST_TOKEN` |
//! | GitLab CI | `GITLAB_CI=true` | `SIGSTORE_ID_TOKEN` (of the audience's name) |
//! | Buildkite | `BUILDKITE=true` | `buildkite-agent oidc request-token` |
//! | CircleCI | `CIRCLECI=true` | `circleci run oidc get` |
//! | Google Cloud | `GCE_METADATA_HOST`, `K_SERVICE`, or the machine's firmware | the metadata server |
//!
//! The first that is told is asked; if it has no token, that is an error and not a reason to go on.

use super::{IdentityToken, TokenError, command, json_answer, oauth::TokenSourceError};
use crate::http::{Client, Options, Request, Retry, Secret, ServiceUrl};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt, time::Duration};
use zeroize::Zeroizing;

/// Who gives tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provider {
    /// GitHub Actions, with the permission `id-token: write`.
    GitHubActions,
    /// GitLab CI, with an `id_tokens` member in the job.
    GitLab,
    /// Buildkite, by its agent.
    Buildkite,
    /// CircleCI, by its command line.
    CircleCi,
    /// A machine or service of Google Cloud, as its service account.
    GoogleCloud,
}

/// The environment in which providers are looked for: the process's, or a made-up one.
#[derive(Clone)]
pub struct Environment {
    variables: Option<BTreeMap<String, Secret>>,
    product: Option<String>,
}

impl Environment {
    /// The environment of this process, and what the machine's firmware calls it.
    #[must_use]
    pub fn process() -> Self {
        let product = std::fs::read_to_string("/sys/class/dmi/id/product_name").ok();
        Self { variables: None, product }
    }

    /// An environment of these variables.
    #[must_use]
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())));
        Self { variables: Some(pairs.collect()), product: None }
    }

    /// A variable, if it is set and not empty.
    fn get(&self, name: &str) -> Option<Secret> {
        let value = match &self.variables {
            Some(variables) => variables.get(name).cloned(),
            None => std::env::var(name).ok().map(Secret::new),
        };
        value.filter(|value| !value.reveal().is_empty())
    }

    fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.reveal() == "true")
    }

    /// Who would be asked for a token, without asking.
    #[must_use]
    pub fn provider(&self) -> Option<Provider> {
        let told = [
            ("GITHUB_ACTIONS", Provider::GitHubActions),
            ("GITLAB_CI", Provider::GitLab),
            ("BUILDKITE", Provider::Buildkite),
            ("CIRCLECI", Provider::CircleCi),
        ];
        if let Some((_, provider)) = told.into_iter().find(|(name, _)| self.is_true(name)) {
            return Some(provider);
        }
        let google = self.get("GCE_METADATA_HOST").is_some()
            || self.get("K_SERVICE").is_some()
            || self.product.as_deref().is_some_and(|product| product.trim().starts_with("Google"));
        google.then_some(Provider::GoogleCloud)
    }
}

/// The token of the first provider that is told by the environment; none if there is no provider. The token is read,
/// and not yet checked.
///
/// # Errors
/// [`TokenSourceError`] when the provider has no token for us.
pub fn detect(
    audience: &str,
    environment: &Environment,
    client: &Client,
) -> Result<Option<(Provider, IdentityToken)>, TokenSourceError> {
    let Some(provider) = environment.provider() else { return Ok(None) };
    let text = match provider {
        Provider::GitHubActions => github(audience, environment, client)?,
        Provider::GitLab => gitlab(audience, environment)?,
        Provider::Buildkite => {
            let arguments = ["oidc", "request-token", "--audience", audience];
            run(provider, "buildkite-agent", &arguments)?
        }
        Provider::CircleCi => {
            let claims = serde_json::json!({ "aud": audience }).to_string();
            let arguments = ["run", "oidc", "get", "--root-issuer", "--claims", &claims];
            run(provider, "circleci", &arguments)?
        }
        Provider::GoogleCloud => google(audience, environment, client)?,
    };
    Ok(Some((provider, IdentityToken::parse(&text)?)))
}

/// How long a program may take to hand out a token.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest answer with a token, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
struct WireToken {
    value: String,
}

fn github(audience: &str, environment: &Environment, client: &Client) -> Result<Secret, TokenSourceError> {
    let variable = |name| {
        environment.get(name).ok_or_else(|| {
            let why = format!("{name} is not set: give the job the permission 'id-token: write'");
            TokenSourceError::Unavailable { provider: Provider::GitHubActions, why }
        })
    };
    let url = ServiceUrl::parse(variable("ACTIONS_ID_TOKEN_REQUEST_URL")?.reveal())?;
    let token = variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?;
    let bearer = Secret::new(format!("Bearer {}", token.reveal()));
    let request = Request::get("GitHub Actions", url.with_query(&[("audience", audience)]))
        .secret_header("Authorization", &bearer)
        .redact(&token)
        .max_answer_bytes(MAX_ANSWER_BYTES)
        .retry(Retry::Idempotent);
    let answer = client.send(&request)?;
    let wire: WireToken = json_answer::read("GitHub Actions", &url, &answer)?;
    Ok(Secret::new(wire.value))
}

fn gitlab(audience: &str, environment: &Environment) -> Result<Secret, TokenSourceError> {
    let name = audience.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    let name = format!("{}_ID_TOKEN", name.collect::<String>());
    environment.get(&name).ok_or_else(|| TokenSourceError::Unavailable {
        provider: Provider::GitLab,
        why: format!("{name} is not set: give the job 'id_tokens' with {name} and the audience '{audience}'"),
    })
}

fn google(audience: &str, environment: &Environment, client: &Client) -> Result<Secret, TokenSourceError> {
    let host = environment.get("GCE_METADATA_HOST");
    let host = host.as_ref().map_or("metadata.google.internal", Secret::reveal);
    let url = ServiceUrl::parse(&format!("http://{host}"))?
        .join("/computeMetadata/v1/instance/service-accounts/default/identity")
        .with_query(&[("audience", audience), ("format", "full")]);
    // The server is on the machine's own link, which is not encrypted, and which no proxy can reach.
    let client = Client::new(Options {
        use_proxies: false,
        allow_plain_http: true,
        connect_timeout: Duration::from_secs(3),
        ..client.options().clone()
    })?;
    let request = Request::get("Google Cloud metadata server", url)
        .header("Metadata-Flavor", "Google")
        .max_answer_bytes(MAX_ANSWER_BYTES)
        .retry(Retry::Idempotent);
    let answer = client.send(&request)?;
    let text = std::str::from_utf8(&answer.body).unwrap_or_default();
    Ok(Secret::new(Zeroizing::new(text.to_owned())))
}

fn run(provider: Provider, program: &str, arguments: &[&str]) -> Result<Secret, TokenSourceError> {
    command::first_line(program, arguments, MAX_ANSWER_BYTES, PROGRAM_TIMEOUT)
        .map_err(|why| TokenSourceError::Unavailable { provider, why })
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({:?})", self.provider())
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GitHubActions => "GitHub Actions",
            Self::GitLab => "GitLab CI",
            Self::Buildkite => "Buildkite",
            Self::CircleCi => "CircleCI",
            Self::GoogleCloud => "Google Cloud",
        })
    }
}

impl From<TokenError> for TokenSourceError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}
