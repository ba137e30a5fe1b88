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
    inspect_boost, inspect_coreml, inspect_file, inspect_flax, inspect_gguf, inspect_hdf5, inspect_jinja,
    inspect_json, inspect_keras, inspect_media, inspect_native, inspect_onnx, inspect_packages,
    inspect_paddle, inspect_pickle, inspect_r_data, inspect_safetensors, inspect_seven_zip, inspect_skops,
    inspect_source, inspect_tensorflow, inspect_text, inspect_tflite, inspect_vocabulary, inspect_xml,
    inspect_yaml,
};
pub use keys::{der, pem};
pub use manifest::manifest;
pub use policies::{matching, policy};
pub use services::services;
pub use sigstore::{log_entry, sigstore, timestamp, trusted_root};

/// A check of arbitrary bytes; it panics when they break a promise.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Target); 43] = [
    ("attestation", attestation),
    ("bundle", bundle),
    ("der", der),
    ("feed", feed),
    ("inspect_boost", inspect_boost),
    ("inspect_coreml", inspect_coreml),
    ("inspect_file", inspect_file),
    ("inspect_flax", inspect_flax),
    ("inspect_gguf", inspect_gguf),
    ("inspect_hdf5", inspect_hdf5),
    ("inspect_jinja", inspect_jinja),
    ("inspect_json", inspect_json),
    ("inspect_keras", inspect_keras),
    ("inspect_media", inspect_media),
    ("inspect_native", inspect_native),
    ("inspect_onnx", inspect_onnx),
    ("inspect_packages", inspect_packages),
    ("inspect_paddle", inspect_paddle),
    ("inspect_pickle", inspect_pickle),
    ("inspect_r_data", inspect_r_data),
    ("inspect_safetensors", inspect_safetensors),
    ("inspect_seven_zip", inspect_seven_zip),
    ("inspect_skops", inspect_skops),
    ("inspect_source", inspect_source),
    ("inspect_tensorflow", inspect_tensorflow),
    ("inspect_text", inspect_text),
    ("inspect_tflite", inspect_tflite),
    ("inspect_vocabulary", inspect_vocabulary),
    ("inspect_xml", inspect_xml),
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
