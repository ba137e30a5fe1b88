//! Checks a document against the JSON Schema that the program prints. It knows the words that our schemas use, and
//! stops at any other, so that no rule is passed over.

use serde_json::{Map, Value};
use std::process::Command;

/// Checks `document` against the schema that its member `schema` names.
pub(crate) fn check(document: &Value) {
    let id = document["schema"].as_str().unwrap_or_else(|| panic!("no schema is named: {document:#}"));
    let name = id.strip_prefix("modelseal.").and_then(|id| id.strip_suffix("/v1")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_modelseal")).args(["schema", name]).output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let wrong = faults(&schema, &schema, document, "");
    assert!(wrong.is_empty(), "{wrong:?}\n{document:#}");
}

fn faults(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let Value::Object(rules) = schema else { return Vec::new() };
    let mut wrong = Vec::new();
    for (rule, wanted) in rules {
        match rule.as_str() {
            "$ref" => {
                let pointer = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                wrong.extend(faults(root, root.pointer(pointer).unwrap(), value, at));
            }
            "type" if !has_type(value, wanted) => wrong.push(format!("{at} is no {wanted}")),
            "const" if value != wanted => wrong.push(format!("{at} is not {wanted}")),
            "enum" if !wanted.as_array().unwrap().contains(value) => {
                wrong.push(format!("{at} is none of {wanted}"));
            }
            "minimum" if value.as_f64() < wanted.as_f64() => wrong.push(format!("{at} is below {wanted}")),
            "oneOf" | "anyOf" => {
                let fits = |option: &&Value| faults(root, option, value, at).is_empty();
                if !wanted.as_array().unwrap().iter().any(|option| fits(&option)) {
                    wrong.push(format!("{at} fits no alternative"));
                }
            }
            "required" => {
                for member in wanted.as_array().unwrap() {
                    if value.get(member.as_str().unwrap()).is_none() {
                        wrong.push(format!("{at}/{member} is missing"));
                    }
                }
            }
            "properties" => wrong.extend(member_faults(root, wanted, value, at)),
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    wrong.extend(faults(root, wanted, item, &format!("{at}/{n}")));
                }
            }
            "additionalProperties" if wanted.is_object() => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    wrong.extend(faults(root, wanted, member, &format!("{at}/{name}")));
                }
            }
            // What is not described is a fault in any case.
            "additionalProperties" if *wanted == Value::Bool(false) => {}
            "type" | "const" | "enum" | "minimum" | "uniqueItems" | "$schema" | "$defs" | "title"
            | "description" | "format" | "default" => {}
            other => panic!("the schema has a rule that this test does not know: {other}"),
        }
    }
    wrong
}

/// Members that the schema does not describe are faults too: it is the documentation.
fn member_faults(root: &Value, described: &Value, value: &Value, at: &str) -> Vec<String> {
    let empty = Map::new();
    let members = value.as_object().unwrap_or(&empty);
    let fault = |(name, member): (&String, &Value)| match described.get(name) {
        Some(schema) => faults(root, schema, member, &format!("{at}/{name}")),
        None => vec![format!("{at}/{name} is not described")],
    };
    members.iter().flat_map(fault).collect()
}

fn has_type(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Array(types) => types.iter().any(|wanted| has_type(value, wanted)),
        wanted => match wanted.as_str().unwrap() {
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "integer" => value.is_u64() || value.is_i64(),
            other => panic!("the schema has a type that this test does not know: {other}"),
        },
    }
}

#[test]
fn a_document_that_breaks_its_schema_is_noticed() {
    let good = serde_json::json!({ "schema": "modelseal.error/v1", "code": "a", "message": "b" });
    check(&good);
    for (member, value) in [("code", Value::Null), ("more", Value::Bool(true))] {
        let mut bad = good.clone();
        bad[member] = value;
        assert!(std::panic::catch_unwind(|| check(&bad)).is_err(), "{bad}");
    }
}
