//! Statements by others: attestations, provenance, verification summaries, datasets, base models.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod decision_support;

use decision_support::*;
use modelseal_core::{manifest::Manifest, predicate::descriptor::Descriptor};
use modelseal_verify::{
    decision::{BaseModel, BaseModels, Code, Request, Verdict, decide_with},
    facts::Facts,
    policy::reference::Reference,
};
use serde_json::{Value, json};

const EVAL: &str = "https://in-toto.io/attestation/test-result/v0.1";

fn eval(result: &str, names: &[&str]) -> Value {
    let configuration: Vec<Value> =
        names.iter().map(|name| json!({ "name": name, "digest": { "sha256": "ab".repeat(32) } })).collect();
    json!({ "result": result, "configuration": configuration })
}

fn attested(extra: &str) -> String {
    head("p")
        + &Key::new(1).signer("acme", "")
        + &Key::new(2).signer("ci", "")
        + &Key::new(3).signer("qa", "")
        + &rule(&format!(
            "signature = {{ signers = [\"acme\"] }}\nattestation = [{{ name = \"eval\", predicate-type = \"{EVAL}\", {extra} }}]"
        ))
}

fn case(extra: &str) -> Case {
    Case::new(&attested(extra)).bundle(Key::new(1).sign_model(&model()))
}

fn said(predicate: Value) -> Vec<u8> {
    Key::new(2).sign_statement(&statement(EVAL, &model(), predicate))
}

const TESTED: &str = "signers = [\"ci\"], where = { \"/result\" = \"PASSED\", \"/configuration/*/name\" = { some = \"safety\" } }";

#[test]
fn an_attestation_by_a_listed_signer_about_this_model_with_the_right_fields() {
    case(TESTED).bundle(said(eval("PASSED", &["speed", "safety"]))).allowed();
    case(TESTED).denied(Code::AttestationMissing);
    case(TESTED).bundle(said(eval("FAILED", &["safety"]))).denied(Code::AttestationFieldMismatch);
    case(TESTED).bundle(said(eval("PASSED", &["speed"]))).denied(Code::AttestationFieldMismatch);
    let foreign = Key::new(9).sign_statement(&statement(EVAL, &model(), eval("PASSED", &["safety"])));
    case(TESTED).bundle(foreign).denied(Code::AttestationMissing);
    // A signer of the policy that this block does not list counts for nothing in it.
    let unlisted = Key::new(1).sign_statement(&statement(EVAL, &model(), eval("PASSED", &["safety"])));
    case(TESTED).bundle(unlisted).denied(Code::AttestationMissing);
    let other = statement(EVAL, &manifest(&[("config.json", "other")]), eval("PASSED", &["safety"]));
    case(TESTED).bundle(Key::new(2).sign_statement(&other)).denied(Code::AttestationSubjectMismatch);
    let alias =
        statement("https://in-toto.io/attestation/test-result/v0.2", &model(), eval("PASSED", &["safety"]));
    case(TESTED).bundle(Key::new(2).sign_statement(&alias)).denied(Code::AttestationMissing);
}

#[test]
fn of_several_attestations_all_any_or_the_latest_must_pass() {
    let with =
        |select: &str| case(&format!("signers = [\"ci\"], where = {{ \"/result\" = \"PASSED\" }}{select}"));
    let (good, bad) = (said(eval("PASSED", &["a"])), said(eval("FAILED", &["a"])));
    with("").bundle(good.clone()).allowed();
    with("").bundle(good.clone()).bundle(bad.clone()).denied(Code::AttestationFieldMismatch);
    with(", select = \"any\"").bundle(good.clone()).bundle(bad.clone()).allowed();
    let latest = |good_at: &str, bad_at: &str| {
        with(", select = \"latest\"").stamped(good.clone(), &[good_at]).stamped(bad.clone(), &[bad_at])
    };
    latest("2026-11-02T00:00:00Z", "2026-11-01T00:00:00Z").allowed();
    latest("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z").denied(Code::AttestationFieldMismatch);
    latest("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z").denied(Code::AttestationFieldMismatch);
    with(", select = \"latest\"")
        .stamped(good, &["2026-11-01T00:00:00Z"])
        .bundle(bad)
        .denied(Code::TimeNoTrustedTime);
}

