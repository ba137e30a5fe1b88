//! `ClusterImagePolicy` of Sigstore's policy-controller (`policy.sigstore.dev/v1beta1` and `v1alpha1`), as YAML.

use super::{
    ImportError, ImportOptions, Imported, MAX_FOREIGN_BYTES, Place,
    draft::{Draft, Required, quoted},
    scope,
};
use modelseal_core::json::value::Value;

/// Reads one resource.
///
/// # Errors
/// [`ImportError`] when the document is none, or malformed.
pub fn import(document: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    let value = read_yaml(document)?;
    let root = Place::root(&value);
    let (version, kind) = (root.get("apiVersion").required_text()?, root.get("kind").required_text()?);
    let known = ["policy.sigstore.dev/v1beta1", "policy.sigstore.dev/v1alpha1"];
    if kind != "ClusterImagePolicy" || !known.contains(&version) {
        let found = format!("{version} {kind}");
        return Err(ImportError::Kind { found, expected: "a ClusterImagePolicy of policy.sigstore.dev" });
    }
    let name = root.get("metadata").get("name").required_text()?;
    let spec = root.get("spec");
    let mut draft = Draft::default();
    for place in ["match", "policy"].map(|name| spec.get(name)) {
        if !place.is_absent() {
            draft
                .lost
                .push(place.lost("conditions in other languages cannot be said here, and are left out"));
        }
    }
    draft.lost.extend(spec.unknown(&["images", "authorities", "mode", "match", "policy"])?);
    let mut models = Vec::new();
    for image in spec.get("images").list()? {
        let glob = image.get("glob");
        match scope::repository(glob.required_text()?) {
            Some(glob) => models.push(glob),
            None => {
                draft.lost.push(glob.lost("a glob has to name its registry here; what has no rule is denied"))
            }
        }
    }
    if !models.is_empty() {
        rule(&mut draft, name, models, &spec)?;
    }
    Ok(draft.finish(options))
}

fn rule(draft: &mut Draft, name: &str, models: Vec<String>, spec: &Place<'_>) -> Result<(), ImportError> {
    let authorities = spec.get("authorities");
    let all = authorities.list()?;
    let mut read = Read::default();
    for authority in &all {
        read.authority(draft, name, authority)?;
    }
    if read.passes {
        if all.len() > 1 {
            draft.lost.push(
                authorities.lost("one authority passes whatever the others say, so the others are left out"),
            );
        }
        draft.rule(name, models, vec![("action", quoted("insecure-allow-unverified"))]);
        return Ok(());
    }
    if read.signers.is_empty() {
        draft.lost.push(authorities.lost("no authority can be said here, so the images are rejected"));
        draft.reject(name, models);
        return Ok(());
    }
    // One authority is enough for theirs, and one signer for ours; but a log that only some of them ask for is asked of all.
    read.signers.sort_unstable();
    read.signers.dedup();
    let transparency = if read.logged { "required" } else { "off" };
    if read.logged && read.unlogged {
        draft.lost.push(
            authorities.lost("a transparency log is required of every signer, since one of them needs it"),
        );
    }
    let required =
        Required { signers: &read.signers, threshold: 1, transparency: Some(transparency) }.to_toml();
    let mut fields = vec![("bind", quoted("signer")), ("signature", required)];
    if !read.attestations.is_empty() {
        draft.lost.push(authorities.lost(
            "attestations are required besides a signature, and of every authority that asks for them",
        ));
        fields.push(("attestation", format!("[{}]", read.attestations.join(", "))));
    }
    match spec.get("mode").text()? {
        None | Some("enforce") => {}
        Some("warn") => fields.insert(0, ("mode", quoted("audit"))),
        Some(_) => return Err(spec.get("mode").expected("enforce or warn")),
    }
    draft.rule(name, models, fields);
    Ok(())
}

/// What the authorities of one policy come to.
#[derive(Default)]
struct Read {
    signers: Vec<String>,
    attestations: Vec<String>,
    passes: bool,
    logged: bool,
    unlogged: bool,
}

impl Read {
    fn authority(
        &mut self,
        draft: &mut Draft,
        policy: &str,
        authority: &Place<'_>,
    ) -> Result<(), ImportError> {
        let known = ["name", "key", "keyless", "static", "ctlog", "attestations", "signatureFormat"];
        draft.lost.extend(authority.unknown(&known)?);
        let name = authority
            .get("name")
            .text()?
            .map_or_else(|| policy.to_owned(), |name| format!("{policy}-{name}"));
        let (key, keyless, fixed) = (authority.get("key"), authority.get("keyless"), authority.get("static"));
        if !fixed.is_absent() {
            match fixed.get("action").required_text()? {
                "pass" => self.passes = true,
                "fail" => {}
                _ => return Err(fixed.get("action").expected("pass or fail")),
            }
            return Ok(());
        }
        let log = authority.get("ctlog");
        if !log.get("trustRootRef").is_absent() {
            draft.lost.push(log.get("trustRootRef").lost("left out: add a trust root"));
        }
        let signers = if keyless.is_absent() {
            self.logged |= !log.is_absent();
            self.unlogged |= log.is_absent();
            key_signer(draft, &name, &key)?.into_iter().collect()
        } else {
            self.logged = true;
            keyless_signers(draft, &name, &keyless)?
        };
        for attestation in authority.get("attestations").list()? {
            self.attestation(draft, &attestation, &signers)?;
        }
        self.signers.extend(signers);
        Ok(())
    }

