//! ONNX models: a graph of operators, its weights, and the files beside it in which more of them lie.

mod graph;
mod tensor;
#[cfg(test)]
mod tests;

use crate::{
    jinja, limits,
    operators::Used,
    protobuf::wire::{Fault, Span, Value, Wire},
    scan::Scan,
};
use modelseal_core::inspection::Capability;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) mod rules {
    //! What can be found in an ONNX model.

    use crate::rule::rules;

    rules! {
        BROKEN = "ONX001" "broken-onnx" Malformed:
            "The model is no protocol buffer, or ends before it is whole, or has something else behind it." =>
            "Get the file again from its maker.";
        TENSOR = "ONX002" "onnx-tensor-size" Malformed:
            "A tensor has another number of bytes than its shape and type need, or a shape that no tensor has." =>
            "Get the file again from its maker.";
        LOCATION = "ONX003" "onnx-external-path" Malicious:
            "A tensor's data is to be read from a place that is not beside the model." =>
            "Do not load it: loaders would read, or write, whatever lies there.";
        RANGE = "ONX004" "onnx-external-range" Malformed:
            "The place of a tensor's data in its file is no number, too large, or does not fit the tensor." =>
            "Get the file again from its maker.";
        ATTRIBUTE = "ONX005" "onnx-external-attribute" Malicious:
            "A key of a tensor's external data names an attribute of the loader's own objects, which it would set." =>
            "Do not load it.";
        KEY = "ONX006" "onnx-external-key" Suspicious:
            "A key of a tensor's external data is none that the format has; some loaders set it as an attribute." =>
            "Do not load it with versions of onnx before 1.21.";
        PYTHON = "ONX007" "onnx-python-operator" Malicious:
            "An operator runs Python code by its name." =>
            "Do not load it.";
        CUSTOM = "ONX008" "onnx-custom-operator" Suspicious:
            "An operator comes from a domain that is not ONNX's, so that running it takes a library of its maker." =>
            "Find out which library that is, and whether to trust it; or export the model with standard operators.";
        OPERATOR = "ONX009" "onnx-unknown-operator" Suspicious:
            "An operator is in a domain of ONNX or its runtime, which has no such operator." =>
            "Find out which library brings it.";
        FIELD = "ONX010" "onnx-unknown-field" Unknown:
            "A message has a field that the format does not have; what it holds was not inspected." =>
            "Find out what wrote the file.";
        STRUCTURE = "ONX011" "onnx-structure" Malformed:
            "The model lacks a part that every model has, or has one twice." =>
            "Get the file again from its maker.";
        RECURSION = "ONX012" "onnx-recursive-function" Malformed:
            "A function of the model calls itself, so that unfolding it does not end." =>
            "Do not load it.";
        COMPILED = "ONX013" "onnx-compiled-part" Suspicious:
            "A part of the graph is compiled for one device, inside the model or in a file beside it." =>
            "Ask its maker for the model before compilation.";
        NAME = "ONX014" "onnx-control-characters" Suspicious:
            "A name of an operator or a domain has characters that no name has." =>
            "Do not load it.";
    }
}

/// What is gathered while the model is walked.
struct Model<'w, 'a, 's, 'r> {
    wire: &'w mut Wire<'a>,
    scan: &'s mut Scan<'r>,
    /// Operators of all graphs and functions, as `domain:name`.
    used: Used,
    /// Functions of the model itself, by the same names, and what each calls.
    functions: BTreeMap<String, BTreeSet<String>>,
    /// The function that is being walked.
    inside: Option<String>,
    /// Calls that are remembered.
    calls: usize,
}

pub(crate) fn inspect(wire: &mut Wire<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    scan.contents.capabilities.insert(Capability::Graph);
    let mut model =
        Model { wire, scan, used: Used::default(), functions: BTreeMap::new(), inside: None, calls: 0 };
    // What was seen before an error stands.
    let result = model.model();
    model.judge();
    result
}

