//! What the workers do with each other: sharing, reading for another, stopping.

use super::{
    lane::{Message, Stream},
    pool::{Given, Pool, Wait},
    units::Unit,
};
use crate::{
    Change, DEFAULT_MEMORY, ErrorKind, MeasureError, Options, Progress, Source,
    fs::Status,
    kernel::{Kernel, Sha256Kernel},
    measure::measure_through,
    plan::Plan,
    read::ReadAt,
    walk::{Rules, walk},
};
use modelseal_core::{
    digest::Algorithm,
    manifest::{Manifest, Method, Serialization},
};
use std::{
    collections::HashSet,
    fs::File,
    io,
    num::{NonZeroU64, NonZeroUsize},
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::ThreadId,
    time::Duration,
};

const MIB: u64 = 1024 * 1024;

fn folder(sizes: &[u64]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (n, size) in sizes.iter().enumerate() {
        File::create(folder.path().join(n.to_string())).unwrap().set_len(*size).unwrap();
    }
    folder
}

#[test]
fn those_with_most_left_are_dealt_first_and_their_number_is_bounded() {
    let model = folder(&[10 * MIB, 9 * MIB, 8 * MIB, 7 * MIB, 6 * MIB, 5]);
    let source = Source::open(model.path()).unwrap();
    let rules =
        Rules { ignore_paths: &[], exclude: &[], only: None, allow_symlinks: false, list_symlinks: false };
    let walked = walk(&source, rules, &()).unwrap();
    let plan = Plan::new(&walked.files, Method::Files).unwrap();
    assert_eq!((plan.jobs.len(), plan.large), (6, 5));
    type State = <Sha256Kernel as Kernel>::State;
    let begun = |given: &[Given<State, ()>]| {
        let job = |given: &Given<_, _>| match given {
            Given::Begin(unit) => (true, unit.job),
            Given::GoOn(stream) => (false, stream.message.unit.job),
        };
        given.iter().map(job).collect::<Vec<_>>()
    };
    let stream = |job: usize, left: u64| {
        let end = plan.range(plan.jobs[job], &walked.files[plan.jobs[job].file as usize]).end;
        let unit = Unit { job, piece: 0 };
        let message = Message { unit, state: Sha256Kernel.start(), next: end - left, end, read: 0 };
        Stream { file: 0, open: (), message }
    };
    let pool = Pool::<Sha256Kernel, ()>::new(&plan, &walked, 2, 100);
    assert_eq!(begun(&pool.deal(vec![], 16)), [(true, 0), (true, 1), (true, 2)]);
    assert_eq!(begun(&pool.deal(vec![], 1)), [(true, 3)]);
    // A lane for one: what has most left, though another was here longer.
    assert_eq!(begun(&pool.deal(vec![stream(0, MIB), stream(1, 8 * MIB)], 1)), [(false, 1)]);
    assert_eq!(begun(&pool.deal(vec![stream(2, 3 * MIB)], 16)), [(true, 4), (false, 2), (false, 0)]);
    assert!(begun(&pool.deal(vec![], 16)).is_empty());
    pool.ended(4);
    assert!(matches!(pool.deal(vec![stream(0, 1)], 0)[..], []));
    assert!(matches!(pool.wait(), Wait::Again));
    pool.ended(1);
    assert!(matches!(pool.wait(), Wait::Done));

    // Five in waves of at most four are waves of three, not of four and one.
    let pool = Pool::<Sha256Kernel, ()>::new(&plan, &walked, 1, 4);
    assert_eq!(begun(&pool.deal(vec![], 16)).len(), 3);
    assert!(begun(&pool.deal(vec![], 16)).is_empty());
    pool.ended(1);
    assert_eq!(begun(&pool.deal(vec![], 16)), [(true, 3)]);
    assert_eq!(pool.take_small(), Some(5));
    assert_eq!(pool.take_small(), None);
}

/// A real file that tells who reads it, how many are open, and whose reads may go wrong.
struct Watched<'a> {
    file: File,
    log: &'a Log,
}

#[derive(Default)]
struct Log {
    readers: Mutex<HashSet<ThreadId>>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    examined: AtomicUsize,
    /// The first thread waits a little at each read, so that another has the time to offer its help.
    slow: bool,
    short: bool,
    fails_at: Option<u64>,
    ends_at: Option<u64>,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.log.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ReadAt for Watched<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let log = self.log;
        let alone = {
            let mut readers = log.readers.lock().unwrap();
            readers.insert(std::thread::current().id());
            readers.len() == 1
        };
        if log.slow && alone {
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut room = buffer.len();
        let end = offset + room as u64;
        if log.fails_at.is_some_and(|at| (offset..end).contains(&at)) {
            return Err(io::ErrorKind::Other.into());
        }
        if let Some(ends_at) = log.ends_at {
            room = room.min(usize::try_from(ends_at.saturating_sub(offset)).unwrap());
        }
        if log.short && room > 1 {
            room = room / 3 + 1;
        }
        self.file.read_at(&mut buffer[..room], offset)
    }

    fn status(&self) -> io::Result<Status> {
        self.log.examined.fetch_add(1, Ordering::Relaxed);
        self.file.status()
    }
}

fn options(algorithm: Algorithm, method: Method, threads: usize) -> Options {
    Options {
        serialization: Serialization { algorithm, method, ..Serialization::default() },
        threads: NonZeroUsize::new(threads),
        memory: DEFAULT_MEMORY,
        ..Options::default()
    }
}

fn watch(
    path: &Path,
    options: &Options,
    log: &Log,
    progress: &dyn Progress,
) -> Result<Manifest, MeasureError> {
    let source = Source::open(path)?;
    let measured = measure_through(&source, options, progress, |_, file| {
        let open = log.open.fetch_add(1, Ordering::SeqCst) + 1;
        log.most_open.fetch_max(open, Ordering::SeqCst);
        Watched { file, log }
    })?;
    Ok(measured.manifest.into_inner())
}

