//! TensorFlow: SavedModels, graphs without variables, what Keras wrote beside them, and checkpoints.

mod attributes;
pub(crate) mod checkpoint;
mod keras;
mod operators;
mod paths;
pub(crate) use operators::{Standing, standing};
#[cfg(test)]
mod tests;
pub(crate) mod text;

use crate::{
    operators::{NAME, Used},
    outside,
    protobuf::wire::{Fault, Span, Value, Wire},
    scan::Scan,
};
use modelseal_core::inspection::Capability;
use std::collections::BTreeSet;

pub(crate) mod rules {
    //! What can be found in a file of TensorFlow's.

    use crate::rule::rules;

    rules! {
        BROKEN = "TFG001" "broken-graph" Malformed:
            "The model is no protocol buffer, or ends before it is whole, or has something else behind it." =>
            "Get the file again from its maker.";
        FORBIDDEN = "TFG002" "graph-reaches-out" Malicious:
            "An operator of the graph runs Python, or reads or writes files of any name, or reaches the network." =>
            "Do not load it; ask its maker what the operator is for.";
        DOUBTFUL = "TFG003" "doubtful-graph-operator" Suspicious:
            "An operator of the graph reads data of its own, reaches other hosts, or holds compiled code." =>
            "Find out what it is for.";
        UNKNOWN_OPERATOR = "TFG004" "unknown-graph-operator" Suspicious:
            "An operator of the graph is none that TensorFlow has, so that running it takes a library of its maker." =>
            "Find out which library that is, and whether to trust it.";
        ASSET = "TFG005" "asset-path" Malicious:
            "A file that belongs to the model has a name that leads out of it." =>
            "Do not load it.";
        TENSOR = "TFG006" "graph-tensor-size" Malformed:
            "A constant has another number of bytes than its shape and type need, or a shape that no tensor has." =>
            "Get the file again from its maker.";
        METADATA = "TFG008" "keras-metadata" Unknown:
            "The description of a layer cannot be read." =>
            "Get the file again from its maker.";
        FIELD = "TFG009" "graph-unknown-field" Unknown:
            "A message has a field that TensorFlow's format does not have; what it holds was not inspected." =>
            "Find out what wrote the file.";
        ADDRESS = "TFG010" "graph-names-address" Suspicious:
            "An attribute of an operator names an address of the network, or a file, that it writes to." =>
            "Do not load it.";
        FILES = "TFG011" "graph-saves-itself" Note:
            "Operators of the graph save and restore the model's own variables." =>
            "None is needed: every SavedModel has them.";
        READS = "TFG014" "graph-reads-elsewhere" Suspicious:
            "An operator of the graph reads a file that is not the model's, by a name that the graph says itself." =>
            "Find out what it reads, and why.";
        COMPUTED = "TFG015" "graph-computes-file-name" Suspicious:
            "The name of a file that the graph reads or writes is computed in the graph. No saver's is." =>
            "Find out which file it is.";
        TEXT = "TFG013" "graph-as-text" Unknown:
            "The graph is written as text, of which only the names of operators were inspected." =>
            "Publish the graph in its binary form.";
    }
}

/// What is gathered while graphs are walked.
struct Model<'w, 'a, 's, 'r> {
    wire: &'w mut Wire<'a>,
    scan: &'s mut Scan<'r>,
    used: Used,
    /// Functions of the model itself.
    functions: BTreeSet<String>,
    /// The node that is read, and all of them.
    here: paths::Node,
    paths: paths::Paths,
}

/// A SavedModel: `saved_model.pb`.
pub(crate) fn saved_model(wire: &mut Wire<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    walk(wire, scan, |model| {
        let (mut span, mut graphs) = (model.wire.whole(), 0_u64);
        while let Some(field) = model.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1, Value::Varint(_)) => {}
                (2, Value::Bytes(meta)) => {
                    graphs += 1;
                    model.meta_graph(meta)?;
                }
                (number, _) => model.unknown_field("SavedModel", number, field.at),
            }
        }
        if graphs == 0 { Err(Fault::Broken(0, "there is no graph")) } else { Ok(()) }
    })
}

/// A graph by itself: `frozen_graph.pb`.
pub(crate) fn graph(wire: &mut Wire<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    walk(wire, scan, |model| {
        let span = model.wire.whole();
        model.graph(span)
    })
}

/// A graph with what is said of it: `model.ckpt.meta`.
pub(crate) fn meta_graph(wire: &mut Wire<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    walk(wire, scan, |model| {
        let span = model.wire.whole();
        model.meta_graph(span)
    })
}

