//! A Sigstore instance in one process, for tests: what it issues is cryptographically real, and it can be told to fail.
//!
//! [`Double::start`] serves an OIDC issuer, Fulcio with its certificate transparency log, Rekor v1, Rekor v2, two
//! RFC 3161 timestamp authorities and a TUF repository on one port of 127.0.0.1. Every double is an instance of its
//! own: own keys, own trusted root. [`Fault`] names what can be made to go wrong, service by service; clocks can be shifted, and requests
//! are counted, so that a test can say "nothing was sent".
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`double`](Double) | the instance: keys, knobs, counters, routes |
//! | `http` | a small HTTP/1.1 server that can misbehave |
//! | `issuer` | OIDC discovery, tokens, authorization code flow with PKCE |
//! | `fulcio`, `certificate` | certificates with embedded SCTs |
//! | `merkle`, `rekor` | RFC 6962 trees; Rekor v1 and v2 entries |
//! | `tsa` | RFC 3161 replies |
//! | `trust`, `tuf` | trusted root, signing config, and their repository |
//! | `der`, `json`, `keys`, `time` | encodings and primitives |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support: a mistake in a test must stop that test"
)]

mod certificate;
mod der;
mod double;
mod fault;
mod fulcio;
mod http;
mod issuer;
mod json;
mod keys;
mod merkle;
mod rekor;
mod time;
mod trust;
mod tsa;
mod tuf;

pub use double::{Double, Options};
pub use fault::{Fault, Service};
pub use issuer::TokenSpec;
pub use trust::RekorVersion;
