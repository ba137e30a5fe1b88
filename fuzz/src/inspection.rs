//! Files of models.

use modelseal_core::{
    inspection::{FileInspection, PickleTier, Severity, Verdict},
    path::ModelPath,
};
use modelseal_inspect::{Globals, inspect, rule, trace};
use std::io::Write;

/// A pickle is judged alike whether it can be read at any place or comes out of a decoder, and what is dangerous is not
/// called anything less.
pub fn inspect_pickle(data: &[u8]) {
    let found = look("model.pkl", data);
    let mut text = String::new();
    trace(&data.to_vec(), Globals::shipped(), &mut text, 10_000).expect("bytes in memory can be read");
    assert!(text.lines().count() <= 10_000);
    if found.contents.pickle_tier() == PickleTier::Dangerous {
        assert_eq!(found.verdict(), Verdict::Malicious);
    }
    // Only an opcode at the start makes it a pickle whatever follows; other marks are other formats.
    if data.starts_with(&[0x80]) && found.contents.members == 0 {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(data).expect("memory can be written");
        let packed = look("model.pkl.gz", &packed.finish().expect("memory can be written"));
        assert_eq!(packed.verdict() == Verdict::Malicious, found.verdict() == Verdict::Malicious);
        assert_eq!(packed.contents.globals, found.contents.globals);
    }
}

/// Any file under any name, which is the first line.
pub fn inspect_file(data: &[u8]) {
    let (name, data) = match data.iter().position(|&byte| byte == b'\n') {
        Some(end) if end < 32 => (&data[..end], &data[end + 1..]),
        _ => (&b"model.bin"[..], data),
    };
    let name = String::from_utf8_lossy(name);
    look(if ModelPath::parse(&name).is_ok() { &name } else { "model.bin" }, data);
}

/// Core ML.
pub fn inspect_coreml(data: &[u8]) {
    look("model.mlmodel", data);
}

/// ONNX: a model is the same one in a file of another name, as long as its shape is still told.
pub fn inspect_onnx(data: &[u8]) {
    let found = look("model.onnx", data);
    let renamed = look("model", data);
    if renamed.format == found.format {
        assert_eq!(renamed.verdict(), found.verdict());
        assert_eq!(renamed.contents, found.contents);
    }
}

/// PaddlePaddle: programs and parameters.
pub fn inspect_paddle(data: &[u8]) {
    look("model.pdmodel", data);
    look("model.pdiparams", data);
}

/// TensorFlow: SavedModels, graphs, what Keras says of them, and indexes of checkpoints.
pub fn inspect_tensorflow(data: &[u8]) {
    look("saved_model.pb", data);
    look("keras_metadata.pb", data);
    look("graph.pb", data);
    look("variables.index", data);
    look("graph.pbtxt", data);
}

/// TensorFlow Lite and ExecuTorch, which are flatbuffers both.
pub fn inspect_tflite(data: &[u8]) {
    look("model.tflite", data);
    look("model.pte", data);
}

/// XML: descriptions for OpenVINO, PMML, and whatever else.
pub fn inspect_xml(data: &[u8]) {
    look("model.xml", data);
    look("model.pmml", data);
}

/// What holds of every inspection: it is the same every time, in order, and each finding has a rule.
fn look(name: &str, data: &[u8]) -> FileInspection {
    let path = ModelPath::parse(name).expect("a name");
    let look = || {
        inspect(&path, &data.to_vec(), Globals::shipped()).expect("bytes in memory can be read").into_inner()
    };
    let found = look();
    assert_eq!(look(), found);
    assert!(found.findings.is_sorted_by_key(|finding| finding.rule));
    for finding in &found.findings {
        let rule = rule(finding.rule).expect("a finding has a rule");
        assert!(finding.severity <= rule.severity && finding.count > 0);
        assert!(finding.severity == Severity::Note || found.verdict() > Verdict::Clean);
    }
    found
}
