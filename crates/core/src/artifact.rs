//! [`ArtifactId`]: what a digest set says an artifact is, so that what one statement made can be found as what another used.
//!
//! Two statements speak of one artifact only when an id of each is equal. A directory is known by a digest that covers its
//! files' names, together with how that digest was computed; everything else by a strong digest of its bytes. Neither stands
//! for the other: see [`crate::cover`] for why the OMS root digest identifies nothing.

use crate::{
    attestation::Subject,
    cover::{PART_OF_DIRECTORY, digest_method, files_of, is_single_file},
    digest::Algorithm,
    manifest::{DEFAULT_SHARD_SIZE, Manifest, Method, Serialization},
    predicate::descriptor::{Descriptor, DigestSet, MANIFEST_DIGEST, check_digest},
    text::Printable,
};
use std::fmt;

/// The `digestMethod` of which the manifest digest is what in-toto calls `dirHash`.
pub const DIR_HASH_METHOD: &str = "oms/v1.0;files;sha256";

/// One way in which an artifact is known. The text form, `dir:METHOD:HEX` or `blob:ALGORITHM:HEX`, is unique.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArtifactId {
    /// A directory, by a digest over the names and digests of its files.
    Directory {
        /// How the digest was computed, see [`digest_method`].
        method: String,
        /// The manifest digest, in hexadecimal.
        sha256: String,
    },
    /// A file, a commit, an image: anything whose digest is of its bytes.
    Blob {
        /// The algorithm's name in a digest set.
        algorithm: String,
        /// The digest, in hexadecimal.
        hex: String,
    },
}

/// Why a text names no artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArtifactIdError {
    /// There is no algorithm before a colon.
    Form(String),
    /// Digests of that algorithm identify nothing that an attacker could choose, or nobody knows it.
    Algorithm(String),
    /// The digest is not lowercase hexadecimal of the algorithm's length.
    Hex(String),
}

impl ArtifactId {
    /// What people write for an artifact: `sha256:HEX` and other strong digests of a file's bytes, `gitCommit:HEX`,
    /// `dirHash:HEX` or `manifest-sha256:HEX` of a directory, or the text form of an id. A manifest digest alone does not say
    /// how it was computed, so it gives an id for each usual way.
    ///
    /// # Errors
    /// [`ArtifactIdError`] when nothing is identified by it.
    pub fn parse(text: &str) -> Result<Vec<Self>, ArtifactIdError> {
        let (algorithm, hex) = text.rsplit_once(':').ok_or_else(|| ArtifactIdError::Form(text.to_owned()))?;
        let checked = |algorithm: &str| {
            if !DigestSet::is_strong(algorithm) {
                return Err(ArtifactIdError::Algorithm(algorithm.to_owned()));
            }
            check_digest(algorithm, hex, "").map_err(|_| ArtifactIdError::Hex(hex.to_owned()))
        };
        let sha256 = hex.to_owned();
        if let Some(method) = algorithm.strip_prefix("dir:") {
            checked("dirHash")?;
            return Ok(vec![Self::Directory { method: method.to_owned(), sha256 }]);
        }
        let algorithm = algorithm.strip_prefix("blob:").unwrap_or(algorithm);
        checked(algorithm)?;
        Ok(match algorithm {
            "dirHash" => vec![Self::Directory { method: DIR_HASH_METHOD.to_owned(), sha256 }],
            MANIFEST_DIGEST => {
                usual_methods().map(|method| Self::Directory { method, sha256: sha256.clone() }).collect()
            }
            _ => vec![Self::Blob { algorithm: algorithm.to_owned(), hex: sha256 }],
        })
    }

    /// The ids of a model.
    #[must_use]
    pub fn of_manifest(manifest: &Manifest) -> Vec<Self> {
        let serialization = manifest.serialization();
        let directory = Self::Directory {
            method: digest_method(serialization),
            sha256: manifest.manifest_digest().to_hex(),
        };
        match manifest.resources() {
            [only] if is_single_file(manifest) && serialization.method == Method::Files => {
                let algorithm = only.digest.algorithm().name().to_owned();
                vec![Self::Blob { algorithm, hex: only.digest.to_hex() }]
            }
            _ => vec![directory],
        }
    }

    /// The ids of what a descriptor of a dependency or by-product speaks of.
    #[must_use]
    pub fn of_descriptor(descriptor: &Descriptor) -> Vec<Self> {
        Self::of_digests(&descriptor.digest, descriptor.digest_method())
    }

