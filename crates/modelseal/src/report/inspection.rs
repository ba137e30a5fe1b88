//! What is in a model's files: the document of `inspect`.

use modelseal_core::inspection::{
    Contents, FileInspection, Finding, Inspection, Place, RuleId, Severity, Verdict,
};
use modelseal_inspect::{Rule, RuleSet, limits_digest, rule};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is in the files of a model, and whether they can run code. But for `notes` it is a function of the bytes, the rules
/// and the bounds alone.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct InspectionReport {
    /// Always `modelseal.inspection/v1`.
    pub schema: String,
    /// The verdict on the model: the worst of its files.
    pub verdict: InspectionVerdict,
    /// Whether the rules deny a model of this verdict.
    pub denied: bool,
    /// Whether all of it was understood and inspected.
    pub coverage: Coverage,
    /// The rules it was judged by.
    pub rules: RuleSetReport,
    /// What the files are and hold, together.
    pub summary: InspectionSummary,
    /// Every file, by name.
    pub files: Vec<FileInspectionReport>,
    /// How it compares with what was reported before. Absent unless that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<ComparisonReport>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

/// An inspection compared with a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ComparisonReport {
    /// The report.
    pub report: String,
    /// Whether it is what inspection finds now, byte for byte.
    pub same: bool,
    /// What differs.
    pub differences: Vec<String>,
}

/// What is thought of a file or a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InspectionVerdict {
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

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingSeverity {
    /// Worth knowing; changes no verdict.
    Note,
    /// Something could not be inspected.
    Unknown,
    /// Cannot be shown to be harmless.
    Suspicious,
    /// Breaks its format.
    Malformed,
    /// Runs code, or names what does.
    Malicious,
}

/// How much was inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// All of every file was understood, whatever was found in it.
    Complete,
    /// Something was not understood, or lies beyond a bound.
    Partial,
}

/// The rules of an inspection.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RuleSetReport {
    /// Whose rules: `modelseal` for those that are shipped.
    pub id: String,
    /// Their version.
    pub version: String,
    /// `sha256:<hex>` over all that decides what is found.
    pub digest: String,
    /// `sha256:<hex>` over the bounds on what is inspected.
    pub limits_digest: String,
    /// The mildest verdict that is denied.
    pub denies_from: InspectionVerdict,
    /// Rules whose severity is not the usual one.
    pub changed: Vec<ChangedRuleReport>,
}

/// A rule whose severity a rule set changes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ChangedRuleReport {
    /// The rule.
    pub rule: String,
    /// How bad it usually is.
    pub from: FindingSeverity,
    /// How bad it is here.
    pub to: FindingSeverity,
    /// Why. Absent where it was raised without a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A model in numbers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct InspectionSummary {
    /// Number of files.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
    /// How many files have each verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// How many files have each format.
    pub formats: BTreeMap<String, u64>,
    /// Tensors of all files.
    pub tensors: u64,
    /// Elements of all tensors.
    pub parameters: u64,
    /// `P0` (there is no pickle) to `P5` (a pickle that is known to be dangerous): the highest of all files.
    pub pickle_tier: String,
    /// What the files can do or bring along beyond numbers.
    pub capabilities: BTreeSet<String>,
}

/// One file.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FileInspectionReport {
    /// Its name.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The verdict: that of its worst finding.
    pub verdict: InspectionVerdict,
    /// What it is, by its content.
    pub format: String,
    /// That and the formats of everything in it.
    pub formats: BTreeSet<String>,
    /// What it holds.
    pub contents: ContentsReport,
    /// What was found, in the order of rule and place.
    pub findings: Vec<FindingReport>,
}

/// What a file holds. Sets of names hold 4096 at most; `names-left-out` counts the rest.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ContentsReport {
    /// Tensors or arrays.
    pub tensors: u64,
    /// Elements of all tensors.
    pub parameters: u64,
    /// How many tensors have each element type, by the format's own name for it.
    pub dtypes: BTreeMap<String, u64>,
    /// `P0` to `P5`.
    pub pickle_tier: String,
    /// Python globals that its pickles name.
    pub globals: BTreeSet<String>,
    /// Operators of its graphs that are worth naming.
    pub operators: BTreeSet<String>,
    /// Scripts and programs in it.
    pub scripts: BTreeSet<String>,
    /// Files outside, which it names.
    pub external: BTreeSet<String>,
    /// Chat templates.
    pub templates: u64,
    /// Members of archives, at every depth.
    pub members: u64,
    /// Names that are left out of the sets above.
    pub names_left_out: u64,
    /// What it can do or brings along beyond numbers.
    pub capabilities: BTreeSet<String>,
}

