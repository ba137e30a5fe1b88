//! in-toto's Release (`spec/predicates/release.md`), versions 0.1 and 0.2: which files make up a version of a package. Read,
//! never written.

use super::{error::PredicateError, field::Field};
use crate::{json::value::Value, purl::Purl};

/// The predicate type of version 0.1.
pub const PREDICATE_TYPE_V0_1: &str = "https://in-toto.io/attestation/release/v0.1";

/// The predicate type of version 0.2.
pub const PREDICATE_TYPE_V0_2: &str = "https://in-toto.io/attestation/release/v0.2";

/// The release that the subjects make up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The package and its version.
    pub purl: Purl,
    /// What stays the same when the package gets another name. Version 0.1 calls it `releaseId`.
    pub package_id: Option<String>,
}

impl Release {
    /// Reads either version.
    ///
    /// # Errors
    /// [`PredicateError`] names the field.
    pub fn read(predicate: &Value) -> Result<Self, PredicateError> {
        let root = Field::root(predicate);
        let field = root.member("purl")?;
        let text = field.required_text()?;
        let purl = Purl::parse(&text).map_err(|why| PredicateError::Purl {
            at: field.at().to_owned(),
            found: text,
            why,
        })?;
        // Registries count in numbers; both names were in use while the version was 0.1.
        let package_id = root.member("packageId")?.text_or_number()?;
        let release_id = root.member("releaseId")?.text_or_number()?;
        Ok(Self { purl, package_id: package_id.or(release_id) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Release, PredicateError> {
        Release::read(&Value::parse(text.as_bytes(), 1 << 20).unwrap())
    }

    #[test]
    fn both_versions_are_read() {
        for (text, id) in [
            (r#"{"purl":"pkg:huggingface/a/b@1","packageId":"77"}"#, Some("77")),
            (
                r#"{"purl":"pkg:huggingface/a/b@1","releaseId":12345678901234567890123}"#,
                Some("12345678901234567890123"),
            ),
            (r#"{"purl":"pkg:huggingface/a/b@1","tag":"v1"}"#, None),
        ] {
            assert_eq!(read(text).unwrap().package_id.as_deref(), id, "{text}");
        }
    }

    #[test]
    fn the_purl_must_name_a_version() {
        for bad in [
            "{}",
            r#"{"purl":""}"#,
            r#"{"purl":7}"#,
            r#"{"purl":"pkg:huggingface/a/b"}"#,
            r#"{"purl":"https://x"}"#,
        ] {
            assert_eq!(read(bad).unwrap_err().at(), "/purl", "{bad}");
        }
    }
}
