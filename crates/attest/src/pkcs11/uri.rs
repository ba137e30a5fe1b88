//! PKCS#11 URIs (RFC 7512): which module, which token, which key, and where the PIN is.

use super::pin::{Pin, PinError};
use modelseal_core::text::Printable;
use std::{
    fmt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Longest URI that is read, in bytes. Labels have at most 32 bytes; paths may be long.
pub const MAX_URI_BYTES: usize = 16 * 1024;

/// A PKCS#11 URI that names a private key. Neither `Debug` nor `Display` shows a PIN.
#[derive(Debug)]
pub struct Uri {
    pub(super) token: TokenAttributes,
    pub(super) object: Option<Vec<u8>>,
    pub(super) id: Option<Vec<u8>>,
    pub(super) module_path: Option<PathBuf>,
    pub(super) module_name: Option<String>,
    pub(super) pin: Option<PinSource>,
}

/// What a token must be. An attribute that is absent matches every token.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct TokenAttributes {
    pub(super) label: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) manufacturer: Option<String>,
    pub(super) model: Option<String>,
    pub(super) slot: Option<u64>,
}

/// Where the URI says that the PIN is.
pub(super) enum PinSource {
    Value(Zeroizing<Vec<u8>>),
    File(PathBuf),
}

/// Why text is no PKCS#11 URI of a private key. No message holds the value of an attribute with a PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UriError {
    /// It does not begin with `pkcs11:`.
    Scheme,
    /// It has more bytes than [`MAX_URI_BYTES`].
    TooLong(usize),
    /// A part between separators is not `name=value`.
    NotAnAttribute {
        /// How many parts came before it.
        position: usize,
    },
    /// An attribute is there twice.
    Duplicate(String),
    /// An attribute that we do not know, or not in this half of the URI.
    Unknown {
        /// Its name.
        name: String,
        /// Whether it stands after the question mark.
        in_query: bool,
    },
    /// A value holds a character that has to be percent-encoded there, or a wrong percent-encoding.
    Encoding {
        /// The attribute.
        name: String,
        /// Bytes of the value before it.
        position: usize,
    },
    /// A value cannot be what it should be.
    Value {
        /// The attribute.
        name: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Both `pin-value` and `pin-source`.
    TwoPins,
}

impl Uri {
    /// Reads a URI.
    ///
    /// Path attributes: `token`, `serial`, `manufacturer`, `model`, `slot-id`, `object`, `id`, `type` (`private` only).
    /// Query attributes: `module-path`, `module-name`, `pin-value`, `pin-source` (a file).
    ///
    /// # Errors
    /// [`UriError`] when it is none, says something twice, or asks for something that we do not know.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_URI_BYTES {
            return Err(UriError::TooLong(text.len()));
        }
        let rest = match text.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("pkcs11:") => rest,
            _ => return Err(UriError::Scheme),
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let mut path = Attributes::read(path, false)?;
        let mut query = Attributes::read(query.unwrap_or_default(), true)?;

        let token = TokenAttributes {
            label: path.text("token")?,
            serial: path.text("serial")?,
            manufacturer: path.text("manufacturer")?,
            model: path.text("model")?,
            slot: path.number("slot-id")?,
        };
        let object = path.take("object").map(|v| v.to_vec());
        let id = path.take("id").map(|v| v.to_vec());
        if path.take("type").is_some_and(|kind| kind.as_slice() != b"private") {
            return Err(value("type", "'private': the URI names the key that signs"));
        }
        let module_path = path_of(query.text("module-path")?, "module-path")?;
        let module_name = query.text("module-name")?;
        if module_name.as_deref().is_some_and(|name| name.is_empty() || name.contains(['/', '\\', '\0'])) {
            return Err(value("module-name", "a name without directories"));
        }
        let pin = match (query.take("pin-value"), query.text("pin-source")?) {
            (Some(_), Some(_)) => return Err(UriError::TwoPins),
            (Some(pin), None) => Some(PinSource::Value(pin)),
            (None, Some(source)) => Some(PinSource::File(pin_file(&source)?)),
            (None, None) => None,
        };
        path.finish()?;
        query.finish()?;
        Ok(Self { token, object, id, module_path, module_name, pin })
    }

    /// Whether the URI says where the PIN is.
    #[must_use]
    pub fn has_pin(&self) -> bool {
        self.pin.is_some()
    }

    /// The key's part of the URI, for messages.
    pub(super) fn key_text(&self) -> String {
        let object = self.object.as_deref().map(|object| format!("object={}", encoded(object)));
        let id = self.id.as_deref().map(|id| format!("id={}", encoded(id)));
        joined([object, id])
    }
}

