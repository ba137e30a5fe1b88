//! [`Inspection`]: what is in a model's files, and whether they can run code. Nouns only: `modelseal-inspect` measures.
//!
//! An inspection is a function of the bytes, the rules and the bounds alone, so that whoever has the same three can
//! compare two of them.

mod contents;
mod format;

pub use contents::{Capability, Contents, NAMES_KEPT, PickleTier};
pub use format::FileFormat;

use crate::{path::ModelPath, text::Printable};
use std::{
    collections::BTreeSet,
    fmt,
    str::{self, FromStr},
};

/// The lasting name of a rule: three capital letters for its subject and three digits.
///
/// ```
/// # use modelseal_core::inspection::RuleId;
/// let id: RuleId = "PKL001".parse().unwrap();
/// assert_eq!(id.to_string(), "PKL001");
/// assert!("pkl1".parse::<RuleId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId([u8; 6]);

/// A text is no [`RuleId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARuleId;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; changes no verdict.
    Note,
    /// Something could not be inspected.
    Unknown,
    /// Cannot be shown to be harmless.
    Suspicious,
    /// Breaks its format: readers disagree about it, fail, or allocate too much.
    Malformed,
    /// Runs code or reaches files, processes or the network when it is loaded, or names something that does.
    Malicious,
}

/// What is thought of a file or a model: the worst of its findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// All of it was understood, and nothing found.
    Clean,
    /// Some of it was not understood or not inspected.
    Unknown,
    /// Some of it cannot be shown to be harmless.
    Suspicious,
    /// Some of it breaks its format.
    Malformed,
    /// Some of it runs code or names what does.
    Malicious,
}

/// Where something was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file of the model.
    pub file: ModelPath,
    /// The members of archives on the way to it, outermost first. These names are foreign text and never paths of a disk.
    pub members: Vec<String>,
    /// The first byte, counted from the start of the innermost member, or of the file.
    pub offset: Option<u64>,
}

/// Something that a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: RuleId,
    /// How bad it is under the rules that were asked for.
    pub severity: Severity,
    /// Where it was found first.
    pub place: Place,
    /// What was found, in one sentence; holds foreign text.
    pub message: String,
    /// What it is about, where that has a name: a global, a member, an operator.
    pub subject: Option<String>,
    /// How often it was found in this file.
    pub count: u64,
}

/// What was found in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInspection {
    /// Its name.
    pub path: ModelPath,
    /// Its size in bytes.
    pub size: u64,
    /// What it is, by its content.
    pub format: FileFormat,
    /// That and the formats of everything within.
    pub formats: BTreeSet<FileFormat>,
    /// What it holds.
    pub contents: Contents,
    /// In the order of rule, place and subject.
    pub findings: Vec<Finding>,
}

/// What was found in a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// In the order of their names.
    pub files: Vec<FileInspection>,
}

impl RuleId {
    /// Takes a name that the compiler has seen: a wrong one does not build where this is used for a constant.
    #[must_use]
    pub const fn of(name: &'static str) -> Self {
        match Self::from_bytes(name.as_bytes()) {
            Some(id) => id,
            None => Self(*b"ERR000"),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    const fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != 6 {
            return None;
        }
        let mut id = [0; 6];
        let mut at = 0;
        while at < 6 {
            let good = if at < 3 { bytes[at].is_ascii_uppercase() } else { bytes[at].is_ascii_digit() };
            if !good {
                return None;
            }
            id[at] = bytes[at];
            at += 1;
        }
        Some(Self(id))
    }
}

impl Severity {
    /// All, mildest first.
    pub const ALL: [Self; 5] =
        [Self::Note, Self::Unknown, Self::Suspicious, Self::Malformed, Self::Malicious];

    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::Suspicious => "suspicious",
            Self::Malformed => "malformed",
            Self::Malicious => "malicious",
        }
    }

    /// The verdict that a finding of this severity makes.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Note => Verdict::Clean,
            Self::Unknown => Verdict::Unknown,
            Self::Suspicious => Verdict::Suspicious,
            Self::Malformed => Verdict::Malformed,
            Self::Malicious => Verdict::Malicious,
        }
    }
}

impl Verdict {
    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Unknown => "unknown",
            Self::Suspicious => "suspicious",
            Self::Malformed => "malformed",
            Self::Malicious => "malicious",
        }
    }
}

impl FileInspection {
    /// The worst of its findings.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|finding| finding.severity.verdict()).max().unwrap_or(Verdict::Clean)
    }
}

impl Inspection {
    /// What was found in the file of this name.
    #[must_use]
    pub fn file(&self, path: &ModelPath) -> Option<&FileInspection> {
        self.files.binary_search_by(|file| file.path.cmp(path)).ok().and_then(|at| self.files.get(at))
    }

    /// The worst of its files. A model without files is clean: whether that is a model is for others to say.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.files.iter().map(FileInspection::verdict).max().unwrap_or(Verdict::Clean)
    }
}

impl FromStr for RuleId {
    type Err = NotARuleId;

    fn from_str(name: &str) -> Result<Self, NotARuleId> {
        Self::from_bytes(name.as_bytes()).ok_or(NotARuleId)
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for NotARuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rule is named by three capital letters and three digits, as PKL001")
    }
}

impl std::error::Error for NotARuleId {}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `model.pt!/archive/data.pkl@120`: file, members, offset.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)?;
        for member in &self.members {
            write!(f, "!/{}", Printable(member))?;
        }
        match self.offset {
            Some(offset) => write!(f, "@{offset}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(severities: &[Severity]) -> FileInspection {
        let place = Place { file: ModelPath::parse("a").unwrap(), members: Vec::new(), offset: None };
        let finding = |&severity| Finding {
            rule: RuleId::of("PKL001"),
            severity,
            place: place.clone(),
            message: String::new(),
            subject: None,
            count: 1,
        };
        FileInspection {
            path: place.file.clone(),
            size: 0,
            format: FileFormat::Pickle,
            formats: BTreeSet::new(),
            contents: Contents::default(),
            findings: severities.iter().map(finding).collect(),
        }
    }

    #[test]
    fn the_verdict_is_that_of_the_worst_finding() {
        use Severity::{Malformed, Malicious, Note, Suspicious, Unknown};
        assert_eq!(file(&[]).verdict(), Verdict::Clean);
        assert_eq!(file(&[Note]).verdict(), Verdict::Clean);
        assert_eq!(file(&[Note, Unknown]).verdict(), Verdict::Unknown);
        assert_eq!(file(&[Suspicious, Unknown]).verdict(), Verdict::Suspicious);
        assert_eq!(file(&[Malformed, Suspicious]).verdict(), Verdict::Malformed);
        assert_eq!(file(&[Malicious, Malformed]).verdict(), Verdict::Malicious);
        let model = Inspection { files: vec![file(&[]), file(&[Malformed]), file(&[Suspicious])] };
        assert_eq!(model.verdict(), Verdict::Malformed);
    }

    #[test]
    fn a_place_prints_without_the_terminal_obeying_it() {
        let place = Place {
            file: ModelPath::parse("m.pt").unwrap(),
            members: vec!["a/\x1b[2Jdata.pkl".to_owned()],
            offset: Some(7),
        };
        assert_eq!(place.to_string(), "m.pt!/a/\\u{1b}[2Jdata.pkl@7");
    }
}
