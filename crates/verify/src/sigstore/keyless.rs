//! Keyless signatures: a certificate for minutes, issued to an identity, and a log that has seen the signature.

use super::{
    body::{Content, SignerMaterial, Subject},
    error::KeylessError,
    evidence::{self, Evidence},
    identity::{IdentityKind, IdentityMatch},
    trusted_root::TrustedRoot,
};
use crate::{
    public_key::PublicKey,
    verifier::VerifyError,
    x509::{Certificate, SubjectAltName},
};
use der::oid::ObjectIdentifier;
use jiff::Timestamp;
use modelseal_core::{
    bundle::Bundle,
    json::{self, AtMost, Object},
};
use serde::Deserialize;
use sigstore_verify::{
    VerificationPolicy,
    crypto::FulcioCiClaims,
    types::{Artifact, ArtifactDigest, HashAlgorithm, Sha256Hash, Sha512Hash},
};
use std::{borrow::Cow, collections::BTreeMap};
use x509_cert::der::Decode;

/// Largest statement of a keyless signature, in bytes: a model of about 350,000 files. The `sigstore-*` crates hold it
/// several times, and set no bound.
pub const MAX_KEYLESS_PAYLOAD_BYTES: u64 = 64 * 1024 * 1024;

/// Subjects of one statement.
const MAX_SUBJECTS: usize = 10_000;

/// Whose keyless signature is believed.
#[derive(Debug, Clone)]
pub struct Keyless {
    /// Who must have signed.
    pub identity: IdentityMatch,
    /// Who must have attested that identity: the issuer of the OpenID Connect token, compared exactly.
    pub issuer: String,
}

/// The maker of a verified keyless signature. Only the verifier builds one.
#[derive(Debug, Clone)]
pub struct KeylessSigner {
    identity: String,
    kind: IdentityKind,
    issuer: String,
    claims: BTreeMap<String, String>,
    public_key: PublicKey,
    certificate: Certificate,
}

impl Keyless {
    /// Exactly this identity, attested by exactly this issuer.
    #[must_use]
    pub fn exactly(identity: &str, issuer: impl Into<String>) -> Self {
        Self { identity: IdentityMatch::exactly(identity), issuer: issuer.into() }
    }
}

impl KeylessSigner {
    /// The identity: an e-mail address or a URI.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The kind of the identity.
    #[must_use]
    pub fn identity_kind(&self) -> IdentityKind {
        self.kind
    }

    /// Who attested the identity.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What else the certificate says, by the names of the Fulcio extensions .9 to .24 (`build-signer-uri`,
    /// `source-repository-ref`, ..). The deprecated extensions are not among them.
    #[must_use]
    pub fn claims(&self) -> &BTreeMap<String, String> {
        &self.claims
    }

