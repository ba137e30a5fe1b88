//! Whether a statement's subjects are this model, and all of it.
//!
//! in-toto matches subjects by digest alone, whatever the digest is of. For a directory that is not enough, twice over: the
//! OMS root digest does not cover file names, so that a model whose files were renamed or swapped has the same root; and a
//! plain file that holds the files' digests one after the other has that root as its SHA-256. So a statement covers a model
//! only by a digest that covers names, or by naming every file with its digest. A digest of a directory never stands for a
//! file, nor a file's for a directory.
//!
//! Files that are listed as parts of a directory ([`PART_OF_DIRECTORY`]) count for nothing by themselves: a statement about
//! two files must not become one about a model that has lost one of them.

use crate::{
    attestation::Subject,
    digest::{Algorithm, Digest},
    manifest::{ByteRange, Manifest, Method, Resource, Serialization},
    path::ModelPath,
    predicate::descriptor::{DigestSet, MANIFEST_DIGEST},
    text::Printable,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

/// The annotation `digestMethod` of a subject that is a file of a directory which the same statement is about.
pub const PART_OF_DIRECTORY: &str = "file;part-of-directory";

/// How many names a [`Cover`] lists for messages.
const SHOWN: usize = 10;

/// A model to which statements are compared. Making one hashes the model's listing, so make one for many statements.
#[derive(Debug)]
pub struct Target<'a> {
    manifest: &'a Manifest,
    manifest_digest: Digest,
    root_digest: Digest,
    method: String,
    /// Digests of whole files, where the manifest has them; `None` for a file in several shards.
    files: BTreeMap<&'a str, Option<&'a Digest>>,
    single_file: bool,
}

/// How much of a model a statement's subjects are. Only [`Cover::Full`] makes it a statement about the model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Cover {
    /// All of it, every name and every byte.
    Full(FullBy),
    /// Some of its files.
    Partial {
        /// How many files.
        covered: usize,
        /// How many files there are.
        files: usize,
        /// The first of those that are not covered.
        uncovered: Vec<String>,
    },
    /// Nothing of it. The reasons say which subjects came near.
    None(Vec<NearMiss>),
}

/// What made a cover full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FullBy {
    /// A subject's `dirHash`: in-toto's digest of a directory.
    DirHash,
    /// A subject's `manifest-sha256`, over the same method and hash.
    ManifestDigest,
    /// The model is one file, and a subject has its digest.
    File,
    /// Every file is a subject of its own.
    EveryFile(usize),
}

/// A subject that looks like the model, or like a file of it, and does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NearMiss {
    /// It has the model's OMS root digest, which does not cover names, and no digest that does.
    RootDigestOnly {
        /// Its name.
        subject: String,
    },
    /// It is a directory with other files or other names.
    OtherDirectory {
        /// Its name.
        subject: String,
    },
    /// Its manifest digest is equal, but was computed another way.
    OtherMethod {
        /// How it says that its digest was computed.
        found: String,
        /// How the model's was.
        expected: String,
    },
    /// It has the name of a file and another digest than it.
    OtherDigest {
        /// The file.
        file: String,
    },
    /// It has the digest of a file and another name.
    OtherName {
        /// Its name.
        subject: String,
        /// The file.
        file: String,
    },
    /// It has the name of a file, of which the model's measurement has no digest as a whole, or none of the algorithms that
    /// the subject has.
    NotComparable {
        /// The file.
        file: String,
    },
    /// Two subjects have the name of a file and different digests.
    Contradiction {
        /// The file.
        file: String,
    },
}

/// How `sha256` (the root digest) and `manifest-sha256` of a model were computed, as written under the annotation
/// `digestMethod`: `oms/v1.0;files;sha256`, `oms/v1.0;shards;1000000000;blake3`.
#[must_use]
pub fn digest_method(serialization: &Serialization) -> String {
    let algorithm = serialization.algorithm;
    match serialization.method {
        Method::Files => format!("oms/v1.0;files;{algorithm}"),
        Method::Shards(size) => format!("oms/v1.0;shards;{size};{algorithm}"),
    }
}

/// How to measure a model so that its digests can be compared with ones of this `digestMethod`: the reverse of
/// [`digest_method`]. `None` for every other text, also for one that [`digest_method`] would spell otherwise.
#[must_use]
pub fn read_digest_method(method: &str) -> Option<(Method, Algorithm)> {
    let mut words = method.strip_prefix("oms/v1.0;")?.split(';');
    let by = match (words.next()?, &mut words) {
        ("files", _) => Method::Files,
        ("shards", words) => Method::Shards(words.next()?.parse().ok()?),
        _ => return None,
    };
    let algorithm = words.next()?.parse().ok()?;
    let serialization = Serialization { method: by, algorithm, ..Serialization::default() };
    (digest_method(&serialization) == method).then_some((by, algorithm))
}

