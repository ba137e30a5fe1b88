//! What must not get into a statement, which is public for ever: credentials, by the names and shapes that they have.

/// Words at the end of a name, with everything but letters and digits taken out.
const LAST: [&str; 6] = ["token", "key", "pwd", "auth", "pat", "cookie"];
/// Words anywhere in such a name.
const WITHIN: [&str; 6] = ["secret", "passw", "passphrase", "credential", "apikey", "privatekey"];
/// How credentials of the usual services begin.
const PREFIXES: [&str; 17] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "glcbt-",
    "AKIA",
    "ASIA",
    "xoxb-",
    "xoxp-",
    "sk-",
    "npm_",
    "pypi-",
    "bkua_",
];

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
    masked || value.contains("-----BEGIN ") || has_user_info(value) || words.any(is_credential)
}

/// Names such as `sk-learn-contrib` and `hf_internal_testing` have the beginning, and not the rest.
fn is_credential(word: &str) -> bool {
    let long = |rest: &str| rest.len() >= 16 && rest.bytes().any(|b| b.is_ascii_digit());
    let prefixed = |prefix: &str| word.strip_prefix(prefix).is_some_and(long);
    let plain = |prefix: &str| {
        let rest = word.strip_prefix(prefix).filter(|rest| rest.len() >= 30);
        rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    PREFIXES.iter().any(|prefix| prefixed(prefix))
        || plain("hf_")
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

/// Where user and password stand, with the `@` behind them.
fn user_info(text: &str) -> Option<(usize, usize)> {
    let start = text.find("://")? + 3;
    let authority = text[start..].find(['/', '?', '#']).map_or(text.len(), |end| start + end);
    let at = text[start..authority].rfind('@')?;
    Some((start, start + at + 1))
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
            ("", ""),
        ] {
            assert_eq!(without_user_info(text), without);
        }
    }
}
