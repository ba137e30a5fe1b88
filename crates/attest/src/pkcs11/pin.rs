//! PINs: wiped when dropped, never shown.

use cryptoki::types::RawAuthPin;
use modelseal_core::text::Printable;
use std::{fmt, fs::File, io::Read, path::Path};
use zeroize::Zeroizing;

/// Longest PIN, in bytes: tokens take 4 to 255.
pub const MAX_PIN_BYTES: usize = 1024;

/// A user PIN. Wiped from memory when dropped; `Debug` does not show it.
pub struct Pin(Zeroizing<Vec<u8>>);

/// Which token asks for its PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinPrompt {
    /// The token's label, as the token says it: not safe to print as it is.
    pub token: String,
    /// The token's serial number, likewise.
    pub serial: String,
    /// A wrong PIN was given before.
    pub few_tries_left: bool,
    /// One more wrong PIN locks the token.
    pub last_try: bool,
}

/// Why there is no PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinError {
    /// Nothing gives one.
    NotGiven,
    /// It has no bytes: an unset variable or an empty file, most often.
    Empty,
    /// It has more bytes than [`MAX_PIN_BYTES`].
    TooLong,
    /// It was to be read and could not be.
    Unreadable {
        /// Where from and why, in words that fit after "the PIN could not be read: ".
        reason: String,
    },
}

impl Pin {
    /// Takes the bytes exactly as given: whoever reads them from a file or terminal cuts the line end off first.
    ///
    /// # Errors
    /// [`PinError::Empty`], [`PinError::TooLong`].
    pub fn new(bytes: impl Into<Zeroizing<Vec<u8>>>) -> Result<Self, PinError> {
        let bytes = bytes.into();
        match bytes.len() {
            0 => Err(PinError::Empty),
            1..=MAX_PIN_BYTES => Ok(Self(bytes)),
            _ => Err(PinError::TooLong),
        }
    }

    /// Reads a file that holds the PIN, with or without a line end.
    pub(super) fn from_file(path: &Path) -> Result<Self, PinError> {
        let unreadable =
            |e: std::io::Error| PinError::Unreadable { reason: format!("'{}': {e}", path.display()) };
        // One allocation of the largest size, so that growing leaves no copy behind.
        let mut bytes = Zeroizing::new(vec![0; MAX_PIN_BYTES + 3]);
        let mut file = File::open(path).map_err(unreadable)?;
        let mut length = 0;
        while let Some(free) = bytes.get_mut(length..).filter(|free| !free.is_empty()) {
            match file.read(free).map_err(unreadable)? {
                0 => break,
                read => length += read,
            }
        }
        bytes.truncate(length);
        if bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        Self::new(bytes)
    }

    /// A copy for `C_Login`, which wipes itself too.
    pub(super) fn raw(&self) -> RawAuthPin {
        RawAuthPin::new(Box::new(self.0.to_vec()))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGiven => f.write_str("no PIN was given"),
            Self::Empty => f.write_str("the PIN given is empty"),
            Self::TooLong => write!(f, "the PIN given is longer than {MAX_PIN_BYTES} bytes"),
            Self::Unreadable { reason } => write!(f, "the PIN could not be read: {}", Printable(reason)),
        }
    }
}

impl std::error::Error for PinError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(content: &[u8]) -> Result<Vec<u8>, PinError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        Pin::from_file(file.path()).map(|pin| pin.0.to_vec())
    }

    #[test]
    fn one_line_end_is_no_part_of_a_pin_in_a_file() {
        for (content, pin) in
            [("1234", "1234"), ("1234\n", "1234"), ("1234\r\n", "1234"), (" 12\n\n", " 12\n"), ("1\r", "1\r")]
        {
            assert_eq!(read(content.as_bytes()).unwrap(), pin.as_bytes());
        }
    }

    #[test]
    fn files_that_hold_no_pin_are_refused() {
        assert_eq!(read(b"").unwrap_err(), PinError::Empty);
        assert_eq!(read(b"\n").unwrap_err(), PinError::Empty);
        assert_eq!(read(&[b'7'; MAX_PIN_BYTES]).unwrap().len(), MAX_PIN_BYTES);
        for length in [MAX_PIN_BYTES + 1, MAX_PIN_BYTES + 2, MAX_PIN_BYTES + 3, 1 << 20] {
            assert_eq!(read(&vec![b'7'; length]).unwrap_err(), PinError::TooLong, "{length}");
        }
        let error = Pin::from_file(Path::new("/nonexistent/pin")).unwrap_err();
        assert!(error.to_string().contains("'/nonexistent/pin': "), "{error}");
    }

    #[test]
    fn a_pin_is_not_shown() {
        assert_eq!(format!("{:?}", Pin::new(b"8675309".to_vec()).unwrap()), "Pin(..)");
    }
}
