//! `verify provenance`, end to end: statements as their producers write them, signed with a key.

mod documents;
mod keyless;
mod producers;
mod subjects;

use crate::common::{Ran, World, with};
use serde_json::{Value, json};

const V1: &str = "https://slsa.dev/provenance/v1";
const V0_2: &str = "https://slsa.dev/provenance/v0.2";
const KIND: &str = "application/vnd.in-toto+json";
const COMMIT: &str = "94efdd6f628eda9c1ae893467c9652808443ef3e";
const WORKFLOW: &str = "https://github.com/acme/train/.github/workflows/train.yml@refs/tags/v1.2.0";
const TRAINING: &str = "https://github.com/modelseal/modelseal/blob/main/docs/buildtypes/training/v1.md";

/// A world with a model, keys, and a bundle whose key is `k.key`.
struct Site {
    world: World,
    /// Root and manifest digest of `model`.
    digests: (String, String),
}

impl Site {
    fn new() -> Self {
        let world = World::signed();
        let digests = digests(&world, &[]);
        Self { world, digests }
    }

    /// The model as a whole.
    fn subject(&self) -> Value {
        let (root, manifest) = &self.digests;
        json!({"name": "model", "digest": {"sha256": root, "dirHash": manifest}})
    }

    /// A v1 statement about the model.
    fn statement(&self, predicate: Value) -> Value {
        statement(json!([self.subject()]), V1, predicate)
    }

    /// Signs a statement into a bundle.
    fn bundle(&self, file: &str, statement: &Value) {
        self.bundle_text(file, &statement.to_string());
    }

    fn bundle_text(&self, file: &str, statement: &str) {
        let (payload, sig) = self.sign(statement);
        let mut bundle: Value = serde_json::from_str(&self.world.read("model.sig")).unwrap();
        bundle["dsseEnvelope"]["payload"] = payload.into();
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = sig.into();
        self.world.file(file, bundle.to_string());
    }

    /// The same as an envelope by itself, as Tekton Chains writes it.
    fn envelope(&self, file: &str, statement: &Value) {
        let (payload, sig) = self.sign(&statement.to_string());
        let envelope = json!({
            "payloadType": KIND, "payload": payload, "signatures": [{"keyid": "SHA256:anything", "sig": sig}],
        });
        self.world.file(file, envelope.to_string());
    }

    /// Payload and signature in base64.
    fn sign(&self, statement: &str) -> (String, String) {
        let world = &self.world;
        world.file("pae", format!("DSSEv1 {} {KIND} {} {statement}", KIND.len(), statement.len()));
        world.file("payload", statement);
        world
            .tool("openssl", &["pkeyutl", "-sign", "-inkey", "k.key", "-rawin", "-in", "pae", "-out", "sig"]);
        let base64 = |file| world.tool("openssl", &["base64", "-A", "-in", file]);
        (base64("payload"), base64("sig"))
    }

    fn run(&self, more: &[&str]) -> Ran {
        self.world.run(&with(&VERIFY, more))
    }

    /// Refused: exit 1, the code, and part of the message.
    fn refused(&self, more: &[&str], code: &str, message: &str) -> Value {
        let document = self.world.refused(&with(&VERIFY, more), 1, code, message);
        assert_eq!(
            (&document["verdict"], &document["schema"]),
            (&json!("deny"), &json!("modelseal.provenance/v1"))
        );
        document
    }

    fn json(&self, more: &[&str]) -> Value {
        self.run(&with(more, &["--format", "json"])).exits(0).json()
    }
}

const VERIFY: [&str; 5] = ["verify", "provenance", "model", "--public-key", "k.pub"];

/// Root and manifest digest of `model`, measured like this.
fn digests(world: &World, how: &[&str]) -> (String, String) {
    let document = world.run(&with(&["digest", "model", "--format", "json"], how)).exits(0).json();
    let hex = |name: &str| document["digests"][name].as_str().unwrap().split_once(':').unwrap().1.to_owned();
    (hex("root"), hex("manifest"))
}

fn statement(subject: Value, predicate_type: &str, predicate: Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": predicate_type,
        "predicate": predicate,
    })
}

