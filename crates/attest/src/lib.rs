//! Turns measurements into signed statements: [`Observed`](modelseal_core::observed::Observed) -> [`statement`] ->
//! [`signer`] -> [`Bundle`](modelseal_core::bundle::Bundle). The only room with private keys.
//!
//! ```
//! # fn f(observed: &modelseal_core::observed::Observed<modelseal_core::manifest::Manifest>, pem: &[u8])
//! #      -> Result<(), Box<dyn std::error::Error>> {
//! use modelseal_attest::{private_key::{PasswordError, PrivateKey}, signer::KeySigner, statement::Statement};
//!
//! let statement = Statement::of_model(observed, "my-model")?;
//! let key = PrivateKey::from_pem(pem, || Err(PasswordError::NotGiven))?;
//! let bundle = statement.sign(&KeySigner::new(key))?;
//! # Ok(()) }
//! ```

pub mod document;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "kms")]
pub mod kms;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
pub mod private_key;
pub mod remote;
pub mod signer;
#[cfg(feature = "sigstore")]
pub mod sigstore;
pub mod statement;
pub mod summary;
