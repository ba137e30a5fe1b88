//! The workers. Each keeps its lanes filled from different files or shards: a round reads one buffer for each lane and
//! hashes them together. Memory is workers times lanes times one buffer, whatever the size of the model.

use crate::{
    error::{Change, MeasureError},
    fs::{Dir, Kind},
    kernel::Kernel,
    plan::{Job, Plan},
    progress::Progress,
    read::{ReadAt, fill},
    source::{Root, Source},
    walk::{FoundFile, Via, Walked},
};
use modelseal_core::digest::Digest;
use std::{
    ffi::OsStr,
    fs::File,
    io,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// A lane's buffer at most: the lanes of a core together stay in its second-level cache.
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
}

/// How many workers, and what each gets.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    workers: usize,
    lanes: usize,
    buffer: usize,
    /// Large jobs that one worker works on at once: they are spread over the workers before they are interleaved.
    large: usize,
}

impl Engine<'_> {
    /// The digest of every job of the plan, by its index, in no order. Files are read as `wrap` gives them.
    pub(crate) fn run<K: Kernel, R: ReadAt>(
        &self,
        wrap: impl Fn(&FoundFile, File) -> R + Sync,
    ) -> Result<Vec<(usize, Digest)>, MeasureError> {
        let shape = self.shape(K::lanes());
        let shared = Shared {
            engine: self,
            large: AtomicUsize::new(0),
            small: AtomicUsize::new(self.plan.large),
            stop: AtomicBool::new(false),
            failure: Mutex::new(None),
            wrap,
        };
        let work = || Worker::<K, R, _>::new(&shared, &shape).run();
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
        if let Some((_, error)) = shared.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let mut all = digests.pop().unwrap_or_default();
        all.extend(digests.into_iter().flatten());
        Ok(all)
    }

    fn shape(&self, lanes: usize) -> Shape {
        let jobs = self.plan.jobs.len();
        let threads = self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            NonZeroUsize::get,
        );
        let at_most = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let work = self.plan.bytes.saturating_add((jobs as u64).saturating_mul(WORK_PER_FILE));
        let buffers = at_most(self.memory / LEAST_BUFFER as u64);
        // Half of what may be open is left to the rest of the program.
        let descriptors = crate::fs::descriptor_limit().map_or(usize::MAX, at_most) / 2;
        let workers = threads
            .min(jobs)
            .min(at_most(1 + work / WORK_PER_THREAD))
            .min(buffers / lanes)
            .min(descriptors / (lanes + 2))
            .max(1);
        let lanes = lanes.min(jobs.div_ceil(workers)).min(buffers).max(1);
        let buffer = (at_most(self.memory) / (workers * lanes)).clamp(LEAST_BUFFER, BUFFER);
        Shape {
            workers,
            lanes,
            // Whole blocks of every hash.
            buffer: buffer / 4096 * 4096,
            large: self.plan.large.div_ceil(workers).clamp(1, lanes),
        }
    }
}

struct Shared<'a, W> {
    engine: &'a Engine<'a>,
    /// The next large job and the next small one that nobody has taken.
    large: AtomicUsize,
    small: AtomicUsize,
    stop: AtomicBool,
    /// The first error, by the name of its file, of those that were seen; `None` for a wish to stop.
    failure: Mutex<Option<(Option<usize>, MeasureError)>>,
    wrap: W,
}

impl<W> Shared<'_, W> {
    fn take(&self, may_be_large: bool) -> Option<usize> {
        let plan = self.engine.plan;
        let next = |cursor: &AtomicUsize, end: usize| {
            // The first look keeps the counter from running away.
            if cursor.load(Ordering::Relaxed) >= end {
                return None;
            }
            Some(cursor.fetch_add(1, Ordering::Relaxed)).filter(|job| *job < end)
        };
        let large = if may_be_large { next(&self.large, plan.large) } else { None };
        large.or_else(|| next(&self.small, plan.jobs.len()))
    }

    fn fail(&self, file: Option<usize>, error: MeasureError) {
        self.stop.store(true, Ordering::Relaxed);
        let name = |file: usize| &self.engine.walked.files[file].path;
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = match (&*failure, file) {
            (None, _) => true,
            (Some((None, _)), new) => new.is_some(),
            (Some((Some(_), _)), None) => false,
            (Some((Some(old), _)), Some(new)) => name(new) < name(*old),
        };
        if is_first {
            *failure = Some((file, error));
        }
    }
}