#[test]
fn attestations_have_thresholds_and_ages() {
    let both = "signers = [\"ci\", \"qa\"], threshold = 2";
    let by = |n| Key::new(n).sign_statement(&statement(EVAL, &model(), eval("PASSED", &["a"])));
    case(both).bundle(by(2)).bundle(by(3)).allowed();
    case(both).bundle(by(2)).denied(Code::AttestationThresholdNotMet);
    let again = Key::new(2).sign_statement(&statement(EVAL, &model(), eval("PASSED", &["b"])));
    case(both).bundle(by(2)).bundle(again).denied(Code::AttestationThresholdNotMet);
    let aged = "signers = [\"ci\"], max-age = \"30d\"";
    case(aged).stamped(by(2), &["2026-11-01T00:00:00Z"]).allowed();
    case(aged).stamped(by(2), &["2026-10-01T00:00:00Z"]).denied(Code::AttestationStale);
    case(aged).bundle(by(2)).denied(Code::AttestationStale);
}

fn provenance(parameters: Value, more: Value) -> Value {
    let mut build = json!({
        "buildType": "https://acme.example/finetune/v1",
        "externalParameters": parameters,
        "resolvedDependencies": [],
    });
    if !more.is_null() {
        build["resolvedDependencies"] = more;
    }
    json!({ "buildDefinition": build, "runDetails": { "builder": { "id": "https://acme.example/builder@v4" } } })
}

fn built(slsa: &str, more: &str) -> String {
    head("p")
        + &Key::new(2).signer("builder", "")
        + &Key::new(3).signer("other", "")
        + "builders.b = { signers = [\"builder\"], builder-id = \"https://acme.example/builder@v4\", max-level = 3, build-types = [\"https://acme.example/finetune/v1\"] }\n"
        + "builders.low = { signers = [\"builder\"], builder-id = \"https://acme.example/builder@v4\", max-level = 1, build-types = [\"https://acme.example/finetune/v1\"] }\n"
        + &rule(&format!(
            "bind = \"provenance\"\nslsa = {{ builders = [\"b\"], min-level = 3, {slsa} }}\n{more}"
        ))
}

fn provenance_of(name: &str, model: &Manifest, predicate: Value) -> Vec<u8> {
    Key::new(2).sign_statement(&named_statement(PROVENANCE, name, model, predicate))
}

const PARAMETERS: &str = "external-parameters = { \"/recipe\" = { glob = \"prod/*.yaml\" }, \"/epochs\" = { le = 5 }, \"/seed\" = { any = true } }";

#[test]
fn provenance_by_a_listed_builder_with_closed_parameters() {
    let good = json!({ "recipe": "prod/a.yaml", "epochs": 5, "seed": 7 });
    let with = |parameters: &Value| {
        Case::new(&built(PARAMETERS, "")).bundle(provenance_of(
            REFERENCE,
            &model(),
            provenance(parameters.clone(), Value::Null),
        ))
    };
    with(&good).allowed();
    Case::new(&built(PARAMETERS, "")).denied(Code::SlsaMissing);
    let changed = |name: &str, value: Value| {
        let mut parameters = good.clone();
        parameters[name] = value;
        with(&parameters)
    };
    changed("epochs", json!(6)).denied(Code::SlsaParameterMismatch);
    changed("epochs", json!("5")).denied(Code::SlsaParameterMismatch);
    changed("recipe", json!("prod/x/a.yaml")).denied(Code::SlsaParameterMismatch);
    changed("debug", json!(true)).denied(Code::SlsaParameterUnknown);
    changed("debug", json!({})).denied(Code::SlsaParameterUnknown);
    changed("seed", json!({ "any": "thing" })).allowed();
    with(&json!({ "recipe": "prod/a.yaml", "epochs": 5 })).denied(Code::SlsaParameterMismatch);
    let open = format!("{PARAMETERS}, unknown-parameters = \"allow\"");
    let mut more = good.clone();
    more["debug"] = json!(true);
    Case::new(&built(&open, ""))
        .bundle(provenance_of(REFERENCE, &model(), provenance(more, Value::Null)))
        .allowed();
}