/// One file that one stream hashes, of bytes that differ from place to place.
fn single() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> =
        (0..24_000_001_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    std::fs::write(folder.path().join("big"), bytes).unwrap();
    folder
}

#[test]
fn a_reader_of_its_own_gives_the_same_digest_and_looks_at_the_file_last() {
    let model = single();
    for algorithm in [Algorithm::Sha256, Algorithm::Blake2b] {
        let alone = Log::default();
        let expected = watch(model.path(), &options(algorithm, Method::Files, 1), &alone, &()).unwrap();
        assert_eq!(alone.readers.lock().unwrap().len(), 1);
        for short in [false, true] {
            let log = Log { slow: true, short, ..Log::default() };
            let found = watch(model.path(), &options(algorithm, Method::Files, 2), &log, &()).unwrap();
            assert_eq!(found, expected);
            assert_eq!(log.readers.lock().unwrap().len(), 2, "nobody helped");
            assert_eq!((log.open.into_inner(), log.examined.into_inner()), (0, 1));
        }
    }
}

#[test]
fn a_reader_of_its_own_sees_errors_and_ends_as_any_other() {
    let model = single();
    for threads in 1..=3 {
        let slow = threads > 1;
        let options = options(Algorithm::Sha256, Method::Files, threads);
        for at in [0, 20_000_000, 24_000_000] {
            let log = Log { slow, fails_at: Some(at), ..Log::default() };
            let error = watch(model.path(), &options, &log, &()).unwrap_err();
            assert!(matches!(error, MeasureError::Io { doing: "read", .. }), "{error}");
            let log = Log { slow, ends_at: Some(at), ..Log::default() };
            let error = watch(model.path(), &options, &log, &()).unwrap_err();
            let change = Change::Shrank { from: 24_000_001 };
            assert!(
                matches!(error, MeasureError::Changed { change: found, .. } if found == change),
                "{error}"
            );
        }
    }
}

/// Does something at the advance of that number.
struct At<F>(usize, AtomicUsize, F);

impl<F: Fn() -> bool + Sync> Progress for At<F> {
    fn plan(&self, _: usize, _: u64) {
        std::thread::sleep(Duration::from_millis(25));
    }
    fn advance(&self, _: u64) {
        if self.1.fetch_add(1, Ordering::SeqCst) == self.0 {
            (self.2)();
        }
    }
    fn cancelled(&self) -> bool {
        // Says so only once: that must be enough.
        self.1.load(Ordering::SeqCst) > self.0 && (self.2)()
    }
}

#[test]
fn a_file_that_changes_while_another_thread_reads_it() {
    for (grow, change) in
        [(true, Change::Grew { from: 24_000_001 }), (false, Change::Shrank { from: 24_000_001 })]
    {
        let model = single();
        let log = Log { slow: true, ..Log::default() };
        let changed = AtomicUsize::new(0);
        let act = At(0, AtomicUsize::new(0), || {
            if changed.fetch_add(1, Ordering::SeqCst) == 0 {
                let file = std::fs::OpenOptions::new().write(true).open(model.path().join("big")).unwrap();
                file.set_len(if grow { 24_000_002 } else { 23_000_000 }).unwrap();
            }
            false
        });
        let error =
            watch(model.path(), &options(Algorithm::Sha256, Method::Files, 2), &log, &act).unwrap_err();
        assert!(matches!(error, MeasureError::Changed { change: found, .. } if found == change), "{error}");
    }
}

#[test]
fn a_wish_to_stop_ends_all_threads_whoever_hears_it() {
    let model = folder(&[1 << 40, 1 << 40, 1 << 40]);
    for algorithm in [Algorithm::Sha256, Algorithm::Blake3] {
        for (threads, at) in [(1, 0), (2, 5), (4, 40), (8, 100)] {
            let asked = AtomicUsize::new(0);
            let act = At(at, AtomicUsize::new(0), || asked.fetch_add(1, Ordering::SeqCst) == 1);
            let log = Log::default();
            let error =
                watch(model.path(), &options(algorithm, Method::Files, threads), &log, &act).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cancelled);
            assert_eq!(log.open.into_inner(), 0);
        }
    }
}

#[test]
fn a_panic_in_one_thread_leaves_none_waiting() {
    let model = folder(&[1 << 40]);
    for threads in [1, 2, 4] {
        let act = At(20, AtomicUsize::new(0), || -> bool { panic!("on purpose") });
        let options = options(Algorithm::Sha256, Method::Files, threads);
        let run = || watch(model.path(), &options, &Log { slow: true, ..Log::default() }, &act).is_ok();
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    }
}

#[test]
fn many_large_shards_need_few_descriptors_and_memory_and_threads_change_nothing() {
    let model = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> =
        (0..90_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    std::fs::write(model.path().join("big"), &bytes).unwrap();
    for n in 0..50 {
        std::fs::write(model.path().join(format!("small-{n}")), &bytes[n..3 * n]).unwrap();
    }
    let shards = Method::Shards(NonZeroU64::new(1_100_000).unwrap());
    for algorithm in Algorithm::ALL {
        let all = |threads, memory| {
            let log = Log::default();
            let options = Options { memory, ..options(algorithm, shards, threads) };
            (watch(model.path(), &options, &log, &()).unwrap(), log.most_open.into_inner())
        };
        let (expected, _) = all(1, 0);
        for threads in [1, 2, 3] {
            let (found, most_open) = all(threads, DEFAULT_MEMORY);
            assert_eq!(found, expected, "{threads}");
            assert!(most_open <= threads * 3 * 16, "{most_open}");
        }
    }
}
