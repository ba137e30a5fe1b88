//! Why log entries, timestamps and keyless certificates are not believed.

use super::evidence::TimeSource;
use jiff::Timestamp;
use modelseal_core::text::Printable;
use std::fmt;

/// Why a log entry or a signed timestamp of a bundle is not believed. `index` counts from 0 in the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvidenceError {
    /// More entries or timestamps than any real bundle has.
    TooMany {
        /// Log entries or timestamps.
        what: &'static str,
        /// How many.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// An entry of a kind that is not supported.
    UnsupportedEntry {
        /// Which entry.
        index: usize,
        /// Its kind.
        kind: String,
        /// The version of the kind.
        version: String,
    },
    /// The entry's log is not in the trusted root.
    UnknownLog {
        /// Which entry.
        index: usize,
        /// The log's identifier, in hexadecimal.
        log_id: String,
    },
    /// The entry has no inclusion proof.
    NoInclusionProof {
        /// Which entry.
        index: usize,
    },
    /// The inclusion proof does not lead from this entry to the tree head.
    InclusionProof {
        /// Which entry.
        index: usize,
        /// Where it fails.
        detail: String,
    },
    /// The checkpoint is missing, unsigned or malformed.
    CheckpointMalformed {
        /// Which entry.
        index: usize,
        /// What is wrong with it.
        detail: String,
    },
    /// No log of the trusted root has signed the checkpoint.
    CheckpointForeign {
        /// Which entry.
        index: usize,
        /// Whose checkpoint it says it is.
        origin: String,
    },
    /// The checkpoint bears the name of a trusted log's key, and the signature is not that key's.
    CheckpointForged {
        /// Which entry.
        index: usize,
        /// The log.
        log: String,
    },
    /// The inclusion proof leads to another tree head than the one that was signed.
    CheckpointOtherTree {
        /// Which entry.
        index: usize,
    },
    /// The log did not sign this promise (signed entry timestamp).
    InclusionPromise {
        /// Which entry.
        index: usize,
        /// The log.
        log: String,
    },
    /// The entry's body cannot be read.
    Body {
        /// Which entry.
        index: usize,
        /// What is wrong with it.
        detail: String,
    },
    /// The entry is about something else than this bundle.
    OtherEnvelope {
        /// Which entry.
        index: usize,
        /// What differs.
        differs: &'static str,
    },
    /// The log's key was not in use when the signature was made.
    LogKeyOutsideWindow {
        /// Which entry.
        index: usize,
        /// The log.
        log: String,
        /// When the key came into use.
        from: Timestamp,
        /// When it was retired.
        until: Option<Timestamp>,
        /// When the signature was made.
        at: Timestamp,
    },
    /// The timestamp cannot be read.
    TimestampMalformed {
        /// Which timestamp.
        index: usize,
        /// What is wrong with it.
        detail: String,
    },
    /// The timestamp was made over other bytes than this signature.
    TimestampOtherBytes {
        /// Which timestamp.
        index: usize,
    },
    /// No timestamp authority of the trusted root made it.
    TimestampUntrusted {
        /// Which timestamp.
        index: usize,
        /// How many authorities the trusted root has.
        authorities: usize,
        /// Why the last of them did not.
        detail: String,
    },
    /// A trusted authority made it with a certificate that was not valid then.
    TimestampAuthorityExpired {
        /// Which timestamp.
        index: usize,
        /// What is wrong with the certificates.
        detail: String,
    },
    /// An authority made it at a time when the trusted root does not trust it.
    TimestampOutsideWindow {
        /// Which timestamp.
        index: usize,
        /// The timestamp's time.
        at: Timestamp,
    },
    /// A trusted time lies in the future.
    TimeInFuture {
        /// The time.
        at: Timestamp,
        /// Who says it.
        source: TimeSource,
        /// The time of this verification.
        now: Timestamp,
    },
    /// A log entry is required, and the bundle has none.
    LogEntryRequired,
    /// A trusted time is required, and the bundle has none.
    TrustedTimeRequired,
    /// Evidence is required, and there is no trusted root to check it with.
    RootRequired,
}