#[test]
fn a_test_of_a_part_leaves_the_rest_of_an_object_untested() {
    let slsa = "external-parameters = { \"/w/ref\" = \"main\" }";
    let with = |parameters: Value| {
        Case::new(&built(slsa, "")).bundle(provenance_of(
            REFERENCE,
            &model(),
            provenance(parameters, Value::Null),
        ))
    };
    with(json!({ "w": { "ref": "main" } })).allowed();
    with(json!({ "w": { "ref": "main", "inject": "x" } })).denied(Code::SlsaParameterUnknown);
    with(json!({ "w": { "ref": { "main": 1 } } })).denied(Code::SlsaParameterMismatch);
}

#[test]
fn builders_types_levels_and_names_must_be_those_of_the_policy() {
    let good = || provenance(json!({}), Value::Null);
    let with =
        |predicate: Value| Case::new(&built("", "")).bundle(provenance_of(REFERENCE, &model(), predicate));
    with(good()).allowed();
    let mut other = good();
    other["runDetails"]["builder"]["id"] = json!("https://acme.example/builder@v5");
    with(other).denied(Code::SlsaBuilderUntrusted);
    let mut other = good();
    other["buildDefinition"]["buildType"] = json!("https://acme.example/finetune/v2");
    with(other).denied(Code::SlsaBuildType);
    let low = built("", "").replace("builders = [\"b\"]", "builders = [\"low\"]");
    let complaints = refused(&low);
    assert!(complaints.iter().any(|c| c.contains("level")), "{complaints:?}");
    // The right words by another signer, other files, another name.
    let foreign = Key::new(3).sign_statement(&named_statement(PROVENANCE, REFERENCE, &model(), good()));
    Case::new(&built("", "")).bundle(foreign).denied(Code::SlsaMissing);
    let elsewhere = provenance_of(REFERENCE, &manifest(&[("config.json", "x")]), good());
    Case::new(&built("", "")).bundle(elsewhere).denied(Code::SlsaMissing);
    let toy = provenance_of("hf://huggingface.co/acme/toy", &model(), good());
    Case::new(&built("", "")).bundle(toy).denied(Code::BindNameMismatch);
    // A subject of the right name and other bytes beside one of the right bytes and another name.
    let mut two = named_statement(PROVENANCE, "hf://huggingface.co/acme/toy", &model(), good());
    two["subject"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": REFERENCE, "digest": { "dirHash": "0c".repeat(32) } }));
    Case::new(&built("", "")).bundle(Key::new(2).sign_statement(&two)).denied(Code::BindNameMismatch);
}

#[test]
fn sources_and_refs() {
    let slsa = "source = \"git+https://git.example/train\", source-ref = { regex = 'refs/tags/v[0-9]+' }, external-parameters = { \"/source\" = { any = true } }";
    let with = |source: &str| {
        let predicate = provenance(json!({ "source": source }), Value::Null);
        Case::new(&built(slsa, "")).bundle(provenance_of(REFERENCE, &model(), predicate))
    };
    with("git+https://git.example/train@refs/tags/v7").allowed();
    with("git+https://git.example/fork@refs/tags/v7").denied(Code::SlsaSourceMismatch);
    with("git+https://git.example/train@refs/heads/main").denied(Code::SlsaRefMismatch);
    with("git+https://git.example/train").denied(Code::SlsaRefMismatch);
}

#[test]
fn datasets_that_accepted_provenance_declares() {
    let datasets = "datasets = { evidence = [\"provenance\"], digest = \"required\", min-count = 1, allow = [{ glob = \"s3://ok/**\" }], deny = [\"s3://ok/books3/x\"] }";
    let set = |uri: &str, digest: bool| {
        let digest = if digest { json!({ "sha256": "ab".repeat(32) }) } else { json!({}) };
        json!({ "name": "dataset", "uri": uri, "digest": digest })
    };
    let with = |sets: Value| {
        Case::new(&built("", datasets)).bundle(provenance_of(
            REFERENCE,
            &model(),
            provenance(json!({}), sets),
        ))
    };
    with(json!([set("s3://ok/a/b", true)])).allowed();
    with(json!([])).denied(Code::DatasetNoneDeclared);
    with(json!([set("s3://ok/a", true), set("s3://scraped/web", true)])).denied(Code::DatasetNotAllowed);
    with(json!([set("s3://ok/books3/x", true)])).denied(Code::DatasetDenied);
    with(json!([set("s3://ok/a", false)])).denied(Code::DatasetDigestMissing);
    Case::new(&built("", datasets)).denied(Code::SlsaMissing);
    let bom = datasets.replace("[\"provenance\"]", "[\"provenance\", \"aibom\"]");
    Case::new(&built("", &bom))
        .bundle(provenance_of(REFERENCE, &model(), provenance(json!({}), json!([set("s3://ok/a/b", true)]))))
        .denied(Code::ErrorUnsupported);
}

/// Base models by reference.
struct Bases(Vec<(Request, Facts)>);

impl BaseModels for Bases {
    fn find(&self, reference: &Reference, _: &Descriptor) -> Option<BaseModel<'_>> {
        let found = self.0.iter().find(|(request, _)| request.reference() == reference);
        found.map(|(request, facts)| BaseModel { request, facts })
    }
}

