//! [`Value`]: any JSON document, kept exactly. Numbers stay the digits that were written: a seed above 2^53 must not
//! change on its way to a test.

use super::{DUPLICATE, JsonError, check};
use crate::{
    limits::{MAX_JSON_DEPTH, MAX_JSON_MEMBERS, MAX_JSON_VALUES},
    text::Printable,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::value::RawValue;
use std::{cmp::Ordering, collections::BTreeMap, fmt};

/// A JSON value without duplicate members, of bounded depth and size.
///
/// ```
/// # use modelseal_core::json::value::Value;
/// let value = Value::parse(br#"{"seed": 9007199254740993}"#, 100).unwrap();
/// assert_eq!(value.get("seed").unwrap().to_string(), "9007199254740993");
/// assert!(Value::parse(br#"{"seed": 1, "seed": 2}"#, 100).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, digit for digit.
    Number(Number),
    /// A string.
    String(Box<str>),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(BTreeMap<Box<str>, Self>),
}

/// A JSON number: the text that was written. Two are equal when their mathematical values are, so `1`, `1.0` and `1e0`
/// are, and 9007199254740993 and 9007199254740992 are not.
#[derive(Clone)]
pub struct Number(Box<str>);

impl Value {
    /// Reads one document of at most `limit` bytes.
    ///
    /// # Errors
    /// [`JsonError`], with line and column where there is one.
    pub fn parse(document: &[u8], limit: u64) -> Result<Self, JsonError> {
        check(document, limit)?;
        let text = std::str::from_utf8(document).map_err(|e| JsonError::Malformed(bad(e)))?;
        Builder::build(text).map_err(JsonError::Malformed)
    }

    /// Reads a part of a document that [`super::read`] has checked.
    ///
    /// # Errors
    /// [`JsonError::Malformed`] when it has more than [`MAX_JSON_VALUES`] values.
    pub fn from_part(part: &RawValue) -> Result<Self, JsonError> {
        Builder::build(part.get()).map_err(JsonError::Malformed)
    }

    /// The member of that name, if this is an object that has one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The truth value, if this is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The number, if this is one.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The elements, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The members, if this is an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&BTreeMap<Box<str>, Self>> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What kind of value this is, for messages: `a string`, `an object`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl Number {
    /// Reads a number in JSON's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        matches!(Builder::build(text), Ok(Value::Number(_)))
            .then(|| serde_json::from_str::<super::Any>(text).ok().map(|_| Self(text.trim().into())))?
    }

    /// The number as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value, if it is written as a whole number that fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The value, if it is written as a whole number that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// Sign, significant digits without zeros at either end, and exponent: the value is 0.digits × 10^exponent.
    fn parts(&self) -> Parts {
        let (negative, text) = match self.0.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, &*self.0),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        let significant = all.trim_start_matches('0');
        let leading = all.len() - significant.len();
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Parts { sign: 0, exponent: 0, digits };
        }
        // `Builder` takes no exponent of more than 15 digits; a length is no more than the bound of a document.
        let exponent = exponent.parse::<i64>().unwrap_or(0);
        let shift = |length: usize| i64::try_from(length).unwrap_or(0);
        let exponent = exponent.saturating_add(shift(whole.len())).saturating_sub(shift(leading));
        Parts { sign: if negative { -1 } else { 1 }, exponent, digits }
    }
}

struct Parts {
    sign: i8,
    exponent: i64,
    digits: String,
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.parts(), other.parts());
        let magnitude = || a.exponent.cmp(&b.exponent).then_with(|| a.digits.cmp(&b.digits));
        a.sign.cmp(&b.sign).then_with(|| if a.sign < 0 { magnitude().reverse() } else { magnitude() })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(value.to_string().into())
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(value.to_string().into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Number(value.into())
    }
}

impl FromIterator<Self> for Value {
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        Self::Array(items.into_iter().collect())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Compact JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => items.serialize(serializer),
            Self::Object(members) => members.serialize(serializer),
        }
    }
}

/// From `serde_json` only, which alone hands numbers over exactly.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        serde_json::from_str::<super::Any>(raw.get()).map_err(D::Error::custom)?;
        Builder::build(raw.get()).map_err(D::Error::custom)
    }
}

/// Builds a value from text whose grammar `serde_json` has checked. Nothing here relies on that for safety: text that is
/// no JSON gives an error or some value, never a panic.
struct Builder<'a> {
    text: &'a str,
    at: usize,
    values: usize,
}

