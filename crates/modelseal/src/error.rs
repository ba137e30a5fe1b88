//! [`Error`]: why an operation could not be done. A model that is refused is not an error but a
//! [`Refusal`](crate::Refusal).

use crate::{
    attest::AttestError, codes, digests::DocumentError, parts::MergeError, policies::PolicyError,
    sign::Unmet, store::StoreError, trust::TrustError,
};
use modelseal_attest::{
    private_key::SignError,
    sigstore::{SigningError, TokenError},
};
use modelseal_model::MeasureError;
use std::{fmt, path::PathBuf};

/// Why an operation was not carried out.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The model could not be measured, or breaks a rule.
    Measure(MeasureError),
    /// An ignore path cannot be recorded in a signature.
    IgnorePath {
        /// As it was given.
        given: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The signature cannot go where it should.
    Output {
        /// Where it should go.
        path: PathBuf,
        /// What stands in the way.
        reason: OutputError,
    },
    /// A document of digests cannot go where it should.
    Document {
        /// Where it should go.
        path: PathBuf,
        /// What stands in the way.
        reason: OutputError,
    },
    /// A document of digests cannot be signed.
    Digests {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: DocumentError,
    },
    /// The signature whose digests were to be used again cannot be.
    Reuse {
        /// The signature.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Parts of a measurement do not fit together.
    Merge(MergeError),
    /// The signer failed.
    Sign(SignError),
    /// The signature that was just made does not verify; it was not written.
    SelfCheck(String),
    /// The signing certificate would make a signature that no verifier accepts.
    Certificate(String),
    /// A service that signing needs did not do its part.
    Service(SigningError),
    /// The services to sign with and the trusted root to verify with are not of one instance.
    Mismatch(String),
    /// The identity token cannot be used.
    Token(TokenError),
    /// Trust material could not be had.
    Trust(TrustError),
    /// Policies cannot be used.
    Policy(PolicyError),
    /// An attestation store cannot be used.
    Store(StoreError),
    /// A run or a statement cannot be attested.
    Attest(AttestError),
    /// The model is not what was required of it before it is signed.
    Unmet(Unmet),
    /// What a model was to be compared with is no report.
    Report {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Something is required of the files, and not all of them would be read.
    Unread,
    /// The files' fs-verity digests are to be signed, and not all of the files would be read.
    Unannotated,
}

/// What stands between a new signature, or a document, and its file.
#[derive(Debug)]
#[non_exhaustive]
pub enum OutputError {
    /// There is a directory of that name.
    IsDirectory,
    /// There is something that is not a regular file.
    NotRegularFile,
    /// The directory it should go into does not exist.
    NoDirectory(PathBuf),
    /// There is a file that is not a Sigstore bundle: never overwritten.
    NotABundle,
    /// There is a bundle that says something else: overwritten only when forced.
    OtherBundle,
    /// There is a file that is no document of the same kind: never overwritten.
    OtherFile,
    /// It is the model itself.
    IsTheModel,
    /// It lies in the model, which it would change.
    InTheModel,
    /// Reading or writing failed.
    Io(std::io::Error),
}

/// What an error means for whoever asked: the four exit codes of the command line, less the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The model breaks a rule (exit 1).
    Denied,
    /// What was given is wrong: flags, keys, certificates, an output path (exit 2).
    Usage,
    /// The operation could not be finished: I/O, interrupted, internal (exit 3).
    Undecided,
}

impl Error {
    /// Who is at fault.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Measure(e) => codes::measure_kind(e),
            Self::Policy(e) => e.kind(),
            Self::Store(e) => e.kind(),
            Self::Attest(e) => e.kind(),
            Self::Unmet(_) => Kind::Denied,
            Self::Output { reason: OutputError::Io(_), .. }
            | Self::Document { reason: OutputError::Io(_), .. }
            | Self::Sign(_)
            | Self::SelfCheck(_)
            | Self::Trust(_) => Kind::Undecided,
            Self::Service(SigningError::Token(_) | SigningError::Services(_)) => Kind::Usage,
            Self::Service(_) => Kind::Undecided,
            Self::IgnorePath { .. }
            | Self::Output { .. }
            | Self::Document { .. }
            | Self::Digests { .. }
            | Self::Reuse { .. }
            | Self::Merge(_)
            | Self::Unread
            | Self::Unannotated
            | Self::Report { .. }
            | Self::Token(_)
            | Self::Mismatch(_)
            | Self::Certificate(_) => Kind::Usage,
        }
    }

    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Measure(e) => codes::measure(e),
            Self::Policy(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::Attest(e) => e.code(),
            Self::Unmet(e) => e.code(),
            Self::Unread | Self::Unannotated => "usage.flags",
            Self::Report { .. } => "usage.file",
            Self::Output { reason: OutputError::Io(_), .. }
            | Self::Document { reason: OutputError::Io(_), .. } => "error.io",
            Self::Output { .. } | Self::Document { .. } => "usage.output",
            Self::Digests { .. } => "usage.digests",
            Self::Reuse { .. } => "usage.reuse",
            Self::Merge(_) => "usage.part",
            Self::IgnorePath { .. } => "usage.ignore-path",
            Self::Certificate(_) => "usage.certificate",
            Self::Token(_) | Self::Service(SigningError::Token(_)) => "usage.identity-token",
            Self::Mismatch(_) | Self::Service(SigningError::Services(_)) => "usage.signing-config",
            Self::Service(_) => "error.service",
            Self::Trust(_) => "error.trust-root-unavailable",
            Self::Sign(_) | Self::SelfCheck(_) => "error.internal",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measure(e) => e.fmt(f),
            Self::Policy(e) => e.fmt(f),
            Self::Store(e) => e.fmt(f),
            Self::Attest(e) => e.fmt(f),
            Self::Unmet(e) => modelseal_core::text::Printable(&e.to_string()).fmt(f),
            Self::Report { path, why } => {
                write!(f, "cannot compare with '{}': {}", path.display(), modelseal_core::text::Printable(why))
            }
            Self::Unread => f.write_str(
                "what is required of a model is judged by reading all of it, so --require goes neither with --digests nor \
                 with --remember or --reuse",
            ),
            Self::Unannotated => f.write_str(
                "fs-verity digests are computed by reading all of a model, so --fs-verity goes neither with --digests nor \
                 with --remember or --reuse",
            ),
            Self::IgnorePath { given, reason } => write!(f, "cannot ignore '{}': {reason}", given.display()),
            Self::Output { path, reason } => {
                let path = path.display();
                match reason {
                    OutputError::NotABundle => write!(
                        f,
                        "'{path}' exists and is not a Sigstore bundle, so it is not overwritten; choose another \
                         path for the signature"
                    ),
                    OutputError::OtherBundle => write!(
                        f,
                        "'{path}' already holds a different signature; choose another path, or replace it with \
                         --force"
                    ),
                    reason => write!(f, "cannot write the signature to '{path}': {reason}"),
                }
            }
            Self::Document { path, reason } => write!(f, "cannot write '{}': {reason}", path.display()),
            Self::Digests { path, reason } => {
                write!(f, "cannot sign the digests in '{}': {reason}", path.display())
            }
            Self::Reuse { path, reason } => {
                write!(f, "cannot use the digests of '{}' again: {reason}", path.display())
            }
            Self::Merge(e) => e.fmt(f),
            Self::Sign(e) => e.fmt(f),
            Self::SelfCheck(e) => write!(f, "the new signature does not verify and was not written: {e}"),
            Self::Certificate(e) => write!(f, "the signing certificate cannot be used: {e}"),
            Self::Service(e) => e.fmt(f),
            Self::Mismatch(e) => f.write_str(e),
            Self::Token(e) => write!(f, "the identity token cannot be used: {e}"),
            Self::Trust(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IsDirectory => f.write_str("it is a directory; name a file in it"),
            Self::NotRegularFile => f.write_str("it is not a regular file"),
            Self::NoDirectory(parent) => {
                write!(f, "the directory '{}' does not exist", parent.display())
            }
            Self::NotABundle => f.write_str("it exists and is not a Sigstore bundle"),
            Self::OtherBundle => f.write_str("it already holds a different signature"),
            Self::OtherFile => {
                f.write_str("it exists and is not a document of this kind, so it is not overwritten")
            }
            Self::IsTheModel => {
                f.write_str("that is the model itself; choose another path for the signature")
            }
            Self::InTheModel => {
                f.write_str("it lies in the model, which it would change; choose a path outside")
            }
            Self::Io(e) => e.fmt(f),
        }
    }
}

impl From<StoreError> for Error {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

impl From<TrustError> for Error {
    fn from(e: TrustError) -> Self {
        Self::Trust(e)
    }
}

impl From<MeasureError> for Error {
    fn from(e: MeasureError) -> Self {
        Self::Measure(e)
    }
}
