//! Measures real trees in temporary folders.

mod common;
mod explaining;
mod hashes;
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
