//! Provenance that a workflow signs keylessly, against a Sigstore instance in this process.

use super::{COMMIT, Site, failed, github};
use crate::common::with;
use modelseal_testkit::{Double, RekorVersion, TokenSpec};
use serde_json::{Value, json};

#[path = "../../../../crates/testkit/tests/common/mod.rs"]
mod client;

const SUBJECT: &str = "repo:acme/train:ref:refs/tags/v1.2.0";
const IDENTITY: &str = "https://github.com/acme/train/.github/workflows/train.yml@refs/tags/v1.2.0";

/// A site and the instance that its workflow signs with.
struct Ci {
    site: Site,
    double: Double,
}

impl Ci {
    fn new() -> Self {
        let (site, double) = (Site::new(), Double::start());
        double.write_to(site.world.path()).unwrap();
        Self { site, double }
    }

    /// Signs as the workflow whose token has these claims besides.
    fn sign(&self, statement: &Value, changes: Value) {
        let workflow = "acme/train/.github/workflows/train.yml@refs/tags/v1.2.0";
        let mut spec = TokenSpec { sub: SUBJECT.to_owned(), ..TokenSpec::github("acme/train") };
        for (name, value) in [
            ("ref", "refs/tags/v1.2.0"),
            ("sha", COMMIT),
            ("job_workflow_ref", workflow),
            ("workflow_ref", workflow),
        ] {
            spec.claims.insert(name.to_owned(), json!(value));
        }
        spec.claims.extend(changes.as_object().unwrap().clone());
        self.bundle(statement, &self.double.mint(&spec), SUBJECT);
    }

    fn bundle(&self, statement: &Value, token: &str, proof: &str) {
        let payload = statement.to_string().into_bytes();
        let key = client::Key::new();
        let chain = client::certificate(&self.double, &key, token, proof).unwrap();
        let header =
            format!("DSSEv1 {} {} {} ", client::PAYLOAD_TYPE.len(), client::PAYLOAD_TYPE, payload.len());
        let pae = [header.as_bytes(), &payload[..]].concat();
        let signature = key.sign(&pae);
        let envelope = json!({
            "payload": client::b64(&payload), "payloadType": client::PAYLOAD_TYPE,
            "signatures": [{"sig": client::b64(&signature)}],
        });
        let by = client::Verifier::Certificate(&chain[0]);
        let entry =
            client::log_envelope(&self.double, RekorVersion::V2, &envelope, &pae, &signature, &by).unwrap();
        let time = client::timestamp(&self.double.tsa_url(), &signature).unwrap();
        let material = json!({
            "certificate": {"rawBytes": client::b64(&chain[0])}, "tlogEntries": [entry],
            "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": client::b64(&time)}]},
        });
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": material,
            "dsseEnvelope": envelope,
        });
        self.site.world.file("p.json", bundle.to_string());
    }

    fn verify<'a>(&'a self, identity: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let base = [
            "verify",
            "provenance",
            "model",
            "--bundle",
            "p.json",
            "--trusted-root",
            "trusted_root.json",
            "--identity",
            identity,
            "--identity-provider",
            self.double.url(),
        ];
        with(&base, more)
    }

    fn refused(&self, more: &[&str], code: &str, message: &str) -> Value {
        self.site.world.refused(&self.verify(IDENTITY, more), 1, code, message)
    }
}

