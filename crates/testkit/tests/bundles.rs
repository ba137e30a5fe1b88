//! An independent verifier accepts what the double issues, and refuses it with every cryptographic fault.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod common;

use common::{
    ARTIFACT, Key, Verifier, b64, bundle, hex, keyless, log_digest_v2, log_v1, pem, sha256, timestamp,
};
use modelseal_testkit::{Double, Fault, Options, RekorVersion, Service, TokenSpec};
use serde_json::{Value, json};
use sigstore_trust_root::TrustedRoot;
use sigstore_verify::types::{Bundle, DerPublicKey, Sha256Hash};
use sigstore_verify::{IdentityMatcher, PublicKeyVerificationPolicy, VerificationPolicy};

use RekorVersion::{V1, V2};

fn digest() -> Sha256Hash {
    Sha256Hash::from_hex(&hex(&sha256(ARTIFACT))).unwrap()
}

fn root(double: &Double) -> TrustedRoot {
    TrustedRoot::from_json(&double.trusted_root().to_string()).unwrap()
}

/// The verdict for `dev@example.com`, on certificate, SCT, log and timestamps.
fn judge(double: &Double, bundle: &Value) -> Result<(), String> {
    let bundle = Bundle::from_json(&bundle.to_string()).map_err(|e| format!("bundle: {e}"))?;
    let identity = IdentityMatcher::Email("dev@example.com".into());
    let policy = VerificationPolicy::new(identity, double.url());
    let verifier = sigstore_verify::Verifier::new(&root(double)).map_err(|e| format!("root: {e}"))?;
    let result = verifier.verify(digest(), &bundle, &policy).map_err(|e| format!("verify: {e}"))?;
    assert!(result.certificate_verified() && result.sct_verified() && result.tlog_verified());
    Ok(())
}

#[test]
fn keyless_bundles_are_accepted() {
    for options in [Options::default(), Options { sct_extensions: false, witnesses: false }] {
        let double = Double::start_with(options);
        let both = [double.tsa_url(), double.tsa2_url()];
        for rekor in [V1, V2] {
            for tsas in [&both[..1], &both[1..], &both] {
                let bundle = keyless(&double, rekor, tsas).unwrap();
                assert_eq!(judge(&double, &bundle), Ok(()), "{rekor:?} {options:?}");
            }
        }
        // Rekor v1 gives a time of its own.
        assert_eq!(judge(&double, &keyless(&double, V1, &[]).unwrap()), Ok(()));
        assert_eq!(double.requests(Service::Fulcio), 7);
        assert_eq!(double.requests(Service::Tsa), 4);
    }
}

#[test]
fn another_instance_is_refused() {
    let (double, other) = (Double::start(), Double::start());
    let bundle = keyless(&double, V2, &[double.tsa_url()]).unwrap();
    assert!(judge(&other, &bundle).is_err());
}

#[test]
fn every_cryptographic_fault_is_refused() {
    use Fault as F;
    let rekor_faults = [
        F::EntryForAnotherEnvelope,
        F::ProofOfAnotherEntry,
        F::ProofMissing,
        F::CheckpointMissing,
        F::CheckpointUnsigned,
        F::CheckpointForeign,
        F::CheckpointForged,
        F::CheckpointOfAnotherSize,
        F::LogForeign,
    ];
    let mut cases = Vec::new();
    for fault in [
        F::CertificateForAnotherKey,
        F::CertificateForAnotherIdentity,
        F::CertificateFromAnotherIssuer,
        F::CertificateFromAnotherCa,
        F::CertificateExpired,
        F::CertificateFuture,
        F::SctMissing,
        F::SctFromAnotherLog,
        F::SctWrong,
    ] {
        cases.push((V1, Service::Fulcio, fault.clone()));
        cases.push((V2, Service::Fulcio, fault));
    }
    cases.extend(rekor_faults.iter().map(|fault| (V1, Service::RekorV1, fault.clone())));
    cases.extend(rekor_faults.iter().map(|fault| (V2, Service::RekorV2, fault.clone())));
    cases.push((V1, Service::RekorV1, F::SetWrong));
    for fault in [
        F::TokenOverOtherBytes,
        F::TokenFromAnotherAuthority,
        F::TokenAuthorityExpired,
        F::TokenRejected,
        F::TokenSignatureWrong,
    ] {
        cases.push((V2, Service::Tsa, fault));
    }
    let double = Double::start();
    for (rekor, service, fault) in cases {
        double.fault(service, fault.clone());
        let verdict = keyless(&double, rekor, &[double.tsa_url()]).and_then(|bundle| judge(&double, &bundle));
        let refusal = verdict.expect_err(&format!("{service:?} {fault:?}"));
        println!("{rekor:?} {service:?} {fault:?}: {refusal}");
        // Rekor does not log what the certificate's key has not signed; all else is for the verifier to see.
        assert_eq!(
            refusal.starts_with("rekor 400"),
            fault == F::CertificateForAnotherKey,
            "{fault:?}: {refusal}"
        );
        double.clear_faults();
        let verdict = keyless(&double, rekor, &[double.tsa_url()]).and_then(|bundle| judge(&double, &bundle));
        assert_eq!(verdict, Ok(()), "after {fault:?}");
    }
}

