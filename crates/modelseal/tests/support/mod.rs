//! Bundles of provenance, really signed, for tests and benchmarks of stores.

#![allow(dead_code, reason = "not every user uses everything")]

use modelseal::{KeyAlgorithm, KeySigner, PrivateKey, PublicKey, Signer};
use modelseal_core::{
    bundle::Bundle,
    dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE, pae},
};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A key, to sign with and to verify with.
pub(crate) fn key() -> (KeySigner, PublicKey) {
    let private = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let public = PublicKey::from_pem(private.public_key_pem().as_bytes()).unwrap();
    (KeySigner::new(private), public)
}

/// The digest by which the model of that name is known.
pub(crate) fn digest(name: &str) -> String {
    Sha256::digest(name).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The digests and annotation of a model directory.
pub(crate) fn directory(name: &str) -> String {
    let (root, dir) = (digest(&format!("root of {name}")), digest(name));
    format!(
        r#""digest":{{"sha256":"{root}","manifest-sha256":"{dir}","dirHash":"{dir}"}},"annotations":{{"digestMethod":"oms/v1.0;files;sha256"}}"#
    )
}

/// A resolved dependency on a model.
pub(crate) fn base(name: &str) -> String {
    format!(r#"{{"name":"baseModel","uri":"pkg:huggingface/acme/{name}@1",{}}}"#, directory(name))
}

/// A resolved dependency on a file or commit.
pub(crate) fn file(name: &str, uri: &str, algorithm: &str, hex: &str) -> String {
    format!(r#"{{"name":"{name}","uri":"{uri}","digest":{{"{algorithm}":"{hex}"}}}}"#)
}

/// The statement that a model of that name was made from these dependencies.
pub(crate) fn provenance(name: &str, dependencies: &[String]) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"{name}",{}}}],
"predicateType":"https://slsa.dev/provenance/v1","predicate":{{"buildDefinition":{{
"buildType":"https://github.com/modelseal/modelseal/blob/main/docs/buildtypes/fine-tune/v1.md",
"externalParameters":{{"entryPoint":"train.py","hyperparameters":{{"seed":"9007199254740993","learningRate":"2e-4"}}}},
"resolvedDependencies":[{}]}},
"runDetails":{{"builder":{{"id":"https://builder.example.com/gpu"}},"metadata":{{"invocationId":"run-{name}"}}}}}}}}"#,
        directory(name),
        dependencies.join(",")
    )
}

/// Signs a statement.
pub(crate) fn sign(signer: &KeySigner, statement: &str) -> Vec<u8> {
    let payload = statement.as_bytes().to_vec();
    let signature = signer.sign(&pae(IN_TOTO_PAYLOAD_TYPE, &payload)).unwrap();
    let envelope = Envelope::new(IN_TOTO_PAYLOAD_TYPE, payload, signature);
    Bundle::new(signer.material(), envelope).to_json().unwrap()
}

/// A signed statement that a model was made from one other.
pub(crate) fn step(signer: &KeySigner, name: &str, from: &str) -> Vec<u8> {
    sign(signer, &provenance(name, &[base(from)]))
}
