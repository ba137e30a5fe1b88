//! Which backends this processor has, and which one is used.

use std::{fmt, sync::OnceLock, time::Duration, time::Instant};

use crate::{DIGEST_LEN, Sha256, kernels::Kernels, lanes};

/// Environment variable that forces a backend by its [name](Backend::name), for tests and measurements. A name that
/// is unknown, or whose backend this processor lacks, means [`Backend::Portable`].
pub const BACKEND_VARIABLE: &str = "MODELSEAL_SHA256_BACKEND";

/// An implementation of SHA-256 over several messages. All of them give the same digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// One message at a time, by the `sha2` crate; on every processor.
    Portable,
    /// x86-64 SHA instructions, up to four messages interleaved.
    ShaNi4,
    /// x86-64 SHA instructions for the rounds of four messages, AVX-512VL for their message schedules; Linux only.
    Mixed4,
    /// AVX-512, up to sixteen messages side by side; few messages as [`ShaNi4`](Self::ShaNi4) where that is there.
    Avx512x16,
    /// AArch64 SHA2 instructions, up to four messages interleaved.
    Armv8x4,
}

impl Backend {
    /// Every backend, of any processor.
    const ALL: [Self; 5] = [Self::Portable, Self::ShaNi4, Self::Mixed4, Self::Avx512x16, Self::Armv8x4];

    /// Its name, as [`BACKEND_VARIABLE`] takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::ShaNi4 => "sha-ni-x4",
            Self::Mixed4 => "sha-ni-avx512-x4",
            Self::Avx512x16 => "avx512-x16",
            Self::Armv8x4 => "armv8-x4",
        }
    }

    /// How many messages it works on at once. Hand over at least as many jobs as this to fill it; with fewer it is
    /// slower and as right.
    #[must_use]
    pub fn lanes(self) -> usize {
        match self {
            Self::Portable => 1,
            Self::ShaNi4 | Self::Mixed4 | Self::Armv8x4 => 4,
            Self::Avx512x16 => 16,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The backend in use, chosen at the first call: the one that [`BACKEND_VARIABLE`] names, otherwise the fastest that
/// this processor has, found by timing each for some tens of microseconds. Models of one instruction set differ too
/// much to choose by name.
#[must_use]
pub fn backend() -> Backend {
    static CHOSEN: OnceLock<Backend> = OnceLock::new();
    *CHOSEN.get_or_init(|| match std::env::var_os(BACKEND_VARIABLE) {
        Some(name) => forced(name.to_str().unwrap_or_default()),
        None => fastest(),
    })
}

/// The backends this processor has, [`Backend::Portable`] first. Each has answered a known-answer test.
#[must_use]
pub fn available() -> Vec<Backend> {
    tested().iter().map(|(backend, _)| *backend).collect()
}

/// The kernels of `backend`; the portable ones where this processor lacks it.
pub(crate) fn kernels(backend: Backend) -> Kernels {
    let found = tested().iter().find(|(tested, _)| *tested == backend);
    found.map_or(Kernels::Portable, |(_, kernels)| *kernels)
}

/// The backend of that name, if this processor has it.
fn forced(name: &str) -> Backend {
    available().into_iter().find(|backend| backend.name() == name).unwrap_or(Backend::Portable)
}

/// The backends whose instructions are there and whose answers are right.
fn tested() -> &'static [(Backend, Kernels)] {
    static TESTED: OnceLock<Vec<(Backend, Kernels)>> = OnceLock::new();
    TESTED.get_or_init(|| {
        let found = Backend::ALL.into_iter().filter_map(|backend| Some((backend, Kernels::detect(backend)?)));
        found.filter(|(backend, kernels)| *backend == Backend::Portable || self_test(*kernels)).collect()
    })
}

/// Whether `kernels` give the known answer for 1 to 20 messages of 0 to 1577 bytes: every number of lanes, whole and
/// partial blocks, lanes that end apart.
fn self_test(kernels: Kernels) -> bool {
    /// SHA-256 over the digests of all those messages, computed with another implementation.
    const ANSWER: [u8; DIGEST_LEN] = [
        0x58, 0xd0, 0x03, 0x46, 0x17, 0x1e, 0x51, 0xa3, 0x71, 0x69, 0x72, 0x0e, 0x1c, 0x72, 0x1c, 0xfb, 0x10,
        0xdd, 0xa2, 0x8b, 0x5b, 0x8e, 0xfb, 0x9d, 0x0a, 0x24, 0xe4, 0xa4, 0xe2, 0x6b, 0x98, 0xeb,
    ];
    let messages: Vec<Vec<u8>> = (0..20_usize)
        .map(|m| (0..m * 83).map(|i| (m * 31 + i * 7 + (i >> 8)).to_le_bytes()[0]).collect())
        .collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let mut all = Sha256::new();
    for count in 1..=messages.len() {
        for digest in lanes::digest_all(kernels, &messages[..count]) {
            all.update(&digest);
        }
    }
    all.finalize() == ANSWER
}

/// The backend that takes least time for its bytes. One with more lanes must be clearly faster, because it needs more
/// messages at once to be so.
fn fastest() -> Backend {
    /// Bytes of each lane: the lanes together fit the first cache.
    const PIECE: usize = 2048;
    /// In percent of the time of the best so far.
    const CLEARLY: u128 = 95;
    let mut best = (Backend::Portable, Duration::MAX);
    let input = [0x5a; PIECE];
    for &(backend, kernels) in tested() {
        let lanes = backend.lanes();
        let messages = vec![input.as_slice(); lanes];
        // The same bytes for every backend, several times; the shortest counts, for the rest was disturbed.
        let shortest = (0..4).map(|_| {
            let start = Instant::now();
            for _ in 0..16_usize.div_ceil(lanes) {
                std::hint::black_box(lanes::digest_all(kernels, &messages));
            }
            start.elapsed()
        });
        let Some(time) = shortest.min() else { continue };
        if best.1 == Duration::MAX || time.as_nanos() * 100 < best.1.as_nanos() * CLEARLY {
            best = (backend, time);
        }
    }
    best.0
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// Processors with AVX-512 and without SHA instructions: lanes stay idle sooner.
    #[test]
    fn avx512_without_sha_instructions() {
        if let Some(Kernels::Avx512(wide, _)) = Kernels::detect(Backend::Avx512x16) {
            let kernels = Kernels::Avx512(wide, None);
            assert_eq!([1, 2, 3, 15, 16, 40].map(|live| kernels.width(live)), [1, 1, 3, 15, 16, 16]);
            assert!(self_test(kernels));
        }
    }
}
