//! `decide`: may this model be loaded? Collects the evidence, asks the policies, measures the model as its signers did, and
//! asks again. The answer itself is [`modelseal_verify::decision::decide`], the same from every door. [`as_read`] decides before
//! the bytes are read, for whoever reads them through [`Contents`](crate::Contents).

mod as_read;

use crate::{
    base_models::{BaseModelPlaces, Bases, KnownBaseModel, add_stored},
    clock, codes,
    digest::Effort,
    error::{Error, Kind},
    evidence_files::{self, Collected, FoundFeed, Places},
    measuring::Work,
    output::Document,
    policies::{Policies, PolicyError, keyless_verifier},
    report::VerifyReport,
    store::Store,
    summary_out::check_outside,
};
use as_read::{Lists, Readable, about_one_measurement};
use jiff::Timestamp;
use modelseal_core::{artifact::ArtifactId, manifest::Manifest, observed::Observed, text::Printable};
use modelseal_model::{MeasureError, Progress, Source};
use modelseal_verify::{
    decision::{Allowed, Decision, DecisionReport, Request, Status, Verdict},
    facts::{self, Evidence, FACTS_SCHEMA, Facts, KeylessVerifier, RecordedFacts},
    policy::reference::{Reference, Requested},
};
use std::{
    collections::BTreeSet,
    fmt,
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
};

/// Decides under policies whether the model at `path`, a directory or a single file, may be loaded.
///
/// ```no_run
/// let policies = modelseal::policies().file("policy.toml").load()?;
/// let decided = modelseal::decide("my-model").under(&policies).named("hf://huggingface.co/acme/ranker")?.run(&())?;
/// match decided.into_allowed(false) {
///     Ok(model) => println!("{}", model.report().message),
///     Err(refusal) => eprintln!("{refusal}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn decide(path: impl Into<PathBuf>) -> DecideRequest<()> {
    DecideRequest {
        policies: (),
        settings: Settings {
            model: path.into(),
            requested: None,
            places: Places::default(),
            now: None,
            copies: Vec::new(),
            store: None,
            high_water: false,
            complete: false,
            effort: Effort::default(),
        },
    }
}

/// What to decide about. It can only be run once policies were given:
///
/// ```compile_fail
/// let _ = modelseal::decide("my-model").run(&()); // under which policies?
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct DecideRequest<P> {
    policies: P,
    settings: Settings,
}

#[derive(Debug, Clone)]
struct Settings {
    model: PathBuf,
    requested: Option<Requested>,
    places: Places,
    /// Copies of base models, under their names.
    copies: Vec<(Requested, PathBuf)>,
    /// A folder of bundles.
    store: Option<PathBuf>,
    now: Option<Timestamp>,
    high_water: bool,
    complete: bool,
    effort: Effort,
}

/// A decision with all that it rests on.
#[derive(Debug)]
#[must_use = "a decision that nobody looks at lets everything pass"]
pub struct Decided {
    decision: Decision,
    request: Request,
    evidence: Evidence,
    facts: Facts,
    bases: Vec<KnownBaseModel>,
    now: Timestamp,
    measured: Vec<Observed<Manifest>>,
    readable: Readable,
    name: String,
    report: VerifyReport,
}

/// When the bytes of the model are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Before the decision.
    Measured,
    /// By whoever reads them, where the policies let that be.
    AsRead,
}

/// A model that policies allow: exactly as it was when it was measured, or as its [contents](Self::contents) are read. Only
/// [`Decided::into_allowed`] makes one.
#[derive(Debug)]
#[must_use]
pub struct AllowedModel {
    decided: Decided,
}

/// A model that must not be loaded: a policy denies it, or nothing could be decided.
#[derive(Debug)]
pub struct Denial {
    kind: Kind,
    decided: Box<Decided>,
}

impl<P> DecideRequest<P> {
    /// Obeys these policies, all of which have to allow.
    pub fn under(self, policies: &Policies) -> DecideRequest<&Policies> {
        DecideRequest { policies, settings: self.settings }
    }

    /// The name under which the model is asked for; `file://` and its path unless set. It comes from whoever wants to use
    /// the model, never from the model.
    ///
    /// # Errors
    /// [`Error::Policy`] when it is no reference, or not in canonical form.
    pub fn named(mut self, name: &str) -> Result<Self, Error> {
        self.settings.requested = Some(requested(name)?);
        Ok(self)
    }

    /// Adds a bundle to the evidence, besides what lies in the model's folder. One that cannot be used is reported.
    pub fn bundle(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.places.bundles.push(path.into());
        self
    }

