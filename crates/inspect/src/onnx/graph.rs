//! Graphs, their nodes and what lies in them.

use super::{Model, rules};
use crate::{
    limits,
    operators::{self, NAME},
    outside,
    protobuf::wire::{Fault, Span, Value},
};
use modelseal_core::inspection::Capability;

/// What a node is.
#[derive(Default)]
struct Node {
    op: String,
    domain: String,
}

impl Model<'_, '_, '_, '_> {
    pub(super) fn graph(&mut self, graph: Span) -> Result<(), Fault> {
        self.down(graph, |model, mut span| {
            while let Some(field) = model.wire.next(&mut span)? {
                match (field.number, field.value) {
                    (1, Value::Bytes(node)) => model.node(node)?,
                    (5, Value::Bytes(tensor)) => model.tensor(tensor)?,
                    (15, Value::Bytes(sparse)) => model.sparse_tensor(sparse)?,
                    (2 | 10..=14 | 16, Value::Bytes(_)) => {}
                    (number, _) => model.unknown_field("GraphProto", number, field.at),
                }
            }
            Ok(())
        })
    }

    /// A function of the model itself.
    pub(super) fn function(&mut self, function: Span) -> Result<(), Fault> {
        // Its name comes after its nodes.
        let (mut name, mut domain, mut span) = (String::new(), String::new(), function);
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1, Value::Bytes(text)) => name = self.wire.text(text, NAME)?,
                (10, Value::Bytes(text)) => domain = self.wire.text(text, NAME)?,
                _ => {}
            }
        }
        let name = full_name(&domain, &name);
        // What ONNX itself has cannot be taken over: runtimes differ in which of the two they run.
        if operators::ONNX.contains(name.as_str()) && domain != "com.microsoft" {
            let message = format!("the function {name:?} has the name of a standard operator");
            self.scan.find_about(&rules::OPERATOR, function.start, &name, message);
        }
        self.used.add(&name, function.start, self.scan);
        if !self.used.contains(&name) {
            return Ok(());
        }
        self.functions.entry(name.clone()).or_default();
        self.inside = Some(name);
        let result = self.down(function, |model, mut span| {
            while let Some(field) = model.wire.next(&mut span)? {
                match (field.number, field.value) {
                    (7, Value::Bytes(node)) => model.node(node)?,
                    (11, Value::Bytes(attribute)) => model.attribute(attribute)?,
                    (1 | 4..=6 | 8..=10 | 12..=14, Value::Bytes(_)) | (2 | 3, Value::Varint(_)) => {}
                    (number, _) => model.unknown_field("FunctionProto", number, field.at),
                }
            }
            Ok(())
        });
        self.inside = None;
        result
    }

    fn node(&mut self, node: Span) -> Result<(), Fault> {
        let mut found = Node::default();
        self.down(node, |model, mut span| {
            while let Some(field) = model.wire.next(&mut span)? {
                match (field.number, field.value) {
                    (4, Value::Bytes(text)) => found.op = model.wire.text(text, NAME)?,
                    (7, Value::Bytes(text)) => found.domain = model.wire.text(text, NAME)?,
                    (5, Value::Bytes(attribute)) => model.attribute(attribute)?,
                    (1..=3 | 6 | 8..=10, Value::Bytes(_)) => {}
                    (number, _) => model.unknown_field("NodeProto", number, field.at),
                }
            }
            Ok(())
        })?;
        let name = full_name(&found.domain, &found.op);
        self.used.add(&name, node.start, self.scan);
        if let Some(calls) = self.inside.as_ref().and_then(|inside| self.functions.get_mut(inside))
            && !calls.contains(&name)
        {
            self.calls += 1;
            if self.calls > limits::CALLS {
                let message = format!("more than {} calls of functions", limits::CALLS);
                self.scan.find(&limits::TOO_MANY_OPERATORS, node.start, message);
            } else {
                calls.insert(name);
            }
        }
        Ok(())
    }

    fn attribute(&mut self, attribute: Span) -> Result<(), Fault> {
        self.down(attribute, |model, mut span| {
            let mut name = String::new();
            while let Some(field) = model.wire.next(&mut span)? {
                match (field.number, field.value) {
                    (1, Value::Bytes(text)) => name = model.wire.text(text, NAME)?,
                    (4, Value::Bytes(text)) => {
                        // The compiled part of a graph: its bytes, or the name of a file.
                        if name == "ep_cache_context" {
                            let text = model.wire.text(text, 4096)?;
                            model.compiled(&text, field.at);
                        }
                    }
                    (5 | 10, Value::Bytes(tensor)) => model.tensor(tensor)?,
                    (6 | 11, Value::Bytes(graph)) => model.graph(graph)?,
                    (22 | 23, Value::Bytes(sparse)) => model.sparse_tensor(sparse)?,
                    (2, Value::Fixed32(_)) | (3 | 20, Value::Varint(_)) => {}
                    // Lists, packed or not.
                    (7, Value::Fixed32(_)) | (8, Value::Varint(_)) => {}
                    (7..=9 | 13..=15 | 21, Value::Bytes(_)) => {}
                    (number, _) => model.unknown_field("AttributeProto", number, field.at),
                }
            }
            Ok(())
        })
    }

    fn compiled(&mut self, text: &str, at: u64) {
        let looks_like_a_name = !text.is_empty() && text.len() < 512 && !text.contains('\u{fffd}');
        if !looks_like_a_name {
            return;
        }
        self.scan.contents.capabilities.insert(Capability::NativeCode);
        match outside::leads_out(text) {
            None => outside::external(self.scan, text),
            Some(why) => {
                let message = format!("compiled code at {why}: {text:?}");
                self.scan.find_about(&rules::LOCATION, at, text, message);
            }
        }
    }

    /// One level down.
    fn down<T>(
        &mut self,
        span: Span,
        inside: impl FnOnce(&mut Self, Span) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.wire.enter(span.start)?;
        let result = inside(self, span);
        self.wire.leave();
        result
    }
}

/// `domain:name`; ONNX's own domain has two names.
fn full_name(domain: &str, op: &str) -> String {
    let domain = if domain == "ai.onnx" { "" } else { domain };
    format!("{domain}:{op}")
}
