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

impl Job {
    /// Its file's place in the walk, and the number of its shard.
    pub(crate) fn key(self) -> (u32, u32) {
        (self.file, self.shard)
    }
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
        let mut plan = Self::ordered(jobs, files, method);
        plan.bytes = files.iter().map(|file| file.size).fold(0, u64::saturating_add);
        Ok(plan)
    }

    /// A plan of nothing but these: files by their place in the walk, with the number of a shard, which is 0 under `files`.
    pub(crate) fn only(
        wanted: impl Iterator<Item = (u32, u32)>,
        files: &[FoundFile],
        method: Method,
    ) -> Self {
        let jobs = wanted.map(|(file, shard)| Job { file, shard }).collect();
        let mut plan = Self::ordered(jobs, files, method);
        plan.bytes = plan.sum(files);
        plan
    }

    fn ordered(mut jobs: Vec<Job>, files: &[FoundFile], method: Method) -> Self {
        let plan = Self { jobs: Vec::new(), large: 0, bytes: 0, method };
        let large = |job: &Job| {
            let ByteRange { start, end } = plan.range(*job, &files[job.file as usize]);
            let len = end.saturating_sub(start);
            if len < LARGE { 0 } else { len }
        };
        // Stable: ranges of one size, and all small ones, keep the order of the walk.
        jobs.sort_by_key(|job| std::cmp::Reverse(large(job)));
        let count = jobs.partition_point(|job| large(job) > 0);
        Self { jobs, large: count, ..plan }
    }

    /// Leaves only the jobs that are marked in `kept`, in their order.
    pub(crate) fn keep(&mut self, kept: &[bool], files: &[FoundFile]) {
        let is_kept = |at: usize| kept.get(at).copied().unwrap_or(false);
        self.large = (0..self.large).filter(|at| is_kept(*at)).count();
        let mut at = 0..;
        self.jobs.retain(|_| at.next().is_some_and(is_kept));
        self.bytes = self.sum(files);
    }

    /// The bytes of all jobs.
    fn sum(&self, files: &[FoundFile]) -> u64 {
        let size = |job: &Job| {
            let range = self.range(*job, &files[job.file as usize]);
            range.end.saturating_sub(range.start)
        };
        self.jobs.iter().map(size).fold(0, u64::saturating_add)
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
