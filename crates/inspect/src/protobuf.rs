//! Formats that are protocol buffers and have no mark: they are told by the shape of their first fields.

pub(crate) mod wire;

use crate::{
    coreml, limits, onnx, paddle,
    route::{Format, Match, Probe},
    rule::Rule,
    scan::{Content, Halt, Scan, extension},
    tensorflow,
};
use modelseal_core::inspection::FileFormat;
use std::collections::BTreeSet;
use wire::{Fault, Wire};

/// A format of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Onnx,
    SavedModel,
    MetaGraph,
    Fingerprint,
    Graph,
    KerasMetadata,
    Coreml,
    Paddle,
}

/// The door from `route`.
pub(crate) struct Protobuf;

impl Format for Protobuf {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let named = by_name(probe.name, probe.extension);
        if let Some(sketch) = Sketch::of(probe.head, probe.len)
            && by_shape(&sketch, &sketch.numbers()).is_some()
        {
            return Some(Match::Sure);
        }
        named.map(|_| Match::Likely)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let name = scan.leaf().to_owned();
        let extension = extension(&name);
        let (head, len) = (content.head().to_vec(), content.len());
        let sketch = Sketch::of(&head, len);
        let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::Unknown) };
        let mut wire = Wire::new(random.input());
        let numbers = match numbers(&mut wire) {
            Ok(numbers) => numbers,
            Err(error) => return Err(Halt::of(error)),
        };
        let shape = sketch.as_ref().and_then(|sketch| by_shape(sketch, &numbers));
        // What was enough for a match is enough here.
        let first = || sketch.as_ref().and_then(|sketch| by_shape(sketch, &sketch.numbers()));
        let Some(kind) = shape.or_else(|| by_name(&name, &extension)).or_else(first) else {
            scan.find(&crate::route::rules::UNKNOWN_FORMAT, 0, "it is no message that is known".to_owned());
            return Ok(FileFormat::Unknown);
        };
        let (result, format, broken): (_, _, &'static Rule) = match kind {
            Kind::Onnx => (onnx::inspect(&mut wire, scan), FileFormat::Onnx, &onnx::rules::BROKEN),
            Kind::SavedModel => {
                let result = tensorflow::saved_model(&mut wire, scan);
                (result, FileFormat::TensorflowGraph, &tensorflow::rules::BROKEN)
            }
            Kind::MetaGraph => {
                let result = tensorflow::meta_graph(&mut wire, scan);
                (result, FileFormat::TensorflowGraph, &tensorflow::rules::BROKEN)
            }
            Kind::Fingerprint => {
                let result = tensorflow::fingerprint(&mut wire, scan);
                (result, FileFormat::TensorflowGraph, &tensorflow::rules::BROKEN)
            }
            Kind::Graph => {
                let result = tensorflow::graph(&mut wire, scan);
                (result, FileFormat::TensorflowGraph, &tensorflow::rules::BROKEN)
            }
            Kind::KerasMetadata => {
                let result = tensorflow::keras_metadata(&mut wire, scan);
                (result, FileFormat::KerasMetadata, &tensorflow::rules::BROKEN)
            }
            Kind::Coreml => (coreml::inspect(&mut wire, scan), FileFormat::Coreml, &coreml::rules::BROKEN),
            Kind::Paddle => (paddle::inspect(&mut wire, scan), FileFormat::Paddle, &paddle::rules::BROKEN),
        };
        match result {
            Ok(()) => {}
            Err(Fault::Read(error)) => return Err(Halt::of(error)),
            Err(Fault::Broken(at, what)) => scan.find(broken, at, what.to_owned()),
            Err(Fault::Deep(at)) => {
                let message = format!("more than {} levels", limits::PROTOBUF_DEPTH);
                scan.find(&limits::TOO_DEEP_MESSAGES, at, message);
            }
        }
        Ok(format)
    }
}

/// What a file of this name is read as, whatever it is.
fn by_name(name: &str, extension: &str) -> Option<Kind> {
    match (name, extension) {
        (_, "onnx") => Some(Kind::Onnx),
        (_, "mlmodel") => Some(Kind::Coreml),
        (_, "pdmodel") => Some(Kind::Paddle),
        ("saved_model.pb", _) => Some(Kind::SavedModel),
        ("fingerprint.pb", _) => Some(Kind::Fingerprint),
        ("keras_metadata.pb", _) => Some(Kind::KerasMetadata),
        _ => None,
    }
}

