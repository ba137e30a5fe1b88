//! Core ML models: networks, programs and pipelines of them, some of which call classes of the application.

pub(crate) mod weights;

use crate::{
    outside,
    protobuf::wire::{Fault, Span, Value, Wire},
    scan::Scan,
};
use modelseal_core::inspection::Capability;

pub(crate) mod rules {
    //! What can be found in a Core ML model.

    use crate::rule::rules;

    rules! {
        BROKEN = "CML001" "broken-coreml" Malformed:
            "The model is no protocol buffer, or ends before it is whole, or has something else behind it." =>
            "Get the file again from its maker.";
        CUSTOM_LAYER = "CML002" "coreml-custom-layer" Suspicious:
            "A layer is a class of the application that loads the model." =>
            "Find out which class the application has by that name; export the model without custom layers.";
        CUSTOM_MODEL = "CML003" "coreml-custom-model" Suspicious:
            "The model is a class of the application that loads it." =>
            "Find out which class the application has by that name.";
        PATH = "CML004" "coreml-external-path" Malicious:
            "The model names a file that is not beside it." =>
            "Do not load it.";
        LINKED = "CML005" "coreml-linked-model" Suspicious:
            "The model is another one, which is looked for in places of the application's." =>
            "Publish the model itself.";
        STRUCTURE = "CML006" "coreml-structure" Malformed:
            "The model lacks a part that every model has, or is of two kinds." =>
            "Get the file again from its maker.";
        FIELD = "CML007" "coreml-unknown-field" Unknown:
            "A message has a field that the format does not have; what it holds was not inspected." =>
            "Find out what wrote the file.";
        SERIALIZED = "CML008" "coreml-serialized-model" Suspicious:
            "The model is wrapped in a form that only a part of the system reads." =>
            "Find out what it is.";
        WEIGHTS = "CML009" "coreml-weights" Malformed:
            "Weights are said to lie outside their file." =>
            "Get the file again from its maker.";
    }
}

/// Kinds of models that hold numbers and nothing else.
const PLAIN: [u32; 29] = [
    300, 301, 302, 304, 400, 401, 402, 404, 501, 560, 600, 601, 602, 603, 604, 606, 607, 609, 610, 900, 2000,
    2001, 2002, 2003, 2004, 2005, 2006, 303, 403,
];

/// Where a program's weights are: beside the model in its package.
const MODEL_PATH: &str = "@model_path/";

struct Model<'w, 'a, 's, 'r> {
    wire: &'w mut Wire<'a>,
    scan: &'s mut Scan<'r>,
}

pub(crate) fn inspect(wire: &mut Wire<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    scan.contents.capabilities.insert(Capability::Graph);
    let whole = wire.whole();
    Model { wire, scan }.model(whole)
}

impl Model<'_, '_, '_, '_> {
    fn model(&mut self, message: Span) -> Result<(), Fault> {
        self.wire.enter(message.start)?;
        let message_start = message.start;
        let (mut kinds, mut versions, mut span) = (0_u32, 0_u32, message);
        while let Some(field) = self.wire.next(&mut span)? {
            kinds += u32::from(field.number >= 200);
            match (field.number, field.value) {
                (1, Value::Varint(_)) => versions += 1,
                (2, Value::Bytes(_)) | (10, Value::Varint(_)) => {}
                // Pipelines; those of classifiers and regressors have one within.
                (202, Value::Bytes(pipeline)) => self.pipeline(pipeline)?,
                (200 | 201, Value::Bytes(mut outer)) => {
                    while let Some(field) = self.wire.next(&mut outer)? {
                        if let (1, Value::Bytes(pipeline)) = (field.number, field.value) {
                            self.pipeline(pipeline)?;
                        }
                    }
                }
                (303 | 403 | 500, Value::Bytes(network)) => self.network(network)?,
                (502, Value::Bytes(program)) => self.program(program)?,
                (555, Value::Bytes(custom)) => self.custom(custom, &rules::CUSTOM_MODEL, "the model")?,
                (556, Value::Bytes(linked)) => self.linked(linked)?,
                (3000, Value::Bytes(_)) => {
                    self.scan.find(&rules::SERIALIZED, field.at, "it was not inspected".to_owned());
                }
                (number, Value::Bytes(_)) if PLAIN.contains(&number) => {}
                (number, _) => self.unknown_field("Model", number, field.at),
            }
        }
        if kinds != 1 || versions != 1 {
            let message = format!("{kinds} kinds and {versions} versions of the format");
            self.scan.find(&rules::STRUCTURE, message_start, message);
        }
        self.wire.leave();
        Ok(())
    }

