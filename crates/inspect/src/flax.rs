//! Flax: the tree of a model's parameters in MessagePack, read as a stream.

use crate::{
    bytes::Stream,
    fields::{Source, Stop},
    limits, pickle,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::FileFormat;

pub(crate) mod rules {
    //! What can be found in MessagePack.

    use crate::rule::rules;

    rules! {
        BROKEN = "FLX001" "broken-msgpack" Malformed:
            "The file ends or fails before its end." =>
            "Get the file again from its maker.";
        TRAILING = "FLX002" "data-after-msgpack" Suspicious:
            "There are bytes after the tree of parameters." =>
            "Find out what they are.";
        ARRAY = "FLX003" "flax-array" Malformed:
            "An array has another size than its shape and type need." =>
            "Get the file again from its maker.";
        EXTENSION = "FLX004" "msgpack-extension" Suspicious:
            "There is a value of a kind that is not Flax's own; what it means is up to the program that loads it." =>
            "Find out what reads it.";
        PICKLE = "FLX005" "pickle-in-msgpack" Suspicious:
            "Bytes in the file are a pickle, or are named like one of Python's own protocols." =>
            "Do not load it with a program that unpickles.";
    }
}

/// The door from `route`.
pub(crate) struct Flax;

impl Format for Flax {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        matches!(probe.extension, "msgpack" | "flax").then_some(Match::Likely)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let mut source = Source::new(content.into_stream());
        match values(&mut source, scan) {
            Ok(()) => {}
            Err(Stop::Ends) => {
                scan.find(&rules::BROKEN, source.at(), "it ends within a value".to_owned());
            }
            Err(Stop::Read(error)) => scan.unreadable(error, &crate::compress::rules::CORRUPT)?,
        }
        Ok(FileFormat::Flax)
    }
}

/// Letters of a name that are kept, and bytes of a value that are looked at.
const KEPT: usize = 4096;

/// What a first byte announces.
enum Value {
    Plain(u64),
    Text(u64),
    Bytes(u64),
    /// As many values.
    Values(u64),
    Extension(i8, u64),
}

/// One value with all that lies in it, without recursion.
fn values<S: Stream>(source: &mut Source<S>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    // Values that are still to come on each level.
    let mut open: Vec<u64> = vec![1];
    while let Some(left) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        let at = source.at();
        let Some(value) = header(source)? else {
            scan.find(&rules::BROKEN, at, "a byte announces nothing".to_owned());
            return Ok(());
        };
        match value {
            Value::Plain(bytes) => source.skip(bytes)?,
            Value::Text(bytes) => {
                let text = source.some(bytes, KEPT)?;
                inspect_bytes(&text, at, scan);
            }
            Value::Bytes(bytes) => {
                let head = source.some(bytes, KEPT)?;
                inspect_bytes(&head, at, scan);
            }
            Value::Values(count) => {
                // Every value takes a byte at least.
                if source.remaining().is_some_and(|left| count > left) {
                    let message = format!("{count} values are announced, which there are not");
                    scan.find(&rules::BROKEN, at, message);
                    return Ok(());
                }
                if open.len() >= limits::MSGPACK_DEPTH {
                    let message = format!("more than {} levels", limits::MSGPACK_DEPTH);
                    scan.find(&limits::MSGPACK_TOO_DEEP, at, message);
                    return Ok(());
                }
                open.push(count);
            }
            Value::Extension(kind, bytes) => extension(source, kind, bytes, at, scan)?,
        }
    }
    if !source.has_ended()? {
        scan.find(&rules::TRAILING, source.at(), "the first value has ended".to_owned());
    }
    Ok(())
}

