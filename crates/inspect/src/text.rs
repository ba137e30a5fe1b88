//! Text: whether it is any, and whether it shows people what it says; and its lines, for the readers of formats that have
//! some.

use crate::{
    bytes::{ReadError, Stream},
    limits, requirements,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::FileFormat;

pub(crate) mod rules {
    //! What can be found in text.

    use crate::rule::rules;

    rules! {
        CONTROLS = "TXT001" "control-characters" Note:
            "There are control characters in the text; some of them make a terminal obey." =>
            "Look at it in an editor, not in a terminal.";
        DIRECTION = "TXT002" "hidden-direction" Note:
            "Characters of the text change the direction of writing or cannot be seen, so that people read something else than programs." =>
            "Look at it in an editor that shows such characters.";
        ENCODING = "TXT003" "not-utf8" Note:
            "The text is not in UTF-8." =>
            "Store it as UTF-8.";
        BINARY = "TXT004" "binary-in-text" Unknown:
            "After a beginning that is text, there are bytes that are none; nothing can be said about them." =>
            "Find out what they are.";
        ACTIVE = "TXT005" "active-document" Suspicious:
            "The document runs scripts when it is opened in a browser." =>
            "Remove the scripts.";
    }
}

/// Extensions of files that people read, or that programs read as lines of words.
const EXTENSIONS: &[&str] = &[
    "txt",
    "md",
    "mdx",
    "markdown",
    "rst",
    "adoc",
    "license",
    "licence",
    "gitattributes",
    "gitignore",
    "gitkeep",
    "gitmodules",
    "dockerignore",
    "npmignore",
    "csv",
    "tsv",
    "toml",
    "ini",
    "cfg",
    "conf",
    "properties",
    "log",
    "bib",
    "tex",
    "cff",
    "vocab",
    "bpe",
    "codes",
    "merges",
    "dict",
    "lst",
    "labels",
    "names",
    "srt",
    "typed",
    "lock",
    "html",
    "htm",
    "css",
    "tmpl",
    "prompt",
    "editorconfig",
    "out",
    "diff",
    "patch",
    "sha256",
    "md5",
];

/// Names without an extension.
const NAMES: &[&str] = &[
    "config",
    "vocab",
    "merges",
    "labels",
    "classes",
    "categories",
    "corpus",
    "version",
    "model",
    "modelfile",
    "notice",
    "authors",
];

/// The door from `route`: what nobody else wants.
pub(crate) struct Text;

impl Format for Text {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let shouted = |name: &str| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-.".contains(c))
        };
        let known = EXTENSIONS.contains(&probe.extension)
            || shouted(probe.name)
            || (probe.extension.is_empty() && NAMES.contains(&&*probe.name.to_ascii_lowercase()))
            // `.gitattributes` and the like: all of it is extension.
            || (probe.name.strip_prefix('.') == Some(probe.extension));
        (known && is_text(probe.head)).then_some(Match::Likely)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        if requirements::is_list(scan.name()) {
            return requirements::Requirements.inspect(content, scan);
        }
        let mut look = Look::default();
        let name = scan.name().to_ascii_lowercase();
        let active = [".html", ".htm", ".svg", ".mdx"].iter().any(|end| name.ends_with(end));
        let mut lines = Lines::new(content.into_stream());
        while let Some(line) = lines.next(scan)? {
            let at = line.at;
            look.line(at, line.bytes, scan);
            if active && is_active(line.bytes) {
                scan.find(&rules::ACTIVE, at, "there is a script, or an address that is one".to_owned());
            }
        }
        look.finish(scan);
        Ok(FileFormat::Text)
    }
}

/// Whether these first bytes of a file are text.
pub(crate) fn is_text(head: &[u8]) -> bool {
    if is_utf16(head) {
        return true;
    }
    let rare = head.iter().filter(|&&byte| is_control(byte)).count();
    let whole = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    // Text in an old encoding: nearly all of it is ASCII.
    let old = || head.iter().filter(|byte| !byte.is_ascii()).count() * 10 <= head.len();
    !head.contains(&0) && rare * 100 <= head.len() && (whole || (rare == 0 && old()))
}

/// Whether it begins with a byte order mark of UTF-16.
pub(crate) fn is_utf16(head: &[u8]) -> bool {
    matches!(head, [0xff, 0xfe, low, 0, ..] if *low != 0)
        || matches!(head, [0xfe, 0xff, 0, low, ..] if *low != 0)
}

/// Whether a browser would run something of this line.
pub(crate) fn is_active(line: &[u8]) -> bool {
    let line = line.to_ascii_lowercase();
    let has = |word: &str| line.windows(word.len()).any(|part| part == word.as_bytes());
    let handler = || {
        line.windows(3).enumerate().any(|(at, three)| {
            let before = at.checked_sub(1).and_then(|at| line.get(at));
            let name = || {
                line.get(at + 2..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_alphabetic())
            };
            let after = || line.get(at + 2 + name().count()..).unwrap_or_default().trim_ascii_start().first();
            three.starts_with(b"on")
                && before
                    .is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'/'))
                && (3..20).contains(&name().count())
                && after() == Some(&b'=')
        })
    };
    has("<script")
        || has("javascript:")
        || has("<iframe")
        || has("<foreignobject")
        || has("<embed")
        || handler()
}

