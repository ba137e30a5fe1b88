//! Judges signed statements: bundle + trust + time -> [`Verified<T>`](verified::Verified). Pure and synchronous: no files,
//! no network, no clock, and no memory between calls, so that one model's verdict can never change another's.
//!
//! 1. [`verifier::Verifier::verify`] checks the signature and who made it ([`public_key`], [`x509`], [`sigstore`]), before
//!    anybody hashes a byte of the model;
//! 2. [`verified::Verified::into_model`] reads the statement that was signed;
//! 3. [`verified::Verified::matches`] compares it with what this process measured.
//!
//! ```
//! # fn f(document: &[u8], key_pem: &[u8], now: jiff::Timestamp,
//! #      observed: &modelseal_core::observed::Observed<modelseal_core::manifest::Manifest>)
//! #      -> Result<(), Box<dyn std::error::Error>> {
//! use modelseal_core::{bundle::Bundle, predicate::Reading};
//! use modelseal_verify::{public_key::PublicKey, verifier::Verifier};
//!
//! let bundle = Bundle::parse(document)?;
//! let verifier = Verifier::with_key(PublicKey::from_pem(key_pem)?);
//! let signed = verifier.verify(&bundle, now)?.into_model(Reading::Field)?;
//! let comparison = signed.matches(observed);
//! # Ok(()) }
//! ```

pub mod attestation;
pub mod decision;
pub mod enforced;
pub mod facts;
pub mod legacy;
pub mod policy;
pub mod policy_trust;
pub mod provenance;
pub mod public_key;
pub mod signer;
pub mod sigstore;
pub mod statement_check;
pub mod verified;
pub mod verifier;
pub mod x509;
