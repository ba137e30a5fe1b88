//! Tar archives: listed and read, never unpacked. Own reader of POSIX ustar, GNU and pax headers, because a member's
//! content is read where it lies.

use crate::{
    bytes::{Input, Stream},
    limits, outside, pickle,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::{Capability, FileFormat};
use std::{
    cell::RefCell,
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
};

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
        AMBIGUOUS = "TAR006" "ambiguous-member" Suspicious:
            "Readers of archives take a member for different ones: its name is there twice, or extended headers say something else of its name, size or data than its own." =>
            "Ask its maker for an archive of plain members.";
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
        let mut reader = Reader {
            stream,
            place,
            at: 0,
            extended: Extended::default(),
            names: Vec::new(),
            seen: HashSet::new(),
            count: 0,
        };
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
    /// What headers of their own say of the next member.
    extended: Extended,
    /// Digests of the names there were, as a file system without case sees them.
    seen: HashSet<u64>,
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
                b'L' => self.extended.names.push(text(&data)),
                b'K' => self.extended.link = Some(text(&data)),
                _ => {
                    let mut said = Extended::default();
                    let whole = said.read(&data);
                    if !whole {
                        said.odd = Some("records that cannot be read".to_owned());
                    } else if kind == b'g' && (!said.names.is_empty() || said.size.is_some()) {
                        said.odd = Some("a name or size for all members".to_owned());
                    }
                    self.extended.add(said);
                }
            }
            return self.pad(size, scan);
        }
        let mut extended = std::mem::take(&mut self.extended);
        let name = extended.names.pop().unwrap_or_else(|| short_name(header));
        let plain_size = size;
        let size = extended.size.unwrap_or(size);
        // Larger ones do not fit the member's own header.
        if size != plain_size && (plain_size != 0 || size < 1 << 33) {
            let message = format!("'{name}' has {plain_size} bytes, and {size} by an extended header");
            scan.find_about(&rules::AMBIGUOUS, at, &name, message);
        }
        if let Some(odd) = extended.odd {
            scan.find_about(&rules::AMBIGUOUS, at, &name, format!("extended headers of '{name}' have {odd}"));
        }
        for other in extended.names.iter().filter(|other| outside::leaves(other)) {
            let message = format!("'{other}' leads out of the directory");
            scan.find_about(&rules::PATH, at, other, message);
        }
        if self.names.len() < limits::HEAD {
            self.names.push(name.clone());
        }
        if outside::leaves(&name) {
            let message = format!("'{name}' leads out of the directory");
            scan.find_about(&rules::PATH, at, &name, message);
        }
        match kind {
            b'0' | 0 | b'7' => self.see(&name, at, scan),
            b'S' => {
                self.see(&name, at, scan);
                let message = format!("'{name}' has gaps that only some readers fill");
                scan.find_about(&rules::AMBIGUOUS, at, &name, message);
                if header[482] != 0 && !self.skip_maps(scan)? {
                    return Ok(false);
                }
            }
            b'5' => return self.skip(size, scan),
            b'1' | b'2' => {
                let target = extended.link.unwrap_or_else(|| text(&header[157..257]));
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

    /// Takes note of a member's name, and tells when it was there.
    fn see(&mut self, name: &str, at: u64, scan: &mut Scan<'_>) {
        let name = name.replace('\\', "/");
        let parts = name.split('/').filter(|part| !part.is_empty() && *part != ".");
        let mut hasher = DefaultHasher::new();
        for part in parts {
            part.to_lowercase().hash(&mut hasher);
        }
        if !self.seen.insert(hasher.finish()) {
            let message = format!("'{name}' is there twice, perhaps in other letters");
            scan.find_about(&rules::AMBIGUOUS, at, &name, message);
        }
    }

    /// Passes over the headers that go on with the map of a member with gaps.
    fn skip_maps(&mut self, scan: &mut Scan<'_>) -> Result<bool, Halt> {
        loop {
            let mut map = [0; BLOCK];
            if self.fill(&mut map, scan)? < BLOCK {
                return Ok(false);
            }
            if map[504] == 0 {
                return Ok(true);
            }
        }
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
        // 2^64 is a multiple of a block's size, so this is what is missing to the next one.
        self.skip_exactly(size.wrapping_neg() % BLOCK as u64, scan)
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

/// What headers of their own say of the next member.
#[derive(Default)]
struct Extended {
    /// Its names: the last is the one that readers take.
    names: Vec<String>,
    size: Option<u64>,
    link: Option<String>,
    /// What not all readers understand.
    odd: Option<String>,
}

impl Extended {
    /// Reads a pax header: records of a length, a key and a value. False when that is not what it is.
    fn read(&mut self, mut data: &[u8]) -> bool {
        while data.first().is_some_and(|&first| first != 0) {
            let Some((key, value, rest)) = record(data) else { return false };
            let text = String::from_utf8_lossy(value).into_owned();
            match key {
                b"path" => self.names.push(text.trim_end_matches('/').to_owned()),
                b"linkpath" => self.link = Some(text),
                b"size" => match text.trim().parse() {
                    Ok(size) => self.size = Some(size),
                    Err(_) => return false,
                },
                b"hdrcharset" => self.odd = Some("a character set of their own".to_owned()),
                _ if key.starts_with(b"GNU.sparse.") => {
                    if key == b"GNU.sparse.name" {
                        self.names.push(text.trim_end_matches('/').to_owned());
                    }
                    self.odd = Some("a map of gaps".to_owned());
                }
                _ => {}
            }
            data = rest;
        }
        true
    }

    fn add(&mut self, other: Self) {
        self.names.extend(other.names);
        // A member has two at most; more would only be held.
        let more = self.names.len().saturating_sub(4);
        self.names.drain(..more);
        self.size = other.size.or(self.size);
        self.link = other.link.or(self.link.take());
        self.odd = other.odd.or(self.odd.take());
    }
}

/// A record of a pax header, and what comes after it.
fn record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().position(|&byte| byte == b' ')?;
    let len: usize = std::str::from_utf8(data.get(..space)?).ok()?.parse().ok()?;
    let record = data.get(space + 1..len)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((record.get(..equals)?, record.get(equals + 1..)?, data.get(len..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bytes::Bytes, pickle::Globals, rule};
    use modelseal_core::path::ModelPath;

    /// A header of this kind, and what it is of.
    fn member(name: &str, kind: u8, data: &[u8]) -> Vec<u8> {
        let mut header = [0; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        header[156] = kind;
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let mut all = [&header[..], data].concat();
        all.resize(all.len().next_multiple_of(BLOCK), 0);
        all
    }

    fn pax(kind: u8, records: &[(&str, &str)]) -> Vec<u8> {
        let mut data = String::new();
        for (key, value) in records {
            let bare = key.len() + value.len() + 3;
            let len = if bare + 1 < 10 { bare + 1 } else { bare + 2 };
            data += &format!("{len} {key}={value}\n");
        }
        member("PaxHeaders/x", kind, data.as_bytes())
    }

    fn found(parts: &[Vec<u8>]) -> Vec<String> {
        let bytes = [parts.concat(), vec![0; 2 * BLOCK]].concat();
        let path = ModelPath::parse("model.tar").expect("a name");
        let found = crate::inspect(&path, &bytes as &dyn Bytes, Globals::shipped()).expect("it can be read");
        let found = found.into_inner();
        found
            .findings
            .iter()
            .map(|finding| rule::find(finding.rule).map_or("", |rule| rule.name).to_owned())
            .collect()
    }

    const EVIL: &[u8] = b"\x80\x02cos\nsystem\nU\x02id\x85R.";

    #[test]
    fn extended_headers_name_members_as_python_reads_them() {
        let plain = || member("notes.txt", b'0', b"some text\n");
        assert_eq!(found(&[plain()]), [""; 0]);
        assert_eq!(found(&[pax(b'x', &[("mtime", "1.5"), ("path", "a/notes.txt")]), plain()]), [""; 0]);
        assert_eq!(found(&[pax(b'g', &[("comment", "0123456789")]), plain()]), [""; 0]);
        assert_eq!(found(&[pax(b'x', &[("path", "../../x.txt")]), plain()]), ["unsafe-path"]);
        let sparse = [pax(b'x', &[("path", "good.txt"), ("GNU.sparse.name", "../up.txt")]), plain()];
        let rules = found(&sparse);
        assert!(rules.iter().any(|rule| rule == "unsafe-path"), "{rules:?}");
        assert!(rules.iter().any(|rule| rule == "ambiguous-member"), "{rules:?}");
        let hidden = [pax(b'x', &[("GNU.sparse.name", "up.txt"), ("path", "../a")]), plain()];
        assert!(found(&hidden).iter().any(|rule| rule == "unsafe-path"));
        for odd in [("hdrcharset", "BINARY"), ("GNU.sparse.major", "1"), ("size", "12")] {
            assert!(found(&[pax(b'x', &[odd]), plain()]).iter().any(|rule| rule == "ambiguous-member"));
        }
        assert_eq!(found(&[pax(b'g', &[("path", "all.txt")]), plain()]), ["ambiguous-member"]);
        assert_eq!(found(&[member("x", b'x', b"7 path=x"), plain()]), ["ambiguous-member"]);
    }

    #[test]
    fn the_size_of_an_extended_header_is_the_one_that_counts() {
        // By its own header the member is empty, and what follows is the next member.
        let mut empty = member("a.txt", b'0', b"");
        let inner = member("model.pkl", b'0', EVIL);
        empty.extend(&inner[..BLOCK]);
        let rules = found(&[pax(b'x', &[("size", "512")]), empty, member("b.pkl", b'0', EVIL)]);
        assert!(rules.iter().any(|rule| rule == "ambiguous-member"), "{rules:?}");
        assert!(rules.iter().any(|rule| rule == "dangerous-call"), "{rules:?}");
    }

    #[test]
    fn members_of_one_name_are_told_of() {
        let text = |name: &str| member(name, b'0', b"some text\n");
        assert_eq!(found(&[text("a.txt"), text("b.txt")]), [""; 0]);
        for other in ["a.txt", "A.TXT", "./a.txt", ".//a.txt"] {
            assert_eq!(found(&[text("a.txt"), text(other)]), ["ambiguous-member"], "{other}");
        }
        assert_eq!(found(&[text("d/a.txt"), text("d\\a.txt")]), ["ambiguous-member"]);
        assert_eq!(found(&[member("s.txt", b'S', b"some text\n")]), ["ambiguous-member"]);
    }
}
