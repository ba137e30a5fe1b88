//! [`measure_looking`]: measures a model and looks into its files, such that what was seen is what was hashed.

use crate::{
    also::{Also, FileHash, also_of, check_also},
    engine::opener::Opener,
    error::{Change, MeasureError},
    measure::{Measured, Options},
    prints::{AllPrints, Grid, Prints, Tap},
    progress::Progress,
    read::fill,
    source::Source,
    walk::{FoundFile, Walked, walk},
};
use modelseal_core::{manifest::Method, path::ModelPath};
use std::{
    collections::VecDeque,
    fs::File,
    io,
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// Blocks that a view keeps. Readers go back and forth between a directory and what it lists.
const CACHED: usize = 4;

/// Bytes of a looking thread's stack: archives lie in archives, with a reader for each.
const STACK: usize = 8 << 20;

/// Threads that look into files at most: what a look may hold is counted for each.
const MOST_THREADS: usize = 16;

/// A model that was measured and looked into.
#[derive(Debug)]
pub struct Looked<T> {
    /// What it consists of.
    pub measured: Measured,
    /// Further digests.
    pub also: Vec<Also>,
    /// What the look at each file gave, sorted by name. These are the files of the manifest, each once.
    pub looks: Vec<(ModelPath, T)>,
}

/// An open file of a model, for looking into it before it is hashed. Every block that is read through it is compared with
/// what is hashed later.
pub struct FileView<'a> {
    file: &'a File,
    len: u64,
    progress: &'a dyn Progress,
    state: Mutex<State>,
}

struct State {
    prints: Prints,
    /// The latest last.
    cache: VecDeque<(u64, Vec<u8>)>,
    failed: Option<Failed>,
}

#[derive(Clone, Copy)]
enum Failed {
    Changed,
    Shrank,
    Cancelled,
}

/// Measures as [`measure_also`](crate::measure_also()), and calls `look` for each file first, from several threads.
///
/// What `look` read of a file is compared, block by block, with the bytes that go into its digest: so whatever it says is
/// about the bytes that the manifest names. Besides what it reads, every byte is read once.
///
/// # Errors
/// As [`measure_also`](crate::measure_also()); those that `look` gives; [`MeasureError::Changed`] when a file was other than
/// `look` saw it.
pub fn measure_looking<T: Send>(
    source: &Source,
    options: &Options,
    also: &[FileHash],
    look: impl Fn(&ModelPath, &FileView<'_>) -> io::Result<T> + Sync,
    progress: &dyn Progress,
) -> Result<Looked<T>, MeasureError> {
    check_also(options, also)?;
    let walked = walk(source, options.rules(), progress)?;
    let method = options.serialization.method;
    let found = look_into(source, &walked, method, options.threads, &look, progress)?;
    let (mut looks, mut prints) = (Vec::with_capacity(found.len()), AllPrints::with_capacity(found.len()));
    for (path, given, of_file) in found {
        prints.insert(path.clone(), of_file);
        looks.push((path, given));
    }
    let tapped = |found: &FoundFile, file: File| Tap::new(file, prints.get(&found.path));
    let (measured, also) = also_of(source, walked, options, also, progress, tapped)?;
    if let Some((path, _)) =
        prints.iter().filter(|(_, prints)| !prints.all_compared()).min_by_key(|(path, _)| *path)
    {
        return Err(MeasureError::Changed { path: source.join(path.as_str()), change: Change::Modified });
    }
    looks.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Looked { measured, also, looks })
}

type Found<T> = (ModelPath, T, Prints);

fn look_into<T: Send>(
    source: &Source,
    walked: &Walked,
    method: Method,
    threads: Option<NonZeroUsize>,
    look: &(impl Fn(&ModelPath, &FileView<'_>) -> io::Result<T> + Sync),
    progress: &dyn Progress,
) -> Result<Vec<Found<T>>, MeasureError> {
    let threads = threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let threads = threads.min(MOST_THREADS).min(walked.files.len()).max(1);
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let work = || {
        let mut opener = Opener::new(source, walked);
        let mut done = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(found) = walked.files.get(at) else { break };
            match one(&mut opener, at, found, method, look, progress) {
                Ok((given, prints)) => done.push((found.path.clone(), given, prints)),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    return (done, Some((found.path.clone(), error)));
                }
            }
        }
        (done, None)
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let start =
            |_| thread::Builder::new().name("look".into()).stack_size(STACK).spawn_scoped(scope, work).ok();
        // A thread that does not start is no error: the others do its work, or this one.
        let workers: Vec<_> = (0..threads).map_while(start).collect();
        let here = workers.is_empty().then(work);
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        here.into_iter().chain(joined).collect()
    });
    // Of several errors the first by name.
    let failed = results.iter_mut().filter_map(|(_, failed)| failed.take()).min_by(|(a, _), (b, _)| a.cmp(b));
    match failed {
        Some((_, error)) => Err(error),
        None => Ok(results.into_iter().flat_map(|(done, _)| done).collect()),
    }
}

