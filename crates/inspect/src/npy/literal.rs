//! Python's notation for values, as far as NumPy's headers use it. A key that is there twice is refused: two readers could
//! take different ones.

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    Int(i64),
    Bool(bool),
    None,
    /// A tuple or a list.
    Sequence(Vec<Literal>),
    Dict(Vec<(String, Literal)>),
}

/// Nesting of structured types; real ones nest three levels.
const DEPTH: usize = 32;

/// Reads one value and the white space around it.
pub(super) fn parse(text: &[u8]) -> Option<Literal> {
    let mut parser = Parser { rest: text };
    let value = parser.value(0)?;
    parser.space();
    parser.rest.is_empty().then_some(value)
}

struct Parser<'t> {
    rest: &'t [u8],
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Option<Literal> {
        if depth > DEPTH {
            return None;
        }
        self.space();
        match *self.rest.first()? {
            b'{' => self.dict(depth),
            b'(' => self.sequence(b')', depth),
            b'[' => self.sequence(b']', depth),
            b'\'' | b'"' => self.text().map(Literal::Text),
            b'-' | b'0'..=b'9' => self.int(),
            _ => {
                let len = self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                let (word, rest) = self.rest.split_at(len);
                self.rest = rest;
                match word {
                    b"True" => Some(Literal::Bool(true)),
                    b"False" => Some(Literal::Bool(false)),
                    b"None" => Some(Literal::None),
                    // Python 2 marks its text.
                    b"u" | b"b" => self.text().map(Literal::Text),
                    _ => None,
                }
            }
        }
    }

    fn dict(&mut self, depth: usize) -> Option<Literal> {
        self.take(b'{');
        let mut entries: Vec<(String, Literal)> = Vec::new();
        loop {
            self.space();
            if self.take(b'}') {
                return Some(Literal::Dict(entries));
            }
            let Literal::Text(key) = self.value(depth + 1)? else { return None };
            self.space();
            if !self.take(b':') || entries.iter().any(|(other, _)| *other == key) {
                return None;
            }
            let value = self.value(depth + 1)?;
            entries.push((key, value));
            self.space();
            if !self.take(b',') && self.rest.first() != Some(&b'}') {
                return None;
            }
        }
    }

    fn sequence(&mut self, close: u8, depth: usize) -> Option<Literal> {
        self.rest = &self.rest[1..];
        let mut elements = Vec::new();
        loop {
            self.space();
            if self.take(close) {
                return Some(Literal::Sequence(elements));
            }
            elements.push(self.value(depth + 1)?);
            self.space();
            if !self.take(b',') && self.rest.first() != Some(&close) {
                return None;
            }
        }
    }

    fn text(&mut self) -> Option<String> {
        let (&quote, rest) = self.rest.split_first().filter(|(quote, _)| matches!(quote, b'\'' | b'"'))?;
        let end = rest.iter().position(|&byte| byte == quote)?;
        let (text, after) = rest.split_at(end);
        self.rest = &after[1..];
        // What needs escapes is no name that NumPy has written.
        if text.contains(&b'\\') {
            return None;
        }
        String::from_utf8(text.to_vec())
            .ok()
            .or_else(|| Some(text.iter().map(|&byte| char::from(byte)).collect()))
    }

    fn int(&mut self) -> Option<Literal> {
        let len = self.rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
        let (digits, rest) = self.rest.split_at(len);
        // Python 2 marks long numbers.
        self.rest = rest.strip_prefix(b"L").unwrap_or(rest);
        std::str::from_utf8(digits).ok()?.parse().ok().map(Literal::Int)
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.rest.strip_prefix(&[byte]) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        let header = parse(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3L,), }   \n").unwrap();
        let Literal::Dict(entries) = header else { panic!("a dictionary") };
        assert_eq!(entries[0], ("descr".to_owned(), Literal::Text("<f4".to_owned())));
        assert_eq!(entries[2].1, Literal::Sequence(vec![Literal::Int(2), Literal::Int(3)]));
    }

    #[test]
    fn what_readers_could_take_two_ways_is_refused() {
        for bad in [
            &b"{'a': 1, 'a': 2}"[..],
            b"{'a': 1} x",
            b"{'a' 1}",
            b"(1 2)",
            b"{1: 2}",
            b"'a\\'",
            b"__import__",
        ] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
        assert!(parse("[".repeat(100_000).as_bytes()).is_none());
    }
}
