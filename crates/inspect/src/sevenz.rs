//! 7z archives: the header at the end, and the members one after the other, as they come out of the decoders. Own reader,
//! because members are streamed and every size is asked about before it is believed.

mod folder;
mod header;

use crate::{
    bytes::{Input, ReadError, Stream},
    compress::{self, Allowance},
    limits, outside,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use header::{Fields, Header, Member, Streams};
use modelseal_core::inspection::{Capability, FileFormat};
use std::{cell::RefCell, rc::Rc};

pub(crate) mod rules {
    //! What can be found in 7z and other archives.

    use crate::rule::rules;

    rules! {
        BROKEN = "SVZ001" "broken-7z" Malformed:
            "The archive's header cannot be read, or leads beyond the file." =>
            "Get the file again from its maker.";
        ENCRYPTED = "SVZ002" "encrypted-7z" Suspicious:
            "Members are encrypted and were not inspected." =>
            "Ask its maker for the files without encryption.";
        METHOD = "SVZ003" "7z-method" Suspicious:
            "Members are compressed in a way that is not read here, and were not inspected." =>
            "Unpack the archive with care and inspect the files.";
        PATH = "SVZ004" "7z-unsafe-name" Suspicious:
            "A member's name leads out of the directory it is unpacked into." =>
            "Do not unpack it.";
        OUTSIDE = "SVZ005" "7z-data-outside" Suspicious:
            "There are bytes after the archive." =>
            "Find out what they are.";
        CHECKSUM = "SVZ007" "7z-wrong-checksum" Malformed:
            "A member's checksum is wrong." =>
            "Get the file again from its maker.";
        UNREAD = "SVZ006" "unread-archive" Suspicious:
            "The archive is of a format that is not read here: what is in it was not inspected." =>
            "Unpack the archive with care and inspect the files, or ask its maker for the files themselves.";
    }
}

/// Marks of archives that are recognised, and not read.
static UNREAD: &[(&[u8], usize, FileFormat, &str)] = &[
    (b"Rar!\x1a\x07\x00", 0, FileFormat::Rar, "RAR"),
    (b"Rar!\x1a\x07\x01\x00", 0, FileFormat::Rar, "RAR 5"),
    (b"RE~^", 0, FileFormat::Rar, "RAR before 1.5"),
    (b"MSCF\0\0\0\0", 0, FileFormat::Unknown, "a cabinet of Windows"),
    (b"xar!\0\x1c", 0, FileFormat::Unknown, "xar"),
    (b"070701", 0, FileFormat::Unknown, "cpio"),
    (b"070702", 0, FileFormat::Unknown, "cpio"),
    (b"070707", 0, FileFormat::Unknown, "cpio"),
    (b"-lh5-", 2, FileFormat::Unknown, "LHA"),
    (b"\x60\xea", 0, FileFormat::Unknown, "ARJ"),
    (b"**ACE**", 7, FileFormat::Unknown, "ACE"),
    (b"hsqs", 0, FileFormat::Unknown, "squashfs"),
    (b"LZIP\x01", 0, FileFormat::Unknown, "lzip"),
    (b"\x1f\x9d", 0, FileFormat::Unknown, "compress"),
    (b"\x89LZO\0\r\n\x1a\n", 0, FileFormat::Unknown, "lzop"),
    (b"\xff\x06\0\0sNaPpY", 0, FileFormat::Unknown, "snappy"),
    (b"PAR1", 0, FileFormat::Unknown, "Parquet"),
];

/// 7z's mark.
const SIGNATURE: &[u8; 6] = b"7z\xbc\xaf\x27\x1c";
/// Where the packed data begins.
const START: u64 = 32;

/// The door from `route`.
pub(crate) struct SevenZip;

/// Archives that are recognised only.
pub(crate) struct OtherArchive;

impl Format for OtherArchive {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let (mark, ..) = unread(probe.head)?;
        Some(if mark.len() > 2 { Match::Sure } else { Match::Likely })
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let Some(&(_, _, format, name)) = unread(content.head()) else { return Ok(FileFormat::Unknown) };
        if name == "Parquet" {
            scan.find(&crate::route::rules::UNKNOWN_FORMAT, 0, "it is Parquet".to_owned());
            return Ok(format);
        }
        scan.contents.capabilities.insert(Capability::Archive);
        scan.find(&rules::UNREAD, 0, format!("it is {name}"));
        Ok(format)
    }
}

