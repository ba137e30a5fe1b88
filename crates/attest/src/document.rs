//! Signing documents that are no in-toto statements: trust policies and deny feeds. The payload type is signed with the
//! bytes, so that a document of one kind never passes for one of another.

use crate::{private_key::SignError, signer::Signer};
use modelseal_core::{
    bundle::Bundle,
    dsse::{Envelope, pae},
};

/// Signs exactly these bytes as a document of `payload_type`, one of [`modelseal_core::payload`].
///
/// # Errors
/// [`SignError`] when the signer fails.
pub fn sign(payload_type: &'static str, bytes: Vec<u8>, signer: &dyn Signer) -> Result<Bundle, SignError> {
    let signature = signer.sign(&pae(payload_type, &bytes))?;
    Ok(Bundle::new(signer.material(), Envelope::new(payload_type, bytes, signature)))
}
