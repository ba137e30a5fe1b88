//! [`Purl`]: a package URL that names one version of a package (package-url/purl-spec), and the reference it stands for.

use std::{borrow::Cow, collections::BTreeMap};

/// A package URL with a version and without a subpath, such as `pkg:huggingface/acme/embedder@276e7028`.
///
/// ```
/// # use modelseal_core::purl::Purl;
/// let purl = Purl::parse("pkg:huggingface/acme/embedder@276e7028").unwrap();
/// assert_eq!(purl.reference().as_deref(), Some("hf://huggingface.co/acme/embedder"));
/// assert_eq!(purl.version, "276e7028");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purl {
    /// As it was written.
    pub text: String,
    /// The type, lowercase: `huggingface`, `oci`, `mlflow`.
    pub kind: String,
    /// The segments before the name, decoded.
    pub namespace: Vec<String>,
    /// The name, decoded.
    pub name: String,
    /// The version, decoded; never empty.
    pub version: String,
    /// Qualifiers, decoded.
    pub qualifiers: BTreeMap<String, String>,
}

impl Purl {
    /// Reads a package URL.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix("pkg:").ok_or("it does not start with 'pkg:'")?;
        if rest.contains('#') {
            return Err("it names a part of a package ('#')");
        }
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, rest) = rest.split_once('/').ok_or("it has no type")?;
        let is_kind = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+');
        if !kind.starts_with(|c: char| c.is_ascii_lowercase()) || !kind.bytes().all(is_kind) {
            return Err("its type is not lowercase letters and digits");
        }
        let (path, version) =
            rest.rsplit_once('@').filter(|(_, v)| !v.contains('/')).ok_or("it has no version")?;
        let mut segments = path.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        let name = segments.pop().ok_or("it has no name")?;
        let version = decode(version)?;
        if version.is_empty() {
            return Err("it has no version");
        }
        let qualifiers = read_qualifiers(qualifiers)?;
        let (text, kind) = (text.to_owned(), kind.to_owned());
        Ok(Self { text, kind, namespace: segments, name, version, qualifiers })
    }

    /// The canonical reference of the model that this is a release of, without the version. `None` for kinds of package
    /// that no reference is known for.
    #[must_use]
    pub fn reference(&self) -> Option<String> {
        let path =
            || self.namespace.iter().chain([&self.name]).map(String::as_str).collect::<Vec<_>>().join("/");
        let url = self.qualifiers.get("repository_url").map(|url| location(url));
        match &*self.kind {
            "huggingface" => {
                let host = url.flatten().map_or(Some("huggingface.co".to_owned()), |(host, path)| {
                    path.is_empty().then_some(host)
                })?;
                Some(format!("hf://{host}/{}", path()))
            }
            "oci" => {
                let (host, path) = url??;
                let last = path.rsplit('/').next()?;
                (last == self.name && self.namespace.is_empty()).then(|| format!("oci://{host}/{path}"))
            }
            "mlflow" => {
                let (host, _) = url??;
                Some(format!("mlflow://{host}/{}", path()))
            }
            _ => None,
        }
    }

    /// What people call the release: the version, or for an image, whose version is a digest, its tag.
    #[must_use]
    pub fn release_version(&self) -> &str {
        let tag = self.qualifiers.get("tag").filter(|_| self.kind == "oci");
        tag.unwrap_or(&self.version)
    }
}

/// The host, lowercase, and the path of a URL whose scheme may be missing.
fn location(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(url);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':');
    let plain = !host.is_empty() && host.bytes().all(is_host) && !path.contains(['?', '#']);
    plain.then(|| (host.to_ascii_lowercase(), path.trim_end_matches('/').to_owned()))
}

fn segment(raw: &str) -> Result<String, &'static str> {
    let text = decode(raw)?;
    match &*text {
        "" => Err("it has an empty segment"),
        "." | ".." => Err("it has a '.' or '..' segment"),
        _ if text.contains('/') => Err("a segment holds an encoded '/'"),
        _ => Ok(text),
    }
}