/// Looks at the lines of a text one after the other, and tells once what is odd.
#[derive(Default)]
pub(crate) struct Look {
    controls: Option<(u64, u8)>,
    direction: Option<u64>,
    encoding: Option<u64>,
    zeros: Option<u64>,
    utf16: bool,
}

impl Look {
    /// The next line.
    pub(crate) fn line(&mut self, at: u64, line: &[u8], scan: &mut Scan<'_>) {
        if at == 0 && is_utf16(line) {
            self.utf16 = true;
            scan.find(&rules::ENCODING, 0, "it is in UTF-16".to_owned());
        }
        if self.utf16 {
            return;
        }
        let place = |position: usize| at + position as u64;
        if let Some(position) = line.iter().position(|&byte| is_control(byte)) {
            let byte = line.get(position).copied().unwrap_or_default();
            self.controls.get_or_insert((place(position), byte));
            if line.contains(&0) {
                self.zeros.get_or_insert(at);
            }
        }
        if line.is_ascii() {
            return;
        }
        match std::str::from_utf8(line) {
            Ok(text) => {
                if let Some((position, _)) = text.char_indices().find(|&(_, c)| is_hidden(c)) {
                    self.direction.get_or_insert(place(position));
                }
            }
            Err(error) => {
                self.encoding.get_or_insert(place(error.valid_up_to()));
            }
        }
    }

    /// Tells.
    pub(crate) fn finish(self, scan: &mut Scan<'_>) {
        if let Some((at, byte)) = self.controls {
            scan.find(&rules::CONTROLS, at, format!("the character {byte}"));
        }
        if let Some(at) = self.direction {
            scan.find(&rules::DIRECTION, at, "the first is here".to_owned());
        }
        if let Some(at) = self.encoding {
            scan.find(&rules::ENCODING, at, "this is not UTF-8".to_owned());
        }
        if let Some(at) = self.zeros {
            scan.find(&rules::BINARY, at, "there are zeros, which no text has".to_owned());
        }
    }
}

/// A line of a file.
pub(crate) struct Line<'l> {
    /// Where it begins.
    pub(crate) at: u64,
    /// Without what ends it; hardly more than [`limits::LINE`].
    pub(crate) bytes: &'l [u8],
    /// Whether the line goes on in the next piece.
    pub(crate) more: bool,
}

/// The lines of a stream, each held alone. Longer ones than [`limits::LINE`] come in pieces, so that nothing is left out.
pub(crate) struct Lines<'a> {
    stream: Box<dyn Stream + 'a>,
    buffer: Vec<u8>,
    /// What of the buffer was given out.
    used: usize,
    /// Where the buffer begins in the stream.
    at: u64,
    ended: bool,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(stream: Box<dyn Stream + 'a>) -> Self {
        Self { stream, buffer: Vec::new(), used: 0, at: 0, ended: false }
    }

    /// The next, if there is one.
    pub(crate) fn next(&mut self, scan: &mut Scan<'_>) -> Result<Option<Line<'_>>, Halt> {
        let mut searched = self.used;
        let (end, next, more) = loop {
            let rest = self.buffer.get(searched..).unwrap_or_default();
            if let Some(position) = rest.iter().position(|&byte| byte == b'\n') {
                break (searched + position, searched + position + 1, false);
            }
            if self.buffer.len() - self.used >= limits::LINE {
                break (self.buffer.len(), self.buffer.len(), true);
            }
            searched = self.buffer.len() - self.used;
            if self.ended {
                if self.used >= self.buffer.len() {
                    return Ok(None);
                }
                break (self.buffer.len(), self.buffer.len(), false);
            }
            self.buffer.drain(..self.used);
            self.at += self.used as u64;
            self.used = 0;
            let filled = self.buffer.len();
            self.buffer.resize(filled + 16 * 1024, 0);
            let read = match self.stream.read(self.buffer.get_mut(filled..).unwrap_or_default()) {
                Ok(read) => read,
                Err(ReadError::Io(error)) => return Err(Halt(error)),
                Err(error) => {
                    scan.unreadable(error, &crate::compress::rules::CORRUPT)?;
                    0
                }
            };
            self.ended = read == 0;
            self.buffer.truncate(filled + read);
        };
        let at = self.at + self.used as u64;
        let start = self.used;
        self.used = next;
        let bytes = self.buffer.get(start..end).unwrap_or_default();
        let bytes = if more { bytes } else { bytes.strip_suffix(b"\r").unwrap_or(bytes) };
        Ok(Some(Line { at, bytes, more }))
    }
}

