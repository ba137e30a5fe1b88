//! Tokens of people: OpenID Connect with the authorization code flow, PKCE (RFC 7636), state and nonce.
//!
//! [`Flow::Browser`] waits for the browser to come back to a listener on 127.0.0.1 (RFC 8252). [`Flow::OutOfBand`] has the user
//! carry the code over, for machines without a browser. Talking to the user is for an [`Interaction`].

mod browser;
mod error;
mod listener;

pub use browser::open_browser;
pub use error::TokenSourceError;

use super::{IdentityToken, SigningError, json_answer};
use crate::http::{Client, Request, Retry, Secret, ServiceUrl};
use aws_lc_rs::{
    digest::{self, SHA256},
    rand,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use listener::Listener;
use serde::Deserialize;
use std::{io, time::Duration};
use zeroize::Zeroizing;

const PROVIDER: &str = "OpenID provider";

/// Largest discovery document or token answer, in bytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The redirect that shows the code to the user.
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

/// How to sign in.
#[derive(Debug, Clone)]
pub struct OAuth {
    /// The OpenID provider.
    pub issuer: ServiceUrl,
    /// The OAuth client: also the audience of the token. `sigstore` for the public instance.
    pub client_id: String,
    /// The client's secret, for clients that have one.
    pub client_secret: Option<Secret>,
    /// How the code comes back.
    pub flow: Flow,
    /// How long the user may take in the browser.
    pub timeout: Duration,
}

/// How the code comes back from the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// By the browser, to a listener on this machine. Falls back to [`Flow::OutOfBand`] when no browser can be opened.
    Browser,
    /// By the user.
    OutOfBand,
}

/// How to talk to the user. The URLs given are checked: absolute, `https` or of this machine.
pub trait Interaction {
    /// Opens the browser, or says that there is none. [`open_browser`] is one way to do it.
    fn open_browser(&mut self, url: &str) -> bool;

    /// Tells the user that the browser is waited for, and the URL in case that it did not open.
    fn waiting(&mut self, url: &str);

    /// Has the user visit the URL and reads the code that is shown there.
    ///
    /// # Errors
    /// When there is nobody to read from.
    fn read_code(&mut self, url: &str) -> io::Result<Secret>;
}

/// Signs the user in. The token is checked to be of this provider, for this client and for this sign-in.
///
/// `clock` is asked when the token is there.
///
/// # Errors
/// [`TokenSourceError`].
pub fn authenticate(
    oauth: &OAuth,
    interaction: &mut dyn Interaction,
    client: &Client,
    clock: &dyn Fn() -> Timestamp,
) -> Result<IdentityToken, TokenSourceError> {
    let provider = discover(&oauth.issuer, client)?;
    let (state, nonce, verifier) = (random()?, random()?, random()?);
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&SHA256, verifier.reveal().as_bytes()));
    let page = |redirect: &str| {
        provider.authorization.with_query(&[
            ("response_type", "code"),
            ("client_id", &oauth.client_id),
            ("redirect_uri", redirect),
            ("scope", "openid email"),
            ("state", state.reveal()),
            ("nonce", nonce.reveal()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ])
    };
    let mut received = None;
    if oauth.flow == Flow::Browser {
        let listener = Listener::bind().map_err(TokenSourceError::Listener)?;
        let redirect = listener.redirect_uri();
        let page = page(&redirect);
        if interaction.open_browser(page.as_str()) {
            interaction.waiting(page.as_str());
            received = Some((listener.wait(&state, oauth.timeout)?, redirect));
        }
    }
    let (code, redirect) = match received {
        Some(received) => received,
        None => {
            let page = page(OUT_OF_BAND);
            let code = interaction.read_code(page.as_str()).map_err(TokenSourceError::Prompt)?;
            let code = Secret::new(code.reveal().trim().to_owned());
            if code.reveal().is_empty() {
                return Err(TokenSourceError::NoCode);
            }
            (code, OUT_OF_BAND.to_owned())
        }
    };
    let token = exchange(oauth, &provider, &code, &verifier, &redirect, client)?;
    let token = IdentityToken::parse(&token)?;
    token.check_origin(&provider.issuer, nonce.reveal())?;
    token.check(&oauth.client_id, clock())?;
    Ok(token)
}

