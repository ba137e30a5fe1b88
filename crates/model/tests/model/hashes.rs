//! Digests: against other implementations, whatever the threads, memory, method and hash.

use crate::common::{Model, hash, naive, noise, sharded};
use modelseal_core::{
    digest::Algorithm,
    manifest::{Method, Serialization},
};
use modelseal_model::{Options, Progress, Source, measure};
use proptest::prelude::*;
use std::{
    num::{NonZeroU64, NonZeroUsize},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Counts what it is told.
#[derive(Default)]
struct Count {
    files: AtomicUsize,
    planned: AtomicU64,
    done: AtomicU64,
}

impl Progress for Count {
    fn plan(&self, files: usize, bytes: u64) {
        self.files.fetch_add(files, Ordering::Relaxed);
        self.planned.fetch_add(bytes, Ordering::Relaxed);
    }
    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[test]
fn every_thread_count_method_and_hash_gives_the_naive_manifest() {
    let mut files: Vec<(String, Vec<u8>)> =
        (0..1100).map(|n| (format!("dir-{}/file-{n}", n % 17), noise(n, (n % 97) as usize))).collect();
    files.push(("large-1".into(), noise(1, 1_500_000)));
    files.push(("sub/large-2".into(), noise(2, 1024 * 1024)));
    files.push(("sub/large-3".into(), noise(3, 256 * 1024 + 1)));
    files.push(("empty".into(), vec![]));
    let model = Model::new();
    for (name, bytes) in &files {
        model.file(name, bytes);
    }
    let total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let source = model.source();
    for algorithm in Algorithm::ALL {
        for method in [Method::Files, Method::Shards(NonZeroU64::new(100_000).unwrap())] {
            let serialization = Serialization { algorithm, method, ..Serialization::default() };
            let expected = naive(&files, &serialization);
            for threads in 1..=8 {
                let options = Options {
                    serialization: serialization.clone(),
                    threads: NonZeroUsize::new(threads),
                    ..Options::default()
                };
                let count = Count::default();
                let measured = measure(&source, &options, &count).unwrap();
                assert_eq!(measured.manifest.get(), &expected, "{algorithm} {method} {threads}");
                assert_eq!((measured.files, measured.bytes), (files.len(), total as u64));
                assert_eq!(count.files.into_inner(), files.len());
                assert_eq!(count.planned.into_inner(), total as u64);
                assert_eq!(count.done.into_inner(), total as u64);
            }
        }
    }
}

#[test]
fn the_least_memory_is_enough() {
    let model = Model::with(&[("a", &noise(1, 3_000_000)), ("b", &noise(2, 200_000)), ("c", b"")]);
    let all = model.measure(&Options::default()).unwrap();
    let little = model.measure(&Options { memory: 0, ..Options::default() }).unwrap();
    assert_eq!(all.manifest, little.manifest);
}

#[test]
fn lengths_around_the_buffer_are_read_whole() {
    let model = Model::new();
    let mut files = Vec::new();
    for at in [0, 1, 63, 64, 65, 65_535, 65_536, 262_143, 262_144, 262_145, 524_288, 524_289] {
        files.push((format!("f{at}"), noise(at as u64 + 9, at)));
        model.file(&files.last().unwrap().0, &files.last().unwrap().1);
    }
    for shard in [None, Some(262_144), Some(65_536), Some(262_145), Some(1_000_000_000)] {
        let method = shard.and_then(NonZeroU64::new).map_or(Method::Files, Method::Shards);
        let serialization = Serialization { method, ..Serialization::default() };
        let expected = naive(&files, &serialization);
        let options = Options { serialization, ..Options::default() };
        assert_eq!(model.measure(&options).unwrap().manifest.get(), &expected);
    }
}

#[test]
fn an_empty_file_has_one_empty_shard() {
    let model = Model::with(&[("empty", b""), ("full", b"12345")]);
    assert_eq!(model.names(&sharded(2)), ["empty:0:0", "full:0:2", "full:2:4", "full:4:5"]);
}

#[test]
fn a_single_file_is_named_by_its_base_name() {
    let model = Model::with(&[("sub/weights.gguf", b"abc")]);
    let source = Source::open(&model.join("sub/weights.gguf")).unwrap();
    assert!(source.is_file());
    assert_eq!(source.model_name().unwrap(), "weights.gguf");
    for _ in 0..2 {
        let measured = measure(&source, &Options::default(), &()).unwrap();
        let manifest = measured.manifest.get();
        assert_eq!(manifest.resources()[0].path.as_str(), "weights.gguf");
        assert_eq!(manifest.resources()[0].digest, hash(Algorithm::Sha256, b"abc"));
        let serialization = Serialization::default();
        assert_eq!(
            manifest,
            &naive(&[("weights.gguf".into(), b"abc".to_vec())], &serialization).of_single_file()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_trees_agree_with_the_naive_measurement(
        tree in prop::collection::btree_map("(d[0-3]/){0,3}f[a-z :é.-]{0,6}", 0..5000_usize, 1..24),
        shard in prop::option::of(1..3000_u64),
        algorithm in prop::sample::select(&Algorithm::ALL),
        threads in 1..5_usize,
    ) {
        let model = Model::new();
        let mut files = Vec::new();
        for (seed, (name, len)) in tree.into_iter().enumerate() {
            let bytes = noise(seed as u64, len);
            model.file(&name, &bytes);
            files.push((name, bytes));
        }
        let method = shard.and_then(NonZeroU64::new).map_or(Method::Files, Method::Shards);
        let serialization = Serialization { method, algorithm, ..Serialization::default() };
        let expected = naive(&files, &serialization);
        let options = Options { serialization, threads: NonZeroUsize::new(threads), ..Options::default() };
        let measured = model.measure(&options).unwrap();
        prop_assert_eq!(measured.manifest.get(), &expected);
    }
}
