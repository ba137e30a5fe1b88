//! Every field of the language: one policy uses them all, and each of its values is then made wrong in turn.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

use modelseal_verify::policy::{
    UnvalidatedPolicy,
    complaint::Complaint,
    schema::{draft_4, schema},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn everything() -> Value {
    let text = include_str!("../../../testdata/policy/good/everything.toml");
    let json = UnvalidatedPolicy::from_toml("everything", text).to_json().expect("a tree");
    serde_json::from_str(&json).expect("JSON")
}

fn lint(document: &Value) -> Vec<Complaint> {
    UnvalidatedPolicy::from_json("p", &document.to_string()).lint(None)
}

/// JSON pointers of every value below the root.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut visit = |key: &str, inner: &Value| {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        found.push(at.clone());
        places(inner, &at, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, inner)| visit(key, inner)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, inner)| visit(&i.to_string(), inner)),
        _ => {}
    }
}

fn all_places() -> (Value, Vec<String>) {
    let document = everything();
    let mut found = Vec::new();
    places(&document, "", &mut found);
    assert!(found.len() > 200, "{}", found.len());
    (document, found)
}

/// Where any scalar is a test for itself.
fn is_scalar_test(place: &str) -> bool {
    place.contains("/where/") || place.contains("/external-parameters/")
}

#[test]
fn every_field_of_the_schema_is_used_and_accepted() {
    let document = everything();
    assert_eq!(lint(&document), []);
    let mut used = BTreeSet::new();
    fn keys(value: &Value, used: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, inner)| {
                used.insert(key.clone());
                keys(inner, used);
            }),
            Value::Array(items) => items.iter().for_each(|item| keys(item, used)),
            _ => {}
        }
    }
    keys(&document, &mut used);
    fn properties(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(members) => {
                if let Some(Value::Object(properties)) = members.get("properties") {
                    found.extend(properties.keys().cloned());
                }
                members.values().for_each(|inner| properties(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|item| properties(item, found)),
            _ => {}
        }
    }
    let mut defined = BTreeSet::new();
    properties(&schema(), &mut defined);
    assert!(defined.len() > 100, "{}", defined.len());
    let unused: Vec<_> = defined.difference(&used).collect();
    assert!(unused.is_empty(), "the schema has fields that no test uses: {unused:?}");
}

#[test]
fn every_value_of_another_type_is_refused_where_it_stands() {
    let (document, places) = all_places();
    for place in places {
        for wrong in [json!(null), json!([[]]), json!({ "zz": {} }), json!(-1.5), json!("\u{0}")] {
            let mut changed = document.clone();
            let value = changed.pointer_mut(&place).expect("a place");
            if (is_scalar_test(&place) && (wrong.is_number() || wrong.is_string()))
                || (wrong.is_object() && value.is_object())
            {
                continue;
            }
            *value = wrong.clone();
            let complaints = lint(&changed);
            assert!(
                complaints.iter().any(|c| c.id.starts_with("parse.")),
                "{place} = {wrong}: {complaints:?}"
            );
        }
    }
}

#[test]
fn an_unknown_member_is_refused_in_every_table() {
    let (document, mut places) = all_places();
    places.push(String::new());
    let mut tables = 0;
    for place in places {
        let mut changed = document.clone();
        let Some(Value::Object(members)) = changed.pointer_mut(&place) else { continue };
        members.insert("zz-unknown".to_owned(), json!(7));
        let complaints = lint(&changed);
        assert!(
            complaints.iter().any(|c| c.id.starts_with("parse.") && c.path.contains("zz-unknown")
                || c.message.contains("has one")),
            "{place}: {complaints:?}"
        );
        tables += 1;
    }
    assert!(tables > 60, "{tables}");
}

#[test]
fn a_member_written_twice_is_refused_in_every_table() {
    let (document, mut places) = all_places();
    places.push(String::new());
    for place in places {
        let Some(Value::Object(members)) = document.pointer(&place) else { continue };
        let Some((name, value)) = members.iter().next() else { continue };
        let mut changed = document.clone();
        let marked = changed.pointer_mut(&place).expect("a place");
        *marked = json!("MARK");
        let twice = members.iter().map(|(n, v)| format!("{}:{v}", json!(n))).collect::<Vec<_>>().join(",");
        let text = changed.to_string().replace("\"MARK\"", &format!("{{{twice},{}:{value}}}", json!(name)));
        let complaints = UnvalidatedPolicy::from_json("p", &text).lint(None);
        assert_eq!(complaints.len(), 1, "{place}");
        assert_eq!(complaints[0].id, "parse.syntax");
        assert!(complaints[0].message.contains("duplicate member"), "{}", complaints[0]);
    }
}