    /// The ids of what a statement is about. Subjects that are parts of a directory have none of their own; subjects that
    /// are all plain files, each of another name, are the directory of exactly these files, too.
    #[must_use]
    pub fn of_subjects(subjects: &[Subject]) -> Vec<Self> {
        let mut ids: Vec<Self> = subjects
            .iter()
            .filter(|subject| subject.digest_method.as_deref() != Some(PART_OF_DIRECTORY))
            .flat_map(|subject| Self::of_digests(&subject.digest, subject.digest_method.as_deref()))
            .chain(Self::of_all_files(subjects))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Whether two digest sets, each with its `digestMethod`, are of one artifact: an id is equal, and no strong digest that
    /// both have differs.
    #[must_use]
    pub fn same(one: (&DigestSet, Option<&str>), other: (&DigestSet, Option<&str>)) -> bool {
        let ids = Self::of_digests(one.0, one.1);
        let equal = Self::of_digests(other.0, other.1).iter().any(|id| ids.contains(id));
        let differs = one.0.iter().any(|(algorithm, hex)| {
            DigestSet::is_strong(algorithm) && other.0.get(algorithm).is_some_and(|theirs| theirs != hex)
        });
        equal && !differs
    }

    /// The id of the directory of exactly these files, when all subjects are plain files, each of another name.
    #[must_use]
    pub fn of_all_files(subjects: &[Subject]) -> Option<Self> {
        let is_plain = |subject: &Subject| {
            let ids = Self::of_digests(&subject.digest, subject.digest_method.as_deref());
            !ids.is_empty() && ids.iter().all(|id| matches!(id, Self::Blob { .. }))
        };
        if !subjects.iter().all(is_plain) {
            return None;
        }
        let sha256 = files_of(subjects.iter())?.manifest_digest().to_hex();
        Some(Self::Directory { method: DIR_HASH_METHOD.to_owned(), sha256 })
    }

    fn of_digests(digests: &DigestSet, method: Option<&str>) -> Vec<Self> {
        let directory =
            |method: &str, hex: &str| Self::Directory { method: method.to_owned(), sha256: hex.to_owned() };
        let mut ids = Vec::new();
        ids.extend(digests.get("dirHash").map(|hex| directory(DIR_HASH_METHOD, hex)));
        if let (Some(hex), Some(method)) = (digests.get(MANIFEST_DIGEST), method) {
            ids.push(directory(method, hex));
        }
        if ids.len() == 2 && ids[0] != ids[1] {
            // One thing is not two directories: whoever says so says nothing.
            return Vec::new();
        }
        // Beside a digest of a directory, the others are of the directory as well.
        let of_directory =
            method.is_some() || ["dirHash", MANIFEST_DIGEST].iter().any(|name| digests.get(name).is_some());
        if !of_directory {
            let strong = digests.iter().filter(|(algorithm, _)| DigestSet::is_strong(algorithm));
            ids.extend(
                strong.map(|(algorithm, hex)| Self::Blob {
                    algorithm: algorithm.to_owned(),
                    hex: hex.to_owned(),
                }),
            );
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// Every `digestMethod` but those with a shard size of somebody's own.
fn usual_methods() -> impl Iterator<Item = String> {
    let methods = [Method::Files, Method::Shards(DEFAULT_SHARD_SIZE)];
    methods.into_iter().flat_map(|method| {
        Algorithm::ALL
            .map(|algorithm| digest_method(&Serialization { method, algorithm, ..Serialization::default() }))
    })
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { method, sha256 } => write!(f, "dir:{method}:{sha256}"),
            Self::Blob { algorithm, hex } => write!(f, "blob:{algorithm}:{hex}"),
        }
    }
}

impl fmt::Display for ArtifactIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(text) => write!(
                f,
                "'{}' is no digest; write its algorithm and a colon before it, such as sha256:, dirHash: or gitCommit:",
                Printable(text)
            ),
            Self::Algorithm(algorithm) => write!(
                f,
                "digests of '{}' identify nothing; give one of sha256, sha512, blake3, dirHash, manifest-sha256, gitCommit",
                Printable(algorithm)
            ),
            Self::Hex(hex) => {
                write!(
                    f,
                    "'{}' is not the algorithm's number of lowercase hexadecimal digits",
                    Printable(hex)
                )
            }
        }
    }
}

