//! Links of a group: symbol tables of the old kind, link messages, and trees of many.

use super::{
    Problem,
    file::{Cursor, File},
    header::Message,
    heap::{self, Fractal, Local},
};
use crate::limits;
use std::collections::HashSet;

/// Where a name of a group leads.
pub(super) struct Link {
    pub(super) name: String,
    pub(super) to: Target,
}

pub(super) enum Target {
    /// An object header.
    Hard(u64),
    /// A path in this file.
    Soft,
    /// Another file.
    External(String),
    /// A kind of link that needs a library of its own.
    User(u8),
}

const LINK_INFO: u16 = 0x02;
const LINK: u16 = 0x06;
const SYMBOL_TABLE: u16 = 0x11;

/// All links that the messages of a group lead to; what goes wrong leaves those found before.
pub(super) fn all(file: &File<'_>, messages: &[Message], links: &mut Vec<Link>) -> Result<(), Problem> {
    let mut result = Ok(());
    for message in messages {
        let one = match message.kind {
            SYMBOL_TABLE => symbol_table(file, &message.data, links),
            LINK => link(file, &message.data).map(|link| links.push(link)),
            LINK_INFO => dense(file, &message.data, links),
            _ => continue,
        };
        result = result.and(one);
    }
    result
}

fn symbol_table(file: &File<'_>, data: &[u8], links: &mut Vec<Link>) -> Result<(), Problem> {
    let mut cursor = Cursor::new(data);
    let tree = file.address(&mut cursor)?.ok_or(Problem::Broken("a group's tree is nowhere"))?;
    let heap = file.address(&mut cursor)?.ok_or(Problem::Broken("a group's names are nowhere"))?;
    let heap = Local::read(file, heap)?;
    let node = 8 + 2 * file.offset_size;
    let mut seen = HashSet::from([tree]);
    let mut todo = vec![(tree, None)];
    while let Some((address, level)) = todo.pop() {
        let head = file.read(address, node as u64)?;
        let mut cursor = Cursor::new(&head);
        if cursor.take(4)? != b"TREE" || cursor.u8()? != 0 {
            return Err(Problem::Broken("there is no tree of a group where one should be"));
        }
        let this = cursor.u8()?;
        if level.is_some_and(|level| level != this) {
            return Err(Problem::Broken("a tree's levels do not follow each other"));
        }
        let count = usize::from(cursor.u16()?);
        let entries = count * (file.length_size + file.offset_size);
        let data = file.read(address + node as u64, entries as u64)?;
        let mut cursor = Cursor::new(&data);
        for _ in 0..count {
            cursor.skip(file.length_size)?;
            let child = file.address(&mut cursor)?.ok_or(Problem::Broken("a tree leads nowhere"))?;
            if !seen.insert(child) {
                return Err(Problem::Broken("a tree leads back to itself"));
            }
            match this.checked_sub(1) {
                Some(below) => todo.push((child, Some(below))),
                None => symbols(file, child, &heap, links)?,
            }
        }
    }
    Ok(())
}

/// A leaf of such a tree.
fn symbols(file: &File<'_>, address: u64, heap: &Local, links: &mut Vec<Link>) -> Result<(), Problem> {
    let head = file.read(address, 8)?;
    let mut cursor = Cursor::new(&head);
    if cursor.take(4)? != b"SNOD" || cursor.u8()? != 1 {
        return Err(Problem::Broken("there is no list of symbols where one should be"));
    }
    cursor.skip(1)?;
    let count = usize::from(cursor.u16()?);
    let entry = 2 * file.offset_size + 24;
    let data = file.read(address + 8, (count * entry) as u64)?;
    for entry in data.chunks_exact(entry) {
        let mut cursor = Cursor::new(entry);
        let name = heap.text(cursor.uint(file.offset_size)?)?;
        let object = file.address(&mut cursor)?;
        let to = match (cursor.u32()?, object) {
            (2, _) => Target::Soft,
            (_, Some(object)) => Target::Hard(object),
            (_, None) => return Err(Problem::Broken("a name leads nowhere")),
        };
        push(links, Link { name, to })?;
    }
    Ok(())
}

fn dense(file: &File<'_>, data: &[u8], links: &mut Vec<Link>) -> Result<(), Problem> {
    let mut cursor = Cursor::new(data);
    cursor.skip(1)?;
    if cursor.u8()? & 1 != 0 {
        cursor.skip(8)?;
    }
    let (Some(heap), Some(tree)) = (file.address(&mut cursor)?, file.address(&mut cursor)?) else {
        return Ok(());
    };
    let heap = Fractal::read(file, heap)?;
    let (_, records) = heap::records(file, tree)?;
    for record in records {
        // The hash of the name comes first.
        let id = record.get(4..).unwrap_or_default();
        push(links, link(file, &heap.object(file, id)?)?)?;
    }
    Ok(())
}

fn link(file: &File<'_>, data: &[u8]) -> Result<Link, Problem> {
    let mut cursor = Cursor::new(data);
    if cursor.u8()? != 1 {
        return Err(Problem::Broken("there is no such version of links"));
    }
    let flags = cursor.u8()?;
    let kind = if flags & 8 != 0 { cursor.u8()? } else { 0 };
    if flags & 4 != 0 {
        cursor.skip(8)?;
    }
    if flags & 0x10 != 0 {
        cursor.skip(1)?;
    }
    let len = cursor.size(1 << (flags & 3))?;
    let name = cursor.take(len)?;
    let name = String::from_utf8_lossy(name.get(..limits::HDF5_NAME).unwrap_or(name)).into_owned();
    let to = match kind {
        0 => Target::Hard(file.address(&mut cursor)?.ok_or(Problem::Broken("a name leads nowhere"))?),
        1 => Target::Soft,
        64 => {
            let len = usize::from(cursor.u16()?);
            let mut value = Cursor::new(cursor.take(len)?);
            value.skip(1)?;
            Target::External(value.text())
        }
        other => Target::User(other),
    };
    Ok(Link { name, to })
}

fn push(links: &mut Vec<Link>, link: Link) -> Result<(), Problem> {
    if links.len() >= limits::HDF5_OBJECTS {
        return Err(Problem::Bound("a group has more links than are looked at"));
    }
    links.push(link);
    Ok(())
}
