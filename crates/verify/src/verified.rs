//! [`Verified<T>`]: a known signer signed it.

use crate::{signer::Signer, sigstore::Evidence};
use modelseal_core::{
    attestation::{Attestation, AttestationError, read_attestation},
    manifest::{Comparison, Manifest},
    observed::Observed,
    predicate::{Reading, SignedModel, StatementError, read_signed_model},
};

/// A value that a known signer signed. Only [`crate::verifier`] builds one.
///
/// ```compile_fail
/// use modelseal_verify::verified::Verified;
/// fn forge<T>(value: T, signer: modelseal_verify::signer::Signer) -> Verified<T> {
///     Verified { value, signer, evidence: Default::default() } // private fields
/// }
/// ```
///
/// ```compile_fail
/// use modelseal_core::{manifest::Manifest, predicate::SignedModel};
/// fn skip(signed: &modelseal_verify::verified::Verified<SignedModel>, written_by_somebody: &Manifest) {
///     let _ = signed.matches(written_by_somebody); // not Observed
/// }
/// ```
///
/// ```compile_fail
/// use modelseal_core::{bundle::Bundle, predicate::Reading};
/// fn skip(bundle: Bundle) {
///     let _ = bundle.into_model(Reading::Field); // not Verified
/// }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Verified<T> {
    value: T,
    signer: Signer,
    evidence: Evidence,
}

/// The bytes that were signed, and the media type that was signed with them.
#[derive(Debug, Clone)]
pub struct Payload {
    pub(crate) payload_type: String,
    pub(crate) bytes: Vec<u8>,
}

impl<T> Verified<T> {
    /// Asserts that `signer` signed `value`. For [`crate::verifier`] alone.
    pub(crate) fn by(signer: Signer, evidence: Evidence, value: T) -> Self {
        Self { value, signer, evidence }
    }

    /// What was signed.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// Who signed it.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Which logs have seen the signature and when it existed, as far as that was checked.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

impl Payload {
    /// The media type that was signed with the bytes.
    #[must_use]
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The bytes that were signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Verified<Payload> {
    /// Reads the signed statement as an attestation of any predicate type.
    ///
    /// # Errors
    /// [`AttestationError`] when it is none, or a malformed one.
    pub fn into_attestation(self) -> Result<Verified<Attestation>, AttestationError> {
        let attestation = read_attestation(&self.value.payload_type, &self.value.bytes)?;
        Ok(Verified { value: attestation, signer: self.signer, evidence: self.evidence })
    }

    /// Reads the signed statement as that of a model.
    ///
    /// # Errors
    /// [`StatementError`] when it is none, or a malformed one.
    pub fn into_model(self, reading: Reading) -> Result<Verified<SignedModel>, StatementError> {
        let model = read_signed_model(&self.value.payload_type, &self.value.bytes, reading)?;
        Ok(Verified { value: model, signer: self.signer, evidence: self.evidence })
    }
}

impl Verified<SignedModel> {
    /// Compares the signed manifest with a measurement that was made under its own [`serialization`].
    ///
    /// [`serialization`]: Manifest::serialization
    pub fn matches(&self, observed: &Observed<Manifest>) -> Comparison {
        self.value.manifest.compare(observed.get())
    }
}