/// Whether the manifest digest is what in-toto calls `dirHash`: over whole files, with SHA-256.
#[must_use]
pub fn has_dir_hash(serialization: &Serialization) -> bool {
    serialization.method == Method::Files && serialization.algorithm == Algorithm::Sha256
}

/// The digests by which a statement names a model as a whole, and the annotation `digestMethod` that goes with them: of a
/// directory its root digest and those that cover names, of a single file the digest of its bytes and no method.
#[must_use]
pub fn whole(manifest: &Manifest) -> (DigestSet, Option<String>) {
    // A digest of a directory would not be a digest of a single file.
    match as_file(manifest).filter(|_| is_single_file(manifest)) {
        Some(digests) => (digests, None),
        None => as_directory(manifest),
    }
}

/// The digests of [`whole`] where the only file of a manifest is the model; `None` where there are several files, or shards.
#[must_use]
pub fn as_file(manifest: &Manifest) -> Option<DigestSet> {
    let [only] = manifest.resources() else { return None };
    let whole = manifest.serialization().method == Method::Files;
    whole.then(|| DigestSet::of([(only.digest.algorithm().name(), only.digest.to_hex())]))
}

/// The digests and the `digestMethod` of [`whole`] where the model is a directory, if only of one file.
#[must_use]
pub fn as_directory(manifest: &Manifest) -> (DigestSet, Option<String>) {
    let serialization = manifest.serialization();
    let names = manifest.manifest_digest().to_hex();
    let mut digests = vec![("sha256", manifest.root_digest().to_hex()), (MANIFEST_DIGEST, names.clone())];
    if has_dir_hash(serialization) {
        digests.push(("dirHash", names));
    }
    (DigestSet::of(digests), Some(digest_method(serialization)))
}

/// The list of files that a statement about a directory has beside the directory's digest ([`PART_OF_DIRECTORY`]); `None`
/// where there is none, or one that no directory can have. Whether it is the directory's the list's digest tells, and nothing
/// tells whether links were followed.
#[must_use]
pub fn parts_of_directory(subjects: &[Subject]) -> Option<Manifest> {
    files_of(subjects.iter().filter(|subject| subject.digest_method.as_deref() == Some(PART_OF_DIRECTORY)))
}

/// The directory of exactly these files, by their names and SHA-256.
pub(crate) fn files_of<'a>(subjects: impl Iterator<Item = &'a Subject>) -> Option<Manifest> {
    let resource = |subject: &Subject| {
        let path = ModelPath::parse(subject.name.as_deref()?).ok()?;
        let digest = Digest::from_hex(Algorithm::Sha256, subject.digest.get("sha256")?).ok()?;
        Some(Resource { path, range: None, digest })
    };
    let serialization = Serialization { allow_symlinks: true, ..Serialization::default() };
    Manifest::sorted(serialization, subjects.map(resource).collect::<Option<_>>()?).ok()
}

impl<'a> Target<'a> {
    /// The model that `manifest` describes, whether it was verified or observed.
    #[must_use]
    pub fn of(manifest: &'a Manifest) -> Self {
        let mut files = BTreeMap::new();
        for resource in manifest.resources() {
            let whole = matches!(resource.range, None | Some(ByteRange { start: 0, .. }));
            let digest = files.entry(resource.path.as_str()).or_insert(Some(&resource.digest));
            if !whole {
                *digest = None;
            }
        }
        Self {
            manifest,
            manifest_digest: manifest.manifest_digest(),
            root_digest: manifest.root_digest(),
            method: digest_method(manifest.serialization()),
            files,
            single_file: is_single_file(manifest),
        }
    }

