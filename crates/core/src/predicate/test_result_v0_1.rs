//! in-toto's Test Result (`spec/predicates/test-result.md`), version 0.1. Read, never written.

use super::{descriptor::Descriptor, error::PredicateError, field::Field};
use crate::json::value::Value;

/// The predicate type.
pub const PREDICATE_TYPE: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// What one run of a test suite found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The outcome of the whole run.
    pub result: TestOutcome,
    /// What was run.
    pub configuration: Vec<Descriptor>,
    /// Where the run can be seen.
    pub url: Option<String>,
    /// Tests that passed.
    pub passed_tests: Vec<String>,
    /// Tests that passed with warnings.
    pub warned_tests: Vec<String>,
    /// Tests that failed.
    pub failed_tests: Vec<String>,
}

/// The outcome of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestOutcome {
    /// Without errors or warnings.
    Passed,
    /// With warnings.
    Warned,
    /// With errors.
    Failed,
}

impl TestResult {
    /// Reads the predicate.
    ///
    /// # Errors
    /// [`PredicateError`] names the field.
    pub fn read(predicate: &Value) -> Result<Self, PredicateError> {
        let root = Field::root(predicate);
        let result = root.member("result")?;
        let configuration = root.member("configuration")?;
        let read = Self {
            result: result.one_of(&[
                ("PASSED", TestOutcome::Passed),
                ("WARNED", TestOutcome::Warned),
                ("FAILED", TestOutcome::Failed),
            ])?,
            configuration: Descriptor::read_all(&configuration)?,
            url: root.member("url")?.text()?,
            passed_tests: root.member("passedTests")?.texts()?,
            warned_tests: root.member("warnedTests")?.texts()?,
            failed_tests: root.member("failedTests")?.texts()?,
        };
        if read.configuration.is_empty() {
            return Err(configuration.missing());
        }
        if read.result == TestOutcome::Passed && !read.failed_tests.is_empty() {
            let why = "PASSED, although failedTests lists tests";
            return Err(PredicateError::Contradiction { at: result.at().to_owned(), why });
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"result": "PASSED", "configuration": [{"name": "medical-safety-suite", "uri": "x:y"}],
        "url": "https://ci.example.com/1", "passedTests": ["a", "b"], "warnedTests": [], "failedTests": null}"#;

    fn read(text: &str) -> Result<TestResult, PredicateError> {
        TestResult::read(&Value::parse(text.as_bytes(), 1 << 20).unwrap())
    }

    #[test]
    fn every_field_is_read() {
        let read = read(GOOD).unwrap();
        assert_eq!(read.result, TestOutcome::Passed);
        assert_eq!(read.configuration[0].name.as_deref(), Some("medical-safety-suite"));
        assert_eq!((read.passed_tests.len(), read.warned_tests.len(), read.failed_tests.len()), (2, 0, 0));
    }

    #[test]
    fn malformed_ones_are_refused_with_the_place() {
        for (from, to, at) in [
            ("\"PASSED\"", "\"OK\"", "/result"),
            ("\"PASSED\"", "true", "/result"),
            ("[{\"name\": \"medical-safety-suite\", \"uri\": \"x:y\"}]", "[]", "/configuration"),
            (", \"uri\": \"x:y\"", "", "/configuration/0"),
            ("\"failedTests\": null", "\"failedTests\": [\"c\"]", "/result"),
            ("[\"a\", \"b\"]", "[\"a\", 7]", "/passedTests/1"),
            ("[\"a\", \"b\"]", "\"a\"", "/passedTests"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert_eq!(read(&GOOD.replace(from, to)).unwrap_err().at(), at, "{to}");
        }
    }
}
