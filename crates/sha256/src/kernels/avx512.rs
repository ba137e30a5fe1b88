//! AVX-512, sixteen messages side by side: word `i` of all sixteen in one vector.

use core::arch::{asm, x86_64::*};

use super::{K, common_len};
use crate::{BLOCK_LEN, Block};

/// Messages side by side.
pub(crate) const LANES: usize = 16;

/// How many of `live` runs to take together: all of them with lanes left idle when that is still faster than
/// `narrow` kernels (SHA instructions) or single messages are.
pub(super) fn width(live: usize, narrow: bool) -> usize {
    match (live, narrow) {
        (LANES.., _) => LANES,
        (10.., true) | (3.., false) => live,
        (_, true) => live.min(4),
        (_, false) => 1,
    }
}

/// The round constants, each once for every lane: a whole vector is loaded faster than one word is spread.
static K_ROWS: Rows = {
    let mut rows = [[0; LANES]; 64];
    let mut t = 0;
    while t < 64 {
        rows[t] = [K.0[t]; LANES];
        t += 1;
    }
    Rows(rows)
};

#[repr(align(64))]
struct Rows([[u32; LANES]; 64]);

/// Proof that the processor has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        let found =
            std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512bw");
        found.then_some(Self(()))
    }

    /// Takes as many blocks of each lane as the shortest has.
    pub(crate) fn compress(self, words: &mut [[u32; 8]; LANES], blocks: &[&[Block]; LANES]) {
        // SAFETY: `self` comes from `detect`, so the processor has every feature `side_by_side` is compiled for.
        unsafe { side_by_side(words, blocks) }
    }
}

/// Ends a chain of additions here. Without it the optimiser reorders the sums of a round and lengthens the path
/// from one round to the next, which is what bounds this kernel.
macro_rules! settle {
    ($value:expr) => {{
        let mut value = $value;
        // SAFETY: an empty instruction sequence: it reads and writes nothing but names `value` as changed.
        unsafe {
            asm!("/* {0} */", inout(zmm_reg) value, options(pure, nomem, nostack, preserves_flags));
        }
        value
    }};
}

macro_rules! xor3 {
    ($a:expr, $b:expr, $c:expr) => {
        _mm512_ternarylogic_epi32::<0x96>($a, $b, $c)
    };
}

