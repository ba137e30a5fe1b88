//! Globs: `*` is any run of characters within a segment, `**` any run of segments. Nothing else is special.
//!
//! | pattern | matches | does not match |
//! |---|---|---|
//! | `a/b` | `a/b` | everything else |
//! | `a/*` | `a/b` | `a/`, `a/b/c` |
//! | `a/v*` | `a/v`, `a/v2` | `a/v2/x` |
//! | `a/**` | `a/b`, `a/b/c` | `a`, `a/` |
//! | `a/**/z` | `a/z`, `a/b/c/z` | `a/bz` |
//! | `**/z` | `z`, `a/b/z` | `az` |
//!
//! Matching walks the text once with the set of places in the pattern that it may be at, so its time is bounded by the
//! product of the two lengths, whatever they are.

use super::{
    decode::{At, Decoder, FromNode},
    tree::{Kind, Node},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::{borrow::Cow, fmt};

/// A compiled glob.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    steps: Vec<Step>,
    /// Bytes before the first wildcard.
    prefix: usize,
    /// Characters that are no wildcards.
    literals: usize,
}

/// Why a text is no glob.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GlobError {
    /// There is nothing.
    Empty,
    /// The text is longer than any name.
    TooLong {
        /// Its length in bytes.
        found: usize,
        /// The greatest length.
        limit: usize,
    },
    /// A character that has a meaning in other glob languages and none here.
    Special(char),
    /// Two stars that are not a whole segment, or more than two in a row.
    Stars,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Byte(u8),
    /// One byte that is no slash.
    One,
    /// Any bytes that are no slash.
    Run,
    /// One byte.
    Any,
    /// Any bytes.
    Rest,
    /// May skip so many of the following steps.
    Skip(usize),
}

/// How specific a glob is. Of two that match a name the greater one wins: the longer text before the first wildcard,
/// then more characters that are no wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Specificity {
    /// Bytes before the first wildcard.
    pub prefix: usize,
    /// Bytes that are no wildcards.
    pub literals: usize,
}

