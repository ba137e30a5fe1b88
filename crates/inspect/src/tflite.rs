//! TensorFlow Lite models: a flatbuffer with graphs, their operators and weights.

use crate::{
    flatbuffer::{Fault, Flatbuffer, Table, Vector},
    limits,
    operators::{NAME, TFLITE, Used},
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
    tensorflow::{Standing, standing},
    zip,
};
use modelseal_core::inspection::{Capability, FileFormat};

pub(crate) mod rules {
    //! What can be found in a TensorFlow Lite model.

    use crate::rule::rules;

    rules! {
        BROKEN = "TFL001" "broken-tflite" Malformed:
            "Something in the model leads beyond the file, or to nothing." =>
            "Do not load it: interpreters that do not check it read memory that is not theirs.";
        CUSTOM = "TFL002" "tflite-custom-operator" Suspicious:
            "An operator is none of TensorFlow Lite's own, so that running it takes code of its maker." =>
            "Find out which library brings it, or convert the model without custom operators.";
        FORBIDDEN = "TFL003" "tflite-reaches-out" Malicious:
            "An operator of TensorFlow in the model runs Python, or reads or writes files of any name, or reaches the network." =>
            "Do not load it.";
        FLEX = "TFL004" "tflite-flex-operator" Note:
            "An operator is one of TensorFlow's that computes; the interpreter needs TensorFlow's own library for it." =>
            "None is needed where that library is there.";
        UNKNOWN_OPERATOR = "TFL005" "tflite-unknown-operator" Unknown:
            "An operator has a number that is not known here." =>
            "Find out which version of the converter wrote the model.";
        TENSOR = "TFL006" "tflite-tensor-size" Malformed:
            "A tensor has another number of bytes than its shape and type need, or a shape that no tensor has." =>
            "Get the file again from its maker.";
        INDEX = "TFL007" "tflite-index" Malformed:
            "An operator or a tensor names another part of the model by a number that no part has." =>
            "Do not load it: interpreters that do not check it read memory that is not theirs.";
        BUFFER = "TFL008" "tflite-buffer-place" Malformed:
            "Data is said to lie outside the file." =>
            "Get the file again from its maker.";
        COMPILED = "TFL009" "tflite-compiled-part" Suspicious:
            "A part of the graph is compiled for one device." =>
            "Ask its maker for the model before compilation.";
    }
}

/// Custom operators that every interpreter brings along.
const SHIPPED: [&str; 4] = ["Mfcc", "AudioSpectrogram", "TFLite_Detection_PostProcess", "NumericVerify"];

/// The code of operators with a name.
const CUSTOM: u64 = 32;

/// The door from `route`.
pub(crate) struct Tflite;

impl Format for Tflite {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let marked = probe.head.get(4..8) == Some(b"TFL3");
        // Old ones have no mark.
        (marked
            || probe.extension == "tflite" && probe.head.len() >= 8 && probe.head.get(4..8) == Some(&[0; 4]))
        .then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::Tflite) };
        scan.contents.capabilities.insert(Capability::Graph);
        let mut model = Model { flat: Flatbuffer::new(random.input()), scan, used: Used::default() };
        let result = model.model();
        model.judge();
        match result {
            Ok(()) => {}
            Err(Fault::Read(error)) => return Err(Halt::of(error)),
            Err(Fault::Broken(at, what)) => scan.find(&rules::BROKEN, at, what.to_owned()),
            Err(Fault::Steps(most)) => scan.find(&limits::TOO_MANY_STEPS, None, format!("more than {most}")),
        }
        // Labels and words may follow in an archive, by TensorFlow Lite's own convention.
        zip::appended(random.input(), scan)?;
        Ok(FileFormat::Tflite)
    }
}

struct Model<'a, 's, 'r> {
    flat: Flatbuffer<'a>,
    scan: &'s mut Scan<'r>,
    used: Used,
}

