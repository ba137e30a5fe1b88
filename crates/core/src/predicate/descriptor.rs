//! in-toto's ResourceDescriptor and DigestSet (in-toto/attestation `spec/v1/resource_descriptor.md`, `digest_set.md`).

use super::{error::PredicateError, field::Field};
use crate::json::value::Value;
use std::collections::BTreeMap;

/// Digests of one artifact by algorithm. Those of known algorithms are lowercase hexadecimal of the right length; those of
/// others are kept and never compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DigestSet(BTreeMap<String, String>);

/// An artifact or resource that a predicate speaks of: it has at least one of `uri`, `digest` and `content`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// Tells descriptors of one list apart.
    pub name: Option<String>,
    /// Identifies the resource.
    pub uri: Option<String>,
    /// Its digests; empty when there are none.
    pub digest: DigestSet,
    /// Its bytes in base64, as they were written.
    pub content: Option<String>,
    /// Where it can be fetched, if not from `uri`.
    pub download_location: Option<String>,
    /// Its media type.
    pub media_type: Option<String>,
    /// Anything else the producer said about it.
    pub annotations: BTreeMap<Box<str>, Value>,
}

/// The hexadecimal characters that a known algorithm's digests have, and whether it is strong enough to identify what an
/// attacker could choose. SHA-1 counts for objects of git alone, where collisions are detected.
const ALGORITHMS: [(&str, &[usize], bool); 26] = [
    ("sha256", &[64], true),
    ("sha224", &[56], false),
    ("sha384", &[96], true),
    ("sha512", &[128], true),
    ("sha512_224", &[56], false),
    ("sha512_256", &[64], true),
    ("sha3_224", &[56], false),
    ("sha3_256", &[64], true),
    ("sha3_384", &[96], true),
    ("sha3_512", &[128], true),
    ("blake2b", &[128], true),
    ("blake2s", &[64], true),
    ("blake3", &[64], true),
    ("ripemd160", &[40], false),
    ("sm3", &[64], false),
    ("gost", &[64], false),
    ("sha1", &[40], false),
    ("md5", &[32], false),
    ("dirHash", &[64], true),
    (MANIFEST_DIGEST, &[64], true),
    ("gitCommit", &[40, 64], true),
    ("gitTree", &[40, 64], true),
    ("gitBlob", &[40, 64], true),
    ("gitTag", &[40, 64], true),
    ("shake128", &[], false),
    ("shake256", &[], false),
];

/// The name, in a digest set, of the manifest digest: SHA-256 over the `sha256sum` listing of a model's resources. For
/// files hashed with SHA-256 it equals `dirHash`.
pub const MANIFEST_DIGEST: &str = "manifest-sha256";

impl DigestSet {
    /// A set of digests that this process computed. Nothing is checked.
    pub fn of<K: Into<String>, V: Into<String>>(digests: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(digests.into_iter().map(|(algorithm, hex)| (algorithm.into(), hex.into())).collect())
    }

    /// The digest of that algorithm.
    #[must_use]
    pub fn get(&self, algorithm: &str) -> Option<&str> {
        self.0.get(algorithm).map(String::as_str)
    }

