//! The annotated disassembly, for people who must judge a pickle themselves.

use super::opcode::opcode;
use crate::rule::Rule;
use modelseal_core::text::Printable;
use std::fmt::{Display, Write};

/// Where a trace is written, and how much of it may be.
pub(crate) struct Trace<'t> {
    to: &'t mut dyn Write,
    left: u64,
    at: u64,
    name: &'static str,
    operand: String,
    /// Whether what the columns are was said.
    explained: bool,
    notes: Vec<String>,
}

impl<'t> Trace<'t> {
    /// At most `lines` lines are written to `to`.
    pub(crate) fn new(to: &'t mut dyn Write, lines: u64) -> Self {
        Self { to, left: lines, at: 0, name: "", operand: String::new(), explained: false, notes: Vec::new() }
    }

    /// A line that is no opcode.
    pub(super) fn heading(&mut self, text: &str) {
        self.line(format_args!("{}", Printable(text)));
        if !self.explained {
            self.explained = true;
            self.line(format_args!(
                "{:>8}  {:<24} {:>5} {}",
                "offset", "opcode", "stack", "on top; ! is a finding"
            ));
        }
    }

    pub(super) fn opcode(&mut self, at: u64, code: u8) {
        (self.at, self.name) = (at, opcode(code).map_or("?", |opcode| opcode.name));
        self.operand.clear();
    }

    /// What the opcode has in the stream beside it, where that is not what it puts on top.
    pub(super) fn operand(&mut self, operand: impl Display) {
        self.operand = format!(" {operand}");
    }

    pub(super) fn note(&mut self, text: &str) {
        self.notes.push(format!("; {text}"));
    }

    pub(super) fn finding(&mut self, rule: &Rule, message: &str) {
        self.notes.push(format!("! {} {} {}: {message}", rule.id, rule.severity, rule.name));
    }

    /// Ends the opcode's line: how high the stack is now, what lies on top, and what there is to say.
    pub(super) fn done(&mut self, height: usize, top: Option<&str>) {
        let (at, opcode) = (self.at, format!("{}{}", self.name, self.operand));
        let top = top.unwrap_or("nothing");
        self.line(format_args!("{at:>8}  {opcode:<24} {height:>5} {}", Printable(top)));
        self.flush();
    }

    /// Writes what was found after the last opcode.
    pub(super) fn flush(&mut self) {
        for note in std::mem::take(&mut self.notes) {
            self.line(format_args!("{:>40} {}", "", Printable(&note)));
        }
    }

    /// The opcode that could not be followed, and why.
    pub(super) fn broken(&mut self) {
        if !self.notes.is_empty() {
            let (at, name) = (self.at, self.name);
            self.line(format_args!("{at:>8}  {name:<24} {:>5}", "-"));
            self.flush();
        }
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        match self.left {
            0 => {}
            1 => {
                self.left = 0;
                // Whoever reads does not want more.
                let _ = writeln!(self.to, "… the trace goes on; only so much is shown");
            }
            _ => {
                self.left -= 1;
                if writeln!(self.to, "{text}").is_err() {
                    self.left = 0;
                }
            }
        }
    }
}
