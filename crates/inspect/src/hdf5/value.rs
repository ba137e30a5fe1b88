//! Types, shapes and attributes.

use super::{
    Problem,
    file::{Cursor, File},
    header::{self, Message},
    heap::{self, Fractal},
};

/// The type of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Datatype {
    /// Its name in reports.
    pub(super) name: String,
    /// Bytes of an element.
    pub(super) size: u64,
    pub(super) text: Text,
}

/// How an element holds text or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// It does not.
    None,
    /// In place: text, or bytes without a meaning.
    Fixed,
    /// In the global heap.
    Variable,
}

/// An attribute.
pub(super) struct Attribute {
    pub(super) name: String,
    /// Its text or bytes, when it is a single one of those.
    pub(super) value: Option<Vec<u8>>,
}

const DATATYPE: u16 = 0x03;
const ATTRIBUTE: u16 = 0x0c;
const ATTRIBUTE_INFO: u16 = 0x15;

/// Gives each attribute of an object to `look`, as it comes: together they may be larger than memory.
pub(super) fn attributes(
    file: &File<'_>,
    messages: &[Message],
    look: &mut dyn FnMut(Attribute) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut result = Ok(());
    for message in messages {
        let one = match message.kind {
            ATTRIBUTE if message.is_shared => Err(Problem::Unknown("an attribute is kept in a shared table")),
            ATTRIBUTE => attribute(file, &message.data).and_then(&mut *look),
            ATTRIBUTE_INFO => dense(file, &message.data, look),
            _ => continue,
        };
        result = result.and(one);
    }
    result
}

fn dense(
    file: &File<'_>,
    data: &[u8],
    look: &mut dyn FnMut(Attribute) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut cursor = Cursor::new(data);
    cursor.skip(1)?;
    if cursor.u8()? & 1 != 0 {
        cursor.skip(2)?;
    }
    let (Some(heap), Some(tree)) = (file.address(&mut cursor)?, file.address(&mut cursor)?) else {
        return Ok(());
    };
    let heap = Fractal::read(file, heap)?;
    let (_, records) = heap::records(file, tree)?;
    for record in records {
        if record.get(8).is_some_and(|flags| flags & 2 != 0) {
            return Err(Problem::Unknown("an attribute is kept in a shared table"));
        }
        look(attribute(file, &heap.object(file, record.get(..8).unwrap_or_default())?)?)?;
    }
    Ok(())
}

fn attribute(file: &File<'_>, data: &[u8]) -> Result<Attribute, Problem> {
    let mut cursor = Cursor::new(data);
    let version = cursor.u8()?;
    let flags = cursor.u8()?;
    let (name, datatype, dataspace) =
        (usize::from(cursor.u16()?), usize::from(cursor.u16()?), usize::from(cursor.u16()?));
    match version {
        1 | 2 => {}
        3 => cursor.skip(1)?,
        _ => return Err(Problem::Broken("there is no such version of attributes")),
    }
    let pad = |cursor: &mut Cursor<'_>| if version == 1 { cursor.pad() } else { Ok(()) };
    let name = Cursor::new(cursor.take(name)?).text();
    pad(&mut cursor)?;
    let datatype = read_type(file, cursor.take(datatype)?, version > 1 && flags & 1 != 0)?;
    pad(&mut cursor)?;
    let space = cursor.take(dataspace)?;
    if version > 1 && flags & 2 != 0 {
        return Err(Problem::Unknown("the shape of an attribute is kept in a shared table"));
    }
    let count = elements(file, space)?;
    pad(&mut cursor)?;
    let data = cursor.rest();
    let value = match (datatype.text, count) {
        (Text::Fixed, 1) => {
            let len = usize::try_from(datatype.size).unwrap_or(usize::MAX);
            Some(data.get(..len).ok_or(Problem::Broken("an attribute is cut"))?.to_vec())
        }
        (Text::Variable, 1) => variable(file, data)?,
        _ => None,
    };
    Ok(Attribute { name, value })
}

/// A text in the global heap.
fn variable(file: &File<'_>, data: &[u8]) -> Result<Option<Vec<u8>>, Problem> {
    let mut cursor = Cursor::new(data);
    let len = cursor.u32()?;
    let address = file.address(&mut cursor)?;
    let index = cursor.u32()?;
    let Some(address) = address.filter(|&address| address != 0 && len != 0) else { return Ok(None) };
    let mut text = heap::global(file, address, index)?;
    text.truncate(usize::try_from(len).unwrap_or(usize::MAX));
    Ok(Some(text))
}

/// A type as it is in a message; a shared one is that of another object.
pub(super) fn read_type(file: &File<'_>, data: &[u8], is_shared: bool) -> Result<Datatype, Problem> {
    if !is_shared {
        return datatype(data);
    }
    let mut cursor = Cursor::new(data);
    let version = cursor.u8()?;
    let kind = cursor.u8()?;
    if version == 1 {
        cursor.skip(6)?;
    }
    if version == 3 && kind == 1 {
        return Err(Problem::Unknown("a type is kept in a shared table"));
    }
    let address = file.address(&mut cursor)?.ok_or(Problem::Broken("a type is nowhere"))?;
    let messages = header::read(file, address)?;
    let message = messages.iter().find(|message| message.kind == DATATYPE && !message.is_shared);
    datatype(&message.ok_or(Problem::Broken("a named type has none"))?.data)
}

fn datatype(data: &[u8]) -> Result<Datatype, Problem> {
    let mut cursor = Cursor::new(data);
    let class = cursor.u8()?;
    let bits = cursor.u8()?;
    cursor.skip(2)?;
    let size = u64::from(cursor.u32()?);
    if !(1..=5).contains(&(class >> 4)) {
        return Err(Problem::Broken("there is no such version of types"));
    }
    let (name, text) = match class & 15 {
        0 if bits & 8 != 0 => (format!("int{}", size * 8), Text::None),
        0 => (format!("uint{}", size * 8), Text::None),
        1 => (format!("float{}", size * 8), Text::None),
        2 => ("time".to_owned(), Text::None),
        3 => ("string".to_owned(), Text::Fixed),
        4 => ("bitfield".to_owned(), Text::None),
        5 => ("opaque".to_owned(), Text::Fixed),
        6 => ("compound".to_owned(), Text::None),
        7 => ("reference".to_owned(), Text::None),
        8 => ("enum".to_owned(), Text::None),
        9 if bits & 15 == 1 => ("string".to_owned(), Text::Variable),
        9 => ("sequence".to_owned(), Text::None),
        10 => ("array".to_owned(), Text::None),
        11 => (format!("complex{}", size * 8), Text::None),
        _ => return Err(Problem::Broken("there is no such type")),
    };
    Ok(Datatype { name, size, text })
}

/// How many elements a shape has.
pub(super) fn elements(file: &File<'_>, data: &[u8]) -> Result<u64, Problem> {
    let mut cursor = Cursor::new(data);
    let version = cursor.u8()?;
    let rank = usize::from(cursor.u8()?);
    cursor.skip(1)?;
    let kind = match version {
        1 => {
            cursor.skip(5)?;
            u8::from(rank > 0)
        }
        2 => cursor.u8()?,
        _ => return Err(Problem::Broken("there is no such version of shapes")),
    };
    if rank > 32 {
        return Err(Problem::Broken("a shape has more dimensions than there can be"));
    }
    let mut count = u64::from(kind != 2);
    for _ in 0..rank {
        let dimension = file.length(&mut cursor)?;
        count =
            count.checked_mul(dimension).ok_or(Problem::Broken("a shape has more elements than can be"))?;
    }
    Ok(count)
}
