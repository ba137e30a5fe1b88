//! Measuring a model as its signers did, for a decision: under their parameters, and with what deny lists ask for besides.

use crate::{
    codes,
    digest::Effort,
    inspect::{Whole, measure_inspecting, measure_whole},
    policies::Policies,
    report::ModelReport,
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
        Self { effort, inside, file_digests, inspects, measured, report, notes }
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
        let source = match source {
            Ok(source) => source,
            Err(error) => return not_measured(facts, error),
        };
        let options = Options {
            serialization: serialization.clone(),
            exclude: self.inside.to_vec(),
            ..self.effort.options()
        };
        match self.read(source, &options, progress) {
            Ok(measurement) => facts.measured(measurement),
            Err(error) => not_measured(facts, &error),
        }
    }

    fn read(
        &mut self,
        source: &Source,
        options: &Options,
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
