//! Compressed streams: gzip, zlib, bzip2, xz, LZMA, LZ4, Zstandard, and joblib's old wrapper around zlib. What comes out is
//! read as it comes; it is counted against the file's allowance, and held nowhere.

mod xz;
mod zstd;

use crate::{
    bytes::{AsRead, ReadError, Rejoined, Stream, read_error},
    limits,
    memory::{Memory, Taken},
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan, extension},
};
use modelseal_core::inspection::{Capability, FileFormat};
use std::{
    cell::{Cell, RefCell},
    io::Read,
    ops::Range,
    rc::Rc,
};

pub(crate) mod rules {
    //! What can be found in a compressed stream.

    use crate::rule::rules;

    rules! {
        CORRUPT = "CMP001" "corrupt-stream" Malformed:
            "What is compressed cannot be decompressed to its end. Loaders use what comes before that." =>
            "Get the file again from its maker.";
        TRAILING = "CMP002" "data-after-stream" Suspicious:
            "There are bytes after the compressed data that most readers ignore." =>
            "Find out what they are.";
        UNSUPPORTED = "CMP003" "unsupported-compression" Unknown:
            "The data is compressed in a way that is not read here." =>
            "Publish the file without compression.";
    }
}

/// All of them: they differ in the decoder only.
pub(crate) struct Compressed;

impl Format for Compressed {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let (_, how) = kind(probe.head, probe.extension)?;
        Some(how)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let name = scan.name().to_owned();
        let extension = extension(&name);
        let Some((format, _)) = kind(content.head(), &extension) else { return Ok(FileFormat::Unknown) };
        scan.contents.capabilities.insert(Capability::Archive);
        let allowance = Allowance::of(scan);
        let is_joblib = content.head().starts_with(b"ZF");
        let mut stream = content.into_stream();
        if is_joblib {
            // The length in text, as long as 2^64 written out.
            if let Err(error) = stream.skip(JOBLIB_HEADER) {
                scan.unreadable(error, &rules::CORRUPT)?;
                return Ok(format);
            }
        }
        let decoder = match decode(format, stream, allowance) {
            Ok(decoder) => decoder,
            Err(error) => {
                refuse(error, scan)?;
                return Ok(format);
            }
        };
        // The member's name is the file's without what says that it is compressed.
        let inner = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let inner = match inner.rsplit_once('.') {
            Some((stem, end)) if is_suffix(end) && !stem.is_empty() => stem.to_owned(),
            _ => inner.to_owned(),
        };
        // What the member's reader leaves is read as well: a bomb or a broken end shows there.
        let decoder = Rc::new(RefCell::new(decoder));
        let content = Content::stream(Shared(Rc::clone(&decoder)))?;
        let result = scan.member(&inner, content);
        let rest = decoder.borrow_mut().skip(u64::MAX);
        result?;
        if let Err(error) = rest {
            scan.unreadable(error, &rules::CORRUPT)?;
        }
        Ok(format)
    }
}

/// A decoder of which the rest is wanted back.
struct Shared<'a>(Rc<RefCell<Box<dyn Stream + 'a>>>);

impl Stream for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.0.borrow_mut().read(buffer)
    }

    fn remaining(&self) -> Option<u64> {
        None
    }
}

/// Blocks of LZ4's frames have at most four mebibytes; the decoder holds one as it is, one decompressed, and what refers back.
const LZ4_WINDOW: u64 = 16 * 1024 * 1024;
/// Where the header of LZMA says how large the dictionary is.
const LZMA_DICTIONARY: Range<usize> = 1..5;
/// `ZF`, and the length in nineteen letters.
const JOBLIB_HEADER: u64 = 2 + 19;

fn is_suffix(end: &str) -> bool {
    ["gz", "gzip", "bz2", "xz", "lzma", "lz4", "zst", "z", "zlib"]
        .contains(&end.to_ascii_lowercase().as_str())
}

/// Which compression it is, by its mark. LZMA and zlib have weak ones, and what they say besides is looked at.
fn kind(head: &[u8], extension: &str) -> Option<(FileFormat, Match)> {
    use FileFormat::{Bzip2, Gzip, Lz4, Lzma, Xz, Zlib, Zstd};
    Some(match head {
        [0x1f, 0x8b, 8, ..] => (Gzip, Match::Sure),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => (Bzip2, Match::Sure),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => (Xz, Match::Sure),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => (Zstd, Match::Sure),
        [0x04, 0x22, 0x4d, 0x18, ..] => (Lz4, Match::Sure),
        [b'Z', b'F', b'0', b'x', ..] if head.len() > 23 => (Zlib, Match::Sure),
        // A dictionary of a power of two, and a length that is unknown or below a terabyte.
        [0x5d, 0, 0, a, b, rest @ ..]
            if (*a == 0 || a.is_power_of_two())
                && b.count_ones() <= 1
                && rest.len() >= 8
                && (rest[..8] == [0xff; 8] || rest[5..8] == [0; 3]) =>
        {
            (Lzma, if extension == "lzma" || extension == "joblib" { Match::Sure } else { Match::Likely })
        }
        [0x78, flags @ (0x01 | 0x5e | 0x9c | 0xda), ..]
            if (0x7800_u16 + u16::from(*flags)).is_multiple_of(31) && !looks_like_text(head) =>
        {
            (Zlib, Match::Likely)
        }
        _ => return None,
    })
}

