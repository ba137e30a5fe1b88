//! `verify provenance`: read signed documents, check who signed them, measure the model in the ways that their subjects were
//! measured, and judge each provenance against what is expected. One that passes everything is enough.

mod documents;

use crate::{
    clock, codes,
    digest::Effort,
    error::{Error, Kind},
    report::{
        CheckStatus, Digests, Disagreement, EvidenceReport, ModelReport, OtherStatement, ProvenanceCheck,
        ProvenanceFacts, ProvenanceReport, SourceReport, TrustedRootReport, Verdict, parameters, source,
    },
    scope,
    store::Store,
    trust::Trust,
};
use documents::Documents;
use jiff::Timestamp;
use modelseal_core::{
    artifact::ArtifactId,
    attestation::{Attestation, AttestationError, Subject},
    cover::{PART_OF_DIRECTORY, Target, read_digest_method},
    digest::Algorithm,
    manifest::{Manifest, Method, Serialization},
    observed::Observed,
    predicate::{Predicate, slsa_provenance::Provenance},
    text::Printable,
};
use modelseal_model::{MeasureError, Options, Progress, Source, measure};
use modelseal_verify::{
    decision::Code,
    provenance::{Compared, Expectations, Judgement, Outcome, judge},
    verified::Verified,
    verifier::{Verifier, VerifyError},
};
use std::{
    fmt,
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

/// Ways in which a model is measured at most: each reads all of it.
const MAX_MEASUREMENTS: usize = 4;

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

    /// Verifies. `progress` is told of every byte that is measured; `&()` tells nobody. A model is measured only when a
    /// trusted signer says anything about how one was made.
    ///
    /// # Errors
    /// [`ProvenanceRefusal`], with every check and what to do.
    pub fn run(&self, progress: &dyn Progress) -> Result<VerifiedProvenance, ProvenanceRefusal> {
        let now = self.now.unwrap_or_else(clock::now);
        let mut work = Work { request: self, report: self.empty_report(now), measured: Vec::new(), progress };
        match work.run(now) {
            Ok(attestation) => Ok(VerifiedProvenance { attestation, report: work.report }),
            Err(stop) => Err(work.refuse(stop)),
        }
    }

    fn empty_report(&self, now: Timestamp) -> ProvenanceReport {
        ProvenanceReport {
            schema: ProvenanceReport::SCHEMA.into(),
            verdict: Verdict::Error,
            code: None,
            message: String::new(),
            now: now.to_string(),
            model: self.model.display().to_string(),
            measured: None,
            digests: None,
            trusted_root: self.trusted_root.clone(),
            min_level: self.expected.min_level.number().into(),
            decisive: None,
            provenances: Vec::new(),
            other_statements: Vec::new(),
            rejected: Vec::new(),
            disagreements: Vec::new(),
            overlooked: Vec::new(),
            notes: self.notes.clone(),
        }
    }
}

impl VerifiedProvenance {
    /// How the model was made, in the words of its signer.
    #[must_use]
    pub fn provenance(&self) -> Option<&Provenance> {
        match &self.attestation.get().predicate {
            Predicate::Provenance(provenance) => Some(provenance),
            _ => None,
        }
    }

    /// Who signed the provenance.
    #[must_use]
    pub fn signer(&self) -> &modelseal_verify::signer::Signer {
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

/// Why there is nothing to be had.
struct Stop {
    kind: Kind,
    code: String,
    message: String,
}

impl Stop {
    fn new(kind: Kind, code: impl ToString, message: impl Into<String>) -> Self {
        Self { kind, code: code.to_string(), message: message.into() }
    }
}

impl From<MeasureError> for Stop {
    fn from(error: MeasureError) -> Self {
        Self::new(codes::measure_kind(&error), codes::measure(&error), error.to_string())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error.code(), error.to_string())
    }
}

/// A provenance by a trusted signer.
struct Candidate {
    document: String,
    attestation: Verified<Attestation>,
}

struct Work<'a> {
    request: &'a ProvenanceRequest,
    report: ProvenanceReport,
    /// One for each way of measuring.
    measured: Vec<((Method, Algorithm), Observed<Manifest>)>,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    fn run(&mut self, now: Timestamp) -> Result<Verified<Attestation>, Stop> {
        let request = self.request;
        // A model that is not there has no provenance, whatever is signed.
        let source = Source::open(&request.model)?;
        let mut documents = self.documents()?;
        documents.beside(&request.model);
        if !request.stores.is_empty() {
            self.measure(&source, (Method::Files, Algorithm::Sha256), &documents)?;
            self.add_stored(&mut documents)?;
        }
        let candidates = self.verify(&mut documents, now);
        self.report.rejected = std::mem::take(&mut documents.rejected);
        if let Some(over) = documents.over.take() {
            return Err(Stop::new(Kind::Undecided, Code::ErrorLimitExceeded, over));
        }
        if candidates.is_empty() {
            return Err(self.nothing());
        }
        for way in self.ways(&candidates)? {
            self.measure(&source, way, &documents)?;
        }
        self.judge(candidates)
    }

