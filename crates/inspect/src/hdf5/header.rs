//! Object headers: the messages that say what a group, a dataset or a named type is.

use super::{
    Problem,
    file::{Cursor, File, checksum},
};
use crate::limits;
use std::collections::HashSet;

/// A message of an object header.
pub(super) struct Message {
    pub(super) kind: u16,
    /// Whether the data is kept somewhere else, and here is only where.
    pub(super) is_shared: bool,
    /// Whether readers must refuse the object when they do not know the message.
    pub(super) must_know: bool,
    pub(super) data: Vec<u8>,
}

const CONTINUATION: u16 = 0x10;

/// All messages of the object at `address`.
pub(super) fn read(file: &File<'_>, address: u64) -> Result<Vec<Message>, Problem> {
    let start = file.read(address, 16.min(file.len().saturating_sub(address)))?;
    if start.starts_with(b"OHDR") { second(file, address, &start) } else { first(file, address, &start) }
}

/// Version 1: messages in steps of eight bytes.
fn first(file: &File<'_>, address: u64, start: &[u8]) -> Result<Vec<Message>, Problem> {
    let mut cursor = Cursor::new(start);
    if cursor.u8()? != 1 {
        return Err(Problem::Broken("there is no object header where one should be"));
    }
    // Their number is not believed: libraries read to the end of each block.
    cursor.skip(7)?;
    let size = u64::from(cursor.u32()?);
    let mut blocks = Blocks::new(address + 16, size);
    let mut messages = Vec::new();
    while let Some((address, size)) = blocks.next()? {
        let data = file.read(address, size)?;
        let mut cursor = Cursor::new(&data);
        while cursor.rest().len() >= 8 {
            let kind = cursor.u16()?;
            let size = usize::from(cursor.u16()?);
            let flags = cursor.u8()?;
            cursor.skip(3)?;
            push(file, &mut messages, &mut blocks, kind, flags, cursor.take(size)?)?;
        }
    }
    Ok(messages)
}

/// Version 2: with a checksum for each block.
fn second(file: &File<'_>, address: u64, start: &[u8]) -> Result<Vec<Message>, Problem> {
    let flags = *start.get(5).ok_or(Problem::Broken("an object header is cut"))?;
    if start.get(4) != Some(&2) {
        return Err(Problem::Broken("there is no such version of object headers"));
    }
    let times = if flags & 0x20 != 0 { 16 } else { 0 };
    let phases = if flags & 0x10 != 0 { 4 } else { 0 };
    let width = 1_u64 << (flags & 3);
    let prefix = 6 + times + phases + width;
    let head = file.read(address, prefix)?;
    let mut cursor = Cursor::new(&head);
    cursor.skip(6)?;
    cursor.skip(usize::try_from(times + phases).unwrap_or_default())?;
    let size = cursor.uint(usize::try_from(width).unwrap_or_default())?;
    let first = prefix.checked_add(size).and_then(|size| size.checked_add(4));
    let mut blocks = Blocks::new(address, first.ok_or(Problem::Broken("an object header is too large"))?);
    let mut messages = Vec::new();
    let mut skip = usize::try_from(prefix).unwrap_or_default();
    while let Some((address, size)) = blocks.next()? {
        let data = file.read(address, size)?;
        let Some((data, sum)) = data.split_last_chunk::<4>() else {
            return Err(Problem::Broken("a block of an object header is cut"));
        };
        if skip == 4 && !data.starts_with(b"OCHK") {
            return Err(Problem::Broken("an object header goes on where nothing is"));
        }
        if checksum(data) != u32::from_le_bytes(*sum) {
            return Err(Problem::Broken("an object header's checksum is wrong"));
        }
        let mut cursor = Cursor::new(data);
        cursor.skip(skip)?;
        let ordered = if flags & 4 != 0 { 2 } else { 0 };
        while cursor.rest().len() >= 4 + ordered {
            let kind = u16::from(cursor.u8()?);
            let size = usize::from(cursor.u16()?);
            let flags = cursor.u8()?;
            cursor.skip(ordered)?;
            push(file, &mut messages, &mut blocks, kind, flags, cursor.take(size)?)?;
        }
        skip = 4;
    }
    Ok(messages)
}

fn push(
    file: &File<'_>,
    messages: &mut Vec<Message>,
    blocks: &mut Blocks,
    kind: u16,
    flags: u8,
    data: &[u8],
) -> Result<(), Problem> {
    if kind == CONTINUATION {
        let mut cursor = Cursor::new(data);
        let address =
            file.address(&mut cursor)?.ok_or(Problem::Broken("an object header goes on nowhere"))?;
        blocks.add(address, file.length(&mut cursor)?);
    }
    messages.push(Message {
        kind,
        is_shared: flags & 2 != 0,
        must_know: flags & 0x88 != 0,
        data: data.to_vec(),
    });
    Ok(())
}

/// The blocks of one object header, each taken once.
struct Blocks {
    todo: Vec<(u64, u64)>,
    seen: HashSet<u64>,
    left: u64,
}

impl Blocks {
    fn new(address: u64, size: u64) -> Self {
        Self { todo: vec![(address, size)], seen: HashSet::from([address]), left: limits::HDF5_BLOCK }
    }

    fn add(&mut self, address: u64, size: u64) {
        if self.seen.insert(address) {
            self.todo.push((address, size));
        }
    }

    fn next(&mut self) -> Result<Option<(u64, u64)>, Problem> {
        let Some((address, size)) = self.todo.pop() else { return Ok(None) };
        let left = self.left.checked_sub(size);
        self.left = left.ok_or(Problem::Bound("an object header is larger than any"))?;
        Ok(Some((address, size)))
    }
}
