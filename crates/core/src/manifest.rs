//! [`Manifest`]: what a model consists of, and [`Comparison`]: how two of them differ.

use crate::{
    digest::{Algorithm, Digest},
    limits,
    path::ModelPath,
};
use sha2::{Digest as _, Sha256};
use std::{borrow::Cow, collections::BTreeMap, fmt, num::NonZeroU64};

/// How files become resources (OMS v1.0 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// One resource for each file.
    #[default]
    Files,
    /// One resource for each range of this many bytes of each file.
    Shards(NonZeroU64),
}

/// The default shard size in bytes (OMS v1.0 §6.3.2).
pub const DEFAULT_SHARD_SIZE: NonZeroU64 = NonZeroU64::new(1_000_000_000).unwrap();

/// The parameters under which a model is enumerated and hashed (OMS v1.0 §5.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Serialization {
    /// How files become resources.
    pub method: Method,
    /// The hash of every resource.
    pub algorithm: Algorithm,
    /// Whether symbolic links are read through.
    pub allow_symlinks: bool,
    /// Paths outside the signing scope, with everything below them.
    pub ignore_paths: Vec<ModelPath>,
}

/// A range of bytes of a file: `start` inclusive, `end` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// One file, or one shard of a file, with its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The file.
    pub path: ModelPath,
    /// The part of it; `None` under [`Method::Files`].
    pub range: Option<ByteRange>,
    /// The digest of those bytes.
    pub digest: Digest,
}

/// Everything a model consists of: never empty, no resource twice, and under [`Method::Shards`] each file covered
/// from its first byte to its last without gap or overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    serialization: Serialization,
    resources: Vec<Resource>,
    single_file: bool,
}

/// Why a list of resources is no manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestError {
    /// No resources: an empty model can be neither signed nor verified (OMS v1.0 §6.1).
    Empty,
    /// More resources than [`limits::MAX_RESOURCES`].
    TooMany(usize),
    /// Two resources have one name.
    Duplicate(String),
    /// A file of this name is also a directory of another resource.
    FileAndDirectory(ModelPath),
    /// A resource's digest is of another algorithm than the manifest's.
    MixedAlgorithms {
        /// The resource.
        name: String,
        /// The algorithm of its digest.
        found: Algorithm,
        /// The algorithm of the manifest.
        expected: Algorithm,
    },
    /// A resource lies in an ignored path, so it could never be checked.
    Ignored {
        /// The file.
        path: ModelPath,
        /// The ignore path that covers it.
        ignored: ModelPath,
    },
    /// Shards of a file do not follow each other at the shard size.
    BadShards {
        /// The file.
        path: ModelPath,
        /// The range that does not fit.
        range: ByteRange,
        /// Where the range had to start.
        expected_start: u64,
    },
    /// A resource has a byte range under [`Method::Files`], or none under [`Method::Shards`].
    RangeMismatch(String),
}

impl Manifest {
    /// Checks and takes resources in the given order, which the root digest is computed over.
    ///
    /// # Errors
    /// [`ManifestError`] names the resource that does not fit.
    pub fn new(serialization: Serialization, resources: Vec<Resource>) -> Result<Self, ManifestError> {
        if resources.is_empty() {
            return Err(ManifestError::Empty);
        }
        if resources.len() > limits::MAX_RESOURCES {
            return Err(ManifestError::TooMany(resources.len()));
        }
        let manifest = Self { serialization, resources, single_file: false };
        manifest.check_each()?;
        manifest.check_together()?;
        Ok(manifest)
    }

    /// The same, after sorting resources by the code points of their names (OMS v1.0 §5.2.1).
    ///
    /// # Errors
    /// As [`Manifest::new`].
    pub fn sorted(serialization: Serialization, mut resources: Vec<Resource>) -> Result<Self, ManifestError> {
        match serialization.method {
            Method::Files => resources.sort_unstable_by(|a, b| a.path.cmp(&b.path)),
            Method::Shards(_) => resources.sort_by_cached_key(|r| r.name().into_owned()),
        }
        Self::new(serialization, resources)
    }

    /// Marks a measurement of a model that is one file rather than a directory.
    #[must_use]
    pub fn of_single_file(self) -> Self {
        Self { single_file: true, ..self }
    }

    /// The parameters it was or must be measured under.
    #[must_use]
    pub fn serialization(&self) -> &Serialization {
        &self.serialization
    }

    /// The resources in listed order.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// How many files the resources belong to.
    #[must_use]
    pub fn file_count(&self) -> usize {
        match self.serialization.method {
            Method::Files => self.resources.len(),
            Method::Shards(_) => {
                self.resources.iter().filter(|r| r.range.is_some_and(|r| r.start == 0)).count()
            }
        }
    }

