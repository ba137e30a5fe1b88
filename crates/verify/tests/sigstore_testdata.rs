//! The committed bundles: verified without network, in any year after they were signed.
#![allow(clippy::unwrap_used, reason = "tests")]

use jiff::Timestamp;
use modelseal_core::bundle::Bundle;
use modelseal_verify::{
    public_key::PublicKey,
    sigstore::{Keyless, Requirement, TrustedRoot},
    verifier::Verifier,
};

macro_rules! data {
    ($name:literal) => {
        &include_bytes!(concat!("../../../testdata/sigstore/", $name))[..]
    };
}

fn verifiers() -> [Verifier; 3] {
    let root = || TrustedRoot::from_json(data!("trusted_root.json")).unwrap();
    let issuer = std::str::from_utf8(data!("issuer")).unwrap().trim();
    [
        Verifier::with_sigstore(root(), Keyless::exactly("dev@example.com", issuer)),
        Verifier::with_any_identity(root()),
        Verifier::with_key(PublicKey::from_pem(data!("key.pem")).unwrap())
            .with_trusted_root(root())
            .requiring(Requirement { log_entry: true, trusted_time: true }),
    ]
}

#[test]
fn old_bundles_verify_years_later_and_not_before_they_were_made() {
    let [keyless, anybody, key] = verifiers();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    for (document, verifier, times) in [
        (data!("keyless-v1.json"), &keyless, 1),
        (data!("keyless-v2.json"), &keyless, 1),
        (data!("keyless-two-times.json"), &keyless, 3),
        (data!("keyless-two-times.json"), &anybody, 3),
        (data!("key-v1.json"), &key, 2),
        (data!("key-v2.json"), &key, 1),
    ] {
        let bundle = Bundle::parse(document).unwrap();
        let verified = verifier.verify(&bundle, at("2040-01-01T00:00:00Z")).unwrap();
        assert_eq!((verified.evidence().times().len(), verified.evidence().log_entries().len()), (times, 1));
        let early = verifier.verify(&bundle, at("2026-01-01T00:00:00Z")).unwrap_err();
        assert!(format!("{early:?}").contains("TimeInFuture"), "{early:?}");
    }
    // Without an expected identity everything else counts as before.
    let other = Verifier::with_any_identity(TrustedRoot::public_good().unwrap());
    let bundle = Bundle::parse(data!("keyless-v1.json")).unwrap();
    assert!(other.verify(&bundle, at("2040-01-01T00:00:00Z")).is_err());
}

/// Whatever bit of a bundle is flipped, what is believed is what was signed.
#[test]
fn no_changed_byte_changes_what_is_believed() {
    let [keyless, _, key] = verifiers();
    let at = "2040-01-01T00:00:00Z".parse::<Timestamp>().unwrap();
    for (document, verifier) in [(data!("keyless-v1.json"), &keyless), (data!("key-v2.json"), &key)] {
        let good = verifier.verify(&Bundle::parse(document).unwrap(), at).unwrap();
        let mut refused = 0;
        for place in (0..document.len()).step_by(29) {
            let mut changed = document.to_vec();
            changed[place] ^= 1;
            let Ok(bundle) = Bundle::parse(&changed) else { continue };
            match verifier.verify(&bundle, at) {
                Err(_) => refused += 1,
                Ok(verified) => {
                    assert_eq!(
                        bundle.payload_unverified(),
                        Bundle::parse(document).unwrap().payload_unverified()
                    );
                    // Parts that no signature covers may differ: duplicated fields of a Rekor v2 proof.
                    assert_eq!(verified.evidence(), good.evidence(), "byte {place}");
                }
            }
        }
        assert!(refused > 50, "{refused}");
    }
}
