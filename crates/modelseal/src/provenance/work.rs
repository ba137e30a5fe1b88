//! The work: who signed the documents, how the model is measured, and which provenance decides.

use super::{ProvenanceRefusal, ProvenanceRequest, documents::Documents};
use crate::{
    clock, codes,
    error::{Error, Kind},
    evidence_files::each_once,
    report::{
        CheckStatus, Digests, Disagreement, ModelReport, OtherStatement, ProvenanceFacts, ProvenanceReport,
        Verdict,
    },
    scope,
};
use jiff::Timestamp;
use modelseal_core::{
    artifact::ArtifactId,
    attestation::{Attestation, AttestationError, Subject},
    cover::{Cover, PART_OF_DIRECTORY, Target, read_digest_method},
    digest::Algorithm,
    manifest::{Manifest, Method, Serialization},
    observed::Observed,
    path::ModelPath,
    text::Printable,
};
use modelseal_model::{MeasureError, Options, Progress, Source, measure};
use modelseal_verify::{
    decision::Code,
    provenance::{Compared, Judgement, Outcome, judge},
    verified::Verified,
    verifier::VerifyError,
};

/// Ways in which a model is measured at most: each reads all of it.
const MAX_MEASUREMENTS: usize = 4;

/// Why there is nothing to be had.
pub(super) struct Stop {
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

/// What grows while provenance is verified.
pub(super) struct Work<'a> {
    request: &'a ProvenanceRequest,
    pub(super) report: ProvenanceReport,
    now: Timestamp,
    /// One for each way of measuring.
    measured: Vec<((Method, Algorithm), Observed<Manifest>)>,
    progress: &'a dyn Progress,
}

impl<'a> Work<'a> {
    pub(super) fn new(request: &'a ProvenanceRequest, progress: &'a dyn Progress) -> Self {
        let now = request.now.unwrap_or_else(clock::now);
        let report = ProvenanceReport {
            schema: ProvenanceReport::SCHEMA.into(),
            verdict: Verdict::Error,
            code: None,
            message: String::new(),
            now: now.to_string(),
            model: request.model.display().to_string(),
            measured: None,
            digests: None,
            trusted_root: request.trusted_root.clone(),
            min_level: request.expected.min_level.number().into(),
            decisive: None,
            provenances: Vec::new(),
            other_statements: Vec::new(),
            rejected: Vec::new(),
            disagreements: Vec::new(),
            overlooked: Vec::new(),
            notes: request.notes.clone(),
        };
        Self { request, report, now, measured: Vec::new(), progress }
    }

    pub(super) fn run(&mut self) -> Result<Verified<Attestation>, Stop> {
        let request = self.request;
        // A model that is not there has no provenance, whatever is signed.
        let source = Source::open(&request.model)?;
        let mut documents = self.documents()?;
        documents.beside(&request.model);
        if !request.stores.is_empty() {
            self.measure(&source, (Method::Files, Algorithm::Sha256), &documents)?;
            self.add_stored(&mut documents)?;
        }
        let candidates = self.verify(&mut documents);
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
        for path in each_once(&request.bundles) {
            documents.file(&request.model, path).map_err(|why| {
                let message = format!("cannot read '{}': {why}", path.display());
                Stop::new(Kind::Usage, Code::UsageFile, message)
            })?;
        }
        for folder in each_once(&request.folders) {
            documents.folder(&request.model, folder).map_err(|why| {
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
    fn verify(&mut self, documents: &mut Documents) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (document, signed) in std::mem::take(&mut documents.read) {
            let verified = match self.request.verifier.verify_document(&signed, self.now) {
                Ok(verified) => verified,
                Err(error) => {
                    documents.reject(document, Code::from(&error), error.to_string(), Some(advice(&error)));
                    continue;
                }
            };
            match verified.into_attestation() {
                Ok(attestation) if attestation.get().predicate.provenance().is_some() => {
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
            let there = |path: &&ModelPath| request.model.join(path.as_str()).symlink_metadata().is_ok();
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
            let elsewhere = !judgement.cover.as_ref().is_some_and(Cover::is_full);
            (elsewhere, judgement.failures(), candidate.document.clone())
        });
        let facts = |(candidate, judged): &(Candidate, Judgement)| {
            ProvenanceFacts::of(&candidate.document, &candidate.attestation, judged)
        };
        self.report.provenances = judged.iter().map(facts).collect();
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

    pub(super) fn refuse(self, stop: Stop) -> ProvenanceRefusal {
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

/// Which provenances of this model contradict the decisive one.
fn disagreements(judged: &[(Candidate, Judgement)]) -> Vec<Disagreement> {
    let about_model =
        |(_, judgement): &&(Candidate, Judgement)| judgement.cover.as_ref().is_some_and(Cover::is_full);
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
    use crate::{store::Store, verify_provenance};
    use modelseal_attest::{
        private_key::{KeyAlgorithm, PrivateKey},
        signer::KeySigner,
        statement::Statement,
    };
    use modelseal_core::json::value::Value;
    use modelseal_verify::public_key::PublicKey;
    use modelseal_verify::verifier::Verifier;
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
