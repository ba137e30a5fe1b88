//! Reading a `modelseal.digest/v1` document back: digests that somebody wrote down.

use crate::{digest::MeasuredModel, error::Error, report::DigestReport, scope};
use modelseal_core::{
    digest::{Algorithm, Digest, DigestError},
    json::{self, JsonError, Object},
    limits::MAX_BUNDLE_BYTES,
    manifest::{Manifest, ManifestError, Method, Resource, Serialization},
    observed::Observed,
    path::{ModelPath, PathError},
    predicate::{
        StatementError,
        signature_v1::{parse_ignore_path, split_shard_name},
    },
    text::Printable,
};
use modelseal_model::Source;
use serde::Deserialize;
use std::{borrow::Cow, collections::BTreeMap, fmt, io::Read, num::NonZeroU64, path::Path};

/// Largest document of digests that is read, in bytes: it lists what a bundle lists.
pub(crate) const MAX_DOCUMENT_BYTES: u64 = MAX_BUNDLE_BYTES;

/// What a document of digests says.
#[derive(Debug)]
pub(crate) struct WrittenDigests {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) manifest: Manifest,
    pub(crate) notes: Vec<String>,
}

/// Why a document of digests was refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum DocumentError {
    /// It cannot be read.
    Io(std::io::Error),
    /// It is not strict JSON of the expected shape.
    Json(JsonError),
    /// It is another kind of document.
    Schema {
        /// The schema it names.
        found: String,
        /// The schema that was due.
        expected: &'static str,
    },
    /// There is no such serialization method, or it does not go with the shard size that is there, or is not.
    Method(String),
    /// There is no such hash.
    Hash(DigestError),
    /// An entry of the ignore list is none.
    IgnorePath(StatementError),
    /// A resource is not named as a shard is.
    ShardName(String),
    /// A resource has a name that no file of a model has.
    Path(PathError),
    /// A resource has a digest that is none.
    Digest {
        /// The resource.
        name: String,
        /// What is wrong.
        error: DigestError,
    },
    /// The resources together are no model.
    Manifest(ManifestError),
    /// It lists the file that the signature is about to become.
    HoldsSignature(ModelPath),
    /// What the document says of its list is not so: it was edited.
    Contradiction {
        /// What it says something about.
        what: &'static str,
        /// What it says.
        said: String,
        /// What is so.
        found: String,
    },
}

/// Reads the file of a `modelseal.digest/v1` document.
pub(crate) fn read_digests(path: &Path) -> Result<WrittenDigests, DocumentError> {
    let text = read_document(path)?;
    let document: WireDigests<'_> = json::read(&text, MAX_DOCUMENT_BYTES)?;
    expect_schema(&document.schema, DigestReport::SCHEMA)?;
    let serialization = document.serialization.0.into_serialization()?;
    let resource = |wire: Object<WireResource<'_>>| read_resource(&wire.name, &wire.digest, &serialization);
    let resources = document.resources.into_iter().map(resource).collect::<Result<Vec<_>, _>>()?;
    let manifest = Manifest::new(serialization, resources)?;
    let say = |what: &'static str, said: &str, found: String| match said == found {
        true => Ok(()),
        false => Err(DocumentError::Contradiction { what, said: said.to_owned(), found }),
    };
    say("root digest", &document.digests.root, manifest.root_digest().to_string())?;
    say("manifest digest", &document.digests.manifest, manifest.manifest_digest().to_string())?;
    say("number of files", &document.model.files.to_string(), manifest.file_count().to_string())?;
    Ok(WrittenDigests {
        name: document.model.name.to_string(),
        bytes: document.model.bytes,
        manifest,
        notes: document.notes,
    })
}

/// Takes the digests of the model at `model` from a document instead of measuring it; `signature` is where the signature
/// will go.
pub(crate) fn vouched_for(model: &Path, digests: &Path, signature: &Path) -> Result<MeasuredModel, Error> {
    let name = Source::open(model)?.model_name()?;
    let refuse = |reason| Error::Digests { path: digests.to_owned(), reason };
    let written = read_digests(digests).map_err(refuse)?;
    if let scope::Place::Inside(path) = scope::place(model, signature)
        && written.manifest.resources().iter().any(|resource| resource.path == path)
    {
        return Err(refuse(DocumentError::HoldsSignature(path)));
    }
    let shown = digests.display();
    let mut notes = vec![format!("the model was not read: what is signed are the digests in '{shown}'")];
    if written.name != name {
        let said = Printable(&written.name);
        notes.push(format!("'{shown}' was made from a model named '{said}', and is signed for '{name}'"));
    }
    notes.extend(written.notes);
    let observed = Observed::vouched_for_by_operator(written.manifest);
    Ok(MeasuredModel {
        observed,
        name,
        bytes: written.bytes,
        also: Vec::new(),
        inspection: None,
        fs_verity: BTreeMap::new(),
        notes,
    })
}

