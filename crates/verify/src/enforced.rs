//! [`SignedFsVerity`]: which digests stand for a file that the kernel enforces, because signers said so.

use crate::verified::Verified;
use modelseal_core::{
    digest::Digest,
    manifest::{ByteRange, Manifest},
    path::ModelPath,
    predicate::SignedModel,
    verity::FsVerityDigest,
};
use std::collections::BTreeMap;

/// The files of a model that trusted signers annotated with their fs-verity digest, and the digests of the manifest that each
/// of these signers signed for them. Only a verified signature makes one.
///
/// It is what signers say: a file that the kernel gives the fs-verity digest for has these digests. So a signer who is
/// believed about the digests is believed about nothing more; but nobody else is, and no statement of anybody else about the
/// digests follows from it.
///
/// ```compile_fail
/// use modelseal_verify::enforced::SignedFsVerity;
/// let forged = SignedFsVerity { files: Default::default() }; // private field
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignedFsVerity {
    files: BTreeMap<ModelPath, Annotated>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Annotated {
    enforced: FsVerityDigest,
    resources: Vec<(Option<ByteRange>, Digest)>,
}

impl SignedFsVerity {
    /// The digests of `path`, each with its range, when the kernel enforces its bytes and gives `enforced` for it; none when it
    /// was not signed so.
    #[must_use]
    pub fn digests(&self, path: &ModelPath, enforced: FsVerityDigest) -> &[(Option<ByteRange>, Digest)] {
        let signed = self.files.get(path).filter(|annotated| annotated.enforced == enforced);
        signed.map_or(&[], |annotated| &annotated.resources)
    }

    /// Whether a file is annotated.
    #[must_use]
    pub fn has(&self, path: &ModelPath) -> bool {
        self.files.contains_key(path)
    }

    /// Whether no file is annotated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// What all of these manifests say alike. A file that one of them has, and says nothing or something else of, is left out:
    /// then nothing that rests on that one rests on the word of another's signer.
    pub(crate) fn common<'a>(
        manifests: impl IntoIterator<Item = (&'a Manifest, &'a BTreeMap<ModelPath, FsVerityDigest>)>,
    ) -> Self {
        let mut files: BTreeMap<ModelPath, Option<Annotated>> = BTreeMap::new();
        for (manifest, annotations) in manifests {
            for (path, said) in of(manifest, annotations) {
                match files.get_mut(&path) {
                    Some(agreed) if *agreed == said => {}
                    Some(agreed) => *agreed = None,
                    None => _ = files.insert(path, said),
                }
            }
        }
        Self { files: files.into_iter().filter_map(|(path, said)| Some((path, said?))).collect() }
    }
}

impl Verified<SignedModel> {
    /// Its files that the kernel may answer for.
    pub fn fs_verity(&self) -> SignedFsVerity {
        let SignedModel { manifest, fs_verity, .. } = self.get();
        SignedFsVerity::common([(manifest, fs_verity)])
    }
}

/// Every file of a manifest, and what it is annotated with.
fn of(
    manifest: &Manifest,
    annotations: &BTreeMap<ModelPath, FsVerityDigest>,
) -> BTreeMap<ModelPath, Option<Annotated>> {
    let mut files: BTreeMap<ModelPath, Option<Annotated>> = BTreeMap::new();
    for resource in manifest.resources() {
        let file = files.entry(resource.path.clone()).or_insert_with(|| {
            let enforced = annotations.get(&resource.path)?;
            Some(Annotated { enforced: *enforced, resources: Vec::new() })
        });
        if let Some(annotated) = file {
            annotated.resources.push((resource.range, resource.digest));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelseal_core::{
        digest::Algorithm,
        manifest::{Resource, Serialization},
    };

    fn path(name: &str) -> ModelPath {
        ModelPath::parse(name).unwrap()
    }

    fn digest(byte: u8) -> Digest {
        Digest::new(Algorithm::Sha256, &[byte; 32]).unwrap()
    }

    fn manifest(files: &[(&str, u8)]) -> Manifest {
        let resource =
            |(name, byte): &(&str, u8)| Resource { path: path(name), range: None, digest: digest(*byte) };
        Manifest::sorted(Serialization::default(), files.iter().map(resource).collect()).unwrap()
    }

    fn annotations(files: &[(&str, u8)]) -> BTreeMap<ModelPath, FsVerityDigest> {
        files.iter().map(|(name, byte)| (path(name), FsVerityDigest::new([*byte; 32]))).collect()
    }

    #[test]
    fn a_digest_stands_for_a_file_under_its_own_name_only() {
        let (manifest, annotations) = (manifest(&[("a", 1), ("b", 2)]), annotations(&[("a", 7)]));
        let signed = SignedFsVerity::common([(&manifest, &annotations)]);
        let seven = FsVerityDigest::new([7; 32]);
        assert_eq!(signed.digests(&path("a"), seven), [(None, digest(1))]);
        assert!(signed.digests(&path("a"), FsVerityDigest::new([8; 32])).is_empty());
        assert!(signed.digests(&path("b"), seven).is_empty());
        assert!(signed.digests(&path("c"), seven).is_empty());
    }

    #[test]
    fn what_one_signer_says_does_not_count_for_another() {
        let a = manifest(&[("a", 1), ("b", 2), ("c", 3)]);
        let other = manifest(&[("a", 9), ("b", 2), ("d", 4)]);
        let said = annotations(&[("a", 7), ("b", 7), ("c", 7), ("d", 7)]);
        let common = |manifests: &[(&Manifest, &BTreeMap<_, _>)]| {
            let signed = SignedFsVerity::common(manifests.iter().copied());
            signed.files.keys().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(common(&[(&a, &said)]), ["a", "b", "c"]);
        // Another digest of `a`; the same of `b`; `c` and `d` are files of one of them only.
        assert_eq!(common(&[(&a, &said), (&other, &said)]), ["b", "c", "d"]);
        // The same manifest by somebody who says nothing of the kernel, or something else, in any order.
        let silent = BTreeMap::new();
        let liar = annotations(&[("a", 8), ("b", 7)]);
        for (says, left) in [(&silent, vec![]), (&liar, vec!["b"])] {
            assert_eq!(common(&[(&a, &said), (&a, says)]), left);
            assert_eq!(common(&[(&a, says), (&a, &said)]), left);
            assert_eq!(common(&[(&a, says), (&a, &said), (&a, says)]), left);
        }
    }
}
