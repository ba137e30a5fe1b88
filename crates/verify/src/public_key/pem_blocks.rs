//! Finds the blocks of a PEM text (RFC 7468) without decoding them.
//!
//! A block is looked at by its label first, so that a private key handed in by mistake is named and never decoded,
//! and a block that was cut off is an error instead of a block that silently is not there.

/// One block: what its boundaries call it, and where its text lies.
#[derive(Debug)]
pub(crate) struct PemBlock<'a> {
    /// The words between `-----BEGIN ` and `-----`, such as `CERTIFICATE`.
    pub(crate) label: &'a str,
    /// From the first dash of the opening boundary to the last dash of the closing one.
    text: &'a [u8],
}

impl PemBlock<'_> {
    /// The bytes that the block encodes; `None` when it is not Base64.
    pub(crate) fn decode(&self) -> Option<Vec<u8>> {
        pem::parse(self.text).ok().map(pem::Pem::into_contents)
    }

    /// Whether the label names a private key in any of its forms (PKCS#1, SEC 1, PKCS#8, OpenSSH).
    pub(crate) fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }
}

/// Every block of `text` in order, and whatever follows the last one.
///
/// Text outside the blocks is skipped. Fails with the label of the first block that does not end, or with
/// `(unreadable label)`.
pub(crate) fn pem_blocks(text: &[u8]) -> Result<(Vec<PemBlock<'_>>, &[u8]), &str> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = find(rest, BEGIN) {
        let block = &rest[start..];
        let label = &block[BEGIN.len()..];
        let label = match find(label, DASHES).map(|end| std::str::from_utf8(&label[..end])) {
            Some(Ok(label)) if label.len() <= MAX_LABEL && !label.chars().any(char::is_control) => label,
            _ => return Err("(unreadable label)"),
        };
        let body_at = BEGIN.len() + label.len() + DASHES.len();
        let end = format!("-----END {label}-----");
        // Another opening boundary before the closing one means that this block was cut off.
        let Some(body) = find(&block[body_at..], end.as_bytes()) else { return Err(label) };
        if find(&block[body_at..body_at + body], BEGIN).is_some() {
            return Err(label);
        }
        let (text, after) = block.split_at(body_at + body + end.len());
        blocks.push(PemBlock { label, text });
        rest = after;
    }
    Ok((blocks, rest))
}

const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";
/// Labels of RFC 7468 and of OpenSSL have under 30 characters.
const MAX_LABEL: usize = 64;

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
