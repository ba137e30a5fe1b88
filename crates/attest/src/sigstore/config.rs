//! [`SigningConfig`]: which services an instance offers, and how many of each a signer uses
//! (sigstore/protobuf-specs `sigstore_trustroot.proto`, `SigningConfig` v0.2).

use jiff::Timestamp;
use modelseal_core::{
    json::{self, AtMost, JsonError, Object},
    text::Printable,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// The one media type of signing configurations that is read.
pub(super) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";

/// Largest signing configuration or client trust configuration, in bytes: the real ones have a few KiB, or tens with a
/// trusted root inside.
const MAX_CONFIG_BYTES: u64 = 4 * 1024 * 1024;

/// Services of one kind in a configuration.
const MAX_SERVICES: usize = 32;

/// A well-formed signing configuration. Its URLs are not checked before a service is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningConfig {
    pub(super) fulcio: Vec<Service>,
    pub(super) oidc: Vec<Service>,
    pub(super) rekor: Vec<Service>,
    pub(super) timestamp: Vec<Service>,
    pub(super) rekor_selector: Selector,
    pub(super) timestamp_selector: Selector,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) url: String,
    pub(super) version: u32,
    pub(super) start: Timestamp,
    pub(super) end: Option<Timestamp>,
    pub(super) operator: String,
}

/// How many services of a kind are used, one for each operator at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selector {
    Any,
    All,
    Exact(usize),
}

/// Why there are no services to sign with.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not the JSON of a configuration.
    Json(JsonError),
    /// The media type is of another version, or of something else.
    MediaType {
        /// The media type found.
        found: String,
    },
    /// A client trust configuration without a signing configuration.
    NoSigningConfig,
    /// The rule for choosing among services of a kind is unset, unknown or contradicts itself.
    Selector {
        /// The kind of service.
        service: &'static str,
        /// The rule found.
        found: String,
    },
    /// No service of a kind is listed that is valid now and speaks a version that we speak.
    NoService {
        /// The kind of service.
        service: &'static str,
        /// How many are listed at all.
        listed: usize,
    },
    /// Fewer services of a kind can be used than the configuration demands.
    TooFew {
        /// The kind of service.
        service: &'static str,
        /// How many are demanded, of different operators.
        needed: usize,
        /// How many can be used.
        found: usize,
    },
    /// A Rekor v2 log states no time, so without a timestamp authority nobody could verify the signature later.
    LogWithoutTimestamp,
    /// A service's URL cannot be called.
    Url(crate::http::HttpError),
}

impl SigningConfig {
    /// The configuration of the public-good instance, as of the release of the `sigstore-trust-root` crate.
    ///
    /// # Errors
    /// [`ConfigError`], if that crate's file cannot be read.
    pub fn public_good() -> Result<Self, ConfigError> {
        Self::from_json(sigstore_trust_root::SIGSTORE_PRODUCTION_SIGNING_CONFIG.as_bytes())
    }

    /// The configuration of the staging instance, as of the release of the `sigstore-trust-root` crate.
    ///
    /// # Errors
    /// [`ConfigError`], if that crate's file cannot be read.
    pub fn staging() -> Result<Self, ConfigError> {
        Self::from_json(sigstore_trust_root::SIGSTORE_STAGING_SIGNING_CONFIG.as_bytes())
    }

    /// Reads a signing configuration.
    ///
    /// # Errors
    /// [`ConfigError`] says what is wrong with it.
    pub fn from_json(document: &[u8]) -> Result<Self, ConfigError> {
        Self::read(json::read(document, MAX_CONFIG_BYTES).map_err(ConfigError::Json)?)
    }

    /// Reads the signing configuration inside of a client trust configuration.
    ///
    /// # Errors
    /// [`ConfigError`] says what is wrong with it.
    pub fn from_client_trust_config(document: &[u8]) -> Result<Self, ConfigError> {
        let outer: WireTrustConfig<'_> = json::read(document, MAX_CONFIG_BYTES).map_err(ConfigError::Json)?;
        if outer.media_type != "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json" {
            return Err(ConfigError::MediaType { found: outer.media_type.into_owned() });
        }
        let inner = outer.signing_config.ok_or(ConfigError::NoSigningConfig)?;
        Self::read(json::read_part(inner).map_err(ConfigError::Json)?)
    }

