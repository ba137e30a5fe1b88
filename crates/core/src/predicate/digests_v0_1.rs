//! The predicate of the reference implementation's version 0.2.0 (OMS v1.0 §5.1, §11): every subject is a file. Read,
//! never written.

use super::{SignedModel, StatementError};
use crate::{
    digest::{Algorithm, Digest},
    manifest::{Manifest, Resource, Serialization},
    path::ModelPath,
    statement::Statement,
};

/// The predicate type.
pub const PREDICATE_TYPE: &str = "https://model_signing/Digests/v0.1";

/// The annotation under which version 0.2.0 says how a file was hashed, and its value for a plain SHA-256.
const HASH_ANNOTATION: (&str, &str) = ("actual_hash_algorithm", "\"file-sha256\"");

pub(super) fn read(statement: &Statement<'_>) -> Result<SignedModel, StatementError> {
    if statement.subject.is_empty() {
        return Err(StatementError::SubjectCount(0));
    }
    let resources = statement
        .subject
        .iter()
        .map(|subject| {
            let name = || subject.name.to_string();
            let actual = subject.annotations.as_ref().and_then(|a| a.get(HASH_ANNOTATION.0));
            if let Some(actual) = actual.filter(|actual| actual.get() != HASH_ANNOTATION.1) {
                return Err(StatementError::HashType(actual.get().to_owned()));
            }
            let hex = subject
                .digest
                .get("sha256")
                .ok_or_else(|| StatementError::MissingDigest { subject: name(), algorithm: "sha256" })?;
            let digest = Digest::from_hex(Algorithm::Sha256, hex)
                .map_err(|error| StatementError::Digest { name: name(), error })?;
            Ok(Resource { path: ModelPath::parse(&subject.name)?, range: None, digest })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let manifest = Manifest::new(Serialization::default(), resources)?;
    Ok(SignedModel {
        name: String::new(),
        manifest,
        fs_verity: std::collections::BTreeMap::new(),
        predicate_type: PREDICATE_TYPE,
    })
}
