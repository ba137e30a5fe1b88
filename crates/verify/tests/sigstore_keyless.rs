//! Keyless verification of what a real instance issues, and of everything that can be wrong with it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod sigstore_support;

use jiff::SignedDuration;
use modelseal_core::{
    bundle::{Bundle, BundleError, VerificationMaterial},
    dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE},
};
use modelseal_testkit::{Double, Fault, RekorVersion, Service, TokenSpec};
use modelseal_verify::{
    signer::Signer,
    sigstore::{
        IdentityKind, IdentityMatch, Keyless, TimeSource, evidence::CLOCK_TOLERANCE,
        keyless::MAX_KEYLESS_PAYLOAD_BYTES,
    },
    verifier::Verifier,
};
use serde_json::{Value, json};
use sigstore_support::*;

#[test]
fn good_bundles_of_every_kind_are_believed() {
    let double = Double::start();
    let verifier = keyless(&double);
    let both = [double.tsa_url(), double.tsa2_url()];
    for (rekor, tsas, times) in [
        (RekorVersion::V1, &[][..], 1),
        (RekorVersion::V1, &both[..1], 2),
        (RekorVersion::V2, &both[..1], 1),
        (RekorVersion::V2, &both[..], 2),
    ] {
        let bundle = client::keyless(&double, rekor, tsas).unwrap();
        let verified = check(&verifier, &bundle).unwrap();
        let Signer::Sigstore(signer) = verified.signer() else { panic!("not keyless") };
        assert_eq!((signer.identity(), signer.identity_kind()), (WHO, IdentityKind::Email));
        assert_eq!(signer.issuer(), double.url());
        let evidence = verified.evidence();
        assert_eq!((evidence.log_entries().len(), evidence.times().len()), (1, times));
        assert!(evidence.times().iter().all(|t| (now() - t.at).get_seconds().abs() < 60));
        let is_log = |source: &TimeSource| matches!(source, TimeSource::TransparencyLog(_));
        let from_log = evidence.times().iter().filter(|t| is_log(&t.source)).count();
        assert_eq!(from_log, usize::from(rekor == RekorVersion::V1));
        // What was read is what is written.
        let written = parse(&bundle).to_json().unwrap();
        assert_eq!(Bundle::parse(&written).unwrap(), parse(&bundle));
        assert!(verifier.verify(&Bundle::parse(&written).unwrap(), now()).is_ok());
    }
}

#[test]
fn claims_are_exposed_by_their_names() {
    let double = Double::start();
    let key = client::Key::new();
    let spec = TokenSpec::github("acme/model");
    let token = double.mint(&spec);
    let subject = "repo:acme/model:ref:refs/heads/main";
    let chain = client::certificate(&double, &key, &token, subject).unwrap();
    let bundle =
        client::bundle(&double, RekorVersion::V2, &[double.tsa_url()], &key, Some(&chain[0])).unwrap();
    let workflow = "https://github.com/acme/model/.github/workflows/release.yml@refs/heads/main";
    let verified =
        check(&Verifier::with_sigstore(root(&double), Keyless::exactly(workflow, double.url())), &bundle)
            .unwrap();
    let Signer::Sigstore(signer) = verified.signer() else { panic!("not keyless") };
    assert_eq!(signer.identity_kind(), IdentityKind::Uri);
    assert_eq!(signer.claims()["source-repository-uri"], "https://github.com/acme/model");
    assert_eq!(signer.claims()["source-repository-ref"], "refs/heads/main");
    // The kind of the name counts, not its text alone.
    for wrong in [format!("email:{workflow}"), workflow.replace("main", "mai"), workflow.to_uppercase()] {
        let verifier = Verifier::with_sigstore(root(&double), Keyless::exactly(&wrong, double.url()));
        assert!(refusal(&verifier, &bundle).contains("Identity {"), "{wrong}");
    }
    let pattern = |text: &str| Keyless {
        identity: IdentityMatch::pattern(text).unwrap(),
        issuer: double.url().to_owned(),
    };
    let good = pattern(r"https://github\.com/acme/[^@]+@refs/heads/(main|dev)");
    assert!(check(&Verifier::with_sigstore(root(&double), good), &bundle).is_ok());
    for part in [r"https://github\.com/acme", r"URI:://github.com/acme/.*", r"email:https://.*"] {
        let verifier = Verifier::with_sigstore(root(&double), pattern(part));
        assert!(refusal(&verifier, &bundle).contains("Identity {"), "{part}");
    }
}

