//! `attest`: signed statements about a model other than its signature. Provenance is made here from what somebody says about
//! a run and what this process measured of its inputs; any other predicate is signed as it was given.
//!
//! ```text
//! run.toml, flags, CI environment -> Run -> Plan --------------------+   (run, run_file, ci)
//!                                             | inputs are measured  |   (inputs, croissant, git)
//!                                             v                      v
//!                                       Found -> dependencies -> Provenance -> Statement -> bundle -> destinations
//! ```
//!
//! What a job says about itself is SLSA Build L1, whatever it signs with, and every report says so.

mod ci;
mod croissant;
mod destination;
mod error;
mod git;
mod input;
mod inputs;
mod inspection;
mod prepared;
mod run;
mod run_file;
mod run_record;
mod secret;

pub use ci::{CI_VARIABLES, CiEnvironment, CiSystem};
pub use error::AttestError;
pub use input::{Input, InputKind, InputPin};
pub use inspection::InspectionOf;
pub(crate) use inspection::inspecting;
pub use modelseal_core::predicate::{build_type::BuildType, field::parse_time};
pub use prepared::{Attested, PreparedAttestation};
pub use run::{Byproduct, LOCAL_BUILDER, Run, Surroundings};

use crate::{
    clock,
    digest::{DigestRequest, Effort, MeasuredModel, digest},
    error::Error,
    output::Output,
    report::{RecordedDependency, RecordedProvenance, RunRecord},
    signing::{EvidenceServices, Unsigned, check_material},
};
use destination::Destinations;
use inputs::{Found, Reader};
use jiff::Timestamp;
use modelseal_attest::{signer::Signer, statement::Statement};
use modelseal_core::{
    digest::Algorithm,
    json::value::Value,
    limits::MAX_ATTESTATION_BYTES,
    predicate::{Predicate, build_type::Unresolved, slsa_provenance},
    text::Printable,
};
use modelseal_inspect::RuleSet;
use modelseal_model::Progress;
use modelseal_verify::public_key::PublicKey;
use run::Plan;
use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
};

/// Why provenance of this origin has no higher level.
const LEVEL_REASON: &str = "this is what the job says about itself, whatever it is signed with; a higher level comes from a \
    build platform that makes provenance out of the job's reach, and from verifiers who trust that platform for it";

/// Predicate types of model signatures: only `sign` makes them, after measuring.
const SIGNATURES: &str = "https://model_signing/";

/// Attests something about the model at `path`, a directory or a single file.
///
/// ```no_run
/// use modelseal::{KeyAlgorithm, KeySigner, PrivateKey, attest::{BuildType, Input, InputKind, Run}};
/// let mut run = Run { build_type: Some(BuildType::FineTune), ..Run::default() };
/// run.inputs.push(Input::parse(InputKind::Base, "pkg:huggingface/acme/base@276e7028=base")?);
/// run.parameter("epochs=3")?;
/// let key = PrivateKey::generate(KeyAlgorithm::Ed25519)?;
/// let made = modelseal::attest("my-model").provenance(run).run(&KeySigner::new(key), &())?;
/// println!("{}", made.report.written[0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn attest(path: impl Into<PathBuf>) -> AttestRequest<()> {
    AttestRequest {
        what: (),
        settings: Settings {
            measure: digest(path).leaving_evidence_out(),
            effort: Effort::default(),
            destinations: Destinations::default(),
            force: false,
            now: None,
            evidence: None,
            publishes: false,
            base_keys: Vec::new(),
            allow_unresolved: false,
        },
    }
}

/// What to attest, how, and where it goes. `What` is nothing at first, then [`ProvenanceOf`] or [`PredicateOf`].
#[derive(Debug, Clone)]
#[must_use]
pub struct AttestRequest<What> {
    what: What,
    settings: Settings,
}

#[derive(Debug, Clone)]
struct Settings {
    measure: DigestRequest,
    effort: Effort,
    destinations: Destinations,
    force: bool,
    now: Option<Timestamp>,
    evidence: Option<EvidenceServices>,
    publishes: bool,
    base_keys: Vec<PublicKey>,
    allow_unresolved: bool,
}

/// Provenance of a run.
#[derive(Debug, Clone)]
pub struct ProvenanceOf {
    run: Run,
    surroundings: Surroundings,
    record: Option<(PathBuf, bool)>,
}

/// A predicate that somebody wrote.
#[derive(Debug, Clone)]
pub struct PredicateOf {
    predicate_type: String,
    predicate: Vec<u8>,
}