#[test]
fn base_models_are_judged_by_the_same_policies() {
    let text = built("base-models = { verify = true, max-depth = 2 }", "")
        .replace(&format!("models = [\"{REFERENCE}\"]"), "models = [\"hf://huggingface.co/acme/*\"]");
    let (base, top) = (manifest(&[("base", "1")]), model());
    let base_name = "hf://huggingface.co/acme/base";
    let from = |uri: &str, digest: &str| json!([{ "name": "baseModel", "uri": uri, "digest": { "dirHash": digest } }]);
    let made_from = |uri: &str, digest: &str| {
        Case::new(&text).bundle(provenance_of(REFERENCE, &top, provenance(json!({}), from(uri, digest))))
    };
    let hex = base.manifest_digest().to_hex();
    let base_case = |dependencies: Value| {
        let case = Case::new(&text).named(base_name).model(base.clone());
        case.bundle(provenance_of(base_name, &base, provenance(json!({}), dependencies)))
    };
    let judge = |case: &Case, bases: &[&Case]| {
        let bases = Bases(bases.iter().map(|base| (base.request.clone(), base.facts())).collect());
        decide_with(&case.set, &case.request, &case.facts(), now(), &bases).report().clone()
    };
    let good = base_case(json!([]));
    let report = judge(&made_from(base_name, &hex), &[&good]);
    assert_eq!(report.verdict, Verdict::Allow, "{}", show(&report));
    let code = |case: &Case, bases: &[&Case]| judge(case, bases).code;
    assert_eq!(code(&made_from(base_name, &hex), &[]), Some(Code::SlsaBaseModelUnverified));
    // Allowed, with other bytes than those it was made from.
    assert_eq!(code(&made_from(base_name, &"0c".repeat(32)), &[&good]), Some(Code::SlsaBaseModelUnverified));
    // Not allowed.
    let changed = base_case(json!([])).model(manifest(&[("base", "2")]));
    assert_eq!(code(&made_from(base_name, &hex), &[&changed]), Some(Code::SlsaBaseModelUnverified));
    assert_eq!(code(&made_from("somewhere else", &hex), &[&good]), Some(Code::SlsaBaseModelUnverified));
    // A circle, and a model made from itself.
    let circle = base_case(from(REFERENCE, &top.manifest_digest().to_hex()));
    let top_case = made_from(base_name, &hex);
    let report = judge(&top_case, &[&circle, &top_case]);
    assert_eq!(
        (report.verdict, report.code),
        (Verdict::Error, Some(Code::ErrorLimitExceeded)),
        "{}",
        show(&report)
    );
    let itself = made_from(REFERENCE, &top.manifest_digest().to_hex());
    assert_eq!(code(&itself, &[&good]), Some(Code::ErrorLimitExceeded));
    // Too many generations.
    let name = |n: u32| format!("hf://huggingface.co/acme/base{n}");
    let bytes = |n: u32| manifest(&[("base", &n.to_string())]);
    let step = |n: u32| {
        let case = Case::new(&text).named(&name(n)).model(bytes(n));
        let older = from(&name(n + 1), &bytes(n + 1).manifest_digest().to_hex());
        case.bundle(provenance_of(&name(n), &bytes(n), provenance(json!({}), older)))
    };
    let (one, two, three) = (step(1), step(2), step(3));
    let first = made_from(&name(1), &bytes(1).manifest_digest().to_hex());
    let report = judge(&first, &[&one, &two, &three]);
    assert_eq!(
        (report.verdict, report.code),
        (Verdict::Error, Some(Code::ErrorLimitExceeded)),
        "{}",
        show(&report)
    );
}