/// Numbers by which a SavedModel is known again: `fingerprint.pb`.
pub(crate) fn fingerprint(wire: &mut Wire<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    let mut span = wire.whole();
    while let Some(field) = wire.next(&mut span)? {
        if !matches!((field.number, field.value), (1..=5, Value::Varint(_)) | (6 | 7, Value::Bytes(_))) {
            let text = format!("field {} of FingerprintDef", field.number);
            scan.find_about(&rules::FIELD, field.at, &text, text.clone());
        }
    }
    Ok(())
}

/// What Keras says of the layers: `keras_metadata.pb`.
pub(crate) fn keras_metadata(wire: &mut Wire<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    let mut model = Model::new(wire, scan);
    let mut span = model.wire.whole();
    while let Some(field) = model.wire.next(&mut span)? {
        match (field.number, field.value) {
            (1, Value::Bytes(node)) => model.keras_node(node, 5, true)?,
            (number, _) => model.unknown_field("SavedMetadata", number, field.at),
        }
    }
    Ok(())
}

fn walk(
    wire: &mut Wire<'_>,
    scan: &mut Scan<'_>,
    inside: impl FnOnce(&mut Model<'_, '_, '_, '_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    scan.contents.capabilities.insert(Capability::Graph);
    let mut model = Model::new(wire, scan);
    // What was seen before an error stands.
    let result = inside(&mut model);
    model.judge();
    model.judge_paths();
    result
}

impl<'w, 'a, 's, 'r> Model<'w, 'a, 's, 'r> {
    fn new(wire: &'w mut Wire<'a>, scan: &'s mut Scan<'r>) -> Self {
        let (used, functions) = (Used::default(), BTreeSet::new());
        Self { wire, scan, used, functions, here: paths::Node::default(), paths: paths::Paths::default() }
    }
}

impl Model<'_, '_, '_, '_> {
    fn meta_graph(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (2, Value::Bytes(graph)) => self.graph(graph)?,
                (6, Value::Bytes(asset)) => self.asset(asset)?,
                (7, Value::Bytes(objects)) => self.objects(objects)?,
                (1 | 3..=5, Value::Bytes(_)) => {}
                (number, _) => self.unknown_field("MetaGraphDef", number, field.at),
            }
        }
        Ok(())
    }

    fn graph(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        let outer = self.paths.begin();
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1, Value::Bytes(node)) => self.node(node)?,
                (2, Value::Bytes(library)) => self.library(library)?,
                (3, Value::Varint(_)) | (4 | 5, Value::Bytes(_)) => {}
                (number, _) => self.unknown_field("GraphDef", number, field.at),
            }
        }
        self.paths.end(outer);
        Ok(())
    }

    fn library(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1, Value::Bytes(function)) => self.function(function)?,
                (2 | 3, Value::Bytes(_)) => {}
                (number, _) => self.unknown_field("FunctionDefLibrary", number, field.at),
            }
        }
        Ok(())
    }

    fn function(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        let outer = self.paths.begin();
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1, Value::Bytes(mut signature)) => {
                    let at = signature.start;
                    while let Some(field) = self.wire.next(&mut signature)? {
                        match (field.number, field.value) {
                            (1, Value::Bytes(text)) => {
                                let name = self.wire.text(text, NAME)?;
                                self.used.add(&name, at, self.scan);
                                if self.used.contains(&name) {
                                    self.functions.insert(name.clone());
                                }
                                self.paths.function(name);
                            }
                            (2, Value::Bytes(mut argument)) => {
                                let mut name = String::new();
                                while let Some(field) = self.wire.next(&mut argument)? {
                                    if let (1, Value::Bytes(text)) = (field.number, field.value) {
                                        name = self.wire.text(text, NAME)?;
                                    }
                                }
                                self.paths.argument(name);
                            }
                            _ => {}
                        }
                    }
                }
                (3, Value::Bytes(node)) => self.node(node)?,
                (5 | 7, Value::Bytes(entry)) => self.attribute(entry)?,
                (2 | 4 | 6 | 8, Value::Bytes(_)) => {}
                (number, _) => self.unknown_field("FunctionDef", number, field.at),
            }
        }
        self.paths.end(outer);
        Ok(())
    }

    fn node(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        let mut op = String::new();
        self.here = paths::Node { at: message.start, ..paths::Node::default() };
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (2, Value::Bytes(text)) => op = self.wire.text(text, NAME)?,
                (5, Value::Bytes(entry)) => self.attribute(entry)?,
                (1, Value::Bytes(text)) => self.here.name = self.wire.text(text, NAME)?,
                (3, Value::Bytes(_)) if self.here.inputs.len() >= paths::INPUTS => self.here.cut = true,
                (3, Value::Bytes(text)) => {
                    let input = self.wire.text(text, NAME)?;
                    self.here.inputs.push(input);
                }
                (4 | 6 | 7, Value::Bytes(_)) => {}
                (number, _) => self.unknown_field("NodeDef", number, field.at),
            }
        }
        self.used.add(&op, message.start, self.scan);
        self.here.op = op;
        self.paths.add(std::mem::take(&mut self.here));
        Ok(())
    }

    fn asset(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            if let (1, Value::Bytes(mut tensor)) = (field.number, field.value) {
                while let Some(field) = self.wire.next(&mut tensor)? {
                    if let (1, Value::Bytes(text)) = (field.number, field.value) {
                        let name = self.wire.text(text, NAME)?;
                        let node = name.split(':').next().unwrap_or_default();
                        self.paths.assets.insert(node.to_owned());
                    }
                }
            } else if let (2, Value::Bytes(text)) = (field.number, field.value) {
                let name = self.wire.text(text, 4096)?;
                match outside::leads_out(&name) {
                    None => outside::external(self.scan, &format!("assets/{name}")),
                    Some(why) => {
                        let message = format!("the asset is {why}: {name:?}");
                        self.scan.find_about(&rules::ASSET, field.at, &name, message);
                    }
                }
            }
        }
        Ok(())
    }

    /// The objects of a SavedModel: of them only what Keras added is of interest.
    fn objects(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            let (1, Value::Bytes(mut object)) = (field.number, field.value) else { continue };
            while let Some(field) = self.wire.next(&mut object)? {
                if let (4, Value::Bytes(user)) = (field.number, field.value) {
                    self.keras_node(user, 3, false)?;
                }
            }
        }
        Ok(())
    }

    fn unknown_field(&mut self, message: &str, number: u32, at: u64) {
        let text = format!("field {number} of {message}");
        self.scan.find_about(&rules::FIELD, at, &text, text.clone());
    }

    /// What is thought of the files that the graph itself names.
    fn judge_paths(&mut self) {
        for path in self.paths.found() {
            let paths::Path { how, op, name, why, at } = path;
            let name = match name {
                Ok(name) => name,
                Err(maker) => {
                    let message = format!("{op} gets the name of its file from {maker}");
                    self.scan.find_about(&rules::COMPUTED, at, &op, message);
                    continue;
                }
            };
            let does = if how == paths::Use::Write { "writes to" } else { "reads" };
            let (rule, why) = match (how, why) {
                (paths::Use::Named, _) | (_, None) => {
                    outside::external(self.scan, &name);
                    continue;
                }
                (paths::Use::Read, Some(why)) => (&rules::READS, why),
                (paths::Use::Write, Some(why)) => (&rules::FORBIDDEN, why),
            };
            let message = format!("the operator {op} {does} {why}: {name:?}");
            self.scan.find_about(rule, at, &name, message);
        }
        if self.paths.more {
            let message = "names of files were not followed any further".to_owned();
            self.scan.find(&crate::limits::TOO_MANY_CONSTANTS, None, message);
        }
    }

    /// What is thought of the operators, once the model's own functions are known.
    fn judge(&mut self) {
        for (op, at) in self.used.iter() {
            let standing = standing(op);
            // A function may not hide an operator: which of the two runs is for the runtime to say.
            if self.functions.contains(op) && !matches!(standing, Standing::Forbidden(_)) {
                continue;
            }
            let (rule, why) = match standing {
                Standing::Harmless => continue,
                Standing::Saver => {
                    self.scan.contents.add_name(|contents| &mut contents.operators, op);
                    self.scan.find(&rules::FILES, at, "they read and write checkpoints".to_owned());
                    continue;
                }
                Standing::Forbidden(why) => (&rules::FORBIDDEN, why),
                Standing::Doubtful(why) => (&rules::DOUBTFUL, why),
                Standing::Unknown => {
                    self.scan.contents.capabilities.insert(Capability::CustomOperators);
                    (&rules::UNKNOWN_OPERATOR, "needs a library of its own")
                }
            };
            if why == operators::COMPILED {
                self.scan.contents.capabilities.insert(Capability::NativeCode);
            }
            self.scan.contents.add_name(|contents| &mut contents.operators, op);
            self.scan.find_about(rule, at, op, format!("the operator {op} {why}"));
        }
    }
}
