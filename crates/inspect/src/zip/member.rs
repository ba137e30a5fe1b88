//! A member's data: where it lies when it is not compressed, and otherwise as a stream, whose checksum is looked at when all
//! of it went by.

use super::{Archive, Entry, rules};
use crate::{
    bytes::{AsRead, Input, ReadError, Stream},
    compress::{self, Allowance, Window},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::FileFormat;
use std::{cell::Cell, rc::Rc};

/// Members up to this size are read once more for their checksum when they are not compressed: those that are executed or
/// understood, not weights.
const CHECKED: u64 = 16 * 1024 * 1024;

impl<'a> Archive<'a> {
    /// The bytes of a member as they lie in the archive, less what lies beyond it.
    pub(crate) fn raw(&self, entry: &Entry) -> Input<'a> {
        let rest = self.input.from(entry.data);
        rest.slice(0, entry.compressed.min(rest.len())).unwrap_or(rest)
    }

    /// Does `inside` with a member's content.
    pub(crate) fn with_member<T: Default>(
        &self,
        entry: &Entry,
        scan: &mut Scan<'_>,
        inside: impl FnOnce(Content<'a>, &mut Scan<'_>) -> Result<T, Halt>,
    ) -> Result<T, Halt> {
        let raw = self.raw(entry);
        if entry.method == 0 {
            let crc = (raw.len() <= CHECKED).then(|| crc_of(raw)).transpose()?;
            report_crc(entry, crc, scan);
            return inside(Content::random(raw)?, scan);
        }
        let allowance = Allowance::of(scan);
        let stream: Box<dyn Stream + 'a> = match entry.method {
            8 => compress::inflate(raw.stream(), allowance.clone()),
            9 | 12 | 14 | 93 | 95 => match other(entry.method, raw, allowance.clone(), entry.size) {
                Ok(stream) => stream,
                Err(error) => {
                    scan.within(&entry.name, |scan| compress::refuse(error, scan))?;
                    return Ok(T::default());
                }
            },
            method => {
                let message = format!("'{}' is compressed by method {method}", entry.name);
                scan.find_about(&rules::METHOD, entry.header, &entry.name, message);
                // Loaders that do not look at the method read it as it is.
                return inside(Content::random(raw)?, scan);
            }
        };
        let seen = Rc::new(Cell::new(None));
        let summed = Summed { stream, crc: flate2::Crc::new(), seen: Rc::clone(&seen) };
        let result = inside(Content::stream(summed)?, scan);
        if let Some((crc, size)) = seen.get() {
            report_crc(entry, Some(crc), scan);
            if size != entry.size && entry.size != 0 {
                let message = format!("'{}' has {size} bytes, not {}", entry.name, entry.size);
                scan.find_about(&rules::MISMATCH, entry.header, &entry.name, message);
            }
        }
        result
    }
}

fn report_crc(entry: &Entry, crc: Option<u32>, scan: &mut Scan<'_>) {
    if entry.flags & 1 != 0 {
        if crc.is_some_and(|crc| crc != entry.crc) {
            let message = format!("'{}'", entry.name);
            scan.find_about(&rules::ENCRYPTED, entry.header, &entry.name, message);
        }
    } else if let Some(crc) = crc.filter(|&crc| crc != entry.crc) {
        let message = format!("'{}' has the checksum {crc:08x}, not {:08x}", entry.name, entry.crc);
        scan.find_about(&rules::CHECKSUM, entry.header, &entry.name, message);
    }
}

/// The methods that other formats have brought.
fn other<'a>(
    method: u16,
    raw: Input<'a>,
    allowance: Allowance,
    size: u64,
) -> Result<Box<dyn Stream + 'a>, ReadError> {
    match method {
        12 => compress::decode(FileFormat::Bzip2, Box::new(raw.stream()), allowance),
        93 => compress::decode(FileFormat::Zstd, Box::new(raw.stream()), allowance),
        95 => compress::decode(FileFormat::Xz, Box::new(raw.stream()), allowance),
        14 => {
            // Two bytes of version, two of length, and LZMA's five of properties.
            let header = raw.read_some(0, 9)?;
            let &[_, _, 5, 0, properties, a, b, c, d] = header.as_slice() else {
                return Err(ReadError::Corrupt("the header of LZMA is cut".to_owned()));
            };
            let dictionary = u32::from_le_bytes([a, b, c, d]);
            if u64::from(dictionary) > crate::limits::WINDOW {
                return Err(ReadError::Corrupt("the dictionary needs too much memory".to_owned()));
            }
            let stream = AsRead(raw.from(9).stream());
            let reader = lzma_rust2::LzmaReader::new_with_props(stream, size, properties, dictionary, None);
            let window = Window::of(dictionary.into());
            Ok(compress::bounded(reader.map_err(crate::bytes::read_error)?, window, &allowance))
        }
        _ => Err(ReadError::Corrupt("this deflate with 64 KiB is not read here".to_owned())),
    }
}

fn crc_of(input: Input<'_>) -> Result<u32, Halt> {
    let mut crc = flate2::Crc::new();
    let mut buffer = vec![0; usize::try_from(input.len()).unwrap_or(usize::MAX).min(64 * 1024)];
    let mut at = 0;
    while at < input.len() {
        let read = input.read_at(at, &mut buffer).map_err(Halt::of)?;
        crc.update(&buffer[..read]);
        at += read as u64;
    }
    Ok(crc.sum())
}

/// A stream that says at its end what its checksum is.
struct Summed<'a> {
    stream: Box<dyn Stream + 'a>,
    crc: flate2::Crc,
    seen: Rc<Cell<Option<(u32, u64)>>>,
}

impl Stream for Summed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let read = self.stream.read(buffer)?;
        self.crc.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() {
            // The library counts to four gibibytes; larger members are streams whose size nobody else compares.
            self.seen.set(Some((self.crc.sum(), u64::from(self.crc.amount()))));
        }
        Ok(read)
    }

    fn remaining(&self) -> Option<u64> {
        None
    }
}