    /// Adds every `.sig`, `.json` and `.jsonl` of a directory to the evidence.
    pub fn bundle_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.places.folders.push(path.into());
        self
    }

    /// Names a copy of a model that this one was made from, by the reference that its provenance has for it, with or without
    /// the version. Where a policy wants base models verified, the copy and the evidence beside it are judged.
    ///
    /// # Errors
    /// [`Error::Policy`] when it is no reference.
    pub fn base_model(mut self, name: &str, path: impl Into<PathBuf>) -> Result<Self, Error> {
        self.settings.copies.push((requested(name)?, path.into()));
        Ok(self)
    }

    /// Looks in a store, a folder of bundles, for evidence about the model and about those that it was made from, by their
    /// digests.
    pub fn store(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.store = Some(path.into());
        self
    }

    /// The time of the decision; now unless set.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.settings.now = Some(now);
        self
    }

    /// Refuses a version lower than one that was allowed before under the same name, and remembers this one when it is
    /// allowed. Needs [`PoliciesRequest::state`](crate::PoliciesRequest::state).
    pub fn high_water(mut self, keep: bool) -> Self {
        self.settings.high_water = keep;
        self
    }

    /// Measures also a model that is denied whatever its bytes are, so that the report has all that is wrong with it.
    pub fn complete(mut self, complete: bool) -> Self {
        self.settings.complete = complete;
        self
    }

    /// Does not look for evidence in the working directory, which has nothing to do with the model.
    pub(crate) fn only_named(mut self) -> Self {
        self.settings.places.not_here = true;
        self
    }

    /// Hashes with at most so many threads; one for each core unless set. The result does not depend on it.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.settings.effort.threads = Some(threads);
        self
    }

    /// Takes at most so many bytes for read buffers.
    pub fn memory(mut self, bytes: NonZeroU64) -> Self {
        self.settings.effort.memory = bytes.get();
        self
    }
}

impl DecideRequest<&Policies> {
    /// Decides. `progress` is told of every byte that is measured; `&()` tells nobody. A model that is denied whatever its
    /// bytes are is not measured.
    ///
    /// # Errors
    /// [`Error`] when there is nothing to decide about: no such model, a name that is none. A model that is denied is no
    /// error.
    pub fn run(&self, progress: &dyn Progress) -> Result<Decided, Error> {
        self.decide(How::Measured, progress)
    }

    fn decide(&self, how: How, progress: &dyn Progress) -> Result<Decided, Error> {
        let Settings { model, now, .. } = &self.settings;
        let now = now.unwrap_or_else(clock::now);
        let source = match Source::open(model) {
            Err(error) if codes::measure_kind(&error) == Kind::Undecided => return Err(error.into()),
            other => other,
        };
        let request = self.request()?;
        let mut collected = evidence_files::collect(model, &self.settings.places, self.policies)?;
        let keyless = keyless_verifier(self.policies, now);
        let inside = std::mem::take(&mut collected.inside);
        let mut work = Work::new(&self.settings.effort, &inside, self.policies);
        let store = self.settings.store.as_ref().map(Store::open).transpose()?;
        let mut facts = self.collect(&mut collected.evidence, store.as_ref(), &[], &*keyless, now)?;
        let places = BaseModelPlaces { copies: &self.settings.copies, store: store.as_ref() };
        let effort = &self.settings.effort;
        let mut bases = Bases::new(places, self.policies, &*keyless, effort, progress, now);
        // A denial that needs no bytes stays one, and reading the model would change nothing.
        let early = bases.decide(&request, &collected.evidence, &facts)?;
        let unknown = store.is_some() && facts.artifacts().is_empty();
        let open = early.verdict() != Verdict::Deny || self.settings.complete || unknown;
        let as_read = how == How::AsRead && !self.settings.complete;
        let mut settled = None;
        if as_read && open && !unknown {
            let lists = Lists::of(&self.settings, &facts, &inside, progress);
            settled = self.before_reading(&facts, &lists, &mut bases, &request, &collected.evidence)?;
        }
        if open && settled.is_none() {
            for serialization in facts.to_measure() {
                facts = work.measure(facts, &source, serialization, progress);
            }
        }
        if unknown {
            // Nobody has signed what lies here, as far as can be seen from here: what the store has is found by the bytes.
            let before = collected.evidence.digests().count();
            let more = facts.artifacts();
            let found = self.collect(&mut collected.evidence, store.as_ref(), &more, &*keyless, now)?;
            if collected.evidence.digests().count() > before {
                facts = found;
                work.start_again();
                for serialization in facts.to_measure() {
                    facts = work.measure(facts, &source, serialization, progress);
                }
            }
        }
        let mut contents = None;
        let mut decision = match settled {
            Some(early) => {
                (facts, contents) = (early.facts, early.contents);
                early.decision
            }
            None => bases.decide(&request, &collected.evidence, &facts)?,
        };
        if as_read && work.measured.len() > 1 {
            let one = about_one_measurement(&decision, &facts, &mut bases, &request, &collected.evidence)?;
            if let Some((serialization, about, alone)) = one {
                work.measured.retain(|measured| *measured.get().serialization() == serialization);
                (facts, decision) = (about, alone);
            }
        }
        let mut report = VerifyReport::of_decision(&model.display().to_string(), decision.report());
        let (bases, about_bases) = bases.into_known();
        let Work { measured, report: model_report, notes, .. } = work;
        report.measured = model_report;
        report.notes.splice(0..0, self.policies.notes().iter().cloned());
        report.notes.extend(notes);
        report.notes.extend(about_bases);
        let name = source.as_ref().ok().and_then(|source| source.model_name().ok()).unwrap_or_default();
        report.notes.extend(self.remember(&decision, &collected)?);
        let evidence = collected.evidence;
        let readable = Readable::new(source.ok(), &self.settings, inside.clone()).with(contents);
        Ok(Decided { decision, request, evidence, facts, bases, now, measured, readable, name, report })
    }

