//! Heaps: where names, long values and large sets of links and attributes are kept; and the trees that lead into them.

use super::{
    Problem,
    file::{Cursor, File},
};
use crate::limits;
use std::collections::HashSet;

/// A heap of names: those of a group of the old kind, and of external files.
pub(super) struct Local(Vec<u8>);

impl Local {
    pub(super) fn read(file: &File<'_>, address: u64) -> Result<Self, Problem> {
        let head = file.read(address, (8 + 2 * file.length_size + file.offset_size) as u64)?;
        let mut cursor = Cursor::new(&head);
        if cursor.take(4)? != b"HEAP" || cursor.u8()? != 0 {
            return Err(Problem::Broken("there is no heap where one should be"));
        }
        cursor.skip(3)?;
        let size = file.length(&mut cursor)?;
        cursor.skip(file.length_size)?;
        let data = file.address(&mut cursor)?.ok_or(Problem::Broken("a heap is nowhere"))?;
        Ok(Self(file.read(data, size)?))
    }

    pub(super) fn text(&self, offset: u64) -> Result<String, Problem> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..));
        let rest = rest.ok_or(Problem::Broken("a name is beyond its heap"))?;
        Ok(Cursor::new(rest.get(..limits::HDF5_NAME).unwrap_or(rest)).text())
    }
}

/// An object of a global heap: texts of any length, and the list of a virtual dataset's sources.
pub(super) fn global(file: &File<'_>, address: u64, index: u32) -> Result<Vec<u8>, Problem> {
    let head = 8 + file.length_size as u64;
    let start = file.read(address, head)?;
    let mut cursor = Cursor::new(&start);
    if cursor.take(4)? != b"GCOL" || cursor.u8()? != 1 {
        return Err(Problem::Broken("there is no global heap where one should be"));
    }
    cursor.skip(3)?;
    let size = file.length(&mut cursor)?;
    let mut at = head;
    let object = 8 + file.length_size as u64;
    while at.saturating_add(object) <= size {
        let place = address.checked_add(at).ok_or(Problem::Broken("a global heap leads beyond the file"))?;
        let start = file.read(place, object)?;
        let mut cursor = Cursor::new(&start);
        let this = cursor.u16()?;
        cursor.skip(6)?;
        let len = file.length(&mut cursor)?;
        if this == 0 {
            break;
        }
        if u32::from(this) == index {
            if len > size - at - object {
                return Err(Problem::Broken("an object goes on beyond its heap"));
            }
            return file.read(place + object, len);
        }
        let step = len.checked_next_multiple_of(8).and_then(|len| len.checked_add(object));
        at = step
            .and_then(|step| at.checked_add(step))
            .ok_or(Problem::Broken("a global heap does not end"))?;
    }
    Err(Problem::Broken("a value is not in its global heap"))
}

/// A fractal heap: links or attributes of a group that has many.
pub(super) struct Fractal {
    offset_bytes: usize,
    length_bytes: usize,
    width: u64,
    start: u64,
    max_direct: u64,
    rows: u16,
    root: Option<u64>,
    /// The tree of objects that are kept on their own.
    huge: Option<u64>,
    /// Whether those objects' identifiers say where they are.
    huge_direct: bool,
}

impl Fractal {
    pub(super) fn read(file: &File<'_>, address: u64) -> Result<Self, Problem> {
        let (offsets, lengths) = (file.offset_size, file.length_size);
        let head = file.read(address, (22 + 12 * lengths + 3 * offsets) as u64)?;
        let mut cursor = Cursor::new(&head);
        if cursor.take(4)? != b"FRHP" || cursor.u8()? != 0 {
            return Err(Problem::Broken("there is no fractal heap where one should be"));
        }
        let id = usize::from(cursor.u16()?);
        if cursor.u16()? != 0 {
            return Err(Problem::Unknown("a fractal heap is compressed"));
        }
        cursor.skip(1)?;
        let max_managed = u64::from(cursor.u32()?);
        cursor.skip(lengths)?;
        let huge = file.address(&mut cursor)?;
        cursor.skip(lengths + offsets + 8 * lengths)?;
        let width = u64::from(cursor.u16()?);
        let start = file.length(&mut cursor)?;
        let max_direct = file.length(&mut cursor)?;
        let bits = usize::from(cursor.u16()?);
        cursor.skip(2)?;
        let root = file.address(&mut cursor)?;
        let rows = cursor.u16()?;
        let powers = width.is_power_of_two() && start.is_power_of_two() && max_direct.is_power_of_two();
        if !powers || max_direct < start || bits == 0 || bits > 64 || width.checked_mul(start).is_none() {
            return Err(Problem::Broken("a fractal heap is of a shape that there is not"));
        }
        let length_bytes = bytes_for(max_direct).min(bytes_for(max_managed));
        let huge_direct = offsets + lengths < id;
        let offset_bytes = bits.div_ceil(8);
        Ok(Self { offset_bytes, length_bytes, width, start, max_direct, rows, root, huge, huge_direct })
    }

    /// The object with this identifier.
    pub(super) fn object(&self, file: &File<'_>, id: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut cursor = Cursor::new(id);
        let flags = cursor.u8()?;
        match flags >> 4 {
            0 => {
                let offset = cursor.uint(self.offset_bytes)?;
                let length = cursor.uint(self.length_bytes)?;
                file.read(self.place(file, offset)?, length)
            }
            1 if self.huge_direct => {
                let address = file.address(&mut cursor)?;
                let length = file.length(&mut cursor)?;
                file.read(address.ok_or(Problem::Broken("an object is nowhere"))?, length)
            }
            1 => self.on_its_own(file, cursor.uint(file.length_size.min(cursor.rest().len()))?),
            2 => Ok(cursor.take(usize::from(flags & 15) + 1)?.to_vec()),
            _ => Err(Problem::Broken("an identifier in a fractal heap is none")),
        }
    }