#[test]
fn other_identities_issuers_and_instances_are_refused() {
    let (double, other) = (Double::start(), Double::start());
    let bundle = v2(&double);
    for (identity, issuer, what) in [
        ("mallory@example.com", double.url(), "Identity {"),
        ("URI:dev@example.com", double.url(), "Identity {"),
        ("", double.url(), "Identity {"),
        (WHO, other.url(), "Issuer {"),
        (WHO, "", "Issuer {"),
    ] {
        let verifier = Verifier::with_sigstore(root(&double), Keyless::exactly(identity, issuer));
        assert!(refusal(&verifier, &bundle).contains(what), "{identity} {issuer}");
    }
    let foreign = Verifier::with_sigstore(root(&other), Keyless::exactly(WHO, double.url()));
    assert!(refusal(&foreign, &bundle).contains("CheckpointForeign"));
    assert!(refusal(&foreign, &v1(&double)).contains("UnknownLog"));
    // The other instance's authority alone, everything else being right.
    let mut mixed = double.trusted_root();
    mixed["certificateAuthorities"] = other.trusted_root()["certificateAuthorities"].clone();
    let verifier = Verifier::with_sigstore(root_of(&mixed), Keyless::exactly(WHO, double.url()));
    assert!(refusal(&verifier, &bundle).contains("Chain("));
    mixed = double.trusted_root();
    mixed["ctlogs"] = other.trusted_root()["ctlogs"].clone();
    let verifier = Verifier::with_sigstore(root_of(&mixed), Keyless::exactly(WHO, double.url()));
    assert!(refusal(&verifier, &bundle).contains("Sct("));
    mixed = double.trusted_root();
    mixed["timestampAuthorities"] = json!([]);
    let verifier = Verifier::with_sigstore(root_of(&mixed), Keyless::exactly(WHO, double.url()));
    assert!(refusal(&verifier, &bundle).contains("TimestampUntrusted { index: 0, authorities: 0"));
}

/// Each fault of each service, and the name of the refusal.
#[test]
fn what_a_faulty_service_issues_is_refused_by_name() {
    use Service::{Fulcio, RekorV1, RekorV2, Tsa};
    let double = Double::start();
    let verifier = keyless(&double);
    let cases = [
        (Fulcio, Fault::CertificateForAnotherIdentity, &["Identity {"][..]),
        (Fulcio, Fault::CertificateFromAnotherIssuer, &["Issuer {"]),
        (Fulcio, Fault::CertificateFromAnotherCa, &["Chain("]),
        (Fulcio, Fault::CertificateExpired, &["NotValidAt {"]),
        (Fulcio, Fault::CertificateFuture, &["NotValidAt {"]),
        (Fulcio, Fault::SctMissing, &["NoSct"]),
        (Fulcio, Fault::SctFromAnotherLog, &["Sct("]),
        (Fulcio, Fault::SctWrong, &["Sct("]),
        (RekorV1, Fault::EntryForAnotherEnvelope, &["OtherEnvelope {"]),
        (RekorV1, Fault::ProofOfAnotherEntry, &["InclusionProof {", "CheckpointOtherTree {"]),
        (RekorV1, Fault::ProofMissing, &["NoInclusionProof {"]),
        (RekorV1, Fault::CheckpointMissing, &["CheckpointMalformed {"]),
        (RekorV1, Fault::CheckpointUnsigned, &["CheckpointMalformed {"]),
        (RekorV1, Fault::CheckpointForeign, &["CheckpointForeign {"]),
        (RekorV1, Fault::CheckpointForged, &["CheckpointForged {"]),
        (RekorV1, Fault::CheckpointOfAnotherSize, &["CheckpointOtherTree {"]),
        (RekorV1, Fault::LogForeign, &["UnknownLog {"]),
        (RekorV1, Fault::SetWrong, &["InclusionPromise {"]),
        (RekorV2, Fault::EntryForAnotherEnvelope, &["OtherEnvelope {"]),
        (RekorV2, Fault::ProofOfAnotherEntry, &["InclusionProof {"]),
        (RekorV2, Fault::ProofMissing, &["NoInclusionProof {"]),
        (RekorV2, Fault::CheckpointMissing, &["CheckpointMalformed {"]),
        // Witnesses have signed it, and the log has not.
        (RekorV2, Fault::CheckpointUnsigned, &["CheckpointForeign {"]),
        (RekorV2, Fault::CheckpointForeign, &["CheckpointForeign {"]),
        (RekorV2, Fault::CheckpointForged, &["CheckpointForged {"]),
        (RekorV2, Fault::CheckpointOfAnotherSize, &["InclusionProof {"]),
        (RekorV2, Fault::LogForeign, &["CheckpointForeign {"]),
        (Tsa, Fault::TokenOverOtherBytes, &["TimestampOtherBytes {"]),
        (Tsa, Fault::TokenFromAnotherAuthority, &["TimestampUntrusted {"]),
        (Tsa, Fault::TokenAuthorityExpired, &["TimestampAuthorityExpired {", "TimestampOutsideWindow {"]),
        (Tsa, Fault::TokenSignatureWrong, &["TimestampUntrusted {"]),
    ];
    for (service, fault, names) in cases {
        double.clear_faults();
        // A tree of one entry has no other entries to prove.
        let (_, _) = (v1(&double), v2(&double));
        double.fault(service, fault.clone());
        let bundle = if service == RekorV1 {
            client::keyless(&double, RekorVersion::V1, &[])
        } else {
            client::keyless(&double, RekorVersion::V2, &[double.tsa_url()])
        };
        let refusal = match Bundle::parse(bundle.unwrap().to_string().as_bytes()) {
            Ok(parsed) => format!("{:?}", verifier.verify(&parsed, now()).map(|_| "accepted")),
            Err(error) => format!("{error:?}"),
        };
        assert!(names.iter().any(|name| refusal.contains(name)), "{service:?} {fault:?}: {refusal}");
    }
}

