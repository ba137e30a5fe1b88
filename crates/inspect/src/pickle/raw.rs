//! The bytes of joblib's arrays as other readers see them: `pickle.load` knows nothing of arrays and goes on with opcodes
//! where joblib reads raw data.

use super::{
    globals::{Globals, Standing},
    opcode::*,
    reader::Reader,
    rules,
    vm::{Fail, Step, Vm},
};
use crate::{bytes::Input, limits, scan::Scan};
use modelseal_core::{
    inspection::{PickleTier, Severity},
    path::ModelPath,
};

/// What is looked at of an array at once.
const WINDOW: usize = 4096;
/// A text that leads over the array's end is no chance when it is this short: four random bytes are larger.
const SHORT: u64 = 4 << 20;

/// Where opcodes lead that begin in raw data.
enum Reached {
    /// To an error, or to the end.
    Nothing,
    /// To a global that is not known to be harmless.
    Names(String, bool),
    /// To an opcode that does something with what is on the stack.
    Acts,
    /// Over the end of what was looked at.
    Beyond(u64),
}

impl Vm<'_, '_> {
    /// Judges `len` bytes of an array, which the reader has before it, as opcodes; passes over some of them, and says over
    /// how many.
    pub(super) fn judge_raw(&mut self, len: u64, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Step<u64> {
        let mut passed = 0;
        loop {
            let window = reader.ahead(WINDOW)?;
            let full = window.len() == WINDOW;
            match walk(window, self.judge, self.protocol) {
                Reached::Nothing => return Ok(passed),
                Reached::Names(name, dangerous) => {
                    let message = format!("{name} is named in the bytes of an array");
                    self.in_array(&name, dangerous, message, scan);
                    return Ok(passed);
                }
                Reached::Acts if passed > 0 => {
                    let message = "they name or call something".to_owned();
                    self.find(scan, &rules::ARRAY_OPCODES, message);
                    return Ok(passed);
                }
                Reached::Acts => {
                    let window = window.to_vec();
                    self.fork(&window, len, scan);
                    return Ok(passed);
                }
                Reached::Beyond(more) if more < len.saturating_sub(passed) => {
                    if more == 0 || !full && more <= window.len() as u64 {
                        return Ok(passed);
                    }
                    reader.pass(more)?;
                    passed += more;
                }
                Reached::Beyond(more) => {
                    let there = reader.remaining().is_none_or(|left| more < left);
                    if there && full && more > WINDOW as u64 && more < SHORT {
                        let message = "they lead beyond the array, to where nobody looks".to_owned();
                        self.find(scan, &rules::ARRAY_OPCODES, message);
                    }
                    return Ok(passed);
                }
            }
        }
    }

    /// Follows the bytes with the values that are there now.
    fn fork(&mut self, window: &[u8], len: u64, scan: &mut Scan<'_>) {
        let memory = self.arena.memory() + self.memo.memory() + self.names_memory();
        self.forked = self.forked.saturating_add(memory);
        if self.forked > limits::PICKLE_FORKS {
            let message = "there are too many to follow them all".to_owned();
            return self.find(scan, &rules::ARRAY_OPCODES, message);
        }
        let mut aside = Scan::new(self.judge, ModelPath::reference_single_file(), window.len() as u64);
        let held = window.to_vec();
        let mut stream = Input::of(&held).stream();
        let mut vm = Vm::new(self.judge, self.loader, limits::PICKLE_NESTING);
        vm.loader.only_pickle = true;
        vm.stack.clone_from(&self.stack);
        vm.marks.clone_from(&self.marks);
        vm.memo = self.memo.clone();
        vm.arena = self.arena.clone();
        vm.globals.clone_from(&self.globals);
        vm.index.clone_from(&self.index);
        vm.by_texts.clone_from(&self.by_texts);
        vm.protocol = self.protocol;
        let end = vm.follow(&mut Reader::new(&mut stream), &mut aside);
        let named = vm.globals.iter().skip(self.globals.len());
        let named = named.filter(|named| is_global(&named.module, &named.name));
        for named in named {
            let name = format!("{}.{}", named.module, named.name);
            let dangerous = match named.standing {
                Standing::Allowed(_) => continue,
                Standing::Dangerous(_) => true,
                Standing::Unknown => false,
            };
            let message = format!("{name} is named in the bytes of an array");
            self.in_array(&name, dangerous, message, scan);
        }
        // What random bytes do not do by chance.
        let certain = [
            &rules::PROTOCOL_STATE,
            &rules::GLOBAL_CHANGED,
            &rules::COMPUTED_NAME,
            &rules::WRONG_CODEC,
            &rules::DANGEROUS_CALL,
        ];
        for rule in certain {
            if aside.found(rule) && rule.severity == Severity::Malicious {
                self.raise(PickleTier::Dangerous);
                self.find(scan, rule, "in the bytes of an array".to_owned());
            }
        }
        if matches!(end, Err(Fail::Stop(_))) && vm.at < len && window.len() == WINDOW {
            self.find(scan, &rules::ARRAY_OPCODES, "they go on further than is looked at".to_owned());
        }
    }

    fn in_array(&mut self, name: &str, dangerous: bool, message: String, scan: &mut Scan<'_>) {
        if dangerous {
            self.raise(PickleTier::Dangerous);
            self.find_about(scan, &rules::DANGEROUS_GLOBAL, name, message);
        } else {
            self.raise(PickleTier::Unknown);
            self.find_about(scan, &rules::ARRAY_OPCODES, name, message);
        }
    }

    /// What joblib writes so that an array lies at a multiple of `alignment`: how many bytes, and as many of 0xff.
    pub(super) fn check_padding(
        &mut self,
        alignment: i64,
        reader: &mut Reader<'_>,
        scan: &mut Scan<'_>,
    ) -> Step<()> {
        let ahead = reader.ahead(1 + usize::from(u8::MAX))?;
        let Some((&count, rest)) = ahead.split_first() else { return Ok(()) };
        let padding = rest.get(..usize::from(count)).unwrap_or(rest);
        if i64::from(count) > alignment.min(64) || padding.iter().any(|&byte| byte != 0xff) {
            let message = format!("the {count} bytes of padding are not what joblib writes");
            self.find(scan, &rules::ARRAY_OPCODES, message);
        }
        Ok(())
    }
}

/// Whether Python could import this.
fn is_global(module: &str, name: &str) -> bool {
    let is_name = |name: &str| {
        name.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with(|c: char| c.is_ascii_digit())
                && part.chars().all(|c| c.is_alphanumeric() || c == '_')
        })
    };
    is_name(module) && is_name(name)
}

