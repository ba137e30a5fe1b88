//! PEM blocks in a file that may hold other text (RFC 7468), without leaving copies of the key in memory.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::PrivateKeyError;

/// One block between a BEGIN and its END line.
pub(super) struct Block<'a> {
    /// The label: `PRIVATE KEY`. Only upper case letters, digits and spaces, so it is safe to print.
    pub(super) label: &'a str,
    /// The lines between, headers included.
    body: &'a [u8],
}

impl Block<'_> {
    /// Whether a header says that the text itself is encrypted (RFC 1421 §4.6.1.1, as OpenSSL before 1.0 wrote it).
    pub(super) fn is_legacy_encrypted(&self) -> bool {
        self.body.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_start().starts_with(b"Proc-Type:"))
    }

    /// The bytes that the base64 text stands for.
    pub(super) fn decode(&self) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
        // Both buffers have their final capacity from the start: growing would leave copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(self.body.len()));
        for line in self.body.split(|byte| *byte == b'\n').filter(|line| !line.contains(&b':')) {
            text.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
        }
        let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
        // The decoder's error names a byte of the key: dropped on purpose.
        let length = STANDARD
            .decode_slice(text.as_slice(), &mut bytes)
            .map_err(|_| PrivateKeyError::DamagedBase64 { label: self.label.to_owned() })?;
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// All blocks of `file`, in order. Text outside of blocks is skipped.
pub(super) fn blocks(file: &[u8]) -> Result<Vec<Block<'_>>, PrivateKeyError> {
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file); // the mark that Windows editors put first
    let mut found = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    let mut position = 0;
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        let start = position;
        position += line.len();
        match (boundary(line.trim_ascii())?, open) {
            (Boundary::None, _) => {}
            (Boundary::Begin(label), None) => open = Some((label, position)),
            (Boundary::End(label), Some((opened, body))) if label == opened => {
                found.push(Block { label, body: file.get(body..start).unwrap_or_default() });
                open = None;
            }
            (Boundary::Begin(_), Some((label, _))) | (Boundary::End(label), _) => return Err(broken(label)),
        }
    }
    match open {
        Some((label, _)) => Err(broken(label)),
        None => Ok(found),
    }
}

/// `der` as one PEM block with lines of 64 characters, each ended by a line feed, as OpenSSL writes it.
pub(super) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    // 48 bytes make one line of 64 characters. The capacity is enough from the start, as in `decode`.
    let lines = der.len().div_ceil(48);
    let mut pem = Zeroizing::new(String::with_capacity(lines * 65 + 2 * (label.len() + 20)));
    for text in ["-----BEGIN ", label, "-----\n"] {
        pem.push_str(text);
    }
    let mut text = Zeroizing::new([0; 64]);
    for line in der.chunks(48) {
        // Both always hold: 48 bytes encode to 64 characters, which are ASCII.
        if let Ok(length) = STANDARD.encode_slice(line, text.as_mut_slice())
            && let Some(Ok(line)) = text.get(..length).map(std::str::from_utf8)
        {
            pem.push_str(line);
            pem.push('\n');
        }
    }
    for text in ["-----END ", label, "-----\n"] {
        pem.push_str(text);
    }
    pem
}

enum Boundary<'a> {
    None,
    Begin(&'a str),
    End(&'a str),
}

fn boundary(line: &[u8]) -> Result<Boundary<'_>, PrivateKeyError> {
    if let Some(rest) = line.strip_prefix(b"-----BEGIN ") {
        label(rest).map(Boundary::Begin)
    } else if let Some(rest) = line.strip_prefix(b"-----END ") {
        label(rest).map(Boundary::End)
    } else {
        Ok(Boundary::None)
    }
}

/// The label before the closing dashes. Whatever else is on the line may be key text and is never reported.
fn label(rest: &[u8]) -> Result<&str, PrivateKeyError> {
    const UNREADABLE: &str = "unreadable label";
    let end = rest.windows(5).position(|window| window == b"-----").ok_or_else(|| broken(UNREADABLE))?;
    let (label, dashes) = rest.split_at(end);
    let plain = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    let label = std::str::from_utf8(label)
        .ok()
        .filter(|label| label.len() <= 40 && label.bytes().all(|byte| plain(&byte)))
        .ok_or_else(|| broken(UNREADABLE))?;
    if dashes.len() == 5 { Ok(label) } else { Err(broken(label)) }
}

fn broken(label: &str) -> PrivateKeyError {
    PrivateKeyError::BrokenPem { label: label.to_owned() }
}
