//! SHA-256 by every backend this processor has and by number of messages, against one message at a time by the
//! `sha2` crate: `cargo bench -p modelseal-sha256`. Each figure is the median of rounds in which all take turns, so
//! that a disturbance of the machine meets all alike.
#![allow(clippy::print_stdout, missing_docs)]

use std::{hint::black_box, time::Instant};

use modelseal_sha256::{Sha256, available, backend, digest_many_with, update_many_with};
use sha2::Digest;

const ROUNDS: usize = 15;

/// Name, number of messages, and one run over them.
type Case<'a> = (String, usize, Box<dyn Fn() + 'a>);

fn main() {
    // Cargo passes `--bench`; `cargo test --benches` does not, and only wants to know that this runs.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    println!("in use: {} ({} lanes)", backend(), backend().lanes());
    println!("\nupdate, 32 KiB for each message");
    compare(rounds, 32 << 10, 320, 8, |backend, messages| {
        let mut states = vec![Sha256::new(); messages.len()];
        let mut jobs: Vec<_> = states.iter_mut().zip(messages.iter().copied()).collect();
        update_many_with(backend, &mut jobs);
        black_box(states);
    });
    println!("\nwhole messages of 4 KiB, padding included");
    compare(rounds, 4 << 10, 0, 64, |backend, messages| {
        black_box(digest_many_with(backend, messages));
    });
}

/// Prints a line for each backend and number of messages. Messages lie `len + gap` bytes apart.
fn compare(
    rounds: usize,
    len: usize,
    gap: usize,
    repeats: usize,
    hash: impl Fn(modelseal_sha256::Backend, &[&[u8]]),
) {
    const COUNTS: [usize; 12] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32];
    let most = COUNTS[COUNTS.len() - 1];
    let buffer: Vec<u8> = (0..most * (len + gap)).map(|i| (i * 31 + (i >> 9)).to_le_bytes()[0]).collect();
    let messages: Vec<&[u8]> = buffer.chunks(len + gap).map(|chunk| &chunk[..len]).collect();

    let mut cases: Vec<Case<'_>> = Vec::new();
    let single = &messages[..1];
    cases.push((
        "sha2".into(),
        1,
        Box::new(move || {
            black_box(sha2::Sha256::digest(single[0]));
        }),
    ));
    for backend in available() {
        for count in COUNTS.into_iter().filter(|count| backend.lanes() > 1 || *count == 1) {
            let (hash, messages) = (&hash, &messages[..count]);
            cases.push((backend.to_string(), count, Box::new(move || hash(backend, messages))));
        }
    }
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..rounds {
        for ((_, _, run), times) in cases.iter().zip(&mut times) {
            run();
            let start = Instant::now();
            for _ in 0..repeats {
                run();
            }
            times.push(start.elapsed().as_secs_f64() / repeats as f64);
        }
    }
    let mut single = None;
    for ((name, count, _), times) in cases.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let speed = (count * len) as f64 / times[times.len() / 2] / 1e9;
        let ratio = speed / *single.get_or_insert(speed);
        println!("{name:>18} x{count:<3} {speed:6.2} GB/s {ratio:6.2}");
    }
}