impl Model<'_, '_, '_> {
    fn model(&mut self) -> Result<(), Fault> {
        let root = self.flat.root()?;
        self.flat.field_vector(root, 3, 1)?;
        let codes = self.flat.field_vector(root, 1, 4)?;
        for index in 0..codes.count {
            let code = self.flat.element(codes, index)?;
            self.operator_code(code)?;
        }
        let buffers = self.buffers(root)?;
        let graphs = self.flat.field_vector(root, 2, 4)?;
        if graphs.count == 0 {
            self.scan.find(&rules::BROKEN, root.at, "the model has no graph".to_owned());
        }
        for index in 0..graphs.count {
            let graph = self.flat.element(graphs, index)?;
            self.graph(graph, codes.count, &buffers)?;
        }
        let named = self.flat.field_vector(root, 5, 4)?;
        for index in 0..named.count {
            let buffer = self.flat.element_u32(named, index)?;
            self.check_index("a buffer of metadata", u64::from(buffer), buffers.len() as u64, named.at);
        }
        let metadata = self.flat.field_vector(root, 6, 4)?;
        for index in 0..metadata.count {
            let entry = self.flat.element(metadata, index)?;
            self.flat.field_vector(entry, 0, 1)?;
            let buffer = self.flat.field_u32(entry, 1)?;
            self.check_index("metadata", u64::from(buffer), buffers.len() as u64, entry.at);
        }
        Ok(())
    }

    fn operator_code(&mut self, code: Table) -> Result<(), Fault> {
        let old = u64::from(self.flat.field_u8(code, 0)?);
        let new = u64::from(self.flat.field_u32(code, 3)?);
        let number = old.max(new);
        let name = self.flat.field_text(code, 1, NAME)?;
        match (number, name) {
            (CUSTOM, Some(name)) if !name.is_empty() => self.used.add(&name, code.at, self.scan),
            (CUSTOM, _) => {
                self.scan.find(&rules::BROKEN, code.at, "a custom operator has no name".to_owned());
            }
            (number, _) => match usize::try_from(number).ok().and_then(|number| TFLITE.get(number)) {
                Some(&"DELEGATE") => {
                    let message = "a part for a device, which only an interpreter makes".to_owned();
                    self.scan.find(&rules::COMPILED, code.at, message);
                }
                Some(&"STABLEHLO_CUSTOM_CALL") => {
                    self.used.add("STABLEHLO_CUSTOM_CALL", code.at, self.scan);
                }
                Some(_) => {}
                None => {
                    self.scan.find(&rules::UNKNOWN_OPERATOR, code.at, format!("the operator {number}"));
                }
            },
        }
        Ok(())
    }

    /// Lengths of the buffers.
    fn buffers(&mut self, root: Table) -> Result<Vec<u64>, Fault> {
        let buffers = self.flat.field_vector(root, 4, 4)?;
        if buffers.count > limits::TFLITE_BUFFERS {
            return Err(Fault::Steps(limits::TFLITE_BUFFERS));
        }
        let mut lens = Vec::new();
        for index in 0..buffers.count {
            let buffer = self.flat.element(buffers, index)?;
            let data = self.flat.field_vector(buffer, 0, 1)?;
            let (offset, size) = (self.flat.field_u64(buffer, 1)?, self.flat.field_u64(buffer, 2)?);
            // What is beyond two gigabytes lies behind the flatbuffer.
            if offset > 1 || size > 1 {
                self.place(offset, size, buffer.at);
                lens.push(size);
            } else {
                lens.push(data.count);
            }
        }
        Ok(lens)
    }

    fn place(&mut self, offset: u64, size: u64, at: u64) {
        if offset.checked_add(size).is_none_or(|end| end > self.flat.len()) {
            let message = format!("{size} bytes from {offset} on");
            self.scan.find(&rules::BUFFER, at, message);
        }
    }

    fn graph(&mut self, graph: Table, codes: u64, buffers: &[u64]) -> Result<(), Fault> {
        self.flat.field_vector(graph, 4, 1)?;
        let tensors = self.flat.field_vector(graph, 0, 4)?;
        for index in 0..tensors.count {
            let tensor = self.flat.element(tensors, index)?;
            self.tensor(tensor, buffers)?;
        }
        for place in [1, 2] {
            let named = self.flat.field_vector(graph, place, 4)?;
            self.tensor_indexes(named, tensors.count)?;
        }
        let operators = self.flat.field_vector(graph, 3, 4)?;
        for index in 0..operators.count {
            let operator = self.flat.element(operators, index)?;
            let code = self.flat.field_u32(operator, 0)?;
            self.check_index("an operator", u64::from(code), codes, operator.at);
            for place in [1, 2, 8] {
                let named = self.flat.field_vector(operator, place, 4)?;
                self.tensor_indexes(named, tensors.count)?;
            }
            self.flat.field_table(operator, 4)?;
            self.flat.field_vector(operator, 5, 1)?;
            let (offset, size) = (self.flat.field_u64(operator, 9)?, self.flat.field_u64(operator, 10)?);
            if offset > 1 || size > 1 {
                self.place(offset, size, operator.at);
            }
        }
        Ok(())
    }

    /// Numbers of tensors; -1 stands for none.
    fn tensor_indexes(&mut self, named: Vector, tensors: u64) -> Result<(), Fault> {
        for index in 0..named.count {
            let tensor = self.flat.element_u32(named, index)?;
            if tensor != u32::MAX {
                self.check_index("a tensor", u64::from(tensor), tensors, named.at);
            }
        }
        Ok(())
    }

    fn check_index(&mut self, what: &str, index: u64, count: u64, at: u64) {
        if index >= count {
            self.scan.find(&rules::INDEX, at, format!("{what} is number {index} of {count}"));
        }
    }

    fn tensor(&mut self, tensor: Table, buffers: &[u64]) -> Result<(), Fault> {
        let shape = self.flat.field_vector(tensor, 0, 4)?;
        let mut count = Some(1_u64);
        for index in 0..shape.count {
            let size = self.flat.element_u32(shape, index)?;
            count = count
                .filter(|_| i32::try_from(size).is_ok())
                .and_then(|count| count.checked_mul(u64::from(size)));
        }
        self.flat.field_vector(tensor, 3, 1)?;
        let dtype = self.flat.field_u8(tensor, 1)?;
        let buffer = self.flat.field_u32(tensor, 2)?;
        self.check_index("a tensor's buffer", u64::from(buffer), buffers.len() as u64, tensor.at);
        let sparse = self.flat.field_table(tensor, 6)?.is_some();
        let Some(count) = count else {
            let message = "the tensor is larger than any memory, or has a negative dimension".to_owned();
            self.scan.find(&rules::TENSOR, tensor.at, message);
            return Ok(());
        };
        let there = usize::try_from(buffer).ok().and_then(|buffer| buffers.get(buffer)).copied();
        let Some(there) = there.filter(|there| *there > 0) else { return Ok(()) };
        let (name, bits) = DTYPES.get(usize::from(dtype)).copied().unwrap_or(("other", 0));
        self.scan.contents.add_tensor(name, count);
        let needed = (u128::from(count) * u128::from(bits)).div_ceil(8);
        if bits > 0 && !sparse && needed != u128::from(there) {
            let message = format!("{there} bytes, and the tensor needs {needed}");
            self.scan.find(&rules::TENSOR, tensor.at, message);
        }
        Ok(())
    }

    fn judge(&mut self) {
        for (name, at) in self.used.iter() {
            self.scan.contents.add_name(|contents| &mut contents.operators, name);
            if SHIPPED.contains(&name) {
                continue;
            }
            self.scan.contents.capabilities.insert(Capability::CustomOperators);
            let (rule, what) = match name.strip_prefix("Flex") {
                Some(op) => match standing(op) {
                    Standing::Harmless => (&rules::FLEX, "needs TensorFlow's library"),
                    Standing::Forbidden(why) => (&rules::FORBIDDEN, why),
                    Standing::Saver => (&rules::CUSTOM, "reads or writes files"),
                    Standing::Doubtful(why) => (&rules::CUSTOM, why),
                    Standing::Unknown => (&rules::CUSTOM, "needs a library of its own"),
                },
                None if name == "edgetpu-custom-op" => {
                    self.scan.contents.capabilities.insert(Capability::NativeCode);
                    (&rules::COMPILED, "is compiled for a device")
                }
                None => (&rules::CUSTOM, "needs a library of its own"),
            };
            self.scan.find_about(rule, at, name, format!("the operator {name} {what}"));
        }
    }
}

/// Names of element types and their bits; 0 where they have no size of their own.
const DTYPES: [(&str, u64); 19] = [
    ("FLOAT32", 32),
    ("FLOAT16", 16),
    ("INT32", 32),
    ("UINT8", 8),
    ("INT64", 64),
    ("STRING", 0),
    ("BOOL", 8),
    ("INT16", 16),
    ("COMPLEX64", 64),
    ("INT8", 8),
    ("FLOAT64", 64),
    ("COMPLEX128", 128),
    ("UINT64", 64),
    ("RESOURCE", 0),
    ("VARIANT", 0),
    ("UINT32", 32),
    ("UINT16", 16),
    ("INT4", 4),
    ("BFLOAT16", 16),
];

#[cfg(test)]
#[path = "tflite/tests.rs"]
mod tests;
