//! SHA-256 (FIPS 180-4) of several independent messages at once, on one thread.
//!
//! One SHA-256 stream is bound by the latency of its rounds, so a core that works on several messages in turn
//! hashes about two to three times as many bytes per second as one that works on a single message. This crate
//! is that: callers hand over any number of messages of any lengths, and the lanes of the processor are kept
//! full from them.
//!
//! Buffers whose addresses differ by a multiple of 4096 bytes compete for the same places in the first cache, most
//! with sixteen lanes: let them lie some hundred bytes more apart.
//!
//! The crate `tape-sha256` hashes several whole messages at once; ours exist because a file is hashed as it is read,
//! piece by piece, in lanes that start and end apart.
//!
//! Map:
//! - `state`: [`Sha256`], the streaming state of one message, and its padding.
//! - `lanes`: [`update_many`], [`finalize_many`], [`digest_many`]; hands the messages' blocks to the kernel and
//!   refills a lane when its message ends.
//! - `backend`: [`Backend`], which kernels this processor has, and the choice between them.
//! - `kernels`: the compression functions themselves, the only unsafe code.

mod backend;
mod kernels;
mod lanes;
mod state;

pub use backend::{BACKEND_VARIABLE, Backend, available, backend};
pub use lanes::{
    digest_many, digest_many_with, finalize_many, finalize_many_with, update_many, update_many_with,
};
pub use state::Sha256;

/// Bytes in one SHA-256 block. Feed states pieces whose lengths are multiples of it and nothing is copied.
pub const BLOCK_LEN: usize = 64;

/// Bytes in one SHA-256 digest.
pub const DIGEST_LEN: usize = 32;

type Block = [u8; BLOCK_LEN];