impl Model<'_, '_, '_, '_> {
    fn model(&mut self) -> Result<(), Fault> {
        let mut span = self.wire.whole();
        let (mut versions, mut graphs, mut opsets) = (0_u32, 0_u32, 0_u32);
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1, Value::Varint(_)) => versions += 1,
                (7, Value::Bytes(graph)) => {
                    graphs += 1;
                    self.graph(graph)?;
                }
                (8, Value::Bytes(_)) => opsets += 1,
                (2..=4 | 6, Value::Bytes(_)) | (5, Value::Varint(_)) => {}
                (14, Value::Bytes(entry)) => self.metadata(entry)?,
                (20, Value::Bytes(training)) => self.training(training)?,
                (25, Value::Bytes(function)) => self.function(function)?,
                (26, Value::Bytes(_)) => {}
                (number, _) => self.unknown_field("ModelProto", number, field.at),
            }
        }
        if graphs != 1 || versions > 1 {
            let message = format!("{graphs} graphs and {versions} versions of the format");
            self.scan.find(&rules::STRUCTURE, None, message);
        } else if versions == 0 && opsets == 0 {
            self.scan.find(&rules::STRUCTURE, None, "there is no version of the format".to_owned());
        }
        Ok(())
    }

    /// A property of the model: a chat template may be one.
    fn metadata(&mut self, message: Span) -> Result<(), Fault> {
        let (mut span, mut named) = (message, false);
        while let Some(field) = self.wire.next(&mut span)? {
            let Value::Bytes(text) = field.value else { continue };
            if field.number == 1 {
                named = self.wire.text(text, 256)?.to_ascii_lowercase().contains("template");
            }
            if field.number != 2 {
                continue;
            }
            if text.len() > limits::JINJA_TEMPLATE as u64 {
                if named {
                    jinja::too_long(field.at, text.len(), self.scan);
                }
                continue;
            }
            let bytes = self.wire.bytes(text, limits::JINJA_TEMPLATE)?;
            let text = String::from_utf8_lossy(&bytes);
            if jinja::is_template(&text) {
                jinja::inspect(&text, field.at, self.scan);
            }
        }
        Ok(())
    }

    fn training(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1 | 2, Value::Bytes(graph)) => self.graph(graph)?,
                (3 | 4, Value::Bytes(_)) => {}
                (number, _) => self.unknown_field("TrainingInfoProto", number, field.at),
            }
        }
        Ok(())
    }

    fn unknown_field(&mut self, message: &str, number: u32, at: u64) {
        let text = format!("field {number} of {message}");
        self.scan.find_about(&rules::FIELD, at, &text, text.clone());
    }

    /// What is thought of the operators, once the model's own functions are known.
    fn judge(&mut self) {
        for (name, at) in self.used.iter() {
            let (domain, op) = name.split_once(':').unwrap_or_default();
            if !domain.is_empty() {
                let shown = format!("{domain}::{op}");
                self.scan.contents.add_name(|contents| &mut contents.operators, &shown);
            }
            if self.functions.contains_key(name) {
                continue;
            }
            if name.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
                self.scan.find_about(&rules::NAME, at, name, format!("{name:?}"));
            }
            let known = crate::operators::ONNX.contains(name);
            if known && op != "EPContext" {
                continue;
            }
            self.scan.contents.capabilities.insert(Capability::CustomOperators);
            let (rule, why) = match domain {
                _ if PYTHON.contains(&op) => (&rules::PYTHON, "runs Python code"),
                "com.microsoft" if op == "EPContext" => {
                    self.scan.contents.capabilities.insert(Capability::NativeCode);
                    (&rules::COMPILED, "holds or names compiled code")
                }
                domain if DOMAINS.contains(&domain) => (&rules::OPERATOR, "is not in its domain"),
                _ => (&rules::CUSTOM, "needs a library of its own"),
            };
            let shown = format!("{domain}::{op}");
            self.scan.find_about(rule, at, &shown, format!("the operator {shown} {why}"));
        }
        if let Some(name) = circle(&self.functions) {
            self.scan.find(&rules::RECURSION, None, format!("{name} calls itself"));
        }
    }
}

/// Operators that run Python, whatever their domain.
const PYTHON: [&str; 4] = ["PyOp", "PythonOp", "PythonOpGrad", "PyFunc"];

/// Domains whose operators are listed.
const DOMAINS: [&str; 6] =
    ["", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training", "ai.onnx.training", "com.microsoft"];

/// A function that is among those it calls, directly or through others.
fn circle(functions: &BTreeMap<String, BTreeSet<String>>) -> Option<&str> {
    // Functions are taken away once all they call are gone; what stays goes in circles or calls what does.
    let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
    let mut callers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, calls) in functions {
        let ours = calls.iter().filter(|call| functions.contains_key(*call));
        waits.insert(name, ours.clone().count());
        for call in ours {
            callers.entry(call).or_default().push(name);
        }
    }
    let mut free: Vec<&str> = waits.iter().filter(|(_, left)| **left == 0).map(|(name, _)| *name).collect();
    while let Some(name) = free.pop() {
        waits.remove(name);
        for caller in callers.get(name).into_iter().flatten() {
            if let Some(left) = waits.get_mut(caller) {
                *left -= 1;
                if *left == 0 {
                    free.push(caller);
                }
            }
        }
    }
    waits.keys().next().copied()
}
