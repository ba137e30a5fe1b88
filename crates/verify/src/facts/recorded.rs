//! [`RecordedFacts`]: the inputs of a decision in a file, to be judged again under another policy. The bundles are verified
//! again, whatever the file says; the measurement is taken on its word, which is why nothing that comes of it opens a door.

use super::{
    Evidence, Facts, KeylessVerifier, Refused, collect, manifest_name,
    measured::{self, Measured, MeasuredFact},
};
use crate::{
    decision::{self, Code, Decision, NoBaseModels, PolicySet, Replayed, Request},
    policy::reference::Reference,
};
use jiff::Timestamp;
use modelseal_core::{
    digest::{Algorithm, Digest},
    json::{self, JsonError},
    manifest::{ByteRange, Manifest, Method, Resource, Serialization},
    path::ModelPath,
};
use serde::{Deserialize, Serialize};
use std::{fmt, num::NonZeroU64, sync::Arc};

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
}

type WireResource = (String, String, Option<(u64, u64)>);

impl RecordedFacts {
    /// Records the inputs of a decision. Documents that are no text cannot be bundles and are left out.
    #[must_use]
    pub fn record(request: &Request, evidence: &Evidence, facts: &Facts, now: Timestamp) -> Self {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        let paths =
            |paths: &[ModelPath]| paths.iter().map(|path| path.as_str().to_owned()).collect::<Vec<_>>();
        let documents = evidence.documents.values().filter_map(|document| {
            Some(WireDocument {
                names: document.names.iter().cloned().collect(),
                inside: document.inside.iter().map(|path| path.as_str().to_owned()).collect(),
                text: text(&document.bytes)?,
            })
        });
        let feeds = evidence.feeds.iter().filter_map(|(file, feed)| {
            let bundles = feed.bundles.values().filter_map(|bytes| text(bytes)).collect();
            Some(WireFeed { file: file.clone(), text: text(&feed.bytes)?, bundles })
        });
        let measured = facts.data.measured.iter().map(|fact| {
            let s = &fact.serialization;
            let files = fact.outcome.as_ref().ok().map(|measured| WireFiles {
                bytes: measured.bytes,
                single_file: is_single_file(&measured.manifest),
                left_out: paths(&measured.left_out),
                links: measured.links.as_deref().map(paths),
                resources: measured.manifest.resources().iter().map(wire_resource).collect(),
                also: measured.also.iter().map(|(p, d)| (p.as_str().to_owned(), d.to_string())).collect(),
            });
            let refused = fact
                .outcome
                .as_ref()
                .err()
                .map(|refused| WireRefused { code: refused.code, message: refused.message.clone() });
            WireMeasured {
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
        });
        let wire = Wire {
            schema: FACTS_SCHEMA.to_owned(),
            reference: request.reference().to_string(),
            requested_version: request.version().map(str::to_owned),
            now: now.to_string(),
            documents: documents.collect(),
            feeds: feeds.collect(),
            measured: measured.collect(),
        };
        let reference = request.reference().clone();
        Self { wire, reference, now, measured: facts.data.measured.clone() }
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
        let measured = wire.measured.iter().map(WireMeasured::read).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { wire, reference, now, measured })
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
        let mut evidence = Evidence::new();
        for document in &self.wire.documents {
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
        let mut facts = collect(set, &evidence, keyless, now);
        facts.data.measured.clone_from(&self.measured);
        measured::compare(&mut facts.data);
        let request = Request::new(self.reference.clone());
        let request = match &self.wire.requested_version {
            Some(version) => request.with_version(version),
            None => request,
        };
        decision::replay(set, &request, &facts, now, &NoBaseModels)
    }
}

impl WireMeasured {
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
        Ok(Measured {
            digest: manifest_name(&manifest.manifest_digest()),
            manifest: Arc::new(manifest),
            bytes: self.bytes,
            left_out: read_paths("left-out", &self.left_out)?,
            also: also.collect::<Result<_, RecordedError>>()?,
            links,
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

fn field(field: &'static str, why: impl fmt::Display) -> RecordedError {
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
