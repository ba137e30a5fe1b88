//! What the virtual machine tells: findings, lines of the trace, and values in short.

use super::{text, value::Value, vm::Vm};
use crate::{rule::Rule, scan::Scan};
use std::fmt::Write as _;

impl Vm<'_, '_> {
    pub(super) fn find(&mut self, scan: &mut Scan<'_>, rule: &'static Rule, message: String) {
        self.note_finding(rule, &message);
        scan.find(rule, self.at, message);
    }

    pub(super) fn find_about(
        &mut self,
        scan: &mut Scan<'_>,
        rule: &'static Rule,
        subject: &str,
        message: String,
    ) {
        self.note_finding(rule, &message);
        scan.find_about(rule, self.at, subject, message);
    }

    pub(super) fn note_finding(&mut self, rule: &'static Rule, message: &str) {
        if let Some(trace) = &mut self.trace {
            trace.finding(rule, message);
        }
    }

    /// The number in the stream that belongs to an opcode, for the trace.
    #[inline]
    pub(super) fn operand(&mut self, number: u64) {
        if let Some(trace) = &mut self.trace {
            trace.operand(number);
        }
    }

    /// A line in the trace, when there is one.
    pub(super) fn note(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let text = what(self);
            if let Some(trace) = &mut self.trace {
                trace.note(&text);
            }
        }
    }

    /// What a value is, in short.
    pub(super) fn describe(&self, value: Value) -> String {
        let mut text = String::new();
        self.write(value, 3, &mut text);
        text
    }

    pub(super) fn write(&self, value: Value, depth: usize, to: &mut String) {
        const MOST: usize = 240;
        if to.len() > MOST {
            if !to.ends_with('…') {
                to.push('…');
            }
            return;
        }
        // Writing to a string does not fail.
        let _ = match value {
            Value::None => write!(to, "None"),
            Value::Bool(true) => write!(to, "True"),
            Value::Bool(false) => write!(to, "False"),
            Value::Int(_) | Value::Long(_) => write!(to, "{}", self.arena.int(value).unwrap_or_default()),
            Value::Huge => write!(to, "<large number>"),
            Value::Float => write!(to, "<float>"),
            Value::Text(id) => {
                write!(to, "{}", text::quoted(self.arena.kept(id), self.arena.whole(id).is_some()))
            }
            Value::Bytes(id) => {
                write!(to, "b{}", text::quoted(self.arena.kept(id), self.arena.whole(id).is_some()))
            }
            Value::ByteArray => write!(to, "<bytearray>"),
            Value::Global(id) => {
                let name = self.named(id);
                let parts = name.map_or(["", ""], |named| [&*named.module, &*named.name]).map(short);
                write!(to, "{}.{}", parts[0], parts[1])
            }
            Value::List(_) => write!(to, "<list of {}>", self.arena.len(value)),
            Value::Dict(_) => write!(to, "<dict of {}>", self.arena.len(value)),
            Value::Set(_) => write!(to, "<set of {}>", self.arena.len(value)),
            Value::Foreign => write!(to, "<something from elsewhere>"),
            Value::Tuple(_) | Value::Object(_) if depth == 0 => write!(to, "…"),
            Value::Tuple(_) => {
                to.push('(');
                for (at, &element) in self.arena.tuple(value).iter().enumerate() {
                    to.push_str(if at > 0 { ", " } else { "" });
                    if at == 8 {
                        to.push('…');
                        break;
                    }
                    self.write(element, depth - 1, to);
                }
                to.push_str(if self.arena.len(value) == 1 { ",)" } else { ")" });
                Ok(())
            }
            Value::Object(_) => match self.arena.object(value).copied() {
                Some(object) => {
                    match object.callee {
                        Some(id) => self.write(Value::Global(id), depth, to),
                        None if matches!(object.args, Value::None) => {
                            to.push_str("<a name that is computed>");
                            return;
                        }
                        None => to.push_str("<what a call gave>"),
                    }
                    match object.args {
                        Value::Tuple(_) => self.write(object.args, depth - 1, to),
                        _ => to.push_str("(…)"),
                    }
                    Ok(())
                }
                None => Ok(()),
            },
        };
    }

    pub(super) fn traced(&mut self) {
        let top = self.stack.last().map(|&top| self.describe(top));
        let height = self.stack.len();
        if let Some(trace) = &mut self.trace {
            trace.done(height, top.as_deref());
        }
    }
}

/// The first letters of a name, which may be longer than anybody reads.
fn short(name: &str) -> &str {
    const MOST: usize = 200;
    name.char_indices().nth(MOST).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}
