//! Regular expressions of policies: whole value, case-sensitive, linear time, small.
//!
//! The pattern is parsed on its own and anchored as a tree, never as text: `a)|(?:b` is an error here, while it is valid
//! once somebody has put `^(?:` before and `)$` behind it, and then matches half of everything. Classes such as `\d` and
//! `\w` are ASCII, and `.` is one byte.

use super::{
    decode::{At, Decoder, FromNode},
    tree::{Kind, Node},
};
use modelseal_core::text::Printable;
use regex_automata::{Anchored, Input, meta, nfa::thompson::WhichCaptures};
use regex_syntax::{
    ast::{self, Ast, FlagsItemKind, parse::ParserBuilder},
    hir::{
        Hir, Look,
        literal::{Extractor, Literal},
        translate::TranslatorBuilder,
    },
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::{borrow::Cow, fmt};

/// A compiled regular expression for whole values.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: meta::Regex,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// There is nothing.
    Empty,
    /// The text is longer than the limit.
    TooLong {
        /// Its length in bytes.
        found: usize,
        /// The greatest length.
        limit: usize,
    },
    /// It is not a regular expression by itself.
    Syntax(String),
    /// It switches case sensitivity off.
    IgnoresCase,
    /// It is larger than the limit once compiled.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4096;

/// Largest compiled pattern, in bytes.
pub const MAX_COMPILED_BYTES: usize = 64 * 1024;

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`PatternError`].
    ///
    /// ```
    /// # use modelseal_verify::policy::pattern::Pattern;
    /// let tags = Pattern::new(r"refs/tags/v[0-9]+(\.[0-9]+){2}")?;
    /// assert!(tags.matches("refs/tags/v1.20.3"));
    /// assert!(!tags.matches("x/refs/tags/v1.20.3"));
    /// assert!(Pattern::new("a)|(?:b").is_err());
    /// # Ok::<(), modelseal_verify::policy::pattern::PatternError>(())
    /// ```
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong { found: text.len(), limit: MAX_PATTERN_BYTES });
        }
        if text.contains('\0') {
            return Err(PatternError::Syntax("it holds a NUL character".to_owned()));
        }
        let ast = ParserBuilder::new().nest_limit(NESTING).build().parse(text);
        let ast = ast.map_err(|e| PatternError::Syntax(e.kind().to_string()))?;
        if ast::visit(&ast, FindsIgnoreCase).is_err() {
            return Err(PatternError::IgnoresCase);
        }
        let mut translator = TranslatorBuilder::new().unicode(false).utf8(false).build();
        let hir = translator.translate(text, &ast).map_err(|e| PatternError::Syntax(e.kind().to_string()))?;
        let whole = Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)]);
        let config = meta::Config::new()
            .nfa_size_limit(Some(MAX_COMPILED_BYTES))
            .which_captures(WhichCaptures::Implicit)
            .auto_prefilter(false)
            .utf8_empty(false);
        let regex = meta::Builder::new().configure(config).build_from_hir(&whole);
        let regex = regex.map_err(|_| PatternError::TooLarge { limit: MAX_COMPILED_BYTES })?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether all of `text` matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(Input::new(text).anchored(Anchored::Yes))
    }

    /// The texts with one of which whatever matches begins, each ended by `/` where it is all that matches. `None` when there are
    /// none, or too many to list.
    pub(crate) fn beginnings(&self) -> Option<Vec<String>> {
        let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(&self.text);
        let prefixes = Extractor::new().extract(&hir.ok()?);
        let text = |literal: &Literal| {
            let text = std::str::from_utf8(literal.as_bytes()).ok()?;
            Some(if literal.is_exact() { format!("{text}/") } else { text.to_owned() })
        };
        prefixes.literals()?.iter().map(text).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
    }

    /// Whether the pattern matches whatever it is given.
    pub(super) fn matches_everything(&self) -> bool {
        PROBES.iter().all(|probe| self.matches(probe))
    }

    /// Whether the pattern begins with a run of any characters.
    pub(super) fn has_leading_wildcard(&self) -> bool {
        let bare = self.text.trim_start_matches(['^', '(', '?', ':']);
        let negated =
            || bare.strip_prefix("[^").and_then(|rest| rest.split_once(']')).map(|(_, after)| after);
        let after = bare.strip_prefix('.').or_else(|| bare.strip_prefix(r"\S")).or_else(negated);
        after.is_some_and(|after| after.starts_with(['*', '+', '{']))
    }
}

/// Texts that nothing but a pattern for everything has in common.
const PROBES: [&str; 6] =
    ["https://evil.example/x@refs/heads/main", "mallory@evil.example", "7", "Zz", "spiffe://q/w", "a b_c-d"];

/// Deepest nesting of groups; compilation recurses.
const NESTING: u32 = 50;

/// Stops at a flag that makes a pattern ignore case.
struct FindsIgnoreCase;

impl ast::Visitor for FindsIgnoreCase {
    type Output = ();
    type Err = ();

