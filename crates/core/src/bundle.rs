//! The Sigstore bundle, version 0.3, as OMS uses it (OMS v1.0 §4; sigstore/protobuf-specs `sigstore_bundle.proto`).
//!
//! Reading is strict about everything two readers could disagree on, and lenient about what older producers wrote:
//! `keyid` null or absent, `rawBytes` for `hint`, `tlogEntries` absent.

use crate::{
    dsse::Envelope,
    json::{self, JsonError},
    limits::MAX_BUNDLE_BYTES,
    log_entry::{LogEntry, LogEntryError},
    text::Printable,
};
use serde::Deserialize;
use std::{borrow::Cow, fmt};

mod document;
mod wire;

pub use document::{SignedDocument, SignedDocumentError};

/// The media type that is written.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The other spelling of the same version, from before it became part of the name.
pub const MEDIA_TYPE_PARAMETER: &str = "application/vnd.dev.sigstore.bundle+json;version=0.3";

/// A well-formed bundle. Nothing in it has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    material: VerificationMaterial,
    envelope: Envelope,
    log_entries: Vec<LogEntry>,
    timestamps: Vec<Vec<u8>>,
}

/// How the bundle says it can be verified: one kind for each signing method (OMS v1.0 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerificationMaterial {
    /// Method `key`.
    PublicKey(PublicKeyIdentifier),
    /// Method `certificate`: DER certificates, leaf first.
    CertificateChain(Vec<Vec<u8>>),
    /// Method `sigstore`: one DER certificate.
    Certificate(Vec<u8>),
}

/// Which key made the signature; the key itself comes from the verifier's user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyIdentifier {
    /// A fingerprint, see [`crate::key::hint`].
    Hint(String),
    /// The key itself as PEM text, from versions before 1.1.0.
    RawBytes(Vec<u8>),
}

/// Why bytes are no bundle.
#[derive(Debug)]
#[non_exhaustive]
pub enum BundleError {
    /// Not the JSON of a bundle.
    Json(JsonError),
    /// The media type is another version, or not of a Sigstore bundle.
    MediaType(String),
    /// No kind of verification material.
    NoMaterial,
    /// More than one kind of verification material.
    ManyMaterials,
    /// The public key is identified by nothing, or by an empty hint.
    NoKeyIdentifier,
    /// The certificate chain is empty.
    NoCertificate,
    /// The envelope does not hold exactly one signature.
    SignatureCount(usize),
    /// A field is not base64.
    Base64(&'static str),
    /// A field that must say something is empty.
    EmptyField(&'static str),
    /// A transparency log entry is malformed.
    LogEntry {
        /// Its place in the bundle, from 0.
        index: usize,
        /// What is wrong with it.
        error: LogEntryError,
    },
    /// A signed timestamp is longer than any real one.
    TimestampTooLong {
        /// Its length in bytes.
        found: usize,
        /// The bound in bytes.
        limit: usize,
    },
}

impl Bundle {
    /// Puts a new bundle together, without log entries or timestamps.
    #[must_use]
    pub fn new(material: VerificationMaterial, envelope: Envelope) -> Self {
        Self { material, envelope, log_entries: Vec::new(), timestamps: Vec::new() }
    }

    /// The bundle with these log entries and these DER RFC 3161 timestamps, in place of those that it had.
    #[must_use]
    pub fn with_evidence(mut self, log_entries: Vec<LogEntry>, timestamps: Vec<Vec<u8>>) -> Self {
        self.log_entries = log_entries;
        self.timestamps = timestamps;
        self
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// [`BundleError`] says which field is wrong.
    pub fn parse(document: &[u8]) -> Result<Self, BundleError> {
        wire::read(document)
    }

    /// The bundle as one line of JSON with a line end, as the reference implementation writes it.
    ///
    /// # Errors
    /// Only what `serde_json` cannot write, which these types cannot hold.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = wire::write(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// How the bundle says it can be verified.
    #[must_use]
    pub fn material(&self) -> &VerificationMaterial {
        &self.material
    }

    /// The envelope.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The signed bytes, which nobody has verified: for looking, not for deciding.
    #[must_use]
    pub fn payload_unverified(&self) -> &[u8] {
        self.envelope.payload_unverified()
    }

    /// The transparency log entries, which nobody has verified.
    #[must_use]
    pub fn log_entries(&self) -> &[LogEntry] {
        &self.log_entries
    }

    /// The RFC 3161 timestamps in DER, which nobody has verified.
    #[must_use]
    pub fn timestamps(&self) -> &[Vec<u8>] {
        &self.timestamps
    }

    /// How many transparency log entries the bundle carries.
    #[must_use]
    pub fn log_entry_count(&self) -> usize {
        self.log_entries.len()
    }

    /// How many RFC 3161 timestamps the bundle carries.
    #[must_use]
    pub fn timestamp_count(&self) -> usize {
        self.timestamps.len()
    }
}

impl VerificationMaterial {
    /// The signing method it belongs to.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::PublicKey(_) => "key",
            Self::CertificateChain(_) => "certificate",
            Self::Certificate(_) => "sigstore",
        }
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(e) => write!(f, "not a Sigstore bundle: {e}"),
            Self::MediaType(found) => write!(
                f,
                "unsupported bundle mediaType '{}'; model signatures are Sigstore bundles of version 0.3 \
                 ('{MEDIA_TYPE}')",
                Printable(found)
            ),
            Self::NoMaterial => f.write_str(
                "verificationMaterial holds neither publicKey, x509CertificateChain nor certificate",
            ),
            Self::ManyMaterials => f.write_str(
                "verificationMaterial holds more than one of publicKey, x509CertificateChain and certificate",
            ),
            Self::NoKeyIdentifier => f.write_str("publicKey has neither a hint nor rawBytes"),
            Self::NoCertificate => f.write_str("x509CertificateChain is empty"),
            Self::SignatureCount(found) => {
                write!(f, "the envelope holds {found} signatures, a Sigstore bundle holds exactly one")
            }
            Self::Base64(field) => write!(f, "{field} is not base64"),
            Self::EmptyField(field) => write!(f, "{field} is empty"),
            Self::LogEntry { index, error } => write!(f, "tlogEntries[{index}]: {error}"),
            Self::TimestampTooLong { found, limit } => {
                write!(f, "a signed timestamp has {found} bytes, the limit is {limit}")
            }
        }
    }
}