    /// The key that made the signature.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The certificate that binds the key to the identity.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

/// Verifies a keyless bundle whose certificate is `der`.
pub(crate) fn verify(
    bundle: &Bundle,
    der: &[u8],
    expected: Option<&Keyless>,
    root: &TrustedRoot,
    now: Timestamp,
) -> Result<(KeylessSigner, Evidence), VerifyError> {
    let envelope = bundle.envelope();
    let found = envelope.payload_unverified().len() as u64;
    if found > MAX_KEYLESS_PAYLOAD_BYTES {
        return Err(KeylessError::TooLarge { found, limit: MAX_KEYLESS_PAYLOAD_BYTES }.into());
    }
    if bundle.log_entries().is_empty() {
        return Err(KeylessError::NoLogEntry.into());
    }
    let certificate = read_certificate(der)?;
    let public_key = read_public_key(&certificate)?;
    public_key.verify(&envelope.pae(), envelope.signature()).map_err(|_| KeylessError::Signature)?;

    let subject = Subject::new(Content::Envelope(envelope), SignerMaterial::Certificate(der));
    let evidence = evidence::verify(bundle.log_entries(), bundle.timestamps(), &subject, true, root, now)?;
    check_times(&certificate, &evidence)?;

    let artifact = bound_digest(envelope.payload_unverified())?;
    let document = bundle.to_json().map_err(|e| KeylessError::Bundle(e.to_string()))?;
    let document = std::str::from_utf8(&document).map_err(|e| KeylessError::Bundle(e.to_string()))?;
    let document = sigstore_verify::types::Bundle::from_json(document)
        .map_err(|e| KeylessError::Bundle(e.to_string()))?;
    let claims = verify_certificate(root, &document, artifact)?;
    let signer = authorize(certificate, public_key, claims, expected)?;
    Ok((signer, evidence))
}

/// The certificate's issuer and claims, once the whole bundle has been verified.
pub(super) struct Claims {
    issuer: Option<String>,
    extensions: FulcioCiClaims,
}

/// Chain, SCT, validity at every trusted time, log, timestamps and signature, by the field's own verifier. Who signed is
/// judged afterwards, so that the message about a wrong identity is about a real one.
pub(super) fn verify_certificate(
    root: &TrustedRoot,
    bundle: &sigstore_verify::types::Bundle,
    artifact: Artifact<'_>,
) -> Result<Claims, KeylessError> {
    let result = root.verifier().verify(artifact, bundle, &VerificationPolicy::any_identity())?;
    if !(result.certificate_verified() && result.sct_verified() && result.tlog_verified()) {
        return Err(KeylessError::Bundle("not everything in it was checked".to_owned()));
    }
    let info = result.certificate().ok_or_else(|| KeylessError::Certificate("there is none".to_owned()))?;
    Ok(Claims { issuer: result.issuer().map(str::to_owned), extensions: info.ci_claims.clone() })
}

/// Whether the verified signer is the expected one, where one is.
pub(super) fn authorize(
    certificate: Certificate,
    public_key: PublicKey,
    claims: Claims,
    expected: Option<&Keyless>,
) -> Result<KeylessSigner, KeylessError> {
    let (kind, identity) = match certificate.subject_alt_names() {
        [SubjectAltName::Email(email)] => (IdentityKind::Email, email.clone()),
        [SubjectAltName::Uri(uri)] => (IdentityKind::Uri, uri.clone()),
        names => return Err(KeylessError::Identities(names.iter().map(ToString::to_string).collect())),
    };
    let issuer = claims.issuer.filter(|issuer| !issuer.is_empty()).ok_or(KeylessError::NoIssuer)?;
    if let Some(expected) = expected {
        if !expected.identity.matches(kind, &identity) {
            return Err(KeylessError::Identity {
                found: format!("{kind}:{identity}"),
                expected: expected.identity.to_string(),
            });
        }
        if issuer != expected.issuer {
            return Err(KeylessError::Issuer { found: issuer, expected: expected.issuer.clone() });
        }
    }
    let claims = name_claims(claims.extensions);
    Ok(KeylessSigner { identity, kind, issuer, claims, public_key, certificate })
}

/// Reads the certificate, which must have a signed certificate timestamp.
pub(super) fn read_certificate(der: &[u8]) -> Result<Certificate, KeylessError> {
    let certificate = Certificate::from_der(der).map_err(|e| KeylessError::Certificate(e.to_string()))?;
    let parsed =
        x509_cert::Certificate::from_der(der).map_err(|e| KeylessError::Certificate(e.to_string()))?;
    let mut extensions = parsed.tbs_certificate.extensions.iter().flatten();
    if !extensions.any(|extension| extension.extn_id == SCT_LIST) {
        return Err(KeylessError::NoSct);
    }
    Ok(certificate)
}

pub(super) fn read_public_key(certificate: &Certificate) -> Result<PublicKey, KeylessError> {
    let spki = certificate.spki_der().map_err(|e| KeylessError::Certificate(e.to_string()))?;
    PublicKey::from_spki_der(&spki).map_err(|e| KeylessError::Key(e.to_string()))
}

/// There must be a trusted time, and the certificate must have been valid at every one: an earlier one from a second
/// source does not excuse a later one.
pub(super) fn check_times(certificate: &Certificate, evidence: &Evidence) -> Result<(), KeylessError> {
    if evidence.times().is_empty() {
        return Err(KeylessError::NoTrustedTime);
    }
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    for time in evidence.times() {
        if time.at < not_before || time.at > not_after {
            let source = time.source.clone();
            return Err(KeylessError::NotValidAt { at: time.at, source, not_before, not_after });
        }
    }
    Ok(())
}

/// A digest of the statement's first subject, which the crates demand to be told. It says nothing about a model: that
/// comparison is made with the whole statement later.
fn bound_digest(payload: &[u8]) -> Result<Artifact<'static>, KeylessError> {
    #[derive(Deserialize)]
    struct Statement<'a> {
        #[serde(rename = "_type", borrow)]
        statement_type: Cow<'a, str>,
        #[serde(borrow)]
        subject: AtMost<Object<StatementSubject<'a>>, MAX_SUBJECTS>,
    }
    #[derive(Deserialize)]
    struct StatementSubject<'a> {
        #[serde(borrow)]
        digest: Object<Digests<'a>>,
    }
    #[derive(Deserialize)]
    struct Digests<'a> {
        #[serde(borrow)]
        sha256: Option<Cow<'a, str>>,
        #[serde(borrow)]
        sha512: Option<Cow<'a, str>>,
    }
    let unusable = |detail: String| KeylessError::Statement(detail);
    let statement: Statement<'_> =
        json::read(payload, MAX_KEYLESS_PAYLOAD_BYTES).map_err(|e| unusable(e.to_string()))?;
    if !STATEMENT_TYPES.contains(&&*statement.statement_type) {
        return Err(unusable(format!("its _type is '{}'", statement.statement_type)));
    }
    let first = statement.subject.first().ok_or_else(|| unusable("it has no subject".to_owned()))?;
    match (&first.digest.sha256, &first.digest.sha512) {
        (Some(hex), _) => Sha256Hash::from_hex(hex).map(Artifact::from).map_err(|e| unusable(e.to_string())),
        (None, Some(hex)) => Sha512Hash::from_hex(hex)
            .and_then(|hash| ArtifactDigest::new(HashAlgorithm::Sha2512, hash))
            .map(Artifact::Digest)
            .map_err(|e| unusable(e.to_string())),
        (None, None) => Err(unusable("its subject has neither a sha256 nor a sha512 digest".to_owned())),
    }
}

