//! Signers with certificates, beside signers with keys, and what becomes of one who signs another along.

use super::{NAME, Site};
use crate::{
    common::{Ran, with},
    pki::{Pki, SIGN_WITH_LEAF},
};

/// A policy that believes the certificate of `subject` under the root whose fingerprint is `root`.
fn policy(pki: &Pki, root: &str, subject: &str) {
    let text = format!(
        "schema = \"modelseal.policy/v1\"\nid = \"acme.example/vendor\"\nversion = 1\nexpires = 2099-01-01T00:00:00Z\n\
         signers.vendor = {{ kind = \"certificate\", roots = \"root.pem\", root-sha256 = [\"{root}\"], subject = {{ {subject} }} }}\n\
         [[rule]]\nname = \"vendor\"\nmodels = [\"{NAME}\"]\nsignature = {{ signers = [\"vendor\"] }}\n"
    );
    pki.world.file("policy.toml", text);
}

const VERIFY: [&str; 8] =
    ["verify", "policy", "model", "--policy", "policy.toml", "--policy-unsigned", "--as", NAME];

#[test]
fn a_certificate_signs_when_root_and_subject_are_right() {
    let pki = Pki::new();
    pki.world.run(&SIGN_WITH_LEAF).exits(0);
    let fingerprint = |name: &str| {
        let out = pki.world.tool("openssl", &["x509", "-in", name, "-noout", "-fingerprint", "-sha256"]);
        out.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase()
    };
    let root = fingerprint("root.pem");
    policy(&pki, &root, "cn = \"Signer\", email = \"dev@example.com\"");
    pki.world.run(&VERIFY).exits(0).prints("1 of 1 required people signed: vendor");
    policy(&pki, &root, "cn = \"Signer\", email = \"other@example.com\"");
    let document = pki.world.refused(&VERIFY, 1, "signature.no-trusted-signer", "nobody of vendor signed");
    let checks = document["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["code"] == "identity.subject-mismatch"), "{document:#}");
    policy(&pki, &fingerprint("leaf.pem"), "cn = \"Signer\"");
    pki.world.refused(&VERIFY, 2, "policy.invalid", "root.pem");
    pki.issue("other", "Other", "other", crate::pki::CA);
    std::fs::copy(pki.world.join("other.pem"), pki.world.join("root.pem")).unwrap();
    policy(&pki, &fingerprint("other.pem"), "cn = \"Signer\"");
    let document = pki.world.refused(&VERIFY, 1, "signature.no-trusted-signer", "nobody of vendor signed");
    let checks = document["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["code"] == "identity.chain-untrusted"), "{document:#}");
}

#[test]
fn a_keyless_signer_cannot_be_checked_here_and_denies() {
    let site = Site::new(&["alice"]);
    let root = "{}";
    site.world.file("root.json", root);
    let sha256 = site.world.tool("sha256sum", &["root.json"]);
    let sha256 = sha256.split(' ').next().unwrap();
    let top = format!(
        "trust-roots.corp = {{ file = \"root.json\", sha256 = \"{sha256}\" }}\n\
         signers.carol = {{ kind = \"keyless\", trust-root = \"corp\", issuer = \"https://oidc.acme.example\", \
         identity = \"carol@acme.example\" }}"
    );
    let rule = format!("models = [\"{NAME}\"]\nsignature = {{ signers = [\"carol\"] }}");
    site.policy_with("policy.toml", 5, &top, &rule).sign("alice");
    let ran: Ran = site.world.run(&site.verify(&["--bundle", "alice.sig"]));
    assert_ne!(ran.code, Some(0));
    site.world.run(&with(&site.verify(&["--bundle", "alice.sig"]), &["--accept-unverified"])).exits(1);
}

#[test]
fn who_signed_another_person_s_signature_along_is_told_so() {
    let site = Site::new(&["alice", "bob"]);
    site.policy("signature = { signers = [\"alice\", \"bob\"], threshold = 2 }").sign("alice");
    std::fs::copy(site.world.join("alice.sig"), site.world.join("model/model.sig")).unwrap();
    site.sign("bob");
    let verify = site.verify(&["--bundle", "bob.sig"]);
    let ran = site.world.run(&verify).exits(1);
    assert!(ran.stderr.contains("signed other files than these"), "{}", ran.stderr);
}
