//! [`Attestation`]: an in-toto statement of any predicate type, read in full. The statement of a model signature has a
//! stricter reader of its own, [`crate::predicate::read_signed_model`].

use crate::{
    dsse::IN_TOTO_PAYLOAD_TYPE,
    json::{self, AtMost, JsonError, Object, pointer::escaped, value::Value},
    limits::{MAX_ATTESTATION_BYTES, MAX_RESOURCES},
    predicate::{
        Predicate,
        descriptor::{DigestSet, check_digest},
        error::PredicateError,
        field::is_base64,
        slsa_provenance::PREDICATE_TYPE_V0_2,
    },
    statement::STATEMENT_TYPE,
    text::Printable,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    fmt,
};

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
    Json {
        /// JSON pointer of the place.
        at: String,
        /// What is wrong.
        error: JsonError,
    },
    /// A member that every statement has is not there.
    Missing(&'static str),
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
    /// A digest or the content of a subject is malformed.
    Subject(PredicateError),
    /// Two subjects have one name. [`read_attestation`] takes them, see [`Attestation::check_names`].
    SubjectNameTwice {
        /// The place of the second, from 0.
        index: usize,
        /// The name.
        name: String,
    },
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
    let json = |error: JsonError| AttestationError::Json { at: error.at(payload), error };
    let wire: Wire<'_> = json::read(payload, MAX_ATTESTATION_BYTES).map_err(json)?;
    let predicate_type = wire.predicate_type.ok_or(AttestationError::Missing("predicateType"))?;
    if predicate_type.is_empty() {
        return Err(AttestationError::NoPredicateType);
    }
    let expected = if predicate_type == PREDICATE_TYPE_V0_2 {
        [STATEMENT_TYPE, STATEMENT_TYPE_V0_1]
    } else {
        [STATEMENT_TYPE; 2]
    };
    let statement_type = wire.statement_type.ok_or(AttestationError::Missing("_type"))?;
    let predicate_type = predicate_type.into_owned();
    if !expected.contains(&&*statement_type) {
        return Err(AttestationError::Type { found: statement_type.into_owned(), predicate_type });
    }
    let subjects = wire.subject.ok_or(AttestationError::Missing("subject"))?;
    if subjects.is_empty() {
        return Err(AttestationError::NoSubject);
    }
    let subjects = subjects.0.into_iter().enumerate();
    let subjects = subjects.map(|(index, subject)| subject.0.read(index)).collect::<Result<Vec<_>, _>>()?;
    let raw = wire.predicate.map_or(Ok(Value::Null), Value::from_part);
    let raw = raw.map_err(|error| AttestationError::Json { at: "/predicate".into(), error })?;
    match Predicate::read(&predicate_type, &raw) {
        Ok(predicate) => Ok(Attestation { predicate_type, subjects, predicate, raw }),
        Err(error) => Err(AttestationError::Predicate { predicate_type, error }),
    }
}

impl Attestation {
    /// Checks that no two subjects have one name, as they should not where the name means something (in-toto Statement v1).
    /// `_` means nothing.
    ///
    /// Reading does not ask for it: GitHub's `actions/attest` names each file by the last part of its path alone, so that its
    /// statement about a model with a `config.json` in two directories has two subjects of that name. Subjects are found by
    /// their digests, and [`crate::cover`] takes no name that has two for a file.
    ///
    /// # Errors
    /// [`AttestationError::SubjectNameTwice`].
    pub fn check_names(&self) -> Result<(), AttestationError> {
        let mut names = HashSet::new();
        for (index, subject) in self.subjects.iter().enumerate() {
            match subject.name.as_deref() {
                Some(name) if name != "_" && !names.insert(name) => {
                    return Err(AttestationError::SubjectNameTwice { index, name: name.to_owned() });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl AttestationError {
    /// The JSON pointer, into the statement, of what is wrong; empty for the statement as a whole.
    #[must_use]
    pub fn at(&self) -> String {
        match self {
            Self::PayloadType(_) => String::new(),
            Self::Json { at, .. } => at.clone(),
            Self::Missing(name) => format!("/{name}"),
            Self::Type { .. } => "/_type".into(),
            Self::NoPredicateType => "/predicateType".into(),
            Self::NoSubject => "/subject".into(),
            Self::SubjectWithoutDigest { index, .. } => format!("/subject/{index}/digest"),
            Self::Subject(error) => error.at().to_owned(),
            Self::SubjectNameTwice { index, .. } => format!("/subject/{index}/name"),
            Self::Predicate { error, .. } => format!("/predicate{}", error.at()),
        }
    }

    /// Whether some object has a member twice.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Json { error, .. } if error.is_duplicate())
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "_type", default, borrow)]
    statement_type: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    subject: Option<AtMost<Object<WireSubject<'a>>, MAX_RESOURCES>>,
    #[serde(rename = "predicateType", default, borrow)]
    predicate_type: Option<Cow<'a, str>>,
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
    content: Option<Cow<'a, str>>,
    // Of these only the kind counts.
    #[serde(rename = "downloadLocation", default, borrow)]
    _download_location: Option<Cow<'a, str>>,
    #[serde(rename = "mediaType", default, borrow)]
    _media_type: Option<Cow<'a, str>>,
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
            let at = format!("/subject/{index}/digest/{}", escaped(algorithm));
            check_digest(algorithm, hex, &at).map_err(AttestationError::Subject)?;
        }
        if self.content.is_some_and(|content| !is_base64(&content)) {
            let at = format!("/subject/{index}/content");
            return Err(AttestationError::Subject(PredicateError::Base64 { at }));
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
            Self::Json { error, .. } => write!(f, "the signed payload is no in-toto statement: {error}"),
            Self::Missing(name) => write!(f, "the statement has no {name}"),
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
            Self::Subject(error) => error.fmt(f),
            Self::SubjectNameTwice { index, name } => {
                write!(f, "subject {index} has the name '{}', as another before it", P(name))
            }
            Self::Predicate { predicate_type, error } => {
                write!(f, "the predicate is no '{}': {error}", P(predicate_type))
            }
        }
    }
}

impl std::error::Error for AttestationError {}
