//! Canonical references: the caller's names for models. Rules are chosen by them, so that one model has one spelling.
//!
//! | scheme | form | apart from it |
//! |---|---|---|
//! | `hf` | `hf://HOST/ORG/REPO`, `hf://HOST/datasets/ORG/REPO` | `@REVISION` |
//! | `oci` | `oci://HOST[:PORT]/REPO..` | `:TAG`, `@sha256:DIGEST` |
//! | `ngc` | `ngc://HOST/PATH..` | `:VERSION` |
//! | `mlflow` | `mlflow://HOST[:PORT]/MODEL` | `@VERSION` |
//! | `s3`, `gs`, `az` | `s3://BUCKET/PREFIX..` | |
//! | `file` | `file:///ABSOLUTE/PATH` | |
//!
//! Package URLs that stand for one of these are read, too: `pkg:huggingface/ORG/REPO@REVISION`.
//!
//! A reference comes from whoever asks, never from the model. Nothing is filled in: no default registry, no default
//! organisation, no default tag.

use modelseal_core::{purl::Purl, text::Printable};
use std::{fmt, str::FromStr};

/// A model's name in the one form that rules are compared with.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    text: String,
    scheme: Scheme,
}

/// A reference as it was asked for: the name, and the version of it if one was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The model's name without a version.
    pub reference: Reference,
    /// The tag, revision or digest that was asked for, as it was written.
    pub version: Option<String>,
}

/// The kinds of place that models are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// A Hugging Face hub.
    Hf,
    /// An OCI registry.
    Oci,
    /// An NVIDIA NGC registry.
    Ngc,
    /// An MLflow model registry.
    Mlflow,
    /// Amazon S3 and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gs,
    /// Azure storage.
    Az,
    /// A file or folder of this machine.
    File,
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferenceError {
    /// It is no reference at all (reason code `reference.malformed`).
    Malformed {
        /// The text.
        found: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is a reference in another spelling than the canonical one (reason code `reference.not-canonical`).
    NotCanonical {
        /// The text.
        found: String,
        /// The canonical spelling.
        canonical: String,
    },
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 8] =
        [Self::Hf, Self::Oci, Self::Ngc, Self::Mlflow, Self::S3, Self::Gs, Self::Az, Self::File];

    /// What stands before `://`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hf => "hf",
            Self::Oci => "oci",
            Self::Ngc => "ngc",
            Self::Mlflow => "mlflow",
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
            Self::File => "file",
        }
    }

    /// Whether an `@` or a `:` at the end begins a version.
    fn separators(self) -> &'static [char] {
        match self {
            Self::Hf | Self::Mlflow => &['@'],
            Self::Oci => &['@', ':'],
            Self::Ngc => &[':'],
            Self::S3 | Self::Gs | Self::Az | Self::File => &[],
        }
    }
}

impl Reference {
    /// Reads a reference as people write it: the scheme and the host may be in any case, and a version may follow. A package
    /// URL with a version, as provenance writes it, is the reference that it stands for ([`Purl::reference`]).
    ///
    /// # Errors
    /// [`ReferenceError::Malformed`], saying what is wrong.
    ///
    /// ```
    /// # use modelseal_verify::policy::reference::Reference;
    /// let asked = Reference::parse("oci://GHCR.io/acme/models/chat:v2")?;
    /// assert_eq!(asked.reference.as_str(), "oci://ghcr.io/acme/models/chat");
    /// assert_eq!(asked.version.as_deref(), Some("v2"));
    /// # Ok::<(), modelseal_verify::policy::reference::ReferenceError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Requested, ReferenceError> {
        let malformed = |why: &str| ReferenceError::Malformed { found: shown(text), why: why.to_owned() };
        if text.len() > MAX_REFERENCE_BYTES {
            return Err(malformed("it is longer than any name"));
        }
        if text.starts_with("pkg:") {
            return of_purl(text);
        }
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| malformed("it has no scheme such as hf://"))?;
        let lower = scheme.to_ascii_lowercase();
        let scheme = Scheme::ALL
            .into_iter()
            .find(|s| s.name() == lower)
            .ok_or_else(|| malformed("its scheme is none of hf, oci, ngc, mlflow, s3, gs, az and file"))?;
        if let Some(why) = character_fault(scheme, rest) {
            return Err(malformed(why));
        }
        let (name, version) = split_version(scheme, rest).map_err(malformed)?;
        let (host, path) = name.split_once('/').ok_or_else(|| malformed("nothing follows its host"))?;
        let host = host.to_ascii_lowercase();
        if let Some(why) = host_fault(scheme, &host).or_else(|| path_fault(scheme, path)) {
            return Err(malformed(why));
        }
        let text = format!("{}://{host}/{path}", scheme.name());
        Ok(Requested { reference: Self { text, scheme }, version })
    }

    /// Reads a reference that is in canonical form already, and has no version.
    ///
    /// # Errors
    /// [`ReferenceError`], with the canonical form where there is one.
    pub fn canonical(text: &str) -> Result<Self, ReferenceError> {
        let asked = Self::parse(text)?;
        if asked.reference.text == text {
            return Ok(asked.reference);
        }
        Err(ReferenceError::NotCanonical { found: shown(text), canonical: asked.reference.text })
    }

    /// The canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the model is kept.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }
}

