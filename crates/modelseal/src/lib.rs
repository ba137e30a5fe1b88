//! Sign and verify machine-learning models (OpenSSF Model Signing v1.0). The front room: every door (command line,
//! bindings) goes through these three.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use modelseal::{KeySigner, PasswordError, PrivateKey, PublicKey};
//!
//! // What is this model?
//! let digest = modelseal::digest("my-model").run(&())?;
//! println!("{} {}", digest.manifest().root_digest(), digest.manifest().manifest_digest());
//!
//! // The publisher signs it.
//! let key = PrivateKey::from_pem(&std::fs::read("private.pem")?, || Err(PasswordError::NotGiven))?;
//! let signed = modelseal::sign("my-model").output("model.sig").run(&KeySigner::new(key), &())?;
//! println!("{} files", signed.report.model.files);
//!
//! // The consumer verifies it.
//! let key = PublicKey::from_pem(&std::fs::read("public.pem")?)?;
//! let verified = modelseal::verify("my-model").signature("model.sig").with_key(key).run(&())?;
//! println!("signed by {}", verified.signer());
//! # Ok(()) }
//! ```
//!
//! Nothing here prints, prompts, or reads the environment.

mod clock;
mod codes;
mod digest;
mod digests;
mod error;
mod explained;
mod output;
mod parts;
pub mod report;
mod reuse;
mod scope;
mod sign;
mod verify;

pub use digest::{DigestRequest, MeasuredModel, digest};
pub use digests::DocumentError;
pub use error::{Error, Kind, OutputError};
pub use modelseal_attest::{
    private_key::{Password, PasswordError, PrivateKey, PrivateKeyError, SignError},
    signer::{CertificateSigner, CertificateSignerError, KeySigner, Signer},
};
pub use modelseal_core::{
    digest::Algorithm,
    key::{KeyAlgorithm, UnknownKeyAlgorithm},
    limits,
    manifest::{DEFAULT_SHARD_SIZE, Manifest, Method},
    path::ModelPath,
    predicate::Reading,
    text::{Printable, ShellQuoted, is_unsafe_to_print},
};
pub use modelseal_model::{
    Also, DEFAULT_MEMORY, FileHash, MAX_PARTS, Part, PartError, Progress, UnknownFileHash,
};
pub use modelseal_verify::{
    public_key::{PublicKey, PublicKeyError},
    signer::{CertificateIdentity, Signer as VerifiedSigner},
    verifier::Verifier,
    x509::{Certificate, CertificateError, Roots, RootsError},
};
pub use parts::{MergeError, MergeRequest, PartRequest, merge};
pub use sign::{Prepared, SignRequest, SignedFile, sign};
pub use verify::{Refusal, VerifiedModel, VerifyRequest, verify};