fn one<T>(
    opener: &mut Opener<'_>,
    at: usize,
    found: &FoundFile,
    method: Method,
    look: &impl Fn(&ModelPath, &FileView<'_>) -> io::Result<T>,
    progress: &dyn Progress,
) -> Result<(T, Prints), MeasureError> {
    if progress.cancelled() {
        return Err(MeasureError::Cancelled);
    }
    let file = opener.open(found).map_err(|e| opener.failed("open", at, e))?;
    opener.examine(at, &file).map_err(|(_, error)| error)?;
    let view = FileView::new(&file, Grid::new(found.size, method), progress);
    let given = look(&found.path, &view);
    let state = view.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    opener.examine(at, &file).map_err(|(_, error)| error)?;
    match (state.failed, given) {
        (Some(Failed::Cancelled), _) => Err(MeasureError::Cancelled),
        (Some(failed), _) => {
            let change = match failed {
                Failed::Shrank => Change::Shrank { from: found.size },
                _ => Change::Modified,
            };
            Err(opener.changed(at, change))
        }
        (None, Err(error)) => Err(opener.failed("inspect", at, error)),
        (None, Ok(given)) => Ok((given, state.prints)),
    }
}

impl<'a> FileView<'a> {
    fn new(file: &'a File, grid: Grid, progress: &'a dyn Progress) -> Self {
        let state = State { prints: Prints::new(grid), cache: VecDeque::new(), failed: None };
        Self { file, len: grid.len(), progress, state: Mutex::new(state) }
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads at `offset`, as `pread`: may read less than asked for; 0 is the end.
    ///
    /// # Errors
    /// Those of the file; and when a block is other than it was before. Then the measurement fails, whatever is made of the
    /// error.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.len || buffer.is_empty() {
            return Ok(0);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, end) = state.prints.grid().block(offset);
        let at = match state.cache.iter().rposition(|(cached, _)| *cached == start) {
            Some(at) => at,
            None => {
                let fetched = self.fetch(&mut state, start, end);
                let bytes = fetched.map_err(|(failed, error)| {
                    state.failed = state.failed.or(failed);
                    error
                })?;
                state.cache.push_back((start, bytes));
                state.cache.len() - 1
            }
        };
        let block = state.cache.get(at).map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
        let from = usize::try_from(offset - start).unwrap_or(usize::MAX);
        let there = block.get(from..).unwrap_or_default();
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        Ok(count)
    }

    fn fetch(&self, state: &mut State, start: u64, end: u64) -> Result<Vec<u8>, (Option<Failed>, io::Error)> {
        let failed = |failed, what: &str| (Some(failed), io::Error::other(what));
        if self.progress.cancelled() {
            return Err(failed(Failed::Cancelled, "cancelled"));
        }
        let len = usize::try_from(end - start).unwrap_or(usize::MAX);
        // The oldest block's memory takes the new one.
        let oldest = if state.cache.len() < CACHED { None } else { state.cache.pop_front() };
        let mut bytes = oldest.map(|(_, bytes)| bytes).unwrap_or_default();
        bytes.resize(len, 0);
        let read = fill(self.file, &mut bytes, len, start).map_err(|error| (None, error))?;
        if read != len {
            return Err(failed(Failed::Shrank, "the file has become shorter"));
        }
        if !state.prints.keep(start, &bytes) {
            return Err(failed(Failed::Changed, "the file has changed"));
        }
        Ok(bytes)
    }
}

