//! Graphs made here, each with one thing wrong.

#![expect(clippy::cast_possible_truncation, reason = "what is made here is small")]

use crate::{
    protobuf::wire::build::{bytes, number, varint},
    testing::{clean, finds, look, mangle, rules_in},
};
use modelseal_core::inspection::{Capability, FileFormat, Verdict};

fn node(op: &str, more: &[u8]) -> Vec<u8> {
    bytes(1, [bytes(1, "n"), bytes(2, op), more.to_vec()].concat())
}

fn attribute(name: &str, value: &[u8]) -> Vec<u8> {
    bytes(5, [bytes(1, name), bytes(2, value)].concat())
}

fn function(name: &str, nodes: &[u8]) -> Vec<u8> {
    // The nodes of a function have another number than those of a graph.
    let mut nodes = nodes.to_vec();
    nodes[0] = 3 << 3 | 2;
    bytes(1, [bytes(1, bytes(1, name)), nodes].concat())
}

fn saved(graph: &[u8]) -> Vec<u8> {
    let info = bytes(1, [bytes(4, "serve"), bytes(5, "2.21.0")].concat());
    [number(1, 1), bytes(2, [info, bytes(2, graph)].concat())].concat()
}

fn good() -> Vec<u8> {
    let calls = attribute("f", &bytes(10, bytes(1, "save")));
    let library = bytes(2, function("save", &node("SaveV2", &[])));
    saved(&[node("Placeholder", &[]), node("StatefulPartitionedCall", &calls), library].concat())
}

#[test]
fn a_model_that_saves_itself_is_clean() {
    for name in ["saved_model.pb", "model.bin", "a"] {
        let found = clean(name, &good());
        assert_eq!(found.format, FileFormat::TensorflowGraph);
        assert_eq!(rules_in(&found), ["TFG011"]);
        assert!(found.contents.capabilities.contains(&Capability::Graph));
    }
    let graph = [node("Placeholder", &[]), node("MatMul", &[]), number(3, 5)].concat();
    assert_eq!(clean("frozen.pb", &graph).format, FileFormat::TensorflowGraph);
}

#[test]
fn no_mangled_model_panics_or_is_clean() {
    assert!(mangle("saved_model.pb", &good()).is_empty());
}

#[test]
fn operators_that_reach_out() {
    for op in ["ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "EagerPyFunc", "SaveDatasetV2", "RpcCall"]
    {
        finds("saved_model.pb", &saved(&node(op, &[])), "TFG002");
        // In a function, and one that has its name.
        let library = bytes(2, function("f", &node(op, &[])));
        finds("saved_model.pb", &saved(&[node("NoOp", &[]), library].concat()), "TFG002");
        let library = bytes(2, function(op, &node("NoOp", &[])));
        finds("saved_model.pb", &saved(&[node("NoOp", &[]), library].concat()), "TFG002");
        // As a function that is called by its name.
        let called = attribute("f", &bytes(10, bytes(1, op)));
        finds("saved_model.pb", &saved(&node("PartitionedCall", &called)), "TFG002");
    }
    for op in ["TFRecordDataset", "DebugIdentityV2", "TRTEngineOp", "DataServiceDatasetV4"] {
        finds("saved_model.pb", &saved(&node(op, &[])), "TFG003");
    }
    finds("saved_model.pb", &saved(&node("MyCompanysOp", &[])), "TFG004");
    let url = attribute("debug_urls", &bytes(1, bytes(2, "grpc://10.0.0.1:1")));
    finds("saved_model.pb", &saved(&node("CopyHost", &url)), "TFG010");
    let file = attribute("output_stream", &bytes(2, "file:///tmp/x"));
    finds("saved_model.pb", &saved(&node("PrintV2", &file)), "TFG010");
    clean("saved_model.pb", &saved(&node("PrintV2", &attribute("output_stream", &bytes(2, "stderr")))));
}

/// A node with inputs.
fn named(name: &str, op: &str, inputs: &[&str], more: &[u8]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| bytes(3, input)).collect();
    [bytes(1, name), bytes(2, op), inputs, more.to_vec()].concat()
}

fn text(value: &str) -> Vec<u8> {
    attribute("value", &bytes(8, [number(1, 7), bytes(2, []), bytes(8, value)].concat()))
}

fn graph(nodes: &[Vec<u8>]) -> Vec<u8> {
    nodes.iter().flat_map(|node| bytes(1, node)).collect()
}

