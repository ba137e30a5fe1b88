//! Log entries and timestamps of key and certificate bundles.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod sigstore_support;
mod x509_support;

use jiff::{SignedDuration, Timestamp};
use modelseal_testkit::{Double, Fault, RekorVersion, Service};
use modelseal_verify::{
    public_key::PublicKey,
    sigstore::Requirement,
    verifier::{Verifier, VerifyError},
    x509::{Certificate, PathError, Roots},
};
use serde_json::{Value, json};
use sigstore_support::*;
use x509_support::{Key, Spec};

const EVERYTHING: Requirement = Requirement { log_entry: true, trusted_time: true };

fn key_bundle(double: &Double, key: &Key, rekor: Option<RekorVersion>, tsas: &[String]) -> Value {
    let hint = PublicKey::from_spki_der(&key.spki).unwrap().hint();
    let material = json!({"publicKey": {"hint": hint}});
    let by = client::Verifier::Key(&key.spki);
    signed(double, &client::statement(), &|m| key.sign(m), &by, material, rekor, tsas)
}

fn key_verifier(key: &Key) -> Verifier {
    Verifier::with_key(PublicKey::from_spki_der(&key.spki).unwrap())
}

#[test]
fn evidence_of_keys_of_every_kind_is_verified() {
    let double = Double::start();
    for key in [Key::p256(), Key::p384(), Key::p521(), Key::ed25519()] {
        let bundle = key_bundle(&double, &key, Some(RekorVersion::V1), &[double.tsa_url()]);
        let verifier = key_verifier(&key).with_trusted_root(root(&double)).requiring(EVERYTHING);
        let evidence = evidence(&verifier, &bundle);
        assert_eq!((evidence.log_entries().len(), evidence.times().len()), (1, 2));
        assert_eq!((evidence.unchecked_log_entries(), evidence.unchecked_timestamps()), (0, 0));
    }
    let key = Key::p256();
    let bundle = key_bundle(&double, &key, Some(RekorVersion::V2), &[double.tsa_url()]);
    let verifier = key_verifier(&key).with_trusted_root(root(&double)).requiring(EVERYTHING);
    assert!(check(&verifier, &bundle).is_ok());
}

#[test]
fn without_a_trusted_root_evidence_is_reported_as_not_checked() {
    let double = Double::start();
    let key = Key::p256();
    let mut bundle = key_bundle(&double, &key, Some(RekorVersion::V1), &[double.tsa_url()]);
    let evidence = evidence(&key_verifier(&key), &bundle);
    assert_eq!((evidence.unchecked_log_entries(), evidence.unchecked_timestamps()), (1, 1));
    assert!(evidence.log_entries().is_empty() && evidence.times().is_empty());
    assert_eq!(refusal(&key_verifier(&key).requiring(EVERYTHING), &bundle), "Evidence(RootRequired)");

    let rooted = || key_verifier(&key).with_trusted_root(root(&double));
    timestamps(&mut bundle).clear();
    entries(&mut bundle).clear();
    assert!(check(&rooted(), &bundle).is_ok());
    for verifier in [rooted(), key_verifier(&key)] {
        let log = Requirement { log_entry: true, ..Requirement::default() };
        let time = Requirement { trusted_time: true, ..Requirement::default() };
        assert_eq!(refusal(&verifier.clone().requiring(log), &bundle), "Evidence(LogEntryRequired)");
        assert_eq!(refusal(&verifier.requiring(time), &bundle), "Evidence(TrustedTimeRequired)");
    }
}

