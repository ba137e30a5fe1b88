//! What each fuzz target checks. A target in `fuzz_targets/` hands its bytes to the function of the same name here, so
//! that the committed test data can also be run through them without a fuzzer (`tests/seeds.rs`).

mod attestations;
mod documents;
mod inspection;
mod keys;
mod manifest;
mod policies;
mod services;
mod sigstore;

pub use attestations::{attestation, feed, value};
pub use documents::{bundle, json, path, statement};
pub use inspection::{
    inspect_boost, inspect_file, inspect_media, inspect_native, inspect_packages, inspect_pickle,
    inspect_source, inspect_text, inspect_vocabulary, inspect_yaml,
};
pub use keys::{der, pem};
pub use manifest::manifest;
pub use policies::{matching, policy};
pub use services::services;
pub use sigstore::{log_entry, sigstore, timestamp, trusted_root};

/// A check of arbitrary bytes; it panics when they break a promise.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Target); 27] = [
    ("attestation", attestation),
    ("bundle", bundle),
    ("der", der),
    ("feed", feed),
    ("inspect_boost", inspect_boost),
    ("inspect_file", inspect_file),
    ("inspect_media", inspect_media),
    ("inspect_native", inspect_native),
    ("inspect_packages", inspect_packages),
    ("inspect_pickle", inspect_pickle),
    ("inspect_source", inspect_source),
    ("inspect_text", inspect_text),
    ("inspect_vocabulary", inspect_vocabulary),
    ("inspect_yaml", inspect_yaml),
    ("json", json),
    ("log_entry", log_entry),
    ("manifest", manifest),
    ("matching", matching),
    ("path", path),
    ("pem", pem),
    ("policy", policy),
    ("services", services),
    ("sigstore", sigstore),
    ("statement", statement),
    ("timestamp", timestamp),
    ("trusted_root", trusted_root),
    ("value", value),
];
