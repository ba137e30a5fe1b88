//! [`Input`]: something that went into a run, as somebody names it, before anything of it was read.

use super::secret;
use modelseal_core::predicate::{
    build_type::{BASE_MODEL, CONTAINER, DATASET, LOCKFILE, SOURCE},
    descriptor::DigestSet,
    field::is_uri,
};
use std::path::{Path, PathBuf};

/// Something that went into a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// As what it went in.
    pub kind: InputKind,
    /// What identifies it. Lock files do without.
    pub uri: Option<String>,
    /// What says which bytes it was.
    pub pin: InputPin,
}

/// As what something went into a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputKind {
    /// The source that ran.
    Source,
    /// A model that this one was made from.
    Base,
    /// Data.
    Dataset,
    /// The container image that it ran in.
    Container,
    /// The file that pins the software that ran.
    Lockfile,
}

/// What says which bytes an input was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputPin {
    /// It is here, and is measured: a directory, a file, a signature bundle of a model, a description of a dataset, a git
    /// checkout.
    Path(PathBuf),
    /// Its digest, taken on somebody's word.
    Digest(DigestSet),
    /// Nothing.
    Nothing,
}

impl InputKind {
    /// The name of its resolved dependencies.
    #[must_use]
    pub fn dependency(self) -> &'static str {
        match self {
            Self::Source => SOURCE,
            Self::Base => BASE_MODEL,
            Self::Dataset => DATASET,
            Self::Container => CONTAINER,
            Self::Lockfile => LOCKFILE,
        }
    }

    /// What people call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Base => "base model",
            Self::Dataset => "dataset",
            Self::Container => "container",
            Self::Lockfile => "lock file",
        }
    }
}

impl Input {
    /// Reads an input as it stands on a command line: `URI`, `URI=PATH` or `URI=DIGEST`, where a container is
    /// `REF@DIGEST` and a lock file may be a path alone. The first `=` ends the URI; in a URI with a query the last.
    ///
    /// # Errors
    /// What is wrong with it, and how it is written.
    pub fn parse(kind: InputKind, text: &str) -> Result<Self, String> {
        match kind {
            InputKind::Container => return container(text),
            InputKind::Lockfile => return Ok(lockfile(text)),
            _ => {}
        }
        let equals = if text.contains('?') { text.rfind('=') } else { text.find('=') };
        let (uri, value) = match equals {
            // The query's own, when what stands before it is cut in two.
            Some(at) if !text.contains('?') || is_value(&text[at + 1..]) => {
                (&text[..at], Some(&text[at + 1..]))
            }
            _ => (text, None),
        };
        let pin = match value {
            None => InputPin::Nothing,
            Some("") => return Err(format!("'{uri}=' names neither a path nor a digest")),
            Some(value) => pin(kind, value)?,
        };
        Self::new(kind, Some(uri.to_owned()), pin)
    }

    /// An input, once its URI was looked at.
    ///
    /// # Errors
    /// When the URI is none.
    pub fn new(kind: InputKind, uri: Option<String>, pin: InputPin) -> Result<Self, String> {
        match &uri {
            // What would be left without the password is none.
            Some(uri) if secret::is_bare_address_with_password(uri) => Err(format!(
                "a {} is named with a user and password; give its URI without them, such as 'https://{}'",
                kind.word(),
                secret::without_user_info(uri).trim_start_matches('/'),
            )),
            Some(uri) if !is_uri(uri) => Err(format!(
                "'{uri}' is no URI; name a {} by one, such as {}",
                kind.word(),
                match kind {
                    InputKind::Source => "git+https://example.com/a/b@refs/heads/main",
                    InputKind::Container => "oci://ghcr.io/a/b",
                    _ => "pkg:huggingface/a/b@<commit>",
                }
            )),
            None if kind != InputKind::Lockfile => Err(format!("a {} needs a URI", kind.word())),
            _ => Ok(Self { kind, uri, pin }),
        }
    }

    /// Takes user and password out of the URI: it becomes public. Says so.
    pub(super) fn stripped(mut self) -> (Self, Option<String>) {
        let note = match &mut self.uri {
            Some(uri) if secret::has_user_info(uri) => {
                *uri = secret::without_user_info(uri);
                Some(format!("the user or password in the URI of '{uri}' was left out"))
            }
            _ => None,
        };
        (self, note)
    }

    /// Whether both are the same thing by their names: a run has one source, and what has no URI is known by its path.
    pub(super) fn is_named_as(&self, other: &Self) -> bool {
        let path = |input: &Self| match &input.pin {
            InputPin::Path(path) => std::path::absolute(path).ok(),
            _ => None,
        };
        let uri = |input: &Self| input.uri.as_deref().map(secret::without_user_info);
        let same = match (uri(self), uri(other)) {
            (None, None) => path(self) == path(other),
            (one, other) => one == other,
        };
        self.kind == other.kind && (same || self.kind == InputKind::Source)
    }

    /// What people know it by.
    pub(super) fn label(&self) -> String {
        match (&self.uri, &self.pin) {
            (Some(uri), _) => uri.clone(),
            (None, InputPin::Path(path)) => path.display().to_string(),
            (None, _) => self.kind.word().to_owned(),
        }
    }
}

