use super::*;
use crate::{Change, Source, fs::Status, measure};
use modelseal_core::{
    digest::Algorithm,
    manifest::{Resource, Serialization},
};
use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

const SHARD: u64 = 1_500_000;

fn bytes(len: u32) -> Vec<u8> {
    (0..len).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

/// A large file, small ones, and an empty one.
fn model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("big"), bytes(7_000_001)).unwrap();
    for n in 0..40_usize {
        std::fs::write(folder.path().join(format!("small-{n:02}")), &bytes(5000)[n..n * 90]).unwrap();
    }
    folder
}

fn options(method: Method, algorithm: Algorithm, threads: usize) -> Options {
    Options {
        serialization: Serialization { method, algorithm, ..Serialization::default() },
        threads: NonZeroUsize::new(threads),
        ..Options::default()
    }
}

fn all_options() -> impl Iterator<Item = Options> {
    let methods = [Method::Files, Method::Shards(NonZeroU64::new(SHARD).unwrap())];
    let with = |method| Algorithm::ALL.map(move |algorithm| (method, algorithm));
    methods
        .into_iter()
        .flat_map(with)
        .flat_map(|(method, algorithm)| [1, 3].map(|threads| options(method, algorithm, threads)))
}

/// What the model is now, listed and measured.
fn listed(path: &Path, options: &Options) -> (Files, Vec<Wanted>) {
    let measured = measure(&Source::open(path).unwrap(), options, &()).unwrap();
    let files = Files::of(Source::open(path).unwrap(), options, &()).unwrap();
    let wanted = |Resource { path, range, digest }: &Resource| Wanted {
        file: files.find(path.as_str()).unwrap(),
        shard: range.map_or(0, |range| u32::try_from(range.start / SHARD).unwrap()),
        digest: *digest,
    };
    let wanted = measured.manifest.get().resources().iter().map(wanted).collect();
    (files, wanted)
}

/// A file whose reads go wrong without leaving a trace in its times.
struct Faulty<'a> {
    file: File,
    reads: &'a AtomicU64,
    fault: Fault,
}

#[derive(Clone, Copy)]
enum Fault {
    None,
    Short,
    Interrupted,
    /// This byte is another one.
    Flipped(u64),
    /// The file ends here, whatever its size says.
    Ends(u64),
}

impl ReadAt for Faulty<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.reads.fetch_add(1, Ordering::Relaxed);
        let mut room = buffer.len();
        match self.fault {
            Fault::Short => room = room.min(1 + usize::try_from(count * 7919 % 90_000).unwrap()),
            Fault::Interrupted if count.is_multiple_of(2) => return Err(io::ErrorKind::Interrupted.into()),
            Fault::Ends(at) => room = room.min(usize::try_from(at.saturating_sub(offset)).unwrap()),
            _ => {}
        }
        let read = self.file.read_at(&mut buffer[..room], offset)?;
        if let Fault::Flipped(at) = self.fault
            && (offset..offset + read as u64).contains(&at)
        {
            buffer[usize::try_from(at - offset).unwrap()] ^= 0x10;
        }
        Ok(read)
    }

    fn status(&self) -> io::Result<Status> {
        self.file.status()
    }
}

/// Loads everything with `fault` in the file `big`, and gives what arrived of it.
fn load_with(
    files: &Files,
    options: &Options,
    wanted: &[Wanted],
    fault: Fault,
) -> (Vec<u8>, Result<(), LoadError>) {
    let big = files.find("big").unwrap();
    let reads = AtomicU64::new(0);
    let mut memory = vec![0; usize::try_from(files.get(big).1).unwrap()];
    let (head, tail) = memory.split_at_mut(1_234_567);
    let into = Memory::new().with(big, 1_234_567, tail).with(big, 0, head);
    let wrap = |found: &FoundFile, file: File| {
        let fault = if found.path.as_str() == "big" { fault } else { Fault::None };
        Faulty { file, reads: &reads, fault }
    };
    let outcome = load_through(files, options, wanted, &into, &(), wrap);
    drop(into);
    (memory, outcome)
}

#[test]
fn what_arrives_is_what_was_hashed_even_when_reads_are_short_or_interrupted() {
    let model = model();
    for options in all_options() {
        let (files, wanted) = listed(model.path(), &options);
        for fault in [Fault::None, Fault::Short, Fault::Interrupted] {
            let (memory, outcome) = load_with(&files, &options, &wanted, fault);
            outcome.unwrap();
            assert!(memory == bytes(7_000_001));
        }
    }
}