/// Something that a rule found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FindingReport {
    /// The rule, such as `PKL001`.
    pub rule: String,
    /// The rule in words, such as `dangerous-global`.
    pub name: String,
    /// How bad it is under the rules of this inspection.
    pub severity: FindingSeverity,
    /// Where it was found first.
    pub place: PlaceReport,
    /// What was found.
    pub message: String,
    /// What it is about, where that has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How often it was found in this file.
    pub count: u64,
    /// What to do.
    pub remedy: String,
}

/// Where something was found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PlaceReport {
    /// The file of the model.
    pub file: String,
    /// The members of archives on the way, outermost first. Foreign text, and never paths of a disk.
    pub members: Vec<String>,
    /// The first byte, counted from the start of the innermost member, or of the file. Absent where there is none to name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// A rule, as `inspect --explain` prints it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RuleReport {
    /// Always `modelseal.rule/v1`.
    pub schema: String,
    /// The rules that were asked for, by name.
    pub rules: Vec<RuleDescription>,
}

/// What a rule finds, and what to do about it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RuleDescription {
    /// Its lasting name.
    pub id: String,
    /// The same in words.
    pub name: String,
    /// How bad it is unless a rule set says otherwise.
    pub severity: FindingSeverity,
    /// What it means when this is found.
    pub summary: String,
    /// What to do about it.
    pub remedy: String,
    /// Its page.
    pub page: String,
}

impl InspectionReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.inspection/v1";

    /// Puts an inspection into words for a machine.
    #[must_use]
    pub fn of(inspection: &Inspection, rules: &RuleSet, notes: Vec<String>) -> Self {
        let verdict = inspection.verdict();
        Self {
            schema: Self::SCHEMA.into(),
            verdict: verdict.into(),
            denied: rules.denies(verdict),
            coverage: Coverage::of(inspection),
            rules: RuleSetReport::of(rules),
            summary: InspectionSummary::of(inspection),
            files: inspection.files.iter().map(Into::into).collect(),
            comparison: None,
            notes,
        }
    }
}

impl RuleReport {
    /// The schema id.
    pub const SCHEMA: &str = "modelseal.rule/v1";

    /// Describes one rule, or all when none is named.
    #[must_use]
    pub fn of(id: Option<RuleId>) -> Self {
        let asked = |rule: &&'static Rule| id.is_none_or(|id| rule.id == id);
        let rules = modelseal_inspect::rules().into_iter().filter(asked).map(Into::into).collect();
        Self { schema: Self::SCHEMA.into(), rules }
    }
}

impl From<&'static Rule> for RuleDescription {
    fn from(rule: &'static Rule) -> Self {
        Self {
            id: rule.id.to_string(),
            name: rule.name.into(),
            severity: rule.severity.into(),
            summary: rule.summary.into(),
            remedy: rule.remedy.into(),
            page: rule_page(rule.id),
        }
    }
}

/// Where the page of a rule is.
pub(crate) fn rule_page(id: RuleId) -> String {
    format!("{}/blob/main/docs/rules/{id}.md", env!("CARGO_PKG_REPOSITORY"))
}

/// The rules for archives that are not looked into.
const UNREAD: [&str; 3] = ["SVZ002", "SVZ003", "SVZ006"];

impl Coverage {
    /// What is not understood, or lies beyond a bound, has a finding that says so, whatever a rule set thinks of it.
    #[must_use]
    pub fn of(inspection: &Inspection) -> Self {
        if inspection.files.iter().flat_map(|file| &file.findings).any(Self::is_partial) {
            Self::Partial
        } else {
            Self::Complete
        }
    }

    /// Whether a finding says that something was not understood or not looked at.
    pub(crate) fn is_partial(finding: &Finding) -> bool {
        let not_understood = rule(finding.rule).is_some_and(|rule| rule.severity == Severity::Unknown);
        let name = finding.rule.as_str();
        not_understood
            || finding.severity == Severity::Unknown
            || name.starts_with("LIM")
            || UNREAD.contains(&name)
    }

    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
        }
    }
}

