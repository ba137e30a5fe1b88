//! Whatever the bytes: no panic, no hang, the same result every time, and the same through a decoder as in memory. The
//! fuzz targets check more of this; these run on stable Rust. `MUTATIONS` sets how many of each sample are tried.

#![expect(clippy::expect_used, reason = "a test")]

use modelseal_core::{
    inspection::{FileInspection, Verdict},
    path::ModelPath,
};
use modelseal_inspect::{Globals, inspect, trace};
use proptest::prelude::*;
use std::{env, fs, path::Path, time::Instant};

fn look(name: &str, bytes: &[u8]) -> FileInspection {
    let path = ModelPath::parse(name).expect("a name");
    let bytes = bytes.to_vec();
    let start = Instant::now();
    let found = inspect(&path, &bytes, Globals::shipped()).expect("it can be read").into_inner();
    let most = 2.0 + 2.0 * bytes.len() as f64 / 1e6;
    assert!(start.elapsed().as_secs_f64() < most, "{name} with {} bytes took too long", bytes.len());
    found
}

/// Opcodes and operands that lead far, more often than chance would have them.
fn opcodes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::sample::select(&b"()]}.012NtRbaseduolqhpgjr\x81\x82\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x95\x97\x98"[..])
            .prop_map(|code| vec![code]),
        1 => Just(b"\x8c\x02os\x8c\x06system".to_vec()),
        1 => Just(b"cnumpy\ndtype\n".to_vec()),
        1 => Just(b"c_codecs\nencode\n".to_vec()),
        1 => Just(b"\x80\x02".to_vec()),
        1 => (0_u8..4).prop_map(|place| vec![b'q', place]),
        1 => (0_u8..4).prop_map(|place| vec![b'h', place]),
        1 => any::<i32>().prop_map(|int| [&b"J"[..], &int.to_le_bytes()].concat()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_opcodes(data in opcodes()) {
        let pickle = [b"\x80\x04".to_vec(), data].concat();
        let found = look("a.pkl", &pickle);
        prop_assert_eq!(&look("a.pkl", &pickle), &found);
        let mut text = String::new();
        trace(&ModelPath::parse("a.pkl").expect("a good name"), &pickle, Globals::shipped(), &mut text, 500).expect("it can be read");
        // What ends at STOP, or where Python fails: something is always said of the latter.
        if found.verdict() == Verdict::Clean {
            prop_assert!(pickle.contains(&b'.'));
        }
    }

    #[test]
    fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..300), name in 0_usize..14) {
        look(["a.pkl", "a.pt", "a.npy", "a.zip", "a.tar", "a", "a.py", "a.yaml", "a.ubj", "a.cbm", "a.txt", "a.svg", "a.pyc", "requirements.txt"][name], &data);
    }
}

#[test]
fn samples_that_were_changed() {
    let Some(root) = env::var_os("MODELSEAL_SAMPLES") else { return };
    let times: u64 = env::var("MUTATIONS").ok().and_then(|times| times.parse().ok()).unwrap_or(4);
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).expect("small")
    };
    let mut folders = vec![Path::new(&root).join("inspection")];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> =
            fs::read_dir(folder).expect("the samples").map(|entry| entry.expect("a file").path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let good = fs::read(&path).expect("a sample");
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            if good.len() > 64 * 1024 {
                continue;
            }
            for _ in 0..times {
                let mut bytes = good.clone();
                for _ in 0..=random(4) {
                    let at = random(bytes.len());
                    match random(4) {
                        0 => bytes.truncate(at),
                        1 if !bytes.is_empty() => bytes[at] ^= 1 << random(8),
                        2 if !bytes.is_empty() => bytes[at] = [0, 0xff, 0x7f, 0x80, b'.', b'('][random(6)],
                        _ => {
                            let from = random(bytes.len() + 1);
                            let part: Vec<u8> = bytes[from..].iter().take(random(40)).copied().collect();
                            bytes.splice(at..at, part);
                        }
                    }
                }
                look(name, &bytes);
            }
        }
    }
}
