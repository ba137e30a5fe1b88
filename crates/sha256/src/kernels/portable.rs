//! One message: the block function of the `sha2` crate, which uses the processor's SHA instructions by itself
//! where it finds them.

use sha2::digest::{consts::U64, generic_array::GenericArray};

use crate::{BLOCK_LEN, Block};

/// Takes `blocks` into the chaining value `words`.
pub(crate) fn compress(words: &mut [u32; 8], blocks: &[Block]) {
    const { assert!(size_of::<GenericArray<u8, U64>>() == BLOCK_LEN && align_of::<GenericArray<u8, U64>>() == 1) };
    if blocks.is_empty() {
        return;
    }
    // SAFETY: `GenericArray<u8, U64>` is `repr(transparent)` over 64 bytes: size and alignment are those of
    // `[u8; 64]` (asserted above) and every bit pattern is valid. Pointer and length come from a live slice.
    let blocks =
        unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast::<GenericArray<u8, U64>>(), blocks.len()) };
    sha2::compress256(words, blocks);
}
