//! The byte ranges that are hashed, and their order: the large ones first, so that no thread is left with one at the
//! end; then the small ones as they lie in their directories.

use crate::{error::MeasureError, walk::FoundFile};
use modelseal_core::{
    limits::MAX_RESOURCES,
    manifest::{ByteRange, Method},
};

/// From this many bytes on, a range is large: its hashing costs far more than opening its file.
const LARGE: u64 = 1024 * 1024;

/// What is hashed.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One for each resource; the first `large` are large ones.
    pub(crate) jobs: Vec<Job>,
    pub(crate) large: usize,
    pub(crate) bytes: u64,
    method: Method,
}

/// A file, or one shard of it: eight bytes, since there may be millions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub(crate) file: u32,
    shard: u32,
}

impl Plan {
    /// Counts before it allocates: a sparse file can have more shards than there is memory.
    pub(crate) fn new(files: &[FoundFile], method: Method) -> Result<Self, MeasureError> {
        let shards = |file: &FoundFile| match method {
            Method::Files => 1,
            Method::Shards(size) => file.size.div_ceil(size.get()).max(1),
        };
        let count = files.iter().map(shards).fold(0, u64::saturating_add);
        let fits = usize::try_from(count).is_ok_and(|count| count <= MAX_RESOURCES);
        if !fits {
            let shard_size = if let Method::Shards(size) = method { Some(size.get()) } else { None };
            return Err(MeasureError::TooManyResources { count, shard_size });
        }
        let mut jobs = Vec::with_capacity(usize::try_from(count).unwrap_or(MAX_RESOURCES));
        for (file, found) in (0..=u32::MAX).zip(files) {
            jobs.extend((0..=u32::MAX).zip(0..shards(found)).map(|(shard, _)| Job { file, shard }));
        }
        let bytes = files.iter().map(|file| file.size).fold(0, u64::saturating_add);
        let mut plan = Self { jobs, large: 0, bytes, method };
        let mut jobs = std::mem::take(&mut plan.jobs);
        let large = |job: &Job| {
            let ByteRange { start, end } = plan.range(*job, &files[job.file as usize]);
            let len = end - start;
            if len < LARGE { 0 } else { len }
        };
        // Stable: ranges of one size, and all small ones, keep the order of the walk.
        jobs.sort_by_key(|job| std::cmp::Reverse(large(job)));
        let count = jobs.partition_point(|job| large(job) > 0);
        Ok(Self { jobs, large: count, ..plan })
    }

    /// Leaves only the jobs that are marked in `kept`, in their order.
    pub(crate) fn keep(&mut self, kept: &[bool], files: &[FoundFile]) {
        let is_kept = |at: usize| kept.get(at).copied().unwrap_or(false);
        self.large = (0..self.large).filter(|at| is_kept(*at)).count();
        let mut at = 0..;
        self.jobs.retain(|_| at.next().is_some_and(is_kept));
        let size = |job: &Job| {
            let range = self.range(*job, &files[job.file as usize]);
            range.end.saturating_sub(range.start)
        };
        self.bytes = self.jobs.iter().map(size).fold(0, u64::saturating_add);
    }

    /// The bytes of its file that a job is about.
    pub(crate) fn range(&self, job: Job, file: &FoundFile) -> ByteRange {
        match self.method {
            Method::Files => ByteRange { start: 0, end: file.size },
            Method::Shards(size) => {
                let start = u64::from(job.shard).saturating_mul(size.get());
                ByteRange { start, end: start.saturating_add(size.get()).min(file.size) }
            }
        }
    }

    /// The range as a resource names it.
    pub(crate) fn named_range(&self, job: Job, file: &FoundFile) -> Option<ByteRange> {
        matches!(self.method, Method::Shards(_)).then(|| self.range(job, file))
    }
}
