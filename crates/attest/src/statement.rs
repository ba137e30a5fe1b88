//! [`Statement`]: what is about to be signed, exact to the byte.

use crate::{private_key::SignError, signer::Signer};
use modelseal_core::{
    bundle::Bundle,
    dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE, pae},
    manifest::Manifest,
    observed::Observed,
    predicate::signature_v1,
};

/// An in-toto statement, serialised. It can be shown before a private key is touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement(Vec<u8>);

impl Statement {
    /// The OMS v1.0 statement about a measured model. `name` is the base name of the model's path (§6.5).
    ///
    /// # Errors
    /// Only what `serde_json` cannot write, which a manifest cannot hold.
    pub fn of_model(manifest: &Observed<Manifest>, name: &str) -> Result<Self, serde_json::Error> {
        signature_v1::write(manifest.get(), name).map(Self)
    }

    /// The bytes that will be the envelope's payload.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Signs the statement into a bundle.
    ///
    /// # Errors
    /// [`SignError`] when the signer fails.
    pub fn sign(self, signer: &dyn Signer) -> Result<Bundle, SignError> {
        let signature = signer.sign(&pae(IN_TOTO_PAYLOAD_TYPE, &self.0))?;
        let envelope = Envelope::new(IN_TOTO_PAYLOAD_TYPE, self.0, signature);
        Ok(Bundle::new(signer.material(), envelope))
    }
}
