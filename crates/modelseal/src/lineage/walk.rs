//! The walk over a model's ancestry: breadth first, without recursion, each artifact once.

use super::{
    copies::Copy,
    inputs::{self, Input},
    named,
    statements::Statements,
    trust::{Asked, Judge, Judged, Judgement},
};
use crate::{
    declared::hub_name,
    digest::Effort,
    error::Error,
    report::{
        LineageBuild, LineageDeclaration, LineageEdge, LineageInputKind as Kind, LineageNode,
        LineageStanding as Standing, LineageStatement, LineageStatus as Status,
    },
    store::StoredBundle,
};
use modelseal_core::{
    artifact::ArtifactId,
    cover::Target,
    digest::{Algorithm, Digest},
    limits::{MAX_LINEAGE_BUNDLES, MAX_LINEAGE_NODES},
    manifest::Method,
    predicate::{
        build_type::BuildType,
        descriptor::{DigestSet, MANIFEST_DIGEST},
        slsa_provenance::Provenance,
    },
    text::Printable,
};
use modelseal_model::Progress;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

/// What the walk needs.
pub(super) struct Walk<'a> {
    pub(super) statements: &'a dyn Statements,
    pub(super) judge: &'a Judge<'a>,
    /// Models on this machine, by the names that the user gave them.
    pub(super) copies: Vec<(String, Copy)>,
    pub(super) max_depth: usize,
    pub(super) effort: Effort,
    pub(super) progress: &'a dyn Progress,
}

/// What it found.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) nodes: Vec<LineageNode>,
    pub(super) edges: Vec<LineageEdge>,
    pub(super) notes: Vec<String>,
    /// Whether it ended before the ancestry did.
    pub(super) cut: bool,
}

/// An artifact on the way.
struct Artifact {
    uri: Option<String>,
    ids: Vec<ArtifactId>,
    digests: DigestSet,
    method: Option<String>,
    depth: usize,
    /// Why nothing says which bytes are meant.
    why: Option<String>,
    /// Where it is on this machine.
    copy: Option<usize>,
    /// Whether the copy is the artifact, rather than to be compared with it.
    is_copy: bool,
}

/// What the walk has met so far.
#[derive(Default)]
struct Met {
    artifacts: Vec<Artifact>,
    by_key: HashMap<String, Vec<usize>>,
    edge_at: HashMap<(usize, usize, bool), usize>,
    queue: VecDeque<usize>,
}