#[test]
fn evidence_of_another_signature_is_refused() {
    let double = Double::start();
    let verifier = keyless(&double);
    let (mut one, mut two) = (v2(&double), v2(&double));
    std::mem::swap(entries(&mut one), entries(&mut two));
    assert!(refusal(&verifier, &one).contains("OtherEnvelope"));
    // Beside the right one, too: it would lend its time.
    let (mut one, mut two) = (v1(&double), v1(&double));
    entries(&mut one).append(entries(&mut two));
    assert!(refusal(&verifier, &one).contains("OtherEnvelope { index: 1"));
    let (mut one, mut two) = (v2(&double), v2(&double));
    timestamps(&mut one).append(timestamps(&mut two));
    assert!(refusal(&verifier, &one).contains("TimestampOtherBytes { index: 1"));
    let mut certificate = v2(&double);
    certificate["verificationMaterial"]["certificate"] =
        v2(&double)["verificationMaterial"]["certificate"].clone();
    assert_eq!(refusal(&verifier, &certificate), "Signature");
    let mut payload = v2(&double);
    let other = client::statement().iter().map(|b| if *b == b'p' { b'q' } else { *b }).collect::<Vec<_>>();
    payload["dsseEnvelope"]["payload"] = json!(client::b64(other));
    assert_eq!(refusal(&verifier, &payload), "Signature");
}

#[test]
fn missing_evidence_is_refused() {
    let double = Double::start();
    let verifier = keyless(&double);
    let mut bundle = v2(&double);
    entries(&mut bundle).clear();
    assert_eq!(refusal(&verifier, &bundle), "Keyless(NoLogEntry)");
    let mut bundle = v2(&double);
    timestamps(&mut bundle).clear();
    assert_eq!(refusal(&verifier, &bundle), "Keyless(NoTrustedTime)");
    // An integrated time that no log signed is no time.
    entries(&mut bundle)[0]["integratedTime"] = json!(now().as_second().to_string());
    assert_eq!(refusal(&verifier, &bundle), "Keyless(NoTrustedTime)");
    let mut bundle = v1(&double);
    entries(&mut bundle)[0].as_object_mut().unwrap().remove("inclusionPromise");
    assert_eq!(refusal(&verifier, &bundle), "Keyless(NoTrustedTime)");
}

/// The media type is not signed, and older versions were believed on a promise alone.
#[test]
fn a_bundle_cannot_be_made_older_than_it_is() {
    let double = Double::start();
    let verifier = keyless(&double);
    for version in [
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
    ] {
        let mut bundle = v1(&double);
        bundle["mediaType"] = json!(version);
        let parsed = Bundle::parse(bundle.to_string().as_bytes());
        assert!(matches!(parsed, Err(BundleError::MediaType(_))), "{version}");
    }
    let mut bundle = v1(&double);
    bundle.as_object_mut().unwrap().remove("mediaType");
    assert!(matches!(Bundle::parse(bundle.to_string().as_bytes()), Err(BundleError::Json(_))));
    // One proven entry does not vouch for another.
    let mut bundle = v1(&double);
    let mut unproven = entries(&mut bundle)[0].clone();
    unproven.as_object_mut().unwrap().remove("inclusionProof");
    entries(&mut bundle).push(unproven);
    assert!(refusal(&verifier, &bundle).contains("NoInclusionProof { index: 1"));
}

