//! Method `certificate` against real chains, good and bad.

use crate::{
    common::with,
    pki::{CA, LEAF, Pki, SIGN_WITH_LEAF},
};

const VERIFY: [&str; 5] = ["verify", "certificate", "model", "--certificate-chain", "root.pem"];

#[test]
fn signs_verifies_and_names_the_signer() {
    let pki = Pki::new();
    pki.sign();
    let ran = pki.world.run(&VERIFY).exits(0).prints("signer:    CN=Signer").prints("method:    certificate");
    let ran = ran.prints("issuer:    CN=Intermediate").prints("dev@example.com");
    assert!(ran.stdout.starts_with("Verification succeeded\n"));
    let advice = "warning: any signer under these roots is accepted; to accept this one only, add \
                  --certificate-identity 'CN=Signer'";
    ran.says(advice);
    let document = pki.world.run(&with(&VERIFY, &["--format", "json"])).exits(0).says_nothing().json();
    assert_eq!(document["signer"]["certificate"]["subject"], "CN=Signer");
    assert!(document["notes"][0].as_str().unwrap().starts_with("any signer under these roots is accepted"));
}

#[test]
fn identities_are_pinned_by_subject_or_alternative_name() {
    let pki = Pki::new();
    pki.sign();
    for identity in ["CN=Signer", "dev@example.com", "https://example.com/ci"] {
        pki.world.run(&with(&VERIFY, &["--certificate-identity", identity])).exits(0).says_nothing();
    }
    for identity in ["Signer", "CN=Sign", "CN=Root", "example.com", "DEV@example.com", "dev@example.com "] {
        let args = with(&VERIFY, &["--certificate-identity", identity]);
        let document = pki.world.refused(&args, 1, "identity.subject-mismatch", "CN=Signer");
        assert!(document["message"].as_str().unwrap().contains(identity), "{document}");
    }
    pki.world.refused(&with(&VERIFY, &["--certificate-identity", ""]), 2, "usage.identity", "is empty");
}

#[test]
fn fingerprints_are_printed_on_demand() {
    let pki = Pki::new();
    pki.sign();
    let ran = pki
        .world
        .run(&with(&VERIFY, &["--log-fingerprints", "--certificate-identity", "CN=Signer"]))
        .exits(0);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, (name, subject)) in
        lines.iter().zip([("leaf", "Signer"), ("int", "Intermediate"), ("root", "Root")])
    {
        let args = ["x509", "-in", &format!("{name}.pem"), "-noout", "-fingerprint", "-sha256"];
        let fingerprint =
            pki.world.tool("openssl", &args).trim().rsplit('=').next().unwrap().replace(':', "");
        assert_eq!(*line, format!("{}  CN={subject}", fingerprint.to_lowercase()));
    }
}

#[test]
fn chains_that_lead_nowhere() {
    let pki = Pki::new();
    pki.issue("other", "Other root", "other", CA);
    pki.issue("twin", "Root", "twin", CA);
    pki.issue_for("self", "Signer", "self", LEAF, ("20200101000000Z", "99991231235959Z"), Some("leaf"));
    pki.sign();
    let refused = |root: &str, message: &str| {
        let args = ["verify", "certificate", "model", "--certificate-chain", root];
        pki.world.refused(&args, 1, "identity.chain-untrusted", message);
    };
    refused("other.pem", "which is neither among the trusted certificates nor in the chain");
    refused("twin.pem", "was not signed by the key of \"CN=Root\"");
    pki.present(&["leaf"]);
    refused("root.pem", "was issued by \"CN=Intermediate\"");
    pki.world.run(&with(&VERIFY, &["--certificate-chain", "int.pem"])).exits(0);
    pki.present(&["int", "leaf"]);
    pki.world.refused(
        &VERIFY,
        1,
        "identity.eku",
        "the signer's own certificate must come first in the chain",
    );
    pki.present(&["self"]);
    refused("root.pem", "which is not among the trusted roots");
    pki.present(&["leaf", "int", "root"]);
    refused("other.pem", "a root that comes with a signature proves nothing");
    pki.world.run(&VERIFY).exits(0);
}

