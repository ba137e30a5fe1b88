//! [`VerifiedFile`]: a file of a verified model, read here and there.

use super::{Contents, LoadError, Span, VerifiedBytes, kept::Kept};
use crate::error::Kind;
use modelseal_core::{limits::MAX_CACHED_SHARD_BYTES, manifest::ByteRange, path::ModelPath};
use modelseal_model::Progress;
use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A file of a verified model. Bytes come from private memory, after they were compared with what was signed: under `shards`
/// each shard when it is first touched, under `files` the whole file then.
///
/// Shards that were used last are kept, up to
/// [`MAX_CACHED_SHARD_BYTES`](crate::limits::MAX_CACHED_SHARD_BYTES); one that was let go is read and compared again.
/// After bytes were found that nobody signed, every call fails with the same [`LoadError`], which is the cause of the
/// [`io::Error`] ([`LoadError::of`]).
#[derive(Debug)]
pub struct VerifiedFile {
    contents: Contents,
    place: usize,
    position: u64,
    /// Bytes of verified shards at most.
    keep: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What was verified.
    shards: Kept,
    /// Why nothing is given out any more.
    poison: Option<LoadError>,
}

impl VerifiedFile {
    pub(super) fn new(contents: Contents, place: usize) -> Self {
        Self::keeping(contents, place, MAX_CACHED_SHARD_BYTES)
    }

    pub(super) fn keeping(contents: Contents, place: usize, keep: u64) -> Self {
        Self { contents, place, position: 0, keep, state: Mutex::default() }
    }

    /// Its name in the model.
    #[must_use]
    pub fn name(&self) -> &ModelPath {
        self.contents.get(self.place).0
    }

    /// Bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.contents.get(self.place).1
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` from `offset` on, as far as the file reaches, and says how many bytes that were.
    ///
    /// # Errors
    /// An [`io::Error`] whose cause is a [`LoadError`]. `buffer` may then hold verified bytes, and none that are not.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at_followed(buffer, offset, &())
    }

    /// As [`read_at`](Self::read_at); `progress` is told of what has to be read for it, and can stop that.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub fn read_at_followed(
        &self,
        buffer: &mut [u8],
        offset: u64,
        progress: &dyn Progress,
    ) -> io::Result<usize> {
        let mut state = self.lock();
        if let Some(poison) = &state.poison {
            return Err(poison.clone().into());
        }
        let end = offset.saturating_add(buffer.len() as u64);
        let mut filled = 0;
        // Under `files` an empty file has no range to touch, and is compared all the same.
        let nothing = self.is_empty().then_some(Span { shard: 0, range: ByteRange { start: 0, end: 0 } });
        for span in
            nothing.into_iter().chain(self.contents.spans(self.place, ByteRange { start: offset, end }))
        {
            let bytes = self.shard(&mut state, &span, progress)?;
            let within = usize::try_from(offset.saturating_sub(span.range.start)).unwrap_or(usize::MAX);
            let bytes = bytes.get(within..).unwrap_or_default();
            let room = buffer.get_mut(filled..).unwrap_or_default();
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            filled += count;
        }
        Ok(filled)
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at); [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let read = self.read_at(buffer, offset)?;
        if read < buffer.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Whether `count` bytes from `offset` on are in memory, so that reading them takes no time.
    #[must_use]
    pub fn is_at_hand(&self, offset: u64, count: usize) -> bool {
        let range = ByteRange { start: offset, end: offset.saturating_add(count as u64) };
        // Who holds the lock may be reading: then they are not.
        let Ok(state) = self.state.try_lock() else { return false };
        !self.is_empty() && self.contents.spans(self.place, range).all(|span| state.shards.has(span.shard))
    }

    /// A shard that was verified, now or before.
    fn shard(
        &self,
        state: &mut State,
        span: &Span,
        progress: &dyn Progress,
    ) -> Result<Arc<VerifiedBytes>, LoadError> {
        if let Some(bytes) = state.shards.get(span.shard) {
            return Ok(bytes);
        }
        state.shards.make_room(self.keep.saturating_sub(span.range.end - span.range.start));
        match self.contents.read_span(self.place, span, progress) {
            Ok(bytes) => {
                let bytes = Arc::new(bytes);
                state.shards.put(span.shard, bytes.clone());
                Ok(bytes)
            }
            Err(error) => {
                if error.kind() == Kind::Denied {
                    state.shards.clear();
                    state.poison = Some(error.clone());
                }
                Err(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for VerifiedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.read_at(buffer, self.position)?;
        self.position = self.position.saturating_add(read as u64);
        Ok(read)
    }
}

impl Seek for VerifiedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
