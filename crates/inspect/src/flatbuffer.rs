//! Flatbuffers, read at any place: every table, vector and text is checked against the file before it is followed.

use crate::{
    bytes::{Input, ReadError},
    limits,
};

/// Bytes that are read at a time, and how many such pieces are kept: tables and what they point to lie apart.
const PAGE: usize = 4096;
const PAGES: usize = 64;

/// Why a flatbuffer cannot be read further.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The file cannot be read.
    Read(ReadError),
    /// Something leads beyond the file, or is none.
    Broken(u64, &'static str),
    /// More has been followed than the file has bytes for.
    Steps(u64),
}

/// A table: a few fields, found through another table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) at: u64,
    len: u64,
    fields: u64,
    fields_len: u64,
}

/// A vector, all of which lies in the file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Vector {
    pub(crate) at: u64,
    pub(crate) count: u64,
}

pub(crate) struct Flatbuffer<'a> {
    input: Input<'a>,
    pages: Vec<(u64, Vec<u8>)>,
    steps: u64,
}

impl<'a> Flatbuffer<'a> {
    pub(crate) fn new(input: Input<'a>) -> Self {
        let pages = vec![(u64::MAX, Vec::new()); PAGES];
        let steps = limits::FLATBUFFER_STEPS.saturating_add(input.len());
        Self { input, pages, steps }
    }

    pub(crate) const fn len(&self) -> u64 {
        self.input.len()
    }

    /// The table that everything hangs on.
    pub(crate) fn root(&mut self) -> Result<Table, Fault> {
        let at = u64::from(self.u32(0)?);
        if at < 4 {
            return Err(Fault::Broken(0, "the root is no table"));
        }
        self.table(at)
    }

    /// Where a table has a field of this place in its schema; none when it has not.
    pub(crate) fn field(&mut self, table: Table, place: u64, size: u64) -> Result<Option<u64>, Fault> {
        let entry = 4 + 2 * place;
        if entry + 2 > table.fields_len {
            return Ok(None);
        }
        match u64::from(self.u16(table.fields + entry)?) {
            0 => Ok(None),
            offset if offset >= 4 && offset + size <= table.len => Ok(Some(table.at + offset)),
            _ => Err(Fault::Broken(table.fields + entry, "a field lies outside its table")),
        }
    }

    pub(crate) fn field_u8(&mut self, table: Table, place: u64) -> Result<u8, Fault> {
        match self.field(table, place, 1)? {
            Some(at) => Ok(self.array::<1>(at)?[0]),
            None => Ok(0),
        }
    }

    pub(crate) fn field_u32(&mut self, table: Table, place: u64) -> Result<u32, Fault> {
        self.field(table, place, 4)?.map_or(Ok(0), |at| self.u32(at))
    }

    pub(crate) fn field_u64(&mut self, table: Table, place: u64) -> Result<u64, Fault> {
        self.field(table, place, 8)?.map_or(Ok(0), |at| self.u64(at))
    }

    pub(crate) fn field_table(&mut self, table: Table, place: u64) -> Result<Option<Table>, Fault> {
        let Some(at) = self.field(table, place, 4)? else { return Ok(None) };
        let at = self.follow(at)?;
        self.table(at).map(Some)
    }

    /// A vector of elements of this size; an empty one when the table has none.
    pub(crate) fn field_vector(&mut self, table: Table, place: u64, size: u64) -> Result<Vector, Fault> {
        let Some(at) = self.field(table, place, 4)? else { return Ok(Vector::default()) };
        let at = self.follow(at)?;
        self.step(1)?;
        let count = u64::from(self.u32(at)?);
        let end = count.checked_mul(size).and_then(|bytes| bytes.checked_add(at + 4));
        if end.is_none_or(|end| end > self.len()) {
            return Err(Fault::Broken(at, "a vector is longer than the file"));
        }
        Ok(Vector { at: at + 4, count })
    }

    /// A text; what is no UTF-8 shows as such, and what is longer than `most` bytes is cut.
    pub(crate) fn field_text(
        &mut self,
        table: Table,
        place: u64,
        most: usize,
    ) -> Result<Option<String>, Fault> {
        if self.field(table, place, 4)?.is_none() {
            return Ok(None);
        }
        let vector = self.field_vector(table, place, 1)?;
        let len = usize::try_from(vector.count).unwrap_or(usize::MAX).min(most);
        let bytes = self.input.read_some(vector.at, len).map_err(Fault::Read)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A table of a vector of tables.
    pub(crate) fn element(&mut self, vector: Vector, index: u64) -> Result<Table, Fault> {
        let at = self.follow(vector.at + 4 * index)?;
        self.table(at)
    }

    /// A number of a vector of such.
    pub(crate) fn element_u32(&mut self, vector: Vector, index: u64) -> Result<u32, Fault> {
        self.step(1)?;
        self.u32(vector.at + 4 * index)
    }

    fn table(&mut self, at: u64) -> Result<Table, Fault> {
        self.step(1)?;
        let back = i64::from(self.u32(at)?.cast_signed());
        let fields = i64::try_from(at).ok().and_then(|at| at.checked_sub(back));
        let fields = fields.and_then(|fields| u64::try_from(fields).ok());
        let fields = fields.ok_or(Fault::Broken(at, "a table's description lies outside the file"))?;
        let fields_len = u64::from(self.u16(fields)?);
        let len = u64::from(self.u16(fields + 2)?);
        let inside = fields + fields_len <= self.len() && at + len <= self.len();
        if !inside || fields_len < 4 || fields_len % 2 != 0 || len < 4 {
            return Err(Fault::Broken(at, "a table's description is none"));
        }
        Ok(Table { at, len, fields, fields_len })
    }

    fn follow(&mut self, at: u64) -> Result<u64, Fault> {
        match self.u32(at)? {
            0 => Err(Fault::Broken(at, "an offset leads to itself")),
            offset => Ok(at + u64::from(offset)),
        }
    }

    fn step(&mut self, count: u64) -> Result<(), Fault> {
        match self.steps.checked_sub(count) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(Fault::Steps(limits::FLATBUFFER_STEPS.saturating_add(self.len()))),
        }
    }