impl TokenAttributes {
    /// As in a URI, for messages.
    pub(super) fn text(&self) -> String {
        let text = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{name}={}", encoded(value.as_bytes())))
        };
        joined([
            text("token", &self.label),
            text("serial", &self.serial),
            text("manufacturer", &self.manufacturer),
            text("model", &self.model),
            self.slot.map(|slot| format!("slot-id={slot}")),
        ])
    }
}

impl PinSource {
    pub(super) fn read(&self) -> Result<Pin, PinError> {
        match self {
            Self::Value(pin) => Pin::new(pin.clone()),
            Self::File(path) => Pin::from_file(path),
        }
    }
}

/// Without the value of the PIN.
impl fmt::Debug for PinSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(..)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// The token and the key, which is what the URI is about; neither where the module is nor a PIN.
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.token.text(), self.key_text()];
        write!(f, "pkcs11:{}", joined(parts.map(|part| Some(part).filter(|part| !part.is_empty()))))
    }
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the PKCS#11 URI is wrong: ")?;
        match self {
            Self::Scheme => f.write_str("it does not begin with 'pkcs11:'"),
            Self::TooLong(size) => write!(f, "it has {size} bytes, at most {MAX_URI_BYTES}"),
            Self::NotAnAttribute { position } => write!(f, "part {} is not name=value", position + 1),
            Self::Duplicate(name) => write!(f, "'{}' is there twice", Printable(name)),
            Self::Unknown { name, in_query } => {
                let (half, known, separator) = if *in_query {
                    ("after the '?'", &QUERY[..], "joined by '&'")
                } else {
                    ("before the '?'", &PATH[..], "joined by ';'")
                };
                write!(
                    f,
                    "'{}' is not known {half}; known there, {separator}, are {}",
                    Printable(name),
                    known.join(", ")
                )
            }
            Self::Encoding { name, position } => write!(
                f,
                "the value of '{name}' holds, after {position} bytes, something that must be percent-encoded there \
                 (a space is %20, a semicolon %3B)"
            ),
            Self::Value { name, expected } => write!(f, "the value of '{name}' must be {expected}"),
            Self::TwoPins => f.write_str("'pin-value' and 'pin-source' exclude each other"),
        }
    }
}

impl std::error::Error for UriError {}

const PATH: [&str; 8] = ["token", "serial", "manufacturer", "model", "slot-id", "object", "id", "type"];
const QUERY: [&str; 4] = ["module-path", "module-name", "pin-value", "pin-source"];

/// The attributes of one half, each taken out once. Values may be PINs, so they are wiped.
struct Attributes {
    values: Vec<(String, Zeroizing<Vec<u8>>)>,
    in_query: bool,
}

impl Attributes {
    fn read(half: &str, in_query: bool) -> Result<Self, UriError> {
        let mut values: Vec<(String, Zeroizing<Vec<u8>>)> = Vec::new();
        if half.is_empty() {
            return Ok(Self { values, in_query });
        }
        for (position, part) in half.split(if in_query { '&' } else { ';' }).enumerate() {
            let (name, value) = part.split_once('=').ok_or(UriError::NotAnAttribute { position })?;
            let known: &[&str] = if in_query { &QUERY } else { &PATH };
            if !known.contains(&name) {
                return Err(UriError::Unknown { name: name.to_owned(), in_query });
            }
            if values.iter().any(|(earlier, _)| earlier == name) {
                return Err(UriError::Duplicate(name.to_owned()));
            }
            values.push((name.to_owned(), decoded(name, value, in_query)?));
        }
        Ok(Self { values, in_query })
    }

    fn take(&mut self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        let index = self.values.iter().position(|(other, _)| other == name)?;
        Some(self.values.swap_remove(index).1)
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, UriError> {
        let Some(bytes) = self.take(name) else { return Ok(None) };
        match std::str::from_utf8(&bytes) {
            Ok(text) if !text.contains('\0') => Ok(Some(text.to_owned())),
            _ => Err(value(name, "UTF-8 text")),
        }
    }

    fn number(&mut self, name: &str) -> Result<Option<u64>, UriError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let digits = Some(text).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let number = digits.and_then(|text| text.parse().ok());
        number.map(Some).ok_or_else(|| value(name, "a decimal number"))
    }

