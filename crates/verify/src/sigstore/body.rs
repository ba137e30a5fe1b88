//! What a log entry is about: its body must name exactly this bundle's signature, signer and signed bytes. An entry that
//! rides along from another signature would lend its time to this one (the class of CVE-2022-36056).

use super::error::EvidenceError;
use crate::{public_key::pem_blocks::pem_blocks, x509::Certificate};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use modelseal_core::{
    dsse::Envelope,
    json::{self, AtMost},
    limits::MAX_LOG_BODY_BYTES,
    log_entry::LogEntry,
    text::hex,
};
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::{borrow::Cow, cell::OnceCell};

/// The signature that log entries and timestamps must be about.
pub(crate) struct Subject<'a> {
    content: Content<'a>,
    signer: SignerMaterial<'a>,
    /// SHA-256 of what is signed, computed once however many entries there are.
    sha256: OnceCell<[u8; 32]>,
}

/// What was signed, and the signature.
pub(crate) enum Content<'a> {
    /// A DSSE envelope: the signature is over its pre-authentication encoding.
    Envelope(&'a Envelope),
    /// A file: the signature is over its bytes, which may be known by their digest only.
    Message { bytes: Option<&'a [u8]>, sha256: [u8; 32], signature: &'a [u8] },
}

/// Who signed, as an entry may name it.
#[derive(Clone, Copy)]
pub(crate) enum SignerMaterial<'a> {
    /// The holder of a key, given as DER SubjectPublicKeyInfo: the entry names the key, or a certificate of it.
    Key(&'a [u8]),
    /// The subject of a certificate: the entry names the certificate itself.
    Certificate(&'a [u8]),
    /// The subject of a certificate: the entry names the certificate itself, or its bare key.
    CertificateOrKey { certificate: &'a [u8], key: &'a [u8] },
}

impl<'a> Subject<'a> {
    pub(crate) fn new(content: Content<'a>, signer: SignerMaterial<'a>) -> Self {
        Self { content, signer, sha256: OnceCell::new() }
    }

    pub(super) fn signature(&self) -> &[u8] {
        match &self.content {
            Content::Envelope(envelope) => envelope.signature(),
            Content::Message { signature, .. } => signature,
        }
    }

    /// Digest of what the signature is over, under a protobuf or Rekor v1 algorithm name.
    fn digest(&self, algorithm: &str) -> Option<Vec<u8>> {
        match (algorithm, &self.content) {
            ("SHA2_256" | "sha256", Content::Message { sha256, .. }) => Some(sha256.to_vec()),
            ("SHA2_256" | "sha256", Content::Envelope(envelope)) => {
                Some(self.sha256.get_or_init(|| Sha256::digest(envelope.pae()).into()).to_vec())
            }
            ("SHA2_384" | "sha384", _) => Some(Sha384::digest(self.signed()?).to_vec()),
            ("SHA2_512" | "sha512", _) => Some(Sha512::digest(self.signed()?).to_vec()),
            _ => None,
        }
    }

    fn signed(&self) -> Option<Cow<'_, [u8]>> {
        match &self.content {
            Content::Envelope(envelope) => Some(envelope.pae().into()),
            Content::Message { bytes, .. } => bytes.map(Cow::Borrowed),
        }
    }
}

/// Standard or URL-safe base64, padded.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(text).ok()
}

/// Whether the entry is of a Rekor v2 log, whose entries have one kind only.
pub(super) fn is_rekor_v2(entry: &LogEntry) -> bool {
    entry.kind == "hashedrekord" && entry.version == "0.0.2"
}

/// Checks that the entry is about `subject`.
pub(super) fn check_binding(
    index: usize,
    entry: &LogEntry,
    subject: &Subject<'_>,
) -> Result<(), EvidenceError> {
    let check = Check { index, entry, subject };
    match (entry.kind.as_str(), entry.version.as_str(), &subject.content) {
        ("hashedrekord", "0.0.1", _) => check.hashedrekord_v1(),
        ("hashedrekord", "0.0.2", _) => check.hashedrekord_v2(),
        ("dsse", "0.0.1", Content::Envelope(envelope)) => check.dsse(envelope),
        ("intoto", "0.0.2", Content::Envelope(envelope)) => check.intoto(envelope),
        ("dsse", "0.0.1", _) | ("intoto", "0.0.2", _) => check.differs("kind"),
        (kind, version, _) => {
            Err(EvidenceError::UnsupportedEntry { index, kind: kind.to_owned(), version: version.to_owned() })
        }
    }
}

#[derive(Clone, Copy)]
struct Check<'a> {
    index: usize,
    entry: &'a LogEntry,
    subject: &'a Subject<'a>,
}

