//! Tokens of a template, as Jinja's own lexer cuts it.

use super::value::is_underscore;

/// What a piece of a template is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// Text between tags, which is written as it stands.
    Data(String),
    /// `{{`
    PrintBegin,
    /// `}}`
    PrintEnd,
    /// `{%`
    TagBegin,
    /// `%}`
    TagEnd,
    Name(String),
    /// A string without its quotes and escapes.
    Text(String),
    /// A whole number; the greatest there is when it is larger.
    Int(i64),
    Float,
    /// An operator or a bracket.
    Op(&'static str),
}

/// A token and where it begins.
pub(super) struct Piece {
    pub(super) token: Token,
    pub(super) at: usize,
}

/// Why there are no more tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) what: &'static str,
    pub(super) at: usize,
}

/// The longest first.
const OPERATORS: [&str; 27] = [
    "**", "//", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<",
    "=", ".", ":", "|", ",", ";", "!",
];

/// Cuts a template. What was cut before an error is given with it.
pub(super) fn tokens(template: &str) -> (Vec<Piece>, Option<Broken>) {
    let mut lexer = Lexer { text: template, at: 0, pieces: Vec::new(), brackets: 0 };
    let broken = lexer.run().err();
    (lexer.pieces, broken)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    pieces: Vec<Piece>,
    /// Brackets that are open: within them, `}}` closes two of them.
    brackets: usize,
}