/// As `actions/attest` writes it.
fn github() -> Value {
    json!({
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {"workflow": {
                "ref": "refs/tags/v1.2.0", "repository": "https://github.com/acme/train",
                "path": ".github/workflows/train.yml",
            }},
            "internalParameters": {"github": {"event_name": "push", "runner_environment": "github-hosted"}},
            "resolvedDependencies": [{
                "uri": "git+https://github.com/acme/train@refs/tags/v1.2.0", "digest": {"gitCommit": COMMIT},
            }],
        },
        "runDetails": {
            "builder": {"id": WORKFLOW},
            "metadata": {"invocationId": "https://github.com/acme/train/actions/runs/9/attempts/1"},
        },
    })
}

/// As modelseal writes it.
fn training() -> Value {
    let base = "pkg:huggingface/acme/base@276e7028b9fd496cbeda930d55dc8b0fc3c18f32";
    json!({
        "buildDefinition": {
            "buildType": TRAINING,
            "externalParameters": {
                "source": "git+https://github.com/acme/train@refs/tags/v1.2.0", "baseModel": base,
                "hyperparameters": {"seed": "9007199254740993", "learning_rate": "2e-4"},
            },
            "resolvedDependencies": [
                {"name": "source", "uri": "git+https://github.com/acme/train@refs/tags/v1.2.0",
                 "digest": {"gitCommit": COMMIT}},
                {"name": "baseModel", "uri": base, "digest": {"sha256": "ab".repeat(32), "dirHash": "cd".repeat(32)},
                 "annotations": {"digestMethod": "oms/v1.0;files;sha256"}},
            ],
        },
        "runDetails": {"builder": {"id": "https://trainer.example/l2"}, "metadata": {
            "invocationId": "run-1", "startedOn": "2026-03-01T00:00:00Z", "finishedOn": "2026-03-01T06:30:00Z",
        }},
    })
}

/// The checks that failed, by id and code.
fn failed(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = report["provenances"][0]["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["status"] == "fail");
    failed.map(|check| (text(&check["id"]), text(&check["code"]))).collect()
}

#[test]
fn everything_that_is_expected_is_compared() {
    let site = Site::new();
    site.bundle("p.json", &site.statement(github()));
    let all = [
        "--bundle",
        "p.json",
        "--builder-id",
        WORKFLOW,
        "--builder-level",
        "2",
        "--min-level",
        "2",
        "--build-type",
        "https://actions.github.io/buildtypes/workflow/v1",
        "--source-uri",
        "github.com/acme/train",
        "--source-tag",
        "v1.2.0",
        "--source-digest",
        COMMIT,
    ];
    site.run(&all)
        .exits(0)
        .says_nothing()
        .prints("the model was made as expected, by")
        .prints("SLSA Build L2: this verifier grants it")
        .prints("3 of 3 compared");
    let report = site.json(&all);
    assert_eq!(report["verdict"], "allow");
    let facts = &report["provenances"][0];
    assert_eq!((&facts["producer"], &facts["level"]["granted"]), (&json!("github-attest"), &json!(2)));
    assert_eq!(facts["source"]["commits"], json!([COMMIT]));
    assert!(facts["checks"].as_array().unwrap().iter().all(|check| check["status"] == "pass"), "{facts:#}");
    // One thing that is otherwise, each time.
    for (at, value, code) in [
        (
            3,
            "https://github.com/acme/train/.github/workflows/other.yml@refs/tags/v1.2.0",
            "slsa.builder-untrusted",
        ),
        (9, "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1", "slsa.build-type"),
        (11, "github.com/acme/trai", "slsa.source-mismatch"),
        (13, "v1.2.1", "slsa.ref-mismatch"),
        (15, "ffefdd6f628eda9c1ae893467c9652808443ef3e", "slsa.source-digest-mismatch"),
    ] {
        let mut changed = all;
        changed[at] = value;
        let report = site.refused(&changed, code, "Verification failed with error: ");
        assert_eq!(failed(&report)[0].1, code);
    }
    // All that is wrong is said at once, with what to do.
    let wrong = [
        "--bundle",
        "p.json",
        "--builder-id",
        "https://b.example",
        "--source-uri",
        "https://s.example",
        "--source-branch",
        "main",
        "--parameter",
        "/workflow/path=x",
        "--build-type",
        "https://t.example",
    ];
    let report = site.refused(&wrong, "slsa.builder-untrusted", "; 4 more checks fail");
    let ids: Vec<String> = failed(&report).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["builder", "build-type", "source", "source-ref", "parameters"]);
    for check in report["provenances"][0]["checks"].as_array().unwrap() {
        assert!(check["status"] != "fail" || check["fix"].is_string(), "{check}");
    }
    site.run(&wrong)
        .exits(1)
        .says("expected:   \"https://b.example\"")
        .says("what to do: ")
        .says("see:        docs/codes/");
}

