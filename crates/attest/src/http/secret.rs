//! [`Secret`]: text that is wiped from memory, and never shown.

use std::fmt;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// A token, password or client secret. Wiped when dropped; `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, ZeroizeOnDrop)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text as it is: whoever reads it from a file or terminal cuts the line end off first.
    #[must_use]
    pub fn new(text: impl Into<Zeroizing<String>>) -> Self {
        Self(text.into())
    }

    /// The text, for the place where it is used.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// `text` with every piece of a secret replaced: a server may repeat in its answer what it was sent, whole or cut off.
///
/// A piece is [`PIECE`] bytes or more; a secret shorter than that is found whole.
pub(super) fn redacted(text: &str, secrets: &[Secret]) -> String {
    let bytes = text.as_bytes();
    let mut hidden = vec![false; bytes.len()];
    for secret in secrets.iter().map(|secret| secret.reveal().as_bytes()).filter(|s| !s.is_empty()) {
        let piece = secret.len().min(PIECE);
        for (start, window) in bytes.windows(piece).enumerate() {
            if secret.windows(piece).any(|part| part == window) {
                hidden.iter_mut().skip(start).take(piece).for_each(|hide| *hide = true);
            }
        }
    }
    let mut shown = String::with_capacity(text.len());
    let mut hiding = false;
    for (position, c) in text.char_indices() {
        // A character is hidden when any of its bytes is.
        let hide = hidden.iter().skip(position).take(c.len_utf8()).any(|hide| *hide);
        match (hide, hiding) {
            (true, false) => shown.push_str("[secret]"),
            (true, true) => {}
            (false, _) => shown.push(c),
        }
        hiding = hide;
    }
    shown
}

/// Shortest piece of a secret that is worth hiding: far fewer bytes say nothing, and are common in any text.
const PIECE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_secret_are_hidden_whole_or_cut() {
        let secrets =
            [Secret::new("eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl".to_owned()), Secret::new("pin1".to_owned())];
        let shown = redacted("bad token eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl!", &secrets);
        assert_eq!(shown, "bad token [secret]!");
        assert_eq!(redacted("cut: eyJhbGciOi.eyJp", &secrets), "cut: [secret]");
        assert_eq!(redacted("payload eyJpc3MiOi é", &secrets), "payload [secret] é");
        assert_eq!(redacted("wrong pin1, again", &secrets), "wrong [secret], again");
        assert_eq!(redacted("nothing to hide", &secrets), "nothing to hide");
        assert_eq!(redacted("x", &[Secret::new(String::new())]), "x");
        assert_eq!(format!("{:?}", secrets[0]), "Secret(..)");
    }
}
