//! X.509 certificates of the OMS `certificate` method (OMS v1.0 sections 4.1 and 8.2, RFC 5280).
//!
//! Three steps, each a type that only the step can build:
//!
//! 1. [`Certificate`]: bytes that parse. Nobody believes it yet.
//! 2. [`Roots`]: the certificates that the user gave. The self-signed ones are the trust anchors; there are no others,
//!    and nothing that comes with a signature becomes one.
//! 3. [`verify_path`]: a leaf that chains to an anchor at a given time and may sign code, as a [`VerifiedPath`].
//!
//! Whether a certificate of a path was revoked is a question of its own, for those who have [`RevocationLists`].
//!
//! The rules stand with [`verify_path`]. Why our own path builder and not the one of `rustls-webpki`, whose signature
//! algorithms it uses: that one refuses leaves with `CA:TRUE`, which the historical bundles of OMS section 11 have,
//! demands code signing of intermediates without usage, and does not look at the leaf's `keyUsage`.

mod certificate;
mod crl;
mod error;
mod name;
mod path;
mod revocation;
mod roots;
mod signature;

pub use certificate::{Certificate, CertificateError, MAX_CERTIFICATE_BYTES};
pub use crl::{Crl, CrlError, MAX_CRL_BYTES, MAX_CRL_ENTRIES};
pub use error::PathError;
pub use name::SubjectAltName;
pub use path::{
    MAX_BUNDLE_CERTIFICATES, MAX_PATH_LENGTH, MAX_SIGNATURE_CHECKS, ValidityWindow, VerifiedPath,
    check_signing_leaf, verify_path,
};
pub use revocation::{RevocationError, RevocationLists, RevocationQuestion};
pub use roots::{MAX_TRUSTED_CERTIFICATES, Roots, RootsError};
