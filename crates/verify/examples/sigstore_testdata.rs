//! Makes `testdata/sigstore`: bundles by an instance that lived for a moment, with its trusted root.
//!
//! usage: cargo run -p modelseal-verify --example sigstore_testdata DIRECTORY
#![allow(clippy::unwrap_used, clippy::disallowed_types, reason = "makes test data")]

#[path = "../tests/sigstore_support/mod.rs"]
mod sigstore_support;

use modelseal_testkit::{Double, RekorVersion};
use sigstore_support::{client, v1, v2};
use std::{fs, path::PathBuf};

fn main() {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap());
    let double = Double::start();
    let key = client::Key::new();
    let by_key = |rekor| client::bundle(&double, rekor, &[double.tsa_url()], &key, None).unwrap();
    let both = [double.tsa_url(), double.tsa2_url()];
    for (name, document) in [
        ("trusted_root.json", double.trusted_root()),
        ("keyless-v1.json", v1(&double)),
        ("keyless-v2.json", v2(&double)),
        ("keyless-two-times.json", client::keyless(&double, RekorVersion::V1, &both).unwrap()),
        ("key-v1.json", by_key(RekorVersion::V1)),
        ("key-v2.json", by_key(RekorVersion::V2)),
    ] {
        fs::write(directory.join(name), document.to_string() + "\n").unwrap();
    }
    fs::write(directory.join("key.pem"), client::pem("PUBLIC KEY", &key.spki())).unwrap();
    fs::write(directory.join("issuer"), double.url().to_owned() + "\n").unwrap();
}
