//! Sigstore, the side that signs: an identity instead of a key, and what proves to others when a signature was made.
//!
//! ```text
//! SigningConfig -> Services --------------------------+                     (config, services)
//! Statement ----------------------> Prepared          |   no request        (keyless)
//! ambient | oauth | text -> IdentityToken -> Identified                     (token, ambient, oauth)
//!                                      | Fulcio: certificate for our key    (fulcio)
//!                                      | signature over the statement
//!                                      | timestamp, log entry               (timestamp, rekor)
//!                                      v
//!                                    Bundle
//! ```
//!
//! Methods `key` and `certificate` use the last step only: [`evidence`].
//!
//! Each answer is checked against its request (whose key, which digest, which nonce). Nothing here checks an answer against a trusted
//! root: whoever writes a bundle verifies it first, as any reader of it will.
//!
//! The services are called through [`crate::http`] and not through the clients of the `sigstore-*` crates, which read answers of
//! any length. Nothing here prints, prompts or reads files; [`oauth::Interaction`] is the way to the user.

pub mod ambient;
pub mod artifact;
mod command;
mod config;
mod error;
pub mod evidence;
mod fulcio;
mod json_answer;
mod keyless;
pub mod oauth;
mod rekor;
mod services;
mod timestamp;
mod token;

pub use config::{ConfigError, SigningConfig};
pub use error::SigningError;
pub use keyless::{Identified, Prepared};
pub use services::{Log, RekorPreference, RekorVersion, Services};
pub use token::{IdentityKind, IdentityToken, PublicIdentity, TokenError};
