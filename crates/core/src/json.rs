//! The one strict JSON reader: UTF-8 without a byte order mark, no duplicate member at any level, bounded depth and
//! size, nothing after the value. Two parsers that could read one document differently are an attack, not a nuisance.

mod place;
pub mod pointer;
pub mod value;

use crate::{
    limits::{MAX_JSON_DEPTH, MAX_JSON_MEMBERS},
    text::Printable,
};
use serde::{
    Deserialize, Serialize,
    de::{
        DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
        value::MapAccessDeserializer,
    },
};
use serde_json::value::RawValue;
use std::{collections::HashSet, fmt, marker::PhantomData, ops::Deref};

/// Why a document was refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum JsonError {
    /// The document is larger than the caller allows.
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The bound in bytes.
        limit: u64,
    },
    /// The document is empty or white space only.
    Empty,
    /// A byte order mark stands before the document.
    ByteOrderMark,
    /// Not JSON, a duplicate member, too deep, or not of the expected shape. Carries line and column.
    Malformed(serde_json::Error),
}

/// What the refusal of a member that is there twice starts with.
const DUPLICATE: &str = "duplicate member";

/// Reads one JSON document of at most `limit` bytes, an object, into `T`.
///
/// # Errors
/// [`JsonError`], with line and column where there is one.
///
/// ```
/// # use modelseal_core::json;
/// let twice = br#"{"a": {"b": 1, "b": 2}}"#;
/// let error = json::read::<std::collections::BTreeMap<String, json::Any>>(twice, 100).unwrap_err();
/// assert!(error.to_string().contains("duplicate member 'b'"));
/// ```
pub fn read<'a, T: Deserialize<'a>>(document: &'a [u8], limit: u64) -> Result<T, JsonError> {
    check(document, limit)?;
    serde_json::from_slice::<Object<T>>(document).map(|object| object.0).map_err(JsonError::Malformed)
}

/// Reads a part of a document that [`read`] has checked.
///
/// # Errors
/// [`JsonError::Malformed`], with line and column counted from the start of the part.
pub fn read_part<'a, T: Deserialize<'a>>(part: &'a RawValue) -> Result<T, JsonError> {
    serde_json::from_str::<Object<T>>(part.get()).map(|object| object.0).map_err(JsonError::Malformed)
}

/// A `T` that is written as a JSON object. Derived readers also take an array of the members' values in order, which
/// no other implementation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

impl<T> Deref for Object<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A list of at most `N` items; reading stops at the first that is too many, whatever their number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AtMost<T, const N: usize>(pub Vec<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor::<T, N>(PhantomData)).map(Self)
    }
}

impl<T, const N: usize> Default for AtMost<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const N: usize> FromIterator<T> for AtMost<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<T, const N: usize> Deref for AtMost<T, N> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

struct ListVisitor<T, const N: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for ListVisitor<T, N> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {N} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            if items.len() == N {
                return Err(A::Error::custom(format_args!("more than {N} items")));
            }
            items.push(item);
        }
        Ok(items)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Any JSON value, read for its form only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Any;

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Strict { depth: 0 }.deserialize(deserializer).map(|()| Self)
    }
}

fn check(document: &[u8], limit: u64) -> Result<(), JsonError> {
    let size = document.len() as u64;
    if size > limit {
        return Err(JsonError::TooLarge { size, limit });
    }
    if document.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError::ByteOrderMark);
    }
    if document.trim_ascii().is_empty() {
        return Err(JsonError::Empty);
    }
    serde_json::from_slice::<Any>(document).map(|_| ()).map_err(JsonError::Malformed)
}

/// Visits every value, keeping nothing but the member names of the objects that are open.
struct Strict {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Strict {
    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= MAX_JSON_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_JSON_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.inner()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = Names::default();
        while let Some(name) = map.next_key::<String>()? {
            if let Some(name) = names.insert(name) {
                let shown: String = name.chars().take(80).collect();
                return Err(A::Error::custom(format_args!("{DUPLICATE} '{}'", Printable(&shown))));
            }
            if names.len() > MAX_JSON_MEMBERS {
                return Err(A::Error::custom(format_args!(
                    "an object of more than {MAX_JSON_MEMBERS} members"
                )));
            }
            map.next_value_seed(self.inner()?)?;
        }
        Ok(())
    }
}

/// Member names of one object. Nearly all objects have a handful: those need no hashing.
#[derive(Default)]
struct Names {
    few: Vec<String>,
    many: HashSet<String>,
}