#[test]
fn signing_certificates_that_must_not_sign() {
    let pki = Pki::new();
    let always = ("20200101000000Z", "99991231235959Z");
    let for_leaf = |name: &str, extensions: &str, validity| {
        pki.issue_for(name, name, "int", extensions, validity, Some("leaf"));
    };
    let usage = "basicConstraints=CA:FALSE\n";
    for_leaf("expired", LEAF, ("20200101000000Z", "20210101000000Z"));
    for_leaf("future", LEAF, ("20990101000000Z", "99991231235959Z"));
    for_leaf("tls", &format!("{usage}keyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n"), always);
    for_leaf("nousage", usage, always);
    for_leaf("agreement", &format!("{usage}keyUsage=keyAgreement\n"), always);
    for_leaf("authority", CA, always);
    for_leaf("critical", &format!("{LEAF}1.2.3.4=critical,DER:0500\n"), always);
    pki.sign();
    for (name, code, message) in [
        ("expired", "identity.certificate-expired", "expired after 2021-01-01T00:00:00Z"),
        ("future", "identity.certificate-expired", "is not valid before 2099-01-01T00:00:00Z"),
        ("tls", "identity.eku", "is not for code signing: its extended key usage is"),
        ("nousage", "identity.eku", "does not say that it is for signing"),
        ("agreement", "identity.eku", "its key usage has no digitalSignature"),
        ("authority", "identity.eku", "its key usage has no digitalSignature"),
        ("critical", "identity.chain-untrusted", "has critical extensions that are not supported"),
    ] {
        pki.present(&[name, "int"]);
        pki.world.refused(&VERIFY, 1, code, message);
        // The signer is told before anything is hashed, let alone published.
        let certificate = format!("{name}.pem");
        let mut args = SIGN_WITH_LEAF;
        args[6] = &certificate;
        let args = with(&args, &["--signature", "other.sig"]);
        pki.world.run(&args).exits(2).says("the signing certificate cannot be used: ");
        assert!(!pki.world.join("other.sig").exists());
    }
    for_leaf("old-style", &format!("{usage}keyUsage=digitalSignature\n"), always);
    pki.present(&["old-style", "int"]);
    pki.world.run(&VERIFY).exits(0);
}

#[test]
fn authorities_that_must_not_vouch() {
    let pki = Pki::new();
    let always = ("20200101000000Z", "99991231235959Z");
    let constrained = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\n";
    let named = format!("{CA}nameConstraints=critical,permitted;email:example.com\n");
    let past = ("20200101000000Z", "20210101000000Z");
    pki.sign();
    for (name, extensions, validity, code, message) in [
        ("expired", CA, past, "identity.certificate-expired", "expired after"),
        (
            "notca",
            "basicConstraints=CA:FALSE\n",
            always,
            "identity.chain-untrusted",
            "is no certificate authority",
        ),
        (
            "nosign",
            "basicConstraints=critical,CA:TRUE\nkeyUsage=cRLSign\n",
            always,
            "identity.chain-untrusted",
            "keyCertSign",
        ),
        ("named", &*named, always, "identity.chain-untrusted", "name constraints"),
    ] {
        pki.issue_for(name, "Intermediate", "root", extensions, validity, Some("int"));
        pki.present(&["leaf", name]);
        pki.world.refused(&VERIFY, 1, code, message);
    }
    pki.issue_for("short", "Root", "root", constrained, always, Some("root"));
    pki.present(&["leaf", "int"]);
    // Issued by the root's key, so that it is the root with a limit.
    pki.world.tool("openssl", &["x509", "-in", "root.pem", "-noout"]);
    pki.issue_for("limited", "Root", "limited", constrained, always, None);
    pki.issue_for("under", "Intermediate", "limited", CA, always, Some("int"));
    pki.present(&["leaf", "under"]);
    let args = ["verify", "certificate", "model", "--certificate-chain", "limited.pem"];
    pki.world.refused(
        &args,
        1,
        "identity.chain-untrusted",
        "allows 0 authorities between itself and the leaf",
    );
}

#[test]
fn wrong_pieces_are_named() {
    let pki = Pki::new();
    let mut args = SIGN_WITH_LEAF;
    args[4] = "int.key";
    pki.world.refused(&args, 2, "usage.certificate", "");
    args = SIGN_WITH_LEAF;
    args[6] = "leaf.key";
    pki.world.refused(&args, 2, "usage.certificate", "cannot use 'leaf.key': ");
    args[6] = "nowhere";
    pki.world.refused(&args, 2, "usage.file", "cannot read the certificate 'nowhere'");
    pki.world.no_signature();
    pki.sign();
    let args = ["verify", "certificate", "model", "--certificate-chain", "int.pem"];
    pki.world.refused(&args, 2, "usage.certificate", "root");
    pki.world.run(&["key", "generate", "--no-password", "--output", "k"]).exits(0);
    let args = ["verify", "key", "model", "--public-key", "k.pub"];
    let document = pki.world.refused(&args, 1, "signature.method-mismatch", "certificate");
    assert!(document["checks"][1]["fix"].as_str().unwrap().contains("modelseal verify certificate"));
}
