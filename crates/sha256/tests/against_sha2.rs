//! Every backend this processor has against the `sha2` crate.

use modelseal_sha256::{Backend, Sha256, available, digest_many_with, finalize_many_with, update_many_with};
use proptest::prelude::*;
use sha2::Digest;

/// Bytes without a pattern that lanes or blocks could share.
fn bytes(seed: usize, len: usize) -> Vec<u8> {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

fn expected(message: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(message).into()
}

fn check(backend: Backend, messages: &[Vec<u8>], context: &str) {
    let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let digests = digest_many_with(backend, &slices);
    assert_eq!(digests.len(), messages.len());
    for (at, (digest, message)) in digests.iter().zip(messages).enumerate() {
        let (len, count) = (message.len(), messages.len());
        assert_eq!(*digest, expected(message), "{backend}, message {at} of {count}, {len} bytes, {context}");
    }
}

#[test]
fn every_length_and_lane_count() {
    for backend in available() {
        for len in 0..300 {
            for lanes in 1..=9 {
                let messages: Vec<_> = (0..lanes).map(|lane| bytes(len * 16 + lane, len)).collect();
                check(backend, &messages, "equal lengths");
            }
        }
    }
}

#[test]
fn many_lanes_of_neighbouring_lengths() {
    for backend in available() {
        for lanes in 1..=40 {
            for start in [0, 50, 110, 1000, 20_000] {
                let messages: Vec<_> = (0..lanes).map(|lane| bytes(lane, start + lane * 7)).collect();
                check(backend, &messages, "neighbouring lengths");
            }
        }
    }
}

/// More messages left than lanes, all long: the slices in which the last ones take turns.
#[test]
fn long_messages_take_turns() {
    for backend in available() {
        for lanes in [5, 6, 7, 9, 11, 17, 19] {
            let messages: Vec<_> =
                (0..lanes).map(|lane| bytes(lane, 40_000 + (lane % 3) * 16_448 + lane)).collect();
            check(backend, &messages, "long");
        }
    }
}

/// A state fed at each split of a message of three blocks, with others beside it at other splits.
#[test]
fn every_split() {
    let message = bytes(1, 200);
    for backend in available() {
        for split in 0..=message.len() {
            let mut states = vec![Sha256::new(); 5];
            let splits: Vec<usize> = (0..5).map(|lane| (split + lane * 13) % (message.len() + 1)).collect();
            let mut jobs: Vec<_> =
                states.iter_mut().zip(&splits).map(|(state, split)| (state, &message[..*split])).collect();
            update_many_with(backend, &mut jobs);
            let mut jobs: Vec<_> =
                states.iter_mut().zip(&splits).map(|(state, split)| (state, &message[*split..])).collect();
            update_many_with(backend, &mut jobs);
            for digest in finalize_many_with(backend, states) {
                assert_eq!(digest, expected(&message), "{backend}, split at {split}");
            }
        }
    }
}

/// A backend of another processor is not an error and not a wrong digest.
#[test]
fn backends_this_processor_lacks() {
    let messages: Vec<_> = (0..6).map(|lane| bytes(lane, 100 * lane)).collect();
    for backend in [Backend::Armv8x4, Backend::Mixed4, Backend::Avx512x16, Backend::ShaNi4] {
        check(backend, &messages, "asked for by name");
    }
}

/// Nothing to do is done.
#[test]
fn empty_calls() {
    for backend in available() {
        update_many_with(backend, &mut []);
        assert!(finalize_many_with(backend, Vec::new()).is_empty());
        assert!(digest_many_with(backend, &[]).is_empty());
        let mut states = vec![Sha256::new(); 3];
        let mut jobs: Vec<_> = states.iter_mut().map(|state| (state, &[][..])).collect();
        update_many_with(backend, &mut jobs);
        assert_eq!(finalize_many_with(backend, states), vec![expected(b""); 3]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Some messages, each cut at random; in each round a random part of the states is fed, one by one or together.
    #[test]
    fn random_feeding(
        messages in prop::collection::vec((0_usize..2500, prop::collection::vec(0_usize..700, 1..6)), 1..24),
        alone in any::<u32>(),
    ) {
        for backend in available() {
            let contents: Vec<_> = messages.iter().enumerate().map(|(at, (len, _))| bytes(at, *len)).collect();
            let mut states = vec![Sha256::new(); messages.len()];
            let mut fed = vec![0; messages.len()];
            let mut round = 0;
            while fed.iter().zip(&contents).any(|(fed, content)| *fed < content.len()) {
                let mut jobs = Vec::new();
                for (at, state) in states.iter_mut().enumerate() {
                    let content = &contents[at];
                    let pieces = &messages[at].1;
                    let piece = if round > 8 { content.len() } else { pieces[round % pieces.len()] };
                    let end = content.len().min(fed[at] + piece);
                    let data = &content[fed[at]..end];
                    fed[at] = end;
                    if alone >> ((at + round) % 32) & 1 == 1 {
                        state.update(data);
                    } else {
                        jobs.push((state, data));
                    }
                }
                update_many_with(backend, &mut jobs);
                round += 1;
            }
            let copies = states.clone();
            for ((digest, state), content) in finalize_many_with(backend, states).iter().zip(copies).zip(&contents) {
                prop_assert_eq!(*digest, expected(content));
                prop_assert_eq!(state.finalize(), *digest);
            }
        }
    }

    /// Ragged whole messages, from empty to longer than a slice.
    #[test]
    fn random_messages(lengths in prop::collection::vec(prop_oneof![0_usize..200, 0_usize..40_000], 1..36)) {
        let messages: Vec<_> = lengths.iter().enumerate().map(|(at, len)| bytes(at, *len)).collect();
        for backend in available() {
            check(backend, &messages, "random");
        }
    }

    /// Data at any address: kernels must not need alignment.
    #[test]
    fn any_alignment(offsets in prop::collection::vec(0_usize..64, 16), len in 0_usize..1200) {
        let buffer = bytes(5, 64 + 1200);
        let messages: Vec<&[u8]> = offsets.iter().map(|offset| &buffer[*offset..offset + len]).collect();
        for backend in available() {
            for (digest, message) in digest_many_with(backend, &messages).iter().zip(&messages) {
                prop_assert_eq!(*digest, expected(message));
            }
        }
    }
}
