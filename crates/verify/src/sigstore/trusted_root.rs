//! [`TrustedRoot`]: the authorities and logs whose word counts (sigstore/protobuf-specs `sigstore_trustroot.proto`).

use super::summary::Window;
use modelseal_core::{
    json::{self, Any, JsonError},
    text::Printable,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sigstore_trust_root::SigstoreInstance;
use sigstore_verify::{crypto::VerificationKey, types::TsaAuthority};
use std::{borrow::Cow, fmt, sync::Arc};

use modelseal_core::text::hex;

/// Media types of a trusted root that are understood.
const MEDIA_TYPES: [&str; 3] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

/// Media type of a client trust configuration, which holds a trusted root and a signing configuration.
pub const CLIENT_TRUST_CONFIG_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json";

/// Largest trusted root that is read, in bytes. That of the public instance has 7 KiB.
pub const MAX_TRUSTED_ROOT_BYTES: u64 = 4 * 1024 * 1024;

/// The most entries of one kind in a trusted root. Real ones have one to six.
pub const MAX_TRUSTED_ROOT_ENTRIES: usize = 256;

/// The date of the embedded trusted roots: when the crate that carries them was released with a fresh copy from the
/// instances' TUF repositories.
const EMBEDDED_AS_OF: &str = "2026-10-23";

/// Where the embedded trusted roots come from.
const EMBEDDED_SOURCE: &str = "sigstore-trust-root 0.15.1";

/// A trusted root that was read and can be used. Cheap to clone.
#[derive(Clone)]
pub struct TrustedRoot {
    inner: Arc<Inner>,
}

struct Inner {
    origin: TrustedRootOrigin,
    sha256: String,
    root: sigstore_trust_root::TrustedRoot,
    verifier: sigstore_verify::Verifier,
    logs: Vec<Log>,
    authorities: Vec<TimestampAuthority>,
}

/// A transparency log of the trusted root.
pub(super) struct Log {
    pub(super) url: String,
    pub(super) id: [u8; 32],
    pub(super) key: VerificationKey,
    pub(super) window: Option<Window>,
}

/// A timestamp authority of the trusted root.
pub(super) struct TimestampAuthority {
    pub(super) name: String,
    pub(super) certificates: TsaAuthority,
}

/// Where a trusted root came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustedRootOrigin {
    /// Built into this program.
    Embedded(EmbeddedRoot),
    /// Given by the user.
    Given,
}

/// A trusted root that is built in, and how old it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmbeddedRoot {
    /// The instance: `public-good` or `staging`.
    pub instance: &'static str,
    /// The day on which the copy was released, as `YYYY-MM-DD`; the root has no date of its own.
    pub as_of: &'static str,
    /// The package that carries the copy.
    pub source: &'static str,
}

/// Why bytes are no trusted root.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrustedRootError {
    /// Not strict JSON.
    Json(JsonError),
    /// The media type is another one.
    MediaType {
        /// The one found.
        found: String,
        /// The one expected.
        expected: &'static str,
    },
    /// More entries of one kind than any real trusted root has.
    TooMany {
        /// Which list.
        what: &'static str,
        /// How many.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// Not the fields of a trusted root.
    Malformed(String),
    /// A key, certificate, identifier or validity in it cannot be used.
    Unusable(String),
    /// It trusts nobody.
    Empty,
}

impl TrustedRoot {
    /// The embedded trusted root of the Sigstore public-good instance.
    ///
    /// # Errors
    /// None, unless the embedded copy is damaged, which the tests exclude.
    pub fn public_good() -> Result<Self, TrustedRootError> {
        Self::embedded(SigstoreInstance::PublicGood, "public-good")
    }

    /// The embedded trusted root of the Sigstore staging instance, for tests of clients: anybody may get certificates there.
    ///
    /// # Errors
    /// None, unless the embedded copy is damaged, which the tests exclude.
    pub fn staging() -> Result<Self, TrustedRootError> {
        Self::embedded(SigstoreInstance::Staging, "staging")
    }