impl Glob {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`GlobError`]; the characters `?`, `[`, `]`, `{`, `}` and `\` are refused rather than taken for themselves.
    ///
    /// ```
    /// # use modelseal_verify::policy::glob::Glob;
    /// let glob = Glob::new("hf://huggingface.co/acme/*")?;
    /// assert!(glob.matches("hf://huggingface.co/acme/embedder"));
    /// assert!(!glob.matches("hf://huggingface.co/acme/embedder/evil"));
    /// assert!(!glob.matches("hf://huggingface.co/acme-evil/embedder"));
    /// # Ok::<(), modelseal_verify::policy::glob::GlobError>(())
    /// ```
    pub fn new(text: &str) -> Result<Self, GlobError> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        if text.len() > MAX_GLOB_BYTES {
            return Err(GlobError::TooLong { found: text.len(), limit: MAX_GLOB_BYTES });
        }
        let special = |c: &char| c.is_control() || matches!(c, '?' | '[' | ']' | '{' | '}' | '\\');
        if let Some(special) = text.chars().find(special) {
            return Err(GlobError::Special(special));
        }
        let mut steps = Vec::with_capacity(text.len());
        let mut segments = text.split('/').enumerate().peekable();
        while let Some((i, segment)) = segments.next() {
            let last = segments.peek().is_none();
            match segment {
                "**" if last => {
                    steps.extend(if i == 0 { vec![Step::Rest] } else { vec![Step::Any, Step::Rest] })
                }
                // Either nothing at all, or whole segments with the slash after them.
                "**" => steps.extend([Step::Skip(2), Step::Rest, Step::Byte(b'/')]),
                "*" => steps.extend([Step::One, Step::Run]),
                _ if segment.contains("**") => return Err(GlobError::Stars),
                _ => steps.extend(segment.bytes().map(|b| if b == b'*' { Step::Run } else { Step::Byte(b) })),
            }
            if !last && segment != "**" {
                steps.push(Step::Byte(b'/'));
            }
        }
        Ok(Self {
            prefix: text.find('*').unwrap_or(text.len()),
            literals: text.bytes().filter(|b| *b != b'*').count(),
            text: text.to_owned(),
            steps,
        })
    }

    /// The glob as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether all of `name` matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(self.literal_prefix()) else { return false };
        if self.prefix == self.text.len() {
            return rest.is_empty();
        }
        // The steps of the prefix are one for each byte.
        let steps = self.steps.get(self.prefix..).unwrap_or_default();
        let mut places = vec![false; steps.len() + 1];
        let mut next = places.clone();
        enter(steps, &mut places, 0);
        for byte in rest.bytes() {
            next.fill(false);
            let mut any = false;
            for (place, _) in places.iter().enumerate().filter(|(_, here)| **here) {
                let to = match steps.get(place) {
                    Some(Step::Byte(b)) if *b == byte => place + 1,
                    Some(Step::One) if byte != b'/' => place + 1,
                    Some(Step::Run) if byte != b'/' => place,
                    Some(Step::Any) => place + 1,
                    Some(Step::Rest) => place,
                    _ => continue,
                };
                any = true;
                enter(steps, &mut next, to);
            }
            if !any {
                return false;
            }
            std::mem::swap(&mut places, &mut next);
        }
        places.last().copied().unwrap_or(false)
    }

    /// How specific the glob is.
    #[must_use]
    pub fn specificity(&self) -> Specificity {
        Specificity { prefix: self.prefix, literals: self.literals }
    }

    /// Whether there is no wildcard, so that exactly one name matches.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.prefix == self.text.len()
    }

    /// The text before the first wildcard.
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        self.text.get(..self.prefix).unwrap_or(&self.text)
    }

    /// Whether some name matches both globs.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (self.literal_prefix(), other.literal_prefix());
        if !a.starts_with(b) && !b.starts_with(a) {
            return false;
        }
        if self.is_literal() {
            return other.matches(&self.text);
        }
        if other.is_literal() {
            return self.matches(&other.text);
        }
        // A walk over pairs of places: both globs read the same byte.
        let width = other.steps.len() + 1;
        let mut seen = vec![false; (self.steps.len() + 1) * width];
        let mut open = vec![(0, 0)];
        while let Some((i, j)) = open.pop() {
            if std::mem::replace(&mut seen[i * width + j], true) {
                continue;
            }
            if i == self.steps.len() && j == other.steps.len() {
                return true;
            }
            let (x, y) = (self.steps.get(i), other.steps.get(j));
            match x {
                Some(Step::Run | Step::Rest) => open.push((i + 1, j)),
                Some(Step::Skip(n)) => open.extend([(i + 1, j), (i + 1 + n, j)]),
                _ => {}
            }
            match y {
                Some(Step::Run | Step::Rest) => open.push((i, j + 1)),
                Some(Step::Skip(n)) => open.extend([(i, j + 1), (i, j + 1 + n)]),
                _ => {}
            }
            let (Some(x), Some(y)) = (x, y) else { continue };
            if let (Some(to_i), Some(to_j), true) = (advance(*x, i), advance(*y, j), share_a_byte(*x, *y)) {
                open.push((to_i, to_j));
            }
        }
        false
    }
}

/// Longest glob, in bytes: longer than any name it could match in practice.
pub const MAX_GLOB_BYTES: usize = 2048;

/// Marks `place` and every place that is reached from it without reading.
fn enter(steps: &[Step], places: &mut [bool], mut place: usize) {
    loop {
        match places.get_mut(place) {
            Some(here) if !*here => *here = true,
            _ => return,
        }
        match steps.get(place) {
            Some(Step::Run | Step::Rest) => place += 1,
            Some(Step::Skip(n)) => {
                enter(steps, places, place + 1 + n);
                place += 1;
            }
            _ => return,
        }
    }
}

