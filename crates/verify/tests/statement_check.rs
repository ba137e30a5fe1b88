//! Statements that nobody has signed yet: good ones pass, and each bad one is refused for its own reason, at its own place.
//! With `MODELSEAL_SAMPLES` set, also those of a folder from outside.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

use modelseal_core::predicate::{Predicate, build_type::BuildType};
use modelseal_verify::statement_check::{Checked, check};
use std::fmt::Write as _;

const A: &str = "abababababababababababababababababababababababababababababababab";
const B: &str = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";
const GIT: &str = "94efdd6f628eda9c1ae893467c9652808443ef3e";

/// A fine-tuned model: the statement that the bad ones are made from.
fn good() -> String {
    format!(
        r#"{{"_type": "https://in-toto.io/Statement/v1",
"subject": [{{"name": "adapter", "digest": {{"sha256": "{A}", "dirHash": "{B}"}},
              "annotations": {{"digestMethod": "oms/v1.0;files;sha256"}}}},
            {{"name": "a.safetensors", "digest": {{"sha256": "{B}"}},
              "annotations": {{"digestMethod": "file;part-of-directory"}}}}],
"predicateType": "https://slsa.dev/provenance/v1",
"predicate": {{
  "buildDefinition": {{
    "buildType": "{}",
    "externalParameters": {{"source": "git+https://git.example.com/a/b@v1", "baseModel": "pkg:huggingface/a/b@1",
                            "datasets": ["https://data.example.com/d"], "hyperparameters": {{"seed": 9007199254740993}}}},
    "resolvedDependencies": [
      {{"name": "source", "uri": "git+https://git.example.com/a/b@v1", "digest": {{"gitCommit": "{GIT}"}}}},
      {{"name": "baseModel", "uri": "pkg:huggingface/a/b@1", "digest": {{"sha256": "{B}", "dirHash": "{A}"}}}},
      {{"name": "dataset", "uri": "https://data.example.com/d", "digest": {{"sha512": "{A}{B}"}}}},
      {{"name": "lockfile", "uri": "https://git.example.com/uv.lock", "digest": {{"sha256": "{B}"}}}}]
  }},
  "runDetails": {{"builder": {{"id": "https://trainer.example.com"}},
    "metadata": {{"startedOn": "2026-03-01T00:00:00Z", "finishedOn": "2026-03-01T06:30:00Z"}}}}
}}}}"#,
        BuildType::FineTune.uri()
    )
}

fn first(checked: &Checked) -> (&str, &str) {
    checked.problems.first().map_or(("", ""), |problem| (problem.code.as_str(), &problem.at))
}

