//! Notation's `trustpolicy.json` (notaryproject/specifications, trust store and trust policy, version 1.0).

use super::{
    ImportError, ImportOptions, Imported, MAX_FOREIGN_BYTES, Place,
    draft::{Draft, Required, quoted},
    scope,
};
use modelseal_core::json::value::Value;

/// Reads a trust policy.
///
/// # Errors
/// [`ImportError`] when the document is none, or malformed.
pub fn import(document: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    let value = Value::parse(document, MAX_FOREIGN_BYTES).map_err(ImportError::Json)?;
    let root = Place::root(&value);
    let version = root.get("version").required_text()?;
    if version != "1.0" {
        return Err(ImportError::Kind {
            found: version.to_owned(),
            expected: "a trust policy of version 1.0",
        });
    }
    let policies = root.get("trustPolicies").list()?;
    if policies.is_empty() {
        return Err(root.get("trustPolicies").expected("at least one trust policy"));
    }
    let mut draft = Draft::default();
    draft.lost = root.unknown(&["version", "trustPolicies"])?;
    for policy in policies {
        statement(&mut draft, &policy)?;
    }
    Ok(draft.finish(options))
}

fn statement(draft: &mut Draft, policy: &Place<'_>) -> Result<(), ImportError> {
    let name = policy.get("name").required_text()?;
    let known = ["name", "registryScopes", "signatureVerification", "trustStores", "trustedIdentities"];
    draft.lost.extend(policy.unknown(&known)?);
    let mut models = Vec::new();
    for scope in policy.get("registryScopes").list()? {
        match scope.required_text()? {
            "*" => draft
                .lost
                .push(scope.lost("every registry: a rule here names registries; what has no rule is denied")),
            text => match scope::repository(text).filter(|glob| !glob.contains('*')) {
                Some(glob) => models.push(glob),
                None => draft.lost.push(scope.lost("no repository that can be named here, and denied")),
            },
        }
    }
    if models.is_empty() {
        return Ok(());
    }
    let verification = policy.get("signatureVerification");
    let level = verification.get("level");
    for place in ["override", "verifyTimestamp"].map(|name| verification.get(name)) {
        if !place.is_absent() {
            draft.lost.push(place.lost("left out: every check of the rule is enforced"));
        }
    }
    let mode = match level.required_text()? {
        "skip" => {
            draft.rule(name, models, vec![("action", quoted("insecure-allow-unverified"))]);
            return Ok(());
        }
        "audit" => Some("audit"),
        "strict" => None,
        "permissive" => {
            draft
                .lost
                .push(level.lost("expired or revoked certificates are not excused: the rule is strict"));
            None
        }
        _ => return Err(level.expected("strict, permissive, audit or skip")),
    };
    let signers = signers(draft, policy, name)?;
    if signers.is_empty() {
        draft.lost.push(policy.lost("no signer of it can be named here, so its repositories are rejected"));
        draft.reject(name, models);
        return Ok(());
    }
    let required = Required { signers: &signers, threshold: 1, transparency: None }.to_toml();
    let mut fields = vec![("bind", quoted("signer")), ("signature", required)];
    if let Some(mode) = mode {
        fields.insert(0, ("mode", quoted(mode)));
    }
    draft.rule(name, models, fields);
    Ok(())
}

fn signers(draft: &mut Draft, policy: &Place<'_>, name: &str) -> Result<Vec<String>, ImportError> {
    let mut stores = Vec::new();
    for store in policy.get("trustStores").list()? {
        match store.required_text()?.split_once(':') {
            Some(("ca", store)) => stores.push(store),
            Some(("tsa", _)) => draft
                .lost
                .push(store.lost("timestamp authorities are left out: add timestamp = \"required\"")),
            _ => draft.lost.push(store.lost("no kind of trust store that is known here, and left out")),
        }
    }
    let mut names = Vec::new();
    for identity in policy.get("trustedIdentities").list()? {
        let text = identity.required_text()?;
        let Some(subject) = text.strip_prefix("x509.subject:").and_then(|dn| subject(dn, &identity, draft))
        else {
            draft.lost.push(identity.lost("no certificate subject that can be named here, and left out"));
            continue;
        };
        for store in &stores {
            let file = format!("{store}.pem");
            draft.lose(
                &identity.at,
                format!(
                    "put the roots of trust store '{store}' into {file} and list their digests in root-sha256"
                ),
            );
            let fields =
                vec![("kind", quoted("certificate")), ("roots", quoted(&file)), ("subject", subject.clone())];
            names.push(draft.signer(&format!("{name}-{store}"), fields));
        }
    }
    Ok(names)
}

/// The parts of a distinguished name that ours knows. `None` when none is left.
fn subject(dn: &str, identity: &Place<'_>, draft: &mut Draft) -> Option<String> {
    let mut fields = Vec::new();
    // A backslash escapes a comma; such names are rare enough to be left to people.
    let plain = !dn.contains(['\\', '"', '+']);
    for part in dn.split(',').filter(|_| plain) {
        let (key, value) = part.trim().split_once('=')?;
        match key.trim() {
            "CN" => fields.push(format!("cn = {}", quoted(value.trim()))),
            "O" => fields.push(format!("o = {}", quoted(value.trim()))),
            "OU" => fields.push(format!("ou = {}", quoted(value.trim()))),
            other => draft.lose(
                &identity.at,
                format!("'{other}' of a subject cannot be compared here, and is left out"),
            ),
        }
    }
    (!fields.is_empty()).then(|| format!("{{ {} }}", fields.join(", ")))
}