impl std::error::Error for ArtifactIdError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn hex(n: u8) -> String {
        format!("{n:02x}").repeat(32)
    }

    fn subject(name: &str, digests: &[(&str, &str)], method: Option<&str>) -> Subject {
        Subject {
            name: Some(name.into()),
            uri: None,
            digest: DigestSet::of(digests.iter().copied()),
            digest_method: method.map(str::to_owned),
        }
    }

    fn texts(ids: &[ArtifactId]) -> Vec<String> {
        ids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_directory_is_known_by_digests_that_cover_names_and_by_no_other() {
        let (root, dir) = (hex(1), hex(2));
        let ids = |digests: &[(&str, &str)], method| {
            texts(&ArtifactId::of_subjects(&[subject("m", digests, method)]))
        };
        let directory = format!("dir:{DIR_HASH_METHOD}:{dir}");
        assert_eq!(ids(&[("sha256", &root), ("dirHash", &dir)], None), [&*directory]);
        assert_eq!(ids(&[("sha256", &root), (MANIFEST_DIGEST, &dir)], Some(DIR_HASH_METHOD)), [&*directory]);
        assert_eq!(ids(&[("sha256", &root), (MANIFEST_DIGEST, &dir)], None), [""; 0]);
        assert_eq!(ids(&[("sha256", &root)], Some(DIR_HASH_METHOD)), [""; 0]);
        let shards = "oms/v1.0;shards;1000;blake3";
        assert_eq!(ids(&[(MANIFEST_DIGEST, &dir)], Some(shards)), [format!("dir:{shards}:{dir}")]);
        assert_eq!(ids(&[("md5", &"0".repeat(32))], None), [""; 0]);
        // Two directories at once are none.
        let both = [("dirHash", &*root), (MANIFEST_DIGEST, &*dir)];
        assert_eq!(ids(&both, Some(DIR_HASH_METHOD)), [""; 0]);
        assert_eq!(ids(&[("dirHash", &*dir), (MANIFEST_DIGEST, &*dir)], Some(shards)), [""; 0]);
    }

    #[test]
    fn files_are_known_by_their_bytes_and_together_as_their_directory() {
        let (a, b) =
            (subject("a", &[("sha256", &hex(1))], None), subject("b/c", &[("sha256", &hex(2))], None));
        let listing = format!("{}  a\n{}  b/c\n", hex(1), hex(2));
        let dir = Digest::sha256(<sha2::Sha256 as sha2::Digest>::digest(&listing).into()).to_hex();
        let ids = texts(&ArtifactId::of_subjects(&[b.clone(), a.clone()]));
        assert_eq!(
            ids,
            [
                format!("dir:{DIR_HASH_METHOD}:{dir}"),
                format!("blob:sha256:{}", hex(1)),
                format!("blob:sha256:{}", hex(2)),
            ]
        );
        // Parts of a directory stand for nothing without it, and a name that leaves it makes no directory.
        let part = subject("a", &[("sha256", &hex(1))], Some(PART_OF_DIRECTORY));
        assert_eq!(texts(&ArtifactId::of_subjects(&[part])), [""; 0]);
        let outside = subject("../a", &[("sha256", &hex(1))], None);
        assert_eq!(texts(&ArtifactId::of_subjects(&[outside])), [format!("blob:sha256:{}", hex(1))]);
        // Two digests for one name are no directory.
        let twice = subject("a", &[("sha256", &hex(3))], None);
        assert_eq!(ArtifactId::of_subjects(&[a, twice]).len(), 2);
    }

    #[test]
    fn what_people_write_identifies_an_artifact_or_is_refused() {
        let parse = |text: &str| ArtifactId::parse(text).map(|ids| texts(&ids));
        let digest = hex(1);
        assert_eq!(parse(&format!("sha256:{digest}")), Ok(vec![format!("blob:sha256:{digest}")]));
        assert_eq!(parse(&format!("dirHash:{digest}")), Ok(vec![format!("dir:{DIR_HASH_METHOD}:{digest}")]));
        let commit = "ab".repeat(20);
        assert_eq!(parse(&format!("gitCommit:{commit}")), Ok(vec![format!("blob:gitCommit:{commit}")]));
        let manifest = parse(&format!("manifest-sha256:{digest}")).unwrap();
        assert!(manifest.len() == 6 && manifest.contains(&format!("dir:{DIR_HASH_METHOD}:{digest}")));
        assert!(manifest.contains(&format!("dir:oms/v1.0;shards;1000000000;blake3:{digest}")));
        for text in manifest.iter().chain([&format!("blob:sha256:{digest}")]) {
            assert_eq!(parse(text), Ok(vec![text.clone()]));
        }
        use ArtifactIdError as E;
        for weak in ["md5", "sha1", "h1", "", "blob:dir"] {
            assert!(matches!(parse(&format!("{weak}:{digest}")), Err(E::Algorithm(_))), "{weak}");
        }
        assert!(matches!(parse(&digest), Err(E::Form(_))));
        for bad in ["sha256:", "sha256:AB", "dir:m:ab", &format!("sha256:{}", digest.replace('0', "A"))] {
            assert!(matches!(parse(bad), Err(E::Hex(_))), "{bad}");
        }
    }

    #[test]
    fn a_strong_digest_that_differs_outweighs_one_that_is_equal() {
        let of = |digests: &[(&str, String)]| DigestSet::of(digests.iter().cloned());
        let one = of(&[("dirHash", hex(1)), ("sha256", hex(2))]);
        assert!(ArtifactId::same((&one, None), (&of(&[("dirHash", hex(1))]), None)));
        assert!(ArtifactId::same((&one, None), (&of(&[(MANIFEST_DIGEST, hex(1))]), Some(DIR_HASH_METHOD))));
        assert!(!ArtifactId::same((&one, None), (&of(&[("dirHash", hex(1)), ("sha256", hex(3))]), None)));
        // A file whose SHA-256 is the directory's root digest.
        assert!(!ArtifactId::same((&one, None), (&of(&[("sha256", hex(2))]), None)));
        assert!(!ArtifactId::same((&DigestSet::default(), None), (&DigestSet::default(), None)));
    }
}
