//! The virtual machine: follows the opcodes of one pickle with values that stand for what would be there. Nothing is
//! imported and nothing is called; calls are judged.

use super::{
    globals::Globals,
    memo::Memo,
    named::Named,
    opcode::*,
    reader::{Reader, Stop},
    rules,
    trace::Trace,
    value::{Arena, Id, Value},
};

use crate::{
    bytes::ReadError,
    limits,
    memory::room,
    scan::{Halt, Scan},
};
use modelseal_core::inspection::PickleTier;
use std::collections::HashMap;

/// Opcodes between two looks at the memory.
const LOOK_EVERY: u32 = 1024;

/// Who would load the pickle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Loader {
    /// PyTorch, which gives persistent identifiers a meaning.
    pub(crate) torch: bool,
    /// TorchScript, whose classes are in the archive.
    pub(crate) torchscript: bool,
    /// PyTorch before 0.1.10, whose identifiers are numbers.
    pub(crate) numbers: bool,
    /// A reader that takes no raw arrays of joblib between the opcodes.
    pub(crate) only_pickle: bool,
}

/// How a pickle ended.
#[derive(Debug)]
pub(super) enum End {
    /// At `STOP`.
    Stopped,
    /// It cannot be followed any further: why is a finding already.
    Broken,
    /// A bound was reached: so, too.
    Bound,
}

/// A storage that a persistent identifier of PyTorch refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) key: String,
    /// Its size in bytes; none when that overflows.
    pub(crate) bytes: Option<u64>,
    /// Where the identifier is used first.
    pub(crate) offset: u64,
}

/// Why an opcode could not be followed.
pub(super) enum Fail {
    Stop(Stop),
    /// Readers fail here, too.
    Broken(String),
    /// A bound, already reported.
    Bound,
    Halt(Halt),
}

pub(super) type Step<T> = Result<T, Fail>;

pub(super) struct Vm<'g, 't> {
    pub(super) judge: &'g Globals,
    pub(super) loader: Loader,
    pub(super) stack: Vec<Value>,
    pub(super) marks: Vec<usize>,
    pub(super) memo: Memo,
    pub(super) arena: Arena,
    pub(super) globals: Vec<Named>,
    pub(super) index: HashMap<String, Id>,
    /// Globals by the texts that name them, where these are long: looking at them again takes its time.
    pub(super) by_texts: HashMap<(Id, Id), Id>,
    /// Bytes of the names of all globals.
    pub(super) names: u64,
    pub(super) protocol: u8,
    pub(super) frame_end: u64,
    /// The opcode that is being followed.
    pub(super) at: u64,
    start: u64,
    /// How often object arrays and hidden pickles lie in one another here.
    pub(super) depth: usize,
    pub(super) tier: PickleTier,
    /// Whether only opcodes were used that `weights_only` knows.
    pub(super) light: bool,
    pub(super) joblib: bool,
    pub(super) opcodes: u64,
    /// Whether something was called or changed.
    pub(super) acts: bool,
    /// Whether it ended for want of bytes.
    pub(super) starved: bool,
    /// Bounds that were reported already.
    reported: (bool, bool),
    pub(super) storages: Vec<Storage>,
    /// Their classes, by the values that stand for them.
    pub(super) storage_types: HashMap<Id, Id>,
    pub(super) trace: Option<Trace<'t>>,
    /// Memory that was copied to follow arrays as opcodes.
    pub(super) forked: u64,
    /// Whether numbers and texts that are none are only told of, so that what follows is seen as well.
    pub(super) goes_on: bool,
}

impl<'g, 't> Vm<'g, 't> {
    pub(super) fn new(judge: &'g Globals, loader: Loader, depth: usize) -> Self {
        Self {
            judge,
            loader,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Memo::default(),
            arena: Arena::default(),
            globals: Vec::new(),
            index: HashMap::new(),
            by_texts: HashMap::new(),
            names: 0,
            protocol: 0,
            frame_end: u64::MAX,
            at: 0,
            start: 0,
            depth,
            tier: PickleTier::Data,
            light: true,
            joblib: false,
            opcodes: 0,
            acts: false,
            starved: false,
            reported: (false, false),
            storages: Vec::new(),
            storage_types: HashMap::new(),
            trace: None,
            forked: 0,
            goes_on: false,
        }
    }

