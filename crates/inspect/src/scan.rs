//! [`Scan`]: what is known of one file so far, and where in it the reader is.

use crate::{
    bytes::{Input, ReadError, Rejoined, Stream},
    limits,
    memory::{Memory, Taken, room},
    pickle::{Globals, Trace},
    route,
    rule::Rule,
};
use modelseal_core::{
    inspection::{Contents, FileFormat, FileInspection, Finding, Place, RuleId, Severity},
    path::ModelPath,
};
use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
    io,
    rc::Rc,
};

/// Letters of a message that are kept: it may hold names of any length.
const MESSAGE: usize = 600;

/// Why a file could not be inspected: it could not be read.
pub(crate) struct Halt(pub(crate) io::Error);

/// What a file's readers write to.
pub(crate) struct Scan<'r> {
    pub(crate) globals: &'r Globals,
    /// Where the pickles that are read are written down for people.
    pub(crate) trace: Option<Trace<'r>>,
    path: ModelPath,
    members: Vec<String>,
    findings: Vec<Finding>,
    /// The worst of them.
    worst: Option<Severity>,
    /// Where in `findings` a rule's finding about a subject is.
    index: HashMap<(RuleId, Option<String>), usize>,
    pub(crate) contents: Contents,
    formats: BTreeSet<FileFormat>,
    /// Bytes that may still be decompressed; decoders in use have a part in it.
    allowance: Rc<Cell<u64>>,
    pub(crate) memory: Memory,
    /// The same, at the beginning.
    given: u64,
    size: u64,
    /// Parts that were looked at.
    parts: u64,
    /// Bytes of archives that were looked through for parts.
    searched: u64,
    /// Whether it is only a guess that a format begins here: then breaking it means nothing.
    guess: bool,
}

/// A file or a member as its reader gets it.
pub(crate) struct Content<'a> {
    kind: Kind<'a>,
    head: Vec<u8>,
    /// Whether that is known to be all.
    whole: bool,
}

enum Kind<'a> {
    Random(Input<'a>),
    Stream(Box<dyn Stream + 'a>),
}

/// What can be read at any place: in place, or held in memory.
pub(crate) enum Random<'a> {
    There(Input<'a>),
    Held(Held),
}

/// What [`Content::ahead`] has found.
pub(crate) struct Ahead<'a, T> {
    pub(crate) seen: T,
    /// What was read for it, at least.
    pub(crate) read: Random<'a>,
    /// Whether it would have read more than can be held.
    pub(crate) full: bool,
    /// All of it, from the beginning.
    pub(crate) content: Content<'a>,
}

/// Keeps what is read of a stream.
struct Recording<'s> {
    rest: &'s mut dyn Stream,
    bytes: Vec<u8>,
    failed: Option<ReadError>,
    taken: Taken,
    full: bool,
}

impl Stream for Recording<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if self.failed.is_some() || self.full || buffer.is_empty() {
            return Ok(0);
        }
        let len = self.bytes.len() as u64 + buffer.len() as u64;
        // They are there twice, for whoever looks and whoever reads.
        if len > limits::SPOOLED || !self.taken.grow_to(len.saturating_mul(2)) {
            self.full = true;
            return Ok(0);
        }
        match self.rest.read(buffer) {
            Ok(read) => {
                let read = read.min(buffer.len());
                room(&mut self.bytes, read);
                self.bytes.extend_from_slice(&buffer[..read]);
                Ok(read)
            }
            Err(ReadError::Io(error)) => Err(ReadError::Io(error)),
            Err(error) => {
                self.failed = Some(error);
                Ok(0)
            }
        }
    }

    fn remaining(&self) -> Option<u64> {
        self.rest.remaining()
    }
}

/// A member in memory.
pub(crate) struct Held {
    bytes: Vec<u8>,
    taken: Taken,
}

impl<'r> Scan<'r> {
    pub(crate) fn new(globals: &'r Globals, path: ModelPath, size: u64) -> Self {
        let given = limits::DECOMPRESSED_FREE.saturating_add(size.saturating_mul(limits::DECOMPRESSED_RATIO));
        Self {
            globals,
            trace: None,
            path,
            members: Vec::new(),
            findings: Vec::new(),
            worst: None,
            index: HashMap::new(),
            contents: Contents::default(),
            formats: BTreeSet::new(),
            allowance: Rc::new(Cell::new(given)),
            memory: Memory::default(),
            given,
            size,
            parts: 0,
            searched: 0,
            guess: false,
        }
    }