#[derive(Deserialize)]
struct Body<'a, T> {
    #[serde(rename = "apiVersion", borrow)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    spec: T,
}

#[derive(Deserialize)]
struct RekordV1<'a> {
    #[serde(borrow)]
    data: DataV1<'a>,
    #[serde(borrow)]
    signature: SignatureV1<'a>,
}

#[derive(Deserialize)]
struct DataV1<'a> {
    #[serde(borrow)]
    hash: Hash<'a>,
}

#[derive(Deserialize)]
struct Hash<'a> {
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

#[derive(Deserialize)]
struct SignatureV1<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(rename = "publicKey", borrow)]
    public_key: Pem<'a>,
}

#[derive(Deserialize)]
struct Pem<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
}

#[derive(Deserialize)]
struct SpecV2<'a> {
    #[serde(rename = "hashedRekordV002", borrow)]
    rekord: RekordV2<'a>,
}

#[derive(Deserialize)]
struct RekordV2<'a> {
    #[serde(borrow)]
    data: DataV2<'a>,
    #[serde(borrow)]
    signature: SignatureV2<'a>,
}

#[derive(Deserialize)]
struct DataV2<'a> {
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(borrow)]
    digest: Cow<'a, str>,
}

#[derive(Deserialize)]
struct SignatureV2<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(borrow)]
    verifier: VerifierV2<'a>,
}

/// A oneof: both being there would let two readers see two signers.
#[derive(Deserialize)]
struct VerifierV2<'a> {
    #[serde(rename = "publicKey", borrow)]
    public_key: Option<Raw<'a>>,
    #[serde(rename = "x509Certificate", borrow)]
    certificate: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "rawBytes", borrow)]
    raw_bytes: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Dsse<'a> {
    #[serde(rename = "payloadHash", borrow)]
    payload_hash: Hash<'a>,
    #[serde(borrow)]
    signatures: AtMost<DsseSignature<'a>, 32>,
}

#[derive(Deserialize)]
struct DsseSignature<'a> {
    #[serde(borrow)]
    signature: Cow<'a, str>,
    #[serde(borrow)]
    verifier: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Intoto<'a> {
    #[serde(borrow)]
    content: IntotoContent<'a>,
}

#[derive(Deserialize)]
struct IntotoContent<'a> {
    #[serde(borrow)]
    envelope: IntotoEnvelope<'a>,
    #[serde(rename = "payloadHash", borrow)]
    payload_hash: Hash<'a>,
}

#[derive(Deserialize)]
struct IntotoEnvelope<'a> {
    #[serde(rename = "payloadType", borrow)]
    payload_type: Cow<'a, str>,
    #[serde(borrow)]
    signatures: AtMost<IntotoSignature<'a>, 32>,
}

#[derive(Deserialize)]
struct IntotoSignature<'a> {
    #[serde(borrow)]
    sig: Cow<'a, str>,
    #[serde(rename = "publicKey", borrow)]
    public_key: Cow<'a, str>,
}

impl<'a> Check<'a> {
    fn hashedrekord_v1(self) -> Result<(), EvidenceError> {
        let rekord: RekordV1<'_> = self.read()?;
        self.digest_is(&rekord.data.hash.algorithm, |digest| hex(digest) == rekord.data.hash.value)?;
        self.signature_is(&self.base64(&rekord.signature.content)?)?;
        self.pem_is_signer(&self.base64(&rekord.signature.public_key.content)?)
    }

    fn hashedrekord_v2(self) -> Result<(), EvidenceError> {
        let rekord = self.read::<SpecV2<'_>>()?.rekord;
        let logged = self.base64(&rekord.data.digest)?;
        self.digest_is(&rekord.data.algorithm, |digest| digest == logged)?;
        self.signature_is(&self.base64(&rekord.signature.content)?)?;
        match (rekord.signature.verifier.public_key, rekord.signature.verifier.certificate) {
            (Some(key), None) => self.key_is_signer(&self.base64(&key.raw_bytes)?),
            (None, Some(certificate)) => self.certificate_is_signer(&self.base64(&certificate.raw_bytes)?),
            _ => self.malformed("it names no signer, or two".to_owned()),
        }
    }

    fn dsse(self, envelope: &Envelope) -> Result<(), EvidenceError> {
        let dsse: Dsse<'_> = self.read()?;
        self.payload_is(envelope, &dsse.payload_hash)?;
        let [signature] = &dsse.signatures[..] else { return self.differs("number of signatures") };
        self.signature_is(&self.base64(&signature.signature)?)?;
        self.pem_is_signer(&self.base64(&signature.verifier)?)
    }

