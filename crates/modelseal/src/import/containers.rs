//! `policy.json` of containers/image (Podman, Skopeo, CRI-O): `containers-policy.json(5)`.

use super::{
    ImportError, ImportOptions, Imported, MAX_FOREIGN_BYTES, Place,
    draft::{Draft, Required, quoted},
    scope,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelseal_core::json::value::Value;

/// Reads a signature verification policy. Only what is said of `docker` references has a counterpart.
///
/// # Errors
/// [`ImportError`] when the document is none, or malformed.
pub fn import(document: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    let value = Value::parse(document, MAX_FOREIGN_BYTES).map_err(ImportError::Json)?;
    let root = Place::root(&value);
    let default = root.get("default");
    if default.list()?.is_empty() {
        return Err(default.expected("at least one requirement"));
    }
    let mut draft = Draft::default();
    draft.lost = root.unknown(&["default", "transports"])?;
    wide(&mut draft, &default)?;
    for (transport, scopes) in root.get("transports").members()? {
        if transport != "docker" {
            draft.lost.push(
                scopes.lost("only docker references have a counterpart here; what has no rule is denied"),
            );
            continue;
        }
        for (name, requirements) in scopes.members()? {
            if name.is_empty() {
                wide(&mut draft, &requirements)?;
                continue;
            }
            match scope::namespace(name) {
                Some(models) => scoped(&mut draft, name, models, &requirements)?,
                None => unnamed(&mut draft, name, &requirements),
            }
        }
    }
    Ok(draft.finish(options))
}

/// A scope that cannot be named: a tag or a digest, of which the whole repository is rejected, or a wildcard for hosts, which no
/// wider rule covers.
fn unnamed(draft: &mut Draft, name: &str, requirements: &Place<'_>) {
    let start = name.rfind('/').map_or(name.len(), |slash| slash + 1);
    let end = name[start..].find([':', '@']).map_or(name.len(), |at| start + at);
    match scope::repository(&name[..end]).filter(|_| end < name.len()) {
        Some(glob) => {
            draft.lost.push(
                requirements.lost("a tag or digest cannot be named here: its whole repository is rejected"),
            );
            draft.reject(name, vec![glob]);
        }
        None => {
            draft.lost.push(requirements.lost("a wildcard for hosts cannot be named here, and is denied"))
        }
    }
}

/// A default: what has no rule is denied here, whatever theirs said.
fn wide(draft: &mut Draft, requirements: &Place<'_>) -> Result<(), ImportError> {
    for requirement in requirements.list()? {
        if requirement.get("type").required_text()? != "reject" {
            draft
                .lost
                .push(requirement.lost("a default for every reference: what has no rule is denied here"));
        }
    }
    Ok(())
}

fn scoped(
    draft: &mut Draft,
    name: &str,
    models: Vec<String>,
    requirements: &Place<'_>,
) -> Result<(), ImportError> {
    let all = requirements.list()?;
    if all.is_empty() {
        return Err(requirements.expected("at least one requirement"));
    }
    let (mut signed, mut refused) = (Vec::new(), false);
    for requirement in &all {
        match requirement.get("type").required_text()? {
            "insecureAcceptAnything" => {}
            "reject" => refused = true,
            "sigstoreSigned" => signed.push(signers(draft, name, requirement)?),
            _ => {
                draft
                    .lost
                    .push(requirement.lost("GPG signatures are not supported, so the scope is rejected"));
                refused = true;
            }
        }
    }
    // Every requirement must be met, by one signature or another: ours says that for one signer each, or for one choice.
    let each_one = signed.iter().all(|names: &Vec<String>| names.len() == 1);
    if signed.iter().any(Vec::is_empty) || signed.len() > 1 && !each_one {
        draft.lost.push(
            requirements.lost("the requirements together cannot be said here, so the scope is rejected"),
        );
        refused = true;
    }
    if refused {
        draft.reject(name, models);
    } else if signed.is_empty() {
        draft.rule(name, models, vec![("action", quoted("insecure-allow-unverified"))]);
    } else {
        let (threshold, mut names) = (signed.len(), signed.concat());
        names.sort_unstable();
        names.dedup();
        let threshold = threshold.min(names.len());
        let required = Required { signers: &names, threshold, transparency: None }.to_toml();
        draft.rule(name, models, vec![("bind", quoted("signer")), ("signature", required)]);
    }
    Ok(())
}

/// The signers of whom one is enough. Empty when none can be named.
fn signers(draft: &mut Draft, scope: &str, requirement: &Place<'_>) -> Result<Vec<String>, ImportError> {
    let known = ["type", "keyPath", "keyPaths", "keyData", "keyDatas"];
    for (name, place) in requirement.members()?.into_iter().filter(|(name, _)| !known.contains(name)) {
        let what = match name {
            "signedIdentity" => "left out: what a signature says of names is not used here, see bind",
            "rekorPublicKeyPath" | "rekorPublicKeyPaths" | "rekorPublicKeyData" | "rekorPublicKeyDatas" => {
                "left out: logs come from a trust root here; add transparency = \"required\" and a trust root"
            }
            "fulcio" | "pki" => "certificates by a CA of its own need a trust root or root-sha256; left out",
            _ => "not known here, and left out",
        };
        draft.lost.push(place.lost(what));
    }
    let mut names = Vec::new();
    let files = requirement.get("keyPaths").list()?;
    for file in std::iter::once(requirement.get("keyPath")).filter(|f| !f.is_absent()).chain(files) {
        names.push(draft.key_file(scope, file.required_text()?, &file.at));
    }
    let datas = requirement.get("keyDatas").list()?;
    for data in std::iter::once(requirement.get("keyData")).filter(|d| !d.is_absent()).chain(datas) {
        let pem = STANDARD.decode(data.required_text()?).ok().and_then(|pem| String::from_utf8(pem).ok());
        let pem = pem.ok_or_else(|| data.expected("a key in base64"))?;
        names.extend(draft.key(scope, &pem, &data.at));
    }
    Ok(names)
}
