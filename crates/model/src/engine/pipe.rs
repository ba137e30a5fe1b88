//! One thread reads, another hashes: the only help for a single stream. Buffers go round between the two.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Buffers on their way: one that is hashed, one that is read, and some between, so that neither thread stands still
/// while the system lets the other wait for a core.
pub(super) const BUFFERS: usize = 8;
/// A buffer at most. With small ones the threads spend their time waking each other.
pub(super) const BUFFER: usize = 1024 * 1024;

/// The side of the thread that reads.
pub(super) struct ReadEnd {
    filled: SyncSender<(Vec<u8>, usize)>,
    empty: Receiver<Vec<u8>>,
}

/// The side of the thread that hashes.
pub(super) struct HashEnd {
    filled: Receiver<(Vec<u8>, usize)>,
    empty: SyncSender<Vec<u8>>,
}

/// The two ends of a pipe without buffers; the reader makes them.
pub(super) fn pipe() -> (ReadEnd, HashEnd) {
    let (to_hash, filled) = sync_channel(BUFFERS);
    let (to_read, empty) = sync_channel(BUFFERS);
    (ReadEnd { filled: to_hash, empty }, HashEnd { filled, empty: to_read })
}

impl ReadEnd {
    /// A buffer that has been hashed; `None` when the other side has gone.
    pub(super) fn emptied(&self) -> Option<Vec<u8>> {
        self.empty.recv().ok()
    }

    /// Passes on the first `len` bytes of `buffer`; false when the other side has gone.
    pub(super) fn pass(&self, buffer: Vec<u8>, len: usize) -> bool {
        self.filled.send((buffer, len)).is_ok()
    }
}

impl HashEnd {
    /// The next bytes: a buffer, and how many of it count. `None` when the reader has gone, for good or ill.
    pub(super) fn next(&self) -> Option<(Vec<u8>, usize)> {
        self.filled.recv().ok()
    }

    /// Gives a buffer back.
    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        // A reader that is through needs none.
        let _ = self.empty.send(buffer);
    }
}
