//! `sign`: measure, say, sign, check, write.

mod require;

pub use require::{Required, UnknownRequirement, Unmet};

use crate::{
    clock,
    digest::{DigestRequest, MeasuredModel, digest},
    digests::vouched_for,
    error::Error,
    output::Output,
    report::{Digests, ModelReport, SignReport},
    reuse::{Cache, Remembered, measure_changed},
    signing::{EvidenceServices, Made, Sayable, Unsigned, check_material, key_of, sign_with},
};
use jiff::Timestamp;
use modelseal_attest::{signer::Signer, statement::Statement};
use modelseal_core::{
    bundle::Bundle,
    digest::Algorithm,
    predicate::{Reading, read_signed_model},
};
use modelseal_inspect::RuleSet;
use modelseal_model::Progress;
use modelseal_verify::public_key::PublicKey;
use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

/// Signs the model at `path`, a directory or a single file.
///
/// ```no_run
/// use modelseal::{KeyAlgorithm, KeySigner, PrivateKey};
/// let key = PrivateKey::generate(KeyAlgorithm::Ed25519)?;
/// let signed = modelseal::sign("my-model").output("my-model.sig").run(&KeySigner::new(key), &())?;
/// println!("{}", signed.path.display());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sign(path: impl Into<PathBuf>) -> SignRequest {
    let output = Output { path: PathBuf::from("model.sig"), force: false };
    SignRequest {
        measure: digest(path),
        output,
        now: None,
        digests: None,
        cache: None,
        evidence: None,
        publishes: false,
        required: Vec::new(),
        rules: None,
    }
}

/// What to sign, how, and where the signature goes.
#[derive(Debug, Clone)]
#[must_use]
pub struct SignRequest {
    measure: DigestRequest,
    output: Output,
    now: Option<Timestamp>,
    digests: Option<PathBuf>,
    cache: Option<Cache>,
    evidence: Option<EvidenceServices>,
    publishes: bool,
    required: Vec<Required>,
    rules: Option<RuleSet>,
}

/// A model that was measured and the statement about it, before any key is used.
#[derive(Debug)]
#[must_use]
pub struct Prepared {
    model: MeasuredModel,
    unsigned: Unsigned,
    remembered: Option<Remembered>,
    output: Output,
}

/// A signature that was written.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignedFile {
    /// Where it is.
    pub path: PathBuf,
    /// What was signed and by whom.
    pub report: SignReport,
}

impl SignRequest {
    /// The hash of files or shards; SHA-256 unless set.
    pub fn hash(mut self, algorithm: Algorithm) -> Self {
        self.measure = self.measure.hash(algorithm);
        self
    }

    /// Hashes each file in ranges of `size` bytes instead of whole.
    pub fn shards(mut self, size: NonZeroU64) -> Self {
        self.measure = self.measure.shards(size);
        self
    }

    /// Reads through symbolic links instead of refusing them; recorded in the signature.
    pub fn allow_symlinks(mut self, allow: bool) -> Self {
        self.measure = self.measure.allow_symlinks(allow);
        self
    }

    /// Whether git's own paths at the top stay out; they do unless set.
    pub fn ignore_git_paths(mut self, ignore: bool) -> Self {
        self.measure = self.measure.ignore_git_paths(ignore);
        self
    }

    /// Leaves a path out; recorded in the signature. Taken from the working directory, not from the model.
    pub fn ignore(mut self, path: impl Into<PathBuf>) -> Self {
        self.measure = self.measure.ignore(path);
        self
    }