    fn documents(&self) -> Result<Documents, Stop> {
        let (request, mut documents) = (self.request, Documents::default());
        // The order in which files were named must not matter, not even to the bounds.
        let sorted = |paths: &[PathBuf]| {
            let mut paths = paths.to_vec();
            paths.sort_unstable();
            paths.dedup();
            paths
        };
        for path in sorted(&request.bundles) {
            documents.file(&request.model, &path).map_err(|why| {
                let message = format!("cannot read '{}': {why}", path.display());
                Stop::new(Kind::Usage, Code::UsageFile, message)
            })?;
        }
        for folder in sorted(&request.folders) {
            documents.folder(&request.model, &folder).map_err(|why| {
                let message = format!("cannot read the directory '{}': {why}", folder.display());
                Stop::new(Kind::Usage, Code::UsageFile, message)
            })?;
        }
        Ok(documents)
    }

    /// Adds what the stores have about the measured model.
    fn add_stored(&self, documents: &mut Documents) -> Result<(), Stop> {
        let ids: Vec<ArtifactId> =
            self.measured.iter().flat_map(|(_, measured)| ArtifactId::of_manifest(measured.get())).collect();
        for store in &self.request.stores {
            let found = store.about(&ids);
            for bundle in found.map_err(|e| Stop::new(Kind::Undecided, Code::ErrorIo, e.to_string()))? {
                documents.add(&bundle.place(), &bundle.bytes, false);
            }
        }
        Ok(())
    }

