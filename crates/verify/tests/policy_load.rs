//! What a policy names is loaded and compared with what the policy says of it; rules are chosen.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

use modelseal_verify::policy::{
    Files, Policy, SelectError, SignerTrust, UnvalidatedPolicy,
    complaint::Complaint,
    load::{NoFiles, TrustRootSource},
    reference::Reference,
};
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData,
};
use std::{collections::BTreeMap, fmt::Write};

/// Files in memory.
struct Memory(BTreeMap<&'static str, Vec<u8>>);

impl Files for Memory {
    fn file(&self, name: &str, _: u64) -> Result<Vec<u8>, String> {
        self.0.get(name).cloned().ok_or_else(|| "no such file".to_owned())
    }

    fn folder(&self, name: &str, _: u64) -> Result<Vec<(String, Vec<u8>)>, String> {
        let inside = self.0.iter().filter(|(file, _)| file.starts_with(name));
        Ok(inside.map(|(file, bytes)| ((*file).to_owned(), bytes.clone())).collect())
    }
}

fn sha256(bytes: &[u8]) -> String {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().iter().fold(
        String::new(),
        |mut hex, b| {
            write!(hex, "{b:02x}").expect("a string takes it");
            hex
        },
    )
}

fn pem(label: &str, der: Vec<u8>) -> String {
    ::pem::encode(&::pem::Pem::new(label, der))
}

fn head(more: &str) -> String {
    format!(
        "schema = \"modelseal.policy/v1\"\nid = \"p\"\nversion = 1\nexpires = 2031-01-01T00:00:00Z\n{more}"
    )
}

fn load(text: &str, files: &dyn Files) -> Result<Policy, Vec<Complaint>> {
    UnvalidatedPolicy::from_toml("p", text).validate(files, None)
}

fn one_complaint(text: &str, files: &dyn Files) -> (usize, &'static str, String) {
    let complaints = load(text, files).expect_err("a complaint");
    let errors: Vec<_> = complaints.iter().filter(|c| !c.id.ends_with("unused")).collect();
    assert_eq!(errors.len(), 1, "{complaints:?}");
    (errors[0].line, errors[0].id, errors[0].message.clone())
}

fn key_policy(source: &str, spki: &str) -> String {
    head(&format!("[signers.a]\nkind = \"key\"\n{source}\nspki-sha256 = \"{spki}\"\n"))
}

#[test]
fn a_key_must_be_the_one_the_policy_knows() {
    let (key, other) =
        (KeyPair::generate_for(&PKCS_ED25519).expect("a key"), KeyPair::generate().expect("a key"));
    let digest = sha256(&key.subject_public_key_info());
    let files = Memory(BTreeMap::from([
        ("a.pub", pem("PUBLIC KEY", key.subject_public_key_info()).into_bytes()),
        ("other.pub", pem("PUBLIC KEY", other.subject_public_key_info()).into_bytes()),
        ("a.key", pem("PRIVATE KEY", key.serialize_der()).into_bytes()),
    ]));
    let policy = load(&key_policy("file = \"a.pub\"", &digest), &files).expect("a policy");
    let Some(SignerTrust::Key(loaded)) = policy.signer("a") else { panic!("no key") };
    assert_eq!(loaded.fingerprint(), digest);
    let inline = format!("pem = '''\n{}'''", pem("PUBLIC KEY", key.subject_public_key_info()));
    assert!(load(&key_policy(&inline, &digest), &NoFiles).is_ok());

    let (line, id, message) = one_complaint(&key_policy("file = \"other.pub\"", &digest), &files);
    assert_eq!((line, id), (8, "file.digest-mismatch"));
    assert!(message.contains(&sha256(&other.subject_public_key_info())), "{message}");
    let (line, id, message) = one_complaint(&key_policy("file = \"a.key\"", &digest), &files);
    assert_eq!((line, id), (7, "file.invalid"));
    assert!(message.contains("private key") && !message.contains("MC4CAQ"), "{message}");
    let (line, id, _) = one_complaint(&key_policy("file = \"missing\"", &digest), &files);
    assert_eq!((line, id), (7, "file.unreadable"));
    assert_eq!(one_complaint(&key_policy("file = \"a.pub\"", &digest), &NoFiles).1, "file.unreadable");
}

#[test]
fn only_listed_roots_are_roots() {
    let root = |name: &str| {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate")
    };
    let (good, extra) = (root("good"), root("extra"));
    let both =
        format!("{}{}", pem("CERTIFICATE", good.der().to_vec()), pem("CERTIFICATE", extra.der().to_vec()));
    let files = Memory(BTreeMap::from([
        ("both.pem", both.into_bytes()),
        ("extra.pem", pem("CERTIFICATE", extra.der().to_vec()).into_bytes()),
        ("broken.pem", b"-----BEGIN CERTIFICATE-----".to_vec()),
        ("crl/a.crl", vec![1, 2, 3]),
    ]));
    let policy = |file: &str| {
        head(&format!(
            "[signers.a]\nkind = \"certificate\"\nroots = \"{file}\"\nroot-sha256 = [\"{}\"]\nsubject.o = \"x\"\n\
             revocation = {{ mode = \"require\", crl-dir = \"crl\", max-age = \"7d\" }}\n",
            sha256(good.der())
        ))
    };
    let loaded = load(&policy("both.pem"), &files).expect("a policy");
    let Some(SignerTrust::Certificate { roots, crls }) = loaded.signer("a") else { panic!("no roots") };
    assert_eq!(crls.unreadable().map(|(name, _)| name).collect::<Vec<_>>(), ["crl/a.crl"]);
    let shown = format!("{roots:?}");
    assert!(shown.contains("good") && !shown.contains("extra"), "{shown}");
    let (line, id, _) = one_complaint(&policy("extra.pem"), &files);
    assert_eq!((line, id), (8, "file.digest-mismatch"));
    assert_eq!(one_complaint(&policy("broken.pem"), &files).1, "file.invalid");
}

#[test]
fn a_trust_root_file_must_be_the_one_the_policy_knows() {
    let files = Memory(BTreeMap::from([("root.json", b"{}".to_vec()), ("changed.json", b"{} ".to_vec())]));
    let policy =
        |file: &str| head(&format!("[trust-roots.r]\nfile = \"{file}\"\nsha256 = \"{}\"\n", sha256(b"{}")));
    let loaded = load(&policy("root.json"), &files).expect("a policy");
    assert_eq!(loaded.trust_root("r"), Some(&TrustRootSource::File(b"{}".to_vec())));
    let (line, id, _) = one_complaint(&policy("changed.json"), &files);
    assert_eq!((line, id), (7, "file.digest-mismatch"));
}

#[test]
fn a_policy_knows_the_digest_of_its_bytes_and_its_warnings() {
    let text = head("trust-roots.r = { tuf = \"https://tuf.example.com\" }\n");
    let policy = load(&text, &NoFiles).expect("a policy");
    assert_eq!(policy.digest(), sha256(text.as_bytes()));
    assert_ne!(load(&format!("{text}\n"), &NoFiles).expect("a policy").digest(), policy.digest());
    assert_eq!(policy.warnings().iter().map(|c| c.id).collect::<Vec<_>>(), ["lint.unused"]);
    let late =
        UnvalidatedPolicy::from_toml("p", &text).validate(&NoFiles, "2030-12-20T00:00:00Z".parse().ok());
    assert!(late.expect("a policy").warnings().iter().any(|c| c.id == "lint.expires-soon"));
}

#[test]
fn the_most_specific_rule_is_chosen_and_ties_are_errors() {
    let rule = |name: &str, models: &str| {
        format!("[[rule]]\nname = \"{name}\"\nmodels = {models}\naction = \"reject\"\n")
    };
    let text = head(
        &[
            rule("all", "[\"**\"]"),
            rule("acme", "[\"hf://huggingface.co/acme/*\", \"oci://r.example/acme/**\"]"),
            rule("chat", "[\"hf://huggingface.co/acme/chat-*\"]"),
            rule("v1", "[\"hf://huggingface.co/acme/chat-*-v1\"]"),
            rule("exact", "[\"hf://huggingface.co/acme/chat-7b-v1\"]"),
            rule("wide", "[\"oci://r.example/acme/*/x/*\"]"),
        ]
        .concat(),
    );
    let policy = load(&text, &NoFiles).expect("a policy");
    let chosen = |reference: &str| {
        let reference = Reference::canonical(reference).expect("a reference");
        policy.select(&reference).map(|selected| selected.rule.name.clone())
    };
    for (reference, rule) in [
        ("hf://huggingface.co/acme/chat-7b-v1", "exact"),
        ("hf://huggingface.co/acme/chat-8b-v1", "v1"),
        ("hf://huggingface.co/acme/chat-8b", "chat"),
        ("hf://huggingface.co/acme/embed", "acme"),
        ("hf://huggingface.co/acme-evil/embed", "all"),
        ("oci://r.example/acme/a", "acme"),
        ("oci://r.example/acme/a/x/b", "wide"),
        ("file:///x", "all"),
    ] {
        assert_eq!(chosen(reference).as_deref(), Ok(rule), "{reference}");
    }
    let only = load(&head(&rule("acme", "[\"hf://huggingface.co/acme/*\"]")), &NoFiles).expect("a policy");
    let other = Reference::canonical("hf://huggingface.co/acme2/x").expect("a reference");
    assert!(matches!(only.select(&other), Err(SelectError::NoMatch)));
}

#[test]
fn nothing_is_loaded_for_a_policy_with_errors() {
    struct Never;
    impl Files for Never {
        fn file(&self, name: &str, _: u64) -> Result<Vec<u8>, String> {
            panic!("{name} was asked for")
        }
        fn folder(&self, name: &str, _: u64) -> Result<Vec<(String, Vec<u8>)>, String> {
            panic!("{name} was asked for")
        }
    }
    let text = key_policy("file = \"a.pub\"\nunknown = 1", &"0".repeat(64));
    assert!(load(&text, &Never).is_err());
}
