//! The exceptions of the package, which are classes of Python (`modelseal/_errors.py`).

use modelseal::{Error, Kind, report::VerifyReport};
use pyo3::{prelude::*, sync::PyOnceLock, types::PyDict};

/// One exception: its class, code and message, and what is known besides.
pub(crate) struct Raised {
    pub(crate) kind: Kind,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Every check, where a model was judged.
    pub(crate) report: Option<Box<VerifyReport>>,
}

impl Raised {
    /// Something given is wrong.
    pub(crate) fn usage(code: &str, message: impl ToString) -> Self {
        Self { kind: Kind::Usage, code: code.to_owned(), message: message.to_string(), report: None }
    }

    /// Something could not be done.
    pub(crate) fn undecided(code: &str, message: impl ToString) -> Self {
        Self { kind: Kind::Undecided, code: code.to_owned(), message: message.to_string(), report: None }
    }

    /// A model that must not be used.
    pub(crate) fn refused(kind: Kind, report: &VerifyReport) -> Self {
        let code = report.code.clone().unwrap_or_else(|| "error.internal".to_owned());
        Self { kind, code, message: report.message.clone(), report: Some(Box::new(report.clone())) }
    }
}

impl From<Error> for Raised {
    fn from(e: Error) -> Self {
        Self { kind: e.kind(), code: e.code().to_owned(), message: e.to_string(), report: None }
    }
}

impl From<Raised> for PyErr {
    fn from(raised: Raised) -> Self {
        Python::attach(|py| exception(py, &raised).unwrap_or_else(|error| error))
    }
}

fn exception(py: Python<'_>, raised: &Raised) -> PyResult<PyErr> {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = MAKE.get_or_try_init(py, || {
        PyResult::Ok(py.import("modelseal._errors")?.getattr("_from_native")?.unbind())
    })?;
    let kind = match raised.kind {
        Kind::Denied => "denied",
        Kind::Usage => "usage",
        Kind::Undecided => "undecided",
    };
    let facts = PyDict::new(py);
    if let Some(report) = &raised.report {
        facts.set_item("report", json(report)?)?;
    }
    let message = modelseal::Printable(&raised.message).to_string();
    let made = make.bind(py).call((kind, &raised.code, message), Some(&facts))?;
    Ok(PyErr::from_value(made))
}

/// A document as doors print it.
pub(crate) fn json(document: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(document).map_err(|e| Raised::undecided("error.internal", e).into())
}
