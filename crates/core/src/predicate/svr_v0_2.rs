//! in-toto's Simple Verification Result (`spec/predicates/svr.md`): version 0.2 read and written, version 0.1 read.

use super::{descriptor::Descriptor, error::PredicateError, field::Field, vsa_v1::object};
use crate::json::value::Value;
use jiff::Timestamp;

/// The predicate type.
pub const PREDICATE_TYPE: &str = "https://in-toto.io/attestation/svr/v0.2";

/// The predicate type of the version before, which knew no policies.
pub const PREDICATE_TYPE_V0_1: &str = "https://in-toto.io/attestation/svr/v0.1";

/// The properties that somebody verified of an artifact. It has no verdict: what was not verified is not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Svr {
    /// Who verified (a URI). To be believed only together with who signed.
    pub verifier_id: String,
    /// The policies that were applied; empty when there were none.
    pub policies: Vec<Descriptor>,
    /// When.
    pub time_created: Timestamp,
    /// What holds.
    pub properties: Vec<String>,
}

impl Svr {
    /// Reads version 0.2.
    ///
    /// # Errors
    /// [`PredicateError`] names the field.
    pub fn read(predicate: &Value) -> Result<Self, PredicateError> {
        // Required, though it may be empty: the one list where empty is not the same as unset.
        let policies = predicate.get("verifier").and_then(|verifier| verifier.get("policies"));
        if policies.and_then(Value::as_array).is_none() {
            return Err(PredicateError::Missing { at: "/verifier/policies".into() });
        }
        Self::read_any(predicate)
    }

    /// Reads version 0.1.
    ///
    /// # Errors
    /// [`PredicateError`] names the field.
    pub fn read_v0_1(predicate: &Value) -> Result<Self, PredicateError> {
        Self::read_any(predicate)
    }

    /// The predicate as JSON, in version 0.2.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let policies = self.policies.iter().map(Descriptor::to_value).collect();
        let verifier = object(vec![("id", self.verifier_id.as_str().into()), ("policies", policies)]);
        object(vec![
            ("verifier", verifier),
            ("timeCreated", self.time_created.to_string().into()),
            ("properties", self.properties.iter().map(|property| property.as_str().into()).collect()),
        ])
    }

    fn read_any(predicate: &Value) -> Result<Self, PredicateError> {
        let root = Field::root(predicate);
        let verifier = root.member("verifier")?;
        let properties = root.member("properties")?;
        if properties.is_absent() {
            return Err(properties.missing());
        }
        Ok(Self {
            verifier_id: verifier.member("id")?.required_uri()?,
            policies: Descriptor::read_all(&verifier.member("policies")?)?,
            time_created: root.member("timeCreated")?.required_time()?,
            properties: properties.texts()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"verifier": {"id": "https://v.example.com/v1", "policies": [{"uri": "p"}], "x_extra": 1},
        "timeCreated": "2026-04-12T23:20:50Z", "properties": ["MODEL_NO_PICKLE", "LINEAGE_COMPLETE"]}"#;

    fn read(text: &str) -> Result<Svr, PredicateError> {
        Svr::read(&Value::parse(text.as_bytes(), 1 << 20).unwrap())
    }

    #[test]
    fn what_is_read_can_be_written_and_read_again() {
        let svr = read(GOOD).unwrap();
        assert_eq!(Svr::read(&svr.to_value()), Ok(svr.clone()));
        let bare = Svr { policies: vec![], properties: vec![], ..svr };
        assert_eq!(Svr::read(&bare.to_value()), Ok(bare));
    }

    #[test]
    fn malformed_ones_are_refused_with_the_place() {
        for (from, to, at) in [
            ("[{\"uri\": \"p\"}]", "null", "/verifier/policies"),
            ("\"policies\": [{\"uri\": \"p\"}], ", "", "/verifier/policies"),
            ("{\"uri\": \"p\"}", "{\"name\": \"p\"}", "/verifier/policies/0"),
            ("https://v.example.com/v1", "v1", "/verifier/id"),
            ("\"timeCreated\"", "\"time\"", "/timeCreated"),
            ("\"LINEAGE_COMPLETE\"", "\"\"", "/properties/1"),
            ("\"properties\"", "\"property\"", "/properties"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert_eq!(read(&GOOD.replace(from, to)).unwrap_err().at(), at, "{to}");
        }
        let without = GOOD.replace("\"policies\": [{\"uri\": \"p\"}], ", "");
        assert!(Svr::read_v0_1(&Value::parse(without.as_bytes(), 1 << 20).unwrap()).is_ok());
    }
}