#[test]
fn an_empty_list_or_table_is_refused_everywhere() {
    let (document, places) = all_places();
    for place in places {
        let mut changed = document.clone();
        let value = changed.pointer_mut(&place).expect("a place");
        *value = match value {
            Value::Array(_) => json!([]),
            Value::Object(_) => json!({}),
            _ => continue,
        };
        let complaints = lint(&changed);
        assert_eq!(complaints.is_empty(), place.ends_with("/ignore-paths"), "{place}: {complaints:?}");
    }
}

/// A value that a field does not take though its type is right, and the complaint.
const REJECTED: &[(&str, &str, &str)] = &[
    ("/schema", "\"modelseal.policy/v2\"", "parse.schema"),
    ("/x-schema-minor", "-1", "parse.value"),
    ("/id", "\"\"", "parse.value"),
    ("/version", "1.5", "parse.value"),
    ("/version", "18446744073709551616", "parse.value"),
    ("/expires", "\"2031-06-30T12:00:00\"", "parse.value"),
    ("/expires", "\"2031-06-30T12:00:00+2:00\"", "parse.value"),
    ("/expires", "\"2031-02-30T12:00:00Z\"", "parse.value"),
    ("/expires", "\"2031-06-30\"", "parse.value"),
    ("/network", "\"maybe\"", "parse.value"),
    ("/max-waiver", "\"0d\"", "parse.value"),
    ("/max-waiver", "\"1 d\"", "parse.value"),
    ("/max-waiver", "\"99999999999d\"", "parse.value"),
    ("/trust-roots/public/tuf", "\"http://tuf.example.com\"", "parse.value"),
    ("/trust-roots/public/max-staleness", "\"30\"", "parse.value"),
    ("/trust-roots/private/sha256", "\"00\"", "parse.value"),
    ("/signers/release/kind", "\"pgp\"", "parse.value"),
    ("/signers/release/spki-sha256", "\"AA\"", "parse.value"),
    ("/signers/release/not-before", "\"yesterday\"", "parse.value"),
    ("/signers/vendor/eku", "\"codeSigning\"", "parse.value"),
    ("/signers/vendor/revocation/mode", "\"warn\"", "parse.value"),
    ("/signers/vendor/subject/cn", "{\"glob\":\"a[b]\"}", "parse.value"),
    ("/signers/vendor/subject/email", "{\"regex\":\"a)|(?:b\"}", "parse.value"),
    ("/signers/vendor/subject/email", "{\"regex\":\"(?i)a\"}", "parse.value"),
    ("/signers/vendor/subject/o", "{\"prefix\":\"a\"}", "parse.unknown-field"),
    ("/signers/ci/trust-root", "\"publik\"", "lint.unknown-trust-root"),
    ("/signers/ci/claims", "{\"source-repository\":\"x\"}", "parse.value"),
    ("/builders/gpu/max-level", "4", "parse.value"),
    ("/builders/gpu/max-level", "0", "parse.value"),
    ("/builders/gpu/signers/0", "\"nobody\"", "lint.unknown-signer"),
    ("/denylist/0/on-stale", "\"allow\"", "parse.value"),
    ("/denylist/0/threshold", "0", "parse.value"),
    ("/denylist/0/threshold", "3", "lint.threshold-unreachable"),
    ("/rule/0/models/0", "\"models/x\"", "lint.reference-not-canonical"),
    ("/rule/0/models/0", "\"oci://registry.example.com/a**\"", "parse.value"),
    ("/rule/0/action", "\"allow\"", "parse.value"),
    ("/rule/0/mode", "\"warn\"", "parse.value"),
    ("/rule/0/enforce-after", "\"2027-01-01T00:00:00\"", "parse.value"),
    ("/rule/0/bind", "\"name\"", "parse.value"),
    ("/rule/0/min-version", "\"2.4\"", "parse.value"),
    (
        "/rule/1/digests/0",
        "\"sha256:0000000000000000000000000000000000000000000000000000000000000005\"",
        "parse.value",
    ),
    ("/rule/0/signature/transparency", "\"sometimes\"", "parse.value"),
    ("/rule/0/signature/timestamp", "\"deny\"", "parse.value"),
    ("/rule/0/signature/max-age", "\"1y\"", "parse.value"),
    ("/rule/0/signature/signed-after", "\"2025\"", "parse.value"),
    ("/rule/0/signature/hash-algorithms/0", "\"md5\"", "parse.value"),
    ("/rule/0/signature/threshold", "4294967296", "parse.value"),
    ("/rule/0/content/allow-formats/0", "\"safetensor\"", "parse.value"),
    ("/rule/0/content/remote-code", "\"warn\"", "parse.value"),
    ("/rule/0/content/max-files", "-1", "parse.value"),
    ("/rule/0/slsa/min-level", "4", "parse.value"),
    ("/rule/0/slsa/builders/0", "\"cpu\"", "lint.unknown-builder"),
    ("/rule/0/slsa/unknown-parameters", "\"ignore\"", "parse.value"),
    ("/rule/0/slsa/base-models/max-depth", "9", "parse.limit"),
    ("/rule/0/slsa/external-parameters", "{\"seed\":1}", "parse.value"),
    ("/rule/0/slsa/external-parameters/~1seed", "{\"any\":false}", "parse.value"),
    ("/rule/0/vsa/verifiers/0/signer", "\"x\"", "lint.unknown-signer"),
    ("/rule/0/attestation/0/predicate-type", "\"custom\"", "lint.predicate-type-not-uri"),
    ("/rule/0/attestation/0/select", "\"first\"", "parse.value"),
    ("/rule/0/attestation/0/where/~1tests~1*~1name", "\"x\"", "lint.wildcard-needs-quantifier"),
    ("/rule/0/attestation/0/where/~1score", "{\"ge\":\"1\"}", "parse.type"),
    ("/rule/0/attestation/0/where/~1score", "{\"ge\":1,\"le\":2}", "parse.value"),
    ("/rule/0/aibom/formats/0", "\"cyclonedx\"", "parse.value"),
    ("/rule/0/aibom/formats/0", "\"spdx>=3\"", "parse.value"),
    ("/rule/0/aibom/require-fields/0", "\"readme\"", "parse.value"),
    ("/rule/0/aibom/licenses/unknown", "\"warn\"", "parse.value"),
    ("/rule/0/aibom/licenses/scope/0", "\"all\"", "parse.value"),
    ("/rule/0/datasets/evidence/0", "\"readme\"", "parse.value"),
    ("/rule/0/datasets/digest", "\"yes\"", "parse.value"),
    ("/rule/0/datasets/allow/0", "{\"glob\":\"**\"}", "lint.match-everything"),
    ("/deny/0/digests/0", "\"0\"", "parse.value"),
    ("/deny/0/file-digests/0", "\"manifest-sha256:0\"", "parse.value"),
    ("/deny/0/keys/0", "\"sha256:0\"", "parse.value"),
    ("/deny/0/compromised-at", "\"2026-05-01\"", "parse.value"),
    ("/waiver/0/rule", "\"x\"", "lint.unknown-rule"),
    ("/waiver/0/codes/0", "\"integrity.digest-mismatch\"", "lint.not-waivable"),
    ("/waiver/0/digests/0", "\"*\"", "parse.value"),
    ("/waiver/0/expires", "\"never\"", "parse.value"),
];

