//! Against the real servers, when `tests/sigstore/stack.py run DIR --` runs the tests.

// What was seen is worth a line.
#![allow(clippy::print_stdout)]

use crate::instance::{judged_by, manifest, now, statement};
use modelseal_attest::{
    http::{Client, Options, Request, Secret, ServiceUrl},
    private_key::{KeyAlgorithm, PrivateKey},
    signer::KeySigner,
    sigstore::{
        IdentityToken, Prepared, RekorPreference, Services, SigningConfig, SigningError,
        artifact::PreparedArtifact, evidence,
    },
};
use serde_json::Value;
use sigstore_verify::types;
use std::path::PathBuf;

struct Stack(PathBuf);

impl Stack {
    /// None without the servers: then the test says so.
    fn running() -> Option<Self> {
        let directory = std::env::var_os("SIGSTORE_STACK").map(PathBuf::from);
        if directory.is_none() {
            println!("skipped: the real servers are not running (SIGSTORE_STACK is not set)");
        }
        directory.map(Self)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect(name)
    }

    fn url(&self, name: &str) -> String {
        let stack: Value = serde_json::from_str(&self.read("stack.json")).unwrap();
        stack["urls"][name].as_str().expect(name).to_owned()
    }

    fn services(&self) -> Services {
        let config = SigningConfig::from_json(self.read("signing_config.json").as_bytes()).unwrap();
        Services::from_config(&config, RekorPreference::Newest, now()).unwrap()
    }

    fn token(&self, issuer: &str, query: &[(&str, &str)]) -> IdentityToken {
        let url = ServiceUrl::parse(&self.url(issuer)).unwrap().join("/token").with_query(query);
        let answer = client().send(&Request::get("issuer", url)).unwrap();
        IdentityToken::parse(&Secret::new(String::from_utf8(answer.body.to_vec()).unwrap())).unwrap()
    }
}

fn client() -> Client {
    Client::new(Options::default()).unwrap()
}

#[test]
fn real_servers_give_what_verifies() {
    let Some(stack) = Stack::running() else { return };
    let root = stack.read("trusted_root.json");
    let digest = types::Sha256Hash::from_hex(&manifest().root_digest().to_hex()).unwrap();
    for (issuer, query) in [("issuer", &[("email", "dev@example.com")][..]), ("ci_issuer", &[])] {
        let prepared = Prepared::new(statement(), stack.services(), client()).unwrap();
        let identified = prepared.identify(stack.token(issuer, query), "sigstore", now()).unwrap();
        let bundle = identified.sign().unwrap();
        let json = bundle.to_json().unwrap();
        let identity = judged_by(&root, &json, digest, &stack.url(issuer)).unwrap();
        println!("{issuer}: signed by {identity}, log index {}", bundle.log_entries()[0].log_index);
    }
    let prepared = PreparedArtifact::file(b"hello".to_vec(), stack.services(), client()).unwrap();
    let token = stack.token("issuer", &[("email", "dev@example.com")]);
    let json = prepared.identify(token, "sigstore", now()).unwrap().sign().unwrap();
    judged_by(&root, &json, &b"hello"[..], &stack.url("issuer")).unwrap();
}

#[test]
fn the_real_log_takes_the_keys_that_we_say_it_takes() {
    let Some(stack) = Stack::running() else { return };
    for algorithm in KeyAlgorithm::ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        let public = key.public_key_spki_der();
        let bundle = statement().sign(&KeySigner::new(key)).unwrap();
        let outcome = evidence::log_and_timestamp(bundle, &public, &stack.services(), &client());
        match outcome {
            Ok(bundle) => println!("{algorithm}: log index {}", bundle.log_entries()[0].log_index),
            Err(SigningError::KeyNotLoggable { .. }) => assert_eq!(algorithm, KeyAlgorithm::Ed25519),
            Err(e) => panic!("{algorithm}: {e}"),
        }
    }
}

#[test]
fn the_real_certificate_authority_refuses_without_showing_the_token() {
    let Some(stack) = Stack::running() else { return };
    let token = stack.token("issuer", &[("foreign_key", "1")]);
    let prepared = Prepared::new(statement(), stack.services(), client()).unwrap();
    let refused = prepared.identify(token, "sigstore", now()).unwrap().sign().unwrap_err();
    println!("{refused}");
    assert!(refused.to_string().starts_with("Fulcio: "), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("eyJ"), "{refused}");
}
