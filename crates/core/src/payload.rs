//! Payload types of signed documents that are no in-toto statements.

/// A trust policy: its exact bytes, as TOML.
pub const POLICY: &str = "application/vnd.modelseal.policy.v1+toml";

/// A rule set of inspections: its exact bytes, as TOML.
pub const RULES: &str = "application/vnd.modelseal.rules.v1+toml";

pub use crate::deny_feed::PAYLOAD_TYPE as DENY_FEED;
