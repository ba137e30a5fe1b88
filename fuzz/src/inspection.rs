//! Files of models.

use modelseal_core::{
    inspection::{FileFormat, FileInspection, PickleTier, RuleId, Severity, Verdict},
    path::ModelPath,
};
use modelseal_inspect::{Globals, RuleSet, Standing, inspect, rule, trace};
use std::io::Write;

/// A pickle is judged alike whether it can be read at any place or comes out of a decoder, and what is dangerous is not
/// called anything less.
pub fn inspect_pickle(data: &[u8]) {
    let found = look("model.pkl", data);
    let mut text = String::new();
    let path = ModelPath::parse("model.pkl").expect("a name");
    trace(&path, &data.to_vec(), Globals::shipped(), &mut text, 10_000).expect("bytes in memory can be read");
    assert!(text.lines().count() <= 10_000);
    if found.contents.pickle_tier() == PickleTier::Dangerous {
        assert_eq!(found.verdict(), Verdict::Malicious);
    }
    // Only the mark of a protocol makes it a pickle whatever follows; other bytes may be other formats.
    if matches!(data, [0x80, 0..=5, ..]) && found.contents.members == 0 {
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

/// HDF5: what names other files is never clean.
pub fn inspect_hdf5(data: &[u8]) {
    let found = look("model.h5", data);
    if !found.contents.external.is_empty() {
        assert_ne!(found.verdict(), Verdict::Clean);
    }
}

/// A model's configuration, alone and in an archive: the second adds nothing but what it says of itself.
pub fn inspect_keras(data: &[u8]) {
    let archive = stored(&[("metadata.json", b"{}"), ("config.json", data), ("model.weights.h5", b"")]);
    let is_malicious = |found: FileInspection| {
        let is_keras = |rule: RuleId| rule.as_str().starts_with("KER");
        found.findings.iter().any(|finding| is_keras(finding.rule) && finding.severity == Severity::Malicious)
    };
    if is_malicious(look("model.json", data)) {
        assert!(is_malicious(look("model.keras", &archive)));
    }
}

/// 7z, with checksums made right: otherwise nothing behind them is reached.
pub fn inspect_seven_zip(data: &[u8]) {
    let mut data = data.to_vec();
    if data.len() >= 32 {
        data[..6].copy_from_slice(b"7z\xbc\xaf\x27\x1c");
        let number = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().expect("eight bytes"));
        let start = usize::try_from(number(12).saturating_add(32)).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(number(20)).unwrap_or(usize::MAX));
        if let Some(header) = data.get(start..end) {
            let sum = crc(header);
            data[28..32].copy_from_slice(&sum.to_le_bytes());
        }
        let sum = crc(&data[12..32]);
        data[8..12].copy_from_slice(&sum.to_le_bytes());
    }
    look("model.7z", &data);
}

/// The description of objects in an archive of skops.
pub fn inspect_skops(data: &[u8]) {
    look("model.skops", &stored(&[("schema.json", data)]));
}

/// MessagePack.
pub fn inspect_flax(data: &[u8]) {
    look("model.msgpack", data);
}

/// R's serialisation, behind the first bytes that all have.
pub fn inspect_r_data(data: &[u8]) {
    look("model.rds", &[b"X\n\0\0\0\x02\0\x04\x03\0\0\x02\x03\0", data].concat());
    look("model.rds", data);
}

/// A zip archive of these members, without compression.
fn stored(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let size = (content.len() as u32).to_le_bytes();
        let fields: [&[u8]; 6] = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0],
            &crc(content).to_le_bytes(),
            &size,
            &size,
            &[name.len() as u8, 0],
            &[0, 0],
        ];
        let fields = fields.concat();
        let at = (archive.len() as u32).to_le_bytes();
        directory.extend([b"PK\x01\x02\x14\0", &fields[..], &[0; 10], &at, name.as_bytes()].concat());
        archive.extend([b"PK\x03\x04", &fields[..], name.as_bytes(), content].concat());
    }
    let (start, size) = (archive.len() as u32, directory.len() as u32);
    let count = [members.len() as u8, 0];
    let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &size.to_le_bytes(), &start.to_le_bytes(), &[0, 0]]
        .concat();
    [archive, directory, end].concat()
}

fn crc(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}

/// Core ML.
pub fn inspect_coreml(data: &[u8]) {
    look("model.mlmodel", data);
}

