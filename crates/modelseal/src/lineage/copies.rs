//! Models that are on this machine: measured as whoever pinned them says, and read for what they declare.

use super::trust::Judge;
use crate::{
    declared::{Declared, FILES},
    digest::Effort,
    disk,
    error::Error,
    evidence_files, scope,
    store::StoredBundle,
};
use modelseal_core::{
    artifact::ArtifactId,
    cover::read_digest_method,
    digest::Algorithm,
    limits::MAX_DECLARATION_BYTES,
    manifest::{Manifest, Method, Serialization},
    observed::Observed,
    path::ModelPath,
};
use modelseal_model::{Options, Progress, Source, measure};
use std::path::{Path, PathBuf};

/// Ways of measuring one copy: each reads every byte of it.
const MAX_MEASUREMENTS: usize = 8;

/// A model on this machine.
pub(super) struct Copy {
    pub(super) path: PathBuf,
    source: Source,
    /// Bundles beside it.
    pub(super) bundles: Vec<StoredBundle>,
    inside: Vec<ModelPath>,
    /// Under which parameters trusted signers have measured it.
    signed: Vec<Serialization>,
    pub(super) measured: Vec<Observed<Manifest>>,
    pub(super) declared: Declared,
    pub(super) notes: Vec<String>,
}

impl Copy {
    /// Opens the model at `path`, which is called `uri`, and reads what lies beside it. Nothing is measured.
    pub(super) fn open(uri: Option<&str>, path: &Path, judge: &Judge<'_>) -> Result<Self, Error> {
        let source = Source::open(path)?;
        let beside = evidence_files::beside(path);
        let signed = judge.parameters(uri, &beside.bundles);
        let declared = if source.is_file() {
            Declared::default()
        } else {
            Declared::read(|name| match FILES.contains(&name) {
                true => disk::read(&path.join(name), MAX_DECLARATION_BYTES).ok(),
                false => None,
            })
        };
        Ok(Self {
            path: path.to_path_buf(),
            source,
            bundles: beside.bundles,
            inside: beside.inside,
            signed,
            measured: Vec::new(),
            declared,
            notes: beside.notes,
        })
    }

    /// Measures it in the usual way, and in those of the trusted signatures beside it.
    pub(super) fn measure_usual(&mut self, effort: Effort, progress: &dyn Progress) -> Result<(), Error> {
        let mut wanted = vec![plain(Method::Files, Algorithm::Sha256)];
        wanted.extend(self.signed.iter().cloned());
        self.measure(wanted, effort, progress)
    }

    /// Measures it in every way in which one of these ids was computed.
    pub(super) fn measure_as(
        &mut self,
        ids: &[ArtifactId],
        effort: Effort,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let mut wanted = Vec::new();
        for (method, algorithm) in ids.iter().filter_map(parameters) {
            wanted.push(plain(method, algorithm));
            let same = self.signed.iter().filter(|s| (s.method, s.algorithm) == (method, algorithm));
            wanted.extend(same.cloned());
        }
        self.measure(wanted, effort, progress)
    }

    /// The ids of all that was measured.
    pub(super) fn ids(&self) -> Vec<ArtifactId> {
        let mut ids: Vec<ArtifactId> =
            self.measured.iter().flat_map(|manifest| ArtifactId::of_manifest(manifest.get())).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn measure(
        &mut self,
        wanted: Vec<Serialization>,
        effort: Effort,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        for serialization in wanted {
            let known = self.measured.iter().any(|known| *known.get().serialization() == serialization);
            if known || self.measured.len() >= MAX_MEASUREMENTS {
                continue;
            }
            let options = Options { serialization, exclude: self.inside.clone(), ..effort.options() };
            self.measured.push(measure(&self.source, &options, progress)?.manifest);
        }
        Ok(())
    }
}

fn plain(method: Method, algorithm: Algorithm) -> Serialization {
    let mut ignore_paths: Vec<ModelPath> = scope::git_paths().collect();
    ignore_paths.sort_unstable();
    Serialization { method, algorithm, allow_symlinks: false, ignore_paths }
}

/// How an id was computed, where a model can be measured that way.
fn parameters(id: &ArtifactId) -> Option<(Method, Algorithm)> {
    match id {
        ArtifactId::Blob { algorithm, .. } => Some((Method::Files, algorithm.parse().ok()?)),
        ArtifactId::Directory { method, .. } => read_digest_method(method),
    }
}
