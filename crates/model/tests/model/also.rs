//! Further digests from the same read, against the one-shot functions and the `fsverity` tool.

use crate::common::{Model, hash, naive, noise, sharded};
use modelseal_core::{
    digest::{Algorithm, Digest},
    manifest::Serialization,
};
use modelseal_model::{Also, FileHash, MeasureError, Measured, Options, Progress, Source, measure_also};
use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicU64, Ordering},
};

const ALL: [FileHash; 4] = FileHash::ALL;

/// What `fsverity digest --compact` (fsverity-utils 1.5) printed for files of `noise(length, length)`.
const FS_VERITY: [(usize, &str); 10] = [
    (0, "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95"),
    (1, "7ccb1b17276d15e0ee32252cf5bd47e553c7bf736c32ffda7fc40d1ee9cd2c53"),
    (4095, "cb2e9348b48e0bfad06d939addbad4fb7eaed3882e77aff9b96f011eab018f32"),
    (4096, "27e7b7bf58e488a96162bbb1df806ffe8bd1f4b648882f0bd3d22c39c108b2ae"),
    (4097, "2d6050321127901e8c93c453b4dcabe70c34f869ee3b24ab0d5a079156512a56"),
    (128 * 4096 - 1, "491c0260d42842305f3b3a1de09ce1a1eaa92a75143f4104179e4d5bee3e16f8"),
    (128 * 4096, "0b6dd90acfc3eb3d72535bc1b38ee8fd3d28110f3341570cbf13ca419ca5778f"),
    (128 * 4096 + 1, "f3e7792219dedfce4dd77b7459a06d03e5218d73061f5e134c837a74854b055e"),
    (1024 * 1024 + 3, "ce4f402668b9b5d7267f97294e1f1d43ac0cea498b709450c843a30cb1e36ee1"),
    (5_000_000, "8b4f80b81150eeb8dbcea00131c15bc29783e5a5e6ab4dcd2ccc57fc75a3901e"),
];

/// The same for files whose block `n` of 4096 bytes is full of `n % 251`: those from which on the tree has another level.
const FS_VERITY_DEEP: [(usize, &str); 2] = [
    (64 * 1024 * 1024, "c5ada95edf9c781e484180920ff32b1df3ef8d118022093b17d0fdd86aa5f9f0"),
    (64 * 1024 * 1024 + 1, "93933ed13d7e4783c495437a2ea8d553f600abceaf0e51dc2ac773bdad9f0451"),
];

/// Counts the bytes it is told of.
#[derive(Default)]
struct Count(AtomicU64);

