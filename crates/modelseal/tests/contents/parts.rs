//! Several parts of one file at once.

use crate::site::{Site, noise};
use modelseal::{Algorithm, Kind, Progress};
use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering},
};

const LEN: usize = 10_000;

/// Reads these parts, each an offset and a length.
fn read(site: &Site, parts: &[(usize, usize)]) -> Result<Vec<Vec<u8>>, modelseal::LoadError> {
    let mut memory: Vec<Vec<u8>> = parts.iter().map(|(_, len)| vec![0xAA; *len]).collect();
    let starts = parts.iter().map(|(start, _)| *start as u64);
    let mut into: Vec<(u64, &mut [u8])> = starts.zip(memory.iter_mut().map(Vec::as_mut_slice)).collect();
    let outcome = site.open().contents().read_parts("w", &mut into, &());
    if outcome.is_err() {
        assert!(memory.iter().flatten().all(|byte| *byte == 0), "what was not compared was given out");
    }
    outcome.map(|()| memory)
}

#[test]
fn each_part_gets_its_bytes() {
    let bytes = noise(LEN, 1);
    for shards in [None, Some(1), Some(100), Some(4096), Some(1 << 30)] {
        let site = Site::new(&[("w", &bytes)], shards, Algorithm::Sha256);
        for parts in [
            &[(0, LEN)][..],
            &[(0, 1), (1, 1), (2, LEN - 2)],
            &[(0, 0), (0, 5), (5, 0), (5, 0), (5, 3), (99, 3), (4095, 2), (9999, 1), (LEN, 0)],
            &[(5000, 10)],
            &[],
        ] {
            let found = read(&site, parts).unwrap();
            for ((start, len), found) in parts.iter().zip(found) {
                assert_eq!(found, bytes[*start..*start + *len], "{shards:?} {parts:?}");
            }
        }
    }
}

#[test]
fn parts_that_overlap_or_lie_outside_are_refused() {
    let site = Site::new(&[("w", &noise(LEN, 1))], Some(100), Algorithm::Sha256);
    for parts in
        [&[(0, 10), (9, 10)][..], &[(10, 10), (0, 10)], &[(LEN, 1)], &[(LEN - 1, 2)], &[(usize::MAX, 2)]]
    {
        let error = read(&site, parts).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "usage.range"), "{parts:?}");
    }
}

#[test]
fn one_bad_byte_that_a_part_touches_empties_all_of_them() {
    let bytes = noise(LEN, 1);
    for shards in [None, Some(100)] {
        let site = Site::new(&[("w", &bytes)], shards, Algorithm::Sha256);
        let mut changed = bytes.clone();
        changed[5050] ^= 1;
        fs::write(site.file("w"), &changed).unwrap();
        let error = read(&site, &[(0, 10), (5000, 1)]).unwrap_err();
        assert_eq!((error.code(), error.file()), ("integrity.digest-mismatch", Some("w")));
        // By shards, what is beside it is good.
        assert_eq!(read(&site, &[(0, 10), (5100, 10)]).is_ok(), shards.is_some());
    }
}

/// Reads whole files, each into memory of this size.
fn read_files(site: &Site, files: &[(&str, usize)]) -> Result<Vec<Vec<u8>>, modelseal::LoadError> {
    let mut memory: Vec<Vec<u8>> = files.iter().map(|(_, len)| vec![0xAA; *len]).collect();
    let names = files.iter().map(|(name, _)| *name);
    let mut into: Vec<(&str, &mut [u8])> = names.zip(memory.iter_mut().map(Vec::as_mut_slice)).collect();
    let outcome = site.open().contents().read_files(&mut into, &());
    if outcome.is_err() {
        assert!(memory.iter().flatten().all(|byte| *byte == 0), "what was not compared was given out");
    }
    outcome.map(|()| memory)
}

#[test]
fn several_files_at_once_are_all_good_or_empty() {
    let (long, short) = (noise(LEN, 1), noise(77, 2));
    for shards in [None, Some(100)] {
        let site = Site::new(&[("a", &long), ("b", &short), ("c", &[])], shards, Algorithm::Sha256);
        let found = read_files(&site, &[("b", 77), ("c", 0), ("a", LEN)]).unwrap();
        assert_eq!(found, [short.clone(), Vec::new(), long.clone()]);
        assert!(read_files(&site, &[]).unwrap().is_empty());
        for wrong in [&[("a", LEN - 1)][..], &[("b", 78)], &[("b", 77), ("b", 77)], &[("c", 0), ("c", 0)]] {
            let error = read_files(&site, wrong).unwrap_err();
            assert_eq!((error.kind(), error.code()), (Kind::Usage, "usage.range"), "{wrong:?}");
        }
        let error = read_files(&site, &[("b", 77), ("other", 1)]).unwrap_err();
        assert_eq!(error.code(), "integrity.not-signed");
        let mut changed = short.clone();
        changed[76] ^= 1;
        fs::write(site.file("b"), &changed).unwrap();
        let error = read_files(&site, &[("a", LEN), ("b", 77)]).unwrap_err();
        assert_eq!((error.code(), error.file()), ("integrity.digest-mismatch", Some("b")));
        assert_eq!(read_files(&site, &[("a", LEN)]).unwrap(), std::slice::from_ref(&long));
    }
}

#[test]
fn each_shard_is_read_once() {
    #[derive(Default)]
    struct Count(AtomicU64);
    impl Progress for Count {
        fn plan(&self, _: usize, bytes: u64) {
            self.0.fetch_add(bytes, Ordering::Relaxed);
        }
        fn advance(&self, _: u64) {}
    }
    let site = Site::new(&[("w", &noise(LEN, 1))], Some(1000), Algorithm::Sha256);
    let (count, mut memory) = (Count::default(), [[0; 10]; 4]);
    let mut into: Vec<(u64, &mut [u8])> = [5, 995, 1005, 2995]
        .into_iter()
        .zip(memory.iter_mut().map(<[u8; 10]>::as_mut_slice))
        .filter(|(start, _)| *start != 995)
        .collect();
    site.open().contents().read_parts("w", &mut into, &count).unwrap();
    // The first, the second, the third and the fourth shard.
    assert_eq!(count.0.into_inner(), 4000);
}

#[test]
fn what_is_at_hand_is_what_was_read() {
    let bytes = noise(LEN, 1);
    let site = Site::new(&[("w", &bytes)], Some(1000), Algorithm::Sha256);
    let file = site.open().open("w").unwrap();
    assert!(!file.is_at_hand(0, 1));
    file.read_at(&mut [0; 10], 995).unwrap();
    assert!(file.is_at_hand(0, 2000) && file.is_at_hand(1999, 1) && !file.is_at_hand(1999, 2));

    struct Stop;
    impl Progress for Stop {
        fn plan(&self, _: usize, _: u64) {}
        fn advance(&self, _: u64) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    let stopped = file.read_at_followed(&mut [0; 10], 5000, &Stop).unwrap_err();
    assert_eq!(modelseal::LoadError::of(&stopped).unwrap().code(), "error.cancelled");
    // Nothing is wrong with it.
    assert_eq!(file.read_at(&mut [0; 10], 5000).unwrap(), 10);
}
