//! [`IdentityMatch`]: whose keyless signature is expected.

use modelseal_core::text::Printable;
use regex_automata::{meta::Regex, util::syntax};
use std::{fmt, sync::Arc};

/// Longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 8 * 1024;
/// Largest compiled pattern, in bytes: repetitions of repetitions grow fast.
const MAX_COMPILED_BYTES: usize = 2 * 1024 * 1024;

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
/// with `@` an e-mail address.
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
    pattern: Option<Arc<Regex>>,
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

    /// Every identity that `pattern` matches as a whole. The syntax is that of the `regex` crate; the pattern is anchored
    /// at both ends, and matching takes linear time.
    ///
    /// # Errors
    /// [`PatternError`] when it is not one regular expression, is too large, or does not say which kind it is about.
    pub fn pattern(pattern: &str) -> Result<Self, PatternError> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong { found: pattern.len(), limit: MAX_PATTERN_BYTES });
        }
        let (kind, text) = split(pattern);
        let kind = kind.ok_or_else(|| PatternError::Kind(text.to_owned()))?;
        // Alone first: `a)|(?:b` is no pattern, but becomes one between parentheses.
        compile(text)?;
        let anchored = compile(&format!(r"\A(?:{text})\z"))?;
        Ok(Self { kind, text: text.to_owned(), pattern: Some(Arc::new(anchored)) })
    }

    /// Whether `value`, a name of kind `kind`, is expected.
    #[must_use]
    pub fn matches(&self, kind: IdentityKind, value: &str) -> bool {
        let fits = match &self.pattern {
            Some(pattern) => pattern.is_match(value),
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

fn compile(pattern: &str) -> Result<Regex, PatternError> {
    Regex::builder()
        .configure(
            Regex::config()
                .nfa_size_limit(Some(MAX_COMPILED_BYTES))
                .onepass_size_limit(Some(MAX_COMPILED_BYTES)),
        )
        .syntax(syntax::Config::new().nest_limit(64))
        .build(pattern)
        .map_err(|e| {
            PatternError::Syntax(e.syntax_error().map_or_else(|| e.to_string(), ToString::to_string))
        })
}

/// The kind that `text` is of, and the text without the word for it.
fn split(text: &str) -> (Option<IdentityKind>, &str) {
    if let Some(rest) = text.strip_prefix("email:") {
        return (Some(IdentityKind::Email), rest);
    }
    if let Some(rest) = text.strip_prefix("URI:") {
        return (Some(IdentityKind::Uri), rest);
    }
    let kind = if text.contains("://") {
        Some(IdentityKind::Uri)
    } else if text.contains('@') {
        Some(IdentityKind::Email)
    } else {
        None
    };
    (kind, text)
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
                "the pattern '{}' does not say what it is about: write 'email:' or 'URI:' before it",
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
        for bad in ["email:a)|(?:b", "email:(", "email:(?x)a@b #", "email:(?x)a # (", r"email:\"] {
            assert!(matches!(IdentityMatch::pattern(bad), Err(PatternError::Syntax(_))), "{bad}");
        }
        assert!(matches!(IdentityMatch::pattern("email:((a{200}){200}){200}"), Err(PatternError::Syntax(_))));
        let deep = format!("email:{}a{}", "(".repeat(500), ")".repeat(500));
        assert!(matches!(IdentityMatch::pattern(&deep), Err(PatternError::Syntax(_))));
        let long = "a".repeat(MAX_PATTERN_BYTES + 1);
        assert!(matches!(IdentityMatch::pattern(&long), Err(PatternError::TooLong { .. })));
        assert!(matches!(IdentityMatch::pattern(".*"), Err(PatternError::Kind(_))));
    }
}
