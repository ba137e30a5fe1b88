//! Against a whole instance on this machine: what we sign, an independent verifier accepts.

use crate::http::{client, quick};
use jiff::Timestamp;
use modelseal_attest::{
    http::{Client, Secret},
    private_key::{KeyAlgorithm, PrivateKey},
    signer::KeySigner,
    sigstore::{
        IdentityToken, Prepared, RekorPreference, Services, SigningConfig, SigningError,
        artifact::PreparedArtifact, evidence,
    },
    statement::Statement,
};
use modelseal_core::{
    bundle::{Bundle, VerificationMaterial},
    digest::Digest,
    manifest::{Manifest, Resource, Serialization},
    observed::Observed,
    path::ModelPath,
};
use modelseal_testkit::{Double, Fault, RekorVersion, Service, TokenSpec};
use sigstore_trust_root::TrustedRoot;
use sigstore_verify::{PublicKeyVerificationPolicy, VerificationPolicy, Verifier, types};

pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

pub(crate) fn services(double: &Double, rekor: RekorVersion) -> Services {
    let config = SigningConfig::from_json(double.signing_config(rekor).to_string().as_bytes()).unwrap();
    Services::from_config(&config, RekorPreference::Newest, now()).unwrap()
}

pub(crate) fn manifest() -> Manifest {
    let resource = Resource {
        path: ModelPath::parse("weights.bin").unwrap(),
        range: None,
        digest: Digest::sha256([7; 32]),
    };
    Manifest::new(Serialization::default(), vec![resource]).unwrap()
}

pub(crate) fn statement() -> Statement {
    Statement::of_model(&Observed::measured_by_this_process(manifest()), "model").unwrap()
}

pub(crate) fn token(double: &Double, spec: &TokenSpec) -> IdentityToken {
    IdentityToken::parse(&Secret::new(double.mint(spec))).unwrap()
}

pub(crate) fn sign_with(
    double: &Double,
    rekor: RekorVersion,
    spec: &TokenSpec,
    client: Client,
) -> Result<Bundle, SigningError> {
    let prepared = Prepared::new(statement(), services(double, rekor), client)?;
    prepared.identify(token(double, spec), "sigstore", now())?.sign()
}

fn sign(double: &Double, rekor: RekorVersion) -> Result<Bundle, SigningError> {
    sign_with(double, rekor, &TokenSpec::default(), client())
}

/// What `sigstore-verify` says: the identity in the certificate.
fn judged(double: &Double, bundle: &Bundle) -> Result<String, String> {
    let digest = types::Sha256Hash::from_hex(&manifest().root_digest().to_hex()).unwrap();
    let root = double.trusted_root().to_string();
    judged_by(&root, &bundle.to_json().unwrap(), digest, double.url())
}

pub(crate) fn judged_by<'a>(
    root: &str,
    bundle: &[u8],
    artifact: impl Into<types::Artifact<'a>>,
    issuer: &str,
) -> Result<String, String> {
    let bundle = types::Bundle::from_json(std::str::from_utf8(bundle).unwrap()).map_err(|e| e.to_string())?;
    let root = TrustedRoot::from_json(root).unwrap();
    let policy = VerificationPolicy::any_identity().require_issuer(issuer);
    let verified =
        Verifier::new(&root).unwrap().verify(artifact, &bundle, &policy).map_err(|e| e.to_string())?;
    assert!(verified.certificate_verified() && verified.sct_verified() && verified.tlog_verified());
    Ok(verified.identity().map(|identity| identity.as_str().to_owned()).unwrap_or_default())
}

#[test]
fn what_is_signed_verifies_with_either_log() {
    let double = Double::start();
    for (version, logged, kind) in [
        (RekorVersion::V2, Service::RekorV2, "hashedrekord 0.0.2"),
        (RekorVersion::V1, Service::RekorV1, "dsse 0.0.1"),
    ] {
        double.reset_requests();
        let bundle = sign(&double, version).unwrap();
        assert_eq!(judged(&double, &bundle).unwrap(), "dev@example.com");
        assert!(matches!(bundle.material(), VerificationMaterial::Certificate(_)));
        let entry = &bundle.log_entries()[0];
        assert_eq!(format!("{} {}", entry.kind, entry.version), kind);
        assert_eq!((bundle.log_entry_count(), bundle.timestamp_count()), (1, 1));
        assert_eq!((double.requests(Service::Fulcio), double.requests(logged)), (1, 1));
        assert_eq!(double.requests(Service::Tsa), 1);
    }
}

