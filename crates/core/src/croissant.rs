//! [`Croissant`]: what a Croissant description (MLCommons Croissant 1.0 and 1.1, JSON-LD) says about the files of a dataset,
//! and how much of it pins anything. Only `distribution` is read.
//!
//! Descriptions in the field hold a URL, the word `sha256` or an MD5 where a SHA-256 belongs, and readers accept them. Here
//! each file is told apart by what would be noticed if it were replaced: [`Pin`].

use crate::{
    json::{JsonError, value::Value},
    limits::{MAX_CROISSANT_BYTES, MAX_CROISSANT_FILES},
    path::ModelPath,
    text::{Printable, hex},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{collections::HashMap, fmt};

/// The files that a description lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Croissant {
    /// What it lists, in its order.
    pub files: Vec<DataFile>,
    /// Whether it says of itself that the data change (`isLiveDataset`).
    pub is_live: bool,
}

/// A `FileObject` or a `FileSet`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Its `@id`, or else its name.
    pub id: String,
    /// What says which bytes are meant.
    pub pin: Pin,
    /// Where it is.
    pub place: DataPlace,
}

/// What says which bytes of a file are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// The SHA-256 of its bytes, in lowercase hexadecimal.
    Sha256(String),
    /// It is part of another file of the list (`containedIn`), which has to be pinned.
    Inside(String),
    /// Nothing does: a set of files of no file in the list, or of one that is none.
    Nothing,
    /// There is no `sha256`.
    Missing,
    /// Only an MD5, for which other bytes can be made.
    Weak,
    /// Something that is no digest stands for one: a URL, usually that of an issue about missing digests.
    Placeholder(String),
    /// A digest of another length than SHA-256 has.
    Length(String),
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataPlace {
    /// Beside the description.
    Beside(ModelPath),
    /// Elsewhere, under an address.
    Remote {
        /// The address.
        url: String,
        /// Whether it names a branch, so that what it leads to changes.
        is_mutable: bool,
    },
    /// A path that leads out of the description's folder, or is none.
    Outside(String),
    /// It has no place of its own.
    Nowhere,
}

/// Why a document is no description.
#[derive(Debug)]
#[non_exhaustive]
pub enum CroissantError {
    /// It is no JSON, or too large.
    Json(JsonError),
    /// It is JSON, but not of a description.
    NotCroissant,
    /// A member is of another kind.
    Kind {
        /// JSON pointer of the member.
        at: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// It lists more files than are looked at.
    TooMany(usize),
}

impl Croissant {
    /// Reads a description.
    ///
    /// # Errors
    /// [`CroissantError`] says what is wrong and where.
    pub fn parse(document: &[u8]) -> Result<Self, CroissantError> {
        let value = Value::parse(document, MAX_CROISSANT_BYTES).map_err(CroissantError::Json)?;
        if !is_description(&value) {
            return Err(CroissantError::NotCroissant);
        }
        let no_files = [];
        let list = match value.get("distribution") {
            None | Some(Value::Null) => &no_files[..],
            Some(Value::Array(list)) => list,
            // JSON-LD writes a list of one as the one.
            Some(one @ Value::Object(_)) => std::slice::from_ref(one),
            Some(_) => return Err(kind("/distribution".into(), "an array")),
        };
        if list.len() > MAX_CROISSANT_FILES {
            return Err(CroissantError::TooMany(list.len()));
        }
        let files = list.iter().enumerate().map(|(index, file)| read_file(index, file));
        let is_live = text_or_bool(value.get("isLiveDataset"));
        Ok(Self { files: files.collect::<Result<_, _>>()?, is_live })
    }

    /// For each file of [`files`](Self::files), whether every change of its bytes would be noticed: it has a SHA-256, or is
    /// part of a file that has one.
    #[must_use]
    pub fn pinned(&self) -> Vec<bool> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (index, file) in self.files.iter().enumerate() {
            places.entry(&*file.id).or_insert(index);
        }
        let mut known: Vec<Option<bool>> = vec![None; self.files.len()];
        for start in 0..self.files.len() {
            // Follows a chain until something is known; whoever is met twice is part of nothing.
            let (mut at, mut chain) = (start, Vec::new());
            let pinned = loop {
                if let Some(pinned) = known[at] {
                    break pinned;
                }
                known[at] = Some(false);
                chain.push(at);
                match &self.files[at].pin {
                    Pin::Sha256(_) => break true,
                    Pin::Inside(parent) => match places.get(&**parent) {
                        Some(parent) => at = *parent,
                        None => break false,
                    },
                    _ => break false,
                }
            };
            chain.into_iter().for_each(|link| known[link] = Some(pinned));
        }
        known.into_iter().map(|pinned| pinned == Some(true)).collect()
    }
}

