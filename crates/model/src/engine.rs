//! The workers. Each keeps its lanes filled from different files or shards: a round reads one buffer for each lane and
//! hashes them together. Memory is workers times lanes times one buffer, whatever the size of the model.
//!
//! | module | part |
//! |---|---|
//! | `units` | the large jobs in the pieces in which they can be hashed apart |
//! | `pool` | what the workers share: large jobs go to whoever is free, those with most left first |
//! | `worker` | reading and hashing |
//! | `lane` | a worker's places for messages |
//! | `pipe` | one thread reads for another, which hashes a single stream |
//! | `opener` | opening files again, reading them, noticing that they changed |

mod lane;
pub(crate) mod opener;
mod pipe;
mod pool;
#[cfg(test)]
mod tests;
mod units;
mod worker;

use crate::{
    engine::{pool::Pool, units::Units, worker::Worker},
    error::MeasureError,
    kernel::Kernel,
    plan::Plan,
    progress::Progress,
    read::{Placing, ReadAt},
    source::Source,
    walk::{FoundFile, Walked},
};
use std::{fs::File, num::NonZeroUsize};

/// The buffers of a worker together, where that leaves each enough: they stay in its core's second-level cache.
const CACHE: usize = 1024 * 1024;
/// A lane's buffer at most.
const BUFFER: usize = 256 * 1024;
/// A lane's buffer at least, whatever the memory limit.
const LEAST_BUFFER: usize = 64 * 1024;
/// Between the buffers of two lanes: when their addresses differ by a large power of two, they evict each other from
/// the caches. One byte of it may hold what lies beyond a file's end.
const STAGGER: usize = 320;
/// One more thread from so many bytes of work on: starting it costs far less than they do.
const WORK_PER_THREAD: u64 = 2 * 1024 * 1024;
/// Opening a file, in bytes of work.
const WORK_PER_FILE: u64 = 16 * 1024;

/// What there is to hash, and how.
pub(crate) struct Engine<'a> {
    pub(crate) source: &'a Source,
    pub(crate) walked: &'a Walked,
    pub(crate) plan: &'a Plan,
    pub(crate) threads: Option<NonZeroUsize>,
    /// Upper limit of all buffers together, in bytes; one worker with the smallest buffers there is always.
    pub(crate) memory: u64,
    pub(crate) progress: &'a dyn Progress,
    /// Where bytes are to stay, if they are.
    pub(crate) into: Option<&'a dyn Placing>,
}

/// How many workers, and what each gets.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    workers: usize,
    lanes: usize,
    buffer: usize,
    /// Bytes of each of the buffers of a worker that reads for another.
    piped: usize,
    /// Large jobs that may be begun and not ended.
    window: usize,
}

impl Engine<'_> {
    /// What every job of the plan comes to, by its index, in no order. Files are read as `wrap` gives them.
    pub(crate) fn run<K: Kernel, R: ReadAt>(
        &self,
        kernel: &K,
        wrap: impl Fn(&FoundFile, File) -> R + Sync,
    ) -> Result<Vec<(usize, K::Output)>, MeasureError> {
        let shape = self.shape(kernel.lanes(), Units::new::<K>(self.plan, self.walked).total());
        let pool = Pool::<K, R>::new(self.plan, self.walked, shape.workers, shape.window);
        let work = || Worker::new(self, kernel, &pool, &wrap, &shape).run();
        let mut digests = std::thread::scope(|scope| {
            // A thread that does not start is no error: the others do its work.
            let others: Vec<_> = (1..shape.workers)
                .map_while(|_| {
                    std::thread::Builder::new().name("measure".into()).spawn_scoped(scope, work).ok()
                })
                .collect();
            let mut digests = vec![work()];
            for other in others {
                match other.join() {
                    Ok(found) => digests.push(found),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            digests
        });
        if let Some(error) = pool.into_failure() {
            return Err(error);
        }
        let mut all = digests.pop().unwrap_or_default();
        all.extend(digests.into_iter().flatten());
        Ok(all)
    }

    /// `units`: in how many units the large jobs can be hashed.
    fn shape(&self, lanes: usize, units: u64) -> Shape {
        let at_most = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let jobs = self.plan.jobs.len();
        let units = at_most(units).saturating_add(jobs - self.plan.large);
        let threads = self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            NonZeroUsize::get,
        );
        let work = self.plan.bytes.saturating_add((jobs as u64).saturating_mul(WORK_PER_FILE));
        let buffers = at_most(self.memory / (LEAST_BUFFER + STAGGER) as u64);
        // Half of what may be open is left to the rest of the program. A worker opens a file for each lane, as many
        // wait, and two directories.
        let descriptors = crate::fs::descriptor_limit().map_or(usize::MAX, at_most) / 2;
        let workers = threads
            // Each large job keeps two workers busy: one reads, one hashes.
            .min(units.saturating_add(self.plan.large))
            .min(at_most(1 + work / WORK_PER_THREAD))
            .min(buffers / lanes.min(units.div_ceil(threads)).max(1))
            .min(descriptors / (2 * lanes + 2))
            .max(1);
        let lanes = lanes.min(units.div_ceil(workers)).min(buffers).max(1);
        let buffer = (at_most(self.memory) / (workers * lanes)).saturating_sub(STAGGER);
        let buffer = buffer.min(CACHE / lanes).clamp(LEAST_BUFFER, BUFFER);
        let window = descriptors.saturating_sub(workers * (lanes + 2));
        let piped = at_most(self.memory) / workers / pipe::BUFFERS;
        Shape {
            workers,
            lanes,
            // Whole blocks of every hash.
            buffer: buffer / 4096 * 4096,
            piped: (piped / 4096).saturating_sub(1).clamp(1, pipe::BUFFER / 4096) * 4096,
            window: window.clamp(workers * lanes, 2 * workers * lanes),
        }
    }
}
