//! The Sigstore bundle, version 0.3, as OMS uses it (OMS v1.0 §4; sigstore/protobuf-specs `sigstore_bundle.proto`).
//!
//! Reading is strict about everything two readers could disagree on, and lenient about what older producers wrote:
//! `keyid` null or absent, `rawBytes` for `hint`, `tlogEntries` absent.

use crate::{
    dsse::Envelope,
    json::{self, AtMost, JsonError, Object},
    limits::{MAX_BUNDLE_BYTES, MAX_CERTIFICATES, MAX_LOG_ENTRIES},
    text::Printable,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// The media type that is written.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The other spelling of the same version, from before it became part of the name.
pub const MEDIA_TYPE_PARAMETER: &str = "application/vnd.dev.sigstore.bundle+json;version=0.3";

/// A well-formed bundle. Nothing in it has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    material: VerificationMaterial,
    envelope: Envelope,
    log_entries: usize,
    timestamps: usize,
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
}

impl Bundle {
    /// Puts a new bundle together, without log entries or timestamps.
    #[must_use]
    pub fn new(material: VerificationMaterial, envelope: Envelope) -> Self {
        Self { material, envelope, log_entries: 0, timestamps: 0 }
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// [`BundleError`] says which field is wrong.
    pub fn parse(document: &[u8]) -> Result<Self, BundleError> {
        let wire: WireBundle<'_> = json::read(document, MAX_BUNDLE_BYTES).map_err(BundleError::Json)?;
        if wire.media_type != MEDIA_TYPE && wire.media_type != MEDIA_TYPE_PARAMETER {
            return Err(BundleError::MediaType(wire.media_type.into_owned()));
        }
        let (material, envelope) = (wire.material.0, wire.envelope.0);
        let log_entries = material.tlog_entries.unwrap_or_default();
        let timestamps = material.timestamps.and_then(|t| t.0.rfc3161).unwrap_or_default();
        let material = material.kind.read()?;
        let envelope = envelope.read()?;
        Ok(Self { material, envelope, log_entries: log_entries.len(), timestamps: timestamps.len() })
    }

    /// The bundle as one line of JSON with a line end, as the reference implementation writes it.
    ///
    /// # Errors
    /// Only what `serde_json` cannot write, which these types cannot hold.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec(&WireBundle::from(self))?;
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

    /// How many transparency log entries the bundle carries.
    #[must_use]
    pub fn log_entry_count(&self) -> usize {
        self.log_entries
    }

    /// How many RFC 3161 timestamps the bundle carries.
    #[must_use]
    pub fn timestamp_count(&self) -> usize {
        self.timestamps
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireBundle<'a> {
    #[serde(rename = "mediaType", borrow)]
    media_type: Cow<'a, str>,
    #[serde(rename = "verificationMaterial", borrow)]
    material: Object<WireMaterial<'a>>,
    #[serde(rename = "dsseEnvelope", borrow)]
    envelope: Object<WireEnvelope<'a>>,
}

#[derive(Serialize)]
struct WireMaterial<'a> {
    #[serde(flatten)]
    kind: WireKind<'a>,
    #[serde(rename = "tlogEntries")]
    tlog_entries: Option<AtMost<&'a RawValue, MAX_LOG_ENTRIES>>,
    #[serde(rename = "timestampVerificationData", skip_serializing_if = "Option::is_none")]
    timestamps: Option<Object<WireTimestamps<'a>>>,
}

/// `content` of the protobuf message is a oneof: a reader that takes the first of two would differ from one that takes
/// the last, so both being there is an error.
#[derive(Default, Serialize)]
struct WireKind<'a> {
    #[serde(rename = "publicKey", skip_serializing_if = "Option::is_none")]
    public_key: Option<Object<WirePublicKey<'a>>>,
    #[serde(rename = "x509CertificateChain", skip_serializing_if = "Option::is_none")]
    chain: Option<Object<WireChain<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Object<WireCertificate<'a>>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for WireMaterial<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `flatten` would buffer the values and lose both borrowing and line numbers.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Flat<'a> {
            #[serde(rename = "publicKey", borrow)]
            public_key: Option<Object<WirePublicKey<'a>>>,
            #[serde(rename = "x509CertificateChain", borrow)]
            chain: Option<Object<WireChain<'a>>>,
            #[serde(borrow)]
            certificate: Option<Object<WireCertificate<'a>>>,
            #[serde(rename = "tlogEntries", borrow)]
            tlog_entries: Option<AtMost<&'a RawValue, MAX_LOG_ENTRIES>>,
            #[serde(rename = "timestampVerificationData", borrow)]
            timestamps: Option<Object<WireTimestamps<'a>>>,
        }
        let flat = Flat::deserialize(deserializer)?;
        let kind = WireKind { public_key: flat.public_key, chain: flat.chain, certificate: flat.certificate };
        Ok(Self { kind, tlog_entries: flat.tlog_entries, timestamps: flat.timestamps })
    }
}

#[derive(Serialize, Deserialize)]
struct WireTimestamps<'a> {
    #[serde(rename = "rfc3161Timestamps", borrow)]
    rfc3161: Option<AtMost<&'a RawValue, MAX_LOG_ENTRIES>>,
}

#[derive(Serialize, Deserialize)]
struct WirePublicKey<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    hint: Option<Cow<'a, str>>,
    #[serde(rename = "rawBytes", borrow, skip_serializing_if = "Option::is_none")]
    raw_bytes: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct WireChain<'a> {
    #[serde(borrow)]
    certificates: AtMost<Object<WireCertificate<'a>>, MAX_CERTIFICATES>,
}

