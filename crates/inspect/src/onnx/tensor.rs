//! Tensors: their shapes and types against their bytes, and where else the bytes are.

use super::{Model, rules};
use crate::{
    outside,
    protobuf::wire::{Fault, Span, Value},
};

/// Bytes of an entry of external data that are read.
const ENTRY: usize = 4096;

/// What ONNX Runtime marks tensors with whose data is in its own memory; in a file it would be read from there.
const MEMORY: &str = "*/_ORT_MEM_ADDR_/*";

/// What a tensor says of itself.
#[derive(Default)]
struct Tensor {
    /// Elements; none when there are more than any memory holds.
    count: Option<u64>,
    dtype: u64,
    /// Bytes of its fields, and values that are not packed.
    raw: Option<u64>,
    packed: [u64; 12],
    single: [u64; 12],
    external: Vec<(String, String)>,
    is_external: bool,
}

impl Model<'_, '_, '_, '_> {
    pub(super) fn tensor(&mut self, message: Span) -> Result<(), Fault> {
        let mut tensor = Tensor { count: Some(1), ..Tensor::default() };
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            let number = field.number;
            let slot = number as usize;
            match (number, field.value) {
                (1, Value::Varint(dimension)) => tensor.dimension(dimension),
                (1, Value::Bytes(mut packed)) => {
                    while let Some(dimension) = self.wire.packed(&mut packed)? {
                        tensor.dimension(dimension);
                    }
                }
                (2, Value::Varint(dtype)) => tensor.dtype = dtype,
                (9, Value::Bytes(raw)) => tensor.raw = Some(raw.len()),
                (6, Value::Bytes(_)) => add(&mut tensor.single, slot, 1),
                (4 | 5 | 7 | 10 | 11, Value::Bytes(values)) => add(&mut tensor.packed, slot, values.len()),
                (4, Value::Fixed32(_)) | (10, Value::Fixed64(_)) | (5 | 7 | 11, Value::Varint(_)) => {
                    add(&mut tensor.single, slot, 1);
                }
                (13, Value::Bytes(entry)) => {
                    let entry = self.entry(entry)?;
                    // No honest tensor has more than a handful; the checks are the same for each.
                    if tensor.external.len() < 64 {
                        tensor.external.push(entry);
                    } else {
                        self.scan.find(&rules::KEY, field.at, "more than 64 keys".to_owned());
                    }
                }
                (14, Value::Varint(location)) => tensor.is_external = location == 1,
                (3 | 8 | 12 | 16, Value::Bytes(_)) => {}
                (number, _) => self.unknown_field("TensorProto", number, field.at),
            }
        }
        self.check(&tensor, message.start);
        Ok(())
    }

    pub(super) fn sparse_tensor(&mut self, message: Span) -> Result<(), Fault> {
        let mut span = message;
        let mut whole = Tensor { count: Some(1), ..Tensor::default() };
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1 | 2, Value::Bytes(tensor)) => self.tensor(tensor)?,
                (3, Value::Varint(dimension)) => whole.dimension(dimension),
                (3, Value::Bytes(mut packed)) => {
                    while let Some(dimension) = self.wire.packed(&mut packed)? {
                        whole.dimension(dimension);
                    }
                }
                (number, _) => self.unknown_field("SparseTensorProto", number, field.at),
            }
        }
        if whole.count.is_none() {
            let message = "the sparse tensor is larger than any memory".to_owned();
            self.scan.find(&rules::TENSOR, span.start, message);
        }
        Ok(())
    }

    fn entry(&mut self, message: Span) -> Result<(String, String), Fault> {
        let (mut key, mut value, mut span) = (String::new(), String::new(), message);
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1, Value::Bytes(text)) => key = self.wire.text(text, ENTRY)?,
                (2, Value::Bytes(text)) => value = self.wire.text(text, ENTRY)?,
                (number, _) => self.unknown_field("StringStringEntryProto", number, field.at),
            }
        }
        Ok((key, value))
    }

    fn check(&mut self, tensor: &Tensor, at: u64) {
        let Some(count) = tensor.count else {
            let message = "the tensor is larger than any memory, or has a negative dimension".to_owned();
            self.scan.find(&rules::TENSOR, at, message);
            self.check_external(tensor, None, at);
            return;
        };
        let Some(&(name, bits)) = usize::try_from(tensor.dtype).ok().and_then(|dtype| DTYPES.get(dtype))
        else {
            let message = format!("there is no element type {}", tensor.dtype);
            self.scan.find(&rules::TENSOR, at, message);
            self.check_external(tensor, None, at);
            return;
        };
        self.scan.contents.add_tensor(name, count);
        let bytes = u64::try_from((u128::from(count) * u128::from(bits)).div_ceil(8)).unwrap_or(u64::MAX);
        let bytes = (bits > 0).then_some(bytes);
        if tensor.is_external || !tensor.external.is_empty() {
            self.check_external(tensor, bytes, at);
            if tensor.is_external {
                return;
            }
        }
        if let Some(problem) = tensor.mismatch(count, bits, bytes) {
            self.scan.find(&rules::TENSOR, at, problem);
        }
    }

    /// Where the data of a tensor is when it is not in the model.
    fn check_external(&mut self, tensor: &Tensor, bytes: Option<u64>, at: u64) {
        let mut located = false;
        for (key, value) in &tensor.external {
            match key.as_str() {
                "location" => {
                    located = true;
                    self.location(value, at);
                }
                "basepath" => {
                    if let Some(why) = outside::leads_out(value).filter(|_| !value.is_empty()) {
                        let message = format!("the data's directory is {why}: {value:?}");
                        self.scan.find_about(&rules::LOCATION, at, value, message);
                    }
                }
                "offset" | "length" => self.range(key, value, bytes, at),
                "checksum" => {}
                key if key.starts_with("prepacked") => {}
                key if key.contains("__") || key.contains('.') => {
                    let message = format!("the key {key:?}");
                    self.scan.find_about(&rules::ATTRIBUTE, at, key, message);
                }
                key => {
                    let message = format!("the key {key:?}");
                    self.scan.find_about(&rules::KEY, at, key, message);
                }
            }
        }
        let number = |key: &str| {
            let entry = tensor.external.iter().find(|(name, _)| name == key);
            entry.map_or(Some(0), |(_, value)| value.parse::<u64>().ok())
        };
        if let (Some(offset), Some(length)) = (number("offset"), number("length"))
            && offset.checked_add(length).is_none_or(|end| end > i64::MAX as u64)
        {
            let message = format!("{length} bytes from {offset} on");
            self.scan.find(&rules::RANGE, at, message);
        }
        if tensor.is_external && !located {
            self.scan.find(&rules::RANGE, at, "the data is elsewhere, but nothing says where".to_owned());
        }
    }

    fn location(&mut self, location: &str, at: u64) {
        let why =
            if location == MEMORY { Some("memory of the runtime") } else { outside::leads_out(location) };
        match why {
            None => outside::external(self.scan, location),
            Some(why) => {
                let message = format!("the data is at {why}: {location:?}");
                self.scan.find_about(&rules::LOCATION, at, location, message);
            }
        }
    }

    fn range(&mut self, key: &str, value: &str, bytes: Option<u64>, at: u64) {
        // As int64_t, by which loaders read it.
        let Some(number) = value.parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok()) else {
            self.scan.find(&rules::RANGE, at, format!("{key} is {value:?}"));
            return;
        };
        if key == "length"
            && let Some(bytes) = bytes
            && number != bytes
        {
            let message = format!("the data has {number} bytes, and the tensor needs {bytes}");
            self.scan.find(&rules::RANGE, at, message);
        }
    }
}

