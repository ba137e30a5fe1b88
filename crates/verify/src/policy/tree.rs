//! A policy's text as a tree in which every value knows its place. TOML and JSON make the same tree, so that they are
//! read by the same code.

use super::complaint::Complaints;
use super::lint_table as lint;
use modelseal_core::json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value, and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// First byte, and the byte after the last.
    pub(super) span: (usize, usize),
    pub(super) kind: Kind,
}

/// The kinds of value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// JSON's `null`; TOML has none.
    Null,
    Bool(bool),
    /// The number's digits in JSON's spelling where it has one (`inf` and `nan` are kept as they are).
    Number(String),
    String(String),
    /// A TOML date or time, as it was written. JSON writes them as strings.
    Time(String),
    Array(Vec<Node>),
    /// Sorted by key.
    Table(Vec<Entry>),
}

/// A member of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: (usize, usize),
    pub(super) value: Node,
}

impl Node {
    /// The member called `key`, in a table.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Table(entries) => entries
                .binary_search_by(|entry| entry.key.as_str().cmp(key))
                .ok()
                .and_then(|at| entries.get(at)),
            _ => None,
        }
    }

    /// Whether this is a list or a table.
    pub(super) fn is_compound(&self) -> bool {
        matches!(self.kind, Kind::Table(_) | Kind::Array(_))
    }

    /// Whether this is a table with members that was written after its key, such as `{ glob = "x/*" }`.
    pub(super) fn is_short_table(&self, key_span: (usize, usize)) -> bool {
        matches!(&self.kind, Kind::Table(members) if members.len() == 1) && self.span.0 >= key_span.1
    }

    /// What kind of value this is, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::String(_) => "a string",
            Kind::Time(_) => "a time",
            Kind::Array(_) => "a list",
            Kind::Table(_) => "a table",
        }
    }
}

/// Largest policy that is read, in bytes.
pub(super) const MAX_POLICY_BYTES: usize = 1024 * 1024;

/// Deepest nesting of a policy's values. Real ones nest seven levels.
const MAX_DEPTH: usize = 32;

/// Reads TOML. Without a tree there is at least one complaint.
pub(super) fn from_toml(complaints: &mut Complaints) -> Option<Node> {
    let source = complaints.source().to_owned();
    if !fits(complaints, &source) || !keys_are_short(complaints, &source) {
        return None;
    }
    let (root, errors) = DeTable::parse_recoverable(&source);
    for error in &errors {
        let span = error.span().map_or((0, 0), |span| (span.start, span.end));
        complaints.add(&lint::SYNTAX, span, String::new(), error.message().to_owned(), None);
    }
    if !errors.is_empty() {
        return None;
    }
    let node = table(root.get_ref(), span_of(&root), 0);
    if node.is_none() {
        too_deep(complaints);
    }
    node
}

/// Reads JSON. Without a tree there is at least one complaint.
pub(super) fn from_json(complaints: &mut Complaints) -> Option<Node> {
    let source = complaints.source().to_owned();
    if !fits(complaints, &source) {
        return None;
    }
    if let Err(error) = json::read::<json::Any>(source.as_bytes(), MAX_POLICY_BYTES as u64) {
        let offset = match &error {
            json::JsonError::Malformed(e) => offset_of(&source, e.line(), e.column()),
            _ => 0,
        };
        complaints.add(&lint::SYNTAX, (offset, offset), String::new(), error.to_string(), None);
        return None;
    }
    let mut reader = JsonReader { text: &source, at: 0 };
    let node = reader.value(0);
    if node.is_none() {
        too_deep(complaints);
    }
    node
}

fn fits(complaints: &mut Complaints, source: &str) -> bool {
    let fits = source.len() <= MAX_POLICY_BYTES;
    if !fits {
        let message = format!("{} bytes, where {MAX_POLICY_BYTES} is the limit for a policy", source.len());
        complaints.add(&lint::LIMIT, (0, 0), String::new(), message, None);
    }
    fits
}

fn too_deep(complaints: &mut Complaints) {
    let message = format!("values nest deeper than {MAX_DEPTH} levels");
    complaints.add(&lint::LIMIT, (0, 0), String::new(), message, None);
}

