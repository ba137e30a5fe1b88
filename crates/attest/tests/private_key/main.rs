//! Private keys against the OpenSSL command line: what OpenSSL writes we read, what we write OpenSSL reads, and
//! every file that is not a supported private key is refused for its own reason.

// Clippy allows these in `#[test]` functions; helpers of tests fail the same way.
#![allow(clippy::expect_used, clippy::panic)]

mod accepted;
mod openssl;
mod refused;
mod written;