    /// Hashes with at most so many threads; one for each core unless set. The result does not depend on it.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.measure = self.measure.threads(threads);
        self
    }

    /// Takes at most so many bytes for read buffers; [`DEFAULT_MEMORY`](crate::DEFAULT_MEMORY) unless set. One thread
    /// with its smallest buffers there is always.
    pub fn memory(mut self, bytes: NonZeroU64) -> Self {
        self.measure = self.measure.memory(bytes);
        self
    }

    /// Does not read the model but signs the digests in this file, a [`DigestReport`](crate::report::DigestReport) as
    /// JSON. Whoever could write that file decides what is signed: for digests from a trusted source only. The model
    /// must exist and gives its name; what it holds, and how it would be measured, counts for nothing.
    pub fn digests(mut self, file: impl Into<PathBuf>) -> Self {
        self.digests = Some(file.into());
        self
    }

    /// Remembers in `cache`, a directory of this user alone, by what to know the files again, for
    /// [`reuse`](Self::reuse).
    pub fn remember(mut self, cache: impl Into<PathBuf>) -> Self {
        let reuse = self.cache.take().and_then(|cache| cache.reuse);
        self.cache = Some(Cache { directory: cache.into(), reuse });
        self
    }

    /// Takes the digests of `signature` for files that are unchanged since it was made and remembered in `cache`, by
    /// device, inode, size, and both times. The key that signs now must have made it. For signing only: whoever can write
    /// to the model, and set the clock or write below the file system, can have old digests signed. It remembers, too.
    pub fn reuse(mut self, signature: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Self {
        self.cache = Some(Cache { directory: cache.into(), reuse: Some(signature.into()) });
        self
    }

    /// Inspects the files in the same read, and signs only a model that is what is required; repeatable. Goes neither with
    /// [`digests`](Self::digests) nor with [`remember`](Self::remember) or [`reuse`](Self::reuse), which do not read all of it
    /// for inspection.
    pub fn require(mut self, requirement: Required) -> Self {
        self.required.push(requirement);
        self
    }

    /// Signs each file's fs-verity digest, too, computed of the bytes that are hashed: a verifier's kernel that enforces such a
    /// file can then answer for it in constant time. Goes neither with [`digests`](Self::digests) nor with
    /// [`remember`](Self::remember) or [`reuse`](Self::reuse), which do not read all of it.
    pub fn fs_verity(mut self, annotate: bool) -> Self {
        self.measure.annotate = annotate;
        self
    }

    /// The rules by which what is required is judged; those that are shipped unless set.
    pub fn rules(mut self, rules: RuleSet) -> Self {
        self.rules = Some(rules);
        self
    }

    /// Where the signature goes; `model.sig` in the working directory unless set.
    pub fn output(mut self, path: impl Into<PathBuf>) -> Self {
        self.output.path = path.into();
        self
    }

    /// Replaces a different signature. A file that is no signature is never replaced.
    pub fn force(mut self, force: bool) -> Self {
        self.output.force = force;
        self
    }

    /// Adds log entries and timestamps, for keys and certificates.
    pub fn evidence(mut self, evidence: EvidenceServices) -> Self {
        self.evidence = Some(evidence);
        self.publishing()
    }

    /// Says that the signature becomes public before it is written, as with an identity or a log: what would stop it from
    /// being written is then an error before the model is measured.
    pub fn publishing(mut self) -> Self {
        self.publishes = true;
        self
    }

    /// The time at which the signing certificate must be valid; now unless set.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Measures the model and writes the statement about it, without using a key.
    ///
    /// # Errors
    /// [`Error`] when the model cannot be measured or the signature could not be written afterwards.
    pub fn prepare(self, progress: &dyn Progress) -> Result<Prepared, Error> {
        self.prepare_for(None, progress)
    }

    /// `key` is that of the signer, where there is one.
    fn prepare_for(mut self, key: Option<&PublicKey>, progress: &dyn Progress) -> Result<Prepared, Error> {
        self.output.check(&self.measure.model)?;
        if self.publishes {
            self.output.check_before_publishing()?;
        }
        self.measure.signature = Some(self.output.path.clone());
        if self.measure.annotate && (self.digests.is_some() || self.cache.is_some()) {
            return Err(Error::Unannotated);
        }
        let mut judged_by = RuleSet::built_in().clone();
        if !self.required.is_empty() {
            if self.digests.is_some() || self.cache.is_some() {
                return Err(Error::Unread);
            }
            let rules = self.rules.take().unwrap_or_else(|| RuleSet::built_in().clone());
            judged_by = rules.clone();
            self.measure = self.measure.inspect(rules);
        }
        let path = &self.measure.model;
        let (model, remembered) = match (&self.digests, &self.cache) {
            (Some(file), _) => (vouched_for(path, file, &self.output.path)?, None),
            (None, Some(cache)) => {
                let subject = self.measure.subject()?;
                let (model, remembered) = measure_changed(cache, subject, path, key, progress)?;
                (model, Some(remembered))
            }
            (None, None) => (self.measure.run(progress)?, None),
        };
        if let Some(inspection) = model.inspection() {
            let check = |required: &Required| required.check(inspection, &judged_by);
            self.required.iter().try_for_each(check).map_err(Error::Unmet)?;
        }
        let statement = Statement::of_annotated_model(&model.observed, model.name(), &model.fs_verity)
            .map_err(|e| Error::SelfCheck(e.to_string()))?;
        let now = self.now.unwrap_or_else(clock::now);
        let unsigned = Unsigned { statement, now, evidence: self.evidence };
        Ok(Prepared { model, unsigned, remembered, output: self.output })
    }

    /// Measures, signs and writes.
    ///
    /// # Errors
    /// [`Error`]; nothing was written then.
    pub fn run(self, signer: &dyn Signer, progress: &dyn Progress) -> Result<SignedFile, Error> {
        let now = self.now.unwrap_or_else(clock::now);
        self.output.check(&self.measure.model)?;
        check_material(signer, now)?;
        let key = key_of(signer)?;
        if let Some(evidence) = &self.evidence {
            evidence.check(signer)?;
        }
        self.prepare_for(Some(&key), progress)?.sign(signer)
    }
}

