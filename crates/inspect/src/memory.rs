//! What is held of one file at once, wherever in it the readers are: members that were decompressed to be read at any place,
//! windows of decoders, directories of archives. Archives nest, and so does what is held for them: all of it draws on one
//! amount, to which the values of a pickle come.

use crate::limits;
use std::{cell::Cell, rc::Rc};

/// The amount, shared by all readers of one file.
#[derive(Clone, Default)]
pub(crate) struct Memory(Rc<Amounts>);

#[derive(Default)]
struct Amounts {
    held: Cell<u64>,
    /// Length of the longest pickle so far, which the bound grows with.
    pickle: Cell<u64>,
}

/// A part of it, which comes back when this goes.
pub(crate) struct Taken {
    memory: Memory,
    bytes: u64,
}

impl Memory {
    /// Nothing yet.
    pub(crate) fn take(&self) -> Taken {
        Taken { memory: self.clone(), bytes: 0 }
    }

    /// Takes note of a pickle that is at least this long.
    pub(crate) fn pickle(&self, len: u64) {
        self.0.pickle.set(self.0.pickle.get().max(len));
    }

    /// What the values of a pickle of this length may take: twice its length, and what is left of the rest.
    pub(crate) fn for_values(&self, len: u64) -> u64 {
        limits::MEMORY.saturating_add(len.saturating_mul(2)).saturating_sub(self.0.held.get())
    }

    /// Half of a pickle's length may go to what it comes out of.
    fn left(&self) -> u64 {
        (limits::MEMORY + self.0.pickle.get() / 2).saturating_sub(self.0.held.get())
    }
}

impl Taken {
    /// Takes as much as is missing to `bytes`; false when that is too much, and then takes nothing.
    #[must_use]
    pub(crate) fn grow_to(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        if more > self.memory.left() {
            return false;
        }
        let held = &self.memory.0.held;
        held.set(held.get() + more);
        self.bytes += more;
        true
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let held = &self.memory.0.held;
        held.set(held.get().saturating_sub(self.bytes));
    }
}

/// Makes room for `more` elements, with little to spare once there are many: what is reserved is counted.
#[inline]
pub(crate) fn room<T>(vec: &mut Vec<T>, more: usize) {
    const MANY: usize = 64 * 1024;
    if vec.capacity() - vec.len() < more && vec.len() >= MANY {
        vec.reserve_exact((vec.len() / 8).max(more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let memory = Memory::default();
        let mut one = memory.take();
        assert!(one.grow_to(limits::MEMORY) && one.grow_to(1));
        let mut two = memory.take();
        assert!(!two.grow_to(1));
        assert_eq!(memory.for_values(10), 20);
        drop(one);
        assert!(two.grow_to(limits::MEMORY) && !two.grow_to(limits::MEMORY + 1));
        memory.pickle(2);
        assert!(two.grow_to(limits::MEMORY + 1));
        drop(two);
        assert_eq!(memory.for_values(0), limits::MEMORY);
    }
}
