//! [`Kept`]: the verified shards of a file that were used last.

use super::VerifiedBytes;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Shards, each by its number. Whatever is done with one costs the same however many there are: shards can be tiny.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// With the time of the last use.
    shards: HashMap<u32, (u64, Arc<VerifiedBytes>)>,
    /// By the time of the last use.
    order: BTreeMap<u64, u32>,
    bytes: u64,
    uses: u64,
}

impl Kept {
    pub(super) fn has(&self, shard: u32) -> bool {
        self.shards.contains_key(&shard)
    }

    /// Uses a shard.
    pub(super) fn get(&mut self, shard: u32) -> Option<Arc<VerifiedBytes>> {
        let (used, bytes) = self.shards.get_mut(&shard)?;
        self.order.remove(used);
        self.uses += 1;
        *used = self.uses;
        self.order.insert(self.uses, shard);
        Some(bytes.clone())
    }

    /// Keeps a shard that is not kept yet.
    pub(super) fn put(&mut self, shard: u32, bytes: Arc<VerifiedBytes>) {
        self.uses += 1;
        self.bytes += bytes.len() as u64;
        self.order.insert(self.uses, shard);
        self.shards.insert(shard, (self.uses, bytes));
    }

    /// Lets go of what was used longest ago, until no more than so many bytes are left.
    pub(super) fn make_room(&mut self, left: u64) {
        while self.bytes > left
            && let Some((_, shard)) = self.order.pop_first()
        {
            if let Some((_, bytes)) = self.shards.remove(&shard) {
                self.bytes -= bytes.len() as u64;
            }
        }
    }

    /// Lets go of all.
    pub(super) fn clear(&mut self) {
        *self = Self { uses: self.uses, ..Self::default() };
    }
}