impl Tensor {
    fn dimension(&mut self, dimension: u64) {
        self.count = self
            .count
            .and_then(|count| count.checked_mul(dimension))
            .filter(|count| i64::try_from(*count).is_ok() && i64::try_from(dimension).is_ok());
    }

    /// What is wrong with the data in the model itself.
    fn mismatch(&self, count: u64, bits: u64, bytes: Option<u64>) -> Option<String> {
        if let Some(raw) = self.raw {
            let needed = bytes?;
            return (raw != needed).then(|| format!("{raw} bytes, and the tensor needs {needed}"));
        }
        if bits == 0 {
            let there = self.single.get(6).copied().unwrap_or_default();
            return (there != count).then(|| format!("{there} texts, and the tensor needs {count}"));
        }
        // The types that have fields of their own; complex numbers take two.
        let (slot, width, per) = match self.dtype {
            1 => (4, Some(4), 1),
            14 => (4, Some(4), 2),
            11 => (10, Some(8), 1),
            15 => (10, Some(8), 2),
            7 => (7, None, 1),
            12 | 13 => (11, None, 1),
            _ => (5, None, 1),
        };
        let (Some(packed), Some(single)) = (self.packed.get(slot).copied(), self.single.get(slot).copied())
        else {
            return None;
        };
        let mut needed = count.saturating_mul(per);
        // Elements below a byte may share a number.
        let least = if bits < 8 { count.div_ceil(8 / bits) } else { needed };
        if bits < 8 {
            needed = count;
        }
        let fits = match width {
            Some(width) => packed % width == 0 && packed / width + single == needed,
            // A number takes one byte to ten.
            None => packed.saturating_add(single) >= least && packed / 10 <= needed && single <= needed,
        };
        (!fits).then(|| format!("{} values or bytes, and the tensor needs {needed} values", packed + single))
    }
}

fn add(slots: &mut [u64; 12], slot: usize, count: u64) {
    if let Some(sum) = slots.get_mut(slot) {
        *sum = sum.saturating_add(count);
    }
}

/// Names of element types and their bits; 0 for texts.
const DTYPES: [(&str, u64); 27] = [
    ("UNDEFINED", 0),
    ("FLOAT", 32),
    ("UINT8", 8),
    ("INT8", 8),
    ("UINT16", 16),
    ("INT16", 16),
    ("INT32", 32),
    ("INT64", 64),
    ("STRING", 0),
    ("BOOL", 8),
    ("FLOAT16", 16),
    ("DOUBLE", 64),
    ("UINT32", 32),
    ("UINT64", 64),
    ("COMPLEX64", 64),
    ("COMPLEX128", 128),
    ("BFLOAT16", 16),
    ("FLOAT8E4M3FN", 8),
    ("FLOAT8E4M3FNUZ", 8),
    ("FLOAT8E5M2", 8),
    ("FLOAT8E5M2FNUZ", 8),
    ("UINT4", 4),
    ("INT4", 4),
    ("FLOAT4E2M1", 4),
    ("FLOAT8E8M0", 8),
    ("UINT2", 2),
    ("INT2", 2),
];
