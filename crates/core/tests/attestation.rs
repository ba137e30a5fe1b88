//! Attestations as producers write them, good and bad. With `MODELSEAL_SAMPLES` set, also a folder of samples from outside.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

use modelseal_core::{
    attestation::{Attestation, AttestationError, STATEMENT_TYPE_V0_1, read_attestation},
    cover::{Cover, FullBy, Target},
    digest::{Algorithm, Digest},
    dsse::IN_TOTO_PAYLOAD_TYPE,
    json::value::Value,
    manifest::{Manifest, Resource, Serialization},
    path::ModelPath,
    predicate::{Predicate, slsa_provenance, test_result_v0_1, vsa_v1},
    statement::STATEMENT_TYPE,
};

fn read(text: &str) -> Result<Attestation, AttestationError> {
    read_attestation(IN_TOTO_PAYLOAD_TYPE, text.as_bytes())
}

fn statement(predicate_type: &str, predicate: &str) -> String {
    format!(
        r#"{{"_type":"{STATEMENT_TYPE}","subject":[{{"name":"a","digest":{{"sha256":"{}"}}}}],
           "predicateType":"{predicate_type}","predicate":{predicate}}}"#,
        "ab".repeat(32)
    )
}

#[test]
fn a_predicate_of_unknown_type_is_kept_exactly() {
    let text = statement("https://example.com/p/v1", r#"{"seed":9007199254740993,"x":[1.0,{"y":null}]}"#);
    let read = read(&text).unwrap();
    assert_eq!(read.predicate, Predicate::Other);
    assert_eq!(read.raw.to_string(), r#"{"seed":9007199254740993,"x":[1.0,{"y":null}]}"#);
    assert_eq!(read.subjects[0].name.as_deref(), Some("a"));
}

#[test]
fn predicate_types_are_compared_letter_for_letter() {
    for alias in
        ["custom", "slsaprovenance", "https://slsa.dev/provenance/v1/", "HTTPS://slsa.dev/provenance/v1"]
    {
        assert_eq!(read(&statement(alias, "{}")).unwrap().predicate, Predicate::Other, "{alias}");
    }
    let error = read(&statement(slsa_provenance::PREDICATE_TYPE_V1, "{}")).unwrap_err().to_string();
    assert_eq!(
        error,
        "the predicate is no 'https://slsa.dev/provenance/v1': /buildDefinition/buildType: required, but unset or empty"
    );
    assert!(read(&statement(vsa_v1::PREDICATE_TYPE, "null")).is_err());
    assert!(read(&statement(test_result_v0_1::PREDICATE_TYPE, "[]")).is_err());
}

#[test]
fn members_that_nobody_knows_are_ignored_and_duplicates_are_not() {
    let good = statement("https://example.com/p", r#"{"a":{"b":1}}"#);
    assert!(read(&good.replacen("{", r#"{"metadata":{"x":1},"materials":[],"#, 1)).is_ok());
    assert!(read(&good.replace("\"name\"", "\"mediaType\":\"x/y\",\"name\"")).is_ok());
    for (from, to) in [
        ("{\"_type\"", "{\"_type\":\"x\",\"_type\""),
        ("\"predicateType\"", "\"predicateType\":\"x\",\"predicateType\""),
        ("\"predicate\":", "\"predicate\":{},\"predicate\":"),
        ("\"subject\"", "\"subject\":[],\"subject\""),
        ("\"name\"", "\"name\":\"b\",\"name\""),
        ("\"sha256\"", "\"sha256\":\"\",\"sha256\""),
        ("\"b\":1", "\"b\":1,\"b\":1"),
        ("\"b\":1", "\"b\":1,\"\\u0062\":2"),
        ("{\"_type\"", "{\"unknown\":{\"x\":1,\"x\":1},\"_type\""),
    ] {
        assert!(good.contains(from), "{from}");
        let error = read(&good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains("duplicate member"), "{to}: {error}");
    }
}

#[test]
fn statements_are_strict_where_the_specification_is() {
    let good = statement("https://example.com/p", "{}");
    assert!(read(&good).is_ok());
    assert!(
        read(&good.replace(",\"predicate\":", ",\"other\":").replace("\n", " ")).is_ok(),
        "a predicate is optional"
    );
    for (from, to, at, complaint) in [
        (STATEMENT_TYPE, STATEMENT_TYPE_V0_1, "/_type", "_type is"),
        (STATEMENT_TYPE, "https://in-toto.io/Statement/v1.0", "/_type", "_type is"),
        (STATEMENT_TYPE, "", "/_type", "_type is"),
        ("\"_type\"", "\"type\"", "/_type", "the statement has no _type"),
        ("https://example.com/p", "", "/predicateType", "predicateType is empty"),
        ("\"https://example.com/p\"", "7", "/predicateType", "invalid type"),
        ("\"predicateType\"", "\"predicatetype\"", "/predicateType", "the statement has no predicateType"),
        ("\"subject\"", "\"subjects\"", "/subject", "the statement has no subject"),
        ("{\"name\":\"a\"", "[],{\"name\":\"a\"", "/subject/0", "expected a JSON object"),
        ("{\"name\":\"a\"", "{\"digest\":{\"md5\":\"\"}},{\"name\":\"a\"", "/subject/0/digest/md5", "empty"),
        ("\"digest\"", "\"digests\"", "/subject/0/digest", "subject 0 ('a') has no digest"),
        ("\"sha256\":", "\"sha512\":", "/subject/0/digest/sha512", "128 characters"),
        ("\"sha256\":", "\"a/b\":\"\",\"sha256\":", "/subject/0/digest/a~1b", "empty"),
        ("abab", "ABAB", "/subject/0/digest/sha256", "lowercase"),
        ("\"a\"", "7", "/subject/0/name", "invalid type"),
        ("\"a\"", "\"a\",\"content\":\"a b\"", "/subject/0/content", "base64"),
        ("\"a\"", "\"a\",\"mediaType\":1", "/subject/0/mediaType", "invalid type"),
        ("\"a\"", "\"a\",\"downloadLocation\":{}", "/subject/0/downloadLocation", "invalid type"),
        ("\"a\"", "\"a\",\"annotations\":[]", "/subject/0/annotations", "invalid type"),
        ("\"predicate\":{}", "\"predicate\":[]", "/predicate", "expected an object"),
        ("\"predicate\":{}", "\"predicate\":{\"a\":{\"b\":1,\"b\":1}}", "/predicate/a/b", "duplicate member"),
        ("\"predicate\":{}", "\"predicate\":{},", "", "at line"),
    ] {
        assert!(good.contains(from), "{from}");
        let error = read(&good.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(complaint), "{to}: {error}");
        assert_eq!(error.at(), at, "{to}: {error}");
    }
    let error = read(&statement(vsa_v1::PREDICATE_TYPE, "{\"policy\":{}}")).unwrap_err();
    assert_eq!(error.at(), "/predicate/policy/uri");
    let empty = format!(r#"{{"_type":"{STATEMENT_TYPE}","subject":[],"predicateType":"x:y"}}"#);
    assert!(matches!(read(&empty), Err(AttestationError::NoSubject)));
    for payload_type in
        ["application/vnd.in-toto.provenance+json", "application/json", "", "APPLICATION/vnd.in-toto+json"]
    {
        let error = read_attestation(payload_type, good.as_bytes()).unwrap_err();
        assert!(matches!(error, AttestationError::PayloadType(_)), "{payload_type}");
    }
}

#[test]
fn equal_names_are_read_and_can_be_told() {
    let subject =
        |name: &str, digit: &str| format!(r#"{{{name}"digest":{{"sha256":"{}"}}}}"#, digit.repeat(64));
    let check = |subjects: [String; 3]| {
        let subjects = subjects.join(",");
        let text = format!(r#"{{"_type":"{STATEMENT_TYPE}","subject":[{subjects}],"predicateType":"x:y"}}"#);
        read(&text).unwrap().check_names().map_err(|error| error.at())
    };
    let (a, b) = (r#""name":"config.json","#, r#""name":"b","#);
    assert_eq!(check([subject(a, "1"), subject(b, "2"), subject(a, "3")]), Err("/subject/2/name".into()));
    assert_eq!(check([subject(a, "1"), subject(a, "1"), subject(b, "1")]), Err("/subject/1/name".into()));
    for nameless in ["", r#""name":"_","#, r#""name":"","#, r#""name":null,"#] {
        assert_eq!(
            check([subject(a, "1"), subject(nameless, "2"), subject(nameless, "3")]),
            Ok(()),
            "{nameless}"
        );
    }
}

#[test]
fn the_old_statement_type_is_read_for_the_old_provenance_only() {
    let predicate = r#"{"builder":{"id":"https://b"},"buildType":"https://t"}"#;
    let old = statement(slsa_provenance::PREDICATE_TYPE_V0_2, predicate);
    assert!(read(&old).is_ok());
    assert!(read(&old.replace(STATEMENT_TYPE, STATEMENT_TYPE_V0_1)).is_ok());
    let other = statement(vsa_v1::PREDICATE_TYPE, "{}").replace(STATEMENT_TYPE, STATEMENT_TYPE_V0_1);
    assert!(matches!(read(&other), Err(AttestationError::Type { .. })));
}

fn sample(folder: &str, name: &str) -> Result<Attestation, AttestationError> {
    read_attestation(IN_TOTO_PAYLOAD_TYPE, &std::fs::read(format!("{folder}/{name}.json")).unwrap())
}

fn provenance(attestation: &Attestation) -> &slsa_provenance::Provenance {
    let Predicate::Provenance(provenance) = &attestation.predicate else { panic!("{attestation:?}") };
    provenance
}

#[test]
fn samples_from_outside() {
    #[expect(clippy::disallowed_methods, reason = "where samples lie is for whoever runs the tests to say")]
    let Ok(samples) = std::env::var("MODELSEAL_SAMPLES") else {
        println!("skipped: MODELSEAL_SAMPLES is not set");
        return;
    };
    let folder = format!("{samples}/models-and-metadata/provenance");
    for (name, repository, reference) in [
        ("training-llama", None, None),
        ("training-lora", Some("https://github.com/acme/train"), Some("refs/tags/v1.2.0")),
        ("github-attest", Some("https://github.com/acme/train"), Some("refs/tags/v1.2.0")),
        ("github-slsa-generator-v0.2", Some("https://github.com/acme/bert"), Some("refs/heads/main")),
        ("gitlab-rails-v1", Some("https://gitlab.com/acme/vit"), None),
        ("gitlab-docs-integer-id", Some("https://gitlab.com/acme/vit"), None),
        ("gitlab-runner-v0.2", Some("https://gitlab.com/acme/vit"), None),
        ("tekton-chains-v2alpha4", Some("https://github.com/acme/pipelines.git"), None),
    ] {
        let read = sample(&folder, name).unwrap_or_else(|e| panic!("{name}: {e}"));
        let source = provenance(&read).source().unwrap_or_else(|| panic!("{name}"));
        if let Some(repository) = repository {
            assert_eq!(source.repository, repository, "{name}");
        }
        if reference.is_some() {
            assert_eq!(source.reference.as_deref(), reference, "{name}");
        }
    }
    assert_eq!(
        provenance(&sample(&folder, "gitlab-docs-integer-id").unwrap()).invocation_id.as_deref(),
        Some("412")
    );

    let bad = format!("{folder}/bad");
    for (name, complaint) in [
        ("subject-without-digest", "subject 0 ('lora-adapter-shape') has no digest"),
        ("empty-subject", "the statement has no subject"),
        ("wrong-statement-type", "_type is 'https://in-toto.io/Statement/v1.0'"),
        ("no-build-type", "/buildDefinition/buildType: required"),
        ("null-builder-id", "/runDetails/builder/id: required"),
        ("uppercase-digest", "/subject/0/digest/sha256: 'FFF6"),
        ("name-only-dependency", "a resource needs a uri, a digest or content"),
    ] {
        let error = sample(&bad, name).unwrap_err().to_string();
        assert!(error.contains(complaint), "{name}: {error}");
    }
    // Two that are well formed, and that a policy has to refuse by what is read from them.
    let read = sample(&bad, "md5-only-base").unwrap();
    assert!(provenance(&read).dependencies("baseModel").all(|base| !base.is_pinned()));
    let read = sample(&bad, "unknown-external-parameter").unwrap();
    assert!(provenance(&read).external_parameters.contains_key("postprocess"));

    covered_samples(&samples, &folder);
}

/// The model directories that samples speak of, against the digests that somebody else computed of them.
fn covered_samples(samples: &str, folder: &str) {
    let expected = std::fs::read(format!("{samples}/models-and-metadata/expected.json")).unwrap();
    let expected = Value::parse(&expected, 1 << 24).unwrap();
    for (statement, model) in [("training-lora", "lora-adapter-shape"), ("github-attest", "llama-shape")] {
        let root = format!("{samples}/models-and-metadata/models/{model}");
        let mut resources = Vec::new();
        for entry in std::fs::read_dir(&root).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if !entry.file_type().unwrap().is_file() {
                println!("skipped: {model} has directories");
                return;
            }
            let bytes = std::fs::read(entry.path()).unwrap();
            let digest = sha256(&bytes);
            resources.push(Resource { path: ModelPath::parse(&name).unwrap(), range: None, digest });
        }
        let manifest = Manifest::sorted(Serialization::default(), resources).unwrap();
        let subjects = sample(folder, statement).unwrap().subjects;
        let cover = Target::of(&manifest).cover(&subjects);
        println!("{statement} of {model}: {cover}; {:?}", expected.get(model).map(Value::kind));
        assert!(matches!(cover, Cover::Full(FullBy::DirHash | FullBy::EveryFile(_))), "{statement}: {cover}");
        let fewer = &subjects[1..];
        assert!(!Target::of(&manifest).cover(fewer).is_full());
    }
}

fn sha256(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    Digest::new(Algorithm::Sha256, &sha2::Sha256::digest(bytes)).unwrap()
}
