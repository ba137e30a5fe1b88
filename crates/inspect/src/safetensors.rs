//! Safetensors: the length of a header, the header in JSON, and the tensors' data without gaps. The data is not read.

use crate::{
    bytes::{ReadError, Stream},
    hf, jinja,
    json::{Event, Problem, Reader},
    limits,
    route::{Format, Match, Probe},
    rule::Rule,
    scan::{Content, Halt, Scan},
    suspect,
};
use modelseal_core::inspection::FileFormat;

pub(crate) mod rules {
    //! What can be found in a safetensors file.

    use crate::rule::rules;

    rules! {
        LENGTH = "STN001" "safetensors-header-length" Malformed:
            "The header's length is nothing, more than loaders take, or more than the file has." =>
            "Get the file again from its maker.";
        HEADER = "STN002" "safetensors-header" Malformed:
            "The header is no JSON object that begins with '{' and is padded with spaces." =>
            "Get the file again from its maker.";
        DUPLICATE = "STN003" "safetensors-duplicate" Malformed:
            "A name is in the header twice: loaders take the first or the last." =>
            "Do not load it.";
        TENSOR = "STN004" "safetensors-tensor" Malformed:
            "What is said of a tensor is incomplete, or its type, shape or place is none that loaders take." =>
            "Get the file again from its maker.";
        SIZE = "STN005" "safetensors-size" Malformed:
            "A tensor's data is larger or smaller than its shape and type need." =>
            "Get the file again from its maker.";
        BEYOND = "STN006" "safetensors-data-beyond-file" Malformed:
            "A tensor's data goes on beyond the end of the file." =>
            "Get the file again from its maker.";
        OVERLAP = "STN007" "safetensors-overlap" Malformed:
            "Two tensors share data." =>
            "Get the file again from its maker.";
        GAP = "STN008" "safetensors-gap" Malformed:
            "There are bytes that belong to no tensor, before, between or after them; loaders refuse the file." =>
            "Find out what they are.";
        UNKNOWN_MEMBER = "STN009" "safetensors-unknown-member" Suspicious:
            "Something is said of a tensor that the format does not have." =>
            "Find out who wrote it and why.";
        METADATA = "STN010" "safetensors-metadata" Malformed:
            "The metadata is no object of texts." =>
            "Get the file again from its maker.";
        CODE = "STN011" "safetensors-code" Suspicious:
            "A text of the metadata looks like code or a pickle. Nothing runs it by itself." =>
            "Find out what reads it.";
        UNALIGNED = "STN012" "safetensors-unaligned" Note:
            "A tensor does not begin at a multiple of its elements' size, which slows loading down." =>
            "Order the tensors by the size of their elements.";
    }
}

/// The door from `route`.
pub(crate) struct Safetensors;

impl Format for Safetensors {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let named = (probe.extension == "safetensors").then_some(Match::Likely);
        let Some((length, rest)) = probe.head.split_first_chunk::<8>() else { return named };
        let length = u64::from_le_bytes(*length);
        let fits = probe.len.is_none_or(|len| length <= len.saturating_sub(8));
        match rest.first() {
            Some(b'{') if (2..=limits::SAFETENSORS_HEADER).contains(&length) && fits => Some(Match::Sure),
            _ => named,
        }
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let len = content.len();
        let mut stream = content.into_stream();
        match read(&mut *stream, len, scan) {
            Ok(()) => {}
            Err(Stop::Wrong(rule, at, message)) => scan.find(rule, at, message),
            Err(Stop::Read(error)) => scan.unreadable(error, &crate::compress::rules::CORRUPT)?,
        }
        Ok(FileFormat::Safetensors)
    }
}

