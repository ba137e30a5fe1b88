//! A worker's lanes, and what moves between workers.

use crate::engine::units::Unit;

/// A place for one message among those that a worker hashes together.
pub(super) struct Lane<S, R> {
    /// The file it has open, kept for the next shard: index and file.
    pub(super) open: Option<(usize, R)>,
    pub(super) message: Option<Message<S>>,
}

/// A job, or a piece of one, that is being hashed.
pub(super) struct Message<S> {
    pub(super) unit: Unit,
    pub(super) state: S,
    pub(super) next: u64,
    pub(super) end: u64,
    /// Bytes of this round.
    pub(super) read: usize,
}

/// A large message between two slices, with its file.
pub(super) struct Stream<S, R> {
    pub(super) file: usize,
    pub(super) open: R,
    pub(super) message: Message<S>,
}

impl<S> Message<S> {
    /// Bytes that it has left.
    pub(super) fn left(&self) -> u64 {
        self.end - self.next
    }
}
