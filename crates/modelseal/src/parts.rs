//! `digest --part` and `digest --merge`: one measurement by several processes. Every part names the plan it is a part
//! of, and a merge takes the parts of one plan only, all of them, each once.

use crate::{
    digest::DigestRequest,
    digests::{
        DocumentError, MAX_DOCUMENT_BYTES, WireSerialization, expect_schema, read_document, read_resource,
    },
    error::Error,
    output::Document,
    report::{DigestReport, PartReport, PartResource},
};
use modelseal_core::{
    digest::Digest,
    json::{self, Object},
    limits::MAX_RESOURCES,
    manifest::{Manifest, Method, Resource, Serialization},
};
use modelseal_model::{MeasureError, Part, Progress, measure_part};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// A request for one part of a measurement; made by [`DigestRequest::part`].
#[derive(Debug, Clone)]
#[must_use]
pub struct PartRequest {
    pub(crate) measure: DigestRequest,
    pub(crate) part: Part,
}

/// Puts the parts of one measurement together again, from their documents.
///
/// ```no_run
/// use modelseal::Part;
/// for number in 1..=2 {
///     let part = modelseal::digest("my-model").output(format!("part-{number}.json"));
///     part.part(Part::new(number, 2)?).run(&())?; // each on a machine of its own
/// }
/// let whole = modelseal::merge(["part-1.json", "part-2.json"]).run()?;
/// println!("{}", whole.digests.root);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn merge<P: Into<PathBuf>>(parts: impl IntoIterator<Item = P>) -> MergeRequest {
    MergeRequest { parts: parts.into_iter().map(Into::into).collect(), output: None }
}

/// Which parts to merge.
#[derive(Debug, Clone)]
#[must_use]
pub struct MergeRequest {
    parts: Vec<PathBuf>,
    output: Option<PathBuf>,
}