#[test]
fn files_and_foreign_statements_are_signed_as_they_are() {
    let double = Double::start();
    let root = double.trusted_root().to_string();
    for version in [RekorVersion::V2, RekorVersion::V1] {
        let signed = |prepared: Result<PreparedArtifact, SigningError>| {
            let token = token(&double, &TokenSpec::default());
            let identified = prepared.unwrap().identify(token, "sigstore", now()).unwrap();
            assert_eq!(identified.identity().value, "dev@example.com");
            identified.sign().unwrap()
        };
        let file = PreparedArtifact::file(b"hello".to_vec(), services(&double, version), client());
        let json = signed(file);
        assert_eq!(judged_by(&root, &json, &b"hello"[..], double.url()).unwrap(), "dev@example.com");
        judged_by(&root, &json, &b"hullo"[..], double.url()).unwrap_err();

        let bytes = statement().as_bytes().to_vec();
        let other = PreparedArtifact::statement(bytes.clone(), services(&double, version), client());
        let bundle = Bundle::parse(&signed(other)).unwrap();
        assert_eq!(bundle.payload_unverified(), bytes);
        assert_eq!(judged(&double, &bundle).unwrap(), "dev@example.com");
    }
}

#[test]
fn a_workflow_signs_under_its_subject() {
    let double = Double::start();
    let bundle = sign_with(&double, RekorVersion::V2, &TokenSpec::github("o/r"), client()).unwrap();
    let workflow = "https://github.com/o/r/.github/workflows/release.yml@refs/heads/main";
    assert_eq!(judged(&double, &bundle).unwrap(), workflow);
}

#[test]
fn several_authorities_give_several_timestamps() {
    let double = Double::start();
    let services = services(&double, RekorVersion::V2).with_timestamp_authority(&double.tsa2_url()).unwrap();
    let prepared = Prepared::new(statement(), services, client()).unwrap();
    let identified = prepared.identify(token(&double, &TokenSpec::default()), "sigstore", now()).unwrap();
    assert_eq!(identified.identity().value, "dev@example.com");
    assert!(!format!("{identified:?}").contains("eyJ"));
    let bundle = identified.sign().unwrap();
    assert_eq!(bundle.timestamp_count(), 2);
    assert_eq!(judged(&double, &bundle).unwrap(), "dev@example.com");
}

#[test]
fn nothing_is_asked_before_the_token_and_the_services_are_good() {
    let double = Double::start();
    let bare = || Services::none().with_fulcio(double.url()).unwrap();
    let v2 = modelseal_attest::sigstore::RekorVersion::V2;
    for (services, says) in [
        (Services::none(), "Fulcio: no service"),
        (bare(), "Rekor: no service"),
        (bare().with_rekor(double.url(), v2).unwrap(), "a timestamp authority is needed"),
    ] {
        let refused = Prepared::new(statement(), services, client()).unwrap_err();
        assert!(matches!(refused, SigningError::Services(_)), "{refused}");
        assert!(refused.to_string().contains(says), "{refused}");
    }
    for spec in [
        TokenSpec { ttl: -1, ..TokenSpec::default() },
        TokenSpec { iat_shift: 3600, ..TokenSpec::default() },
        TokenSpec { nbf: Some(600), ..TokenSpec::default() },
        TokenSpec { aud: "other".to_owned(), ..TokenSpec::default() },
        TokenSpec { email_verified: false, ..TokenSpec::default() },
    ] {
        let refused = sign_with(&double, RekorVersion::V2, &spec, client()).unwrap_err();
        assert!(matches!(refused, SigningError::Token(_)), "{spec:?}: {refused}");
    }
    assert_eq!(double.total_requests(), 0);
}

#[test]
fn a_token_that_the_authority_refuses_is_not_shown() {
    let double = Double::start();
    let spec = TokenSpec { foreign_key: true, ..TokenSpec::default() };
    let refused = sign_with(&double, RekorVersion::V2, &spec, client()).unwrap_err();
    assert!(matches!(&refused, SigningError::Http(e) if e.service() == Some("Fulcio")), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("eyJ"), "{refused}");
    assert_eq!(double.requests(Service::Tsa) + double.requests(Service::RekorV2), 0);
}

type Expected = fn(&SigningError) -> bool;

