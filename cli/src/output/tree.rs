//! A model's ancestry as a tree for people. Whatever its depth: nothing recurses, and lines do not grow without end.

use modelseal::{
    Printable,
    graph::{Graph, Look},
    report::{
        LineageBuild, LineageEdge, LineageInput, LineageInputKind, LineageNode, LineageReport,
        LineageStanding, LineageStatus,
    },
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::{self, Write},
};

/// Generations whose lines are drawn; those further back say how far that is.
const MAX_INDENT: usize = 16;

/// Statements and inputs of one model that are printed; JSON has all.
const MAX_LINES: usize = 20;

/// Hexadecimal digits of a digest.
const SHOWN_DIGITS: usize = 12;

/// Prints the tree.
pub fn print(out: &mut dyn Write, report: &LineageReport) -> io::Result<()> {
    let tree = Tree::new(report);
    let Some(root) = report.nodes.first() else { return Ok(()) };
    let mut shown: HashSet<usize> = HashSet::from([0]);
    let mut way: Vec<Step<'_>> = Vec::new();
    tree.node(out, &[], root, None, false)?;
    way.push(Step { children: tree.children(0), next: 0 });
    let mut last_of: Vec<bool> = Vec::new();
    while let Some(step) = way.last_mut() {
        let Some(child) = step.children.get(step.next) else {
            way.pop();
            last_of.pop();
            continue;
        };
        step.next += 1;
        let last = step.next == step.children.len();
        match child {
            Child::Input(input) => print_input(out, &prefix(&last_of, Some(last)), input)?,
            Child::More(count) => {
                writeln!(out, "{}{count} more (--format json has all)", prefix(&last_of, Some(last)))?;
            }
            Child::Model(edge) => {
                let Some(at) = tree.place.get(&*edge.to).copied() else { continue };
                let again = edge.cycle || !shown.insert(at);
                last_of.push(last);
                tree.node(out, &last_of, &report.nodes[at], Some(edge), again)?;
                let children = if again { Vec::new() } else { tree.children(at) };
                way.push(Step { children, next: 0 });
            }
        }
    }
    Ok(())
}

/// The graph of models, and of what else went into them.
pub fn graph(report: &LineageReport) -> Graph {
    let tree = Tree::new(report);
    let mut graph = Graph::default();
    for (at, node) in report.nodes.iter().enumerate() {
        let allowed = report.allow_unresolved && at > 0 && node.status == LineageStatus::Unresolved;
        let mut lines = vec![name(report, at).to_owned()];
        lines.extend(pin(node));
        lines.push(node.status.name().to_owned());
        graph.node(lines, if node.status.is_good() || allowed { Look::Plain } else { Look::Marked });
    }
    for edge in &report.edges {
        let (Some(from), Some(to)) = (tree.place.get(&*edge.from), tree.place.get(&*edge.to)) else {
            continue;
        };
        let look = match edge {
            LineageEdge { cycle: true, .. } => Look::Marked,
            LineageEdge { proven: false, .. } => Look::Doubtful,
            _ => Look::Plain,
        };
        graph.edge(*from, *to, label(edge), look);
    }
    // One leaf for each input, however many models it went into.
    let mut leaves: BTreeMap<(LineageInputKind, String), usize> = BTreeMap::new();
    for (from, node) in report.nodes.iter().enumerate() {
        for input in inputs(node) {
            let text = input_text(input);
            let look = if input.pinned { Look::Plain } else { Look::Doubtful };
            let to = *leaves.entry((input.kind, text.clone())).or_insert_with(|| {
                let state = if input.pinned { "pinned" } else { "not pinned" };
                graph.node(vec![text, state.to_owned()], look)
            });
            graph.edge(from, to, input.kind.name(), look);
        }
    }
    graph
}

struct Tree<'a> {
    report: &'a LineageReport,
    place: HashMap<&'a str, usize>,
    out: HashMap<&'a str, Vec<&'a LineageEdge>>,
}

struct Step<'a> {
    children: Vec<Child<'a>>,
    next: usize,
}

