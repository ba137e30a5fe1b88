//! [`ServiceUrl`]: where a service is, fit to be called and to be shown.

use super::HttpError;
use modelseal_core::text::Printable;
use reqwest::Url;
use std::{fmt, net::IpAddr};

/// Longest URL that is taken, in bytes.
const MAX_URL_BYTES: usize = 8 * 1024;

/// An absolute `https` or `http` URL without a user, password or fragment. Displays without its query, which may carry
/// what nobody else should read.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl(Box<Url>);

impl ServiceUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`HttpError::Url`] when it is none, is relative, has another scheme, or carries a user, password or fragment.
    pub fn parse(text: &str) -> Result<Self, HttpError> {
        let refuse = |why: &'static str| HttpError::Url { url: without_query(text), why };
        if text.len() > MAX_URL_BYTES {
            return Err(refuse("longer than 8192 bytes"));
        }
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(refuse("contains a space or a control character"));
        }
        let url = Url::parse(text).map_err(|_| refuse("not an absolute URL"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(refuse("its scheme is neither https nor http"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HttpError::Url {
                url: format!("{}://..", url.scheme()),
                why: "it carries a user name or password; give credentials another way",
            });
        }
        if url.fragment().is_some() {
            return Err(refuse("it has a fragment"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refuse("it names no host"));
        }
        Ok(Self(Box::new(url)))
    }

    /// This URL with `path` after its own, one slash between them, and no query.
    #[must_use]
    pub fn join(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        url.set_query(None);
        url.set_path(&format!("{}/{}", self.0.path().trim_end_matches('/'), path.trim_start_matches('/')));
        Self(url)
    }

    /// This URL with more members in its query, escaped.
    #[must_use]
    pub fn with_query(&self, members: &[(&str, &str)]) -> Self {
        let mut url = self.0.clone();
        url.query_pairs_mut().extend_pairs(members);
        Self(url)
    }

    /// The whole URL, query included, as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host, without a port.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether it stays on this machine: `localhost`, 127.0.0.0/8, ::1.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    pub(super) fn as_url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Printable(&without_query(self.0.as_str())))
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceUrl({self})")
    }
}

/// The text of a URL cut before its query or fragment, and in length.
pub(super) fn without_query(text: &str) -> String {
    text.chars().take_while(|c| !matches!(c, '?' | '#')).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_absolute_urls_pass() {
        for bad in [
            "",
            "fulcio.sigstore.dev",
            "/api",
            "ftp://x/",
            "file:///etc/passwd",
            "https://",
            "https://u:p@x/",
            "https://u@x/",
            "https://x/#f",
            "https://x/ y",
            "https://x/\n",
            "javascript:alert(1)",
            "http://?a",
        ] {
            assert!(matches!(ServiceUrl::parse(bad), Err(HttpError::Url { .. })), "{bad}");
        }
        let refused = ServiceUrl::parse("https://user:hunter2hunter2@host/").unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused}");
    }

    #[test]
    fn what_is_shown_has_no_query() {
        let url = ServiceUrl::parse("https://host:8443/base/?token=abc").unwrap();
        assert_eq!(format!("{url} {url:?}"), "https://host:8443/base/ ServiceUrl(https://host:8443/base/)");
        assert_eq!(url.join("/api/v2/x").as_str(), "https://host:8443/base/api/v2/x");
        assert_eq!(url.with_query(&[("a", "b&c")]).as_str(), "https://host:8443/base/?token=abc&a=b%26c");
    }

    #[test]
    fn loopback_is_recognised_and_its_imitations_are_not() {
        for (url, loopback) in [
            ("http://localhost:1/", true),
            ("http://127.0.0.1/", true),
            ("http://127.9.9.9/", true),
            ("http://2130706433/", true),
            ("http://[::1]:8/", true),
            ("http://localhost.example.com/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(ServiceUrl::parse(url).unwrap().is_loopback(), loopback, "{url}");
        }
    }
}