impl Walk<'_> {
    /// Walks from a model that is here: the first of the copies.
    pub(super) fn of_copy(&mut self, uri: Option<String>) -> Result<Walked, Error> {
        let (_, copy) = &mut self.copies[0];
        copy.measure_usual(self.effort, self.progress)?;
        let root = Artifact { uri, copy: Some(0), is_copy: true, ..Artifact::of_ids(copy.ids()) };
        self.run(root)
    }

    /// Walks from an artifact that is known by its digest.
    pub(super) fn of_ids(&mut self, uri: Option<String>, ids: Vec<ArtifactId>) -> Result<Walked, Error> {
        self.run(Artifact { uri, ..Artifact::of_ids(ids) })
    }

    fn run(&mut self, root: Artifact) -> Result<Walked, Error> {
        let (mut met, mut walked) = (Met::default(), Walked::default());
        met.meet(root);
        while let Some(at) = met.queue.pop_front() {
            let node = self.visit(at, &mut met, &mut walked)?;
            walked.nodes.push(node);
        }
        find_cycles(&mut walked);
        Ok(walked)
    }

    fn visit(&mut self, at: usize, met: &mut Met, walked: &mut Walked) -> Result<LineageNode, Error> {
        self.look_at_copy(&mut met.artifacts[at])?;
        let artifact = &met.artifacts[at];
        let mut node = artifact.report(at);
        if let Some(copy) = artifact.copy {
            let copy = &self.copies[copy].1;
            node.path = Some(copy.path.display().to_string());
            node.notes.extend(copy.notes.iter().chain(&copy.declared.notes).cloned());
        }
        if artifact.depth > self.max_depth {
            let message = format!("it is more than {} generations back", self.max_depth);
            (node.status, node.message) = (Status::TooDeep, message);
            return Ok(node);
        }
        if artifact.ids.is_empty() {
            let why = artifact.why.clone().unwrap_or_else(|| "nothing pins it".to_owned());
            (node.status, node.message) = (Status::Unresolved, why);
            return Ok(node);
        }
        let bundles = self.bundles(artifact)?;
        if bundles.len() > MAX_LINEAGE_BUNDLES {
            let message = format!("there are more than {MAX_LINEAGE_BUNDLES} bundles about it");
            (node.status, node.message) = (Status::Limit, message);
            return Ok(node);
        }
        let judgement = self.judge(artifact, &bundles);
        node.statements = judgement.statements.iter().map(statement).collect();
        (node.status, node.code, node.message) =
            (judgement.status, judgement.code.clone(), judgement.message.clone());
        self.compare_copy(artifact, &mut node);
        let proven = self.follow(at, &judgement, &mut node, met, walked);
        self.declared(at, &proven, &mut node, met, walked);
        Ok(node)
    }

    /// Finds the copy of an artifact, and measures it: as it was pinned, or, where nothing pins it, in the usual way.
    fn look_at_copy(&mut self, artifact: &mut Artifact) -> Result<(), Error> {
        if artifact.copy.is_some() {
            return Ok(());
        }
        let Some(uri) = &artifact.uri else { return Ok(()) };
        let found = self.copies.iter().position(|(name, _)| !name.is_empty() && named::same(name, uri));
        let Some(at) = found else { return Ok(()) };
        artifact.copy = Some(at);
        let copy = &mut self.copies[at].1;
        if artifact.ids.is_empty() {
            // The name is all that there is: what lies here under it is taken for it, and the edge stays unproven.
            copy.measure_usual(self.effort, self.progress)?;
            (artifact.ids, artifact.is_copy) = (copy.ids(), true);
            return Ok(());
        }
        copy.measure_as(&artifact.ids, self.effort, self.progress)
    }

    /// Says where the files of the copy are not those that others were made from.
    fn compare_copy(&self, artifact: &Artifact, node: &mut LineageNode) {
        let Some(copy) = artifact.copy.filter(|_| !artifact.is_copy).map(|at| &self.copies[at].1) else {
            return;
        };
        let found = copy.ids();
        if found.iter().any(|id| artifact.ids.contains(id)) {
            return;
        }
        let shown = |ids: &[ArtifactId]| {
            ids.first().map_or_else(|| "nothing that can be compared".to_owned(), digest)
        };
        let message = format!(
            "others were made from {}, the files at '{}' are {}",
            shown(&artifact.ids),
            copy.path.display(),
            shown(&found)
        );
        node.notes.push(format!("what they were made from is {}: {}", node.status.name(), node.message));
        (node.status, node.code, node.message) = (Status::Mismatch, None, message);
    }

    /// The bundles of the store and beside the copy, each once.
    fn bundles(&self, artifact: &Artifact) -> Result<Vec<StoredBundle>, Error> {
        let mut ids = artifact.ids.clone();
        if let Some(copy) = artifact.copy.filter(|_| artifact.is_copy) {
            // A statement that names every file, and others besides, names this one.
            let first = self.copies[copy].1.measured.first().and_then(|manifest| {
                let serialization = manifest.get().serialization();
                let whole =
                    serialization.method == Method::Files && serialization.algorithm == Algorithm::Sha256;
                manifest.get().resources().first().filter(|_| whole)
            });
            ids.extend(first.map(|resource| ArtifactId::Blob {
                algorithm: "sha256".to_owned(),
                hex: resource.digest.to_hex(),
            }));
        }
        let mut bundles = self.statements.about(&ids)?;
        let mut known: HashSet<Digest> = bundles.iter().map(|bundle| bundle.sha256).collect();
        if let Some(copy) = artifact.copy {
            let beside = self.copies[copy].1.bundles.iter();
            bundles.extend(beside.filter(|bundle| known.insert(bundle.sha256)).cloned());
        }
        Ok(bundles)
    }

    fn judge(&self, artifact: &Artifact, bundles: &[StoredBundle]) -> Judgement {
        let copy = artifact.copy.filter(|_| artifact.is_copy).map(|at| &self.copies[at].1);
        let measured: Vec<Target<'_>> =
            copy.iter().flat_map(|copy| &copy.measured).map(|manifest| Target::of(manifest.get())).collect();
        let asked = Asked {
            uri: artifact.uri.as_deref(),
            ids: &artifact.ids,
            digests: &artifact.digests,
            method: artifact.method.as_deref(),
            measured: &measured,
        };
        self.judge.judge(&asked, bundles)
    }

    /// Follows what trusted provenance says that the artifact was made from. Gives the names of the models.
    fn follow(
        &self,
        at: usize,
        judgement: &Judgement,
        node: &mut LineageNode,
        met: &mut Met,
        walked: &mut Walked,
    ) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let trusted = judgement.statements.iter().zip(&mut node.statements);
        let trusted = trusted.filter(|(judged, _)| judged.standing == Standing::Trusted);
        let mut all: Vec<&Provenance> = Vec::new();
        for (judged, statement) in trusted {
            let Some(provenance) = judged.about.provenance() else { continue };
            all.push(provenance);
            let (inputs, over) = inputs::of(provenance);
            if over {
                walked.cut = true;
                node.notes.push("its provenance lists more inputs than are looked at".to_owned());
            }
            let relation = BuildType::of_uri(&provenance.build_type).map(|known| known.name().to_owned());
            statement.build = Some(LineageBuild {
                build_type: provenance.build_type.clone(),
                relation: relation.clone(),
                builder: provenance.builder_id.clone(),
                finished_on: provenance.finished_on.map(|at| at.to_string()),
                inputs: inputs.iter().map(Input::report).collect(),
            });
            for input in inputs.into_iter().filter(|input| input.kind == Kind::BaseModel) {
                names.extend(input.uri.as_deref().map(str::to_owned));
                let base = Artifact {
                    uri: input.uri,
                    digests: input.digests,
                    method: input.method,
                    depth: met.artifacts[at].depth + 1,
                    why: input.why,
                    ..Artifact::of_ids(input.ids)
                };
                if let Some(base) = met.meet_within_limits(base, walked) {
                    met.edge(walked, (at, base), relation.clone(), true, judged.evidence.clone());
                }
            }
        }
        node.notes.extend(disagreement(&all));
        names
    }

    /// Compares what the copy declares with what is proven; what nothing proves is a weaker edge.
    fn declared(
        &self,
        at: usize,
        proven: &BTreeSet<String>,
        node: &mut LineageNode,
        met: &mut Met,
        walked: &mut Walked,
    ) {
        let Some(copy) = met.artifacts[at].copy else { return };
        let declared = &self.copies[copy].1.declared;
        let own = met.artifacts[at].uri.as_deref().and_then(hub_name);
        let has_provenance = node.statements.iter().any(|statement| statement.build.is_some());
        let names: BTreeSet<String> = proven.iter().filter_map(|uri| hub_name(uri)).collect();
        for base in declared.bases.iter().filter(|base| hub_name(&base.id) != own || own.is_none()) {
            let is_proven = hub_name(&base.id).is_some_and(|name| names.contains(&name));
            node.declares.push(LineageDeclaration {
                name: base.id.clone(),
                kind: Kind::BaseModel,
                relation: base.relation.clone(),
                place: base.place.clone(),
                inferred: base.inferred,
                proven: Some(is_proven),
            });
            if is_proven {
                continue;
            }
            if has_provenance {
                let hint = if base.inferred { "was left behind by a library" } else { "is declared" };
                node.notes.push(format!(
                    "the base model '{}' {hint} in {}, and its provenance does not name it",
                    Printable(&base.id),
                    Printable(&base.place)
                ));
                continue;
            }
            let why = format!("it is only declared, in {}, and not proven", base.place);
            let artifact = Artifact {
                uri: Some(base.id.clone()),
                depth: met.artifacts[at].depth + 1,
                why: Some(why),
                ..Artifact::of_ids(Vec::new())
            };
            if let Some(to) = met.meet_within_limits(artifact, walked) {
                met.edge(walked, (at, to), base.relation.clone(), false, base.place.clone());
            }
        }
        let declares: BTreeSet<String> = declared
            .bases
            .iter()
            .filter(|base| !base.inferred)
            .filter_map(|base| hub_name(&base.id))
            .collect();
        if !declares.is_empty() {
            for uri in proven.iter().filter(|uri| hub_name(uri).is_none_or(|name| !declares.contains(&name)))
            {
                node.notes.push(format!(
                    "its provenance names the base model '{}', which it does not declare",
                    Printable(uri)
                ));
            }
        }
        node.declares.extend(declared.datasets.iter().map(|name| LineageDeclaration {
            name: name.clone(),
            kind: Kind::Dataset,
            relation: None,
            place: "README.md#/datasets".to_owned(),
            inferred: false,
            proven: None,
        }));
    }
}

