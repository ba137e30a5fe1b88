//! Every ECDSA and Ed25519 signature of Project Wycheproof, through `PublicKey::verify`.
//!
//! Wycheproof calls a test `acceptable` when implementations may differ. None of the sets used here has any today; the
//! tests demand that, so that a new one gets a decision.

#![allow(clippy::unwrap_used)] // tests, and their helpers

use modelseal_verify::public_key::{BadSignature, KeyAlgorithm, PublicKey};
use wycheproof::TestResult;
use wycheproof::ecdsa::TestName as Ecdsa;

type Verify = fn(&PublicKey, &[u8], &[u8]) -> Result<(), BadSignature>;

#[test]
fn ecdsa_der_signatures() {
    let historical: Verify = PublicKey::verify_historical_v0_2_ecdsa_sha256;
    let sets: [(Ecdsa, KeyAlgorithm, Verify, usize); 5] = [
        (Ecdsa::EcdsaSecp256r1Sha256, KeyAlgorithm::P256, PublicKey::verify, 450),
        (Ecdsa::EcdsaSecp384r1Sha384, KeyAlgorithm::P384, PublicKey::verify, 450),
        (Ecdsa::EcdsaSecp521r1Sha512, KeyAlgorithm::P521, PublicKey::verify, 500),
        (Ecdsa::EcdsaSecp256r1Sha256, KeyAlgorithm::P256, historical, 450),
        (Ecdsa::EcdsaSecp384r1Sha256, KeyAlgorithm::P384, historical, 450),
    ];
    for (name, algorithm, verify, at_least) in sets {
        let tests = ecdsa_tests(name);
        assert!(tests.len() >= at_least, "{name:?} has only {} tests", tests.len());
        let (mut valid, mut invalid) = (0, 0);
        for (id, der, message, signature, result) in tests {
            // Keys that are edge cases of their curve must load too: each comes with signatures that are valid.
            let key = PublicKey::from_spki_der(&der).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            let verdict = verify(&key, &message, &signature);
            match result {
                TestResult::Valid => (valid += 1, assert_eq!(verdict, Ok(()), "{name:?} {id}")),
                TestResult::Invalid => {
                    (invalid += 1, assert_eq!(verdict, Err(BadSignature), "{name:?} {id}"))
                }
                TestResult::Acceptable => panic!("{name:?} {id} is new: decide"),
            };
        }
        assert!(valid > 100 && invalid > 100, "{name:?}: {valid} valid, {invalid} invalid");
    }
}

/// A signature in fixed-width form is not what OMS writes, however valid it is.
#[test]
fn ecdsa_p1363_signatures_are_refused() {
    let names = [
        Ecdsa::EcdsaSecp256r1Sha256P1363,
        Ecdsa::EcdsaSecp384r1Sha384P1363,
        Ecdsa::EcdsaSecp521r1Sha512P1363,
    ];
    for name in names {
        let tests = ecdsa_tests(name);
        assert!(tests.len() > 200, "{name:?} has only {} tests", tests.len());
        for (id, der, message, signature, _) in tests {
            let key = PublicKey::from_spki_der(&der).unwrap();
            assert_eq!(key.verify(&message, &signature), Err(BadSignature), "{name:?} {id}");
        }
    }
}

#[test]
fn ed25519_signatures() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let key = PublicKey::from_spki_der(&group.der).unwrap();
        assert_eq!(key.algorithm(), KeyAlgorithm::Ed25519);
        for test in &group.tests {
            let verdict = key.verify(&test.msg, &test.sig);
            match test.result {
                TestResult::Valid => (valid += 1, assert_eq!(verdict, Ok(()), "{}", test.tc_id)),
                TestResult::Invalid => {
                    (invalid += 1, assert_eq!(verdict, Err(BadSignature), "{}", test.tc_id))
                }
                TestResult::Acceptable => panic!("{} is new: decide", test.tc_id),
            };
            assert_eq!(key.verify_historical_v0_2_ecdsa_sha256(&test.msg, &test.sig), Err(BadSignature));
        }
    }
    assert!(valid > 60 && invalid > 50, "{valid} valid, {invalid} invalid");
}

/// Number, key, message, signature, verdict.
type Row = (usize, Vec<u8>, Vec<u8>, Vec<u8>, TestResult);

fn ecdsa_tests(name: Ecdsa) -> Vec<Row> {
    let set = wycheproof::ecdsa::TestSet::load(name).unwrap();
    let mut rows = Vec::new();
    for group in set.test_groups {
        for test in group.tests {
            rows.push((test.tc_id, group.der.to_vec(), test.msg.to_vec(), test.sig.to_vec(), test.result));
        }
    }
    rows
}
