//! [`Source`]: a stream of which a format's fields are taken one after the other, as it comes; and nothing is held.

use crate::bytes::{ReadError, Stream};

/// Bytes that are read ahead.
const BUFFER: usize = 16 * 1024;

/// A stream, and where in it the next byte is.
pub(crate) struct Source<S> {
    stream: S,
    buffer: Vec<u8>,
    /// What of the buffer was taken, and how far it is filled.
    taken: usize,
    filled: usize,
    at: u64,
}

/// Why a field cannot be taken.
pub(crate) enum Stop {
    /// The stream has ended.
    Ends,
    Read(ReadError),
}

impl<S: Stream> Source<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: vec![0; BUFFER], taken: 0, filled: 0, at: 0 }
    }

    /// Where the next byte is.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes that are left, where that is known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        Some(self.stream.remaining()? + (self.filled - self.taken) as u64)
    }

    /// Whether nothing is left.
    pub(crate) fn has_ended(&mut self) -> Result<bool, Stop> {
        self.fill()?;
        Ok(self.taken == self.filled)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Stop> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut array = [0; N];
        self.fill_exactly(&mut array)?;
        Ok(array)
    }

    /// The next `count` bytes, of which at most the first `most` are given and the others are passed over.
    pub(crate) fn some(&mut self, count: u64, most: usize) -> Result<Vec<u8>, Stop> {
        let kept = usize::try_from(count).unwrap_or(usize::MAX).min(most);
        let mut bytes = vec![0; kept];
        self.fill_exactly(&mut bytes)?;
        self.skip(count - kept as u64)?;
        Ok(bytes)
    }

    pub(crate) fn skip(&mut self, count: u64) -> Result<(), Stop> {
        let ahead = (self.filled - self.taken).min(usize::try_from(count).unwrap_or(usize::MAX));
        self.taken += ahead;
        self.at += ahead as u64;
        let rest = count - ahead as u64;
        let skipped = if rest > 0 { self.stream.skip(rest).map_err(Stop::Read)? } else { 0 };
        self.at += skipped;
        if skipped == rest { Ok(()) } else { Err(Stop::Ends) }
    }

    fn fill_exactly(&mut self, mut to: &mut [u8]) -> Result<(), Stop> {
        while !to.is_empty() {
            self.fill()?;
            let ahead = self.buffer.get(self.taken..self.filled).unwrap_or_default();
            if ahead.is_empty() {
                return Err(Stop::Ends);
            }
            let count = ahead.len().min(to.len());
            let (now, later) = to.split_at_mut(count);
            now.copy_from_slice(ahead.get(..count).unwrap_or_default());
            to = later;
            self.taken += count;
            self.at += count as u64;
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<(), Stop> {
        if self.taken == self.filled {
            self.taken = 0;
            self.filled = 0;
            self.filled = self.stream.read(&mut self.buffer).map_err(Stop::Read)?;
        }
        Ok(())
    }
}
