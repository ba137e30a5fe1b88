//! [`Reader`]: universal binary JSON as events, read from a stream of any length.

use crate::{
    bytes::{ReadError, Stream},
    limits,
};

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Event {
    BeginObject,
    EndObject,
    BeginArray,
    EndArray,
    /// A member's name: [`Reader::text`].
    Name,
    /// A string: [`Reader::text`].
    Text,
    Int(i64),
    Float(f64),
    /// True, false or null.
    Other,
    End,
}

/// Why it cannot be read on.
#[derive(Debug)]
pub(super) enum Problem {
    Syntax(&'static str),
    Deep,
    Read(ReadError),
}

/// Reads one value and all in it.
pub(super) struct Reader<S> {
    stream: S,
    buffer: Vec<u8>,
    used: usize,
    /// Where the buffer begins.
    base: u64,
    open: Vec<Open>,
    text: Vec<u8>,
    begun: bool,
}

struct Open {
    object: bool,
    /// The type of every value, when it was said once.
    of: Option<u8>,
    /// How many are left, when it was said how many there are.
    left: Option<u64>,
    /// Whether the value of a name comes next.
    value_next: bool,
}

impl<S: Stream> Reader<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            used: 0,
            base: 0,
            open: Vec::new(),
            text: Vec::new(),
            begun: false,
        }
    }

    /// Where the next byte is.
    pub(super) fn at(&self) -> u64 {
        self.base + self.used as u64
    }

    /// The last name or string; what is longer than a line is cut.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    pub(super) fn next(&mut self) -> Result<Event, Problem> {
        let Some(open) = self.open.last_mut() else {
            if self.begun {
                return Ok(Event::End);
            }
            self.begun = true;
            let marker = self.marker()?;
            return self.value(marker);
        };
        if open.value_next || !open.object {
            if !open.object {
                match &mut open.left {
                    Some(0) => return Ok(self.close()),
                    Some(left) => *left -= 1,
                    None => {}
                }
            }
            open.value_next = false;
            let (of, counted, object) = (open.of, open.left.is_some(), open.object);
            let marker = match of {
                Some(of) => of,
                None => self.marker()?,
            };
            if marker == b']' && !object && !counted {
                return Ok(self.close());
            }
            return self.value(marker);
        }
        match &mut open.left {
            Some(0) => return Ok(self.close()),
            Some(left) => *left -= 1,
            None => {}
        }
        let counted = open.left.is_some();
        open.value_next = true;
        let marker = self.marker()?;
        if marker == b'}' && !counted {
            return Ok(self.close());
        }
        // Some writers leave out that names are strings; all do.
        let marker = if marker == b'S' { self.marker()? } else { marker };
        self.string(marker)?;
        Ok(Event::Name)
    }

    fn close(&mut self) -> Event {
        match self.open.pop() {
            Some(open) if open.object => Event::EndObject,
            _ => Event::EndArray,
        }
    }

    fn value(&mut self, marker: u8) -> Result<Event, Problem> {
        Ok(match marker {
            b'{' | b'[' => return self.begin(marker == b'{'),
            b'S' => {
                let marker = self.marker()?;
                self.string(marker)?;
                Event::Text
            }
            // A number of any length in text.
            b'H' => {
                let marker = self.marker()?;
                self.string(marker)?;
                Event::Other
            }
            b'C' => {
                self.take()?;
                Event::Other
            }
            b'Z' | b'T' | b'F' => Event::Other,
            b'd' => Event::Float(f64::from(f32::from_be_bytes(self.bytes()?))),
            b'D' => Event::Float(f64::from_be_bytes(self.bytes()?)),
            _ => Event::Int(self.int(marker)?),
        })
    }

    fn begin(&mut self, object: bool) -> Result<Event, Problem> {
        if self.open.len() >= limits::JSON_DEPTH {
            return Err(Problem::Deep);
        }
        let mut open = Open { object, of: None, left: None, value_next: false };
        if self.peek()? == Some(b'$') {
            self.take()?;
            let of = self.take()?;
            // Values that take no bytes could be any number of them.
            if !b"SHCdDiUIulmLM[{".contains(&of) {
                return Err(Problem::Syntax(
                    "an array is of a type that takes no bytes, or that does not exist",
                ));
            }
            open.of = Some(of);
            if self.peek()? != Some(b'#') {
                return Err(Problem::Syntax("there is a type, and no count"));
            }
        }
        if self.peek()? == Some(b'#') {
            self.take()?;
            let marker = self.take()?;
            let count =
                u64::try_from(self.int(marker)?).map_err(|_| Problem::Syntax("a count is negative"))?;
            let size = match open.of {
                Some(b'd' | b'l' | b'm') => 4,
                Some(b'D' | b'L' | b'M') => 8,
                Some(b'I' | b'u') => 2,
                _ => 1,
            };
            let there = self.stream.remaining().map(|left| left + (self.buffer.len() - self.used) as u64);
            if there.is_some_and(|there| count.saturating_mul(size) > there) {
                return Err(Problem::Syntax("there are fewer bytes than a count says"));
            }
            open.left = Some(count);
        }
        self.open.push(open);
        Ok(if object { Event::BeginObject } else { Event::BeginArray })
    }

    fn int(&mut self, marker: u8) -> Result<i64, Problem> {
        Ok(match marker {
            b'i' => i64::from(i8::from_be_bytes(self.bytes()?)),
            b'U' => i64::from(self.take()?),
            b'I' => i64::from(i16::from_be_bytes(self.bytes()?)),
            b'u' => i64::from(u16::from_be_bytes(self.bytes()?)),
            b'l' => i64::from(i32::from_be_bytes(self.bytes()?)),
            b'm' => i64::from(u32::from_be_bytes(self.bytes()?)),
            b'L' => i64::from_be_bytes(self.bytes()?),
            b'M' => i64::try_from(u64::from_be_bytes(self.bytes()?))
                .map_err(|_| Problem::Syntax("a number is larger than any"))?,
            _ => return Err(Problem::Syntax("there is no such type")),
        })
    }

    /// Reads a string whose length is of this type.
    fn string(&mut self, marker: u8) -> Result<(), Problem> {
        let len = u64::try_from(self.int(marker)?).map_err(|_| Problem::Syntax("a length is negative"))?;
        let there = self.stream.remaining().map(|left| left + (self.buffer.len() - self.used) as u64);
        if there.is_some_and(|there| len > there) {
            return Err(Problem::Syntax("a string is longer than what is left"));
        }
        self.text.clear();
        let mut left = len;
        while left > 0 {
            if self.peek()?.is_none() {
                return Err(Problem::Syntax("it ends within a string"));
            }
            let part = self.buffer.get(self.used..).unwrap_or_default();
            let count = part.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let room = limits::LINE.saturating_sub(self.text.len());
            self.text.extend_from_slice(part.get(..count.min(room)).unwrap_or_default());
            self.used += count;
            left -= count as u64;
        }
        Ok(())
    }

    /// The next marker; those that mean nothing are passed over.
    fn marker(&mut self) -> Result<u8, Problem> {
        loop {
            match self.take()? {
                b'N' => {}
                marker => return Ok(marker),
            }
        }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.take()?;
        }
        Ok(bytes)
    }

    fn take(&mut self) -> Result<u8, Problem> {
        let byte = self.peek()?.ok_or(Problem::Syntax("it ends within a value"))?;
        self.used += 1;
        Ok(byte)
    }

    /// The next byte, which stays.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Problem> {
        if self.used >= self.buffer.len() {
            self.base += self.buffer.len() as u64;
            self.used = 0;
            self.buffer.resize(64 * 1024, 0);
            let read = self.stream.read(&mut self.buffer).map_err(Problem::Read);
            self.buffer.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        Ok(self.buffer.get(self.used).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Input;

    fn events(data: &[u8]) -> Result<String, Problem> {
        let data = data.to_vec();
        let mut reader = Reader::new(Input::of(&data).stream());
        let mut shown = String::new();
        loop {
            match reader.next()? {
                Event::End => return Ok(shown),
                Event::Name => shown.push_str(&format!("{}: ", reader.text())),
                Event::Text => shown.push_str(&format!("'{}' ", reader.text())),
                other => shown.push_str(&format!("{other:?} ")),
            }
        }
    }

    #[test]
    fn values_of_every_kind_are_read() {
        let data = b"{i\x01ai\x05i\x01b[U\xff]U\x01cSi\x02hiI\0\x01d[#i\x02ZTi\x01e[$d#i\x01\x3f\x80\0\0i\x01f[$l#i\0}";
        assert_eq!(
            events(data).unwrap(),
            "BeginObject a: Int(5) b: BeginArray Int(255) EndArray c: 'hi' d: BeginArray Other Other EndArray \
             e: BeginArray Float(1.0) EndArray f: BeginArray EndArray EndObject "
        );
        for end in 0..data.len() {
            assert!(events(&data[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn counts_and_lengths_must_fit() {
        for data in [
            &b"[$d#L\x10\0\0\0\0\0\0\0"[..],
            b"[#l\x7f\xff\xff\xff",
            b"[$Z#L\x10\0\0\0\0\0\0\0",
            b"[#i\xff",
            b"SL\x10\0\0\0\0\0\0\0",
            b"[$d",
            b"x",
        ] {
            assert!(matches!(events(data), Err(Problem::Syntax(_))), "{data:?}");
        }
        assert!(matches!(events(&b"[".repeat(1000)), Err(Problem::Deep)));
    }
}
