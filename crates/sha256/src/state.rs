//! The streaming state of one message: chaining value, partial block and length.

use crate::{BLOCK_LEN, Block, DIGEST_LEN, kernels::portable};

/// The chaining value before the first block (FIPS 180-4 §5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The state of one message while it is hashed.
///
/// Fed one by one with [`update`](Self::update), or together with others by [`update_many`](crate::update_many);
/// the two may be mixed freely. Messages are shorter than 2^61 bytes, the limit of SHA-256 itself.
#[derive(Clone)]
pub struct Sha256 {
    /// The chaining value, words a to h.
    pub(crate) words: [u32; 8],
    /// The bytes of the block that is not full yet; the first `filled` count.
    pub(crate) partial: Block,
    /// Bytes in `partial`: below 64 between calls.
    pub(crate) filled: usize,
    /// Bytes taken in so far.
    pub(crate) total: u64,
}

impl Sha256 {
    /// The state of an empty message.
    #[must_use]
    pub fn new() -> Self {
        Self { words: INITIAL, partial: [0; BLOCK_LEN], filled: 0, total: 0 }
    }

    /// Appends `data` to the message.
    pub fn update(&mut self, data: &[u8]) {
        let (completed, body, tail) = self.absorb(data);
        if completed {
            portable::compress(&mut self.words, std::slice::from_ref(&self.partial));
        }
        portable::compress(&mut self.words, body);
        self.keep(completed, tail);
    }

    /// The digest of the message.
    #[must_use]
    pub fn finalize(mut self) -> [u8; DIGEST_LEN] {
        let padding = self.padding();
        portable::compress(&mut self.words, padding.blocks());
        self.digest()
    }

    /// Counts `data` in and splits it: whether the partial block is now complete (and must be compressed first),
    /// the whole blocks after it, and the rest, which [`keep`](Self::keep) must be given once those are compressed.
    pub(crate) fn absorb<'a>(&mut self, data: &'a [u8]) -> (bool, &'a [Block], &'a [u8]) {
        self.total = self.total.wrapping_add(data.len() as u64);
        let mut rest = data;
        let mut completed = false;
        if self.filled > 0 {
            let (head, after) = data.split_at(data.len().min(BLOCK_LEN - self.filled));
            self.partial[self.filled..self.filled + head.len()].copy_from_slice(head);
            self.filled += head.len();
            completed = self.filled == BLOCK_LEN;
            rest = after;
        }
        let (body, tail) = rest.as_chunks::<BLOCK_LEN>();
        (completed, body, tail)
    }

    /// Second half of [`absorb`](Self::absorb): `tail` (below one block) waits for the next piece.
    pub(crate) fn keep(&mut self, completed: bool, tail: &[u8]) {
        if completed {
            self.filled = 0;
        }
        self.partial[self.filled..self.filled + tail.len()].copy_from_slice(tail);
        self.filled += tail.len();
    }

    /// The last one or two blocks: what is left of the message, a one bit, zeros, the length in bits
    /// (FIPS 180-4 §5.1.1).
    pub(crate) fn padding(&self) -> Padding {
        let mut bytes = [0; 2 * BLOCK_LEN];
        bytes[..self.filled].copy_from_slice(&self.partial[..self.filled]);
        bytes[self.filled] = 0x80;
        let end = if self.filled < BLOCK_LEN - 8 { BLOCK_LEN } else { 2 * BLOCK_LEN };
        bytes[end - 8..end].copy_from_slice(&self.total.wrapping_mul(8).to_be_bytes());
        Padding { bytes, end }
    }

    /// The chaining value as a digest; the message's when its padding has been compressed.
    pub(crate) fn digest(&self) -> [u8; DIGEST_LEN] {
        let mut out = [0; DIGEST_LEN];
        for (bytes, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(self.words) {
            *bytes = word.to_be_bytes();
        }
        out
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows only that it is one: what has been hashed is the caller's business.
impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sha256").finish_non_exhaustive()
    }
}

/// The padding blocks of one message.
pub(crate) struct Padding {
    bytes: [u8; 2 * BLOCK_LEN],
    end: usize,
}

impl Padding {
    /// One or two blocks.
    pub(crate) fn blocks(&self) -> &[Block] {
        self.bytes[..self.end].as_chunks().0
    }
}
