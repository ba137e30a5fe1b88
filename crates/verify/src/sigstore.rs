//! Sigstore: keyless signatures, and the log entries and signed timestamps that any signature can carry.
//!
//! What comes in is a bundle, a [`TrustedRoot`] and a time; what goes out is who signed, when, and which logs have seen it.
//! Nothing here opens a file or a socket, and the trusted roots of the public instances are built in.
//!
//! | module | step |
//! |---|---|
//! | [`trusted_root`] | whose word counts: certificate authorities, logs, timestamp authorities |
//! | [`evidence`] | log entries and timestamps, verified against a trusted root: when a signature existed, who saw it |
//! | [`keyless`] | the certificate of a keyless signature, and whether its identity is the expected one |
//! | [`artifact`] | signatures of single files, of any bundle version: what other Sigstore clients sign |
//!
//! An adapter around the `sigstore-*` crates. None of their types is in a public signature, and what they leave to their
//! callers is done here: bounds, strict reading, the end of a log key's life, the kind of an identity, the time as an
//! argument.

pub mod artifact;
pub(crate) mod body;
mod checkpoint;
pub mod error;
pub mod evidence;
pub mod identity;
pub mod keyless;
mod summary;
mod timestamp;
pub mod trusted_root;

pub use error::{EvidenceError, KeylessError};
pub use evidence::{Evidence, Requirement, TimeSource, TrustedTime, VerifiedLogEntry};
pub use identity::{IdentityKind, IdentityMatch, PatternError};
pub use keyless::{Keyless, KeylessSigner};
pub use summary::{
    AuthoritySummary, LogSummary, RootCertificateSummary, Staleness, TrustedRootSummary, Window,
};
pub use trusted_root::{EmbeddedRoot, TrustedRoot, TrustedRootError, TrustedRootOrigin};
