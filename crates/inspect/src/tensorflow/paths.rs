//! Where operators that read and write files get their names from. A saver's name comes from whoever loads the model; one
//! that the graph says itself is the graph's own doing. Names are followed backwards, through functions too.

use crate::outside;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// It is read or written, which is a finding of its own.
    Named,
    Read,
    Write,
}

/// The operators, and which input is the name.
const SINKS: [(&str, usize, Use); 38] = [
    ("Save", 0, Use::Write),
    ("SaveSlices", 0, Use::Write),
    ("SaveV2", 0, Use::Write),
    ("MergeV2Checkpoints", 0, Use::Read),
    ("MergeV2Checkpoints", 1, Use::Write),
    ("Restore", 0, Use::Read),
    ("RestoreSlice", 0, Use::Read),
    ("RestoreV2", 0, Use::Read),
    ("DTensorRestoreV2", 0, Use::Read),
    ("InitializeTableFromTextFile", 1, Use::Read),
    ("InitializeTableFromTextFileV2", 1, Use::Read),
    ("ReadFile", 0, Use::Named),
    ("WriteFile", 0, Use::Named),
    ("MatchingFiles", 0, Use::Named),
    ("MatchingFilesDataset", 0, Use::Named),
    ("CacheDataset", 1, Use::Named),
    ("CacheDatasetV2", 1, Use::Named),
    ("TextLineDataset", 0, Use::Named),
    ("TFRecordDataset", 0, Use::Named),
    ("TFRecordDatasetV2", 0, Use::Named),
    ("FixedLengthRecordDataset", 0, Use::Named),
    ("FixedLengthRecordDatasetV2", 0, Use::Named),
    ("CSVDataset", 0, Use::Named),
    ("CSVDatasetV2", 0, Use::Named),
    ("ExperimentalCSVDataset", 0, Use::Named),
    ("LMDBDataset", 0, Use::Named),
    ("ExperimentalLMDBDataset", 0, Use::Named),
    ("LoadDataset", 0, Use::Named),
    ("SaveDataset", 1, Use::Named),
    ("SaveDatasetV2", 1, Use::Named),
    ("SnapshotDataset", 1, Use::Named),
    ("SnapshotDatasetV2", 1, Use::Named),
    ("SnapshotDatasetReader", 0, Use::Named),
    ("DatasetToTFRecord", 1, Use::Named),
    ("SqlDataset", 1, Use::Named),
    ("GenerateVocabRemapping", 0, Use::Named),
    ("LoadAndRemapMatrix", 0, Use::Named),
    ("CreateSummaryFileWriter", 1, Use::Named),
];

/// Operators that give on the texts that they get.
const FLOW: [&str; 40] = [
    "BroadcastTo",
    "Concat",
    "ConcatV2",
    "DeepCopy",
    "EnsureShape",
    "Enter",
    "Exit",
    "ExpandDims",
    "Fill",
    "Gather",
    "GatherNd",
    "GatherV2",
    "GuaranteeConst",
    "Identity",
    "IdentityN",
    "LoopCond",
    "Merge",
    "NextIteration",
    "Pack",
    "PlaceholderWithDefault",
    "PreventGradient",
    "RefIdentity",
    "RefMerge",
    "RefSwitch",
    "Reshape",
    "Select",
    "SelectV2",
    "ShardedFilename",
    "ShardedFilespec",
    "Slice",
    "Snapshot",
    "Split",
    "Squeeze",
    "StopGradient",
    "StridedSlice",
    "StringJoin",
    "Switch",
    "Tile",
    "Transpose",
    "Unpack",
];

/// Operators that make other texts of them: no saver's name is made like this.
const MAKERS: [&str; 15] = [
    "AsString",
    "DecodeBase64",
    "DecodeCompressed",
    "EncodeBase64",
    "ReduceJoin",
    "RegexReplace",
    "StaticRegexReplace",
    "StringFormat",
    "StringLower",
    "StringStrip",
    "StringUpper",
    "Substr",
    "UnicodeEncode",
    "UnicodeTranscode",
    "UnsortedSegmentJoin",
];

/// Bytes of names that are kept.
const KEPT: usize = 16 * 1024 * 1024;
/// Inputs of a node that are kept.
pub(super) const INPUTS: usize = 65_536;
/// Nodes that are looked at on the way back from all files.
const STEPS: usize = 1_000_000;