/// Why a keyless signature's certificate is not believed, or not the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeylessError {
    /// No trusted source says when the signature was made.
    NoTrustedTime,
    /// The bundle has no transparency log entry.
    NoLogEntry,
    /// The statement is larger than keyless verification holds.
    TooLarge {
        /// Its size in bytes.
        found: u64,
        /// The bound in bytes.
        limit: u64,
    },
    /// The certificate cannot be read.
    Certificate(String),
    /// The certificate leads to no authority of the trusted root.
    Chain(String),
    /// No authority of the trusted root was trusted at the time of signing.
    NoAuthority {
        /// When the signature was made.
        at: Timestamp,
    },
    /// The certificate was not valid at a trusted time.
    NotValidAt {
        /// The trusted time.
        at: Timestamp,
        /// Who says it.
        source: TimeSource,
        /// Start of the certificate's validity.
        not_before: Timestamp,
        /// End of the certificate's validity.
        not_after: Timestamp,
    },
    /// The certificate has no signed certificate timestamp.
    NoSct,
    /// The signed certificate timestamp is not by a trusted log, or not over this certificate.
    Sct(String),
    /// The certificate does not name exactly one e-mail address or URI.
    Identities(Vec<String>),
    /// The certificate names no issuer.
    NoIssuer,
    /// The signer is somebody else.
    Identity {
        /// The identity found, with its kind.
        found: String,
        /// The expected one.
        expected: String,
    },
    /// The identity was attested by another issuer.
    Issuer {
        /// The issuer found.
        found: String,
        /// The expected one.
        expected: String,
    },
    /// A key of the certificate that models are not signed with.
    Key(String),
    /// The payload is not a statement that binds anything.
    Statement(String),
    /// The signature does not verify.
    Signature,
    /// What the log recorded does not verify.
    Log(String),
    /// A timestamp does not verify.
    Timestamp(String),
    /// The machine's clock is behind a time that the log signed.
    Clock(String),
    /// The bundle is of a form that is not supported, or malformed.
    Bundle(String),
    /// The file is not the one that was signed.
    OtherArtifact(String),
    /// The trusted root cannot be used.
    TrustedRoot(String),
}

impl fmt::Display for EvidenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Printable as P;
        match self {
            Self::TooMany { what, found, limit } => {
                write!(f, "the bundle holds {found} {what}, the limit is {limit}")
            }
            Self::UnsupportedEntry { index, kind, version } => write!(
                f,
                "log entry {index} is of kind '{}', version '{}', which is not supported; supported are hashedrekord \
                 0.0.1 and 0.0.2, dsse 0.0.1 and intoto 0.0.2",
                P(kind),
                P(version)
            ),
            Self::UnknownLog { index, log_id } => write!(
                f,
                "log entry {index} is from log {log_id}, which is not in the trusted root; use the trusted root of the \
                 Sigstore instance that the signer used, or update it"
            ),
            Self::NoInclusionProof { index } => write!(
                f,
                "log entry {index} has no inclusion proof; without one nothing shows that the log holds it"
            ),
            Self::InclusionProof { index, detail } => {
                write!(f, "the inclusion proof of log entry {index} is not of this entry: {}", P(detail))
            }
            Self::CheckpointMalformed { index, detail } => {
                write!(f, "the checkpoint of log entry {index} cannot be used: {}", P(detail))
            }
            Self::CheckpointForeign { index, origin } => write!(
                f,
                "the checkpoint of log entry {index} ('{}') is signed by no log of the trusted root; use the trusted root \
                 of the Sigstore instance that the signer used, or update it",
                P(origin)
            ),
            Self::CheckpointForged { index, log } => {
                write!(f, "the checkpoint of log entry {index} does not bear a signature of {}", P(log))
            }
            Self::CheckpointOtherTree { index } => {
                write!(f, "the inclusion proof of log entry {index} leads to another tree head than the signed one")
            }
            Self::InclusionPromise { index, log } => write!(
                f,
                "the signed entry timestamp of log entry {index} is not {}'s over this entry and time",
                P(log)
            ),
            Self::Body { index, detail } => {
                write!(f, "the body of log entry {index} cannot be read: {}", P(detail))
            }
            Self::OtherEnvelope { index, differs } => {
                write!(f, "log entry {index} is about something else: its {differs} is not that of this bundle")
            }
            Self::LogKeyOutsideWindow { index, log, from, until, at } => {
                write!(f, "the key of {}, whose log entry {index} is, was in use from {from} ", P(log))?;
                match until {
                    Some(until) => write!(f, "to {until}")?,
                    None => f.write_str("on")?,
                }
                write!(f, ", which does not include {at}")
            }
            Self::TimestampMalformed { index, detail } => {
                write!(f, "signed timestamp {index} cannot be read: {}", P(detail))
            }
            Self::TimestampOtherBytes { index } => {
                write!(f, "signed timestamp {index} was made over other bytes than this signature")
            }
            Self::TimestampUntrusted { index, authorities: 0, .. } => write!(
                f,
                "signed timestamp {index} cannot be checked: the trusted root has no timestamp authority; use the \
                 trusted root of the instance that the signer used"
            ),
            Self::TimestampUntrusted { index, authorities, detail } => write!(
                f,
                "signed timestamp {index} was made by none of the {authorities} timestamp authorities of the trusted \
                 root ({})",
                P(detail)
            ),
            Self::TimestampAuthorityExpired { index, detail } => write!(
                f,
                "the certificates of the authority of signed timestamp {index} were not valid at its time: {}",
                P(detail)
            ),
            Self::TimestampOutsideWindow { index, at } => write!(
                f,
                "signed timestamp {index} is of {at}, when the trusted root does not trust its authority"
            ),
            Self::TimeInFuture { at, source, now } => write!(
                f,
                "{source} says the signature was made at {at}, and it is {now} here: set this machine's clock, or do not \
                 trust the source"
            ),
            Self::LogEntryRequired => {
                f.write_str("a transparency log entry is required, and the bundle has none")
            }
            Self::TrustedTimeRequired => {
                f.write_str("a trusted time of signing is required, and the bundle has none")
            }
            Self::RootRequired => f.write_str(
                "log entries or signed timestamps are required, and there is no trusted root to check them with; give one",
            ),
        }
    }
}

