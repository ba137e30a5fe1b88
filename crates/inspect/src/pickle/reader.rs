//! Reads the operands of opcodes through one buffer: no operand is held but for its first bytes, whatever its length.

use crate::{
    bytes::{ReadError, Stream},
    limits,
    memory::Memory,
};

/// What is kept in memory of the stream.
const BUFFER: usize = 64 * 1024;
/// Bytes that are passed over at once.
const PIECE: u64 = 8 * 1024 * 1024;

/// Why reading an opcode or operand ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// The stream ended within it.
    Truncated,
    /// A line is too long.
    Line,
    /// The stream cannot be read.
    Read(ReadError),
}

pub(super) struct Reader<'s> {
    stream: &'s mut dyn Stream,
    buffer: Vec<u8>,
    /// The start of a payload that went by without being in the buffer.
    scratch: Vec<u8>,
    /// Length of the last line.
    last_line: usize,
    at: usize,
    filled: usize,
    /// Place of the buffer's first byte.
    base: u64,
    ended: bool,
    /// Told how long the pickle is at least.
    memory: Option<Memory>,
}

/// Text or bytes: the first of them, and how many there are.
pub(super) struct Payload<'b> {
    pub(super) kept: &'b [u8],
    pub(super) len: u64,
}

impl<'s> Reader<'s> {
    pub(super) fn new(stream: &'s mut dyn Stream) -> Self {
        let expected = stream.remaining().and_then(|left| usize::try_from(left).ok()).unwrap_or(BUFFER);
        Self {
            stream,
            buffer: vec![0; expected.clamp(16, BUFFER)],
            scratch: Vec::new(),
            last_line: 0,
            at: 0,
            filled: 0,
            base: 0,
            ended: false,
            memory: None,
        }
    }

    /// Tells `memory` of long operands that go by.
    pub(super) fn telling(self, memory: &Memory) -> Self {
        Self { memory: Some(memory.clone()), ..self }
    }

    /// Place of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// How many bytes are left, where that is known.
    pub(super) fn remaining(&self) -> Option<u64> {
        let ahead = (self.filled - self.at) as u64;
        if self.ended { Some(ahead) } else { self.stream.remaining().map(|left| left.saturating_add(ahead)) }
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        if self.at == self.filled {
            self.fill(1)?;
        }
        let byte = *self.buffer.get(self.at).ok_or(Stop::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    /// The next bytes as far as they are there, at most `most` and the buffer; they stay.
    pub(super) fn ahead(&mut self, most: usize) -> Result<&[u8], Stop> {
        match self.fill(most.min(self.buffer.len())) {
            Ok(()) | Err(Stop::Truncated) => {}
            Err(stop) => return Err(stop),
        }
        let end = self.filled.min(self.at + most);
        Ok(&self.buffer[self.at..end])
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        if self.filled - self.at < N {
            self.fill(N)?;
        }
        let bytes = self.buffer.get(self.at..self.at + N).ok_or(Stop::Truncated)?;
        let bytes = bytes.try_into().map_err(|_| Stop::Truncated)?;
        self.at += N;
        Ok(bytes)
    }

    /// `len` bytes, of which the first [`limits::PICKLE_TEXT`] are kept. Nothing is passed over when they are not all
    /// there, as far as that can be known.
    #[inline]
    pub(super) fn payload(&mut self, len: u64) -> Result<Payload<'_>, Stop> {
        if self.remaining().is_some_and(|left| left < len) {
            return Err(Stop::Truncated);
        }
        if len <= (self.filled - self.at) as u64 {
            #[expect(clippy::cast_possible_truncation, reason = "no longer than the buffer")]
            let count = len as usize;
            let start = self.at;
            self.at += count;
            let kept = &self.buffer[start..start + count.min(limits::PICKLE_TEXT)];
            return Ok(Payload { kept, len });
        }
        self.long_payload(len)
    }

    /// Up to a line feed, which is not part of it.
    pub(super) fn line(&mut self) -> Result<&[u8], Stop> {
        let mut searched = 0;
        loop {
            let ahead = &self.buffer[self.at..self.filled];
            if let Some(found) = ahead[searched..].iter().position(|&byte| byte == b'\n') {
                let (start, len) = (self.at, searched + found);
                if len > limits::PICKLE_LINE {
                    return Err(Stop::Line);
                }
                self.at += len + 1;
                self.last_line = len;
                return Ok(&self.buffer[start..start + len]);
            }
            searched = ahead.len();
            if searched >= limits::PICKLE_LINE {
                return Err(Stop::Line);
            }
            self.fill(searched + 1)?;
        }
    }

    /// Up to a line feed, however far that is: the first [`limits::PICKLE_LINE`] bytes, and how many there are.
    pub(super) fn long_line(&mut self) -> Result<Payload<'_>, Stop> {
        match self.line() {
            Ok(_) => {
                // Borrowed anew, because the other way out borrows as well.
                let len = self.last_line;
                let start = self.at - len - 1;
                return Ok(Payload { kept: &self.buffer[start..start + len], len: len as u64 });
            }
            Err(Stop::Line) => {}
            Err(stop) => return Err(stop),
        }
        let kept = self.ahead(limits::PICKLE_LINE)?.to_vec();
        let mut len = 0;
        loop {
            let ahead = self.ahead(BUFFER)?;
            let found = ahead.iter().position(|&byte| byte == b'\n');
            let pass = found.unwrap_or(ahead.len());
            if pass == 0 && found.is_none() {
                return Err(Stop::Truncated);
            }
            self.at += pass + usize::from(found.is_some());
            len += pass as u64;
            if found.is_some() {
                self.scratch = kept;
                return Ok(Payload { kept: &self.scratch, len });
            }
        }
    }