/// A write through a memory map, or below the file system: nothing but the digest shows it.
#[test]
fn a_byte_that_changes_without_a_trace_is_a_mismatch_that_names_the_file_and_the_shard() {
    let model = model();
    for options in all_options() {
        let (files, wanted) = listed(model.path(), &options);
        for at in [0, SHARD, 4 * SHARD - 1, 7_000_000] {
            let (_, outcome) = load_with(&files, &options, &wanted, Fault::Flipped(at));
            let error = outcome.unwrap_err();
            let LoadError::Mismatch(mismatch) = &error else { panic!("{error}") };
            let Mismatch { file, shard, path, expected, found } = &**mismatch;
            assert_eq!((*file, path), (files.find("big").unwrap(), &model.path().join("big")));
            let sharded = options.serialization.method != Method::Files;
            assert_eq!(u64::from(*shard), if sharded { at / SHARD } else { 0 });
            assert!(found.is_some_and(|found| found != *expected));
        }
    }
}

#[test]
fn a_shard_that_was_asked_for_is_good_whatever_the_others_are() {
    let model = model();
    let options = options(Method::Shards(NonZeroU64::new(SHARD).unwrap()), Algorithm::Sha256, 2);
    let (files, wanted) = listed(model.path(), &options);
    let big = files.find("big").unwrap();
    let only = |shard: u32| -> Vec<Wanted> {
        wanted.iter().filter(|wanted| wanted.file == big && wanted.shard == shard).copied().collect()
    };
    let (memory, outcome) = load_with(&files, &options, &only(2), Fault::Flipped(SHARD));
    outcome.unwrap();
    let (from, to) = (usize::try_from(2 * SHARD).unwrap(), usize::try_from(3 * SHARD).unwrap());
    assert!(memory[from..to] == bytes(7_000_001)[from..to]);
    assert!(memory[..from].iter().chain(&memory[to..]).all(|byte| *byte == 0), "nothing else was read");
    let (_, outcome) = load_with(&files, &options, &only(1), Fault::Flipped(SHARD));
    assert!(matches!(outcome, Err(LoadError::Mismatch(mismatch)) if mismatch.shard == 1));
}

#[test]
fn a_file_that_ends_early_or_has_no_such_shard_is_refused() {
    let model = model();
    for options in all_options() {
        let (files, wanted) = listed(model.path(), &options);
        let (_, outcome) = load_with(&files, &options, &wanted, Fault::Ends(6_999_999));
        let Err(LoadError::Read(MeasureError::Changed { change, path })) = outcome else { panic!() };
        assert_eq!((change, path), (Change::Shrank { from: 7_000_001 }, model.path().join("big")));
        let beyond = Wanted { shard: 5, ..wanted[0] };
        let error = load(&files, &options, &[beyond], &Memory::new(), &()).unwrap_err();
        let LoadError::Mismatch(mismatch) = error else { panic!("{error}") };
        assert_eq!((mismatch.shard, mismatch.found), (5, None));
    }
}