fn of_purl(text: &str) -> Result<Requested, ReferenceError> {
    let malformed = |why: &str| ReferenceError::Malformed { found: shown(text), why: why.to_owned() };
    let purl = Purl::parse(text).map_err(malformed)?;
    let name = purl.reference().ok_or_else(|| malformed("no reference is known for its kind of package"))?;
    // A name must not smuggle in a version, or anything else that is written in another way.
    let reference = Reference::canonical(&name)
        .map_err(|error| malformed(&format!("its reference cannot be used: {error}")))?;
    Ok(Requested { reference, version: Some(purl.release_version().to_owned()) })
}

/// Longest reference, in bytes.
pub const MAX_REFERENCE_BYTES: usize = 4096;

/// What is wrong with a rule's glob as a glob on canonical references; `None` when some reference could match it. The
/// second part is whether it is a wildcard in the host.
pub(super) fn glob_fault(glob: &str) -> Option<(String, bool)> {
    if glob == "**" {
        return None;
    }
    let Some((scheme, rest)) = glob.split_once("://") else {
        let why = "it has no scheme; write it in full, such as \"hf://huggingface.co/org/repo\"";
        return Some((why.to_owned(), false));
    };
    let Some(scheme) = Scheme::ALL.into_iter().find(|s| s.name() == scheme) else {
        let why = format!(
            "\"{}://\" is no scheme of a reference; those are hf, oci, ngc, mlflow, s3, gs, az and file",
            Printable(scheme)
        );
        return Some((why, scheme.contains('*')));
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.contains('*') {
        return Some(("its host has a wildcard".to_owned(), true));
    }
    if let Some(why) = host_fault(scheme, host) {
        return Some((why.to_owned(), false));
    }
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some(("its host has capital letters, which canonical references do not".to_owned(), false));
    }
    // Any text will do for a wildcard.
    let example = path.replace("**", "x").replace('*', "x");
    if let Some(why) = character_fault(scheme, &example) {
        return Some((why.to_owned(), false));
    }
    match split_version(scheme, &example) {
        Ok((_, None)) => {}
        _ => {
            return Some((
                "it has a version; rules are for names, and min-version for versions".to_owned(),
                false,
            ));
        }
    }
    // How many segments there are is open with **, so the form is only checked without it.
    let why = if path.contains("**") { segment_fault(&example) } else { path_fault(scheme, &example) };
    why.map(|why| (why.to_owned(), false))
}

fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Characters that have two spellings, or a meaning elsewhere.
fn character_fault(scheme: Scheme, text: &str) -> Option<&'static str> {
    if text.contains('%') {
        return Some("it has a %; names are written as they are, without percent-encoding");
    }
    if text.contains('\\') {
        return Some("it has a backslash");
    }
    if text.contains('*') {
        return Some("it has a *; a reference names one model");
    }
    if text.chars().any(|c| modelseal_core::text::is_unsafe_to_print(c) || (c.is_whitespace() && c != ' ')) {
        return Some("it has a control character or an invisible one");
    }
    if scheme != Scheme::File && text.contains(['?', '#', ' ']) {
        return Some("it has a ?, a # or a space; queries and fragments are no part of a name");
    }
    None
}

/// The name without its version, and the version.
fn split_version(scheme: Scheme, rest: &str) -> Result<(&str, Option<String>), &'static str> {
    let path_at = rest.find('/').map_or(rest.len(), |at| at + 1);
    let path = rest.get(path_at..).unwrap_or_default();
    let separators = scheme.separators();
    let from = if scheme == Scheme::Hf || scheme == Scheme::Mlflow {
        // A revision may have slashes: refs/pr/1.
        path.find(separators)
    } else {
        let segment = path.rfind('/').map_or(0, |at| at + 1);
        let digest = if separators.contains(&'@') { path.find('@') } else { None };
        digest.or(path.get(segment..).and_then(|last| last.find(separators)).map(|at| at + segment))
    };
    let Some(from) = from.map(|from| from + path_at) else { return Ok((rest, None)) };
    let mut version = rest.get(from + 1..).unwrap_or_default().to_owned();
    let mut end = from;
    if scheme == Scheme::Oci && rest.as_bytes().get(from) == Some(&b'@') {
        // repo:tag@digest: the digest decides, the tag is only a name for it.
        let name = rest.get(path_at..from).unwrap_or_default();
        let segment = name.rfind('/').map_or(0, |at| at + 1);
        if let Some(tag) = name.get(segment..).and_then(|last| last.find(':')) {
            end = path_at + segment + tag;
        }
        let digest = version.strip_prefix("sha256:");
        if !digest
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        {
            return Err("what follows its @ is not sha256: and 64 hexadecimal digits");
        }
    } else if version.is_empty() {
        return Err("its version is empty");
    } else if scheme != Scheme::Hf && version.contains(['/', ':', '@']) || version.contains("..") {
        return Err("its version has characters that versions do not have");
    }
    version.truncate(MAX_REFERENCE_BYTES);
    Ok((rest.get(..end).unwrap_or_default(), Some(version)))
}

