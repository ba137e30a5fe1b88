//! AWS credentials: from variables, from shared files, from a container's agent.

use super::SERVICE;
use crate::{
    http::{Client, Request, Retry, Secret, ServiceUrl},
    kms::{
        environment::{Environment, read_file, read_token},
        error::KmsError,
        service::{self, SecretText, metadata_client},
    },
};
use serde::Deserialize;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// An access key. `Debug` shows its identifier only.
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) session_token: Option<Secret>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, ..)", self.id)
    }
}

const ADVICE: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or name a profile of the \
                      shared credentials file in AWS_PROFILE; `eval \"$(aws configure export-credentials --format env)\"` \
                      sets them from any other source";

/// The credentials of the first source that has some.
pub(super) fn find(environment: &Environment, client: &Client) -> Result<Credentials, KmsError> {
    if let (Some(id), Some(secret)) =
        (environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY"))
    {
        let session_token = environment.get("AWS_SESSION_TOKEN");
        return checked(id.reveal(), secret, session_token);
    }
    let file = shared_file(environment, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
    if let Some(text) = file.map(|file| read_file(&file)).transpose()?.flatten() {
        let value = |name| member(&text, &[&profile(environment)], name);
        if let (Some(id), Some(secret)) = (value("aws_access_key_id"), value("aws_secret_access_key")) {
            let token = value("aws_session_token").map(|token| Secret::new(token.to_owned()));
            return checked(id, Secret::new(secret.to_owned()), token);
        }
    }
    if let Some(url) = container_url(environment)? {
        return of_container(&url, environment, client);
    }
    Err(KmsError::NoCredentials { service: SERVICE, advice: ADVICE, last: None })
}

/// The region that the profile is set to.
pub(super) fn region_of_profile(environment: &Environment) -> Result<Option<String>, KmsError> {
    let Some(file) = shared_file(environment, "AWS_CONFIG_FILE", ".aws/config") else { return Ok(None) };
    let Some(text) = read_file(&file)? else { return Ok(None) };
    let profile = profile(environment);
    let section = format!("profile {profile}");
    let sections: &[&str] = if profile == "default" { &["default", &section] } else { &[&section] };
    Ok(member(&text, sections, "region").map(str::to_owned))
}

fn checked(id: &str, secret: Secret, session_token: Option<Secret>) -> Result<Credentials, KmsError> {
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let token = session_token.as_ref().is_none_or(|token| plain(token.reveal()));
    if plain(id) && !id.contains(['/', ',']) && plain(secret.reveal()) && token {
        Ok(Credentials { id: id.to_owned(), secret, session_token })
    } else {
        let (name, expected) = ("the access key", "printable, without spaces or line ends");
        Err(KmsError::Setting { service: SERVICE, name, expected })
    }
}

fn profile(environment: &Environment) -> String {
    environment.setting("AWS_PROFILE").unwrap_or_else(|| "default".to_owned())
}

fn shared_file(environment: &Environment, variable: &str, file: &str) -> Option<PathBuf> {
    environment.setting(variable).map(PathBuf::from).or_else(|| environment.home(file))
}

/// A member of the first of these sections that has it, in the format of AWS's shared files.
fn member<'a>(text: &'a str, sections: &[&str], name: &str) -> Option<&'a str> {
    let mut inside = false;
    for line in text.lines() {
        let line = line.trim_end();
        if let Some(section) = line.trim_start().strip_prefix('[') {
            let section = section.split(']').next().unwrap_or_default();
            inside = sections.contains(&section.split_whitespace().collect::<Vec<_>>().join(" ").as_str());
        } else if inside
            && !line.starts_with(['#', ';', ' ', '\t'])
            && let Some((found, value)) = line.split_once('=')
            && found.trim().eq_ignore_ascii_case(name)
        {
            return Some(value.trim()).filter(|value| !value.is_empty());
        }
    }
    None
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerAnswer {
    access_key_id: String,
    secret_access_key: SecretText,
    token: Option<SecretText>,
}

/// Where the agent of ECS or EKS answers.
fn container_url(environment: &Environment) -> Result<Option<ServiceUrl>, KmsError> {
    if let Some(path) = environment.setting("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        let url = format!("http://169.254.170.2/{}", path.trim_start_matches('/'));
        return Ok(Some(ServiceUrl::parse(&url)?));
    }
    let Some(url) = environment.setting("AWS_CONTAINER_CREDENTIALS_FULL_URI") else { return Ok(None) };
    let url = ServiceUrl::parse(&url)?;
    let agent = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"].contains(&url.host());
    if url.is_https() || url.is_loopback() || agent {
        Ok(Some(url))
    } else {
        let (name, expected) =
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "an https URL, or one on this machine or of ECS or EKS");
        Err(KmsError::Setting { service: SERVICE, name, expected })
    }
}