#[test]
fn values_that_a_field_does_not_take_are_refused() {
    let document = everything();
    for (place, value, id) in REJECTED {
        let mut changed = document.clone();
        *changed.pointer_mut(place).unwrap_or_else(|| panic!("{place} is not there")) = json!("MARK");
        // As text, so that numbers stay exact.
        let text = changed.to_string().replace("\"MARK\"", value);
        let complaints = UnvalidatedPolicy::from_json("p", &text).lint(None);
        assert!(complaints.iter().any(|c| c.id == *id), "{place} = {value}: {complaints:?}");
    }
}

#[test]
fn schema_and_reader_agree_on_what_must_be_written() {
    let (document, places) = all_places();
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for place in places {
        let (parent, name) = place.rsplit_once('/').expect("a slash");
        let mut changed = document.clone();
        let Some(Value::Object(members)) = changed.pointer_mut(parent) else { continue };
        members.remove(&name.replace("~1", "/").replace("~0", "~"));
        let ours = lint(&changed).iter().any(|c| c.id.starts_with("parse."));
        assert_eq!(ours, !validator.is_valid(&changed), "{place}");
    }
}

#[test]
fn another_validator_agrees_about_the_test_policies() {
    let schemas = [schema(), draft_4()];
    assert_eq!(schemas[0]["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schemas[1]["$schema"], "http://json-schema.org/draft-04/schema#");
    for schema in &schemas {
        assert!(jsonschema::meta::is_valid(schema));
        let validator = jsonschema::validator_for(schema).expect("a schema");
        let document = everything();
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        // What the reader refuses for its form, the schema refuses too.
        let mut places_found = Vec::new();
        places(&document, "", &mut places_found);
        for place in places_found {
            for wrong in [json!(null), json!([[]]), json!({ "zz": {} })] {
                let mut changed = document.clone();
                let value = changed.pointer_mut(&place).expect("a place");
                if wrong.is_object() && value.is_object() {
                    continue;
                }
                *value = wrong.clone();
                assert!(!validator.is_valid(&changed), "{place} = {wrong}");
            }
        }
    }
}