fn host_fault(scheme: Scheme, host: &str) -> Option<&'static str> {
    if scheme == Scheme::File {
        return (!host.is_empty()).then_some("a file:// reference has three slashes and an absolute path");
    }
    let has_port = matches!(scheme, Scheme::Oci | Scheme::Mlflow | Scheme::Hf | Scheme::Ngc);
    let (name, port) = match host.split_once(':') {
        Some((name, port)) if has_port => (name, Some(port)),
        Some(_) => return Some("its bucket has a colon"),
        None => (host, None),
    };
    if name.is_empty() {
        return Some("it has no host");
    }
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Some("its host is no host name (letters, digits, - and . only)");
    }
    let good_port = |port: &str| {
        !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
    };
    port.is_some_and(|port| !good_port(port)).then_some("its port is no number from 1 to 65535")
}

fn segment_fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("nothing follows its host");
    }
    if path.ends_with('/') {
        return Some("it ends with a slash");
    }
    if path.split('/').any(|segment| segment.is_empty() || segment == "." || segment == "..") {
        return Some("it has an empty segment, or one that is . or ..");
    }
    None
}

fn path_fault(scheme: Scheme, path: &str) -> Option<&'static str> {
    if let Some(why) = segment_fault(path) {
        return Some(why);
    }
    let segments: Vec<&str> = path.split('/').collect();
    match (scheme, segments.as_slice()) {
        (Scheme::Hf, [_, _] | ["datasets" | "spaces", _, _]) | (Scheme::Mlflow, [_]) => None,
        (Scheme::Hf, _) => Some("it is not an organisation and a repository"),
        (Scheme::Mlflow, _) => Some("it is not one registered model's name"),
        (Scheme::Oci, parts) => {
            let part = |part: &&str| {
                let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
                let edge = |b: Option<&u8>| b.is_some_and(|b| alphanumeric(*b));
                edge(part.as_bytes().first())
                    && edge(part.as_bytes().last())
                    && part.bytes().all(|b| alphanumeric(b) || matches!(b, b'.' | b'_' | b'-'))
            };
            (!parts.iter().all(part))
                .then_some("its repository has characters that OCI does not allow, such as capitals")
        }
        _ => None,
    }
}

impl FromStr for Requested {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Reference::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({})", self.text)
    }
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { found, why } => {
                write!(f, "'{}' is no reference to a model: {why}", Printable(found))
            }
            Self::NotCanonical { found, canonical } => {
                write!(f, "'{}' is not canonical; write '{}'", Printable(found), Printable(canonical))
            }
        }
    }
}

