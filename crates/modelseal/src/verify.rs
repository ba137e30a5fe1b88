//! `verify`: read the bundle, check who signed, read what was signed, measure the model the way the signer did, compare.

use crate::{
    clock, codes,
    contents::{Contents, LoadError, VerifiedBytes, VerifiedFile},
    digest::Effort,
    error::Kind,
    explained, listed,
    report::{
        Check, Differences, Digests, EvidenceReport, ModelReport, SignedReport, Status, TrustedRootReport,
        Verdict, VerifyReport,
    },
    scope,
    trust::Trust,
};
use jiff::Timestamp;
use modelseal_core::{
    bundle::{Bundle, BundleError},
    json::JsonError,
    limits::MAX_BUNDLE_BYTES,
    manifest::{Comparison, Manifest, Method},
    observed::Observed,
    path::ModelPath,
    predicate::{Reading, SignedModel},
};
use modelseal_model::{Files, MeasureError, Note, Options, Progress, Source};
use modelseal_verify::{
    public_key::PublicKey,
    signer::{CertificateIdentity, Signer},
    sigstore::{Evidence, Keyless, Requirement},
    verified::Verified,
    verifier::Verifier,
    x509::Roots,
};
use std::{
    collections::BTreeSet,
    fmt,
    io::Read,
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Verifies the model at `path`, a directory or a single file, against its signature.
///
/// ```no_run
/// let key = modelseal::PublicKey::from_pem(&std::fs::read("public.pem")?)?;
/// match modelseal::verify("my-model").signature("model.sig").with_key(key).run(&()) {
///     Ok(model) => println!("signed by {}", model.signer()),
///     Err(refusal) => eprintln!("{refusal}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(path: impl Into<PathBuf>) -> VerifyRequest<()> {
    VerifyRequest {
        trust: (),
        settings: Settings {
            model: path.into(),
            signature: PathBuf::from("model.sig"),
            ignore: Vec::new(),
            ignore_git_paths: true,
            ignore_unsigned_files: false,
            now: None,
            reading: Reading::Field,
            trusted_root: None,
            notes: Vec::new(),
            effort: Effort::default(),
        },
    }
}

/// What to verify, and against which trust. It can only be run once trust was given:
///
/// ```compile_fail
/// let _ = modelseal::verify("my-model").run(&()); // by whom must it be signed?
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct VerifyRequest<Trust> {
    trust: Trust,
    settings: Settings,
}

#[derive(Debug, Clone)]
struct Settings {
    model: PathBuf,
    signature: PathBuf,
    ignore: Vec<PathBuf>,
    ignore_git_paths: bool,
    ignore_unsigned_files: bool,
    now: Option<Timestamp>,
    reading: Reading,
    trusted_root: Option<TrustedRootReport>,
    notes: Vec<String>,
    effort: Effort,
}

/// A model that a trusted signer signed. From [`VerifyRequest::run`] it was exactly that at the moment it was measured; from
/// [`VerifyRequest::open`] its bytes are yet to be compared. What [`contents`](Self::contents) gives out was compared in
/// either case. Nothing else makes one.
#[derive(Debug)]
#[must_use]
pub struct VerifiedModel {
    signed: Verified<SignedModel>,
    contents: Contents,
    report: VerifyReport,
}

/// A model that must not be used: it was denied, or nothing could be decided.
#[derive(Debug)]
pub struct Refusal {
    kind: Kind,
    report: Box<VerifyReport>,
}

impl<T> VerifyRequest<T> {
    /// The signature file; `model.sig` in the working directory unless set.
    pub fn signature(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.signature = path.into();
        self
    }

    /// Does not mind that nobody signed a path. A signed file cannot be ignored. Taken from the working directory.
    pub fn ignore(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.ignore.push(path.into());
        self
    }

    /// Whether unsigned git paths at the top are no matter; they are not unless set.
    pub fn ignore_git_paths(mut self, ignore: bool) -> Self {
        self.settings.ignore_git_paths = ignore;
        self
    }

