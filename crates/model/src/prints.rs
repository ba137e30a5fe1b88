//! What ties a look at a file to its hashing: a print of every block that was looked at, and the same of what is hashed.
//!
//! ```text
//! FileView.read_at -> block -> print kept in Prints
//! Tap.read_at, the engine's -> bytes on their way into the hash -> print of each kept block, compared
//! ```
//!
//! So the bytes that a look was based on are the bytes that were hashed, even where somebody writes to the file in between
//! without leaving a trace; and what nobody looked at is read once.

use crate::read::ReadAt;
use modelseal_core::{manifest::Method, path::ModelPath};
use std::{
    cell::RefCell,
    collections::HashMap,
    fmt,
    fs::File,
    io,
    num::NonZeroU64,
    sync::atomic::{AtomicBool, Ordering},
};

/// Bytes of a block at least. A look at a few bytes costs reading and hashing so many.
const BLOCK: u64 = 64 * 1024;
/// Blocks of a file, as long as these are not larger than [`LARGEST_BLOCK`]: it bounds the prints of a file that is looked
/// at from end to end.
const BLOCKS: u64 = 1 << 20;
/// Not more than the pieces in which one message is hashed, which begin and end with a block.
const LARGEST_BLOCK: u64 = 1024 * 1024;

/// How a file is divided into blocks. No block lies in two shards, since these may be hashed by different workers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    len: u64,
    shard: Option<NonZeroU64>,
    block: u64,
}

/// The prints of what was looked at in one file.
#[derive(Debug)]
pub(crate) struct Prints {
    grid: Grid,
    blocks: HashMap<u64, Kept>,
}

/// The prints of all files.
pub(crate) type AllPrints = HashMap<ModelPath, Prints>;

#[derive(Debug)]
struct Kept {
    print: blake3::Hash,
    /// Whether the hashed bytes were compared with it.
    compared: AtomicBool,
}

/// A file on its way into a hash, which is compared with the prints.
pub(crate) struct Tap<'p> {
    file: File,
    prints: Option<&'p Prints>,
    at: RefCell<Option<Running>>,
}

/// A block of which the beginning went by.
struct Running {
    start: u64,
    next: u64,
    hasher: blake3::Hasher,
}

/// What was hashed is not what was looked at. The cause of an [`io::Error`].
#[derive(Debug)]
pub(crate) struct Differs;

impl Grid {
    pub(crate) fn new(len: u64, method: Method) -> Self {
        let shard = match method {
            Method::Files => None,
            Method::Shards(size) => Some(size),
        };
        Self { len, shard, block: (len / BLOCKS).next_power_of_two().clamp(BLOCK, LARGEST_BLOCK) }
    }

    /// The bytes of the file.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The block that holds this byte of the file: its first byte, and the one after its last.
    pub(crate) fn block(&self, offset: u64) -> (u64, u64) {
        let shard = self.shard.map_or(u64::MAX, NonZeroU64::get);
        let base = offset / shard * shard;
        let start = base + (offset - base) / self.block * self.block;
        let end = start.saturating_add(self.block).min(base.saturating_add(shard));
        (start, end.min(self.len))
    }
}

impl Prints {
    pub(crate) fn new(grid: Grid) -> Self {
        Self { grid, blocks: HashMap::new() }
    }

    pub(crate) fn grid(&self) -> Grid {
        self.grid
    }

    /// Keeps the print of a block, or compares it with the one that was kept: false when it is another.
    pub(crate) fn keep(&mut self, start: u64, bytes: &[u8]) -> bool {
        let print = blake3::hash(bytes);
        let kept = self.blocks.entry(start).or_insert(Kept { print, compared: AtomicBool::new(false) });
        kept.print == print
    }

    /// Whether every block that was looked at was hashed.
    pub(crate) fn all_compared(&self) -> bool {
        self.blocks.values().all(|kept| kept.compared.load(Ordering::Relaxed))
    }
}

impl<'p> Tap<'p> {
    pub(crate) fn new(file: File, prints: Option<&'p Prints>) -> Self {
        Self { file, prints, at: RefCell::new(None) }
    }