impl Progress for Count {
    fn plan(&self, _files: usize, _bytes: u64) {}
    fn advance(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn options(algorithm: Algorithm, threads: usize) -> Options {
    let serialization = Serialization { algorithm, ..Serialization::default() };
    Options { serialization, threads: NonZeroUsize::new(threads), ..Options::default() }
}

fn also(model: &Model, options: &Options, hashes: &[FileHash]) -> (Measured, Vec<Also>) {
    measure_also(&model.source(), options, hashes, &()).unwrap()
}

/// The digests of one hash, by file, hexadecimal.
fn by_name(measured: &Measured, also: &Also) -> Vec<(String, String)> {
    let resources = measured.manifest.get().resources();
    assert_eq!(resources.len(), also.digests.len());
    let pair = |(resource, digest): (&modelseal_core::manifest::Resource, &Digest)| {
        (resource.path.as_str().to_owned(), digest.to_hex())
    };
    resources.iter().zip(&also.digests).map(pair).collect()
}

#[test]
fn fs_verity_digests_are_those_of_the_tool() {
    let model = Model::new();
    for (len, _) in FS_VERITY {
        model.file(&format!("f{len}"), &noise(len as u64, len));
    }
    for threads in 1..=4 {
        let (measured, also) = also(&model, &options(Algorithm::Sha256, threads), &[FileHash::FsVerity]);
        let [also] = &also[..] else { panic!("{also:?}") };
        assert_eq!((also.hash, also.root_digest()), (FileHash::FsVerity, None));
        let found = by_name(&measured, also);
        assert_eq!(found.len(), FS_VERITY.len());
        for (len, expected) in FS_VERITY {
            assert!(found.contains(&(format!("f{len}"), expected.into())), "{len} {threads}\n{found:?}");
        }
    }
}

#[test]
fn fs_verity_trees_of_three_levels_are_those_of_the_tool() {
    let model = Model::new();
    for (len, _) in FS_VERITY_DEEP {
        let mut bytes = vec![0; len];
        for (n, block) in bytes.chunks_mut(4096).enumerate() {
            block.fill(u8::try_from(n % 251).unwrap());
        }
        model.file(&len.to_string(), &bytes);
    }
    let (measured, also) = also(&model, &options(Algorithm::Blake3, 2), &[FileHash::FsVerity]);
    let expected = FS_VERITY_DEEP.map(|(len, digest)| (len.to_string(), digest.to_owned()));
    assert_eq!(by_name(&measured, &also[0]), expected);
}

#[test]
fn every_set_and_thread_count_gives_the_one_shot_digests_from_one_read() {
    let mut files: Vec<(String, Vec<u8>)> =
        (0..150_u32).map(|n| (format!("dir-{}/file-{n}", n % 7), noise(n.into(), n as usize * 61))).collect();
    for (n, len) in [1024 * 1024, 1_500_001, 3 * 1024 * 1024 + 77, 700_000].into_iter().enumerate() {
        files.push((format!("large-{n}"), noise(n as u64 + 9, len)));
    }
    let model = Model::new();
    files.iter().for_each(|(name, bytes)| model.file(name, bytes));
    let total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let sets: [&[FileHash]; 6] = [
        &[],
        &ALL,
        &[FileHash::Oms(Algorithm::Sha256)],
        &[FileHash::Oms(Algorithm::Blake2b), FileHash::Oms(Algorithm::Blake2b)],
        &[FileHash::FsVerity, FileHash::Oms(Algorithm::Blake3)],
        &[FileHash::Oms(Algorithm::Blake3), FileHash::Oms(Algorithm::Sha256)],
    ];
    for main in Algorithm::ALL {
        let expected = |algorithm| naive(&files, &options(algorithm, 1).serialization);
        for hashes in sets {
            let mut of_one_thread = None;
            for threads in 1..=4 {
                let count = Count::default();
                let options = options(main, threads);
                let (measured, also) = measure_also(&model.source(), &options, hashes, &count).unwrap();
                assert_eq!(measured.manifest.get(), &expected(main));
                assert_eq!((measured.files, measured.bytes), (files.len(), total as u64));
                assert_eq!(count.0.into_inner(), total as u64);
                let mut asked = hashes.to_vec();
                asked.sort();
                asked.dedup();
                assert_eq!(also.iter().map(|also| also.hash).collect::<Vec<_>>(), asked);
                for also in &also {
                    let FileHash::Oms(algorithm) = also.hash else { continue };
                    let expected = expected(algorithm);
                    let digests: Vec<Digest> = expected.resources().iter().map(|r| r.digest).collect();
                    assert_eq!(also.digests, digests, "{main} {algorithm} {threads}");
                    assert_eq!(also.root_digest(), Some(expected.root_digest()));
                }
                let first = of_one_thread.get_or_insert_with(|| also.clone());
                assert_eq!(first, &also);
            }
        }
    }
}

#[test]
fn a_stream_that_one_thread_reads_and_another_hashes_is_whole() {
    let bytes = noise(5, 40_000_003);
    let model = Model::with(&[("big", &bytes)]);
    let mut of_one_thread = None;
    for threads in [1, 2, 4] {
        let (_, also) = also(&model, &options(Algorithm::Sha256, threads), &ALL);
        for also in &also {
            if let FileHash::Oms(algorithm) = also.hash {
                assert_eq!(also.digests, [hash(algorithm, &bytes)]);
            }
        }
        assert_eq!(of_one_thread.get_or_insert_with(|| also.clone()), &also);
    }
}

#[test]
fn a_single_file_and_the_least_memory_do() {
    let bytes = noise(1, 2_000_000);
    let model = Model::with(&[("weights.bin", &bytes)]);
    let source = Source::open(&model.join("weights.bin")).unwrap();
    let options = Options { memory: 0, ..Options::default() };
    let (measured, also) = measure_also(&source, &options, &ALL, &()).unwrap();
    let expected = naive(&[("weights.bin".into(), bytes.clone())], &options.serialization).of_single_file();
    assert_eq!(measured.manifest.get(), &expected);
    assert_eq!(also[2].digests, [hash(Algorithm::Blake3, &bytes)]);
}

#[test]
fn shards_and_unknown_names_are_refused() {
    let model = Model::with(&[("a", b"1")]);
    let refused = measure_also(&model.source(), &sharded(1), &[FileHash::FsVerity], &());
    assert!(matches!(refused, Err(MeasureError::AlsoNeedsWholeFiles)), "{refused:?}");
    assert!(measure_also(&model.source(), &sharded(1), &[], &()).is_ok());
    for hash in ALL {
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }
    let error = "fs_verity".parse::<FileHash>().unwrap_err().to_string();
    assert_eq!(error, "there is no digest 'fs_verity'; known are sha256, blake2b, blake3 and fs-verity");
}