    /// SHA-256 over the concatenated raw digests in listed order (OMS v1.0 §6.5.1). It does **not** cover names, so it
    /// never identifies a model on its own.
    #[must_use]
    pub fn root_digest(&self) -> Digest {
        let mut hash = Sha256::new();
        for resource in &self.resources {
            hash.update(resource.digest.as_bytes());
        }
        Digest::sha256(hash.finalize().into())
    }

    /// SHA-256 over a line `<digest hex>  <name>` for each resource, in name order: the listing that `sha256sum`
    /// writes. It covers names and contents; for `files` and `sha256` it is in-toto's `dirHash`.
    ///
    /// A name with a line break is escaped as `sha256sum` does (the line starts with a backslash), so that no name can
    /// pass for two lines.
    #[must_use]
    pub fn manifest_digest(&self) -> Digest {
        let mut order: Vec<(Cow<'_, str>, &Digest)> =
            self.resources.iter().map(|r| (r.name(), &r.digest)).collect();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut hash = Sha256::new();
        for (name, digest) in order {
            if name.contains(['\n', '\r']) {
                hash.update(b"\\");
                hash.update(digest.to_hex());
                hash.update(b"  ");
                hash.update(name.replace('\n', "\\n").replace('\r', "\\r"));
            } else {
                hash.update(digest.to_hex());
                hash.update(b"  ");
                hash.update(name.as_bytes());
            }
            hash.update(b"\n");
        }
        Digest::sha256(hash.finalize().into())
    }

    /// Whether its only resource has the reference implementation's name for a single-file model, `.`.
    #[must_use]
    pub fn is_reference_single_file(&self) -> bool {
        self.resources.iter().all(|r| r.path == ModelPath::reference_single_file())
    }

    /// Compares this signed manifest with what was measured. The two must have been made under the same method and
    /// algorithm; otherwise every file is reported as changed.
    pub fn compare(&self, observed: &Self) -> Comparison {
        let mut signed = by_file(&self.resources);
        let mut found = by_file(&observed.resources);
        if self.is_reference_single_file() && observed.single_file {
            let only = found.pop_first().map(|(_, shards)| shards).unwrap_or_default();
            found.insert(&self.resources[0].path, only);
        }
        let mut comparison = Comparison::default();
        for (path, signed) in &mut signed {
            match found.remove(path) {
                None => comparison.missing.push((*path).clone()),
                Some(found) => comparison.changed.extend(changes(path, signed, &found)),
            }
        }
        comparison.unsigned = found.into_keys().cloned().collect();
        comparison
    }

    fn check_each(&self) -> Result<(), ManifestError> {
        let Serialization { method, algorithm, .. } = self.serialization;
        for resource in &self.resources {
            if resource.digest.algorithm() != algorithm {
                let (name, found) = (resource.name().into_owned(), resource.digest.algorithm());
                return Err(ManifestError::MixedAlgorithms { name, found, expected: algorithm });
            }
            if resource.range.is_some() != matches!(method, Method::Shards(_)) {
                return Err(ManifestError::RangeMismatch(resource.name().into_owned()));
            }
        }
        Ok(())
    }

    fn check_together(&self) -> Result<(), ManifestError> {
        let ignored: std::collections::BTreeSet<&str> =
            self.serialization.ignore_paths.iter().map(ModelPath::as_str).collect();
        let mut files = by_file(&self.resources);
        for (path, resources) in &mut files {
            for ancestor in path.prefixes() {
                if let Some(ignored) = ignored.get(ancestor) {
                    let ignored = self.serialization.ignore_paths.iter().find(|p| p.as_str() == *ignored);
                    let ignored = ignored.cloned().unwrap_or_else(|| (*path).clone());
                    return Err(ManifestError::Ignored { path: (*path).clone(), ignored });
                }
            }
            match self.serialization.method {
                Method::Files if resources.len() > 1 => {
                    return Err(ManifestError::Duplicate(path.as_str().to_owned()));
                }
                Method::Files => {}
                Method::Shards(size) => check_shards(path, resources, size.get())?,
            }
        }
        let names: std::collections::HashSet<&str> = files.keys().map(|p| p.as_str()).collect();
        for path in files.keys() {
            let directories = path.prefixes().filter(|a| *a != path.as_str());
            if let Some(file) = directories.into_iter().find(|a| names.contains(a)) {
                let file = ModelPath::parse(file).unwrap_or_else(|_| (*path).clone());
                return Err(ManifestError::FileAndDirectory(file));
            }
        }
        Ok(())
    }
}

impl Resource {
    /// The resource's name in a statement: the path, under `shards` followed by `:start:end`.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        match self.range {
            None => Cow::Borrowed(self.path.as_str()),
            Some(range) => Cow::Owned(format!("{}:{}:{}", self.path.as_str(), range.start, range.end)),
        }
    }
}

