//! Identities, log entries, timestamps and trust material.

use modelseal_verify::sigstore::{
    AuthoritySummary, Evidence, KeylessSigner, LogSummary, TimeSource, TrustedRoot, TrustedRootOrigin,
    TrustedTime, VerifiedLogEntry,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// An identity that an OpenID Connect issuer vouched for.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct IdentityReport {
    /// `email` or `URI`.
    pub kind: String,
    /// The identity.
    pub value: String,
    /// The issuer that vouched for it.
    pub issuer: String,
    /// What else the issuer said, under the names of Fulcio's certificate extensions.
    pub claims: BTreeMap<String, String>,
}

/// What proves when a signature was made, and that it is public.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EvidenceReport {
    /// Transparency log entries that were verified.
    pub log_entries: Vec<LogEntryReport>,
    /// The times that were verified.
    pub times: Vec<TimeReport>,
}

/// A verified transparency log entry.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LogEntryReport {
    /// The log's address, as the trusted root has it.
    pub log: String,
    /// Its key's id in hex.
    pub log_id: String,
    /// The entry's place in the log.
    pub index: u64,
    /// Kind and version of the entry.
    pub kind: String,
    /// When the log says that it took the entry (RFC 3339); logs of version 2 do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrated: Option<String>,
}

/// A verified time.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TimeReport {
    /// The time (RFC 3339, UTC).
    pub at: String,
    /// Who says so: `timestamp-authority` or `transparency-log`.
    pub source: String,
    /// Its name or address.
    pub authority: String,
}

/// The trust material that was used.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TrustedRootReport {
    /// `embedded`, `updated` or `given`.
    pub origin: String,
    /// Which one: the instance's name, or the file.
    pub name: String,
    /// The date that it is known to be from: of the release that it is embedded in, or of the update (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Hex SHA-256 of the trusted root's document.
    pub sha256: String,
}

/// Trust material, in full.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TrustReport {
    /// Always `modelseal.trust/v1`.
    pub schema: String,
    /// Which one.
    pub trusted_root: TrustedRootReport,
    /// Authorities that issue signing certificates (Fulcio).
    pub certificate_authorities: Vec<AuthorityReport>,
    /// Transparency logs (Rekor).
    pub logs: Vec<LogReport>,
    /// Logs of signing certificates (CT).
    pub ct_logs: Vec<LogReport>,
    /// Time-stamping authorities.
    pub timestamp_authorities: Vec<AuthorityReport>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// An authority.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AuthorityReport {
    /// Its address, where the document has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The subjects of its certificates, leaf first (RFC 4514).
    pub subjects: Vec<String>,
    /// Since when it is trusted (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// Until when; absent when it still is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
}

/// A log.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LogReport {
    /// Its address.
    pub url: String,
    /// Its key's id in hex.
    pub log_id: String,
    /// The kind of its key.
    pub key: String,
    /// Since when it is trusted (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// Until when; absent when it still is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
}

impl TrustReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.trust/v1";
}

impl From<&KeylessSigner> for IdentityReport {
    fn from(signer: &KeylessSigner) -> Self {
        Self {
            kind: signer.identity_kind().to_string(),
            value: signer.identity().into(),
            issuer: signer.issuer().into(),
            claims: signer.claims().clone(),
        }
    }
}

impl From<&Evidence> for EvidenceReport {
    fn from(evidence: &Evidence) -> Self {
        Self {
            log_entries: evidence.log_entries().iter().map(LogEntryReport::from).collect(),
            times: evidence.times().iter().map(TimeReport::from).collect(),
        }
    }
}

impl EvidenceReport {
    /// The evidence, where any was verified.
    pub(crate) fn of(evidence: &Evidence) -> Option<Self> {
        let report = Self::from(evidence);
        (!report.log_entries.is_empty() || !report.times.is_empty()).then_some(report)
    }
}

impl From<&VerifiedLogEntry> for LogEntryReport {
    fn from(entry: &VerifiedLogEntry) -> Self {
        Self {
            log: entry.log_url.clone(),
            log_id: entry.log_id.clone(),
            index: entry.index,
            kind: format!("{} {}", entry.kind, entry.version),
            integrated: entry.integrated_time.map(|t| t.to_string()),
        }
    }
}

impl From<&TrustedTime> for TimeReport {
    fn from(time: &TrustedTime) -> Self {
        let (source, authority) = match &time.source {
            TimeSource::TimestampAuthority(name) => ("timestamp-authority", name),
            TimeSource::TransparencyLog(url) => ("transparency-log", url),
            other => {
                return Self {
                    at: time.at.to_string(),
                    source: "other".into(),
                    authority: other.to_string(),
                };
            }
        };
        Self { at: time.at.to_string(), source: source.into(), authority: authority.clone() }
    }
}

impl TrustedRootReport {
    /// `name` is used where the root does not know its own.
    pub(crate) fn new(root: &TrustedRoot, name: &str) -> Self {
        let (origin, name, as_of) = match root.origin() {
            TrustedRootOrigin::Embedded(embedded) => {
                ("embedded", embedded.instance.to_owned(), Some(embedded.as_of.to_owned()))
            }
            _ => ("given", name.to_owned(), None),
        };
        Self { origin: origin.into(), name, as_of, sha256: root.sha256().to_owned() }
    }
}

impl TrustReport {
    /// What `root` trusts.
    #[must_use]
    pub fn of(root: &TrustedRoot, trusted_root: TrustedRootReport, notes: Vec<String>) -> Self {
        let summary = root.summary();
        Self {
            schema: Self::SCHEMA.into(),
            trusted_root,
            certificate_authorities: summary
                .certificate_authorities
                .iter()
                .map(AuthorityReport::from)
                .collect(),
            logs: summary.logs.iter().map(LogReport::from).collect(),
            ct_logs: summary.ct_logs.iter().map(LogReport::from).collect(),
            timestamp_authorities: summary.timestamp_authorities.iter().map(AuthorityReport::from).collect(),
            notes,
        }
    }
}

impl From<&AuthoritySummary> for AuthorityReport {
    fn from(authority: &AuthoritySummary) -> Self {
        Self {
            url: authority.uri.clone(),
            subjects: authority.certificates.iter().map(|c| c.subject.clone()).collect(),
            valid_from: authority.window.map(|w| w.from.to_string()),
            valid_until: authority.window.and_then(|w| w.until).map(|t| t.to_string()),
        }
    }
}

impl From<&LogSummary> for LogReport {
    fn from(log: &LogSummary) -> Self {
        Self {
            url: log.url.clone(),
            log_id: log.key_id.clone(),
            key: log.key_details.clone(),
            valid_from: log.window.map(|w| w.from.to_string()),
            valid_until: log.window.and_then(|w| w.until).map(|t| t.to_string()),
        }
    }
}
