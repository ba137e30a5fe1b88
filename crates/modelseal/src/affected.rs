//! [`affected`]: which artifacts descend from one, by the provenance in a store. The question of whoever learns that a base
//! model is poisoned, or a dataset wrong.
//!
//! Two statements are joined by [`ArtifactId`] alone. Statements are followed breadth first, each artifact once, so that loops
//! end and every artifact is reported by a shortest way to it.

use crate::{
    clock,
    graph::{Graph, Look},
    report::{AffectedArtifact, AffectedEdge, AffectedReport, AffectedStatement, NotCounted},
    store::{Claims, Problem, ProblemKind, Resource, Store, StoreError, StoredBundle},
};
use jiff::Timestamp;
use modelseal_core::{artifact::ArtifactId, limits::MAX_AFFECTED};
use modelseal_verify::verifier::Verifier;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    num::NonZeroUsize,
};

/// Steps from one artifact to another, unless said otherwise.
const MAX_STEPS: usize = 64;

/// Statements that do not count, of which more than this many are only counted.
const MAX_NOT_COUNTED: usize = 1000;

/// What is wrong with the store, of which more than this many are only counted.
const MAX_PROBLEMS: usize = 1000;

/// Finds what descends from the artifact that has one of these ids.
///
/// ```no_run
/// use modelseal::{ArtifactId, Store, affected};
/// let store = Store::open("attestations")?;
/// let ids = ArtifactId::parse("dirHash:bb70f7b3e94d6f9c4cb6b0d0f9e9e5ad4b3b9b9d1b8d7ad8f5a7e9f4a1f0c2d3")?;
/// for artifact in &affected(&store, &ids).run()?.affected {
///     println!("{} by {} steps", artifact.name, artifact.steps);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn affected<'a>(store: &'a Store, ids: &[ArtifactId]) -> AffectedRequest<'a> {
    AffectedRequest {
        store,
        ids: ids.to_vec(),
        verifiers: Vec::new(),
        max_depth: NonZeroUsize::new(MAX_STEPS).unwrap_or(NonZeroUsize::MIN),
        now: None,
    }
}

/// What to look for, and whose statements count.
#[derive(Debug)]
#[must_use]
pub struct AffectedRequest<'a> {
    store: &'a Store,
    ids: Vec<ArtifactId>,
    verifiers: Vec<Verifier>,
    max_depth: NonZeroUsize,
    now: Option<Timestamp>,
}

impl AffectedRequest<'_> {
    /// Counts statements that this verifier believes; may be called several times. Until it is, every statement counts and
    /// none is verified.
    pub fn signed_by(mut self, verifier: Verifier) -> Self {
        self.verifiers.push(verifier);
        self
    }

    /// Follows that many steps at most; 64 unless set.
    pub fn max_depth(mut self, steps: NonZeroUsize) -> Self {
        self.max_depth = steps;
        self
    }

    /// The time at which certificates must be valid; now unless set.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Looks.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn run(self) -> Result<AffectedReport, StoreError> {
        let mut search = Search {
            verifiers: &self.verifiers,
            now: self.now.unwrap_or_else(clock::now),
            nodes: vec![Node { ids: self.ids.clone(), ..Node::default() }],
            by_id: self.ids.iter().map(|id| (id.clone(), 0)).collect(),
            statements: Vec::new(),
            judged: HashMap::new(),
            edges: Vec::new(),
            known_edges: HashSet::new(),
            not_counted: Vec::new(),
            not_counted_more: 0,
            cycles: 0,
            full: false,
            too_deep: false,
        };
        let _searching = self.store.search();
        let mut queue = VecDeque::from([0]);
        while let Some(at) = queue.pop_front() {
            search.waiting(at, false);
            let (ids, depth) =
                search.nodes.get(at).map(|node| (node.ids.clone(), node.steps)).unwrap_or_default();
            let last = depth >= self.max_depth.get();
            self.store.each_shared_used_by(&ids, &mut |bundle| {
                let Some(statement) = search.judge(&bundle) else { return true };
                if last {
                    search.too_deep = true;
                    return false;
                }
                if let Some(claims) = &bundle.claims {
                    search.follow(at, &ids, statement, claims, &mut queue);
                }
                !search.full
            })?;
            if search.full {
                break;
            }
        }
        search.report(self.store, self.max_depth)
    }
}

