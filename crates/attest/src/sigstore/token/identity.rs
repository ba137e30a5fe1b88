//! Which name a certificate will carry: the rules of the public Fulcio instance for the issuers that it knows
//! (sigstore/fulcio `config/identity/config.yaml`, `pkg/identity`), and the usual guess for others.

use super::NumericDate;
use modelseal_core::json::{AtMost, Object};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// The name that a certificate for a token will carry, and that its log entry makes public for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicIdentity {
    /// The name: an e-mail address, a URI such as that of a workflow, or something else.
    pub value: String,
    /// Which of these it is.
    pub kind: IdentityKind,
    /// The issuer that the certificate will name.
    pub issuer: String,
    /// Whether the issuer is one whose rules we know. Otherwise the name is the likely one.
    pub exact: bool,
}

/// Kind of a name in a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityKind {
    /// An e-mail address.
    Email,
    /// A URI.
    Uri,
    /// Another name, such as a user name.
    Other,
}

/// The claims that are read. Others are ignored.
#[derive(Clone, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: Audience,
    pub(super) exp: NumericDate,
    pub(super) nbf: Option<NumericDate>,
    pub(super) iat: Option<NumericDate>,
    pub(super) email: Option<String>,
    pub(super) email_verified: Option<Flag>,
    pub(super) nonce: Option<String>,
    federated_claims: Option<Object<Federated>>,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<Object<Kubernetes>>,
    /// Those of build systems, by name.
    #[serde(flatten)]
    others: BTreeMap<String, Text>,
}

/// One name or a list of names (RFC 7519 §4.1.3).
#[derive(Clone)]
pub(super) struct Audience(pub(super) Vec<String>);

/// `true`, or as some issuers write it, `"true"`.
#[derive(Clone, Copy)]
pub(super) struct Flag(pub(super) bool);

/// A text, or nothing if the claim is something else.
#[derive(Clone)]
struct Text(Option<String>);

#[derive(Clone, Deserialize)]
struct Federated {
    connector_id: Option<String>,
}

#[derive(Clone, Deserialize)]
struct Kubernetes {
    namespace: Option<String>,
    serviceaccount: Option<Object<ServiceAccount>>,
}

#[derive(Clone, Deserialize)]
struct ServiceAccount {
    name: Option<String>,
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            One(String),
            Many(AtMost<String, 32>),
        }
        Ok(Self(match Wire::deserialize(deserializer)? {
            Wire::One(name) => vec![name],
            Wire::Many(names) => names.0,
        }))
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Bool(bool),
            Text(String),
        }
        // What is neither is no assurance.
        Ok(Self(match Wire::deserialize(deserializer)? {
            Wire::Bool(value) => value,
            Wire::Text(value) => value == "true",
        }))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(value.as_str().map(str::to_owned)))
    }
}

/// What the certificate will say.
pub(super) fn of(claims: &Claims) -> PublicIdentity {
    let issuer = claims.iss.as_str();
    let exactly =
        |value: String, kind| PublicIdentity { value, kind, issuer: issuer.to_owned(), exact: true };
    if let Some(uri) = build_uri(claims) {
        return exactly(uri, IdentityKind::Uri);
    }
    if DEX.contains(&issuer)
        && let Some(email) = &claims.email
    {
        // These stand between the signer and the provider that the signer chose, which the certificate names.
        let federated = claims.federated_claims.as_ref().and_then(|claims| claims.connector_id.clone());
        let mut identity = exactly(email.clone(), IdentityKind::Email);
        identity.issuer = federated.unwrap_or(identity.issuer);
        return identity;
    }
    let exact = EMAIL.contains(&issuer);
    let (value, kind) = match &claims.email {
        // A build system's certificate never names an address.
        Some(email) if !is_build_system(issuer) => (email, IdentityKind::Email),
        _ if claims.sub.contains("://") => (&claims.sub, IdentityKind::Uri),
        _ => (&claims.sub, IdentityKind::Other),
    };
    let exact = exact && kind == IdentityKind::Email;
    PublicIdentity { value: value.clone(), kind, issuer: issuer.to_owned(), exact }
}

/// Sigstore's own sign-in, public and staging.
const DEX: [&str; 2] = ["https://oauth2.sigstore.dev/auth", "https://oauth2.sigstage.dev/auth"];

/// Issuers whose certificates name the address.
const EMAIL: [&str; 5] = [
    "https://accounts.google.com",
    "https://auth.eclipse.org/auth/realms/foundation-service-accounts",
    "https://issuer.hello.coop",
    "https://sigstore.verify.ibm.com/oauth2",
    "https://www.kaggle.com/api/v1/models/signing",
];

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const GITLAB: [&str; 4] = [
    "https://gitlab.com",
    "https://dev.gitlab.org",
    "https://gitlab.archlinux.org",
    "https://ops.gitlab.net",
];
const BUILDKITE: &str = "https://agent.buildkite.com";
const CIRCLECI: &str = "https://oidc.circleci.com";
const CODEFRESH: &str = "https://oidc.codefresh.io";

fn is_build_system(issuer: &str) -> bool {
    is_or_under(issuer, GITHUB)
        || GITLAB.contains(&issuer)
        || [BUILDKITE, CODEFRESH].contains(&issuer)
        || is_or_under(issuer, CIRCLECI)
}

fn is_or_under(issuer: &str, parent: &str) -> bool {
    issuer.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The URI of a build; none for other issuers, and when a claim is missing that it is made of.
fn build_uri(claims: &Claims) -> Option<String> {
    let issuer = claims.iss.as_str();
    let claim = |name: &str| {
        let text = claims.others.get(name).and_then(|text| text.0.as_deref());
        text.filter(|text| !text.is_empty())
    };
    if is_or_under(issuer, GITHUB) {
        return Some(format!("https://github.com/{}", claim("job_workflow_ref")?));
    }
    if GITLAB.contains(&issuer) {
        return Some(format!("https://{}", claim("ci_config_ref_uri")?));
    }
    if issuer == BUILDKITE {
        let (organization, pipeline) = (claim("organization_slug")?, claim("pipeline_slug")?);
        return Some(format!("https://buildkite.com/{organization}/{pipeline}"));
    }
    if is_or_under(issuer, CIRCLECI) {
        let project = claim("oidc.circleci.com/project-id")?;
        let pipeline = claim("oidc.circleci.com/pipeline-definition-id")?;
        let base = "https://circleci.com/api/v2/projects";
        return Some(format!("{base}/{project}/pipeline-definitions/{pipeline}"));
    }
    if issuer == CODEFRESH {
        let platform = claim("platform_url").unwrap_or("https://g.codefresh.io");
        let (account, pipeline) = (claim("account_name")?, claim("pipeline_name")?);
        let (account_id, pipeline_id) = (claim("account_id")?, claim("pipeline_id")?);
        return Some(format!("{platform}/{account}/{pipeline}:{account_id}/{pipeline_id}"));
    }
    if let Some(pod) = &claims.kubernetes {
        let account = pod.serviceaccount.as_ref()?.name.as_deref()?;
        let namespace = pod.namespace.as_deref()?;
        return Some(format!("https://kubernetes.io/namespaces/{namespace}/serviceaccounts/{account}"));
    }
    None
}
