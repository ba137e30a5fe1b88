//! The wire format of protocol buffers, walked in place: fields are found, and what nobody asks for is passed over
//! without being read.

use crate::{
    bytes::{Input, ReadError},
    limits,
};

/// Bytes that are read at a time.
const WINDOW: usize = 16 * 1024;

/// A range of the file: a message, a text, or packed numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// A field as it lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) value: Value,
    /// Where its tag begins.
    pub(crate) at: u64,
}

/// The value of a field, by its wire type. Only the schema knows more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Varint(u64),
    Fixed64(u64),
    Bytes(Span),
    Fixed32(u32),
}

/// Why a message cannot be walked.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The file cannot be read.
    Read(ReadError),
    /// The bytes are no message.
    Broken(u64, &'static str),
    /// Messages lie in one another deeper than decoders follow.
    Deep(u64),
}

/// Walks messages of one file, each byte of a field's head once for every time it is asked for.
pub(crate) struct Wire<'a> {
    input: Input<'a>,
    window: Vec<u8>,
    start: u64,
    depth: u32,
}

impl Span {
    pub(crate) const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

impl<'a> Wire<'a> {
    pub(crate) fn new(input: Input<'a>) -> Self {
        Self { input, window: Vec::new(), start: 0, depth: 0 }
    }

    /// All of the file.
    pub(crate) fn whole(&self) -> Span {
        Span { start: 0, end: self.input.len() }
    }

    /// The next field of `message`, which shrinks to what follows it; none at its end.
    pub(crate) fn next(&mut self, message: &mut Span) -> Result<Option<Field>, Fault> {
        if message.start >= message.end {
            return Ok(None);
        }
        let at = message.start;
        let tag = self.varint(message)?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let number = number.ok_or(Fault::Broken(at, "a field's number is none"))?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint(message)?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array(message)?)),
            2 => {
                let len = self.varint(message)?;
                let start = message.start;
                let end = start.checked_add(len).filter(|end| *end <= message.end);
                let end = end.ok_or(Fault::Broken(at, "a field is longer than what holds it"))?;
                message.start = end;
                Value::Bytes(Span { start, end })
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array(message)?)),
            // No schema of a model has had groups.
            3 | 4 => return Err(Fault::Broken(at, "a field is a group")),
            _ => return Err(Fault::Broken(at, "there is no such wire type")),
        };
        Ok(Some(Field { number, value, at }))
    }

    /// The next of packed numbers.
    pub(crate) fn packed(&mut self, numbers: &mut Span) -> Result<Option<u64>, Fault> {
        if numbers.start >= numbers.end { Ok(None) } else { self.varint(numbers).map(Some) }
    }

    /// Goes into a message within a message, unless it lies too deep.
    pub(crate) fn enter(&mut self, at: u64) -> Result<(), Fault> {
        if self.depth >= limits::PROTOBUF_DEPTH {
            return Err(Fault::Deep(at));
        }
        self.depth += 1;
        Ok(())
    }

    /// Comes out of it again.
    pub(crate) const fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// The first `most` bytes of a field.
    pub(crate) fn bytes(&self, span: Span, most: usize) -> Result<Vec<u8>, Fault> {
        let len = usize::try_from(span.len()).unwrap_or(usize::MAX).min(most);
        self.input.read_some(span.start, len).map_err(Fault::Read)
    }

    /// The first `most` bytes of a field as text; what is no UTF-8 shows as such.
    pub(crate) fn text(&mut self, span: Span, most: usize) -> Result<String, Fault> {
        let len = usize::try_from(span.len()).unwrap_or(usize::MAX).min(most);
        if len < WINDOW / 2 {
            self.fill(span.start, len)?;
            let from = usize::try_from(span.start - self.start).unwrap_or(usize::MAX);
            if let Some(bytes) = self.window.get(from..from.saturating_add(len)) {
                return Ok(String::from_utf8_lossy(bytes).into_owned());
            }
        }
        Ok(String::from_utf8_lossy(&self.bytes(span, most)?).into_owned())
    }

    fn varint(&mut self, span: &mut Span) -> Result<u64, Fault> {
        let at = span.start;
        let mut value = 0_u64;
        for place in 0..10 {
            let byte = u64::from(self.byte(span)?);
            value |= (byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::Broken(at, "a number is longer than ten bytes"))
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self, span: &mut Span) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        for byte in &mut array {
            *byte = self.byte(span)?;
        }
        Ok(array)
    }

    fn byte(&mut self, span: &mut Span) -> Result<u8, Fault> {
        let at = span.start;
        if at >= span.end {
            return Err(Fault::Broken(at, "a field ends before it is whole"));
        }
        self.fill(at, 1)?;
        let place = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let byte = self.window.get(place).ok_or(Fault::Broken(at, "the file ends within a field"))?;
        span.start += 1;
        Ok(*byte)
    }

    /// Sees to it that `len` bytes from `at` on are in the window, as far as the file has them.
    fn fill(&mut self, at: u64, len: usize) -> Result<(), Fault> {
        let end = self.start + self.window.len() as u64;
        if at < self.start || at.saturating_add(len as u64) > end && end < self.input.len() || at > end {
            self.window = self.input.read_some(at, WINDOW).map_err(Fault::Read)?;
            self.start = at;
        }
        Ok(())
    }
}

