//! Findings for other programs: SARIF 2.1.0, JUnit's XML, and annotations for GitHub's workflows.

use modelseal::Printable;
use serde_json::{Value, json};
use std::fmt::Write;

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Pass,
    Skip,
    Warning,
    Failure,
    Error,
}

/// One question and its answer.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The stable code, or the name of the check when it passed.
    pub rule: String,
    /// What the rule is about, in a sentence.
    pub about: String,
    /// The name of the question.
    pub name: String,
    pub outcome: Outcome,
    pub message: String,
    /// More of it, line by line.
    pub details: Vec<String>,
    pub file: String,
    /// Line and column from 1.
    pub place: Option<(usize, usize)>,
}

/// All findings of one run.
#[derive(Debug, Clone)]
pub struct Findings {
    pub suite: String,
    pub list: Vec<Finding>,
}

impl Findings {
    /// SARIF 2.1.0: one result for each finding that is none of pass and skip.
    pub fn sarif(&self) -> Value {
        let told: Vec<&Finding> =
            self.list.iter().filter(|f| !matches!(f.outcome, Outcome::Pass | Outcome::Skip)).collect();
        let mut rules: Vec<(&str, &str)> = told.iter().map(|f| (&*f.rule, &*f.about)).collect();
        rules.sort_unstable();
        rules.dedup_by(|a, b| a.0 == b.0);
        let results: Vec<Value> = told.iter().map(|finding| result(finding, &rules)).collect();
        let rules: Vec<Value> = rules
            .iter()
            .map(|(id, about)| {
                json!({
                    "id": id,
                    "shortDescription": { "text": about },
                    "helpUri": help_uri(id),
                })
            })
            .collect();
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "modelseal",
                    "version": env!("CARGO_PKG_VERSION"),
                    "informationUri": env!("CARGO_PKG_REPOSITORY"),
                    "rules": rules,
                } },
                "columnKind": "unicodeCodePoints",
                "results": results,
            }],
        })
    }

    /// JUnit's XML: one test case for each finding.
    pub fn junit(&self) -> String {
        let count = |wanted: &[Outcome]| self.list.iter().filter(|f| wanted.contains(&f.outcome)).count();
        let (failures, errors) = (count(&[Outcome::Failure]), count(&[Outcome::Error]));
        let (skipped, tests) = (count(&[Outcome::Skip]), self.list.len());
        let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        // Writing into a string cannot fail.
        let _ = writeln!(xml, "<testsuites name=\"modelseal\" {counts}>");
        let _ =
            writeln!(xml, "  <testsuite name=\"{}\" {counts} skipped=\"{skipped}\">", attribute(&self.suite));
        for finding in &self.list {
            let (name, class) = (attribute(&finding.name), attribute(&self.suite));
            let _ = write!(xml, "    <testcase name=\"{name}\" classname=\"{class}\"");
            let element = match finding.outcome {
                Outcome::Pass => {
                    xml.push_str("/>\n");
                    continue;
                }
                Outcome::Skip => {
                    let _ =
                        writeln!(xml, "><skipped message=\"{}\"/></testcase>", attribute(&finding.message));
                    continue;
                }
                Outcome::Warning => {
                    let said = format!("warning [{}]: {}", finding.rule, finding.message);
                    let _ = writeln!(xml, "><system-out>{}</system-out></testcase>", content(&said));
                    continue;
                }
                Outcome::Failure => "failure",
                Outcome::Error => "error",
            };
            let _ = writeln!(
                xml,
                "><{element} type=\"{}\" message=\"{}\">{}</{element}></testcase>",
                attribute(&finding.rule),
                attribute(&finding.message),
                content(&finding.details.join("\n"))
            );
        }
        xml.push_str("  </testsuite>\n</testsuites>\n");
        xml
    }

    /// Workflow commands of GitHub: one line for each finding that is none of pass and skip.
    pub fn github(&self) -> String {
        let mut text = String::new();
        for finding in &self.list {
            let level = match finding.outcome {
                Outcome::Pass | Outcome::Skip => continue,
                Outcome::Warning => "warning",
                Outcome::Failure | Outcome::Error => "error",
            };
            let place = finding.place.map(|(line, column)| format!(",line={line},col={column}"));
            let message = std::iter::once(&finding.message).chain(&finding.details);
            let message: Vec<String> = message.map(|line| Printable(line).to_string()).collect();
            let _ = writeln!(
                text,
                "::{level} file={}{},title={}::{}",
                property(&Printable(&finding.file).to_string()),
                place.unwrap_or_default(),
                property(&format!("modelseal {}", finding.rule)),
                data(&message.join("\n"))
            );
        }
        text
    }
}

