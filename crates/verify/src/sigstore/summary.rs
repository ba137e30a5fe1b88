//! What a trusted root holds, for people: who is trusted, for what, from when to when.

use super::trusted_root::{TrustedRoot, TrustedRootOrigin};
use crate::x509::{Certificate, CertificateError};
use jiff::Timestamp;
use modelseal_core::text::hex;
use sha2::{Digest, Sha256};
use sigstore_trust_root::TimeRange;

/// The content of a trusted root.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrustedRootSummary {
    /// Authorities that certify identities (Fulcio).
    pub certificate_authorities: Vec<AuthoritySummary>,
    /// Transparency logs of signatures (Rekor).
    pub logs: Vec<LogSummary>,
    /// Logs of certificates (certificate transparency).
    pub ct_logs: Vec<LogSummary>,
    /// Authorities that certify times (RFC 3161).
    pub timestamp_authorities: Vec<AuthoritySummary>,
}

/// An authority with its certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthoritySummary {
    /// Its address, where the root gives one.
    pub uri: Option<String>,
    /// Its organization, where the root gives one.
    pub organization: Option<String>,
    /// Its common name, where the root gives one.
    pub common_name: Option<String>,
    /// When it is trusted; always, when absent.
    pub window: Option<Window>,
    /// Its certificates, in the root's order.
    pub certificates: Vec<RootCertificateSummary>,
}

/// One certificate of an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootCertificateSummary {
    /// Its subject; empty when it cannot be read.
    pub subject: String,
    /// Hex SHA-256 of its DER.
    pub sha256: String,
    /// Its validity; absent when it cannot be read.
    pub validity: Option<Window>,
    /// Why it cannot be read, where it cannot.
    pub error: Option<CertificateError>,
}

/// A log with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogSummary {
    /// Its address.
    pub url: String,
    /// Its identifier, in hexadecimal.
    pub key_id: String,
    /// Its key's kind, as the root spells it, such as `PKIX_ED25519`.
    pub key_details: String,
    /// Hex SHA-256 of its key's DER SubjectPublicKeyInfo.
    pub key_sha256: String,
    /// When its key is in use; always, when absent.
    pub window: Option<Window>,
}

/// A span of time. Both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When it begins.
    pub from: Timestamp,
    /// When it ends; never, when absent.
    pub until: Option<Timestamp>,
}

/// How old a trusted root is, and whether it still has anybody in office.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Staleness {
    /// Days since an embedded root was copied; absent for a given root, which has no date.
    pub age_days: Option<i64>,
    /// The latest start of any validity: the root is not older than this.
    pub newest_start: Option<Timestamp>,
    /// Kinds of which the root has entries and none is in office at the time asked for. New signatures of this instance
    /// will not verify: the root is stale.
    pub without_active: Vec<&'static str>,
}

impl Window {
    /// Whether `at` is in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        at >= self.from && self.until.is_none_or(|until| at <= until)
    }
}

impl From<&TimeRange> for Window {
    fn from(range: &TimeRange) -> Self {
        Self { from: range.start, until: range.end }
    }
}

impl Staleness {
    /// Whether some kind has nobody in office.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        !self.without_active.is_empty()
    }
}

impl TrustedRoot {
    /// What the root holds.
    #[must_use]
    pub fn summary(&self) -> TrustedRootSummary {
        let root = self.material();
        TrustedRootSummary {
            certificate_authorities: root
                .certificate_authorities
                .iter()
                .map(|ca| AuthoritySummary {
                    uri: Some(ca.uri.clone()).filter(|uri| !uri.is_empty()),
                    organization: ca.subject.organization.clone(),
                    common_name: ca.subject.common_name.clone(),
                    window: ca.valid_for.as_ref().map(Window::from),
                    certificates: ca
                        .cert_chain
                        .certificates
                        .iter()
                        .map(|c| c.raw_bytes.as_bytes().into())
                        .collect(),
                })
                .collect(),
            logs: root
                .tlogs
                .iter()
                .map(|log| LogSummary {
                    url: log.base_url.clone(),
                    key_id: hex(log.log_id.key_id.as_bytes()),
                    key_details: log.public_key.key_details.to_string(),
                    key_sha256: hex(&Sha256::digest(log.public_key.raw_bytes.as_bytes())),
                    window: log.public_key.valid_for.as_ref().map(Window::from),
                })
                .collect(),
            ct_logs: root
                .ctlogs
                .iter()
                .map(|log| LogSummary {
                    url: log.base_url.clone(),
                    key_id: hex(log.log_id.key_id.as_bytes()),
                    key_details: log.public_key.key_details.to_string(),
                    key_sha256: hex(&Sha256::digest(log.public_key.raw_bytes.as_bytes())),
                    window: log.public_key.valid_for.as_ref().map(Window::from),
                })
                .collect(),
            timestamp_authorities: root
                .timestamp_authorities
                .iter()
                .map(|tsa| AuthoritySummary {
                    uri: tsa.uri.clone(),
                    organization: tsa.subject.organization.clone(),
                    common_name: tsa.subject.common_name.clone(),
                    window: tsa.valid_for.as_ref().map(Window::from),
                    certificates: tsa
                        .cert_chain
                        .certificates
                        .iter()
                        .map(|c| c.raw_bytes.as_bytes().into())
                        .collect(),
                })
                .collect(),
        }
    }

    /// How old the root is at `now`.
    #[must_use]
    pub fn staleness(&self, now: Timestamp) -> Staleness {
        let summary = self.summary();
        let windows = |kind, windows: Vec<Option<Window>>| (kind, windows);
        let kinds = [
            windows(
                "certificate authority",
                summary.certificate_authorities.iter().map(|a| a.window).collect(),
            ),
            windows("transparency log", summary.logs.iter().map(|l| l.window).collect()),
            windows("certificate log", summary.ct_logs.iter().map(|l| l.window).collect()),
            windows("timestamp authority", summary.timestamp_authorities.iter().map(|a| a.window).collect()),
        ];
        let active = |window: &Option<Window>| window.is_none_or(|window| window.contains(now));
        Staleness {
            age_days: match self.origin() {
                TrustedRootOrigin::Embedded(embedded) => format!("{}T00:00:00Z", embedded.as_of)
                    .parse::<Timestamp>()
                    .ok()
                    .map(|copied| now.duration_since(copied).as_hours() / 24),
                TrustedRootOrigin::Given => None,
            },
            newest_start: kinds.iter().flat_map(|(_, w)| w).flatten().map(|window| window.from).max(),
            without_active: kinds
                .iter()
                .filter(|(_, windows)| !windows.is_empty() && !windows.iter().any(active))
                .map(|(kind, _)| *kind)
                .collect(),
        }
    }
}

impl From<&[u8]> for RootCertificateSummary {
    fn from(der: &[u8]) -> Self {
        let sha256 = hex(&Sha256::digest(der));
        match Certificate::from_der(der) {
            Ok(certificate) => Self {
                subject: certificate.subject(),
                sha256,
                validity: Some(Window {
                    from: certificate.not_before(),
                    until: Some(certificate.not_after()),
                }),
                error: None,
            },
            Err(error) => Self { subject: String::new(), sha256, validity: None, error: Some(error) },
        }
    }
}