/// Where reading one byte leads.
fn advance(step: Step, place: usize) -> Option<usize> {
    match step {
        Step::Byte(_) | Step::One | Step::Any => Some(place + 1),
        Step::Run | Step::Rest => Some(place),
        Step::Skip(_) => None,
    }
}

fn share_a_byte(x: Step, y: Step) -> bool {
    match (x, y) {
        (Step::Byte(a), Step::Byte(b)) => a == b,
        (Step::Byte(b), Step::One | Step::Run) | (Step::One | Step::Run, Step::Byte(b)) => b != b'/',
        _ => true,
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glob({:?})", self.text)
    }
}

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty glob matches nothing"),
            Self::TooLong { found, limit } => {
                write!(f, "the glob has {found} bytes, where {limit} is the limit")
            }
            Self::Special(c) => {
                write!(
                    f,
                    "`{c}` means nothing in a glob here: only * and ** are wildcards, and a regex can say the rest"
                )
            }
            Self::Stars => {
                f.write_str("** must be a whole segment, as in a/**/b; within a segment use one *")
            }
        }
    }
}

impl std::error::Error for GlobError {}

impl FromNode for Glob {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::String(text) = &node.kind else { return decoder.wrong_type(node, at, "a string") };
        match Self::new(text) {
            Ok(glob) => Some(glob),
            Err(error) => {
                decoder.bad_value(node, at, format!("`{at}`: {error}"), None);
                None
            }
        }
    }
}

