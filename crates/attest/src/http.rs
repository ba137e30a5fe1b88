//! One small HTTP client for all services: bounded in time, in bytes and in attempts, and careful with secrets.
//!
//! - TLS by rustls and aws-lc, at least TLS 1.2. Roots are those of the operating system, and those in
//!   [`Options::extra_roots_pem`]. HTTP/1.1, no compression, no cookies, no connection kept.
//! - `http://` is refused, except to this machine ([`ServiceUrl::is_loopback`]), which is then reached without a proxy. Other
//!   hosts are reached through the proxies of the environment (`HTTPS_PROXY`, `NO_PROXY` and so on).
//! - Redirects are not followed: [`HttpError::Redirect`] says where they point.
//! - Attempts, waits between them and reading the answer share one budget, [`Options::total_timeout`]. `Retry-After` in seconds is
//!   honoured if it fits.
//!
//! The interface is synchronous. The asynchronous runtime underneath lives for one call, on a thread of its own, so that
//! callers may be in a runtime or not.
//!
//! [`Request`] in, [`Answer`] or [`HttpError`] out; [`Secret`] is how tokens travel.

mod error;
mod request;
mod secret;
mod url;

pub use error::HttpError;
pub use request::{Answer, Request, Retry};
pub use secret::Secret;
pub use url::ServiceUrl;

use aws_lc_rs::rand;
use reqwest::{
    Certificate, Method, StatusCode,
    header::{CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER},
};
use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// Bounds and trust of a [`Client`].
#[derive(Debug, Clone)]
pub struct Options {
    /// For a connection, TLS included. 10 s by default.
    pub connect_timeout: Duration,
    /// For one attempt, connection and answer included. 30 s by default.
    pub attempt_timeout: Duration,
    /// For all attempts of one request and the waits between them. 120 s by default.
    pub total_timeout: Duration,
    /// The longest answer, in bytes. 1 MiB by default: certificates, log entries and timestamps are a few KiB.
    pub max_answer_bytes: usize,
    /// How often a request is sent at most. 4 by default.
    pub max_attempts: u32,
    /// More roots, as PEM certificates, beside those of the operating system.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// Whether the environment's proxies are used. Yes by default.
    pub use_proxies: bool,
    /// Whether `http://` is taken for hosts other than this one. No by default.
    pub allow_plain_http: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            attempt_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(120),
            max_answer_bytes: 1024 * 1024,
            max_attempts: 4,
            extra_roots_pem: None,
            use_proxies: true,
            allow_plain_http: false,
        }
    }
}

/// Sends requests. Keeps nothing between them.
#[derive(Debug, Clone)]
pub struct Client {
    options: Options,
    extra_roots: Vec<Certificate>,
}

impl Client {
    /// A client with these bounds.
    ///
    /// # Errors
    /// [`HttpError::Setup`] when the extra roots hold no PEM certificate.
    pub fn new(options: Options) -> Result<Self, HttpError> {
        let setup = |reason: &str| HttpError::Setup { reason: reason.to_owned() };
        let extra_roots = match &options.extra_roots_pem {
            None => Vec::new(),
            Some(pem) => {
                let roots = Certificate::from_pem_bundle(pem)
                    .map_err(|_| setup("the file of extra root certificates is not PEM"))?;
                if roots.is_empty() {
                    return Err(setup("the file of extra root certificates holds no certificate"));
                }
                roots
            }
        };
        Ok(Self { options, extra_roots })
    }

