//! Each family of opcodes, each rule, and each bound. The pickles are written by `Asm`; nothing here is ever loaded.

use super::{asm::Asm, opcode::*, *};
use crate::bytes::Bytes;
use modelseal_core::inspection::{FileInspection, RuleId, Verdict};

mod advisories;
mod behind;
mod bounds;
mod containers;

/// The inspection of a file that is a pickle.
pub(super) fn look(bytes: &[u8]) -> FileInspection {
    named("model.pkl", bytes)
}

pub(super) fn named(name: &str, bytes: &[u8]) -> FileInspection {
    let path = ModelPath::parse(name).expect("a name");
    let bytes: Vec<u8> = bytes.to_vec();
    crate::inspect(&path, &bytes as &dyn Bytes, Globals::shipped()).expect("it can be read").into_inner()
}

/// The rules that found something, worse than a note.
pub(super) fn rules_of(found: &FileInspection) -> Vec<&'static str> {
    let mut rules: Vec<RuleId> = found
        .findings
        .iter()
        .filter(|finding| finding.severity > Severity::Note)
        .map(|finding| finding.rule)
        .collect();
    rules.dedup();
    rules.iter().map(|&rule| crate::rule::find(rule).expect("a rule of the table").name).collect()
}

#[track_caller]
pub(super) fn clean(bytes: &[u8], tier: PickleTier) {
    let found = look(bytes);
    assert_eq!(rules_of(&found), [""; 0], "{:?}", found.findings);
    assert_eq!(found.contents.pickle_tier(), tier);
}

#[track_caller]
pub(super) fn finds(bytes: &[u8], rules: &[&str]) -> FileInspection {
    let found = look(bytes);
    let messages: Vec<&str> = found.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(rules_of(&found), rules, "{messages:.200?}");
    found
}

fn p2() -> Asm {
    Asm::protocol(2)
}

fn p4() -> Asm {
    Asm::protocol(4)
}

#[test]
fn numbers_of_every_kind_are_data() {
    let numbers = Asm::default()
        .op(MARK)
        .raw(b"I01\nI-12\nL7L\nL99999999999999999999L\nF1.5\n")
        .op(BININT1)
        .op(7)
        .op(BININT2)
        .raw(&[1, 2])
        .int(-5)
        .op(BINFLOAT)
        .raw(&[0; 8])
        .raw(&[LONG1, 2, 0xff, 0xff, LONG4, 1, 0, 0, 0, 9])
        .op(NEWTRUE)
        .op(NEWFALSE)
        .op(NONE)
        .op(LIST)
        .stop();
    clean(&numbers, PickleTier::Data);
    let tail = b"0cos\nsystem\n(S'id'\ntR.";
    for number in ["I0x10", "I0o17", "I0b1", "I-0x5", "L0x10L", "I1_0", "I 7 ", "F1_0", "Finf", "I017"] {
        let found =
            finds(&[number.as_bytes(), b"\n", tail].concat(), &["dangerous-global", "dangerous-call"]);
        assert_eq!(found.verdict(), Verdict::Malicious, "{number}");
    }
    let long = [b"F0.".as_slice(), &[b'0'; 40_000], b"1\n", tail].concat();
    finds(&long, &["dangerous-global", "dangerous-call"]);
    // What is behind a number that is none is told of as well.
    for number in ["Ix", "Lx", "Fx", "Sx"] {
        let found = look(&[number.as_bytes(), b"\n", tail].concat());
        assert_eq!(found.verdict(), Verdict::Malicious, "{number}: {:?}", found.findings);
    }
    for broken in ["Ix\n.", "L1x\n.", "Fx\n.", "I1_\n."] {
        finds(broken.as_bytes(), &["broken-pickle"]);
    }
}