#[test]
fn a_good_one_passes_and_keeps_its_numbers() {
    let checked = check(good().as_bytes());
    assert_eq!(checked.problems, []);
    let Some(Predicate::Provenance(provenance)) = checked.attestation.map(|read| read.predicate) else {
        panic!()
    };
    assert_eq!(provenance.external_parameters["hyperparameters"].to_string(), r#"{"seed":9007199254740993}"#);
}

#[test]
fn each_bad_one_is_refused_for_its_reason_and_at_its_place() {
    const PARAMETERS: &str = "/predicate/buildDefinition/externalParameters";
    const DEPENDENCIES: &str = "/predicate/buildDefinition/resolvedDependencies";
    let base = r#"{"name": "baseModel", "uri": "pkg:huggingface/a/b@1""#;
    let base_digest = format!(r#"{{"sha256": "{B}", "dirHash": "{A}"}}"#);
    let own = format!(r#"{{"sha256": "{A}", "dirHash": "{B}"}}"#);
    let fine_tune = BuildType::FineTune.uri();
    for (from, to, code, at) in [
        // The statement.
        ("Statement/v1", "Statement/v0.1", "statement.type", "/_type".to_owned()),
        ("\"_type\"", "\"type\"", "statement.type", "/_type".into()),
        ("\"subject\"", "\"subjects\"", "statement.subject", "/subject".into()),
        ("\"predicateType\"", "\"type\"", "statement.malformed", "/predicateType".into()),
        ("https://slsa.dev/provenance/v1", "provenance", "statement.malformed", "/predicateType".into()),
        ("\"a.safetensors\"", "\"adapter\"", "statement.subject", "/subject/1/name".into()),
        (A, &A.to_uppercase(), "statement.digest", "/subject/0/digest/sha256".into()),
        (A, &A[1..], "statement.digest", "/subject/0/digest/sha256".into()),
        (A, "", "statement.predicate", "/subject/0/digest/sha256".into()),
        (&own, "{}", "statement.subject", "/subject/0/digest".into()),
        (
            &own,
            r#"{"md5": "00000000000000000000000000000000"}"#,
            "statement.weak-digest",
            "/subject/0/digest".into(),
        ),
        ("\"predicate\": {", "\"predicate\": 7, \"x\": {", "statement.predicate", "/predicate".into()),
        ("\"adapter\"", "[\"adapter\"]", "statement.malformed", "/subject/0/name".into()),
        ("{\"_type\"", "\u{feff}{\"_type\"", "statement.malformed", String::new()),
        // Members that are there twice, as `serde_json` and Python keep the last of.
        (
            "\"buildType\"",
            "\"buildType\": \"https://a.example\", \"buildType\"",
            "statement.duplicate-key",
            "/predicate/buildDefinition/buildType".into(),
        ),
        (
            "\"seed\": 9007199254740993",
            "\"seed\": 1, \"s\\u0065ed\": 2",
            "statement.duplicate-key",
            format!("{PARAMETERS}/hyperparameters/seed"),
        ),
        (
            "\"gitCommit\"",
            "\"sha256\": \"\", \"sha256\": \"\", \"gitCommit\"",
            "statement.duplicate-key",
            format!("{DEPENDENCIES}/0/digest/sha256"),
        ),
        // Provenance.
        (&fine_tune, "", "statement.predicate", "/predicate/buildDefinition/buildType".into()),
        (&fine_tune, "fine-tune", "statement.predicate", "/predicate/buildDefinition/buildType".into()),
        (
            "\"https://trainer.example.com\"",
            "null",
            "statement.predicate",
            "/predicate/runDetails/builder/id".into(),
        ),
        ("\"externalParameters\"", "\"parameters\"", "statement.predicate", PARAMETERS.into()),
        (
            "\"2026-03-01T00:00:00Z\"",
            "\"2026-03-01T02:00:00+02:00\"",
            "statement.time",
            "/predicate/runDetails/metadata/startedOn".into(),
        ),
        (
            "\"2026-03-01T06:30:00Z\"",
            "\"2026-02-28T23:59:59Z\"",
            "statement.time",
            "/predicate/runDetails/metadata/finishedOn".into(),
        ),
        (
            "\"2026-03-01T06:30:00Z\"",
            "1772346600",
            "statement.predicate",
            "/predicate/runDetails/metadata/finishedOn".into(),
        ),
        (
            r#"{"name": "source","#,
            r#"{"name": "mystery"}, {"name": "source","#,
            "statement.predicate",
            format!("{DEPENDENCIES}/0"),
        ),
        (GIT, "v1", "statement.digest", format!("{DEPENDENCIES}/0/digest/gitCommit")),
        (
            "\"2026-03-01T00:00:00Z\"",
            "\"2016-12-31T23:59:60Z\"",
            "statement.time",
            "/predicate/runDetails/metadata/startedOn".into(),
        ),
        (
            "/fine-tune/v1.md",
            "/fine-tuning/v1.md",
            "statement.predicate",
            "/predicate/buildDefinition/buildType".into(),
        ),
        // Two digests of one directory that differ.
        (
            &own,
            &format!(r#"{{"dirHash": "{A}", "manifest-sha256": "{B}"}}"#),
            "statement.digest",
            "/subject/0/digest/manifest-sha256".into(),
        ),
        (
            &base_digest,
            &format!(r#"{{"dirHash": "{A}", "manifest-sha256": "{B}"}}"#),
            "statement.digest",
            format!("{DEPENDENCIES}/1/digest/manifest-sha256"),
        ),
        // What our build types promise.
        (
            "\"datasets\"",
            "\"postprocess\": \"curl | sh\", \"datasets\"",
            "statement.parameter-unknown",
            format!("{PARAMETERS}/postprocess"),
        ),
        (
            "\"datasets\"",
            "\"source/\": \"x\", \"datasets\"",
            "statement.parameter-unknown",
            format!("{PARAMETERS}/source~1"),
        ),
        (
            "\"baseModel\": \"pkg:huggingface/a/b@1\",",
            "",
            "statement.predicate",
            format!("{PARAMETERS}/baseModel"),
        ),
        (
            "[\"https://data.example.com/d\"]",
            "\"https://data.example.com/d\"",
            "statement.predicate",
            format!("{PARAMETERS}/datasets"),
        ),
        (
            "[\"https://data.example.com/d\"]",
            "[\"https://data.example.com/other\"]",
            "statement.unresolved",
            format!("{PARAMETERS}/datasets/0"),
        ),
        (
            base,
            r#"{"name": "base", "uri": "pkg:huggingface/a/b@1""#,
            "statement.unresolved",
            format!("{PARAMETERS}/baseModel"),
        ),
        (
            base,
            r#"{"name": "baseModel", "uri": "pkg:huggingface/a/b@2""#,
            "statement.unresolved",
            format!("{PARAMETERS}/baseModel"),
        ),
        (&base_digest, "{}", "statement.unresolved", format!("{PARAMETERS}/baseModel")),
        (
            &base_digest,
            r#"{"md5": "00000000000000000000000000000000"}"#,
            "statement.weak-digest",
            format!("{DEPENDENCIES}/1/digest"),
        ),
        (
            &format!(r#"uv.lock", "digest": {{"sha256": "{B}"}}"#),
            r#"uv.lock", "digest": {"sha1": "0000000000000000000000000000000000000000"}"#,
            "statement.weak-digest",
            format!("{DEPENDENCIES}/3/digest"),
        ),
        // A model that is made from itself: by the digest that covers names, by another that covers them, by the root alone.
        (&base_digest, &format!(r#"{{"dirHash": "{B}"}}"#), "statement.cycle", format!("{DEPENDENCIES}/1")),
        (
            &base_digest,
            &format!(
                r#"{{"manifest-sha256": "{B}"}}, "annotations": {{"digestMethod": "oms/v1.0;files;sha256"}}"#
            ),
            "statement.cycle",
            format!("{DEPENDENCIES}/1"),
        ),
        (&base_digest, &format!(r#"{{"sha256": "{A}"}}"#), "statement.cycle", format!("{DEPENDENCIES}/1")),
    ] {
        let good = good();
        assert!(good.contains(from), "{from}");
        let checked = check(good.replacen(from, to, 1).as_bytes());
        assert_eq!(first(&checked), (code, &*at), "{from} -> {to}: {:?}", checked.problems);
        assert!(!checked.problems[0].message.contains('\n'));
    }
}

#[test]
fn all_that_is_wrong_is_said() {
    let bad = good()
        .replace("\"a.safetensors\"", "\"adapter\"")
        .replace(r#""name": "dataset""#, r#""name": "data""#);
    let checked = check(bad.as_bytes());
    let codes: Vec<&str> = checked.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(codes, ["statement.subject", "statement.unresolved"]);
    assert!(checked.attestation.is_some());
    assert!(checked.problems[1].message.starts_with("UNRESOLVED: 'https://data.example.com/d'"));
}

#[test]
fn others_build_types_are_held_to_the_specification_alone() {
    let theirs = good().replace(&BuildType::FineTune.uri(), "https://tekton.dev/chains/v2/slsa");
    for (from, to) in [
        ("\"datasets\"", "\"anything\": [1], \"datasets\""),
        (r#"{"sha256": "cdcd"#, r#"{"sha1": "0000000000000000000000000000000000000000", "sha256": "cdcd"#),
        (r#""name": "dataset""#, r#""name": "data""#),
    ] {
        assert!(theirs.contains(from), "{from}");
        assert_eq!(check(theirs.replacen(from, to, 1).as_bytes()).problems, [], "{to}");
    }
    // A file that passes through a build is what went in and what came out; a directory of models is not.
    let own = format!(r#"{{"sha256": "{A}", "dirHash": "{B}"}}"#);
    let file = theirs.replace(&own, &format!(r#"{{"sha256": "{A}"}}"#)).replacen(
        r#""annotations": {"digestMethod": "oms/v1.0;files;sha256"}"#,
        r#""mediaType": "x/y""#,
        1,
    );
    let through = |text: &str, digest: &str| {
        let base = format!(r#"{{"sha256": "{B}", "dirHash": "{A}"}}"#);
        assert!(text.contains(&base));
        check(text.replace(&base, digest).as_bytes())
    };
    assert_eq!(through(&file, &format!(r#"{{"sha256": "{A}"}}"#)).problems, []);
    assert_eq!(first(&through(&theirs, &own)).0, "statement.cycle");
}

#[test]
fn a_models_signature_is_held_to_its_own_rules() {
    let text = |root: &str| {
        format!(
            r#"{{"_type": "https://in-toto.io/Statement/v1", "subject": [{{"name": "m", "digest": {{"sha256": "{root}"}}}}],
            "predicateType": "https://model_signing/signature/v1.0", "predicate": {{
            "serialization": {{"method": "files", "hash_type": "sha256", "allow_symlinks": false, "ignore_paths": []}},
            "resources": [{{"name": "a", "algorithm": "sha256", "digest": "{A}"}}]}}}}"#
        )
    };
    // SHA-256 over the digest of the only file.
    let root = "9a2db2e23f1504cd056606553ac049c5e718e8f9ce9233876df1a7a1821af885";
    assert_eq!(check(text(root).as_bytes()).problems, []);
    assert_eq!(first(&check(text(B).as_bytes())), ("statement.predicate", "/predicate"));
}

#[test]
fn what_is_no_statement_is_refused_without_a_panic() {
    let mut deep = String::new();
    (0..10_000).for_each(|_| write!(deep, "{{\"a\":").unwrap());
    for (document, code) in [
        ("", "statement.malformed"),
        ("null", "statement.malformed"),
        ("[]", "statement.malformed"),
        ("{}", "statement.malformed"),
        ("{\"_type\": \"https://in-toto.io/Statement/v1\"", "statement.malformed"),
        (&deep, "statement.malformed"),
        ("{\"a\": 1, \"a\": 1}", "statement.duplicate-key"),
    ] {
        let checked = check(document.as_bytes());
        assert!(checked.attestation.is_none());
        assert_eq!(first(&checked).0, code, "{document:.60}");
        assert!(checked.problems[0].at.len() < 1000);
    }
}

#[test]
fn samples_from_outside() {
    #[expect(clippy::disallowed_methods, reason = "where samples lie is for whoever runs the tests to say")]
    let Ok(samples) = std::env::var("MODELSEAL_SAMPLES") else {
        println!("skipped: MODELSEAL_SAMPLES is not set");
        return;
    };
    let folder = format!("{samples}/models-and-metadata/provenance");
    let read = |name: &str| std::fs::read(format!("{folder}/{name}.json")).unwrap();
    for name in [
        "github-attest",
        "github-slsa-generator-v0.2",
        "gitlab-docs-integer-id",
        "gitlab-rails-v1",
        "gitlab-runner-v0.2",
        "tekton-chains-v2alpha4",
        "training-llama",
        "training-lora",
    ] {
        assert_eq!(check(&read(name)).problems, [], "{name}");
    }
    for (name, code, at) in [
        ("empty-subject", "statement.subject", "/subject"),
        (
            "md5-only-base",
            "statement.weak-digest",
            "/predicate/buildDefinition/resolvedDependencies/1/digest",
        ),
        ("name-only-dependency", "statement.predicate", "/predicate/buildDefinition/resolvedDependencies/5"),
        ("no-build-type", "statement.predicate", "/predicate/buildDefinition/buildType"),
        ("null-builder-id", "statement.predicate", "/predicate/runDetails/builder/id"),
        ("subject-without-digest", "statement.subject", "/subject/0/digest"),
        (
            "unknown-external-parameter",
            "statement.parameter-unknown",
            "/predicate/buildDefinition/externalParameters/postprocess",
        ),
        ("uppercase-digest", "statement.digest", "/subject/0/digest/sha256"),
        ("wrong-statement-type", "statement.type", "/_type"),
    ] {
        let checked = check(&read(&format!("bad/{name}")));
        assert_eq!(first(&checked), (code, at), "{name}: {:?}", checked.problems);
    }
    // None that nobody looked at.
    let named = std::fs::read_dir(format!("{folder}/bad")).unwrap().count();
    assert_eq!(named, 9, "bad samples");
}

#[test]
fn levels_that_slsa_does_not_have_are_refused() {
    let summary = |levels: &str, counted: &str| {
        format!(
            r#"{{"_type": "https://in-toto.io/Statement/v1", "subject": [{{"name": "m", "digest": {{"sha256": "{A}"}}}}],
            "predicateType": "https://slsa.dev/verification_summary/v1", "predicate": {{
            "verifier": {{"id": "https://v.example"}}, "resourceUri": "pkg:huggingface/a/b@1", "policy": {{"uri": "https://p.example"}},
            "verificationResult": "PASSED", "verifiedLevels": ["{levels}"], "dependencyLevels": {{"{counted}": 1}}}}}}"#
        )
    };
    for (levels, counted, at) in [
        ("SLSA_BUILD_LEVEL_3", "SLSA_BUILD_LEVEL_0", ""),
        ("SLSA_SOURCE_LEVEL_4", "SLSA_BUILD_LEVEL_UNEVALUATED", ""),
        ("ACME_LEVEL_9", "ACME_LEVEL_9", ""),
        ("SLSA_BUILD_LEVEL_9", "SLSA_BUILD_LEVEL_0", "/predicate/verifiedLevels/0"),
        ("SLSA_BUILD_LEVEL_4", "SLSA_BUILD_LEVEL_0", "/predicate/verifiedLevels/0"),
        ("SLSA_BUILD_LEVEL_2", "SLSA_SOURCE_LEVEL_5", "/predicate/dependencyLevels/SLSA_SOURCE_LEVEL_5"),
    ] {
        let checked = check(summary(levels, counted).as_bytes());
        let code = if at.is_empty() { "" } else { "statement.predicate" };
        assert_eq!(first(&checked), (code, at), "{levels} {counted} {:?}", checked.problems);
    }
}
