//! Reads the fields of a predicate, with the place of each in what goes wrong. Unset, `null` and empty mean the same, and
//! fields that nobody knows are ignored (in-toto/attestation `spec/v1/README.md`, parsing rules).

use super::error::PredicateError;
use crate::json::{pointer::escaped, value::Value};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The members of a JSON object, by name.
pub type Members = BTreeMap<Box<str>, Value>;

/// A place in a predicate, whether or not anything stands there.
#[derive(Clone)]
pub(super) struct Field<'a> {
    value: Option<&'a Value>,
    at: String,
}

impl<'a> Field<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value: Some(value).filter(|v| !v.is_null()), at: String::new() }
    }

    /// A member of the object here. Nothing has no members, and anything else than an object is an error.
    pub(super) fn member(&self, name: &str) -> Result<Self, PredicateError> {
        let value = self.members()?.and_then(|members| members.get(name)).filter(|v| !v.is_null());
        Ok(Self { value, at: format!("{}/{name}", self.at) })
    }

    pub(super) fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    pub(super) fn members(&self) -> Result<Option<&'a Members>, PredicateError> {
        match self.value {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(other) => Err(self.wrong("an object", other)),
        }
    }

    /// The object's members with their places; none when it is absent.
    pub(super) fn each_member(&self) -> Result<Vec<(&'a str, Self)>, PredicateError> {
        let members = self.members()?.into_iter().flatten();
        Ok(members
            .map(|(name, value)| {
                let at = format!("{}/{}", self.at, escaped(name));
                (&**name, Self { value: Some(value).filter(|v| !v.is_null()), at })
            })
            .collect())
    }

    pub(super) fn values(&self) -> Result<Members, PredicateError> {
        Ok(self.members()?.cloned().unwrap_or_default())
    }

    pub(super) fn required_values(&self) -> Result<Members, PredicateError> {
        self.members()?.cloned().ok_or_else(|| self.missing())
    }

    pub(super) fn text(&self) -> Result<Option<String>, PredicateError> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.to_string()).filter(|text| !text.is_empty())),
            Some(other) => Err(self.wrong("a string", other)),
        }
    }

    pub(super) fn required_text(&self) -> Result<String, PredicateError> {
        self.text()?.ok_or_else(|| self.missing())
    }

    /// A string, or a number that some producer writes where a string belongs, as it was written.
    pub(super) fn text_or_number(&self) -> Result<Option<String>, PredicateError> {
        match self.value {
            Some(Value::Number(number)) => Ok(Some(number.as_str().to_owned())),
            _ => self.text(),
        }
    }

    pub(super) fn required_text_or_number(&self) -> Result<String, PredicateError> {
        self.text_or_number()?.ok_or_else(|| self.missing())
    }

    /// A URI by its form: a scheme, a colon, and something behind it without white space.
    pub(super) fn required_uri(&self) -> Result<String, PredicateError> {
        let text = self.required_text()?;
        if is_uri(&text) { Ok(text) } else { Err(PredicateError::Uri { at: self.at.clone(), found: text }) }
    }

    pub(super) fn time(&self) -> Result<Option<Timestamp>, PredicateError> {
        let Some(text) = self.text()? else { return Ok(None) };
        parse_time(&text).map(Some).ok_or_else(|| PredicateError::Time { at: self.at.clone(), found: text })
    }

    pub(super) fn required_time(&self) -> Result<Timestamp, PredicateError> {
        self.time()?.ok_or_else(|| self.missing())
    }

    pub(super) fn count(&self) -> Result<u64, PredicateError> {
        match self.value {
            None => Err(self.missing()),
            Some(value) => value
                .as_number()
                .and_then(|number| number.as_u64())
                .ok_or_else(|| self.wrong("a whole number from 0", value)),
        }
    }

    /// The elements of the array here; none when it is absent.
    pub(super) fn list(&self) -> Result<Vec<Self>, PredicateError> {
        match self.value {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items
                .iter()
                .enumerate()
                .map(|(index, item)| Self {
                    value: Some(item).filter(|v| !v.is_null()),
                    at: format!("{}/{index}", self.at),
                })
                .collect()),
            Some(other) => Err(self.wrong("an array", other)),
        }
    }

    /// The elements of an array that has to be there, though it may be empty.
    pub(super) fn required_list(&self) -> Result<Vec<Self>, PredicateError> {
        if self.is_absent() { Err(self.missing()) } else { self.list() }
    }

    pub(super) fn list_or_object(&self) -> Result<Option<Value>, PredicateError> {
        match self.value {
            Some(Value::Array(_) | Value::Object(_)) | None => Ok(self.value.cloned()),
            Some(other) => Err(self.wrong("an array or an object", other)),
        }
    }

    /// Bytes in base64 as protobuf's JSON reads them, in either alphabet, kept as they were written.
    pub(super) fn base64(&self) -> Result<Option<String>, PredicateError> {
        match self.text()? {
            Some(text) if !is_base64(&text) => Err(PredicateError::Base64 { at: self.at.clone() }),
            text => Ok(text),
        }
    }

    pub(super) fn texts(&self) -> Result<Vec<String>, PredicateError> {
        self.list()?.iter().map(Self::required_text).collect()
    }

    pub(super) fn text_map(&self) -> Result<BTreeMap<String, String>, PredicateError> {
        let text = |field: Self| match field.value {
            // The value of a map is no field: `null` is not a string there.
            None => Err(field.wrong("a string", &Value::Null)),
            Some(_) => Ok(field.text()?.unwrap_or_default()),
        };
        self.each_member()?.into_iter().map(|(name, field)| Ok((name.to_owned(), text(field)?))).collect()
    }

    pub(super) fn one_of<T: Copy>(&self, known: &[(&'static str, T)]) -> Result<T, PredicateError> {
        let found = self.required_text()?;
        known.iter().find(|(name, _)| *name == found).map(|(_, value)| *value).ok_or_else(|| {
            PredicateError::NotOneOf {
                at: self.at.clone(),
                found,
                known: known.iter().map(|(name, _)| *name).collect(),
            }
        })
    }

    pub(super) fn missing(&self) -> PredicateError {
        PredicateError::Missing { at: self.at.clone() }
    }

    pub(super) fn at(&self) -> &str {
        &self.at
    }

    fn wrong(&self, expected: &'static str, found: &Value) -> PredicateError {
        PredicateError::Kind { at: self.at.clone(), expected, found: found.kind() }
    }
}

/// RFC 3339 in UTC, written with `T` and `Z` (in-toto/attestation `spec/v1/field_types.md`, Timestamp).
#[must_use]
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.strip_suffix('Z')?.split_at_checked(19)?;
    let shape = whole.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let digits = fraction.strip_prefix('.').unwrap_or("0");
    let exact = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let plain = fraction.is_empty() || fraction.starts_with('.');
    // A leap second is RFC 3339, and most readers of it refuse one.
    let leap = whole.ends_with(":60");
    (shape && exact && plain && !leap).then(|| text.parse().ok())?
}