/// A retired key may have leaked; the crates look only at when it came into use.
#[test]
fn a_log_key_speaks_for_its_own_time_only() {
    let double = Double::start();
    let past = later(-24).to_string();
    for (bundle, log) in [(v1(&double), 0), (v2(&double), 1)] {
        for (member, value) in [("end", past.clone()), ("start", later(24).to_string())] {
            let mut root = double.trusted_root();
            for window in root["tlogs"].as_array_mut().unwrap() {
                let window = &mut window["publicKey"]["validFor"];
                *window = json!({"start": "2020-01-01T00:00:00Z"});
                window[member] = json!(value);
            }
            let verifier = Verifier::with_sigstore(root_of(&root), Keyless::exactly(WHO, double.url()));
            assert!(refusal(&verifier, &bundle).contains("LogKeyOutsideWindow"), "{log} {member}");
        }
    }
}

#[test]
fn every_other_window_of_the_trusted_root_counts() {
    let double = Double::start();
    let bundle = v2(&double);
    let windows = [
        ("certificateAuthorities", "/validFor", "NoAuthority"),
        ("ctlogs", "/publicKey/validFor", "Sct("),
        ("timestampAuthorities", "/validFor", "TimestampOutsideWindow"),
    ];
    for (list, member, name) in windows {
        let mut root = double.trusted_root();
        for entry in root[list].as_array_mut().unwrap() {
            let window = json!({"start": "2020-01-01T00:00:00Z", "end": "2021-01-01T00:00:00Z"});
            match entry.pointer_mut(member) {
                Some(there) => *there = window,
                None => entry["validFor"] = window,
            }
        }
        let verifier = Verifier::with_sigstore(root_of(&root), Keyless::exactly(WHO, double.url()));
        assert!(refusal(&verifier, &bundle).contains(name), "{list}: {}", refusal(&verifier, &bundle));
    }
}

#[test]
fn evidence_is_bounded_and_counted_once() {
    let double = Double::start();
    let verifier = keyless(&double);
    let mut bundle = v2(&double);
    let (entry, stamp) = (entries(&mut bundle)[0].clone(), timestamps(&mut bundle)[0].clone());
    *entries(&mut bundle) = vec![entry.clone(); 32];
    *timestamps(&mut bundle) = vec![stamp.clone(); 32];
    let evidence = evidence(&verifier, &bundle);
    assert_eq!((evidence.log_entries().len(), evidence.times().len()), (1, 1));
    // The same entry in other words is still the same entry.
    entries(&mut bundle)[1]["inclusionProof"]["logIndex"] = json!("7");
    assert_eq!(self::evidence(&verifier, &bundle).log_entries().len(), 1);

    entries(&mut bundle).push(entry);
    assert!(matches!(Bundle::parse(bundle.to_string().as_bytes()), Err(BundleError::Json(_))));
    entries(&mut bundle).pop();
    timestamps(&mut bundle).push(stamp);
    assert!(matches!(Bundle::parse(bundle.to_string().as_bytes()), Err(BundleError::Json(_))));
    timestamps(&mut bundle).pop();
    // A bundle that was put together instead of read is bounded too.
    let parsed = parse(&bundle);
    let (entry, stamp) = (parsed.log_entries()[0].clone(), parsed.timestamps()[0].clone());
    for many in [
        parsed.clone().with_evidence(vec![entry.clone(); 33], vec![stamp.clone()]),
        parsed.with_evidence(vec![entry], vec![stamp; 33]),
    ] {
        let error = verifier.verify(&many, now()).unwrap_err();
        assert!(format!("{error:?}").contains("TooMany {"), "{error:?}");
    }
}

#[test]
fn a_statement_too_large_to_hold_is_refused_before_any_work() {
    let double = Double::start();
    let der = parse(&v2(&double));
    let VerificationMaterial::Certificate(der) = der.material() else { panic!("no certificate") };
    let payload = vec![b' '; usize::try_from(MAX_KEYLESS_PAYLOAD_BYTES).unwrap() + 1];
    let bundle = Bundle::new(
        VerificationMaterial::Certificate(der.clone()),
        Envelope::new(IN_TOTO_PAYLOAD_TYPE, payload, vec![1]),
    );
    let error = keyless(&double).verify(&bundle, now()).unwrap_err();
    assert!(format!("{error:?}").contains("TooLarge {"));
}

