//! Python's words, a logical line at a time. What Python refuses is read on all the same: an error in the code does not
//! make what stands before it harmless.

use crate::limits;

/// A word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    /// Where it begins.
    pub(super) at: usize,
    pub(super) kind: Kind<'t>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'t> {
    /// A name or a keyword.
    Name(&'t str),
    /// What stands between quotes, as it is spelled; and the letters before them.
    Text(&'t str, &'t str),
    Number,
    /// One character of an operator.
    Op(char),
}

/// Reads logical lines.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Puts the next logical line into `tokens` and gives its indentation; none at the end.
    pub(super) fn line(&mut self, tokens: &mut Vec<Token<'t>>) -> Option<usize> {
        tokens.clear();
        let mut indent = 0_usize;
        let mut depth = 0_usize;
        let mut fresh = true;
        loop {
            let rest = self.text.get(self.at..)?;
            let Some(c) = rest.chars().next() else {
                return (!tokens.is_empty()).then_some(indent);
            };
            match c {
                '\n' | '\r' => {
                    self.at += 1;
                    if depth == 0 && !tokens.is_empty() {
                        return Some(indent);
                    }
                    if depth == 0 {
                        indent = 0;
                        fresh = true;
                    }
                    continue;
                }
                ' ' | '\t' | '\u{c}' => {
                    if fresh {
                        indent = if c == '\t' { (indent / 8 + 1) * 8 } else { indent + 1 };
                    }
                    self.at += 1;
                    continue;
                }
                '#' => {
                    self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                    continue;
                }
                '\\' => {
                    // Goes on in the next line.
                    self.at += 1;
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    self.at += if rest.starts_with("\r\n") {
                        2
                    } else {
                        usize::from(rest.starts_with(['\n', '\r']))
                    };
                    continue;
                }
                _ => {}
            }
            fresh = false;
            let at = self.at;
            let kind = match c {
                '"' | '\'' => self.string(at),
                '0'..='9' => {
                    self.take(|c| c.is_alphanumeric() || c == '.' || c == '_');
                    Kind::Number
                }
                _ if c.is_alphabetic() || c == '_' || !c.is_ascii() => {
                    let name = self.take(|c| c.is_alphanumeric() || c == '_' || !c.is_ascii());
                    let quoted = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(['"', '\'']));
                    let prefix = name.len() <= 2 && name.chars().all(|c| "rRbBuUfFtT".contains(c));
                    if quoted && prefix { self.string(at) } else { Kind::Name(name) }
                }
                _ => {
                    self.at += c.len_utf8();
                    match c {
                        '(' | '[' | '{' => depth += 1,
                        ')' | ']' | '}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    Kind::Op(c)
                }
            };
            tokens.push(Token { at, kind });
            if tokens.len() >= limits::SOURCE_WORDS {
                return Some(indent);
            }
        }
    }

    fn take(&mut self, which: impl Fn(char) -> bool) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.find(|c| !which(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// The text whose quote comes next; its prefix began at `start`.
    fn string(&mut self, start: usize) -> Kind<'t> {
        let prefix = self.text.get(start..self.at).unwrap_or_default();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let quote = if rest.starts_with("\"\"\"") || rest.starts_with("'''") { 3 } else { 1 };
        let mark = rest.get(..quote).unwrap_or_default();
        let body = rest.get(quote..).unwrap_or_default();
        let bytes = body.as_bytes();
        let mut at = 0;
        let end = loop {
            match bytes.get(at) {
                // Python stops here, and so does the text.
                None => break at,
                Some(b'\n') if quote == 1 => break at,
                Some(b'\\') => at += 2,
                Some(_) if body.get(at..).is_some_and(|rest| rest.starts_with(mark)) => break at,
                Some(_) => at += 1,
            }
        };
        let end = end.min(body.len());
        // After a backslash, it may lie within a character.
        let end = (end..=body.len()).find(|&end| body.is_char_boundary(end)).unwrap_or(body.len());
        let closed = body.get(end..).is_some_and(|rest| rest.starts_with(mark));
        self.at += quote + end + if closed { quote } else { 0 };
        Kind::Text(body.get(..end).unwrap_or_default(), prefix)
    }
}

/// The text that a literal stands for. Escapes that need tables of names are left as they are.
pub(super) fn unescape(body: &str, prefix: &str) -> String {
    if !body.contains('\\') || prefix.contains(['r', 'R']) {
        return body.to_owned();
    }
    let mut text = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(position) = rest.find('\\') {
        text.push_str(rest.get(..position).unwrap_or_default());
        rest = rest.get(position + 1..).unwrap_or_default();
        let Some(c) = rest.chars().next() else { break };
        let digits = match c {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        let code = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        match c {
            '\n' => {}
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            '0'..='7' => {
                let more = rest.bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let octal = format!("{c}{}", rest.get(..more).unwrap_or_default());
                rest = rest.get(more..).unwrap_or_default();
                text.extend(code(&octal, 8));
            }
            _ if digits > 0 => {
                if let Some(char) = rest.get(..digits).and_then(|hex| code(hex, 16)) {
                    text.push(char);
                    rest = rest.get(digits..).unwrap_or_default();
                }
            }
            _ => text.push(c),
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, Vec<String>)> {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        let mut lines = Vec::new();
        while let Some(indent) = lexer.line(&mut tokens) {
            let shown = tokens.iter().map(|token| match token.kind {
                Kind::Name(name) => name.to_owned(),
                Kind::Text(body, prefix) => format!("{prefix}'{}'", unescape(body, prefix)),
                Kind::Number => "0".to_owned(),
                Kind::Op(c) => c.to_string(),
            });
            lines.push((indent, shown.collect()));
        }
        lines
    }

    #[test]
    fn lines_go_on_in_brackets_and_after_backslashes() {
        let found = lines("# c\nif a:\n    f(1,\n# c\n 2)\n\tx = 1 + \\\n  y\n\n");
        let words: Vec<String> =
            found.iter().map(|(indent, words)| format!("{indent} {}", words.join(" "))).collect();
        assert_eq!(words, ["0 if a :", "4 f ( 0 , 0 )", "8 x = 0 + y"]);
    }

    #[test]
    fn strings_end_where_python_ends_them() {
        let found = lines("a = 'it\\'s' r'\\x41' b\"\\x41\\102\" '''x\n'y''' f'{z}'\n'open\nend");
        let words: Vec<String> = found.into_iter().flat_map(|(_, words)| words).collect();
        assert_eq!(words, ["a", "=", "'it's'", "r'\\x41'", "b'AB'", "'x\n'y'", "f'{z}'", "'open'", "end"]);
    }

    #[test]
    fn any_text_ends() {
        for text in ["", "'", "\\", "'\\", "'\\é", "\"\"\"", "é = ü", "(((", ")))", "\u{2028}x", "1e5.3_x"]
        {
            lines(text);
        }
    }
}
