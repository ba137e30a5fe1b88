//! Trusted roots, log entries, timestamps, and whole bundles with them.

use jiff::Timestamp;
use modelseal_core::{bundle::Bundle, log_entry::LogEntry};
use modelseal_verify::{
    public_key::PublicKey,
    sigstore::{
        Keyless, TrustedRoot,
        artifact::{self, Artifact, SignedBy},
    },
    verifier::Verifier,
};
use std::sync::LazyLock;

const KEYLESS: &[u8] = include_bytes!("../../testdata/sigstore/keyless-v1.json");
const KEYLESS_V2: &[u8] = include_bytes!("../../testdata/sigstore/keyless-v2.json");
const KEY: &[u8] = include_bytes!("../../testdata/sigstore/key-v2.json");

struct Instance {
    root: TrustedRoot,
    expected: Keyless,
    keyless: Verifier,
    key: Verifier,
    now: Timestamp,
    seeds: Vec<Bundle>,
}

/// The instance that made the committed bundles, years later.
static INSTANCE: LazyLock<Instance> = LazyLock::new(|| {
    let root = TrustedRoot::from_json(include_bytes!("../../testdata/sigstore/trusted_root.json"));
    let root = root.expect("a trusted root");
    let issuer = include_str!("../../testdata/sigstore/issuer").trim();
    let expected = Keyless::exactly("dev@example.com", issuer);
    let key = PublicKey::from_pem(include_bytes!("../../testdata/sigstore/key.pem")).expect("a key");
    Instance {
        keyless: Verifier::with_sigstore(root.clone(), expected.clone()),
        key: Verifier::with_key(key).with_trusted_root(root.clone()),
        now: Timestamp::from_second(2_000_000_000).expect("in range"),
        seeds: [KEYLESS, KEYLESS_V2, KEY].map(|seed| Bundle::parse(seed).expect("a bundle")).into(),
        root,
        expected,
    }
});

impl Instance {
    /// Nothing panics; what is believed has one of the signed payloads, and no more evidence than was issued.
    fn judge(&self, bundle: &Bundle) {
        for verifier in [&self.keyless, &self.key] {
            match verifier.verify(bundle, self.now) {
                Ok(verified) => {
                    let payload = bundle.payload_unverified();
                    let is_seed = |seed: &Bundle| seed.payload_unverified() == payload;
                    assert!(self.seeds.iter().any(is_seed), "a forged payload is believed");
                    let evidence = verified.evidence();
                    assert!(evidence.log_entries().len() <= 1 && evidence.times().len() <= 3);
                    assert!(evidence.times().iter().all(|time| time.at < self.now));
                }
                Err(e) => assert!(!e.to_string().is_empty()),
            }
        }
    }
}

/// A trusted root that reads can be shown, dated and used, and is known by its own digest.
pub fn trusted_root(data: &[u8]) {
    let instance = &*INSTANCE;
    for root in [TrustedRoot::from_json(data), TrustedRoot::from_client_trust_config(data)] {
        match root {
            Ok(root) => {
                let summary = root.summary();
                let staleness = root.staleness(instance.now);
                assert!(staleness.without_active.len() <= 4 && root.sha256().len() == 64);
                assert!(summary.logs.iter().all(|log| log.key_id.len() == 64));
                let verifier = Verifier::with_any_identity(root);
                for seed in &instance.seeds {
                    let _ = verifier.verify(seed, instance.now);
                }
            }
            Err(e) => assert!(!e.to_string().is_empty()),
        }
    }
}

/// A log entry that reads is written and read again as the same; in the place of a real one it proves nothing new.
pub fn log_entry(data: &[u8]) {
    let entry = match LogEntry::from_json(data) {
        Ok(entry) => entry,
        Err(e) => return assert!(!e.to_string().is_empty()),
    };
    let written = entry.to_json().expect("an entry can be written");
    assert_eq!(LogEntry::from_json(&written).expect("what we write, we read"), entry);
    let instance = &*INSTANCE;
    for seed in &instance.seeds {
        let stamps = seed.timestamps().to_vec();
        instance.judge(&seed.clone().with_evidence(vec![entry.clone()], stamps.clone()));
        let both = seed.log_entries().iter().cloned().chain([entry.clone()]).collect();
        instance.judge(&seed.clone().with_evidence(both, stamps));
    }
}

/// A timestamp in the place of a real one, and beside it.
pub fn timestamp(data: &[u8]) {
    let instance = &*INSTANCE;
    for seed in &instance.seeds {
        let entries = seed.log_entries().to_vec();
        instance.judge(&seed.clone().with_evidence(entries.clone(), vec![data.to_vec()]));
        let both = seed.timestamps().iter().cloned().chain([data.to_vec()]).collect();
        instance.judge(&seed.clone().with_evidence(entries, both));
    }
}

/// Whole bundles, of models and of single files.
pub fn sigstore(data: &[u8]) {
    let instance = &*INSTANCE;
    if let Ok(bundle) = Bundle::parse(data) {
        instance.judge(&bundle);
    }
    let key = include_str!("../../testdata/sigstore/key.pem");
    for by in [SignedBy::Keyless(&instance.expected), SignedBy::Key(key)] {
        let artifact = Artifact::Bytes(b"another file");
        let result = artifact::verify(data, &artifact, &by, &instance.root, instance.now);
        assert!(result.is_err_and(|e| !e.to_string().is_empty()), "nobody has signed this file");
    }
}
