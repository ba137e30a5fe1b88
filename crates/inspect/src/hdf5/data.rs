//! Datasets: where their elements are. The elements are not read.

use super::{
    Problem,
    file::{Cursor, File},
    header::Message,
    heap::{self, Local},
    value,
};

/// What is known of a dataset.
pub(super) struct Dataset {
    pub(super) dtype: String,
    pub(super) elements: u64,
    /// Bytes of all elements.
    pub(super) bytes: u64,
    /// Files that its elements are in.
    pub(super) external: Vec<String>,
    /// Whether it is put together of others, some of which may be in other files; text that may name them.
    pub(super) sources: Option<Vec<u8>>,
    /// Filters that elements go through.
    pub(super) filters: Vec<u16>,
    /// What its layout gets wrong.
    pub(super) wrong: Option<&'static str>,
}

const DATASPACE: u16 = 0x01;
const DATATYPE: u16 = 0x03;
const EXTERNAL: u16 = 0x07;
const LAYOUT: u16 = 0x08;
const FILTERS: u16 = 0x0b;

/// The dataset that these messages describe, if they do.
pub(super) fn dataset(file: &File<'_>, messages: &[Message]) -> Result<Option<Dataset>, Problem> {
    let of = |kind| messages.iter().find(|message: &&Message| message.kind == kind);
    let Some(layout) = of(LAYOUT) else { return Ok(None) };
    let mut found = Dataset {
        dtype: "unknown".to_owned(),
        elements: 0,
        bytes: 0,
        external: Vec::new(),
        sources: None,
        filters: Vec::new(),
        wrong: None,
    };
    for message in messages {
        match message.kind {
            EXTERNAL => found.external.extend(external(file, &message.data)?),
            FILTERS if message.is_shared => {
                return Err(Problem::Unknown("the filters of a dataset are kept in a shared table"));
            }
            FILTERS => found.filters.extend(filters(&message.data)?),
            _ => {}
        }
    }
    let (Some(datatype), Some(space)) = (of(DATATYPE), of(DATASPACE)) else {
        return Err(Problem::Broken("a dataset has no type or no shape"));
    };
    let datatype = value::read_type(file, &datatype.data, datatype.is_shared)?;
    if space.is_shared {
        return Err(Problem::Unknown("the shape of a dataset is kept in a shared table"));
    }
    found.elements = value::elements(file, &space.data)?;
    let bytes = found.elements.checked_mul(datatype.size);
    found.bytes = bytes.ok_or(Problem::Broken("a dataset is larger than any memory"))?;
    found.dtype = datatype.name;
    read_layout(file, &layout.data, &mut found)?;
    Ok(Some(found))
}

fn read_layout(file: &File<'_>, data: &[u8], found: &mut Dataset) -> Result<(), Problem> {
    let mut cursor = Cursor::new(data);
    let version = cursor.u8()?;
    let class = match version {
        1 | 2 => {
            cursor.skip(1)?;
            let class = cursor.u8()?;
            cursor.skip(5)?;
            class
        }
        3..=5 => cursor.u8()?,
        _ => return Err(Problem::Broken("there is no such version of layouts")),
    };
    match class {
        0 => {
            let there = if version > 2 { u64::from(cursor.u16()?) } else { found.bytes };
            if there < found.bytes || (version > 2 && (cursor.rest().len() as u64) < there) {
                found.wrong = Some("its elements do not fit where they are");
            }
        }
        1 => {
            let address = file.address(&mut cursor)?;
            let there = if version > 2 { file.length(&mut cursor)? } else { found.bytes };
            if there < found.bytes {
                found.wrong = Some("its elements do not fit where they are");
            }
            let end = address.and_then(|address| address.checked_add(found.bytes.max(there)));
            if address.is_some() && end.is_none_or(|end| end > file.len()) {
                found.wrong = Some("its elements lie beyond the end of the file");
            }
        }
        2 => {
            let address = if version < 4 {
                if version == 3 {
                    cursor.skip(1)?;
                }
                file.address(&mut cursor)?
            } else {
                // The index's address comes last.
                let at = data.len().saturating_sub(file.offset_size);
                file.address(&mut Cursor::new(data.get(at..).unwrap_or_default()))?
            };
            if address.is_some_and(|address| address >= file.len()) {
                found.wrong = Some("its index lies beyond the end of the file");
            }
        }
        3 if version > 3 => {
            let address = file.address(&mut cursor)?;
            let index = cursor.u32()?;
            found.sources = Some(match address {
                Some(address) => heap::global(file, address, index)?,
                None => Vec::new(),
            });
        }
        _ => return Err(Problem::Broken("there is no such layout")),
    }
    Ok(())
}

fn external(file: &File<'_>, data: &[u8]) -> Result<Vec<String>, Problem> {
    let mut cursor = Cursor::new(data);
    cursor.skip(4)?;
    let _allocated = cursor.u16()?;
    let used = cursor.u16()?;
    let heap = file.address(&mut cursor)?.ok_or(Problem::Broken("names of external files are nowhere"))?;
    let heap = Local::read(file, heap)?;
    let mut names = Vec::new();
    for _ in 0..used {
        let name = cursor.uint(file.length_size)?;
        cursor.skip(2 * file.length_size)?;
        names.push(heap.text(name)?);
    }
    Ok(names)
}

fn filters(data: &[u8]) -> Result<Vec<u16>, Problem> {
    let mut cursor = Cursor::new(data);
    let version = cursor.u8()?;
    let count = cursor.u8()?;
    match version {
        1 => cursor.skip(6)?,
        2 => {}
        _ => return Err(Problem::Broken("there is no such version of filters")),
    }
    let mut filters = Vec::new();
    for _ in 0..count {
        let id = cursor.u16()?;
        let name = if version == 1 || id >= 256 { usize::from(cursor.u16()?) } else { 0 };
        cursor.skip(2)?;
        let values = usize::from(cursor.u16()?);
        cursor.skip(if version == 1 { name.next_multiple_of(8) } else { name })?;
        cursor.skip(4 * values)?;
        if version == 1 && values % 2 == 1 {
            cursor.skip(4)?;
        }
        filters.push(id);
    }
    Ok(filters)
}
