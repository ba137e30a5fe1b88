//! JSON: read strictly and as a stream, so that its size does not matter, and given to the [`Kind`] that it is of.

mod reader;
mod value;

use crate::{
    bytes::{Input, RangeStream, Stream},
    hf, limits,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
    tokenizer,
};
use modelseal_core::inspection::FileFormat;
pub(crate) use reader::{Event, Problem, Reader};
#[allow(unused_imports, reason = "kinds differ in what they look at")]
pub(crate) use value::{Array, Member, Object, Value};
use value::{Built, build};

pub(crate) mod rules {
    //! What can be found in any JSON.

    use crate::rule::rules;

    rules! {
        BROKEN = "JSN001" "broken-json" Malformed:
            "The file is no JSON, although its name or its beginning says so." =>
            "Get the file again from its maker.";
        DUPLICATE = "JSN002" "duplicate-member-name" Suspicious:
            "An object has a member twice: readers take the first or the last." =>
            "Remove one of them.";
        MARK = "JSN003" "byte-order-mark" Suspicious:
            "A byte order mark stands before the JSON; some readers pass over it, and others refuse the file." =>
            "Remove the mark.";
        PYTHON = "JSN004" "not-quite-json" Note:
            "There are values that Python writes and JSON does not have, such as NaN." =>
            "Write null instead.";
        TRAILING = "JSN005" "data-after-json" Malformed:
            "Something follows the JSON; readers refuse the file, or do not see it." =>
            "Get the file again from its maker.";
    }
}

/// Names that are looked for wherever they stand: what bears one is kept of documents of any size.
pub(crate) static WANTED: &[&str] = &[
    "_attn_implementation",
    "activation_fn",
    "activation_function",
    "attn_implementation",
    "auto_map",
    "auto_mapping",
    "chatTemplate",
    "chat_template",
    "class_name",
    "custom_ops_library",
    "custom_pipelines",
    "cell_type",
    "default_chat_template",
    "learner_model_param",
    "megatron_core",
    "imports",
    "initialize",
    "lc",
    "merges_file",
    "model_file",
    "model_type",
    "prompt_template",
    "py/class",
    "py/function",
    "py/initargs",
    "py/mod",
    "py/newargsex",
    "py/object",
    "py/reduce",
    "py/repr",
    "py/type",
    "registered_name",
    "run",
    "sbert_ce_default_activation_function",
    "template",
    "tokenizer_class",
    "tokenizer_file",
    "trust-remote-code",
    "trustRemoteCode",
    "trust_remote_code",
    "vocab_file",
    "_target_",
];

/// What is written in JSON and means more than JSON: the configuration of a tokenizer, a model of XGBoost.
pub(crate) trait Kind: Sync {
    /// Whether the document is of this kind, by the file's name and what it holds.
    fn matches(&self, name: &str, top: &Value) -> bool;

    /// Looks at it and says what it is. What is wrong with it as JSON has been found by then.
    fn inspect(&self, document: &Document<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt>;
}

/// All of them. Each looks at what it matches; the first says what the file is.
static KINDS: &[&dyn Kind] = &[
    &tokenizer::Tokenizer,
    &hf::ModelIndex,
    &hf::Modules,
    &hf::WeightIndex,
    &hf::Adapter,
    &crate::keras::KerasJson,
    &crate::boost::XgboostJson,
    &crate::source::Notebook,
    // Any other that may name code.
    &hf::AnyConfig,
];

/// A document that has been read.
#[allow(dead_code, reason = "kinds differ in what they look at")]
pub(crate) struct Document<'a> {
    /// The file's name without directories.
    pub(crate) name: &'a str,
    pub(crate) top: Value,
    /// Whether `top` is all there is: nothing was left out for its size, or after an error.
    pub(crate) whole: bool,
    place: Option<Input<'a>>,
}

#[allow(dead_code, reason = "kinds differ in what they look at")]
impl Document<'_> {
    /// Reads it once more, event by event. None when it comes from a compressed stream and is too large to be kept, which
    /// is found here.
    pub(crate) fn reader(&self, scan: &mut Scan<'_>) -> Option<Reader<RangeStream<'_>>> {
        let Some(place) = self.place else {
            scan.find(&limits::TOO_LARGE_TO_HOLD, None, "it would have to be read twice".to_owned());
            return None;
        };
        Some(Reader::new(place.stream()))
    }
}

