//! Tar archives: listed and read, never unpacked. Own reader of POSIX ustar, GNU and pax headers, because a member's
//! content is read where it lies.

use crate::{
    bytes::{Input, Stream},
    limits, outside, pickle,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::{Capability, FileFormat};
use std::{cell::RefCell, rc::Rc};

pub(crate) mod rules {
    //! What can be found in a tar archive.

    use crate::rule::rules;

    rules! {
        BROKEN = "TAR001" "broken-tar" Malformed:
            "The archive ends or fails before its end." =>
            "Get the file again from its maker.";
        PATH = "TAR002" "unsafe-path" Suspicious:
            "A member's name or the target of a link leads out of the directory it is unpacked into." =>
            "Do not unpack it.";
        LINK = "TAR003" "link-in-archive" Suspicious:
            "A member is a link, so that unpacking another may write where it leads." =>
            "Do not unpack it.";
        SPECIAL = "TAR004" "special-file" Suspicious:
            "A member is a device, a pipe, or of a kind that is not known." =>
            "Do not unpack it.";
        AFTER = "TAR005" "data-after-tar" Suspicious:
            "There are bytes after the archive's end." =>
            "Find out what they are.";
    }
}

const BLOCK: usize = 512;
/// Longest name in a header of its own.
const NAME: u64 = 64 * 1024;

/// The door from `route`.
pub(crate) struct Tar;

impl Format for Tar {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let header = probe.head.get(..BLOCK)?;
        let has_mark = &header[257..262] == b"ustar";
        // Before 1988 there was no mark; then the checksum must do.
        (checksum_fits(header) && (has_mark || header[0] != 0)).then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        scan.contents.capabilities.insert(Capability::Archive);
        let place = content.place();
        let stream = Rc::new(RefCell::new(content.into_stream()));
        let mut reader = Reader { stream, place, at: 0, long: None, names: Vec::new(), count: 0 };
        reader.inspect(scan)?;
        let has = |name: &str| reader.names.iter().any(|other| other.trim_start_matches("./") == name);
        Ok(if has("pickle") && has("storages") {
            FileFormat::TorchTar
        } else if reader.names.iter().any(|name| name.ends_with("model_config.yaml")) {
            FileFormat::Nemo
        } else {
            FileFormat::Tar
        })
    }
}

struct Reader<'a> {
    stream: Rc<RefCell<Box<dyn Stream + 'a>>>,
    /// The archive, when its members can be read where they lie.
    place: Option<Input<'a>>,
    at: u64,
    /// The next member's name from a header of its own.
    long: Option<String>,
    /// The first names, by which the format is told.
    names: Vec<String>,
    count: u64,
}

impl<'a> Reader<'a> {
    fn inspect(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        loop {
            let at = self.at;
            let mut header = [0; BLOCK];
            match self.fill(&mut header, scan)? {
                0 => {
                    // Two blocks of zeros are missing, which readers forgive.
                    return Ok(());
                }
                BLOCK => {}
                _ => {
                    scan.find(&rules::BROKEN, at, "it ends within a header".to_owned());
                    return Ok(());
                }
            }
            if header == [0; BLOCK] {
                return self.check_end(scan);
            }
            if !checksum_fits(&header) {
                scan.find(&rules::BROKEN, at, "a header's checksum is wrong".to_owned());
                return Ok(());
            }
            let Some(size) = number(&header[124..136]) else {
                scan.find(&rules::BROKEN, at, "a member's size is no number".to_owned());
                return Ok(());
            };
            self.count += 1;
            if self.count > limits::MEMBERS {
                scan.find(&limits::TOO_MANY_MEMBERS, at, format!("more than {}", limits::MEMBERS));
                return Ok(());
            }
            if !self.member(&header, size, at, scan)? {
                return Ok(());
            }
        }
    }

    /// One member; false when nothing can come after it.
    fn member(
        &mut self,
        header: &[u8; BLOCK],
        size: u64,
        at: u64,
        scan: &mut Scan<'_>,
    ) -> Result<bool, Halt> {
        let kind = header[156];
        if matches!(kind, b'L' | b'K' | b'x' | b'g') {
            let mut data = vec![0; usize::try_from(size.min(NAME)).unwrap_or(0)];
            let read = self.fill(&mut data, scan)?;
            if read < data.len() || size > NAME {
                scan.find(&rules::BROKEN, at, "a long name is cut, or too long".to_owned());
                return Ok(false);
            }
            match kind {
                b'L' => self.long = Some(text(&data)),
                b'x' => self.long = pax_path(&data).or(self.long.take()),
                // Of a link's target, only that it is one counts.
                _ => {}
            }
            return self.pad(size, scan);
        }
        let name = self.long.take().unwrap_or_else(|| short_name(header));
        if self.names.len() < limits::HEAD {
            self.names.push(name.clone());
        }
        if outside::leaves(&name) {
            let message = format!("'{name}' leads out of the directory");
            scan.find_about(&rules::PATH, at, &name, message);
        }
        match kind {
            b'0' | 0 | b'7' | b'S' => {}
            b'5' => return self.skip(size, scan),
            b'1' | b'2' => {
                let target = text(&header[157..257]);
                let rule = if outside::leaves(&target) { &rules::PATH } else { &rules::LINK };
                scan.find_about(rule, at, &name, format!("'{name}' is a link to '{target}'"));
                return self.skip(if kind == b'2' { 0 } else { size }, scan);
            }
            _ => {
                scan.find_about(&rules::SPECIAL, at, &name, format!("'{name}' is of the kind {kind}"));
                return self.skip(size, scan);
            }
        }
        let left = Rc::new(RefCell::new(size));
        let content = match self.place.map(|place| place.slice(self.at, size)) {
            Some(Some(there)) => Content::random(there)?,
            _ => Content::stream(Part { stream: Rc::clone(&self.stream), left: Rc::clone(&left) })?,
        };
        let plain = name.trim_start_matches("./");
        // PyTorch before 0.1.10: pickles of storages and of the object, which refer to each other, between raw data.
        if matches!(plain, "storages" | "tensors" | "pickle" | "sys_info") {
            scan.contents.members += 1;
            scan.within(&name, |scan| pickle::inspect_old(content, plain, scan))?;
        } else {
            scan.member(&name, content)?;
        }
        self.at += size - *left.borrow();
        let rest = *left.borrow();
        if !self.skip_exactly(rest, scan)? {
            scan.find(&rules::BROKEN, at, format!("'{name}' goes on beyond the archive"));
            return Ok(false);
        }
        self.pad(size, scan)
    }

