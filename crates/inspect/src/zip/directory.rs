//! The directory of a zip archive, compared with the headers of its members (APPNOTE.TXT 6.3.10, section 4.3).

use super::rules;
use crate::{
    bytes::Input,
    limits,
    memory::{Taken, room},
    outside,
    scan::{Halt, Scan},
};
use modelseal_core::inspection::Capability;

const END: usize = 22;
const LOCAL: u64 = 30;
const CENTRAL: usize = 46;
/// Memory for an entry beside its name, with the places that it takes.
const ENTRY: u64 = 136;
/// What looking at a member that is in no directory takes, as bytes that are looked through.
const ORPHAN: u64 = 256;
/// Of the name of a member that is in no directory, so much is kept.
const ORPHAN_NAME: usize = 128;
/// Signature of a data descriptor with sizes of eight bytes: the longest there is.
const DESCRIPTOR: u64 = 24;
/// Directories that are read.
const ENDS: usize = 4;
/// Places that could be the end of an archive that are looked at.
const CANDIDATES: usize = 1024;

/// What an archive says that it holds.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) entries: Vec<Entry>,
    /// Ranges of the file that belong to no member and no directory.
    pub(super) outside: Vec<(u64, u64)>,
    /// Memory that the entries take.
    memory: Option<Taken>,
    /// Where the first member begins.
    pub(super) first: u64,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name: UTF-8, or Latin-1 where it is not.
    pub(crate) name: String,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) crc: u32,
    /// Sizes as the directory has them.
    pub(crate) compressed: u64,
    pub(crate) size: u64,
    /// Where its header begins in the file.
    pub(super) header: u64,
    /// Where its data begins.
    pub(crate) data: u64,
    /// Unix mode, where there is one.
    mode: u32,
}

impl Entry {
    pub(crate) fn is_directory(&self) -> bool {
        self.name.ends_with('/') && self.size == 0
    }

    /// The name without what the archive's members begin with: `archive/data.pkl` gives `data.pkl`.
    pub(crate) fn leaf(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }
}

/// Places in `tail` of what ends an archive.
pub(super) fn find_end(tail: &[u8]) -> impl Iterator<Item = usize> {
    tail.windows(END).enumerate().rev().filter_map(|(at, end)| {
        let comment = usize::from(u16::from_le_bytes([end[20], end[21]]));
        (end.starts_with(b"PK\x05\x06") && at + END + comment <= tail.len()).then_some(at)
    })
}

/// Whether the archive's comment goes to the end of the file.
pub(super) fn reaches_end(tail: &[u8], at: usize) -> bool {
    at + END + usize::from(u16_at(tail, at + 20)) == tail.len()
}

/// Whether there is a directory before that end, or may be one before `tail`.
pub(super) fn has_entries(tail: &[u8], at: usize) -> bool {
    let size = tail.get(at + 12..at + 16).and_then(|size| size.try_into().ok()).map_or(0, u32::from_le_bytes);
    match at.checked_sub(size as usize) {
        Some(start) => tail.get(start..).is_some_and(|rest| rest.starts_with(b"PK\x01\x02")),
        None => true,
    }
}

