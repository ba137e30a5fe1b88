//! Names as text that is safe to show and that two different names never share.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use der::Encode;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use modelseal_core::text::hex;

/// One entry of a certificate's subjectAltName extension (RFC 5280 section 4.2.1.6).
///
/// Holds the text as the certificate has it, for exact comparison. `Display` is for people: control characters,
/// invisible and bidirectional formatting characters, and the backslash are written as `\XX`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectAltName {
    /// `rfc822Name`: an e-mail address.
    Email(String),
    /// `uniformResourceIdentifier`.
    Uri(String),
    /// `dNSName`.
    Dns(String),
    /// `iPAddress`, in its usual text form; hexadecimal when it is neither 4 nor 16 bytes long.
    Ip(String),
    /// `directoryName`, as [`Certificate::subject`](super::Certificate::subject) writes names.
    Directory(String),
    /// Any other kind: the hexadecimal DER of the whole entry.
    Other(String),
}

impl SubjectAltName {
    /// The kind of name, as OpenSSL abbreviates it: `email`, `URI`, `DNS`, `IP`, `dirName`, `other`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Uri(_) => "URI",
            Self::Dns(_) => "DNS",
            Self::Ip(_) => "IP",
            Self::Directory(_) => "dirName",
            Self::Other(_) => "other",
        }
    }

    /// The name itself, unescaped: for comparison, not for a terminal.
    #[must_use]
    pub fn value(&self) -> &str {
        match self {
            Self::Email(value)
            | Self::Uri(value)
            | Self::Dns(value)
            | Self::Ip(value)
            | Self::Directory(value)
            | Self::Other(value) => value,
        }
    }

    pub(super) fn new(name: &GeneralName) -> Self {
        match name {
            GeneralName::Rfc822Name(email) => Self::Email(email.as_str().to_owned()),
            GeneralName::UniformResourceIdentifier(uri) => Self::Uri(uri.as_str().to_owned()),
            GeneralName::DnsName(dns) => Self::Dns(dns.as_str().to_owned()),
            GeneralName::DirectoryName(name) => Self::Directory(rfc4514(name)),
            GeneralName::IpAddress(bytes) => {
                let bytes = bytes.as_bytes();
                let v4 = <[u8; 4]>::try_from(bytes).map(|octets| Ipv4Addr::from(octets).to_string());
                let v6 = || <[u8; 16]>::try_from(bytes).map(|octets| Ipv6Addr::from(octets).to_string());
                Self::Ip(v4.or_else(|_| v6()).unwrap_or_else(|_| hex(bytes)))
            }
            other => Self::Other(other.to_der().map(|der| hex(&der)).unwrap_or_default()),
        }
    }
}

impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match self {
            Self::Directory(already_escaped) => already_escaped.clone(),
            other => escape(&other.value().replace('\\', "\\5C")),
        };
        write!(f, "{}:{value}", self.kind())
    }
}

/// A distinguished name as RFC 4514 text, the last attribute first: `CN=release,O=Example`.
///
/// RFC 4514 lets most of Unicode stand as it is; characters that a terminal obeys or hides are escaped here too.
pub(super) fn rfc4514(name: &Name) -> String {
    escape(&name.to_string())
}

/// Writes characters that move a cursor, hide or reorder text as `\XX`, one for each UTF-8 byte (RFC 4514 section 2.4).
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_formatting(c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                safe.push_str(&format!("\\{byte:02X}"));
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Unicode's invisible and bidirectional formatting characters, line separators, and tags.
fn is_formatting(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[test]
    fn names_cannot_drive_a_terminal() {
        let name = Name::from_str("CN=a\u{202e}b\u{9b}c\\1b[2J,O=x\\, y").unwrap();
        let text = rfc4514(&name);
        assert_eq!(text, "CN=a\\E2\\80\\AEb\\C2\\9Bc\\1b[2J,O=x\\, y");
        let san = SubjectAltName::Email("a\u{1b}]0;x\u{7}\\1B@b".to_owned());
        assert_eq!(san.to_string(), "email:a\\1B]0;x\\07\\5C1B@b");
    }

    #[test]
    fn different_names_have_different_text() {
        let comma = rfc4514(&Name::from_str("CN=a\\,O=b").unwrap());
        let two = rfc4514(&Name::from_str("O=b,CN=a").unwrap());
        assert_ne!(comma, two);
        let raw = SubjectAltName::Email("a\nb".to_owned()).to_string();
        let written = SubjectAltName::Email("a\\0Ab".to_owned()).to_string();
        assert_ne!(raw, written);
    }
}