    fn intoto(self, envelope: &Envelope) -> Result<(), EvidenceError> {
        let content = self.read::<Intoto<'_>>()?.content;
        self.payload_is(envelope, &content.payload_hash)?;
        if content.envelope.payload_type != envelope.payload_type() {
            return self.differs("payload type");
        }
        let [signature] = &content.envelope.signatures[..] else {
            return self.differs("number of signatures");
        };
        // Rekor encodes the envelope's base64 once more.
        let once = self.base64(&signature.sig)?;
        let Ok(text) = std::str::from_utf8(&once) else {
            return self.malformed("its signature is not base64".to_owned());
        };
        self.signature_is(&self.base64(text)?)?;
        self.pem_is_signer(&self.base64(&signature.public_key)?)
    }

    /// The body's own kind must be the entry's: the two are signed separately.
    fn read<T: Deserialize<'a>>(self) -> Result<T, EvidenceError> {
        let body: Body<'a, T> = json::read(&self.entry.canonicalized_body, MAX_LOG_BODY_BYTES as u64)
            .map_err(|e| EvidenceError::Body { index: self.index, detail: e.to_string() })?;
        if body.kind != self.entry.kind || body.api_version != self.entry.version {
            return self.malformed("it is of another kind than the entry says".to_owned());
        }
        Ok(body.spec)
    }

    fn payload_is(self, envelope: &Envelope, logged: &Hash<'_>) -> Result<(), EvidenceError> {
        if logged.algorithm != "sha256" {
            return self.malformed("its payload hash is not SHA-256".to_owned());
        }
        if hex(&Sha256::digest(envelope.payload_unverified())) != logged.value {
            return self.differs("payload digest");
        }
        Ok(())
    }

    fn digest_is(self, algorithm: &str, is_logged: impl Fn(&[u8]) -> bool) -> Result<(), EvidenceError> {
        match self.subject.digest(algorithm) {
            None => self.malformed("its digest is of an algorithm that cannot be checked here".to_owned()),
            Some(digest) if is_logged(&digest) => Ok(()),
            Some(_) => self.differs("digest"),
        }
    }

    fn signature_is(self, logged: &[u8]) -> Result<(), EvidenceError> {
        if logged == self.subject.signature() { Ok(()) } else { self.differs("signature") }
    }

    fn pem_is_signer(self, pem: &[u8]) -> Result<(), EvidenceError> {
        let blocks = pem_blocks(pem).map(|(blocks, _)| blocks).unwrap_or_default();
        let [block] = blocks.as_slice() else {
            return self.malformed("its signer is not one PEM block".to_owned());
        };
        let Some(der) = block.decode() else {
            return self.malformed("its signer is not PEM".to_owned());
        };
        match block.label {
            "CERTIFICATE" => self.certificate_is_signer(&der),
            "PUBLIC KEY" => self.key_is_signer(&der),
            _ => self.malformed("its signer is neither a certificate nor a public key".to_owned()),
        }
    }

    fn certificate_is_signer(self, der: &[u8]) -> Result<(), EvidenceError> {
        let is_signer = match self.subject.signer {
            SignerMaterial::Certificate(certificate)
            | SignerMaterial::CertificateOrKey { certificate, .. } => der == certificate,
            SignerMaterial::Key(key) => Certificate::from_der(der)
                .ok()
                .and_then(|c| c.spki_der().ok())
                .is_some_and(|spki| spki == key),
        };
        if is_signer { Ok(()) } else { self.differs("certificate") }
    }

    fn key_is_signer(self, der: &[u8]) -> Result<(), EvidenceError> {
        let is_signer = match self.subject.signer {
            SignerMaterial::Certificate(_) => false,
            SignerMaterial::Key(key) | SignerMaterial::CertificateOrKey { key, .. } => der == key,
        };
        if is_signer { Ok(()) } else { self.differs("public key") }
    }

    fn base64(self, text: &str) -> Result<Vec<u8>, EvidenceError> {
        match decode_base64(text) {
            Some(bytes) => Ok(bytes),
            None => self.malformed("a field of it is not base64".to_owned()),
        }
    }

    fn differs<T>(self, differs: &'static str) -> Result<T, EvidenceError> {
        Err(EvidenceError::OtherEnvelope { index: self.index, differs })
    }

    fn malformed<T>(self, detail: String) -> Result<T, EvidenceError> {
        Err(EvidenceError::Body { index: self.index, detail })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelseal_core::dsse::IN_TOTO_PAYLOAD_TYPE;
    use serde_json::{Value, json};

    const KEY: &[u8] = b"a key in DER";

    fn b64(bytes: impl AsRef<[u8]>) -> String {
        STANDARD.encode(bytes)
    }

    fn pem(label: &str) -> String {
        b64(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", b64(KEY)))
    }

    fn envelope() -> Envelope {
        Envelope::new(IN_TOTO_PAYLOAD_TYPE, b"{}".to_vec(), b"signature".to_vec())
    }

    /// A body of each kind that is about [`envelope`] and [`KEY`].
    fn bodies() -> [(&'static str, &'static str, Value); 4] {
        let (pae, payload) = (hex(&Sha256::digest(envelope().pae())), hex(&Sha256::digest(b"{}")));
        let signature = b64("signature");
        let v1 = json!({"data": {"hash": {"algorithm": "sha256", "value": pae}},
            "signature": {"content": signature, "publicKey": {"content": pem("PUBLIC KEY")}}});
        let v2 = json!({"hashedRekordV002": {
            "data": {"algorithm": "SHA2_384", "digest": b64(Sha384::digest(envelope().pae()))},
            "signature": {"content": signature, "verifier": {"publicKey": {"rawBytes": b64(KEY)}}}}});
        let dsse = json!({"payloadHash": {"algorithm": "sha256", "value": payload},
            "signatures": [{"signature": signature, "verifier": pem("PUBLIC KEY")}]});
        let intoto = json!({"content": {"payloadHash": {"algorithm": "sha256", "value": payload},
            "envelope": {"payloadType": IN_TOTO_PAYLOAD_TYPE,
                "signatures": [{"sig": b64(&signature), "publicKey": pem("PUBLIC KEY")}]}}});
        let body = |kind: &'static str, version: &'static str, spec: Value| {
            (kind, version, json!({"apiVersion": version, "kind": kind, "spec": spec}))
        };
        [
            body("hashedrekord", "0.0.1", v1),
            body("hashedrekord", "0.0.2", v2),
            body("dsse", "0.0.1", dsse),
            body("intoto", "0.0.2", intoto),
        ]
    }

    fn check(kind: &str, version: &str, body: &Value) -> Result<(), EvidenceError> {
        let entry = LogEntry {
            log_index: 0,
            log_id: vec![0; 32],
            kind: kind.to_owned(),
            version: version.to_owned(),
            integrated_time: None,
            inclusion_promise: None,
            inclusion_proof: None,
            canonicalized_body: body.to_string().into_bytes(),
        };
        let envelope = envelope();
        check_binding(0, &entry, &Subject::new(Content::Envelope(&envelope), SignerMaterial::Key(KEY)))
    }

    /// The paths of all texts in `value`.
    fn texts(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, v)| texts(v, &format!("{at}/{name}"), found));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, v)| texts(v, &format!("{at}/{i}"), found));
            }
            _ => found.push(at.to_owned()),
        }
    }

    #[test]
    fn every_field_of_a_body_must_be_about_the_subject() {
        for (kind, version, body) in bodies() {
            assert_eq!(check(kind, version, &body), Ok(()), "{kind} {version}");
            let mut fields = Vec::new();
            texts(&body, "", &mut fields);
            assert!(fields.len() >= 6, "{fields:?}");
            for field in fields {
                for other in ["0.0.9", "AAAA", &b64("other"), &"0".repeat(64), &pem("CERTIFICATE")] {
                    let mut changed = body.clone();
                    *changed.pointer_mut(&field).unwrap() = json!(other);
                    assert!(check(kind, version, &changed).is_err(), "{kind} {version} {field} {other}");
                }
            }
        }
    }

    #[test]
    fn two_signers_or_none_or_another_kind_are_refused() {
        let [.., (_, _, dsse), _] = bodies();
        assert!(check("intoto", "0.0.2", &dsse).is_err());
        let (_, _, mut v2) = bodies()[1].clone();
        let verifier = v2.pointer_mut("/spec/hashedRekordV002/signature/verifier").unwrap();
        verifier["x509Certificate"] = verifier["publicKey"].clone();
        assert!(matches!(check("hashedrekord", "0.0.2", &v2), Err(EvidenceError::Body { .. })));
        v2.pointer_mut("/spec/hashedRekordV002/signature").unwrap()["verifier"] = json!({});
        assert!(matches!(check("hashedrekord", "0.0.2", &v2), Err(EvidenceError::Body { .. })));
        for count in [0, 2] {
            let (_, _, mut dsse) = bodies()[2].clone();
            let signature = dsse["spec"]["signatures"][0].clone();
            dsse["spec"]["signatures"] = json!(vec![signature; count]);
            assert!(matches!(check("dsse", "0.0.1", &dsse), Err(EvidenceError::OtherEnvelope { .. })));
        }
    }
}
