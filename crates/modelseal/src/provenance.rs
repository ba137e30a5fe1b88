//! `verify provenance`: read signed documents, check who signed them, measure the model in the ways that their subjects were
//! measured, and judge each provenance against what is expected. One that passes everything is enough.

mod documents;
mod work;

use crate::{
    digest::Effort,
    error::Kind,
    report::{ProvenanceReport, TrustedRootReport},
    store::Store,
    trust::Trust,
};
use jiff::Timestamp;
use modelseal_core::{attestation::Attestation, predicate::slsa_provenance::Provenance, text::Printable};
use modelseal_model::Progress;
use modelseal_verify::{provenance::Expectations, signer::Signer, verified::Verified, verifier::Verifier};
use std::{
    fmt,
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
};
use work::Work;

/// Verifies the provenance of the model at `path`, a directory or a single file, signed by whom `verifier` trusts.
///
/// ```no_run
/// use modelseal::{PublicKey, Verifier, expect::Expectations};
/// let key = PublicKey::from_pem(&std::fs::read("builder.pem")?)?;
/// let request = modelseal::verify_provenance("my-model", Verifier::with_key(key)).bundle("provenance.sigstore.json");
/// match request.expecting(Expectations::default()).run(&()) {
///     Ok(verified) => println!("{}", verified.report().message),
///     Err(refusal) => eprintln!("{refusal}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify_provenance(path: impl Into<PathBuf>, verifier: Verifier) -> ProvenanceRequest {
    ProvenanceRequest {
        model: path.into(),
        verifier,
        bundles: Vec::new(),
        folders: Vec::new(),
        stores: Vec::new(),
        expected: Expectations::default(),
        no_disagreement: false,
        ignore: Vec::new(),
        ignore_git_paths: true,
        allow_symlinks: false,
        now: None,
        trusted_root: None,
        notes: Vec::new(),
        effort: Effort::default(),
    }
}

/// Which provenance to verify, and what it is expected to say.
#[must_use]
pub struct ProvenanceRequest {
    model: PathBuf,
    verifier: Verifier,
    bundles: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    stores: Vec<Store>,
    expected: Expectations,
    no_disagreement: bool,
    ignore: Vec<PathBuf>,
    ignore_git_paths: bool,
    allow_symlinks: bool,
    now: Option<Timestamp>,
    trusted_root: Option<TrustedRootReport>,
    notes: Vec<String>,
    effort: Effort,
}

/// A model of which a trusted signer says how it was made, as expected. Only [`ProvenanceRequest::run`] makes one.
#[derive(Debug)]
#[must_use]
pub struct VerifiedProvenance {
    attestation: Verified<Attestation>,
    report: ProvenanceReport,
}

/// A model whose making is not as expected, or unknown; or nothing could be decided.
#[derive(Debug)]
pub struct ProvenanceRefusal {
    kind: Kind,
    report: Box<ProvenanceReport>,
}

impl ProvenanceRequest {
    /// Looks at this file: a Sigstore bundle, a DSSE envelope, or lines of them (`.jsonl`).
    pub fn bundle(mut self, path: impl Into<PathBuf>) -> Self {
        self.bundles.push(path.into());
        self
    }

    /// Looks at every `.sig`, `.json` and `.jsonl` of a directory.
    pub fn bundle_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.folders.push(path.into());
        self
    }

    /// Looks at what this store has about the model, which is measured first then; may be called several times.
    pub fn store(mut self, store: Store) -> Self {
        self.stores.push(store);
        self
    }

    /// What the provenance must say; that there is one, unless set.
    pub fn expecting(mut self, expected: Expectations) -> Self {
        self.expected = expected;
        self
    }

    /// Refuses a model of which trusted provenances contradict each other, though one is as expected.
    pub fn no_disagreement(mut self, refuse: bool) -> Self {
        self.no_disagreement = refuse;
        self
    }

    /// Leaves a path out of the model. Taken from the working directory.
    pub fn ignore(mut self, path: impl Into<PathBuf>) -> Self {
        self.ignore.push(path.into());
        self
    }

    /// Whether git paths at the top stay out; they do unless set.
    pub fn ignore_git_paths(mut self, ignore: bool) -> Self {
        self.ignore_git_paths = ignore;
        self
    }

    /// Reads through symbolic links instead of refusing them.
    pub fn allow_symlinks(mut self, allow: bool) -> Self {
        self.allow_symlinks = allow;
        self
    }

    /// The time at which certificates must be valid; now unless set.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Says against which trust material the verifier judges.
    pub fn noting(mut self, trust: &Trust) -> Self {
        self.trusted_root = Some(trust.report.clone());
        self.notes.extend(trust.notes.iter().cloned());
        self
    }

    /// Hashes with at most so many threads; one for each core unless set. The result does not depend on it.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.effort.threads = Some(threads);
        self
    }

    /// Takes at most so many bytes for read buffers.
    pub fn memory(mut self, bytes: NonZeroU64) -> Self {
        self.effort.memory = bytes.get();
        self
    }

    /// Verifies. `progress` is told of every byte that is measured; `&()` tells nobody. Unless there is a store to look in, a
    /// model is measured only when a trusted signer says anything about how one was made.
    ///
    /// # Errors
    /// [`ProvenanceRefusal`], with every check and what to do.
    pub fn run(&self, progress: &dyn Progress) -> Result<VerifiedProvenance, ProvenanceRefusal> {
        let mut work = Work::new(self, progress);
        match work.run() {
            Ok(attestation) => Ok(VerifiedProvenance { attestation, report: work.report }),
            Err(stop) => Err(work.refuse(stop)),
        }
    }
}

impl VerifiedProvenance {
    /// How the model was made, in the words of its signer.
    #[must_use]
    pub fn provenance(&self) -> Option<&Provenance> {
        self.attestation.get().predicate.provenance()
    }

    /// Who signed the provenance.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        self.attestation.signer()
    }

    /// Every check, and what it found.
    #[must_use]
    pub fn report(&self) -> &ProvenanceReport {
        &self.report
    }
}

impl ProvenanceRefusal {
    /// Whether it was denied, wrongly asked for, or nothing could be decided.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Every check, and what it found.
    #[must_use]
    pub fn report(&self) -> &ProvenanceReport {
        &self.report
    }
}

impl fmt::Display for ProvenanceRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.report.message).fmt(f)
    }
}

impl std::error::Error for ProvenanceRefusal {}