    /// Looks at signed files only, whatever else lies in the model.
    pub fn ignore_unsigned_files(mut self, ignore: bool) -> Self {
        self.settings.ignore_unsigned_files = ignore;
        self
    }

    /// The time at which certificates must be valid; now unless set.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.settings.now = Some(now);
        self
    }

    /// How closely to follow the letter of the specification.
    pub fn reading(mut self, reading: Reading) -> Self {
        self.settings.reading = reading;
        self
    }

    /// Hashes with at most so many threads; one for each core unless set. The result does not depend on it.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.settings.effort.threads = Some(threads);
        self
    }

    /// Takes at most so many bytes for read buffers; [`DEFAULT_MEMORY`](crate::DEFAULT_MEMORY) unless set. One thread
    /// with its smallest buffers there is always.
    pub fn memory(mut self, bytes: NonZeroU64) -> Self {
        self.settings.effort.memory = bytes.get();
        self
    }

    /// Trusts one public key (method `key`).
    pub fn with_key(self, key: PublicKey) -> VerifyRequest<Verifier> {
        self.with(Verifier::with_key(key))
    }

    /// Trusts certificates under `roots` (method `certificate`): that of `identity`, or any when there is none.
    pub fn with_certificates(
        self,
        roots: Roots,
        identity: Option<CertificateIdentity>,
    ) -> VerifyRequest<Verifier> {
        self.with(Verifier::with_certificates(roots, identity))
    }

    /// Trusts an identity under the authorities and logs of `trust` (method `sigstore`). Needs no network.
    pub fn with_sigstore(self, trust: Trust, signer: Keyless) -> VerifyRequest<Verifier> {
        let verifier = Verifier::with_sigstore(trust.root.clone(), signer);
        self.with(verifier).noting(&trust)
    }

    fn with(self, trust: Verifier) -> VerifyRequest<Verifier> {
        VerifyRequest { trust, settings: self.settings }
    }
}

impl VerifyRequest<Verifier> {
    /// Verifies log entries and timestamps, which keys and certificates do without, against `trust`. A certificate must
    /// then have been valid at every verified time instead of now. `requirement` says what must be there.
    pub fn with_evidence(self, trust: Trust, requirement: Requirement) -> Self {
        let request = self.noting(&trust);
        Self { trust: request.trust.with_trusted_root(trust.root).requiring(requirement), ..request }
    }

    fn noting(mut self, trust: &Trust) -> Self {
        self.settings.trusted_root = Some(trust.report.clone());
        self.settings.notes.extend(trust.notes.iter().cloned());
        self
    }

    /// Verifies. `progress` is told of every byte that is measured; `&()` tells nobody.
    ///
    /// # Errors
    /// [`Refusal`], with a report of every check.
    pub fn run(&self, progress: &dyn Progress) -> Result<VerifiedModel, Refusal> {
        let (signed, mut trail) = self.judge()?;
        let measured = self.measure(&signed, &mut trail, progress);
        let (files, observed) = trail.check("integrity", measured)?;
        let mut comparison = signed.matches(&observed);
        self.forgive_empty_files(&signed, &files, &mut comparison, &mut trail);
        self.compare(&files, &comparison, &mut trail)?;
        let report = trail.allow("the model is what was signed");
        Ok(VerifiedModel::new(signed, files, self.settings.effort, report))
    }

    /// Does everything that [`run`](Self::run) does but measuring: the signature, what was signed, which files there are
    /// and, under `shards`, their sizes. Bytes are compared when [`VerifiedModel::contents`] reads them, so a model is ready
    /// at once and only what is used of it is read.
    ///
    /// # Errors
    /// [`Refusal`], with a report of every check.
    pub fn open(&self, progress: &dyn Progress) -> Result<VerifiedModel, Refusal> {
        let (signed, mut trail) = self.judge()?;
        let listed = self.list(&signed, &mut trail, progress);
        let files = trail.check("integrity", listed)?;
        let mut comparison = listed::compare(&signed.get().manifest, &files);
        self.forgive_empty_files(&signed, &files, &mut comparison, &mut trail);
        self.compare(&files, &comparison, &mut trail)?;
        trail.say(
            "integrity",
            "the files are those that were signed; their bytes are compared as they are read",
        );
        let report =
            trail.allow("the files are those that were signed; their bytes are compared as they are read");
        Ok(VerifiedModel::new(signed, files, self.settings.effort, report))
    }

