//! The one way from a statement to a bundle that is worth writing: signed by a key or an identity, read back, verified.
//! What is signed and where it goes is up to the [`Sayable`]: a model's signature, or any other statement about a model.

use crate::{
    error::Error,
    report::{EvidenceReport, SignerReport, TrustedRootReport},
    trust::Trust,
};
use jiff::Timestamp;
use modelseal_attest::{
    http::Client,
    signer::Signer,
    sigstore::{Services, evidence as adding},
    statement::Statement,
};
use modelseal_core::bundle::{Bundle, VerificationMaterial};
use modelseal_verify::{
    public_key::PublicKey,
    verifier::Verifier,
    x509::{Certificate, check_signing_leaf},
};

/// A statement that is ready to be signed, and what becomes of it. Only this crate has any.
pub trait Sayable: Sized {
    /// What there is when it was signed and written.
    type Written;

    #[doc(hidden)]
    fn unsigned(&self) -> &Unsigned;
    #[doc(hidden)]
    fn check_before_publishing(&self) -> Result<(), Error>;
    /// Whether the payload of the new bundle, as its readers understand it, says what was measured.
    #[doc(hidden)]
    fn check_said(&self, payload_type: &str, payload: &[u8]) -> Result<(), String>;
    #[doc(hidden)]
    fn write(self, bundle: &Bundle, made: Made) -> Result<Self::Written, Error>;
}

/// What is signed, when, and with which evidence.
#[derive(Debug)]
pub struct Unsigned {
    pub(crate) statement: Statement,
    pub(crate) now: Timestamp,
    pub(crate) evidence: Option<EvidenceServices>,
}

/// Who adds evidence of when a signature was made, to signatures that do without.
#[derive(Debug, Clone)]
pub struct EvidenceServices {
    /// The transparency logs and time-stamping authorities.
    pub services: Services,
    /// How to reach them.
    pub client: Client,
    /// Against what their answers are verified before the signature is written; nothing leaves that to verifiers.
    pub trust: Option<Trust>,
}

/// What is known of a new bundle besides what it says.
#[derive(Debug)]
pub struct Made {
    pub(crate) signer: SignerReport,
    pub(crate) evidence: Option<EvidenceReport>,
    pub(crate) trusted_root: Option<TrustedRootReport>,
    pub(crate) notes: Vec<String>,
}

/// Signs, checks the signature as a verifier would, and writes it.
pub(crate) fn sign_with<S: Sayable>(said: S, signer: &dyn Signer) -> Result<S::Written, Error> {
    let Unsigned { statement, now, evidence } = said.unsigned();
    let by = check_material(signer, *now)?;
    let mut bundle = statement.clone().sign(signer).map_err(Error::Sign)?;
    let mut made = Made { signer: by, evidence: None, trusted_root: None, notes: Vec::new() };
    if let Some(evidence) = evidence {
        let key = signer.public_key_spki_der();
        bundle = adding::log_and_timestamp(bundle, &key, &evidence.services, &evidence.client)
            .map_err(Error::Service)?;
        made.evidence = evidence.verify(&bundle, signer, *now)?;
        made.trusted_root = evidence.trust.as_ref().map(|trust| trust.report.clone());
        if evidence.trust.is_none() {
            made.notes.push(
                "the log entries and timestamps were not verified, because no --trusted-root was given"
                    .into(),
            );
        }
    }
    check_as_a_reader_would(&said, &bundle, signer).map_err(Error::SelfCheck)?;
    said.write(&bundle, made)
}

impl EvidenceServices {
    /// Whether these services can say anything about signatures of that key.
    pub(crate) fn check(&self, signer: &dyn Signer) -> Result<(), Error> {
        let key = key_of(signer)?;
        adding::check(&self.services, key.algorithm()).map_err(Error::Service)
    }

    /// What of the evidence verifies, where there is something to verify it against.
    fn verify(
        &self,
        bundle: &Bundle,
        signer: &dyn Signer,
        now: Timestamp,
    ) -> Result<Option<EvidenceReport>, Error> {
        let Some(trust) = &self.trust else { return Ok(None) };
        let evidence = Verifier::evidence_of(bundle, &key_of(signer)?, &trust.root, now)
            .map_err(|e| Error::SelfCheck(e.to_string()))?;
        Ok(Some((&evidence).into()))
    }
}

/// The public half of the key that signs.
pub(crate) fn key_of(signer: &dyn Signer) -> Result<PublicKey, Error> {
    PublicKey::from_spki_der(&signer.public_key_spki_der()).map_err(|e| Error::SelfCheck(e.to_string()))
}

/// Who will have signed. A signature under a certificate that verifiers will refuse is worth nothing, so that is said
/// before anything is hashed.
pub(crate) fn check_material(signer: &dyn Signer, now: Timestamp) -> Result<SignerReport, Error> {
    let refuse = |e: &dyn std::fmt::Display| Error::Certificate(e.to_string());
    let material = signer.material();
    let VerificationMaterial::CertificateChain(ders) = &material else {
        return Ok(SignerReport::of_key(material.method(), &key_of(signer)?));
    };
    let chain = ders.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|e| refuse(&e))?;
    let Some((leaf, issuers)) = chain.split_first() else { return Err(refuse(&"there is none")) };
    let key = check_signing_leaf(leaf, now).map_err(|e| refuse(&e))?;
    if let Some(expired) = issuers.iter().find(|c| now < c.not_before() || c.not_after() < now) {
        return Err(refuse(&format_args!(
            "its issuer '{}' is valid from {} to {} only",
            expired.subject(),
            expired.not_before(),
            expired.not_after()
        )));
    }
    Ok(SignerReport::of_leaf(leaf, &key))
}

/// Reads the new bundle back from its written form: the signature verifies, and it says what was measured.
fn check_as_a_reader_would(said: &impl Sayable, bundle: &Bundle, signer: &dyn Signer) -> Result<(), String> {
    let json = bundle.to_json().map_err(|e| e.to_string())?;
    let read = Bundle::parse(&json).map_err(|e| e.to_string())?;
    let key = PublicKey::from_spki_der(&signer.public_key_spki_der()).map_err(|e| e.to_string())?;
    let envelope = read.envelope();
    key.verify(&envelope.pae(), envelope.signature()).map_err(|_| "bad signature".to_owned())?;
    said.check_said(envelope.payload_type(), envelope.payload_unverified())
}