#[test]
fn text_and_bytes_of_every_kind_are_data() {
    let texts = p4()
        .op(MARK)
        .raw(b"S'a\\x41'\nVb\\u0042\n")
        .raw(&[SHORT_BINSTRING, 1, b'c', BINSTRING, 1, 0, 0, 0, 0xff])
        .text("d")
        .raw(&[BINUNICODE, 1, 0, 0, 0, b'e', BINUNICODE8, 1, 0, 0, 0, 0, 0, 0, 0, b'f'])
        .raw(&[SHORT_BINBYTES, 1, 0, BINBYTES8, 1, 0, 0, 0, 0, 0, 0, 0, 0])
        .bytes(b"g")
        .raw(&[BYTEARRAY8, 0, 0, 0, 0, 0, 0, 0, 0])
        .op(TUPLE)
        .stop();
    clean(&texts, PickleTier::Data);
    finds(&p4().raw(&[SHORT_BINUNICODE, 2, 0xff, 0xff]).stop(), &["invalid-text"]);
    finds(&p4().raw(&[BINSTRING, 0xff, 0xff, 0xff, 0xff]).stop(), &["broken-pickle"]);
    finds(b"S'a\n.", &["broken-pickle"]);
}

#[test]
fn containers_are_data() {
    let data = p4()
        .op(EMPTY_DICT)
        .op(MEMOIZE)
        .op(MARK)
        .text("list")
        .op(EMPTY_LIST)
        .int(1)
        .op(APPEND)
        .op(MARK)
        .int(2)
        .int(3)
        .op(APPENDS)
        .text("set")
        .op(EMPTY_SET)
        .op(MARK)
        .int(1)
        .op(ADDITEMS)
        .text("frozen")
        .op(MARK)
        .int(1)
        .op(FROZENSET)
        .text("tuples")
        .op(EMPTY_TUPLE)
        .op(TUPLE1)
        .op(DUP)
        .op(TUPLE2)
        .int(1)
        .int(2)
        .op(TUPLE3)
        .op(SETITEMS)
        .stop();
    clean(&data, PickleTier::Data);
    clean(&Asm::default().op(MARK).raw(b"Va\nI1\n").op(DICT).stop(), PickleTier::Data);
    finds(&p4().op(EMPTY_DICT).op(MARK).int(1).op(SETITEMS).stop(), &["wrong-type"]);
    finds(&p4().int(1).int(2).op(APPEND).stop(), &["wrong-type"]);
}

#[test]
fn the_stack_and_its_marks_are_those_of_python() {
    clean(&p4().op(MARK).op(POP).op(NONE).stop(), PickleTier::Data);
    clean(&p4().op(MARK).int(1).op(POP_MARK).op(NONE).stop(), PickleTier::Data);
    // A value below the mark is out of reach.
    for code in [DUP, APPEND, STOP, TUPLE1, BUILD, REDUCE, STACK_GLOBAL, MEMOIZE] {
        finds(&p4().int(1).op(MARK).op(code).stop(), &["broken-pickle"]);
    }
    for code in [TUPLE, LIST, DICT, APPENDS, SETITEMS, ADDITEMS, FROZENSET, POP_MARK, OBJ] {
        finds(&p4().int(1).op(code).stop(), &["broken-pickle"]);
    }
}

#[test]
fn the_memo_gives_what_was_last_put() {
    // The same places by text, by byte and by four bytes.
    let names = |put: Asm| put.op(STACK_GLOBAL).stop();
    let text = p4().text("os").raw(b"p7\n0").text("system").raw(b"p8\n0g7\ng8\n");
    let byte =
        p4().text("os").raw(&[BINPUT, 7, POP]).text("system").raw(&[BINPUT, 8, POP, BINGET, 7, BINGET, 8]);
    let long = p4().text("os").raw(&[LONG_BINPUT, 0, 0, 0, 0xff, POP]).text("system").raw(&[
        MEMOIZE,
        POP,
        LONG_BINGET,
        0,
        0,
        0,
        0xff,
        BINGET,
        1,
    ]);
    for asm in [text, byte, long] {
        finds(&names(asm), &["dangerous-global"]);
    }
    let overwritten = p4()
        .text("collections")
        .raw(&[BINPUT, 0, POP])
        .text("os")
        .raw(&[BINPUT, 0, POP])
        .raw(&[BINGET, 0])
        .text("system")
        .op(STACK_GLOBAL)
        .stop();
    finds(&overwritten, &["dangerous-global"]);
    finds(&p4().raw(&[BINGET, 3]).stop(), &["broken-pickle"]);
    finds(b"g-1\n.", &["broken-pickle"]);
}

