//! `digest`: what a model is, without signing it.

use crate::{error::Error, scope};
use modelseal_core::{
    digest::Algorithm,
    manifest::{Manifest, Method, Serialization},
    observed::Observed,
    path::ModelPath,
};
use modelseal_model::{Note, Options, Progress, Source, measure};
use std::{num::NonZeroU64, path::PathBuf};

/// Measures the model at `path`, a directory or a single file.
///
/// ```no_run
/// let model = modelseal::digest("my-model").hash(modelseal::Algorithm::Blake3).run(&())?;
/// println!("{}", model.manifest().root_digest());
/// # Ok::<(), modelseal::Error>(())
/// ```
pub fn digest(path: impl Into<PathBuf>) -> DigestRequest {
    DigestRequest { model: path.into(), ..DigestRequest::default() }
}

/// How to measure a model; the same for [`digest`] and [`sign`](crate::sign()).
#[derive(Debug, Clone)]
#[must_use]
pub struct DigestRequest {
    pub(crate) model: PathBuf,
    algorithm: Algorithm,
    method: Method,
    allow_symlinks: bool,
    ignore_git_paths: bool,
    ignore: Vec<PathBuf>,
    /// A file that is never part of the model, and is recorded as ignored when it lies inside.
    pub(crate) signature: Option<PathBuf>,
}

/// A measured model.
#[derive(Debug)]
pub struct MeasuredModel {
    pub(crate) observed: Observed<Manifest>,
    name: String,
    bytes: u64,
    notes: Vec<String>,
}

impl MeasuredModel {
    /// The base name of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it consists of.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.observed.get()
    }

    /// Its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the user should know: ignore paths without effect, links that lead outside.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Default for DigestRequest {
    fn default() -> Self {
        Self {
            model: PathBuf::new(),
            algorithm: Algorithm::default(),
            method: Method::default(),
            allow_symlinks: false,
            ignore_git_paths: true,
            ignore: Vec::new(),
            signature: None,
        }
    }
}

impl DigestRequest {
    /// The hash of files or shards; SHA-256 unless set.
    pub fn hash(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Hashes each file in ranges of `size` bytes instead of whole.
    pub fn shards(mut self, size: NonZeroU64) -> Self {
        self.method = Method::Shards(size);
        self
    }

    /// Reads through symbolic links instead of refusing them.
    pub fn allow_symlinks(mut self, allow: bool) -> Self {
        self.allow_symlinks = allow;
        self
    }

    /// Whether `.git`, `.gitattributes`, `.github` and `.gitignore` at the top stay out; they do unless set.
    pub fn ignore_git_paths(mut self, ignore: bool) -> Self {
        self.ignore_git_paths = ignore;
        self
    }

    /// Leaves a file, or a directory with everything in it, out. Taken from the working directory, not from the model.
    pub fn ignore(mut self, path: impl Into<PathBuf>) -> Self {
        self.ignore.push(path.into());
        self
    }

    /// Measures. `progress` is told of every byte; `&()` tells nobody.
    ///
    /// # Errors
    /// [`Error`] when the model cannot be read or breaks a rule.
    pub fn run(&self, progress: &dyn Progress) -> Result<MeasuredModel, Error> {
        let source = Source::open(&self.model)?;
        let name = source.model_name()?;
        let scope::Ignored { paths: asked_for, mut notes } =
            scope::resolve_ignored(&self.model, &self.ignore)?;
        let serialization = Serialization {
            method: self.method,
            algorithm: self.algorithm,
            allow_symlinks: self.allow_symlinks,
            ignore_paths: self.recorded_ignore_paths(&asked_for),
        };
        let measured = measure(&source, &Options { serialization, ..Options::default() }, progress)?;
        let said =
            |note: &&Note| !matches!(note, Note::UnmatchedIgnorePath(path) if !asked_for.contains(path));
        notes.extend(measured.notes.iter().filter(said).map(Note::to_string));
        Ok(MeasuredModel { observed: measured.manifest, name, bytes: measured.bytes, notes })
    }

    /// What the user asked for, the default exclusions and the signature, in order and each once.
    fn recorded_ignore_paths(&self, asked_for: &[ModelPath]) -> Vec<ModelPath> {
        let mut paths = asked_for.to_vec();
        if self.ignore_git_paths {
            paths.extend(scope::git_paths());
        }
        if let Some(signature) = &self.signature
            && let scope::Place::Inside(path) = scope::place(&self.model, signature)
        {
            paths.push(path);
        }
        paths.sort();
        paths.dedup();
        paths
    }
}
