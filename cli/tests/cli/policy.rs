//! Trust policies, end to end.

mod base_models;
mod content;
mod deciding;
mod evidence;
mod formats;
mod keyless;
mod lists;
mod people;
mod signed;
mod summaries;
mod tools;

use crate::common::World;
use serde_json::Value;
use std::fmt::Write;

/// The name that the policies of these tests speak of.
pub(crate) const NAME: &str = "hf://huggingface.co/acme/ranker";

/// A world with people who have keys, and with policies that name them.
pub(crate) struct Site {
    pub(crate) world: World,
    signers: String,
}

impl Site {
    /// Keys of `people`: of `alice` and `alice:yubikey`, which is another key of hers.
    pub(crate) fn new(people: &[&str]) -> Self {
        let mut site = Self { world: World::new(), signers: String::new() };
        for person in people {
            let (principal, credential) = person.split_once(':').unwrap_or((person, ""));
            let name = format!("{principal}{credential}");
            let spki = site.key(&name);
            writeln!(
                site.signers,
                "signers.{name} = {{ kind = \"key\", principal = \"{principal}\", file = \"{name}.pub\", spki-sha256 = \"{spki}\" }}"
            )
            .unwrap();
        }
        site
    }

    /// Makes `name.key` and `name.pub`; gives the fingerprint.
    pub(crate) fn key(&self, name: &str) -> String {
        let args = ["key", "generate", "--no-password", "--output", name, "--format", "json"];
        let document = self.world.run(&args).exits(0).json();
        document["key-fingerprint"].as_str().unwrap().to_owned()
    }

    /// Signs the model into `name.sig`.
    pub(crate) fn sign(&self, name: &str) -> &Self {
        let (key, signature) = (format!("{name}.key"), format!("{name}.sig"));
        self.world.run(&["sign", "key", "model", "--private-key", &key, "--signature", &signature]).exits(0);
        self
    }

    /// Signs a statement with `name.key` into the file `out`.
    pub(crate) fn attest(&self, name: &str, statement: &Value, out: &str) {
        let (kind, statement) = ("application/vnd.in-toto+json", statement.to_string());
        self.world.file("pae", format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len()));
        self.world.file("payload", statement);
        let key = format!("{name}.key");
        let sign = ["pkeyutl", "-sign", "-inkey", &key, "-rawin", "-in", "pae", "-out", "sig"];
        self.world.tool("openssl", &sign);
        let base64 = |file| Value::from(self.world.tool("openssl", &["base64", "-A", "-in", file]));
        // A signature of the same key over a model has all that is needed besides.
        let signature = ["--private-key", &key, "--signature", "template.sig", "--force"];
        self.world.run(&[&["sign", "key", "model"], &signature[..]].concat()).exits(0);
        let mut bundle: Value = serde_json::from_str(&self.world.read("template.sig")).unwrap();
        std::fs::remove_file(self.world.join("template.sig")).unwrap();
        bundle["dsseEnvelope"]["payload"] = base64("payload");
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64("sig");
        self.world.file(out, bundle.to_string());
    }

    /// A policy in `policy.toml` with one rule for [`NAME`].
    pub(crate) fn policy(&self, rule: &str) -> &Self {
        self.policy_with("policy.toml", 5, "", &format!("models = [\"{NAME}\"]\nbind = \"signer\"\n{rule}"))
    }

    /// A policy with more at its top, and one rule.
    pub(crate) fn policy_with(&self, file: &str, version: u64, top: &str, rule: &str) -> &Self {
        let text = format!(
            "schema = \"modelseal.policy/v1\"\nid = \"acme.example/platform\"\nversion = {version}\nexpires = 2099-01-01T00:00:00Z\n\
             {top}\n{}\n[[rule]]\nname = \"ranker\"\n{rule}\n",
            self.signers
        );
        self.world.file(file, text);
        self
    }

    /// The arguments that decide under `policy.toml`, and more.
    pub(crate) fn verify<'a>(&self, more: &[&'a str]) -> Vec<&'a str> {
        [
            &[
                "verify",
                "model",
                "--policy",
                "policy.toml",
                "--policy-unsigned",
                "--state-dir",
                "state",
                "--as",
                NAME,
            ],
            more,
        ]
        .concat()
    }
}