/// Why reading ends early.
enum Stop {
    Wrong(&'static Rule, u64, String),
    Read(ReadError),
}

/// Bits of an element of each type.
const TYPES: [(&str, u64); 23] = [
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
    ("BOOL", 8),
    ("U8", 8),
    ("I8", 8),
    ("F8_E5M2", 8),
    ("F8_E4M3", 8),
    ("F8_E8M0", 8),
    ("F8_E4M3FNUZ", 8),
    ("F8_E5M2FNUZ", 8),
    ("U16", 16),
    ("I16", 16),
    ("F16", 16),
    ("BF16", 16),
    ("U32", 32),
    ("I32", 32),
    ("F32", 32),
    ("U64", 64),
    ("I64", 64),
    ("F64", 64),
    ("C64", 64),
    ("C128", 128),
];

fn read(stream: &mut dyn Stream, len: Option<u64>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut length = [0; 8];
    let mut filled = 0;
    while filled < length.len() {
        match stream.read(&mut length[filled..]).map_err(Stop::Read)? {
            0 => {
                let message = format!("the file has {filled} bytes");
                return Err(Stop::Wrong(&rules::LENGTH, 0, message));
            }
            read => filled += read,
        }
    }
    let length = u64::from_le_bytes(length);
    let too_long =
        length > limits::SAFETENSORS_HEADER || len.is_some_and(|len| length > len.saturating_sub(8));
    if length == 0 || too_long {
        return Err(Stop::Wrong(&rules::LENGTH, 0, format!("{length} bytes")));
    }
    let mut reader = Reader::new(Header { stream, left: length });
    let spans = Tensors { reader: &mut reader, spans: Spans::default(), scan }.read()?;
    let Some(spans) = spans else { return Ok(()) };
    match reader.another() {
        Ok(false) => {}
        Ok(true) => {
            let message = "something else than spaces follows the JSON".to_owned();
            scan.find(&rules::HEADER, 8 + reader.at(), message);
        }
        Err(problem) => return Err(stop(problem, &reader)),
    }
    let odd = reader.oddities();
    if let Some(at) = odd.duplicate {
        scan.find(&rules::DUPLICATE, 8 + at, "its object has this name already".to_owned());
    }
    if let Some(at) = odd.python {
        scan.find(&rules::HEADER, 8 + at, "NaN, Infinity, or half of a surrogate pair".to_owned());
    }
    if odd.not_compared {
        let message = format!("only {} names were compared", limits::JSON_NAMES);
        scan.find(&limits::JSON_TOO_MANY_NAMES, None, message);
    }
    let missing = reader.into_inner().left;
    if missing > 0 {
        return Err(Stop::Wrong(&rules::LENGTH, 0, format!("{length} bytes, and {missing} are missing")));
    }
    let there = match len {
        Some(len) => len.saturating_sub(8 + length),
        // One byte more than the tensors need tells whether there is more.
        None => {
            let needed = spans.known.iter().map(|span| span.1).max().unwrap_or(0);
            stream.skip(needed.saturating_add(1)).map_err(Stop::Read)?
        }
    };
    data(spans, 8 + length, there, scan);
    Ok(())
}

/// Where the data of all tensors lies.
fn data(mut spans: Spans, begins: u64, there: u64, scan: &mut Scan<'_>) {
    spans.known.sort_unstable();
    let mut end = 0;
    for (from, to) in spans.known {
        let at = begins.saturating_add(from);
        if to > there {
            scan.find(&rules::BEYOND, at, format!("up to byte {to} of {there}"));
        }
        if from < end {
            scan.find(&rules::OVERLAP, at, format!("bytes from {from} on, another has them up to {end}"));
        } else if from > end && !spans.lacking {
            scan.find(&rules::GAP, begins.saturating_add(end), format!("{} bytes", from - end));
        }
        end = end.max(to);
    }
    if end < there && !spans.lacking {
        scan.find(&rules::GAP, begins.saturating_add(end), "at the end of the file".to_owned());
    }
}

/// The header's bytes of the file.
struct Header<'s> {
    stream: &'s mut dyn Stream,
    left: u64,
}

impl Stream for Header<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.stream.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }

    fn remaining(&self) -> Option<u64> {
        Some(self.left)
    }
}

/// Where each tensor's data begins and ends.
#[derive(Default)]
struct Spans {
    known: Vec<(u64, u64)>,
    /// Whether there are tensors of which that cannot be told.
    lacking: bool,
}

/// Reads what the header says.
struct Tensors<'t, 's, 'r> {
    reader: &'t mut Reader<Header<'s>>,
    spans: Spans,
    scan: &'t mut Scan<'r>,
}