impl<'t> Lexer<'t> {
    fn run(&mut self) -> Result<(), Broken> {
        while self.at < self.text.len() {
            let rest = self.rest();
            let begins = rest
                .match_indices('{')
                .map(|(at, _)| at)
                .find(|&at| ["{{", "{%", "{#"].iter().any(|mark| rest[at..].starts_with(mark)));
            let Some(begins) = begins else {
                self.data(rest.len());
                return Ok(());
            };
            if begins > 0 {
                self.data(begins);
            }
            let begun = self.at;
            if self.skip("{#") {
                let end = self
                    .rest()
                    .find("#}")
                    .ok_or(Broken { what: "a comment has no end", at: self.text.len() })?;
                self.at += end + 2;
            } else if self.skip("{{") {
                self.push(Token::PrintBegin, begun);
                self.tag("}}", Token::PrintEnd)?;
            } else if self.skip("{%") {
                match self.raw() {
                    Some(begins) => {
                        self.at = begins;
                        self.raw_data()?;
                    }
                    None => {
                        self.push(Token::TagBegin, begun);
                        self.tag("%}", Token::TagEnd)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn data(&mut self, len: usize) {
        let text = self.rest()[..len].to_owned();
        self.push(Token::Data(text), self.at);
        self.at += len;
    }

    /// Where the text after `{% raw %}` begins, if this is one.
    fn raw(&self) -> Option<usize> {
        let rest = self.rest();
        let word = rest.trim_start_matches(['-', '+']).trim_start();
        let end = word.strip_prefix("raw")?.trim_start();
        let end = end.strip_prefix(['-', '+']).unwrap_or(end).strip_prefix("%}")?;
        Some(self.text.len() - end.len())
    }

    fn raw_data(&mut self) -> Result<(), Broken> {
        let rest = self.rest();
        for (at, _) in rest.match_indices("{%") {
            let word = rest[at + 2..].trim_start_matches(['-', '+']).trim_start();
            let Some(end) = word.strip_prefix("endraw") else { continue };
            let end = end.trim_start();
            if let Some(end) = end.strip_prefix(['-', '+']).unwrap_or(end).strip_prefix("%}") {
                let after = self.text.len() - end.len();
                self.data(at);
                self.at = after;
                return Ok(());
            }
        }
        Err(Broken { what: "'raw' has no end", at: self.text.len() })
    }

    /// Cuts what is between two marks.
    fn tag(&mut self, end: &str, token: Token) -> Result<(), Broken> {
        let begun = self.at;
        if self.rest().starts_with(['-', '+']) && !self.rest().starts_with("-}") {
            self.at += 1;
        }
        self.brackets = 0;
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            let at = self.at;
            let rest = self.rest();
            let Some(first) = rest.chars().next() else {
                return Err(Broken { what: "a tag has no end", at: begun });
            };
            if self.brackets == 0 {
                let trimmed = rest.strip_prefix(['-', '+']).unwrap_or(rest);
                if trimmed.starts_with(end) {
                    self.at += rest.len() - trimmed.len() + end.len();
                    self.push(token, at);
                    return Ok(());
                }
            }
            let next = match first {
                '"' | '\'' => self.string(first)?,
                '0'..='9' => self.number(),
                c if is_letter(c) => {
                    let len =
                        rest.find(|c: char| !is_letter(c) && !c.is_alphanumeric()).unwrap_or(rest.len());
                    self.at += len;
                    Token::Name(rest[..len].to_owned())
                }
                _ => {
                    let op = OPERATORS.iter().find(|op| rest.starts_with(**op));
                    let op = *op.ok_or(Broken { what: "there is no such character in an expression", at })?;
                    self.at += op.len();
                    match op {
                        "(" | "[" | "{" => self.brackets += 1,
                        ")" | "]" | "}" => self.brackets = self.brackets.saturating_sub(1),
                        _ => {}
                    }
                    Token::Op(op)
                }
            };
            self.push(next, at);
        }
    }

    fn string(&mut self, quote: char) -> Result<Token, Broken> {
        let begun = self.at;
        let body = &self.rest()[1..];
        let mut text = String::new();
        let mut chars = body.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at += 1 + at + quote.len_utf8();
                return Ok(Token::Text(text));
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let Some((_, escaped)) = chars.next() else { break };
            let digits = match escaped {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            if digits > 0 {
                let (mut code, mut count) = (0_u32, 0);
                while let Some(digit) =
                    chars.peek().and_then(|(_, c)| c.to_digit(16)).filter(|_| count < digits)
                {
                    code = code.saturating_mul(16).saturating_add(digit);
                    count += 1;
                    chars.next();
                }
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            } else if let Some(mut code) = escaped.to_digit(8) {
                for _ in 0..2 {
                    let Some(digit) = chars.peek().and_then(|(_, c)| c.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    chars.next();
                }
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            } else if escaped == 'N' && chars.peek().is_some_and(|(_, c)| *c == '{') {
                // A character by its name: it could be any.
                for (_, c) in chars.by_ref() {
                    if c == '}' {
                        break;
                    }
                }
                text.push('_');
            } else {
                match escaped {
                    'n' => text.push('\n'),
                    'r' => text.push('\r'),
                    't' => text.push('\t'),
                    'a' => text.push('\u{7}'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'v' => text.push('\u{b}'),
                    '\n' => {}
                    '\\' | '\'' | '"' => text.push(escaped),
                    other => text.extend(['\\', other]),
                }
            }
        }
        Err(Broken { what: "a string has no end", at: begun })
    }

    fn number(&mut self) -> Token {
        let rest = self.rest();
        let radix = match rest.get(..2) {
            Some("0x" | "0X") => 16,
            Some("0o" | "0O") => 8,
            Some("0b" | "0B") => 2,
            _ => 10,
        };
        let prefix = if radix == 10 { 0 } else { 2 };
        let body = &rest[prefix..];
        let len = body.find(|c: char| c != '_' && !c.is_digit(radix)).unwrap_or(body.len());
        let digits = body[..len].chars().filter_map(|c| c.to_digit(radix));
        let value =
            digits.fold(0_i64, |sum, digit| sum.saturating_mul(radix.into()).saturating_add(digit.into()));
        self.at += prefix + len;
        let rest = &body[len..];
        let is_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let mut float = 0;
        if radix == 10 && rest.starts_with('.') && is_digit(&rest[1..]) {
            float = 1 + rest[1..].find(|c: char| c != '_' && !c.is_ascii_digit()).unwrap_or(rest.len() - 1);
        }
        if radix == 10 && rest[float..].starts_with(['e', 'E']) {
            let exponent = rest[float + 1..].trim_start_matches(['+', '-']);
            if is_digit(exponent) {
                let end = exponent.find(|c: char| c != '_' && !c.is_ascii_digit()).unwrap_or(exponent.len());
                float = rest.len() - exponent.len() + end;
            }
        }
        self.at += float;
        if float > 0 { Token::Float } else { Token::Int(value) }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        self.at += if found { what.len() } else { 0 };
        found
    }

    fn push(&mut self, token: Token, at: usize) {
        self.pieces.push(Piece { token, at });
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || is_underscore(c)
}
