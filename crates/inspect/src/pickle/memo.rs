//! The memo: what `PUT` kept for `GET`.

use super::value::Value;
use crate::memory::room;
use std::collections::HashMap;

/// Places beyond the last one that are still kept in a row.
const GAP: u64 = 1024;

#[derive(Default, Clone)]
pub(super) struct Memo {
    row: Vec<Option<Value>>,
    /// Far places, which no pickler uses.
    far: HashMap<u64, Value>,
    count: u64,
}

impl Memo {
    #[inline]
    pub(super) fn put(&mut self, at: u64, value: Value) {
        if self.get(at).is_none() {
            self.count += 1;
        }
        let len = self.row.len() as u64;
        if at < len.saturating_add(GAP) {
            #[expect(clippy::cast_possible_truncation, reason = "close to the row's length")]
            let place = at as usize;
            if at >= len {
                self.row.resize(place + 1, None);
            }
            self.row[place] = Some(value);
        } else {
            self.far.insert(at, value);
        }
    }

    #[inline]
    pub(super) fn get(&self, at: u64) -> Option<Value> {
        let near = usize::try_from(at).ok().and_then(|at| self.row.get(at).copied().flatten());
        if near.is_some() || self.far.is_empty() { near } else { self.far.get(&at).copied() }
    }

    /// Places in use: where `MEMOIZE` puts the next value.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Makes room for `more` places in a row.
    pub(super) fn room(&mut self, more: usize) {
        room(&mut self.row, more);
    }

    pub(super) fn memory(&self) -> u64 {
        (self.row.capacity() * size_of::<Option<Value>>() + self.far.capacity() * 32) as u64
    }

    pub(super) fn clear(&mut self) {
        self.row.clear();
        self.far.clear();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_places_do_not_cost_what_lies_between() {
        let mut memo = Memo::default();
        memo.put(u64::MAX, Value::Int(1));
        memo.put(0, Value::Int(2));
        memo.put(0, Value::Int(3));
        assert_eq!(
            (memo.get(u64::MAX), memo.get(0), memo.get(7)),
            (Some(Value::Int(1)), Some(Value::Int(3)), None)
        );
        assert_eq!(memo.count(), 2);
        assert!(memo.memory() < 1000);
    }
}