#[target_feature(enable = "avx512f,avx512bw")]
fn side_by_side(words: &mut [[u32; 8]; LANES], blocks: &[&[Block]; LANES]) {
    let count = common_len(blocks);
    let from: [*const u8; LANES] = std::array::from_fn(|lane| blocks[lane].as_ptr().cast());
    let big_endian = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203));

    let mut columns = [[0u32; LANES]; 8];
    for (lane, value) in words.iter().enumerate() {
        for (column, word) in columns.iter_mut().zip(value) {
            column[lane] = *word;
        }
    }
    let mut value = [_mm512_setzero_si512(); 8];
    for (vector, column) in value.iter_mut().zip(&columns) {
        // SAFETY: `column` is sixteen words, one vector; `loadu` needs no alignment.
        *vector = unsafe { _mm512_loadu_si512(column.as_ptr().cast()) };
    }

    for block in 0..count {
        let mut w = [_mm512_setzero_si512(); 16];
        for (row, from) in w.iter_mut().zip(from) {
            // SAFETY: `block < count`, and every lane has at least `count` blocks of 64 bytes, so the vector
            // read is the lane's block; `loadu` needs no alignment.
            let input = unsafe { _mm512_loadu_si512(from.add(block * BLOCK_LEN).cast()) };
            *row = _mm512_shuffle_epi8(input, big_endian);
        }
        transpose(&mut w);

        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = value;
        // One round. The sums are ordered so that the new `a` and `e` each wait for three instructions after the
        // old `a` and `e`, no more.
        macro_rules! round {
            ($a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident, $t:expr) => {{
                // SAFETY: a row of the table is sixteen words, one vector; `loadu` needs no alignment.
                let k = unsafe { _mm512_loadu_si512(K_ROWS.0[$t].as_ptr().cast()) };
                let wk = _mm512_add_epi32(w[$t % 16], k);
                let choice = _mm512_ternarylogic_epi32::<0xca>($e, $f, $g);
                let sum = _mm512_add_epi32(_mm512_add_epi32($h, wk), choice);
                let sigma1 =
                    xor3!(_mm512_ror_epi32::<6>($e), _mm512_ror_epi32::<11>($e), _mm512_ror_epi32::<25>($e));
                let majority = _mm512_ternarylogic_epi32::<0xe8>($a, $b, $c);
                let sigma0 =
                    xor3!(_mm512_ror_epi32::<2>($a), _mm512_ror_epi32::<13>($a), _mm512_ror_epi32::<22>($a));
                $d = _mm512_add_epi32(settle!(_mm512_add_epi32(sum, $d)), sigma1);
                let sum = settle!(_mm512_add_epi32(sum, majority));
                $h = _mm512_add_epi32(settle!(_mm512_add_epi32(sum, sigma1)), sigma0);
            }};
        }
        // The next word of the message schedule, in the place of the one sixteen before it.
        macro_rules! schedule {
            ($t:expr) => {{
                let (w1, w14) = (w[($t + 1) % 16], w[($t + 14) % 16]);
                let sigma0 =
                    xor3!(_mm512_ror_epi32::<7>(w1), _mm512_ror_epi32::<18>(w1), _mm512_srli_epi32::<3>(w1));
                let sigma1 = xor3!(
                    _mm512_ror_epi32::<17>(w14),
                    _mm512_ror_epi32::<19>(w14),
                    _mm512_srli_epi32::<10>(w14)
                );
                let sum = _mm512_add_epi32(_mm512_add_epi32(w[$t % 16], w[($t + 9) % 16]), sigma0);
                w[$t % 16] = _mm512_add_epi32(sum, sigma1);
            }};
        }
        macro_rules! next_round {
            ($a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident, $t:expr) => {{
                if $t >= 16 {
                    schedule!($t);
                }
                round!($a, $b, $c, $d, $e, $f, $g, $h, $t);
            }};
        }
        macro_rules! eight_rounds {
            ($t:literal) => {{
                next_round!(a, b, c, d, e, f, g, h, $t);
                next_round!(h, a, b, c, d, e, f, g, $t + 1);
                next_round!(g, h, a, b, c, d, e, f, $t + 2);
                next_round!(f, g, h, a, b, c, d, e, $t + 3);
                next_round!(e, f, g, h, a, b, c, d, $t + 4);
                next_round!(d, e, f, g, h, a, b, c, $t + 5);
                next_round!(c, d, e, f, g, h, a, b, $t + 6);
                next_round!(b, c, d, e, f, g, h, a, $t + 7);
            }};
        }
        eight_rounds!(0);
        eight_rounds!(8);
        eight_rounds!(16);
        eight_rounds!(24);
        eight_rounds!(32);
        eight_rounds!(40);
        eight_rounds!(48);
        eight_rounds!(56);
        for (value, word) in value.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *value = _mm512_add_epi32(*value, word);
        }
    }

    for (column, vector) in columns.iter_mut().zip(value) {
        // SAFETY: `column` is sixteen words, one vector; `storeu` needs no alignment.
        unsafe { _mm512_storeu_si512(column.as_mut_ptr().cast(), vector) };
    }
    for (lane, value) in words.iter_mut().enumerate() {
        for (word, column) in value.iter_mut().zip(&columns) {
            *word = column[lane];
        }
    }
}

/// Rows become columns, in words of 32 bits.
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose(rows: &mut [__m512i; 16]) {
    let mut pairs = *rows;
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    // `quads[4 * i + j]`: word `j` of each 128-bit part, of rows `4 * i` to `4 * i + 3`.
    let mut quads = *rows;
    for i in 0..4 {
        quads[4 * i] = _mm512_unpacklo_epi64(pairs[4 * i], pairs[4 * i + 2]);
        quads[4 * i + 1] = _mm512_unpackhi_epi64(pairs[4 * i], pairs[4 * i + 2]);
        quads[4 * i + 2] = _mm512_unpacklo_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
        quads[4 * i + 3] = _mm512_unpackhi_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
    }
    for j in 0..4 {
        let even01 = _mm512_shuffle_i32x4::<0x88>(quads[j], quads[4 + j]);
        let odd01 = _mm512_shuffle_i32x4::<0xdd>(quads[j], quads[4 + j]);
        let even23 = _mm512_shuffle_i32x4::<0x88>(quads[8 + j], quads[12 + j]);
        let odd23 = _mm512_shuffle_i32x4::<0xdd>(quads[8 + j], quads[12 + j]);
        rows[j] = _mm512_shuffle_i32x4::<0x88>(even01, even23);
        rows[4 + j] = _mm512_shuffle_i32x4::<0x88>(odd01, odd23);
        rows[8 + j] = _mm512_shuffle_i32x4::<0xdd>(even01, even23);
        rows[12 + j] = _mm512_shuffle_i32x4::<0xdd>(odd01, odd23);
    }
}