impl Directory {
    /// Reads the directory, or directories, and the members' headers.
    pub(super) fn read(input: Input<'_>, scan: &mut Scan<'_>) -> Result<Self, Halt> {
        let start = input.len().saturating_sub(limits::TAIL as u64);
        let tail = input.read_some(start, limits::TAIL).map_err(Halt::of)?;
        let mut directory = Self { first: u64::MAX, ..Self::default() };
        if !scan.search(tail.len() as u64) {
            return Ok(directory);
        }
        let mut taken: Vec<(u64, u64)> = Vec::new();
        let ends: Vec<usize> = find_end(&tail).take(CANDIDATES).collect();
        if ends.is_empty() {
            scan.find(&rules::BROKEN, None, "there is no end of an archive".to_owned());
            let (entries, memory) = local_entries(input, 0, scan)?;
            return Ok(Self { entries, memory: Some(memory), ..directory });
        }
        let mut good = 0;
        // The last first, as most readers do.
        for at in ends {
            let end = start + at as u64;
            let comment = u64::from(u16::from_le_bytes([tail[at + 20], tail[at + 21]]));
            // Archives that are members end within this one.
            if taken.iter().any(|&(from, to)| (from..to).contains(&end)) {
                continue;
            }
            if good < ENDS && directory.read_one(input, end, &tail[at..at + END], &mut taken, scan)? {
                good += 1;
                taken.push((end, end + END as u64 + comment));
            }
        }
        if good > 1 {
            scan.find(&rules::TWO_DIRECTORIES, None, format!("{good} ends of an archive"));
        }
        if good == 0 {
            scan.find(&rules::BROKEN, None, "the directory leads beyond the file".to_owned());
            let (entries, memory) = local_entries(input, 0, scan)?;
            return Ok(Self { entries, memory: Some(memory), ..directory });
        }
        directory.check_names(scan);
        let total = directory.entries.iter().fold(0_u64, |sum, entry| sum.saturating_add(entry.size));
        if total > scan.allowance().saturating_add(input.len()) {
            let message = format!("{total} bytes from {}", input.len());
            scan.find(&limits::TOO_MUCH_DATA, None, message);
        }
        directory.find_outside(input, taken, scan);
        Ok(directory)
    }

