//! Statements about a model other than its signature: what they say reads back, and covers that model and no other.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

use jiff::Timestamp;
use modelseal_attest::{
    statement::{MAX_FILE_SUBJECTS, Statement},
    summary::{InputUsed, Outcome, PolicyUsed, Summary},
};
use modelseal_core::{
    attestation::{Attestation, read_attestation},
    cover::Target,
    digest::{Algorithm, Digest},
    dsse::IN_TOTO_PAYLOAD_TYPE,
    manifest::{ByteRange, Manifest, Method, Resource, Serialization},
    observed::Observed,
    path::ModelPath,
    predicate::{Predicate, svr_v0_2::Svr, vsa_v1::Vsa},
};
use std::num::NonZeroU64;

fn summary(outcome: Outcome) -> Summary {
    let policy =
        |id: &str, byte| PolicyUsed { id: id.into(), version: 5, sha256: Digest::sha256([byte; 32]) };
    Summary {
        verifier_id: "https://import.acme.example/verifier/v2".into(),
        verifier_version: "0.1.0".into(),
        time: "2026-11-20T10:00:00Z".parse::<Timestamp>().unwrap(),
        reference: "file:///srv/models/a".into(),
        policies: vec![policy("acme.example/release-approval", 1)],
        inputs: vec![InputUsed { name: "model.sig".into(), sha256: Digest::sha256([2; 32]) }],
        outcome,
        slsa_build_level: Some(2),
    }
}

fn resource(name: &str, algorithm: Algorithm, byte: u8, range: Option<ByteRange>) -> Resource {
    let digest = Digest::new(algorithm, &vec![byte; algorithm.digest_len()]).unwrap();
    Resource { path: ModelPath::parse(name).unwrap(), range, digest }
}

fn model(serialization: Serialization, resources: Vec<Resource>) -> Observed<Manifest> {
    Observed::measured_by_this_process(Manifest::sorted(serialization, resources).unwrap())
}

fn files(names: &[&str]) -> Observed<Manifest> {
    let resources = names.iter().zip(1..).map(|(n, b)| resource(n, Algorithm::Sha256, b, None)).collect();
    model(Serialization::default(), resources)
}

fn read(statement: &Statement) -> Attestation {
    read_attestation(IN_TOTO_PAYLOAD_TYPE, statement.as_bytes()).unwrap()
}

fn vsa(attestation: &Attestation) -> &Vsa {
    let Predicate::Vsa(vsa) = &attestation.predicate else { panic!("{attestation:?}") };
    vsa
}

fn svr(attestation: &Attestation) -> &Svr {
    let Predicate::Svr(svr) = &attestation.predicate else { panic!("{attestation:?}") };
    svr
}

#[test]
fn a_passed_summary_reads_back() {
    let summary = summary(Outcome::Passed);
    let read = read(&summary.vsa(&files(&["a", "b/c"]), "m").unwrap());
    assert_eq!(*vsa(&read), summary.to_vsa());
    assert_eq!(
        vsa(&read).verified_levels,
        ["SLSA_BUILD_LEVEL_2", "MODELSEAL_ACME_EXAMPLE_RELEASE_APPROVAL_V5"]
    );
    assert_eq!(vsa(&read).policy.uri.as_deref(), Some("acme.example/release-approval"));
    assert_eq!(vsa(&read).resource_uri, "file:///srv/models/a");
    assert!(vsa(&read).has_level("SLSA_BUILD_LEVEL_1") && !vsa(&read).is_waived());
    assert_eq!(vsa(&read).input_attestations[0].digest.get("sha256"), Some("02".repeat(32).as_str()));
}