    /// Who signed, and what: the checks before the first look at the model.
    fn judge(&self) -> Result<(Verified<SignedModel>, Trail), Refusal> {
        let settings = &self.settings;
        let now = settings.now.unwrap_or_else(clock::now);
        let mut trail = Trail::new(settings, now);

        let bundle = trail.check("bundle", read_bundle(&settings.signature))?;
        let signed = self
            .trust
            .verify(&bundle, now)
            .map_err(|e| Failure::deny(codes::signature(&e), e.to_string()).fix(signature_fix(&e)));
        let signed = trail.check("signature", signed)?;
        trail.report.signer = Some(signed.signer().into());
        trail.report.evidence = EvidenceReport::of(signed.evidence());
        trail.note_unchecked_evidence(signed.evidence());
        drop(bundle);
        let signed = signed.into_model(settings.reading);
        let signed = trail
            .check("statement", signed.map_err(|e| Failure::deny(codes::statement(&e), e.to_string())))?;
        trail.report.signed = Some(signed_report(signed.get()));
        Ok((signed, trail))
    }

    /// Says how the model differs from what was signed; it must not.
    fn compare(&self, files: &Files, comparison: &Comparison, trail: &mut Trail) -> Result<(), Refusal> {
        let mut differences = Differences::from(comparison);
        differences.explained = explained::differences(&self.settings.model, files.source(), comparison);
        trail.report.differences = Some(differences);
        let verdict = if comparison.is_match() {
            Ok(())
        } else {
            Err(Failure::deny(codes::comparison(comparison), summary(comparison))
                .fix(integrity_fix(comparison)))
        };
        trail.check("integrity", verdict)
    }

    /// Measures the model under the parameters that were signed, whatever the flags say.
    fn measure(
        &self,
        signed: &Verified<SignedModel>,
        trail: &mut Trail,
        progress: &dyn Progress,
    ) -> Result<(Files, Observed<Manifest>), Failure> {
        let files = self.list(signed, trail, progress)?;
        let serialization = signed.get().manifest.serialization().clone();
        let options = Options { serialization, ..self.settings.effort.options() };
        let measured = files.measure(&options, progress)?;
        let name = files.source().model_name()?;
        trail.report.measured = Some(ModelReport::new(&name, measured.manifest.get(), measured.bytes));
        Ok((files, measured.manifest))
    }

    /// Lists the files of the model that count, as the signer did.
    fn list(
        &self,
        signed: &Verified<SignedModel>,
        trail: &mut Trail,
        progress: &dyn Progress,
    ) -> Result<Files, Failure> {
        let settings = &self.settings;
        let manifest = &signed.get().manifest;
        let source = Source::open(&settings.model)?;
        let ignored = scope::resolve_ignored(&settings.model, &settings.ignore)
            .map_err(|e| Failure { kind: Kind::Usage, ..Failure::deny(e.code(), e.to_string()) })?;
        for ignored in &ignored.paths {
            if let Some(resource) = manifest.resources().iter().find(|r| r.path.is_within(ignored)) {
                return Err(Failure::deny(
                    "integrity.ignored-signed-file",
                    format!("'{}' was signed and cannot be ignored", resource.path),
                )
                .fix("leave it out of --ignore-paths"));
            }
        }
        let mut exclude = ignored.paths.clone();
        if settings.ignore_git_paths {
            exclude.extend(scope::unsigned_git_paths(manifest));
        }
        if let scope::Place::Inside(path) = scope::place(&settings.model, &settings.signature) {
            exclude.push(path);
        }
        let only = settings.ignore_unsigned_files.then(|| signed_paths(manifest, &source)).flatten();
        let options = Options {
            serialization: manifest.serialization().clone(),
            exclude,
            only,
            ..settings.effort.options()
        };
        let files = Files::of(source, &options, progress)?;
        trail.report.notes.extend(ignored.notes);
        trail.report.overlooked = self.overlooked(manifest, &ignored.paths);
        // What the signer ignored may well be absent here; what the user ignores should be there.
        let absent = |path: &&ModelPath| settings.model.join(path.as_str()).symlink_metadata().is_err();
        let unmatched = ignored.paths.iter().filter(absent).cloned().map(Note::UnmatchedIgnorePath);
        let said = files.notes().iter().filter(|note| !matches!(note, Note::UnmatchedIgnorePath(_))).cloned();
        trail.report.notes.extend(unmatched.chain(said).map(|note| note.to_string()));
        Ok(files)
    }