    /// Keeps the provenance that trusted signers signed, and says what became of the rest.
    fn verify(&mut self, documents: &mut Documents, now: Timestamp) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (document, signed) in std::mem::take(&mut documents.read) {
            let verified = match self.request.verifier.verify_document(&signed, now) {
                Ok(verified) => verified,
                Err(error) => {
                    documents.reject(document, Code::from(&error), error.to_string(), Some(advice(&error)));
                    continue;
                }
            };
            match verified.into_attestation() {
                Ok(attestation) if matches!(attestation.get().predicate, Predicate::Provenance(_)) => {
                    candidates.push(Candidate { document, attestation });
                }
                Ok(other) => {
                    let predicate_type = other.get().predicate_type.clone();
                    self.report.other_statements.push(OtherStatement { document, predicate_type });
                }
                Err(error) => {
                    let fix = "have the provenance made again: what was signed is malformed";
                    documents.reject(document, malformed(&error), error.to_string(), Some(fix));
                }
            }
        }
        candidates
    }

    /// What to say when there is no provenance by a trusted signer.
    fn nothing(&self) -> Stop {
        let (rejected, others) = (&self.report.rejected, &self.report.other_statements);
        match (&rejected[..], &others[..]) {
            ([], []) => Stop::new(Kind::Denied, Code::SlsaMissing, "no signed document was found"),
            ([only], []) => {
                let message = format!("'{}' is not believed: {}", only.document, only.message);
                Stop::new(Kind::Denied, &only.code, message)
            }
            (_, [first, ..]) => {
                let message = format!(
                    "the trusted signer says other things, but not how the model was made: '{}' is of type '{}'",
                    first.document, first.predicate_type
                );
                Stop::new(Kind::Denied, Code::SlsaMissing, message)
            }
            (all, []) => {
                let message = format!("none of {} documents is provenance by this signer", all.len());
                Stop::new(Kind::Denied, Code::SlsaMissing, message)
            }
        }
    }

    /// In which ways the subjects were measured.
    fn ways(&self, candidates: &[Candidate]) -> Result<Vec<(Method, Algorithm)>, Stop> {
        let mut ways: Vec<(Method, Algorithm)> = Vec::new();
        for candidate in candidates {
            for way in candidate.attestation.get().subjects.iter().filter_map(way) {
                if !ways.contains(&way) {
                    ways.push(way);
                }
            }
        }
        if ways.is_empty() {
            ways.push((Method::Files, Algorithm::Sha256));
        }
        if ways.len() > MAX_MEASUREMENTS {
            let message = format!(
                "the provenances speak of the model by {} ways of measuring, the limit is {MAX_MEASUREMENTS}; give fewer",
                ways.len()
            );
            return Err(Stop::new(Kind::Undecided, Code::ErrorLimitExceeded, message));
        }
        Ok(ways)
    }

    fn measure(
        &mut self,
        source: &Source,
        way: (Method, Algorithm),
        documents: &Documents,
    ) -> Result<(), Stop> {
        if self.measured.iter().any(|(known, _)| *known == way) {
            return Ok(());
        }
        let request = self.request;
        let ignored = scope::resolve_ignored(&request.model, &request.ignore)?;
        let mut exclude = documents.inside.clone();
        exclude.extend(ignored.paths.iter().cloned());
        if request.ignore_git_paths {
            exclude.extend(scope::git_paths());
        }
        let serialization = Serialization {
            method: way.0,
            algorithm: way.1,
            allow_symlinks: request.allow_symlinks,
            ignore_paths: Vec::new(),
        };
        let options = Options { serialization, exclude: exclude.clone(), ..request.effort.options() };
        let measured = measure(source, &options, self.progress)?;
        if self.measured.is_empty() {
            let manifest = measured.manifest.get();
            self.report.measured = Some(ModelReport::new(&source.model_name()?, manifest, measured.bytes));
            self.report.digests = Some(Digests::of(manifest));
            let there = |path: &&modelseal_core::path::ModelPath| {
                request.model.join(path.as_str()).symlink_metadata().is_ok()
            };
            self.report.overlooked = exclude.iter().filter(there).map(ToString::to_string).collect();
            self.report.notes.extend(ignored.notes);
            self.report.notes.extend(measured.notes.iter().map(ToString::to_string));
        }
        self.measured.push((way, measured.manifest));
        Ok(())
    }

    /// Judges every candidate; the one that is lacking least decides.
    fn judge(&mut self, candidates: Vec<Candidate>) -> Result<Verified<Attestation>, Stop> {
        let targets: Vec<Target<'_>> =
            self.measured.iter().map(|(_, measured)| Target::of(measured.get())).collect();
        let expected = &self.request.expected;
        let mut judged: Vec<(Candidate, Judgement)> = candidates
            .into_iter()
            .filter_map(|candidate| {
                let judgement = judge(&candidate.attestation, &targets, expected)?;
                Some((candidate, judgement))
            })
            .collect();
        drop(targets);
        judged.sort_by_key(|(candidate, judgement)| {
            // About the model before about another one, however good that is.
            let elsewhere = !judgement.cover.as_ref().is_some_and(modelseal_core::cover::Cover::is_full);
            (elsewhere, judgement.failures(), candidate.document.clone())
        });
        self.report.provenances = judged.iter().map(|(candidate, judged)| facts(candidate, judged)).collect();
        let Some((best, judgement)) = judged.first() else {
            return Err(Stop::new(Kind::Denied, Code::SlsaMissing, "no provenance to judge"));
        };
        self.report.decisive = Some(best.document.clone());
        self.report.disagreements = disagreements(&judged);
        for disagreement in &self.report.disagreements {
            self.report.notes.push(format!(
                "'{}' and '{}' are both about this model and by the trusted signer, and contradict each other about: {}",
                best.document,
                disagreement.document,
                disagreement.about.join(", ")
            ));
        }
        if !judgement.passed() {
            return Err(self.denied());
        }
        if let (true, Some(other)) = (self.request.no_disagreement, self.report.disagreements.first()) {
            let message = format!(
                "'{}' contradicts '{}' about: {}",
                other.document,
                best.document,
                other.about.join(", ")
            );
            return Err(Stop::new(Kind::Denied, Code::SlsaDisagreement, message));
        }
        self.report.verdict = Verdict::Allow;
        self.report.message = verdict(judgement);
        match judged.into_iter().next() {
            Some((best, _)) => Ok(best.attestation),
            None => Err(Stop::new(Kind::Undecided, Code::ErrorInternal, "the provenance is gone")),
        }
    }

    /// What the decisive provenance is lacking first, and how much more.
    fn denied(&self) -> Stop {
        let checks = self.report.decisive().map(|facts| facts.checks.as_slice()).unwrap_or_default();
        let mut failed = checks.iter().filter(|check| check.status == CheckStatus::Fail);
        let Some(first) = failed.next() else {
            return Stop::new(Kind::Undecided, Code::ErrorInternal, "nothing failed, and nothing passed");
        };
        let more = match failed.count() {
            0 => String::new(),
            1 => "; one more check fails".to_owned(),
            more => format!("; {more} more checks fail"),
        };
        let code = first.code.clone().unwrap_or_else(|| Code::ErrorInternal.to_string());
        Stop { kind: Kind::Denied, code, message: format!("{}{more}", first.message) }
    }

    fn refuse(self, stop: Stop) -> ProvenanceRefusal {
        let mut report = Box::new(self.report);
        report.verdict = if stop.kind == Kind::Denied { Verdict::Deny } else { Verdict::Error };
        report.code = Some(stop.code);
        report.message = stop.message;
        ProvenanceRefusal { kind: stop.kind, report }
    }
}

