//! Published answers, by every backend this processor has: NIST CAVP SHA-256 short, long and Monte Carlo vectors
//! (byte-oriented) and the examples of FIPS 180-4.

#![allow(clippy::unwrap_used, reason = "tests")]

use modelseal_sha256::{Backend, Sha256, available, digest_many_with, finalize_many_with, update_many_with};

/// Message and digest, in hex.
const ANSWERS: [(&str, &str); 8] = [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("616263", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("d3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"),
    ("11af", "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98"),
    ("b4190e", "dff2e73091f6c05e528896c4c831b9448653dc2ff043528f6769437bc7b975c2"),
    ("74ba2521", "b16aa56be3880d18cd41e68384cf1ec8c17680c45a02b1575dc1518923ae8b0e"),
    (
        "5a86b737eaea8ee976a0a24da63e7ed7eefad18a101c1211e2b3650c5187c2a8\
         a650547208251f6d4237e661c7bf4c77f335390394c37fa1a9f9be836ac28509",
        "42e61e174fbb3897d6dd6cef3dd2802fe67b331953b06114a65c772859dfc1aa",
    ),
    (
        "451101250ec6f26652249d59dc974b7361d571a8101cdfd36aba3b5854d3ae086b5fdd4597721b66e3c0dc5d8c606d96\
         57d0e323283a5217d1f53f2f284f57b85c8a61ac8924711f895c5ed90ef17745ed2d728abd22a5f7a13479a462d71b56\
         c19a74a40b655c58edfe0a188ad2cf46cbf30524f65d423c837dd1ff2bf462ac4198007345bb44dbb7b1c861298cdf61\
         982a833afc728fae1eda2f87aa2c9480858bec",
        "3c593aa539fdcdae516cdf2f15000f6634185c88f505b39775fb9ab137a10aa2",
    ),
];

#[test]
fn published_messages() {
    let messages: Vec<Vec<u8>> = ANSWERS.iter().map(|(message, _)| from_hex(message)).collect();
    for backend in available() {
        for repeats in [1, 3] {
            let messages: Vec<&[u8]> =
                messages.iter().flat_map(|message| vec![message.as_slice(); repeats]).collect();
            let digests = digest_many_with(backend, &messages);
            assert_eq!(digests.len(), messages.len());
            for (at, digest) in digests.iter().enumerate() {
                assert_eq!(to_hex(digest), ANSWERS[at / repeats].1, "{backend}");
            }
        }
    }
}

#[test]
fn one_message_in_one_state() {
    for (message, answer) in ANSWERS {
        let mut state = Sha256::new();
        state.update(&from_hex(message));
        assert_eq!(to_hex(&state.finalize()), answer);
    }
}

/// FIPS 180-4's one million times "a", in one piece and in pieces, by every number of lanes.
#[test]
fn a_million() {
    const ANSWER: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    let message = vec![b'a'; 1_000_000];
    for backend in available() {
        for lanes in [1, 2, 3, 4, 7, 16] {
            let digests = digest_many_with(backend, &vec![message.as_slice(); lanes]);
            assert!(digests.iter().all(|digest| to_hex(digest) == ANSWER), "{backend}, {lanes} lanes");
        }
        let mut states = vec![Sha256::new(); 4];
        for piece in message.chunks(9_999) {
            let mut jobs: Vec<_> = states.iter_mut().map(|state| (state, piece)).collect();
            update_many_with(backend, &mut jobs);
        }
        let digests = finalize_many_with(backend, states);
        assert!(digests.iter().all(|digest| to_hex(digest) == ANSWER), "{backend}, in pieces");
    }
}

/// CAVP Monte Carlo (SHAVS §6.4): each message is the last three digests, a thousand times over.
#[test]
fn monte_carlo() {
    let mut seed = from_hex("6d1e72ad03ddeb5de891e572e2396f8da015d899ef0e79503152d6010a3fe691");
    let checkpoints = [
        "e93c330ae5447738c8aa85d71a6c80f2a58381d05872d26bdd39f1fcd4f2b788",
        "2e78f8c8772ea7c9331d41ed3f9cdf27d8f514a99342ee766ee3b8b0d0b121c0",
    ];
    for checkpoint in checkpoints {
        let mut ends = Vec::new();
        for backend in available() {
            let lanes = backend.lanes();
            let mut last = vec![seed.repeat(3); lanes];
            for _ in 0..1000 {
                let messages: Vec<&[u8]> = last.iter().map(Vec::as_slice).collect();
                let digests = digest_many_with(backend, &messages);
                for (last, digest) in last.iter_mut().zip(digests) {
                    last.drain(..32);
                    last.extend(digest);
                }
            }
            for last in last {
                assert_eq!(to_hex(&last[64..]), checkpoint, "{backend}");
                ends.push(last[64..].to_vec());
            }
        }
        seed = ends.swap_remove(0);
    }
}

/// A machine's own kernels must not silently drop out of these tests.
#[test]
fn backends_of_this_processor() {
    let found = available();
    assert_eq!(found[0], Backend::Portable);
    #[cfg(target_arch = "x86_64")]
    {
        assert_eq!(found.contains(&Backend::ShaNi4), std::arch::is_x86_feature_detected!("sha"));
        let wide = std::arch::is_x86_feature_detected!("avx512bw");
        assert_eq!(found.contains(&Backend::Avx512x16), wide);
        let mixed = cfg!(target_os = "linux")
            && std::arch::is_x86_feature_detected!("sha")
            && std::arch::is_x86_feature_detected!("avx512vl");
        assert_eq!(found.contains(&Backend::Mixed4), mixed);
    }
    #[cfg(target_arch = "aarch64")]
    assert_eq!(found.contains(&Backend::Armv8x4), std::arch::is_aarch64_feature_detected!("sha2"));
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