/// The door from `route`.
pub(crate) struct Json;

impl Format for Json {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let named = matches!(probe.extension, "json" | "jsonl" | "ndjson" | "ipynb");
        (named || begins_json(probe.head)).then_some(Match::Likely)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let name = scan.leaf().to_owned();
        let lines = [".jsonl", ".ndjson"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
        let place = content.place();
        let mut reader = Reader::new(content.into_stream());
        match reader.skip_mark() {
            Ok(true) => scan.find(&rules::MARK, 0, "the file begins with one".to_owned()),
            Ok(false) => {}
            Err(problem) => report(problem, &reader, scan)?,
        }
        let Built { value, whole, bounded, problem } = build(&mut reader);
        let broken = problem.is_some();
        if bounded {
            let message = "what bears a name that matters takes more memory than is allowed";
            scan.find(&limits::JSON_TOO_LARGE, None, message.to_owned());
        }
        if let Some(problem) = problem {
            report(problem, &reader, scan)?;
        } else {
            rest(&mut reader, lines, scan)?;
        }
        let odd = reader.oddities();
        if let Some(at) = odd.duplicate {
            scan.find(&rules::DUPLICATE, at, "an object has this name already".to_owned());
        }
        if let Some(at) = odd.python {
            scan.find(&rules::PYTHON, at, "NaN, Infinity, or half of a surrogate pair".to_owned());
        }
        if odd.not_compared {
            let message = format!("only {} names were compared", limits::JSON_NAMES);
            scan.find(&limits::JSON_TOO_MANY_NAMES, None, message);
        }
        let document = Document { name: &name, top: value, whole: whole && !broken, place };
        let mut format = None;
        for kind in KINDS.iter().filter(|kind| kind.matches(&name, &document.top)) {
            let found = kind.inspect(&document, scan)?;
            format.get_or_insert(found);
        }
        tokenizer::tokens(&document.top, scan);
        Ok(format.unwrap_or(FileFormat::Json))
    }
}

/// Reads a document that is a part of another format, and says whether it is whole. What is wrong with it is found.
pub(crate) fn document(content: Content<'_>, scan: &mut Scan<'_>) -> Result<(Value, bool), Halt> {
    let mut reader = Reader::new(content.into_stream());
    let Built { value, whole, problem, .. } = build(&mut reader);
    let broken = problem.is_some();
    match problem {
        Some(problem) => report(problem, &reader, scan)?,
        None => rest(&mut reader, false, scan)?,
    }
    if !whole {
        scan.find(&limits::JSON_TOO_LARGE, None, "it takes more memory than is allowed".to_owned());
    }
    if let Some(at) = reader.oddities().duplicate {
        scan.find(&rules::DUPLICATE, at, "an object has this name already".to_owned());
    }
    Ok((value, whole && !broken))
}

/// What follows the first document: nothing, or in a file of lines, more of them.
fn rest<S: Stream>(reader: &mut Reader<S>, lines: bool, scan: &mut Scan<'_>) -> Result<(), Halt> {
    loop {
        match reader.another() {
            Ok(false) => return Ok(()),
            Ok(true) if !lines => {
                scan.find(&rules::TRAILING, reader.at(), "the value has ended before".to_owned());
                return Ok(());
            }
            Ok(true) => {}
            Err(problem) => return report(problem, reader, scan),
        }
        loop {
            match reader.next() {
                Ok(Event::End) => break,
                Ok(_) => {}
                Err(problem) => return report(problem, reader, scan),
            }
        }
    }
}