#[test]
fn clocks_that_differ_are_refused() {
    let double = Double::start();
    for (rekor, service, shift) in [
        (V2, Service::Tsa, 3_600),
        (V2, Service::Tsa, -3_600),
        (V2, Service::Fulcio, 3_600),
        (V2, Service::Fulcio, -3_600),
        (V1, Service::RekorV1, -3_600),
    ] {
        double.shift_clock(service, shift);
        // Fulcio's clock has to accept the token.
        double.shift_clock(Service::Issuer, if service == Service::Fulcio { shift } else { 0 });
        let bundle = keyless(&double, rekor, &[double.tsa_url()]).unwrap();
        assert!(judge(&double, &bundle).is_err(), "{service:?} {shift}");
        double.shift_clocks(0);
    }
    // Yesterday's bundle is as good as today's.
    double.shift_clocks(-86_400);
    for rekor in [V1, V2] {
        assert_eq!(judge(&double, &keyless(&double, rekor, &[double.tsa_url()]).unwrap()), Ok(()));
    }
}

#[test]
fn managed_keys_are_logged() {
    let double = Double::start();
    let (key, other) = (Key::new(), Key::new());
    for rekor in [V1, V2] {
        let bundle = bundle(&double, rekor, &[double.tsa_url()], &key, None).unwrap();
        let bundle = Bundle::from_json(&bundle.to_string()).unwrap();
        let verifier = sigstore_verify::Verifier::new(&root(&double)).unwrap();
        let verify = |key: &Key| {
            let policy = PublicKeyVerificationPolicy::new(DerPublicKey::new(key.spki()));
            verifier.verify(digest(), &bundle, &policy)
        };
        assert!(verify(&key).unwrap().tlog_verified());
        assert!(verify(&other).is_err());
    }
}

#[test]
fn message_signatures_are_logged() {
    let double = Double::start();
    let key = Key::new();
    let chain =
        common::certificate(&double, &key, &double.token("dev@example.com"), "dev@example.com").unwrap();
    let signature = key.sign(ARTIFACT);
    let v1 = json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
        "data": {"hash": {"algorithm": "sha256", "value": hex(&sha256(ARTIFACT))}},
        "signature": {"content": b64(&signature), "publicKey": {"content": b64(pem("CERTIFICATE", &chain[0]))}},
    }});
    let by = Verifier::Certificate(&chain[0]);
    let token = timestamp(&double.tsa_url(), &signature).unwrap();
    for entry in [log_v1(&double, &v1), log_digest_v2(&double, &sha256(ARTIFACT), &signature, &by)] {
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": b64(&chain[0])}, "tlogEntries": [entry.unwrap()],
                "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": b64(&token)}]},
            },
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": b64(sha256(ARTIFACT))}, "signature": b64(&signature),
            },
        });
        assert_eq!(judge(&double, &bundle), Ok(()));
    }
}

#[test]
fn workload_identities_carry_their_claims() {
    let double = Double::start();
    let key = Key::new();
    let spec = TokenSpec::github("acme/model");
    let chain = common::certificate(&double, &key, &double.mint(&spec), &spec.sub).unwrap();
    let bundle = bundle(&double, V2, &[double.tsa_url()], &key, Some(&chain[0])).unwrap();
    let workflow = "https://github.com/acme/model/.github/workflows/release.yml@refs/heads/main";
    let policy = VerificationPolicy::new(IdentityMatcher::Uri(workflow.into()), double.url());
    let bundle = Bundle::from_json(&bundle.to_string()).unwrap();
    let verifier = sigstore_verify::Verifier::new(&root(&double)).unwrap();
    let result = verifier.verify(digest(), &bundle, &policy).unwrap();
    let claims = &result.certificate().unwrap().ci_claims;
    assert_eq!(claims.source_repository_uri.as_deref(), Some("https://github.com/acme/model"));
    assert_eq!(claims.source_repository_ref.as_deref(), Some("refs/heads/main"));
    assert_eq!(claims.build_trigger.as_deref(), Some("push"));
}
