//! [`RecordedFacts`]: the inputs of a decision in a file, to be judged again under another policy. The bundles are verified
//! again, whatever the file says; the measurement is taken on its word, which is why nothing that comes of it opens a door.

use super::{
    Evidence, Facts, KeylessVerifier, Refused, collect, manifest_name,
    measured::{self, Measured, MeasuredFact},
    recorded_inspection::{self, WireInspected},
};
use crate::{
    decision::{self, BaseModel, BaseModels, Code, Decision, PolicySet, Replayed, Request},
    policy::reference::Reference,
};
use jiff::Timestamp;
use modelseal_core::{
    digest::{Algorithm, Digest},
    json::{self, JsonError},
    manifest::{ByteRange, Manifest, Method, Resource, Serialization},
    path::ModelPath,
    predicate::descriptor::Descriptor,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, num::NonZeroU64, sync::Arc};

/// The schema id of recorded facts.
pub const FACTS_SCHEMA: &str = "modelseal.facts/v1";

/// The largest file of recorded facts that is read, in bytes: evidence at its bound, and the list of a million files.
const MAX_RECORDED_BYTES: u64 = 512 * 1024 * 1024;

/// Facts read back from a file, or about to be written into one.
///
/// ```compile_fail
/// use modelseal_verify::facts::{Facts, RecordedFacts};
/// fn cheat(recorded: RecordedFacts) -> Facts {
///     recorded.into() // no way back
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RecordedFacts {
    wire: Wire,
    reference: Reference,
    now: Timestamp,
    measured: Vec<MeasuredFact>,
    /// Reference and measurements of each base model of `wire`.
    base_models: Vec<(Reference, Vec<MeasuredFact>)>,
}

/// A model that another one was made from, as far as it is recorded with that one.
#[derive(Debug, Clone, Copy)]
pub struct RecordedBaseModel<'a> {
    /// Its name.
    pub request: &'a Request,
    /// The resolved dependency that pins it.
    pub dependency: &'a Descriptor,
    /// What was found about it.
    pub evidence: &'a Evidence,
    /// What that is worth.
    pub facts: &'a Facts,
}

/// Why a document is no record of facts.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecordedError {
    /// Not the JSON of one.
    Json(JsonError),
    /// Another schema.
    Schema(String),
    /// A field does not say what it must.
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Wire {
    schema: String,
    reference: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requested_version: Option<String>,
    now: String,
    documents: Vec<WireDocument>,
    feeds: Vec<WireFeed>,
    measured: Vec<WireMeasured>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    base_models: Vec<WireBaseModel>,
}