/// Measures the inputs of a run that is about to start, and writes down what they are and when, for
/// [`AttestRequest::finishing`]. Replaces an older record, and no other file.
///
/// # Errors
/// [`Error`] when an input cannot be read, or the record not be written.
pub fn begin(
    inputs: Vec<Input>,
    record: &Path,
    base_keys: &[PublicKey],
    progress: &dyn Progress,
) -> Result<RunRecord, Error> {
    let reader = Reader { base_keys, effort: Effort::default(), now: clock::now(), progress };
    run_record::begin(inputs, record, &reader)
}

impl<What> AttestRequest<What> {
    /// The hash of the model's files or shards; SHA-256 unless set. Only with SHA-256 of whole files do other tools'
    /// directory digests compare.
    pub fn hash(mut self, algorithm: Algorithm) -> Self {
        self.settings.measure = self.settings.measure.hash(algorithm);
        self
    }

    /// Hashes each file of the model in ranges of `size` bytes instead of whole.
    pub fn shards(mut self, size: NonZeroU64) -> Self {
        self.settings.measure = self.settings.measure.shards(size);
        self
    }

    /// Reads through symbolic links of the model instead of refusing them.
    pub fn allow_symlinks(mut self, allow: bool) -> Self {
        self.settings.measure = self.settings.measure.allow_symlinks(allow);
        self
    }

    /// Whether git's own paths at the top of the model stay out; they do unless set.
    pub fn ignore_git_paths(mut self, ignore: bool) -> Self {
        self.settings.measure = self.settings.measure.ignore_git_paths(ignore);
        self
    }

    /// Leaves a path of the model out. Taken from the working directory, not from the model.
    pub fn ignore(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.measure = self.settings.measure.ignore(path);
        self
    }

    /// Hashes with at most so many threads; one for each core unless set. The result does not depend on it.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.settings.effort.threads = Some(threads);
        self
    }

    /// Takes at most so many bytes for read buffers; [`DEFAULT_MEMORY`](crate::DEFAULT_MEMORY) unless set.
    pub fn memory(mut self, bytes: NonZeroU64) -> Self {
        self.settings.effort.memory = bytes.get();
        self
    }

    /// Writes the bundle to a file of its own. Without any destination, that is `NAME.provenance.sigstore.json`,
    /// `NAME.inspection.sigstore.json` or `NAME.attestation.sigstore.json` in the working directory, where NAME is the model's.
    pub fn output(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.destinations.output = Some(Output { path: path.into(), force: false });
        self
    }

    /// Adds the bundle as a line to a file of several, whose name ends in `.intoto.jsonl`.
    pub fn append(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.destinations.append = Some(path.into());
        self
    }

    /// Adds the bundle to a store of attestations, a directory.
    pub fn store(mut self, directory: impl Into<PathBuf>) -> Self {
        self.settings.destinations.store = Some(directory.into());
        self
    }

    /// Replaces a different bundle in a file of its own. A file that is no bundle is never replaced.
    pub fn force(mut self, force: bool) -> Self {
        self.settings.force = force;
        self
    }

    /// Adds log entries and timestamps, for keys and certificates.
    pub fn evidence(mut self, evidence: EvidenceServices) -> Self {
        self.settings.evidence = Some(evidence);
        self.publishing()
    }

    /// Says that the attestation becomes public before it is written, as with an identity or a log: what would stop it from
    /// being written is then an error before anything is measured.
    pub fn publishing(mut self) -> Self {
        self.settings.publishes = true;
        self
    }

    /// The time at which it is attested; now unless set.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.settings.now = Some(now);
        self
    }

    /// Signs although inputs are named that nothing pins, or a predicate of our build types breaks their rules.
    pub fn allow_unresolved(mut self, allow: bool) -> Self {
        self.settings.allow_unresolved = allow;
        self
    }

    /// Verifies the signatures of base models with any of these keys; without any, they are recorded and not verified.
    pub fn base_keys(mut self, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        self.settings.base_keys.extend(keys);
        self
    }
}

impl AttestRequest<()> {
    /// Attests how the model was made.
    pub fn provenance(self, run: Run) -> AttestRequest<ProvenanceOf> {
        let what = ProvenanceOf { run, surroundings: Surroundings::default(), record: None };
        AttestRequest { what, settings: self.settings }
    }

    /// Attests what is in the files: what inspection can claim of them, with its report as evidence.
    pub fn inspection(self) -> AttestRequest<InspectionOf> {
        let what = InspectionOf { rules: RuleSet::built_in().clone(), report: None };
        AttestRequest { what, settings: self.settings }
    }

    /// Attests anything else: `predicate` is JSON, and what its type is known to demand, it must fulfil.
    pub fn predicate(
        self,
        predicate_type: impl Into<String>,
        predicate: impl Into<Vec<u8>>,
    ) -> AttestRequest<PredicateOf> {
        let what = PredicateOf { predicate_type: predicate_type.into(), predicate: predicate.into() };
        AttestRequest { what, settings: self.settings }
    }
}

