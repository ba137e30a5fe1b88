//! Text to print: foreign text made safe, because names and certificate fields may carry terminal escapes or reordering
//! marks, and bytes in hexadecimal.

use std::fmt::{self, Write};

/// Displays `0` with every control character and every invisible direction mark written as `\u{..}`.
///
/// ```
/// # use modelseal_core::text::Printable;
/// assert_eq!(Printable("a\x1b[2Jb\u{202e}").to_string(), "a\\u{1b}[2Jb\\u{202e}");
/// assert_eq!(Printable("模型 é.bin").to_string(), "模型 é.bin");
/// ```
#[derive(Clone, Copy)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_unsafe_to_print(c) { write!(f, "{}", c.escape_unicode())? } else { f.write_char(c)? }
        }
        Ok(())
    }
}

/// Displays `0` as one word of a POSIX shell, for advice that people paste: a quote in a certificate's name must not
/// become a command.
///
/// ```
/// # use modelseal_core::text::ShellQuoted;
/// assert_eq!(ShellQuoted("CN=it's $(me)").to_string(), r"'CN=it'\''s $(me)'");
/// ```
#[derive(Clone, Copy)]
pub struct ShellQuoted<'a>(pub &'a str);

impl fmt::Display for ShellQuoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", Printable(&self.0.replace('\'', "'\\''")))
    }
}

/// Lowercase hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Whether a terminal or a reader could be misled by `c`: controls, direction marks, zero-width and line separators.
#[must_use]
pub fn is_unsafe_to_print(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