    /// One end of an archive and the directory it leads to; false when it leads nowhere.
    fn read_one(
        &mut self,
        input: Input<'_>,
        at: u64,
        end: &[u8],
        taken: &mut Vec<(u64, u64)>,
        scan: &mut Scan<'_>,
    ) -> Result<bool, Halt> {
        let mut count = u64::from(u16_at(end, 10));
        let mut size = u64::from(u32_at(end, 12));
        let mut offset = u64::from(u32_at(end, 16));
        let mut directory_end = at;
        if u16_at(end, 4) != 0 && u16_at(end, 4) != 0xffff || u16_at(end, 6) != u16_at(end, 4) {
            scan.find(&rules::SPLIT, at, "it is a part of several".to_owned());
        }
        let locator = at.checked_sub(20).map(|at| input.read_some(at, 20)).transpose().map_err(Halt::of)?;
        if let Some(locator) = locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
            let said = u64_at(&locator, 8);
            // What lies before the archive moves the record.
            let before = (at - 20).checked_sub(56);
            let places = [Some(said), before];
            let mut found = None;
            for place in places.into_iter().flatten() {
                let record = input.read_some(place, 56).map_err(Halt::of)?;
                if record.len() == 56 && record.starts_with(b"PK\x06\x06") {
                    found = Some((place, record));
                    break;
                }
            }
            let Some((place, record)) = found else {
                scan.find(&rules::BROKEN, at, "the zip64 end of the directory is missing".to_owned());
                return Ok(false);
            };
            (count, size, offset) = (u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48));
            directory_end = place;
            taken.push((place, at));
        }
        let mut memory = scan.memory.take();
        if !scan.search(size) || !memory.grow_to(size) {
            scan.find(&limits::TOO_LARGE_DIRECTORY, at, format!("{size} bytes"));
            return Ok(true);
        }
        // As Python's zipfile: the directory lies before its end, and what is in front of the archive moves all.
        let Some(start) = directory_end.checked_sub(size) else { return Ok(false) };
        let Some(moved) = start.checked_sub(offset) else { return Ok(false) };
        let bytes = input.read_some(start, usize::try_from(size).unwrap_or(0)).map_err(Halt::of)?;
        taken.push((start, directory_end));
        let mut rest = bytes.as_slice();
        let mut seen = 0;
        let mut held = self.entries.iter().map(|entry| entry.name.len() as u64 + ENTRY).sum::<u64>();
        while !rest.is_empty() {
            if self.entries.len() as u64 >= limits::MEMBERS {
                scan.find(&limits::TOO_MANY_MEMBERS, start, format!("more than {}", limits::MEMBERS));
                return Ok(true);
            }
            let Some((entry, after)) = self.central(input, rest, moved, taken, scan)? else {
                let at = start + (bytes.len() - rest.len()) as u64;
                scan.find(&rules::BROKEN, at, "an entry of the directory is cut or has no mark".to_owned());
                return Ok(true);
            };
            held += entry.name.len() as u64 + ENTRY;
            if !self.memory.get_or_insert_with(|| scan.memory.take()).grow_to(held) {
                scan.find(&limits::TOO_LARGE_DIRECTORY, start, format!("more than {held} bytes of memory"));
                return Ok(true);
            }
            room(&mut self.entries, 1);
            self.entries.push(entry);
            rest = after;
            seen += 1;
        }
        if seen != count {
            let message = format!("the directory has {seen} entries and says {count}");
            scan.find(&rules::BROKEN, at, message);
        }
        Ok(true)
    }

    /// One entry of the directory, compared with the member's header.
    fn central<'b>(
        &mut self,
        input: Input<'_>,
        bytes: &'b [u8],
        moved: u64,
        taken: &mut Vec<(u64, u64)>,
        scan: &mut Scan<'_>,
    ) -> Result<Option<(Entry, &'b [u8])>, Halt> {
        if bytes.len() < CENTRAL || !bytes.starts_with(b"PK\x01\x02") {
            return Ok(None);
        }
        let lens = [28, 30, 32].map(|at| usize::from(u16_at(bytes, at)));
        let total = CENTRAL + lens.iter().sum::<usize>();
        let Some((entry, after)) = bytes.split_at_checked(total) else { return Ok(None) };
        let raw_name = &entry[CENTRAL..CENTRAL + lens[0]];
        let extra = &entry[CENTRAL + lens[0]..CENTRAL + lens[0] + lens[1]];
        let is_unix = entry[5] == 3;
        let mut found = Entry {
            name: name(raw_name),
            flags: u16_at(entry, 8),
            method: u16_at(entry, 10),
            crc: u32_at(entry, 16),
            compressed: u32_at(entry, 20).into(),
            size: u32_at(entry, 24).into(),
            header: u32_at(entry, 42).into(),
            data: 0,
            mode: if is_unix { u32_at(entry, 38) >> 16 } else { 0 },
        };
        let mut large = [found.size, found.compressed, found.header];
        zip64(extra, &mut large);
        [found.size, found.compressed, found.header] = large;
        found.header = found.header.saturating_add(moved);
        if let Some(other) = unicode_name(extra)
            && other != raw_name
        {
            let message = format!("'{}' is also called '{}'", found.name, name(other));
            scan.find_about(&rules::MISMATCH, found.header, &found.name, message);
        }
        self.local(input, &mut found, raw_name, taken, scan)?;
        Ok(Some((found, after)))
    }

    /// The header before a member's data.
    fn local(
        &mut self,
        input: Input<'_>,
        entry: &mut Entry,
        raw_name: &[u8],
        taken: &mut Vec<(u64, u64)>,
        scan: &mut Scan<'_>,
    ) -> Result<(), Halt> {
        let header = input.read_some(entry.header, 30).map_err(Halt::of)?;
        entry.data = entry.header.saturating_add(LOCAL + raw_name.len() as u64);
        if header.len() < 30 || !header.starts_with(b"PK\x03\x04") {
            let message = format!("'{}' has no header where the directory says", entry.name);
            scan.find_about(&rules::BROKEN, entry.header, &entry.name, message);
            return Ok(());
        }
        let (name_len, extra_len) = (u64::from(u16_at(&header, 26)), u64::from(u16_at(&header, 28)));
        let names =
            input.read_some(entry.header + LOCAL, usize::from(u16_at(&header, 26))).map_err(Halt::of)?;
        entry.data = entry.header + LOCAL + name_len + extra_len;
        let end = entry.data.saturating_add(entry.compressed);
        if end > input.len() {
            let message = format!("'{}' goes on beyond the file", entry.name);
            scan.find_about(&rules::BROKEN, entry.header, &entry.name, message);
        }
        let streamed = u16_at(&header, 6) & 8 != 0;
        let mut sizes = [u32_at(&header, 22).into(), u32_at(&header, 18).into(), 0];
        if sizes[0] == 0xffff_ffff || sizes[1] == 0xffff_ffff {
            let at = entry.header + LOCAL + name_len;
            let extra = input.read_some(at, usize::from(u16_at(&header, 28))).map_err(Halt::of)?;
            zip64(&extra, &mut sizes);
        }
        let [size, compressed, _] = sizes;
        let crc = u32_at(&header, 14);
        let differs = [
            ("name", names != raw_name),
            ("method", u16_at(&header, 8) != entry.method),
            // Bit 3 says that the sizes come after the data.
            ("flags", (u16_at(&header, 6) ^ entry.flags) & !8 != 0),
            ("size", size != entry.size && !(streamed && size == 0)),
            ("compressed size", compressed != entry.compressed && !(streamed && compressed == 0)),
            ("checksum", crc != entry.crc && !(streamed && crc == 0)),
        ];
        for (what, _) in differs.iter().filter(|(_, differs)| *differs) {
            // Python goes by the directory in these two, and checks them; the file is whole all the same.
            let rule = if *what == "checksum" { &rules::CHECKSUM } else { &rules::MISMATCH };
            let message = match *what {
                "name" => format!("'{}' calls itself '{}'", entry.name, name(&names)),
                what => format!("'{}' has another {what} in its header than in the directory", entry.name),
            };
            scan.find_about(rule, entry.header, &entry.name, message);
        }
        if entry.method == 0 && entry.size != entry.compressed && entry.flags & 1 == 0 {
            let message = format!("'{}' is not compressed and has two sizes", entry.name);
            scan.find_about(&rules::MISMATCH, entry.header, &entry.name, message);
        }
        taken.push((entry.header, end.min(input.len())));
        if streamed {
            // A descriptor follows, of any of its forms.
            let after = input.read_some(end, 24).map_err(Halt::of)?;
            let len = if after.starts_with(b"PK\x07\x08") { 4 } else { 0 };
            let wide = after.get(len + 4..len + 12).is_some_and(|wide| u64_at(wide, 0) == entry.compressed)
                && after.get(len + 12..len + 20).is_some_and(|wide| u64_at(wide, 0) == entry.size);
            let descriptor = len as u64 + if wide && entry.compressed > 0 { 20 } else { 12 };
            taken.push((
                end.min(input.len()),
                end.saturating_add(descriptor.min(DESCRIPTOR)).min(input.len()),
            ));
        }
        self.first = self.first.min(entry.header);
        Ok(())
    }

    fn check_names(&self, scan: &mut Scan<'_>) {
        // Stable: of those with one name, the order of the directory stays.
        let mut by_name: Vec<&Entry> = self.entries.iter().collect();
        by_name.sort_by_key(|entry| &entry.name);
        for (entry, other) in by_name.iter().skip(1).zip(&by_name) {
            if entry.name == other.name && entry.header != other.header {
                let message = format!("'{}' is there twice", entry.name);
                scan.find_about(&rules::DUPLICATE, entry.header, &entry.name, message);
            }
        }
        for entry in &self.entries {
            let leaves = outside::leaves(&entry.name);
            if leaves || entry.mode & 0o170_000 == 0o120_000 {
                let what = if leaves { "leads out of the directory" } else { "is a symbolic link" };
                let message = format!("'{}' {what}", entry.name);
                scan.find_about(&rules::PATH, entry.header, &entry.name, message);
            }
            if entry.flags & 0x2061 != 0 {
                let message = format!("'{}' has the flags {:#06x}", entry.name, entry.flags);
                scan.find_about(&rules::FLAGS, entry.header, &entry.name, message);
                if entry.flags & 1 != 0 {
                    scan.contents.capabilities.insert(Capability::Encrypted);
                }
            }
        }
    }

    /// What belongs to nothing, and what belongs to two.
    fn find_outside(&mut self, input: Input<'_>, mut taken: Vec<(u64, u64)>, scan: &mut Scan<'_>) {
        taken.sort_unstable();
        taken.dedup();
        let mut end = 0;
        for (start, next) in taken {
            if start > end {
                self.outside.push((end, start));
            } else if start < end && next > start {
                let message = format!("bytes from {start} on belong to two members");
                scan.find(&rules::OVERLAP, start, message);
            }
            end = end.max(next);
        }
        if end < input.len() {
            self.outside.push((end, input.len()));
        }
    }
}