    /// Algorithms and digests.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(algorithm, hex)| (algorithm.as_str(), hex.as_str()))
    }

    /// Whether there is no digest at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a digest of a strong algorithm is among them. MD5 or SHA-1 alone pin nothing.
    #[must_use]
    pub fn has_accepted(&self) -> bool {
        self.0.keys().any(|algorithm| Self::is_strong(algorithm))
    }

    /// Whether digests of that algorithm are strong enough to identify what an attacker could choose.
    #[must_use]
    pub fn is_strong(algorithm: &str) -> bool {
        ALGORITHMS.iter().any(|(name, _, strong)| *name == algorithm && *strong)
    }

    /// Whether both name the same artifact: one strong digest is equal, and none that both have differs.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        let mut equal = false;
        for (algorithm, hex) in self.iter().filter(|(algorithm, _)| Self::is_strong(algorithm)) {
            match other.get(algorithm) {
                Some(theirs) if theirs == hex => equal = true,
                Some(_) => return false,
                None => {}
            }
        }
        equal
    }

    /// Reads one digest as people write it: `sha256:<hex>`, `gitCommit:<hex>`. Only strong algorithms are known.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (algorithm, hex) = text.split_once(':').ok_or("it is not of the form sha256:<hex>")?;
        if !Self::is_strong(algorithm) {
            let known = ALGORITHMS.iter().filter(|(_, _, strong)| *strong).map(|(name, _, _)| *name);
            let known: Vec<&str> = known.collect();
            return Err(format!(
                "'{algorithm}' is no digest that pins anything; known are {}",
                known.join(", ")
            ));
        }
        check_digest(algorithm, hex, algorithm).map_err(|e| e.to_string())?;
        Ok(Self::of([(algorithm, hex)]))
    }

    pub(super) fn read(field: &Field<'_>) -> Result<Self, PredicateError> {
        let mut digests = BTreeMap::new();
        for (algorithm, field) in field.each_member()? {
            let hex = field.required_text()?;
            check_digest(algorithm, &hex, field.at())?;
            digests.insert(algorithm.to_owned(), hex);
        }
        Ok(Self(digests))
    }

    /// The set as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, hex)| (name.as_str().into(), hex.as_str().into())).collect())
    }
}

impl Descriptor {
    /// Whether a strong digest, or the content itself, says which bytes are meant.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.digest.has_accepted() || self.content.is_some()
    }

    /// How a digest of a directory was computed, as [`crate::cover::digest_method`] writes it.
    #[must_use]
    pub fn digest_method(&self) -> Option<&str> {
        self.annotations.get("digestMethod").and_then(Value::as_str)
    }

    /// The descriptor as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let text = |name: &'static str, text: &Option<String>| Some((name.into(), text.as_deref()?.into()));
        let set = |name: &'static str, value: Value| Some((name.into(), value));
        let fields = [
            text("name", &self.name),
            text("uri", &self.uri),
            set("digest", self.digest.to_value()).filter(|_| !self.digest.is_empty()),
            text("content", &self.content),
            text("downloadLocation", &self.download_location),
            text("mediaType", &self.media_type),
            set("annotations", Value::Object(self.annotations.clone()))
                .filter(|_| !self.annotations.is_empty()),
        ];
        Value::Object(fields.into_iter().flatten().collect())
    }

    /// Reads a descriptor that stands by itself.
    ///
    /// # Errors
    /// [`PredicateError`] names the field.
    pub fn from_value(value: &Value) -> Result<Self, PredicateError> {
        Self::read(&Field::root(value))
    }

    pub(super) fn read(field: &Field<'_>) -> Result<Self, PredicateError> {
        let read = Self {
            name: field.member("name")?.text()?,
            uri: field.member("uri")?.text()?,
            digest: DigestSet::read(&field.member("digest")?)?,
            content: field.member("content")?.base64()?,
            download_location: field.member("downloadLocation")?.text()?,
            media_type: field.member("mediaType")?.text()?,
            annotations: field.member("annotations")?.values()?,
        };
        if read.uri.is_none() && read.digest.is_empty() && read.content.is_none() {
            return Err(PredicateError::Descriptor { at: field.at().to_owned() });
        }
        Ok(read)
    }

    /// The descriptor here, if there is one.
    pub(super) fn read_optional(field: &Field<'_>) -> Result<Option<Self>, PredicateError> {
        if field.is_absent() { Ok(None) } else { Self::read(field).map(Some) }
    }

    pub(super) fn read_all(field: &Field<'_>) -> Result<Vec<Self>, PredicateError> {
        field.list()?.iter().map(Self::read).collect()
    }
}

