//! [`Complaint`]: what is wrong with a policy, where, and what to do about it.

use modelseal_core::text::Printable;
use serde::Serialize;
use std::fmt;

/// How bad a [`Complaint`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy is not used.
    Error,
    /// The policy is used; somebody should look at it.
    Warning,
}

/// A kind of complaint: its stable name, and what it is about.
#[derive(Debug, PartialEq, Eq)]
pub struct Lint {
    /// The stable name, such as `lint.empty-signers`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Why it is complained about, in a sentence or two.
    pub explanation: &'static str,
}

/// One thing that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Complaint {
    /// The stable name of its kind, such as `lint.empty-signers`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The policy's name as the caller gave it: a file's path.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The place in the document, such as `rule[0].signature.threshold`; empty for the document itself.
    pub path: String,
    /// The text that is complained about: at most one line, shortened.
    pub text: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where there is something to say.
    pub suggestion: Option<String>,
}

/// `FILE:LINE:COLUMN: error[ID]: what is wrong`, then the text and the suggestion on lines of their own.
impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let (file, message) = (Printable(&self.file), Printable(&self.message));
        write!(f, "{file}:{}:{}: {severity}[{}]: {message}", self.line, self.column, self.id)?;
        if !self.text.is_empty() {
            write!(f, "\n  | {}", Printable(&self.text))?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "\n  help: {}", Printable(suggestion))?;
        }
        Ok(())
    }
}

impl std::error::Error for Complaint {}

/// Most complaints about one policy; more help nobody.
pub const MAX_COMPLAINTS: usize = 200;

/// Collects complaints about one source text.
#[derive(Debug, Clone)]
pub(super) struct Complaints {
    file: String,
    /// Byte offsets at which lines start.
    lines: Vec<usize>,
    source: String,
    list: Vec<(usize, Complaint)>,
    left_out: usize,
}

impl Complaints {
    pub(super) fn new(file: &str, source: &str) -> Self {
        let starts = source.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Self { file: file.to_owned(), lines, source: source.to_owned(), list: Vec::new(), left_out: 0 }
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn add(
        &mut self,
        lint: &'static Lint,
        span: (usize, usize),
        path: String,
        message: String,
        suggestion: Option<String>,
    ) {
        if self.list.len() >= MAX_COMPLAINTS {
            self.left_out += 1;
            // An error must not be lost behind warnings.
            let Some(warning) = self.list.iter().position(|(_, c)| c.severity == Severity::Warning) else {
                return;
            };
            if lint.severity == Severity::Warning {
                return;
            }
            self.list.swap_remove(warning);
        }
        let (line, column) = self.place(span.0);
        let complaint = Complaint {
            id: lint.id,
            severity: lint.severity,
            file: self.file.clone(),
            line,
            column,
            path,
            text: self.excerpt(span),
            message,
            suggestion,
        };
        // The same thing can be found on two ways.
        if !self
            .list
            .iter()
            .any(|(at, c)| *at == span.0 && c.id == complaint.id && c.message == complaint.message)
        {
            self.list.push((span.0, complaint));
        }
    }

    /// Whether one more would be left out, whatever it is. Callers that work for their message ask first, and
    /// [`leave_out`](Self::leave_out).
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= MAX_COMPLAINTS && self.list.iter().all(|(_, c)| c.severity == Severity::Error)
    }

    pub(super) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// Whether the policy cannot be used.
    pub(super) fn has_errors(&self) -> bool {
        self.list.iter().any(|(_, c)| c.severity == Severity::Error)
    }

    /// Every complaint in the order of the text.
    pub(super) fn sorted(&self) -> Vec<Complaint> {
        let mut list = self.list.clone();
        list.sort_by(|(a, x), (b, y)| (a, x.severity, x.id, &x.path).cmp(&(b, y.severity, y.id, &y.path)));
        let mut list: Vec<Complaint> = list.into_iter().map(|(_, complaint)| complaint).collect();
        if let (Some(last), true) = (list.last_mut(), self.left_out > 0) {
            last.message.push_str(&format!(" ({} further complaints are not shown)", self.left_out));
        }
        list
    }

    /// Line and column, both from 1, of a byte offset.
    fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column =
            self.source.get(start..offset.min(self.source.len())).map_or(0, |text| text.chars().count());
        (line.max(1), column + 1)
    }

    fn excerpt(&self, (start, end): (usize, usize)) -> String {
        let text = self.source.get(start..end.min(self.source.len())).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let short: String = line.chars().take(EXCERPT).collect();
        if short.len() < line.len() || line.len() < text.trim_end().len() { short + " ..." } else { short }
    }
}

/// Characters of a text that is shown.
const EXCERPT: usize = 100;
