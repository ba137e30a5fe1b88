//! The walk over a model's ancestry: real bundles by real keys in a real folder.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

mod copies;
mod policies;
mod site;
mod walking;
