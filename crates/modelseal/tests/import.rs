//! Other tools' policies as drafts of ours: what is said, what is lost, and that nothing is left open.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

use modelseal::import::{ImportError, ImportOptions, Imported, cluster_image_policy, containers, notation};
use modelseal_verify::policy::load::UnvalidatedPolicy;

const PEM: &str = include_str!("../../../testdata/keys/p256.pub.pem");

fn options() -> ImportOptions {
    ImportOptions { id: "acme.example/imported".into(), expires: "2027-06-30T00:00:00Z".parse().unwrap() }
}

/// The complaints about a draft that would keep it from being used.
fn complaints(imported: &Imported) -> Vec<String> {
    let lint = UnvalidatedPolicy::from_toml("draft.toml", &imported.toml).lint(None);
    lint.iter()
        .filter(|complaint| complaint.severity == modelseal_verify::policy::complaint::Severity::Error)
        .map(|complaint| format!("{}: {}", complaint.id, complaint.message))
        .collect()
}

fn lost(imported: &Imported) -> String {
    imported.lost.iter().map(|lost| format!("{lost}\n")).collect()
}

#[test]
fn a_cluster_image_policy_becomes_a_policy() {
    let indented: String = PEM.lines().map(|line| format!("            {line}\n")).collect();
    let yaml = format!(
        r#"apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata:
  name: models
spec:
  images:
    - glob: ghcr.io/acme/models/**
    - glob: "**"
  authorities:
    - name: release
      key:
        hashAlgorithm: sha256
        data: |
{indented}      ctlog: {{ url: https://rekor.sigstore.dev }}
    - keyless:
        url: https://fulcio.sigstore.dev
        identities:
          - issuer: https://token.actions.githubusercontent.com
            subjectRegExp: ^https://github\.com/acme/release/\.github/workflows/sign\.yml@refs/tags/v[0-9]+$
          - issuerRegExp: .*
            subject: a@b
      attestations:
        - name: scan
          predicateType: custom
          policy: {{ type: cue, data: "x" }}
  mode: warn
"#
    );
    let imported = cluster_image_policy::import(yaml.as_bytes(), &options()).unwrap();
    assert_eq!(complaints(&imported), Vec::<String>::new(), "{}", imported.toml);
    for part in [
        r#"models = ["oci://ghcr.io/acme/models/**"]"#,
        r#"mode = "audit""#,
        r#"transparency = "required""#,
        r#"identity = { regex = "https://github\\.com/acme/release/"#,
        r#"predicate-type = "https://cosign.sigstore.dev/attestation/v1""#,
        "threshold = 1",
    ] {
        assert!(imported.toml.contains(part), "{part}\n{}", imported.toml);
    }
    for part in ["spec.images[1].glob", "issuer has to be named", "CUE or Rego", "with a part of it there"] {
        assert!(lost(&imported).contains(part), "{part}\n{}", lost(&imported));
    }
}

#[test]
fn an_authority_that_cannot_be_said_rejects() {
    let yaml = |authority: &str| {
        format!(
            "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {{ name: m }}\nspec:\n  \
             images: [{{ glob: ghcr.io/a/b }}]\n  authorities: [{authority}]\n"
        )
    };
    for (authority, action) in [
        ("{ key: { kms: \"kms://x\" } }", "reject"),
        ("{ static: { action: fail } }", "reject"),
        ("{ static: { action: pass } }", "insecure-allow-unverified"),
        (
            "{ keyless: { url: \"https://fulcio.acme.example\", identities: [{ issuer: x, subject: y }] } }",
            "reject",
        ),
        ("{ keyless: { identities: [{ issuer: x }] } }", "reject"),
    ] {
        let imported = cluster_image_policy::import(yaml(authority).as_bytes(), &options()).unwrap();
        assert!(imported.toml.contains(&format!("action = \"{action}\"")), "{authority}\n{}", imported.toml);
    }
    let lines = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n";
    for bad in [
        "",
        "kind: Pod\napiVersion: v1\n",
        "kind: a\nkind: b\n",
        "a: [\n",
        &format!("{}{lines}", yaml("{ static: { action: fail } }")),
        &format!("{}---\n{}", yaml("{ static: { action: fail } }"), yaml("{ static: { action: pass } }")),
        &yaml("{ static: { action: no } }"),
        &yaml("{ key: [1] }").replace("ClusterImagePolicy", "no"),
    ] {
        assert!(cluster_image_policy::import(bad.as_bytes(), &options()).is_err(), "{bad}");
    }
}

#[test]
fn a_notation_trust_policy_becomes_a_policy() {
    let json = r#"{"version":"1.0","trustPolicies":[
        {"name":"wabbit","registryScopes":["registry.acme.example/a/m","registry.acme.example/b/n"],
         "signatureVerification":{"level":"audit","override":{"revocation":"skip"}},
         "trustStores":["ca:acme","tsa:x"],"trustedIdentities":["x509.subject: C=US, ST=WA, O=wabbit.example, OU=ml"]},
        {"name":"any","registryScopes":["registry.acme.example/c/x"],"signatureVerification":{"level":"strict"},
         "trustStores":["ca:acme"],"trustedIdentities":["*"]},
        {"name":"open","registryScopes":["registry.acme.example/d/y"],"signatureVerification":{"level":"skip"}},
        {"name":"rest","registryScopes":["*"],"signatureVerification":{"level":"strict"},
         "trustStores":["ca:acme"],"trustedIdentities":["x509.subject: O=z"]}]}"#;
    let imported = notation::import(json.as_bytes(), &options()).unwrap();
    for part in [
        r#"subject = { o = "wabbit.example", ou = "ml" }"#,
        r#"mode = "audit""#,
        "name = \"any\"\nmodels = [\"oci://registry.acme.example/c/x\"]\naction = \"reject\"",
        "name = \"open\"\nmodels = [\"oci://registry.acme.example/d/y\"]\naction = \"insecure-allow-unverified\"",
    ] {
        assert!(imported.toml.contains(part), "{part}\n{}", imported.toml);
    }
    assert!(!imported.toml.contains("\"rest\""));
    for part in
        ["every registry", "'C' of a subject", "list their digests in root-sha256", "timestamp", "override"]
    {
        assert!(lost(&imported).contains(part), "{part}\n{}", lost(&imported));
    }
    // Only what the list of losses announces is complained about.
    let complaints = complaints(&imported);
    assert!(!complaints.is_empty() && complaints.iter().all(|c| c.contains("root-sha256")), "{complaints:?}");
    for bad in [
        "{}",
        r#"{"version":"2.0","trustPolicies":[]}"#,
        r#"{"version":"1.0","trustPolicies":[]}"#,
        r#"{"version":"1.0","version":"1.0"}"#,
        "[]",
    ] {
        assert!(notation::import(bad.as_bytes(), &options()).is_err(), "{bad}");
    }
}

#[test]
fn a_containers_policy_becomes_a_policy() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let key = STANDARD.encode(PEM);
    let json = format!(
        r#"{{"default":[{{"type":"insecureAcceptAnything"}}],"transports":{{"docker-daemon":{{"":[{{"type":"reject"}}]}},
        "docker":{{
          "registry.acme.example/a":[{{"type":"sigstoreSigned","keyData":"{key}","signedIdentity":{{"type":"matchRepository"}}}}],
          "registry.acme.example/b":[{{"type":"signedBy","keyType":"GPGKeys","keyPath":"/x"}}],
          "registry.acme.example/c":[{{"type":"reject"}}],
          "registry.acme.example/d":[{{"type":"insecureAcceptAnything"}}],
          "registry.acme.example/d/e:v1":[{{"type":"sigstoreSigned","keyPath":"/e"}}],
          "registry.acme.example/f":[{{"type":"sigstoreSigned","keyData":"{key}"}},{{"type":"sigstoreSigned","keyPath":"/f.pub"}}],
          "registry.acme.example/g":[{{"type":"sigstoreSigned","fulcio":{{"caPath":"/ca"}}}}],
          "*.acme.example":[{{"type":"reject"}}]}}}}}}"#
    );
    let imported = containers::import(json.as_bytes(), &options()).unwrap();
    let rule = |scope: &str| {
        let start = imported.toml.find(&format!("name = \"registry.acme.example/{scope}\"")).unwrap();
        imported.toml[start..].split("\n\n").next().unwrap().to_owned()
    };
    assert!(rule("a").contains("signers = [\"registry-acme-example-a\"]"), "{}", imported.toml);
    assert!(rule("a").contains("\"oci://registry.acme.example/a\", \"oci://registry.acme.example/a/**\""));
    for scope in ["b", "c", "g", "d/e:v1"] {
        assert!(rule(scope).contains("action = \"reject\""), "{scope}: {}", rule(scope));
    }
    assert!(rule("d").contains("insecure-allow-unverified"));
    assert!(rule("f").contains("threshold = 2"), "{}", rule("f"));
    for part in [
        "a default for every reference",
        "only docker",
        "GPG",
        "signedIdentity",
        "spki-sha256",
        "wildcard for hosts",
    ] {
        assert!(lost(&imported).contains(part), "{part}\n{}", lost(&imported));
    }
    let complaints = complaints(&imported);
    assert!(
        complaints.iter().all(|c| c.contains("spki-sha256") || c.contains("duplicate-key")),
        "{complaints:?}"
    );
    assert!(matches!(containers::import(b"{\"default\":[]}", &options()), Err(ImportError::Field { .. })));
}
