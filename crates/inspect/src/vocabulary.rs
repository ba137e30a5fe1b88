//! Vocabularies of tokenizers: SentencePiece's models, and tiktoken's lists.

use crate::{
    bytes::{ReadError, Stream},
    limits,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
    text::{self, Lines},
};
use modelseal_core::inspection::FileFormat;

pub(crate) mod rules {
    //! What can be found in a vocabulary.

    use crate::rule::rules;

    rules! {
        BROKEN = "VOC001" "broken-sentencepiece" Malformed:
            "The vocabulary breaks the format of SentencePiece, or ends too early." =>
            "Get the file again from its maker.";
        FIELD = "VOC002" "unknown-field-of-sentencepiece" Unknown:
            "The vocabulary has a part that is not known, so that nothing can be said about it." =>
            "Find out which program writes it.";
        LINE = "VOC003" "broken-tiktoken" Malformed:
            "A line is no token with its rank." =>
            "Get the file again from its maker.";
    }
}

/// The door from `route` for SentencePiece.
pub(crate) struct SentencePiece;

impl Format for SentencePiece {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        first_piece(probe.head).then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let mut walk = Walk { stream: content.into_stream(), at: 0 };
        let mut seen = [false; 6];
        loop {
            let at = walk.at;
            match walk.field(&mut seen) {
                Ok(true) => {}
                Ok(false) => break,
                Err(Wrong::Broken(what)) => {
                    scan.find(&rules::BROKEN, at, what.to_owned());
                    return Ok(FileFormat::Tokenizer);
                }
                Err(Wrong::Field(number)) => {
                    scan.find(&rules::FIELD, at, format!("the field {number}"));
                    return Ok(FileFormat::Tokenizer);
                }
                Err(Wrong::Read(error)) => {
                    scan.unreadable(error, &crate::compress::rules::CORRUPT)?;
                    return Ok(FileFormat::Tokenizer);
                }
            }
        }
        if !seen.get(2).copied().unwrap_or_default() {
            scan.find(&rules::BROKEN, None, "it does not say how it was trained".to_owned());
        }
        Ok(FileFormat::Tokenizer)
    }
}

/// Whether a file begins with a piece: a text, a number of four bytes, and perhaps a kind.
fn first_piece(head: &[u8]) -> bool {
    let [0x0a, len @ 4..=0x7f, 0x0a, text @ 0..=0x7f, rest @ ..] = head else { return false };
    let (len, text) = (usize::from(*len), usize::from(*text));
    let Some(piece) = rest.get(..len - 2) else { return false };
    let after = piece.get(text..).unwrap_or(&[0]);
    let scored = matches!(after, [] | [0x15, _, _, _, _] | [0x15, _, _, _, _, 0x18, 1..=6] | [0x18, 1..=6]);
    scored && piece.get(..text).is_some_and(|text| std::str::from_utf8(text).is_ok())
}

enum Wrong {
    Broken(&'static str),
    Field(u64),
    Read(ReadError),
}

struct Walk<'a> {
    stream: Box<dyn Stream + 'a>,
    at: u64,
}

