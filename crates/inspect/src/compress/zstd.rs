//! Zstandard frames one after the other. A frame says how large its window is, and that is looked at before the decoder
//! takes the memory.

use super::Window;
use crate::limits;
use ruzstd::decoding::StreamingDecoder;
use std::io::{self, Read};

const FRAME: u32 = 0xfd2f_b528;
/// The longest header of a frame.
const HEADER: usize = 18;

/// Decompresses all frames.
pub(super) struct ZstdReader<R: Read> {
    state: State<R>,
    window: Window,
}

enum State<R: Read> {
    Between(R),
    Frame(Box<StreamingDecoder<Again<R>, ruzstd::decoding::FrameDecoder>>),
    End,
}

/// The header once more, and then the rest.
struct Again<R> {
    header: Vec<u8>,
    at: usize,
    rest: R,
}

impl<R: Read> Read for Again<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = &self.header[self.at..];
        if left.is_empty() {
            return self.rest.read(buffer);
        }
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Ok(count)
    }
}

impl<R: Read> ZstdReader<R> {
    pub(super) fn new(inner: R, window: Window) -> Self {
        Self { state: State::Between(inner), window }
    }

    fn frame(&self, mut inner: R) -> io::Result<State<R>> {
        let mut header = Vec::with_capacity(HEADER);
        more(&mut inner, &mut header, 4)?;
        let Some(magic) = header.first_chunk::<4>() else {
            return if header.is_empty() { Ok(State::End) } else { Err(corrupt("it ends within a header")) };
        };
        let magic = u32::from_le_bytes(*magic);
        if magic & 0xffff_fff0 == 0x184d_2a50 {
            return Self::skippable(inner);
        }
        if magic != FRAME {
            return Err(corrupt("no frame follows"));
        }
        more(&mut inner, &mut header, 1)?;
        let descriptor = *header.get(4).ok_or_else(|| corrupt("it ends within a header"))?;
        let single = descriptor & 0x20 != 0;
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let content = match (descriptor >> 6, single) {
            (0, false) => 0,
            (0, true) => 1,
            (1, _) => 2,
            (2, _) => 4,
            _ => 8,
        };
        more(&mut inner, &mut header, usize::from(!single) + dictionary + content)?;
        if header.len() < 5 + usize::from(!single) + dictionary + content {
            return Err(corrupt("it ends within a header"));
        }
        let window = if single {
            let start = 5 + dictionary;
            let mut bytes = [0; 8];
            bytes[..content].copy_from_slice(&header[start..start + content]);
            u64::from_le_bytes(bytes) + if content == 2 { 256 } else { 0 }
        } else {
            let byte = u64::from(header[5]);
            let base = 1 << (10 + (byte >> 3));
            base + (base / 8) * (byte & 7)
        };
        if window > limits::WINDOW {
            return Err(corrupt("the window needs too much memory"));
        }
        // The library's ring is the next power of two.
        self.window.widen(window.saturating_mul(2));
        let again = Again { header, at: 0, rest: inner };
        let decoder = StreamingDecoder::new(again).map_err(io::Error::other)?;
        Ok(State::Frame(Box::new(decoder)))
    }

    fn skippable(mut inner: R) -> io::Result<State<R>> {
        let mut len = [0; 4];
        inner.read_exact(&mut len)?;
        let len = u64::from(u32::from_le_bytes(len));
        let skipped = io::copy(&mut inner.by_ref().take(len), &mut io::sink())?;
        if skipped < len { Err(corrupt("it ends within a skipped frame")) } else { Ok(State::Between(inner)) }
    }
}

impl<R: Read> Read for ZstdReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.state = match std::mem::replace(&mut self.state, State::End) {
                State::End => return Ok(0),
                State::Between(inner) => self.frame(inner)?,
                State::Frame(mut decoder) => match decoder.read(buffer)? {
                    0 => State::Between(decoder.into_inner().rest),
                    read => {
                        self.state = State::Frame(decoder);
                        return Ok(read);
                    }
                },
            };
        }
    }
}

/// Appends up to `count` bytes, fewer at the end.
fn more<R: Read>(inner: &mut R, to: &mut Vec<u8>, count: usize) -> io::Result<()> {
    inner.by_ref().take(count as u64).read_to_end(to).map(|_| ())
}

fn corrupt(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
