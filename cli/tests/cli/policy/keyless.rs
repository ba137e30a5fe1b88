//! Identities under policies, against a Sigstore instance in this process.

use crate::{
    common::{Ran, with},
    policy::Site,
};
use modelseal_testkit::{Double, TokenSpec};
use sha2::Digest as _;

const RULE: &str = "signature = { signers = [\"alice\"] }";

/// A site whose policy trusts an instance, and the instance.
fn site() -> (Site, Double) {
    let (site, double) = (Site::new(&[]), Double::start());
    double.write_to(site.world.path()).unwrap();
    (site, double)
}

/// What a policy says of a keyless signer, and of the trust root that vouches for it.
fn keyless(site: &Site, name: &str, issuer: &str, rest: &str) -> String {
    let root = site.world.read("trusted_root.json");
    let sha256: String = sha2::Sha256::digest(root).iter().map(|b| format!("{b:02x}")).collect();
    format!(
        "trust-roots.corp = {{ file = \"trusted_root.json\", sha256 = \"{sha256}\" }}\n\
         signers.{name} = {{ kind = \"keyless\", trust-root = \"corp\", issuer = \"{issuer}\", {rest} }}"
    )
}

fn policy(site: &Site, top: &str, rule: &str) {
    let rule = format!("models = [\"{}\"]\nbind = \"signer\"\n{rule}", super::NAME);
    site.policy_with("policy.toml", 5, top, &rule);
}

fn sign(site: &Site, token: &str, signature: &str) {
    site.world.file("token", token);
    let args = [
        "sign",
        "sigstore",
        "model",
        "--trust-config",
        "trust_config.json",
        "--identity-token-file",
        "token",
        "--yes",
        "--signature",
        signature,
    ];
    site.world.run(&args).exits(0);
}

#[test]
fn an_identity_is_allowed_and_another_is_not() {
    let (site, double) = site();
    sign(&site, &double.token("alice@example.com"), "a.sig");
    let verify = site.verify(&["--bundle", "a.sig"]);
    for (issuer, identity, code) in [
        (double.url(), "alice@example.com", None),
        (double.url(), "bob@example.com", Some("identity.subject-mismatch")),
        ("https://accounts.example.com", "alice@example.com", Some("identity.issuer-mismatch")),
    ] {
        policy(&site, &keyless(&site, "alice", issuer, &format!("identity = \"{identity}\"")), RULE);
        let ran = site.world.run(&verify);
        match code {
            None => drop(ran.exits(0)),
            Some(code) => {
                drop(ran.exits(1).says("[identity."));
                let document = site.world.run(&with(&verify, &["--format", "json"])).exits(1).json();
                assert!(document["checks"].to_string().contains(code), "{document:#}");
            }
        }
    }
}

#[test]
fn claims_of_a_workflow_are_compared_by_name() {
    let (site, double) = site();
    sign(&site, &double.mint(&TokenSpec::github("acme/ranker")), "ci.sig");
    let verify = site.verify(&["--bundle", "ci.sig"]);
    let claims = |text: &str| {
        policy(&site, &keyless(&site, "alice", double.url(), &format!("claims = {{ {text} }}")), RULE);
        site.world.run(&verify)
    };
    claims("source-repository-uri = \"https://github.com/acme/ranker\"").exits(0);
    claims("source-repository-uri = { glob = \"https://github.com/acme/*\" }").exits(0);
    claims("source-repository-uri = \"https://github.com/acme/rank\"").exits(1).says("source-repository-uri");
    claims("source-repository-uri = { glob = \"https://github.com/other/*\" }").exits(1);
    claims(
        "source-repository-uri = { glob = \"https://github.com/acme/*\" }, deployment-environment = \"prod\"",
    )
    .exits(1)
    .says("deployment-environment");
}

#[test]
fn one_person_with_two_credentials_is_one_person() {
    let (site, double) = site();
    let spki = site.key("yubikey");
    sign(&site, &double.token("alice@example.com"), "a.sig");
    sign(&site, &double.token("bob@example.com"), "b.sig");
    site.sign("yubikey");
    let oidc =
        keyless(&site, "alice", double.url(), "principal = \"alice\", identity = \"alice@example.com\"");
    let others = format!(
        "signers.bob = {{ kind = \"keyless\", trust-root = \"corp\", issuer = \"{}\", identity = \"bob@example.com\" }}\n\
         signers.yubikey = {{ kind = \"key\", principal = \"alice\", file = \"yubikey.pub\", spki-sha256 = \"{spki}\" }}",
        double.url()
    );
    let rule =
        "signature = { signers = [\"alice\", \"bob\", \"yubikey\"], threshold = 2, transparency = \"off\" }";
    policy(&site, &format!("{oidc}\n{others}"), rule);
    let both_of_alice = site.verify(&["--bundle", "a.sig", "--bundle", "yubikey.sig"]);
    site.world.run(&both_of_alice).exits(1).says("signature.threshold-not-met");
    let two_people = site.verify(&["--bundle", "a.sig", "--bundle", "b.sig"]);
    site.world.run(&two_people).exits(0);
    let two_kinds = site.verify(&["--bundle", "yubikey.sig", "--bundle", "b.sig"]);
    site.world.run(&two_kinds).exits(0);
}

