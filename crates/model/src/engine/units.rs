//! [`Units`]: the large jobs in the pieces in which they are hashed apart. Only a tree hash has pieces within a message.

use crate::{
    kernel::Kernel,
    plan::Plan,
    walk::{FoundFile, Walked},
};
use modelseal_core::manifest::ByteRange;

/// A job, or one of its pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) job: usize,
    pub(super) piece: u64,
}

/// What a plan's large jobs consist of.
#[derive(Clone, Copy)]
pub(super) struct Units<'a> {
    plan: &'a Plan,
    files: &'a [FoundFile],
    /// The bytes of each piece but the last, by the length of the message.
    piece: Option<fn(u64) -> u64>,
}

impl<'a> Units<'a> {
    pub(super) fn new<K: Kernel>(plan: &'a Plan, walked: &'a Walked) -> Self {
        Self { plan, files: &walked.files, piece: K::tree().map(|tree| tree.piece) }
    }

    /// All of them.
    pub(super) fn total(&self) -> u64 {
        match self.piece {
            None => self.plan.large as u64,
            Some(_) => (0..self.plan.large).map(|job| self.pieces(job)).fold(0, u64::saturating_add),
        }
    }

    /// In how many pieces a job is hashed: one for those that are not large.
    pub(super) fn pieces(&self, job: usize) -> u64 {
        let ByteRange { start, end } = self.whole(job);
        let len = end - start;
        match self.piece {
            Some(piece) if job < self.plan.large => len.div_ceil(piece(len)).max(1),
            _ => 1,
        }
    }

    /// The bytes of the file.
    pub(super) fn range(&self, unit: Unit) -> ByteRange {
        let ByteRange { start, end } = self.whole(unit.job);
        match self.piece {
            Some(piece) if unit.job < self.plan.large => {
                let piece = piece(end - start);
                let start = start.saturating_add(piece.saturating_mul(unit.piece));
                ByteRange { start, end: start.saturating_add(piece).min(end) }
            }
            _ => ByteRange { start, end },
        }
    }

    /// The unit after another.
    pub(super) fn after(&self, Unit { job, piece }: Unit) -> Unit {
        if piece + 1 < self.pieces(job) {
            Unit { job, piece: piece + 1 }
        } else {
            Unit { job: job + 1, piece: 0 }
        }
    }

    fn whole(&self, job: usize) -> ByteRange {
        let job = self.plan.jobs[job];
        self.plan.range(job, &self.files[job.file as usize])
    }
}
