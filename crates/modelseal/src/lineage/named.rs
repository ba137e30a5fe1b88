//! Names of models: the references that policies know them by, and whether two names are of one model.

use crate::declared::hub_name;
use modelseal_core::{purl::Purl, text::Printable};
use modelseal_verify::policy::reference::Reference;

/// The reference of a model that somebody named by `uri`.
///
/// # Errors
/// Why policies know no such name.
pub(super) fn request(uri: Option<&str>) -> Result<Reference, String> {
    let uri = uri.ok_or("it has no name, so that no rule of the policy can speak of it")?;
    let (reference, _) = split(uri).ok_or_else(|| {
        format!("'{}' is no name that policies know, so that no rule speaks of it", Printable(uri))
    })?;
    Ok(reference)
}

/// Whether `given`, which may leave the version out, names the model that `uri` names.
pub(super) fn same(given: &str, uri: &str) -> bool {
    if given == uri {
        return true;
    }
    let versions = |one: Option<String>, other: Option<String>| match (one, other) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    match (split(given), split(uri)) {
        (Some((one, version)), Some((other, theirs))) => one == other && versions(version, theirs),
        _ => hub_name(given).is_some_and(|name| hub_name(uri) == Some(name)) && !given.contains('@'),
    }
}

/// The reference of a package URL, of a reference as people write it, or of a name of the hub that such names are of.
fn split(uri: &str) -> Option<(Reference, Option<String>)> {
    if let Ok(purl) = Purl::parse(uri) {
        let reference = Reference::canonical(&purl.reference()?).ok()?;
        return Some((reference, Some(purl.version)));
    }
    let text = match uri.split_once("://") {
        Some(("https", rest)) if rest.starts_with("huggingface.co/") => {
            format!("hf://huggingface.co/{}", hub_name(uri)?)
        }
        Some(_) => uri.to_owned(),
        None if uri.matches('/').count() == 1 && !uri.contains(':') => format!("hf://huggingface.co/{uri}"),
        None => return None,
    };
    let requested = Reference::parse(&text).ok()?;
    Some((requested.reference, requested.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_model_has_many_names() {
        let name = "hf://huggingface.co/acme/base";
        for uri in ["pkg:huggingface/acme/base@abc", name, "acme/base", "https://huggingface.co/acme/base"] {
            assert_eq!(request(Some(uri)).unwrap().as_str(), name, "{uri}");
            assert!(same(name, uri) && same("acme/base", uri), "{uri}");
        }
        assert!(same("pkg:huggingface/acme/base@abc", "hf://huggingface.co/acme/base@abc"));
        assert!(!same("pkg:huggingface/acme/base@abc", "pkg:huggingface/acme/base@def"));
        for other in ["hf://huggingface.co/acme/other", "oci://ghcr.io/acme/base", "acme/bas", ""] {
            assert!(!same(other, name), "{other}");
        }
        assert!(same("x:y", "x:y") && !same("x:y", "x:z"));
        assert!(request(None).is_err() && request(Some("x:y")).is_err());
    }
}