#[test]
fn answers_about_something_else_are_refused() {
    let double = Double::start();
    let cases: [(Service, Fault, Expected); 11] = [
        (Service::Fulcio, Fault::CertificateForAnotherKey, |e| {
            matches!(e, SigningError::CertificateForAnotherKey { .. })
        }),
        (Service::Fulcio, Fault::CertificateForAnotherIdentity, |e| {
            matches!(e, SigningError::CertificateForAnotherIdentity { expected, found }
                if expected == "dev@example.com" && found == &["mallory@example.com"])
        }),
        (Service::Fulcio, Fault::CertificateExpired, |e| {
            matches!(e, SigningError::CertificateExpired { .. })
        }),
        (Service::Fulcio, Fault::SctMissing, |e| matches!(e, SigningError::NoSct)),
        (Service::RekorV2, Fault::EntryForAnotherEnvelope, |e| {
            matches!(e, SigningError::EntryMismatch { .. })
        }),
        (Service::RekorV2, Fault::ProofMissing, |e| {
            matches!(e, SigningError::Answer { service: "Rekor", .. })
        }),
        (Service::RekorV2, Fault::CheckpointMissing, |e| {
            matches!(e, SigningError::Answer { service: "Rekor", .. })
        }),
        (Service::Tsa, Fault::TokenOverOtherBytes, |e| {
            matches!(e, SigningError::TimestampMismatch { what: "digest", .. })
        }),
        (Service::Tsa, Fault::TokenWrongNonce, |e| {
            matches!(e, SigningError::TimestampMismatch { what: "nonce", .. })
        }),
        (Service::Tsa, Fault::TokenRejected, |e| {
            matches!(e, SigningError::TimestampRefused { status: 2, .. })
        }),
        (Service::Tsa, Fault::TruncatedBody, |e| {
            matches!(e, SigningError::Answer { service: "timestamp authority", .. })
        }),
    ];
    for (service, fault, expected) in cases {
        double.clear_faults();
        double.fault(service, fault.clone());
        let refused = sign(&double, RekorVersion::V2).unwrap_err();
        assert!(expected(&refused), "{fault:?}: {refused:?}");
    }
    for fault in [Fault::EntryForAnotherEnvelope, Fault::ProofMissing, Fault::CheckpointMissing] {
        double.clear_faults();
        double.fault(Service::RekorV1, fault.clone());
        let refused = sign(&double, RekorVersion::V1).unwrap_err();
        let fits = matches!(refused, SigningError::EntryMismatch { .. } | SigningError::Answer { .. });
        assert!(fits, "{fault:?}: {refused:?}");
    }
    double.clear_faults();
    sign(&double, RekorVersion::V2).unwrap();
}

#[test]
fn every_service_may_fail_and_is_named() {
    let double = Double::start();
    let hurried = Client::new(modelseal_attest::http::Options {
        attempt_timeout: std::time::Duration::from_millis(500),
        total_timeout: std::time::Duration::from_millis(1500),
        max_attempts: 1,
        ..quick()
    });
    let hurried = hurried.unwrap();
    for (service, name) in [
        (Service::Fulcio, "Fulcio: "),
        (Service::Tsa, "timestamp authority: "),
        (Service::RekorV2, "Rekor: "),
    ] {
        for fault in [
            Fault::Hang,
            Fault::CloseAtOnce,
            Fault::CloseEarly,
            Fault::Status { code: 500, retry_after: None },
            Fault::Status { code: 429, retry_after: Some(60) },
            Fault::Html,
            Fault::Endless,
            Fault::Drip,
            Fault::Redirect("https://elsewhere.example/".to_owned()),
            Fault::TruncatedBody,
        ] {
            double.clear_faults();
            double.fault(service, fault.clone());
            let start = std::time::Instant::now();
            let spec = TokenSpec::default();
            let failed = sign_with(&double, RekorVersion::V2, &spec, hurried.clone()).unwrap_err();
            let shown = format!("{failed} {failed:?}");
            assert!(failed.to_string().starts_with(name), "{fault:?}: {failed}");
            assert!(!shown.contains("eyJ"), "{shown}");
            assert!(start.elapsed().as_secs() < 8, "{fault:?}: {:?}", start.elapsed());
        }
    }
}

