//! What was verified: the native half of `Model`, its files and tensors.

use crate::{
    errors::{Raised, json},
    lent::lend,
    trust::Trusting,
    work,
};
use modelseal::{Contents, LoadError, Progress, VerifiedFile};
use pyo3::{prelude::*, types::PyBytes};
use std::{io, path::PathBuf};

/// What one call reads at most into memory that others can see; it is copied there with Python's lock held.
const MAX_AT_ONCE: usize = 16 << 20;

/// The files of a model that was verified.
#[pyclass(frozen, name = "Contents", module = "modelseal._native")]
pub(crate) struct PyContents(Contents);

/// One of them, to be read here and there.
#[pyclass(frozen, name = "File", module = "modelseal._native")]
pub(crate) struct PyFile(VerifiedFile);

/// Verifies a model for reading; gives its contents and `modelseal.result/v1` as JSON.
#[pyfunction]
pub(crate) fn open_model(
    py: Python<'_>,
    path: PathBuf,
    trusting: Trusting,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(PyContents, String)> {
    let (contents, report) = work::run(py, progress, |watch| trusting.open(path, watch))??;
    Ok((PyContents(contents), json(&report)?))
}

#[pymethods]
impl PyContents {
    /// Every file with its size, sorted by name.
    fn files(&self) -> Vec<(&str, u64)> {
        self.0.files().map(|(path, size)| (path.as_str(), size)).collect()
    }

    /// Bytes in a shard; none under `files`.
    fn shard_size(&self) -> Option<u64> {
        match self.0.manifest().serialization().method {
            modelseal::Method::Files => None,
            modelseal::Method::Shards(size) => Some(size.get()),
        }
    }

    fn open(&self, name: &str) -> PyResult<PyFile> {
        Ok(PyFile(self.0.open(name).map_err(Raised::from)?))
    }

    /// A whole file.
    fn read<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let file = self.0.open(name).map_err(Raised::from)?;
        if file.is_empty() {
            // Nothing to fill, and something to compare.
            let read = work::run(py, progress, |watch| self.0.read(name, watch))?;
            let bytes = read.map_err(|e| Raised::about(&e, name))?;
            return Ok(PyBytes::new(py, &bytes));
        }
        self.0.check_memory(name, file.len()).map_err(Raised::from)?;
        let size = usize::try_from(file.len()).unwrap_or(usize::MAX);
        PyBytes::new_with(py, size, |into| {
            let read = work::run(py, progress, |watch| self.0.read_into(name, 0, into, watch))?;
            Ok(read.map_err(|e| Raised::about(&e, name))?)
        })
    }

    /// Fills memory that nobody else knows of yet. Each part is an offset in the file, an address and a length.
    fn read_parts(
        &self,
        py: Python<'_>,
        name: &str,
        parts: Vec<(u64, usize, usize)>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        // SAFETY: `_memory.py`, which alone calls this, has just allocated each part and keeps it alive until this returns;
        // no two of them share memory, and nobody else has a reference to any.
        #[allow(unsafe_code, reason = "Python's memory")]
        let mut parts: Vec<(u64, &mut [u8])> =
            parts.into_iter().map(|(offset, address, len)| (offset, unsafe { lend(address, len) })).collect();
        let read = work::run(py, progress, |watch| self.0.read_parts(name, &mut parts, watch))?;
        Ok(read.map_err(|e| Raised::about(&e, name))?)
    }

    /// Fills memory that nobody else knows of yet with whole files. Each is a name, an address and a length.
    fn read_files(
        &self,
        py: Python<'_>,
        files: Vec<(String, usize, usize)>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        // SAFETY: as in `read_parts`.
        #[allow(unsafe_code, reason = "Python's memory")]
        let mut into: Vec<(&str, &mut [u8])> = files
            .iter()
            .map(|(name, address, len)| (name.as_str(), unsafe { lend(*address, *len) }))
            .collect();
        let read = work::run(py, progress, |watch| self.0.read_files(&mut into, watch))?;
        Ok(read.map_err(Raised::from)?)
    }

    /// Refuses what is certain not to fit into memory.
    fn check_memory(&self, name: &str, bytes: u64) -> PyResult<()> {
        Ok(self.0.check_memory(name, bytes).map_err(Raised::from)?)
    }

    /// A descriptor of sealed memory with a file's bytes; the caller closes it.
    fn sealed(&self, py: Python<'_>, name: &str, progress: Option<&Bound<'_, PyAny>>) -> PyResult<i32> {
        let sealed = work::run(py, progress, |watch| sealed(&self.0, name, watch))?;
        Ok(sealed?)
    }

    /// Writes every file to an empty directory.
    fn copy_to(
        &self,
        py: Python<'_>,
        directory: PathBuf,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let copied = work::run(py, progress, |watch| self.0.copy_to(&directory, watch))?;
        Ok(copied.map_err(Raised::from)?)
    }
}

#[pymethods]
impl PyFile {
    fn __len__(&self) -> usize {
        usize::try_from(self.0.len()).unwrap_or(usize::MAX)
    }

    /// At most `count` bytes from `offset` on, fewer at the end only.
    fn read_at<'py>(&self, py: Python<'py>, offset: u64, count: usize) -> PyResult<Bound<'py, PyBytes>> {
        let left = self.0.len().saturating_sub(offset);
        let count = count.min(usize::try_from(left).unwrap_or(usize::MAX));
        PyBytes::new_with(py, count, |into| self.fill(py, offset, into).map(drop))
    }

    /// Fills memory that others can see from `offset` on, and says how many bytes that were: perhaps fewer than there are.
    fn read_into(&self, py: Python<'_>, offset: u64, address: usize, len: usize) -> PyResult<usize> {
        let len = len.min(MAX_AT_ONCE);
        if self.0.is_at_hand(offset, len) {
            // SAFETY: `_memory.py`, which alone calls this, holds the buffer, so that it stays where it is; and Python's lock is
            // held, so that no Python code looks at it meanwhile.
            #[allow(unsafe_code, reason = "Python's memory")]
            let into = unsafe { lend(address, len) };
            return self.0.read_at(into, offset).map_err(|e| self.raised(&e));
        }
        let mut read = vec![0; len];
        let count = self.fill(py, offset, &mut read)?;
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "Python's memory")]
        let into = unsafe { lend(address, count) };
        into.copy_from_slice(read.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl PyFile {
    fn fill(&self, py: Python<'_>, offset: u64, into: &mut [u8]) -> PyResult<usize> {
        let read = if self.0.is_at_hand(offset, into.len()) {
            py.detach(|| self.0.read_at(into, offset))
        } else {
            work::run(py, None, |watch| self.0.read_at_followed(into, offset, watch))?
        };
        read.map_err(|e| self.raised(&e))
    }

    fn raised(&self, error: &io::Error) -> PyErr {
        let name = self.0.name().as_str();
        match LoadError::of(error) {
            Some(error) => Raised::about(error, name).into(),
            None => Raised::undecided("error.io", error).into(),
        }
    }
}

#[cfg(target_os = "linux")]
fn sealed(contents: &Contents, name: &str, progress: &dyn Progress) -> Result<i32, Raised> {
    use std::os::fd::IntoRawFd;
    Ok(contents.sealed(name, progress).map_err(|e| Raised::about(&e, name))?.into_raw_fd())
}

#[cfg(not(target_os = "linux"))]
fn sealed(_: &Contents, _: &str, _: &dyn Progress) -> Result<i32, Raised> {
    let message = "this system has no memory that can be sealed; read the file, or copy the model";
    Err(Raised::undecided("error.unsupported", message))
}
