//! `digest`.

use crate::{
    errors::{Raised, json},
    options::{Measure, threads},
    work,
};
use modelseal::{DigestRequest, report::DigestReport};
use pyo3::prelude::*;
use std::path::PathBuf;

/// Measures a model; gives `modelseal.digest/v1` as JSON.
#[pyfunction]
pub(crate) fn digest(
    py: Python<'_>,
    path: PathBuf,
    measure: Measure,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let request = request(path, &measure)?;
    let measured = work::run(py, progress, |watch| request.run(watch))?.map_err(Raised::from)?;
    json(&DigestReport::of(&measured))
}

fn request(path: PathBuf, measure: &Measure) -> Result<DigestRequest, Raised> {
    let mut request = modelseal::digest(path)
        .hash(measure.algorithm()?)
        .ignore_git_paths(measure.ignore_git_paths)
        .allow_symlinks(measure.allow_symlinks);
    if let Some(size) = measure.shards()? {
        request = request.shards(size);
    }
    if let Some(threads) = threads(measure.threads)? {
        request = request.threads(threads);
    }
    Ok(measure.ignore.iter().fold(request, DigestRequest::ignore))
}