#[test]
fn every_way_to_name_and_call_is_judged() {
    let dangerous = &["dangerous-global", "dangerous-call"];
    finds(&p2().call("os", "system", "true").stop(), dangerous);
    finds(&p4().stack_global("os", "system").text("true").op(TUPLE1).op(REDUCE).stop(), dangerous);
    finds(&Asm::default().op(MARK).raw(b"Vtrue\n").raw(b"ios\nsystem\n").stop(), dangerous);
    finds(
        &p4().op(MARK).stack_global("os", "system").text("true").op(OBJ).op(POP).op(NONE).stop(),
        dangerous,
    );
    let newobj = p4().stack_global("os", "popen").text("true").op(TUPLE1);
    finds(&newobj.clone().op(NEWOBJ).stop(), dangerous);
    finds(&newobj.op(EMPTY_DICT).op(NEWOBJ_EX).stop(), dangerous);
    // Not called is dangerous, too.
    let found = finds(&p2().global("os", "system").stop(), &["dangerous-global"]);
    assert_eq!(found.verdict(), Verdict::Malicious);
    assert_eq!(found.findings[0].place.offset, Some(2));
    assert_eq!(found.contents.pickle_tier(), PickleTier::Dangerous);
    // And what nobody knows is suspicious.
    let unknown = finds(&p2().call("my_project", "make", "x").stop(), &["unknown-global", "unknown-call"]);
    assert_eq!(
        (unknown.verdict(), unknown.contents.pickle_tier()),
        (Verdict::Suspicious, PickleTier::Unknown)
    );
}

#[test]
fn names_must_be_text_that_stands_in_the_pickle() {
    let joined =
        p4().stack_global("builtins", "str").text("os").op(TUPLE1).op(REDUCE).text("system").op(STACK_GLOBAL);
    finds(&joined.stop(), &["computed-name"]);
    let computed = p4().stack_global("builtins", "str").op(EMPTY_TUPLE).op(REDUCE).op(EMPTY_TUPLE).op(REDUCE);
    finds(&computed.stop(), &["computed-call"]);
    finds(&p4().bytes(b"os").text("system").op(STACK_GLOBAL).stop(), &["wrong-type"]);
    finds(&p4().int(1).op(EMPTY_TUPLE).op(REDUCE).stop(), &["wrong-type"]);
}

#[test]
fn escapes_do_not_hide_names() {
    finds(&p4().raw(b"Vo\\u0073\nVsystem\n\x93.").0, &["dangerous-global"]);
    finds(&p4().raw(b"S'\\x6f\\163'\nS'system'\n\x93.").0, &["dangerous-global"]);
}

#[test]
fn state_is_for_instances_only() {
    let instance = p2().global("argparse", "Namespace").op(EMPTY_TUPLE).op(NEWOBJ);
    let state = |asm: Asm, key: &str| asm.op(EMPTY_DICT).entry(key, |asm| asm.int(1)).op(BUILD).stop();
    clean(&state(instance.clone(), "lr"), PickleTier::Framework);
    finds(&state(instance.clone(), "__setstate__"), &["protocol-in-state"]);
    let slots = instance.op(NONE).op(EMPTY_DICT).entry("__class__", |asm| asm.int(1)).op(TUPLE2).op(BUILD);
    finds(&slots.stop(), &["protocol-in-state"]);
    finds(&state(p2().global("collections", "OrderedDict"), "update"), &["global-changed"]);
    finds(&state(p2().int(1), "x"), &["wrong-type"]);
    let entries = p2().global("collections", "OrderedDict").text("k").int(1).op(SETITEM);
    finds(&entries.stop(), &["global-changed"]);
    let elements = p2().global("collections", "deque").int(1).op(APPEND);
    finds(&elements.stop(), &["global-changed"]);
}

#[test]
fn a_vocabulary_may_hold_any_word() {
    let words = p2()
        .global("argparse", "Namespace")
        .op(EMPTY_TUPLE)
        .op(NEWOBJ)
        .op(EMPTY_DICT)
        .entry("vocabulary", |asm| asm.op(EMPTY_DICT).entry("__init__", |asm| asm.int(7)))
        .op(BUILD)
        .stop();
    clean(&words, PickleTier::Framework);
}