fn report<S>(problem: Problem, reader: &Reader<S>, scan: &mut Scan<'_>) -> Result<(), Halt>
where
    S: Stream,
{
    let at = reader.at();
    match problem {
        Problem::Syntax(what) => scan.find(&rules::BROKEN, at, what.to_owned()),
        Problem::Ends => scan.find(&rules::BROKEN, at, "it ends within a value".to_owned()),
        Problem::Deep => {
            let message = format!("more than {} levels", limits::JSON_DEPTH);
            scan.find(&limits::JSON_TOO_DEEP, at, message);
        }
        Problem::Read(error) => scan.unreadable(error, &crate::compress::rules::CORRUPT)?,
    }
    Ok(())
}

/// Whether `head` can be how JSON begins: an object or an array, without an error so far.
fn begins_json(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if !matches!(head.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return false;
    }
    let head = head.to_vec();
    let mut reader = Reader::new(Input::of(&head).stream());
    loop {
        match reader.next() {
            Ok(Event::End) => return true,
            Ok(_) => {}
            // A character may be cut at the end.
            Err(Problem::Ends | Problem::Deep) => return true,
            Err(Problem::Syntax(_) | Problem::Read(_)) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::look;
    use modelseal_core::inspection::Verdict;

    fn found(name: &str, data: &[u8]) -> Vec<String> {
        look(name, data).findings.iter().map(|finding| finding.rule.to_string()).collect()
    }

    #[test]
    fn json_is_known_by_content_and_by_name() {
        assert_eq!(look("a", b" {\"a\": [1, 2]}\n").format, FileFormat::Json);
        assert_eq!(look("a.json", b"12").verdict(), Verdict::Clean);
        assert_eq!(look("a.jsonl", b"{\"a\": 1}\n{\"a\": 2}\n").verdict(), Verdict::Clean);
        for other in
            [&b"[section]\nkey = 1\n"[..], b"[[tables]]\n", b"{% set a = 1 %}", b"{{ a }}", b"{a: 1}"]
        {
            assert_ne!(look("a", other).format, FileFormat::Json, "{other:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_json_is_found() {
        assert_eq!(found("a.json", b"{\"a\": 1"), ["JSN001"]);
        assert_eq!(found("a.json", b"<html>"), ["JSN001"]);
        assert_eq!(found("a.json", br#"{"a": 1, "a": 2}"#), ["JSN002"]);
        assert_eq!(found("a.json", b"\xef\xbb\xbf{}"), ["JSN003"]);
        assert_eq!(found("a.json", b"[NaN]"), ["JSN004"]);
        assert_eq!(found("a.json", b"{} {}"), ["JSN005"]);
        assert_eq!(found("a.json", &b"[".repeat(1000)), ["LIM016"]);
        assert_eq!(found("a.json", b""), ["FMT003"]);
        assert_eq!(look("a.json", b"[NaN]").verdict(), Verdict::Clean);
    }

    #[test]
    fn of_large_documents_what_is_looked_for_is_kept() {
        let long = "x".repeat(1000);
        let mut text = String::from("{");
        for number in 0..20_000 {
            text.push_str(&format!("\"{number}\": [\"{long}\", {number}],"));
        }
        text.push_str("\"last\": {\"deep\": [1, {\"auto_map\": \"x.Y\"}, {\"other\": 1}]}}");
        let bytes = text.into_bytes();
        let mut reader = Reader::new(Input::of(&bytes).stream());
        let built = build(&mut reader);
        assert!(built.problem.is_none() && !built.whole && !built.bounded);
        let mut seen = Vec::new();
        built.value.walk(&mut |member| seen.push(member.name.to_string()));
        assert!(seen.contains(&"auto_map".to_owned()) && seen.contains(&"0".to_owned()));
        assert!(!seen.contains(&"19999".to_owned()));
        let object = built.value.as_object().unwrap();
        assert_eq!(object.members.len() as u64 + object.left_out, 20_001);
    }

    #[test]
    fn what_came_before_an_error_is_kept() {
        let bytes = br#"{"auto_map": {"AutoModel": "x.Y"#.to_vec();
        let built = build(&mut Reader::new(Input::of(&bytes).stream()));
        assert!(built.problem.is_some());
        assert!(built.value.get("auto_map").is_some());
    }

    #[test]
    fn truncation_anywhere_is_found() {
        let text = br#"{"a": ["\u00e9", 1.5e3, true], "b": {"c": null}}"#;
        for end in 1..text.len() {
            assert_eq!(found("a.json", &text[..end]), ["JSN001"], "{end}");
        }
    }
}
