//! [`IdentityMatch`]: whose keyless signature is expected.

use crate::policy::pattern::{self, Pattern};
use modelseal_core::text::Printable;
use regex_syntax::ast::{Ast, parse::Parser};
use std::fmt;

/// The kind of name that a keyless certificate gives its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityKind {
    /// An e-mail address: people.
    Email,
    /// A URI: workflows and services.
    Uri,
}

/// Which identity may have signed. A name of one kind never passes for one of another: whoever can choose a URI could
/// otherwise choose one that reads like somebody's e-mail address.
///
/// The kind is what is written before the value, `email:` or `URI:`. Without it, text with `://` is a URI and other text
/// with `@` an e-mail address. A pattern for URIs begins, in each of its alternatives, with the scheme: of
/// `.*@example\.com|https://.*` nobody knows what it is about.
///
/// ```
/// use modelseal_verify::sigstore::{IdentityKind, IdentityMatch};
/// let developer = IdentityMatch::exactly("dev@example.com");
/// assert!(developer.matches(IdentityKind::Email, "dev@example.com"));
/// assert!(!developer.matches(IdentityKind::Uri, "dev@example.com"));
/// let workflow = IdentityMatch::pattern(r"https://github\.com/acme/.*@refs/tags/v[0-9]+")?;
/// assert!(workflow.matches(IdentityKind::Uri, "https://github.com/acme/model/.github/workflows/sign.yml@refs/tags/v1"));
/// # Ok::<(), modelseal_verify::sigstore::PatternError>(())
/// ```
#[derive(Debug, Clone)]
pub struct IdentityMatch {
    kind: IdentityKind,
    text: String,
    pattern: Option<Pattern>,
}

/// Why text is no identity pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// Not a regular expression, or one that is too large.
    Syntax(String),
    /// Longer than any real pattern.
    TooLong {
        /// Its length in bytes.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// It does not say whether it is about e-mail addresses or URIs.
    Kind(String),
}

impl IdentityMatch {
    /// Exactly this identity.
    #[must_use]
    pub fn exactly(identity: &str) -> Self {
        let (kind, text) = split(identity);
        // Text that is neither is compared with URIs: it cannot be an e-mail address.
        Self { kind: kind.unwrap_or(IdentityKind::Uri), text: text.to_owned(), pattern: None }
    }

    /// Every identity that `pattern` matches as a whole; see [`Pattern`] for the syntax.
    ///
    /// # Errors
    /// [`PatternError`] when it is not one regular expression, is too large, or does not say which kind it is about.
    pub fn pattern(pattern: &str) -> Result<Self, PatternError> {
        let (named, text) = prefixed(pattern);
        let compiled = Pattern::new(text).map_err(|e| match e {
            pattern::PatternError::TooLong { found, limit } => PatternError::TooLong { found, limit },
            other => PatternError::Syntax(other.to_string()),
        })?;
        let kind =
            named.or_else(|| kind_of_pattern(text)).ok_or_else(|| PatternError::Kind(text.to_owned()))?;
        Ok(Self { kind, text: text.to_owned(), pattern: Some(compiled) })
    }

    /// Whether `value`, a name of kind `kind`, is expected.
    #[must_use]
    pub fn matches(&self, kind: IdentityKind, value: &str) -> bool {
        let fits = match &self.pattern {
            Some(pattern) => pattern.matches(value),
            None => self.text == value,
        };
        kind == self.kind && !value.is_empty() && fits
    }

    /// The kind of identity that is expected.
    #[must_use]
    pub fn kind(&self) -> IdentityKind {
        self.kind
    }

    /// Whether it is a pattern.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.pattern.is_some()
    }
}

/// The kind that `text` is of, and the text without the word for it.
fn split(text: &str) -> (Option<IdentityKind>, &str) {
    let (named, text) = prefixed(text);
    let looks = if text.contains("://") {
        Some(IdentityKind::Uri)
    } else if text.contains('@') {
        Some(IdentityKind::Email)
    } else {
        None
    };
    (named.or(looks), text)
}

/// The kind that is written before `text`.
fn prefixed(text: &str) -> (Option<IdentityKind>, &str) {
    if let Some(rest) = text.strip_prefix("email:") {
        (Some(IdentityKind::Email), rest)
    } else if let Some(rest) = text.strip_prefix("URI:") {
        (Some(IdentityKind::Uri), rest)
    } else {
        (None, text)
    }
}

/// The kind of names that a regular expression is about, where each of its alternatives says so by itself: it begins with
/// a scheme and `://`, or has an `@` and no `://`. Whoever can choose the end of a URI, such as a branch's name, could
/// otherwise satisfy the alternative that was meant for e-mail addresses.
pub(crate) fn kind_of_pattern(pattern: &str) -> Option<IdentityKind> {
    let ast = Parser::new().parse(pattern).ok()?;
    let kind = |branch: &str| {
        let branch = branch.trim_start_matches('^');
        let scheme = branch.split_once("://").map(|(scheme, _)| scheme);
        let is_scheme = |s: &str| {
            s.starts_with(|c: char| c.is_ascii_alphabetic())
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'-')
        };
        match scheme {
            Some(scheme) => is_scheme(scheme).then_some(IdentityKind::Uri),
            None => branch.contains('@').then_some(IdentityKind::Email),
        }
    };
    let text = |ast: &Ast| pattern.get(ast.span().start.offset..ast.span().end.offset).and_then(kind);
    let mut kinds = match &ast {
        Ast::Alternation(all) => all.asts.iter().map(text).collect::<Vec<_>>(),
        one => vec![text(one)],
    };
    kinds.dedup();
    match kinds[..] {
        [kind] => kind,
        _ => None,
    }
}

