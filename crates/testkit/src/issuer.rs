//! OIDC issuer: discovery, keys, tokens with every claim a knob, and the authorization code flow with PKCE.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::http::{Request, Response, encode, form, parameter};
use crate::json::{b64url, hex, unb64, unb64url};
use crate::keys::{self, EcKey, sha256};

/// The audience Fulcio wants.
const AUDIENCE: &str = "sigstore";
/// What a job of GitHub Actions shows to get an identity token.
pub(crate) const REQUEST_TOKEN: &str = "request-token-of-the-job";
/// Redirect of the out-of-band flow: the code is shown to the user.
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

/// What an identity token says. The default is a good token for `dev@example.com`.
#[derive(Clone, Debug)]
pub struct TokenSpec {
    /// `email`; nothing for workload identities, whose `sub` is a URI.
    pub email: Option<String>,
    /// `email_verified`, there only with an e-mail address.
    pub email_verified: bool,
    /// `sub`.
    pub sub: String,
    /// `aud`.
    pub aud: String,
    /// `iss`; nothing means the double's URL.
    pub iss: Option<String>,
    /// Seconds from `iat` to `exp`; negative for a token that has expired.
    pub ttl: i64,
    /// Seconds added to `iat` and `exp`.
    pub iat_shift: i64,
    /// `nbf`, in seconds from now.
    pub nbf: Option<i64>,
    /// `nonce`; the browser flow puts in the one it was asked for.
    pub nonce: Option<String>,
    /// Further claims. They replace those above; `null` takes a claim away.
    pub claims: Map<String, Value>,
    /// Signs with a key that the issuer does not publish.
    pub foreign_key: bool,
}

impl Default for TokenSpec {
    fn default() -> Self {
        Self {
            email: Some("dev@example.com".to_owned()),
            email_verified: true,
            sub: "subject-1".to_owned(),
            aud: AUDIENCE.to_owned(),
            iss: None,
            ttl: 600,
            iat_shift: 0,
            nbf: None,
            nonce: None,
            claims: Map::new(),
            foreign_key: false,
        }
    }
}

impl TokenSpec {
    /// A good token for this e-mail address.
    #[must_use]
    pub fn email(address: &str) -> Self {
        Self { email: Some(address.to_owned()), ..Self::default() }
    }

    /// A good token without an e-mail address, for this subject.
    #[must_use]
    pub fn subject(sub: &str) -> Self {
        Self { email: None, sub: sub.to_owned(), ..Self::default() }
    }

    /// A token as GitHub Actions gives it to a workflow of this repository (`owner/name`).
    #[must_use]
    pub fn github(repository: &str) -> Self {
        let owner = repository.split('/').next().unwrap_or_default();
        let workflow = format!("{repository}/.github/workflows/release.yml@refs/heads/main");
        let claims = json!({
            "repository": repository, "repository_owner": owner, "repository_id": "1001", "repository_owner_id": "2002",
            "ref": "refs/heads/main", "sha": "6f1b1d1b6a7f0f0ac1d2c1ea8d8f8c3f6b0a1c2d", "event_name": "push",
            "job_workflow_ref": workflow, "job_workflow_sha": "6f1b1d1b6a7f0f0ac1d2c1ea8d8f8c3f6b0a1c2d",
            "workflow_ref": workflow, "workflow_sha": "6f1b1d1b6a7f0f0ac1d2c1ea8d8f8c3f6b0a1c2d",
            "runner_environment": "github-hosted", "repository_visibility": "public",
            "run_url": format!("https://github.com/{repository}/actions/runs/77/attempts/1"),
        });
        let Value::Object(claims) = claims else { unreachable!("an object") };
        Self { claims, ..Self::subject(&format!("repo:{repository}:ref:refs/heads/main")) }
    }
}

/// An authorization code that was given out.
struct Granted {
    client: String,
    redirect: String,
    challenge: String,
    nonce: Option<String>,
}

/// Client id and secret.
type Client = (String, Option<String>);

/// The issuer.
pub(crate) struct Issuer {
    url: String,
    key: EcKey,
    foreign_key: EcKey,
    codes: Mutex<HashMap<String, Granted>>,
    /// Who signs in at the browser.
    pub(crate) browser: Mutex<TokenSpec>,
    /// The client the token endpoint insists on.
    pub(crate) client: Mutex<Option<Client>>,
}

impl Issuer {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            key: EcKey::generate(),
            foreign_key: EcKey::generate(),
            codes: Mutex::default(),
            browser: Mutex::default(),
            client: Mutex::default(),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn discovery(&self) -> Response {
        let at = |path: &str| format!("{}{path}", self.url);
        Response::json(
            200,
            &json!({
                "issuer": self.url, "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
                "jwks_uri": at("/keys"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"], "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "email"],
            }),
        )
    }

