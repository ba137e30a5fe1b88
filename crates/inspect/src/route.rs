//! Which reader gets a file or a member: by its content. The name says only what was to be expected.

mod expect;

use crate::{
    boost, compress, coreml, executorch, flax, gguf, hdf5, jinja, json, lfs, limits, media, native, npy,
    paddle,
    pickle::{self, Globals, Likeness, Loader},
    protobuf, rdata, requirements, safetensors,
    scan::{Content, Halt, Scan, extension},
    sevenz, source, tar, tensorflow, tensorrt, text, tflite, torch7, vocabulary, xml, yaml, zip,
};
use modelseal_core::inspection::{Capability, FileFormat};

pub(crate) mod rules {
    //! What can be found before a format is read.

    use crate::rule::rules;

    rules! {
        UNKNOWN_FORMAT = "FMT001" "unknown-format" Unknown:
            "The file is of no format that is known here, so that nothing can be said about it." =>
            "Find out what it is and whether the model needs it.";
        NOT_AS_NAMED = "FMT002" "not-as-named" Malformed:
            "The file is not of the format that its name promises; loaders of that format fail, or guess." =>
            "Get the file again from its maker.";
        EMPTY_FILE = "FMT003" "empty-file" Malformed:
            "The file is empty, and its name promises a model." =>
            "Get the file again from its maker.";
        TWO_FORMATS = "FMT004" "two-formats" Suspicious:
            "The file can be read as two formats, so that two loaders see different things." =>
            "Do not load it, unless its maker can say why.";
        UNUSUAL_NAME = "FMT005" "unusual-name" Note:
            "The file's name promises another format." =>
            "Rename it.";
    }
}

/// How sure a format is that it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Match {
    /// The bytes could be of the format.
    Likely,
    /// They have its mark.
    Sure,
}

/// What a format may look at to say whether it is meant.
#[allow(dead_code, reason = "formats differ in what they look at")]
pub(crate) struct Probe<'p> {
    /// The first [`crate::limits::HEAD`] bytes, or all.
    pub(crate) head: &'p [u8],
    /// The last [`crate::limits::TAIL`] bytes, or all; empty when they cannot be reached yet.
    pub(crate) tail: &'p [u8],
    /// The number of bytes, where that is known.
    pub(crate) len: Option<u64>,
    /// What follows the name's last dot, in small letters.
    pub(crate) extension: &'p str,
    /// The name without directories.
    pub(crate) name: &'p str,
    pub(crate) globals: &'p Globals,
}