/// How a measured model differs from the signed one. Equal when all three lists are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Comparison {
    /// Files whose bytes differ, one entry for each differing resource.
    pub changed: Vec<Change>,
    /// Files that were signed and are not there.
    pub missing: Vec<ModelPath>,
    /// Files that are there and were not signed.
    pub unsigned: Vec<ModelPath>,
}

/// One resource whose digests differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: ModelPath,
    /// The part of it, under `shards`.
    pub range: Option<ByteRange>,
    /// What was signed; `None` when the file has grown a shard.
    pub signed: Option<Digest>,
    /// What was measured; `None` when the file has lost this shard.
    pub found: Option<Digest>,
}

impl Comparison {
    /// Whether the model is exactly what was signed.
    #[must_use]
    pub fn is_match(&self) -> bool {
        self.changed.is_empty() && self.missing.is_empty() && self.unsigned.is_empty()
    }
}

fn by_file(resources: &[Resource]) -> BTreeMap<&ModelPath, Vec<&Resource>> {
    let mut files: BTreeMap<&ModelPath, Vec<&Resource>> = BTreeMap::new();
    for resource in resources {
        files.entry(&resource.path).or_default().push(resource);
    }
    for resources in files.values_mut() {
        resources.sort_unstable_by_key(|r| r.range);
    }
    files
}

/// `resources` are sorted by range.
fn check_shards(path: &ModelPath, resources: &[&Resource], size: u64) -> Result<(), ManifestError> {
    let mut expected_start = 0;
    for (at, resource) in resources.iter().enumerate() {
        let Some(range) = resource.range else { continue };
        if at > 0 && resources[at - 1].range == Some(range) {
            return Err(ManifestError::Duplicate(resource.name().into_owned()));
        }
        let last = at + 1 == resources.len();
        let length = range.end.checked_sub(range.start);
        let fits = range.start == expected_start
            && length.is_some_and(|len| {
                len == size || (last && len < size && len > 0) || (len == 0 && resources.len() == 1)
            });
        if !fits {
            return Err(ManifestError::BadShards { path: path.clone(), range, expected_start });
        }
        expected_start = range.end;
    }
    Ok(())
}

/// Both lists are of one file and sorted by range.
fn changes(path: &ModelPath, signed: &[&Resource], found: &[&Resource]) -> Vec<Change> {
    let mut all: BTreeMap<Option<ByteRange>, (Option<Digest>, Option<Digest>)> = BTreeMap::new();
    for resource in signed {
        all.entry(resource.range).or_default().0 = Some(resource.digest);
    }
    for resource in found {
        all.entry(resource.range).or_default().1 = Some(resource.digest);
    }
    all.into_iter()
        .filter(|(_, (signed, found))| signed != found)
        .map(|(range, (signed, found))| Change { path: path.clone(), range, signed, found })
        .collect()
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Files => "files",
            Self::Shards(_) => "shards",
        })
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::text::Printable as P;
        match self {
            Self::Empty => f.write_str("no files: an empty model can be neither signed nor verified"),
            Self::TooMany(count) => {
                write!(f, "{count} resources are more than the limit of {}", limits::MAX_RESOURCES)
            }
            Self::Duplicate(name) => write!(f, "'{}' is listed twice", P(name)),
            Self::FileAndDirectory(path) => write!(f, "'{path}' is listed as a file and as a directory"),
            Self::MixedAlgorithms { name, found, expected } => {
                write!(f, "'{}' has a {found} digest in a {expected} manifest", P(name))
            }
            Self::Ignored { path, ignored } => {
                write!(f, "'{path}' is listed although the ignore path '{ignored}' covers it")
            }
            Self::BadShards { path, range, expected_start } => write!(
                f,
                "the shards of '{path}' do not cover it: found {}:{} where a full shard from {expected_start} (or a \
                 shorter last one) was due",
                range.start, range.end
            ),
            Self::RangeMismatch(name) => write!(f, "'{}' does not fit the serialization method", P(name)),
        }
    }
}

