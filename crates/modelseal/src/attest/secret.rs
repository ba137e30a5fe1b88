//! What must not get into a statement, which is public for ever: credentials, by the names and shapes that they have.

/// Words at the end of a name, with everything but letters and digits taken out.
const LAST: [&str; 8] = ["token", "key", "pwd", "auth", "pat", "cookie", "pass", "bearer"];
/// Words anywhere in such a name.
const WITHIN: [&str; 6] = ["secret", "passw", "passphrase", "credential", "apikey", "privatekey"];
/// How credentials of the usual services begin.
const PREFIXES: [&str; 28] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "glcbt-",
    "glrt-",
    "glptt-",
    "glsoat-",
    "xoxa-",
    "xoxb-",
    "xoxc-",
    "xoxd-",
    "xoxe-",
    "xoxo-",
    "xoxp-",
    "xoxr-",
    "xoxs-",
    "xapp-",
    "sk-",
    "sk_live_",
    "rk_live_",
    "npm_",
    "pypi-",
    "bkua_",
];
/// How identifiers of keys of AWS begin; capital letters and digits follow.
const AWS: [&str; 2] = ["AKIA", "ASIA"];
/// Least letters of a value that is said to be a secret by the name before it.
const LEAST: usize = 6;

/// Whether somebody called it what secrets are called. `max_tokens` and `tokenizer` are no secrets.
pub(super) fn is_named_so(name: &str) -> bool {
    let name: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    LAST.iter().any(|end| name.ends_with(end)) || WITHIN.iter().any(|part| name.contains(part))
}

/// Whether it is or holds what has the form of a credential, or one that was masked.
pub(super) fn looks_so(value: &str) -> bool {
    let value = value.trim();
    let masked = !value.is_empty() && value.bytes().all(|b| b == b'*')
        || ["[MASKED]", "[FILTERED]", "[REDACTED]"].iter().any(|mask| value.eq_ignore_ascii_case(mask));
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut words = value.split(|c: char| !is_word(c));
    masked
        || value.contains("-----BEGIN ")
        || value.split_whitespace().any(has_user_info)
        || words.any(is_credential)
        || has_named_secret(value)
}

/// Whether a secret stands in it behind its name: `--token=..`, `?sig=..`, `Bearer ..`.
fn has_named_secret(value: &str) -> bool {
    let ends = |c: char| c.is_whitespace() || matches!(c, '&' | ';' | ',' | '?' | '#' | '"' | '\'');
    let pair = |part: &str| {
        part.split_once('=').is_some_and(|(name, rest)| {
            let name = name.trim_start_matches('-');
            let named = is_named_so(name) || matches!(name, "sig" | "signature");
            let is_path = rest.starts_with(['/', '.']) || rest.contains("://");
            named && !is_path && rest.len() >= LEAST && !rest.bytes().all(|b| b.is_ascii_digit())
        })
    };
    let bearer = value.split_once("earer ").map(|(_, token)| token.split_whitespace().next().unwrap_or(""));
    value.split(ends).any(pair) || bearer.is_some_and(|token| token.len() >= 16)
}