fn is_description(value: &Value) -> bool {
    let mentions = |value: &Value, text: &str| match value {
        Value::String(found) => found.contains(text),
        Value::Array(found) => found.iter().any(|one| one.as_str().is_some_and(|one| one.contains(text))),
        _ => false,
    };
    let has = |name: &str, text: &str| value.get(name).is_some_and(|value| mentions(value, text));
    has("conformsTo", "mlcommons.org/croissant")
        || has("dct:conformsTo", "mlcommons.org/croissant")
        || value.get("@context").is_some() && has("@type", "Dataset") && value.get("distribution").is_some()
}

fn read_file(index: usize, file: &Value) -> Result<DataFile, CroissantError> {
    let at = |name: &str| format!("/distribution/{index}{}{name}", if name.is_empty() { "" } else { "/" });
    if file.as_object().is_none() {
        return Err(kind(at(""), "an object"));
    }
    let text = |name: &str| match file.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(&**text).filter(|text| !text.is_empty())),
        Some(_) => Err(kind(at(name), "a string")),
    };
    let is_set = file.get("@type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("FileSet"));
    let parent = contained_in(file);
    let (sha256, md5) = (text("sha256")?, text("md5")?);
    let pin = match (sha256, parent) {
        (Some(sha256), _) => read_sha256(sha256),
        (None, Some(parent)) => Pin::Inside(parent),
        (None, None) if is_set => Pin::Nothing,
        (None, None) if md5.is_some() => Pin::Weak,
        (None, None) => Pin::Missing,
    };
    let place = match text("contentUrl")? {
        None => DataPlace::Nowhere,
        // Inside an archive, a path is one in there.
        Some(_) if matches!(pin, Pin::Inside(_)) => DataPlace::Nowhere,
        Some(url) => place(url),
    };
    let id = text("@id")?.or(text("name")?).unwrap_or_default().to_owned();
    Ok(DataFile { id, pin, place })
}

fn contained_in(file: &Value) -> Option<String> {
    let one = |value: &Value| value.as_str().or_else(|| value.get("@id")?.as_str()).map(str::to_owned);
    match file.get("containedIn")? {
        Value::Array(several) => several.first().and_then(one),
        value => one(value),
    }
}

fn read_sha256(text: &str) -> Pin {
    let is_hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex && text.len() == 64 {
        return Pin::Sha256(text.to_ascii_lowercase());
    }
    if let Ok(bytes) = STANDARD.decode(text)
        && bytes.len() == 32
    {
        return Pin::Sha256(hex(&bytes));
    }
    if text.contains([':', '/']) { Pin::Placeholder(text.into()) } else { Pin::Length(text.into()) }
}

fn place(url: &str) -> DataPlace {
    if let Some((scheme, rest)) = url.split_once(':')
        && !scheme.contains('/')
    {
        // A file of this machine is not beside the description, whatever it holds.
        if scheme.eq_ignore_ascii_case("file") || rest.is_empty() {
            return DataPlace::Outside(url.into());
        }
        let lower = url.to_ascii_lowercase();
        let branches =
            ["refs%2f", "/refs/", "/tree/main", "/tree/master", "/resolve/main/", "/resolve/master/"];
        let is_mutable = branches.iter().any(|branch| lower.contains(branch));
        return DataPlace::Remote { url: url.into(), is_mutable };
    }
    match ModelPath::parse(url.strip_prefix("./").unwrap_or(url)) {
        Ok(path) => DataPlace::Beside(path),
        Err(_) => DataPlace::Outside(url.into()),
    }
}

fn text_or_bool(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(value)) => *value,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

fn kind(at: String, expected: &'static str) -> CroissantError {
    CroissantError::Kind { at, expected }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(hex) => write!(f, "has the SHA-256 {hex}"),
            Self::Inside(parent) => {
                write!(f, "is part of '{}', which is not pinned itself", Printable(parent))
            }
            Self::Nothing => f.write_str("is a set of files without any digest"),
            Self::Missing => f.write_str("has no sha256"),
            Self::Weak => f.write_str("has an MD5 only, for which other bytes can be made"),
            Self::Placeholder(text) => {
                write!(f, "has '{}' where its sha256 belongs", Printable(text))
            }
            Self::Length(text) => {
                write!(f, "has a sha256 of {} characters, '{}'", text.chars().count(), Printable(text))
            }
        }
    }
}

impl fmt::Display for CroissantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(e) => e.fmt(f),
            Self::NotCroissant => f.write_str(
                "it is no Croissant description: neither conformsTo nor @type and distribution say so",
            ),
            Self::Kind { at, expected } => write!(f, "{at}: expected {expected}"),
            Self::TooMany(count) => {
                write!(f, "it lists {count} files, the limit is {MAX_CROISSANT_FILES}")
            }
        }
    }
}

