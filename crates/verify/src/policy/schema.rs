//! The JSON Schema of policies, for editors and for whoever makes policies by program.

use super::document::Document;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The schema in the dialect of 2020-12.
#[must_use]
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Document>().to_value();
    tidy(&mut schema);
    schema
}

/// The schema in the dialect of draft 4, which editors of TOML understand. It says the same, less the forms of names.
#[must_use]
pub fn draft_4() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<Document>().to_value();
    tidy(&mut schema);
    lower(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("$schema".to_owned(), json!("http://json-schema.org/draft-04/schema#"));
    }
    schema
}

/// A field that may be left out is not one that may be `null`.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.remove("default");
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|one| one != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".to_owned(), only);
                }
            }
            for word in ["anyOf", "oneOf"] {
                let Some(Value::Array(choices)) = members.get_mut(word) else { continue };
                choices.retain(|one| one.get("type").is_none_or(|only| only != "null"));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    members.remove(word);
                    // The field's own description is the better one.
                    for (name, value) in only {
                        members.entry(name).or_insert(value);
                    }
                }
            }
            members.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Words that came after draft 4 in the words of draft 4.
fn lower(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.remove("propertyNames");
            if let Some(only) = members.remove("const") {
                members.insert("enum".to_owned(), json!([only]));
            }
            // There, nothing beside a reference is looked at.
            if let Some(reference) = members.remove("$ref") {
                if members.is_empty() {
                    members.insert("$ref".to_owned(), reference);
                } else {
                    members.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
                }
            }
            members.values_mut().for_each(lower);
        }
        Value::Array(items) => items.iter_mut().for_each(lower),
        _ => {}
    }
}
