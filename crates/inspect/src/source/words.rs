//! What a few of Python's words say together.

use super::lexer::{Kind, Token, unescape};

/// The word at a place.
pub(super) fn kind<'t>(tokens: &[Token<'t>], at: usize) -> Option<Kind<'t>> {
    tokens.get(at).map(|token| token.kind)
}

/// Whether it stands behind a point.
pub(super) fn is_attribute(tokens: &[Token<'_>], at: usize) -> bool {
    at > 0 && kind(tokens, at - 1) == Some(Kind::Op('.'))
}

/// Whether `from` begins an import, and does not go on `yield` or `raise`.
pub(super) fn is_from(tokens: &[Token<'_>], at: usize) -> bool {
    let (_, mut next) = dotted(tokens, at + 1);
    while kind(tokens, next) == Some(Kind::Op('.')) {
        next = dotted(tokens, next + 1).1;
    }
    kind(tokens, next) == Some(Kind::Name("import"))
}

/// `a.b.c`, and what comes after it.
pub(super) fn dotted(tokens: &[Token<'_>], mut at: usize) -> (String, usize) {
    let mut name = String::new();
    while let Some(Kind::Name(part)) = kind(tokens, at) {
        if part == "import" || part == "as" {
            break;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(part.chars().take(200));
        at += 1;
        if kind(tokens, at) != Some(Kind::Op('.')) || name.len() > 1000 {
            break;
        }
        at += 1;
    }
    (name, at)
}

/// `'a' 'b' + 'c'`, and what comes after it.
pub(super) fn literal(tokens: &[Token<'_>], mut at: usize) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut some = false;
    loop {
        match kind(tokens, at) {
            Some(Kind::Text(body, prefix)) if text.len() < 4096 => {
                text.push_str(&unescape(body.get(..body.len().min(4096)).unwrap_or_default(), prefix));
                some = true;
            }
            Some(Kind::Op('+')) if some => {}
            _ => return some.then_some((text, at)),
        }
        at += 1;
    }
}

/// What comes after the bracket that closes a call, when nothing with brackets stands before it.
pub(super) fn closing(tokens: &[Token<'_>], from: usize) -> Option<usize> {
    let rest = tokens.get(from..)?;
    let end = rest.iter().take(64).position(|token| matches!(token.kind, Kind::Op('(' | ')')))?;
    (rest.get(end)?.kind == Kind::Op(')')).then_some(from + end + 1)
}

/// Whether a line begins a block.
pub(super) fn opens(tokens: &[Token<'_>]) -> bool {
    tokens.last().is_some_and(|token| token.kind == Kind::Op(':'))
}

/// Whether the block of this line runs later than on import.
pub(super) fn defers(tokens: &[Token<'_>]) -> bool {
    match (kind(tokens, 0), kind(tokens, 1)) {
        (Some(Kind::Name("def")), _) | (Some(Kind::Name("async")), Some(Kind::Name("def"))) => true,
        (Some(Kind::Name("if")), _) => {
            let has = |word| tokens.iter().any(|token| token.kind == Kind::Name(word));
            let main = (0..tokens.len()).any(|at| {
                let word = |n| kind(tokens, at + n);
                word(0) == Some(Kind::Name("__name__"))
                    && word(1) == Some(Kind::Op('='))
                    && word(2) == Some(Kind::Op('='))
                    && matches!(word(3), Some(Kind::Text("__main__", _)))
            });
            // With these, it may hold on import.
            main && !has("or") && !has("not") && !has("else")
        }
        _ => false,
    }
}

/// Where a header's colon is.
pub(super) fn colon(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_i64;
    tokens.iter().position(|token| {
        match token.kind {
            Kind::Op('(' | '[' | '{') => depth += 1,
            Kind::Op(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        depth == 0 && token.kind == Kind::Op(':')
    })
}