struct Provider {
    issuer: String,
    authorization: ServiceUrl,
    token: ServiceUrl,
}

#[derive(Deserialize)]
struct WireDiscovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
}

#[derive(Deserialize)]
struct WireTokens {
    id_token: Option<String>,
}

/// OpenID Connect Discovery 1.0 §4, with the issuer compared as §4.3 demands.
fn discover(issuer: &ServiceUrl, client: &Client) -> Result<Provider, TokenSourceError> {
    let url = issuer.join("/.well-known/openid-configuration");
    let request =
        Request::get(PROVIDER, url.clone()).max_answer_bytes(MAX_ANSWER_BYTES).retry(Retry::Idempotent);
    let answer = client.send(&request)?;
    let wire: WireDiscovery = json_answer::read(PROVIDER, &url, &answer)?;
    let same = |text: &str| text.trim_end_matches('/').to_owned();
    if same(&wire.issuer) != same(issuer.as_str()) {
        let (asked, found) = (issuer.to_string(), wire.issuer);
        return Err(TokenSourceError::AnotherIssuer { asked, found });
    }
    let endpoint = |text: &str| -> Result<ServiceUrl, TokenSourceError> {
        let url = ServiceUrl::parse(text)?;
        if url.is_https() || url.is_loopback() || client.options().allow_plain_http {
            return Ok(url);
        }
        Err(crate::http::HttpError::PlainHttp { service: PROVIDER, url }.into())
    };
    Ok(Provider {
        authorization: endpoint(&wire.authorization_endpoint)?,
        token: endpoint(&wire.token_endpoint)?,
        issuer: wire.issuer,
    })
}

fn exchange(
    oauth: &OAuth,
    provider: &Provider,
    code: &Secret,
    verifier: &Secret,
    redirect: &str,
    client: &Client,
) -> Result<Secret, TokenSourceError> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code.reveal()),
        ("redirect_uri", redirect),
        ("code_verifier", verifier.reveal()),
    ];
    if oauth.client_secret.is_none() {
        form.push(("client_id", &oauth.client_id));
    }
    let body = Zeroizing::new(encoded(&form).into_bytes());
    let mut request =
        Request::post(PROVIDER, provider.token.clone(), "application/x-www-form-urlencoded", body)
            .redact(code)
            .redact(verifier)
            .max_answer_bytes(MAX_ANSWER_BYTES)
            // A code is good for one use.
            .retry(Retry::Unprocessed);
    if let Some(secret) = &oauth.client_secret {
        // RFC 6749 §2.3.1: each half is encoded as in a form.
        let user = encoded(&[(&oauth.client_id, "")]);
        let user = user.trim_end_matches('=');
        let password = Zeroizing::new(encoded(&[("", secret.reveal())]));
        let password = Secret::new(password.trim_start_matches('=').to_owned());
        let pair = Zeroizing::new(format!("{user}:{}", password.reveal()));
        let basic = Secret::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        request = request.secret_header("Authorization", &basic).redact(secret).redact(&password);
    }
    let answer = client.send(&request)?;
    let wire: WireTokens = json_answer::read(PROVIDER, &provider.token, &answer)?;
    let token = wire.id_token.ok_or_else(|| SigningError::Answer {
        service: PROVIDER,
        url: provider.token.clone(),
        what: "no identity token".to_owned(),
    })?;
    Ok(Secret::new(token))
}

/// `application/x-www-form-urlencoded`.
fn encoded(pairs: &[(&str, &str)]) -> String {
    reqwest::Url::parse("http://localhost/").map_or_else(
        |_| String::new(),
        |mut url| {
            url.query_pairs_mut().extend_pairs(pairs);
            url.query().unwrap_or_default().to_owned()
        },
    )
}

/// 256 random bits, as the 43 characters that PKCE asks for.
fn random() -> Result<Secret, TokenSourceError> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| TokenSourceError::NoRandomness)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}
