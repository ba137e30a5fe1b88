//! The opcodes of pickle protocols 0 to 5, as `pickletools` of Python names them.

/// One opcode.
#[derive(Debug)]
pub(super) struct Opcode {
    pub(super) code: u8,
    pub(super) name: &'static str,
}

/// The opcode of this byte.
pub(super) fn opcode(code: u8) -> Option<&'static Opcode> {
    OPCODES.binary_search_by_key(&code, |opcode| opcode.code).ok().map(|at| &OPCODES[at])
}

const fn op(code: u8, name: &'static str) -> Opcode {
    Opcode { code, name }
}

pub(super) const MARK: u8 = b'(';
pub(super) const EMPTY_TUPLE: u8 = b')';
pub(super) const STOP: u8 = b'.';
pub(super) const POP: u8 = b'0';
pub(super) const POP_MARK: u8 = b'1';
pub(super) const DUP: u8 = b'2';
pub(super) const BINBYTES: u8 = b'B';
pub(super) const SHORT_BINBYTES: u8 = b'C';
pub(super) const FLOAT: u8 = b'F';
pub(super) const BINFLOAT: u8 = b'G';
pub(super) const INT: u8 = b'I';
pub(super) const BININT: u8 = b'J';
pub(super) const BININT1: u8 = b'K';
pub(super) const LONG: u8 = b'L';
pub(super) const BININT2: u8 = b'M';
pub(super) const NONE: u8 = b'N';
pub(super) const PERSID: u8 = b'P';
pub(super) const BINPERSID: u8 = b'Q';
pub(super) const REDUCE: u8 = b'R';
pub(super) const STRING: u8 = b'S';
pub(super) const BINSTRING: u8 = b'T';
pub(super) const SHORT_BINSTRING: u8 = b'U';
pub(super) const UNICODE: u8 = b'V';
pub(super) const BINUNICODE: u8 = b'X';
pub(super) const EMPTY_LIST: u8 = b']';
pub(super) const APPEND: u8 = b'a';
pub(super) const BUILD: u8 = b'b';
pub(super) const GLOBAL: u8 = b'c';
pub(super) const DICT: u8 = b'd';
pub(super) const APPENDS: u8 = b'e';
pub(super) const GET: u8 = b'g';
pub(super) const BINGET: u8 = b'h';
pub(super) const INST: u8 = b'i';
pub(super) const LONG_BINGET: u8 = b'j';
pub(super) const LIST: u8 = b'l';
pub(super) const OBJ: u8 = b'o';
pub(super) const PUT: u8 = b'p';
pub(super) const BINPUT: u8 = b'q';
pub(super) const LONG_BINPUT: u8 = b'r';
pub(super) const SETITEM: u8 = b's';
pub(super) const TUPLE: u8 = b't';
pub(super) const SETITEMS: u8 = b'u';
pub(super) const EMPTY_DICT: u8 = b'}';
pub(super) const PROTO: u8 = 0x80;
pub(super) const NEWOBJ: u8 = 0x81;
pub(super) const EXT1: u8 = 0x82;
pub(super) const EXT2: u8 = 0x83;
pub(super) const EXT4: u8 = 0x84;
pub(super) const TUPLE1: u8 = 0x85;
pub(super) const TUPLE2: u8 = 0x86;
pub(super) const TUPLE3: u8 = 0x87;
pub(super) const NEWTRUE: u8 = 0x88;
pub(super) const NEWFALSE: u8 = 0x89;
pub(super) const LONG1: u8 = 0x8a;
pub(super) const LONG4: u8 = 0x8b;
pub(super) const SHORT_BINUNICODE: u8 = 0x8c;
pub(super) const BINUNICODE8: u8 = 0x8d;
pub(super) const BINBYTES8: u8 = 0x8e;
pub(super) const EMPTY_SET: u8 = 0x8f;
pub(super) const ADDITEMS: u8 = 0x90;
pub(super) const FROZENSET: u8 = 0x91;
pub(super) const NEWOBJ_EX: u8 = 0x92;
pub(super) const STACK_GLOBAL: u8 = 0x93;
pub(super) const MEMOIZE: u8 = 0x94;
pub(super) const FRAME: u8 = 0x95;
pub(super) const BYTEARRAY8: u8 = 0x96;
pub(super) const NEXT_BUFFER: u8 = 0x97;
pub(super) const READONLY_BUFFER: u8 = 0x98;

