//! [`Attestation`]: an in-toto statement of any predicate type, read in full. The statement of a model signature has a
//! stricter reader of its own, [`crate::predicate::read_signed_model`].

use crate::{
    dsse::IN_TOTO_PAYLOAD_TYPE,
    json::{self, AtMost, JsonError, Object, value::Value},
    limits::{MAX_ATTESTATION_BYTES, MAX_RESOURCES},
    predicate::{
        Predicate,
        descriptor::{DigestSet, check_digest},
        error::PredicateError,
        slsa_provenance::PREDICATE_TYPE_V0_2,
    },
    statement::STATEMENT_TYPE,
    text::Printable,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// The `_type` of the statements that SLSA v0.2 provenance comes in; read for that predicate type alone.
pub const STATEMENT_TYPE_V0_1: &str = "https://in-toto.io/Statement/v0.1";

/// What somebody says about some artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// Names the shape of the predicate.
    pub predicate_type: String,
    /// The artifacts: at least one, each with a digest.
    pub subjects: Vec<Subject>,
    /// What is said, for the predicate types that are known.
    pub predicate: Predicate,
    /// What is said, exactly as it was written; `null` when there is nothing.
    pub raw: Value,
}

/// An artifact that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// Its name: for a file, the path inside the model.
    pub name: Option<String>,
    /// Its URI.
    pub uri: Option<String>,
    /// Its digests; never empty.
    pub digest: DigestSet,
    /// The annotation `digestMethod`, which says what the digests were computed over, see
    /// [`crate::cover::digest_method`].
    pub digest_method: Option<String>,
}

/// Why a payload is no attestation.
#[derive(Debug)]
#[non_exhaustive]
pub enum AttestationError {
    /// The envelope's payload is of another type.
    PayloadType(String),
    /// The payload is not the JSON that a statement is.
    Json(JsonError),
    /// `_type` is another one than the predicate type comes in.
    Type {
        /// What it is.
        found: String,
        /// The predicate type.
        predicate_type: String,
    },
    /// The predicate type is empty.
    NoPredicateType,
    /// There are no subjects.
    NoSubject,
    /// A subject has no digest.
    SubjectWithoutDigest {
        /// Its place, from 0.
        index: usize,
        /// Its name.
        name: String,
    },
    /// A subject's digest is malformed.
    SubjectDigest(PredicateError),
    /// The predicate is not what its type says.
    Predicate {
        /// The predicate type.
        predicate_type: String,
        /// What is wrong.
        error: PredicateError,
    },
}

/// Reads the payload of an envelope as a statement of any predicate type. Members that nobody knows are ignored, as in-toto's
/// parsing rules demand; duplicate ones are refused. The caller has verified the signature, or says that nobody has.
///
/// # Errors
/// [`AttestationError`] says what is wrong and where.
pub fn read_attestation(payload_type: &str, payload: &[u8]) -> Result<Attestation, AttestationError> {
    if payload_type != IN_TOTO_PAYLOAD_TYPE {
        return Err(AttestationError::PayloadType(payload_type.to_owned()));
    }
    let wire: Wire<'_> = json::read(payload, MAX_ATTESTATION_BYTES).map_err(AttestationError::Json)?;
    if wire.predicate_type.is_empty() {
        return Err(AttestationError::NoPredicateType);
    }
    let expected = if wire.predicate_type == PREDICATE_TYPE_V0_2 {
        [STATEMENT_TYPE, STATEMENT_TYPE_V0_1]
    } else {
        [STATEMENT_TYPE; 2]
    };
    if !expected.contains(&&*wire.statement_type) {
        let (found, predicate_type) = (wire.statement_type.into_owned(), wire.predicate_type.into_owned());
        return Err(AttestationError::Type { found, predicate_type });
    }
    if wire.subject.is_empty() {
        return Err(AttestationError::NoSubject);
    }
    let subjects = wire.subject.0.into_iter().enumerate();
    let subjects = subjects.map(|(index, subject)| subject.0.read(index)).collect::<Result<Vec<_>, _>>()?;
    let raw = wire.predicate.map_or(Ok(Value::Null), Value::from_part).map_err(AttestationError::Json)?;
    let predicate_type = wire.predicate_type.into_owned();
    match Predicate::read(&predicate_type, &raw) {
        Ok(predicate) => Ok(Attestation { predicate_type, subjects, predicate, raw }),
        Err(error) => Err(AttestationError::Predicate { predicate_type, error }),
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "_type", borrow)]
    statement_type: Cow<'a, str>,
    #[serde(borrow)]
    subject: AtMost<Object<WireSubject<'a>>, MAX_RESOURCES>,
    #[serde(rename = "predicateType", borrow)]
    predicate_type: Cow<'a, str>,
    #[serde(default, borrow)]
    predicate: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireSubject<'a> {
    #[serde(default, borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    uri: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    digest: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    #[serde(default, borrow)]
    annotations: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
}

impl WireSubject<'_> {
    fn read(self, index: usize) -> Result<Subject, AttestationError> {
        let name = self.name.filter(|name| !name.is_empty()).map(Cow::into_owned);
        let digests = self.digest.unwrap_or_default();
        if digests.is_empty() {
            return Err(AttestationError::SubjectWithoutDigest { index, name: name.unwrap_or_default() });
        }
        for (algorithm, hex) in &digests {
            let at = format!("/subject/{index}/digest/{algorithm}");
            check_digest(algorithm, hex, &at).map_err(AttestationError::SubjectDigest)?;
        }
        let method = self.annotations.as_ref().and_then(|annotations| annotations.get("digestMethod"));
        Ok(Subject {
            name,
            uri: self.uri.filter(|uri| !uri.is_empty()).map(Cow::into_owned),
            digest: DigestSet::of(digests.into_iter().map(|(a, hex)| (a.into_owned(), hex.into_owned()))),
            // Anything but a string is kept as its JSON: it equals no method, and still marks a directory.
            digest_method: method.map(|raw| {
                serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
            }),
        })
    }
}

impl fmt::Display for AttestationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Printable as P;
        match self {
            Self::PayloadType(found) => {
                write!(f, "payloadType is '{}', expected '{IN_TOTO_PAYLOAD_TYPE}'", P(found))
            }
            Self::Json(e) => write!(f, "the signed payload is no in-toto statement: {e}"),
            Self::Type { found, predicate_type } => write!(
                f,
                "_type is '{}', expected '{STATEMENT_TYPE}' for a predicate of type '{}'",
                P(found),
                P(predicate_type)
            ),
            Self::NoPredicateType => f.write_str("predicateType is empty"),
            Self::NoSubject => f.write_str("the statement has no subject"),
            Self::SubjectWithoutDigest { index, name } => {
                write!(f, "subject {index} ('{}') has no digest", P(name))
            }
            Self::SubjectDigest(error) => error.fmt(f),
            Self::Predicate { predicate_type, error } => {
                write!(f, "the predicate is no '{}': {error}", P(predicate_type))
            }
        }
    }
}

impl std::error::Error for AttestationError {}