impl RuleSetReport {
    pub(crate) fn of(rules: &RuleSet) -> Self {
        let changed = rules.changed().map(|(id, changed)| ChangedRuleReport {
            rule: id.to_string(),
            from: changed.from().into(),
            to: changed.to().into(),
            reason: changed.reason().map(str::to_owned),
        });
        Self {
            id: rules.id().into(),
            version: rules.version().into(),
            digest: rules.digest().to_string(),
            limits_digest: limits_digest().to_string(),
            denies_from: rules.denies_from().into(),
            changed: changed.collect(),
        }
    }
}

impl InspectionSummary {
    fn of(inspection: &Inspection) -> Self {
        let (mut verdicts, mut formats) = (BTreeMap::new(), BTreeMap::new());
        let mut summary = Self {
            files: inspection.files.len() as u64,
            bytes: 0,
            verdicts: BTreeMap::new(),
            formats: BTreeMap::new(),
            tensors: 0,
            parameters: 0,
            pickle_tier: String::new(),
            capabilities: BTreeSet::new(),
        };
        let mut tier = Contents::default().pickle_tier();
        for file in &inspection.files {
            *verdicts.entry(file.verdict().name().to_owned()).or_insert(0) += 1;
            *formats.entry(file.format.name().to_owned()).or_insert(0) += 1;
            summary.bytes = summary.bytes.saturating_add(file.size);
            summary.tensors = summary.tensors.saturating_add(file.contents.tensors);
            summary.parameters = summary.parameters.saturating_add(file.contents.parameters);
            summary.capabilities.extend(file.contents.capabilities.iter().map(ToString::to_string));
            tier = tier.max(file.contents.pickle_tier());
        }
        Self { verdicts, formats, pickle_tier: tier.to_string(), ..summary }
    }
}

impl From<&FileInspection> for FileInspectionReport {
    fn from(file: &FileInspection) -> Self {
        Self {
            path: file.path.as_str().into(),
            bytes: file.size,
            verdict: file.verdict().into(),
            format: file.format.to_string(),
            formats: file.formats.iter().map(ToString::to_string).collect(),
            contents: (&file.contents).into(),
            findings: file.findings.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Contents> for ContentsReport {
    fn from(contents: &Contents) -> Self {
        Self {
            tensors: contents.tensors,
            parameters: contents.parameters,
            dtypes: contents.dtypes.clone(),
            pickle_tier: contents.pickle_tier().to_string(),
            globals: contents.globals.clone(),
            operators: contents.operators.clone(),
            scripts: contents.scripts.clone(),
            external: contents.external.clone(),
            templates: contents.templates,
            members: contents.members,
            names_left_out: contents.names_left_out,
            capabilities: contents.capabilities.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&Finding> for FindingReport {
    fn from(finding: &Finding) -> Self {
        let rule = rule(finding.rule);
        Self {
            rule: finding.rule.to_string(),
            name: rule.map_or("", |rule| rule.name).into(),
            severity: finding.severity.into(),
            place: (&finding.place).into(),
            message: finding.message.clone(),
            subject: finding.subject.clone(),
            count: finding.count,
            remedy: rule.map_or("", |rule| rule.remedy).into(),
        }
    }
}

impl From<&Place> for PlaceReport {
    fn from(place: &Place) -> Self {
        Self { file: place.file.as_str().into(), members: place.members.clone(), offset: place.offset }
    }
}

impl From<Verdict> for InspectionVerdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Clean => Self::Clean,
            Verdict::Unknown => Self::Unknown,
            Verdict::Suspicious => Self::Suspicious,
            Verdict::Malformed => Self::Malformed,
            Verdict::Malicious => Self::Malicious,
        }
    }
}

impl InspectionVerdict {
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

impl From<Severity> for FindingSeverity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Note => Self::Note,
            Severity::Unknown => Self::Unknown,
            Severity::Suspicious => Self::Suspicious,
            Severity::Malformed => Self::Malformed,
            Severity::Malicious => Self::Malicious,
        }
    }
}

impl FindingSeverity {
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
}