    pub(crate) fn jwks(&self) -> Response {
        let (x, y) = self.key.point()[1..].split_at(32);
        let key = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid(), "x": b64url(x), "y": b64url(y)});
        Response::json(200, &json!({"keys": [key]}))
    }

    fn kid(&self) -> String {
        hex(&self.key.id()[..8])
    }

    /// A signed token.
    pub(crate) fn mint(&self, spec: &TokenSpec, now: i64) -> String {
        let issued = now + spec.iat_shift;
        let mut claims = json!({
            "iss": spec.iss.as_deref().unwrap_or(&self.url), "sub": spec.sub, "aud": spec.aud,
            "iat": issued, "exp": issued + spec.ttl, "jti": hex(&keys::random::<8>()),
        });
        let members = claims.as_object_mut().expect("an object");
        if let Some(email) = &spec.email {
            members.insert("email".to_owned(), json!(email));
            members.insert("email_verified".to_owned(), json!(spec.email_verified));
        }
        if let Some(shift) = spec.nbf {
            members.insert("nbf".to_owned(), json!(now + shift));
        }
        if let Some(nonce) = &spec.nonce {
            members.insert("nonce".to_owned(), json!(nonce));
        }
        members.extend(spec.claims.clone());
        members.retain(|_, value| !value.is_null());
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.kid()});
        let signed = format!("{}.{}", b64url(header.to_string()), b64url(claims.to_string()));
        let key = if spec.foreign_key { &self.foreign_key } else { &self.key };
        format!("{signed}.{}", b64url(key.sign_fixed(signed.as_bytes())))
    }

    /// The claims of a token that Fulcio accepts: signature, issuer, audience, time.
    pub(crate) fn check(&self, token: &str, now: i64) -> Result<Value, String> {
        let (signed, signature) = token.rsplit_once('.').ok_or("not three parts")?;
        let (header, payload) = signed.split_once('.').ok_or("not three parts")?;
        let part = |text: &str| -> Option<Value> { serde_json::from_slice(&unb64url(text)?).ok() };
        let header = part(header).ok_or("the header is malformed")?;
        if header["alg"] != "ES256" || header["kid"] != self.kid().as_str() {
            return Err("signed with a key that the issuer does not publish".to_owned());
        }
        let signature = unb64url(signature).ok_or("the signature is no base64")?;
        if !self.key.verifies_fixed(signed.as_bytes(), &signature) {
            return Err("the signature does not verify".to_owned());
        }
        let claims = part(payload).ok_or("the payload is malformed")?;
        if claims["iss"] != self.url.as_str() {
            return Err(format!("the issuer is {}", claims["iss"]));
        }
        let audience = &claims["aud"];
        if audience != AUDIENCE
            && !audience.as_array().is_some_and(|all| all.iter().any(|one| one == AUDIENCE))
        {
            return Err(format!("the audience is {audience}"));
        }
        if claims["exp"].as_i64().is_none_or(|end| end <= now) {
            return Err("it has expired".to_owned());
        }
        if claims["nbf"].as_i64().is_some_and(|start| start > now) {
            return Err("it is not valid yet".to_owned());
        }
        Ok(claims)
    }

    /// `GET /auth`: the user agrees at once.
    pub(crate) fn authorize(&self, request: &Request, fault: Option<&Fault>) -> Result<Response, Response> {
        let bad = |message: &str| Response::error(400, message);
        let get = |name: &str| parameter(&request.query, name);
        let need = |name: &str| get(name).ok_or_else(|| Response::error(400, &format!("{name} is missing")));
        if need("response_type")? != "code" {
            return Err(bad("response_type is not code"));
        }
        if need("code_challenge_method")? != "S256" {
            return Err(bad("code_challenge_method is not S256"));
        }
        if !need("scope")?.split(' ').any(|scope| scope == "openid") {
            return Err(bad("the scope lacks openid"));
        }
        let redirect = need("redirect_uri")?;
        let loopback = ["http://localhost:", "http://127.0.0.1:", "http://[::1]:"];
        if redirect != OUT_OF_BAND && !loopback.iter().any(|start| redirect.starts_with(start)) {
            return Err(bad("redirect_uri is neither on this machine nor out of band"));
        }
        let granted = Granted {
            client: need("client_id")?.to_owned(),
            redirect: redirect.to_owned(),
            challenge: need("code_challenge")?.to_owned(),
            nonce: get("nonce").map(str::to_owned),
        };
        let code = hex(&keys::random::<16>());
        self.codes.lock().unwrap_or_else(PoisonError::into_inner).insert(code.clone(), granted);
        let denied = fault == Some(&Fault::AccessDenied);
        if redirect == OUT_OF_BAND {
            let page =
                if denied { "access_denied".to_owned() } else { format!("Your code: <code>{code}</code>") };
            return Ok(Response::new(200, "text/html", format!("<!doctype html><p>{page}</p>")));
        }
        let state = match fault {
            Some(Fault::WrongState) => "another",
            _ => need("state")?,
        };
        let answer = if denied { "error=access_denied".to_owned() } else { format!("code={code}") };
        let join = if redirect.contains('?') { '&' } else { '?' };
        let location = format!("{redirect}{join}{answer}&state={}", encode(state));
        Ok(Response::new(302, "text/plain", "").with("Location", location))
    }

    /// `POST /token`: a code and its verifier for a token.
    pub(crate) fn exchange(
        &self,
        request: &Request,
        now: i64,
        fault: Option<&Fault>,
    ) -> Result<Response, Response> {
        let refuse = |error: &str| Response::json(400, &json!({"error": error}));
        let fields = form(&String::from_utf8_lossy(&request.body));
        let get = |name: &str| parameter(&fields, name);
        if get("grant_type") != Some("authorization_code") {
            return Err(refuse("unsupported_grant_type"));
        }
        // RFC 6749 2.3.1: the client in the Authorization header, or in the form.
        let basic =
            request.header("authorization").and_then(|value| value.strip_prefix("Basic ")).and_then(unb64);
        let basic = basic.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let (id, secret) = match basic.as_deref().and_then(|text| text.split_once(':')) {
            Some((id, secret)) => (crate::http::decode(id), Some(crate::http::decode(secret))),
            None => {
                (get("client_id").unwrap_or_default().to_owned(), get("client_secret").map(str::to_owned))
            }
        };
        if !self.knows(&id, secret.as_deref()) {
            return Err(Response::json(401, &json!({"error": "invalid_client"})));
        }
        // A code works once, whatever comes of it.
        let code = get("code").unwrap_or_default();
        let granted = self.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(code);
        let granted = granted.ok_or_else(|| refuse("invalid_grant"))?;
        let verifier = get("code_verifier").unwrap_or_default();
        let proven =
            (43..=128).contains(&verifier.len()) && b64url(sha256(verifier.as_bytes())) == granted.challenge;
        if !proven || granted.client != id || get("redirect_uri") != Some(granted.redirect.as_str()) {
            return Err(refuse("invalid_grant"));
        }
        let mut spec = self.browser.lock().unwrap_or_else(PoisonError::into_inner).clone();
        spec.nonce = match fault {
            Some(Fault::TokenNonceWrong) => Some("another".to_owned()),
            _ => spec.nonce.or(granted.nonce),
        };
        let token = self.mint(&spec, now);
        Ok(Response::json(
            200,
            &json!({"access_token": hex(&keys::random::<16>()), "token_type": "Bearer", "expires_in": spec.ttl, "id_token": token}),
        ))
    }

    /// Whether the client may exchange codes.
    fn knows(&self, id: &str, secret: Option<&str>) -> bool {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.as_ref().is_none_or(|(wanted, wanted_secret)| {
            let right =
                wanted_secret.is_none() || secret.filter(|s| !s.is_empty()) == wanted_secret.as_deref();
            id == wanted && right
        })
    }

    /// The token endpoint of GitHub Actions: JSON, against a request token.
    pub(crate) fn actions(&self, request: &Request, now: i64) -> Result<Response, Response> {
        let bearer = request.header("authorization").unwrap_or_default();
        if !bearer.to_ascii_lowercase().starts_with("bearer ") || bearer[7..] != *REQUEST_TOKEN {
            return Err(Response::error(401, "not the request token"));
        }
        Ok(Response::json(200, &json!({"count": 1, "value": self.ambient(request, now)?})))
    }

    /// The metadata server of Google Cloud: plain text, against a header that a browser cannot send.
    pub(crate) fn metadata(&self, request: &Request, now: i64) -> Result<Response, Response> {
        if request.header("metadata-flavor") != Some("Google") {
            return Err(Response::error(403, "Metadata-Flavor is missing"));
        }
        Ok(Response::new(200, "text/plain", self.ambient(request, now)?).with("Metadata-Flavor", "Google"))
    }

    /// The browser's token for the audience that is asked for.
    fn ambient(&self, request: &Request, now: i64) -> Result<String, Response> {
        let audience =
            parameter(&request.query, "audience").ok_or_else(|| Response::error(400, "no audience"))?;
        let mut spec = self.browser.lock().unwrap_or_else(PoisonError::into_inner).clone();
        spec.aud = audience.to_owned();
        Ok(self.mint(&spec, now))
    }
}
