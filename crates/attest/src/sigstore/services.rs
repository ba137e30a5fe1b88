//! [`Services`]: the services that one signature uses, chosen from a [`SigningConfig`] or named by the user.

use super::config::{ConfigError, Selector, Service, SigningConfig};
use crate::http::ServiceUrl;
use jiff::Timestamp;
use std::{cmp::Reverse, fmt};

/// Where to get certificates, log entries, timestamps and tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Services {
    fulcio: Option<ServiceUrl>,
    logs: Vec<Log>,
    timestamp_authorities: Vec<ServiceUrl>,
    oidc: Option<ServiceUrl>,
}

/// A transparency log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its base URL.
    pub url: ServiceUrl,
    /// What it speaks.
    pub version: RekorVersion,
}

/// Major version of the Rekor API. The two have nothing in common but their purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RekorVersion {
    /// `/api/v1`: entries `dsse 0.0.1`, with a signed time.
    V1,
    /// `/api/v2`, tiles: entries `hashedrekord 0.0.2`, without a time.
    V2,
}

/// Which logs of a configuration to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RekorPreference {
    /// The newest version of each operator.
    #[default]
    Newest,
    /// This version only.
    Version(RekorVersion),
}

impl Services {
    /// No services, to add to.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Chooses from a configuration: services that are valid at `now` and of a version that we speak; of each operator the
    /// newest version, then the one that started last; then as many as the configuration's rule demands.
    ///
    /// Kinds that are not configured at all are left out: what a signature cannot do without is found missing where it is made.
    ///
    /// # Errors
    /// [`ConfigError`] when a kind is configured and cannot be used, fewer can be used than demanded, a URL is bad, or a Rekor v2
    /// log stands without a timestamp authority.
    pub fn from_config(
        config: &SigningConfig,
        preference: RekorPreference,
        now: Timestamp,
    ) -> Result<Self, ConfigError> {
        let one = |name, services, versions: &[u32]| -> Result<Option<ServiceUrl>, ConfigError> {
            let chosen = choose(name, services, versions, Selector::Any, now)?;
            chosen.first().map(|service| url(&service.url)).transpose()
        };
        let versions: &[u32] = match preference {
            RekorPreference::Newest => &[1, 2],
            RekorPreference::Version(RekorVersion::V1) => &[1],
            RekorPreference::Version(RekorVersion::V2) => &[2],
        };
        let logs = choose("Rekor", &config.rekor, versions, config.rekor_selector, now)?;
        let logs = logs.into_iter().map(|service| {
            let version = if service.version == 1 { RekorVersion::V1 } else { RekorVersion::V2 };
            Ok(Log { url: url(&service.url)?, version })
        });
        let authorities =
            choose("timestamp authority", &config.timestamp, &[1], config.timestamp_selector, now)?;
        let services = Self {
            fulcio: one("Fulcio", &config.fulcio, &[1])?,
            // Needed by people only, so that one that is retired stops nobody else.
            oidc: one("OpenID provider", &config.oidc, &[1]).unwrap_or_default(),
            logs: logs.collect::<Result<_, ConfigError>>()?,
            timestamp_authorities: authorities
                .into_iter()
                .map(|service| url(&service.url))
                .collect::<Result<_, _>>()?,
        };
        services.check_times()?;
        Ok(services)
    }

    /// Takes certificates from this Fulcio.
    ///
    /// # Errors
    /// [`ConfigError::Url`].
    pub fn with_fulcio(mut self, fulcio: &str) -> Result<Self, ConfigError> {
        self.fulcio = Some(url(fulcio)?);
        Ok(self)
    }

    /// Adds a log.
    ///
    /// # Errors
    /// [`ConfigError::Url`].
    pub fn with_rekor(mut self, rekor: &str, version: RekorVersion) -> Result<Self, ConfigError> {
        self.logs.push(Log { url: url(rekor)?, version });
        Ok(self)
    }

    /// Adds a timestamp authority, by the whole URL that takes requests.
    ///
    /// # Errors
    /// [`ConfigError::Url`].
    pub fn with_timestamp_authority(mut self, authority: &str) -> Result<Self, ConfigError> {
        self.timestamp_authorities.push(url(authority)?);
        Ok(self)
    }

    /// Takes tokens of people from this OpenID provider.
    ///
    /// # Errors
    /// [`ConfigError::Url`].
    pub fn with_oidc(mut self, issuer: &str) -> Result<Self, ConfigError> {
        self.oidc = Some(url(issuer)?);
        Ok(self)
    }

    /// Forgets the logs, so that others can be given.
    #[must_use]
    pub fn without_logs(mut self) -> Self {
        self.logs.clear();
        self
    }

    /// Forgets the timestamp authorities, so that others can be given.
    #[must_use]
    pub fn without_timestamp_authorities(mut self) -> Self {
        self.timestamp_authorities.clear();
        self
    }

    /// Where certificates come from.
    #[must_use]
    pub fn fulcio(&self) -> Option<&ServiceUrl> {
        self.fulcio.as_ref()
    }

    /// The logs; each gets an entry.
    #[must_use]
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// The timestamp authorities; each gives a timestamp.
    #[must_use]
    pub fn timestamp_authorities(&self) -> &[ServiceUrl] {
        &self.timestamp_authorities
    }

    /// The OpenID provider for people.
    #[must_use]
    pub fn oidc(&self) -> Option<&ServiceUrl> {
        self.oidc.as_ref()
    }

    /// That a bundle of these logs says when it was made.
    pub(super) fn check_times(&self) -> Result<(), ConfigError> {
        let v2 = self.logs.iter().any(|log| log.version == RekorVersion::V2);
        if v2 && self.timestamp_authorities.is_empty() {
            return Err(ConfigError::LogWithoutTimestamp);
        }
        Ok(())
    }
}

impl fmt::Display for RekorVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

fn url(text: &str) -> Result<ServiceUrl, ConfigError> {
    ServiceUrl::parse(text).map_err(ConfigError::Url)
}

fn choose<'a>(
    name: &'static str,
    services: &'a [Service],
    versions: &[u32],
    selector: Selector,
    now: Timestamp,
) -> Result<Vec<&'a Service>, ConfigError> {
    let mut usable: Vec<&Service> = services
        .iter()
        .filter(|service| versions.contains(&service.version))
        .filter(|service| service.start <= now && service.end.is_none_or(|end| now <= end))
        .collect();
    // A stable sort: among equals the configuration's order stands.
    usable.sort_by_key(|service| Reverse((service.version, service.start)));
    let mut chosen: Vec<&Service> = Vec::new();
    for service in usable {
        if !chosen.iter().any(|other| other.operator == service.operator) {
            chosen.push(service);
        }
    }
    match selector {
        Selector::Exact(needed) if chosen.len() < needed => {
            return Err(ConfigError::TooFew { service: name, needed, found: chosen.len() });
        }
        _ if chosen.is_empty() && !services.is_empty() => {
            return Err(ConfigError::NoService { service: name, listed: services.len() });
        }
        Selector::Exact(needed) => chosen.truncate(needed),
        Selector::Any => chosen.truncate(1),
        Selector::All => {}
    }
    Ok(chosen)
}