impl Names {
    fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }

    /// Gives the name back when it is there already.
    fn insert(&mut self, name: String) -> Option<String> {
        if self.few.contains(&name) || self.many.contains(&name) {
            return Some(name);
        }
        if self.few.len() < 16 {
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        None
    }
}

impl JsonError {
    /// The JSON pointer of the place in `document`, which was read whole, that is complained about; empty for the document
    /// as a whole.
    #[must_use]
    pub fn at(&self, document: &[u8]) -> String {
        match self {
            Self::Malformed(e) if e.line() > 0 => place::pointer_of(document, e),
            _ => String::new(),
        }
    }

    /// Whether an object has a member twice.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Malformed(e) if e.to_string().starts_with(DUPLICATE))
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, limit } => write!(f, "{size} bytes of JSON exceed the limit of {limit}"),
            Self::Empty => f.write_str("empty, expected a JSON document"),
            Self::ByteOrderMark => {
                f.write_str("starts with a byte order mark; JSON must not (RFC 8259 §8.1)")
            }
            Self::Malformed(e) => write!(f, "{}", Printable(&e.to_string())),
        }
    }
}

impl std::error::Error for JsonError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(document: &str) -> String {
        check(document.as_bytes(), 1 << 20).unwrap_err().to_string()
    }

    #[test]
    fn duplicates_are_found_at_every_level_and_after_unescaping() {
        assert!(refused(r#"{"a":1,"a":1}"#).contains("duplicate member 'a'"));
        assert!(refused(r#"[{"x":[{"a":1,"\u0061":2}]}]"#).contains("duplicate member 'a'"));
        let many: Vec<String> = (0..40).map(|i| format!("\"k{i}\":0")).collect();
        assert!(refused(&format!("{{{},\"k39\":1}}", many.join(","))).contains("'k39'"));
        assert!(check(format!("{{{}}}", many.join(",")).as_bytes(), 1 << 20).is_ok());
    }

    #[test]
    fn depth_is_bounded_without_overflow() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(check(deep(MAX_JSON_DEPTH).as_bytes(), 1 << 20).is_ok());
        assert!(refused(&deep(MAX_JSON_DEPTH + 1)).contains("deeper than 64"));
        assert!(refused(&"[".repeat(100_000)).contains("deeper than 64"));
        assert!(refused(&"{\"a\":".repeat(100_000)).contains("deeper than 64"));
    }

    #[test]
    fn only_one_whole_utf8_document_passes() {
        for bad in [
            "",
            " \n",
            "{} {}",
            "{}x",
            "NaN",
            "[1,]",
            "{\"a\":\"\\ud800\"}",
            "nul",
            "{'a':1}",
            "[01]",
            "\"\t\"",
        ] {
            assert!(check(bad.as_bytes(), 1 << 20).is_err(), "{bad:?}");
        }
        assert!(matches!(check(b"\xef\xbb\xbf{}", 99), Err(JsonError::ByteOrderMark)));
        assert!(check(b"\"\xff\"", 99).is_err());
        assert!(matches!(check(b"[1, 2]", 5), Err(JsonError::TooLarge { size: 6, limit: 5 })));
    }

    #[test]
    fn members_and_items_are_bounded() {
        let object = |n: usize| {
            let members: Vec<String> = (0..n).map(|i| format!("\"{i}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(check(object(MAX_JSON_MEMBERS).as_bytes(), 1 << 20).is_ok());
        assert!(refused(&object(MAX_JSON_MEMBERS + 1)).contains("more than 10000 members"));
        assert!(serde_json::from_str::<AtMost<u8, 2>>("[1,2]").is_ok());
        let error = serde_json::from_str::<AtMost<u8, 2>>("[1,2,3,4]").unwrap_err();
        assert!(error.to_string().contains("more than 2 items at line 1 column 7"), "{error}");
    }

    #[test]
    fn an_array_is_no_object() {
        #[derive(Debug, Deserialize)]
        struct Inner {
            _b: u8,
        }
        #[derive(Debug, Deserialize)]
        struct Outer {
            _a: Object<Inner>,
        }
        assert!(read::<Outer>(br#"{"_a":{"_b":1}}"#, 99).is_ok());
        for array in [r#"[{"_b":1}]"#, r#"{"_a":[1]}"#, "7", "null"] {
            let error = read::<Outer>(array.as_bytes(), 99).unwrap_err().to_string();
            assert!(error.contains("expected a JSON object"), "{array}: {error}");
        }
    }
}
