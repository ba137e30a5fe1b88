//! What provenance says, compared with what is expected: the same for policies and for flags.

use crate::{
    decision::{Code, check::Fault},
    policy::{
        matching::Match,
        testing::{PointerKey, Test},
        values::Level,
    },
};
use modelseal_core::{json::value::Value as Json, predicate::slsa_provenance::Provenance, text::Printable};
use serde_json::json;
use std::collections::BTreeMap;

/// Tests by the place of the parameter.
pub(crate) type Tests = BTreeMap<PointerKey, Test>;

pub(crate) fn builder_id(wanted: &Match, provenance: &Provenance) -> Option<Fault> {
    let found = &provenance.builder_id;
    (!wanted.matches(found)).then(|| Fault {
        code: Code::SlsaBuilderUntrusted,
        message: format!("builder.id is '{}', expected {wanted}", Printable(found)),
        expected: json!(wanted.to_string()),
        actual: json!(found),
    })
}

pub(crate) fn build_type(listed: &[String], provenance: &Provenance) -> Option<Fault> {
    let found = &provenance.build_type;
    (!listed.contains(found)).then(|| Fault {
        code: Code::SlsaBuildType,
        message: format!("buildType is '{}', which is not listed", Printable(found)),
        expected: json!(listed),
        actual: json!(found),
    })
}

pub(crate) fn level(granted: Level, least: Level) -> Option<Fault> {
    let (granted, least) = (granted.number(), least.number());
    (granted < least).then(|| Fault {
        code: Code::SlsaLevelTooLow,
        message: format!("the builder is granted level {granted}, required is {least}"),
        expected: json!(least),
        actual: json!(granted),
    })
}

/// Compares the repository of the top-level source.
pub(crate) fn source(wanted: &Match, found: Option<&str>) -> Option<Fault> {
    // People write a repository with or without the scheme that provenance puts before it.
    let matches = |found: &str| wanted.matches(found) || wanted.matches(&format!("git+{found}"));
    (!found.is_some_and(matches)).then(|| Fault {
        code: Code::SlsaSourceMismatch,
        message: format!("the source is '{}', expected {wanted}", Printable(found.unwrap_or(""))),
        expected: json!(wanted.to_string()),
        actual: json!(found),
    })
}

/// Compares the branch, tag or revision of the top-level source.
pub(crate) fn source_ref(wanted: &Match, found: Option<&str>) -> Option<Fault> {
    (!found.is_some_and(|found| wanted.matches(found))).then(|| Fault {
        code: Code::SlsaRefMismatch,
        message: format!("the ref is '{}', expected {wanted}", Printable(found.unwrap_or(""))),
        expected: json!(wanted.to_string()),
        actual: json!(found),
    })
}

/// The tests that external parameters fail.
pub(crate) fn parameters(tests: &Tests, provenance: &Provenance) -> Vec<Fault> {
    let document = Json::Object(provenance.external_parameters.clone());
    let failed = tests.iter().filter_map(|(pointer, test)| {
        let failure = test.check(pointer, &document).err()?;
        Some(Fault {
            code: Code::SlsaParameterMismatch,
            message: format!("{}: {failure}, expected {test}", Printable(pointer.as_str())),
            expected: json!({ "parameter": pointer.as_str(), "test": test.to_string() }),
            actual: json!(failure.to_string()),
        })
    });
    failed.collect()
}

/// The external parameters that no test looks at, by their JSON pointers.
pub(crate) fn untested_parameters(tests: &Tests, provenance: &Provenance) -> Vec<String> {
    let mut unknown = Vec::new();
    untested("", &Json::Object(provenance.external_parameters.clone()), tests, &mut unknown);
    unknown
}

/// Every value that no test looks at. A test of a value looks at all of it; a test of a part of an object leaves the
/// other parts untested.
fn untested(path: &str, value: &Json, tests: &Tests, unknown: &mut Vec<String>) {
    let below = format!("{path}/");
    let looked_at = tests.keys().any(|test| test.as_str() == path);
    let looked_into = tests.keys().any(|test| test.as_str().starts_with(&below));
    match value {
        Json::Object(members) if path.is_empty() || (looked_into && !looked_at) => {
            for (name, value) in members {
                untested(&format!("{below}{}", escaped(name)), value, tests, unknown);
            }
        }
        // A test on elements (`/list/*`) is about all of the list only when it is a list of plain values.
        Json::Array(items) if !looked_at && tests.keys().any(|test| test.as_str() == format!("{below}*")) => {
            let nested = |item: &Json| matches!(item, Json::Object(_) | Json::Array(_));
            let whole = tests.iter().any(|(at, test)| at.as_str() == format!("{below}*") && is_every(test));
            if !whole || items.iter().any(nested) {
                unknown.push(path.to_owned());
            }
        }
        _ if looked_at => {}
        _ => unknown.push(path.to_owned()),
    }
}

fn is_every(test: &Test) -> bool {
    matches!(test, Test::Every(_))
}

/// A member's name as a segment of a JSON pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
