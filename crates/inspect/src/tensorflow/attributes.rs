//! Attributes of operators: constants, and texts that name places.

use super::{Model, rules};
use crate::{
    operators::NAME,
    protobuf::wire::{Fault, Span, Value},
};

/// Bytes of a text that are looked at.
const TEXT: usize = 4096;

/// Texts of a constant, and functions of a node, that are followed.
const TEXTS: usize = 64;

/// Attributes that say where an operator sends what it sees.
const PLACES: [&str; 4] = ["debug_urls", "output_stream", "tfdbg_run_id", "address"];

impl Model<'_, '_, '_, '_> {
    /// An entry of a map of attributes.
    pub(super) fn attribute(&mut self, entry: Span) -> Result<(), Fault> {
        let mut span = entry;
        let mut name = String::new();
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1, Value::Bytes(text)) => name = self.wire.text(text, NAME)?,
                (2, Value::Bytes(value)) => self.value(&name, value)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn value(&mut self, name: &str, value: Span) -> Result<(), Fault> {
        let mut span = value;
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (2, Value::Bytes(text)) => self.place(name, text)?,
                (8, Value::Bytes(tensor)) => self.tensor(tensor)?,
                (1, Value::Bytes(mut list)) => {
                    while let Some(field) = self.wire.next(&mut list)? {
                        match (field.number, field.value) {
                            (2, Value::Bytes(text)) => self.place(name, text)?,
                            (8, Value::Bytes(tensor)) => self.tensor(tensor)?,
                            (9, Value::Bytes(function)) => self.called(function)?,
                            _ => {}
                        }
                    }
                }
                (10, Value::Bytes(function)) => self.called(function)?,
                (3, Value::Varint(_)) | (4, Value::Fixed32(_)) | (5 | 6, Value::Varint(_)) => {}
                (7 | 9, Value::Bytes(_)) => {}
                (number, _) => self.unknown_field("AttrValue", number, field.at),
            }
        }
        Ok(())
    }

    /// A function, or an operator in place of one, and attributes of its own.
    fn called(&mut self, function: Span) -> Result<(), Fault> {
        self.wire.enter(function.start)?;
        let mut span = function;
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1, Value::Bytes(text)) => {
                    let name = self.wire.text(text, NAME)?;
                    self.calls(&name, field.at);
                    if self.here.functions.len() < TEXTS {
                        self.here.functions.push(name);
                    } else {
                        self.here.cut = true;
                    }
                }
                (2, Value::Bytes(entry)) => self.attribute(entry)?,
                _ => {}
            }
        }
        self.wire.leave();
        Ok(())
    }

    /// A function that is called by its name. One that is nowhere fails when it is called; an operator's name would do.
    fn calls(&mut self, name: &str, at: u64) {
        use super::operators::Standing;
        if matches!(super::operators::standing(name), Standing::Forbidden(_) | Standing::Doubtful(_)) {
            self.used.add(name, at, self.scan);
        }
    }

    fn place(&mut self, name: &str, text: Span) -> Result<(), Fault> {
        // What was written into the model's own file has this before its name.
        if name == "memory_region_name" {
            let region = self.wire.text(text, TEXT)?;
            if let Some(why) = super::paths::leads_out(&region)
                && !region.starts_with("memmapped_package://")
            {
                let message = format!("a constant is {why}: {region:?}");
                self.scan.find_about(&rules::READS, text.start, &region, message);
            } else if !region.contains("://") {
                crate::outside::external(self.scan, &region);
            }
            return Ok(());
        }
        if !PLACES.contains(&name) {
            return Ok(());
        }
        let text_at = text.start;
        let text = self.wire.text(text, TEXT)?;
        if text.contains("://") || text.starts_with('/') {
            let message = format!("the attribute {name} is {text:?}");
            self.scan.find_about(&rules::ADDRESS, text_at, &text, message);
        }
        Ok(())
    }

    fn tensor(&mut self, tensor: Span) -> Result<(), Fault> {
        let mut span = tensor;
        let (mut dtype, mut count, mut content, mut values) = (0, Some(1_u64), None, 0_u64);
        while let Some(field) = self.wire.next(&mut span)? {
            match (field.number, field.value) {
                (1, Value::Varint(number)) => dtype = number,
                (2, Value::Bytes(shape)) => count = self.shape(shape)?,
                (4, Value::Bytes(bytes)) => content = Some(bytes),
                (3, Value::Varint(_)) => {}
                (8, Value::Bytes(text)) => {
                    values += 1;
                    if self.here.texts.len() < TEXTS && text.len() <= TEXT as u64 {
                        let text = self.wire.text(text, TEXT)?;
                        self.here.texts.push(text);
                    } else {
                        self.here.cut = true;
                    }
                }
                (5..=17, value) => {
                    let here = value.span().map_or(1, |span| span.len());
                    values = values.saturating_add(here);
                }
                (number, _) => self.unknown_field("TensorProto", number, field.at),
            }
        }
        if let (Some(packed), 7) = (content, dtype) {
            self.packed(packed, count)?;
        }
        let content = content.map(|content| content.len());
        let Some(count) = count else {
            let message = "the constant is larger than any memory, or has a negative dimension".to_owned();
            self.scan.find(&rules::TENSOR, tensor.start, message);
            return Ok(());
        };
        let (name, size) = dtype_of(dtype);
        self.scan.contents.add_tensor(name, count);
        let problem = match (content, size) {
            (Some(there), size) if size > 0 && count.checked_mul(size) != Some(there) => {
                format!("{there} bytes, and the constant needs {count} times {size}")
            }
            // A value may stand for all that follow, but a gigabyte of them is a bomb.
            (None, _) if count > SPLAT && values < count / 64 => {
                format!("{values} bytes of values stand for {count}")
            }
            _ => return Ok(()),
        };
        self.scan.find(&rules::TENSOR, tensor.start, problem);
        Ok(())
    }

    /// Texts that stand behind one another: first their lengths.
    fn packed(&mut self, packed: Span, count: Option<u64>) -> Result<(), Fault> {
        let bytes = self.wire.bytes(packed, TEXT)?;
        let (mut rest, mut lengths) = (&bytes[..], Vec::new());
        for _ in 0..count.unwrap_or(u64::MAX).min(TEXTS as u64) {
            let (mut len, mut shift) = (0_usize, 0);
            while let Some((&byte, after)) = rest.split_first() {
                rest = after;
                len |= usize::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            lengths.push(len);
        }
        self.here.cut |= count.is_none_or(|count| count > TEXTS as u64) || packed.len() > TEXT as u64;
        for len in lengths {
            let (text, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            self.here.texts.push(String::from_utf8_lossy(text).into_owned());
        }
        Ok(())
    }

    /// Elements of a shape; none when there are more than any memory holds.
    fn shape(&mut self, shape: Span) -> Result<Option<u64>, Fault> {
        let mut span = shape;
        let mut count = Some(1_u64);
        while let Some(field) = self.wire.next(&mut span)? {
            let (2, Value::Bytes(mut dimension)) = (field.number, field.value) else { continue };
            let mut size = 0;
            while let Some(field) = self.wire.next(&mut dimension)? {
                if let (1, Value::Varint(number)) = (field.number, field.value) {
                    size = number;
                }
            }
            count = count
                .and_then(|count| count.checked_mul(size))
                .filter(|count| i64::try_from(*count).is_ok() && i64::try_from(size).is_ok());
        }
        Ok(count)
    }
}

/// Elements that a single value may stand for.
const SPLAT: u64 = 1 << 32;

/// Names of element types and their bytes; 0 where the elements are no plain numbers.
pub(super) fn dtype_of(dtype: u64) -> (&'static str, u64) {
    // References to a variable are a hundred above.
    match if dtype > 100 { dtype - 100 } else { dtype } {
        1 => ("DT_FLOAT", 4),
        2 => ("DT_DOUBLE", 8),
        3 => ("DT_INT32", 4),
        4 => ("DT_UINT8", 1),
        5 => ("DT_INT16", 2),
        6 => ("DT_INT8", 1),
        7 => ("DT_STRING", 0),
        8 => ("DT_COMPLEX64", 8),
        9 => ("DT_INT64", 8),
        10 => ("DT_BOOL", 1),
        11 => ("DT_QINT8", 1),
        12 => ("DT_QUINT8", 1),
        13 => ("DT_QINT32", 4),
        14 => ("DT_BFLOAT16", 2),
        15 => ("DT_QINT16", 2),
        16 => ("DT_QUINT16", 2),
        17 => ("DT_UINT16", 2),
        18 => ("DT_COMPLEX128", 16),
        19 => ("DT_HALF", 2),
        20 => ("DT_RESOURCE", 0),
        21 => ("DT_VARIANT", 0),
        22 => ("DT_UINT32", 4),
        23 => ("DT_UINT64", 8),
        24 => ("DT_FLOAT8_E5M2", 1),
        25 => ("DT_FLOAT8_E4M3FN", 1),
        _ => ("other", 0),
    }
}
