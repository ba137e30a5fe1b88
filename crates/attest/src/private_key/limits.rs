//! Every bound on a private key file that someone else may have written, with its reason.

/// Longest private key file, in bytes. The largest supported key, encrypted and with text around it, stays under 2 KiB;
/// callers read one byte more than this and leave the refusal to [`PrivateKey::from_pem`](super::PrivateKey::from_pem).
pub const MAX_PRIVATE_KEY_FILE_BYTES: usize = 64 * 1024;

/// Most PBKDF2 iterations: some seconds of one core, and an order above every current recommendation.
pub(super) const MAX_PBKDF2_ITERATIONS: u64 = 10_000_000;

/// Most memory for scrypt, in bytes: `128 r (N + p)`, the two arrays of RFC 7914 §6.
pub(super) const MAX_SCRYPT_MEMORY: u64 = 256 * 1024 * 1024;

/// Most bytes that scrypt may pass through, `128 N r p`: some seconds of one core.
pub(super) const MAX_SCRYPT_WORK: u64 = 1024 * 1024 * 1024;
