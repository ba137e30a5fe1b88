//! [`KmsUri`]: which key at which service.

use modelseal_core::text::Printable;
use std::fmt;

/// Longest URI that is read, in bytes. The longest names of keys have a few hundred.
pub const MAX_KMS_URI_BYTES: usize = 2048;

/// The URI of a key at a key management service. Holds no credential. Displays as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsUri {
    text: String,
    pub(super) place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Aws {
        /// Host and port.
        endpoint: Option<String>,
        key: String,
        region: Option<String>,
    },
    Google {
        /// `projects/../cryptoKeyVersions/N`.
        name: String,
    },
    Azure {
        /// Host and port.
        vault: String,
        key: String,
        version: Option<String>,
    },
    Vault {
        mount: Option<String>,
        key: String,
        version: Option<u32>,
    },
}

/// Why text is no URI of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KmsUriError {
    /// It has more bytes than [`MAX_KMS_URI_BYTES`].
    TooLong(usize),
    /// It begins with none of the four schemes.
    Scheme,
    /// A character that no name of a key holds.
    Character(char),
    /// It is not of the form of its scheme.
    Form {
        /// The form.
        expected: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
}

const AWS: &str = "awskms://[ENDPOINT]/KEY[?region=REGION] with KEY an id, alias/NAME or ARN";
const GOOGLE: &str = "gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N";
const AZURE: &str = "azurekms://VAULT/KEY[/VERSION] with VAULT the vault's name or host";
const VAULT: &str = "hashivault://[MOUNT/]KEY[?version=N]";

impl KmsUri {
    /// Reads a URI.
    ///
    /// # Errors
    /// [`KmsUriError`] when it is of none of the four forms.
    pub fn parse(text: &str) -> Result<Self, KmsUriError> {
        if text.len() > MAX_KMS_URI_BYTES {
            return Err(KmsUriError::TooLong(text.len()));
        }
        let (scheme, rest) = text.split_once("://").ok_or(KmsUriError::Scheme)?;
        let read = match scheme {
            "awskms" => aws,
            "gcpkms" => google,
            "azurekms" => azure,
            "hashivault" => vault,
            _ => return Err(KmsUriError::Scheme),
        };
        // What names of keys, hosts and regions are made of: nothing that would mean something else in a URL.
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:/?=[]".contains(c);
        if let Some(other) = rest.chars().find(|c| !allowed(*c)) {
            return Err(KmsUriError::Character(other));
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        if rest.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(KmsUriError::Character('.'));
        }
        Ok(Self { text: text.to_owned(), place: read(rest, query)? })
    }

    /// The service's name, for people.
    #[must_use]
    pub fn service(&self) -> &'static str {
        match self.place {
            Place::Aws { .. } => super::aws::SERVICE,
            Place::Google { .. } => super::google::SERVICE,
            Place::Azure { .. } => super::azure::SERVICE,
            Place::Vault { .. } => super::vault::SERVICE,
        }
    }
}

impl fmt::Display for KmsUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for KmsUriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the KMS URI is wrong: ")?;
        match self {
            Self::TooLong(size) => write!(f, "it has {size} bytes, at most {MAX_KMS_URI_BYTES}"),
            Self::Scheme => {
                f.write_str("it begins with none of awskms://, gcpkms://, azurekms:// and hashivault://")
            }
            Self::Character(c) => write!(f, "names of keys hold no '{}'", Printable(&c.to_string())),
            Self::Form { expected, reason } => write!(f, "{reason}; the form is {expected}"),
        }
    }
}

impl std::error::Error for KmsUriError {}