#[test]
fn files_that_the_graph_names() {
    for (path, out) in [
        ("/root/.bashrc", true),
        ("../../x", true),
        ("gs://bucket/x", true),
        ("~/.ssh/id_rsa", true),
        ("variables/variables", false),
        ("_temp_a/part", false),
    ] {
        let of = |op: &str, inputs: &[&str]| {
            let nodes = [
                named("x", "Placeholder", &[], &[]),
                named("c", "Const", &[], &text(path)),
                named("i", "Identity", &["c:0"], &[]),
                named("j", "StringJoin", &["i", "x"], &[]),
                named("k", "StringJoin", &["x", "i"], &[]),
                named("r", op, inputs, &[]),
            ];
            look("saved_model.pb", &saved(&graph(&nodes)))
        };
        let verdict = |worst| if out { worst } else { Verdict::Clean };
        for op in ["Save", "SaveSlices", "SaveV2"] {
            assert_eq!(of(op, &["c", "x", "x"]).verdict(), verdict(Verdict::Malicious), "{op} {path}");
            assert_eq!(of(op, &["j", "x", "x"]).verdict(), verdict(Verdict::Malicious), "{op} {path}");
            // Nobody's choice is a way out.
            assert_eq!(of(op, &["x", "c", "c"]).verdict(), Verdict::Clean, "{op} {path}");
        }
        let joined = if path.contains("..") { Verdict::Malicious } else { Verdict::Clean };
        assert_eq!(of("SaveV2", &["k", "x"]).verdict(), joined, "{path}");
        assert_eq!(of("MergeV2Checkpoints", &["x", "i"]).verdict(), verdict(Verdict::Malicious));
        for op in ["Restore", "RestoreV2", "MergeV2Checkpoints"] {
            assert_eq!(of(op, &["i", "x"]).verdict(), verdict(Verdict::Suspicious), "{op} {path}");
        }
        let table = of("InitializeTableFromTextFileV2", &["x", "i"]);
        assert_eq!(table.verdict(), verdict(Verdict::Suspicious), "{path}");
        assert_eq!(rules_in(&table).contains(&"TFG014"), out);
        assert!(of("CacheDatasetV2", &["x", "c"]).contents.external.contains(path));
        let region = attribute("memory_region_name", &bytes(2, path));
        let constant = look("a.pb", &saved(&graph(&[named("r", "ImmutableConst", &[], &region)])));
        assert_eq!(constant.verdict(), verdict(Verdict::Suspicious), "{path}");
    }
    let region = attribute("memory_region_name", &bytes(2, "memmapped_package://w"));
    clean("a.pb", &saved(&graph(&[named("r", "ImmutableConst", &[], &region)])));
    let packed = bytes(8, [number(1, 7), bytes(2, []), bytes(4, "\x04/etc")].concat());
    let nodes = [named("c", "Const", &[], &attribute("value", &packed)), named("r", "SaveV2", &["c"], &[])];
    finds("saved_model.pb", &saved(&graph(&nodes)), "TFG002");
    let nodes = [
        named("c", "Const", &[], &text("L2V0Yw")),
        named("d", "DecodeBase64", &["c"], &[]),
        named("r", "SaveV2", &["d"], &[]),
    ];
    finds("saved_model.pb", &saved(&graph(&nodes)), "TFG015");
}

