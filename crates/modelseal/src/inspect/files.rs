//! The files of a model, inspected by several threads in bounded memory.

use modelseal_core::{inspection::FileInspection, observed::Observed, path::ModelPath};
use modelseal_inspect::{Bytes, FileBytes, Link, RuleSet};
use modelseal_model::{Listing, MeasureError, Note, Opening, Options, Progress, Source};
use std::{
    io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// Memory that inspecting one file takes at most, beside twice its largest pickle.
pub(super) const SHARE: u64 = 64 << 20;

/// Files up to this size are inspected side by side whatever is in them; of larger ones, twice the rest is counted.
const SMALL: u64 = 16 << 20;

/// Archives lie in archives: a reader's stack for each.
const STACK: usize = 8 << 20;

/// What was found in the files of a model.
pub(super) struct Found {
    /// By name.
    pub(super) files: Vec<Observed<FileInspection>>,
    /// Links that were not followed.
    pub(super) links: Vec<Link>,
    pub(super) notes: Vec<Note>,
}

/// Inspects every file of `source`.
pub(super) fn inspect(
    source: &Source,
    options: &Options,
    rules: &RuleSet,
    progress: &dyn Progress,
) -> Result<Found, MeasureError> {
    let listing = Listing::of(source, options, progress)?;
    let bytes = listing.files().map(|(_, size)| size).fold(0, u64::saturating_add);
    progress.plan(listing.files().len(), bytes);
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = options.threads.map_or_else(cores, NonZeroUsize::get);
    let threads = threads.min(listing.files().len()).max(1);
    let work = Work {
        files: listing.files().collect(),
        source,
        listing: &listing,
        rules,
        progress,
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        memory: Gate::new(SHARE.saturating_mul(threads as u64)),
    };
    let mut done: Vec<Done> = thread::scope(|scope| {
        let start = |_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || work.run()).ok();
        let workers: Vec<_> = (0..threads).map_while(start).collect();
        // A system that gives no thread has this one.
        let here = if workers.is_empty() { work.run() } else { Vec::new() };
        let joined = workers.into_iter().flat_map(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        here.into_iter().chain(joined).collect()
    });
    done.sort_unstable_by_key(|(file, _)| *file);
    let files = done.into_iter().map(|(_, result)| result).collect::<Result<Vec<_>, _>>()?;
    if files.len() < listing.files().len() {
        return Err(MeasureError::Cancelled);
    }
    let links = listing
        .links()
        .map(|(path, target)| Link { path: path.clone(), target: target.to_string_lossy().into_owned() });
    Ok(Found { files, links: links.collect(), notes: listing.notes().to_vec() })
}

/// The annotated disassembly of the pickles in a file.
pub(super) fn trace(path: &Path, rules: &RuleSet, lines: u64) -> Result<String, MeasureError> {
    let source = Source::open(path)?;
    let listing = Listing::of(&source, &Options::default(), &())?;
    let failed = |doing, error| MeasureError::Io { doing, path: path.to_owned(), error };
    if !source.is_file() {
        return Err(failed("trace", io::Error::from(io::ErrorKind::IsADirectory)));
    }
    let mut opening = listing.opening();
    let bytes = FileBytes::new(opening.open(0)?).map_err(|error| failed("inspect", error))?;
    let name = listing.files().next().map(|(name, _)| name.clone());
    let name = name.ok_or_else(|| failed("trace", io::Error::from(io::ErrorKind::NotFound)))?;
    let mut text = String::new();
    modelseal_inspect::trace(&name, &bytes, rules.globals(), &mut text, lines)
        .map_err(|error| failed("read", error))?;
    Ok(text)
}

type Done = (usize, Result<Observed<FileInspection>, MeasureError>);

/// What the threads share.
struct Work<'a> {
    files: Vec<(&'a ModelPath, u64)>,
    source: &'a Source,
    listing: &'a Listing<'a>,
    rules: &'a RuleSet,
    progress: &'a dyn Progress,
    next: AtomicUsize,
    stop: AtomicBool,
    memory: Gate,
}

impl Work<'_> {
    fn run(&self) -> Vec<Done> {
        let (mut done, mut opening) = (Vec::new(), self.listing.opening());
        loop {
            let file = self.next.fetch_add(1, Ordering::Relaxed);
            if file >= self.files.len() || self.stop.load(Ordering::Relaxed) || self.progress.cancelled() {
                return done;
            }
            let result = self.file(file, &mut opening);
            if result.is_err() {
                self.stop.store(true, Ordering::Relaxed);
            }
            done.push((file, result));
        }
    }

    /// A path for messages.
    fn shown(&self, path: &ModelPath) -> PathBuf {
        let model = self.source.path();
        if self.source.is_file() { model.to_owned() } else { model.join(path.as_str()) }
    }

    fn file(&self, file: usize, opening: &mut Opening<'_>) -> Result<Observed<FileInspection>, MeasureError> {
        let (path, size) = self.files[file];
        let _memory = self.memory.enter_for(size);
        let open = opening.open(file)?;
        let failed = |error| MeasureError::Io { doing: "read", path: self.shown(path), error };
        let bytes = Watched { bytes: FileBytes::new(open).map_err(failed)?, progress: self.progress };
        let inspected = modelseal_inspect::inspect(path, &bytes, self.rules.globals());
        if self.progress.cancelled() {
            return Err(MeasureError::Cancelled);
        }
        // A file that changed may be why it could not be read.
        opening.check(file, bytes.bytes.file())?;
        let inspected = inspected.map_err(failed)?;
        self.progress.advance(size);
        Ok(inspected)
    }
}