/// Whether `hex` is what a digest of `algorithm` looks like. Nothing is known of other algorithms' digests.
pub(crate) fn check_digest(algorithm: &str, hex: &str, at: &str) -> Result<(), PredicateError> {
    if hex.is_empty() {
        return Err(PredicateError::Missing { at: at.to_owned() });
    }
    let Some((_, lengths, _)) = ALGORITHMS.iter().find(|(name, _, _)| *name == algorithm) else {
        return Ok(());
    };
    let is_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if lengths.is_empty() || is_hex && lengths.contains(&hex.len()) {
        return Ok(());
    }
    Err(PredicateError::Digest { at: at.to_owned(), found: hex.to_owned(), lengths })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Descriptor, PredicateError> {
        Descriptor::from_value(&Value::parse(text.as_bytes(), 1 << 20).unwrap())
    }

    #[test]
    fn a_descriptor_says_which_resource_it_means() {
        for good in [
            r#"{"uri":"x:y"}"#,
            r#"{"digest":{"md5":"00000000000000000000000000000000"}}"#,
            r#"{"content":"eA=="}"#,
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            "{}",
            r#"{"name":"mystery"}"#,
            r#"{"uri":""}"#,
            r#"{"uri":null,"digest":{}}"#,
            r#"{"downloadLocation":"https://x"}"#,
        ] {
            assert_eq!(read(bad), Err(PredicateError::Descriptor { at: String::new() }), "{bad}");
        }
        assert_eq!(read(r#"{"content":"e"}"#), Err(PredicateError::Base64 { at: "/content".into() }));
        assert!(matches!(read("[]"), Err(PredicateError::Kind { .. })));
        assert!(matches!(read(r#"{"uri":7}"#), Err(PredicateError::Kind { at, .. }) if at == "/uri"));
    }

    #[test]
    fn digests_of_known_algorithms_are_lowercase_hex_of_their_length() {
        let digest = |algorithm: &str, hex: &str| read(&format!(r#"{{"digest":{{"{algorithm}":"{hex}"}}}}"#));
        for (algorithm, lengths, _) in ALGORITHMS {
            for length in lengths {
                assert!(digest(algorithm, &"a".repeat(*length)).is_ok(), "{algorithm}");
                assert!(digest(algorithm, &"A".repeat(*length)).is_err(), "{algorithm}");
                assert!(digest(algorithm, &"g".repeat(*length)).is_err(), "{algorithm}");
                assert!(digest(algorithm, &"a".repeat(length - 1)).is_err(), "{algorithm}");
                assert!(digest(algorithm, &"a".repeat(length + 2)).is_err(), "{algorithm}");
            }
        }
        assert!(digest("somecoolhash", "Any/Thing==").is_ok());
        assert!(!digest("somecoolhash", "Any/Thing==").unwrap().is_pinned());
        assert!(digest("sha256", "").is_err());
        assert!(read(r#"{"digest":{"sha256":7}}"#).is_err());
        assert!(read(r#"{"digest":"abcd"}"#).is_err());
    }

    #[test]
    fn a_digest_is_read_as_people_write_it() {
        let hex = "ab".repeat(32);
        assert_eq!(DigestSet::parse(&format!("sha256:{hex}")).unwrap().get("sha256"), Some(&*hex));
        assert!(DigestSet::parse(&format!("gitCommit:{}", "a".repeat(40))).is_ok());
        for bad in ["", "sha256", "sha256:", "sha256:AB", &hex, "md5:00000000000000000000000000000000", "x:y"]
        {
            assert!(DigestSet::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_weak_algorithm_pins_nothing_and_matches_nothing() {
        let set = |digests: &[(&str, &str)]| DigestSet::of(digests.iter().copied());
        let (md5, sha1) = (set(&[("md5", "0")]), set(&[("sha1", "0")]));
        assert!(!md5.has_accepted() && !sha1.has_accepted());
        assert!(!md5.matches(&md5) && !sha1.matches(&sha1));
        let one = set(&[("sha256", "a"), ("sha512", "b")]);
        assert!(one.matches(&set(&[("sha256", "a")])));
        assert!(one.matches(&set(&[("sha256", "a"), ("blake3", "c")])));
        assert!(!one.matches(&set(&[("sha256", "a"), ("sha512", "x")])));
        assert!(!one.matches(&set(&[("sha256", "b"), ("sha512", "a")])));
        assert!(!one.matches(&DigestSet::default()));
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = format!(
            r#"{{"annotations":{{"a":[1]}},"content":"eA==","digest":{{"sha256":"{}"}},"downloadLocation":"d:e","mediaType":"t/u","name":"n","uri":"u:v"}}"#,
            "ab".repeat(32)
        );
        assert_eq!(read(&text).unwrap().to_value().to_string(), text);
    }
}