impl AttestRequest<ProvenanceOf> {
    /// What surrounds the run: a CI system's environment. Nothing unless set.
    pub fn surroundings(mut self, surroundings: Surroundings) -> Self {
        self.what.surroundings = surroundings;
        self
    }

    /// The run ends now, and its inputs are those of the record that [`begin`] wrote: they are read again, and must be what
    /// they were, unless they `may_change`.
    pub fn finishing(mut self, record: impl Into<PathBuf>, may_change: bool) -> Self {
        self.what.record = Some((record.into(), may_change));
        self
    }

    /// Reads the inputs, measures the model, and writes the statement, without using a key.
    ///
    /// # Errors
    /// [`Error`] when the run cannot be recorded or the model not be measured.
    pub fn prepare(self, progress: &dyn Progress) -> Result<PreparedAttestation, Error> {
        let Self { what, settings } = self;
        let settings = settings.checked("provenance")?;
        let now = settings.now();
        let ProvenanceOf { mut run, surroundings, record } = what;
        let (mut given, mut recorded) = (run.inputs.len(), Vec::new());
        if let Some((path, _)) = &record {
            let read = run_record::read(path).map_err(Error::Attest)?;
            // What was measured before the run, and is named again after it, is what was measured before.
            let reader = Reader { base_keys: &settings.base_keys, effort: settings.effort, now, progress };
            run_record::refuse_others(&read.inputs, &run.inputs, &reader)?;
            run.inputs.retain(|input| !read.inputs.iter().any(|(known, _)| known.is_named_as(input)));
            given = run.inputs.len();
            run.inputs.extend(read.inputs.iter().map(|(input, _)| input.clone()));
            run.started_on = run.started_on.or(Some(read.started_on));
            run.finished_on = run.finished_on.or(Some(now));
            recorded = read.inputs;
        }
        let before: Vec<Input> = run.inputs[given..].to_vec();
        let plan = run.plan(&surroundings).map_err(Error::Attest)?;
        settings.check_resolved(&plan.unresolved())?;
        let reader = Reader { base_keys: &settings.base_keys, effort: settings.effort, now, progress };
        let may_change = record.is_some_and(|(_, may_change)| may_change);
        let mut again = run_record::again(&recorded, &reader, may_change)?;
        let Plan { build_type, inputs, byproducts, mut provenance, mut notes } = plan;
        for input in &inputs {
            let known = before.iter().position(|recorded| recorded == input);
            let found = match known.and_then(|at| again.get_mut(at)) {
                Some(found) => std::mem::take(found),
                None => reader.read(input)?,
            };
            let Found { dependencies, notes: said, .. } = found;
            provenance.resolved_dependencies.extend(dependencies);
            notes.extend(said);
        }
        for byproduct in &byproducts {
            provenance.byproducts.push(reader.byproduct(byproduct)?);
        }
        let unresolved = build_type.unresolved(&provenance);
        settings.check_resolved(&unresolved)?;
        let report = RecordedProvenance {
            build_type: provenance.build_type.clone(),
            builder_id: provenance.builder_id.clone(),
            level: 1,
            level_reason: LEVEL_REASON.to_owned(),
            dependencies: provenance.resolved_dependencies.iter().map(RecordedDependency::of).collect(),
            unresolved: error::unresolved_lines(&unresolved),
        };
        notes.extend(report.unresolved.iter().cloned());
        let predicate = provenance.to_value();
        settings.say(slsa_provenance::PREDICATE_TYPE_V1, &predicate, Some(report), notes, progress)
    }

    /// Reads, measures, signs and writes.
    ///
    /// # Errors
    /// [`Error`]; see [`PreparedAttestation::sign`] for what was written then.
    pub fn run(self, signer: &dyn Signer, progress: &dyn Progress) -> Result<Attested, Error> {
        self.settings.check_signer(signer)?;
        self.prepare(progress)?.sign(signer)
    }
}

