//! Predicates: one file per predicate type, each with its wire shape and the way to its meaning.

pub mod build_type;
pub mod descriptor;
pub mod digests_v0_1;
pub mod error;
pub mod field;
pub mod reference_v0_1;
pub mod release;
pub mod scai_v0_3;
pub mod signature_v1;
pub mod slsa_provenance;
pub mod svr_v0_2;
pub mod test_result_v0_1;
pub mod vsa_v1;
pub mod vulns_v0_2;

use crate::{
    digest::DigestError,
    dsse::IN_TOTO_PAYLOAD_TYPE,
    json::{self, JsonError, value::Value},
    limits,
    manifest::{Manifest, ManifestError},
    path::{ModelPath, PathError},
    statement::{STATEMENT_TYPE, Statement},
    text::Printable,
    verity::FsVerityDigest,
};
use std::{collections::BTreeMap, fmt};

/// Which differences between the letter of OMS v1.0 and what its producers do are read, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// What keeps real models loadable and safe: the reference implementation's name for a sharded digest
    /// (`sha256-sharded-1000`) is read when it agrees with `serialization`, and a file of zero bytes that the
    /// signature does not list counts as unsigned.
    #[default]
    Field,
    /// OMS v1.0 to the letter: `algorithm` must equal `hash_type` (§6.3.2), a file of zero bytes has no resource
    /// under `shards` (§6.3.2), and keys are the registry's three curves (§4.2).
    Letter,
}

/// What a model signature says, in its only current form and in the older ones that are still read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedModel {
    /// The signer's name for the model: informational (OMS v1.0 §6.5.1).
    pub name: String,
    /// What was signed.
    pub manifest: Manifest,
    /// The fs-verity digests of its files, as far as they were signed. To believe one is to believe the signer that the file
    /// that the kernel gives it for has the digests of the manifest.
    pub fs_verity: BTreeMap<ModelPath, FsVerityDigest>,
    /// The predicate type it was read from.
    pub predicate_type: &'static str,
}

/// What an attestation says, for the predicate types that are known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Predicate {
    /// How the subjects were built.
    Provenance(Box<slsa_provenance::Provenance>),
    /// Somebody's verdict on the subjects.
    Vsa(Box<vsa_v1::Vsa>),
    /// Properties that somebody verified of the subjects.
    Svr(Box<svr_v0_2::Svr>),
    /// The release that the subjects make up.
    Release(Box<release::Release>),
    /// What a test of the subjects found.
    TestResult(Box<test_result_v0_1::TestResult>),
    /// What is asserted of the subjects, with evidence.
    Scai(Box<scai_v0_3::Scai>),
    /// What a scanner found in the subjects.
    Vulns(Box<vulns_v0_2::Vulns>),
    /// Where documents about the subjects are.
    Reference(Box<reference_v0_1::Reference>),
    /// Anything else: there is only the exact JSON.
    Other,
}

impl Predicate {
    /// Reads the predicate that `predicate_type`, compared letter for letter, names.
    ///
    /// # Errors
    /// [`PredicateError`](error::PredicateError) when it is not what its type says.
    pub fn read(predicate_type: &str, predicate: &Value) -> Result<Self, error::PredicateError> {
        Ok(match predicate_type {
            slsa_provenance::PREDICATE_TYPE_V1 => {
                Self::Provenance(Box::new(slsa_provenance::Provenance::read_v1(predicate)?))
            }
            slsa_provenance::PREDICATE_TYPE_V0_2 => {
                Self::Provenance(Box::new(slsa_provenance::Provenance::read_v0_2(predicate)?))
            }
            vsa_v1::PREDICATE_TYPE => Self::Vsa(Box::new(vsa_v1::Vsa::read(predicate)?)),
            svr_v0_2::PREDICATE_TYPE => Self::Svr(Box::new(svr_v0_2::Svr::read(predicate)?)),
            svr_v0_2::PREDICATE_TYPE_V0_1 => Self::Svr(Box::new(svr_v0_2::Svr::read_v0_1(predicate)?)),
            release::PREDICATE_TYPE_V0_1 | release::PREDICATE_TYPE_V0_2 => {
                Self::Release(Box::new(release::Release::read(predicate)?))
            }
            test_result_v0_1::PREDICATE_TYPE => {
                Self::TestResult(Box::new(test_result_v0_1::TestResult::read(predicate)?))
            }
            scai_v0_3::PREDICATE_TYPE => Self::Scai(Box::new(scai_v0_3::Scai::read(predicate)?)),
            vulns_v0_2::PREDICATE_TYPE => Self::Vulns(Box::new(vulns_v0_2::Vulns::read(predicate)?)),
            reference_v0_1::PREDICATE_TYPE => {
                Self::Reference(Box::new(reference_v0_1::Reference::read(predicate)?))
            }
            // Of others it is known only that they are objects (in-toto Statement v1).
            _ => field::Field::root(predicate).members().map(|_| Self::Other)?,
        })
    }

    /// How the subjects were built, if that is what it says.
    #[must_use]
    pub fn provenance(&self) -> Option<&slsa_provenance::Provenance> {
        match self {
            Self::Provenance(provenance) => Some(provenance),
            _ => None,
        }
    }
}