#[derive(Debug, Default)]
struct Node {
    name: Option<String>,
    uri: Option<String>,
    ids: Vec<ArtifactId>,
    steps: usize,
    /// By which edge it was found first.
    found_by: Option<usize>,
    /// It is in the queue.
    waiting: bool,
}

struct Search<'a> {
    verifiers: &'a [Verifier],
    now: Timestamp,
    nodes: Vec<Node>,
    by_id: HashMap<ArtifactId, usize>,
    statements: Vec<AffectedStatement>,
    /// The number of a statement that counts, by its place.
    judged: HashMap<String, Option<usize>>,
    edges: Vec<AffectedEdge>,
    known_edges: HashSet<(usize, usize, usize)>,
    not_counted: Vec<NotCounted>,
    not_counted_more: usize,
    cycles: usize,
    full: bool,
    too_deep: bool,
}

impl Search<'_> {
    /// The number of the bundle's statement, if it counts.
    fn judge(&mut self, bundle: &StoredBundle) -> Option<usize> {
        let place = bundle.place();
        if let Some(known) = self.judged.get(&place) {
            return *known;
        }
        let mut signer = None;
        let mut refusals = Vec::new();
        for verifier in self.verifiers {
            match verifier.verify(&bundle.bundle, self.now) {
                Ok(verified) => {
                    signer = Some(verified.signer().to_string());
                    break;
                }
                Err(e) => refusals.push(e.to_string()),
            }
        }
        let counts = signer.is_some() || self.verifiers.is_empty();
        let number = counts.then(|| {
            let claims = bundle.claims.as_ref();
            self.statements.push(AffectedStatement {
                place: place.clone(),
                sha256: bundle.sha256.to_hex(),
                predicate_type: claims.map(|claims| claims.predicate_type.clone()).unwrap_or_default(),
                build_type: claims.and_then(|claims| claims.build_type.clone()),
                verified: signer.is_some(),
                signer,
            });
            self.statements.len() - 1
        });
        if number.is_none() {
            if self.not_counted.len() < MAX_NOT_COUNTED {
                refusals.dedup();
                let why = refusals.join("; ");
                self.not_counted.push(NotCounted { place: place.clone(), why });
            } else {
                self.not_counted_more += 1;
            }
        }
        self.judged.insert(place, number);
        number
    }

    /// Adds what the statement is about as made from the node `from`.
    fn follow(
        &mut self,
        from: usize,
        ids: &[ArtifactId],
        statement: usize,
        claims: &Claims,
        queue: &mut VecDeque<usize>,
    ) {
        let used = claims.dependencies.iter().find(|dependency| dependency.is_any_of(ids));
        for subject in &claims.subjects {
            let to = self.node(from, subject);
            let Some(to) = to else {
                self.full = true;
                return;
            };
            if self.known_edges.insert((from, to, statement)) {
                if self.known_edges.len() > 4 * MAX_AFFECTED {
                    self.full = true;
                    return;
                }
                if self.is_ancestor(to, from) {
                    self.cycles += 1;
                }
                self.edges.push(AffectedEdge {
                    from,
                    to,
                    statement,
                    dependency: used.and_then(|dependency| dependency.name.clone()),
                    uri: used.and_then(|dependency| dependency.uri.clone()),
                });
                if let Some(node) = self.nodes.get_mut(to)
                    && to != 0
                    && node.found_by.is_none()
                {
                    node.found_by = Some(self.edges.len() - 1);
                }
            }
            // By an id that it was not known by before, others may have used it.
            let new: Vec<ArtifactId> =
                subject.ids.iter().filter(|id| !self.by_id.contains_key(*id)).cloned().collect();
            if let (false, Some(node)) = (new.is_empty(), self.nodes.get_mut(to)) {
                node.ids.extend(new.iter().cloned());
                if !node.waiting {
                    queue.push_back(to);
                }
                self.waiting(to, true);
                self.by_id.extend(new.into_iter().map(|id| (id, to)));
            }
        }
    }

    /// The node of a subject, which may be new. `None` when there are too many.
    fn node(&mut self, from: usize, subject: &Resource) -> Option<usize> {
        if let Some(known) = subject.ids.iter().find_map(|id| self.by_id.get(id)) {
            return Some(*known);
        }
        if self.nodes.len() > MAX_AFFECTED {
            return None;
        }
        let steps = self.nodes.get(from).map_or(0, |node| node.steps) + 1;
        let (name, uri) = (subject.name.clone(), subject.uri.clone());
        self.nodes.push(Node { name, uri, ids: Vec::new(), steps, found_by: None, waiting: false });
        Some(self.nodes.len() - 1)
    }

    fn waiting(&mut self, at: usize, waiting: bool) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.waiting = waiting;
        }
    }

    /// Whether `one` lies on the way by which `other` was found.
    fn is_ancestor(&self, one: usize, other: usize) -> bool {
        let steps = |at: usize| self.nodes.get(at).map_or(0, |node| node.steps);
        if steps(one) > steps(other) {
            return false;
        }
        let mut at = other;
        loop {
            if at == one {
                return true;
            }
            match self.nodes.get(at).and_then(|node| node.found_by).and_then(|edge| self.edges.get(edge)) {
                Some(edge) if steps(edge.from) < steps(at) => at = edge.from,
                _ => return false,
            }
        }
    }

    fn report(self, store: &Store, max_depth: NonZeroUsize) -> Result<AffectedReport, StoreError> {
        let problems = store.problems()?;
        let unread = problems.iter().filter(|problem| problem.kind == ProblemKind::NotRead).count();
        let mut notes = store.notes();
        if self.full {
            notes.push(format!("more than {MAX_AFFECTED} artifacts are affected; the others are left out"));
        }
        if self.too_deep {
            notes.push(format!(
                "more is affected by more than {max_depth} steps; raise --max-depth to see it"
            ));
        }
        if unread > 0 {
            notes.push(format!(
                "{unread} files of the store could not be read; `modelseal store check` says which and why"
            ));
        }
        let malformed = problems.iter().filter(|problem| problem.kind == ProblemKind::Malformed).count();
        if malformed > 0 {
            notes.push(format!(
                "{malformed} files of the store hold malformed statements, which do not count"
            ));
        }
        if self.cycles > 0 {
            notes.push(format!(
                "{} statements say that an artifact was made from one that was made from it",
                self.cycles
            ));
        }
        let not_counted = self.not_counted.len() + self.not_counted_more;
        if not_counted > 0 {
            notes.push(format!("{not_counted} statements are by nobody who was named, and do not count"));
        }
        if self.verifiers.is_empty() && !self.statements.is_empty() {
            notes.push(
                "no signature was verified: name whose statements count, such as with --public-key".into(),
            );
        }
        let texts = |ids: &[ArtifactId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let artifact = |(number, node): (usize, &Node)| AffectedArtifact {
            number,
            name: node.name.clone().unwrap_or_default(),
            uri: node.uri.clone(),
            ids: texts(&node.ids),
            steps: node.steps,
            found_by: node.found_by.unwrap_or_default(),
        };
        let affected = self.nodes.iter().enumerate().skip(1).map(artifact).collect();
        Ok(AffectedReport {
            schema: AffectedReport::SCHEMA.into(),
            store: store.path().display().to_string(),
            by: self.nodes.first().map(|node| texts(&node.ids)).unwrap_or_default(),
            complete: !self.full && !self.too_deep && unread == 0,
            affected,
            edges: self.edges,
            statements: self.statements,
            not_counted: self.not_counted,
            problems: problems.iter().take(MAX_PROBLEMS).map(Problem::to_report).collect(),
            notes,
        })
    }
}

impl AffectedReport {
    /// The report as a graph, with the artifact that was asked about first.
    #[must_use]
    pub fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        graph.node(self.by.iter().take(2).cloned().collect(), Look::Marked);
        for artifact in &self.affected {
            let name =
                if artifact.name.is_empty() { artifact.uri.clone() } else { Some(artifact.name.clone()) };
            let lines = name.into_iter().chain(artifact.ids.first().cloned()).collect();
            graph.node(lines, Look::Plain);
        }
        for edge in &self.edges {
            let statement = self.statements.get(edge.statement);
            let verified = statement.is_some_and(|statement| statement.verified);
            let look = if verified { Look::Plain } else { Look::Doubtful };
            graph.edge(edge.from, edge.to, edge.dependency.clone().unwrap_or_default(), look);
        }
        graph
    }
}
