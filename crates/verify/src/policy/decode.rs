//! From the tree to the typed document. Complains and goes on, so that one run shows everything that is wrong.

use super::{
    complaint::{Complaints, Lint},
    document::List,
    lint_table as lint,
    tree::{Entry, Kind, Node},
};
use std::{collections::BTreeMap, fmt, num::NonZeroU32};

/// Declares a table of the language: its fields, its reader and its JSON Schema.
macro_rules! document {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* pub $field:ident: $ty:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, JsonSchema)]
        #[schemars(rename_all = "kebab-case", deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }

        impl $name {
            /// The fields in Rust's spelling.
            pub(super) const FIELDS: &'static [&'static str] = &[$(stringify!($field),)*];
        }

        impl $crate::policy::decode::FromNode for $name {
            fn from_node(
                node: &$crate::policy::tree::Node,
                at: &$crate::policy::decode::At<'_>,
                decoder: &mut $crate::policy::decode::Decoder,
            ) -> Option<Self> {
                let table = decoder.fields(node, at, Self::FIELDS)?;
                $(let $field = decoder.field::<$ty>(node, table, at, stringify!($field));)*
                Some(Self { $($field: $field?,)* })
            }
        }
    )*};
}
pub(super) use document;

/// A place in the document: a chain of steps on the stack, from the last one back.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    pub(super) const ROOT: At<'static> = At { parent: None, step: Step::Root };

    pub(super) fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// Where this place, or the nearest one around it that was written, lies in the text.
    pub(super) fn locate(&self, root: &Node) -> (usize, usize) {
        self.walk(root).1
    }

    /// The value at this place, if it was written.
    pub(super) fn find<'n>(&self, root: &'n Node) -> Option<&'n Node> {
        self.walk(root).0
    }

    fn walk<'n>(&self, root: &'n Node) -> (Option<&'n Node>, (usize, usize)) {
        let Some(parent) = self.parent else { return (Some(root), (root.span.0, root.span.0)) };
        let (node, span) = parent.walk(root);
        let Some(node) = node else { return (None, span) };
        match (self.step, &node.kind) {
            (Step::Key(key), _) => match node.entry(key) {
                // A table or list is better shown by its name than by all of it, unless it is a few words on one line.
                Some(Entry { key_span, value, .. })
                    if value.is_compound() && !value.is_short_table(*key_span) =>
                {
                    (Some(value), *key_span)
                }
                Some(entry) => (Some(&entry.value), entry.value.span),
                None => (None, span),
            },
            (Step::Index(index), Kind::Array(items)) => match items.get(index) {
                Some(item) => (Some(item), item.span),
                None => (None, span),
            },
            _ => (None, span),
        }
    }
}

/// `rule[0].signature.signers[1]`; a name with other characters than a bare TOML key's is quoted.
impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => {
                if self.parent.is_some_and(|parent| parent.parent.is_some()) {
                    f.write_str(".")?;
                }
                let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                if !key.is_empty() && key.bytes().all(bare) { f.write_str(key) } else { write!(f, "{key:?}") }
            }
        }
    }
}

/// A type that is read from a tree.
pub(super) trait FromNode: Sized {
    /// Reads the value. `None` after a complaint when there is nothing that could stand for it.
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self>;

    /// The value of a field that was left out; `None` when it must be written.
    fn left_out() -> Option<Self> {
        None
    }

    /// What stands for a required value that is not there, so that the rest can still be looked at. A complaint has
    /// been made by then: no policy comes of it.
    fn stand_in() -> Option<Self> {
        None
    }
}

/// Reads values and keeps the complaints.
#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) complaints: Complaints,
    /// The next table has a `kind` too, and these are the fields of its kin.
    pub(super) tagged: Option<&'static [(&'static str, &'static [&'static str])]>,
}

impl Decoder {
    pub(super) fn complain(
        &mut self,
        lint: &'static Lint,
        span: (usize, usize),
        at: &At<'_>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.complaints.add(lint, span, at.to_string(), message.into(), suggestion);
    }

    /// Complains that a value is of another type than `expected` ("a string").
    pub(super) fn wrong_type<T>(&mut self, node: &Node, at: &At<'_>, expected: &str) -> Option<T> {
        let message = format!("`{at}` is {}, where {expected} is expected", node.type_name());
        self.complain(&lint::TYPE, node.span, at, message, None);
        None
    }

    /// Complains about a value of the right type.
    pub(super) fn bad_value(
        &mut self,
        node: &Node,
        at: &At<'_>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.complain(&lint::VALUE, node.span, at, message, help);
    }