#[test]
fn without_expectations_the_level_is_one_and_the_output_says_what_was_not_compared() {
    let site = Site::new();
    site.bundle("p.json", &site.statement(github()));
    site.run(&["--bundle", "p.json"])
        .exits(0)
        .prints("(SLSA Build L1); not compared: builder, build-type, source, source-ref, source-digest, parameters")
        .prints(&format!("add --builder-id '{WORKFLOW}'"))
        .prints("/workflow/ref = \"refs/tags/v1.2.0\"  (not compared)");
    // That is not enough for more.
    let report =
        site.refused(&["--bundle", "p.json", "--min-level", "2"], "slsa.level-too-low", "required is 2");
    let codes: Vec<String> = failed(&report).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["slsa.level-too-low", "slsa.not-compared", "slsa.not-compared", "slsa.not-compared"]);
    // A builder is worth level 1 until somebody says otherwise, whatever it says of itself.
    let named = ["--bundle", "p.json", "--builder-id", WORKFLOW];
    let report = site.json(&named);
    assert_eq!(report["provenances"][0]["level"]["granted"], 1);
    let claims = with(
        &named,
        &["--min-level", "2", "--source-uri", "github.com/acme/train", "--source-tag", "v1.2.0"],
    );
    site.refused(&claims, "slsa.level-too-low", "granted level 1");
    // The named builder is the workflow at this path, so that the path is compared with it.
    site.run(&with(&claims, &["--builder-level", "3"])).exits(0).prints("3 of 3 compared");
    let pattern = ["--builder-id-pattern", r"https://github\.com/acme/train/.*@refs/tags/v1\..*"];
    site.run(&with(&["--bundle", "p.json"], &pattern)).exits(0);
    let pattern = ["--builder-id-pattern", r"https://github\.com/acme/train/.*@refs/tags/v1"];
    site.refused(&with(&["--bundle", "p.json"], &pattern), "slsa.builder-untrusted", "the regex");
}

#[test]
fn a_level_above_one_is_not_made_out_of_nothing() {
    let site = Site::new();
    site.bundle("p.json", &site.statement(github()));
    let p = ["--bundle", "p.json", "--min-level", "3", "--builder-level", "3"];
    let usage = |args: &[&str], part: &str| {
        site.run(&with(&p, args)).exits(2).says(part);
    };
    usage(&["--builder-id", WORKFLOW, "--allow-unknown-parameters"], "--any-parameter");
    usage(&["--builder-id", LOCAL_BUILDER, "--any-parameter", "/workflow"], "the local builder");
    for pattern in [
        ".*",
        "(?:.*)",
        ".+",
        r"https://.*",
        r"https?://[^/]+/acme/.*",
        "https://github.com/acme/.*",
        "(https://a/.*|.*)",
    ] {
        usage(
            &["--builder-id-pattern", pattern, "--any-parameter", "/workflow"],
            "begin with a scheme and a host",
        );
    }
    let named =
        ["--builder-id-pattern", r"https://github\.com/acme/train/.*", "--any-parameter", "/workflow"];
    site.run(&with(&p, &named)).exits(0);
    // A pattern that the local builder matches grants it nothing.
    let mut predicate = github();
    predicate["runDetails"]["builder"]["id"] = json!(LOCAL_BUILDER);
    site.bundle("p.json", &site.statement(predicate));
    let named = ["--builder-id-pattern", r"https://github\.com/.*", "--any-parameter", "/workflow"];
    site.refused(&with(&p, &named), "slsa.level-too-low", "granted level 1");
    site.run(&["--bundle", "p.json", "--builder-id", LOCAL_BUILDER]).exits(0);
}

const LOCAL_BUILDER: &str =
    "https://github.com/modelseal/modelseal/blob/main/docs/buildtypes/local-builder.md";