fn header<S: Stream>(source: &mut Source<S>) -> Result<Option<Value>, Stop> {
    let first = source.u8()?;
    let low = |mask: u8| u64::from(first & mask);
    Ok(Some(match first {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => Value::Plain(0),
        0x80..=0x8f => Value::Values(2 * low(15)),
        0x90..=0x9f => Value::Values(low(15)),
        0xa0..=0xbf => Value::Text(low(31)),
        0xc1 => return Ok(None),
        0xc4..=0xc6 => Value::Bytes(number(source, 1 << (first - 0xc4))?),
        0xc7..=0xc9 => {
            let bytes = number(source, 1 << (first - 0xc7))?;
            Value::Extension(i8::from_be_bytes(source.array()?), bytes)
        }
        0xca | 0xce | 0xd2 => Value::Plain(4),
        0xcb | 0xcf | 0xd3 => Value::Plain(8),
        0xcc | 0xd0 => Value::Plain(1),
        0xcd | 0xd1 => Value::Plain(2),
        0xd4..=0xd8 => Value::Extension(i8::from_be_bytes(source.array()?), 1 << (first - 0xd4)),
        0xd9..=0xdb => Value::Text(number(source, 1 << (first - 0xd9))?),
        0xdc | 0xdd => Value::Values(number(source, 2 << (first - 0xdc))?),
        0xde | 0xdf => Value::Values(2 * number(source, 2 << (first - 0xde))?),
    }))
}

/// A number of one, two or four bytes, the highest first.
fn number<S: Stream>(source: &mut Source<S>, bytes: u32) -> Result<u64, Stop> {
    (0..bytes).try_fold(0, |sum, _| Ok(sum << 8 | u64::from(source.u8()?)))
}

fn inspect_bytes(bytes: &[u8], at: u64, scan: &mut Scan<'_>) {
    const PROTOCOLS: [&[u8]; 8] = [
        b"__reduce__",
        b"__reduce_ex__",
        b"__setstate__",
        b"__class__",
        b"__module__",
        b"__import__",
        b"__builtins__",
        b"__globals__",
    ];
    if PROTOCOLS.contains(&bytes) {
        let message = format!("a value is named {}", String::from_utf8_lossy(bytes));
        scan.find(&rules::PICKLE, at, message);
    } else if let Some(what) = pickle::names_something(bytes, scan.globals) {
        scan.find(&rules::PICKLE, at, format!("bytes are a pickle that names {what}"));
    }
}

/// Flax has three: an array, a complex number, and a scalar of NumPy.
fn extension<S: Stream>(
    source: &mut Source<S>,
    kind: i8,
    bytes: u64,
    at: u64,
    scan: &mut Scan<'_>,
) -> Result<(), Stop> {
    // Timestamps are MessagePack's own.
    if matches!(kind, 2 | -1) {
        return source.skip(bytes);
    }
    let head = source.some(bytes, KEPT)?;
    if !matches!(kind, 1 | 3) {
        let message = format!("a value of the kind {kind}");
        scan.find_about(&rules::EXTENSION, at, &kind.to_string(), message);
        inspect_bytes(&head, at, scan);
        return Ok(());
    }
    let mut array = Source::new(crate::bytes::Input::of(&head).stream());
    match shape(&mut array) {
        Ok(Some(Shape { dtype, elements, data, begins })) => {
            let size = element(&dtype);
            let needed = size.and_then(|size| elements.checked_mul(size));
            let there = bytes.saturating_sub(begins);
            if data != there || size.is_some() && needed != Some(data) {
                let message = format!("{elements} elements of {dtype} in {there} bytes");
                scan.find(&rules::ARRAY, at, message);
            }
            if size.is_none() {
                let message = format!("elements of the type {dtype}");
                scan.find_about(&rules::EXTENSION, at, &dtype, message);
            }
            scan.contents.add_tensor(&dtype, elements);
        }
        _ => scan.find(&rules::ARRAY, at, "an array is not described as Flax does".to_owned()),
    }
    Ok(())
}

struct Shape {
    dtype: String,
    elements: u64,
    /// Bytes of its data, and where in the extension it begins.
    data: u64,
    begins: u64,
}