    /// Reads a `trusted_root.json`.
    ///
    /// # Errors
    /// [`TrustedRootError`] says what is wrong. Every key, certificate and validity must be usable: a root is trusted
    /// whole or not at all.
    pub fn from_json(document: &[u8]) -> Result<Self, TrustedRootError> {
        Self::read(document, TrustedRootOrigin::Given)
    }

    /// Reads the trusted root inside a client trust configuration.
    ///
    /// # Errors
    /// [`TrustedRootError`] says what is wrong.
    pub fn from_client_trust_config(document: &[u8]) -> Result<Self, TrustedRootError> {
        #[derive(Deserialize)]
        struct Config<'a> {
            #[serde(rename = "mediaType", borrow)]
            media_type: Cow<'a, str>,
            #[serde(rename = "trustedRoot", borrow)]
            trusted_root: &'a RawValue,
        }
        let config: Config<'_> =
            json::read(document, MAX_TRUSTED_ROOT_BYTES).map_err(TrustedRootError::Json)?;
        if config.media_type != CLIENT_TRUST_CONFIG_MEDIA_TYPE {
            return Err(TrustedRootError::MediaType {
                found: config.media_type.into_owned(),
                expected: CLIENT_TRUST_CONFIG_MEDIA_TYPE,
            });
        }
        Self::from_json(config.trusted_root.get().as_bytes())
    }

    /// Hex SHA-256 of the trusted root's JSON text as it was read; that of the member `trustedRoot` for a client trust
    /// configuration.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.inner.sha256
    }

    /// Where it came from.
    #[must_use]
    pub fn origin(&self) -> &TrustedRootOrigin {
        &self.inner.origin
    }

    pub(super) fn logs(&self) -> &[Log] {
        &self.inner.logs
    }

    pub(super) fn timestamp_authorities(&self) -> &[TimestampAuthority] {
        &self.inner.authorities
    }

    pub(super) fn material(&self) -> &sigstore_trust_root::TrustedRoot {
        &self.inner.root
    }

    pub(super) fn verifier(&self) -> &sigstore_verify::Verifier {
        &self.inner.verifier
    }

    fn embedded(instance: SigstoreInstance, name: &'static str) -> Result<Self, TrustedRootError> {
        let origin = EmbeddedRoot { instance: name, as_of: EMBEDDED_AS_OF, source: EMBEDDED_SOURCE };
        Self::read(instance.embedded_trusted_root_json().as_bytes(), TrustedRootOrigin::Embedded(origin))
    }

    fn read(document: &[u8], origin: TrustedRootOrigin) -> Result<Self, TrustedRootError> {
        #[derive(Deserialize)]
        struct Shape<'a> {
            #[serde(rename = "mediaType", borrow)]
            media_type: Cow<'a, str>,
            #[serde(default)]
            tlogs: Vec<Any>,
            #[serde(default, rename = "certificateAuthorities")]
            certificate_authorities: Vec<Any>,
            #[serde(default)]
            ctlogs: Vec<Any>,
            #[serde(default, rename = "timestampAuthorities")]
            timestamp_authorities: Vec<Any>,
        }
        let shape: Shape<'_> =
            json::read(document, MAX_TRUSTED_ROOT_BYTES).map_err(TrustedRootError::Json)?;
        if !MEDIA_TYPES.contains(&&*shape.media_type) {
            return Err(TrustedRootError::MediaType {
                found: shape.media_type.into_owned(),
                expected: MEDIA_TYPES[0],
            });
        }
        let lists = [
            ("tlogs", &shape.tlogs),
            ("certificateAuthorities", &shape.certificate_authorities),
            ("ctlogs", &shape.ctlogs),
            ("timestampAuthorities", &shape.timestamp_authorities),
        ];
        for (what, list) in lists {
            if list.len() > MAX_TRUSTED_ROOT_ENTRIES {
                let (found, limit) = (list.len(), MAX_TRUSTED_ROOT_ENTRIES);
                return Err(TrustedRootError::TooMany { what, found, limit });
            }
        }
        if lists.iter().all(|(_, list)| list.is_empty()) {
            return Err(TrustedRootError::Empty);
        }
        let text = std::str::from_utf8(document).map_err(|e| TrustedRootError::Malformed(e.to_string()))?;
        let root = sigstore_trust_root::TrustedRoot::from_json(text)
            .map_err(|e| TrustedRootError::Malformed(e.to_string()))?;
        let verifier =
            sigstore_verify::Verifier::new(&root).map_err(|e| TrustedRootError::Unusable(e.to_string()))?;
        let logs = root.tlogs.iter().map(Log::read).collect::<Result<_, _>>()?;
        let authorities =
            root.timestamp_authorities.iter().map(TimestampAuthority::read).collect::<Result<_, _>>()?;
        let sha256 = hex(&Sha256::digest(document));
        Ok(Self { inner: Arc::new(Inner { origin, sha256, root, verifier, logs, authorities }) })
    }
}