    /// What the model consists of.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.manifest
    }

    /// The digest that identifies the model.
    #[must_use]
    pub fn manifest_digest(&self) -> Digest {
        self.manifest_digest
    }

    /// Whether the model is one file rather than a directory, so that its name is the caller's and not its own.
    #[must_use]
    pub fn is_single_file(&self) -> bool {
        self.single_file
    }

    /// How much of the model `subjects` are.
    pub fn cover(&self, subjects: &[Subject]) -> Cover {
        let mut near = Vec::new();
        for subject in subjects {
            match self.as_directory(subject) {
                Ok(Some(by)) => return Cover::Full(by),
                Ok(None) => {}
                Err(miss) => remember(&mut near, miss),
            }
        }
        if self.single_file {
            let only = self.files.iter().next().and_then(|(_, digest)| *digest);
            if subjects.iter().any(|subject| only.is_some_and(|digest| is_file_of(subject, digest))) {
                return Cover::Full(FullBy::File);
            }
        }
        self.by_files(subjects, near)
    }

    /// Whether a digest of the subject covers every name and byte of the model.
    fn as_directory(&self, subject: &Subject) -> Result<Option<FullBy>, NearMiss> {
        let manifest_digest = self.manifest_digest.to_hex();
        let has_dir_hash = has_dir_hash(self.manifest.serialization());
        let same_method = subject.digest_method.as_deref() == Some(&self.method);
        let other = || Err(NearMiss::OtherDirectory { subject: name_of(subject) });
        let (dir_hash, digest) = (subject.digest.get("dirHash"), subject.digest.get(MANIFEST_DIGEST));
        if let (Some(dir_hash), Some(digest)) = (dir_hash, digest)
            && has_dir_hash
            && same_method
            && dir_hash != digest
        {
            // By this method they are one digest. Two directories at once are neither.
            return other();
        }
        if has_dir_hash && dir_hash == Some(&manifest_digest) {
            return Ok(Some(FullBy::DirHash));
        }
        if digest == Some(&manifest_digest) {
            if same_method {
                return Ok(Some(FullBy::ManifestDigest));
            }
            // Without the method, a file named like a shard would pass for the shard.
            let found = subject.digest_method.clone().unwrap_or_else(|| "nothing".to_owned());
            return Err(NearMiss::OtherMethod { found, expected: self.method.clone() });
        }
        if dir_hash.or(digest).is_some() {
            return other();
        }
        if !self.single_file && subject.digest.get("sha256") == Some(&self.root_digest.to_hex()) {
            return Err(NearMiss::RootDigestOnly { subject: name_of(subject) });
        }
        Ok(None)
    }

    fn by_files(&self, subjects: &[Subject], mut near: Vec<NearMiss>) -> Cover {
        let mut named: HashMap<&str, Vec<&Subject>> = HashMap::new();
        for subject in subjects.iter().filter(|subject| !is_directory(subject)) {
            named.entry(subject.name.as_deref().unwrap_or_default()).or_default().push(subject);
        }
        let (mut covered, mut uncovered) = (0, Vec::new());
        for (file, digest) in &self.files {
            let subjects = named.get(file).map_or(&[][..], Vec::as_slice);
            match compare(file, *digest, subjects) {
                Ok(true) => covered += 1,
                Ok(false) => uncovered.push(*file),
                Err(miss) => {
                    remember(&mut near, miss);
                    uncovered.push(file);
                }
            }
        }
        if uncovered.is_empty() {
            return Cover::Full(FullBy::EveryFile(covered));
        }
        if covered == 0 {
            self.find_other_names(subjects, &mut near);
            return Cover::None(near);
        }
        let uncovered = uncovered.into_iter().take(SHOWN).map(str::to_owned).collect();
        Cover::Partial { covered, files: self.files.len(), uncovered }
    }

    fn find_other_names(&self, subjects: &[Subject], near: &mut Vec<NearMiss>) {
        let key = self.manifest.serialization().algorithm.name();
        let subjects: Vec<&Subject> = subjects.iter().filter(|subject| !is_directory(subject)).collect();
        let wanted: HashSet<&str> = subjects.iter().filter_map(|subject| subject.digest.get(key)).collect();
        for (file, digest) in &self.files {
            let Some(hex) = digest.map(Digest::to_hex).filter(|hex| wanted.contains(&**hex)) else {
                continue;
            };
            let same = |subject: &&&Subject| subject.digest.get(key) == Some(&hex);
            if let Some(subject) = subjects.iter().find(same).filter(|s| s.name.as_deref() != Some(file)) {
                remember(near, NearMiss::OtherName { subject: name_of(subject), file: (*file).to_owned() });
            }
            if near.len() >= SHOWN {
                return;
            }
        }
    }
}

