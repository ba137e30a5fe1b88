//! [`Reader`]: JSON as events, read strictly from a stream of any length. It holds one text at a time, and of each object
//! that is open the hashes of its names.

use crate::{
    bytes::{ReadError, Stream},
    limits,
};
use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hasher},
};

/// What comes next in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    BeginObject,
    EndObject,
    BeginArray,
    EndArray,
    /// A member's name: [`Reader::text`].
    Name,
    /// A string: [`Reader::text`].
    Text,
    /// A number: [`Reader::text`].
    Number,
    Bool(bool),
    Null,
    /// The document has ended; so has the stream, but for white space, unless more documents may follow.
    End,
}

/// Why a document cannot be read on.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It is no JSON.
    Syntax(&'static str),
    /// It ends too early.
    Ends,
    /// Its values lie in one another too deep.
    Deep,
    Read(ReadError),
}

/// Reads documents.
pub(crate) struct Reader<S> {
    stream: S,
    buffer: Vec<u8>,
    /// What of the buffer was used, and how far it is filled.
    at: usize,
    filled: usize,
    /// Where the buffer begins.
    base: u64,
    /// Where the last event began.
    began: u64,
    open: Vec<Open>,
    next: Expect,
    /// The last text, name or number.
    text: Vec<u8>,
    /// Its length in bytes, were it all kept.
    len: u64,
    /// Names of open objects that are remembered.
    names: usize,
    oddities: Oddities,
}

/// What some readers take, and others do not.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Oddities {
    /// Where the first name is that its object has already.
    pub(crate) duplicate: Option<u64>,
    /// Where the first `NaN`, `Infinity` or half of a surrogate pair is.
    pub(crate) python: Option<u64>,
    /// Whether there were more names than are compared.
    pub(crate) not_compared: bool,
}

enum Open {
    Array,
    Object(Names),
}

#[derive(Default)]
struct Names {
    few: Vec<u64>,
    many: HashSet<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// The first item of an array, or its end.
    ItemOrEnd,
    /// The first name of an object, or its end.
    NameOrEnd,
    CommaOrEnd,
    Done,
}