/// Reads what stands behind the `=`.
pub(super) fn pin(kind: InputKind, value: &str) -> Result<InputPin, String> {
    if kind == InputKind::Source && super::git::is_commit(value) {
        return Ok(InputPin::Digest(DigestSet::of([("gitCommit", value)])));
    }
    match DigestSet::parse(value) {
        Ok(digest) => Ok(InputPin::Digest(digest)),
        // A digest with a mistake must not become the path of a file that is not there.
        Err(why) if looks_like_digest(value) && !Path::new(value).exists() => {
            Err(format!("'{value}': {why}"))
        }
        Err(_) => Ok(InputPin::Path(value.into())),
    }
}

fn is_value(text: &str) -> bool {
    DigestSet::parse(text).is_ok() || looks_like_digest(text) || Path::new(text).exists()
}

fn looks_like_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.len() > 1
            && !hex.contains(['/', '\\'])
            && algorithm.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

fn container(text: &str) -> Result<Input, String> {
    let wrong = || format!("'{text}' pins no image; write it as REF@sha256:<hex>, a tag can be moved");
    let (reference, digest) = text.rsplit_once('@').ok_or_else(wrong)?;
    let digest = DigestSet::parse(digest).map_err(|e| format!("'{text}': {e}"))?;
    let uri = if is_uri(reference) && (reference.contains("://") || reference.starts_with("pkg:")) {
        reference.to_owned()
    } else {
        format!("oci://{reference}")
    };
    Input::new(InputKind::Container, Some(uri), InputPin::Digest(digest))
}

fn lockfile(text: &str) -> Input {
    let (uri, path) = match text.split_once('=') {
        Some((uri, path)) if is_uri(uri) && !path.is_empty() => (Some(uri.to_owned()), path),
        _ => (None, text),
    };
    Input { kind: InputKind::Lockfile, uri, pin: InputPin::Path(path.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(kind: InputKind, text: &str) -> (Option<String>, String) {
        let input = Input::parse(kind, text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let pin = match input.pin {
            InputPin::Path(path) => path.display().to_string(),
            InputPin::Digest(digest) => digest.iter().map(|(a, hex)| format!("{a} {}", &hex[..4])).collect(),
            InputPin::Nothing => String::new(),
        };
        (input.uri, pin)
    }

    #[test]
    fn inputs_are_read_as_they_stand_on_a_command_line() {
        use InputKind as K;
        let hex = "ab".repeat(32);
        let commit = "c".repeat(40);
        for (kind, text, uri, pin) in [
            (K::Base, "pkg:huggingface/a/b@1=base", "pkg:huggingface/a/b@1", "base"),
            (K::Base, "hf://a/b=dir/lr=3", "hf://a/b", "dir/lr=3"),
            (K::Base, "hf://a/b", "hf://a/b", ""),
            (
                K::Base,
                "pkg:mlflow/m@3?repository_url=https://h",
                "pkg:mlflow/m@3?repository_url=https://h",
                "",
            ),
            (K::Dataset, &format!("hf://a/b=sha256:{hex}"), "hf://a/b", "sha256 abab"),
            (K::Dataset, &format!("x:y?z=1=sha256:{hex}"), "x:y?z=1", "sha256 abab"),
            (
                K::Source,
                &format!("git+https://h/a@refs/heads/x={commit}"),
                "git+https://h/a@refs/heads/x",
                "gitCommit cccc",
            ),
            (K::Source, "git+https://h/a@main=.", "git+https://h/a@main", "."),
            (K::Container, &format!("ghcr.io/a/b:v1@sha256:{hex}"), "oci://ghcr.io/a/b:v1", "sha256 abab"),
            (K::Container, &format!("docker://h/b@sha256:{hex}"), "docker://h/b", "sha256 abab"),
            (
                K::Container,
                &format!("localhost:5000/b@sha256:{hex}"),
                "oci://localhost:5000/b",
                "sha256 abab",
            ),
            (K::Lockfile, "https://h/uv.lock=uv.lock", "https://h/uv.lock", "uv.lock"),
        ] {
            assert_eq!(input(kind, text), (Some(uri.to_owned()), pin.to_owned()), "{text}");
        }
        assert_eq!(input(K::Lockfile, "a=b.lock"), (None, "a=b.lock".into()));
    }

    #[test]
    fn inputs_that_name_nothing_are_refused() {
        use InputKind as K;
        for (kind, text, part) in [
            (K::Base, "base", "no URI"),
            (K::Base, "models/base=dir", "no URI"),
            (K::Base, "hf://a/b=", "neither a path nor a digest"),
            (K::Dataset, "hf://a/b=sha256:ABC", "lowercase hexadecimal"),
            (K::Dataset, "hf://a/b=md5:00000000000000000000000000000000", "pins anything"),
            (K::Container, "ghcr.io/a/b:v1", "REF@sha256"),
            (K::Container, "ghcr.io/a/b@sha256:12", "lowercase hexadecimal"),
            (K::Source, "https://h/a b", "no URI"),
        ] {
            let error = Input::parse(kind, text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
