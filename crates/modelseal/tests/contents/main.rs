//! Loading what was verified: that it is what was signed, whatever happens to the files meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod copying;
mod opening;
mod parts;
mod races;
mod reading;
#[cfg(target_os = "linux")]
mod sealing;
mod site;
mod vectors;
