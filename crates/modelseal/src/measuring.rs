//! Measuring a model as its signers did, for a decision: under their parameters, and with what deny lists ask for besides.

use crate::{
    codes,
    digest::Effort,
    freeze::{self, FreezeError},
    inspect::{Whole, measure_inspecting, measure_whole},
    kernel::{self, WithKernel},
    policies::Policies,
    report::{KernelReport, ModelReport},
};
use modelseal_core::{
    digest::{Algorithm, Digest},
    manifest::{Manifest, Method, Serialization},
    observed::Observed,
    path::ModelPath,
};
use modelseal_inspect::RuleSet;
use modelseal_model::{Also, FileHash, MeasureError, Measured, Options, Progress, Source, measure_also};
use modelseal_verify::{
    decision::Code,
    enforced::SignedFsVerity,
    facts::{Facts, Measurement},
};

/// What grows while the model is measured.
pub(crate) struct Work<'a> {
    /// How much it may take.
    pub(crate) effort: &'a Effort,
    /// Bundles in the model, which nobody can have signed.
    pub(crate) inside: &'a [ModelPath],
    /// Whether deny lists name files by SHA-256, which is then computed whatever hash the model was signed under.
    pub(crate) file_digests: bool,
    /// Whether policies ask what is in the files.
    pub(crate) inspects: bool,
    /// Whether the kernel may answer for files (fs-verity): nobody but the signers judges their digests.
    pub(crate) asks_kernel: bool,
    /// Whether the kernel has to enforce every file first.
    pub(crate) freezes: bool,
    /// What the kernel did.
    pub(crate) kernel: Option<KernelReport>,
    /// What was measured.
    pub(crate) measured: Vec<Observed<Manifest>>,
    /// The model, once it was measured.
    pub(crate) report: Option<ModelReport>,
    /// What was noticed.
    pub(crate) notes: Vec<String>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(effort: &'a Effort, inside: &'a [ModelPath], policies: &Policies) -> Self {
        let file_digests = policies.set().policies().any(|policy| {
            let document = policy.document();
            !document.denylist.is_empty() || document.deny.iter().any(|deny| !deny.file_digests.is_empty())
        });
        let inspects = policies.set().policies().any(|policy| policy.document().needs_inspection());
        let (measured, report, notes) = (Vec::new(), None, Vec::new());
        let (asks_kernel, freezes, kernel) = (false, false, None);
        Self { effort, inside, file_digests, inspects, asks_kernel, freezes, kernel, measured, report, notes }
    }

    /// Forgets what was measured, because under other parameters it has to be measured anew.
    pub(crate) fn start_again(&mut self) {
        self.measured.clear();
        self.report = None;
        self.notes.clear();
    }

    /// Measures the model under these parameters, and adds to the facts what came of it.
    pub(crate) fn measure(
        &mut self,
        facts: Facts,
        source: &Result<Source, MeasureError>,
        serialization: Serialization,
        progress: &dyn Progress,
    ) -> Facts {
        let not_measured = |facts: Facts, error: &MeasureError| {
            let code = codes::measure(error).parse().unwrap_or(Code::ErrorInternal);
            facts.not_measured(serialization.clone(), code, error.to_string())
        };
        let not_frozen = |facts: Facts, error: &FreezeError| {
            let code = error.code().parse().unwrap_or(Code::ErrorInternal);
            let remedy = error.remedy();
            let to_do = if remedy.is_empty() { String::new() } else { format!("; what to do: {remedy}") };
            facts.not_measured(serialization.clone(), code, format!("{error}{to_do}"))
        };
        let source = match source {
            Ok(source) => source,
            Err(error) => return not_measured(facts, error),
        };
        let options = Options {
            serialization: serialization.clone(),
            exclude: self.inside.to_vec(),
            ..self.effort.options()
        };
        // What was opened before is not what is there once it is frozen, by its times.
        let frozen = if self.freezes { Some(self.freeze(source, &options, progress)) } else { None };
        let source = match &frozen {
            Some(Err(error)) => return not_frozen(facts, error),
            Some(Ok(source)) => source,
            None => source,
        };
        let signed =
            if self.asks_kernel { facts.fs_verity(&serialization) } else { SignedFsVerity::default() };
        let measurement = match self.read(source, &options, &signed, progress) {
            Ok(measurement) => measurement,
            Err(error) => return not_measured(facts, &error),
        };
        match if self.freezes { freeze::check(source, &options, progress) } else { Ok(()) } {
            Ok(()) => facts.measured(measurement),
            Err(error) => not_frozen(facts, &error),
        }
    }

    fn freeze(
        &mut self,
        source: &Source,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Source, FreezeError> {
        let mut report = freeze::freeze(source, options, progress)?;
        // Under other parameters other files belong to the model.
        let before = self.kernel.take().and_then(|kernel| kernel.frozen);
        report.frozen = report.frozen.map(|now| now + before.unwrap_or(0));
        self.kernel = Some(report);
        Ok(Source::open(source.path())?)
    }

    fn read(
        &mut self,
        source: &Source,
        options: &Options,
        signed: &SignedFsVerity,
        progress: &dyn Progress,
    ) -> Result<Measurement, MeasureError> {
        const SHA256: FileHash = FileHash::Oms(Algorithm::Sha256);
        let Serialization { method, algorithm, .. } = options.serialization;
        let whole = method == Method::Files;
        let wanted: &[FileHash] =
            if self.file_digests && whole && algorithm != Algorithm::Sha256 { &[SHA256] } else { &[] };
        let of_sha256 = |measured: &Measured, also: Vec<Also>| -> Option<Vec<(ModelPath, Digest)>> {
            let paths = measured.manifest.get().resources().iter().map(|r| r.path.clone());
            let of_sha256 = also.into_iter().find(|also| also.hash == SHA256)?;
            Some(paths.zip(of_sha256.digests).collect())
        };
        // Whatever is found out besides is about the bytes that the manifest is of: of these and no others it is judged.
        let (measured, digests, inspection) = if self.file_digests && !whole {
            let rules = self.inspects.then(RuleSet::built_in);
            let Whole { measured, sha256, inspection } = measure_whole(source, options, rules, progress)?;
            (measured, Some(sha256), inspection)
        } else if self.inspects {
            let read = measure_inspecting(source, options, wanted, RuleSet::built_in(), progress)?;
            let digests = of_sha256(&read.measured, read.also);
            (read.measured, digests, Some(read.inspection))
        } else if !self.file_digests && !signed.is_empty() {
            let WithKernel { measured, report, note } = kernel::measure(source, options, signed, progress)?;
            if report.enforced > 0 {
                let frozen = self.kernel.take().and_then(|kernel| kernel.frozen);
                self.kernel = Some(KernelReport { frozen, ..report });
            }
            self.notes.extend(note);
            (measured, None, None)
        } else {
            let (measured, also) = measure_also(source, options, wanted, progress)?;
            let digests = of_sha256(&measured, also);
            (measured, digests, None)
        };
        let name = source.model_name()?;
        self.report.get_or_insert_with(|| ModelReport::new(&name, measured.manifest.get(), measured.bytes));
        for note in measured.notes.iter().map(ToString::to_string) {
            // What a signer ignores may well be absent.
            let about_ignoring = note.starts_with("the ignore path");
            if !about_ignoring && !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        self.measured.push(measured.manifest.clone());
        let measurement =
            Measurement::new(measured.manifest, measured.bytes).leaving_out(self.inside.to_vec());
        let measurement = match inspection {
            Some(inspection) => measurement.inspected(inspection),
            None => measurement,
        };
        Ok(match digests {
            // These digests were computed a few lines above, by this process.
            Some(digests) => {
                measurement.also(Observed::<Vec<(ModelPath, Digest)>>::measured_by_this_process(digests))
            }
            None => measurement,
        })
    }
}
