//! Measures real trees in temporary folders.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

mod also;
mod common;
mod explaining;
mod hashes;
mod parts;
mod walking;

#[cfg(unix)]
mod changes;
#[cfg(unix)]
mod huggingface;
#[cfg(unix)]
mod links;
#[cfg(unix)]
mod privileges;
#[cfg(unix)]
mod special;
