//! An HDF5 file as its superblock describes it: where addresses count from, and how wide they are. Every read is checked
//! against the file's length and counted.

use super::Problem;
use crate::{bytes::Input, limits, scan::Halt};
use std::cell::Cell;

/// The eight bytes that a superblock begins with.
pub(super) const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
/// Longest superblock: version 1 with addresses of eight bytes.
const SUPERBLOCK: usize = 128;

/// The file from its superblock on.
pub(super) struct File<'a> {
    input: Input<'a>,
    /// Bytes of an address.
    pub(super) offset_size: usize,
    /// Bytes of a length.
    pub(super) length_size: usize,
    /// Bytes that may still be read.
    left: Cell<u64>,
}

/// What a superblock says.
pub(super) struct Superblock {
    /// The object header of the root group.
    pub(super) root: u64,
    /// Where the file ends, counted from the superblock.
    pub(super) end: u64,
    /// Information of a driver that spreads the file over others.
    pub(super) has_driver: bool,
    /// The object header of the superblock's extension.
    pub(super) extension: Option<u64>,
}

/// Bytes that are taken one field after the other.
pub(super) struct Cursor<'d> {
    data: &'d [u8],
    at: usize,
}

impl<'a> File<'a> {
    /// Reads the superblock at `start`.
    pub(super) fn open(input: Input<'a>, start: u64) -> Result<(Self, Superblock), Problem> {
        let head = input.read_some(start, SUPERBLOCK).map_err(Problem::of)?;
        let mut cursor = Cursor::new(&head);
        let left = input.len().saturating_mul(limits::HDF5_WORK).saturating_add(limits::HDF5_WORK_FREE);
        let input = input.from(start);
        let mut file = Self { input, offset_size: 8, length_size: 8, left: Cell::new(left) };
        cursor.skip(SIGNATURE.len())?;
        let version = cursor.u8()?;
        let superblock = match version {
            0 | 1 => {
                cursor.skip(4)?;
                file.sizes(&mut cursor)?;
                // Reserved; the groups' K twice; flags.
                cursor.skip(1 + 4 + 4 + if version == 1 { 4 } else { 0 })?;
                let base = cursor.uint(file.offset_size)?;
                file.address(&mut cursor)?;
                let end = cursor.uint(file.offset_size)?.saturating_sub(base);
                let driver = file.address(&mut cursor)?;
                cursor.skip(file.offset_size)?;
                let root = file.address(&mut cursor)?.ok_or(Problem::Broken("there is no root group"))?;
                Superblock { root, end, has_driver: driver.is_some(), extension: None }
            }
            2 | 3 => {
                file.sizes(&mut cursor)?;
                cursor.skip(1)?;
                let base = cursor.uint(file.offset_size)?;
                let extension = file.address(&mut cursor)?;
                let end = cursor.uint(file.offset_size)?.saturating_sub(base);
                let root = file.address(&mut cursor)?.ok_or(Problem::Broken("there is no root group"))?;
                let sum = checksum(head.get(..cursor.at).unwrap_or_default());
                if u64::from(sum) != cursor.uint(4)? {
                    return Err(Problem::Broken("the superblock's checksum is wrong"));
                }
                Superblock { root, end, has_driver: false, extension }
            }
            _ => return Err(Problem::Broken("there is no such version of the superblock")),
        };
        Ok((file, superblock))
    }

