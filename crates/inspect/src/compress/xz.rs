//! The xz container around LZMA2. The library's own reader takes dictionaries of four gibibytes without asking, so that the
//! headers are read here and its decoder gets one block after the other.

use super::Window;
use crate::limits;
use lzma_rust2::Lzma2Reader;
use std::io::{self, Read};

/// Magic, flags and checksum.
const STREAM_HEADER: usize = 12;
const LZMA2: u64 = 0x21;

/// Decompresses all streams of an xz file.
pub(super) struct XzReader<R> {
    state: State<R>,
    /// Bytes of the check after each block.
    check: usize,
    window: Window,
}

enum State<R> {
    /// Before a stream's header.
    Start(R),
    /// Before a block or the index.
    Between(R),
    Block(Box<Lzma2Reader<Counted<R>>>),
    End,
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count += read as u64;
        Ok(read)
    }
}

impl<R: Read> XzReader<R> {
    pub(super) fn new(inner: R, window: Window) -> Self {
        Self { state: State::Start(inner), check: 0, window }
    }

    fn start(&mut self, mut inner: R) -> io::Result<State<R>> {
        let mut header = [0; STREAM_HEADER];
        // Streams may be padded with zeros in groups of four.
        loop {
            if !read_or_end(&mut inner, &mut header[..4])? {
                return Ok(State::End);
            }
            if header[..4] != [0; 4] {
                break;
            }
        }
        inner.read_exact(&mut header[4..])?;
        if header[..6] != [0xfd, b'7', b'z', b'X', b'Z', 0] || header[6] != 0 || header[7] > 15 {
            return Err(corrupt("no xz stream follows"));
        }
        self.check = match header[7] {
            0 => 0,
            1..=3 => 4,
            4..=6 => 8,
            7..=9 => 16,
            10..=12 => 32,
            _ => 64,
        };
        Ok(State::Between(inner))
    }

    fn block(&self, mut inner: R) -> io::Result<State<R>> {
        let mut size = [0; 1];
        inner.read_exact(&mut size)?;
        if size[0] == 0 {
            skip_index(&mut inner)?;
            return Ok(State::Start(inner));
        }
        let mut header = vec![0; (usize::from(size[0]) + 1) * 4 - 1];
        inner.read_exact(&mut header)?;
        let mut rest = &header[..header.len().saturating_sub(4)];
        let flags = take(&mut rest, 1)?[0];
        if flags & 0x40 != 0 {
            number(&mut rest)?;
        }
        if flags & 0x80 != 0 {
            number(&mut rest)?;
        }
        let (filter, len) = (number(&mut rest)?, number(&mut rest)?);
        if flags & 3 != 0 || filter != LZMA2 || len != 1 {
            return Err(corrupt("a filter other than LZMA2 is not read here"));
        }
        let bits = u32::from(take(&mut rest, 1)?[0]);
        if bits > 39 {
            return Err(corrupt("the dictionary needs too much memory"));
        }
        let dictionary = (2 | u64::from(bits & 1)) << (bits / 2 + 11);
        if dictionary > limits::WINDOW {
            return Err(corrupt("the dictionary needs too much memory"));
        }
        let dictionary =
            u32::try_from(dictionary).map_err(|_| corrupt("the dictionary needs too much memory"))?;
        self.window.widen(dictionary.into());
        let counted = Counted { inner, count: 0 };
        Ok(State::Block(Box::new(Lzma2Reader::new(counted, dictionary, None))))
    }

    fn after_block(&self, reader: Lzma2Reader<Counted<R>>) -> io::Result<State<R>> {
        let mut counted = reader.into_inner();
        let padding = usize::try_from((4 - counted.count % 4) % 4).unwrap_or(0);
        let mut rest = [0; 3 + 64];
        counted.inner.read_exact(&mut rest[..padding + self.check])?;
        Ok(State::Between(counted.inner))
    }
}

impl<R: Read> Read for XzReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // After an error there is nothing more.
            self.state = match std::mem::replace(&mut self.state, State::End) {
                State::End => return Ok(0),
                State::Start(inner) => self.start(inner)?,
                State::Between(inner) => self.block(inner)?,
                State::Block(mut reader) => match reader.read(buffer)? {
                    0 => self.after_block(*reader)?,
                    read => {
                        self.state = State::Block(reader);
                        return Ok(read);
                    }
                },
            };
        }
    }
}

/// The index and the stream's footer: they repeat what is known.
fn skip_index<R: Read>(inner: &mut R) -> io::Result<()> {
    let mut count: u64 = 1;
    let mut byte = |inner: &mut R| {
        let mut byte = [0; 1];
        inner.read_exact(&mut byte)?;
        count += 1;
        Ok::<u8, io::Error>(byte[0])
    };
    let mut number = |inner: &mut R| {
        let mut value: u64 = 0;
        for shift in (0..63).step_by(7) {
            let next = byte(inner)?;
            value |= u64::from(next & 0x7f) << shift;
            if next & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(corrupt("a number of the index is too long"))
    };
    let records = number(inner)?;
    for _ in 0..records {
        number(inner)?;
        number(inner)?;
    }
    let padding = usize::try_from((4 - count % 4) % 4).unwrap_or(0);
    let mut rest = [0; 3 + 4 + 12];
    inner.read_exact(&mut rest[..padding + 4 + 12])
}

fn read_or_end<R: Read>(inner: &mut R, buffer: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match inner.read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(corrupt("it ends within a header")),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn take<'b>(rest: &mut &'b [u8], count: usize) -> io::Result<&'b [u8]> {
    let (taken, after) = rest.split_at_checked(count).ok_or_else(|| corrupt("a header is too short"))?;
    *rest = after;
    Ok(taken)
}

fn number(rest: &mut &[u8]) -> io::Result<u64> {
    let mut value: u64 = 0;
    for shift in (0..63).step_by(7) {
        let next = take(rest, 1)?[0];
        value |= u64::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(corrupt("a number of a header is too long"))
}

fn corrupt(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