impl fmt::Display for KeylessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Printable as P;
        match self {
            Self::NoTrustedTime => f.write_str(
                "nothing trusted says when the signature was made: there is neither a signed timestamp nor a log entry \
                 with a signed time",
            ),
            Self::NoLogEntry => {
                f.write_str("there is no transparency log entry, which a keyless signature needs")
            }
            Self::TooLarge { found, limit } => {
                write!(f, "the statement has {found} bytes; keyless verification takes up to {limit}")
            }
            Self::Certificate(detail) => write!(f, "the signing certificate cannot be read: {}", P(detail)),
            Self::Chain(detail) => write!(
                f,
                "the signing certificate leads to no authority of the trusted root ({}); use the trusted root of the \
                 Sigstore instance that the signer used",
                P(detail)
            ),
            Self::NoAuthority { at } => {
                write!(f, "no certificate authority of the trusted root was trusted at {at}")
            }
            Self::NotValidAt { at, source, not_before, not_after } => write!(
                f,
                "the signing certificate was valid from {not_before} to {not_after}, and {source} says the signature was \
                 made at {at}"
            ),
            Self::NoSct => f.write_str(
                "the signing certificate has no signed certificate timestamp (SCT): nothing shows that it was made public",
            ),
            Self::Sct(detail) => write!(
                f,
                "the signed certificate timestamp (SCT) is not of a log of the trusted root over this certificate: {}",
                P(detail)
            ),
            Self::Identities(found) if found.is_empty() => {
                f.write_str("the signing certificate names no e-mail address or URI")
            }
            Self::Identities(found) => {
                f.write_str("the signing certificate must name exactly one e-mail address or URI, and names ")?;
                for (i, name) in found.iter().enumerate() {
                    write!(f, "{}'{}'", if i == 0 { "" } else { ", " }, P(name))?;
                }
                Ok(())
            }
            Self::NoIssuer => f.write_str("the signing certificate does not say who attested the identity"),
            Self::Identity { found, expected } => {
                write!(f, "signed by '{}', expected '{}'", P(found), P(expected))
            }
            Self::Issuer { found, expected } => write!(
                f,
                "the signer's identity was attested by '{}', expected '{}'",
                P(found),
                P(expected)
            ),
            Self::Key(detail) => {
                write!(f, "the signing certificate's key is of a kind that models are not signed with: {}", P(detail))
            }
            Self::Statement(detail) => write!(f, "the signed statement cannot be used: {}", P(detail)),
            Self::Signature => f.write_str(
                "the signature does not verify: the bundle was changed after signing, or another key signed it",
            ),
            Self::Log(detail) => write!(f, "the transparency log entry does not verify: {}", P(detail)),
            Self::Timestamp(detail) => write!(f, "a signed timestamp does not verify: {}", P(detail)),
            Self::Clock(detail) => write!(f, "{}; is this machine's clock right?", P(detail)),
            Self::Bundle(detail) => write!(f, "the bundle cannot be used: {}", P(detail)),
            Self::OtherArtifact(detail) => write!(f, "the file is not the one that was signed: {}", P(detail)),
            Self::TrustedRoot(detail) => write!(f, "the trusted root cannot be used: {}", P(detail)),
        }
    }
}

impl std::error::Error for EvidenceError {}
impl std::error::Error for KeylessError {}

/// By typed variant; the texts inside are shown and never looked at.
impl From<sigstore_verify::Error> for KeylessError {
    fn from(error: sigstore_verify::Error) -> Self {
        use sigstore_verify::{
            CertificateError as C, Error as E, TimestampError as T, TransparencyLogError as L,
        };
        let text = error.to_string();
        match error {
            E::SignatureInvalid(_) => Self::Signature,
            E::ArtifactMismatch(_) | E::UnsupportedArtifact(_) | E::ArtifactRead(_) => {
                Self::OtherArtifact(text)
            }
            E::Certificate(C::NoValidAuthority { time }) => Self::NoAuthority { at: time },
            E::Certificate(C::Sct(detail)) => Self::Sct(detail),
            E::Certificate(C::ChainInvalid(detail)) => Self::Chain(detail),
            E::Certificate(_) => Self::Certificate(text),
            E::TransparencyLog(L::IntegratedTime(detail)) => Self::Clock(detail),
            E::TransparencyLog(_) => Self::Log(text),
            E::Timestamp(T::NoVerifiedTimestamp(_)) => Self::NoTrustedTime,
            E::Timestamp(_) => Self::Timestamp(text),
            E::InvalidTrustRoot(detail) => Self::TrustedRoot(detail),
            E::TrustRoot(_) | E::TrustedCertificate(_) => Self::TrustedRoot(text),
            _ => Self::Bundle(text),
        }
    }
}