/// ONNX: a model is the same one in a file of another name, as long as its shape is still told.
pub fn inspect_onnx(data: &[u8]) {
    let found = look("model.onnx", data);
    let renamed = look("model", data);
    if (found.format, renamed.format) == (FileFormat::Onnx, FileFormat::Onnx) {
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

/// What is put behind a clean GGUF file is seen.
pub fn inspect_gguf(data: &[u8]) {
    let found = look("model.gguf", data);
    if found.format == FileFormat::Gguf && found.verdict() == Verdict::Clean {
        // More than any padding that is let pass.
        let more = [data, &[1; 5000]].concat();
        assert_ne!(look("model.gguf", &more).verdict(), Verdict::Clean);
    }
}

/// What comes before an attack does not hide it, as long as it can be followed.
pub fn inspect_jinja(data: &[u8]) {
    let found = look("chat_template.jinja", data);
    let more = [data, b"{{ q.__class__ }}"].concat();
    if found.format == FileFormat::Jinja && more.len() < 256 * 1024 {
        let lost = found.findings.iter().any(|finding| finding.rule.as_str() == "JIN009");
        let more = look("chat_template.jinja", &more);
        assert!(lost || more.format != FileFormat::Jinja || more.verdict() == Verdict::Malicious);
    }
}

/// JSON without any finding is JSON to others.
pub fn inspect_json(data: &[u8]) {
    let found = look("config.json", data);
    if found.format == FileFormat::Json && found.findings.is_empty() {
        match serde_json::from_slice::<serde_json::Value>(data) {
            Ok(_) => {}
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.contains("recursion limit") || error.contains("number out of range"),
                    "{error}"
                );
            }
        }
    }
}

/// A safetensors file is judged alike whether its length is known or it comes out of a decoder.
pub fn inspect_safetensors(data: &[u8]) {
    let found = look("model.safetensors", data);
    if found.format == FileFormat::Safetensors && found.formats.len() == 1 {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(data).expect("memory can be written");
        let packed = look("model.safetensors.gz", &packed.finish().expect("memory can be written"));
        assert_eq!(packed.verdict(), found.verdict());
    }
}

/// Models of boosted trees; what is none of them is one behind a mark.
pub fn inspect_boost(data: &[u8]) {
    look("model.ubj", data);
    look("model.json", data);
    let marked = |mark: &[u8]| [mark, data.strip_prefix(mark).unwrap_or(data)].concat();
    look("model.txt", &marked(b"tree\nversion=v4\n"));
    look("model.cbm", &marked(b"CBM1"));
    look("model.ubj", &marked(b"{L\0\0\0\0\0\0\0\x07learner{"));
}

/// Pictures and documents.
pub fn inspect_media(data: &[u8]) {
    for name in ["a.png", "a.svg", "a.html"] {
        look(name, data);
    }
}

/// Programs.
pub fn inspect_native(data: &[u8]) {
    for name in ["a.so", "a.exe", "a.pyc", "a.bin"] {
        look(name, data);
    }
}

/// Lists of packages.
pub fn inspect_packages(data: &[u8]) {
    look("requirements.txt", data);
    look("pyproject.toml", data);
}

/// Sources and scripts: Python is never shown to be harmless.
pub fn inspect_source(data: &[u8]) {
    look("run.sh", data);
    look("a.ipynb", data);
    let found = look("a.py", data);
    assert!(found.format != FileFormat::Python || found.verdict() >= Verdict::Suspicious);
}

/// Text, Git's files and pointers.
pub fn inspect_text(data: &[u8]) {
    for name in ["a.txt", "README", "config"] {
        look(name, data);
    }
}

/// Vocabularies of tokenizers.
pub fn inspect_vocabulary(data: &[u8]) {
    look("spiece.model", data);
    look("a.tiktoken", data);
}

/// YAML.
pub fn inspect_yaml(data: &[u8]) {
    for name in ["a.yaml", "MLmodel", "conda.yaml"] {
        look(name, data);
    }
}

/// A rule set never makes a severity milder without a reason, nor what was not understood clean; and one text has one digest.
pub fn inspect_rules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(rules) = RuleSet::parse(text) else { return };
    assert_eq!(RuleSet::parse(text).map(|again| again.digest()), Ok(rules.digest()));
    assert!(rules.denies(Verdict::Suspicious) && !rules.denies(Verdict::Clean));
    for (id, changed) in rules.changed() {
        assert!(changed.to() > changed.from() || changed.reason().is_some());
        assert!(
            changed.to() != Severity::Note
                || (changed.from() > Severity::Unknown && !id.as_str().starts_with("LIM"))
        );
    }
    for (module, name) in [("os", "system"), ("builtins", "eval"), ("posix", "system")] {
        assert!(matches!(rules.globals().judge(module, name, 4), Standing::Dangerous(_)));
    }
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