impl Artifact {
    fn of_ids(ids: Vec<ArtifactId>) -> Self {
        Self {
            uri: None,
            ids,
            digests: DigestSet::default(),
            method: None,
            depth: 0,
            why: None,
            copy: None,
            is_copy: false,
        }
    }

    /// One text for one artifact: its ids, or its name where nothing pins it.
    fn key(&self) -> String {
        match &*self.ids {
            [] => format!("name:{}", self.uri.as_deref().unwrap_or_default()),
            ids => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        }
    }

    /// Whether both are of one artifact, whatever they are called. Digests that contradict each other are of two.
    fn is(&self, other: &Self) -> bool {
        let bare = self.digests.is_empty() || other.digests.is_empty();
        let same = || {
            let one = (&self.digests, self.method.as_deref());
            ArtifactId::same(one, (&other.digests, other.method.as_deref()))
        };
        self.ids.is_empty() || bare || same()
    }

    fn report(&self, at: usize) -> LineageNode {
        LineageNode {
            id: node_id(at),
            status: Status::Unresolved,
            code: None,
            message: String::new(),
            uri: self.uri.clone(),
            artifact_ids: self.ids.iter().map(ToString::to_string).collect(),
            digests: self.digests.iter().map(|(a, hex)| (a.to_owned(), hex.to_owned())).collect(),
            depth: self.depth,
            path: None,
            statements: Vec::new(),
            declares: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl Met {
    /// The artifact's place; it is visited later when it was not met before.
    fn meet(&mut self, artifact: Artifact) -> usize {
        let key = artifact.key();
        let known = self.by_key.get(&key).into_iter().flatten();
        if let Some(at) = known.copied().find(|at| self.artifacts[*at].is(&artifact)) {
            return at;
        }
        let at = self.artifacts.len();
        self.artifacts.push(artifact);
        self.by_key.entry(key).or_default().push(at);
        self.queue.push_back(at);
        at
    }

    fn meet_within_limits(&mut self, artifact: Artifact, walked: &mut Walked) -> Option<usize> {
        let known = self.artifacts.len();
        if known < MAX_LINEAGE_NODES {
            return Some(self.meet(artifact));
        }
        if !walked.cut {
            walked.notes.push(format!("the walk ended after {MAX_LINEAGE_NODES} models"));
        }
        walked.cut = true;
        None
    }

    fn edge(
        &mut self,
        walked: &mut Walked,
        (from, to): (usize, usize),
        relation: Option<String>,
        proven: bool,
        evidence: String,
    ) {
        let at = *self.edge_at.entry((from, to, proven)).or_insert_with(|| {
            walked.edges.push(LineageEdge {
                from: node_id(from),
                to: node_id(to),
                relation: relation.clone(),
                proven,
                evidence: Vec::new(),
                cycle: false,
            });
            walked.edges.len() - 1
        });
        let edge = &mut walked.edges[at];
        if !edge.evidence.contains(&evidence) {
            edge.evidence.push(evidence);
        }
    }
}

/// Marks the edges that lead back to a model on the way to them, depth first, without recursion.
fn find_cycles(walked: &mut Walked) {
    let place: HashMap<&str, usize> =
        walked.nodes.iter().enumerate().map(|(at, node)| (&*node.id, at)).collect();
    let ends: Vec<Option<(usize, usize)>> =
        walked.edges.iter().map(|edge| Some((*place.get(&*edge.from)?, *place.get(&*edge.to)?))).collect();
    let mut out: Vec<Vec<(usize, usize)>> = vec![Vec::new(); walked.nodes.len()];
    for (edge, ends) in ends.iter().enumerate() {
        if let Some((from, to)) = ends {
            out[*from].push((edge, *to));
        }
    }
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        OnTheWay,
        Done,
    }
    let mut seen = vec![Seen::Not; walked.nodes.len()];
    let mut back = Vec::new();
    // Every model can be reached from the first.
    let mut way: Vec<(usize, usize)> = Vec::new();
    if let Some(first) = seen.first_mut() {
        *first = Seen::OnTheWay;
        way.push((0, 0));
    }
    while let Some((at, next)) = way.last_mut() {
        let Some((edge, to)) = out[*at].get(*next).copied() else {
            seen[*at] = Seen::Done;
            way.pop();
            continue;
        };
        *next += 1;
        match seen[to] {
            Seen::OnTheWay => back.push(edge),
            Seen::Done => {}
            Seen::Not => {
                seen[to] = Seen::OnTheWay;
                way.push((to, 0));
            }
        }
    }
    for edge in back {
        walked.edges[edge].cycle = true;
    }
}

/// Says in what several trusted provenances of one model differ.
fn disagreement(all: &[&Provenance]) -> Option<String> {
    let (first, others) = all.split_first()?;
    let bases = |provenance: &Provenance| -> BTreeSet<String> {
        let (inputs, _) = inputs::of(provenance);
        let bases = inputs.into_iter().filter(|input| input.kind == Kind::BaseModel);
        bases.flat_map(|base| base.ids).map(|id| id.to_string()).collect()
    };
    let mut differ = BTreeSet::new();
    for other in others {
        let what = [
            ("the builder", first.builder_id != other.builder_id),
            ("the build type", first.build_type != other.build_type),
            ("the base models", bases(first) != bases(other)),
            ("the parameters", first.external_parameters != other.external_parameters),
            ("the inputs", first.resolved_dependencies != other.resolved_dependencies),
        ];
        differ.extend(what.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what));
    }
    let differ: Vec<&str> = differ.into_iter().collect();
    (!differ.is_empty()).then(|| {
        format!(
            "{} trusted provenances of it disagree about {}; all are followed",
            all.len(),
            differ.join(", ")
        )
    })
}

fn statement(judged: &Judged) -> LineageStatement {
    LineageStatement {
        evidence: judged.evidence.clone(),
        place: judged.place.clone(),
        predicate_type: judged.about.predicate_type().to_owned(),
        standing: judged.standing,
        message: match &judged.code {
            Some(code) => format!("{} [{code}]", judged.message),
            None => judged.message.clone(),
        },
        build: None,
    }
}

/// An id as a digest with its algorithm, for people.
pub(super) fn digest(id: &ArtifactId) -> String {
    match id {
        ArtifactId::Directory { sha256, .. } => format!("{MANIFEST_DIGEST}:{sha256}"),
        ArtifactId::Blob { algorithm, hex } => format!("{algorithm}:{hex}"),
    }
}

fn node_id(at: usize) -> String {
    format!("n{at}")
}