/// Names such as `sk-learn-contrib` and `hf_internal_testing` have the beginning, and not the rest.
fn is_credential(word: &str) -> bool {
    let long =
        |rest: &str| rest.len() >= 16 && (rest.bytes().any(|b| b.is_ascii_digit()) || rest.len() >= 36);
    let of_aws =
        |rest: &str| rest.len() >= 16 && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let prefixed = |prefix: &str| word.strip_prefix(prefix).is_some_and(long);
    let plain = |prefix: &str| {
        let rest = word.strip_prefix(prefix).filter(|rest| rest.len() >= 30);
        rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    PREFIXES.iter().any(|prefix| prefixed(prefix))
        || AWS.iter().any(|prefix| word.strip_prefix(prefix).is_some_and(of_aws))
        || plain("hf_")
        || word.strip_prefix("AIza").is_some_and(|rest| rest.len() >= 35)
        || word.starts_with("eyJ") && word.matches('.').count() == 2
}

/// Whether it is an address with a user or a password in it.
pub(super) fn has_user_info(text: &str) -> bool {
    user_info(text).is_some()
}

/// The address without user and password.
pub(super) fn without_user_info(text: &str) -> String {
    match user_info(text) {
        Some((start, end)) => [&text[..start], &text[end..]].concat(),
        None => text.to_owned(),
    }
}

/// Whether it is an address without a scheme that has a password in it: `user:password@host/..` or `user:password@host:path`.
/// What is left without them is no URI, so that such a text cannot become one.
pub(super) fn is_bare_address_with_password(text: &str) -> bool {
    !text.contains("://") && user_info(text).is_some()
}

/// Where user and password stand, with the `@` behind them.
fn user_info(text: &str) -> Option<(usize, usize)> {
    let scheme = text.find("://").map(|at| at + 3).or_else(|| text.starts_with("//").then_some(2));
    if let Some(start) = scheme {
        let authority = text[start..].find(['/', '?', '#']).map_or(text.len(), |end| start + end);
        let at = text[start..authority].rfind('@')?;
        return Some((start, start + at + 1));
    }
    let head = &text[..text.find(['/', '?', '#']).unwrap_or(text.len())];
    let (user, _) = head.split_once(':')?;
    let at = head.rfind('@').filter(|at| *at > user.len())?;
    // What is no host with a path behind it is a name with a revision, or an image with its digest.
    let after = &text[at + 1..];
    let (host, path) = after.split_at(after.find(['/', ':'])?);
    let is_host = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    let is_digest = ["sha256", "sha512"].contains(&host) && path[1..].bytes().all(|b| b.is_ascii_hexdigit());
    (is_host && !host.is_empty() && !user.is_empty() && !is_digest).then_some((0, at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_hyperparameters() {
        for secret in [
            "token",
            "HF_TOKEN",
            "hf-token",
            "apiKey",
            "API_KEY",
            "db_password",
            "clientSecret",
            "secrets_file",
            "aws_secret_access_key",
            "ssh-private-key",
            "credentials",
            "basicAuth",
            "GH_PAT",
            "db_pass",
        ] {
            assert!(is_named_so(secret), "{secret}");
        }
        for plain in
            ["max_tokens", "tokenizer", "epochs", "seed", "lr", "author", "base_model", "keys_per_head", ""]
        {
            assert!(!is_named_so(plain), "{plain}");
        }
    }

    #[test]
    fn credentials_are_told_by_their_form() {
        for secret in [
            "***",
            "[MASKED]",
            "[masked]",
            "ghp_0123456789abcdefghij",
            "glpat-0123456789abcdefghij",
            "hf_0123456789abcdefghijklmnopqrstuvwx",
            "AKIA0123456789ABCDEFGH",
            "eyJhbGciOi.eyJzdWIi.c2ln",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "https://user:word@host/x",
            "https://tok@host",
            "u:word@host/x",
            "u:word@host:x",
            "git clone https://user:word@host/x",
            "AKIAIOSFODNNEXAMPLEQ",
            "ASIA0123456789ABCDEF",
            "gho_0123456789abcdefghijklmnopqrstuvwxyz",
            "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
            "sk_live_0123456789abcdefghijk",
            "xoxp-123456789012-1234567890123-abcdefghijk",
            "xoxe-123456789012-1234567890123-abcdefghijk",
            "AIzaSyA1234567890abcdefghijklmnopqrstuv",
            "Authorization: Bearer abcdef0123456789ab",
            "--lr 3 --token=abc123secret",
            "https://host/c/b?sv=2020&sig=abcdEFGH%3D",
            "Name=a;AccountKey=abcd1234==;Suffix=core",
            "x=1,HF_TOKEN=abcdefghijkl",
            "{\"a\": \"ghp_0123456789abcdefghij\"}",
            "git+https://host/a@ghp_0123456789abcdefghij",
        ] {
            assert!(looks_so(secret), "{secret}");
        }
        for plain in [
            "",
            "3",
            "2e-4",
            "hf_model",
            "hf_internal_testing_tiny_random_model_2",
            "sk-learn-contrib-models",
            "sk-learn",
            "main",
            "https://host/x@y",
            "a@b.example",
            "git@host:a/b",
            "python:3.12@sha256:abababababababababababababababababababababababababababababababab",
            "pkg:gem/rails@7",
            "mailto:a@b.example",
            "hf:base@main",
            "c4:0.7@en,wiki:0.3@de",
            "max_tokens=512",
            "tokenizer=llama-bpe-2",
            "sort-key=3",
            "key=/path/of/it",
            "ASIAN-languages-of-the-world",
            "the bearer of this",
            "adamw",
        ] {
            assert!(!looks_so(plain), "{plain}");
        }
    }

    #[test]
    fn addresses_lose_user_and_password_only() {
        for (text, without) in [
            ("https://u:p@host/a@b", "https://host/a@b"),
            ("git+https://tok@host/a@refs/heads/x", "git+https://host/a@refs/heads/x"),
            ("https://u:p@w@host", "https://host"),
            ("https://host/a@b", "https://host/a@b"),
            ("pkg:huggingface/a/b@1", "pkg:huggingface/a/b@1"),
            ("https://host?x=a@b", "https://host?x=a@b"),
            ("//u:p@host/a", "//host/a"),
            ("u:p@host/a@b", "host/a@b"),
            ("git@host:a/b", "git@host:a/b"),
            ("pkg:generic@1", "pkg:generic@1"),
            ("", ""),
        ] {
            assert_eq!(without_user_info(text), without);
        }
    }
}