    /// What is there and was not looked at, though the signer did not say so.
    fn overlooked(&self, manifest: &Manifest, ignored: &[ModelPath]) -> Vec<String> {
        let settings = &self.settings;
        let signer_ignores = |path: &ModelPath| manifest.serialization().ignore_paths.contains(path);
        let is_there = |path: &ModelPath| settings.model.join(path.as_str()).symlink_metadata().is_ok();
        let git = scope::unsigned_git_paths(manifest)
            .filter(|path| settings.ignore_git_paths && !signer_ignores(path) && is_there(path))
            .map(|path| format!("{path} (by default; --no-ignore-git-paths looks at it)"));
        let asked =
            ignored.iter().filter(|path| is_there(path)).map(|path| format!("{path} (--ignore-paths)"));
        let unsigned =
            settings.ignore_unsigned_files.then(|| "unsigned files (--ignore-unsigned-files)".to_owned());
        git.chain(asked).chain(unsigned).collect()
    }

    /// To the letter of OMS v1.0 §6.3.2 a file of zero bytes has no resource under `shards`, so that it can neither be
    /// signed nor be unsigned.
    fn forgive_empty_files(
        &self,
        signed: &Verified<SignedModel>,
        files: &Files,
        comparison: &mut Comparison,
        trail: &mut Trail,
    ) {
        let by_shards = matches!(signed.get().manifest.serialization().method, Method::Shards(_));
        if self.settings.reading != Reading::Letter || !by_shards {
            return;
        }
        let empty: BTreeSet<&ModelPath> =
            files.files().filter(|(_, size)| *size == 0).map(|(path, _)| path).collect();
        let before = comparison.unsigned.len();
        comparison.unsigned.retain(|path| !empty.contains(path));
        if comparison.unsigned.len() < before {
            trail.report.notes.push("files of zero bytes are not covered by this signature".into());
        }
    }
}

impl VerifiedModel {
    fn new(signed: Verified<SignedModel>, files: Files, effort: Effort, report: VerifyReport) -> Self {
        let manifest = Arc::new(signed.get().manifest.clone());
        Self { contents: Contents::new(files, manifest, effort), signed, report }
    }

    /// Its files. Opening them by their paths instead would undo the verification: they may have been written to since.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// [`Contents::open`].
    ///
    /// # Errors
    /// As [`Contents::open`].
    pub fn open(&self, name: &str) -> Result<VerifiedFile, LoadError> {
        self.contents.open(name)
    }

    /// [`Contents::open_all_fused`].
    ///
    /// # Errors
    /// As [`Contents::open_all_fused`].
    pub fn open_all_fused(
        &self,
        progress: &dyn Progress,
    ) -> Result<Vec<(ModelPath, VerifiedBytes)>, LoadError> {
        self.contents.open_all_fused(progress)
    }

    /// Who signed it.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        self.signed.signer()
    }

    /// What was signed.
    #[must_use]
    pub fn signed(&self) -> &SignedModel {
        self.signed.get()
    }

    /// Every check, and what it found.
    #[must_use]
    pub fn report(&self) -> &VerifyReport {
        &self.report
    }
}

impl Refusal {
    /// Whether it was denied, or nothing could be decided.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Every check, and what it found.
    #[must_use]
    pub fn report(&self) -> &VerifyReport {
        &self.report
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report.message)
    }
}