impl Walk<'_> {
    /// One part of the model: false at the end.
    fn field(&mut self, seen: &mut [bool; 6]) -> Result<bool, Wrong> {
        let Some(tag) = self.varint(true)? else { return Ok(false) };
        let len = self.varint(false)?.unwrap_or_default();
        let number = tag >> 3;
        if tag & 7 != 2 || !(1..=5).contains(&number) {
            return Err(Wrong::Field(number));
        }
        if let Some(slot) = usize::try_from(number).ok().and_then(|number| seen.get_mut(number)) {
            *slot = true;
        }
        if number == 1 {
            return self.piece(len).map(|()| true);
        }
        // How it was trained and how it normalises: numbers, texts and a table.
        self.message(len)?;
        Ok(true)
    }

    fn piece(&mut self, len: u64) -> Result<(), Wrong> {
        let end = self.at.saturating_add(len);
        while self.at < end {
            match self.varint(false)? {
                Some(0x0a) => {
                    let len = self.varint(false)?.unwrap_or_default();
                    if len > limits::LINE as u64 {
                        return Err(Wrong::Broken("a piece is longer than any"));
                    }
                    let mut text = vec![0; usize::try_from(len).unwrap_or(0)];
                    self.fill(&mut text)?;
                    if std::str::from_utf8(&text).is_err() {
                        return Err(Wrong::Broken("a piece is not UTF-8"));
                    }
                }
                Some(0x15) => self.fill(&mut [0; 4])?,
                Some(0x18) => {
                    if !(1..=6).contains(&self.varint(false)?.unwrap_or_default()) {
                        return Err(Wrong::Broken("a piece is of a kind that does not exist"));
                    }
                }
                Some(tag) => return Err(Wrong::Field(tag >> 3)),
                None => return Err(Wrong::Broken("it ends within a piece")),
            }
        }
        if self.at == end { Ok(()) } else { Err(Wrong::Broken("a piece is longer than it says")) }
    }

    fn message(&mut self, len: u64) -> Result<(), Wrong> {
        let end = self.at.saturating_add(len);
        while self.at < end {
            let tag = self.varint(false)?.unwrap_or_default();
            let count = match tag & 7 {
                0 => {
                    self.varint(false)?;
                    0
                }
                1 => 8,
                2 => self.varint(false)?.unwrap_or_default(),
                5 => 4,
                _ => return Err(Wrong::Broken("there is no such type of field")),
            };
            if self.at.checked_add(count).is_none_or(|next| next > end) {
                return Err(Wrong::Broken("a field goes on beyond its part"));
            }
            let skipped = self.stream.skip(count).map_err(Wrong::Read)?;
            self.at += skipped;
            if skipped < count {
                return Err(Wrong::Broken("it ends within a part"));
            }
        }
        if self.at == end { Ok(()) } else { Err(Wrong::Broken("a part is longer than it says")) }
    }

    /// A number; none at the end, when it may end here.
    fn varint(&mut self, may_end: bool) -> Result<Option<u64>, Wrong> {
        let mut number = 0_u64;
        for place in 0..10 {
            let mut byte = [0];
            match self.stream.read(&mut byte).map_err(Wrong::Read)? {
                0 if may_end && place == 0 => return Ok(None),
                0 => return Err(Wrong::Broken("it ends within a number")),
                _ => self.at += 1,
            }
            number |= u64::from(byte[0] & 0x7f).checked_shl(place * 7).unwrap_or(0);
            if byte[0] < 0x80 {
                return Ok(Some(number));
            }
        }
        Err(Wrong::Broken("a number is longer than any"))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Wrong> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.stream.read(buffer.get_mut(filled..).unwrap_or_default()).map_err(Wrong::Read)? {
                0 => return Err(Wrong::Broken("it ends within a piece")),
                read => filled += read,
            }
        }
        self.at += filled as u64;
        Ok(())
    }
}

/// The door from `route` for tiktoken's lists: a token in Base64 and its rank in each line.
pub(crate) struct Tiktoken;

impl Format for Tiktoken {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let named = matches!(probe.extension, "tiktoken" | "model");
        let mut lines = probe.head.split(|&byte| byte == b'\n');
        (named && text::is_text(probe.head) && lines.next().is_some_and(is_ranked)).then_some(Match::Likely)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let mut lines = Lines::new(content.into_stream());
        while let Some(line) = lines.next(scan)? {
            if !line.bytes.is_empty() && !is_ranked(line.bytes) {
                let at = line.at;
                scan.find(&rules::LINE, at, "this line is none".to_owned());
                break;
            }
        }
        Ok(FileFormat::Tokenizer)
    }
}

fn is_ranked(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let Some(space) = line.iter().position(|&byte| byte == b' ') else { return false };
    let (token, rank) = line.split_at(space);
    let base64 = token.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    let rank = rank.get(1..).unwrap_or_default();
    base64 && token.len() % 4 == 0 && (1..=9).contains(&rank.len()) && rank.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{look, rules_in};
    use modelseal_core::inspection::Verdict;

    fn model() -> Vec<u8> {
        let mut model = b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02".to_vec();
        model.extend(b"\x0a\x0a\x0a\x03\xe2\x96\x81\x15\x16\x5c\xcb\xbf");
        // How it was trained: a file's name and a number; how it normalises: a table.
        model.extend(b"\x12\x09\x0a\x05c.txt\x20\x3c");
        model.extend(b"\x1a\x05\x12\x03abc");
        model
    }

    #[test]
    fn vocabularies_are_clean() {
        for name in ["spiece.model", "tokenizer.model", "sentencepiece.bpe.model"] {
            let found = look(name, &model());
            assert_eq!((found.format, found.verdict()), (FileFormat::Tokenizer, Verdict::Clean), "{found:?}");
        }
        let found = look("tokenizer.model", b"IQ== 0\nIg== 1\n");
        assert_eq!((found.format, found.verdict()), (FileFormat::Tokenizer, Verdict::Clean), "{found:?}");
        assert_eq!(rules_in(&look("a.tiktoken", b"IQ== 0\nIg==\n")), ["VOC003"]);
    }

    #[test]
    fn what_breaks_them_is_found() {
        let whole = model();
        let parts = [16, 28, 39];
        for end in 16..whole.len() {
            let found = look("spiece.model", &whole[..end]);
            // It may end between its parts, but not before it says how it was trained.
            assert_eq!(found.verdict() > Verdict::Clean, end != parts[2], "{end}: {found:?}");
        }
        let more = [&whole[..], b"\x32\x01x"].concat();
        assert_eq!(rules_in(&look("spiece.model", &more)), ["VOC002"]);
        let long = [&whole[..], b"\x0a\xff\xff\xff\xff\x0f\x0a\xff\xff\xff\xff\x0f"].concat();
        assert_eq!(rules_in(&look("spiece.model", &long)), ["VOC001"]);
    }
}
