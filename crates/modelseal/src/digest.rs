//! `digest`: what a model is, without signing it.

use crate::{
    disk,
    error::Error,
    evidence_files,
    inspect::{measure_inspecting, measure_inspecting_annotating},
    output::Document,
    parts::PartRequest,
    report::DigestReport,
    scope,
};
use modelseal_core::{
    bundle::looks_like_bundle,
    digest::{Algorithm, Digest},
    inspection::Inspection,
    limits::MAX_BUNDLE_BYTES,
    manifest::{Manifest, Method, Resource, Serialization},
    observed::Observed,
    path::ModelPath,
    verity::FsVerityDigest,
};
use modelseal_inspect::RuleSet;
use modelseal_model::{
    Also, DEFAULT_MEMORY, FileHash, Note, Options, Part, Progress, Source, measure_also, measure_annotating,
};
use std::{
    collections::BTreeMap,
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    sync::Arc,
};

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
    /// Leaves bundles out that lie in the model as evidence, as whoever verifies under a policy does.
    without_evidence: bool,
    effort: Effort,
    pub(crate) also: Vec<FileHash>,
    output: Option<PathBuf>,
    /// The rules by which the files are inspected besides.
    pub(crate) rules: Option<Arc<RuleSet>>,
    /// Whether each file's fs-verity digest is computed besides, to be signed.
    pub(crate) annotate: bool,
}

/// A model that is open, and how it is to be measured.
pub(crate) struct Subject {
    pub(crate) source: Source,
    pub(crate) name: String,
    pub(crate) options: Options,
    asked_for: Vec<ModelPath>,
    notes: Vec<String>,
}

/// What measuring may take. No result depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) memory: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { threads: None, memory: DEFAULT_MEMORY }
    }
}

impl Effort {
    /// Options that only this is set in.
    pub(crate) fn options(self) -> Options {
        Options { threads: self.threads, memory: self.memory, ..Options::default() }
    }
}