    fn check_end(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let at = self.at;
            match self.fill(&mut buffer, scan)? {
                0 => return Ok(()),
                read if buffer[..read].iter().all(|&byte| byte == 0) => {}
                _ => {
                    scan.find(&rules::AFTER, at, "they are not zeros".to_owned());
                    return Ok(());
                }
            }
        }
    }

    fn skip(&mut self, size: u64, scan: &mut Scan<'_>) -> Result<bool, Halt> {
        Ok(self.skip_exactly(size, scan)? && self.pad(size, scan)?)
    }

    fn pad(&mut self, size: u64, scan: &mut Scan<'_>) -> Result<bool, Halt> {
        self.skip_exactly(size.next_multiple_of(BLOCK as u64) - size, scan)
    }

    fn skip_exactly(&mut self, count: u64, scan: &mut Scan<'_>) -> Result<bool, Halt> {
        let skipped = self.stream.borrow_mut().skip(count);
        match skipped {
            Ok(skipped) => {
                self.at = self.at.saturating_add(skipped);
                Ok(skipped == count)
            }
            Err(error) => {
                scan.unreadable(error, &crate::compress::rules::CORRUPT)?;
                Ok(false)
            }
        }
    }

    fn fill(&mut self, buffer: &mut [u8], scan: &mut Scan<'_>) -> Result<usize, Halt> {
        let mut filled = 0;
        while filled < buffer.len() {
            let read = self.stream.borrow_mut().read(&mut buffer[filled..]);
            match read {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => {
                    scan.unreadable(error, &crate::compress::rules::CORRUPT)?;
                    break;
                }
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }
}

/// A member's data while the archive goes by.
struct Part<'a> {
    stream: Rc<RefCell<Box<dyn Stream + 'a>>>,
    left: Rc<RefCell<u64>>,
}

impl Stream for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, crate::bytes::ReadError> {
        let mut left = self.left.borrow_mut();
        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.stream.borrow_mut().read(&mut buffer[..most])?;
        *left -= read as u64;
        Ok(read)
    }

    fn skip(&mut self, count: u64) -> Result<u64, crate::bytes::ReadError> {
        let mut left = self.left.borrow_mut();
        let skipped = self.stream.borrow_mut().skip(count.min(*left))?;
        *left -= skipped;
        Ok(skipped)
    }

    fn remaining(&self) -> Option<u64> {
        let left = *self.left.borrow();
        self.stream.borrow().remaining().map(|there| there.min(left))
    }
}

fn checksum_fits(header: &[u8]) -> bool {
    let Some(said) = number(&header[148..156]) else { return false };
    let sum = |signed: bool| -> i64 {
        let each = |(at, &byte): (usize, &u8)| match at {
            148..=155 => 32,
            _ if signed => i64::from(i8::from_le_bytes([byte])),
            _ => i64::from(byte),
        };
        header.iter().enumerate().map(each).sum()
    };
    i64::try_from(said).is_ok_and(|said| said == sum(false) || said == sum(true))
}

/// Octal digits, or GNU's form for large numbers.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((&first, rest)) = field.split_first()
        && first == 0x80
    {
        let (high, low) = rest.split_at(rest.len().saturating_sub(8));
        let low: [u8; 8] = low.try_into().ok()?;
        return high.iter().all(|&byte| byte == 0).then_some(u64::from_be_bytes(low));
    }
    let digits = field.split(|&byte| byte == 0).next()?.trim_ascii();
    if digits.is_empty() || !digits.iter().all(|byte| (b'0'..=b'7').contains(byte)) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

fn short_name(header: &[u8; BLOCK]) -> String {
    let name = text(&header[..100]);
    let prefix = text(&header[345..500]);
    let has_prefix = &header[257..263] == b"ustar\0" && !prefix.is_empty();
    if has_prefix { format!("{prefix}/{name}") } else { name }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// The member's name in a pax header: records of a length, a key and a value.
fn pax_path(mut data: &[u8]) -> Option<String> {
    let mut path = None;
    while let Some(space) = data.iter().position(|&byte| byte == b' ') {
        let len: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
        let record = data.get(space + 1..len)?;
        if let Some(value) = record.strip_prefix(b"path=") {
            path = Some(String::from_utf8_lossy(value.trim_ascii_end()).into_owned());
        }
        data = data.get(len..)?;
    }
    path
}