/// What is said of one tensor.
#[derive(Default)]
struct Info {
    dtype: Option<Option<(&'static str, u64)>>,
    /// Elements; none when they are more than can be counted.
    shape: Option<Option<u64>>,
    offsets: Option<Option<(u64, u64)>>,
}

impl Tensors<'_, '_, '_> {
    /// None when there is no object to begin with, which is found then.
    fn read(mut self) -> Result<Option<Spans>, Stop> {
        let first = self.next()?;
        if first != Event::BeginObject || self.reader.began() > 0 {
            let message = "it does not begin with '{'".to_owned();
            self.scan.find(&rules::HEADER, 8, message);
            if first != Event::BeginObject {
                return Ok(None);
            }
        }
        while self.next()? == Event::Name {
            let name = self.name();
            let at = 8 + self.reader.began();
            if name == "__metadata__" {
                self.metadata(at)?;
                continue;
            }
            if self.spans.known.len() >= limits::SAFETENSORS_TENSORS {
                let message = format!("only {} tensors were read", limits::SAFETENSORS_TENSORS);
                return Err(Stop::Wrong(&limits::SAFETENSORS_TOO_MANY, at, message));
            }
            self.tensor(&name, at)?;
        }
        Ok(Some(self.spans))
    }

    fn metadata(&mut self, at: u64) -> Result<(), Stop> {
        match self.next()? {
            Event::BeginObject => {}
            event => {
                self.scan.find(&rules::METADATA, at, "it is no object".to_owned());
                return self.pass(event);
            }
        }
        while self.next()? == Event::Name {
            let name = self.name();
            let at = 8 + self.reader.began();
            self.look_for_code(&name, at);
            match self.next()? {
                Event::Text => {
                    self.look_for_code(&name, at);
                    self.look_for_names(&name, at);
                }
                event => {
                    let message = format!("'{name}' is no text");
                    self.scan.find_about(&rules::METADATA, at, &name, message);
                    self.pass(event)?;
                }
            }
        }
        Ok(())
    }

    /// Looks at the text that was read last.
    fn look_for_code(&mut self, name: &str, at: u64) {
        let Some(text) = self.reader.text() else {
            let message = format!("'{name}' has {} bytes", self.reader.text_len());
            self.scan.find_about(&limits::JSON_TOO_LARGE, at, name, message);
            return;
        };
        if let Some(what) = suspect::code(text) {
            let message = format!("'{name}' has '{what}'");
            self.scan.find_about(&rules::CODE, at, name, message);
        }
    }

    /// Looks at the same text as loaders would that take it for a configuration.
    fn look_for_names(&mut self, name: &str, at: u64) {
        let Some(text) = self.reader.text() else { return };
        if name.to_ascii_lowercase().contains("template") && jinja::is_template(text) {
            jinja::inspect(text, at, self.scan);
        }
        let text = text.trim();
        if name == "auto_map" && !matches!(text, "" | "{}" | "null" | "None") {
            hf::remote_code(text, at, self.scan);
        }
    }

    fn tensor(&mut self, name: &str, at: u64) -> Result<(), Stop> {
        match self.next()? {
            Event::BeginObject => {}
            event => {
                self.scan.find_about(
                    &rules::TENSOR,
                    at,
                    name,
                    format!("what is said of '{name}' is no object"),
                );
                return self.pass(event);
            }
        }
        let mut info = Info::default();
        while self.next()? == Event::Name {
            let member = self.name();
            match member.as_str() {
                "dtype" => info.dtype = Some(self.dtype()?),
                "shape" => info.shape = Some(self.shape()?),
                "data_offsets" => info.offsets = Some(self.offsets()?),
                _ => {
                    let message = format!("'{member}' is said of '{name}'");
                    self.scan.find_about(&rules::UNKNOWN_MEMBER, at, &member, message);
                    let event = self.next()?;
                    self.pass(event)?;
                }
            }
        }
        self.judge(name, at, &info);
        Ok(())
    }