fn read_qualifiers(text: &str) -> Result<BTreeMap<String, String>, &'static str> {
    let mut qualifiers = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("a qualifier has no value")?;
        let is_key = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
        if key.is_empty() || !key.bytes().all(is_key) {
            return Err("a qualifier's name is not lowercase letters and digits");
        }
        if qualifiers.insert(key.to_owned(), decode(value)?).is_some() {
            return Err("a qualifier stands twice");
        }
    }
    qualifiers.retain(|_, value| !value.is_empty());
    Ok(qualifiers)
}

fn decode(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let hex = after.split_at_checked(2).ok_or("a '%' is followed by no two digits")?;
        let digits = std::str::from_utf8(hex.0).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
        bytes.push(byte.ok_or("a '%' is followed by no two digits")?);
        rest = hex.1;
    }
    let decoded: Cow<'_, str> = String::from_utf8(bytes).map_err(|_| "it is not UTF-8")?.into();
    if decoded.contains(|c: char| c.is_control()) {
        return Err("it holds a control character");
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_stands_for_a_reference() {
        for (text, reference, version) in [
            ("pkg:huggingface/acme/m@abc", Some("hf://huggingface.co/acme/m"), "abc"),
            (
                "pkg:huggingface/acme/m@abc?repository_url=https://HF.Example",
                Some("hf://hf.example/acme/m"),
                "abc",
            ),
            ("pkg:huggingface/acme/m@abc?repository_url=https://hf.example/x", None, "abc"),
            (
                "pkg:oci/triage@sha256%3Aab?repository_url=registry.acme.example/medical/triage&tag=2.4.1",
                Some("oci://registry.acme.example/medical/triage"),
                "2.4.1",
            ),
            (
                "pkg:oci/other@sha256%3Aab?repository_url=registry.acme.example/medical/triage",
                None,
                "sha256:ab",
            ),
            ("pkg:oci/triage@sha256%3Aab", None, "sha256:ab"),
            (
                "pkg:mlflow/fraud@3?repository_url=https://ml.example/api",
                Some("mlflow://ml.example/fraud"),
                "3",
            ),
            ("pkg:npm/@angular/http@7.2.16", None, "7.2.16"),
            ("pkg:pypi/urllib3@2.1.0", None, "2.1.0"),
        ] {
            let purl = Purl::parse(text).unwrap();
            assert_eq!((purl.reference().as_deref(), purl.release_version()), (reference, version), "{text}");
        }
        assert_eq!(Purl::parse("pkg:npm/%40angular/http@7").unwrap().namespace, ["@angular"]);
    }

    #[test]
    fn what_names_no_release_is_refused() {
        for bad in [
            "",
            "pkg:",
            "pkg:oci",
            "PKG:oci/a@1",
            "pkg:OCI/a@1",
            "pkg:/a@1",
            "pkg:oci/a",
            "pkg:oci/a@",
            "pkg:npm/@angular/http",
            "pkg:oci//a@1",
            "pkg:oci/../a@1",
            "pkg:oci/%2e%2e/a@1",
            "pkg:oci/a%2fb@1",
            "pkg:oci/a%zz@1",
            "pkg:oci/a%+1@1",
            "pkg:oci/a%f@1",
            "pkg:oci/a%ff@1",
            "pkg:oci/a%00@1",
            "pkg:oci/a@1#sub",
            "pkg:oci/a@1?x",
            "pkg:oci/a@1?x=1&x=2",
            "pkg:oci/a@1?X=1",
            "https://a/b@1",
        ] {
            assert!(Purl::parse(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "(pkg:)?[a-z/@%0-9?&=#é]{0,24}") {
            let _ = Purl::parse(&text).map(|purl| purl.reference());
        }
    }
}