    /// Complains about a word that is none of `words`.
    pub(super) fn unknown_word(&mut self, node: &Node, at: &At<'_>, word: &str, words: &[&str]) {
        if self.complaints.is_full() {
            return self.complaints.leave_out();
        }
        let message = format!("`{at}` is {word:?}, which is none of {}", listed(words));
        let help = closest(word, words.iter().copied()).map(|near| format!("did you mean {near:?}?"));
        self.complain(&lint::VALUE, node.span, at, message, help);
    }

    /// The members of a table, after complaining about those that are none of `fields` (in Rust's spelling).
    pub(super) fn fields<'n>(&mut self, node: &'n Node, at: &At<'_>, fields: &[&str]) -> Option<&'n [Entry]> {
        let tagged = self.tagged.take();
        let Kind::Table(entries) = &node.kind else { return self.wrong_type(node, at, "a table") };
        for entry in entries {
            let known = fields.iter().any(|field| is_spelled(&entry.key, field));
            if known || (tagged.is_some() && entry.key == "kind") {
                continue;
            }
            if self.complaints.is_full() {
                self.complaints.leave_out();
                continue;
            }
            let names: Vec<String> = fields.iter().map(|field| spelled(field)).collect();
            let kin = tagged.and_then(|kin| {
                kin.iter().find(|(_, fields)| fields.iter().any(|field| is_spelled(&entry.key, field)))
            });
            let help = match (kin, closest(&entry.key, names.iter().map(String::as_str))) {
                (Some((kind, _)), _) => format!("`{}` is a field of signers of kind \"{kind}\"", entry.key),
                (None, Some(near)) => format!("did you mean `{near}`?"),
                (None, None) if entry.key == "where-cel" => {
                    "this name is kept for a later version; write the test in `where`".to_owned()
                }
                (None, None) => format!("the fields here are {}", listed(&names)),
            };
            let message = match at.parent {
                None => format!("a policy has no field `{}`", entry.key),
                Some(_) => format!("`{at}` has no field `{}`", entry.key),
            };
            self.complain(&lint::UNKNOWN_FIELD, entry.key_span, &at.key(&entry.key), message, Some(help));
        }
        Some(entries)
    }

    /// A field by its Rust name.
    pub(super) fn field<T: FromNode>(
        &mut self,
        node: &Node,
        entries: &[Entry],
        at: &At<'_>,
        field: &str,
    ) -> Option<T> {
        let Some(entry) = entries.iter().find(|entry| is_spelled(&entry.key, field)) else {
            if let Some(value) = T::left_out() {
                return Some(value);
            }
            let name = spelled(field);
            let message = match at.parent {
                None => format!("`{name}` is missing, and must be written"),
                Some(_) => format!("`{at}` lacks `{name}`, which must be written"),
            };
            self.complain(&lint::MISSING_FIELD, head(node), &at.key(&name), message, None);
            return T::stand_in();
        };
        T::from_node(&entry.value, &at.key(&entry.key), self).or_else(T::stand_in)
    }
}

/// Where something that is missing in `node` is complained about: where `node` begins.
pub(super) fn head(node: &Node) -> (usize, usize) {
    node.span
}

/// `max_age` as policies write it: `max-age`; `where_`: `where`.
fn spelled(field: &str) -> String {
    field.trim_end_matches('_').replace('_', "-")
}

fn is_spelled(key: &str, field: &str) -> bool {
    let field = field.trim_end_matches('_');
    key.len() == field.len()
        && key.bytes().zip(field.bytes()).all(|(k, f)| k == if f == b'_' { b'-' } else { f })
}