enum Child<'a> {
    Model(&'a LineageEdge),
    Input(&'a LineageInput),
    More(usize),
}

impl<'a> Tree<'a> {
    fn new(report: &'a LineageReport) -> Self {
        let place = report.nodes.iter().enumerate().map(|(at, node)| (&*node.id, at)).collect();
        let mut out: HashMap<&str, Vec<&LineageEdge>> = HashMap::new();
        for edge in &report.edges {
            out.entry(&edge.from).or_default().push(edge);
        }
        Self { report, place, out }
    }

    fn children(&self, at: usize) -> Vec<Child<'a>> {
        let node = &self.report.nodes[at];
        let models = self.out.get(&*node.id).into_iter().flatten().map(|edge| Child::Model(edge));
        let mut children: Vec<Child<'_>> = models.collect();
        let inputs: Vec<&LineageInput> = inputs(node).collect();
        children.extend(inputs.iter().take(MAX_LINES).map(|input| Child::Input(input)));
        children.extend(inputs.len().checked_sub(MAX_LINES + 1).map(|more| Child::More(more + 1)));
        children
    }

    fn node(
        &self,
        out: &mut dyn Write,
        last_of: &[bool],
        node: &LineageNode,
        edge: Option<&LineageEdge>,
        again: bool,
    ) -> io::Result<()> {
        let at = self.place.get(&*node.id).copied().unwrap_or_default();
        let (head, own) = match last_of.split_last() {
            Some((last, above)) => (prefix(above, Some(*last)), prefix(last_of, None)),
            None => (String::new(), String::new()),
        };
        let status = node.status.name().to_uppercase();
        let relation = edge.map(|edge| format!("{}: ", Printable(&label(edge)))).unwrap_or_default();
        let pin = pin(node).map(|pin| format!("  {pin}")).unwrap_or_default();
        let name = Printable(name(self.report, at)).to_string();
        let seen = match edge {
            Some(edge) if edge.cycle => "  CYCLE: it was made from itself, by way of the models above",
            _ if again => "  (see above)",
            _ => "",
        };
        writeln!(out, "{head}{relation}{name}{pin}  {status}{seen}")?;
        if again {
            return Ok(());
        }
        let bar =
            if self.out.contains_key(&*node.id) || inputs(node).next().is_some() { "│ " } else { "  " };
        let mut line = |text: &str| writeln!(out, "{own}{bar}{}", Printable(text));
        match &node.code {
            Some(code) => line(&format!("{} [{code}]", node.message))?,
            None => line(&node.message)?,
        }
        if let Some(path) = node.path.as_ref().filter(|_| edge.is_some()) {
            line(&format!("measured at {path}"))?;
        }
        for build in node.statements.iter().filter_map(|statement| statement.build.as_ref()).take(MAX_LINES) {
            line(&built(build))?;
        }
        let others = node
            .statements
            .iter()
            .filter(|s| s.standing != LineageStanding::Trusted && s.message != node.message);
        for statement in others.take(MAX_LINES) {
            let standing = match statement.standing {
                LineageStanding::Refused => "refused",
                LineageStanding::Revoked => "revoked",
                _ => "by nobody trusted",
            };
            line(&format!("not used, {standing}: {}: {}", statement.place, statement.message))?;
        }
        for note in node.notes.iter().take(MAX_LINES) {
            line(&format!("note: {note}"))?;
        }
        Ok(())
    }
}

fn prefix(last_of: &[bool], own: Option<bool>) -> String {
    let (far, near) = match last_of.len().checked_sub(MAX_INDENT) {
        Some(far @ 1..) => (format!("[{far}] "), &last_of[far..]),
        _ => (String::new(), last_of),
    };
    let above = near.iter().map(|last| if *last { "   " } else { "│  " });
    let own = own.map(|last| if last { "└─ " } else { "├─ " });
    far + &above.chain(own).collect::<String>()
}

fn print_input(out: &mut dyn Write, prefix: &str, input: &LineageInput) -> io::Result<()> {
    let state = match &input.why {
        None => "pinned".to_owned(),
        Some(why) => format!("NOT PINNED: {why}"),
    };
    writeln!(out, "{prefix}{}: {}  {}", input.kind.name(), Printable(&input_text(input)), Printable(&state))
}

/// What went into a model besides other models, each once.
fn inputs(node: &LineageNode) -> impl Iterator<Item = &LineageInput> {
    let mut seen = Vec::new();
    let builds = node.statements.iter().filter_map(|statement| statement.build.as_ref());
    builds.flat_map(|build| &build.inputs).filter(move |input| {
        let new = input.kind != LineageInputKind::BaseModel && !seen.contains(input);
        if new {
            seen.push(*input);
        }
        new
    })
}

fn input_text(input: &LineageInput) -> String {
    let digest = input.digests.iter().next().map(|(algorithm, hex)| format!("  {algorithm}:{}", short(hex)));
    format!("{}{}", input.uri.as_deref().unwrap_or("(no name)"), digest.unwrap_or_default())
}

fn label(edge: &LineageEdge) -> String {
    match (&edge.relation, edge.proven) {
        (Some(relation), true) => format!("{relation} of"),
        (None, true) => "made from".to_owned(),
        (Some(relation), false) => format!("declared as {relation} of"),
        (None, false) => "declared as made from".to_owned(),
    }
}

fn built(build: &LineageBuild) -> String {
    let when = build.finished_on.as_ref().map(|at| format!(", finished {at}")).unwrap_or_default();
    let how = build.relation.as_ref().unwrap_or(&build.build_type);
    format!("built by {} as {how}{when}", build.builder)
}

fn name(report: &LineageReport, at: usize) -> &str {
    match &report.nodes[at].uri {
        _ if at == 0 => &report.model,
        Some(uri) => uri,
        None => "(no name)",
    }
}

fn pin(node: &LineageNode) -> Option<String> {
    let id = node.artifact_ids.first()?;
    let (start, hex) = id.rsplit_once(':')?;
    let algorithm = match start.split_once(':') {
        Some(("blob", algorithm)) => algorithm,
        _ => "manifest-sha256",
    };
    Some(format!("{algorithm}:{}", short(hex)))
}

fn short(hex: &str) -> String {
    match hex.char_indices().nth(SHOWN_DIGITS) {
        Some((end, _)) => format!("{}…", &hex[..end]),
        None => hex.to_owned(),
    }
}