/// Why a signed payload is no model signature.
#[derive(Debug)]
#[non_exhaustive]
pub enum StatementError {
    /// The envelope's payload is of another type.
    PayloadType(String),
    /// The payload is not the JSON that a statement is.
    Json(JsonError),
    /// `_type` is another one.
    Type(String),
    /// The predicate type is none that says what a model consists of.
    PredicateType(String),
    /// The number of subjects is not what the predicate type wants.
    SubjectCount(usize),
    /// The subject's name is empty.
    EmptySubjectName,
    /// The subject carries no digest of this algorithm.
    MissingDigest {
        /// The subject's name.
        subject: String,
        /// The algorithm.
        algorithm: &'static str,
    },
    /// The signed root digest is not that of the signed resources.
    RootDigest {
        /// What the statement says.
        signed: String,
        /// What its resources give.
        computed: String,
    },
    /// A resource's name is not canonical.
    Path(PathError),
    /// A resource under `shards` has no canonical `:start:end` at its end.
    ShardName(String),
    /// A digest is malformed.
    Digest {
        /// The resource.
        name: String,
        /// What is wrong.
        error: DigestError,
    },
    /// A resource names another algorithm than `serialization`.
    Algorithm {
        /// The resource.
        name: String,
        /// Its algorithm.
        found: String,
        /// The one of `serialization`.
        expected: &'static str,
    },
    /// `serialization.method` is unknown.
    Method(String),
    /// `serialization.hash_type` is unknown.
    HashType(String),
    /// `serialization.shard_size` is absent, present or out of range where it must not be.
    ShardSize(String),
    /// An entry of `serialization.ignore_paths` is not a plain relative path.
    IgnorePath {
        /// The entry.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A resource's annotation `fsverity-sha256` is not one.
    FsVerity {
        /// The resource.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The resources together cannot be a model.
    Manifest(ManifestError),
}

/// Reads the payload of a model signature. The caller has verified the signature, or says that nobody has.
///
/// # Errors
/// [`StatementError`] for anything but a well-formed statement of a known predicate type.
pub fn read_signed_model(
    payload_type: &str,
    payload: &[u8],
    reading: Reading,
) -> Result<SignedModel, StatementError> {
    if payload_type != IN_TOTO_PAYLOAD_TYPE {
        return Err(StatementError::PayloadType(payload_type.to_owned()));
    }
    let statement: Statement<'_> =
        json::read(payload, limits::MAX_BUNDLE_BYTES).map_err(StatementError::Json)?;
    if statement.statement_type != STATEMENT_TYPE {
        return Err(StatementError::Type(statement.statement_type.into_owned()));
    }
    match &*statement.predicate_type {
        signature_v1::PREDICATE_TYPE => signature_v1::read(&statement, reading),
        digests_v0_1::PREDICATE_TYPE => digests_v0_1::read(&statement),
        other => Err(StatementError::PredicateType(other.to_owned())),
    }
}

impl fmt::Display for StatementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Printable as P;
        match self {
            Self::PayloadType(found) => {
                write!(f, "payloadType is '{}', expected '{IN_TOTO_PAYLOAD_TYPE}'", P(found))
            }
            Self::Json(e) => write!(f, "the signed payload is no in-toto statement: {e}"),
            Self::Type(found) => write!(f, "_type is '{}', expected '{STATEMENT_TYPE}'", P(found)),
            Self::PredicateType(found) => write!(
                f,
                "predicateType is '{}', which does not say what a model consists of; expected '{}'",
                P(found),
                signature_v1::PREDICATE_TYPE
            ),
            Self::SubjectCount(0) => f.write_str("the statement has no subject"),
            Self::SubjectCount(n) => write!(f, "the statement has {n} subjects, expected exactly one"),
            Self::EmptySubjectName => f.write_str("the subject's name is empty"),
            Self::MissingDigest { subject, algorithm } => {
                write!(f, "the subject '{}' has no {algorithm} digest", P(subject))
            }
            Self::RootDigest { signed, computed } => write!(
                f,
                "the signed root digest {} is not that of the signed resources, {computed}",
                P(signed)
            ),
            Self::Path(e) => write!(f, "bad resource name: {e}"),
            Self::ShardName(name) => {
                write!(f, "the resource '{}' does not end in ':<start>:<end>' as a shard must", P(name))
            }
            Self::Digest { name, error } => write!(f, "bad digest of '{}': {error}", P(name)),
            Self::Algorithm { name, found, expected } => {
                write!(f, "'{}' says algorithm '{}', but hash_type is '{expected}'", P(name), P(found))
            }
            Self::Method(found) => {
                write!(f, "serialization.method is '{}'; known are 'files' and 'shards'", P(found))
            }
            Self::HashType(found) => write!(
                f,
                "serialization.hash_type is '{}'; known are 'sha256', 'blake2b' and 'blake3'",
                P(found)
            ),
            Self::ShardSize(why) => write!(f, "serialization.shard_size {}", P(why)),
            Self::IgnorePath { entry, reason } => {
                write!(f, "serialization.ignore_paths entry '{}': {reason}", P(entry))
            }
            Self::FsVerity { name, why } => {
                write!(f, "bad annotation fsverity-sha256 of '{}': {}", P(name), P(why))
            }
            Self::Manifest(e) => write!(f, "the signed manifest is invalid: {e}"),
        }
    }
}

impl std::error::Error for StatementError {}

impl From<PathError> for StatementError {
    fn from(e: PathError) -> Self {
        Self::Path(e)
    }
}

impl From<ManifestError> for StatementError {
    fn from(e: ManifestError) -> Self {
        Self::Manifest(e)
    }
}