fn looks_like_text(head: &[u8]) -> bool {
    head.iter().all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

/// Opens the decoder of a format.
pub(crate) fn decode<'a>(
    format: FileFormat,
    stream: Box<dyn Stream + 'a>,
    allowance: Allowance,
) -> Result<Box<dyn Stream + 'a>, ReadError> {
    let stream = Rejoined::peek(stream, LZMA_DICTIONARY.end)?;
    let window = Window::default();
    if format == FileFormat::Lzma
        && let Some(size) = stream.head().get(LZMA_DICTIONARY).and_then(<[u8]>::first_chunk)
    {
        window.widen(u32::from_le_bytes(*size).into());
    }
    let input = AsRead(stream);
    let decoder: Box<dyn Read + 'a> = match format {
        FileFormat::Gzip => Box::new(flate2::read::MultiGzDecoder::new(input)),
        FileFormat::Zlib => Box::new(flate2::read::ZlibDecoder::new(input)),
        FileFormat::Bzip2 => {
            window.widen(limits::BZIP2);
            Box::new(bzip2::read::MultiBzDecoder::new(input))
        }
        FileFormat::Xz => Box::new(xz::XzReader::new(input, window.clone())),
        FileFormat::Lzma => {
            let kilobytes = u32::try_from(limits::WINDOW / 1024 + 1024).unwrap_or(u32::MAX);
            let reader = lzma_rust2::LzmaReader::new_mem_limit(input, kilobytes, None);
            Box::new(reader.map_err(read_error)?)
        }
        FileFormat::Lz4 => {
            // The largest blocks, and as much of what came before.
            window.widen(LZ4_WINDOW);
            Box::new(lz4_flex::frame::FrameDecoder::new(input))
        }
        FileFormat::Zstd => Box::new(zstd::ZstdReader::new(input, window.clone())),
        _ => return Err(ReadError::Corrupt(format!("{format} is not read here"))),
    };
    Ok(Decoded::boxed(decoder, window, &allowance))
}

/// A raw deflate stream, as zip archives have it.
pub(crate) fn inflate<'a>(stream: impl Stream + 'a, allowance: Allowance) -> Box<dyn Stream + 'a> {
    let decoder = flate2::read::DeflateDecoder::new(AsRead(stream));
    Decoded::boxed(decoder, Window::default(), &allowance)
}

/// Some other decoder under the same allowance.
pub(crate) fn bounded<'a>(
    decoder: impl Read + 'a,
    window: Window,
    allowance: &Allowance,
) -> Box<dyn Stream + 'a> {
    Decoded::boxed(decoder, window, allowance)
}

/// Reports that there is no decoder for something.
pub(crate) fn refuse(error: ReadError, scan: &mut Scan<'_>) -> Result<(), Halt> {
    match error {
        ReadError::Corrupt(what) if what.contains("memory") => {
            scan.find(&limits::TOO_LARGE_WINDOW, None, what);
            Ok(())
        }
        ReadError::Corrupt(what) if what.contains("not read here") => {
            scan.find(&rules::UNSUPPORTED, None, what);
            Ok(())
        }
        other => scan.unreadable(other, &rules::CORRUPT),
    }
}

/// How much a file's decoders may still decompress, and hold for that.
#[derive(Clone)]
pub(crate) struct Allowance {
    left: Rc<Cell<u64>>,
    memory: Memory,
}

impl Allowance {
    /// What a file has left.
    pub(crate) fn of(scan: &Scan<'_>) -> Self {
        Self { left: scan.allowance_to_take(), memory: scan.memory.clone() }
    }
}

/// The largest window that a decoder has asked for so far, which it tells whoever counts.
#[derive(Clone, Default)]
pub(crate) struct Window(Rc<Cell<u64>>);

impl Window {
    pub(crate) fn of(bytes: u64) -> Self {
        Self(Rc::new(Cell::new(bytes)))
    }

    fn widen(&self, bytes: u64) {
        self.0.set(self.0.get().max(bytes));
    }
}

/// What a decoder gives.
struct Decoded<'a> {
    decoder: Box<dyn Read + 'a>,
    left: Rc<Cell<u64>>,
    window: Window,
    /// What of it has been filled.
    taken: Taken,
    /// Bytes so far.
    count: u64,
    failed: bool,
}

impl<'a> Decoded<'a> {
    fn boxed(decoder: impl Read + 'a, window: Window, allowance: &Allowance) -> Box<dyn Stream + 'a> {
        let (left, taken) = (Rc::clone(&allowance.left), allowance.memory.take());
        Box::new(Self { decoder: Box::new(decoder), left, window, taken, count: 0, failed: false })
    }

    /// Counts what the decoder gave.
    fn count(&mut self, read: u64) -> Result<(), ReadError> {
        let left = self.left.get().checked_sub(read);
        self.left.set(left.unwrap_or(0));
        if left.is_none() {
            return Err(ReadError::Bound);
        }
        self.count += read;
        if self.taken.grow_to(self.count.min(self.window.0.get())) { Ok(()) } else { Err(ReadError::Memory) }
    }
}

impl Stream for Decoded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if buffer.is_empty() || self.failed {
            return Ok(0);
        }
        loop {
            match self.decoder.read(buffer) {
                Ok(read) => {
                    let counted = self.count(read as u64);
                    self.failed = counted.is_err();
                    return counted.map(|()| read);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = true;
                    return Err(read_error(error));
                }
            }
        }
    }

    fn remaining(&self) -> Option<u64> {
        None
    }
}
