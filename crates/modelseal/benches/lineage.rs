//! Times an attestation store: building its index, opening it again, and asking it, with growth.
//!
//! Not a statistical benchmark: each figure is the median of a few runs over a store of really signed bundles, because what
//! is timed takes from microseconds to seconds. `bench/lineage.sh` runs it.
//!
//! usage: lineage [--dir DIR] [COUNT..]

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

#[path = "../tests/support/mod.rs"]
mod support;

use modelseal::{
    ArtifactId, KeySigner, LineageTrust, PublicKey, Store, Verifier, affected, lineage_of,
    report::LineageStatus,
};
use modelseal_core::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const HOPS: usize = 12;
const RUNS: usize = 5;

fn main() {
    let (mut counts, mut directory) = (Vec::new(), None);
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--dir" => directory = arguments.next().map(PathBuf::from),
            count => counts.push(count.parse::<usize>().unwrap()),
        }
    }
    if counts.is_empty() {
        // `cargo test --benches` runs this, too.
        counts = vec![300];
    }
    let temporary = tempfile::tempdir().unwrap();
    let directory = directory.unwrap_or_else(|| temporary.path().to_owned());
    let columns: Vec<_> =
        counts.iter().map(|count| measure(&directory.join(count.to_string()), *count)).collect();
    let heads: Vec<_> = counts.iter().map(|n| format!("{n} bundles")).collect();
    println!("| what | {} |\n|---|{}", heads.join(" | "), "--:|".repeat(counts.len()));
    for (row, (name, _)) in columns[0].iter().enumerate() {
        let cells: Vec<_> = columns.iter().map(|column| column[row].1.as_str()).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
}

/// Generates a store, times everything and gives the rows of its column.
fn measure(path: &Path, count: usize) -> Vec<(&'static str, String)> {
    let (signer, public) = support::key();
    let bytes = generate(path, count, &signer);
    // Until the times of the folders tell that nothing changes any more.
    std::thread::sleep(Duration::from_millis(2100));
    let open = |threads: NonZeroUsize| Store::open(path).unwrap().with_threads(threads);
    let one = || open(NonZeroUsize::MIN);
    let index = path.join(".index.sqlite");

    let build = |threads: NonZeroUsize| {
        median(3, || {
            let _ = fs::remove_file(&index);
            let store = open(threads);
            let (summary, took) = timed(|| store.refresh().unwrap());
            assert_eq!(summary.read, count as u64);
            took
        })
    };
    let build_all = build(std::thread::available_parallelism().unwrap());
    let before = processor();
    let build_one = build(NonZeroUsize::MIN);
    let build_processor = (processor() - before) / 3;
    let index_bytes = fs::metadata(&index).unwrap().len();

    let unchanged = median(RUNS, || {
        let (summary, took) = timed(|| one().refresh().unwrap());
        assert_eq!((summary.read, summary.bundles), (0, count as u64));
        took
    });
    let before = processor();
    let walk_cold = median(RUNS, || timed(|| walk(&one(), &public)).1);
    let walk_processor = (processor() - before) / u32::try_from(RUNS).unwrap();
    let store = one();
    store.refresh().unwrap();
    let walk_warm = median(RUNS, || timed(|| walk(&store, &public)).1);
    let about = median(50, || timed(|| assert_eq!(store.about(&ids("chain-7")).unwrap().len(), 1)).1);
    let used = median(50, || timed(|| assert_eq!(store.used_by(&ids("chain-7")[0]).unwrap().len(), 1)).1);
    let nothing = median(50, || timed(|| assert_eq!(store.about(&ids("nobody")).unwrap().len(), 0)).1);
    let descend = median(RUNS, || {
        let verifier = Verifier::with_key(public.clone());
        let (report, took) = timed(|| affected(&store, &ids("chain-0")).signed_by(verifier).run().unwrap());
        assert_eq!(report.affected.len(), HOPS);
        took
    });
    let mut added = 0;
    let mut next = || {
        added += 1;
        support::step(&signer, &format!("added-{added}"), "chain-3")
    };
    let update = median(RUNS, || {
        store.put(&next()).unwrap();
        let (summary, took) = timed(|| one().refresh().unwrap());
        assert_eq!(summary.read, 1);
        took
    });
    let put = median(20, || {
        let bundle = next();
        timed(|| store.put(&bundle).unwrap()).1
    });
    let rate = |took: Duration| format!("{:.0}", count as f64 / took.as_secs_f64());
    vec![
        ("bytes of a bundle, on average", format!("{}", bytes / count as u64)),
        ("index built, 1 thread", milliseconds(build_one)),
        ("bundles a second of one core's time", rate(build_processor)),
        ("bundles a second, 1 thread", rate(build_one)),
        ("bundles a second, all threads", rate(build_all)),
        ("bytes of index for a bundle", format!("{}", index_bytes / count as u64)),
        ("store opened, nothing changed", milliseconds(unchanged)),
        ("store opened, 1 bundle added", milliseconds(update)),
        ("12 hops up (`lineage`), signatures verified, store opened first", milliseconds(walk_cold)),
        ("the same, of one core's time", milliseconds(walk_processor)),
        ("12 hops up (`lineage`), signatures verified, store open", milliseconds(walk_warm)),
        ("12 hops down (`affected`), signatures verified, store open", milliseconds(descend)),
        ("`about`, 1 answer", milliseconds(about)),
        ("`used_by`, 1 answer", milliseconds(used)),
        ("`about`, no answer", milliseconds(nothing)),
        ("`put`, on disk when it returns", milliseconds(put)),
    ]
}