    fn u16(&mut self, at: u64) -> Result<u16, Fault> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, at: u64) -> Result<u32, Fault> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, at: u64) -> Result<u64, Fault> {
        self.array(at).map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self, at: u64) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        for (byte, place) in array.iter_mut().zip(at..) {
            let page = place / PAGE as u64;
            let slot = usize::try_from(page % PAGES as u64).unwrap_or_default();
            let Some((held, bytes)) = self.pages.get_mut(slot) else { continue };
            if *held != page {
                *bytes = self.input.read_some(page * PAGE as u64, PAGE).map_err(Fault::Read)?;
                *held = page;
            }
            let inside = usize::try_from(place % PAGE as u64).unwrap_or_default();
            *byte = *bytes.get(inside).ok_or(Fault::Broken(at, "something leads beyond the file"))?;
        }
        Ok(array)
    }
}

#[cfg(test)]
pub(crate) mod build {
    //! Makes flatbuffers for tests: each table with a description of its own, what it points to behind it.

    #![expect(clippy::cast_possible_truncation, reason = "what is made here is small")]

    #[derive(Clone)]
    pub(crate) enum Value {
        U8(u8),
        U32(u32),
        U64(u64),
        Text(&'static str),
        Bytes(Vec<u8>),
        U32s(Vec<u32>),
        Tables(Vec<Vec<(usize, Value)>>),
    }

    /// A file of this mark with this root.
    pub(crate) fn file(mark: &[u8; 4], root: Vec<(usize, Value)>) -> Vec<u8> {
        let mut out = vec![0; 4];
        out.extend(mark);
        let at = table(&mut out, root);
        out[..4].copy_from_slice(&(at as u32).to_le_bytes());
        out
    }

    fn table(out: &mut Vec<u8>, fields: Vec<(usize, Value)>) -> usize {
        let places = fields.iter().map(|(place, _)| place + 1).max().unwrap_or(0);
        let description = out.len();
        let len = 4 + 8 * fields.len();
        out.extend((4 + 2 * places as u16).to_le_bytes());
        out.extend((len as u16).to_le_bytes());
        for place in 0..places {
            let index = fields.iter().position(|(number, _)| *number == place);
            out.extend((index.map_or(0, |index| 4 + 8 * index) as u16).to_le_bytes());
        }
        let at = out.len();
        out.extend(((at - description) as i32).to_le_bytes());
        out.resize(at + len, 0);
        for (index, (_, value)) in fields.into_iter().enumerate() {
            let field = at + 4 + 8 * index;
            match value {
                Value::U8(value) => out[field] = value,
                Value::U32(value) => out[field..field + 4].copy_from_slice(&value.to_le_bytes()),
                Value::U64(value) => out[field..field + 8].copy_from_slice(&value.to_le_bytes()),
                Value::Text(text) => bytes(out, field, text.as_bytes()),
                Value::Bytes(value) => bytes(out, field, &value),
                Value::U32s(values) => {
                    point(out, field);
                    out.extend((values.len() as u32).to_le_bytes());
                    values.iter().for_each(|value| out.extend(value.to_le_bytes()));
                }
                Value::Tables(tables) => {
                    point(out, field);
                    out.extend((tables.len() as u32).to_le_bytes());
                    let first = out.len();
                    out.resize(first + 4 * tables.len(), 0);
                    for (index, fields) in tables.into_iter().enumerate() {
                        let (from, to) = (first + 4 * index, table(out, fields));
                        out[from..from + 4].copy_from_slice(&((to - from) as u32).to_le_bytes());
                    }
                }
            }
        }
        at
    }

    fn bytes(out: &mut Vec<u8>, field: usize, value: &[u8]) {
        point(out, field);
        out.extend((value.len() as u32).to_le_bytes());
        out.extend(value);
        out.push(0);
    }

    fn point(out: &mut [u8], field: usize) {
        let offset = (out.len() - field) as u32;
        out[field..field + 4].copy_from_slice(&offset.to_le_bytes());
    }
}