#[test]
fn roles_are_kept() {
    let codec =
        |codec: &str| p2().global("_codecs", "encode").text("x").text(codec).op(TUPLE2).op(REDUCE).stop();
    clean(&codec("latin1"), PickleTier::WeightsOnly);
    finds(&codec("rot13"), &["unusual-codec"]);
    let factory = |asm: Asm| asm.op(TUPLE1).op(REDUCE).stop();
    let defaultdict = p2().global("collections", "defaultdict");
    clean(&factory(defaultdict.clone().global("builtins", "list")), PickleTier::Framework);
    finds(&factory(defaultdict.clone().global("torch._utils", "_rebuild_tensor")), &["unusual-use"]);
    let unknown = &["unknown-global"];
    finds(&factory(defaultdict.global("my", "f")), unknown);
    finds(&p2().call("torch", "float32", "x").stop(), &["unusual-use"]);
    finds(&p2().call("torch", "FloatStorage", "x").stop(), &["unusual-use"]);
    finds(&p2().call("numpy", "log1p", "x").stop(), &["unusual-use"]);
    clean(&p2().global("numpy", "log1p").stop(), PickleTier::Framework);
    // Made with arguments, a model class could open a file.
    finds(&p2().call("lightgbm.basic", "Booster", "/etc/passwd").stop(), &["unusual-use"]);
    let function =
        p2().global("collections", "Counter").global("torch._utils", "_rebuild_tensor").op(TUPLE1).op(REDUCE);
    finds(&function.stop(), &["function-as-argument"]);
}

#[test]
fn functions_that_call_their_argument_are_looked_through() {
    let rebuild = |function: &str, args: &dyn Fn(Asm) -> Asm| {
        let asm = p2().global("torch._tensor", "_rebuild_from_type_v2").op(MARK);
        let (module, name) = function.split_once(':').expect("a module and a name");
        args(asm.global(module, name).global("torch", "Tensor")).op(TUPLE).op(REDUCE).stop()
    };
    let args = |asm: Asm| asm.op(EMPTY_TUPLE).op(EMPTY_DICT);
    clean(&rebuild("torch._utils:_rebuild_tensor_v2", &args), PickleTier::WeightsOnly);
    finds(&rebuild("os:system", &args), &["dangerous-global", "dangerous-call"]);
    finds(&rebuild("_codecs:encode", &args), &["function-as-argument"]);
    let dunder = |asm: Asm| asm.op(EMPTY_TUPLE).op(EMPTY_DICT).entry("__setstate__", |asm| asm.int(1));
    finds(&rebuild("torch._utils:_rebuild_tensor_v2", &dunder), &["protocol-in-state"]);
}

#[test]
fn random_generators_are_made_of_random_generators() {
    let make = |module: &str, name: &str| {
        p4().stack_global("numpy.random._pickle", "__randomstate_ctor")
            .text("MT19937")
            .stack_global(module, name)
            .op(TUPLE2)
            .op(REDUCE)
            .stop()
    };
    clean(&make("numpy.random._pickle", "__bit_generator_ctor"), PickleTier::Framework);
    finds(&make("torch._utils", "_rebuild_tensor"), &["unusual-use"]);
}

#[test]
fn what_comes_from_elsewhere_is_suspicious() {
    finds(&p2().raw(&[EXT1, 9]).op(EMPTY_TUPLE).op(REDUCE).stop(), &["extension-code"]);
    finds(&p2().raw(&[EXT2, 9, 0]).stop(), &["extension-code"]);
    finds(&p2().raw(&[EXT4, 9, 0, 0, 0]).stop(), &["extension-code"]);
    finds(&p2().text("id").op(BINPERSID).stop(), &["persistent-id"]);
    finds(b"NPid\n.", &["persistent-id"]);
    finds(&Asm::protocol(5).op(NEXT_BUFFER).op(READONLY_BUFFER).stop(), &["out-of-band-buffer"]);
}