impl std::error::Error for Refusal {}

const CHECKS: [&str; 4] = ["bundle", "signature", "statement", "integrity"];

/// One check that did not pass.
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    fix: Option<String>,
}

impl Failure {
    fn deny(code: &'static str, message: String) -> Self {
        Self { kind: Kind::Denied, code, message, fix: None }
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()).filter(|fix| !fix.is_empty()), ..self }
    }
}

impl From<MeasureError> for Failure {
    fn from(e: MeasureError) -> Self {
        let failure = Self {
            kind: codes::measure_kind(&e),
            code: codes::measure(&e),
            message: e.to_string(),
            fix: None,
        };
        let MeasureError::Symlink { path, target } = &e else { return failure };
        let (path, target) = (path.display(), target.display());
        let message = format!("'{path}' is a symbolic link to '{target}', and the signer allowed no links");
        Self { message, ..failure }.fix("replace the link by a copy of what it leads to")
    }
}

/// The report as it grows, check by check.
struct Trail {
    report: VerifyReport,
}

impl Trail {
    fn new(settings: &Settings, now: Timestamp) -> Self {
        let report = VerifyReport {
            schema: VerifyReport::SCHEMA.into(),
            verdict: Verdict::Error,
            code: None,
            message: String::new(),
            now: now.to_string(),
            signature: settings.signature.display().to_string(),
            model: settings.model.display().to_string(),
            signer: None,
            evidence: None,
            trusted_root: settings.trusted_root.clone(),
            signed: None,
            measured: None,
            differences: None,
            overlooked: Vec::new(),
            checks: Vec::new(),
            decided: None,
            notes: settings.notes.clone(),
        };
        Self { report }
    }

    /// Records a check; the first that does not pass ends the verification.
    fn check<T>(&mut self, id: &'static str, outcome: Result<T, Failure>) -> Result<T, Refusal> {
        self.report.checks.retain(|check| check.id != id);
        let mut check = Check {
            id: id.into(),
            status: Status::Pass,
            code: None,
            message: None,
            fix: None,
            blocked_by: None,
            under_policy: None,
        };
        let failure = match outcome {
            Ok(value) => {
                self.report.checks.push(check);
                return Ok(value);
            }
            Err(failure) => failure,
        };
        let denied = failure.kind == Kind::Denied;
        check.status = if denied { Status::Fail } else { Status::Error };
        check.code = Some(failure.code.into());
        check.message = Some(failure.message.clone());
        check.fix = failure.fix;
        self.report.checks.push(check);
        for later in CHECKS.iter().skip_while(|c| **c != id).skip(1) {
            self.report.checks.push(Check {
                id: (*later).into(),
                status: Status::Skip,
                code: None,
                message: None,
                fix: None,
                blocked_by: Some(id.into()),
                under_policy: None,
            });
        }
        self.report.verdict = if denied { Verdict::Deny } else { Verdict::Error };
        self.report.code = Some(failure.code.into());
        self.report.message = failure.message;
        Err(Refusal { kind: failure.kind, report: Box::new(self.report.clone()) })
    }

    /// Evidence that was not checked must not be mistaken for evidence.
    fn note_unchecked_evidence(&mut self, evidence: &Evidence) {
        for (count, what) in [
            (evidence.unchecked_log_entries(), "transparency log entries"),
            (evidence.unchecked_timestamps(), "signed timestamps"),
        ] {
            if count > 0 {
                let note = format!(
                    "the bundle carries {count} {what}, which were not checked and count for nothing; check them with \
                     --trusted-root"
                );
                self.report.notes.push(note);
            }
        }
    }

    /// What a check that passed found.
    fn say(&mut self, id: &str, message: &str) {
        for check in self.report.checks.iter_mut().filter(|check| check.id == id) {
            check.message = Some(message.to_owned());
        }
    }

    fn allow(mut self, message: &str) -> VerifyReport {
        self.report.verdict = Verdict::Allow;
        self.report.message = message.to_owned();
        self.report
    }
}