    /// What the evidence is worth, with what the store has about what trusted signers signed, and about `more`.
    fn collect(
        &self,
        evidence: &mut Evidence,
        store: Option<&Store>,
        more: &[ArtifactId],
        keyless: &dyn KeylessVerifier,
        now: Timestamp,
    ) -> Result<Facts, Error> {
        let set = self.policies.set();
        let facts = facts::collect(set, evidence, keyless, now);
        let Some(store) = store else { return Ok(facts) };
        let mut ids = facts.artifacts();
        ids.extend_from_slice(more);
        let before = evidence.digests().count();
        add_stored(store, evidence, &ids)?;
        Ok(if evidence.digests().count() == before {
            facts
        } else {
            facts::collect(set, evidence, keyless, now)
        })
    }

    fn request(&self) -> Result<Request, Error> {
        let model = &self.settings.model;
        let requested = match &self.settings.requested {
            Some(requested) => requested.clone(),
            None => Requested { reference: file_reference(model)?, version: None },
        };
        let name = requested.reference.to_string();
        let request = Request::new(requested.reference);
        let request = match requested.version {
            Some(version) => request.with_version(version),
            None => request,
        };
        if !self.settings.high_water {
            return Ok(request);
        }
        let Some(state) = &self.policies.state else {
            let reason = "there is no directory to remember versions in".to_owned();
            return Err(PolicyError::State { path: PathBuf::new(), reason }.into());
        };
        // A version that every other one is higher than makes the policies say which one they found.
        let lowest = semver::Version { pre: semver::Prerelease::new("0").unwrap_or_default(), ..NO_VERSION };
        Ok(request.not_below(state.version(&name)?.unwrap_or(lowest)))
    }

    /// Remembers deny feeds that were found in order, and the version of a model that is allowed.
    fn remember(&self, decision: &Decision, collected: &Collected) -> Result<Option<String>, Error> {
        let Some(mut state) = self.policies.state.clone() else { return Ok(None) };
        let report = decision.report();
        let in_order = |feed: &FoundFeed| {
            let id = format!("deny.feed/{}", feed.file);
            let mut checks = report.checks.iter().filter(|check| check.id == id).peekable();
            checks.peek().is_some() && checks.all(|check| check.status == Status::Pass)
        };
        let feeds: Vec<&FoundFeed> = collected.feeds.iter().filter(|feed| in_order(feed)).collect();
        if !feeds.is_empty() {
            state.change(|rollback| {
                rollback.feeds.extend(feeds.iter().map(|feed| (feed.id.clone(), feed.accepted)));
            })?;
        }
        if !self.settings.high_water || report.verdict != Verdict::Allow {
            return Ok(None);
        }
        match stated_version(report) {
            Some(version) => {
                state.remember_version(&report.reference, version)?;
                Ok(None)
            }
            None => Ok(Some("nothing binds a version to this model, so none was remembered".to_owned())),
        }
    }
}

/// The version that an allowed model's binding states, of several policies the lowest.
fn stated_version(report: &DecisionReport) -> Option<semver::Version> {
    let said = report.checks.iter().filter(|c| c.id == "bind.high-water" && c.status == Status::Pass);
    let stated = said.flat_map(|check| check.actual.as_array().into_iter().flatten());
    let versions = stated.filter_map(|version| {
        let version = version.as_str()?;
        semver::Version::parse(version.strip_prefix('v').unwrap_or(version)).ok()
    });
    versions.min()
}

const NO_VERSION: semver::Version = semver::Version::new(0, 0, 0);