impl std::fmt::Debug for FileView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileView({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelseal_core::{digest::Algorithm, manifest::Serialization};
    use std::{num::NonZeroU64, os::unix::fs::FileExt};

    fn model() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> =
            (0..3_300_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        std::fs::write(folder.path().join("big"), &bytes).unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        for n in 0..40 {
            std::fs::write(folder.path().join(format!("sub/small-{n}")), &bytes[n..n + n * 7]).unwrap();
        }
        std::fs::write(folder.path().join("empty"), "").unwrap();
        folder
    }

    fn options(method: Method, algorithm: Algorithm) -> Options {
        Options {
            serialization: Serialization { method, algorithm, ..Serialization::default() },
            ..Options::default()
        }
    }

    /// The first and the last bytes, and some in the middle.
    fn ends(view: &FileView<'_>) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        for offset in [0, view.len() / 2, view.len().saturating_sub(5)] {
            let mut buffer = [0; 5];
            let read = view.read_at(offset, &mut buffer)?;
            all.extend_from_slice(&buffer[..read]);
        }
        Ok(all)
    }

    #[test]
    fn looking_changes_no_digest_and_every_file_is_looked_at() {
        let model = model();
        let source = Source::open(model.path()).unwrap();
        let shards = Method::Shards(NonZeroU64::new(100_003).unwrap());
        for method in [Method::Files, shards] {
            for algorithm in Algorithm::ALL {
                let options = options(method, algorithm);
                let plain = crate::measure(&source, &options, &()).unwrap();
                let looked = measure_looking(&source, &options, &[], |_, view| ends(view), &()).unwrap();
                assert_eq!(plain.manifest, looked.measured.manifest);
                assert_eq!(looked.looks.len(), 42);
                let mut of_manifest: Vec<&ModelPath> =
                    plain.manifest.get().resources().iter().map(|resource| &resource.path).collect();
                of_manifest.sort_unstable();
                of_manifest.dedup();
                assert!(looked.looks.iter().map(|(path, _)| path).eq(of_manifest));
                let big = std::fs::read(model.path().join("big")).unwrap();
                assert_eq!(looked.looks[0].1[..5], big[..5]);
            }
        }
    }

    #[test]
    fn further_digests_come_from_the_same_read() {
        let model = model();
        let source = Source::open(model.path()).unwrap();
        let options = options(Method::Files, Algorithm::Blake3);
        let also = [FileHash::Oms(Algorithm::Sha256)];
        let (_, expected) = crate::measure_also(&source, &options, &also, &()).unwrap();
        let looked = measure_looking(&source, &options, &also, |_, view| ends(view), &()).unwrap();
        assert_eq!(looked.also, expected);
    }

    /// A write through a memory map, or below the file system, leaves no trace in the times: here they are set back.
    #[test]
    fn bytes_that_are_swapped_between_looking_and_hashing_are_noticed_without_any_trace() {
        for method in [Method::Files, Method::Shards(NonZeroU64::new(1_000_000).unwrap())] {
            for algorithm in Algorithm::ALL {
                let model = model();
                let path = model.path().join("big");
                let looked_at = Prints::new(Grid::new(3_300_000, method));
                let (source, options) = (Source::open(model.path()).unwrap(), options(method, algorithm));
                let walked = walk(&source, options.rules(), &()).unwrap();
                let mut prints = AllPrints::from([(ModelPath::parse("big").unwrap(), looked_at)]);
                let of_big = prints.values_mut().next().unwrap();
                let grid = of_big.grid();
                let (start, end) = grid.block(2_000_000);
                let mut block = vec![0; usize::try_from(end - start).unwrap()];
                let file = File::open(&path).unwrap();
                file.read_exact_at(&mut block, start).unwrap();
                block[17] ^= 1; // What was looked at is not what is there now.
                assert!(of_big.keep(start, &block));
                let tapped = |found: &FoundFile, file: File| Tap::new(file, prints.get(&found.path));
                let error = also_of(&source, walked, &options, &[], &(), tapped).unwrap_err();
                let MeasureError::Changed { path: named, change: Change::Modified } = &error else {
                    panic!("{error}")
                };
                assert_eq!(*named, path);
            }
        }
    }

    #[test]
    fn a_file_that_is_changed_after_it_was_looked_at_is_refused() {
        let model = model();
        let source = Source::open(model.path()).unwrap();
        let options = options(Method::Files, Algorithm::Sha256);
        let look = |path: &ModelPath, view: &FileView<'_>| {
            let seen = ends(view)?;
            if path.as_str() == "big" {
                let file = File::options().write(true).open(model.path().join("big"))?;
                file.write_all_at(b"?", 3)?;
            }
            Ok(seen)
        };
        let error = measure_looking(&source, &options, &[], look, &()).unwrap_err();
        assert!(error.to_string().contains("while the model was measured"), "{error}");
    }

    #[test]
    fn two_looks_at_one_block_that_differ_are_an_error_even_when_nobody_minds() {
        let model = model();
        let source = Source::open(model.path()).unwrap();
        let options = options(Method::Files, Algorithm::Sha256);
        let look = |path: &ModelPath, view: &FileView<'_>| {
            if path.as_str() == "big" {
                let mut byte = [0];
                view.read_at(0, &mut byte)?;
                let file = File::options().write(true).open(model.path().join("big"))?;
                file.write_all_at(b"?", 3)?;
                for block in 1..10 {
                    view.read_at(block * 65_536, &mut byte)?;
                }
                assert!(view.read_at(0, &mut byte).is_err());
            }
            Ok(())
        };
        let error = measure_looking(&source, &options, &[], look, &()).unwrap_err();
        assert!(matches!(error, MeasureError::Changed { .. }), "{error}");
    }

    #[test]
    fn an_error_of_a_look_names_the_file() {
        let model = model();
        let source = Source::open(model.path()).unwrap();
        let look = |path: &ModelPath, _: &FileView<'_>| {
            if path.as_str() == "sub/small-7" { Err(io::Error::other("no")) } else { Ok(()) }
        };
        let error = measure_looking(&source, &Options::default(), &[], look, &()).unwrap_err();
        let MeasureError::Io { doing: "inspect", path, .. } = error else { panic!("{error}") };
        assert!(path.ends_with("sub/small-7"));
    }
}
