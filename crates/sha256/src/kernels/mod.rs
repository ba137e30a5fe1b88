//! The compression functions and the choice of one by how many messages are live.
//!
//! Each kernel takes N chaining values and N runs of blocks, and takes the same number of blocks of each run into
//! its value. A kernel is a value that only its `detect` can make, so a call needs no further proof that the
//! processor has its instructions. All `unsafe` of the crate is in the files of this folder.

#[cfg(target_arch = "aarch64")]
mod armv8;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod mixed;
pub(crate) mod portable;
#[cfg(target_arch = "x86_64")]
mod sha_ni;

use crate::{Backend, Block};

/// Blocks to be taken into one message's chaining value: all of `now`, then all of `next`.
pub(crate) struct Run<'a> {
    pub(crate) words: &'a mut [u32; 8],
    pub(crate) now: &'a [Block],
    pub(crate) next: &'a [Block],
}

impl Run<'_> {
    /// Blocks left.
    pub(crate) fn len(&self) -> usize {
        self.now.len() + self.next.len()
    }

    /// Drops the first `count` blocks of `now`, and moves on to `next` when none is left. False when all is done.
    pub(crate) fn advance(&mut self, count: usize) -> bool {
        self.now = self.now.get(count..).unwrap_or_default();
        if self.now.is_empty() {
            self.now = std::mem::take(&mut self.next);
        }
        !self.now.is_empty()
    }
}

/// The kernels of one backend.
#[derive(Clone, Copy)]
pub(crate) enum Kernels {
    Portable,
    #[cfg(target_arch = "x86_64")]
    ShaNi(sha_ni::ShaNi),
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Mixed(mixed::Mixed, sha_ni::ShaNi),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512, Option<sha_ni::ShaNi>),
    #[cfg(target_arch = "aarch64")]
    Armv8(armv8::Armv8),
}

impl Kernels {
    /// The kernels of `backend`, where this processor has their instructions.
    pub(crate) fn detect(backend: Backend) -> Option<Self> {
        match backend {
            Backend::Portable => Some(Self::Portable),
            #[cfg(target_arch = "x86_64")]
            Backend::ShaNi4 => sha_ni::ShaNi::detect().map(Self::ShaNi),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Backend::Mixed4 => Some(Self::Mixed(mixed::Mixed::detect()?, sha_ni::ShaNi::detect()?)),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512x16 => {
                avx512::Avx512::detect().map(|wide| Self::Avx512(wide, sha_ni::ShaNi::detect()))
            }
            #[cfg(target_arch = "aarch64")]
            Backend::Armv8x4 => armv8::Armv8::detect().map(Self::Armv8),
            #[allow(unreachable_patterns, reason = "the backends of other processors")]
            _ => None,
        }
    }

    /// How many of `live` runs (at least one) the next step should take together.
    pub(crate) fn width(self, live: usize) -> usize {
        match self {
            Self::Portable => 1,
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi(_) => live.min(4),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Mixed(..) => live.min(4),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_, narrow) => avx512::width(live, narrow.is_some()),
            #[cfg(target_arch = "aarch64")]
            Self::Armv8(_) => live.min(4),
        }
    }

    /// Takes the first `count` blocks of `now` of every run, which each must have. There are as many runs as
    /// [`width`](Self::width) said.
    pub(crate) fn compress(self, runs: &mut [Run<'_>], count: usize) {
        match self {
            Self::Portable => one_by_one(runs, count),
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi(kernel) => sha_ni(kernel, runs, count),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Mixed(kernel, narrow) => match runs.len() {
                4 => together(runs, count, |words, blocks| kernel.compress(narrow, words, blocks)),
                _ => sha_ni(narrow, runs, count),
            },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(kernel, narrow) => match (runs.len(), narrow) {
                (..=4, Some(narrow)) => sha_ni(narrow, runs, count),
                (..=2, None) => one_by_one(runs, count),
                _ => together(runs, count, |words, blocks| kernel.compress(words, blocks)),
            },
            #[cfg(target_arch = "aarch64")]
            Self::Armv8(kernel) => match runs.len() {
                2 => together::<2>(runs, count, |words, blocks| kernel.compress(words, blocks)),
                3 => together::<3>(runs, count, |words, blocks| kernel.compress(words, blocks)),
                4 => together::<4>(runs, count, |words, blocks| kernel.compress(words, blocks)),
                _ => one_by_one(runs, count),
            },
        }
    }
}

/// Two to four runs interleaved.
#[cfg(target_arch = "x86_64")]
fn sha_ni(kernel: sha_ni::ShaNi, runs: &mut [Run<'_>], count: usize) {
    match runs.len() {
        2 => together::<2>(runs, count, |words, blocks| kernel.compress(words, blocks)),
        3 => together::<3>(runs, count, |words, blocks| kernel.compress(words, blocks)),
        4 => together::<4>(runs, count, |words, blocks| kernel.compress(words, blocks)),
        _ => one_by_one(runs, count),
    }
}

/// Each run by itself: right for any number.
fn one_by_one(runs: &mut [Run<'_>], count: usize) {
    for run in runs {
        portable::compress(run.words, &run.now[..count]);
    }
}

/// Calls a kernel of N lanes for at most N runs. Lanes without a run repeat the first run, and their values are
/// dropped.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn together<const N: usize>(
    runs: &mut [Run<'_>],
    count: usize,
    kernel: impl FnOnce(&mut [[u32; 8]; N], &[&[Block]; N]),
) {
    debug_assert!(runs.len() <= N);
    let Some(first) = runs.first() else { return };
    let mut words = [*first.words; N];
    let mut blocks = [&first.now[..count]; N];
    for ((words, blocks), run) in words.iter_mut().zip(&mut blocks).zip(&*runs) {
        *words = *run.words;
        *blocks = &run.now[..count];
    }
    kernel(&mut words, &blocks);
    for (run, words) in runs.iter_mut().zip(words) {
        *run.words = words;
    }
}

/// The number of blocks every lane has.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn common_len<const N: usize>(blocks: &[&[Block]; N]) -> usize {
    blocks.iter().map(|lane| lane.len()).min().unwrap_or(0)
}

/// The round constants (FIPS 180-4 §4.2.2).
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static K: Constants = Constants([
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);

/// One cache line after the other, and aligned for whole-vector loads.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[repr(align(64))]
struct Constants([u32; 64]);