/// Goes from opcode to opcode without following them.
fn walk(bytes: &[u8], globals: &Globals, protocol: u8) -> Reached {
    let mut at = 0;
    let mut before = None;
    loop {
        let start = at as u64;
        let Some(&code) = bytes.get(at) else { return Reached::Beyond(start) };
        at += 1;
        let rest = bytes.get(at..).unwrap_or_default();
        let line = |from: usize| {
            let rest = rest.get(from..)?;
            rest.iter().position(|&byte| byte == b'\n').and_then(|end| rest.get(..end))
        };
        let number = |count: usize| {
            let mut number = [0; 8];
            number[..count].copy_from_slice(rest.get(..count)?);
            Some((count as u64).saturating_add(u64::from_le_bytes(number)))
        };
        let len = match code {
            PROTO if rest.first().is_some_and(|&version| version > 5) => return Reached::Nothing,
            STOP | PERSID | BINPERSID | EXT1 | EXT2 | EXT4 | NEXT_BUFFER => return Reached::Nothing,
            BININT1 | BINPUT | BINGET | PROTO => Some(1),
            BININT2 => Some(2),
            BININT | LONG_BINPUT | LONG_BINGET => Some(4),
            BINFLOAT | FRAME => Some(8),
            SHORT_BINUNICODE | SHORT_BINBYTES | SHORT_BINSTRING | LONG1 => number(1),
            BINUNICODE | BINBYTES | BINSTRING | LONG4 => number(4),
            BINUNICODE8 | BINBYTES8 | BYTEARRAY8 => number(8),
            GLOBAL | INST => {
                let Some(module) = line(0) else { return Reached::Nothing };
                let Some(name) = line(module.len() + 1) else { return Reached::Nothing };
                let names = std::str::from_utf8(module).ok().zip(std::str::from_utf8(name).ok());
                match names.filter(|(module, name)| is_global(module, name)) {
                    None => return Reached::Nothing,
                    Some((module, name)) => match globals.judge(module, name, protocol) {
                        Standing::Allowed(_) if code == INST => return Reached::Acts,
                        Standing::Allowed(_) => {}
                        standing => {
                            let dangerous = matches!(standing, Standing::Dangerous(_));
                            return Reached::Names(format!("{module}.{name}"), dangerous);
                        }
                    },
                }
                Some((module.len() + name.len() + 2) as u64)
            }
            STRING | INT | LONG | FLOAT | GET | PUT | UNICODE => {
                let head = rest.first().copied().unwrap_or_default();
                let fits = match code {
                    UNICODE => true,
                    STRING => matches!(head, b'\'' | b'"'),
                    _ => head.is_ascii_graphic() || head.is_ascii_whitespace(),
                };
                match line(0) {
                    _ if !fits => return Reached::Nothing,
                    Some(line) => Some(line.len() as u64 + 1),
                    // The line goes on; its letter stands for the rest of it.
                    None if code == UNICODE && start == 0 => return Reached::Nothing,
                    None => None,
                }
            }
            STACK_GLOBAL | REDUCE | NEWOBJ | NEWOBJ_EX | BUILD => {
                // The array's description lies on top, which none of them takes.
                return if before.is_some_and(gives_argument) { Reached::Acts } else { Reached::Nothing };
            }
            OBJ => return Reached::Acts,
            _ if opcode(code).is_some() => Some(0),
            _ => return Reached::Nothing,
        };
        let Some(end) = len.map(|len| len.saturating_add(start + 1)) else { return Reached::Beyond(start) };
        match usize::try_from(end) {
            Ok(next) if next <= bytes.len() => at = next,
            _ => return Reached::Beyond(end),
        }
        before = Some(code);
    }
}

/// Whether what an opcode leaves on top may be a tuple, a text or a state.
fn gives_argument(code: u8) -> bool {
    !matches!(
        code,
        BININT1
            | BININT2
            | BININT
            | LONG1
            | LONG4
            | INT
            | LONG
            | FLOAT
            | BINFLOAT
            | NEWTRUE
            | NEWFALSE
            | MARK
    )
}
