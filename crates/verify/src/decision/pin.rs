//! [`Pin`]: an artifact that is known by its digests alone, such as one that a model was made from.
//!
//! A base model whose bytes are not here cannot be measured, and need not be: nothing of it will be loaded. What has to be
//! known is that the artifact which the builder used is one that the policies allow. Which artifact that was is what the builder
//! says, by digest, in provenance that a policy accepted; and a list of files that somebody signed is that artifact's when its digest,
//! over names and contents, equals the pin. So for a base model the pin stands where the measurement stands for the model that is
//! to be loaded.
//!
//! In a decision every pin is from a verified statement ([`Pin::all_of`]): [`decide`](super::decide) takes none, so that no caller
//! can have a model allowed by a digest that somebody wrote down. [`hop::judge`](super::hop::judge) does take one from its caller
//! ([`Pin::of`]), who answers for where it is from; what it gives is no [`Decision`](super::Decision), and opens no door.

use super::statement::Said;
use crate::facts::{FactData, ManifestFact, manifest_name};
use modelseal_core::{
    artifact::ArtifactId,
    attestation::Subject,
    cover::{Cover, FullBy, PART_OF_DIRECTORY, as_directory, as_file, parts_of_directory, whole},
    digest::{Algorithm, Digest},
    manifest::Manifest,
    predicate::{
        Predicate, SignedModel,
        descriptor::{Descriptor, DigestSet},
    },
};
use std::sync::Arc;

/// The digests of an artifact, as the dependency of a statement that pins it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pin<'a> {
    dependency: &'a Descriptor,
}

impl<'a> Pin<'a> {
    /// What a verified statement pins: the resolved dependencies of provenance, and nothing of any other.
    pub(super) fn all_of(said: Said<'a>) -> impl Iterator<Item = Self> {
        let dependencies = match &said.attestation.predicate {
            Predicate::Provenance(provenance) => &provenance.resolved_dependencies[..],
            _ => &[],
        };
        dependencies.iter().map(|dependency| Self { dependency })
    }

    /// The artifact that a caller asks about. For [`super::hop`] alone, whose reports open no door.
    pub(super) fn of(dependency: &'a Descriptor) -> Self {
        Self { dependency }
    }

    /// The dependency as it was written.
    pub(super) fn dependency(self) -> &'a Descriptor {
        self.dependency
    }

    /// The ids of the artifact; none when no strong digest identifies it.
    pub(super) fn ids(self) -> Vec<ArtifactId> {
        ArtifactId::of_descriptor(self.dependency)
    }

    /// Whether the artifact is what was measured.
    pub(super) fn is(self, measured: &Manifest) -> bool {
        let (digests, method) = whole(measured);
        ArtifactId::same(self.digests(), (&digests, method.as_deref()))
    }

    /// Whether the artifact is what was signed. A signature over one file does not say whether the model is that file or a
    /// folder with it: to a pin by the digest of a file it is the file.
    pub(super) fn is_signed_as(self, signed: &Manifest) -> bool {
        let is_file = self.ids().iter().all(|id| matches!(id, ArtifactId::Blob { .. }));
        let (digests, method) = match as_file(signed).filter(|_| is_file) {
            Some(digests) => (digests, None),
            None => as_directory(signed),
        };
        ArtifactId::same(self.digests(), (&digests, method.as_deref()))
    }

    /// How much of the artifact a statement's subjects are. Without a list of its files that is all of it, or nothing.
    pub(super) fn cover(self, subjects: &[Subject]) -> Cover {
        let whole = subjects.iter().filter(|s| s.digest_method.as_deref() != Some(PART_OF_DIRECTORY));
        let same = |s: &&Subject| ArtifactId::same(self.digests(), (&s.digest, s.digest_method.as_deref()));
        if whole.clone().any(|subject| same(&subject)) {
            return Cover::Full(match self.ids().first() {
                Some(ArtifactId::Blob { .. }) => FullBy::File,
                _ if self.dependency.digest.get("dirHash").is_some() => FullBy::DirHash,
                _ => FullBy::ManifestDigest,
            });
        }
        match ArtifactId::of_all_files(subjects) {
            Some(directory) if self.ids().contains(&directory) => {
                Cover::Full(FullBy::EveryFile(subjects.len()))
            }
            _ => Cover::None(Vec::new()),
        }
    }

    /// The names by which deny lists and policies know the artifact, `manifest-sha256:<hex>`.
    pub(super) fn manifest_names(self) -> Vec<String> {
        let directories = self.ids().into_iter().filter_map(|id| match id {
            ArtifactId::Directory { sha256, .. } => Digest::from_hex(Algorithm::Sha256, &sha256).ok(),
            ArtifactId::Blob { .. } => None,
        });
        let mut names: Vec<String> = directories.map(|digest| manifest_name(&digest)).collect();
        names.dedup();
        names
    }

    /// The digest of its bytes, when it is one file.
    pub(super) fn file(self) -> Vec<Digest> {
        let files = self.ids().into_iter().filter_map(|id| match id {
            ArtifactId::Blob { algorithm, hex } => Digest::from_hex(algorithm.parse().ok()?, &hex).ok(),
            ArtifactId::Directory { .. } => None,
        });
        files.collect()
    }

    fn digests(self) -> (&'a DigestSet, Option<&'a str>) {
        (&self.dependency.digest, self.dependency.digest_method())
    }
}

/// Lists of files that nobody need have signed as such: the parts of directories that verified statements list. One counts where it
/// has the very digest that pins an artifact ([`Pin::is_signed_as`]): no other list has it.
pub(super) fn lists_in_statements(data: &FactData) -> impl Iterator<Item = ManifestFact> + use<'_> {
    let listed = data.attestations.iter().filter_map(|fact| parts_of_directory(&fact.attestation.subjects));
    listed.map(list_of_files)
}

/// A list of files that nobody signed.
pub(super) fn list_of_files(manifest: Manifest) -> ManifestFact {
    ManifestFact {
        digest: manifest_name(&manifest.manifest_digest()),
        model: Arc::new(SignedModel {
            name: String::new(),
            manifest,
            fs_verity: std::collections::BTreeMap::new(),
            predicate_type: "",
        }),
        compared: None,
    }
}