fn summary(more: &[(&str, Value)]) -> Value {
    let mut vsa = json!({
        "verifier": { "id": "https://import.example/v2" },
        "timeVerified": "2026-11-01T00:00:00Z",
        "resourceUri": "file:///srv/models/a",
        "policy": { "uri": "https://import.example/policy", "digest": { "sha256": "ab".repeat(32) } },
        "verificationResult": "PASSED",
        "verifiedLevels": ["SLSA_BUILD_LEVEL_3", "ACME_IMPORT_APPROVED"],
    });
    for (pointer, value) in more {
        *vsa.pointer_mut(pointer).unwrap() = value.clone();
    }
    vsa
}

#[test]
fn verification_summaries_in_seven_steps() {
    let text = head("p")
        + &Key::new(4).signer("gate", "")
        + &Key::new(5).signer("other", "")
        + "[[rule]]\nname = \"r\"\nmodels = [\"file:///srv/models/**\"]\nbind = \"vsa\"\n\
           vsa = { verifiers = [{ signer = \"gate\", id = \"https://import.example/v2\" }], levels = [\"SLSA_BUILD_LEVEL_2\", \"ACME_IMPORT_APPROVED\"], \
           resource-uri = { glob = \"file:///srv/models/**\" }, policy-uri = \"https://import.example/policy\", max-age = \"30d\" }\n";
    let base = || Case::new(&text).named("file:///srv/models/a");
    let with = |more: &[(&str, Value)]| {
        base().bundle(Key::new(4).sign_statement(&statement(VSA, &model(), summary(more))))
    };
    with(&[]).allowed();
    base().denied(Code::VsaMissing);
    let other = Key::new(5).sign_statement(&statement(VSA, &model(), summary(&[])));
    base().bundle(other).denied(Code::VsaMissing);
    let elsewhere = statement(VSA, &manifest(&[("x", "y")]), summary(&[]));
    base().bundle(Key::new(4).sign_statement(&elsewhere)).denied(Code::VsaMissing);
    with(&[("/verifier/id", json!("https://import.example/v1"))]).denied(Code::VsaVerifierUntrusted);
    with(&[("/resourceUri", json!("file:///srv/other/a"))]).denied(Code::VsaResourceUriMismatch);
    with(&[("/resourceUri", json!("file:///srv/models/b"))]).denied(Code::BindNameMismatch);
    with(&[("/verificationResult", json!("FAILED"))]).denied(Code::VsaNotPassed);
    with(&[("/verifiedLevels", json!(["SLSA_BUILD_LEVEL_3"]))]).denied(Code::VsaLevelMissing);
    with(&[("/verifiedLevels", json!(["SLSA_BUILD_LEVEL_1", "ACME_IMPORT_APPROVED"]))])
        .denied(Code::VsaLevelMissing);
    with(&[("/policy/uri", json!("https://import.example/other"))]).denied(Code::VsaPolicyMismatch);
    with(&[("/timeVerified", json!("2026-10-01T00:00:00Z"))]).denied(Code::VsaStale);
    with(&[("/timeVerified", json!("2026-12-01T00:00:00Z"))]).denied(Code::TimeClockImplausible);
    // One that passes is enough, whatever else there is.
    with(&[])
        .bundle(Key::new(4).sign_statement(&statement(
            VSA,
            &model(),
            summary(&[("/verificationResult", json!("FAILED"))]),
        )))
        .allowed();
    // The bytes are those that were summarised.
    with(&[]).model(manifest(&[("x", "y")])).denied(Code::VsaMissing);
    // Before the model is measured nobody knows.
    with(&[]).unmeasured().undecided(Code::ErrorInternal);
}

/// What a waiver does not name is not excused by what it names: a binding that rests on the waived check fails itself.
#[test]
fn a_waived_check_does_not_carry_what_rests_on_it() {
    let waiver = |codes: &str| {
        format!(
            "waiver = [{{ id = \"W\", rule = \"r\", codes = [{codes}], digests = [\"{}\"], expires = 2026-12-15T00:00:00Z, \
             approved-by = [\"a@b.example\"], reason = \"x\" }}]\n",
            manifest_name(&model())
        )
    };
    let text = |codes: &str| built("", "").replace("signers.builder", &(waiver(codes) + "signers.builder"));
    Case::new(&text("\"slsa.missing\"")).denied(Code::BindNameNotAttested);
    Case::new(&text("\"slsa.missing\", \"bind.name-not-attested\"")).allowed();
}