impl AttestRequest<PredicateOf> {
    /// Checks the predicate, measures the model, and writes the statement, without using a key.
    ///
    /// # Errors
    /// [`Error`] when the predicate is not what its type says, or the model cannot be measured.
    pub fn prepare(self, progress: &dyn Progress) -> Result<PreparedAttestation, Error> {
        let Self { what: PredicateOf { predicate_type, predicate }, settings } = self;
        let settings = settings.checked("attestation")?;
        let refuse = |why: String| Error::Attest(AttestError::PredicateFile(why));
        let shown = Printable(&predicate_type);
        if !modelseal_core::predicate::field::is_uri(&predicate_type) {
            return Err(refuse(format!("the predicate type '{shown}' is no URI")));
        }
        if predicate_type.starts_with(SIGNATURES) {
            return Err(refuse(format!("'{shown}' is a model's signature; `modelseal sign` makes it")));
        }
        let value = Value::parse(&predicate, MAX_ATTESTATION_BYTES)
            .map_err(|e| refuse(format!("the predicate cannot be read: {e}")))?;
        if value.as_object().is_none() {
            return Err(refuse(format!("the predicate is {}, expected an object", value.kind())));
        }
        let wrong = |error| {
            let predicate_type = predicate_type.clone();
            Error::Attest(AttestError::Predicate { predicate_type, error })
        };
        let mut notes = Vec::new();
        let read = Predicate::read(&predicate_type, &value).map_err(wrong)?;
        if let Predicate::Provenance(said) = &read
            && BuildType::is_invented(&said.build_type)
        {
            let names = BuildType::ALL.map(BuildType::name).join(", ");
            let shown = Printable(&said.build_type);
            return Err(refuse(format!("'{shown}' is no build type of modelseal, which has {names}")));
        }
        if let Predicate::Provenance(said) = read
            && let Some(build_type) = BuildType::of_uri(&said.build_type)
        {
            match build_type.check(&said) {
                Err(e) if settings.allow_unresolved => {
                    notes.push(format!("the predicate breaks the rules of its build type: {e}"));
                }
                checked => checked.map_err(wrong)?,
            }
            let unresolved = build_type.unresolved(&said);
            settings.check_resolved(&unresolved)?;
            notes.extend(error::unresolved_lines(&unresolved));
        }
        settings.say(&predicate_type, &value, None, notes, progress)
    }

    /// Checks, measures, signs and writes.
    ///
    /// # Errors
    /// [`Error`]; see [`PreparedAttestation::sign`] for what was written then.
    pub fn run(self, signer: &dyn Signer, progress: &dyn Progress) -> Result<Attested, Error> {
        self.settings.check_signer(signer)?;
        self.prepare(progress)?.sign(signer)
    }
}

impl Settings {
    fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(clock::now)
    }

    /// Finds what would stop the attestation from being written, with `kind` in the name that a file has by itself.
    fn checked(mut self, kind: &str) -> Result<Self, Error> {
        self.measure = self.measure.effort(self.effort);
        let nowhere = self.destinations.append.is_none() && self.destinations.store.is_none();
        if self.destinations.output.is_none() && nowhere {
            let name = modelseal_model::Source::open(&self.measure.model)?.model_name()?;
            let path = PathBuf::from(format!("{name}.{kind}.sigstore.json"));
            self.destinations.output = Some(Output { path, force: false });
        }
        if let Some(output) = &mut self.destinations.output {
            output.force = self.force;
        }
        self.destinations.check(&self.measure.model)?;
        if self.publishes {
            self.destinations.check_before_publishing()?;
        }
        Ok(self)
    }

    fn check_signer(&self, signer: &dyn Signer) -> Result<(), Error> {
        check_material(signer, self.now())?;
        self.evidence.as_ref().map_or(Ok(()), |evidence| evidence.check(signer))
    }

    fn check_resolved(&self, unresolved: &[Unresolved]) -> Result<(), Error> {
        if unresolved.is_empty() || self.allow_unresolved {
            return Ok(());
        }
        Err(Error::Attest(AttestError::Unresolved(unresolved.to_vec())))
    }

    fn say(
        self,
        predicate_type: &str,
        predicate: &Value,
        provenance: Option<RecordedProvenance>,
        notes: Vec<String>,
        progress: &dyn Progress,
    ) -> Result<PreparedAttestation, Error> {
        let model = self.measure.run(progress)?;
        self.say_of(model, predicate_type, predicate, provenance, notes)
    }

    fn say_of(
        self,
        model: MeasuredModel,
        predicate_type: &str,
        predicate: &Value,
        provenance: Option<RecordedProvenance>,
        mut notes: Vec<String>,
    ) -> Result<PreparedAttestation, Error> {
        let statement = Statement::about_model(&model.observed, model.name(), predicate_type, predicate)
            .map_err(|e| Error::SelfCheck(e.to_string()))?;
        let size = statement.as_bytes().len() as u64;
        if size > MAX_ATTESTATION_BYTES {
            let why = format!(
                "a statement of {size} bytes is larger than readers take ({MAX_ATTESTATION_BYTES} bytes)"
            );
            return Err(Error::Attest(AttestError::PredicateFile(why)));
        }
        notes.splice(..0, model.notes().iter().cloned());
        let now = self.now();
        Ok(PreparedAttestation {
            model,
            unsigned: Unsigned { statement, now, evidence: self.evidence },
            predicate_type: predicate_type.to_owned(),
            provenance,
            inspection: None,
            notes,
            destinations: self.destinations,
        })
    }
}