    fn pipeline(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1, Value::Bytes(model)) => self.model(model)?,
                (2, Value::Bytes(_)) => {}
                (number, _) => self.unknown_field("Pipeline", number, field.at),
            }
        }
        Ok(())
    }

    fn network(&mut self, message: Span) -> Result<(), Fault> {
        self.wire.enter(message.start)?;
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            if let (1, Value::Bytes(layer)) = (field.number, field.value) {
                self.layer(layer)?;
            }
        }
        self.wire.leave();
        Ok(())
    }

    fn layer(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (500, Value::Bytes(custom)) => self.custom(custom, &rules::CUSTOM_LAYER, "a layer")?,
                // A loop has networks at 3 and 4, a branch at 1 and 2.
                (number @ (605 | 615), Value::Bytes(mut inner)) => {
                    while let Some(field) = self.wire.next(&mut inner)? {
                        let is_network = if number == 605 {
                            matches!(field.number, 1 | 2)
                        } else {
                            matches!(field.number, 3 | 4)
                        };
                        if let Value::Bytes(network) = field.value
                            && is_network
                        {
                            self.network(network)?;
                        }
                    }
                }
                (1..=10, _) => {}
                // The layers of the newest version end there.
                (100..=1471, Value::Bytes(_)) => {}
                (number, _) => self.unknown_field("NeuralNetworkLayer", number, field.at),
            }
        }
        Ok(())
    }

    fn custom(&mut self, message: Span, rule: &'static crate::rule::Rule, what: &str) -> Result<(), Fault> {
        let (mut class, mut span) = (String::new(), message);
        while let Some(field) = self.wire.next(&mut span)? {
            if let (10, Value::Bytes(text)) = (field.number, field.value) {
                class = self.wire.text(text, 256)?;
            }
        }
        self.scan.contents.capabilities.insert(Capability::CustomOperators);
        self.scan.contents.add_name(|contents| &mut contents.operators, &class);
        self.scan.find_about(rule, message.start, &class, format!("{what} is the class {class:?}"));
        Ok(())
    }

    fn linked(&mut self, message: Span) -> Result<(), Fault> {
        let mut names = Vec::new();
        self.texts(message, 0, &mut names)?;
        self.scan.find(&rules::LINKED, message.start, format!("it names {names:?}"));
        for name in &names {
            self.path(name, message.start);
        }
        Ok(())
    }

    /// The texts in a message of messages, a few levels down.
    fn texts(&mut self, message: Span, depth: u32, texts: &mut Vec<String>) -> Result<(), Fault> {
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            let Value::Bytes(inner) = field.value else { continue };
            // LinkedModel, LinkedModelFile, StringParameter, its default value.
            if depth < 2 {
                self.texts(inner, depth + 1, texts)?;
            } else if field.number == 1 && texts.len() < 16 {
                texts.push(self.wire.text(inner, 1024)?);
            }
        }
        Ok(())
    }

    /// A program, whose weights may be in files of the package.
    fn program(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (2, Value::Bytes(entry)) => {
                    self.map(entry, |model, mut function| {
                        while let Some(field) = model.wire.next(&mut function)? {
                            match (field.number, field.value) {
                                (3, Value::Bytes(entry)) => model.map(entry, Self::block)?,
                                (4, Value::Bytes(entry)) => model.map(entry, Self::value)?,
                                _ => {}
                            }
                        }
                        Ok(())
                    })?;
                }
                (4, Value::Bytes(entry)) => self.map(entry, Self::value)?,
                (1, Value::Varint(_)) | (3, Value::Bytes(_)) => {}
                (number, _) => self.unknown_field("Program", number, field.at),
            }
        }
        Ok(())
    }

    fn map(
        &mut self,
        entry: Span,
        inside: impl Fn(&mut Self, Span) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut span = entry;
        while let Some(field) = self.wire.next(&mut span)? {
            if let (2, Value::Bytes(value)) = (field.number, field.value) {
                inside(self, value)?;
            }
        }
        Ok(())
    }

    fn block(&mut self, message: Span) -> Result<(), Fault> {
        self.wire.enter(message.start)?;
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (3, Value::Bytes(operation)) => self.operation(operation)?,
                (4, Value::Bytes(entry)) => self.map(entry, Self::value)?,
                _ => {}
            }
        }
        self.wire.leave();
        Ok(())
    }

    fn operation(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1, Value::Bytes(text)) => {
                    let name = self.wire.text(text, 256)?;
                    if name.starts_with("custom") {
                        self.scan.contents.capabilities.insert(Capability::CustomOperators);
                        let message = format!("the operation {name:?}");
                        self.scan.find_about(&rules::CUSTOM_LAYER, field.at, &name, message);
                    }
                }
                // Arguments: names, or values in place.
                (2, Value::Bytes(entry)) => self.map(entry, |model, mut argument| {
                    while let Some(field) = model.wire.next(&mut argument)? {
                        let (1, Value::Bytes(mut binding)) = (field.number, field.value) else { continue };
                        while let Some(field) = model.wire.next(&mut binding)? {
                            if let (2, Value::Bytes(value)) = (field.number, field.value) {
                                model.value(value)?;
                            }
                        }
                    }
                    Ok(())
                })?,
                (4, Value::Bytes(block)) => self.block(block)?,
                (5, Value::Bytes(entry)) => self.map(entry, Self::value)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A value, of which only the file is of interest in which it lies.
    fn value(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            let (5, Value::Bytes(mut blob)) = (field.number, field.value) else { continue };
            while let Some(field) = self.wire.next(&mut blob)? {
                if let (1, Value::Bytes(text)) = (field.number, field.value) {
                    let name = self.wire.text(text, 4096)?;
                    self.path(&name, field.at);
                }
            }
        }
        Ok(())
    }

    fn path(&mut self, name: &str, at: u64) {
        let inside = name.strip_prefix(MODEL_PATH).unwrap_or(name);
        match outside::leads_out(inside) {
            None => outside::external(self.scan, inside),
            Some(why) => {
                self.scan.find_about(&rules::PATH, at, name, format!("the model names {why}: {name:?}"));
            }
        }
    }

    fn unknown_field(&mut self, message: &str, number: u32, at: u64) {
        let text = format!("field {number} of {message}");
        self.scan.find_about(&rules::FIELD, at, &text, text.clone());
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        protobuf::wire::build::{bytes, number},
        testing::{clean, finds, mangle, rules_in},
    };
    use modelseal_core::inspection::{Capability, FileFormat};

    fn model(kind: u64, inside: &[u8]) -> Vec<u8> {
        let description = bytes(2, bytes(1, [bytes(1, "x"), bytes(3, number(1, 0))].concat()));
        [number(1, 4), description, bytes(kind, inside)].concat()
    }

    fn network(layer: &[u8]) -> Vec<u8> {
        model(500, &bytes(1, [bytes(1, "a"), layer.to_vec()].concat()))
    }

    fn program(file: &str) -> Vec<u8> {
        let entry = |value: &[u8]| [bytes(1, "k"), bytes(2, value)].concat();
        let value = bytes(5, [bytes(1, file), number(2, 64)].concat());
        let operation = [bytes(1, "const"), bytes(5, entry(&value))].concat();
        let function = bytes(3, entry(&bytes(3, operation)));
        model(502, &[number(1, 1), bytes(2, entry(&function))].concat())
    }

    #[test]
    fn good_models_are_clean() {
        for model in
            [network(&bytes(130, number(10, 0))), model(400, &[]), program("@model_path/weights/weight.bin")]
        {
            let found = clean("m.mlmodel", &model);
            assert_eq!((found.format, rules_in(&found)), (FileFormat::Coreml, vec![]));
            assert_eq!(clean("m", &model).format, FileFormat::Coreml);
        }
        let found = clean("m.mlmodel", &program("@model_path/weights/weight.bin"));
        assert!(found.contents.external.contains("weights/weight.bin"));
    }

    #[test]
    fn classes_of_the_application() {
        let custom = network(&bytes(500, bytes(10, "EvilLayer")));
        finds("m.mlmodel", &custom, "CML002");
        finds("m.mlmodel", &model(202, &bytes(1, &custom)), "CML002");
        finds("m.mlmodel", &model(200, &bytes(1, bytes(1, &custom))), "CML002");
        let inner = bytes(1, bytes(500, bytes(10, "EvilLayer")));
        finds("m.mlmodel", &network(&bytes(605, bytes(1, &inner))), "CML002");
        finds("m.mlmodel", &network(&bytes(615, bytes(4, &inner))), "CML002");
        finds("m.mlmodel", &model(555, &bytes(10, "EvilModel")), "CML003");
        let found = crate::testing::look("m.mlmodel", &custom);
        assert!(found.contents.capabilities.contains(&Capability::CustomOperators));
    }

    #[test]
    fn files_and_models_elsewhere() {
        finds("m.mlmodel", &program("@model_path/../../x"), "CML004");
        finds("m.mlmodel", &program("/etc/passwd"), "CML004");
        let linked = bytes(1, bytes(1, bytes(1, "other.mlmodelc")));
        finds("m.mlmodel", &model(556, &linked), "CML005");
        finds("m.mlmodel", &model(3000, &bytes(1, "x")), "CML008");
    }

    #[test]
    fn what_is_no_model() {
        finds("m.mlmodel", &[model(400, &[]), bytes(300, [])].concat(), "CML006");
        finds("m.mlmodel", &number(1, 4), "CML006");
        finds("m.mlmodel", &[model(400, &[]), bytes(77, [])].concat(), "CML007");
        finds("m.mlmodel", b"\x0b", "CML001");
        let mut deep = model(400, &[]);
        for _ in 0..120 {
            deep = model(202, &bytes(1, deep));
        }
        finds("m.mlmodel", &deep, "LIM041");
        assert!(mangle("m.mlmodel", &program("@model_path/w")).is_empty());
    }
}
