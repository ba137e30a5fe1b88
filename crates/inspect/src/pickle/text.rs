//! Text and numbers of protocol 0 and their escapes, read as Python reads them.

use modelseal_core::text::Printable;

/// Whether Python decodes this as UTF-8 with the surrogates that its pickler lets pass. A text that was cut may end within
/// a character.
pub(super) fn is_python_utf8(mut bytes: &[u8], whole: bool) -> bool {
    loop {
        let Err(error) = std::str::from_utf8(bytes) else { return true };
        let rest = &bytes[error.valid_up_to()..];
        match rest {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, after @ ..] => bytes = after,
            _ => return !whole && error.error_len().is_none(),
        }
    }
}

/// The text of `STRING`: what stands between quotes, with the escapes of Python 2. None when Python refuses it.
pub(super) fn unquote(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.trim_ascii_end();
    let (first, last) = (*line.first()?, *line.last()?);
    if line.len() < 2 || first != last || (first != b'"' && first != b'\'') {
        return None;
    }
    let mut rest = &line[1..line.len() - 1];
    let mut text = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        let (&escape, after) = rest.split_first()?;
        rest = after;
        match escape {
            b'\n' => {}
            b'\\' | b'\'' | b'"' => text.push(escape),
            b'a' => text.push(7),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'v' => text.push(11),
            b'0'..=b'7' => {
                let mut value = u32::from(escape - b'0');
                for _ in 0..2 {
                    let Some((&digit @ b'0'..=b'7', after)) = rest.split_first() else { break };
                    value = value * 8 + u32::from(digit - b'0');
                    rest = after;
                }
                text.push((value & 0xff).to_le_bytes()[0]);
            }
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                text.push(u8::try_from(hex(digits)?).ok()?);
                rest = after;
            }
            // An escape that does not exist stands for itself.
            _ => text.extend_from_slice(&[b'\\', escape]),
        }
    }
    Some(text)
}

/// The text of `UNICODE`: Latin-1 with `\u` and `\U`. Surrogates come out as the replacement character.
pub(super) fn raw_unicode_escape(line: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            text.push(char::from(byte));
            continue;
        }
        let digits = match rest.split_first() {
            Some((b'u', _)) => 4,
            Some((b'U', _)) => 8,
            Some((&other, after)) => {
                text.push('\\');
                text.push(char::from(other));
                rest = after;
                continue;
            }
            None => {
                text.push('\\');
                break;
            }
        };
        let (escaped, after) = rest[1..].split_at_checked(digits)?;
        let code = hex(escaped)?;
        text.push(match char::from_u32(code) {
            Some(c) => c,
            None if code <= 0x10_ffff => char::REPLACEMENT_CHARACTER,
            None => return None,
        });
        rest = after;
    }
    Some(text)
}

/// What `int()` makes of it: none when it refuses, `Some(None)` when it does not fit 64 bits.
pub(super) fn int(text: &[u8]) -> Option<Option<i64>> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(trim(text)).ok()?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let good = !digits.is_empty()
        && digits
            .split('_')
            .all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    if !good {
        return None;
    }
    let plain = text.replace('_', "");
    Some(plain.parse().ok())
}

/// What `int(text, 0)` makes of it, or C's `strtol` with its octal digits: none when both refuse it, `Some(None)` when it
/// does not fit 64 bits. C ends at the first NUL.
pub(super) fn int_of_any_base(text: &[u8]) -> Option<Option<i64>> {
    let is_empty = text.is_empty();
    let text = trim(text.split(|&byte| byte == 0).next().unwrap_or_default());
    if text.is_empty() {
        // C takes none of digits for zero.
        return (!is_empty).then_some(Some(0));
    }
    let (sign, digits) = match text.split_first() {
        Some((&(b'+' | b'-'), digits)) => (text[0] == b'-', digits),
        _ => (false, text),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'o' | b'O', rest @ ..] => (8, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        [b'0', rest @ ..] if !rest.is_empty() && rest.iter().all(|byte| (b'0'..=b'7').contains(byte)) => {
            (8, digits)
        }
        _ => return int(text),
    };
    // One underscore may follow the prefix.
    let digits = digits.strip_prefix(b"_").unwrap_or(digits);
    let good = digits
        .split(|&byte| byte == b'_')
        .all(|group| !group.is_empty() && group.iter().all(|&byte| char::from(byte).is_digit(radix)));
    if !good {
        return None;
    }
    let plain: String = digits.iter().filter(|&&byte| byte != b'_').map(|&byte| char::from(byte)).collect();
    let number = i64::from_str_radix(&plain, radix).ok();
    Some(if sign { number.and_then(i64::checked_neg) } else { number })
}