/// A file that is no longer read once somebody asked to stop.
struct Watched<'a> {
    bytes: FileBytes,
    progress: &'a dyn Progress,
}

impl Bytes for Watched<'_> {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.progress.cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        self.bytes.read_at(offset, buffer)
    }
}

/// Lets through as much as there is memory for; what needs more than all of it goes alone.
pub(super) struct Gate {
    most: u64,
    taken: Mutex<u64>,
    freed: Condvar,
}

pub(super) struct Entered<'g> {
    gate: &'g Gate,
    taken: u64,
}

impl Gate {
    pub(super) fn new(most: u64) -> Self {
        Self { most, taken: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits until there is memory for a file of this size.
    pub(super) fn enter_for(&self, size: u64) -> Entered<'_> {
        self.enter(SHARE.saturating_add(size.saturating_sub(SMALL).saturating_mul(2)))
    }

    fn enter(&self, wanted: u64) -> Entered<'_> {
        let wanted = wanted.min(self.most);
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self
            .freed
            .wait_while(taken, |taken| *taken + wanted > self.most)
            .unwrap_or_else(PoisonError::into_inner);
        *taken += wanted;
        Entered { gate: self, taken: wanted }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.gate.taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.taken;
        self.gate.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelseal_core::manifest::Serialization;
    use std::{fs, sync::atomic::AtomicU64, time::Duration};

    fn model(files: usize) -> tempfile::TempDir {
        let model = tempfile::tempdir().unwrap();
        for file in 0..files {
            fs::write(model.path().join(format!("{file}.pkl")), b"\x80\x04N.").unwrap();
        }
        model
    }

    fn run(path: &Path, threads: usize, progress: &dyn Progress) -> Result<Found, MeasureError> {
        let source = Source::open(path).unwrap();
        let options = Options {
            serialization: Serialization::default(),
            threads: NonZeroUsize::new(threads),
            ..Options::default()
        };
        inspect(&source, &options, RuleSet::built_in(), progress)
    }

    /// Does something to a file between the listing and the reading.
    struct Meddler(PathBuf, fn(&Path));

    impl Progress for Meddler {
        fn plan(&self, _: usize, _: u64) {
            self.1(&self.0);
        }

        fn advance(&self, _: u64) {}
    }

    #[test]
    fn a_file_that_changes_is_no_result() {
        let grow = |path: &Path| fs::write(path, b"\x80\x04NNNN.").unwrap();
        let vanish = |path: &Path| fs::remove_file(path).unwrap();
        let replace = |path: &Path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        };
        let meddling: [fn(&Path); 3] = [grow, vanish, replace];
        for meddle in meddling {
            let model = model(5);
            let error = run(model.path(), 3, &Meddler(model.path().join("2.pkl"), meddle)).err().unwrap();
            assert!(matches!(error, MeasureError::Changed { .. }), "{error}");
            assert!(error.to_string().contains("2.pkl"), "{error}");
        }
    }

