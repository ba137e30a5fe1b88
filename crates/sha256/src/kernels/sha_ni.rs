//! x86-64 SHA instructions, two to four messages interleaved: while a round of one message waits for its result,
//! rounds of the others run.

use core::arch::x86_64::*;

use super::{K, common_len};
use crate::{BLOCK_LEN, Block};

/// Proof that the processor has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct ShaNi(());

impl ShaNi {
    pub(crate) fn detect() -> Option<Self> {
        let found = std::arch::is_x86_feature_detected!("sha")
            && std::arch::is_x86_feature_detected!("ssse3")
            && std::arch::is_x86_feature_detected!("sse4.1");
        found.then_some(Self(()))
    }

    /// Takes as many blocks of each lane as the shortest has.
    pub(crate) fn compress<const N: usize>(self, words: &mut [[u32; 8]; N], blocks: &[&[Block]; N]) {
        // SAFETY: `self` comes from `detect`, so the processor has every feature `interleaved` is compiled for.
        unsafe { interleaved(words, blocks) }
    }
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn interleaved<const N: usize>(words: &mut [[u32; 8]; N], blocks: &[&[Block]; N]) {
    let count = common_len(blocks);
    let from: [*const u8; N] = std::array::from_fn(|lane| blocks[lane].as_ptr().cast());
    let big_endian = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);

    // The instructions want the value as the word pairs ABEF and CDGH.
    let mut abef = [_mm_setzero_si128(); N];
    let mut cdgh = [_mm_setzero_si128(); N];
    for lane in 0..N {
        let value = words[lane].as_ptr().cast::<__m128i>();
        // SAFETY: a lane's value is 32 bytes, two vectors; `loadu` needs no alignment.
        let (abcd, efgh) = unsafe { (_mm_loadu_si128(value), _mm_loadu_si128(value.add(1))) };
        let badc = _mm_shuffle_epi32(abcd, 0xb1);
        let hgfe = _mm_shuffle_epi32(efgh, 0x1b);
        abef[lane] = _mm_alignr_epi8(badc, hgfe, 8);
        cdgh[lane] = _mm_blend_epi16(hgfe, badc, 0xf0);
    }

    for block in 0..count {
        let (abef_before, cdgh_before) = (abef, cdgh);
        let mut w = [[_mm_setzero_si128(); 4]; N];
        // Four rounds of every lane. `w[lane]` holds the last sixteen words of the message schedule.
        macro_rules! four_rounds {
            ($group:literal) => {{
                // SAFETY: `K` is 16 vectors of 16 bytes, aligned to 64, and `$group` is below 16.
                let k = unsafe { _mm_load_si128(K.0.as_ptr().cast::<__m128i>().add($group)) };
                for lane in 0..N {
                    let w = &mut w[lane];
                    if $group < 4 {
                        // SAFETY: `block < count`, and every lane has at least `count` blocks of 64 bytes, so
                        // the 16 bytes at `block * 64 + $group * 16` lie inside the lane's slice.
                        let input = unsafe {
                            _mm_loadu_si128(from[lane].add(block * BLOCK_LEN + $group * 16).cast::<__m128i>())
                        };
                        w[$group % 4] = _mm_shuffle_epi8(input, big_endian);
                    } else {
                        let (a, b) = (w[$group % 4], w[($group + 1) % 4]);
                        let (c, d) = (w[($group + 2) % 4], w[($group + 3) % 4]);
                        let sum = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8(d, c, 4));
                        w[$group % 4] = _mm_sha256msg2_epu32(sum, d);
                    }
                    let wk = _mm_add_epi32(w[$group % 4], k);
                    cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], wk);
                    abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], _mm_shuffle_epi32(wk, 0x0e));
                }
            }};
        }
        four_rounds!(0);
        four_rounds!(1);
        four_rounds!(2);
        four_rounds!(3);
        four_rounds!(4);
        four_rounds!(5);
        four_rounds!(6);
        four_rounds!(7);
        four_rounds!(8);
        four_rounds!(9);
        four_rounds!(10);
        four_rounds!(11);
        four_rounds!(12);
        four_rounds!(13);
        four_rounds!(14);
        four_rounds!(15);
        for lane in 0..N {
            abef[lane] = _mm_add_epi32(abef[lane], abef_before[lane]);
            cdgh[lane] = _mm_add_epi32(cdgh[lane], cdgh_before[lane]);
        }
    }

    for lane in 0..N {
        let feba = _mm_shuffle_epi32(abef[lane], 0x1b);
        let dchg = _mm_shuffle_epi32(cdgh[lane], 0xb1);
        let value = words[lane].as_mut_ptr().cast::<__m128i>();
        // SAFETY: a lane's value is 32 bytes, two vectors; `storeu` needs no alignment.
        unsafe {
            _mm_storeu_si128(value, _mm_blend_epi16(feba, dchg, 0xf0));
            _mm_storeu_si128(value.add(1), _mm_alignr_epi8(dchg, feba, 8));
        }
    }
}