impl Cover {
    /// Whether the statement is about this model and nothing less.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

/// Whether the one file that the model is must have the digests of `subject`. Its name does not matter, because nothing in
/// a model of one file has a name: the name is the caller's.
fn is_file_of(subject: &Subject, digest: &Digest) -> bool {
    !is_directory(subject) && subject.digest.get(digest.algorithm().name()) == Some(&digest.to_hex())
}

/// Whether the subject's digests are of a directory, or of a part of one.
fn is_directory(subject: &Subject) -> bool {
    let is_of_directory =
        |(algorithm, _): (&str, &str)| ["dirHash", "gitTree", MANIFEST_DIGEST].contains(&algorithm);
    subject.digest_method.is_some() || subject.digest.iter().any(is_of_directory)
}

/// Whether one of the subjects that have a file's name has its digest, and none another.
fn compare(file: &str, digest: Option<&Digest>, subjects: &[&Subject]) -> Result<bool, NearMiss> {
    if subjects.is_empty() {
        return Ok(false);
    }
    let Some(digest) = digest else { return Err(NearMiss::NotComparable { file: file.to_owned() }) };
    let hex = digest.to_hex();
    let stated = subjects.iter().filter_map(|subject| subject.digest.get(digest.algorithm().name()));
    let (equal, other): (Vec<&str>, Vec<&str>) = stated.partition(|stated| *stated == hex);
    let file = file.to_owned();
    match (equal.is_empty(), other.is_empty()) {
        (false, true) => Ok(true),
        (false, false) => Err(NearMiss::Contradiction { file }),
        (true, false) => Err(NearMiss::OtherDigest { file }),
        (true, true) => Err(NearMiss::NotComparable { file }),
    }
}

/// Whether the model is one file, and not a directory with one file in it: what a signature that names its only file `.`
/// would match.
pub(crate) fn is_single_file(manifest: &Manifest) -> bool {
    let [resource] = manifest.resources() else { return false };
    let unnamed = Resource { path: ModelPath::reference_single_file(), ..resource.clone() };
    let serialization = Serialization { ignore_paths: Vec::new(), ..manifest.serialization().clone() };
    Manifest::new(serialization, vec![unnamed]).is_ok_and(|unnamed| unnamed.compare(manifest).is_match())
}

fn remember(near: &mut Vec<NearMiss>, miss: NearMiss) {
    if near.len() < SHOWN {
        near.push(miss);
    }
}

fn name_of(subject: &Subject) -> String {
    subject.name.clone().or_else(|| subject.uri.clone()).unwrap_or_default()
}

impl fmt::Display for FullBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DirHash => f.write_str("the whole model, by its dirHash"),
            Self::ManifestDigest => f.write_str("the whole model, by its manifest digest"),
            Self::File => f.write_str("the file that the model is, by its digest"),
            Self::EveryFile(count) => write!(f, "all {count} files of the model, one by one"),
        }
    }
}

impl fmt::Display for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(by) => by.fmt(f),
            Self::Partial { covered, files, uncovered } => {
                write!(f, "{covered} of {files} files; not")?;
                for (index, name) in uncovered.iter().enumerate() {
                    write!(f, "{} '{}'", if index == 0 { "" } else { "," }, Printable(name))?;
                }
                let more = files.saturating_sub(covered + uncovered.len());
                if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
            }
            Self::None(near) if near.is_empty() => f.write_str("nothing of the model"),
            Self::None(near) => {
                f.write_str("nothing of the model: ")?;
                for (index, miss) in near.iter().enumerate() {
                    write!(f, "{}{miss}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Printable as P;
        match self {
            Self::RootDigestOnly { subject } => write!(
                f,
                "the subject '{}' has the model's root digest, which does not cover file names, and neither a dirHash nor \
                 a {MANIFEST_DIGEST}",
                P(subject)
            ),
            Self::OtherDirectory { subject } => {
                write!(f, "the subject '{}' is a directory with other files or other names", P(subject))
            }
            Self::OtherMethod { found, expected } => write!(
                f,
                "a subject has the model's {MANIFEST_DIGEST}, but its digestMethod is '{}', expected '{}'",
                P(found),
                P(expected)
            ),
            Self::OtherDigest { file } => {
                write!(f, "the subject '{}' has another digest than that file", P(file))
            }
            Self::OtherName { subject, file } => {
                write!(f, "the subject '{}' has the digest of '{}', but not its name", P(subject), P(file))
            }
            Self::NotComparable { file } => write!(
                f,
                "the subject '{}' cannot be compared: the model was measured in shards or with a hash that the subject \
                 does not have",
                P(file)
            ),
            Self::Contradiction { file } => {
                write!(f, "two subjects named '{}' have different digests", P(file))
            }
        }
    }
}

#[cfg(test)]
mod tests;
