//! Measuring a model and inspecting its files in one read: what was judged is what was hashed.

use super::files::{Gate, SHARE};
use modelseal_core::{
    inspection::{FileInspection, Inspection},
    observed::Observed,
    path::ModelPath,
};
use modelseal_inspect::{Bytes, RuleSet, inspect, join};
use modelseal_model::{
    Also, FileHash, FileView, Looked, MeasureError, Measured, Options, Progress, Source, measure_looking,
};
use std::{io, num::NonZeroUsize, thread};

/// A model that was measured and inspected. The inspection speaks of the files of the manifest, each once, and of the bytes
/// that their digests are of.
pub(crate) struct Inspected {
    pub(crate) measured: Measured,
    pub(crate) also: Vec<Also>,
    pub(crate) inspection: Observed<Inspection>,
}

/// Measures a model and inspects its files, by these rules.
pub(crate) fn measure_inspecting(
    source: &Source,
    options: &Options,
    also: &[FileHash],
    rules: &RuleSet,
    progress: &dyn Progress,
) -> Result<Inspected, MeasureError> {
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = options.threads.map_or_else(cores, NonZeroUsize::get);
    let memory = Gate::new(SHARE.saturating_mul(threads as u64));
    let look = |path: &ModelPath, view: &FileView<'_>| {
        let _memory = memory.enter_for(view.len());
        inspect(path, &View(view), rules.globals())
    };
    let Looked { measured, also, looks } = measure_looking(source, options, also, look, progress)?;
    let files: Vec<Observed<FileInspection>> = looks.into_iter().map(|(_, file)| file).collect();
    // Links are refused, or followed and measured as the files that they lead to.
    let inspection = join(files, Vec::new(), !source.is_file(), rules);
    Ok(Inspected { measured, also, inspection })
}

struct View<'v>(&'v FileView<'v>);

impl Bytes for View<'_> {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
}