#[test]
fn evidence_that_does_not_verify_denies() {
    let (double, other) = (Double::start(), Double::start());
    let (key, stranger) = (Key::p384(), Key::p384());
    let good = key_bundle(&double, &key, Some(RekorVersion::V1), &[double.tsa_url()]);
    let theirs = key_bundle(&double, &stranger, Some(RekorVersion::V1), &[double.tsa_url()]);
    let verifier = key_verifier(&key).with_trusted_root(root(&double));
    let foreign = key_verifier(&key).with_trusted_root(root(&other));
    assert!(check(&verifier, &good).is_ok());
    assert!(refusal(&foreign, &good).contains("UnknownLog"));
    let mut changed = good.clone();
    *entries(&mut changed) = theirs["verificationMaterial"]["tlogEntries"].as_array().unwrap().clone();
    assert!(refusal(&verifier, &changed).contains("OtherEnvelope"));
    let mut changed = good.clone();
    entries(&mut changed).clear();
    assert!(refusal(&foreign, &changed).contains("TimestampUntrusted"));
    *timestamps(&mut changed) =
        vec![theirs["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0].clone()];
    assert!(refusal(&verifier, &changed).contains("TimestampOtherBytes"));
    let mut changed = good.clone();
    entries(&mut changed)[0].as_object_mut().unwrap().remove("inclusionProof");
    assert!(refusal(&verifier, &changed).contains("NoInclusionProof"));
    let mut changed = good;
    entries(&mut changed)[0]["integratedTime"] = json!("1600000000");
    assert!(refusal(&verifier, &changed).contains("InclusionPromise"));
}

#[test]
fn an_entry_of_the_same_signature_by_another_key_is_refused() {
    let double = Double::start();
    let (key, stranger) = (Key::p256(), Key::p256());
    let mut bundle = key_bundle(&double, &key, Some(RekorVersion::V2), &[double.tsa_url()]);
    // What a log that does not look could hold: this signature under another key.
    let other = key_bundle(&double, &stranger, Some(RekorVersion::V2), &[double.tsa_url()]);
    let body = |bundle: &Value| bundle["verificationMaterial"]["tlogEntries"][0]["canonicalizedBody"].clone();
    let decode = |value: &Value| -> Value {
        use base64::Engine;
        let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let (mut mine, theirs) = (decode(&body(&bundle)), decode(&body(&other)));
    let verifier_of = "/spec/hashedRekordV002/signature/verifier";
    *mine.pointer_mut(verifier_of).unwrap() = theirs.pointer(verifier_of).unwrap().clone();
    entries(&mut bundle)[0]["canonicalizedBody"] = json!(client::b64(mine.to_string()));
    let verifier = key_verifier(&key).with_trusted_root(root(&double));
    assert!(refusal(&verifier, &bundle).contains(r#"OtherEnvelope { index: 0, differs: "public key""#));
}

#[test]
fn an_entry_of_another_signature_by_the_same_key_over_the_same_bytes_is_refused() {
    let double = Double::start();
    let key = Key::p256();
    let verifier = key_verifier(&key).with_trusted_root(root(&double));
    for rekor in [RekorVersion::V1, RekorVersion::V2] {
        // ECDSA signatures are random: these differ in nothing else.
        let mut one = key_bundle(&double, &key, Some(rekor), &[double.tsa_url()]);
        let mut two = key_bundle(&double, &key, Some(rekor), &[double.tsa_url()]);
        std::mem::swap(entries(&mut one), entries(&mut two));
        assert!(refusal(&verifier, &one).contains(r#"OtherEnvelope { index: 0, differs: "signature""#));
    }
}

/// A leaf that was valid around now for an hour, under a root of years.
struct Chain {
    leaf: Key,
    leaf_der: Vec<u8>,
    roots: Roots,
}

fn chain(leaf_valid: [Timestamp; 2]) -> Chain {
    let (leaf, root_key) = (Key::p256(), Key::p384());
    let mut root = Spec::ca("CN=Root", &root_key, "CN=Root", &root_key);
    let mut spec = Spec::leaf("CN=Release", &leaf, "CN=Root", &root_key);
    let seconds = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap().to_string();
    (root.not_before, root.not_after) = ("2020-01-01T00:00:00Z".into(), "2046-01-01T00:00:00Z".into());
    (spec.not_before, spec.not_after) = (seconds(leaf_valid[0]), seconds(leaf_valid[1]));
    let root = Certificate::from_der(&root.der()).unwrap();
    Chain { leaf, leaf_der: spec.der(), roots: Roots::new(vec![root]).unwrap() }
}

impl Chain {
    fn bundle(&self, double: &Double, rekor: Option<RekorVersion>, tsas: &[String], by_key: bool) -> Value {
        let by = if by_key {
            client::Verifier::Key(&self.leaf.spki)
        } else {
            client::Verifier::Certificate(&self.leaf_der)
        };
        let material =
            json!({"x509CertificateChain": {"certificates": [{"rawBytes": client::b64(&self.leaf_der)}]}});
        signed(double, &client::statement(), &|m| self.leaf.sign(m), &by, material, rekor, tsas)
    }

    fn verifier(&self) -> Verifier {
        Verifier::with_certificates(self.roots.clone(), None)
    }
}

#[test]
fn a_trusted_time_is_when_a_certificate_must_have_been_valid() {
    let double = Double::start();
    let chain = chain([later(-1), later(1)]);
    let tsas = [double.tsa_url()];
    for rekor in [None, Some(RekorVersion::V1), Some(RekorVersion::V2)] {
        for by_key in [false, true] {
            let bundle = parse(&chain.bundle(&double, rekor, &tsas, by_key));
            let rooted = chain.verifier().with_trusted_root(root(&double));
            assert!(rooted.verify(&bundle, now()).is_ok(), "{rekor:?} {by_key}");
            // Years after the certificate has expired.
            assert!(rooted.verify(&bundle, later(24 * 365 * 3)).is_ok(), "{rekor:?} {by_key}");
            let unrooted = chain.verifier().verify(&bundle, later(24 * 365 * 3)).unwrap_err();
            assert!(matches!(unrooted, VerifyError::Path(PathError::Expired { .. })), "{unrooted:?}");
        }
    }
    // Without a trusted time it is now that counts, root or not.
    let bare = parse(&chain.bundle(&double, None, &[], false));
    let rooted = chain.verifier().with_trusted_root(root(&double));
    assert!(rooted.verify(&bare, now()).is_ok());
    let error = rooted.verify(&bare, later(48)).unwrap_err();
    assert!(matches!(error, VerifyError::Path(PathError::Expired { .. })), "{error:?}");
}

#[test]
fn a_certificate_that_had_expired_at_the_trusted_time_is_refused() {
    let double = Double::start();
    let tsas = [double.tsa_url()];
    let expired = chain([later(-3), later(-1)]);
    let rooted = expired.verifier().with_trusted_root(root(&double));
    let stamped = parse(&expired.bundle(&double, None, &tsas, false));
    // A clock that is set back does not help: the timestamp is then in the future.
    for (at, name) in [(now(), "Expired"), (later(-2), "TimeInFuture")] {
        let error = format!("{:?}", rooted.verify(&stamped, at).unwrap_err());
        assert!(error.contains(name), "{error}");
    }
    // Of two authorities that disagree, neither is believed alone.
    double.shift_clock(Service::Tsa2, -2 * 3600);
    let both = [double.tsa_url(), double.tsa2_url()];
    let disagreeing = parse(&expired.bundle(&double, None, &both, false));
    let error = rooted.verify(&disagreeing, now()).unwrap_err();
    assert!(matches!(error, VerifyError::Path(PathError::Expired { .. })), "{error:?}");
    // The one within validity, alone.
    let backdated = parse(&expired.bundle(&double, None, &both[1..], false));
    assert!(rooted.verify(&backdated, now()).is_ok());
}

#[test]
fn an_expired_authority_is_refused() {
    let double = Double::start();
    let key = Key::ed25519();
    double.fault(Service::Tsa, Fault::TokenAuthorityExpired);
    let bundle = key_bundle(&double, &key, None, &[double.tsa_url()]);
    let refusal = refusal(&key_verifier(&key).with_trusted_root(root(&double)), &bundle);
    assert!(
        refusal.contains("TimestampAuthorityExpired") || refusal.contains("TimestampOutsideWindow"),
        "{refusal}"
    );
}

#[test]
fn a_log_key_without_any_trusted_time_must_be_in_use_now() {
    let double = Double::start();
    let key = Key::p256();
    let bundle = parse(&key_bundle(&double, &key, Some(RekorVersion::V2), &[]));
    let mut value = double.trusted_root();
    for log in value["tlogs"].as_array_mut().unwrap() {
        log["publicKey"]["validFor"] = json!({"start": later(-1).to_string(), "end": (now() + SignedDuration::from_hours(1)).to_string()});
    }
    let verifier = key_verifier(&key).with_trusted_root(root_of(&value));
    assert!(verifier.verify(&bundle, now()).is_ok());
    let error = format!("{:?}", verifier.verify(&bundle, later(2)).unwrap_err());
    assert!(error.contains("LogKeyOutsideWindow"), "{error}");
}
