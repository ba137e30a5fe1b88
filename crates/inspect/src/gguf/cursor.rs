//! [`Cursor`]: numbers and texts of a GGUF file one after the other, in its byte order.

use super::{Stop, rules};
use crate::{bytes::Input, scan::Halt};

/// Bytes that are read at once.
const BLOCK: usize = 64 * 1024;

pub(super) struct Cursor<'a> {
    input: Input<'a>,
    at: u64,
    block: Vec<u8>,
    /// Where the block begins.
    start: u64,
    pub(super) big_endian: bool,
    /// Whether lengths have 32 bits, as in version 1.
    pub(super) narrow: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(input: Input<'a>, at: u64) -> Self {
        Self { input, at, block: Vec::new(), start: 0, big_endian: false, narrow: false }
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes up to the end of the file.
    pub(super) fn left(&self) -> u64 {
        self.input.len().saturating_sub(self.at)
    }

    pub(super) fn skip(&mut self, count: u64) -> Result<(), Stop> {
        if count > self.left() {
            return Err(self.ends());
        }
        self.at += count;
        Ok(())
    }

    pub(super) fn u32(&mut self) -> Result<u32, Stop> {
        let bytes = self.array()?;
        Ok(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    pub(super) fn u64(&mut self) -> Result<u64, Stop> {
        let bytes = self.array()?;
        Ok(if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        self.array().map(|[byte]| byte)
    }

    /// A count or a length.
    pub(super) fn length(&mut self) -> Result<u64, Stop> {
        if self.narrow { self.u32().map(u64::from) } else { self.u64() }
    }

    /// A text of at most `most` bytes; none when it is longer, which is passed over.
    pub(super) fn text(&mut self, most: usize) -> Result<Option<Vec<u8>>, Stop> {
        let len = self.length()?;
        if len > self.left() {
            return Err(self.ends());
        }
        match usize::try_from(len) {
            Ok(len) if len <= most => {
                let mut text = vec![0; len];
                self.fill(&mut text)?;
                Ok(Some(text))
            }
            _ => {
                self.at += len;
                Ok(None)
            }
        }
    }

    pub(super) fn ends(&self) -> Stop {
        Stop::Wrong(&rules::ENDS, self.at, "it ends within its header".to_owned())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Stop> {
        if bytes.len() as u64 > self.left() {
            return Err(self.ends());
        }
        let mut filled = 0;
        while filled < bytes.len() {
            let within = self.at.checked_sub(self.start).and_then(|within| usize::try_from(within).ok());
            let there = within.and_then(|within| self.block.get(within..)).unwrap_or_default();
            if there.is_empty() {
                self.block =
                    self.input.read_some(self.at, BLOCK).map_err(|error| Stop::Halt(Halt::of(error)))?;
                self.start = self.at;
                if self.block.is_empty() {
                    return Err(self.ends());
                }
                continue;
            }
            let count = there.len().min(bytes.len() - filled);
            bytes[filled..filled + count].copy_from_slice(&there[..count]);
            filled += count;
            self.at += count as u64;
        }
        Ok(())
    }
}