    fn finish(self) -> Result<(), ()> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), ()> {
        let flags = match ast {
            Ast::Flags(set) => Some(&set.flags),
            Ast::Group(group) => group.flags(),
            _ => None,
        };
        let ignores = |kind: &FlagsItemKind| matches!(kind, FlagsItemKind::Flag(ast::Flag::CaseInsensitive));
        if flags.is_some_and(|flags| flags.items.iter().any(|item| ignores(&item.kind))) {
            Err(())
        } else {
            Ok(())
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty regex matches nothing but the empty text"),
            Self::TooLong { found, limit } => {
                write!(f, "the regex has {found} bytes, where {limit} is the limit")
            }
            Self::Syntax(detail) => write!(f, "not a regular expression by itself: {}", Printable(detail)),
            Self::IgnoresCase => {
                f.write_str("the regex ignores case; names that differ in case are different names")
            }
            Self::TooLarge { limit } => write!(f, "the regex takes more than {limit} bytes once compiled"),
        }
    }
}

impl std::error::Error for PatternError {}

impl FromNode for Pattern {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::String(text) = &node.kind else { return decoder.wrong_type(node, at, "a string") };
        match Self::new(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let help = match error {
                    PatternError::IgnoresCase => Some("write both cases as a class, such as [Aa]".to_owned()),
                    PatternError::TooLarge { .. } => {
                        Some("use smaller repetition counts, or a glob".to_owned())
                    }
                    _ => None,
                };
                decoder.bad_value(node, at, format!("`{at}`: {error}"), help);
                None
            }
        }
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "maxLength": MAX_PATTERN_BYTES,
            "description": "A regular expression for the whole value, in the syntax of RE2; case counts.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(text)
    }

    #[test]
    fn the_whole_value_must_match() {
        assert!(matches("a|ab", "ab") && matches("ab|a", "a"));
        for (pattern, text) in [
            ("b", "abc"),
            ("a|b", "ab"),
            ("^a", "ab"),
            ("a$", "ba"),
            ("(?m)^a$", "x\na"),
            ("a", "a\n"),
            ("A", "a"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text:?}");
        }
        assert!(matches("ü.*", "über") && matches(r"\w+", "abc_1") && !matches(r"\d", "٣"));
    }

    #[test]
    fn a_pattern_that_breaks_out_of_its_anchors_is_no_pattern() {
        for bad in
            ["a)|(?:b", "a)|(b", ")", "(", "x)$|^(?:evil", "[", "a{2,1}", "*", r"\", "(?P<x", r"\p{Greek}"]
        {
            assert!(matches!(Pattern::new(bad), Err(PatternError::Syntax(_))), "{bad}");
        }
        assert_eq!(Pattern::new(""), Err(PatternError::Empty));
    }

    #[test]
    fn case_cannot_be_switched_off() {
        for bad in ["(?i)a", "(?i:a)b", "x(?si)a", "(a(?i)b)"] {
            assert_eq!(Pattern::new(bad), Err(PatternError::IgnoresCase), "{bad}");
        }
        assert!(Pattern::new("(?s)a.b").is_ok());
    }

    #[test]
    fn size_and_time_are_bounded() {
        for bad in ["(a{1000}){1000}", "((a{100}){100}){100}", ".{60000}", r"(\w{200}){200}"] {
            assert_eq!(Pattern::new(bad), Err(PatternError::TooLarge { limit: MAX_COMPILED_BYTES }), "{bad}");
        }
        assert!(matches!(Pattern::new(&"(".repeat(2000)), Err(PatternError::Syntax(_))));
        assert!(matches!(Pattern::new(&"a".repeat(5000)), Err(PatternError::TooLong { found: 5000, .. })));
        // Exponential in a backtracking matcher.
        let text = "a".repeat(100_000);
        assert!(
            !matches("(a+)+b", &text)
                && !matches("(a|aa)+$b", &text)
                && !matches("(x+x+)+y", &"x".repeat(100_000))
        );
    }

    #[test]
    fn patterns_for_everything_are_known() {
        for all in [".*", ".+", "(?s).*", "(.*)", "^.*$", "[^~]+", ".*|x", "(?s:.)+"] {
            assert!(Pattern::new(all).unwrap().matches_everything(), "{all}");
        }
        for some in ["https://.*", ".*@acme\\.example", "[a-z]+", "."] {
            assert!(!Pattern::new(some).unwrap().matches_everything(), "{some}");
        }
        for leading in [".*@acme", "^.+x", "[^@]+@acme", "(.*)x", r"\S+@acme"] {
            assert!(Pattern::new(leading).unwrap().has_leading_wildcard(), "{leading}");
        }
        assert!(!Pattern::new("https://.*").unwrap().has_leading_wildcard());
    }

    proptest! {
        #[test]
        fn an_escaped_text_matches_only_itself(text in "\\PC{1,20}", other in "\\PC{0,20}") {
            let pattern = Pattern::new(&regex_syntax::escape(&text)).unwrap();
            prop_assert!(pattern.matches(&text));
            prop_assert_eq!(pattern.matches(&other), text == other);
        }

        #[test]
        fn nothing_panics(pattern in "\\PC{0,40}", text in "\\PC{0,40}") {
            if let Ok(pattern) = Pattern::new(&pattern) {
                let _ = pattern.matches(&text);
            }
        }
    }
}