    /// Passes over `count` bytes, or those that are there.
    pub(super) fn skip(&mut self, count: u64) -> Result<u64, Stop> {
        let ahead = (self.filled - self.at) as u64;
        if count <= ahead {
            #[expect(clippy::cast_possible_truncation, reason = "no longer than the buffer")]
            let count = count as usize;
            self.at += count;
            return Ok(count as u64);
        }
        let skipped = self.skip_stream(count - ahead)?;
        self.base = self.offset() + ahead + skipped;
        (self.at, self.filled) = (0, 0);
        Ok(ahead + skipped)
    }

    /// A piece at a time, so that what the stream comes out of may use the memory that a long pickle is allowed.
    fn skip_stream(&mut self, count: u64) -> Result<u64, Stop> {
        let mut skipped = 0;
        while skipped < count {
            let piece = (count - skipped).min(PIECE);
            let some = self.stream.skip(piece).map_err(Stop::Read)?;
            skipped += some;
            if let Some(memory) = &self.memory {
                memory.pickle(skipped);
            }
            if some < piece {
                break;
            }
        }
        Ok(skipped)
    }

    /// Passes over `len` bytes, or over none when they are not all there: as far as the next pickle is looked for, what
    /// follows can still be read then.
    pub(super) fn pass(&mut self, len: u64) -> Result<(), Stop> {
        match self.remaining() {
            Some(left) if left < len => return Err(Stop::Truncated),
            Some(_) => {}
            None => {
                let window = len.min(limits::PICKLE_RESYNC);
                self.fill(usize::try_from(window).unwrap_or(usize::MAX))?;
                let ahead = (self.filled - self.at) as u64;
                if len > ahead {
                    let beyond = self.skip_stream(len - ahead)?;
                    if beyond < len - ahead {
                        self.ended = true;
                        return Err(Stop::Truncated);
                    }
                    self.base = self.offset() + len;
                    (self.at, self.filled) = (0, 0);
                    return Ok(());
                }
            }
        }
        if self.skip(len)? < len { Err(Stop::Truncated) } else { Ok(()) }
    }

