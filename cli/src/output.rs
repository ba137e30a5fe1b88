//! Printing: results on standard output, everything else on standard error. A reader that went away is no failure.

use crate::{
    args::{Format, LogLevel},
    exit::{Exit, Failure},
};
use modelseal::report::ErrorReport;
use serde::Serialize;
use std::io::{self, Write};

/// Where results and diagnostics go.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
    level: LogLevel,
}

impl Output {
    pub fn new(format: Format, level: LogLevel) -> Self {
        Self { format, level }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints a result: `document` as JSON, or what `text` writes.
    pub fn result(
        &self,
        document: &impl Serialize,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut stdout = io::BufWriter::new(io::stdout().lock());
        let written = match self.format {
            Format::Json => serde_json::to_writer_pretty(&mut stdout, document)
                .map_err(io::Error::from)
                .and_then(|()| stdout.write_all(b"\n")),
            Format::Text => text(&mut stdout),
        };
        forgive_closed_pipe(written.and_then(|()| stdout.flush()))
    }

    /// Prints exact bytes.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        forgive_closed_pipe(stdout.write_all(bytes).and_then(|()| stdout.flush()))
    }

    /// Warns on standard error. In JSON the warnings are part of the document.
    pub fn warnings<'a>(&self, warnings: impl IntoIterator<Item = &'a String>) {
        if self.level >= LogLevel::Error || self.is_json() {
            return;
        }
        for warning in warnings {
            self.diagnostic(format_args!("warning: {}", modelseal::Printable(warning)));
        }
    }

    /// A line on standard error.
    pub fn diagnostic(&self, line: impl std::fmt::Display) {
        // There is nobody left to tell when standard error is closed.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Reports that a command was not carried out.
    pub fn failure(&self, failure: &Failure) -> Exit {
        let message = modelseal::Printable(&failure.message);
        match failure.doing {
            Some(doing) => self.diagnostic(format_args!("{doing} failed with error: {message}")),
            None => self.diagnostic(format_args!("error: {message}")),
        }
        if self.is_json() {
            let report = ErrorReport::new(failure.code, failure.message.clone());
            let _ = self.result(&report, |_| Ok(()));
        }
        failure.exit
    }
}

fn forgive_closed_pipe(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::io(format_args!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}
