//! Where in a document a reader stopped: a JSON pointer made from a line and a column.

use super::pointer::escaped;
use serde_json::error::Category;
use std::borrow::Cow;

/// Most bytes of a member's name that a pointer shows.
const MAX_NAME: usize = 200;

/// The JSON pointer of the value, or of the member, at which the reader of `document` gave up with `error`. Nothing relies on
/// what is before it being JSON.
pub(super) fn pointer_of(document: &[u8], error: &serde_json::Error) -> String {
    // Of bad syntax the byte that stopped the reader is counted; of a value that does not fit, what was read.
    let counted = usize::from(error.classify() == Category::Syntax);
    pointer_at(document, error.line(), error.column().saturating_sub(counted))
}

/// The place that is reached once `column` bytes of `line`, counted from 1, were read.
fn pointer_at(document: &[u8], line: usize, column: usize) -> String {
    let lines = document.split_inclusive(|byte| *byte == b'\n');
    let start: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    let end = start.saturating_add(column).min(document.len());
    let mut open = Vec::new();
    let mut at = 0;
    while at < end {
        match document[at] {
            b'{' => open.push(Open::Object(None)),
            b'[' => open.push(Open::Array(0)),
            b'}' | b']' => drop(open.pop()),
            b',' => match open.last_mut() {
                Some(Open::Object(name)) => *name = None,
                Some(Open::Array(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                let length = string(&document[at + 1..end]);
                if let Some(Open::Object(name @ None)) = open.last_mut() {
                    *name = Some((at + 1, at + 1 + length));
                }
                at += 1 + length;
            }
            _ => {}
        }
        at += 1;
    }
    let segment = |place: &Open| match place {
        Open::Array(index) => Some(format!("/{index}")),
        Open::Object(name) => name.map(|(from, to)| format!("/{}", name_of(&document[from..to]))),
    };
    open.iter().filter_map(segment).collect()
}

/// An array or object that is not closed yet: the element, or where its member's name stands.
enum Open {
    Array(usize),
    Object(Option<(usize, usize)>),
}

/// The length of a string up to its closing quote, or to the end of what there is.
fn string(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    rest.len()
}

fn name_of(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let read = serde_json::from_str::<String>(&format!("\"{text}\"")).map_or(text, Cow::Owned);
    match read.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}…", escaped(&read[..end])),
        None => escaped(&read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Any, JsonError, read};
    use serde::Deserialize;

    #[test]
    fn a_pointer_says_where_a_document_is_wrong() {
        for (document, at) in [
            (r#"{"a": 1, "a": 2}"#, "/a"),
            (r#"{"a": {"b": [0, {"c": 1, "x/y~": 1, "x/y~": 2}]}}"#, "/a/b/1/x~1y~0"),
            ("{\"a\": [\n1,\n{\"b\" : 1,\n \"b\" : 2}]}", "/a/1/b"),
            (r#"{"a": 1, "\u0061" : 2}"#, "/a"),
            (r#"{"a": [1, 2, nul]}"#, "/a/2"),
            (r#"{"a": [1, 2}"#, "/a/1"),
            (r#"{"a": "x, [{", "b": tru}"#, "/b"),
            (r#"{"a": "\"", "b": 01}"#, "/b"),
            (r#"{"a": 1} x"#, ""),
            (r#"{"a""#, "/a"),
            ("7", ""),
        ] {
            let error = read::<Any>(document.as_bytes(), 1000).unwrap_err();
            assert_eq!(error.at(document.as_bytes()), at, "{document}: {error}");
        }
    }

    #[test]
    fn values_of_another_kind_have_their_place_too() {
        #[derive(Debug, Deserialize)]
        struct Inner {
            #[serde(rename = "c")]
            _c: Option<String>,
        }
        #[derive(Debug, Deserialize)]
        struct Outer {
            #[serde(rename = "a")]
            _a: Vec<Inner>,
        }
        for (document, at) in [
            (r#"{"a": [{"c": "x"}, {"c": 7}]}"#, "/a/1/c"),
            (r#"{"a": [{"c": "x"}, {"c": 77, "d": 1}]}"#, "/a/1/c"),
            (r#"{"a": [{"c": [1]}]}"#, "/a/0/c"),
            (r#"{"a": [{"c": "x"}, null]}"#, "/a/1"),
            (r#"{"a": {"c": "x"}}"#, "/a"),
            (r#"{"a": "x"}"#, "/a"),
        ] {
            let error = read::<Outer>(document.as_bytes(), 1000).unwrap_err();
            assert_eq!(error.at(document.as_bytes()), at, "{document}: {error}");
        }
    }

    #[test]
    fn anything_has_some_place() {
        let document = b"{\"a\": [\"\\\", \xff, {]}, \n\"";
        for line in 0..4 {
            for column in 0..30 {
                assert!(pointer_at(document, line, column).len() < 20);
            }
        }
        assert_eq!(JsonError::Empty.at(b""), "");
        let name = "n".repeat(1000);
        let document = format!("{{\"{name}\": nul}}");
        assert!(pointer_at(document.as_bytes(), 1, document.len()).chars().count() < 210);
        assert_eq!(pointer_at(b"{}", usize::MAX, usize::MAX), "");
    }
}