    /// Reports what `rule` found at `offset` of the file or member that is being read.
    pub(crate) fn find(&mut self, rule: &'static Rule, offset: impl Into<Option<u64>>, message: String) {
        self.add(rule, offset.into(), message, None);
    }

    /// The same, about something that has a name; further findings of the rule about it are counted.
    pub(crate) fn find_about(
        &mut self,
        rule: &'static Rule,
        offset: impl Into<Option<u64>>,
        subject: &str,
        message: String,
    ) {
        self.add(rule, offset.into(), message, Some(subject.chars().take(256).collect()));
    }

    /// Records the format of what is being read.
    pub(crate) fn format(&mut self, format: FileFormat) {
        self.formats.insert(format);
    }

    /// Name of what is being read: the member's, or the file's.
    pub(crate) fn name(&self) -> &str {
        self.members.last().map_or(self.path.as_str(), String::as_str)
    }

    /// That name without directories.
    pub(crate) fn leaf(&self) -> &str {
        self.name().rsplit(['/', '\\']).next().unwrap_or_default()
    }

    /// A place in what is being read.
    pub(crate) fn place(&self, offset: impl Into<Option<u64>>) -> Place {
        Place { file: self.path.clone(), members: self.members.clone(), offset: offset.into() }
    }

    /// Does `inside` for a member of this name.
    pub(crate) fn within<T>(&mut self, member: &str, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.members.push(member.chars().take(1024).collect());
        let result = inside(self);
        self.members.pop();
        result
    }

    /// Says whether it is only a guess that what is read now is what it is read as, and gives what was said before.
    pub(crate) fn guess(&mut self, guess: bool) -> bool {
        std::mem::replace(&mut self.guess, guess)
    }

    /// Takes note of one more part: false when there have been too many.
    pub(crate) fn begin_part(&mut self) -> bool {
        self.parts += 1;
        let decompressed = self.given.saturating_sub(self.allowance());
        let most =
            limits::PARTS_FREE + self.size / limits::PART_BYTES + decompressed / limits::PART_DECOMPRESSED;
        if self.parts > most {
            self.find(&limits::TOO_MANY_PARTS, None, format!("more than {most}"));
        }
        self.parts <= most
    }

    /// Takes note of bytes that are looked through for members: false when there have been too many.
    pub(crate) fn search(&mut self, bytes: u64) -> bool {
        self.searched = self.searched.saturating_add(bytes);
        let most = limits::SEARCHED_FREE + self.size.saturating_mul(limits::SEARCHED_RATIO);
        if self.searched > most {
            let message = format!("looking for them went through more than {most} bytes");
            self.find(&limits::TOO_MANY_PARTS, None, message);
        }
        self.searched <= most
    }

    /// Inspects a member, whatever it is.
    pub(crate) fn member(&mut self, name: &str, content: Content<'_>) -> Result<(), Halt> {
        self.contents.members = self.contents.members.saturating_add(1);
        self.within(name, |scan| {
            if scan.members.len() > limits::NESTING {
                scan.find(&limits::NESTED, None, format!("more than {} levels", limits::NESTING));
                return Ok(());
            }
            route::inspect(content, scan).map(|_| ())
        })
    }

    /// Bytes that may still be decompressed of this file.
    pub(crate) fn allowance(&self) -> u64 {
        self.allowance.get()
    }