/// A node of a graph.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) op: String,
    pub(super) inputs: Vec<String>,
    /// Texts of its constant.
    pub(super) texts: Vec<String>,
    /// Functions that it calls.
    pub(super) functions: Vec<String>,
    /// Whether it has more of these than are kept.
    pub(super) cut: bool,
    pub(super) at: u64,
}

/// A graph, or the body of a function.
#[derive(Debug, Default)]
struct Scope {
    function: String,
    args: HashMap<String, usize>,
    nodes: BTreeMap<String, Node>,
}

/// All graphs of a model.
#[derive(Debug, Default)]
pub(super) struct Paths {
    scopes: Vec<Scope>,
    /// The one that is read.
    here: usize,
    by_name: HashMap<String, usize>,
    kept: usize,
    /// Nodes that stand for assets: the loader says where these are.
    pub(super) assets: BTreeSet<String>,
    steps: usize,
    /// Whether some names were not followed.
    pub(super) more: bool,
}

/// A file that the graph names.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path {
    pub(super) how: Use,
    pub(super) op: String,
    /// Its name; none when it is computed.
    pub(super) name: Result<String, String>,
    pub(super) why: Option<&'static str>,
    pub(super) at: u64,
}

/// What a name may come from.
#[derive(Default)]
struct Sources {
    args: BTreeSet<usize>,
    /// Texts, whether something stands before them, the constant, and where it is.
    texts: Vec<(String, bool, String, u64)>,
    /// Whether it comes from whoever runs the graph, too.
    open: bool,
    made_by: Option<String>,
}

impl Paths {
    /// Begins a graph or a function: gives where [`Paths::end`] goes back to.
    pub(super) fn begin(&mut self) -> usize {
        self.scopes.push(Scope::default());
        std::mem::replace(&mut self.here, self.scopes.len() - 1)
    }

    pub(super) fn end(&mut self, outer: usize) {
        self.here = outer;
    }

    /// The function that was begun has this name.
    pub(super) fn function(&mut self, name: String) {
        if let Some(scope) = self.scopes.get_mut(self.here) {
            self.by_name.insert(name.clone(), self.here);
            scope.function = name;
        }
    }

    /// It has one more argument.
    pub(super) fn argument(&mut self, name: String) {
        if self.kept + name.len() + 64 > KEPT {
            self.more = true;
        } else if let Some(scope) = self.scopes.get_mut(self.here) {
            self.kept += name.len() + 64;
            scope.args.insert(name, scope.args.len());
        }
    }

    pub(super) fn add(&mut self, node: Node) {
        let used = !node.texts.is_empty()
            || node.cut
            || !node.functions.is_empty()
            || node.op.starts_with("Placeholder")
            || FLOW.contains(&node.op.as_str())
            || MAKERS.contains(&node.op.as_str())
            || SINKS.iter().any(|(op, _, _)| *op == node.op)
            || !crate::operators::TENSORFLOW.contains(node.op.as_str());
        if !used {
            return;
        }
        let texts = node.inputs.iter().chain(&node.texts).chain(&node.functions);
        let size = 128 + node.name.len() + texts.map(|text| 24 + text.len()).sum::<usize>();
        if self.kept + size > KEPT {
            self.more = true;
            return;
        }
        self.kept += size;
        if let Some(scope) = self.scopes.get_mut(self.here) {
            scope.nodes.insert(node.name.clone(), node);
        }
    }