#[test]
fn files_that_a_function_is_told() {
    let argument = |name: &str| bytes(2, bytes(1, name));
    let of = |path: &str, op: &str, inputs: &[&str]| {
        let body = bytes(3, named("s", "SaveV2", &["prefix", "other"], &[]));
        let signature = bytes(1, [bytes(1, "save"), argument("other"), argument("prefix")].concat());
        let calls = attribute("f", &bytes(10, bytes(1, "save")));
        let nodes = [
            named("p", "Placeholder", &[], &[]),
            named("c", "Const", &[], &text(path)),
            named("r", op, inputs, &calls),
        ];
        let library = bytes(2, bytes(1, [signature, body].concat()));
        look("saved_model.pb", &saved(&[library, graph(&nodes)].concat())).verdict()
    };
    assert_eq!(of("/etc/x", "StatefulPartitionedCall", &["p", "c"]), Verdict::Malicious);
    assert_eq!(of("/etc/x", "StatefulPartitionedCall", &["c", "p"]), Verdict::Clean);
    assert_eq!(of("/etc/x", "If", &["p", "p", "c"]), Verdict::Malicious);
    assert_eq!(of("/etc/x", "save", &["p", "c"]), Verdict::Malicious);
    assert_eq!(of("/etc/x", "MapDataset", &["p", "p", "c"]), Verdict::Malicious);
    assert_eq!(of("part", "StatefulPartitionedCall", &["p", "c"]), Verdict::Clean);
    // A table of an asset: the loader says where it is.
    let nodes = [
        named("c", "Const", &[], &text("/home/maker/vocab.txt")),
        named("t", "InitializeTableFromTextFileV2", &["p", "c"], &[]),
    ];
    let asset = bytes(6, [bytes(1, bytes(1, "c:0")), bytes(2, "vocab.txt")].concat());
    let meta = [bytes(1, bytes(4, "serve")), bytes(2, graph(&nodes)), asset].concat();
    clean("saved_model.pb", &[number(1, 1), bytes(2, meta)].concat());
}

#[test]
fn constants_are_as_large_as_they_say() {
    let shape = |sizes: &[u64]| {
        bytes(2, sizes.iter().flat_map(|size| bytes(2, number(1, *size))).collect::<Vec<u8>>())
    };
    let of = |tensor: Vec<u8>| saved(&node("Const", &attribute("value", &bytes(8, tensor))));
    let float = number(1, 1);
    let found = clean("saved_model.pb", &of([float.clone(), shape(&[2, 2]), bytes(4, [0; 16])].concat()));
    assert_eq!(found.contents.parameters, 4);
    clean("saved_model.pb", &of([float.clone(), shape(&[9]), bytes(5, [0; 4])].concat()));
    finds("saved_model.pb", &of([float.clone(), shape(&[2, 2]), bytes(4, [0; 15])].concat()), "TFG006");
    finds(
        "saved_model.pb",
        &of([float.clone(), shape(&[1 << 40, 1 << 40]), bytes(4, [0; 4])].concat()),
        "TFG006",
    );
    finds("saved_model.pb", &of([float.clone(), shape(&[u64::MAX]), bytes(4, [0; 4])].concat()), "TFG006");
    finds("saved_model.pb", &of([float, shape(&[1 << 40]), bytes(5, [0; 4])].concat()), "TFG006");
}

#[test]
fn assets_are_in_the_model() {
    let asset = |name: &str| {
        let meta =
            [bytes(1, bytes(4, "serve")), bytes(2, node("NoOp", &[])), bytes(6, bytes(2, name))].concat();
        [number(1, 1), bytes(2, meta)].concat()
    };
    assert!(clean("saved_model.pb", &asset("vocab.txt")).contents.external.contains("assets/vocab.txt"));
    finds("saved_model.pb", &asset("../../etc/passwd"), "TFG005");
}

#[test]
fn what_is_no_model() {
    finds("saved_model.pb", b"\x0b\x0c", "TFG001");
    finds("saved_model.pb", &[good(), b"\x80\x04\x8c\x02os".to_vec()].concat(), "TFG001");
    finds("saved_model.pb", &saved(&[node("NoOp", &[]), bytes(77, "x")].concat()), "TFG009");
    let mut deep = bytes(1, "f");
    for _ in 0..110 {
        deep = [bytes(1, "f"), bytes(2, [bytes(1, "a"), bytes(2, bytes(10, deep))].concat())].concat();
    }
    finds("saved_model.pb", &saved(&node("NoOp", &attribute("f", &bytes(10, deep)))), "LIM041");
}

fn layer(json: &str) -> Vec<u8> {
    let node = [number(2, 1), bytes(3, "root.layer-0"), bytes(4, "_tf_keras_layer"), bytes(5, json)].concat();
    bytes(1, node)
}

