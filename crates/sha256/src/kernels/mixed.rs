//! x86-64 SHA instructions for the rounds of four messages, AVX-512VL for their message schedules, scheduled by hand:
//! the two kinds of instruction run in different parts of the processor at once. A compiler groups them again, so the
//! function is assembly, written by `generate_mixed.py`.

use std::arch::naked_asm;

use super::{K, common_len, sha_ni::ShaNi};
use crate::Block;

/// Messages interleaved.
const LANES: usize = 4;

/// Proof that the processor has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Mixed(());

impl Mixed {
    pub(crate) fn detect() -> Option<Self> {
        let found = std::arch::is_x86_feature_detected!("sha")
            && std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx512bw");
        found.then_some(Self(()))
    }

    /// Takes as many blocks of each lane as the shortest has; an odd last one by `narrow`.
    pub(crate) fn compress(self, narrow: ShaNi, words: &mut [[u32; 8]; LANES], blocks: &[&[Block]; LANES]) {
        let count = common_len(blocks);
        let pairs = count / 2;
        if pairs > 0 {
            let mut values = Values::from_words(words);
            let from = blocks.map(|lane| lane.as_ptr());
            let mut scratch = Scratch([0; 4096]);
            // SAFETY: `self` comes from `detect`, so the processor has the features. `values` is 128 bytes aligned
            // to 16 and `scratch` 4096 bytes aligned to 64, both ours alone; `pairs` is at least 1 and every lane
            // has at least `2 * pairs` blocks, all that is read; `K` is 64 words, `BIG_ENDIAN` 32 bytes.
            unsafe {
                take_pairs(&mut values, &from, pairs, &mut scratch, &K.0, &BIG_ENDIAN);
            }
            values.to_words(words);
        }
        if count % 2 == 1 {
            narrow.compress(words, &blocks.map(|lane| &lane[count - 1..count]));
        }
    }
}

/// Shuffle that turns each 32-bit word round.
static BIG_ENDIAN: [u8; 32] = [
    3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13,
    12,
];

/// The message schedules, with the round constants added, of the pair of blocks in its rounds and of the next pair.
#[repr(C, align(64))]
struct Scratch([u8; 4096]);

/// The chaining values as `sha256rnds2` wants them: words F, E, B, A of the four messages, then H, G, D, C.
#[repr(C, align(16))]
struct Values([[u32; 4]; 2 * LANES]);

impl Values {
    fn from_words(words: &[[u32; 8]; LANES]) -> Self {
        let mut values = [[0; 4]; 2 * LANES];
        for (lane, [a, b, c, d, e, f, g, h]) in words.iter().enumerate() {
            values[lane] = [*f, *e, *b, *a];
            values[LANES + lane] = [*h, *g, *d, *c];
        }
        Self(values)
    }

    fn to_words(&self, words: &mut [[u32; 8]; LANES]) {
        for (lane, words) in words.iter_mut().enumerate() {
            let ([f, e, b, a], [h, g, d, c]) = (self.0[lane], self.0[LANES + lane]);
            *words = [a, b, c, d, e, f, g, h];
        }
    }
}

/// Takes `pairs` pairs of blocks of every lane into `values`.
///
/// # Safety
///
/// The processor has the features of [`Mixed::detect`], `pairs` is at least 1, and each of `from` points to at least
/// `2 * pairs` blocks.
#[unsafe(naked)]
unsafe extern "sysv64" fn take_pairs(
    values: &mut Values,
    from: &[*const Block; LANES],
    pairs: usize,
    scratch: &mut Scratch,
    constants: &[u32; 64],
    big_endian: &[u8; 32],
) {
    naked_asm!(include_str!("mixed.s"), options(att_syntax, raw))
}