fn aws(rest: &str, query: Option<&str>) -> Result<Place, KmsUriError> {
    let wrong = |reason| KmsUriError::Form { expected: AWS, reason };
    let (endpoint, key) = rest.split_once('/').ok_or(wrong("there is no '/' before the key"))?;
    if key.is_empty() || key.ends_with('/') {
        return Err(wrong("it names no key"));
    }
    let endpoint = Some(endpoint).filter(|endpoint| !endpoint.is_empty()).map(str::to_owned);
    let asked =
        query.map(|query| query.strip_prefix("region=").ok_or(wrong("only 'region=' may follow the '?'")));
    let asked = asked.transpose()?;
    let in_arn = match key.strip_prefix("arn:") {
        // partition:kms:region:account:key/..
        Some(arn) => match arn.split(':').collect::<Vec<_>>().as_slice() {
            [_, "kms", region, _, name] if name.starts_with("key/") || name.starts_with("alias/") => {
                Some(*region)
            }
            _ => return Err(wrong("the ARN is not one of a KMS key")),
        },
        None => None,
    };
    let region = match (asked, in_arn) {
        (Some(asked), Some(in_arn)) if asked != in_arn => return Err(wrong("the ARN is of another region")),
        (asked, in_arn) => asked.or(in_arn),
    };
    if region.is_some_and(|region| !is_region(region)) {
        return Err(wrong("the region is not the name of one"));
    }
    Ok(Place::Aws { endpoint, key: key.to_owned(), region: region.map(str::to_owned) })
}