/// From the last model of the chain to the first, believing nobody but the signer.
fn walk(store: &Store, public: &PublicKey) {
    let trust = LineageTrust::Signers(vec![Verifier::with_key(public.clone())]);
    let report = lineage_of(ids(&format!("chain-{HOPS}"))).run(store, &trust, &()).unwrap();
    let verified = report.nodes.iter().filter(|node| node.status == LineageStatus::Verified);
    // Nobody says how the first was made.
    assert_eq!((verified.count(), report.nodes.len()), (HOPS, HOPS + 1), "{report:#?}");
}

fn ids(name: &str) -> Vec<ArtifactId> {
    ArtifactId::parse(&format!("dirHash:{}", support::digest(name))).unwrap()
}

/// Writes the bundles as `Store::put` does, but for waiting for the disk. Gives how many bytes they have.
fn generate(path: &Path, count: usize, signer: &KeySigner) -> u64 {
    let _ = fs::remove_dir_all(path);
    let mut bytes = 0;
    for number in 0..count {
        let bundle = support::sign(signer, &statement(number, count));
        let hex = Digest::sha256(Sha256::digest(&bundle).into()).to_hex();
        let folder = path.join(&hex[..2]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{hex}.sigstore.json")), &bundle).unwrap();
        bytes += bundle.len() as u64;
    }
    bytes
}

/// Provenance of a model that was made from another, from datasets, a source, an image and a lock file. The first are the
/// chain; the others form a forest, in which some are the base of many.
fn statement(number: usize, count: usize) -> String {
    let spread = |by: usize, over: usize| number.wrapping_mul(by) % over;
    let (name, from) = if number < HOPS {
        (format!("chain-{}", number + 1), format!("chain-{number}"))
    } else {
        (format!("model-{number}"), format!("model-{}", spread(2_654_435_761, count / 20 + 1) + HOPS))
    };
    let dataset = |n: usize| {
        let name = format!("data-{}", (spread(40_503, count / 4 + 1) + n) % (count / 4 + 1));
        let uri = format!("https://data.example.com/{name}");
        support::file("dataset", &uri, "sha256", &support::digest(&name))
    };
    let commit = &support::digest(&format!("commit-{}", number / 3))[..40];
    let source = format!("git+https://git.example.com/acme/{name}@refs/heads/main");
    let image = support::digest(&format!("image-{}", number % 50));
    let mut dependencies = vec![
        support::base(&from),
        support::file("source", &source, "gitCommit", commit),
        support::file("container", "docker://registry.example.com/train", "sha256", &image),
        support::file("lockfile", "file:uv.lock", "sha256", &support::digest(&format!("{}", number % 200))),
    ];
    dependencies.extend((0..1 + number % 4).map(dataset));
    // Every file as a part of the directory, as statements about small models have them.
    let files = (0..2 + number % 10).map(|n| {
        let digest = support::digest(&format!("{name}/{n}"));
        format!(
            r#"{{"name":"model-{n:05}-of-00010.safetensors","digest":{{"sha256":"{digest}"}},"annotations":{{"digestMethod":"file;part-of-directory"}}}}"#
        )
    });
    let files = files.collect::<Vec<_>>().join(",");
    let parameters = r#""externalParameters":{"#;
    let end = "}],\n\"predicateType\"";
    let statement = support::provenance(&name, &dependencies).replacen(
        parameters,
        &format!(r#"{parameters}"baseModel":"pkg:huggingface/acme/{from}@1","#),
        1,
    );
    assert!(statement.contains(end) && statement.contains(parameters));
    statement.replacen(end, &format!("}},{files}{}", &end[1..]), 1)
}

/// What this process took of processors: others may use them, too.
fn processor() -> Duration {
    let took = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(took.tv_sec.unsigned_abs(), u32::try_from(took.tv_nsec).unwrap())
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

fn median(runs: usize, mut run: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<_> = (0..runs).map(|_| run()).collect();
    times.sort();
    times[runs / 2]
}

fn milliseconds(took: Duration) -> String {
    format!("{:.3} ms", took.as_secs_f64() * 1e3)
}
