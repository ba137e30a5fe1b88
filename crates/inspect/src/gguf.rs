//! GGUF: a header of keys and values, a table of tensors, and their data behind it. Of the data, only where it lies is
//! looked at.

mod cursor;
mod types;

use crate::{
    bytes::Input,
    jinja, limits,
    route::{Format, Match, Probe},
    rule::Rule,
    scan::{Content, Halt, Scan},
};
use cursor::Cursor;
use modelseal_core::inspection::FileFormat;
use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

pub(crate) mod rules {
    //! What can be found in a GGUF file.

    use crate::rule::rules;

    rules! {
        ENDS = "GGF001" "gguf-header-size" Malformed:
            "The header is longer than the file, or counts more than fits into it." =>
            "Get the file again from its maker.";
        VERSION = "GGF002" "gguf-version" Malformed:
            "There is no such version of the format." =>
            "Get the file again from its maker.";
        NEW_VERSION = "GGF003" "gguf-newer-version" Unknown:
            "The version of the format is newer than is known here." =>
            "Use a newer modelseal.";
        BIG_ENDIAN = "GGF004" "gguf-big-endian" Suspicious:
            "The numbers are in the byte order of mainframes; loaders on other machines refuse the file, or misread it." =>
            "Convert the file.";
        KEY = "GGF005" "gguf-key" Malformed:
            "A key is too long or no text." =>
            "Get the file again from its maker.";
        DUPLICATE = "GGF006" "gguf-duplicate" Malformed:
            "A key or a tensor is there twice: readers take the first or the last, or refuse the file." =>
            "Do not load it.";
        VALUE = "GGF007" "gguf-value" Malformed:
            "A value is of no known type, or not what its key needs." =>
            "Get the file again from its maker.";
        ALIGNMENT = "GGF008" "gguf-alignment" Malformed:
            "The alignment is no power of two, or a tensor does not keep to it." =>
            "Get the file again from its maker.";
        TENSOR = "GGF009" "gguf-tensor" Malformed:
            "A tensor's name, shape or type is none that loaders take." =>
            "Get the file again from its maker.";
        NEW_TYPE = "GGF010" "gguf-newer-type" Unknown:
            "A tensor's type is newer than is known here, so that its size cannot be told." =>
            "Use a newer modelseal.";
        BEYOND = "GGF011" "gguf-data-beyond-file" Malformed:
            "A tensor's data goes on beyond the end of the file; loaders that do not look read other memory." =>
            "Get the file again from its maker.";
        OVERLAP = "GGF012" "gguf-overlap" Malformed:
            "Two tensors share data." =>
            "Get the file again from its maker.";
        GAP = "GGF013" "gguf-gap" Suspicious:
            "There are bytes between tensors that belong to none." =>
            "Find out what they are.";
        TRAILING = "GGF014" "gguf-trailing-data" Suspicious:
            "There are bytes after the last tensor." =>
            "Find out what they are.";
        NO_ARCHITECTURE = "GGF015" "gguf-no-architecture" Suspicious:
            "The file does not say which architecture it is of, which every model does." =>
            "Find out what the file is for.";
        EMPTY_TENSOR = "GGF016" "gguf-empty-tensor" Suspicious:
            "A tensor has a dimension of nothing." =>
            "Find out why.";
        OLD = "GGF017" "old-ggml" Unknown:
            "The file is of a format before GGUF, which is not looked into." =>
            "Convert it to GGUF.";
    }
}

/// The door from `route`.
pub(crate) struct Gguf;

impl Format for Gguf {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        probe.head.starts_with(b"GGUF").then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::Gguf) };
        let mut reader = Reader {
            cursor: Cursor::new(random.input(), 4),
            input: random.input(),
            alignment: 32,
            architecture: false,
            scan,
        };
        match reader.read() {
            Ok(()) => {}
            Err(Stop::Wrong(rule, at, message)) => reader.scan.find(rule, at, message),
            Err(Stop::Halt(halt)) => return Err(halt),
        }
        Ok(FileFormat::Gguf)
    }
}

/// What ggml had before: told by its mark, and no more.
pub(crate) struct OldGgml;

impl Format for OldGgml {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        // Numbers of 32 bits, so that the letters stand backwards.
        let marks = [b"lmgg", b"fmgg", b"tjgg", b"algg"];
        marks.iter().any(|mark| probe.head.starts_with(*mark)).then_some(Match::Sure)
    }

    fn inspect(&self, _: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        scan.find(&rules::OLD, 0, "its mark is that of ggml before GGUF".to_owned());
        Ok(FileFormat::Ggml)
    }
}