#[test]
fn a_workflow_vouches_for_what_its_certificate_says() {
    let ci = Ci::new();
    let statement = ci.site.statement(github());
    ci.sign(&statement, json!({}));
    let level = ["--builder-id", IDENTITY, "--builder-level", "2", "--min-level", "2"];
    let source = ["--source-uri", "github.com/acme/train", "--source-tag", "v1.2.0"];
    let all = with(&level, &source);
    ci.site
        .world
        .run(&ci.verify(IDENTITY, &all))
        .exits(0)
        .prints("SLSA Build L2")
        .prints("builder.id is build-signer-uri of the signing certificate")
        .prints("the commit is source-repository-digest of the signing certificate")
        .prints("log: ");
    let report = ci.site.world.run(&ci.verify(IDENTITY, &with(&all, &["--format", "json"]))).exits(0).json();
    assert_eq!(report["provenances"][0]["signer"]["method"], "sigstore");
    assert_eq!(report["trusted-root"]["origin"], "given");
    // Another identity, and another issuer.
    let other = ci.verify("https://github.com/acme/train/.github/workflows/train.yml@refs/tags/v1.2.1", &[]);
    ci.site.world.refused(&other, 1, "identity.subject-mismatch", "p.json");
    // The statement was written in the job: it cannot claim another builder, repository, ref or commit.
    for (claim, value, says) in [
        ("repository", json!("mallory/train"), "the source is"),
        ("ref", json!("refs/heads/dev"), "the ref is"),
        ("sha", json!("0".repeat(40)), "the commit is"),
    ] {
        ci.sign(&statement, json!({claim: value}));
        let report = ci.refused(&all, "slsa.signer-mismatch", says);
        assert_eq!(
            failed(&report),
            [("certificate".to_owned(), "slsa.signer-mismatch".to_owned())],
            "{claim}"
        );
    }
    // Nor by way of another build type, whose parameters nobody knows.
    let mut predicate = github();
    predicate["buildDefinition"]["buildType"] = json!("https://example.com/t");
    predicate["buildDefinition"]["externalParameters"] = json!({"source": "https://github.com/acme/train"});
    predicate["runDetails"]["builder"]["id"] =
        json!("https://github.com/acme/train/.github/workflows/other.yml@refs/tags/v1");
    ci.sign(&ci.site.statement(predicate.clone()), json!({}));
    let source = ["--source-uri", "github.com/acme/train"];
    ci.refused(&source, "slsa.signer-mismatch", "builder.id is");
    predicate["runDetails"]["builder"]["id"] = json!(IDENTITY);
    ci.sign(&ci.site.statement(predicate.clone()), json!({}));
    ci.site.world.run(&ci.verify(IDENTITY, &source)).exits(0);
    predicate["buildDefinition"]["externalParameters"] =
        json!({"source": "https://github.com/acme/elsewhere"});
    ci.sign(&ci.site.statement(predicate), json!({}));
    let source = ["--source-uri", "github.com/acme/elsewhere"];
    ci.site.world.run(&ci.verify(IDENTITY, &source)).exits(0).prints("is that pipeline's word");
    let mut predicate = github();
    predicate["runDetails"]["builder"]["id"] =
        json!("https://github.com/slsa-framework/trusted.yml@refs/tags/v1");
    ci.sign(&ci.site.statement(predicate), json!({}));
    ci.refused(&[], "slsa.signer-mismatch", "builder.id is 'https://github.com/slsa-framework/trusted.yml");
}

#[test]
fn a_self_hosted_runner_is_what_the_certificate_says_it_is() {
    let ci = Ci::new();
    ci.sign(&ci.site.statement(github()), json!({"runner_environment": "self-hosted"}));
    let args = ["--builder-id", IDENTITY, "--builder-level", "3", "--any-parameter", "/workflow"];
    let report = ci.site.world.run(&ci.verify(IDENTITY, &with(&args, &["--format", "json"]))).exits(0).json();
    assert_eq!(report["provenances"][0]["level"]["granted"], 1);
    ci.refused(&with(&args, &["--min-level", "2"]), "slsa.level-too-low", "granted level 1");
}

#[test]
fn a_person_is_no_workflow() {
    let ci = Ci::new();
    let who = "dev@example.com";
    ci.bundle(&ci.site.statement(github()), &ci.double.token(who), who);
    let report = ci.site.world.refused(&ci.verify(who, &[]), 1, "identity.claim-missing", "build-signer-uri");
    assert_eq!(failed(&report).len(), 4);
    // What a person says of a build type of ours is that person's word.
    ci.bundle(&ci.site.statement(super::training()), &ci.double.token(who), who);
    ci.site.world.run(&ci.verify(who, &[])).exits(0).prints("signer:    dev@example.com");
}

/// A published bundle of the public instance: the workflow of a test signed provenance that it had copied from another one's
/// build. Everything about it verifies but what it says.
#[test]
fn copied_provenance_under_the_public_instance_is_refused() {
    let Ok(vectors) = std::env::var("MODELSEAL_VECTORS") else {
        return println!("MODELSEAL_VECTORS is not set: nothing was tried");
    };
    let site = Site::new();
    let from = std::path::Path::new(&vectors).join("sigstore/bundle-verify");
    std::fs::copy(from.join("happy-path-intoto-in-dsse-v3/bundle.sigstore.json"), site.world.join("p.json"))
        .unwrap();
    std::fs::copy(from.join("a.txt"), site.world.join("a.txt")).unwrap();
    let identity = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/\
                    extremely-dangerous-oidc-beacon.yml@refs/heads/main";
    let args = [
        "verify",
        "provenance",
        "a.txt",
        "--bundle",
        "p.json",
        "--identity",
        identity,
        "--identity-provider",
        "https://token.actions.githubusercontent.com",
    ];
    let report = site.world.refused(&args, 1, "slsa.signer-mismatch", "loosebazooka/aa-test");
    assert_eq!(report["provenances"][0]["cover"]["extent"], "full");
    assert_eq!(failed(&report).len(), 3, "{report:#}");
}
