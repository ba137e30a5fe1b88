//! `inspect`: what is in a model's files, and whether they can run code. Nothing is executed, imported or written.

mod claims;
mod compare;
mod files;
mod joint;

pub(crate) use claims::{Claims, claims};
pub(crate) use joint::{Whole, measure_inspecting, measure_whole};

use crate::{
    digest::DigestRequest,
    error::Error,
    report::{self, ComparisonReport, InspectionReport},
};
use modelseal_core::{
    inspection::{Inspection, Verdict},
    observed::Observed,
};
use modelseal_inspect::{RuleSet, join};
use modelseal_model::Progress;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

/// Inspects the model at `path`, a directory or a single file.
///
/// ```no_run
/// let model = modelseal::inspect("my-model").run(&())?;
/// println!("{}", model.inspection().verdict());
/// assert!(!model.is_denied());
/// # Ok::<(), modelseal::Error>(())
/// ```
pub fn inspect(path: impl Into<PathBuf>) -> InspectRequest {
    InspectRequest { scope: crate::digest(path), rules: Cow::Borrowed(RuleSet::built_in()) }
}

/// What to inspect, and by which rules.
#[derive(Debug, Clone)]
#[must_use]
pub struct InspectRequest {
    scope: DigestRequest,
    rules: Cow<'static, RuleSet>,
}

/// A model that was inspected.
#[derive(Debug)]
pub struct InspectedModel {
    inspection: Observed<Inspection>,
    rules: Cow<'static, RuleSet>,
    notes: Vec<String>,
    comparison: Option<ComparisonReport>,
}

impl InspectRequest {
    /// Judges by these rules; by those that are shipped unless set.
    pub fn rules(self, rules: RuleSet) -> Self {
        Self { rules: Cow::Owned(rules), ..self }
    }

    /// Leaves a file, or a directory with everything in it, out. Taken from the working directory, not from the model.
    pub fn ignore(self, path: impl Into<PathBuf>) -> Self {
        Self { scope: self.scope.ignore(path), ..self }
    }

    /// Whether `.git`, `.gitattributes`, `.github` and `.gitignore` at the top stay out; they do unless set.
    pub fn ignore_git_paths(self, ignore: bool) -> Self {
        Self { scope: self.scope.ignore_git_paths(ignore), ..self }
    }

    /// Reads through symbolic links instead of reporting them.
    pub fn allow_symlinks(self, allow: bool) -> Self {
        Self { scope: self.scope.allow_symlinks(allow), ..self }
    }

    /// Inspects with at most so many threads; one for each core unless set. The result does not depend on it.
    pub fn threads(self, threads: NonZeroUsize) -> Self {
        Self { scope: self.scope.threads(threads), ..self }
    }

    /// Inspects. `progress` is told of the bytes of every file that is done; `&()` tells nobody.
    ///
    /// # Errors
    /// [`Error`] when the model cannot be read or changes meanwhile. What is wrong with a file is a finding.
    pub fn run(&self, progress: &dyn Progress) -> Result<InspectedModel, Error> {
        let subject = self.scope.subject()?;
        let found = files::inspect(&subject.source, &subject.options, &self.rules, progress)?;
        let notes = subject.notes(&found.notes);
        let whole = !subject.source.is_file();
        let inspection = join(found.files, found.links, whole, &self.rules);
        Ok(InspectedModel { inspection, rules: self.rules.clone(), notes, comparison: None })
    }
}

impl InspectedModel {
    /// What was found.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        self.inspection.get()
    }

    /// The rules that it was judged by.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// The verdict on the model: the worst of its files.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.inspection().verdict()
    }

    /// Whether the rules deny it.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.rules.denies(self.verdict())
    }

    /// How it compares with a report, when it was [compared](InspectRequest::compare) with one.
    #[must_use]
    pub fn comparison(&self) -> Option<&ComparisonReport> {
        self.comparison.as_ref()
    }

    /// What the user should know: ignore paths without effect, links that lead outside.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The document: a function of the bytes, the rules and the bounds, but for its notes.
    #[must_use]
    pub fn report(&self) -> InspectionReport {
        let report = InspectionReport::of(self.inspection(), &self.rules, self.notes.clone());
        InspectionReport { comparison: self.comparison.clone(), ..report }
    }

    /// The same for other programs, in SARIF 2.1.0.
    #[must_use]
    pub fn sarif(&self) -> Vec<u8> {
        report::sarif(self.inspection(), &self.rules, &BTreeMap::new())
    }
}

/// The annotated disassembly of the pickles in a file and in the archives that it holds, at most `lines` lines of it.
///
/// # Errors
/// [`Error::Measure`] when the file cannot be read.
pub fn trace(file: &Path, rules: &RuleSet, lines: u64) -> Result<String, Error> {
    Ok(files::trace(file, rules, lines)?)
}
