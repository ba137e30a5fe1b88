//! Pickles: a stream of opcodes that builds values and calls what it names. [`Globals`] says what may be named, the
//! virtual machine follows the opcodes, and this module the pickles of a stream.

#[cfg(test)]
mod asm;
mod build;
mod call;
mod describe;
mod globals;
mod hidden;
mod joblib;
mod memo;
mod named;
mod opcode;
mod operands;
mod persistent;
mod raw;
mod reader;
pub(crate) mod rules;
mod tensors;
#[cfg(test)]
mod tests;
mod text;
mod trace;
mod value;
mod vm;

pub use globals::{Allowed, Danger, Globals, GlobalsError, Role, Standing};
pub(crate) use trace::Trace;
pub(crate) use vm::{Loader, Storage};

use crate::{
    bytes::{Input, Stream},
    limits,
    memory::Memory,
    scan::{Content, Halt, Scan},
    torch,
};
use modelseal_core::{
    inspection::{FileFormat, PickleTier, Severity},
    path::ModelPath,
};
use named::Named;
use reader::{Reader, Stop};
use vm::{End, Vm};

/// The number that begins PyTorch's files before version 1.6: 0x1950a86a20f9469cfc6c, as protocol 2 writes it.
const TORCH_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// The pickles of such a file: number, version, system, object, keys of the storages.
const TORCH_PICKLES: usize = 5;
/// Opcodes that a file without a mark of protocol 2 must begin with to be looked at, and how much of it is.
const TRIAL: usize = limits::HEAD;

/// How sure it is that some bytes are a pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Likeness {
    /// They are not.
    None,
    /// They could be: opcodes that end well, which happens to text.
    Weak,
    /// They name globals that nobody knows, and break before anything is done with these. So do lines of text that begin
    /// with the right letter, as labels do.
    Names,
    /// They do something with a global, or name one that is known, or begin as protocols 2 to 5 do.
    Strong,
}

/// Inspects a stream of pickles. Gives what it is, more closely.
pub(crate) fn inspect(content: Content<'_>, loader: Loader, scan: &mut Scan<'_>) -> Result<Inspected, Halt> {
    let is_legacy = content.head().starts_with(TORCH_MAGIC);
    let loader = Loader { torch: loader.torch || is_legacy, ..loader };
    let mut stream = content.into_stream();
    Pickles::new(loader, is_legacy, scan.globals).inspect(&mut *stream, scan)
}

/// Inspects a member of a tar archive of PyTorch before 0.1.10: `storages` and `tensors` are a count, and then pickles with
/// raw data behind each; the others are pickles.
pub(crate) fn inspect_old(content: Content<'_>, member: &str, scan: &mut Scan<'_>) -> Result<(), Halt> {
    let loader = Loader { torch: true, numbers: true, ..Loader::default() };
    let mut stream = content.into_stream();
    let mut pickles = Pickles::new(loader, false, scan.globals);
    pickles.raw = match member {
        "storages" => Raw::Storages,
        "tensors" => Raw::Tensors,
        _ => Raw::Nothing,
    };
    pickles.inspect(&mut *stream, scan).map(|_| ())
}

/// What a stream of pickles turned out to be.
pub(crate) struct Inspected {
    pub(crate) format: FileFormat,
    pub(crate) storages: Vec<Storage>,
}

/// Looks at the first bytes: does a pickle begin here?
pub(crate) fn likeness(head: &[u8], globals: &Globals) -> Likeness {
    match head {
        // `PERSID` fails in every loader but PyTorch's, which never begins with it. Zip archives do begin with its letter.
        [b'P', ..] => return Likeness::None,
        [0x80, 0..=5, next, ..] if opcode::opcode(*next).is_some() => return Likeness::Strong,
        [first, ..] if opcode::opcode(*first).is_some() => {}
        _ => return Likeness::None,
    }
    let head = head[..head.len().min(TRIAL)].to_vec();
    let mut scan = Scan::new(globals, ModelPath::reference_single_file(), 0);
    let mut stream = Input::of(&head).stream();
    let mut reader = Reader::new(&mut stream);
    let mut vm = Vm::new(globals, Loader::default(), limits::PICKLE_NESTING);
    let end = vm.run(&mut reader, &mut scan);
    // What is done may lie behind the part that was looked at.
    let broken = matches!(end, Ok(End::Broken)) && !(vm.starved && head.len() == TRIAL);
    if let Some(named) = by_names(&vm, broken) {
        return named;
    }
    let all = reader.remaining() == Some(0);
    match end {
        // "N." at the start of a sentence is not a pickle.
        Ok(End::Stopped) if all || vm.opcodes > 4 => Likeness::Weak,
        Ok(End::Broken | End::Bound) if all && head.len() == TRIAL && vm.opcodes > 64 => Likeness::Weak,
        _ => Likeness::None,
    }
}

