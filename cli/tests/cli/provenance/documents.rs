//! What provenance comes in, and what is no provenance by the trusted signer.

use super::{Site, V1, github, statement, training};
use crate::common::with;
use serde_json::{Value, json};

const P: [&str; 2] = ["--bundle", "p.json"];

#[test]
fn an_envelope_by_itself_is_verified_with_a_key_and_nothing_else() {
    let site = Site::new();
    site.envelope("p.json", &site.statement(github()));
    site.run(&P).exits(0).prints("method:    key");
    site.world.run(&["key", "generate", "--no-password", "--output", "other"]).exits(0);
    let other = ["verify", "provenance", "model", "--public-key", "other.pub", "--bundle", "p.json"];
    site.world.refused(&other, 1, "signature.crypto-invalid", "p.json");
    let identity = [
        "verify",
        "provenance",
        "model",
        "--identity",
        "a@example.com",
        "--identity-provider",
        "https://i.example",
        "--bundle",
        "p.json",
    ];
    site.world.refused(&identity, 1, "signature.method-mismatch", "can be verified with method 'key' only");
    let mut envelope: Value = serde_json::from_str(&site.world.read("p.json")).unwrap();
    envelope["signatures"][0]["cert"] = json!("-----BEGIN CERTIFICATE-----");
    site.world.file("p.json", envelope.to_string());
    site.refused(&P, "log.missing", "neither log entry nor timestamp");
    envelope["signatures"] = json!([{"sig": "AA=="}, {"sig": "AA=="}]);
    site.world.file("p.json", envelope.to_string());
    site.refused(&P, "signature.malformed", "holds 2 signatures");
}

#[test]
fn what_nobody_trusted_signed_is_refused() {
    let site = Site::new();
    site.world.file("p.json", site.statement(github()).to_string());
    let report = site.refused(&P, "signature.missing", "a statement that nobody signed");
    assert!(report["measured"].is_null(), "nothing was hashed for nobody");
    site.world.run(&["key", "generate", "--no-password", "--output", "other"]).exits(0);
    site.bundle("p.json", &site.statement(github()));
    let other = ["verify", "provenance", "model", "--public-key", "other.pub", "--bundle", "p.json"];
    site.world.refused(&other, 1, "signature.no-trusted-signer", "was signed with another key");
    // The right hint and other bytes.
    let text = site.statement(github()).to_string();
    site.bundle_text("p.json", &text);
    let mut bundle: Value = serde_json::from_str(&site.world.read("p.json")).unwrap();
    let (payload, _) = site.sign(&text.replace("v1.2.0", "v6.6.6"));
    bundle["dsseEnvelope"]["payload"] = payload.into();
    site.world.file("p.json", bundle.to_string());
    site.refused(&P, "signature.crypto-invalid", "p.json");
    for (text, code) in
        [("", "signature.malformed"), ("{}", "signature.malformed"), ("[[[[", "signature.malformed")]
    {
        site.world.file("p.json", text);
        site.refused(&P, code, "p.json");
    }
    let old = site.world.read("model.sig").replace("bundle.v0.3+json", "bundle.v0.1+json");
    site.world.file("p.json", old);
    site.refused(&P, "signature.malformed", "unsupported bundle mediaType");
}