/// What a good provenance comes to, in one sentence that promises no more than was compared.
fn verdict(judgement: &Judgement) -> String {
    let level = judgement.level.level.number();
    let open = judgement.checks.iter().filter(|check| check.outcome == Outcome::NotCompared);
    let mut open: Vec<&str> = open.filter(|check| !check.actual.is_null()).map(|check| check.id).collect();
    open.extend(judgement.parameters.iter().any(|p| p.compared != Compared::Yes).then_some("parameters"));
    open.dedup();
    let builder = Printable(&judgement.builder_id);
    if open.is_empty() {
        return format!("the model was made as expected, by '{builder}' (SLSA Build L{level})");
    }
    format!("'{builder}' made the model (SLSA Build L{level}); not compared: {}", open.join(", "))
}

fn facts(candidate: &Candidate, judged: &Judgement) -> ProvenanceFacts {
    let attestation = candidate.attestation.get();
    let provenance = match &attestation.predicate {
        Predicate::Provenance(provenance) => Some(provenance),
        _ => None,
    };
    let signer = candidate.attestation.signer();
    let mut checks = vec![ProvenanceCheck {
        id: "signature".into(),
        status: CheckStatus::Pass,
        code: None,
        message: format!("signed by {signer}"),
        expected: None,
        actual: None,
        fix: None,
    }];
    checks.extend(judged.checks.iter().map(ProvenanceCheck::from));
    let source: Option<SourceReport> = source(judged);
    ProvenanceFacts {
        document: candidate.document.clone(),
        passed: judged.passed(),
        signer: signer.into(),
        evidence: EvidenceReport::of(candidate.attestation.evidence()),
        predicate_type: attestation.predicate_type.clone(),
        producer: judged.producer.id().into(),
        producer_name: judged.producer.to_string(),
        build_type: judged.build_type.clone(),
        builder_id: judged.builder_id.clone(),
        level: crate::report::LevelReport {
            granted: judged.level.level.number().into(),
            because: judged.level.because.clone(),
        },
        cover: judged.cover.as_ref().map(Into::into),
        source,
        parameters: parameters(judged),
        dependencies: provenance
            .map(|p| p.resolved_dependencies.iter().map(Into::into).collect())
            .unwrap_or_default(),
        invocation_id: provenance.and_then(|p| p.invocation_id.clone()),
        started_on: provenance.and_then(|p| p.started_on).map(|time| time.to_string()),
        finished_on: provenance.and_then(|p| p.finished_on).map(|time| time.to_string()),
        checks,
    }
}

/// Which provenances of this model contradict the decisive one.
fn disagreements(judged: &[(Candidate, Judgement)]) -> Vec<Disagreement> {
    let about_model = |(_, judgement): &&(Candidate, Judgement)| {
        judgement.cover.as_ref().is_some_and(modelseal_core::cover::Cover::is_full)
    };
    let mut all = judged.iter().filter(about_model);
    let Some((_, decisive)) = all.next() else { return Vec::new() };
    all.filter_map(|(candidate, judgement)| {
        let about = decisive.contradicts(judgement);
        (!about.is_empty()).then(|| Disagreement {
            document: candidate.document.clone(),
            about: about.into_iter().map(str::to_owned).collect(),
        })
    })
    .collect()
}