#[test]
fn pickles_in_data_are_seen() {
    let inner = p4().call("os", "system", "true").stop();
    finds(&p4().bytes(&inner).stop(), &["hidden-pickle"]);
    let harmless = p4().op(EMPTY_LIST).stop();
    clean(&p4().bytes(&harmless).stop(), PickleTier::Data);
    // And in those.
    finds(&p4().bytes(&p4().bytes(&inner).stop()).stop(), &["hidden-pickle"]);
    // echo gAJjb3MKc3lzdGVtCi4= | base64 -d
    finds(&p4().text("gAJjb3MKc3lzdGVtCi4=").stop(), &["hidden-pickle"]);
}

#[test]
fn every_pickle_of_a_stream_counts() {
    let first = p4().op(EMPTY_DICT).stop();
    let evil = p2().call("os", "system", "true").stop();
    let dangerous = ["dangerous-global", "dangerous-call"];
    finds(&[first.clone(), evil.clone()].concat(), &dangerous);
    finds(
        &[first.clone(), b"\0\0junk".to_vec(), evil.clone()].concat(),
        &[&dangerous[..], &["trailing-data"]].concat(),
    );
    // Of protocol 0, which has no mark.
    finds(&[first.clone(), b"cos\nsystem\n(Vtrue\ntR.".to_vec()].concat(), &dangerous);
    finds(&[first.clone(), vec![0; 512]].concat(), &["trailing-data"]);
    finds(&[first, b"\n".to_vec()].concat(), &[]);
}

#[test]
fn what_comes_before_an_error_stands_and_what_comes_after_is_looked_for() {
    let evil = p2().call("os", "system", "true");
    let with = |end: &[u8]| [evil.0.clone(), end.to_vec()].concat();
    for end in [&b""[..], b"\xff.", b"cx", b"h\xee.", b"000."] {
        finds(&with(end), &["dangerous-global", "dangerous-call", "broken-pickle"]);
    }
    let broken = p4().raw(&[0xff]).0;
    let found = look(&[broken, evil.stop()].concat());
    assert_eq!(found.verdict(), Verdict::Malicious);
}

#[test]
fn what_follows_a_wrong_length_is_looked_for_in_compressed_streams_too() {
    let evil = p2().call("os", "system", "true").stop();
    let pickle = [p4().raw(&[BINUNICODE, 0xff, 0xff, 0, 0]).0, evil].concat();
    assert_eq!(look(&pickle).verdict(), Verdict::Malicious);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &pickle).expect("memory can be written");
    let packed = packed.finish().expect("memory can be written");
    assert_eq!(named("model.pkl.gz", &packed).verdict(), Verdict::Malicious);
}

#[test]
fn frames_must_fit() {
    let framed = |len: u64| p4().op(FRAME).raw(&len.to_le_bytes()).op(EMPTY_DICT).op(MEMOIZE).stop();
    clean(&framed(3), PickleTier::Data);
    finds(&framed(30), &["wrong-frame"]);
    let straddle = p4().op(FRAME).raw(&1_u64.to_le_bytes()).text("abc").stop();
    finds(&straddle, &["wrong-frame"]);
    let nested =
        p4().op(FRAME).raw(&11_u64.to_le_bytes()).op(FRAME).raw(&1_u64.to_le_bytes()).op(NONE).stop();
    finds(&nested, &["wrong-frame"]);
}

#[test]
fn protocols_that_do_not_exist_are_refused() {
    finds(&Asm::protocol(6).op(NONE).stop(), &["unknown-protocol"]);
    finds(&p4().raw(&[PROTO, 6]).op(NONE).stop(), &["unknown-protocol"]);
}

#[test]
fn weights_only_is_what_pytorch_takes() {
    let dict = p2().global("collections", "OrderedDict").op(EMPTY_TUPLE).op(REDUCE);
    clean(&dict.clone().stop(), PickleTier::WeightsOnly);
    clean(&p4().stack_global("collections", "OrderedDict").stop(), PickleTier::Framework);
    clean(&dict.global("numpy", "ndarray").op(TUPLE2).stop(), PickleTier::Framework);
}

