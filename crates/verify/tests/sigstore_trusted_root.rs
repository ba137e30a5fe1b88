//! Trusted roots: the embedded ones, and files that are not quite one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod sigstore_support;

use jiff::Timestamp;
use modelseal_testkit::{Double, RekorVersion};
use modelseal_verify::sigstore::{
    TrustedRoot, TrustedRootError as E, TrustedRootOrigin,
    trusted_root::{MAX_TRUSTED_ROOT_BYTES, MAX_TRUSTED_ROOT_ENTRIES},
};
use serde_json::{Value, json};
use sigstore_support::now;

fn read(value: &Value) -> Result<TrustedRoot, E> {
    TrustedRoot::from_json(value.to_string().as_bytes())
}

#[test]
fn embedded_roots_say_what_they_are_and_how_old() {
    let public = TrustedRoot::public_good().unwrap();
    let staging = TrustedRoot::staging().unwrap();
    assert_ne!(public.sha256(), staging.sha256());
    let TrustedRootOrigin::Embedded(embedded) = public.origin() else { panic!("not embedded") };
    assert_eq!((embedded.instance, embedded.as_of), ("public-good", "2026-10-23"));
    let summary = public.summary();
    assert!(summary.logs.iter().any(|log| log.url == "https://rekor.sigstore.dev"));
    assert!(summary.logs.iter().all(|log| log.key_id.len() == 64 && log.window.is_some()));
    assert!(summary.certificate_authorities.iter().all(|ca| {
        ca.organization.as_deref() == Some("sigstore.dev")
            && ca.certificates.iter().all(|c| c.error.is_none() && c.subject.contains("sigstore"))
    }));
    assert!(!summary.ct_logs.is_empty() && !summary.timestamp_authorities.is_empty());
    let at: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    let staleness = public.staleness(at);
    assert_eq!(staleness.age_days, Some(30));
    assert!(!staleness.is_stale() && staleness.newest_start.is_some_and(|start| start < at));
    // The copy is as old as it says: nothing in it began later.
    let as_of: Timestamp = format!("{}T23:59:59Z", embedded.as_of).parse().unwrap();
    assert!(staleness.newest_start.unwrap() <= as_of);
}

#[test]
fn a_root_with_nobody_left_in_office_is_stale() {
    let double = Double::start();
    let mut root = double.trusted_root();
    for log in root["tlogs"].as_array_mut().unwrap() {
        log["publicKey"]["validFor"] =
            json!({"start": "2020-01-01T00:00:00Z", "end": "2021-01-01T00:00:00Z"});
    }
    let staleness = read(&root).unwrap().staleness(now());
    assert_eq!((staleness.without_active, staleness.age_days), (vec!["transparency log"], None));
}

#[test]
fn roots_are_read_from_files_and_client_trust_configurations() {
    let double = Double::start();
    let root = read(&double.trusted_root()).unwrap();
    assert_eq!(*root.origin(), TrustedRootOrigin::Given);
    let config = double.trust_config(RekorVersion::V2);
    let inside = TrustedRoot::from_client_trust_config(config.to_string().as_bytes()).unwrap();
    assert_eq!(inside.summary(), root.summary());
    let mut other = config;
    other["mediaType"] = json!("application/vnd.dev.sigstore.clienttrustconfig.v0.9+json");
    let error = TrustedRoot::from_client_trust_config(other.to_string().as_bytes());
    assert!(matches!(error, Err(E::MediaType { .. })));
    let swapped = TrustedRoot::from_client_trust_config(double.trusted_root().to_string().as_bytes());
    assert!(matches!(swapped, Err(E::Json(_))));
}

#[test]
fn what_is_not_quite_a_trusted_root_is_refused() {
    let double = Double::start();
    let good = double.trusted_root();
    let text = good.to_string();
    for cut in [0, 1, text.len() / 2, text.len() - 1] {
        assert!(matches!(TrustedRoot::from_json(&text.as_bytes()[..cut]), Err(E::Json(_))), "{cut}");
    }
    let twice = text.replacen("{", r#"{"tlogs":[],"#, 1);
    assert!(matches!(TrustedRoot::from_json(twice.as_bytes()), Err(E::Json(_))));
    let big = " ".repeat(usize::try_from(MAX_TRUSTED_ROOT_BYTES).unwrap()) + &text;
    assert!(matches!(TrustedRoot::from_json(big.as_bytes()), Err(E::Json(_))));

    let with = |change: &dyn Fn(&mut Value)| {
        let mut root = good.clone();
        change(&mut root);
        let error = read(&root).unwrap_err();
        assert!(!error.to_string().is_empty());
        error
    };
    assert!(matches!(with(&|r| r["mediaType"] = json!("application/json")), E::MediaType { .. }));
    let empty = with(&|r| {
        for list in ["tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"] {
            r[list] = json!([]);
        }
    });
    assert!(matches!(empty, E::Empty));
    let many = with(&|r| r["tlogs"] = json!(vec![r["tlogs"][0].clone(); MAX_TRUSTED_ROOT_ENTRIES + 1]));
    assert!(matches!(many, E::TooMany { what: "tlogs", .. }));
    let doubled = with(&|r| {
        let log = r["tlogs"][0].clone();
        r["tlogs"].as_array_mut().unwrap().push(log);
    });
    assert!(matches!(doubled, E::Unusable(_)));
    let backwards = with(&|r| {
        r["tlogs"][0]["publicKey"]["validFor"] =
            json!({"start": "2026-01-01T00:00:00Z", "end": "2025-01-01T00:00:00Z"});
    });
    assert!(matches!(backwards, E::Unusable(_)));
    let startless =
        with(&|r| r["tlogs"][0]["publicKey"]["validFor"] = json!({"end": "2025-01-01T00:00:00Z"}));
    assert!(matches!(startless, E::Malformed(_)));
    let keyless = with(&|r| r["tlogs"][0]["publicKey"]["rawBytes"] = json!("AAAA"));
    assert!(matches!(keyless, E::Unusable(_)));
    let chainless = with(&|r| r["timestampAuthorities"][0]["certChain"]["certificates"] = json!([]));
    assert!(matches!(chainless, E::Unusable(_)));
    let broken =
        with(&|r| r["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"] = json!("AAAA"));
    assert!(matches!(broken, E::Unusable(_)));
}