/// Numbers of fields of the outermost message, and their wire types; as far as they can be read.
fn numbers(wire: &mut Wire<'_>) -> Result<BTreeSet<(u32, u8)>, crate::bytes::ReadError> {
    let mut numbers = BTreeSet::new();
    let mut span = wire.whole();
    loop {
        match wire.next(&mut span) {
            Ok(Some(field)) if numbers.len() < SKETCHED => {
                numbers.insert((field.number, wire_type(field.value)));
            }
            Err(Fault::Read(error)) => return Err(error),
            _ => return Ok(numbers),
        }
    }
}

/// Fields that are looked at to tell a format.
const SKETCHED: usize = 64;

/// The first fields of a message, as far as the head of the file shows them.
struct Sketch<'h> {
    fields: Vec<Seen<'h>>,
}

struct Seen<'h> {
    number: u32,
    wire_type: u8,
    /// What can be seen of its bytes.
    bytes: &'h [u8],
    len: u64,
}

impl<'h> Sketch<'h> {
    /// None when it is no message, or an empty one. `len` is the message's length where that is known.
    fn of(head: &'h [u8], len: Option<u64>) -> Option<Self> {
        let mut fields = Vec::new();
        let mut at = 0;
        while at < head.len() && fields.len() < SKETCHED {
            let Some((tag, after)) = varint(head, at)? else { break };
            let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number))?;
            let wire_type = (tag & 7) as u8;
            let mut seen = Seen { number, wire_type, bytes: &[], len: 0 };
            at = match wire_type {
                0 => match varint(head, after)? {
                    Some((value, end)) => {
                        seen.len = value;
                        end
                    }
                    None => break,
                },
                1 => after + 8,
                5 => after + 4,
                2 => {
                    let Some((field, start)) = varint(head, after)? else { break };
                    let end = (start as u64).checked_add(field)?;
                    if len.is_some_and(|len| end > len) {
                        return None;
                    }
                    let shown = usize::try_from(end).unwrap_or(usize::MAX).min(head.len());
                    seen.bytes = head.get(start..shown).unwrap_or_default();
                    seen.len = field;
                    usize::try_from(end).unwrap_or(usize::MAX)
                }
                _ => return None,
            };
            fields.push(seen);
        }
        let ends_well = len.is_none_or(|len| at as u64 <= len || at >= head.len());
        (!fields.is_empty() && ends_well).then_some(Self { fields })
    }

    fn numbers(&self) -> BTreeSet<(u32, u8)> {
        self.fields.iter().map(|seen| (seen.number, seen.wire_type)).collect()
    }

    /// The first field of this number, as a message.
    fn message(&self, number: u32) -> Option<Self> {
        let seen = self.fields.iter().find(|seen| seen.number == number && seen.wire_type == 2)?;
        Self::of(seen.bytes, Some(seen.len))
    }

    /// The same, as text.
    fn text(&self, number: u32) -> Option<&'h str> {
        let seen = self.fields.iter().find(|seen| seen.number == number && seen.wire_type == 2)?;
        if seen.len != seen.bytes.len() as u64 {
            return None;
        }
        std::str::from_utf8(seen.bytes).ok().filter(|text| !text.contains(|c: char| c.is_control()))
    }

    /// Whether every field is one of these; a field of number 0 stands for all of its wire type.
    fn only(&self, fields: &[(u32, u8)]) -> bool {
        self.fields.iter().all(|seen| fields.contains(&(seen.number, seen.wire_type)))
    }
}

/// The number at this place and what follows it; none within when the head ends before it does.
#[expect(clippy::option_option, reason = "broken, cut off, or there")]
fn varint(head: &[u8], at: usize) -> Option<Option<(u64, usize)>> {
    let mut value = 0_u64;
    for place in 0..10 {
        let Some(&byte) = head.get(at + place) else { return Some(None) };
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(Some((value, at + place + 1)));
        }
    }
    None
}

