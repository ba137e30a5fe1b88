//! The JSON form of a bundle (sigstore/protobuf-specs `sigstore_bundle.proto`), apart from what it means.

use super::{
    Bundle, BundleError, MEDIA_TYPE, MEDIA_TYPE_PARAMETER, PublicKeyIdentifier, VerificationMaterial,
};
use crate::{
    dsse::Envelope,
    json::{self, AtMost, Object},
    limits::{MAX_BUNDLE_BYTES, MAX_CERTIFICATES, MAX_LOG_ENTRIES, MAX_TIMESTAMP_BYTES},
    log_entry::LogEntry,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Reads a bundle.
pub(super) fn read(document: &[u8]) -> Result<Bundle, BundleError> {
    let wire: WireBundle<'_, ReadMaterial<'_>> =
        json::read(document, MAX_BUNDLE_BYTES).map_err(BundleError::Json)?;
    if wire.media_type != MEDIA_TYPE && wire.media_type != MEDIA_TYPE_PARAMETER {
        return Err(BundleError::MediaType(wire.media_type.into_owned()));
    }
    let (material, envelope) = (wire.material.0, wire.envelope.0);
    let log_entries = read_log_entries(material.tlog_entries)?;
    let timestamps = read_timestamps(material.timestamps)?;
    let kind = WireKind {
        public_key: material.public_key,
        chain: material.chain,
        certificate: material.certificate,
    };
    Ok(Bundle { material: kind.read()?, envelope: envelope.read()?, log_entries, timestamps })
}

/// Reads an envelope that stands by itself, and whether a certificate lies in it.
pub(super) fn read_envelope(document: &[u8]) -> Result<(Envelope, bool), BundleError> {
    let wire: WireBareEnvelope<'_> = json::read(document, MAX_BUNDLE_BYTES).map_err(BundleError::Json)?;
    let has_certificate =
        wire.signatures.iter().any(|one| one.cert.as_ref().is_some_and(|cert| !cert.is_empty()));
    let signatures = wire.signatures.0.into_iter().map(|one| {
        let WireBareSignature { sig, keyid, .. } = one.0;
        Object(WireSignature { sig, keyid })
    });
    let signatures = signatures.collect::<AtMost<_, MAX_CERTIFICATES>>();
    let envelope = WireEnvelope { payload: wire.payload, payload_type: wire.payload_type, signatures };
    Ok((envelope.read()?, has_certificate))
}

/// Writes a bundle, without a line end.
pub(super) fn write(bundle: &Bundle) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&WireBundle::from(bundle))
}

/// `M` is what the material is read into, or written from.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "M: Deserialize<'de>"))]
struct WireBundle<'a, M> {
    #[serde(rename = "mediaType", borrow)]
    media_type: Cow<'a, str>,
    #[serde(rename = "verificationMaterial")]
    material: Object<M>,
    #[serde(rename = "dsseEnvelope", borrow)]
    envelope: Object<WireEnvelope<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadMaterial<'a> {
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

#[derive(Serialize)]
struct WriteMaterial<'a> {
    #[serde(flatten)]
    kind: WireKind<'a>,
    #[serde(rename = "tlogEntries")]
    tlog_entries: &'a [LogEntry],
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireTimestamps<'a> {
    #[serde(rename = "rfc3161Timestamps", borrow)]
    rfc3161: Option<AtMost<Object<WireTimestamp<'a>>, MAX_LOG_ENTRIES>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireTimestamp<'a> {
    #[serde(rename = "signedTimestamp", borrow)]
    signed_timestamp: Cow<'a, str>,
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

/// DSSE's own JSON form, as Tekton Chains and slsa-github-generator write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireBareEnvelope<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
    #[serde(rename = "payloadType", borrow)]
    payload_type: Cow<'a, str>,
    #[serde(borrow)]
    signatures: AtMost<Object<WireBareSignature<'a>>, MAX_CERTIFICATES>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireBareSignature<'a> {
    #[serde(borrow)]
    sig: Cow<'a, str>,
    /// A hint that nobody signed; never used.
    #[serde(borrow, default)]
    keyid: Option<Cow<'a, str>>,
    /// An extension of go-securesystemslib: the certificate of the key, in PEM.
    #[serde(borrow, default)]
    cert: Option<Cow<'a, str>>,
}

fn read_log_entries(
    entries: Option<AtMost<&RawValue, MAX_LOG_ENTRIES>>,
) -> Result<Vec<LogEntry>, BundleError> {
    let read =
        |(index, part)| LogEntry::from_part(part).map_err(|error| BundleError::LogEntry { index, error });
    entries.unwrap_or_default().iter().copied().enumerate().map(read).collect()
}

fn read_timestamps(data: Option<Object<WireTimestamps<'_>>>) -> Result<Vec<Vec<u8>>, BundleError> {
    let read = |timestamp: &Object<WireTimestamp<'_>>| {
        let der = decode("signedTimestamp", &timestamp.signed_timestamp)?;
        if der.len() > MAX_TIMESTAMP_BYTES {
            return Err(BundleError::TimestampTooLong { found: der.len(), limit: MAX_TIMESTAMP_BYTES });
        }
        Ok(der)
    };
    data.and_then(|data| data.0.rfc3161).unwrap_or_default().iter().map(read).collect()
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

impl<'a> From<&'a Bundle> for WireBundle<'a, WriteMaterial<'a>> {
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
        let timestamp =
            |der: &Vec<u8>| Object(WireTimestamp { signed_timestamp: STANDARD.encode(der).into() });
        let timestamps =
            Some(bundle.timestamps.iter().map(timestamp).collect::<AtMost<_, MAX_LOG_ENTRIES>>());
        let timestamps = timestamps.filter(|list| !list.is_empty());
        let material = WriteMaterial {
            kind,
            tlog_entries: &bundle.log_entries,
            timestamps: timestamps.map(|list| Object(WireTimestamps { rfc3161: Some(list) })),
        };
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
