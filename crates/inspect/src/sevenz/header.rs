//! The header of a 7z archive, as 7-Zip's `7zFormat.txt` describes it.

use super::{Problem, START, folder::Folder};
use crate::{bytes::Input, limits};

const END: u64 = 0;
const HEADER: u64 = 1;
const ARCHIVE_PROPERTIES: u64 = 2;
const ADDITIONAL: u64 = 3;
const MAIN: u64 = 4;
const FILES: u64 = 5;
const PACK_INFO: u64 = 6;
const UNPACK_INFO: u64 = 7;
const SUBSTREAMS: u64 = 8;
const SIZE: u64 = 9;
const CRC: u64 = 10;
const FOLDER: u64 = 11;
const UNPACK_SIZE: u64 = 12;
const STREAM_COUNT: u64 = 13;
const EMPTY_STREAM: u64 = 14;
const NAMES: u64 = 17;
const PACKED: u64 = 23;

/// What a header is.
pub(super) enum Header {
    /// The header proper is packed in these streams.
    Packed(Streams),
    Plain {
        streams: Streams,
        members: Vec<Member>,
    },
}

/// Where data is, and how it is packed.
#[derive(Default)]
pub(super) struct Streams {
    /// Where each packed stream begins, and its bytes.
    packed: Vec<(u64, u64)>,
    pub(super) folders: Vec<Folder>,
    /// Bytes of each member of each folder.
    pub(super) sizes: Vec<Vec<u64>>,
    /// Checksums of the members that have one, in the same order.
    pub(super) sums: Vec<Vec<Option<u32>>>,
}

pub(super) struct Member {
    pub(super) name: String,
    pub(super) has_data: bool,
}

/// Bytes that are taken one field after the other.
pub(super) struct Fields<'d>(&'d [u8]);

pub(super) fn read(data: &[u8]) -> Result<Header, Problem> {
    let mut fields = Fields::new(data);
    match fields.number()? {
        PACKED => Ok(Header::Packed(Streams::read(&mut fields)?)),
        HEADER => {
            let (mut streams, mut members) = (Streams::default(), Vec::new());
            loop {
                match fields.number()? {
                    END => return Ok(Header::Plain { streams, members }),
                    ARCHIVE_PROPERTIES => {
                        while fields.number()? != END {
                            let len = fields.count()?;
                            fields.take(len)?;
                        }
                    }
                    ADDITIONAL => {
                        Streams::read(&mut fields)?;
                    }
                    MAIN => streams = Streams::read(&mut fields)?,
                    FILES => members = files(&mut fields)?,
                    _ => return Err(Problem::Broken("the header has a part that there is not")),
                }
            }
        }
        _ => Err(Problem::Broken("there is no header where one should be")),
    }
}

impl Streams {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let mut streams = Self::default();
        loop {
            match fields.number()? {
                END => break,
                PACK_INFO => streams.pack_info(fields)?,
                UNPACK_INFO => streams.unpack_info(fields)?,
                SUBSTREAMS => streams.substreams(fields)?,
                _ => return Err(Problem::Broken("the header has a part that there is not")),
            }
        }
        if streams.sizes.is_empty() {
            streams.sizes =
                streams.folders.iter().map(|folder| folder.size().into_iter().collect()).collect();
        }
        Ok(streams)
    }

    /// The packed stream at `index`, counted over all folders.
    pub(super) fn packed<'a>(&self, input: Input<'a>, index: u64) -> Result<Input<'a>, Problem> {
        let place = usize::try_from(index).ok().and_then(|index| self.packed.get(index));
        place
            .and_then(|&(place, size)| input.slice(place, size))
            .ok_or(Problem::Broken("packed data lies beyond the file"))
    }

    fn pack_info(&mut self, fields: &mut Fields<'_>) -> Result<(), Problem> {
        let mut place = fields.number()?.saturating_add(START);
        let count = fields.count()?;
        loop {
            match fields.number()? {
                END => return Ok(()),
                SIZE => {
                    for _ in 0..count {
                        let size = fields.number()?;
                        self.packed.push((place, size));
                        place = place.saturating_add(size);
                    }
                }
                CRC => fields.sums(count).map(|_| ())?,
                _ => return Err(Problem::Broken("the header has a part that there is not")),
            }
        }
    }

    fn unpack_info(&mut self, fields: &mut Fields<'_>) -> Result<(), Problem> {
        loop {
            match fields.number()? {
                END => return Ok(()),
                FOLDER => {
                    let count = fields.count()?;
                    if count as u64 > limits::MEMBERS {
                        return Err(Problem::Broken("the archive has more folders than any"));
                    }
                    fields.inline()?;
                    for _ in 0..count {
                        self.folders.push(Folder::read(fields)?);
                    }
                }
                UNPACK_SIZE => {
                    for folder in &mut self.folders {
                        for _ in 0..folder.outputs() {
                            folder.sizes.push(fields.number()?);
                        }
                    }
                }
                CRC => {
                    let sums = fields.sums(self.folders.len())?;
                    self.folders.iter_mut().zip(sums).for_each(|(folder, sum)| folder.sum = sum);
                }
                _ => return Err(Problem::Broken("the header has a part that there is not")),
            }
        }
    }

    fn substreams(&mut self, fields: &mut Fields<'_>) -> Result<(), Problem> {
        let mut counts = vec![1; self.folders.len()];
        let mut next = fields.number()?;
        if next == STREAM_COUNT {
            let mut all = 0_u64;
            for count in &mut counts {
                *count = fields.number()?;
                all = all.saturating_add(*count);
            }
            // Each but the last has its size here.
            if all > fields.0.len() as u64 + self.folders.len() as u64 {
                return Err(Problem::Broken("there are more members than their sizes"));
            }
            next = fields.number()?;
        }
        for (folder, &count) in self.folders.iter().zip(&counts) {
            let mut left = folder.size();
            let mut sizes = Vec::new();
            for at in 0..count {
                let size = if at + 1 < count {
                    if next == SIZE { fields.number()? } else { 0 }
                } else {
                    left.ok_or(Problem::Broken("members are larger than their folder"))?
                };
                left = left.and_then(|left| left.checked_sub(size));
                sizes.push(size);
            }
            self.sizes.push(sizes);
        }
        if next == SIZE {
            next = fields.number()?;
        }
        while next != END {
            if next != CRC {
                return Err(Problem::Broken("the header has a part that there is not"));
            }
            // A folder's only member has the folder's checksum.
            let shares = |folder: &Folder, count: u64| count == 1 && folder.sum.is_some();
            let own = self.folders.iter().zip(&counts).filter(|(folder, count)| !shares(folder, **count));
            let own: u64 = own.map(|(_, &count)| count).sum();
            let mut sums = fields.sums(usize::try_from(own).unwrap_or(usize::MAX))?.into_iter();
            self.sums.clear();
            for (folder, &count) in self.folders.iter().zip(&counts) {
                let taken = usize::try_from(count).unwrap_or(usize::MAX);
                self.sums.push(if shares(folder, count) {
                    vec![folder.sum]
                } else {
                    sums.by_ref().take(taken).collect()
                });
            }
            next = fields.number()?;
        }
        Ok(())
    }
}

