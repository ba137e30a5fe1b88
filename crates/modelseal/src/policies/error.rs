//! [`PolicyError`]: why policies cannot be used. A model that a policy refuses is no error.

use crate::error::Kind;
use modelseal_core::rollback::Rollback;
use modelseal_inspect::RuleSetError;
use modelseal_verify::{
    policy::{
        complaint::{Complaint, Severity},
        reference::ReferenceError,
    },
    policy_trust::{Document, PolicyTrustError},
};
use std::{fmt, path::PathBuf};

/// Why policies, or a decision under them, could not be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum PolicyError {
    /// No policy was given.
    None,
    /// A policy or a bundle that signs one cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A policy, or the host's trust configuration, is wrong.
    Invalid(Vec<Complaint>),
    /// Nobody whom this host knows vouches for the policy.
    Unsigned {
        /// What it is.
        document: Document,
        /// The policy.
        path: PathBuf,
        /// Whether there is a signature that nobody can judge.
        signed: bool,
        /// Where the host would say who may sign.
        trust: PathBuf,
    },
    /// The policy's signatures are not enough, or an older policy is being passed off.
    NotAccepted {
        /// What it is.
        document: Document,
        /// The policy.
        path: PathBuf,
        /// Why not.
        error: PolicyTrustError,
    },
    /// The host's trust configuration cannot be used.
    Trust {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A rule set of inspections is wrong.
    Rules {
        /// The rule set.
        path: PathBuf,
        /// What is wrong with it, and where.
        error: RuleSetError,
    },
    /// What this machine remembers cannot be read or written.
    State {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A model's name cannot be understood.
    Reference {
        /// As it was given.
        given: String,
        /// What is wrong with it.
        error: ReferenceError,
    },
    /// Two policies name different deny feeds by the same relative path.
    FeedClash {
        /// The path.
        file: String,
    },
    /// A deny feed is older than one that was accepted before.
    FeedRollback {
        /// The feed.
        path: PathBuf,
        /// Both versions.
        rollback: Rollback,
    },
    /// A file of another kind, or evidence that could not be recorded.
    Output {
        /// The file.
        path: PathBuf,
        /// What stands in the way.
        reason: String,
    },
}

impl PolicyError {
    /// Who is at fault.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unsigned { .. } | Self::FeedRollback { .. } => Kind::Denied,
            Self::NotAccepted { error: PolicyTrustError::Header(_), .. } => Kind::Usage,
            Self::NotAccepted { .. } => Kind::Denied,
            Self::State { .. } => Kind::Undecided,
            _ => Kind::Usage,
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::None => "usage.flags",
            Self::Read { .. } | Self::Trust { .. } => "usage.file",
            Self::Rules { .. } => "usage.rules",
            Self::Invalid(complaints) if complaints.iter().any(|c| c.id == "parse.schema") => {
                "policy.schema-unknown"
            }
            Self::Invalid(_) | Self::FeedClash { .. } => "policy.invalid",
            Self::FeedRollback { .. } => "deny.feed-rollback",
            Self::Unsigned { .. } => "policy.signature-missing",
            Self::NotAccepted { error, .. } => match error {
                PolicyTrustError::Rollback(_) | PolicyTrustError::BelowMinimum { .. } => {
                    "policy.version-rollback"
                }
                PolicyTrustError::Header(_) => "policy.invalid",
                _ => "policy.signature-invalid",
            },
            Self::State { .. } => "error.io",
            Self::Reference { error: ReferenceError::NotCanonical { .. }, .. } => "reference.not-canonical",
            Self::Reference { .. } => "reference.malformed",
            Self::Output { .. } => "usage.output",
        }
    }

    /// What is wrong with a policy, where that has places.
    #[must_use]
    pub fn complaints(&self) -> &[Complaint] {
        if let Self::Invalid(complaints) = self { complaints } else { &[] }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no policy was given; at least one has to allow a model"),
            Self::Read { path, reason } => write!(f, "cannot use '{}': {reason}", path.display()),
            Self::Invalid(complaints) => {
                let errors: Vec<&Complaint> =
                    complaints.iter().filter(|c| c.severity == Severity::Error).collect();
                // What could not be read comes first: the rest may follow from it.
                let unread = errors.iter().find(|c| !c.id.starts_with("lint."));
                match unread.or(errors.first()) {
                    Some(first) => f.write_str(&super::said(first))?,
                    None => f.write_str("the policy is not fit for use")?,
                }
                if errors.len() > 1 {
                    write!(f, ", and {} more; modelseal policy lint shows all", errors.len() - 1)?;
                }
                Ok(())
            }
            Self::Rules { path, error: RuleSetError { line, column, message } } => {
                let message = modelseal_core::text::Printable(message);
                write!(f, "{}:{line}:{column}: {message}", path.display())
            }
            Self::Unsigned { document, path, signed: false, .. } => write!(
                f,
                "the {document} '{}' is not signed, and somebody else than root can write to it or to a directory above; \
                 have it signed (modelseal policy sign), move it to where only root can write, or accept it as it is \
                 with --policy-unsigned",
                path.display()
            ),
            Self::Unsigned { document, path, trust, .. } => write!(
                f,
                "the {document} '{}' is signed, but this host does not say who may sign policies: '{}' does not exist; \
                 write it, name another one with --policy-trust, or leave the signature unchecked with \
                 --policy-unsigned",
                path.display(),
                trust.display()
            ),
            Self::NotAccepted { document, path, error } => {
                write!(f, "the {document} '{}' is not accepted: {error}", path.display())
            }
            Self::Trust { path, reason } => {
                write!(f, "cannot use the trust configuration '{}': {reason}", path.display())
            }
            Self::State { path, reason } => write!(
                f,
                "cannot use what is remembered in '{}': {reason}; name another directory with --state-dir",
                path.display()
            ),
            Self::Reference { given, error } => {
                write!(f, "'{}' does not name a model: {error}", modelseal_core::text::Printable(given))
            }
            Self::FeedClash { file } => write!(
                f,
                "two policies name different deny feeds '{}'; give them different names, or absolute paths",
                modelseal_core::text::Printable(file)
            ),
            Self::FeedRollback { path, rollback } => {
                write!(
                    f,
                    "the deny feed '{}' is not accepted: {rollback}; fetch the current one",
                    path.display()
                )
            }
            Self::Output { path, reason } => write!(f, "cannot write '{}': {reason}", path.display()),
        }
    }
}

impl std::error::Error for PolicyError {}

impl From<PolicyError> for crate::Error {
    fn from(e: PolicyError) -> Self {
        Self::Policy(e)
    }
}