const STATEMENT_TYPES: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

/// The list of signed certificate timestamps (RFC 6962 section 3.3).
const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

/// Fulcio's names, from .9 to .24 of its arc.
fn name_claims(claims: FulcioCiClaims) -> BTreeMap<String, String> {
    [
        ("build-signer-uri", claims.build_signer_uri),
        ("build-signer-digest", claims.build_signer_digest),
        ("runner-environment", claims.runner_environment),
        ("source-repository-uri", claims.source_repository_uri),
        ("source-repository-digest", claims.source_repository_digest),
        ("source-repository-ref", claims.source_repository_ref),
        ("source-repository-id", claims.source_repository_identifier),
        ("source-repository-owner-uri", claims.source_repository_owner_uri),
        ("source-repository-owner-id", claims.source_repository_owner_identifier),
        ("build-config-uri", claims.build_config_uri),
        ("build-config-digest", claims.build_config_digest),
        ("build-trigger", claims.build_trigger),
        ("run-invocation-uri", claims.run_invocation_uri),
        ("visibility", claims.source_repository_visibility_at_signing),
        ("deployment-environment", claims.deployment_environment),
        ("token-subject", claims.token_subject),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};

    fn judge(names: Vec<SanType>, issuer: Option<&str>) -> Result<KeylessSigner, KeylessError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        let certificate = Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap();
        let public_key = read_public_key(&certificate).unwrap();
        let claims = Claims { issuer: issuer.map(str::to_owned), extensions: FulcioCiClaims::default() };
        let expected = Keyless::exactly("dev@example.com", "https://issuer");
        authorize(certificate, public_key, claims, Some(&expected))
    }

    #[test]
    fn a_certificate_with_several_names_is_nobodys() {
        let mail = |name: &str| SanType::Rfc822Name(name.try_into().unwrap());
        let uri = SanType::URI("https://example.com".try_into().unwrap());
        let issuer = Some("https://issuer");
        assert!(judge(vec![mail("dev@example.com")], issuer).is_ok());
        for names in [
            vec![],
            vec![mail("dev@example.com"), mail("ops@example.com")],
            vec![mail("dev@example.com"), uri],
            vec![mail("dev@example.com"), SanType::DnsName("example.com".try_into().unwrap())],
            vec![SanType::DnsName("example.com".try_into().unwrap())],
        ] {
            assert!(matches!(judge(names, issuer), Err(KeylessError::Identities(_))));
        }
        assert!(matches!(judge(vec![mail("dev@example.com")], None), Err(KeylessError::NoIssuer)));
        assert!(matches!(judge(vec![mail("dev@example.com")], Some("")), Err(KeylessError::NoIssuer)));
    }
}