impl JsonSchema for Glob {
    fn schema_name() -> Cow<'static, str> {
        "Glob".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "maxLength": MAX_GLOB_BYTES, "pattern": r"^[^?\[\]{}\\]+$",
            "description": "A glob: * is any run of characters within a segment, ** any run of segments.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(glob: &str, name: &str) -> bool {
        Glob::new(glob).unwrap().matches(name)
    }

    #[test]
    fn the_table_above_holds() {
        for (glob, yes, no) in [
            ("a/b", &["a/b"][..], &["a", "a/b/", "a/bc", "xa/b", "A/b", ""][..]),
            ("a/*", &["a/b", "a/bcd"], &["a/", "a", "a/b/c", "b/b"]),
            ("a/v*", &["a/v", "a/v2"], &["a/v2/x", "a/w"]),
            ("a/*-v*.x", &["a/b-v1.x", "a/-v.x", "a/-v-v.x"], &["a/b-v1.y", "a/b/-v.x"]),
            ("a/**", &["a/b", "a/b/c", "a/b/"], &["a", "a/", "ab"]),
            ("a/**/z", &["a/z", "a/b/z", "a/b/c/z"], &["a/bz", "a/z/y", "az"]),
            ("**/z", &["z", "a/z", "a/b/z"], &["az", "z/a", ""]),
            ("**", &["", "a", "a/b"], &[]),
            ("*", &["a"], &["", "a/b"]),
            ("**/books3/**", &["s3://x/books3/y", "books3/y"], &["s3://x/books3", "s3://x/books34/y"]),
        ] {
            for name in yes {
                assert!(matches(glob, name), "{glob} should match {name}");
            }
            for name in no {
                assert!(!matches(glob, name), "{glob} should not match {name}");
            }
        }
    }

    #[test]
    fn what_other_languages_know_is_refused() {
        for (text, error) in [
            ("", GlobError::Empty),
            ("a?", GlobError::Special('?')),
            ("[ab]", GlobError::Special('[')),
            ("{a,b}", GlobError::Special('{')),
            ("a\\*", GlobError::Special('\\')),
            ("a**", GlobError::Stars),
            ("a/***", GlobError::Stars),
            ("a/**b/c", GlobError::Stars),
        ] {
            assert_eq!(Glob::new(text), Err(error), "{text}");
        }
        assert!(matches!(Glob::new(&"a".repeat(4000)), Err(GlobError::TooLong { found: 4000, .. })));
    }

    #[test]
    fn hostile_globs_take_no_time_worth_mentioning() {
        let glob = Glob::new(&"*a".repeat(1000)).unwrap();
        assert!(!glob.matches(&"a".repeat(999)));
        assert!(glob.matches(&"a".repeat(2000)));
        assert!(glob.overlaps(&Glob::new(&"a*".repeat(1000)).unwrap()));
    }

    #[test]
    fn overlaps_are_found() {
        for (a, b, overlap) in [
            ("x/*", "x/*", true),
            ("x/*-v1", "x/m-*", true),
            ("x/*-v1", "x/*-v2", false),
            ("x/**/a", "x/*/a", true),
            ("x/**/a", "x/b", false),
            ("x/*", "x/*/*", false),
            ("x/y", "x/*", true),
            ("**", "x/y/z", true),
            ("*/a", "b/*", true),
        ] {
            let (a, b) = (Glob::new(a).unwrap(), Glob::new(b).unwrap());
            assert_eq!((a.overlaps(&b), b.overlaps(&a)), (overlap, overlap), "{a} {b}");
        }
    }

    /// The definition again, as slow recursion over segments.
    fn plainly(glob: &[&str], name: &[&str]) -> bool {
        match (glob, name) {
            ([], []) => true,
            (["**"], name) => !name.is_empty() && (name.len() > 1 || !name[0].is_empty()),
            (["**", rest @ ..], name) => (0..=name.len()).any(|n| plainly(rest, &name[n..])),
            ([segment, rest @ ..], [part, name @ ..]) => {
                within(segment.as_bytes(), part.as_bytes(), *segment == "*") && plainly(rest, name)
            }
            _ => false,
        }
    }

    fn within(glob: &[u8], part: &[u8], whole: bool) -> bool {
        match (glob, part) {
            ([], []) => true,
            ([b'*'], []) => !whole,
            ([b'*', rest @ ..], _) => {
                within(rest, part, false) && !whole || !part.is_empty() && within(glob, &part[1..], false)
            }
            ([g, rest @ ..], [p, part @ ..]) => g == p && within(rest, part, false),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_literal_matches_only_itself(glob in "[a-z:/.@ü-]{1,20}", name in "[a-z:/.@ü-]{0,20}") {
            let compiled = Glob::new(&glob).unwrap();
            prop_assert!(compiled.is_literal() && compiled.matches(&glob));
            prop_assert_eq!(compiled.matches(&name), glob == name);
        }

        #[test]
        fn one_star_never_crosses_a_slash(head in "[a-z]{0,5}", tail in "[a-z]{0,5}", middle in "[a-z/]{0,8}") {
            let whole = head.is_empty() && tail.is_empty();
            let glob = format!("x/{head}*{tail}/y");
            let expected = !(middle.contains('/') || whole && middle.is_empty());
            prop_assert_eq!(matches(&glob, &format!("x/{head}{middle}{tail}/y")), expected);
        }

        #[test]
        fn the_definition_is_kept(
            glob in prop::collection::vec("\\*\\*|[ab*]{1,3}", 1..5),
            name in prop::collection::vec("[ab]{1,3}", 1..6),
        ) {
            let (glob, name) = (glob.join("/"), name.join("/"));
            let Ok(compiled) = Glob::new(&glob) else { return Ok(()) };
            let plain = plainly(&glob.split('/').collect::<Vec<_>>(), &name.split('/').collect::<Vec<_>>());
            prop_assert_eq!(compiled.matches(&name), plain, "{} {}", glob, name);
        }

        #[test]
        fn globs_that_match_one_name_overlap(a in "[ab/*]{1,8}", b in "[ab/*]{1,8}", name in "[ab/]{0,8}") {
            let (Ok(a), Ok(b)) = (Glob::new(&a), Glob::new(&b)) else { return Ok(()) };
            if a.matches(&name) && b.matches(&name) {
                prop_assert!(a.overlaps(&b), "{} {} {}", a, b, name);
            }
        }
    }
}