#[allow(dead_code, reason = "readers differ in what they ask")]
impl<S: Stream> Reader<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: vec![0; 64 * 1024],
            at: 0,
            filled: 0,
            base: 0,
            began: 0,
            open: Vec::new(),
            next: Expect::Value,
            text: Vec::new(),
            len: 0,
            names: 0,
            oddities: Oddities::default(),
        }
    }

    /// The stream, from which more was read than was given here.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// Where the last event began.
    pub(crate) fn began(&self) -> u64 {
        self.began
    }

    /// Where the next byte is.
    pub(crate) fn at(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The last name, string or number; none when it was longer than [`limits::JSON_TEXT`].
    pub(crate) fn text(&self) -> Option<&str> {
        if self.len > limits::JSON_TEXT as u64 {
            return None;
        }
        std::str::from_utf8(&self.text).ok()
    }

    /// Its length in bytes.
    pub(crate) fn text_len(&self) -> u64 {
        self.len
    }

    /// How many arrays and objects are open.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn oddities(&self) -> Oddities {
        self.oddities
    }

    /// Passes over a byte order mark, and says whether there was one.
    pub(crate) fn skip_mark(&mut self) -> Result<bool, Problem> {
        self.peek()?;
        let marked = self.buffer[self.at..self.filled].starts_with(b"\xef\xbb\xbf");
        self.at += if marked { 3 } else { 0 };
        Ok(marked)
    }

    /// Whether another document follows on the one that has ended; it comes next, then.
    pub(crate) fn another(&mut self) -> Result<bool, Problem> {
        let more = self.skip_space()?.is_some();
        if more && self.next == Expect::Done {
            self.next = Expect::Value;
        }
        Ok(more)
    }

    /// The next event of the document.
    pub(crate) fn next(&mut self) -> Result<Event, Problem> {
        if self.next == Expect::Done {
            self.began = self.at();
            return Ok(Event::End);
        }
        let mut byte = self.skip_space()?.ok_or(Problem::Ends)?;
        if self.next == Expect::CommaOrEnd {
            if byte != b',' {
                return self.close(byte);
            }
            self.at += 1;
            byte = self.skip_space()?.ok_or(Problem::Ends)?;
            if matches!(self.open.last(), Some(Open::Object(_))) {
                return self.name(byte);
            }
        }
        match (self.next, byte) {
            (Expect::ItemOrEnd, b']') | (Expect::NameOrEnd, b'}') => self.close(byte),
            (Expect::NameOrEnd, _) => self.name(byte),
            _ => self.value(byte),
        }
    }

    /// Passes over what is left of the array or object that was opened last.
    pub(crate) fn skip_rest(&mut self) -> Result<(), Problem> {
        let depth = self.depth();
        while self.depth() >= depth && depth > 0 {
            self.next()?;
        }
        Ok(())
    }

    fn value(&mut self, byte: u8) -> Result<Event, Problem> {
        self.began = self.at();
        let event = match byte {
            b'{' | b'[' => {
                if self.open.len() >= limits::JSON_DEPTH {
                    return Err(Problem::Deep);
                }
                self.at += 1;
                let object = byte == b'{';
                self.open.push(if object { Open::Object(Names::default()) } else { Open::Array });
                self.next = if object { Expect::NameOrEnd } else { Expect::ItemOrEnd };
                return Ok(if object { Event::BeginObject } else { Event::BeginArray });
            }
            b'"' => {
                self.string()?;
                Event::Text
            }
            b'-' | b'0'..=b'9' => self.number()?,
            _ => self.word()?,
        };
        self.next = self.after();
        Ok(event)
    }

    fn after(&self) -> Expect {
        if self.open.is_empty() { Expect::Done } else { Expect::CommaOrEnd }
    }

    fn close(&mut self, byte: u8) -> Result<Event, Problem> {
        let event = match (self.open.last(), byte) {
            (Some(Open::Array), b']') => Event::EndArray,
            (Some(Open::Object(_)), b'}') => Event::EndObject,
            (Some(Open::Array), _) => return Err(Problem::Syntax("a comma or ']' was expected")),
            _ => return Err(Problem::Syntax("a comma or '}' was expected")),
        };
        self.began = self.at();
        self.at += 1;
        if let Some(Open::Object(names)) = self.open.pop() {
            self.names -= names.few.len() + names.many.len();
        }
        self.next = self.after();
        Ok(event)
    }

    fn name(&mut self, byte: u8) -> Result<Event, Problem> {
        if byte != b'"' {
            return Err(Problem::Syntax("a name was expected"));
        }
        let began = self.at();
        let hash = self.string()?;
        if self.skip_space()? != Some(b':') {
            return Err(if self.peek()?.is_none() {
                Problem::Ends
            } else {
                Problem::Syntax("a colon was expected")
            });
        }
        self.at += 1;
        self.began = began;
        self.next = Expect::Value;
        if let Some(Open::Object(names)) = self.open.last_mut() {
            if self.names >= limits::JSON_NAMES {
                self.oddities.not_compared = true;
            } else if names.insert(hash) {
                self.names += 1;
            } else {
                self.oddities.duplicate.get_or_insert(began);
            }
        }
        Ok(Event::Name)
    }

    /// Reads a string and gives a hash of it.
    fn string(&mut self) -> Result<u64, Problem> {
        self.at += 1;
        self.text.clear();
        self.len = 0;
        let mut hash = DefaultHasher::new();
        // The first half of a surrogate pair that was escaped just before.
        let mut high: Option<u16> = None;
        loop {
            if self.peek()?.is_none() {
                return Err(Problem::Ends);
            }
            let rest = &self.buffer[self.at..self.filled];
            let plain = rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(rest.len());
            if plain > 0 {
                if high.take().is_some() {
                    self.lone(&mut hash)?;
                }
                let start = self.text.len();
                self.text.extend_from_slice(&self.buffer[self.at..self.at + plain]);
                self.at += plain;
                self.grew(start, &mut hash)?;
                continue;
            }
            let byte = rest[0];
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => high = self.escape(high, &mut hash)?,
                _ => return Err(Problem::Syntax("a control character stands in a string")),
            }
        }
        if high.is_some() {
            self.lone(&mut hash)?;
        }
        if std::str::from_utf8(&self.text).is_err() {
            return Err(Problem::Syntax("a string is not UTF-8"));
        }
        Ok(hash.finish())
    }

    /// Reads the rest of an escape; gives the half of a surrogate pair that it is.
    fn escape(&mut self, high: Option<u16>, hash: &mut DefaultHasher) -> Result<Option<u16>, Problem> {
        let byte = self.take()?;
        let mut encoded = [0; 4];
        let char = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut unit: u16 = 0;
                for _ in 0..4 {
                    let digit = char::from(self.take()?).to_digit(16);
                    let digit = digit.and_then(|digit| u16::try_from(digit).ok());
                    unit = unit << 4
                        | digit.ok_or(Problem::Syntax("an escape has other digits than hexadecimal"))?;
                }
                match (high, unit) {
                    (_, 0xd800..=0xdbff) => {
                        if high.is_some() {
                            self.lone(hash)?;
                        }
                        return Ok(Some(unit));
                    }
                    (Some(high), 0xdc00..=0xdfff) => {
                        let code = 0x10000 + (u32::from(high) - 0xd800) * 0x400 + (u32::from(unit) - 0xdc00);
                        let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                        self.push(char.encode_utf8(&mut encoded), hash)?;
                        return Ok(None);
                    }
                    (None, 0xdc00..=0xdfff) => {
                        self.lone(hash)?;
                        return Ok(None);
                    }
                    _ => char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER),
                }
            }
            _ => return Err(Problem::Syntax("there is no such escape")),
        };
        if high.is_some() {
            self.lone(hash)?;
        }
        self.push(char.encode_utf8(&mut encoded), hash)?;
        Ok(None)
    }

    /// Half of a surrogate pair without the other half.
    fn lone(&mut self, hash: &mut DefaultHasher) -> Result<(), Problem> {
        let at = self.at();
        self.oddities.python.get_or_insert(at);
        self.push("\u{fffd}", hash)
    }

    fn push(&mut self, text: &str, hash: &mut DefaultHasher) -> Result<(), Problem> {
        let start = self.text.len();
        self.text.extend_from_slice(text.as_bytes());
        self.grew(start, hash)
    }

    /// Counts what was added to the text, and forgets what is too long to keep.
    fn grew(&mut self, start: usize, hash: &mut DefaultHasher) -> Result<(), Problem> {
        let added = &self.text[start..];
        // Byte by byte, so that it does not matter how the buffer cuts it.
        hash.write(added);
        self.len += added.len() as u64;
        if self.text.len() > 2 * limits::JSON_TEXT {
            let whole = match std::str::from_utf8(&self.text) {
                Ok(_) => self.text.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => return Err(Problem::Syntax("a string is not UTF-8")),
            };
            self.text.drain(..whole);
        }
        Ok(())
    }

    /// Reads a number as it is spelled.
    fn number(&mut self) -> Result<Event, Problem> {
        self.text.clear();
        while let Some(byte @ (b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) = self.peek()? {
            if self.text.len() >= limits::JSON_NUMBER {
                return Err(Problem::Syntax("a number is longer than any"));
            }
            self.text.push(byte);
            self.at += 1;
        }
        self.len = self.text.len() as u64;
        if self.text == b"-" && self.peek()? == Some(b'I') {
            self.letters()?;
            return self.odd(b"-Infinity");
        }
        if is_number(&self.text) { Ok(Event::Number) } else { Err(Problem::Syntax("a number is misspelled")) }
    }

    fn word(&mut self) -> Result<Event, Problem> {
        self.text.clear();
        self.letters()?;
        self.len = self.text.len() as u64;
        match self.text.as_slice() {
            b"true" => Ok(Event::Bool(true)),
            b"false" => Ok(Event::Bool(false)),
            b"null" => Ok(Event::Null),
            b"Infinity" => self.odd(b"Infinity"),
            b"NaN" => self.odd(b"NaN"),
            word => {
                let cut = [&b"true"[..], b"false", b"null", b"Infinity", b"NaN"]
                    .iter()
                    .any(|w| w.starts_with(word));
                if cut && self.peek()?.is_none() {
                    Err(Problem::Ends)
                } else {
                    Err(Problem::Syntax("a value was expected"))
                }
            }
        }
    }

    fn letters(&mut self) -> Result<(), Problem> {
        while let Some(byte) = self.peek()?.filter(u8::is_ascii_alphabetic) {
            if self.text.len() > 16 {
                break;
            }
            self.text.push(byte);
            self.at += 1;
        }
        Ok(())
    }

    /// What Python writes for numbers that JSON does not have.
    fn odd(&mut self, spelled: &[u8]) -> Result<Event, Problem> {
        if self.text != spelled {
            return Err(Problem::Syntax("a value was expected"));
        }
        let began = self.began;
        self.oddities.python.get_or_insert(began);
        self.len = self.text.len() as u64;
        Ok(Event::Number)
    }

    fn take(&mut self) -> Result<u8, Problem> {
        let byte = self.peek()?.ok_or(Problem::Ends)?;
        self.at += 1;
        Ok(byte)
    }

    fn skip_space(&mut self) -> Result<Option<u8>, Problem> {
        loop {
            match self.peek()? {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return Ok(other),
            }
        }
    }

    fn peek(&mut self) -> Result<Option<u8>, Problem> {
        if self.at == self.filled {
            self.base += self.filled as u64;
            self.at = 0;
            self.filled = 0;
            self.filled = self.stream.read(&mut self.buffer).map_err(Problem::Read)?;
        }
        Ok(self.buffer[..self.filled].get(self.at).copied())
    }
}

impl Names {
    /// False when the name is there already.
    fn insert(&mut self, hash: u64) -> bool {
        if self.few.contains(&hash) || self.many.contains(&hash) {
            return false;
        }
        // Nearly all objects have a handful.
        if self.few.len() < 16 {
            self.few.push(hash);
        } else {
            self.many.insert(hash);
        }
        true
    }
}

/// Whether this is JSON's spelling of a number.
fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    if whole == 0 || whole > 1 && text[0] == b'0' {
        return false;
    }
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = &fraction[count..];
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let exponent =
            exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let count = digits(exponent);
        if count == 0 {
            return false;
        }
        rest = &exponent[count..];
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests;
