//! The hash functions of the OMS registry behind one interface, which hashes several messages at once where that pays.

use modelseal_core::digest::{Algorithm, Digest};
use modelseal_sha256::Sha256;

/// A hash function.
pub(crate) trait Kernel {
    /// A message in the making.
    type State;

    /// How many messages to hash at once.
    fn lanes() -> usize;

    /// The empty message.
    fn start() -> Self::State;

    /// Appends to each message its bytes.
    fn update(jobs: &mut [(&mut Self::State, &[u8])]);

    /// The digests, in order.
    fn finish(states: Vec<Self::State>) -> Vec<Digest>;
}

/// SHA-256: several streams at once on one core, since one stream is bound by the latency of its rounds.
pub(crate) struct Sha256Kernel;

impl Kernel for Sha256Kernel {
    type State = Sha256;

    fn lanes() -> usize {
        modelseal_sha256::backend().lanes().max(1)
    }

    fn start() -> Sha256 {
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

    fn lanes() -> usize {
        blake2b_simd::many::degree()
    }

    fn start() -> blake2b_simd::State {
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

    fn lanes() -> usize {
        1
    }

    fn start() -> blake3::Hasher {
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
}

#[expect(clippy::expect_used, reason = "the crates give digests of the length their algorithm has")]
fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    Digest::new(algorithm, bytes).expect("the right length")
}
