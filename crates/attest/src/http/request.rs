//! [`Request`] and [`Answer`].

use super::{Secret, ServiceUrl};
use std::{fmt, time::Duration};
use zeroize::Zeroizing;

/// One request to a service. Its `Debug` shows no header values and no body.
#[derive(Clone)]
#[must_use]
pub struct Request {
    pub(super) service: &'static str,
    pub(super) url: ServiceUrl,
    /// Content type and body of a POST; none is a GET.
    pub(super) post: Option<(&'static str, Zeroizing<Vec<u8>>)>,
    pub(super) headers: Vec<(&'static str, Secret)>,
    pub(super) secrets: Vec<Secret>,
    pub(super) retry: Retry,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) max_answer_bytes: Option<usize>,
    pub(super) accepted: Vec<u16>,
}

/// When a request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Retry {
    /// Not at all.
    Never,
    /// When the service has certainly done nothing: no connection, 429, 503.
    Unprocessed,
    /// Also when it may have done it already, for requests where twice is as good as once: 502, 504, no answer in time, a
    /// broken answer.
    Idempotent,
}

impl Request {
    /// A GET. `service` is the name that errors show.
    pub fn get(service: &'static str, url: ServiceUrl) -> Self {
        Self::new(service, url, None)
    }

    /// A POST of `body`, which is wiped when the request is dropped.
    pub fn post(
        service: &'static str,
        url: ServiceUrl,
        content_type: &'static str,
        body: impl Into<Zeroizing<Vec<u8>>>,
    ) -> Self {
        Self::new(service, url, Some((content_type, body.into())))
    }

    fn new(service: &'static str, url: ServiceUrl, post: Option<(&'static str, Zeroizing<Vec<u8>>)>) -> Self {
        Self {
            service,
            url,
            post,
            headers: Vec::new(),
            secrets: Vec::new(),
            retry: Retry::Unprocessed,
            attempt_timeout: None,
            max_answer_bytes: None,
            accepted: Vec::new(),
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, Secret::new(value.to_owned())));
        self
    }

    /// Adds a header whose value no error may show.
    pub fn secret_header(mut self, name: &'static str, value: &Secret) -> Self {
        self.headers.push((name, value.clone()));
        self.redact(value)
    }

    /// Names text that no error may show, even if the service repeats it.
    pub fn redact(mut self, secret: &Secret) -> Self {
        self.secrets.push(secret.clone());
        self
    }

    /// When the request may be sent again; [`Retry::Unprocessed`] unless set.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// How long one attempt may take, where the service needs more or less than the client's setting.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// The longest answer, in bytes, where it differs from the client's setting.
    pub fn max_answer_bytes(mut self, limit: usize) -> Self {
        self.max_answer_bytes = Some(limit);
        self
    }

    /// A status that is an answer, besides 2xx.
    pub fn accept_status(mut self, status: u16) -> Self {
        self.accepted.push(status);
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.service, self.url)
    }
}

/// What a service answered, whole and within the bound.
pub struct Answer {
    /// The HTTP status: 2xx, or one that the request accepts.
    pub status: u16,
    /// The media type that the service claims.
    pub content_type: Option<String>,
    /// The header `Location`.
    pub location: Option<String>,
    /// The body; wiped when dropped, for it may hold a token.
    pub body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer(HTTP {}, {} bytes)", self.status, self.body.len())
    }
}