#[test]
fn a_waiver_is_said_and_a_failure_has_no_levels() {
    let model = files(&["a"]);
    let waived = read(&summary(Outcome::PassedWithWaivers).vsa(&model, "m").unwrap());
    assert!(vsa(&waived).is_waived());
    let waived = read(&summary(Outcome::PassedWithWaivers).svr(&model, "m").unwrap());
    assert!(svr(&waived).properties.contains(&"WAIVED".to_owned()));

    let failed = read(&summary(Outcome::Failed).vsa(&model, "m").unwrap());
    assert_eq!(vsa(&failed).verified_levels, ["FAILED"]);
    assert!(!vsa(&failed).has_level("SLSA_BUILD_LEVEL_1") && !vsa(&failed).has_level("FAILED"));
    let failed = read(&summary(Outcome::Failed).svr(&model, "m").unwrap());
    assert!(svr(&failed).properties.is_empty());
}

#[test]
fn subjects_have_names_of_their_own() {
    for (names, first) in [(["m", "n"], "m/"), (["m/n", "n"], "m")] {
        let read = read(&summary(Outcome::Passed).vsa(&files(&names), "m").unwrap());
        read.check_names().unwrap();
        assert_eq!(read.subjects[0].name.as_deref(), Some(first));
    }
}

#[test]
fn several_policies_are_all_named() {
    let mut summary = summary(Outcome::Passed);
    let second = PolicyUsed { id: "acme.example/b".into(), version: 1, sha256: Digest::sha256([9; 32]) };
    summary.policies.push(second);
    summary.slsa_build_level = None;
    let read = read(&summary.vsa(&files(&["a"]), "m").unwrap());
    assert_eq!(vsa(&read).verified_levels[0], "SLSA_BUILD_LEVEL_UNEVALUATED");
    assert_eq!(vsa(&read).verified_levels.len(), 3);
    assert!(vsa(&read).policy.uri.as_deref().unwrap().starts_with("urn:modelseal:policies:"));
    let listed = vsa(&read).policy.annotations["policies"].as_array().unwrap();
    assert_eq!(listed[1].get("uri").unwrap().as_str(), Some("acme.example/b"));
    summary.policies.reverse();
    assert_eq!(summary.to_vsa().policy.uri, vsa(&read).policy.uri);
}

#[test]
fn what_is_said_covers_the_model_and_no_other() {
    let shards = |size| {
        let method = Method::Shards(NonZeroU64::new(size).unwrap());
        let range = |start, end| Some(ByteRange { start, end });
        let shards = vec![
            resource("a", Algorithm::Blake3, 1, range(0, size)),
            resource("a", Algorithm::Blake3, 2, range(size, size + 1)),
        ];
        model(Serialization { method, algorithm: Algorithm::Blake3, ..Default::default() }, shards)
    };
    let blake2b = Serialization { algorithm: Algorithm::Blake2b, ..Default::default() };
    let names: Vec<String> = (0..=MAX_FILE_SUBJECTS).map(|n| format!("f{n}")).collect();
    let many: Vec<Resource> = names.iter().map(|n| resource(n, Algorithm::Sha256, 3, None)).collect();
    let models = [
        files(&["a", "b/c"]),
        files(&["a", "d"]),
        files(&["a"]),
        Observed::measured_by_this_process(files(&["a"]).into_inner().of_single_file()),
        shards(10),
        shards(11),
        model(blake2b, vec![resource("a", Algorithm::Blake2b, 1, None)]),
        model(Serialization::default(), many),
    ];
    for (at, one) in models.iter().enumerate() {
        let statement = summary(Outcome::Passed).vsa(one, "m").unwrap();
        let subjects = read(&statement).subjects;
        for (other, model) in models.iter().enumerate() {
            let cover = Target::of(model.get()).cover(&subjects);
            // A directory of one file and that file have the same names and bytes.
            let holds = at == other || (at, other) == (2, 3);
            assert_eq!(cover.is_full(), holds, "{at} of {other}: {cover}");
        }
    }
    assert_eq!(read(&summary(Outcome::Passed).vsa(&models[7], "m").unwrap()).subjects.len(), 1);
    assert_eq!(read(&summary(Outcome::Passed).vsa(&models[0], "m").unwrap()).subjects.len(), 3);
}
