//! Files of models.

use modelseal_core::{
    inspection::{FileFormat, FileInspection, PickleTier, Severity, Verdict},
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