#[test]
fn layers_of_keras() {
    let dense = r#"{"class_name": "Dense", "config": {"name": "d"}, "module": "keras.layers"}"#;
    assert_eq!(clean("keras_metadata.pb", &layer(dense)).format, FileFormat::KerasMetadata);
    assert_eq!(clean("renamed.bin", &layer(dense)).format, FileFormat::KerasMetadata);
    let lambda = r#"{"config": {"layers": [{"class_name": "Lambda", "config": {"name": "l"}}]}}"#;
    finds("keras_metadata.pb", &layer(lambda), "KER004");
    finds("keras_metadata.pb", &layer(r#"{"class_name": "D", "module": "os"}"#), "KER001");
    // Marshalled code that names `os` and `system`.
    let code = r#"{"class_name": "Lambda", "config": {"name": "l", "function":
        ["4wEAAAAAAAAAAAAAAAIAAAADAAAA8wwAAADaAm9z2gZzeXN0ZW3aBHRydWU=", null, null]}}"#;
    finds("keras_metadata.pb", &layer(code), "KER005");
    finds("keras_metadata.pb", &layer("[1]"), "TFG008");
    assert_eq!(look("keras_metadata.pb", &layer("{")).verdict(), Verdict::Malformed);
    // A class of its maker's, for which the graph stands in.
    clean("keras_metadata.pb", &layer(r#"{"class_name": "MyModel", "config": {"name": "m"}}"#));
    // As Keras writes shapes and types.
    let dense = r#"{"name": "d", "class_name": "Dense", "config": {"name": "d", "units": 3}, "shared_object_id": 1,
        "input_spec": {"class_name": "InputSpec", "config": {"dtype": null, "axes": {"-1": 4}}},
        "build_input_shape": {"class_name": "TensorShape", "items": [null, 4]}, "save_spec": {"class_name": "TypeSpec",
        "type_spec": "tf.TensorSpec", "serialized": [{"class_name": "TensorShape", "items": [null, 4]}, "float32", "x"]}}"#;
    clean("keras_metadata.pb", &layer(dense));
    // In the objects of the model itself.
    let object = bytes(1, bytes(4, [bytes(1, "_tf_keras_layer"), bytes(3, lambda)].concat()));
    let meta = [bytes(1, bytes(4, "serve")), bytes(2, node("NoOp", &[])), bytes(7, object)].concat();
    finds("saved_model.pb", &[number(1, 1), bytes(2, meta)].concat(), "KER004");
}

/// A table of one block with these keys, and an index of it.
fn table(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let block = |entries: &[(&str, Vec<u8>)]| {
        let mut block = Vec::new();
        for (key, value) in entries {
            block.extend([0, key.len() as u8, value.len() as u8]);
            block.extend(key.as_bytes());
            block.extend(value);
        }
        block.extend([0, 0, 0, 0, 1, 0, 0, 0]);
        block
    };
    let mut file = block(entries);
    let len = file.len();
    file.extend([0; 5]);
    let index = block(&[("z", [varint(0), varint(len as u64)].concat())]);
    let start = file.len();
    file.extend(&index);
    file.extend([0; 5]);
    let footer = file.len();
    file.extend([0, 0]);
    file.extend([varint(start as u64), varint(index.len() as u64)].concat());
    file.resize(footer + 40, 0);
    file.extend(0xdb47_7524_8b80_fb57_u64.to_le_bytes());
    file
}

#[test]
fn checkpoints() {
    let entry = |size| {
        let shape = [bytes(2, number(1, 2)), bytes(2, number(1, 3))].concat();
        [number(1, 1), bytes(2, shape), number(4, 8), number(5, size)].concat()
    };
    let good = table(&[("", number(1, 1)), ("v", entry(24))]);
    let found = clean("variables.index", &good);
    assert_eq!((found.format, found.contents.parameters), (FileFormat::TensorflowCheckpoint, 6));
    assert!(found.contents.external.contains("variables.data-00000-of-00001"));
    finds("variables.index", &table(&[("", number(1, 1)), ("v", entry(23))]), "TFC003");
    let mut compressed = good.clone();
    let trailer = compressed.len() - 48 - 5;
    // The block of the index is the last; its mark lies behind it.
    compressed[trailer] = 1;
    finds("variables.index", &compressed, "TFC002");
    let mut far = good.clone();
    let footer = far.len() - 48;
    far[footer + 2] = 0x7f;
    finds("variables.index", &far, "TFC001");
    mangle("variables.index", &good);
    let data = look("variables.data-00000-of-00001", &[0, 0, 0x80, 0x3f]);
    assert_eq!((data.verdict(), data.format), (Verdict::Clean, FileFormat::TensorflowCheckpoint));
    // The name does not make a pickle harmless.
    let pickle = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01a\x85R.";
    assert_eq!(look("variables.data-00000-of-00001", pickle).verdict(), Verdict::Malicious);
}
