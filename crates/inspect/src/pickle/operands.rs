//! The opcodes with operands, and those that name and call.

use super::{
    opcode::*,
    reader::Reader,
    rules, text,
    value::Value,
    vm::{Fail, Step, Vm, underflow},
};
use crate::{limits, scan::Scan};
use modelseal_core::inspection::PickleTier;

impl Vm<'_, '_> {
    pub(super) fn proto(&mut self, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Step<()> {
        self.protocol = reader.byte()?;
        self.operand(self.protocol.into());
        if self.protocol <= 5 {
            return Ok(());
        }
        let message = format!("protocol {}; there are 0 to 5", self.protocol);
        self.find(scan, &rules::UNKNOWN_PROTOCOL, message);
        Err(Fail::Bound)
    }

    pub(super) fn frame(&mut self, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Step<()> {
        let len = u64::from_le_bytes(reader.array()?);
        self.operand(len);
        self.light = false;
        if self.frame_end != u64::MAX {
            self.find(scan, &rules::FRAME, "a frame begins within a frame".to_owned());
        }
        if reader.remaining().is_some_and(|left| left < len) {
            self.find(scan, &rules::FRAME, format!("a frame of {len} bytes ends beyond the file"));
        }
        self.frame_end = reader.offset().saturating_add(len);
        Ok(())
    }

    pub(super) fn frame_ended(&mut self, scan: &mut Scan<'_>) {
        if self.at > self.frame_end {
            self.find(scan, &rules::FRAME, "an opcode goes on beyond its frame".to_owned());
        }
        self.frame_end = u64::MAX;
    }

    /// Raw data begins at `offset`: a frame must have ended, because readers of frames have read ahead.
    pub(super) fn array_begins(&mut self, offset: u64, scan: &mut Scan<'_>) {
        if offset != self.frame_end && self.frame_end != u64::MAX {
            self.find(scan, &rules::FRAME, "an array lies within a frame".to_owned());
        }
        self.frame_end = u64::MAX;
    }

    pub(super) fn text(&mut self, code: u8, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Step<()> {
        let len = match code {
            SHORT_BINUNICODE | SHORT_BINSTRING => reader.byte()?.into(),
            BINUNICODE => u32::from_le_bytes(reader.array()?).into(),
            BINUNICODE8 => u64::from_le_bytes(reader.array()?),
            _ => {
                let len = i32::from_le_bytes(reader.array()?);
                u64::try_from(len).map_err(|_| Fail::Broken(format!("a text has a length of {len}")))?
            }
        };
        let payload = reader.payload(len)?;
        let whole = payload.len == payload.kept.len() as u64;
        let is_unicode = matches!(code, SHORT_BINUNICODE | BINUNICODE | BINUNICODE8);
        let id = self.arena.add_text(payload.kept, whole);
        if is_unicode && !text::is_python_utf8(self.arena.kept(id), whole) {
            self.find(scan, &rules::NOT_TEXT, "text is not UTF-8".to_owned());
        }
        // Text of Python 2 that is more than ASCII is bytes to some loaders.
        let is_text = is_unicode || self.arena.kept(id).is_ascii();
        let value = if is_text { Value::Text(id) } else { Value::Bytes(id) };
        self.stack.push(value);
        self.look_inside(value, scan)
    }

    pub(super) fn bytes(&mut self, code: u8, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Step<()> {
        let len = match code {
            SHORT_BINBYTES => reader.byte()?.into(),
            BINBYTES => u32::from_le_bytes(reader.array()?).into(),
            _ => u64::from_le_bytes(reader.array()?),
        };
        let payload = reader.payload(len)?;
        let whole = payload.len == payload.kept.len() as u64;
        let id = self.arena.add_text(payload.kept, whole);
        self.look_inside(Value::Bytes(id), scan)?;
        self.stack.push(if code == BYTEARRAY8 { Value::ByteArray } else { Value::Bytes(id) });
        Ok(())
    }

    pub(super) fn line(&mut self, code: u8, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Step<()> {
        // Text and numbers may be long; names and places are not.
        let (line, whole) = if matches!(code, STRING | UNICODE | LONG | INT | FLOAT | PUT) {
            let line = reader.long_line()?;
            (line.kept, line.len == line.kept.len() as u64)
        } else {
            (reader.line()?, true)
        };
        match code {
            STRING | UNICODE if !whole => {
                let id = self.arena.add_text(line, false);
                self.stack.push(Value::Text(id));
                self.look_inside(Value::Text(id), scan)?;
            }
            INT | LONG if !whole => {
                let message = format!("a number of more than {} digits", limits::PICKLE_LINE);
                self.find(scan, &limits::TOO_LONG_NUMBER, message);
                self.stack.push(Value::Huge);
            }
            // Numbers may stand between any number of blanks.
            FLOAT if !whole => {
                let message = format!("a number of more than {} digits", limits::PICKLE_LINE);
                self.find(scan, &limits::TOO_LONG_NUMBER, message);
                self.stack.push(Value::Float);
            }
            PUT if !whole => {
                let message = format!("a line is longer than {} bytes", limits::PICKLE_LINE);
                self.find(scan, &limits::TOO_LONG_LINE, message);
                self.top()?;
            }
            GLOBAL | INST => {
                let module = String::from_utf8(line.to_vec());
                let name = String::from_utf8(reader.line()?.to_vec());
                let (Ok(module), Ok(name)) = (module, name) else {
                    return Err(Fail::Broken("the name of a global is not UTF-8".to_owned()));
                };
                let global = self.global(&module, &name, scan);
                if code == GLOBAL {
                    self.stack.push(global);
                    return Ok(());
                }
                self.light = false;
                let base = self.mark()?;
                let args = self.arena.add_tuple(&self.stack[base.min(self.stack.len())..]);
                self.stack.truncate(base);
                let value = self.call("INST", global, args, None, scan)?;
                self.stack.push(value);
            }
            STRING => {
                let unquoted = text::unquote(line)
                    .ok_or_else(|| Fail::Broken("a text has no quotes, or a wrong escape".to_owned()))?;
                let id = self.arena.add_text(&unquoted, unquoted.len() <= limits::PICKLE_TEXT);
                let value = if unquoted.is_ascii() { Value::Text(id) } else { Value::Bytes(id) };
                self.stack.push(value);
                self.look_inside(value, scan)?;
            }
            UNICODE => {
                let decoded = text::raw_unicode_escape(line)
                    .ok_or_else(|| Fail::Broken("a text has a wrong escape".to_owned()))?;
                let id = self.arena.add_text(decoded.as_bytes(), decoded.len() <= limits::PICKLE_TEXT);
                self.stack.push(Value::Text(id));
                self.look_inside(Value::Text(id), scan)?;
            }
            INT | LONG => {
                let value = match line {
                    b"00" if code == INT => Value::Bool(false),
                    b"01" if code == INT => Value::Bool(true),
                    _ => {
                        let number =
                            if code == LONG { line.strip_suffix(b"L").unwrap_or(line) } else { line };
                        let digits = number.iter().filter(|byte| byte.is_ascii_digit()).count();
                        let number = text::int_of_any_base(number);
                        if digits > limits::PICKLE_DIGITS {
                            let message = format!("a number of {digits} digits");
                            self.find(scan, &limits::TOO_LONG_NUMBER, message);
                        }
                        match number.ok_or_else(|| Fail::Broken("a number is none".to_owned()))? {
                            Some(int) => self.arena.add_int(int),
                            None => Value::Huge,
                        }
                    }
                };
                self.stack.push(value);
            }
            FLOAT => {
                if !text::is_float(line) {
                    return Err(Fail::Broken("a number is none".to_owned()));
                }
                self.stack.push(Value::Float);
            }
            GET | PUT => {
                let at = text::int(line).flatten().and_then(|at| u64::try_from(at).ok());
                let at = at.ok_or_else(|| Fail::Broken("a place of the memo is no number".to_owned()))?;
                if code == GET { self.get(at)? } else { self.put(at)? }
            }
            _ => {
                self.light = false;
                let id = Value::Text(self.arena.add_text(line, line.len() <= limits::PICKLE_TEXT));
                let value = self.persistent(id, scan);
                self.stack.push(value);
            }
        }
        Ok(())
    }

    pub(super) fn long(&mut self, code: u8, reader: &mut Reader<'_>) -> Step<()> {
        let len = if code == LONG1 {
            reader.byte()?.into()
        } else {
            let len = i32::from_le_bytes(reader.array()?);
            u64::try_from(len).map_err(|_| Fail::Broken(format!("a number has {len} bytes")))?
        };
        let payload = reader.payload(len)?;
        let value = if payload.len <= 8 {
            let negative = payload.kept.last().is_some_and(|byte| byte & 0x80 != 0);
            let mut bytes = [if negative { 0xff } else { 0 }; 8];
            bytes[..payload.kept.len()].copy_from_slice(payload.kept);
            self.arena.add_int(i64::from_le_bytes(bytes))
        } else {
            Value::Huge
        };
        self.stack.push(value);
        Ok(())
    }

    pub(super) fn extension(&mut self, code: u8, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Step<()> {
        let number: i64 = match code {
            EXT1 => reader.byte()?.into(),
            EXT2 => u16::from_le_bytes(reader.array()?).into(),
            _ => i32::from_le_bytes(reader.array()?).into(),
        };
        self.light = false;
        self.raise(PickleTier::Unknown);
        self.find(scan, &rules::EXTENSION, format!("extension {number}"));
        self.stack.push(Value::Foreign);
        Ok(())
    }

    pub(super) fn stack_global(&mut self, scan: &mut Scan<'_>) -> Step<()> {
        self.need(2)?;
        self.light = false;
        let (name, module) = (self.pop()?, self.pop()?);
        if let Some(known) = self.named_by(module, name) {
            self.stack.push(known);
            return Ok(());
        }
        let value = match (self.arena.text(module), self.arena.text(name)) {
            (Some(module_text), Some(name_text)) => {
                let (module_text, name_text) = (module_text.to_owned(), name_text.to_owned());
                let global = self.global(&module_text, &name_text, scan);
                self.name_by(module, name, global);
                global
            }
            _ => {
                let computed = |value| match value {
                    Value::Object(_) | Value::Foreign => true,
                    // Longer than any name.
                    Value::Text(_) => self.arena.text(value).is_none(),
                    _ => false,
                };
                let message = format!("{} of {}", self.describe(name), self.describe(module));
                if computed(module) || computed(name) {
                    self.raise(PickleTier::Dangerous);
                    self.find(scan, &rules::COMPUTED_NAME, message);
                } else {
                    self.find(scan, &rules::WRONG_TYPE, format!("a global is named {message}"));
                }
                let weight = self.arena.weight(name).and(self.arena.weight(module));
                self.arena.add_object(None, Value::None, weight)
            }
        };
        self.stack.push(value);
        Ok(())
    }

    pub(super) fn call_opcode(&mut self, code: u8, scan: &mut Scan<'_>) -> Step<()> {
        let (how, callee, args, kwargs) = match code {
            OBJ => {
                self.light = false;
                let base = self.mark()?;
                let Some((&class, _)) = self.stack.get(base..).and_then(<[Value]>::split_first) else {
                    return Err(underflow());
                };
                let args = self.arena.add_tuple(&self.stack[base + 1..]);
                self.stack.truncate(base);
                ("OBJ", class, args, None)
            }
            NEWOBJ_EX => {
                self.light = false;
                self.need(3)?;
                let (kwargs, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                ("NEWOBJ_EX", class, args, Some(kwargs))
            }
            _ => {
                self.need(2)?;
                let (args, callee) = (self.pop()?, self.pop()?);
                (if code == REDUCE { "REDUCE" } else { "NEWOBJ" }, callee, args, None)
            }
        };
        let value = self.call(how, callee, args, kwargs, scan)?;
        self.stack.push(value);
        Ok(())
    }
}
