//! NumPy's files: `.npy`, a header in Python's notation and the elements behind it, or a pickle of them; and `.npz`, a zip
//! archive of such.

mod literal;

use crate::{
    bytes::Stream,
    limits,
    pickle::{self, Loader},
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
    zip::{Archive, Directory, Kind},
};
use literal::Literal;
use modelseal_core::inspection::FileFormat;

pub(crate) mod rules {
    //! What can be found in a file of NumPy.

    use crate::rule::rules;

    rules! {
        HEADER = "NPY001" "npy-header" Malformed:
            "The header cannot be read, or says something that no array has." =>
            "Get the file again from its maker.";
        SIZE = "NPY002" "npy-size" Malformed:
            "There are fewer bytes than the array's shape and type need." =>
            "Get the file again from its maker.";
        TRAILING = "NPY003" "npy-trailing-data" Suspicious:
            "There are bytes after the array." =>
            "Find out what they are.";
        OBJECTS = "NPY004" "npy-objects" Note:
            "The elements are Python objects: the array is a pickle, and is judged as one." =>
            "Store numbers as numbers.";
    }
}

/// The door from `route`.
pub(crate) struct Npy;

impl Format for Npy {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        probe.head.starts_with(b"\x93NUMPY").then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let len = content.len();
        let mut stream = content.into_stream();
        let header = match read_header(&mut *stream) {
            Ok(header) => header,
            Err(Problem::Halt(halt)) => return Err(halt),
            Err(Problem::Wrong(what)) => {
                scan.find(&rules::HEADER, 0, what.to_owned());
                // A pickle may be what the header does not lead to.
                let rest = Content::stream(stream)?;
                if pickle::likeness(rest.head(), scan.globals) >= pickle::Likeness::Names {
                    pickle::inspect(rest, Loader { only_pickle: true, ..Loader::default() }, scan)?;
                }
                return Ok(FileFormat::Npy);
            }
        };
        scan.contents.add_tensor(&header.dtype, header.count);
        if header.objects {
            scan.find(&rules::OBJECTS, 0, format!("an array of {} objects", header.count));
            let rest = Content::stream(stream)?;
            pickle::inspect(rest, Loader { only_pickle: true, ..Loader::default() }, scan)?;
            return Ok(FileFormat::Npy);
        }
        let Some(bytes) = header.count.checked_mul(header.size) else {
            scan.find(&rules::HEADER, 0, "the array is larger than any memory".to_owned());
            return Ok(FileFormat::Npy);
        };
        let known = len.map(|len| len.saturating_sub(header.offset));
        if known.is_some_and(|there| there < bytes) {
            let message = format!("{} bytes, and the array needs {bytes}", known.unwrap_or_default());
            scan.find(&rules::SIZE, header.offset, message);
            return Ok(FileFormat::Npy);
        }
        let skipped = match stream.skip(bytes) {
            Ok(skipped) => skipped,
            Err(error) => {
                scan.unreadable(error, &crate::compress::rules::CORRUPT)?;
                return Ok(FileFormat::Npy);
            }
        };
        if skipped < bytes {
            let message = format!("{skipped} bytes, and the array needs {bytes}");
            scan.find(&rules::SIZE, header.offset, message);
            return Ok(FileFormat::Npy);
        }
        let rest = Content::stream(stream)?;
        if !rest.head().is_empty() {
            let at = header.offset + bytes;
            scan.find(&rules::TRAILING, at, "the array ends before the file does".to_owned());
        }
        Ok(FileFormat::Npy)
    }
}

/// `.npz`.
pub(crate) struct Npz;

impl Kind for Npz {
    fn claims(&self, directory: &Directory) -> bool {
        let mut members = directory.entries.iter().filter(|entry| !entry.is_directory()).peekable();
        members.peek().is_some() && members.all(|entry| entry.name.ends_with(".npy"))
    }

    fn inspect(&self, archive: &Archive<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        archive.inspect_members(scan, |_| true)?;
        Ok(FileFormat::Npz)
    }
}

/// What a header says.
struct Header {
    dtype: String,
    /// Bytes of an element.
    size: u64,
    objects: bool,
    count: u64,
    /// Where the elements begin.
    offset: u64,
}