/// Without what Python takes for blanks.
fn trim(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b'\t'..=b'\r' | 0x1c..=0x20);
    let start = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

/// Whether `float()` takes it.
pub(super) fn is_float(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(trim(text.split(|&byte| byte == 0).next().unwrap_or_default())) else {
        return false;
    };
    let plain = text.replace('_', "");
    plain.parse::<f64>().is_ok()
}

/// For people: quoted, printable and short.
pub(super) fn quoted(bytes: &[u8], whole: bool) -> String {
    const MOST: usize = 80;
    let shown = &bytes[..bytes.len().min(MOST)];
    let text = match std::str::from_utf8(shown) {
        Ok(text) => format!("'{}", Printable(text)),
        Err(_) => format!("'{}", shown.escape_ascii()),
    };
    if whole && shown.len() == bytes.len() { text + "'" } else { text + "'…" }
}

fn hex(digits: &[u8]) -> Option<u32> {
    // `from_str_radix` takes a sign.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_unquoted_as_python_does() {
        assert_eq!(unquote(br"'a\x62\143\n'").unwrap(), b"abc\n");
        assert_eq!(unquote(br#""it's" "#).unwrap(), b"it's");
        assert_eq!(unquote(br"'\q'").unwrap(), br"\q");
        for bad in [&b"'a"[..], b"a", b"'", br"'\x6'", b"\"a'", b""] {
            assert!(unquote(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn unicode_is_unescaped_as_python_does() {
        assert_eq!(raw_unicode_escape(br"\u0065val").unwrap(), "eval");
        assert_eq!(raw_unicode_escape(br"\\u0065").unwrap(), r"\\u0065");
        assert_eq!(raw_unicode_escape(b"\xe9\\U0001f600").unwrap(), "é😀");
        assert!(raw_unicode_escape(br"\u00").is_none() && raw_unicode_escape(br"\u+065").is_none());
    }

    #[test]
    fn numbers_are_read_as_python_does() {
        assert_eq!(int(b" 1_000 "), Some(Some(1000)));
        assert_eq!(int(b"-7"), Some(Some(-7)));
        assert_eq!(int(b"99999999999999999999"), Some(None));
        for bad in [&b""[..], b"1__0", b"_1", b"0x1", b"--1", b"1 2"] {
            assert!(int(bad).is_none(), "{bad:?}");
        }
        let any = int_of_any_base;
        assert_eq!(
            (any(b"0x10"), any(b"-0x5"), any(b"0o17")),
            (Some(Some(16)), Some(Some(-5)), Some(Some(15)))
        );
        assert_eq!(
            (any(b"0b1"), any(b" 1_0\x0b"), any(b"0x_f")),
            (Some(Some(1)), Some(Some(10)), Some(Some(15)))
        );
        assert_eq!((any(b"017"), any(b"7\0x"), any(b"0")), (Some(Some(15)), Some(Some(7)), Some(Some(0))));
        for bad in [&b""[..], b"0x", b"0xg", b"0x1__0", b"0o8", b"0b2", b"--1"] {
            assert!(any(bad).is_none(), "{bad:?}");
        }
        assert!(is_float(b"1_0") && is_float(b"inf") && is_float(b"-NaN") && is_float(b"Infinity"));
        assert!(is_float(b"1.5e3") && is_float(b"nan") && !is_float(b"1.2.3"));
    }

    #[test]
    fn numbers_are_read_as_c_does() {
        for (text, number) in [
            (&b"0x10"[..], 16),
            (b"-0X1f", -31),
            (b"0o17", 15),
            (b"0b11", 3),
            (b"010", 8),
            (b" \x0b7 ", 7),
            (b"5\0junk", 5),
            (b"\0\0{", 0),
            (b" ", 0),
            (b"0x1_0", 16),
            (b"12", 12),
        ] {
            assert_eq!(int_of_any_base(text), Some(Some(number)), "{text:?}");
        }
        for bad in [&b""[..], b"0x", b"0xg", b"x", b"0b2"] {
            assert!(int_of_any_base(bad).is_none(), "{bad:?}");
        }
        assert!(is_float(b"1.5\0x") && int(b"1\0x") == Some(Some(1)));
    }

    #[test]
    fn surrogates_pass_and_other_errors_do_not() {
        assert!(is_python_utf8(b"a\xed\xa0\x80b", true));
        assert!(!is_python_utf8(b"\xff", true));
        assert!(is_python_utf8(b"a\xe2\x82", false) && !is_python_utf8(b"a\xe2\x82", true));
    }
}
