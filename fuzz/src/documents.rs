//! Bundles, statements, JSON and names.

use modelseal_core::{
    bundle::{Bundle, SignedDocument, looks_like_bundle},
    dsse::IN_TOTO_PAYLOAD_TYPE,
    json::{Any, read},
    limits::{MAX_JSON_DEPTH, MAX_PATH_BYTES, MAX_PATH_DEPTH},
    path::ModelPath,
    predicate::{Reading, read_signed_model, signature_v1},
};
use std::collections::HashSet;

/// What parses can be written, and what is written is stable and means the same.
pub fn bundle(data: &[u8]) {
    signed_document(data);
    let parsed = match Bundle::parse(data) {
        Ok(parsed) => parsed,
        Err(e) => return assert!(!e.to_string().is_empty()),
    };
    let written = parsed.to_json().expect("a bundle can be written");
    let again = Bundle::parse(&written).expect("what we write, we read");
    assert_eq!((again.material(), again.envelope()), (parsed.material(), parsed.envelope()));
    assert_eq!(again.to_json().expect("a bundle can be written"), written);
    assert!(looks_like_bundle(&written));
}

/// A document is a bundle when it parses as one and at no other time, and an envelope by itself has all that is verified.
fn signed_document(data: &[u8]) {
    match (SignedDocument::parse(data), Bundle::parse(data)) {
        (Ok(SignedDocument::Bundle(one)), Ok(other)) => assert_eq!(one, other),
        (Ok(SignedDocument::Envelope(envelope)), Err(_)) => {
            assert!(!envelope.signature().is_empty() && !envelope.payload_unverified().is_empty());
        }
        (Err(error), Err(_)) => assert!(!error.to_string().is_empty()),
        (document, bundle) => panic!("{document:?} and {bundle:?}"),
    }
}

/// What reads can be written and read again as the same, and the strict reading takes nothing that the other refuses.
pub fn statement(data: &[u8]) {
    let read = |bytes: &[u8], reading| read_signed_model(IN_TOTO_PAYLOAD_TYPE, bytes, reading);
    let field = read(data, Reading::Field);
    if let Ok(letter) = read(data, Reading::Letter) {
        assert_eq!(field.as_ref().ok(), Some(&letter));
    }
    let model = match field {
        Ok(model) => model,
        Err(e) => return assert!(!e.to_string().is_empty()),
    };
    // The form of version 0.2.0 has no name for the model.
    let name = if model.name.is_empty() { "model" } else { &model.name };
    let written = signature_v1::write_annotated(&model.manifest, name, &model.fs_verity)
        .expect("a manifest can be written");
    for reading in [Reading::Field, Reading::Letter] {
        let again = read(&written, reading).expect("what we write, we read");
        assert_eq!((again.name.as_str(), &again.manifest), (name, &model.manifest));
        assert_eq!(again.fs_verity, model.fs_verity);
    }
}

/// The strict reader takes the objects that `serde_json` takes, less duplicate members and deep nesting, and nothing else.
pub fn json(data: &[u8]) {
    let strict = read::<Any>(data, 1 << 20);
    let lenient = serde_json::from_slice::<serde_json::Value>(data).is_ok_and(|value| value.is_object());
    // `serde_json` gives this member name a meaning of its own when it builds a `Value`.
    if String::from_utf8_lossy(data).contains("serde_json::private") {
        return;
    }
    if !lenient {
        // A `Value` also refuses nesting, at twice our depth.
        return assert!(strict.is_err());
    }
    let (duplicate, depth) = scan(std::str::from_utf8(data).expect("JSON is UTF-8"));
    assert_eq!(strict.is_ok(), !duplicate && depth <= MAX_JSON_DEPTH, "{strict:?}");
}

/// A name parses exactly when it is a plain relative path within the bounds, and is kept letter for letter.
pub fn path(data: &[u8]) {
    let Ok(name) = std::str::from_utf8(data) else { return };
    let parts: Vec<&str> = name.split('/').collect();
    let good = parts.iter().all(|part| !["", ".", ".."].contains(part))
        && !name.contains(['\\', '\0'])
        && name.len() <= MAX_PATH_BYTES
        && parts.len() <= MAX_PATH_DEPTH;
    let parsed = ModelPath::parse(name);
    assert_eq!(parsed.is_ok(), good, "{parsed:?}");
    if let Ok(path) = parsed {
        assert_eq!(path.as_str(), name);
        assert!(path.components().eq(parts));
        assert!(path.is_within(&path));
    }
}

/// Whether some object of a valid JSON document has one member twice, and how deep it nests: a tokenizer that knows
/// strings and brackets only.
fn scan(text: &str) -> (bool, usize) {
    let (mut open, mut deepest): (Vec<HashSet<String>>, usize) = (Vec::new(), 0);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => {
                open.push(HashSet::new());
                deepest = deepest.max(open.len());
            }
            b'}' | b']' => drop(open.pop()),
            b'"' => {
                let start = at;
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                let is_name = text[at + 1..].trim_start_matches([' ', '\t', '\r', '\n']).starts_with(':');
                let string: String = serde_json::from_str(&text[start..=at]).expect("a valid string");
                if is_name && !open.last_mut().expect("a member is in an object").insert(string) {
                    return (true, deepest);
                }
            }
            _ => {}
        }
        at += 1;
    }
    (false, deepest)
}
