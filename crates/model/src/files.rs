//! [`Files`]: the files of a model, owned by whoever loads them later.

use crate::{
    error::MeasureError,
    listing::{Opening, by_name},
    measure::{Measured, Options, measure_listed},
    note::Note,
    progress::Progress,
    source::Source,
    walk::{FoundFile, Walked, walk},
};
use modelseal_core::path::ModelPath;
use std::{path::PathBuf, sync::Arc};

/// The files of a model, as they were when they were listed, and the descriptors to open them again by. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Files(Arc<Found>);

#[derive(Debug)]
struct Found {
    source: Source,
    walked: Walked,
    /// Positions in the walk, by name.
    order: Vec<usize>,
}

impl Files {
    /// Lists what [`measure`](crate::measure()) would read, by the same rules.
    ///
    /// # Errors
    /// As [`measure`](crate::measure()), but for those of reading.
    pub fn of(source: Source, options: &Options, progress: &dyn Progress) -> Result<Self, MeasureError> {
        let walked = walk(&source, options.rules(), progress)?;
        let order = by_name(&walked);
        Ok(Self(Arc::new(Found { source, walked, order })))
    }

    /// Measures them, as [`measure`](crate::measure()) does under the same options.
    ///
    /// # Errors
    /// As [`measure`](crate::measure()).
    pub fn measure(&self, options: &Options, progress: &dyn Progress) -> Result<Measured, MeasureError> {
        measure_listed(&self.0.source, &self.0.walked, options, progress)
    }

    /// The model.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.0.source
    }

    /// Every file with its size in bytes, sorted by name.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&ModelPath, u64)> {
        self.0.order.iter().map(|at| &self.0.walked.files[*at]).map(|file| (&file.path, file.size))
    }

    /// The file at this place of [`files`](Self::files).
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn get(&self, file: usize) -> (&ModelPath, u64) {
        let found = self.found(file);
        (&found.path, found.size)
    }

    /// The place of a file in [`files`](Self::files).
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        let Found { walked, order, .. } = &*self.0;
        order.binary_search_by(|at| walked.files[*at].path.as_str().cmp(name)).ok()
    }

    /// The sizes of all files together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.walked.bytes()
    }

    /// Where a file is, for messages.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    #[must_use]
    pub fn shown(&self, file: usize) -> PathBuf {
        self.0.source.join(self.found(file).path.as_str())
    }

    /// Things to say about the model.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.0.walked.notes
    }

    /// Begins to open files.
    #[must_use]
    pub fn opening(&self) -> Opening<'_> {
        Opening::new(&self.0.source, &self.0.walked, &self.0.order)
    }

    pub(crate) fn walked(&self) -> &Walked {
        &self.0.walked
    }

    /// The position in the walk of the file at this place.
    pub(crate) fn at(&self, file: usize) -> usize {
        self.0.order[file]
    }

    pub(crate) fn found(&self, file: usize) -> &FoundFile {
        &self.0.walked.files[self.at(file)]
    }
}