/// How a subject was measured, so that the model can be measured the same way.
fn way(subject: &Subject) -> Option<(Method, Algorithm)> {
    match subject.digest_method.as_deref() {
        Some(PART_OF_DIRECTORY) => None,
        Some(method) => read_digest_method(method),
        None => {
            let has = |name: &str| subject.digest.get(name).is_some();
            let by_files = |algorithm: Algorithm| (Method::Files, algorithm);
            if has("dirHash") || has("sha256") {
                return Some(by_files(Algorithm::Sha256));
            }
            Algorithm::ALL.into_iter().find(|algorithm| has(algorithm.name())).map(by_files)
        }
    }
}

fn malformed(error: &AttestationError) -> Code {
    match error {
        AttestationError::PayloadType(_) => Code::SignaturePayloadType,
        AttestationError::Type { .. } => Code::SignatureStatementType,
        _ if error.to_string().contains("duplicate member") => Code::AttestationDuplicateKey,
        _ => Code::SignatureMalformed,
    }
}

fn advice(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::Method { found: "key", .. } => "verify it with --public-key KEY",
        VerifyError::Method { found: "certificate", .. } => "verify it with --certificate-chain ROOT",
        VerifyError::Method { .. } => "verify it with --identity IDENTITY --identity-provider ISSUER",
        VerifyError::BareEnvelope { .. } => {
            "verify it with --public-key KEY, or get the attestation as a Sigstore bundle"
        }
        VerifyError::OtherKey { .. } => "ask the builder which key signs its provenance",
        VerifyError::Path(_) => "ask the builder for the root certificate that vouches for it",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelseal_attest::{
        private_key::{KeyAlgorithm, PrivateKey},
        signer::KeySigner,
        statement::Statement,
    };
    use modelseal_core::json::value::Value;
    use modelseal_verify::public_key::PublicKey;
    use std::path::Path;

    const PREDICATE: &str = r#"{
        "buildDefinition": {"buildType": "https://example.com/t", "externalParameters": {}},
        "runDetails": {"builder": {"id": "https://b.example"}}
    }"#;

    #[test]
    fn what_is_in_a_store_is_judged_like_what_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let (model, other, stored) =
            (folder.path().join("m"), folder.path().join("o"), folder.path().join("store"));
        for path in [&model, &other] {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("w.bin"), path.to_str().unwrap()).unwrap();
        }
        let measured = crate::digest(&model).run(&()).unwrap();
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        let public = PublicKey::from_pem(key.public_key_pem().as_bytes()).unwrap();
        let predicate = Value::parse(PREDICATE.as_bytes(), 1 << 20).unwrap();
        let kind = "https://slsa.dev/provenance/v1";
        let statement = Statement::about_model(&measured.observed, "m", kind, &predicate).unwrap();
        let bundle = statement.sign(&KeySigner::new(key)).unwrap().to_json().unwrap();
        let put = Store::create(&stored).unwrap().put(&bundle).unwrap();
        let empty = || Store::create(folder.path().join("empty")).unwrap();
        let request = |model: &Path, store: Store| {
            verify_provenance(model, Verifier::with_key(public.clone())).store(store)
        };
        let verified = request(&model, empty()).store(Store::open(&stored).unwrap()).run(&()).unwrap();
        assert_eq!(verified.report().decisive, Some(put.path.display().to_string()));
        assert_eq!(verified.provenance().unwrap().builder_id, "https://b.example");
        for (model, store) in [(&model, empty()), (&other, Store::open(&stored).unwrap())] {
            let none = request(model, store).run(&()).unwrap_err();
            assert_eq!((none.kind(), none.report().code.as_deref()), (Kind::Denied, Some("slsa.missing")));
        }
        // What is no index is not overwritten by one, so that the store cannot answer.
        let broken = request(&model, empty().with_index(model.join("w.bin"))).run(&()).unwrap_err();
        assert_eq!((broken.kind(), broken.report().code.as_deref()), (Kind::Undecided, Some("error.io")));
    }
}
