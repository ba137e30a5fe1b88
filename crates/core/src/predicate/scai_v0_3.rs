//! in-toto's Software Supply Chain Attribute Integrity report (`spec/predicates/scai.md`), version 0.3. Read, never written.

use super::{
    descriptor::Descriptor,
    error::PredicateError,
    field::{Field, Members},
};
use crate::json::value::Value;

/// The predicate type.
pub const PREDICATE_TYPE: &str = "https://in-toto.io/attestation/scai/v0.3";

/// What somebody asserts of the subjects or of what made them: that a compiler protected the stack, that an enclave was real.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scai {
    /// The assertions; at least one.
    pub attributes: Vec<Attribute>,
    /// What made the subjects.
    pub producer: Option<Descriptor>,
}

/// One assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// What is asserted, in words that producer and consumer agreed on.
    pub attribute: String,
    /// What it is asserted of, where that is not the subjects.
    pub target: Option<Descriptor>,
    /// Under which conditions it holds.
    pub conditions: Members,
    /// What supports it. Without, there is only the signer's word.
    pub evidence: Option<Descriptor>,
}

impl Scai {
    /// Reads the predicate.
    ///
    /// # Errors
    /// [`PredicateError`] names the field.
    pub fn read(predicate: &Value) -> Result<Self, PredicateError> {
        let root = Field::root(predicate);
        let list = root.member("attributes")?;
        let attributes = list.list()?.iter().map(Attribute::read).collect::<Result<Vec<_>, _>>()?;
        if attributes.is_empty() {
            return Err(list.missing());
        }
        Ok(Self { attributes, producer: Descriptor::read_optional(&root.member("producer")?)? })
    }
}

impl Attribute {
    fn read(field: &Field<'_>) -> Result<Self, PredicateError> {
        Ok(Self {
            attribute: field.member("attribute")?.required_text()?,
            target: Descriptor::read_optional(&field.member("target")?)?,
            conditions: field.member("conditions")?.values()?,
            evidence: Descriptor::read_optional(&field.member("evidence")?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"attributes": [
            {"attribute": "VALID_ENCLAVE", "target": {"name": "enclave.so", "uri": "x:y"}, "conditions": {"flags": ["-O2"]},
             "evidence": {"name": "quote", "content": "eA==", "mediaType": "application/x.sgx+json"}},
            {"attribute": "REPRODUCIBLE", "conditions": null}],
        "producer": {"uri": "https://trainer.example.com/hosts/7"}, "x_extra": 1}"#;

    fn read(text: &str) -> Result<Scai, PredicateError> {
        Scai::read(&Value::parse(text.as_bytes(), 1 << 20).unwrap())
    }

    #[test]
    fn every_field_is_read() {
        let read = read(GOOD).unwrap();
        let [enclave, reproducible] = &read.attributes[..] else { panic!("{read:?}") };
        assert_eq!(enclave.attribute, "VALID_ENCLAVE");
        assert_eq!(enclave.target.as_ref().unwrap().uri.as_deref(), Some("x:y"));
        assert!(enclave.conditions["flags"].as_array().is_some());
        assert!(enclave.evidence.as_ref().unwrap().is_pinned());
        assert_eq!((&*reproducible.attribute, &reproducible.evidence), ("REPRODUCIBLE", &None));
        assert_eq!(read.producer.unwrap().uri.as_deref(), Some("https://trainer.example.com/hosts/7"));
    }

    #[test]
    fn malformed_ones_are_refused_with_the_place() {
        for (from, to, at) in [
            ("\"attributes\"", "\"Attributes\"", "/attributes"),
            ("\"REPRODUCIBLE\"", "\"\"", "/attributes/1/attribute"),
            ("\"REPRODUCIBLE\"", "7", "/attributes/1/attribute"),
            (", \"uri\": \"x:y\"", "", "/attributes/0/target"),
            ("{\"flags\": [\"-O2\"]}", "[\"-O2\"]", "/attributes/0/conditions"),
            ("\"content\": \"eA==\", ", "", "/attributes/0/evidence"),
            ("\"eA==\"", "\"not base64\"", "/attributes/0/evidence/content"),
            ("{\"uri\": \"https://trainer.example.com/hosts/7\"}", "{}", "/producer"),
            ("{\"uri\": \"https://trainer.example.com/hosts/7\"}", "\"x:y\"", "/producer"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert_eq!(read(&GOOD.replace(from, to)).unwrap_err().at(), at, "{to}");
        }
        for bad in ["{}", "null", "[]", r#"{"attributes": []}"#, r#"{"attributes": {"attribute": "A"}}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