/// Reads a file at most a byte past the bound, which then refuses it.
pub(crate) fn read_document(path: &Path) -> Result<Vec<u8>, DocumentError> {
    let file = crate::disk::open_named(path).map_err(DocumentError::Io)?;
    let mut text = Vec::new();
    file.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut text).map_err(DocumentError::Io)?;
    Ok(text)
}

pub(crate) fn expect_schema(found: &str, expected: &'static str) -> Result<(), DocumentError> {
    if found == expected {
        return Ok(());
    }
    Err(DocumentError::Schema { found: found.to_owned(), expected })
}

/// A resource from its name and `<algorithm>:<hex>`.
pub(crate) fn read_resource(
    name: &str,
    digest: &str,
    serialization: &Serialization,
) -> Result<Resource, DocumentError> {
    let (algorithm, hex) = digest.split_once(':').unwrap_or(("", digest));
    let bad_digest = |error| DocumentError::Digest { name: name.to_owned(), error };
    let algorithm: Algorithm = algorithm.parse().map_err(bad_digest)?;
    let digest = Digest::from_hex(algorithm, hex).map_err(bad_digest)?;
    let (path, range) = match serialization.method {
        Method::Files => (name, None),
        Method::Shards(_) => {
            let (path, range) =
                split_shard_name(name).ok_or_else(|| DocumentError::ShardName(name.to_owned()))?;
            (path, Some(range))
        }
    };
    Ok(Resource { path: ModelPath::parse(path)?, range, digest })
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WireDigests<'a> {
    #[serde(borrow)]
    schema: Cow<'a, str>,
    #[serde(borrow)]
    model: Object<WireModel<'a>>,
    #[serde(borrow)]
    digests: Object<WireBoth<'a>>,
    #[serde(borrow)]
    serialization: Object<WireSerialization<'a>>,
    #[serde(borrow)]
    resources: Vec<Object<WireResource<'a>>>,
    /// Further digests of the same files. Nothing is made of them, but their form counts.
    #[serde(borrow, default, rename = "also")]
    _also: Vec<Object<WireAlso<'a>>>,
    notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAlso<'a> {
    #[serde(borrow, rename = "algorithm")]
    _algorithm: Cow<'a, str>,
    #[serde(borrow, default, rename = "root")]
    _root: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "files")]
    _files: Vec<Object<WireResource<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireModel<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    files: u64,
    bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireBoth<'a> {
    #[serde(borrow)]
    root: Cow<'a, str>,
    #[serde(borrow)]
    manifest: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireResource<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    digest: Cow<'a, str>,
}

/// The serialization parameters as our documents write them.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct WireSerialization<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    hash: Cow<'a, str>,
    #[serde(default)]
    shard_size: Option<NonZeroU64>,
    allow_symlinks: bool,
    ignore_paths: Vec<String>,
}

impl WireSerialization<'_> {
    pub(crate) fn into_serialization(self) -> Result<Serialization, DocumentError> {
        let method = match (&*self.method, self.shard_size) {
            ("files", None) => Method::Files,
            ("shards", Some(size)) => Method::Shards(size),
            _ => return Err(DocumentError::Method(self.method.into_owned())),
        };
        let algorithm = self.hash.parse().map_err(DocumentError::Hash)?;
        let ignore_paths = self.ignore_paths.iter().map(|path| parse_ignore_path(path));
        let ignore_paths = ignore_paths.collect::<Result<_, _>>().map_err(DocumentError::IgnorePath)?;
        Ok(Serialization { method, algorithm, allow_symlinks: self.allow_symlinks, ignore_paths })
    }
}

impl From<JsonError> for DocumentError {
    fn from(e: JsonError) -> Self {
        Self::Json(e)
    }
}

impl From<PathError> for DocumentError {
    fn from(e: PathError) -> Self {
        Self::Path(e)
    }
}

impl From<ManifestError> for DocumentError {
    fn from(e: ManifestError) -> Self {
        Self::Manifest(e)
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Printable as P;
        match self {
            Self::Io(e) => write!(f, "cannot be read: {e}"),
            Self::Json(e) => e.fmt(f),
            Self::Schema { found, expected } => {
                write!(f, "its schema is '{}', expected '{expected}'", P(found))
            }
            Self::Method(method) => {
                write!(f, "'{}' with this shard size is no serialization method", P(method))
            }
            Self::Hash(e) => e.fmt(f),
            Self::IgnorePath(e) => e.fmt(f),
            Self::ShardName(name) => write!(f, "'{}' is no name of a shard", P(name)),
            Self::Path(e) => e.fmt(f),
            Self::Digest { name, error } => write!(f, "the digest of '{}': {error}", P(name)),
            Self::Manifest(e) => e.fmt(f),
            Self::HoldsSignature(path) => write!(
                f,
                "it lists '{path}', where the signature goes; write the signature elsewhere, or compute the digests \
                 again without that file"
            ),
            Self::Contradiction { what, said, found } => {
                write!(f, "it says that the {what} is {}, but its list gives {found}", P(said))
            }
        }
    }
}

impl std::error::Error for DocumentError {}