#[test]
fn statements_with_two_readings_are_refused() {
    let double = Double::start();
    let verifier = keyless(&double);
    let subject = r#"{"name":"model","digest":{"sha256":"9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"}}"#;
    let statement = |kind: &str, subjects: &str, predicate: &str| {
        format!(
            r#"{{"_type":"{kind}","subject":[{subjects}],"predicateType":"https://example.com/p","predicate":{predicate}}}"#
        )
    };
    let v1 = "https://in-toto.io/Statement/v1";
    let good = keyless_over(&double, &statement(v1, subject, "{}"));
    assert!(check(&verifier, &good).is_ok());
    for (payload, why) in [
        (statement("https://example.com/Statement", subject, "{}"), "_type"),
        (statement(v1, subject, r#"{"a":1,"a":2}"#), "duplicate member"),
        (statement(v1, "", "{}"), "no subject"),
        (statement(v1, r#"{"name":"m","digest":{"blake2b":"00"}}"#, "{}"), "neither"),
        (statement(v1, r#"{"name":"m","digest":{"sha256":"00"}}"#, "{}"), "Statement("),
        ("[]".to_owned(), "Statement("),
    ] {
        let refusal = refusal(&verifier, &keyless_over(&double, &payload));
        assert!(refusal.contains("Statement(") && refusal.contains(why), "{payload}: {refusal}");
    }
}

#[test]
fn entries_of_unknown_kinds_are_refused() {
    let double = Double::start();
    let verifier = keyless(&double);
    for (kind, version) in [("dsse", "0.0.2"), ("hashedrekord", "0.0.3"), ("rfc3161", "0.0.1")] {
        let mut bundle = v2(&double);
        entries(&mut bundle)[0]["kindVersion"] = json!({"kind": kind, "version": version});
        let refusal = refusal(&verifier, &bundle);
        assert!(refusal.contains("UnsupportedEntry {"), "{refusal}");
    }
    // Of a known kind, with the body of another.
    let mut bundle = v2(&double);
    entries(&mut bundle)[0]["kindVersion"] = json!({"kind": "dsse", "version": "0.0.1"});
    assert!(refusal(&verifier, &bundle).contains("Body {"));
}

#[test]
fn the_certificate_must_be_valid_at_every_trusted_time() {
    let double = Double::start();
    let mut root = double.trusted_root();
    root["timestampAuthorities"][1]["subject"]["commonName"] = json!("the second");
    let verifier = Verifier::with_sigstore(root_of(&root), Keyless::exactly(WHO, double.url()));
    let both = [double.tsa_url(), double.tsa2_url()];
    assert!(check(&verifier, &client::keyless(&double, RekorVersion::V2, &both).unwrap()).is_ok());
    for shift in [-3600, 3600] {
        double.shift_clock(Service::Tsa2, shift);
        let bundle = parse(&client::keyless(&double, RekorVersion::V2, &both).unwrap());
        let refusal = format!("{:?}", verifier.verify(&bundle, later(2)).unwrap_err());
        assert!(refusal.contains("NotValidAt {") && refusal.contains("(the second)"), "{refusal}");
    }
}

#[test]
fn a_trusted_time_in_the_future_is_refused() {
    let double = Double::start();
    let verifier = keyless(&double);
    for bundle in [v1(&double), v2(&double)] {
        let bundle = parse(&bundle);
        let at = |time| verifier.verify(&bundle, time);
        assert!(at(now()).is_ok() && at(later(24 * 365)).is_ok());
        assert!(at(now() - CLOCK_TOLERANCE + SignedDuration::from_secs(30)).is_ok());
        for behind in
            [now() - CLOCK_TOLERANCE - SignedDuration::from_secs(30), later(-1), later(-24 * 365 * 20)]
        {
            let error = at(behind).unwrap_err();
            assert!(format!("{error:?}").contains("TimeInFuture {"), "{error:?}");
            assert!(error.to_string().contains("clock"), "{error}");
        }
    }
}

#[test]
fn bundles_of_other_methods_are_refused_by_name() {
    let double = Double::start();
    let mut bundle = v2(&double);
    let der = bundle["verificationMaterial"]["certificate"].clone();
    let material = bundle["verificationMaterial"].as_object_mut().unwrap();
    material.remove("certificate");
    material.insert("x509CertificateChain".to_owned(), json!({"certificates": [der]}));
    assert!(refusal(&keyless(&double), &bundle).contains("Method {"));
    bundle["verificationMaterial"]["certificate"] = Value::Null;
    bundle["verificationMaterial"]["publicKey"] = json!({"hint": "ab"});
    assert!(matches!(Bundle::parse(bundle.to_string().as_bytes()), Err(BundleError::ManyMaterials)));
}