/// All of them, by their byte.
pub(super) static OPCODES: [Opcode; 68] = [
    op(MARK, "MARK"),
    op(EMPTY_TUPLE, "EMPTY_TUPLE"),
    op(STOP, "STOP"),
    op(POP, "POP"),
    op(POP_MARK, "POP_MARK"),
    op(DUP, "DUP"),
    op(BINBYTES, "BINBYTES"),
    op(SHORT_BINBYTES, "SHORT_BINBYTES"),
    op(FLOAT, "FLOAT"),
    op(BINFLOAT, "BINFLOAT"),
    op(INT, "INT"),
    op(BININT, "BININT"),
    op(BININT1, "BININT1"),
    op(LONG, "LONG"),
    op(BININT2, "BININT2"),
    op(NONE, "NONE"),
    op(PERSID, "PERSID"),
    op(BINPERSID, "BINPERSID"),
    op(REDUCE, "REDUCE"),
    op(STRING, "STRING"),
    op(BINSTRING, "BINSTRING"),
    op(SHORT_BINSTRING, "SHORT_BINSTRING"),
    op(UNICODE, "UNICODE"),
    op(BINUNICODE, "BINUNICODE"),
    op(EMPTY_LIST, "EMPTY_LIST"),
    op(APPEND, "APPEND"),
    op(BUILD, "BUILD"),
    op(GLOBAL, "GLOBAL"),
    op(DICT, "DICT"),
    op(APPENDS, "APPENDS"),
    op(GET, "GET"),
    op(BINGET, "BINGET"),
    op(INST, "INST"),
    op(LONG_BINGET, "LONG_BINGET"),
    op(LIST, "LIST"),
    op(OBJ, "OBJ"),
    op(PUT, "PUT"),
    op(BINPUT, "BINPUT"),
    op(LONG_BINPUT, "LONG_BINPUT"),
    op(SETITEM, "SETITEM"),
    op(TUPLE, "TUPLE"),
    op(SETITEMS, "SETITEMS"),
    op(EMPTY_DICT, "EMPTY_DICT"),
    op(PROTO, "PROTO"),
    op(NEWOBJ, "NEWOBJ"),
    op(EXT1, "EXT1"),
    op(EXT2, "EXT2"),
    op(EXT4, "EXT4"),
    op(TUPLE1, "TUPLE1"),
    op(TUPLE2, "TUPLE2"),
    op(TUPLE3, "TUPLE3"),
    op(NEWTRUE, "NEWTRUE"),
    op(NEWFALSE, "NEWFALSE"),
    op(LONG1, "LONG1"),
    op(LONG4, "LONG4"),
    op(SHORT_BINUNICODE, "SHORT_BINUNICODE"),
    op(BINUNICODE8, "BINUNICODE8"),
    op(BINBYTES8, "BINBYTES8"),
    op(EMPTY_SET, "EMPTY_SET"),
    op(ADDITEMS, "ADDITEMS"),
    op(FROZENSET, "FROZENSET"),
    op(NEWOBJ_EX, "NEWOBJ_EX"),
    op(STACK_GLOBAL, "STACK_GLOBAL"),
    op(MEMOIZE, "MEMOIZE"),
    op(FRAME, "FRAME"),
    op(BYTEARRAY8, "BYTEARRAY8"),
    op(NEXT_BUFFER, "NEXT_BUFFER"),
    op(READONLY_BUFFER, "READONLY_BUFFER"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        assert!(OPCODES.is_sorted_by(|a, b| a.code < b.code));
        for opcode in &OPCODES {
            assert_eq!(super::opcode(opcode.code).map(|found| found.name), Some(opcode.name));
        }
        assert!(opcode(0).is_none() && opcode(0xff).is_none());
    }
}
