//! The system at its worst, injected under the real engine: short reads, interruptions, errors in the middle.

use crate::{
    DEFAULT_MEMORY, ErrorKind, MeasureError, Options, Source, fs::Status, measure::measure_through,
    read::ReadAt,
};
use modelseal_core::manifest::{Manifest, Method, Serialization};
use std::{
    fs::File,
    io,
    num::{NonZeroU64, NonZeroUsize},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// A real file whose reads go wrong.
struct Faulty<'a> {
    file: File,
    reads: &'a AtomicU64,
    fault: Fault,
}

#[derive(Clone, Copy)]
enum Fault {
    None,
    /// Every read gives a few bytes only.
    Short,
    /// Every other read is interrupted.
    Interrupted,
    /// Reading this offset fails.
    Error(u64, io::ErrorKind),
    /// The file ends here, whatever its size says.
    Ends(u64),
}

impl ReadAt for Faulty<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.reads.fetch_add(1, Ordering::Relaxed);
        let within = |at: u64| offset <= at && at < offset + buffer.len() as u64;
        let mut room = buffer.len();
        match self.fault {
            Fault::Short => room = room.min(1 + usize::try_from(count * 7919 % 5000).unwrap()),
            Fault::Interrupted if count.is_multiple_of(2) => return Err(io::ErrorKind::Interrupted.into()),
            Fault::Error(at, kind) if within(at) => return Err(kind.into()),
            Fault::Ends(at) => room = room.min(usize::try_from(at.saturating_sub(offset)).unwrap()),
            _ => {}
        }
        self.file.read_at(&mut buffer[..room], offset)
    }

    fn status(&self) -> io::Result<Status> {
        self.file.status()
    }
}

fn options(threads: usize) -> Options {
    let method = Method::Shards(NonZeroU64::new(100_000).unwrap());
    Options {
        serialization: Serialization { method, ..Serialization::default() },
        threads: NonZeroUsize::new(threads),
        memory: DEFAULT_MEMORY,
        ..Options::default()
    }
}

/// Measures with `fault` in the file `big`.
fn measure(path: &Path, threads: usize, fault: Fault) -> Result<Manifest, MeasureError> {
    let reads = AtomicU64::new(0);
    let source = Source::open(path)?;
    let measured = measure_through(&source, &options(threads), &(), |found, file| {
        let fault = if found.path.as_str() == "big" { fault } else { Fault::None };
        Faulty { file, reads: &reads, fault }
    })?;
    Ok(measured.manifest.into_inner())
}

fn model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..1_050_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    std::fs::write(folder.path().join("big"), &bytes).unwrap();
    for n in 0..600 {
        std::fs::write(folder.path().join(format!("small-{n}")), &bytes[n..n + n % 9]).unwrap();
    }
    folder
}

#[test]
fn short_and_interrupted_reads_change_nothing() {
    let model = model();
    let expected = measure(model.path(), 1, Fault::None).unwrap();
    for threads in [1, 3] {
        assert_eq!(measure(model.path(), threads, Fault::Short).unwrap(), expected);
        assert_eq!(measure(model.path(), threads, Fault::Interrupted).unwrap(), expected);
    }
}

#[test]
fn an_error_in_the_middle_of_the_seventh_shard_names_the_file() {
    let model = model();
    for threads in 1..=4 {
        let fault = Fault::Error(650_000, io::ErrorKind::Other);
        let error = measure(model.path(), threads, fault).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        let MeasureError::Io { doing: "read", path, .. } = &error else { panic!("{error}") };
        assert_eq!(path, &model.path().join("big"));
    }
}

#[test]
fn a_file_that_ends_before_its_size_is_refused() {
    let model = model();
    for end in [0, 99_999, 100_000, 1_049_999] {
        let error = measure(model.path(), 2, Fault::Ends(end)).unwrap_err();
        let change = crate::Change::Shrank { from: 1_050_000 };
        assert!(matches!(error, MeasureError::Changed { change: found, .. } if found == change), "{error}");
    }
}

/// Files under `/proc` say they are empty and are not: without the byte beyond, they would be signed as empty.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_holds_more_than_its_size_is_refused() {
    let source = Source::open(Path::new("/proc/self/status")).unwrap();
    let error = crate::measure(&source, &Options::default(), &()).unwrap_err();
    assert!(
        matches!(error, MeasureError::Changed { change: crate::Change::Grew { from: 0 }, .. }),
        "{error}"
    );
}