fn files(fields: &mut Fields<'_>) -> Result<Vec<Member>, Problem> {
    let count = fields.count()?;
    if count as u64 > limits::MEMBERS {
        return Err(Problem::Broken("the archive has more members than any"));
    }
    let (mut names, mut empty): (Vec<String>, Vec<bool>) = (Vec::new(), vec![false; count]);
    loop {
        let kind = fields.number()?;
        if kind == END {
            break;
        }
        let len = fields.count()?;
        let mut part = Fields::new(fields.take(len)?);
        match kind {
            EMPTY_STREAM => {
                let bits = part.take(count.div_ceil(8))?;
                let bit = |at: usize| bits.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
                empty = (0..count).map(bit).collect();
            }
            NAMES => {
                part.inline()?;
                let units = part.0.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]]));
                let units: Vec<u16> = units.collect();
                names = units
                    .split(|&unit| unit == 0)
                    .take(count)
                    .map(|name| String::from_utf16_lossy(name.get(..1024).unwrap_or(name)))
                    .collect();
            }
            _ => {}
        }
    }
    let members = empty.iter().enumerate().map(|(at, empty)| Member {
        name: names
            .get(at)
            .filter(|name| !name.is_empty())
            .cloned()
            .unwrap_or_else(|| format!("member {at}")),
        has_data: !empty,
    });
    Ok(members.collect())
}

impl<'d> Fields<'d> {
    pub(super) fn new(data: &'d [u8]) -> Self {
        Self(data)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'d [u8], Problem> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Problem::Broken("the header is cut"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Problem> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    pub(super) fn u32(&mut self) -> Result<u32, Problem> {
        Ok(u32::try_from(self.fixed(4)?).unwrap_or_default())
    }

    pub(super) fn u64(&mut self) -> Result<u64, Problem> {
        self.fixed(8)
    }

    fn fixed(&mut self, size: usize) -> Result<u64, Problem> {
        Ok(self.take(size)?.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    /// A number: leading ones of the first byte say how many more there are.
    pub(super) fn number(&mut self) -> Result<u64, Problem> {
        let first = self.u8()?;
        let more = first.leading_ones().min(8);
        let low = self.fixed(usize::try_from(more).unwrap_or_default())?;
        let high = if more < 7 { u64::from(first) & ((1 << (7 - more)) - 1) } else { 0 };
        Ok(low | high.checked_shl(8 * more).unwrap_or_default())
    }

    /// A number of things, each of which takes something of what is left: members may be a bit each.
    pub(super) fn count(&mut self) -> Result<usize, Problem> {
        let count = self.number()?;
        if count > (self.0.len() as u64).saturating_mul(8) {
            return Err(Problem::Broken("the header speaks of more than it has"));
        }
        usize::try_from(count).map_err(|_| Problem::Broken("the header speaks of more than it has"))
    }

    /// What follows is here, and not in a stream of its own.
    fn inline(&mut self) -> Result<(), Problem> {
        if self.u8()? == 0 { Ok(()) } else { Err(Problem::Broken("a part of the header is elsewhere")) }
    }

    /// Checksums of `count` things, some of which may have none.
    fn sums(&mut self, count: usize) -> Result<Vec<Option<u32>>, Problem> {
        let all = self.u8()? != 0;
        let bits = if all { &[][..] } else { self.take(count.div_ceil(8))? };
        if all && count > self.0.len() {
            return Err(Problem::Broken("the header's checksums are cut"));
        }
        let has = |at: usize| all || bits.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
        (0..count).map(|at| has(at).then(|| self.u32()).transpose()).collect()
    }
}