fn result(finding: &Finding, rules: &[(&str, &str)]) -> Value {
    let level = if finding.outcome == Outcome::Warning { "warning" } else { "error" };
    let text: Vec<&str> =
        std::iter::once(&*finding.message).chain(finding.details.iter().map(String::as_str)).collect();
    let mut location = json!({ "artifactLocation": { "uri": uri(&finding.file) } });
    if let Some((line, column)) = finding.place {
        location["region"] = json!({ "startLine": line, "startColumn": column });
    }
    json!({
        "ruleId": finding.rule,
        "ruleIndex": rules.iter().position(|(id, _)| *id == finding.rule),
        "level": level,
        "message": { "text": text.join("\n") },
        "locations": [{ "physicalLocation": location }],
    })
}

/// The page about a code or a lint.
pub fn help_uri(rule: &str) -> String {
    let page = if rule.starts_with("lint.") || rule.starts_with("parse.") || rule.starts_with("file.") {
        "docs/policy.md".to_owned()
    } else {
        format!("docs/codes/{rule}.md")
    };
    format!("{}/blob/main/{page}", env!("CARGO_PKG_REPOSITORY"))
}

/// A path as a URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(byte.into())
            }
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    // Two slashes at the start would begin a host.
    uri.strip_prefix("//").map_or(uri.clone(), |rest| format!("/%2F{rest}"))
}

/// Text between tags. XML 1.0 has no way to write most control characters.
fn content(text: &str) -> String {
    let mut xml = String::new();
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\n' | '\t' => xml.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') || modelseal::is_unsafe_to_print(c) => {
                xml.push('\u{fffd}');
            }
            c => xml.push(c),
        }
    }
    xml
}

/// The value of an attribute in double quotes.
fn attribute(text: &str) -> String {
    content(text).replace('"', "&quot;").replace('\n', "&#10;").replace('\t', "&#9;")
}

/// The message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostile() -> Findings {
        let finding = Finding {
            rule: "integrity.digest-mismatch".into(),
            about: "a signed file has other bytes".into(),
            name: "integrity".into(),
            outcome: Outcome::Failure,
            message: "'a<b>&\"c\"\u{1b}]]>' is changed".into(),
            details: vec!["expected: 100%\r\n::error::forged".into()],
            file: "my model/a,b:c".into(),
            place: Some((3, 7)),
        };
        Findings { suite: "x\"y".into(), list: vec![finding] }
    }

    #[test]
    fn xml_cannot_be_broken_out_of() {
        let xml = hostile().junit();
        assert!(xml.contains("message=\"'a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}]]&gt;' is changed\""), "{xml}");
        assert!(xml.contains("name=\"x&quot;y\" tests=\"1\" failures=\"1\" errors=\"0\""), "{xml}");
        assert!(!xml.contains('\u{1b}') && !xml.contains('\r'), "{xml}");
    }

    #[test]
    fn an_annotation_stays_one_command() {
        let text = hostile().github();
        assert_eq!(text.lines().count(), 1, "{text}");
        let start =
            "::error file=my model/a%2Cb%3Ac,line=3,col=7,title=modelseal integrity.digest-mismatch::";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("100%25"), "{text}");
        assert_eq!(data("50%\r\n::error::x"), "50%25%0D%0A::error::x");
        assert_eq!(property("a:b,c%"), "a%3Ab%2Cc%25");
    }

    #[test]
    fn sarif_names_the_rule_and_the_place() {
        let sarif = hostile().sarif();
        let result = &sarif["runs"][0]["results"][0];
        assert_eq!((&result["ruleIndex"], &result["level"]), (&json!(0), &json!("error")));
        let location = &result["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "my%20model/a%2Cb%3Ac");
        assert_eq!(location["region"]["startColumn"], 7);
        assert_eq!(uri("//host/x"), "/%2Fhost/x");
    }
}
