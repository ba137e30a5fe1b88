//! Values and wire forms of model signing. No files, network, clock, threads or keys.
//!
//! What comes in is bytes somebody wrote; what goes out is a value that cannot be malformed, believed by nobody yet.
//!
//! | module | noun |
//! |---|---|
//! | [`path`] | [`ModelPath`](path::ModelPath): the only way a file name enters |
//! | [`digest`] | [`Algorithm`](digest::Algorithm), [`Digest`](digest::Digest) |
//! | [`manifest`] | [`Manifest`](manifest::Manifest): what a model consists of; [`Comparison`](manifest::Comparison) of two |
//! | [`statement`] | the in-toto Statement v1 around a predicate |
//! | [`predicate`] | one file per predicate type |
//! | [`dsse`] | [`Envelope`](dsse::Envelope) and its pre-authentication encoding |
//! | [`bundle`] | [`Bundle`](bundle::Bundle): the Sigstore bundle that travels beside a model |
//! | [`log_entry`] | [`LogEntry`](log_entry::LogEntry): a transparency log's record of one signature |
//! | [`key`] | names of public keys: SPKI text, hint, fingerprint |
//! | [`json`] | the one strict JSON reader |
//! | [`observed`] | [`Observed<T>`](observed::Observed): this process measured it |
//! | [`text`] | foreign text made safe to print |
//! | [`limits`] | every bound on hostile input, with its reason |

pub mod bundle;
pub mod digest;
pub mod dsse;
pub mod json;
pub mod key;
pub mod limits;
pub mod log_entry;
pub mod manifest;
pub mod observed;
pub mod path;
pub mod predicate;
pub mod statement;
pub mod text;