#[test]
fn a_destination_that_refuses_ends_the_load_with_its_reason() {
    struct Full(AtomicU64);
    impl Destination for Full {
        fn take(&self, _file: usize, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0..9 => Ok(()),
                _ => Err(io::ErrorKind::StorageFull.into()),
            }
        }
    }
    let model = model();
    for options in all_options() {
        let (files, wanted) = listed(model.path(), &options);
        let error = load(&files, &options, &wanted, &Full(AtomicU64::new(0)), &()).unwrap_err();
        let LoadError::Destination(error) = error else { panic!("{error}") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}

#[test]
fn bytes_go_to_the_slice_they_belong_to_and_no_other() {
    let mut slices = [vec![0; 10], vec![0; 2_500_000], vec![0; 3]];
    let [a, b, c] = &mut slices;
    let into = Memory::new().with(3, 100, a).with(3, 110, b).with(3, 3_000_000, c);
    let all = bytes(3_100_000);
    for start in (0..3_100_000).step_by(70_001) {
        let end = (start + 70_001).min(3_100_000);
        into.take(3, start as u64, &all[start..end]).unwrap();
        into.take(4, start as u64, &[1; 1000]).unwrap();
    }
    drop(into);
    assert!(slices[0] == all[100..110] && slices[1] == all[110..2_500_110]);
    assert!(slices[2] == all[3_000_000..3_000_003]);
}

/// Otherwise the second read could speak for what the first left in memory.
#[test]
fn what_is_asked_for_twice_is_read_once_and_no_byte_arrives_twice() {
    let model = model();
    for options in all_options() {
        let (files, wanted) = listed(model.path(), &options);
        let twice = [&wanted[..], &wanted].concat();
        let (memory, outcome) = load_with(&files, &options, &twice, Fault::None);
        outcome.unwrap();
        assert!(memory == bytes(7_000_001));
        let other = Wanted { digest: wanted[5].digest, ..wanted[0] };
        let (_, outcome) = load_with(&files, &options, &[&wanted[..], &[other]].concat(), Fault::None);
        assert!(matches!(outcome, Err(LoadError::Mismatch(_))));
    }
    let mut slice = [0; 100];
    let into = Memory::new().with(0, 50, &mut slice);
    assert!(
        into.place(0, 49, 10).is_none() && into.place(0, 145, 10).is_none() && into.place(1, 60, 1).is_none()
    );
    into.place(0, 60, 10).unwrap().fill(1);
    assert!(into.place(0, 60, 10).is_none() && into.place(0, 69, 2).is_none());
    into.take(0, 0, &[2; 60]).unwrap();
    assert!(into.take(0, 65, &[3; 10]).is_err());
    into.take(0, 80, &[4; 1000]).unwrap();
    drop(into);
    let runs: Vec<(u8, usize)> = slice.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
    assert_eq!(runs, [(2, 10), (1, 10), (3, 5), (0, 5), (4, 70)]);
}

#[cfg(target_os = "linux")]
mod sealed {
    use super::*;
    use rustix::fs::{SealFlags, fcntl_add_seals, fcntl_get_seals};
    use std::{io::Read, os::unix::fs::FileExt};

    fn expected(files: &Files, wanted: &[Wanted], name: &str) -> (usize, Vec<Digest>) {
        let file = files.find(name).unwrap();
        let mut of_it: Vec<&Wanted> = wanted.iter().filter(|wanted| wanted.file == file).collect();
        of_it.sort_unstable_by_key(|wanted| wanted.shard);
        (file, of_it.iter().map(|wanted| wanted.digest).collect())
    }

    #[test]
    fn what_is_sealed_is_the_file_and_nobody_can_change_it() {
        let model = model();
        for options in all_options() {
            let (files, wanted) = listed(model.path(), &options);
            for (name, bytes) in [("big", bytes(7_000_001)), ("small-00", Vec::new())] {
                let (file, digests) = expected(&files, &wanted, name);
                let mut sealed = seal(&files, &options, file, &digests, &()).unwrap();
                let mut read = Vec::new();
                sealed.read_to_end(&mut read).unwrap();
                assert!(read == bytes);
                assert!(sealed.write_at(b"x", 0).is_err() && sealed.write_at(b"x", 7_000_001).is_err());
                assert!(sealed.set_len(1).is_err() && sealed.set_len(8_000_000).is_err());
                assert!(fcntl_add_seals(&sealed, SealFlags::FUTURE_WRITE).is_err());
                let seals = fcntl_get_seals(&sealed).unwrap();
                let all = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
                assert!(seals.contains(all), "{seals:?}");
            }
        }
    }

    #[test]
    fn other_bytes_more_shards_and_fewer_are_refused() {
        let model = model();
        for options in all_options() {
            let (files, wanted) = listed(model.path(), &options);
            let (file, digests) = expected(&files, &wanted, "big");
            let (_, other) = expected(&files, &wanted, "small-20");
            for at in 0..digests.len() {
                let mut wrong = digests.clone();
                wrong[at] = other[0];
                let error = seal(&files, &options, file, &wrong, &()).unwrap_err();
                let LoadError::Mismatch(mismatch) = error else { panic!("{error}") };
                assert_eq!((mismatch.shard as usize, mismatch.found), (at, Some(digests[at])));
            }
            let more = [&digests[..], &other].concat();
            for wrong in [&more[..], &digests[1..], &digests[..digests.len() - 1], &[]] {
                let error = seal(&files, &options, file, wrong, &()).unwrap_err();
                assert!(matches!(error, LoadError::Mismatch(_)), "{error}");
            }
        }
    }
}