    /// Writes to a file while it is being read.
    struct Writer(PathBuf, AtomicU64);

    impl Progress for Writer {
        fn plan(&self, _: usize, _: u64) {
            self.1.store(1, Ordering::Relaxed);
        }

        fn advance(&self, _: u64) {}

        fn cancelled(&self) -> bool {
            // Asked before each file, and before each read.
            if self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n > 0).then(|| n + 1)) == Ok(2)
            {
                fs::write(&self.0, b"\x80\x04NNNN.").unwrap();
            }
            false
        }
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_no_result() {
        let model = model(1);
        let error =
            run(model.path(), 1, &Writer(model.path().join("0.pkl"), AtomicU64::new(0))).err().unwrap();
        assert!(matches!(error, MeasureError::Changed { .. }), "{error}");
    }

    /// Asks to stop after some files.
    struct Impatient(AtomicU64);

    impl Progress for Impatient {
        fn plan(&self, _: usize, _: u64) {}

        fn advance(&self, _: u64) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn cancelled(&self) -> bool {
            self.0.load(Ordering::Relaxed) >= 3
        }
    }

    #[test]
    fn whoever_asks_to_stop_gets_no_half_of_a_result() {
        let model = model(50);
        let progress = Impatient(AtomicU64::new(0));
        let error = run(model.path(), 2, &progress).err().unwrap();
        assert!(matches!(error, MeasureError::Cancelled), "{error}");
        assert!(progress.0.load(Ordering::Relaxed) < 10);
    }

    #[test]
    fn progress_counts_every_byte() {
        struct Sum(AtomicU64, AtomicU64);
        impl Progress for Sum {
            fn plan(&self, _: usize, bytes: u64) {
                self.0.store(bytes, Ordering::Relaxed);
            }

            fn advance(&self, bytes: u64) {
                self.1.fetch_add(bytes, Ordering::Relaxed);
            }
        }
        let (model, sum) = (model(20), Sum(AtomicU64::new(0), AtomicU64::new(0)));
        assert_eq!(run(model.path(), 4, &sum).unwrap().files.len(), 20);
        assert_eq!((sum.0.into_inner(), sum.1.into_inner()), (80, 80));
    }

    #[test]
    fn large_files_go_alone() {
        let gate = Gate::new(4 * SHARE);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for file in 0..12 {
                let (gate, now, most) = (&gate, &now, &most);
                scope.spawn(move || {
                    // Every third needs more than there is.
                    let wanted = if file % 3 == 0 { 9 * SHARE } else { SHARE };
                    let _memory = gate.enter(wanted);
                    let sum = now.fetch_add(wanted.min(4 * SHARE), Ordering::SeqCst) + wanted.min(4 * SHARE);
                    most.fetch_max(sum, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(2));
                    now.fetch_sub(wanted.min(4 * SHARE), Ordering::SeqCst);
                });
            }
        });
        assert_eq!(*gate.taken.lock().unwrap(), 0);
        assert_eq!(most.into_inner(), 4 * SHARE, "all of it is used, and no more");
    }
}
