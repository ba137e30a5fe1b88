//! What is read is what was signed.

use crate::site::{Site, noise};
use modelseal::{Algorithm, Kind, LoadError};
use proptest::{prelude::*, sample::Index};
use std::io::{Read, Seek, SeekFrom};

#[derive(Debug, Clone)]
enum Step {
    Read(usize),
    Seek(Index),
    ReadAt(Index, usize),
    Into(Index, Index),
    Back(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..40_000_usize).prop_map(Step::Read),
        any::<Index>().prop_map(Step::Seek),
        (any::<Index>(), 0..40_000_usize).prop_map(|(at, count)| Step::ReadAt(at, count)),
        (any::<Index>(), any::<Index>()).prop_map(|(at, end)| Step::Into(at, end)),
        (0..5000_i64).prop_map(Step::Back),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_reads_equal_the_file(
        len in prop_oneof![Just(0_usize), 1..200_000_usize, Just(3 * 65_536)],
        shard in proptest::option::of(prop_oneof![Just(65_536_u64), 1000..90_000_u64, Just(1 << 20)]),
        hash in proptest::sample::select(Algorithm::ALL.to_vec()),
        steps in proptest::collection::vec(step(), 1..30),
        seed: u64,
    ) {
        let bytes = noise(len, seed);
        let site = Site::new(&[("a/weights.bin", &bytes), ("b", b"b")], shard, hash);
        let model = site.open();
        let mut file = model.open("a/weights.bin").unwrap();
        prop_assert_eq!(file.len(), len as u64);
        let mut position = 0_usize;
        for step in steps {
            match step {
                Step::Read(count) => {
                    let mut buffer = vec![0; count];
                    let read = file.read(&mut buffer).unwrap();
                    let from = position.min(len);
                    prop_assert_eq!(read, count.min(len - from));
                    prop_assert_eq!(&buffer[..read], &bytes[from..from + read]);
                    position += read;
                }
                Step::Seek(index) => {
                    position = index.index(len + 100);
                    prop_assert_eq!(file.seek(SeekFrom::Start(position as u64)).unwrap(), position as u64);
                }
                Step::Back(by) => {
                    let to = i64::try_from(len).unwrap() - by;
                    let found = file.seek(SeekFrom::End(-by));
                    prop_assert_eq!(found.is_ok(), to >= 0);
                    if to >= 0 {
                        position = usize::try_from(to).unwrap();
                    }
                    prop_assert_eq!(file.stream_position().unwrap(), position as u64);
                }
                Step::ReadAt(index, count) => {
                    let at = index.index(len + 1);
                    let mut buffer = vec![0; count];
                    let read = file.read_at(&mut buffer, at as u64).unwrap();
                    prop_assert_eq!(read, count.min(len - at));
                    prop_assert_eq!(&buffer[..read], &bytes[at..at + read]);
                }
                Step::Into(one, other) => {
                    let (one, other) = (one.index(len + 1), other.index(len + 1));
                    let (at, end) = (one.min(other), one.max(other));
                    let mut buffer = vec![0xAA; end - at];
                    model.contents().read_into("a/weights.bin", at as u64, &mut buffer, &()).unwrap();
                    prop_assert_eq!(&buffer[..], &bytes[at..end]);
                }
            }
        }
        prop_assert_eq!(&*model.contents().read("a/weights.bin", &()).unwrap(), &bytes[..]);
        let all = model.open_all_fused(&()).unwrap();
        prop_assert_eq!(all.len(), 2);
        prop_assert_eq!(all[0].0.as_str(), "a/weights.bin");
        prop_assert_eq!(&*all[0].1, &bytes[..]);
        prop_assert_eq!(&*all[1].1, b"b");
    }
}

/// Large enough for lanes, pieces of BLAKE3 and one thread that reads for another.
#[test]
fn large_files_arrive_whole_with_any_number_of_threads() {
    let files: Vec<(String, Vec<u8>)> = (0..5_u64)
        .map(|n| (format!("f{n}"), noise(5_000_000 * usize::try_from(n + 1).unwrap() + 77, n)))
        .collect();
    let listed: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
    for hash in Algorithm::ALL {
        for shards in [None, Some(4_000_000)] {
            let site = Site::new(&listed, shards, hash);
            for threads in 1..=3 {
                let request = site.request().threads(std::num::NonZeroUsize::new(threads).unwrap());
                let model = request.open(&()).unwrap();
                for ((name, bytes), (path, loaded)) in files.iter().zip(model.open_all_fused(&()).unwrap()) {
                    assert_eq!(path.as_str(), name);
                    assert!(*bytes == *loaded, "{name} {hash} {shards:?} {threads}");
                }
                let (name, bytes) = &files[4];
                assert!(*model.contents().read(name, &()).unwrap() == **bytes);
            }
        }
    }
}

#[test]
fn names_and_ranges_that_are_not_there_are_refused() {
    let site = Site::new(&[("f", b"0123456789")], Some(4), Algorithm::Sha256);
    let model = site.open();
    let contents = model.contents();
    for name in ["g", "", "F", "./f", "f/", "../model/f", "."] {
        let error = contents.open(name).unwrap_err();
        assert_eq!(
            (error.kind(), error.code(), error.file()),
            (Kind::Denied, "integrity.not-signed", Some(name))
        );
        assert!(contents.read(name, &()).is_err());
    }
    let mut buffer = [7; 5];
    for offset in [6, 11, u64::MAX] {
        let error = contents.read_into("f", offset, &mut buffer, &()).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "usage.range"));
        assert_eq!(buffer, [0; 5]);
    }
    contents.read_into("f", 10, &mut [], &()).unwrap();
    let file = contents.open("f").unwrap();
    assert_eq!(file.read_at(&mut buffer, 8).unwrap(), 2);
    assert_eq!(file.read_at(&mut buffer, u64::MAX).unwrap(), 0);
    assert!(file.read_exact_at(&mut buffer, 8).is_err());
}

#[test]
fn an_error_of_a_read_says_which_it_is() {
    let site = Site::new(&[("f", b"0123456789")], None, Algorithm::Sha256);
    let model = site.open();
    std::fs::write(site.file("f"), b"0123456780").unwrap();
    let error = model.open("f").unwrap().read(&mut [0; 4]).unwrap_err();
    let why = LoadError::of(&error).unwrap();
    assert_eq!(why.kind(), Kind::Denied);
    assert!(why.to_string().contains("f'"), "{why}");
}
