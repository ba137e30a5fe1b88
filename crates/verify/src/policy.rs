//! Trust policies: from the text of a policy to a [`load::Policy`] that can judge, or to a list of
//! [`Complaint`](complaint::Complaint)s with line, column and advice.
//!
//! 1. `tree` reads TOML or JSON into values that know their place;
//! 2. `decode` makes a [`Document`](document::Document) of them, strictly: no unknown field, no conversion;
//! 3. `lints` looks for what is well formed and still wrong;
//! 4. [`load`] takes in the keys and certificates that the policy names, and the result is a `Policy`.
//!
//! Names of models are [references](mod@reference); [`glob`], [`pattern`], [`matching`] and [`testing`] say what names and data must be.

pub mod complaint;
mod decode;
pub mod document;
pub mod format;
pub mod glob;
mod lint_table;
mod lints;
pub mod load;
pub mod matching;
pub mod pattern;
pub mod reference;
pub mod schema;
pub mod testing;
mod tree;
pub mod values;
pub mod words;

pub use lint_table::LINTS;
pub use load::{Files, Policy, SelectError, SignerTrust, UnvalidatedPolicy};