    fn attestation(
        &mut self,
        draft: &mut Draft,
        place: &Place<'_>,
        signers: &[String],
    ) -> Result<(), ImportError> {
        draft.lost.extend(place.unknown(&["name", "predicateType", "policy"])?);
        if !place.get("policy").is_absent() {
            draft
                .lost
                .push(place.get("policy").lost("conditions in CUE or Rego have to be written as `where`"));
        }
        let name = place.get("name").text()?.unwrap_or("attestation");
        let written = place.get("predicateType").required_text()?;
        let predicate_type =
            ALIASES.iter().find(|(alias, _)| *alias == written).map_or(written, |(_, uri)| *uri);
        if signers.is_empty() {
            draft.lost.push(place.lost("left out, as nobody who could sign it can be named"));
            return Ok(());
        }
        let names: Vec<String> = signers.iter().map(|name| quoted(name)).collect();
        let threshold = if names.len() > 1 { ", threshold = 1" } else { "" };
        self.attestations.push(format!(
            "{{ name = {}, predicate-type = {}, signers = [{}]{threshold}, select = \"any\" }}",
            quoted(name),
            quoted(predicate_type),
            names.join(", ")
        ));
        Ok(())
    }
}

/// The short names of predicate types that cosign knows.
const ALIASES: [(&str, &str); 9] = [
    ("custom", "https://cosign.sigstore.dev/attestation/v1"),
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("link", "https://in-toto.io/Link/v1"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
];

fn key_signer(draft: &mut Draft, name: &str, key: &Place<'_>) -> Result<Option<String>, ImportError> {
    for place in ["secretRef", "kms", "hashAlgorithm"].map(|field| key.get(field)) {
        let is_default = place.text().ok().flatten() == Some("sha256");
        if !place.is_absent() && !is_default {
            draft
                .lost
                .push(place.lost("a key outside the file, or another hash, is left out: add the public key"));
        }
    }
    match key.get("data").text()? {
        Some(pem) => Ok(draft.key(name, pem, &key.get("data").at)),
        None => Ok(None),
    }
}

fn keyless_signers(draft: &mut Draft, name: &str, keyless: &Place<'_>) -> Result<Vec<String>, ImportError> {
    draft.lost.extend(keyless.unknown(&["url", "identities"])?);
    let url = keyless.get("url");
    if !matches!(url.text()?, None | Some("https://fulcio.sigstore.dev")) {
        draft.lost.push(
            url.lost("another certificate authority needs a trust root of its own; its signers are left out"),
        );
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for identity in keyless.get("identities").list()? {
        draft.lost.extend(identity.unknown(&["issuer", "issuerRegExp", "subject", "subjectRegExp"])?);
        let Some(issuer) = identity.get("issuer").text()? else {
            draft.lost.push(identity.lost("an issuer has to be named exactly; the identity is left out"));
            continue;
        };
        let pattern = identity.get("subjectRegExp");
        let matched =
            match (identity.get("subject").text()?, pattern.text()?) {
                (Some(subject), None) => quoted(subject),
                (None, Some(text)) => {
                    draft.lost.push(pattern.lost(
                        "a pattern is compared with the whole subject here, and with a part of it there",
                    ));
                    let whole = text.strip_prefix('^').unwrap_or(text);
                    format!("{{ regex = {} }}", quoted(whole.strip_suffix('$').unwrap_or(whole)))
                }
                _ => {
                    draft.lost.push(identity.lost(
                        "exactly one of subject and subjectRegExp is needed; the identity is left out",
                    ));
                    continue;
                }
            };
        names.push(draft.keyless(name, vec![("issuer", quoted(issuer)), ("identity", matched)]));
    }
    Ok(names)
}

/// One document of YAML within narrow bounds, as strictly as JSON: no duplicate keys, and `no` is a string.
fn read_yaml(document: &[u8]) -> Result<Value, ImportError> {
    if document.len() as u64 > MAX_FOREIGN_BYTES {
        return Err(ImportError::Yaml(format!("{} bytes exceed {MAX_FOREIGN_BYTES}", document.len())));
    }
    let text = std::str::from_utf8(document).map_err(|e| ImportError::Yaml(e.to_string()))?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 20_000,
            max_nodes: 10_000,
            max_aliases: 100,
            max_anchors: 100,
            max_depth: 32,
            max_documents: 1,
        },
        strict_booleans: true,
    };
    let value: serde_json::Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|e| ImportError::Yaml(e.to_string().lines().next().unwrap_or_default().to_owned()))?;
    let json = serde_json::to_vec(&value).map_err(|e| ImportError::Yaml(e.to_string()))?;
    Value::parse(&json, 2 * MAX_FOREIGN_BYTES).map_err(ImportError::Json)
}