/// What is known of a model that another one was made from, by the dependency that pins it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WireBaseModel {
    reference: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requested_version: Option<String>,
    digest: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest_method: Option<String>,
    documents: Vec<WireDocument>,
    measured: Vec<WireMeasured>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WireDocument {
    names: Vec<String>,
    inside: Vec<String>,
    text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WireFeed {
    file: String,
    text: String,
    bundles: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WireMeasured {
    hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shard_size: Option<u64>,
    allow_symlinks: bool,
    ignore_paths: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<WireRefused>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files: Option<WireFiles>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WireRefused {
    code: Code,
    message: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WireFiles {
    bytes: u64,
    single_file: bool,
    left_out: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    links: Option<Vec<String>>,
    /// Path, digest, and under shards start and end.
    resources: Vec<WireResource>,
    also: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inspection: Option<Vec<WireInspected>>,
}

type WireResource = (String, String, Option<(u64, u64)>);

impl RecordedFacts {
    /// Records the inputs of a decision. Documents that are no text cannot be bundles and are left out.
    #[must_use]
    pub fn record(request: &Request, evidence: &Evidence, facts: &Facts, now: Timestamp) -> Self {
        let feeds = evidence.feeds.iter().filter_map(|(file, feed)| {
            let bundles = feed.bundles.values().filter_map(|bytes| text(bytes)).collect();
            Some(WireFeed { file: file.clone(), text: text(&feed.bytes)?, bundles })
        });
        let wire = Wire {
            schema: FACTS_SCHEMA.to_owned(),
            reference: request.reference().to_string(),
            requested_version: request.version().map(str::to_owned),
            now: now.to_string(),
            documents: documents(evidence),
            feeds: feeds.collect(),
            measured: measured_in(facts).map(WireMeasured::of).collect(),
            base_models: Vec::new(),
        };
        let reference = request.reference().clone();
        let measured = measured_in(facts).cloned().collect();
        Self { wire, reference, now, measured, base_models: Vec::new() }
    }

    /// Records a model that this one, or one of those that it was made from, was made from.
    #[must_use]
    pub fn with_base_model(mut self, base: RecordedBaseModel<'_>) -> Self {
        let dependency = base.dependency;
        self.wire.base_models.push(WireBaseModel {
            reference: base.request.reference().to_string(),
            requested_version: base.request.version().map(str::to_owned),
            digest: dependency.digest.iter().map(|(name, hex)| (name.to_owned(), hex.to_owned())).collect(),
            digest_method: dependency.digest_method().map(str::to_owned),
            documents: documents(base.evidence),
            measured: measured_in(base.facts).map(WireMeasured::of).collect(),
        });
        self.base_models.push((base.request.reference().clone(), measured_in(base.facts).cloned().collect()));
        self
    }

    /// The record as a JSON document.
    ///
    /// # Errors
    /// Only what `serde_json` cannot write, which these types cannot hold.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.wire)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordedError`].
    pub fn parse(document: &[u8]) -> Result<Self, RecordedError> {
        let wire: Wire = json::read(document, MAX_RECORDED_BYTES).map_err(RecordedError::Json)?;
        if wire.schema != FACTS_SCHEMA {
            return Err(RecordedError::Schema(wire.schema));
        }
        let reference = Reference::canonical(&wire.reference).map_err(|e| field("reference", e))?;
        let now = wire.now.parse().map_err(|e: jiff::Error| field("now", e))?;
        let measured = read_measured(&wire.measured)?;
        let read_base = |base: &WireBaseModel| {
            let reference = Reference::canonical(&base.reference).map_err(|e| field("base-models", e))?;
            Ok((reference, read_measured(&base.measured)?))
        };
        let base_models = wire.base_models.iter().map(read_base).collect::<Result<_, RecordedError>>()?;
        Ok(Self { wire, reference, now, measured, base_models })
    }

    /// The model's name.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// When the decision was made.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Decides again, at the time of the record or at another one.
    pub fn replay(
        &self,
        set: &PolicySet,
        keyless: &dyn KeylessVerifier,
        at: Option<Timestamp>,
    ) -> Replayed<Decision> {
        let now = at.unwrap_or(self.now);
        let collected = |documents: &[WireDocument], measured: &[MeasuredFact]| {
            let mut facts = collect(set, &self.evidence(documents), keyless, now);
            facts.data.measured = measured.to_vec();
            measured::compare(&mut facts.data);
            facts
        };
        let facts = collected(&self.wire.documents, &self.measured);
        let bases = self.wire.base_models.iter().zip(&self.base_models);
        let bases = bases.map(|(wire, (reference, measured))| BaseFacts {
            request: requested(reference, wire.requested_version.as_deref()),
            digest: wire.digest.clone(),
            method: wire.digest_method.clone(),
            facts: collected(&wire.documents, measured),
        });
        let bases = RecordedBases(bases.collect());
        let request = requested(&self.reference, self.wire.requested_version.as_deref());
        decision::replay(set, &request, &facts, now, &bases)
    }

    fn evidence(&self, documents: &[WireDocument]) -> Evidence {
        let mut evidence = Evidence::new();
        for document in documents {
            for name in &document.names {
                evidence.add(name, None, document.text.as_bytes());
            }
            for path in document.inside.iter().filter_map(|path| ModelPath::parse(path).ok()) {
                let name = document.names.first().map_or("", String::as_str);
                evidence.add(name, Some(path), document.text.as_bytes());
            }
        }
        for feed in &self.wire.feeds {
            evidence.feed(&feed.file, feed.text.as_bytes(), feed.bundles.iter().map(String::as_bytes));
        }
        evidence
    }
}

struct BaseFacts {
    request: Request,
    digest: BTreeMap<String, String>,
    method: Option<String>,
    facts: Facts,
}

struct RecordedBases(Vec<BaseFacts>);

impl BaseModels for RecordedBases {
    fn find(&self, reference: &Reference, dependency: &Descriptor) -> Option<BaseModel<'_>> {
        let found = self.0.iter().find(|base| {
            base.request.reference() == reference
                && base.digest.iter().map(|(name, hex)| (&**name, &**hex)).eq(dependency.digest.iter())
                && base.method.as_deref() == dependency.digest_method()
        });
        found.map(|base| BaseModel { request: &base.request, facts: &base.facts })
    }
}

fn requested(reference: &Reference, version: Option<&str>) -> Request {
    let request = Request::new(reference.clone());
    match version {
        Some(version) => request.with_version(version),
        None => request,
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn paths(paths: &[ModelPath]) -> Vec<String> {
    paths.iter().map(|path| path.as_str().to_owned()).collect()
}

fn documents(evidence: &Evidence) -> Vec<WireDocument> {
    let documents = evidence.documents.values().filter_map(|document| {
        Some(WireDocument {
            names: document.names.iter().cloned().collect(),
            inside: document.inside.iter().map(|path| path.as_str().to_owned()).collect(),
            text: text(&document.bytes)?,
        })
    });
    documents.collect()
}

/// What was measured. A promise is no measurement, and is not recorded: nobody may take it for one later.
fn measured_in(facts: &Facts) -> impl Iterator<Item = &MeasuredFact> {
    let is_promise = |fact: &&MeasuredFact| fact.outcome.as_ref().is_ok_and(|m| m.promise.is_some());
    facts.data.measured.iter().filter(move |fact| !is_promise(fact))
}

fn read_measured(measured: &[WireMeasured]) -> Result<Vec<MeasuredFact>, RecordedError> {
    measured.iter().map(WireMeasured::read).collect()
}

impl WireMeasured {
    fn of(fact: &MeasuredFact) -> Self {
        let s = &fact.serialization;
        let files = fact.outcome.as_ref().ok().map(|measured| WireFiles {
            bytes: measured.bytes,
            single_file: is_single_file(&measured.manifest),
            left_out: paths(&measured.left_out),
            links: measured.links.as_deref().map(paths),
            resources: measured.manifest.resources().iter().map(wire_resource).collect(),
            also: measured.also.iter().map(|(p, d)| (p.as_str().to_owned(), d.to_string())).collect(),
            inspection: measured.inspection.as_deref().map(recorded_inspection::write),
        });
        let refused = fact.outcome.as_ref().err();
        let refused =
            refused.map(|refused| WireRefused { code: refused.code, message: refused.message.clone() });
        Self {
            hash: s.algorithm.to_string(),
            shard_size: match s.method {
                Method::Files => None,
                Method::Shards(size) => Some(size.get()),
            },
            allow_symlinks: s.allow_symlinks,
            ignore_paths: paths(&s.ignore_paths),
            refused,
            files,
        }
    }

    fn read(&self) -> Result<MeasuredFact, RecordedError> {
        let algorithm: Algorithm = self.hash.parse().map_err(|e| field("hash", e))?;
        let method = match self.shard_size {
            None => Method::Files,
            Some(size) => Method::Shards(NonZeroU64::new(size).ok_or_else(|| field("shard-size", "is 0"))?),
        };
        let ignore_paths = read_paths("ignore-paths", &self.ignore_paths)?;
        let serialization =
            Serialization { method, algorithm, allow_symlinks: self.allow_symlinks, ignore_paths };
        let outcome = match (&self.files, &self.refused) {
            (Some(files), None) => Ok(files.read(&serialization)?),
            (None, Some(refused)) => Err(Refused { code: refused.code, message: refused.message.clone() }),
            _ => return Err(field("measured", "needs either files or refused")),
        };
        Ok(MeasuredFact { serialization, outcome })
    }
}

impl WireFiles {
    fn read(&self, serialization: &Serialization) -> Result<Measured, RecordedError> {
        let resources = self.resources.iter().map(|(path, digest, range)| {
            Ok(Resource {
                path: ModelPath::parse(path).map_err(|e| field("resources", e))?,
                range: range.map(|(start, end)| ByteRange { start, end }),
                digest: read_digest(digest)?,
            })
        });
        let resources = resources.collect::<Result<Vec<_>, RecordedError>>()?;
        let manifest = Manifest::new(serialization.clone(), resources).map_err(|e| field("resources", e))?;
        let manifest = if self.single_file { manifest.of_single_file() } else { manifest };
        let also = self.also.iter().map(|(path, digest)| {
            Ok((ModelPath::parse(path).map_err(|e| field("also", e))?, read_digest(digest)?))
        });
        let links = self.links.as_deref().map(|links| read_paths("links", links)).transpose()?;
        let inspection = self.inspection.as_deref().map(recorded_inspection::read).transpose()?;
        if inspection.as_ref().is_some_and(|inspection| !measured::is_of(inspection, &manifest)) {
            return Err(field("inspection", "is not of the files that were measured"));
        }
        Ok(Measured {
            digest: manifest_name(&manifest.manifest_digest()),
            manifest: Arc::new(manifest),
            bytes: self.bytes,
            left_out: read_paths("left-out", &self.left_out)?,
            also: also.collect::<Result<_, RecordedError>>()?,
            links,
            inspection: inspection.map(Arc::new),
            promise: None,
        })
    }
}

fn wire_resource(resource: &Resource) -> WireResource {
    let range = resource.range.map(|range| (range.start, range.end));
    (resource.path.as_str().to_owned(), resource.digest.to_string(), range)
}

fn read_digest(text: &str) -> Result<Digest, RecordedError> {
    let (algorithm, hex) =
        text.split_once(':').ok_or_else(|| field("resources", "a digest has no algorithm"))?;
    let algorithm = algorithm.parse().map_err(|e| field("resources", e))?;
    Digest::from_hex(algorithm, hex).map_err(|e| field("resources", e))
}

fn read_paths(name: &'static str, paths: &[String]) -> Result<Vec<ModelPath>, RecordedError> {
    paths.iter().map(|path| ModelPath::parse(path).map_err(|e| field(name, e))).collect()
}

pub(super) fn field(field: &'static str, why: impl fmt::Display) -> RecordedError {
    RecordedError::Field { field, why: why.to_string() }
}

/// A manifest keeps to itself whether it is of a model that is one file; comparing tells.
fn is_single_file(manifest: &Manifest) -> bool {
    let [only] = manifest.resources() else { return false };
    let named = Resource { path: ModelPath::reference_single_file(), ..only.clone() };
    let signed = Manifest::new(manifest.serialization().clone(), vec![named]);
    signed.is_ok_and(|signed| signed.compare(manifest).missing.is_empty())
}

impl fmt::Display for RecordedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use modelseal_core::text::Printable as P;
        match self {
            Self::Json(e) => write!(f, "no record of facts: {e}"),
            Self::Schema(found) => write!(f, "schema is '{}', expected '{FACTS_SCHEMA}'", P(found)),
            Self::Field { field, why } => write!(f, "{field}: {}", P(why)),
        }
    }
}

impl std::error::Error for RecordedError {}
