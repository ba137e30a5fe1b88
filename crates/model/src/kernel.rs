//! The hash functions of the OMS registry behind one interface, which hashes several messages at once where that pays.

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use modelseal_core::digest::{Algorithm, Digest};
use modelseal_sha256::Sha256;

/// A hash function, or several over the same bytes.
pub(crate) trait Kernel: Sync {
    /// A message in the making.
    type State: Send;
    /// What a message comes to.
    type Output: Send;

    /// How many messages to hash at once.
    fn lanes(&self) -> usize;

    /// The empty message.
    fn start(&self) -> Self::State;

    /// Appends to each message its bytes.
    fn update(jobs: &mut [(&mut Self::State, &[u8])]);

    /// The digests, in order.
    fn finish(states: Vec<Self::State>) -> Vec<Self::Output>;

    /// How to hash pieces of one message apart, if the hash is a tree.
    fn tree() -> Option<Tree<Self::State, Self::Output>> {
        None
    }
}

/// What a piece of a message comes to.
pub(crate) type Part = [u8; 32];

/// How pieces of one message are hashed apart and joined.
pub(crate) struct Tree<S, O> {
    /// The bytes of each piece but the last, which is shorter or as long, by the length of the message. A message of
    /// one piece is hashed as any other.
    pub(crate) piece: fn(u64) -> u64,
    /// The piece that begins at this byte of its message.
    pub(crate) start: fn(u64) -> S,
    /// The result of a piece, which is not empty.
    pub(crate) part: fn(S) -> Part,
    /// The digest of a message of at least two pieces from the results of all, in order.
    pub(crate) join: fn(&[Part]) -> O,
}

/// SHA-256: several streams at once on one core, since one stream is bound by the latency of its rounds.
pub(crate) struct Sha256Kernel;

impl Kernel for Sha256Kernel {
    type State = Sha256;
    type Output = Digest;

    fn lanes(&self) -> usize {
        modelseal_sha256::backend().lanes().max(1)
    }

    fn start(&self) -> Sha256 {
        Sha256::new()
    }

    fn update(jobs: &mut [(&mut Sha256, &[u8])]) {
        modelseal_sha256::update_many(jobs);
    }

    fn finish(states: Vec<Sha256>) -> Vec<Digest> {
        modelseal_sha256::finalize_many(states).into_iter().map(Digest::sha256).collect()
    }
}

/// BLAKE2b.
pub(crate) struct Blake2bKernel;

impl Kernel for Blake2bKernel {
    type State = blake2b_simd::State;
    type Output = Digest;

    fn lanes(&self) -> usize {
        blake2b_simd::many::degree()
    }

    fn start(&self) -> blake2b_simd::State {
        blake2b_simd::State::new()
    }

    fn update(jobs: &mut [(&mut blake2b_simd::State, &[u8])]) {
        blake2b_simd::many::update_many(jobs.iter_mut().map(|(state, data)| (&mut **state, *data)));
    }

    fn finish(states: Vec<blake2b_simd::State>) -> Vec<Digest> {
        states.iter().map(|state| digest(Algorithm::Blake2b, state.finalize().as_bytes())).collect()
    }
}

/// BLAKE3, which fills the core from a single message.
pub(crate) struct Blake3Kernel;

impl Kernel for Blake3Kernel {
    type State = blake3::Hasher;
    type Output = Digest;

    fn lanes(&self) -> usize {
        1
    }

    fn start(&self) -> blake3::Hasher {
        blake3::Hasher::new()
    }

    fn update(jobs: &mut [(&mut blake3::Hasher, &[u8])]) {
        for (hasher, data) in jobs {
            hasher.update(data);
        }
    }

    fn finish(states: Vec<blake3::Hasher>) -> Vec<Digest> {
        states.iter().map(|hasher| digest(Algorithm::Blake3, hasher.finalize().as_bytes())).collect()
    }

    fn tree() -> Option<Tree<blake3::Hasher, Digest>> {
        Some(Tree {
            // At most 4096 pieces, so that what they come to is small for a message of any length.
            piece: |len| (len / 4096).max(BLAKE3_PIECE).next_power_of_two(),
            start: |offset| {
                let mut hasher = blake3::Hasher::new();
                hasher.set_input_offset(offset);
                hasher
            },
            part: |hasher| hasher.finalize_non_root(),
            join: |parts| {
                let (left, right) = blake3_halves(parts);
                let root = merge_subtrees_root(&blake3_node(left), &blake3_node(right), Mode::Hash);
                digest(Algorithm::Blake3, root.as_bytes())
            },
        })
    }
}

/// A piece at least. Pieces are powers of two, so each is a whole subtree.
const BLAKE3_PIECE: u64 = 1024 * 1024;

/// The node above all these pieces (BLAKE3 section 2.1).
fn blake3_node(parts: &[Part]) -> Part {
    match parts {
        [part] => *part,
        _ => {
            let (left, right) = blake3_halves(parts);
            merge_subtrees_non_root(&blake3_node(left), &blake3_node(right), Mode::Hash)
        }
    }
}

/// The left subtree is the largest full one that leaves something to the right.
fn blake3_halves(parts: &[Part]) -> (&[Part], &[Part]) {
    parts.split_at(parts.len().next_power_of_two() / 2)
}

#[expect(clippy::expect_used, reason = "the crates give digests of the length their algorithm has")]
fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    Digest::new(algorithm, bytes).expect("the right length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_pieces(bytes: &[u8], piece: usize) -> Digest {
        let tree = Blake3Kernel::tree().unwrap();
        let hash = |(n, bytes): (usize, &[u8])| {
            let mut state = (tree.start)((n * piece) as u64);
            Blake3Kernel::update(&mut [(&mut state, bytes)]);
            (tree.part)(state)
        };
        let parts: Vec<Part> = bytes.chunks(piece).enumerate().map(hash).collect();
        (tree.join)(&parts)
    }

    proptest! {
        #[test]
        fn blake3_in_pieces_is_blake3(pieces in 1..40_usize, size in 0..4_u32, around in -2..=1024_isize, seed: usize) {
            let piece = 1024 << size;
            let len = (pieces * piece).checked_add_signed(around).unwrap().max(piece + 1);
            let bytes: Vec<u8> = (0..len).map(|n| (n >> 3).wrapping_mul(seed | 1).to_le_bytes()[1]).collect();
            let expected = digest(Algorithm::Blake3, blake3::hash(&bytes).as_bytes());
            prop_assert_eq!(in_pieces(&bytes, piece), expected);
        }

        #[test]
        fn blake3_pieces_are_few_powers_of_two(len in 0..=1_u64 << 60) {
            let piece = (Blake3Kernel::tree().unwrap().piece)(len);
            prop_assert!(piece.is_power_of_two() && piece >= BLAKE3_PIECE && len.div_ceil(piece) <= 4096);
        }
    }
}