    /// The files that operators read or write by names of the graph's own.
    pub(super) fn found(&mut self) -> BTreeSet<Path> {
        let mut found = BTreeSet::new();
        // Arguments of functions that become names.
        let mut passed: BTreeSet<(String, usize, Use, String)> = BTreeSet::new();
        let mut work: Vec<(usize, Vec<String>, Use, String)> = Vec::new();
        let mut callers: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
        for (index, scope) in self.scopes.iter().enumerate() {
            for node in scope.nodes.values() {
                for (op, input, how) in SINKS {
                    if op == node.op
                        && let Some(input) = node.inputs.get(input)
                    {
                        work.push((index, vec![input.clone()], how, node.op.clone()));
                    }
                }
                for function in node.functions.iter().chain([&node.op]) {
                    callers.entry(function.clone()).or_default().push((index, node.name.clone()));
                }
            }
        }
        while let Some((index, inputs, how, op)) = work.pop() {
            self.steps += inputs.len();
            if self.steps > STEPS {
                self.more = true;
                break;
            }
            let sources = self.sources(index, inputs);
            let Some(scope) = self.scopes.get(index) else { continue };
            for (name, piece, constant, at) in sources.texts {
                let asset = op.starts_with("InitializeTable") && self.assets.contains(&constant);
                let why = if piece && sources.open && !name.contains("..") { None } else { leads_out(&name) };
                if !name.is_empty() && !asset {
                    found.insert(Path { how, op: op.clone(), name: Ok(name), why, at });
                }
            }
            if let (Some(maker), false) = (sources.made_by, how == Use::Named) {
                found.insert(Path { how, op: op.clone(), name: Err(maker), why: None, at: 0 });
            }
            if scope.function.is_empty() {
                continue;
            }
            for arg in sources.args {
                if !passed.insert((scope.function.clone(), arg, how, op.clone())) {
                    continue;
                }
                for (caller, name) in callers.get(&scope.function).into_iter().flatten() {
                    let Some(node) = self.scopes.get(*caller).and_then(|scope| scope.nodes.get(name)) else {
                        continue;
                    };
                    let at = match node.op.as_str() {
                        "PartitionedCall" | "StatefulPartitionedCall" | "While" | "StatelessWhile" => {
                            Some(arg)
                        }
                        "If" | "StatelessIf" | "Case" | "StatelessCase" => Some(arg + 1),
                        _ if node.op == scope.function => Some(arg),
                        _ => None,
                    };
                    let inputs = match at {
                        Some(at) => node.inputs.get(at).cloned().into_iter().collect(),
                        None => node.inputs.clone(),
                    };
                    work.push((*caller, inputs, how, op.clone()));
                }
            }
        }
        found
    }

    /// What these inputs of a node may come from.
    fn sources(&mut self, index: usize, inputs: Vec<String>) -> Sources {
        let mut sources = Sources::default();
        let mut seen: HashSet<(usize, String)> = HashSet::new();
        let mut left: Vec<(usize, String, bool)> =
            inputs.into_iter().map(|input| (index, input, false)).collect();
        while let Some((index, input, piece)) = left.pop() {
            let name = input.split(':').next().unwrap_or_default();
            if input.starts_with('^') || !seen.insert((index, name.to_owned())) {
                continue;
            }
            self.steps += 1;
            if self.steps > STEPS {
                self.more = true;
                break;
            }
            let Some(scope) = self.scopes.get(index) else { continue };
            if let Some(arg) = scope.args.get(name).copied() {
                sources.open = true;
                sources.args.insert(arg);
                continue;
            }
            let Some(node) = scope.nodes.get(name) else { continue };
            sources.open |= node.op.starts_with("Placeholder");
            let texts = node.texts.iter().map(|text| (text.clone(), piece, name.to_owned(), node.at));
            sources.texts.extend(texts);
            if node.cut {
                sources.made_by = Some(format!("{} of many values", node.op));
            }
            if MAKERS.contains(&node.op.as_str()) {
                sources.made_by = Some(node.op.clone());
            }
            let joins = node.op == "StringJoin";
            let inputs = node.inputs.iter().enumerate();
            left.extend(inputs.map(|(at, input)| (index, input.clone(), piece || joins && at > 0)));
            // What a function gives back is one of the texts in it.
            for called in node.functions.iter().chain([&node.op]) {
                let Some(&inner) = self.by_name.get(called) else { continue };
                let nodes = self.scopes.get(inner).map(|called| called.nodes.values());
                let constants = nodes.into_iter().flatten().filter(|node| !node.texts.is_empty());
                left.extend(constants.map(|node| (inner, node.name.clone(), piece)));
            }
        }
        sources
    }
}

/// Why the file is not one of the model's, or beside it.
pub(super) fn leads_out(name: &str) -> Option<&'static str> {
    // TensorFlow's URLs have slashes.
    let is_path = name.contains("://") || !name.contains(':') || name.get(1..2) == Some(":");
    outside::leads_out(name).filter(|why| is_path || *why != "a URL")
}
