//! DER, as much of it as certificates, CMS and certificate requests need: write any value, read the next one.

use crate::time::generalized;

pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const BOOLEAN: u8 = 0x01;

/// One value: tag, length, content.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().position(|b| *b != 0).unwrap_or(length.len() - 1)..];
    if content.len() >= 128 {
        out.push(0x80 | u8::try_from(significant.len()).expect("at most 8"));
    }
    out.extend_from_slice(significant);
    out.extend_from_slice(content);
    out
}

/// SEQUENCE of the parts, which are values already.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// SET OF the parts, in the order DER asks for.
pub(crate) fn set(parts: &[&[u8]]) -> Vec<u8> {
    let mut sorted = parts.to_vec();
    sorted.sort();
    tlv(SET, &sorted.concat())
}

/// INTEGER from big-endian bytes without a sign.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    let mut content = Vec::new();
    if bytes.get(start).is_none_or(|first| first & 0x80 != 0) {
        content.push(0);
    }
    content.extend_from_slice(&bytes[start..]);
    tlv(INTEGER, &content)
}

/// INTEGER of a small number.
pub(crate) fn small(value: u8) -> Vec<u8> {
    unsigned(&[value])
}

/// OCTET STRING.
pub(crate) fn octets(content: &[u8]) -> Vec<u8> {
    tlv(OCTET_STRING, content)
}

/// BIT STRING of whole bytes.
pub(crate) fn bits(content: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[0], content].concat())
}

/// BOOLEAN TRUE.
pub(crate) fn yes() -> Vec<u8> {
    tlv(BOOLEAN, &[0xff])
}

/// UTF8String.
pub(crate) fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0c, text.as_bytes())
}

/// OBJECT IDENTIFIER from dotted numbers.
pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u64> = dotted.split('.').map(|arc| arc.parse().expect("numbers and dots")).collect();
    let mut content = Vec::new();
    for arc in [&[arcs[0] * 40 + arcs[1]], &arcs[2..]].concat() {
        let mut groups = vec![u8::try_from(arc & 0x7f).expect("seven bits")];
        let mut rest = arc >> 7;
        while rest > 0 {
            groups.push(0x80 | u8::try_from(rest & 0x7f).expect("seven bits"));
            rest >>= 7;
        }
        content.extend(groups.iter().rev());
    }
    tlv(OBJECT_IDENTIFIER, &content)
}

/// Time of a certificate: UTCTime until 2049, GeneralizedTime after (RFC 5280 4.1.2.5).
pub(crate) fn time(seconds: i64) -> Vec<u8> {
    let text = generalized(seconds);
    if ("1950".."2050").contains(&&text[..4]) {
        tlv(0x17, &text.as_bytes()[2..])
    } else {
        tlv(0x18, text.as_bytes())
    }
}

/// GeneralizedTime, as timestamps want it always.
pub(crate) fn generalized_time(seconds: i64) -> Vec<u8> {
    tlv(0x18, generalized(seconds).as_bytes())
}

/// A value of untrusted input.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    /// The tag byte.
    pub(crate) tag: u8,
    /// Without tag and length.
    pub(crate) content: &'a [u8],
    /// With them.
    pub(crate) whole: &'a [u8],
}

/// Reads values one after the other.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next value, or nothing at the end and where there is none.
    pub(crate) fn next(&mut self) -> Option<Value<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let (bytes, after) = rest.split_at_checked(count)?;
            length = bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            rest = after;
        }
        let (content, after) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - after.len()];
        self.0 = after;
        Some(Value { tag, content, whole })
    }

    /// The next value, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<Value<'a>> {
        self.next().filter(|value| value.tag == tag)
    }

    /// The tag of the next value.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_bytes() {
        assert_eq!(oid("1.2.840.10045.4.3.2"), [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
        assert_eq!(unsigned(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned(&[0, 0]), [2, 1, 0]);
        assert_eq!(tlv(4, &[7; 200])[..3], [4, 0x81, 200]);
        let long = tlv(4, &[7; 300]);
        let value = Reader(&long).expect(OCTET_STRING).unwrap();
        assert_eq!((value.content.len(), value.whole.len()), (300, 304));
        assert!(Reader(&long[..100]).next().is_none());
    }
}
