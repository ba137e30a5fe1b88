//! The exceptions of the package, which are classes of Python (`modelseal/_errors.py`).

use modelseal::{Error, Kind, LoadError, report::VerifyReport};
use pyo3::{prelude::*, sync::PyOnceLock, types::PyDict};

/// One exception: its class, code and message, and what is known besides.
pub(crate) struct Raised {
    pub(crate) kind: Kind,
    pub(crate) code: String,
    pub(crate) message: String,
    /// What to do about it, where no check says it.
    pub(crate) fix: Option<String>,
    /// The file of the model that it is about.
    pub(crate) file: Option<String>,
    /// Every check, where a model was judged.
    pub(crate) report: Option<Box<VerifyReport>>,
}

impl Raised {
    fn new(kind: Kind, code: &str, message: impl ToString) -> Self {
        let (code, message) = (code.to_owned(), message.to_string());
        Self { kind, code, message, fix: None, file: None, report: None }
    }

    /// Something given is wrong.
    pub(crate) fn usage(code: &str, message: impl ToString) -> Self {
        Self::new(Kind::Usage, code, message)
    }

    /// What went wrong with a file.
    pub(crate) fn about(e: &LoadError, file: &str) -> Self {
        Self { file: Some(file.to_owned()), ..e.clone().into() }
    }

    /// Something could not be done.
    pub(crate) fn undecided(code: &str, message: impl ToString) -> Self {
        Self::new(Kind::Undecided, code, message)
    }

    /// A model that must not be used.
    pub(crate) fn refused(kind: Kind, report: &VerifyReport) -> Self {
        let raised = match &report.code {
            Some(code) => Self::new(kind, code, &report.message),
            // The one verdict that is no allow and no denial.
            None => Self {
                fix: Some("accept_unverified=True lets it through".to_owned()),
                ..Self::new(kind, "signature.missing", "nothing about this model was verified")
            },
        };
        Self { report: Some(Box::new(report.clone())), ..raised }
    }
}

impl From<Error> for Raised {
    fn from(e: Error) -> Self {
        Self::new(e.kind(), e.code(), e)
    }
}

impl From<LoadError> for Raised {
    fn from(e: LoadError) -> Self {
        let fix = Some(e.fix().to_owned()).filter(|fix| !fix.is_empty());
        let file = e.file().map(str::to_owned);
        Self { fix, file, ..Self::new(e.kind(), e.code(), e.message()) }
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
    facts.set_item("fix", &raised.fix)?;
    facts.set_item("file", &raised.file)?;
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