    /// The same, for a decoder to take from.
    pub(crate) fn allowance_to_take(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.allowance)
    }

    /// Turns what went wrong with a stream into a finding under `rule`, unless it is the file that cannot be read.
    pub(crate) fn unreadable(&mut self, error: ReadError, rule: &'static Rule) -> Result<(), Halt> {
        match error {
            ReadError::Io(error) => return Err(Halt(error)),
            ReadError::Corrupt(what) => self.find(rule, None, what),
            ReadError::Bound => self.find(
                &limits::TOO_MUCH_DATA,
                None,
                "decompression stopped; what comes after was not inspected".to_owned(),
            ),
            ReadError::Memory => self.find(&limits::TOO_LARGE_WINDOW, None, error.to_string()),
        }
        Ok(())
    }

    /// Whether `rule` found something.
    pub(crate) fn found(&self, rule: &Rule) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule.id)
    }

    /// Marks where a part begins, for [`Scan::worst_since`].
    pub(crate) fn findings(&self) -> usize {
        self.findings.len()
    }

    /// The worst finding since [`Scan::findings`] was asked.
    pub(crate) fn worst_since(&self, mark: usize) -> Option<Severity> {
        self.findings.get(mark..)?.iter().map(|finding| finding.severity).max()
    }

    pub(crate) fn finish(mut self, size: u64, format: FileFormat) -> FileInspection {
        self.formats.insert(format);
        self.findings.sort_by(|a, b| {
            (a.rule, &a.place, &a.subject, &a.message).cmp(&(b.rule, &b.place, &b.subject, &b.message))
        });
        FileInspection {
            path: self.path,
            size,
            format,
            formats: self.formats,
            contents: self.contents,
            findings: self.findings,
        }
    }

    fn add(
        &mut self,
        rule: &'static Rule,
        offset: Option<u64>,
        mut message: String,
        subject: Option<String>,
    ) {
        if let Some((end, _)) = message.char_indices().nth(MESSAGE) {
            message.truncate(end);
            message.push('…');
        }
        if self.guess && rule.severity == Severity::Malformed {
            return;
        }
        let severity = rule.severity;
        if let Some(&at) = self.index.get(&(rule.id, subject.clone())) {
            let finding = &mut self.findings[at];
            finding.count = finding.count.saturating_add(1);
            if finding.severity >= severity {
                return;
            }
            // The worse of two is the one to tell of.
            finding.severity = severity;
            finding.place.members.clone_from(&self.members);
            finding.place.offset = offset;
            finding.message = message;
            return;
        }
        // Those without a subject are one for each rule.
        let full = subject.is_some() && self.findings.len() >= limits::FINDINGS;
        let worse = self.worst.is_none_or(|worst| severity > worst);
        self.worst = self.worst.max(Some(severity));
        if full && !worse {
            if self.index.contains_key(&(limits::TOO_MANY_FINDINGS.id, None)) {
                return;
            }
            let place = Place { file: self.path.clone(), members: Vec::new(), offset: None };
            self.index.insert((limits::TOO_MANY_FINDINGS.id, None), self.findings.len());
            self.findings.push(Finding {
                rule: limits::TOO_MANY_FINDINGS.id,
                severity: limits::TOO_MANY_FINDINGS.severity,
                place,
                message: format!("only {} are listed", limits::FINDINGS),
                subject: None,
                count: 1,
            });
            return;
        }
        self.index.insert((rule.id, subject.clone()), self.findings.len());
        let place = self.place(offset);
        self.findings.push(Finding { rule: rule.id, severity, place, message, subject, count: 1 });
    }
}

impl<'a> Content<'a> {
    /// What can be read at any place.
    pub(crate) fn random(input: Input<'a>) -> Result<Self, Halt> {
        let head = input.read_some(0, limits::HEAD).map_err(Halt::of)?;
        let whole = head.len() as u64 == input.len();
        Ok(Self { kind: Kind::Random(input), head, whole })
    }

    /// What comes from a decoder.
    pub(crate) fn stream(stream: impl Stream + 'a) -> Result<Self, Halt> {
        let stream = Rejoined::peek(stream, limits::HEAD + 1).map_err(Halt::of)?;
        let mut head = stream.head().to_vec();
        let whole = head.len() <= limits::HEAD && !stream.has_failed();
        head.truncate(limits::HEAD);
        Ok(Self { kind: Kind::Stream(Box::new(stream)), head, whole })
    }

    /// The first [`limits::HEAD`] bytes, or all.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether there are bytes behind the head.
    pub(crate) fn is_more(&self) -> bool {
        !self.whole
    }

    /// The last [`limits::TAIL`] bytes, or all; of a stream that is longer than its head, none.
    pub(crate) fn tail(&self) -> Result<Vec<u8>, Halt> {
        let Kind::Random(input) = &self.kind else {
            return Ok(if self.whole { self.head.clone() } else { Vec::new() });
        };
        let start = input.len().saturating_sub(limits::TAIL as u64);
        input.read_some(start, limits::TAIL).map_err(Halt::of)
    }

