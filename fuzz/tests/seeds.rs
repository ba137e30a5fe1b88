//! Every target over its seeds and over each of them cut short or with one byte changed: what can be checked without a
//! fuzzer, on stable Rust. `fuzz/seeds.py` makes the seeds.

use modelseal_fuzz::TARGETS;
use std::{fs, path::Path};

#[test]
fn every_target_holds_on_its_seeds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let seeds = fs::read_dir(corpus.join(name)).expect("run fuzz/seeds.py first");
        let mut count = 0;
        for seed in seeds {
            let data = fs::read(seed.expect("an entry").path()).expect("a seed");
            target(&data);
            // A different place in each seed, spread over all of it.
            let at = (count * 7919) % data.len().max(1);
            target(&data[..at.min(data.len())]);
            let mut changed = data;
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 1 << (count % 8);
                target(&changed);
            }
            count += 1;
        }
        assert!(count > 1, "{name} has {count} seeds");
    }
}
