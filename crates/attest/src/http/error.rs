//! [`HttpError`]: every way in which a call to a service fails.

use super::ServiceUrl;
use modelseal_core::text::Printable;
use std::fmt;

/// Why a call to a service gave no answer. Names the service and its URL without the query; holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// Not a URL that can be called.
    Url {
        /// The URL, without its query.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The client could not be set up: certificates of the system or of the user, memory, threads.
    Setup {
        /// What went wrong.
        reason: String,
    },
    /// The URL is `http://` and not on this machine, so that anyone on the way could read and change what is sent.
    PlainHttp {
        /// The service's name.
        service: &'static str,
        /// Its URL.
        url: ServiceUrl,
    },
    /// No connection: no such host, refused, or its certificate is not trusted.
    Connect {
        /// The service's name.
        service: &'static str,
        /// Its URL.
        url: ServiceUrl,
        /// What the system said.
        reason: String,
    },
    /// No whole answer in time.
    Timeout {
        /// The service's name.
        service: &'static str,
        /// Its URL.
        url: ServiceUrl,
        /// How long we waited, in seconds, over all attempts.
        seconds: u64,
    },
    /// The connection broke, or what came is not HTTP.
    Broken {
        /// The service's name.
        service: &'static str,
        /// Its URL.
        url: ServiceUrl,
        /// What went wrong.
        reason: String,
    },
    /// The answer is longer than any that makes sense.
    TooLarge {
        /// The service's name.
        service: &'static str,
        /// Its URL.
        url: ServiceUrl,
        /// The bound, in bytes.
        limit: usize,
    },
    /// The service sent us elsewhere. We do not follow: a token must reach the host that the user chose, or none.
    Redirect {
        /// The service's name.
        service: &'static str,
        /// Its URL.
        url: ServiceUrl,
        /// The HTTP status.
        status: u16,
        /// Where it pointed, without the query.
        target: String,
    },
    /// The service refused, or failed.
    Status {
        /// The service's name.
        service: &'static str,
        /// Its URL.
        url: ServiceUrl,
        /// The HTTP status.
        status: u16,
        /// The start of what it said, printable and with secrets taken out; empty if that was no text.
        text: String,
    },
}

impl HttpError {
    /// The service that failed; none when no request was made.
    #[must_use]
    pub fn service(&self) -> Option<&'static str> {
        match self {
            Self::Url { .. } | Self::Setup { .. } => None,
            Self::PlainHttp { service, .. }
            | Self::Connect { service, .. }
            | Self::Timeout { service, .. }
            | Self::Broken { service, .. }
            | Self::TooLarge { service, .. }
            | Self::Redirect { service, .. }
            | Self::Status { service, .. } => Some(service),
        }
    }

    /// The HTTP status, where the service gave one that is an error.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } | Self::Redirect { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, why } => write!(f, "'{}' is no URL of a service: {why}", Printable(url)),
            Self::Setup { reason } => write!(f, "cannot set up HTTP: {}", Printable(reason)),
            Self::PlainHttp { service, url } => write!(
                f,
                "{service}: {url} is not encrypted: anyone on the way could read and change what is sent; use an \
                 https:// URL (http:// is taken for this machine only)"
            ),
            Self::Connect { service, url, reason } => {
                write!(f, "{service}: no connection to {url}: {}", Printable(reason))
            }
            Self::Timeout { service, url, seconds } => {
                write!(f, "{service}: no answer from {url} within {seconds} s")
            }
            Self::Broken { service, url, reason } => {
                write!(f, "{service}: the answer of {url} broke off: {}", Printable(reason))
            }
            Self::TooLarge { service, url, limit } => {
                write!(f, "{service}: the answer of {url} exceeds the limit of {limit} bytes")
            }
            Self::Redirect { service, url, status, target } => write!(
                f,
                "{service}: {url} points to {} (HTTP {status}); redirects are not followed: if that is the right \
                 place, give its URL",
                Printable(target)
            ),
            Self::Status { service, url, status, text } => {
                write!(f, "{service}: {url} answered HTTP {status}")?;
                if !text.is_empty() {
                    write!(f, ": {}", Printable(text))?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for HttpError {}