impl<'a> Builder<'a> {
    fn build(text: &'a str) -> Result<Value, serde_json::Error> {
        let mut builder = Self { text, at: 0, values: 0 };
        let value = builder.value(0)?;
        match builder.peek() {
            None => Ok(value),
            Some(_) => Err(bad("something follows the value")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, serde_json::Error> {
        self.values += 1;
        if self.values > MAX_JSON_VALUES {
            return Err(bad(format_args!("more than {MAX_JSON_VALUES} values")));
        }
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_JSON_DEPTH => {
                Err(bad(format_args!("nested deeper than {MAX_JSON_DEPTH} levels")))
            }
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, serde_json::Error> {
        let mut members = BTreeMap::new();
        self.at += 1;
        while !self.skip(b'}') {
            if !members.is_empty() {
                self.expect(b',')?;
                self.peek();
            }
            let name = self.string()?;
            self.expect(b':')?;
            let value = self.value(depth)?;
            if members.contains_key(&name) {
                let shown: String = name.chars().take(80).collect();
                return Err(bad(format_args!("{DUPLICATE} '{}'", Printable(&shown))));
            }
            members.insert(name, value);
            if members.len() > MAX_JSON_MEMBERS {
                return Err(bad(format_args!("an object of more than {MAX_JSON_MEMBERS} members")));
            }
        }
        Ok(Value::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Value, serde_json::Error> {
        let mut items = Vec::new();
        self.at += 1;
        while !self.skip(b']') {
            if !items.is_empty() {
                self.expect(b',')?;
            }
            items.push(self.value(depth)?);
        }
        Ok(Value::Array(items))
    }

    fn string(&mut self) -> Result<Box<str>, serde_json::Error> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        if bytes.get(start) != Some(&b'"') {
            return Err(bad("expected a string"));
        }
        self.at += 1;
        let mut escaped = false;
        loop {
            match bytes.get(self.at) {
                None => return Err(bad("a string without an end")),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at).ok_or_else(|| bad("expected a string"))?;
        if escaped {
            return serde_json::from_str::<String>(quoted).map(Into::into);
        }
        Ok(quoted[1..quoted.len() - 1].into())
    }

    fn number(&mut self) -> Result<Value, serde_json::Error> {
        let text = self.take(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        let exponent = text.split_once(['e', 'E']).map_or("", |(_, exponent)| exponent);
        if exponent.len() > 16 {
            return Err(bad("a number with an exponent of more than 15 digits"));
        }
        Ok(Value::Number(Number(text.into())))
    }

    fn word(&mut self) -> Result<Value, serde_json::Error> {
        match self.take(|b| b.is_ascii_alphabetic()) {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(bad("expected a value")),
        }
    }

    fn take(&mut self, of: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.bytes().position(|b| !of(b)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        self.take(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), serde_json::Error> {
        if self.skip(byte) { Ok(()) } else { Err(bad(format_args!("expected '{}'", char::from(byte)))) }
    }
}

fn bad(why: impl fmt::Display) -> serde_json::Error {
    <serde_json::Error as serde::de::Error>::custom(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Value, JsonError> {
        Value::parse(text.as_bytes(), 1 << 22)
    }

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn numbers_keep_every_digit() {
        for text in
            ["9007199254740993", "18446744073709551616", "0.1000000000000000055511151231257827", "1e0", "-0"]
        {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_ne!(number("9007199254740993"), number("9007199254740992"));
        assert_ne!(number("18446744073709551616"), number("18446744073709551617"));
    }

    #[test]
    fn numbers_compare_by_value() {
        for (a, b) in
            [("1", "1.0"), ("1", "1e0"), ("100", "1E+2"), ("0.5", "5e-1"), ("-0", "0"), ("0e5", "0.0")]
        {
            assert_eq!(number(a), number(b), "{a} {b}");
        }
        let rising =
            ["-1e3", "-11", "-2", "-1.5", "-1.25", "0", "1e-300", "0.5", "0.51", "2", "11", "1e3", "1e300"];
        for pair in rising.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
            assert!(number(pair[1]) > number(pair[0]), "{pair:?}");
        }
        assert!(Number::parse("1e99999999999999999").is_none());
        for bad in ["", "x", "01", "1 2", "\"1\"", "1.", "+1", "NaN"] {
            assert!(Number::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn duplicates_are_refused_at_every_level() {
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"[[{"x":[{"a":1,"\u0061":2}]}]]"#,
            r#"{"a":{},"b":[{"c":null,"c":null}]}"#,
        ] {
            assert!(parse(bad).unwrap_err().to_string().contains("duplicate member"), "{bad}");
            // The builder finds them by itself.
            assert!(Builder::build(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_builder_survives_what_is_no_json() {
        for bad in [
            "",
            "{",
            "[1",
            "{\"a\"",
            "{\"a\":",
            "\"",
            "\"\\",
            "[1}",
            "{1:2}",
            "tru",
            "[1 2]",
            "1 2",
            "é",
            "{\"a\":1]",
        ] {
            assert!(Builder::build(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let many = format!("[{}0]", "0,".repeat(MAX_JSON_VALUES));
        assert!(parse(&many).unwrap_err().to_string().contains("more than 1000000 values"));
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&deep(MAX_JSON_DEPTH)).is_ok());
        assert!(Builder::build(&deep(MAX_JSON_DEPTH + 1)).is_err());
    }

    fn arbitrary() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
            "[\"\\\\/\u{8}\u{c}\n\u{e9}\u{1f600}]{0,6}".prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_writes_and_writes_it_back(document in arbitrary()) {
            for text in [document.to_string(), serde_json::to_string_pretty(&document).unwrap()] {
                let value = parse(&text).unwrap();
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&value.to_string()).unwrap(), document.clone());
                prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value);
                prop_assert_eq!(parse(&value.to_string()).unwrap(), value);
            }
        }

        #[test]
        fn whole_numbers_compare_as_they_do(a in any::<i64>(), b in any::<i64>()) {
            prop_assert_eq!(Number::from(a).cmp(&Number::from(b)), a.cmp(&b));
        }

        #[test]
        fn the_builder_never_panics(text in "[\\[\\]{}\",:\\\\ 0-9eE+.truefalsné-]{0,24}") {
            let _ = Builder::build(&text);
        }
    }
}