#[test]
fn what_a_trusted_signer_signed_has_to_be_provenance() {
    let site = Site::new();
    let signed = |text: &str| site.bundle_text("p.json", text);
    let good = site.statement(github()).to_string();
    // Two readers could read it differently.
    for (from, to) in [
        ("\"predicateType\":", "\"predicateType\":\"x\",\"predicateType\":"),
        ("\"builder\":", "\"builder\":{\"id\":\"https://good.example\"},\"builder\":"),
    ] {
        assert!(good.contains(from));
        signed(&good.replacen(from, to, 1));
        site.refused(&P, "attestation.duplicate-key", "duplicate member");
    }
    for (from, to, code, message) in [
        (
            "https://in-toto.io/Statement/v1",
            "https://in-toto.io/Statement/v0.1",
            "signature.statement-type",
            "_type",
        ),
        (V1, "https://slsa.dev/provenance/v0.1", "slsa.missing", "https://slsa.dev/provenance/v0.1"),
        (V1, "https://slsa.dev/provenance/v1/", "slsa.missing", "not how the model was made"),
        (V1, "https://slsa.dev/verification_summary/v1", "signature.malformed", "/policy"),
        ("\"buildType\"", "\"buildtype\"", "signature.malformed", "/buildDefinition/buildType"),
        ("\"dirHash\":\"", "\"dirHash\":\"A", "signature.malformed", "/subject/0/digest"),
    ] {
        assert!(good.contains(from), "{from}");
        signed(&good.replacen(from, to, 1));
        site.refused(&P, code, message);
    }
    // A signature of the model says what it consists of, not how it was made.
    let report =
        site.refused(&["--bundle", "model.sig"], "slsa.missing", "https://model_signing/signature/v1.0");
    assert_eq!(report["other-statements"].as_array().unwrap().len(), 1);
    // A number where the specification wants text, as GitLab's documentation shows it.
    let mut predicate = github();
    predicate["runDetails"]["metadata"]["invocationId"] = json!(412);
    site.bundle("p.json", &site.statement(predicate));
    assert_eq!(site.json(&P)["provenances"][0]["invocation-id"], "412");
}

#[test]
fn one_good_line_is_enough_and_the_order_does_not_matter() {
    let site = Site::new();
    site.bundle("good.json", &site.statement(github()));
    site.bundle(
        "bad.json",
        &statement(json!([{"name": "x", "digest": {"sha256": "0".repeat(64)}}]), V1, training()),
    );
    let (good, bad) = (site.world.read("good.json"), site.world.read("bad.json"));
    let lines = |lines: &[&str]| site.world.file("p.jsonl", lines.join("\n"));
    let args = ["--bundle", "p.jsonl"];
    lines(&[&bad, "", "not json", &good, "{\"more\": 1}"]);
    site.run(&args)
        .exits(0)
        .prints("document:  p.jsonl line 4")
        .prints("not used: p.jsonl line 3")
        .prints("also there: p.jsonl line 1");
    lines(&["{\"more\": 1}", &good, &bad, "not json"]);
    site.run(&args).exits(0).prints("document:  p.jsonl line 2");
    lines(&[&bad, "not json"]);
    site.refused(&args, "attestation.subject-mismatch", "p.jsonl line 1");
    std::fs::create_dir(site.world.join("all")).unwrap();
    for name in ["a.json", "b.txt", "c.sig"] {
        std::fs::copy(
            site.world.join(if name == "a.json" { "bad.json" } else { "good.json" }),
            site.world.join("all").join(name),
        )
        .unwrap();
    }
    site.run(&["--bundle-dir", "all"]).exits(0).prints("all/c.sig");
}

#[test]
fn bounds_are_errors_and_never_cut_anything_off() {
    let site = Site::new();
    site.bundle("good.json", &site.statement(github()));
    let good = site.world.read("good.json");
    let args = with(&super::VERIFY, &["--bundle", "p.jsonl"]);
    site.world.file("p.jsonl", format!("{good}\n{}", "x\n".repeat(255)));
    site.world.run(&args).exits(0);
    site.world.file("p.jsonl", format!("{good}\n{}", "x\n".repeat(256)));
    site.world.refused(&args, 3, "error.limit-exceeded", "more than 256 lines");
    for n in 0..5 {
        site.world.file(&format!("many/{n}.jsonl"), "x\n".repeat(256));
    }
    let args = with(&super::VERIFY, &["--bundle-dir", "many", "--bundle", "good.json"]);
    site.world.refused(&args, 3, "error.limit-exceeded", "more than 1024 signed documents");
}