    /// Follows one pickle to its end. What the machine knew of the one before is forgotten.
    pub(super) fn run(&mut self, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Result<End, Halt> {
        self.reset(reader.offset());
        let end = self.follow(reader, scan);
        if self.tier > PickleTier::Data && self.tier <= PickleTier::Framework {
            self.tier = if self.light { PickleTier::WeightsOnly } else { PickleTier::Framework };
        }
        match end {
            Ok(()) => Ok(End::Stopped),
            Err(fail) => self.failed(fail, scan),
        }
    }

    /// What is on top of the stack at the end.
    pub(super) fn result(&self) -> Option<Value> {
        self.stack.last().copied()
    }

    fn reset(&mut self, start: u64) {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        self.arena.clear();
        self.globals.clear();
        self.index.clear();
        self.by_texts.clear();
        self.names = 0;
        self.storages.clear();
        self.storage_types.clear();
        (self.acts, self.starved) = (false, false);
        (self.protocol, self.frame_end, self.at, self.start) = (0, u64::MAX, start, start);
        (self.tier, self.light, self.opcodes, self.reported) = (PickleTier::Data, true, 0, (false, false));
    }

    fn failed(&mut self, fail: Fail, scan: &mut Scan<'_>) -> Result<End, Halt> {
        self.starved = matches!(fail, Fail::Stop(_));
        let rule = match &fail {
            Fail::Stop(Stop::Line) => &limits::TOO_LONG_LINE,
            _ => &rules::BROKEN,
        };
        let message = match fail {
            Fail::Halt(halt) => return Err(halt),
            Fail::Bound => return Ok(End::Bound),
            Fail::Stop(Stop::Read(ReadError::Io(error))) => return Err(Halt(error)),
            Fail::Stop(Stop::Read(error)) => {
                scan.unreadable(error, &crate::compress::rules::CORRUPT)?;
                "the data cannot be decompressed any further".to_owned()
            }
            Fail::Stop(Stop::Truncated) => "it ends before its end".to_owned(),
            Fail::Stop(Stop::Line) => format!("a line is longer than {} bytes", limits::PICKLE_LINE),
            Fail::Broken(what) => what,
        };
        self.find(scan, rule, message);
        Ok(End::Broken)
    }

    pub(super) fn follow(&mut self, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Step<()> {
        let mut look = LOOK_EVERY;
        loop {
            self.at = reader.offset();
            if self.at >= self.frame_end {
                self.frame_ended(scan);
            }
            let code = reader.byte()?;
            self.opcodes += 1;
            if let Some(trace) = &mut self.trace {
                trace.opcode(self.at, code);
            }
            if code == STOP {
                let result = self.pop()?;
                self.stack.push(result);
                self.traced();
                return Ok(());
            }
            self.step(code, reader, scan)?;
            if self.trace.is_some() {
                self.traced();
            }
            look -= 1;
            if look == 0 {
                look = LOOK_EVERY;
                self.look_at_memory(reader.offset(), scan)?;
            }
        }
    }

    #[inline]
    fn step(&mut self, code: u8, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Step<()> {
        match code {
            BININT1 => {
                let int = reader.byte()?;
                self.stack.push(Value::Int(int.into()));
            }
            BININT => {
                let int = i32::from_le_bytes(reader.array()?);
                self.stack.push(Value::Int(int));
            }
            BININT2 => {
                let int = u16::from_le_bytes(reader.array()?);
                self.stack.push(Value::Int(int.into()));
            }
            BINFLOAT => {
                reader.array::<8>()?;
                self.stack.push(Value::Float);
            }
            BINPUT => {
                let at = reader.byte()?;
                self.put(at.into())?;
            }
            BINGET => {
                let at = reader.byte()?;
                self.get(at.into())?;
            }
            LONG_BINPUT => {
                let at = u32::from_le_bytes(reader.array()?);
                self.put(at.into())?;
            }
            LONG_BINGET => {
                let at = u32::from_le_bytes(reader.array()?);
                self.get(at.into())?;
            }
            MEMOIZE => self.put(self.memo.count())?,
            MARK => self.marks.push(self.stack.len()),
            NONE => self.stack.push(Value::None),
            NEWTRUE => self.stack.push(Value::Bool(true)),
            NEWFALSE => self.stack.push(Value::Bool(false)),
            EMPTY_TUPLE => self.push_tuple(0, scan)?,
            TUPLE1 => self.push_tuple(1, scan)?,
            TUPLE2 => self.push_tuple(2, scan)?,
            TUPLE3 => self.push_tuple(3, scan)?,
            TUPLE => {
                let base = self.mark()?;
                self.push_tuple(self.stack.len() - base, scan)?;
            }
            EMPTY_LIST => {
                let list = self.arena.add_list();
                self.stack.push(list);
            }
            EMPTY_DICT => {
                let dict = self.arena.add_dict();
                self.stack.push(dict);
            }
            EMPTY_SET => {
                let set = self.arena.add_set();
                self.stack.push(set);
            }
            LIST | FROZENSET => {
                let base = self.mark()?;
                let container = if code == LIST { self.arena.add_list() } else { self.arena.add_set() };
                self.fill(container, base, scan);
                self.stack.push(container);
            }
            DICT => {
                let base = self.mark()?;
                let dict = self.arena.add_dict();
                self.fill_dict(dict, base, scan);
                self.stack.push(dict);
            }
            APPEND => {
                let base = self.stack.len().saturating_sub(1);
                self.need(2)?;
                let list = self.stack[base - 1];
                self.fill(list, base, scan);
            }
            APPENDS | ADDITEMS => {
                let base = self.mark()?;
                self.need_below(base)?;
                let list = self.stack[base - 1];
                self.fill(list, base, scan);
            }
            SETITEM => {
                self.need(3)?;
                let base = self.stack.len() - 2;
                let dict = self.stack[base - 1];
                self.fill_dict(dict, base, scan);
            }
            SETITEMS => {
                let base = self.mark()?;
                self.need_below(base)?;
                let dict = self.stack[base - 1];
                self.fill_dict(dict, base, scan);
            }
            POP => {
                // A mark is what is popped when nothing lies above it.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            POP_MARK => {
                let base = self.mark()?;
                self.stack.truncate(base);
            }
            DUP => {
                let value = self.top()?;
                self.stack.push(value);
            }
            SHORT_BINUNICODE | BINUNICODE | BINUNICODE8 | SHORT_BINSTRING | BINSTRING => {
                self.text(code, reader, scan)?;
            }
            SHORT_BINBYTES | BINBYTES | BINBYTES8 | BYTEARRAY8 => self.bytes(code, reader, scan)?,
            GLOBAL | INST | STRING | UNICODE | INT | LONG | FLOAT | GET | PUT | PERSID => {
                self.line(code, reader, scan)?;
            }
            STACK_GLOBAL => self.stack_global(scan)?,
            REDUCE | NEWOBJ | NEWOBJ_EX | OBJ => self.call_opcode(code, scan)?,
            BUILD => {
                self.need(2)?;
                let state = self.pop()?;
                let instance = self.top()?;
                self.build(instance, state, reader, scan)?;
            }
            PROTO => self.proto(reader, scan)?,
            FRAME => self.frame(reader, scan)?,
            LONG1 | LONG4 => self.long(code, reader)?,
            BINPERSID => {
                let id = self.pop()?;
                let value = self.persistent(id, scan);
                self.stack.push(value);
            }
            EXT1 | EXT2 | EXT4 => self.extension(code, reader, scan)?,
            NEXT_BUFFER => {
                self.light = false;
                self.find(scan, &rules::OUT_OF_BAND, "a buffer is expected from elsewhere".to_owned());
                self.stack.push(Value::Foreign);
            }
            READONLY_BUFFER => {
                self.light = false;
                self.top()?;
            }
            other => return Err(Fail::Broken(format!("there is no opcode {other:#04x}"))),
        }
        Ok(())
    }

    /// Replaces what is on top.
    pub(super) fn replace_top(&mut self, value: Value) {
        if let Some(top) = self.stack.last_mut() {
            *top = value;
        }
    }

    fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Step<Value> {
        if self.stack.len() <= self.fence() {
            return Err(underflow());
        }
        self.stack.pop().ok_or_else(underflow)
    }

    #[inline]
    pub(super) fn top(&self) -> Step<Value> {
        if self.stack.len() <= self.fence() {
            return Err(underflow());
        }
        self.stack.last().copied().ok_or_else(underflow)
    }

    /// Has at least `count` values above the last mark.
    pub(super) fn need(&self, count: usize) -> Step<()> {
        if self.stack.len() < self.fence() + count { Err(underflow()) } else { Ok(()) }
    }

    /// Has a value below `base`, which was the last mark, and above the one before.
    fn need_below(&self, base: usize) -> Step<()> {
        if base <= self.fence() { Err(underflow()) } else { Ok(()) }
    }

    /// Takes the last mark off and says where it was.
    pub(super) fn mark(&mut self) -> Step<usize> {
        self.marks.pop().ok_or_else(|| Fail::Broken("there is no mark on the stack".to_owned()))
    }

    pub(super) fn put(&mut self, at: u64) -> Step<()> {
        let value = self.top()?;
        self.memo.put(at, value);
        self.operand(at);
        Ok(())
    }

    pub(super) fn get(&mut self, at: u64) -> Step<()> {
        let value = self.memo.get(at);
        let value = value.ok_or_else(|| Fail::Broken(format!("the memo has nothing at {at}")))?;
        self.operand(at);
        self.stack.push(value);
        Ok(())
    }

    fn push_tuple(&mut self, count: usize, scan: &mut Scan<'_>) -> Step<()> {
        self.need(count)?;
        let base = self.stack.len() - count;
        let tuple = self.arena.add_tuple(&self.stack[base..]);
        self.stack.truncate(base);
        self.stack.push(tuple);
        self.weigh(tuple, scan);
        Ok(())
    }

    /// Puts what lies above `base` into a list or set.
    fn fill(&mut self, container: Value, base: usize, scan: &mut Scan<'_>) {
        let base = base.min(self.stack.len());
        match container {
            Value::List(id) | Value::Set(id) => {
                self.arena.extend(id, &self.stack[base..]);
                self.weigh(container, scan);
            }
            other => self.filled_other(other, "elements", scan),
        }
        self.stack.truncate(base);
    }

    /// Puts the pairs above `base` into a dictionary.
    fn fill_dict(&mut self, dict: Value, base: usize, scan: &mut Scan<'_>) {
        let base = base.min(self.stack.len());
        let (pairs, rest) = self.stack[base..].as_chunks::<2>();
        if !rest.is_empty() {
            let message = "a key has no value".to_owned();
            self.find(scan, &rules::WRONG_TYPE, message);
        } else if let Value::Dict(id) = dict {
            self.arena.insert(id, pairs);
            self.weigh(dict, scan);
        } else {
            self.filled_other(dict, "entries", scan);
        }
        self.stack.truncate(base);
    }

    /// Something that is no list, set or dictionary of the language is given elements or entries.
    fn filled_other(&mut self, container: Value, what: &str, scan: &mut Scan<'_>) {
        match container {
            Value::Global(id) => {
                let name = self.name(id);
                let message = format!("{what} are put into {name} itself");
                self.find_about(scan, &rules::GLOBAL_CHANGED, &name, message);
            }
            Value::Object(_) => self.filled_object(container, what, scan),
            Value::Foreign => {}
            _ => {
                let message = format!("{what} are put into {}", self.describe(container));
                self.find(scan, &rules::WRONG_TYPE, message);
            }
        }
    }

    fn weigh(&mut self, value: Value, scan: &mut Scan<'_>) {
        let weight = self.arena.weight(value);
        if u32::from(weight.depth) > limits::PICKLE_DEPTH && !self.reported.0 {
            self.reported.0 = true;
            let message = format!("deeper than {}", limits::PICKLE_DEPTH);
            self.find(scan, &limits::TOO_DEEP, message);
        }
        if weight.size > limits::PICKLE_VALUES && !self.reported.1 {
            self.reported.1 = true;
            let message = format!("more than {} values", limits::PICKLE_VALUES);
            self.find(scan, &limits::TOO_MANY_VALUES, message);
        }
    }

    fn look_at_memory(&mut self, offset: u64, scan: &mut Scan<'_>) -> Step<()> {
        let stacks = (self.stack.capacity() + self.marks.capacity()) as u64 * 8;
        let used = self.arena.memory() + self.memo.memory() + stacks + self.names_memory();
        let len = offset - self.start;
        scan.memory.pickle(len);
        let allowed = scan.memory.for_values(len);
        if used <= allowed {
            // For what comes before the next look: each opcode adds one of each at most.
            let more = LOOK_EVERY as usize + 1;
            room(&mut self.stack, more);
            room(&mut self.marks, more);
            self.memo.room(more);
            self.arena.room(more);
            return Ok(());
        }
        let message = format!("more than {allowed} bytes after {} opcodes", self.opcodes);
        self.find(scan, &limits::TOO_MUCH_MEMORY, message);
        Err(Fail::Bound)
    }

    pub(super) fn raise(&mut self, tier: PickleTier) {
        self.tier = self.tier.max(tier);
    }

    /// Takes note that `weights_only` would not load this.
    pub(super) fn not_light(&mut self) {
        self.light = false;
    }
}

pub(super) fn underflow() -> Fail {
    Fail::Broken("the stack is empty where a value is needed".to_owned())
}

impl From<Stop> for Fail {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Halt> for Fail {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}