#[test]
fn a_self_hosted_runner_stays_at_level_one() {
    let site = Site::new();
    let mut predicate = github();
    predicate["buildDefinition"]["internalParameters"]["github"]["runner_environment"] = json!("self-hosted");
    site.bundle("p.json", &site.statement(predicate));
    let args = ["--bundle", "p.json", "--builder-id", WORKFLOW, "--builder-level", "3"];
    let report = site.json(&args);
    assert_eq!(report["provenances"][0]["level"]["granted"], 1);
    let args = with(&args, &["--min-level", "2", "--any-parameter", "/workflow"]);
    let report = site.refused(&args, "slsa.level-too-low", "granted level 1");
    assert!(report.to_string().contains("self-hosted runner"));
}

#[test]
fn parameters_are_closed() {
    let site = Site::new();
    site.bundle("p.json", &site.statement(training()));
    let p = ["--bundle", "p.json"];
    site.run(&p)
        .exits(0)
        .prints("/hyperparameters/seed = \"9007199254740993\"  (not compared)")
        .prints("baseModel");
    // Text that spells a number is compared digit for digit.
    site.run(&with(&p, &["--parameter", "/hyperparameters/seed=9007199254740993"])).exits(0);
    let wrong = ["--parameter", "/hyperparameters/seed=9007199254740992"];
    site.refused(&with(&p, &wrong), "slsa.parameter-mismatch", "/hyperparameters/seed");
    site.refused(
        &with(&p, &["--parameter", "/hyperparameters/epochs=3"]),
        "slsa.parameter-mismatch",
        "nothing stands there",
    );
    // At level 2 each has to be compared, or accepted by name.
    let level = ["--builder-id", "https://trainer.example/l2", "--builder-level", "2", "--min-level", "2"];
    let base = with(&p, &level);
    let source = ["--source-uri", "https://github.com/acme/train", "--source-tag", "v1.2.0"];
    let report = site.refused(&with(&base, &source), "slsa.not-compared", "/baseModel");
    assert_eq!(failed(&report).len(), 3);
    let model = "--parameter=/baseModel=pkg:huggingface/acme/base@276e7028b9fd496cbeda930d55dc8b0fc3c18f32";
    let rest = ["--any-parameter", "/hyperparameters", model];
    site.run(&with(&with(&base, &source), &rest)).exits(0);
    // One that the build type does not define.
    let mut predicate = training();
    predicate["buildDefinition"]["externalParameters"]["postprocess"] = json!("curl x | sh");
    site.bundle("u.json", &site.statement(predicate));
    let u = ["--bundle", "u.json"];
    site.refused(&u, "slsa.parameter-unknown", "/postprocess is \"curl x | sh\"");
    site.run(&with(&u, &["--allow-unknown-parameters"]))
        .exits(0)
        .prints("1 not compared and accepted unseen");
    site.run(&with(&u, &["--parameter", "/postprocess=curl x | sh"])).exits(0);
    // Numbers, truth values and objects are compared by value.
    let mut predicate = github();
    predicate["buildDefinition"]["buildType"] = json!("https://example.com/t");
    predicate["buildDefinition"]["externalParameters"] = json!({"a": {"n": 3, "b": true}, "l": [1, "x"]});
    site.bundle("o.json", &site.statement(predicate));
    let o = ["--bundle", "o.json"];
    site.refused(&o, "slsa.parameter-unknown", "; 2 more checks fail");
    let list = ["--parameter", "/l=[1,\"x\"]"];
    site.run(&with(&with(&o, &list), &["--parameter", "/a/n=3", "--parameter", "/a/b=true"])).exits(0);
    site.run(&with(&with(&o, &list), &["--parameter", "/a={\"b\": true, \"n\": 3.0}"])).exits(0);
    site.refused(
        &with(&with(&o, &list), &["--parameter", "/a={\"b\": true}"]),
        "slsa.parameter-mismatch",
        "/a",
    );
}