impl std::error::Error for ManifestError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, byte: u8) -> Resource {
        Resource { path: ModelPath::parse(name).unwrap(), range: None, digest: Digest::sha256([byte; 32]) }
    }

    fn shard(name: &str, start: u64, end: u64, byte: u8) -> Resource {
        Resource { range: Some(ByteRange { start, end }), ..file(name, byte) }
    }

    fn shards(resources: Vec<Resource>) -> Result<Manifest, ManifestError> {
        let method = Method::Shards(NonZeroU64::new(10).unwrap());
        Manifest::new(Serialization { method, ..Default::default() }, resources)
    }

    fn files(resources: Vec<Resource>) -> Manifest {
        Manifest::sorted(Serialization::default(), resources).unwrap()
    }

    #[test]
    fn root_digest_ignores_names_and_manifest_digest_does_not() {
        let (a, b) = (files(vec![file("a", 1), file("b", 2)]), files(vec![file("a", 1), file("c", 2)]));
        assert_eq!(a.root_digest(), b.root_digest());
        assert_ne!(a.manifest_digest(), b.manifest_digest());
    }

    #[test]
    fn manifest_digest_is_that_of_the_sha256sum_listing() {
        let listing = format!("{}  a b\n{}  c\n", "01".repeat(32), "02".repeat(32));
        let expected = Digest::sha256(Sha256::digest(listing).into());
        assert_eq!(files(vec![file("c", 2), file("a b", 1)]).manifest_digest(), expected);
        let forged = format!("a b\n{}  c", "02".repeat(32));
        assert_ne!(files(vec![file(&forged, 1)]).manifest_digest(), expected);
    }

    #[test]
    fn shards_must_cover_each_file() {
        assert!(shards(vec![shard("f", 0, 10, 1), shard("f", 10, 14, 2), shard("e", 0, 0, 3)]).is_ok());
        assert!(shards(vec![shard("f", 10, 14, 2), shard("f", 0, 10, 1)]).is_ok(), "order is free");
        for bad in [
            vec![shard("f", 10, 14, 2)],
            vec![shard("f", 0, 9, 1), shard("f", 9, 14, 2)],
            vec![shard("f", 0, 10, 1), shard("f", 9, 14, 2)],
            vec![shard("f", 0, 10, 1), shard("f", 11, 14, 2)],
            vec![shard("f", 0, 11, 1)],
            vec![shard("f", 0, 10, 1), shard("f", 10, 10, 2)],
            vec![shard("f", 0, 0, 1), shard("f", 0, 10, 2)],
            vec![shard("f", 4, 2, 1)],
            vec![shard("f", u64::MAX, 2, 1)],
            vec![shard("f", 0, 10, 1), shard("f", 0, 10, 1)],
            vec![file("f", 1)],
        ] {
            assert!(shards(bad.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lists_that_cannot_be_a_model_are_refused() {
        let new = |resources| Manifest::new(Serialization::default(), resources);
        assert_eq!(new(vec![]), Err(ManifestError::Empty));
        assert!(matches!(new(vec![file("a", 1), file("a", 1)]), Err(ManifestError::Duplicate(_))));
        assert!(matches!(new(vec![file("a", 1), file("a/b", 1)]), Err(ManifestError::FileAndDirectory(_))));
        assert!(matches!(new(vec![shard("a", 0, 1, 1)]), Err(ManifestError::RangeMismatch(_))));
        let ignore_paths = vec![ModelPath::parse("x").unwrap()];
        let ignoring = Serialization { ignore_paths, ..Default::default() };
        assert!(matches!(Manifest::new(ignoring, vec![file("x/y", 1)]), Err(ManifestError::Ignored { .. })));
        let blake3 = Serialization { algorithm: Algorithm::Blake3, ..Default::default() };
        assert!(matches!(
            Manifest::new(blake3, vec![file("a", 1)]),
            Err(ManifestError::MixedAlgorithms { .. })
        ));
    }

    #[test]
    fn comparison_names_every_difference() {
        let signed = files(vec![file("a", 1), file("b", 2), file("c", 3)]);
        let found = files(vec![file("a", 1), file("b", 9), file("d", 3)]);
        let comparison = signed.compare(&found);
        assert_eq!(comparison.changed.len(), 1);
        assert_eq!(comparison.changed[0].path.as_str(), "b");
        assert_eq!(comparison.missing, [ModelPath::parse("c").unwrap()]);
        assert_eq!(comparison.unsigned, [ModelPath::parse("d").unwrap()]);
        assert!(signed.compare(&signed).is_match());
    }

    #[test]
    fn a_shorter_or_longer_file_is_changed() {
        let signed = shards(vec![shard("f", 0, 10, 1), shard("f", 10, 20, 2)]).unwrap();
        let shorter = shards(vec![shard("f", 0, 10, 1)]).unwrap();
        assert_eq!(signed.compare(&shorter).changed[0].found, None);
        assert_eq!(shorter.compare(&signed).changed[0].signed, None);
    }

    #[test]
    fn the_reference_name_of_a_single_file_stands_for_that_file_only() {
        let dot = Resource { path: ModelPath::reference_single_file(), ..file("x", 1) };
        let signed = files(vec![dot]);
        assert!(signed.compare(&files(vec![file("model.gguf", 1)]).of_single_file()).is_match());
        assert!(!signed.compare(&files(vec![file("model.gguf", 2)]).of_single_file()).is_match());
        assert!(!signed.compare(&files(vec![file("in-a-directory", 1)])).is_match());
    }
}