/// Members by their own headers alone, as a reader of streams sees them, and the memory that they take.
pub(super) fn local_entries(
    input: Input<'_>,
    base: u64,
    scan: &mut Scan<'_>,
) -> Result<(Vec<Entry>, Taken), Halt> {
    let mut entries = Vec::new();
    // Marks that lie close together are no members: those have at least a header and a name.
    let most = limits::MEMBERS.min(limits::PARTS_FREE + input.len() / limits::PART_BYTES);
    let mut memory = scan.memory.take();
    let (mut at, mut window, mut start) = (0, Vec::new(), 0);
    while at < input.len() && (entries.len() as u64) < most {
        if !scan.search(ORPHAN) || !memory.grow_to((entries.len() as u64 + 1) * (ENTRY + ORPHAN_NAME as u64))
        {
            scan.find(&limits::TOO_LARGE_DIRECTORY, base, format!("after {} members", entries.len()));
            return Ok((entries, memory));
        }
        if at < start || at + 4 > start + window.len() as u64 {
            (start, window) = (at, input.read_some(at, 64 * 1024).map_err(Halt::of)?);
            scan.search(window.len() as u64);
        }
        let rest = usize::try_from(at - start).ok().and_then(|from| window.get(from..)).unwrap_or_default();
        let Some(found) = rest.windows(4).position(|four| four == b"PK\x03\x04") else {
            at += rest.len().saturating_sub(3).max(1) as u64;
            continue;
        };
        at += found as u64;
        let header = input.read_some(at, 30).map_err(Halt::of)?;
        if header.len() < 30 {
            break;
        }
        let (name_len, extra_len) = (u16_at(&header, 26), u16_at(&header, 28));
        let kept = usize::from(name_len).min(ORPHAN_NAME);
        let raw = input.read_some(at + LOCAL, kept).map_err(Halt::of)?;
        let data = at + LOCAL + u64::from(name_len) + u64::from(extra_len);
        let compressed = u64::from(u32_at(&header, 18));
        entries.push(Entry {
            name: name(&raw),
            flags: u16_at(&header, 6),
            method: u16_at(&header, 8),
            crc: u32_at(&header, 14),
            compressed,
            size: u32_at(&header, 22).into(),
            header: base + at,
            data: base + data,
            mode: 0,
        });
        let next = data.saturating_add(compressed);
        at = if next > at && next <= input.len() { next } else { at + 4 };
    }
    if entries.len() as u64 >= most {
        scan.find(&limits::TOO_MANY_MEMBERS, base, format!("more than {most}"));
    }
    Ok((entries, memory))
}

/// The sizes that do not fit 32 bits, in the order of the record: size, compressed size, offset.
fn zip64(extra: &[u8], values: &mut [u64; 3]) {
    let Some(mut field) = extra_field(extra, 1) else { return };
    for value in values.iter_mut().filter(|value| **value == 0xffff_ffff) {
        let Some((eight, rest)) = field.split_first_chunk::<8>() else { return };
        *value = u64::from_le_bytes(*eight);
        field = rest;
    }
}

/// The name of a member in UTF-8, as Info-ZIP adds it (0x7075).
fn unicode_name(extra: &[u8]) -> Option<&[u8]> {
    extra_field(extra, 0x7075)?.get(5..)
}

fn extra_field(mut extra: &[u8], id: u16) -> Option<&[u8]> {
    while extra.len() >= 4 {
        let len = usize::from(u16_at(extra, 2));
        let field = extra.get(4..4 + len)?;
        if u16_at(extra, 0) == id {
            return Some(field);
        }
        extra = &extra[4 + len..];
    }
    None
}

fn name(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        Err(_) => raw.iter().map(|&byte| char::from(byte)).collect(),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}