#[test]
fn inputs_of_our_build_types_have_to_be_pinned() {
    let site = Site::new();
    let mut predicate = training();
    predicate["buildDefinition"]["resolvedDependencies"][1]["digest"] = json!({"md5": "0".repeat(32)});
    site.bundle("p.json", &site.statement(predicate));
    let p = ["--bundle", "p.json"];
    site.refused(&p, "slsa.input-unresolved", "UNRESOLVED /buildDefinition/externalParameters/baseModel");
    site.run(&with(&p, &["--allow-unresolved"])).exits(0).prints("UNRESOLVED").prints("pins nothing");
    let mut predicate = training();
    predicate["buildDefinition"]["externalParameters"]["baseModel"] = json!(7);
    site.bundle("p.json", &site.statement(predicate));
    site.refused(&p, "slsa.parameter-mismatch", "/buildDefinition/externalParameters/baseModel");
}

#[test]
fn provenances_that_contradict_each_other_are_both_shown() {
    let site = Site::new();
    site.bundle("a.json", &site.statement(github()));
    site.bundle("b.json", &site.statement(training()));
    let both = ["--bundle", "b.json", "--bundle", "a.json"];
    site.run(&both).exits(0).says("contradict each other about: builder, build type, parameters");
    let report = site.json(&both);
    assert_eq!(
        (&report["decisive"], &report["disagreements"][0]["document"]),
        (&json!("a.json"), &json!("b.json"))
    );
    site.refused(&with(&both, &["--no-disagreement"]), "slsa.disagreement", "'b.json' contradicts 'a.json'");
    // The one that is as expected decides, and the other does no harm unless asked.
    let expected = with(&both, &["--builder-id", "https://trainer.example/l2"]);
    site.run(&expected).exits(0).prints("document:  b.json");
    site.refused(
        &with(&expected, &["--no-disagreement"]),
        "slsa.disagreement",
        "'a.json' contradicts 'b.json'",
    );
    // Copies agree, and what is about another model disagrees with nothing.
    site.world.file("c.json", site.world.read("a.json"));
    let other = statement(json!([{"name": "m", "digest": {"dirHash": "0".repeat(64)}}]), V1, training());
    site.bundle("d.json", &other);
    let agreeing = ["--bundle", "a.json", "--bundle", "c.json", "--bundle", "d.json", "--no-disagreement"];
    site.run(&agreeing).exits(0).says_nothing().prints("also there: d.json");
}

#[test]
fn wrong_flags_are_usage_errors() {
    let site = Site::new();
    site.bundle("p.json", &site.statement(github()));
    let verify = ["verify", "provenance", "model"];
    let usage = |args: &[&str], code: &str, message: &str| {
        site.world.refused(&with(&verify, args), 2, code, message);
    };
    usage(&["--bundle", "p.json"], "usage.flags", "--public-key");
    usage(&["--public-key", "k.pub"], "usage.flags", "--bundle");
    usage(&["--bundle", "p.json", "--identity", "a@example.com"], "usage.flags", "--identity-provider");
    usage(
        &["--bundle", "p.json", "--public-key", "k.pub", "--identity", "a", "--identity-provider", "b"],
        "usage.flags",
        "",
    );
    let key = |more: &[&'static str]| [&["--bundle", "p.json", "--public-key", "k.pub"], more].concat();
    usage(&key(&["--builder-level", "2"]), "usage.flags", "--builder-id");
    usage(&key(&["--min-level", "4"]), "usage.flags", "--min-level");
    usage(&key(&["--source-uri", "https://h.example/a@main"]), "usage.flags", "--source-ref");
    usage(&key(&["--source-digest", "main"]), "usage.flags", "no commit");
    usage(&key(&["--source-ref", "a", "--source-tag", "b"]), "usage.flags", "--source-tag");
    usage(&key(&["--parameter", "seed=1"]), "usage.flags", "seed");
    usage(&key(&["--parameter", "/seed"]), "usage.flags", "POINTER=VALUE");
    usage(&key(&["--parameter", "/a=1", "--any-parameter", "/a"]), "usage.flags", "twice");
    usage(&key(&["--require-log"]), "usage.flags", "--trusted-root");
    usage(&key(&["--bundle", "absent.json"]), "usage.file", "absent.json");
    usage(&key(&["--bundle-dir", "absent"]), "usage.file", "absent");
    site.world.refused(
        &["verify", "provenance", "absent", "--bundle", "p.json", "--public-key", "k.pub"],
        3,
        "error.io",
        "absent",
    );
}