enum Problem {
    Wrong(&'static str),
    Halt(Halt),
}

fn read_header(stream: &mut dyn Stream) -> Result<Header, Problem> {
    let start = take(stream, 8)?;
    let wide = match start.get(6..8) {
        Some([1, 0]) => false,
        Some([2 | 3, 0]) => true,
        _ => return Err(Problem::Wrong("there is no such version of the format")),
    };
    let len = take(stream, if wide { 4 } else { 2 })?;
    let len = len.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    if len > limits::NPY_HEADER {
        return Err(Problem::Wrong("the header is longer than any"));
    }
    let offset = (if wide { 12 } else { 10 }) + len as u64;
    let text = take(stream, len)?;
    let Some(Literal::Dict(entries)) = literal::parse(&text) else {
        return Err(Problem::Wrong("the header is no dictionary, or has a key twice"));
    };
    let get = |key: &str| entries.iter().find(|(name, _)| name == key).map(|(_, value)| value);
    let (Some(descr), Some(Literal::Bool(_)), Some(Literal::Sequence(shape)), 3) =
        (get("descr"), get("fortran_order"), get("shape"), entries.len())
    else {
        return Err(Problem::Wrong("the header has other keys than descr, fortran_order and shape"));
    };
    let (size, objects) = element(descr, 0).ok_or(Problem::Wrong("the element type is none"))?;
    let mut count: u64 = 1;
    for dimension in shape {
        let Literal::Int(dimension) = dimension else {
            return Err(Problem::Wrong("a dimension is no number"));
        };
        let dimension = u64::try_from(*dimension).map_err(|_| Problem::Wrong("a dimension is negative"))?;
        count = count
            .checked_mul(dimension)
            .filter(|&count| i64::try_from(count).is_ok())
            .ok_or(Problem::Wrong("the array is larger than any memory"))?;
    }
    let dtype = match descr {
        Literal::Text(text) => text.chars().take(32).collect(),
        _ => "structure".to_owned(),
    };
    Ok(Header { dtype, size, objects, count, offset })
}

/// The size of an element, and whether objects are in it.
fn element(descr: &Literal, depth: usize) -> Option<(u64, bool)> {
    match descr {
        Literal::Text(text) => simple(text),
        Literal::Sequence(fields) if depth < 16 => {
            let (mut size, mut objects) = (0_u64, false);
            for field in fields {
                let Literal::Sequence(field) = field else { return None };
                let (one, has) = element(field.get(1)?, depth + 1)?;
                let mut count: u64 = 1;
                match field.get(2) {
                    None => {}
                    Some(Literal::Int(dimension)) => count = u64::try_from(*dimension).ok()?,
                    Some(Literal::Sequence(shape)) => {
                        for dimension in shape {
                            let Literal::Int(dimension) = dimension else { return None };
                            count = count.checked_mul(u64::try_from(*dimension).ok()?)?;
                        }
                    }
                    Some(_) => return None,
                }
                size = size.checked_add(one.checked_mul(count)?)?;
                objects |= has;
            }
            Some((size, objects))
        }
        _ => None,
    }
}

fn simple(text: &str) -> Option<(u64, bool)> {
    let plain = text.strip_prefix(['<', '>', '=', '|']).unwrap_or(text);
    let mut chars = plain.chars();
    let kind = chars.next()?;
    let digits: &str = chars.as_str().split('[').next()?;
    let number = || digits.parse::<u64>().ok();
    match kind {
        'O' => Some((8, true)),
        'b' | 'i' | 'u' | 'f' | 'c' | 'S' | 'a' | 'V' => Some((number()?, false)),
        'M' | 'm' if digits == "8" => Some((8, false)),
        'U' => Some((number()?.checked_mul(4)?, false)),
        '?' if digits.is_empty() => Some((1, false)),
        _ => None,
    }
}

fn take(stream: &mut dyn Stream, count: usize) -> Result<Vec<u8>, Problem> {
    let mut taken = vec![0; count];
    let mut filled = 0;
    while filled < count {
        match stream.read(&mut taken[filled..]) {
            Ok(0)
            | Err(
                crate::bytes::ReadError::Corrupt(_)
                | crate::bytes::ReadError::Bound
                | crate::bytes::ReadError::Memory,
            ) => {
                return Err(Problem::Wrong("it ends within the header"));
            }
            Ok(read) => filled += read,
            Err(error) => return Err(Problem::Halt(Halt::of(error))),
        }
    }
    Ok(taken)
}