    /// Nothing may be left over.
    fn finish(mut self) -> Result<(), UriError> {
        match self.values.pop() {
            Some((name, _)) => Err(UriError::Unknown { name, in_query: self.in_query }),
            None => Ok(()),
        }
    }
}

/// Decodes a value, which may hold what RFC 7512 §2.3 allows (`pk11-pchar` or `pk11-qchar`).
fn decoded(name: &str, value: &str, in_query: bool) -> Result<Zeroizing<Vec<u8>>, UriError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        let wrong = || UriError::Encoding { name: name.to_owned(), position: bytes.len() };
        let byte = match byte {
            b'%' => match (rest.next().and_then(nibble), rest.next().and_then(nibble)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(wrong()),
            },
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => byte,
            _ if b"-._~:[]@!$'()*+,=".contains(&byte) => byte,
            b'&' if !in_query => byte,
            b'/' | b'?' | b'|' if in_query => byte,
            _ => return Err(wrong()),
        };
        bytes.push(byte);
    }
    Ok(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Percent-encodes everything but the plainest characters: safe to print, and to paste into a URI.
pub(super) fn encoded(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    for &byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(";")
}

fn value(name: &str, expected: &'static str) -> UriError {
    UriError::Value { name: name.to_owned(), expected }
}

fn path_of(text: Option<String>, name: &str) -> Result<Option<PathBuf>, UriError> {
    match text {
        Some(text) if !Path::new(&text).is_absolute() => Err(value(name, "an absolute path")),
        text => Ok(text.map(PathBuf::from)),
    }
}

/// `file:/path`, `file:///path` or a path. RFC 7512 also has `|command`; we run none.
fn pin_file(source: &str) -> Result<PathBuf, UriError> {
    let path = match source.strip_prefix("file:") {
        Some(rest) => match rest.strip_prefix("//") {
            Some(path) => path.strip_prefix("localhost").unwrap_or(path),
            None => rest,
        },
        None => source,
    };
    let path = Path::new(path);
    if path.is_absolute() {
        Ok(path.to_owned())
    } else {
        Err(value("pin-source", "a file, as 'file:/path' or '/path'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_read() {
        let uri = Uri::parse(
            "pkcs11:token=My%20token;serial=0A;manufacturer=SoftHSM%20project;model=v2;slot-id=18446744073709551615;\
             object=k%C3%A9y&1;id=%00%ff;type=private?module-path=/usr/lib/x.so&module-name=x&pin-value=1%2634",
        )
        .unwrap();
        let token = TokenAttributes {
            label: Some("My token".to_owned()),
            serial: Some("0A".to_owned()),
            manufacturer: Some("SoftHSM project".to_owned()),
            model: Some("v2".to_owned()),
            slot: Some(u64::MAX),
        };
        assert_eq!(uri.token, token);
        assert_eq!(uri.object.as_deref(), Some("kéy&1".as_bytes()));
        assert_eq!(uri.id.as_deref(), Some(&[0, 255][..]));
        assert_eq!(uri.module_path.as_deref(), Some(Path::new("/usr/lib/x.so")));
        assert_eq!(uri.module_name.as_deref(), Some("x"));
        assert!(matches!(&uri.pin, Some(PinSource::Value(pin)) if pin.as_slice() == b"1&34"));
    }

    #[test]
    fn an_empty_uri_asks_for_nothing() {
        let uri = Uri::parse("PKCS11:").unwrap();
        assert_eq!(uri.token, TokenAttributes::default());
        assert!(uri.object.is_none() && uri.id.is_none() && !uri.has_pin());
        assert_eq!(uri.to_string(), "pkcs11:");
    }

    #[test]
    fn a_pin_source_is_a_file() {
        for source in
            ["/etc/pin", "file:/etc/pin", "file:///etc/pin", "file://localhost/etc/pin", "%2fetc/pin"]
        {
            let uri = Uri::parse(&format!("pkcs11:?pin-source={source}")).unwrap();
            assert!(
                matches!(&uri.pin, Some(PinSource::File(path)) if path == Path::new("/etc/pin")),
                "{source}"
            );
        }
        for source in ["|/bin/cat%20/etc/pin", "pin", "file:pin", "file://elsewhere/etc/pin", ""] {
            let error = Uri::parse(&format!("pkcs11:?pin-source={source}")).unwrap_err();
            assert!(matches!(error, UriError::Value { ref name, .. } if name == "pin-source"), "{source}");
        }
    }

    #[test]
    fn wrong_uris_are_refused_by_name() {
        let unknown = |name: &str, in_query| UriError::Unknown { name: name.to_owned(), in_query };
        let encoding = |name: &str, position| UriError::Encoding { name: name.to_owned(), position };
        for (text, error) in [
            ("", UriError::Scheme),
            ("pkcs1", UriError::Scheme),
            ("pkcs12:token=x", UriError::Scheme),
            ("pkcs11ü:x", UriError::Scheme),
            ("pkcs11:token", UriError::NotAnAttribute { position: 0 }),
            ("pkcs11:token=a;", UriError::NotAnAttribute { position: 1 }),
            ("pkcs11:token=a;;id=%01", UriError::NotAnAttribute { position: 1 }),
            ("pkcs11:token=a;token=a", UriError::Duplicate("token".to_owned())),
            ("pkcs11:?pin-value=1&pin-value=1", UriError::Duplicate("pin-value".to_owned())),
            ("pkcs11:pin-value=1", unknown("pin-value", false)),
            ("pkcs11:?token=a", unknown("token", true)),
            ("pkcs11:Token=a", unknown("Token", false)),
            ("pkcs11:library-version=1", unknown("library-version", false)),
            ("pkcs11:?x-vendor=1", unknown("x-vendor", true)),
            ("pkcs11:token=a b", encoding("token", 1)),
            ("pkcs11:token=a/b", encoding("token", 1)),
            ("pkcs11:token=é", encoding("token", 0)),
            ("pkcs11:id=%0", encoding("id", 0)),
            ("pkcs11:id=%01%0g", encoding("id", 1)),
            ("pkcs11:id=%+1", encoding("id", 0)),
            ("pkcs11:token=%ff", value("token", "UTF-8 text")),
            ("pkcs11:token=a%00", value("token", "UTF-8 text")),
            ("pkcs11:slot-id=", value("slot-id", "a decimal number")),
            ("pkcs11:slot-id=+1", value("slot-id", "a decimal number")),
            ("pkcs11:slot-id=18446744073709551616", value("slot-id", "a decimal number")),
            ("pkcs11:?module-path=x.so", value("module-path", "an absolute path")),
            ("pkcs11:?module-name=../x", value("module-name", "a name without directories")),
            ("pkcs11:?pin-value=1&pin-source=/x", UriError::TwoPins),
        ] {
            assert_eq!(Uri::parse(text).unwrap_err(), error, "{text}");
        }
        assert!(matches!(Uri::parse("pkcs11:type=cert"), Err(UriError::Value { .. })));
        let long = format!("pkcs11:token={}", "a".repeat(MAX_URI_BYTES));
        assert_eq!(Uri::parse(&long).unwrap_err(), UriError::TooLong(long.len()));
    }

    #[test]
    fn the_pin_is_in_no_output() {
        let uri = Uri::parse("pkcs11:token=a;object=b?module-name=m&pin-value=8675309").unwrap();
        assert_eq!(uri.to_string(), "pkcs11:token=a;object=b");
        assert!(!format!("{uri:?}").contains("8675309"), "{uri:?}");
        for wrong in [
            "pkcs11:?pin-value=8675309%",
            "pkcs11:?pin-value=8675309 ",
            "pkcs11:?pin-value=8675309&pin-value=8675309",
            "pkcs11:?pin-value=8675309&pin-source=/x",
            "pkcs11:?pin-value=8675309&8675309",
            "pkcs11:pin-value=8675309",
        ] {
            let error = Uri::parse(wrong).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("8675309"), "{error}");
        }
    }

    #[test]
    fn names_in_messages_can_be_pasted_into_a_uri() {
        let label = "a;b c%\u{1b}é";
        let uri = Uri::parse(&format!("pkcs11:object={}", encoded(label.as_bytes()))).unwrap();
        assert_eq!(uri.object.as_deref(), Some(label.as_bytes()));
        assert_eq!(uri.key_text(), "object=a%3Bb%20c%25%1B%C3%A9");
    }

    #[test]
    fn a_pin_in_the_uri_is_read_as_it_is() {
        let uri = Uri::parse("pkcs11:?pin-value=").unwrap();
        assert_eq!(uri.pin.unwrap().read().unwrap_err(), PinError::Empty);
    }
}
