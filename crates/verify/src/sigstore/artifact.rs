//! Signatures of single files, as other Sigstore clients make them: message signatures and attestations, bundles v0.1 to
//! v0.3, keyless or by a key. Models are signed and verified otherwise, and more strictly ([`crate::verifier`]).

use super::{
    body::{Content, SignerMaterial, Subject, decode_base64},
    error::{EvidenceError, KeylessError},
    evidence::{self, Evidence},
    keyless::{self, Keyless, KeylessSigner},
    trusted_root::TrustedRoot,
};
use crate::x509::Certificate;
use jiff::Timestamp;
use modelseal_core::{
    dsse::Envelope,
    json::{self, Any, AtMost, JsonError, Object},
    limits::{MAX_CERTIFICATES, MAX_LOG_ENTRIES, MAX_TIMESTAMP_BYTES},
    log_entry::{LogEntry, LogEntryError},
    text::Printable,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sigstore_verify::{
    PublicKeyVerificationPolicy,
    types::{
        Artifact as CrateArtifact, DerPublicKey, MediaType, Sha256Hash, SignatureContent,
        bundle::VerificationMaterialContent,
    },
};
use std::{borrow::Cow, fmt};

/// Largest bundle of a single file, in bytes.
pub const MAX_ARTIFACT_BUNDLE_BYTES: u64 = 64 * 1024 * 1024;

/// The file that must have been signed.
#[derive(Debug, Clone, Copy)]
pub enum Artifact<'a> {
    /// Its bytes.
    Bytes(&'a [u8]),
    /// Its SHA-256. Enough for most signatures; some algorithms need the bytes.
    Sha256([u8; 32]),
}

/// Who must have signed it.
#[derive(Debug, Clone, Copy)]
pub enum SignedBy<'a> {
    /// The holder of an identity.
    Keyless(&'a Keyless),
    /// The holder of a key, given as PEM (`PUBLIC KEY`).
    Key(&'a str),
}

/// A file's verified signature. Only [`verify`] builds one.
#[derive(Debug, Clone)]
#[must_use]
pub struct VerifiedArtifact {
    signer: Option<KeylessSigner>,
    evidence: Evidence,
}

/// Why a file's bundle is not believed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ArtifactError {
    /// Not the JSON of a bundle.
    Json(JsonError),
    /// Not a bundle that has one reading.
    Malformed(String),
    /// A log entry is malformed.
    LogEntry {
        /// Its place in the bundle, from 0.
        index: usize,
        /// What is wrong with it.
        error: LogEntryError,
    },
    /// The key given cannot be read.
    Key(String),
    /// A log entry or timestamp does not verify.
    Evidence(EvidenceError),
    /// The signature, its certificate or its signer is not the expected one.
    Signature(KeylessError),
}

impl VerifiedArtifact {
    /// Who signed, for a keyless signature.
    #[must_use]
    pub fn signer(&self) -> Option<&KeylessSigner> {
        self.signer.as_ref()
    }

    /// The log entries and times that verified.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

/// Verifies the bundle `document` of a file.
///
/// # Errors
/// [`ArtifactError`], the most specific reason that was found.
pub fn verify(
    document: &[u8],
    artifact: &Artifact<'_>,
    signed_by: &SignedBy<'_>,
    root: &TrustedRoot,
    now: Timestamp,
) -> Result<VerifiedArtifact, ArtifactError> {
    let evidence = read_evidence(document)?;
    let malformed = |e: &dyn fmt::Display| ArtifactError::Malformed(e.to_string());
    let text = std::str::from_utf8(document).map_err(|e| malformed(&e))?;
    let bundle = sigstore_verify::types::Bundle::from_json(text).map_err(|e| malformed(&e))?;
    let content = SignedContent::of(&bundle.content)?;
    let (crate_artifact, bytes, sha256) = match *artifact {
        Artifact::Bytes(bytes) => (CrateArtifact::from(bytes), Some(bytes), Sha256::digest(bytes).into()),
        Artifact::Sha256(sha256) => (CrateArtifact::from(Sha256Hash::new(sha256)), None, sha256),
    };
    // Version 0.1 had no inclusion proofs; every later version demands them, and here on each entry.
    let every_entry_proven = bundle.media_type() != MediaType::Bundle0_1;
    let check = |signer: SignerMaterial<'_>| {
        let subject = Subject::new(content.content(bytes, sha256), signer);
        let (entries, timestamps) = (&evidence.log_entries, &evidence.timestamps);
        evidence::verify(entries, timestamps, &subject, every_entry_proven, root, now)
            .map_err(ArtifactError::Evidence)
    };
    match signed_by {
        SignedBy::Key(pem) => {
            let key = DerPublicKey::from_pem(pem).map_err(|e| ArtifactError::Key(e.to_string()))?;
            let verified = check(SignerMaterial::Key(key.as_bytes()))?;
            let policy = PublicKeyVerificationPolicy::new(key);
            let result =
                root.verifier().verify(crate_artifact, &bundle, &policy).map_err(KeylessError::from)?;
            if !result.tlog_verified() {
                return Err(malformed(&"not everything in it was checked"));
            }
            Ok(VerifiedArtifact { signer: None, evidence: verified })
        }
        SignedBy::Keyless(expected) => {
            let der = leaf(&bundle.verification_material.content)
                .ok_or_else(|| malformed(&"it was signed with a key, and an identity is expected"))?;
            refuse_roots(&bundle.verification_material.content)?;
            if evidence.log_entries.is_empty() {
                return Err(KeylessError::NoLogEntry.into());
            }
            let certificate = keyless::read_certificate(der)?;
            let public_key = keyless::read_public_key(&certificate)?;
            let verified = check(SignerMaterial::Certificate(der))?;
            keyless::check_times(&certificate, &verified)?;
            let claims = keyless::verify_certificate(root, &bundle, crate_artifact)?;
            let signer = keyless::authorize(certificate, public_key, claims, Some(expected))?;
            Ok(VerifiedArtifact { signer: Some(signer), evidence: verified })
        }
    }
}

fn leaf(material: &VerificationMaterialContent) -> Option<&[u8]> {
    match material {
        VerificationMaterialContent::Certificate(certificate) => Some(certificate.raw_bytes.as_bytes()),
        VerificationMaterialContent::X509CertificateChain { certificates } => {
            certificates.first().map(|certificate| certificate.raw_bytes.as_bytes())
        }
        _ => None,
    }
}

/// A root inside a bundle is either useless or meant to be mistaken for trust; the Sigstore specification forbids it.
fn refuse_roots(material: &VerificationMaterialContent) -> Result<(), ArtifactError> {
    let VerificationMaterialContent::X509CertificateChain { certificates } = material else { return Ok(()) };
    for certificate in certificates.iter().skip(1) {
        let certificate = Certificate::from_der(certificate.raw_bytes.as_bytes())
            .map_err(|e| KeylessError::Certificate(e.to_string()))?;
        if certificate.subject() == certificate.issuer() {
            return Err(ArtifactError::Malformed("its certificate chain holds a root".to_owned()));
        }
    }
    Ok(())
}

/// What the bundle signs, in our terms.
enum SignedContent {
    Envelope(Envelope),
    Message(Vec<u8>),
}

impl SignedContent {
    fn of(content: &SignatureContent) -> Result<Self, ArtifactError> {
        match content {
            SignatureContent::DsseEnvelope(envelope) => {
                // Duplicate members and depth; what it says is compared by the crates.
                json::read::<Any>(envelope.payload.as_bytes(), MAX_ARTIFACT_BUNDLE_BYTES)
                    .map_err(ArtifactError::Json)?;
                Ok(Self::Envelope(Envelope::new(
                    envelope.payload_type.clone(),
                    envelope.payload.as_bytes().to_vec(),
                    envelope.signature.sig.as_bytes().to_vec(),
                )))
            }
            SignatureContent::MessageSignature(message) => {
                Ok(Self::Message(message.signature.as_bytes().to_vec()))
            }
            _ => Err(ArtifactError::Malformed("a signature of an unknown kind".to_owned())),
        }
    }

    fn content<'a>(&'a self, bytes: Option<&'a [u8]>, sha256: [u8; 32]) -> Content<'a> {
        match self {
            Self::Envelope(envelope) => Content::Envelope(envelope),
            Self::Message(signature) => Content::Message { bytes, sha256, signature },
        }
    }
}

struct BundleEvidence {
    log_entries: Vec<LogEntry>,
    timestamps: Vec<Vec<u8>>,
}

/// Reads the parts that need bounds, and refuses what two readers could read differently: duplicate members, two
/// signatures, two kinds of material.
fn read_evidence(document: &[u8]) -> Result<BundleEvidence, ArtifactError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct WireBundle<'a> {
        #[serde(rename = "mediaType")]
        _media_type: Any,
        #[serde(rename = "verificationMaterial", borrow)]
        material: Object<WireMaterial<'a>>,
        #[serde(rename = "dsseEnvelope")]
        envelope: Option<Any>,
        #[serde(rename = "messageSignature")]
        message: Option<Any>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct WireMaterial<'a> {
        #[serde(rename = "publicKey")]
        public_key: Option<Any>,
        #[serde(rename = "x509CertificateChain")]
        chain: Option<Object<WireChain>>,
        certificate: Option<Any>,
        #[serde(rename = "tlogEntries", borrow)]
        entries: Option<AtMost<&'a RawValue, MAX_LOG_ENTRIES>>,
        #[serde(rename = "timestampVerificationData", borrow)]
        timestamps: Option<Object<WireTimestamps<'a>>>,
    }
    #[derive(Deserialize)]
    struct WireChain {
        #[serde(rename = "certificates")]
        _certificates: AtMost<Any, MAX_CERTIFICATES>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct WireTimestamps<'a> {
        #[serde(rename = "rfc3161Timestamps", borrow)]
        rfc3161: Option<AtMost<Object<WireTimestamp<'a>>, MAX_LOG_ENTRIES>>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct WireTimestamp<'a> {
        #[serde(rename = "signedTimestamp", borrow)]
        der: Cow<'a, str>,
    }
    let malformed = |detail: &str| Err(ArtifactError::Malformed(detail.to_owned()));
    let wire: WireBundle<'_> =
        json::read(document, MAX_ARTIFACT_BUNDLE_BYTES).map_err(ArtifactError::Json)?;
    if wire.envelope.is_some() == wire.message.is_some() {
        return malformed("it must hold a dsseEnvelope or a messageSignature, and not both");
    }
    let material = wire.material.0;
    let kinds = [material.public_key.is_some(), material.chain.is_some(), material.certificate.is_some()];
    if kinds.iter().filter(|&&there| there).count() != 1 {
        return malformed("it must hold one of publicKey, x509CertificateChain and certificate");
    }
    let log_entries = material
        .entries
        .unwrap_or_default()
        .iter()
        .enumerate()
        .map(|(index, part)| {
            LogEntry::from_json(part.get().as_bytes())
                .map_err(|error| ArtifactError::LogEntry { index, error })
        })
        .collect::<Result<_, _>>()?;
    let mut timestamps = Vec::new();
    for timestamp in material.timestamps.and_then(|t| t.0.rfc3161).unwrap_or_default().iter() {
        match decode_base64(&timestamp.der) {
            Some(der) if der.len() <= MAX_TIMESTAMP_BYTES => timestamps.push(der),
            _ => return malformed("a signedTimestamp is not base64, or longer than any real one"),
        }
    }
    Ok(BundleEvidence { log_entries, timestamps })
}

impl From<KeylessError> for ArtifactError {
    fn from(error: KeylessError) -> Self {
        Self::Signature(error)
    }
}

impl fmt::Display for ArtifactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(e) => write!(f, "not a Sigstore bundle: {e}"),
            Self::Malformed(detail) => write!(f, "the bundle cannot be used: {}", Printable(detail)),
            Self::LogEntry { index, error } => write!(f, "tlogEntries[{index}]: {error}"),
            Self::Key(detail) => write!(f, "the public key cannot be read: {}", Printable(detail)),
            Self::Evidence(e) => write!(f, "{e}"),
            Self::Signature(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for ArtifactError {}