#[test]
fn a_trace_says_what_would_happen() {
    let path = ModelPath::parse("evil.pkl").expect("a good name");
    let mut text = String::new();
    let evil = p4().stack_global("os", "system").text("true\x1b[2J").op(TUPLE1).op(REDUCE).stop();
    crate::trace(&path, &evil, Globals::shipped(), &mut text, 100).expect("bytes can be read");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(lines[0], "pickle 1 of evil.pkl@0");
    assert!(
        lines.iter().any(|line| line.starts_with("14  STACK_GLOBAL") && line.ends_with("os.system")),
        "{text}"
    );
    assert!(
        lines.iter().any(|line| line.starts_with("! PKL002 malicious dangerous-call: os.system('true")),
        "{text}"
    );
    assert!(!text.contains('\x1b'));
    let mut short = String::new();
    crate::trace(&path, &evil, Globals::shipped(), &mut short, 3).expect("bytes can be read");
    assert_eq!(short.lines().count(), 3);
}

/// Lines of text that name two words, as labels do, and what only seems to be that.
#[test]
fn labels_are_text_and_payloads_are_not() {
    for labels in [
        "cat\ndog\n",
        "cat\ndog\nbird\ncow\n",
        "car\nbus\ncar.x\n",
        "config.json\nmodel.py\n",
        "image\nlabel\n",
    ] {
        let found = named("labels.txt", labels.as_bytes());
        assert_eq!(
            (found.verdict(), found.format),
            (Verdict::Clean, FileFormat::Text),
            "{:?}",
            found.findings
        );
        let archive = crate::zip::stored::archive(&[("labels.txt", labels.as_bytes())]);
        let found = named("a.zip", &archive);
        assert!(found.verdict() < Verdict::Suspicious, "{:?}", found.findings);
    }
    // Nothing promises text there, and importing runs code, too.
    for name in ["model.bin", "model.pt", "model", "model.pkl"] {
        assert!(named(name, b"cevil\nrun\n").verdict() >= Verdict::Suspicious, "{name}");
    }
    let long = [b"cevil\nrun\n(S'".as_slice(), &b"a".repeat(limits::HEAD), b"'\ntR."].concat();
    for payload in [
        &b"cos\nsystem\n(S'true'\ntR."[..],
        b"cos\nsystem\n(S'true'\ntR",
        b"cos\nsystem\n",
        b"(S'true'\nios\nsystem\n.",
        b"cevil\nrun\n.",
        b"cevil\nrun\n)R",
        b"cevil\nrun\n)\x81}b.",
        b"(ievil\nrun\n",
        &long,
    ] {
        for name in ["labels.txt", "README.md", "model.bin", "a/labels.txt"] {
            let found = named(name, payload);
            let worst = if payload.get(1..3) == Some(b"os") || payload.starts_with(b"(S") {
                Verdict::Malicious
            } else {
                Verdict::Suspicious
            };
            let shown = String::from_utf8_lossy(payload.get(..payload.len().min(40)).unwrap_or_default());
            assert!(found.verdict() >= worst, "{name}: {shown:?}: {:?}", found.findings);
        }
    }
}

#[test]
fn states_whose_names_are_computed_are_suspicious() {
    let object =
        || p4().stack_global("sklearn.linear_model._base", "LinearRegression").op(EMPTY_TUPLE).op(NEWOBJ);
    let key = |asm: Asm| {
        asm.stack_global("builtins", "str").bytes(b"__setstate__").text("ascii").op(TUPLE2).op(REDUCE)
    };
    clean(&object().op(EMPTY_DICT).entry("coef", |asm| asm.int(1)).op(BUILD).stop(), PickleTier::Framework);
    finds(&key(object().op(EMPTY_DICT)).int(1).op(SETITEM).op(BUILD).stop(), &["unusual-use"]);
    let ordered = |asm: Asm| asm.stack_global("collections", "OrderedDict").op(EMPTY_TUPLE).op(REDUCE);
    let made = |asm: Asm| ordered(asm).entry("__setstate__", |asm| asm.int(1));
    finds(&made(object()).op(BUILD).stop(), &["unusual-use"]);
    finds(&made(object().op(NONE)).op(TUPLE2).op(BUILD).stop(), &["unusual-use"]);
    let parameter = |state: fn(Asm) -> Asm| {
        let asm = p2().global("torch._utils", "_rebuild_parameter_with_state").op(MARK).int(1).op(NEWTRUE);
        state(ordered_of(asm)).op(TUPLE).op(REDUCE).stop()
    };
    fn ordered_of(asm: Asm) -> Asm {
        asm.global("collections", "OrderedDict").op(EMPTY_TUPLE).op(REDUCE)
    }
    clean(&parameter(|asm| asm.op(EMPTY_DICT).entry("tag", |asm| asm.int(1))), PickleTier::WeightsOnly);
    finds(&parameter(|asm| asm.op(EMPTY_DICT).entry("__class__", |asm| asm.int(1))), &["protocol-in-state"]);
    finds(&parameter(ordered_of), &["unusual-use"]);
}

