//! AArch64 SHA2 instructions, two to four messages interleaved: while a round of one message waits for its result,
//! rounds of the others run.

use core::arch::aarch64::*;

use super::{K, common_len};
use crate::{BLOCK_LEN, Block};

/// Proof that the processor has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Armv8(());

impl Armv8 {
    pub(crate) fn detect() -> Option<Self> {
        let found = std::arch::is_aarch64_feature_detected!("neon")
            && std::arch::is_aarch64_feature_detected!("sha2");
        found.then_some(Self(()))
    }

    /// Takes as many blocks of each lane as the shortest has.
    pub(crate) fn compress<const N: usize>(self, words: &mut [[u32; 8]; N], blocks: &[&[Block]; N]) {
        // SAFETY: `self` comes from `detect`, so the processor has every feature `interleaved` is compiled for.
        unsafe { interleaved(words, blocks) }
    }
}

#[target_feature(enable = "neon,sha2")]
fn interleaved<const N: usize>(words: &mut [[u32; 8]; N], blocks: &[&[Block]; N]) {
    let count = common_len(blocks);
    let from: [*const u8; N] = std::array::from_fn(|lane| blocks[lane].as_ptr().cast());
    let zero = vdupq_n_u32(0);

    let mut abcd = [zero; N];
    let mut efgh = [zero; N];
    for lane in 0..N {
        let value = words[lane].as_ptr();
        // SAFETY: a lane's value is eight words, two vectors of four; the loads need the alignment of a word.
        (abcd[lane], efgh[lane]) = unsafe { (vld1q_u32(value), vld1q_u32(value.add(4))) };
    }

    for block in 0..count {
        let (abcd_before, efgh_before) = (abcd, efgh);
        let mut w = [[zero; 4]; N];
        // Four rounds of every lane. `w[lane]` holds the last sixteen words of the message schedule.
        macro_rules! four_rounds {
            ($group:literal) => {{
                // SAFETY: `K` is 64 words and `$group` is below 16.
                let k = unsafe { vld1q_u32(K.0.as_ptr().add($group * 4)) };
                for lane in 0..N {
                    let w = &mut w[lane];
                    if $group < 4 {
                        // SAFETY: `block < count`, and every lane has at least `count` blocks of 64 bytes, so
                        // the 16 bytes at `block * 64 + $group * 16` lie inside the lane's slice.
                        let input = unsafe { vld1q_u8(from[lane].add(block * BLOCK_LEN + $group * 16)) };
                        w[$group % 4] = vreinterpretq_u32_u8(vrev32q_u8(input));
                    } else {
                        let (a, b) = (w[$group % 4], w[($group + 1) % 4]);
                        let (c, d) = (w[($group + 2) % 4], w[($group + 3) % 4]);
                        w[$group % 4] = vsha256su1q_u32(vsha256su0q_u32(a, b), c, d);
                    }
                    let wk = vaddq_u32(w[$group % 4], k);
                    let abcd_old = abcd[lane];
                    abcd[lane] = vsha256hq_u32(abcd_old, efgh[lane], wk);
                    efgh[lane] = vsha256h2q_u32(efgh[lane], abcd_old, wk);
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
            abcd[lane] = vaddq_u32(abcd[lane], abcd_before[lane]);
            efgh[lane] = vaddq_u32(efgh[lane], efgh_before[lane]);
        }
    }

    for lane in 0..N {
        let value = words[lane].as_mut_ptr();
        // SAFETY: a lane's value is eight words, two vectors of four; the stores need the alignment of a word.
        unsafe {
            vst1q_u32(value, abcd[lane]);
            vst1q_u32(value.add(4), efgh[lane]);
        }
    }
}
