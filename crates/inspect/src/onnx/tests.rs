//! Models made here, each with one thing wrong.

use crate::{
    RuleSet, join,
    protobuf::wire::build::{bytes, number},
    testing::{clean, finds, look, mangle, rules_in},
};
use modelseal_core::{
    inspection::{Capability, FileFormat, Verdict},
    observed::Observed,
};

fn node(op: &str, domain: &str, more: &[u8]) -> Vec<u8> {
    bytes(1, [bytes(1, "x"), bytes(2, "y"), bytes(4, op), bytes(7, domain), more.to_vec()].concat())
}

fn model(graph: &[u8]) -> Vec<u8> {
    let graph = [graph, &bytes(2, "g")[..]].concat();
    [number(1, 10), bytes(2, "test"), bytes(7, graph), bytes(8, number(2, 17))].concat()
}

/// Four floats.
fn tensor(more: &[u8]) -> Vec<u8> {
    [number(1, 2), number(1, 2), number(2, 1), bytes(8, "w"), more.to_vec()].concat()
}

fn external(entries: &[(&str, &str)]) -> Vec<u8> {
    let entries: Vec<u8> = entries
        .iter()
        .flat_map(|(key, value)| bytes(13, [bytes(1, key), bytes(2, value)].concat()))
        .collect();
    model(&[node("MatMul", "", &[]), bytes(5, tensor(&[entries, number(14, 1)].concat()))].concat())
}

fn at(location: &str) -> Vec<u8> {
    external(&[("location", location), ("offset", "0"), ("length", "16")])
}

fn good() -> Vec<u8> {
    let subgraph = [node("Relu", "", &[]), bytes(2, "s")].concat();
    let branch = bytes(5, [bytes(1, "then_branch"), bytes(6, subgraph), number(20, 5)].concat());
    let weights = bytes(5, tensor(&bytes(9, [0; 16])));
    model(&[node("MatMul", "", &[]), node("If", "ai.onnx", &branch), weights].concat())
}

#[test]
fn a_good_model_is_clean_and_told_without_its_name() {
    for name in ["m.onnx", "model", "weights.bin"] {
        let found = clean(name, &good());
        assert_eq!(found.format, FileFormat::Onnx);
        assert_eq!((found.contents.tensors, found.contents.parameters), (1, 4));
        assert!(found.contents.capabilities.contains(&Capability::Graph));
    }
    assert_eq!(rules_in(&look("m.onnx", &good())), Vec::<&str>::new());
}

#[test]
fn no_mangled_model_panics_or_is_clean() {
    let good = good();
    // What ends between two fields of the outermost message lacks only the version of the operators.
    let ends: Vec<usize> = mangle("m.onnx", &good);
    assert!(ends.iter().all(|end| *end >= good.len() - bytes(8, number(2, 17)).len()), "{ends:?}");
}

#[test]
fn tensors_are_as_large_as_they_say() {
    let of = |tensor: Vec<u8>| model(&[node("MatMul", "", &[]), bytes(5, tensor)].concat());
    clean("m.onnx", &of(tensor(&bytes(4, [0; 16]))));
    clean("m.onnx", &of([number(1, 3), number(2, 7), bytes(7, [1, 2, 0x80, 1])].concat()));
    clean("m.onnx", &of([number(1, 3), number(2, 22), bytes(9, [0; 2])].concat()));
    clean("m.onnx", &of([number(1, 2), number(2, 8), bytes(6, "a"), bytes(6, "b")].concat()));
    clean("m.onnx", &of([bytes(1, [2, 2]), number(2, 1), bytes(9, [0; 16])].concat()));
    for wrong in [
        tensor(&bytes(9, [0; 15])),
        tensor(&bytes(9, [0; 20])),
        tensor(&bytes(4, [0; 12])),
        tensor(&[]),
        [number(1, 1 << 40), number(1, 1 << 40), number(2, 1), bytes(9, [0; 4])].concat(),
        [number(1, u64::MAX), number(2, 1), bytes(9, [0; 4])].concat(),
        [number(1, 1), number(2, 99), bytes(9, [0; 4])].concat(),
        [number(1, 2), number(2, 8), bytes(6, "a")].concat(),
    ] {
        finds("m.onnx", &of(wrong), "ONX002");
    }
}