pub(crate) fn read_bundle(path: &Path) -> Result<Bundle, Failure> {
    let io = |e: std::io::Error| Failure {
        kind: Kind::Undecided,
        code: "error.io",
        message: format!("cannot read the signature '{}': {e}", path.display()),
        fix: None,
    };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("there is no signature at '{}'", path.display());
            return Err(
                Failure::deny("signature.missing", message).fix("name the signature file with --signature")
            );
        }
        Err(e) => return Err(io(e)),
    };
    if !metadata.is_file() {
        let message = format!("the signature '{}' is not a regular file", path.display());
        return Err(
            Failure::deny("signature.malformed", message).fix("name the signature file with --signature")
        );
    }
    let malformed = |e: BundleError| {
        Failure::deny(codes::bundle(&e), format!("the signature '{}' cannot be read: {e}", path.display()))
    };
    let mut document = Vec::new();
    let file = crate::disk::open_regular(path).map_err(io)?;
    if metadata.len() <= MAX_BUNDLE_BYTES {
        file.take(MAX_BUNDLE_BYTES + 1).read_to_end(&mut document).map_err(io)?;
        return Bundle::parse(&document).map_err(malformed);
    }
    let size = metadata.len();
    Err(malformed(BundleError::Json(JsonError::TooLarge { size, limit: MAX_BUNDLE_BYTES })))
}

fn signature_fix(error: &modelseal_verify::verifier::VerifyError) -> &'static str {
    use modelseal_verify::verifier::VerifyError as E;
    match error {
        E::Method { found: "key", .. } => "verify it with: modelseal verify key --public-key KEY",
        E::Method { found: "sigstore", .. } => {
            "verify it with: modelseal verify sigstore --identity IDENTITY --identity-provider ISSUER"
        }
        E::Method { found: "certificate", .. } => {
            "verify it with: modelseal verify certificate --certificate-chain ROOT"
        }
        E::OtherKey { .. } => "ask the publisher which key signs this model",
        E::Path(_) => "ask the publisher for the root certificate that vouches for this signer",
        E::Identity { .. } => {
            "if this signer is right, give one of its names to --certificate-identity, exactly as shown"
        }
        _ => "",
    }
}

pub(crate) fn signed_report(model: &SignedModel) -> SignedReport {
    SignedReport {
        name: model.name.clone(),
        predicate_type: model.predicate_type.into(),
        files: model.manifest.file_count(),
        resources: model.manifest.resources().len(),
        digests: Digests::of(&model.manifest),
        serialization: model.manifest.serialization().into(),
    }
}

/// The files to look at when unsigned ones do not matter. The reference's name for a single file is no file's name.
fn signed_paths(manifest: &Manifest, source: &Source) -> Option<Vec<ModelPath>> {
    if source.is_file() {
        return None;
    }
    let mut paths: Vec<ModelPath> = manifest.resources().iter().map(|r| r.path.clone()).collect();
    paths.sort_unstable();
    paths.dedup();
    Some(paths)
}

fn integrity_fix(comparison: &Comparison) -> &'static str {
    if comparison.changed.is_empty() && comparison.missing.is_empty() {
        "remove what was not signed, leave it out with --ignore-paths, or look at signed files only with \
         --ignore-unsigned-files"
    } else {
        "get the model again from its publisher, or have the publisher sign what it is now"
    }
}

fn summary(comparison: &Comparison) -> String {
    let mut changed: Vec<&ModelPath> = comparison.changed.iter().map(|c| &c.path).collect();
    changed.dedup();
    let parts = [
        (changed.len(), changed.first().copied(), "changed"),
        (comparison.missing.len(), comparison.missing.first(), "missing"),
        (comparison.unsigned.len(), comparison.unsigned.first(), "not signed"),
    ];
    let said: Vec<String> = parts
        .into_iter()
        .filter_map(|(count, first, what)| match (count, first?) {
            (1, path) => Some(format!("'{path}' is {what}")),
            (n, path) => Some(format!("{n} files are {what}, the first is '{path}'")),
        })
        .collect();
    format!("the model is not what was signed: {}", said.join("; "))
}