/// Why parts were not merged.
#[derive(Debug)]
#[non_exhaustive]
pub enum MergeError {
    /// There are no parts.
    None,
    /// A file is no document of a part.
    Document {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: DocumentError,
    },
    /// A document's part cannot be: `number` of `of`.
    Numbering {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file is a part of another plan than the first one: of another model, of the same model in another state, or
    /// measured in another way.
    OtherPlan {
        /// The file.
        file: PathBuf,
        /// What differs, with both values.
        difference: String,
        /// The file it was compared with.
        first: PathBuf,
    },
    /// Two files are the same part.
    SamePart {
        /// The part.
        part: Part,
        /// The one file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Parts are missing.
    Missing {
        /// Their numbers, in order; the first few of them.
        numbers: Vec<u32>,
        /// How many are missing.
        count: usize,
        /// Of how many parts.
        of: u32,
    },
    /// Two files have one resource.
    SameResource {
        /// The resource.
        name: String,
        /// The one file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// What one part says about a resource, or about itself, is not so.
    Contradiction {
        /// The file.
        file: PathBuf,
        /// What it says and what is so.
        reason: String,
    },
    /// The parts together are not what the plan consists of: at least one was edited.
    NotThePlan {
        /// The files.
        files: Vec<PathBuf>,
        /// The plan they name.
        plan: String,
        /// The plan their resources give.
        found: String,
    },
    /// The resources together are no model.
    Manifest(modelseal_core::manifest::ManifestError),
    /// There are more resources than a model may have.
    TooMany(usize),
}

impl PartRequest {
    /// Measures what falls to this part, and writes its document when an output was given.
    ///
    /// # Errors
    /// [`Error`] when the model cannot be read or breaks a rule, the document cannot be written, or further digests were
    /// asked for, which a part has not.
    pub fn run(&self, progress: &dyn Progress) -> Result<PartReport, Error> {
        if !self.measure.also.is_empty() {
            return Err(Error::Measure(MeasureError::AlsoNeedsWholeFiles));
        }
        let output = self.measure.document(PartReport::SCHEMA)?;
        let subject = self.measure.subject()?;
        let measured = measure_part(&subject.source, &subject.options, self.part, progress)?;
        let serialization = &subject.options.serialization;
        let planned = measured.plan.iter().map(|planned| (planned.name(), planned.bytes));
        let report = PartReport {
            schema: PartReport::SCHEMA.into(),
            plan: plan_id(&subject.name, serialization, planned).to_string(),
            part: self.part.number(),
            of: self.part.of(),
            model: subject.name.clone(),
            serialization: serialization.into(),
            bytes: measured.bytes,
            resources: measured
                .resources
                .iter()
                .map(|(resource, bytes)| PartResource {
                    name: resource.name().into(),
                    bytes: *bytes,
                    digest: resource.digest.to_string(),
                })
                .collect(),
            notes: subject.notes(&measured.notes),
        };
        if let Some(output) = output {
            output.write(&report)?;
        }
        Ok(report)
    }
}

impl MergeRequest {
    /// Writes the merged document there, as [`DigestRequest::output`] does.
    pub fn output(mut self, path: impl Into<PathBuf>) -> Self {
        self.output = Some(path.into());
        self
    }

    /// Reads the parts and merges them: the result is that of measuring the whole model at once.
    ///
    /// # Errors
    /// [`Error::Merge`] names the file that is wrong; [`Error::Document`] when the result cannot be written.
    pub fn run(&self) -> Result<DigestReport, Error> {
        let output = self.output.as_ref().map(|path| Document::new(path.clone(), DigestReport::SCHEMA));
        if let Some(output) = &output {
            output.check()?;
        }
        let report = self.merged().map_err(Error::Merge)?;
        if let Some(output) = &output {
            output.write(&report)?;
        }
        Ok(report)
    }

    fn merged(&self) -> Result<DigestReport, MergeError> {
        let Some((first_file, others)) = self.parts.split_first() else { return Err(MergeError::None) };
        let first = ReadPart::of(first_file)?;
        let mut union = Union::default();
        let mut notes: Vec<String> = Vec::new();
        let mut seen = BTreeMap::new();
        let (plan, of) = (first.plan, first.part.of());
        let (name, serialization) = (first.model.clone(), first.serialization.clone());
        let mut next = Some(first);
        let mut others = others.iter();
        let mut file = first_file;
        while let Some(part) = next.take() {
            let differs = |what: &str, found: &dyn fmt::Display, expected: &dyn fmt::Display| {
                let difference = format!("its {what} is {found}, not {expected}");
                MergeError::OtherPlan { file: file.clone(), difference, first: first_file.clone() }
            };
            if part.model != name {
                let quoted = |name: &str| format!("'{}'", modelseal_core::text::Printable(name));
                return Err(differs("model", &quoted(&part.model), &quoted(&name)));
            }
            if part.part.of() != of {
                return Err(differs("number of parts", &part.part.of(), &of));
            }
            if part.plan != plan {
                return Err(differs("plan", &part.plan, &plan));
            }
            if part.serialization != serialization {
                return Err(MergeError::Contradiction {
                    file: file.clone(),
                    reason: "it names the same plan as the others but other serialization parameters".into(),
                });
            }
            if let Some(first) = seen.insert(part.part, file) {
                let (first, second) = (first.clone(), file.clone());
                return Err(MergeError::SamePart { part: part.part, first, second });
            }
            union.add(part.resources, file)?;
            for note in part.notes {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            if let Some(other) = others.next() {
                file = other;
                next = Some(ReadPart::of(other)?);
            }
        }
        let is_missing = |number: &u32| !seen.keys().any(|part| part.number() == *number);
        if seen.len() < of as usize {
            let numbers = (1..=of).filter(is_missing).take(8).collect();
            return Err(MergeError::Missing { numbers, count: of as usize - seen.len(), of });
        }
        union.into_report(name, serialization, &plan, notes, &self.parts)
    }
}

/// One document, read.
struct ReadPart {
    plan: Digest,
    part: Part,
    model: String,
    serialization: Serialization,
    resources: Vec<(Resource, u64)>,
    notes: Vec<String>,
}

impl ReadPart {
    fn of(file: &Path) -> Result<Self, MergeError> {
        let refuse = |reason| MergeError::Document { file: file.to_owned(), reason };
        let contradiction = |reason: String| MergeError::Contradiction { file: file.to_owned(), reason };
        let text = read_document(file).map_err(refuse)?;
        let wire: WirePart<'_> = json::read(&text, MAX_DOCUMENT_BYTES).map_err(|e| refuse(e.into()))?;
        expect_schema(&wire.schema, PartReport::SCHEMA).map_err(refuse)?;
        let part = Part::new(wire.part, wire.of)
            .map_err(|e| MergeError::Numbering { file: file.to_owned(), reason: e.to_string() })?;
        let plan = wire
            .plan
            .strip_prefix("sha256:")
            .and_then(|hex| Digest::from_hex(modelseal_core::digest::Algorithm::Sha256, hex).ok())
            .ok_or_else(|| contradiction("its plan is no sha256 digest".into()))?;
        let serialization = wire.serialization.0.into_serialization().map_err(refuse)?;
        let mut resources = Vec::with_capacity(wire.resources.len());
        let mut bytes: u64 = 0;
        for resource in &wire.resources {
            let read = read_resource(&resource.name, &resource.digest, &serialization).map_err(refuse)?;
            let length = read.range.map(|range| range.end.checked_sub(range.start));
            if length.is_some_and(|length| length != Some(resource.bytes)) {
                return Err(contradiction(format!(
                    "'{}' cannot have {} bytes",
                    modelseal_core::text::Printable(&resource.name),
                    resource.bytes
                )));
            }
            bytes = bytes.saturating_add(resource.bytes);
            resources.push((read, resource.bytes));
        }
        if bytes != wire.bytes {
            let said = wire.bytes;
            return Err(contradiction(format!("it says that it has {said} bytes, but its list has {bytes}")));
        }
        let (model, notes) = (wire.model.into_owned(), wire.notes);
        Ok(Self { plan, part, model, serialization, resources, notes })
    }
}

/// The resources of all parts, each with its size and the file it came from.
#[derive(Default)]
struct Union<'a> {
    resources: Vec<(Resource, u64, &'a PathBuf)>,
}

impl<'a> Union<'a> {
    fn add(&mut self, resources: Vec<(Resource, u64)>, file: &'a PathBuf) -> Result<(), MergeError> {
        let count = self.resources.len() + resources.len();
        if count > MAX_RESOURCES {
            return Err(MergeError::TooMany(count));
        }
        self.resources.extend(resources.into_iter().map(|(resource, bytes)| (resource, bytes, file)));
        Ok(())
    }

    fn into_report(
        mut self,
        name: String,
        serialization: Serialization,
        plan: &Digest,
        notes: Vec<String>,
        files: &[PathBuf],
    ) -> Result<DigestReport, MergeError> {
        self.resources.sort_by_cached_key(|(resource, ..)| resource.name().into_owned());
        for pair in self.resources.windows(2) {
            let [(a, _, first), (b, _, second)] = pair else { continue };
            if a.path == b.path && a.range == b.range {
                let (first, second) = ((*first).clone(), (*second).clone());
                return Err(MergeError::SameResource { name: a.name().into_owned(), first, second });
            }
        }
        let found =
            plan_id(&name, &serialization, self.resources.iter().map(|(r, bytes, _)| (r.name(), *bytes)));
        if found != *plan {
            return Err(MergeError::NotThePlan {
                files: files.to_vec(),
                plan: plan.to_string(),
                found: found.to_string(),
            });
        }
        let bytes = self.resources.iter().map(|(_, bytes, _)| *bytes).fold(0, u64::saturating_add);
        let resources = self.resources.into_iter().map(|(resource, ..)| resource).collect();
        let manifest = Manifest::new(serialization, resources).map_err(MergeError::Manifest)?;
        Ok(DigestReport::of_manifest(&name, &manifest, bytes, notes))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePart<'a> {
    #[serde(borrow)]
    schema: Cow<'a, str>,
    #[serde(borrow)]
    plan: Cow<'a, str>,
    part: u32,
    of: u32,
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    serialization: Object<WireSerialization<'a>>,
    bytes: u64,
    #[serde(borrow)]
    resources: Vec<Object<WirePartResource<'a>>>,
    notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePartResource<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    bytes: u64,
    #[serde(borrow)]
    digest: Cow<'a, str>,
}

/// SHA-256 over a text of all that a measurement is about before a byte is read: the parameters, the model's name, and
/// every resource in name order with its size. Each field stands behind its length, so that no two plans have one text.
fn plan_id<'a>(
    model: &str,
    serialization: &Serialization,
    resources: impl Iterator<Item = (Cow<'a, str>, u64)>,
) -> Digest {
    let mut hash = Sha256::new();
    let mut field = |text: &str| {
        hash.update(format!("{}:", text.len()));
        hash.update(text);
        hash.update("\n");
    };
    field("modelseal.plan/v1");
    field(model);
    field(&serialization.method.to_string());
    field(&match serialization.method {
        Method::Files => String::new(),
        Method::Shards(size) => size.to_string(),
    });
    field(serialization.algorithm.name());
    field(if serialization.allow_symlinks { "links" } else { "no links" });
    field(&serialization.ignore_paths.len().to_string());
    serialization.ignore_paths.iter().for_each(|path| field(path.as_str()));
    for (name, bytes) in resources {
        field(&name);
        field(&bytes.to_string());
    }
    Digest::sha256(hash.finalize().into())
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use modelseal_core::text::Printable as P;
        match self {
            Self::None => f.write_str("there are no parts to merge"),
            Self::Document { file, reason } => {
                write!(f, "'{}' is no part of a measurement: {reason}", file.display())
            }
            Self::Numbering { file, reason } | Self::Contradiction { file, reason } => {
                write!(f, "'{}': {reason}", file.display())
            }
            Self::OtherPlan { file, difference, first } => write!(
                f,
                "'{}' and '{}' are not parts of one measurement: of the former, {difference}; make all parts from one \
                 state of the model, with the same flags",
                file.display(),
                first.display()
            ),
            Self::SamePart { part, first, second } => {
                write!(f, "'{}' and '{}' are both part {part}", first.display(), second.display())
            }
            Self::Missing { numbers, count, of } => {
                let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
                let more = if *count > numbers.len() { ", ..." } else { "" };
                write!(f, "{count} of {of} parts are missing: {}{more}", numbers.join(", "))
            }
            Self::SameResource { name, first, second } => {
                write!(f, "'{}' is listed in '{}' and in '{}'", P(name), first.display(), second.display())
            }
            Self::NotThePlan { files, plan, found } => {
                let shown: Vec<String> =
                    files.iter().take(8).map(|file| format!("'{}'", file.display())).collect();
                let more = if files.len() > shown.len() { ", ..." } else { "" };
                write!(
                    f,
                    "{}{more}: together they are not the plan that they name ({plan}) but {found}, so at least one of \
                     them was edited; make them again",
                    shown.join(", ")
                )
            }
            Self::Manifest(e) => write!(f, "the parts together are no model: {e}"),
            Self::TooMany(count) => {
                write!(f, "{count} resources are more than the limit of {MAX_RESOURCES}")
            }
        }
    }
}

impl std::error::Error for MergeError {}