    fn read(wire: WireConfig<'_>) -> Result<Self, ConfigError> {
        if wire.media_type != MEDIA_TYPE {
            return Err(ConfigError::MediaType { found: wire.media_type.into_owned() });
        }
        let services = |list: AtMost<Object<WireService<'_>>, MAX_SERVICES>| {
            list.0.into_iter().map(|service| service.0.read()).collect::<Vec<_>>()
        };
        Ok(Self {
            fulcio: services(wire.fulcio),
            oidc: services(wire.oidc),
            rekor: services(wire.rekor),
            timestamp: services(wire.timestamp),
            rekor_selector: selector("Rekor", wire.rekor_config)?,
            timestamp_selector: selector("timestamp authority", wire.timestamp_config)?,
        })
    }
}

#[derive(Deserialize)]
struct WireTrustConfig<'a> {
    #[serde(rename = "mediaType", borrow)]
    media_type: Cow<'a, str>,
    #[serde(rename = "signingConfig", borrow)]
    signing_config: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireConfig<'a> {
    #[serde(rename = "mediaType", borrow)]
    media_type: Cow<'a, str>,
    #[serde(rename = "caUrls", borrow, default)]
    fulcio: AtMost<Object<WireService<'a>>, MAX_SERVICES>,
    #[serde(rename = "oidcUrls", borrow, default)]
    oidc: AtMost<Object<WireService<'a>>, MAX_SERVICES>,
    #[serde(rename = "rekorTlogUrls", borrow, default)]
    rekor: AtMost<Object<WireService<'a>>, MAX_SERVICES>,
    #[serde(rename = "tsaUrls", borrow, default)]
    timestamp: AtMost<Object<WireService<'a>>, MAX_SERVICES>,
    #[serde(rename = "rekorTlogConfig", borrow)]
    rekor_config: Option<Object<WireSelector<'a>>>,
    #[serde(rename = "tsaConfig", borrow)]
    timestamp_config: Option<Object<WireSelector<'a>>>,
}

#[derive(Deserialize)]
struct WireService<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(rename = "majorApiVersion")]
    version: u32,
    #[serde(rename = "validFor")]
    valid_for: Object<WireRange>,
    #[serde(borrow, default)]
    operator: Cow<'a, str>,
}

#[derive(Deserialize)]
struct WireRange {
    start: Timestamp,
    end: Option<Timestamp>,
}

#[derive(Deserialize)]
struct WireSelector<'a> {
    #[serde(borrow)]
    selector: Option<Cow<'a, str>>,
    count: Option<u32>,
}

impl WireService<'_> {
    fn read(self) -> Service {
        // Services whose operator is not named are not known to share one.
        let operator = if self.operator.is_empty() { self.url.clone() } else { self.operator };
        Service {
            operator: operator.into_owned(),
            url: self.url.into_owned(),
            version: self.version,
            start: self.valid_for.start,
            end: self.valid_for.end,
        }
    }
}

/// Without a rule one service is enough; a rule that is there must be one that we know.
fn selector(service: &'static str, wire: Option<Object<WireSelector<'_>>>) -> Result<Selector, ConfigError> {
    let Some(wire) = wire else { return Ok(Selector::Any) };
    let count = wire.count.filter(|count| *count > 0);
    match (wire.selector.as_deref(), count) {
        (None | Some("ANY"), None) => Ok(Selector::Any),
        (Some("ALL"), None) => Ok(Selector::All),
        (Some("EXACT"), Some(count)) => Ok(Selector::Exact(usize::try_from(count).unwrap_or(usize::MAX))),
        (name, count) => {
            let name = name.unwrap_or("none").to_owned();
            let found = count.map_or(name.clone(), |count| format!("{name} with count {count}"));
            Err(ConfigError::Selector { service, found })
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(e) => write!(f, "not a signing configuration: {e}"),
            Self::MediaType { found } => {
                write!(f, "a configuration of media type '{}'; read is '{MEDIA_TYPE}'", Printable(found))
            }
            Self::NoSigningConfig => {
                f.write_str("the client trust configuration holds no signing configuration")
            }
            Self::Selector { service, found } => write!(
                f,
                "{service}: the rule '{}' for choosing among services is none of ANY, ALL and EXACT with a count",
                Printable(found)
            ),
            Self::NoService { service, listed: 0 } => write!(f, "{service}: no service is configured"),
            Self::NoService { service, listed } => write!(
                f,
                "{service}: none of the {listed} services configured is valid now with an API version that is spoken here"
            ),
            Self::TooFew { service, needed, found } => write!(
                f,
                "{service}: services of {needed} operators are demanded, and {found} can be used now"
            ),
            Self::LogWithoutTimestamp => f.write_str(
                "a Rekor v2 log states no time, so a timestamp authority is needed beside it: give its URL",
            ),
            Self::Url(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for ConfigError {}