#[test]
fn passing_trouble_is_waited_out() {
    let double = Double::start();
    for service in [Service::Fulcio, Service::Tsa, Service::RekorV2] {
        double.fault_times(service, Fault::Status { code: 503, retry_after: Some(1) }, 1);
    }
    let bundle = sign(&double, RekorVersion::V2).unwrap();
    assert_eq!(judged(&double, &bundle).unwrap(), "dev@example.com");
}

#[test]
fn keys_get_timestamps_and_log_entries_where_the_log_takes_them() {
    let double = Double::start();
    for (algorithm, version, taken) in [
        (KeyAlgorithm::P256, RekorVersion::V2, true),
        (KeyAlgorithm::P384, RekorVersion::V2, true),
        (KeyAlgorithm::P521, RekorVersion::V2, true),
        (KeyAlgorithm::Ed25519, RekorVersion::V2, false),
        (KeyAlgorithm::P256, RekorVersion::V1, true),
        (KeyAlgorithm::Ed25519, RekorVersion::V1, true),
        (KeyAlgorithm::P384, RekorVersion::V1, false),
        (KeyAlgorithm::P521, RekorVersion::V1, false),
    ] {
        double.reset_requests();
        let services = services(&double, version);
        let key = PrivateKey::generate(algorithm).unwrap();
        let (public, pem) = (key.public_key_spki_der(), key.public_key_pem());
        assert_eq!(evidence::check(&services, algorithm).is_ok(), taken);
        let plain = statement().sign(&KeySigner::new(key)).unwrap();
        let outcome = evidence::log_and_timestamp(plain.clone(), &public, &services, &client());
        if !taken {
            let refused = outcome.unwrap_err();
            assert!(matches!(refused, SigningError::KeyNotLoggable { .. }), "{algorithm} {refused}");
            assert_eq!(double.total_requests(), 0);
            continue;
        }
        let bundle = outcome.unwrap_or_else(|e| panic!("{algorithm}: {e}"));
        assert_eq!(bundle.envelope(), plain.envelope());
        assert_eq!((bundle.log_entry_count(), bundle.timestamp_count()), (1, 1));
        // The independent verifier knows no other kinds of keys in this kind of entry.
        if version == RekorVersion::V2 && algorithm != KeyAlgorithm::P256 {
            continue;
        }
        let json = String::from_utf8(bundle.to_json().unwrap()).unwrap();
        let bundle = types::Bundle::from_json(&json).unwrap();
        let root = TrustedRoot::from_json(&double.trusted_root().to_string()).unwrap();
        let digest = types::Sha256Hash::from_hex(&manifest().root_digest().to_hex()).unwrap();
        let policy = PublicKeyVerificationPolicy::new(types::DerPublicKey::from_pem(&pem).unwrap());
        Verifier::new(&root).unwrap().verify(digest, &bundle, &policy).unwrap_or_else(|e| {
            panic!("{algorithm} {version:?}: {e}");
        });
    }
}

#[test]
fn a_key_that_did_not_sign_gets_no_entry() {
    let double = Double::start();
    let key = PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    let other = PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    let bundle = statement().sign(&KeySigner::new(key)).unwrap();
    let services = services(&double, RekorVersion::V2);
    let refused =
        evidence::log_and_timestamp(bundle.clone(), &other.public_key_spki_der(), &services, &client());
    assert!(matches!(refused, Err(SigningError::Http(_))), "{refused:?}");
    let refused = evidence::log_and_timestamp(bundle.clone(), b"no key", &services, &client());
    assert!(matches!(refused, Err(SigningError::PublicKey { .. })), "{refused:?}");
    let same = evidence::log_and_timestamp(
        bundle.clone(),
        &other.public_key_spki_der(),
        &Services::none(),
        &client(),
    );
    assert_eq!(same.unwrap(), bundle);
}

#[test]
fn an_entry_that_is_there_already_is_fetched() {
    let double = Double::start();
    let services = services(&double, RekorVersion::V1);
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let public = key.public_key_spki_der();
    let bundle = statement().sign(&KeySigner::new(key)).unwrap();
    let first = evidence::log_and_timestamp(bundle.clone(), &public, &services, &client()).unwrap();
    let again = evidence::log_and_timestamp(bundle, &public, &services, &client()).unwrap();
    let (first, again) = (&first.log_entries()[0], &again.log_entries()[0]);
    assert_eq!(first.canonicalized_body, again.canonicalized_body);
    assert_eq!(first.log_index, again.log_index);
}
