//! Printing: results on standard output, everything else on standard error. A reader that went away is no failure.

pub mod findings;
pub mod inspection;
pub mod tree;

use crate::{
    args::{Command, Format, FreezeMethod, LogLevel, PolicyCommand, VerifyMethod},
    exit::{Exit, Failure},
};
use findings::Findings;
use modelseal::{graph::GraphLanguage, report::ErrorReport};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

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

    /// Refuses a command that has nothing to say in the format that was asked for.
    pub fn check(&self, command: &Command) -> Result<(), Failure> {
        let finds = matches!(
            command,
            Command::Verify { method: VerifyMethod::Policy(_) }
                | Command::Freeze { method: FreezeMethod::Policy(_) }
                | Command::Policy { command: PolicyCommand::Lint(_) }
        );
        let inspects = matches!(command, Command::Inspect(_));
        let (fits, message) = match self.format {
            Format::Text | Format::Json => (true, ""),
            Format::Sarif if inspects => (true, ""),
            Format::Sarif | Format::Junit | Format::Github => (
                finds,
                "only `verify --policy` and `policy lint` print sarif, junit and github, and `inspect` sarif; use text \
                 or json",
            ),
            Format::Dot | Format::Mermaid => (
                matches!(command, Command::Lineage(_)),
                "only `lineage` prints dot and mermaid; use text or json",
            ),
        };
        if fits { Ok(()) } else { Err(Failure::usage("usage.flags", message)) }
    }

    /// The language of graphs that is asked for.
    pub fn graph(&self) -> Option<GraphLanguage> {
        match self.format {
            Format::Dot => Some(GraphLanguage::Dot),
            Format::Mermaid => Some(GraphLanguage::Mermaid),
            _ => None,
        }
    }

    /// Whether SARIF is asked for.
    pub fn is_sarif(&self) -> bool {
        self.format == Format::Sarif
    }

    /// Whether [`findings`](Self::findings) are asked for.
    pub fn wants_findings(&self) -> bool {
        matches!(self.format, Format::Sarif | Format::Junit | Format::Github)
    }

    /// Prints findings for another program.
    pub fn findings(&self, findings: &Findings) -> Result<(), Failure> {
        match self.format {
            Format::Sarif => self.result(&findings.sarif(), |out| {
                let json = serde_json::to_string_pretty(&findings.sarif()).map_err(io::Error::from)?;
                writeln!(out, "{}", escaped(json))
            }),
            Format::Junit => self.raw(findings.junit().as_bytes()),
            Format::Github => self.raw(findings.github().as_bytes()),
            Format::Text | Format::Json | Format::Dot | Format::Mermaid => Ok(()),
        }
    }

    /// Prints a result: `document` as JSON, or what `text` writes.
    pub fn result(
        &self,
        document: &impl Serialize,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut stdout = io::BufWriter::new(io::stdout().lock());
        let written = match self.format {
            Format::Json => serde_json::to_string_pretty(document)
                .map_err(io::Error::from)
                .and_then(|json| writeln!(stdout, "{}", escaped(json))),
            _ => text(&mut stdout),
        };
        forgive_closed_pipe(written.and_then(|()| stdout.flush()))
    }

    /// Says why something is refused, on standard error, with what the user should know; and prints `document` where JSON is asked
    /// for.
    pub fn refusal(
        &self,
        document: &impl Serialize,
        notes: &[String],
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut written = Vec::new();
        if text(&mut written).is_ok() {
            self.diagnostic(String::from_utf8_lossy(&written).trim_end());
        }
        self.warnings(notes);
        if self.is_json() { self.result(document, |_| Ok(())) } else { Ok(()) }
    }

    /// Prints exact bytes.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        forgive_closed_pipe(stdout.write_all(bytes).and_then(|()| stdout.flush()))
    }

    /// Prints exact bytes of JSON; on a terminal, with what could control it escaped.
    pub fn raw_json(&self, json: &[u8]) -> Result<(), Failure> {
        if !io::stdout().is_terminal() {
            return self.raw(json);
        }
        self.raw(escaped(String::from_utf8_lossy(json).into_owned()).as_bytes())
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

/// JSON may hold names with control characters beyond ASCII and direction marks as they are; terminals obey them.
fn escaped(json: String) -> String {
    let is_unsafe = |c: char| c != '\n' && modelseal::is_unsafe_to_print(c);
    if !json.contains(is_unsafe) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        // All of them are in the basic plane, so that four digits do.
        if is_unsafe(c) { safe.push_str(&format!("\\u{:04x}", u32::from(c))) } else { safe.push(c) }
    }
    safe
}

fn forgive_closed_pipe(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::io(format_args!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_cannot_control_a_terminal() {
        let name = "x\u{9b}31m\u{202e}y\u{7f}";
        let json = escaped(serde_json::to_string(name).unwrap());
        assert!(json.is_ascii(), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), name);
    }
}