/// A format: tells whether it is meant, and reads.
pub(crate) trait Format: Sync {
    /// Whether the bytes are of this format. Must be cheap: it is asked for every file and member.
    fn matches(&self, probe: &Probe<'_>) -> Option<Match>;

    /// Whether it is that of pickles, which may begin with the bytes of any other.
    fn is_pickle(&self) -> bool {
        false
    }

    /// Reads them and says what they are, more closely.
    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt>;
}

/// All formats. Among those that are equally sure, the first is meant.
static FORMATS: &[&dyn Format] = &[
    &npy::Npy,
    &zip::Zip,
    &compress::Compressed,
    &tar::Tar,
    &sevenz::SevenZip,
    &sevenz::OtherArchive,
    &safetensors::Safetensors,
    &gguf::Gguf,
    &gguf::OldGgml,
    &hdf5::Hdf5,
    &tflite::Tflite,
    &executorch::Executorch,
    &tensorrt::Engine,
    &boost::Catboost,
    &native::Native,
    &media::Media,
    &lfs::LfsPointer,
    &lfs::Git,
    // These are told by their words.
    &vocabulary::SentencePiece,
    &vocabulary::Tiktoken,
    &boost::XgboostUbj,
    &boost::Lightgbm,
    &requirements::Requirements,
    &jinja::Jinja,
    &xml::Xml,
    &yaml::Yaml,
    &source::Source,
    &rdata::RData,
    &torch7::Torch7,
    &flax::Flax,
    &json::Json,
    // These have no mark.
    &tensorflow::checkpoint::Index,
    &tensorflow::checkpoint::Data,
    &tensorflow::text::Text,
    &coreml::weights::Weights,
    &paddle::Parameters,
    &protobuf::Protobuf,
    // Its mark is the weakest.
    &Pickle,
    // What is nothing else.
    &text::Text,
];

/// Inspects a file or a member, whatever it is.
pub(crate) fn inspect(content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
    if !scan.begin_part() {
        return Ok(FileFormat::Unknown);
    }
    let name = scan.leaf().to_owned();
    let extension = extension(&name);
    let expected = expect::by_name(&extension);
    if content.head().is_empty() {
        if expected.is_some_and(|expected| !expected.takes(FileFormat::Empty)) {
            scan.find(&rules::EMPTY_FILE, None, "it has no bytes".to_owned());
        }
        scan.format(FileFormat::Empty);
        return Ok(FileFormat::Empty);
    }
    let tail = content.tail()?;
    if !scan.search(tail.len() as u64) {
        return Ok(FileFormat::Unknown);
    }
    let probe = Probe {
        head: content.head(),
        tail: &tail,
        len: content.len(),
        extension: &extension,
        name: &name,
        globals: scan.globals,
    };
    let mut found: Vec<(Match, &dyn Format)> =
        FORMATS.iter().filter_map(|format| Some((format.matches(&probe)?, *format))).collect();
    // Stable: the order of the list decides among equals.
    found.sort_by_key(|(how, _)| std::cmp::Reverse(*how));
    // What is held outlives what is read from it.
    let (kept, held);
    let mut content = content;
    let named = expected.is_some_and(|expected| expected.pickle);
    let is_read = found.iter().any(|(how, format)| format.is_pickle() && *how == Match::Sure)
        || found.first().is_some_and(|(_, format)| format.is_pickle());
    let mut behind = None;
    if !is_read && content.is_more() && pickle::goes_on_behind(content.head(), scan.globals) {
        let (globals, memory) = (scan.globals, scan.memory.clone());
        let ahead = content.ahead(scan, |stream| pickle::likeness_of_all(stream, globals, &memory))?;
        content = ahead.content;
        // Lines of text begin with letters that name things.
        let takes = |format| expected.is_some_and(|expected| expected.takes(format));
        let text = takes(FileFormat::Text) || content.head().is_ascii() && !takes(FileFormat::Pickle);
        let meant = ahead.seen == Likeness::Strong || ahead.seen == Likeness::Names && !text;
        kept = ahead.read;
        if meant && found.is_empty() {
            found.push((Match::Sure, &Pickle));
        } else if meant {
            // It breaks where the other format has no opcodes.
            let before = scan.guess(!named);
            let second = Pickle.inspect(Content::random(kept.input())?, scan);
            scan.guess(before);
            behind = Some(second?);
        }
        if ahead.full {
            let message = format!("opcodes of a pickle go on behind {} bytes", kept.input().len());
            scan.find(&limits::TOO_LARGE_TO_HOLD, None, message);
        }
    }
    let Some(((how, first), others)) = found.split_first().map(|(first, rest)| (*first, rest)) else {
        return Ok(unknown(&extension, expected, scan));
    };
    let also: Vec<&dyn Format> =
        others.iter().filter(|(other, _)| *other == how && how == Match::Sure).map(|(_, f)| *f).collect();
    if !also.is_empty() && content.again().is_none() {
        held = content.into_random(scan)?;
        let Some(held) = &held else {
            scan.find(&rules::TWO_FORMATS, None, "its first bytes are of two".to_owned());
            return Ok(FileFormat::Unknown);
        };
        content = Content::random(held.input())?;
    }
    let again: Vec<Content<'_>> = also.iter().filter_map(|_| content.again()).collect();
    source::settings(&content, scan)?;
    let format = first.inspect(content, scan)?;
    scan.format(format);
    if let Some(second) = behind {
        scan.format(second);
        scan.find(&rules::TWO_FORMATS, None, format!("as {format} and as {second}"));
    }
    for (other, content) in also.iter().zip(again) {
        let second = other.inspect(content, scan)?;
        scan.format(second);
        let message = format!("as {format} and as {second}");
        scan.find(&rules::TWO_FORMATS, None, message);
    }
    if let Some(expected) = expected
        && !expected.takes(format)
        // It says itself that the file is missing.
        && format != FileFormat::LfsPointer
    {
        let rule = if expected.strict { &rules::NOT_AS_NAMED } else { &rules::UNUSUAL_NAME };
        scan.find(rule, None, format!("'.{extension}' promises another format than {format}"));
    }
    Ok(format)
}

/// Nothing that is known.
fn unknown(extension: &str, expected: Option<&expect::Expected>, scan: &mut Scan<'_>) -> FileFormat {
    match expected {
        Some(expected) if expected.pickle => {
            scan.find(&pickle::rules::NOT_A_PICKLE, 0, "there are no opcodes of a pickle".to_owned());
        }
        Some(expected) if expected.strict => {
            scan.find(&rules::NOT_AS_NAMED, 0, format!("'.{extension}' promises another format"));
        }
        _ => scan.find(&rules::UNKNOWN_FORMAT, 0, "no known format begins like this".to_owned()),
    }
    scan.format(FileFormat::Unknown);
    FileFormat::Unknown
}

/// Raw pickles; those in archives come through the same door.
struct Pickle;

impl Format for Pickle {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let expected = expect::by_name(probe.extension);
        let is_named = expected.is_some_and(|expected| expected.pickle);
        match pickle::likeness(probe.head, probe.globals) {
            Likeness::Strong => Some(Match::Sure),
            // Text that is named as such is text.
            Likeness::Names if !expected.is_some_and(|expected| expected.takes(FileFormat::Text)) => {
                Some(Match::Sure)
            }
            // Whatever else it could be, a loader of pickles gets it.
            _ if is_named && matches!(probe.head, [0x80, 0..=5, ..]) => Some(Match::Sure),
            Likeness::Weak if is_named || expected.is_none() => Some(Match::Likely),
            // At least one opcode: its reader says what is wrong with it.
            _ if is_named && pickle::is_opcode(probe.head) => Some(Match::Likely),
            _ => None,
        }
    }

    fn is_pickle(&self) -> bool {
        true
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        scan.contents.capabilities.insert(Capability::Pickle);
        pickle::inspect(content, Loader::default(), scan).map(|inspected| inspected.format)
    }
}