impl Prepared {
    /// The measured model.
    #[must_use]
    pub fn model(&self) -> &MeasuredModel {
        &self.model
    }

    /// The exact bytes that would be signed.
    #[must_use]
    pub fn statement(&self) -> &[u8] {
        self.unsigned.statement.as_bytes()
    }

    /// Signs, checks the signature as a verifier would, and writes it.
    ///
    /// # Errors
    /// [`Error`]; nothing was written then.
    pub fn sign(self, signer: &dyn Signer) -> Result<SignedFile, Error> {
        sign_with(self, signer)
    }
}

impl Sayable for Prepared {
    type Written = SignedFile;

    fn unsigned(&self) -> &Unsigned {
        &self.unsigned
    }

    fn check_before_publishing(&self) -> Result<(), Error> {
        self.output.check_before_publishing()
    }

    fn check_said(&self, payload_type: &str, payload: &[u8]) -> Result<(), String> {
        let said = read_signed_model(payload_type, payload, Reading::Field).map_err(|e| e.to_string())?;
        let same =
            said.manifest.compare(self.model.manifest()).is_match() && said.fs_verity == self.model.fs_verity;
        if same { Ok(()) } else { Err("it says something else".into()) }
    }

    fn write(self, bundle: &Bundle, made: Made) -> Result<SignedFile, Error> {
        let Self { model, unsigned, remembered, output } = self;
        output.write(bundle)?;
        let manifest = model.manifest();
        let mut notes = model.notes().to_vec();
        if let Some(Err(e)) = remembered.map(|remembered| remembered.write(unsigned.statement.as_bytes())) {
            notes.push(format!("the signature is good, but nothing could be remembered: {e}"));
        }
        notes.extend(made.notes);
        let report = SignReport {
            schema: SignReport::SCHEMA.into(),
            signature: output.path.display().to_string(),
            signer: made.signer,
            evidence: made.evidence,
            trusted_root: made.trusted_root,
            model: ModelReport::new(model.name(), manifest, model.bytes()),
            digests: Digests::of(manifest),
            serialization: manifest.serialization().into(),
            fs_verity: Some(model.fs_verity.len()).filter(|count| *count > 0),
            notes,
        };
        Ok(SignedFile { path: output.path, report })
    }
}