struct Worker<'a, K: Kernel, R, W> {
    shared: &'a Shared<'a, W>,
    opener: Opener<'a>,
    buffer: usize,
    buffers: Vec<u8>,
    large_at_once: usize,
    lanes: Vec<Lane<K::State, R>>,
    digests: Vec<(usize, Digest)>,
}

struct Lane<S, R> {
    /// The file it has open, kept for the next shard: index and file.
    open: Option<(usize, R)>,
    message: Option<Message<S>>,
}

/// A job that is being hashed.
struct Message<S> {
    job: usize,
    state: S,
    next: u64,
    end: u64,
    /// Bytes of this round.
    read: usize,
}

/// An error and the index of the file it is about.
type Failed = (usize, MeasureError);

impl<'a, K: Kernel, R: ReadAt, W: Fn(&FoundFile, File) -> R> Worker<'a, K, R, W> {
    fn new(shared: &'a Shared<'a, W>, shape: &Shape) -> Self {
        Self {
            shared,
            opener: Opener { source: shared.engine.source, walked: shared.engine.walked, last: None },
            buffer: shape.buffer,
            buffers: vec![0; shape.lanes * (shape.buffer + STAGGER)],
            large_at_once: shape.large,
            lanes: (0..shape.lanes).map(|_| Lane { open: None, message: None }).collect(),
            digests: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<(usize, Digest)> {
        while !self.shared.stop.load(Ordering::Relaxed) {
            if self.shared.engine.progress.cancelled() {
                self.shared.fail(None, MeasureError::Cancelled);
                break;
            }
            match self.round() {
                Ok(true) => {}
                Ok(false) => break,
                Err((file, error)) => {
                    self.shared.fail(Some(file), error);
                    break;
                }
            }
        }
        self.digests
    }

    /// One buffer for each lane. Says whether there was anything to do.
    fn round(&mut self) -> Result<bool, Failed> {
        self.refill()?;
        if self.lanes.iter().all(|lane| lane.message.is_none()) {
            return Ok(false);
        }
        self.read()?;
        self.hash();
        Ok(true)
    }

    fn refill(&mut self) -> Result<(), Failed> {
        let Engine { plan, walked, .. } = *self.shared.engine;
        let is_large = |lane: &Lane<K::State, R>| lane.message.as_ref().is_some_and(|m| m.job < plan.large);
        let mut large = self.lanes.iter().filter(|lane| is_large(lane)).count();
        for lane in &mut self.lanes {
            if lane.message.is_some() {
                continue;
            }
            let Some(job) = self.shared.take(large < self.large_at_once) else {
                self.opener.release(lane)?;
                continue;
            };
            large += usize::from(job < plan.large);
            let Job { file, .. } = plan.jobs[job];
            let file = file as usize;
            if lane.open.as_ref().is_none_or(|(open, _)| *open != file) {
                self.opener.release(lane)?;
                let opened = self.opener.open(&walked.files[file]);
                let opened = opened.map_err(|e| (file, self.opener.failed("open", file, e)))?;
                lane.open = Some((file, (self.shared.wrap)(&walked.files[file], opened)));
            }
            let range = plan.range(plan.jobs[job], &walked.files[file]);
            let state = K::start();
            lane.message = Some(Message { job, state, next: range.start, end: range.end, read: 0 });
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), Failed> {
        for (lane, buffer) in self.lanes.iter_mut().zip(self.buffers.chunks_mut(self.buffer + STAGGER)) {
            let (Some((file, open)), Some(message)) = (&lane.open, &mut lane.message) else { continue };
            let size = self.shared.engine.walked.files[*file].size;
            let left = message.end - message.next;
            let needed = usize::try_from(left).map_or(self.buffer, |left| left.min(self.buffer));
            // With the last bytes of a file one more is asked for, which it should not have.
            let beyond = usize::from(message.next + needed as u64 == size);
            let read = match fill(open, &mut buffer[..needed + beyond], needed, message.next) {
                Ok(read) => read,
                Err(error) => {
                    // A read fails, too, when the name has been given to something that is no file.
                    self.opener.examine(*file, open)?;
                    return Err((*file, self.opener.failed("read", *file, error)));
                }
            };
            if read != needed {
                self.opener.examine(*file, open)?;
                // The system's size is not what the file gives, as with some files that no disk holds.
                let change =
                    if read > needed { Change::Grew { from: size } } else { Change::Shrank { from: size } };
                return Err((*file, self.opener.changed(*file, change)));
            }
            message.read = read;
        }
        Ok(())
    }

    fn hash(&mut self) {
        let mut jobs: Vec<(&mut K::State, &[u8])> = Vec::with_capacity(self.lanes.len());
        let mut total = 0;
        for (lane, buffer) in self.lanes.iter_mut().zip(self.buffers.chunks(self.buffer + STAGGER)) {
            let Some(message) = &mut lane.message else { continue };
            message.next += message.read as u64;
            total += message.read as u64;
            jobs.push((&mut message.state, &buffer[..message.read]));
        }
        K::update(&mut jobs);
        if total > 0 {
            self.shared.engine.progress.advance(total);
        }
        let mut ended = Vec::with_capacity(self.lanes.len());
        let mut states = Vec::with_capacity(self.lanes.len());
        for lane in &mut self.lanes {
            if let Some(message) = lane.message.take_if(|message| message.next == message.end) {
                ended.push(message.job);
                states.push(message.state);
            }
        }
        self.digests.extend(ended.into_iter().zip(K::finish(states)));
    }
}

/// Opens the files of a walk again, by names relative to descriptors, keeping the directory it was in last.
struct Opener<'a> {
    source: &'a Source,
    walked: &'a Walked,
    last: Option<(u32, Dir)>,
}

impl Opener<'_> {
    fn open(&mut self, file: &FoundFile) -> io::Result<File> {
        let (root, name) = match (&self.source.root, &file.via) {
            (Root::File { file, .. }, _) => return file.try_clone(),
            (Root::Directory { .. }, Via::Blob(blob)) => {
                let snapshot = self.source.snapshot.as_ref().ok_or(io::ErrorKind::NotFound)?;
                return snapshot.blobs.open_file(OsStr::new(&**blob), false);
            }
            (Root::Directory { dir, .. }, _) => (dir, file.path.components().next_back().unwrap_or_default()),
        };
        let follow = matches!(file.via, Via::Link);
        self.directory(root, file.directory)?.open_file(OsStr::new(name), follow)
    }

    /// The directory of this index, reached from the one that was used last when that lies on the way.
    fn directory<'d>(&'d mut self, root: &'d Dir, index: u32) -> io::Result<&'d Dir> {
        if index == 0 {
            return Ok(root);
        }
        let last = self.last.take();
        let mut names = Vec::new();
        let mut at = index;
        while at != 0 && last.as_ref().is_none_or(|(last, _)| *last != at) {
            let directory = &self.walked.directories[at as usize];
            names.push((&*directory.name, directory.link));
            at = directory.parent;
        }
        let mut reached = last.filter(|(last, _)| *last == at).map(|(_, dir)| dir);
        for (name, link) in names.into_iter().rev() {
            reached = Some(reached.as_ref().unwrap_or(root).enter(name, link)?);
        }
        Ok(match reached {
            Some(dir) => &self.last.insert((index, dir)).1,
            None => root,
        })
    }

    /// Closes a lane's file, after a last look at it.
    fn release<S, R: ReadAt>(&self, lane: &mut Lane<S, R>) -> Result<(), Failed> {
        match lane.open.take() {
            Some((file, open)) => self.examine(file, &open),
            None => Ok(()),
        }
    }

    /// Whether an open file is still what the walk saw. The descriptor stays with one inode and nothing gives an inode
    /// an old `ctime` back (short of setting the clock), so what was read is what was there all the time; but for a
    /// system whose clock ticks slowly, where two writes within one tick look like one.
    fn examine<R: ReadAt>(&self, file: usize, open: &R) -> Result<(), Failed> {
        let status = open.status().map_err(|e| (file, self.failed("inspect", file, e)))?;
        let found = &self.walked.files[file];
        let change = match status.size {
            _ if status.kind != Kind::File => Change::Replaced,
            size if size > found.size => Change::Grew { from: found.size },
            size if size < found.size => Change::Shrank { from: found.size },
            _ if status.stamp != found.stamp => Change::Modified,
            _ => return Ok(()),
        };
        Err((file, self.changed(file, change)))
    }

    fn changed(&self, file: usize, change: Change) -> MeasureError {
        MeasureError::Changed { path: self.shown(file), change }
    }

    fn failed(&self, doing: &'static str, file: usize, error: io::Error) -> MeasureError {
        MeasureError::from_io(doing, self.shown(file), error)
    }

    fn shown(&self, file: usize) -> PathBuf {
        self.source.join(self.walked.files[file].path.as_str())
    }
}
