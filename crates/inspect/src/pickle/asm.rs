//! Writes pickles for tests, opcode by opcode.

use super::opcode::*;

/// A pickle in the making.
#[derive(Clone, Default)]
pub(crate) struct Asm(pub(crate) Vec<u8>);

impl Asm {
    /// Begins with this protocol.
    pub(crate) fn protocol(version: u8) -> Self {
        Self(vec![PROTO, version])
    }

    /// Any opcode without an operand, or bytes as they are.
    pub(crate) fn op(mut self, code: u8) -> Self {
        self.0.push(code);
        self
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let len = u8::try_from(text.len()).expect("a short text");
        self.op(SHORT_BINUNICODE).op(len).raw(text.as_bytes())
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let len = u32::try_from(bytes.len()).expect("some bytes");
        self.op(BINBYTES).raw(&len.to_le_bytes()).raw(bytes)
    }

    pub(crate) fn int(self, int: i32) -> Self {
        self.op(BININT).raw(&int.to_le_bytes())
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.op(GLOBAL).raw(format!("{module}\n{name}\n").as_bytes())
    }

    pub(crate) fn stack_global(self, module: &str, name: &str) -> Self {
        self.text(module).text(name).op(STACK_GLOBAL)
    }

    /// `REDUCE` of a global with one text as its argument.
    pub(crate) fn call(self, module: &str, name: &str, argument: &str) -> Self {
        self.global(module, name).text(argument).op(TUPLE1).op(REDUCE)
    }

    /// An entry for the dictionary below: a text and what `value` adds.
    pub(crate) fn entry(self, key: &str, value: impl FnOnce(Self) -> Self) -> Self {
        value(self.text(key)).op(SETITEM)
    }

    pub(crate) fn stop(self) -> Vec<u8> {
        self.op(STOP).0
    }
}