/// At most `most` bytes of a file, and whether that is all; more is a finding, which says that the rest was not looked at.
pub(crate) fn hold(content: Content<'_>, most: usize, scan: &mut Scan<'_>) -> Result<Vec<u8>, Halt> {
    let mut stream = content.into_stream();
    let mut held = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(held),
            Ok(read) => {
                let left = most - held.len();
                held.extend_from_slice(buffer.get(..read.min(left)).unwrap_or_default());
                if read > left {
                    let message = format!("only the first {most} bytes were looked at");
                    scan.find(&limits::TOO_LONG_TEXT, most as u64, message);
                    return Ok(held);
                }
            }
            Err(error) => {
                scan.unreadable(error, &crate::compress::rules::CORRUPT)?;
                return Ok(held);
            }
        }
    }
}

/// Text of UTF-8 or UTF-16, with or without a mark of it; what is none of it becomes replacement characters.
pub(crate) fn decode(bytes: &[u8]) -> String {
    if is_utf16(bytes) {
        let little = bytes.first() == Some(&0xff);
        let units = bytes.chunks_exact(2).skip(1).map(|two| match two {
            [a, b] if little => u16::from_le_bytes([*a, *b]),
            [a, b] => u16::from_be_bytes([*a, *b]),
            _ => 0,
        });
        return char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).into_owned()
}

/// Control characters that text does not have. An escape may be a colour in a log.
fn is_control(byte: u8) -> bool {
    (byte < 32 && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x0c)) || byte == 127
}

/// Overrides of direction, and tags that nobody sees. Marks that plain Arabic, Hebrew or Persian needs are not among them.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::look;
    use modelseal_core::inspection::{RuleId, Verdict};

    fn rules_of(name: &str, data: &[u8]) -> Vec<RuleId> {
        let found = look(name, data);
        assert_eq!(found.format, FileFormat::Text, "{name}: {found:?}");
        found.findings.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn what_people_read_is_clean() {
        for name in [
            "README.md",
            "LICENSE",
            "LICENSE.txt",
            "USE_POLICY",
            ".gitattributes",
            "merges.txt",
            "vocab.txt",
            "a.toml",
        ] {
            let found = look(name, "# Title\n\nLe modèle, ça va. 模型 \u{200c}\r\n".as_bytes());
            assert_eq!(
                (found.format, found.verdict()),
                (FileFormat::Text, Verdict::Clean),
                "{name}: {found:?}"
            );
            assert!(found.findings.is_empty());
        }
        for name in ["__init__.py", "a.txt", "a.yaml", ".gitkeep", "py.typed"] {
            let found = look(name, b"");
            assert_eq!((found.format, found.verdict()), (FileFormat::Empty, Verdict::Clean), "{name}");
        }
        assert_eq!(look("weights.xyz", b"no known name\n").format, FileFormat::Unknown);
    }

    #[test]
    fn what_people_do_not_see_is_told() {
        assert_eq!(rules_of("a.txt", "user\u{202e}nimda".as_bytes()), [rules::DIRECTION.id]);
        assert_eq!(
            rules_of("a.txt", &[&b"ok "[..], &[b'a'; 200], b"\x1b[2J"].concat()),
            [rules::CONTROLS.id]
        );
        assert_eq!(rules_of("a.txt", b"\xa9 1998 by somebody"), [rules::ENCODING.id]);
        assert_eq!(rules_of("a.txt", b"\xff\xfeo\0k\0"), [rules::ENCODING.id]);
        let late = [&b"text\n".repeat(2000)[..], &[0; 10]].concat();
        assert_eq!(rules_of("a.txt", &late), [rules::CONTROLS.id, rules::BINARY.id]);
        assert_eq!(look("a.txt", &late).verdict(), Verdict::Unknown);
    }

    #[test]
    fn documents_with_scripts_are_suspicious() {
        for script in ["<SCRIPT src=x>", "<a href='javascript:x'>", "<img src=1 onerror = alert(1)>"] {
            assert_eq!(rules_of("a.html", script.as_bytes()), [rules::ACTIVE.id], "{script}");
        }
        assert!(rules_of("a.html", b"<p>on one = two</p>").is_empty());
    }

    #[test]
    fn lines_come_one_by_one_and_long_ones_in_pieces() {
        let long = vec![b'x'; limits::LINE * 2 + 5];
        let data = [&b"a\r\n\n"[..], &long, b"\nend"].concat();
        let path = modelseal_core::path::ModelPath::parse("a").unwrap();
        let mut scan = Scan::new(crate::pickle::Globals::shipped(), path, 0);
        let content = Content::random(crate::bytes::Input::of(&data)).ok().unwrap();
        let mut lines = Lines::new(content.into_stream());
        let (mut text, mut places) = (Vec::new(), Vec::new());
        while let Some(line) = lines.next(&mut scan).ok().unwrap() {
            assert_eq!(&data[usize::try_from(line.at).unwrap()..][..line.bytes.len()], line.bytes);
            places.push(line.at);
            text.extend_from_slice(line.bytes);
        }
        assert_eq!(text.len(), 1 + long.len() + 3);
        assert_eq!(&places[..3], [0, 3, 4]);
    }

    #[test]
    fn utf16_is_decoded() {
        assert_eq!(decode(b"\xff\xfea\0b\0"), "ab");
        assert_eq!(decode(b"\xfe\xff\0a\0b"), "ab");
        assert_eq!(decode(b"\xef\xbb\xbfab"), "ab");
    }
}
