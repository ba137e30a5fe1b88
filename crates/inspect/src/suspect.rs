//! Texts where no code belongs that look like code, a command or a pickle. Nothing runs them by itself, so that finding one
//! is never more than suspicious.

/// What code and commands look like.
const CODE: [&str; 26] = [
    "/bin/bash",
    "/bin/sh",
    "<script",
    "__builtins__",
    "__globals__",
    "__import__",
    "__reduce__",
    "__subclasses__",
    "b64decode(",
    "bash -c",
    "cmd.exe",
    "eval(",
    "exec(",
    "import os",
    "import socket",
    "import subprocess",
    "marshal.loads",
    "os.popen",
    "os.system",
    "pickle.loads",
    "powershell",
    "rm -rf",
    "sh -c",
    "shutil.rmtree",
    "subprocess.",
    "| bash",
];

/// How pickles of protocols 4 and 5 begin in base64.
const PICKLES: [&str; 2] = ["gASV", "gAWV"];

/// What of it `text` has.
pub(crate) fn code(text: &str) -> Option<&'static str> {
    let found = CODE.into_iter().find(|code| has(text, code));
    found.or_else(|| PICKLES.into_iter().find(|start| text.starts_with(start)))
}

/// Whether `word` stands in `text`, not within a longer word.
fn has(text: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(is_letter) && word.starts_with(is_letter);
        let after =
            text[at + word.len()..].chars().next().is_some_and(is_letter) && word.ends_with(is_letter);
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn words_are_told_from_parts_of_words() {
        for text in ["eval('1')", "x=os.system('id')", "import os\n", "rm -rf /", "curl x | bash", "gASVxx"] {
            assert!(code(text).is_some(), "{text}");
        }
        for text in ["medieval(style)", "import oscillator", "a short text", "push -cx", "", "xgASV"] {
            assert_eq!(code(text), None, "{text}");
        }
    }
}