    /// The object with this number in the tree of large ones.
    fn on_its_own(&self, file: &File<'_>, number: u64) -> Result<Vec<u8>, Problem> {
        let tree = self.huge.ok_or(Problem::Broken("a fractal heap has no tree of large objects"))?;
        let (kind, records) = records(file, tree)?;
        if kind != 1 {
            return Err(Problem::Unknown("a large object of a fractal heap is compressed"));
        }
        for record in records {
            let mut cursor = Cursor::new(&record);
            let address = file.address(&mut cursor)?;
            let length = file.length(&mut cursor)?;
            if file.length(&mut cursor)? == number {
                return file.read(address.ok_or(Problem::Broken("an object is nowhere"))?, length);
            }
        }
        Err(Problem::Broken("a large object is not in its tree"))
    }

    /// Where in the file a place of the heap is.
    fn place(&self, file: &File<'_>, mut offset: u64) -> Result<u64, Problem> {
        let nowhere = || Problem::Broken("a fractal heap leads nowhere");
        let mut block = self.root.ok_or_else(nowhere)?;
        if self.rows == 0 {
            return block.checked_add(offset).ok_or_else(nowhere);
        }
        let first = self.width * self.start;
        let direct_rows = u64::from(self.max_direct.ilog2() - self.start.ilog2()) + 2;
        // Every level is smaller than the one above.
        for _ in 0..64 {
            let row = if offset < first { 0 } else { u64::from((offset / first).ilog2()) + 1 };
            let shift = u32::try_from(row.saturating_sub(1)).unwrap_or(u32::MAX);
            let size = self.start.checked_shl(shift).filter(|&size| size != 0).ok_or_else(nowhere)?;
            let row_start = if row == 0 { 0 } else { first.checked_shl(shift).ok_or_else(nowhere)? };
            let within = offset - row_start;
            let entry = row * self.width + within / size;
            let head = 5 + file.offset_size as u64 + self.offset_bytes as u64;
            let at = block.checked_add(head + entry * file.offset_size as u64).ok_or_else(nowhere)?;
            if file.read(block, 4)? != b"FHIB" {
                return Err(nowhere());
            }
            let address = file.read(at, file.offset_size as u64)?;
            block = file.address(&mut Cursor::new(&address))?.ok_or_else(nowhere)?;
            offset = within % size;
            if row < direct_rows {
                return block.checked_add(offset).ok_or_else(nowhere);
            }
        }
        Err(nowhere())
    }
}

/// The kind of a tree of the second version, and its records.
pub(super) fn records(file: &File<'_>, address: u64) -> Result<(u8, Vec<Vec<u8>>), Problem> {
    let head = file.read(address, (18 + file.offset_size + file.length_size) as u64)?;
    let mut cursor = Cursor::new(&head);
    if cursor.take(4)? != b"BTHD" || cursor.u8()? != 0 {
        return Err(Problem::Broken("there is no tree where one should be"));
    }
    let kind = cursor.u8()?;
    let node_size = cursor.u32()?;
    let record = u64::from(cursor.u16()?);
    let depth = usize::from(cursor.u16()?);
    cursor.skip(2)?;
    let root = file.address(&mut cursor)?;
    let count = u64::from(cursor.u16()?);
    let Some(root) = root else { return Ok((kind, Vec::new())) };
    // Ten bytes of a node are no records.
    let room = u64::from(node_size).saturating_sub(10);
    if record == 0 || record > 64 || room < record || depth > 16 {
        return Err(Problem::Broken("a tree is of a shape that there is not"));
    }
    let most = room / record;
    let count_bytes = bytes_for(most);
    let mut below = most;
    // How wide the sum of all records below is, for each level.
    let mut widths = vec![0; 1];
    for level in 1..=depth {
        let pointer = (file.offset_size + count_bytes + widths.get(level - 1).copied().unwrap_or(0)) as u64;
        let here = room.saturating_sub(pointer) / (record + pointer);
        below = (here + 1).saturating_mul(below).saturating_add(here);
        widths.push(bytes_for(below));
    }
    let mut records = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut todo = vec![(root, count, depth)];
    while let Some((address, count, level)) = todo.pop() {
        let data = file.read(address, u64::from(node_size))?;
        let mut cursor = Cursor::new(&data);
        let mark: &[u8] = if level == 0 { b"BTLF" } else { b"BTIN" };
        if cursor.take(4)? != mark {
            return Err(Problem::Broken("there is no node of a tree where one should be"));
        }
        cursor.skip(2)?;
        for _ in 0..count {
            if records.len() >= limits::HDF5_OBJECTS {
                return Err(Problem::Bound("a group has more links than are looked at"));
            }
            records.push(cursor.take(usize::try_from(record).unwrap_or_default())?.to_vec());
        }
        if level == 0 {
            continue;
        }
        for _ in 0..=count {
            let child = file.address(&mut cursor)?.ok_or(Problem::Broken("a tree leads nowhere"))?;
            let below = cursor.uint(count_bytes)?;
            if level > 1 {
                cursor.skip(widths.get(level - 1).copied().unwrap_or(0))?;
            }
            if !seen.insert(child) {
                return Err(Problem::Broken("a tree leads back to itself"));
            }
            todo.push((child, below, level - 1));
        }
    }
    Ok((kind, records))
}

/// Bytes that numbers up to `most` need.
fn bytes_for(most: u64) -> usize {
    most.checked_ilog2().map_or(1, |bits| bits as usize / 8 + 1)
}