/// Whether `text` is base64, with or without its padding, in the standard or the URL-safe alphabet.
pub(crate) fn is_base64(text: &str) -> bool {
    [&STANDARD, &URL_SAFE].iter().any(|engine| engine.decode(text).is_ok())
}

/// Whether `text` has the form of an absolute URI.
#[must_use]
pub fn is_uri(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
            && !rest.is_empty()
            && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_nothing_else() {
        for good in ["2026-03-01T00:00:00Z", "1985-04-12T23:20:50.52Z", "2026-03-01T00:00:00.123456789Z"] {
            assert!(parse_time(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "Z",
            "2026-03-01",
            "2026-03-01T00:00:00",
            "2026-03-01T00:00:00+00:00",
            "2026-03-01T01:00:00+01:00",
            "2026-03-01 00:00:00Z",
            "2026-03-01t00:00:00Z",
            "2026-03-01T00:00:00z",
            "2026-03-01T00:00:00.Z",
            "2026-03-01T00:00:00.1234567890Z",
            "2026-03-01T00:00:00,5Z",
            "2026-02-30T00:00:00Z",
            "2026-03-01T24:00:00Z",
            "2016-12-31T23:59:60Z",
            "2016-12-31T23:59:60.5Z",
            "+02026-03-01T00:00:00Z",
            "2026-03-01T00:00:00[UTC]Z",
            "2026-03-01T00:00:0é0Z",
        ] {
            assert!(parse_time(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_uri_has_a_scheme() {
        for good in ["https://a", "urn:x", "pkg:a/b@1", "git+https://x@y"] {
            assert!(is_uri(good), "{good}");
        }
        for good in ["", "eA==", "eA", "-_8=", "+/8="] {
            assert!(is_base64(good), "{good}");
        }
        for bad in ["e", "eA===", "e A=", "eA==\n", "é", "+_8="] {
            assert!(!is_base64(bad), "{bad}");
        }
        for bad in ["", "a", ":x", "https:", "1a:b", "a b:c", "https://a b", "x:\u{0}"] {
            assert!(!is_uri(bad), "{bad}");
        }
    }
}