impl std::error::Error for BundleError {}

/// Whether `document` looks like a Sigstore bundle of any version: the question to ask before a file is overwritten.
#[must_use]
pub fn looks_like_bundle(document: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Peek<'a> {
        #[serde(rename = "mediaType", borrow)]
        media_type: Cow<'a, str>,
    }
    json::read::<Peek<'_>>(document, MAX_BUNDLE_BYTES)
        .is_ok_and(|peek| peek.media_type.starts_with("application/vnd.dev.sigstore.bundle"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dsse::IN_TOTO_PAYLOAD_TYPE,
        limits::{MAX_LOG_ENTRIES, MAX_TIMESTAMP_BYTES},
    };
    use base64::{Engine, engine::general_purpose::STANDARD};

    fn key_bundle() -> String {
        format!(
            r#"{{"mediaType":"{MEDIA_TYPE}","verificationMaterial":{{"publicKey":{{"hint":"ab"}},"tlogEntries":[]}},
            "dsseEnvelope":{{"payload":"e30=","payloadType":"{IN_TOTO_PAYLOAD_TYPE}","signatures":[{{"sig":"AA==","keyid":null}}]}}}}"#
        )
    }

    fn with(from: &str, to: &str) -> Result<Bundle, BundleError> {
        let text = key_bundle();
        assert!(text.contains(from), "{from}");
        Bundle::parse(text.replacen(from, to, 1).as_bytes())
    }

    #[test]
    fn reads_what_producers_write() {
        assert!(Bundle::parse(key_bundle().as_bytes()).is_ok());
        assert!(with(MEDIA_TYPE, MEDIA_TYPE_PARAMETER).is_ok());
        assert!(with(r#","keyid":null"#, "").is_ok());
        assert!(with(r#","tlogEntries":[]"#, "").is_ok());
        assert!(with(r#""hint":"ab""#, r#""rawBytes":"AAAA","keyDetails":"x""#).is_ok());
        assert!(with("AA==", "-_-_").is_ok());
    }

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        use BundleError as E;
        assert!(matches!(with("v0.3+json", "v0.1+json"), Err(E::MediaType(_))));
        assert!(matches!(with("v0.3+json", "v0.2+json"), Err(E::MediaType(_))));
        assert!(matches!(with(r#""publicKey":{"hint":"ab"},"#, ""), Err(E::NoMaterial)));
        assert!(matches!(
            with(r#""publicKey""#, r#""certificate":{"rawBytes":"AA=="},"publicKey""#),
            Err(E::ManyMaterials)
        ));
        assert!(matches!(with(r#""hint":"ab""#, r#""hint":"""#), Err(E::NoKeyIdentifier)));
        assert!(matches!(with(r#"{"sig":"AA==","keyid":null}"#, ""), Err(E::SignatureCount(0))));
        assert!(matches!(with(r#"[{"sig""#, r#"[{"sig":"AA=="},{"sig""#), Err(E::SignatureCount(2))));
        assert!(matches!(with("AA==", "AB=="), Err(E::Base64(_))), "trailing bits");
        assert!(matches!(with("AA==", "AA"), Err(E::Base64(_))));
        assert!(matches!(with("AA==", ""), Err(E::EmptyField(_))));
        assert!(matches!(with(r#"{"sig":"AA==","keyid":null}"#, r#"["AA==",null]"#), Err(E::Json(_))));
        assert!(matches!(with(r#"{"hint":"ab"}"#, r#"["ab",null]"#), Err(E::Json(_))));
        assert!(matches!(
            with(r#""dsseEnvelope""#, r#""messageSignature":{},"dsseEnvelope""#),
            Err(E::Json(_))
        ));
        let chain = |n| {
            format!(
                r#""x509CertificateChain":{{"certificates":[{}]}}"#,
                vec![r#"{"rawBytes":"AA=="}"#; n].join(",")
            )
        };
        assert!(matches!(with(r#""publicKey":{"hint":"ab"}"#, &chain(0)), Err(E::NoCertificate)));
        assert!(matches!(with(r#""publicKey":{"hint":"ab"}"#, &chain(33)), Err(E::Json(_))));
        assert!(with(r#""publicKey":{"hint":"ab"}"#, &chain(2)).is_ok());
    }

    fn entry() -> String {
        let id = STANDARD.encode([1; 32]);
        format!(
            r#"{{"logIndex":"1","logId":{{"keyId":"{id}"}},"kindVersion":{{"kind":"dsse","version":"0.0.1"}},"canonicalizedBody":"e30="}}"#
        )
    }

    #[test]
    fn evidence_is_kept_and_written() {
        let read = with(
            r#""tlogEntries":[]"#,
            &format!(
                r#""tlogEntries":[{}],"timestampVerificationData":{{"rfc3161Timestamps":[{{"signedTimestamp":"AQID"}}]}}"#,
                entry()
            ),
        )
        .unwrap();
        assert_eq!((read.log_entries()[0].log_index, read.timestamps()), (1, &[vec![1, 2, 3]][..]));
        assert_eq!(Bundle::parse(&read.to_json().unwrap()).unwrap(), read);
        let moved = Bundle::parse(key_bundle().as_bytes())
            .unwrap()
            .with_evidence(read.log_entries().to_vec(), read.timestamps().to_vec());
        assert_eq!(moved, read);
    }

    #[test]
    fn evidence_is_bounded() {
        let entries = |n| format!(r#""tlogEntries":[{}]"#, vec![entry(); n].join(","));
        assert!(with(r#""tlogEntries":[]"#, &entries(MAX_LOG_ENTRIES)).is_ok());
        assert!(matches!(
            with(r#""tlogEntries":[]"#, &entries(MAX_LOG_ENTRIES + 1)),
            Err(BundleError::Json(_))
        ));
        let stamps = |n: usize, text: &str| {
            let list = vec![format!(r#"{{"signedTimestamp":"{text}"}}"#); n].join(",");
            format!(r#""tlogEntries":[],"timestampVerificationData":{{"rfc3161Timestamps":[{list}]}}"#)
        };
        assert!(with(r#""tlogEntries":[]"#, &stamps(MAX_LOG_ENTRIES, "AAAA")).is_ok());
        assert!(matches!(
            with(r#""tlogEntries":[]"#, &stamps(MAX_LOG_ENTRIES + 1, "AAAA")),
            Err(BundleError::Json(_))
        ));
        let long = "AAAA".repeat(MAX_TIMESTAMP_BYTES / 3 + 1);
        assert!(matches!(
            with(r#""tlogEntries":[]"#, &stamps(1, &long)),
            Err(BundleError::TimestampTooLong { .. })
        ));
        assert!(matches!(with(r#""tlogEntries":[]"#, &stamps(1, "?")), Err(BundleError::Base64(_))));
        assert!(matches!(
            with(r#""tlogEntries":[]"#, r#""tlogEntries":[{}]"#),
            Err(BundleError::LogEntry { index: 0, .. })
        ));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let bundle = Bundle::parse(key_bundle().as_bytes()).unwrap();
        let json = bundle.to_json().unwrap();
        assert_eq!(Bundle::parse(&json).unwrap(), bundle);
        assert_eq!(Bundle::parse(&json).unwrap().to_json().unwrap(), json);
        assert!(looks_like_bundle(&json) && !looks_like_bundle(b"{}") && !looks_like_bundle(b"# notes"));
    }
}