    fn judge(&mut self, name: &str, at: u64, info: &Info) {
        let (Some(dtype), Some(shape), Some(offsets)) = (info.dtype, info.shape, info.offsets) else {
            let message = format!("'{name}' lacks its type, shape or place");
            self.scan.find_about(&rules::TENSOR, at, name, message);
            self.spans.lacking = true;
            return;
        };
        let wrong = match (dtype, shape, offsets) {
            (None, ..) => "the type",
            (_, None, _) => "the shape",
            (.., None) => "the place",
            (Some((dtype, bits)), Some(elements), Some((from, to))) => {
                self.scan.contents.add_tensor(dtype, elements);
                self.spans.known.push((from, to));
                let needed = elements.checked_mul(bits).filter(|bits| bits % 8 == 0).map(|bits| bits / 8);
                if needed != Some(to - from) {
                    let message = match needed {
                        Some(needed) => format!("'{name}' has {} bytes and needs {needed}", to - from),
                        None => format!("'{name}' needs more than any memory, or parts of a byte"),
                    };
                    self.scan.find_about(&rules::SIZE, at, name, message);
                }
                if bits >= 8 && from % (bits / 8) != 0 {
                    self.scan.find(&rules::UNALIGNED, at, format!("'{name}' begins at {from}"));
                }
                return;
            }
        };
        self.spans.lacking = true;
        self.scan.find_about(&rules::TENSOR, at, name, format!("{wrong} of '{name}'"));
    }

    fn dtype(&mut self) -> Result<Option<(&'static str, u64)>, Stop> {
        match self.next()? {
            Event::Text => {
                let text = self.reader.text();
                Ok(TYPES.into_iter().find(|(name, _)| Some(*name) == text))
            }
            event => self.pass(event).map(|()| None),
        }
    }

    /// How many elements a shape has.
    fn shape(&mut self) -> Result<Option<u64>, Stop> {
        let mut elements = Some(1_u64);
        self.numbers(|number| {
            elements = elements.zip(number).and_then(|(elements, number)| elements.checked_mul(number));
        })
        .map(|list| elements.filter(|_| list))
    }

    fn offsets(&mut self) -> Result<Option<(u64, u64)>, Stop> {
        let (mut count, mut from, mut to) = (0_u64, None, None);
        let list = self.numbers(|number| {
            count += 1;
            match count {
                1 => from = number,
                _ => to = number,
            }
        })?;
        Ok(from.zip(to).filter(|(from, to)| list && count == 2 && from <= to))
    }

    /// Calls `each` for the items of a list, with the whole number that each is. False when it is no list.
    fn numbers(&mut self, mut each: impl FnMut(Option<u64>)) -> Result<bool, Stop> {
        match self.next()? {
            Event::BeginArray => {}
            event => return self.pass(event).map(|()| false),
        }
        loop {
            match self.next()? {
                Event::EndArray => return Ok(true),
                Event::Number => each(self.reader.text().and_then(|number| number.parse().ok())),
                event => {
                    self.pass(event)?;
                    each(None);
                }
            }
        }
    }

    /// Passes over a value that `event` begins.
    fn pass(&mut self, event: Event) -> Result<(), Stop> {
        if !matches!(event, Event::BeginArray | Event::BeginObject) {
            return Ok(());
        }
        self.reader.skip_rest().map_err(|problem| stop(problem, self.reader))
    }

    fn next(&mut self) -> Result<Event, Stop> {
        self.reader.next().map_err(|problem| stop(problem, self.reader))
    }

    fn name(&self) -> String {
        // Those that are longer are told apart by their hash; here they are only for messages.
        self.reader.text().unwrap_or("a name that is too long").chars().take(256).collect()
    }
}

fn stop(problem: Problem, reader: &Reader<Header<'_>>) -> Stop {
    let at = 8 + reader.at();
    match problem {
        Problem::Syntax(what) => Stop::Wrong(&rules::HEADER, at, what.to_owned()),
        Problem::Ends => Stop::Wrong(&rules::HEADER, at, "it ends within a value".to_owned()),
        Problem::Deep => {
            let message = format!("more than {} levels", limits::JSON_DEPTH);
            Stop::Wrong(&limits::JSON_TOO_DEEP, at, message)
        }
        Problem::Read(error) => Stop::Read(error),
    }
}

#[cfg(test)]
mod tests;