/// Why reading ends early.
enum Stop {
    Wrong(&'static Rule, u64, String),
    Halt(Halt),
}

struct Reader<'a, 'r, 's> {
    cursor: Cursor<'a>,
    input: Input<'a>,
    alignment: u64,
    architecture: bool,
    scan: &'s mut Scan<'r>,
}

/// The types of values.
mod kind {
    pub(super) const U32: u32 = 4;
    pub(super) const BOOL: u32 = 7;
    pub(super) const TEXT: u32 = 8;
    pub(super) const ARRAY: u32 = 9;

    /// Bytes of a number.
    pub(super) fn size(kind: u32) -> Option<u64> {
        match kind {
            0 | 1 | BOOL => Some(1),
            2 | 3 => Some(2),
            U32..=6 => Some(4),
            10..=12 => Some(8),
            _ => None,
        }
    }
}

impl Reader<'_, '_, '_> {
    fn read(&mut self) -> Result<(), Stop> {
        let version = self.cursor.u32()?;
        let version = match version {
            // Whoever writes small numbers backwards is of the other byte order.
            swapped if swapped != 0 && swapped & 0xffff == 0 => {
                self.cursor.big_endian = true;
                self.scan.find(&rules::BIG_ENDIAN, 4, "the version is written backwards".to_owned());
                swapped.swap_bytes()
            }
            version => version,
        };
        match version {
            1 => self.cursor.narrow = true,
            2 | 3 => {}
            4..=15 => return Err(Stop::Wrong(&rules::NEW_VERSION, 4, format!("version {version}"))),
            _ => return Err(Stop::Wrong(&rules::VERSION, 4, format!("version {version}"))),
        }
        let tensors = self.cursor.length()?;
        let pairs = self.cursor.length()?;
        let (pair, tensor) = if self.cursor.narrow { (9, 20) } else { (13, 24) };
        let least =
            pairs.checked_mul(pair).zip(tensors.checked_mul(tensor)).and_then(|(a, b)| a.checked_add(b));
        if least.is_none_or(|least| least > self.cursor.left()) {
            let message = format!("{pairs} keys and {tensors} tensors do not fit into the file");
            return Err(Stop::Wrong(&rules::ENDS, 8, message));
        }
        self.pairs(pairs)?;
        self.tensors(tensors)
    }

    fn pairs(&mut self, count: u64) -> Result<(), Stop> {
        let mut keys = HashSet::new();
        for _ in 0..count {
            if keys.len() >= limits::GGUF_NAMES {
                let message = format!("only {} keys were read", limits::GGUF_NAMES);
                return Err(Stop::Wrong(&limits::GGUF_TOO_MANY, self.cursor.at(), message));
            }
            let at = self.cursor.at();
            let key = self.cursor.text(limits::GGUF_KEY)?.and_then(|key| String::from_utf8(key).ok());
            let Some(key) = key else {
                return Err(Stop::Wrong(&rules::KEY, at, "it is too long or not UTF-8".to_owned()));
            };
            if !keys.insert(hashed(&key)) {
                self.scan.find_about(&rules::DUPLICATE, at, &key, format!("the key '{key}'"));
            }
            self.value(&key, at)?;
        }
        if !self.architecture {
            self.scan.find(&rules::NO_ARCHITECTURE, None, "there is no 'general.architecture'".to_owned());
        }
        Ok(())
    }

    fn value(&mut self, key: &str, at: u64) -> Result<(), Stop> {
        let kind = self.cursor.u32()?;
        let wrong = |what: &str| Stop::Wrong(&rules::VALUE, at, format!("{what} of '{key}'"));
        if key == "general.architecture" {
            self.architecture = true;
        }
        let needs = match key {
            "general.architecture" | "tokenizer.chat_template" => Some(kind::TEXT),
            "general.alignment" => Some(kind::U32),
            _ => None,
        };
        if needs.is_some_and(|needs| needs != kind) {
            let message = format!("'{key}' is of type {kind}");
            self.scan.find_about(&rules::VALUE, at, key, message);
        }
        match kind {
            kind::ARRAY => self.array(key, at),
            kind::TEXT if key == "tokenizer.huggingface.json" => {
                let length = self.cursor.length()?;
                let begins = self.cursor.at();
                self.cursor.skip(length)?;
                let Some(part) = self.input.slice(begins, length) else { return Ok(()) };
                let content = Content::random(part).map_err(Stop::Halt)?;
                self.scan
                    .within("tokenizer.json", |scan| crate::route::inspect(content, scan).map(|_| ()))
                    .map_err(Stop::Halt)
            }
            kind::TEXT if key.to_ascii_lowercase().contains("template") => {
                let begins = self.cursor.at();
                let length = self.cursor.length()?;
                self.cursor.skip(length)?;
                let text = match usize::try_from(length) {
                    Ok(count) if count <= limits::JINJA_TEMPLATE => {
                        let begins = self.cursor.at() - length;
                        self.input.read_some(begins, count).map_err(|error| Stop::Halt(Halt::of(error)))?
                    }
                    _ => {
                        jinja::too_long(begins, length, self.scan);
                        return Ok(());
                    }
                };
                let text = String::from_utf8_lossy(&text);
                if key.contains("chat_template") || jinja::is_template(&text) {
                    jinja::inspect(&text, begins, self.scan);
                }
                Ok(())
            }
            kind::TEXT if key == "general.type" => {
                // A matrix of importance belongs to no architecture.
                self.architecture |= self.cursor.text(16)?.is_some_and(|text| text == b"imatrix");
                Ok(())
            }
            kind::TEXT => self.cursor.text(0).map(|_| ()),
            kind::BOOL => match self.cursor.byte()? {
                0 | 1 => Ok(()),
                _ => Err(wrong("the truth value")),
            },
            kind::U32 if key == "general.alignment" => {
                let alignment = self.cursor.u32()?;
                if !alignment.is_power_of_two() {
                    let message = format!("an alignment of {alignment}");
                    self.scan.find(&rules::ALIGNMENT, at, message);
                } else {
                    self.alignment = u64::from(alignment);
                }
                Ok(())
            }
            kind => match kind::size(kind) {
                Some(size) => self.cursor.skip(size),
                None => Err(wrong("the type")),
            },
        }
    }

    /// Passes over an array, and arrays within it, without holding them.
    fn array(&mut self, key: &str, at: u64) -> Result<(), Stop> {
        // How many arrays are left at each level.
        let mut left: Vec<u64> = vec![1];
        let text = if self.cursor.narrow { 4 } else { 8 };
        while let Some(count) = left.last_mut() {
            if *count == 0 {
                left.pop();
                continue;
            }
            *count -= 1;
            let kind = self.cursor.u32()?;
            let length = self.cursor.length()?;
            let size = match kind {
                kind::ARRAY => text + 4,
                kind::TEXT => text,
                kind => kind::size(kind).ok_or_else(|| {
                    Stop::Wrong(&rules::VALUE, at, format!("the type of the items of '{key}' is {kind}"))
                })?,
            };
            let bytes = length.checked_mul(size).filter(|bytes| *bytes <= self.cursor.left());
            let Some(bytes) = bytes else {
                let message = format!("'{key}' has {length} items, which do not fit into the file");
                return Err(Stop::Wrong(&rules::ENDS, at, message));
            };
            match kind {
                kind::ARRAY if left.len() >= limits::GGUF_DEPTH => {
                    let message = format!("'{key}' nests deeper than {} levels", limits::GGUF_DEPTH);
                    return Err(Stop::Wrong(&limits::GGUF_TOO_DEEP, at, message));
                }
                kind::ARRAY => left.push(length),
                kind::TEXT => {
                    for _ in 0..length {
                        self.cursor.text(0)?;
                    }
                }
                _ => self.cursor.skip(bytes)?,
            }
        }
        Ok(())
    }

    fn tensors(&mut self, count: u64) -> Result<(), Stop> {
        let mut names = HashSet::new();
        let mut spans: Vec<(u64, u64)> = Vec::new();
        // Whether the size of every tensor is known.
        let mut known = true;
        for _ in 0..count {
            if names.len() >= limits::GGUF_NAMES {
                let message = format!("only {} tensors were read", limits::GGUF_NAMES);
                return Err(Stop::Wrong(&limits::GGUF_TOO_MANY, self.cursor.at(), message));
            }
            let at = self.cursor.at();
            let name =
                self.cursor.text(limits::GGUF_TENSOR_NAME)?.and_then(|name| String::from_utf8(name).ok());
            let Some(name) = name else {
                return Err(Stop::Wrong(&rules::TENSOR, at, "a name is too long or not UTF-8".to_owned()));
            };
            if !names.insert(hashed(&name)) {
                self.scan.find_about(&rules::DUPLICATE, at, &name, format!("the tensor '{name}'"));
            }
            match self.tensor(&name, at)? {
                Some((offset, size)) => spans.push((offset, size)),
                None => known = false,
            }
        }
        self.data(spans, known)
    }

    /// Reads what is said of one tensor: where its data is and how much, where that can be told.
    fn tensor(&mut self, name: &str, at: u64) -> Result<Option<(u64, u64)>, Stop> {
        let dimensions = self.cursor.u32()?;
        if dimensions > 4 {
            return Err(Stop::Wrong(&rules::TENSOR, at, format!("'{name}' has {dimensions} dimensions")));
        }
        let (mut elements, mut row) = (Some(1_u64), 1);
        for number in 0..dimensions {
            let dimension = self.cursor.length()?;
            if number == 0 {
                row = dimension;
            }
            if dimension == 0 {
                let message = format!("'{name}' has a dimension of 0");
                self.scan.find_about(&rules::EMPTY_TENSOR, at, name, message);
            }
            // No element may come to lie beyond what a signed number counts.
            elements = elements
                .and_then(|elements| elements.checked_mul(dimension))
                .filter(|elements| i64::try_from(*elements).is_ok() && i64::try_from(dimension).is_ok());
        }
        let kind = self.cursor.u32()?;
        let offset = self.cursor.u64()?;
        let wrong = |what: String| Stop::Wrong(&rules::TENSOR, at, format!("'{name}' {what}"));
        let Some(kind) = types::by_number(kind) else {
            if types::may_come(kind) {
                self.scan.find_about(&rules::NEW_TYPE, at, name, format!("'{name}' is of type {kind}"));
                self.scan.contents.add_tensor("newer", elements.unwrap_or(u64::MAX));
                return Ok(None);
            }
            return Err(wrong(format!("is of type {kind}, which there is not")));
        };
        let size = elements.and_then(|elements| (elements / kind.block).checked_mul(kind.bytes));
        let (Some(elements), Some(size)) = (elements, size) else {
            return Err(wrong("is larger than any memory".to_owned()));
        };
        self.scan.contents.add_tensor(kind.name, elements);
        if row % kind.block != 0 {
            let message = format!("'{name}' has rows of {row}, which are no whole blocks of {}", kind.name);
            self.scan.find_about(&rules::TENSOR, at, name, message);
        }
        if offset % self.alignment != 0 {
            let message = format!("'{name}' begins at {offset}, alignment is {}", self.alignment);
            self.scan.find_about(&rules::ALIGNMENT, at, name, message);
        }
        if offset.checked_add(size).is_none() {
            let message = format!("'{name}' begins at {offset} and has {size} bytes");
            return Err(Stop::Wrong(&rules::BEYOND, at, message));
        }
        Ok(Some((offset, size)))
    }

    /// Where the data of all tensors lies.
    fn data(&mut self, mut spans: Vec<(u64, u64)>, known: bool) -> Result<(), Stop> {
        let header = self.cursor.at();
        let begins = header.checked_next_multiple_of(self.alignment).unwrap_or(u64::MAX);
        let there = self.input.len().saturating_sub(begins);
        spans.sort_unstable();
        let mut end = 0_u64;
        for (offset, size) in spans {
            let at = begins.saturating_add(offset);
            // The sum was checked before.
            let after = offset.saturating_add(size);
            if after > there {
                let message = format!("{size} bytes at {at}, and the file has {}", self.input.len());
                self.scan.find(&rules::BEYOND, at, message);
            }
            if offset < end && size > 0 {
                self.scan.find(&rules::OVERLAP, at, format!("{} bytes of it", end.min(after) - offset));
            }
            let next = end.checked_next_multiple_of(self.alignment).unwrap_or(u64::MAX);
            if offset > next && known {
                self.scan.find(&rules::GAP, begins.saturating_add(next), format!("{} bytes", offset - next));
            }
            end = end.max(after);
        }
        if known && there > end {
            self.trailing(begins + end, there - end)?;
        }
        Ok(())
    }

    /// What comes after the last tensor: padding, or something else.
    fn trailing(&mut self, at: u64, len: u64) -> Result<(), Stop> {
        let padding = at.checked_next_multiple_of(self.alignment).unwrap_or(u64::MAX) - at;
        // Nothing pads by more than pages.
        let most = padding.min(4096);
        let found = self.input.read_some(at, usize::try_from(len.min(most)).unwrap_or(0));
        let found = found.map_err(|error| Stop::Halt(Halt::of(error)))?;
        if len > most || found.iter().any(|byte| *byte != 0) {
            self.scan.find(&rules::TRAILING, at, format!("{len} bytes"));
        }
        Ok(())
    }
}

/// Names are compared by what they hash to: at worst, two are taken for one.
fn hashed(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
