//! [`Pointer`]: a place in a JSON document (RFC 6901), with `*` for every element of an array.

use super::value::Value;
use crate::text::Printable;
use std::fmt;

/// A JSON pointer, such as `/configuration/0/name`. A segment `*` stands for every element of the array there.
///
/// ```
/// # use modelseal_core::json::{pointer::Pointer, value::Value};
/// let value = Value::parse(br#"{"tests": [{"name": "a"}, {}]}"#, 100).unwrap();
/// let names = Pointer::parse("/tests/*/name").unwrap();
/// assert_eq!(names.select(&value), [Some(&Value::from("a")), None]);
/// let empty = Value::parse(br#"{"tests": []}"#, 100).unwrap();
/// assert_eq!(names.select(&empty), [None]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Segment {
    Name(String),
    Every,
}

/// Why a text is no pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PointerError {
    /// It is neither empty nor starts with `/`.
    NoSlash(String),
    /// A `~` is followed by neither `0` nor `1`.
    Escape(String),
    /// It has more segments than any document that is read has levels.
    TooDeep(usize),
}

impl Pointer {
    /// Reads a pointer. The empty text names the whole document.
    ///
    /// # Errors
    /// [`PointerError`] says what is wrong with the spelling.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self { text: String::new(), segments: Vec::new() });
        }
        let inner = text.strip_prefix('/').ok_or_else(|| PointerError::NoSlash(text.to_owned()))?;
        let segments = inner.split('/').map(|raw| segment(raw, text)).collect::<Result<Vec<_>, _>>()?;
        if segments.len() > crate::limits::MAX_JSON_DEPTH {
            return Err(PointerError::TooDeep(segments.len()));
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The pointer as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it holds a `*`, so that it names many places.
    #[must_use]
    pub fn is_many(&self) -> bool {
        self.segments.contains(&Segment::Every)
    }

    /// What stands there: exactly one item without `*`, else one for each element. `None` where nothing stands. A `*` over
    /// an empty array, or over what is no array, gives one `None`: neither "every" nor "some" may hold of nothing.
    #[must_use]
    pub fn select<'a>(&self, document: &'a Value) -> Vec<Option<&'a Value>> {
        let mut places = vec![Some(document)];
        for segment in &self.segments {
            places = match segment {
                Segment::Name(name) => places.into_iter().map(|place| step(place?, name)).collect(),
                Segment::Every => places.into_iter().flat_map(elements).collect(),
            };
        }
        places
    }
}

/// A member's name as one segment of a pointer.
#[must_use]
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn segment(raw: &str, whole: &str) -> Result<Segment, PointerError> {
    if raw == "*" {
        return Ok(Segment::Every);
    }
    let mut name = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('~') {
        name.push_str(before);
        let (escaped, left) = match after.as_bytes().first() {
            Some(b'0') => ('~', &after[1..]),
            Some(b'1') => ('/', &after[1..]),
            _ => return Err(PointerError::Escape(whole.to_owned())),
        };
        name.push(escaped);
        rest = left;
    }
    name.push_str(rest);
    Ok(Segment::Name(name))
}

fn step<'a>(place: &'a Value, name: &str) -> Option<&'a Value> {
    match place {
        Value::Object(members) => members.get(name),
        Value::Array(items) => {
            let canonical = name == "0" || !name.starts_with('0') && name.bytes().all(|b| b.is_ascii_digit());
            items.get(canonical.then(|| name.parse::<usize>().ok())??)
        }
        _ => None,
    }
}

fn elements(place: Option<&Value>) -> Vec<Option<&Value>> {
    match place.and_then(Value::as_array) {
        Some(items) if !items.is_empty() => items.iter().map(Some).collect(),
        _ => vec![None],
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.text).fmt(f)
    }
}

impl fmt::Display for PointerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlash(text) => {
                write!(
                    f,
                    "'{}' is no JSON pointer: write it with a leading '/', like '/result'",
                    Printable(text)
                )
            }
            Self::Escape(text) => write!(
                f,
                "'{}' is no JSON pointer: '~' is written '~0' and a '/' inside a name '~1'",
                Printable(text)
            ),
            Self::TooDeep(count) => {
                write!(f, "a JSON pointer of {count} segments is deeper than any document that is read")
            }
        }
    }
}

impl std::error::Error for PointerError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(document: &str, pointer: &str) -> Vec<Option<String>> {
        let value = Value::parse(document.as_bytes(), 1 << 20).unwrap();
        Pointer::parse(pointer).unwrap().select(&value).into_iter().map(|v| v.map(Value::to_string)).collect()
    }

    fn some(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|v| Some((*v).to_owned())).collect()
    }

    #[test]
    fn the_examples_of_rfc_6901_hold() {
        let document =
            r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#;
        for (pointer, expected) in [
            ("/foo", r#"["bar","baz"]"#),
            ("/foo/0", "\"bar\""),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            assert_eq!(select(document, pointer), some(&[expected]), "{pointer}");
        }
        assert_eq!(select("[1]", ""), some(&["[1]"]));
    }

    #[test]
    fn nothing_is_never_an_empty_list() {
        for (document, pointer) in [
            ("{}", "/a"),
            ("{}", "/a/*/b"),
            (r#"{"a":[]}"#, "/a/*"),
            (r#"{"a":{"x":1}}"#, "/a/*"),
            (r#"{"a":7}"#, "/a/b"),
            ("[1,2]", "/2"),
            ("[1,2]", "/-"),
            ("[1,2]", "/01"),
            ("[1,2]", "/+1"),
            ("[1,2]", "/18446744073709551617"),
        ] {
            assert_eq!(select(document, pointer), [None], "{document} {pointer}");
        }
    }

    #[test]
    fn every_element_counts_also_the_one_without_the_member() {
        assert_eq!(select(r#"[{"a":1},{},{"a":3}]"#, "/*/a"), [Some("1".into()), None, Some("3".into())]);
        assert_eq!(
            select("[[1],[],[2,3]]", "/*/*"),
            [Some("1".into()), None, Some("2".into()), Some("3".into())]
        );
    }

    #[test]
    fn spellings_are_strict() {
        assert!(matches!(Pointer::parse("result"), Err(PointerError::NoSlash(_))));
        assert!(matches!(Pointer::parse("/a~2"), Err(PointerError::Escape(_))));
        assert!(matches!(Pointer::parse("/a~"), Err(PointerError::Escape(_))));
        assert!(matches!(Pointer::parse(&"/a".repeat(65)), Err(PointerError::TooDeep(65))));
        assert!(Pointer::parse("/a/*").unwrap().is_many());
        assert!(!Pointer::parse("/a/**").unwrap().is_many());
    }
}