impl Value {
    pub(crate) const fn span(self) -> Option<Span> {
        match self {
            Self::Bytes(span) => Some(span),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod build {
    //! Makes messages for tests.

    #![expect(clippy::cast_possible_truncation, reason = "what is made here is small")]

    pub(crate) fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    pub(crate) fn number(field: u64, value: u64) -> Vec<u8> {
        [varint(field << 3), varint(value)].concat()
    }

    pub(crate) fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
        let value = value.as_ref();
        [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::{build::*, *};

    fn walk(data: &[u8]) -> Result<Vec<Field>, Fault> {
        let data = data.to_vec();
        let mut wire = Wire::new(Input::of(&data));
        let mut span = wire.whole();
        let mut fields = Vec::new();
        while let Some(field) = wire.next(&mut span)? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn fields_of_every_wire_type() {
        let data =
            [number(1, 300), bytes(7, b"abc"), vec![0x1d, 1, 0, 0, 0], vec![0x21, 2, 0, 0, 0, 0, 0, 0, 0]]
                .concat();
        let fields = walk(&data).unwrap();
        let values: Vec<(u32, Value)> = fields.iter().map(|field| (field.number, field.value)).collect();
        assert_eq!(
            values,
            [
                (1, Value::Varint(300)),
                (7, Value::Bytes(Span { start: 5, end: 8 })),
                (3, Value::Fixed32(1)),
                (4, Value::Fixed64(2)),
            ]
        );
        for cut in 0..data.len() {
            let whole = fields.iter().any(|field| field.at == cut as u64);
            assert_eq!(walk(&data[..cut]).is_ok(), whole, "{cut}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for data in [
            &b"\x00\x01"[..],
            b"\x0b\x0c",
            b"\x0e",
            b"\x0f",
            b"\x0a\x05ab",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\xf8\xff\xff\xff\xff\x01\x01",
        ] {
            assert!(matches!(walk(data), Err(Fault::Broken(..))), "{data:?}");
        }
    }

    #[test]
    fn what_is_passed_over_is_not_read() {
        use std::sync::atomic::{AtomicU64, Ordering};
        struct Counted(Vec<u8>, AtomicU64);
        impl crate::bytes::Bytes for Counted {
            fn len(&self) -> u64 {
                self.0.len() as u64
            }
            fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.1.fetch_add(buffer.len() as u64, Ordering::Relaxed);
                self.0.as_slice().read_at(offset, buffer)
            }
        }
        let data = Counted([bytes(9, vec![7; 10_000_000]), number(1, 5)].concat(), AtomicU64::new(0));
        let mut wire = Wire::new(Input::of(&data));
        let mut span = wire.whole();
        while wire.next(&mut span).unwrap().is_some() {}
        assert!(data.1.load(Ordering::Relaxed) <= 2 * WINDOW as u64);
    }

    #[test]
    fn depth_has_an_end() {
        let data = Vec::new();
        let mut wire = Wire::new(Input::of(&data));
        for _ in 0..limits::PROTOBUF_DEPTH {
            wire.enter(0).unwrap();
        }
        assert!(matches!(wire.enter(7), Err(Fault::Deep(7))));
        wire.leave();
        wire.enter(0).unwrap();
    }
}