/// A measured model.
#[derive(Debug)]
pub struct MeasuredModel {
    pub(crate) observed: Observed<Manifest>,
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) also: Vec<Also>,
    pub(crate) inspection: Option<Observed<Inspection>>,
    /// The files' fs-verity digests, when they are to be signed.
    pub(crate) fs_verity: BTreeMap<ModelPath, FsVerityDigest>,
    pub(crate) notes: Vec<String>,
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

    /// The further digests that were asked for with [`DigestRequest::also`], each once, in the order of [`FileHash`].
    #[must_use]
    pub fn also(&self) -> &[Also] {
        &self.also
    }

    /// What is in its files, by the rules that were given with [`DigestRequest::inspect`]: of the bytes that were hashed.
    #[must_use]
    pub fn inspection(&self) -> Option<&Inspection> {
        self.inspection.as_ref().map(Observed::get)
    }

    /// The SHA-256 digests of its files, as far as they were measured.
    pub(crate) fn sha256(&self) -> BTreeMap<ModelPath, Digest> {
        const SHA256: FileHash = FileHash::Oms(Algorithm::Sha256);
        let resources = self.manifest().resources();
        let paths = resources.iter().map(|resource| resource.path.clone());
        if let Some(also) = self.also.iter().find(|also| also.hash == SHA256) {
            return paths.zip(also.digests.iter().copied()).collect();
        }
        let whole = |resource: &&Resource| {
            resource.range.is_none() && resource.digest.algorithm() == Algorithm::Sha256
        };
        resources.iter().filter(whole).map(|resource| (resource.path.clone(), resource.digest)).collect()
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
            without_evidence: false,
            effort: Effort::default(),
            also: Vec::new(),
            output: None,
            rules: None,
            annotate: false,
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

    /// Hashes with at most so many threads; one for each core unless set. The result does not depend on it.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.effort.threads = Some(threads);
        self
    }

    /// Takes at most so many bytes for read buffers; [`DEFAULT_MEMORY`](crate::DEFAULT_MEMORY) unless set. One thread
    /// with its smallest buffers there is always.
    pub fn memory(mut self, bytes: NonZeroU64) -> Self {
        self.effort.memory = bytes.get();
        self
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn method(&self) -> Method {
        self.method
    }

    /// Takes what another measurement takes.
    pub(crate) fn effort(self, effort: Effort) -> Self {
        Self { effort, ..self }
    }

    /// Leaves bundles out that lie at the top of the model as evidence about it.
    pub(crate) fn leaving_evidence_out(self) -> Self {
        Self { without_evidence: true, ..self }
    }

    /// Gives further digests of every file, of the bytes that are read anyway: of another hash, or for fs-verity. Goes
    /// neither with [`shards`](Self::shards) nor with [`part`](Self::part).
    ///
    /// ```no_run
    /// use modelseal::{Algorithm, FileHash};
    /// let also = [FileHash::Oms(Algorithm::Blake3), FileHash::FsVerity];
    /// let model = modelseal::digest("my-model").also(also).run(&())?;
    /// for also in model.also() {
    ///     for (file, digest) in model.manifest().resources().iter().zip(&also.digests) {
    ///         println!("{} {digest} {}", also.hash, file.path);
    ///     }
    /// }
    /// # Ok::<(), modelseal::Error>(())
    /// ```
    pub fn also(mut self, hashes: impl IntoIterator<Item = FileHash>) -> Self {
        self.also.extend(hashes);
        self
    }

    /// Inspects the files in the same read, by these rules: what is found is found in the bytes that are hashed.
    pub fn inspect(mut self, rules: RuleSet) -> Self {
        self.rules = Some(Arc::new(rules));
        self
    }

    /// Writes the document there, besides: [`DigestReport`] of the whole model, [`PartReport`](crate::report::PartReport)
    /// of a part. Replaces a document of the same kind and no other file, and must lie outside the model.
    pub fn output(mut self, path: impl Into<PathBuf>) -> Self {
        self.output = Some(path.into());
        self
    }

    /// Measures one part of the model only, for [`merge`](crate::merge()).
    pub fn part(self, part: Part) -> PartRequest {
        PartRequest { measure: self, part }
    }

    /// Measures. `progress` is told of every byte; `&()` tells nobody.
    ///
    /// # Errors
    /// [`Error`] when the model cannot be read or breaks a rule, or the document cannot be written; or when further digests
    /// were asked for with shards.
    pub fn run(&self, progress: &dyn Progress) -> Result<MeasuredModel, Error> {
        let output = self.document(DigestReport::SCHEMA)?;
        let subject = self.subject()?;
        let Subject { source, options, .. } = &subject;
        let mut fs_verity = BTreeMap::new();
        let (measured, also, inspection) = match (&self.rules, self.annotate) {
            (None, false) => {
                let (measured, also) = measure_also(source, options, &self.also, progress)?;
                (measured, also, None)
            }
            (None, true) => {
                let annotated = measure_annotating(source, options, progress)?;
                fs_verity = annotated.fs_verity;
                (annotated.measured, Vec::new(), None)
            }
            (Some(rules), false) => {
                let read = measure_inspecting(source, options, &self.also, rules, progress)?;
                (read.measured, read.also, Some(read.inspection))
            }
            (Some(rules), true) => {
                let (read, digests) = measure_inspecting_annotating(source, options, rules, progress)?;
                fs_verity = digests;
                (read.measured, Vec::new(), Some(read.inspection))
            }
        };
        let mut notes = subject.notes(&measured.notes);
        notes.extend(self.counted_signature(&measured.manifest));
        let model = MeasuredModel {
            observed: measured.manifest,
            name: subject.name,
            bytes: measured.bytes,
            also,
            inspection,
            fs_verity,
            notes,
        };
        if let Some(output) = output {
            output.write(&DigestReport::of(&model))?;
        }
        Ok(model)
    }

    /// `sign` and `verify` leave the signature out of the model that it lies in; a digest of everything that is there does
    /// not, and is then another one.
    fn counted_signature(&self, manifest: &Observed<Manifest>) -> Option<String> {
        const NAME: &str = "model.sig";
        let path = self.model.join(NAME);
        let counted = manifest.get().resources().iter().any(|resource| resource.path.as_str() == NAME);
        if self.signature.is_some() || self.without_evidence || !counted {
            return None;
        }
        let document = disk::read_past(&path, MAX_BUNDLE_BYTES).ok()?;
        looks_like_bundle(&document).then(|| {
            format!(
                "the signature '{NAME}' in the model was measured as one of its files; `sign` and `verify` leave it out, \
                 and so does --ignore-paths {}",
                path.display()
            )
        })
    }

    /// Opens the model.
    pub(crate) fn subject(&self) -> Result<Subject, Error> {
        let source = Source::open(&self.model)?;
        let name = source.model_name()?;
        let scope::Ignored { paths: asked_for, notes } = scope::resolve_ignored(&self.model, &self.ignore)?;
        let serialization = Serialization {
            method: self.method,
            algorithm: self.algorithm,
            allow_symlinks: self.allow_symlinks,
            ignore_paths: self.recorded_ignore_paths(&asked_for),
        };
        let exclude = if self.without_evidence { evidence_files::inside(&self.model) } else { Vec::new() };
        let options = Options { serialization, exclude, ..self.effort.options() };
        Ok(Subject { source, name, options, asked_for, notes })
    }

    /// Where the document goes, once it is known that it can: not into the model, which it would change.
    pub(crate) fn document(&self, schema: &'static str) -> Result<Option<Document>, Error> {
        let Some(path) = &self.output else { return Ok(None) };
        let document = Document::new(path.clone(), schema);
        document.check()?;
        match scope::place(&self.model, path) {
            scope::Place::Outside => Ok(Some(document)),
            _ => Err(document.in_the_model()),
        }
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

impl Subject {
    /// What has to be said, with what was found while measuring.
    pub(crate) fn notes(&self, found: &[Note]) -> Vec<String> {
        let said =
            |note: &&Note| !matches!(note, Note::UnmatchedIgnorePath(path) if !self.asked_for.contains(path));
        self.notes.iter().cloned().chain(found.iter().filter(said).map(Note::to_string)).collect()
    }
}
