//! `docs/policy.md` speaks of every field and every word of the policy language.

use modelseal_verify::policy::schema::schema;
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn every_field_and_every_word_of_the_language_is_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.md");
    let page = fs::read_to_string(page).unwrap();
    // What is between backticks, and the words in it.
    let documented: BTreeSet<&str> = page
        .split('`')
        .flat_map(|text| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')))
        .collect();
    let mut names = BTreeSet::new();
    collect(&schema(), &mut names);
    assert!(names.len() > 120, "{}", names.len());
    let missing: Vec<&String> = names.iter().filter(|name| !documented.contains(name.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

/// Names of members and words of vocabularies.
fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get("properties") {
                names.extend(properties.keys().cloned());
            }
            if let Some(Value::Array(words)) = members.get("enum") {
                names.extend(words.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            members.values().for_each(|value| collect(value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, names)),
        _ => {}
    }
}