    /// The bounds in force.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Sends a request, again if it may be, and reads the answer.
    ///
    /// # Errors
    /// [`HttpError`] for everything but a whole answer with a status of 2xx, or one that the request accepts.
    pub fn send(&self, request: &Request) -> Result<Answer, HttpError> {
        let url = &request.url;
        if !url.is_https() && !url.is_loopback() && !self.options.allow_plain_http {
            return Err(HttpError::PlainHttp { service: request.service, url: url.clone() });
        }
        let failed = |reason: &str| HttpError::Setup { reason: reason.to_owned() };
        // A runtime must not be started inside of another, and the caller may have one.
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("http".to_owned()).spawn_scoped(scope, || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|e| failed(&format!("no runtime: {e}")))?;
                let answer = runtime.block_on(self.send_with_retries(request));
                // A name lookup may still hang in a thread of the runtime: it is not waited for.
                runtime.shutdown_background();
                answer
            });
            let thread = thread.map_err(|e| failed(&format!("no thread: {e}")))?;
            thread.join().unwrap_or_else(|_| Err(failed("the call ended unexpectedly")))
        })
    }

    async fn send_with_retries(&self, request: &Request) -> Result<Answer, HttpError> {
        let client = self.transport(&request.url)?;
        let start = Instant::now();
        let mut attempt = 1;
        loop {
            let left = self.options.total_timeout.saturating_sub(start.elapsed());
            let allowed = request.attempt_timeout.unwrap_or(self.options.attempt_timeout).min(left);
            let outcome = tokio::time::timeout(allowed, self.attempt(&client, request)).await;
            let failure = match outcome {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    Failure { error: self.timeout(request, start), again: Retry::Idempotent, wait: None }
                }
            };
            let left = self.options.total_timeout.saturating_sub(start.elapsed());
            let wait = failure.wait.unwrap_or_else(|| backoff(attempt));
            let may = failure.again != Retry::Never && failure.again <= request.retry;
            if !may || attempt >= self.options.max_attempts || wait >= left {
                return Err(failure.error);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    fn timeout(&self, request: &Request, start: Instant) -> HttpError {
        let seconds = start.elapsed().as_secs().max(1);
        HttpError::Timeout { service: request.service, url: request.url.clone(), seconds }
    }

    async fn attempt(&self, client: &reqwest::Client, request: &Request) -> Result<Answer, Failure> {
        let (service, url) = (request.service, &request.url);
        let limit = request.max_answer_bytes.unwrap_or(self.options.max_answer_bytes);
        let mut builder = match &request.post {
            None => client.request(Method::GET, url.as_url().clone()),
            Some((content_type, body)) => client
                .request(Method::POST, url.as_url().clone())
                .header(CONTENT_TYPE, *content_type)
                .body(body.to_vec()),
        };
        for (name, value) in &request.headers {
            let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| Failure {
                error: HttpError::Setup { reason: format!("the header {name} cannot hold its value") },
                again: Retry::Never,
                wait: None,
            })?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        let failed = |e: reqwest::Error| self.failure(request, e);
        let mut response = builder.send().await.map_err(failed)?;
        let status = response.status();
        let header = |name| {
            let value = response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
            value.map(str::to_owned)
        };
        let (content_type, location, retry_after) =
            (header(CONTENT_TYPE), header(LOCATION), header(RETRY_AFTER));
        let accepted = status.is_success() || request.accepted.contains(&status.as_u16());
        if status.is_redirection() && !accepted {
            let target = url::without_query(location.as_deref().unwrap_or("nowhere"));
            let target = secret::redacted(&target, &request.secrets);
            let error = HttpError::Redirect { service, url: url.clone(), status: status.as_u16(), target };
            return Err(Failure { error, again: Retry::Never, wait: None });
        }

        // What an error says is read as far as it is shown, and no further.
        let limit = if accepted { limit } else { MAX_ERROR_BYTES };
        let mut body = Zeroizing::new(Vec::new());
        let too_large = || HttpError::TooLarge { service, url: url.clone(), limit };
        let announced = response.content_length().unwrap_or(0);
        if accepted && usize::try_from(announced).is_ok_and(|length| length > limit) {
            return Err(Failure { error: too_large(), again: Retry::Never, wait: None });
        }
        while let Some(chunk) = response.chunk().await.map_err(|e| self.failure(request, e))? {
            let room = limit.saturating_sub(body.len());
            body.extend(chunk.iter().take(room));
            if chunk.len() > room {
                if accepted {
                    return Err(Failure { error: too_large(), again: Retry::Never, wait: None });
                }
                break;
            }
        }
        if accepted {
            return Ok(Answer { status: status.as_u16(), content_type, location, body });
        }
        let text = error_text(&body, content_type.as_deref(), &request.secrets);
        Err(Failure {
            error: HttpError::Status { service, url: url.clone(), status: status.as_u16(), text },
            again: match status {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Retry::Unprocessed,
                StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Retry::Idempotent,
                _ => Retry::Never,
            },
            wait: retry_after.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs),
        })
    }

    fn failure(&self, request: &Request, error: reqwest::Error) -> Failure {
        let (service, url) = (request.service, request.url.clone());
        // Setting up is not what fails here: the connection is tried before anything is sent.
        let connecting = error.is_connect();
        let reason = reason(&error.without_url());
        let reason = secret::redacted(&reason, &request.secrets);
        if connecting {
            let error = HttpError::Connect { service, url, reason };
            Failure { error, again: Retry::Unprocessed, wait: None }
        } else {
            let error = HttpError::Broken { service, url, reason };
            Failure { error, again: Retry::Idempotent, wait: None }
        }
    }

    fn transport(&self, url: &ServiceUrl) -> Result<reqwest::Client, HttpError> {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("modelseal/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(self.options.connect_timeout)
            .pool_max_idle_per_host(0)
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
            // The name is this machine whatever a name server says.
            .resolve_to_addrs("localhost", &loopback.map(|address| SocketAddr::new(address, 0)));
        if !self.options.use_proxies || url.is_loopback() {
            builder = builder.no_proxy();
        }
        builder = if url.is_https() {
            builder.tls_certs_merge(self.extra_roots.iter().cloned())
        } else {
            // Not used: and a system without root certificates can talk to itself.
            builder.tls_certs_only(std::iter::empty())
        };
        builder.build().map_err(|e| HttpError::Setup { reason: reason(&e) })
    }
}

/// Longest text of an error answer that is read, in bytes.
const MAX_ERROR_BYTES: usize = 4096;

/// Longest text of an error answer that is shown, in characters.
const MAX_ERROR_CHARS: usize = 300;

struct Failure {
    error: HttpError,
    /// The least that a request must allow to be sent again.
    again: Retry,
    wait: Option<Duration>,
}

/// Half a second, doubled with each attempt, up to 8 s; half of it by chance, so that many clients do not come back at once.
fn backoff(attempt: u32) -> Duration {
    let whole = Duration::from_millis(500).saturating_mul(1 << attempt.saturating_sub(1).min(4));
    let mut chance = [0; 2];
    // Without randomness the wait is the longest.
    let share = match rand::fill(&mut chance) {
        Ok(()) => f64::from(u16::from_le_bytes(chance)) / f64::from(u16::MAX),
        Err(_) => 1.0,
    };
    whole.mul_f64(0.5 + share / 2.0)
}

/// The causes of an error, from the outermost, without repetition.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !said.iter().any(|earlier| earlier.contains(&text)) {
            said.push(text);
        }
        next = error.source();
    }
    said.join(": ").chars().take(MAX_ERROR_CHARS).collect()
}

/// The start of an error's text, on one line; nothing for what is not text.
fn error_text(body: &[u8], content_type: Option<&str>, secrets: &[Secret]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = secret::redacted(&text, secrets);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let binary = text.contains('\u{fffd}') || text.contains('\0');
    let html = content_type.is_some_and(|kind| kind.contains("html")) || text.starts_with('<');
    if binary {
        return String::new();
    }
    if html {
        return "an HTML page, not an answer of this kind of service".to_owned();
    }
    text.chars().take(MAX_ERROR_CHARS).collect()
}
