//! A policy that is being written.

use super::{ImportOptions, Imported, Lost};
use modelseal_verify::public_key::PublicKey;
use std::collections::BTreeMap;

/// The signers, trust roots and rules of a policy, and what could not be said.
#[derive(Default)]
pub(super) struct Draft {
    signers: BTreeMap<String, Vec<(&'static str, String)>>,
    public_root: bool,
    rules: Vec<Rule>,
    pub(super) lost: Vec<Lost>,
}

/// One rule: what it is for, and its other fields in order, already TOML.
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) models: Vec<String>,
    pub(super) fields: Vec<(&'static str, String)>,
}

/// How many of which signers.
pub(super) struct Required<'a> {
    pub(super) signers: &'a [String],
    pub(super) threshold: usize,
    pub(super) transparency: Option<&'static str>,
}

impl Draft {
    /// Adds a signer under a name that is not taken, and gives the name.
    pub(super) fn signer(&mut self, name: &str, fields: Vec<(&'static str, String)>) -> String {
        let plain =
            |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '-' };
        let base: String = name.chars().map(plain).collect();
        let base = if base.is_empty() { "signer".to_owned() } else { base };
        let mut free = base.clone();
        let mut count = 2;
        while self.signers.get(&free).is_some_and(|taken| *taken != fields) {
            free = format!("{base}-{count}");
            count += 1;
        }
        self.signers.insert(free.clone(), fields);
        free
    }

    /// Adds a signer by the text of its key. `None`, with the loss noted, when it is no key that is supported.
    pub(super) fn key(&mut self, name: &str, pem: &str, at: &str) -> Option<String> {
        match PublicKey::from_pem(pem.as_bytes()) {
            Ok(key) => Some(self.signer(
                name,
                vec![
                    ("kind", quoted("key")),
                    ("pem", quoted(pem)),
                    ("spki-sha256", quoted(&key.fingerprint())),
                ],
            )),
            Err(error) => {
                self.lose(at, format!("the key cannot be used: {error}"));
                None
            }
        }
    }

    /// Adds a signer by the file of its key, whose digest somebody has to fill in.
    pub(super) fn key_file(&mut self, name: &str, file: &str, at: &str) -> String {
        let what = format!("the digest of the key in '{file}' is not known here: add spki-sha256");
        self.lose(at, what);
        self.signer(name, vec![("kind", quoted("key")), ("file", quoted(file))])
    }

    /// Adds a signer with a certificate of the public Sigstore instance.
    pub(super) fn keyless(&mut self, name: &str, mut fields: Vec<(&'static str, String)>) -> String {
        self.public_root = true;
        let mut all = vec![("kind", quoted("keyless")), ("trust-root", quoted("public"))];
        all.append(&mut fields);
        self.signer(name, all)
    }

    pub(super) fn rule(&mut self, name: &str, models: Vec<String>, fields: Vec<(&'static str, String)>) {
        let mut free = name.to_owned();
        let mut count = 2;
        while self.rules.iter().any(|rule| rule.name == free) {
            free = format!("{name}-{count}");
            count += 1;
        }
        self.rules.push(Rule { name: free, models, fields });
    }

    /// A rule that rejects: what becomes of a scope whose requirement cannot be said.
    pub(super) fn reject(&mut self, name: &str, models: Vec<String>) {
        self.rule(name, models, vec![("action", quoted("reject"))]);
    }

    pub(super) fn lose(&mut self, at: &str, what: impl Into<String>) {
        self.lost.push(Lost { at: at.to_owned(), what: what.into() });
    }

    pub(super) fn finish(self, options: &ImportOptions) -> Imported {
        let mut toml =
            String::from("# A draft, imported from another tool's policy. What could not be said:\n");
        for lost in &self.lost {
            toml.push_str(&format!("# - {}\n", one_line(&lost.to_string())));
        }
        if self.lost.is_empty() {
            toml.push_str("# - nothing\n");
        }
        toml.push_str(&format!(
            "schema = \"modelseal.policy/v1\"\nid = {}\nversion = 1\nexpires = {}\n",
            quoted(&options.id),
            options.expires
        ));
        if self.public_root {
            toml.push_str(
                "\n[trust-roots.public]\ntuf = \"https://tuf-repo-cdn.sigstore.dev\"\nmax-staleness = \"30d\"\n",
            );
        }
        for (name, fields) in &self.signers {
            toml.push_str(&format!("\n[signers.{name}]\n{}", lines(fields)));
        }
        for rule in &self.rules {
            let models: Vec<String> = rule.models.iter().map(|model| quoted(model)).collect();
            let (name, models) = (quoted(&rule.name), models.join(", "));
            let fields = lines(&rule.fields);
            toml.push_str(&format!("\n[[rule]]\nname = {name}\nmodels = [{models}]\n{fields}"));
        }
        Imported { toml, lost: self.lost }
    }
}

impl Required<'_> {
    /// The value of `signature`.
    pub(super) fn to_toml(&self) -> String {
        let signers: Vec<String> = self.signers.iter().map(|name| quoted(name)).collect();
        let threshold =
            if self.signers.len() > 1 { format!(", threshold = {}", self.threshold) } else { String::new() };
        let transparency =
            self.transparency.map(|t| format!(", transparency = {}", quoted(t))).unwrap_or_default();
        format!("{{ signers = [{}]{threshold}{transparency} }}", signers.join(", "))
    }
}

/// A TOML basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn lines(fields: &[(&'static str, String)]) -> String {
    fields.iter().map(|(name, value)| format!("{name} = {value}\n")).collect()
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