#[test]
fn the_age_of_a_signature_counts_from_its_trusted_time() {
    let (site, double) = site();
    let spki = site.key("release");
    let top = format!(
        "{}\nsigners.release = {{ kind = \"key\", file = \"release.pub\", spki-sha256 = \"{spki}\" }}",
        keyless(&site, "alice", double.url(), "identity = \"alice@example.com\"")
    );
    let rule = "signature = { signers = [\"release\"], timestamp = \"required\", max-age = \"30d\" }";
    policy(&site, &top, rule);
    site.sign("release");
    let verify = site.verify(&["--bundle", "release.sig"]);
    site.world.run(&verify).exits(1).says("time.no-trusted-time");
    let tsa = double.tsa_url();
    let stamped = [
        "sign",
        "key",
        "model",
        "--force",
        "--private-key",
        "release.key",
        "--signature",
        "release.sig",
        "--tsa-url",
        &tsa,
    ];
    site.world.run(&stamped).exits(0);
    site.world.run(&verify).exits(0);
}

#[test]
fn a_trust_root_that_this_machine_does_not_have_decides_nothing() {
    let (site, double) = site();
    sign(&site, &double.token("alice@example.com"), "a.sig");
    let verify = site.verify(&["--bundle", "a.sig"]);
    let with_tuf = |url: &str, staleness: &str| {
        let top = format!(
            "trust-roots.corp = {{ tuf = \"{url}\"{staleness} }}\n\
             signers.alice = {{ kind = \"keyless\", trust-root = \"corp\", issuer = \"{}\", identity = \"alice@example.com\" }}",
            double.url()
        );
        policy(&site, &top, RULE);
        let mut command = site.world.command(&verify);
        command.env("XDG_CACHE_HOME", site.world.join("cache"));
        Ran::of(&mut command)
    };
    let ran = with_tuf("https://tuf.example.com", "");
    assert_ne!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("https://tuf.example.com"), "{}", ran.stderr);
    // The instance of everybody is there, and knows nothing of this signer.
    with_tuf("https://tuf-repo-cdn.sigstore.dev", "").exits(1);
    let ran = with_tuf("https://tuf-repo-cdn.sigstore.dev", ", max-staleness = \"1h\"");
    assert_ne!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("the policy allows"), "{}", ran.stderr);
}

#[test]
fn one_identity_under_two_names_is_one_person() {
    let (site, double) = site();
    sign(&site, &double.token("alice@example.com"), "a.sig");
    sign(&site, &double.token("bob@example.com"), "b.sig");
    let first = keyless(&site, "alice", double.url(), "identity = \"alice@example.com\"");
    let rule = "signature = { signers = [\"alice\", \"second\"], threshold = 2 }";
    for second in ["\"alice@example.com\"", "{ regex = \"(alice|bob)@example[.]com\" }"] {
        let again = format!(
            "{first}\nsigners.second = {{ kind = \"keyless\", trust-root = \"corp\", issuer = \"{}\", identity = {second} }}",
            double.url()
        );
        policy(&site, &again, rule);
        let alone = site.verify(&["--bundle", "a.sig"]);
        site.world.run(&alone).exits(1).says("one signer under several names");
        let both = site.world.run(&site.verify(&["--bundle", "a.sig", "--bundle", "b.sig"]));
        both.exits(if second.contains("bob") { 0 } else { 1 });
    }
}

#[test]
fn a_pattern_for_addresses_is_not_satisfied_by_a_uri_that_ends_like_one() {
    let (site, double) = site();
    let mut spec = TokenSpec::github("mallory/x");
    let workflow = "https://github.com/mallory/x/.github/workflows/w.yml@refs/heads/foo@example.com";
    spec.sub = workflow.to_owned();
    spec.claims.insert(
        "job_workflow_ref".into(),
        "mallory/x/.github/workflows/w.yml@refs/heads/foo@example.com".into(),
    );
    sign(&site, &double.mint(&spec), "m.sig");
    let shown = site.world.run(&["show", "m.sig", "--trusted-root", "trusted_root.json"]).exits(0);
    assert!(shown.stdout.contains("foo@example.com (URI)"), "{}", shown.stdout);
    for pattern in [r"'.*@example\.com'", r"'.*@example\.com|https://github\.com/good/.*'"] {
        let identity = format!("identity = {{ regex = {pattern} }}");
        policy(&site, &keyless(&site, "alice", double.url(), &identity), RULE);
        let ran = site.world.run(&site.verify(&["--bundle", "m.sig"]));
        assert!(matches!(ran.code, Some(1 | 2)), "{pattern}: {} {}", ran.stdout, ran.stderr);
    }
}