impl std::error::Error for ReferenceError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_are_read_into_one_form() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        for (text, canonical, version) in [
            ("hf://huggingface.co/acme/embedder-v3", "hf://huggingface.co/acme/embedder-v3", None),
            ("HF://HuggingFace.CO/acme/X@main", "hf://huggingface.co/acme/X", Some("main")),
            ("hf://huggingface.co/acme/x@refs/pr/1", "hf://huggingface.co/acme/x", Some("refs/pr/1")),
            (
                "hf://huggingface.co/datasets/allenai/dolma",
                "hf://huggingface.co/datasets/allenai/dolma",
                None,
            ),
            ("oci://Reg.example:5000/a/b:v1.2", "oci://reg.example:5000/a/b", Some("v1.2")),
            ("oci://reg.example/a/b", "oci://reg.example/a/b", None),
            (&format!("oci://reg.example/a/b@{digest}"), "oci://reg.example/a/b", Some(&*digest)),
            (&format!("oci://reg.example/a/b:v1@{digest}"), "oci://reg.example/a/b", Some(&*digest)),
            ("ngc://nvcr.io/nim/meta/llama-3.1-70b:1.2", "ngc://nvcr.io/nim/meta/llama-3.1-70b", Some("1.2")),
            ("mlflow://mlflow.acme.example/prod-chat@7", "mlflow://mlflow.acme.example/prod-chat", Some("7")),
            ("s3://acme-models/a/b:c@d", "s3://acme-models/a/b:c@d", None),
            ("gs://b/p", "gs://b/p", None),
            ("az://b/p", "az://b/p", None),
            ("file:///srv/models/my model", "file:///srv/models/my model", None),
            ("pkg:huggingface/acme/Base@276e7028", "hf://huggingface.co/acme/Base", Some("276e7028")),
            (
                "pkg:oci/triage@sha256%3Aab?repository_url=reg.example/medical/triage&tag=2.4.1",
                "oci://reg.example/medical/triage",
                Some("2.4.1"),
            ),
            ("pkg:mlflow/fraud@3?repository_url=https://ml.example", "mlflow://ml.example/fraud", Some("3")),
        ] {
            let asked = Reference::parse(text).unwrap();
            assert_eq!((asked.reference.as_str(), asked.version.as_deref()), (canonical, version), "{text}");
            assert_eq!(Reference::canonical(canonical), Ok(asked.reference));
        }
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        for (text, why) in [
            ("", "no scheme"),
            ("acme/embedder", "no scheme"),
            ("http://x/y", "scheme is none"),
            ("pkg:huggingface/acme/base", "no version"),
            ("pkg:huggingface/base@1", "organisation and a repository"),
            ("pkg:huggingface/acme/base%40main@1", "not canonical"),
            ("pkg:huggingface/acme/a%2Fb@1", "encoded '/'"),
            ("pkg:npm/x@1", "kind of package"),
            ("hf://huggingface.co", "nothing follows"),
            ("hf://huggingface.co/", "nothing follows"),
            ("hf://huggingface.co/acme", "organisation and a repository"),
            ("hf://huggingface.co/acme/x/y", "organisation and a repository"),
            ("hf://huggingface.co/acme/../x", "."),
            ("hf://huggingface.co/acme/x/", "slash"),
            ("hf://huggingface.co//x", "empty segment"),
            ("hf://huggingface.co/acme/%78", "percent-encoding"),
            ("hf://huggingface.co/acme/x?y", "?"),
            ("hf://huggingface.co/acme/*", "names one model"),
            ("hf://*.co/acme/x", "names one model"),
            ("hf://user@huggingface.co/acme/x", "host"),
            ("hf://hugging face.co/acme/x", "space"),
            ("hf://huggingface.co/acme/x@", "version is empty"),
            ("hf://huggingface.co/acme/\u{202e}x", "invisible"),
            ("oci://reg.example/A/b", "OCI"),
            ("oci://reg.example:0/a/b", "port"),
            ("oci://reg.example:99999/a/b", "port"),
            ("oci://reg.example/a/b@sha256:12", "64 hexadecimal"),
            ("oci://reg.example/a/b:", "version is empty"),
            ("mlflow://h/a/b", "one registered model"),
            ("file://host/srv/x", "three slashes"),
            ("file:///", "nothing follows"),
            ("file:///srv/../etc", "."),
            ("file:///srv/a\\b", "backslash"),
            ("s3://buc:ket/x", "colon"),
            ("s3:///x", "no host"),
        ] {
            let error = Reference::parse(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        let error = Reference::canonical("oci://REG.example/a:v1").unwrap_err();
        assert!(
            matches!(&error, ReferenceError::NotCanonical { canonical, .. } if canonical == "oci://reg.example/a")
        );
    }

    #[test]
    fn globs_are_held_against_the_same_form() {
        for good in [
            "**",
            "hf://huggingface.co/acme/*",
            "oci://ghcr.io/acme/models/**",
            "ngc://nvcr.io/nim/**",
            "mlflow://m.example/prod-*",
            "file:///srv/models/**",
            "s3://b/**/x",
        ] {
            assert_eq!(glob_fault(good), None, "{good}");
        }
        for (bad, in_host) in [
            ("acme/*", false),
            ("*://x/y", true),
            ("hf://*/acme/x", true),
            ("hf://*.co/acme/x", true),
            ("oci://ghcr.io*/x", true),
            ("hf://HuggingFace.co/acme/*", false),
            ("hf://huggingface.co/*", false),
            ("oci://reg.example/a/b:v*", false),
            ("hf://huggingface.co/acme/x@main", false),
            ("oci://reg.example/Acme/*", false),
            ("file://srv/x", false),
            ("hf://huggingface.co/acme/x/", false),
        ] {
            assert_eq!(glob_fault(bad).map(|(_, host)| host), Some(in_host), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_canonical_stays_so(text in "(hf|oci|ngc|mlflow|s3|file|HF)://[A-Za-z0-9.:/@-]{0,24}") {
            if let Ok(asked) = Reference::parse(&text) {
                let again = Reference::parse(asked.reference.as_str()).unwrap();
                prop_assert_eq!(&again.reference, &asked.reference);
                prop_assert_eq!(again.version, None);
            }
        }
    }
}