/// Each dot of a key is a table within a table, which the TOML parser does not bound. No key of a policy needs more
/// than a few; a line with many is refused before it is parsed, dots within its strings not being counted.
fn keys_are_short(complaints: &mut Complaints, source: &str) -> bool {
    let (mut dots, mut start) = (0_usize, 0);
    let (mut quote, mut escaped) = (None, false);
    for (at, b) in source.bytes().enumerate() {
        match (quote, b) {
            _ if escaped => escaped = false,
            (Some(b'"'), b'\\') => escaped = true,
            (_, b'\n' | b',' | b'=') => (dots, start, quote) = (0, at + 1, None),
            (None, b'"' | b'\'') => quote = Some(b),
            (Some(open), b) if open == b => quote = None,
            // Counted within strings too when they are long: a `.` there costs nothing, and a guess about quotes must not
            // open a hole.
            (_, b'.') => dots += 1,
            _ => {}
        }
        if dots > MAX_LINE_DOTS {
            let message =
                format!("more than {MAX_LINE_DOTS} dots without a comma or a line's end between them");
            complaints.add(&lint::LIMIT, (start, at), String::new(), message, None);
            return false;
        }
    }
    true
}

/// Far more than there are in any pattern, far fewer than would exhaust the stack.
const MAX_LINE_DOTS: usize = 256;

fn span_of<T>(value: &Spanned<T>) -> (usize, usize) {
    (value.span().start, value.span().end)
}

fn table(table: &DeTable<'_>, span: (usize, usize), depth: usize) -> Option<Node> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut entries = table
        .iter()
        .map(|(key, value)| {
            let value = toml_value(value, depth + 1)?;
            Some(Entry { key: key.get_ref().clone().into_owned(), key_span: span_of(key), value })
        })
        .collect::<Option<Vec<_>>>()?;
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    Some(Node { span, kind: Kind::Table(entries) })
}

fn toml_value(value: &Spanned<DeValue<'_>>, depth: usize) -> Option<Node> {
    if depth > MAX_DEPTH {
        return None;
    }
    let span = span_of(value);
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::String(text.clone().into_owned()),
        DeValue::Integer(number) => Kind::Number(decimal(number.as_str(), number.radix())),
        DeValue::Float(number) => Kind::Number(plain(number.as_str())),
        DeValue::Boolean(truth) => Kind::Bool(*truth),
        DeValue::Datetime(time) => Kind::Time(time.to_string()),
        DeValue::Array(items) => {
            Kind::Array(items.iter().map(|item| toml_value(item, depth + 1)).collect::<Option<_>>()?)
        }
        DeValue::Table(entries) => return table(entries, span, depth),
    };
    Some(Node { span, kind })
}

/// A TOML integer in decimal. One that does not fit is left as it is, and is then no number that any field accepts.
fn decimal(text: &str, radix: u32) -> String {
    if radix == 10 {
        return plain(text);
    }
    i128::from_str_radix(text, radix).map_or_else(|_| text.to_owned(), |number| number.to_string())
}

fn plain(text: &str) -> String {
    text.trim_start_matches('+').replace('_', "")
}

/// The byte offset of a line and a column in bytes, both from 1 as `serde_json` counts them.
fn offset_of(source: &str, line: usize, column: usize) -> usize {
    let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut offset = (start + column.saturating_sub(1)).min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Reads JSON that the strict reader has already accepted; gives up (`None`) where it would have to complain.
struct JsonReader<'a> {
    text: &'a str,
    at: usize,
}

impl JsonReader<'_> {
    fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_space();
        let start = self.at;
        let kind = match self.peek()? {
            b'{' => Kind::Table(self.entries(depth)?),
            b'[' => Kind::Array(self.items(depth)?),
            b'"' => Kind::String(self.string()?),
            _ => {
                let rest = self.text.get(start..)?;
                let end = rest.find([',', ']', '}', ' ', '\n', '\r', '\t']).unwrap_or(rest.len());
                self.at += end;
                match rest.get(..end)? {
                    "null" => Kind::Null,
                    "true" => Kind::Bool(true),
                    "false" => Kind::Bool(false),
                    number => Kind::Number(number.to_owned()),
                }
            }
        };
        Some(Node { span: (start, self.at), kind })
    }

    fn entries(&mut self, depth: usize) -> Option<Vec<Entry>> {
        let mut entries = Vec::new();
        self.at += 1;
        loop {
            self.skip_space();
            match self.peek()? {
                b'}' => break,
                b',' => self.at += 1,
                _ => {
                    let start = self.at;
                    let key = self.string()?;
                    let key_span = (start, self.at);
                    self.skip_space();
                    self.at += 1; // the colon
                    entries.push(Entry { key, key_span, value: self.value(depth + 1)? });
                }
            }
        }
        self.at += 1;
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Some(entries)
    }

    fn items(&mut self, depth: usize) -> Option<Vec<Node>> {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.skip_space();
            match self.peek()? {
                b']' => break,
                b',' => self.at += 1,
                _ => items.push(self.value(depth + 1)?),
            }
        }
        self.at += 1;
        Some(items)
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}