impl std::error::Error for CroissantError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &str) -> Result<Croissant, CroissantError> {
        let text = format!(
            r#"{{"@context": {{}}, "@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.0",
                "distribution": {files}}}"#
        );
        Croissant::parse(text.as_bytes())
    }

    fn one(members: &str) -> DataFile {
        let read = read(&format!(r#"[{{"@id": "x", {members}}}]"#)).unwrap();
        read.files.into_iter().next().unwrap()
    }

    #[test]
    fn only_a_sha256_pins_a_file() {
        let hex = "ab".repeat(32);
        for good in [hex.clone(), hex.to_uppercase(), STANDARD.encode([0xab; 32])] {
            assert_eq!(one(&format!(r#""sha256": "{good}""#)).pin, Pin::Sha256(hex.clone()), "{good}");
        }
        for (members, pin) in [
            (r#""name": "n""#, Pin::Missing),
            (r#""sha256": """#, Pin::Missing),
            (r#""sha256": null, "md5": "b7e38df17d6e49c1ccd97c129238f2a1""#, Pin::Weak),
            (r#""sha256": "https://x/80""#, Pin::Placeholder("https://x/80".into())),
            (r#""sha256": "sha256""#, Pin::Length("sha256".into())),
            (
                r#""sha256": "b7e38df17d6e49c1ccd97c129238f2a1""#,
                Pin::Length("b7e38df17d6e49c1ccd97c129238f2a1".into()),
            ),
            (r#""@type": "cr:FileSet""#, Pin::Nothing),
            (r#""containedIn": {"@id": "z"}"#, Pin::Inside("z".into())),
        ] {
            assert_eq!(one(members).pin, pin, "{members}");
        }
    }

    #[test]
    fn a_part_is_pinned_by_its_whole_and_a_loop_by_nothing() {
        let hex = "ab".repeat(32);
        let read = read(&format!(
            r#"[{{"@id": "zip", "sha256": "{hex}", "contentUrl": "https://h/a.zip"}},
                {{"@id": "in", "containedIn": {{"@id": "zip"}}, "contentUrl": "../in.csv"}},
                {{"@id": "set", "@type": "cr:FileSet", "containedIn": [{{"@id": "in"}}]}},
                {{"@id": "a", "containedIn": "b"}}, {{"@id": "b", "containedIn": "a"}},
                {{"@id": "c", "containedIn": "nothing"}}]"#
        ))
        .unwrap();
        assert_eq!(read.pinned(), [true, true, true, false, false, false]);
        assert_eq!(read.files[1].place, DataPlace::Nowhere);
    }

    #[test]
    fn places_do_not_escape() {
        let place = |url: &str| one(&format!(r#""contentUrl": "{url}""#)).place;
        assert_eq!(place("data/a.csv"), DataPlace::Beside(ModelPath::parse("data/a.csv").unwrap()));
        assert_eq!(place("./a.csv"), DataPlace::Beside(ModelPath::parse("a.csv").unwrap()));
        for bad in ["../a", "data/../../a", "/etc/passwd", "file:///etc/passwd", "FILE:/etc", "a//b", "x:"] {
            assert_eq!(place(bad), DataPlace::Outside(bad.into()));
        }
        for (url, mutable) in [
            ("https://h/datasets/a/tree/refs%2Fconvert%2Fparquet", true),
            ("https://h/datasets/a/resolve/main/x.csv", true),
            ("https://h/datasets/a/resolve/276e7028/x.csv", false),
            ("s3://bucket/key", false),
        ] {
            assert_eq!(place(url), DataPlace::Remote { url: url.into(), is_mutable: mutable });
        }
    }

    #[test]
    fn what_is_no_description_is_refused() {
        for bad in
            ["", "[]", "{}", r#"{"@type": "sc:Dataset"}"#, r#"{"distribution": []}"#, "{\"a\":1,\"a\":2}"]
        {
            let error = Croissant::parse(bad.as_bytes()).unwrap_err();
            assert!(
                matches!(error, CroissantError::Json(_) | CroissantError::NotCroissant),
                "{bad}: {error}"
            );
        }
        for (bad, at) in [
            ("7", "/distribution"),
            ("[7]", "/distribution/0"),
            (r#"[{"sha256": 7}]"#, "/distribution/0/sha256"),
            (r#"[{}, {"contentUrl": []}]"#, "/distribution/1/contentUrl"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(matches!(&error, CroissantError::Kind { at: found, .. } if found == at), "{error}");
        }
        assert!(read("null").unwrap().files.is_empty());
        assert_eq!(read(r#"{"@id": "only"}"#).unwrap().files.len(), 1);
        let many = format!("[{}{{}}]", "{},".repeat(MAX_CROISSANT_FILES));
        assert!(matches!(read(&many), Err(CroissantError::TooMany(_))));
    }
}
