//! `lineage`: where a model comes from. Walks from the model over what trusted provenance pins, verifies each hop with the
//! same trust, and says of every ancestor what is known of it.

mod copies;
mod inputs;
mod named;
mod statements;
mod trust;
mod walk;

pub use statements::{NoStatements, Statements};
pub use trust::LineageTrust;

use crate::{
    clock,
    digest::Effort,
    error::Error,
    report::{LineageReport, LineageStatus as Status},
};
use copies::Copy;
use jiff::Timestamp;
use modelseal_core::artifact::ArtifactId;
use modelseal_model::Progress;
use statements::Walking;
use std::{
    collections::BTreeMap,
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
};
use trust::Judge;
use walk::{Walk, Walked};

/// How many generations are walked unless told otherwise.
pub const DEFAULT_MAX_DEPTH: usize = 64;

/// Walks the ancestry of the model at `path`, a directory or a single file.
///
/// ```no_run
/// use modelseal::{LineageTrust, PublicKey, Store, Verifier};
///
/// let store = Store::open("store")?;
/// let key = PublicKey::from_pem(&std::fs::read("public.pem")?)?;
/// let trust = LineageTrust::Signers(vec![Verifier::with_key(key)]);
/// let report = modelseal::lineage("my-model").run(&store, &trust, &())?;
/// println!("{}", report.message);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn lineage(path: impl Into<PathBuf>) -> LineageRequest {
    LineageRequest::new(Root::Path(path.into()))
}

/// Walks the ancestry of a model that is not here, but known by one of these ids.
pub fn lineage_of(ids: impl IntoIterator<Item = ArtifactId>) -> LineageRequest {
    LineageRequest::new(Root::Ids(ids.into_iter().collect()))
}

/// Where to begin, and how far to go.
#[derive(Debug, Clone)]
#[must_use]
pub struct LineageRequest {
    root: Root,
    uri: Option<String>,
    at: Vec<(String, PathBuf)>,
    max_depth: usize,
    allow_unresolved: bool,
    now: Option<Timestamp>,
    effort: Effort,
}

#[derive(Debug, Clone)]
enum Root {
    Path(PathBuf),
    Ids(Vec<ArtifactId>),
}

impl LineageRequest {
    fn new(root: Root) -> Self {
        Self {
            root,
            uri: None,
            at: Vec::new(),
            max_depth: DEFAULT_MAX_DEPTH,
            allow_unresolved: false,
            now: None,
            effort: Effort::default(),
        }
    }

    /// The name of the model, which policies choose their rule by: a reference, or a package URL.
    pub fn named(mut self, uri: impl Into<String>) -> Self {
        self.uri = Some(uri.into());
        self
    }

    /// Says where an ancestor lies on this machine: it is measured and compared with what others were made from, and what lies
    /// beside it counts as if it were in the store.
    pub fn at(mut self, uri: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.at.push((uri.into(), path.into()));
        self
    }

    /// How many generations to go back; [`DEFAULT_MAX_DEPTH`] unless set. More are reported as too deep, which is not complete.
    pub fn max_depth(mut self, generations: usize) -> Self {
        self.max_depth = generations;
        self
    }

    /// Lets ancestors of which nothing is known count as roots of history. The model itself never does.
    pub fn allow_unresolved(mut self, allow: bool) -> Self {
        self.allow_unresolved = allow;
        self
    }

    /// The time of the verification; now unless set.
    pub fn time(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Hashes with at most so many threads; one for each core unless set.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.effort.threads = Some(threads);
        self
    }

    /// Takes at most so many bytes for read buffers.
    pub fn memory(mut self, bytes: NonZeroU64) -> Self {
        self.effort.memory = bytes.get();
        self
    }

    /// Walks. What is found in `statements` is believed as far as `trust` goes. `progress` is told of every byte that is
    /// measured.
    ///
    /// # Errors
    /// [`Error`] when a model or the store cannot be read. An ancestor that is not vouched for is no error.
    pub fn run(
        &self,
        statements: &dyn Statements,
        trust: &LineageTrust<'_>,
        progress: &dyn Progress,
    ) -> Result<LineageReport, Error> {
        let now = self.now.unwrap_or_else(clock::now);
        let judge = Judge::new(trust, now)?;
        let mut copies = Vec::new();
        let mut uri = self.uri.clone();
        if let Root::Path(path) = &self.root {
            // As for a decision, the path is the name unless another is given.
            if uri.is_none() && matches!(trust, LineageTrust::Policies(_)) {
                uri = Some(format!("file://{}", canonical(path)?));
            }
            copies.push((String::new(), Copy::open(uri.as_deref(), path, &judge)?));
        }
        for (uri, path) in &self.at {
            copies.push((uri.clone(), Copy::open(Some(uri), path, &judge)?));
        }
        let _walking = Walking::over(statements);
        let (max_depth, effort) = (self.max_depth, self.effort);
        let mut walk = Walk { statements, judge: &judge, copies, max_depth, effort, progress };
        let (model, walked) = match &self.root {
            Root::Path(path) => (path.display().to_string(), walk.of_copy(uri)?),
            Root::Ids(ids) => {
                let name = ids.first().map(walk::digest).unwrap_or_default();
                (name, walk.of_ids(uri, ids.clone())?)
            }
        };
        let unused = self.at.iter().filter(|(uri, _)| !walked.nodes.iter().any(|node| is_at(node, uri)));
        let unused: Vec<String> = unused
            .map(|(uri, _)| {
                format!("nothing of the ancestry is named '{uri}', so that its copy was not compared")
            })
            .collect();
        Ok(self.report(model, walked, now, statements.notes()?.into_iter().chain(unused).collect()))
    }

    fn report(&self, model: String, walked: Walked, now: Timestamp, notes: Vec<String>) -> LineageReport {
        let Walked { nodes, edges, notes: found, cut } = walked;
        let mut bad: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, node) in nodes.iter().enumerate() {
            let allowed = self.allow_unresolved && at > 0 && node.status == Status::Unresolved;
            if !node.status.is_good() && !allowed {
                *bad.entry(node.status.name()).or_default() += 1;
            }
        }
        let cycles = edges.iter().filter(|edge| edge.cycle).count();
        let declared = edges.iter().filter(|edge| !edge.proven && !self.allow_unresolved).count();
        let more = [("in a cycle", cycles), ("only declared", declared), ("cut off", usize::from(cut))];
        bad.extend(more.into_iter().filter(|(_, count)| *count > 0));
        let count = match nodes.len() {
            1 => "1 model".to_owned(),
            n => format!("{n} models"),
        };
        let complete = bad.is_empty();
        let message = if complete {
            format!("all of {count} are vouched for by somebody trusted")
        } else {
            let bad: Vec<String> = bad.iter().map(|(what, count)| format!("{count} {what}")).collect();
            format!("of {count}: {}", bad.join(", "))
        };
        LineageReport {
            schema: LineageReport::SCHEMA.into(),
            complete,
            message,
            now: now.to_string(),
            model,
            allow_unresolved: self.allow_unresolved,
            nodes,
            edges,
            notes: found.into_iter().chain(notes).collect(),
        }
    }
}

fn is_at(node: &crate::report::LineageNode, uri: &str) -> bool {
    node.path.is_some() && node.uri.as_deref().is_some_and(|named| named::same(uri, named))
}

/// The absolute form of a path, with links resolved.
fn canonical(path: &std::path::Path) -> Result<String, Error> {
    let failed = |error| modelseal_model::MeasureError::Io { doing: "resolve", path: path.to_owned(), error };
    Ok(std::fs::canonicalize(path).map_err(failed)?.display().to_string())
}