impl Decided {
    /// The decision.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Every check, and what it found.
    #[must_use]
    pub fn report(&self) -> &VerifyReport {
        &self.report
    }

    /// What the decision rests on, for replaying it under other policies.
    #[must_use]
    pub fn recorded(&self) -> RecordedFacts {
        let recorded = RecordedFacts::record(&self.request, &self.evidence, &self.facts, self.now);
        self.bases.iter().fold(recorded, |recorded, base| recorded.with_base_model(base.recorded()))
    }

    /// Writes [`recorded`](Self::recorded) to a file outside the model; replaces an older record and nothing else.
    ///
    /// # Errors
    /// [`Error::Document`], [`Error::Policy`] when the file lies in the model.
    pub fn write_facts(&self, model: &Path, path: &Path) -> Result<(), Error> {
        let refuse =
            |e: serde_json::Error| PolicyError::Output { path: path.to_owned(), reason: e.to_string() };
        check_facts_output(model, path)?;
        let json = self.recorded().to_json().map_err(refuse)?;
        let document: serde_json::Value = serde_json::from_slice(&json).map_err(refuse)?;
        Document::new(path.to_owned(), FACTS_SCHEMA).write(&document)
    }

    /// The model, when it may be loaded. `allow-unverified` is no allow unless `accept_unverified` says so.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn into_allowed(self, accept_unverified: bool) -> Result<AllowedModel, Denial> {
        let as_read = self.decision.allowed_as_read().filter(|_| self.readable.is_made());
        if self.decision.allowed(accept_unverified).is_some() || as_read.is_some() {
            return Ok(AllowedModel { decided: self });
        }
        let kind = match self.decision.verdict() {
            Verdict::Error => Kind::Undecided,
            _ if self.decision.report().exit_status() == 2 => Kind::Usage,
            _ => Kind::Denied,
        };
        Err(Denial { kind, decided: Box::new(self) })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The digests of all bundles that it rests on, those about base models among them.
    pub(crate) fn bundles(&self) -> BTreeSet<&str> {
        let about_bases = self.bases.iter().flat_map(|base| base.facts().bundles());
        self.facts.bundles().iter().chain(about_bases).map(String::as_str).collect()
    }

    pub(crate) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// The base name of the model's path.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Anything that was measured.
    pub(crate) fn any_manifest(&self) -> Option<&Observed<Manifest>> {
        self.measured.first()
    }

    /// What was measured and is what the decision is about.
    pub(crate) fn manifest(&self) -> Option<&Observed<Manifest>> {
        let wanted = self.decision.report().manifest.as_deref()?;
        let digest = |m: &Manifest| format!("manifest-sha256:{}", m.manifest_digest().to_hex());
        self.measured.iter().find(|measured| digest(measured.get()) == wanted)
    }
}

impl AllowedModel {
    /// The proof for whoever asks for one about what was measured; `None` where [nothing was](Self::allowed_as_read).
    #[must_use]
    pub fn allowed(&self) -> Option<Allowed<'_>> {
        self.decided.decision.allowed(true)
    }

    /// The decision with all that it rests on.
    pub fn decided(&self) -> &Decided {
        &self.decided
    }

    /// Every check, and what it found.
    #[must_use]
    pub fn report(&self) -> &VerifyReport {
        &self.decided.report
    }
}

impl Denial {
    /// Whether it was denied, or nothing could be decided.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The decision with all that it rests on.
    pub fn decided(&self) -> &Decided {
        &self.decided
    }

    /// Every check, and what it found.
    #[must_use]
    pub fn report(&self) -> &VerifyReport {
        &self.decided.report
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.decided.report.message).fmt(f)
    }
}

impl std::error::Error for Denial {}

/// Finds what is certain to stop a record of facts from being written, before the model is measured.
///
/// # Errors
/// [`Error::Document`], [`Error::Policy`] when the file lies in the model.
pub fn check_facts_output(model: &Path, path: &Path) -> Result<(), Error> {
    check_outside(model, path)?;
    Document::new(path.to_owned(), FACTS_SCHEMA).check()
}

/// The reference and perhaps the version that somebody asks for.
fn requested(name: &str) -> Result<Requested, PolicyError> {
    Reference::parse(name).map_err(|error| PolicyError::Reference { given: name.to_owned(), error })
}

/// The canonical reference of a path: absolute, with links resolved.
fn file_reference(model: &Path) -> Result<Reference, Error> {
    let real = std::fs::canonicalize(model).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => MeasureError::Missing(model.to_owned()),
        _ => MeasureError::Io { doing: "resolve", path: model.to_owned(), error },
    })?;
    let given = format!("file://{}", real.display());
    Reference::canonical(&given).map_err(|error| PolicyError::Reference { given, error }.into())
}
