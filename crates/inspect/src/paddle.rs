//! PaddlePaddle: programs (`.pdmodel`) and their parameters (`.pdiparams`).

use crate::{
    operators::{NAME, PADDLE, Used},
    outside,
    protobuf::wire::{Fault, Span, Value, Wire},
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::{Capability, FileFormat};

pub(crate) mod rules {
    //! What can be found in a program of PaddlePaddle's.

    use crate::rule::rules;

    rules! {
        BROKEN = "PDL001" "broken-paddle" Malformed:
            "The program is no protocol buffer, or ends before it is whole, or has something else behind it." =>
            "Get the file again from its maker.";
        FORBIDDEN = "PDL002" "paddle-reaches-out" Malicious:
            "An operator of the program runs Python, or reads or writes files of any name." =>
            "Do not load it; ask its maker what the operator is for.";
        DOUBTFUL = "PDL003" "paddle-doubtful-operator" Suspicious:
            "An operator of the program reads files, or holds compiled code." =>
            "Find out what it is for.";
        UNKNOWN_OPERATOR = "PDL004" "paddle-unknown-operator" Suspicious:
            "An operator is none that PaddlePaddle has, so that running it takes a library of its maker." =>
            "Find out which library that is, and whether to trust it.";
        PATH = "PDL005" "paddle-external-path" Malicious:
            "An operator reads or writes a file that is not beside the model." =>
            "Do not load it.";
        FIELD = "PDL006" "paddle-unknown-field" Unknown:
            "A message has a field that the format does not have; what it holds was not inspected." =>
            "Find out what wrote the file.";
        PARAMETERS = "PDL007" "paddle-parameters" Note:
            "The parameters are not laid out as PaddlePaddle writes them; what reads them takes them for numbers." =>
            "Get the file again from its maker if it does not load.";
    }
}

/// Operators that run Python or reach files. Loading and saving are part of no program for inference.
const FORBIDDEN: [&str; 4] = ["py_func", "py_layer", "save", "save_combine"];
const DOUBTFUL: [&str; 13] = [
    "run_program",
    "load",
    "load_combine",
    "read_file",
    "create_py_reader",
    "create_double_buffer_reader",
    "read",
    "tensorrt_engine",
    "lite_engine",
    "openvino_engine",
    "dlnne_engine",
    "custom_device_graph",
    "cinn_launch",
];
const COMPILED: [&str; 4] = ["tensorrt_engine", "lite_engine", "openvino_engine", "dlnne_engine"];

/// Names of attributes that are names of files.
const FILES: [&str; 4] = ["file_path", "filename", "model_file", "save_path"];

/// A program, as `protobuf` found it.
pub(crate) fn inspect(wire: &mut Wire<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    scan.contents.capabilities.insert(Capability::Graph);
    let mut used = Used::default();
    let result = program(wire, scan, &mut used);
    for (op, at) in used.iter() {
        let (rule, why) = if FORBIDDEN.contains(&op) {
            (&rules::FORBIDDEN, "runs Python, or writes files")
        } else if DOUBTFUL.contains(&op) {
            (&rules::DOUBTFUL, "reads files, or holds compiled code")
        } else if PADDLE.contains(op) {
            continue;
        } else {
            scan.contents.capabilities.insert(Capability::CustomOperators);
            (&rules::UNKNOWN_OPERATOR, "needs a library of its own")
        };
        if COMPILED.contains(&op) {
            scan.contents.capabilities.insert(Capability::NativeCode);
        }
        scan.contents.add_name(|contents| &mut contents.operators, op);
        scan.find_about(rule, at, op, format!("the operator {op} {why}"));
    }
    result
}

fn program(wire: &mut Wire<'_>, scan: &mut Scan<'_>, used: &mut Used) -> Result<(), Fault> {
    let mut span = wire.whole();
    while let Some(field) = wire.next(&mut span)? {
        let (1, Value::Bytes(mut block)) = (field.number, field.value) else {
            if !matches!(field.number, 4 | 5) {
                unknown_field(scan, "ProgramDesc", field.number, field.at);
            }
            continue;
        };
        while let Some(field) = wire.next(&mut block)? {
            match (field.number, field.value) {
                (1 | 2 | 5, Value::Varint(_)) | (3, Value::Bytes(_)) => {}
                (4, Value::Bytes(operator)) => op(wire, operator, scan, used)?,
                (number, _) => unknown_field(scan, "BlockDesc", number, field.at),
            }
        }
    }
    Ok(())
}

fn op(wire: &mut Wire<'_>, message: Span, scan: &mut Scan<'_>, used: &mut Used) -> Result<(), Fault> {
    let mut span = message;
    while let Some(field) = wire.next(&mut span)? {
        match (field.number, field.value) {
            (3, Value::Bytes(text)) => {
                let name = wire.text(text, NAME)?;
                used.add(&name, message.start, scan);
            }
            (4, Value::Bytes(attribute)) => self::attribute(wire, attribute, scan)?,
            (1 | 2, Value::Bytes(_)) | (5, Value::Varint(_)) => {}
            (number, _) => unknown_field(scan, "OpDesc", number, field.at),
        }
    }
    Ok(())
}

fn attribute(wire: &mut Wire<'_>, message: Span, scan: &mut Scan<'_>) -> Result<(), Fault> {
    let (mut name, mut span) = (String::new(), message);
    while let Some(field) = wire.next(&mut span)? {
        match (field.number, field.value) {
            (1, Value::Bytes(text)) => name = wire.text(text, NAME)?,
            (5, Value::Bytes(text)) if FILES.contains(&name.as_str()) => {
                let file = wire.text(text, 4096)?;
                match outside::leads_out(&file) {
                    None => outside::external(scan, &file),
                    Some(why) => {
                        let message = format!("the attribute {name} is {why}: {file:?}");
                        scan.find_about(&rules::PATH, field.at, &file, message);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn unknown_field(scan: &mut Scan<'_>, message: &str, number: u32, at: u64) {
    let text = format!("field {number} of {message}");
    scan.find_about(&rules::FIELD, at, &text, text.clone());
}

/// Parameters, one after the other: the door from `route`.
pub(crate) struct Parameters;

impl Format for Parameters {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        // They have no mark: a version that has always been zero.
        (probe.extension == "pdiparams" && probe.head.starts_with(&[0; 4])).then_some(Match::Likely)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::Paddle) };
        let mut wire = Wire::new(random.input());
        let mut span = wire.whole();
        while span.start < span.end {
            let at = span.start;
            match parameter(&mut wire, &mut span) {
                Ok(Some((name, count))) => scan.contents.add_tensor(name, count),
                Err(Fault::Read(error)) => return Err(Halt::of(error)),
                Ok(None) | Err(_) => {
                    scan.find(&rules::PARAMETERS, at, "there is no tensor".to_owned());
                    break;
                }
            }
        }
        Ok(FileFormat::Paddle)
    }
}

/// Reads one tensor, and leaves `rest` where the next begins.
fn parameter(wire: &mut Wire<'_>, rest: &mut Span) -> Result<Option<(&'static str, u64)>, Fault> {
    if u32::from_le_bytes(wire.array(rest)?) != 0 {
        return Ok(None);
    }
    // Offsets of sequences; parameters have none.
    for _ in 0..u64::from_le_bytes(wire.array(rest)?).min(8) {
        let len = u64::from_le_bytes(wire.array(rest)?);
        rest.start = rest.start.saturating_add(len);
    }
    if u32::from_le_bytes(wire.array(rest)?) != 0 {
        return Ok(None);
    }
    let len = u64::from(u32::from_le_bytes(wire.array(rest)?));
    let mut description = Span { start: rest.start, end: rest.start.saturating_add(len) };
    if description.end > rest.end || len > DESCRIPTION {
        return Ok(None);
    }
    let (mut dtype, mut count) = (None, Some(1_u64));
    while let Some(field) = wire.next(&mut description)? {
        match (field.number, field.value) {
            (1, Value::Varint(number)) => dtype = dtype_of(number),
            (2, Value::Varint(size)) => count = count.and_then(|count| count.checked_mul(size)),
            _ => return Ok(None),
        }
    }
    let (Some((name, size)), Some(count)) = (dtype, count) else { return Ok(None) };
    let next = count.checked_mul(size).and_then(|bytes| description.end.checked_add(bytes));
    let Some(next) = next.filter(|next| *next <= rest.end) else { return Ok(None) };
    rest.start = next;
    Ok(Some((name, count)))
}

/// Bytes of a tensor's description: a type and a shape.
const DESCRIPTION: u64 = 4096;

const fn dtype_of(dtype: u64) -> Option<(&'static str, u64)> {
    Some(match dtype {
        0 => ("BOOL", 1),
        1 => ("INT16", 2),
        2 => ("INT32", 4),
        3 => ("INT64", 8),
        4 => ("FP16", 2),
        5 => ("FP32", 4),
        6 => ("FP64", 8),
        20 => ("UINT8", 1),
        21 => ("INT8", 1),
        22 => ("BF16", 2),
        23 => ("COMPLEX64", 8),
        24 => ("COMPLEX128", 16),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::{
        protobuf::wire::build::{bytes, number},
        testing::{clean, finds, mangle, rules_in},
    };
    use modelseal_core::inspection::FileFormat;

    fn program(op: &str, more: &[u8]) -> Vec<u8> {
        let op = bytes(4, [bytes(3, op), more.to_vec()].concat());
        let block = [number(1, 0), number(2, u64::MAX), op].concat();
        [bytes(1, block), bytes(4, number(1, 0))].concat()
    }

    fn file(name: &str) -> Vec<u8> {
        bytes(4, [bytes(1, "file_path"), number(2, 2), bytes(5, name)].concat())
    }

    #[test]
    fn programs() {
        for name in ["m.pdmodel", "__model__"] {
            let found = clean(name, &program("conv2d", &[]));
            assert_eq!((found.format, rules_in(&found)), (FileFormat::Paddle, vec![]));
        }
        finds("m.pdmodel", &program("py_func", &[]), "PDL002");
        finds("m.pdmodel", &program("load_combine", &file("w")), "PDL003");
        finds("m.pdmodel", &program("load_combine", &file("/etc/passwd")), "PDL005");
        finds("m.pdmodel", &program("tensorrt_engine", &[]), "PDL003");
        finds("m.pdmodel", &program("mine", &[]), "PDL004");
        finds("m.pdmodel", &[program("conv2d", &[]), bytes(9, "x")].concat(), "PDL006");
        finds("m.pdmodel", b"\x0b", "PDL001");
        // A program of one operator may end before its version.
        let good = program("conv2d", &[]);
        assert!(mangle("m.pdmodel", &good).iter().all(|end| *end >= good.len() - 4));
    }

    #[test]
    fn parameters() {
        let description = [number(1, 5), number(2, 2), number(2, 3)].concat();
        let mut tensor = vec![0; 16];
        tensor.extend(u32::try_from(description.len()).unwrap().to_le_bytes());
        tensor.extend(description);
        tensor.extend([0; 24]);
        let found = clean("m.pdiparams", &[tensor.clone(), tensor.clone()].concat());
        assert_eq!(
            (found.format, found.contents.tensors, found.contents.parameters),
            (FileFormat::Paddle, 2, 12)
        );
        assert_eq!(rules_in(&found), Vec::<&str>::new());
        assert_eq!(rules_in(&clean("m.pdiparams", &tensor[..40])), ["PDL007"]);
        mangle("m.pdiparams", &tensor);
    }
}