/// Whether the first bytes are opcodes of a pickle that goes on behind them: an operand may be of any length.
pub(crate) fn goes_on_behind(head: &[u8], globals: &Globals) -> bool {
    if head.len() < TRIAL || head.first() == Some(&b'P') || !is_opcode(head) {
        return false;
    }
    let head = head[..TRIAL].to_vec();
    let mut scan = Scan::new(globals, ModelPath::reference_single_file(), 0);
    let mut stream = Input::of(&head).stream();
    let mut vm = Vm::new(globals, Loader::default(), limits::PICKLE_NESTING);
    let end = vm.run(&mut Reader::new(&mut stream), &mut scan);
    vm.starved || matches!(end, Ok(End::Bound))
}

/// Follows the bytes as a pickle, up to its end or first error, and says whether they are one by what it names until then.
pub(crate) fn likeness_of_all(
    stream: &mut dyn Stream,
    globals: &Globals,
    memory: &Memory,
) -> Result<Likeness, Halt> {
    let size = stream.remaining().unwrap_or_default();
    let mut scan = Scan::new(globals, ModelPath::reference_single_file(), size);
    scan.memory = memory.clone();
    let mut vm = Vm::new(globals, Loader::default(), 0);
    let end = vm.run(&mut Reader::new(stream), &mut scan)?;
    // No file of another format has opcodes for so long by chance.
    if scan.found(&limits::TOO_MUCH_MEMORY) {
        return Ok(Likeness::Strong);
    }
    Ok(by_names(&vm, matches!(end, End::Broken)).unwrap_or(Likeness::None))
}

/// How sure it is by what was named; none when nothing was.
fn by_names(vm: &Vm<'_, '_>, broken: bool) -> Option<Likeness> {
    let is_name = |name: &str| {
        name.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with(|c: char| c.is_ascii_digit())
                && part.chars().all(|c| c.is_alphanumeric() || c == '_')
        })
    };
    let mut named =
        vm.globals.iter().filter(|named| is_name(&named.module) && is_name(&named.name)).peekable();
    named.peek()?;
    // Before protocol 4, names do not go through attributes.
    let known =
        |named: &Named| !matches!(named.standing, Standing::Unknown | Standing::Dangerous(Danger::Attribute));
    Some(if broken && !vm.acts && !named.any(known) { Likeness::Names } else { Likeness::Strong })
}

/// What follows each pickle but the first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Raw {
    Nothing,
    /// A count of eight bytes and as many elements.
    Storages,
    /// Dimensions, and for each its size and stride.
    Tensors,
}

struct Pickles<'g, 't> {
    vm: Vm<'g, 't>,
    raw: Raw,
    is_legacy: bool,
    count: usize,
    searches: usize,
    storages: Vec<Storage>,
    joblib: bool,
}

impl<'g, 't> Pickles<'g, 't> {
    fn new(loader: Loader, is_legacy: bool, globals: &'g Globals) -> Self {
        let mut vm = Vm::new(globals, loader, 0);
        vm.goes_on = true;
        Self { vm, raw: Raw::Nothing, is_legacy, count: 0, searches: 0, storages: Vec::new(), joblib: false }
    }

    fn inspect(mut self, stream: &mut dyn Stream, scan: &mut Scan<'t>) -> Result<Inspected, Halt> {
        self.vm.trace = scan.trace.take();
        let result = self.follow(stream, scan);
        scan.trace = self.vm.trace.take();
        result
    }

    fn follow(&mut self, stream: &mut dyn Stream, scan: &mut Scan<'_>) -> Result<Inspected, Halt> {
        let mut reader = Reader::new(stream).telling(&scan.memory);
        let before = scan.guess(false);
        scan.guess(before);
        loop {
            let start = reader.offset();
            if self.count >= limits::PICKLES {
                scan.find(&limits::TOO_MANY_PICKLES, start, format!("more than {}", limits::PICKLES));
                break;
            }
            if self.is_legacy && self.count == TORCH_PICKLES {
                torch::check_legacy(&self.storages, reader.remaining(), start, scan);
                break;
            }
            if let Some(trace) = &mut self.vm.trace {
                let place = scan.place(start);
                trace.heading(&format!("pickle {} of {place}", self.count + 1));
            }
            let mark = scan.findings();
            let end = self.vm.run(&mut reader, scan)?;
            self.ended(scan, mark);
            match end {
                End::Stopped => {
                    if self.raw != Raw::Nothing
                        && self.count > 0
                        && let Err(stop) = self.skip_raw(&mut reader)
                    {
                        unreadable(stop, scan)?;
                        break;
                    }
                    self.count += 1;
                    if !self.goes_on(&mut reader, scan)? {
                        break;
                    }
                }
                End::Broken | End::Bound => {
                    if let Some(trace) = &mut self.vm.trace {
                        trace.broken();
                    }
                    self.count += 1;
                    if !self.search(&mut reader, scan)? {
                        break;
                    }
                }
            }
        }
        scan.guess(before);
        let format = match (self.is_legacy, self.joblib) {
            (true, _) => FileFormat::TorchLegacy,
            (false, true) => FileFormat::Joblib,
            (false, false) => FileFormat::Pickle,
        };
        Ok(Inspected { format, storages: std::mem::take(&mut self.storages) })
    }

