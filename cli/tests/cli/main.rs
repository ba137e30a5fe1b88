//! The real program, end to end: what it prints, where, and how it exits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

mod also;
mod attest;
mod attest_inputs;
mod common;
mod contract;
mod differences;
mod effort;
mod freezing;
mod help;
mod ignoring;
mod inspect;
mod keyless;
mod parts;
mod precomputed;
mod schema;
mod signing;
mod statements;
mod store;

// These make files of other kinds, send signals and change users, or run `openssl` and `script` as Linux has them.
#[cfg(target_os = "linux")]
mod attacks;
mod bad_bundles;
#[cfg(target_os = "linux")]
mod bad_models;
#[cfg(target_os = "linux")]
mod bad_statements;
#[cfg(target_os = "linux")]
mod certificates;
#[cfg(target_os = "linux")]
mod exec;
mod inspecting;
#[cfg(target_os = "linux")]
mod keys;
mod lineage;
#[cfg(target_os = "linux")]
mod outputs;
#[cfg(target_os = "linux")]
mod pkcs11;
#[cfg(target_os = "linux")]
mod pki;
#[cfg(target_os = "linux")]
mod policy;
#[cfg(target_os = "linux")]
mod provenance;
#[cfg(target_os = "linux")]
mod reusing;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
mod terminal;