fn of_container(
    url: &ServiceUrl,
    environment: &Environment,
    client: &Client,
) -> Result<Credentials, KmsError> {
    let token = match environment.setting("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => read_token(Path::new(&file))?,
        None => environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    let mut request = Request::get("AWS container credentials", url.clone()).retry(Retry::Idempotent);
    if let Some(token) = token {
        request = request.secret_header("authorization", &token);
    }
    let answer = metadata_client(client)?.send(&request)?;
    let answer: ContainerAnswer = service::read("AWS container credentials", &answer)?;
    let token = answer.token.map(SecretText::into_secret);
    checked(&answer.access_key_id, answer.secret_access_key.into_secret(), token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Options;

    fn client() -> Client {
        Client::new(Options::default()).unwrap()
    }

    #[test]
    fn variables_come_before_files_and_a_profile_is_its_own() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        let text = "# aws_access_key_id=NO\n[default]\naws_access_key_id = AKDEFAULT\naws_secret_access_key=one=1\n\n\
                    [ team ]\n aws_access_key_id = nested\naws_access_key_id=AKTEAM\naws_secret_access_key=two\n\
                    aws_session_token=three\n[empty]\n";
        std::fs::write(home.path().join(".aws/credentials"), text).unwrap();
        let config = "[default]\nregion=us-east-1\n[profile team]\nregion = eu-west-1\n[team]\nregion=no\n";
        std::fs::write(home.path().join(".aws/config"), config).unwrap();
        let home = home.path().to_str().unwrap();
        let with =
            |more: &[(&str, &str)]| Environment::from_pairs(more.iter().copied().chain([("HOME", home)]));

        let found = find(&with(&[]), &client()).unwrap();
        assert_eq!((found.id.as_str(), found.secret.reveal()), ("AKDEFAULT", "one=1"));
        assert!(found.session_token.is_none());
        assert_eq!(region_of_profile(&with(&[])).unwrap().as_deref(), Some("us-east-1"));

        let team = with(&[("AWS_PROFILE", "team")]);
        let found = find(&team, &client()).unwrap();
        assert_eq!((found.id.as_str(), found.session_token.unwrap().reveal()), ("AKTEAM", "three"));
        assert_eq!(region_of_profile(&team).unwrap().as_deref(), Some("eu-west-1"));

        let variables = with(&[("AWS_ACCESS_KEY_ID", "AKENV"), ("AWS_SECRET_ACCESS_KEY", "s")]);
        assert_eq!(find(&variables, &client()).unwrap().id, "AKENV");
        for nothing in [
            with(&[("AWS_PROFILE", "empty")]),
            with(&[("AWS_PROFILE", "absent")]),
            Environment::from_pairs([("A", "b")]),
        ] {
            let error = find(&nothing, &client()).unwrap_err();
            assert!(matches!(error, KmsError::NoCredentials { .. }), "{error}");
        }
    }

    #[test]
    fn keys_that_would_break_a_header_are_refused_and_not_shown() {
        for (id, secret) in
            [("AK\nX", "hunter2hunter2"), ("AKX", "hunter2 hunter2"), ("A/K", "hunter2hunter2")]
        {
            let pairs = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)];
            let error = find(&Environment::from_pairs(pairs), &client()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_container_agent_elsewhere_is_not_asked_over_plain_http() {
        for url in ["http://example.com/x", "http://169.254.170.2.example.com/"] {
            let environment = Environment::from_pairs([("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)]);
            let error = find(&environment, &client()).unwrap_err();
            assert!(matches!(error, KmsError::Setting { .. }), "{error}");
        }
    }
}