/// Whether `text` may become part of a host name.
pub(super) fn is_region(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn google(rest: &str, query: Option<&str>) -> Result<Place, KmsUriError> {
    let wrong = |reason| KmsUriError::Form { expected: GOOGLE, reason };
    let parts: Vec<&str> = rest.split('/').collect();
    let ["projects", p, "locations", l, "keyRings", r, "cryptoKeys", k, version @ ..] = parts.as_slice()
    else {
        return Err(wrong("it does not name project, location, key ring and key"));
    };
    // `versions` is how Sigstore's own documentation shortens it.
    let ["cryptoKeyVersions" | "versions", n] = version else {
        return Err(wrong("it does not name the version of the key"));
    };
    if [p, l, r, k].iter().any(|part| part.is_empty()) || n.parse::<u32>().is_err() || query.is_some() {
        return Err(wrong("a part is empty or not what it should be"));
    }
    let name = format!("projects/{p}/locations/{l}/keyRings/{r}/cryptoKeys/{k}/cryptoKeyVersions/{n}");
    Ok(Place::Google { name })
}

fn azure(rest: &str, query: Option<&str>) -> Result<Place, KmsUriError> {
    let wrong = |reason| KmsUriError::Form { expected: AZURE, reason };
    let parts: Vec<&str> = rest.split('/').collect();
    let (vault, key, version) = match parts.as_slice() {
        [vault, key] => (vault, key, None),
        [vault, key, version] => (vault, key, Some(*version)),
        _ => return Err(wrong("it does not name vault and key")),
    };
    if query.is_some() || parts.iter().any(|part| part.is_empty()) {
        return Err(wrong("a part is empty or too much"));
    }
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !plain(key) || !version.is_none_or(plain) {
        return Err(wrong("names of keys and versions are letters, digits and hyphens"));
    }
    let vault = if plain(vault) && *vault != "localhost" {
        format!("{vault}.vault.azure.net")
    } else {
        (*vault).to_owned()
    };
    Ok(Place::Azure { vault, key: (*key).to_owned(), version: version.map(str::to_owned) })
}

fn vault(rest: &str, query: Option<&str>) -> Result<Place, KmsUriError> {
    let wrong = |reason| KmsUriError::Form { expected: VAULT, reason };
    let (mount, key) = match rest.rsplit_once('/') {
        Some((mount, key)) => (Some(mount), key),
        None => (None, rest),
    };
    if key.is_empty() || mount.is_some_and(|mount| mount.split('/').any(str::is_empty)) {
        return Err(wrong("it names no key"));
    }
    let version = match query.map(|query| query.strip_prefix("version=").and_then(|n| n.parse().ok())) {
        Some(None | Some(0)) => return Err(wrong("only 'version=' with a number may follow the '?'")),
        Some(version) => version,
        None => None,
    };
    Ok(Place::Vault { mount: mount.map(str::to_owned), key: key.to_owned(), version })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        KmsUri::parse(text).unwrap().place
    }

    #[test]
    fn the_forms_of_sigstore_are_read() {
        let aws = |endpoint: Option<&str>, key: &str, region: Option<&str>| Place::Aws {
            endpoint: endpoint.map(str::to_owned),
            key: key.to_owned(),
            region: region.map(str::to_owned),
        };
        let arn = "arn:aws:kms:us-east-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        let alias = "arn:aws-cn:kms:cn-north-1:111122223333:alias/x";
        for (text, expected) in [
            ("awskms:///alias/models", aws(None, "alias/models", None)),
            ("awskms:///alias/a/b?region=eu-west-1", aws(None, "alias/a/b", Some("eu-west-1"))),
            ("awskms:///1234abcd-12ab", aws(None, "1234abcd-12ab", None)),
            (&format!("awskms:///{arn}"), aws(None, arn, Some("us-east-2"))),
            (&format!("awskms:///{alias}"), aws(None, alias, Some("cn-north-1"))),
            (&format!("awskms:///{arn}?region=us-east-2"), aws(None, arn, Some("us-east-2"))),
            ("awskms://localhost:4566/alias/x", aws(Some("localhost:4566"), "alias/x", None)),
            ("awskms://[::1]:4566/alias/x", aws(Some("[::1]:4566"), "alias/x", None)),
        ] {
            assert_eq!(place(text), expected, "{text}");
        }
        let name = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k/cryptoKeyVersions/7";
        assert_eq!(place(&format!("gcpkms://{name}")), Place::Google { name: name.to_owned() });
        let short = "gcpkms://projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k/versions/7";
        assert_eq!(place(short), Place::Google { name: name.to_owned() });
        for (text, vault, version) in [
            ("azurekms://mine/key", "mine.vault.azure.net", None),
            ("azurekms://mine.vault.azure.net/key/0af1", "mine.vault.azure.net", Some("0af1")),
            ("azurekms://127.0.0.1:8443/key", "127.0.0.1:8443", None),
        ] {
            let (vault, key) = (vault.to_owned(), "key".to_owned());
            assert_eq!(place(text), Place::Azure { vault, key, version: version.map(str::to_owned) });
        }
        for (text, mount, version) in [
            ("hashivault://key", None, None),
            ("hashivault://transit/key", Some("transit"), None),
            ("hashivault://team/a/key?version=3", Some("team/a"), Some(3)),
        ] {
            let key = "key".to_owned();
            assert_eq!(place(text), Place::Vault { mount: mount.map(str::to_owned), key, version });
        }
        assert_eq!(KmsUri::parse("awskms:///alias/x").unwrap().to_string(), "awskms:///alias/x");
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "key", "https://x/y", "AWSKMS:///x", "awskms:/x"] {
            assert_eq!(KmsUri::parse(text), Err(KmsUriError::Scheme), "{text}");
        }
        for text in [
            "awskms:///alias/a b",
            "hashivault://a%2fb",
            "azurekms://v/k#",
            "azurekms://u@v/k",
            "hashivault://ä",
        ] {
            assert!(matches!(KmsUri::parse(text), Err(KmsUriError::Character(_))), "{text}");
        }
        for text in ["hashivault://../sys/key", "awskms:///alias/../x", "hashivault://./key"] {
            assert_eq!(KmsUri::parse(text), Err(KmsUriError::Character('.')), "{text}");
        }
        for text in [
            "awskms://",
            "awskms:///",
            "awskms://alias",
            "awskms:///alias/x?",
            "awskms:///alias/x?zone=1",
            "awskms:///alias/x?region=",
            "awskms:///alias/x?region=evil.example",
            "awskms:///arn:aws:s3:us-east-1:1:key/x",
            "awskms:///arn:aws:kms:us-east-1:1:key/x?region=eu-west-1",
            "awskms:///arn:aws:kms::1:key/x",
            "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k",
            "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys//cryptoKeyVersions/1",
            "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/x",
            "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1/x",
            "azurekms://vault",
            "azurekms://vault/",
            "azurekms:///key",
            "azurekms://vault/key/1/2",
            "azurekms://vault/k.y",
            "hashivault://",
            "hashivault://mount/",
            "hashivault:///key",
            "hashivault://key?version=0",
            "hashivault://key?version=x",
        ] {
            assert!(matches!(KmsUri::parse(text), Err(KmsUriError::Form { .. })), "{text}");
        }
        let long = format!("hashivault://{}", "k".repeat(MAX_KMS_URI_BYTES));
        assert_eq!(KmsUri::parse(&long), Err(KmsUriError::TooLong(long.len())));
    }
}