    /// Goes on to the next place at which a pickle of protocol 2 to 5 could begin, within `most` bytes. False when there
    /// is none; then those are passed over.
    pub(super) fn resync(&mut self, most: u64) -> Result<bool, Stop> {
        let end = self.offset().saturating_add(most);
        loop {
            let ahead = self.ahead(BUFFER)?;
            let starts = |pair: &[u8]| pair[0] == 0x80 && (2..=5).contains(&pair[1]);
            if let Some(found) = ahead.windows(2).position(starts) {
                self.at += found;
                return Ok(self.offset() <= end);
            }
            // The last byte may be the first of a pair.
            let pass = ahead.len().saturating_sub(1);
            if pass == 0 || self.offset() >= end {
                return Ok(false);
            }
            self.at += pass;
        }
    }

    fn long_payload(&mut self, len: u64) -> Result<Payload<'_>, Stop> {
        let keep = usize::try_from(len).unwrap_or(usize::MAX).min(limits::PICKLE_TEXT);
        let kept = self.ahead(keep)?.to_vec();
        if kept.len() < keep {
            return Err(Stop::Truncated);
        }
        self.pass(len)?;
        self.scratch = kept;
        Ok(Payload { kept: &self.scratch, len })
    }

    /// Has at least `needed` bytes in the buffer.
    fn fill(&mut self, needed: usize) -> Result<(), Stop> {
        if self.filled - self.at >= needed {
            return Ok(());
        }
        self.buffer.copy_within(self.at..self.filled, 0);
        self.base += self.at as u64;
        self.filled -= self.at;
        self.at = 0;
        if needed > self.buffer.len() {
            self.buffer.resize(needed.next_power_of_two(), 0);
        }
        while self.filled < needed && !self.ended {
            match self.stream.read(&mut self.buffer[self.filled..]).map_err(Stop::Read)? {
                0 => self.ended = true,
                read => self.filled += read,
            }
        }
        if self.filled < needed { Err(Stop::Truncated) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Input;

    /// Gives one byte at a time, and does not know how many.
    struct Drops<'a>(&'a [u8]);

    impl Stream for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }

        fn remaining(&self) -> Option<u64> {
            None
        }
    }

    fn both(data: &[u8], check: impl Fn(&mut Reader<'_>)) {
        let vec = data.to_vec();
        check(&mut Reader::new(&mut Input::of(&vec).stream()));
        check(&mut Reader::new(&mut Drops(data)));
    }

    #[test]
    fn reads_the_same_whatever_the_stream_gives_at_once() {
        both(b"\x01ab\ncdefgh", |reader| {
            assert_eq!(reader.byte().unwrap(), 1);
            assert_eq!(reader.line().unwrap(), b"ab");
            assert_eq!(reader.array::<2>().unwrap(), *b"cd");
            assert_eq!(reader.payload(3).unwrap().kept, b"efg");
            assert_eq!((reader.offset(), reader.ahead(5).unwrap()), (9, &b"h"[..]));
            assert!(matches!(reader.payload(2), Err(Stop::Truncated)));
        });
    }

    #[test]
    fn a_long_payload_is_not_held() {
        let mut data = vec![b'x'; 300_000];
        data[0] = b'a';
        data.extend_from_slice(b"end");
        both(&data, |reader| {
            let payload = reader.payload(300_000).unwrap();
            assert_eq!(
                (payload.len, payload.kept.len(), payload.kept[0]),
                (300_000, limits::PICKLE_TEXT, b'a')
            );
            assert_eq!((reader.offset(), reader.array::<3>().unwrap()), (300_000, *b"end"));
        });
        data.resize(3_000_000, b'y');
        both(&data, |reader| {
            assert!(matches!(reader.payload(3_000_001), Err(Stop::Truncated)));
            // Nothing was passed over.
            assert_eq!((reader.offset(), reader.byte().unwrap()), (0, b'a'));
            assert_eq!(reader.payload(500_000).unwrap().len, 500_000);
        });
    }

    #[test]
    fn finds_the_next_pickle() {
        both(b"junk\x80\x09\x80\x04N.", |reader| {
            assert!(reader.resync(100).unwrap());
            assert_eq!(reader.offset(), 6);
        });
        both(b"junk\x80", |reader| assert!(!reader.resync(100).unwrap()));
    }
}