#[test]
fn tensors_are_found_wherever_they_are() {
    let wrong = tensor(&bytes(9, [0; 15]));
    let inner = |graph: Vec<u8>| node("If", "", &bytes(5, [bytes(1, "b"), bytes(6, graph)].concat()));
    let attribute = node("Constant", "", &bytes(5, [bytes(1, "value"), bytes(5, &wrong)].concat()));
    finds("m.onnx", &model(&inner(inner(bytes(5, &wrong)))), "ONX002");
    finds("m.onnx", &model(&attribute), "ONX002");
    let sparse = [bytes(1, tensor(&bytes(9, [0; 16]))), bytes(2, &wrong), number(3, 8)].concat();
    finds("m.onnx", &model(&[node("Relu", "", &[]), bytes(15, sparse)].concat()), "ONX002");
    let training = bytes(20, bytes(1, bytes(5, &wrong)));
    finds("m.onnx", &[good(), training].concat(), "ONX002");
    let function = bytes(25, [bytes(1, "F"), bytes(10, "l"), bytes(7, &attribute[2..])].concat());
    finds("m.onnx", &[good(), function].concat(), "ONX002");
}

#[test]
fn files_beside_the_model_are_facts() {
    let found = clean("m.onnx", &at("weights/m.bin"));
    assert!(found.contents.external.contains("weights/m.bin"));
    assert!(found.contents.capabilities.contains(&Capability::ExternalFiles));
    for (key, value) in
        [("offset", "-1"), ("length", "4611686018427387904"), ("length", "a"), ("length", "12")]
    {
        finds("m.onnx", &external(&[("location", "w"), (key, value)]), "ONX004");
    }
    let far = [("location", "w"), ("offset", "9223372036854775807"), ("length", "16")];
    finds("m.onnx", &external(&far), "ONX004");
    finds("m.onnx", &external(&[("offset", "0")]), "ONX004");
    // The runtime's mark for its own memory would be read from there.
    finds("m.onnx", &at("*/_ORT_MEM_ADDR_/*"), "ONX003");
}

#[test]
fn cve_2022_25882_external_data_out_of_the_directory() {
    for location in
        ["../../../../etc/passwd", "/etc/passwd", "a/../../b", "C:\\w", "\\\\host\\w", "http://h/w"]
    {
        finds("m.onnx", &at(location), "ONX003");
    }
}

#[test]
fn cve_2024_27318_external_data_by_another_spelling() {
    for location in ["./../w", "a\\..\\..\\w", "w.bin\0.txt", "~/w", "..\\w", ".. /w"] {
        finds("m.onnx", &at(location), "ONX003");
    }
}

#[test]
fn cve_2024_5187_an_archive_of_a_model_that_leaves_its_directory() {
    let mut tar = header("../../model.onnx", b'0', "", good().len());
    tar.extend(good());
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    assert!(look("model.tar", &tar).verdict() >= Verdict::Suspicious);
}

#[test]
fn cve_2025_51480_saving_external_data_writes_where_the_model_says() {
    finds("m.onnx", &at("../../.bashrc"), "ONX003");
    // In an attribute's tensor as well.
    let entry = bytes(13, [bytes(1, "location"), bytes(2, "/tmp/x")].concat());
    let tensor = bytes(5, tensor(&[entry, number(14, 1)].concat()));
    finds("m.onnx", &model(&node("Constant", "", &bytes(5, [bytes(1, "value"), tensor].concat()))), "ONX003");
}

#[test]
fn cve_2026_34445_keys_of_external_data_become_attributes() {
    for key in ["__class__", "__dict__", "a.b"] {
        finds("m.onnx", &external(&[("location", "w"), ("length", "16"), (key, "x")]), "ONX005");
    }
    finds("m.onnx", &external(&[("location", "w"), ("length", "16"), ("hidden", "x")]), "ONX006");
    clean("m.onnx", &external(&[("location", "w"), ("length", "16"), ("checksum", "0")]));
}

#[test]
fn cve_2026_34446_34447_27489_links_to_external_data() {
    // The file alone names what it reads, so that whoever holds the directory can look for links.
    assert!(clean("m.onnx", &at("w.bin")).contents.external.contains("w.bin"));
    for kind in [b'1', b'2'] {
        let mut tar = header("w.bin", kind, "/etc/passwd", 0);
        tar.extend(header("m.onnx", b'0', "", at("w.bin").len()));
        tar.extend(at("w.bin"));
        tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
        assert!(look("model.tar", &tar).verdict() >= Verdict::Suspicious);
    }
}