    /// The number of bytes, where that is known.
    pub(crate) fn len(&self) -> Option<u64> {
        match &self.kind {
            Kind::Random(input) => Some(input.len()),
            Kind::Stream(stream) => stream.remaining(),
        }
    }

    /// Where it lies, when it can be read at any place.
    pub(crate) fn place(&self) -> Option<Input<'a>> {
        match &self.kind {
            Kind::Random(input) => Some(*input),
            Kind::Stream(_) => None,
        }
    }

    /// The same once more, when it can be read at any place.
    pub(crate) fn again(&self) -> Option<Self> {
        match &self.kind {
            Kind::Random(input) => {
                Some(Self { kind: Kind::Random(*input), head: self.head.clone(), whole: self.whole })
            }
            // All of it was read ahead.
            Kind::Stream(_) if self.whole => {
                let again = Rejoined::all(self.head.clone());
                Some(Self { kind: Kind::Stream(Box::new(again)), head: self.head.clone(), whole: true })
            }
            Kind::Stream(_) => None,
        }
    }

    /// Lets `look` read from the beginning, and gives all of it back. A stream is held as far as `look` reads; at what cannot
    /// be held or decompressed, it ends for `look`.
    pub(crate) fn ahead<T>(
        self,
        scan: &mut Scan<'_>,
        look: impl FnOnce(&mut dyn Stream) -> Result<T, Halt>,
    ) -> Result<Ahead<'a, T>, Halt> {
        let Self { kind, head, whole } = self;
        match kind {
            Kind::Random(input) => {
                let seen = look(&mut input.stream())?;
                let content = Self { kind, head, whole };
                Ok(Ahead { seen, read: Random::There(input), full: false, content })
            }
            Kind::Stream(mut rest) => {
                let taken = scan.memory.take();
                let mut recording =
                    Recording { rest: &mut *rest, bytes: Vec::new(), failed: None, taken, full: false };
                let seen = look(&mut recording)?;
                let Recording { bytes, failed, taken, full, .. } = recording;
                let again = Rejoined::of(bytes.clone(), failed, rest);
                let content = Self { kind: Kind::Stream(Box::new(again)), head, whole };
                Ok(Ahead { seen, read: Random::Held(Held { bytes, taken }), full, content })
            }
        }
    }

    /// One after the other.
    pub(crate) fn into_stream(self) -> Box<dyn Stream + 'a> {
        match self.kind {
            Kind::Random(input) => Box::new(input.stream()),
            Kind::Stream(stream) => stream,
        }
    }

    /// To be read at any place. A stream is held for that, when it is no longer than [`limits::SPOOLED`]; otherwise that
    /// is a finding, and there is nothing to read.
    pub(crate) fn into_random(self, scan: &mut Scan<'_>) -> Result<Option<Random<'a>>, Halt> {
        let mut stream = match self.kind {
            Kind::Random(input) => return Ok(Some(Random::There(input))),
            Kind::Stream(stream) => stream,
        };
        let mut held = Held { bytes: Vec::new(), taken: scan.memory.take() };
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(Some(Random::Held(held))),
                Ok(read) => {
                    let len = held.bytes.len() as u64 + read as u64;
                    if len > limits::SPOOLED || !held.taken.grow_to(len) {
                        let message = format!("more than {} bytes", len - read as u64);
                        scan.find(&limits::TOO_LARGE_TO_HOLD, None, message);
                        return Ok(None);
                    }
                    room(&mut held.bytes, read);
                    held.bytes.extend_from_slice(&buffer[..read]);
                }
                Err(error) => {
                    // What was read before the error is looked at all the same.
                    scan.unreadable(error, &crate::compress::rules::CORRUPT)?;
                    return Ok(Some(Random::Held(held)));
                }
            }
        }
    }
}

impl Random<'_> {
    pub(crate) fn input(&self) -> Input<'_> {
        match self {
            Self::There(input) => *input,
            Self::Held(held) => Input::of(&held.bytes),
        }
    }
}

impl Halt {
    /// Of a file, that there is nothing to decompress in.
    pub(crate) fn of(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self(error),
            other => Self(io::Error::other(other)),
        }
    }
}

/// What follows the last dot of a name, in small letters; empty when there is none.
pub(crate) fn extension(name: &str) -> String {
    name.rsplit_once('.').map_or_else(String::new, |(_, end)| end.to_ascii_lowercase())
}
