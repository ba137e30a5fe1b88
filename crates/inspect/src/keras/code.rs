//! Code and pickles that a configuration holds as text.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Names in bytecode that reach code, files, processes or the network. Functions of a layer compute on tensors.
static DANGEROUS: &[&str] = &[
    "__builtins__",
    "__class__",
    "__globals__",
    "__import__",
    "__loader__",
    "__mro__",
    "__subclasses__",
    "_posixsubprocess",
    "aiohttp",
    "asyncio",
    "b64decode",
    "base64",
    "builtins",
    "check_call",
    "check_output",
    "cloudpickle",
    "codecs",
    "commands",
    "compile",
    "connect",
    "ctypes",
    "curl",
    "dill",
    "environ",
    "eval",
    "exec",
    "execfile",
    "execve",
    "ftplib",
    "getoutput",
    "globals",
    "httpx",
    "http",
    "importlib",
    "import_module",
    "inspect",
    "io",
    "joblib",
    "load_library",
    "load_op_library",
    "locals",
    "marshal",
    "mkdir",
    "multiprocessing",
    "nt",
    "numpy_function",
    "open",
    "os",
    "paramiko",
    "pathlib",
    "pickle",
    "pip",
    "platform",
    "popen",
    "Popen",
    "posix",
    "posix_spawn",
    "pty",
    "py_func",
    "py_function",
    "read_file",
    "remove",
    "requests",
    "rmtree",
    "runpy",
    "shutil",
    "signal",
    "smtplib",
    "socket",
    "spawn",
    "ssl",
    "startfile",
    "subprocess",
    "sys",
    "system",
    "tempfile",
    "threading",
    "unlink",
    "urllib",
    "urlopen",
    "urlretrieve",
    "webbrowser",
    "winreg",
    "write_file",
    "zlib",
];

/// Longest text that is decoded.
const MOST: usize = 1024 * 1024;

/// What base64 stands for, with line feeds or without padding.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let plain: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).take(MOST).collect();
    GeneralPurpose::new(&STANDARD, config).decode(plain).ok()
}

/// Longest name that is looked for.
const NAME: usize = 32;

/// The first dangerous name in marshalled code: names are texts with their length before them, whatever lies between; and in
/// constants that are source, they are imported or called.
pub(super) fn dangerous_name(code: &[u8]) -> Option<&'static str> {
    let known = |text: &[u8]| DANGEROUS.iter().find(|name| name.as_bytes() == text).copied();
    let named = (0..code.len()).find_map(|at| {
        let rest = code.get(at..)?;
        let (len, text) = match rest {
            // Short texts, and those of Python's own table of names; then long ones.
            [b'z' | b'Z' | 0xda | 0xfa, len, text @ ..] => (usize::from(*len), text),
            [
                b't' | b'u' | b'a' | b'A' | b's' | 0xf4 | 0xf5 | 0xe1 | 0xc1 | 0xf3,
                len,
                0,
                0,
                0,
                text @ ..,
            ] => (usize::from(*len), text),
            _ => return None,
        };
        if len > NAME { None } else { known(text.get(..len)?) }
    });
    named.or_else(|| {
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let mut at = 0;
        code.split(|byte| !is_name(byte)).find_map(|word| {
            let (start, end) = (at, at + word.len());
            at = end + 1;
            let before = code.get(..start).unwrap_or_default();
            let called = code.get(end) == Some(&b'(');
            let imported = [&b"import "[..], b"from "].iter().any(|keyword| before.ends_with(keyword));
            if called || imported { known(word) } else { None }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_follows_them() {
        assert_eq!(dangerous_name(b"\xe3\0\0z\x06systemz\x02os"), Some("system"));
        assert_eq!(dangerous_name(b"...\xda\x04open\xda\x01x"), Some("open"));
        assert_eq!(dangerous_name(b"s\x06\0\0\0systemx"), Some("system"));
        assert_eq!(dangerous_name(b"\xfa\x10import os, sys; "), Some("os"));
        assert_eq!(dangerous_name(b"z\x90x = a.popen('1')"), Some("popen"));
        assert_eq!(dangerous_name(b"\xda\x02tf\xda\x04mathz\x04sys_"), None);
    }

    #[test]
    fn base64_may_have_line_feeds_and_no_padding() {
        assert_eq!(decode("YW\nI"), Some(b"ab".to_vec()));
        assert_eq!(decode("no base64!"), None);
    }
}
