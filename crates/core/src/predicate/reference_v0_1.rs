//! in-toto's Reference (`spec/predicates/reference.md`), version 0.1: documents about the subjects that are kept elsewhere, such
//! as a bill of materials too large to embed. Read, never written.

use super::{descriptor::Descriptor, error::PredicateError, field::Field};
use crate::json::value::Value;

/// The predicate type.
pub const PREDICATE_TYPE: &str = "https://in-toto.io/attestation/reference/v0.1";

/// Documents about the subjects, taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The system that provides the documents (a URI). To be believed only together with who signed.
    pub attester_id: String,
    /// The documents: at least one, each with a place to fetch it from and a media type.
    pub references: Vec<Descriptor>,
}

impl Reference {
    /// Reads the predicate.
    ///
    /// # Errors
    /// [`PredicateError`] names the field.
    pub fn read(predicate: &Value) -> Result<Self, PredicateError> {
        let root = Field::root(predicate);
        let list = root.member("references")?;
        let attester_id = root.member("attester")?.member("id")?.required_uri()?;
        let references = list.list()?;
        if references.is_empty() {
            return Err(list.missing());
        }
        for reference in &references {
            reference.member("downloadLocation")?.required_text()?;
            reference.member("mediaType")?.required_text()?;
        }
        Ok(Self { attester_id, references: Descriptor::read_all(&list)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> String {
        format!(
            r#"{{"attester": {{"id": "https://bom.example.com/v1"}}, "references": [{{
                "downloadLocation": "https://bom.example.com/m.spdx.json", "mediaType": "application/spdx+json",
                "digest": {{"sha256": "{}"}}}}]}}"#,
            "ab".repeat(32)
        )
    }

    fn read(text: &str) -> Result<Reference, PredicateError> {
        Reference::read(&Value::parse(text.as_bytes(), 1 << 20).unwrap())
    }

    #[test]
    fn every_field_is_read() {
        let read = read(&good()).unwrap();
        assert_eq!(read.attester_id, "https://bom.example.com/v1");
        let [only] = &read.references[..] else { panic!("{read:?}") };
        assert_eq!(only.download_location.as_deref(), Some("https://bom.example.com/m.spdx.json"));
        assert!(only.is_pinned());
    }

    #[test]
    fn malformed_ones_are_refused_with_the_place() {
        let digest = format!(r#""sha256": "{}""#, "ab".repeat(32));
        for (from, to, at) in [
            ("\"attester\"", "\"Attester\"", "/attester/id"),
            ("https://bom.example.com/v1", "bom", "/attester/id"),
            ("\"references\"", "\"reference\"", "/references"),
            ("\"downloadLocation\"", "\"location\"", "/references/0/downloadLocation"),
            ("\"application/spdx+json\"", "\"\"", "/references/0/mediaType"),
            (&*digest, "", "/references/0"),
        ] {
            assert!(good().contains(from), "{from}");
            assert_eq!(read(&good().replace(from, to)).unwrap_err().at(), at, "{to}");
        }
        assert_eq!(read(r#"{"attester": {"id": "x:y"}, "references": []}"#).unwrap_err().at(), "/references");
    }
}