impl fmt::Display for IdentityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Email => "email",
            Self::Uri => "URI",
        })
    }
}

impl fmt::Display for IdentityMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_pattern() { "pattern " } else { "" };
        write!(f, "{what}{}:{}", self.kind, Printable(&self.text))
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(detail) => write!(f, "not a regular expression: {}", Printable(detail)),
            Self::TooLong { found, limit } => {
                write!(f, "{found} bytes of pattern exceed the limit of {limit}")
            }
            Self::Kind(text) => write!(
                f,
                "the pattern '{}' does not say whether it is about e-mail addresses or URIs: write 'email:' or 'URI:' before \
                 it, or begin each of its alternatives with a scheme such as 'https://'",
                Printable(text)
            ),
        }
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;
    use IdentityKind::{Email, Uri};

    #[test]
    fn a_name_of_one_kind_never_passes_for_another() {
        let exact = IdentityMatch::exactly("dev@example.com");
        assert!(exact.matches(Email, "dev@example.com"));
        for (kind, value) in
            [(Uri, "dev@example.com"), (Email, "Dev@example.com"), (Email, "dev@example.com "), (Email, "")]
        {
            assert!(!exact.matches(kind, value), "{kind} {value}");
        }
        let url = "https://example.com/dev@example.com";
        assert!(IdentityMatch::exactly(url).matches(Uri, url));
        assert!(!IdentityMatch::exactly(url).matches(Email, url));
        assert!(IdentityMatch::exactly("URI:dev@example.com").matches(Uri, "dev@example.com"));
        assert!(!IdentityMatch::exactly("").matches(Uri, ""));
        let mail = IdentityMatch::pattern(r".*@example\.com").unwrap();
        assert!(mail.matches(Email, "a@example.com") && !mail.matches(Uri, "https://evil/a@example.com"));
    }

    #[test]
    fn a_pattern_matches_whole_values_only() {
        let p = IdentityMatch::pattern(r"dev@example\.com|ops@example\.com").unwrap();
        assert!(p.matches(Email, "ops@example.com"));
        for bad in [
            "xops@example.com",
            "dev@example.com.evil.org",
            "dev@example.com\n",
            "\ndev@example.com",
            "dev@exampleXcom",
        ] {
            assert!(!p.matches(Email, bad), "{bad:?}");
        }
        assert!(
            IdentityMatch::pattern("email:a|ab").unwrap().matches(Email, "ab"),
            "the longer branch counts"
        );
        let multi = IdentityMatch::pattern("(?m)email@x").unwrap();
        assert!(!multi.matches(Email, "email@x\nmore"));
        let lines = IdentityMatch::pattern("email:(?m)^dev@x$").unwrap();
        assert!(lines.matches(Email, "dev@x") && !lines.matches(Email, "dev@x\nmallory@x"));
    }

    #[test]
    fn a_pattern_cannot_escape_its_anchors_or_grow_without_bound() {
        for bad in ["email:a)|(?:b", "email:(", r"email:\"] {
            assert!(matches!(IdentityMatch::pattern(bad), Err(PatternError::Syntax(_))), "{bad}");
        }
        assert!(matches!(IdentityMatch::pattern("email:((a{200}){200}){200}"), Err(PatternError::Syntax(_))));
        let deep = format!("email:{}a{}", "(".repeat(500), ")".repeat(500));
        assert!(matches!(IdentityMatch::pattern(&deep), Err(PatternError::Syntax(_))));
        let long = "a".repeat(pattern::MAX_PATTERN_BYTES + 1);
        assert!(matches!(IdentityMatch::pattern(&long), Err(PatternError::TooLong { .. })));
        assert!(matches!(IdentityMatch::pattern(".*"), Err(PatternError::Kind(_))));
    }

    #[test]
    fn a_pattern_for_both_kinds_is_for_none() {
        for mixed in [
            r".*@example\.com|https://github\.com/good/.*",
            r"https://github\.com/good/.*|.*@example\.com",
            r"(https://a|.*@example\.com)",
            r".*@example\.com.*://x",
            "https://a|b",
        ] {
            assert!(matches!(IdentityMatch::pattern(mixed), Err(PatternError::Kind(_))), "{mixed}");
        }
        let workflows = IdentityMatch::pattern(r"https://a/x@refs/.*|https://b/y@.*").unwrap();
        assert!(workflows.matches(Uri, "https://b/y@refs") && !workflows.matches(Email, "https://b/y@refs"));
        assert_eq!(IdentityMatch::pattern("(alice|bob)@example").unwrap().kind(), Email);
        assert_eq!(IdentityMatch::pattern("URI:.*@example").unwrap().kind(), Uri);
    }
}
