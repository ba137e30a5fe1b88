//! Signing with Sigstore: against a whole instance on this machine, and against services that misbehave.

// Clippy allows these in `#[test]` functions; helpers of tests fail the same way.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod ambient;
mod answers;
mod config;
mod http;
mod instance;
mod oauth;
mod real;
mod server;
mod token;