#[test]
fn operators_that_no_runtime_has() {
    let of = |op, domain| model(&node(op, domain, &[]));
    finds("m.onnx", &of("PyOp", "pyopmulti_2"), "ONX007");
    finds("m.onnx", &of("PythonOp", "com.microsoft"), "ONX007");
    finds("m.onnx", &of("Foo", "com.evil"), "ONX008");
    finds("m.onnx", &of("PyCustomOpDef", "ai.onnx.contrib"), "ONX008");
    finds("m.onnx", &of("Foo", ""), "ONX009");
    finds("m.onnx", &of("Foo", "com.microsoft"), "ONX009");
    finds("m.onnx", &of("R\u{7}elu", "a"), "ONX014");
    clean("m.onnx", &of("FusedMatMul", "com.microsoft"));
    clean("m.onnx", &of("LinearClassifier", "ai.onnx.ml"));
    let found = look("m.onnx", &of("Foo", "com.evil"));
    assert!(found.contents.operators.contains("com.evil::Foo"));
    // Wherever it is.
    let hidden = node("Foo", "com.evil", &[]);
    let inner = node("If", "", &bytes(5, [bytes(1, "b"), bytes(6, &hidden)].concat()));
    finds("m.onnx", &model(&inner), "ONX008");
    finds("m.onnx", &[good(), bytes(20, bytes(2, &hidden))].concat(), "ONX008");
    let function = bytes(25, [bytes(1, "F"), bytes(7, &hidden[2..]), bytes(10, "l")].concat());
    finds("m.onnx", &[good(), function].concat(), "ONX008");
}

#[test]
fn a_compiled_part_is_no_graph() {
    let context = |text: &str| {
        node("EPContext", "com.microsoft", &bytes(5, [bytes(1, "ep_cache_context"), bytes(4, text)].concat()))
    };
    finds("m.onnx", &model(&context("engine.bin")), "ONX013");
    finds("m.onnx", &model(&context("../engine.bin")), "ONX003");
}

#[test]
fn functions_of_the_model_itself() {
    let function = |name: &str, calls: &str| {
        bytes(
            25,
            [bytes(1, name), bytes(7, [bytes(4, calls), bytes(7, "l")].concat()), bytes(10, "l")].concat(),
        )
    };
    let calls = model(&node("F", "l", &[]));
    let relu = bytes(25, [bytes(1, "F"), bytes(7, bytes(4, "Relu")), bytes(10, "l")].concat());
    clean("m.onnx", &[calls.clone(), relu].concat());
    finds("m.onnx", &[calls.clone(), function("F", "F")].concat(), "ONX012");
    finds("m.onnx", &[calls.clone(), function("F", "G"), function("G", "F")].concat(), "ONX012");
    finds("m.onnx", &[calls, function("F", "G")].concat(), "ONX008");
    // None may stand in for a standard operator.
    let taken = bytes(25, [bytes(1, "MatMul"), bytes(7, bytes(4, "Relu"))].concat());
    finds("m.onnx", &[good(), taken].concat(), "ONX009");
}

#[test]
fn templates_in_properties() {
    let with =
        |key: &str, value: &str| [good(), bytes(14, [bytes(1, key), bytes(2, value)].concat())].concat();
    finds("m.onnx", &with("chat_template", "{{ x.__class__ }}"), "JIN001");
    finds("m.onnx", &with("other", "{% set a = x.__class__ %}"), "JIN001");
    finds("m.onnx", &with("chat_template", &"x".repeat(300_000)), "LIM019");
    clean("m.onnx", &with("names", "{0: {'a': {}}}"));
    clean("m.onnx", &with("chat_template", "{{ messages[0].content }}"));
}

#[test]
fn what_is_no_model() {
    finds("m.onnx", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01garbage", "ONX001");
    finds("m.onnx", &[good(), b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.".to_vec()].concat(), "ONX001");
    finds("m.onnx", &[good(), bytes(99, "hidden")].concat(), "ONX010");
    finds("m.onnx", &[number(1, 10), bytes(2, "test")].concat(), "ONX011");
    finds("m.onnx", &[good(), bytes(7, bytes(2, "second"))].concat(), "ONX011");
    let mut deep = bytes(2, "g");
    for _ in 0..60 {
        deep = node("If", "", &bytes(5, [bytes(1, "b"), bytes(6, deep)].concat()));
    }
    finds("m.onnx", &model(&deep), "LIM041");
}

/// A tar header.
fn header(name: &str, kind: u8, link: &str, size: usize) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..107].copy_from_slice(b"0000644");
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[148..156].fill(b' ');
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

#[test]
fn external_data_is_known_by_its_model() {
    let entries = [("location", "m.onnx_data"), ("offset", "0"), ("length", "16")];
    let files = |data: &[u8]| {
        let files = [look("d/m.onnx", &external(&entries)), look("d/m.onnx_data", data)];
        let files = files.into_iter().map(Observed::measured_by_this_process).collect();
        join(files, Vec::new(), true, RuleSet::built_in()).into_inner()
    };
    let model = files(&[0xc1, 0xff, 0xff, 0xff, 0, 7, 9, 0xfe].repeat(2));
    assert_eq!(model.verdict(), Verdict::Clean, "{:?}", model.files);
    let formats: Vec<FileFormat> = model.files.iter().map(|file| file.format).collect();
    assert_eq!(formats, [FileFormat::Onnx, FileFormat::OnnxData]);
    assert_eq!(files(b"\x80\x04\x8c\x02os\x8c\x06system\x93.").verdict(), Verdict::Malicious);
}