    fn sizes(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Problem> {
        self.offset_size = cursor.u8()?.into();
        self.length_size = cursor.u8()?.into();
        let good = |size| matches!(size, 2 | 4 | 8);
        if good(self.offset_size) && good(self.length_size) {
            Ok(())
        } else {
            Err(Problem::Broken("addresses are of a size that there is not"))
        }
    }

    /// Bytes from the superblock to the end.
    pub(super) fn len(&self) -> u64 {
        self.input.len()
    }

    /// Reads `len` bytes at `address`.
    pub(super) fn read(&self, address: u64, len: u64) -> Result<Vec<u8>, Problem> {
        let part =
            self.input.slice(address, len).ok_or(Problem::Broken("an address leads beyond the file"))?;
        if len > limits::HDF5_BLOCK {
            return Err(Problem::Bound("a block is larger than any that describes data"));
        }
        // Each read costs, also when it is short.
        let left = self.left.get().checked_sub(len.max(16));
        self.left.set(left.ok_or(Problem::Bound("its parts are read again and again"))?);
        let wanted =
            usize::try_from(len).map_err(|_| Problem::Broken("a block is larger than any memory"))?;
        part.read_some(0, wanted).map_err(Problem::of)
    }

    /// An address; none when it is undefined.
    pub(super) fn address(&self, cursor: &mut Cursor<'_>) -> Result<Option<u64>, Problem> {
        let address = cursor.uint(self.offset_size)?;
        let undefined = u64::MAX >> (64 - 8 * self.offset_size);
        Ok((address != undefined).then_some(address))
    }

    pub(super) fn length(&self, cursor: &mut Cursor<'_>) -> Result<u64, Problem> {
        cursor.uint(self.length_size)
    }
}

impl<'d> Cursor<'d> {
    pub(super) fn new(data: &'d [u8]) -> Self {
        Self { data, at: 0 }
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'d [u8], Problem> {
        let taken = self.at.checked_add(count).and_then(|end| self.data.get(self.at..end));
        let taken = taken.ok_or(Problem::Broken("a structure ends within a field"))?;
        self.at += count;
        Ok(taken)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), Problem> {
        self.take(count).map(|_| ())
    }

    /// To the next multiple of eight from where the bytes began.
    pub(super) fn pad(&mut self) -> Result<(), Problem> {
        self.skip(self.at.next_multiple_of(8) - self.at)
    }

    /// An unsigned number of `size` bytes, the lowest first.
    pub(super) fn uint(&mut self, size: usize) -> Result<u64, Problem> {
        Ok(self.take(size.min(8))?.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Problem> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    pub(super) fn u16(&mut self) -> Result<u16, Problem> {
        Ok(u16::try_from(self.uint(2)?).unwrap_or_default())
    }

    pub(super) fn u32(&mut self) -> Result<u32, Problem> {
        Ok(u32::try_from(self.uint(4)?).unwrap_or_default())
    }

    pub(super) fn size(&mut self, size: usize) -> Result<usize, Problem> {
        usize::try_from(self.uint(size)?).map_err(|_| Problem::Broken("a size is larger than any memory"))
    }

    /// Text up to a zero, which is passed over, or to the end.
    pub(super) fn text(&mut self) -> String {
        let rest = self.rest();
        let end = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
        let text = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
        self.at = self.data.len().min(self.at + end + 1);
        text
    }

    pub(super) fn rest(&self) -> &'d [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }
}

impl Problem {
    pub(super) fn of(error: crate::bytes::ReadError) -> Self {
        Self::Halt(Halt::of(error))
    }
}

/// Bob Jenkins' hash of 2006, "lookup3", which the format uses as a checksum.
pub(super) fn checksum(data: &[u8]) -> u32 {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let start = 0xdead_beef_u32.wrapping_add(length);
    let (mut a, mut b, mut c) = (start, start, start);
    let mut rest = data;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(12));
        rest = later;
        let word = |at: usize| {
            let byte = |at: usize| u32::from(now.get(at).copied().unwrap_or_default());
            byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16 | byte(at + 3) << 24
        };
        a = a.wrapping_add(word(0));
        b = b.wrapping_add(word(4));
        c = c.wrapping_add(word(8));
        if rest.is_empty() {
            for (by, turn) in [(14, 0), (11, 1), (25, 2), (16, 0), (4, 1), (14, 2), (24, 0)] {
                let (to, from) = match turn {
                    0 => (&mut c, b),
                    1 => (&mut a, c),
                    _ => (&mut b, a),
                };
                *to = (*to ^ from).wrapping_sub(from.rotate_left(by));
            }
        } else {
            for (by, turn) in [(4, 0), (6, 1), (8, 2), (16, 0), (19, 1), (4, 2)] {
                let (to, from, next) = match turn {
                    0 => (&mut a, &mut c, b),
                    1 => (&mut b, &mut a, c),
                    _ => (&mut c, &mut b, a),
                };
                *to = to.wrapping_sub(*from) ^ from.rotate_left(by);
                *from = from.wrapping_add(next);
            }
        }
    }
    c
}

#[cfg(test)]
mod tests {
    use super::checksum;

    /// Values that the hash's author published with it.
    #[test]
    fn the_checksum_is_the_one_that_was_published() {
        assert_eq!(checksum(b""), 0xdead_beef);
        assert_eq!(checksum(b"Four score and seven years ago"), 0x1777_0551);
    }
}