const fn wire_type(value: wire::Value) -> u8 {
    match value {
        wire::Value::Varint(_) => 0,
        wire::Value::Fixed64(_) => 1,
        wire::Value::Bytes(_) => 2,
        wire::Value::Fixed32(_) => 5,
    }
}

/// What has this shape: `numbers` are those of the outermost message, as far as they are known.
fn by_shape(sketch: &Sketch<'_>, numbers: &BTreeSet<(u32, u8)>) -> Option<Kind> {
    let has = |number, wire_type| numbers.contains(&(number, wire_type));
    let only = |fields: &[(u32, u8)]| numbers.iter().all(|field| fields.contains(field));
    let fingerprint = [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 2), (7, 2)];
    if has(2, 0) && has(3, 0) && only(&fingerprint) {
        return Some(Kind::Fingerprint);
    }
    // Fields that are not known yet have higher numbers.
    let onnx = |field: &(u32, u8)| ONNX.contains(field) || (27..100).contains(&field.0);
    if has(7, 2) && (has(1, 0) || has(8, 2)) && numbers.iter().all(onnx) {
        let graph = sketch.message(7);
        let fits = |graph: Sketch<'_>| graph.fields.iter().all(|f| f.wire_type == 2 && f.number < 100);
        // Not seen: it is somewhere behind.
        if graph.is_none_or(fits) {
            return Some(Kind::Onnx);
        }
    }
    let coreml = |&(number, wire_type): &(u32, u8)| wire_type == 2 && (200..=3000).contains(&number);
    if has(1, 0) && numbers.iter().any(coreml) && numbers.iter().all(|(number, _)| *number <= 3000) {
        return Some(Kind::Coreml);
    }
    if has(2, 2) && only(&[(1, 0), (2, 2)]) {
        let meta = sketch.message(2)?;
        let fields: Vec<(u32, u8)> = (1..=7).map(|number| (number, 2)).collect();
        let described = meta.message(1).is_some_and(|info| info.only(&META_INFO));
        let graph = meta.message(2).is_some_and(|graph| is_graph(&graph));
        return (meta.only(&fields) && (described || graph)).then_some(Kind::SavedModel);
    }
    if has(1, 2) {
        let first = sketch.message(1)?;
        if first.text(4).is_some_and(|text| text.starts_with("_tf_keras_")) && only(&[(1, 2)]) {
            return Some(Kind::KerasMetadata);
        }
        if is_graph(sketch) && only(&[(1, 2), (2, 2), (3, 0), (4, 2), (5, 2)]) {
            return Some(Kind::Graph);
        }
        let fields: Vec<(u32, u8)> = (1..=7).map(|number| (number, 2)).collect();
        let graph = sketch.message(2).is_some_and(|graph| is_graph(&graph));
        if has(2, 2) && only(&fields) && first.only(&META_INFO) && (graph || first.message(2).is_some()) {
            return Some(Kind::MetaGraph);
        }
        let block = matches!(
            &first.fields[..],
            [Seen { number: 1, wire_type: 0, .. }, Seen { number: 2, wire_type: 0, .. }, ..]
        );
        if block && only(&[(1, 2), (4, 2), (5, 2)]) && first.only(&[(1, 0), (2, 0), (3, 2), (4, 2), (5, 0)]) {
            return Some(Kind::Paddle);
        }
    }
    None
}

/// The fields of an ONNX model.
const ONNX: [(u32, u8); 12] =
    [(1, 0), (2, 2), (3, 2), (4, 2), (5, 0), (6, 2), (7, 2), (8, 2), (14, 2), (20, 2), (25, 2), (26, 2)];

const META_INFO: [(u32, u8); 8] = [(1, 2), (2, 2), (3, 2), (4, 2), (5, 2), (6, 2), (7, 0), (8, 2)];

/// Whether the first node of a graph of TensorFlow's has a name and an operator.
fn is_graph(graph: &Sketch<'_>) -> bool {
    let Some(node) = graph.message(1) else { return false };
    let is_operator = |op: &str| {
        op.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && op.chars().all(|c| c.is_ascii_alphanumeric() || "_>.".contains(c))
    };
    node.text(1).is_some()
        && node.text(2).is_some_and(is_operator)
        && node.only(&[(1, 2), (2, 2), (3, 2), (4, 2), (5, 2), (6, 2), (7, 2)])
}
