//! in-toto's Vulnerabilities (`spec/predicates/vulns_02.md`), version 0.2: what a scanner found. Read, never written.

use super::{error::PredicateError, field::Field};
use crate::json::value::Value;
use jiff::Timestamp;

/// The predicate type.
pub const PREDICATE_TYPE: &str = "https://in-toto.io/attestation/vulns/v0.2";

/// What a scanner found in the subjects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vulns {
    /// The scanner (a URI).
    pub scanner: String,
    /// Its version.
    pub scanner_version: Option<String>,
    /// Where its database is from.
    pub database: Option<String>,
    /// The database's version.
    pub database_version: Option<String>,
    /// When the database was last brought up to date: what became known later cannot have been found.
    pub database_updated: Timestamp,
    /// What was found; empty when there was nothing.
    pub found: Vec<Vulnerability>,
    /// When the scan started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
}

/// One vulnerability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vulnerability {
    /// Its identifier, such as a CVE number.
    pub id: String,
    /// How severe it is; empty when nobody has said.
    pub severity: Vec<Severity>,
    /// What the scanner said besides, as it was written.
    pub annotations: Option<Value>,
}

/// How severe a vulnerability is, by one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Severity {
    /// The method, such as `nvd` or `cvss_score`.
    pub method: String,
    /// The score, in the method's terms.
    pub score: String,
}

impl Vulns {
    /// Reads the predicate.
    ///
    /// # Errors
    /// [`PredicateError`] names the field.
    pub fn read(predicate: &Value) -> Result<Self, PredicateError> {
        let root = Field::root(predicate);
        let scanner = root.member("scanner")?;
        let database = scanner.member("db")?;
        let metadata = root.member("metadata")?;
        let finished = metadata.member("scanFinishedOn")?;
        let read = Self {
            scanner: scanner.member("uri")?.required_uri()?,
            scanner_version: scanner.member("version")?.text()?,
            database: database.member("uri")?.text()?,
            database_version: database.member("version")?.text()?,
            database_updated: database.member("lastUpdate")?.required_time()?,
            // An empty list says that nothing was found; no list says nothing.
            found: scanner
                .member("result")?
                .required_list()?
                .iter()
                .map(Vulnerability::read)
                .collect::<Result<_, _>>()?,
            started: metadata.member("scanStartedOn")?.required_time()?,
            finished: finished.required_time()?,
        };
        if read.finished < read.started {
            return Err(PredicateError::EndBeforeStart { at: finished.at().to_owned() });
        }
        Ok(read)
    }
}

impl Vulnerability {
    fn read(field: &Field<'_>) -> Result<Self, PredicateError> {
        let severity = |field: &Field<'_>| {
            Ok(Severity {
                method: field.member("method")?.required_text()?,
                // A string by the specification; scores are numbers elsewhere.
                score: field.member("score")?.required_text_or_number()?,
            })
        };
        Ok(Self {
            id: field.member("id")?.required_text()?,
            severity: field
                .member("severity")?
                .required_list()?
                .iter()
                .map(severity)
                .collect::<Result<_, PredicateError>>()?,
            // The specification calls it a list and a map.
            annotations: field.member("annotations")?.list_or_object()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{
        "scanner": {"uri": "pkg:github/google/osv-scanner@2.5.0", "version": "2.5.0",
            "db": {"uri": "https://osv.example.com/PyPI/all.zip", "version": "7", "lastUpdate": "2026-03-01T00:00:00Z"},
            "result": [{"id": "CVE-2026-1", "severity": [{"method": "nvd", "score": "medium"}, {"method": "cvss_score", "score": 5.20}],
                        "annotations": [{"fixed": "2.1"}]},
                       {"id": "MAL-2026-2", "severity": []}]},
        "metadata": {"scanStartedOn": "2026-03-02T00:00:00Z", "scanFinishedOn": "2026-03-02T00:05:00.5Z"}
    }"#;

    fn read(text: &str) -> Result<Vulns, PredicateError> {
        Vulns::read(&Value::parse(text.as_bytes(), 1 << 20).unwrap())
    }

    #[test]
    fn every_field_is_read() {
        let read = read(GOOD).unwrap();
        assert_eq!(
            (&*read.scanner, read.scanner_version.as_deref()),
            ("pkg:github/google/osv-scanner@2.5.0", Some("2.5.0"))
        );
        assert_eq!(read.database.as_deref(), Some("https://osv.example.com/PyPI/all.zip"));
        assert_eq!(read.database_version.as_deref(), Some("7"));
        assert!(read.database_updated < read.started && read.started < read.finished);
        let [first, second] = &read.found[..] else { panic!("{read:?}") };
        assert_eq!((&*first.id, &*second.id), ("CVE-2026-1", "MAL-2026-2"));
        let scores: Vec<&str> = first.severity.iter().map(|severity| &*severity.score).collect();
        assert_eq!((scores, second.severity.len()), (vec!["medium", "5.20"], 0));
        assert!(first.annotations.is_some() && second.annotations.is_none());
    }

    #[test]
    fn nothing_found_is_said_and_not_left_out() {
        let result = &GOOD[GOOD.find("[{\"id\"").unwrap()..GOOD.find("},\n        \"metadata\"").unwrap()];
        let without = |to: &str| read(&GOOD.replace(result, to));
        assert_eq!(without("[]").unwrap().found, []);
        for nothing in ["null", "{}", "\"none\""] {
            assert_eq!(without(nothing).unwrap_err().at(), "/scanner/result", "{nothing}");
        }
        assert_eq!(read(&GOOD.replace("\"result\"", "\"results\"")).unwrap_err().at(), "/scanner/result");
    }

    #[test]
    fn malformed_ones_are_refused_with_the_place() {
        for (from, to, at) in [
            ("\"uri\": \"pkg:github/google/osv-scanner@2.5.0\"", "\"uri\": \"\"", "/scanner/uri"),
            ("pkg:github/google/osv-scanner@2.5.0", "osv scanner", "/scanner/uri"),
            ("\"lastUpdate\"", "\"updated\"", "/scanner/db/lastUpdate"),
            ("2026-03-01T00:00:00Z", "2026-03-01", "/scanner/db/lastUpdate"),
            ("\"CVE-2026-1\"", "\"\"", "/scanner/result/0/id"),
            ("\"severity\": []", "\"severity\": null", "/scanner/result/1/severity"),
            (", \"severity\": []", "", "/scanner/result/1/severity"),
            ("\"medium\"", "\"\"", "/scanner/result/0/severity/0/score"),
            ("\"nvd\"", "null", "/scanner/result/0/severity/0/method"),
            ("5.20", "[5]", "/scanner/result/0/severity/1/score"),
            ("[{\"fixed\": \"2.1\"}]", "\"2.1\"", "/scanner/result/0/annotations"),
            ("\"scanStartedOn\"", "\"startedOn\"", "/metadata/scanStartedOn"),
            ("2026-03-02T00:05:00.5Z", "2026-03-02T00:05:00+01:00", "/metadata/scanFinishedOn"),
            ("2026-03-02T00:05:00.5Z", "2026-03-01T23:59:59Z", "/metadata/scanFinishedOn"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert_eq!(read(&GOOD.replacen(from, to, 1)).unwrap_err().at(), at, "{to}");
        }
    }
}