    /// Passes over the raw data behind a pickle; what is missing is noticed where the next one is.
    fn skip_raw(&self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let len = match self.raw {
            Raw::Nothing => return Ok(()),
            Raw::Storages => {
                let Some(count) = reader.ahead(8)?.first_chunk::<8>() else { return Ok(()) };
                u64::from_le_bytes(*count)
                    .saturating_mul(self.vm.stored_element().unwrap_or(1))
                    .saturating_add(8)
            }
            Raw::Tensors => {
                let Some(dimensions) = reader.ahead(4)?.first_chunk::<4>() else { return Ok(()) };
                u64::from(u32::from_le_bytes(*dimensions)).saturating_mul(16).saturating_add(16)
            }
        };
        reader.skip(len).map(|_| ())
    }

    /// Takes down what the machine has learned of one pickle.
    fn ended(&mut self, scan: &mut Scan<'_>, mark: usize) {
        let mut tier = self.vm.tier;
        if scan.worst_since(mark) == Some(Severity::Malicious) {
            tier = PickleTier::Dangerous;
        }
        scan.contents.add_pickle(tier);
        self.joblib |= self.vm.joblib;
        let left = limits::STORAGES - self.storages.len().min(limits::STORAGES);
        self.storages.extend(self.vm.storages.drain(..).take(left));
    }

    /// After `STOP`: whether another pickle follows. Anything else is a finding, and searched for a pickle.
    fn goes_on(&mut self, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Result<bool, Halt> {
        let ahead = match reader.ahead(TRIAL) {
            Ok(ahead) => ahead,
            Err(stop) => return unreadable(stop, scan).map(|()| false),
        };
        // Editors add a line feed, and so did those who made NumPy's own samples.
        if ahead.is_empty() || ahead == b"\n" || ahead == b"\r\n" {
            return Ok(false);
        }
        if self.is_legacy && self.count <= TORCH_PICKLES || likeness(ahead, self.vm.judge) >= Likeness::Weak {
            return Ok(true);
        }
        let zeros = ahead.iter().all(|&byte| byte == 0);
        let what = if zeros { "zeros" } else { "bytes" };
        let message = match reader.remaining() {
            Some(left) => format!("{left} {what} after the last pickle"),
            None => format!("{what} after the last pickle"),
        };
        scan.find(&rules::TRAILING, reader.offset(), message);
        self.search(reader, scan)
    }

    /// Goes on to where the next pickle could begin, if there is such a place.
    fn search(&mut self, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Result<bool, Halt> {
        // What is found from here on may not be a pickle at all.
        scan.guess(true);
        self.searches += 1;
        if self.searches > limits::PICKLE_RESYNCS {
            return Ok(false);
        }
        match reader.resync(limits::PICKLE_RESYNC) {
            Ok(found) => Ok(found),
            Err(stop) => unreadable(stop, scan).map(|()| false),
        }
    }
}

/// Says why nothing more can be read.
fn unreadable(stop: Stop, scan: &mut Scan<'_>) -> Result<(), Halt> {
    match stop {
        Stop::Read(error) => scan.unreadable(error, &crate::compress::rules::CORRUPT),
        // The stream ends here.
        Stop::Truncated | Stop::Line => Ok(()),
    }
}

/// Whether it begins with an opcode.
pub(crate) fn is_opcode(head: &[u8]) -> bool {
    head.first().is_some_and(|&first| opcode::opcode(first).is_some())
}

/// What the first bytes name that is not known to be harmless, if they are a pickle.
pub(crate) fn names_something(head: &[u8], globals: &Globals) -> Option<String> {
    let is_pickle = matches!(head, [0x80, 2..=5, _, ..]);
    if is_pickle { hidden::dangerous(globals, head.to_vec(), 0) } else { None }
}