#[test]
fn arguments_that_reach_out_or_are_too_large_are_found() {
    let call = |module: &str, name: &str, args: fn(Asm) -> Asm| {
        args(p2().global(module, name).op(MARK)).op(TUPLE).op(REDUCE).stop()
    };
    for (module, name) in [
        ("transformers.integrations.deepspeed", "HfDeepSpeedConfig"),
        ("accelerate.state", "PartialState"),
        ("transformers.training_args", "TrainingArguments"),
        ("accelerate.utils.dataclasses", "DeepSpeedPlugin"),
        ("pandas", "DatetimeTZDtype"),
        ("pandas.core.dtypes.dtypes", "DatetimeTZDtype"),
    ] {
        finds(&call(module, name, |asm| asm.text("a.json")), &["unusual-use"]);
        let made = p2().global(module, name).op(EMPTY_TUPLE).op(NEWOBJ).op(EMPTY_DICT).op(BUILD).stop();
        finds(&made, &[]);
    }
    finds(
        &call("collections", "defaultdict", |asm| asm.global("accelerate.state", "PartialState")),
        &["unusual-use"],
    );
    finds(&call("collections", "defaultdict", |asm| asm.global("__builtin__", "list")), &[]);
    for name in ["bytearray", "bytes", "range"] {
        finds(&call("builtins", name, |asm| asm.raw(b"L99999999999L\n")), &["pickle-expansion"]);
        finds(&call("builtins", name, |asm| asm.raw(b"L99999999999999999999999L\n")), &["pickle-expansion"]);
        finds(&call("builtins", name, |asm| asm.int(100)), &[]);
    }
    for name in ["str", "bytes", "bytearray"] {
        finds(&call("builtins", name, |asm| asm.text("x").text("rot13")), &["unusual-codec"]);
        finds(&call("builtins", name, |asm| asm.text("x").text("UTF-8")), &[]);
    }
}

#[test]
fn types_that_are_object_by_another_name_are_found() {
    let scalar = |dtype: fn(Asm) -> Asm| {
        let asm = p2().global("numpy.core.multiarray", "scalar").global("numpy", "dtype").op(MARK);
        dtype(asm).op(TUPLE).op(REDUCE).bytes(b"x").op(TUPLE2).op(REDUCE).stop()
    };
    let objects: [fn(Asm) -> Asm; 6] = [
        |asm| asm.text("O"),
        |asm| asm.text("f4,3O"),
        |asm| asm.text("(2,)O"),
        |asm| asm.text(">O8"),
        |asm| asm.global("collections", "OrderedDict"),
        |asm| asm.op(EMPTY_LIST),
    ];
    for dtype in objects {
        finds(&scalar(dtype), &["object-scalar"]);
    }
    let plain: [fn(Asm) -> Asm; 3] = [
        |asm| asm.text("<f8"),
        |asm| asm.global("__builtin__", "float"),
        |asm| asm.global("numpy", "float64"),
    ];
    for dtype in plain {
        finds(&scalar(dtype), &[]);
    }
}

#[test]
fn pickles_of_protocol_0_in_text_are_found_by_what_they_name() {
    for hidden in ["cos\nsystem\n(S'id'\ntR.", "(S'id'\nios\nsystem\n.", "(cos\nsystem\n"] {
        finds(&p4().text(hidden).stop(), &["hidden-pickle"]);
        finds(&p4().bytes(hidden.as_bytes()).stop(), &["hidden-pickle"]);
    }
    for text in ["copy\npaste\nit\n", "(a list\nof\nlines)\n", "cat\ndog\n", "cos\n"] {
        finds(&p4().text(text).stop(), &[]);
    }
}