impl Log {
    fn read(log: &sigstore_trust_root::TransparencyLog) -> Result<Self, TrustedRootError> {
        let unusable = |detail: &dyn fmt::Display| {
            TrustedRootError::Unusable(format!("transparency log '{}': {detail}", log.base_url))
        };
        Ok(Self {
            url: log.base_url.clone(),
            id: log
                .log_id
                .key_id
                .as_bytes()
                .try_into()
                .map_err(|_| unusable(&"its identifier has not 32 bytes"))?,
            key: VerificationKey::from_spki(&log.public_key.raw_bytes).map_err(|e| unusable(&e))?,
            window: log.public_key.valid_for.as_ref().map(Window::from),
        })
    }
}

impl TimestampAuthority {
    fn read(tsa: &sigstore_trust_root::TimestampAuthority) -> Result<Self, TrustedRootError> {
        let name = match (&tsa.uri, &tsa.subject.common_name, &tsa.subject.organization) {
            // Two authorities of one operator may have one address.
            (Some(uri), Some(name), _) => format!("{uri} ({name})"),
            (Some(name), None, _) | (None, Some(name), _) | (None, None, Some(name)) => name.clone(),
            (None, None, None) => "unnamed".to_owned(),
        };
        let certificates = &tsa.cert_chain.certificates;
        let (Some(leaf), Some(last)) = (certificates.first(), certificates.last()) else {
            return Err(TrustedRootError::Unusable(format!(
                "timestamp authority '{name}' has no certificates"
            )));
        };
        let middle = certificates.get(1..certificates.len() - 1).unwrap_or_default();
        let certificates = TsaAuthority::new(
            leaf.raw_bytes.clone(),
            middle.iter().map(|certificate| certificate.raw_bytes.clone()).collect(),
            last.raw_bytes.clone(),
            tsa.valid_for,
        );
        Ok(Self { name, certificates })
    }
}

impl fmt::Debug for TrustedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedRoot({:?}, sha256:{})", self.inner.origin, self.inner.sha256)
    }
}

impl fmt::Display for TrustedRootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Printable as P;
        match self {
            Self::Json(e) => write!(f, "not a trusted root: {e}"),
            Self::MediaType { found, expected } => {
                write!(f, "unsupported mediaType '{}', expected '{expected}'", P(found))
            }
            Self::TooMany { what, found, limit } => {
                write!(f, "the trusted root lists {found} {what}, the limit is {limit}")
            }
            Self::Malformed(detail) => write!(f, "not a trusted root: {}", P(detail)),
            Self::Unusable(detail) => write!(f, "the trusted root cannot be used: {}", P(detail)),
            Self::Empty => f.write_str("the trusted root trusts nobody: it lists no authority and no log"),
        }
    }
}

impl std::error::Error for TrustedRootError {}