#[derive(Serialize, Deserialize)]
struct WireCertificate<'a> {
    #[serde(rename = "rawBytes", borrow)]
    raw_bytes: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireEnvelope<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
    #[serde(rename = "payloadType", borrow)]
    payload_type: Cow<'a, str>,
    #[serde(borrow)]
    signatures: AtMost<Object<WireSignature<'a>>, MAX_CERTIFICATES>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature<'a> {
    #[serde(borrow)]
    sig: Cow<'a, str>,
    /// Absent, empty or null; never used (OMS v1.0 §4.1). The reference implementation writes it empty.
    #[serde(borrow, default)]
    keyid: Option<Cow<'a, str>>,
}

impl WireKind<'_> {
    fn read(self) -> Result<VerificationMaterial, BundleError> {
        match (self.public_key, self.chain, self.certificate) {
            (None, None, None) => Err(BundleError::NoMaterial),
            (Some(key), None, None) => key.0.read().map(VerificationMaterial::PublicKey),
            (None, Some(chain), None) => {
                let certificates = chain.0.certificates;
                if certificates.is_empty() {
                    return Err(BundleError::NoCertificate);
                }
                let ders =
                    certificates.iter().map(|certificate| certificate.der()).collect::<Result<_, _>>()?;
                Ok(VerificationMaterial::CertificateChain(ders))
            }
            (None, None, Some(certificate)) => certificate.der().map(VerificationMaterial::Certificate),
            _ => Err(BundleError::ManyMaterials),
        }
    }
}

impl WirePublicKey<'_> {
    fn read(self) -> Result<PublicKeyIdentifier, BundleError> {
        match (self.hint, self.raw_bytes) {
            (Some(hint), _) if !hint.is_empty() => Ok(PublicKeyIdentifier::Hint(hint.into_owned())),
            (_, Some(raw)) if !raw.is_empty() => {
                Ok(PublicKeyIdentifier::RawBytes(decode("publicKey.rawBytes", &raw)?))
            }
            _ => Err(BundleError::NoKeyIdentifier),
        }
    }
}

impl WireCertificate<'_> {
    fn der(&self) -> Result<Vec<u8>, BundleError> {
        decode("certificate rawBytes", &self.raw_bytes)
    }
}

impl WireEnvelope<'_> {
    fn read(self) -> Result<Envelope, BundleError> {
        let [signature] = &self.signatures[..] else {
            return Err(BundleError::SignatureCount(self.signatures.len()));
        };
        let signature = decode("dsseEnvelope.signatures[0].sig", &signature.sig)?;
        let payload = decode("dsseEnvelope.payload", &self.payload)?;
        Ok(Envelope::new(self.payload_type, payload, signature))
    }
}

impl<'a> From<&'a Bundle> for WireBundle<'a> {
    fn from(bundle: &'a Bundle) -> Self {
        let certificate = |der: &Vec<u8>| Object(WireCertificate { raw_bytes: STANDARD.encode(der).into() });
        let mut kind = WireKind::default();
        match &bundle.material {
            VerificationMaterial::PublicKey(PublicKeyIdentifier::Hint(hint)) => {
                kind.public_key = Some(Object(WirePublicKey { hint: Some(hint.into()), raw_bytes: None }));
            }
            VerificationMaterial::PublicKey(PublicKeyIdentifier::RawBytes(raw)) => {
                let raw = STANDARD.encode(raw);
                kind.public_key = Some(Object(WirePublicKey { hint: None, raw_bytes: Some(raw.into()) }));
            }
            VerificationMaterial::CertificateChain(ders) => {
                kind.chain = Some(Object(WireChain { certificates: ders.iter().map(certificate).collect() }));
            }
            VerificationMaterial::Certificate(der) => kind.certificate = Some(certificate(der)),
        }
        let signature = WireSignature {
            sig: STANDARD.encode(bundle.envelope.signature()).into(),
            keyid: Some("".into()),
        };
        let envelope = WireEnvelope {
            payload: STANDARD.encode(bundle.envelope.payload_unverified()).into(),
            payload_type: bundle.envelope.payload_type().into(),
            signatures: AtMost(vec![Object(signature)]),
        };
        let material = WireMaterial { kind, tlog_entries: Some(AtMost::default()), timestamps: None };
        Self { media_type: MEDIA_TYPE.into(), material: Object(material), envelope: Object(envelope) }
    }
}

/// Standard or URL-safe base64, padded (RFC 4648; DSSE allows both alphabets).
fn decode(field: &'static str, text: &str) -> Result<Vec<u8>, BundleError> {
    if text.is_empty() {
        return Err(BundleError::EmptyField(field));
    }
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(text).map_err(|_| BundleError::Base64(field))
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
    use crate::dsse::IN_TOTO_PAYLOAD_TYPE;

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

    #[test]
    fn what_is_written_reads_back_the_same() {
        let bundle = Bundle::parse(key_bundle().as_bytes()).unwrap();
        let json = bundle.to_json().unwrap();
        assert_eq!(Bundle::parse(&json).unwrap(), bundle);
        assert_eq!(Bundle::parse(&json).unwrap().to_json().unwrap(), json);
        assert!(looks_like_bundle(&json) && !looks_like_bundle(b"{}") && !looks_like_bundle(b"# notes"));
    }
}