/// `a, b and c`.
pub(super) fn listed<S: AsRef<str>>(words: &[S]) -> String {
    match words {
        [] => "(none)".to_owned(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// The candidate that `word` was probably meant to be.
pub(super) fn closest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let word: Vec<char> = word.chars().take(LONGEST_WORD + 1).flat_map(char::to_lowercase).collect();
    if !(SHORTEST_WORD..=LONGEST_WORD).contains(&word.len()) {
        return None;
    }
    candidates
        .take(MOST_CANDIDATES)
        .filter(|candidate| candidate.len() <= LONGEST_WORD)
        .map(|candidate| {
            (
                distance(&word, &candidate.to_lowercase().replace('_', "-").chars().collect::<Vec<_>>()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count().max(word.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

const SHORTEST_WORD: usize = 3;
const LONGEST_WORD: usize = 64;
const MOST_CANDIDATES: usize = 1000;

/// Insertions, deletions, changes and swaps of neighbours that turn `a` into `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let same = |c: char| if c == '_' { '-' } else { c };
            let mut cost = (last[j] + usize::from(same(*x) != same(*y))).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && *x == b[j - 1] {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

impl<T: FromNode> FromNode for Option<T> {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        T::from_node(node, at, decoder).map(Some)
    }

    fn left_out() -> Option<Self> {
        Some(None)
    }

    fn stand_in() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::Array(items) = &node.kind else { return decoder.wrong_type(node, at, "a list") };
        if items.len() > MAX_ITEMS {
            let message = format!("`{at}` has {} items, where {MAX_ITEMS} is the limit", items.len());
            decoder.complain(&lint::LIMIT, node.span, at, message, None);
            return None;
        }
        let read = |(i, item)| T::from_node(item, &at.index(i), decoder);
        Some(items.iter().enumerate().filter_map(read).collect())
    }

    fn left_out() -> Option<Self> {
        Some(Vec::new())
    }

    fn stand_in() -> Option<Self> {
        Some(Vec::new())
    }
}

/// Most items of one list, or members of one table.
const MAX_ITEMS: usize = 16 * 1024;

impl<T: FromNode> FromNode for List<T> {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        Vec::from_node(node, at, decoder).map(List)
    }

    fn stand_in() -> Option<Self> {
        Some(List(Vec::new()))
    }
}

/// A type that a table's member names are read into.
pub(super) trait FromKey: Ord + Sized {
    /// Reads the name, or says what is wrong with it and what may have been meant.
    fn from_key(key: &str) -> Result<Self, (String, Option<String>)>;
}

impl<K: FromKey, T: FromNode> FromNode for BTreeMap<K, T> {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::Table(entries) = &node.kind else { return decoder.wrong_type(node, at, "a table") };
        if entries.len() > MAX_ITEMS {
            let message = format!("`{at}` has {} members, where {MAX_ITEMS} is the limit", entries.len());
            decoder.complain(&lint::LIMIT, node.span, at, message, None);
            return None;
        }
        let mut map = BTreeMap::new();
        for entry in entries {
            let at = at.key(&entry.key);
            match K::from_key(&entry.key) {
                Ok(key) => map.extend(T::from_node(&entry.value, &at, decoder).map(|value| (key, value))),
                Err((message, help)) => decoder.complain(&lint::VALUE, entry.key_span, &at, message, help),
            }
        }
        Some(map)
    }

    fn left_out() -> Option<Self> {
        Some(BTreeMap::new())
    }

    fn stand_in() -> Option<Self> {
        Some(BTreeMap::new())
    }
}

impl FromKey for String {
    fn from_key(key: &str) -> Result<Self, (String, Option<String>)> {
        match text_fault(key) {
            None => Ok(key.to_owned()),
            Some(fault) => Err((format!("the name {}", fault), None)),
        }
    }
}

/// What no name, identity or other text of a policy may be.
pub(super) fn text_fault(text: &str) -> Option<String> {
    if text.is_empty() {
        Some("is empty".to_owned())
    } else if text.len() > MAX_TEXT {
        Some(format!("has {} bytes, where {MAX_TEXT} is the limit", text.len()))
    } else if text.contains('\0') {
        Some("holds a NUL character".to_owned())
    } else {
        None
    }
}

/// Longest text of one value, in bytes. The longest are PEM keys.
const MAX_TEXT: usize = 16 * 1024;

impl FromNode for String {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::String(text) = &node.kind else { return decoder.wrong_type(node, at, "a string") };
        if let Some(fault) = text_fault(text) {
            decoder.bad_value(node, at, format!("`{at}` {fault}"), None);
        }
        Some(text.clone())
    }

    fn stand_in() -> Option<Self> {
        Some(String::new())
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        match node.kind {
            Kind::Bool(truth) => Some(truth),
            _ => decoder.wrong_type(node, at, "true or false"),
        }
    }

    fn stand_in() -> Option<Self> {
        Some(false)
    }
}

impl FromNode for u64 {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::Number(text) = &node.kind else { return decoder.wrong_type(node, at, "a whole number") };
        let number = text.parse().ok();
        if number.is_none() {
            decoder.bad_value(
                node,
                at,
                format!("`{at}` is {text}, where a whole number from 0 is expected"),
                None,
            );
        }
        number
    }

    fn stand_in() -> Option<Self> {
        Some(0)
    }
}

impl FromNode for NonZeroU32 {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::Number(text) = &node.kind else { return decoder.wrong_type(node, at, "a whole number") };
        let number = text.parse().ok();
        if number.is_none() {
            decoder.bad_value(
                node,
                at,
                format!("`{at}` is {text}, where a whole number from 1 is expected"),
                None,
            );
        }
        number
    }

    fn stand_in() -> Option<Self> {
        Some(Self::MIN)
    }
}