    /// Takes bytes that go into the hash. A message is read from its first byte to its last, by one descriptor.
    fn pass(&self, prints: &Prints, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut running = self.at.borrow_mut();
        let mut at = offset;
        // The engine asks for a byte beyond the end, which is an error of its own should there be one.
        let end = offset.saturating_add(bytes.len() as u64).min(prints.grid.len);
        while at < end {
            let (start, block_end) = prints.grid.block(at);
            let upto = block_end.min(end);
            let range = usize::try_from(at - offset).ok().zip(usize::try_from(upto - offset).ok());
            let part = range.and_then(|(from, to)| bytes.get(from..to)).unwrap_or_default();
            if let Some(kept) = prints.blocks.get(&start) {
                let mut block = match running.take() {
                    Some(running) if running.start == start && running.next == at => running,
                    _ if at == start => Running { start, next: at, hasher: blake3::Hasher::new() },
                    // Not from its beginning: it stays uncompared, which is noticed at the end.
                    _ => {
                        at = upto;
                        continue;
                    }
                };
                block.hasher.update(part);
                block.next = upto;
                if upto < block_end {
                    *running = Some(block);
                } else if block.hasher.finalize() == kept.print {
                    kept.compared.store(true, Ordering::Relaxed);
                } else {
                    return Err(io::Error::other(Differs));
                }
            }
            at = upto;
        }
        Ok(())
    }
}

impl ReadAt for Tap<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = ReadAt::read_at(&self.file, buffer, offset)?;
        if let Some(prints) = self.prints {
            self.pass(prints, buffer.get(..read).unwrap_or_default(), offset)?;
        }
        Ok(read)
    }

    fn status(&self) -> io::Result<crate::fs::Status> {
        self.file.status()
    }

    fn will_read(&self) {
        self.file.will_read();
    }
}

impl Differs {
    pub(crate) fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|cause| cause.is::<Self>())
    }
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not what it was a moment ago")
    }
}

impl std::error::Error for Differs {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn bytes() -> Vec<u8> {
        (0..400_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// Reads `from..to` in steps of `step`, as the engine does.
    fn read(tap: &Tap<'_>, from: u64, to: u64, step: usize) -> io::Result<()> {
        let (mut at, mut buffer) = (from, vec![0; step]);
        while at < to {
            let most = usize::try_from(to - at).unwrap().min(step);
            at += ReadAt::read_at(tap, &mut buffer[..most], at)? as u64;
        }
        Ok(())
    }

    fn prints(bytes: &[u8], method: Method, looked_at: &[u64]) -> Prints {
        let mut prints = Prints::new(Grid::new(bytes.len() as u64, method));
        for offset in looked_at {
            let (start, end) = prints.grid.block(*offset);
            let block = &bytes[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
            assert!(prints.keep(start, block));
        }
        prints
    }

    #[test]
    fn what_is_hashed_as_it_was_looked_at_is_compared_in_steps_of_any_size() {
        let bytes = bytes();
        for step in [1000, 4096, 65_536, 65_537, 1_000_000] {
            let prints = prints(&bytes, Method::Files, &[0, 70_000, 399_999]);
            assert!(!prints.all_compared());
            read(&Tap::new(file(&bytes), Some(&prints)), 0, 400_000, step).unwrap();
            assert!(prints.all_compared(), "{step}");
        }
    }

    #[test]
    fn one_other_byte_in_a_block_that_was_looked_at_is_an_error_and_elsewhere_is_none() {
        let bytes = bytes();
        for (changed, seen) in [(0_usize, true), (65_535, true), (65_536, false), (399_999, true)] {
            let prints = prints(&bytes, Method::Files, &[3, 399_000]);
            let mut other = bytes.clone();
            other[changed] ^= 1;
            let result = read(&Tap::new(file(&other), Some(&prints)), 0, 400_000, 100_000);
            assert_eq!(result.as_ref().is_err_and(Differs::is_cause_of), seen, "{changed}");
        }
    }

    #[test]
    fn shards_that_are_hashed_apart_have_blocks_of_their_own() {
        let bytes = bytes();
        let size = 70_001;
        let method = Method::Shards(NonZeroU64::new(size).unwrap());
        let prints = prints(&bytes, method, &[69_999, 70_001, 200_000, 399_999]);
        for shard in [3, 0, 5, 1, 4, 2] {
            let tap = Tap::new(file(&bytes), Some(&prints));
            read(&tap, shard * size, ((shard + 1) * size).min(400_000), 8192).unwrap();
        }
        assert!(prints.all_compared());
    }

    #[test]
    fn what_was_looked_at_and_never_hashed_is_noticed() {
        let bytes = bytes();
        let prints = prints(&bytes, Method::Files, &[399_999]);
        read(&Tap::new(file(&bytes), Some(&prints)), 0, 390_000, 10_000).unwrap();
        assert!(!prints.all_compared());
    }

    #[test]
    fn a_second_look_at_a_block_must_see_the_same() {
        let mut prints = Prints::new(Grid::new(10, Method::Files));
        assert!(prints.keep(0, b"0123456789"));
        assert!(prints.keep(0, b"0123456789") && !prints.keep(0, b"0123456780"));
    }
}
