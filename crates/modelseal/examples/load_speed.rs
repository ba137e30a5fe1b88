//! What verified loading costs: CPU and wall seconds of plain reading and of every way to load, on a model of zeros and noise
//! that is made for it, signed, and read once before, so that it is in the page cache.
//!
//! `cargo run --release -p modelseal --example load_speed -- [FOLDER] [GIB] [ROUNDS]`; the folder, 4 GiB and 5 rounds unless
//! given. The ways take turns, and the least of each is told.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use modelseal::{KeyAlgorithm, KeySigner, PrivateKey, PublicKey, VerifiedModel};
use std::{
    fs::{self, File},
    hint::black_box,
    io::{Read, Write},
    num::{NonZeroU64, NonZeroUsize},
    path::Path,
    time::{Duration, Instant},
};

const GIB: u64 = 1 << 30;
const SHARD: u64 = 64 << 20;

fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args.next().unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let gib: u64 = args.next().map_or(4, |text| text.parse().unwrap());
    let rounds: usize = args.next().map_or(5, |text| text.parse().unwrap());
    let folder = tempfile::tempdir_in(folder).unwrap();
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let public = PublicKey::from_spki_der(&key.public_key_spki_der()).unwrap();
    let signer = KeySigner::new(key);

    for (what, files, shards) in [
        ("files", gib, None),
        ("one file", 1, None),
        ("one file by shards of 64 MiB", 1, NonZeroU64::new(SHARD)),
    ] {
        let path = folder.path().join("model");
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        (0..files).for_each(|n| make(&path.join(format!("f{n}")), gib * GIB / files, n));
        let signature = folder.path().join("model.sig");
        let _ = fs::remove_file(&signature);
        let mut request = modelseal::sign(&path).output(&signature);
        if let Some(size) = shards {
            request = request.shards(size);
        }
        request.run(&signer, &()).unwrap();
        let one = NonZeroUsize::new(1).unwrap();
        let request = modelseal::verify(&path).signature(&signature).with_key(public.clone()).threads(one);
        let model = request.open(&()).unwrap();
        println!("{what}: {files} x {} GiB", gib / files);
        compare(&model, &path, rounds, shards.is_some());
    }
}

type Way<'a> = (&'a str, Box<dyn Fn() + 'a>);

fn compare(model: &VerifiedModel, path: &Path, rounds: usize, sharded: bool) {
    let contents = model.contents();
    let names: Vec<(String, u64)> =
        contents.files().map(|(path, size)| (path.as_str().to_owned(), size)).collect();
    let (first, size) = &names[0];
    let mut ways: Vec<Way<'_>> = vec![
        ("read into fresh memory (huge pages)", Box::new(|| each(path, &names, true, fill))),
        ("read into fresh memory (small pages)", Box::new(|| each(path, &names, false, fill))),
        (
            "read",
            Box::new(|| {
                for (name, _) in &names {
                    black_box(contents.read(name, &()).unwrap());
                }
            }),
        ),
        ("open_all_fused", Box::new(|| _ = black_box(contents.open_all_fused(&()).unwrap()))),
        (
            "copy_to",
            Box::new(|| {
                let to = tempfile::tempdir_in(path.parent().unwrap()).unwrap();
                contents.copy_to(to.path(), &()).unwrap();
            }),
        ),
    ];
    #[cfg(target_os = "linux")]
    ways.push((
        "sealed",
        Box::new(|| {
            for (name, _) in &names {
                black_box(contents.sealed(name, &()).unwrap());
            }
        }),
    ));
    if sharded {
        ways.push((
            "16 MiB in the middle",
            Box::new(move || {
                let mut tensor = vec![0; 16 << 20];
                contents.read_into(first, size / 2 + (8 << 20), &mut tensor, &()).unwrap();
            }),
        ));
    }
    let mut best = vec![(f64::MAX, f64::MAX); ways.len()];
    for _ in 0..rounds {
        for ((_, way), best) in ways.iter().zip(&mut best) {
            let (cpu, wall) = (cpu(), Instant::now());
            way();
            best.0 = best.0.min((self::cpu() - cpu).as_secs_f64());
            best.1 = best.1.min(wall.elapsed().as_secs_f64());
        }
    }
    let plain = best[0].0;
    for ((name, _), (cpu, wall)) in ways.iter().zip(&best) {
        println!("  {name:40} cpu {cpu:7.3} s  wall {wall:7.3} s  {:5.2} x", cpu / plain);
    }
}

fn each(path: &Path, names: &[(String, u64)], huge: bool, load: fn(&mut File, &mut [u8])) {
    for (name, size) in names {
        let mut memory = memmap2::MmapMut::map_anon(usize::try_from(*size).unwrap()).unwrap();
        #[cfg(target_os = "linux")]
        if huge {
            memory.advise(memmap2::Advice::HugePage).unwrap();
        }
        load(&mut File::open(path.join(name)).unwrap(), &mut memory);
        black_box(&memory);
    }
}

/// As a loader does it: 1 MiB at a time.
fn fill(file: &mut File, memory: &mut [u8]) {
    for chunk in memory.chunks_mut(1 << 20) {
        file.read_exact(chunk).unwrap();
    }
}

fn make(path: &Path, len: u64, seed: u64) {
    let mut state = seed + 1;
    let mut block = vec![0_u8; 1 << 20];
    for word in block.chunks_mut(8) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        word.copy_from_slice(&state.to_le_bytes());
    }
    let mut file = File::create(path).unwrap();
    for n in 0..len >> 20 {
        block[..8].copy_from_slice(&n.to_le_bytes());
        file.write_all(&block).unwrap();
    }
    drop(file);
    // Into the cache as a reader leaves it.
    let mut file = File::open(path).unwrap();
    while file.read(&mut block).unwrap() > 0 {}
}

#[cfg(unix)]
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

#[cfg(not(unix))]
fn cpu() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