/// A shape, the name of a type, and the data.
fn shape<S: Stream>(source: &mut Source<S>) -> Result<Option<Shape>, Stop> {
    let Some(Value::Values(3)) = header(source)? else { return Ok(None) };
    let Some(Value::Values(dimensions @ 0..=64)) = header(source)? else { return Ok(None) };
    let mut elements = Some(1_u64);
    for _ in 0..dimensions {
        let first = source.u8()?;
        let dimension = match first {
            0x00..=0x7f => u64::from(first),
            0xcc..=0xce => number(source, 1 << (first - 0xcc))?,
            0xcf => u64::from_be_bytes(source.array()?),
            _ => return Ok(None),
        };
        elements = elements.and_then(|elements| elements.checked_mul(dimension));
    }
    let Some(Value::Text(len) | Value::Bytes(len)) = header(source)? else { return Ok(None) };
    let dtype = String::from_utf8_lossy(&source.some(len, 64)?).into_owned();
    let Some(Value::Bytes(data)) = header(source)? else { return Ok(None) };
    Ok(elements.map(|elements| Shape { dtype, elements, data, begins: source.at() }))
}

/// Bytes of an element.
fn element(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "bool" | "int8" | "uint8" | "int4" | "uint4" => 1,
        "int16" | "uint16" | "float16" | "bfloat16" => 2,
        "int32" | "uint32" | "float32" => 4,
        "int64" | "uint64" | "float64" | "complex64" => 8,
        "complex128" => 16,
        name if name.starts_with("float8") => 1,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use modelseal_core::inspection::{FileInspection, Verdict};

    fn look(data: &[u8]) -> FileInspection {
        crate::testing::look("flax_model.msgpack", data)
    }

    fn found(data: &[u8]) -> Vec<String> {
        look(data).findings.iter().map(|finding| finding.rule.to_string()).collect()
    }

    /// `{"params": {"kernel": array}}` with an array of two by two.
    fn model() -> Vec<u8> {
        let mut array = b"\x93\x92\x02\x02\xa7float32\xc4\x10".to_vec();
        array.extend([0; 16]);
        let mut model = b"\x81\xa6params\x81\xa6kernel\xc7".to_vec();
        model.push(u8::try_from(array.len()).unwrap());
        model.push(1);
        model.extend(array);
        model
    }

    #[test]
    fn a_model_is_clean_and_counted() {
        let found = look(&model());
        assert_eq!((found.verdict(), found.format), (Verdict::Clean, FileFormat::Flax));
        assert_eq!((found.contents.tensors, found.contents.parameters), (1, 4));
        assert_eq!(found.contents.dtypes.get("float32"), Some(&1));
    }

    #[test]
    fn truncation_anywhere_is_malformed() {
        let model = model();
        for end in 1..model.len() {
            assert_eq!(look(&model[..end]).verdict(), Verdict::Malformed, "{end}");
        }
    }

    #[test]
    fn what_is_wrong_is_found() {
        let mut wrong = model();
        wrong[19] = 3;
        assert_eq!(found(&wrong), ["FLX003"]);
        // The extension is a byte longer than the array in it.
        let mut longer = model();
        longer[17] += 1;
        longer.push(0);
        assert_eq!(found(&longer), ["FLX003"]);
        assert_eq!(found(b"\x81\xa1a\xc1"), ["FLX001"]);
        assert_eq!(found(b"\x81\xa1a\x01\x01"), ["FLX002"]);
        assert_eq!(found(b"\x81\xa1a\xd4\x05\x00"), ["FLX004"]);
        assert_eq!(found(b"\x81\xaa__reduce__\x01"), ["FLX005"]);
        assert_eq!(
            found(b"\x81\xa1a\xc4\x1b\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x031+1\x85R."),
            ["FLX005"]
        );
        assert_eq!(found(b"\xdf\xff\xff\xff\xff"), ["FLX001"]);
        assert_eq!(found(&b"\x91".repeat(100_000)), ["LIM071"]);
    }
}