fn unread(head: &[u8]) -> Option<&'static (&'static [u8], usize, FileFormat, &'static str)> {
    // The marks of cpio are digits, as the rest of its header.
    let is_digits = || head.get(..76).is_some_and(|header| header.iter().all(u8::is_ascii_hexdigit));
    UNREAD.iter().find(|(mark, at, ..)| {
        let begins = head.get(*at..).is_some_and(|rest| rest.starts_with(mark));
        begins && (!mark.starts_with(b"0707") || is_digits())
    })
}

impl Format for SevenZip {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        probe.head.starts_with(SIGNATURE).then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        scan.contents.capabilities.insert(Capability::Archive);
        let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::SevenZip) };
        if let Err(problem) = inspect(random.input(), scan) {
            report(problem, scan)?;
        }
        Ok(FileFormat::SevenZip)
    }
}

/// Why an archive cannot be read.
pub(super) enum Problem {
    Broken(&'static str),
    /// A method that is not read, by its number.
    Method(u64),
    Encrypted,
    Memory,
    Read(ReadError),
}

fn report(problem: Problem, scan: &mut Scan<'_>) -> Result<(), Halt> {
    match problem {
        Problem::Broken(what) => scan.find(&rules::BROKEN, None, what.to_owned()),
        Problem::Method(id) => scan.find(&rules::METHOD, None, format!("by method {id:x}")),
        Problem::Encrypted => {
            scan.contents.capabilities.insert(Capability::Encrypted);
            scan.find(&rules::ENCRYPTED, None, "with AES".to_owned());
        }
        Problem::Memory => {
            let message = format!("the dictionary needs more than {} bytes", limits::WINDOW);
            scan.find(&limits::TOO_LARGE_WINDOW, None, message);
        }
        Problem::Read(error) => scan.unreadable(error, &rules::BROKEN)?,
    }
    Ok(())
}

fn inspect(input: Input<'_>, scan: &mut Scan<'_>) -> Result<(), Problem> {
    let start = input.read_some(0, 32).map_err(Problem::Read)?;
    let mut fields = Fields::new(start.get(8..).unwrap_or_default());
    let sum = fields.u32()?;
    if crc(start.get(12..32).unwrap_or_default()) != sum {
        return Err(Problem::Broken("the checksum of the start is wrong"));
    }
    let (offset, size, sum) = (fields.u64()?, fields.u64()?, fields.u32()?);
    if size == 0 {
        return Ok(());
    }
    if size > limits::SEVENZ_HEADER {
        return Err(Problem::Broken("the header is larger than any"));
    }
    let at = offset.checked_add(START).and_then(|at| input.slice(at, size));
    let place = at.ok_or(Problem::Broken("the header lies beyond the file"))?;
    let len = usize::try_from(size).unwrap_or_default();
    let mut data = place.read_some(0, len).map_err(Problem::Read)?;
    if crc(&data) != sum {
        return Err(Problem::Broken("the header's checksum is wrong"));
    }
    let end = offset.saturating_add(START).saturating_add(size);
    if end < input.len() {
        scan.find(&rules::OUTSIDE, end, format!("{} bytes", input.len() - end));
    }
    // A header may be packed, and what comes out may be packed once more.
    for _ in 0..4 {
        match header::read(&data)? {
            Header::Packed(streams) => data = unpack_header(input, &streams, scan)?,
            Header::Plain { streams, members } => return inspect_members(input, &streams, members, scan),
        }
    }
    Err(Problem::Broken("the header is packed again and again"))
}

fn unpack_header(input: Input<'_>, streams: &Streams, scan: &mut Scan<'_>) -> Result<Vec<u8>, Problem> {
    let folder = streams.folders.first().ok_or(Problem::Broken("a packed header is nowhere"))?;
    let size = folder.size().filter(|&size| size <= limits::SEVENZ_HEADER);
    let size = size.ok_or(Problem::Broken("the header is larger than any"))?;
    let allowance = Allowance::of(scan);
    let mut stream = folder.open(streams.packed(input, 0)?, allowance.clone())?;
    let mut data = vec![0; usize::try_from(size).unwrap_or_default()];
    let mut filled = 0;
    while filled < data.len() {
        match stream.read(data.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => return Err(Problem::Broken("the packed header is cut")),
            Ok(read) => filled += read,
            Err(error) => return Err(Problem::Read(error)),
        }
    }
    Ok(data)
}

/// The members, folder by folder: those of one are compressed together.
fn inspect_members(
    input: Input<'_>,
    streams: &Streams,
    members: Vec<Member>,
    scan: &mut Scan<'_>,
) -> Result<(), Problem> {
    for member in members.iter().filter(|member| outside::leaves(&member.name)) {
        let message = format!("'{}' leads out of the directory", member.name);
        scan.find_about(&rules::PATH, None, &member.name, message);
    }
    let mut with_data = members.into_iter().filter(|member| member.has_data);
    let (mut packed, mut unnamed) = (0, false);
    for (index, folder) in streams.folders.iter().enumerate() {
        let sizes = streams.sizes.get(index).map_or(&[][..], Vec::as_slice);
        let mut named = Vec::new();
        for (at, &size) in sizes.iter().enumerate() {
            let member = with_data.next();
            unnamed |= member.is_none();
            let name = member.map_or_else(|| "a member without a name".to_owned(), |member| member.name);
            let sum = streams.sums.get(index).and_then(|sums| *sums.get(at)?);
            named.push(Part { name, size, sum });
        }
        if !named.is_empty() {
            let allowance = Allowance::of(scan);
            let opened =
                streams.packed(input, packed).and_then(|packed| folder.open(packed, allowance.clone()));
            let result = opened.and_then(|stream| inspect_folder(stream, named, scan));
            match result {
                Ok(()) => {}
                Err(Problem::Read(ReadError::Io(error))) => return Err(Problem::Read(ReadError::Io(error))),
                Err(problem) => {
                    report(problem, scan).map_err(|halt| Problem::Read(ReadError::Io(halt.0)))?;
                }
            }
        }
        packed += folder.packed;
    }
    if unnamed || with_data.next().is_some() {
        return Err(Problem::Broken("there are more names than members, or fewer"));
    }
    Ok(())
}

/// A member of a folder.
struct Part {
    name: String,
    size: u64,
    sum: Option<u32>,
}

fn inspect_folder<'a>(
    stream: Box<dyn Stream + 'a>,
    parts: Vec<Part>,
    scan: &mut Scan<'_>,
) -> Result<(), Problem> {
    let halted = |halt: Halt| Problem::Read(ReadError::Io(halt.0));
    let stream = Rc::new(RefCell::new(stream));
    for Part { name, size, sum } in parts {
        let passing = Rc::new(RefCell::new(Passing {
            stream: Rc::clone(&stream),
            left: size,
            crc: flate2::Crc::new(),
        }));
        let content = Content::stream(Shared(Rc::clone(&passing))).map_err(halted)?;
        scan.member(&name, content).map_err(halted)?;
        // What the member's reader has left passes by as well, for the sum and the next member.
        let mut passing = passing.borrow_mut();
        let mut buffer = [0; 16 * 1024];
        loop {
            match passing.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                // A damaged folder hides its own members only.
                Err(error) => return scan.unreadable(error, &compress::rules::CORRUPT).map_err(halted),
            }
        }
        if passing.left > 0 {
            return Err(Problem::Broken("a member is cut"));
        }
        if sum.is_some_and(|sum| sum != passing.crc.sum()) {
            scan.find_about(&rules::CHECKSUM, None, &name, format!("'{name}'"));
        }
    }
    Ok(())
}

/// A member's data while its folder goes by.
struct Passing<'a> {
    stream: Rc<RefCell<Box<dyn Stream + 'a>>>,
    left: u64,
    crc: flate2::Crc,
}

impl Passing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let wanted = buffer.get_mut(..most).unwrap_or_default();
        let read = self.stream.borrow_mut().read(wanted)?;
        self.crc.update(wanted.get(..read).unwrap_or_default());
        self.left -= read as u64;
        Ok(read)
    }
}

struct Shared<'a>(Rc<RefCell<Passing<'a>>>);

impl Stream for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.0.borrow_mut().read(buffer)
    }

    fn remaining(&self) -> Option<u64> {
        None
    }
}

fn crc(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}

#[cfg(test)]
mod tests;
